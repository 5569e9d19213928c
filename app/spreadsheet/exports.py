"""Rows to sheets. Knows nothing of metrology.

CSV is written by PostgreSQL's COPY, XLSX from a server cursor row by row. A workbook has numbers, days and moments as
such, and the stamp of who takes it away. CSV has no place for either: days are text in it, and a text that a sheet
program would take for a formula is neutralised, which the texts of a workbook need not be.
"""

import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, islice
from pathlib import Path
from typing import Any, BinaryIO

from rustpy_xlsxwriter import Format, write_worksheets
from sqlalchemy import Connection, Date, DateTime, Integer, Numeric, Text, case, cast, func, literal, select
from sqlalchemy.dialects import postgresql

from . import stamps
from .stamps import Stamp

KINDS = {
    "csv": "text/csv",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
# What a sheet program reads as the beginning of a formula, or skips before one.
_FORMULA = [ord(character) for character in "=+-@\t\r\n"]
_IN_MEMORY = 4 * 1024 * 1024
# The width of a column is that of what its first rows hold.
_SAMPLE = 200
_NARROWEST, _WIDEST = 6, 60
_DAY, _MOMENT = "yyyy-mm-dd", "yyyy-mm-dd hh:mm"
_TOLD_EVERY = 5_000
# A sheet holds 1,048,576 rows, its headers among them.
MOST_IN_A_SHEET = 1_048_575

# Hears how many rows are written; what it raises ends the writing.
Tell = Callable[[int], None]


def _to_nobody(_rows: int) -> None:
    """For a sheet that somebody waits for."""


@dataclass(frozen=True)
class Sheet:
    """A written file, at its beginning, and how many rows it holds."""

    file: Any
    rows: int


@dataclass(frozen=True)
class Layout:
    """What an export is beside its rows. Of a workbook: whose it is, how many rows one of its sheets takes, and how
    many there are as far as is known. CSV begins with a byte order mark unless it is `for_programs`."""

    title: str
    headers: list[str]
    stamp: Stamp | None = None
    in_a_sheet: int = MOST_IN_A_SHEET
    expected: int = 0
    for_programs: bool = False


class MoreRows(Exception):
    """There are more rows than the sheets that were made for them take: some came in since they were counted."""


def write(
    connection: Connection,
    rows: Any,
    kind: str,
    layout: Layout,
    *,
    most: int,
    options: Any = (),
    tell: Tell = _to_nobody,
) -> Sheet | None:
    """A file with the rows under their headers; None if there are more than `most`.

    `options` are for the statement as a whole: those of a part of it would be left out.
    """
    file: Any = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 -- handed to who sends it
    try:
        # Unlike a page, a sheet repays the search for the best order of its joins.
        connection.exec_driver_sql("SET LOCAL join_collapse_limit = 8")
        by, cell = {"csv": (_csv, _csv_cell), "xlsx": (_xlsx, _xlsx_cell)}[kind]
        inner = rows.subquery("inner")
        cells = select(*(cell(column).label(column.name) for column in inner.columns))
        count = by(connection, cells.options(*options), layout, file, tell)
    except BaseException:
        file.close()
        raise
    if count > most:
        file.close()
        return None
    file.seek(0)
    return Sheet(file, count)


def _csv_cell(column: Any) -> Any:
    if isinstance(column.type, Numeric | Integer):
        return column
    if isinstance(column.type, Date):
        return func.to_char(column, "YYYY-MM-DD")
    if isinstance(column.type, DateTime):
        return func.to_char(column, "YYYY-MM-DD HH24:MI")
    text = cast(column, Text)
    first = func.ascii(text)
    # Almost all begin with a letter, and one comparison tells that.
    return case((first > max(_FORMULA), text), (first.in_(_FORMULA), literal("'").concat(text)), else_=text)


def _xlsx_cell(column: Any) -> Any:
    return column if isinstance(column.type, Numeric | Integer | Date | DateTime) else cast(column, Text)


class _Counting:
    """Takes what COPY writes, which is a row at a time, hands it on in bulk, and tells how many there were."""

    def __init__(self, file: BinaryIO, tell: Tell):
        self.file, self.tell, self.rows = file, tell, 0
        self.held: list[bytes] = []

    def write(self, row: bytes) -> None:
        self.held.append(row)
        if len(self.held) >= _TOLD_EVERY:
            self.hand_on()
            self.tell(self.rows)

    def hand_on(self) -> None:
        self.file.write(b"".join(self.held))
        self.rows += len(self.held)
        self.held.clear()


def _csv(connection: Connection, rows: Any, layout: Layout, file: BinaryIO, tell: Tell) -> int:
    if not layout.for_programs:  # sheet programs take UTF-8 for what it is only with the byte order mark
        file.write(b"\xef\xbb\xbf")
    # Lines end as those of COPY do: readers guess the end of all from the first.
    file.write((",".join('"' + header.replace('"', '""') + '"' for header in layout.headers) + "\n").encode())
    compiled = rows.compile(dialect=postgresql.psycopg2.dialect(), compile_kwargs={"render_postcompile": True})
    driver: Any = connection.connection
    with driver.cursor() as cursor:
        statement = cursor.mogrify(str(compiled), compiled.params).decode()
        counting = _Counting(file, tell)
        cursor.copy_expert(f"COPY ({statement}) TO STDOUT WITH (FORMAT csv)", counting)
        counting.hand_on()
        return int(cursor.rowcount)


def _xlsx(connection: Connection, rows: Any, layout: Layout, file: BinaryIO, tell: Tell) -> int:
    streamed = connection.execute(rows.execution_options(stream_results=True, yield_per=2000))
    sample = streamed.fetchmany(_SAMPLE)
    following = chain(sample, streamed)
    count = 0

    def records() -> Iterator[dict[str, Any]]:
        nonlocal count
        before = count
        for row in islice(following, layout.in_a_sheet):
            count += 1
            if count % _TOLD_EVERY == 0:
                tell(count)
            yield dict(zip(layout.headers, row, strict=True))
        if count == before:
            yield dict.fromkeys(layout.headers)  # the writer takes the headers from the first row

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, closing(streamed):
        book = Path(folder) / "book.xlsx"  # a file that it can open itself the writer does not hold in memory
        names = _sheet_names(layout)
        shape = _shape(layout, names, _widths(layout.headers, sample), _formats(layout.headers, rows))
        write_worksheets([(name, records()) for name in names], str(book), **shape)
        if next(following, None) is not None:
            raise MoreRows
        if layout.stamp:
            stamps.put(book, layout.stamp, layout.title)
        with book.open("rb") as written:
            shutil.copyfileobj(written, file)
    return count


def _widths(headers: list[str], sample: Sequence[Any]) -> list[int]:
    """How wide each column is for its header, with the button of its filter, and for the first rows."""
    columns = zip(*sample, strict=True) if sample else ((),) * len(headers)
    widest = (
        max([_width(header) + 3, *(_width(value) for value in values)])
        for header, values in zip(headers, columns, strict=True)
    )
    return [min(max(width + 2, _NARROWEST), _WIDEST) for width in widest]


def _width(value: Any) -> int:
    """As many places as a value takes; a Chinese character takes two."""
    if isinstance(value, datetime):
        return len(_MOMENT)
    return sum(2 if character > "\u02ff" else 1 for character in str("" if value is None else value))


def _formats(headers: list[str], rows: Any) -> dict[str, Format]:
    """How days and moments are shown, by the headers of their columns."""
    types = zip(headers, (column.type for column in rows.selected_columns), strict=True)
    return {
        header: Format().set_num_format(_DAY if isinstance(kind, Date) else _MOMENT)
        for header, kind in types
        if isinstance(kind, Date | DateTime)
    }


def _shape(layout: Layout, names: list[str], widths: list[int], formats: dict[str, Format]) -> dict[str, Any]:
    """How each sheet looks, as the writer wants it: by its name."""
    paper: dict[str, Any] = {"landscape": True, "fit_to_pages": (1, 0), "repeat_rows": 0}
    if layout.stamp:
        paper |= {"header": layout.stamp.header, "footer": layout.stamp.footer}
    each = {
        "autofilter": True,
        "header_format": Format().set_bold().set_background_color("#E9EEF5").set_border_bottom("thin"),
        "column_widths": widths,
        "column_formats": formats,
        "page_setup": paper,
    }
    by_name = {setting: dict.fromkeys(names, value) for setting, value in each.items()}
    return {"freeze_panes": {"general": {"row": 1, "col": 0}}, **by_name}


def _sheet_names(layout: Layout) -> list[str]:
    """One name for a sheet, or numbered ones if the rows need more."""
    number = max(-(-layout.expected // layout.in_a_sheet), 1)
    if number == 1:
        return [sheet_name(layout.title)]
    return [f"{sheet_name(layout.title)[:25]} {each}" for each in range(1, number + 1)]


def sheet_name(title: str) -> str:
    return "".join(" " if character in "[]:*?/\\'" else character for character in title)[:31]
