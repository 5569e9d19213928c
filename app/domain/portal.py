"""信息公示: what everybody may look up. Each statement is asked as the public, and names the few columns it shows.

What may be shown is an allow-list (政府信息公开条例 Art 15, 个人信息保护法 Art 25): serial numbers and the names of
persons are masked by the database, so that the whole ones do not even leave it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal

from sqlalchemy import BigInteger, ColumnElement, and_, case, exists, func, literal, or_, select, true, tuple_
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import aliased

from app.access import PUBLIC, seeing, within
from app.domain import holidays, ledger, regions
from app.domain.catalogue import in_force
from app.domain.regions import NATION
from app.errors import RuleError
from app.models import (
    Capability,
    CatalogueItem,
    Certificate,
    Inspection,
    Institution,
    Instrument,
    Organization,
    Region,
    ServiceRegion,
    UsingUnit,
    db,
)

PAGE_SIZE, LARGEST_PAGE = 20, 200
SHORTEST_NAME, LONGEST_NAME = 2, 50
# Few are fetched and then looked for; of many it is asked row by row, newest first, until the page is full.
MOST_FETCHED = 2000
# Of others, persons and sole traders who bear a person's name, only the first character is shown.
NAMED = ("enterprise", "public_institution", "government")

State = Literal["valid", "expired", "failed"]


@dataclass(frozen=True)
class PublishedCertificate:
    """A certificate with its instrument, as everybody may see it."""

    id: int
    no: str
    name: str
    kind_id: int
    kind: str | None
    model: str
    serial_no: str
    using_unit: str
    region_code: str
    region: str
    institution_id: int | None
    institution: str | None
    verified_on: date
    valid_until: date | None
    passed: bool
    state: State


@dataclass(frozen=True)
class PublishedInstitution:
    id: int
    name: str
    designation: Literal["statutory", "authorized", "special"]
    level: Literal["nation", "province", "city", "county"]
    region_code: str
    region: str
    authorization_no: str
    authorized_by: str
    authorized_until: date


@dataclass(frozen=True)
class PublishedCapability:
    """What an institution may verify, at which places."""

    kind_id: int
    kind: str
    measuring_range: str
    accuracy_class: str
    regulation: str
    delivery: Literal["sent", "on_site", "both"]
    valid_from: date
    valid_until: date
    places: tuple[str, ...]


@dataclass(frozen=True)
class PublishedItem:
    """An entry of the catalogue: level 1 is a category (项别), level 2 a kind (种别)."""

    id: int
    level: int
    number: int
    name: str
    parent_id: int | None
    supervision: Literal["P", "V", "P+V"] | None
    verification_mode: str | None
    cycle_months: int | None
    cycle_note: str | None
    scope: str | None
    valid_from: date


@dataclass(frozen=True)
class PublishedInspection:
    """The result of an inspection: of whom, by whom, what came out, and whether it has been put right since."""

    id: int
    no: str
    task: str
    authority: str
    kind: Literal["institution", "standard", "using_unit", "instrument"]
    party: str
    region_code: str
    region: str
    inspected_on: date
    drawn: bool
    conclusion: Literal["conforms", "does_not_conform", "rectify", "stop"]
    state: Literal["to_rectify", "to_recheck", "closed"]


@dataclass(frozen=True)
class Wanted:
    """What somebody looks for among the certificates. Of a serial number only the whole is found."""

    unit: str = ""
    serial: str = ""
    region: str = NATION
    item_id: int | None = None
    institution_id: int | None = None
    verified_from: date | None = None
    verified_to: date | None = None
    valid: bool | None = None


Place = tuple[datetime, int]


@dataclass(frozen=True)
class Found:
    """A page of what was found, and the place of its last row in the order if more follow."""

    rows: list[Any]
    last: tuple[Any, int] | None


def _asked(statement: Any) -> Any:
    """The one way by which this file reads: as the public."""
    with seeing(PUBLIC):
        return db.session.execute(statement)


def _ids(statement: Any) -> list[int]:
    return list(_asked(statement).scalars())


def _page(what: Any, rows: Sequence[Any], size: int, key: str) -> Found:
    shown = [what(**{name: value for name, value in row.items() if name != "key"}) for row in rows[:size]]
    return Found(shown, (rows[size - 1][key], shown[-1].id) if len(rows) > size else None)


def _among(column: Any, ids: Sequence[int]) -> ColumnElement[bool]:
    few: ColumnElement[bool] = column == func.any(literal(list(ids), ARRAY(BigInteger)))
    return few


def _before(order: Sequence[Any], place: Place) -> Any:
    """The condition that a row comes before a place in an order."""
    return tuple_(*order) < tuple_(*(literal(value, column.type) for value, column in zip(place, order, strict=True)))


# --- Masks ---------------------------------------------------------------------------------------


def masked_serial(serial_no: Any) -> Any:
    """SQL: a serial number of which only beginning and end can be read; as scans.masked."""
    long = func.left(serial_no, 2).concat("***").concat(func.right(serial_no, 2))
    return case((func.length(serial_no) <= 4, func.left(serial_no, 1).concat("***")), else_=long)


def masked_unit(name: Any, nature: Any) -> Any:
    """SQL: the name of a using unit; of persons, sole traders and whose nature is not known its first character."""
    return case((nature.in_(NAMED), name), else_=func.left(name, 1).concat("**"))


# --- Certificates --------------------------------------------------------------------------------

Unit, Issuer, Kind = aliased(Organization), aliased(Organization), aliased(CatalogueItem)


def _state() -> Any:
    over = Certificate.valid_until < holidays.today()
    return case((~Certificate.passed, "failed"), (over, "expired"), else_="valid")


def certificate_rows(narrow: Callable[[Any], Any] = lambda _entity: true()) -> Any:
    """The columns of certificates that may be shown.

    They are narrowed to what is published by the session, or else by `narrow` for what may be missing from a row and
    by CERTIFICATE_TABLES for the rest.
    """
    return (
        select(
            Certificate.id,
            Certificate.no,
            Instrument.name,
            Instrument.catalogue_item_id.label("kind_id"),
            Kind.name.label("kind"),
            Instrument.model,
            masked_serial(Instrument.serial_no).label("serial_no"),
            masked_unit(Unit.name, UsingUnit.nature).label("using_unit"),
            Certificate.region_code,
            Region.full_name.label("region"),
            Issuer.id.label("institution_id"),
            Issuer.name.label("institution"),
            Certificate.verified_on,
            Certificate.valid_until,
            Certificate.passed,
            _state().label("state"),
        )
        .select_from(Certificate)
        .join(
            Instrument, and_(Instrument.id == Certificate.instrument_id, Instrument.city_code == Certificate.city_code)
        )
        .join(Unit, Unit.id == Certificate.using_unit_id)
        .join(Region, Region.code == Certificate.region_code)
        .outerjoin(UsingUnit, and_(UsingUnit.organization_id == Certificate.using_unit_id, narrow(UsingUnit)))
        .outerjoin(Issuer, and_(Issuer.id == Certificate.institution_id, Issuer.kind == "institution", narrow(Issuer)))
        .outerjoin(Kind, and_(Kind.id == Instrument.catalogue_item_id, narrow(Kind)))
    )


CERTIFICATE_TABLES = (Certificate, Instrument, Unit)


def certificates(wanted: Wanted, *, after: Place | None = None, size: int = PAGE_SIZE) -> Found:
    """A page of the certificates that somebody looks for, the newest first."""
    conditions = _conditions(wanted)
    if conditions is None:
        return Found([], None)
    order = (Certificate.issued_at, Certificate.id)
    picked = select(*order).where(*conditions).order_by(*(column.desc() for column in order)).limit(size + 1)
    if after is not None:
        picked = picked.where(_before(order, after))
    keys = _asked(picked).all()
    rows = certificate_rows().add_columns(Certificate.issued_at.label("key"))
    found = _asked(rows.where(_among(Certificate.id, [key.id for key in keys]))) if keys else None
    sorted_rows = sorted(found.mappings(), key=lambda row: (row["key"], row["id"]), reverse=True) if found else []
    return _page(PublishedCertificate, sorted_rows, size, "key")


def certificate(certificate_id: int) -> PublishedCertificate | None:
    """A certificate that is published."""
    row = _asked(certificate_rows().where(Certificate.id == certificate_id))
    found = row.mappings().one_or_none()
    return PublishedCertificate(**found) if found else None


def _conditions(wanted: Wanted) -> list[Any] | None:
    """What is asked of the rows; None if there can be none."""
    asked: list[Any] = []
    if wanted.region != NATION:
        asked.append(within(regions.prefix(wanted.region))(Certificate))
    if wanted.serial:
        asked.append(_among(Certificate.instrument_id, _with_serial(wanted.serial)))
    if wanted.unit:
        asked.append(_of_unit(wanted.unit))
    if wanted.item_id is not None:
        asked.append(_of_kind(kinds_of(wanted.item_id), wanted.region))
    if wanted.institution_id is not None:
        if institution(wanted.institution_id) is None:
            return None
        asked.append(Certificate.institution_id == wanted.institution_id)
    if wanted.verified_from:
        asked.append(Certificate.verified_on >= wanted.verified_from)
    if wanted.verified_to:
        asked.append(Certificate.verified_on <= wanted.verified_to)
    if wanted.valid is not None:
        asked.append((_state() == "valid") == wanted.valid)
    return asked


def _with_serial(serial: str) -> list[int]:
    """The instruments with this serial number; a part of one is none, for it would give away what is masked."""
    try:
        key = ledger.serial_key(serial)
    except RuleError:
        return []  # longer than any there is
    return _ids(select(Instrument.id).where(Instrument.serial_key == key).limit(MOST_FETCHED))


def _of_unit(term: str) -> Any:
    """The condition that the using unit is named so; whoever is masked is not found by name."""
    named = and_(UsingUnit.nature.in_(NAMED), Organization.kind == "using_unit")
    of = UsingUnit.organization_id == Organization.id
    ids = _ids(
        select(Organization.id).join(UsingUnit, of).where(named, _contains(Organization.name, term)).limit(MOST_FETCHED)
    )
    if len(ids) < MOST_FETCHED:
        return _among(Certificate.using_unit_id, ids)
    # The empty text keeps the planner off the index of names.
    by_row = Organization.name.concat("").icontains(term, autoescape=True)
    found = select(literal(True)).join_from(Organization, UsingUnit, of)
    return _by_row(found.where(Organization.id == Certificate.using_unit_id, named, by_row))


def _by_row(found: Any) -> Any:
    """The condition that something is found for a row at hand. A value cannot be made a join that reads all first."""
    return found.scalar_subquery().is_not(None)


def _contains(column: Any, term: str) -> Any:
    """Two characters, the usual Chinese word, have no trigram: the index of 2-grams answers those."""
    if len(term) == 2:
        return func.bigrams(column).op("@>")(func.bigrams(term))
    return column.icontains(term, autoescape=True)


def _of_kind(kind_ids: Sequence[int], region: str) -> Any:
    """The condition that the instrument is of these kinds."""
    there = select(Instrument.id).where(_among(Instrument.catalogue_item_id, kind_ids))
    if region != NATION:
        first = regions.prefix(region)
        there = there.where(Instrument.region_code.between(first.ljust(6, "0"), first.ljust(6, "9")))
    ids = _ids(there.limit(MOST_FETCHED))
    if len(ids) < MOST_FETCHED:
        return _among(Certificate.instrument_id, ids)
    own = and_(Instrument.id == Certificate.instrument_id, Instrument.city_code == Certificate.city_code)
    return _by_row(select(literal(True)).where(own, _among(Instrument.catalogue_item_id, kind_ids)))


# --- Institutions --------------------------------------------------------------------------------


def institution_rows() -> Any:
    """The columns of institutions that may be shown, narrowed by the session or by INSTITUTION_TABLES."""
    region = select(Region.full_name).where(Region.code == Organization.region_code).scalar_subquery()
    return (
        select(
            Organization.id,
            Organization.name,
            Institution.designation,
            Organization.level,
            Organization.region_code,
            region.label("region"),
            Institution.authorization_no,
            Institution.authorized_by,
            Institution.authorized_until,
        )
        .select_from(Organization)
        .join(Institution, Institution.organization_id == Organization.id)
    )


INSTITUTION_TABLES = (Organization, Institution)


def institutions(
    *,
    name: str = "",
    item_id: int | None = None,
    region: str = NATION,
    after: tuple[str, int] | None = None,
    size: int = PAGE_SIZE,
) -> Found:
    """A page of the institutions that verify a kind, or anything, at a place, in the order of their regions."""
    rows = institution_rows().add_columns(Organization.region_code.label("key"))
    if name:
        rows = rows.where(Organization.name.icontains(name, autoescape=True))
    if item_id is not None or region != NATION:
        rows = rows.where(_able(item_id, region))
    if after is not None:
        rows = rows.where(tuple_(Organization.region_code, Organization.id) > after)
    order = rows.order_by(Organization.region_code, Organization.id).limit(size + 1)
    return _page(PublishedInstitution, _asked(order).mappings().all(), size, "key")


def _able(item_id: int | None, region: str) -> Any:
    today = holidays.today()
    able = (
        select(Capability.institution_id)
        .where(Capability.institution_id == Organization.id)
        .where(Capability.valid_from <= today, Capability.valid_until >= today)
    )
    if item_id is not None:
        able = able.where(_among(Capability.catalogue_item_id, kinds_of(item_id)))
    if region != NATION:
        served = ServiceRegion.capability_id == Capability.id
        able = able.where(exists().where(served, _serves(region)))
    return able.exists()


def _serves(region: str) -> Any:
    """The condition that a place lies around a region, is it, or lies within it."""
    around = {NATION, region[:2] + "0000", region[:4] + "00", region}
    first = regions.prefix(region)
    within_it = ServiceRegion.region_code.between(first.ljust(6, "0"), first.ljust(6, "9"))
    return or_(ServiceRegion.region_code.in_(sorted(around)), within_it)


def institution(institution_id: int) -> PublishedInstitution | None:
    """An institution that is published."""
    found = _asked(institution_rows().where(Organization.id == institution_id)).mappings().one_or_none()
    return PublishedInstitution(**found) if found else None


def institution_ids() -> list[int]:
    """All institutions that are published."""
    return _ids(select(Institution.organization_id).order_by(Institution.organization_id))


def capabilities(institution_id: int) -> list[PublishedCapability]:
    """What a published institution can verify today, of what is published of the catalogue, in its order."""
    today, place, category = holidays.today(), aliased(Region), aliased(CatalogueItem)
    places = (
        select(func.array_agg(place.full_name, type_=ARRAY(place.full_name.type)))
        .select_from(ServiceRegion)
        .join(place, place.code == ServiceRegion.region_code)
        .where(ServiceRegion.capability_id == Capability.id)
        .scalar_subquery()
    )
    rows = (
        select(
            Capability.catalogue_item_id.label("kind_id"),
            Kind.name.label("kind"),
            Capability.range_low,
            Capability.range_high,
            Capability.range_unit,
            Capability.accuracy_class,
            Capability.regulation,
            Capability.delivery,
            Capability.valid_from,
            Capability.valid_until,
            places.label("places"),
        )
        .join(Kind, Kind.id == Capability.catalogue_item_id)
        .join(category, category.id == Kind.parent_id)
        .where(Capability.institution_id == institution_id)
        .where(Capability.valid_from <= today, Capability.valid_until >= today)
        .order_by(category.number, Kind.number, Capability.id)
    )
    return [_capability(dict(row)) for row in _asked(rows).mappings()]


def _capability(row: dict[str, Any]) -> PublishedCapability:
    measured = ledger.range_text(*(row.pop(name) for name in ("range_low", "range_high", "range_unit")))
    return PublishedCapability(measuring_range=measured, places=tuple(sorted(row.pop("places") or ())), **row)


# --- Inspections ---------------------------------------------------------------------------------


def inspections(
    *,
    name: str = "",
    kind: str = "",
    region: str = NATION,
    after: Place | None = None,
    size: int = PAGE_SIZE,
) -> Found:
    """A page of the results of inspections, the latest published first; whoever is masked is not found by name."""
    by, order = aliased(Organization), (Inspection.published_at, Inspection.id)
    of_institution = Inspection.kind.in_(("institution", "standard"))
    party = case((of_institution, Inspection.party), else_=masked_unit(Inspection.party, UsingUnit.nature))
    rows = (
        select(
            Inspection.id,
            Inspection.no,
            Inspection.task,
            by.name.label("authority"),
            Inspection.kind,
            party.label("party"),
            Inspection.region_code,
            Region.full_name.label("region"),
            Inspection.inspected_on,
            Inspection.draw_id.is_not(None).label("drawn"),
            Inspection.conclusion,
            Inspection.state,
            Inspection.published_at.label("key"),
        )
        .select_from(Inspection)
        .join(by, by.id == Inspection.authority_id)
        .join(Region, Region.code == Inspection.region_code)
        .outerjoin(UsingUnit, UsingUnit.organization_id == Inspection.party_id)
        .order_by(*(column.desc() for column in order))
        .limit(size + 1)
    )  # fmt: skip
    if name:
        named = or_(of_institution, UsingUnit.nature.in_(NAMED))
        rows = rows.where(named, Inspection.party.icontains(name, autoescape=True))
    if kind:
        rows = rows.where(Inspection.kind == kind)
    if region != NATION:
        rows = rows.where(within(regions.prefix(region))(Inspection))
    if after is not None:
        rows = rows.where(_before(order, after))
    return _page(PublishedInspection, _asked(rows).mappings().all(), size, "key")


# --- Catalogue -----------------------------------------------------------------------------------


def catalogue_rows() -> Any:
    """The columns of the catalogue in force that may be shown, narrowed by the session or by CATALOGUE_TABLES."""
    above = aliased(CatalogueItem)
    number = select(above.number).where(above.id == CatalogueItem.parent_id).scalar_subquery()
    return (
        select(
            CatalogueItem.id,
            CatalogueItem.level,
            CatalogueItem.number,
            CatalogueItem.name,
            CatalogueItem.parent_id,
            CatalogueItem.supervision,
            CatalogueItem.verification_mode,
            CatalogueItem.cycle_months,
            CatalogueItem.cycle_note,
            CatalogueItem.scope,
            CatalogueItem.valid_from,
        )
        .where(in_force())
        .order_by(func.coalesce(number, CatalogueItem.number), CatalogueItem.level, CatalogueItem.number)
    )


CATALOGUE_TABLES = (CatalogueItem,)


def catalogue() -> list[PublishedItem]:
    """What is published of the catalogue in force: each category before its kinds."""
    return [PublishedItem(**row) for row in _asked(catalogue_rows()).mappings()]


def kinds_of(item_id: int) -> list[int]:
    """A published item with the published kinds below it."""
    return _ids(select(CatalogueItem.id).where(or_(CatalogueItem.id == item_id, CatalogueItem.parent_id == item_id)))


# --- Places --------------------------------------------------------------------------------------


def places(parent: str) -> list[tuple[str, str]]:
    """(code, name) of the regions directly below one."""
    below = select(Region.code, Region.name).where(Region.parent_code == parent).order_by(Region.code)
    return [(row.code, row.name) for row in _asked(below)]
