"""The made-up data: that it obeys the workflow, agrees with itself, and is the same each time."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import date, time
from typing import Any
from zoneinfo import ZoneInfo

import click
import pytest
from sqlalchemy import func, select, text
from sqlalchemy.orm import aliased

from app import access, demo, seeding
from app.domain import credit_codes, holidays, matching, month_ends, proposals, tallies
from app.models import (
    Account,
    Appointment,
    Certificate,
    Event,
    Inspection,
    Institution,
    InstitutionVersion,
    Instrument,
    MonthEnd,
    Organization,
    Task,
    db,
)
from app.seeding import county, loading, places, world
from app.states import (
    AWAITING_AUTHORITY,
    CERTIFIED,
    DRAFT,
    INSPECTION_STATES,
    INSPECTION_STEPS,
    PLANNED,
    RETURNED,
    TASK_STATES,
    TASK_STEPS,
)

INSTRUMENTS, SEED = 5000, 7
SHANGHAI = ZoneInfo("Asia/Shanghai")
MOVES = {(step.name, source, step.target) for step in TASK_STEPS for source in step.sources}


@pytest.fixture(scope="module")
def seeded(app: Any, anchor: Any) -> Iterator[Any]:
    """The session on a seeded database; everything is rolled back after the module."""
    transaction = anchor.begin()
    with app.app_context():
        db.session.remove()
        with access.seeing(access.EVERYTHING):
            seeding.seed(INSTRUMENTS, SEED)
            yield db.session
        db.session.remove()
    transaction.rollback()


def test_events_have_ids_of_their_own_in_all_months_and_cities(seeded):
    total, distinct = seeded.execute(select(func.count(), func.count(Event.id.distinct()))).one()
    assert total == distinct > 1000


def waiting() -> Any:
    return select(Task.id).where(Task.state.in_(AWAITING_AUTHORITY))


def made(instruments: int, seed: int) -> list[Any]:
    """All rows as they would be written."""
    common = world.build(seed, date(2026, 11, 20), demo=True)
    found = places.spread(instruments, 0, demo=True)
    return [*world.rows(common), *(county.lines(place, common) for place in found)]


# --- Credit codes --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "code",
    ["91330100799655058B", "91440300708461136T", "914403001922038216", "91110000802100433B", "9144030071526726XG"],
)
def test_codes_of_known_companies_are_valid(code):
    assert credit_codes.is_valid(code)
    assert credit_codes.organization_check_digit(code[8:16]) == code[16]


@pytest.mark.parametrize(
    "code",
    ["91330100799655058C", "91330100799655085B", "9133010079965505", "91330100799655058b", "9133010079965505IB", ""],
)
def test_a_code_with_a_slip_is_not_valid(code):
    assert not credit_codes.is_valid(code)


def test_every_organization_has_a_valid_code(seeded):
    codes = list(seeded.scalars(select(Organization.credit_code)))
    assert [code for code in codes if not credit_codes.is_valid(code)] == []
    assert len(set(codes)) == len(codes)


# --- The workflow --------------------------------------------------------------------------------


def test_the_history_of_each_task_ends_in_its_state(seeded):
    events = defaultdict(list)
    for event in seeded.scalars(select(Event).where(Event.subject == "task").order_by(Event.at, Event.id)):
        events[event.subject_id].append(event)
    for task in seeded.scalars(select(Task)):
        state = DRAFT
        for event in events[task.id]:
            assert event.from_state == state
            assert (event.step, state, event.to_state) in MOVES
            state = event.to_state
        assert state == task.state


def test_a_task_tells_what_its_last_step_did(seeded):
    of_tasks = select(Event).where(Event.subject == "task").order_by(Event.at)
    rows = {event.subject_id: event for event in seeded.scalars(of_tasks)}
    for task in seeded.scalars(select(Task).where(Task.state != DRAFT)):
        event = rows[task.id]
        assert (task.previous_state, task.state_since) == (event.from_state, event.at)
        assert event.institution_id == (task.institution_id or task.previous_institution_id)
        if task.state == RETURNED:
            assert task.reason == event.reason


def test_steps_of_a_task_follow_each_other_within_office_hours(seeded):
    before: dict[int, Any] = {}
    for event in seeded.scalars(select(Event).where(Event.subject == "task").order_by(Event.id)):
        assert event.at > before.get(event.subject_id, event.at.min.replace(tzinfo=SHANGHAI))
        before[event.subject_id] = event.at
        local = event.at.astimezone(SHANGHAI)
        assert local.weekday() < 5
        assert time(8, 30) <= local.time() <= time(17, 30)
        assert local.date() < holidays.today()


def test_every_state_is_met(seeded):
    assert set(seeded.scalars(select(Task.state).distinct())) == set(TASK_STATES)


def test_tallies_are_right(seeded):
    assert tallies.differences() == []


# --- Inspections ---------------------------------------------------------------------------------


def test_inspections_are_in_every_state_and_their_history_ends_in_it(seeded):
    moves = {(step.name, source, step.target) for step in INSPECTION_STEPS for source in step.sources}
    events = defaultdict(list)
    for event in seeded.scalars(select(Event).where(Event.subject == "inspection").order_by(Event.at, Event.id)):
        if event.step != "publish":
            events[event.subject_id].append(event)
    found = seeded.scalars(select(Inspection)).all()
    for one in found:
        state = PLANNED
        for event in events[one.id]:
            assert (event.step, state, event.to_state) in moves
            state = event.to_state
        assert state == one.state
    assert {one.state for one in found} == set(INSPECTION_STATES)
    assert {one.kind for one in found} == {"institution", "using_unit"}


def test_every_institution_has_its_first_version(seeded):
    institutions = select(func.count()).select_from(Institution)
    assert seeded.scalar(institutions) == seeded.scalar(select(func.count()).select_from(InstitutionVersion))


# --- Matching ------------------------------------------------------------------------------------


def test_most_waiting_tasks_have_an_able_institution_and_the_others_lack_everything_there_is(seeded):
    found = proposals.proposal(waiting())
    assert 0.6 < found.matched / found.total < 0.95
    assert set(found.lacking) == set(range(matching.ABLE))


def test_the_seeded_market_agrees_with_matching(seeded):
    common = world.build(SEED, holidays.today(), demo=True)
    known = {place.code: place for place in places.spread(INSTRUMENTS, 0, demo=True)}
    kinds = {(kind.name, kind.model): kind for kind in common.market.kinds.all}
    tasks = select(Task.region_code, Instrument.name, Instrument.model).join(
        Instrument, Instrument.id == Task.instrument_id
    )
    able = [
        bool(common.market.able(known[region], kinds[name, model]))
        for region, name, model in seeded.execute(tasks.where(Task.id.in_(waiting())))
    ]
    assert sum(able) == proposals.proposal(waiting()).matched


# --- Instruments and certificates ----------------------------------------------------------------


def test_instruments_agree_with_their_last_certificate(seeded):
    certificates = select(Certificate).order_by(Certificate.verified_on)
    last = {certificate.instrument_id: certificate for certificate in seeded.scalars(certificates)}
    for instrument in seeded.scalars(select(Instrument).where(Instrument.id.in_(last))):
        certificate = last[instrument.id]
        assert instrument.last_verified_on == certificate.verified_on
        assert instrument.valid_until == certificate.valid_until
        assert (instrument.verification_state == "failed") == (not certificate.passed)


def test_each_certified_task_has_one_certificate(seeded):
    certified = select(func.count()).select_from(Task).where(Task.state == CERTIFIED)
    assert seeded.scalar(certified) == seeded.scalar(select(func.count(Certificate.task_id.distinct())))
    numbers = select(func.count(Certificate.id)).group_by(Certificate.institution_id, Certificate.no)
    assert set(seeded.scalars(numbers)) == {1}


def test_no_validity_has_run_out_unnoticed(seeded):
    today = holidays.today()
    for until, state in seeded.execute(select(Instrument.valid_until, Instrument.verification_state)):
        left = None if until is None else (until - today).days
        wanted = (
            "overdue" if left is not None and left < 0 else "due_soon" if left is not None and left <= 30 else "valid"
        )
        assert state in (("unverified", "failed") if left is None else (wanted,))


# --- Seeding itself ------------------------------------------------------------------------------


def test_the_number_of_instruments_is_as_asked(seeded):
    assert seeded.scalar(select(func.count()).select_from(Instrument)) == INSTRUMENTS


def test_the_next_row_gets_a_free_number(seeded):
    new = seeded.scalar(text("SELECT nextval(pg_get_serial_sequence('task', 'id'))"))
    assert new > seeded.scalar(select(func.max(Task.id)))


def test_the_same_seed_makes_the_same_rows_and_another_seed_others(seeded):
    assert made(500, 3) == made(500, 3)
    assert made(500, 3) != made(500, 4)


def test_a_seeded_database_is_not_seeded_again(seeded):
    with pytest.raises(click.UsageError, match="organizations in this database already"):
        seeding.seed(10, SEED)


class Uncommitted:
    """A connection on which commits wait for the end of the test."""

    def __init__(self, connection: Any):
        self.cursor = connection.cursor

    def commit(self) -> None:
        pass

    rollback = commit


def test_indexes_and_constraints_are_the_same_after_a_large_load(seeded):
    objects = text(
        "SELECT indexrelid::regclass || ' ' || indisvalid FROM pg_index UNION ALL "
        "SELECT conrelid::regclass || ' ' || conname || ' ' || convalidated FROM pg_constraint ORDER BY 1"
    )
    before = list(seeded.scalars(objects))
    connection = Uncommitted(seeded.connection().connection)
    makes = loading.strip(connection)
    stripped = list(seeded.scalars(objects))
    loading.dress(connection, makes)
    assert len(stripped) < len(before) - 30
    assert list(seeded.scalars(objects)) == before


# --- Demo accounts -------------------------------------------------------------------------------


def test_demo_accounts_are_added_once(seeded):
    demo.create_unless_there()
    demo.create_unless_there()
    assert [username for username, _password, _who in demo.accounts()] == [p.username for p in demo.PEOPLE]
    without = select(Account.username).where(Account.demo, Account.organization_id.is_(None))
    assert list(seeded.scalars(without)) == []
    assert [account.username for account in seeded.scalars(select(Account)) if not account.roles] == ["xin"]


def test_every_organization_lies_where_its_authority_is_responsible(seeded):
    above = aliased(Organization)
    pairs = select(above.jurisdiction, Organization.region_code).join(above, above.id == Organization.parent_id)

    astray = {(place, region) for place, region in db.session.execute(pairs) if not access.covers(place, region)}
    assert astray == set()


def test_the_ends_of_months_say_the_same_by_kind_and_by_region(seeded):
    months = seeded.scalar(select(func.count(func.distinct(MonthEnd.month))))
    due = dict.fromkeys(("due", "due_kind"))
    for subject in due:
        sums = select(MonthEnd.month, MonthEnd.city_code, MonthEnd.state, func.sum(MonthEnd.amount))
        of_city = sums.where(MonthEnd.subject == subject).group_by(MonthEnd.month, MonthEnd.city_code, MonthEnd.state)
        due[subject] = {tuple(row) for row in seeded.execute(of_city) if row[3]}

    assert (months, month_ends.differences()) == (24, [])
    assert due["due"] == due["due_kind"] != set()


def test_an_appointment_is_submitted_if_any_of_its_tasks_is(seeded):
    of_order = select(Task.id).where(Task.appointment_id == Appointment.id, Task.state != DRAFT).exists()
    counts = dict(seeded.execute(select(Appointment.submitted, func.count()).group_by(Appointment.submitted)).all())

    assert seeded.scalar(select(func.count()).where(Appointment.submitted != of_order)) == 0
    assert min(counts[True], counts[False]) > 0
