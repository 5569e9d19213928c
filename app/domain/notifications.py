"""通知: what an account should know; told by the system, and by mail where it is configured and wanted."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from flask_babel import (
    force_locale,  # pyright: ignore[reportAttributeAccessIssue]  # not in its __all__
    gettext as _,
)
from sqlalchemy import delete, func, insert, select, update

from app import outside
from app.access import Principal
from app.models import Account, Notification, db
from app.outside import Letter
from app.workflow import Chosen, is_chosen, notifying

KEPT = timedelta(days=180)
# What came before it is not mailed any more, e.g. because there was no mail then.
MAILED_WITHIN = timedelta(days=1)
# Which of a person's settings is about which kind; every other kind is work that waits.
_OF_ACCOUNTS = (
    "role_given", "role_taken", "second_asked", "password_reset", "password_changed", "second_factor_set",
    "second_factor_off", "access_key_made",
)  # fmt: skip
GROUPS = {
    **dict.fromkeys(("near_deadline", "fall_due", "run_out"), "deadlines_near"),
    **dict.fromkeys(_OF_ACCOUNTS, "account_changes"),
}
DEFAULT_GROUP = "tasks_waiting"
DEFAULT_LANGUAGE = "zh"


def unread(account_id: int) -> int:
    """How many notifications an account has not read."""
    waiting = select(func.count()).where(Notification.account_id == account_id, Notification.read_at.is_(None))
    return int(db.session.scalar(waiting) or 0)


def mark_read(chosen: Chosen, by: Principal) -> int:
    """Mark one's own notifications as read. Gives how many were not."""
    marked = (
        update(Notification)
        .where(is_chosen(Notification.id, chosen), Notification.account_id == by.account_id)
        .where(Notification.read_at.is_(None))
        .values(read_at=func.now())
        .returning(Notification.id)
        .execution_options(synchronize_session=False)
    )
    return len(db.session.execute(marked).all())


def tell(account_ids: Sequence[int], kind: str, subject: str = "account") -> None:
    """Tell accounts something about themselves, or about what is theirs."""
    common = {"kind": kind, "party": "account", "subject": subject, "amount": 1}
    if account_ids:
        db.session.execute(insert(Notification), [{"account_id": id, **common} for id in account_ids])


def remind(concerned: Any, kind: str, subject: str, party: str, *, reason: str | None = None) -> int:
    """Tell each organization's staff of its rows among `concerned` (organization_id, id). Gives how many were told."""
    told = notifying(concerned.cte("concerned"), kind, subject, party, reason).returning(Notification.id)
    return len(db.session.execute(told).all())


def forget_old() -> int:
    """Forget what is half a year old. Returns how many."""
    old = delete(Notification).where(Notification.at < datetime.now(UTC) - KEPT).returning(Notification.id)
    return len(db.session.execute(old).all())


# --- Mail ----------------------------------------------------------------------------------------


def mail() -> int:
    """Mail to each account what it does not know yet, in one letter. Gives the number of letters sent."""
    waiting = (
        select(Notification, Account)
        .join(Account, Account.id == Notification.account_id)
        .where(Notification.mailed_at.is_(None))
        .order_by(Notification.id)
        .limit(10_000)
        .with_for_update(of=Notification, skip_locked=True)
    )
    news: dict[int, tuple[Account, int]] = {}
    for notification, account in db.session.execute(waiting):
        notification.mailed_at = func.now()
        if _is_wanted(notification, account):
            news[account.id] = (account, news.get(account.id, (account, 0))[1] + 1)
    return outside.send([_letter(account, number) for account, number in news.values()])


def _is_wanted(notification: Notification, account: Account) -> bool:
    wanted = account.preferences.get("notifications", {}).get(GROUPS.get(notification.kind, DEFAULT_GROUP))
    is_new = notification.at > datetime.now(UTC) - MAILED_WITHIN
    return bool(wanted and is_new and account.active and account.email and notification.read_at is None)


def _letter(account: Account, number: int) -> Letter:
    with force_locale(account.preferences.get("language") or DEFAULT_LANGUAGE):
        subject = _("%(number)s new notifications", number=number)
        text = _(
            "%(name)s, the verification system has news for you. Please sign in: %(address)s",
            name=account.first_name,
            address=outside.address("/notifications/"),
        )
    return Letter(account.email, subject, text)
