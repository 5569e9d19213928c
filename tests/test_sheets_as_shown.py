"""Sheets are read as the person sees them: number formats, dates that Excel made, other calendars, unreadable cells.

The files in tests/data are made as programs of the trade write them; their numbers are those of the reported cases.
"""

import re
import zipfile
from datetime import date, datetime
from decimal import Decimal
from io import BytesIO
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from hypothesis import given, strategies as st
from sqlalchemy import select

from app import spreadsheet
from app.models import Job, LedgerImport, db
from app.spreadsheet import number_formats
from app.spreadsheet.cells import Formatted, as_date, as_number, as_text, shown_text
from tests.test_imports import clerk, count, filled, opened, own, saved, scale, send, unit

__all__ = ["clerk", "unit"]

DATA = Path(__file__).parent / "data"
BECAME_A_DATE = "已被表格软件变成日期或时间：请将单元格格式设为“文本”，再重新输入。"


def case(name: str) -> bytes:
    return path_of(name).read_bytes()


def path_of(name: str) -> Path:
    [path] = DATA.glob(f"{name}-*")
    return path


def returned(person) -> bytes:
    """The sheet that was handed back last: that of a ledger by its own page, others as the result of a job."""
    ledger = db.session.scalar(select(LedgerImport.id).order_by(LedgerImport.id.desc()).limit(1))
    if ledger:
        return bytes(person.get(f"/ledger-imports/problems/{ledger}").data)
    job_id = db.session.scalar(select(Job.id).order_by(Job.id.desc()).limit(1))
    return bytes(person.get(f"/jobs/file/{job_id}").data)


def problems_in(content: bytes) -> dict[int, list[str]]:
    """The problems that a returned sheet tells of, by row."""
    sheet = opened(content).worksheets[0]
    return {row[0].row: str(row[0].value).split("\n") for row in sheet.iter_rows(min_row=2) if row[0].value}


# --- What a number format shows ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "number", "text"),
    [
        ("0.0%", 0.004, "0.4%"), ("0.00%", 0.016, "1.60%"), ("0%", 0.016, "2%"), (10, 0.0045, "0.45%"),
        ("0.00", 1.5, "1.50"), (2, 1.005, "1.01"), ("0.0", 2.25, "2.3"), ("0.0", -2.25, "-2.3"), ("0.0", -0.01, "0.0"),
        ('0.0"级"', 1, "1.0级"), ("0.0级", 1.6, "1.6级"), ('General"级"', 1.6, "1.6级"), ("0.0_ ", 1.5, "1.5"),
        ("00000", 123, "00123"), ("000-0000", 1234567, "123-4567"), ("\\B000", 7, "B007"), ('"No."0', 12, "No.12"),
        ("#,##0", 1234567, "1,234,567"), ("#,##0.00", 0.5, "0.50"), ("0,000", 7, "0,007"), ("#.##", 0.5, ".5"),
        ("0.###", 1.25, "1.25"), ("0.0#", 2, "2.0"),
        ("# ?/?", 0.5, "1/2"), ("# ?/?", 1.5, "1 1/2"), (13, 1.25, "1 1/4"), ("?/?", 1.5, "3/2"), ("# ?/8", 2.99, "3"),
        ("# ??/100", 0.35, "35/100"), ("# ?/?", 3, "3"), ("# ?/?", -0.25, "-1/4"),
        ("0.0;[Red]-0.0", -2.25, "-2.3"), ("0;(0)", -3, "(3)"), ('0;-0;"零"', 0, "零"), ("[Red]0.0", 1, "1.0"),
        ("[$¥-804]#,##0.00", 5, "¥5.00"), ("_(* #,##0.00_)", 1.5, "1.50"),
    ],
)  # fmt: skip
def test_a_number_is_shown_as_excel_shows_it(code, number, text):
    assert number_formats.shown(code, number) == text


@pytest.mark.parametrize(
    "code",
    ["0.00E+00", 11, "0.0,", "[>1]0.0;0", "[DBNum1]0", ";;;", "0.0.0", "0x", "1/0", "0;0;0;@;0", "%%%0", '"', "["],
)
def test_what_is_not_sure_is_not_guessed(code):
    assert number_formats.shown(code, 12345.678) is None


@given(st.text('0#?.,%;/"[]$-@_*\\ E级Grd1', max_size=60), st.floats(-1e14, 1e14))
def test_any_format_is_read_or_left_alone(code, number):
    text = number_formats.shown(code, number)

    assert text is None or text == text.strip() != ""


@given(st.decimals(-(10**9), 10**9, places=4), st.integers(0, 4), st.booleans())
def test_decimals_and_groups_are_those_of_python(number, places, grouped):
    number = float(number)
    code = ("#,##0" if grouped else "0") + ("." + "0" * places if places else "")
    rounded = round(Decimal(repr(number)) + 0, places)
    text = number_formats.shown(code, number)

    assert text is not None
    assert abs(Decimal(text.replace(",", "")) - Decimal(repr(number))) <= Decimal("0.5") / 10**places
    if abs(rounded - Decimal(repr(number))) * 10**places != Decimal("0.5") and rounded:
        assert text == (f"{rounded:,}" if grouped else f"{rounded}")


@pytest.mark.parametrize(
    ("value", "text", "number", "day"),
    [
        (Formatted(0.004, "0.0%", "0.4%"), "0.4%", None, None),
        (Formatted(1.5, "0.00", "1.50"), "1.50", 1.5, None),
        (Formatted(1.5, "0.0,", None), None, None, None),
        (Formatted(12000, "0.00E+00", None), None, 12000, None),
        (Formatted(20260131, "00000000", "20260131"), "20260131", 20260131, date(2026, 1, 31)),
        (Formatted(date(2026, 3, 1), 'm"月"d"日"'), None, None, date(2026, 3, 1)),
        (Formatted(0.42, "h:mm"), None, None, None),
        (Formatted(1.05, "[h]:mm"), None, None, None),
        (date(2026, 3, 1), None, None, date(2026, 3, 1)),
        (datetime(2026, 3, 1, 8), None, None, date(2026, 3, 1)),
    ],
)
def test_what_a_cell_is_in_a_column_of_texts_of_numbers_and_of_days(value, text, number, day):
    assert (shown_text(value), as_number(value), as_date(value)) == (text, number, day)
    assert isinstance(as_text(value), str)


@pytest.mark.parametrize(
    "text",
    [
        "2024-03-01", "2024-3-1", "2024/3/1", "2024.3.1", "2024。3。1", "2024．3．1", "2024年3月1日", "2024年 3月 1号",
        "2024. 3. 1", "２０２４年３月１日", "20240301", 20240301, "2024/3/1 08:30", "2024-03-01 00:00:00",
    ],
)  # fmt: skip
def test_a_day_is_read_however_it_is_spelled(text):
    assert as_date(text) == date(2024, 3, 1)


@pytest.mark.parametrize(
    "text",
    [
        "3/1/2024",
        "1.3.2024",
        "24.3.1",
        "24-03-01",
        "2024-13-01",
        "2024-02-30",
        "2024年3月",
        "202431",
        "45352",
        45352,
        "2024,3,1",
    ],
)
def test_a_day_that_others_would_read_differently_is_none(text):
    assert as_date(text) is None


# --- The cases, as a using unit sends them -------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("02", {"accuracy_class": "0.4%", "accuracy_value": Decimal("0.4")}),
        ("04", {"model": "1.50", "accuracy_class": "1.0级"}),
        ("09", {"model": "YB-150", "serial_no": "B9-1", "manufacturer": "测试仪表厂"}),
        ("13", {"serial_no": "B13-1", "manufacturer": "测试仪表厂", "started_on": date(2024, 3, 1)}),
        ("14", {"serial_no": "B14-1", "manufacturer": "㛃䶮𠮷仪表厂", "use_place": "买买提·阿不都诊室"}),
        ("16", {"serial_no": "B16-1", "range_high": Decimal("1.6"), "started_on": date(2024, 3, 1)}),
        ("60", {"name": "CO₂ 分析仪（10⁻⁶）", "model": "⌀25 ⅓", "serial_no": "B60-1"}),
        ("82", {"serial_no": "B82-1", "manufacturer": "测试仪表厂丙"}),
        ("83", {"serial_no": "B91-1", "manufacturer": "测试仪表厂丁"}),
        ("84", {"serial_no": "B84-1", "use_place": "一号锅炉房"}),
        ("85", {"serial_no": "B85-1", "started_on": date(2024, 3, 1)}),
        ("08", {"started_on": date(2024, 2, 29)}),
        ("81", {"started_on": date(2024, 2, 29)}),
        ("22", {"started_on": date(2024, 3, 1)}),
        ("87", {"serial_no": "B87-1", "started_on": date(2024, 3, 1)}),
        ("88", {"serial_no": "B88-1"}),
    ],
)
def test_a_case_stands_in_the_ledger_as_it_was_seen(clerk, unit, rows, name, told):
    answer = send(clerk, case(name), name=path_of(name).name)

    assert answer.status_code == 303, clerk.messages()
    (new,) = own(rows, unit)
    assert {field: getattr(new, field) for field in told} == told


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("01", {2: [f"“型号规格”{BECAME_A_DATE}"], 3: [f"“出厂编号”{BECAME_A_DATE}"]}),
        ("03", {row: [f"“测量范围{which}”应为数字，不能是“{text}”：小数请用小数点，逗号只用于分隔千位。"]
                for row, which, text in ((2, "上限", "1,6"), (3, "上限", "0，25"), (4, "上限", "1,60"),
                                         (5, "下限", "-0,1"))}),
        ("10", {2: ["“出厂编号”是公式计算的结果，可能已过时：请核对后粘贴为数值。"]}),
        ("62", {2: ["“出厂编号”超过15位，Excel 只保留15位：请将单元格设为文本格式后重新输入。"]}),
        ("63", {2: ["“出厂编号”是公式计算的结果，可能已过时：请核对后粘贴为数值。"]}),
        ("64", {2: ["“启用日期”应为日期，如 2026-01-31，不能是“坏日期”。"]}),
        ("90", {3: [f"“型号规格”{BECAME_A_DATE}"],
                4: ["“测量范围上限”应为数字，不能是“1,6”：小数请用小数点，逗号只用于分隔千位。"]}),
    ],
)  # fmt: skip
def test_a_case_is_rejected_by_row_and_again_as_it_was_handed_back(clerk, rows, name, expected):
    assert send(clerk, case(name)).status_code == 422
    first = returned(clerk)
    assert problems_in(first) == expected

    assert send(clerk, first).status_code == 422
    second = returned(clerk)

    assert problems_in(second) == expected
    assert count(rows) == 0


def test_what_is_mended_in_the_returned_sheet_is_read_as_it_was_seen_there(clerk, unit, rows):
    send(clerk, case("64"))
    book = opened(returned(clerk))
    sheet = book.worksheets[0]
    heads = [str(cell.value).strip("*") for cell in sheet[1]]
    accuracy = sheet.cell(2, heads.index("准确度等级") + 1)
    assert (accuracy.value, accuracy.number_format) == (0.004, "0.0%")
    sheet.cell(2, heads.index("启用日期") + 1).value = "2024-03-01"

    assert send(clerk, saved(book)).status_code == 303

    assert [each.accuracy_class for each in own(rows, unit)] == ["0.4%"]


def marked_cells() -> bytes:
    """A sheet with each kind of cell that is rejected whatever its column asks for."""
    book = openpyxl.Workbook()
    page: Any = book.active
    page.append(["器具名称", "项别", "型号规格", "出厂编号"])
    page.append(["#N/A", '="甲"', 1.5e20, -3])
    page["D2"].number_format = "yyyy-mm-dd"
    content = saved(book)
    written = BytesIO()
    with zipfile.ZipFile(BytesIO(content)) as old, zipfile.ZipFile(written, "w") as new:
        for entry in old.namelist():
            part = old.read(entry)
            if entry.endswith("sheet1.xml"):
                part = part.replace(b"</row></sheetData>", b'<c r="E2" t="b"><v>7</v></c></row></sheetData>')
            new.writestr(entry, part)
    return written.getvalue()


def test_every_kind_of_rejected_cell_is_rejected_again(app):
    def marks(content: bytes) -> tuple[Any, Any]:
        incoming = spreadsheet.read(BytesIO(content), "a.xlsx", most_rows=10)
        kinds = {column: problem.mark for column, problem in incoming.problems[2].items()}
        back = BytesIO()
        spreadsheet.with_problems(incoming, {2: ["坏"]}, back)
        return kinds, back.getvalue()

    with app.app_context():
        first, content = marks(marked_cells())
        second, _content = marks(content)

    assert first == {0: "error", 1: "formula", 2: "digits", 3: "date", 4: "unreadable"}
    assert second == {**first, 4: "formula"}
    with zipfile.ZipFile(BytesIO(content)) as archive:
        formulas = re.findall(r"<f>(.*?)</f>", archive.read("xl/worksheets/sheet1.xml").decode())
    assert all(re.fullmatch(r'"[^"]*"|TRUE|FALSE|-?[\d.]+', each) for each in formulas)


def test_no_formula_of_the_person_comes_back_as_one(app):
    book = openpyxl.Workbook()
    page: Any = book.active
    page.append(["器具名称", "项别"])
    page.append(['=HYPERLINK("http://x","a""b")', "甲"])
    with app.app_context():
        incoming = spreadsheet.read(BytesIO(saved(book)), "a.xlsx", most_rows=10)
        incoming.rows[0][1][0] = '=1+cmd|"x"' * 30
        back = BytesIO()
        spreadsheet.with_problems(incoming, {2: ["坏"]}, back)

    with zipfile.ZipFile(back) as archive:
        [formula] = re.findall(r"<f>(.*?)</f>", archive.read("xl/worksheets/sheet1.xml").decode())
    assert re.fullmatch(r'"(?:[^"]|"")*"', formula)


# --- The ledger; the other sheets have this test beside their own --------------------------------

DAY = date(2026, 3, 1)


def columns_with_dates(person) -> set[str]:
    """The columns of the returned sheet in which a date was rejected because a text belongs there."""
    told = [text for texts in problems_in(returned(person)).values() for text in texts]
    return {text.removesuffix(BECAME_A_DATE)[1:-1] for text in told if text.endswith(BECAME_A_DATE)}


def test_a_date_in_any_text_column_of_the_ledger_is_rejected(clerk, rows):
    columns = {
        "器具名称",
        "型号规格",
        "准确度等级",
        "型式批准证书编号",
        "出厂编号",
        "生产厂家",
        "使用地点行政区划",
        "使用地点",
    }

    answer = send(clerk, filled(clerk, scale(**dict.fromkeys(columns, DAY)), scale(出厂编号="2")))

    assert answer.status_code == 422
    assert columns_with_dates(clerk) == columns
    assert count(rows) == 0


def test_a_text_too_long_for_its_column_is_told_and_not_cut(clerk, rows):
    assert send(clerk, case("20")).status_code == 422

    assert problems_in(returned(clerk)) == {2: ["“使用地点”：不得超过 200 个字符。"]}
    assert count(rows) == 0


AWKWARD = [
    ("1/2", "123456789012345678", "＝1+1", "测试仪表厂"),
    ("-", "0012300", "＠SUM(A1)", "测试仪表厂"),
    ("3-1", "1E5", "一号锅炉房", '测试,"仪表"厂'),
    ("'0.5", "B40-4", "-20～50℃库房", "测试仪表厂"),
    ("+5V", "B40-5", "a b", "测试仪表厂"),  # a break within a cell is a blank in the ledger
]


@pytest.mark.parametrize("kind", ["xlsx", "csv"])
def test_awkward_values_are_kept_and_exported_as_they_are(clerk, unit, rows, kind):
    assert send(clerk, case("40")).status_code == 303, clerk.messages()
    assert [(one.model, one.serial_no, one.use_place, one.manufacturer) for one in own(rows, unit)] == AWKWARD
    columns = ["model", "serial_no", "manufacturer", "place"]

    exported = clerk.post("/ledger/export", {"format": kind, "columns": "ticked", "column": columns})

    incoming = spreadsheet.read(BytesIO(exported.data), f"a.{kind}", most_rows=10)
    assert incoming.headers == ["型号规格", "出厂编号", "使用地点", "生产厂家"]
    assert sorted(tuple(map(str, values)) for _row, values in incoming.rows) == sorted(AWKWARD)
    assert incoming.problems == {}


def test_a_text_that_csv_guards_from_sheet_programs_is_read_without_the_guard(clerk, unit, rows):
    answer = send(clerk, case("05"), name="器具.csv")

    assert answer.status_code == 303, answer.text
    assert [each.serial_no for each in own(rows, unit)] == ["0012345678", "0012345679"]
