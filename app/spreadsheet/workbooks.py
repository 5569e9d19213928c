"""Workbooks that nobody vouches for, read cell by cell; the only place that opens an .xlsx file.

Only the parts that are needed are inflated, piece by piece and up to a bound, whatever the file says of its size. What
is empty leaves no trace, so a million formatted rows cost time but no memory. A library in a compiled language reads
faster, but keeps whole sheets in memory and does not tell of formulas: it needs this same pass before it.
"""

import posixpath
import re
import struct
import sys
import zlib
from collections.abc import Callable, Iterator
from datetime import datetime, time
from io import BytesIO
from typing import Any
from xml.parsers import expat
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile

from app.sandbox.messages import Unreadable, message as _

from .cells import Formatted, Value, cleaned
from .choosing import Listed, Wanted, sheet_to_read
from .kinds import of_archive
from .plain_rows import Cell, Take, left_over
from .refusals import (
    LONGEST_TEXT,
    damaged,
    encrypted,
    macros,
    other_kind,
    too_big,
    too_long,
    too_many_columns,
    too_many_rows,
)  # fmt: skip
from .rows import (
    DATE,
    ERROR,
    FORMULA,
    LAST_ROW,
    LONGEST_FORMAT,
    MOST_CODES,
    MOST_FORMATS,
    UNREADABLE,
    Grid,
    Numbers,
    codes_of,
    column_number,
)

_MEGABYTE = 1024 * 1024
_MOST_PARTS = 5_000
_MOST_XML = 256 * _MEGABYTE
_MOST_SMALL_XML = 16 * _MEGABYTE
_MOST_TEXT = 128 * _MEGABYTE
_MOST_STRINGS = 1_500_000
_LONGEST_TAG = _MEGABYTE
_DEEPEST = 64
_MOST_NAMES = 10_000
_CHUNK = 64 * 1024
_LONGEST_MEDIA_TYPE = 200
_TOO_FAR = 1e300
_BROKEN = (
    BadZipFile, zlib.error, struct.error, expat.ExpatError, EOFError, OSError, LookupError, NotImplementedError,
    OverflowError, RuntimeError, ValueError,
)  # fmt: skip
_CELL_TAGS = frozenset({"c", "v", "t", "f", "is", "row", "si"})
_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")


def grid(data: bytes, *, wanted: Wanted, most_rows: int, most_columns: int) -> Grid:
    """The sheet that is wanted, of at most so many rows, with the rows above the names of its columns."""
    try:
        archive = _opened(data)
        book = _relations(archive, "")["officeDocument"][0]
        parts = _relations(archive, book)
        if "worksheet" not in parts:
            raise other_kind()
        sheets, from_1904 = _sheets(archive, book)
        strings = _strings(archive, parts["sharedStrings"][0]) if "sharedStrings" in parts else []
        styles = _styles(archive, parts["styles"][0]) if "styles" in parts else []
    except _BROKEN as error:
        raise damaged() from error

    def fill(grid: Grid, sheet: Listed, most_rows: int) -> None:
        cells = _Cells(grid, strings, styles, from_1904, most_rows, most_columns)
        try:
            _parse(archive, str(sheet.key), _MOST_XML, cells.start, cells.end, cells.add, plain_rows=cells.take)
        except _BROKEN as error:
            raise damaged() from error

    sheet = sheet_to_read(sheets, wanted, lambda sheet, rows, most: fill(Grid(sheet.name, rows), sheet, most))
    grid = Grid(sheet.name, sheets=[sheet.name for sheet in sheets if sheet.is_shown])
    with wanted.ending_early():
        fill(grid, sheet, most_rows)
    return grid


# --- The archive ---------------------------------------------------------------------------------


def _opened(data: bytes) -> ZipFile:
    # Counted before anything is made of it: each entry of the directory begins with these bytes.
    if data.count(b"PK\x01\x02") > _MOST_PARTS:
        raise too_big()
    archive = ZipFile(BytesIO(data))
    entries = archive.infolist()
    names = {entry.filename for entry in entries}
    # Of two parts with one name, programs differ in which one they show.
    if len(names) != len(entries) or any(entry.compress_type not in (ZIP_STORED, ZIP_DEFLATED) for entry in entries):
        raise damaged()
    if any(entry.flag_bits & 1 for entry in entries):
        raise encrypted()
    if any("vbaProject" in name or "/macrosheets/" in name for name in names):
        raise macros()
    if "[Content_Types].xml" not in names or any(name.endswith(("/workbook.bin", "/document.xml")) for name in names):
        raise of_archive(names, _media_type(archive, names))
    if any("macroEnabled" in kind for kind in _attributes(archive, "[Content_Types].xml", "Override", "ContentType")):
        raise macros()
    return archive


def _media_type(archive: ZipFile, names: set[str]) -> str:
    """What an archive of another kind says it is."""
    if "mimetype" not in names:
        return ""
    with archive.open("mimetype") as part:
        return part.read(_LONGEST_MEDIA_TYPE).decode("ascii", "replace")


def _inflated(archive: ZipFile, name: str, most: int) -> Iterator[bytes]:
    if archive.getinfo(name).file_size > most:  # a part bigger than it says is counted below
        raise too_big()
    with archive.open(name) as part:
        while chunk := part.read(_CHUNK):
            most -= len(chunk)
            if most < 0:
                raise too_big()
            yield chunk


# --- The XML -------------------------------------------------------------------------------------


def _parse(
    archive: ZipFile, name: str, most: int, start: Any, end: Any, text: Any = None, plain_rows: Take | None = None
) -> None:
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = start, end, text
    parser.StartDoctypeDeclHandler = _refuse
    fed = 0
    chunks = _inflated(archive, name, most)
    for chunk in left_over(chunks, plain_rows) if plain_rows else chunks:
        parser.Parse(chunk)
        fed += len(chunk)
        # The parser keeps a tag until its end, and every name for good.
        if fed - parser.CurrentByteIndex > _LONGEST_TAG or len(parser.intern) > _MOST_NAMES:
            raise damaged()
    parser.Parse(b"", True)


def _refuse(*_declaration: Any) -> None:
    """No sheet program writes a document type; entities that grow without end and outside files come with one."""
    raise damaged()


def _elements(archive: ZipFile, name: str, seen: Callable[[str, dict[str, str], list[str]], None]) -> None:
    """Tell of each element of a small part, with its attributes and those it lies in."""
    within: list[str] = []

    def start(tag: str, attributes: dict[str, str]) -> None:
        seen(_local(tag), attributes, within)
        within.append(_local(tag))
        if len(within) > _DEEPEST:
            raise damaged()

    _parse(archive, name, _MOST_SMALL_XML, start, lambda _tag: within.pop())


def _attributes(archive: ZipFile, name: str, wanted: str, attribute: str) -> list[str]:
    found: list[str] = []
    _elements(
        archive, name, lambda tag, attributes, _within: found.append(attributes.get(attribute, ""))
        if tag == wanted
        else None,
    )  # fmt: skip
    return found


def _local(name: str) -> str:
    return name.rpartition(":")[2]


# --- The workbook --------------------------------------------------------------------------------


def _relations(archive: ZipFile, part: str) -> dict[str, list[str]]:
    """The parts a part refers to, by their kind and by their id."""
    folder, _slash, file = part.rpartition("/")
    found: dict[str, list[str]] = {}

    def seen(tag: str, attributes: dict[str, str], _within: list[str]) -> None:
        if tag == "Relationship" and attributes.get("TargetMode") != "External":
            target = posixpath.normpath(posixpath.join("/", folder, attributes["Target"])).lstrip("/")
            found.setdefault(attributes["Type"].rpartition("/")[2], []).append(target)
            found.setdefault("#" + attributes["Id"], []).append(target)

    _elements(archive, posixpath.join(folder, "_rels", file + ".rels"), seen)
    return found


def _sheets(archive: ZipFile, book: str) -> tuple[list[Listed], bool]:
    """The sheets with cells, by their parts, and whether days are counted from 1904."""
    sheets: list[tuple[str, str, bool]] = []
    from_1904 = False

    def seen(tag: str, attributes: dict[str, str], within: list[str]) -> None:
        nonlocal from_1904
        if tag == "workbookPr" and within == ["workbook"]:  # there is one among the extensions as well
            from_1904 = attributes.get("date1904") in ("1", "true")
        if tag == "sheet" and within[-1:] == ["sheets"]:
            key = next((value for name, value in attributes.items() if _local(name) == "id"), "")
            sheets.append((attributes.get("name", ""), key, attributes.get("state", "visible") == "visible"))

    _elements(archive, book, seen)
    parts = _relations(archive, book)
    tables = [
        Listed(name, is_shown, parts["#" + key][0])
        for name, key, is_shown in sheets
        if parts.get("#" + key, [""])[0] in parts.get("worksheet", [])
    ]
    return tables, from_1904


def _styles(archive: ZipFile, name: str) -> list[str | int]:
    """Return for each style of a cell its number format: a code, or the number of one that all programs have."""
    codes: dict[str, str] = {}
    styles: list[str | int] = []

    def seen(tag: str, attributes: dict[str, str], within: list[str]) -> None:
        if tag == "numFmt" and within[-1:] == ["numFmts"]:
            codes[attributes["numFmtId"]] = attributes["formatCode"]
            if len(attributes["formatCode"]) > LONGEST_FORMAT or len(codes) > MOST_CODES:
                raise damaged()
        if tag == "xf" and within[-1:] == ["cellXfs"]:
            if len(styles) >= MOST_FORMATS:
                raise damaged()
            number = attributes.get("numFmtId", "0")
            styles.append(codes[number] if number in codes else int(number))

    _elements(archive, name, seen)
    return styles


def _strings(archive: ZipFile, name: str) -> list[str | None]:
    """The texts that cells refer to by number. What stands above a text to tell how to say it is no part of it."""
    strings: list[str | None] = []
    text = _Text()

    def start(name: str, _attributes: dict[str, str]) -> None:
        tag = text.enter(name)
        if tag == "si" and len(strings) > _MOST_STRINGS:
            raise too_big()

    def end(name: str) -> None:
        if text.leave(name) == "si":
            strings.append(text.taken())

    _parse(archive, name, _MOST_XML, start, end, text.add)
    return strings


class _Text:
    """Gathers the text of a cell, and keeps count of all that is gathered."""

    def __init__(self) -> None:
        self.depth = self.length = self.held = 0
        self.wanted = self.aside = False
        self.pieces: list[str] = []

    def enter(self, name: str) -> str:
        self.depth += 1
        tag = name if name in _CELL_TAGS else _local(name)
        if tag in ("v", "t"):
            self.wanted = not self.aside
        elif tag == "rPh":
            self.aside = True
        if self.depth > _DEEPEST:
            raise damaged()
        return tag

    def leave(self, name: str) -> str:
        self.depth -= 1
        tag = name if name in _CELL_TAGS else _local(name)
        self.wanted = False
        if tag == "rPh":
            self.aside = False
        return tag

    def add(self, piece: str) -> None:
        if self.wanted:
            self.pieces.append(piece)
            self.length += len(piece)
            if self.length > LONGEST_TEXT:
                raise too_long()

    def raw(self) -> str:
        pieces = self.pieces
        text = pieces[0] if len(pieces) == 1 else "".join(pieces)
        pieces.clear()
        self.length = 0
        return text

    def taken(self) -> str | None:
        text = self.raw()
        text = cleaned(_ESCAPED.sub(_unescaped, text) if "_x" in text else text)
        self.held += sys.getsizeof(text)
        if self.held > _MOST_TEXT:
            raise too_big()
        return text


def _unescaped(escape: re.Match[str]) -> str:
    character = chr(int(escape[1], 16))
    # What neither a database nor a sheet can hold stays as it is written.
    return character if character.isprintable() or character in "\t\n\r" else escape[0]


# --- The cells -----------------------------------------------------------------------------------


def _is_hidden(attributes: dict[str, str]) -> bool:
    """Whether a row is hidden, filtered out, or so low that nobody sees it."""
    return attributes.get("hidden") in ("1", "true") or attributes.get("ht", "15").strip("0.") == ""


class _Cells(_Text, Numbers):
    """The cells of a sheet as they come past."""

    def __init__(
        self, grid: Grid, strings: list[str | None], styles: list[str | int], from_1904: bool, rows: int, columns: int
    ) -> None:
        _Text.__init__(self)
        Numbers.__init__(self, grid, from_1904)
        self.strings = strings
        self.codes = {str(number): code for number, code in codes_of(styles).items()}
        self.most_rows, self.most_columns = rows, columns
        self.kind, self.style, self.formula = "n", "0", False
        self.values: list[Value] = []
        self.numbers: dict[tuple[str, str], Value] = {}
        self.is_hidden = False

    # Called five times for each cell: what comes most often stands first, and little is handed on.

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self.depth += 1
        if name == "c":
            place = attributes.get("r")
            self.column = column_number(place.rstrip("0123456789")) if place else self.column + 1
            self.kind = attributes.get("t", "n")
            self.style = attributes.get("s", "0")
        elif name == "v":
            self.wanted = True
        else:
            self._start_other(name, attributes)
        if self.depth > _DEEPEST:
            raise damaged()

    def end(self, name: str) -> None:
        self.depth -= 1
        if name == "v":
            self.wanted = False
        elif name == "c":
            if self.pieces or self.formula:
                self._take()
        else:
            self._end_other(name)

    def _start_other(self, name: str, attributes: dict[str, str]) -> None:
        self.depth -= 1
        tag = self.enter(name)
        if tag == "row":
            self._begin(int(attributes.get("r", self.row + 1)))
            self.is_hidden = _is_hidden(attributes)
        elif tag == "f":
            self.formula = True
            if attributes.get("t") in ("array", "dataTable") and ":" in attributes.get("ref", ""):
                raise Unreadable(
                    _("The cells %(cells)s share a formula. Paste them as values, and choose the file again.",
                      cells=attributes["ref"])
                )  # fmt: skip
        elif tag == "mergeCell" and len(self.grid.merged) < _MOST_NAMES:
            self.grid.merged.append(attributes.get("ref", ""))
        elif tag != name and tag in ("c", "v"):
            self.depth -= 1
            self.start(tag, attributes)

    def _end_other(self, name: str) -> None:
        self.depth += 1
        tag = self.leave(name)
        if tag == "row":
            self._finish()
        elif tag != name and tag in ("c", "v"):
            self.depth += 1
            self.end(tag)

    def _begin(self, row: int) -> None:
        if not self.row < row <= LAST_ROW:
            raise damaged()
        self.row, self.column, self.values, self.is_hidden = row, 0, [], False

    def _finish(self) -> None:
        if not self.values:
            self.grid.marks.pop(self.row, None)
            return
        if len(self.grid.rows) > self.most_rows:
            raise too_many_rows(self.most_rows)
        self.grid.rows.append((self.row, self.values))
        if self.is_hidden:
            self.grid.hidden.add(self.row)

    def take(self, row: int, cells: list[Cell]) -> None:
        """A whole row that did not have to be parsed."""
        self._begin(row)
        numbers, values = self.numbers, self.values
        for letters, style, kind, content in cells:
            self.column = column = column_number(letters)
            if kind == "s":
                value = self._string(content)
            elif kind or (value := numbers.get((style, content))) is None:
                value = self._of(content, kind, style)
            if value is not None and len(values) + 1 == column <= self.most_columns:
                values.append(value)
            else:
                self._put(value)
        self._finish()

    def _of(self, content: str, kind: str, style: str) -> Value:
        self.kind, self.style = kind or "n", style or "0"
        self.pieces.append(content)
        value = self._value()
        # The same few numbers and days come again and again. Of one that became a text something is marked.
        if not kind and not isinstance(value, str) and len(self.numbers) < _MOST_NAMES:
            self.numbers[style, content] = value
        return value

    def _take(self) -> None:
        if self.formula:
            self.grid.mark(self.row, self.column - 1, FORMULA)
            self.formula = False
        self._put(self._value())

    def _put(self, value: Value) -> None:
        if value is None:
            return
        if self.column > self.most_columns:
            raise too_many_columns(self.most_columns)
        missing = self.column - 1 - len(self.values)
        if missing < 0:
            raise damaged()
        if missing:
            self.values += [None] * missing
        self.values.append(value)

    def _value(self) -> Value:
        if self.kind == "inlineStr" or self.kind == "str":
            return self.taken()
        content = self.raw()
        if self.kind == "s":
            return self._string(content)
        if self.kind == "n":
            return self._number(content) if content.strip() else None
        if self.kind == "b":
            known = {"1": True, "true": True, "0": False, "false": False}
            return known[content] if content in known else self._unreadable(content)
        if self.kind == "d":
            return self._written(content)
        self.grid.mark(self.row, self.column - 1, ERROR)
        return cleaned(content[:20])

    def _string(self, content: str) -> Value:
        if content.isdecimal() and int(content) < len(self.strings):
            return self.strings[int(content)]
        return self._unreadable(content)

    def _unreadable(self, content: str) -> str | None:
        """Mark a cell that does not hold what it says; the others can be read all the same."""
        self.grid.mark(self.row, self.column - 1, UNREADABLE)
        return cleaned(content[:20])

    def _number(self, content: str) -> Value:
        try:
            number = int(content) if content.isdecimal() and len(content) < 16 else float(content)
        except ValueError:
            return self._unreadable(content)
        if not -_TOO_FAR < number < _TOO_FAR:  # infinite, or no number
            return self._unreadable(content)
        return self.shown(number, self.codes.get(self.style))

    def _written(self, content: str) -> Value:
        """Read a date, a moment or a time of day that is written in words, as strict workbooks do."""
        try:
            moment = datetime.fromisoformat(content).replace(tzinfo=None)
        except ValueError:
            return self._time_of_day(content)
        if moment.year < 1900:
            self.grid.mark(self.row, self.column - 1, DATE)
            return content
        return moment if moment.time() != datetime.min.time() else moment.date()

    def _time_of_day(self, content: str) -> Value:
        try:
            at = time.fromisoformat(content)
        except ValueError:
            return self._unreadable(content)
        return Formatted((at.hour * 3600 + at.minute * 60 + at.second) / 86400, "hh:mm:ss")
