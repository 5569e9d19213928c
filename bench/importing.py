"""A sheet of instruments into a ledger, by each way in a process of its own, so that the memory is its own.

python -m bench.importing WAY SHEET [filed] does it and prints what it took.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import cache
from io import StringIO
from pathlib import Path
from typing import Any

import xlsxwriter

from bench import sql
from bench.servers import ROOT

ROWS = 50_000
UNIT, CLERK = "Bench import unit", "bench-import"
REGION, CITY = "330106", "330100"
HEADS = (
    *("器具名称", "项别", "种别", "型号规格", "测量范围下限", "测量范围上限", "单位", "准确度等级", "型式批准证书编号"),
    *("出厂编号", "生产厂家", "器具产地", "使用地点行政区划", "使用地点", "器具用途", "送检方式", "启用日期"),
)
KINDS = (
    ("智能远传水表", "水表", "水表", "LXS-20E", 0.05, 4, "m³/h", "2级"),
    ("电子计价秤", "非自动衡器", "非自动衡器", "ACS-30", 0, 30, "kg", "Ⅲ级"),
    ("电子血压计", "血压计（表）", "无创自动测量血压计", "HEM-907", 0, 40, "kPa", "±0.4kPa"),
    ("压力表", "压力仪表", "指示类压力表、显示类压力表", "Y-100", 0, 1.6, "MPa", "1.6级"),
)
MAKERS = ("宁波水表股份有限公司", "杭州衡器厂", "上海自动化仪表四厂", "欧姆龙（大连）有限公司", "红旗仪表有限公司")


Work = Callable[[], None]


@cache
def sheet() -> Path:
    """As a clerk fills it in: few kinds and makers, numbers and places of their own."""
    path = Path(tempfile.gettempdir()) / f"bench-import-{ROWS}.xlsx"
    with xlsxwriter.Workbook(str(path)) as book:
        page = book.add_worksheet("器具台账")
        day = book.add_format({"num_format": "yyyy-mm-dd"})
        page.write_row(0, 0, HEADS)
        for row in range(1, ROWS + 1):
            place = f"文三路{row % 500}号{row % 30 + 1}幢{row % 4 + 1}单元{row % 20 + 1}01室"
            maker, number = MAKERS[row % len(MAKERS)], f"BI-{row * 48_271 % 100_000_000:08d}"
            use = ("国产", "浙江省杭州市西湖区", place, "贸易结算", "送检")
            page.write_row(row, 0, (*KINDS[row % len(KINDS)], "2020F123-33", number, maker, *use))
            page.write_datetime(row, len(HEADS) - 1, datetime(2024, 1, 1) + timedelta(row % 600), day)
    return path


# --- By hand -------------------------------------------------------------------------------------


def by_sql(path: str, filed: bool) -> Work:
    """The fastest reader there is for Python, and COPY. Nothing is checked."""
    from python_calamine import CalamineWorkbook

    connection = sql.connect(os.environ["DATABASE_URL"])
    connection.autocommit = False
    unit_id, kinds = _unit_and_kinds(connection)

    def work() -> None:
        rows = CalamineWorkbook.from_path(path).get_sheet_by_index(0).iter_rows()
        next(rows)
        ids = sql.all_rows(connection, _IDS)
        lines = StringIO("".join(_line(row, id, unit_id, kinds) for row, (id,) in zip(rows, ids, strict=True)))
        with connection.cursor() as cursor:
            cursor.copy_expert(f"COPY instrument ({COLUMNS}) FROM STDIN (NULL 'None')", lines)
            if filed:
                cursor.execute(_FILE, (unit_id,))
        connection.commit()

    return work


_IDS = f"SELECT nextval(pg_get_serial_sequence('instrument', 'id')) FROM generate_series(1, {ROWS})"
COLUMNS = (
    "id, instrument_no, using_unit_id, city_code, region_code, name, catalogue_item_id, model, range_low, range_high,"
    " measuring_range, range_unit, accuracy_class, accuracy_value, type_approval_no, serial_no,"
    " manufacturer, origin, use_place, purpose, delivery, started_on, cycle_months"
)
_FILE = """
WITH filed AS (
  UPDATE instrument SET filing_state = 'filed' WHERE using_unit_id = %s AND filing_state = 'draft' RETURNING *)
INSERT INTO event (subject, subject_id, city_code, region_code, using_unit_id, step, from_state, to_state, by_id,
                   by_name, by_organization_id, by_organization)
SELECT 'instrument', id, city_code, region_code, using_unit_id, 'file', 'draft', 'filed', 1, 'bench', 1, 'bench'
  FROM filed"""


def _unit_and_kinds(connection: Any) -> tuple[int, dict[str, tuple[int, int]]]:
    unit_id = sql.one(connection, "SELECT id FROM organization WHERE name = %s", (UNIT,))
    found = sql.all_rows(connection, "SELECT name, id, cycle_months FROM catalogue_item WHERE level = 2")
    return unit_id, {name: (id, cycle) for name, id, cycle in found}


def _line(row: list[Any], id: int, unit_id: int, kinds: dict[str, tuple[int, int]]) -> str:
    name, _category, kind, model, low, high, unit, accuracy, approval, serial, maker = row[:11]
    item_id, cycle = kinds[kind]
    values = (
        id, f"QJ{REGION}{id:010d}", unit_id, CITY, REGION, name, item_id, model, low, high,
        f"({low:g}～{high:g}){unit}", unit, accuracy, _class(accuracy), approval, serial, maker,
        "domestic", row[13], "trade", "sent", row[16], cycle,
    )  # fmt: skip
    return "\t".join(map(str, values)) + "\n"


def _class(text: str) -> str:
    found = re.search(r"\d+(\.\d+)?", text)
    return found.group() if found else "3"


# --- As a stock application does it --------------------------------------------------------------


def by_stock(path: str, filed: bool) -> Work:
    """openpyxl, and an object for each row."""
    import openpyxl
    from sqlalchemy import create_engine
    from sqlalchemy.orm import Session

    from app.models import Event, Instrument

    unit_id, kinds = _unit_and_kinds(sql.connect(os.environ["DATABASE_URL"]))
    engine = create_engine(os.environ["DATABASE_URL"])
    names = [name.strip() for name in COLUMNS.split(",")]

    def work() -> None:
        rows: Any = openpyxl.load_workbook(path, read_only=True).worksheets[0].iter_rows(min_row=2, values_only=True)
        with Session(engine) as session:
            for number, row in enumerate(rows, FIRST_OF_STOCK):
                line = _line([*row[:-1], row[-1].date()], number, unit_id, kinds)
                values = [None if value == "None" else value for value in line[:-1].split("\t")]
                instrument = Instrument(**dict(zip(names, values, strict=True)))
                session.add(instrument)
                if filed:
                    instrument.filing_state = "filed"
                    session.add(Event(**_filed(instrument)))
            session.commit()

    return work


# So that it need not ask for each id.
FIRST_OF_STOCK = 9_000_000_000


def _filed(instrument: Any) -> dict[str, Any]:
    same = {name: getattr(instrument, name) for name in ("city_code", "region_code", "using_unit_id")}
    said = {"step": "file", "from_state": "draft", "to_state": "filed", "by_name": "bench", "by_organization": "bench"}
    return {**same, **said, "subject": "instrument", "subject_id": instrument.id}


# --- Ours ----------------------------------------------------------------------------------------


def by_us(path: str, filed: bool) -> Work:
    """The job of the worker that takes a sheet into the ledger, as it was previewed: checked once more, and written."""
    from sqlalchemy import select

    from app import create_app, jobs
    from app.access import EVERYTHING, seeing
    from app.domain import imports
    from app.fabkit.security import principal_of
    from app.models import Account, Job, db

    app = create_app()

    def ask() -> int:
        clerk = db.session.scalars(select(Account).where(Account.username == CLERK)).one()
        who = principal_of(clerk, frozenset(role.name for role in clerk.roles))
        with app.test_request_context("/"), seeing(who), Path(path).open("rb") as file:
            kept = imports.upload(file, "bench.xlsx", who)
            kept.settings = kept.settings | {"file_now": filed}
            checking = imports.ask(kept, who, apply_it=False)
            db.session.commit()
            done(checking.id)
            applying = imports.ask(kept, who, apply_it=True)
            db.session.commit()
            return applying.id

    def done(job_id: int) -> None:
        with app.app_context(), seeing(EVERYTHING):
            jobs.do(job_id)
            ended = db.session.get_one(Job, job_id)
            if ended.state != "done":
                raise RuntimeError(ended.message)

    with app.app_context(), seeing(EVERYTHING):
        job_id = ask()
    return lambda: done(job_id)


WAYS: dict[str, Callable[[str, bool], Work]] = {"sql": by_sql, "stock": by_stock, "ours": by_us}


# --- Measuring -----------------------------------------------------------------------------------


def in_own_process(way: str, filed: bool) -> dict[str, float]:
    """Seconds, the MB by which the process grew at most, and the MB that it had then."""
    command = [sys.executable, "-m", "bench.importing", way, str(sheet()), *(["filed"] if filed else [])]
    with tempfile.TemporaryDirectory() as files:
        env = {**os.environ, "FILES": files}
        done = subprocess.run(command, cwd=ROOT, env=env, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def put_back(connection: Any) -> int:
    """Take out again what was imported; gives how many instruments that were."""
    ours = f"using_unit_id = (SELECT id FROM organization WHERE name = '{UNIT}')"
    number = sql.one(connection, f"SELECT count(*) FROM instrument WHERE {ours}")
    sql.run(
        connection,
        f"DELETE FROM event WHERE {ours}",
        f"DELETE FROM instrument WHERE {ours}",
        f"DELETE FROM ledger_import WHERE {ours}",
        "DELETE FROM job",
        "DELETE FROM procrastinate_events",
        "DELETE FROM procrastinate_jobs",
        "VACUUM instrument, event",
    )
    return number


def megabytes(what: str) -> float:
    status = Path("/proc/self/status").read_text()
    found = re.search(rf"{what}:\s+(\d+) kB", status)
    return int(found.group(1)) / 1024 if found else 0.0


def main() -> None:
    way, path, *more = sys.argv[1:]
    work = WAYS[way](path, bool(more))
    before, started = megabytes("VmRSS"), time.perf_counter()
    work()
    taken, peak = time.perf_counter() - started, megabytes("VmHWM")
    print(json.dumps({"seconds": taken, "grown": peak - before, "peak": peak}))


if __name__ == "__main__":
    main()
