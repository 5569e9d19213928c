"""强检器具信息: the certificates of one's jurisdiction, published for everybody to look up, and taken back."""

from dataclasses import replace
from datetime import datetime
from types import SimpleNamespace
from typing import Any

from flask import abort, flash, g, redirect, render_template, request
from flask_appbuilder import expose
from flask_babel import gettext as _, lazy_gettext as _l
from markupsafe import Markup
from sqlalchemy import and_, case
from wtforms import BooleanField, HiddenField

from app.access import within
from app.domain import certificates, publications, regions
from app.domain.publications import DAYS, LONGEST_REASON, SHORTEST_REASON
from app.fabkit.actions import Selection, form_action, show_action
from app.fabkit.filters import Choice, Contains, Search, SearchField, Switch, among
from app.fabkit.formats import badge, due, moment
from app.fabkit.forms import Form, reason_field
from app.fabkit.lists import Column, Source
from app.fabkit.security import permitted, require
from app.models import Appointment, Certificate, Instrument, Organization, Region, Task, db
from app.pages import certificates as certificate_pages, instruments as instrument_pages, outcomes
from app.pages.certificates import CertificatePage
from app.pages.options import by_region
from app.states import (
    PUBLICATION_LABELS,
    PUBLISH_CERTIFICATE,
    PUBLISHED,
    REVOKE_CERTIFICATE,
    UNPUBLISHED,
)
from app.workflow import Outcome


class RevokeForm(Form):
    reason = reason_field(
        _l("Reason for revoking"),
        SHORTEST_REASON,
        LONGEST_REASON,
        (
            _l("The information is wrong and is being corrected."),
            _l("The information must not be disclosed."),
            _l("It was published by mistake."),
        ),
    )


class AutomaticForm(Form):
    automatic = BooleanField(_l("Publish certificates of our jurisdiction as soon as they are issued"))
    revision = HiddenField()


def told(done: str, outcome: Outcome) -> str:
    """Both numbers: what was done, and what was left."""
    return outcomes.told(done, outcome, _LEFT)


_LEFT = _l("%(number)s were left as they were: void, in another state, or outside your jurisdiction.")
PUBLICATION_STYLES = {"publish": "success", "revoke": "warning"}
PUBLICATION = Column(
    "publication",
    _l("Publication"),
    Certificate.publication,
    badge(PUBLICATION_LABELS),
    css="nowrap",
    fixed=True,
)
# What is published has no day to be late for.
_DUE_ON = case((Certificate.publication == UNPUBLISHED, publications.due_on()))
DUE = {"late": _l("Past the day to publish")}


JOINS_WITH_UNIT = (
    *certificate_pages.JOINS,
    (Task, and_(Task.id == Certificate.task_id, Task.city_code == Certificate.city_code)),
    (Appointment, and_(Appointment.id == Task.appointment_id, Appointment.city_code == Task.city_code)),
)


class Publications(instrument_pages.WithPhotos, CertificatePage):
    """强检器具信息."""

    route_base = "/publications"
    class_permission_name = "Publications"
    list_title = _l("Information on verified instruments")
    subtitle = _l("Unpublished certificates come first; they are disclosed within %(days)s working days.", days=DAYS)
    empty = _l("There is no certificate in your jurisdiction.")
    source = Source(
        Certificate,
        key=Certificate.issued_at,
        joins=(*JOINS_WITH_UNIT, (Region, Region.code == Certificate.region_code)),
        first=lambda: Certificate.publication == UNPUBLISHED,
        descending=True,
    )
    columns = (
        PUBLICATION,
        Column("due_on", _l("Publish by"), _DUE_ON, due(near=5), css="nowrap"),
        certificate_pages.NAME,
        certificate_pages.SERIAL,
        Column("using_unit", _l("Using unit"), Appointment.applicant, css="narrow"),
        Column("place", _l("Place of use"), Instrument.use_place),
        certificate_pages.INSTITUTION,
        replace(certificate_pages.NO, fixed=False),
        certificate_pages.VERIFIED,
        certificate_pages.UNTIL,
        certificate_pages.PASSED,
        Column("published_at", _l("Published at"), Certificate.published_at, moment, css="nowrap"),
        certificate_pages.STATE,
        replace(certificate_pages.KIND, hidden=True),
        replace(certificate_pages.MODEL, hidden=True),
        replace(certificate_pages.ISSUED, hidden=True),
        Column("region", _l("Region"), Region.full_name, hidden=True),
    )
    extra = {"state": Certificate.publication}  # noqa: RUF012
    filters = (
        Choice("publication", _l("Publication"), Certificate.publication, PUBLICATION_LABELS, multiple=False),
        Switch("due", _l("Publish by"), None, DUE, multiple=False,
               conditions=lambda _late: (Certificate.publication == UNPUBLISHED) & publications.is_late()),
        certificate_pages.BY_STATE,
        certificate_pages.BY_CONCLUSION,
        by_region(lambda code: within(regions.prefix(code))(Certificate)),
        certificate_pages.BY_ITEM,
        certificate_pages.BY_INSTITUTION,
        certificate_pages.BY_VERIFIED,
    )  # fmt: skip
    search = Search(
        (
            *certificate_pages.SEARCH_FIELDS,
            SearchField(
                "unit",
                _l("Using unit"),
                lambda term: among(Certificate.using_unit_id, Organization.id, Contains(Organization.name), term),
                3,
            ),
        ),
        placeholder=_l("Search"),
    )

    def state_of(self, found: Certificate) -> str:
        return found.publication

    # --- publishing

    @form_action("publish", _l("Publish"), icon="world", style="primary", states=frozenset({UNPUBLISHED}),
                 template="publications/publish.html")  # fmt: skip
    def publish(self, selection: Selection, _form: Any) -> Any:
        outcome = publications.publish(selection.ids, g.principal)
        text = _("Published %(done)s certificates.", done=outcome.done)
        return self._undoable(PUBLISH_CERTIFICATE.name, text, outcome)

    @form_action("revoke", _l("Revoke publication"), icon="world-off", style="danger", form=RevokeForm,
                 states=frozenset({PUBLISHED}))  # fmt: skip
    def revoke(self, selection: Selection, form: RevokeForm) -> Any:
        outcome = publications.revoke(selection.ids, form.reason.data or "", g.principal)
        text = _("Revoked the publication of %(done)s certificates.", done=outcome.done)
        return self._undoable(REVOKE_CERTIFICATE.name, text, outcome)

    def _undoable(self, step: str, done: str, outcome: Outcome) -> Any:
        """What was done, with a button that takes it back."""
        text = told(done, outcome)
        if not outcome.done:
            return text
        fields = {"step": step, "at": publications.moment().isoformat()}
        return Markup(  # noqa: S704 -- escaped there
            render_template("_undo.html", text=text, url=f"{self.route_base}/undo", fields=fields)
        )

    @expose("/undo", methods=["POST"])
    @permitted("list")
    def undo(self) -> Any:
        """Take back what one did a few minutes ago."""
        step, at = request.form.get("step", ""), _moment(request.form.get("at", ""))
        if step not in (PUBLISH_CERTIFICATE.name, REVOKE_CERTIFICATE.name) or at is None:
            abort(400)
        require("revoke" if step == PUBLISH_CERTIFICATE.name else "publish", self.class_permission_name)
        outcome = publications.undo(step, at, g.principal)
        db.session.commit()
        flash(_("Undone for %(done)s certificates.", done=outcome.done), "success")
        return redirect(self._back())

    # --- looking, taking away

    @show_action("certificate", _l("Certificate details"), icon="certificate", template="show_dialog.html", size="xl")
    def certificate(self, row_id: int) -> dict[str, Any]:
        return {"show": self.details(row_id) or abort(404)}

    @form_action("download", _l("Download certificates"), icon="file-download", template="certificates/download.html")
    def download(self, selection: Selection, _form: Any) -> Any:
        return self.taken_away(selection)

    @show_action("instrument", _l("Instrument details"), icon="scale", template="show_dialog.html", size="xl")
    def instrument(self, row_id: int) -> dict[str, Any]:
        found = db.session.get(Certificate, row_id) or abort(404)
        return {"show": instrument_pages.show(found.instrument_id, lambda _row: "", self.photo_url) or abort(404)}

    def shows_instrument(self, instrument_id: int) -> bool:
        return certificates.are_of(instrument_id)

    @form_action("automatic", _l("Publish automatically"), icon="refresh", form=AutomaticForm, without=True,
                 template="publications/automatic.html", submit=_l("Save"))  # fmt: skip
    def automatic(self, _selection: Selection, form: AutomaticForm) -> str:
        publications.set_rule(form.automatic.data, form.revision.data or "", g.principal)
        return _("Saved.")

    def prefill(self, declared: Any, selection: Selection) -> Any:
        if declared.name != "automatic":
            return None
        rule = publications.rule_of(g.principal)
        return SimpleNamespace(automatic=bool(rule and rule.automatic), revision=rule.revision if rule else "")


def _moment(text: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at if at.tzinfo else None
