"""What is counted, and by what: the one definition from which steps change the tallies and a full count proves them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Date, String, and_, case, cast, func, literal, null, select

from app.models import Instrument
from app.states import DRAFT, FILED, IN_USE, VALID

ZONE = "Asia/Shanghai"
PASSED, FAILED = "passed", "failed"


@dataclass(frozen=True)
class Subject:
    """A way to count the rows of a table: which of them, and by what. `on` are the states that it depends on."""

    name: str
    by: Callable[[Any], Mapping[str, Any]]
    counts: Callable[[Any], ColumnElement[bool]]
    on: frozenset[str] = frozenset({"state"})


def month(moment: Any) -> Any:
    """SQL: the first day of the month in which something happened, in local time."""
    return cast(func.date_trunc("month", func.timezone(ZONE, moment)), Date)


def _not_drafted(task: Any) -> ColumnElement[bool]:
    drafted: ColumnElement[bool] = task.state != DRAFT
    return drafted


def _filed(instrument: Any) -> ColumnElement[bool]:
    filed: ColumnElement[bool] = instrument.filing_state == FILED
    return filed


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


_FILING, _USE, _VERIFICATION = "filing_state", "use_state", "verification_state"
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
            lambda row: {**_city(row), "institution_id": row.institution_id, "state": row.state},
            lambda row: and_(_not_drafted(row), row.institution_id.is_not(None)),
        ),
    ),
    "instrument": (
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
    # 业务量: what was done of the tasks of an institution, by the steps of their history.
    "event": (
        Subject(
            "work",
            lambda row: {
                **_place(row), "institution_id": row.institution_id, "month": month(row.at), "state": row.step,
            },
            lambda row: and_(row.subject == "task", row.institution_id.is_not(None)),
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
    by = {"subject": literal(subject.name), **subject.by(row)}
    picked = select(*(by.get(name, cast(null(), kind)).label(name) for name, kind in DIMENSIONS.items()))
    if source is not None:
        picked = picked.select_from(source)
    rows = picked.where(subject.counts(row)).subquery()
    return select(*rows.c, (sign * func.count()).label("amount")).group_by(*rows.c)


def columns(source: Any, **others: Any) -> SimpleNamespace:
    """The columns of a table or a subquery by their names, some of them replaced."""
    return SimpleNamespace(**{column.name: column for column in source.c} | others)
