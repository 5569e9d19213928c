"""What everything refers to: places, organizations, the catalogue, the days and the rules of the provinces."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from flask_appbuilder import Model
from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Identity,
    Index,
    Numeric,
    String,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app import states
from app.models.base import Audited, Moment, RegionCode, as_compared, begins, one_of
from app.persons import OfficeNumber, PersonName, TelephoneNumber


class Region(Model):
    """Administrative division by GB/T 2260; '000000' stands for the whole country."""

    __tablename__ = "region"
    __table_args__ = (
        CheckConstraint(one_of("level", ("nation", "province", "city", "county")), name="known_level"),
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
    it is responsible for: '' (all), '33', '3301' or '330106'. `awaiting_since` is when somebody who registered founded
    it; until the authority of its place admits it, it is not active.
    """

    __tablename__ = "organization"
    __table_args__ = (
        CheckConstraint(one_of("kind", ("authority", "institution", "using_unit")), name="known_kind"),
        CheckConstraint(one_of("level", ("nation", "province", "city", "county")), name="known_level"),
        CheckConstraint("(kind = 'authority') = (jurisdiction IS NOT NULL)", name="jurisdiction_of_authorities"),
        CheckConstraint("merged_into_id IS NULL OR NOT active", name="merged_is_not_active"),
        CheckConstraint("awaiting_since IS NULL OR NOT active", name="awaiting_is_not_active"),
        # A hospital with a metrology centre is an institution and a using unit.
        UniqueConstraint("kind", "credit_code", name="one_credit_code_per_kind"),
        Index("organization_awaiting", "region_code", "kind", postgresql_where=text("awaiting_since IS NOT NULL")),
        Index("organization_path", "path", postgresql_ops={"path": "text_pattern_ops"}),
        Index("organization_region", "kind", "region_code"),
        Index("organization_home", "region_code", "kind", "level", postgresql_ops={"region_code": "text_pattern_ops"}),
        Index(
            "organization_name_search",
            as_compared("name"),
            postgresql_using="gin",
            postgresql_ops={"as_compared": "gin_trgm_ops"},
        ),
        begins("organization_credit_code", "credit_code"),
        Index("organization_name_bigrams", text("bigrams(same_text(name))"), postgresql_using="gin"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    kind: Mapped[str] = mapped_column(String(20))
    name: Mapped[str] = mapped_column(String(200))
    level: Mapped[str] = mapped_column(String(10))
    region_code: Mapped[str] = mapped_column(ForeignKey("region.code"))
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("organization.id"), index=True)
    path: Mapped[str] = mapped_column(String(200))
    jurisdiction: Mapped[str | None] = mapped_column(RegionCode)
    credit_code: Mapped[str | None] = mapped_column(String(18), index=True)
    active: Mapped[bool] = mapped_column(default=True, server_default=text("true"))
    merged_into_id: Mapped[int | None] = mapped_column(ForeignKey("organization.id"))
    awaiting_since: Mapped[datetime | None] = mapped_column(Moment)
    revision: Mapped[int] = mapped_column(default=1, server_default=text("1"))

    region: Mapped[Region] = relationship()
    parent: Mapped["Organization | None"] = relationship(remote_side=[id], foreign_keys=[parent_id])

    def __str__(self) -> str:
        return self.name


class Institution(Model):
    """What an organization has as verification institution (检定机构).

    `standing` says whether it is offered tasks: in service, suspended, closed for good. `service_regions` (授权区域)
    are codes of regions; what it may verify where, its capabilities say.
    """

    __tablename__ = "institution"
    __table_args__ = (
        CheckConstraint(one_of("designation", ("statutory", "authorized", "special")), name="known_designation"),
        CheckConstraint(one_of("publication", states.PUBLICATION_STATES), name="known_publication"),
        CheckConstraint("(publication = 'published') = (published_at IS NOT NULL)", name="published_has_time"),
        CheckConstraint(one_of("standing", states.STANDINGS), name="known_standing"),
        CheckConstraint(
            "standing = 'in_service' OR coalesce(length(standing_reason), 0) >= 4", name="standing_has_reason"
        ),
        CheckConstraint("authorized_from <= authorized_until", name="authorization_in_order"),
        CheckConstraint("employees >= verifiers", name="verifiers_are_employees"),
    )

    organization_id: Mapped[int] = mapped_column(ForeignKey("organization.id"), primary_key=True)
    designation: Mapped[str] = mapped_column(String(20))
    authorization_no: Mapped[str] = mapped_column(String(60))
    authorized_by: Mapped[str] = mapped_column(String(200))
    authorized_from: Mapped[date | None]
    authorized_until: Mapped[date]
    service_regions: Mapped[list[str]] = mapped_column(ARRAY(RegionCode), default=list, server_default=text("'{}'"))
    legal_representative: Mapped[str | None] = mapped_column(PersonName(60))
    employees: Mapped[int | None]
    verifiers: Mapped[int | None]
    floor_area: Mapped[int | None]
    contact: Mapped[str] = mapped_column(PersonName(60))
    phone: Mapped[str] = mapped_column(OfficeNumber(30))
    address: Mapped[str] = mapped_column(String(200))
    mean_days: Mapped[Decimal | None] = mapped_column(Numeric(6, 1))
    publication: Mapped[str] = mapped_column(String(20), server_default=states.UNPUBLISHED)
    published_at: Mapped[datetime | None] = mapped_column(Moment)
    standing: Mapped[str] = mapped_column(String(20), server_default=states.IN_SERVICE)
    standing_reason: Mapped[str | None] = mapped_column(String(500))

    organization: Mapped[Organization] = relationship()


class UsingUnit(Model):
    """What an organization has as using unit (使用单位)."""

    __tablename__ = "using_unit"
    __table_args__ = (
        CheckConstraint(
            one_of("nature", ("enterprise", "sole_trader", "public_institution", "government", "person")),
            name="known_nature",
        ),
    )

    organization_id: Mapped[int] = mapped_column(ForeignKey("organization.id"), primary_key=True)
    nature: Mapped[str] = mapped_column(String(20))
    licence_no: Mapped[str | None] = mapped_column(String(60))
    address: Mapped[str] = mapped_column(String(200))
    contact: Mapped[str] = mapped_column(PersonName(60))
    phone: Mapped[str] = mapped_column(TelephoneNumber(30))

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
        CheckConstraint(one_of("supervision", ("P", "V", "P+V")), name="known_supervision"),
        CheckConstraint("valid_until IS NULL OR valid_until >= valid_from", name="validity_in_order"),
        CheckConstraint("cycle_months BETWEEN 1 AND 240", name="cycle_in_months"),
        CheckConstraint(one_of("publication", states.PUBLICATION_STATES), name="known_publication"),
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


class Manufacturer(Model):
    """A manufacturer of instruments (生产厂家) in the national register; its names are rows of their own.

    Instruments do not refer to it: they keep the text of their name plate. `instruments` is how many were entered under
    all of its names up to the last count. It is reported until an officer confirms it.
    """

    __tablename__ = "manufacturer"
    __table_args__ = (
        UniqueConstraint("credit_code", name="one_manufacturer_per_credit_code"),
        Index("manufacturer_in_use", "instruments", "id"),
        begins("manufacturer_credit_code", "credit_code"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    credit_code: Mapped[str | None] = mapped_column(String(18))
    instruments: Mapped[int] = mapped_column(BigInteger, default=0, server_default=text("0"))
    confirmed_at: Mapped[datetime | None] = mapped_column(Moment)
    created_at: Mapped[datetime] = mapped_column(Moment, server_default=func.now())
    revision: Mapped[int] = mapped_column(default=1, server_default=text("1"))


class ManufacturerName(Model):
    """A name of a manufacturer, present or former; no two manufacturers have the same, however it is written.

    `instruments` were entered under it up to the last count, the newest of which has the id `newest_instrument_id`; the
    using unit `first_unit_id` entered it first. `offered`: it is suggested to everybody, because its manufacturer is
    confirmed or a second using unit has entered it. A name that only one unit has entered would tell others about it.
    """

    __tablename__ = "manufacturer_name"
    __table_args__ = (
        CheckConstraint("same_text(name) <> ''", name="name_says_something"),
        Index("one_manufacturer_per_name", text("same_text(name)"), unique=True),
        Index("one_present_name", "manufacturer_id", unique=True, postgresql_where=text("present")),
        Index("manufacturer_name_of", "manufacturer_id"),
        Index("manufacturer_name_of_unit", "first_unit_id", postgresql_where=text("NOT offered")),
        # For suggestions those that are offered, for the register all of them.
        Index(
            "manufacturer_name_begins",
            as_compared("name"),
            postgresql_ops={"as_compared": "text_pattern_ops"},
            postgresql_where=text("offered"),
        ),
        Index(
            "manufacturer_name_trigrams",
            "offered",
            as_compared("name"),
            postgresql_using="gin",
            postgresql_ops={"as_compared": "gin_trgm_ops"},
        ),
        Index("manufacturer_name_bigrams", "offered", text("bigrams(same_text(name))"), postgresql_using="gin"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    manufacturer_id: Mapped[int] = mapped_column(ForeignKey("manufacturer.id"))
    name: Mapped[str] = mapped_column(String(200))
    present: Mapped[bool]
    offered: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    instruments: Mapped[int] = mapped_column(BigInteger, default=0, server_default=text("0"))
    first_unit_id: Mapped[int | None] = mapped_column(BigInteger)
    newest_instrument_id: Mapped[int] = mapped_column(BigInteger, default=0, server_default=text("0"))

    def __str__(self) -> str:
        return self.name


class AnnouncedChange(Model):
    """A change of an entry of the catalogue that begins on a day to come: then it is made, and this row is gone.

    `told` holds what changes, by the names of the columns.
    """

    __tablename__ = "announced_change"
    __table_args__ = (Index("announced_change_day", "valid_from"),)

    item_id: Mapped[int] = mapped_column(ForeignKey("catalogue_item.id"), primary_key=True)
    valid_from: Mapped[date]
    told: Mapped[dict[str, Any]] = mapped_column(JSONB)
    announced_at: Mapped[datetime] = mapped_column(Moment, server_default=func.now())
    by_name: Mapped[str] = mapped_column(PersonName(60))


class Deadline(Audited, Model):
    """Days in which an institution must finish (办法 Art 8): the province's number, else that of '000000'."""

    __tablename__ = "deadline"
    audited_as = "deadline"
    __table_args__ = (
        CheckConstraint(one_of("delivery", ("sent", "on_site")), name="known_delivery"),
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

    @property
    def audit_name(self) -> str:
        return f"{self.province_code} {self.delivery}"

    def __str__(self) -> str:
        return f"{self.province} {self.delivery}"


class Holiday(Audited, Model):
    """A day that departs from the week: a public holiday, or a weekend worked instead."""

    __tablename__ = "holiday"
    audited_as = "holiday"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    day: Mapped[date] = mapped_column(unique=True)
    working: Mapped[bool]
    name: Mapped[str] = mapped_column(String(40))
    revision: Mapped[int] = mapped_column(default=1, server_default=text("1"))

    __mapper_args__ = {"version_id_col": revision}  # noqa: RUF012 -- SQLAlchemy's own way

    @property
    def audit_name(self) -> str:
        return f"{self.day} {self.name}"

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


class AlarmThreshold(Model):
    """From where on a figure is marked (预警), as an authority wants it; the nearest authority that says so decides."""

    __tablename__ = "alarm_threshold"
    __table_args__ = (UniqueConstraint("authority_id", "name", name="one_threshold_per_authority"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    authority_id: Mapped[int] = mapped_column(ForeignKey("organization.id"))
    name: Mapped[str] = mapped_column(String(40))
    value: Mapped[Decimal] = mapped_column(Numeric(8, 2))


class ProvinceRule(Audited, Model):
    """What each province settles for itself; the row of '000000' holds where a province has none.

    `filing_reviewed`: whether the county authority reviews an instrument before it counts as filed (备案).
    `answer_days`: working days in which an institution accepts or returns what was offered to it.
    """

    __tablename__ = "province_rule"
    audited_as = "province_rule"
    __table_args__ = (CheckConstraint("answer_days BETWEEN 1 AND 60", name="answer_days_in_two_months"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    province_code: Mapped[str] = mapped_column(ForeignKey("region.code"), unique=True)
    filing_reviewed: Mapped[bool]
    answer_days: Mapped[int]
    revision: Mapped[int] = mapped_column(default=1, server_default=text("1"))

    province: Mapped[Region] = relationship()

    __mapper_args__ = {"version_id_col": revision}  # noqa: RUF012 -- SQLAlchemy's own way

    @property
    def audit_name(self) -> str:
        return self.province_code

    def __str__(self) -> str:
        return str(self.province)
