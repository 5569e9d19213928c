"""Login and permissions over Flask-AppBuilder's security manager: one query for who, one for what they may."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from flask import abort, current_app, g, redirect, request, session, url_for
from flask_appbuilder import expose
from flask_appbuilder.security.forms import LoginForm_db
from flask_appbuilder.security.sqla.manager import SecurityManager
from flask_appbuilder.security.sqla.models import (
    Permission,
    PermissionView,
    ViewMenu,
    assoc_permissionview_role,
    assoc_user_role,
)
from flask_appbuilder.security.views import AuthDBView
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_login import current_user, login_user, logout_user
from sqlalchemy import select
from sqlalchemy.orm import joinedload
from wtforms import HiddenField, StringField
from wtforms.validators import DataRequired, Length

from app import access
from app.access import EVERYTHING, NOBODY, Principal
from app.errors import wants_fragment
from app.models import Account, Organization

from . import captcha


class AccountSecurityManager(SecurityManager):
    """Accounts with an organization, permissions read once a request, and no view that leaks."""

    user_model = Account

    def register_views(self) -> None:
        """Only the login page: user and role pages of our own come from `pages`, the API login not at all."""
        self.auth_view = self.appbuilder.add_view_no_menu(LoginView())

    def load_user(self, pk: str) -> Account | None:
        account_id, _dot, epoch = str(pk).partition(".")
        if not (account_id.isdecimal() and epoch.isdecimal()):
            return None
        account = select(Account).options(joinedload(Account.organization).joinedload(Organization.region))
        with access.seeing(EVERYTHING):
            return self.session.scalar(
                account.where(
                    Account.id == int(account_id), Account.session_epoch == int(epoch), Account.active.is_(True)
                )
            )

    def has_access(self, permission_name: str, view_name: str) -> bool:
        return (permission_name, view_name) in self.permissions()

    def permissions(self) -> frozenset[tuple[str, str]]:
        """What the signed-in account may: (permission, page) pairs."""
        if "permissions" not in g:
            g.permissions = self._permissions_of(g.principal.account_id)
        return g.permissions

    def _permissions_of(self, account_id: int | None) -> frozenset[tuple[str, str]]:
        if account_id is None:
            return frozenset()
        held = assoc_permissionview_role.c
        pairs = (
            select(Permission.name, ViewMenu.name)
            .select_from(assoc_user_role)
            .join(assoc_permissionview_role, held.role_id == assoc_user_role.c.role_id)
            .join(PermissionView, PermissionView.id == held.permission_view_id)
            .join(Permission, Permission.id == PermissionView.permission_id)
            .join(ViewMenu, ViewMenu.id == PermissionView.view_menu_id)
            .where(assoc_user_role.c.user_id == account_id)
        )
        return frozenset((permission, page) for permission, page in self.session.execute(pairs))


def identify() -> None:
    """Before each request: who is it."""
    g.principal = NOBODY
    if request.endpoint not in (None, "static") and current_user.is_authenticated:
        g.principal = principal_of(g.user)


def principal_of(account: Account) -> Principal:
    organization = account.organization
    if organization is None or not organization.active:
        return Principal(account_id=account.id, name=account.first_name)
    return Principal(
        kind=organization.kind,
        account_id=account.id,
        name=account.first_name,
        organization_id=organization.id,
        organization=organization.name,
        level=organization.level,
        jurisdiction=organization.jurisdiction,
        path=organization.path,
        place=organization.region.full_name,
    )


def permitted(name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Let a page's method run only for who holds the permission; strangers sign in first."""

    def decorate(method: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(method)
        def guarded(self: Any, *args: Any, **kwargs: Any) -> Any:
            require(f"can_{name}", self.class_permission_name)
            return method(self, *args, **kwargs)

        guarded._permission_name = name  # type: ignore[attr-defined]  # Flask-AppBuilder collects it
        return guarded

    return decorate


def require(permission: str, page: str) -> None:
    """Stop the request unless the permission is held: 401 or the login page for strangers, 403 otherwise."""
    if current_app.appbuilder.sm.has_access(permission, page):  # type: ignore[attr-defined]
        return
    if g.principal.account_id is not None:
        abort(403)
    if wants_fragment() or request.method != "GET":
        abort(401)
    abort(redirect(url_for("LoginView.login", next=request.full_path.rstrip("?"))))


class LoginForm(LoginForm_db):
    """Account, password and the answer to the captcha."""

    captcha = StringField(_l("Verification code"), validators=[DataRequired(), Length(max=8)])
    captcha_token = HiddenField(validators=[DataRequired(), Length(max=43)])


class LoginView(AuthDBView):
    """The login page. No word of it tells whether account, password or code was wrong."""

    route_base = ""
    default_view = "login"

    @expose("/login/", methods=["GET", "POST"])
    def login(self) -> Any:
        if current_user.is_authenticated:
            return redirect(self._next())
        form = LoginForm()
        problem = None
        if request.method == "POST":
            account = self._signed_in(form)
            if account is not None:
                return redirect(self._next())
            problem = _("Account, password or verification code is wrong.")
        form.captcha.data = ""
        form.captcha_token.data = captcha.ask()
        return self._page(form, problem)

    def _signed_in(self, form: LoginForm) -> Account | None:
        if not form.validate():
            return None
        if not captcha.solve(form.captcha_token.data or "", form.captcha.data or ""):
            return None
        with access.seeing(EVERYTHING):
            account = self.appbuilder.sm.auth_user_db(form.username.data, form.password.data)
        if account is None:
            return None
        language = session.get("locale")
        session.clear()
        if language:
            session["locale"] = language
        session.permanent = True
        login_user(account)
        return account

    def _next(self) -> str:
        """A path of this site, or the home page: nothing that leads elsewhere."""
        target = request.args.get("next", "")
        inside = target.startswith("/") and not target.startswith(("//", "/\\")) and "\\" not in target
        return target if inside else "/"

    def _page(self, form: LoginForm, problem: str | None) -> Any:
        return (
            self.render_template(
                "login.html", form=form, problem=problem, captcha=captcha.links(form.captcha_token.data)
            ),
            200 if problem is None else 422,
            {"Cache-Control": "no-store"},
        )

    @expose("/login/captcha", methods=["GET"])
    def captcha(self) -> Any:
        """A new captcha for who cannot read this one."""
        token = captcha.ask()
        return captcha.links(token) | {"token": token}, {"Cache-Control": "no-store"}

    @expose("/login/captcha/<token>.<kind>", methods=["GET"])
    def captcha_media(self, token: str, kind: str) -> Any:
        media = captcha.media(token, kind)
        if media is None:
            abort(404)
        body, mimetype = media
        return body, {"Content-Type": mimetype, "Cache-Control": "no-store"}

    @expose("/logout/", methods=["POST"])
    def logout(self) -> Any:
        logout_user()
        session.clear()
        return redirect(url_for("LoginView.login"))
