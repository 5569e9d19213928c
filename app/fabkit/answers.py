"""A list, as programs ask it: its filters as parameters, its rows as values, the place of the next page as a cursor.

On a screen what is wrong in an address is left out and said. A program would not hear of it: it is refused.
"""

import base64
import hmac
import json
from collections.abc import Iterable, Mapping
from typing import Any

from flask_babel import gettext as _
from sqlalchemy import Boolean, Date, DateTime, Integer, Numeric, String

from app import ciphers

from . import lists, open_api
from .conditions import ALL, ANY, LONGEST as LONGEST_VALUE, MOST as MOST_CONDITIONS, Conditions
from .filters import PERIODS, TO_COME, Args, Cascade, Choice, Dates, Lookup, Search
from .formats import plain
from .lists import Column, Query
from .number_lists import Numbers
from .open_api import BadParameter, Parameter

LONGEST_TERM = 100
_NUMBER = "^[0-9]{1,18}$"
_REGION = "^[0-9]{6}$"
_TERM = r"^[^\x00-\x20]([^\x00-\x1f]*[^\x00-\x20])?$"
_CONDITION = r"^[a-z_]+~[a-z_]+(~[^\x00-\x1f]*)?$"
# They say how others are meant, and nothing by themselves.
_BESIDE = {"field", "match"}


# --- What may be asked ---------------------------------------------------------------------------


def parameters(each: Any) -> tuple[Parameter, ...]:
    """What a filter reads of an address."""
    label = str(getattr(each, "label", ""))
    match each:
        case Choice():
            return (_choice(each),)
        case Cascade():
            return (open_api.string(each.name, label, pattern=_REGION if each.name == "region" else _NUMBER),)
        case Lookup() | Numbers():
            return (open_api.string(each.name, label, pattern=_NUMBER),)
        case Dates():
            return _days(each, label)
        case Conditions():
            told = _("%(filter)s: a column, a comparison and a value, with ~ between them", filter=label)
            longest = LONGEST_VALUE + 60
            return (
                open_api.strings(each.name, told, MOST_CONDITIONS, pattern=_CONDITION, maxLength=longest),
                open_api.string("match", _("Whether all conditions must hold, or any of them"), enum=[ALL, ANY]),
            )
        case Search():
            names = {field.name: field.label for field in each.fields}
            return (
                open_api.string("field", with_words(_("What is searched"), names), enum=list(names)),
                open_api.string("q", _("What is searched for"), pattern=_TERM, minLength=2, maxLength=LONGEST_TERM),
            )
    raise TypeError(type(each).__name__)


def _choice(each: Choice) -> Parameter:
    options = each.options() if callable(each.options) else each.options
    told = with_words(each.label, options)
    if each.multiple:
        return open_api.strings(each.name, told, max(len(options), 1), enum=list(options))
    return open_api.string(each.name, told, enum=list(options))


def _days(each: Dates, label: str) -> tuple[Parameter, ...]:
    periods = PERIODS | TO_COME if each.to_come else PERIODS
    return (
        open_api.string(each.name, with_words(label, periods), enum=list(periods)),
        open_api.day(f"{each.name}_from", _("%(filter)s: the first day", filter=label)),
        open_api.day(f"{each.name}_to", _("%(filter)s: the last day", filter=label)),
    )


def with_words(label: Any, words: Mapping[str, Any]) -> str:
    """What something is, and its codes with their words."""
    return f"{label} ({', '.join(f'{code} = {word}' for code, word in words.items())})"


def names_of(filters: Iterable[Any]) -> set[str]:
    return {parameter.name for each in filters for parameter in parameters(each)}


def refuse_what_was_left_out(query: Query, asked: Args) -> None:
    """A filter that the list could not read is a wrong parameter."""
    understood = {*query.params, *(pair for pair in asked.items(multi=True) if pair[0] in _BESIDE)}
    name = next((pair[0] for pair in asked.items(multi=True) if pair not in understood), None)
    if name is None:
        return
    short = query.search.problem if query.search and query.search.name == name else None
    raise BadParameter(name, short or "It is not known here, or it contradicts another one.")


# --- What is answered ----------------------------------------------------------------------------


def value(column: Column, found: Any) -> Any:
    """A value as it is: days and numbers as such, a code beside its word. A text that is masked stays masked."""
    if found is None or not isinstance(found, str):
        return found
    if labels := getattr(column.show, "labels", None):
        return {"code": found, "word": str(labels.get(found, found))}
    return found if column.show is plain else str(column.show(found))


def schema(column: Column) -> dict[str, Any]:
    """The JSON schema of such a value."""
    told = {"description": str(column.label)}
    labels = getattr(column.show, "labels", None)
    if labels:
        both = {"code": {"type": "string"}, "word": {"type": "string"}}
        return {**told, "type": ["object", "null"], "properties": both, "required": list(both)}
    return {**told, **_typed(column.value.type)}


def _typed(kind: Any) -> dict[str, Any]:
    for types, told in _TYPES:
        if isinstance(kind, types):
            return {**told, "type": [told["type"], "null"]}
    return {}


_TYPES: tuple[tuple[Any, dict[str, str]], ...] = (
    (Boolean, {"type": "boolean"}),
    (Integer, {"type": "integer"}),
    (Numeric, {"type": "number"}),
    (Date, {"type": "string", "format": "date"}),
    (DateTime, {"type": "string", "format": "date-time"}),
    (String, {"type": "string"}),
)


# --- Page after page -----------------------------------------------------------------------------


def cursor(row: Any, for_whom: list[Any]) -> str:
    """Where the page after this row begins, sealed for who asked and for what was asked."""
    place = str(lists.Key(row._part, row._key, row._id))
    return base64.urlsafe_b64encode(f"{_seal(place, for_whom)}{place}".encode()).decode()


def place(given: str, for_whom: list[Any]) -> str:
    """The place in a cursor; BadParameter unless it was made here for the same."""
    try:
        text = base64.urlsafe_b64decode(given).decode()
    except ValueError:
        text = ""
    seal, found = text[:_SEAL], text[_SEAL:]
    if not found or not hmac.compare_digest(seal.encode(), _seal(found, for_whom).encode()):
        raise BadParameter("cursor", "Please take it from `next` of the page before, and ask for the same.")
    return found


_SEAL = 32


def _seal(place: str, for_whom: list[Any]) -> str:
    return ciphers.seal(json.dumps(["cursor of a list", for_whom, place]))[:_SEAL]
