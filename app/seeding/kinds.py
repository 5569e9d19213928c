"""The instruments there are: data/sample_instruments.csv, and their makers, data/sample_makers.csv.

`tier` says who is able to verify one: 1 a county's institution, 2 a city's, 3 a province's, 4 nobody.
"""

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from random import Random

from sqlalchemy import select

from app.domain.reference import DATA
from app.models import CatalogueItem, db
from app.seeding.loading import NULL

NOBODY = 4


@dataclass(frozen=True)
class Maker:
    """Who makes instruments of some group; `former_names` with a semicolon between them."""

    group: str
    origin: str
    name: str
    former_names: str


@dataclass(frozen=True, eq=False)
class Kind:
    """One sort of instrument: an entry of the catalogue with range and accuracy. Equal is only itself."""

    item_id: int
    needs_approval: bool
    number: int
    name: str
    model: str
    low: float
    high: float
    unit: str
    accuracy_class: str
    accuracy: float
    tier: int
    weight: int
    purpose: str
    delivery: str
    cycle: int
    makers: list[Maker]
    regulation: str
    users: tuple[str, ...]
    range: str


@dataclass(frozen=True, eq=False)
class Make:
    """A kind by one maker: what all its instruments have in common, as the text that COPY takes."""

    kind: Kind
    style: int
    common: str


@dataclass(frozen=True)
class Envelope:
    """What an institution of a tier is able to verify of one entry and unit."""

    unit: str
    low: float
    high: float
    accuracy_class: str
    accuracy: float
    regulation: str


MAKE_COLUMNS = (
    "name catalogue_item_id model measuring_range range_low range_high range_unit accuracy_class accuracy_value "
    "manufacturer origin purpose delivery cycle_months type_approval_no"
)


class Kinds:
    """All kinds, and what may be asked of them."""

    def __init__(self) -> None:
        items = {row.number: row for row in db.session.scalars(select(CatalogueItem).where(CatalogueItem.level == 2))}
        makers = [Maker(**row) for row in sample("makers")]
        self.all = [_kind(row, items[int(row["number"])], makers) for row in sample("instruments")]
        self.item_names = {number: item.name for number, item in items.items()}

    @cached_property
    def numbers(self) -> list[int]:
        """The entries that somebody is able to verify."""
        return sorted({kind.number for kind in self.all if kind.tier < NOBODY})

    @cached_property
    def medical(self) -> frozenset[int]:
        return frozenset(kind.number for kind in self.all if kind.purpose == "medical")

    @cached_property
    def item_ids(self) -> dict[int, int]:
        return {kind.number: kind.item_id for kind in self.all}

    def envelopes(self, number: int, tier: int) -> list[Envelope]:
        """One for each unit in which instruments of the entry measure."""
        within = [kind for kind in self.all if kind.number == number and kind.tier <= tier]
        return [_envelope([kind for kind in within if kind.unit == unit]) for unit in _units(within)]

    def makes(self, users: Iterable[str], dice: Random) -> list[Make]:
        """What using units of a sort have, each as often as its weight."""
        wanted = set(users)
        found = [kind for kind in self.all if wanted & set(kind.users)]
        return [make for kind in found for make in _makes(kind, dice)]


def sample(name: str) -> list[dict[str, str]]:
    """The rows of a file of made-up data."""
    with (DATA / f"sample_{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _units(kinds: list[Kind]) -> list[str]:
    return list(dict.fromkeys(kind.unit for kind in kinds))


def _kind(row: dict[str, str], item: CatalogueItem, makers: list[Maker]) -> Kind:
    return Kind(
        item_id=item.id,
        needs_approval="P" in (item.supervision or ""),
        number=int(row["number"]),
        name=row["name"],
        model=row["model"],
        low=float(row["low"]),
        high=float(row["high"]),
        unit=row["unit"],
        accuracy_class=row["accuracy_class"],
        accuracy=float(row["accuracy_value"]),
        tier=int(row["tier"]),
        weight=int(row["weight"]),
        purpose=row["purpose"],
        delivery=row["delivery"],
        cycle=int(row["cycle_months"]),
        makers=[maker for maker in makers if maker.group == row["makers"]],
        regulation=row["regulation"],
        users=tuple(row["users"].split()),
        range=row["range"],
    )


def _envelope(kinds: list[Kind]) -> Envelope:
    finest = min(kinds, key=lambda kind: kind.accuracy)
    return Envelope(
        unit=finest.unit,
        low=min(kind.low for kind in kinds),
        high=max(kind.high for kind in kinds),
        accuracy_class=finest.accuracy_class,
        accuracy=finest.accuracy,
        regulation=finest.regulation,
    )


def _makes(kind: Kind, dice: Random) -> list[Make]:
    shares = [kind.makers[int(dice.random() ** 2 * len(kind.makers))] for _ in range(kind.weight)]
    return [_make(kind, maker, dice) for maker in shares]


def _make(kind: Kind, maker: Maker, dice: Random) -> Make:
    province = dice.choice((11, 31, 32, 33, 37, 42, 44, 51))
    approval = f"{dice.randrange(2014, 2025)}F{dice.randrange(100, 400)}-{province}"
    common = (
        kind.name,
        str(kind.item_id),
        kind.model,
        kind.range,
        f"{kind.low:g}",
        f"{kind.high:.10g}",
        kind.unit,
        kind.accuracy_class,
        f"{kind.accuracy:g}",
        maker.name,
        maker.origin,
        kind.purpose,
        kind.delivery,
        str(kind.cycle),
        approval if kind.needs_approval else NULL,
    )
    return Make(kind, sum(map(ord, maker.name)) % 4, "\t".join(common))
