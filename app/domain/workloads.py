"""在办任务、每周可检数: what institutions have open, and how many instruments of a kind they can verify in a week.

A figure about an institution is the same for every reader, wherever its tasks lie. So the tallies of load are read from
the plain table, here and nowhere else, and tell numbers only.
"""

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import CTE, Numeric, and_, cast, delete, exists, func, null, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from app import audit
from app.access import Principal
from app.models import Capability, CatalogueItem, Tally, Task, WeeklyCapacity, db
from app.states import AT_INSTITUTION

LEARNED_DAYS = 90
MOST_A_WEEK = 1_000_000

_tally = Tally.__table__.c
_is_open = and_(_tally.subject == "load", _tally.state.in_(sorted(AT_INSTITUTION)))


def open_tasks(institution_id: Any) -> Any:
    """SQL: the number of tasks an institution has open."""
    total = select(func.coalesce(func.sum(_tally.amount), 0)).where(_is_open, _tally.institution_id == institution_id)
    return total.scalar_subquery()


def open_by_institution(institution_ids: Collection[int]) -> dict[int, int]:
    """The number of open tasks of each of these institutions that has any."""
    total = select(_tally.institution_id, func.sum(_tally.amount)).where(
        _is_open, _tally.institution_id.in_(institution_ids)
    )
    return {id: int(amount) for id, amount in db.session.execute(total.group_by(_tally.institution_id))}


def open_by_kind(institutions: Any) -> CTE:
    """(institution_id, kind_id, open): the open tasks of institutions, given as a statement of their ids, by kind."""
    by = (_tally.institution_id, _tally.catalogue_item_id)
    total = select(
        _tally.institution_id, _tally.catalogue_item_id.label("kind_id"), func.sum(_tally.amount).label("open")
    )
    return total.where(_is_open, _tally.institution_id.in_(institutions)).group_by(*by).cte("open_by_kind")


def open_of_kinds(kinds: Any) -> CTE:
    """(institution_id, open): the open tasks of institutions of some kinds together."""
    total = select(_tally.institution_id, func.sum(_tally.amount).label("open"))
    of_kinds = total.where(_is_open, _tally.catalogue_item_id.in_(select(kinds.c.catalogue_item_id)))
    return of_kinds.group_by(_tally.institution_id).cte("open_of_kinds")


def a_week() -> Any:
    """SQL, for a WeeklyCapacity: what the institution states, else what was learned."""
    return func.coalesce(cast(WeeklyCapacity.stated, Numeric), WeeklyCapacity.learned)


def of_capability(column: Any) -> Any:
    """SQL, for a capability: a value of the weekly capacity of its institution and kind."""
    same = and_(
        WeeklyCapacity.institution_id == Capability.institution_id,
        WeeklyCapacity.catalogue_item_id == Capability.catalogue_item_id,
    )
    return select(column).where(same).correlate(Capability).scalar_subquery()


# --- Stating and learning ------------------------------------------------------------------------


def stated(capability_id: int) -> WeeklyCapacity | None:
    """The weekly capacity for the kind of a capability, if anything is known of it."""
    found = select(WeeklyCapacity).join(
        Capability,
        and_(
            Capability.institution_id == WeeklyCapacity.institution_id,
            Capability.catalogue_item_id == WeeklyCapacity.catalogue_item_id,
        ),
    )
    row: WeeklyCapacity | None = db.session.scalar(found.where(Capability.id == capability_id))
    return row


def state(capability_id: int, number: int | None, by: Principal) -> str | None:
    """State how many instruments of a capability's kind can be verified in a week; None takes the statement back.

    Gives the name of the kind, None if there is no such capability.
    """
    kind = db.session.execute(
        select(CatalogueItem.id, CatalogueItem.name)
        .join(Capability, Capability.catalogue_item_id == CatalogueItem.id)
        .where(Capability.id == capability_id, Capability.institution_id == by.organization_id)
    ).one_or_none()
    if kind is None:
        return None
    before = stated(capability_id)
    audit.record("state_capacity", "institution", by.organization_id, kind.name, by=by,
                 before=before.stated if before else None, after=number)  # fmt: skip
    row = {"institution_id": by.organization_id, "catalogue_item_id": kind.id, "stated": number}
    new = upsert(WeeklyCapacity).values(row)
    db.session.execute(
        new.on_conflict_do_update(index_elements=WeeklyCapacity.__table__.primary_key, set_={"stated": number})
    )
    return str(kind.name)


def hand_over(from_id: int, to_id: int) -> None:
    """Give an institution the capacities of another that it has not itself, when the two are merged."""
    mine, theirs = WeeklyCapacity.__table__.alias("mine"), WeeklyCapacity.institution_id == from_id
    has = exists().where(mine.c.institution_id == to_id, mine.c.catalogue_item_id == WeeklyCapacity.catalogue_item_id)
    unsynchronized = {"synchronize_session": False}
    db.session.execute(delete(WeeklyCapacity).where(theirs, has).execution_options(**unsynchronized))
    moved = update(WeeklyCapacity).where(theirs).values(institution_id=to_id)
    db.session.execute(moved.execution_options(**unsynchronized))


def learn_capacities() -> int:
    """Set the learned capacities from what was certified in the last 90 days. Returns how many there are."""
    since = datetime.now(UTC) - timedelta(days=LEARNED_DAYS)
    weekly = func.round(cast(func.count() * 7, Numeric) / LEARNED_DAYS, 1)
    certified = (
        select(Task.institution_id, Task.catalogue_item_id, func.greatest(weekly, 0.1))
        .where(Task.finished_at > since, Task.institution_id.is_not(None))
        .group_by(Task.institution_id, Task.catalogue_item_id)
    )
    db.session.execute(update(WeeklyCapacity).values(learned=null()).execution_options(synchronize_session=False))
    new = upsert(WeeklyCapacity).from_select(["institution_id", "catalogue_item_id", "learned"], certified)
    known = new.on_conflict_do_update(
        index_elements=WeeklyCapacity.__table__.primary_key, set_={"learned": new.excluded.learned}
    )
    return len(db.session.execute(known.returning(WeeklyCapacity.institution_id)).all())
