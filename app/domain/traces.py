"""追溯: which certificates rest on a measurement standard that was found bad, and who must hear of it (细则 Art 27)."""

from typing import Any

from sqlalchemy import ColumnElement, and_, exists, func, literal, select

from app import access, audit
from app.access import Principal
from app.domain import capabilities, notifications, reasons, standards
from app.models import Appointment, Capability, Certificate, Instrument, MeasurementStandard, Task, db
from app.states import AT_INSTITUTION, EFFECTIVE, EXPIRED, VALID
from app.workflow import Chosen, how_many, is_chosen

SHORTEST_REASON, LONGEST_REASON = 4, 500
MOST_TASKS, MOST_CERTIFICATES = 50, 10_000


def names(standard_id: int) -> ColumnElement[bool]:
    """The condition that a certificate names a standard among those used."""
    found: ColumnElement[bool] = Certificate.standards.contains([{"id": standard_id}])
    return found


def title(standard_id: int, by: Principal) -> str | None:
    """A standard of one's jurisdiction by its name and number; None if there is none."""
    found = standards.find(standard_id, by)
    return str(found) if found else None


def open_tasks(standard: MeasurementStandard) -> list[Any]:
    """Tasks that lie with the institution of a standard and need it, the earliest deadline first; at most fifty.

    (id, state, due_on, no, applicant, name, serial_no)
    """
    needed = exists().where(
        Capability.standard_id == standard.id,
        Capability.state.in_((EFFECTIVE, EXPIRED)),
        capabilities.covers_instrument(),
    )
    rows = (
        select(Task.id, Task.state, Task.due_on, Appointment.no, Appointment.applicant, Instrument.name,
               Instrument.serial_no)
        .join(Instrument, and_(Instrument.id == Task.instrument_id, Instrument.city_code == Task.city_code))
        .join(Appointment, and_(Appointment.id == Task.appointment_id, Appointment.city_code == Task.city_code))
        .where(Task.institution_id == standard.institution_id, Task.state.in_(sorted(AT_INSTITUTION)), needed)
        .order_by(Task.due_on, Task.id)
    )  # fmt: skip
    return list(db.session.execute(rows.limit(MOST_TASKS)))


def certificates_in_force(standard_id: int) -> int:
    """How many certificates in force name a standard; at most 10,001 are counted."""
    some = select(literal(1)).select_from(Certificate).where(names(standard_id), Certificate.state == VALID)
    return db.session.scalar(select(func.count()).select_from(some.limit(MOST_CERTIFICATES + 1).subquery())) or 0


def tell(chosen: Chosen, reason: str, by: Principal) -> int:
    """通知: the using units and the institutions of certificates hear what is wrong. Gives how many certificates."""
    text = reasons.checked(reason, shortest=SHORTEST_REASON, longest=LONGEST_REASON)
    for party in ("using_unit", "institution"):
        notifications.remind(_concerned(chosen, party, by), "standard_failed", "certificate", party, reason=text)
    number = how_many(chosen)
    audit.record("tell", "certificate", by=by, done=number, reason=text)
    return number


def _concerned(chosen: Chosen, party: str, by: Principal) -> Any:
    column = {"using_unit": Certificate.using_unit_id, "institution": Certificate.institution_id}[party]
    rows = select(column.label("organization_id"), Certificate.id).where(is_chosen(Certificate.id, chosen))
    return access.visible(rows, Certificate, who=by)
