"""Writing counties: one after the other, or by two processes side by side."""

from collections import defaultdict
from collections.abc import Iterator
from multiprocessing import get_context
from typing import Any

import psycopg2

from app.seeding import county, loading
from app.seeding.places import Place
from app.seeding.world import World

WORKERS = 2
BATCH = 20_000  # instruments that are in memory at a time

_world: World
_connection: Any


def batches(places: list[Place]) -> Iterator[list[Place]]:
    """Counties together, so that each has enough to do and none too much."""
    batch: list[Place] = []
    for place in places:
        batch.append(place)
        if sum(each.instruments for each in batch) >= BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def write(connection: Any, batch: list[Place], world: World) -> int:
    """Append all rows of some counties; returns the number of their instruments."""
    together: dict[str, list[str]] = defaultdict(list)
    for place in batch:
        for table, lines in county.lines(place, world).items():
            together[table] += lines
    for table, columns in county.TABLES.items():
        loading.copy(connection, table, columns, together.pop(table))
    return sum(place.instruments for place in batch)


def write_together(places: list[Place], world: World, address: str) -> Iterator[int]:
    """The same by several processes, each batch a transaction; yields the instruments written."""
    with get_context("fork").Pool(WORKERS, _start, (world, address)) as pool:
        yield from pool.imap_unordered(_write, batches(places))


def _start(world: World, address: str) -> None:
    global _world, _connection
    _world, _connection = world, psycopg2.connect(address)
    with _connection.cursor() as cursor:
        cursor.execute("SET synchronous_commit = off")
        cursor.execute("SET timezone = 'Asia/Shanghai'")
    _connection.commit()


def _write(batch: list[Place]) -> int:
    done = write(_connection, batch, _world)
    _connection.commit()
    return done
