"""PostgreSQL with the real tables, rolled back after each test; signing in; counting statements."""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import Context
from dataclasses import dataclass
from typing import Any

import pytest
from flask import Flask, g, has_request_context, request
from flask.testing import FlaskClient
from sqlalchemy import Engine, create_engine, delete, event, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session
from werkzeug.datastructures import FileStorage
from werkzeug.test import TestResponse, encode_multipart

from app import access, create_app
from app.domain import sessions
from app.models import Account, CatalogueItem, Organization, db
from config import Config


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The browser's driver holds the event loop of its process, in which nothing could be signed: it comes last."""
    items.sort(key=lambda item: "browser" in item.path.parts)


@pytest.fixture(scope="session")
def database_url(worker_id: str) -> Iterator[str]:
    """A database of this test process alone, with tables, regions, catalogue and roles."""
    url = os.environ["TEST_DATABASE_URL"]
    name = f"{url.rsplit('/', 1)[1]}_{worker_id}"
    server = create_engine(url, isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.execute(text(f'DROP DATABASE IF EXISTS "{name}"'))
        connection.execute(text(f'CREATE DATABASE "{name}"'))
    yield f"{url.rsplit('/', 1)[0]}/{name}"
    left = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name AND usename = current_user"
    with server.connect() as connection:
        connection.execute(text(left), {"name": name})
        connection.execute(text(f'DROP DATABASE "{name}"'))  # waits for autovacuum, which only a superuser may end
    server.dispose()


@pytest.fixture(scope="session")
def settings(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Config:
    """The settings of a test process: its own database, its own folders."""
    folder = tmp_path_factory.mktemp("data")
    secret = "only for tests, only for tests"
    folders = {"FILES": str(folder / "files"), "KEYS": str(folder / "keys")}
    return Config({"DATABASE_URL": database_url, "SECRET_KEY": secret, **folders})


@pytest.fixture(scope="session")
def app(settings: Config) -> Flask:
    app = create_app(settings)
    watch_writes(app)
    app.testing = True
    app.config["PROPAGATE_EXCEPTIONS"] = False
    result = app.test_cli_runner().invoke(args=["prepare"])
    assert result.exit_code == 0, result.output
    return app


# --- Whoever changes rows leaves an entry -----------------------------------------------------------

WRITES = re.compile(r"(?:INSERT INTO|(?<!FOR )(?<!KEY )(?<!DO )\bUPDATE|DELETE FROM)\s+\"?(\w+)")
# What is written beside every deed, or of which nobody would ask who did it.
BESIDE = {
    "tally", "event", "audit_entry", "audit_chain", "account_session", "attempt", "captcha", "notification",
    "number_list", "workday", "job", "dump", "month_end", "service_region", "ledger_import",
}  # fmt: skip
# Where a person only changes how the system looks to himself.
LOOKS = ("/columns", "/views/default", "/notifications/")
unaudited: list[str] = []


def watch_writes(app: Flask) -> None:
    """Note each request that changed rows and left neither an entry in the audit log nor a step in the history."""

    def note(_connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        if has_request_context() and cursor.rowcount > 0:
            g.setdefault("written", set()).update(WRITES.findall(statement))

    def check(response: Any) -> Any:
        written = g.get("written", set())
        looks = any(part in request.path for part in LOOKS)
        recorded = written & {"audit_entry", "event"}
        if request.method == "POST" and response.status_code < 400 and written - BESIDE and not recorded and not looks:
            unaudited.append(f"{request.path} wrote {sorted(written - BESIDE)}")
        return response

    app.after_request(check)
    event.listen(Engine, "after_cursor_execute", note)


@pytest.fixture(autouse=True)
def every_write_is_audited() -> Iterator[None]:
    unaudited.clear()
    yield
    assert unaudited == []


@pytest.fixture(scope="session")
def anchor(app: Flask) -> Iterator[Any]:
    """One connection for the whole session; every test is a transaction on it that is rolled back."""
    with app.app_context():
        connection = db.engine.connect()
        connection.execute(text("SET application_name = 'tests'"))  # who ends those of the application spares it
        connection.commit()
        db.engines[None] = connection  # type: ignore[assignment]  # every session of the process is on it now
    connection.name = connection.dialect.name  # type: ignore[attr-defined]  # Flask-AppBuilder asks its bind for it
    db.session.session_factory.configure(join_transaction_mode="create_savepoint")
    yield connection
    connection.close()


@pytest.fixture
def rows(app: Flask, anchor: Any) -> Iterator[Any]:
    """The session of a test, seeing everything; what requests and commands commit is rolled back with it."""
    transaction = anchor.begin()
    with app.app_context():
        db.session.remove()
        with access.seeing(access.EVERYTHING):
            yield db.session
        db.session.remove()
    transaction.rollback()


WRITTEN = (
    "task, appointment, instrument, event, tally, month_end, capability, institution, using_unit, organization, "
    "ab_user, attempt, captcha, clock_run, dump, audit_entry, audit_chain, announced_change, "
    "manufacturer, manufacturer_name"
)


@contextmanager
def catalogue_put_back() -> Iterator[None]:
    """Whatever a test makes of the catalogue, the next one finds it as it was."""
    table = CatalogueItem.__table__
    before = [dict(row) for row in db.session.execute(select(table)).mappings()]
    yield
    db.session.execute(delete(table).where(table.c.id.not_in([row["id"] for row in before])))
    back = insert(table).values(before)
    columns = {column.name: column for column in back.excluded if column.name != "id"}
    db.session.execute(back.on_conflict_do_update(index_elements=["id"], set_=columns))


@contextmanager
def audit_log_unguarded() -> Iterator[None]:
    """Without the triggers that keep everybody else from changing the audit log."""
    for do in ("DISABLE", "ENABLE"):
        for table in ("audit_entry", "audit_chain"):
            db.session.execute(text(f"ALTER TABLE {table} {do} TRIGGER USER"))
        if do == "DISABLE":
            yield


@pytest.fixture
def office(settings: Config, app: Flask) -> Iterator[Flask]:
    """An application with connections of its own on the test database, emptied of rows afterwards."""
    office = create_app(settings)
    watch_writes(office)
    with office.app_context(), access.seeing(access.EVERYTHING):
        with catalogue_put_back():
            yield office
            db.session.rollback()
            with audit_log_unguarded():
                db.session.execute(text(f"TRUNCATE {WRITTEN} CASCADE"))
        db.session.commit()
        db.engine.dispose()


@dataclass
class Person:
    """A signed-in browser: posts carry the token, and rows are seen as the person sees them."""

    client: FlaskClient
    account: Account | None
    token: str = ""

    def get(self, url: str, **kwargs: Any) -> TestResponse:
        return self._as_web(lambda: self.client.get(url, buffered=True, **kwargs))

    def post(self, url: str, data: Any = None, **kwargs: Any) -> TestResponse:
        fields = {"csrf_token": self.token, **(data or {})}
        body = _encoded(fields) if any(_is_file(value) for value in fields.values()) else {"data": fields}
        return self._as_web(lambda: self.client.post(url, **body, buffered=True, **kwargs))

    def act(self, page: str, name: str, ids: Any, /, **fields: Any) -> TestResponse:
        """Do an action as its dialog does."""
        chosen = {"selection": "ids", "id": [str(id) for id in ids], **fields}
        return self.post(f"/{page}/act/{name}", chosen, headers={"HX-Request": "true"})

    def open(self, page: str, name: str, ids: Any, /, **fields: Any) -> TestResponse:
        """Open an action's dialog."""
        chosen = {"selection": "ids", "id": [str(id) for id in ids], **fields}
        return self.post(f"/{page}/dialog/{name}", chosen, headers={"HX-Request": "true"})

    def messages(self) -> list[str]:
        with self.client.session_transaction() as session:
            return [message for _category, message in session.pop("_flashes", [])]

    def _as_web(self, call: Callable[[], TestResponse]) -> TestResponse:
        return from_outside(call)


def _is_file(value: Any) -> bool:
    return isinstance(value, tuple) or (isinstance(value, list) and any(map(_is_file, value)))


def _encoded(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields with their files, (stream, name) each; the client itself would leave large ones open."""

    def stored(value: Any) -> Any:
        return FileStorage(value[0], value[1]) if isinstance(value, tuple) else value

    values = {
        name: [stored(each) for each in value] if isinstance(value, list) else stored(value)
        for name, value in fields.items()
    }
    boundary, body = encode_multipart(values)
    return {"data": body, "content_type": f"multipart/form-data; boundary={boundary}"}


def from_outside(call: Callable[[], Any]) -> Any:
    """A request knows neither the test's session nor what the test may see; the test sees what it did."""
    db.session.flush()
    answer = Context().run(call)
    db.session.expire_all()
    return answer


@pytest.fixture
def enter(app: Flask, rows: Session) -> Callable[[Account], Person]:
    """enter(account) -> Person: a browser in which the account is signed in."""

    def entered(account: Account) -> Person:
        client = app.test_client()
        token = sessions.start(account, confirmed=True, address="127.0.0.1", device="pytest")
        with client.session_transaction() as session:
            session["_user_id"] = token
            session["_fresh"] = True
            session["locale"] = "zh"
        token = from_outside(lambda: client.get("/session/token").json["token"])  # type: ignore[index]
        return Person(client, account, token)

    return entered


@pytest.fixture
def sign_in(enter: Callable[[Account], Person]) -> Callable[..., Person]:
    """sign_in("AssignmentOfficer", organization) -> Person."""
    from tests.factories import account

    def signed_in(role: str | None, organization: Organization | None) -> Person:
        return enter(account(role, organization))

    return signed_in


@pytest.fixture
def stranger(app: Flask, rows: Session) -> Person:
    """Somebody who is not signed in."""
    return Person(app.test_client(), None)


@pytest.fixture
def statements(anchor: Any) -> Callable[[], Any]:
    """Count the SQL statements within a block; savepoints of the test itself do not count."""

    @contextmanager
    def counting() -> Iterator[list[str]]:
        seen: list[str] = []

        def record(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
            if not re.match(r"(RELEASE |ROLLBACK TO )?SAVEPOINT", statement):
                seen.append(statement)

        event.listen(anchor, "before_cursor_execute", record)
        try:
            yield seen
        finally:
            event.remove(anchor, "before_cursor_execute", record)

    return counting
