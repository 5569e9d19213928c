"""All tables: columns, constraints, relationships, and the mixins that say who sees a row. No rules, no queries."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from flask_appbuilder import Model
from flask_appbuilder.models.sqla.base import SQLA
from flask_appbuilder.security.sqla.models import Role as Role
from flask_appbuilder.security.sqla.models import User, assoc_user_role
from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ColumnElement,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Numeric,
    PrimaryKeyConstraint,
    String,
    UniqueConstraint,
    and_,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, declared_attr, mapped_column, relationship

from app import states

db = SQLA()

Moment = DateTime(timezone=True)
RegionCode = String(6)


def _one_of(column: str, values: tuple[str, ...]) -> str:
    return f"{column} IN ({', '.join(repr(value) for value in values)})"


def _any_of(column: str, values: frozenset[str]) -> str:
    return _one_of(column, tuple(sorted(values)))


# --- Who sees a row ------------------------------------------------------------------------------


class WithinRegion:
    """Rows at a place: an authority sees those of its jurisdiction.

    `city_code` (four digits of the region and '00') is the key by which the big tables are spread over
    machines, so it stands in each of their primary, unique and foreign keys.
    """

    city_code: Mapped[str] = mapped_column(RegionCode)
    region_code: Mapped[str] = mapped_column(RegionCode)


class SharedByParties(WithinRegion):
    """The using unit sees its own, the institution what is or was given to it."""

    using_unit_id: Mapped[int | None] = mapped_column(BigInteger)
    institution_id: Mapped[int | None] = mapped_column(BigInteger)


class OwnedByUsingUnit(WithinRegion):
    """The using unit sees its own, an institution those behind a task of its own."""

    using_unit_id: Mapped[int] = mapped_column(BigInteger)


class OwnedByInstitution:
    """The institution sees its own; authorities see all, for work may cross a border (细则 Art 13)."""

    institution_id: Mapped[int] = mapped_column(ForeignKey("organization.id"))


class OfferedByInstitution:
    """As what it owns; and using units see what is in force, by its `state`, to choose an institution."""

    institution_id: Mapped[int] = mapped_column(ForeignKey("organization.id"))
    state: Mapped[str] = mapped_column(String(20))


def _big(*constraints: Any) -> tuple[Any, ...]:
    return (PrimaryKeyConstraint("id", "city_code"), *constraints)


class Big:
    """A table that may be spread by city: key (id, city_code) in the database, `id` alone in Python."""

    id: Mapped[int] = mapped_column(BigInteger, Identity(), sort_order=-10)

    @declared_attr.directive
    def __mapper_args__(cls) -> dict[str, Any]:
        return {"primary_key": [cls.id]}


# --- Reference data ------------------------------------------------------------------------------


class Region(Model):
    """Administrative division by GB/T 2260; '000000' stands for the whole country."""

    __tablename__ = "region"
    __table_args__ = (
        CheckConstraint(_one_of("level", ("nation", "province", "city", "county")), name="known_level"),
        Index("region_parent", "parent_code", "code"),
    )

    code: Mapped[str] = mapped_column(RegionCode, primary_key=True)
    name: Mapped[str] = mapped_column(String(60))
    full_name: Mapped[str] = mapped_column(String(120))
    level: Mapped[str] = mapped_column(String(10))
    parent_code: Mapped[str | None] = mapped_column(ForeignKey("region.code"))

    def __str__(self) -> str:
        return self.full_name


class Organization(Model):
    """An authority, a verification institution or a using unit.

    `path` is '/1/7/' from the root down; `jurisdiction` of an authority is the beginning of the region codes
    it is responsible for: '' (all), '33', '3301' or '330106'.
    """

    __tablename__ = "organization"
    __table_args__ = (
        CheckConstraint(_one_of("kind", ("authority", "institution", "using_unit")), name="known_kind"),
        CheckConstraint(_one_of("level", ("nation", "province", "city", "county")), name="known_level"),
        CheckConstraint("(kind = 'authority') = (jurisdiction IS NOT NULL)", name="jurisdiction_of_authorities"),
        CheckConstraint("merged_into_id IS NULL OR NOT active", name="merged_is_not_active"),
        Index("organization_path", "path", postgresql_ops={"path": "text_pattern_ops"}),
        Index("organization_region", "kind", "region_code"),
        Index("organization_home", "region_code", "kind", "level", postgresql_ops={"region_code": "text_pattern_ops"}),
        Index(
            "organization_name_search",
            "name",
            postgresql_using="gin",
            postgresql_ops={"name": "gin_trgm_ops"},
        ),
        Index("organization_name_bigrams", text("bigrams(name)"), postgresql_using="gin"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    kind: Mapped[str] = mapped_column(String(20))
    name: Mapped[str] = mapped_column(String(200))
    level: Mapped[str] = mapped_column(String(10))
    region_code: Mapped[str] = mapped_column(ForeignKey("region.code"))
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("organization.id"), index=True)
    path: Mapped[str] = mapped_column(String(200))
    jurisdiction: Mapped[str | None] = mapped_column(RegionCode)
    credit_code: Mapped[str | None] = mapped_column(String(18), unique=True)
    active: Mapped[bool] = mapped_column(default=True, server_default=text("true"))
    merged_into_id: Mapped[int | None] = mapped_column(ForeignKey("organization.id"))
    revision: Mapped[int] = mapped_column(default=1, server_default=text("1"))

    region: Mapped[Region] = relationship()
    parent: Mapped["Organization | None"] = relationship(remote_side=[id], foreign_keys=[parent_id])

    def __str__(self) -> str:
        return self.name


class Institution(Model):
    """What an organization has as verification institution (检定机构)."""

    __tablename__ = "institution"
    __table_args__ = (
        CheckConstraint(_one_of("designation", ("statutory", "authorized", "special")), name="known_designation"),
        CheckConstraint(_one_of("publication", states.PUBLICATION_STATES), name="known_publication"),
        CheckConstraint("(publication = 'published') = (published_at IS NOT NULL)", name="published_has_time"),
    )

    organization_id: Mapped[int] = mapped_column(ForeignKey("organization.id"), primary_key=True)
    designation: Mapped[str] = mapped_column(String(20))
    authorization_no: Mapped[str] = mapped_column(String(60))
    authorized_by: Mapped[str] = mapped_column(String(200))
    authorized_until: Mapped[date]
    contact: Mapped[str] = mapped_column(String(60))
    phone: Mapped[str] = mapped_column(String(30))
    address: Mapped[str] = mapped_column(String(200))
    mean_days: Mapped[Decimal | None] = mapped_column(Numeric(6, 1))
    publication: Mapped[str] = mapped_column(String(20), server_default=states.UNPUBLISHED)
    published_at: Mapped[datetime | None] = mapped_column(Moment)

    organization: Mapped[Organization] = relationship()


class UsingUnit(Model):
    """What an organization has as using unit (使用单位)."""

    __tablename__ = "using_unit"
    __table_args__ = (
        CheckConstraint(
            _one_of("nature", ("enterprise", "sole_trader", "public_institution", "government", "person")),
            name="known_nature",
        ),
    )

    organization_id: Mapped[int] = mapped_column(ForeignKey("organization.id"), primary_key=True)
    nature: Mapped[str] = mapped_column(String(20))
    licence_no: Mapped[str | None] = mapped_column(String(60))
    address: Mapped[str] = mapped_column(String(200))
    contact: Mapped[str] = mapped_column(String(60))
    phone: Mapped[str] = mapped_column(String(30))

    organization: Mapped[Organization] = relationship()


class CatalogueItem(Model):
    """Entry of the catalogue of mandatory verification (强检目录): 项别 is level 1, 种别 is level 2.

    A change is a new row valid from its date; certificates keep the row they were issued under.
    `supervision` holds P (type approval), V (mandatory verification) or P+V. `range_units` are the units in which
    a measuring range of the kind is given, `accuracy_classes` the usual classes.
    """

    __tablename__ = "catalogue_item"
    __table_args__ = (
        CheckConstraint("(level = 2) = (parent_id IS NOT NULL)", name="parent_of_level_2"),
        CheckConstraint(_one_of("supervision", ("P", "V", "P+V")), name="known_supervision"),
        CheckConstraint("valid_until IS NULL OR valid_until >= valid_from", name="validity_in_order"),
        CheckConstraint(_one_of("publication", states.PUBLICATION_STATES), name="known_publication"),
        CheckConstraint("publication = 'unpublished' OR confirmed_at IS NOT NULL", name="confirmed_before_published"),
        CheckConstraint("(publication = 'published') = (published_at IS NOT NULL)", name="published_has_time"),
        UniqueConstraint("level", "number", "valid_from"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    level: Mapped[int]
    number: Mapped[int]
    name: Mapped[str] = mapped_column(String(100))
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("catalogue_item.id"), index=True)
    supervision: Mapped[str | None] = mapped_column(String(3))
    verification_mode: Mapped[str | None] = mapped_column(String(200))
    cycle_months: Mapped[int | None]
    cycle_note: Mapped[str | None] = mapped_column(String(100))
    scope: Mapped[str | None] = mapped_column(String(500))
    source: Mapped[str | None] = mapped_column(String(500))
    range_units: Mapped[list[str]] = mapped_column(JSONB, default=list, server_default=text("'[]'"))
    accuracy_classes: Mapped[list[str]] = mapped_column(JSONB, default=list, server_default=text("'[]'"))
    valid_from: Mapped[date]
    valid_until: Mapped[date | None]
    confirmed_at: Mapped[datetime | None] = mapped_column(Moment)
    publication: Mapped[str] = mapped_column(String(20), server_default=states.UNPUBLISHED)
    published_at: Mapped[datetime | None] = mapped_column(Moment)
    revision: Mapped[int] = mapped_column(default=1, server_default=text("1"))

    parent: Mapped["CatalogueItem | None"] = relationship(remote_side=[id])

    def __str__(self) -> str:
        return self.name


class Deadline(Model):
    """Days in which an institution must finish (办法 Art 8): the province's number, else that of '000000'."""

    __tablename__ = "deadline"
    __table_args__ = (
        CheckConstraint(_one_of("delivery", ("sent", "on_site")), name="known_delivery"),
        CheckConstraint("days BETWEEN 1 AND 365", name="days_in_a_year"),
        UniqueConstraint("province_code", "delivery", name="one_deadline_per_province_and_delivery"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    province_code: Mapped[str] = mapped_column(ForeignKey("region.code"))
    delivery: Mapped[str] = mapped_column(String(10))
    days: Mapped[int]
    working_days: Mapped[bool]
    basis: Mapped[str] = mapped_column(String(200))
    revision: Mapped[int] = mapped_column(default=1, server_default=text("1"))

    province: Mapped[Region] = relationship()

    __mapper_args__ = {"version_id_col": revision}  # noqa: RUF012 -- SQLAlchemy's own way

    def __str__(self) -> str:
        return f"{self.province} {self.delivery}"


class Holiday(Model):
    """A day that departs from the week: a public holiday, or a weekend worked instead."""

    __tablename__ = "holiday"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    day: Mapped[date] = mapped_column(unique=True)
    working: Mapped[bool]
    name: Mapped[str] = mapped_column(String(40))
    revision: Mapped[int] = mapped_column(default=1, server_default=text("1"))

    __mapper_args__ = {"version_id_col": revision}  # noqa: RUF012 -- SQLAlchemy's own way

    def __str__(self) -> str:
        return f"{self.day} {self.name}"


class Workday(Model):
    """The calendar as counted: `ordinal` is how many working days there were up to the day, the day included."""

    __tablename__ = "workday"
    __table_args__ = (Index("workday_ordinal", "ordinal", unique=True, postgresql_where=text("working")),)

    day: Mapped[date] = mapped_column(primary_key=True)
    working: Mapped[bool]
    ordinal: Mapped[int]


class PublicationRule(Model):
    """Whether certificates are published as soon as they are issued; the rule of the nearest authority holds."""

    __tablename__ = "publication_rule"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    authority_id: Mapped[int] = mapped_column(ForeignKey("organization.id"), unique=True)
    automatic: Mapped[bool]
    revision: Mapped[int] = mapped_column(default=1, server_default=text("1"))

    __mapper_args__ = {"version_id_col": revision}  # noqa: RUF012 -- SQLAlchemy's own way


class ProvinceRule(Model):
    """What each province settles for itself; the row of '000000' holds where a province has none.

    `filing_reviewed`: whether the county authority reviews an instrument before it counts as filed (备案).
    `answer_days`: working days in which an institution accepts or returns what was offered to it.
    """

    __tablename__ = "province_rule"
    __table_args__ = (CheckConstraint("answer_days BETWEEN 1 AND 60", name="answer_days_in_two_months"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    province_code: Mapped[str] = mapped_column(ForeignKey("region.code"), unique=True)
    filing_reviewed: Mapped[bool]
    answer_days: Mapped[int]
    revision: Mapped[int] = mapped_column(default=1, server_default=text("1"))

    province: Mapped[Region] = relationship()

    __mapper_args__ = {"version_id_col": revision}  # noqa: RUF012 -- SQLAlchemy's own way

    def __str__(self) -> str:
        return str(self.province)


# --- What institutions can do --------------------------------------------------------------------


class MeasurementStandard(OfferedByInstitution, Model):
    """Public measurement standard (社会公用计量标准): two certificates, two dates (细则 Art 8)."""

    __tablename__ = "measurement_standard"
    __table_args__ = (CheckConstraint(_one_of("state", states.STANDARD_STATES), name="known_state"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    code: Mapped[str] = mapped_column(String(40))
    certificate_no: Mapped[str] = mapped_column(String(60))
    valid_until: Mapped[date]
    public_certificate_no: Mapped[str] = mapped_column(String(60))
    public_valid_until: Mapped[date]
    measuring_range: Mapped[str | None] = mapped_column(String(200))
    uncertainty: Mapped[str | None] = mapped_column(String(200))
    state: Mapped[str] = mapped_column(String(20), server_default=states.DRAFT)


class Capability(OfferedByInstitution, Model):
    """What an institution may verify (机构项目): a kind of instrument, a range, an accuracy, a place, a time.

    `accuracy_value` orders classes within a kind: a smaller number is finer, and an institution able to verify
    1.0 is able to verify 1.6.
    """

    __tablename__ = "capability"
    __table_args__ = (
        CheckConstraint(_one_of("state", states.CAPABILITY_STATES), name="known_state"),
        CheckConstraint(_one_of("delivery", ("sent", "on_site", "both")), name="known_delivery"),
        CheckConstraint("range_low <= range_high", name="range_in_order"),
        CheckConstraint("valid_from <= valid_until", name="validity_in_order"),
        CheckConstraint("state <> 'rejected' OR length(reason) >= 2", name="reason_given"),
        Index(
            "capability_effective",
            "catalogue_item_id",
            "institution_id",
            postgresql_where=text("state = 'effective'"),
        ),
        Index("capability_of_institution", "institution_id", "catalogue_item_id"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    catalogue_item_id: Mapped[int] = mapped_column(ForeignKey("catalogue_item.id"))
    range_low: Mapped[Decimal] = mapped_column(Numeric(18, 6))
    range_high: Mapped[Decimal] = mapped_column(Numeric(18, 6))
    range_unit: Mapped[str] = mapped_column(String(20))
    accuracy_class: Mapped[str] = mapped_column(String(50))
    accuracy_value: Mapped[Decimal] = mapped_column(Numeric(12, 6))
    regulation: Mapped[str] = mapped_column(String(100))
    delivery: Mapped[str] = mapped_column(String(10))
    standard_id: Mapped[int | None] = mapped_column(ForeignKey("measurement_standard.id"))
    valid_from: Mapped[date]
    valid_until: Mapped[date]
    state: Mapped[str] = mapped_column(String(20), server_default=states.DRAFT)
    reason: Mapped[str | None] = mapped_column(String(500))
    revision: Mapped[int] = mapped_column(default=1, server_default=text("1"))

    catalogue_item: Mapped[CatalogueItem] = relationship()
    standard: Mapped[MeasurementStandard | None] = relationship()

    __mapper_args__ = {"version_id_col": revision}  # noqa: RUF012 -- SQLAlchemy's own way


class ServiceRegion(Model):
    """A place that a capability serves (授权区域): a county, a city, a province, or '000000' for all."""

    __tablename__ = "service_region"
    __table_args__ = (Index("service_region_place", "region_code", "capability_id"),)

    capability_id: Mapped[int] = mapped_column(ForeignKey("capability.id", ondelete="CASCADE"), primary_key=True)
    region_code: Mapped[str] = mapped_column(ForeignKey("region.code"), primary_key=True)


class StaffMember(OwnedByInstitution, Model):
    """Somebody who verifies, checks or approves (检定员、核验员、批准人); perhaps with an account of the system."""

    __tablename__ = "staff_member"
    __table_args__ = (Index("staff_of_institution", "institution_id", "id"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    name: Mapped[str] = mapped_column(String(60))
    account_id: Mapped[int | None] = mapped_column(ForeignKey("ab_user.id", ondelete="SET NULL"), unique=True)
    approves: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    active: Mapped[bool] = mapped_column(default=True, server_default=text("true"))
    revision: Mapped[int] = mapped_column(default=1, server_default=text("1"))

    __mapper_args__ = {"version_id_col": revision}  # noqa: RUF012 -- SQLAlchemy's own way

    def __str__(self) -> str:
        return self.name


class Qualification(OwnedByInstitution, Model):
    """A certificate of qualification (计量检定员证): what a member of staff may verify, and until when (办法 Art 11).

    `catalogue_item_ids` holds categories (项别) or kinds (种别).
    """

    __tablename__ = "qualification"
    __table_args__ = (
        CheckConstraint("valid_from <= valid_until", name="validity_in_order"),
        UniqueConstraint("institution_id", "certificate_no", name="one_qualification_per_no"),
        Index("qualification_of_staff", "staff_member_id"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    staff_member_id: Mapped[int] = mapped_column(ForeignKey("staff_member.id", ondelete="CASCADE"))
    certificate_no: Mapped[str] = mapped_column(String(60))
    catalogue_item_ids: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))
    valid_from: Mapped[date]
    valid_until: Mapped[date]
    revision: Mapped[int] = mapped_column(default=1, server_default=text("1"))

    staff_member: Mapped[StaffMember] = relationship()

    __mapper_args__ = {"version_id_col": revision}  # noqa: RUF012 -- SQLAlchemy's own way

    def __str__(self) -> str:
        return self.certificate_no


class IssuingRule(OwnedByInstitution, Model):
    """How an institution issues its certificates: the pattern of their numbers, and its seal.

    In the pattern {year} and {month} stand for the day of issue, {number:6} for a running number of six digits.
    """

    __tablename__ = "issuing_rule"
    __table_args__ = (UniqueConstraint("institution_id", name="one_rule_per_institution"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    pattern: Mapped[str] = mapped_column(String(40))
    seal: Mapped[str | None] = mapped_column(String(64))
    revision: Mapped[int] = mapped_column(default=1, server_default=text("1"))

    __mapper_args__ = {"version_id_col": revision}  # noqa: RUF012 -- SQLAlchemy's own way


class CertificateNumber(OwnedByInstitution, Model):
    """The last number given out in a series; its row is held while numbers are taken, so that none is lost."""

    __tablename__ = "certificate_number"

    institution_id: Mapped[int] = mapped_column(ForeignKey("organization.id"), primary_key=True)
    series: Mapped[str] = mapped_column(String(40), primary_key=True)
    last: Mapped[int]


# --- The big tables ------------------------------------------------------------------------------


def _searchable(name: str, column: str, *, chinese: bool = False) -> list[Index]:
    """Indexes for a search anywhere in a text, of the nation, a province or a city.

    Three characters or more use the trigrams, two the bigrams; no query names both (see fabkit/filters.py).
    """
    place = (text("left(city_code, 2)"), "city_code")
    trigrams = {column: "gin_trgm_ops"}
    grams = [Index(f"{name}_trigrams", *place, column, postgresql_using="gin", postgresql_ops=trigrams)]
    if chinese:
        grams.append(Index(f"{name}_bigrams", *place, text(f"bigrams({column})"), postgresql_using="gin"))
    return grams


_DUE = text(f"{_any_of('verification_state', states.VERIFIED)} AND use_state = 'in_use'")
_PENDING = text("filing_state = 'pending'")


class Instrument(OwnedByUsingUnit, Big, Model):
    """A working measuring instrument in the ledger of its using unit (器具台账)."""

    __tablename__ = "instrument"
    __table_args__ = _big(
        ForeignKeyConstraint(["using_unit_id"], ["organization.id"]),
        ForeignKeyConstraint(["region_code"], ["region.code"]),
        CheckConstraint("city_code = left(region_code, 4) || '00'", name="city_of_region"),
        CheckConstraint(_one_of("use_state", states.USE_STATES), name="known_use_state"),
        CheckConstraint(_one_of("filing_state", states.FILING_STATES), name="known_filing_state"),
        CheckConstraint(_one_of("verification_state", states.VERIFICATION_STATES), name="known_verification_state"),
        CheckConstraint(
            "verification_state NOT IN ('due_soon', 'overdue') OR valid_until IS NOT NULL",
            name="due_has_validity",
        ),
        CheckConstraint(_one_of("purpose", ("trade", "safety", "medical", "environment")), name="known_purpose"),
        CheckConstraint(_one_of("delivery", ("sent", "on_site")), name="known_delivery"),
        CheckConstraint(_one_of("origin", ("domestic", "imported")), name="known_origin"),
        CheckConstraint("range_low <= range_high", name="range_in_order"),
        CheckConstraint("filing_state <> 'sent_back' OR length(filing_reason) >= 2", name="reason_given"),
        UniqueConstraint("city_code", "manufacturer", "serial_key", name="one_serial_per_manufacturer"),
        Index("instrument_of_using_unit", "using_unit_id", text("id DESC")),
        Index("instrument_due", "using_unit_id", "valid_until", "id", postgresql_where=_DUE),
        Index("instrument_runs_out", "valid_until", postgresql_where=_DUE),
        Index("instrument_no", "instrument_no", postgresql_ops={"instrument_no": "text_pattern_ops"}),
        Index("instrument_serial_key", "serial_key"),
        Index("instrument_of_kind", "catalogue_item_id", "region_code", "id"),
        # Filings under review, for each width of jurisdiction.
        Index("instrument_pending", "city_code", "region_code", "id", postgresql_where=_PENDING),
        *_searchable("instrument_serial", "serial_no"),
        *_searchable("instrument_name", "name", chinese=True),
    )

    instrument_no: Mapped[str] = mapped_column(String(30))
    name: Mapped[str] = mapped_column(String(100))
    catalogue_item_id: Mapped[int] = mapped_column(ForeignKey("catalogue_item.id"))
    model: Mapped[str] = mapped_column(String(100))
    measuring_range: Mapped[str] = mapped_column(String(100))
    range_low: Mapped[Decimal] = mapped_column(Numeric(18, 6))
    range_high: Mapped[Decimal] = mapped_column(Numeric(18, 6))
    range_unit: Mapped[str] = mapped_column(String(20))
    accuracy_class: Mapped[str] = mapped_column(String(50))
    accuracy_value: Mapped[Decimal] = mapped_column(Numeric(12, 6))
    serial_no: Mapped[str] = mapped_column(String(100))
    serial_key: Mapped[str] = mapped_column(String(100))
    manufacturer: Mapped[str] = mapped_column(String(200))
    origin: Mapped[str] = mapped_column(String(10))
    use_place: Mapped[str] = mapped_column(String(200))
    purpose: Mapped[str] = mapped_column(String(20))
    delivery: Mapped[str] = mapped_column(String(10))
    started_on: Mapped[date | None]
    type_approval_no: Mapped[str | None] = mapped_column(String(60))
    cycle_months: Mapped[int | None]
    last_verified_on: Mapped[date | None]
    valid_until: Mapped[date | None]
    use_state: Mapped[str] = mapped_column(String(20), server_default=states.IN_USE)
    filing_state: Mapped[str] = mapped_column(String(20), server_default=states.DRAFT)
    verification_state: Mapped[str] = mapped_column(String(20), server_default=states.UNVERIFIED)
    filing_reason: Mapped[str | None] = mapped_column(String(500))
    created_at: Mapped[datetime] = mapped_column(Moment, server_default=func.now())
    revision: Mapped[int] = mapped_column(default=1, server_default=text("1"))

    def __str__(self) -> str:
        return f"{self.name} {self.serial_no}"


class Photo(OwnedByUsingUnit, Big, Model):
    """A picture of an instrument, usually of its name plate; the file lies in the file store under its hash."""

    __tablename__ = "photo"
    __table_args__ = _big(
        ForeignKeyConstraint(["using_unit_id"], ["organization.id"]),
        ForeignKeyConstraint(["region_code"], ["region.code"]),
        ForeignKeyConstraint(
            ["instrument_id", "city_code"], ["instrument.id", "instrument.city_code"], ondelete="CASCADE"
        ),
        CheckConstraint("city_code = left(region_code, 4) || '00'", name="city_of_region"),
        Index("photo_of_instrument", "instrument_id"),
    )

    instrument_id: Mapped[int] = mapped_column(BigInteger)
    file: Mapped[str] = mapped_column(String(64))
    added_at: Mapped[datetime] = mapped_column(Moment, server_default=func.now())


class Appointment(OwnedByUsingUnit, Big, Model):
    """An order of verification by a using unit (预约单); the unit's name is kept as it was on that day."""

    __tablename__ = "appointment"
    __table_args__ = _big(
        ForeignKeyConstraint(["using_unit_id"], ["organization.id"]),
        ForeignKeyConstraint(["region_code"], ["region.code"]),
        CheckConstraint("city_code = left(region_code, 4) || '00'", name="city_of_region"),
        CheckConstraint(_one_of("delivery", ("sent", "on_site")), name="known_delivery"),
        UniqueConstraint("city_code", "no", name="one_appointment_no"),
        Index("appointment_no", "no", postgresql_ops={"no": "text_pattern_ops"}),
        Index("appointment_of_using_unit", "using_unit_id", text("applied_at DESC")),
        *_searchable("appointment_applicant", "applicant", chinese=True),
    )

    no: Mapped[str] = mapped_column(String(30))
    applied_at: Mapped[datetime] = mapped_column(Moment)
    applicant: Mapped[str] = mapped_column(String(200))
    contact: Mapped[str] = mapped_column(String(60))
    phone: Mapped[str] = mapped_column(String(30))
    delivery: Mapped[str] = mapped_column(String(10))
    wished_on: Mapped[date | None]
    remark: Mapped[str | None] = mapped_column(String(500))


# For each width of jurisdiction: how the queue is found, and what else is asked of a row before it is on the page, so
# that a far page is found in the index alone.
_JURISDICTIONS: dict[str, tuple[tuple[Any, ...], list[str]]] = {
    "county": (("region_code",), ["authority_id", "city_code"]),
    "city": (("city_code",), ["authority_id"]),
    "province": ((text("left(city_code, 2)"),), ["authority_id", "city_code"]),
    "nation": ((), ["authority_id"]),
}
_QUEUE = text(_any_of("state", states.AWAITING_AUTHORITY))


class Task(SharedByParties, Big, Model):
    """One instrument in one appointment (检定任务): what is assigned, accepted, verified and certified.

    `authority_id` is the desk: the authority whose turn it is when the task is returned or unassigned.
    `previous_*` is what the last step left, so that one UPDATE can tell its history and tally what it changed.
    `due_on` is the last day for the institution's next duty: to answer an offer, then to finish the verification;
    None while it waits for the instrument to be sent in.
    """

    __tablename__ = "task"
    __table_args__ = _big(
        ForeignKeyConstraint(["using_unit_id"], ["organization.id"]),
        ForeignKeyConstraint(["institution_id"], ["organization.id"]),
        ForeignKeyConstraint(["region_code"], ["region.code"]),
        ForeignKeyConstraint(["appointment_id", "city_code"], ["appointment.id", "appointment.city_code"]),
        ForeignKeyConstraint(["instrument_id", "city_code"], ["instrument.id", "instrument.city_code"]),
        CheckConstraint("city_code = left(region_code, 4) || '00'", name="city_of_region"),
        CheckConstraint(_one_of("state", states.TASK_STATES), name="known_state"),
        CheckConstraint(
            f"NOT ({_any_of('state', states.WITH_INSTITUTION)}) OR institution_id IS NOT NULL",
            name="institution_from_offered_on",
        ),
        CheckConstraint(
            f"NOT ({_any_of('state', states.AWAITING_AUTHORITY)}) OR institution_id IS NULL",
            name="no_institution_while_waiting",
        ),
        CheckConstraint(f"NOT ({_any_of('state', states.WITH_REASON)}) OR length(reason) >= 2", name="reason_given"),
        CheckConstraint("state <> 'returned' OR previous_institution_id IS NOT NULL", name="returned_by_somebody"),
        CheckConstraint("(state = 'certified') = (finished_at IS NOT NULL)", name="finished_if_certified"),
        CheckConstraint(_one_of("delivery", ("sent", "on_site")), name="known_delivery"),
        Index(
            "one_open_task_per_instrument",
            "instrument_id",
            "city_code",
            unique=True,
            postgresql_where=text(_any_of("state", states.OPEN)),
        ),
        Index("task_of_appointment", "appointment_id"),
        Index("task_of_instrument", "instrument_id", "institution_id"),
        Index("task_of_institution", "institution_id", "state", "applied_at", "id"),
        Index("task_of_using_unit", "using_unit_id", "applied_at", "id"),
        Index(
            "task_due", "institution_id", "due_on", "id", postgresql_where=text(_any_of("state", states.AT_INSTITUTION))
        ),
        # The authority's queue, one narrow index for each width of jurisdiction, in the order it is worked off.
        Index("task_queue_desk", "authority_id", "applied_at", "id", postgresql_where=_QUEUE),
        *(
            Index(f"task_queue_{level}", *key, "applied_at", "id", postgresql_where=_QUEUE, postgresql_include=rest)
            for level, (key, rest) in _JURISDICTIONS.items()
        ),
        Index("task_queue_kind", "catalogue_item_id", "applied_at", "id", postgresql_where=_QUEUE),
    )

    appointment_id: Mapped[int] = mapped_column(BigInteger)
    instrument_id: Mapped[int] = mapped_column(BigInteger)
    catalogue_item_id: Mapped[int] = mapped_column(ForeignKey("catalogue_item.id"))
    authority_id: Mapped[int] = mapped_column(ForeignKey("organization.id"))
    applied_at: Mapped[datetime] = mapped_column(Moment)
    delivery: Mapped[str] = mapped_column(String(10))
    state: Mapped[str] = mapped_column(String(20), server_default=states.DRAFT)
    state_since: Mapped[datetime] = mapped_column(Moment, server_default=func.now())
    previous_state: Mapped[str | None] = mapped_column(String(20))
    previous_institution_id: Mapped[int | None] = mapped_column(BigInteger)
    reason: Mapped[str | None] = mapped_column(String(500))
    forced: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    accepted_at: Mapped[datetime | None] = mapped_column(Moment)
    received_at: Mapped[datetime | None] = mapped_column(Moment)
    finished_at: Mapped[datetime | None] = mapped_column(Moment)
    planned_on: Mapped[date | None]
    due_on: Mapped[date | None]


class Findings:
    """What a verification found (检定结果): written down with the result, printed in the certificate."""

    passed: Mapped[bool]
    verification_kind: Mapped[str] = mapped_column(String(20), server_default=text("'subsequent'"))
    verified_on: Mapped[date]
    valid_until: Mapped[date | None]
    regulation: Mapped[str] = mapped_column(String(100))
    standards: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, default=list, server_default=text("'[]'"))
    temperature: Mapped[str | None] = mapped_column(String(40))
    humidity: Mapped[str | None] = mapped_column(String(40))
    place: Mapped[str | None] = mapped_column(String(200))
    indications: Mapped[list[list[str]]] = mapped_column(JSONB, default=list, server_default=text("'[]'"))
    failures: Mapped[str | None] = mapped_column(String(1000))
    verifier: Mapped[str] = mapped_column(String(60))


_FINDINGS = (
    CheckConstraint(_one_of("verification_kind", ("initial", "subsequent", "in_service")), name="known_verification"),
    CheckConstraint("passed OR valid_until IS NULL", name="no_validity_if_failed"),
    CheckConstraint("valid_until IS NULL OR valid_until >= verified_on", name="validity_in_order"),
    CheckConstraint("verifier <> checker", name="checker_is_another_person"),
)


class Result(OwnedByInstitution, WithinRegion, Findings, Big, Model):
    """The result of a task while it is worked on; issued, it becomes a certificate.

    `standards` are the measurement standards used, as they were on that day.
    """

    __tablename__ = "result"
    __table_args__ = _big(
        ForeignKeyConstraint(["region_code"], ["region.code"]),
        ForeignKeyConstraint(["task_id", "city_code"], ["task.id", "task.city_code"]),
        CheckConstraint("city_code = left(region_code, 4) || '00'", name="city_of_region"),
        CheckConstraint("passed OR length(failures) >= 2", name="failures_told"),
        CheckConstraint("verifier_id <> checker_id", name="checker_is_not_the_verifier"),
        *_FINDINGS,
        UniqueConstraint("task_id", "city_code", name="one_result_per_task"),
    )

    task_id: Mapped[int] = mapped_column(BigInteger)
    verifier_id: Mapped[int] = mapped_column(ForeignKey("staff_member.id"))
    checker_id: Mapped[int | None] = mapped_column(ForeignKey("staff_member.id"))
    checker: Mapped[str | None] = mapped_column(String(60))
    recorded_at: Mapped[datetime] = mapped_column(Moment, server_default=func.now())


# 64 random bits: a version 4 UUID without its fixed digits.
_RANDOM = "upper(left(replace(gen_random_uuid()::text, '-', ''), 12) || right(gen_random_uuid()::text, 4))"


# For each width of jurisdiction: what waits to be published, and what is.
_PLACE_OF_WIDTH: dict[str, tuple[Any, ...]] = {
    "county": ("region_code",),
    "city": ("city_code",),
    "province": (text("left(city_code, 2)"),),
    "nation": (),
}
_TO_PUBLISH, _NO_LONGER = text("publication = 'unpublished'"), text("publication <> 'unpublished'")


class Certificate(SharedByParties, Findings, Big, Model):
    """Verification certificate or notice of rejection (办法 Art 9). Immutable: a correction voids and reissues.

    `code` proves that somebody holds it; `about` is the instrument and its using unit as they were printed; `file`
    is the hash of the signed document, None until the worker has made it.
    """

    __tablename__ = "certificate"
    __table_args__ = _big(
        ForeignKeyConstraint(["using_unit_id"], ["organization.id"]),
        ForeignKeyConstraint(["institution_id"], ["organization.id"]),
        ForeignKeyConstraint(["region_code"], ["region.code"]),
        ForeignKeyConstraint(["task_id", "city_code"], ["task.id", "task.city_code"]),
        ForeignKeyConstraint(["instrument_id", "city_code"], ["instrument.id", "instrument.city_code"]),
        CheckConstraint("city_code = left(region_code, 4) || '00'", name="city_of_region"),
        CheckConstraint("institution_id IS NOT NULL", name="issued_by_an_institution"),
        CheckConstraint(_one_of("state", states.CERTIFICATE_STATES), name="known_state"),
        CheckConstraint("(kind = 'rejection') = NOT passed", name="rejection_if_failed"),
        CheckConstraint(_one_of("kind", ("verification", "rejection")), name="known_kind"),
        CheckConstraint("(state = 'valid') = (void_reason IS NULL)", name="reason_if_void"),
        *_FINDINGS,
        CheckConstraint(_one_of("publication", states.PUBLICATION_STATES), name="known_publication"),
        CheckConstraint("(publication = 'published') = (published_at IS NOT NULL)", name="published_has_time"),
        UniqueConstraint("institution_id", "no", "city_code", name="one_certificate_no"),
        Index("certificate_of_task", "task_id"),
        Index("certificate_of_instrument", "instrument_id"),
        Index("certificate_of_using_unit", "using_unit_id", "verified_on", "id"),
        Index("certificate_of_institution", "institution_id", "verified_on", "id"),
        Index("certificate_no", "no", postgresql_ops={"no": "text_pattern_ops"}),
        *(
            Index(f"certificate_{name}_{level}", *place, "issued_at", "id", postgresql_where=which)
            for level, place in _PLACE_OF_WIDTH.items()
            for name, which in (("to_publish", _TO_PUBLISH), ("published", _NO_LONGER))
        ),
        Index("certificate_published_by", "institution_id", "issued_at", "id", postgresql_where=_NO_LONGER),
        Index("certificate_published_verified", "verified_on", "id", postgresql_where=_NO_LONGER),
        Index(
            "certificate_without_file",
            "institution_id",
            "id",
            postgresql_where=text("file IS NULL AND about IS NOT NULL"),
        ),
    )

    task_id: Mapped[int] = mapped_column(BigInteger)
    instrument_id: Mapped[int] = mapped_column(BigInteger)
    no: Mapped[str] = mapped_column(String(60))
    kind: Mapped[str] = mapped_column(String(20))
    checker: Mapped[str] = mapped_column(String(60))
    approver: Mapped[str] = mapped_column(String(60))
    code: Mapped[str] = mapped_column(String(16), server_default=text(_RANDOM))
    issued_at: Mapped[datetime] = mapped_column(Moment, server_default=func.now())
    about: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    file: Mapped[str | None] = mapped_column(String(64))
    replaces_id: Mapped[int | None] = mapped_column(BigInteger)
    void_reason: Mapped[str | None] = mapped_column(String(500))
    state: Mapped[str] = mapped_column(String(20), server_default=states.VALID)
    publication: Mapped[str] = mapped_column(String(20), server_default=states.UNPUBLISHED)
    published_at: Mapped[datetime | None] = mapped_column(Moment)


class Event(SharedByParties, Big, Model):
    """What happened to a row: who, when, from, to, why. Append-only, one partition a month.

    `institution_id` is the institution concerned: the one a task was assigned to, or the one that returned it.
    """

    __tablename__ = "event"
    __table_args__ = (
        PrimaryKeyConstraint("id", "city_code", "at"),
        Index("event_of_subject", "subject", "subject_id", "at"),
        Index("event_at", "at", postgresql_using="brin"),
        Index("event_revoked", "at", postgresql_where=text("step = 'revoke'")),
        {"postgresql_partition_by": "RANGE (at)"},
    )

    at: Mapped[datetime] = mapped_column(Moment, server_default=func.now())
    subject: Mapped[str] = mapped_column(String(20))
    subject_id: Mapped[int] = mapped_column(BigInteger)
    step: Mapped[str] = mapped_column(String(20))
    from_state: Mapped[str | None] = mapped_column(String(20))
    to_state: Mapped[str | None] = mapped_column(String(20))
    by_id: Mapped[int | None] = mapped_column(BigInteger)
    by_name: Mapped[str] = mapped_column(String(60))
    by_organization_id: Mapped[int | None] = mapped_column(BigInteger)
    by_organization: Mapped[str] = mapped_column(String(200))
    reason: Mapped[str | None] = mapped_column(String(500))
    payload: Mapped[dict[str, Any] | None] = mapped_column(JSONB)


class Tally(SharedByParties, Big, Model):
    """How many rows there are: the sum of `amount`. Changes are appended and folded later.

    Subject 'place' counts tasks by county, 'kind' by county and kind, 'load' by the institution they are at.
    """

    __tablename__ = "tally"
    __table_args__ = _big(
        Index(
            "tally_of_place",
            "subject",
            "state",
            text("left(city_code, 2)"),
            "region_code",
            postgresql_include=["amount", "city_code", "catalogue_item_id"],
        ),
        Index("tally_of_institution", "institution_id", "state", postgresql_include=["amount"]),
    )

    subject: Mapped[str] = mapped_column(String(20))
    state: Mapped[str] = mapped_column(String(20))
    catalogue_item_id: Mapped[int | None] = mapped_column(BigInteger)
    amount: Mapped[int] = mapped_column(BigInteger)


# --- Accounts ------------------------------------------------------------------------------------

held_role = assoc_user_role
# People share a mailbox, and a stranger must not learn from a refusal that an address is known here.
_email = User.__table__.c.email  # type: ignore[attr-defined]
_email.unique = False
User.__table__.constraints -= {  # type: ignore[attr-defined]
    each
    for each in User.__table__.constraints  # type: ignore[attr-defined]
    if isinstance(each, UniqueConstraint) and list(each.columns) == [_email]
}


class OwnedByAccount:
    """What belongs to one account: seen by its owner and by who may see the account."""

    account_id: Mapped[int] = mapped_column(ForeignKey("ab_user.id", ondelete="CASCADE"), index=True)


class Account(User):
    """An account: Flask-AppBuilder's, with the organization it belongs to. `first_name` holds the whole name.

    `has_role` repeats what its roles say, for finding the few that wait for one. `password_due` means that the
    password is somebody else's choice and must be changed; `totp_secret` is encrypted, `totp_step` the last half
    minute whose code was used.
    """

    organization_id: Mapped[int | None] = mapped_column(ForeignKey("organization.id"), index=True)
    position: Mapped[str | None] = mapped_column(String(60))
    phone: Mapped[str | None] = mapped_column(String(30))
    registered_at: Mapped[datetime] = mapped_column(Moment, server_default=func.now())
    last_login_at: Mapped[datetime | None] = mapped_column(Moment)
    password_changed_at: Mapped[datetime] = mapped_column(Moment, server_default=func.now())
    password_due: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    totp_secret: Mapped[str | None] = mapped_column(String(200))
    totp_since: Mapped[datetime | None] = mapped_column(Moment)
    totp_step: Mapped[int] = mapped_column(BigInteger, default=0, server_default=text("0"))
    recovery_codes: Mapped[list[str]] = mapped_column(JSONB, default=list, server_default=text("'[]'"))
    consented_at: Mapped[datetime | None] = mapped_column(Moment)
    has_role: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    demo: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    preferences: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict, server_default=text("'{}'"))
    revision: Mapped[int] = mapped_column(default=1, server_default=text("1"))

    organization: Mapped[Organization | None] = relationship()

    # Set while a session is being started or used: what the cookie holds.
    session_token: str | None = None
    __allow_unmapped__ = True

    def get_id(self) -> str:
        return self.session_token or ""

    def __str__(self) -> str:
        return f"{self.first_name} ({self.username})"


Index("ab_user_registered", Account.registered_at, Account.id)
Index("ab_user_waiting", Account.registered_at, Account.id, postgresql_where=~Account.has_role)
Index("ab_user_waiting_at", Account.organization_id, postgresql_where=~Account.has_role)
Index("ab_user_lower", func.lower(Account.username))
Index("ab_user_role_holders", held_role.c.role_id, held_role.c.user_id)
Index("ab_user_begins", Account.username, postgresql_ops={"username": "text_pattern_ops"})
Index("ab_user_name_bigrams", func.bigrams(Account.first_name), postgresql_using="gin")
Index(
    "ab_user_name_trigrams", Account.first_name, postgresql_using="gin", postgresql_ops={"first_name": "gin_trgm_ops"}
)


class AccountSession(OwnedByAccount, Model):
    """A sign-in that lasts. The cookie holds the token, this its hash; `confirmed` after the second factor."""

    __tablename__ = "account_session"
    __table_args__ = (CheckConstraint("(ended_at IS NULL) = (ended_by IS NULL)", name="ended_by_something"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    confirmed: Mapped[bool]
    started_at: Mapped[datetime] = mapped_column(Moment, server_default=func.now())
    seen_at: Mapped[datetime] = mapped_column(Moment, server_default=func.now())
    ended_at: Mapped[datetime | None] = mapped_column(Moment)
    ended_by: Mapped[str | None] = mapped_column(String(30))
    address: Mapped[str] = mapped_column(String(45))
    device: Mapped[str] = mapped_column(String(300))

    @classmethod
    def is_live(cls, idle: timedelta, longest: timedelta) -> ColumnElement[bool]:
        """The condition that somebody is signed in by it: confirmed, not ended, used lately, not too old."""
        return and_(
            cls.confirmed,
            cls.ended_at.is_(None),
            cls.seen_at > func.now() - idle,
            cls.started_at > func.now() - longest,
        )


class UsedPassword(OwnedByAccount, Model):
    """The hash of a password an account has or had: the last few may not come back."""

    __tablename__ = "used_password"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    hash: Mapped[str] = mapped_column(String(256))
    since: Mapped[datetime] = mapped_column(Moment, server_default=func.now())


class RoleGrant(OwnedByAccount, Model):
    """Who gave an account a role it holds, and when; the role itself is Flask-AppBuilder's."""

    __tablename__ = "role_grant"
    __table_args__ = (UniqueConstraint("account_id", "role", name="one_grant_per_role"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    role: Mapped[str] = mapped_column(String(64))
    at: Mapped[datetime] = mapped_column(Moment, server_default=func.now())
    by_name: Mapped[str] = mapped_column(String(60))
    by_organization: Mapped[str] = mapped_column(String(200))


class AccessKey(OwnedByAccount, Model):
    """A key by which a program acts for an account, within its scopes: pages whose rows it may export."""

    __tablename__ = "access_key"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    name: Mapped[str] = mapped_column(String(60))
    prefix: Mapped[str] = mapped_column(String(12))
    key_hash: Mapped[str] = mapped_column(String(64), unique=True)
    scopes: Mapped[list[str]] = mapped_column(JSONB)
    created_at: Mapped[datetime] = mapped_column(Moment, server_default=func.now())
    expires_at: Mapped[datetime] = mapped_column(Moment)
    last_used_at: Mapped[datetime | None] = mapped_column(Moment)
    revoked_at: Mapped[datetime | None] = mapped_column(Moment)


class Attempt(Model):
    """Failures in a row of an account name or an address, known or not, and until when it must wait."""

    __tablename__ = "attempt"

    key: Mapped[str] = mapped_column(String(150), primary_key=True)
    failures: Mapped[int]
    last_at: Mapped[datetime] = mapped_column(Moment, server_default=func.now(), index=True)
    blocked_until: Mapped[datetime | None] = mapped_column(Moment)


class Captcha(Model):
    """A question asked at login: answered once, within its time, by whoever holds the token."""

    __tablename__ = "captcha"

    token: Mapped[str] = mapped_column(String(43), primary_key=True)
    answer: Mapped[str] = mapped_column(String(8))
    expires_at: Mapped[datetime] = mapped_column(Moment, index=True)


# --- What the system tells and does by itself ----------------------------------------------------


class Notification(OwnedByAccount, Model):
    """What an account should know: `kind` is the step that happened to `amount` rows of `subject`.

    `subject_id` is set if it was one row. `reason` is what the step was done for.
    """

    __tablename__ = "notification"
    __table_args__ = (
        Index("notification_of_account", "account_id", "id"),
        Index("notification_unread", "account_id", postgresql_where=text("read_at IS NULL")),
        Index("notification_unmailed", "id", postgresql_where=text("mailed_at IS NULL")),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    kind: Mapped[str] = mapped_column(String(20))
    party: Mapped[str] = mapped_column(String(20))
    subject: Mapped[str] = mapped_column(String(20))
    subject_id: Mapped[int | None] = mapped_column(BigInteger)
    amount: Mapped[int]
    reason: Mapped[str | None] = mapped_column(String(500))
    at: Mapped[datetime] = mapped_column(Moment, server_default=func.now())
    read_at: Mapped[datetime | None] = mapped_column(Moment)
    mailed_at: Mapped[datetime | None] = mapped_column(Moment)


class Job(OwnedByAccount, Model):
    """Long work for somebody: what is asked, how far it is, and the file that came out of it."""

    __tablename__ = "job"
    __table_args__ = (
        CheckConstraint(_one_of("state", states.JOB_STATES), name="known_state"),
        Index("job_of_account", "account_id", "id"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    kind: Mapped[str] = mapped_column(String(40))
    state: Mapped[str] = mapped_column(String(20), server_default=states.WAITING)
    asked: Mapped[dict[str, Any]] = mapped_column(JSONB)
    done: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    total: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    message: Mapped[str | None] = mapped_column(String(1000))
    file: Mapped[str | None] = mapped_column(String(64))
    file_name: Mapped[str | None] = mapped_column(String(200))
    created_at: Mapped[datetime] = mapped_column(Moment, server_default=func.now())
    finished_at: Mapped[datetime | None] = mapped_column(Moment)


class ClockRun(Model):
    """A run of the clockwork for a day: what each of its hands moved."""

    __tablename__ = "clock_run"
    __table_args__ = (Index("clock_run_day", "day", "id"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    day: Mapped[date]
    at: Mapped[datetime] = mapped_column(Moment, server_default=func.now())
    moved: Mapped[dict[str, int]] = mapped_column(JSONB)
    by_name: Mapped[str] = mapped_column(String(60))


class Dump(Model):
    """A file of all that is published of a kind (开放数据), made each night; `file` is its SHA-256 and its name.

    `revocations` is how many the last day had known when it was made, from `since` on: as soon as there are more, it
    is handed out no longer.
    """

    __tablename__ = "dump"
    __table_args__ = (
        CheckConstraint(_one_of("kind", ("certificates", "institutions", "catalogue")), name="known_kind"),
        Index("dump_of_kind", "kind", "made_at"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    kind: Mapped[str] = mapped_column(String(20))
    made_at: Mapped[datetime] = mapped_column(Moment)
    amount: Mapped[int] = mapped_column(BigInteger)
    size: Mapped[int] = mapped_column(BigInteger)
    file: Mapped[str] = mapped_column(String(64))
    since: Mapped[datetime] = mapped_column(Moment)
    revocations: Mapped[int] = mapped_column(BigInteger)


# --- Audit ---------------------------------------------------------------------------------------


class AuditEntry(Model):
    """审计日志: who did what, when, from where. Appended by audit.py, never changed: the database refuses.

    Every entry seals the one before it in its chain (one for each province, '00' for strangers and the nation).
    `region_code` is the place of the acting person's organization: auditors see those of their jurisdiction.
    """

    __tablename__ = "audit_entry"
    __table_args__ = (
        UniqueConstraint("chain", "number", name="one_entry_per_place_in_chain"),
        Index("audit_entry_at", "at", "id"),
        Index("audit_entry_place", text("left(region_code, 2)"), "at", "id"),
        Index("audit_entry_subject", "subject", "subject_id", "at"),
        Index("audit_entry_by", "by_id", "at"),
        Index("audit_entry_by_name", "by_name", "at", postgresql_ops={"by_name": "text_pattern_ops"}),
        Index("audit_entry_subject_name", "subject_name", "at", postgresql_ops={"subject_name": "text_pattern_ops"}),
        Index("audit_entry_action", "action", "at", "id"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    chain: Mapped[str] = mapped_column(String(2))
    number: Mapped[int] = mapped_column(BigInteger)
    at: Mapped[datetime] = mapped_column(Moment)
    action: Mapped[str] = mapped_column(String(40))
    region_code: Mapped[str] = mapped_column(RegionCode)
    by_id: Mapped[int | None] = mapped_column(BigInteger)
    by_name: Mapped[str] = mapped_column(String(128))
    by_organization: Mapped[str] = mapped_column(String(200))
    address: Mapped[str] = mapped_column(String(45))
    subject: Mapped[str] = mapped_column(String(30))
    subject_id: Mapped[int | None] = mapped_column(BigInteger)
    subject_name: Mapped[str] = mapped_column(String(200))
    detail: Mapped[dict[str, Any]] = mapped_column(JSONB)
    seal: Mapped[str] = mapped_column(String(64))


class AuditChain(Model):
    """The end of a chain: how many entries it has, and the seal of the last."""

    __tablename__ = "audit_chain"

    chain: Mapped[str] = mapped_column(String(2), primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger)
    seal: Mapped[str] = mapped_column(String(64))
