"""The file store: photos, seals, signed documents and results of jobs, each under the hash of its content.

What is kept never changes: the same name always gives the same bytes. It is a folder (FILES), to be backed up with
the database.
"""

import os
import tempfile
from hashlib import sha256
from pathlib import Path

from flask import current_app


def keep(content: bytes) -> str:
    """Keep a file; gives the hash by which it is found again."""
    name = sha256(content).hexdigest()
    place = path(name)
    if not place.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        _written_whole(place, content)
    return name


def read(name: str) -> bytes:
    return path(name).read_bytes()


def path(name: str) -> Path:
    """Where a file lies: two levels of folders, so that none holds too many."""
    return Path(current_app.config["FILES"]) / name[:2] / name[2:4] / name


def _written_whole(place: Path, content: bytes) -> None:
    """A reader finds the whole file or none, even if the machine stops in between."""
    with tempfile.NamedTemporaryFile(dir=place.parent, delete=False) as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    Path(file.name).replace(place)
