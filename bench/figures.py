"""The statistics: each page beside the bare sum of the tallies that it tells; both must say the same."""

import re
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import TYPE_CHECKING, Any

from app.domain import statistics
from bench import sql
from bench.sql import Area

if TYPE_CHECKING:
    from bench.jobs import Bench

YEAR = date.today().year
A_YEAR_AGO = date.today().replace(year=YEAR - 1, day=1)


@dataclass(frozen=True)
class Page:
    """A page: what it sums up, whether of this year's months, and a column with the tallies that it must equal."""

    url: str
    subjects: tuple[str, ...]
    is_monthly: bool
    column: str
    counts: str


WORK = ("work_city", "result", "ended_city", "days_city")
OF_HOUSES = ("work", "result_of", "ended", "days")
SUBMITTED, ACCEPTED = ("subject = 'work_city' AND state = 'submit'", "subject = 'work_city' AND state = 'accept'")
LATE, RETURNED = "subject = 'ended' AND state = 'late'", "subject = 'place' AND state = 'returned'"
BEFORE = f"subject = 'runs_out' AND month < '{date.today():%Y-%m}-01'"
PAGES = (
    Page("/statistics/instruments/", ("use", "unit"), False, "filed", "subject = 'use'"),
    Page("/statistics/inspection-rate/", ("due",), False, "due", "subject = 'due'"),
    Page("/statistics/inspection-rate/?by=kind", ("due_kind",), False, "due", "subject = 'due_kind'"),
    Page("/statistics/pass-rate/", ("result",), True, "results", "subject = 'result'"),
    Page("/statistics/workload/", OF_HOUSES, True, "late", LATE),
    Page("/oversight/business/", WORK, True, "applied", SUBMITTED),
    Page("/oversight/to-do/", ("place", "filing", "waiting"), False, "returned", RETURNED),
    Page("/oversight/acceptance/?by=region", ("work_city",), True, "accepted", ACCEPTED),
    Page("/oversight/units/", ("unit", "use", "due"), False, "due", "subject = 'due'"),
    Page("/oversight/states/", ("due", "use"), False, "due", "subject = 'due'"),
    Page("/oversight/kinds/", ("due_kind",), False, "due", "subject = 'due_kind'"),
    Page("/oversight/forecast/", ("runs_out", "result"), False, "backlog", BEFORE),
)


def ways(bench: "Bench", place: str, page: Page) -> tuple[Any, Any]:
    """How our page and the bare sum are asked for, once it is seen that the page says what the tallies say."""
    area = bench.people[place].area
    ours, by_sql = partial(bench.ours[place].get, page.url), partial(_summed, bench.connection, area, page)
    told = f"SELECT coalesce(sum(amount), 0) FROM tally t WHERE {_where(area, page)} AND {page.counts}"
    counted = sql.one(bench.connection, told)
    foot = ours().text.partition("<tfoot>")[2]
    shown = re.findall(f'data-head="{page.column}" data-value="([0-9]+)"', foot)
    if shown[:1] != [str(int(counted))]:
        raise AssertionError(f"{page.url} says {shown[:1]}, the tallies {counted}")
    return ours, by_sql


def _summed(connection: Any, area: Area, page: Page) -> Any:
    line = "catalogue_item_id" if "kind" in page.url else f"left(region_code, {len(area.prefix) + 2})"
    by = f"{line}, subject, state, purpose" + (", month" if "runs_out" in page.subjects else "")
    found = sql.all_rows(connection, f"SELECT {by}, sum(amount) FROM tally t WHERE {_where(area, page)} GROUP BY {by}")
    return found if page.is_monthly else found + sql.all_rows(connection, _kept(area, page, line))


def _kept(area: Area, page: Page, line: str) -> str:
    """The same at the ends of this year's months, and at that of this month a year ago."""
    subjects = ", ".join(f"'{subject}'" for subject in page.subjects)
    months = ", ".join(f"'{month:%Y-%m-%d}'" for month in (*statistics.period(None, None).each(), A_YEAR_AGO))
    return f"""
    SELECT {line}, month, subject, state, purpose, sum(amount) FROM month_end t
     WHERE month IN ({months}) AND subject IN ({subjects}) AND {area.tasks}
     GROUP BY 1, 2, 3, 4, 5"""


def _where(area: Area, page: Page) -> str:
    subjects = ", ".join(f"'{subject}'" for subject in page.subjects)
    months = f" AND month BETWEEN '{YEAR}-01-01' AND '{date.today():%Y-%m}-01'" if page.is_monthly else ""
    return f"subject IN ({subjects}) AND {area.tasks}{months}"
