"""Administrative divisions: the way to a region from the top, and what lies below one."""

from collections.abc import Sequence
from typing import Any

from flask_babel import gettext as _
from sqlalchemy import case, exists, func, or_, select
from sqlalchemy.orm import aliased

from app import finding
from app.access import Principal, covers
from app.models import Region, db

NATION = "000000"
MOST_FOUND = 50


def children(parent: str, who: Principal) -> list[Region]:
    """The regions directly below one, as far as they lie in a person's jurisdiction or on the way to it."""
    below = select(Region).where(Region.parent_code == parent).order_by(Region.code)
    own = who.jurisdiction or ""
    return [
        region
        for region in db.session.scalars(below)
        if covers(own, region.code) or own.startswith(prefix(region.code))
    ]


def with_children(codes: list[str]) -> set[str]:
    """Those of the regions that have others below them."""
    child = aliased(Region)
    has_children = exists().where(child.parent_code == Region.code)
    return set(db.session.scalars(select(Region.code).where(Region.code.in_(codes), has_children)))


def has_parts(code: str | None) -> bool:
    """Whether there are regions within this one."""
    return bool(code) and bool(with_children([str(code)]))


def way_to(code: str) -> list[tuple[str, str]]:
    """(code, name) from the province down to the region; empty if there is no such region."""
    step = select(Region.code, Region.name, Region.parent_code).where(Region.code == code).cte(recursive=True)
    up = select(Region.code, Region.name, Region.parent_code).join(step, Region.code == step.c.parent_code)
    way = step.union_all(up)
    found = db.session.execute(select(way.c.code, way.c.name).where(way.c.code != NATION).order_by(way.c.code))
    return [(row.code, row.name) for row in found]


def way_down(code: str, who: Principal) -> list[tuple[str, str]]:
    """(code, name) from a person's own region down to one."""
    own = who.jurisdiction or ""
    whole = [(NATION, _("The whole country"))] if not own else []
    return whole + [(each, name) for each, name in way_to(code) if prefix(each).startswith(own)]


def prefix(code: str) -> str:
    """How the codes of all regions within this one begin."""
    return code[:2] if code.endswith("0000") else code[:4] if code.endswith("00") else code


def named(term: str) -> list[Region]:
    """The first few regions of any level whose full name contains the term, the nation among them."""
    found = select(Region).where(finding.contains(Region.full_name, term))
    return list(db.session.scalars(found.order_by(Region.code).limit(MOST_FOUND)))


def around(code: str) -> list[Region]:
    """The nation, and what somebody at a place thinks of first: its province, its city, the counties of that."""
    city = code[:4] + "00"
    near = Region.code.in_([NATION, code[:2] + "0000", city, code])
    found = select(Region).where(or_(near, Region.parent_code == city))
    return list(db.session.scalars(found.order_by(Region.code)))


def names(codes: list[str]) -> dict[str, str]:
    """The full names of regions, by code; unknown codes are left out."""
    known = select(Region.code, Region.full_name).where(Region.code.in_(codes)).order_by(Region.code)
    return {row.code: row.full_name for row in db.session.execute(known)}


def without_parts() -> dict[str, str]:
    """All regions that are as small as regions get, by code with their full names."""
    part = aliased(Region)
    smallest = select(Region.code, Region.full_name).where(~exists().where(part.parent_code == Region.code))
    return {row.code: row.full_name for row in db.session.execute(smallest)}


def short_names(home: str) -> dict[str, str]:
    """Names shorter than the full one by which a county is told apart from home: code by name.

    Within the own city its own name (西湖区) does, within the own province that of its city with it (杭州市西湖区), and
    its own name if no other county of the province has it.
    """
    province = home[:2] + "0000"
    near = select(Region.code, Region.name, Region.full_name).where(Region.code.startswith(home[:2]))
    rows = db.session.execute(near.order_by(Region.code)).all()
    whole = next((row.full_name for row in rows if row.code == province), "")
    names: dict[str, list[str]] = {}
    for row in rows:
        for name in {row.name, row.full_name.removeprefix(whole)}:
            names.setdefault(name, []).append(row.code)
    own = {row.name: row.code for row in rows if row.code[:4] == home[:4]}
    return {name: codes[0] for name, codes in names.items() if len(codes) == 1} | own


def part_of(code: Any, whole: str, parts: Sequence[str]) -> Any:
    """SQL: the region directly within `whole`, one of `parts`, in which a region lies."""
    width = 0 if whole == NATION else len(prefix(whole))
    usual = func.rpad(func.left(code, width + 2), 6, "0")
    # Some counties stand directly below their province: 仙桃市 429004.
    unusual = [part for part in parts if part[: width + 2].ljust(6, "0") != part]
    return case((code.in_(unusual), code), else_=usual) if unusual else usual


def is_near(code: str, by: Principal) -> bool:
    """Whether a region is known and lies in one's jurisdiction, or one's own region in it."""
    own = by.jurisdiction
    if own is None or not (covers(own, code) or own.startswith(prefix(code))):
        return False
    return db.session.scalar(select(Region.code).where(Region.code == code)) is not None


def asked(code: str, by: Principal) -> str:
    """The region asked for, if it lies in one's jurisdiction; otherwise one's own."""
    known = db.session.scalar(select(Region.code).where(Region.code == code))
    return known if known and covers(by.jurisdiction, known) else by.region_code
