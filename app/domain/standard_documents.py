"""Scans that belong to a measurement standard (附件): PDF, JPEG or PNG, by what is in them, not by their name."""

from collections.abc import Sequence
from pathlib import PurePath
from typing import Any

from flask_babel import gettext as _
from sqlalchemy import func, select

from app import audit, files
from app.access import Principal
from app.domain import standards
from app.errors import RuleError
from app.models import MeasurementStandard, StandardDocument, db

MOST = 10
MOST_BYTES = 5 * 1024 * 1024
LONGEST_NAME = 120
MEDIA = {"pdf": "application/pdf", "jpeg": "image/jpeg", "png": "image/png"}
_BEGINNINGS = {b"%PDF-": "pdf", b"\xff\xd8\xff": "jpeg", b"\x89PNG\r\n\x1a\n": "png"}


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


def add(standard: MeasurementStandard, uploads: Sequence[Any], by: Principal) -> None:
    """Keep scans (with `filename` and `stream`) beside a standard."""
    if not uploads:
        return
    there = db.session.scalar(select(func.count()).where(StandardDocument.standard_id == standard.id)) or 0
    if there + len(uploads) > MOST:
        raise RuleError(_("A standard has at most %(most)s scans.", most=MOST), field="documents")
    for upload in uploads:
        content = upload.stream.read(MOST_BYTES + 1)
        db.session.add(
            StandardDocument(
                institution_id=standard.institution_id,
                standard_id=standard.id,
                name=PurePath(upload.filename.replace("\\", "/")).name[-LONGEST_NAME:],
                kind=_kind(content),
                size=len(content),
                file=files.keep(content),
            )
        )
    db.session.flush()
    audit.record("add_documents", "measurement_standard", standard.id, str(standard), by=by, done=len(uploads))


def _kind(content: bytes) -> str:
    if len(content) > MOST_BYTES:
        raise RuleError(_("A scan has at most %(most)s MB.", most=MOST_BYTES // 2**20), field="documents")
    found = next((kind for beginning, kind in _BEGINNINGS.items() if content.startswith(beginning)), None)
    if found is None:
        raise RuleError(_("A scan is a PDF, a JPEG or a PNG."), field="documents")
    return found
