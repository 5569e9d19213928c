"""日常作业: what happens by itself when a day begins. Each run can be repeated for its day and then moves nothing."""

from collections.abc import Callable
from datetime import date, timedelta

from flask_babel import gettext as _
from sqlalchemy import Date, Select, exists, func, literal, or_, select

from app.access import Principal
from app.domain import catalogue_versions, holidays, inspections, manufacturers, month_ends, notifications, standards
from app.domain.instruments import WARNED_BEFORE
from app.errors import RuleError
from app.models import Capability, ClockRun, Instrument, MeasurementStandard, Qualification, Task, db
from app.states import (
    AT_INSTITUTION,
    EFFECTIVE,
    EXPIRE,
    FALL_DUE,
    IN_USE,
    OFFERED,
    RUN_OUT,
    TIME_OUT,
    VERIFIED,
)
from app.workflow import fire

NEAR_DAYS = 2
LOCK = 0x636C6F636B  # "clock"


def run(day: date, by: Principal) -> dict[str, int]:
    """Let a day begin: what has run out runs out, what was not answered times out, reminders go out once a day.

    Reminders make up for the days since the last run. Returns how many rows each hand moved.
    """
    if day > holidays.today():
        raise RuleError(_("This day has not come yet."), field="day")
    db.session.execute(select(func.pg_advisory_xact_lock(LOCK)))  # two workers begin the same day one after the other
    last = db.session.scalar(select(func.max(ClockRun.day))) or day - timedelta(days=1)
    moved = {name: hand(day, by) for name, hand in HANDS.items()}
    if last < day:
        moved |= {name: remind(last, day) for name, remind in REMINDERS.items()}
    _write_down(day, moved, by)
    return moved


def _write_down(day: date, moved: dict[str, int], by: Principal) -> None:
    """Make the entry of the day; a repeated run adds to it."""
    entry: ClockRun | None = db.session.scalar(select(ClockRun).where(ClockRun.day == day))
    if entry is None:
        entry = ClockRun(day=day, moved={})
        db.session.add(entry)
    entry.moved = {name: entry.moved.get(name, 0) + number for name, number in moved.items()}
    entry.by_name, entry.at = by.name, func.now()
    db.session.flush()


def _run_out(day: date, by: Principal) -> int:
    """有效期满: the day itself is still covered."""
    over = _in_use().where(Instrument.valid_until < day)
    return fire(RUN_OUT, over, by).done


def _fall_due(day: date, by: Principal) -> int:
    soon = _in_use().where(Instrument.valid_until.between(day, day + WARNED_BEFORE))
    return fire(FALL_DUE, soon, by).done


def _in_use() -> Select[int]:
    return select(Instrument.id).where(
        Instrument.verification_state.in_(sorted(VERIFIED)), Instrument.use_state == IN_USE
    )


def _expire(day: date, by: Principal) -> int:
    """A capability ends with its own validity, or with that of the standard it rests on."""
    standard_over = exists().where(MeasurementStandard.id == Capability.standard_id, standards.valid_until() < day)
    over = select(Capability.id).where(Capability.state == EFFECTIVE, or_(Capability.valid_until < day, standard_over))
    return fire(EXPIRE, over, by).done


def _time_out(day: date, by: Principal) -> int:
    """What no institution answered in time lies on the authority's desk."""
    silent = select(Task.id).where(Task.state == OFFERED, Task.due_on < day)
    return fire(TIME_OUT, silent, by, institution_id=None, due_on=None).done


def _rectification(day: date, _by: Principal) -> int:
    """整改期限: what is near and what is past is told once each, so it may be asked again."""
    return inspections.remind(day)


def _month_end(day: date, by: Principal) -> int:
    """月末数, before the day itself changes anything."""
    return month_ends.keep(day, by)


HANDS: dict[str, Callable[[date, Principal], int]] = {
    "manufacturers": manufacturers.learn,  # before others lock rows that people work on: it may read many instruments
    "month_end": _month_end,
    "announced": catalogue_versions.begin,
    "run_out": _run_out,
    "fall_due": _fall_due,
    "expire_standards": standards.expire,
    "expire": _expire,
    "time_out": _time_out,
    "rectification": _rectification,
}


def _near_deadline(_after: date, day: date) -> int:
    """Institutions hear of what is due in two working days, and of what is late."""
    near = db.session.scalar(select(holidays.working_days_after(literal(day, Date), NEAR_DAYS)))
    rows = select(Task.institution_id.label("organization_id"), Task.id)
    rows = rows.where(Task.state.in_(sorted(AT_INSTITUTION)), Task.due_on <= near)
    return notifications.remind(rows, "near_deadline", "task", "institution")


def _qualification(after: date, day: date) -> int:
    """Institutions hear of qualifications of their staff that run out in thirty days."""
    rows = select(Qualification.institution_id.label("organization_id"), Qualification.id)
    rows = rows.where(
        Qualification.valid_until > after + WARNED_BEFORE, Qualification.valid_until <= day + WARNED_BEFORE
    )
    return notifications.remind(rows, "qualification", "qualification", "institution")


def _standard(after: date, day: date) -> int:
    """Institutions and the authorities above them hear of measurement standards that end in six months and in one."""
    return sum(
        notifications.remind(rows, "standard", "measurement_standard", party)
        for party, rows in standards.running_out(after, day).items()
    )


# What is told between the day of the last run and this one.
REMINDERS: dict[str, Callable[[date, date], int]] = {
    "near_deadline": _near_deadline,
    "qualification": _qualification,
    "standard": _standard,
}
