"""The whole system as `python3 run.py` starts it, with people who use it from outside while its parts are killed."""

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from flask import current_app
from sqlalchemy import create_engine, select, text

from app import access, create_app
from app.domain import sessions
from app.models import Account, db
from config import Config

ROOT = Path(__file__).parent.parent.parent
PATIENCE = 90


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


@dataclass
class System:
    """One run of `run.py` in a data folder of its own."""

    data: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] = field(init=False)

    def start(self) -> None:
        """Start it and wait until it is ready."""
        self.launch()
        until(lambda: "Ctrl-C stops it" in self.output() or self.process.poll() is not None, 300)
        assert self.process.poll() is None, self.output()

    def launch(self) -> None:
        left_out = {"DATABASE_URL", "SECRET_KEY", "DATA_KEY", "FILES", "KEYS"}
        env = {name: value for name, value in os.environ.items() if name not in left_out}
        with (self.data / "output").open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, ROOT / "run.py", f"--port={self.port}"],
                env=env | {"DATA_DIR": str(self.data)},
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def stop(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(timeout=PATIENCE)

    def output(self) -> str:
        return (self.data / "output").read_text(errors="replace")

    @property
    def url(self) -> str:
        home = self.data / "postgres"
        home = Path((home / "moved-to").read_text()) if (home / "moved-to").exists() else home
        password, port = (home / "password").read_text(), (home / "port").read_text()
        return f"postgresql+psycopg2://metrology:{password}@127.0.0.1:{port}/metrology"

    @property
    def cluster(self) -> Path:
        home = self.data / "postgres"
        return (Path((home / "moved-to").read_text()) if (home / "moved-to").exists() else home) / "cluster"

    def postmaster(self) -> int:
        return int((self.cluster / "postmaster.pid").read_text().splitlines()[0])

    def backends(self) -> list[int]:
        """The processes of the database that serve a connection of the web server."""
        engine = create_engine(self.url)
        with engine.connect() as connection:
            asked = "SELECT pid FROM pg_stat_activity WHERE application_name = 'metrology' ORDER BY state_change DESC"
            pids = list(connection.scalars(text(asked)))
        engine.dispose()
        return pids

    def children(self, command: str) -> list[int]:
        """The processes of run.py that run a command."""
        listed = subprocess.run(["ps", "-axo", "pid=,ppid=,args="], capture_output=True, text=True, check=True).stdout
        found = re.findall(rf"^\s*(\d+)\s+(\d+)\s.*flask --app app {command}", listed, re.MULTILINE)
        return [int(pid) for pid, parent in found if int(parent) == self.process.pid]

    def health(self) -> dict[str, object]:
        status, body = self.get("/healthz")
        return {"code": status, **(json.loads(body) if body[:1] == b"{" else {})}

    def get(self, path: str, source: str = "127.0.0.1") -> tuple[int, bytes]:
        """GET without a session over a connection of its own; (0, b"") if none can be had."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10, source_address=(source, 0))
        with contextlib.closing(connection):
            try:
                connection.request("GET", path)
                response = connection.getresponse()
                return response.status, response.read()
            except (OSError, http.client.HTTPException):
                return 0, b""


@dataclass
class Browser:
    """Somebody signed in, over connections that are kept; a broken one is opened anew with the next request."""

    system: System
    cookie: str
    token: str = ""
    connection: http.client.HTTPConnection | None = None

    def request(self, method: str, path: str, fields: list[tuple[str, object]] | None = None) -> tuple[int, str]:
        """Return status and text; (0, "") if the connection broke, so that nobody knows what became of it."""
        headers = {"Cookie": self.cookie, "HX-Request": "true"}
        body = None
        if fields is not None:
            headers |= {"Content-Type": "application/x-www-form-urlencoded", "X-CSRFToken": self.token}
            body = urlencode(fields)
        if self.connection is None:
            self.connection = http.client.HTTPConnection("127.0.0.1", self.system.port, timeout=30)
        try:
            self.connection.request(method, path, body, headers)
            response = self.connection.getresponse()
            content = response.read().decode()
        except (OSError, http.client.HTTPException):
            self.connection.close()
            self.connection = None
            return 0, ""
        if cookie := response.headers.get("Set-Cookie"):
            self.cookie = cookie.partition(";")[0]
        return response.status, content

    def get(self, path: str) -> tuple[int, str]:
        return self.request("GET", path)

    def act(self, page: str, action: str, ids: list[int], **fields: object) -> tuple[int, str]:
        chosen = [("selection", "ids"), *(("id", id) for id in ids), *fields.items()]
        return self.request("POST", f"/{page}/act/{action}", chosen)

    def ids(self, path: str) -> list[int]:
        status, page = self.get(path)
        assert status == 200, (path, status)
        return [int(id) for id in re.findall(r'name="id" value="(\d+)"', page)]

    def close(self) -> None:
        if self.connection is not None:
            self.connection.close()


@contextlib.contextmanager
def database(system: System) -> Iterator[None]:
    """The application on the database of a running system, to look at it and to sign people in."""
    key = (system.data / "secret_key").read_text()
    folders = {"FILES": str(system.data / "files"), "KEYS": str(system.data / "keys")}
    app = create_app(Config({"DATABASE_URL": system.url, "SECRET_KEY": key, **folders}))
    with app.app_context(), access.seeing(access.EVERYTHING):
        try:
            yield
        finally:
            db.session.rollback()
            db.engine.dispose()


def sign_in(system: System, *names: str) -> list[Browser]:
    """Browsers in which demo accounts are signed in."""
    with database(system):
        interface: Any = current_app.session_interface
        serializer = interface.get_signing_serializer(current_app)
        cookies = []
        for name in names:
            account = db.session.scalars(select(Account).where(Account.username == name)).one()
            token = sessions.start(account, confirmed=True, address="127.0.0.1", device="faults")
            cookies.append(serializer.dumps({"_user_id": token, "_fresh": True, "locale": "zh"}))
        db.session.commit()
    browsers = [Browser(system, f"session={cookie}") for cookie in cookies]
    for browser in browsers:
        _status, answer = browser.get("/session/token")
        browser.token = json.loads(answer)["token"]
    return browsers


def until(is_so, seconds: float = PATIENCE) -> float:
    """Wait until something is so; return after how many seconds it was."""
    began = time.monotonic()
    while not is_so():
        assert time.monotonic() - began < seconds, "waited in vain"
        time.sleep(0.1)
    return time.monotonic() - began


@dataclass
class Toggler:
    """One person who switches rows to and fro, one at a time, and remembers what the system acknowledged."""

    browser: Browser
    page: str
    there_and_back: tuple[str, str]
    ids: list[int]
    fields: dict[str, object] = field(default_factory=dict)
    acknowledged: dict[int, str] = field(default_factory=dict)
    unknown: set[int] = field(default_factory=set)
    statuses: list[int] = field(default_factory=list)

    def run(self, stop: threading.Event) -> None:
        turn = 0
        while not stop.is_set():
            id, verb = self.ids[turn % len(self.ids)], self.there_and_back[turn // len(self.ids) % 2]
            turn += 1
            status, _text = self.browser.act(self.page, verb, [id], **self.fields)
            self.statuses.append(status)
            if status == 204:
                self.acknowledged[id] = verb
                self.unknown.discard(id)
            elif status in {0, 500, 503}:
                self.unknown.add(id)
            time.sleep(0.02)
