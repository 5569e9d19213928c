"""Where instruments are: counties (and cities without counties) with their share of all instruments."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import select

from app.models import Region, db

# The Metrology Law is not applied there (Basic Laws, Annex III), so they have no authority in this system.
OUTSIDE = ("71", "81", "82")
# A small database has the instruments of one province and of the capitals, and more than their share of them
# in the cities that demo accounts belong to.
DEMO_PROVINCE = "33"
DEMO_SHARES = {"330100": 0.20, "330200": 0.05, "510100": 0.05}
DEMO_COUNTY, DEMO_COUNTY_FACTOR = "330106", 3
BINGTUAN = "6590"

# With district heating.
NORTHERN = {
    "11", "12", "13", "14", "15", "21", "22", "23", "37", "41", "61", "62", "63", "64", "65",
}  # fmt: skip
# Millions of inhabitants.
PROVINCES = {
    "11": 44, "12": 22, "13": 74, "14": 35, "15": 24, "21": 42, "22": 23, "23": 30, "31": 50, "32": 85, "33": 66,
    "34": 61, "35": 42, "36": 45, "37": 101, "41": 98, "42": 58, "43": 66, "44": 127, "45": 50, "46": 10, "50": 45,
    "51": 84, "52": 38, "53": 47, "54": 3.6, "61": 39, "62": 25, "63": 6, "64": 7, "65": 26,
}  # fmt: skip
# How much more of its province's instruments a county of a big city has than another.
CITIES = {
    "4401": 6, "4403": 7, "4419": 25, "4420": 12, "4406": 5, "3205": 4, "3201": 3, "3202": 3, "3301": 4, "3302": 3,
    "3303": 2, "3307": 2, "5101": 4, "4201": 4, "6101": 4, "4101": 3, "3701": 2.5, "3702": 3, "2101": 2.5, "2102": 2,
    "3501": 2, "3502": 3, "3505": 2, "4301": 4, "3401": 3, "3601": 2.5, "5301": 3, "5201": 2.5, "4501": 2.5,
    "1301": 2, "1401": 2.5, "2201": 3, "2301": 2.5, "6201": 2.5, "6401": 2, "6301": 3, "6501": 5, "1501": 2,
    "4601": 6, "5401": 3,
}  # fmt: skip


@dataclass
class Place:
    """A county, the number of instruments in it, and the id of the first of them less one."""

    code: str
    name: str
    full_name: str
    city_code: str
    city_name: str
    instruments: int = 0
    before: int = 0
    backlog: bool = False

    @property
    def ways(self) -> tuple[str, str, str, str]:
        """The regions it lies in, the nearest first."""
        return self.code, self.city_code, self.code[:2] + "0000", "000000"

    @property
    def formal_name(self) -> str:
        """Districts of many cities have the same name, so the city's stands before it; counties do without."""
        return self.city_name + self.name if self.name.endswith("区") else self.name

    @property
    def is_northern(self) -> bool:
        return self.code[:2] in NORTHERN


def regions() -> list[Region]:
    """Those that have an authority, in the order of their codes."""
    found = db.session.scalars(select(Region).order_by(Region.code))
    return [region for region in found if region.code[:2] not in OUTSIDE]


def spread(total: int, everywhere: int, demo: bool) -> list[Place]:
    """Share `total` instruments out, at least `everywhere` to each county."""
    known = {region.code: region for region in regions()}
    above = {region.parent_code for region in known.values()}
    places = [_place(region, known) for code, region in known.items() if code not in above]
    places = [place for place in places if not demo or is_in_demo(place.code)]
    shares = _demo_shares(places) if demo else _shares(places)
    spare = total - everywhere * len(places)
    for place, count in zip(places, _rounded(shares, spare), strict=True):
        place.instruments = everywhere + count
        place.backlog = demo and place.city_code in DEMO_SHARES
    found = [place for place in places if place.instruments]
    _number(found)
    return found


def is_in_demo(code: str) -> bool:
    """Whether a county is one of the demo province, of a capital, or of a municipality."""
    return code[:2] == DEMO_PROVINCE or code[2:4] == "01" or code[:2] == "50"


def _place(region: Region, known: dict[str, Region]) -> Place:
    city = region.code[:4] + "00"
    city_name = known[city].name if city in known else known[region.code[:2] + "0000"].name
    return Place(region.code, region.name, region.full_name, city, city_name)


def _shares(places: list[Place]) -> list[float]:
    """What part of all each has: a province by its inhabitants, within it big cities and districts more."""
    weights = [_weight(place) for place in places]
    sums = _sums([place.code[:2] for place in places], weights)
    people = sum(PROVINCES[province] for province in sums)
    return [
        PROVINCES[place.code[:2]] / people * weight / sums[place.code[:2]]
        for place, weight in zip(places, weights, strict=True)
    ]


def _weight(place: Place) -> float:
    return CITIES.get(place.code[:4], 1.0) * (1.5 if place.name.endswith("区") else 1.0)


def _demo_shares(places: list[Place]) -> list[float]:
    shares = [
        share * (DEMO_COUNTY_FACTOR if place.code == DEMO_COUNTY else 1)
        for place, share in zip(places, _shares(places), strict=True)
    ]
    groups = [place.city_code if place.city_code in DEMO_SHARES else "" for place in places]
    sums = _sums(groups, shares)
    wanted = {"": 1 - sum(DEMO_SHARES.values()), **DEMO_SHARES}
    return [wanted[group] * share / sums[group] for group, share in zip(groups, shares, strict=True)]


def _sums(groups: list[str], values: list[float]) -> dict[str, float]:
    sums: dict[str, float] = defaultdict(float)
    for group, value in zip(groups, values, strict=True):
        sums[group] += value
    return sums


def _rounded(shares: list[float], total: int) -> list[int]:
    """Whole numbers with the given sum, by the largest remainder."""
    exact = [share * total for share in shares]
    counts = [int(value) for value in exact]
    by_remainder = sorted(range(len(exact)), key=lambda n: counts[n] - exact[n])
    for number in by_remainder[: total - sum(counts)]:
        counts[number] += 1
    return counts


def _number(places: Iterable[Place]) -> None:
    before = 0
    for place in places:
        place.before = before
        before += place.instruments
