"""The filters above a list: each reads its part of the URL, trusts nothing, and gives one condition."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from flask_babel import gettext as _, lazy_gettext as _l
from sqlalchemy import BigInteger, ColumnElement, Date, and_, func, literal, select
from sqlalchemy.dialects.postgresql import ARRAY
from werkzeug.datastructures import MultiDict

from app import finding
from app.models import db
from app.texts import same

from .formats import ZONE

MOST_FETCHED = 2000

Args = MultiDict[str, str]
Condition = ColumnElement[bool]
Within = Callable[[Condition], Condition]
Options = Mapping[str, Any] | Callable[[], Mapping[str, Any]]


@dataclass
class Bound:
    """A filter as read from one URL: what to show, what to ask, and what was wrong with it."""

    name: str
    label: Any
    kind: str
    condition: Condition | None = None
    by_row: Condition | None = None
    params: list[tuple[str, str]] = field(default_factory=list)
    problem: str | None = None
    note: str | None = None
    conditions: dict[str, Any] = field(default_factory=dict)
    options: list[tuple[str, Any, bool]] = field(default_factory=list)
    multiple: bool = False
    options_url: str = ""
    value: str = ""
    text: str = ""
    path: list[tuple[str, str]] = field(default_factory=list)
    levels: list[Any] = field(default_factory=list)
    start: str = ""
    end: str = ""


def here(condition: Condition) -> Condition:
    """A condition on a column of the list's own table is one on its row as it is."""
    return condition


@dataclass(frozen=True)
class Choice:
    """One or more of a few values. Of a column of another table, `within` says what is asked of a row of the list."""

    name: str
    label: Any
    column: Any
    options: Options
    multiple: bool = True
    within: Within = here

    def bind(self, args: Args) -> Bound:
        options = self.options() if callable(self.options) else self.options
        given = args.getlist(self.name) if self.multiple else args.getlist(self.name)[:1]
        asked = [value for value in dict.fromkeys(given) if value]
        known = [value for value in asked if value in options]
        bound = Bound(self.name, self.label, "choice", multiple=self.multiple)
        bound.options = [(value, str(word), value in known) for value, word in options.items()]
        bound.params = [(self.name, value) for value in known]
        if known:
            bound.condition = self.condition(known)
        if len(known) < len(asked):
            bound.problem = _("“%(filter)s” does not know this value; it was left out.", filter=self.label)
        return bound

    def condition(self, known: list[str]) -> Condition:
        return self.within(self.column.in_(known))


@dataclass(frozen=True)
class Switch(Choice):
    """One of a few conditions that are not values of a column. `otherwise` holds while none is chosen."""

    conditions: Callable[[str], Condition] | None = None
    otherwise: Callable[[], Condition] | None = None

    def bind(self, args: Args) -> Bound:
        bound = super().bind(args)
        if bound.condition is None and self.otherwise is not None:
            bound.condition = self.otherwise()
        return bound

    def condition(self, known: list[str]) -> Condition:
        if self.conditions is None:
            raise TypeError(f"{self.name} has no conditions")
        return self.conditions(known[0])


@dataclass(frozen=True)
class Cascade:
    """A place in a tree, chosen level by level; `find` gives the way to it from the top, none if unknown."""

    name: str
    label: Any
    levels: tuple[Any, ...]
    options_url: str
    find: Callable[[str], list[tuple[str, str]]]
    below: Callable[[str], Condition]

    def bind(self, args: Args) -> Bound:
        value = args.get(self.name, "").strip()
        bound = Bound(self.name, self.label, "cascade", options_url=self.options_url, levels=list(self.levels))
        if not value:
            return bound
        path = self.find(value) if is_number(value) else []
        if not path:
            bound.problem = _("“%(filter)s” does not know this value; it was left out.", filter=self.label)
            return bound
        bound.value, bound.path, bound.text = value, path, path[-1][1]
        bound.params = [(self.name, value)]
        bound.condition = self.below(value)
        return bound


PERIODS = {
    "today": _l("Today"),
    "this_week": _l("This week"),
    "this_month": _l("This month"),
    "last_month": _l("Last month"),
    "this_year": _l("This year"),
    "last_30_days": _l("Last 30 days"),
}
TO_COME = {"next_30_days": _l("Next 30 days")}


def period(name: str, today: date) -> tuple[date, date]:
    """The first and the last day of a period around today; weeks begin on Monday."""
    month = today.replace(day=1)
    before = month - timedelta(days=1)
    return {
        "today": (today, today),
        "this_week": (today - timedelta(days=today.weekday()), today + timedelta(days=6 - today.weekday())),
        "this_month": (month, (month + timedelta(days=31)).replace(day=1) - timedelta(days=1)),
        "last_month": (before.replace(day=1), before),
        "this_year": (today.replace(month=1, day=1), today.replace(month=12, day=31)),
        "last_30_days": (today - timedelta(days=29), today),
        "next_30_days": (today, today + timedelta(days=29)),
    }[name]


@dataclass(frozen=True)
class Dates:
    """From a day to a day, both included, in local time; or a period that moves with today, `to_come` as well.

    A period stands in the URL by its name, so that an address that is kept means this month in every month. Of a
    column of another table, `within` says what is asked of a row of the list.
    """

    name: str
    label: Any
    column: Any
    to_come: bool = False
    within: Within = here

    def bind(self, args: Args) -> Bound:
        bound = Bound(self.name, self.label, "dates")
        periods = PERIODS | TO_COME if self.to_come else PERIODS
        asked = args.get(self.name, "")
        bound.options = [(name, str(word), name == asked) for name, word in periods.items()]
        if asked in periods:
            bound.value, bound.params = asked, [(self.name, asked)]
            bound.condition = self._between(*period(asked, datetime.now(ZoneInfo(ZONE)).date()))
            return bound
        if asked:
            bound.problem = _("“%(filter)s” does not know this value; it was left out.", filter=self.label)
        start, end = self._day(args, "from", bound), self._day(args, "to", bound)
        if start and end and start > end:
            bound.problem = _("“%(filter)s”: the first day is after the last.", filter=self.label)
            return bound
        bound.start, bound.end = start.isoformat() if start else "", end.isoformat() if end else ""
        bound.params = [(f"{self.name}_{side}", day) for side, day in (("from", bound.start), ("to", bound.end)) if day]
        bound.condition = self._between(start, end)
        return bound

    def _between(self, start: date | None, end: date | None) -> Condition | None:
        conditions: list[Condition] = []
        if start:
            conditions.append(self.column >= beginning(self.column, start))
        if end:
            conditions.append(self.column < beginning(self.column, end + timedelta(days=1)))
        return self.within(and_(*conditions)) if conditions else None

    def _day(self, args: Args, side: str, bound: Bound) -> date | None:
        given = args.get(f"{self.name}_{side}", "").strip()
        if not given:
            return None
        found = day_in(given)
        if found is None:
            bound.problem = _("“%(filter)s”: please give the day as 2026-01-31.", filter=self.label)
        return found


def day_in(text: str) -> date | None:
    """The day that a text from outside names; None if it names none that can be meant."""
    try:
        found = date.fromisoformat(text)
    except ValueError:
        return None
    return found if 1900 <= found.year <= 2200 else None


def beginning(column: Any, day: date) -> date | datetime:
    """A day as a column is compared with it: the day itself, or its midnight in local time."""
    return day if isinstance(column.type, Date) else datetime.combine(day, time.min, ZoneInfo(ZONE))


@dataclass(frozen=True)
class Lookup:
    """One row of a table too long for a list of options: found by typing, a few at a time.

    `otherwise` holds while none is chosen.
    """

    name: str
    label: Any
    matches: Callable[[int], Condition]
    options_url: str
    find: Callable[[int], str | None]
    otherwise: Callable[[], Condition] | None = None

    def bind(self, args: Args) -> Bound:
        value = args.get(self.name, "").strip()
        bound = Bound(self.name, self.label, "select", options_url=self.options_url)
        bound.condition = self.otherwise() if self.otherwise else None
        if not value:
            return bound
        text = self.find(int(value)) if is_number(value) else None
        if text is None:
            bound.problem = _("“%(filter)s” does not know this value; it was left out.", filter=self.label)
            return bound
        bound.value, bound.text = value, text
        bound.params = [(self.name, value)]
        bound.condition = self.matches(int(value))
        return bound


@dataclass(frozen=True)
class Found:
    """What a search asks: of the set as a whole, and of one row at a time where a list is walked in its order."""

    condition: Condition
    by_row: Condition


@dataclass(frozen=True)
class SearchField:
    """One thing that can be searched; `find` turns the term into conditions."""

    name: str
    label: Any
    find: Callable[[str], Found]
    shortest: int = 2


@dataclass(frozen=True)
class Search:
    """The search box: a field to look in and a term."""

    fields: tuple[SearchField, ...]
    placeholder: Any = ""

    def bind(self, args: Args) -> Bound:
        chosen = next((f for f in self.fields if f.name == args.get("field")), self.fields[0])
        bound = Bound("q", chosen.label, "search", value=args.get("q", "").strip()[:100])
        bound.options = [(f.name, f.label, f is chosen) for f in self.fields]
        bound.text = str(self.placeholder)
        if not bound.value:
            return bound
        if len(same(bound.value)) < chosen.shortest:
            bound.problem = _(
                "Please type at least %(number)s characters to search; blanks and dashes do not count.",
                number=chosen.shortest,
            )
            return bound
        bound.params = [("field", chosen.name), ("q", bound.value)]
        found = chosen.find(bound.value)
        bound.condition, bound.by_row = found.condition, found.by_row
        return bound


@dataclass(frozen=True)
class Contains:
    """Anywhere in the text, however it is written. Trigrams answer from three characters on."""

    column: Any

    def by_index(self, term: str) -> Condition:
        return finding.contains(self.column, term)

    def by_row(self, term: str) -> Condition:
        """The same for a row at hand."""
        return finding.contains(self.column, term, by_row=True)


@dataclass(frozen=True)
class ContainsChinese(Contains):
    """Two characters, the usual Chinese word, have no trigram: the index of 2-grams answers those."""

    def by_index(self, term: str) -> Condition:
        return finding.contains_chinese(self.column, term)


@dataclass(frozen=True)
class Begins(Contains):
    """At the beginning of the text."""

    def by_index(self, term: str) -> Condition:
        return finding.begins(self.column, term)

    by_row = by_index


def among(column: Any, id: Any, text: Contains, term: str) -> Found:
    """The column is one of the ids that a search finds in another table.

    Few ids are fetched first, for the database would rather walk the whole list and try each row. Many are not:
    then walking the list meets the first page soon, if it is made to. As a subquery that gives one value, the test
    cannot be turned into a join that reads the other table first.
    """
    by_row = select(text.by_row(term)).where(id == column).scalar_subquery()
    many = Found(column.in_(select(id).where(text.by_index(term))), by_row)
    return _few(column, id, text, term) or many


def _few(column: Any, id: Any, text: Contains, term: str) -> Found | None:
    """The column is one of the ids that a search finds; None if these are too many to be fetched first."""
    ids = list(db.session.scalars(select(id).where(text.by_index(term)).limit(MOST_FETCHED + 1)))
    if len(ids) > MOST_FETCHED:
        return None
    few = column == func.any(literal(ids, ARRAY(BigInteger)))
    return Found(few, few)


def in_large(name: str, label: Any, id: Any, text: Contains, shortest: int = 2) -> SearchField:
    """A search in a column of the list's own table, which is large: a rare term is found first, by its index."""

    def find(term: str) -> Found:
        return _few(id, id, text, term) or Found(text.by_index(term), text.by_row(term))

    return SearchField(name, label, find, shortest)


def in_own(name: str, label: Any, text: Contains) -> SearchField:
    """A search in a column of the list's own table."""
    return SearchField(name, label, lambda term: Found(text.by_index(term), text.by_row(term)))


def is_number(text: str) -> bool:
    """Whether a text from outside is a number that a bigint holds: ids, codes, counts."""
    return text.isdecimal() and text.isascii() and len(text) <= 18


def conditions(bounds: Iterable[Bound], *, by_row: bool) -> list[Condition]:
    """What the filters ask of the rows; `by_row` in the form for walking a list in its order."""
    asked = [bound.by_row if by_row and bound.by_row is not None else bound.condition for bound in bounds]
    return [condition for condition in asked if condition is not None]
