"""A list: its columns, and a page of it found by index, by OFFSET at first and by key further on."""

from collections.abc import Callable, Set
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode

from flask import abort
from flask_babel import gettext as _
from sqlalchemy import ColumnElement, Select, and_, case, func, literal, select, true, tuple_, union_all
from werkzeug.datastructures import MultiDict

from app.models import db
from app.persons import is_personal

from .filters import Args, Bound, Condition, Search, conditions, is_number
from .formats import MASKS, Sheet, Show, in_sheet, masking, plain

PAGE_SIZES = (20, 50, 100, 200)
COUNT_CAP = 10_000
OFFSET_CAP = 10_000
MOST_FIELDS = 100
# What an address says of a list beside which rows it holds.
_OF_THE_PAGE = frozenset({"sort", "size", "page", "after", "before", "view"})


@dataclass(frozen=True)
class Column:
    """A column of a list: what is asked, how it is shown, whether one may sort by it.

    Only a column whose index ends in the key is `sortable`: the order of a list must not cost a sort.
    `sheet` gives the cell of an export where `show` is not enough to tell. What tells of a person is known by the type
    of its value (persons.py), and masked, in exports as well, for who may not see it.
    """

    name: str
    label: Any
    value: Any
    show: Show = plain
    css: str = ""
    sortable: bool = False
    hidden: bool = False
    fixed: bool = False
    sheet: Sheet | None = None

    def as_seen(self, clear: Set[type]) -> "Column":
        """The column as it is for who sees `clear` of the data about persons, by its kinds."""
        if not is_personal(self.value) or self.value.type.value_class in clear:
            return self
        return replace(self, show=masking(self.show, MASKS[self.value.type.value_class]), sheet=None)

    def in_sheet(self) -> ColumnElement[Any]:
        return self.sheet(self.value) if self.sheet else in_sheet(self.show, self.value)


@dataclass(frozen=True)
class Source:
    """Where rows come from: the table, what is joined to it by its key, and what always holds.

    `first`, if given, tells the rows that stand before all others; `key` is the column of the default order. `spread`
    are the columns by which the table is partitioned: with its id they say where a row lies.
    """

    model: Any
    key: Any
    joins: tuple[tuple[Any, Any], ...] = ()
    outer_joins: tuple[tuple[Any, Any], ...] = ()
    where: Callable[[], list[Condition]] = list
    first: Callable[[], Condition | None] = lambda: None
    descending: bool = False
    spread: tuple[Any, ...] = ()

    def has(self, row_id: int) -> bool:
        """Whether the acting person finds a row in the list, whatever the filters."""
        found = select(self.model.id).where(self.model.id == row_id, *self.where()).limit(1)
        return db.session.scalar(found) is not None

    def is_one_of(self, picked: Any) -> ColumnElement[bool]:
        """The condition that a row is one of those that were picked, by its id and where it lies."""
        return and_(self.model.id == picked.c.id, *(column == picked.c[column.key] for column in self.spread))


@dataclass(frozen=True)
class Key:
    """The place of a row in the order: its part of the list, its sort value, its id."""

    part: int
    value: Any
    id: int

    def __str__(self) -> str:
        value = self.value.isoformat() if isinstance(self.value, datetime | date) else self.value
        return f"{self.part}~{value}~{self.id}"


@dataclass(frozen=True)
class Lanes:
    """Where no index has all rows of a list in its order, but one has those of each lane: the page is merged from them.

    `each` has a row for each lane, `holds` says which rows lie in it; what is asked for lies in exactly one.
    """

    each: Any
    holds: Condition


@dataclass
class Query:
    """What one URL asks of a list. Whatever is wrong in it is left out and said in `problems`."""

    source: Source
    filters: list[Bound]
    search: Bound | None
    sort: Column | None
    descending: bool
    page: int
    size: int
    after: Key | None = None
    before: Key | None = None
    problems: list[str] = field(default_factory=list)
    view: int | None = None
    lanes: Lanes | None = None

    @property
    def bounds(self) -> list[Bound]:
        return [*self.filters, *([self.search] if self.search else [])]

    @property
    def params(self) -> list[tuple[str, str]]:
        """What goes along in every address of the list: its filters, and the view it was opened with."""
        view = [] if self.view is None else [("view", str(self.view))]
        return [*(param for bound in self.bounds for param in bound.params), *view]

    @property
    def is_filtered(self) -> bool:
        return any(bound.params for bound in self.bounds)

    @property
    def text(self) -> str:
        """The filter as a query string: what 'all that match' means."""
        return urlencode(self.params)

    @property
    def key(self) -> Any:
        return self.sort.value if self.sort else self.source.key

    def conditions(self, *, by_row: bool = False) -> list[Condition]:
        return [*self.source.where(), *conditions(self.bounds, by_row=by_row)]

    def ids(self) -> Select[int]:
        """The ids of all rows that match: a statement, not a result."""
        return select(self.source.model.id).where(*self.conditions())

    def has_all_of(self, args: Args) -> bool:
        """Whether every filter in `args` was understood as it stands there; an unknown one narrows nothing."""
        given = {pair for pair in args.items(multi=True) if pair[0] not in _OF_THE_PAGE and pair[1]}
        return not self.problems and given <= set(self.params)


def read(source: Source, columns: list[Column], filters: Any, search: Search | None, args: Args) -> Query:
    """Read a URL's arguments. Nothing in them is trusted, nothing wrong in them is an error."""
    problems: list[str] = []
    sort, descending = _sort(source, columns, args, problems)
    query = Query(
        source=source,
        filters=[each.bind(args) for each in filters],
        search=search.bind(args) if search else None,
        sort=sort,
        descending=descending,
        page=_number(args, "page", 1, problems),
        size=_size(args, problems),
    )
    query.after = _key(query, args.get("after"), problems)
    query.before = _key(query, args.get("before"), problems) if query.after is None else None
    if query.after is None and query.before is None and (query.page - 1) * query.size > OFFSET_CAP:
        query.page = OFFSET_CAP // query.size + 1
        problems.append(_("That far on, pages are reached one after another: this is the furthest."))
    asked = args.get("view", "")
    query.view = int(asked) if is_number(asked) else None
    query.problems = problems + [bound.problem for bound in query.bounds if bound.problem]
    return query


def _sort(source: Source, columns: list[Column], args: Args, problems: list[str]) -> tuple[Column | None, bool]:
    asked = args.get("sort", "")
    if not asked:
        return None, source.descending
    found = next((c for c in columns if c.sortable and c.name == asked.removeprefix("-")), None)
    if found is None:
        problems.append(_("The list cannot be sorted by this column."))
        return None, source.descending
    return found, asked.startswith("-")


def _number(args: Args, name: str, default: int, problems: list[str]) -> int:
    given = args.get(name, "")
    if not given:
        return default
    if is_number(given) and 1 <= int(given) < 10**9:
        return int(given)
    problems.append(_("There is no such page; this is the first."))
    return default


def _size(args: Args, problems: list[str]) -> int:
    given = args.get("size", "")
    if not given or given in map(str, PAGE_SIZES):
        return int(given or PAGE_SIZES[0])
    problems.append(_("A page holds 20, 50, 100 or 200 rows."))
    return PAGE_SIZES[0]


def _key(query: Query, given: str | None, problems: list[str]) -> Key | None:
    if not given:
        return None
    try:
        part, value, row_id = given.split("~")
        kind = query.key.type.python_type
        typed = kind.fromisoformat(value) if issubclass(kind, datetime | date) else kind(value)
        if len(row_id) > 18 or part not in ("0", "1"):
            raise ValueError
        if isinstance(typed, datetime) and typed.tzinfo is None:
            raise ValueError
        return Key(int(part), typed, int(row_id))
    except (ValueError, TypeError, ArithmeticError):
        problems.append(_("There is no such page; this is the first."))
        query.page = 1
        return None


# --- One page ------------------------------------------------------------------------------------


def rows(query: Query, columns: list[Column], extra: dict[str, Any]) -> list[Any]:
    """The rows of the page and one more, if there is one: ids first by index, then what they are joined to."""
    picked = _picked(query).subquery("picked")
    model = query.source.model
    values = [column.value.label(column.name) for column in columns]
    others = [value.label(f"_{name}") for name, value in extra.items()]
    statement = joined(
        select(model.id.label("_id"), picked.c.part.label("_part"), picked.c.key.label("_key"), *values, *others)
        .select_from(picked)
        .join(model, query.source.is_one_of(picked)),
        query.source,
    )
    backwards = query.before is not None
    order = _order(picked.c.part, picked.c.key, picked.c.id, query.descending, backwards)
    found = list(db.session.execute(statement.order_by(*order)).all())
    return found[::-1] if backwards else found


def joined(statement: Any, source: Source) -> Any:
    for target, on in source.joins:
        statement = statement.join(target, on)
    for target, on in source.outer_joins:
        statement = statement.outerjoin(target, on)
    return statement


def order(query: Query) -> tuple[Any, ...]:
    """The order of a list, for a statement that gives its rows all at once."""
    first = query.source.first()
    part = [] if first is None else [case((first, 0), else_=1)]
    key, row_id = query.key, query.source.model.id
    return (*part, key.desc(), row_id.desc()) if query.descending else (*part, key, row_id)


def _picked(query: Query) -> Select[Any]:
    """The ids of the page. With rows that stand first, two walks of an index are put one after the other."""
    skip = 0 if query.after or query.before else (query.page - 1) * query.size
    if query.lanes:
        return _merged(query, query.lanes, skip)
    first = query.source.first()
    parts = [(0, None)] if first is None else [(0, first), (1, ~first)]
    walks = [_walk(query, part, condition, skip + query.size + 1) for part, condition in parts]
    walks = [walk for walk in walks if walk is not None]
    if len(walks) == 1:
        return walks[0].offset(skip).limit(query.size + 1)
    both = union_all(*(select(walk.subquery()) for walk in walks)).subquery("both")
    order = _order(both.c.part, both.c.key, both.c.id, query.descending, query.before is not None)
    return select(both).order_by(*order).offset(skip).limit(query.size + 1)


def _merged(query: Query, lanes: Lanes, skip: int) -> Select[Any]:
    """The ids of the page: the walk of each lane as far as the page could reach into it, and of these the first."""
    walked = _walk(query, 0, lanes.holds, skip + query.size + 1).lateral("walked")
    order = _order(walked.c.part, walked.c.key, walked.c.id, query.descending, query.before is not None)
    found = select(walked).select_from(lanes.each.join(walked, true()))
    return found.order_by(*order).offset(skip).limit(query.size + 1)


def _walk(query: Query, part: int, condition: Condition | None, limit: int) -> Any:
    model, key = query.source.model, query.key
    backwards = query.before is not None
    statement = select(model.id.label("id"), key.label("key"), literal(part).label("part"), *query.source.spread)
    statement = statement.where(*query.conditions(by_row=True))
    if condition is not None:
        statement = statement.where(condition)
    place = query.after or query.before
    if place is not None and place.part != part and (part < place.part) != backwards:
        return None
    if place is not None and place.part == part:
        statement = statement.where(_beyond(model.id, key, place, query.descending != backwards))
    descending = query.descending != backwards
    order = (key.desc(), model.id.desc()) if descending else (key, model.id)
    return statement.order_by(*order).limit(limit)


def _beyond(row_id: Any, key: Any, place: Key, descending: bool) -> Condition:
    here = tuple_(literal(place.value, key.type), literal(place.id, row_id.type))
    return tuple_(key, row_id) < here if descending else tuple_(key, row_id) > here


def _order(part: Any, key: Any, row_id: Any, descending: bool, backwards: bool) -> tuple[Any, ...]:
    turned = descending != backwards
    return (
        part.desc() if backwards else part,
        key.desc() if turned else key,
        row_id.desc() if turned else row_id,
    )


# --- How many ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Total:
    """How many rows match, exactly, or that there are more than were counted."""

    value: int
    exact: bool = True

    @property
    def text(self) -> str:
        return f"{self.value}" if self.exact else f"{self.value}+"


def capped_total(query: Query) -> Total:
    """Count to 10,000 and say '10000+' beyond."""
    return capped_totals([query])[0]


def capped_totals(queries: list[Query]) -> list[Total]:
    """The same of several lists, in one statement."""
    if not queries:
        return []
    counted = db.session.execute(select(*(_count_to_cap(query) for query in queries))).one()
    return [Total(min(number, COUNT_CAP), exact=number <= COUNT_CAP) for number in counted]


def _count_to_cap(query: Query) -> Any:
    some = query.ids().with_only_columns(literal(1), maintain_column_froms=True).limit(COUNT_CAP + 1).subquery()
    return select(func.count()).select_from(some).scalar_subquery()


def url_of(base: str, params: list[tuple[str, str]], **more: Any) -> str:
    """An address of the list with these arguments; what is None is left out."""
    extra = [(name, str(value)) for name, value in more.items() if value is not None]
    return f"{base}?{urlencode([*params, *extra])}" if params or extra else base


def parse(text: str) -> Args:
    """The arguments in a query string that was posted back."""
    try:
        return MultiDict(parse_qsl(text, max_num_fields=MOST_FIELDS))
    except ValueError:
        abort(400)
