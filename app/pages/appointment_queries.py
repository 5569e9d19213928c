"""预约单查询: the orders of the using units of one's area, how far they have got and how long they took."""

from typing import Any

from flask_babel import lazy_gettext as _l

from app.access import within
from app.domain import appointments, holidays, regions
from app.domain.appointments import FINISHED, UNDER_WAY, WITHOUT_RESULT
from app.fabkit.conditions import Conditions
from app.fabkit.filters import Begins, Choice, ContainsChinese, Dates, Search, Switch, in_large, in_own
from app.fabkit.formats import badge, day, label, moment
from app.fabkit.lists import Column, Source
from app.fabkit.pages import Show
from app.models import Appointment, Region, Task
from app.pages import appointments as appointment_pages
from app.pages.instruments import DELIVERIES
from app.pages.options import by_institution, by_item, by_region, by_unit
from app.pages.queries import QueryPage
from app.states import AT_INSTITUTION, DRAFT, TASK_LABELS

PROGRESS = {
    UNDER_WAY: _l("Under way"),
    FINISHED: _l("Finished"),
    WITHOUT_RESULT: _l("Ended without a result"),
}
LATE = {"late": _l("An institution is late")}


def _is_late(_value: str) -> Any:
    return appointments.has_task(Task.state.in_(sorted(AT_INSTITUTION)), Task.due_on < holidays.today())


class AppointmentQueries(QueryPage):
    """预约单查询."""

    route_base = "/queries/appointments"
    class_permission_name = "AppointmentQueries"
    reveals = True
    list_title = _l("Query of appointments")
    subtitle = _l("What using units of your area have applied for; drafts are not among it.")
    empty = _l("No appointment matches.")
    source = Source(
        Appointment,
        key=Appointment.applied_at,
        joins=((Region, Region.code == Appointment.region_code),),
        where=lambda: [appointments.is_submitted()],
        descending=True,
    )
    columns = (
        Column("progress", _l("State"), appointments.progress(), badge(PROGRESS), css="nowrap", fixed=True),
        Column("no", _l("Appointment no."), Appointment.no, css="nowrap", fixed=True),
        Column("applicant", _l("Applicant"), Appointment.applicant),
        Column("applied_at", _l("Applied at"), Appointment.applied_at, moment, css="nowrap", sortable=True),
        Column("tasks", _l("Instruments"), appointments.count(), css="number"),
        Column("open", _l("Not finished"), appointments.count_open(), css="number"),
        Column("institution", _l("Institution"), appointments.institutions()),
        Column("days", _l("Days taken"), appointments.days(), css="number"),
        Column("region", _l("Region"), Region.full_name),
        Column("delivery", _l("Delivery"), Appointment.delivery, label(DELIVERIES), css="nowrap"),
        Column("wished_on", _l("Wished date"), Appointment.wished_on, day, css="nowrap", hidden=True),
        Column("contact", _l("Contact"), Appointment.contact, hidden=True),
        Column("phone", _l("Telephone"), Appointment.phone, css="nowrap", hidden=True),
        Column("remark", _l("Remark"), Appointment.remark, css="wide", hidden=True),
    )
    filters = (
        by_region(lambda code: within(regions.prefix(code))(Appointment)),
        by_item(lambda kinds: appointments.has_task(Task.catalogue_item_id.in_(kinds))),
        by_unit(lambda id: Appointment.using_unit_id == id),
        by_institution(lambda id: appointments.has_task(Task.institution_id == id)),
        Switch("progress", _l("State"), None, PROGRESS, multiple=False, conditions=appointments.is_in),
        Switch("task", _l("State of an instrument"), None,
               {state: word for state, word in TASK_LABELS.items() if state != DRAFT}, multiple=False,
               conditions=lambda state: appointments.has_task(Task.state == state)),
        Switch("late", _l("Time limit"), None, LATE, multiple=False, conditions=_is_late),
        Choice("delivery", _l("Delivery"), Appointment.delivery, DELIVERIES, multiple=False),
        Conditions(Appointment, columns, "no applicant applied_at delivery wished_on remark"),
        Dates("applied", _l("Applied"), Appointment.applied_at),
        Dates("wished", _l("Wished date"), Appointment.wished_on, to_come=True),
    )  # fmt: skip
    search = Search(
        (
            in_own("no", _l("Appointment no."), Begins(Appointment.no)),
            in_large("applicant", _l("Applicant"), Appointment.id, ContainsChinese(Appointment.applicant)),
        ),
        placeholder=_l("Search"),
    )

    def details(self, row_id: int) -> Show | None:
        found = appointments.find_submitted(row_id)
        return appointment_pages.show(found) if found else None
