"""月末数: what stands, kept at the end of each month. What happened in a month is tallied by itself."""

from dataclasses import replace
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, and_, exists, func, insert, literal, or_, select, union_all

from app.access import Principal
from app.domain import figures, regions, statistics
from app.models import MonthEnd, Region, Tally, db
from app.states import AWAITING_AUTHORITY

# Later than this a month's end is not what is found.
KEPT_WITHIN_DAYS = 5
STANDING = ("use", "due", "unit", "filing")
FACTS = ("month", "subject", "city_code", "region_code", "catalogue_item_id", "purpose", "state", "amount")


def keep(day: date, by: Principal) -> int:
    """On the first days of a month keep what stands as the end of the month before, once. Gives how many amounts."""
    over = statistics.last_months(2)
    if day.day > KEPT_WITHIN_DAYS or day.replace(day=1) != over.last:
        return 0
    # The clock and somebody who lets it run again may come at once.
    db.session.execute(select(func.pg_advisory_xact_lock(func.hashtext(MonthEnd.__tablename__))))
    if db.session.scalar(select(exists().where(MonthEnd.month == over.first))):
        return 0
    return keep_as(over.first, by)


def keep_as(month: date, by: Principal) -> int:
    """Keep what stands as the end of a month, for whoever sees everything. Gives how many amounts."""
    waiting = and_(Tally.subject == "place", Tally.state.in_(sorted(AWAITING_AUTHORITY)))
    by_region = _tallied(month, Tally.region_code, or_(Tally.subject.in_(STANDING), waiting))
    by_kind = _tallied(month, Tally.city_code, Tally.subject == "due_kind")
    # In one statement: steps that are taken between two would be in one of the breakdowns alone.
    return _kept(union_all(by_region, by_kind)) + _keep_institutions(month, by)


def differences() -> list[Any]:
    """Where the ends of months tell otherwise by kind than by region: (month, city, state, by region, by kind)."""
    by_region, by_kind = (
        func.coalesce(func.sum(MonthEnd.amount).filter(MonthEnd.subject == subject), 0)
        for subject in ("due", "due_kind")
    )
    by = (MonthEnd.month, MonthEnd.city_code, MonthEnd.state)
    sums = select(*by, by_region, by_kind).where(MonthEnd.subject.in_(("due", "due_kind"))).group_by(*by)
    return list(db.session.execute(sums.having(by_region != by_kind).order_by(*by)))


def _tallied(month: date, region: Any, which: ColumnElement[bool]) -> Any:
    amount = func.sum(Tally.amount)
    by = (Tally.subject, Tally.city_code, region, Tally.catalogue_item_id, Tally.purpose, Tally.state)
    return select(literal(month), *by, amount).where(which).group_by(*by).having(amount != 0)


def _kept(rows: Any) -> int:
    done = insert(MonthEnd).from_select(FACTS, rows).returning(literal(1)).cte("kept")
    return db.session.scalar(select(func.count()).select_from(done)) or 0


def _keep_institutions(month: date, by: Principal) -> int:
    """Of small tables there are no tallies."""
    everywhere, of_all = list(db.session.scalars(select(Region))), replace(by, jurisdiction="")
    kept = [
        {"month": month, "subject": subject, "state": state, "amount": amount, "region_code": code,
         "city_code": code[:4] + "00"}
        for code, amounts in figures.about_institutions(regions.NATION, everywhere, of_all).items()
        for (subject, state, _purpose, _when), amount in amounts.items()
    ]  # fmt: skip
    if kept:
        db.session.execute(insert(MonthEnd), kept)
    return len(kept)
