"""Sessions: started at login, ended by logout, by time, or by what happens to the account; always revocable."""

from collections.abc import Collection
from datetime import UTC, datetime, timedelta

from sqlalchemy import ColumnElement, Select, delete, func, select, update

from app import audit, ciphers
from app.models import Account, AccountSession, db

REMEMBERED = timedelta(days=90)


def start(account: Account, *, confirmed: bool, address: str, device: str) -> str:
    """Begin a session and give the token for its cookie. Not confirmed, it waits for the second factor."""
    token = ciphers.new_token()
    db.session.add(
        AccountSession(
            account_id=account.id,
            token_hash=ciphers.hashed_token(token),
            confirmed=confirmed,
            address=address,
            device=device[:300],
        )
    )
    account.session_token = token
    return token


def waiting(token: str) -> AccountSession | None:
    """The session of this token that waits for its second factor, for five minutes."""
    found: AccountSession | None = db.session.scalar(
        select(AccountSession).where(
            AccountSession.token_hash == ciphers.hashed_token(token),
            ~AccountSession.confirmed,
            AccountSession.ended_at.is_(None),
            AccountSession.started_at > func.now() - func.make_interval(0, 0, 0, 0, 0, 5),
        )
    )
    return found


def live(account: Account, idle: timedelta, longest: timedelta) -> list[AccountSession]:
    """The sessions by which the account is signed in now, the latest used first."""
    return list(
        db.session.scalars(
            select(AccountSession)
            .where(AccountSession.account_id == account.id, AccountSession.is_live(idle, longest))
            .order_by(AccountSession.seen_at.desc(), AccountSession.id.desc())
            .limit(100)
        )
    )


def left(token: str, idle: timedelta, longest: timedelta) -> timedelta:
    """How long the session of this token lasts if nothing is done."""
    times = select(AccountSession.seen_at, AccountSession.started_at)
    of_token = times.where(AccountSession.token_hash == ciphers.hashed_token(token))
    seen_at, started_at = db.session.execute(of_token).one()
    ends: datetime = min(seen_at + idle, started_at + longest)
    return ends - datetime.now(UTC)


def extend(token: str) -> None:
    """Note that the session of this token is in use."""
    used = update(AccountSession).where(AccountSession.token_hash == ciphers.hashed_token(token))
    db.session.execute(used.values(seen_at=func.now()).execution_options(synchronize_session=False))


def renew(token: str) -> str:
    """Give the session of this token another one, since its owner has proved again who he is; returns it."""
    new = ciphers.new_token()
    this = update(AccountSession).where(AccountSession.token_hash == ciphers.hashed_token(token))
    renewed = this.values(token_hash=ciphers.hashed_token(new))
    db.session.execute(renewed.execution_options(synchronize_session=False))
    return new


def end(account_ids: Collection[int] | Select[int], why: str, *, but: str | None = None) -> int:
    """End the sessions of accounts, except the one whose token is `but`. Returns how many ended."""
    others = [AccountSession.token_hash != ciphers.hashed_token(but)] if but is not None else []
    return _ended(why, AccountSession.account_id.in_(account_ids), *others)


def end_by_token(token: str, why: str) -> None:
    """End the session of this token."""
    _ended(why, AccountSession.token_hash == ciphers.hashed_token(token))


def end_one(account: Account, session_id: int) -> bool:
    """End one of an account's own sessions."""
    if not _ended("revoked", AccountSession.id == session_id, AccountSession.account_id == account.id):
        return False
    audit.record("end_sessions", "account", account.id, str(account), ended=1)
    return True


def _ended(why: str, *which: ColumnElement[bool]) -> int:
    """End these sessions, as far as they have not ended. Returns how many did."""
    live = update(AccountSession).where(AccountSession.ended_at.is_(None), *which)
    ended = live.values(ended_at=datetime.now(UTC), ended_by=why).returning(AccountSession.id)
    return len(db.session.execute(ended.execution_options(synchronize_session=False)).all())


def end_others(account: Account, token: str) -> int:
    """End all of an account's own sessions but the one of this token. Returns how many ended."""
    ended = end([account.id], "revoked", but=token)
    audit.record("end_sessions", "account", account.id, str(account), ended=ended)
    return ended


# As browsers and systems name themselves; the first that fits, for most also claim to be one of the others.
BROWSERS = (
    ("MicroMessenger", "WeChat"),
    ("QQBrowser", "QQ Browser"),
    ("QIHU", "360 Browser"),
    ("Edg", "Edge"),
    ("Firefox", "Firefox"),
    ("Chrome", "Chrome"),
    ("Safari", "Safari"),
)
SYSTEMS = (
    ("OpenHarmony", "HarmonyOS"),
    ("HarmonyOS", "HarmonyOS"),
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
)


def device_in_words(device: str) -> str:
    """'Edge · Windows' for what a browser says of itself; '' if it says nothing known."""
    words = (
        next((word for sign, word in BROWSERS if sign in device), ""),
        next((word for sign, word in SYSTEMS if sign in device), ""),
    )
    return " · ".join(word for word in words if word)


def drop_ended() -> int:
    """Drop the sessions that were last used or ended long ago; the audit log keeps who signed in. Returns how many."""
    last = func.coalesce(AccountSession.ended_at, AccountSession.seen_at)
    old = delete(AccountSession).where(last < datetime.now(UTC) - REMEMBERED)
    return len(db.session.execute(old.returning(AccountSession.id)).all())
