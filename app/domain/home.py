"""首页: what is nearest to its time limit, and how much came in and was done in the last seven days.

No question reads more than an index holds of one desk, one institution or one week; what a whole country did in a
week is counted once in a few minutes and then told as of that time.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Date, cast, func, select

from app.access import Principal
from app.counting import ZONE
from app.domain import holidays
from app.models import Appointment, AuditEntry, Certificate, Instrument, Task, db
from app.states import AT_INSTITUTION, AWAITING_AUTHORITY, IN_USE, TASK_STATES, VERIFIED

MOST, DAYS = 8, 7
KEPT = timedelta(minutes=5)


@dataclass(frozen=True)
class Deadline:
    """What has a last day, or waits since one: `days` are left, below zero they are over."""

    id: int
    title: str
    note: str
    day: date
    days: int


# --- Nearest to the time limit -------------------------------------------------------------------


def longest_at_desk(by: Principal) -> list[Deadline]:
    """The tasks that have waited longest at one's desk."""
    waiting = _tasks(Task.applied_at).where(
        Task.authority_id == by.organization_id, Task.state.in_(sorted(AWAITING_AUTHORITY))
    )
    rows = db.session.execute(waiting.order_by(Task.applied_at, Task.id).limit(MOST))
    return _deadlines(rows)


def nearest_tasks(by: Principal) -> list[Deadline]:
    """The tasks of an institution whose time limit is past or nearest."""
    at_work = _tasks(Task.due_on).where(
        Task.institution_id == by.organization_id, Task.state.in_(sorted(AT_INSTITUTION)), Task.due_on.is_not(None)
    )
    return _deadlines(db.session.execute(at_work.order_by(Task.due_on, Task.id).limit(MOST)))


def nearest_instruments(by: Principal) -> list[Deadline]:
    """The instruments of a using unit whose verification has run out or runs out first."""
    in_use = select(
        Instrument.id, Instrument.name, Instrument.serial_no, Instrument.use_place, Instrument.valid_until.label("day")
    ).where(
        Instrument.using_unit_id == by.organization_id,
        Instrument.verification_state.in_(sorted(VERIFIED)),
        Instrument.use_state == IN_USE,
        Instrument.valid_until.is_not(None),
    )
    return _deadlines(db.session.execute(in_use.order_by(Instrument.valid_until, Instrument.id).limit(MOST)))


def _tasks(day: Any) -> Any:
    return (
        select(Task.id, Instrument.name, Instrument.serial_no, Instrument.use_place, day.label("day"))
        .select_from(Task)
        .join(Instrument, Instrument.id == Task.instrument_id)
    )


def _deadlines(rows: Any) -> list[Deadline]:
    today = holidays.today()
    found = []
    for id, name, serial_no, place, moment in rows:
        day = moment.astimezone(holidays.ZONE).date() if isinstance(moment, datetime) else moment
        found.append(Deadline(id, f"{name} {serial_no}", place, day, (day - today).days))
    return found


def last_proof() -> AuditEntry | None:
    """The last time that the audit log was proved, as far as the reader may see it."""
    proofs = (
        select(AuditEntry).where(AuditEntry.action == "verify").order_by(AuditEntry.at.desc(), AuditEntry.id.desc())
    )
    found: AuditEntry | None = db.session.scalar(proofs.limit(1))
    return found


# --- The week ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Week:
    """What came in and what was verified on each of the last seven days, today included, and when that was counted."""

    days: list[date]
    came_in: list[int]
    verified: list[int]
    counted_at: datetime


_weeks: dict[Any, Week] = {}


def forget() -> None:
    """Count the weeks anew."""
    _weeks.clear()


def week(by: Principal) -> Week:
    """Of an authority the appointments of its area, drafts too, of an institution its tasks; and their certificates."""
    now = datetime.now(holidays.ZONE)
    whose = (by.kind, by.jurisdiction if by.kind == "authority" else by.organization_id)
    kept = _weeks.get(whose)
    if kept and now - kept.counted_at < KEPT and kept.days[-1] == now.date():
        return kept
    if len(_weeks) > 5000:
        _weeks.clear()
    days = [now.date() - timedelta(days=DAYS - 1 - number) for number in range(DAYS)]
    came_in, verified = _came_in(days[0], by), _verified(days[0])
    told = Week(days, [came_in.get(each, 0) for each in days], [verified.get(each, 0) for each in days], now)
    _weeks[whose] = told
    return told


def _came_in(first: date, by: Principal) -> Mapping[date, int]:
    begin = datetime.combine(first, datetime.min.time(), holidays.ZONE)
    if by.kind == "institution":
        own = (Task.institution_id == by.organization_id, Task.state.in_(TASK_STATES), Task.applied_at >= begin)
        return _by_day(_local(Task.applied_at), *own)
    # Whether each of them is a draft would be asked of its tasks one by one: half a million times for the nation.
    return _by_day(_local(Appointment.applied_at), Appointment.applied_at >= begin)


def _verified(first: date) -> Mapping[date, int]:
    return _by_day(Certificate.verified_on, Certificate.verified_on.between(first, holidays.today()))


def _local(moment: Any) -> Any:
    return cast(func.timezone(ZONE, moment), Date)


def _by_day(day: Any, *which: Any) -> Mapping[date, int]:
    counted = select(day.label("day"), func.count().label("number")).where(*which).group_by("day")
    return {row.day: row.number for row in db.session.execute(counted)}
