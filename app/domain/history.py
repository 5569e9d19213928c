"""The history: what happened to a row, and its storage, one partition of `event` for each month."""

from datetime import date

from sqlalchemy import select, text

from app.models import Event, db

FIRST = date(2025, 1, 1)
MONTHS_AHEAD = 6


def steps(subject: str, subject_id: int) -> list[Event]:
    """Every step of a row that the reader may see, in order."""
    found = select(Event).where(Event.subject == subject, Event.subject_id == subject_id)
    return list(db.session.scalars(found.order_by(Event.at, Event.id)))


def make_partitions(today: date | None = None) -> None:
    """Make the partitions from the first month to half a year ahead, as far as they are not there."""
    last = _plus(today or date.today(), MONTHS_AHEAD)
    month = FIRST
    while month <= last:
        following = _plus(month, 1)
        name = f"event_{month:%Y_%m}"
        # A month's rows that came before its partition lie in the default one and would forbid it: leave them there.
        db.session.execute(
            text(
                f"CREATE TABLE IF NOT EXISTS {name} PARTITION OF event "
                f"FOR VALUES FROM ('{month} 00:00+08') TO ('{following} 00:00+08')"
            )
        )
        month = following


def _plus(day: date, months: int) -> date:
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, 1)
