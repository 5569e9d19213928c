"""fire(): the only writer of a state, of its history, of the tally of what it changed, and of who is told of it."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Select,
    Subquery,
    case,
    cast,
    exists,
    func,
    insert,
    literal,
    null,
    select,
    union_all,
    update,
)
from sqlalchemy.sql import visitors

from app import access, audit, counting
from app.access import Principal
from app.counting import SUBJECTS
from app.models import (
    Account,
    Appointment,
    Capability,
    CatalogueItem,
    Certificate,
    Event,
    Inspection,
    Institution,
    Instrument,
    MeasurementStandard,
    Notification,
    Organization,
    Role as AccountRole,
    Tally,
    Task,
    db,
    held_role,
)
from app.states import WITH_REASON, Step

Chosen = Collection[int] | Select[int]


@dataclass(frozen=True)
class Outcome:
    """What a step did: of `asked` rows, `done` were in a state that allows it and moved."""

    asked: int
    done: int

    @property
    def skipped(self) -> int:
        return self.asked - self.done


def fire(
    step: Step,
    chosen: Chosen,
    by: Principal,
    *,
    reason: str | None = None,
    only: ColumnElement[bool] | None = None,
    proposal: Subquery | None = None,
    payload: dict[str, Any] | None = None,
    told: Callable[[Any], Any] | None = None,
    **values: Any,
) -> Outcome:
    """Move the chosen rows that `by` sees and that are in a source state of `step`; write down what happened.

    `only` narrows further. `payload` is kept with the history of all of them, what `told` gives with that of each.
    `values` are columns to set; they may name columns of `proposal`, a subquery with one
    row (`id`, ...) for each row that is to move. The old state is tested by the statement itself, so of two people
    who click at once one moves the row. One statement, whatever the number of rows. Does not commit.
    """
    if step.needs_reason and not (reason or "").strip():
        raise ValueError(f"{step.name} needs a reason")
    picked = _picked(chosen)
    if step.of in _DECIDING and only is not None and _asks_for_organizations(only):
        _keep_deciding(step, picked)
    moved = (_moved_task if step.of == "task" else _moved)(step, picked, by, reason, only, proposal, values)
    kept = told(moved.c) if told else literal(payload, _PAYLOAD) if payload else cast(null(), _PAYLOAD)
    written = [_told(step, moved, by, reason, kept)]
    written += _tallied(step, moved, kept, {step.column, *values})
    written += [_notified(step, moved, party, reason) for party in sorted(step.tells)]
    asked = literal(len(picked)) if isinstance(picked, list) else _count(picked)
    done = select(asked.label("asked"), _count(moved).label("done")).add_cte(*written)
    outcome = Outcome(*db.session.execute(done).one())
    if outcome.done:
        only_one = next(iter(chosen)) if isinstance(chosen, Collection) and len(chosen) == 1 else None
        audit.record(step.name, step.of, only_one, by=by, done=outcome.done, reason=reason, **(payload or {}))
    return outcome


def how_many(chosen: Chosen) -> int:
    """The number of rows that are chosen."""
    if isinstance(chosen, Collection):
        return len(set(chosen))
    return db.session.scalar(select(func.count()).select_from(chosen.subquery())) or 0


def is_chosen(id: Any, chosen: Chosen) -> ColumnElement[bool]:
    """The condition that a row is among the chosen."""
    among: ColumnElement[bool]
    if isinstance(chosen, Collection):
        among = id == func.any(literal(list(chosen), ARRAY(BigInteger)))
    else:
        among = id.in_(chosen)
    return among


def lock(model: Any, chosen: Chosen) -> list[int]:
    """Lock the chosen rows of a big table that the acting person sees, until the end of the transaction.

    Gives their ids. What a verb asks of other tables it asks afterwards: whoever changed those holds the same rows.
    City by city and in the order of the ids, so that two who lock the same rows wait for one another.
    """
    cities = select(model.city_code).where(is_chosen(model.id, chosen)).distinct().order_by(model.city_code)
    ids: list[int] = []
    for city in list(db.session.scalars(cities)):
        rows = select(model.id).where(model.city_code == city, is_chosen(model.id, chosen)).order_by(model.id)
        ids += db.session.scalars(rows.with_for_update(of=model))
    return ids


def keep_organizations(which: Any) -> None:
    """Keep organizations as they are until the transaction ends: whether they are active, and their place in the tree.

    `which` is a statement of their ids. Whoever moves, merges or disables one has finished before, or waits.
    """
    ids = Organization.__table__.c.id
    db.session.execute(select(ids).where(ids.in_(which)).order_by(ids).with_for_update(read=True))


# The organization whose place decides whether a row is somebody's to act on; nobody acts on other rows by place.
_DECIDING = {
    "task": "authority_id",
    "inspection": "authority_id",
    "capability": "institution_id",
    "measurement_standard": "institution_id",
    "institution": "organization_id",
}


def _keep_deciding(step: Step, picked: Any) -> None:
    table = MODELS[step.of].__table__
    keep_organizations(select(table.c[_DECIDING[step.of]]).where(_is_picked(table.c[KEYS.get(step.of, "id")], picked)))


def _asks_for_organizations(condition: ColumnElement[bool]) -> bool:
    return any(each is Organization.__table__ for each in visitors.iterate(condition))


def _picked(chosen: Chosen) -> Any:
    return sorted(set(chosen)) if isinstance(chosen, Collection) else chosen.cte("picked")


def _is_picked(id: Any, picked: Any) -> ColumnElement[bool]:
    # Named one by one the planner knows how many they are; as rows of a subquery it took 50,000 for one.
    return is_chosen(id, picked if isinstance(picked, list) else select(picked.c.id))


def _count(rows: Any) -> Any:
    return select(func.count()).select_from(rows).scalar_subquery()


def _moved_task(
    step: Step,
    picked: Any,
    by: Principal,
    reason: str | None,
    only: ColumnElement[bool] | None,
    proposal: Subquery | None,
    values: dict[str, Any],
) -> Any:
    """The tasks that moved; what they left stands in them, so that one UPDATE is enough."""
    task = Task.__table__
    statement = (
        update(task)
        .where(_is_picked(task.c.id, picked), task.c.state.in_(sorted(step.sources)))
        .values(
            state=step.target,
            previous_state=task.c.state,
            previous_institution_id=task.c.institution_id,
            state_since=func.now(),
            reason=reason if step.target in WITH_REASON else None,
            **values,
        )
    )
    if only is not None:
        statement = statement.where(only)
    if proposal is not None:
        statement = statement.where(task.c.id == proposal.c.id)
    return access.visible(statement, Task, who=by).returning(*task.c).cte("moved")


MODELS: dict[str, Any] = {
    "task": Task,
    "appointment": Appointment,
    "instrument": Instrument,
    "certificate": Certificate,
    "capability": Capability,
    "measurement_standard": MeasurementStandard,
    "institution": Institution,
    "catalogue_item": CatalogueItem,
    "inspection": Inspection,
    "organization": Organization,
}
# What a row is known by, where it is not `id`.
KEYS = {"institution": "organization_id"}


def _moved(
    step: Step,
    picked: Any,
    by: Principal,
    reason: str | None,
    only: ColumnElement[bool] | None,
    proposal: Subquery | None,
    values: dict[str, Any],
) -> Any:
    """The rows that moved, of tables that do not remember what they left: they are held while it is looked at."""
    model = MODELS[step.of]
    table = model.__table__
    key, state = table.c[KEYS.get(step.of, "id")], table.c[step.column]
    left = [table.c[name].label(f"previous_{name}") for name in _LEFT.get(step.of, ())]
    held = select(key.label("id"), state.label("previous_state"), *left).where(
        _is_picked(key, picked), state.in_(sorted(step.sources))
    )
    if only is not None:
        held = held.where(only)
    locked = access.visible(held, model, who=by).order_by(key).with_for_update(of=table).cte("locked")
    told = {"reason": reason} if "reason" in table.c else {}
    statement = update(table).where(key == locked.c.id).values({step.column: step.target, **told, **values})
    if proposal is not None:
        statement = statement.where(key == proposal.c.id)
    place = _PLACES[step.of](table)
    facts = {"id": key, "previous_state": locked.c.previous_state, "state": literal(step.target), **place}
    facts |= {each.name: locked.c[each.name] for each in left}
    return statement.returning(*(value.label(name) for name, value in facts.items())).cte("moved")


def _own_place(table: Any) -> dict[str, Any]:
    names = ("city_code", "region_code", "using_unit_id", "institution_id")
    return {name: table.c.get(name, _NONE) for name in names}


def _institutions_place(table: Any) -> dict[str, Any]:
    """Where the institution is at home."""
    house, institution_id = Organization.__table__.alias("house"), table.c.get("institution_id", table.c.get(_HOUSE))
    region = select(house.c.region_code).where(house.c.id == institution_id).scalar_subquery()
    city = func.left(region, 4).concat("00")
    return {"city_code": city, "region_code": region, "using_unit_id": _NONE, "institution_id": institution_id}


def _inspected_place(table: Any) -> dict[str, Any]:
    """Where the target is at home; the party is an institution or a using unit."""
    of_institution = table.c.kind.in_(("institution", "standard"))
    return {
        "city_code": table.c.city_code,
        "region_code": table.c.region_code,
        "using_unit_id": case((~of_institution, table.c.party_id)),
        "institution_id": case((of_institution, table.c.party_id)),
        "authority_id": table.c.authority_id,
    }


def _no_place(_table: Any) -> dict[str, Any]:
    """The catalogue is the nation's."""
    return {
        "city_code": literal(NATION),
        "region_code": literal(NATION),
        "using_unit_id": _NONE,
        "institution_id": _NONE,
    }


_HOUSE, NATION = "organization_id", "000000"


_NONE = cast(null(), BigInteger)
_COUNTED = {
    "instrument": (
        "catalogue_item_id", "purpose", "filing_state", "use_state", "verification_state", "valid_until",
        "cycle_months",
    ),
    "certificate": ("instrument_id", "issued_at", "passed"),
}  # fmt: skip
# What a step may set beside the state, and is counted by.
_LEFT = {"instrument": ("valid_until",)}


def _counted_place(of: str) -> Callable[[Any], dict[str, Any]]:
    """Where a row is, and what it is counted by."""
    return lambda table: {**_own_place(table), **{name: table.c[name] for name in _COUNTED[of]}}


_PLACES = {
    "instrument": _counted_place("instrument"),
    "certificate": _counted_place("certificate"),
    "capability": _institutions_place,
    "measurement_standard": _institutions_place,
    "institution": _institutions_place,
    "catalogue_item": _no_place,
    "inspection": _inspected_place,
}


_PAYLOAD = Event.__table__.c.payload.type


def _told(step: Step, moved: Any, by: Principal, reason: str | None, payload: Any) -> Any:
    left = moved.c.get("previous_institution_id", moved.c.institution_id)
    facts = {
        "subject": literal(step.of),
        "subject_id": moved.c.id,
        "city_code": moved.c.city_code,
        "region_code": moved.c.region_code,
        "using_unit_id": moved.c.using_unit_id,
        "institution_id": func.coalesce(moved.c.institution_id, left),
        "step": literal(step.name),
        "from_state": moved.c.previous_state,
        "to_state": moved.c.state,
        "by_id": literal(by.account_id),
        "by_name": literal(by.name),
        "by_organization_id": literal(by.organization_id),
        "by_organization": literal(by.organization),
        "reason": literal(reason),
        "payload": payload,
    }
    rows = select(*(value.label(name) for name, value in facts.items()))
    return insert(Event.__table__).from_select(list(facts), rows).cte("told")


def _notified(step: Step, moved: Any, party: str, reason: str | None) -> Any:
    rows = select(moved.c[f"{party}_id"].label("organization_id"), moved.c.id).cte(f"of_{party}")
    return notifying(rows, step.name, step.of, party, reason).cte(f"notified_{party}")


def notifying(concerned: Any, kind: str, subject: str, party: str, reason: str | None = None) -> Any:
    """The INSERT of a notification for each account that works on such rows, with the number of its organization's.

    `concerned` has a row (`organization_id`, `id`) for each row that something happened to.
    """
    rows = (
        select(
            concerned.c.organization_id,
            func.count().label("amount"),
            case((func.count() == 1, func.min(concerned.c.id))).label("subject_id"),
        )
        .group_by(concerned.c.organization_id)
        .subquery("rows")
    )
    account, held, role = Account.__table__, held_role.alias(), AccountRole.__table__.alias()
    works_on = exists().where(
        held.c.user_id == account.c.id,
        role.c.id == held.c.role_id,
        role.c.name.in_(access.working_on(subject, party)),
    )
    facts = {
        "account_id": account.c.id,
        "kind": literal(kind),
        "party": literal(party),
        "subject": literal(subject),
        "subject_id": rows.c.subject_id,
        "amount": rows.c.amount,
        "reason": literal(reason),
    }
    told = (
        select(*(value.label(name) for name, value in facts.items()))
        .join_from(rows, account, account.c.organization_id == rows.c.organization_id)
        .where(account.c.active, works_on)
    )
    return insert(Notification.__table__).from_select(list(facts), told)


def _tallied(step: Step, moved: Any, payload: Any, changed: set[str]) -> list[Any]:
    """What left a state and what entered one, of each subject that depends on what changed."""
    # As plain values the planner sees which subjects a step cannot concern.
    left = literal(next(iter(step.sources))) if len(step.sources) == 1 else moved.c.previous_state
    before, after = {step.column: left}, {step.column: literal(step.target)}
    before |= {name: moved.c[f"previous_{name}"] for name in _LEFT.get(step.of, ())}
    if step.of == "task":
        before["institution_id"] = moved.c.previous_institution_id
    sides = ((counting.columns(moved, **after), 1), (counting.columns(moved, **before), -1))
    subjects = [subject for subject in SUBJECTS.get(step.of, ()) if subject.on & changed]
    rows = [counting.sums(subject, row, moved, sign) for subject in subjects for row, sign in sides]
    if step.of == "task":
        rows += _work(step, moved, payload)
    return [_change(union_all(*rows)).cte("tallied")] if rows else []


def _work(step: Step, moved: Any, payload: Any) -> list[Any]:
    """The same as of the events that are written: these cannot be read yet."""
    written = {
        "at": func.now(),
        "step": literal(step.name),
        "to_state": literal(step.target),
        "subject": literal("task"),
        "institution_id": func.coalesce(moved.c.institution_id, moved.c.previous_institution_id),
        "payload": payload,
    }
    event = counting.columns(moved, **written)
    return [
        counting.sums(subject, event, moved)
        for subject in SUBJECTS["event"]
        if not subject.on or (step.name in subject.on)
    ]


def _change(rows: Any) -> Any:
    """INSERT of what changed on the whole."""
    changed = rows.subquery("changed")
    names = list(counting.DIMENSIONS)
    dimensions = [changed.c[name] for name in names]
    amount = func.sum(changed.c.amount)
    net = select(*dimensions, amount).group_by(*dimensions).having(amount != 0)
    return insert(Tally.__table__).from_select([*names, "amount"], net)


def count(of: str, ids: Collection[int], sign: int = 1) -> None:
    """Add rows to the tallies, or with -1 take them out: for what is written otherwise than by a step."""
    table = MODELS[of].__table__
    chosen = select(table).where(is_chosen(table.c.id, ids)).subquery("chosen")
    rows = [counting.sums(subject, counting.columns(chosen), chosen, sign) for subject in SUBJECTS[of]]
    db.session.execute(_change(union_all(*rows)))
