"""How many there are of what is counted, from tallies that every step keeps exact; folding and proving them."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import ColumnElement, delete, func, insert, literal, select, true, union_all

from app import counting
from app.access import EVERYTHING, seeing
from app.counting import SUBJECTS
from app.models import Appointment, Certificate, Event, Instrument, Organization, Tally, Task, db

_DIMENSIONS = tuple(counting.DIMENSIONS)


def tasks(states: Iterable[str], *conditions: Any, kinds: list[int] | None = None) -> int:
    """The number of tasks in these states, perhaps of these kinds, that the acting person sees."""
    total = select(func.coalesce(func.sum(Tally.amount), 0)).where(
        Tally.subject == ("place" if kinds is None else "kind"), Tally.state.in_(sorted(states)), *conditions
    )
    if kinds is not None:
        total = total.where(Tally.catalogue_item_id.in_(kinds))
    return int(db.session.scalar(total) or 0)


def tasks_by_state() -> dict[str, int]:
    """The number of tasks in each state that the acting person sees."""
    sums = select(Tally.state, func.sum(Tally.amount).label("number")).where(Tally.subject == "place")
    return {row.state: int(row.number) for row in db.session.execute(sums.group_by(Tally.state))}


def fold() -> int:
    """Sum up what was appended since the last time: one row for each combination. Gives how many rows were saved."""
    return _summed_up(~Tally.__table__.c.folded)


def compact() -> int:
    """Sum up everything: one row for each combination, none for zero. Gives how many rows were saved."""
    return _summed_up(true())


def _summed_up(which: ColumnElement[bool]) -> int:
    tally = Tally.__table__
    dimensions = [tally.c[name] for name in _DIMENSIONS]
    gone = delete(tally).where(which).returning(*dimensions, tally.c.amount).cte("gone")
    by = [gone.c[name] for name in _DIMENSIONS]
    total = func.sum(gone.c.amount)
    sums = select(*by, total, literal(True)).group_by(*by).having(total != 0)
    kept = insert(tally).from_select([*_DIMENSIONS, "amount", "folded"], sums).returning(literal(1)).cte("kept")
    before, after = (select(func.count()).select_from(each).scalar_subquery() for each in (gone, kept))
    with seeing(EVERYTHING):
        saved = db.session.scalar(select(before - after).add_cte(kept))
    return int(saved or 0)


def rebuild() -> None:
    """Count everything anew: after loading data past the workflow."""
    with seeing(EVERYTHING):
        db.session.execute(delete(Tally))
        rows = _counted().subquery("counted")
        folded = select(*rows.c, literal(True))
        db.session.execute(insert(Tally).from_select([*_DIMENSIONS, "amount", "folded"], folded))


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
    return union_all(
        *(
            counting.sums(subject, counting.columns(table.__table__), table.__table__)
            for table, of in (
                (Task, "task"),
                (Appointment, "appointment"),
                (Instrument, "instrument"),
                (Certificate, "certificate"),
                (Event, "event"),
                (Organization, "organization"),
            )
            for subject in SUBJECTS[of]
        )
    )
