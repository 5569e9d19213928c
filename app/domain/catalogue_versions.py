"""强制检定器具目录: kept by the nation; a change makes a new version from a day, and old certificates keep theirs.

What begins on a day to come is announced, and made by the clock when the day begins.
"""

from dataclasses import asdict, dataclass, field, fields, replace
from datetime import date, timedelta
from typing import Any

from flask_babel import gettext as _
from sqlalchemy import ColumnElement, delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import aliased

from app import audit
from app.access import Principal
from app.domain import holidays, reasons
from app.domain.publications import LONGEST_REASON, SHORTEST_REASON
from app.errors import RuleError, Stale
from app.models import AnnouncedChange, CatalogueItem, db
from app.states import PUBLISH_ITEM, REVOKE_ITEM
from app.workflow import Chosen, Outcome, fire, how_many, is_chosen

EARLIEST = date(1985, 9, 6)  # 计量法 was promulgated
SUPERVISIONS = ("P", "V", "P+V")
LONGEST_AHEAD = timedelta(days=3660)


@dataclass(frozen=True)
class Entry:
    """What the catalogue says of a category (项别, its name alone) or a kind (种别)."""

    name: str
    supervision: str | None = None
    verification_mode: str | None = None
    cycle_months: int | None = None
    cycle_note: str | None = None
    scope: str | None = None
    range_units: list[str] = field(default_factory=list)
    accuracy_classes: list[str] = field(default_factory=list)


def listed(text: str | None) -> list[str]:
    """The parts of a text with semicolons between them."""
    return [part.strip() for part in (text or "").replace("；", ";").split(";") if part.strip()]


# --- Questions -----------------------------------------------------------------------------------

_above = aliased(CatalogueItem)


def place_in_tree() -> ColumnElement[int]:
    """SQL: the order of the tree, each category before its kinds."""
    category = select(_above.number).where(_above.id == CatalogueItem.parent_id).scalar_subquery()
    below = func.coalesce(category, CatalogueItem.number) * 1000
    return below + func.coalesce(func.nullif(CatalogueItem.level, 1) - 2 + CatalogueItem.number, 0)


def find(item_id: int) -> CatalogueItem | None:
    """A category or kind of any time."""
    found: CatalogueItem | None = db.session.get(CatalogueItem, item_id)
    return found


def versions(item: CatalogueItem) -> list[CatalogueItem]:
    """The item in all its versions, the newest first."""
    same = select(CatalogueItem).where(CatalogueItem.level == item.level, CatalogueItem.number == item.number)
    return list(db.session.scalars(same.order_by(CatalogueItem.valid_from.desc(), CatalogueItem.id.desc())))


def published_below(chosen: Chosen) -> int:
    """How many published kinds stand below the chosen categories."""
    below = select(func.count()).where(
        is_chosen(CatalogueItem.parent_id, chosen), CatalogueItem.publication == PUBLISH_ITEM.target
    )
    return int(db.session.scalar(below) or 0)


def announced(item_id: int) -> AnnouncedChange | None:
    """The change of an item that begins on a day to come."""
    found: AnnouncedChange | None = db.session.get(AnnouncedChange, item_id)
    return found


def is_announced() -> ColumnElement[bool]:
    """The condition that an item, or a change of it, begins on a day to come."""
    changes = select(AnnouncedChange.item_id)
    return or_(CatalogueItem.id.in_(changes), CatalogueItem.valid_from > holidays.today())


# --- Keeping it ----------------------------------------------------------------------------------


def add(entry: Entry, parent_id: int | None, valid_from: date, by: Principal) -> CatalogueItem:
    """添加: a category, or a kind below the category `parent_id`; confirmed by whoever adds it.

    Before its day nobody can choose it.
    """
    level = 1 if parent_id is None else 2
    refuse(entry, level, valid_from)
    if parent_id is not None:
        above = find(parent_id)
        if above is None or above.level != 1 or above.valid_until is not None:
            raise RuleError(_("A kind is added below a category: please tick one category, or nothing for a new one."))
    last = select(func.max(CatalogueItem.number)).where(CatalogueItem.level == level)
    new = CatalogueItem(
        level=level,
        number=(db.session.scalar(last) or 0) + 1,
        parent_id=parent_id,
        valid_from=valid_from,
        confirmed_at=func.now(),
        **asdict(entry),
    )
    db.session.add(new)
    db.session.flush()
    audit.record("add", "catalogue_item", new.id, new.name, by=by)
    return new


def edit(item_id: int, entry: Entry, valid_from: date, revision: str, by: Principal) -> CatalogueItem | None:
    """编辑: a new version from a day on; what held before is kept with its last day. None if there is no such item.

    The item keeps its id, so that instruments and capabilities of the kind stay what they are. A version of a day to
    come is announced; of an item one at a time, the latest word.
    """
    found = _in_force(item_id)
    if found is None:
        return None
    if str(found.revision) != revision:
        raise Stale
    refuse(entry, found.level, valid_from, since=found.valid_from)
    has_begun = found.valid_from <= holidays.today()
    differs = changed(found, entry)
    if not differs and (has_begun or valid_from == found.valid_from):
        return found
    if has_begun and valid_from > holidays.today():
        _announce(found, {name: getattr(entry, name) for name in differs}, valid_from, by)
    else:
        _change(found, entry, valid_from, by)
    return found


def _in_force(item_id: int) -> CatalogueItem | None:
    held = select(CatalogueItem).where(CatalogueItem.id == item_id, CatalogueItem.valid_until.is_(None))
    found: CatalogueItem | None = db.session.scalar(held.with_for_update())
    return found


def changed(found: CatalogueItem, entry: Entry) -> list[str]:
    """What an entry says otherwise than the catalogue does."""
    return [each.name for each in fields(entry) if getattr(found, each.name) != getattr(entry, each.name)]


def _change(found: CatalogueItem, entry: Entry, valid_from: date, by: Principal) -> None:
    has_begun = found.valid_from <= holidays.today()
    differs = changed(found, entry)
    if has_begun and valid_from > found.valid_from:
        _keep(found, valid_from - timedelta(days=1))
    for name, value in asdict(entry).items():
        setattr(found, name, value)
    found.valid_from, found.revision, found.confirmed_at = valid_from, found.revision + 1, func.now()
    db.session.flush()
    audit.record("edit", "catalogue_item", found.id, found.name, by=by, changed=differs, valid_from=str(valid_from))


def _keep(found: CatalogueItem, last_day: date) -> None:
    """Keep what an item said until a day, as a row of its own."""
    names = {column.key for column in CatalogueItem.__mapper__.column_attrs}
    said = {name: getattr(found, name) for name in names - {"id", "valid_until", "publication", "published_at"}}
    begin = found.valid_from
    found.valid_from = last_day + timedelta(days=1)  # makes room for it in (level, number, valid_from)
    db.session.flush()
    db.session.add(CatalogueItem(**{**said, "valid_from": begin}, valid_until=last_day))


def refuse(entry: Entry, level: int, valid_from: date, *, since: date | None = None) -> None:
    """Refuse what the catalogue cannot say from a day on; `since` is when the version in force began."""
    today = holidays.today()
    if not EARLIEST <= valid_from <= today + LONGEST_AHEAD:
        raise RuleError(_("Please give a day of the last decades or of the next ten years."), field="valid_from")
    if since is not None and valid_from < since <= today:
        text = _("The version in force began on %(day)s: a new one begins later.", day=since.isoformat())
        raise RuleError(text, field="valid_from")
    if level == 2 and entry.supervision not in SUPERVISIONS:
        raise RuleError(_("Please choose how the kind is supervised."), field="supervision")
    if level == 2 and "V" in (entry.supervision or "") and not entry.verification_mode:
        raise RuleError(_("Please say how the kind is verified."), field="verification_mode")


def confirm(chosen: Chosen, by: Principal) -> Outcome:
    """核定: vouch for items that came with the system; only then can they be published."""
    unconfirmed = (is_chosen(CatalogueItem.id, chosen), CatalogueItem.confirmed_at.is_(None))
    done = update(CatalogueItem).where(*unconfirmed).values(confirmed_at=func.now()).returning(CatalogueItem.id)
    ids = db.session.scalars(done.execution_options(synchronize_session=False)).all()
    if ids:
        audit.record("confirm", "catalogue_item", by=by, done=len(ids))
    return Outcome(how_many(chosen), len(ids))


# --- What begins on a day to come ----------------------------------------------------------------


def _announce(item: CatalogueItem, told: dict[str, Any], valid_from: date, by: Principal) -> None:
    values = {"valid_from": valid_from, "told": told, "announced_at": func.now(), "by_name": by.name}
    said = insert(AnnouncedChange).values(item_id=item.id, **values)
    db.session.execute(said.on_conflict_do_update(index_elements=["item_id"], set_=values))
    item.revision += 1
    db.session.flush()
    audit.record("announce", "catalogue_item", item.id, item.name, by=by, changed=[*told], valid_from=str(valid_from))


def begin(day: date, by: Principal) -> int:
    """Make the announced changes whose day has come. Gives how many."""
    due = select(AnnouncedChange).where(AnnouncedChange.valid_from <= day).order_by(AnnouncedChange.item_id)
    changes = list(db.session.scalars(due.with_for_update()))
    for change in changes:
        _make(change, by)
        db.session.delete(change)
    db.session.flush()
    return len(changes)


def _make(change: AnnouncedChange, by: Principal) -> None:
    found = _in_force(change.item_id)
    if found is None:
        return
    held = Entry(**{each.name: getattr(found, each.name) for each in fields(Entry)})
    # A version that was made meanwhile may have begun later than was announced.
    _change(found, replace(held, **change.told), max(change.valid_from, found.valid_from), by)


def withdraw_announced(chosen: Chosen, by: Principal) -> Outcome:
    """取消预告: what was announced of items does not come."""
    gone = delete(AnnouncedChange).where(is_chosen(AnnouncedChange.item_id, chosen)).returning(AnnouncedChange.item_id)
    ids = db.session.scalars(gone.execution_options(synchronize_session=False)).all()
    if ids:
        audit.record("withdraw_announced", "catalogue_item", by=by, done=len(ids))
    return Outcome(how_many(chosen), len(ids))


# --- Publishing ----------------------------------------------------------------------------------


def publish(chosen: Chosen, by: Principal) -> Outcome:
    """发布: show items in force and confirmed to everybody, kinds with their category."""
    family = _locked(or_(is_chosen(CatalogueItem.id, chosen), CatalogueItem.id.in_(_parents(chosen))))
    item = CatalogueItem.__table__.c
    sound = item.confirmed_at.is_not(None) & item.valid_until.is_(None)
    return fire(PUBLISH_ITEM, family, by, only=sound, published_at=func.now())


def _locked(family: ColumnElement[bool]) -> list[int]:
    """Lock kinds and their category, whatever their state: no kind is published while its category is taken back."""
    rows = select(CatalogueItem.id).where(family).order_by(CatalogueItem.id).with_for_update()
    return list(db.session.scalars(rows))


def _parents(chosen: Chosen) -> Any:
    kind = aliased(CatalogueItem)
    return select(kind.parent_id).where(is_chosen(kind.id, chosen), kind.parent_id.is_not(None))


def revoke(chosen: Chosen, reason: str, by: Principal) -> Outcome:
    """撤销发布: show items to nobody any more; with a category go its kinds."""
    text = reasons.checked(reason, shortest=SHORTEST_REASON, longest=LONGEST_REASON)
    family = _locked(or_(is_chosen(CatalogueItem.id, chosen), is_chosen(CatalogueItem.parent_id, chosen)))
    return fire(REVOKE_ITEM, family, by, reason=text, published_at=None)
