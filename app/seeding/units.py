"""Using units (使用单位): how many of each sort (data/sample_units.csv), what they are called, how large they are."""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from app.seeding import names
from app.seeding.kinds import sample
from app.seeding.loading import NULL
from app.seeding.organizations import ENTERPRISE, GOVERNMENT, PUBLIC_INSTITUTION, SOLE_TRADER, credit_code
from app.seeding.places import Place

# Ids of using units follow those of instruments, for there is at least one instrument to each.
FIRST_ID = 100_000


@dataclass(frozen=True)
class Sort:
    """A sort of using units: those of `share` are one or few to a county, the others drawn by `weight`.

    `spots` are where its instruments are; without any they are in flats all over the county.
    """

    key: str
    nature: str
    names: tuple[str, ...]
    spots: tuple[str, ...]
    share: float
    weight: int
    sizes: tuple[int, ...]


def _sort(row: dict[str, str]) -> Sort:
    return Sort(
        key=row["key"],
        nature=row["nature"],
        names=tuple(row["names"].split()),
        spots=tuple(row["spots"].split()),
        share=float(row["share"] or 0),
        weight=int(row["weight"] or 0),
        sizes=tuple(int(size) for size in row["sizes"].split()),
    )


SORTS = [_sort(row) for row in sample("units")]
HOSPITALS_ARE_LARGE_FROM = 150
# Whose instruments units have: those of their sort, and large hospitals some more.
USERS = {sort.key: (sort.key,) for sort in SORTS} | {"hospital_large": ("hospital", "hospital_large")}
_CODE_SORTS = {
    "enterprise": ENTERPRISE,
    "sole_trader": SOLE_TRADER,
    "public_institution": PUBLIC_INSTITUTION,
    "government": GOVERNMENT,
}
_GREAT = [sort for sort in SORTS if sort.share]
_SMALL = [sort for sort in SORTS for _ in range(sort.weight)]

UNIT_COLUMNS = "organization_id nature address contact phone"


@dataclass
class Unit:
    """A using unit and the number of its instruments."""

    id: int
    name: str
    sort: Sort
    size: int
    address: str
    contact: str
    phone: str

    @property
    def users(self) -> str:
        """The key into USERS."""
        is_large = self.sort.key == "hospital" and self.size >= HOSPITALS_ARE_LARGE_FROM
        return "hospital_large" if is_large else self.sort.key


def units(place: Place, dice: Random) -> Iterator[Unit]:
    """The using units of a place; their sizes add up to its instruments."""
    first = FIRST_ID + place.before
    for number, (sort, size) in enumerate(_sizes(place, dice), start=1):
        yield _unit(first + number, place, sort, size, number, dice)


def _sizes(place: Place, dice: Random) -> Iterator[tuple[Sort, int]]:
    left = place.instruments
    for sort in _GREAT:
        total = int(place.instruments * sort.share + dice.random())
        if sort.key == "heat" and not place.is_northern:
            continue
        several = 1 + place.instruments // 2500 if sort.key == "hospital" else 1
        for size in _split(min(total, left), several):
            left -= size
            yield sort, size
    while left:
        sort = _SMALL[int(dice.random() * len(_SMALL))]
        size = min(left, dice.choice(sort.sizes))
        left -= size
        yield sort, size


def _split(total: int, parts: int) -> list[int]:
    """Halves: the first has half of all, the next half of the rest."""
    sizes = []
    while total > 0:
        size = total if len(sizes) == parts - 1 else (total + 1) // 2
        sizes.append(size)
        total -= size
    return sizes


def _unit(id: int, place: Place, sort: Sort, size: int, number: int, dice: Random) -> Unit:
    pattern = sort.names[(number - 1) % len(sort.names)] if sort.share else dice.choice(sort.names)
    name = pattern.format(
        place=_place_in_name(place),
        region=place.formal_name,
        brand=names.brand(dice),
        street=dice.choice(names.STREETS).removesuffix("路"),
    )
    return Unit(id, name, sort, size, names.address(dice, place.full_name), names.person(dice), names.phone(dice))


def _place_in_name(place: Place) -> str:
    city = names.short(place.city_name)
    return city if city == names.short(place.name) else city + names.short(place.name)


def organization_line(unit: Unit, place: Place) -> str:
    code = credit_code(_CODE_SORTS[unit.sort.nature], place.code, unit.id)
    return f"{unit.id}\tusing_unit\t{unit.name}\tcounty\t{place.code}\t{NULL}\t/{unit.id}/\t{NULL}\t{code}\n"


def unit_line(unit: Unit) -> str:
    return f"{unit.id}\t{unit.sort.nature}\t{unit.address}\t{unit.contact}\t{unit.phone}\n"
