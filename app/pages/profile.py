"""我的账号: who I am, my password, second factor, sessions and access keys. For everybody who is signed in."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from flask import abort, current_app, flash, g, redirect, render_template, request, session, url_for
from flask_appbuilder import expose
from flask_babel import get_locale, gettext as _, lazy_gettext as _l, ngettext
from markupsafe import Markup
from wtforms import (
    BooleanField,
    HiddenField,
    PasswordField,
    SelectField,
    SelectMultipleField,
    StringField,
)
from wtforms.validators import DataRequired, Email, EqualTo, InputRequired, Length, NumberRange, Optional
from wtforms.widgets import CheckboxInput

from app import audit, outside
from app.access import ROLES
from app.ciphers import hashed_token
from app.domain import access_keys, accounts, logins, passwords, second_factor, sessions
from app.errors import RuleError, wants_fragment
from app.fabkit.actions import NoForm
from app.fabkit.filters import is_number
from app.fabkit.formats import moment
from app.fabkit.forms import Form, IntegerField, a_telephone, trimmed
from app.fabkit.pages import ModelPage, Page
from app.models import db
from app.pages import analyst_api
from app.pages.analyst_api import AnalysisApi
from app.pages.statistics import StatisticPage

TABS = (
    ("index", _l("Personal details"), "user"),
    ("password", _l("Change the password"), "lock"),
    ("second_factor", _l("Second factor"), "shield-check"),
    ("sessions", _l("Sessions"), "history"),
    ("keys", _l("Access keys"), "key"),
    ("interface", _l("Interface for analysis"), "report-analytics"),
)
DEFAULT_DAYS = 90


class PersonForm(Form):
    """What one may change of oneself; the rest is the administrator's."""

    first_name = StringField(_l("Name"), [DataRequired(_l("Please give the name.")), Length(2, 60)], filters=[trimmed])
    position = StringField(_l("Position"), [Length(max=60)], filters=[trimmed])
    phone = StringField(
        _l("Phone"),
        [Optional(), a_telephone],
        filters=[trimmed],
        description=_l("For example 13800000000 or 0571-87654321."),
    )
    email = StringField(
        _l("E-mail"),
        [
            InputRequired(_l("Please give an e-mail address.")),
            Email(_l("This is no e-mail address.")),
            Length(max=320),
        ],
        filters=[trimmed],
    )


class SettingsForm(Form):
    """How the system speaks to me."""

    language = SelectField(_l("Language"))
    tasks_waiting = BooleanField(_l("Tasks are waiting for me"))
    deadlines_near = BooleanField(_l("A deadline is near"))
    account_changes = BooleanField(_l("My account, its roles or its password have changed"))


NOTIFICATIONS = ("tasks_waiting", "deadlines_near", "account_changes")


class OwnerForm(Form):
    """What only the owner of the account may do: the current password proves it."""

    current = PasswordField(
        _l("Current password"), [DataRequired(_l("Please type your current password.")), Length(max=256)]
    )

    def is_owners(self) -> bool:
        """Whether the form is filled in by the account's owner; a wrong password counts as at login.

        The session then goes on under another token: whoever has copied the one before is out.
        """
        if not self.validate():
            return False
        problem = passwords.challenge(g.user, self.current.data or "", request.remote_addr or "")
        if problem:
            self.current.errors = [problem]
        else:
            session["_user_id"] = sessions.renew(_token())
        db.session.commit()
        return problem is None

    def tell(self, refusal: RuleError) -> None:
        """Show what the rules refuse beside the input that it is about."""
        db.session.rollback()
        self[refusal.field or "current"].errors = [str(refusal)]


class PasswordForm(OwnerForm):
    """A new password."""

    password = PasswordField(_l("New password"), [DataRequired(_l("Please type the new password.")), Length(max=256)])
    again = PasswordField(
        _l("New password again"), [EqualTo("password", _l("The two new passwords are not the same."))]
    )


class SetUpForm(OwnerForm):
    """The first code of an authenticator app."""

    offer = HiddenField()
    code = StringField(_l("Code"), [DataRequired(_l("Please type the six digits.")), Length(max=20)])


class KeyForm(OwnerForm):
    """A new access key."""

    name = StringField(
        _l("What the key is for"),
        [DataRequired(_l("Please say what the key is for.")), Length(max=60)],
        filters=[trimmed],
    )
    scopes = SelectMultipleField(_l("May export"), option_widget=CheckboxInput())
    days = IntegerField(
        _l("Valid for days"),
        [InputRequired(_l("Please give the days.")), NumberRange(1, access_keys.LONGEST_LIFE_DAYS)],
        default=DEFAULT_DAYS,
    )


def personal(pays: str = "") -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Let a method run for whoever is signed in; who owes something first comes only to where it is paid."""

    def decorate(method: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(method)
        def guarded(self: Any, *args: Any, **kwargs: Any) -> Any:
            _require_session()
            if g.owes not in (None, pays):
                return _sent_to(url_for(f"MyAccount.{g.owes}"))
            return method(self, *args, **kwargs)

        return guarded

    return decorate


def _require_session() -> None:
    if "access_key" in g:
        abort(403)
    if g.principal.account_id is None:
        if wants_fragment() or request.method != "GET":
            abort(401)
        abort(redirect(url_for("LoginView.login", next=request.full_path.rstrip("?"))))


def _sent_to(url: str) -> Any:
    return ("", 204, {"HX-Redirect": url}) if wants_fragment() else redirect(url)


class MyAccount(Page):
    """我的账号."""

    route_base = "/me"
    class_permission_name = "MyAccount"
    default_view = "index"

    def _page(self, tab: str, *forms: Form, **shown: Any) -> Any:
        labels = {name: label for name, label, _icon in TABS}
        page = render_template(
            f"me/{tab}.html",
            tabs=[] if g.owes else [(url_for(f".{name}"), label, icon, name == tab) for name, label, icon in TABS],
            title=labels[tab],
            breadcrumbs=[(_("My account"), url_for(".index")), (labels[tab], None)],
            **shown,
        )
        return page, 422 if any(form.errors for form in forms) else 200

    # --- personal details

    @expose("/", methods=["GET", "POST"])
    @personal()
    def index(self) -> Any:
        form = PersonForm(obj=g.user)
        if request.method == "POST" and form.validate():
            self._keep(form)
            return redirect(url_for(".index"))
        return self._page(
            "index", form, form=form, settings=_settings(formdata=None), account=g.user, held=_held(), moment=moment
        )

    def _keep(self, form: PersonForm) -> None:
        account = g.user
        changed = sorted(
            field.name for field in form if field.name != "csrf_token" and field.data != getattr(account, field.name)
        )
        if changed:
            for name in changed:
                setattr(account, name, form[name].data)
            account.revision += 1
            audit.record("edit", "account", account.id, str(account), changed=changed)
            db.session.commit()
        flash(_("Saved."), "success")

    @expose("/settings", methods=["POST"])
    @personal()
    def settings(self) -> Any:
        form = _settings()
        if not form.validate():
            abort(400)
        notifications = {name: form[name].data for name in NOTIFICATIONS}
        chosen = {"language": form.language.data, "notifications": notifications}
        before = {name: g.user.preferences.get(name) for name in chosen}
        g.user.preferences = {**g.user.preferences, **chosen}
        if before != chosen:
            audit.record("edit", "settings", g.user.id, str(g.user), changed=sorted(chosen),
                         before=[str(before[name]) for name in sorted(chosen)],
                         after=[str(chosen[name]) for name in sorted(chosen)])  # fmt: skip
        session["locale"] = form.language.data
        db.session.commit()
        flash(_("Saved."), "success")
        return redirect(url_for(".index"))

    # --- password

    @expose("/password", methods=["GET", "POST"])
    @personal(pays="password")
    def password(self) -> Any:
        form = PasswordForm()
        if request.method == "POST" and form.is_owners() and self._changed(form):
            flash(_("The password is changed. Your other sessions have ended."), "success")
            return redirect("/" if g.owes else url_for(".password"))
        return self._page(
            "password",
            form,
            form=form,
            account=g.user,
            names=passwords.names_of(g.user),
            shortest=passwords.SHORTEST,
            longest=passwords.LONGEST,
            life=passwords.LIFE.days,
            due_on=moment(g.user.password_changed_at + passwords.LIFE)[:10],
        )

    def _changed(self, form: PasswordForm) -> bool:
        try:
            passwords.change(g.user, form.password.data or "")
        except RuleError as refusal:
            form.tell(refusal)
            return False
        sessions.end([g.user.id], "password", but=_token())
        db.session.commit()
        return True

    # --- second factor

    @expose("/second-factor", methods=["GET", "POST"])
    @personal(pays="second_factor")
    def second_factor(self) -> Any:
        if second_factor.is_set_up(g.user):
            return self._second_factor_is_on()
        form = SetUpForm()
        if request.method == "GET":
            form.offer.data = second_factor.offer(g.user)
        secret = second_factor.secret_in(g.user, form.offer.data or "")
        if request.method == "POST" and form.is_owners():
            codes = self._set_up(form, secret)
            if codes:
                return self._codes(codes)
        form.code.data = ""
        groups = [secret[place : place + 4] for place in range(0, len(secret), 4)]
        picture = Markup(second_factor.picture(g.user, secret))  # noqa: S704 -- drawn by us, it quotes no input
        return self._page(
            "second_factor", form, form=form, on=False, picture=picture, secret=groups, mandatory=_is_mandatory()
        )

    def _set_up(self, form: SetUpForm, secret: str) -> list[str]:
        try:
            codes = second_factor.set_up(g.user, secret, form.code.data or "")
        except RuleError as refusal:
            form.tell(refusal)
            return []
        db.session.commit()
        return codes

    def _second_factor_is_on(self, renewing: OwnerForm | None = None, leaving: OwnerForm | None = None) -> Any:
        renewing = renewing or OwnerForm(formdata=None)
        leaving = leaving or OwnerForm(formdata=None)
        return self._page(
            "second_factor",
            renewing,
            leaving,
            on=True,
            renewing=renewing,
            leaving=leaving,
            since=moment(g.user.totp_since),
            left=len(g.user.recovery_codes),
            most=second_factor.RECOVERY_CODES,
            mandatory=_is_mandatory(),
        )

    @expose("/second-factor/codes", methods=["POST"])
    @personal()
    def renew_codes(self) -> Any:
        form = OwnerForm()
        if not form.is_owners():
            return self._second_factor_is_on(renewing=form)
        codes = second_factor.renew_codes(g.user)
        db.session.commit()
        return self._codes(codes)

    def _codes(self, codes: list[str]) -> Any:
        return self._page("second_factor", codes=codes, account=g.user, product=second_factor.ISSUER)

    @expose("/second-factor/off", methods=["POST"])
    @personal()
    def switch_off(self) -> Any:
        form = OwnerForm()
        if not form.is_owners():
            return self._second_factor_is_on(leaving=form)
        second_factor.switch_off(g.user, mandatory=_is_mandatory())
        db.session.commit()
        flash(_("The second factor is switched off."), "success")
        return redirect(url_for(".second_factor"))

    # --- sessions

    @expose("/sessions", methods=["GET"])
    @personal()
    def sessions(self) -> Any:
        config = current_app.config
        live = sessions.live(g.user, config["IDLE"], config["PERMANENT_SESSION_LIFETIME"])
        mine = hashed_token(_token())
        rows = [
            {
                "id": each.id,
                "device": sessions.device_in_words(each.device) or _("Unknown device"),
                "address": each.address,
                "started": moment(each.started_at),
                "seen": moment(each.seen_at),
                "is_this": each.token_hash == mine,
            }
            for each in live
        ]
        return self._page("sessions", rows=sorted(rows, key=lambda row: not row["is_this"]))

    @expose("/sessions/end/<pk>", methods=["POST"])
    @personal()
    def end_session(self, pk: str) -> Any:
        if not is_number(pk) or not sessions.end_one(g.user, int(pk)):
            abort(404)
        db.session.commit()
        flash(_("The session has ended."), "success")
        return redirect(url_for(".sessions"))

    @expose("/sessions/end-others", methods=["POST"])
    @personal()
    def end_other_sessions(self) -> Any:
        ended = sessions.end_others(g.user, _token())
        db.session.commit()
        flash(ngettext("%(num)s other session has ended.", "%(num)s other sessions have ended.", ended), "success")
        return redirect(url_for(".sessions"))

    # --- access keys

    @expose("/keys", methods=["GET", "POST"])
    @personal()
    def keys(self) -> Any:
        form, pages = KeyForm(), self._exportable()
        form.scopes.choices = [(name, page["label"]) for name, page in pages.items()]
        if request.method == "POST" and form.is_owners():
            text = self._created(form, set(pages))
            if text:
                return self._keys(KeyForm(formdata=None), pages, text)
        return self._keys(form, pages)

    def _exportable(self) -> dict[str, dict[str, str]]:
        """The pages from which the account may export."""
        held: Any = self.appbuilder.sm
        return {
            view.class_permission_name: {
                "label": str(view.list_title if isinstance(view, ModelPage) else view.title),
                "url": f"{view.route_base}/export",
            }
            for view in self.appbuilder.baseviews
            if isinstance(view, ModelPage | StatisticPage)
            and ("can_export", view.class_permission_name) in held.permissions()
        }

    def _created(self, form: KeyForm, allowed: set[str]) -> str | None:
        try:
            _key, text = access_keys.create(
                g.user, form.name.data or "", form.scopes.data or [], form.days.data or 0, allowed=allowed
            )
        except RuleError as refusal:
            form.tell(refusal)
            return None
        db.session.commit()
        return text

    def _keys(self, form: KeyForm, pages: dict[str, dict[str, str]], text: str | None = None) -> Any:
        form.scopes.choices = [(name, page["label"]) for name, page in pages.items()]
        scopes = form.scopes.data or []
        example = next((pages[name] for name in (*scopes, *pages) if name in pages), None)
        return self._page(
            "keys",
            form,
            form=form,
            keys=[_key_row(key, pages) for key in access_keys.of(g.user)],
            pages=pages,
            new_key=text,
            example=example,
            host=request.host_url.rstrip("/"),
        )

    @expose("/keys/ask", methods=["POST"])
    @personal()
    def ask_to_revoke(self) -> Any:
        """The dialog that asks whether to revoke a key."""
        dialog = {
            "title": _("Revoke the access key?"),
            "summary": _("The program that uses it is refused from then on."),
            "action_url": url_for(".revoke_key"),
            "submit_label": _("Revoke"),
            "style": "danger",
            "selection_fields": [("id", request.form.get("id", ""))],
        }
        return render_template("dialog.html", dialog=dialog, form=NoForm())

    @expose("/keys/revoke", methods=["POST"])
    @personal()
    def revoke_key(self) -> Any:
        given = request.form.get("id", "")
        if not is_number(given) or not access_keys.revoke(g.user, int(given)):
            abort(404)
        db.session.commit()
        flash(_("The access key is revoked."), "success")
        return _sent_to(url_for(".keys"))

    # --- the analyst interface

    @expose("/interface", methods=["GET"])
    @personal()
    def interface(self) -> Any:
        """How programs ask in one's name, told for the pages from which one may export."""
        config = current_app.config
        api = next(view for view in self.appbuilder.baseviews if isinstance(view, AnalysisApi))
        pages = [page for page in api.pages() if page.allowed("can_export")]
        operations = [analyst_api.operation(page) for page in pages]
        return self._page(
            "interface",
            operations=operations,
            example=operations[0] if operations else None,
            is_query=bool(pages) and isinstance(pages[0], ModelPage),
            base=outside.address(analyst_api.BASE),
            language=str(get_locale() or config["BABEL_DEFAULT_LOCALE"]),
            most=analyst_api.LARGEST_PAGE,
            limit=config["EXPORT_ROWS"],
            rate=config["API_RATE"],
        )


def _settings(**how: Any) -> SettingsForm:
    language = session.get("locale", current_app.config["BABEL_DEFAULT_LOCALE"])
    form = SettingsForm(data={"language": language, **g.user.preferences.get("notifications", {})}, **how)
    form.language.choices = [(code, how["name"]) for code, how in current_app.config["LANGUAGES"].items()]
    return form


def _held() -> list[dict[str, Any]]:
    """The roles of the account, who gave them, and when."""
    return [
        {
            "label": ROLES[row.role].label if row.role in ROLES else row.role,
            "by": " · ".join(part for part in (row.by_organization, row.by_name) if part),
            "at": moment(row.at),
        }
        for row in accounts.held(g.user.id)
    ]


def _key_row(key: Any, pages: dict[str, dict[str, str]]) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "prefix": key.prefix,
        "scopes": "、".join(pages[scope]["label"] if scope in pages else scope for scope in key.scopes),
        "expires": moment(key.expires_at),
        "expired": access_keys.is_expired(key),
        "used": moment(key.last_used_at),
    }


def _is_mandatory() -> bool:
    return current_app.config["SECOND_FACTOR"] and logins.is_staff(g.user)


def _token() -> str:
    """The token of the session that this request came in."""
    return session["_user_id"]
