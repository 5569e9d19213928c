"""What the three parties' task lists have in common: columns, search, filters, and everything about one task."""

from typing import Any

from flask import g
from flask_babel import lazy_gettext as _l
from sqlalchemy import Integer, and_, case, cast, func
from sqlalchemy.orm import aliased

from app.access import within
from app.domain import regions, tasks
from app.domain.tasks import Dossier
from app.fabkit.filters import (
    Begins,
    Choice,
    Contains,
    ContainsChinese,
    Dates,
    Search,
    SearchField,
    among,
)
from app.fabkit.formats import (
    badge,
    day,
    days_waiting,
    due,
    label,
    moment,
)
from app.fabkit.lists import Column
from app.fabkit.pages import ModelPage, Section, Show, Table
from app.models import Appointment, CatalogueItem, Instrument, Organization, Region, Task
from app.pages import outcomes
from app.pages.instruments import DELIVERIES, ORIGINS, PURPOSES
from app.pages.options import by_item, by_region
from app.states import AT_INSTITUTION, TASK_LABELS, USE_LABELS, VERIFICATION_LABELS
from app.workflow import Outcome

Kind = aliased(CatalogueItem, name="kind")
Item = aliased(CatalogueItem, name="item")
Receiver = aliased(Organization, name="receiver")

JOINS = (
    (Appointment, and_(Appointment.id == Task.appointment_id, Appointment.city_code == Task.city_code)),
    (Instrument, and_(Instrument.id == Task.instrument_id, Instrument.city_code == Task.city_code)),
    (Kind, Kind.id == Task.catalogue_item_id),
    (Item, Item.id == Kind.parent_id),
    (Region, Region.code == Task.region_code),
)
RECEIVER = ((Receiver, Receiver.id == Task.institution_id),)

_AGE = cast(func.date_part("day", func.now() - Task.applied_at), Integer)


def _from_here(place: str) -> str:
    """An address without the beginning that all in the reader's own area share."""
    return place.removeprefix(g.principal.place)


STATE = Column(
    "state",
    _l("State"),
    Task.state,
    badge(TASK_LABELS),
    fixed=True,
)
NO = Column("no", _l("Appointment no."), Appointment.no, css="nowrap")
NAME = Column("name", _l("Instrument"), Instrument.name, fixed=True)
ITEM = Column("item", _l("Category"), Item.name, css="narrow")
KIND = Column("kind", _l("Kind"), Kind.name, css="narrow")
MODEL = Column("model", _l("Model"), Instrument.model)
SERIAL = Column("serial_no", _l("Serial no."), Instrument.serial_no, css="nowrap")
RANGE = Column("range", _l("Measuring range"), Instrument.measuring_range)
ACCURACY = Column("accuracy", _l("Accuracy class"), Instrument.accuracy_class)
MANUFACTURER = Column("manufacturer", _l("Manufacturer"), Instrument.manufacturer)
APPLICANT = Column("applicant", _l("Applicant"), Appointment.applicant, css="narrow")
PLACE = Column("place", _l("Place of use"), Instrument.use_place, _from_here)
REGION = Column("region", _l("Region"), Region.full_name)
APPLIED = Column("applied_at", _l("Applied at"), Task.applied_at, moment, css="nowrap", sortable=True)
DELIVERY = Column(
    "delivery",
    _l("Delivery"),
    Task.delivery,
    label(DELIVERIES),
    css="nowrap",
)
WAITING = Column("waiting", _l("Days waiting"), _AGE, days_waiting(amber=10, red=20), css="number")
# What is finished has no day to be late for.
DUE_ON = case((Task.state.in_(sorted(AT_INSTITUTION)), Task.due_on))
DUE = Column("due_on", _l("Due on"), DUE_ON, due(near=2), css="nowrap")
PLANNED = Column("planned_on", _l("Planned for"), Task.planned_on, day, css="nowrap")
RECEIVED = Column("received_at", _l("Received at"), Task.received_at, moment, css="nowrap")
INSTITUTION = Column("institution", _l("Institution"), Receiver.name)
REASON = Column("reason", _l("Reason"), Task.reason, css="wide")


def _in_instrument(name: str, label: Any, text: Contains, shortest: int = 2) -> SearchField:
    return SearchField(name, label, lambda term: among(Task.instrument_id, Instrument.id, text, term), shortest)


def _in_appointment(name: str, label: Any, text: Contains, shortest: int = 2) -> SearchField:
    return SearchField(name, label, lambda term: among(Task.appointment_id, Appointment.id, text, term), shortest)


SEARCH = Search(
    (
        _in_instrument("serial", _l("Serial no."), Contains(Instrument.serial_no), shortest=3),
        _in_instrument("name", _l("Instrument"), ContainsChinese(Instrument.name)),
        _in_appointment("no", _l("Appointment no."), Begins(Appointment.no), shortest=4),
        _in_appointment("applicant", _l("Applicant"), ContainsChinese(Appointment.applicant)),
    ),
    placeholder=_l("Search"),
)
BY_REGION = by_region(lambda code: within(regions.prefix(code))(Task))
BY_ITEM = by_item(lambda kinds: Task.catalogue_item_id.in_(kinds))
BY_DELIVERY = Choice("delivery", _l("Delivery"), Task.delivery, DELIVERIES, multiple=False)
BY_APPLIED = Dates("applied", _l("Applied"), Task.applied_at)


def told(done: str, outcome: Outcome) -> str:
    """Both numbers: what was done, and what was left because it had moved or is for another desk."""
    return outcomes.told(done, outcome, _LEFT)


_LEFT = _l("%(number)s were left as they were: their state or desk has changed.")


class TaskPage(ModelPage):
    """A list of tasks: every row opens to everything about it."""

    extra = {"state": Task.state}  # noqa: RUF012
    search = SEARCH

    def details(self, row_id: int) -> Show | None:
        return show(row_id)

    def reveal_phone(self, row_id: int) -> str | None:
        return tasks.show_phone(row_id, g.principal)


# --- One task ------------------------------------------------------------------------------------


def show(task_id: int) -> Show | None:
    """A task with its instrument, appointment and history; None if it is not there for this person."""
    found = tasks.dossier(task_id)
    if found is None:
        return None
    return Show(
        id=found.task.id,
        title=f"{found.instrument.name} {found.instrument.serial_no}",
        state=found.task.state,
        state_badge=badge(TASK_LABELS)(found.task.state),
        sections=[_task_section(found), instrument_section(found), appointment_section(found)],
        tables=[siblings_table(found)],
        timeline=outcomes.timeline("task", task_id, TASK_LABELS, _STYLES),
    )


def _task_section(found: Dossier) -> Section:
    task = found.task
    fields = [
        (_l("Applied at"), moment(task.applied_at)),
        (_l("In this state since"), moment(task.state_since)),
        (_l("At the desk of"), found.authority),
        (_l("Institution"), found.institution),
        (_l("Returned by"), found.returned_by if task.state == "returned" else None),
        (_l("Reason"), task.reason),
        (_l("Delivery"), label(DELIVERIES)(task.delivery)),
        (_l("Planned for"), day(task.planned_on)),
        (_l("Received at"), moment(task.received_at)),
        (_l("Due on"), due(near=2)(task.due_on) if task.state in AT_INSTITUTION else None),
    ]
    return Section(_l("Task"), [(name, value) for name, value in fields if value])


def instrument_section(found: Dossier) -> Section:
    instrument = found.instrument
    return Section(
        _l("Instrument as filed"),
        [
            (_l("Instrument no."), instrument.instrument_no),
            (_l("Instrument"), instrument.name),
            (_l("Category"), found.item),
            (_l("Kind"), found.kind),
            (_l("Model"), instrument.model),
            (_l("Serial no."), instrument.serial_no),
            (_l("Measuring range"), instrument.measuring_range),
            (_l("Accuracy class"), instrument.accuracy_class),
            (_l("Manufacturer"), instrument.manufacturer),
            (_l("Origin"), label(ORIGINS)(instrument.origin)),
            (_l("Using unit"), found.appointment.applicant),
            (_l("Region of use"), found.region),
            (_l("Place of use"), instrument.use_place),
            (_l("Purpose"), label(PURPOSES)(instrument.purpose)),
            (_l("Type approval no."), instrument.type_approval_no),
            (_l("In use since"), day(instrument.started_on)),
            (_l("Verification cycle (months)"), instrument.cycle_months),
            (_l("Last verified on"), day(instrument.last_verified_on)),
            (_l("Valid until"), day(instrument.valid_until)),
            (_l("Use"), label(USE_LABELS)(instrument.use_state)),
            (_l("Verification"), label(VERIFICATION_LABELS)(instrument.verification_state)),
        ],
    )


def appointment_section(found: Dossier) -> Section:
    appointment = found.appointment
    return Section(
        _l("Appointment"),
        [
            (_l("Appointment no."), appointment.no),
            (_l("Applied at"), moment(appointment.applied_at)),
            (_l("Applicant"), appointment.applicant),
            (_l("Contact"), appointment.contact),
            (_l("Telephone"), appointment.phone),
            (_l("Wished date"), day(appointment.wished_on)),
            (_l("Remark"), appointment.remark),
        ],
    )


def siblings_table(found: Dossier) -> Table:
    rows: list[list[Any]] = [
        [row.name, row.model, row.serial_no, badge(TASK_LABELS)(row.state)] for row in tasks.siblings(found.task)
    ]
    heads = [_l("Instrument"), _l("Model"), _l("Serial no."), _l("State")]
    return Table(_l("Other tasks of the appointment"), heads, rows, _l("This is the only one."))


_STYLES = {
    "return": "warning",
    "refuse": "danger",
    "escalate": "warning",
    "approve": "success",
    "time_out": "warning",
}
