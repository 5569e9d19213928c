"""Long work for somebody (后台任务): asked for in a page, done by the worker, looked at and cancelled meanwhile."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from flask_babel import gettext as _
from sqlalchemy import delete, func, select, text, update
from sqlalchemy.orm import Session

from app import audit, files
from app.access import Principal
from app.domain import notifications
from app.errors import RuleError
from app.models import Job, db
from app.states import CANCELLED, DONE, RUNNING, WAITING

KEPT = timedelta(days=7)
UNFINISHED = (WAITING, RUNNING)
MOST_AT_ONCE = 5
KINDS = frozenset({
    "import_instruments", "import_catalogue", "import_institutions", "import_standards", "change_standards",
    "record_results", "certificate_documents", "certificate_zip", "export", "monthly_report",
})  # fmt: skip
# What a person has left to the worker and waits for: its end is told.
TOLD = frozenset({"export", "monthly_report"})

Item = TypeVar("Item")


@dataclass(frozen=True)
class Finished:
    """What came out of a job: a sentence, and perhaps a file of the store with the name it is given to people."""

    message: str
    file: str | None = None
    file_name: str | None = None
    state: str = DONE


class Cancelled(Exception):
    """Somebody cancelled the job: what it did so far is rolled back."""


def ask(kind: str, by: Principal, *, limited: bool = True, **asked: Any) -> Job:
    """Ask the worker for a job; it begins when this transaction is committed. Nobody may have many unfinished ones."""
    if by.account_id is None:
        raise RuleError(_("Please sign in first."))
    waiting = select(func.count()).where(Job.account_id == by.account_id, Job.state.in_(UNFINISHED))
    if limited and (db.session.scalar(waiting) or 0) >= MOST_AT_ONCE:
        text_ = _("%(number)s jobs of yours are not finished yet. Please wait for one of them.", number=MOST_AT_ONCE)
        raise RuleError(text_)
    job = _new(kind, by, asked)
    db.session.add(job)
    db.session.flush()
    _defer(job.id)
    return job


def _new(kind: str, by: Principal, asked: dict[str, Any]) -> Job:
    if kind not in KINDS:
        raise ValueError(kind)
    return Job(account_id=by.account_id, kind=kind, asked=asked)


def _defer(job_id: int) -> None:
    """Put it into the worker's queue, in this transaction."""
    db.session.execute(
        text(
            "SELECT procrastinate_defer_jobs_v1(ARRAY[ROW('long', 'long_work', 0, NULL, NULL, CAST(:args AS jsonb), "
            "NULL)::procrastinate_job_to_defer_v1])"
        ),
        {"args": json.dumps({"job_id": job_id})},
    )


def progress(job: Job, done: int, total: int, message: str | None = None) -> None:
    """Say how far a job is, at once and for everybody to see; raises Cancelled if it is no longer wanted."""
    with Session(db.engine) as beside:
        told = update(Job).where(Job.id == job.id, Job.state != CANCELLED)
        told = told.values(done=done, total=total, message=message)
        wanted = beside.execute(told.returning(Job.id)).scalar()
        beside.commit()
    if wanted is None:
        raise Cancelled


def step_by_step(job: Job, items: Sequence[Item]) -> Iterator[Item]:
    """The items one after the other, while the job says how far it is."""
    for number, item in enumerate(items):
        if number % 10 == 0:
            progress(job, number, len(items))
        yield item
    progress(job, len(items), len(items))


def keep(kind: str, by: Principal, what: Finished, **asked: Any) -> Job:
    """Keep what came out of work that somebody waited for, as if it had been a job."""
    job = _new(kind, by, asked)
    job.state, job.finished_at = what.state, func.now()
    job.message, job.file, job.file_name = what.message, what.file, what.file_name
    db.session.add(job)
    db.session.flush()
    return job


def begin(job_id: int) -> Job | None:
    """Take a job that is to be done, or that a worker left unfinished when it died; None if there is none."""
    taken = update(Job).where(Job.id == job_id, Job.state.in_(UNFINISHED)).values(state=RUNNING)
    if db.session.execute(taken.returning(Job.id)).scalar() is None:
        return None
    job: Job = db.session.get_one(Job, job_id)
    return job


def end(job: Job, what: Finished) -> bool:
    """Write down how a job ended; False if it was cancelled meanwhile, and so is to be undone."""
    ended = update(Job).where(Job.id == job.id, Job.state == RUNNING)
    values = {"state": what.state, "message": what.message, "file": what.file, "file_name": what.file_name}
    done = db.session.execute(ended.values(**values, finished_at=func.now()).returning(Job.id)).scalar()
    if done is not None and job.kind in TOLD:
        notifications.tell([job.account_id], f"job_{what.state}", "job")
    return done is not None


def tell_fetched(job: Job, by: Principal) -> None:
    """Write down who takes away what came out of a job."""
    audit.record("download", "job", job.id, job.file_name or "", by=by, what=job.kind, rows=job.asked.get("rows"))


def drop_old() -> int:
    """Forget jobs that ended a week ago, and their files. Returns how many."""
    old = delete(Job).where(Job.finished_at < datetime.now(UTC) - KEPT).returning(Job.id, *FILES)
    gone = db.session.execute(old).all()
    drop_files({name for _id, *names in gone for name in names if name})
    return len(gone)


# What came out of a job, and the sheet that was brought to it.
FILES = (Job.file, Job.asked["file"].astext, Job.asked["sheet"].astext)


def drop_files(names: set[str]) -> None:
    """Drop files of jobs from the store, unless another job has the same. Nothing else there is like them."""
    wanted = {
        name for each in FILES for name in db.session.scalars(select(each).select_from(Job).where(each.in_(names)))
    }
    for name in names - wanted:
        files.drop(name)


def cancel(job_id: int, by: Principal) -> bool:
    """Let a job of one's own that is not finished be none: it stops at its next step."""
    stopped = (
        update(Job)
        .where(Job.id == job_id, Job.account_id == by.account_id, Job.state.in_(UNFINISHED))
        .values(state=CANCELLED, finished_at=func.now())
    )
    return db.session.execute(stopped.returning(Job.id)).scalar() is not None
