"""Signing in and out: account, password and captcha, the code of the second factor, and what is owed afterwards."""

from typing import Any

from flask import abort, current_app, g, redirect, request, session, url_for
from flask_appbuilder import expose
from flask_babel import gettext as _, lazy_gettext as _l
from flask_login import current_user, login_user, logout_user
from wtforms import PasswordField, StringField
from wtforms.validators import DataRequired, Length

from app import access, audit
from app.access import EVERYTHING, Principal
from app.domain import attempts, logins, passwords, second_factor, sessions
from app.domain.logins import Answer
from app.errors import wants_fragment
from app.fabkit.forms import Form
from app.fabkit.pages import Page
from app.models import Account, AccountSession, db
from app.pages.captchas import CaptchaForm

WAITING = "waiting"  # for the second factor: the key of the session's token in the cookie


class LoginForm(CaptchaForm):
    """Account, password and the answer to the captcha."""

    username = StringField(_l("Account"), validators=[DataRequired(), Length(max=128)])
    password = PasswordField(_l("Password"), validators=[DataRequired(), Length(max=256)])


class CodeForm(Form):
    """The second factor."""

    code = StringField(_l("Code"), validators=[DataRequired(), Length(max=60)])


class LoginView(Page):
    """The login page. No word of it tells whether account, password or code was wrong."""

    route_base = ""
    default_view = "login"

    @expose("/login/", methods=["GET", "POST"])
    def login(self) -> Any:
        if current_user.is_authenticated:
            return redirect(_next())
        form = LoginForm()
        problem = None
        if request.method == "POST":
            answer = self._answer(form)
            if answer.account is not None:
                return self._begin(answer.account)
            problem = _told(answer) or _("Account, password or verification code is wrong.")
        return self._page("login.html", form, problem, captcha=form.ask_again())

    def _answer(self, form: LoginForm) -> Answer:
        if not form.validate() or not form.solved():
            return Answer()
        with access.seeing(EVERYTHING):
            answer = logins.sign_in(form.username.data or "", form.password.data or "", _address())
            db.session.commit()
            return answer

    def _begin(self, account: Account) -> Any:
        """A session of its own, that knows nothing of the one before."""
        confirmed = not second_factor.is_set_up(account)
        with access.seeing(EVERYTHING):
            device = request.user_agent.string
            token = sessions.start(account, confirmed=confirmed, address=_address(), device=device)
            db.session.commit()
        target = _next()
        _forget()
        if confirmed:
            return _enter(account, target)
        session[WAITING] = token
        return redirect(url_for("LoginView.code", next=target))

    @expose("/login/code", methods=["GET", "POST"])
    def code(self) -> Any:
        """The second factor."""
        with access.seeing(EVERYTHING):
            waiting = sessions.waiting(session.get(WAITING, ""))
            if waiting is None:
                return redirect(url_for("LoginView.login"))
            form = CodeForm()
            problem = None
            if request.method == "POST":
                answer = self._confirmed(form, waiting)
                if answer.account is not None:
                    answer.account.session_token = session[WAITING]
                    target = _next()
                    _forget()
                    return _enter(answer.account, target)
                problem = _told(answer) or _("This code is wrong or no longer valid. Please take the next one.")
        form.code.data = ""
        return self._page("login_code.html", form, problem)

    def _confirmed(self, form: CodeForm, waiting: AccountSession) -> Answer:
        if not form.validate():
            return Answer()
        answer = logins.confirm(waiting, form.code.data or "", _address())
        db.session.commit()
        return answer

    def _page(self, template: str, form: Form, problem: str | None, **more: Any) -> Any:
        page = self.render_template(template, form=form, problem=problem, **more)
        return page, 200 if problem is None else 422, {"Cache-Control": "no-store"}

    @expose("/logout/", methods=["POST"])
    def logout(self) -> Any:
        token = session.get("_user_id")
        if token and current_user.is_authenticated:
            sessions.end_by_token(token, "logout")
            audit.record("logout", "account", g.user.id, str(g.user))
            db.session.commit()
        logout_user()
        session.clear()
        return redirect(url_for("LoginView.login"))


def _enter(account: Account, target: str) -> Any:
    session.permanent = True
    language = account.preferences.get("language")
    if language in current_app.config["LANGUAGES"]:
        session["locale"] = language
    login_user(account)
    return redirect(target)


def _forget() -> None:
    language = session.get("locale")
    session.clear()
    if language:
        session["locale"] = language


def _address() -> str:
    return request.remote_addr or ""


def _next() -> str:
    """A path of this site, or the home page: nothing that leads elsewhere."""
    target = request.args.get("next", "")
    inside = target.startswith("/") and not target.startswith("//") and "\\" not in target and target.isprintable()
    return target if inside else "/"


def _told(answer: Answer) -> str | None:
    return attempts.in_words(answer.wait) if answer.wait is not None else None


# --- What is owed before anything else ------------------------------------------------------------

# The pages where one pays it.
FREE = {"MyAccount", "LoginView", "SessionView", "Captchas"}


def hold_back() -> Any:
    """Before each request: who owes a new password or a second factor may do nothing else."""
    if g.principal.account_id is None:
        return None
    g.owes = _owed(g.user)
    if g.owes is not None and "access_key" in g:
        abort(403)
    if g.owes is None or request.blueprint in FREE or request.endpoint == "static":
        return None
    g.principal = Principal(account_id=g.user.id, name=g.user.first_name, organization=g.principal.organization)
    g.permissions = frozenset()
    target = url_for(f"MyAccount.{g.owes}")
    if wants_fragment():
        return "", 204, {"HX-Redirect": target}
    return redirect(target)


def _owed(account: Account) -> str | None:
    if passwords.is_due(account):
        return "password"
    mandatory = current_app.config["SECOND_FACTOR"] and logins.is_staff(account)
    if mandatory and not second_factor.is_set_up(account):
        return "second_factor"
    return None
