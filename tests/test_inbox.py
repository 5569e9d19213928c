"""检定任务受理: an institution accepts or returns what was offered to it, and nothing else."""

from datetime import timedelta
from typing import Any

import pytest

from app.domain import holidays, inbox
from app.models import Task
from app.states import ACCEPTED, CERTIFIED, OFFERED, RETURNED, TASK_STATES, UNASSIGNED, VERIFYING
from tests.factories import authority, history, institution, states, task, using_unit


@pytest.fixture
def lab(rows):
    return institution(name="西湖区计量检定所")


@pytest.fixture
def clerk(sign_in, lab):
    return sign_in("InstitutionClerk", lab)


def test_accept_takes_what_is_offered(clerk, lab, rows):
    offered, accepted, theirs = task(OFFERED, to=lab), task(ACCEPTED, to=lab), task(OFFERED)

    assert clerk.act("inbox", "accept", [offered.id, accepted.id, theirs.id]).status_code == 204

    assert states(offered, accepted, theirs) == [ACCEPTED, ACCEPTED, OFFERED]
    assert rows.get(Task, offered.id).accepted_at is not None
    assert clerk.messages() == ["已受理 1 条。 2 条状态或办理层级已变，未作改动。"]


def test_return_gives_back_with_the_reason_and_hides_it_from_the_inbox(clerk, lab, rows):
    offered = task(OFFERED, to=lab)

    clerk.act("inbox", "return", [offered.id], reason="超出授权范围")

    back = rows.get(Task, offered.id)
    assert (back.state, back.institution_id, back.previous_institution_id) == (RETURNED, None, lab.id)
    assert (back.reason, history(offered)) == (
        "超出授权范围",
        [("return", OFFERED, RETURNED, "超出授权范围")],
    )
    assert clerk.get(f"/inbox/show/{offered.id}").status_code == 404


def test_return_wants_a_reason(clerk, lab):
    offered = task(OFFERED, to=lab)

    assert clerk.act("inbox", "return", [offered.id], reason=" ").status_code == 422
    assert states(offered) == [OFFERED]


def test_offered_ones_come_first_and_neighbours_are_not_there(clerk, lab):
    done, offered, theirs = task(CERTIFIED, to=lab), task(OFFERED, to=lab), task(OFFERED)

    page = clerk.get("/inbox/").text

    assert page.index(f'data-id="{offered.id}"') < page.index(f'data-id="{done.id}"')
    assert f'data-id="{theirs.id}"' not in page


def test_the_authority_sees_what_came_back(clerk, lab, sign_in):
    offered = task(OFFERED, to=lab)
    office = sign_in("AssignmentOfficer", authority("330106"))
    assert f'data-id="{offered.id}"' not in office.get("/assignments/").text

    clerk.act("inbox", "return", [offered.id], reason="超出授权范围")

    assert f'data-id="{offered.id}"' in office.get("/assignments/").text


def test_the_using_unit_follows_its_own_tasks(sign_in, lab):
    unit, neighbour = using_unit(), using_unit()
    mine, theirs = task(OFFERED, to=lab, unit=unit), task(UNASSIGNED, unit=neighbour)
    clerk = sign_in("UsingUnitClerk", unit)

    page = clerk.get("/progress/").text

    assert (f'data-id="{mine.id}"' in page, f'data-id="{theirs.id}"' in page) == (True, False)
    assert ("待受理" in page, "西湖区计量检定所" in page) == (True, True)
    assert clerk.get(f"/progress/show/{mine.id}").status_code == 200
    assert clerk.get(f"/progress/show/{theirs.id}").status_code == 404
    assert f'data-id="{mine.id}"' in clerk.get(f"/progress/?institution={lab.id}").text
    assert f'data-id="{mine.id}"' not in clerk.get(f"/progress/?institution={institution().id}").text
    assert "没有该选项" in clerk.get(f"/progress/?institution={neighbour.id}").text


@pytest.mark.parametrize("count", [1, 300])
def test_accepting_costs_the_same_statements_for_one_and_for_many(clerk, lab, statements, count):
    from tests.factories import appointment

    order = appointment()
    ids = [task(OFFERED, to=lab, order=order).id for _ in range(count)]

    with statements() as seen:
        clerk.act("inbox", "accept", ids)

    assert len(seen) == 7  # who, their organization, what they may, the step, and three for the audit log


STEPS = {
    "accept": {OFFERED: ACCEPTED},
    "return": {OFFERED: RETURNED, ACCEPTED: RETURNED},
    "plan": {ACCEPTED: ACCEPTED},
    "receive": {ACCEPTED: ACCEPTED},
    "start": {ACCEPTED: VERIFYING},
}
FIELDS = {"return": {"reason": "超出授权范围"}, "plan": {"planned_on": holidays.today().isoformat()}}


@pytest.mark.parametrize("party", ["clerk", "neighbour"])
@pytest.mark.parametrize("state", TASK_STATES)
@pytest.mark.parametrize("name", STEPS)
def test_every_state_against_every_step_and_party(sign_in, lab, name, state, party):
    """Sent in and not yet received, so that receiving is possible; on site, so that starting is."""
    delivery = "on_site" if name == "start" else "sent"
    held = state not in {"draft", "unassigned", "returned", "withdrawn", "refused"}
    one = task(state, to=lab if held or state == "returned" else None, delivery=delivery)
    who = sign_in("InstitutionClerk", lab if party == "clerk" else institution())

    who.act("inbox", name, [one.id], **FIELDS.get(name, {}))

    moves = party == "clerk" and state in STEPS[name]
    assert states(one) == [STEPS[name][state] if moves else state]
    assert [step for step, *_ in history(one)] == ([name] if moves else [])


def test_what_is_sent_in_is_started_only_once_it_is_there(clerk, lab):
    away = task(ACCEPTED, to=lab, delivery="sent")

    clerk.act("inbox", "start", [away.id])
    assert states(away) == [ACCEPTED]
    clerk.act("inbox", "receive", [away.id])
    clerk.act("inbox", "start", [away.id])

    assert states(away) == [VERIFYING]
    assert [step for step, *_ in history(away)] == ["receive", "start"]


def test_it_is_received_once_and_from_then_the_time_runs(clerk, lab, rows):
    away: Any = task(ACCEPTED, to=lab, delivery="sent")

    clerk.act("inbox", "receive", [away.id])
    first = (away.received_at, away.due_on)
    clerk.act("inbox", "receive", [away.id])

    assert (away.received_at, away.due_on) == first
    assert away.due_on > holidays.today()
    assert len(history(away)) == 1


def test_a_day_that_is_past_is_not_planned(clerk, lab):
    one = task(ACCEPTED, to=lab)

    answer = clerk.act("inbox", "plan", [one.id], planned_on="2020-01-01")

    assert (answer.status_code, one.planned_on) == (422, None)


@pytest.mark.parametrize(("due", "found"), [("past", {-1}), ("near", {0, 1}), ("none", {None})])
def test_the_due_filter(clerk, lab, rows, due, found):
    today = holidays.today()
    days = {-1: today - timedelta(days=1), 0: today, 1: inbox.near(), 2: inbox.near() + timedelta(days=1), None: None}
    ones = {key: task(ACCEPTED, to=lab, due_on=day).id for key, day in days.items()}
    task("certified", to=lab, due_on=today - timedelta(days=5))

    page = clerk.get(f"/inbox/?due={due}").text

    assert {key for key, id in ones.items() if f'data-id="{id}"' in page} == found
