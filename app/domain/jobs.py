"""Long work for somebody (后台任务): asked for in a page, done by the worker, looked at and cancelled meanwhile."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from flask_babel import gettext as _
from sqlalchemy import delete, func, select, text, update
from sqlalchemy.orm import Session

from app.access import Principal
from app.errors import RuleError
from app.models import Job, db
from app.states import CANCELLED, DONE, RUNNING, WAITING

KEPT = timedelta(days=7)
UNFINISHED = (WAITING, RUNNING)
MOST_AT_ONCE = 5

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
    job = Job(account_id=by.account_id, kind=kind, asked=asked)
    db.session.add(job)
    db.session.flush()
    _defer(job.id)
    return job


def _defer(job_id: int) -> None:
    """Put it into the worker's queue, in this transaction."""
    db.session.execute(
        text(
            "SELECT procrastinate_defer_jobs_v1(ARRAY[ROW('long', 'long_work', 0, NULL, NULL, CAST(:args AS jsonb), "
            "NULL)::procrastinate_job_to_defer_v1])"
        ),
        {"args": json.dumps({"job_id": job_id})},
    )


def progress(job: Job, done: int, total: int) -> None:
    """Say how far a job is, at once and for everybody to see; raises Cancelled if it is no longer wanted."""
    with Session(db.engine) as beside:
        told = update(Job).where(Job.id == job.id, Job.state != CANCELLED).values(done=done, total=total)
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
    job = Job(account_id=by.account_id, kind=kind, asked=asked, state=what.state, finished_at=func.now())
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


def end(job_id: int, what: Finished) -> bool:
    """Write down how a job ended; False if it was cancelled meanwhile, and so is to be undone."""
    ended = update(Job).where(Job.id == job_id, Job.state == RUNNING)
    values = {"state": what.state, "message": what.message, "file": what.file, "file_name": what.file_name}
    done = db.session.execute(ended.values(**values, finished_at=func.now()).returning(Job.id))
    return done.scalar() is not None


def drop_old() -> int:
    """Forget jobs that ended a week ago. Returns how many."""
    old = delete(Job).where(Job.finished_at < datetime.now(UTC) - KEPT).returning(Job.id)
    return len(db.session.execute(old).all())


def cancel(job_id: int, by: Principal) -> bool:
    """Let a job of one's own that is not finished be none: it stops at its next step."""
    stopped = (
        update(Job)
        .where(Job.id == job_id, Job.account_id == by.account_id, Job.state.in_(UNFINISHED))
        .values(state=CANCELLED, finished_at=func.now())
    )
    return db.session.execute(stopped.returning(Job.id)).scalar() is not None
