"""What there is to know of an instrument: as filed, its photos, its bookings, its certificates, its history."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import aliased

from app.models import (
    Appointment,
    CatalogueItem,
    Certificate,
    Instrument,
    Organization,
    Photo,
    Region,
    Task,
    db,
)

# How long before its day an instrument counts as due soon.
WARNED_BEFORE = timedelta(days=30)
MOST_SHOWN = 100


@dataclass(frozen=True)
class Particulars:
    """An instrument with the names of what it refers to."""

    instrument: Instrument
    item: str
    kind: str
    region: str
    using_unit: str | None


def particulars(instrument_id: int) -> Particulars | None:
    """An instrument as filed, or None if the acting person does not see it; so with the name of its using unit."""
    kind, item = aliased(CatalogueItem), aliased(CatalogueItem)
    found = db.session.execute(
        select(Instrument, item.name, kind.name, Region.full_name, Organization.name)
        .join(kind, kind.id == Instrument.catalogue_item_id)
        .join(item, item.id == kind.parent_id)
        .join(Region, Region.code == Instrument.region_code)
        .outerjoin(Organization, Organization.id == Instrument.using_unit_id)
        .where(Instrument.id == instrument_id)
    ).one_or_none()
    return Particulars(*found) if found else None


def photos(instrument_id: int) -> list[Photo]:
    return list(db.session.scalars(select(Photo).where(Photo.instrument_id == instrument_id).order_by(Photo.id)))


def bookings(instrument_id: int) -> list[Any]:
    """Its tasks that the reader sees, the newest first: id, number of the appointment, state, institution."""
    rows = (
        select(Task.id, Appointment.no, Task.state, Organization.name)
        .join(Appointment, Appointment.id == Task.appointment_id)
        .outerjoin(Organization, Organization.id == Task.institution_id)
        .where(Task.instrument_id == instrument_id)
        .order_by(Task.id.desc())
        .limit(MOST_SHOWN)
    )
    return list(db.session.execute(rows))


def certificates(instrument_id: int) -> list[Certificate]:
    """Its certificates and notices that the reader sees, the newest first."""
    found = select(Certificate).where(Certificate.instrument_id == instrument_id)
    return list(
        db.session.scalars(found.order_by(Certificate.verified_on.desc(), Certificate.id.desc()).limit(MOST_SHOWN))
    )
