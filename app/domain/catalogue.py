"""The catalogue of mandatory verification (强检目录): its two levels as a tree to choose from."""

from sqlalchemy import select

from app.models import CatalogueItem, db


def children(parent_id: int | None) -> list[CatalogueItem]:
    """Level 1 if no parent is given, else the kinds of a level 1 item."""
    items = select(CatalogueItem).where(CatalogueItem.valid_until.is_(None))
    if parent_id is None:
        items = items.where(CatalogueItem.level == 1)
    else:
        items = items.where(CatalogueItem.parent_id == parent_id)
    return list(db.session.scalars(items.order_by(CatalogueItem.number)))


def kind(item_id: int) -> CatalogueItem | None:
    """The kind (种别) with this id that is in force."""
    item: CatalogueItem | None = db.session.get(CatalogueItem, item_id)
    return item if item and item.level == 2 and item.valid_until is None else None


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
