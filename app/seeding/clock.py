"""Office hours as numbers: a tick is half a minute of them, from the first appointment to yesterday."""

from calendar import monthrange
from datetime import date, datetime, time, timedelta
from functools import lru_cache

MONTHS = 14
OFFICE_HOURS = ((time(8, 30), time(12, 0)), (time(13, 30), time(17, 30)))


def _times() -> list[str]:
    """The text of each tick of a day; the seconds look like a clock's, not like a grid."""
    texts = []
    for opens, closes in OFFICE_HOURS:
        moment, end = (datetime.combine(date.min, at) for at in (opens, closes))
        while moment < end:
            shown = moment + timedelta(seconds=len(texts) * 17 % 30)
            texts.append(f" {shown:%H:%M:%S}+08")
            moment += timedelta(seconds=30)
    return texts


TIMES = _times()
TICKS_A_DAY = len(TIMES)


def plus_months(day: date, months: int) -> date:
    """The same day of a later (or earlier) month, or its last day if it is shorter."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


class Clock:
    """Moments and days around `today`, as the text that COPY takes."""

    def __init__(self, today: date, earliest: date):
        self.today = today
        first = max(plus_months(today, -MONTHS), earliest)
        days = [first + timedelta(days=n) for n in range((today - first).days)]
        working = [day for day in days if day.weekday() < 5 and not _is_holiday(day)]
        self.days = [day.isoformat() for day in working]
        self.offsets = [(day - today).days for day in working]
        self.end = len(working) * TICKS_A_DAY
        self.text = lru_cache(maxsize=None)(self.text)  # type: ignore[method-assign]
        self.months_after = lru_cache(maxsize=None)(self.months_after)  # type: ignore[method-assign]

    def at(self, tick: int) -> str:
        """The moment of a tick."""
        day, time_of_day = divmod(tick, TICKS_A_DAY)
        return self.days[day] + TIMES[time_of_day]

    def offset(self, tick: int) -> int:
        """The day of a tick, counted from today: yesterday is -1."""
        return self.offsets[tick // TICKS_A_DAY]

    def text(self, offset: int) -> str:
        """A day counted from today, as text."""
        return (self.today + timedelta(days=offset)).isoformat()

    def months_after(self, offset: int, months: int) -> int:
        """The last day of a validity that begins on a day, both counted from today."""
        last = plus_months(self.today + timedelta(days=offset), months) - timedelta(days=1)
        return (last - self.today).days


def _is_holiday(day: date) -> bool:
    return (day.month, day.day) in {(1, 1), (5, 1), (5, 4), (5, 5)} or (day.month == 10 and day.day <= 7)
