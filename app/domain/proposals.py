"""智能分配: which institution is proposed for each of the chosen tasks, and why."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from hashlib import sha256
from heapq import heapify, heapreplace
from typing import Any, NamedTuple

from flask_babel import gettext as _
from sqlalchemy import BigInteger, Column, Integer, Subquery, and_, func, select, values
from sqlalchemy.orm import aliased

from app.domain import matching, workloads
from app.errors import RuleError
from app.models import CatalogueItem, Institution, Organization, Region, WeeklyCapacity, db
from app.workflow import Chosen

# Of an institution of which it is not known, when several are compared.
ASSUMED_A_WEEK = Decimal(10)
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
    mean_days: Decimal | None


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
    count = int(db.session.scalar(select(func.coalesce(func.sum(matching.needs(chosen).c.tasks), 0))) or 0)
    matched = sum(share.count for share in shares)
    return Proposal(
        shares, _grouped(shares, choices), count, matching.lacking_everywhere(chosen) if matched < count else {}
    )


def _choices(chosen: Chosen) -> list[_Choice]:
    """Of each need the able institutions that nobody is preferred to by returns and nearness."""
    need = matching.needs(chosen)
    able = matching.able_to(need)
    returned = matching.has_returned(Organization.id, need)
    near = matching.proximity_to(Organization.region_code, need)
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
            *(ranked.c[name] for name in matching.FACTS), ranked.c.tasks, ranked.c.institution_id, ranked.c.institution,
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
    width = len(matching.FACTS)
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


def returned_shares(chosen: Chosen, shares: Iterable[Share]) -> dict[str, matching.Return]:
    """Of the shares whose institution had the tasks before, by their keys: when and why it gave them back."""
    back, waiting = matching.returns_of(chosen), matching.waiting_tasks(chosen)
    facts = [waiting.c[name] for name in matching.FACTS]
    wanted = {(share.facts, share.institution_id): share.key for share in shares if share.returned}
    if not wanted:
        return {}
    ids = {institution_id for _facts, institution_id in wanted}
    rows = (
        select(*matching.last_return(back), *facts, back.c.institution_id)
        .join_from(back, waiting, waiting.c.id == back.c.task_id)
        .where(back.c.institution_id.in_(ids))
        .group_by(*facts, back.c.institution_id)
    )
    found = {(tuple(row[4:-1]), row[-1]): matching.Return(*row[:4]) for row in db.session.execute(rows)}
    return {key: found[what] for what, key in wanted.items() if what in found}


def options_of(chosen: Chosen, shares: Collection[Share]) -> dict[tuple[Any, ...], list[matching.Option]]:
    """The institutions able to what each of these shares needs, the best first."""
    need = matching.needs(chosen)
    facts = [need.c[name] for name in matching.FACTS]
    wanted = {share.facts for share in shares}
    kinds = {each[0] for each in wanted}
    rows = matching.able_options(need).add_columns(*facts).where(need.c.catalogue_item_id.in_(kinds))
    options: dict[tuple[Any, ...], list[matching.Option]] = {}
    for _number, *row in db.session.execute(rows):
        what = tuple(row[-len(matching.FACTS) :])
        if what in wanted:
            options.setdefault(what, []).append(matching.Option(*row[: -len(matching.FACTS)]))
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


def placed_shares(chosen: Chosen, shares: Iterable[Share]) -> Subquery:
    """(id, institution_id) for each chosen waiting task of these shares."""
    columns = [
        *matching.need_columns(),
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
    waiting = matching.waiting_tasks(chosen)
    facts = [waiting.c[name] for name in matching.FACTS]
    place = func.row_number().over(partition_by=facts, order_by=waiting.c.id).label("place")
    numbered = select(waiting, place).cte("numbered")
    same = and_(*(numbered.c[name] == table.c[name] for name in matching.FACTS))
    return (
        select(numbered.c.id, table.c.institution_id)
        .join(table, and_(same, numbered.c.place.between(table.c.first, table.c.last)))
        .subquery("proposal")
    )
