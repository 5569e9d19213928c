"""One value of a cell: between what a person typed, what a sheet holds and what Python calculates with."""

import re
import unicodedata
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from app import numbers
from app.texts import entered

from . import number_formats


@dataclass(frozen=True, slots=True)
class Formatted:
    """A number, a date or a time in a number format: a code, or the number of one that all programs have.

    `text` is what the sheet shows, or None if that is not sure. It is None for all dates and times: many of them
    were typed as a model 3-1 or a number 10:12, which the sheet program has taken for something else.
    """

    value: int | float | date
    code: str | int
    text: str | None = None


Value = str | int | float | bool | date | Formatted | None

# Sheet programs keep 15 digits.
_TOO_LARGE = 10**15
# As many apostrophes as there are, so that taking one away always undoes adding one.
_FORMULA = re.compile(r"'*[=+\-@\t\r\n]")
_NEUTRALISED = re.compile(r"'+[=+\-@\t\r\n]")
_DATE = re.compile(r"(\d{4})\s*[-/.。年]\s*(\d{1,2})\s*[-/.。月]\s*(\d{1,2})\s*[日号]?(?:\s+\d{1,2}:\d{2}(?::\d{2})?)?")
_DAY = re.compile(r"((?:19|20)\d\d)(\d\d)(\d\d)")


def cleaned(text: str) -> str | None:
    """The text as it is entered, without the apostrophe of `neutralised`; None if nothing is left."""
    text = entered(text, lines=True)
    if text[:1] == "'" and _NEUTRALISED.match(text):
        text = text[1:].strip()
    return text or None


def neutralised(text: str) -> str:
    """The text so that no sheet program takes it for a formula, not even after it was saved as CSV."""
    return "'" + text if _FORMULA.match(text) else text


def plain(text: str) -> str:
    """Full-width forms as ordinary ones."""
    return unicodedata.normalize("NFKC", text)


def folded(text: str) -> str:
    """The name of a column as it is compared: without blanks, stars, case and full-width forms."""
    return "".join(plain(text).split()).strip("*").casefold()


def column_name(header: str) -> str:
    """The name of a column without the star of the mandatory ones."""
    return header.strip("*＊ \u3000")


def as_text(value: Value) -> str:
    """What the person sees in the cell, as far as it is known."""
    if isinstance(value, Formatted):
        return as_text(value.value) if value.text is None else value.text
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, float):
        return format(Decimal(repr(value)), "f")
    if isinstance(value, datetime):
        return value.isoformat(" ", "seconds")
    return "" if value is None else str(value)


def shown_text(value: Value) -> str | None:
    """Return what the person sees in a cell that holds a text; None if that is a date or time, or not sure."""
    is_unsure = value.text is None if isinstance(value, Formatted) else isinstance(value, date)
    return None if is_unsure else as_text(value)


def is_moment(value: Value) -> bool:
    """Return whether a cell holds a date, a time or a duration."""
    if isinstance(value, Formatted):
        return isinstance(value.value, date) or number_formats.is_moment(value.code)
    return isinstance(value, date)


def as_number(value: Value) -> int | float | None:
    """A number, or None if it is none, or if the person sees another one: 0.5 as 50%."""
    if isinstance(value, Formatted):
        return None if is_moment(value) or number_formats.scales(value.code) else as_number(value.value)
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return value
    number = numbers.parse(value) if isinstance(value, str) else None
    if number is None or abs(number) >= _TOO_LARGE:
        return None
    return float(number) if number % 1 else int(number)


def as_date(value: Value) -> date | None:
    """A day, or None if it is none: 2026-01-31, 2026/1/31, 2026.1.31, 2026。1。31, 2026年1月31日, 20260131.

    The year comes first, in four digits: 3/1/2026 and 26.3.1 are other days to other people.
    """
    if isinstance(value, Formatted):
        value = value.value if isinstance(value.value, date) else value.text
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    if isinstance(value, bool | float) or value is None:
        return None
    text = plain(str(value)).strip()
    if written := _DATE.fullmatch(text):
        digits = written.group(1, 2, 3)
    elif written := _DAY.fullmatch(text):
        digits = written.groups()
    else:
        return None
    try:
        return date(*map(int, digits))
    except ValueError:
        return None
