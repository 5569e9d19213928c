"""日常作业: what a new day does by itself; done twice it moves nothing, and each run can be seen."""

from datetime import date, timedelta

import pytest
from sqlalchemy import func, select

from app.access import EVERYTHING
from app.domain import clockwork, holidays, tallies
from app.models import Capability, ClockRun, Holiday, Instrument, Notification, ProvinceRule, Qualification, Task, db
from app.states import (
    ACCEPTED,
    DUE_SOON,
    EFFECTIVE,
    EXPIRED,
    FAILED,
    OFFERED,
    OVERDUE,
    UNASSIGNED,
    UNVERIFIED,
    VALID,
)
from tests.factories import (
    account,
    authority,
    capability,
    history,
    institution,
    instrument,
    measurement_standard,
    staff_member,
    task,
    using_unit,
)

TODAY = holidays.today()


def run(day=TODAY):
    moved = clockwork.run(day, EVERYTHING)
    db.session.expire_all()
    return moved


def days(number):
    return TODAY + timedelta(days=number)


@pytest.mark.parametrize(
    ("before", "until", "after"),
    [
        (VALID, 31, VALID), (VALID, 30, DUE_SOON), (VALID, 0, DUE_SOON), (VALID, -1, OVERDUE), (DUE_SOON, -1, OVERDUE),
        (DUE_SOON, 5, DUE_SOON), (OVERDUE, -9, OVERDUE), (FAILED, None, FAILED), (UNVERIFIED, None, UNVERIFIED),
        (VALID, None, VALID),
    ],
)  # fmt: skip
def test_instruments_fall_due_and_run_out(rows, before, until, after):
    what = instrument(verification_state=before, valid_until=None if until is None else days(until))

    run()

    assert what.verification_state == after


@pytest.mark.parametrize("use", ["stopped", "scrapped"])
def test_what_is_out_of_use_does_not_fall_due(rows, use):
    what = instrument(verification_state=VALID, valid_until=days(-5), use_state=use)

    run()

    assert what.verification_state == VALID


@pytest.mark.parametrize(
    ("own", "certificate", "public", "after"),
    [(0, 5, 5, EFFECTIVE), (-1, 5, 5, EXPIRED), (5, 0, 0, EFFECTIVE), (5, -1, 5, EXPIRED), (5, 5, -1, EXPIRED)],
)
def test_a_capability_ends_with_its_validity_or_with_its_standard(rows, own, certificate, public, after):
    lab = institution()
    behind = measurement_standard(lab, valid_until=days(certificate), public_valid_until=days(public))
    able = capability(lab, valid_until=days(own), standard_id=behind.id)

    run()

    assert db.session.get_one(Capability, able.id).state == after


@pytest.mark.parametrize(
    ("state", "due", "after"), [(OFFERED, -1, UNASSIGNED), (OFFERED, 0, OFFERED), (ACCEPTED, -1, ACCEPTED)]
)
def test_an_offer_that_nobody_answers_lies_on_the_authoritys_desk(rows, state, due, after):
    lab = institution()
    one = task(state, to=lab, due_on=days(due))
    tallies.rebuild()

    run()

    found = db.session.get_one(Task, one.id)
    assert (found.state, found.institution_id) == (after, None if after == UNASSIGNED else lab.id)
    assert history(one) == ([("time_out", OFFERED, UNASSIGNED, None)] if after != state else [])
    assert tallies.differences() == []


def test_a_day_that_is_done_twice_moves_nothing_the_second_time(rows):
    unit, lab = using_unit(), institution()
    account("UsingUnitClerk", unit)
    account("InstitutionClerk", lab)
    instrument(unit=unit, verification_state=VALID, valid_until=days(-1))
    instrument(unit=unit, verification_state=VALID, valid_until=days(3))
    capability(lab, valid_until=days(-1))
    task(OFFERED, to=lab, due_on=days(-1))
    task(ACCEPTED, to=lab, due_on=days(0))

    first = run()
    told = db.session.scalar(select(func.count()).select_from(Notification))
    second = run()

    first.pop("month_end")  # only in the first days of a month
    assert {name: count for name, count in first.items() if count} == {
        "run_out": 1, "fall_due": 1, "expire": 1, "time_out": 1, "near_deadline": 1, "manufacturers": 1,
    }  # fmt: skip
    assert set(second.values()) == {0}
    assert db.session.scalar(select(func.count()).select_from(Notification)) == told
    assert db.session.scalars(select(ClockRun.day)).all() == [TODAY]


def test_a_day_that_was_missed_is_made_up_for(rows):
    what = instrument(verification_state=VALID, valid_until=days(-3))

    assert run(days(-2))["run_out"] == 1
    assert what.verification_state == OVERDUE


def test_a_day_that_has_not_come_is_refused(sign_in):
    boss = sign_in("SystemAdministrator", authority(""))

    answer = boss.act("clockwork", "run", [], day=days(1).isoformat())

    assert (answer.status_code, "尚未到" in answer.text) == (422, True)
    assert boss.act("clockwork", "run", [], day="x").status_code == 422
    assert boss.act("clockwork", "run", [], day=TODAY.isoformat()).status_code == 204
    assert TODAY.isoformat() in boss.get("/clockwork/").text


def test_only_the_nation_lets_it_run(sign_in):
    for role, jurisdiction in (("ProvincialAdministrator", "33"), ("Supervisor", "")):
        person = sign_in(role, authority(jurisdiction))
        assert person.get("/clockwork/").status_code == 403
        assert person.act("clockwork", "run", [], day=TODAY.isoformat()).status_code == 403


def test_institutions_are_reminded_of_qualifications_thirty_days_before(rows):
    lab = institution()
    person = account("InstitutionApprover", lab)
    staff_member(lab, qualified_until=days(30))
    staff_member(lab, "别人", qualified_until=days(31))

    assert run()["qualification"] == 1
    (told,) = db.session.scalars(select(Notification).where(Notification.account_id == person.id))
    assert (told.kind, told.amount) == ("qualification", 1)
    assert db.session.scalar(select(func.count()).select_from(Qualification)) == 2


# --- Working days ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "number", "last"),
    [
        (date(2026, 2, 12), 1, date(2026, 2, 13)),
        (date(2026, 2, 13), 1, date(2026, 2, 14)),  # a Saturday worked before 春节
        (date(2026, 2, 14), 1, date(2026, 2, 24)),  # nine days of 春节
        (date(2026, 2, 14), 5, date(2026, 2, 28)),  # the second Saturday worked is the fifth
        (date(2026, 9, 30), 1, date(2026, 10, 8)),
        (date(2026, 11, 27), 1, date(2026, 11, 30)),
        (date(2026, 11, 28), 2, date(2026, 12, 1)),
    ],
)
def test_working_days_pass_over_holidays_and_count_weekends_that_are_worked(rows, start, number, last):
    counted = holidays.working_days_after(db.literal(start, db.Date), db.literal(number))

    assert db.session.scalar(select(counted)) == last


def test_a_holiday_that_is_added_moves_the_deadlines_after_it(sign_in, rows):
    boss = sign_in("SystemAdministrator", authority(""))
    friday, monday = date(2027, 6, 4), date(2027, 6, 7)
    counted = holidays.working_days_after(db.literal(friday, db.Date), db.literal(1))
    assert rows.scalar(select(counted)) == monday

    assert boss.act("holidays", "add", [], day=monday.isoformat(), name="特别假日").status_code == 204

    assert rows.scalar(select(counted)) == monday + timedelta(days=1)
    assert rows.scalar(select(Holiday.working).where(Holiday.day == monday)) is False


def test_the_days_to_answer_are_the_provinces(sign_in, rows, monkeypatch):
    """七 days in 浙江, three elsewhere: an offer of the day before 国庆."""
    monkeypatch.setattr(holidays, "today", lambda: date(2026, 9, 30))
    rows.add(ProvinceRule(province_code="330000", filing_reviewed=False, answer_days=7))
    nation = rows.scalars(select(ProvinceRule).where(ProvinceRule.province_code == "000000")).one()
    nation.answer_days = 3
    here, there = using_unit("330106"), using_unit("320102")
    lab = institution("330106")
    capability(lab, "000000")
    ids = []
    for unit, region in ((here, "330106"), (there, "320102")):
        authority(region)
        what = instrument(region, unit, filing_state="filed")
        clerk = sign_in("UsingUnitClerk", unit)
        clerk.act("ledger", "book", [what.id], contact="张三", phone="13812345678", delivery="sent")
        ids.append(what.id)

    due = dict(rows.execute(select(Task.instrument_id, Task.due_on)).all())

    assert [due[id] for id in ids] == [date(2026, 10, 15), date(2026, 10, 10)]
    assert db.session.get_one(Instrument, ids[0]).filing_state == "filed"
