"""A question that people answer and programs do not: a picture, or spoken digits for who cannot see it."""

import io
import secrets
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from captcha.audio import AudioCaptcha
from captcha.image import ImageCaptcha
from sqlalchemy import delete, select

from app.models import Captcha, db

LIFE = timedelta(minutes=5)
DIGITS = "23456789"
LENGTH = 4


def ask() -> str:
    """Remember a new question, drop the outdated ones, and give its token."""
    token = secrets.token_urlsafe(32)
    answer = "".join(secrets.choice(DIGITS) for _ in range(LENGTH))
    now = datetime.now(UTC)
    db.session.execute(delete(Captcha).where(Captcha.expires_at < now))
    db.session.add(Captcha(token=token, answer=answer, expires_at=now + LIFE))
    db.session.commit()
    return token


def solve(token: str, answer: str) -> bool:
    """Whether the answer is right. The question is gone afterwards, right or wrong."""
    asked = delete(Captcha).where(Captcha.token == token, Captcha.expires_at > datetime.now(UTC))
    expected = db.session.scalar(asked.returning(Captcha.answer))
    db.session.commit()
    return expected is not None and secrets.compare_digest(expected.encode(), answer.strip().encode())


def media(token: str, kind: str) -> tuple[bytes, str] | None:
    """The question as picture or sound; None if it is gone."""
    live = select(Captcha.answer).where(Captcha.token == token, Captcha.expires_at > datetime.now(UTC))
    answer = db.session.scalar(live)
    if answer is None or kind not in ("png", "wav"):
        return None
    if kind == "wav":
        return bytes(_voice().generate(answer)), "audio/wav"
    picture: Any = ImageCaptcha(width=150, height=52).generate(answer, format="png")
    return (picture.getvalue() if isinstance(picture, io.BytesIO) else bytes(picture)), "image/png"


@lru_cache(maxsize=1)
def _voice() -> AudioCaptcha:
    return AudioCaptcha()
