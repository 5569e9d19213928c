"""数据统计: sums of the tallies of a region, by what lies directly within it, by kind, or by institution.

受检率 is what has a valid verification of what is to be verified; 合格率 what passed of the results. A rate of nothing
is no rate: None, and not zero.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, case, func, or_, select, true
from sqlalchemy.orm import aliased

from app import access
from app.access import Principal
from app.counting import PASSED
from app.domain import holidays, regions
from app.domain.ledger import PURPOSES
from app.models import CatalogueItem, Organization, Region, Tally, db
from app.states import DUE_SOON, FAILED, IN_USE, OVERDUE, SCRAPPED, STOPPED, UNVERIFIED, VALID

EARLIEST = date(2000, 1, 1)
MOST_MONTHS = 120
# The steps of tasks that make an institution's work.
WORK = {
    "offered": ("submit", "resubmit", "assign"), "accepted": ("accept",), "returned": ("return",),
    "recorded": ("record",), "certified": ("approve",),
}  # fmt: skip
NOW, YEAR_BEFORE, BEFORE = "now", "year_before", "before"

Sums = dict[str, dict[Any, int]]
Values = Mapping[str, Any]


@dataclass(frozen=True)
class Period:
    """Whole months, both included."""

    first: date
    last: date

    @property
    def months(self) -> int:
        return (self.last.year - self.first.year) * 12 + self.last.month - self.first.month + 1

    def earlier(self, months: int) -> "Period":
        return Period(_shifted(self.first, -months), _shifted(self.last, -months))

    def holds(self, month: Any) -> ColumnElement[bool]:
        held: ColumnElement[bool] = month.between(self.first, self.last)
        return held


def period(first: date | None, last: date | None) -> Period:
    """The months asked for; this year up to now if none. What is turned round, too long or to come is cut."""
    now = holidays.today().replace(day=1)
    end = min(max(last or now, EARLIEST), now)
    begin = max(first or end.replace(month=1), EARLIEST, _shifted(end, 1 - MOST_MONTHS))
    return Period(min(begin, end), end)


def _shifted(month: date, by: int) -> date:
    year, number = divmod(month.year * 12 + month.month - 1 + by, 12)
    return date(year, number + 1, 1)


@dataclass(frozen=True)
class Row:
    """A line of a statistic: a region, a kind or an institution."""

    key: str
    name: str
    values: Values


@dataclass(frozen=True)
class Statistic:
    rows: list[Row]
    total: Values


def rate(part: int, whole: int) -> Decimal | None:
    """A share in percent with two places; None of nothing."""
    return (Decimal(part) * 100 / whole).quantize(Decimal("0.01")) if whole else None


# --- What is told --------------------------------------------------------------------------------


def instruments(code: str, by: Principal) -> Statistic:
    """强检器具统计: what is filed, by purpose and by use."""
    use = func.concat_ws(" ", Tally.purpose, Tally.state)
    return _by_region(code, by, _sums("use", _part(code, by), use, _inside(code)), _of_use)


def _of_use(sums: Mapping[Any, int]) -> Values:
    pairs = [(*key.split(" "), amount) for key, amount in sums.items()]
    purposes = {each: sum(amount for purpose, _use, amount in pairs if purpose == each) for each in PURPOSES}
    uses = {each: sum(amount for _purpose, use, amount in pairs if use == each) for each in (IN_USE, STOPPED, SCRAPPED)}
    return {"filed": sum(sums.values()), **purposes, **uses}


def inspection_rate(code: str, by: Principal) -> Statistic:
    """受检率统计: of what is filed and in use, what has a valid verification today."""
    return _by_region(code, by, _sums("due", _part(code, by), Tally.state, _inside(code)), _of_due)


def inspection_rate_by_kind(code: str) -> Statistic:
    return _by_kind(_sums("due_kind", Tally.catalogue_item_id, Tally.state, _inside(code)), _of_due)


def _of_due(sums: Mapping[Any, int]) -> Values:
    due, verified = sum(sums.values()), sums.get(VALID, 0) + sums.get(DUE_SOON, 0)
    others = {state: sums.get(state, 0) for state in (OVERDUE, FAILED, UNVERIFIED)}
    return {"due": due, "verified": verified, **others, "rate": rate(verified, due)}


def pass_rate(code: str, over: Period, by: Principal) -> Statistic:
    """检定合格率统计: what passed of the results of a period, beside a year before (同比) and just before (环比)."""
    when, asked = _periods(over)
    return _by_region(code, by, _sums("result", _part(code, by), _result(when), asked, _inside(code)), _of_results)


def pass_rate_by_kind(code: str, over: Period) -> Statistic:
    """The same by kind. Results of kinds are counted by city: of a county there are none."""
    when, asked = _periods(over)
    return _by_kind(_sums("result_kind", Tally.catalogue_item_id, _result(when), asked, _inside(code)), _of_results)


def _periods(over: Period) -> tuple[Any, ColumnElement[bool]]:
    """SQL: in which of the periods compared a month lies, and that it lies in one. A month may lie in two of them."""
    periods = {NOW: over, YEAR_BEFORE: over.earlier(12), BEFORE: over.earlier(over.months)}
    names = [case((each.holds(Tally.month), f"{name} "), else_="") for name, each in periods.items()]
    return func.concat(*names), or_(*(each.holds(Tally.month) for each in periods.values()))


def _result(when: Any) -> Any:
    return func.concat(when, Tally.state)


def _of_results(sums: Mapping[Any, int]) -> Values:
    found = {
        name: [amount for key, amount in sums.items() if name in key.split(" ")] for name in (NOW, YEAR_BEFORE, BEFORE)
    }
    passed = {
        name: sum(amount for key, amount in sums.items() if {name, PASSED} <= set(key.split(" "))) for name in found
    }
    results = {name: sum(amounts) for name, amounts in found.items()}
    rates = {name: rate(passed[name], results[name]) for name in found}
    return {
        "results": results[NOW],
        "passed": passed[NOW],
        "failed": results[NOW] - passed[NOW],
        "rate": rates[NOW],
        **{f"{name}_results": results[name] for name in (YEAR_BEFORE, BEFORE)},
        **{f"{name}_rate": rates[name] for name in (YEAR_BEFORE, BEFORE)},
        **{f"{name}_points": _points(rates[NOW], rates[name]) for name in (YEAR_BEFORE, BEFORE)},
    }


def _points(now: Decimal | None, then: Decimal | None) -> Decimal | None:
    """What a rate has gained, in points of a percent."""
    return None if now is None or then is None else now - then


def workload(code: str, over: Period) -> Statistic:
    """检定机构业务量统计: what each institution was offered, took, returned, recorded and certified in a region."""
    inside = (_inside(code), over.holds(Tally.month))
    done = _sums("work", Tally.institution_id, Tally.state, *inside)
    results = _sums("result_of", Tally.institution_id, Tally.state, *inside)
    for institution, sums in results.items():
        done.setdefault(institution, {}).update(sums)
    names = {
        str(id): name
        for id, name in db.session.execute(
            select(Organization.id, Organization.name).where(Organization.id.in_(map(int, done)))
        )
    }
    rows = [Row(key, names.get(key, key), _of_work(sums)) for key, sums in done.items()]
    rows.sort(key=lambda row: (-row.values["certified"], -row.values["offered"], row.name))
    return Statistic(rows, _of_work(_total(done)))


def _of_work(sums: Mapping[Any, int]) -> Values:
    steps = {name: sum(sums.get(step, 0) for step in steps) for name, steps in WORK.items()}
    passed, results = sums.get(PASSED, 0), sums.get(PASSED, 0) + sums.get(FAILED, 0)
    return {**steps, "results": results, "passed": passed, "rate": rate(passed, results)}


# --- The sums ------------------------------------------------------------------------------------


def _sums(subject: str, line: Any, dimension: Any, *conditions: Any) -> Sums:
    """The amounts of a subject by line and dimension, as far as the acting person sees them."""
    rows = (
        select(line.label("line"), dimension.label("dimension"), func.sum(Tally.amount).label("amount"))
        .where(Tally.subject == subject, *conditions)
        .group_by("line", "dimension")
    )
    found: Sums = {}
    for key, name, amount in db.session.execute(rows):
        if amount:
            found.setdefault(str(key), {})[name] = int(amount)
    return found


def _inside(code: str) -> ColumnElement[bool]:
    return true() if code == regions.NATION else access.within(regions.prefix(code))(Tally)


def _part(code: str, by: Principal) -> Any:
    return regions.part_of(Tally.region_code, code, [region.code for region in regions.children(code, by)])


def _by_region(code: str, by: Principal, sums: Sums, told: Callable[[Mapping[Any, int]], Values]) -> Statistic:
    """Every region directly within one has its line, also if nothing was counted there; a county is its own."""
    below = regions.children(code, by) or [db.session.get_one(Region, code)]
    rows = [Row(region.code, region.name, told(sums.get(region.code, {}))) for region in below]
    known = {region.code: sums.get(region.code, {}) for region in below}
    return Statistic(rows, told(_total(known)))


def _by_kind(sums: Sums, told: Callable[[Mapping[Any, int]], Values]) -> Statistic:
    category = aliased(CatalogueItem)
    kinds = (
        select(CatalogueItem.id, CatalogueItem.name)
        .join(category, category.id == CatalogueItem.parent_id)
        .where(CatalogueItem.id.in_(map(int, sums)))
        .order_by(category.number, CatalogueItem.number, CatalogueItem.id)
    )
    rows = [Row(str(id), name, told(sums[str(id)])) for id, name in db.session.execute(kinds)]
    return Statistic(rows, told(_total(sums)))


def _total(sums: Sums) -> dict[Any, int]:
    total: dict[Any, int] = {}
    for line in sums.values():
        for name, amount in line.items():
            total[name] = total.get(name, 0) + amount
    return total
