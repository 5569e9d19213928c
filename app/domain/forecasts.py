"""到期预测: what falls due in each of the coming months, against what is got done in a month.

What falls due comes again after its cycle; what is overdue is taken as verified this month, and comes again from
then. What is got done is the mean of the three best of the last twelve months: so much has been shown to be possible.
"""

from collections.abc import Collection, Mapping
from datetime import date
from decimal import Decimal
from functools import lru_cache

from sqlalchemy import ColumnElement, String, cast, func, select

from app import access
from app.access import Principal
from app.domain import regions, statistics
from app.domain.statistics import KIND, REGION, Period, Row, Statistic, Values
from app.models import Region, Tally, db

MONTHS = 24
LOOKS_BACK = 12
BEST = 3

# Of each line: how many by month.
Monthly = dict[str, dict[date, int]]
_SUBJECTS = {REGION: ("runs_out", "result"), KIND: ("runs_out_kind", "result_kind")}


def coming() -> Period:
    """The months that are told: this one and those after it."""
    this = statistics.period(None, None).last
    return Period(this, this).longer(MONTHS)


def forecast(line: str, code: str, most: Decimal, by: Principal) -> Statistic:
    """What falls due in a region, line by line; `over` are the months with more than `most` percent of what is done."""
    children = regions.children(code, by) or [db.session.get_one(Region, code)]
    due, done = _due(line, code, children, by), _done(line, code, children, by)
    names = statistics.names(line, list(due), children)
    rows = [Row(key, name, _told(due.get(key, {}), done.get(key, {}), most)) for key, name in names.items()]

    def total_of(keys: Collection[str]) -> Values:
        return _told(_summed(due, keys), _summed(done, keys), most)

    return Statistic(rows, total_of({*due, *done}), total_of)


def _told(due: Mapping[date, int], done: Mapping[date, int], most: Decimal) -> Values:
    months = {each.isoformat(): due.get(each, 0) for each in coming().each()}
    capacity = _best(done)
    return {
        "backlog": due.get(date.min, 0),
        "capacity": capacity,
        "over": sum(amount * 100 > capacity * most for amount in months.values()),
        **months,
    }


def _best(done: Mapping[date, int]) -> int:
    best = sorted(done.values(), reverse=True)[:BEST]
    return round(sum(best) / BEST)


def _due(line: str, code: str, children: list[Region], by: Principal) -> Monthly:
    """What falls due, by month; what is overdue stands at the earliest of all days and comes again all the same."""
    falls, now, end = _SUBJECTS[line][0], coming().first, coming().last
    found: Monthly = {}
    for key, month, cycle, amount in _counted(falls, line, code, children, by):
        months = found.setdefault(key, {})
        at = month if month >= now else date.min
        months[at] = months.get(at, 0) + amount
        for again in _again(max(month, now), int(cycle), end):
            months[again] = months.get(again, 0) + amount
    return found


@lru_cache(maxsize=4096)
def _again(month: date, cycle: int, end: date) -> tuple[date, ...]:
    """When what falls due in a month comes again; thousands of lines ask for a few hundred months and cycles."""
    if not cycle:
        return ()
    times = range(1, MONTHS // cycle + 1)
    return tuple(again for each in times if (again := Period(month, month).earlier(-cycle * each).first) <= end)


def _done(line: str, code: str, children: list[Region], by: Principal) -> Monthly:
    """The results of the last twelve whole months."""
    past = statistics.last_months(LOOKS_BACK).earlier(1)
    found: Monthly = {}
    for key, month, _result, amount in _counted(_SUBJECTS[line][1], line, code, children, by, past.holds(Tally.month)):
        months = found.setdefault(key, {})
        months[month] = months.get(month, 0) + amount
    return found


def _counted(
    subject: str, line: str, code: str, children: list[Region], by: Principal, *within: ColumnElement[bool]
) -> list[tuple[str, date, str, int]]:
    """(line, month, state, amount) of a subject of the tallies."""
    part = regions.part_of(Tally.region_code, code, [region.code for region in children])
    of = part if line == REGION else Tally.catalogue_item_id
    rows = (
        select(cast(of, String).label("line"), Tally.month, Tally.state, func.sum(Tally.amount))
        .where(Tally.subject == subject, statistics.inside(code), *within)
        .group_by("line", Tally.month, Tally.state)
    )
    found = db.session.execute(access.visible(rows, Tally, who=by))
    return [(key, month, state, int(amount)) for key, month, state, amount in map(tuple, found) if amount]


def _summed(lines: Monthly, keys: Collection[str]) -> dict[date, int]:
    summed: dict[date, int] = {}
    for key in keys:
        for month, amount in lines.get(key, {}).items():
            summed[month] = summed.get(month, 0) + amount
    return summed
