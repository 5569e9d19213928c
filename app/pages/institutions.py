"""计量检定机构信息: the institutions at home in one's jurisdiction, shown to everybody with what they can verify."""

from typing import Any

from flask import abort, g
from flask_babel import gettext as _, lazy_gettext as _l

from app.domain import institutions, local_institutions, publications, regions
from app.fabkit.actions import Selection, form_action, page_action, show_action
from app.fabkit.filters import Choice, ContainsChinese, Search, in_own
from app.fabkit.formats import badge, due, label, mask_name, moment, office_phone
from app.fabkit.lists import Column, Source
from app.fabkit.pages import ModelPage, Section, Show
from app.models import Capability, Institution, Organization, Region
from app.pages import outcomes
from app.pages.options import by_region
from app.pages.organizations import DESIGNATIONS, LEVELS
from app.pages.publications import PUBLICATION_STYLES, RevokeForm, told
from app.states import EFFECTIVE, PENDING, PUBLICATION_LABELS, PUBLISHED, UNPUBLISHED


def _capabilities(state: str) -> Any:
    return local_institutions.count(Capability, Capability.state == state)


class Institutions(ModelPage):
    """计量检定机构信息."""

    route_base = "/institutions"
    class_permission_name = "Institutions"
    list_title = _l("Information on institutions")
    subtitle = _l("Published institutions are shown to everybody with their effective capabilities.")
    empty = _l("There is no institution in your jurisdiction.")
    source = Source(
        Organization,
        key=Organization.id,
        joins=(
            (Institution, Institution.organization_id == Organization.id),
            (Region, Region.code == Organization.region_code),
        ),
        where=lambda: [Organization.kind == "institution", institutions.at_home(g.principal)],
    )
    columns = (
        Column("publication", _l("Publication"), Institution.publication, badge(PUBLICATION_LABELS), css="nowrap",
               fixed=True),
        Column("name", _l("Institution"), Organization.name, fixed=True),
        Column("designation", _l("Designation"), Institution.designation, label(DESIGNATIONS), css="nowrap"),
        Column("level", _l("Level"), Organization.level, label(LEVELS), css="nowrap"),
        Column("region", _l("Region"), Region.full_name),
        Column("effective", _l("Effective capabilities"), _capabilities(EFFECTIVE), css="number"),
        Column("pending", _l("Capabilities under review"), _capabilities(PENDING), css="number"),
        Column("authorization_no", _l("Authorization no."), Institution.authorization_no, css="nowrap"),
        Column("authorized_until", _l("Authorized until"), Institution.authorized_until, due(near=180), css="nowrap"),
        Column("published_at", _l("Published at"), Institution.published_at, moment, css="nowrap"),
        Column("contact", _l("Contact"), Institution.contact, masked=mask_name, hidden=True),
        Column("phone", _l("Telephone"), Institution.phone, css="nowrap", masked=office_phone, hidden=True),
        Column("address", _l("Address"), Institution.address, hidden=True),
    )  # fmt: skip
    extra = {"state": Institution.publication}  # noqa: RUF012
    filters = (
        Choice("publication", _l("Publication"), institutions.publication(), PUBLICATION_LABELS, multiple=False),
        Choice("level", _l("Level"), Organization.level, LEVELS),
        by_region(lambda code: Organization.region_code.startswith(regions.prefix(code))),
    )
    search = Search((in_own("name", _l("Institution"), ContainsChinese(Organization.name)),), placeholder=_l("Search"))

    def details(self, row_id: int) -> Show | None:
        found = institutions.particulars(row_id, g.principal)
        if found is None:
            return None
        house, home, region = found
        facts = [
            (_l("Institution"), home.name),
            (_l("Credit code"), home.credit_code),
            (_l("Designation"), label(DESIGNATIONS)(house.designation)),
            (_l("Level"), label(LEVELS)(home.level)),
            (_l("Region"), region),
            (_l("Authorization no."), house.authorization_no),
            (_l("Authorized by"), house.authorized_by),
            (_l("Authorized until"), due(near=180)(house.authorized_until)),
            (_l("Contact"), house.contact),
            (_l("Telephone"), house.phone),
            (_l("Address"), house.address),
            (_l("Mean days"), house.mean_days),
            (_l("Published at"), moment(house.published_at)),
        ]
        return Show(
            id=home.id,
            title=home.name,
            state=house.publication,
            state_badge=badge(PUBLICATION_LABELS)(house.publication),
            sections=[Section("", facts)],
            timeline=outcomes.timeline("institution", row_id, PUBLICATION_LABELS, PUBLICATION_STYLES),
        )

    @form_action("publish", _l("Publish"), icon="world", style="primary", states=frozenset({UNPUBLISHED}))
    def publish(self, selection: Selection, _form: Any) -> str:
        outcome = publications.publish_institutions(selection.ids, g.principal)
        return told(_("Published %(done)s institutions.", done=outcome.done), outcome)

    @form_action("revoke", _l("Revoke publication"), icon="world-off", style="danger", form=RevokeForm,
                 states=frozenset({PUBLISHED}))  # fmt: skip
    def revoke(self, selection: Selection, form: RevokeForm) -> str:
        outcome = publications.revoke_institutions(selection.ids, form.reason.data or "", g.principal)
        return told(_("Revoked the publication of %(done)s institutions.", done=outcome.done), outcome)

    @page_action("capabilities", _l("Capabilities"), icon="rosette-discount-check", permission="can_show")
    def capabilities(self, row_id: int) -> str:
        if institutions.particulars(row_id, g.principal) is None:
            abort(404)
        return f"/capability-reviews/?institution={row_id}"

    @show_action("details", _l("Institution details"), icon="info-circle", template="show_dialog.html", size="lg")
    def all_details(self, row_id: int) -> dict[str, Any]:
        return {"show": self.details(row_id) or abort(404)}
