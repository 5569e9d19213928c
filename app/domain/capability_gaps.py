"""检定能力缺口: kinds that are filed somewhere and that nobody is able to verify there (办法 Art 5, 细则 Art 11).

Of every region and kind it is asked first whether anybody serves it; only where nobody does, the filed instruments
are counted, in an index that holds them by place and kind. So it costs by the number of gaps, not of instruments.
"""

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Select, func, literal, or_, select, tuple_
from sqlalchemy.orm import aliased

from app import access
from app.access import Principal
from app.domain import regions
from app.domain.matching import is_valid_today
from app.models import Capability, CatalogueItem, Instrument, Region, ServiceRegion, db
from app.states import FILED, SCRAPPED


@dataclass(frozen=True)
class Place:
    """A region with gaps: how many kinds, in how many places within it, of how many instruments."""

    code: str
    name: str
    kinds: int
    places: int
    instruments: int


@dataclass(frozen=True)
class Kind:
    """A kind that nobody verifies somewhere in a region: in how many places, of how many instruments."""

    id: int
    category: str
    name: str
    places: int
    instruments: int


@dataclass
class Gaps:
    """What nobody is able to verify in a region, by what lies directly within it and by kind, the most first."""

    places: list[Place] = field(default_factory=list)
    kinds: list[Kind] = field(default_factory=list)

    @property
    def instruments(self) -> int:
        return sum(kind.instruments for kind in self.kinds)


def served(code: str) -> Any:
    """(kind, place): what somebody is able to verify today in a region, by the places of the capabilities."""
    around = (code[:4] + "00", code[:2] + "0000", regions.NATION)
    able = (
        select(Capability.catalogue_item_id.label("kind_id"), ServiceRegion.region_code.label("place"))
        .join_from(Capability, ServiceRegion, ServiceRegion.capability_id == Capability.id)
        .where(is_valid_today())
        .where(or_(ServiceRegion.region_code.like(f"{_prefix(code)}%"), ServiceRegion.region_code.in_(around)))
        .distinct()
    )
    return able.cte("served").prefix_with("MATERIALIZED")


def _unserved(code: str) -> Any:
    """(kind, code): each kind with each region within one where nobody serves it, nor the regions around that."""
    able, kind = served(code), aliased(CatalogueItem)
    pairs = (
        select(kind.id.label("kind_id"), Region.code)
        .join_from(Region, kind, kind.level == 2)
        .where(Region.code.like(f"{_prefix(code)}%"))
    )
    around = (Region.code, func.left(Region.code, 4).concat("00"), func.left(Region.code, 2).concat("0000"))
    # Each is looked up in a hash of few thousand; as joins, all pairs of the nation would be sorted for each.
    for place in (*around, literal(regions.NATION)):
        pairs = pairs.where(tuple_(kind.id, place).not_in(select(able.c.kind_id, able.c.place)))
    return pairs.cte("unserved").prefix_with("MATERIALIZED")


def _prefix(code: str) -> str:
    return "" if code == regions.NATION else regions.prefix(code)


def _gaps(code: str, by: Principal) -> Any:
    """(kind, code, instruments) for each gap in a region, as far as the acting person sees the instruments."""
    unserved = _unserved(code)
    filed = select(func.count()).where(
        Instrument.city_code == func.left(unserved.c.code, 4).concat("00"),
        Instrument.region_code == unserved.c.code,
        Instrument.catalogue_item_id == unserved.c.kind_id,
        Instrument.filing_state == FILED,
        Instrument.use_state != SCRAPPED,
    )
    number = access.visible(filed, Instrument, who=by).correlate(unserved).scalar_subquery()
    counted = select(unserved.c.kind_id, unserved.c.code, number.label("instruments")).offset(0).subquery("counted")
    return select(counted).where(counted.c.instruments > 0).cte("gap")


def gaps(code: str, by: Principal) -> Gaps:
    """The gaps of a region, in one statement."""
    gap, kind, category = _gaps(code, by), aliased(CatalogueItem), aliased(CatalogueItem)
    parts = {region.code: region.name for region in regions.children(code, by)}
    part = regions.part_of(gap.c.code, code, list(parts)).label("part")
    each = select(part, gap).cte("each_gap")
    sums = (
        select(
            each.c.part,
            each.c.kind_id,
            func.count(each.c.kind_id.distinct()).label("kinds"),
            func.count(each.c.code.distinct()).label("places"),
            func.sum(each.c.instruments).label("instruments"),
        )
        .group_by(func.grouping_sets(tuple_(each.c.part), tuple_(each.c.kind_id)))
        .subquery("sums")
    )
    named = (
        select(sums, kind.name, category.name.label("category"))
        .outerjoin(kind, kind.id == sums.c.kind_id)
        .outerjoin(category, category.id == kind.parent_id)
        .order_by(sums.c.instruments.desc(), sums.c.part, sums.c.kind_id)
    )
    found = Gaps()
    for row in db.session.execute(named):
        if row.kind_id is not None:
            found.kinds.append(Kind(row.kind_id, row.category, row.name, row.places, int(row.instruments)))
        elif row.part in parts:
            name = parts[row.part]
            found.places.append(Place(row.part, name, row.kinds, row.places, int(row.instruments)))
    return found


def sheet(code: str, by: Principal) -> Select[str, str, str, int]:
    """The gaps of a region one by one, as rows of a sheet: region, category, kind, instruments."""
    gap, kind, category = _gaps(code, by), aliased(CatalogueItem), aliased(CatalogueItem)
    return (
        select(Region.full_name, category.name, kind.name.label("kind"), gap.c.instruments)
        .join_from(gap, Region, Region.code == gap.c.code)
        .join(kind, kind.id == gap.c.kind_id)
        .outerjoin(category, category.id == kind.parent_id)
        .order_by(gap.c.instruments.desc(), Region.code, kind.number)
    )
