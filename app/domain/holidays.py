"""The working days: what day it is, and which day is so many working days after another."""

from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import delete, func, insert, select

from app.models import Holiday, Workday, db

ZONE = ZoneInfo("Asia/Shanghai")
# As far as deadlines reach; what lies before is older than any task.
FIRST, LAST = date(2015, 1, 1), date(2045, 12, 31)


def today() -> date:
    """The day it is in China."""
    return datetime.now(ZONE).date()


def count() -> None:
    """Count the working days anew, after a holiday was added, changed or taken away."""
    departs = {row.day: row.working for row in db.session.scalars(select(Holiday))}
    rows, ordinal = [], 0
    for number in range((LAST - FIRST).days + 1):
        day = FIRST + timedelta(days=number)
        working = departs.get(day, day.weekday() < 5)
        ordinal += working
        rows.append({"day": day, "working": working, "ordinal": ordinal})
    db.session.execute(delete(Workday))
    db.session.execute(insert(Workday), rows)


def latest_day_over(days: int) -> date:
    """The latest day from which so many working days are over: a term that began on it ended before today."""
    yesterday = select(Workday.ordinal).where(Workday.day == today() - timedelta(days=1)).scalar_subquery()
    latest = select(func.max(Workday.day)).where(Workday.ordinal <= yesterday - days)
    day: date = db.session.execute(latest).scalar_one()
    return day


def working_days_after(start: Any, days: Any) -> Any:
    """SQL: the day that is so many working days after `start`; the day itself does not count (民法典 Art 201)."""
    begin = Workday.__table__.alias("begin")
    end = Workday.__table__.alias("end_")
    ordinal = select(begin.c.ordinal).where(begin.c.day == start).correlate_except(begin).scalar_subquery()
    found = select(end.c.day).where(end.c.working, end.c.ordinal == ordinal + days)
    return found.correlate_except(end).scalar_subquery()
