"""Sessions and permissions over Flask-AppBuilder's security manager: one query for who, one for what they may."""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import wraps
from hashlib import sha256
from typing import Any, NoReturn, cast
from urllib.parse import unquote

from flask import Flask, Request, Response, abort, current_app, g, redirect, request, session, url_for
from flask_appbuilder.security.sqla.manager import SecurityManager
from flask_appbuilder.security.sqla.models import (
    Permission,
    PermissionView,
    Role,
    ViewMenu,
    assoc_permissionview_role,
    assoc_user_role,
)
from flask_babel import gettext as _
from flask_login import current_user
from flask_wtf import CSRFProtect
from itsdangerous import Signer
from sqlalchemy import func, select, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import joinedload

from app import access
from app.access import EVERYTHING, NOBODY, Principal
from app.ciphers import hashed_token
from app.errors import OtherAccount, RuleError, wants_fragment
from app.models import AccessKey, Account, AccountSession, Organization, db
from app.outages import outage_of

from .public import has_session, is_public

log = logging.getLogger(__name__)

# Form tokens, which Flask-WTF signs: by default with SHA-1.
Signer.default_digest_method = staticmethod(sha256)

# What an account may lend to a program: to take rows away, and persons unmasked if it sees them so itself.
_WITH_A_KEY = frozenset({"can_export", "can_see_persons"})


class AccountSecurityManager(SecurityManager):
    """Accounts with an organization, sessions that end, permissions read once a request, no view that leaks."""

    user_model = Account

    def __init__(self, appbuilder: Any):
        super().__init__(appbuilder)
        self.lm.request_loader(self.load_by_key)  # pyright: ignore[reportOptionalMemberAccess] -- made just before

    def register_views(self) -> None:
        """None of Flask-AppBuilder's: login, accounts and roles are pages of ours, the API login is no more."""

    def load_user(self, pk: str) -> Account | None:
        """The account whose live session has this token."""
        idle = current_app.config["IDLE"]
        longest = current_app.config["PERMANENT_SESSION_LIFETIME"]
        found = self._account_with(
            AccountSession.seen_at,
            AccountSession,
            AccountSession.token_hash == hashed_token(str(pk)),
            AccountSession.is_live(idle, longest),
        )
        if found is None:
            return None
        account, g.seen_at = found
        account.session_token = str(pk)
        return account

    def load_by_key(self, incoming: Request) -> Account | None:
        """The account for which a program acts: `Authorization: Bearer <access key>`."""
        scheme, _space, key = incoming.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not key:
            return None
        found = self._account_with(
            AccessKey,
            AccessKey,
            AccessKey.key_hash == hashed_token(key),
            AccessKey.revoked_at.is_(None),
            AccessKey.expires_at > func.now(),
        )
        if found is None:
            return None
        account, key = found
        g.access_key, g.key_used = key, (key.id, key.last_used_at)
        return account

    def _account_with(self, what: Any, table: Any, *conditions: Any) -> tuple[Account, Any] | None:
        held = (
            select(func.array_agg(Role.name))
            .join(assoc_user_role, assoc_user_role.c.role_id == Role.id)
            .where(assoc_user_role.c.user_id == Account.id)
            .scalar_subquery()
        )
        found = (
            select(Account, what, held)
            .join(table, table.account_id == Account.id)
            .options(joinedload(Account.organization).joinedload(Organization.region))
            .where(Account.active.is_(True), *conditions)
        )
        with access.seeing(EVERYTHING):
            row = self.session.execute(found).one_or_none()
        if row is None:
            return None
        account, value, roles = row
        g.roles = frozenset(roles or ())
        return account, value

    def has_access(self, permission_name: str, view_name: str) -> bool:
        key = g.get("access_key")
        if key is not None and (permission_name not in _WITH_A_KEY or view_name not in key.scopes):
            return False
        return (permission_name, view_name) in self.permissions()

    def permissions(self) -> frozenset[tuple[str, str]]:
        """What the signed-in account may: (permission, page) pairs."""
        if "permissions" not in g:
            with access.seeing(EVERYTHING):  # plain tables: there is nothing to narrow
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
    if is_public():
        return
    if request.endpoint not in (None, "static") and current_user.is_authenticated:
        g.principal = principal_of(cast(Account, current_user), g.roles)


def keep_own_organization() -> None:
    """Before each request that may write: the person's organization stays as it is until the request is done.

    Raises RuleError if somebody has disabled, moved or merged it since it was read.
    """
    who = g.principal
    if request.method in {"GET", "HEAD", "OPTIONS"} or who.organization_id is None:
        return
    rows = select(Organization.active, Organization.path, Organization.region_code)
    own = rows.where(Organization.id == who.organization_id).with_for_update(read=True, key_share=True)
    with access.seeing(EVERYTHING):
        is_as_read = db.session.execute(own).one() == (True, who.path, who.region_code)
    if not is_as_read:
        raise RuleError(_("Your organization has been changed at this very moment. Please try again."))


def principal_of(account: Account, roles: frozenset[str]) -> Principal:
    """Who the account is. Without a role, or of a disabled organization, it is somebody who sees nothing."""
    organization = account.organization
    if organization is None or not organization.active or not roles:
        return access.without_rights(account)
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
        region_code=organization.region_code,
        roles=roles,
    )


@contextmanager
def acting_as(account: Account) -> Iterator[Principal]:
    """Act as an account where there is no request, as far as it may now; one that is switched off may nothing."""
    g.user, g.roles = account, frozenset(role.name for role in account.roles)
    if account.active:
        g.principal = principal_of(account, g.roles)
        g.pop("permissions", None)
    else:
        g.principal, g.permissions = access.without_rights(account), frozenset()
    try:
        with access.seeing(g.principal) as who:
            yield who
    finally:
        for name in ("user", "roles", "principal", "permissions"):
            g.pop(name, None)


def note_use(response: Response) -> Response:
    """After each request: the session or the access key is in use. Written once a minute at most."""
    used = _used(datetime.now(UTC) - timedelta(minutes=1))
    if used is None:
        return response
    try:
        db.session.rollback()  # whatever a page left undone stays undone
        with access.seeing(EVERYTHING):
            db.session.execute(used.execution_options(synchronize_session=False))
            db.session.commit()
    except DBAPIError as error:
        if outage_of(error) is None:
            raise
        log.warning("the use of a session was not noted: %s", error.orig)
        with suppress(DBAPIError):
            db.session.rollback()
    return response


def _used(before: datetime) -> Any:
    """What notes that the session or the key is in use, if that was noted last before then."""
    if "key_used" in g:
        key_id, last = g.key_used
        used = update(AccessKey).where(AccessKey.id == key_id).values(last_used_at=func.now())
        return used if last is None or last < before else None
    if "seen_at" not in g or g.seen_at >= before or request.endpoint in UNNOTED or "_user_id" not in session:
        return None
    this = AccountSession.token_hash == hashed_token(session["_user_id"])
    return update(AccountSession).where(this).values(seen_at=func.now())


# Asking whether the session is still there does not keep it there, nor does a screen at which perhaps nobody sits.
UNNOTED = {"SessionView.remaining", "Wall.figures"}


def is_key_known() -> bool | None:
    """Whether a request for what is for everybody bears an access key that is good; None if it bears none."""
    if "Authorization" not in request.headers:
        return None
    return bool(current_user.is_authenticated)


class Protection(CSRFProtect):
    """The token that a form must carry; a program with an access key has no cookie that others could misuse."""

    def protect(self, **options: Any) -> None:
        if "access_key" in g or not has_session():
            return
        if g.principal is NOBODY and request.headers.get("Authorization", "").lower().startswith("bearer "):
            abort(401)  # a program whose key is wrong or has ended is to be told that, not of a form
        super().protect(**options)


# Addresses that ask for no permission, by endpoint or page, with the reason why.
Reasons = Mapping[str, str]


def guard_routes(app: Flask, open_to_all: Reasons, for_accounts: Reasons) -> None:
    """Let every address say who may open it: by a permission of its page, or by standing in one of these lists."""
    pages = {page.endpoint: page for page in app.extensions["kit"].baseviews}
    for rule in app.url_map.iter_rules():
        page, _dot, name = rule.endpoint.rpartition(".")
        method = getattr(pages.get(page), name, None)
        listed = _is_listed(rule.endpoint, open_to_all) or _is_listed(rule.endpoint, for_accounts)
        if not listed and not hasattr(method, "_asks_permission"):
            raise TypeError(f"{rule.endpoint} does not say who may open it")
    app.extensions["for_accounts"] = for_accounts


def _is_listed(endpoint: str, reasons: Reasons) -> bool:
    return endpoint in reasons or endpoint.rpartition(".")[0] in reasons


def refuse_other_account() -> None:
    """Before each request: what a page of one account sends is not done as another that has signed in meanwhile.

    Pages say in a header for whom they were made, also when they ask for another form token.
    """
    made_for = request.headers.get("X-Account")
    if made_for is None or g.principal.account_id is None:
        return
    if unquote(made_for) != g.user.username:
        raise OtherAccount(unquote(made_for), g.user.username)


def hold_gate() -> None:
    """Before each request, when it is known who asks: a key opens only what is for keys, an account its own pages."""
    if "access_key" in g and not _takes_key():
        abort(403)
    if _is_listed(request.endpoint or "", current_app.extensions["for_accounts"]) and g.principal.account_id is None:
        _send_to_login()


def _takes_key() -> bool:
    if request.path.startswith(current_app.extensions["key_paths"]):
        return True
    view: Any = current_app.view_functions.get(request.endpoint or "")
    return hasattr(view, "_takes_key")


def asks_permission(method: Callable[..., Any]) -> Callable[..., Any]:
    """Say of a page's method that it asks itself for the permission that its action needs."""
    method._asks_permission = True  # type: ignore[attr-defined]
    return method


def takes_key(method: Callable[..., Any]) -> Callable[..., Any]:
    """Say of a page's method that a program may call it with an access key for the page."""
    method._takes_key = True  # type: ignore[attr-defined]
    return method


def permitted(name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Let a page's method run only for who holds the permission; strangers sign in first."""

    def decorate(method: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(method)
        def guarded(self: Any, *args: Any, **kwargs: Any) -> Any:
            require(f"can_{name}", self.class_permission_name)
            return method(self, *args, **kwargs)

        guarded._permission_name = name  # type: ignore[attr-defined]  # Flask-AppBuilder collects it
        return asks_permission(guarded)

    return decorate


def is_permitted(permission: str, page: str) -> bool:
    """Whether the person holds a permission of a page."""
    return bool(current_app.appbuilder.sm.has_access(permission, page))  # type: ignore[attr-defined]


def require(permission: str, page: str) -> None:
    """Stop the request unless the permission is held: 401 or the login page for strangers, 403 otherwise."""
    if not is_permitted(permission, page):
        refuse()


def refuse() -> NoReturn:
    """Stop the request: 401 or the login page for strangers, 403 otherwise."""
    if g.principal.account_id is not None:
        abort(403)
    _send_to_login()


def _send_to_login() -> NoReturn:
    if wants_fragment() or request.method != "GET":
        abort(401)
    abort(redirect(url_for("LoginView.login", next=request.full_path.rstrip("?"))))
