"""Scans that belong to a measurement standard (附件): PDF, JPEG or PNG, by what is in them, not by their name."""

from collections.abc import Sequence
from typing import NamedTuple

from flask_babel import gettext as _
from sqlalchemy import func, select

from app import audit, files
from app.access import Principal
from app.domain import standards, uploads
from app.errors import RuleError
from app.models import MeasurementStandard, StandardDocument, db
from app.sandbox.children import Upload
from app.sandbox.uploads import SCANS

MOST = 10
MOST_BYTES = 5 * 1024 * 1024
MEDIA = {"pdf": "application/pdf", "jpeg": "image/jpeg", "png": "image/png"}


class Scan(NamedTuple):
    """A scan as it will be kept."""

    name: str
    kind: str
    content: bytes


def of(standard: MeasurementStandard) -> list[StandardDocument]:
    """The scans of a standard; a change shows those of what it changes as well."""
    ids = [id for id in (standard.id, standard.replaces_id) if id is not None]
    found = select(StandardDocument).where(StandardDocument.standard_id.in_(ids)).order_by(StandardDocument.id)
    return list(db.session.scalars(found))


def find(document_id: int, by: Principal) -> StandardDocument | None:
    """A scan of a standard that one enters or reviews."""
    found: StandardDocument | None = db.session.get(StandardDocument, document_id)
    if found is None or standards.find_for(found.standard_id, by) is None:
        return None
    return found


def opened(sent: Sequence[Upload]) -> list[Scan]:
    """Scans made anew, under the names by which they are kept. Takes seconds: do it before rows are locked."""
    if len(sent) > MOST:
        raise _too_many()
    made = uploads.opened(SCANS, sent, {}, most_bytes=MOST_BYTES, field="documents")
    return [
        Scan(uploads.stored_name(upload.filename, scan.kind), scan.kind, scan.content)
        for upload, scan in zip(sent, made, strict=True)
    ]


def add(standard: MeasurementStandard, scans: Sequence[Scan], by: Principal) -> None:
    """Keep scans beside a standard."""
    if not scans:
        return
    there = db.session.scalar(select(func.count()).where(StandardDocument.standard_id == standard.id)) or 0
    if there + len(scans) > MOST:
        raise _too_many()
    for scan in scans:
        db.session.add(
            StandardDocument(
                institution_id=standard.institution_id,
                standard_id=standard.id,
                name=scan.name,
                kind=scan.kind,
                size=len(scan.content),
                file=files.keep(scan.content),
            )
        )
    db.session.flush()
    audit.record("add_documents", "measurement_standard", standard.id, str(standard), by=by, done=len(scans))


def _too_many() -> RuleError:
    return RuleError(_("A standard has at most %(most)s scans.", most=MOST), field="documents")
