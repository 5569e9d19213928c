"""The row of the names of the columns, and the sheet that has it, are found among titles, cover sheets and notes."""

import csv
import io
import zipfile
from pathlib import Path
from typing import Any

import openpyxl
import pytest
import xlsxwriter
from flask import Flask
from flask_babel import Babel  # pyright: ignore[reportAttributeAccessIssue]  # not in its __all__

from app import spreadsheet
from app.spreadsheet import Field, Incoming, Unreadable

DATA = Path(__file__).parent / "data"
WORDS = ("器具名称", "型号规格", "出厂编号", "生产厂家", "制造厂")
HEADERS = ["序号", "器具名称", "型号规格", "出厂编号"]


@pytest.fixture(autouse=True)
def words():
    """Messages in English; no database, no pages."""
    app = Flask("sheets")
    Babel(app)
    with app.app_context():
        yield


def case(name: str) -> bytes:
    [path] = DATA.glob(f"{name}-*")
    return path.read_bytes()


def workbook(**sheets: list[list[Any]]) -> bytes:
    file = io.BytesIO()
    with xlsxwriter.Workbook(file) as book:
        for name, rows in sheets.items():
            sheet = book.add_worksheet(name)
            for number, row in enumerate(rows):
                sheet.write_row(number, 0, row)
    return file.getvalue()


def as_csv(rows: list[list[Any]]) -> bytes:
    file = io.StringIO()
    csv.writer(file).writerows(rows)
    return file.getvalue().encode()


def read(data: bytes, filename: str = "台账.xlsx", **how: Any) -> Incoming:
    return spreadsheet.read(io.BytesIO(data), filename, **{"most_rows": 1000, "words": WORDS, **how})


def refusal(data: bytes, filename: str = "台账.xlsx", **how: Any) -> str:
    with pytest.raises(Unreadable) as refused:
        read(data, filename, **how)
    return str(refused.value)


# --- The row -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("above", "row"),
    [
        ([], 1),
        ([["强检器具台账"]], 2),
        ([["强检器具台账"], [], ["单位名称：测试医院", None, "填报日期：2026年"]], 4),
        ([["器具名称"]], 2),
        ([["一", "二", "三", "四", "五"]], 2),
        ([["说明"]] * 29, 30),
    ],
)
def test_the_row_with_most_known_names_is_that_of_the_headers(above, row):
    rows = [*above, HEADERS, ["1", "压力表", "YB-150", "001"], HEADERS]
    for data, name in ((workbook(表=rows), "a.xlsx"), (as_csv(rows), "a.csv")):
        incoming = read(data, name)

        assert (incoming.header_row, incoming.headers) == (row, HEADERS)
        assert incoming.rows == [
            (row + 1, ["1", "压力表", "YB-150", "001"]),
            (row + 2, HEADERS),
        ]
        assert [number for number, _values in incoming.above] == [
            number for number, values in enumerate(above, 1) if values
        ]


def test_names_are_known_however_they_are_spelled():
    incoming = read(workbook(表=[["台账"], ["＊器具 名称", "出厂\n编号*"], ["压力表", "1"]]))

    assert (incoming.header_row, incoming.above) == (2, [(1, ["台账"])])


@pytest.mark.parametrize(
    ("rows", "row"),
    [
        ([["标题"], ["甲", "乙", "丙"], ["1", "2", "3"]], 2),
        ([["标题"], ["甲", "乙"], [1, 2, 3]], 1),
        ([["标题"]] * 30 + [["器具名称", "出厂编号"]], 1),
    ],
)
def test_without_known_names_the_first_row_with_three_texts_is_taken(rows, row):
    assert read(workbook(表=rows)).header_row == row


def test_a_caller_who_knows_no_names_gets_the_first_filled_row():
    incoming = read(workbook(表=[[], ["台账"], HEADERS]), words=())

    assert (incoming.header_row, incoming.above) == (2, [])


def test_a_row_that_somebody_chose_is_taken():
    data = workbook(表=[["台账"], HEADERS, ["1", "压力表", "YB-150", "001"], ["2"]])

    incoming = read(data, header_row=3)

    assert incoming.headers == ["1", "压力表", "YB-150", "001"]
    assert [row for row, _values in incoming.above] == [1, 2]
    assert refusal(data, header_row=9) == "Row 9 is empty. Choose the row with the names of the columns."
    assert refusal(as_csv([["a"], [], ["b"]]), "a.csv", header_row=2).startswith("Row 2 is empty.")


def test_rows_above_are_not_counted_among_the_most_that_may_come():
    rows = [["台账"], ["单位"], HEADERS, *([str(number)] for number in range(5))]
    for data, name in ((workbook(表=rows), "a.xlsx"), (as_csv(rows), "a.csv")):
        assert len(read(data, name, most_rows=5).rows) == 5
        for more in ([], [["7"]] * 99):
            longer = workbook(表=[*rows, *more]) if name == "a.xlsx" else as_csv([*rows, *more])
            assert refusal(longer, name, most_rows=4) == "The sheet has more than 4 rows. Divide it into several files."


def test_what_is_wrong_above_the_headers_does_no_harm():
    file = io.BytesIO()
    with xlsxwriter.Workbook(file) as book:
        sheet = book.add_worksheet()
        sheet.write_formula(0, 0, "=1+1", value=2)
        sheet.write_row(1, 0, HEADERS)
        sheet.write_row(2, 0, ["1"])

    incoming = read(file.getvalue())

    assert (incoming.header_row, incoming.problems) == (2, {})


# --- The sheet -----------------------------------------------------------------------------------


def test_a_cover_sheet_is_passed_over():
    data = workbook(封面=[["台账"], ["单位", "日期", "人"]], 台账=[["标题"], HEADERS, ["1"]], 说明=[HEADERS])

    incoming = read(data)

    assert (incoming.sheet, incoming.header_row) == ("台账", 2)
    assert incoming.sheets == ["封面", "台账", "说明"]


def test_without_known_names_the_first_sheet_with_any_content_is_read():
    data = workbook(空=[], 封面=[["台账"]], 台账=[["标题", "甲", "乙"]])

    assert [read(data, words=some).sheet for some in ((), WORDS)] == ["封面", "封面"]


def test_a_sheet_that_somebody_chose_is_read_if_it_is_shown():
    file = io.BytesIO()
    with xlsxwriter.Workbook(file) as book:
        for name in ("台账", "去年", "隐藏"):
            book.add_worksheet(name).write_row(0, 0, [name, *HEADERS])
        book.worksheets()[2].hide()  # pyright: ignore[reportAttributeAccessIssue]

    assert read(file.getvalue(), sheet="去年", title="台账").sheet == "去年"
    assert read(file.getvalue(), title="去年").sheet == "去年"
    assert read(file.getvalue()).sheets == ["台账", "去年"]
    for name in ("隐藏", "没有", " 去年"):
        assert refusal(file.getvalue(), sheet=name) == (
            f"The file has no sheet “{name}” that is shown. Choose another sheet."
        )


def test_a_sheet_that_cannot_be_read_is_not_passed_over_silently():
    file = io.BytesIO()
    with xlsxwriter.Workbook(file) as book:
        first, second = book.add_worksheet("台账"), book.add_worksheet("其他")
        first.write_array_formula(0, 0, 1, 0, "{=ROW(A1:A2)}")
        second.write_row(0, 0, ["甲", "乙", "丙"])

    assert refusal(file.getvalue()) == (
        "The cells A1:A2 share a formula. Paste them as values, and choose the file again."
    )


def test_csv_has_no_sheets():
    assert read(as_csv([HEADERS]), "a.csv", sheet="台账").sheets == []


# --- Merged cells --------------------------------------------------------------------------------


def merged(*places: str) -> bytes:
    file = io.BytesIO()
    with xlsxwriter.Workbook(file) as book:
        sheet = book.add_worksheet("台账")
        for number, row in enumerate([["强检器具台账"], HEADERS, *([str(row)] * 4 for row in range(9))]):
            sheet.write_row(number, 0, row)
        for place in places:
            sheet.merge_range(place, "器具名称" if "2" in place else "合并")
    return file.getvalue()


def test_a_merged_title_is_no_reason_to_refuse():
    assert read(merged("A1:H1")).header_row == 2


def test_all_merged_cells_are_named_at_once():
    rest = "Take them apart, write the names of the columns in one row and every value in its own cell, and choose the"
    rest += " file again."
    places = [f"A{row}:B{row}" for row in range(3, 10)]

    assert refusal(merged("A1:D1", "A2:B2", "C3:D3")) == f"The cells A2:B2, C3:D3 are merged. {rest}"
    assert refusal(merged("A1:D1", *places)) == (
        f"The cells A3:B3, A4:B4, A5:B5, A6:B6, A7:B7 and 2 more are merged. {rest}"
    )


# --- Hidden rows ---------------------------------------------------------------------------------


def with_rows(*attributes: str) -> bytes:
    """A sheet whose rows from the third on have these attributes; the first is a hidden title."""
    book = workbook(台账=[["台账"], HEADERS, *(["1", "压力表"] for _each in attributes)])
    written = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(book)) as old, zipfile.ZipFile(written, "w") as new:
        for name in old.namelist():
            part = old.read(name).decode()
            if name.endswith("sheet1.xml"):
                part = part.replace('<row r="1"', '<row r="1" hidden="1"')
                for row, attribute in enumerate(attributes, 3):
                    assert f'<row r="{row}"' in part
                    part = part.replace(f'<row r="{row}"', f'<row r="{row}" {attribute}')
            new.writestr(name, part)
    return written.getvalue()


def test_hidden_and_filtered_rows_are_known():
    hidden = (
        'hidden="1"',
        'hidden="true"',
        "hidden = '1'",
        f'hidden{" " * 20}="1"',
        'ht="0" customHeight="1"',
        'ht="0.0"',
        f'x="{"1" * 400}" hidden="1"',
    )
    shown = (
        'hidden="0"',
        'hidden="false"',
        'ht="15"',
        'ht="0.75"',
        'ht="10"',
        'customHeight="false"',
        f'x="{"1" * 400}"',
    )

    incoming = read(with_rows(*hidden, *shown))

    assert incoming.hidden == frozenset(range(3, 3 + len(hidden)))
    assert [values[:2] for _row, values in incoming.rows] == [["1", "压力表"]] * (len(hidden) + len(shown))


def test_rows_that_a_program_hides_where_nothing_stands_are_not_those_with_values():
    file = io.BytesIO()
    with xlsxwriter.Workbook(file) as book:
        sheet = book.add_worksheet()
        sheet.set_default_row(hide_unused_rows=True)
        for number, row in enumerate([HEADERS, ["1"], ["2"]]):
            sheet.write_row(number, 0, row)
        sheet.set_row(2, None, None, {"hidden": True})

    assert read(file.getvalue()).hidden == {3}


# --- Handed back ---------------------------------------------------------------------------------


def test_a_sheet_that_was_handed_back_can_be_sent_again():
    first = read(with_rows("", 'hidden="1"', 'hidden="1"', ""))
    file = io.BytesIO()
    spreadsheet.with_problems(first, {3: ["坏"], 5: ["也坏"]}, file)

    again = read(file.getvalue())

    assert (again.above, again.header_row, again.headers, again.rows) == (
        first.above, first.header_row, first.headers, first.rows,
    )  # fmt: skip
    assert first.hidden == {4, 5}
    # What is to be mended in a hidden row would otherwise be seen by nobody.
    assert again.hidden == {4}
    sheet: Any = openpyxl.load_workbook(file).worksheets[0]
    assert [cell.value for cell in sheet["A"]] == [None, "Problems found", "坏", None, "也坏", None]


# --- What is said of missing columns -------------------------------------------------------------

FIELDS = (Field("name", "器具名称", mandatory=True), Field("serial_no", "出厂编号", mandatory=True))


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        (["器具名称", "＊编 号", "型号"],
         "“台账” was taken for the names of the columns; not understood there: 编 号, 型号."),
        (["器具名称", None, None], "“台账” was taken for the names of the columns."),
        (["器具名称", *(f"列{number}" for number in range(12))],
         "“台账” was taken for the names of the columns; not understood there: "
         + ", ".join(f"列{number}" for number in range(10)) + "…."),
    ],
)  # fmt: skip
def test_missing_columns_are_told_with_the_row_that_was_taken_for_the_headers(headers, words):
    incoming = read(workbook(台账=[["标题"], headers, ["压力表"]]), header_row=2)

    with pytest.raises(Unreadable) as refused:
        spreadsheet.match(incoming, FIELDS)

    assert str(refused.value) == f"These columns are missing: 出厂编号. Row 2 of {words}"


def test_no_problem_names_a_column_with_its_star():
    file = io.BytesIO()
    with xlsxwriter.Workbook(file) as book:
        sheet = book.add_worksheet()
        sheet.write_row(0, 0, ["*器具名称", "＊ 出厂编号"])
        for column in range(2):
            sheet.write_formula(1, column, "=1+1", value=2)

    problems = read(file.getvalue()).problems[2]

    assert [text.split("”")[0] for text in problems.values()] == ["“器具名称", "“出厂编号"]


# --- The cases -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "sheet", "row", "first"),
    [
        ("17", "Sheet1", 3, "序号"),
        ("17b", "Sheet1", 3, "序号"),
        ("17c", "Sheet1", 1, "序号"),
        ("66", "强检台账", 1, "器具名称"),
    ],
)
def test_a_case_is_read_from_its_headers_on(name, sheet, row, first):
    incoming = read(
        case(name), words=("器具名称", "型号规格", "准确度等级", "出厂编号", "生产厂家", "器具产地", "器具用途")
    )

    assert (incoming.sheet, incoming.header_row, incoming.headers[0]) == (sheet, row, first)
    assert "压力表" in incoming.rows[0][1]
