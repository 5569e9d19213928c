"""The columns somebody asks for, found among those of a sheet, and their values as text, number, date or choice."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Literal

from flask_babel import gettext as _

from app.numbers import in_ascii
from app.sandbox.messages import Unreadable

from .cells import Value, as_date, as_number, as_text, column_name, folded, is_moment, shown_text
from .reading import Incoming

# Of headers that are not understood so many are named, each shortened.
_MOST_NAMED, _LONGEST_NAMED = 10, 30


@dataclass(frozen=True)
class Field:
    """A column of a sheet to fill in. `name` is for the program, `label` for the person.

    The choices of a text are suggestions: anything else may be written too. A locked column is not typed into. `also`
    are other headers under which people have the column in sheets of their own.
    """

    name: str
    label: str
    mandatory: bool = False
    kind: Literal["text", "number", "date", "choice"] = "text"
    choices: tuple[str, ...] | None = None
    note: str = ""
    example: str = ""
    width: int = 16
    locked: bool = False
    also: tuple[str, ...] = ()

    @cached_property
    def known(self) -> dict[str, str]:
        """The choices by how they compare."""
        return {folded(choice): choice for choice in self.choices or ()}


@dataclass(frozen=True)
class Dependent:
    """The choices of a field that depend on what its row has in another field."""

    field: str
    on: str
    choices: Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Matched:
    """Which column of the sheet holds which field, and the headers that nobody asked for."""

    columns: dict[int, Field]
    unknown: list[str]


def match(incoming: Incoming, fields: Sequence[Field]) -> Matched:
    """Find the fields among the headers, in any order, whatever blanks, stars and full-width forms are in them."""
    wanted = {folded(field.label): field for field in fields}
    columns: dict[int, Field] = {}
    for number, header in enumerate(incoming.headers):
        field = wanted.get(folded(header))
        if not field:
            continue
        if field in columns.values():
            raise Unreadable(_("The column “%(column)s” is there twice. Delete one of them.", column=field.label))
        columns[number] = field
    missing = [field.label for field in fields if field.mandatory and field not in columns.values()]
    unknown = [header for number, header in enumerate(incoming.headers) if header and number not in columns]
    if missing:
        text = _("These columns are missing: %(columns)s.", columns=_(", ").join(missing))
        raise Unreadable(_beside(text, _where_sought(incoming, unknown)))
    return Matched(columns, unknown)


def _where_sought(incoming: Incoming, unknown: Sequence[str]) -> str:
    """Say which row was taken for the headers, and which of them are not known, for those may be the missing ones."""
    place = _("Row %(row)s of “%(sheet)s”", row=incoming.header_row, sheet=incoming.sheet)
    if not incoming.sheet:
        place = _("Row %(row)s", row=incoming.header_row)
    if not unknown:
        return _("%(place)s was taken for the names of the columns.", place=place)
    names = [column_name(header)[:_LONGEST_NAMED] for header in unknown[:_MOST_NAMED]]
    text = _(", ").join(names) + ("…" if len(unknown) > _MOST_NAMED else "")
    return _("%(place)s was taken for the names of the columns; not understood there: %(headers)s.",
             place=place, headers=text)  # fmt: skip


def _beside(sentence: str, next_sentence: str) -> str:
    """Two sentences one after the other; Chinese ones have no blank between them."""
    return sentence + ("" if sentence.endswith("。") else " ") + next_sentence


def recognised(headers: Sequence[str], fields: Sequence[Field]) -> dict[int, Field]:
    """The fields that headers name, by the number of their column; first those by their own label, then by others."""
    found: dict[int, Field] = {}
    for names in ({folded(field.label): field for field in fields}, _by_other_names(fields)):
        for number, header in enumerate(headers):
            field = names.get(folded(header))
            if field and number not in found and field not in found.values():
                found[number] = field
    return found


def _by_other_names(fields: Sequence[Field]) -> dict[str, Field]:
    return {folded(name): field for field in fields for name in field.also}


def taken(incoming: Incoming, matched: Matched) -> Iterator[tuple[int, dict[str, Value], list[str]]]:
    """Each row by its number: its values by field name, and what is wrong with them. Other columns are left alone."""
    absent = dict.fromkeys(field.name for field in matched.columns.values())
    wanted = [(column, field, _meaning(field)) for column, field in matched.columns.items()]
    for row, cells in incoming.rows:
        found = incoming.problems.get(row, {})
        values, problems = dict[str, Value](absent), list[str]()
        for column, field, meaning in wanted:
            cell = cells[column]
            if column in found:
                problems.append(found[column])
            elif cell is None:
                if field.mandatory:
                    problems.append(_("“%(column)s” is missing.", column=field.label))
            elif (value := meaning(cell)) is None:
                problems.append(_refusal(field, cell))
            else:
                values[field.name] = value
        yield row, values, problems


def _meaning(field: Field) -> Callable[[Value], Value]:
    """What makes the value of a cell."""
    if field.kind == "number":
        return as_number
    if field.kind == "date":
        return as_date
    if field.kind == "choice" and field.choices is not None:
        return lru_cache(maxsize=1000, typed=True)(lambda cell: field.known.get(folded(as_text(cell))))
    return shown_text


def _refusal(field: Field, cell: Value) -> str:
    value = as_text(cell)[:40]
    match field.kind:
        case "text":
            return _no_text(field, cell)
        case "number" if "," in in_ascii(value):
            return _("“%(column)s” must be a number, not “%(value)s”: write a point for the decimals. A comma separates"
                     " groups of three digits only.", column=field.label, value=value)  # fmt: skip
        case "number":
            return _("“%(column)s” must be a number, not “%(value)s”.", column=field.label, value=value)
        case "date":
            return _("“%(column)s” must be a date like 2026-01-31, not “%(value)s”.", column=field.label, value=value)
        case _:
            return _("“%(column)s” must be chosen from the list; “%(value)s” is not on it.",
                     column=field.label, value=value)  # fmt: skip


def _no_text(field: Field, cell: Value) -> str:
    """What to do with a number or a date where a text is asked for."""
    if is_moment(cell):
        return _("“%(column)s” has become a date or a time: format the cell as text, and type the value anew.",
                 column=field.label)  # fmt: skip
    return _("“%(column)s” is a number in a format whose display is not certain: format the cell as text, and type the"
             " value anew.", column=field.label)  # fmt: skip
