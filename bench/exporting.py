"""All instruments as a sheet of 15 columns, by each way in a process of its own, so that the memory is its own.

python -m bench.exporting WAY KIND ACCOUNT does it and prints what it took. By hand it is COPY, or the fastest writer of
workbooks that is packaged, fed from a cursor; ours is the job of the worker, from the question to the kept file.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from bench import sql
from bench.importing import megabytes
from bench.servers import ROOT

Work = Callable[[], int]
COLUMNS = {
    "valid_until": "to_char(i.valid_until, 'YYYY-MM-DD')", "name": "i.name", "kind": "kind.name", "model": "i.model",
    "serial_no": "i.serial_no", "using_unit": "unit.name", "region": "region.full_name", "place": "i.use_place",
    "no": "i.instrument_no", "item": "item.name", "range": "i.measuring_range", "accuracy": "i.accuracy_class",
    "manufacturer": "i.manufacturer", "cycle": "i.cycle_months",
    "created_at": "to_char(i.created_at, 'YYYY-MM-DD HH24:MI')",
}  # fmt: skip
ROWS = f"""
SELECT {", ".join(f"{cell} AS {name}" for name, cell in COLUMNS.items())}
  FROM instrument i JOIN catalogue_item kind ON kind.id = i.catalogue_item_id
  JOIN catalogue_item item ON item.id = kind.parent_id JOIN region ON region.code = i.region_code
  LEFT JOIN organization unit ON unit.id = i.using_unit_id
 ORDER BY i.id DESC"""


def by_sql(kind: str, _account: str, folder: str) -> Work:
    connection = sql.connect(os.environ["DATABASE_URL"])
    return {"csv": _copied, "xlsx": _written}[kind](connection, Path(folder) / f"sheet.{kind}")


def _copied(connection: Any, path: Path) -> Work:
    def work() -> int:
        with path.open("wb") as file, sql.joined_freely(connection), connection.cursor() as cursor:
            cursor.copy_expert(f"COPY ({ROWS}) TO STDOUT WITH (FORMAT csv)", file)
            return int(cursor.rowcount)

    return work


def _written(connection: Any, path: Path) -> Work:
    from rustpy_xlsxwriter import write_worksheet

    def records() -> Iterator[dict[str, Any]]:
        with sql.streamed(connection, ROWS) as rows:
            for row in rows:
                yield dict(zip(COLUMNS, row, strict=True))

    def work() -> int:
        with sql.joined_freely(connection):
            write_worksheet(records(), str(path), sheet_name="all")
        return sql.one(connection, "SELECT count(*) FROM instrument")

    return work


def by_us(kind: str, account: str, _folder: str) -> Work:
    from sqlalchemy import select

    from app import create_app, jobs
    from app.access import EVERYTHING, seeing
    from app.models import Account, Job, db

    app = create_app()
    asked = {"page": "InstrumentQueries", "filter": "", "ids": None, "sort": "", "language": "zh"}

    def work() -> int:
        with app.app_context(), seeing(EVERYTHING):
            jobs.do(job_id)
            ended = db.session.get_one(Job, job_id)
            if ended.state != "done":
                raise RuntimeError(ended.message)
            return int(ended.asked["rows"])

    with app.app_context(), seeing(EVERYTHING):
        who = db.session.scalars(select(Account.id).where(Account.username == account)).one()
        job = Job(account_id=who, kind="export", asked={**asked, "columns": list(COLUMNS), "format": kind})
        db.session.add(job)
        db.session.commit()
        job_id = job.id
    return work


WAYS: dict[str, Callable[[str, str, str], Work]] = {"sql": by_sql, "ours": by_us}


def in_own_process(way: str, kind: str, account: str) -> dict[str, float]:
    """Rows, seconds, the MB by which the process grew at most, and the MB that it had then."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "bench.exporting", way, kind, account, folder]
        env = {**os.environ, "FILES": folder}
        done = subprocess.run(command, cwd=ROOT, env=env, check=True, stdout=subprocess.PIPE, text=True)
    told: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return told


def main() -> None:
    way, kind, account, folder = sys.argv[1:]
    work = WAYS[way](kind, account, folder)
    before, started = megabytes("VmRSS"), time.perf_counter()
    rows = work()
    taken, peak = time.perf_counter() - started, megabytes("VmHWM")
    print(json.dumps({"rows": rows, "seconds": taken, "grown": peak - before, "peak": peak}))


if __name__ == "__main__":
    main()
