"""The second factor: a code that changes every half minute (TOTP, RFC 6238), or one of ten codes for the drawer."""

import secrets
from datetime import UTC, datetime

import segno
from flask_babel import gettext as _
from pyotp import random_base32
from pyotp.totp import TOTP

from app import audit, ciphers
from app.domain import notifications
from app.errors import RuleError
from app.models import Account, db

ISSUER = "强检业务管理"
RECOVERY_CODES = 10
# Four groups of six characters that are not mistaken for one another: 118 random bits, too many to be tried one by one.
_CODE_CHARACTERS = "abcdefghjkmnpqrstuvwxyz23456789"
_CODE_GROUPS, _CODE_GROUP_LENGTH = 4, 6
_STEP_SECONDS = 30


def offer(account: Account) -> str:
    """A new secret for this account, sealed: the page carries it until a code proves that the app has it."""
    return ciphers.encrypted(f"{account.id} {random_base32()}")


def secret_in(account: Account, offered: str) -> str:
    """The secret of an offer made to this account."""
    try:
        account_id, secret = ciphers.decrypted(offered).split()
    except ValueError:
        account_id = secret = ""
    if account_id != str(account.id):
        raise RuleError(_("This page is out of date. Please begin again."))
    return secret


def picture(account: Account, secret: str) -> str:
    """The secret as a QR code for an authenticator app: SVG."""
    uri = TOTP(secret).provisioning_uri(name=account.username, issuer_name=ISSUER)
    return str(segno.make(uri, error="m").svg_inline(border=2, light="#fff", omitsize=True))


def is_set_up(account: Account) -> bool:
    return account.totp_since is not None


def set_up(account: Account, secret: str, code: str) -> list[str]:
    """Switch the second factor on; gives the recovery codes, which nobody sees again."""
    if is_set_up(account):
        raise RuleError(_("The second factor is on already."))
    step = _step_of(secret, _plain(code))
    if step is None:
        raise RuleError(_("This code is wrong or no longer valid. Please take the next one."), field="code")
    account.totp_secret = ciphers.encrypted(secret)
    account.totp_since = datetime.now(UTC)
    account.totp_step = step
    notifications.tell([account.id], "second_factor_set")
    audit.record("set_up_second_factor", "account", account.id, str(account))
    return _new_codes(account)


def renew_codes(account: Account) -> list[str]:
    """New recovery codes, which nobody sees again; those before are worthless."""
    if not is_set_up(account):
        raise RuleError(_("The second factor is off."))
    audit.record("new_recovery_codes", "account", account.id, str(account))
    return _new_codes(account)


def _new_codes(account: Account) -> list[str]:
    codes = ["-".join(_group() for _number in range(_CODE_GROUPS)) for _code in range(RECOVERY_CODES)]
    account.recovery_codes = [ciphers.seal(each) for each in codes]
    return codes


def _group() -> str:
    return "".join(secrets.choice(_CODE_CHARACTERS) for _number in range(_CODE_GROUP_LENGTH))


def switch_off(account: Account, *, mandatory: bool = False) -> None:
    """Switch the second factor off; `mandatory` where the account's owner may not."""
    if mandatory:
        raise RuleError(_("Staff of an authority cannot do without the second factor."))
    account.totp_secret = account.totp_since = None
    account.recovery_codes = []
    notifications.tell([account.id], "second_factor_off")
    audit.record("switch_off_second_factor", "account", account.id, str(account))


def accepts(account: Account, code: str) -> bool:
    """Whether a code is right now; each is good for once, also for two who send it at the same time."""
    db.session.refresh(account, ["totp_secret", "totp_step", "recovery_codes"], with_for_update=True)
    if account.totp_secret is None:
        return False
    given = _plain(code)
    step = _step_of(ciphers.decrypted(account.totp_secret), given)
    if step is not None and step > account.totp_step:
        account.totp_step = step
        return True
    hashed = ciphers.seal(given)
    if hashed in account.recovery_codes:
        account.recovery_codes = [each for each in account.recovery_codes if each != hashed]
        return True
    return False


def _plain(code: str) -> str:
    return "".join(code.split()).lower()


def _step_of(secret: str, code: str) -> int | None:
    """The half minute whose code this is: the present one or its neighbours."""
    now = int(datetime.now(UTC).timestamp()) // _STEP_SECONDS
    totp = TOTP(secret)
    return next((step for step in (now, now - 1, now + 1) if totp.verify(code, for_time=step * _STEP_SECONDS)), None)
