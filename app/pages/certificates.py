"""检定证书: certificates and notices of rejection, for the institution that issued them and the unit they are about."""

from dataclasses import replace
from typing import Any

from flask import abort, flash, g, url_for
from flask_appbuilder import expose
from flask_babel import gettext as _, lazy_gettext as _l
from markupsafe import Markup
from sqlalchemy import and_, exists
from sqlalchemy.orm import aliased

from app import files
from app.domain import certificates
from app.domain.certificates import LONGEST_REASON, SHORTEST_REASON
from app.domain.results import CONCLUSIONS
from app.fabkit.actions import Selection, download, form_action
from app.fabkit.downloads import attachment
from app.fabkit.filters import (
    Begins,
    Choice,
    Contains,
    Dates,
    Search,
    SearchField,
    Switch,
    among,
    in_own,
)
from app.fabkit.formats import badge, day, moment
from app.fabkit.forms import Form, reason_field
from app.fabkit.lists import Column, Source
from app.fabkit.pages import ModelPage, Section, Show
from app.fabkit.security import permitted
from app.models import Certificate, Instrument, Organization, db
from app.pages import results as result_pages
from app.pages.instruments import Item, Kind, conclusion, conclusion_in_sheet
from app.pages.options import by_institution, by_item
from app.pages.tasks import told
from app.states import CERTIFICATE_LABELS, VALID

DOCUMENTS = {"verification": _l("Verification certificate"), "rejection": _l("Notice of rejection")}
SIGNATURES = {
    (True, True): _l("valid"),
    (True, False): _l("intact, but of an unknown authority"),
    (False, False): _l("broken: the document has been changed"),
}


Issuer = aliased(Organization, name="issuer")


class CorrectForm(Form):
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


def _worth(found: Certificate) -> Any:
    """What the signature of the document is worth, or why there is none yet."""
    signature = certificates.signature(found)
    if signature:
        return SIGNATURES[signature.intact, signature.trusted]
    return _("The document is being made.") if found.about else _("The document is made when it is downloaded.")


INSTRUMENT_OF = and_(Instrument.id == Certificate.instrument_id, Instrument.city_code == Certificate.city_code)
JOINS = (
    (Instrument, INSTRUMENT_OF),
    (Kind, Kind.id == Instrument.catalogue_item_id),
    (Item, Item.id == Kind.parent_id),
    (Issuer, Issuer.id == Certificate.institution_id),
)
STATE = Column(
    "state",
    _l("State"),
    Certificate.state,
    badge(CERTIFICATE_LABELS),
    css="nowrap",
)
NO = Column("no", _l("Certificate no."), Certificate.no, css="nowrap", fixed=True)
PASSED = Column("passed", _l("Conclusion"), Certificate.passed, conclusion, css="nowrap", sheet=conclusion_in_sheet)
NAME = Column("name", _l("Instrument"), Instrument.name, fixed=True)
KIND = Column("kind", _l("Kind"), Kind.name, css="narrow")
MODEL = Column("model", _l("Model"), Instrument.model)
SERIAL = Column("serial_no", _l("Serial no."), Instrument.serial_no, css="nowrap")
VERIFIED = Column("verified_on", _l("Verified on"), Certificate.verified_on, day, css="nowrap")
UNTIL = Column("valid_until", _l("Valid until"), Certificate.valid_until, day, css="nowrap")
INSTITUTION = Column("institution", _l("Institution"), Issuer.name)
VERIFIER = Column("verifier", _l("Verifier"), Certificate.verifier, css="nowrap")
ISSUED = Column("issued_at", _l("Issued at"), Certificate.issued_at, moment, css="nowrap")

BY_STATE = Choice("state", _l("State"), Certificate.state, CERTIFICATE_LABELS)
BY_CONCLUSION = Switch(
    "passed", _l("Conclusion"), None, CONCLUSIONS, multiple=False,
    conditions=lambda value: Certificate.passed.is_(value == "passed"),
)  # fmt: skip
BY_ITEM = by_item(lambda kinds: exists().where(INSTRUMENT_OF, Instrument.catalogue_item_id.in_(kinds)))
BY_INSTITUTION = by_institution(lambda id: Certificate.institution_id == id)
BY_VERIFIED = Dates("verified", _l("Verified on"), Certificate.verified_on)
SEARCH_FIELDS = (
    in_own("no", _l("Certificate no."), Begins(Certificate.no)),
    SearchField(
        "serial",
        _l("Serial no."),
        lambda term: among(Certificate.instrument_id, Instrument.id, Contains(Instrument.serial_no), term),
        3,
    ),
)


class CertificatePage(ModelPage):
    """A list of certificates: every row opens to everything about it; documents are taken away."""

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
            state=self.state_of(found),
            state_badge=badge(CERTIFICATE_LABELS)(found.state),
            sections=[
                Section(_l("Certificate"), self._facts(found, paper)),
                Section(_l("Result"), result_pages.findings(found)),
                Section(_l("Instrument as certified"), about),
            ],
        )

    def state_of(self, found: Certificate) -> str:
        """What decides which actions a certificate can take here."""
        return found.state

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
        address = f"{self.route_base}/document/{found.id}"
        return Markup('<a href="{}">{}</a>').format(address, certificates.file_name(found))

    @expose("/document/<pk>", methods=["GET"])
    @permitted("show")
    def document(self, pk: str) -> Any:
        """The signed document."""
        found = certificates.find(self.listed_id(pk))
        if found is None or not self.allowed("download"):
            abort(404)
        name = certificates.document(found, g.principal)
        db.session.commit()
        return attachment(files.path(name), certificates.file_name(found), "application/pdf")

    def taken_away(self, selection: Selection) -> Any:
        """One document at once; several as a job that puts them into one file."""
        if not selection.is_everything and selection.asked == 1:
            return download(f"{self.route_base}/document/{selection.only_id()}")
        certificates.ask_for_zip(selection.ids, g.principal)
        db.session.commit()
        flash(_("The certificates are being put into one file; it will be here."), "success")
        return "", 204, {"HX-Redirect": url_for("Jobs.index")}


class Certificates(CertificatePage):
    """检定证书."""

    route_base = "/certificates"
    class_permission_name = "Certificates"
    list_title = _l("Certificates")
    subtitle = _l("Issued certificates are never changed: an error voids one and issues another.")
    empty = _l("There is no certificate yet.")
    source = Source(Certificate, key=Certificate.verified_on, joins=JOINS, descending=True)
    columns = (
        STATE,
        NO,
        PASSED,
        NAME,
        KIND,
        MODEL,
        SERIAL,
        replace(VERIFIED, sortable=True),
        UNTIL,
        INSTITUTION,
        replace(VERIFIER, hidden=True),
        replace(ISSUED, hidden=True),
    )
    extra = {"state": Certificate.state}  # noqa: RUF012
    filters = (BY_STATE, BY_CONCLUSION, BY_ITEM, BY_INSTITUTION, BY_VERIFIED)
    search = Search(SEARCH_FIELDS, placeholder=_l("Search"))

    @form_action(
        "download", _l("Download"), icon="file-download", style="primary", template="certificates/download.html"
    )
    def download(self, selection: Selection, _form: Any) -> Any:
        return self.taken_away(selection)

    @form_action("correct", _l("Correct"), icon="edit", style="danger", form=CorrectForm, states=frozenset({VALID}),
                 template="certificates/correct.html")  # fmt: skip
    def correct(self, selection: Selection, form: CorrectForm) -> str:
        outcome = certificates.correct(selection.ids, form.reason.data or "", g.principal)
        return told(_("Voided %(done)s certificates; record their results anew.", done=outcome.done), outcome)
