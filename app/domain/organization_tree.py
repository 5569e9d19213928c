"""The tree of organizations as one person manages it: loaded a level at a time, or searched."""

from typing import Any

from sqlalchemy import and_, exists, or_, select
from sqlalchemy.orm import aliased

from app import access, finding
from app.access import Principal
from app.domain import organizations
from app.models import Organization, Region, db
from app.texts import same

MOST_SHOWN = 200
MOST_CHOICES = 20
_inner = aliased(Organization, name="inner_organization")


def tree(parent_id: int | None, who: Principal) -> tuple[list[Any], bool]:
    """The organizations directly below one, authorities first, and whether there are more; at the top one's own."""
    if parent_id is None:
        return list(db.session.execute(_nodes(who).where(_top(who)))), False
    parent = organizations.managed(parent_id, who)
    if parent is None:
        return [], False
    return _shown(_nodes(who).where(_is_below(Organization, parent)))


def found(term: str, who: Principal) -> tuple[list[Any], bool]:
    """The organizations whose name contains a term, a few, and whether there are more."""
    if len(same(term)) < 2:
        return [], False
    return _shown(_nodes(who).where(finding.contains_chinese(Organization.name, term)))


def choices(term: str, who: Principal, *wanted: Any) -> list[Any]:
    """The first few of the wanted organizations, narrowed by a term if there is one."""
    nodes = _nodes(who).where(*wanted)
    if term:
        nodes = nodes.where(finding.contains_chinese(Organization.name, term))
    return list(db.session.execute(nodes.limit(MOST_CHOICES)))


def _top(who: Principal) -> Any:
    if who.kind == "everything":
        return and_(Organization.kind == "authority", Organization.parent_id.is_(None))
    return Organization.id == who.organization_id


def _nodes(who: Principal) -> Any:
    has_children = exists().where(_inner.active, _is_below(_inner, Organization))
    return (
        select(
            Organization.id,
            Organization.name,
            Organization.kind,
            Region.full_name.label("region"),
            has_children.label("has_children"),
        )
        .join(Region, Region.code == Organization.region_code)
        .where(Organization.active, access.manages(who)(Organization), organizations.near(who))
        .order_by(Organization.kind, Organization.region_code, Organization.id)
    )


def _is_below(cls: Any, parent: Any) -> Any:
    """Whether one stands directly below another; a using unit, without superior, below its place's authority."""
    at_home = and_(
        cls.kind.in_(("institution", "using_unit")),
        cls.parent_id.is_(None),
        cls.region_code == parent.region_code,
        cls.level == parent.level,
        parent.kind == "authority",
    )
    return or_(cls.parent_id == parent.id, at_home)


def _shown(nodes: Any) -> tuple[list[Any], bool]:
    rows = list(db.session.execute(nodes.limit(MOST_SHOWN + 1)))
    return rows[:MOST_SHOWN], len(rows) > MOST_SHOWN
