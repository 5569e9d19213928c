"""What one administrator may not do alone: to silence, to replace or to add an auditor needs a second one (三员分立).

The first asks; whoever does the same within a day confirms it. Neither may have been given a role, or had the password
or the second factor reset, in the last days: that might be the other one under another name.
"""

from datetime import UTC, datetime, timedelta

from flask_babel import gettext as _
from sqlalchemy import Select, delete, exists, func, or_, select
from sqlalchemy.orm import aliased

from app import audit
from app.access import AUDITOR, Principal
from app.domain import notifications
from app.errors import RuleError
from app.models import Account, Organization, PendingDeed, Role, RoleGrant, db, held_role

LIFE = timedelta(days=1)
ESTABLISHED_AFTER = timedelta(days=7)


def auditors(ids: list[int]) -> set[int]:
    """Which of these accounts are auditors."""
    held = select(held_role.c.user_id).join(Role, Role.id == held_role.c.role_id)
    return set(db.session.scalars(held.where(Role.name == AUDITOR, held_role.c.user_id.in_(ids))))


def beside_an_auditor(ids: list[int]) -> set[int]:
    """Which of these accounts are at an office that has an active auditor."""
    there = select(Account.id).where(Account.id.in_(ids), Account.organization_id.in_(_audited()))
    return set(db.session.scalars(there))


def _audited() -> Select[int | None]:
    """The ids of the organizations that have an active auditor."""
    holder = aliased(Account)
    return (
        select(holder.organization_id)
        .join(held_role, held_role.c.user_id == holder.id)
        .join(Role, Role.id == held_role.c.role_id)
        .where(Role.name == AUDITOR, holder.active.is_(True))
    )


def confirmed(ids: list[int], action: str, by: Principal, careful: set[int] | None = None) -> list[int]:
    """Return those of the locked accounts to which an action may be done now.

    One of `careful`, by default the auditors, is among them if another administrator asked for the same within a day;
    else it is asked for now.
    """
    careful = auditors(ids) if careful is None else careful
    if careful.isdisjoint(ids):
        return ids
    _refuse_new(by)
    db.session.execute(delete(PendingDeed).where(PendingDeed.asked_at < datetime.now(UTC) - LIFE))
    return [id for id in ids if id not in careful or _is_second(id, action, by)]


def _is_second(account_id: int, action: str, by: Principal) -> bool:
    pending = db.session.scalar(
        select(PendingDeed).where(PendingDeed.subject_id == account_id, PendingDeed.action == action).with_for_update()
    )
    if pending is None:
        _ask(account_id, action, by)
        return False
    if pending.by_id == by.account_id:
        raise RuleError(_("You have asked for this already; another administrator must do the same to confirm it."))
    db.session.delete(pending)
    return True


def _ask(account_id: int, action: str, by: Principal) -> None:
    db.session.add(PendingDeed(subject_id=account_id, action=action, by_id=by.account_id or 0, by_name=by.name))
    db.session.flush()
    name = db.session.get_one(Account, account_id).username
    notifications.tell([account_id], "second_asked")
    audit.record("ask_for_second", "account", account_id, name, by=by, what=action)


def _refuse_new(person: Principal) -> None:
    """Refuse a person to whom somebody gave a role, or whose password or second factor was reset, in the last days."""
    lately = datetime.now(UTC) - ESTABLISHED_AFTER
    given = exists().where(
        RoleGrant.account_id == person.account_id, RoleGrant.by_id.is_not(None), RoleGrant.at > lately
    )
    reset = exists().where(Account.id == person.account_id, Account.reset_at > lately)
    if db.session.scalar(select(or_(given, reset))):
        raise RuleError(
            _("You were given a role, or your password or second factor was reset, less than %(days)s days ago: until "
              "then others must ask for this and confirm it.", days=ESTABLISHED_AFTER.days)
        )  # fmt: skip


def waits(action: str, by: Principal, account_id: int | None = None) -> bool:
    """Whether something that a person has asked for in this transaction or before waits for a second administrator."""
    asked = select(PendingDeed.id).where(PendingDeed.action == action, PendingDeed.by_id == by.account_id)
    if account_id is not None:
        asked = asked.where(PendingDeed.subject_id == account_id)
    return db.session.scalar(asked.limit(1)) is not None


def refuse_auditors_of(organization_ids: list[int]) -> None:
    """Refuse to end organizations that have an active auditor: that would silence him without a second person."""
    audited = select(Organization.name).where(Organization.id.in_(organization_ids), Organization.id.in_(_audited()))
    for name in db.session.scalars(audited.order_by(Organization.id).limit(1)):
        raise RuleError(
            _("%(name)s has an auditor. Move that account to another organization first; a second administrator must "
              "confirm it.", name=name)
        )  # fmt: skip


def keep_one_auditor(before: set[int]) -> None:
    """Refuse what would leave an office without an active auditor; `before` are the auditors that it concerned."""
    if not before:
        return
    db.session.execute(select(func.pg_advisory_xact_lock(func.hashtext(AUDITOR))))
    offices = select(Account.organization_id).where(Account.id.in_(before), Account.organization_id.is_not(None))
    if set(db.session.scalars(offices)) - set(db.session.scalars(_audited())):
        raise RuleError(_("One active auditor must remain at each office that has one. Appoint another one first."))
