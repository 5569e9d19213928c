"""检定机构匹配: which institutions can verify the chosen instruments, and which is best for each.

An institution is able if an effective capability of the same kind (种别) covers the range and the accuracy and
serves the place, and the capability, its standard and the authorization are valid today (细则 Art 27, 28; the
choice is not bound to administrative borders, 细则 Art 13).

How near an institution is is told by administrative regions alone, for no coordinates are kept: in the same county, the
same city, the same province, or elsewhere.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from hashlib import sha256
from heapq import heapify, heapreplace
from typing import Any, NamedTuple

from flask_babel import gettext as _
from sqlalchemy import (
    BigInteger,
    Column,
    Integer,
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
from sqlalchemy.orm import aliased

from app.domain import holidays, workloads
from app.errors import RuleError
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
# Of an institution of which it is not known, when several are compared.
ASSUMED_A_WEEK = Decimal(10)


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


def _waiting(chosen: Chosen) -> Any:
    """(id, the columns of a need): the chosen tasks that still wait, with what each needs.

    `returned_by` are the ids of the institutions that have returned the task or let it time out, as one text.
    """
    back = _returns(chosen, "had")
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
_FACTS = (*(column.key for column in _NEED), _RETURNED_BY)


def _returns(chosen: Chosen, name: str = "back") -> Any:
    """(task_id, institution_id, at, step, reason): when the chosen tasks that wait were returned or timed out."""
    return (
        select(Task.id.label("task_id"), Event.institution_id, Event.at, Event.step, Event.reason)
        .join(Event, and_(Event.subject_id == Task.id, Event.city_code == Task.city_code))
        .where(is_chosen(Task.id, chosen), Task.state.in_(sorted(UNPLACED)))
        .where(Event.subject == "task", Event.step.in_((RETURN.name, TIME_OUT.name)))
        .where(Event.institution_id.is_not(None))
        .cte(name)
    )


def _needs(chosen: Chosen) -> Any:
    """The distinct needs behind the chosen tasks that still wait, with the number of tasks of each."""
    waiting = _waiting(chosen)
    columns = tuple(waiting.c[name] for name in _FACTS)
    return _numbered(select(*columns, func.count().label("tasks")), columns)


def _numbered(rows: Any, columns: tuple[Any, ...]) -> Any:
    """The distinct needs among rows, each with a number."""
    grouped = rows.group_by(*columns).subquery("grouped")
    number = func.row_number().over(order_by=[grouped.c[name] for name in _FACTS]).label("number")
    return select(grouped, number).cte("need").prefix_with("MATERIALIZED")


def _has_returned(institution_id: Any, need: Any) -> Any:
    """SQL: whether an institution has returned the tasks of a need, or let them time out."""
    return cast(institution_id, String) == func.any(func.string_to_array(need.c.returned_by, ","))


def _proximity_to(region_code: Any, need: Any) -> Any:
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


def _able(need: Any, only_id: int | None = None) -> Any:
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
    need = _needs(chosen)
    able = _able(need)
    sums = select(able.c.institution_id, func.sum(able.c.tasks).label("tasks")).group_by(able.c.institution_id)
    covered = sums.cte("covered")
    back = _returns(chosen)
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
        rows = rows.where(or_(*(name.icontains(search, autoescape=True) for name in named)))
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
    back = _returns(chosen)
    told = (*_last_return(back), back.c.institution_id)
    rows = select(*told).where(back.c.institution_id.in_(institution_ids)).group_by(back.c.institution_id)
    return {row.institution_id: Return(*row[:4]) for row in db.session.execute(rows)}


def _last_return(back: Any) -> tuple[Any, ...]:
    """Of how many tasks, and of the last time when, by which step and why."""
    last = [func.array_agg(aggregate_order_by(each, back.c.at.desc()))[1] for each in (back.c.step, back.c.reason)]
    return (func.count(distinct(back.c.task_id)), func.max(back.c.at), *last)


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


MOST_ROWS = 60


class _Choice(NamedTuple):
    """One of the institutions among which only the workload decides who gets the tasks of a need."""

    facts: tuple[Any, ...]
    tasks: int
    institution_id: int
    institution: str
    region: str
    proximity: int
    returned: bool
    able: int
    open: int
    weekly: Decimal | None
    mean_days: Decimal | None
    kind: str
    place: str

    @property
    def workload(self) -> tuple[int, int]:
        """What its work is counted by: itself and the kind."""
        return self.institution_id, self.facts[0]

    def weeks(self, more: int) -> Decimal:
        """How many weeks of work in the kind it has with so many tasks more."""
        return (self.open + more) / (self.weekly or ASSUMED_A_WEEK)


@dataclass(frozen=True)
class Share:
    """Tasks alike in what they need that a proposal gives to one institution, and why.

    `able` institutions could verify them, among `equals` equally near ones the workload decided. `open` tasks of the
    kind the institution has before, and `before` are given to it further up in the proposal. `returned` says that it
    had them before and comes last, for there is nobody else.
    """

    facts: tuple[Any, ...]
    kind: str
    place: str
    count: int
    institution_id: int
    institution: str
    proximity: int
    able: int
    equals: int
    open: int
    before: int
    weekly: Decimal | None
    returned: bool

    @property
    def key(self) -> str:
        """What tells the row from others, in a form."""
        return sha256(repr((self.facts, self.institution_id)).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Group:
    """The tasks that a proposal gives to one institution; `load` is what it has open before."""

    institution_id: int
    institution: str
    region: str
    count: int
    load: int
    mean_days: float | None


@dataclass(frozen=True)
class Proposal:
    """Who gets the selected tasks, row by row and by institution, and how many have nobody."""

    shares: tuple[Share, ...]
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
        shown = [(share.key, share.count) for share in self.shares]
        return sha256(repr((shown, self.total)).encode()).hexdigest()


def proposal(chosen: Chosen) -> Proposal:
    """智能分配: what would be given to whom.

    Those that have returned a task or let it time out come last, the nearest first. Among equals the work is shared by
    what they have open and can verify in a week, counting what the proposal itself gives them.
    """
    choices = _choices(chosen)
    shares = _shared(choices)
    count = int(db.session.scalar(select(func.coalesce(func.sum(_needs(chosen).c.tasks), 0))) or 0)
    matched = sum(share.count for share in shares)
    return Proposal(shares, _grouped(shares, choices), count, _lacking_everywhere(chosen) if matched < count else {})


def _choices(chosen: Chosen) -> list[_Choice]:
    """Of each need the able institutions that nobody is preferred to by returns and nearness."""
    need = _needs(chosen)
    able = _able(need)
    returned = _has_returned(Organization.id, need)
    near = _proximity_to(Organization.region_code, need)
    open_ = workloads.open_by_kind(select(able.c.institution_id))
    ranked = (
        select(
            need,
            Organization.id.label("institution_id"),
            Organization.name.label("institution"),
            Organization.region_code.label("home"),
            near.label("proximity"),
            returned.label("returned"),
            Institution.mean_days,
            func.count().over(partition_by=need.c.number).label("able"),
            func.rank().over(partition_by=need.c.number, order_by=[returned, near.desc()]).label("rank"),
        )
        .join_from(need, able, able.c.number == need.c.number)
        .join(Organization, Organization.id == able.c.institution_id)
        .join(Institution, Institution.organization_id == Organization.id)
        .cte("ranked")
    )
    kind, home, place = CatalogueItem, aliased(Region, name="home"), aliased(Region, name="place")
    rows = (
        select(
            *(ranked.c[name] for name in _FACTS), ranked.c.tasks, ranked.c.institution_id, ranked.c.institution,
            home.full_name, ranked.c.proximity, ranked.c.returned, ranked.c.able,
            func.coalesce(open_.c.open, 0), workloads.a_week(), ranked.c.mean_days, kind.name, place.full_name,
        )
        .join_from(ranked, kind, kind.id == ranked.c.catalogue_item_id)
        .join(home, home.code == ranked.c.home)
        .join(place, place.code == ranked.c.region_code)
        .outerjoin(open_, and_(open_.c.institution_id == ranked.c.institution_id, open_.c.kind_id == kind.id))
        .outerjoin(
            WeeklyCapacity,
            and_(
                WeeklyCapacity.institution_id == ranked.c.institution_id, WeeklyCapacity.catalogue_item_id == kind.id
            ),
        )
        .where(ranked.c.rank == 1)
        .order_by(ranked.c.number, ranked.c.institution_id)
    )  # fmt: skip
    width = len(_FACTS)
    return [_Choice(tuple(row[:width]), *row[width:]) for row in db.session.execute(rows)]


def _shared(choices: Iterable[_Choice]) -> tuple[Share, ...]:
    """Who gets how many tasks of each need; the needs that leave no choice first, for they fill institutions up."""
    by_need: dict[tuple[Any, ...], list[_Choice]] = {}
    for choice in choices:
        by_need.setdefault(choice.facts, []).append(choice)
    given: dict[tuple[int, int], int] = {}
    shares: list[Share] = []
    for equals in sorted(by_need.values(), key=len):
        for choice, number in _spread(equals, given):
            before = given.get(choice.workload, 0)
            given[choice.workload] = before + number
            shares.append(
                Share(choice.facts, choice.kind, choice.place, number, choice.institution_id, choice.institution,
                      choice.proximity, choice.able, len(equals), choice.open, before, choice.weekly, choice.returned)
            )  # fmt: skip
    return tuple(sorted(shares, key=lambda share: -share.count))


def _spread(equals: list[_Choice], given: Mapping[tuple[int, int], int]) -> list[tuple[_Choice, int]]:
    """How many of equal tasks each institution gets: the next one goes to whom it keeps busy for the shortest time."""

    def next_for(place: int, number: int) -> tuple[Any, ...]:
        choice = equals[place]
        days = (choice.mean_days is None, choice.mean_days or 0)
        return (choice.weeks(given.get(choice.workload, 0) + number + 1), days, choice.institution_id, place)

    counts = [0] * len(equals)
    waiting = [next_for(place, 0) for place in range(len(equals))]
    heapify(waiting)
    for _task in range(equals[0].tasks):
        place = waiting[0][-1]
        counts[place] += 1
        heapreplace(waiting, next_for(place, counts[place]))
    return [(choice, number) for choice, number in zip(equals, counts, strict=True) if number]


def _grouped(shares: Iterable[Share], choices: Iterable[_Choice]) -> tuple[Group, ...]:
    about = {choice.institution_id: choice for choice in choices}
    counts: dict[int, int] = {}
    for share in shares:
        counts[share.institution_id] = counts.get(share.institution_id, 0) + share.count
    loads = workloads.open_by_institution(counts)
    groups = (
        Group(id, about[id].institution, about[id].region, number, loads.get(id, 0), about[id].mean_days)
        for id, number in counts.items()
    )
    return tuple(sorted(groups, key=lambda group: (-group.count, group.institution_id)))


def returned_shares(chosen: Chosen, shares: Iterable[Share]) -> dict[str, Return]:
    """Of the shares whose institution had the tasks before, by their keys: when and why it gave them back."""
    back, waiting = _returns(chosen), _waiting(chosen)
    facts = [waiting.c[name] for name in _FACTS]
    wanted = {(share.facts, share.institution_id): share.key for share in shares if share.returned}
    if not wanted:
        return {}
    ids = {institution_id for _facts, institution_id in wanted}
    rows = (
        select(*_last_return(back), *facts, back.c.institution_id)
        .join_from(back, waiting, waiting.c.id == back.c.task_id)
        .where(back.c.institution_id.in_(ids))
        .group_by(*facts, back.c.institution_id)
    )
    found = {(tuple(row[4:-1]), row[-1]): Return(*row[:4]) for row in db.session.execute(rows)}
    return {key: found[what] for what, key in wanted.items() if what in found}


def options_of(chosen: Chosen, shares: Collection[Share]) -> dict[tuple[Any, ...], list["Option"]]:
    """The institutions able to what each of these shares needs, the best first."""
    need = _needs(chosen)
    facts = [need.c[name] for name in _FACTS]
    wanted = {share.facts for share in shares}
    kinds = {each[0] for each in wanted}
    rows = _options(need).add_columns(*facts).where(need.c.catalogue_item_id.in_(kinds))
    options: dict[tuple[Any, ...], list[Option]] = {}
    for _number, *row in db.session.execute(rows):
        what = tuple(row[-len(_FACTS) :])
        if what in wanted:
            options.setdefault(what, []).append(Option(*row[: -len(_FACTS)]))
    return options


def changed(chosen: Chosen, shown: Proposal, changes: Mapping[str, int | None]) -> tuple[Share, ...]:
    """The shares of a proposal with other institutions where somebody chose them; None leaves tasks as they are."""
    others = [share for share in shown.shares if changes.get(share.key, share.institution_id) != share.institution_id]
    options = options_of(chosen, others) if others else {}
    able = {facts: {option.institution_id for option in found} for facts, found in options.items()}
    kept: list[Share] = []
    for share in shown.shares:
        institution_id = changes.get(share.key, share.institution_id)
        if share in others and institution_id is not None and institution_id not in able.get(share.facts, ()):
            raise RuleError(_("An institution you chose can no longer verify these instruments. Please choose again."))
        if institution_id is not None:
            kept.append(replace(share, institution_id=institution_id))
    return tuple(kept)


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


def placed_shares(chosen: Chosen, shares: Iterable[Share]) -> Subquery:
    """(id, institution_id) for each chosen waiting task of these shares."""
    columns = [
        *_need_columns(),
        Column("institution_id", BigInteger),
        Column("first", Integer),
        Column("last", Integer),
    ]
    taken: dict[tuple[Any, ...], int] = {}
    rows: list[tuple[Any, ...]] = []
    for share in shares:
        first = taken.get(share.facts, 0) + 1
        taken[share.facts] = first + share.count - 1
        rows.append((*share.facts, share.institution_id, first, taken[share.facts]))
    table = values(*columns, name="share").data(rows)
    waiting = _waiting(chosen)
    facts = [waiting.c[name] for name in _FACTS]
    place = func.row_number().over(partition_by=facts, order_by=waiting.c.id).label("place")
    numbered = select(waiting, place).cte("numbered")
    same = and_(*(numbered.c[name] == table.c[name] for name in _FACTS))
    return (
        select(numbered.c.id, table.c.institution_id)
        .join(table, and_(same, numbered.c.place.between(table.c.first, table.c.last)))
        .subquery("proposal")
    )


def _need_columns() -> list[Any]:
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
        return tuple(getattr(self, name) for name in _FACTS)


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
    return [
        Lot(
            **{name: getattr(row, name) for name in (*_FACTS, "kind", "region")},
            count=row.tasks,
            options=tuple(options.get(row.number, ())[:MOST_OPTIONS]),
        )
        for row in db.session.execute(named)
    ]


def _options(need: Any) -> Any:
    """(number, institution, ...): who is able to each need, the best first."""
    able = _able(need)
    near = _proximity_to(Organization.region_code, need)
    returned = _has_returned(Organization.id, need)
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
    table = values(*_need_columns(), Column("institution_id", BigInteger), name="placed_lot").data(rows)
    waiting = _waiting(chosen)
    same = and_(*(waiting.c[name] == table.c[name] for name in _FACTS))
    return select(waiting.c.id, table.c.institution_id).join(table, same).subquery("proposal")
