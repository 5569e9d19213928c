"""The file store: photos, seals, signed documents and results of jobs, each under the hash of its content.

What is kept never changes: the same name always gives the same bytes. It is a folder (FILES), to be backed up with
the database.
"""

import os
import shutil
import tempfile
import unicodedata
from collections.abc import Iterator
from datetime import datetime
from hashlib import file_digest
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from flask import current_app

_RESERVED = set('/\\:*?"<>|')


def keep(content: bytes) -> str:
    """Keep a file; gives the hash by which it is found again."""
    return keep_stream(BytesIO(content))


def keep_stream(file: BinaryIO) -> str:
    """Keep a file that is too large to hold in memory, read from its beginning."""
    file.seek(0)
    name = file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]
    place = path(name)
    if not place.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        file.seek(0)
        _written_whole(place, file)
    return name


def read(name: str) -> bytes:
    return path(name).read_bytes()


def drop(name: str) -> None:
    """Remove a file that nobody refers to any more."""
    path(name).unlink(missing_ok=True)


def kept_before(moment: datetime) -> Iterator[str]:
    """The names of all files that have been kept since before a moment."""
    for place in Path(current_app.config["FILES"]).glob("??/??/*"):
        if place.stat().st_mtime < moment.timestamp():
            yield place.name


def path(name: str) -> Path:
    """Where a file lies: two levels of folders, so that none holds too many."""
    return Path(current_app.config["FILES"]) / name[:2] / name[2:4] / name


def plain_name(name: str) -> str:
    """Return a file name that any header and file system can hold: in it no folder, control or invisible character."""
    text = unicodedata.normalize("NFC", name)
    return "".join("-" if each in _RESERVED else each for each in text if each.isprintable()).strip(" .") or "-"


def stem(path: str) -> str:
    """Return the plain name of a file that somebody sent, without its folders and its extension."""
    name = path.replace("\\", "/").rpartition("/")[2]
    return plain_name(name.rpartition(".")[0] or name).strip("-")


def folder() -> Path:
    """The folder of the store, or of what will be made in it first."""
    place = Path(current_app.config["FILES"])
    return next(each for each in (place, *place.parents) if each.is_dir())


def keys() -> Path:
    """The folder of the institutions' keys (KEYS)."""
    return Path(current_app.config["KEYS"])


def _written_whole(place: Path, content: BinaryIO) -> None:
    """A reader finds the whole file or none, even if the machine stops in between."""
    with tempfile.NamedTemporaryFile(dir=place.parent, delete=False) as file:
        try:
            shutil.copyfileobj(content, file)
            file.flush()
            os.fsync(file.fileno())
        except BaseException:
            Path(file.name).unlink()  # e.g. the disk is full
            raise
    Path(file.name).replace(place)
