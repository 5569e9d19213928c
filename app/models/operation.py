"""What the system tells and does by itself, and the audit log."""

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
from sqlalchemy.orm import Mapped, mapped_column

from app import states
from app.models.accounts import OwnedByAccount
from app.models.base import Audited, KeptByUsingUnit, Moment, RegionCode, begins, one_of
from app.persons import PersonName


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
    """Long work for somebody: what is asked, how far it is, and the file that came out of it.

    `by_system` says that the system asked for it in the person's name.
    """

    __tablename__ = "job"
    __table_args__ = (
        CheckConstraint(one_of("state", states.JOB_STATES), name="known_state"),
        Index("job_of_account", "account_id", "id"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    kind: Mapped[str] = mapped_column(String(40))
    state: Mapped[str] = mapped_column(String(20), server_default=states.WAITING)
    asked: Mapped[dict[str, Any]] = mapped_column(JSONB)
    by_system: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    done: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    total: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    message: Mapped[str | None] = mapped_column(String(1000))
    file: Mapped[str | None] = mapped_column(String(64))
    file_name: Mapped[str | None] = mapped_column(String(200))
    created_at: Mapped[datetime] = mapped_column(Moment, server_default=func.now())
    finished_at: Mapped[datetime | None] = mapped_column(Moment)


class LedgerImport(KeptByUsingUnit, Model):
    """A sheet that a using unit brings to its ledger (器具批量导入): how it is read, what it would do, what it did.

    `settings` says how the sheet is read (domain/ledger_sheets.Settings), `preview` what a check of it found, shortened
    for display, `job_id` who checks or applies a long one, `numbers` how many instruments it entered and changed. What
    it takes to undo the import: `entered` holds the ids of
    the instruments that were entered, by the state of their filing, and `changed` the earlier values of those that were
    changed. `file` is dropped after a week.
    """

    __tablename__ = "ledger_import"
    __table_args__ = (
        CheckConstraint("undone_at IS NULL OR applied_at IS NOT NULL", name="undone_after_applied"),
        Index("ledger_import_of_using_unit", "using_unit_id", "id"),
        Index("ledger_import_with_file", "created_at", postgresql_where=text("file IS NOT NULL")),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("ab_user.id"))
    by_name: Mapped[str] = mapped_column(PersonName(60))
    name: Mapped[str] = mapped_column(String(200))
    file: Mapped[str | None] = mapped_column(String(64))
    rows: Mapped[int | None]
    settings: Mapped[dict[str, Any]] = mapped_column(JSONB)
    preview: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    job_id: Mapped[int | None] = mapped_column(BigInteger)
    numbers: Mapped[dict[str, int]] = mapped_column(JSONB, server_default=text("'{}'"))
    entered: Mapped[dict[str, list[int]]] = mapped_column(JSONB, server_default=text("'{}'"))
    changed: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, server_default=text("'[]'"))
    created_at: Mapped[datetime] = mapped_column(Moment, server_default=func.now())
    applied_at: Mapped[datetime | None] = mapped_column(Moment)
    undone_at: Mapped[datetime | None] = mapped_column(Moment)


class MonthlyReport(Audited, OwnedByAccount, Model):
    """每月报表: the statistics that an account wants each month, by the names of their pages.

    They are of a region; if none is named, of that of the account's organization, wherever that is by then. `month` is
    the last one they were asked for, `job_id` who makes it, `mailed_at` when that went out.
    """

    __tablename__ = "monthly_report"
    audited_as = "monthly_report"
    not_audited = Audited.not_audited | {"month", "job_id", "mailed_at"}  # what the clock notes there
    __table_args__ = (
        UniqueConstraint("account_id", "region_code", name="one_report_per_region", postgresql_nulls_not_distinct=True),
        CheckConstraint("jsonb_array_length(statistics) > 0", name="some_statistics"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    statistics: Mapped[list[str]] = mapped_column(JSONB)
    region_code: Mapped[str | None] = mapped_column(RegionCode, ForeignKey("region.code"))
    month: Mapped[date]
    job_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("job.id", ondelete="SET NULL"))
    mailed_at: Mapped[datetime | None] = mapped_column(Moment)

    @property
    def audit_name(self) -> str:
        return ", ".join(self.statistics)


class ClockRun(Model):
    """What the clockwork did when a day began, summed over its runs: how many rows each hand moved; who ran it last."""

    __tablename__ = "clock_run"
    __table_args__ = (UniqueConstraint("day", name="one_entry_for_each_day"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    day: Mapped[date]
    at: Mapped[datetime] = mapped_column(Moment, server_default=func.now())
    moved: Mapped[dict[str, int]] = mapped_column(JSONB)
    by_name: Mapped[str] = mapped_column(PersonName(60))


class Dump(Model):
    """A file of all that is published of a kind (开放数据), made each night; `file` is its SHA-256 and its name.

    What was revoked from `since` on may stand in it; that is told beside it.
    """

    __tablename__ = "dump"
    __table_args__ = (
        CheckConstraint(one_of("kind", ("certificates", "institutions", "catalogue")), name="known_kind"),
        Index("dump_of_kind", "kind", "made_at"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    kind: Mapped[str] = mapped_column(String(20))
    made_at: Mapped[datetime] = mapped_column(Moment)
    amount: Mapped[int] = mapped_column(BigInteger)
    size: Mapped[int] = mapped_column(BigInteger)
    file: Mapped[str] = mapped_column(String(64))
    since: Mapped[datetime] = mapped_column(Moment)


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
        begins("audit_entry_by_name", "by_name", "at"),
        begins("audit_entry_subject_name", "subject_name", "at"),
        Index("audit_entry_action", "action", "at", "id"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    chain: Mapped[str] = mapped_column(String(2))
    number: Mapped[int] = mapped_column(BigInteger)
    at: Mapped[datetime] = mapped_column(Moment)
    action: Mapped[str] = mapped_column(String(40))
    region_code: Mapped[str] = mapped_column(RegionCode)
    by_id: Mapped[int | None] = mapped_column(BigInteger)
    by_name: Mapped[str] = mapped_column(PersonName(128))
    by_organization: Mapped[str] = mapped_column(String(200))
    address: Mapped[str] = mapped_column(String(45))
    subject: Mapped[str] = mapped_column(String(30))
    subject_id: Mapped[int | None] = mapped_column(BigInteger)
    subject_name: Mapped[str] = mapped_column(String(200))
    detail: Mapped[dict[str, Any]] = mapped_column(JSONB)
    seal: Mapped[str] = mapped_column(String(64))


class KeyCheck(Model):
    """By what a key outside the database is known again: derived from DATA_KEY, or an authority's fingerprint."""

    __tablename__ = "key_check"
    __table_args__ = (CheckConstraint(one_of("kind", ("data_key", "authority")), name="known_kind"),)

    value: Mapped[str] = mapped_column(String(64), primary_key=True)
    kind: Mapped[str] = mapped_column(String(20))


class AuditChain(Model):
    """The end of a chain: how many entries it has, the seal of the last, and up to which they were sent away.

    A trigger lets it only grow.
    """

    __tablename__ = "audit_chain"

    chain: Mapped[str] = mapped_column(String(2), primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger)
    seal: Mapped[str] = mapped_column(String(64))
    sent: Mapped[int] = mapped_column(BigInteger, default=0, server_default=text("0"))
