"""开放数据: files of all that is published, made each night, and none that holds what was taken back since.

A revocation writes an event in its own transaction. A file notes how many revocations were known before its rows were
read: a later one, also one that was under way, makes them more, and then the file is handed out no longer.
"""

import gzip
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, delete, func, select

from app import files, spreadsheet
from app.access import EVERYTHING, PUBLIC, seeing, seen, visible
from app.domain import holidays, portal
from app.models import Dump, Event, db
from app.spreadsheet import Layout

KEPT = timedelta(days=7)
MADE_FROM = time(2)  # of the night, local time
# No revocation takes longer than this from its beginning to its end.
LONGEST_REVOCATION = timedelta(days=1)
MOST_ROWS = 10**12


@dataclass(frozen=True)
class Kind:
    """What a file holds: its rows, and the tables by which they are narrowed."""

    rows: Callable[[], Any]
    tables: tuple[Any, ...]


KINDS = {
    "certificates": Kind(partial(portal.certificate_rows, partial(seen, who=PUBLIC)), portal.CERTIFICATE_TABLES),
    "institutions": Kind(portal.institution_rows, portal.INSTITUTION_TABLES),
    "catalogue": Kind(portal.catalogue_rows, portal.CATALOGUE_TABLES),
}


def available() -> list[Dump]:
    """The files that may be handed out, the newest first."""
    with seeing(EVERYTHING):
        return list(db.session.scalars(select(Dump).where(_holds()).order_by(Dump.made_at.desc(), Dump.id.desc())))


def find(dump_id: int) -> Dump | None:
    """A file that may be handed out."""
    with seeing(EVERYTHING):
        found: Dump | None = db.session.scalar(select(Dump).where(Dump.id == dump_id, _holds()))
        return found


def _holds() -> ColumnElement[bool]:
    """The condition that nothing was taken back since a file was made."""
    holds: ColumnElement[bool] = _revocations(Dump.since).scalar_subquery() == Dump.revocations
    return holds


def _revocations(since: Any) -> Any:
    return select(func.count()).select_from(Event).where(Event.step == "revoke", Event.at >= since)


# --- Made by the clock ---------------------------------------------------------------------------


def renew() -> int:
    """Drop what is old or holds no longer, and make what is missing: each night, and after each revocation."""
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
    since = now - LONGEST_REVOCATION
    known = int(db.session.scalar(_revocations(since)) or 0)  # before the rows are read
    what = KINDS[kind]
    rows = visible(what.rows(), *what.tables, who=PUBLIC)
    heads = [column.name for column in rows.subquery().columns]
    sheet = spreadsheet.write(db.session.connection(), rows, "csv", Layout(kind, heads), most=MOST_ROWS)
    if sheet is None:
        raise ValueError(f"more than {MOST_ROWS} rows")
    file, size = _kept(sheet.file)
    dump = Dump(kind=kind, made_at=now, amount=sheet.rows, size=size, file=file, since=since, revocations=known)
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
    """Drop the files that are a week old or hold no longer. Gives how many."""
    old = (Dump.made_at < datetime.now(UTC) - KEPT) | ~_holds()
    gone = set(db.session.scalars(delete(Dump).where(old).returning(Dump.file)))
    still = set(db.session.scalars(select(Dump.file).where(Dump.file.in_(gone))))
    for name in gone - still:
        files.path(name).unlink(missing_ok=True)
    return len(gone)
