"""Access keys: a program acts for an account, only to export, only from the pages in its scopes, until it expires."""

from datetime import UTC, datetime, timedelta

from flask_babel import gettext as _
from sqlalchemy import select, update

from app import audit, ciphers
from app.domain import notifications
from app.errors import RuleError
from app.models import AccessKey, Account, db

MOST = 10
LONGEST_LIFE_DAYS = 365


def create(account: Account, name: str, scopes: list[str], days: int, *, allowed: set[str]) -> tuple[AccessKey, str]:
    """A new key and its text, which nobody sees again. `allowed` are the pages the account may export from."""
    if not scopes or not set(scopes) <= allowed:
        raise RuleError(_("Please choose what the key may export."), field="scopes")
    if not 1 <= days <= LONGEST_LIFE_DAYS:
        raise RuleError(_("A key lives 1 to %(most)s days.", most=LONGEST_LIFE_DAYS), field="days")
    there = of(account)
    if len(there) >= MOST:
        raise RuleError(_("There are %(most)s keys already. Please revoke one first.", most=MOST), field="name")
    if any(key.name == name for key in there):
        raise RuleError(_("You have a key of this name already."), field="name")
    text = f"jl_{ciphers.new_token()}"
    key = AccessKey(
        account_id=account.id,
        name=name,
        prefix=text[:9],
        key_hash=ciphers.hashed_token(text),
        scopes=sorted(scopes),
        expires_at=datetime.now(UTC) + timedelta(days=days),
    )
    db.session.add(key)
    notifications.tell([account.id], "access_key_made")
    audit.record("create_access_key", "account", account.id, str(account), key=key.prefix, scopes=key.scopes, days=days)
    return key, text


def of(account: Account) -> list[AccessKey]:
    """The keys of an account that are not revoked, the newest first."""
    live = select(AccessKey).where(AccessKey.account_id == account.id, AccessKey.revoked_at.is_(None))
    return list(db.session.scalars(live.order_by(AccessKey.id.desc())))


def is_expired(key: AccessKey) -> bool:
    return key.expires_at <= datetime.now(UTC)


def revoke(account: Account, key_id: int) -> bool:
    """Make one of an account's keys worthless, at once."""
    gone = (
        update(AccessKey)
        .where(AccessKey.id == key_id, AccessKey.account_id == account.id, AccessKey.revoked_at.is_(None))
        .values(revoked_at=datetime.now(UTC))
        .returning(AccessKey.prefix)
        .execution_options(synchronize_session=False)
    )
    prefix = db.session.scalar(gone)
    if prefix is not None:
        audit.record("revoke_access_key", "account", account.id, str(account), key=prefix)
    return prefix is not None


def end(account: Account) -> None:
    """Make all keys of an account worthless."""
    live = update(AccessKey).where(AccessKey.account_id == account.id, AccessKey.revoked_at.is_(None))
    db.session.execute(live.values(revoked_at=datetime.now(UTC)).execution_options(synchronize_session=False))
