"""fire(): the only writer of a task's state, of its history and of the tally of what it changed."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Select,
    Subquery,
    cast,
    func,
    insert,
    literal,
    null,
    select,
    union_all,
    update,
)

from app import access, audit
from app.access import Principal
from app.models import Event, Tally, Task, db
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
    **values: Any,
) -> Outcome:
    """Move the chosen tasks that `by` sees and that are in a source state of `step`; write history and tally.

    `only` narrows further. `values` are columns to set; they may name columns of `proposal`, a subquery with one
    row (`task_id`, ...) a task. The old state is tested by the UPDATE itself, so of two people who click at once
    one moves the row. One statement, whatever the number of rows. Does not commit.
    """
    if step.needs_reason and not (reason or "").strip():
        raise ValueError(f"{step.name} needs a reason")
    picked = _picked(chosen)
    moved = _moved(step, picked, by, reason, only, proposal, values)
    told = _told(step, moved, by, reason, payload)
    tallied = _tallied(step, moved)
    asked = literal(len(set(chosen))) if isinstance(chosen, Collection) else _count(picked)
    done = select(asked.label("asked"), _count(moved).label("done")).add_cte(told, tallied)
    outcome = Outcome(*db.session.execute(done).one())
    if outcome.done:
        only_one = next(iter(chosen)) if isinstance(chosen, Collection) and len(chosen) == 1 else None
        audit.record(step.name, "task", only_one, by=by, done=outcome.done, reason=reason, **(payload or {}))
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


def _picked(chosen: Chosen) -> Any:
    if isinstance(chosen, Collection):
        return select(func.unnest(list(set(chosen))).label("id")).cte("picked")
    return chosen.cte("picked")


def _count(rows: Any) -> Any:
    return select(func.count()).select_from(rows).scalar_subquery()


def _moved(
    step: Step,
    picked: Any,
    by: Principal,
    reason: str | None,
    only: ColumnElement[bool] | None,
    proposal: Subquery | None,
    values: dict[str, Any],
) -> Any:
    task = Task.__table__
    statement = (
        update(task)
        .where(task.c.id.in_(select(picked.c.id)), task.c.state.in_(sorted(step.sources)))
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
        statement = statement.where(task.c.id == proposal.c.task_id)
    return access.visible(statement, Task, who=by).returning(*task.c).cte("moved")


def _told(step: Step, moved: Any, by: Principal, reason: str | None, payload: dict[str, Any] | None) -> Any:
    facts = {
        "subject": literal("task"),
        "subject_id": moved.c.id,
        "city_code": moved.c.city_code,
        "region_code": moved.c.region_code,
        "using_unit_id": moved.c.using_unit_id,
        "institution_id": func.coalesce(moved.c.institution_id, moved.c.previous_institution_id),
        "step": literal(step.name),
        "from_state": moved.c.previous_state,
        "to_state": moved.c.state,
        "by_id": literal(by.account_id),
        "by_name": literal(by.name),
        "by_organization_id": literal(by.organization_id),
        "by_organization": literal(by.organization),
        "reason": literal(reason),
        "payload": literal(payload, Event.__table__.c.payload.type) if payload else null(),
    }
    rows = select(*(value.label(name) for name, value in facts.items()))
    return insert(Event.__table__).from_select(list(facts), rows).cte("told")


def _tallied(step: Step, moved: Any) -> Any:
    """What left a state and what entered one, by place, by kind, and by institution."""
    left = (moved.c.previous_state, moved.c.previous_institution_id, -func.count())
    entered = (moved.c.state, moved.c.institution_id, func.count())
    rows = [rows(moved, *side) for side in (left, entered) for rows in _SUBJECTS]
    return insert(Tally.__table__).from_select(_TALLIED, union_all(*rows)).cte("tallied")


_TALLIED = ["subject", "city_code", "region_code", "catalogue_item_id", "institution_id", "state", "amount"]


_NONE = cast(null(), BigInteger)


def _by_place(moved: Any, state: Any, _institution_id: Any, amount: Any) -> Any:
    place = (moved.c.city_code, moved.c.region_code)
    return select(literal("place"), *place, _NONE, _NONE, state, amount).group_by(*place, state)


def _by_kind(moved: Any, state: Any, _institution_id: Any, amount: Any) -> Any:
    kind = (moved.c.city_code, moved.c.region_code, moved.c.catalogue_item_id)
    return select(literal("kind"), *kind, _NONE, state, amount).group_by(*kind, state)


def _by_institution(moved: Any, state: Any, institution_id: Any, amount: Any) -> Any:
    city = moved.c.city_code
    rows = select(literal("load"), city, city, _NONE, institution_id, state, amount)
    return rows.where(institution_id.is_not(None)).group_by(city, institution_id, state)


_SUBJECTS = (_by_place, _by_kind, _by_institution)
