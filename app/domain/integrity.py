"""What `flask verify` looks for: rules between tables that no constraint can hold, tallies, audit log, files."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, String, and_, cast, exists, func, or_, select, union_all
from sqlalchemy.orm import aliased

from app import access, audit, files
from app.access import ROLES
from app.domain import tallies
from app.models import (
    Account,
    Certificate,
    Event,
    Inspection,
    Instrument,
    IssuingRule,
    Photo,
    Result,
    Role,
    StandardDocument,
    Task,
    db,
    held_role,
)
from app.states import CERTIFIED, IN_USE, OPEN, TO_APPROVE, TO_CHECK, VALID

EXAMPLES = 5


@dataclass(frozen=True)
class Finding:
    """A rule that does not hold: of how many rows, and the first few of them."""

    rule: str
    number: int
    examples: list[str]


def findings() -> list[Finding]:
    """Everything that is wrong with the rows that are seen and with the file store; changes nothing."""
    broken = [_of_rule(rule, rows) for rule, rows in _rules()]
    broken += [_finding("a tally differs from a full count", tallies.differences())]
    broken += [_finding("a chain of the audit log is broken", audit.verify()[1])]
    broken += [_finding("a file that a row refers to is missing", list(_missing_files()))]
    return [each for each in broken if each.number]


def _of_rule(rule: str, rows: Select[Any]) -> Finding:
    found = rows.subquery()
    number = db.session.scalar(select(func.count()).select_from(found)) or 0
    examples = db.session.scalars(select(cast(found.c[0], String)).limit(EXAMPLES)) if number else []
    return Finding(rule, number, list(examples))


def _finding(rule: str, rows: list[Any]) -> Finding:
    return Finding(rule, len(rows), [str(row) for row in rows[:EXAMPLES]])


def _rules() -> Iterator[tuple[str, Select[Any]]]:
    """(rule, a statement of the rows that break it), the first column of which names the row."""
    yield from _rules_of_tasks()
    yield from _rules_of_certificates()
    yield "an id of an event was given twice", select(Event.id).group_by(Event.id).having(func.count() > 1)
    yield "an account holds roles of two duties", _joined_duties()


def _rules_of_tasks() -> Iterator[tuple[str, Select[Any]]]:
    its_instrument = and_(Instrument.id == Task.instrument_id, Instrument.city_code == Task.city_code)
    booked = select(Task.id).join(Instrument, its_instrument).where(Task.state.in_(sorted(OPEN)))
    yield "an open task is of an instrument that is not in use", booked.where(Instrument.use_state != IN_USE)
    elsewhere = booked.where(Instrument.region_code != Task.region_code)
    yield "an open task lies in another county than its instrument", elsewhere
    its_result = and_(Result.task_id == Task.id, Result.city_code == Task.city_code)
    without = select(Task.id).where(Task.state.in_((TO_CHECK, TO_APPROVE)), ~exists().where(its_result))
    yield "a task in review has no result", without
    unchecked = select(Task.id).join(Result, its_result).where(Task.state == TO_APPROVE, Result.checker_id.is_(None))
    yield "a task that waits for approval was checked by nobody", unchecked


def _rules_of_certificates() -> Iterator[tuple[str, Select[Any]]]:
    of_task = and_(Certificate.task_id == Task.id, Certificate.city_code == Task.city_code, Certificate.state == VALID)
    without = select(Task.id).where(Task.state == CERTIFIED, ~exists().where(of_task))
    yield "a certified task has no valid certificate", without
    valid = select(Certificate.task_id).where(Certificate.state == VALID)
    yield "a task has two valid certificates", valid.group_by(Certificate.task_id).having(func.count() > 1)
    number = select(Certificate.no).group_by(Certificate.institution_id, Certificate.no).having(func.count() > 1)
    yield "an institution gave a certificate number twice", number
    same = or_(Certificate.approver == Certificate.verifier, Certificate.approver == Certificate.checker)
    yield "who verified or checked has also approved", select(Certificate.no).where(same)


def _joined_duties() -> Select[Any]:
    duties = sorted({role.duty for role in ROLES.values()})
    held = [_holds_role_of(duty) for duty in duties]
    pairs = [and_(one, other) for number, one in enumerate(held) for other in held[number + 1 :]]
    return select(Account.username).where(or_(*pairs))


def _holds_role_of(duty: str) -> ColumnElement[bool]:
    names = [name for name, role in ROLES.items() if role.kind == "authority" and role.duty == duty]
    role, holding = aliased(Role), held_role.alias()
    return exists().where(holding.c.user_id == Account.id, role.id == holding.c.role_id, role.name.in_(names))


def _missing_files() -> Iterator[str]:
    columns = (Certificate.file, Photo.file, StandardDocument.file, IssuingRule.seal)
    photos = [func.jsonb_array_elements_text(each) for each in (Inspection.photos, Inspection.statement_photos)]
    named = [select(column.label("name")).where(column.is_not(None)) for column in columns]
    named += [access.visible(select(each.label("name")), Inspection) for each in photos]
    names = db.session.scalars(union_all(*named).execution_options(yield_per=2000))
    return (str(name) for name in names if not files.path(str(name)).exists())
