"""每月报表: statistics that somebody wants each month. The clock asks for them, the worker makes and this mails them.

What is made is decided then, by the roles and the jurisdiction that the person has by that time (in pages).
"""

import logging
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from smtplib import SMTPException

from flask_babel import (
    force_locale,  # pyright: ignore[reportAttributeAccessIssue]  # not in its __all__
    gettext as _,
)
from sqlalchemy import func, select

from app import files, outside
from app.access import Principal, covers, without_rights
from app.domain import holidays, jobs
from app.domain.notifications import DEFAULT_LANGUAGE
from app.errors import RuleError
from app.models import Account, Job, MonthlyReport, db
from app.outside import Attachment, Letter
from app.states import DONE
from app.workflow import Chosen, is_chosen

log = logging.getLogger(__name__)

KIND = "monthly_report"
MOST = 10
AT_ONCE = 500
# What could not be mailed for so long is in one's jobs, and is mailed no more.
MAILED_WITHIN = timedelta(days=2)


def add(statistics: Sequence[str], region_code: str | None, by: Principal) -> MonthlyReport:
    """Want statistics each month, from the next one on; of one's own region if none is named."""
    there = _held(by)
    _refuse(statistics, region_code, there, by)
    if len(there) >= MOST:
        raise RuleError(_("You have %(most)s reports already. Please delete one first.", most=MOST))
    wanted = MonthlyReport(account_id=by.account_id, statistics=list(statistics), region_code=region_code)
    wanted.month = last_month(holidays.today())
    db.session.add(wanted)
    db.session.flush()
    return wanted


def edit(report_id: int, statistics: Sequence[str], region_code: str | None, by: Principal) -> bool:
    """Want other statistics or those of another region from the next month on. False if it is none of one's own."""
    there = _held(by)
    wanted = next((report for report in there if report.id == report_id), None)
    if wanted is None:
        return False
    _refuse(statistics, region_code, [report for report in there if report is not wanted], by)
    wanted.statistics, wanted.region_code = list(statistics), region_code
    return True


def find(report_id: int, by: Principal) -> MonthlyReport | None:
    """A report of one's own."""
    own = select(MonthlyReport).where(MonthlyReport.id == report_id, MonthlyReport.account_id == by.account_id)
    found: MonthlyReport | None = db.session.scalar(own)
    return found


def _held(by: Principal) -> list[MonthlyReport]:
    """The reports of one's own. One after the other: two clicks at once make neither one too many nor one twice."""
    db.session.execute(select(Account.id).where(Account.id == by.account_id).with_for_update())
    return list(db.session.scalars(select(MonthlyReport).where(MonthlyReport.account_id == by.account_id)))


def _refuse(statistics: Sequence[str], region_code: str | None, others: Sequence[MonthlyReport], by: Principal) -> None:
    if not statistics:
        raise RuleError(_("Please tick at least one statistic."), field="statistics")
    if region_code is not None and not covers(by.jurisdiction, region_code):
        raise RuleError(_("This region is not in your jurisdiction."), field="region_code")
    if any(report.region_code == region_code for report in others):
        raise RuleError(_("You have a report of this region already."), field="region_code")


def drop(chosen: Chosen, by: Principal) -> int:
    """Want reports of one's own no more. Gives how many."""
    mine = is_chosen(MonthlyReport.id, chosen), MonthlyReport.account_id == by.account_id
    gone = db.session.scalars(select(MonthlyReport).where(*mine)).all()
    for report in gone:
        db.session.delete(report)
    db.session.flush()
    return len(gone)


def last_month(today: date) -> date:
    """The first day of the month before."""
    return (today.replace(day=1) - timedelta(days=1)).replace(day=1)


def region_now(code: str | None, by: Principal) -> str:
    """The region that a report is of: as somebody stands now, who may have moved since it was asked for."""
    region = code or by.region_code
    if not covers(by.jurisdiction, region):
        raise RuleError(_("This region is not in your jurisdiction any more."))
    return region


# --- By the clock --------------------------------------------------------------------------------


def ask_for_due(today: date | None = None) -> int:
    """Let the worker make what is wanted of last month, once for each, on whatever day of this month that is."""
    month = last_month(today or holidays.today())
    due = (
        select(MonthlyReport, Account)
        .join(Account, Account.id == MonthlyReport.account_id)
        .where(MonthlyReport.month < month, Account.active.is_(True))
        .order_by(MonthlyReport.id)
        .limit(AT_ONCE)
        .with_for_update(of=MonthlyReport, skip_locked=True)
    )
    found = db.session.execute(due).all()
    for report, account in found:
        asked = {"statistics": report.statistics, "region": report.region_code, "month": month.isoformat()}
        report.job_id = jobs.ask(KIND, without_rights(account), by_system=True, **asked).id
        report.month, report.mailed_at = month, None
    return len(found)


def mail_reports() -> int:
    """Mail what has been made, each to who wanted it. What does not go out is tried again. Gives how many went."""
    ready = (
        select(MonthlyReport, Job, Account)
        .join(Job, Job.id == MonthlyReport.job_id)
        .join(Account, Account.id == MonthlyReport.account_id)
        .where(MonthlyReport.mailed_at.is_(None), Job.state == DONE, Account.active.is_(True))
        .where(Job.finished_at > datetime.now(UTC) - MAILED_WITHIN)
        .order_by(MonthlyReport.id)
        .limit(AT_ONCE)
        .with_for_update(of=MonthlyReport, skip_locked=True)
    )
    sent = 0
    for report, job, account in db.session.execute(ready).all():
        try:
            sent += outside.send([_letter(job, account)]) if account.email else 0
        except (OSError, SMTPException):
            log.exception("monthly report %s", report.id)
            continue
        report.mailed_at = func.now()
    return sent


def _letter(job: Job, account: Account) -> Letter:
    month = job.asked["month"][:7]
    with force_locale(account.preferences.get("language") or DEFAULT_LANGUAGE):
        text = _(
            "%(name)s, here are the statistics of %(month)s that you asked for. They are in your jobs too: %(address)s",
            name=account.first_name,
            month=month,
            address=outside.address("/jobs/"),
        )
        subject = _("Monthly report of %(month)s", month=month)
    return Letter(account.email, subject, text, Attachment(job.file_name or "", files.read(job.file or "")))
