"""`flask ...`: preparing the database, roles, demo data, the worker."""

import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

import click
from flask import Flask
from flask.cli import AppGroup, ScriptInfo, pass_script_info, with_appcontext
from sqlalchemy import func, select

from app import schema
from app.access import EVERYTHING, seeing
from app.models import Organization, db

PREPARING = 0x70726570  # "prep", a number for an advisory lock


@contextmanager
def step(name: str) -> Iterator[None]:
    """Say what is being done, and how long it took."""
    started = time.monotonic()
    click.echo(f"{name} ... ", nl=False)
    yield
    click.echo(f"{time.monotonic() - started:.1f} s")


@contextmanager
def alone() -> Iterator[None]:
    """Wait until nobody else prepares this database: a start that was killed may still be at it for a moment."""
    with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(select(func.pg_advisory_lock(PREPARING)))
        try:
            yield
        finally:
            connection.execute(select(func.pg_advisory_unlock(PREPARING)))


def upgrade() -> None:
    """Bring the tables up to date, or stop with a sentence that says why not."""
    try:
        schema.upgrade()
    except schema.SchemaProblem as problem:
        raise click.ClickException(str(problem)) from problem


def verify_keys() -> None:
    """Stop with a sentence if the keys do not fit the database: nothing may be written with others."""
    from app.domain import key_checks

    try:
        key_checks.verify()
    except key_checks.KeyProblem as problem:
        raise click.ClickException(str(problem)) from problem
    finally:
        db.session.rollback()


def register(app: Flask) -> None:
    for each in (
        prepare,
        migrate,
        serve,
        work,
        seed_command,
        authorities,
        administrator,
        accounts,
        roles,
        tally,
        keys,
        audit_log,
        verify,
    ):
        app.cli.add_command(each)


@click.command()
@click.option("--demo", is_flag=True, help="create demo data and accounts at the first start")
@with_appcontext
def prepare(demo: bool) -> None:
    """Bring the database up to date: tables, regions and catalogue, roles; and demo data if asked."""
    from app import supervision
    from app.domain import history, key_checks, reference
    from app.fabkit import roles as role_tables

    supervision.report(lambda: os._exit(1))  # what is not committed has not happened
    with alone(), seeing(EVERYTHING):
        with step("Tables"):
            upgrade()
        verify_keys()
        with step("Regions and catalogue"):
            reference.load()
            history.make_partitions()
            db.session.commit()
        with step("Roles"):
            role_tables.sync()
            db.session.commit()
        if demo:
            from app import demo as demo_data

            demo_data.create_unless_there()
        key_checks.record()
        db.session.commit()


@click.command()
@with_appcontext
def migrate() -> None:
    """Bring the tables up to date."""
    upgrade()


@click.command()
@click.option("--socket", "number", type=int, help="the number of a listening socket that this process was given")
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8080, show_default=True)
@pass_script_info
def serve(info: ScriptInfo, number: int | None, host: str, port: int) -> None:
    """Run one process of the web server."""
    from app import server, supervision

    app = info.load_app()
    with app.app_context(), seeing(EVERYTHING):
        verify_keys()
    listening = socket.socket(fileno=number) if number is not None else supervision.listen(host, port)
    server.serve(app, listening)


@click.command()
@with_appcontext
def work() -> None:
    """Run the worker: what is due by the clock, and long work."""
    from app import jobs

    with seeing(EVERYTHING):
        verify_keys()
    jobs.work()


@click.command("seed")
@click.option("--instruments", default=20_000, show_default=True)
@click.option("--seed", default=1, show_default=True)
@with_appcontext
def seed_command(instruments: int, seed: int) -> None:
    """Fill an empty database with realistic data; the same seed gives the same data."""
    from app import seeding

    with seeing(EVERYTHING):
        seeding.seed(instruments, seed)


@click.command()
@with_appcontext
def authorities() -> None:
    """Found the authority of every region, in a database that has no organization yet."""
    from app.seeding import organizations

    with seeing(EVERYTHING):
        if db.session.scalar(select(Organization.id).limit(1)):
            raise click.UsageError("There are organizations in this database already; add others on the page.")
        number = organizations.found()
        db.session.commit()
    click.echo(f"{number} authorities")


@click.command()
@click.argument("username")
@click.option("--name", prompt=True, help="the person's name")
@click.option("--email", prompt=True)
@click.password_option()
@with_appcontext
def administrator(username: str, name: str, email: str, password: str) -> None:
    """Make the first account: a national administrator, who makes all others on the pages."""
    from app.domain import registration
    from app.errors import RuleError

    person = registration.Person(name=name, phone="", email=email, position="")
    with seeing(EVERYTHING):
        try:
            registration.install_administrator(username, person, password)
        except RuleError as refusal:
            raise click.UsageError(str(refusal)) from refusal
        db.session.commit()
    click.echo(f"{username} may sign in.")


@click.command()
@click.option("--check", is_flag=True, help="exit 1 if there are demo accounts")
@with_appcontext
def accounts(check: bool) -> None:
    """List the demo accounts."""
    from app import demo as demo_data

    with seeing(EVERYTHING):
        rows = demo_data.accounts()
    if check:
        raise SystemExit(1 if rows else 0)
    for account, password, who in rows:
        click.echo(f"  {account:<17} {password:<14} {who}")


roles = AppGroup("roles", help="Roles and permissions as written in access.py.")


@roles.command("sync")
def roles_sync() -> None:
    """Write them to the database, and remove what is not in the code."""
    from app.fabkit import roles as role_tables

    role_tables.sync()
    db.session.commit()


@roles.command("diff")
def roles_diff() -> None:
    """Show what differs; exit 1 if anything does."""
    from app.fabkit import roles as role_tables

    lines = role_tables.differences()
    for line in lines:
        click.echo(line)
    raise SystemExit(1 if lines else 0)


tally = AppGroup("tally", help="Counts that are kept, not made.")


@tally.command("verify")
def tally_verify() -> None:
    """Compare the tallies with a full count, and month ends by kind with those by region; exit 1 if they differ."""
    from app.domain import month_ends, tallies

    with seeing(EVERYTHING):
        rows = [*tallies.differences(), *(("month_end", *row) for row in month_ends.differences())]
    for row in rows:
        click.echo(" ".join(str(value) for value in row))
    click.echo("differences: " + str(len(rows)))
    raise SystemExit(1 if rows else 0)


@tally.command("rebuild")
def tally_rebuild() -> None:
    """Count everything anew."""
    from app.domain import tallies

    tallies.rebuild()
    db.session.commit()


keys = AppGroup("keys", help="Keys outside the database, which must fit it.")


@keys.command("forget")
@click.argument("fingerprint")
def keys_forget(fingerprint: str) -> None:
    """Do not ask for an authority's certificate any more that was taken out of KEYS on purpose."""
    from app.domain import key_checks

    number = key_checks.forget_authority(fingerprint)
    db.session.commit()
    click.echo(f"{number} forgotten")
    raise SystemExit(0 if number else 1)


audit_log = AppGroup("audit", help="The audit log.")


@audit_log.command("verify")
def audit_verify() -> None:
    """Follow every chain from its beginning; name the first broken link of each and exit 1 if there is any."""
    from app import audit

    with seeing(EVERYTHING):
        entries, breaks = audit.verify()
        ends = audit.ends()
    for end in ends:  # kept elsewhere, they show a log that was cut off and sealed anew at its end
        click.echo(f"chain {end.chain} ends at {end.number} {end.seal}")
    for broken in breaks:
        click.echo(f"chain {broken.chain}, entry {broken.number}: {broken.what}")
    click.echo(f"{entries} entries, {len(breaks)} broken chains")
    raise SystemExit(1 if breaks else 0)


@click.command()
@with_appcontext
def verify() -> None:
    """Look for what should never be, between tables, in tallies, audit log and files; exit 1 if there is any."""
    from app.domain import integrity

    with seeing(EVERYTHING):
        broken = integrity.findings()
    for each in broken:
        more = " ..." if each.number > len(each.examples) else ""
        click.echo(f"{each.rule}: {each.number} ({', '.join(each.examples)}{more})")
    click.echo(f"{len(broken)} rules broken")
    raise SystemExit(1 if broken else 0)
