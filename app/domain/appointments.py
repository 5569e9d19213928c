"""预约单: what there is to know of an order of a using unit."""

from itertools import groupby
from typing import Any

from sqlalchemy import func, select

from app.models import Appointment, Institution, Instrument, Organization, Task, db
from app.states import DRAFT, OPEN, WITHDRAWN


def find(appointment_id: int) -> Appointment | None:
    """An order that the acting person sees."""
    found: Appointment | None = db.session.get(Appointment, appointment_id)
    return found


def count() -> Any:
    """SQL, for an order: how many instruments it is for."""
    return select(func.count()).where(Task.appointment_id == Appointment.id).scalar_subquery()


def count_open() -> Any:
    """SQL, for an order: how many of its instruments are not finished."""
    unfinished = Task.state.in_(sorted(OPEN | {DRAFT}))
    return select(func.count()).where(Task.appointment_id == Appointment.id, unfinished).scalar_subquery()


def lines(appointment_id: int) -> list[Any]:
    """The instruments of an order with the state of each and the institution it goes to."""
    rows = (
        select(
            Instrument.name,
            Instrument.model,
            Instrument.serial_no,
            Instrument.manufacturer,
            Task.state,
            Task.institution_id,
            Task.planned_on,
            Organization.name.label("institution"),
        )
        .join_from(Task, Instrument, Instrument.id == Task.instrument_id)
        .outerjoin(Organization, Organization.id == Task.institution_id)
        .where(Task.appointment_id == appointment_id, Task.state != WITHDRAWN)
        .order_by(Organization.name.nulls_last(), Task.institution_id, Task.id)
    )
    return list(db.session.execute(rows))


def places(appointment_id: int) -> list[tuple[Any, list[Any]]]:
    """The institutions of an order, each with its address and the instruments that go there; None for nowhere yet."""
    found = []
    for institution_id, rows in groupby(lines(appointment_id), key=lambda row: row.institution_id):
        house = db.session.get(Institution, institution_id) if institution_id else None
        found.append((house, list(rows)))
    return found
