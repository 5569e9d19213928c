"""审计日志: what it says of one thing, and proving that it is whole."""

import json
import logging
import logging.handlers
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

from sqlalchemy import select

from app import audit
from app.access import Principal
from app.models import AuditChain, AuditEntry, db

MOST_SHOWN = 50
MOST_SENT = 10_000


def entry(entry_id: int) -> AuditEntry | None:
    """One entry, if the reader may see it."""
    found: AuditEntry | None = db.session.get(AuditEntry, entry_id)
    return found


def of(subject: str, subject_id: int) -> list[AuditEntry]:
    """The latest entries about one thing, the newest first."""
    about = select(AuditEntry).where(AuditEntry.subject == subject, AuditEntry.subject_id == subject_id)
    return list(db.session.scalars(about.order_by(AuditEntry.at.desc(), AuditEntry.id.desc()).limit(MOST_SHOWN)))


def prove() -> str:
    """Follow every chain, and note in each of them what was found and where all of them end; commits.

    Whoever removes a chain with all that is known of its end is so found out by the others.
    """
    seen, breaks = audit.verify()
    broken = [f"{each.chain}/{each.number} {each.what}" for each in breaks]
    ends = [f"{end.chain} {end.number} {end.seal}" for end in audit.ends()]
    for chain in sorted({audit.NATION[:2], *(end.split()[0] for end in ends)}):
        clock = Principal(region_code=f"{chain}0000")
        audit.record("verify", "audit", None, "", by=clock, entries=seen, broken=broken, ends=ends)
        db.session.commit()  # an entry stands in the chain of its transaction
    return f"{seen} entries, {len(breaks)} broken chains {broken}"


# --- Out of the reach of who administers the database ---------------------------------------------


def send_away(target: str) -> int:
    """Hand sealed entries on that were not yet, in the order of their chain; return how many.

    `target` is `file:PATH`, to which a line of JSON is appended for each, `syslog:HOST:PORT` or `syslog:/dev/log`.
    """
    sent = 0
    chains = select(AuditChain).where(AuditChain.sent < AuditChain.number).order_by(AuditChain.chain)
    with _sink(target) as sink:
        for end in db.session.scalars(chains.with_for_update(skip_locked=True)):
            entries = list(audit.entries(end.chain, after=end.sent, most=MOST_SENT))
            for entry in entries:
                sink.emit(_line(entry))
            end.sent = entries[-1]["number"] if entries else end.sent
            sent += len(entries)
    return sent


@contextmanager
def _sink(target: str) -> Iterator[logging.Handler]:
    kind, _colon, place = target.partition(":")
    host, _colon, port = place.rpartition(":")
    if kind == "file":
        handler: logging.Handler = logging.FileHandler(place, encoding="utf-8")
    elif kind == "syslog":
        handler = logging.handlers.SysLogHandler((host, int(port)) if host else place)
    else:
        raise ValueError(f"AUDIT_TARGET is {target!r}; it is file:PATH, syslog:HOST:PORT or syslog:PATH.")
    with closing(handler):
        yield handler


def _line(entry: dict[str, Any]) -> logging.LogRecord:
    told = json.dumps({**entry, "at": entry["at"].isoformat()}, ensure_ascii=False)
    return logging.LogRecord("audit", logging.INFO, "", 0, told, None, None)
