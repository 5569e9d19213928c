"""Who may do what (ROLES) and who sees which rows (RULES). The only place for both.

A row is visible if the rule of its mixin says so. The rules are added to every ORM statement of the session;
Core statements, COPY and the writes of workflow.py go through `visible`. Nobody known sees nothing.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from flask import g, has_app_context
from flask_babel import lazy_gettext as _l
from sqlalchemy import ColumnElement, event, exists, false, func, inspect, or_
from sqlalchemy.orm import ORMExecuteState, Session, aliased, with_loader_criteria
from sqlalchemy.orm.interfaces import ORMOption

from app.models import (
    Appointment,
    Institution,
    Instrument,
    Organization,
    OwnedByInstitution,
    OwnedByUsingUnit,
    SharedByParties,
    Task,
    UsingUnit,
    WithinRegion,
)

Rule = Callable[[Any], ColumnElement[bool]]


@dataclass(frozen=True)
class Principal:
    """Who acts: the account and its organization. Only `kind` and what follows it decide about rows."""

    kind: str = "nobody"
    account_id: int | None = None
    name: str = ""
    organization_id: int | None = None
    organization: str = ""
    level: str = ""
    jurisdiction: str | None = None
    path: str = ""
    place: str = ""

    @property
    def is_known(self) -> bool:
        return self.kind != "nobody"


NOBODY = Principal()
# For commands, the worker and tests; never for a request.
EVERYTHING = Principal(kind="everything", name="system", organization="system")

_acting: ContextVar[Principal | None] = ContextVar("acting", default=None)


def principal() -> Principal:
    """Who acts now: as said by `seeing`, else by the request."""
    explicit = _acting.get()
    if explicit is not None:
        return explicit
    return g.get("principal", NOBODY) if has_app_context() else NOBODY


@contextmanager
def seeing(who: Principal) -> Iterator[Principal]:
    """Act as `who` within the block."""
    token = _acting.set(who)
    try:
        yield who
    finally:
        _acting.reset(token)


# --- Which rows ----------------------------------------------------------------------------------


@lru_cache(maxsize=4096)
def rules(who: Principal) -> tuple[tuple[type, Rule], ...]:
    """The rule for each mixin or table, for this person. A table under none is for everybody."""
    if who.kind == "everything":
        return ()
    if who.kind == "authority" and who.jurisdiction is not None:
        return _rules_of_authority(who.jurisdiction)
    if who.kind == "institution" and who.organization_id is not None:
        return _rules_of_institution(who.organization_id)
    if who.kind == "using_unit" and who.organization_id is not None:
        return _rules_of_using_unit(who.organization_id)
    tables = (WithinRegion, OwnedByInstitution, Organization, Institution, UsingUnit)
    return tuple((table, lambda cls: false()) for table in tables)


def within(jurisdiction: str) -> Rule:
    """The rule that a row lies in a jurisdiction: '33' a province, '3301' a city, '330106' a county."""
    if len(jurisdiction) == 2:
        return lambda cls: func.left(cls.city_code, 2) == jurisdiction
    city = jurisdiction[:4] + "00"
    if len(jurisdiction) == 4:
        return lambda cls: cls.city_code == city
    return lambda cls: (cls.city_code == city) & (cls.region_code == jurisdiction)


unit = aliased(Organization, name="unit")
given = aliased(Task, name="given")


def _rules_of_authority(jurisdiction: str) -> tuple[tuple[type, Rule], ...]:
    if not jurisdiction:
        return ()
    width = len(jurisdiction)
    return (
        (WithinRegion, within(jurisdiction)),
        (
            Organization,
            lambda cls: or_(cls.kind != "using_unit", func.left(cls.region_code, width) == jurisdiction),
        ),
        (
            UsingUnit,
            lambda cls: exists().where(
                unit.id == cls.organization_id, func.left(unit.region_code, width) == jurisdiction
            ),
        ),
    )


def _rules_of_institution(own_id: int) -> tuple[tuple[type, Rule], ...]:
    return (
        (SharedByParties, lambda cls: cls.institution_id == own_id),
        (
            Instrument,
            lambda cls: exists().where(given.institution_id == own_id, given.instrument_id == cls.id),
        ),
        (
            Appointment,
            lambda cls: exists().where(given.institution_id == own_id, given.appointment_id == cls.id),
        ),
        (OwnedByInstitution, lambda cls: cls.institution_id == own_id),
        (Organization, lambda cls: or_(cls.kind != "using_unit", cls.id == own_id)),
        (UsingUnit, lambda cls: false()),
    )


def _rules_of_using_unit(own_id: int) -> tuple[tuple[type, Rule], ...]:
    return (
        (SharedByParties, lambda cls: cls.using_unit_id == own_id),
        (OwnedByUsingUnit, lambda cls: cls.using_unit_id == own_id),
        (OwnedByInstitution, lambda cls: false()),
        (Organization, lambda cls: or_(cls.kind != "using_unit", cls.id == own_id)),
        (UsingUnit, lambda cls: cls.organization_id == own_id),
    )


def visible(statement: Any, *entities: Any, who: Principal | None = None) -> Any:
    """The statement narrowed to the rows of `entities` (classes or aliases) that may be seen.

    For what the session cannot reach: Core, COPY, and writes that read what they write.
    """
    for entity in entities:
        table = inspect(entity).mapper.class_
        for owner, rule in rules(who or principal()):
            if issubclass(table, owner):
                statement = statement.where(rule(entity))
    return statement


@lru_cache(maxsize=4096)
def _options(who: Principal) -> tuple[ORMOption, ...]:
    return tuple(with_loader_criteria(owner, rule, include_aliases=True) for owner, rule in rules(who))


def _narrow(state: ORMExecuteState) -> None:
    reads_or_changes = state.is_select or state.is_update or state.is_delete
    if reads_or_changes and not state.is_column_load and not state.is_relationship_load:
        state.statement = state.statement.options(*_options(principal()))


class OutsideJurisdiction(Exception):
    """A row was about to be written where the acting person sees nothing."""


def _guard(session: Session, *_: Any) -> None:
    who = principal()
    for row in (*session.new, *session.dirty):
        if isinstance(row, WithinRegion | OwnedByInstitution) and not _may_write(row, who):
            raise OutsideJurisdiction(f"{type(row).__name__} {row}")


def _may_write(row: Any, who: Principal) -> bool:
    if who.kind == "everything":
        return True
    if who.kind == "authority" and who.jurisdiction is not None:
        return getattr(row, "region_code", who.jurisdiction).startswith(who.jurisdiction)
    own = {"institution": "institution_id", "using_unit": "using_unit_id"}.get(who.kind)
    return own is not None and getattr(row, own, None) == who.organization_id


def install(session: Any) -> None:
    """Narrow every statement of the session and guard its writes."""
    event.listen(session, "do_orm_execute", _narrow)
    event.listen(session, "before_flush", _guard)


# --- What they may do ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Role:
    """A role and its permissions: page -> what one may do there."""

    label: Any
    permissions: dict[str, frozenset[str]]


def _permissions(**pages: str) -> dict[str, frozenset[str]]:
    return {page: frozenset(names.split()) for page, names in pages.items()}


_READ = "can_list can_show"
_ASSIGNER = "can_list can_show can_export can_reveal assign assign_best refuse escalate"

ROLES = {
    "NationalAdministrator": Role(
        _l("National administrator"),
        _permissions(Assignments=_ASSIGNER, Deadlines="can_list can_add can_edit can_delete"),
    ),
    "ProvincialAdministrator": Role(
        _l("Provincial administrator"), _permissions(Assignments=_ASSIGNER, Deadlines="can_list")
    ),
    "CityAdministrator": Role(_l("City administrator"), _permissions(Assignments=_ASSIGNER, Deadlines="can_list")),
    "CountyAdministrator": Role(_l("County administrator"), _permissions(Assignments=_ASSIGNER, Deadlines="can_list")),
    "AssignmentOfficer": Role(_l("Assignment officer"), _permissions(Assignments=_ASSIGNER)),
    "PublicationOfficer": Role(_l("Publication officer"), _permissions(Assignments=_READ)),
    "Analyst": Role(_l("Analyst"), _permissions(Assignments=f"{_READ} can_export")),
    "Auditor": Role(_l("Auditor"), _permissions(Assignments=_READ, Deadlines="can_list")),
    "InstitutionClerk": Role(
        _l("Institution clerk"), _permissions(Inbox="can_list can_show can_export can_reveal accept return")
    ),
    "UsingUnitClerk": Role(_l("Using unit clerk"), _permissions(Progress="can_list can_show can_export")),
}
