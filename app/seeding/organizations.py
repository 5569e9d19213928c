"""Authorities of every region, with their people; and how the row of an organization is written."""

from dataclasses import dataclass, field
from random import Random

from sqlalchemy import insert

from app.domain import credit_codes
from app.domain.regions import prefix
from app.models import Organization, Region, db
from app.seeding import names
from app.seeding.loading import NULL, set_identities
from app.seeding.places import BINGTUAN, Place, regions

ORGANIZATION_COLUMNS = "id kind name level region_code parent_id path jurisdiction credit_code"
NATION_ID = 1
NATION_NAME = "国家市场监督管理总局"
BINGTUAN_NAME = "新疆生产建设兵团市场监督管理局"
# Credit codes: 登记管理部门 and 机构类别.
GOVERNMENT, PUBLIC_INSTITUTION, ENTERPRISE, SOLE_TRADER = "11", "12", "91", "92"


@dataclass
class Authority:
    """An authority, and its people as the events tell them."""

    id: int
    name: str
    level: str
    region_code: str
    jurisdiction: str
    parent: "Authority | None"
    staff: list[str] = field(default_factory=list)

    @property
    def path(self) -> str:
        return f"{self.parent.path if self.parent else '/'}{self.id}/"

    @property
    def line(self) -> str:
        parent = self.parent.id if self.parent else NULL
        code = credit_code(GOVERNMENT, self.region_code, self.id)
        return (
            f"{self.id}\tauthority\t{self.name}\t{self.level}\t{self.region_code}\t{parent}\t{self.path}\t"
            f"{self.jurisdiction}\t{code}\n"
        )


def authorities(dice: Random) -> dict[str, Authority]:
    """By jurisdiction: '' the nation, '33', '3301', '330106', and '6590' for the 兵团."""
    nation = Authority(NATION_ID, NATION_NAME, "nation", "000000", "", None)
    found = {"": nation}
    order = sorted(regions(), key=lambda region: (len(prefix(region.code)), region.code))
    for region in order[1:]:
        own = prefix(region.code)
        if region.level == "county" and BINGTUAN not in found:
            found[BINGTUAN] = _bingtuan(len(found) + 1, nation)
        above = next(found[own[:width]] for width in (4, 2, 0) if width < len(own) and own[:width] in found)
        name = _name(region, above)
        found[own] = Authority(len(found) + 1, name, region.level, region.code, own, above)
    for authority in found.values():
        authority.staff = [event_person(name, authority) for name in names.people(dice, 4)]
    return found


def found() -> int:
    """Write the authorities alone, without made-up credit codes: the beginning of a real system."""
    rows = [
        {
            "id": each.id,
            "kind": "authority",
            "name": each.name,
            "level": each.level,
            "region_code": each.region_code,
            "parent_id": each.parent.id if each.parent else None,
            "path": each.path,
            "jurisdiction": each.jurisdiction,
        }
        for each in authorities(Random(0)).values()  # noqa: S311 -- for names of people, which are not written here
    ]
    db.session.execute(insert(Organization), rows)
    set_identities(db.session.connection().connection)
    return len(rows)


def _bingtuan(id: int, nation: Authority) -> Authority:
    return Authority(id, BINGTUAN_NAME, "province", "650000", BINGTUAN, nation)


def _name(region: Region, above: Authority) -> str:
    """Districts of many cities have the same name, so the city's stands before it; counties do without."""
    is_district = region.level == "county" and region.name.endswith("区")
    city = above.name.removesuffix("市场监督管理局") if is_district and above.level != "nation" else ""
    return f"{city}{region.name}市场监督管理局"


def event_person(name: str, organization: object) -> str:
    """by_id, by_name, by_organization_id, by_organization: seeded people have no account."""
    return f"\\N\t{name}\t{organization.id}\t{organization.name}"  # type: ignore[attr-defined]


def desks(place: Place, known: dict[str, Authority]) -> list[Authority]:
    """The authority of a place and those above it."""
    own = known.get(place.code) or known[prefix(place.code)]
    chain = [own]
    while chain[-1].parent:
        chain.append(chain[-1].parent)
    return chain


def credit_code(sort: str, region_code: str, number: int) -> str:
    """A valid code, another one for each number below 887 million (31 to the 6th)."""
    body, rest = "", number * 612_345_679 % 31**6
    for _ in range(6):
        rest, value = divmod(rest, 31)
        body += credit_codes.ALPHABET[value]
    body = ("MA" if sort[0] == "9" else "00") + body
    first17 = sort + region_code + body + credit_codes.organization_check_digit(body)
    return first17 + credit_codes.check_digit(first17)
