"""数据统计、行政监管: sums of the tallies of a region, line by line: of what lies directly within it, of each kind,
institution or month. What stands is told as it stands now, or as it was kept at the end of a month.

A rate of nothing is no rate: None, and not zero.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from flask_babel import gettext as _
from sqlalchemy import ColumnElement, String, case, cast, func, literal, or_, select, true, union_all
from sqlalchemy.orm import aliased

from app import access
from app.access import Principal
from app.domain import holidays, regions
from app.models import CatalogueItem, MonthEnd, Organization, Region, Tally, db

EARLIEST = date(2000, 1, 1)
MOST_MONTHS = 120
NOW, YEAR_BEFORE, BEFORE = "now", "year_before", "before"
REGION, KIND, INSTITUTION, MONTH = "region", "kind", "institution", "month"
# The line of what is at home in a region itself and in no part of it: the institutions of a city.
OWN = "own"
# The line of what no institution has had: so the lines of institutions sum up to the same as those of regions.
NO_INSTITUTION = "none"
# What tells the same by kind or institution as a subject does by region.
_TOLD_BY = {
    KIND: {"due": "due_kind", "result": "result_kind", "runs_out": "runs_out_kind"},
    INSTITUTION: {"result": "result_of"},
}
# Of a province or the nation as a whole, or by what lies directly within it, cities are enough.
_TOLD_BY_CITY = {"work": "work_city", "ended": "ended_city", "days": "days_city"}
# What happened is counted month by month; all else stands.
MONTHLY = frozenset({"result", "work", "ended", "days", "beyond", "runs_out", "booked"})
WITH_PURPOSE = frozenset({"use"})

Values = Mapping[str, Any]
Key = tuple[str, str, str, str]


@dataclass(frozen=True)
class Period:
    """Whole months, both included."""

    first: date
    last: date

    @property
    def months(self) -> int:
        return (self.last.year - self.first.year) * 12 + self.last.month - self.first.month + 1

    def earlier(self, months: int) -> "Period":
        return Period(_shifted(self.first, -months), _shifted(self.last, -months))

    @property
    def is_open(self) -> bool:
        """Whether the last month has not ended yet."""
        return self.last >= holidays.today().replace(day=1)

    def each(self) -> list[date]:
        return [_shifted(self.first, by) for by in range(self.months)]

    def longer(self, months: int) -> "Period":
        """So many months from the first on."""
        return Period(self.first, _shifted(self.first, months - 1))

    def holds(self, month: Any) -> ColumnElement[bool]:
        held: ColumnElement[bool] = month.between(self.first, self.last)
        return held


def period(first: date | None, last: date | None) -> Period:
    """The months asked for; this year up to now if none. What is turned round, too long or to come is cut."""
    now = holidays.today().replace(day=1)
    end = min(max(last or now, EARLIEST), now)
    begin = max(first or end.replace(month=1), EARLIEST, _shifted(end, 1 - MOST_MONTHS))
    return Period(min(begin, end), end)


def last_months(number: int = 12) -> Period:
    """So many months up to this one."""
    this = holidays.today().replace(day=1)
    return Period(_shifted(this, 1 - number), this)


def _shifted(month: date, by: int) -> date:
    year, number = divmod(month.year * 12 + month.month - 1 + by, 12)
    return date(year, number + 1, 1)


class Amounts:
    """What was counted of one line, by subject, state, purpose and period."""

    def __init__(self, amounts: Mapping[Key, int]):
        self._amounts = amounts

    def of(self, subject: str, *states: str, purpose: str | None = None, when: str = NOW) -> int:
        """How many of a subject, perhaps only in some states, of a purpose or in another of the periods compared."""
        return sum(
            amount
            for (subject_, state, purpose_, periods), amount in self._amounts.items()
            if subject_ == subject
            and (not states or state in states)
            and purpose in (None, purpose_)
            and when in periods.split()
        )


@dataclass(frozen=True)
class Question:
    """What is asked: which subjects of the tallies, and what is told of their sums.

    `compared` looks at the same months a year before (同比) and the months just before (环比) as well; of what stands,
    at the ends of such months. `more` counts what is in small tables, by region, and calls it `small`.
    """

    subjects: tuple[str, ...] = ()
    told: Callable[[Amounts], Values] = lambda _found: {}
    compared: bool = False
    more: Callable[[str, Any, Principal], dict[str, dict[Key, int]]] | None = None
    small: tuple[str, ...] = ()

    @property
    def stands(self) -> bool:
        """Whether it is about what stands, and not about what happened."""
        return MONTHLY.isdisjoint(self.subjects)


@dataclass(frozen=True)
class Row:
    """A line of a statistic: a region, a kind, an institution or a month."""

    key: str
    name: str
    values: Values


@dataclass(frozen=True)
class Statistic:
    """The lines of a statistic, the total of all, and a function that gives the total of some by their keys."""

    rows: list[Row]
    total: Values
    total_of: Callable[[Collection[str]], Values]


def rate(part: int, whole: int) -> Decimal | None:
    """A share in percent with two places; None of nothing."""
    return (Decimal(part) * 100 / whole).quantize(Decimal("0.01")) if whole else None


# --- What is asked -------------------------------------------------------------------------------


def ask(question: Question, line: str, code: str, over: Period, by: Principal) -> Statistic:
    """What is counted in a region, line by line, as far as the acting person sees it.

    What stands is told of the end of the last month, or as it stands now if that has not ended; month by month, of
    the ends of those that were kept.
    """
    children = regions.children(code, by) or [db.session.get_one(Region, code)]
    found = _amounts(question, line, code, children, over, by)
    if question.more and line == REGION and over.is_open:
        for key, amounts in question.more(code, children, by).items():
            found.setdefault(key, {}).update(amounts)
    if line == REGION:
        at_home_in_itself(found, code, children)
    told = _lines(question, line, found, children, over)
    rows = [Row(key, name, question.told(Amounts(found.get(key, {})))) for key, name in told.items()]

    def total_of(keys: Collection[str]) -> Values:
        return question.told(Amounts(total([found.get(key, {}) for key in keys])))

    return Statistic(rows, total_of(told), total_of)


def _lines(
    question: Question, line: str, found: Mapping[str, Mapping[Key, int]], children: list[Region], over: Period
) -> Mapping[str, str]:
    """The lines by key. Of a month whose end was not kept nothing is known, and that is not zero."""
    if line == MONTH:
        return {key: name for key, name in months(over).items() if key in found or not question.stands}
    is_kept = any(when == NOW for amounts in found.values() for *_counted, when in amounts)
    if question.stands and not over.is_open and not is_kept:
        return {}
    return names(line, list(found), children)


def _amounts(
    question: Question, line: str, code: str, children: list[Region], over: Period, by: Principal
) -> dict[str, dict[Key, int]]:
    sums, parts = [], [region.code for region in children]
    told_by = _told_by(line, code, parts)
    for subject in (*question.subjects, *question.small):
        asked = _happened if subject in MONTHLY else _standing
        for table, when, held in asked(question, subject, line, over):
            of = _line(table, line, code, parts)
            sums.append(_sums(table, subject, told_by.get(subject, subject), of, when, held, code, by))
    found: dict[str, dict[Key, int]] = {}
    for row in db.session.execute(union_all(*sums)) if sums else ():
        key, subject, state, purpose, when, amount = tuple(row)
        key = NO_INSTITUTION if key is None and line == INSTITUTION else key
        if amount and key is not None:
            found.setdefault(key, {})[subject, state, purpose, when] = int(amount)
    return found


def _line(table: Any, line: str, code: str, parts: list[str]) -> Any:
    if line == REGION:
        return regions.part_of(table.region_code, code, parts)
    return {KIND: table.catalogue_item_id, INSTITUTION: table.institution_id, MONTH: table.month}[line]


# Of a subject: the table that has it, SQL in which of the periods a row lies, and that it lies in one.
Held = tuple[Any, ColumnElement[str], ColumnElement[bool]]


def _happened(question: Question, _subject: str, line: str, over: Period) -> list[Held]:
    """A month may lie in two of the periods that are compared."""
    if not question.compared or line == MONTH:
        return [(Tally, literal(NOW), over.holds(Tally.month))]
    periods = {NOW: over, YEAR_BEFORE: over.earlier(12), BEFORE: over.earlier(over.months)}
    names = (case((each.holds(Tally.month), f"{name} "), else_="") for name, each in periods.items())
    return [(Tally, func.concat(*names), or_(*(each.holds(Tally.month) for each in periods.values())))]


def _standing(question: Question, subject: str, line: str, over: Period) -> list[Held]:
    """As it stands now, and as it stood at the ends of months."""
    if line == MONTH:
        return [(MonthEnd, literal(NOW), MonthEnd.month.in_(over.each()))]
    ends = {} if over.is_open else {over.last: NOW}
    if question.compared:
        ends |= {over.earlier(12).last: YEAR_BEFORE, over.earlier(1).last: BEFORE}
    held: list[Held] = []
    if over.is_open and subject not in question.small:
        held.append((Tally, literal(NOW), true()))
    if ends:
        held.append((MonthEnd, case(ends, value=MonthEnd.month), MonthEnd.month.in_(list(ends))))
    return held


def _told_by(line: str, code: str, parts: list[str]) -> Mapping[str, str]:
    """By what a subject is told, if not by itself. Counties directly below a province are in no city of their own."""
    in_cities = code.endswith("0000") and all(part.endswith("00") for part in parts)
    return _TOLD_BY_CITY if line in (REGION, MONTH) and in_cities else _TOLD_BY.get(line, {})


def _sums(
    table: Any, subject: str, counted: str, line: Any, when: Any, held: ColumnElement[bool], code: str, by: Principal
) -> Any:
    """SELECT: the amounts of a subject."""
    rows = (
        select(
            cast(line, String).label("line"),
            literal(subject).label("subject"),
            table.state,
            (table.purpose if subject in WITH_PURPOSE else literal("")).label("purpose"),
            when.label("when"),
            func.sum(table.amount),
        )
        .where(table.subject == counted, held, inside(code, table))
        .group_by("line", table.state, "purpose", "when")
    )
    return access.visible(rows, table, who=by)


def inside(code: str, table: Any = Tally) -> ColumnElement[bool]:
    """The condition on a tally that it counts what lies in a region."""
    return true() if code == regions.NATION else access.within(regions.prefix(code))(table)


def names(line: str, keys: list[str], children: list[Region]) -> dict[str, str]:
    """The lines in their order, by key. A region has its line also if nothing was counted there."""
    if line == REGION:
        own = {OWN: _("Of its own level")} if OWN in keys else {}
        return {**own, **{region.code: region.name for region in children}}
    if line == KIND:
        return _kinds(list(map(int, keys)))
    nobody = {NO_INSTITUTION: _("Without an institution")} if NO_INSTITUTION in keys else {}
    return {**_institutions([int(key) for key in keys if key != NO_INSTITUTION]), **nobody}


def at_home_in_itself(found: dict[str, Any], code: str, children: list[Region]) -> None:
    """Give what is in no part of a region a line of its own."""
    if code in found and code not in [region.code for region in children]:
        found[OWN] = found.pop(code)


def months(over: Period) -> dict[str, str]:
    return {each.isoformat(): f"{each:%Y-%m}" for each in over.each()}


def _kinds(ids: list[int]) -> dict[str, str]:
    category = aliased(CatalogueItem)
    kinds = (
        select(CatalogueItem.id, CatalogueItem.name)
        .join(category, category.id == CatalogueItem.parent_id)
        .where(CatalogueItem.id.in_(ids))
        .order_by(category.number, CatalogueItem.number, CatalogueItem.id)
    )
    return {str(id): name for id, name in db.session.execute(kinds)}


def _institutions(ids: list[int]) -> dict[str, str]:
    houses = select(Organization.id, Organization.name).where(Organization.id.in_(ids)).order_by(Organization.name)
    return {str(id): name for id, name in db.session.execute(houses)}


def total(lines: list[dict[Key, int]]) -> dict[Key, int]:
    """The sum of what was counted of several lines."""
    summed: dict[Key, int] = {}
    for amounts in lines:
        for key, amount in amounts.items():
            summed[key] = summed.get(key, 0) + amount
    return summed
