"""The rows of a sheet as they are read from any kind of file: what their numbers are, and which cells are wrong."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import lru_cache

from app.sandbox.messages import Unreadable, message as _

from . import number_formats
from .cells import Formatted, Value
from .refusals import damaged

FORMULA, ERROR, DIGITS, DATE, UNREADABLE = "formula", "error", "digits", "date", "unreadable"

LAST_ROW, LAST_COLUMN = 1_048_576, 16_384
# Excel's own limits: characters of a number format, and formats of cells. It has some 250 number formats.
LONGEST_FORMAT, MOST_FORMATS, MOST_CODES = 255, 65_490, 5_000
# From here on a sheet program has replaced the last digits by zeros.
_TOO_LONG = 10**15
_LAST_DAY = 2_958_466
_RANGE = re.compile(r"\$?([A-Z]{1,3})\$?(\d{1,7})(?::\$?([A-Z]{1,3})\$?(\d{1,7}))?")
# The formats in which a sheet that is handed back writes dates anyway.
_USUAL_DATES = {14, 22, "yyyy-mm-dd", "yyyy-mm-dd hh:mm:ss"}
# So many places of merged cells are told at once.
_MOST_NAMED = 5


@dataclass
class Grid:
    """The rows of one sheet that hold anything, as (row number, values), and what is wrong with single cells."""

    name: str
    rows: list[tuple[int, list[Value]]] = field(default_factory=list)
    marks: dict[int, dict[int, str]] = field(default_factory=dict)
    # The rows above the names of the columns; until these are known, all are among `rows`.
    above: list[tuple[int, list[Value]]] = field(default_factory=list)
    hidden: set[int] = field(default_factory=set)
    # The names of all sheets that are shown, and the places of merged cells.
    sheets: list[str] = field(default_factory=list)
    merged: list[str] = field(default_factory=list)

    def mark(self, row: int, column: int, trouble: str) -> None:
        self.marks.setdefault(row, {})[column] = trouble


class Numbers:
    """What the numbers of a sheet are, by their formats. Cells that cannot be believed are marked in the grid."""

    def __init__(self, grid: Grid, from_1904: bool) -> None:
        self.grid, self.from_1904 = grid, from_1904
        self.row = self.column = 0

    def shown(self, number: int | float, code: str | int | None) -> Value:
        """Return the number of the cell at the present place; the code is None if it is shown as it is."""
        if code is not None and number_formats.is_moment(code):
            return self._moment(float(number), code)
        if isinstance(number, float):
            # A sheet shows 15 digits; those behind them are left from calculating.
            number = float(f"{number:.15g}")
            number = int(number) if number.is_integer() else number
        if not -_TOO_LONG < number < _TOO_LONG:
            self.grid.mark(self.row, self.column - 1, DIGITS)
            return f"{number:.15g}" if abs(number) > 10**40 else str(number)
        if code is None or (isinstance(number, int) and code in (1, "0")):
            return number
        return Formatted(number, code, number_formats.shown(code, number))

    def _moment(self, days: float, code: str | int) -> Value:
        if number_formats.is_duration(code):
            return Formatted(days, code)
        if not 0 < days < _LAST_DAY:
            self.grid.mark(self.row, self.column - 1, DATE)
            return f"{days:.15g}"
        whole, seconds = divmod(round(days * 86400), 86400)
        if not whole and seconds and not self.from_1904:
            return Formatted(days, code)
        # Sheet programs believe that 1900 was a leap year.
        first = date(1904, 1, 1) if self.from_1904 else date(1899, 12, 31 if whole < 60 else 30)
        day = first + timedelta(whole)
        moment = datetime(day.year, day.month, day.day) + timedelta(seconds=seconds) if seconds else day
        return moment if code in _USUAL_DATES else Formatted(moment, code)


def codes_of(styles: Sequence[str | int]) -> dict[int, str | int]:
    """The number formats of styles by their numbers, without those that show a number as it is, as most do."""
    return {number: code for number, code in enumerate(styles) if not number_formats.is_plain(code)}


def refuse_merged(grid: Grid) -> None:
    """Only one cell of those merged holds the value, and nobody sees for which rows it was meant.

    Merged cells above the names of the columns are a title, those from the first column across most of one row
    below them a title or a signature; neither does harm.
    """
    if not grid.merged:
        return
    first, last = grid.rows[0][0], grid.rows[-1][0]
    width = max(len(values) for _row, values in grid.rows)
    touching = [cells for cells in grid.merged if _touches(cells, first, last, width)]
    shown, more = touching[:_MOST_NAMED], len(touching) - _MOST_NAMED
    if more > 0:
        raise Unreadable(
            _("The cells %(cells)s and %(more)s more are merged. Take them apart, write the names of the columns in one"
              " row and every value in its own cell, and choose the file again.", cells=shown, more=more)
        )  # fmt: skip
    if shown:
        raise Unreadable(
            _("The cells %(cells)s are merged. Take them apart, write the names of the columns in one row and every"
              " value in its own cell, and choose the file again.", cells=shown)
        )  # fmt: skip


def _touches(cells: str, first: int, last: int, width: int) -> bool:
    found = _RANGE.fullmatch(cells)
    if not found:
        raise damaged()
    left, top, bottom = column_number(found[1]), int(found[2]), int(found[4] or found[2])
    across = column_number(found[3] or found[1]) - left + 1
    if left == 1 and top == bottom > first and 2 * across > width:
        return False
    return left <= width and top <= last and bottom >= first


@lru_cache(maxsize=1000)
def column_number(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + "ABCDEFGHIJKLMNOPQRSTUVWXYZ".index(letter) + 1
    if not 0 < number <= LAST_COLUMN:
        raise damaged()
    return number


def column_letters(number: int) -> str:
    """The letters of a column: A for 1, AA for 27."""
    letters = ""
    while number:
        number, rest = divmod(number - 1, 26)
        letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"[rest] + letters
    return letters
