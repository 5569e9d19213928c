"""Every state x every step: what moves, what stays, what is written about it."""

from typing import Any

import pytest

from app.access import EVERYTHING
from app.domain import tallies
from app.models import Event, Task, db
from app.states import STEP_LABELS, TASK_LABELS, TASK_STATES, TASK_STEPS, WITH_INSTITUTION, WITH_REASON
from app.workflow import fire
from tests.factories import appointment, history, institution, kind, states, task, using_unit


def values_for(step, lab) -> Any:
    """What the target state needs beside the step itself."""
    if step.target in WITH_INSTITUTION:
        values = {"institution_id": lab.id}
        return values | {"finished_at": db.func.now() if step.target == "certified" else None}
    return {"institution_id": None}


@pytest.mark.parametrize("step", TASK_STEPS, ids=lambda step: f"{step.name}-{step.target}")
@pytest.mark.parametrize("state", TASK_STATES)
def test_a_step_moves_a_task_from_its_source_states_only(rows, state, step):
    lab = institution()
    one = task(state, to=lab if state not in {"draft", "unassigned"} else None)

    outcome = fire(step, [one.id], EVERYTHING, reason="因为所以", **values_for(step, lab))

    moves = state in step.sources
    assert (outcome.asked, outcome.done, outcome.skipped) == (1, int(moves), int(not moves))
    assert states(one) == [step.target if moves else state]
    assert history(one) == ([(step.name, state, step.target, "因为所以")] if moves else [])


@pytest.mark.parametrize("step", [step for step in TASK_STEPS if step.needs_reason], ids=lambda step: step.name)
@pytest.mark.parametrize("reason", [None, "", "   "])
def test_a_step_that_needs_a_reason_is_not_done_without(rows, step, reason):
    one = task(next(iter(step.sources)))

    with pytest.raises(ValueError, match=step.name):
        fire(step, [one.id], EVERYTHING, reason=reason)

    assert history(one) == []


def test_every_state_and_step_has_a_word():
    assert set(TASK_LABELS) == set(TASK_STATES)
    assert {step.name for step in TASK_STEPS} <= set(STEP_LABELS)


def test_every_state_can_be_reached_and_the_rest_are_beginnings():
    reached = {step.target for step in TASK_STEPS}

    assert set(TASK_STATES) - reached == {"draft"}
    assert {step.target for step in TASK_STEPS if step.needs_reason} >= WITH_REASON


def test_the_tallies_follow_every_step(rows):
    lab, other = institution(), institution()
    tallies.rebuild()
    ones = [task(state, to=lab) for state in TASK_STATES if state not in {"draft", "unassigned"}] + [
        task(),
        task(),
    ]
    tallies.rebuild()

    for step in TASK_STEPS:
        fire(step, [one.id for one in ones], EVERYTHING, reason="因为所以", **values_for(step, other))
        assert tallies.differences() == []

    tallies.fold()
    assert tallies.differences() == []


def test_differences_names_what_is_wrong(rows):
    task()
    tallies.rebuild()
    rows.execute(db.update(Task).values(state="withdrawn"))

    found = {(row.subject, row.region_code, row.catalogue_item_id, row.state, int(row.difference))
             for row in tallies.differences()}  # fmt: skip
    assert found == {
        ("place", "330106", None, "withdrawn", 1),
        ("place", "330106", None, "unassigned", -1),
        ("kind", "330106", kind().id, "withdrawn", 1),
        ("kind", "330106", kind().id, "unassigned", -1),
        ("waiting", "330106", None, "unassigned", -1),
    }


def test_history_tells_who_and_for_whom(rows):
    lab = institution(name="西湖区计量检定所")
    one = task("offered", to=lab)

    fire(
        next(s for s in TASK_STEPS if s.name == "return"),
        [one.id],
        EVERYTHING,
        reason="超出范围",
        institution_id=None,
    )

    event = rows.scalars(db.select(Event)).one()
    assert (event.by_name, event.institution_id, event.using_unit_id) == ("system", lab.id, one.using_unit_id)
    assert (event.city_code, event.region_code) == ("330100", "330106")


@pytest.mark.parametrize("count", [1, 500])
def test_a_step_costs_one_statement_however_many_rows(rows, statements, count):
    lab = institution()
    owner = task()
    unit = using_unit()
    order = appointment(unit=unit)
    ids = [owner.id, *(task(order=order, unit=unit).id for _ in range(count - 1))]
    step = next(s for s in TASK_STEPS if s.name == "assign")

    with statements() as seen:
        outcome = fire(step, ids, EVERYTHING, institution_id=lab.id)

    assert outcome.done == count
    assert len(seen) == 1
