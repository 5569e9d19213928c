"""Sheets that come in: an .xlsx or .csv file made into headers and rows, or refused with a sentence for the person."""

import codecs
import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO, TextIOWrapper
from typing import BinaryIO

from flask_babel import gettext as _

from . import workbooks
from .cells import Value, as_text, cleaned
from .workbooks import Grid, Unreadable

_LONGEST_LINE = 1_000_000
_SEPARATORS = ",;\t"
_CALCULATED = re.compile(r"\d(\.\d+)?E\+1[5-9]|\d(\.\d+)?E\+[2-9]\d")


@dataclass(frozen=True)
class Incoming:
    """A sheet as the person sees it: rows by their numbers in the sheet, empty ones left out, each as wide as the
    headers; and what is wrong with single cells, by row number and column."""

    sheet: str
    header_row: int
    headers: list[str]
    rows: list[tuple[int, list[Value]]]
    problems: dict[int, dict[int, str]]


def read(
    file: BinaryIO,
    filename: str,
    *,
    most_rows: int,
    most_columns: int = 200,
    most_bytes: int = 20 * 1024 * 1024,
    title: str = "",
) -> Incoming:
    """The sheet named `title`, or else the first that is shown. What the file is, its content says, not its name."""
    data = file.read(most_bytes + 1)
    if len(data) > most_bytes:
        raise Unreadable(
            _("The file is bigger than %(most)s MB. Divide it into several files.", most=most_bytes // 1024**2)
        )
    kind = filename.lower().rpartition(".")[2]
    if not data.strip(b"\0 \t\r\n"):
        raise _empty()
    if data[:4] == b"\xd0\xcf\x11\xe0":
        raise workbooks.encrypted() if "EncryptedPackage".encode("utf-16-le") in data else workbooks.other_kind()
    if data[:2] == b"PK":
        grid = workbooks.grid(data, title=title, most_rows=most_rows, most_columns=most_columns)
    elif kind in ("csv", "txt"):
        grid = _records(data, most_rows, most_columns)
    else:
        raise workbooks.damaged() if kind == "xlsx" else workbooks.other_kind()
    return _incoming(grid)


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


def _problems(grid: Grid, names: list[str]) -> dict[int, dict[int, str]]:
    """What is wrong in words: in place, and each sentence once, for a whole column may be wrong."""
    said: dict[tuple[int, str], str] = {}
    for marks in grid.marks.values():
        for column, mark in marks.items():
            if (column, mark) not in said:
                name = names[column] if column < len(names) else ""
                said[column, mark] = _sentence(name[:40] or _("Column %(number)s", number=column + 1), mark)
            marks[column] = said[column, mark]
    return grid.marks


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
        case _:
            return _("“%(column)s” shows an error of the sheet: write the value itself.", column=column)


def _empty() -> Unreadable:
    return Unreadable(_("The file is empty. Fill in the template, save it, and choose it again."))


# --- CSV -----------------------------------------------------------------------------------------


def _records(data: bytes, most_rows: int, most_columns: int) -> Grid:
    grid = Grid("")
    with TextIOWrapper(BytesIO(data), _encoding(data), newline="") as stream:
        lines = _lines(stream)
        first = next(lines, "")
        records = csv.reader(_again(first, lines), delimiter=max(_SEPARATORS, key=first.count), strict=True)
        number = 0
        try:
            for number, record in enumerate(records, 1):
                _add(grid, number, record, most_rows, most_columns)
        except csv.Error as error:
            raise Unreadable(
                _("Row %(row)s cannot be divided into columns. Save the sheet as .xlsx, and choose that file.",
                  row=number + 1)
            ) from error  # fmt: skip
    return grid


def _again(first: str, rest: Iterator[str]) -> Iterator[str]:
    yield first
    yield from rest


def _encoding(data: bytes) -> str:
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        candidates = ["utf-16"]
    else:
        # What a Chinese Excel saves as CSV is GB18030, unless it is told to write UTF-8.
        candidates = [] if b"\0" in data else ["utf-8-sig", "gb18030"]
    for encoding in candidates:
        try:
            text = codecs.getincrementaldecoder(encoding)()
            if not any("\0" in text.decode(data[start : start + 65536]) for start in range(0, len(data), 65536)):
                text.decode(b"", final=True)
                return encoding
        except UnicodeDecodeError:
            continue
    raise Unreadable(_("The characters of the file cannot be read. Save the sheet as .xlsx, and choose that file."))


def _lines(stream: TextIOWrapper) -> Iterator[str]:
    for line in stream:
        if len(line) > _LONGEST_LINE:
            raise workbooks.too_big()
        yield line


def _add(grid: Grid, number: int, record: list[str], most_rows: int, most_columns: int) -> None:
    values: list[Value] = [cleaned(text) for text in record]
    while values and values[-1] is None:
        values.pop()
    if not values:
        return
    if any(len(text) > workbooks.LONGEST_TEXT for text in record):
        raise workbooks.too_long()
    if len(values) > most_columns:
        raise workbooks.too_many_columns(most_columns)
    if len(grid.rows) > most_rows:
        raise workbooks.too_many_rows(most_rows)
    grid.rows.append((number, values))
    for column, value in enumerate(values):
        if "E+" in str(value) and _CALCULATED.fullmatch(str(value)):
            grid.mark(number, column, workbooks.DIGITS)
