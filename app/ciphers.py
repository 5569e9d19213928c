"""Hashes, seals and ciphers in one place, so that others (SM2, SM3, SM4 by GM/T 0054) can take theirs.

Passwords are hashed with scrypt and a salt of their own; tokens, which nobody chooses, with SHA-256. Secrets at rest
are encrypted (AES-128-CBC with HMAC, Fernet), the audit log is sealed with HMAC-SHA-256; both keys are
derived from DATA_KEY, which lies outside the database.
"""

import base64
import hashlib
import hmac
import secrets

from cryptography.fernet import Fernet
from flask import current_app
from werkzeug.security import check_password_hash, generate_password_hash

_METHOD = "scrypt:32768:8:1"
# The hash of nothing anybody knows: comparing with it takes as long as with a real one.
_NOBODY = generate_password_hash(secrets.token_urlsafe(16), method=_METHOD)


def hashed_password(password: str) -> str:
    return generate_password_hash(password, method=_METHOD)


def password_matches(stored: str | None, given: str) -> bool:
    """Whether a password is the one stored; takes equally long where there is none."""
    return check_password_hash(stored or _NOBODY, given) and stored is not None


def new_token() -> str:
    """256 random bits."""
    return secrets.token_urlsafe(32)


def hashed_token(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def encrypted(text: str) -> str:
    return Fernet(base64.urlsafe_b64encode(_key("secrets at rest"))).encrypt(text.encode()).decode()


def decrypted(text: str) -> str:
    return Fernet(base64.urlsafe_b64encode(_key("secrets at rest"))).decrypt(text.encode()).decode()


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
