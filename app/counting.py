"""What is counted, and by what: the one definition from which steps change the tallies and a full count proves them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    Date,
    Integer,
    String,
    and_,
    case,
    cast,
    func,
    literal,
    null,
    select,
)
from sqlalchemy.dialects.postgresql import JSONB

from app.models import Instrument
from app.states import (
    APPROVE,
    AWAITING_AUTHORITY,
    DRAFT,
    FILED,
    IN_USE,
    PENDING,
    RESUBMIT,
    SUBMIT,
    UNASSIGNED,
    VALID,
)

ZONE = "Asia/Shanghai"
PASSED, FAILED = "passed", "failed"
IN_TIME, LATE = "in_time", "late"
BEYOND = "beyond"
UNMATCHED = "_unmatched"
BOOKED = "booked"
ACTIVE, DISABLED = "active", "disabled"


@dataclass(frozen=True)
class Subject:
    """A way to count the rows of a table: which of them, and by what.

    `on` are the columns that it depends on, of events the steps, all of them if none is named. What is summed up of a
    row is `amount`, usually that it is one.
    """

    name: str
    by: Callable[[Any], Mapping[str, Any]]
    counts: Callable[[Any], ColumnElement[bool]]
    on: frozenset[str] = frozenset({"state"})
    amount: Callable[[Any], Any] = lambda _row: literal(1)


def month(moment: Any) -> Any:
    """SQL: the first day of the month in which something happened, in local time."""
    return month_of(func.timezone(ZONE, moment))


def month_of(day: Any) -> Any:
    """SQL: the first day of the month of a day."""
    return cast(func.date_trunc("month", day), Date)


def day(moment: Any) -> Any:
    """SQL: the day on which something happened, in local time."""
    return cast(func.timezone(ZONE, moment), Date)


def punctuality(task: Any) -> Any:
    """SQL: what the history keeps of a task that ends: whether after its day, and how many days it took."""
    began = func.coalesce(task.received_at, task.accepted_at, task.finished_at)
    return func.jsonb_build_object(
        LATE,
        func.coalesce(day(task.finished_at) > task.due_on, False),
        "days",
        day(task.finished_at) - day(began),
        type_=JSONB,
    )


def _not_drafted(task: Any) -> ColumnElement[bool]:
    drafted: ColumnElement[bool] = task.state != DRAFT
    return drafted


def _filed(instrument: Any) -> ColumnElement[bool]:
    filed: ColumnElement[bool] = instrument.filing_state == FILED
    return filed


def _runs_out(instrument: Any) -> ColumnElement[bool]:
    return and_(_to_verify(instrument), instrument.valid_until.is_not(None))


def _running_out(instrument: Any) -> dict[str, Any]:
    cycle = cast(func.coalesce(instrument.cycle_months, 0), String)
    return {"month": month_of(instrument.valid_until), "state": cycle}


def done(event: Any) -> Any:
    """SQL: the step of a task; of what was submitted it tells apart what no institution was found for."""
    unplaced = and_(event.step.in_((SUBMIT.name, RESUBMIT.name)), event.to_state == UNASSIGNED)
    return case((unplaced, event.step.concat(UNMATCHED)), else_=event.step)


def ended(event: Any) -> ColumnElement[bool]:
    """SQL: whether a step ended a task whose history keeps how long it took."""
    return and_(event.subject == "task", event.step == APPROVE.name, event.payload.is_not(None))


def _ended_by(event: Any) -> dict[str, Any]:
    return {**_ended_in_city(event), **_place(event), "institution_id": event.institution_id}


def how_ended(event: Any) -> Any:
    """SQL: whether a task was late or in time, as the step that ended it keeps it."""
    return case((cast(event.payload[LATE].astext, Boolean), LATE), else_=IN_TIME)


def days_taken(event: Any) -> Any:
    """SQL: how many days a task took, as the step that ended it keeps it."""
    return cast(event.payload["days"].astext, Integer)


def is_beyond(event: Any) -> ColumnElement[bool]:
    """SQL: whether a certificate was issued beyond the ability of the institution (超范围出证), as its step says."""
    return func.coalesce(cast(event.payload[BEYOND].astext, Boolean), False)


def _ended_in_city(event: Any) -> dict[str, Any]:
    return {**_city(event), "month": month(event.at), "state": how_ended(event)}


def _to_verify(instrument: Any) -> ColumnElement[bool]:
    """应检: what is filed and in use."""
    return and_(_filed(instrument), instrument.use_state == IN_USE)


def _in_force(certificate: Any) -> ColumnElement[bool]:
    in_force: ColumnElement[bool] = certificate.state == VALID
    return in_force


def _place(row: Any) -> dict[str, Any]:
    return {"city_code": row.city_code, "region_code": row.region_code}


def _city(row: Any) -> dict[str, Any]:
    return {"city_code": row.city_code, "region_code": row.city_code}


def _result(certificate: Any) -> dict[str, Any]:
    result = case((certificate.passed, PASSED), else_=FAILED)
    return {"month": month(certificate.issued_at), "state": result}


def _kind_of(certificate: Any) -> Any:
    kind = select(Instrument.__table__.c.catalogue_item_id).where(
        Instrument.__table__.c.id == certificate.instrument_id,
        Instrument.__table__.c.city_code == certificate.city_code,
    )
    return kind.scalar_subquery()


_FILING, _USE, _VERIFICATION, _UNTIL = "filing_state", "use_state", "verification_state", "valid_until"
SUBJECTS: dict[str, tuple[Subject, ...]] = {
    "task": (
        Subject("place", lambda row: {**_place(row), "state": row.state}, _not_drafted),
        Subject(
            "kind",
            lambda row: {**_place(row), "catalogue_item_id": row.catalogue_item_id, "state": row.state},
            _not_drafted,
        ),
        Subject(
            "load",
            lambda row: {
                **_city(row), "institution_id": row.institution_id, "catalogue_item_id": row.catalogue_item_id,
                "state": row.state,
            },
            lambda row: and_(_not_drafted(row), row.institution_id.is_not(None)),
        ),
        # What waits for an authority, by the day of its application: the only ones whose `month` is a day.
        Subject(
            "waiting",
            lambda row: {**_place(row), "month": day(row.applied_at), "state": row.state},
            lambda row: row.state.in_(sorted(AWAITING_AUTHORITY)),
        ),
    ),
    "instrument": (
        Subject(
            "filing",
            lambda row: {**_place(row), "state": row.filing_state},
            lambda row: row.filing_state == PENDING,
            frozenset({_FILING}),
        ),
        Subject(
            "use",
            lambda row: {**_place(row), "purpose": row.purpose, "state": row.use_state},
            _filed,
            frozenset({_FILING, _USE}),
        ),
        Subject(
            "due",
            lambda row: {**_place(row), "state": row.verification_state},
            _to_verify,
            frozenset({_FILING, _USE, _VERIFICATION}),
        ),
        Subject(
            "due_kind",
            lambda row: {
                **_place(row), "catalogue_item_id": row.catalogue_item_id, "state": row.verification_state,
            },
            _to_verify,
            frozenset({_FILING, _USE, _VERIFICATION}),
        ),
        # 到期: when the verification of what is in use runs out, by its cycle in months, 0 for none. Kinds are counted
        # by city, as their results are.
        Subject(
            "runs_out",
            lambda row: {**_place(row), **_running_out(row)},
            _runs_out,
            frozenset({_FILING, _USE, _UNTIL}),
        ),
        Subject(
            "runs_out_kind",
            lambda row: {**_city(row), "catalogue_item_id": row.catalogue_item_id, **_running_out(row)},
            _runs_out,
            frozenset({_FILING, _USE, _UNTIL}),
        ),
    ),
    # 预约数: what was submitted, by the month of its application.
    "appointment": (
        Subject(
            BOOKED,
            lambda row: {**_place(row), "month": month(row.applied_at), "state": BOOKED},
            lambda row: row.submitted,
            frozenset(),
        ),
    ),
    "certificate": (
        Subject("result", lambda row: {**_place(row), **_result(row)}, _in_force),
        Subject(
            "result_kind",
            lambda row: {**_city(row), "catalogue_item_id": _kind_of(row), **_result(row)},
            _in_force,
        ),
        Subject(
            "result_of",
            lambda row: {**_place(row), "institution_id": row.institution_id, **_result(row)},
            _in_force,
        ),
    ),
    # 业务量: what was done of tasks, by the steps of their history; whom they had not been given to has no institution.
    "event": (
        Subject(
            "work",
            lambda row: {
                **_place(row), "institution_id": row.institution_id, "month": month(row.at), "state": done(row),
            },
            lambda row: row.subject == "task",
            frozenset(),
        ),
        # 出证及时率, 平均用时.
        Subject("ended", _ended_by, ended, frozenset({APPROVE.name})),
        Subject("days", _ended_by, ended, frozenset({APPROVE.name}), days_taken),
        Subject(
            "beyond",
            lambda row: {**_ended_by(row), "state": BEYOND},
            lambda row: and_(ended(row), is_beyond(row)),
            frozenset({APPROVE.name}),
        ),
        # The same of cities as a whole: a province or the nation has many institutions and counties.
        Subject(
            "work_city",
            lambda row: {**_city(row), "month": month(row.at), "state": done(row)},
            lambda row: row.subject == "task",
            frozenset(),
        ),
        Subject("ended_city", _ended_in_city, ended, frozenset({APPROVE.name})),
        Subject("days_city", _ended_in_city, ended, frozenset({APPROVE.name}), days_taken),
    ),
    "organization": (
        Subject(
            "unit",
            lambda row: {
                "city_code": func.left(row.region_code, 4).concat("00"), "region_code": row.region_code,
                "state": case((row.active, ACTIVE), else_=DISABLED),
            },
            lambda row: and_(row.kind == "using_unit", row.merged_into_id.is_(None)),
            frozenset({"active"}),
        ),
    ),
}  # fmt: skip

DIMENSIONS: dict[str, Any] = {
    "subject": String,
    "city_code": String,
    "region_code": String,
    "catalogue_item_id": BigInteger,
    "institution_id": BigInteger,
    "purpose": String,
    "month": Date,
    "state": String,
}


def sums(subject: Subject, row: Any, source: Any = None, sign: int = 1) -> Any:
    """SELECT: the rows of a source by the dimensions of a subject, and how many they are."""
    by = {name: _as_value(value) for name, value in {"subject": subject.name, **subject.by(row)}.items()}
    dimensions = [by.get(name, cast(null(), kind)).label(name) for name, kind in DIMENSIONS.items()]
    picked = select(*dimensions, subject.amount(row).label("one"))
    if source is not None:
        picked = picked.select_from(source)
    rows = picked.where(subject.counts(row)).subquery()
    told = [rows.c[name] for name in DIMENSIONS]
    return select(*told, (sign * func.sum(rows.c.one)).label("amount")).group_by(*told)


def _as_value(value: Any) -> Any:
    return literal(value) if isinstance(value, str) else value


def columns(source: Any, **others: Any) -> SimpleNamespace:
    """The columns of a table or a subquery by their names, some of them replaced."""
    return SimpleNamespace(**{column.name: column for column in source.c} | others)
