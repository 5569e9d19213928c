"""Sheets that people fill in: their columns found, and the sheet kept with what is wrong beside each row."""

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from typing import BinaryIO

from app import files, spreadsheet
from app.domain import uploads
from app.errors import RuleError
from app.sandbox.children import Named
from app.spreadsheet import Field, Incoming, Matched, Unreadable


def read(file: BinaryIO, name: str, asked: Iterable[Field], *, most_rows: int, most_bytes: int, title: str) -> Incoming:
    """A sheet as it comes back; refused if it cannot be read, is too large or holds malware.

    The names of the columns that are asked for tell the row of headers from a title above it.
    """
    uploads.check([Named(name, file)], "file")
    words = [each.label for each in asked]
    try:
        return spreadsheet.read(file, name, most_rows=most_rows, most_bytes=most_bytes, title=title, words=words)
    except Unreadable as reason:
        raise RuleError(str(reason), field="file") from reason


def match(incoming: Incoming, asked: Sequence[Field]) -> Matched:
    """Which column holds which field; refused if one is missing or there twice."""
    try:
        return spreadsheet.match(incoming, asked)
    except Unreadable as reason:
        raise RuleError(str(reason), field="file") from reason


def words(labels: Mapping[str, object]) -> tuple[str, ...]:
    """The choices of a column: the words of a short list, in the language of the reader."""
    return tuple(str(word) for word in labels.values())


def id_in(cell: object) -> int:
    """The id that a cell names; 0 if it names none, which is nobody's."""
    text = str(cell or "")
    return int(text) if text.isdecimal() and text.isascii() and len(text) <= 18 else 0


def keep_with_problems(incoming: Incoming, problems: Mapping[int, Sequence[str]]) -> str:
    """Keep the sheet as it came, with its problems; gives the name under which it is found again."""
    with tempfile.TemporaryFile() as file:
        spreadsheet.with_problems(incoming, problems, file)
        return files.keep_stream(file)
