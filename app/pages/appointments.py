"""预约单: the orders of a using unit, and the slip that goes with the instruments."""

from typing import Any

import segno
from flask import abort, render_template, url_for
from flask_appbuilder import expose
from flask_babel import lazy_gettext as _l

from app.domain import appointments, scans
from app.fabkit.actions import page_action
from app.fabkit.filters import Begins, Dates, Search, in_own
from app.fabkit.formats import badge, day, label, moment
from app.fabkit.lists import Column, Source
from app.fabkit.pages import ModelPage, Section, Show, Table
from app.fabkit.security import permitted
from app.models import Appointment, Region
from app.pages.instruments import DELIVERIES
from app.states import TASK_LABELS


def show(found: Appointment) -> Show:
    """Everything about an order, its instruments with their institutions."""
    heads = [_l("Instrument"), _l("Model"), _l("Serial no."), _l("State"), _l("Institution")]
    rows = [
        [row.name, row.model, row.serial_no, badge(TASK_LABELS)(row.state), row.institution or ""]
        for row in appointments.lines(found.id)
    ]
    facts = [
        (_l("Appointment no."), found.no),
        (_l("Applied at"), moment(found.applied_at)),
        (_l("Applicant"), found.applicant),
        (_l("Contact"), found.contact),
        (_l("Telephone"), found.phone),
        (_l("Delivery"), label(DELIVERIES)(found.delivery)),
        (_l("Wished date"), day(found.wished_on)),
        (_l("Remark"), found.remark),
    ]
    return Show(
        id=found.id,
        title=found.no,
        sections=[Section(_l("Appointment"), facts)],
        tables=[Table(_l("Instruments"), heads, rows)],
    )


class Appointments(ModelPage):
    """预约单."""

    route_base = "/appointments"
    class_permission_name = "Appointments"
    has_own_telephones = True
    list_title = _l("Appointments")
    subtitle = _l("Print the slip and send it along with the instruments.")
    empty = _l("You have not booked a verification yet.")
    source = Source(
        Appointment, key=Appointment.applied_at, joins=((Region, Region.code == Appointment.region_code),),
        descending=True,
    )  # fmt: skip
    columns = (
        Column("no", _l("Appointment no."), Appointment.no, css="nowrap", fixed=True),
        Column("applied_at", _l("Applied at"), Appointment.applied_at, moment, css="nowrap"),
        Column("region", _l("Region"), Region.full_name),
        Column("tasks", _l("Instruments"), appointments.count(), css="number"),
        Column("open", _l("Not finished"), appointments.count_open(), css="number"),
        Column(
            "delivery",
            _l("Delivery"),
            Appointment.delivery,
            label(DELIVERIES),
            css="nowrap",
        ),
        Column("wished_on", _l("Wished date"), Appointment.wished_on, day, css="nowrap"),
        Column("contact", _l("Contact"), Appointment.contact),
        Column("remark", _l("Remark"), Appointment.remark, css="wide"),
    )
    filters = (Dates("applied", _l("Applied"), Appointment.applied_at),)
    search = Search((in_own("no", _l("Appointment no."), Begins(Appointment.no)),), placeholder=_l("Search"))

    def details(self, row_id: int) -> Show | None:
        found = appointments.find(row_id)
        return show(found) if found else None

    @page_action("print", _l("Print the slip"), icon="printer", permission="can_print")
    def print_slip(self, row_id: int) -> str:
        return url_for(f"{type(self).__name__}.slip", pk=row_id)

    @expose("/slip/<pk>", methods=["GET"])
    @permitted("print")
    def slip(self, pk: str) -> Any:
        """预约送检单: printed, it goes with the instruments; the institution scans it."""
        found = appointments.find(self.listed_id(pk)) or abort(404)
        code = segno.make(scans.address(scans.APPOINTMENT, found.id), error="m")
        return render_template(
            "appointments/slip.html",
            order=found,
            places=appointments.places(found.id),
            delivery=DELIVERIES[found.delivery],
            applied_at=moment(found.applied_at),
            code=code.svg_data_uri(scale=3, border=2),
        )
