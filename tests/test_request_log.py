"""What the server writes of a request: a number, who, what, how long; and nothing of what people typed."""

import io
import logging
import re
from datetime import UTC, datetime

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


@pytest.fixture
def written():
    """written(write) -> what the server's log holds after write(log)."""

    def read(write):
        stream = io.StringIO()
        handler = logging.StreamHandler(stream)
        handler.setFormatter(request_log.Formatter())
        log = logging.Logger("test")
        log.addHandler(handler)
        write(log)
        return stream.getvalue()

    return read


def test_a_line_says_when_with_its_offset_from_utc(written):
    moment, *_rest = written(lambda log: log.warning("x")).split(" ")
    at = datetime.fromisoformat(moment)
    assert at.utcoffset() is not None
    assert abs((datetime.now(UTC) - at).total_seconds()) < 60


@pytest.mark.parametrize("apart", ["\n", "\r\n", "\r", "\x0b", "\x0c", "\x1c", "\x85", "\u2028"])
def test_no_text_makes_a_line_of_the_log_of_its_own(written, apart):
    forged = f"name{apart}2026-01-01T00:00:00.000+08:00 INFO app.requests id=1 account=7\x1b[2J"

    def write(log):
        log.warning("found: %s", forged)
        try:
            raise ValueError(forged)
        except ValueError:
            log.exception("a defect: %s", forged)

    lines = [line for line in re.split(r"[\r\n]", written(write)) if not line.startswith("\t")]
    assert [line.split(" ")[1] for line in lines if line] == ["WARNING", "ERROR"]
    assert [character for character in written(write) if not character.isprintable() and character not in "\n\t"] == []


def test_a_failed_statement_is_logged_without_what_was_in_it(rows, written):
    secret = {"first_name": "方晓敏", "last_name": "", "username": "geheim", "email": "fang@example.cn", "active": True}

    def write(log):
        try:
            for _ in range(2):
                db.session.execute(insert(Account.__table__), secret)
        except IntegrityError:
            log.exception("a defect")

    text = written(write)
    assert "IntegrityError" in text
    assert "duplicate key value violates unique constraint" in text
    assert [word for word in ("方晓敏", "geheim", "fang@example.cn") if word in text] == []
