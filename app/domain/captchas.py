"""A question that people answer and programs do not: a picture, or spoken digits for who cannot see it."""

import secrets
from datetime import UTC, datetime, timedelta

from sqlalchemy import delete, select

from app import puzzles
from app.domain import attempts
from app.models import Captcha, db
from app.texts import same

LIFE = timedelta(minutes=5)
LENGTH = 6
# How many wrong answers an address may give in an hour; a whole bureau may share it.
MOST_WRONG = 100
HOUR = timedelta(hours=1)


def ask() -> str:
    """Remember a new question, drop the outdated ones, and give its token."""
    token = secrets.token_urlsafe(32)
    answer = "".join(secrets.choice(puzzles.CHARACTERS) for _ in range(LENGTH))
    now = datetime.now(UTC)
    db.session.execute(delete(Captcha).where(Captcha.expires_at < now))
    db.session.add(Captcha(token=token, answer=answer, expires_at=now + LIFE))
    db.session.commit()
    return token


def solve(token: str, answer: str, address: str) -> bool:
    """Whether the answer is right. The question is gone afterwards; wrong answers count for the address.

    Who has given too many is refused even if this one is right.
    """
    wrong = f"captcha_wrong:{attempts.of_network(address)}"
    asked = delete(Captcha).where(Captcha.token == token, Captcha.expires_at > datetime.now(UTC))
    expected = db.session.scalar(asked.returning(Captcha.answer))
    is_right = expected is not None and secrets.compare_digest(same(expected).encode(), same(answer).encode())
    ask = attempts.is_used_up if is_right else attempts.too_many
    refused = ask(wrong, MOST_WRONG, HOUR)
    db.session.commit()
    return is_right and not refused


def media(token: str, kind: str) -> tuple[bytes, str] | None:
    """The question as picture or sound; None if it is gone."""
    live = select(Captcha.answer).where(Captcha.token == token, Captcha.expires_at > datetime.now(UTC))
    answer = db.session.scalar(live)
    if answer is None or kind not in ("png", "wav"):
        return None
    return (puzzles.sound(answer), "audio/wav") if kind == "wav" else (puzzles.picture(answer), "image/png")
