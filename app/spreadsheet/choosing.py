"""Which sheet of a workbook is read, and which of its rows has the names of the columns."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from functools import cache
from typing import NamedTuple

from app.sandbox.messages import TooManyRows, Unreadable, message as _

from .cells import Value, folded

# The names of the columns are looked for among so many filled rows.
MOST_SEARCHED = 30
# One known word may stand in a title by chance.
_FEWEST_WORDS = 2
_FEWEST_TEXTS = 3

Rows = list[tuple[int, list[Value]]]


class Wanted(NamedTuple):
    """What the caller knows of a sheet: its usual title, folded names of columns, or what a person has chosen.

    `first` is how many rows are wanted of it, if not all.
    """

    title: str = ""
    words: frozenset[str] = frozenset()
    sheet: str | None = None
    header_row: int | None = None
    first: int | None = None

    def ending_early(self) -> AbstractContextManager[None]:
        """A block in which reading ends at the most rows, without a refusal if only the first rows are wanted."""
        return nullcontext() if self.first is None else suppress(TooManyRows)

    @property
    def most_above(self) -> int:
        """How many filled rows may stand above the names of the columns."""
        return max(MOST_SEARCHED, self.header_row or 0) if self.words or self.header_row else 0


class Listed(NamedTuple):
    """A sheet as the workbook lists it; `key` is what the reader finds it by."""

    name: str
    is_shown: bool
    key: str | int


# Reads at most so many rows of a sheet, and raises Unreadable as the whole reading does.
Peek = Callable[[Listed, Rows, int], None]


def header_index(rows: Rows, wanted: Wanted) -> int:
    """Return which of the rows has the names of the columns."""
    if wanted.header_row is not None:
        return _chosen_row(rows, wanted.header_row)
    if not wanted.words:
        return 0
    searched = [values for _row, values in rows[:MOST_SEARCHED]]
    known = [known_words(values, wanted.words) for values in searched]
    best = max(known, default=0)
    if best >= _FEWEST_WORDS:
        return known.index(best)
    return next((at for at, values in enumerate(searched) if _texts(values) >= _FEWEST_TEXTS), 0)


def _chosen_row(rows: Rows, header_row: int) -> int:
    found = next((at for at, (row, _values) in enumerate(rows) if row == header_row), None)
    if found is None:
        raise Unreadable(_("Row %(row)s is empty. Choose the row with the names of the columns.", row=header_row))
    return found


def known_words(values: Sequence[Value], words: frozenset[str]) -> int:
    """Return how many different known names of columns stand in a row."""
    return len(words.intersection(folded(value) for value in values if isinstance(value, str)))


def _texts(values: Sequence[Value]) -> int:
    return sum(isinstance(value, str) for value in values)


def sheet_to_read(sheets: Sequence[Listed], wanted: Wanted, peek: Peek) -> Listed:
    """Return the sheet that was chosen, or the one with the title, or the one with the best row of names of columns.

    Without any of these it is the first sheet that is shown and not empty. A cover sheet often comes first.
    """
    shown = [sheet for sheet in sheets if sheet.is_shown]
    if wanted.sheet is not None:
        return _chosen_sheet(shown, wanted.sheet)
    titled = [sheet for sheet in shown if wanted.title and sheet.name.strip() == wanted.title]
    if titled:
        return titled[0]
    if not shown:
        raise Unreadable(
            _("The file has no sheet that is shown. Show the sheet to read, save, and choose the file again.")
        )
    if len(shown) == 1:
        return shown[0]
    return _best_sheet(shown, wanted, peek)


def _chosen_sheet(shown: Sequence[Listed], name: str) -> Listed:
    for sheet in shown:
        if sheet.name == name:
            return sheet
    raise Unreadable(_("The file has no sheet “%(sheet)s” that is shown. Choose another sheet.", sheet=name))


def _best_sheet(shown: Sequence[Listed], wanted: Wanted, peek: Peek) -> Listed:
    @cache
    def first_rows(sheet: Listed) -> tuple[Rows, bool]:
        """The first rows, and whether more follow or could not be read."""
        rows: Rows = []
        try:
            peek(sheet, rows, MOST_SEARCHED - 1)
        except Unreadable:  # also for too many rows; any other reason is told if this sheet is the one to read
            return rows, True
        return rows, False

    if wanted.words:
        known = [
            max((known_words(values, wanted.words) for _row, values in first_rows(sheet)[0]), default=0)
            for sheet in shown
        ]
        best = max(known)
        if best >= _FEWEST_WORDS:
            return shown[known.index(best)]
    return next((sheet for sheet in shown if any(first_rows(sheet))), shown[0])
