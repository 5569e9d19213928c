"""Databases of earlier versions, with data in them, are brought up to date; what stands in the way is named."""

import lzma
import os
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from app import create_app, schema
from app.access import EVERYTHING, seeing
from app.domain import tallies
from app.fabkit import roles
from app.models import db
from config import Config

OLDER = Path(__file__).parent / "older"
VERSIONS = sorted(path.name.partition(".")[0] for path in OLDER.glob("*.sql.xz"))


@pytest.fixture
def older(worker_id, tmp_path):
    """older(version) -> the application on a database that was filled by that version."""
    url = os.environ["TEST_DATABASE_URL"]
    name = f"older_{worker_id}"
    server = create_engine(url, isolation_level="AUTOCOMMIT")
    apps = []

    def made(version):
        with server.connect() as connection:
            connection.execute(text(f"DROP DATABASE IF EXISTS {name}"))
            connection.execute(text(f"CREATE DATABASE {name}"))
        address = f"{url.rpartition('/')[0]}/{name}"
        restore(address, version)
        folders = {"FILES": str(tmp_path / "files"), "KEYS": str(tmp_path / "keys")}
        settings = {"DATABASE_URL": address, "SECRET_KEY": "only for tests, only for tests", **folders}
        apps.append(create_app(Config(settings)))
        return apps[-1]

    yield made
    for app in apps:
        with app.app_context():
            db.session.remove()
            db.engine.dispose()
    with server.connect() as connection:
        connection.execute(text(f"DROP DATABASE IF EXISTS {name}"))
    server.dispose()


def restore(url, version):
    with lzma.open(OLDER / f"{version}.sql.xz", "rt", encoding="utf-8") as dump:
        lines = dump.readlines()
    statements = "".join(line for line in lines if not line.startswith(("\\", "SET transaction_timeout")))
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.connection.cursor().execute(statements)
    engine.dispose()


def prepared(app):
    result = app.test_cli_runner().invoke(args=["prepare"])
    return result.exit_code, result.output


@pytest.mark.parametrize("version", VERSIONS)
def test_a_database_filled_by_an_older_version_is_brought_up_to_date(older, version):
    app = older(version)
    with app.app_context():
        before = {table: count(table) for table in ("instrument", "task", "capability", "organization", "event")}
        assert version_of() == version

        db.session.rollback()
        code, output = prepared(app)
        assert code == 0, output
        db.session.rollback()
        with seeing(EVERYTHING):
            assert {table: count(table) for table in before} == before
            assert before["instrument"] >= 500
            assert roles.differences() == []
            tallies.rebuild()
            assert tallies.differences() == []
        assert count("event") == db.session.scalar(text("SELECT count(DISTINCT id) FROM event"))
        unexplained = "SELECT count(*) FROM capability WHERE state = 'rejected' AND coalesce(length(reason), 0) < 2"
        assert db.session.scalar(text(unexplained)) == 0


def test_the_oldest_of_them_has_rows_that_a_later_constraint_does_not_allow(older):
    with older("0004").app_context():
        without_reason = "SELECT count(*) FROM capability WHERE state = 'rejected'"
        assert db.session.scalar(text(without_reason)) > 0


def count(table):
    return db.session.scalar(text(f"SELECT count(*) FROM {table}"))


def version_of():
    return db.session.scalar(text("SELECT version_num FROM alembic_version"))


def test_rows_that_a_new_constraint_does_not_allow_are_named(older):
    with older("0004").app_context() as context:
        db.session.execute(text("UPDATE catalogue_item SET cycle_months = 999 WHERE id IN (7, 9)"))
        db.session.commit()

        code, output = prepared(context.app)

        assert code == 1
        assert "表 catalogue_item 有 3 行不符合约束 cycle_in_months（cycle_months BETWEEN 1 AND 240）" in output
        assert "3 rows of catalogue_item violate cycle_in_months; nothing was upgraded." in output
        assert output.rstrip().endswith("ids: 7, 9, 41.")  # 41 is what that migration mends by itself
        assert version_of() == "0007"


def test_instruments_that_were_entered_under_two_spellings_are_kept_and_named(older, caplog):
    with older(VERSIONS[-1]).app_context() as context:
        first, second, third = db.session.execute(
            text("SELECT id, city_code, manufacturer, serial_no, instrument_no FROM instrument"
                 " WHERE city_code = (SELECT min(city_code) FROM instrument) ORDER BY id LIMIT 3")
        ).all()  # fmt: skip
        for row, maker in ((second, f" {first.manufacturer}"), (third, f"{first.manufacturer}\u200b")):
            db.session.execute(
                text("UPDATE instrument SET manufacturer = :maker, serial_no = lower(:serial), serial_key = :serial"
                     " WHERE id = :id"),
                {"maker": maker, "serial": first.serial_no, "id": row.id},
            )  # fmt: skip
        db.session.commit()
        number = count("instrument")
        db.session.rollback()

        code, output = prepared(context.app)

        assert (code, count("instrument")) == (0, number), output
        twins = db.session.execute(text("SELECT id, twin FROM instrument WHERE twin <> 0 ORDER BY id")).all()
        assert twins == [(second.id, second.id), (third.id, third.id)]
        (told,) = [record.getMessage() for record in caplog.records if record.name == "app.schema"]
        assert told.startswith("2 台器具与另一台的制造单位、出厂编号相同，只是写法不同；均已保留")
        assert f"{second.instrument_no} = {first.instrument_no}" in told


def test_tables_that_are_in_use_are_left_alone(older):
    with older("0015").app_context() as context:
        db.session.execute(text("LOCK TABLE tally IN ACCESS SHARE MODE"))
        code, output = prepared(context.app)
        assert code == 1
        assert "Another program is using the tables; nothing was upgraded." in output


def test_a_database_of_a_newer_version_is_left_alone(older):
    with older("0015").app_context() as context:
        db.session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        db.session.commit()
        code, output = prepared(context.app)
        newest = sorted(schema.MIGRATIONS.glob("versions/*.py"))[-1].name.partition("_")[0]
        assert code == 1
        assert f"written by a newer version; this program knows it up to {newest}" in output
        assert version_of() == "9999"
