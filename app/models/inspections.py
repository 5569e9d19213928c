"""机构监管: what is inspected and how it was drawn, and what was known of an institution before."""

from datetime import date, datetime
from typing import Any

from flask_appbuilder import Model
from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Identity,
    Index,
    String,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app import states
from app.models.base import KeptByAuthority, Moment, OwnedByInstitution, SeenByInspected, any_of, begins, one_of
from app.persons import PersonName

TARGETS = ("institution", "standard", "using_unit", "instrument")
CONCLUSIONS = ("conforms", "does_not_conform", "rectify", "stop")


class InspectionDraw(KeptByAuthority, Model):
    """双随机抽查: a draw of what is inspected and of who inspects it.

    All that went into it is kept (`candidates`, `pool`, `seed`, how many), so that anybody can draw again and compare.
    `conditions` tell in words and codes how the candidates were found; `drawn` is [[target, [inspectors]], ...].
    """

    __tablename__ = "inspection_draw"
    __table_args__ = (
        CheckConstraint(one_of("kind", TARGETS), name="known_kind"),
        CheckConstraint("city_code = left(region_code, 4) || '00'", name="city_of_region"),
        CheckConstraint("number BETWEEN 1 AND jsonb_array_length(candidates)", name="as_many_as_there_are"),
        CheckConstraint("inspectors BETWEEN 2 AND jsonb_array_length(pool)", name="two_inspectors"),
        CheckConstraint("jsonb_array_length(drawn) = number", name="drawn_as_asked"),
        Index("inspection_draw_of_city", "city_code", "id"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    task: Mapped[str] = mapped_column(String(100))
    kind: Mapped[str] = mapped_column(String(20))
    planned_on: Mapped[date]
    number: Mapped[int]
    inspectors: Mapped[int]
    seed: Mapped[str] = mapped_column(String(64))
    conditions: Mapped[dict[str, Any]] = mapped_column(JSONB)
    candidates: Mapped[list[int]] = mapped_column(JSONB)
    pool: Mapped[list[int]] = mapped_column(JSONB)
    drawn: Mapped[list[Any]] = mapped_column(JSONB)
    at: Mapped[datetime] = mapped_column(Moment, server_default=func.now())
    by_id: Mapped[int | None] = mapped_column(BigInteger)
    by_name: Mapped[str] = mapped_column(PersonName(60))

    def __str__(self) -> str:
        return self.task


_CONCLUDED = any_of("state", states.CONCLUDED_INSPECTION)


class Inspection(SeenByInspected, Model):
    """监督检查: an institution, a standard, a using unit or an instrument looked at on the spot by two people or more.

    `region_code` is where the target is at home; `authority_id` the office that inspects. `party` and `target` are
    their names on the day it was planned, `reason` is what its last step was done for. `inspectors` are [{"id",
    "name"}]; `checklist` has {"item", "found", "remark"} for each item; photos are names in the file store.
    `reminded` tells which reminders have gone out.
    """

    __tablename__ = "inspection"
    __table_args__ = (
        CheckConstraint(one_of("state", states.INSPECTION_STATES), name="known_state"),
        CheckConstraint(one_of("kind", TARGETS), name="known_kind"),
        CheckConstraint(f"conclusion IS NULL OR {one_of('conclusion', CONCLUSIONS)}", name="known_conclusion"),
        CheckConstraint("city_code = left(region_code, 4) || '00'", name="city_of_region"),
        CheckConstraint("jsonb_array_length(inspectors) >= 2", name="two_inspectors"),
        CheckConstraint("(kind = 'standard') = (standard_id IS NOT NULL)", name="standard_if_inspected"),
        CheckConstraint("(kind = 'instrument') = (instrument_id IS NOT NULL)", name="instrument_if_inspected"),
        CheckConstraint(
            f"({_CONCLUDED}) = (conclusion IS NOT NULL) AND ({_CONCLUDED}) = (concluded_at IS NOT NULL)",
            name="concluded_with_conclusion",
        ),
        CheckConstraint(f"NOT ({_CONCLUDED}) OR inspected_on IS NOT NULL", name="concluded_after_a_visit"),
        CheckConstraint(
            "conclusion IS NULL OR conclusion = 'conforms' OR coalesce(length(issues), 0) >= 4",
            name="issues_unless_it_conforms",
        ),
        CheckConstraint("conclusion NOT IN ('rectify', 'stop') OR due_on IS NOT NULL", name="orders_have_a_deadline"),
        CheckConstraint("conclusion <> 'conforms' OR due_on IS NULL", name="nothing_to_rectify"),
        CheckConstraint("state NOT IN ('to_rectify', 'to_recheck') OR due_on IS NOT NULL", name="open_with_deadline"),
        CheckConstraint(
            "state <> 'to_recheck' OR coalesce(length(statement), 0) >= 4", name="statement_before_recheck"
        ),
        CheckConstraint("state <> 'closed' OR due_on IS NULL OR rechecked_on IS NOT NULL", name="closed_by_recheck"),
        CheckConstraint("(state = 'closed') = (closed_at IS NOT NULL)", name="closed_has_time"),
        CheckConstraint("state <> 'cancelled' OR coalesce(length(reason), 0) >= 4", name="reason_given"),
        CheckConstraint(one_of("publication", states.PUBLICATION_STATES), name="known_publication"),
        CheckConstraint("(publication = 'published') = (published_at IS NOT NULL)", name="published_has_time"),
        CheckConstraint(f"publication = 'unpublished' OR {_CONCLUDED}", name="concluded_before_published"),
        CheckConstraint("reminded IN ('near', 'past')", name="known_reminder"),
        Index("inspection_of_city", "city_code", "region_code", "planned_on", "id"),
        Index("inspection_planned", "planned_on", "id"),
        Index("inspection_no", "no", unique=True),
        begins("inspection_begins", "no"),
        Index("inspection_of_draw", "draw_id"),
        Index("inspection_published", "published_at", "id", postgresql_where=text("publication = 'published'")),
        Index("inspection_due", "due_on", postgresql_where=text(any_of("state", states.OPEN_RECTIFICATION))),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    no: Mapped[str] = mapped_column(String(30))
    draw_id: Mapped[int | None] = mapped_column(ForeignKey("inspection_draw.id"))
    task: Mapped[str] = mapped_column(String(100))
    kind: Mapped[str] = mapped_column(String(20))
    standard_id: Mapped[int | None] = mapped_column(ForeignKey("measurement_standard.id"))
    instrument_id: Mapped[int | None] = mapped_column(BigInteger)
    party: Mapped[str] = mapped_column(String(200))
    target: Mapped[str] = mapped_column(String(200))
    planned_on: Mapped[date]
    planned_at: Mapped[datetime] = mapped_column(Moment, server_default=func.now())
    planned_by: Mapped[str] = mapped_column(PersonName(60))
    inspectors: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    state: Mapped[str] = mapped_column(String(20), server_default=states.PLANNED)
    reason: Mapped[str | None] = mapped_column(String(500))
    inspected_on: Mapped[date | None]
    accompanied_by: Mapped[str | None] = mapped_column(PersonName(60))
    checklist: Mapped[list[dict[str, str]]] = mapped_column(JSONB, default=list, server_default=text("'[]'"))
    findings: Mapped[str | None] = mapped_column(String(2000))
    photos: Mapped[list[str]] = mapped_column(JSONB, default=list, server_default=text("'[]'"))
    conclusion: Mapped[str | None] = mapped_column(String(20))
    issues: Mapped[str | None] = mapped_column(String(2000))
    due_on: Mapped[date | None]
    reminded: Mapped[str | None] = mapped_column(String(10))
    statement: Mapped[str | None] = mapped_column(String(2000))
    statement_by: Mapped[str | None] = mapped_column(PersonName(60))
    statement_at: Mapped[datetime | None] = mapped_column(Moment)
    statement_photos: Mapped[list[str]] = mapped_column(JSONB, default=list, server_default=text("'[]'"))
    rechecked_on: Mapped[date | None]
    recheck: Mapped[str | None] = mapped_column(String(500))
    closed_at: Mapped[datetime | None] = mapped_column(Moment)
    publication: Mapped[str] = mapped_column(String(20), server_default=states.UNPUBLISHED)
    published_at: Mapped[datetime | None] = mapped_column(Moment)
    revision: Mapped[int] = mapped_column(default=1, server_default=text("1"))

    draw: Mapped[InspectionDraw | None] = relationship()

    def __str__(self) -> str:
        return f"{self.no} {self.party}"


class InstitutionVersion(OwnedByInstitution, Model):
    """What was known of an institution from a moment on, until the next version; `action` is what brought it about."""

    __tablename__ = "institution_version"
    __table_args__ = (UniqueConstraint("institution_id", "number", name="one_version_per_number"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    number: Mapped[int]
    at: Mapped[datetime] = mapped_column(Moment, server_default=func.now())
    action: Mapped[str] = mapped_column(String(20))
    reason: Mapped[str | None] = mapped_column(String(500))
    by_name: Mapped[str] = mapped_column(PersonName(60))
    by_organization: Mapped[str] = mapped_column(String(200))
    facts: Mapped[dict[str, Any]] = mapped_column(JSONB)
