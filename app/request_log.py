"""One line in the server's log for each request, with a number that the error page shows too; and no personal data."""

import logging
import re
import secrets
import time
from datetime import datetime
from typing import Any

from flask import Flask, Response, current_app, g, has_app_context, request
from sqlalchemy import Engine, event

log = logging.getLogger("app.requests")
FORM = "%(asctime)s %(levelname)s %(name)s %(message)s"
# What is asked every few seconds by machines, and what is no request to the application.
QUIET = frozenset({"Health.health", "static"})
_GIVEN = re.compile(r"[A-Za-z0-9-]{8,64}")
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x9f]")


class Formatter(logging.Formatter):
    """Leaves out what the database tells of the rows of a failed statement: names, numbers, whole rows.

    Times carry their offset from UTC. Only an entry of the log begins a line at its left edge, whatever text stands in
    it, and control characters are not written.
    """

    def __init__(self) -> None:
        super().__init__(FORM)

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
        return datetime.fromtimestamp(record.created).astimezone().isoformat(timespec="milliseconds")

    def format(self, record: logging.LogRecord) -> str:
        lines = super().format(record).splitlines()
        kept = [_CONTROL.sub("\N{REPLACEMENT CHARACTER}", line) for line in lines if not line.startswith("DETAIL:")]
        return "\n\t".join(kept)


def install(app: Flask) -> None:
    """Number the requests, count their statements, and write a line for each."""
    app.before_request(_begin)
    app.after_request(_write)
    if not event.contains(Engine, "before_cursor_execute", _count):
        event.listen(Engine, "before_cursor_execute", _count)


def to_stderr() -> None:
    """Send the log of this process to its standard error, as the server and the worker do."""
    handler = logging.StreamHandler()
    handler.setFormatter(Formatter())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("app").setLevel(logging.INFO)


def request_id() -> str:
    """The number of the current request; empty outside of one."""
    return str(g.get("request_id", "")) if has_app_context() else ""


def _begin() -> None:
    given = request.headers.get("X-Request-Id", "") if current_app.config["PROXIES"] else ""
    g.request_id = given if _GIVEN.fullmatch(given) else secrets.token_hex(6)
    g.began, g.statements = time.perf_counter(), 0


def _count(*_: Any) -> None:
    if has_app_context() and "statements" in g:
        g.statements += 1


def _write(response: Response) -> Response:
    if "began" not in g:
        return response
    response.headers["X-Request-Id"] = g.request_id
    if request.endpoint not in QUIET:
        principal = g.get("principal")
        log.info(
            "id=%s account=%s method=%s route=%s status=%s ms=%.0f statements=%s",
            g.request_id,
            getattr(principal, "account_id", None) or "-",
            request.method,
            request.url_rule.rule if request.url_rule else "-",
            response.status_code,
            (time.perf_counter() - g.began) * 1000,
            g.statements,
        )
    return response
