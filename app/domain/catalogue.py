"""The catalogue of mandatory verification (强检目录): its two levels as a tree to choose from."""

from collections.abc import Iterable, Sequence
from typing import Any

from flask_babel import gettext as _
from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import aliased

from app import finding
from app.domain import holidays
from app.models import CatalogueItem, db

MOST_FOUND = 50


def in_force() -> ColumnElement[bool]:
    """The condition that an item of the catalogue holds today."""
    return and_(CatalogueItem.valid_until.is_(None), CatalogueItem.valid_from <= holidays.today())


def children(parent_id: int | None) -> list[CatalogueItem]:
    """Level 1 if no parent is given, else the kinds of a level 1 item."""
    items = select(CatalogueItem).where(in_force())
    if parent_id is None:
        items = items.where(CatalogueItem.level == 1)
    else:
        items = items.where(CatalogueItem.parent_id == parent_id)
    return list(db.session.scalars(items.order_by(CatalogueItem.number)))


def kind(item_id: int) -> CatalogueItem | None:
    """The kind (种别) with this id that is in force."""
    item: CatalogueItem | None = db.session.get(CatalogueItem, item_id)
    holds = item and item.level == 2 and item.valid_until is None and item.valid_from <= holidays.today()
    return item if holds else None


def items(ids: Iterable[int]) -> dict[int, CatalogueItem]:
    """Items of the catalogue by id, those that are no longer in force as well."""
    return {item.id: item for item in db.session.scalars(select(CatalogueItem).where(CatalogueItem.id.in_(set(ids))))}


def way_to(item_id: int) -> list[tuple[str, str]]:
    """(id, name) from level 1 down to the item; empty if there is no such item."""
    item = db.session.get(CatalogueItem, item_id)
    if item is None:
        return []
    parents = way_to(item.parent_id) if item.parent_id else []
    return [*parents, (str(item.id), item.name)]


def kinds_of(item_id: int) -> list[int]:
    """The ids of an item and of the kinds below it: what a task may refer to."""
    below = select(CatalogueItem.id).where((CatalogueItem.id == item_id) | (CatalogueItem.parent_id == item_id))
    return list(db.session.scalars(below))


def named(term: str) -> dict[str, str]:
    """The first few categories and kinds in force whose name contains the term: their full names by id."""
    above = aliased(CatalogueItem)
    found = _full_names(above).where(in_force()).limit(MOST_FOUND)
    if term:
        contains = [finding.contains(name, term) for name in (CatalogueItem.name, above.name)]
        found = found.where(or_(*contains))
    return _by_id(found)


def names(ids: Sequence[int]) -> dict[str, str]:
    """The full names of categories and kinds, by id; unknown ids are left out."""
    return _by_id(_full_names(aliased(CatalogueItem)).where(CatalogueItem.id.in_(ids)))


def _full_names(above: Any) -> Any:
    """A category before its kinds, in the order of the catalogue."""
    category = func.coalesce(above.number, CatalogueItem.number)
    return (
        select(CatalogueItem.id, CatalogueItem.name, above.name.label("above"))
        .outerjoin(above, above.id == CatalogueItem.parent_id)
        .order_by(category, CatalogueItem.level, CatalogueItem.number)
    )


def _by_id(rows: Any) -> dict[str, str]:
    return {
        str(row.id): f"{row.above} / {row.name}" if row.above else _("%(name)s (every kind)", name=row.name)
        for row in db.session.execute(rows)
    }


def kinds() -> list[tuple[str, CatalogueItem]]:
    """All kinds in force, each with the name of its category, in the order of the catalogue."""
    category = aliased(CatalogueItem)
    found = (
        select(category.name, CatalogueItem)
        .join(category, category.id == CatalogueItem.parent_id)
        .where(in_force())
        .order_by(category.number, CatalogueItem.number)
    )
    return [(name, kind) for name, kind in db.session.execute(found)]
