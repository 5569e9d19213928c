"""Sheets that come in: an .xlsx or .csv file made into headers and rows, or refused with a sentence for the person.

The file itself is opened in a child process (`app.sandbox`); what it holds is named here.
"""

from dataclasses import dataclass
from functools import cache
from threading import BoundedSemaphore
from typing import BinaryIO, Self

from flask_babel import gettext as _

from app.sandbox.children import Named, Task, open_files
from app.sandbox.messages import Unreadable

from . import grids, workbooks
from .cells import Value, as_text
from .workbooks import Grid

# CPU seconds and bytes of what was read. A long sheet is a job, which may take longer.
_TASK = Task("sheet", seconds=20, output=48 * 1024 * 1024, places=BoundedSemaphore(2))


class Problem(str):
    """A sentence about a cell that cannot be believed; `mark` tells of what kind the problem is (workbooks.py)."""

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


def read(
    file: BinaryIO,
    filename: str,
    *,
    most_rows: int,
    most_columns: int = 200,
    most_bytes: int = 20 * 1024 * 1024,
    title: str = "",
    seconds: int | None = None,
) -> Incoming:
    """The sheet named `title`, or else the first that is shown. What the file is, its content says, not its name."""
    options = {"kind": filename.lower().rpartition(".")[2], "title": title, "most_rows": most_rows,
               "most_columns": most_columns}  # fmt: skip
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
        grid = _without_first_column(grid)
    header_row, headers = grid.rows.pop(0)
    grid.marks.pop(header_row, None)
    width = max([len(headers), *(len(values) for _row, values in grid.rows)])
    for _row, values in grid.rows:
        values.extend([None] * (width - len(values)))
    names = [as_text(header) for header in headers] + [""] * (width - len(headers))
    return Incoming(grid.name, header_row, names, grid.rows, _problems(grid, names))


def _without_first_column(grid: Grid) -> Grid:
    rows = [(row, values[1:]) for row, values in grid.rows if any(value is not None for value in values[1:])]
    marks = {row: {column - 1: mark for column, mark in found.items() if column} for row, found in grid.marks.items()}
    return Grid(grid.name, rows, {row: found for row, found in marks.items() if found})


def _problems(grid: Grid, names: list[str]) -> dict[int, dict[int, Problem]]:
    """What is wrong in words: each sentence once, for a whole column may be wrong."""

    @cache
    def problem(column: int, mark: str) -> Problem:
        name = names[column].strip("*") if column < len(names) else ""
        return Problem(_sentence(name[:40] or _("Column %(number)s", number=column + 1), mark), mark)

    return {row: {column: problem(column, mark) for column, mark in marks.items()} for row, marks in grid.marks.items()}


def _sentence(column: str, mark: str) -> str:
    match mark:
        case workbooks.FORMULA:
            return _(
                "“%(column)s” was calculated by a formula, and may be out of date: check it, and paste it as a value.",
                column=column,
            )
        case workbooks.DIGITS:
            return _(
                "“%(column)s” has more than 15 digits, of which Excel keeps no more: format the cell as text, and"
                " type all digits anew.",
                column=column,
            )
        case workbooks.DATE:
            return _("“%(column)s” is no date: write it like 2026-01-31.", column=column)
        case workbooks.UNREADABLE:
            return _("“%(column)s” cannot be read: type the value anew.", column=column)
        case _:
            return _("“%(column)s” shows an error of the sheet: write the value itself.", column=column)


def _empty() -> Unreadable:
    return Unreadable(_("The file is empty. Fill in the template, save it, and choose it again."))
