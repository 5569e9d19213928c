"""Hashes, seals and ciphers in one place, so that others (SM2, SM3, SM4 by GM/T 0054) can take theirs.

Passwords are hashed with Argon2id and a salt of their own; tokens, which nobody chooses, with SHA-256. Secrets at rest
are encrypted with AES-256-GCM, the audit log is sealed with HMAC-SHA-256; both keys are derived from DATA_KEY, which
lies outside the database.
"""

import base64
import hashlib
import hmac
import secrets
from typing import Any

from cryptography.exceptions import InvalidKey, InvalidTag
from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from flask import current_app
from werkzeug.security import check_password_hash

# The least that OWASP recommends: two passes over 19 MiB. It takes about 25 ms.
_COST: dict[str, Any] = {"length": 32, "iterations": 2, "lanes": 1, "memory_cost": 19 * 1024}
_ARGON2 = "$argon2id$v=19$m=19456,t=2,p=1$"
_GCM = "gcm:"
_NONCE_BYTES = 12


class Undecipherable(ValueError):
    """A text was not encrypted here, or with another key, or was changed since."""


def hashed_password(password: str) -> str:
    """Hash a password with Argon2id and a random salt, in the usual notation with its parameters."""
    return Argon2id(salt=secrets.token_bytes(16), **_COST).derive_phc_encoded(password.encode())


# The hash of nothing anybody knows: comparing with it takes as long as with a real one.
_NOBODY = hashed_password(secrets.token_urlsafe(16))


def password_matches(stored: str | None, given: str) -> bool:
    """Whether a password is the one stored; takes equally long where there is none."""
    return _fits(stored or _NOBODY, given) and stored is not None


def needs_new_hash(stored: str) -> bool:
    """Whether a password was hashed in another way than passwords are hashed now."""
    return not stored.startswith(_ARGON2)


def _fits(stored: str, given: str) -> bool:
    if needs_new_hash(stored):
        return check_password_hash(stored, given)  # scrypt, as all were hashed before
    try:
        Argon2id.verify_phc_encoded(given.encode(), stored)
    except InvalidKey:
        return False
    return True


def new_token() -> str:
    """256 random bits."""
    return secrets.token_urlsafe(32)


def hashed_token(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def encrypted(text: str) -> str:
    """Encrypt a text so that a change of it is noticed."""
    nonce = secrets.token_bytes(_NONCE_BYTES)
    sealed = AESGCM(_key("secrets at rest, AES-256-GCM")).encrypt(nonce, text.encode(), None)
    return _GCM + base64.urlsafe_b64encode(nonce + sealed).decode()


def decrypted(text: str) -> str:
    """Decrypt what `encrypted` made, now or with Fernet as before; raises Undecipherable."""
    try:
        if not text.startswith(_GCM):
            return Fernet(base64.urlsafe_b64encode(_key("secrets at rest"))).decrypt(text.encode()).decode()
        sealed = base64.urlsafe_b64decode(text.removeprefix(_GCM))
        key = AESGCM(_key("secrets at rest, AES-256-GCM"))
        return key.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], None).decode()
    except (InvalidTag, InvalidToken, ValueError) as error:
        raise Undecipherable from error


def seal(text: str) -> str:
    """64 hexadecimal digits that nobody without the key can make for this text."""
    return hmac.new(_key("audit log"), text.encode(), hashlib.sha256).hexdigest()


def check_value() -> str:
    """64 hexadecimal digits by which the key is known again, and which tell nothing of it."""
    return _key("check value").hex()


def passphrase(purpose: str) -> str:
    """What encrypts files outside the database."""
    return _key(purpose).hex()


def _key(purpose: str) -> bytes:
    return hmac.new(current_app.config["DATA_KEY"].encode(), purpose.encode(), hashlib.sha256).digest()
