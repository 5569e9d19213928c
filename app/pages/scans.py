"""扫码: a QR code opens what is right for who scans it: the public, the using unit, the institution, an inspector."""

from typing import Any

from flask import abort, g, redirect, render_template
from flask_appbuilder import expose
from flask_babel import gettext as _, lazy_gettext as _l

from app.domain import scans
from app.domain.scans import APPOINTMENT, CERTIFICATE, INSTRUMENT, PublicCertificate, PublicInstrument
from app.fabkit.formats import badge, day
from app.fabkit.pages import Page, Show
from app.fabkit.security import is_permitted
from app.pages import instruments as instrument_pages
from app.pages.instrument_queries import InstrumentQueries
from app.pages.instruments import conclusion
from app.states import CERTIFICATE_LABELS, OVERDUE, USE_LABELS, VERIFICATION_LABELS

OWN_PAGES = {
    ("using_unit", INSTRUMENT): "/ledger/show/{}",
    ("using_unit", CERTIFICATE): "/certificates/show/{}",
    ("using_unit", APPOINTMENT): "/appointments/show/{}",
    ("institution", CERTIFICATE): "/certificates/show/{}",
}


class Scans(Page):
    """Open to everybody: a code is sealed, so that none can be guessed."""

    route_base = "/s"

    @expose("/<code>", methods=["GET"])
    def scan(self, code: str) -> Any:
        found = scans.read(code)
        if found is None:
            abort(404)
        kind, id = found
        own = self._own_page(kind, id)
        if own:
            return redirect(own)
        shown = _shown(kind, id)
        if shown is None:
            abort(404)
        inspected = _inspected(id) if kind == INSTRUMENT and g.principal.kind == "authority" else None
        return render_template("scan.html", **shown, show=inspected, page=self, code=code)

    def _own_page(self, kind: str, id: int) -> str | None:
        """The page on which the person works on what was scanned, if it is theirs."""
        who = g.principal
        task_id = scans.task_of(kind, id, who)
        if task_id is not None:
            return f"/inbox/show/{task_id}"
        page = OWN_PAGES.get((who.kind, kind))
        return page.format(id) if page and scans.is_visible(kind, id) else None


def _inspected(instrument_id: int) -> Show | None:
    """Everything about an instrument, for who looks it up in the queries as well."""
    if not is_permitted("can_show", InstrumentQueries.class_permission_name):
        return None
    return instrument_pages.show(instrument_id, lambda _row: "", f"{InstrumentQueries.route_base}/photo")


def _shown(kind: str, id: int) -> dict[str, Any] | None:
    if kind == CERTIFICATE:
        certificate = scans.certificate(id)
        return _certificate(certificate) if certificate else None
    instrument = scans.instrument(id) if kind == INSTRUMENT else None
    return _instrument(instrument) if instrument else None


def _instrument(found: PublicInstrument) -> dict[str, Any]:
    return {
        "title": found.name,
        "state": badge(VERIFICATION_LABELS)(found.verification_state),
        "warning": _warning(found),
        "facts": [*_facts(found), *_dates(found)],
    }


def _certificate(found: PublicCertificate) -> dict[str, Any]:
    facts = [
        (_l("Certificate no."), found.no),
        (_l("Institution"), found.institution),
        (_l("Conclusion"), conclusion(found.passed)),
        (_l("Verified on"), day(found.verified_on)),
        (_l("Valid until"), day(found.valid_until)),
    ]
    return {
        "title": _("Verification certificate") if found.passed else _("Notice of rejection"),
        "state": badge(CERTIFICATE_LABELS)(found.state),
        "warning": None if found.state == "valid" else _("This document is no longer valid."),
        "facts": [*facts, *_facts(found.instrument)],
    }


def _facts(found: PublicInstrument) -> list[tuple[Any, Any]]:
    return [
        (_l("Instrument"), found.name),
        (_l("Kind"), found.kind),
        (_l("Model"), found.model),
        (_l("Serial no."), found.serial_no),
        (_l("Using unit"), found.using_unit),
        (_l("Region of use"), found.county),
    ]


def _dates(found: PublicInstrument) -> list[tuple[Any, Any]]:
    return [
        (_l("Last verified on"), day(found.last_verified_on)),
        (_l("Valid until"), day(found.valid_until)),
        (_l("Use"), badge(USE_LABELS)(found.use_state)),
    ]


def _warning(found: PublicInstrument) -> str | None:
    """What must not be used (计量法 Art 9)."""
    if found.use_state != "in_use":
        return _("This instrument is out of use.")
    if found.verification_state in ("failed", OVERDUE, "unverified"):
        return _("This instrument has no valid verification and must not be used.")
    return None
