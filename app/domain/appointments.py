"""预约单: what there is to know of an order of a using unit."""

from itertools import groupby
from typing import Any

from sqlalchemy import ColumnElement, Integer, case, cast, func, literal, select

from app.models import Appointment, Institution, Instrument, Organization, Task, db
from app.states import CERTIFIED, DRAFT, OPEN, WITHDRAWN

UNDER_WAY, FINISHED, WITHOUT_RESULT = "under_way", "finished", "without_result"


def find(appointment_id: int) -> Appointment | None:
    """An order that the acting person sees."""
    found: Appointment | None = db.session.get(Appointment, appointment_id)
    return found


def find_submitted(appointment_id: int) -> Appointment | None:
    """An order that the acting person sees and that is more than a draft."""
    submitted = select(Appointment).where(Appointment.id == appointment_id, is_submitted())
    found: Appointment | None = db.session.scalar(submitted)
    return found


def count() -> Any:
    """SQL, for an order: how many instruments it is for."""
    return select(func.count()).where(Task.appointment_id == Appointment.id).scalar_subquery()


def count_open() -> Any:
    """SQL, for an order: how many of its instruments are not finished."""
    unfinished = Task.state.in_(sorted(OPEN | {DRAFT}))
    return select(func.count()).where(Task.appointment_id == Appointment.id, unfinished).scalar_subquery()


def has_task(*conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    """The condition that an order has such a task. As a value it is looked up order by order, not table by table."""
    found = select(literal(True)).where(Task.appointment_id == Appointment.id, *conditions).limit(1)
    return found.correlate(Appointment).scalar_subquery().is_not(None)


def is_submitted() -> ColumnElement[bool]:
    """The condition that an order is more than a draft of its using unit."""
    return has_task(Task.state != DRAFT)


def is_under_way() -> ColumnElement[bool]:
    """The condition that something of an order is not finished."""
    return has_task(Task.state.in_(sorted(OPEN | {DRAFT})))


def progress() -> Any:
    """SQL, for an order: under way, finished with at least one result, or ended without any."""
    return case((is_under_way(), UNDER_WAY), (has_task(Task.state == CERTIFIED), FINISHED), else_=WITHOUT_RESULT)


def is_in(value: str) -> ColumnElement[bool]:
    """The condition that an order has got so far."""
    if value == UNDER_WAY:
        return is_under_way()
    certified = has_task(Task.state == CERTIFIED)
    return ~is_under_way() & (certified if value == FINISHED else ~certified)


def institutions() -> Any:
    """SQL, for an order: the names of the institutions that its instruments go to."""
    names = func.string_agg(func.distinct(Organization.name), "、")
    own = select(names).select_from(Task).join(Organization, Organization.id == Task.institution_id)
    return own.where(Task.appointment_id == Appointment.id).correlate(Appointment).scalar_subquery()


def days() -> Any:
    """SQL, for an order: the days from its application to its last certificate, or until now."""
    last = select(func.max(Task.finished_at)).where(Task.appointment_id == Appointment.id)
    end = case((is_under_way(), func.now()), else_=last.correlate(Appointment).scalar_subquery())
    return cast(func.date_part("day", end - Appointment.applied_at), Integer)


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
