"""Sheets that come in: .xlsx, .xls or .csv files made into headers and rows, or refused with a sentence for the person.

The file itself is opened in a child process (`app.sandbox`); what it holds is named here.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from threading import BoundedSemaphore
from typing import BinaryIO, Self

from flask_babel import gettext as _

from app.sandbox.children import Named, Task, open_files
from app.sandbox.messages import Unreadable

from . import grids, rows
from .cells import Value, as_text, column_name, folded
from .rows import Grid

# CPU seconds and bytes of what was read. A long sheet is a job, which may take longer.
_TASK = Task("sheet", seconds=20, output=48 * 1024 * 1024, places=BoundedSemaphore(2))


class Problem(str):
    """A sentence about a cell that cannot be believed; `mark` tells of what kind the problem is (rows.py)."""

    mark: str

    def __new__(cls, sentence: str, mark: str) -> Self:
        problem = super().__new__(cls, sentence)
        problem.mark = mark
        return problem


@dataclass(frozen=True)
class Incoming:
    """A sheet as the person sees it: rows by their numbers in the sheet, empty ones left out, each as wide as the
    headers; and what is wrong with single cells, by row number and column."""

    sheet: str
    header_row: int
    headers: list[str]
    rows: list[tuple[int, list[Value]]]
    problems: dict[int, dict[int, Problem]]
    # The sheets of the workbook that are shown; the rows above the headers; the numbers of hidden rows below them.
    sheets: list[str] = field(default_factory=list)
    above: list[tuple[int, list[Value]]] = field(default_factory=list)
    hidden: frozenset[int] = frozenset()


def read(
    file: BinaryIO,
    filename: str,
    *,
    most_rows: int,
    most_columns: int = 200,
    most_bytes: int = 20 * 1024 * 1024,
    title: str = "",
    words: Iterable[str] = (),
    sheet: str | None = None,
    header_row: int | None = None,
    first: int | None = None,
    seconds: int | None = None,
) -> Incoming:
    """Read a sheet. What the file is, its content says, not its name.

    `words` are names of columns that the caller would understand. They tell the row of headers from what stands above
    it, and the sheet with the rows from a cover sheet; without them the first filled row has the headers. The sheet
    named `title` goes before that. `sheet` and `header_row` are what a person has chosen instead. If `first` is given,
    only so many rows are read, however many there are.
    """
    options = {"kind": filename.lower().rpartition(".")[2], "title": title, "most_rows": most_rows,
               "most_columns": most_columns, "words": sorted({folded(word) for word in words} - {""}), "sheet": sheet,
               "header_row": header_row, "first": first}  # fmt: skip
    upload = Named(filename, file)
    with open_files(_TASK, [upload], options, most_bytes=most_bytes, seconds=seconds) as output:
        return _incoming(grids.read(output))


def problems_header() -> str:
    """The name of the column that we put before the person's own when a sheet is handed back."""
    return _("Problems found")


def _incoming(grid: Grid) -> Incoming:
    if not grid.rows:
        raise _empty()
    if grid.rows[0][1][0] in (problems_header(), "Problems found"):
        _remove_first_column(grid)
        if not grid.rows:
            raise _empty()
    header_row, headers = grid.rows.pop(0)
    grid.marks.pop(header_row, None)
    width = max([len(headers), *(len(values) for _row, values in grid.rows)])
    for _row, values in grid.rows:
        values.extend([None] * (width - len(values)))
    names = [as_text(header) for header in headers] + [""] * (width - len(headers))
    problems, hidden = _problems(grid, names), frozenset(grid.hidden)
    return Incoming(grid.name, header_row, names, grid.rows, problems, grid.sheets, grid.above, hidden)


def _remove_first_column(grid: Grid) -> None:
    grid.rows, grid.above = _rows_without_first(grid.rows), _rows_without_first(grid.above)
    marks = {row: {column - 1: mark for column, mark in found.items() if column} for row, found in grid.marks.items()}
    grid.marks = {row: found for row, found in marks.items() if found}
    grid.hidden &= {row for row, _values in grid.rows}


def _rows_without_first(rows: list[tuple[int, list[Value]]]) -> list[tuple[int, list[Value]]]:
    return [(row, values[1:]) for row, values in rows if any(value is not None for value in values[1:])]


def _problems(grid: Grid, names: list[str]) -> dict[int, dict[int, Problem]]:
    """What is wrong in words: each sentence once, for a whole column may be wrong."""

    @cache
    def problem(column: int, mark: str) -> Problem:
        name = column_name(names[column]) if column < len(names) else ""
        return Problem(_sentence(name[:40] or _("Column %(number)s", number=column + 1), mark), mark)

    return {row: {column: problem(column, mark) for column, mark in marks.items()} for row, marks in grid.marks.items()}


def _sentence(column: str, mark: str) -> str:
    match mark:
        case rows.FORMULA:
            return _(
                "“%(column)s” was calculated by a formula, and may be out of date: check it, and paste it as a value.",
                column=column,
            )
        case rows.DIGITS:
            return _(
                "“%(column)s” has more than 15 digits, of which Excel keeps no more: format the cell as text, and"
                " type all digits anew.",
                column=column,
            )
        case rows.DATE:
            return _("“%(column)s” is no date: write it like 2026-01-31.", column=column)
        case rows.UNREADABLE:
            return _("“%(column)s” cannot be read: type the value anew.", column=column)
        case _:
            return _("“%(column)s” shows an error of the sheet: write the value itself.", column=column)


def _empty() -> Unreadable:
    return Unreadable(_("The file is empty. Fill in the template, save it, and choose it again."))
