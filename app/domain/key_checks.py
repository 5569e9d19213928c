"""Keys that lie outside the database but must fit what is in it: compared at every start, before anything is written.

A sign-in under another DATA_KEY would break the audit chain for good; with another folder of keys, certificates that
were signed would no longer be trusted.
"""

from hashlib import sha256

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from app import audit, ciphers
from app.domain import certificates
from app.models import KeyCheck, db

DATA_KEY, AUTHORITY = "data_key", "authority"


class KeyProblem(Exception):
    """Which key does not fit, in both languages for the operator."""


def verify() -> None:
    """Raise KeyProblem, which names the setting, if DATA_KEY or KEYS do not fit this database."""
    known = db.session.execute(select(KeyCheck.kind, KeyCheck.value)).all()
    _verify_data_key({value for kind, value in known if kind == DATA_KEY})
    missing = {value for kind, value in known if kind == AUTHORITY} - _authorities()
    if missing:
        fingerprint = min(missing)[:16]
        raise KeyProblem(
            f"密钥目录 KEYS 中缺少曾在本系统签发证书的签发机构证书：{fingerprint}。\n"
            f"The folder KEYS lacks the certificate of an authority that signed here before: {fingerprint}."
        )


def record() -> None:
    """Remember the keys of now, to compare the next start with them; what is known already stays."""
    rows = [{"kind": DATA_KEY, "value": ciphers.check_value()}]
    rows += [{"kind": AUTHORITY, "value": value} for value in _authorities()]
    db.session.execute(insert(KeyCheck).values(rows).on_conflict_do_nothing())


def forget_authority(fingerprint: str) -> int:
    """Do not ask any more for an authority whose certificate was taken away on purpose. Returns how many fitted."""
    known = db.session.scalars(select(KeyCheck).where(KeyCheck.kind == AUTHORITY))
    fitting = [each for each in known if each.value.startswith(fingerprint)]
    for each in fitting:
        db.session.delete(each)
    return len(fitting)


def _verify_data_key(known: set[str]) -> None:
    fits = ciphers.check_value() in known if known else audit.fits_key()
    if not fits:
        raise KeyProblem(
            "DATA_KEY 与写入本数据库时所用的不一致（未设置时以 SECRET_KEY 代替）。\n"
            "DATA_KEY is not the one with which this database was written (without it, SECRET_KEY counts)."
        )


def _authorities() -> set[str]:
    """The fingerprints of the authorities in the folder of keys."""
    try:
        return {sha256(certificate.dump()).hexdigest() for certificate in certificates.keyring().trusted}
    except ValueError as error:
        raise KeyProblem(
            "无法用当前 DATA_KEY 打开密钥目录 KEYS 中签发机构的密钥。\n"
            "The authority's key in the folder KEYS cannot be opened with this DATA_KEY."
        ) from error
