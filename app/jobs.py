"""What the worker does: by the clock, and long work for people. The queue lives in the same PostgreSQL."""

import logging
from collections.abc import Callable
from functools import partial
from typing import Any

from flask import Flask, current_app
from flask_babel import (
    force_locale,  # pyright: ignore[reportAttributeAccessIssue]  # not in its __all__
    gettext as _,
)
from procrastinate import App, JobContext, PsycopgConnector
from sqlalchemy.engine import make_url

from app.access import EVERYTHING, seeing
from app.domain import (
    attempts,
    audits,
    certificates,
    clockwork,
    dumps,
    history,
    holidays,
    imports,
    institutions,
    jobs,
    monthly_reports,
    notifications,
    sessions,
    tallies,
    workloads,
)
from app.domain.jobs import Finished
from app.errors import RuleError
from app.fabkit.security import acting_as
from app.models import Account, Job, db
from app.pages import exports, monthly_reports as monthly_report_pages
from app.states import BROKEN

log = logging.getLogger(__name__)
STALLED_AFTER_SECONDS = 60


# Short work goes on while long work takes its time.
AT_ONCE = 3


def work() -> None:
    """Run until told to stop."""
    with seeing(EVERYTHING):
        begin_day()  # the machine may have been off at midnight
        db.session.commit()
    make_queue(current_app._get_current_object()).run_worker(concurrency=AT_ONCE)  # type: ignore[attr-defined]


def begin_day() -> dict[str, int]:
    """Let today begin, wherever the machine stands."""
    return clockwork.run(holidays.today(), EVERYTHING).moved


def make_queue(app: Flask) -> App:
    """The queue with its jobs, on the application's database."""
    url = make_url(app.config["SQLALCHEMY_DATABASE_URI"]).set(drivername="postgresql")
    queue = App(connector=PsycopgConnector(conninfo=url.render_as_string(hide_password=False)))

    def periodic(cron: str, do: Callable[[], Any]) -> None:
        def job(timestamp: int) -> None:
            with app.app_context(), seeing(EVERYTHING):
                done = do()
                db.session.commit()
                log.info("%s: %s", do.__qualname__, done)

        task = queue.task(name=do.__name__, queueing_lock=do.__name__, lock=do.__name__)(job)
        queue.periodic(cron=cron)(task)

    periodic("* * * * *", tallies.fold)
    periodic("0 3 * * *", tallies.compact)
    periodic("20 3 * * *", institutions.refresh_mean_days)
    periodic("25 3 * * *", workloads.learn_capacities)
    periodic("40 3 * * *", history.make_partitions)
    periodic("0 4 * * *", attempts.drop_stale)
    periodic("10 4 * * *", sessions.drop_ended)
    periodic("20 4 * * *", audits.prove)
    periodic("30 4 * * *", jobs.drop_old)
    periodic("40 4 * * *", notifications.forget_old)
    periodic("*/5 * * * *", notifications.mail)
    periodic("*/10 * * * *", certificates.make_left_over)
    periodic("*/15 * * * *", dumps.renew)
    # On the first of the month, and whenever it was missed.
    periodic("*/10 6-23 * * *", monthly_reports.ask_for_due)
    periodic("*/5 * * * *", monthly_reports.mail_reports)
    periodic("5 0 * * *", begin_day)
    queue.task(name="long_work", queue="long")(partial(long_work, app))
    queue.periodic(cron="*/5 * * * *")(
        queue.task(name="retry_stalled", queueing_lock="retry_stalled", pass_context=True)(_retry_stalled)
    )
    return queue


def long_work(app: Flask, job_id: int) -> None:
    """Do a job that somebody asked for."""
    with app.app_context(), seeing(EVERYTHING):
        do(job_id)


# Kind of job -> what does it, as the person who asked for it.
HANDLERS: dict[str, Callable[[Job], Finished]] = {
    certificates.DOCUMENTS: certificates.make_documents,
    certificates.ZIP: certificates.make_zip,
    exports.KIND: exports.make,
    imports.KIND: imports.import_job,
    monthly_reports.KIND: monthly_report_pages.make,
}


def do(job_id: int) -> None:
    """Do a job for whoever asked for it, as far as they may; commit what it did whole, or nothing of it."""
    job = jobs.begin(job_id)
    db.session.commit()
    if job is None:
        return
    account = db.session.get_one(Account, job.account_id)
    language = account.preferences.get("language") or current_app.config["BABEL_DEFAULT_LOCALE"]
    try:
        with acting_as(account), force_locale(language):
            ended = HANDLERS[job.kind](job)
    except jobs.Cancelled:
        return db.session.rollback()
    except RuleError as refusal:
        db.session.rollback()
        ended = Finished(str(refusal), state=BROKEN)
    except Exception:
        db.session.rollback()
        log.exception("job %s (%s)", job_id, job.kind)
        with force_locale(language):
            text = _("Something went wrong on our side. It has been recorded; nothing was changed.")
        ended = Finished(text, state=BROKEN)
    if not jobs.end(job, ended):
        db.session.rollback()
        if ended.file:
            jobs.drop_files({ended.file})
        return None
    db.session.commit()


async def _retry_stalled(context: JobContext, timestamp: int) -> None:
    """Jobs whose worker died stay 'doing' for ever: put them back."""
    manager = context.app.job_manager
    for job in await manager.get_stalled_jobs(seconds_since_heartbeat=STALLED_AFTER_SECONDS):
        await manager.retry_job(job)
