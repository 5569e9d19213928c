"""Made-up but lifelike data for an empty database: authorities, institutions, using units and what they do.

The same number of instruments and the same seed give the same rows; only dates move with the day.
"""

from datetime import date
from typing import Any

import click
from sqlalchemy import select

from app.commands import step
from app.domain import holidays, tallies
from app.models import Organization, db
from app.seeding import capacities, crew, desks, inspections, loading, month_ends, places, world
from app.seeding.places import Place
from app.seeding.world import World

# From here on: institutions everywhere, instruments in every county, and indexes made at the end.
LARGE = 200_000
EVERYWHERE = 5


def seed(instruments: int, seed: int, today: date | None = None) -> None:
    """Fill the database, and commit."""
    if db.session.scalar(select(Organization.id).limit(1)):
        raise click.UsageError("There are organizations in this database already; seeding needs an empty one.")
    large = instruments >= LARGE
    with step("Authorities and institutions"):
        found = places.spread(instruments, EVERYWHERE if large else 0, demo=not large)
        common = world.build(seed, today or holidays.today(), demo=not large)
        world.write(db.session.connection().connection, common)
    if large:
        db.session.commit()
        _load_large(found, common)
    else:
        _load(found, common, db.session.connection().connection)
    # What follows lets the database number its events: after those of the tasks.
    loading.set_identities(db.session.connection().connection)
    with step("Open work"):
        desks.lay_out()
    with step("Inspections"):
        inspections.write(db.session.connection().connection, common)
    with step("Tallies"):
        loading.set_identities(db.session.connection().connection)
        tallies.rebuild()
        month_ends.write(today or holidays.today())
        capacities.write()
        db.session.commit()


def _load(found: list[Place], common: World, connection: Any) -> None:
    with step("Using units and instruments"), _progress(found) as bar:
        for batch in crew.batches(found):
            bar.update(crew.write(connection, batch, common))
    with step("Statistics for the planner"), connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def _load_large(found: list[Place], common: World) -> None:
    address = db.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    connection = db.engine.raw_connection()
    try:
        with step("Dropping indexes"):
            makes = loading.strip(connection)
        try:
            with step("Using units and instruments"), _progress(found) as bar:
                for done in crew.write_together(found, common, address):
                    bar.update(done)
        finally:
            with step("Indexes and foreign keys"):
                loading.dress(connection, makes)
        with step("Statistics for the planner"):
            loading.analyze(connection)
    finally:
        connection.close()


def _progress(found: list[Place]) -> Any:
    return click.progressbar(length=sum(place.instruments for place in found))
