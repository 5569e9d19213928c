"""The rule for passwords (GB/T 22239-2019 8.1.4.1): long, mixed, not common, not used before, changed in time."""

import re
from datetime import UTC, datetime, timedelta

from flask_babel import gettext as _
from sqlalchemy import select
from zxcvbn_rs_py import zxcvbn

from app import audit, ciphers
from app.access import Principal
from app.domain import access_keys, attempts, notifications
from app.domain.attempts import Guess
from app.errors import RuleError
from app.models import Account, UsedPassword, db

SHORTEST, LONGEST = 10, 72
CLASSES = 3
REMEMBERED = 5
LIFE = timedelta(days=90)
# How long a password may wait that an administrator has chosen.
FIRST_LIFE = timedelta(days=7)
# zxcvbn's scale from 0 to 4; below 2 a password is guessed within a million trials. It weighs the beginning alone: the
# work grows with the square of the length, and what begins well does not get worse.
WEAKEST, WEIGHED = 2, 24
# Words that somebody who knows this system tries first: a password must be strong without them.
CONTEXT_WORDS = re.compile(
    "qiangjian|qiangzhi|jiliang|jianding|jiaozhun|jianguan|shichang|biaozhun|zhengshu|metrology|measure|verification"
    "|calibration|certificate|强检|强制|计量|检定|校准|监管|市场|标准|证书",
    re.IGNORECASE,
)


def problem(password: str, names: list[str]) -> str | None:
    """What is wrong with a new password of somebody with these names (account, name, e-mail); None if nothing."""
    return form_problem(password, names) or guess_problem(password, names)


def form_problem(password: str, names: list[str]) -> str | None:
    """What is wrong with the form of a new password; cheap to ask, so also for strangers."""
    if not SHORTEST <= len(password) <= LONGEST:
        return str(_("A password has %(shortest)s to %(longest)s characters.", shortest=SHORTEST, longest=LONGEST))
    if _classes(password) < CLASSES:
        return str(_("A password mixes at least three of: capital letters, small letters, digits, other characters."))
    if any(name in password.lower() for name in _known(names)):
        return str(_("A password does not contain the account or the name."))
    return None


def guess_problem(password: str, names: list[str]) -> str | None:
    """Whether a new password is easily guessed. It costs up to 40 ms: not for who has not shown to be a person."""
    weighed = CONTEXT_WORDS.sub("", password)[:WEIGHED]
    if int(zxcvbn(weighed, _known(names)).score) < WEAKEST:
        return str(_("This password is easily guessed. Please take another one."))
    return None


def _known(names: list[str]) -> list[str]:
    return [name.lower() for name in names if len(name) >= 2]


def _classes(password: str) -> int:
    return sum(
        (
            any(character.isupper() for character in password),
            any(character.islower() for character in password),
            any(character.isdigit() for character in password),
            any(not character.isalnum() for character in password),
        )
    )


def names_of(account: Account) -> list[str]:
    return [account.username, account.first_name, account.email.partition("@")[0]]


def challenge(account: Account, given: str, address: str) -> str | None:
    """Whether it is the owner who acts: None if this is the password, else what to say. Failures count as at login."""
    guess = Guess(account.username, address)
    wait = guess.wait()
    if wait is not None:
        return attempts.in_words(wait)
    if ciphers.password_matches(account.password, given):
        guess.succeeded()
        return None
    guess.failed()
    audit.record("password_refused", "account", account.id, str(account))
    return str(_("This is not your current password."))


def change(account: Account, new: str) -> None:
    """Change one's own password; programs that act for the account lose their keys with it."""
    put(account, new)
    access_keys.end(account)
    notifications.tell([account.id], "password_changed")
    audit.record("change_password", "account", account.id, str(account))


def put(account: Account, new: str) -> None:
    """Give an account a password that satisfies the rule and is none of its last ones."""
    wrong = problem(new, names_of(account))
    if wrong:
        raise RuleError(wrong, field="password")
    used = select(UsedPassword.hash).where(UsedPassword.account_id == account.id).order_by(UsedPassword.id.desc())
    before = db.session.scalars(used.limit(REMEMBERED - 1))
    if any(ciphers.password_matches(stored, new) for stored in (account.password, *before) if stored):
        raise RuleError(_("This is one of your last five passwords. Please take another one."), field="password")
    store(account, new)


def store(account: Account, new: str, *, due: bool = False) -> None:
    """Make this the password. `due`: it is somebody else's choice and must be changed at the first login."""
    if account.password:
        former = UsedPassword(account_id=account.id, hash=account.password, since=account.password_changed_at)
        db.session.add(former)
    account.password = ciphers.hashed_password(new)
    account.password_changed_at = datetime.now(UTC)
    account.password_due = due


def keep_stronger(account: Account, given: str, by: Principal) -> None:
    """Hash a password that was right in the way of today, if it was hashed in another one."""
    if account.password and ciphers.needs_new_hash(account.password):
        account.password = ciphers.hashed_password(given)
        audit.record("password_hashed_anew", "account", account.id, str(account), by=by)


def is_outdated(account: Account) -> bool:
    """Whether a password that somebody else chose was not used in time: it then opens nothing any more."""
    return account.password_due and account.password_changed_at < datetime.now(UTC) - FIRST_LIFE


def is_due(account: Account) -> bool:
    """Whether the password must be changed before anything else."""
    return account.password_due or account.password_changed_at < datetime.now(UTC) - LIFE
