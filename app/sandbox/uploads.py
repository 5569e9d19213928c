"""The pictures and documents that are opened in a child process, and what comes back of them."""

import json
from collections.abc import Iterator, Mapping, Sequence
from threading import BoundedSemaphore
from typing import Any, BinaryIO, NamedTuple

from .children import MEGABYTE, Task, Upload, open_files

# One picture at a time is in the memory of a process; all of a request share its seconds and bytes.
_ONE_AT_A_TIME = BoundedSemaphore(1)
PHOTOS = Task("photo", seconds=30, output=64 * MEGABYTE, places=_ONE_AT_A_TIME)
SEAL = Task("seal", seconds=10, output=16 * MEGABYTE, places=_ONE_AT_A_TIME)
SCANS = Task("scan", seconds=30, output=128 * MEGABYTE, places=_ONE_AT_A_TIME)


class Opened(NamedTuple):
    """A file made anew: its kind (jpeg, png or pdf) and its content."""

    kind: str
    content: bytes


def open_all(task: Task, uploads: Sequence[Upload], options: Mapping[str, Any], *, most_bytes: int) -> list[Opened]:
    """Make all files of a request anew, or raise Unreadable."""
    if not uploads:
        return []
    with open_files(task, uploads, options, most_bytes=most_bytes) as output:
        return list(_read(output))


def _read(output: BinaryIO) -> Iterator[Opened]:
    for line in output:
        head = json.loads(line)
        yield Opened(head["kind"], output.read(head["size"]))
