"""What there is to know of a task: the instrument as filed, its appointment, its history."""

from dataclasses import dataclass

from sqlalchemy import Row, select
from sqlalchemy.orm import aliased

from app import audit
from app.access import Principal
from app.models import Appointment, CatalogueItem, Event, Instrument, Organization, Region, Task, db

MOST_SIBLINGS = 200


@dataclass(frozen=True)
class Dossier:
    """A task with what belongs to it; names of what the reader may not see are None."""

    task: Task
    instrument: Instrument
    appointment: Appointment
    item: str
    kind: str
    region: str
    institution: str | None
    returned_by: str | None
    authority: str


def dossier(task_id: int) -> Dossier | None:
    """Everything known of a task, or None if the acting person does not see it."""
    kind, item = aliased(CatalogueItem), aliased(CatalogueItem)
    institution, previous, authority = aliased(Organization), aliased(Organization), aliased(Organization)
    found = db.session.execute(
        select(
            Task,
            Instrument,
            Appointment,
            item.name.label("item"),
            kind.name.label("kind"),
            Region.full_name.label("region"),
            institution.name.label("institution"),
            previous.name.label("returned_by"),
            authority.name.label("authority"),
        )
        .join(Instrument, Instrument.id == Task.instrument_id)
        .join(Appointment, Appointment.id == Task.appointment_id)
        .join(kind, kind.id == Task.catalogue_item_id)
        .join(item, item.id == kind.parent_id)
        .join(Region, Region.code == Task.region_code)
        .join(authority, authority.id == Task.authority_id)
        .outerjoin(institution, institution.id == Task.institution_id)
        .outerjoin(previous, previous.id == Task.previous_institution_id)
        .where(Task.id == task_id)
    ).one_or_none()
    return Dossier(*found) if found else None


def returns(task_id: int) -> list[tuple[Event, str | None]]:
    """退回追溯: every return of a task with the institution, in order."""
    steps = (
        select(Event, Organization.name)
        .outerjoin(Organization, Organization.id == Event.institution_id)
        .where(Event.subject == "task", Event.subject_id == task_id, Event.step == "return")
        .order_by(Event.at, Event.id)
    )
    return [(event, name) for event, name in db.session.execute(steps)]


def step(event_id: int) -> tuple[Event, str | None] | None:
    """A step of a task that the acting person sees, with the name of the institution concerned."""
    found = db.session.execute(
        select(Event, Organization.name)
        .outerjoin(Organization, Organization.id == Event.institution_id)
        .where(Event.id == event_id, Event.subject == "task")
    ).one_or_none()
    return (found[0], found[1]) if found else None


def siblings(task: Task) -> list[Row[int, str, str, str, str]]:
    """The other tasks of the same appointment: id, instrument, model, serial number, state."""
    others = (
        select(Task.id, Instrument.name, Instrument.model, Instrument.serial_no, Task.state)
        .join(Instrument, Instrument.id == Task.instrument_id)
        .where(Task.appointment_id == task.appointment_id, Task.id != task.id)
        .order_by(Task.id)
        .limit(MOST_SIBLINGS)
    )
    return list(db.session.execute(others))


def show_phone(task_id: int, by: Principal) -> str | None:
    """The telephone number of a task's appointment; that it was shown is recorded (个人信息保护法 Art 51)."""
    row = db.session.execute(
        select(Task, Appointment).join(Appointment, Appointment.id == Task.appointment_id).where(Task.id == task_id)
    ).one_or_none()
    if row is None:
        return None
    task, appointment = row
    db.session.add(
        Event(
            subject="appointment",
            subject_id=appointment.id,
            city_code=appointment.city_code,
            region_code=appointment.region_code,
            using_unit_id=appointment.using_unit_id,
            institution_id=task.institution_id,
            step="reveal",
            by_id=by.account_id,
            by_name=by.name,
            by_organization_id=by.organization_id,
            by_organization=by.organization,
        )
    )
    audit.record("reveal", "appointment", appointment.id, appointment.no, by=by, what="phone")
    return str(appointment.phone)
