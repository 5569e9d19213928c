"""机构项目审核: what institutions at home in one's jurisdiction declare that they can verify, passed or rejected."""

from typing import Any

from flask import g
from flask_babel import gettext as _, lazy_gettext as _l
from markupsafe import Markup
from sqlalchemy import case

from app.domain import capabilities, institutions
from app.domain.capabilities import LACKS, LONGEST_REASON, SHORTEST_REASON
from app.fabkit.actions import Selection, form_action
from app.fabkit.formats import words_in_sheet
from app.fabkit.forms import Form, reason_field
from app.fabkit.lists import Column, Source
from app.fabkit.pages import ModelPage, Show
from app.models import Capability, Institution, MeasurementStandard, Organization
from app.pages import capabilities as capability_pages, outcomes
from app.pages.capabilities import Capabilities, Item, Kind
from app.pages.options import by_institution
from app.states import EFFECTIVE, PENDING

REASONS_TO_REJECT = (
    _l("The range or accuracy goes beyond the measurement standard."),
    _l("The regulation is not in force."),
    _l("The documents of the measurement standard are missing."),
)


class RejectForm(Form):
    reason = reason_field(_l("Reason for rejecting"), SHORTEST_REASON, LONGEST_REASON, REASONS_TO_REJECT)


_LACKING = case((Capability.state.in_((PENDING, EFFECTIVE)), capabilities.lacks()))


def warning(code: str | None) -> Any:
    return Markup('<span class="overdue">{}</span>').format(LACKS[code]) if code else ""


_OWN = {column.name: column for column in Capabilities.columns}


class CapabilityReviews(ModelPage):
    """机构项目审核."""

    route_base = "/capability-reviews"
    class_permission_name = "CapabilityReviews"
    list_title = _l("Review of capabilities")
    subtitle = _l("Those under review come first. Only what has passed takes effect.")
    empty = _l("No capability matches.")
    source = Source(
        Capability,
        key=Capability.id,
        joins=(
            (Kind, Kind.id == Capability.catalogue_item_id),
            (Item, Item.id == Kind.parent_id),
            (Organization, Organization.id == Capability.institution_id),
        ),
        outer_joins=(
            (MeasurementStandard, MeasurementStandard.id == Capability.standard_id),
            (Institution, Institution.organization_id == Capability.institution_id),
        ),
        where=lambda: [Capability.institution_id.in_(institutions.of_jurisdiction(g.principal))],
        first=lambda: Capability.state == PENDING,
        descending=True,
    )
    columns = (
        _OWN["state"],
        Column("institution", _l("Institution"), Organization.name, fixed=True),
        _OWN["kind"],
        _OWN["range"],
        _OWN["accuracy"],
        _OWN["regulation"],
        _OWN["standard"],
        Column("lacks", _l("Warning"), _LACKING, warning, sheet=lambda value: words_in_sheet(LACKS, value)),
        _OWN["delivery"],
        _OWN["places"],
        _OWN["valid_until"],
        _OWN["reason"],
    )
    extra = {"state": Capability.state}  # noqa: RUF012
    filters = (
        by_institution(lambda id: Capability.institution_id == id),
        *Capabilities.filters,
    )  # fmt: skip
    search = Capabilities.search

    def details(self, row_id: int) -> Show | None:
        return capability_pages.show(row_id)

    @form_action("pass", _l("Pass the review"), icon="check", style="primary", states=frozenset({PENDING}), judges=True)
    def pass_(self, selection: Selection, _form: Any) -> str:
        outcome = capabilities.pass_(selection.ids, g.principal)
        return outcomes.told(_("Passed %(done)s capabilities.", done=outcome.done), outcome)

    @form_action("reject", _l("Reject"), icon="ban", style="danger", form=RejectForm, states=frozenset({PENDING}),
                 judges=True)  # fmt: skip
    def reject(self, selection: Selection, form: RejectForm) -> str:
        outcome = capabilities.reject(selection.ids, form.reason.data or "", g.principal)
        return outcomes.told(_("Rejected %(done)s capabilities.", done=outcome.done), outcome)
