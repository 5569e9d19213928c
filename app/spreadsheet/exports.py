"""Rows to and from sheets. Knows nothing of metrology.

CSV is written by PostgreSQL's COPY, XLSX from a server cursor row by row. A cell that a sheet program would
take for a formula is neutralised; numbers stay numbers.
"""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

from rustpy_xlsxwriter import Format, write_worksheet
from sqlalchemy import Connection, Integer, Numeric, Text, case, cast, func, literal, select
from sqlalchemy.dialects import postgresql

KINDS = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
# What a sheet program reads as the beginning of a formula, or skips before one.
_FORMULA = [ord(character) for character in "=+-@\t\r\n"]
_IN_MEMORY = 4 * 1024 * 1024
_WIDEST = 40


@dataclass(frozen=True)
class Sheet:
    """A written file, at its beginning, and how many rows it holds."""

    file: Any
    rows: int


def write(
    connection: Connection, rows: Any, headers: list[str], kind: str, *, title: str, most: int, options: Any = ()
) -> Sheet | None:
    """A file with the rows under their headers; None if there are more than `most`.

    `options` are for the statement as a whole: those of a part of it would be left out.
    """
    file: Any = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 -- handed to who sends it
    safe = _neutralised(rows).options(*options)
    # Unlike a page, a sheet repays the search for the best order of its joins.
    connection.exec_driver_sql("SET LOCAL join_collapse_limit = 8")
    count = _csv(connection, safe, headers, file) if kind == "csv" else _xlsx(connection, safe, headers, file, title)
    if count > most:
        file.close()
        return None
    file.seek(0)
    return Sheet(file, count)


def _neutralised(rows: Any) -> Any:
    inner = rows.subquery("inner")
    return select(*(_cell(column) for column in inner.columns))


def _cell(column: Any) -> Any:
    if isinstance(column.type, Numeric | Integer):
        return column
    text = cast(column, Text)
    return case((func.ascii(text).in_(_FORMULA), literal("'").concat(text)), else_=text).label(column.name)


def _csv(connection: Connection, rows: Any, headers: list[str], file: BinaryIO) -> int:
    # Sheet programs take UTF-8 for what it is only with the byte order mark.
    file.write(b"\xef\xbb\xbf")
    file.write((",".join('"' + header.replace('"', '""') + '"' for header in headers) + "\r\n").encode())
    compiled = rows.compile(dialect=postgresql.psycopg2.dialect(), compile_kwargs={"render_postcompile": True})
    driver: Any = connection.connection
    with driver.cursor() as cursor:
        statement = cursor.mogrify(str(compiled), compiled.params).decode()
        cursor.copy_expert(f"COPY ({statement}) TO STDOUT WITH (FORMAT csv)", file)
        return int(cursor.rowcount)


def _xlsx(connection: Connection, rows: Any, headers: list[str], file: BinaryIO, title: str) -> int:
    streamed = connection.execute(rows.execution_options(stream_results=True, yield_per=2000))
    count = 0

    def records() -> Iterator[dict[str, Any]]:
        nonlocal count
        for row in streamed:
            count += 1
            yield dict(zip(headers, row, strict=True))
        if not count:
            yield dict.fromkeys(headers)  # the writer takes the headers from the first row

    write_worksheet(
        records(),
        file,
        sheet_name=sheet_name(title),
        freeze_row=1,
        autofilter=True,
        header_format=Format().set_bold().set_background_color("#E9EEF5").set_border_bottom("thin"),
        column_widths=[min(max(len(header) * 2.2, 12), _WIDEST) for header in headers],
    )
    return count


def sheet_name(title: str) -> str:
    return "".join(" " if character in "[]:*?/\\'" else character for character in title)[:31]
