"""Tallies: after whatever was done they say what a full count says, folded or not."""

from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any

import pytest
from sqlalchemy import func, select, update

from app import counting
from app.access import EVERYTHING
from app.domain import certificates, holidays, ledger, mergers, organizations, tallies
from app.models import Certificate, Tally, Task, db
from app.states import (
    APPROVE,
    CERTIFIED,
    DRAFT,
    FILED,
    FILING_STATES,
    INSTRUMENT_STEPS,
    TASK_STATES,
    TASK_STEPS,
    TO_APPROVE,
    UNASSIGNED,
    USE_STATES,
    VERIFICATION_STATES,
    VERIFIED,
    WITH_INSTITUTION,
)
from app.workflow import fire
from tests.factories import BLOOD_PRESSURE, FAR, certificate, institution, instrument, task, using_unit

SOON = date(2027, 1, 31)


def everything(unit):
    """An instrument in each state of filing, use and verification."""
    return [
        instrument(
            unit=unit,
            filing_state=filing,
            use_state=use,
            verification_state=verification,
            valid_until=FAR if verification in VERIFIED else None,
            filing_reason="资料不全" if filing == "sent_back" else None,
        )
        for filing in FILING_STATES
        for use in USE_STATES
        for verification in VERIFICATION_STATES
    ]


def tallied(subject, *, by="state"):
    column = getattr(Tally, by)
    rows = select(column, func.sum(Tally.amount)).where(Tally.subject == subject).group_by(column)
    return {value: int(amount) for value, amount in db.session.execute(rows) if amount}


def number(which) -> int:
    return db.session.scalar(select(func.count()).where(which)) or 0


@pytest.mark.parametrize("step", INSTRUMENT_STEPS, ids=lambda step: f"{step.column}-{step.name}")
def test_the_tallies_follow_every_step_of_an_instrument(rows, step):
    ones = everything(using_unit())
    tallies.rebuild()

    assert fire(step, [one.id for one in ones], EVERYTHING, reason="因为所以", **_needed(step)).done
    assert tallies.differences() == []


@pytest.mark.parametrize("seed", range(4))
def test_after_any_sequence_of_steps_the_tallies_are_a_full_count(rows, seed):
    dice, labs, unit = Random(seed), [institution(), institution()], using_unit()
    meters = [instrument(unit=unit, of=of) for of in ("水表", BLOOD_PRESSURE) for _ in range(4)]
    ones = [task(state, to=labs[0]) for state in TASK_STATES if state not in {DRAFT, "unassigned"}]
    tallies.rebuild()

    for _ in range(40):
        step = dice.choice((*TASK_STEPS, *INSTRUMENT_STEPS))
        chosen = dice.sample([each.id for each in (ones if step.of == "task" else meters)], 5)
        fire(step, chosen, EVERYTHING, reason="因为所以", **_needed(step, dice.choice(labs), dice.choice((FAR, SOON))))
        dice.choice((tallies.fold, tallies.compact, int, int))()

    assert tallies.differences() == []


def _needed(step, lab: Any = None, until: date = FAR) -> Any:
    """What the target state needs beside the step itself."""
    if step.column == "verification_state":
        return {"valid_until": until if step.target in VERIFIED else None}
    if step.column == "filing_state":
        return {"filing_reason": "资料不全"}
    if step.of != "task":
        return {}
    done: dict[str, Any] = {"finished_at": func.now() if step.target == CERTIFIED else None}
    if step is APPROVE:
        done["told"] = counting.punctuality
    return {"institution_id": lab.id if step.target in WITH_INSTITUTION else None, **done}


def test_results_are_counted_by_month_and_taken_out_when_they_are_void(rows):
    lab = institution()
    passed, void = (certificate(task(CERTIFIED, to=lab)) for _ in range(2))
    failed = certificate(task(CERTIFIED, to=lab), passed=False, kind="rejection", valid_until=None)
    db.session.execute(update(Certificate).values(issued_at=date(2026, 3, 31)))
    tallies.rebuild()
    assert tallied("result") == {"passed": 2, "failed": 1}
    assert tallied("result_of", by="institution_id") == {lab.id: 3}

    certificates.correct([void.id], "信息录入有误", EVERYTHING)

    assert (tallied("result"), tallied("result_kind")) == ({"passed": 1, "failed": 1},) * 2
    assert tallied("result", by="month") == {date(2026, 3, 1): 2}
    assert tallies.differences() == []
    assert passed.state == failed.state


@pytest.mark.parametrize(
    ("moment", "month"), [("2026-03-31 15:59+00", "2026-03-01"), ("2026-03-31 16:00+00", "2026-04-01")]
)
def test_a_month_begins_at_midnight_in_shanghai(rows, moment, month):
    certificate(task(CERTIFIED))
    db.session.execute(update(Certificate).values(issued_at=moment))
    tallies.rebuild()

    assert tallied("result", by="month") == {date.fromisoformat(month): 1}


@pytest.mark.parametrize(("late", "told"), [(0, "in_time"), (1, "late")])
def test_a_certificate_is_in_time_on_its_last_day_and_late_the_day_after(rows, late, told):
    lab, today = institution(), holidays.today()
    accepted, received = (datetime.now(UTC) - timedelta(days=days) for days in (9, 4))
    due = today - timedelta(days=late)
    one = task(TO_APPROVE, to=lab, due_on=due, accepted_at=accepted, received_at=received)
    tallies.rebuild()

    fire(APPROVE, [one.id], EVERYTHING, told=counting.punctuality, finished_at=func.now())

    assert (tallied("ended"), tallied("days")) == ({told: 1}, {told: 4})
    assert tallied("ended", by="institution_id") == {lab.id: 1}
    assert tallies.differences() == []


def test_what_waits_is_counted_by_the_day_of_its_application(rows):
    for moment in ("2026-03-31 15:59+00", "2026-03-31 16:00+00"):
        task(UNASSIGNED, applied_at=datetime.fromisoformat(moment))
    task("offered")
    tallies.rebuild()

    assert tallied("waiting", by="month") == {date(2026, 3, 31): 1, date(2026, 4, 1): 1}


def test_units_are_counted_where_they_are_at_home_until_they_are_merged(rows):
    one, other = using_unit("330106"), using_unit("330106")
    tallies.rebuild()

    organizations.move(one.id, str(one.revision), EVERYTHING, region_code="330105")
    assert tallied("unit", by="region_code") == {"330105": 1, "330106": 1}
    organizations.disable([one.id], "长期不再使用", EVERYTHING)
    assert tallied("unit") == {"active": 1, "disabled": 1}
    organizations.enable([one.id], EVERYTHING)
    mergers.merge(one.id, other.id, "两家单位已合并", EVERYTHING)

    assert tallied("unit", by="region_code") == {"330106": 1}
    assert tallies.differences() == []


def test_an_edited_instrument_is_counted_where_it_is_now(rows):
    one = instrument(filing_state=FILED)
    rows.refresh(one)
    tallies.rebuild()
    told = {name: getattr(one, name) for name in ledger.TOLD}

    ledger.edit(
        one.id,
        ledger.Entry(**{**told, "purpose": "medical", "range_unit": "m³/h"}),
        one.serial_no,
        str(one.revision),
        EVERYTHING,
    )

    assert one.purpose == "medical"
    assert tallied("use", by="purpose") == {"medical": 1}
    assert tallies.differences() == []


def test_folding_touches_only_what_was_appended(rows):
    lab = institution()
    ones = [task("offered", to=lab) for _ in range(3)]
    tallies.rebuild()
    whole = number(Tally.folded)

    for one in ones:
        fire(next(step for step in TASK_STEPS if step.name == "accept"), [one.id], EVERYTHING)
    appended = number(~Tally.folded)
    saved = tallies.fold()

    assert appended == 3 * 8
    assert number(Tally.id > 0) == whole + appended - saved
    assert number(~Tally.folded) == 0
    tallies.compact()
    assert tallied("place") == {"accepted": 3}
    assert tallies.differences() == []


def test_every_table_that_has_steps_of_what_is_counted_is_among_the_subjects():
    steps = {(step.of, step.column) for step in (*TASK_STEPS, *INSTRUMENT_STEPS)}
    on = {(of, column) for of, subjects in counting.SUBJECTS.items() for each in subjects for column in each.on}

    assert steps <= on
    assert {Task.__tablename__, Certificate.__tablename__} <= set(counting.SUBJECTS)
