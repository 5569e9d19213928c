"""run.py as a person at the terminal meets it: what it refuses, in which words, how it starts and stops."""

import os
import re
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from app import postgres

ROOT = Path(__file__).parent.parent
RUN = [sys.executable, ROOT / "run.py"]
not_windows = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals and modes")


@pytest.fixture
def data():
    # pytest's own temporary folders are closed to everybody else, so also to the server's user.
    with tempfile.TemporaryDirectory(prefix="run-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder) / "data"


@pytest.fixture
def server(data):
    with postgres.running(data / "server") as url:
        yield urlsplit(url)


def environment(data, **changes):
    left_out = {"DATABASE_URL", "SECRET_KEY", "APP_ENV"}
    kept = {name: value for name, value in os.environ.items() if name not in left_out}
    return kept | {"DATA_DIR": str(data), "PYTHONIOENCODING": "utf-8"} | changes


def refused(data, *arguments, **changes):
    done = subprocess.run(
        [*RUN, *arguments],
        env=environment(data, **changes),
        capture_output=True,
        encoding="utf-8",
        timeout=60,
    )
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    return done.stderr


def a_free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_help_explains_the_commands():
    said = subprocess.run([*RUN, "--help"], capture_output=True, encoding="utf-8", check=True).stdout
    assert re.findall(r"^  (test|lint|bench|flask) ", said, re.MULTILINE) == [
        "test",
        "lint",
        "bench",
        "flask",
    ]


@pytest.mark.parametrize("key", ["", "short", "x" * 31])
def test_production_refuses_a_missing_or_short_key(data, key):
    assert "SECRET_KEY of at least 32 characters" in refused(data, "--production", SECRET_KEY=key)
    assert not data.exists()


def test_a_taken_port_is_refused(data):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert f"Cannot listen on 127.0.0.1:{port}" in refused(data, f"--port={port}")


@pytest.mark.parametrize(
    "url",
    ["mysql://u:secret@h/x", "nonsense", "postgresql://", "postgresql://u:secret@[::1/x", "postgresql:x"],
)
def test_what_is_no_postgresql_address_is_refused(data, url):
    said = refused(data, "flask", "routes", DATABASE_URL=url)
    assert "DATABASE_URL 不是 PostgreSQL 地址" in said
    assert "DATABASE_URL is not a PostgreSQL address" in said
    assert "secret" not in said


def test_a_server_that_does_not_answer_is_named_without_its_password(data):
    url = f"postgresql://u:secret@127.0.0.1:{a_free_port()}/x"
    said = refused(data, "flask", "routes", DATABASE_URL=url)
    assert "The database server 127.0.0.1 does not answer" in said
    assert "secret" not in said


def test_a_wrong_password_is_refused(data, server):
    url = f"postgresql://{server.username}:wrong@127.0.0.1:{server.port}{server.path}"
    assert "The database server refuses the login" in refused(data, "flask", "routes", DATABASE_URL=url)


def test_an_unknown_user_is_refused(data, server):
    url = f"postgresql://nobody:{server.password}@127.0.0.1:{server.port}{server.path}"
    assert "The database server refuses the login" in refused(data, "flask", "routes", DATABASE_URL=url)


def test_a_missing_database_is_named(data, server):
    url = f"postgresql://{server.username}:{server.password}@127.0.0.1:{server.port}/password_role"
    assert "There is no database password_role" in refused(data, "flask", "routes", DATABASE_URL=url)


def test_a_server_too_old_is_refused(data):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=greet_as_postgresql_14, args=[listening], daemon=True).start()
        url = f"postgresql://u:secret@127.0.0.1:{listening.getsockname()[1]}/x?sslmode=disable&gssencmode=disable"
        assert "PostgreSQL 14; 15 or newer" in refused(data, "flask", "routes", DATABASE_URL=url)


def greet_as_postgresql_14(listening):
    def message(kind, body):
        return kind + (len(body) + 4).to_bytes(4, "big") + body

    facts = {"server_version": "14.20", "client_encoding": "UTF8", "DateStyle": "ISO, MDY"}
    told = b"".join(message(b"S", f"{name}\0{value}\0".encode()) for name, value in facts.items())
    connection, _ = listening.accept()
    with connection:
        connection.recv(1024)
        connection.sendall(message(b"R", bytes(4)) + told + message(b"Z", b"I"))
        connection.recv(1024)


@not_windows
def test_it_starts_tells_the_demo_accounts_and_stops_with_everything(data):
    with started(data) as (running, port):
        said = read_until(running, "Ctrl-C stops it")
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz") as answer:
            assert answer.status == 200
        os.killpg(running.pid, signal.SIGINT)
        said += read_until(running)
        assert running.wait(timeout=30) == 0, said

    assert f"http://127.0.0.1:{port}/" in said
    assert "Traceback" not in said
    assert stat.S_IMODE((data / "secret_key").stat().st_mode) == 0o600
    assert "database system is shut down" in (data / "postgres" / "log").read_text().splitlines()[-1]
    assert not is_listening(port)
    assert "The database has demo accounts" in refused(
        data, "--production", SECRET_KEY="x" * 32, DATA_KEY=(data / "secret_key").read_text()
    )


@not_windows
@pytest.mark.parametrize("words", ["PostgreSQL ...", "prepare ...", "server ..."])
def test_ctrl_c_during_the_start_leaves_nothing_behind(data, words):
    with started(data) as (running, port):
        read_until(running, words)
        os.killpg(running.pid, signal.SIGINT)
        said = read_until(running)
    assert "Traceback" not in said
    assert not is_listening(port)
    assert not (data / "postgres" / "cluster" / "postmaster.pid").exists()


@not_windows
def test_a_start_that_was_killed_in_the_middle_is_taken_up_at_once(data):
    with started(data) as (running, _port):
        read_until(running, "Authorities and institutions")
        running.kill()
    with started(data) as (running, _port):
        said = read_until(running, "Ctrl-C stops it")
        os.killpg(running.pid, signal.SIGINT)
        said += read_until(running)
        assert (running.wait(timeout=30), "Traceback" in said) == (0, False)


@contextmanager
def started(data):
    port = a_free_port()
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "encoding": "utf-8"}
    command = [*RUN, f"--port={port}"]
    with subprocess.Popen(command, env=environment(data), start_new_session=True, **pipes) as running:
        try:
            yield running, port
        finally:
            running.terminate()


def is_listening(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def read_until(running, words=None):
    said = ""
    for line in running.stdout:
        said += line
        if words and words in line:
            return said
    assert words is None, said
    return said
