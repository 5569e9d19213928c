"""一键搜索: what a person may see, found by what is typed: numbers whole or by their beginning, names, codes.

No question reads a big table: numbers are looked up in the order of their index, and only the first few of those are
asked about; names have an index of their own. Then access narrows what was found, as everywhere.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flask_babel import gettext as _
from sqlalchemy import ColumnElement, func, literal, or_, select, union
from sqlalchemy.sql.expression import UnaryExpression
from sqlalchemy.sql.operators import custom_op

from app import access, finding
from app.access import Principal
from app.domain import accounts, appointments, institutions, scans, standards, using_units
from app.domain.scans import APPOINTMENT, CERTIFICATE, INSTRUMENT
from app.models import (
    Account,
    Appointment,
    CatalogueItem,
    Certificate,
    Inspection,
    Instrument,
    MeasurementStandard,
    Organization,
    Region,
    Task,
    db,
)
from app.states import DRAFT

SHORTEST, LONGEST = 2, 60
# Hits of a group; rows of an index that are looked at; milliseconds after which a question is given up.
MOST, FIRST, PATIENCE = 5, 200, 3000
_CHINESE = re.compile(r"[㐀-鿿]")


@dataclass(frozen=True)
class Group:
    """A kind of thing that is found: which terms can name one, and the question (id, title, note, state)."""

    fits: Callable[[str], bool]
    question: Callable[[str, Principal], Any]


def find(group: str, term: str, by: Principal) -> list[Any]:
    """What of a group the term names, and one more than is shown if there are more; nothing if it cannot name one.

    The term is as `texts.same` gives it.
    """
    asked = GROUPS[group]
    return list(db.session.execute(asked.question(term, by).limit(MOST + 1))) if asked.fits(term) else []


def be_patient() -> None:
    """Let the questions of this transaction end in time, whatever is typed."""
    db.session.execute(select(func.set_config("statement_timeout", str(PATIENCE), True)))


# --- What a term can be --------------------------------------------------------------------------


def _is_number(term: str) -> bool:
    return len(term) >= 4 and any(letter.isdigit() for letter in term)


def _is_name(term: str) -> bool:
    words = _CHINESE.search(term) or (len(term) >= 3 and not any(letter.isdigit() for letter in term))
    return len(term) >= SHORTEST and bool(words)


def _is_code(term: str) -> bool:
    return len(term) == 18 and term.isascii() and term.isalnum()


def _is_name_or_code(term: str) -> bool:
    return _is_name(term) or _is_code(term)


def _is_name_or_part(term: str) -> bool:
    """A name, or enough of a number for the index of its parts."""
    return _is_name(term) or len(term) >= 3


def _is_any(term: str) -> bool:
    return len(term) >= SHORTEST


# --- How it is looked up -------------------------------------------------------------------------


def _begins(column: Any, term: str) -> Any:
    """The first few rows whose number begins with the term, whoever sees them: asked about one by one afterwards."""
    rows = column.class_.__table__.c
    number = rows[column.key]
    in_order_of_index: Any = UnaryExpression(finding.folded(number), modifier=custom_op("USING ~<~"))
    return select(rows.id).where(finding.begins(number, term)).order_by(in_order_of_index).limit(FIRST)


def _is(column: Any, value: str) -> Any:
    """The first few rows with this number, whoever sees them."""
    rows = column.class_.__table__.c
    return select(rows.id).where(finding.equals(rows[column.key], value)).limit(FIRST)


def _either(*parts: Any) -> Any:
    return union(*(select(part.subquery().c.id) for part in parts)).subquery("found")


def _scanned(term: str, kind: str) -> int | None:
    """What a QR code that was scanned into the field stands for."""
    named = scans.read(term.rpartition("/s/")[2])
    return named[1] if named and named[0] == kind else None


def _numbered(term: str, kind: str, *parts: Any) -> Any:
    """The rows that a QR code names, else those of the numbers."""
    scanned = _scanned(term, kind)
    return _either(*parts) if scanned is None else select(literal(scanned).label("id")).subquery("found")


def _line(*parts: Any) -> Any:
    return func.concat_ws(" · ", *parts)


# --- The questions -------------------------------------------------------------------------------


def _instruments(term: str, by: Principal) -> Any:
    found = _numbered(term, INSTRUMENT, *_of_instruments(term), *_in_own_ledger(term, by))
    return (
        select(
            Instrument.id,
            _line(Instrument.name, Instrument.serial_no).label("title"),
            _line(Instrument.instrument_no, Region.full_name.concat(Instrument.use_place)).label("note"),
            Instrument.verification_state.label("state"),
        )
        .select_from(found)
        .join(Instrument, Instrument.id == found.c.id)
        .join(Region, Region.code == Instrument.region_code)
        .order_by(Instrument.instrument_no, Instrument.id)
    )


def _of_instruments(term: str) -> tuple[Any, ...]:
    of_maker = _is(Instrument.serial_no, term)
    return (of_maker, _begins(Instrument.instrument_no, term)) if _is_number(term) else (of_maker,)


def _in_own_ledger(term: str, by: Principal) -> tuple[Any, ...]:
    """A using unit's ledger is short enough to be read for a name or a part of a number."""
    if by.kind != "using_unit":
        return ()
    rows = Instrument.__table__.c
    own = select(rows.id).where(rows.using_unit_id == by.organization_id)
    # By row, to keep the planner off the indexes of everybody's names.
    return tuple(
        own.where(finding.contains(each, term, by_row=True)).limit(FIRST) for each in (rows.name, rows.serial_no)
    )


def _appointments(term: str, by: Principal) -> Any:
    found = _numbered(term, APPOINTMENT, _begins(Appointment.no, term))
    statement = (
        select(
            Appointment.id,
            Appointment.no.label("title"),
            _line(Appointment.applicant, func.to_char(Appointment.applied_at, "YYYY-MM-DD")).label("note"),
            literal(None).label("state"),
        )
        .select_from(found)
        .join(Appointment, Appointment.id == found.c.id)
        .order_by(Appointment.no)
    )
    return statement.where(appointments.is_submitted()) if by.kind == "authority" else statement


def _tasks(term: str, by: Principal) -> Any:
    rows = Task.__table__.c
    orders, things = _either(_begins(Appointment.no, term)), _either(*_of_instruments(term))
    found = _either(
        select(rows.id).where(rows.appointment_id.in_(select(orders.c.id))).limit(FIRST),
        select(rows.id).where(rows.instrument_id.in_(select(things.c.id))).limit(FIRST),
    )
    statement = (
        select(
            Task.id,
            _line(Instrument.name, Instrument.serial_no).label("title"),
            _line(Appointment.no, Appointment.applicant).label("note"),
            Task.state,
        )
        .select_from(found)
        .join(Task, Task.id == found.c.id)
        .join(Instrument, Instrument.id == Task.instrument_id)
        .join(Appointment, Appointment.id == Task.appointment_id)
        .order_by(Task.applied_at.desc(), Task.id)
    )
    return statement.where(Task.state != DRAFT) if by.kind == "authority" else statement


def _certificates(term: str, _by: Principal) -> Any:
    found = _numbered(term, CERTIFICATE, _begins(Certificate.no, term))
    return (
        select(
            Certificate.id,
            Certificate.no.label("title"),
            _line(Instrument.name, Instrument.serial_no, Certificate.verified_on).label("note"),
            Certificate.state,
        )
        .select_from(found)
        .join(Certificate, Certificate.id == found.c.id)
        .join(Instrument, Instrument.id == Certificate.instrument_id)
        .order_by(Certificate.no, Certificate.id)
    )


def _inspections(term: str, _by: Principal) -> Any:
    found = _either(_begins(Inspection.no, term))
    return (
        select(
            Inspection.id,
            Inspection.no.label("title"),
            _line(Inspection.party, Inspection.task).label("note"),
            Inspection.state,
        )
        .select_from(found)
        .join(Inspection, Inspection.id == found.c.id)
        .order_by(Inspection.no)
    )


def _organizations(term: str, *which: ColumnElement[bool]) -> Any:
    by_code = Organization.credit_code == term.upper()
    named = by_code if _is_code(term) else finding.contains_chinese(Organization.name, term)
    return (
        select(
            Organization.id,
            Organization.name.label("title"),
            _line(Organization.credit_code, Region.full_name).label("note"),
            literal(None).label("state"),
        )
        .join(Region, Region.code == Organization.region_code)
        .where(named, Organization.merged_into_id.is_(None), *which)
    )


def _institutions(term: str, by: Principal) -> Any:
    return _organizations(term, Organization.kind == "institution", institutions.at_home(by))


def _units(term: str, by: Principal) -> Any:
    return _organizations(term, Organization.kind == "using_unit", using_units.at_home(by))


def _in_care(term: str, by: Principal) -> Any:
    return _organizations(term, access.manages(by)(Organization))


def _standards(term: str, by: Principal) -> Any:
    """By a part of their numbers if the term has a digit, else of their name."""
    told = MeasurementStandard
    numbers = or_(
        *(finding.contains(each, term) for each in (told.code, told.certificate_no, told.public_certificate_no))
    )
    matches = numbers if any(letter.isdigit() for letter in term) else finding.contains_chinese(told.name, term)
    return (
        select(
            told.id,
            told.name.label("title"),
            _line(told.code, told.certificate_no, Organization.name).label("note"),
            told.state,
        )
        .join(Organization, Organization.id == told.institution_id)
        .where(standards.of_jurisdiction(by), told.replaces_id.is_(None), matches)
        .order_by(told.name, told.id)
    )


def _kinds(term: str, _by: Principal) -> Any:
    above = CatalogueItem.__table__.alias("above").c
    category = select(above.name).where(above.id == CatalogueItem.parent_id).scalar_subquery()
    return (
        select(
            CatalogueItem.id,
            CatalogueItem.name.label("title"),
            func.coalesce(category, str(_("Category"))).label("note"),
            literal(None).label("state"),
        )
        .where(CatalogueItem.valid_until.is_(None), finding.contains(CatalogueItem.name, term))
        .order_by(CatalogueItem.level, CatalogueItem.number, CatalogueItem.id)
    )


def _accounts(term: str, by: Principal) -> Any:
    begins = finding.begins(Account.username, term)
    named = or_(begins, finding.contains_chinese(Account.first_name, term)) if _is_name(term) else begins
    return (
        select(
            Account.id,
            _line(Account.first_name, Account.username).label("title"),
            func.coalesce(Organization.name, "").label("note"),
            literal(None).label("state"),
        )
        .outerjoin(Organization, Organization.id == Account.organization_id)
        .where(named, accounts.in_care_of(by))
    )


GROUPS = {
    "instruments": Group(_is_any, _instruments),
    "appointments": Group(_is_number, _appointments),
    "tasks": Group(_is_number, _tasks),
    "certificates": Group(_is_number, _certificates),
    "inspections": Group(_is_number, _inspections),
    "institutions": Group(_is_name_or_code, _institutions),
    "units": Group(_is_name_or_code, _units),
    "organizations": Group(_is_name_or_code, _in_care),
    "standards": Group(_is_name_or_part, _standards),
    "kinds": Group(_is_name, _kinds),
    "accounts": Group(_is_any, _accounts),
}


# --- Chinese by its first sounds -----------------------------------------------------------------

# GB 2312 orders its usual characters by their sound: where each initial begins.
_INITIALS = (
    (0xB0A1, "a"), (0xB0C5, "b"), (0xB2C1, "c"), (0xB4EE, "d"), (0xB6EA, "e"), (0xB7A2, "f"), (0xB8C1, "g"),
    (0xB9FE, "h"), (0xBBF7, "j"), (0xBFA6, "k"), (0xC0AC, "l"), (0xC2E8, "m"), (0xC4C3, "n"), (0xC5B6, "o"),
    (0xC5BE, "p"), (0xC6DA, "q"), (0xC8BB, "r"), (0xC8F6, "s"), (0xCBFA, "t"), (0xCDDA, "w"), (0xCEF4, "x"),
    (0xD1B9, "y"), (0xD4D1, "z"), (0xD7FA, ""),
)  # fmt: skip


def initials(text: str) -> str:
    """'jdrwfp' for 检定任务分配: the first letters of the sounds of its usual characters."""
    return "".join(map(_initial, text))


def _initial(character: str) -> str:
    code = int.from_bytes(character.encode("gb2312", "ignore"))
    return next((letter for begin, letter in reversed(_INITIALS) if code >= begin), "")
