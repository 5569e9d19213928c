"""The big tables: instruments, appointments, tasks, results, certificates, their history and their counts."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from flask_appbuilder import Model
from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Numeric,
    PrimaryKeyConstraint,
    String,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app import states
from app.models.base import (
    Big,
    Moment,
    OwnedByInstitution,
    OwnedByUsingUnit,
    SharedByParties,
    WithinRegion,
    any_of,
    as_compared,
    begins,
    big,
    one_of,
)
from app.persons import PersonName, TelephoneNumber


def _searchable(name: str, column: str, *, chinese: bool = False) -> list[Index]:
    """Indexes for a search anywhere in a text, of the nation, a province or a city.

    Three characters or more use the trigrams, two the bigrams; no query names both (see fabkit/filters.py).
    """
    place = (text("left(city_code, 2)"), "city_code")
    trigrams = {"as_compared": "gin_trgm_ops"}
    grams = [Index(f"{name}_trigrams", *place, as_compared(column), postgresql_using="gin", postgresql_ops=trigrams)]
    if chinese:
        grams.append(Index(f"{name}_bigrams", *place, text(f"bigrams(same_text({column}))"), postgresql_using="gin"))
    return grams


# For each width of jurisdiction: where its rows begin in an index.
_PLACE_OF_WIDTH: dict[str, tuple[Any, ...]] = {
    "county": ("region_code",),
    "city": ("city_code",),
    "province": (text("left(city_code, 2)"),),
    "nation": (),
}


def _in_order(name: str, *order: str) -> list[Index]:
    """Indexes for a list of everything in an area, in its order, for each width of jurisdiction."""
    return [Index(f"{name}_{level}", *place, *order) for level, place in _PLACE_OF_WIDTH.items()]


_DUE = text(f"{any_of('verification_state', states.VERIFIED)} AND use_state = 'in_use'")
_PENDING = text("filing_state = 'pending'")
_FILED = text("filing_state = 'filed' AND use_state <> 'scrapped'")


class Instrument(OwnedByUsingUnit, Big, Model):
    """A working measuring instrument in the ledger of its using unit (器具台账).

    `twin` is its own id if, before spellings were compared, it was entered beside another of the same manufacturer and
    serial number; else 0.
    """

    __tablename__ = "instrument"
    __table_args__ = big(
        ForeignKeyConstraint(["using_unit_id"], ["organization.id"]),
        ForeignKeyConstraint(["region_code"], ["region.code"]),
        CheckConstraint("city_code = left(region_code, 4) || '00'", name="city_of_region"),
        CheckConstraint(one_of("use_state", states.USE_STATES), name="known_use_state"),
        CheckConstraint(one_of("filing_state", states.FILING_STATES), name="known_filing_state"),
        CheckConstraint(one_of("verification_state", states.VERIFICATION_STATES), name="known_verification_state"),
        CheckConstraint(
            "verification_state NOT IN ('due_soon', 'overdue') OR valid_until IS NOT NULL",
            name="due_has_validity",
        ),
        CheckConstraint(one_of("purpose", ("trade", "safety", "medical", "environment")), name="known_purpose"),
        CheckConstraint(one_of("delivery", ("sent", "on_site")), name="known_delivery"),
        CheckConstraint(one_of("origin", ("domestic", "imported")), name="known_origin"),
        CheckConstraint("range_low <= range_high", name="range_in_order"),
        CheckConstraint("filing_state <> 'sent_back' OR coalesce(length(filing_reason), 0) >= 2", name="reason_given"),
        Index(
            "one_serial_per_manufacturer",
            "city_code",
            text("same_text(manufacturer)"),
            text("same_text(serial_no)"),
            "twin",
            unique=True,
        ),
        Index("instrument_of_using_unit", "using_unit_id", text("id DESC")),
        Index("instrument_due", "using_unit_id", "valid_until", "id", postgresql_where=_DUE),
        Index("instrument_runs_out", "valid_until", postgresql_where=_DUE),
        begins("instrument_no", "instrument_no"),
        Index("instrument_serial_no", text("same_text(serial_no)")),
        Index("instrument_double", "city_code", "id", postgresql_where=text("twin <> 0")),
        Index("instrument_of_kind", "catalogue_item_id", "region_code", "id"),
        # What is filed and not scrapped, for counting by place and kind in the index alone.
        Index("instrument_filed", "city_code", "region_code", "catalogue_item_id", postgresql_where=_FILED),
        # Filings under review, for each width of jurisdiction.
        Index("instrument_pending", "city_code", "region_code", "id", postgresql_where=_PENDING),
        # Everything in an area, the newest first; that of the nation is its key.
        *(Index(f"instrument_{level}", *place, "id") for level, place in _PLACE_OF_WIDTH.items() if place),
        Index("instrument_valid_until", "valid_until", "city_code"),
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
    twin: Mapped[int] = mapped_column(BigInteger, default=0, server_default=text("0"))

    def __str__(self) -> str:
        return f"{self.name} {self.serial_no}"


class Photo(OwnedByUsingUnit, Big, Model):
    """A picture of an instrument, usually of its name plate; the file lies in the file store under its hash."""

    __tablename__ = "photo"
    __table_args__ = big(
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
    """An order of verification by a using unit (预约单); the unit's name is kept as it was on that day.

    It is `submitted` when its first task is, and `applied_at` then; before it is a draft.
    """

    __tablename__ = "appointment"
    __table_args__ = big(
        ForeignKeyConstraint(["using_unit_id"], ["organization.id"]),
        ForeignKeyConstraint(["region_code"], ["region.code"]),
        CheckConstraint("city_code = left(region_code, 4) || '00'", name="city_of_region"),
        CheckConstraint(one_of("delivery", ("sent", "on_site")), name="known_delivery"),
        UniqueConstraint("city_code", "no", name="one_appointment_no"),
        begins("appointment_no", "no"),
        Index("appointment_of_using_unit", "using_unit_id", text("applied_at DESC")),
        *_in_order("appointment_applied", "applied_at", "id"),
        *_searchable("appointment_applicant", "applicant", chinese=True),
    )

    no: Mapped[str] = mapped_column(String(30))
    applied_at: Mapped[datetime] = mapped_column(Moment)
    applicant: Mapped[str] = mapped_column(String(200))
    contact: Mapped[str] = mapped_column(PersonName(60))
    phone: Mapped[str] = mapped_column(TelephoneNumber(30))
    delivery: Mapped[str] = mapped_column(String(10))
    wished_on: Mapped[date | None]
    remark: Mapped[str | None] = mapped_column(String(500))
    submitted: Mapped[bool] = mapped_column(default=False, server_default=text("false"))


# For each width of jurisdiction: how the queue is found, and what else is asked of a row before it is on the page, so
# that a far page is found in the index alone.
_JURISDICTIONS: dict[str, tuple[tuple[Any, ...], list[str]]] = {
    "county": (("region_code",), ["authority_id", "city_code"]),
    "city": (("city_code",), ["authority_id"]),
    "province": ((text("left(city_code, 2)"),), ["authority_id", "city_code"]),
    "nation": ((), ["authority_id"]),
}
_QUEUE = text(any_of("state", states.AWAITING_AUTHORITY))


class Task(SharedByParties, Big, Model):
    """One instrument in one appointment (检定任务): what is assigned, accepted, verified and certified.

    `authority_id` is the desk: the authority whose turn it is when the task is returned or unassigned.
    `previous_*` is what the last step left, so that one UPDATE can tell its history and tally what it changed.
    `due_on` is the last day for the institution's next duty: to answer an offer, then to finish the verification;
    None while it waits for the instrument to be sent in.
    """

    __tablename__ = "task"
    __table_args__ = big(
        ForeignKeyConstraint(["using_unit_id"], ["organization.id"]),
        ForeignKeyConstraint(["institution_id"], ["organization.id"]),
        ForeignKeyConstraint(["region_code"], ["region.code"]),
        ForeignKeyConstraint(["appointment_id", "city_code"], ["appointment.id", "appointment.city_code"]),
        ForeignKeyConstraint(["instrument_id", "city_code"], ["instrument.id", "instrument.city_code"]),
        CheckConstraint("city_code = left(region_code, 4) || '00'", name="city_of_region"),
        CheckConstraint(one_of("state", states.TASK_STATES), name="known_state"),
        CheckConstraint(
            f"NOT ({any_of('state', states.WITH_INSTITUTION)}) OR institution_id IS NOT NULL",
            name="institution_from_offered_on",
        ),
        CheckConstraint(
            f"NOT ({any_of('state', states.AWAITING_AUTHORITY)}) OR institution_id IS NULL",
            name="no_institution_while_waiting",
        ),
        CheckConstraint(
            f"NOT ({any_of('state', states.WITH_REASON)}) OR coalesce(length(reason), 0) >= 2", name="reason_given"
        ),
        CheckConstraint("state <> 'returned' OR previous_institution_id IS NOT NULL", name="returned_by_somebody"),
        CheckConstraint("(state = 'certified') = (finished_at IS NOT NULL)", name="finished_if_certified"),
        CheckConstraint(one_of("delivery", ("sent", "on_site")), name="known_delivery"),
        Index(
            "one_open_task_per_instrument",
            "instrument_id",
            "city_code",
            unique=True,
            postgresql_where=text(any_of("state", states.OPEN)),
        ),
        Index("task_of_appointment", "appointment_id"),
        Index("task_of_instrument", "instrument_id", "institution_id"),
        Index("task_of_institution", "institution_id", "state", "applied_at", "id"),
        Index("task_of_using_unit", "using_unit_id", "applied_at", "id"),
        Index(
            "task_due", "institution_id", "due_on", "id", postgresql_where=text(any_of("state", states.AT_INSTITUTION))
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
    verifier: Mapped[str] = mapped_column(PersonName(60))


_FINDINGS = (
    CheckConstraint(one_of("verification_kind", ("initial", "subsequent", "in_service")), name="known_verification"),
    CheckConstraint("passed OR valid_until IS NULL", name="no_validity_if_failed"),
    CheckConstraint("valid_until IS NULL OR valid_until >= verified_on", name="validity_in_order"),
    CheckConstraint("verifier <> checker", name="checker_is_another_person"),
)


class Result(OwnedByInstitution, WithinRegion, Findings, Big, Model):
    """The result of a task while it is worked on; issued, it becomes a certificate.

    `standards` are the measurement standards used, as they were on that day. `recorder_id` is the account that wrote
    it down, perhaps under the name of another verifier; None before that was kept.
    """

    __tablename__ = "result"
    __table_args__ = big(
        ForeignKeyConstraint(["region_code"], ["region.code"]),
        ForeignKeyConstraint(["task_id", "city_code"], ["task.id", "task.city_code"]),
        CheckConstraint("city_code = left(region_code, 4) || '00'", name="city_of_region"),
        CheckConstraint("passed OR coalesce(length(failures), 0) >= 2", name="failures_told"),
        CheckConstraint("verifier_id <> checker_id", name="checker_is_not_the_verifier"),
        *_FINDINGS,
        UniqueConstraint("task_id", "city_code", name="one_result_per_task"),
    )

    task_id: Mapped[int] = mapped_column(BigInteger)
    verifier_id: Mapped[int] = mapped_column(ForeignKey("staff_member.id"))
    checker_id: Mapped[int | None] = mapped_column(ForeignKey("staff_member.id"))
    checker: Mapped[str | None] = mapped_column(PersonName(60))
    recorder_id: Mapped[int | None] = mapped_column(BigInteger)
    recorded_at: Mapped[datetime] = mapped_column(Moment, server_default=func.now())


# 64 random bits: a version 4 UUID without its fixed digits.
_RANDOM = "upper(left(replace(gen_random_uuid()::text, '-', ''), 12) || right(gen_random_uuid()::text, 4))"


# For each width of jurisdiction: what waits to be published, and what is.
_TO_PUBLISH, _NO_LONGER = text("publication = 'unpublished'"), text("publication <> 'unpublished'")


class Certificate(SharedByParties, Findings, Big, Model):
    """Verification certificate or notice of rejection (办法 Art 9). Immutable: a correction voids and reissues.

    `code` proves that somebody holds it; `about` is the instrument and its using unit as they were printed; `file`
    is the hash of the signed document, None until the worker has made it. Of certificates from before this system
    only the names of verifier, checker and approver are known, not who they are on the staff.
    """

    __tablename__ = "certificate"
    __table_args__ = big(
        ForeignKeyConstraint(["using_unit_id"], ["organization.id"]),
        ForeignKeyConstraint(["institution_id"], ["organization.id"]),
        ForeignKeyConstraint(["region_code"], ["region.code"]),
        ForeignKeyConstraint(["task_id", "city_code"], ["task.id", "task.city_code"]),
        ForeignKeyConstraint(["instrument_id", "city_code"], ["instrument.id", "instrument.city_code"]),
        CheckConstraint("city_code = left(region_code, 4) || '00'", name="city_of_region"),
        CheckConstraint("institution_id IS NOT NULL", name="issued_by_an_institution"),
        CheckConstraint(one_of("state", states.CERTIFICATE_STATES), name="known_state"),
        CheckConstraint("(kind = 'rejection') = NOT passed", name="rejection_if_failed"),
        CheckConstraint(one_of("kind", ("verification", "rejection")), name="known_kind"),
        CheckConstraint("(state = 'valid') = (void_reason IS NULL)", name="reason_if_void"),
        *_FINDINGS,
        CheckConstraint("num_nonnulls(verifier_id, checker_id, approver_id) IN (0, 3)", name="all_three_or_none"),
        CheckConstraint(
            "verifier_id <> checker_id AND verifier_id <> approver_id AND checker_id <> approver_id",
            name="three_people",
        ),
        CheckConstraint("approver_id IS NULL OR approver NOT IN (verifier, checker)", name="three_names"),
        CheckConstraint(one_of("publication", states.PUBLICATION_STATES), name="known_publication"),
        CheckConstraint("(publication = 'published') = (published_at IS NOT NULL)", name="published_has_time"),
        UniqueConstraint("institution_id", "no", "city_code", name="one_certificate_no"),
        Index("certificate_of_task", "task_id"),
        Index("certificate_of_instrument", "instrument_id"),
        Index("certificate_of_using_unit", "using_unit_id", "verified_on", "id"),
        Index("certificate_of_institution", "institution_id", "verified_on", "id"),
        begins("certificate_no", "no"),
        *(
            Index(f"certificate_{name}_{level}", *place, "issued_at", "id", postgresql_where=which)
            for level, place in _PLACE_OF_WIDTH.items()
            for name, which in (("to_publish", _TO_PUBLISH), ("published", _NO_LONGER))
        ),
        *_in_order("certificate_verified", "verified_on", "id"),
        Index("certificate_published_by", "institution_id", "issued_at", "id", postgresql_where=_NO_LONGER),
        Index("certificate_published_verified", "verified_on", "id", postgresql_where=_NO_LONGER),
        Index(
            "certificate_standards",
            "standards",
            postgresql_using="gin",
            postgresql_ops={"standards": "jsonb_path_ops"},
        ),
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
    checker: Mapped[str] = mapped_column(PersonName(60))
    approver: Mapped[str] = mapped_column(PersonName(60))
    verifier_id: Mapped[int | None] = mapped_column(ForeignKey("staff_member.id"))
    checker_id: Mapped[int | None] = mapped_column(ForeignKey("staff_member.id"))
    approver_id: Mapped[int | None] = mapped_column(ForeignKey("staff_member.id"))
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
        # What was done of tasks, each kind of step of a province in order, for counting and listing in the index alone.
        Index(
            "event_steps",
            text("left(city_code, 2)"),
            "step",
            "at",
            "id",
            postgresql_include=["city_code", "region_code", "institution_id"],
            postgresql_where=text("subject = 'task'"),
        ),
        {"postgresql_partition_by": "RANGE (at)"},
    )

    at: Mapped[datetime] = mapped_column(Moment, server_default=func.now())
    subject: Mapped[str] = mapped_column(String(20))
    subject_id: Mapped[int] = mapped_column(BigInteger)
    step: Mapped[str] = mapped_column(String(20))
    from_state: Mapped[str | None] = mapped_column(String(20))
    to_state: Mapped[str | None] = mapped_column(String(20))
    by_id: Mapped[int | None] = mapped_column(BigInteger)
    by_name: Mapped[str] = mapped_column(PersonName(60))
    by_organization_id: Mapped[int | None] = mapped_column(BigInteger)
    by_organization: Mapped[str] = mapped_column(String(200))
    reason: Mapped[str | None] = mapped_column(String(500))
    payload: Mapped[dict[str, Any] | None] = mapped_column(JSONB)


class Amount(SharedByParties):
    """So many rows of what a `subject` of counting.py counts, by what it counts them."""

    subject: Mapped[str] = mapped_column(String(20))
    state: Mapped[str] = mapped_column(String(20))
    catalogue_item_id: Mapped[int | None] = mapped_column(BigInteger)
    purpose: Mapped[str | None] = mapped_column(String(20))
    amount: Mapped[int] = mapped_column(BigInteger)


class Tally(Amount, Big, Model):
    """How many rows there are: the sum of `amount`. Changes are appended, and `folded` later."""

    __tablename__ = "tally"
    __table_args__ = big(
        Index(
            "tally_of_place",
            "subject",
            "state",
            text("left(city_code, 2)"),
            "region_code",
            postgresql_include=["amount", "city_code", "catalogue_item_id"],
            postgresql_where=text("subject IN ('place', 'kind')"),
        ),
        Index(
            "tally_of_institution",
            "institution_id",
            "state",
            postgresql_include=["amount"],
            postgresql_where=text("institution_id IS NOT NULL"),
        ),
        Index("tally_appended", "id", postgresql_where=text("NOT folded")),
        Index(
            "tally_of_subject",
            "subject",
            text("left(city_code, 2)"),
            "month",
            postgresql_include=["region_code", "city_code", "state", "purpose", "catalogue_item_id", "amount"],
            postgresql_where=text("subject NOT IN ('place', 'kind', 'load')"),
        ),
    )

    month: Mapped[date | None]
    folded: Mapped[bool] = mapped_column(server_default=text("false"))


class MonthEnd(Amount, Model):
    """月末数: how many rows there were of what stands, at the end of a month; kinds by city."""

    __tablename__ = "month_end"
    __table_args__ = (
        Index(
            "month_end_of_subject",
            "month",
            "subject",
            text("left(city_code, 2)"),
            postgresql_include=["region_code", "city_code", "state", "purpose", "catalogue_item_id", "amount"],
        ),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True, sort_order=-10)
    month: Mapped[date]
