"""Who may do what (ROLES) and who sees which rows (RULES). The only place for both.

A row is visible if the rule of its mixin says so. The rules are added to every ORM statement of the session;
Core statements, COPY and the writes of workflow.py go through `visible`. Nobody known sees nothing.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from flask import g, has_app_context
from flask_babel import lazy_gettext as _l
from sqlalchemy import ColumnElement, and_, event, exists, false, func, inspect, literal, or_, select, true
from sqlalchemy.orm import ORMExecuteState, Session, with_loader_criteria
from sqlalchemy.orm.interfaces import ORMOption

from app.models import (
    Account,
    Appointment,
    AuditEntry,
    Capability,
    CatalogueItem,
    Certificate,
    Inspection,
    Institution,
    Instrument,
    KeptByAuthority,
    KeptByUsingUnit,
    Model,
    OfferedByInstitution,
    Organization,
    OwnedByAccount,
    OwnedByInstitution,
    OwnedByUsingUnit,
    Photo,
    SeenByInspected,
    SharedByAccount,
    SharedByParties,
    Task,
    UsingUnit,
    WithinRegion,
)
from app.states import ABOLISHED, APPROVED, EFFECTIVE, EXPIRED, SEALED, SUPERSEDED

Rule = Callable[[Any], ColumnElement[bool]]

# The states of capabilities and standards that have been in force at some time.
BECAME_KNOWN = frozenset({EFFECTIVE, APPROVED, EXPIRED, SEALED, ABOLISHED, SUPERSEDED})


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
    region_code: str = ""
    roles: frozenset[str] = frozenset()

    @property
    def is_known(self) -> bool:
        return self.kind != "nobody"


NOBODY = Principal()
# Everybody: sees what is published, on the portal and in the open data, whoever asks there.
PUBLIC = Principal(kind="public")
# For commands, the worker and tests; never for a request.
EVERYTHING = Principal(kind="everything", name="system", organization="system")

_acting: ContextVar[Principal | None] = ContextVar("acting", default=None)


def without_rights(account: Account) -> Principal:
    """Who an account is, for the record: somebody who sees nothing."""
    home = account.organization
    return Principal(
        account_id=account.id,
        name=account.first_name,
        organization=home.name if home else "",
        region_code=home.region_code if home else "",
    )


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
    return (*_rules_of_accounts(who), _rule_of_sharing(who), *_rules_of_data(who))


def _rules_of_data(who: Principal) -> tuple[tuple[type, Rule], ...]:
    if who.kind == "authority" and who.jurisdiction is not None:
        return _rules_of_authority(who.jurisdiction)
    if who.kind == "institution" and who.organization_id is not None:
        return _rules_of_institution(who.organization_id)
    if who.kind == "using_unit" and who.organization_id is not None:
        return _rules_of_using_unit(who.organization_id)
    if who.kind == "public":
        return _rules_of_public()
    tables = (
        WithinRegion, OwnedByInstitution, OfferedByInstitution, KeptByUsingUnit, Organization, Institution, UsingUnit,
    )  # fmt: skip
    return tuple((table, lambda cls: false()) for table in tables)


def within(jurisdiction: str) -> Rule:
    """The rule that a row lies in a jurisdiction: '33' a province, '3301' a city, '330106' a county."""
    if len(jurisdiction) == 2:
        return lambda cls: func.left(cls.city_code, 2) == jurisdiction
    city = jurisdiction[:4] + "00"
    if len(jurisdiction) == 4:
        return lambda cls: cls.city_code == city
    return lambda cls: (cls.city_code == city) & (cls.region_code == jurisdiction)


# What a rule asks of other rows it asks of the plain tables: as classes they would be narrowed themselves, and so on.
unit = Organization.__table__.alias("unit").c
given = Task.__table__.alias("given").c
settled = Organization.__table__.alias("settled").c


# The 新疆生产建设兵团 is the authority of its own cities, beside that of the region around them.
ENCLAVES = {"65": "6590"}
_NO_ENCLAVE = "none"


def _rules_of_authority(jurisdiction: str) -> tuple[tuple[type, Rule], ...]:
    if not jurisdiction:
        return ((KeptByUsingUnit, lambda cls: false()),)
    here, apart = f"{jurisdiction}%", ENCLAVES.get(jurisdiction, _NO_ENCLAVE)
    known = sorted(BECAME_KNOWN)
    return (
        (WithinRegion, _under(jurisdiction)),
        (KeptByUsingUnit, lambda cls: false()),
        # What is only drafted, under review or rejected is for the authorities of the institution's own place.
        (OfferedByInstitution, lambda cls: or_(cls.state.in_(known), cls.institution_id.in_(_at_home_in(here, apart)))),
        (Organization, lambda cls: or_(cls.kind != "using_unit", _at_home(cls, here, apart))),
        (
            UsingUnit,
            lambda cls: exists().where(unit.id == cls.organization_id, _at_home(unit, here, apart)),
        ),
    )


def _under(jurisdiction: str) -> Rule:
    """The rule that a row is an authority's to see: within its jurisdiction, but not in an enclave."""
    if jurisdiction not in ENCLAVES:
        return within(jurisdiction)
    apart = ENCLAVES[jurisdiction] + "00"
    return lambda cls: and_(func.left(cls.city_code, 2) == jurisdiction, cls.city_code != apart)


def _at_home(cls: Any, here: str, apart: str) -> ColumnElement[bool]:
    """An organization is at home in a jurisdiction ('33%'), but not in an enclave. The planner can count a prefix."""
    return and_(cls.region_code.like(here), func.left(cls.region_code, 4) != apart)


def _at_home_in(here: str, apart: str) -> Any:
    """The ids of the organizations at home in a jurisdiction. By itself, so that it is looked up once."""
    return select(settled.id).where(_at_home(settled, here, apart))


def at_home(cls: Any, jurisdiction: str | None) -> ColumnElement[bool]:
    """The condition that an organization is at home in a jurisdiction; who has none has nobody at home."""
    if jurisdiction is None:
        return false()
    if not jurisdiction:
        return true()
    return _at_home(cls, f"{jurisdiction}%", ENCLAVES.get(jurisdiction, _NO_ENCLAVE))


def covers(jurisdiction: str | None, region_code: str) -> bool:
    """Whether a region lies in a jurisdiction."""
    apart = ENCLAVES.get(jurisdiction or "", _NO_ENCLAVE)
    return jurisdiction is not None and region_code.startswith(jurisdiction) and not region_code.startswith(apart)


LEVELS = ("nation", "province", "city", "county")
home = Organization.__table__.alias("home").c
holder = Account.__table__.alias("holder").c
holders_home = Organization.__table__.alias("holders_home").c


def manages(who: Principal) -> Rule:
    """The rule that an organization's accounts are a person's to look after.

    An authority: its own, those of the authorities below it, and those of the institutions and using units in its
    jurisdiction that are not of a higher level. Others: their own.
    """
    if who.kind == "everything" or (who.kind == "authority" and who.jurisdiction == ""):
        return lambda cls: true()
    if who.kind == "authority" and who.jurisdiction is not None:
        below, levels, here, apart = _care_of(who)
        return lambda cls: _cared_for(cls, below, levels, here, apart)
    own_id = who.organization_id if who.is_known else None
    return lambda cls: cls.id == own_id


def _care_of(who: Principal) -> tuple[str, list[str], str, str]:
    jurisdiction = who.jurisdiction or ""
    levels: list[str] = list(LEVELS[LEVELS.index(who.level) :]) if who.level in LEVELS else []
    apart = ENCLAVES.get(jurisdiction, _NO_ENCLAVE)
    return (f"{who.path}%" if who.path else ""), levels, f"{jurisdiction}%", apart


def _cared_for(cls: Any, below: str, levels: list[str], here: str, apart: str) -> ColumnElement[bool]:
    near = and_(cls.kind != "authority", cls.level.in_(levels), _at_home(cls, here, apart))
    return or_(and_(cls.kind == "authority", cls.path.like(below)), near)


def _rules_of_accounts(who: Principal) -> tuple[tuple[type, Rule], ...]:
    mine = who.account_id
    if who.kind == "authority" and who.jurisdiction == "":
        return ()
    if who.kind == "authority" and who.jurisdiction is not None:
        below, levels, here, apart = _care_of(who)
        # One's own account is among them. An "or" beside the subquery would keep the planner from joining it.
        return (
            (
                Account,
                lambda cls: exists().where(
                    home.id == cls.organization_id, _cared_for(home, below, levels, here, apart)
                ),
            ),
            (
                OwnedByAccount,
                lambda cls: exists().where(
                    holder.id == cls.account_id,
                    holders_home.id == holder.organization_id,
                    _cared_for(holders_home, below, levels, here, apart),
                ),
            ),
            (AuditEntry, _audited(who.jurisdiction)),
        )
    # No row has the id 0; compared with None it would be IS NULL, and who belongs nowhere would be everybody's.
    mine, own_id = who.account_id or 0, (who.organization_id if who.is_known else None) or 0
    return (
        (Account, lambda cls: or_(cls.id == mine, cls.organization_id == own_id)),
        (
            OwnedByAccount,
            lambda cls: or_(
                cls.account_id == mine, exists().where(holder.id == cls.account_id, holder.organization_id == own_id)
            ),
        ),
        (AuditEntry, lambda cls: false()),
    )


def _rule_of_sharing(who: Principal) -> tuple[type, Rule]:
    """What one made is one's own; what is shared is for those of the same organization, whoever administers them."""
    mine, own_id = who.account_id or 0, (who.organization_id if who.is_known else None) or 0
    return SharedByAccount, lambda cls: or_(
        cls.account_id == mine,
        and_(cls.shared, exists().where(holder.id == cls.account_id, holder.organization_id == own_id)),
    )


def _audited(jurisdiction: str) -> Rule:
    """Auditors of an authority see what was done from within their jurisdiction; the nation sees all."""
    province, here, apart = jurisdiction[:2], f"{jurisdiction}%", ENCLAVES.get(jurisdiction, _NO_ENCLAVE)
    return lambda cls: and_(func.left(cls.region_code, 2) == province, _at_home(cls, here, apart))


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
        (Photo, lambda cls: exists().where(given.institution_id == own_id, given.instrument_id == cls.instrument_id)),
        (OwnedByInstitution, lambda cls: cls.institution_id == own_id),
        (OfferedByInstitution, lambda cls: cls.institution_id == own_id),
        (KeptByAuthority, lambda cls: false()),
        (KeptByUsingUnit, lambda cls: false()),
        (SeenByInspected, lambda cls: and_(cls.party_id == own_id, cls.concluded_at.is_not(None))),
        (Organization, lambda cls: or_(cls.kind != "using_unit", cls.id == own_id)),
        (UsingUnit, lambda cls: false()),
    )


def _rules_of_using_unit(own_id: int) -> tuple[tuple[type, Rule], ...]:
    return (
        (SharedByParties, lambda cls: cls.using_unit_id == own_id),
        (OwnedByUsingUnit, lambda cls: cls.using_unit_id == own_id),
        (OwnedByInstitution, lambda cls: false()),
        (OfferedByInstitution, lambda cls: cls.state.in_(("effective", "approved"))),
        (KeptByAuthority, lambda cls: false()),
        (KeptByUsingUnit, lambda cls: cls.using_unit_id == own_id),
        (SeenByInspected, lambda cls: and_(cls.party_id == own_id, cls.concluded_at.is_not(None))),
        (Organization, lambda cls: or_(cls.kind != "using_unit", cls.id == own_id)),
        (UsingUnit, lambda cls: cls.organization_id == own_id),
    )


# --- Everybody -----------------------------------------------------------------------------------


disclosed = Certificate.__table__.alias("disclosed").c
office = Institution.__table__.alias("office").c
category = CatalogueItem.__table__.alias("category").c


def _rules_of_public() -> tuple[tuple[type, Rule], ...]:
    """Valid certificates that are published and what stands behind them, published institutions with what they can
    verify, the published catalogue, published inspections and the names of authorities (政府信息公开条例 Art 15, 20;
    个人信息保护法 Art 25). Of all other tables no row."""
    shown: dict[type, Rule] = {
        Certificate: _is_disclosed,
        Instrument: lambda cls: _one(disclosed.instrument_id == cls.id, _is_disclosed(disclosed)),
        UsingUnit: lambda cls: _one(disclosed.using_unit_id == cls.organization_id, _is_disclosed(disclosed)),
        Organization: lambda cls: or_(
            cls.kind == "authority",
            and_(cls.kind == "institution", _is_published_institution(cls.id)),
            and_(cls.kind == "using_unit", _one(disclosed.using_unit_id == cls.id, _is_disclosed(disclosed))),
        ),
        Institution: lambda cls: cls.publication == "published",
        Inspection: lambda cls: cls.publication == "published",
        Capability: lambda cls: and_(cls.state == "effective", _is_serving(cls.institution_id)),
        CatalogueItem: lambda cls: and_(
            cls.publication == "published",
            or_(cls.parent_id.is_(None), _one(category.id == cls.parent_id, category.publication == "published")),
        ),
    }
    return (*shown.items(), *((table, lambda cls: false()) for table in _narrowed_tables() if table not in shown))


def _is_disclosed(certificate: Any) -> ColumnElement[bool]:
    return and_(certificate.publication == "published", certificate.state == "valid")


def _is_published_institution(id: Any) -> ColumnElement[bool]:
    return _one(office.organization_id == id, office.publication == "published")


def _is_serving(id: Any) -> ColumnElement[bool]:
    return _one(office.organization_id == id, office.publication == "published", office.standing == "in_service")


def _one(*conditions: Any) -> ColumnElement[bool]:
    """There is one such row. As a value it is looked up row by row: few are asked about, and EXISTS read them all."""
    return select(literal(True)).where(*conditions).limit(1).scalar_subquery().is_not(None)


def _narrowed_tables() -> list[type]:
    """Every table whose rows belong to somebody; one that is added later is among them by its mixin."""
    mixins = (WithinRegion, OwnedByInstitution, OfferedByInstitution, KeptByUsingUnit)
    return [mapper.class_ for mapper in Model.registry.mappers if issubclass(mapper.class_, mixins)]


def visible(statement: Any, *entities: Any, who: Principal | None = None) -> Any:
    """The statement narrowed to the rows of `entities` (classes or aliases) that may be seen.

    For what the session cannot reach: Core, COPY, and writes that read what they write.
    """
    return statement.where(*(seen(entity, who or principal()) for entity in entities))


def narrowing() -> tuple[ORMOption, ...]:
    """Options that narrow every table of a statement, in subqueries and outer joins too, as the session does it."""
    return _options(principal())


def seen(entity: Any, who: Principal) -> ColumnElement[bool]:
    """The condition that somebody may see a row; for the ON of outer joins, where the session cannot reach."""
    table = inspect(entity).mapper.class_
    return and_(true(), *(rule(entity) for owner, rule in rules(who) if issubclass(table, owner)))


@lru_cache(maxsize=4096)
def _options(who: Principal) -> tuple[ORMOption, ...]:
    # SQLAlchemy remembers a rule's SQL by its code and takes only the plain values around it anew: a rule may call
    # functions of this module, but no function may stand among its values (held by a test).
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
        if isinstance(row, _GUARDED) and not _may_write(session, row, who):
            raise OutsideJurisdiction(f"{type(row).__name__} {row}")


_GUARDED = (WithinRegion, OwnedByInstitution, OfferedByInstitution, Account, OwnedByAccount, SharedByAccount)


def _may_write(session: Session, row: Any, who: Principal) -> bool:
    if who.kind == "everything":
        return True
    if isinstance(row, Account):
        return row.id == who.account_id or _manages_home(session, row.organization_id, who)
    if isinstance(row, SharedByAccount):
        return row.account_id == who.account_id
    if isinstance(row, OwnedByAccount):
        return row.account_id == who.account_id or _manages_home(session, _home_of(session, row.account_id), who)
    if who.kind == "authority" and who.jurisdiction is not None:
        return covers(who.jurisdiction, getattr(row, "region_code", who.jurisdiction))
    own = {"institution": "institution_id", "using_unit": "using_unit_id"}.get(who.kind)
    return own is not None and getattr(row, own, None) == who.organization_id


def _manages_home(session: Session, organization_id: int | None, who: Principal) -> bool:
    with session.no_autoflush:
        return session.scalar(select(home.id).where(home.id == organization_id, manages(who)(home))) is not None


def _home_of(session: Session, account_id: int) -> int | None:
    with session.no_autoflush:
        return session.scalar(select(holder.organization_id).where(holder.id == account_id))


def install(session: Any) -> None:
    """Narrow every statement of the session and guard its writes; once, however many applications share it."""
    if not event.contains(session, "do_orm_execute", _narrow):
        event.listen(session, "do_orm_execute", _narrow)
        event.listen(session, "before_flush", _guard)


# --- What they may do ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Role:
    """A role: at which kind of organization, its permissions (page -> what one may do there), what it may grant.

    `level` is the level that the organization must have, None for any. `duty` keeps apart who administers, who
    works and who audits (GB/T 22239-2019 8.1.4.2): at an authority nobody holds roles of two duties.
    """

    label: Any
    kind: str
    duty: str
    permissions: dict[str, frozenset[str]]
    level: str | None = None
    grants: frozenset[str] = frozenset()


# 三员分立: the system, the security (accounts and roles) and the audit are looked after by different people.
SYSTEM, ADMINISTRATION, BUSINESS, AUDIT = "system", "administration", "business", "audit"


# What one does without changing anything, persons included.
_READING = frozenset({"can_list", "can_show", "can_export", "can_reveal", "can_see_persons", "can_see_telephones"})
# Work on figures, in which there are no persons.
_OF_FIGURES = frozenset({"can_set_threshold"})


# What everybody with a role has: the first page, what the system told them, and the long work they asked for.
_EVERYBODY = {"HomeView": "can_list", "Notifications": "can_list mark_read", "Jobs": "can_list cancel can_download"}


def _permissions(**pages: str) -> dict[str, frozenset[str]]:
    return {page: _with_persons(frozenset(names.split())) for page, names in (_EVERYBODY | pages).items()}


def _with_persons(names: frozenset[str]) -> frozenset[str]:
    """Who works on the rows of a page deals with the persons in them; who only looks sees them if it is said."""
    return names | {"can_see_persons"} if names - _READING - _OF_FIGURES else names


_READ = "can_list can_show"
_TAKES_AWAY = "can_list can_show can_export download"
_ASSIGNER = "can_list can_show can_export can_reveal assign assign_best refuse escalate"
_REVIEWER = "can_list can_show can_export pass send_back"
# 信息公示: who publishes, and who only looks.
_PUBLISHER = {
    "Publications": "can_list can_show can_export publish revoke download automatic",
    "Institutions": "can_list can_show can_export can_reveal publish revoke",
    "CapabilityReviews": "can_list can_show can_export pass reject",
    "Catalogue": "can_list can_show can_export",
}
# 社公标: who enters them, and who reviews them; an account may do both, but not with the same standard.
_STANDARD_CLERK = {
    "Standards": "can_list can_show can_export add edit delete submit recall seal abolish "
    "export_for_changes import_changes import",
    "Traces": "can_list can_show can_export tell",
}
_STANDARD_REVIEWER = {"StandardReviews": "can_list can_show can_export pass send_back"}
_LOOKER = dict.fromkeys(
    ("Publications", "Institutions", "Catalogue", "Standards", "Traces"), "can_list can_show can_export"
)
# 机构监管: who looks after institutions and inspects, and who only looks.
_INSPECTOR = {
    "Inspections": "can_list can_show can_export can_add draw inspect conclude recheck cancel publish revoke report",
    "InspectionDraws": "can_list can_show can_export repeat",
    "LocalInstitutions": "can_list can_show can_export can_see_persons can_reveal",
    "CapabilityGaps": "can_list can_export",
}
_KEEPER = {
    **_INSPECTOR,
    "LocalInstitutions": "can_list can_show can_export can_reveal can_add can_edit suspend reinstate close import",
}
_ONLOOKER = {
    "Inspections": "can_list can_show can_export",
    "LocalInstitutions": "can_list can_show can_export",
    "CapabilityGaps": "can_list can_export",
}
# 数据统计: for whoever leads, and for whoever looks.
_STATISTICS = dict.fromkeys(
    ("InstrumentStatistics", "InspectionRateStatistics", "PassRateStatistics", "WorkloadStatistics",
     "AbilityStatistics"),
    "can_list can_export",
) | {"Wall": "can_list", "MonthlyReports": "can_list can_add can_edit can_delete"}  # fmt: skip
# 行政监管: who leads also says from where on a figure is marked.
_OVERSIGHT = dict.fromkeys(
    ("Business", "AuthorityToDo", "Acceptance", "Quantity", "InstitutionFigures", "UnitFigures", "PassRates",
     "InstrumentStates", "InstrumentKinds", "Forecast"),
    "can_list can_export",
)  # fmt: skip
_LEADS = {page: f"{names} can_set_threshold" for page, names in _OVERSIGHT.items()}
# 数据查询: everybody who analyses looks; telephones and names of persons are for who leads the office.
_WITH_TELEPHONES = ("AppointmentQueries", "InstitutionQueries", "UnitQueries")
_QUERIES = dict.fromkeys(
    ("InstrumentQueries", "CertificateQueries", "StandardQueries", "StepQueries", *_WITH_TELEPHONES),
    "can_list can_show can_export",
)
_QUERIES_WITH_PERSONS = {
    **dict.fromkeys(_QUERIES, "can_list can_show can_export can_see_persons"),
    **dict.fromkeys(_WITH_TELEPHONES, "can_list can_show can_export can_see_persons can_reveal"),
}
_INSPECTED = {"OwnInspections": "can_list can_show can_export answer report"}
_ADMINISTRATOR = {
    "Accounts": "can_list can_show can_edit can_export can_reveal activate deactivate unlock give_role take_role "
    "attach reset_password reset_second_factor",
    "Organizations": "can_list can_show can_export can_reveal can_add can_edit move merge disable enable admit "
    "turn_down",
    "Deadlines": "can_list",
    "Holidays": "can_list",
    "ProvinceRules": "can_list",
}
_OWN_ADMINISTRATOR = {
    "Accounts": "can_list can_show can_edit can_reveal activate deactivate unlock give_role take_role reset_password "
    "reset_second_factor"
}

_OF_UNITS = {"UsingUnitAdministrator", "UsingUnitClerk"}
_OF_INSTITUTIONS = {"InstitutionAdministrator", "InstitutionClerk", "InstitutionVerifier", "InstitutionApprover"}
_OFFICERS = {
    "Supervisor", "AssignmentOfficer", "PublicationOfficer", "StandardOfficer", "InspectionOfficer", "Analyst",
}  # fmt: skip
_IN_A_COUNTY = {*_OFFICERS, *_OF_INSTITUTIONS, *_OF_UNITS}
_IN_A_CITY = {"CountyAdministrator", *_IN_A_COUNTY}
_IN_A_PROVINCE = {"CityAdministrator", "Auditor", *_IN_A_CITY}
_IN_THE_NATION = {
    "NationalAdministrator", "SystemAdministrator", "ProvincialAdministrator", "CatalogueOfficer", *_IN_A_PROVINCE,
}  # fmt: skip


def _administrator(label: Any, level: str, grants: set[str], **more: str) -> Role:
    permissions = _permissions(**{**_ADMINISTRATOR, **more})
    return Role(label, "authority", ADMINISTRATION, permissions, level, frozenset(grants))


def _officer(label: Any, **pages: str) -> Role:
    return Role(label, "authority", BUSINESS, _permissions(**pages))


ROLES = {
    "NationalAdministrator": _administrator(
        _l("National administrator"),
        "nation",
        _IN_THE_NATION,
    ),
    "SystemAdministrator": Role(
        _l("System administrator"),
        "authority",
        SYSTEM,
        _permissions(
            Deadlines="can_list can_add can_edit can_delete",
            Holidays="can_list can_add can_edit can_delete",
            ProvinceRules="can_list can_add can_edit can_delete",
            ClockRuns="can_list run",
        ),
        level="nation",
    ),
    "ProvincialAdministrator": _administrator(_l("Provincial administrator"), "province", _IN_A_PROVINCE),
    "CityAdministrator": _administrator(_l("City administrator"), "city", _IN_A_CITY),
    "CountyAdministrator": _administrator(_l("County administrator"), "county", _IN_A_COUNTY),
    "Supervisor": _officer(
        _l("Supervisor"),
        Assignments=_ASSIGNER,
        Filings=_REVIEWER,
        Deadlines="can_list",
        ProvinceRules="can_list",
        **_PUBLISHER,
        **_STANDARD_CLERK,
        **_STANDARD_REVIEWER,
        **_KEEPER,
        **_STATISTICS,
        **_LEADS,
        **_QUERIES_WITH_PERSONS,
    ),
    "AssignmentOfficer": _officer(_l("Assignment officer"), Assignments=_ASSIGNER, Filings=_REVIEWER),
    "PublicationOfficer": _officer(_l("Publication officer"), Assignments=_READ, **_PUBLISHER),
    "StandardOfficer": _officer(_l("Measurement standard officer"), **_STANDARD_CLERK, **_STANDARD_REVIEWER),
    "InspectionOfficer": _officer(_l("Inspection officer"), **_INSPECTOR, **_QUERIES),
    "CatalogueOfficer": Role(
        _l("Catalogue officer"),
        "authority",
        BUSINESS,
        _permissions(
            Catalogue="can_list can_show can_export add edit withdraw_announced import publish revoke confirm",
            Manufacturers="can_list can_show can_export can_add can_edit confirm merge",
        ),
        level="nation",
    ),
    "Analyst": _officer(
        _l("Analyst"),
        Assignments=f"{_READ} can_export",
        **_LOOKER,
        **_ONLOOKER,
        **_STATISTICS,
        **_OVERSIGHT,
        **_QUERIES,
    ),
    "Auditor": Role(
        _l("Auditor"), "authority", AUDIT, _permissions(AuditLog="can_list can_show can_export can_see_persons")
    ),
    "InstitutionAdministrator": Role(
        _l("Institution administrator"),
        "institution",
        ADMINISTRATION,
        _permissions(**_OWN_ADMINISTRATOR),
        grants=frozenset(_OF_INSTITUTIONS - {"InstitutionAdministrator"}),
    ),
    "InstitutionClerk": Role(
        _l("Institution clerk"),
        "institution",
        BUSINESS,
        _permissions(
            Inbox="can_list can_show can_export can_reveal accept return plan receive start",
            Certificates=_TAKES_AWAY,
        ),
    ),
    "InstitutionVerifier": Role(
        _l("Verifier"),
        "institution",
        BUSINESS,
        _permissions(
            Inbox="can_list can_show can_export can_reveal receive start",
            Results="can_list can_show can_export record check rework",
            Certificates=_TAKES_AWAY,
            Staff="can_list can_show can_see_persons",
        ),
    ),
    "InstitutionApprover": Role(
        _l("Approver"),
        "institution",
        BUSINESS,
        _permissions(
            Inbox="can_list can_show can_export can_reveal accept return plan receive start",
            Results="can_list can_show can_export check rework approve",
            Certificates=f"{_TAKES_AWAY} correct",
            Capabilities="can_list can_show can_export can_add can_edit can_delete declare recall capacity",
            Staff="can_list can_show can_export can_add can_edit qualify",
            IssuingRules="can_list can_edit",
            **_INSPECTED,
        ),
    ),
    "UsingUnitAdministrator": Role(
        _l("Using unit administrator"),
        "using_unit",
        ADMINISTRATION,
        _permissions(**_OWN_ADMINISTRATOR),
        grants=frozenset({"UsingUnitClerk"}),
    ),
    "UsingUnitClerk": Role(
        _l("Using unit clerk"),
        "using_unit",
        BUSINESS,
        _permissions(
            Ledger="can_list can_show can_export can_add can_edit copy file stop resume scrap add_photos import book "
            "export_for_changes",
            LedgerImports="can_list can_show can_see_persons can_import undo",
            Progress="can_list can_show can_export can_see_telephones submit resubmit withdraw remove",
            Appointments="can_list can_show can_export can_see_telephones can_print",
            Certificates=_TAKES_AWAY,
            **_INSPECTED,
        ),
    ),
}


def grantable(held: frozenset[str]) -> frozenset[str]:
    """The roles that somebody who holds these may give and take."""
    return frozenset().union(*(ROLES[role].grants for role in held if role in ROLES))


# On which page a party works on rows of a table.
_DESKS = {
    ("task", "authority"): "Assignments",
    ("task", "institution"): "Inbox",
    ("task", "using_unit"): "Progress",
    ("instrument", "using_unit"): "Ledger",
    ("capability", "institution"): "Capabilities",
    ("institution", "institution"): "Capabilities",
    ("measurement_standard", "institution"): "Capabilities",
    ("measurement_standard", "authority"): "Standards",
    ("certificate", "institution"): "Inbox",
    ("certificate", "using_unit"): "Ledger",
    ("qualification", "institution"): "Staff",
    ("inspection", "authority"): "Inspections",
    ("organization", "authority"): "Organizations",
    ("inspection", "institution"): "OwnInspections",
    ("inspection", "using_unit"): "OwnInspections",
}


def working_on(subject: str, party: str) -> list[str]:
    """The roles of those of a party who work on a table's rows, and so want to know what happens to them."""
    page = _DESKS[subject, party]
    return [name for name, role in ROLES.items() if role.permissions.get(page, frozenset()) - _READING]


def fits(role: str, kind: str, level: str) -> bool:
    """Whether a role can be held at an organization of this kind and level."""
    what = ROLES[role]
    return what.kind == kind and what.level in (None, level)


def duties_clash(held: Iterable[str]) -> bool:
    """Whether these roles at an authority would join duties that are to be kept apart."""
    return len({ROLES[role].duty for role in held if role in ROLES and ROLES[role].kind == "authority"}) > 1


# Somebody active must always hold it: it alone grants itself.
ROOT_ROLE = "NationalAdministrator"
# Whoever holds it is not silenced or replaced by one administrator alone.
AUDITOR = "Auditor"
