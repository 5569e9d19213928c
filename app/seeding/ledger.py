"""Instruments in the ledgers of using units (器具台账)."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from random import Random

from app.seeding import names
from app.seeding.clock import TIMES, Clock
from app.seeding.kinds import MAKE_COLUMNS, Make
from app.seeding.loading import NULL
from app.seeding.places import Place
from app.seeding.units import Unit

INSTRUMENT_COLUMNS = (
    f"id instrument_no serial_no using_unit_id city_code region_code {MAKE_COLUMNS} use_place "
    "last_verified_on valid_until verification_state started_on created_at use_state filing_state "
    "filing_reason"
)
# Use and filing of a hundred instruments that nobody has booked.
_USES = (
    ["in_use\tfiled\t\\N"] * 88
    + ["stopped\tfiled\t\\N"] * 5
    + ["scrapped\tfiled\t\\N"] * 2
    + ["in_use\tpending\t\\N"] * 2
    + ["in_use\tdraft\t\\N"] * 2
    + ["in_use\tsent_back\t铭牌照片看不清出厂编号，请补充后重新备案"]
)
LONGEST_IN_USE = 1200  # days before the last verification, and before it was entered here
LONG_CYCLE = 60 * 30  # days; what is verified once and then replaced


@dataclass
class Owned:
    """An instrument while its county is written; `verified` is the day of its last result, counted from today."""

    id: int
    make: Make
    verified: int | None = None
    passed: bool = True
    is_open: bool = False
    is_booked: bool = False


class Ledger:
    """Writes the instruments of a place."""

    def __init__(self, place: Place, clock: Clock, dice: Random):
        self.place, self.clock, self.dice = place, clock, dice
        self.random = dice.random
        self.last_id = place.before

    def equip(self, unit: Unit, makes: list[Make]) -> list[Owned]:
        """Give a unit as many instruments as it has."""
        first, self.last_id = self.last_id + 1, self.last_id + unit.size
        return [Owned(id, makes[int(self.random() * len(makes))]) for id in range(first, self.last_id + 1)]

    def lines(self, unit: Unit, owned: list[Owned]) -> list[str]:
        spot = self._spots(unit)
        whose = f"{unit.id}\t{self.place.city_code}\t{self.place.code}"
        return [self._line(each, whose, spot()) for each in owned]

    def _line(self, each: Owned, whose: str, spot: str) -> str:
        make, random = each.make, self.random
        verified, until, state = self._verification(each)
        started = min(verified or 0, -1) - int(random() ** 2 * LONGEST_IN_USE)
        entered = max(started, -int(random() * LONGEST_IN_USE) - 1)
        day, moment = self.clock.text(started), TIMES[int(random() * len(TIMES))]
        serial = _serial(make.style, each.id, int(day[:4]) - (day[5:7] < "04"))
        use = "in_use\tfiled\t\\N" if each.is_booked else _USES[int(random() * len(_USES))]
        return (
            f"{each.id}\tQJ{self.place.code}{each.id:010d}\t{serial}\t{whose}\t{make.common}\t{spot}\t"
            f"{NULL if verified is None else self.clock.text(verified)}\t{until}\t{state}\t"
            f"{day}\t{self.clock.text(entered)}{moment}\t{use}\n"
        )

    def _verification(self, each: Owned) -> tuple[int | None, str, str]:
        """Day of the last result, end of validity and state: they agree with certificate and today."""
        cycle = each.make.kind.cycle
        verified = self._earlier(each, cycle * 30) if each.verified is None else each.verified
        if verified is None:
            return None, NULL, "unverified"
        if not each.passed:
            return verified, NULL, "failed"
        until = self.clock.months_after(verified, cycle)
        state = "overdue" if until < 0 else "due_soon" if until <= 30 else "valid"
        return verified, self.clock.text(until), state

    def _earlier(self, each: Owned, cycle_days: int) -> int | None:
        """A result from before this system; of what is booked now it ends about now."""
        draw = self.random()
        if draw < (0.3 if each.is_open and cycle_days >= LONG_CYCLE else 0.05):
            return None
        if each.is_open:
            return 20 - cycle_days - int(draw * 50)
        return -1 - int(draw * cycle_days * 1.06)

    # --- Where they are --------------------------------------------------------------------------

    def _spots(self, unit: Unit) -> Callable[[], str]:
        if unit.sort.spots:
            return partial(self.dice.choice, [f"{unit.address}{spot}" for spot in unit.sort.spots])
        estates = [f"{names.address(self.dice, self.place.full_name)}{name}" for name in names.ESTATES]
        return partial(self._flat, estates)

    def _flat(self, estates: list[str]) -> str:
        draw = int(self.random() * len(estates) * 30 * 4 * 30)
        estate, draw = divmod(draw, 30 * 4 * 30)
        block, draw = divmod(draw, 4 * 30)
        floor, door = divmod(draw, 4)
        return f"{estates[estate]}{block + 1}幢{door % 3 + 1}单元{floor + 1}0{door + 1}室"


def _serial(style: int, id: int, year: int) -> str:
    """A serial number; every maker numbers in its own way, and by the id nothing comes twice."""
    number = id * 48_271 % 100_000_000
    if style == 0:
        return f"{year}{number:08d}"
    if style == 1:
        return f"{year % 100:02d}-{number:08d}"
    if style == 2:
        return f"No.{number:08d}"
    letter, (high, low) = chr(65 + year % 26), divmod(number, 10_000)
    return f"{letter}{high:04d} {low:04d}"
