"""Whether the system is well: for whoever watches over it, a proxy or a person."""

import os
import shutil
from dataclasses import dataclass, field
from http import HTTPStatus

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, TimeoutError as PoolExhausted

from app import files
from app.models import db
from app.outages import Outage, outage_of

LEAST_FREE_BYTES = 200 * 1024 * 1024
# A worker says every ten seconds that it is there.
WORKER_SECONDS = 45


@dataclass
class Health:
    """`problems` are codes for programs; with any that stops the daily work the system is not ready."""

    problems: list[str] = field(default_factory=list)
    ready: bool = True

    @property
    def status(self) -> str:
        return "unavailable" if not self.ready else "degraded" if self.problems else "ok"

    @property
    def code(self) -> HTTPStatus:
        return HTTPStatus.OK if self.ready else HTTPStatus.SERVICE_UNAVAILABLE

    def add(self, problem: str, *, stops: bool) -> None:
        self.problems.append(problem)
        self.ready = self.ready and not stops


def check() -> Health:
    """Ask the database, the worker and the disk how they are; raise nothing."""
    health = Health()
    try:
        _check_database(health)
    except (DBAPIError, PoolExhausted) as error:
        health.add((outage_of(error) or Outage.UNREACHABLE).code, stops=True)
    _check_files(health)
    return health


def _check_database(health: Health) -> None:
    is_read_only, worker_seconds = db.session.execute(
        text(
            "SELECT pg_is_in_recovery() OR current_setting('default_transaction_read_only')::bool, "
            "extract(epoch FROM now() - (SELECT max(last_heartbeat) FROM procrastinate_workers))"
        )
    ).one()
    if is_read_only:
        health.add(Outage.READ_ONLY.code, stops=False)
    if worker_seconds is None or worker_seconds > WORKER_SECONDS:
        health.add("worker_missing", stops=False)


def _check_files(health: Health) -> None:
    folder = files.folder()
    if not os.access(folder, os.W_OK):
        health.add("files_not_writable", stops=False)
    if shutil.disk_usage(folder).free < LEAST_FREE_BYTES:
        health.add(Outage.DISK_FULL.code, stops=False)
