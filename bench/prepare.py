"""The database that is measured: seeded once, with enough waiting tasks, put back after each assignment."""

import subprocess
import sys
from dataclasses import dataclass
from typing import Any

from flask import Flask
from flask_appbuilder.security.sqla.models import Role
from sqlalchemy import func, select

from app.access import EVERYTHING, seeing
from app.domain import sessions, tallies
from app.models import Account, Organization, Tally, db
from bench import importing, sql
from bench.servers import ROOT

PROVINCE = "33"
ACCOUNTS = {
    PROVINCE: ("bench-province", "Supervisor"),
    "": ("bench-nation", "Supervisor"),
}
# Page 500 of the province must exist, and 100,000 tasks must wait in the nation; a small database has fewer.
MOST = {PROVINCE: 12_000, "": 130_000}
ALL = 100_000


@dataclass(frozen=True)
class Person:
    token: str
    area: sql.Area


def flask(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "flask", "--app", "app", *arguments], cwd=ROOT, check=True)


def database(connection: Any, instruments: int) -> None:
    """Tables, and that many instruments; what is there is used again."""
    flask("prepare")
    found = sql.one(connection, "SELECT count(*) FROM instrument")
    if not found:
        flask("seed", "--instruments", str(instruments), "--seed", "1")
        found = sql.one(connection, "SELECT count(*) FROM instrument")
    sql.run(connection, "ANALYZE")
    if abs(found - instruments) > instruments * 0.05:
        raise SystemExit(f"There are {found} instruments in this database, not {instruments}; drop it first.")


def people(app: Flask) -> dict[str, Person]:
    """The accounts that look at the queue, by jurisdiction; made if they are not there."""
    with app.app_context(), seeing(EVERYTHING):
        found = {jurisdiction: _person(jurisdiction, *how) for jurisdiction, how in ACCOUNTS.items()}
        db.session.commit()
        return found


def _person(jurisdiction: str, name: str, role: str) -> Person:
    desk = db.session.scalars(
        select(Organization).where(Organization.kind == "authority", Organization.jurisdiction == jurisdiction)
    ).one()
    account = _account(name, role, desk)
    token = sessions.start(account, confirmed=True, address="127.0.0.1", device="bench")
    return Person(token, sql.Area(jurisdiction, desk.id))


def _account(name: str, role: str, home: Organization) -> Account:
    account = db.session.scalar(select(Account).where(Account.username == name))
    if account is None:
        names = {"username": name, "first_name": name, "last_name": "-", "email": f"{name}@example.org"}
        account = Account(**names, password="-", active=True, organization_id=home.id)  # noqa: S106 -- nobody logs in by it
        db.session.add(account)
    account.has_role = True
    account.roles = list(db.session.scalars(select(Role).where(Role.name == role)))
    db.session.flush()
    return account


def importer(app: Flask) -> None:
    """The using unit into whose ledger sheets are imported, and its clerk; made if they are not there."""
    with app.app_context(), seeing(EVERYTHING):
        unit = db.session.scalar(select(Organization).where(Organization.name == importing.UNIT))
        if unit is None:
            unit = Organization(
                kind="using_unit", name=importing.UNIT, level="county", region_code=importing.REGION, path="/"
            )
            db.session.add(unit)
            db.session.flush()
            unit.path = f"/{unit.id}/"
        _account(importing.CLERK, "UsingUnitClerk", unit)
        db.session.commit()


# --- Tasks that wait -----------------------------------------------------------------------------


def waiting(app: Flask, connection: Any) -> None:
    """Make so many tasks wait again that the jobs have their rows, and remember how each of them was."""
    if sql.one(connection, "SELECT to_regclass('bench.waiting') IS NOT NULL"):
        return
    for jurisdiction, most in MOST.items():
        area = sql.Area(jurisdiction, 0)
        missing = most - sql.one(connection, f"SELECT count(*) FROM task t WHERE {sql.WAITING} AND {area.tasks}")
        sql.run(connection, _MAKE_WAIT.format(area=area.tasks, number=max(missing, 0)))
    with app.app_context(), seeing(EVERYTHING):
        tallies.rebuild()
        db.session.commit()
    sql.run(
        connection,
        "CREATE SCHEMA IF NOT EXISTS bench",
        f"CREATE TABLE bench.waiting AS SELECT t.* FROM task t WHERE {sql.WAITING}",
        "ALTER TABLE bench.waiting ADD PRIMARY KEY (id, city_code)",
        "VACUUM ANALYZE",
    )


_MAKE_WAIT = """
UPDATE task SET state = 'unassigned', institution_id = NULL, finished_at = NULL, reason = NULL
 WHERE id IN (
   SELECT min(t.id) FROM task t
    WHERE t.state IN ('certified', 'withdrawn', 'refused') AND {area}
      AND NOT EXISTS (SELECT FROM task o WHERE o.instrument_id = t.instrument_id
                         AND o.state IN ('returned', 'unassigned', 'offered', 'accepted',
                                         'verifying', 'to_check', 'to_approve'))
    GROUP BY t.instrument_id
    ORDER BY hashint8(min(t.id)) LIMIT {number})"""


@dataclass(frozen=True)
class Mark:
    """How far history and tallies had come before an assignment."""

    event: int
    tally: int


def mark(connection: Any) -> Mark:
    checkpoint(connection)
    return Mark(*sql.all_rows(connection, "SELECT (SELECT max(id) FROM event), (SELECT max(id) FROM tally)")[0])


def checkpoint(connection: Any) -> None:
    """If we may, so that everybody writes full pages first."""
    if may_checkpoint(connection):
        sql.run(connection, "CHECKPOINT")


def may_checkpoint(connection: Any) -> bool:
    return sql.one(connection, "SELECT pg_has_role('pg_checkpoint', 'USAGE')")


def restore(connection: Any, before: Mark) -> int:
    """Put the tasks back that were moved since, with what was written of it; returns how many."""
    columns = "state, state_since, previous_state, previous_institution_id, institution_id, reason, forced"
    was = ", ".join(f"w.{column.strip()}" for column in columns.split(","))
    moved = sql.one(connection, f"SELECT count(*) FROM event WHERE id > {before.event}")
    sql.run(
        connection,
        f"UPDATE task t SET ({columns}) = ROW({was}) FROM bench.waiting w"
        f" WHERE (w.id, w.city_code) = (t.id, t.city_code)"
        f" AND t.id IN (SELECT subject_id FROM event WHERE id > {before.event})",
        f"DELETE FROM event WHERE id > {before.event}",
        f"DELETE FROM tally WHERE id > {before.tally}",
        "VACUUM task, event, tally",
    )
    return moved


def tallied(app: Flask) -> int:
    """How many rows the tallies hold; folded, as the worker does all the time."""
    with app.app_context(), seeing(EVERYTHING):
        tallies.fold()
        db.session.commit()
        return db.session.scalar(select(func.count()).select_from(Tally)) or 0
