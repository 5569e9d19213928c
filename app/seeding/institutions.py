"""Verification institutions, what each is able to verify, and who is able to verify what where.

The answer of `Market.able` follows domain/matching.py, so that the seeded past agrees with what the pages say.
In every province some entries of the catalogue are missing or have expired with everybody; a few instruments
are beyond everybody (tier 4 of kinds.py). These are the tasks that wait for an authority.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from random import Random
from typing import Any

from app.models import Region
from app.seeding import names
from app.seeding.clock import Clock
from app.seeding.kinds import Envelope, Kind, Kinds
from app.seeding.loading import NULL
from app.seeding.organizations import (
    ENTERPRISE,
    PUBLIC_INSTITUTION,
    Authority,
    credit_code,
    event_person,
)
from app.seeding.places import BINGTUAN, CITIES, DEMO_PROVINCE, DEMO_SHARES, Place, is_in_demo, regions

NATIONAL_ID = 10_000
COMMON = (1, 2, 10, 15, 16, 18, 19, 21, 24, 26, 30, 32, 36, 37, 60)
# Nobody goes without these in a whole province.
INDISPENSABLE = frozenset({1, 2, 10, 15, 16, 18, 19, 21, 26})
NATIONAL = {
    "中国计量科学研究院": ("110000", (41, 43)),
    "国家轨道衡计量站": ("110000", (4, 5)),
    "国家大容量计量站": ("340100", (7,)),
    "国家高电压计量站": ("420100", (25,)),
}
FIRMS = (
    ("水务计量检测有限公司", (14, 15, 17, 21, 25, 26)),
    ("燃气计量检测有限公司", (11, 12, 14, 16, 21, 60)),
    ("衡器计量检测有限公司", (2, 3, 21, 28, 29, 45, 46)),
    ("人民医院医学计量中心", (1, 18, 19, 20, 30, 32, 36, 37, 42)),
    ("安全仪器检测技术有限公司", (21, 53, 54, 55, 56, 60)),
    ("机动车检测设备计量有限公司", (3, 10, 24, 52, 53, 61)),
)
SIGNS = {
    "11": "京", "12": "津", "13": "冀", "14": "晋", "15": "蒙", "21": "辽", "22": "吉", "23": "黑",
    "31": "沪", "32": "苏", "33": "浙", "34": "皖", "35": "闽", "36": "赣", "37": "鲁", "41": "豫",
    "42": "鄂", "43": "湘", "44": "粤", "45": "桂", "46": "琼", "50": "渝", "51": "川", "52": "贵",
    "53": "云", "54": "藏", "61": "陕", "62": "甘", "63": "青", "64": "宁", "65": "新",
}  # fmt: skip
WIDTHS = {"nation": 0, "province": 2, "city": 4, "county": 6}
VALID, LAPSED, PENDING, REJECTED, EXPIRED = "valid", "lapsed", "pending", "rejected", "expired"


@dataclass
class Capability:
    """One line of what an institution is able to verify; `status` VALID alone counts."""

    id: int
    number: int
    item_id: int
    name: str
    envelope: Envelope
    places: list[str]
    status: str
    standard_id: int


@dataclass
class House:
    """An institution, its people, and its capabilities."""

    id: int
    name: str
    level: str
    region_code: str
    designation: str
    authority: Authority
    mean_days: float
    licensed: bool = True
    people: list[str] = field(default_factory=list)
    capabilities: list[Capability] = field(default_factory=list)
    named: dict[int, str] = field(default_factory=dict)

    @cached_property
    def staff(self) -> list[str]:
        """Clerk, checker, approver and verifiers, as the events tell them."""
        return [event_person(name, self) for name in self.people]

    @property
    def sign(self) -> str:
        """The province as certificate numbers abbreviate it."""
        return "国" if self.level == "nation" else SIGNS[self.region_code[:2]]

    @property
    def is_firm(self) -> bool:
        return self.designation == "authorized" and self.name.endswith("公司")


class Market:
    """All institutions, and who of them is able to what."""

    def __init__(self, kinds: Kinds, authorities: dict[str, Authority], dice: Random, demo: bool):
        self.kinds, self.authorities, self.dice, self.demo = kinds, authorities, dice, demo
        self.houses: list[House] = []
        self.near: dict[str, list[House]] = {}
        self._index: dict[tuple[int, str], list[tuple[Envelope, House]]] = {}
        self._ids = 0
        self._nothing, self._lapsed = self._gaps()
        self._found()
        for house in self.houses:
            self.near.setdefault(house.region_code, []).append(house)
            for capability in house.capabilities:
                self._enter(house, capability)

    def able(self, place: Place, kind: Kind) -> list[House]:
        """The institutions able to verify a kind at a place, the nearest first."""
        found: dict[int, House] = {}
        for way in place.ways:
            for envelope, house in self._index.get((kind.number, way), ()):
                if _covers(envelope, kind):
                    found[house.id] = house
        return list(found.values())

    def around(self, place: Place) -> list[House]:
        """The institutions near a place, able or not."""
        return [house for way in place.ways[:3] for house in self.near.get(way, ())]

    def _enter(self, house: House, capability: Capability) -> None:
        if capability.status == VALID and house.licensed:
            for place in capability.places:
                entry = self._index.setdefault((capability.number, place), [])
                entry.append((capability.envelope, house))

    # --- Which entries a province cannot verify --------------------------------------------------

    def _gaps(self) -> tuple[dict[str, set[int]], dict[str, set[int]]]:
        missing, lapsed = {}, {}
        spare = [n for n in self.kinds.numbers if n not in INDISPENSABLE and n not in _national_numbers()]
        for region in regions():
            if region.level == "province":
                drawn = self.dice.sample(spare, 15)
                missing[region.code[:2]], lapsed[region.code[:2]] = set(drawn[:9]), set(drawn[9:])
        return missing, lapsed

    # --- Founding them ---------------------------------------------------------------------------

    def _found(self) -> None:
        for name, (region_code, numbers) in NATIONAL.items():
            self._add(name, "nation", region_code, "statutory", numbers, 3, ["000000"])
        for region in regions():
            if region.level == "province":
                self._found_provincial(region)
        self._found_bingtuan()
        for region in regions():
            if region.level == "city" and self._is_covered(region):
                self._found_city(region)
        for region in regions():
            if region.level == "county" and self._is_covered(region) and self._has_own():
                self._found_county(region)

    def _is_covered(self, region: Region) -> bool:
        """A small database has the county institutions of the demo province and of one more capital."""
        if not self.demo or region.level == "city":
            return not self.demo or is_in_demo(region.code)
        return region.code[:2] == DEMO_PROVINCE or region.code[:4] + "00" in DEMO_SHARES

    def _has_own(self) -> bool:
        return self.demo or self.dice.random() < 0.62

    def _found_provincial(self, region: Region) -> None:
        every = [number for number in self.kinds.numbers if number not in self.kinds.medical]
        medical = sorted(self.kinds.medical & set(self.kinds.numbers))
        # 自治区 and 直辖市 keep their whole name in that of their institute.
        self._add(f"{region.name}计量科学研究院", "province", region.code, "statutory", every, 3)
        self._add(f"{region.name}医学计量测试中心", "province", region.code, "authorized", medical, 3)
        self._add(
            f"国网{names.short(region.name)}电力有限公司计量中心",
            "province",
            region.code,
            "special",
            (25, 26, 27),
            3,
        )

    def _found_bingtuan(self) -> None:
        counties = [region.code for region in regions() if region.code.startswith(BINGTUAN)]
        name = "新疆生产建设兵团计量测试研究所"
        self._add(name, "province", counties[0], "statutory", COMMON, 2, counties, BINGTUAN)

    def _found_city(self, region: Region) -> None:
        others = [number for number in self.kinds.numbers if number not in COMMON]
        numbers = [*COMMON, *self.dice.sample(others, self.dice.randrange(6, 22))]
        ending = self.dice.choice(("计量测试研究院", "质量计量检验检测中心", "计量检定测试中心"))
        self._add(f"{region.name}{ending}", "city", region.code, "statutory", numbers, 2)
        size = CITIES.get(region.code[:4], 1)
        count = 1 + min(int(size), 4)
        for ending, numbers in self.dice.sample(FIRMS, count):
            short = names.short(region.name) if ending.endswith("公司") else region.name
            sort = "special" if "水务" in ending or "燃气" in ending else "authorized"
            self._add(f"{short}{ending}", "city", region.code, sort, numbers, 2)

    def _found_county(self, region: Region) -> None:
        numbers = self.dice.sample(COMMON, self.dice.randrange(8, 15))
        ending = self.dice.choice(("计量检定所", "质量技术监督检测中心", "计量检定测试所", "综合检验检测中心"))
        authority = self.authorities[region.code]
        places = [region.code]
        if authority.parent and authority.parent.level == "city" and self.dice.random() < 0.2:
            places.append(region.code[:4] + "00")
        name = authority.name.removesuffix("市场监督管理局") + ending
        self._add(name, "county", region.code, "statutory", numbers, 1, places)

    def _add(
        self,
        name: str,
        level: str,
        region_code: str,
        designation: str,
        numbers: Iterable[int],
        tier: int,
        places: list[str] | None = None,
        jurisdiction: str | None = None,
    ) -> None:
        authority = self.authorities[jurisdiction or region_code[: WIDTHS[level]]]
        house = House(NATIONAL_ID + len(self.houses), name, level, region_code, designation, authority, 0)
        house.mean_days = round(3 + self.dice.random() ** 1.5 * 15, 1)
        house.licensed = level != "county" or self.dice.random() > 0.02
        house.people = names.people(self.dice, 8)
        for number in sorted(numbers):
            self._enable(house, number, tier, places or [region_code])
        if house.capabilities:
            self.houses.append(house)

    def _enable(self, house: House, number: int, tier: int, places: list[str]) -> None:
        province = house.region_code[:2]
        nationwide = house.level == "nation"
        if not nationwide and number in self._nothing[province]:
            return
        lapsed = not nationwide and number in self._lapsed[province]
        for envelope in self.kinds.envelopes(number, tier):
            self._ids += 1
            standard_id = house.id * 100 + number
            status = LAPSED if lapsed else self._status(house)
            item_id, name = self.kinds.item_ids[number], self.kinds.item_names[number]
            house.capabilities.append(
                Capability(self._ids, number, item_id, name, envelope, places, status, standard_id)
            )

    def _status(self, house: House) -> str:
        if house.level in ("nation", "province"):
            return VALID
        return self.dice.choices((VALID, PENDING, REJECTED, EXPIRED), (92, 4, 2, 2))[0]


def _national_numbers() -> set[int]:
    return {number for _region, numbers in NATIONAL.values() for number in numbers}


def _covers(envelope: Envelope, kind: Kind) -> bool:
    return (
        envelope.unit == kind.unit
        and envelope.low <= kind.low
        and envelope.high >= kind.high
        and envelope.accuracy <= kind.accuracy
    )


# --- As rows -------------------------------------------------------------------------------------

INSTITUTION_COLUMNS = (
    "organization_id designation authorization_no authorized_by authorized_from authorized_until service_regions "
    "legal_representative employees verifiers floor_area contact phone address mean_days publication published_at "
    "standing standing_reason"
)
STANDARD_COLUMNS = (
    "id institution_id name code certificate_no valid_until public_certificate_no public_valid_until measuring_range "
    "uncertainty state issuer issued_on public_issuer public_issued_on service_area authorization_no examined_by rank "
    "category keeper kinds reason"
)
STANDARD_CATEGORIES = (
    "length", "thermal", "mechanics", "electromagnetism", "optics", "chemistry", "acoustics", "radiation", "frequency",
    "radio",
)  # fmt: skip
FIVE_YEARS = 1826
CAPABILITY_COLUMNS = (
    "id institution_id catalogue_item_id range_low range_high range_unit accuracy_class accuracy_value regulation "
    "delivery standard_id valid_from valid_until state reason"
)
SERVICE_COLUMNS = "capability_id region_code"


def organization_line(house: House) -> str:
    sort = ENTERPRISE if house.is_firm else PUBLIC_INSTITUTION
    code = credit_code(sort, house.authority.region_code.replace("000000", "100000"), house.id)
    path = f"{house.authority.path}{house.id}/"
    return (
        f"{house.id}\tinstitution\t{house.name}\t{house.level}\t{house.region_code}\t{house.authority.id}\t{path}\t"
        f"\\N\t{code}\n"
    )


def institution_line(house: House, region: Region, clock: Clock, dice: Random) -> str:
    letter = {"statutory": "法", "authorized": "授", "special": "专"}[house.designation]
    year = clock.today.year - dice.randrange(1, 4)
    number = f"（{house.sign}）{letter}计（{year}）{house.id - NATIONAL_ID + 1:05d}号"
    days = dice.randrange(60, 1200) if house.licensed else -dice.randrange(10, 200)
    regions = "{" + ",".join(sorted({place for each in house.capabilities for place in each.places})) + "}"
    verifiers = {"county": 6, "city": 25, "province": 90, "nation": 120}[house.level] + dice.randrange(12)
    employees, area = verifiers + dice.randrange(2, verifiers), verifiers * dice.randrange(50, 130)
    stopped = house.level == "county" and not house.licensed
    published = dice.random() < 0.8
    at = clock.at(dice.randrange(clock.end)) if published else NULL
    return (
        f"{house.id}\t{house.designation}\t{number}\t{house.authority.name}\t{clock.text(days - 1826)}\t"
        f"{clock.text(days)}\t{regions}\t{house.people[-1]}\t{employees}\t{verifiers}\t{area}\t{house.people[0]}\t"
        f"{names.phone(dice)}\t{names.address(dice, region.full_name)}\t{house.mean_days}\t"
        f"{'published' if published else 'unpublished'}\t{at}\t"
        f"{'suspended' if stopped else 'in_service'}\t{'授权证书已过有效期，暂停检定' if stopped else NULL}\n"
    )


def standard_lines(house: House, clock: Clock, dice: Random) -> list[str]:
    """One for each entry; half of what has lapsed has lapsed by its standard."""
    standards = {capability.standard_id: capability for capability in house.capabilities}
    return [_standard_line(house, capability, clock, dice) for capability in standards.values()]


@dataclass(frozen=True)
class Standard:
    """What a standard is and what certificates tell of it."""

    id: int
    name: str
    serial: str
    year: int
    days: int
    measuring_range: str
    uncertainty: str


def _standard(house: House, capability: Capability, clock: Clock) -> Standard:
    """The same for everybody who asks, in whatever order they do."""
    dice, envelope = Random(capability.standard_id), capability.envelope  # noqa: S311 -- made-up data
    return Standard(
        id=capability.standard_id,
        name=f"{capability.name}检定装置",
        serial=f"{capability.standard_id % 10_000_000:07d}",
        year=clock.today.year - dice.randrange(0, 5),
        days=-dice.randrange(5, 300) if _by_standard(capability) else dice.randrange(30, 1700),
        measuring_range=f"({envelope.low:g}～{envelope.high:.10g}){envelope.unit}",
        uncertainty=f"U=1/3 MPE（k=2），可检 {envelope.accuracy_class}",
    )


def _examination(house: House, standard: Standard) -> str:
    return f"[{standard.year}]{house.sign}量标法证字第{standard.serial}号"


def standards_named(house: House, item_id: int, clock: Clock) -> str:
    """JSON: the standard behind what a house verifies of a kind, as its certificates name it; none if it has none."""
    if item_id not in house.named:
        behind = {capability.item_id: capability for capability in house.capabilities}.get(item_id)
        told = [_told(house, _standard(house, behind, clock), clock)] if behind else []
        house.named[item_id] = json.dumps(told, ensure_ascii=False)
    return house.named[item_id]


def _told(house: House, standard: Standard, clock: Clock) -> dict[str, Any]:
    return {
        "id": standard.id,
        "name": standard.name,
        "measuring_range": standard.measuring_range,
        "uncertainty": standard.uncertainty,
        "certificate_no": _examination(house, standard),
        "valid_until": clock.text(standard.days),
    }


def _standard_line(house: House, capability: Capability, clock: Clock, dice: Random) -> str:
    standard = _standard(house, capability, clock)
    state = "approved" if capability.status in (VALID, LAPSED) else dice.choice(("submitted", "draft", "sent_back"))
    until, issued, issuer = clock.text(standard.days), clock.text(standard.days - FIVE_YEARS), house.authority.name
    rank, category = dice.choice(("highest", "other", "other")), dice.choice(STANDARD_CATEGORIES)
    reason = "测量范围与考核证书不一致，请核对后重新提交" if state == "sent_back" else NULL
    return (
        f"{standard.id}\t{house.id}\t{standard.name}\t{12_000_000 + capability.number * 1000}\t"
        f"{_examination(house, standard)}\t{until}\t"
        f"[{standard.year}]{house.sign}社量标证字第{standard.serial}号\t{until}\t{standard.measuring_range}\t"
        f"{standard.uncertainty}\t{state}\t"
        f"{issuer}\t{issued}\t{issuer}\t{issued}\t{house.authority.name.removesuffix('市场监督管理局')}行政区域\t"
        f"（{house.sign}）法计{house.id:05d}号\t{issuer}\t{rank}\t{category}\t{dice.choice(house.people)}\t"
        f"[{capability.item_id}]\t{reason}\n"
    )


def _by_standard(capability: Capability) -> bool:
    return capability.status == LAPSED and capability.standard_id % 2 == 0


def capability_line(house: House, capability: Capability, clock: Clock, dice: Random) -> str:
    envelope, status = capability.envelope, capability.status
    over = status == EXPIRED or (status == LAPSED and not _by_standard(capability))
    until = -dice.randrange(3, 200) if over else dice.randrange(40, 1400)
    state = "effective" if status in (VALID, LAPSED) else status
    return (
        f"{capability.id}\t{house.id}\t{capability.item_id}\t{envelope.low:g}\t{envelope.high:.10g}\t"
        f"{envelope.unit}\t{envelope.accuracy_class}\t{envelope.accuracy:g}\t{envelope.regulation}\tboth\t"
        f"{capability.standard_id}\t{clock.text(-dice.randrange(400, 1000))}\t{clock.text(until)}\t{state}\t"
        f"{'申报的测量范围与计量标准考核证书不符' if state == REJECTED else NULL}\n"
    )


def service_lines(capability: Capability) -> list[str]:
    return [f"{capability.id}\t{place}\n" for place in capability.places]
