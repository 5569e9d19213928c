"""Signing in: name and password, then perhaps the second factor. Every outcome stands in the audit log."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import joinedload

from app import access, audit, ciphers
from app.access import Principal
from app.domain import passwords, second_factor
from app.domain.attempts import Guess
from app.models import Account, AccountSession, db


@dataclass(frozen=True)
class Answer:
    """The account, or None; `wait` if it was not even looked at because of failures before."""

    account: Account | None = None
    wait: timedelta | None = None


def sign_in(name: str, password: str, address: str) -> Answer:
    """Check name and password. Takes equally long and counts equally whether the name is known or not."""
    guess = Guess(name, address)
    named = select(Account).options(joinedload(Account.organization)).where(Account.username == name)
    account = db.session.scalar(named)
    # People type their password into the wrong field: what is nobody's name is not written down whole.
    shown = name if account is not None else f"{name[:2]}***"
    wait = guess.wait()
    if wait is not None:
        audit.record("login_locked", "account", None, shown, by=_stranger(shown, account))
        return Answer(wait=wait)
    known = account if account is not None and account.active and not passwords.is_outdated(account) else None
    if not ciphers.password_matches(known.password if known else None, password) or known is None:
        _failed("login_failed", guess, _stranger(shown, account))
        return Answer()
    passwords.keep_stronger(known, password, by=_stranger(shown, known))
    # With a second factor it is not over: whoever has the password could else begin again after four wrong codes.
    if not second_factor.is_set_up(known):
        _entered(known, guess)
    return Answer(known)


def confirm(waiting: AccountSession, code: str, address: str) -> Answer:
    """Check the second factor of a session that waits for it."""
    account = db.session.get_one(Account, waiting.account_id)
    guess = Guess(account.username, address)
    wait = guess.wait()
    if wait is not None:
        return Answer(wait=wait)
    if not account.active or not second_factor.accepts(account, code):
        _failed("second_factor_failed", guess, _stranger(account.username, account))
        return Answer()
    waiting.confirmed = True
    _entered(account, guess, second_factor=1)
    return Answer(account)


def _entered(account: Account, guess: Guess, **detail: int) -> None:
    guess.succeeded()
    account.last_login_at = datetime.now(UTC)
    audit.record("login", "account", account.id, str(account), by=access.without_rights(account), **detail)


def is_staff(account: Account) -> bool:
    """Whether the account is of an authority: these must have a second factor where one is asked for."""
    return account.organization is not None and account.organization.kind == "authority"


def _stranger(shown: str, account: Account | None) -> Principal:
    """Somebody who has not proved who he is. The auditors of the place whose account he tries are to see it."""
    home = account.organization if account is not None else None
    return Principal(name=shown, region_code=home.region_code if home else "")


def _failed(what: str, guess: Guess, who: Principal) -> None:
    guess.failed()
    audit.record(what, "account", None, who.name, by=who)
