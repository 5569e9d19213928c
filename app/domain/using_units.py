"""Using units (使用单位): finding one by its name, and what they have, for who sees them."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, exists, func, select, true

from app import access, finding
from app.access import Principal
from app.models import Instrument, Organization, db
from app.states import IN_USE, OVERDUE, SCRAPPED
from app.texts import same

MOST_FOUND = 20


def named(term: str) -> list[Organization]:
    """The first few using units that the acting person sees whose name contains the term."""
    if len(same(term)) < 2:
        return []
    found = _units().where(Organization.active, finding.contains_chinese(Organization.name, term))
    return list(db.session.scalars(found.order_by(Organization.id).limit(MOST_FOUND)))


def name_of(unit_id: int) -> str | None:
    """The name of a using unit that the acting person sees."""
    names = _units().with_only_columns(Organization.name)
    found: str | None = db.session.scalar(names.where(Organization.id == unit_id))
    return found


def find(unit_id: int, by: Principal) -> Organization | None:
    """A using unit at home in a person's jurisdiction."""
    found: Organization | None = db.session.scalar(_units().where(Organization.id == unit_id, at_home(by)))
    return found


def at_home(by: Principal) -> ColumnElement[bool]:
    """The condition that an organization is at home in a person's jurisdiction."""
    return access.at_home(Organization, by.jurisdiction)


def _units() -> Select[Any]:
    return select(Organization).where(Organization.kind == "using_unit")


# --- SQL, for a unit in a list -------------------------------------------------------------------


# How many instruments a unit has is a figure about the unit: the plain table tells it the same to every reader,
# wherever the instruments are.
_instrument = Instrument.__table__.c
Of = Callable[[Any], ColumnElement[bool]]


def instruments(of: Of = lambda _instrument: true()) -> Any:
    """How many instruments it has, scrapped ones left out; perhaps only those of which a condition holds."""
    own = select(func.count()).where(_instrument.using_unit_id == Organization.id, _is_kept(), of(_instrument))
    return own.correlate(Organization).scalar_subquery()


def has_instruments(of: Of) -> ColumnElement[bool]:
    """The condition that it has an instrument of which a condition holds."""
    return exists().where(_instrument.using_unit_id == Organization.id, _is_kept(), of(_instrument))


def _is_kept() -> ColumnElement[bool]:
    kept: ColumnElement[bool] = _instrument.use_state != SCRAPPED
    return kept


def is_overdue(instrument: Any) -> ColumnElement[bool]:
    """The condition that an instrument in use should have been verified again."""
    return and_(instrument.verification_state == OVERDUE, instrument.use_state == IN_USE)
