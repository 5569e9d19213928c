"""证书查验: who holds a certificate's number and its verification code learns whether it is genuine and in force."""

import hmac
from dataclasses import dataclass

from sqlalchemy import select

from app import finding
from app.access import EVERYTHING, seeing
from app.domain import certificates, holidays, scans
from app.domain.scans import PublicCertificate
from app.models import Certificate, db
from app.states import VALID
from app.texts import same

EXPIRED = "expired"
LONGEST_NO, LONGEST_CODE = 60, 40
# A number is unique at its institution only.
MOST_WITH_A_NUMBER = 100
_NO_CODE = "-" * 16

# What the signature of the document is worth.
NO_DOCUMENT, SOUND, UNKNOWN_SIGNER, BROKEN = "no_document", "sound", "unknown_signer", "broken"


@dataclass(frozen=True)
class Checked:
    """What a certificate is worth today: valid, expired, void or replaced; by which other one is not told."""

    state: str
    signature: str
    certificate: PublicCertificate


def check(no: str, code: str) -> Checked | None:
    """What the certificate with this number and code is worth, published or not; None if there is none.

    A wrong code is answered as an unknown number is, after the same work.
    """
    with seeing(EVERYTHING):
        found = _find(no, same(code))
        if found is None:
            return None
        shown = scans.certificate(found.id)
        return Checked(_state(found), _signature(found), shown) if shown else None


def _find(no: str, code: str) -> Certificate | None:
    named = select(Certificate.id, Certificate.code).where(finding.equals(Certificate.no, no)).limit(MOST_WITH_A_NUMBER)
    found = [(row.id, same(row.code)) for row in db.session.execute(named)] or [(0, _NO_CODE)]
    ids = [id for id, its_code in found if hmac.compare_digest(its_code.encode(), code.encode())]
    return db.session.get(Certificate, ids[0]) if ids else None


def _state(found: Certificate) -> str:
    expired = found.valid_until is not None and found.valid_until < holidays.today()
    return EXPIRED if found.state == VALID and expired else found.state


def _signature(found: Certificate) -> str:
    try:
        signature = certificates.signature(found)
    except FileNotFoundError:
        return NO_DOCUMENT
    if signature is None:
        return NO_DOCUMENT
    if not signature.intact:
        return BROKEN
    return SOUND if signature.trusted else UNKNOWN_SIGNER
