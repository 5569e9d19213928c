"""What the server writes of a request: a number, who, what, how long; and nothing of what people typed."""

import io
import logging
import re

import pytest
from sqlalchemy import insert
from sqlalchemy.exc import IntegrityError

from app import request_log
from app.models import Account, db
from tests.factories import authority

LINE = re.compile(r"id=(\w+) account=(\S+) method=(\w+) route=(\S+) status=(\d+) ms=\d+ statements=(\d+)")


@pytest.fixture
def log(caplog):
    """log() -> the parts of each line since the last call."""
    caplog.set_level(logging.INFO, "app.requests")

    def lines():
        written = [record.message for record in caplog.records if record.name == "app.requests"]
        caplog.clear()
        return [parts for line in written for parts in LINE.findall(line)]

    return lines


def test_each_request_has_a_line_without_its_query(log, sign_in):
    clerk = sign_in("AssignmentOfficer", authority("330106"))
    log()
    answer = clerk.get("/assignments/?q=13800001234")

    (number, account, method, route, status, statements), *more = log()
    assert more == []
    assert (number, account) == (answer.headers["X-Request-Id"], str(clerk.account.id))
    assert (method, route, status) == ("GET", "/assignments/", "200")
    assert 3 <= int(statements) <= 10


def test_strangers_and_wrong_addresses_have_lines_too(log, stranger):
    stranger.get("/login/")
    stranger.get("/no/such/page?name=方晓敏")
    assert [(account, route, status) for _, account, _, route, status, _ in log()] == [
        ("-", "/login/", "200"),
        ("-", "-", "404"),
    ]


def test_machines_that_ask_all_the_time_do_not_fill_the_log(log, stranger):
    stranger.get("/healthz")
    stranger.get("/static/app.css")
    assert log() == []


def test_the_error_page_tells_the_number(log, stranger):
    answer = stranger.get("/no/such/page")
    number = log()[0][0]
    assert f"<code>{number}</code>" in answer.text


def test_a_proxy_gives_the_number_and_nobody_else(app, log, stranger, monkeypatch):
    given = {"X-Request-Id": "abcdef-123456"}
    assert stranger.get("/login/", headers=given).headers["X-Request-Id"] != "abcdef-123456"
    monkeypatch.setitem(app.config, "PROXIES", 1)
    assert stranger.get("/login/", headers=given).headers["X-Request-Id"] == "abcdef-123456"
    forged = {"X-Request-Id": "x\\n2026 id=1 account=7"}
    assert re.fullmatch(r"\w{12}", stranger.get("/login/", headers=forged).headers["X-Request-Id"])


def test_a_failed_statement_is_logged_without_what_was_in_it(rows):
    secret = {"first_name": "方晓敏", "last_name": "", "username": "geheim", "email": "fang@example.cn", "active": True}
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(request_log.Formatter())
    log = logging.Logger("test")
    log.addHandler(handler)
    try:
        for _ in range(2):
            db.session.execute(insert(Account.__table__), secret)
    except IntegrityError:
        log.exception("a defect")

    written = stream.getvalue()
    assert "IntegrityError" in written
    assert "duplicate key value violates unique constraint" in written
    assert [word for word in ("方晓敏", "geheim", "fang@example.cn") if word in written] == []
