"""扫码: what a printed QR code stands for. A code cannot be made up: it carries a seal of what it names."""

import hmac
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import select

from app import ciphers, outside
from app.access import EVERYTHING, Principal, seeing
from app.models import Appointment, CatalogueItem, Certificate, Instrument, Organization, Region, Task, UsingUnit, db
from app.texts import same

INSTRUMENT, CERTIFICATE, APPOINTMENT = "i", "c", "a"
_SEAL = 12  # hexadecimal digits: 48 bits
# Using units that bear a person's name.
PERSONS = ("person", "sole_trader")


def address(kind: str, id: int) -> str:
    """What the QR code of an instrument, a certificate or an appointment holds."""
    return outside.address(f"/s/{kind}{id}-{_seal(kind, id)}")


def read(code: str) -> tuple[str, int] | None:
    """The kind and the id that a code names; None for one that is not ours."""
    text = same(code)  # a scanner types like a keyboard: perhaps in full width or in capitals
    kind, number, seal = text[:1], text[1:-_SEAL], text[-_SEAL:]
    if kind not in (INSTRUMENT, CERTIFICATE, APPOINTMENT) or not (number.isdecimal() and number.isascii()):
        return None
    if len(number) > 18 or not hmac.compare_digest(_seal(kind, int(number)).encode(), seal.encode()):
        return None
    return kind, int(number)


def _seal(kind: str, id: int) -> str:
    return ciphers.seal(f"scan {kind} {id}")[:_SEAL]


# --- What everybody may see -----------------------------------------------------------------------


@dataclass(frozen=True)
class PublicInstrument:
    """Of an instrument what may be shown to everybody (政府信息公开条例 Art 15, 个人信息保护法 Art 25)."""

    name: str
    kind: str
    model: str
    serial_no: str
    using_unit: str
    county: str
    verification_state: str
    use_state: str
    last_verified_on: date | None
    valid_until: date | None


@dataclass(frozen=True)
class PublicCertificate:
    """Of a certificate what may be shown to whoever holds it."""

    no: str
    kind: str
    state: str
    institution: str
    verified_on: date
    valid_until: date | None
    passed: bool
    instrument: PublicInstrument


def instrument(instrument_id: int) -> PublicInstrument | None:
    """An instrument as the public sees it."""
    rows = (
        select(Instrument, CatalogueItem.name, Organization.name, UsingUnit.nature, Region.full_name)
        .join(CatalogueItem, CatalogueItem.id == Instrument.catalogue_item_id)
        .join(Organization, Organization.id == Instrument.using_unit_id)
        .outerjoin(UsingUnit, UsingUnit.organization_id == Organization.id)
        .join(Region, Region.code == Instrument.region_code)
        .where(Instrument.id == instrument_id)
    )
    with seeing(EVERYTHING):
        found = db.session.execute(rows).one_or_none()
    if found is None:
        return None
    row, kind, unit, nature, county = found
    return PublicInstrument(
        name=row.name,
        kind=kind,
        model=row.model,
        serial_no=masked(row.serial_no),
        using_unit=f"{unit[:1]}**" if nature in PERSONS else unit,
        county=county,
        verification_state=row.verification_state,
        use_state=row.use_state,
        last_verified_on=row.last_verified_on,
        valid_until=row.valid_until,
    )


def certificate(certificate_id: int) -> PublicCertificate | None:
    """A certificate as whoever holds it may see it."""
    rows = (
        select(Certificate, Organization.name)
        .join(Organization, Organization.id == Certificate.institution_id)
        .where(Certificate.id == certificate_id)
    )
    with seeing(EVERYTHING):
        found = db.session.execute(rows).one_or_none()
    of = instrument(found[0].instrument_id) if found else None
    if found is None or of is None:
        return None
    row, institution = found
    return PublicCertificate(
        no=row.no,
        kind=row.kind,
        state=row.state,
        institution=institution,
        verified_on=row.verified_on,
        valid_until=row.valid_until,
        passed=row.passed,
        instrument=of,
    )


def masked(serial_no: str) -> str:
    """A serial number of which only beginning and end can be read."""
    if len(serial_no) <= 4:
        return serial_no[:1] + "***"
    return serial_no[:2] + "***" + serial_no[-2:]


# --- Where it leads who works here ----------------------------------------------------------------


def task_of(kind: str, id: int, who: Principal) -> int | None:
    """The newest task behind a code that an institution sees."""
    if who.kind != "institution":
        return None
    column = {INSTRUMENT: Task.instrument_id, APPOINTMENT: Task.appointment_id}.get(kind)
    if column is None:
        return None
    newest: int | None = db.session.scalar(select(Task.id).where(column == id).order_by(Task.id.desc()).limit(1))
    return newest


def is_visible(kind: str, id: int) -> bool:
    """Whether the acting person sees the row itself."""
    model: Any = {INSTRUMENT: Instrument, CERTIFICATE: Certificate, APPOINTMENT: Appointment}[kind]
    return db.session.scalar(select(model.id).where(model.id == id)) is not None
