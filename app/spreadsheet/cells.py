"""One value of a cell: between what a person typed, what a sheet holds and what Python calculates with."""

import math
import re
import unicodedata
from datetime import date, datetime
from decimal import Decimal

from app.texts import entered

Value = str | int | float | bool | date | None

# As many apostrophes as there are, so that taking one away always undoes adding one.
_FORMULA = re.compile(r"'*[=+\-@\t\r\n]")
_NEUTRALISED = re.compile(r"'+[=+\-@\t\r\n]")
_NUMBER = re.compile(r"[+-]?(\d{1,15}(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?")
_DATE = re.compile(r"(\d{4})([-/.年])(\d{1,2})[-/.月](\d{1,2})日?(\s+\d{1,2}:\d{2}(:\d{2})?)?")
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


def as_text(value: Value) -> str:
    """What the person sees in the cell."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, float):
        return format(Decimal(repr(value)), "f")
    if isinstance(value, datetime):
        return value.isoformat(" ", "seconds")
    return "" if value is None else str(value)


def as_number(value: Value) -> int | float | None:
    """A number, or None if it is none."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return value
    text = plain(value).replace(",", "").strip() if isinstance(value, str) else ""
    if not _NUMBER.fullmatch(text):
        return None
    number = float(text)
    if not math.isfinite(number):
        return None
    return int(number) if number.is_integer() and abs(number) < 1e15 else number


def as_date(value: Value) -> date | None:
    """A day, or None if it is none: 2026-01-31, 2026/1/31, 2026.1.31, 2026年1月31日, 20260131."""
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    if isinstance(value, bool | float) or value is None:
        return None
    text = plain(str(value)).strip()
    if written := _DATE.fullmatch(text):
        digits = written.group(1, 3, 4)
    elif written := _DAY.fullmatch(text):
        digits = written.groups()
    else:
        return None
    try:
        return date(*map(int, digits))
    except ValueError:
        return None
