"""A database that cannot be used for a while: which errors say so, and an answer that needs no database."""

import json
import logging
from enum import Enum
from typing import Any

from flask import Flask, Response, current_app, request
from psycopg2 import InterfaceError as DriverInterfaceError, OperationalError as DriverError
from psycopg2.errors import (
    DeadlockDetected,
    DiskFull,
    LockNotAvailable,
    QueryCanceled,
    ReadOnlySqlTransaction,
    TooManyConnections,
)
from sqlalchemy.exc import DBAPIError, TimeoutError as PoolExhausted

from app import request_log

RETRY_SECONDS = 5
# A refused connection has no code, only words.
TOO_MANY = ("too many clients", "too many connections", "connection slots")
NO_OUTAGE = (DeadlockDetected, LockNotAvailable, QueryCanceled)

log = logging.getLogger(__name__)


class Outage(Enum):
    """Why the database cannot be used, with the sentence for people in both languages."""

    UNREACHABLE = ("database_unreachable", "数据库暂时不可用，请稍后再试。", "The database is not available just now.")
    TOO_MANY = ("too_many_connections", "系统繁忙，请稍后再试。", "The system is busy.")
    READ_ONLY = (
        "database_read_only",
        "系统目前只能查询，不能保存。请稍后再试。",
        "The system can be read just now, but nothing can be saved.",
    )
    DISK_FULL = (
        "disk_full",
        "服务器磁盘空间已满，未能保存。请联系系统管理员。",
        "The server's disk is full; nothing was saved.",
    )

    def __init__(self, code: str, chinese: str, english: str) -> None:
        self.code, self.chinese, self.english = code, chinese, english

    @property
    def sentence(self) -> str:
        return f"{self.chinese} {self.english}"


def outage_of(error: BaseException) -> Outage | None:
    """Return which outage an error of the database shows; None if the database is well and something else is wrong."""
    if isinstance(error, PoolExhausted):
        return Outage.TOO_MANY
    driver = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(driver, NO_OUTAGE):
        return None
    if isinstance(driver, ReadOnlySqlTransaction):
        return Outage.READ_ONLY
    if isinstance(driver, DiskFull):
        return Outage.DISK_FULL
    if isinstance(driver, TooManyConnections) or any(words in str(driver) for words in TOO_MANY):
        return Outage.TOO_MANY
    return Outage.UNREACHABLE if isinstance(driver, DriverError | DriverInterfaceError) else None


def answer(outage: Outage, error: BaseException) -> Response:
    """Return the 503 for people, dialogs or programs. It asks the database nothing, not even for the language."""
    log.warning("id=%s %s: %s", request_log.request_id(), request.method, _first_line(error))
    if request.path.startswith(("/api/", "/open/")):
        problem = {"type": "about:blank", "title": outage.english, "status": 503, "code": outage.code}
        response = Response(json.dumps(problem), 503, content_type="application/problem+json")
    else:
        name = "outage_alert.html" if "HX-Request" in request.headers else "outage.html"
        page = current_app.jinja_env.get_template(name).render(outage=outage, number=request_log.request_id())
        response = Response(page, 503)
    response.headers["Retry-After"] = str(RETRY_SECONDS)
    return response


def install(app: Flask) -> None:
    """Answer outages of the database; leave all other errors to whom they concern."""
    # It writes a page of traceback for each connection that a restart of the database broke.
    logging.getLogger("sqlalchemy.pool").setLevel(logging.CRITICAL)
    app.register_error_handler(PoolExhausted, lambda error: answer(Outage.TOO_MANY, error))


def _first_line(error: BaseException) -> Any:
    driver = error.orig if isinstance(error, DBAPIError) else error
    return str(driver).strip().partition("\n")[0]
