"""What the worker does: by the clock, and long work for people. The queue lives in the same PostgreSQL."""

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import psycopg2
from flask import Flask, current_app
from flask_babel import (
    force_locale,  # pyright: ignore[reportAttributeAccessIssue]  # not in its __all__
    gettext as _,
)
from procrastinate import App, JobContext, PsycopgConnector
from procrastinate.jobs import Status
from sqlalchemy.engine import make_url

from app import request_log, supervision
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
from app.outages import outage_of
from app.pages import exports, monthly_reports as monthly_report_pages
from app.states import BROKEN

log = logging.getLogger(__name__)

# Short work goes on while long work takes its time.
AT_ONCE = 3
# A worker that has not been heard of for so long is dead, and what it was doing is done anew.
HEARTBEAT_SECONDS = 5
STALLED_SECONDS = 20
LONG_WORK = "long_work"


def work() -> None:
    """Run until told to stop, or until the database goes away; the supervisor then starts it again."""
    request_log.to_stderr()
    supervision.report(lambda: os.kill(os.getpid(), signal.SIGTERM))
    _end_with(db.engine.url.set(drivername="postgresql").render_as_string(hide_password=False))
    with seeing(EVERYTHING):
        begin_day()  # the machine may have been off at midnight
        db.session.commit()
    make_queue(current_app._get_current_object()).run_worker(  # type: ignore[attr-defined]
        concurrency=AT_ONCE,
        update_heartbeat_interval=HEARTBEAT_SECONDS,
        stalled_worker_timeout=STALLED_SECONDS,
    )


def _end_with(url: str) -> None:
    """End this process as soon as its database does: the queue would take long to see it, and then stop in silence."""
    connection = psycopg2.connect(url)
    connection.autocommit = True

    def watch() -> None:
        with suppress(psycopg2.Error):
            while True:
                connection.cursor().execute("SELECT 1")
                time.sleep(1)
        print("数据库已断开，后台任务停止。 The database is gone; the worker stops.", file=sys.stderr)  # noqa: T201
        os._exit(os.EX_TEMPFAIL if hasattr(os, "EX_TEMPFAIL") else 75)

    threading.Thread(target=watch, name="database", daemon=True).start()


def send_audit_log() -> int:
    """Hand sealed entries of the audit log to where the operator wants them, if anywhere."""
    target = current_app.config["AUDIT_TARGET"]
    return audits.send_away(target) if target else 0


def begin_day() -> dict[str, int]:
    """Let today begin, wherever the machine stands."""
    return clockwork.run(holidays.today(), EVERYTHING)


def make_queue(app: Flask) -> App:
    """The queue with its jobs, on the application's database."""
    url = make_url(app.config["SQLALCHEMY_DATABASE_URI"]).set(drivername="postgresql")
    queue = App(connector=PsycopgConnector(conninfo=url.render_as_string(hide_password=False)))

    def periodic(cron: str, do: Callable[[], Any]) -> None:
        def job(timestamp: int) -> None:
            with app.app_context(), seeing(EVERYTHING):
                done = do()
                db.session.commit()
                if done:  # what found nothing to do is not worth a line each minute
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
    periodic("* * * * *", send_audit_log)
    periodic("30 4 * * *", jobs.drop_old)
    periodic("35 4 * * *", imports.drop_sheets)
    periodic("40 4 * * *", notifications.forget_old)
    periodic("*/5 * * * *", notifications.mail)
    periodic("*/10 * * * *", certificates.make_left_over)
    periodic("*/15 * * * *", dumps.renew)
    # On the first of the month, and whenever it was missed.
    periodic("*/10 6-23 * * *", monthly_reports.ask_for_due)
    periodic("*/5 * * * *", monthly_reports.mail_reports)
    periodic("5 0 * * *", begin_day)
    queue.task(name=LONG_WORK, queue="long")(partial(long_work, app))
    queue.periodic(cron="* * * * * */10")(
        queue.task(name="retry_stalled", queueing_lock="retry_stalled", pass_context=True)(_retry_stalled)
    )
    periodic("* * * * *", jobs.put_back)
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
    job_kind = job.kind
    language = account.preferences.get("language") or current_app.config["BABEL_DEFAULT_LOCALE"]
    try:
        with acting_as(account), force_locale(language):
            ended = HANDLERS[job.kind](job)
    except jobs.Cancelled:
        return db.session.rollback()
    except RuleError as refusal:
        db.session.rollback()
        ended = Finished(str(refusal), state=BROKEN)
    except Exception as error:
        db.session.rollback()
        if outage_of(error):
            raise  # the job stays as it is, and is done when the database is there again
        log.exception("job %s (%s)", job_id, job_kind)
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
    """Jobs whose worker died stay 'doing' for ever: put them back, but not what ends every worker."""
    manager = context.app.job_manager
    for job in await manager.get_stalled_jobs(seconds_since_heartbeat=STALLED_SECONDS):
        if job.attempts + 1 < jobs.MOST_ATTEMPTS or job.task_name != LONG_WORK:
            await manager.retry_job(job)
        else:
            await manager.finish_job(job, Status.FAILED, delete_job=False)
