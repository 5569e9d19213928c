"""What we hand out, opened in LibreOffice: every cell as it was meant, in workbooks and in CSV."""

import csv
import io
import os
import shutil
import subprocess
from datetime import date
from pathlib import Path

import duckdb
import pandas
import pytest

from app.models import db
from tests.factories import authority, instrument, unit_of, using_unit
from tests.test_imports import filled, own, scale, send

# Each sheet into a file of its own, as it is shown, in UTF-8.
CSV = "csv:Text - txt - csv (StarCalc):44,34,76,1,,0,false,true,false,false,false,-1"
# (name, model, serial number) as they are kept, and as they must be shown.
CELLS = [
    ("电子血压计", "LXS-20E", "007"),
    ("水表", "00.50", "913301060000000001"),
    ("衡器", "2026-01-31", "1E5"),
    ('引号"与,逗号', "多\n行", "3/4"),
    ("=1+1", "+86", "-5"),
    ("@SUM(A1)", "\t=1", "=HYPERLINK(\"http://x\")"),
    ("😀表", "½", "TRUE"),
]  # fmt: skip


@pytest.fixture
def analyst(sign_in, rows):
    home, unit = authority("330106"), unit_of("enterprise", name="杭州市第一人民医院")
    for number, (name, model, serial) in enumerate(CELLS):
        instrument(unit=unit, name=name, model=model, serial_no=serial, cycle_months=12,
                   valid_until=date(2026, 12, number + 1))  # fmt: skip
    db.session.flush()
    return sign_in("Analyst", home)


def converted(folder: Path, how: str = CSV, infilter: str = "", **contents: bytes) -> dict[str, list[list[str]]]:
    """The cells of each sheet, by the name of its file without its ending."""
    files = opened_and_saved(folder, how, infilter, **contents)
    texts = {path.stem: path.read_bytes().decode("utf-8-sig") for path in files}
    return {name: list(csv.reader(io.StringIO(text, newline=""))) for name, text in texts.items()}


def written(folder: Path, how: str, content: bytes, kind: str = "xlsx") -> bytes:
    """A workbook as LibreOffice saves it in another format."""
    [path] = opened_and_saved(folder, how, "", **{f"book_{kind}": content})
    return path.read_bytes()


def opened_and_saved(folder: Path, how: str, infilter: str = "", **contents: bytes) -> list[Path]:
    """The files that LibreOffice makes of others in a format."""
    program = os.environ.get("SOFFICE") or shutil.which("soffice")
    assert program, "LibreOffice is missing; `python3 run.py test` installs it or says where to put it"
    given, out = folder / "given", folder / "out"
    given.mkdir(parents=True)
    for name, content in contents.items():
        (given / name.replace("_", ".")).write_bytes(content)
    own = f"-env:UserInstallation={(folder / 'profile').as_uri()}"
    filters = [f"--infilter={infilter}"] if infilter else []
    command = [
        program,
        own,
        "--headless",
        *filters,
        "--convert-to",
        how,
        "--outdir",
        str(out),
        *map(str, given.iterdir()),
    ]
    done = subprocess.run([*command, *map(str, given.iterdir())], capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stderr
    return list(out.iterdir())


COLUMNS = ["valid_until", "name", "model", "serial_no", "using_unit", "cycle"]
HEADERS = ["有效期至", "器具名称", "型号规格", "出厂编号", "使用单位", "检定周期（月）"]


def exported(person, kind: str) -> bytes:
    wanted = {"format": kind, "columns": "ticked", "column": COLUMNS}
    answer = person.post("/queries/instruments/export", wanted)
    assert answer.status_code == 200
    return answer.data


def meant(apostrophe: str = "") -> list[list[str]]:
    """The newest first. In CSV what looks like a formula begins with an apostrophe."""

    def safe(text: str) -> str:
        return f"{apostrophe}{text}" if text[0] in "=+-@\t" else text

    return [
        [f"2026-12-{number:02}", *map(safe, cells), "杭州市第一人民医院", "12"] for number, cells in enumerate(CELLS, 1)
    ][::-1]


def test_workbooks_open_with_every_cell_as_it_was_meant(analyst, app, monkeypatch, tmp_path):
    whole = exported(analyst, "xlsx")
    monkeypatch.setitem(app.config, "EXPORT_SHEET_ROWS", 3)
    parts = exported(analyst, "xlsx")
    report = analyst.post("/statistics/instruments/export", {"region": "330106"}).data

    sheets = converted(tmp_path, whole_xlsx=whole, parts_xlsx=parts, report_xlsx=report)

    assert sheets.pop("whole-强检器具查询") == [HEADERS, *meant()]
    assert [sheets.pop(f"parts-强检器具查询 {number}") for number in (1, 2, 3)] == [
        [HEADERS, *meant()[0:3]], [HEADERS, *meant()[3:6]], [HEADERS, *meant()[6:]],
    ]  # fmt: skip
    lines = sheets.pop("report-强检器具统计")
    assert lines[0][0] == "强检器具统计"
    assert [line[0] for line in lines if line[0] in ("西湖区", "合计")] == ["西湖区", "合计"]
    assert sheets == {}


def test_csv_opens_with_every_cell_as_it_was_meant(analyst, tmp_path):
    """As texts; opened without a word nothing in it is calculated. The mark at its beginning tells Excel of UTF-8."""
    content = exported(analyst, "csv")

    assert content.startswith(b"\xef\xbb\xbf")
    as_texts = f"Text - txt - csv (StarCalc):44,34,76,1,{'/'.join(f'{column}/2' for column in range(1, 7))}"
    assert converted(tmp_path, infilter=as_texts, list_csv=content) == {"list-list": [HEADERS, *meant("'")]}
    (tmp_path / "plain").mkdir()
    (plain,) = converted(
        tmp_path / "plain", infilter="Text - txt - csv (StarCalc):44,34,76,1", list_csv=content
    ).values()
    assert plain[0] == HEADERS
    assert [row[1] for row in plain[1:]] == [row[1] for row in meant("'")]


def test_csv_is_read_by_programs_without_being_told_how(analyst, tmp_path):
    """With one end of lines throughout: DuckDB could read none that had two."""
    path = tmp_path / "list.csv"
    path.write_bytes(exported(analyst, "csv"))

    relation = duckdb.read_csv(str(path))

    assert relation.columns == HEADERS
    assert len(relation.fetchall()) == len(CELLS)
    assert list(pandas.read_csv(path).columns) == HEADERS
    assert path.read_bytes().count(b"\r") == 0


def test_pandas_reads_days_of_a_workbook_as_days(analyst, tmp_path):
    path = tmp_path / "list.xlsx"
    path.write_bytes(exported(analyst, "xlsx"))

    frame = pandas.read_excel(path, engine="openpyxl")

    assert str(frame["有效期至"].dtype).startswith("datetime64")
    assert frame["出厂编号"].iloc[0] == CELLS[-1][2]


def test_a_ledger_that_is_saved_as_an_old_workbook_is_imported(sign_in, rows, tmp_path):
    authority("330106")
    unit = using_unit()
    clerk = sign_in("UsingUnitClerk", unit)
    content = filled(clerk, scale(出厂编号="007"), scale(出厂编号="008", 启用日期=date(2024, 2, 29)))

    answer = send(clerk, written(tmp_path, "xls", content), name="器具.xls")

    assert answer.status_code == 303, answer.text
    assert [(one.serial_no, one.range_high, one.started_on) for one in own(rows, unit)] == [
        ("007", 30, date(2025, 3, 1)), ("008", 30, date(2024, 2, 29)),
    ]  # fmt: skip
    assert 'accept=".xlsx,.xls,.csv"' in clerk.open("ledger", "import", []).text
