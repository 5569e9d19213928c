"""系统用户管理: who looks after whose accounts, and what an administrator may do with them.

Three checks stand in every verb: the account's organization is in the administrator's care and the account holds no
role that he may not grant; the role given or taken is one he may grant; the new organization is in his care. Nobody
acts on his own account.
"""

import secrets
from typing import Any

from flask_babel import gettext as _
from sqlalchemy import ColumnElement, and_, delete, exists, false, func, literal, select, update
from sqlalchemy.dialects.postgresql import aggregate_order_by, insert as upsert
from sqlalchemy.orm import aliased

from app import access, audit, finding
from app.access import AUDITOR, EVERYTHING, ROLES, ROOT_ROLE, Principal, grantable
from app.domain import (
    access_keys,
    attempts,
    notifications,
    organizations,
    passwords,
    second_factor,
    second_persons,
    sessions,
)
from app.errors import RuleError, Stale
from app.models import Account, Organization, Role, RoleGrant, db, held_role
from app.states import ACTIVE, DISABLED, LOCKED, REGISTERED
from app.workflow import Chosen, Outcome, how_many, is_chosen, keep_organizations

home = aliased(Organization, name="account_home")
MOST_FOUND = 20
_SYMBOLS = "-_#@%"
_LETTERS = "abcdefghijkmnpqrstuvwxyz"


# --- Questions -----------------------------------------------------------------------------------


def in_care_of(who: Principal) -> ColumnElement[bool]:
    """The condition that an account is one that a person looks after: of those he sees, any but his own."""
    others: ColumnElement[bool] = Account.id != who.account_id
    return others


def manageable(who: Principal) -> ColumnElement[bool]:
    """The condition that a person may change an account: in his care, and with no role that he may not grant."""
    held = aliased(Role)
    beyond = exists().where(
        held_role.c.user_id == Account.id, held.id == held_role.c.role_id, held.name.not_in(grantable(who.roles))
    )
    return and_(in_care_of(who), ~beyond)


def holds(*roles: str) -> ColumnElement[bool]:
    """The condition that an account holds one of these roles."""
    # By their ids, whose frequencies the planner knows.
    ids = list(db.session.scalars(select(Role.id).where(Role.name.in_(roles))))
    return exists().where(held_role.c.user_id == Account.id, held_role.c.role_id.in_(ids))


def is_locked() -> ColumnElement[bool]:
    """The condition that an account must wait, at least somewhere, because of failed logins."""
    return func.lower(Account.username).in_(attempts.names_waiting())


def in_state(state: str) -> ColumnElement[bool]:
    """The condition that an account is in one of the states that `states.py` names."""
    conditions = {
        DISABLED: Account.active.is_(False),
        LOCKED: and_(Account.active.is_(True), is_locked()),
        REGISTERED: and_(Account.active.is_(True), ~is_locked(), ~Account.has_role),
        ACTIVE: and_(Account.active.is_(True), ~is_locked(), Account.has_role),
    }
    found: ColumnElement[bool] = conditions.get(state, false())
    return found


def roles_of() -> Any:
    """The names of the roles of an account, as an array for each row."""
    named = aliased(Role)
    return (
        select(func.array_agg(aggregate_order_by(named.name, named.name)))
        .join(held_role, held_role.c.role_id == named.id)
        .where(held_role.c.user_id == Account.id)
        .scalar_subquery()
    )


def role_names(account_id: int) -> frozenset[str]:
    held = select(Role.name).join(held_role, held_role.c.role_id == Role.id).where(held_role.c.user_id == account_id)
    return frozenset(db.session.scalars(held))


def held(account_id: int) -> list[Any]:
    """The roles an account holds: role, at, by_name, by_organization; who gave it is None if nobody noted it."""
    given = and_(RoleGrant.account_id == account_id, RoleGrant.role == Role.name)
    roles = (
        select(Role.name.label("role"), RoleGrant.at, RoleGrant.by_name, RoleGrant.by_organization)
        .join(held_role, held_role.c.role_id == Role.id)
        .outerjoin(RoleGrant, given)
        .where(held_role.c.user_id == account_id)
    )
    return list(db.session.execute(roles.order_by(RoleGrant.at, Role.name)))


def seen(account_id: int, who: Principal) -> Account | None:
    """An account in a person's care."""
    found: Account | None = db.session.scalar(select(Account).where(Account.id == account_id, in_care_of(who)))
    return found


def changeable(account_id: int, who: Principal) -> Account | None:
    """An account that a person may change."""
    found: Account | None = db.session.scalar(select(Account).where(Account.id == account_id, manageable(who)))
    return found


def homes(term: str, who: Principal) -> list[Organization]:
    """The first few organizations in a person's care whose name contains the term."""
    found = select(Organization).where(access.manages(who)(Organization))
    if term:
        found = found.where(finding.contains(Organization.name, term))
    return list(db.session.scalars(found.order_by(Organization.id).limit(MOST_FOUND)))


def below(organization_id: int) -> ColumnElement[bool]:
    """The condition that an account is at an organization or at one that this one looks after."""
    top = db.session.get(Organization, organization_id)
    if top is None:
        return false()
    who = Principal(
        kind=top.kind, organization_id=top.id, level=top.level, jurisdiction=top.jurisdiction, path=top.path
    )
    return exists().where(home.id == Account.organization_id, access.manages(who)(home))


# --- Verbs on many -------------------------------------------------------------------------------


def activate(chosen: Chosen, by: Principal) -> Outcome:
    """激活: let the accounts log in."""
    return _switched(chosen, by, active=True, action="activate")


def deactivate(chosen: Chosen, by: Principal) -> Outcome:
    """停用: let the accounts log in no more, and end what sessions they have."""
    outcome = _switched(chosen, by, active=False, action="deactivate")
    _keep_one_at_the_top(by)
    return outcome


def _locked(chosen: Chosen, by: Principal) -> list[int]:
    """Lock the chosen accounts in a person's care: which roles they hold is asked afterwards, and stays as it is."""
    rows = select(Account.id).where(is_chosen(Account.id, chosen), in_care_of(by)).order_by(Account.id)
    return list(db.session.scalars(rows.with_for_update(of=Account)))


def _switched(chosen: Chosen, by: Principal, *, active: bool, action: str) -> Outcome:
    asked, ids = how_many(chosen), _locked(chosen, by)
    if not active:
        ids = second_persons.confirmed(ids, action, by)
    changed = (
        update(Account)
        .where(Account.id.in_(ids), Account.active.is_not(active), manageable(by))
        .values(active=active, revision=Account.revision + 1)
        .returning(Account.id, Account.username)
        .execution_options(synchronize_session=False)
    )
    rows = db.session.execute(changed).all()
    if not active:
        sessions.end([row.id for row in rows], "deactivated")
        second_persons.keep_one_auditor(second_persons.auditors([row.id for row in rows]))
    return _told(asked, rows, action, by)


def unlock(chosen: Chosen, by: Principal) -> Outcome:
    """解锁: forget the failed logins of the accounts."""
    asked, ids = how_many(chosen), _locked(chosen, by)
    locked = select(Account.id, Account.username).where(Account.id.in_(ids), is_locked(), manageable(by))
    rows = db.session.execute(locked).all()
    attempts.clear_accounts(*(row.username for row in rows))
    return _told(asked, rows, "unlock", by)


def give_role(chosen: Chosen, role: str, by: Principal) -> Outcome:
    """分配: give the accounts a role, where it fits their organization and joins no duties that are kept apart."""
    _check_grantable(role, by)
    keep_organizations(select(Account.organization_id).where(is_chosen(Account.id, chosen)))
    asked, ids = how_many(chosen), _locked(chosen, by)
    what = ROLES[role]
    fitting = (
        select(Account.id, Account.username)
        .join(home, home.id == Account.organization_id)
        .where(Account.id.in_(ids), manageable(by), ~holds(role), home.kind == what.kind, home.active)
    )
    if what.level is not None:
        fitting = fitting.where(home.level == what.level)
    apart = _of_other_duty(role)
    if apart:
        fitting = fitting.where(~holds(*apart))
    rows = db.session.execute(fitting.order_by(Account.id)).all()
    if role == AUDITOR:
        new = [row.id for row in rows]
        allowed = second_persons.confirmed(new, "give_role", by, second_persons.beside_an_auditor(new))
        rows = [row for row in rows if row.id in allowed]
    _give(rows, role, by)
    sessions.end([row.id for row in rows], "role")
    notifications.tell([row.id for row in rows], "role_given")
    return _told(asked, rows, "give_role", by, role=role)


def appoint(account: Account) -> None:
    """Give the first account the role that grants all others; nobody is there yet to grant it."""
    _give([account], ROOT_ROLE, EVERYTHING)
    audit.record("give_role", "account", account.id, account.username, by=EVERYTHING, role=ROOT_ROLE)


def take_role(chosen: Chosen, role: str, by: Principal) -> Outcome:
    """删除角色: take a role away from the accounts."""
    _check_grantable(role, by)
    asked, locked = how_many(chosen), _locked(chosen, by)
    auditors = second_persons.auditors(locked) if role == AUDITOR else set()
    if auditors:
        locked = second_persons.confirmed(locked, "take_role", by)
    holding = select(Account.id, Account.username).where(Account.id.in_(locked), manageable(by), holds(role))
    rows = db.session.execute(holding).all()
    ids = [row.id for row in rows]
    strip(ids, [role])
    sessions.end(ids, "role")
    notifications.tell(ids, "role_taken")
    _keep_one_at_the_top(by)
    second_persons.keep_one_auditor(auditors & set(ids))
    return _told(asked, rows, "take_role", by, role=role)


def strip(ids: list[int], roles: list[str]) -> None:
    """Take these roles away from the accounts, without asking whether they may be taken."""
    named = select(Role.id).where(Role.name.in_(roles))
    db.session.execute(delete(held_role).where(held_role.c.user_id.in_(ids), held_role.c.role_id.in_(named)))
    db.session.execute(delete(RoleGrant).where(RoleGrant.account_id.in_(ids), RoleGrant.role.in_(roles)))
    note_roles(ids)


def _give(rows: Any, role: str, by: Principal) -> None:
    role_id = db.session.scalars(select(Role.id).where(Role.name == role)).one()
    if not rows:
        return
    held = [{"user_id": row.id, "role_id": role_id} for row in rows]
    db.session.execute(upsert(held_role).on_conflict_do_nothing(), held)
    given = [
        {
            "account_id": row.id,
            "role": role,
            "by_id": by.account_id,
            "by_name": by.name,
            "by_organization": by.organization,
        }
        for row in rows
    ]
    db.session.execute(upsert(RoleGrant).on_conflict_do_nothing(), given)
    note_roles([row.id for row in rows])


def note_roles(ids: list[int]) -> None:
    """Keep `has_role` what the roles of these accounts say."""
    holding = exists().where(held_role.c.user_id == Account.id)
    noted = update(Account).where(Account.id.in_(ids)).values(has_role=holding)
    db.session.execute(noted.execution_options(synchronize_session=False))


def _check_grantable(role: str, by: Principal) -> None:
    if role not in grantable(by.roles):
        raise RuleError(_("This role is not yours to give or to take."), field="role")


def _of_other_duty(role: str) -> list[str]:
    """The roles that may not stand beside this one."""
    return [name for name in ROLES if name != role and access.duties_clash([name, role])]


def _told(asked: int, rows: Any, action: str, by: Principal, **detail: Any) -> Outcome:
    for row in rows:
        audit.record(action, "account", row.id, row.username, by=by, **detail)
    return Outcome(asked, len(rows))


def _keep_one_at_the_top(by: Principal) -> None:
    """Refuse what would leave nobody who can appoint administrators.

    Two who remove each other at once wait here for one another, and the second then sees what the first did.
    """
    if ROOT_ROLE not in grantable(by.roles):
        return
    db.session.execute(select(func.pg_advisory_xact_lock(func.hashtext(ROOT_ROLE))))
    left = select(func.count()).select_from(Account).where(Account.active.is_(True), holds(ROOT_ROLE))
    if not db.session.scalar(left):
        raise RuleError(_("One active national administrator must remain."))


# --- Verbs on one --------------------------------------------------------------------------------


def edit(account_id: int, revision: str, by: Principal, *, active: bool, **values: Any) -> None:
    """个人信息: change name, phone, e-mail, position and whether the account is active; never its account name."""
    account = _changeable(account_id, by)
    if str(account.revision) != revision:
        raise Stale
    changes = {name: value for name, value in values.items() if name in _EDITABLE and getattr(account, name) != value}
    for name, value in changes.items():
        setattr(account, name, value)
    if changes:
        account.revision += 1
        audit.record("edit", "account", account.id, str(account), by=by, changed=sorted(changes))
    db.session.flush()
    if active != account.active:
        activate([account.id], by) if active else deactivate([account.id], by)


_EDITABLE = {"first_name", "phone", "email", "position"}


def attach(account_id: int, organization_id: int, by: Principal) -> bool:
    """归属: make an organization the account's own. Roles that do not fit it, or are not known there, end.

    Returns False if a second administrator must confirm it first.
    """
    keep_organizations(select(literal(organization_id)))
    account = _changeable(account_id, by)
    new = organizations.managed(organization_id, by)
    if new is None or not new.active:
        raise RuleError(_("There is no such organization in your jurisdiction."), field="organization_id")
    if new.id == account.organization_id:
        return True
    if not second_persons.confirmed([account.id], "attach", by):
        return False
    before = account.organization.name if account.organization else ""
    account.organization_id = new.id
    account.revision += 1
    db.session.flush()
    audit.record("attach", "account", account.id, str(account), by=by, before=before, after=new.name)
    auditors = second_persons.auditors([account.id])
    unfit = [role for role in sorted(role_names(account.id)) if not access.fits(role, new.kind, new.level)]
    for role in unfit:
        _check_grantable(role, by)
        audit.record("take_role", "account", account.id, str(account), by=by, role=role)
    strip([account.id], unfit)
    sessions.end([account.id], "organization")
    _keep_one_at_the_top(by)
    second_persons.keep_one_auditor(auditors)
    return True


def reset_password(account_id: int, by: Principal) -> str | None:
    """Give the account a password that only opens the page to choose another; who resets it tells it in person.

    Returns it; None if a second administrator must confirm it first.
    """
    account = _changeable(account_id, by)
    if not second_persons.confirmed([account.id], "reset_password", by):
        return None
    password = _first_password()
    passwords.store(account, password, due=True)
    account.reset_at = func.now()
    attempts.clear_accounts(account.username)
    sessions.end([account.id], "reset")
    access_keys.end(account)
    notifications.tell([account.id], "password_reset")
    audit.record("reset_password", "account", account.id, str(account), by=by)
    return password


def _first_password() -> str:
    """Twelve characters that can be told apart when read aloud."""
    letters = [secrets.choice(_LETTERS) for _place in range(6)]
    digits = [secrets.choice("23456789") for _place in range(4)]
    return f"{secrets.choice(_LETTERS).upper()}{''.join(letters)}{secrets.choice(_SYMBOLS)}{''.join(digits)}"


def reset_second_factor(account_id: int, by: Principal) -> bool:
    """Switch the second factor of an account off whose owner has lost it; return False if a second administrator must
    confirm it first.
    """
    account = _changeable(account_id, by)
    if not second_factor.is_set_up(account):
        raise RuleError(_("This account has no second factor."))
    if not second_persons.confirmed([account.id], "reset_second_factor", by):
        return False
    second_factor.switch_off(account)
    account.reset_at = func.now()
    sessions.end([account.id], "reset")
    return True


def _changeable(account_id: int, by: Principal) -> Account:
    """An account that a person may change, locked before it is asked which roles it holds."""
    _locked([account_id], by)
    account = changeable(account_id, by)
    if account is None:
        raise RuleError(_("This account is not yours to change."))
    db.session.refresh(account)
    return account
