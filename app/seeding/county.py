"""One county: its using units, their instruments, what they booked and what became of it.

Ids are computed from the number of instruments in the counties before, so that each county can be written
by itself, in any order, by any process, and is always the same.
"""

from random import Random

from app.seeding import units as using_units
from app.seeding.bookings import APPOINTMENT_COLUMNS, CERTIFICATE_COLUMNS, TASK_COLUMNS, Bookings
from app.seeding.ledger import INSTRUMENT_COLUMNS, Ledger
from app.seeding.organizations import ORGANIZATION_COLUMNS
from app.seeding.places import Place
from app.seeding.tracks import EVENT_COLUMNS
from app.seeding.units import UNIT_COLUMNS
from app.seeding.world import World

# In the order in which foreign keys allow to write them.
TABLES = {
    "organization": ORGANIZATION_COLUMNS,
    "using_unit": UNIT_COLUMNS,
    "instrument": INSTRUMENT_COLUMNS,
    "appointment": APPOINTMENT_COLUMNS,
    "task": TASK_COLUMNS,
    "certificate": CERTIFICATE_COLUMNS,
    "event": EVENT_COLUMNS,
}


def lines(place: Place, world: World) -> dict[str, list[str]]:
    """All rows of a county, for each table."""
    dice = Random(f"{world.seed} {place.code}")  # noqa: S311 -- made-up data
    ledger, bookings = Ledger(place, world.clock, dice), Bookings(place, world, dice)
    found = list(using_units.units(place, dice))
    instruments: list[str] = []
    for unit in found:
        owned = ledger.equip(unit, world.makes[unit.users])
        bookings.book(unit, owned)
        instruments += ledger.lines(unit, owned)
    return {
        "organization": [using_units.organization_line(unit, place) for unit in found],
        "using_unit": [using_units.unit_line(unit) for unit in found],
        "instrument": instruments,
        "appointment": bookings.appointments,
        "task": bookings.tasks,
        "certificate": bookings.certificates,
        "event": bookings.events,
    }
