"""How often everybody may ask: counted for each network, in the database, for all processes together."""

from datetime import timedelta

from flask import request
from sqlalchemy import func, select
from werkzeug.exceptions import TooManyRequests

from app.domain import attempts
from app.models import db

MINUTE, TEN_MINUTES = timedelta(minutes=1), timedelta(minutes=10)


def hold_back(what: str, most: int, span: timedelta = MINUTE, who: str | None = None) -> None:
    """Count one more question; stop the request if there were too many."""
    # A count that a crash loses hurts nobody: this commit need not wait for the disk.
    db.session.execute(select(func.set_config("synchronous_commit", "off", True)))
    wait = attempts.wait_after_use(f"{what}:{who or attempts.of_network(request.remote_addr or '')}", most, span)
    db.session.commit()
    if wait is not None:
        raise TooManyRequests(retry_after=max(-(-wait // timedelta(seconds=1)), 1))
