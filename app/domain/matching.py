"""检定机构匹配: which institutions can verify the chosen instruments, and which is best for each.

An institution is able if an effective capability of the same kind (种别) covers the range and the accuracy and
serves the place, and the capability, its standard and the authorization are valid today (细则 Art 27, 28; the
choice is not bound to administrative borders, 细则 Art 13).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from sqlalchemy import BigInteger, Column, Subquery, and_, case, exists, func, literal, or_, select, values
from sqlalchemy.dialects.postgresql import array, distinct_on
from sqlalchemy.orm import aliased

from app.domain import holidays
from app.models import (
    Capability,
    CatalogueItem,
    Institution,
    Instrument,
    MeasurementStandard,
    Organization,
    Region,
    ServiceRegion,
    Tally,
    Task,
    db,
)
from app.states import APPROVED, AT_INSTITUTION, EFFECTIVE, IN_SERVICE, UNPLACED
from app.workflow import Chosen, is_chosen

# How far a capability goes towards an instrument: the first thing that lacks is the reason to tell.
NO_KIND, NO_RANGE, NO_ACCURACY, NO_PLACE, NOT_VALID, ABLE = range(6)
# How near an institution is to the instruments (办法 Art 3: 就地就近).
ELSEWHERE, SAME_PROVINCE, SAME_CITY, SAME_COUNTY = range(4)


@dataclass
class Candidate:
    """An institution as choice for the selected tasks; `lacking` counts the tasks by what it lacks for them."""

    id: int
    name: str
    region: str
    covered: int
    total: int
    proximity: int
    load: int
    mean_days: float | None
    lacking: dict[int, int] = field(default_factory=dict)

    @property
    def able(self) -> bool:
        return self.total > 0 and self.covered == self.total


@dataclass(frozen=True)
class Group:
    """The tasks that a proposal gives to one institution."""

    institution_id: int
    institution: str
    region: str
    count: int
    load: int
    mean_days: float | None


@dataclass(frozen=True)
class Proposal:
    """The best institution for each of the selected tasks, and how many have none."""

    groups: tuple[Group, ...]
    total: int
    lacking: dict[int, int]

    @property
    def matched(self) -> int:
        return sum(group.count for group in self.groups)

    @property
    def unmatched(self) -> int:
        return self.total - self.matched

    @property
    def digest(self) -> str:
        """What was shown, to be compared with what is about to be done."""
        shown = [(group.institution_id, group.count) for group in self.groups]
        return sha256(repr((shown, self.total)).encode()).hexdigest()


# --- What is needed and who is able --------------------------------------------------------------


_NEED = (
    Task.catalogue_item_id,
    Task.region_code,
    Task.city_code,
    Instrument.range_low,
    Instrument.range_high,
    Instrument.range_unit,
    Instrument.accuracy_value,
)


def _needs(chosen: Chosen) -> Any:
    """The distinct needs behind the chosen tasks that still wait, with the number of tasks of each."""
    waiting = (
        select(*_NEED, func.count().label("tasks"))
        .join(Instrument, Instrument.id == Task.instrument_id)
        .where(is_chosen(Task.id, chosen), Task.state.in_(sorted(UNPLACED)))
    )
    return _numbered(waiting, _NEED)


def _numbered(rows: Any, columns: tuple[Any, ...]) -> Any:
    """The distinct needs among rows, each with a number."""
    grouped = rows.group_by(*columns).subquery("grouped")
    number = func.row_number().over(order_by=list(grouped.c)[:7]).label("number")
    return select(grouped, number).cte("need").prefix_with("MATERIALIZED")


def _covers_range(offer: Any, need: Any) -> Any:
    return and_(
        offer.range_unit == need.c.range_unit,
        offer.range_low <= need.c.range_low,
        offer.range_high >= need.c.range_high,
    )


def _covers_accuracy(offer: Any, need: Any) -> Any:
    return offer.accuracy_value <= need.c.accuracy_value


def _places_of(need: Any) -> Any:
    """The places under which an institution may serve: the county itself, its city, its province, the country."""
    province = func.left(need.c.region_code, 2).concat("0000")
    return array([need.c.region_code, need.c.city_code, province, literal("000000")])


def _serves_place(need: Any) -> Any:
    return exists().where(
        ServiceRegion.capability_id == Capability.id, ServiceRegion.region_code == func.any(_places_of(need))
    )


def is_valid_today() -> Any:
    day = holidays.today()
    standard = exists().where(
        MeasurementStandard.id == Capability.standard_id,
        MeasurementStandard.state == APPROVED,
        MeasurementStandard.valid_until >= day,
        MeasurementStandard.public_valid_until >= day,
    )
    authorized = exists().where(
        Institution.organization_id == Capability.institution_id,
        Institution.authorized_until >= day,
        Institution.standing == IN_SERVICE,
        Organization.id == Capability.institution_id,
        Organization.active,
    )
    return and_(
        Capability.state == EFFECTIVE,
        Capability.valid_from <= day,
        Capability.valid_until >= day,
        or_(Capability.standard_id.is_(None), standard),
        authorized,
    )


def _serving(need: Any, only_id: int | None = None) -> Any:
    """(number, tasks, institution_id, valid): who serves the place of a need and covers its range and accuracy.

    With `only_id` that one institution alone is asked about.

    Needs and capabilities meet by place and kind at once: thousands of needs against tens of thousands of
    capabilities would take minutes one by one.
    """
    place = select(need.c.number, func.unnest(_places_of(need)).label("code")).cte("place")
    offers = (
        select(
            ServiceRegion.region_code,
            Capability.catalogue_item_id,
            Capability.institution_id,
            Capability.range_low,
            Capability.range_high,
            Capability.range_unit,
            Capability.accuracy_value,
            is_valid_today().label("valid"),
        )
        .join_from(Capability, ServiceRegion, ServiceRegion.capability_id == Capability.id)
        .where(Capability.catalogue_item_id.in_(select(need.c.catalogue_item_id)))
        .where(ServiceRegion.region_code.in_(select(place.c.code)))
    )
    if only_id is not None:
        offers = offers.where(Capability.institution_id == only_id)
    offer = offers.cte("offer").prefix_with("MATERIALIZED")
    here = and_(offer.c.region_code == place.c.code, offer.c.catalogue_item_id == need.c.catalogue_item_id)
    return (
        select(need.c.number, need.c.tasks, offer.c.institution_id, func.bool_or(offer.c.valid).label("valid"))
        .join_from(need, place, place.c.number == need.c.number)
        .join(offer, here)
        .where(_covers_range(offer.c, need), _covers_accuracy(offer.c, need))
        .group_by(need.c.number, need.c.tasks, offer.c.institution_id)
        .cte("serving")
    )


def _able(need: Any, only_id: int | None = None) -> Any:
    """(number, tasks, institution_id): who is able to which need."""
    serving = _serving(need, only_id)
    return select(serving.c.number, serving.c.tasks, serving.c.institution_id).where(serving.c.valid).cte("able")


# --- One institution for all ---------------------------------------------------------------------


def candidates(chosen: Chosen, *, search: str = "", page: int = 1, size: int = 10) -> tuple[list[Candidate], bool]:
    """A page of institutions, those able to verify most of the chosen first, and whether there are more.

    Order: tasks covered; then nearness (same county, city, province); then open load; then mean days.
    """
    need = _needs(chosen)
    able = _able(need)
    sums = select(able.c.institution_id, func.sum(able.c.tasks).label("tasks")).group_by(able.c.institution_id)
    covered = sums.cte("covered")
    total = select(func.coalesce(func.sum(need.c.tasks), 0)).scalar_subquery()
    here, near, around = (_tasks_at(need, width) for width in (6, 4, 2))
    count = func.coalesce(covered.c.tasks, 0)
    load = case((covered.c.tasks > 0, _load(Organization.id)), else_=0)
    order: list[Any] = [count.desc(), *(func.coalesce(at.c.tasks, 0).desc() for at in (here, near, around))]
    order += [load, Institution.mean_days.asc().nulls_last(), Organization.id]
    rows = (
        select(
            Organization.id,
            Organization.name,
            Region.full_name.label("region"),
            count.label("covered"),
            total.label("total"),
            _proximity(here.c.tasks, near.c.tasks, around.c.tasks).label("proximity"),
            _load(Organization.id).label("load"),
            Institution.mean_days,
        )
        .join(Institution, Institution.organization_id == Organization.id)
        .join(Region, Region.code == Organization.region_code)
        .outerjoin(covered, covered.c.institution_id == Organization.id)
        .outerjoin(here, here.c.place == Organization.region_code)
        .outerjoin(near, near.c.place == func.left(Organization.region_code, 4))
        .outerjoin(around, around.c.place == func.left(Organization.region_code, 2))
        .where(Organization.kind == "institution", Organization.active, Institution.standing == IN_SERVICE)
        .order_by(*order)
        .limit(size + 1)
        .offset((page - 1) * size)
    )
    if search:
        named = (Organization.name, Region.full_name)
        rows = rows.where(or_(*(name.icontains(search, autoescape=True) for name in named)))
    found = [Candidate(**row) for row in db.session.execute(rows).mappings()]
    shown = found[:size]
    _tell_lacking(chosen, shown)
    return shown, len(found) > size


def _tasks_at(need: Any, width: int) -> Any:
    place = func.left(need.c.region_code, width).label("place")
    return select(place, func.sum(need.c.tasks).label("tasks")).group_by(place).cte(f"at_{width}")


def _proximity(here: Any, near: Any, around: Any) -> Any:
    return case((here > 0, SAME_COUNTY), (near > 0, SAME_CITY), (around > 0, SAME_PROVINCE), else_=ELSEWHERE)


def _load(institution_id: Any) -> Any:
    """The number of tasks an institution has open."""
    return (
        select(func.coalesce(func.sum(Tally.amount), 0))
        .where(
            Tally.subject == "load",
            Tally.institution_id == institution_id,
            Tally.state.in_(sorted(AT_INSTITUTION)),
        )
        .scalar_subquery()
    )


def _tell_lacking(chosen: Chosen, shown: Sequence[Candidate]) -> None:
    need = _needs(chosen)
    institution = select(Organization.id).where(Organization.id.in_([c.id for c in shown])).cte("shown")
    reached = func.coalesce(func.max(_reached(need)), NO_KIND).label("reached")
    each = (
        select(institution.c.id, need.c.number, need.c.tasks, reached)
        .select_from(institution)
        .join(need, literal(True))
        .outerjoin(
            Capability,
            and_(
                Capability.institution_id == institution.c.id,
                Capability.catalogue_item_id == need.c.catalogue_item_id,
            ),
        )
        .group_by(institution.c.id, need.c.number, need.c.tasks)
        .subquery("each")
    )
    sums = select(each.c.id, each.c.reached, func.sum(each.c.tasks)).group_by(each.c.id, each.c.reached)
    by_id = {candidate.id: candidate for candidate in shown}
    for institution_id, stage, tasks in db.session.execute(sums.where(each.c.reached < ABLE)):
        by_id[institution_id].lacking[stage] = int(tasks)


def _reached(need: Any) -> Any:
    """How far one capability goes: kind, range, accuracy, place, validity, in this order."""
    return case(
        (Capability.id.is_(None), NO_KIND),
        (~_covers_range(Capability, need), NO_RANGE),
        (~_covers_accuracy(Capability, need), NO_ACCURACY),
        (~_serves_place(need), NO_PLACE),
        (~is_valid_today(), NOT_VALID),
        else_=ABLE,
    )


def uncovered(chosen: Chosen, institution_id: int) -> int:
    """How many of the chosen waiting tasks an institution is not able to do."""
    need = _needs(chosen)
    able = _able(need, institution_id)
    done = select(func.coalesce(func.sum(able.c.tasks), 0))
    total = select(func.coalesce(func.sum(need.c.tasks), 0))
    return int(db.session.scalar(select(total.scalar_subquery() - done.scalar_subquery())) or 0)


# --- The best institution for each ---------------------------------------------------------------


def _best(need: Any) -> Any:
    """(number, institution_id): the nearest able institution of each need, then the one with least to do."""
    able = _able(need)
    at = aliased(Organization, name="at")
    house = aliased(Institution, name="house")
    near = case(
        (at.region_code == need.c.region_code, SAME_COUNTY),
        (func.left(at.region_code, 4) == func.left(need.c.region_code, 4), SAME_CITY),
        (func.left(at.region_code, 2) == func.left(need.c.region_code, 2), SAME_PROVINCE),
        else_=ELSEWHERE,
    )
    loads = (
        select(Tally.institution_id, func.sum(Tally.amount).label("load"))
        .where(Tally.subject == "load", Tally.state.in_(sorted(AT_INSTITUTION)))
        .where(Tally.institution_id.in_(select(able.c.institution_id)))
        .group_by(Tally.institution_id)
        .cte("loads")
    )
    return (
        select(need.c.number, able.c.institution_id)
        .ext(distinct_on(need.c.number))
        .join_from(need, able, able.c.number == need.c.number)
        .join(at, at.id == able.c.institution_id)
        .join(house, house.organization_id == able.c.institution_id)
        .outerjoin(loads, loads.c.institution_id == able.c.institution_id)
        .order_by(
            need.c.number,
            near.desc(),
            func.coalesce(loads.c.load, 0),
            house.mean_days.asc().nulls_last(),
            able.c.institution_id,
        )
        .cte("best")
    )


def proposal(chosen: Chosen) -> Proposal:
    """智能分配: what would be given to whom."""
    need = _needs(chosen)
    best = _best(need)
    total = select(func.coalesce(func.sum(need.c.tasks), 0)).scalar_subquery()
    groups = (
        select(
            best.c.institution_id,
            Organization.name.label("institution"),
            Region.full_name.label("region"),
            func.sum(need.c.tasks).label("count"),
            _load(best.c.institution_id).label("load"),
            Institution.mean_days,
        )
        .join_from(best, need, need.c.number == best.c.number)
        .join(Organization, Organization.id == best.c.institution_id)
        .join(Institution, Institution.organization_id == best.c.institution_id)
        .join(Region, Region.code == Organization.region_code)
        .group_by(best.c.institution_id, Organization.name, Region.full_name, Institution.mean_days)
        .order_by(func.sum(need.c.tasks).desc(), best.c.institution_id)
    )
    found = tuple(Group(**row) for row in db.session.execute(groups).mappings())
    count = int(db.session.scalar(select(total)) or 0)
    matched = sum(group.count for group in found)
    return Proposal(found, count, _lacking_everywhere(chosen) if matched < count else {})


def _lacking_everywhere(chosen: Chosen) -> dict[int, int]:
    """Why no institution takes a task: the furthest that any capability goes towards it."""
    need = _needs(chosen)
    serving = _serving(need)
    furthest = _furthest(need)
    able = select(serving.c.number).where(serving.c.valid)
    reached = case(
        (need.c.number.in_(able), ABLE),
        (need.c.number.in_(select(serving.c.number)), NOT_VALID),
        else_=furthest.c.reached,
    ).label("reached")
    same = and_(*(furthest.c[name] == need.c[name] for name in _SORT))
    each = select(need.c.tasks, reached).join_from(need, furthest, same).subquery("each")
    sums = select(each.c.reached, func.sum(each.c.tasks)).where(each.c.reached < ABLE).group_by(each.c.reached)
    return {stage: int(tasks) for stage, tasks in db.session.execute(sums)}


# What sort of instrument a need is about: few needs differ in it.
_SORT = ("catalogue_item_id", "range_low", "range_high", "range_unit", "accuracy_value")


def _furthest(need: Any) -> Any:
    """(sort, reached): how far the capabilities of whatever place go towards a sort of instrument."""
    sort = select(*(need.c[name] for name in _SORT)).distinct().cte("sort")
    stage = case(
        (Capability.id.is_(None), NO_KIND),
        (~_covers_range(Capability, sort), NO_RANGE),
        (~_covers_accuracy(Capability, sort), NO_ACCURACY),
        else_=NO_PLACE,
    )
    return (
        select(*sort.c, func.max(stage).label("reached"))
        .select_from(sort)
        .outerjoin(Capability, Capability.catalogue_item_id == sort.c.catalogue_item_id)
        .group_by(*sort.c)
        .cte("furthest")
    )


def best_for_tasks(chosen: Chosen) -> Subquery:
    """(id, institution_id) for each chosen waiting task that has an able institution."""
    need = _needs(chosen)
    best = _best(need)
    same = and_(*(column == need.c[column.key] for column in _NEED))
    return (
        select(Task.id, best.c.institution_id)
        .join(Instrument, Instrument.id == Task.instrument_id)
        .join(need, same)
        .join(best, best.c.number == need.c.number)
        .where(is_chosen(Task.id, chosen), Task.state.in_(sorted(UNPLACED)))
        .subquery("proposal")
    )


# --- For a using unit that books ------------------------------------------------------------------

MOST_OPTIONS = 10
MOST_LOTS = 60


@dataclass(frozen=True)
class Option:
    """An institution that is able to a lot; the first is the best."""

    institution_id: int
    institution: str
    region: str
    proximity: int
    mean_days: float | None


@dataclass(frozen=True)
class Lot:
    """Instruments alike in what an institution must be able to, and the institutions that are."""

    catalogue_item_id: int
    kind: str
    region_code: str
    region: str
    city_code: str
    range_low: Any
    range_high: Any
    range_unit: str
    accuracy_value: Any
    count: int
    options: tuple[Option, ...]

    @property
    def key(self) -> str:
        """What tells the lot from others, in a form."""
        return sha256(repr(self._need()).encode()).hexdigest()[:16]

    def _need(self) -> tuple[Any, ...]:
        return tuple(getattr(self, column.key) for column in _NEED)


_OF_INSTRUMENTS = (
    Instrument.catalogue_item_id,
    Instrument.region_code,
    Instrument.city_code,
    Instrument.range_low,
    Instrument.range_high,
    Instrument.range_unit,
    Instrument.accuracy_value,
)


def lots_of_instruments(chosen: Chosen) -> list[Lot]:
    """The chosen instruments in lots, with the institutions able to each."""
    rows = select(*_OF_INSTRUMENTS, func.count().label("tasks")).where(is_chosen(Instrument.id, chosen))
    return _lots(_numbered(rows, _OF_INSTRUMENTS))


def options_for(
    catalogue_item_id: int, region_code: str, range_low: Any, range_high: Any, range_unit: str, accuracy_value: Any
) -> list[Option]:
    """The institutions able to an instrument that is not in the ledger yet, the best first."""
    facts = (catalogue_item_id, region_code, region_code[:4] + "00", range_low, range_high, range_unit, accuracy_value)
    typed = [literal(fact, column.type).label(column.key) for fact, column in zip(facts, _NEED, strict=True)]
    one = select(*typed, literal(1).label("tasks"), literal(1).label("number"))
    need = one.cte("need").prefix_with("MATERIALIZED")
    return [Option(*option) for _number, *option in db.session.execute(_options(need).limit(MOST_OPTIONS))]


def lots_of_tasks(chosen: Chosen) -> list[Lot]:
    """The instruments of the chosen tasks that still wait, in lots."""
    return _lots(_needs(chosen))


def _lots(need: Any) -> list[Lot]:
    options: dict[int, list[Option]] = {}
    for number, *option in db.session.execute(_options(need)):
        options.setdefault(number, []).append(Option(*option))
    named = (
        select(need, CatalogueItem.name.label("kind"), Region.full_name.label("region"))
        .join_from(need, CatalogueItem, CatalogueItem.id == need.c.catalogue_item_id)
        .join(Region, Region.code == need.c.region_code)
        .order_by(need.c.number)
    )
    names = [column.key for column in _NEED]
    return [
        Lot(
            **{name: getattr(row, name) for name in (*names, "kind", "region")},
            count=row.tasks,
            options=tuple(options.get(row.number, ())[:MOST_OPTIONS]),
        )
        for row in db.session.execute(named)
    ]


def _options(need: Any) -> Any:
    """(number, institution, ...): who is able to each need, the best first."""
    able = _able(need)
    near = case(
        (Organization.region_code == need.c.region_code, SAME_COUNTY),
        (func.left(Organization.region_code, 4) == func.left(need.c.region_code, 4), SAME_CITY),
        (func.left(Organization.region_code, 2) == func.left(need.c.region_code, 2), SAME_PROVINCE),
        else_=ELSEWHERE,
    )
    return (
        select(need.c.number, Organization.id, Organization.name, Region.full_name, near, Institution.mean_days)
        .join_from(need, able, able.c.number == need.c.number)
        .join(Organization, Organization.id == able.c.institution_id)
        .join(Institution, Institution.organization_id == Organization.id)
        .join(Region, Region.code == Organization.region_code)
        .order_by(need.c.number, near.desc(), Institution.mean_days.asc().nulls_last(), Organization.id)
    )


def placed(chosen: Chosen, places: Sequence[tuple[Lot, int]]) -> Subquery:
    """(id, institution_id) for each chosen waiting task of these lots, with the institution chosen for its lot."""
    columns = [Column(column.key, column.type) for column in _NEED] + [Column("institution_id", BigInteger)]
    rows = [(*lot._need(), institution_id) for lot, institution_id in places]
    table = values(*columns, name="placed_lot").data(rows)
    same = and_(*(table.c[column.key] == column for column in _NEED))
    return (
        select(Task.id, table.c.institution_id)
        .join_from(Task, Instrument, Instrument.id == Task.instrument_id)
        .join(table, same)
        .where(is_chosen(Task.id, chosen), Task.state.in_(sorted(UNPLACED)))
        .subquery("proposal")
    )
