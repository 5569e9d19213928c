"""How many tasks there are, from tallies that every step keeps exact; folding and proving them."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import BigInteger, cast, delete, func, insert, literal, null, select, union_all

from app.access import EVERYTHING, seeing
from app.models import Tally, Task, db
from app.states import DRAFT

_NONE = cast(null(), BigInteger)
_DIMENSIONS = ("subject", "city_code", "region_code", "catalogue_item_id", "institution_id", "state")


def tasks(states: Iterable[str], *conditions: Any, kinds: list[int] | None = None) -> int:
    """The number of tasks in these states, perhaps of these kinds, that the acting person sees."""
    total = select(func.coalesce(func.sum(Tally.amount), 0)).where(
        Tally.subject == ("place" if kinds is None else "kind"), Tally.state.in_(sorted(states)), *conditions
    )
    if kinds is not None:
        total = total.where(Tally.catalogue_item_id.in_(kinds))
    return int(db.session.scalar(total) or 0)


def fold() -> int:
    """Sum up the appended changes: one row for each combination, none for zero. Returns the rows saved."""
    columns = [getattr(Tally, name) for name in _DIMENSIONS]
    gone = (
        delete(Tally.__table__).returning(*(Tally.__table__.c[name] for name in (*_DIMENSIONS, "amount"))).cte("gone")
    )
    sums = (
        select(*(gone.c[name] for name in _DIMENSIONS), func.sum(gone.c.amount))
        .group_by(*(gone.c[name] for name in _DIMENSIONS))
        .having(func.sum(gone.c.amount) != 0)
    )
    kept = (
        insert(Tally.__table__)
        .from_select([*(c.name for c in columns), "amount"], sums)
        .returning(literal(1))
        .cte("kept")
    )
    with seeing(EVERYTHING):
        before, after = db.session.execute(
            select(
                select(func.count()).select_from(gone).scalar_subquery(),
                select(func.count()).select_from(kept).scalar_subquery(),
            )
        ).one()
    return int(before - after)


def rebuild() -> None:
    """Count everything anew: after loading data past the workflow."""
    with seeing(EVERYTHING):
        db.session.execute(delete(Tally))
        db.session.execute(insert(Tally).from_select([*_DIMENSIONS, "amount"], _counted()))


def differences() -> list[Any]:
    """Where the tallies disagree with a full count; empty if they are right."""
    counted = _counted().subquery("counted")
    tallied = (
        select(*(getattr(Tally, name) for name in _DIMENSIONS), func.sum(Tally.amount).label("amount"))
        .group_by(*(getattr(Tally, name) for name in _DIMENSIONS))
        .having(func.sum(Tally.amount) != 0)
        .subquery("tallied")
    )
    both = union_all(
        select(*(counted.c[name] for name in _DIMENSIONS), counted.c.amount),
        select(*(tallied.c[name] for name in _DIMENSIONS), -tallied.c.amount),
    ).subquery("both")
    columns = [both.c[name] for name in _DIMENSIONS]
    left = select(*columns, func.sum(both.c.amount).label("difference")).group_by(*columns)
    with seeing(EVERYTHING):
        return list(db.session.execute(left.having(func.sum(both.c.amount) != 0)))


def _counted() -> Any:
    return union_all(_by_place(), _by_kind(), _by_institution())


def _by_place() -> Any:
    rows = select(
        literal("place").label("subject"),
        Task.city_code,
        Task.region_code,
        _NONE.label("catalogue_item_id"),
        _NONE.label("institution_id"),
        Task.state,
        func.count().label("amount"),
    )
    return rows.where(Task.state != DRAFT).group_by(Task.city_code, Task.region_code, Task.state)


def _by_kind() -> Any:
    kind = (Task.city_code, Task.region_code, Task.catalogue_item_id)
    rows = select(literal("kind"), *kind, _NONE, Task.state, func.count()).where(Task.state != DRAFT)
    return rows.group_by(*kind, Task.state)


def _by_institution() -> Any:
    rows = select(
        literal("load"),
        Task.city_code,
        Task.city_code.label("region_code"),
        _NONE.label("catalogue_item_id"),
        Task.institution_id,
        Task.state,
        func.count(),
    )
    rows = rows.where(Task.institution_id.is_not(None), Task.state != DRAFT)
    return rows.group_by(Task.city_code, Task.institution_id, Task.state)
