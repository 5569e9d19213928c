"""What a sheet holds, whatever kind of file it is, and how the child process hands it to its parent."""

import codecs
import csv
import json
import re
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from functools import lru_cache
from io import BytesIO, TextIOWrapper
from itertools import chain
from typing import Any, BinaryIO

from app.sandbox.messages import TooManyRows, Unreadable, message as _

from . import compound_files, kinds, old_workbooks, refusals, workbooks
from .cells import Formatted, Value, cleaned
from .choosing import Wanted, header_index
from .rows import DIGITS, Grid, refuse_merged

# Cells of all rows together, empty ones before the last column among them.
MOST_CELLS = 1_500_000
_MOST_KNOWN = 20_000
_LONGEST_LINE = 1_000_000
_SEPARATORS = ",;\t"
_CALCULATED = re.compile(r"\d(\.\d+)?E\+1[5-9]|\d(\.\d+)?E\+[2-9]\d")


def open_file(data: bytes, options: dict[str, Any], output: BinaryIO) -> None:
    """In the child: write the rows of a sheet."""
    write(grid(data, **options), output)


def grid(
    data: bytes,
    kind: str,
    most_rows: int,
    most_columns: int,
    title: str = "",
    words: Sequence[str] = (),
    sheet: str | None = None,
    header_row: int | None = None,
    first: int | None = None,
) -> Grid:
    """The sheet that is wanted, the names of the columns first; what stands above them apart.

    If `first` is given, only so many rows below the names, however many more there are.
    """
    wanted = Wanted(title, frozenset(words), sheet, header_row, first)
    most = (most_rows if first is None else first) + wanted.most_above
    try:
        grid = _rows(data, kind, wanted, most, most_columns)
    except TooManyRows as more:
        raise refusals.too_many_rows(most_rows) from more
    if not grid.rows:
        return grid
    head = header_index(grid.rows, wanted)
    if first is not None:
        del grid.rows[head + 1 + first :]
    if len(grid.rows) - head - 1 > most_rows:
        raise refusals.too_many_rows(most_rows)
    grid.above, grid.rows = grid.rows[:head], grid.rows[head:]
    grid.hidden = {row for row in grid.hidden if row > grid.rows[0][0]}
    refuse_merged(grid)
    for row, _values in grid.above:
        grid.marks.pop(row, None)
    return grid


def _rows(data: bytes, kind: str, wanted: Wanted, most_rows: int, most_columns: int) -> Grid:
    """The rows of the sheet. What the file is, its content says, not its name."""
    if not data.strip(b"\0 \t\r\n"):
        raise Unreadable(_("The file is empty. Fill in the template, save it, and choose it again."))
    if data.startswith(compound_files.SIGNATURE):
        return old_workbooks.grid(data, wanted=wanted, most_rows=most_rows, most_columns=most_columns)
    if data[:2] == b"PK":
        return workbooks.grid(data, wanted=wanted, most_rows=most_rows, most_columns=most_columns)
    kinds.refuse(data)
    if kind in ("csv", "txt"):
        return _records(data, wanted, most_rows, most_columns)
    if kind == "xls" and _is_text(data):
        raise kinds.under_wrong_name()
    raise refusals.damaged() if kind in ("xlsx", "xls") else refusals.other_kind()


def _is_text(data: bytes) -> bool:
    try:
        return bool(_encoding(data))
    except Unreadable:
        return False


# --- From the child to its parent ----------------------------------------------------------------


def write(grid: Grid, output: BinaryIO) -> None:
    """Write a grid as lines of JSON: what is said of the whole, then each row."""
    if len(grid.rows) * max((len(values) for _row, values in grid.rows), default=0) > MOST_CELLS:
        raise refusals.too_big()
    marks = [[row, list(found.items())] for row, found in grid.marks.items()]
    whole = {"name": grid.name, "marks": marks, "sheets": grid.sheets, "hidden": sorted(grid.hidden),
             "above": len(grid.above)}  # fmt: skip
    output.write(_line(whole))
    for row in chain(grid.above, grid.rows):
        output.write(_line(row))


def _line(what: Any) -> bytes:
    return json.dumps(what, ensure_ascii=False, default=_written).encode() + b"\n"


def _written(value: date | Formatted) -> dict[str, Any]:
    if isinstance(value, Formatted):
        return {"formatted": [value.value, value.code, value.text]}
    return {type(value).__name__: value.isoformat()}


def read(output: BinaryIO) -> Grid:
    """In the parent: the grid that the child wrote. Texts that come again and again are kept once."""
    whole = json.loads(next(output))
    known: dict[str, str] = {}
    decode = json.JSONDecoder(object_hook=_value).decode
    rows: list[tuple[int, list[Value]]] = []
    for line in output:
        number, values = decode(line.decode())
        rows.append((number, [known.setdefault(each, each) if type(each) is str else each for each in values]))
        if len(known) > _MOST_KNOWN:
            known.clear()
    marks = {row: dict(found) for row, found in whole["marks"]}
    above = whole["above"]
    return Grid(whole["name"], rows[above:], marks, rows[:above], set(whole["hidden"]), whole["sheets"])


def _value(written: dict[str, Any]) -> date | Formatted:
    [(kind, content)] = written.items()
    if kind == "formatted":
        return _formatted(*content)
    return date.fromisoformat(content) if kind == "date" else datetime.fromisoformat(content)


# The same few come again and again. A number and the date of it are equal neither in their type nor in their text.
@lru_cache(maxsize=10_000, typed=True)
def _formatted(value: float | date, code: str | int, text: str | None) -> Formatted:
    return Formatted(value, code, text)


# --- CSV -----------------------------------------------------------------------------------------


def _records(data: bytes, wanted: Wanted, most_rows: int, most_columns: int) -> Grid:
    grid = Grid("")
    with TextIOWrapper(BytesIO(data), _encoding(data), newline="") as stream:
        lines = _lines(stream)
        first = next(lines, "")
        records = csv.reader(_again(first, lines), delimiter=max(_SEPARATORS, key=first.count), strict=True)
        number = 0
        try:
            with wanted.ending_early():
                for number, record in enumerate(records, 1):
                    _add(grid, number, list(map(_without_guard, record)), most_rows, most_columns)
        except csv.Error as error:
            raise Unreadable(
                _("Row %(row)s cannot be divided into columns. Save the sheet as .xlsx, and choose that file.",
                  row=number + 1)
            ) from error  # fmt: skip
    return grid


# ="0012" is how a text that looks like a number is written in CSV, so that sheet programs leave it alone.
_GUARDED = re.compile(r'="([^"]*)"')


def _without_guard(cell: str) -> str:
    found = _GUARDED.fullmatch(cell)
    return found[1] if found else cell


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
            raise refusals.too_big()
        yield line


def _add(grid: Grid, number: int, record: list[str], most_rows: int, most_columns: int) -> None:
    values: list[Value] = [cleaned(text) for text in record]
    while values and values[-1] is None:
        values.pop()
    if not values:
        return
    if any(len(text) > refusals.LONGEST_TEXT for text in record):
        raise refusals.too_long()
    if len(values) > most_columns:
        raise refusals.too_many_columns(most_columns)
    if len(grid.rows) > most_rows:
        raise refusals.too_many_rows(most_rows)
    grid.rows.append((number, values))
    for column, value in enumerate(values):
        if "E+" in str(value) and _CALCULATED.fullmatch(str(value)):
            grid.mark(number, column, DIGITS)
