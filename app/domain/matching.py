"""检定机构匹配: which institutions can verify the chosen instruments, and which is best for each.

An institution is able if an effective capability of the same kind (种别) covers the range and the accuracy and
serves the place, and the capability, its standard and the authorization are valid today (细则 Art 27, 28; the
choice is not bound to administrative borders, 细则 Art 13).

How near an institution is is told by administrative regions alone, for no coordinates are kept: in the same county, the
same city, the same province, or elsewhere.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from hashlib import sha256
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    String,
    Subquery,
    and_,
    case,
    cast,
    distinct,
    exists,
    func,
    literal,
    or_,
    select,
    values,
)
from sqlalchemy.dialects.postgresql import aggregate_order_by, array

from app import finding
from app.domain import holidays, workloads
from app.models import (
    Capability,
    CatalogueItem,
    Event,
    Institution,
    Instrument,
    MeasurementStandard,
    Organization,
    Region,
    ServiceRegion,
    Task,
    WeeklyCapacity,
    db,
)
from app.states import APPROVED, EFFECTIVE, IN_SERVICE, RETURN, TIME_OUT, UNPLACED
from app.workflow import Chosen, is_chosen

# How far a capability goes towards an instrument: the first thing that lacks is the reason to tell.
NO_KIND, NO_RANGE, NO_ACCURACY, NO_PLACE, NOT_VALID, ABLE = range(6)
# How near an institution is to the instruments (办法 Art 3: 就地就近).
ELSEWHERE, SAME_PROVINCE, SAME_CITY, SAME_COUNTY = range(4)


# In which order institutions are listed, beside the usual one; those able to most always come first.
BY_LOAD, BY_DAYS, BY_DISTANCE = "load", "days", "distance"


@dataclass(frozen=True)
class Return:
    """That an institution returned tasks, or let them time out: how many of the chosen, the last time when and why."""

    tasks: int
    at: datetime
    step: str
    reason: str | None


@dataclass
class Candidate:
    """An institution as choice for the selected tasks; `lacking` counts the tasks by what it lacks for them.

    `load` is all it has open. `open` and `weekly` are of the kinds that are chosen: open tasks, and how many it can
    verify in a week, None if that is not known of any of them.
    """

    id: int
    name: str
    region: str
    covered: int
    total: int
    proximity: int
    load: int
    open: int
    weekly: Decimal | None
    mean_days: float | None
    lacking: dict[int, int] = field(default_factory=dict)
    returned: Return | None = None

    @property
    def able(self) -> bool:
        return self.total > 0 and self.covered == self.total

    @property
    def free(self) -> Decimal | None:
        """How many more it can take this week."""
        return None if self.weekly is None else max(self.weekly - self.open, Decimal(0))


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


def waiting_tasks(chosen: Chosen) -> Any:
    """(id, the columns of a need): the chosen tasks that still wait, with what each needs.

    `returned_by` are the ids of the institutions that have returned the task or let it time out, as one text.
    """
    back = returns_of(chosen, "had")
    who = cast(back.c.institution_id, String)
    names = select(back.c.task_id, func.string_agg(distinct(who), aggregate_order_by(literal(","), who)).label("names"))
    returned = names.group_by(back.c.task_id).cte("returned")
    return (
        select(Task.id, *_NEED, func.coalesce(returned.c.names, "").label(_RETURNED_BY))
        .join(Instrument, and_(Instrument.id == Task.instrument_id, Instrument.city_code == Task.city_code))
        .outerjoin(returned, returned.c.task_id == Task.id)
        .where(is_chosen(Task.id, chosen), Task.state.in_(sorted(UNPLACED)))
        .cte("waiting")
    )


_RETURNED_BY = "returned_by"
FACTS = (*(column.key for column in _NEED), _RETURNED_BY)


def returns_of(chosen: Chosen, name: str = "back") -> Any:
    """(task_id, institution_id, at, step, reason): when the chosen tasks that wait were returned or timed out."""
    return (
        select(Task.id.label("task_id"), Event.institution_id, Event.at, Event.step, Event.reason)
        .join(Event, and_(Event.subject_id == Task.id, Event.city_code == Task.city_code))
        .where(is_chosen(Task.id, chosen), Task.state.in_(sorted(UNPLACED)))
        .where(Event.subject == "task", Event.step.in_((RETURN.name, TIME_OUT.name)))
        .where(Event.institution_id.is_not(None))
        .cte(name)
    )


def needs(chosen: Chosen) -> Any:
    """The distinct needs behind the chosen tasks that still wait, with the number of tasks of each."""
    waiting = waiting_tasks(chosen)
    columns = tuple(waiting.c[name] for name in FACTS)
    return _numbered(select(*columns, func.count().label("tasks")), columns)


def _numbered(rows: Any, columns: tuple[Any, ...]) -> Any:
    """The distinct needs among rows, each with a number."""
    grouped = rows.group_by(*columns).subquery("grouped")
    number = func.row_number().over(order_by=[grouped.c[name] for name in FACTS]).label("number")
    return select(grouped, number).cte("need").prefix_with("MATERIALIZED")


def has_returned(institution_id: Any, need: Any) -> Any:
    """SQL: whether an institution has returned the tasks of a need, or let them time out."""
    return cast(institution_id, String) == func.any(func.string_to_array(need.c.returned_by, ","))


def proximity_to(region_code: Any, need: Any) -> Any:
    """SQL: how near a place is to a need."""
    return case(
        (region_code == need.c.region_code, SAME_COUNTY),
        (func.left(region_code, 4) == func.left(need.c.region_code, 4), SAME_CITY),
        (func.left(region_code, 2) == func.left(need.c.region_code, 2), SAME_PROVINCE),
        else_=ELSEWHERE,
    )


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


def able_to(need: Any, only_id: int | None = None) -> Any:
    """(number, tasks, institution_id): who is able to which need."""
    serving = _serving(need, only_id)
    return select(serving.c.number, serving.c.tasks, serving.c.institution_id).where(serving.c.valid).cte("able")


# --- One institution for all ---------------------------------------------------------------------


def candidates(
    chosen: Chosen, *, search: str = "", sort: str = "", page: int = 1, size: int = 10
) -> tuple[list[Candidate], bool]:
    """A page of institutions, those able to verify most of the chosen first, and whether there are more.

    Order: tasks covered; then who returned none of them; then as `sort` says, else nearness (same county, city,
    province); then open load; then mean days.
    """
    need = needs(chosen)
    able = able_to(need)
    sums = select(able.c.institution_id, func.sum(able.c.tasks).label("tasks")).group_by(able.c.institution_id)
    covered = sums.cte("covered")
    back = returns_of(chosen)
    returns = select(back.c.institution_id).group_by(back.c.institution_id).cte("returns")
    kinds = select(need.c.catalogue_item_id).distinct().cte("kinds")
    open_ = workloads.open_of_kinds(kinds)
    weekly = _weekly_of(kinds)
    total = select(func.coalesce(func.sum(need.c.tasks), 0)).scalar_subquery()
    here, near, around = (_tasks_at(need, width) for width in (6, 4, 2))
    count = func.coalesce(covered.c.tasks, 0)
    load = workloads.open_tasks(Organization.id)
    distance = [func.coalesce(at.c.tasks, 0).desc() for at in (here, near, around)]
    days = Institution.mean_days.asc().nulls_last()
    firsts = {BY_LOAD: [load], BY_DAYS: [days], BY_DISTANCE: distance}
    usual = [*distance, case((covered.c.tasks > 0, load), else_=0), days, Organization.id]
    order: list[Any] = [count.desc(), returns.c.institution_id.is_not(None), *firsts.get(sort, []), *usual]
    rows = (
        select(
            Organization.id,
            Organization.name,
            Region.full_name.label("region"),
            count.label("covered"),
            total.label("total"),
            _proximity(here.c.tasks, near.c.tasks, around.c.tasks).label("proximity"),
            load.label("load"),
            func.coalesce(open_.c.open, 0).label("open"),
            weekly.c.weekly,
            Institution.mean_days,
        )
        .join(Institution, Institution.organization_id == Organization.id)
        .join(Region, Region.code == Organization.region_code)
        .outerjoin(covered, covered.c.institution_id == Organization.id)
        .outerjoin(returns, returns.c.institution_id == Organization.id)
        .outerjoin(open_, open_.c.institution_id == Organization.id)
        .outerjoin(weekly, weekly.c.institution_id == Organization.id)
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
        rows = rows.where(or_(*(finding.contains(name, search) for name in named)))
    found = [Candidate(**row) for row in db.session.execute(rows).mappings()]
    shown = found[:size]
    _tell_lacking(chosen, shown)
    returned = _returned_by_institution(chosen, [each.id for each in shown])
    for each in shown:
        each.returned = returned.get(each.id)
    return shown, len(found) > size


def _tasks_at(need: Any, width: int) -> Any:
    place = func.left(need.c.region_code, width).label("place")
    return select(place, func.sum(need.c.tasks).label("tasks")).group_by(place).cte(f"at_{width}")


def _proximity(here: Any, near: Any, around: Any) -> Any:
    return case((here > 0, SAME_COUNTY), (near > 0, SAME_CITY), (around > 0, SAME_PROVINCE), else_=ELSEWHERE)


def _weekly_of(kinds: Any) -> Any:
    """(institution_id, weekly): what institutions can verify in a week of some kinds together."""
    total = select(WeeklyCapacity.institution_id, func.sum(workloads.a_week()).label("weekly"))
    of_kinds = total.where(WeeklyCapacity.catalogue_item_id.in_(select(kinds.c.catalogue_item_id)))
    return of_kinds.group_by(WeeklyCapacity.institution_id).cte("weekly")


def _returned_by_institution(chosen: Chosen, institution_ids: Collection[int]) -> dict[int, Return]:
    """How each of these institutions returned chosen tasks, or let them time out."""
    back = returns_of(chosen)
    told = (*last_return(back), back.c.institution_id)
    rows = select(*told).where(back.c.institution_id.in_(institution_ids)).group_by(back.c.institution_id)
    return {row.institution_id: Return(*row[:4]) for row in db.session.execute(rows)}


def last_return(back: Any) -> tuple[Any, ...]:
    """Of how many tasks, and of the last time when, by which step and why."""
    last = [func.array_agg(aggregate_order_by(each, back.c.at.desc()))[1] for each in (back.c.step, back.c.reason)]
    return (func.count(distinct(back.c.task_id)), func.max(back.c.at), *last)


def _tell_lacking(chosen: Chosen, shown: Sequence[Candidate]) -> None:
    need = needs(chosen)
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
    need = needs(chosen)
    able = able_to(need, institution_id)
    done = select(func.coalesce(func.sum(able.c.tasks), 0))
    total = select(func.coalesce(func.sum(need.c.tasks), 0))
    return int(db.session.scalar(select(total.scalar_subquery() - done.scalar_subquery())) or 0)


# --- What nobody is able to --------------------------------------------------------------------------


def lacking_everywhere(chosen: Chosen) -> dict[int, int]:
    """Why no institution takes a task: the furthest that any capability goes towards it."""
    need = needs(chosen)
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


def need_columns() -> list[Any]:
    return [*(Column(column.key, column.type) for column in _NEED), Column(_RETURNED_BY, String)]


# --- For a using unit that books ------------------------------------------------------------------

MOST_OPTIONS = 10
MOST_LOTS = 60


@dataclass(frozen=True)
class Option:
    """An institution that is able to a lot: the first is the best, those that have returned the tasks come last."""

    institution_id: int
    institution: str
    region: str
    proximity: int
    mean_days: float | None
    returned: bool


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
    returned_by: str
    count: int
    options: tuple[Option, ...]

    @property
    def key(self) -> str:
        """What tells the lot from others, in a form."""
        return sha256(repr(self._need()).encode()).hexdigest()[:16]

    def _need(self) -> tuple[Any, ...]:
        return tuple(getattr(self, name) for name in FACTS)


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
    never = literal("").label(_RETURNED_BY)
    rows = select(*_OF_INSTRUMENTS, never, func.count().label("tasks")).where(is_chosen(Instrument.id, chosen))
    return _lots(_numbered(rows, _OF_INSTRUMENTS))


def options_for(
    catalogue_item_id: int, region_code: str, range_low: Any, range_high: Any, range_unit: str, accuracy_value: Any
) -> list[Option]:
    """The institutions able to an instrument that is not in the ledger yet, the best first."""
    facts = (catalogue_item_id, region_code, region_code[:4] + "00", range_low, range_high, range_unit, accuracy_value)
    typed = [literal(fact, column.type).label(column.key) for fact, column in zip(facts, _NEED, strict=True)]
    one = select(*typed, literal("").label(_RETURNED_BY), literal(1).label("tasks"), literal(1).label("number"))
    need = one.cte("need").prefix_with("MATERIALIZED")
    return [Option(*option) for _number, *option in db.session.execute(able_options(need).limit(MOST_OPTIONS))]


def lots_of_tasks(chosen: Chosen) -> list[Lot]:
    """The instruments of the chosen tasks that still wait, in lots."""
    return _lots(needs(chosen))


def _lots(need: Any) -> list[Lot]:
    options: dict[int, list[Option]] = {}
    for number, *option in db.session.execute(able_options(need)):
        options.setdefault(number, []).append(Option(*option))
    named = (
        select(need, CatalogueItem.name.label("kind"), Region.full_name.label("region"))
        .join_from(need, CatalogueItem, CatalogueItem.id == need.c.catalogue_item_id)
        .join(Region, Region.code == need.c.region_code)
        .order_by(need.c.number)
    )
    return [
        Lot(
            **{name: getattr(row, name) for name in (*FACTS, "kind", "region")},
            count=row.tasks,
            options=tuple(options.get(row.number, ())[:MOST_OPTIONS]),
        )
        for row in db.session.execute(named)
    ]


def able_options(need: Any) -> Any:
    """(number, institution, ...): who is able to each need, the best first."""
    able = able_to(need)
    near = proximity_to(Organization.region_code, need)
    returned = has_returned(Organization.id, need)
    days = Institution.mean_days
    return (
        select(need.c.number, Organization.id, Organization.name, Region.full_name, near, days, returned)
        .join_from(need, able, able.c.number == need.c.number)
        .join(Organization, Organization.id == able.c.institution_id)
        .join(Institution, Institution.organization_id == Organization.id)
        .join(Region, Region.code == Organization.region_code)
        .order_by(need.c.number, returned, near.desc(), days.asc().nulls_last(), Organization.id)
    )


def placed(chosen: Chosen, places: Sequence[tuple[Lot, int]]) -> Subquery:
    """(id, institution_id) for each chosen waiting task of these lots, with the institution chosen for its lot."""
    rows = [(*lot._need(), institution_id) for lot, institution_id in places]
    table = values(*need_columns(), Column("institution_id", BigInteger), name="placed_lot").data(rows)
    waiting = waiting_tasks(chosen)
    same = and_(*(waiting.c[name] == table.c[name] for name in FACTS))
    return select(waiting.c.id, table.c.institution_id).join(table, same).subquery("proposal")
