"""What institutions can do and with whom, and how they number their certificates."""

from datetime import date
from decimal import Decimal

from flask_appbuilder import Model
from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Identity,
    Index,
    Numeric,
    PrimaryKeyConstraint,
    String,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app import states
from app.models.base import OfferedByInstitution, OwnedByInstitution, as_compared, one_of
from app.models.reference import CatalogueItem
from app.persons import PersonName

# What the two certificates of a standard tell.
_COMPLETE = " AND ".join(
    f"coalesce({column}, '') <> ''"
    for column in (
        "name", "code", "certificate_no", "issuer", "public_certificate_no", "public_issuer", "service_area",
        "authorization_no", "examined_by", "measuring_range", "uncertainty", "category", "keeper",
    )
)  # fmt: skip


class MeasurementStandard(OfferedByInstitution, Model):
    """Public measurement standard (社会公用计量标准): two certificates, two dates (细则 Art 8).

    `institution_id` is who set it up (建标单位), `kinds` are the kinds it verifies. A change of one that is in force is
    a row of its own with `replaces_id`; when it has passed, the two exchange what they say, and the row that
    capabilities refer to is always the one in force. `authors` are the accounts that wrote or submitted it.
    """

    __tablename__ = "measurement_standard"
    __table_args__ = (
        CheckConstraint(one_of("state", states.STANDARD_STATES), name="known_state"),
        CheckConstraint(one_of("rank", ("highest", "other")), name="known_rank"),
        CheckConstraint(
            "state NOT IN ('sent_back', 'sealed', 'abolished') OR coalesce(length(reason), 0) >= 2",
            name="reason_given",
        ),
        CheckConstraint(
            "state IN ('draft', 'sent_back') OR issued_on IS NOT NULL AND public_issued_on IS NOT NULL",
            name="complete_if_submitted",
        ),
        CheckConstraint(
            "issued_on <= valid_until AND public_issued_on <= public_valid_until", name="validity_in_order"
        ),
        CheckConstraint("warn_days BETWEEN 1 AND 1000", name="warned_in_time"),
        CheckConstraint("state <> 'superseded' OR replaces_id IS NOT NULL", name="supersedes_one"),
        CheckConstraint(f"state <> 'submitted' OR {_COMPLETE}", name="nothing_is_missing"),
        Index("measurement_standard_of_institution", "institution_id", "id"),
        Index("measurement_standard_number", "institution_id", "certificate_no"),
        Index(
            "measurement_standard_change",
            "replaces_id",
            unique=True,
            postgresql_where=text("state IN ('draft', 'submitted', 'sent_back')"),
        ),
        Index("measurement_standard_to_review", "institution_id", "id", postgresql_where=text("state = 'submitted'")),
        *(
            Index(
                f"measurement_standard_{column}_trigrams",
                as_compared(column),
                postgresql_using="gin",
                postgresql_ops={"as_compared": "gin_trgm_ops"},
            )
            for column in ("name", "code", "certificate_no", "public_certificate_no")
        ),
        Index("measurement_standard_name_bigrams", text("bigrams(same_text(name))"), postgresql_using="gin"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    code: Mapped[str] = mapped_column(String(40))
    certificate_no: Mapped[str] = mapped_column(String(60))
    issuer: Mapped[str] = mapped_column(String(100), server_default="")
    issued_on: Mapped[date | None]
    valid_until: Mapped[date]
    public_certificate_no: Mapped[str] = mapped_column(String(60))
    public_issuer: Mapped[str] = mapped_column(String(100), server_default="")
    public_issued_on: Mapped[date | None]
    public_valid_until: Mapped[date]
    service_area: Mapped[str] = mapped_column(String(200), server_default="")
    authorization_no: Mapped[str] = mapped_column(String(60), server_default="")
    examined_by: Mapped[str] = mapped_column(String(100), server_default="")
    examined_with: Mapped[str | None] = mapped_column(String(100))
    measuring_range: Mapped[str | None] = mapped_column(String(200))
    uncertainty: Mapped[str | None] = mapped_column(String(200))
    rank: Mapped[str | None] = mapped_column(String(10))
    category: Mapped[str] = mapped_column(String(20), server_default="")
    keeper: Mapped[str] = mapped_column(PersonName(60), server_default="")
    kinds: Mapped[list[int]] = mapped_column(JSONB, default=list, server_default=text("'[]'"))
    warn_days: Mapped[int | None]
    remark: Mapped[str | None] = mapped_column(String(500))
    state: Mapped[str] = mapped_column(String(20), server_default=states.DRAFT)
    reason: Mapped[str | None] = mapped_column(String(500))
    replaces_id: Mapped[int | None] = mapped_column(ForeignKey("measurement_standard.id"))
    authors: Mapped[list[int]] = mapped_column(ARRAY(BigInteger), default=list, server_default=text("'{}'"))
    revision: Mapped[int] = mapped_column(default=1, server_default=text("1"))

    def __str__(self) -> str:
        return f"{self.name} {self.certificate_no}"


class StandardDocument(OwnedByInstitution, Model):
    """A scan that belongs to a measurement standard (附件); `file` is its SHA-256 and its name in the store."""

    __tablename__ = "standard_document"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    standard_id: Mapped[int] = mapped_column(ForeignKey("measurement_standard.id", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(String(120))
    kind: Mapped[str] = mapped_column(String(10))
    size: Mapped[int]
    file: Mapped[str] = mapped_column(String(64))


class Capability(OfferedByInstitution, Model):
    """What an institution may verify (机构项目): a kind of instrument, a range, an accuracy, a place, a time.

    `accuracy_value` orders classes within a kind: a smaller number is finer, and an institution able to verify
    1.0 is able to verify 1.6.
    """

    __tablename__ = "capability"
    __table_args__ = (
        CheckConstraint(one_of("state", states.CAPABILITY_STATES), name="known_state"),
        CheckConstraint(one_of("delivery", ("sent", "on_site", "both")), name="known_delivery"),
        CheckConstraint("range_low <= range_high", name="range_in_order"),
        CheckConstraint("valid_from <= valid_until", name="validity_in_order"),
        CheckConstraint("state <> 'rejected' OR coalesce(length(reason), 0) >= 2", name="reason_given"),
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


class WeeklyCapacity(OwnedByInstitution, Model):
    """How many instruments of a kind an institution can verify in a week (每周可检数).

    `stated` is what the institution says; `learned` is what it certified a week over the last 90 days.
    """

    __tablename__ = "weekly_capacity"
    __table_args__ = (
        PrimaryKeyConstraint("institution_id", "catalogue_item_id"),
        CheckConstraint("stated > 0", name="stated_is_positive"),
        CheckConstraint("learned > 0", name="learned_is_positive"),
    )

    catalogue_item_id: Mapped[int] = mapped_column(ForeignKey("catalogue_item.id"))
    stated: Mapped[int | None]
    learned: Mapped[Decimal | None] = mapped_column(Numeric(8, 1))


class StaffMember(OwnedByInstitution, Model):
    """Somebody who verifies, checks or approves (检定员、核验员、批准人); perhaps with an account of the system."""

    __tablename__ = "staff_member"
    __table_args__ = (Index("staff_of_institution", "institution_id", "id"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    name: Mapped[str] = mapped_column(PersonName(60))
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
