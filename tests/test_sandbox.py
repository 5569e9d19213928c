"""Files from outside are opened in a child process, which may use so much time, memory and output and no more."""

import io
import json
import os
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import pytest
from flask import Flask
from flask_babel import Babel  # pyright: ignore[reportAttributeAccessIssue]  # not in its __all__

from app import spreadsheet
from app.sandbox import child, children
from app.sandbox.children import MEGABYTE, Named, Task, open_files
from app.sandbox.messages import Unreadable
from app.spreadsheet import workbooks
from tests.test_incoming_sheets import GOOD, MAIN, OFFICE, PACKAGE, package

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows limits only the time")
CHILD = Path(child.__file__)
OPTIONS = {"kind": "xlsx", "title": "", "most_rows": 1000, "most_columns": 200}
FIRST_LINE = {"marks": [], "hidden": [], "above": 0}


@pytest.fixture(autouse=True)
def words():
    """Messages in English; no database, no pages."""
    app = Flask("sandbox")
    Babel(app)
    with app.app_context():
        yield


def task(seconds=10, output=MEGABYTE, places=1) -> Task:
    return Task("sheet", seconds, output, threading.BoundedSemaphore(places))


def opened(data: bytes, what: Task, name="名册.xlsx", options=OPTIONS) -> bytes:
    with open_files(what, [Named(name, io.BytesIO(data))], options, most_bytes=20 * MEGABYTE) as output:
        return output.read()


def refusal(*how, **options) -> str:
    with pytest.raises(Unreadable) as refused:
        opened(*how, **options)
    return str(refused.value)


def with_styles(code: str, formats: int = 1) -> bytes:
    styles = (
        f'<styleSheet xmlns="{MAIN}"><numFmts><numFmt numFmtId="164" formatCode="{code}"/></numFmts><cellXfs>'
        + '<xf numFmtId="164"/>' * formats
        + "</cellXfs></styleSheet>"
    )
    relations = (
        f'<Relationships xmlns="{PACKAGE}"><Relationship Id="r1" Type="{OFFICE}/worksheet"'
        f' Target="/xl/worksheets/sheet1.xml"/><Relationship Id="r3" Type="{OFFICE}/styles" Target="styles.xml"/>'
        "</Relationships>"
    )
    return package(GOOD, **{"xl/styles.xml": styles, "xl/_rels/workbook.xml.rels": relations})


def strings(megabytes: int) -> bytes:
    """A workbook whose texts alone fill so much memory."""
    texts = f"<si><t>{'甲' * 30_000}</t></si>" * (megabytes * MEGABYTE // 60_000)
    return package(GOOD, strings=f'<sst xmlns="{MAIN}">{texts}</sst>')


def test_what_a_sheet_holds_comes_back():
    lines = [json.loads(line) for line in opened(package(GOOD), task()).splitlines()]

    assert lines == [{**FIRST_LINE, "name": "表", "sheets": ["表"]}, [1, ["编号"]], [2, [7]]]


def test_a_sheet_that_computes_for_too_long_is_refused_by_its_name():
    rows = "".join(f'<row r="{row}"><c r="A{row}"/></row>' for row in range(2, 900_000))
    slow = package(f'<worksheet xmlns="{MAIN}"><!-- --><sheetData>{rows}</sheetData></worksheet>')

    assert refusal(slow, task(seconds=1)) == "“名册.xlsx” takes too long to read. Save it anew or make it smaller."


def test_a_sheet_that_needs_too_much_memory_is_refused_by_its_name(monkeypatch):
    monkeypatch.setattr(children, "MEMORY", 64 * MEGABYTE)

    assert refusal(strings(80), task()) == "“名册.xlsx” holds too much to be opened. Make it smaller."


def test_a_sheet_that_gives_too_much_is_refused_by_its_name():
    rows = "".join(f'<row r="{row}"><c r="A{row}" t="s"><v>0</v></c></row>' for row in range(1, 900))
    text = f'<sst xmlns="{MAIN}"><si><t>{"甲" * 30_000}</t></si></sst>'
    echo = package(f'<worksheet xmlns="{MAIN}"><sheetData>{rows}</sheetData></worksheet>', strings=text)

    assert refusal(echo, task()) == "“名册.xlsx” holds too much to be opened. Make it smaller."


def test_a_child_that_is_killed_or_fails_is_told_by_the_name_of_the_file(monkeypatch, tmp_path, caplog):
    for text in ("import os; os.kill(os.getpid(), 9)", "raise ValueError('secret of the file')", "import nowhere"):
        program = tmp_path / "child.py"
        program.write_text(text)
        monkeypatch.setattr(child, "__file__", str(program))

        told = refusal(package(GOOD), task())

        assert told == "“名册.xlsx” cannot be opened. Save it anew with another program."


def test_an_unforeseen_error_is_logged_by_its_place_and_not_by_what_it_says(caplog):
    with pytest.raises(Unreadable, match="cannot be opened"):
        opened(package(GOOD), task(), options={**OPTIONS, "most_rows": "secret of the file"})

    assert "TypeError in grids.py" in caplog.text
    assert "secret" not in caplog.text


def test_a_child_that_does_nothing_is_stopped_as_well(monkeypatch, tmp_path):
    program = tmp_path / "child.py"
    program.write_text("import time; time.sleep(600)")
    monkeypatch.setattr(child, "__file__", str(program))

    assert "takes too long" in refusal(package(GOOD), task(seconds=1))


def test_who_finds_all_places_taken_waits_for_a_time_and_is_told(monkeypatch):
    monkeypatch.setattr(children, "WAIT_SECONDS", 0.1)
    busy = task(places=1)

    with children._place(busy):
        told = refusal(package(GOOD), busy)

    assert told == "Many files are being opened just now. Please try again in a minute."
    assert opened(package(GOOD), busy)
    assert refusal(b"", busy).startswith("The file is empty.")
    assert opened(package(GOOD), busy)  # a place is given back after a refusal too


def test_the_child_knows_no_secret_and_nothing_of_the_application(tmp_path):
    program = tmp_path / "look.py"
    program.write_text(
        f"import sys, os; sys.path.insert(0, {str(CHILD.parent)!r}); import child\n"
        "child.package('app', child.APP); child.package('app.spreadsheet', child.APP / 'spreadsheet')\n"
        "for name, _function in child.TASKS.values(): __import__(name)\n"
        "print(sorted({name.partition('.')[0] for name in sys.modules}), dict(os.environ))"
    )
    said = subprocess.run(
        [sys.executable, "-I", str(program)], capture_output=True, text=True, check=True, env={}
    ).stdout

    for name in ("flask", "flask_babel", "sqlalchemy", "werkzeug", "psycopg2", "xlsxwriter", "config"):
        assert f"'{name}'" not in said
    assert "SECRET" not in said


def test_the_child_gets_no_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("SECRET_KEY", "s" * 40)
    program = tmp_path / "child.py"
    program.write_text("import os, json; print(json.dumps(dict(os.environ)))")
    monkeypatch.setattr(child, "__file__", str(program))

    environment = json.loads(opened(package(GOOD), task()))

    assert set(environment) <= {"LC_CTYPE"}
    assert "SECRET_KEY" in os.environ


def test_no_process_of_ours_opens_a_sheet_itself(monkeypatch):
    def refuse(*_how):
        raise AssertionError("opened in this process")

    monkeypatch.setattr(zipfile, "ZipFile", refuse)
    monkeypatch.setattr(workbooks, "ZipFile", refuse)

    assert spreadsheet.read(io.BytesIO(SHEET), "a.xlsx", most_rows=10).headers == ["编号"]


SHEET = package(GOOD)


@pytest.mark.parametrize("code", ["[" * 1_000_000, "&quot;" * 256, "0" * 256])
def test_a_number_format_longer_than_excel_allows_is_refused(code):
    assert refusal(with_styles(code, 100), task()).startswith("The file is damaged.")


def test_more_formats_of_cells_than_excel_allows_are_refused():
    assert opened(with_styles("[" * 255, 65_490), task())
    assert refusal(with_styles("[" * 255, 65_491), task()).startswith("The file is damaged.")


def test_a_sheet_of_many_empty_cells_is_refused():
    rows = "".join(f'<row r="{row}"><c r="GR{row}"><v>1</v></c></row>' for row in range(1, 8000))
    wide = package(f'<worksheet xmlns="{MAIN}"><sheetData>{rows}</sheetData></worksheet>')

    assert refusal(wide, task(), options={**OPTIONS, "most_rows": 50_000}).startswith("The sheet is too big.")
