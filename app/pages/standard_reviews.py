"""社公标审核: what authorities are to examine by law, with what changes beside what is in force (细则 Art 8)."""

from typing import Any

from flask import g
from flask_babel import gettext as _, lazy_gettext as _l

from app.domain import standards
from app.domain.standards import LONGEST_REASON, SHORTEST_REASON
from app.fabkit.actions import Selection, form_action
from app.fabkit.forms import Form, reason_field
from app.fabkit.lists import Column, Source
from app.fabkit.pages import ModelPage, Show
from app.models import MeasurementStandard, Organization
from app.pages import standards as standard_pages
from app.pages.options import by_institution
from app.pages.standards import Standards, told
from app.states import SUBMITTED


class SendBackForm(Form):
    reason = reason_field(
        _l("Reason for not passing"),
        SHORTEST_REASON,
        LONGEST_REASON,
        (
            _l("The measuring range differs from the examination certificate."),
            _l("A certificate has expired."),
            _l("The scans are missing or cannot be read."),
        ),
    )


_OF_ENTRY = {column.name: column for column in Standards.columns}


def _is_change(value: Any) -> Any:
    return _("A change") if value else _("New")


class StandardReviews(ModelPage):
    """社公标审核."""

    route_base = "/standard-reviews"
    class_permission_name = "StandardReviews"
    list_title = _l("Review of measurement standards")
    subtitle = _l(
        "The next higher authority reviews the highest, the local one all others; nobody reviews an own entry."
    )
    empty = _l("No measurement standard waits for your review.")
    source = Source(
        MeasurementStandard,
        key=MeasurementStandard.id,
        joins=((Organization, Organization.id == MeasurementStandard.institution_id),),
        where=lambda: [MeasurementStandard.state == SUBMITTED, standards.reviewed_by(g.principal)],
    )
    columns = (
        Column("what", _l("What"), MeasurementStandard.replaces_id, _is_change, css="nowrap", fixed=True),
        *(_OF_ENTRY[name] for name in ("name", "institution", "code", "rank", "measuring_range", "uncertainty",
                                       "certificate_no", "valid_until", "public_certificate_no", "public_valid_until")),
    )  # fmt: skip
    extra = {"state": MeasurementStandard.state}  # noqa: RUF012
    filters = (by_institution(lambda id: MeasurementStandard.institution_id == id),)
    search = Standards.search

    def details(self, row_id: int) -> Show | None:
        found = standards.to_review(row_id, g.principal)
        return standard_pages.show(found) if found else None

    @form_action(
        "pass", _l("Pass the review"), icon="check", style="primary", states=frozenset({SUBMITTED}), judges=True
    )
    def pass_(self, selection: Selection, _form: Any) -> str:
        outcome = standards.pass_(selection.ids, g.principal)
        return told(_("Passed %(done)s measurement standards.", done=outcome.done), outcome)

    @form_action("send_back", _l("Do not pass"), icon="ban", style="danger", form=SendBackForm,
                 states=frozenset({SUBMITTED}), judges=True)  # fmt: skip
    def send_back(self, selection: Selection, form: SendBackForm) -> str:
        outcome = standards.send_back(selection.ids, form.reason.data or "", g.principal)
        return told(_("Did not pass %(done)s measurement standards.", done=outcome.done), outcome)
