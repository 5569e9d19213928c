"""RuleError, and how each error reaches the person: rolled back, told in a sentence, nothing lost."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from flask import Flask, current_app, flash, redirect, render_template, request
from flask.globals import request_ctx
from flask_babel import gettext as _, lazy_gettext as _l
from flask_wtf.csrf import CSRFError
from psycopg2.errors import DeadlockDetected, LockNotAvailable, QueryCanceled
from sqlalchemy.exc import DBAPIError, IntegrityError
from werkzeug.exceptions import HTTPException

from app import audit, outages, request_log
from app.models import db


class RuleError(Exception):
    """What the rules of the trade refuse; the text is for the person. `field` names the input, if one is wrong."""

    def __init__(self, text: str, field: str | None = None):
        super().__init__(text)
        self.field = field


class Stale(RuleError):
    """Somebody else was faster: what the person looked at is no longer what is there."""

    def __init__(self) -> None:
        super().__init__(_("Somebody else has changed this meanwhile. Open it again to see what it is now."))


class OtherAccount(Exception):
    """A page was made for one account, and the session belongs to another by now."""

    def __init__(self, made_for: str, signed_in: str):
        super().__init__(made_for, signed_in)
        self.made_for, self.signed_in = made_for, signed_in


def wants_fragment() -> bool:
    """The request comes from a dialog or a drawer, which shows what it gets in its place."""
    return "HX-Request" in request.headers


# How an error is told below a path: (status, the sentence, the error) -> answer.
Teller = Callable[[int, str, Exception], Any]


def tell_below(app: Flask, path: str, teller: Teller) -> None:
    """Let errors of addresses below a path be told in their own way."""
    app.extensions.setdefault("tellers", {})[path] = teller


def _teller() -> Teller | None:
    tellers: dict[str, Teller] = current_app.extensions.get("tellers", {})
    return next((teller for path, teller in tellers.items() if request.path.startswith(path)), None)


def install(app: Flask) -> None:
    app.register_error_handler(RuleError, _rule)
    app.register_error_handler(CSRFError, _csrf)
    app.register_error_handler(OtherAccount, _other_account)
    app.register_error_handler(IntegrityError, _violated)
    app.register_error_handler(DBAPIError, _database)
    outages.install(app)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(500, _defect)


def _rule(error: RuleError) -> Any:
    db.session.rollback()
    if tell := _teller():
        return tell(422, str(error), error)
    if wants_fragment():
        return render_template("alert.html", text=str(error), style="danger"), 422
    flash(str(error), "danger")
    return redirect(request.referrer if _same_site(request.referrer) else "/")


def _same_site(url: str | None) -> bool:
    return bool(url) and str(url).startswith(request.host_url)


def _csrf(_error: CSRFError) -> Any:
    text = _("This page was open for too long. Please try again; what you typed is still there.")
    body = render_template("alert.html", text=text, style="warning") if wants_fragment() else _page(400, text)
    return body, 400, {"X-CSRF-Error": "1"}


# What a person is told who was overtaken by somebody else, by the constraint that kept the rows right.
VIOLATED = {
    "one_open_task_per_instrument": _l("One of these instruments has just been booked, or is booked again already."),
    "one_serial_per_manufacturer": _l(
        "An instrument of this manufacturer with this serial number has just been added."
    ),
    "one_certificate_no": _l("A certificate number was given twice. Please try again."),
    "one_result_per_task": _l("Somebody else has just recorded a result of one of these tasks."),
    "one_qualification_per_no": _l("There is a qualification with this number already."),
    "one_view_per_name": _l("There is a view of this name already."),
    "one_report_per_region": _l("You have a report of this region already."),
    "one_threshold_per_authority": _l("Somebody else has just changed this. Please look again."),
    "one_rule_per_institution": _l("Somebody else has just changed this. Please look again."),
    "one_version_per_number": _l("Somebody else has just changed this. Please look again."),
    "publication_rule_authority_id_key": _l("Somebody else has just changed this. Please look again."),
    "measurement_standard_change": _l("There is a change of this standard already."),
    "one_credit_code_per_kind": _l("There is an organization with this credit code already."),
    "staff_member_account_id_key": _l("Somebody on a staff is linked to this account already."),
    "catalogue_item_level_number_valid_from_key": _l("There is an entry with this number from that day already."),
    "one_manufacturer_per_name": _l("Another manufacturer has this name already."),
    "one_present_name": _l("Somebody else has just changed this. Please look again."),
    "one_manufacturer_per_credit_code": _l("There is a manufacturer with this credit code already."),
    "one_deed_of_a_kind": _l("Somebody else has just changed this. Please look again."),
    "ab_user_username_key": _l("There is such an account already."),
}


def _violated(error: IntegrityError) -> Any:
    """A unique violation that is foreseen is a refusal like others; everything else is a defect."""
    constraint = getattr(getattr(error.orig, "diag", None), "constraint_name", None)
    text = VIOLATED.get(constraint or "")
    if text is None:
        raise error
    return _rule(RuleError(str(text)))


def _other_account(error: OtherAccount) -> Any:
    text = _(
        "This page belongs to the account %(made_for)s, but %(signed_in)s has signed in in this browser meanwhile. "
        "Nothing was done. Sign in as %(made_for)s again, then submit again; or reload the page to go on as "
        "%(signed_in)s.",
        made_for=error.made_for,
        signed_in=error.signed_in,
    )
    return render_template("alert.html", text=text, style="warning"), 409


def _database(error: DBAPIError) -> Any:
    if outage := outages.outage_of(error):
        with suppress(DBAPIError):
            db.session.rollback()
        return outages.answer(outage, error)
    db.session.rollback()
    if isinstance(error.orig, DeadlockDetected | LockNotAvailable):
        text = _("Somebody else is changing the same rows. Nothing was changed; please try again.")
    elif isinstance(error.orig, QueryCanceled):
        text = _("This took too long and was stopped. Please narrow the filter.")
    else:
        raise error
    if tell := _teller():
        return tell(503, text, error)
    body = render_template("alert.html", text=text, style="warning") if wants_fragment() else _page(409, text)
    return body, 409


def _http(error: HTTPException) -> Any:
    # Asked under a name that is not the server's (HOSTS), no page of ours has an address.
    if error.code is None or error.code < 400 or request_ctx.url_adapter is None:
        return error
    texts = {
        400: _("The request could not be understood."),
        401: _("Please sign in first."),
        403: _("You may not do this. Your administrator can give you the role it needs."),
        404: _("There is no such page or row, or it lies outside your jurisdiction."),
        405: _("This address cannot be opened directly."),
        429: _("That was too often. Please wait a minute."),
        413: _("That is too much for one request. Please choose fewer rows or a smaller file."),
    }
    text = texts.get(error.code, error.description or "")
    if error.code == 403:
        _told_refusal()
    if tell := _teller():
        return tell(error.code, text, error)
    if wants_fragment():
        return render_template("alert.html", text=text, style="danger"), error.code
    return _page(error.code, text), error.code


def _told_refusal() -> None:
    """Who tried what they may not stands in the audit log."""
    db.session.rollback()
    audit.record("forbidden", "page", None, request.path)
    db.session.commit()


def _defect(error: Exception) -> Any:
    db.session.rollback()
    text = _(
        "Something went wrong on our side. It has been recorded under the number %(number)s; nothing was changed.",
        number=request_log.request_id(),
    )
    if tell := _teller():
        return tell(500, text, error)
    if wants_fragment():
        return render_template("alert.html", text=text, style="danger"), 500
    return _page(500, text), 500


def _page(code: int, text: str) -> str:
    titles = {403: _("Not permitted"), 404: _("Not found"), 500: _("Error")}
    number = request_log.request_id()
    error = {"code": code, "title": titles.get(code, _("Not possible")), "text": text, "number": number}
    return render_template("error.html", error=error)
