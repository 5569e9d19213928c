"""What the worker does by the clock. The queue lives in the same PostgreSQL as everything else."""

import logging
from collections.abc import Callable
from typing import Any

from flask import Flask, current_app
from procrastinate import App, JobContext, PsycopgConnector
from sqlalchemy.engine import make_url

from app.access import EVERYTHING, seeing
from app.domain import attempts, audits, history, institutions, sessions, tallies
from app.models import db

log = logging.getLogger(__name__)
STALLED_AFTER_SECONDS = 60


def work() -> None:
    """Run until told to stop."""
    make_queue(current_app._get_current_object()).run_worker()  # type: ignore[attr-defined]


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
    periodic("20 3 * * *", institutions.refresh_mean_days)
    periodic("40 3 * * *", history.make_partitions)
    periodic("0 4 * * *", attempts.drop_stale)
    periodic("10 4 * * *", sessions.drop_ended)
    periodic("20 4 * * *", audits.prove)
    queue.periodic(cron="*/5 * * * *")(
        queue.task(name="retry_stalled", queueing_lock="retry_stalled", pass_context=True)(_retry_stalled)
    )
    return queue


async def _retry_stalled(context: JobContext, timestamp: int) -> None:
    """Jobs whose worker died stay 'doing' for ever: put them back."""
    manager = context.app.job_manager
    for job in await manager.get_stalled_jobs(seconds_since_heartbeat=STALLED_AFTER_SECONDS):
        await manager.retry_job(job)
