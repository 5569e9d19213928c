"""Starts the child process that opens files from outside, and tells in a sentence why it could not."""

import json
import logging
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import BoundedSemaphore, Lock
from typing import Any, BinaryIO, Protocol

from flask import current_app, g, has_request_context
from flask_babel import gettext as _

from . import child
from .messages import TooManyRows, Unreadable

MEGABYTE = 1024 * 1024
# Address space: the memory in use is always less.
MEMORY = 288 * MEGABYTE
# A child that computes has this many times its CPU seconds before it is stopped, for the machine may be busy.
PATIENCE = 3
WAIT_SECONDS = 10
_NOTES = 64 * 1024
_CHUNK = 256 * 1024

log = logging.getLogger(__name__)


class Upload(Protocol):
    """A file as it was sent; werkzeug's FileStorage is one."""

    @property
    def filename(self) -> str | None: ...
    @property
    def stream(self) -> Any: ...


@dataclass(frozen=True)
class Named:
    """A file that is here already, under a name that a person knows."""

    filename: str
    stream: BinaryIO


@dataclass(frozen=True)
class Task:
    """What is done with files, how much of them is read, and what the child may use for all files of a request."""

    name: str
    seconds: int
    output: int
    # How many children of this kind a process has at once.
    places: BoundedSemaphore


@contextmanager
def open_files(
    task: Task, uploads: Sequence[Upload], options: Mapping[str, Any], *, most_bytes: int, seconds: int | None = None
) -> Iterator[BinaryIO]:
    """Give what the child writes of the files, or raise Unreadable with a sentence that names the file."""
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as notes:
        sizes = [_copy(upload, given, most_bytes) for upload in uploads]
        given.seek(0)
        request = {"task": task.name, "sizes": sizes, "options": options, "seconds": seconds or task.seconds,
                   "memory": MEMORY, "output": task.output}  # fmt: skip
        with _entrance(), _place(task):
            status = _run(request, given, output, notes)
        if status:
            raise _refusal(status, _notes(notes), uploads)
        output.seek(0)
        yield output


def _copy(upload: Upload, given: BinaryIO, most_bytes: int) -> int:
    size = 0
    while chunk := upload.stream.read(_CHUNK):
        size += given.write(chunk)
        if size > most_bytes:
            most = most_bytes // MEGABYTE
            raise Unreadable(_("“%(file)s” is bigger than %(most)s MB.", file=_name(upload), most=most))
    return size


_inside: Counter[int | None] = Counter()
_counting = Lock()


@contextmanager
def _entrance() -> Iterator[None]:
    """Let a request in, or raise Unreadable at once: one of each account, and all threads of the process but one.

    Whoever is inside, also while he waits for a place, holds a thread that answers nobody else meanwhile.
    """
    if not has_request_context():
        yield
        return
    account_id = g.principal.account_id
    with _counting:
        if _inside[account_id]:
            raise Unreadable(_("You are sending other files just now. Please try again when they are done."))
        if _inside.total() >= max(1, current_app.config["WEB_THREADS"] - 1):
            raise Unreadable(_busy())
        _inside[account_id] += 1
    try:
        yield
    finally:
        with _counting:
            del _inside[account_id]


def _busy() -> str:
    return str(_("Many files are being opened just now. Please try again in a minute."))


@contextmanager
def _place(task: Task) -> Iterator[None]:
    if not task.places.acquire(timeout=WAIT_SECONDS):
        raise Unreadable(_busy())
    try:
        yield
    finally:
        task.places.release()


def _run(request: Mapping[str, Any], given: BinaryIO, output: BinaryIO, notes: BinaryIO) -> int:
    """Run the child and return its exit status; if it waits for too long, as if it had computed for too long."""
    command = [sys.executable, "-I", str(Path(child.__file__)), json.dumps(request)]
    # Without our environment, which has the secrets. It stays in our process group, and ends with it.
    with subprocess.Popen(command, stdin=given, stdout=output, stderr=notes, env={}) as process:
        try:
            return process.wait(timeout=PATIENCE * request["seconds"])
        except subprocess.TimeoutExpired:
            process.kill()
            return -_TIME
        except BaseException:
            process.kill()
            raise


_TIME = getattr(signal, "SIGXCPU", signal.SIGTERM)


def _notes(notes: BinaryIO) -> list[Any]:
    """The lines that the child wrote beside its output; an error of Python itself is no JSON."""
    notes.seek(0)
    lines = notes.read(_NOTES).decode(errors="replace").splitlines()
    try:
        return [json.loads(line) for line in lines]
    except ValueError:
        return [lines[-1]]


def _refusal(status: int, notes: list[Any], uploads: Sequence[Upload]) -> Unreadable:
    number = max((note for note in notes if isinstance(note, int)), default=0)
    name = _name(uploads[number])
    if status == child.REFUSED:
        kind, text, values = notes[-1]
        refusal = TooManyRows if kind == "TooManyRows" else Unreadable
        return refusal(_(text, **{name: _listed(value) for name, value in values.items()}))
    log.warning("A file could not be opened: status %s, %s", status, notes[-1:])
    if status == -_TIME:
        return Unreadable(_("“%(file)s” takes too long to read. Save it anew or make it smaller.", file=name))
    if status in (child.OUT_OF_MEMORY, child.TOO_MUCH_OUTPUT):
        return Unreadable(_("“%(file)s” holds too much to be opened. Make it smaller.", file=name))
    return Unreadable(_("“%(file)s” cannot be opened. Save it anew with another program.", file=name))


def _listed(value: Any) -> Any:
    return _(", ").join(value) if isinstance(value, list) else value


def _name(upload: Upload) -> str:
    """The name of a file as it may be shown."""
    return "".join(filter(str.isprintable, upload.filename or "?"))[-80:]
