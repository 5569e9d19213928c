"""Workbooks of Excel 97 to 2003 (.xls, BIFF8), read record by record; the only place that opens one.

[MS-XLS] names the records. A library was no way around that: xlrd does not tell formulas from values, needs private
parts of itself to be told which records to look at, and keeps every formatted empty cell. Read is what a cell shows;
formulas, pictures, charts and everything else in the file are skipped by their length.
"""

import struct
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from app.sandbox.messages import Unreadable, message as _
from app.texts import entered

from .cells import Value, cleaned
from .choosing import Listed, Wanted, sheet_to_read
from .compound_files import CompoundFile
from .kinds import of_compound
from .refusals import (
    LONGEST_TEXT,
    damaged,
    encrypted,
    macros,
    too_big,
    too_long,
    too_many_columns,
    too_many_rows,
)  # fmt: skip
from .rows import (
    ERROR,
    FORMULA,
    LONGEST_FORMAT,
    MOST_CODES,
    MOST_FORMATS,
    UNREADABLE,
    Grid,
    Numbers,
    codes_of,
    column_letters,
)

_BOF, _EOF, _CONTINUE = 0x0809, 0x000A, 0x003C
_FILE_PASS, _BOUND_SHEET, _DATE_MODE, _FORMAT, _XF, _SST = 0x002F, 0x0085, 0x0022, 0x041E, 0x00E0, 0x00FC
_ROW, _MERGED = 0x0208, 0x00E5
_LABEL_SST, _LABEL, _RICH_LABEL, _RK, _MUL_RK, _NUMBER = 0x00FD, 0x0204, 0x00D6, 0x027E, 0x00BD, 0x0203
_BOOL_ERR, _FORMULA, _STRING = 0x0205, 0x0006, 0x0207
_BIFF8, _A_SHEET, _A_MACRO_SHEET = 0x0600, 0, 1
_ERRORS = {0x00: "#NULL!", 0x07: "#DIV/0!", 0x0F: "#VALUE!", 0x17: "#REF!", 0x1D: "#NAME?", 0x24: "#NUM!", 0x2A: "#N/A"}
_MOST_CELLS = 3_000_000
_MOST_STRINGS = 1_500_000
_MOST_MERGED = 10_000
_TOO_FAR = 1e300
_BROKEN = (struct.error, LookupError, ValueError, OverflowError)

_HEAD = struct.Struct("<HH")
_PLACE = struct.Struct("<HHH")
_SHORT = struct.Struct("<H")
_LONG = struct.Struct("<I")
_DOUBLE = struct.Struct("<d")


class Record(NamedTuple):
    """A record: its number, where its content begins and ends, and where the next record begins."""

    number: int
    start: int
    end: int


def grid(data: bytes, *, wanted: Wanted, most_rows: int, most_columns: int) -> Grid:
    """The sheet that is wanted, of at most so many rows."""
    file = CompoundFile(data)
    if file.has("EncryptedPackage"):
        raise encrypted()
    if file.has("_VBA_PROJECT_CUR") or file.has("_VBA_PROJECT"):
        raise macros()
    if file.has("Book") and not file.has("Workbook"):
        raise too_old()
    if not file.has("Workbook"):
        raise of_compound(file)
    book = _Book(file.stream("Workbook"))

    def fill(grid: Grid, sheet: Listed, most_rows: int) -> None:
        _Sheet(book, grid, most_rows, most_columns).read(int(sheet.key))

    sheet = sheet_to_read(book.sheets, wanted, lambda sheet, rows, most: fill(Grid(sheet.name, rows), sheet, most))
    grid = Grid(sheet.name, sheets=[sheet.name for sheet in book.sheets if sheet.is_shown])
    with wanted.ending_early():
        fill(grid, sheet, most_rows)
    return grid


def too_old() -> Unreadable:
    return Unreadable(
        _("The file was saved by Excel 95 or an older program. Open it, save it as .xlsx, and choose that file.")
    )


def _records(stream: bytes, at: int) -> Iterator[Record]:
    """The records of a part of the stream, which begins with BOF and ends with EOF; parts within it are left out."""
    number, length = _HEAD.unpack_from(stream, at)
    if number != _BOF:
        raise too_old() if number in (0x0009, 0x0209, 0x0409) else damaged()
    if _SHORT.unpack_from(stream, at + 4)[0] != _BIFF8:
        raise too_old()
    depth = 0
    while True:
        number, length = _HEAD.unpack_from(stream, at)
        start = at + 4
        at = start + length
        if number == _BOF:
            depth += 1
        elif number == _EOF:
            depth -= 1
            if not depth:
                return
        elif depth == 1:
            if at > len(stream):
                raise damaged()
            yield Record(number, start, at)


# --- What all sheets share -----------------------------------------------------------------------


class _Book:
    """The sheets, texts and formats of a workbook."""

    def __init__(self, stream: bytes) -> None:
        self.stream = stream
        self.sheets: list[Listed] = []
        self.strings: list[str | None] = []
        self.from_1904 = False
        self.formats: dict[int, str] = {}
        self.styles: list[int] = []
        try:
            for record in _records(stream, 0):
                self._take(record)
        except _BROKEN as error:
            raise damaged() from error
        self.codes = codes_of([self.formats.get(number, number) for number in self.styles])

    def _take(self, record: Record) -> None:
        number, start, end = record
        if number == _FILE_PASS:
            raise encrypted()
        if number == _BOUND_SHEET:
            self._take_sheet(start, end)
        elif number == _DATE_MODE:
            self.from_1904 = _SHORT.unpack_from(self.stream, start)[0] == 1
        elif number == _FORMAT:
            code = _text(self.stream, start + 2, end)
            self.formats[_SHORT.unpack_from(self.stream, start)[0]] = code
            if len(code) > LONGEST_FORMAT or len(self.formats) > MOST_CODES:
                raise damaged()
        elif number == _XF:
            self.styles.append(_SHORT.unpack_from(self.stream, start + 2)[0])
            if len(self.styles) > MOST_FORMATS:
                raise damaged()
        elif number == _SST:
            self.strings = list(_shared_strings(_segments(self.stream, record)))

    def _take_sheet(self, start: int, end: int) -> None:
        place, state, kind, length, flags = struct.unpack_from("<IBBBB", self.stream, start)
        if kind == _A_MACRO_SHEET:
            raise macros()
        if kind == _A_SHEET:
            name = _characters(self.stream, start + 8, length, flags, end)
            self.sheets.append(Listed(entered(name), not state & 3, place))


def _text(stream: bytes, at: int, end: int) -> str:
    """A text of at most one record: its length, a byte of flags, its characters."""
    [length] = _SHORT.unpack_from(stream, at)
    return _characters(stream, at + 3, length, stream[at + 2], end)


def _characters(stream: bytes, at: int, length: int, flags: int, end: int) -> str:
    size = 2 * length if flags & 1 else length
    if at + size > end:
        raise damaged()
    return stream[at : at + size].decode("utf-16-le" if flags & 1 else "latin-1", "replace")


def _segments(stream: bytes, record: Record) -> list[bytes]:
    """The content of a record that is too long for one, and goes on in those that follow."""
    segments = [stream[record.start : record.end]]
    at = record.end
    while True:
        number, length = _HEAD.unpack_from(stream, at)
        if number != _CONTINUE:
            return segments
        segments.append(stream[at + 4 : at + 4 + length])
        at += 4 + length


def _shared_strings(segments: Sequence[bytes]) -> Iterator[str | None]:
    source = _Segments(segments)
    source.skip(4)
    [count] = _LONG.unpack(source.taken(4))
    if count > _MOST_STRINGS:
        raise too_big()
    for _number in range(count):
        length, flags = struct.unpack("<HB", source.taken(3))
        runs = _SHORT.unpack(source.taken(2))[0] if flags & 8 else 0
        extra = _LONG.unpack(source.taken(4))[0] if flags & 4 else 0
        yield cleaned(source.text(length, flags))
        source.skip(4 * runs + extra)


class _Segments:
    """Reads on across the ends of records. Where characters go on in the next record, its first byte has new flags."""

    def __init__(self, segments: Sequence[bytes]) -> None:
        self.segments = segments
        self.number = self.at = 0

    def taken(self, size: int) -> bytes:
        part = self.segments[self.number][self.at : self.at + size]
        self.at += len(part)
        while len(part) < size:
            self._go_on()
            more = self.segments[self.number][: size - len(part)]
            self.at = len(more)
            part += more
        return part

    def skip(self, size: int) -> None:
        while size > len(self.segments[self.number]) - self.at:
            size -= len(self.segments[self.number]) - self.at
            self._go_on()
        self.at += size

    def _go_on(self) -> None:
        self.number, self.at = self.number + 1, 0  # an IndexError if there is none

    def text(self, length: int, flags: int) -> str:
        if length > LONGEST_TEXT:
            raise too_long()
        units = b""
        while True:
            width = 2 if flags & 1 else 1
            segment = self.segments[self.number]
            part = segment[self.at : self.at + length * width]
            units += part if flags & 1 else part.decode("latin-1").encode("utf-16-le")
            self.at += len(part)
            length -= len(part) // width
            if not length:
                return units.decode("utf-16-le", "replace")
            self._go_on()
            flags, self.at = self.segments[self.number][0], 1


# --- The cells -----------------------------------------------------------------------------------


class _Sheet(Numbers):
    """The cells of a sheet as they come past. Some programs do not write them in order."""

    def __init__(self, book: _Book, grid: Grid, most_rows: int, most_columns: int) -> None:
        super().__init__(grid, book.from_1904)
        self.stream, self.strings, self.codes = book.stream, book.strings, book.codes
        self.most_rows, self.most_columns = most_rows, most_columns
        self.rows: dict[int, list[Value]] = {}
        self.cells = 0
        self.numbers: dict[tuple[int, int | bytes], Value] = {}
        self.awaits_text = False

    def read(self, at: int) -> None:
        try:
            for number, start, end in _records(self.stream, at):
                take = _TAKERS.get(number)
                if take is not None:
                    take(self, start, end)
        except _BROKEN as error:
            raise damaged() from error
        finally:
            self.grid.rows += sorted(self.rows.items())
            self.grid.hidden &= self.rows.keys()
            for row in self.grid.marks.keys() - self.rows.keys():  # formulas that show nothing
                del self.grid.marks[row]

    def _go_to(self, start: int) -> int:
        """Note the place of a cell, which all records of cells begin with; gives its style."""
        row, column, style = _PLACE.unpack_from(self.stream, start)
        self.row, self.column = row + 1, column + 1
        return style

    def _put(self, value: Value) -> None:
        if value is None:
            return
        if self.column > self.most_columns:
            raise too_many_columns(self.most_columns)
        values = self.rows.get(self.row)
        if values is None:
            if len(self.rows) > self.most_rows:
                raise too_many_rows(self.most_rows)
            values = self.rows[self.row] = []
        missing = self.column - len(values)
        if missing > 0:
            values += [None] * missing
            self.cells += missing
            if self.cells > _MOST_CELLS:
                raise too_big()
        elif values[self.column - 1] is not None:
            raise damaged()
        values[self.column - 1] = value

    def _take_row(self, start: int, _end: int) -> None:
        row, _first, _last, height = struct.unpack_from("<HHHH", self.stream, start)
        if self.stream[start + 12] & 0x20 or not height:
            self.grid.hidden.add(row + 1)

    def _take_merged(self, start: int, end: int) -> None:
        [count] = _SHORT.unpack_from(self.stream, start)
        if 2 + 8 * count > end - start:
            raise damaged()
        for number in range(count):
            top, bottom, left, right = struct.unpack_from("<HHHH", self.stream, start + 2 + 8 * number)
            if len(self.grid.merged) < _MOST_MERGED:
                self.grid.merged.append(f"{column_letters(left + 1)}{top + 1}:{column_letters(right + 1)}{bottom + 1}")

    def _take_shared_text(self, start: int, _end: int) -> None:
        self._go_to(start)
        [number] = _LONG.unpack_from(self.stream, start + 6)
        if number < len(self.strings):
            self._put(self.strings[number])
        else:
            self.grid.mark(self.row, self.column - 1, UNREADABLE)
            self._put(str(number))

    def _take_text(self, start: int, end: int) -> None:
        self._go_to(start)
        self._put_text(_text(self.stream, start + 6, end))

    def _put_text(self, text: str) -> None:
        if len(text) > LONGEST_TEXT:
            raise too_long()
        self._put(cleaned(text))

    def _take_rk(self, start: int, _end: int) -> None:
        style = self._go_to(start)
        self._put_rk(style, _LONG.unpack_from(self.stream, start + 6)[0])

    def _take_several_rk(self, start: int, end: int) -> None:
        row, first, _style = _PLACE.unpack_from(self.stream, start)
        self.row = row + 1
        for number, at in enumerate(range(start + 4, end - 7, 6)):
            style, packed = struct.unpack_from("<HI", self.stream, at)
            self.column = first + number + 1
            self._put_rk(style, packed)

    def _put_rk(self, style: int, packed: int) -> None:
        value = self.numbers.get((style, packed))
        if value is None:
            value = self._number(_unpacked(packed), style)
            self._remember((style, packed), value)
        self._put(value)

    def _take_number(self, start: int, _end: int) -> None:
        style = self._go_to(start)
        content = self.stream[start + 6 : start + 14]
        value = self.numbers.get((style, content))
        if value is None:
            value = self._number(_DOUBLE.unpack(content)[0], style)
            self._remember((style, content), value)
        self._put(value)

    def _remember(self, key: tuple[int, int | bytes], value: Value) -> None:
        # Of a number that became a text something is marked, which differs from cell to cell.
        if not isinstance(value, str) and len(self.numbers) < _MOST_MERGED:
            self.numbers[key] = value

    def _number(self, number: float, style: int) -> Value:
        if not -_TOO_FAR < number < _TOO_FAR:
            self.grid.mark(self.row, self.column - 1, UNREADABLE)
            return str(number)
        return self.shown(number, self.codes.get(style))

    def _take_truth_or_error(self, start: int, _end: int) -> None:
        self._go_to(start)
        value, is_error = self.stream[start + 6], self.stream[start + 7]
        self._put(self._error(value) if is_error else bool(value))

    def _error(self, code: int) -> str:
        self.grid.mark(self.row, self.column - 1, ERROR)
        return _ERRORS.get(code, "#")

    def _take_formula(self, start: int, _end: int) -> None:
        """Take what a formula gave. A text follows in a record of its own."""
        style = self._go_to(start)
        result = self.stream[start + 6 : start + 14]
        self.grid.mark(self.row, self.column - 1, FORMULA)
        self.awaits_text = False
        if result[6:] != b"\xff\xff":
            self._put(self._number(_DOUBLE.unpack(result)[0], style))
        elif result[0] == 0:
            self.awaits_text = True
        elif result[0] == 1:
            self._put(bool(result[2]))
        elif result[0] == 2:
            self._put(self._error(result[2]))

    def _take_text_of_formula(self, start: int, end: int) -> None:
        if self.awaits_text:
            self.awaits_text = False
            [length] = _SHORT.unpack_from(self.stream, start)
            record = Record(_STRING, start + 3, end)
            self._put_text(_Segments(_segments(self.stream, record)).text(length, self.stream[start + 2]))


def _unpacked(packed: int) -> float:
    """The number in four bytes: the last bit says that it was multiplied by 100, the one before that it is whole."""
    if packed & 2:
        number = float((packed >> 2) - (1 << 30 if packed & 0x80000000 else 0))
    else:
        [number] = _DOUBLE.unpack(struct.pack("<Q", (packed & 0xFFFFFFFC) << 32))
    return number / 100 if packed & 1 else number


_TAKERS = {
    _ROW: _Sheet._take_row,
    _MERGED: _Sheet._take_merged,
    _LABEL_SST: _Sheet._take_shared_text,
    _LABEL: _Sheet._take_text,
    _RICH_LABEL: _Sheet._take_text,
    _RK: _Sheet._take_rk,
    _MUL_RK: _Sheet._take_several_rk,
    _NUMBER: _Sheet._take_number,
    _BOOL_ERR: _Sheet._take_truth_or_error,
    _FORMULA: _Sheet._take_formula,
    _STRING: _Sheet._take_text_of_formula,
}
