"""Compound files (OLE2): the file system inside the files of Office 97 to 2003, opened without trusting it.

[MS-CFB] names its parts. Runs only in the child process.
"""

import struct
from array import array
from typing import NamedTuple

from .refusals import damaged

SIGNATURE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_HEADER = struct.Struct("<8s16xHHHHH10xIIIIIIII")
_ENTRY = struct.Struct("<64sHB49xII4x")
_END = 0xFFFFFFF0  # from here on a number is no sector, but says that there is none
_IN_HEADER = 109
_STORAGE, _STREAM, _ROOT = 1, 2, 5
_LONGEST_NAME = 64
_MOST_ENTRIES = 10_000


class Entry(NamedTuple):
    """A storage, which is like a folder, or a stream, which is like a file."""

    kind: int
    start: int
    size: int


class CompoundFile:
    """The entries of a compound file, and the content of its streams."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        try:
            self._open()
        except (struct.error, ValueError, UnicodeDecodeError) as error:
            raise damaged() from error

    def _open(self) -> None:
        (signature, _minor, _major, order, shift, mini_shift, _tables, directory, _transaction, self.cutoff,
         mini_table, _minis, more_tables, _more) = _HEADER.unpack_from(self.data)  # fmt: skip
        if signature != SIGNATURE or order != 0xFFFE or shift not in (9, 12) or mini_shift != 6:
            raise damaged()
        self.shift = shift
        self.next = self._table(more_tables)
        self.entries = self._entries(self._chain(directory))
        root = next((entry for entry in self.entries.values() if entry.kind == _ROOT), None)
        if root is None:
            raise damaged()
        self.mini_next = _numbers(self._chain(mini_table)) if mini_table < _END else array("I")
        self.mini = self._chain(root.start) if root.start < _END else b""

    def has(self, name: str) -> bool:
        """Return whether there is a stream or a storage of a name."""
        return name in self.entries

    def stream(self, name: str) -> bytes:
        """Return the content of a stream."""
        entry = self.entries[name]
        if entry.size > len(self.data):
            raise damaged()
        content = self._mini_chain(entry.start) if entry.size < self.cutoff else self._chain(entry.start)
        if len(content) < entry.size:
            raise damaged()
        return content[: entry.size]

    def _sector(self, number: int) -> bytes:
        start = (number + 1) << self.shift
        return self.data[start : start + (1 << self.shift)]

    def _table(self, more: int) -> "array[int]":
        """The table that tells for each sector which one follows; its own sectors are listed in the header."""
        listed = array("I", struct.unpack_from(f"<{_IN_HEADER}I", self.data, 76))
        most = len(self.data) >> self.shift
        while more < _END and len(listed) <= most + _IN_HEADER:
            numbers = _numbers(self._sector(more))
            listed.extend(numbers[:-1])
            more = numbers[-1]
        sectors = [number for number in listed if number < _END]
        if len(sectors) > most:
            raise damaged()
        return _numbers(b"".join(map(self._sector, sectors)))

    def _chain(self, start: int) -> bytes:
        return b"".join(map(self._sector, _followed(self.next, start)))

    def _mini_chain(self, start: int) -> bytes:
        return b"".join(self.mini[number << 6 : (number + 1) << 6] for number in _followed(self.mini_next, start))

    def _entries(self, directory: bytes) -> dict[str, Entry]:
        entries: dict[str, Entry] = {}
        for at in range(0, min(len(directory), _MOST_ENTRIES * _ENTRY.size) - _ENTRY.size + 1, _ENTRY.size):
            name, length, kind, start, size = _ENTRY.unpack_from(directory, at)
            if kind in (_STORAGE, _STREAM, _ROOT):
                text = name[: max(min(length, _LONGEST_NAME) - 2, 0)].decode("utf-16-le", "replace")
                entries.setdefault(text, Entry(kind, start, size))
        return entries


def _numbers(content: bytes) -> "array[int]":
    return array("I", struct.unpack(f"<{len(content) // 4}I", content[: len(content) // 4 * 4]))


def _followed(table: "array[int]", start: int) -> list[int]:
    """The sectors of a chain. One that goes round in a circle has more sectors than there are."""
    chain: list[int] = []
    while start < _END:
        if start >= len(table) or len(chain) > len(table):
            raise damaged()
        chain.append(start)
        start = table[start]
    return chain
