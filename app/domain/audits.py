"""审计日志: what it says of one thing, and proving that it is whole."""

from sqlalchemy import select

from app import audit
from app.models import AuditEntry, db

MOST_SHOWN = 50


def entry(entry_id: int) -> AuditEntry | None:
    """One entry, if the reader may see it."""
    found: AuditEntry | None = db.session.get(AuditEntry, entry_id)
    return found


def of(subject: str, subject_id: int) -> list[AuditEntry]:
    """The latest entries about one thing, the newest first."""
    about = select(AuditEntry).where(AuditEntry.subject == subject, AuditEntry.subject_id == subject_id)
    return list(db.session.scalars(about.order_by(AuditEntry.at.desc(), AuditEntry.id.desc()).limit(MOST_SHOWN)))


def prove() -> str:
    """Follow every chain, and note in the log itself what was found."""
    seen, breaks = audit.verify()
    broken = [f"{each.chain}/{each.number} {each.what}" for each in breaks]
    audit.record("verify", "audit", None, "", entries=seen, broken=broken)
    return f"{seen} entries, {len(breaks)} broken chains {broken}"
