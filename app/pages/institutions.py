"""计量检定机构信息: the institutions at home in one's jurisdiction, shown to everybody with what they can verify."""

from collections.abc import Collection
from typing import Any

from flask import abort, g, request
from flask_babel import gettext as _, lazy_gettext as _l
from wtforms.validators import Length

from app.domain import capabilities, institutions, local_institutions, publications, regions
from app.domain.capabilities import LONGEST_REASON
from app.domain.instruments import WARNED_BEFORE
from app.domain.ledger import range_text
from app.fabkit.actions import Selection, form_action, show_action
from app.fabkit.filters import Choice, ContainsChinese, Search, in_own, is_number
from app.fabkit.formats import badge, due, label, moment
from app.fabkit.forms import Form, SuggestingTextArea, trimmed
from app.fabkit.lists import Column, Source
from app.fabkit.pages import ModelPage, Section, Show
from app.fabkit.security import is_permitted, require
from app.models import Capability, Institution, Organization, Region
from app.pages import outcomes
from app.pages.capability_reviews import REASONS_TO_REJECT, warning
from app.pages.options import by_region
from app.pages.organizations import DESIGNATIONS, FACTS, LEVELS
from app.pages.publications import PUBLICATION_STYLES, RevokeForm, told
from app.states import CAPABILITY_LABELS, EFFECTIVE, PENDING, PUBLICATION_LABELS, PUBLISHED, UNPUBLISHED


def _capabilities(state: str) -> Any:
    return local_institutions.count(Capability, Capability.state == state)


REVIEWS = "CapabilityReviews"
DECISIONS = {"pass": _l("Pass the review"), "reject": _l("Reject")}


class ReviewForm(Form):
    """Which capabilities of an institution are passed or rejected, and why they are rejected."""

    reason = SuggestingTextArea(
        _l("Reason for rejecting"),
        validators=[Length(max=LONGEST_REASON)],
        suggestions=REASONS_TO_REJECT,
        filters=[trimmed],
    )

    def chosen(self) -> dict[int, int]:
        """The ids of the ticked capabilities, with the revisions that the person has looked at."""
        ticked = (each.partition(":") for each in request.form.getlist("capability"))
        return {int(id): int(revision) for id, _colon, revision in ticked if is_number(id) and is_number(revision)}


def _declared(each: capabilities.Declared, chosen: Collection[int]) -> dict[str, Any]:
    found = each.capability
    return {
        "id": found.id,
        "revision": found.revision,
        "pending": found.state == PENDING,
        "chosen": found.id in chosen,
        "cells": [
            (_("State"), badge(CAPABILITY_LABELS)(found.state)),
            (_("Kind"), each.kind),
            (_("Measuring range"), range_text(found.range_low, found.range_high, found.range_unit)),
            (_("Accuracy class"), found.accuracy_class),
            (_("Regulation"), found.regulation),
            (_("Measurement standard"), each.standard or "—"),
            (_("Valid until"), due(near=WARNED_BEFORE.days)(found.valid_until)),
            (_("Warning"), warning(each.lacks) or "—"),
        ],
    }


class Institutions(ModelPage):
    """计量检定机构信息."""

    route_base = "/institutions"
    class_permission_name = "Institutions"
    reveals = True
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
        Column("contact", FACTS["contact"], Institution.contact, hidden=True),
        Column("phone", FACTS["phone"], Institution.phone, css="nowrap", hidden=True),
        Column("address", FACTS["address"], Institution.address, hidden=True),
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
            (FACTS["contact"], house.contact),
            (FACTS["phone"], house.phone),
            (FACTS["address"], house.address),
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

    @form_action("capabilities", _l("Capability details"), icon="rosette-discount-check", form=ReviewForm, single=True,
                 permission="can_show", template="institutions/capabilities.html", size="xl",
                 context="declared")  # fmt: skip
    def capabilities(self, selection: Selection, form: ReviewForm) -> str:
        """项目详情, with 审核通过 and 审核拒绝 of the ticked ones."""
        decision = request.form.get("decision", "")
        if decision not in DECISIONS:
            abort(400)
        require(decision, REVIEWS)
        chosen = capabilities.among(form.chosen(), selection.only_id())
        if decision == "pass":
            outcome = capabilities.pass_(chosen, g.principal)
            return outcomes.told(_("Passed %(done)s capabilities.", done=outcome.done), outcome)
        outcome = capabilities.reject(chosen, form.reason.data or "", g.principal)
        return outcomes.told(_("Rejected %(done)s capabilities.", done=outcome.done), outcome)

    def declared(self, selection: Selection, form: ReviewForm) -> dict[str, Any]:
        row_id = selection.only_id()
        found = institutions.particulars(row_id, g.principal) or abort(404)
        return {
            "dialog": {"summary": found[1].name},
            "rows": [_declared(each, form.chosen()) for each in capabilities.of_institution(row_id)],
            "decisions": [(name, word) for name, word in DECISIONS.items() if is_permitted(name, REVIEWS)],
            "reviews_url": f"/capability-reviews/?institution={row_id}" if is_permitted("can_list", REVIEWS) else None,
        }

    @show_action("details", _l("Institution details"), icon="info-circle", template="show_dialog.html", size="lg")
    def all_details(self, row_id: int) -> dict[str, Any]:
        return {"show": self.details(row_id) or abort(404)}
