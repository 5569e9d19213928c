"""追溯: the certificates that name a measurement standard, between two days; exported, and their parties told."""

from typing import Any

from flask import g
from flask_babel import lazy_gettext as _l, ngettext
from sqlalchemy import false

from app.access import within
from app.domain import regions, traces
from app.domain.traces import LONGEST_REASON, SHORTEST_REASON
from app.fabkit.actions import Selection, form_action
from app.fabkit.filters import Lookup, Search
from app.fabkit.forms import Form, reason_field
from app.fabkit.lists import Column, Source
from app.models import Appointment, Certificate, Instrument
from app.pages import certificates as certificate_pages
from app.pages.certificates import CertificatePage
from app.pages.options import by_region
from app.pages.publications import JOINS_WITH_UNIT


class TellForm(Form):
    reason = reason_field(
        _l("What they are told"),
        SHORTEST_REASON,
        LONGEST_REASON,
        (
            _l("A measurement standard used was found out of tolerance: please have the instrument verified again."),
            _l("A measurement standard used had no valid certificate: please have the instrument verified again."),
        ),
    )


class Traces(CertificatePage):
    """计量标准追溯."""

    route_base = "/traces"
    class_permission_name = "Traces"
    list_title = _l("Certificates that rest on a standard")
    subtitle = _l("Choose the standard and the days between which it was bad; its certificates can be exported.")
    empty = _l("Choose a measurement standard; none of its certificates lies between these days otherwise.")
    source = Source(Certificate, key=Certificate.verified_on, joins=JOINS_WITH_UNIT, descending=True)
    columns = (
        certificate_pages.STATE,
        certificate_pages.NO,
        certificate_pages.VERIFIED,
        certificate_pages.UNTIL,
        certificate_pages.NAME,
        certificate_pages.SERIAL,
        Column("using_unit", _l("Using unit"), Appointment.applicant, css="narrow"),
        Column("place", _l("Place of use"), Instrument.use_place),
        certificate_pages.INSTITUTION,
        certificate_pages.PASSED,
    )
    extra = {"state": Certificate.state}  # noqa: RUF012
    filters = (
        Lookup("standard", _l("Measurement standard"), traces.names, "/options/standards",
               lambda id: traces.title(id, g.principal), otherwise=false),
        certificate_pages.BY_VERIFIED,
        certificate_pages.BY_STATE,
        by_region(lambda code: within(regions.prefix(code))(Certificate)),
    )  # fmt: skip
    search = Search(certificate_pages.SEARCH_FIELDS, placeholder=_l("Search"))

    @form_action("tell", _l("Tell the parties"), icon="bell", style="primary", form=TellForm)
    def tell(self, selection: Selection, form: TellForm) -> Any:
        number = traces.tell(selection.ids, form.reason.data or "", g.principal)
        return ngettext("Told the parties of %(num)s certificate.", "Told the parties of %(num)s certificates.", number)
