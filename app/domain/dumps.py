"""开放数据: files of all that is published, made each night, and for each what was taken back since.

A revocation writes an event in its own transaction. What was revoked since a file was begun, or a little before, and is
not published again is told beside the file: whoever keeps a copy takes it out there as well.
"""

import gzip
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from functools import partial
from typing import Any

from sqlalchemy import delete, select

from app import files, spreadsheet
from app.access import EVERYTHING, PUBLIC, seeing, seen, visible
from app.domain import holidays, portal
from app.models import CatalogueItem, Certificate, Dump, Event, Organization, db
from app.spreadsheet import Layout

KEPT = timedelta(days=7)
MADE_FROM = time(2)  # of the night, local time
# No revocation takes longer than this from its beginning to its end.
LONGEST_REVOCATION = timedelta(days=1)
MOST_ROWS = 10**12


@dataclass(frozen=True)
class Kind:
    """What a file holds: its rows, the tables by which they are narrowed, and by what they are known in the history."""

    rows: Callable[[], Any]
    tables: tuple[Any, ...]
    key: Any
    subject: str


KINDS = {
    "certificates": Kind(
        partial(portal.certificate_rows, partial(seen, who=PUBLIC)),
        portal.CERTIFICATE_TABLES,
        Certificate.id,
        "certificate",
    ),
    "institutions": Kind(portal.institution_rows, portal.INSTITUTION_TABLES, Organization.id, "institution"),
    "catalogue": Kind(portal.catalogue_rows, portal.CATALOGUE_TABLES, CatalogueItem.id, "catalogue_item"),
}


def available() -> list[Dump]:
    """The files that are kept, the newest first."""
    with seeing(EVERYTHING):
        return list(db.session.scalars(select(Dump).order_by(Dump.made_at.desc(), Dump.id.desc())))


def find(dump_id: int) -> Dump | None:
    """A file that is kept."""
    with seeing(EVERYTHING):
        found: Dump | None = db.session.get(Dump, dump_id)
        return found


def withdrawn(dump: Dump) -> list[int]:
    """The ids of rows that may stand in a file and are published no longer."""
    what = KINDS[dump.kind]
    revoked = select(Event.subject_id).where(
        Event.subject == what.subject, Event.step == "revoke", Event.at >= dump.since
    )
    with seeing(EVERYTHING):
        published = visible(select(what.key).where(what.key.in_(revoked)), what.tables[0], who=PUBLIC)
        gone = revoked.where(Event.subject_id.not_in(published)).distinct().order_by(Event.subject_id)
        return list(db.session.scalars(gone))


# --- Made by the clock ---------------------------------------------------------------------------


def renew() -> int:
    """Drop what is old, and make what is missing since the last night. Gives how many were made."""
    forget()
    kept = {dump.kind for dump in available() if dump.made_at >= _last_night()}
    missing = [kind for kind in KINDS if kind not in kept]
    for kind in missing:
        make(kind)
    return len(missing)


def _last_night() -> datetime:
    now = datetime.now(holidays.ZONE)
    night = datetime.combine(now.date(), MADE_FROM, holidays.ZONE)
    return night if night <= now else night - timedelta(days=1)


def make(kind: str) -> Dump:
    """Write all that is published of a kind into a file."""
    now = datetime.now(UTC)
    what = KINDS[kind]
    rows = visible(what.rows(), *what.tables, who=PUBLIC)
    heads = [column.name for column in rows.subquery().columns]
    sheet = spreadsheet.write(
        db.session.connection(), rows, "csv", Layout(kind, heads, for_programs=True), most=MOST_ROWS
    )
    if sheet is None:
        raise ValueError(f"more than {MOST_ROWS} rows")
    file, size = _kept(sheet.file)
    since = now - LONGEST_REVOCATION
    dump = Dump(kind=kind, made_at=now, amount=sheet.rows, size=size, file=file, since=since)
    db.session.add(dump)
    db.session.flush()
    return dump


def _kept(rows: Any) -> tuple[str, int]:
    """The name under which the rows are kept, packed, and how large they are."""
    with rows, tempfile.TemporaryFile() as packed:
        with gzip.GzipFile(fileobj=packed, mode="wb", mtime=0) as writer:
            shutil.copyfileobj(rows, writer)
        return files.keep_stream(packed), packed.tell()


def forget() -> int:
    """Drop the files that are a week old. Gives how many."""
    old = delete(Dump).where(Dump.made_at < datetime.now(UTC) - KEPT)
    gone = set(db.session.scalars(old.returning(Dump.file)))
    still = set(db.session.scalars(select(Dump.file).where(Dump.file.in_(gone))))
    for name in gone - still:
        files.path(name).unlink(missing_ok=True)
    return len(gone)
