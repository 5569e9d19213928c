"""检定任务受理: an institution accepts or returns what was offered to it, and nothing else."""

import pytest

from app.models import Task
from app.states import ACCEPTED, CERTIFIED, OFFERED, RETURNED, UNASSIGNED
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

    assert len(seen) == 6  # who, what they may, the step, and three for the audit log
