"""What `flask verify` looks for: rules between tables that no constraint can hold, tallies, audit log, files."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Integer,
    MetaData,
    Select,
    String,
    Table,
    and_,
    cast,
    exists,
    func,
    insert,
    or_,
    select,
    union_all,
)
from sqlalchemy.orm import aliased

from app import access, audit, files
from app.access import ROLES
from app.domain import jobs, tallies
from app.domain.mergers import FOLLOWING
from app.models import (
    Account,
    Capability,
    Certificate,
    CertificateNumber,
    Dump,
    Event,
    Inspection,
    Institution,
    Instrument,
    IssuingRule,
    LedgerImport,
    Manufacturer,
    ManufacturerName,
    MeasurementStandard,
    Organization,
    Photo,
    Result,
    Role,
    StandardDocument,
    Task,
    db,
    held_role,
)
from app.states import (
    ABOLISHED,
    AT_INSTITUTION,
    CERTIFIED,
    CLOSED,
    EFFECTIVE,
    IN_USE,
    OPEN,
    SEALED,
    TO_APPROVE,
    TO_CHECK,
    VALID,
)

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
    broken += [_finding("a file of the store is referred to by no row", _orphaned_files())]
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
    yield from _rules_of_organizations()
    yield from _rules_of_manufacturers()
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
    yield "numbers of certificates are missing in a series", _gaps()
    same = or_(Certificate.approver == Certificate.verifier, Certificate.approver == Certificate.checker)
    yield "who verified or checked has also approved", select(Certificate.no).where(same)


def _gaps() -> Select[Any]:
    """Series of which fewer certificates are there than numbers were given out; of a merged institution at its heir."""
    series, rest = CertificateNumber.series, func.split_part(CertificateNumber.series, "{number:", 2)
    prefix, suffix = func.split_part(series, "{number:", 1), func.substr(rest, 3)
    length = func.length(prefix) + cast(func.left(rest, 1), Integer) + func.length(suffix)
    of_series = and_(
        Certificate.institution_id == func.coalesce(Organization.merged_into_id, Organization.id),
        func.length(Certificate.no) == length,
        func.left(Certificate.no, func.length(prefix)) == prefix,
        func.right(Certificate.no, func.length(suffix)) == suffix,
    )
    return (
        select(func.concat(Organization.name, " ", series))
        .join_from(CertificateNumber, Organization, Organization.id == CertificateNumber.institution_id)
        .outerjoin(Certificate, of_series)
        .group_by(Organization.id, Organization.name, series, CertificateNumber.last)
        .having(func.count(Certificate.id.distinct()) < CertificateNumber.last)
    )


def _rules_of_organizations() -> Iterator[tuple[str, Select[Any]]]:
    its_standard = MeasurementStandard.id == Capability.standard_id
    unfounded = select(Capability.id).join(MeasurementStandard, its_standard).where(Capability.state == EFFECTIVE)
    ended = MeasurementStandard.state.in_((SEALED, ABOLISHED))
    yield "an effective capability rests on a standard that is sealed up or abolished", unfounded.where(ended)
    at_work = (
        select(Task.id)
        .join(Institution, Institution.organization_id == Task.institution_id)
        .join(Organization, Organization.id == Task.institution_id)
        .where(Task.state.in_(sorted(AT_INSTITUTION)))
    )
    gone = or_(Institution.standing == CLOSED, ~Organization.active)
    yield "an open task is at an institution that is closed or disabled", at_work.where(gone)
    yield "a row names an organization that was merged into another", _left_behind()


def _rules_of_manufacturers() -> Iterator[tuple[str, Select[Any]]]:
    its_names = ManufacturerName.manufacturer_id == Manufacturer.id
    unnamed = select(Manufacturer.id).where(~exists().where(its_names, ManufacturerName.present))
    yield "a manufacturer has no present name", unnamed
    counted = func.coalesce(func.sum(ManufacturerName.instruments), 0)
    sums = select(Manufacturer.id).outerjoin(ManufacturerName, its_names).group_by(Manufacturer.id)
    differs = sums.having(Manufacturer.instruments != counted)
    yield "the instruments of a manufacturer are not those of its names", differs


def _left_behind() -> Select[Any]:
    columns = [(kind, column) for kind, columns in FOLLOWING.items() for column in columns.values()]
    rows = [
        select(func.concat(column.class_.__tablename__, " ", column.class_.id).label("row"))
        .join(Organization, and_(Organization.id == column, Organization.kind == kind))
        .where(Organization.merged_into_id.is_not(None))
        if column.class_ is not Organization
        else select(func.concat("organization ", _below.id).label("row"))
        .join_from(_below, Organization, Organization.id == _below.parent_id)
        .where(Organization.kind == kind, Organization.merged_into_id.is_not(None), _below.merged_into_id.is_(None))
        for kind, column in columns
    ]
    return select(union_all(*rows).subquery().c.row)


_below = aliased(Organization)


def _joined_duties() -> Select[Any]:
    duties = sorted({role.duty for role in ROLES.values()})
    held = [_holds_role_of(duty) for duty in duties]
    pairs = [and_(one, other) for number, one in enumerate(held) for other in held[number + 1 :]]
    return select(Account.username).where(or_(*pairs))


def _holds_role_of(duty: str) -> ColumnElement[bool]:
    names = [name for name, role in ROLES.items() if role.kind == "authority" and role.duty == duty]
    role, holding = aliased(Role), held_role.alias()
    return exists().where(holding.c.user_id == Account.id, role.id == holding.c.role_id, role.name.in_(names))


def _referred() -> list[Select[Any]]:
    """Statements of the names of files that rows refer to for good."""
    columns = (Certificate.file, Photo.file, StandardDocument.file, IssuingRule.seal)
    photos = [func.jsonb_array_elements_text(each) for each in (Inspection.photos, Inspection.statement_photos)]
    named = [select(column.label("name")).where(column.is_not(None)) for column in columns]
    return [*named, *(access.visible(select(each.label("name")), Inspection) for each in photos)]


def _missing_files() -> Iterator[str]:
    names = db.session.scalars(union_all(*_referred()).execution_options(yield_per=2000))
    return (str(name) for name in names if not files.path(str(name)).exists())


_stored = Table("stored_file", MetaData(), Column("name", String), prefixes=["TEMPORARY"], postgresql_on_commit="DROP")


def _orphaned_files() -> list[str]:
    """Files that are a day old and of which no row knows; younger ones may belong to what is not committed yet."""
    connection = db.session.connection()
    _stored.create(connection)
    names = files.kept_before(datetime.now(UTC) - timedelta(days=1))
    while some := [{"name": name} for name in islice(names, 10_000)]:
        connection.execute(insert(_stored), some)
    passing = [
        select(each.label("name")).where(each.is_not(None)) for each in (*jobs.FILES, Dump.file, LedgerImport.file)
    ]
    known = union_all(*_referred(), *passing).subquery()
    orphaned = select(_stored.c.name).where(_stored.c.name.not_in(select(known.c.name)))
    found = list(db.session.scalars(orphaned.order_by(_stored.c.name)))
    _stored.drop(connection)
    return found
