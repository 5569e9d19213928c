"""More conditions: up to ten, each of a column, a comparison and a value, of which all or any must hold.

In the address each is `if=column~comparison~value`. Only columns that a page declares are asked, and only by
comparisons of their type; the conditions stand beside what the person may see, and never instead of it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from flask_babel import gettext as _, lazy_gettext as _l
from sqlalchemy import Date, DateTime, Integer as WholeNumber, Numeric, String, and_, or_

from app import finding, numbers
from app.persons import is_personal
from app.texts import same

from .filters import Args, Begins, Bound, Condition, Contains, Within, beginning, day_in
from .lists import Column

MOST, LONGEST = 10, 100
ALL, ANY = "all", "any"
TEXT, NUMBER, DAY, CHOICE = "text", "number", "day", "choice"
COMPARISONS = {
    "contains": _l("contains"),
    "begins": _l("begins with"),
    "is": _l("is"),
    "is_not": _l("is not"),
    "from": _l("at least, from"),
    "to": _l("at most, until"),
    "empty": _l("is empty"),
    "filled": _l("is not empty"),
}
ALONE = ("empty", "filled")
OF_KIND = {
    TEXT: ("contains", "begins", "is", *ALONE),
    NUMBER: ("is", "from", "to", *ALONE),
    DAY: ("is", "from", "to", *ALONE),
    CHOICE: ("is", "is_not", *ALONE),
}
MORE = _l("More conditions")
_MATCHES = {ALL: _l("All of them hold"), ANY: _l("Any of them holds")}


def kind_of(column: Column) -> str:
    """What kind of value a column holds."""
    if getattr(column.show, "labels", None):
        return CHOICE
    for kind, types in ((NUMBER, WholeNumber | Numeric), (DAY, Date | DateTime), (TEXT, String)):
        if isinstance(column.value.type, types):
            return kind
    raise TypeError(f"{column.name} cannot be asked about")


@dataclass(frozen=True)
class Conditions:
    """The builder of conditions of a list over `model`: of its columns those named in `asked`.

    Of a joined table, `within` says how a condition on it is one on a row of the list. `also` gives, for a text column,
    what else meets a comparison with a value: other texts that mean the same.
    """

    model: Any
    columns: tuple[Column, ...]
    asked: str
    within: Mapping[Any, Within] = field(default_factory=dict)
    also: Mapping[str, Callable[[str, str], Condition]] = field(default_factory=dict)
    name: str = "if"
    label: Any = MORE

    def __post_init__(self) -> None:
        by_name = {column.name: column for column in self.columns}
        object.__setattr__(self, "columns", tuple(by_name[name] for name in self.asked.split()))
        for column in self.columns:
            kind_of(column)
            foreign = self._table(column) is not self.model and self._table(column) not in self.within
            if is_personal(column.value) or foreign:
                raise TypeError(f"{column.name} cannot be asked about")

    def bind(self, args: Args) -> Bound:
        bound = Bound(self.name, self.label, "conditions")
        match = ANY if args.get("match") == ANY else ALL
        given = args.getlist(self.name)
        read = [(text, self._read(text)) for text in given[:MOST]]
        good = [(text, condition) for text, condition in read if condition is not None]
        bound.conditions = {
            "columns": [self._offered(column) for column in self.columns],
            "words": {name: str(word) for name, word in COMPARISONS.items()},
            "given": [text for text, _condition in good],
            "matches": [(name, word, name == match) for name, word in _MATCHES.items()],
        }
        if len(good) < len(given):
            bound.problem = _("A condition could not be read; it was left out.")
        if not good:
            return bound
        bound.params = [*((self.name, text) for text, _condition in good), *([("match", ANY)] if match == ANY else [])]
        joined = and_ if match == ALL else or_
        bound.condition = joined(*(condition for _text, condition in good)).self_group()
        return bound

    def _offered(self, column: Column) -> dict[str, Any]:
        kind = kind_of(column)
        options = {value: str(word) for value, word in getattr(column.show, "labels", {}).items()}
        return {"name": column.name, "label": str(column.label), "kind": kind, "comparisons": OF_KIND[kind],
                "options": options}  # fmt: skip

    def _table(self, column: Column) -> Any:
        return getattr(column.value, "class_", None)

    def _read(self, text: str) -> Condition | None:
        """One condition of an address; None if it is not one."""
        name, _mark, rest = text.partition("~")
        comparison, _mark, value = rest.partition("~")
        column = next((column for column in self.columns if column.name == name), None)
        if column is None or comparison not in OF_KIND[kind_of(column)] or len(value) > LONGEST:
            return None
        condition = _compared(column, comparison, value.strip())
        if condition is not None and name in self.also and comparison not in ALONE:
            condition = or_(condition, self.also[name](comparison, value.strip()))
        table = self._table(column)
        return condition if condition is None or table is self.model else self.within[table](condition)


def _compared(column: Column, comparison: str, value: str) -> Condition | None:
    if comparison in ALONE:
        return _is_empty(column.value) if comparison == "empty" else ~_is_empty(column.value)
    if not value:
        return None
    return {TEXT: _text, NUMBER: _number, DAY: _day, CHOICE: _choice}[kind_of(column)](column, comparison, value)


def _is_empty(value: Any) -> Condition:
    return or_(value.is_(None), value == "") if isinstance(value.type, String) else value.is_(None)


def _text(column: Column, comparison: str, value: str) -> Condition | None:
    if not same(value):
        return None
    if comparison == "contains":
        return Contains(column.value).by_index(value)
    return Begins(column.value).by_index(value) if comparison == "begins" else finding.equals(column.value, value)


def _choice(column: Column, comparison: str, value: str) -> Condition | None:
    if value not in column.show.labels:  # type: ignore[attr-defined]
        return None
    return column.value == value if comparison == "is" else column.value.is_distinct_from(value)


def _number(column: Column, comparison: str, value: str) -> Condition | None:
    number = numbers.parse(value)
    if number is None or abs(number) >= 10**9:
        return None
    return {"is": column.value == number, "from": column.value >= number, "to": column.value <= number}[comparison]


def _day(column: Column, comparison: str, value: str) -> Condition | None:
    day = day_in(value)
    if day is None:
        return None
    begin, end = beginning(column.value, day), beginning(column.value, day + timedelta(days=1))
    after, before = column.value >= begin, column.value < end
    return {"is": and_(after, before), "from": after, "to": before}[comparison]
