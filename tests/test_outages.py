"""The database is away, read-only, full or has no connection left: people and programs are told so, and it heals."""

import json
import logging
import os
import re
from contextvars import Context

import pytest
from sqlalchemy import create_engine, text

from app.domain import tallies
from app.models import db
from tests.conftest import Person
from tests.factories import appointment, task
from tests.test_clerks_at_once import at_work

REASON = "器具已经报废，不再检定，请联系使用单位"
PAGES = ("/assignments/", "/login/", "/portal/", "/", "/no-such-page")


@pytest.fixture
def server():
    """Statements for the database server, from outside the database that the application uses."""
    engine = create_engine(os.environ["TEST_DATABASE_URL"], isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        yield lambda statement, **values: connection.execute(text(statement), values)
    engine.dispose()


@pytest.fixture
def at_desk(office):
    """A clerk, and the id of a task that waits at his desk."""
    one = task("unassigned", order=appointment())
    tallies.rebuild()
    db.session.commit()
    return at_work(office), one.id


@pytest.fixture
def clerk(at_desk):
    return at_desk[0]


@pytest.fixture
def altered(server, database_url, office):
    """altered(change, back): the database is changed until the test ends, and no earlier connection is left."""
    name, undone = database_url.rsplit("/", 1)[1], []

    def alter(change, back):
        undone.append(back)
        server(f'ALTER DATABASE "{name}" {change}')
        db.session.rollback()
        db.engine.dispose()

    yield alter
    for back in undone:
        server(f'ALTER DATABASE "{name}" {back}')
    db.engine.dispose()


@pytest.fixture
def visitor(office):
    """Somebody who is not signed in."""
    return Person(office.test_client(), None)


def get(person, path, **more):
    """As from outside, with a connection of its own."""
    db.session.rollback()
    return Context().run(lambda: person.client.get(path, **more))


def refuse(at_desk):
    clerk, task_id = at_desk
    db.session.rollback()
    fields = {"selection": "ids", "id": task_id, "reason": REASON, "csrf_token": clerk.token}
    headers = {"HX-Request": "true"}
    return Context().run(lambda: clerk.client.post("/assignments/act/refuse", data=fields, headers=headers))


def words(answer):
    return re.findall(r"<h1>(.*?)</h1>", answer.text)[0]


def test_while_the_database_is_away_every_page_says_so_in_both_languages(altered, clerk, visitor, caplog):
    altered("ALLOW_CONNECTIONS false", "ALLOW_CONNECTIONS true")
    caplog.set_level(logging.INFO)
    for path in PAGES[:4]:
        for person in (clerk, visitor):
            answer = get(person, path)
            if path in {"/assignments/", "/"} and person is visitor:
                continue  # who has no cookie is led to the login page, which needs the database
            assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5"), path
            assert words(answer) == "数据库暂时不可用，请稍后再试。"
            assert "The database is not available just now." in answer.text
    lines = [record for record in caplog.records if record.name == "app.outages"]
    assert len(lines) <= 8
    assert not [record for record in caplog.records if record.exc_info]


def test_a_dialog_keeps_what_was_typed_and_shows_the_outage(altered, at_desk):
    altered("ALLOW_CONNECTIONS false", "ALLOW_CONNECTIONS true")
    answer = refuse(at_desk)
    assert answer.status_code == 503
    assert re.search(r"<div[^>]*data-alert.*数据库暂时不可用", answer.text)
    assert "<html" not in answer.text


@pytest.mark.parametrize("path", ["/api/v1/queries/instruments", "/open/v1/certificates"])
def test_programs_get_a_problem_that_they_can_tell_from_a_defect(altered, clerk, path):
    altered("ALLOW_CONNECTIONS false", "ALLOW_CONNECTIONS true")
    answer = get(clerk, path, headers={"Authorization": "Bearer something"})
    assert (answer.status_code, answer.content_type) == (503, "application/problem+json")
    assert json.loads(answer.text)["code"] == "database_unreachable"


def test_after_a_restart_of_the_database_no_request_fails(clerk, office, server, database_url):
    assert get(clerk, "/assignments/").status_code == 200
    name = database_url.rsplit("/", 1)[1]
    ours = "datname = :name AND application_name = 'metrology'"
    ended = server(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {ours}", name=name).all()
    assert ended
    assert [get(clerk, "/assignments/").status_code for _ in range(6)] == [200] * 6


def test_a_database_without_a_free_connection_says_that_the_system_is_busy(altered, clerk):
    altered("CONNECTION LIMIT 0", "CONNECTION LIMIT -1")
    answer = get(clerk, "/assignments/")
    assert (answer.status_code, words(answer)) == (503, "系统繁忙，请稍后再试。")


def test_a_read_only_database_shows_pages_and_refuses_to_save_in_words(altered, clerk, at_desk):
    db.session.execute(text("UPDATE account_session SET seen_at = now() - interval '5 minutes'"))
    db.session.commit()
    altered("SET default_transaction_read_only = on", "RESET default_transaction_read_only")

    assert get(clerk, "/assignments/").status_code == 200  # though its use cannot be noted
    answer = refuse(at_desk)
    assert answer.status_code == 503
    assert "系统目前只能查询，不能保存" in answer.text


def test_a_full_disk_is_named_and_nothing_is_half_done(at_desk):
    db.session.execute(
        text(
            "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = '53100'; END $$"
        )
    )
    db.session.execute(
        text("CREATE TRIGGER full_disk BEFORE INSERT ON event FOR EACH ROW EXECUTE FUNCTION full_disk()")
    )
    db.session.commit()
    try:
        answer = refuse(at_desk)
    finally:
        db.session.rollback()
        db.session.execute(text("DROP FUNCTION full_disk CASCADE"))
        db.session.commit()
    assert (answer.status_code, "服务器磁盘空间已满" in answer.text) == (503, True)
    state = text("SELECT state FROM task WHERE id = :id")
    assert db.session.scalar(state, {"id": at_desk[1]}) == "unassigned"


@pytest.mark.parametrize(
    ("change", "back", "status", "problem"),
    [
        ("ALLOW_CONNECTIONS false", "ALLOW_CONNECTIONS true", 503, "database_unreachable"),
        ("CONNECTION LIMIT 0", "CONNECTION LIMIT -1", 503, "too_many_connections"),
        ("SET default_transaction_read_only = on", "RESET default_transaction_read_only", 200, "database_read_only"),
    ],
)
def test_the_health_check_names_what_is_wrong(altered, visitor, change, back, status, problem):
    altered(change, back)
    answer = get(visitor, "/healthz")
    assert answer.status_code == status
    assert problem in answer.json["problems"]


def test_the_health_check_knows_whether_the_worker_is_there(office, visitor):
    def problems():
        return get(visitor, "/healthz").json["problems"]

    assert problems() == ["worker_missing"]
    db.session.execute(text("INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now())"))
    db.session.commit()
    try:
        assert problems() == []
    finally:
        db.session.execute(text("DELETE FROM procrastinate_workers"))
        db.session.commit()


def test_the_health_check_knows_a_full_disk(office, visitor, monkeypatch):
    monkeypatch.setattr("app.domain.health.LEAST_FREE_BYTES", 2**60)
    assert "disk_full" in get(visitor, "/healthz").json["problems"]
