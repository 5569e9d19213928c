"""Long work for somebody (后台任务): asked for in a page, done by the worker, looked at and cancelled meanwhile."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from flask_babel import gettext as _
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    DateTime,
    Text,
    and_,
    cast,
    column,
    delete,
    exists,
    func,
    select,
    table,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session

from app import audit, files
from app.access import Principal
from app.domain import notifications
from app.errors import RuleError
from app.models import Account, Job, LedgerImport, db
from app.states import BROKEN, CANCELLED, DONE, RUNNING, WAITING

KEPT = timedelta(days=7)
UNFINISHED = (WAITING, RUNNING)
MOST_AT_ONCE = 5
# A worker that was not heard of for so long is not at its job any more.
LIVING_SECONDS = 15
# A job that ended so many workers in the middle is given up.
MOST_ATTEMPTS = 3
KINDS = frozenset({
    "import_instruments", "change_instruments", "import_catalogue", "import_institutions", "import_standards",
    "change_standards", "record_results", "certificate_documents", "certificate_zip", "export", "monthly_report",
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


def ask(kind: str, by: Principal, *, by_system: bool = False, **asked: Any) -> Job:
    """Ask the worker for a job; it begins when this transaction is committed.

    Nobody may have many unfinished ones; what the system asks for in a person's name does not count. The more of them
    somebody has, the later the next one begins: others come in between.
    """
    if by.account_id is None:
        raise RuleError(_("Please sign in first."))
    number = 1 if by_system else _unfinished(by.account_id)
    if number >= MOST_AT_ONCE:
        text_ = _("%(number)s jobs of yours are not finished yet. Please wait for one of them.", number=MOST_AT_ONCE)
        raise RuleError(text_)
    job = _new(kind, by, asked, by_system)
    db.session.add(job)
    db.session.flush()
    _defer(job.id, priority=-number)
    return job


def _unfinished(account_id: int) -> int:
    """How many jobs a person has asked for and not got yet; who asks at the same moment waits here."""
    db.session.execute(select(Account.id).where(Account.id == account_id).with_for_update(key_share=True))
    mine = select(func.count()).where(Job.account_id == account_id, Job.state.in_(UNFINISHED), Job.by_system.is_(False))
    return db.session.scalar(mine) or 0


def _new(kind: str, by: Principal, asked: dict[str, Any], by_system: bool = False) -> Job:
    if kind not in KINDS:
        raise ValueError(kind)
    return Job(account_id=by.account_id, kind=kind, asked=asked, by_system=by_system)


def _defer(job_id: int, priority: int = 0) -> None:
    """Put it into the worker's queue, in this transaction."""
    db.session.execute(
        text(
            "SELECT procrastinate_defer_jobs_v1(ARRAY[ROW('long', 'long_work', :priority, NULL, NULL, "
            "CAST(:args AS jsonb), NULL)::procrastinate_job_to_defer_v1])"
        ),
        {"args": json.dumps({"job_id": job_id}), "priority": priority},
    )


# What the queue still knows of a job: that it waits, or that a worker is at it, and when that was last heard of.
_QUEUED = table(
    "procrastinate_jobs", column("id"), column("args", JSONB), column("status", Text), column("worker_id"),
    column("attempts"), column("task_name"),
)  # fmt: skip
_WORKERS = table("procrastinate_workers", column("id"), column("last_heartbeat", DateTime(timezone=True)))
_OF_JOB = _QUEUED.c.args["job_id"].astext.cast(BigInteger) == Job.id


def is_interrupted() -> ColumnElement[bool]:
    """Whether a running job is at no living worker: its worker was ended, and another one will take it up."""
    heard = func.now() - func.make_interval(0, 0, 0, 0, 0, 0, LIVING_SECONDS)
    at_work = (
        select(_QUEUED.c.id)
        .join(_WORKERS, _WORKERS.c.id == _QUEUED.c.worker_id)
        .where(_OF_JOB, cast(_QUEUED.c.status, Text) == "doing", _WORKERS.c.last_heartbeat > heard)
    )
    return and_(Job.state == RUNNING, ~exists(at_work))


def put_back() -> int:
    """Put jobs back into the queue that it does not know any more; those that ended each worker are broken.

    Returns how many were put back.
    """
    in_queue = select(_QUEUED.c.id).where(_OF_JOB, cast(_QUEUED.c.status, Text).in_(("todo", "doing")))
    tried = select(func.max(_QUEUED.c.attempts)).where(_OF_JOB).scalar_subquery()
    old = Job.created_at < func.now() - func.make_interval(0, 0, 0, 0, 0, 1)
    lost = select(Job, func.coalesce(tried, 0)).where(Job.state.in_(UNFINISHED), ~exists(in_queue), old)
    back = 0
    for job, attempts in db.session.execute(lost).all():
        if attempts >= MOST_ATTEMPTS:
            end(job, Finished(_("The work was interrupted several times and given up."), state=BROKEN))
        else:
            _defer(job.id)
            back += 1
    return back


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


# What came out of a job, and the sheet that was brought to it (as "file" until imports were kept apart).
FILES = (Job.file, Job.asked["file"].astext, Job.asked["sheet"].astext)


def drop_files(names: set[str]) -> None:
    """Drop files of jobs and of imports from the store, unless another one has the same. Nothing else is like them."""
    wanted = {
        name for each in (*FILES, LedgerImport.file) for name in db.session.scalars(select(each).where(each.in_(names)))
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
