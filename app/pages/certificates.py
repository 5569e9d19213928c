"""检定证书: certificates and notices of rejection, for the institution that issued them and the unit they are about."""

from typing import Any

from flask import abort, flash, g, send_file, url_for
from flask_appbuilder import expose
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from markupsafe import Markup
from sqlalchemy import and_, exists

from app import files
from app.domain import catalogue, certificates, institutions
from app.domain.certificates import LONGEST_REASON, SHORTEST_REASON
from app.fabkit.actions import Selection, download, form_action
from app.fabkit.filters import (
    Begins,
    Cascade,
    Choice,
    Contains,
    Dates,
    Lookup,
    Search,
    SearchField,
    Switch,
    among,
    in_own,
    is_number,
)
from app.fabkit.formats import badge, day, moment, words_in_sheet
from app.fabkit.forms import reason_field
from app.fabkit.lists import Column, Source
from app.fabkit.pages import ModelPage, Section, Show
from app.fabkit.security import permitted
from app.models import Certificate, Instrument, Organization, db
from app.pages import results as result_pages
from app.pages.instruments import CONCLUSIONS, Item, Kind, conclusion
from app.pages.tasks import told
from app.states import CERTIFICATE_LABELS, VALID

DOCUMENTS = {"verification": _l("Verification certificate"), "rejection": _l("Notice of rejection")}
SIGNATURES = {
    (True, True): _l("valid"),
    (True, False): _l("intact, but of an unknown authority"),
    (False, False): _l("broken: the document has been changed"),
}


class CorrectForm(FlaskForm):
    reason = reason_field(
        _l("Reason for correcting"),
        SHORTEST_REASON,
        LONGEST_REASON,
        (
            _l("Something about the instrument is wrong in the certificate."),
            _l("The result was recorded wrongly."),
            _l("The date or the validity is wrong."),
        ),
    )


def _of_kinds(kinds: list[int]) -> Any:
    """Certificates of instruments of these kinds."""
    return exists().where(
        Instrument.id == Certificate.instrument_id,
        Instrument.city_code == Certificate.city_code,
        Instrument.catalogue_item_id.in_(kinds),
    )


def _worth(found: Certificate) -> Any:
    """What the signature of the document is worth, or why there is none yet."""
    signature = certificates.signature(found)
    if signature:
        return SIGNATURES[signature.intact, signature.trusted]
    return _("The document is being made.") if found.about else _("The document is made when it is downloaded.")


class Certificates(ModelPage):
    """检定证书."""

    route_base = "/certificates"
    class_permission_name = "Certificates"
    list_title = _l("Certificates")
    subtitle = _l("Issued certificates are never changed: an error voids one and issues another.")
    empty = _l("There is no certificate yet.")
    source = Source(
        Certificate,
        key=Certificate.verified_on,
        joins=(
            (
                Instrument,
                and_(Instrument.id == Certificate.instrument_id, Instrument.city_code == Certificate.city_code),
            ),
            (Kind, Kind.id == Instrument.catalogue_item_id),
            (Item, Item.id == Kind.parent_id),
            (Organization, Organization.id == Certificate.institution_id),
        ),
        descending=True,
    )
    columns = (
        Column("state", _l("State"), Certificate.state, badge(CERTIFICATE_LABELS), css="nowrap",
               sheet=lambda value: words_in_sheet(CERTIFICATE_LABELS, value)),
        Column("no", _l("Certificate no."), Certificate.no, css="nowrap", fixed=True),
        Column("passed", _l("Conclusion"), Certificate.passed, conclusion, css="nowrap"),
        Column("name", _l("Instrument"), Instrument.name, fixed=True),
        Column("kind", _l("Kind"), Kind.name, css="narrow"),
        Column("model", _l("Model"), Instrument.model),
        Column("serial_no", _l("Serial no."), Instrument.serial_no, css="nowrap"),
        Column("verified_on", _l("Verified on"), Certificate.verified_on, day, css="nowrap", sortable=True),
        Column("valid_until", _l("Valid until"), Certificate.valid_until, day, css="nowrap"),
        Column("institution", _l("Institution"), Organization.name),
        Column("verifier", _l("Verifier"), Certificate.verifier, css="nowrap", hidden=True),
        Column("issued_at", _l("Issued at"), Certificate.issued_at, moment, css="nowrap", hidden=True),
    )  # fmt: skip
    extra = {"state": Certificate.state}  # noqa: RUF012
    filters = (
        Choice("state", _l("State"), Certificate.state, CERTIFICATE_LABELS),
        Switch("passed", _l("Conclusion"), None, CONCLUSIONS, multiple=False,
               conditions=lambda value: Certificate.passed.is_(value == "passed")),
        Cascade(
            "item",
            _l("Category and kind"),
            (_l("Category"), _l("Kind")),
            "/options/catalogue",
            lambda value: catalogue.way_to(int(value)),
            lambda value: _of_kinds(catalogue.kinds_of(int(value))),
        ),
        Lookup("institution", _l("Institution"), lambda id: Certificate.institution_id == id, "/options/institutions",
               institutions.name_of),
        Dates("verified", _l("Verified on"), Certificate.verified_on),
    )  # fmt: skip
    search = Search(
        (
            in_own("no", _l("Certificate no."), Begins(Certificate.no)),
            SearchField(
                "serial",
                _l("Serial no."),
                lambda term: among(Certificate.instrument_id, Instrument.id, Contains(Instrument.serial_no), term),
                3,
            ),
        ),
        placeholder=_l("Search"),
    )

    def details(self, row_id: int) -> Show | None:
        found = certificates.find(row_id)
        if found is None:
            return None
        paper = certificates.paper_of(found.id)
        about = [
            (_l("Using unit"), paper.using_unit),
            (_l("Instrument"), paper.instrument),
            (_l("Model"), paper.model),
            (_l("Serial no."), paper.serial_no),
            (_l("Manufacturer"), paper.manufacturer),
            (_l("Measuring range"), paper.measuring_range),
            (_l("Accuracy class"), paper.accuracy_class),
        ]
        return Show(
            id=found.id,
            title=f"{DOCUMENTS[found.kind]} {found.no}",
            state=found.state,
            state_badge=badge(CERTIFICATE_LABELS)(found.state),
            sections=[
                Section(_l("Certificate"), self._facts(found, paper)),
                Section(_l("Result"), result_pages.findings(found)),
                Section(_l("Instrument as certified"), about),
            ],
        )

    def _facts(self, found: Certificate, paper: Any) -> list[tuple[Any, Any]]:
        facts = [
            (_l("Document"), self._link(found)),
            (_l("Certificate no."), found.no),
            (_l("Verification code"), certificates.code_of(found)),
            (_l("Institution"), paper.institution),
            (_l("Issued at"), moment(found.issued_at)),
            (_l("Approver"), found.approver),
            (_l("Signature"), _worth(found)),
            (_l("Replaces"), paper.replaces),
            (_l("Reason for correcting"), found.void_reason),
        ]
        return [(name, value) for name, value in facts if value]

    def _link(self, found: Certificate) -> Any:
        if not self.allowed("download"):
            return None
        address = url_for("Certificates.document", pk=found.id)
        return Markup('<a href="{}">{}</a>').format(address, certificates.file_name(found))

    @expose("/document/<pk>", methods=["GET"])
    @permitted("show")
    def document(self, pk: str) -> Any:
        """The signed document."""
        found = certificates.find(int(pk)) if is_number(pk) else None
        if found is None or not self.allowed("download"):
            abort(404)
        name = certificates.document(found, g.principal)
        db.session.commit()
        called = certificates.file_name(found)
        return send_file(files.path(name), mimetype="application/pdf", as_attachment=True, download_name=called)

    @form_action(
        "download", _l("Download"), icon="file-download", style="primary", template="certificates/download.html"
    )
    def download(self, selection: Selection, _form: Any) -> Any:
        if not selection.is_everything and selection.asked == 1:
            return download(url_for("Certificates.document", pk=selection.only_id()))
        certificates.ask_for_zip(selection.ids, g.principal)
        db.session.commit()
        flash(_("The certificates are being put into one file; it will be here."), "success")
        return "", 204, {"HX-Redirect": url_for("Jobs.index")}

    @form_action("correct", _l("Correct"), icon="edit", style="danger", form=CorrectForm, states=frozenset({VALID}),
                 template="certificates/correct.html")  # fmt: skip
    def correct(self, selection: Selection, form: CorrectForm) -> str:
        outcome = certificates.correct(selection.ids, form.reason.data or "", g.principal)
        return told(_("Voided %(done)s certificates; record their results anew.", done=outcome.done), outcome)
