"""预约: from the ledger to an institution, back, and again; every state against every verb of the using unit."""

import pytest
from sqlalchemy import func, select

from app.access import seeing
from app.domain import bookings, matching, tallies
from app.models import Appointment, Task
from app.states import DRAFT, FILED, OFFERED, RETURNED, TASK_STATES, UNASSIGNED, WITHDRAW, WITHDRAWN
from tests.factories import (
    WATER_METER,
    authority,
    capability,
    history,
    institution,
    instrument,
    kind,
    states,
    task,
    using_unit,
)

ORDER = {"contact": "朱丽华", "phone": "13812345678", "delivery": "sent", "wished_on": "", "remark": "请先电话联系"}


@pytest.fixture
def unit(rows):
    return using_unit()


@pytest.fixture
def clerk(sign_in, unit):
    authority("330106")
    return sign_in("UsingUnitClerk", unit)


@pytest.fixture
def lab(rows):
    found = institution(name="西湖所")
    capability(found, "330106")
    return found


def filed(unit, region="330106", **values):
    return instrument(region, unit, filing_state=FILED, **values)


def book(clerk, whats, **changed):
    return clerk.act("ledger", "book", [what.id for what in whats], **{**ORDER, **changed})


def tasks_of(rows, what):
    return list(rows.scalars(select(Task).where(Task.instrument_id == what.id).order_by(Task.id)))


def test_a_booking_goes_to_the_best_able_institution(clerk, unit, lab, rows):
    far = institution("330203")
    capability(far, "330000")
    first, second = filed(unit), filed(unit)

    assert book(clerk, [first, second]).status_code == 204

    (one,), (two,) = tasks_of(rows, first), tasks_of(rows, second)
    assert [(each.state, each.institution_id) for each in (one, two)] == [(OFFERED, lab.id)] * 2
    assert one.due_on is not None
    assert (one.appointment_id, history(one)) == (two.appointment_id, [("submit", DRAFT, OFFERED, None)])
    order = rows.get(Appointment, one.appointment_id)
    assert (order.applicant, order.contact, order.phone, order.remark) == (
        unit.name, "朱丽华", "13812345678", "请先电话联系",
    )  # fmt: skip
    assert one.authority_id == authority("330106").id
    assert order.no.startswith("YY330106-")
    assert clerk.messages() == ["已预约 2 台器具。"]


def test_what_nobody_is_able_to_verify_goes_to_the_authority(clerk, unit, lab, rows, sign_in):
    able, large = filed(unit), filed(unit, range_low=200, range_high=200)

    book(clerk, [able, large])

    (one,), (two,) = tasks_of(rows, able), tasks_of(rows, large)
    assert [(one.state, one.institution_id), (two.state, two.institution_id)] == [
        (OFFERED, lab.id), (UNASSIGNED, None),
    ]  # fmt: skip
    assert f'data-id="{two.id}"' in sign_in("AssignmentOfficer", authority("330106")).get("/assignments/").text


def test_another_able_institution_can_be_chosen_for_a_lot(clerk, unit, lab, rows):
    other, unable = institution("330203", "宁波所"), institution(name="别的所")
    capability(other, "330000")
    what = filed(unit)
    dialog = clerk.open("ledger", "book", [what.id]).text
    assert ("西湖所" in dialog, "宁波所" in dialog, "别的所" in dialog) == (True, True, False)
    (lot,) = matching.lots_of_instruments([what.id])

    assert book(clerk, [what], **{f"lot-{lot.key}": str(unable.id)}).status_code == 422
    assert tasks_of(rows, what) == []
    assert book(clerk, [what], **{f"lot-{lot.key}": str(other.id)}).status_code == 204

    assert [each.institution_id for each in tasks_of(rows, what)] == [other.id]


def test_one_order_for_each_county(clerk, unit, lab, rows):
    authority("330105")
    here, there = filed(unit), filed(unit, "330105")

    book(clerk, [here, there])

    assert rows.scalar(select(func.count()).select_from(Appointment)) == 2
    assert [tasks_of(rows, what)[0].region_code for what in (here, there)] == ["330106", "330105"]


@pytest.mark.parametrize(
    "values",
    [{"filing_state": "pending"}, {"filing_state": DRAFT}, {"use_state": "stopped"}, {"use_state": "scrapped"}],
    ids=str,
)
def test_only_what_is_filed_and_in_use_can_be_booked(clerk, unit, lab, rows, values):
    what = instrument(unit=unit, **{"filing_state": FILED, **values})

    assert book(clerk, [what]).status_code == 422
    assert tasks_of(rows, what) == []


def test_what_is_booked_already_or_a_neighbours_is_left_out(clerk, unit, lab, rows):
    free, booked, theirs = filed(unit), filed(unit), filed(using_unit())
    task(OFFERED, to=lab, unit=unit, what=booked)

    book(clerk, [free, booked, theirs])

    assert [len(tasks_of(rows, what)) for what in (free, booked, theirs)] == [1, 1, 0]
    assert clerk.messages() == ["已预约 1 台器具。 2 台已预约或状态不符，未作改动。"]


@pytest.mark.parametrize(
    "changed",
    [{"contact": " "}, {"phone": "12"}, {"delivery": "x"}, {"wished_on": "2000-01-01"}, {"wished_on": "2999-01-01"},
     {"remark": "x" * 501}],
    ids=str,
)  # fmt: skip
def test_an_order_that_is_not_complete_is_refused(clerk, unit, lab, rows, changed):
    what = filed(unit)

    assert book(clerk, [what], **changed).status_code == 422
    assert tasks_of(rows, what) == []


def test_a_draft_is_nobodys_work_until_it_is_submitted(clerk, unit, lab, rows, sign_in):
    what = filed(unit)
    tallies.rebuild()
    book(clerk, [what], draft="y")
    (draft,) = tasks_of(rows, what)
    assert (draft.state, draft.institution_id, history(draft)) == (DRAFT, None, [])
    assert tallies.differences() == []
    assert "西湖所" in clerk.open("progress", "submit", [draft.id]).text

    assert clerk.act("progress", "submit", [draft.id]).status_code == 204

    assert (draft.state, draft.institution_id) == (OFFERED, lab.id)
    assert tallies.differences() == []
    assert f'data-id="{draft.id}"' in sign_in("InstitutionClerk", lab).get("/inbox/").text


def test_a_draft_can_be_deleted_with_its_order(clerk, unit, lab, rows):
    what = filed(unit)
    book(clerk, [what], draft="y")
    (draft,) = tasks_of(rows, what)

    clerk.act("progress", "remove", [draft.id])

    assert tasks_of(rows, what) == []
    assert rows.scalars(select(Appointment)).all() == []
    assert book(clerk, [what]).status_code == 204


def test_what_came_back_is_corrected_and_submitted_again(clerk, unit, lab, rows):
    what = filed(unit, range_low=200, range_high=200)
    back = task(RETURNED, to=institution(), unit=unit, what=what, desk=authority("330106"))
    what.range_low = what.range_high = 20
    rows.flush()

    clerk.act("progress", "resubmit", [back.id])

    assert (back.state, back.institution_id, back.reason) == (OFFERED, lab.id, None)
    assert history(back) == [("resubmit", RETURNED, OFFERED, None)]


VERBS = {
    "submit": {DRAFT: OFFERED},
    "resubmit": {RETURNED: OFFERED},
    "withdraw": dict.fromkeys(WITHDRAW.sources, WITHDRAWN),
}


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("state", TASK_STATES)
def test_a_unit_moves_its_own_tasks_only_from_the_states_for_it(clerk, unit, lab, state, verb):
    mine = task(state, unit=unit, to=None if state in (DRAFT, UNASSIGNED) else lab, what=filed(unit))
    theirs = task(state, to=None if state in (DRAFT, UNASSIGNED) else lab)

    clerk.act("progress", verb, [mine.id, theirs.id])

    assert states(mine, theirs) == [VERBS[verb].get(state, state), state]


@pytest.mark.parametrize("state", TASK_STATES)
def test_only_drafts_are_deleted(clerk, unit, lab, rows, state):
    mine = task(state, unit=unit, to=None if state in (DRAFT, UNASSIGNED) else lab, what=filed(unit))

    mine_id = mine.id
    clerk.act("progress", "remove", [mine_id])

    assert (rows.scalar(select(Task.id).where(Task.id == mine_id)) is None) == (state == DRAFT)


def test_the_slip_shows_each_institution_its_instruments(clerk, unit, lab, rows, sign_in):
    what = filed(unit, serial_no="SN-ON-THE-SLIP")
    book(clerk, [what])
    (one,) = tasks_of(rows, what)
    address = f"/appointments/slip/{one.appointment_id}"

    slip = clerk.get(address).text

    assert all(text in slip for text in ("SN-ON-THE-SLIP", "西湖所", "朱丽华", "data:image/svg+xml"))
    assert sign_in("UsingUnitClerk", using_unit()).get(address).status_code == 404
    assert f'data-id="{one.appointment_id}"' in clerk.get("/appointments/").text


@pytest.mark.parametrize("count", [1, 120])
def test_a_booking_costs_the_same_statements_for_one_and_for_many(clerk, unit, lab, statements, count):
    whats = [filed(unit) for _ in range(count)]

    with statements() as seen:
        book(clerk, whats)

    assert len(seen) <= 27


def test_the_due_filter_finds_what_falls_due(clerk, unit, rows):
    from datetime import timedelta

    from app.domain import holidays

    today = holidays.today()
    days = {20: "due_soon", 45: "valid", 80: "valid", 300: "valid", -1: "overdue"}
    made = {
        day: filed(unit, valid_until=today + timedelta(days=day), verification_state=state)
        for day, state in days.items()
    }
    never = filed(unit)
    stopped = filed(unit, valid_until=today, verification_state="due_soon", use_state="stopped")

    def found(due):
        page = clerk.get(f"/ledger/?due={due}").text
        return {day for day, what in made.items() if f'data-id="{what.id}"' in page} | (
            {"never"} if f'data-id="{never.id}"' in page else set()
        )

    assert {due: found(due) for due in ("30", "60", "90", "overdue", "never")} == {
        "30": {-1, 20}, "60": {-1, 20, 45}, "90": {-1, 20, 45, 80}, "overdue": {-1}, "never": {"never"},
    }  # fmt: skip
    assert f'data-id="{stopped.id}"' not in clerk.get("/ledger/?due=30").text


def test_lots_are_alike_in_what_is_needed(clerk, unit, lab):
    small, alike, fine = filed(unit), filed(unit), filed(unit, accuracy_value="0.1", accuracy_class="0.1级")

    with seeing(sign := _principal(unit)):
        found = matching.lots_of_instruments(bookings.chosen_bookable([small.id, alike.id, fine.id]))

    assert sign.kind == "using_unit"
    assert sorted((lot.count, [option.institution for option in lot.options]) for lot in found) == [
        (1, []), (2, ["西湖所"]),
    ]  # fmt: skip
    assert {lot.kind for lot in found} == {kind(WATER_METER).name}


def _principal(unit):
    from app.access import Principal

    return Principal(kind="using_unit", organization_id=unit.id, organization=unit.name)
