"""What one administrator may not do alone: to silence or to replace an auditor needs a second one (三员分立).

The first asks; whoever does the same within a day confirms it. Whom the first has appointed in the last days cannot
confirm for him, for that might be himself under another name.
"""

from datetime import UTC, datetime, timedelta

from flask_babel import gettext as _
from sqlalchemy import delete, exists, func, select

from app import audit
from app.access import AUDITOR, Principal
from app.errors import RuleError
from app.models import Account, PendingDeed, Role, RoleGrant, db, held_role

LIFE = timedelta(days=1)
APPOINTED_LONG_AGO = timedelta(days=7)


def auditors(ids: list[int]) -> set[int]:
    """Which of these accounts are auditors."""
    held = select(held_role.c.user_id).join(Role, Role.id == held_role.c.role_id)
    return set(db.session.scalars(held.where(Role.name == AUDITOR, held_role.c.user_id.in_(ids))))


def confirmed(ids: list[int], action: str, by: Principal) -> list[int]:
    """Return those of the locked accounts to which an action may be done now.

    An auditor's is among them if another administrator asked for the same within a day; else it is asked for now.
    """
    careful = auditors(ids)
    return [id for id in ids if id not in careful or _is_second(id, action, by)]


def _is_second(account_id: int, action: str, by: Principal) -> bool:
    db.session.execute(delete(PendingDeed).where(PendingDeed.asked_at < datetime.now(UTC) - LIFE))
    pending = db.session.scalar(
        select(PendingDeed).where(PendingDeed.subject_id == account_id, PendingDeed.action == action).with_for_update()
    )
    if pending is None:
        _ask(account_id, action, by)
        return False
    if pending.by_id == by.account_id:
        raise RuleError(_("You have asked for this already; another administrator must do the same to confirm it."))
    if _was_appointed_by(by, pending.by_id):
        raise RuleError(
            _("Whoever asked for this appointed you less than %(days)s days ago: somebody else must confirm it.",
              days=APPOINTED_LONG_AGO.days)
        )  # fmt: skip
    db.session.delete(pending)
    return True


def _ask(account_id: int, action: str, by: Principal) -> None:
    db.session.add(PendingDeed(subject_id=account_id, action=action, by_id=by.account_id or 0, by_name=by.name))
    db.session.flush()
    name = db.session.get_one(Account, account_id).username
    audit.record("ask_for_second", "account", account_id, name, by=by, what=action)


def _was_appointed_by(person: Principal, other_id: int) -> bool:
    lately = datetime.now(UTC) - APPOINTED_LONG_AGO
    given = exists().where(
        RoleGrant.account_id == person.account_id, RoleGrant.by_id == other_id, RoleGrant.at > lately
    )
    return bool(db.session.scalar(select(given)))


def waits(action: str, by: Principal, account_id: int | None = None) -> bool:
    """Whether something that a person has asked for in this transaction or before waits for a second administrator."""
    asked = select(PendingDeed.id).where(PendingDeed.action == action, PendingDeed.by_id == by.account_id)
    if account_id is not None:
        asked = asked.where(PendingDeed.subject_id == account_id)
    return db.session.scalar(asked.limit(1)) is not None


def keep_one_auditor(before: set[int]) -> None:
    """Refuse what would leave an office without an active auditor; `before` are the auditors that it concerned."""
    if not before:
        return
    db.session.execute(select(func.pg_advisory_xact_lock(func.hashtext(AUDITOR))))
    offices = select(Account.organization_id).where(Account.id.in_(before), Account.organization_id.is_not(None))
    active = (
        select(Account.organization_id)
        .join(held_role, held_role.c.user_id == Account.id)
        .join(Role, Role.id == held_role.c.role_id)
        .where(Role.name == AUDITOR, Account.active.is_(True))
    )
    if set(db.session.scalars(offices)) - set(db.session.scalars(active)):
        raise RuleError(_("One active auditor must remain at each office that has one. Appoint another one first."))
