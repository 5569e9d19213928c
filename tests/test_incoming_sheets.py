"""Sheets from outside: what is read of them, what is refused in which words, and that none of them fills the memory."""

import io
import os
import random
import struct
import subprocess
import sys
import zipfile
from datetime import date, datetime
from pathlib import Path
from typing import Any

import openpyxl
import pytest
import xlsxwriter
from flask import Flask
from flask_babel import Babel  # pyright: ignore[reportAttributeAccessIssue]  # not in its __all__
from openpyxl.worksheet.formula import ArrayFormula

from app import spreadsheet
from app.spreadsheet import Dependent, Field, Unreadable, cells, grids, plain_rows
from app.spreadsheet.cells import Formatted
from app.spreadsheet.rows import Grid

ROOT = Path(__file__).parent.parent
MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"

DAMAGED = "The file is damaged. Open it in Excel or WPS, save it anew as .xlsx, and choose it again."
TOO_BIG = (
    "The sheet is too big. Copy the filled rows into an empty template, without the formatted empty rows and columns"
    " around them, and choose that file."
)
MACROS = "The file holds macros. Save it as “Excel workbook (.xlsx)”, and choose that file."
PDF = "This is a PDF, not a sheet. Choose the sheet it was made of, or type the rows into the template."
PICTURE = "This is a picture, not a sheet. Type the rows into the template, and choose that file."
ARCHIVE = "This is an archive of files. Unpack it, and choose the sheet in it."
DOCUMENT = (
    "This is a text document (Word or WPS). Copy its table into the template in Excel or WPS, and choose that file."
)
PAGE = (
    "This is a web page under the name of a sheet, as some systems export it. Open it in Excel or WPS, choose “Save as”"
    " and “Excel workbook (.xlsx)”, and choose that file."
)
XML_SHEET = (
    "This is an XML spreadsheet of 2003. Open it in Excel or WPS, choose “Save as” and “Excel workbook (.xlsx)”, and"
    " choose that file."
)
BINARY = (
    "This is a binary workbook (.xlsb). In Excel choose “Save as” and “Excel workbook (.xlsx)”, and choose that file."
)
OPEN_DOCUMENT = (
    "This is an OpenDocument sheet (.ods). In LibreOffice choose “Save as” and “Excel 2007–365 (.xlsx)”, and choose"
    " that file."
)
NUMBERS = (
    "This is a document of Apple Numbers or Pages. In Numbers choose “File”, “Export to”, “Excel”, and choose that"
    " file."
)
WRONG_NAME = (
    "The file is a text under the name of a workbook. Open it in Excel or WPS, save it as .xlsx, and choose that file."
)
OTHER_KIND = "The file is of a kind that is not taken. Open it in Excel or WPS, save it as .xlsx, and choose that file."
ENCRYPTED = "The file is protected by a password. Remove the password, save it, and choose it again."
EMPTY = "The file is empty. Fill in the template, save it, and choose it again."
CHARACTERS = "The characters of the file cannot be read. Save the sheet as .xlsx, and choose that file."
FORMULA = "“{}” was calculated by a formula, and may be out of date: check it, and paste it as a value."
DIGITS = (
    "“{}” has more than 15 digits, of which Excel keeps no more: format the cell as text, and type all digits anew."
)

FIELDS = (
    Field("serial_no", "出厂编号", mandatory=True, note="铭牌上的编号", example="00123"),
    Field("category", "类别", mandatory=True, kind="choice", choices=("压力（表）", "水表")),
    Field("kind", "种别", kind="choice"),
    Field("bought_on", "购置日期", kind="date"),
    Field("range", "量程（MPa）", kind="number"),
)
KINDS = Dependent("kind", "category", {"压力（表）": ["精密", "一般", "氧气"], "水表": ["冷水", "热水"]})


@pytest.fixture(autouse=True)
def words():
    """Messages in English; no database, no pages."""
    app = Flask("sheets")
    Babel(app)
    with app.app_context():
        yield


# --- Sheets made here ----------------------------------------------------------------------------


def workbook(rows, *, options=None, **sheets) -> bytes:
    file = io.BytesIO()
    with xlsxwriter.Workbook(file, options or {}) as book:
        for name, contents in {"Sheet1": rows, **sheets}.items():
            sheet = book.add_worksheet(name)
            for number, row in enumerate(contents):
                sheet.write_row(number, 0, row)
    return file.getvalue()


def package(sheet: str | bytes, **other: str | bytes) -> bytes:
    """A workbook of hand-made XML; the other parts by their names without folder and ending."""
    parts = {
        "[Content_Types].xml": '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>',
        "_rels/.rels": f'<Relationships xmlns="{PACKAGE}"><Relationship Id="r1" Type="{OFFICE}/officeDocument"'
        ' Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{MAIN}" xmlns:r="{OFFICE}"><sheets><sheet name="表" sheetId="1"'
        ' r:id="r1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{PACKAGE}"><Relationship Id="r1"'
        f' Type="{OFFICE}/worksheet" Target="/xl/worksheets/sheet1.xml"/><Relationship Id="r2"'
        f' Type="{OFFICE}/sharedStrings" Target="sharedStrings.xml"/></Relationships>',
        "xl/sharedStrings.xml": other.pop("strings", f'<sst xmlns="{MAIN}"/>'),
        "xl/worksheets/sheet1.xml": sheet,
        **other,
    }
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return file.getvalue()


def sheet_xml(rows: str, after: str = "") -> str:
    return f'<worksheet xmlns="{MAIN}"><sheetData>{rows}</sheetData>{after}</worksheet>'


def text_cell(place: str, text: str) -> str:
    return f'<c r="{place}" t="inlineStr"><is><t>{text}</t></is></c>'


HEAD = f'<row r="1">{text_cell("A1", "编号")}</row>'
GOOD = sheet_xml(HEAD + '<row r="2"><c r="A2"><v>7</v></c></row>')


def read(data: bytes, filename="sheet.xlsx", **bounds) -> spreadsheet.Incoming:
    return spreadsheet.read(io.BytesIO(data), filename, **{"most_rows": 1000, **bounds})


def refusal(data: bytes, filename="sheet.xlsx", **bounds) -> str:
    with pytest.raises(Unreadable) as refused:
        read(data, filename, **bounds)
    return str(refused.value)


def table(incoming) -> list[Any]:
    return [incoming.headers, *(values for _row, values in incoming.rows)]


# --- What is read --------------------------------------------------------------------------------


def test_values_come_out_as_the_person_sees_them():
    file = io.BytesIO()
    with xlsxwriter.Workbook(file) as book:
        sheet = book.add_worksheet()
        codes = ("yyyy/m/d", "yyyy-mm-dd hh:mm", "00000")
        day, moment, zeros = (book.add_format({"num_format": code}) for code in codes)
        sheet.write_row(0, 0, ["编号", "日期", "时刻", "数", "是否", "文字", "补零", "空"])
        sheet.write_row(1, 0, [202300123])
        sheet.write_datetime(1, 1, datetime(2026, 1, 31), day)
        sheet.write_datetime(1, 2, datetime(2026, 1, 31, 8, 30), moment)
        sheet.write_number(1, 3, 0.1 + 0.2)
        sheet.write_boolean(1, 4, True)
        sheet.write_string(1, 5, "\u3000 西湖区\xa0\u200b")
        sheet.write_number(1, 6, 123, zeros)
        sheet.write_string(1, 7, " \u3000")

    assert table(read(file.getvalue()))[1] == [
        202300123, Formatted(date(2026, 1, 31), "yyyy/m/d"),
        Formatted(datetime(2026, 1, 31, 8, 30), "yyyy-mm-dd hh:mm"), 0.3, True, "西湖区",
        Formatted(123, "00000", "00123"), None,
    ]  # fmt: skip
    assert type(read(file.getvalue()).rows[0][1][0]) is int


@pytest.mark.parametrize("from_1904", [False, True])
def test_days_are_the_same_counted_from_1900_and_from_1904(from_1904):
    file = io.BytesIO()
    with xlsxwriter.Workbook(file, {"date_1904": from_1904}) as book:
        day = book.add_format({"num_format": 'yyyy"年"m"月"d"日"'})
        sheet = book.add_worksheet()
        sheet.write(0, 0, "日期")
        sheet.write_datetime(1, 0, datetime(2026, 1, 31), day)

    assert read(file.getvalue()).rows == [(2, [Formatted(date(2026, 1, 31), 'yyyy"年"m"月"d"日"')])]


def test_days_before_the_leap_day_that_never_was():
    days = "".join(f'<row r="{row}"><c r="A{row}" s="1"><v>{row - 1}</v></c></row>' for row in (2, 60, 62))
    styles = f'<styleSheet xmlns="{MAIN}"><cellXfs><xf numFmtId="0"/><xf numFmtId="14"/></cellXfs></styleSheet>'
    relations = (
        f'<Relationships xmlns="{PACKAGE}"><Relationship Id="r1" Type="{OFFICE}/worksheet"'
        f' Target="worksheets/sheet1.xml"/><Relationship Id="r3" Type="{OFFICE}/styles" Target="styles.xml"/>'
        "</Relationships>"
    )
    data = package(sheet_xml(HEAD + days), **{"xl/styles.xml": styles, "xl/_rels/workbook.xml.rels": relations})

    assert read(data).rows == [(2, [date(1900, 1, 1)]), (60, [date(1900, 2, 28)]), (62, [date(1900, 3, 1)])]


def test_rows_keep_their_numbers_and_empty_ones_are_left_out():
    data = workbook([[], ["编号", "名称"], [], ["1", "甲"], [], [None, "乙", "旁注"], []])

    incoming = read(data)

    assert incoming.header_row == 2
    assert incoming.headers == ["编号", "名称", ""]
    assert incoming.rows == [(4, ["1", "甲", None]), (6, [None, "乙", "旁注"])]


def test_rich_and_escaped_texts_are_whole_and_how_to_say_them_is_left_out():
    strings = (
        f'<sst xmlns="{MAIN}"><si><r><t>压</t></r><r><t xml:space="preserve">力&amp;表 </t></r><rPh><t>ya</t>'
        "</rPh></si>"
        "<si><t>一_x000D_\n二_x005F_x0041__x0000__xD83D_</t></si></sst>"
    )
    row = '<row r="2"><c r="A2" t="s"><v>0</v></c><c r="B2" t="s"><v>1</v></c></row>'

    assert read(package(sheet_xml(HEAD + row), strings=strings)).rows == [
        (2, ["压力&表", "一\r\n二_x0041__x0000__xD83D_"]),
    ]


def test_other_ways_to_write_the_same_workbook():
    """Prefixes, places left out, days in words, parts with a byte order mark: seen from programs other than Excel."""
    prefixed = (
        f'\ufeff<x:worksheet xmlns:x="{MAIN}"><x:sheetData><x:row><x:c t="inlineStr"><x:is><x:t>编号</x:t></x:is></x:c>'
        '<x:c t="str"><x:v>日期</x:v></x:c></x:row><x:row><x:c><x:v>1.5E2</x:v></x:c>'
        '<x:c t="d"><x:v>2026-01-31T00:00:00</x:v></x:c></x:row></x:sheetData></x:worksheet>'
    )

    assert table(read(package(prefixed))) == [["编号", "日期"], [150, date(2026, 1, 31)]]


def test_the_sheet_of_the_template_or_else_the_first_that_is_shown():
    file = io.BytesIO()
    with xlsxwriter.Workbook(file) as book:
        sheets = {name: book.add_worksheet(name) for name in ("隐藏", "说明", "器具")}
        for name, sheet in sheets.items():
            sheet.write_column(0, 0, ["列", name])
        sheets["说明"].activate()
        sheets["隐藏"].hide()

    assert [read(file.getvalue(), title=title).sheet for title in ("器具", "", "没有")] == ["器具", "说明", "说明"]


def test_no_sheet_is_shown():
    book = '<workbook xmlns:r="r"><sheets><sheet name="表" r:id="r1" state="veryHidden"/></sheets></workbook>'

    assert refusal(package(GOOD, **{"xl/workbook.xml": book})) == (
        "The file has no sheet that is shown. Show the sheet to read, save, and choose the file again."
    )


def test_fifty_thousand_rows_of_twenty_columns_in_little_memory(tmp_path):
    file = tmp_path / "big.xlsx"
    with xlsxwriter.Workbook(str(file), {"constant_memory": True}) as book:
        sheet = book.add_worksheet()
        sheet.write_row(0, 0, [f"列{column}" for column in range(20)])
        for row in range(1, 50_001):
            sheet.write_row(row, 0, [row, f"SN{row:06}", row / 4] + [f"文三路{row}号{column}" for column in range(17)])

    said, grown = apart(file, "len(i.rows), i.rows[0], i.rows[-1]", most_rows=50_000)

    def expected(row):
        number = row / 4
        first = [row, f"SN{row:06}", int(number) if number.is_integer() else number]
        return (row + 1, first + [f"文三路{row}号{column}" for column in range(17)])

    assert said == repr((50_000, expected(1), expected(50_000)))
    assert grown < 200


def test_one_row_too_many():
    data = workbook([["编号"], *([number] for number in range(11))])

    for sheet, name in ((data, "a.xlsx"), (b"no\n" + b"1\n" * 11, "a.csv")):
        assert len(read(sheet, name, most_rows=11).rows) == 11
        assert refusal(sheet, name, most_rows=10) == "The sheet has more than 10 rows. Divide it into several files."


# --- Rows found by pattern -----------------------------------------------------------------------


def cell(place: str, content: object, more: str = "") -> str:
    return f'<c r="{place}"{more}><v>{content}</v></c>'


STYLES = (
    f'<styleSheet xmlns="{MAIN}"><numFmts><numFmt numFmtId="170" formatCode="00000"/></numFmts>'
    '<cellXfs><xf numFmtId="0"/><xf numFmtId="14"/><xf numFmtId="170"/></cellXfs></styleSheet>'
)
STYLED = (
    f'<Relationships xmlns="{PACKAGE}"><Relationship Id="r1" Type="{OFFICE}/worksheet" Target="worksheets/sheet1.xml"/>'
    f'<Relationship Id="r2" Type="{OFFICE}/sharedStrings" Target="sharedStrings.xml"/>'
    f'<Relationship Id="r3" Type="{OFFICE}/styles" Target="styles.xml"/></Relationships>'
)
STRINGS = f'<sst xmlns="{MAIN}">{"".join(f"<si><t>文{number}</t></si>" for number in range(10))}</sst>'


def outcome(xml: str) -> Any:
    """What the code of the child makes of it, in this process: it is asked thousands of times."""
    parts = {"xl/styles.xml": STYLES, "xl/_rels/workbook.xml.rels": STYLED}
    return read_here(package(xml, strings=STRINGS, **parts))


def read_here(data: bytes) -> Any:
    try:
        return grids.grid(data, kind="xlsx", most_rows=1000, most_columns=200)
    except Unreadable as refused:
        return refused.args[0]


def parsed(xml: str) -> Any:
    """What the parser alone makes of it: before a comment no row is plain."""
    return outcome(xml.replace("<sheetData>", "<!-- --><sheetData>", 1))


@pytest.mark.parametrize(
    "row",
    [
        cell("A2", 7) + cell("B2", "0.30000000000000004") + cell("C2", "1.5E2") + cell("D2", "1e400"),
        cell("A2", 45000, ' s="1"')
        + cell("B2", 45000.5, ' s="1"')
        + cell("C2", 0, ' s="1"')
        + cell("D2", -1, ' s="1"'),
        cell("A2", 123, ' s="2"') + cell("B2", 1.5, ' s="2"') + cell("C2", 45000, ' s="9"'),
        cell("A2", 3, ' s="1" t="s"') + cell("C2", 9, ' t="s"') + '<c r="D2" s="1"/>' + cell("AA2", 1, ' t="s"'),
        cell("A2", 10, ' t="s"'),
        cell("A2", "１", ' t="s"'),
        cell("A2", 1, ' t="b"') + cell("B2", "#N/A", ' t="e"') + cell("C2", "2026-01-31", ' t="d"'),
        cell("A2", "=1+1", ' t="str"') + cell("B2", "_x0041_甲", ' t="str"') + cell("C2", "a&amp;b", ' t="str"'),
        cell("A2", "12345678901234567") + cell("B2", "1" * 400) + cell("C2", ""),
        text_cell("A2", "甲&lt;") + cell("B2", 2),
        '<c r="A2"><f>1+1</f><v>2</v></c>' + cell("B2", 3),
        cell("B2", 1) + cell("A2", 2),
        cell("A2", 1) + cell("A2", 2),
        cell("XFE2", 1),
        cell("A2", 1) + "<!-- " + cell("B2", 2) + " -->",
        cell("A2", "<![CDATA[7]]>"),
        "<c><v>5</v></c><c t='s'><v>5</v></c>",
        "",
    ],
)
def test_a_row_found_by_pattern_is_what_the_parser_reads(row):
    for rows in (
        f'<row r="2">{row}</row>',
        f'<row r="2" spans="1:4" ht="15">\n{row}</row>\n<row r="3">{cell("A3", 1)}</row>',
    ):
        xml = sheet_xml(HEAD + rows)
        assert outcome(xml) == parsed(xml)


@pytest.mark.parametrize(
    "rows",
    [
        f'<row r="3">{cell("A3", 1)}</row><row r="2">{cell("A2", 1)}</row>',
        f'<row r="3">{cell("A3", 1)}</row><row r="3">{cell("A3", 2)}</row>',
        f'<row r="2" s="1"/><row r="3">{cell("A3", 1)}</row>',
        f'<row>{cell("A2", 1)}</row><row r="5">{cell("A5", 1)}</row><row>{cell("A6", 1)}</row>',
        f'<!-- <row r="2">{cell("A2", 1)}</row> --><row r="3">{cell("A3", 1)}</row>',
        f'<row r="2"><row r="3">{cell("A3", 1)}</row></row>',
        f'<row r="2">{cell("A2", 1)}</row><row r="3">{cell("A3", 1)}',
        f'<row r="9999999">{cell("A2", 1)}</row>',
        "".join(f'<row r="{row}">{cell(f"A{row}", row)}{cell(f"B{row}", 3)}</row>' for row in range(2, 900)),
        "".join(
            f'<row r="{row}">{text_cell(f"A{row}", "甲" * (row % 97))}{cell(f"B{row}", 3)}</row>'
            for row in range(2, 900)
        ),
    ],
)
def test_rows_of_both_kinds_keep_their_order(rows):
    xml = sheet_xml(HEAD + rows, '<mergeCells><mergeCell ref="Z1:Z2"/></mergeCells>')

    assert outcome(xml) == parsed(xml)


def test_what_a_sheet_program_writes_is_found_by_pattern():
    file = io.BytesIO()
    with xlsxwriter.Workbook(file) as book:
        sheet = book.add_worksheet()
        for row in range(5000):
            sheet.write_row(row, 0, [f"甲{row}", row, row / 8, "", "末"])
    taken: list[Any] = []
    with zipfile.ZipFile(file) as archive:
        chunks = iter(archive.read("xl/worksheets/sheet1.xml").partition(b"zzz")[:1])
        left = b"".join(plain_rows.left_over(chunks, lambda row, cells: taken.append((row, len(cells)))))

    assert taken == [(row, 4) for row in range(1, 5001)]
    assert b"<c " not in left
    assert left.endswith(b"</worksheet>")


def test_a_sheet_that_is_changed_anywhere_is_read_as_the_parser_reads_it_if_it_does():
    dice = random.Random(1)
    rows = [cell("A2", 7) + cell("B2", 3, ' t="s"'), cell("A3", 45000, ' s="1"') + '<c r="B3" s="1"/>' + cell("C3", 1)]
    whole = sheet_xml(HEAD + "".join(f'<row r="{number}">{row}</row>' for number, row in enumerate(rows, 2)))
    pieces = [
        "<",
        ">",
        "/",
        '"',
        "&",
        "<!--",
        "-->",
        "</row>",
        "<row>",
        "</c>",
        "<v>",
        "</v>",
        " ",
        "7",
        "A",
        "s",
        "\x01",
    ]
    start, end = whole.index("<sheetData>") + 11, whole.index("</sheetData>")
    read_by_both = 0
    for _ in range(1500):
        place, length = dice.randrange(start, end), dice.choice((0, 0, 1, 4, 9))
        xml = whole[:place] + dice.choice(pieces) + whole[place + length :]
        by_parser = parsed(xml)
        if isinstance(by_parser, Grid):
            assert outcome(xml) == by_parser, xml
            read_by_both += 1

    assert read_by_both > 100


# --- CSV -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_csv_of_any_encoding_and_separator(encoding, separator):
    lines = ["编号", "名称"], ["00123", '"压力\n表"'], [], ["'=1+1", " 䶮㼆 "]
    data = "\r\n".join(separator.join(line) for line in lines).encode(encoding)

    incoming = read(data, "器具.CSV")

    assert incoming.headers == ["编号", "名称"]
    assert incoming.rows == [(2, ["00123", "压力\n表"]), (4, ["=1+1", "䶮㼆"])]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", EMPTY),
        (b"\r\n \r\n,,\r\n", EMPTY),
        (b"a,b\n1,\x00\n", CHARACTERS),
        (b"a,b\n\xff\xff\xff\n", CHARACTERS),
        ("编号\n1".encode("utf-16")[:-1], CHARACTERS),
        ("编号\0\n1".encode("utf-16"), CHARACTERS),
        (b'a,b\n1,2\n"open,3\n', "Row 3 cannot be divided into columns. Save the sheet as .xlsx, and choose that"
         " file."),
        (b"a\n" + b"," * 2_000_000, TOO_BIG),
        (b"a" * 32_001, "A cell holds more than 32000 characters. Shorten it, and choose the file again."),
        (b"a" + b"," * 200 + b"b", "There are values to the right of column 200. Delete them, or copy the columns you"
         " need into an empty template."),
    ],
)  # fmt: skip
def test_csv_that_cannot_be_read(data, words):
    assert refusal(data, "a.csv") == words


def test_numbers_that_excel_shortened_before_it_saved_csv():
    incoming = read("编号,备注\n2.02301E+16,1.5E+3\n3E+05,甲\n".encode(), "a.csv")

    assert incoming.problems == {2: {0: DIGITS.format("编号")}}


# --- Cells that cannot be believed ---------------------------------------------------------------


def test_formulas_errors_and_lost_digits_are_problems_of_their_cells():
    file = io.BytesIO()
    with xlsxwriter.Workbook(file) as book:
        sheet = book.add_worksheet()
        sheet.write_row(0, 0, ["编号", "数", "  "])
        sheet.write_number(1, 0, 12345678901234567)
        sheet.write_number(2, 0, 999999999999999)
        sheet.write_formula(2, 1, "=1+1", value=2)
        sheet.write_formula(3, 1, "=NA()", value="#N/A")  # pyright: ignore[reportCallIssue, reportArgumentType]
        sheet.write_number(3, 2, -1e15)
        sheet.write_formula(4, 1, '=IF(A5="","",1)', value="")  # pyright: ignore[reportCallIssue, reportArgumentType]

    incoming = read(file.getvalue())

    assert incoming.rows == [
        (2, ["12345678901234600", None, None]),
        (3, [999999999999999, 2, None]),
        (4, [None, "#N/A", "-1000000000000000"]),
    ]
    assert incoming.problems == {
        2: {0: DIGITS.format("编号")},
        3: {1: FORMULA.format("数")},
        4: {1: "“数” shows an error of the sheet: write the value itself.", 2: DIGITS.format("Column 3")},
    }


def test_a_formula_over_several_cells_is_refused():
    book = openpyxl.Workbook()
    sheet: Any = book.active
    sheet.append(["编号"])
    sheet["A2"] = ArrayFormula("A2:A4", "=ROW(A2:A4)")
    file = io.BytesIO()
    book.save(file)

    assert refusal(file.getvalue()) == (
        "The cells A2:A4 share a formula. Paste them as values, and choose the file again."
    )


def test_a_day_that_no_calendar_has():
    styles = f'<styleSheet xmlns="{MAIN}"><cellXfs><xf numFmtId="14"/></cellXfs></styleSheet>'
    relations = (
        f'<Relationships xmlns="{PACKAGE}"><Relationship Id="r1" Type="{OFFICE}/worksheet"'
        f' Target="worksheets/sheet1.xml"/><Relationship Id="r3" Type="{OFFICE}/styles" Target="styles.xml"/>'
        "</Relationships>"
    )
    data = package(
        sheet_xml(HEAD + '<row r="2"><c r="A2" s="0"><v>-3</v></c></row><row r="3"><c r="A3"><v>1e9</v></c></row>'),
        **{"xl/styles.xml": styles, "xl/_rels/workbook.xml.rels": relations},
    )

    incoming = read(data)

    assert incoming.rows == [(2, ["-3"]), (3, ["1000000000"])]
    assert incoming.problems == {row: {0: "“编号” is no date: write it like 2026-01-31."} for row in (2, 3)}


@pytest.mark.parametrize("cells", ["A1:B1", "A3:A4", "B2:D2"])
def test_merged_cells_are_refused_by_their_place(cells):
    file = io.BytesIO()
    with xlsxwriter.Workbook(file) as book:
        sheet = book.add_worksheet()
        for row in range(4):
            sheet.write_row(row, 0, [f"a{row}", f"b{row}"])
        sheet.merge_range(cells, "合并")

    assert refusal(file.getvalue()) == (
        f"The cells {cells} are merged. Take them apart, write the names of the columns in one row and every value in"
        " its own cell, and choose the file again."
    )


def test_merged_cells_beside_and_below_the_rows_do_no_harm():
    after = '<mergeCells><mergeCell ref="D1:E1"/><mergeCell ref="A9:B9"/></mergeCells>'

    assert read(package(GOOD.replace("</worksheet>", after + "</worksheet>"))).rows == [(2, [7])]


# --- Files that are none of ours -----------------------------------------------------------------


def with_entry(name: str, content: bytes = b"x") -> bytes:
    file = io.BytesIO(workbook([["编号"], ["1"]]))
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr(name, content)
    return file.getvalue()


def macro_enabled() -> bytes:
    kinds = (
        '<Types><Override PartName="/xl/workbook.xml"'
        ' ContentType="application/vnd.ms-excel.sheet.macroEnabled.main+xml"/></Types>'
    )
    return package(GOOD, **{"[Content_Types].xml": kinds})


def locked() -> bytes:
    data = bytearray(package(GOOD))
    data[data.index(b"PK\x01\x02") + 8] |= 1
    return bytes(data)


def archive_of(names: dict[str, str], method=zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in names.items():
            archive.writestr(name, content)
    return file.getvalue()


def named_twice() -> bytes:
    file = io.BytesIO(package(GOOD))
    with zipfile.ZipFile(file, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("xl/worksheets/sheet1.xml", GOOD.replace("<v>7</v>", "<v>8</v>"))
    return file.getvalue()


@pytest.mark.parametrize(
    ("data", "filename", "words"),
    [
        (with_entry("xl/vbaProject.bin"), "a.xlsx", MACROS),
        (with_entry("xl/macrosheets/sheet1.xml"), "a.xlsx", MACROS),
        (macro_enabled(), "a.xlsx", MACROS),
        (locked(), "a.xlsx", ENCRYPTED),
        (archive_of({"mimetype": "application/vnd.oasis.opendocument.spreadsheet"}), "a.ods", OPEN_DOCUMENT),
        (archive_of({"mimetype": "application/vnd.oasis.opendocument.text"}), "a.odt", DOCUMENT),
        (archive_of({"mimetype": "x" * 100_000}), "a.ods", OTHER_KIND),
        (with_entry("xl/workbook.bin"), "a.xlsb", BINARY),
        (archive_of({"[Content_Types].xml": "<Types/>", "word/document.xml": "<x/>"}), "a.xlsx", DOCUMENT),
        (archive_of({"Index/Document.iwa": "x"}), "a.numbers", NUMBERS),
        (archive_of({"a.xlsx": "x"}), "a.xlsx", ARCHIVE),
        (b"Rar!\x1a\x07\0x", "a.xlsx", ARCHIVE),
        (b"<table><tr><td>1</td></tr></table>", "a.xls", PAGE),
        (b"\xef\xbb\xbf\r\n<!DOCTYPE html><html></html>", "a.xls", PAGE),
        (b"MIME-Version: 1.0\r\nX-Document-Type: Workbook\r\n", "a.xls", PAGE),
        (b'<?xml version="1.0"?><Workbook xmlns="urn:schemas-microsoft-com:office:spreadsheet"/>', "a.xls", XML_SHEET),
        ("编号\t名称\r\n1\t表".encode("gb18030"), "a.xls", WRONG_NAME),
        (b"\0\1\2", "a.xls", DAMAGED),
        (b"{\\rtf1", "a.xls", DOCUMENT),
        (b"\x89PNG\r\n\x1a\n", "a.csv", PICTURE),
        (b"\xff\xd8\xff\xe0", "a.xlsx", PICTURE),
        (b"BM\x36\0\1\0\0\0\0\0", "a.xlsx", PICTURE),
        (b"\0\0\0\x18ftypheic", "a.xlsx", PICTURE),
        (b"%PDF-1.7", "a.pdf", PDF),
        (b"%PDF-1.7", "a.csv", PDF),
        (b"what is it", "a.dat", OTHER_KIND),
        (b"", "a.xlsx", EMPTY),
        (b"no archive", "a.xlsx", DAMAGED),
        (b"PK\x03\x04", "a.xlsx", DAMAGED),
        (package(GOOD)[:-200], "a.xlsx", DAMAGED),
        (package(GOOD)[200:], "a.xlsx", DAMAGED),
        (named_twice(), "a.xlsx", DAMAGED),
        (archive_of({"[Content_Types].xml": "<Types/>"}), "a.xlsx", DAMAGED),
        (archive_of({"[Content_Types].xml": "<Types/>", "a": "b"}, zipfile.ZIP_LZMA), "a.xlsx", DAMAGED),
        (package(GOOD[:-30]), "a.xlsx", DAMAGED),
        (package(sheet_xml('<row r="2"/><row r="1"/>')), "a.xlsx", DAMAGED),
        (package(sheet_xml(HEAD + '<row r="2"><c r="B2"><v>1</v></c><c r="A2"><v>1</v></c></row>')), "a.xlsx", DAMAGED),
        (package(sheet_xml("")), "a.xlsx", EMPTY),
        (workbook([]), "a.xlsx", EMPTY),
        (package(GOOD, **{"xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{PACKAGE}"/>'}), "a.docx", OTHER_KIND),
    ],
)  # fmt: skip
def test_what_is_no_sheet_for_us_is_refused_in_words(data, filename, words):
    assert refusal(data, filename) == words


def test_a_file_bigger_than_may_come_in_is_read_no_further():
    file = io.BytesIO(b"PK" + b"x" * 3_000_000)

    with pytest.raises(Unreadable, match=r"“a\.xlsx” is bigger than 1 MB"):
        spreadsheet.read(file, "a.xlsx", most_rows=10, most_bytes=1024 * 1024)

    assert file.tell() < 1.5 * 1024 * 1024


def test_names_in_the_archive_lead_nowhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    assert table(read(with_entry("../../outside.txt"))) == [["编号"], ["1"]]
    assert list(tmp_path.iterdir()) == []


def test_links_to_other_files_are_not_followed():
    relations = (
        f'<Relationships xmlns="{PACKAGE}"><Relationship Id="r1" Type="{OFFICE}/worksheet" TargetMode="External"'
        ' Target="file:///etc/passwd"/></Relationships>'
    )

    assert refusal(package(GOOD, **{"xl/_rels/workbook.xml.rels": relations})) == OTHER_KIND


def test_half_a_file_or_a_changed_byte_never_crashes():
    whole = workbook([["编号", "日期"], ["1", 2], ["3", 4.5]])
    for place in range(0, len(whole), 7):
        changed = bytearray(whole)
        changed[place] ^= 0x55
        for data in (bytes(changed), whole[:place]):
            assert read_here(data)  # either rows or the reason why not


# --- Bombs ---------------------------------------------------------------------------------------

APART = """
import resource, sys
from flask import Flask
from flask_babel import Babel  # pyright: ignore[reportAttributeAccessIssue]  # not in its __all__
from app import spreadsheet
app = Flask("sheets"); Babel(app)
with app.app_context():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        with open(sys.argv[1], "rb") as file:
            i = spreadsheet.read(file, sys.argv[1], most_rows=int(sys.argv[3]))
        print(repr(eval(sys.argv[2])))
    except spreadsheet.Unreadable as refused:
        print(refused)
    print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def apart(file: Path, wanted: str = "len(i.rows)", most_rows: int = 1000) -> tuple[str, int]:
    """What a process of its own says of the sheet, and by how many MB it grew."""
    done = subprocess.run(
        [sys.executable, "-c", APART, str(file), wanted, str(most_rows)],
        capture_output=True, text=True, check=True, timeout=120, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    said, grown = done.stdout.rsplit("\n", 2)[:2]
    return said, int(grown)


def bomb(path: Path, sheet, strings=(f'<sst xmlns="{MAIN}"/>',)) -> Path:
    """A workbook whose parts are written piece by piece."""
    with zipfile.ZipFile(io.BytesIO(package(GOOD))) as model, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        for name in model.namelist():
            pieces = {"xl/worksheets/sheet1.xml": sheet, "xl/sharedStrings.xml": strings}.get(name, [model.read(name)])
            with made.open(name, "w", force_zip64=True) as part:
                for piece in pieces:
                    part.write(piece.encode() if isinstance(piece, str) else piece)
    return path


def around(middle, head=HEAD):
    yield f'<worksheet xmlns="{MAIN}"><sheetData>{head}'
    yield from middle
    yield "</sheetData></worksheet>"


def repeated(piece: str, megabytes: int):
    times = 1024 * 1024 // len(piece)
    return (piece * times for _number in range(megabytes))


def styled_rows(rows: int, cells: str):
    for row in range(22, rows + 1):
        yield f'<row r="{row}" s="1" customFormat="1">' + cells.replace("#", str(row)) + "</row>"


TWENTY_ROWS = "".join(f'<row r="{row}"><c r="A{row}"><v>{row}</v></c></row>' for row in range(2, 22))


def test_a_million_formatted_empty_rows_are_not_there(tmp_path):
    file = bomb(tmp_path / "rows.xlsx", around(styled_rows(1_048_576, ""), HEAD + TWENTY_ROWS))

    said, grown = apart(file)

    assert said == "20"
    assert grown < 50


def test_one_cell_in_the_last_corner(tmp_path):
    far = '<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'
    file = bomb(tmp_path / "corner.xlsx", around([far], HEAD + TWENTY_ROWS))

    said, grown = apart(file)

    assert said.startswith("There are values to the right of column 200.")
    assert grown < 50


def test_one_cell_in_the_last_row_is_one_row(tmp_path):
    far = '<row r="1048576"><c r="A1048576"><v>1</v></c></row>'
    file = bomb(tmp_path / "last.xlsx", around([far], HEAD + TWENTY_ROWS))

    said, grown = apart(file, "len(i.rows), i.rows[-1]")

    assert said == "(21, (1048576, [1]))"
    assert grown < 50


BOMBS = {
    "cells without end": (lambda: around(repeated('<c s="1"/>', 300)), TOO_BIG),
    "cells in one row": (
        lambda: around(["<row>", *repeated("<c><v>1</v></c>", 250), "</row>"]),
        "There are values to the right of column 200. Delete them, or copy the columns you need into an empty"
        " template.",
    ),
    "rows without end": (
        lambda: around(repeated("<row><c><v>1</v></c></row>", 250)),
        "The sheet has more than 1000 rows. Divide it into several files.",
    ),
    "a text without end": (
        lambda: around(['<row r="2"><c r="A2" t="str"><v>', *repeated("x", 250), "</v></c></row>"]),
        "A cell holds more than 32000 characters. Shorten it, and choose the file again.",
    ),
    "a tag without end": (lambda: around(['<row r="2" s="', *repeated("1", 250), '"/>']), DAMAGED),
    "a comment without end": (lambda: around(["<!--", *repeated("x", 250), "-->"]), DAMAGED),
    "depth without end": (lambda: around(repeated("<c>", 250)), DAMAGED),
    "other depth without end": (lambda: around(repeated("<a>", 250)), DAMAGED),
    "names without end": (lambda: around(f"<n{number:x}/>" for number in range(300_000)), DAMAGED),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_in_little_memory(tmp_path, name):
    sheet, words = BOMBS[name]

    said, grown = apart(bomb(tmp_path / "bomb.xlsx", sheet()))

    assert said == words
    assert grown < 100


@pytest.mark.parametrize("piece", ["<si/>", "<si><t>xy</t></si>", "<si><t>" + "文" * 5000 + "😀</t></si>"])
def test_shared_strings_without_end_are_refused_in_bounded_memory(tmp_path, piece):
    strings = [f'<sst xmlns="{MAIN}">', *repeated(piece, 250), "</sst>"]

    said, grown = apart(bomb(tmp_path / "strings.xlsx", [GOOD], strings))

    assert said == TOO_BIG
    assert grown < 300


@pytest.mark.parametrize("declared", [100, 2_000_000_000])
def test_sizes_that_lie_change_nothing(tmp_path, declared):
    file = bomb(tmp_path / "lying.xlsx", around(repeated('<row><c s="1"/></row>', 300)))
    with zipfile.ZipFile(file) as archive:
        size = archive.getinfo("xl/worksheets/sheet1.xml").file_size
    file.write_bytes(file.read_bytes().replace(struct.pack("<L", size), struct.pack("<L", declared)))

    said, grown = apart(file)

    assert said == (DAMAGED if declared == 100 else TOO_BIG)
    assert grown < 100


def test_parts_without_end_are_counted_before_they_are_listed(tmp_path):
    file = tmp_path / "parts.xlsx"
    with zipfile.ZipFile(file, "w") as archive:
        for number in range(60_000):
            archive.writestr(str(number), b"")

    said, grown = apart(file)

    assert said == TOO_BIG
    assert grown < 50


def test_parts_nobody_needs_are_not_inflated(tmp_path):
    file = bomb(tmp_path / "media.xlsx", [GOOD])
    with zipfile.ZipFile(file, "a", zipfile.ZIP_DEFLATED) as archive, archive.open("xl/media/image1.png", "w") as part:
        for _number in range(500):
            part.write(b"\0" * 1024 * 1024)

    said, grown = apart(file)

    assert said == "1"
    assert grown < 50


LAUGHS = "".join(f'<!ENTITY l{number} "{f"&l{number - 1};" * 10}">' for number in range(1, 10))


@pytest.mark.parametrize(
    "part",
    ["xl/worksheets/sheet1.xml", "xl/workbook.xml", "xl/sharedStrings.xml", "[Content_Types].xml", "_rels/.rels"],
)
@pytest.mark.parametrize("entities", ['<!ENTITY l0 "ha">' + LAUGHS, '<!ENTITY l9 SYSTEM "file:///etc/hostname">'])
def test_entities_are_refused_wherever_they_are(part, entities):
    data = package(GOOD, **{part: f"<!DOCTYPE x [{entities}]><x>&l9;</x>"})

    assert refusal(data) == DAMAGED


# --- Columns and values --------------------------------------------------------------------------


def test_headers_in_another_order_with_blanks_stars_and_wide_forms():
    headers = ["备注", " 购置　日期", "量程(ＭＰａ) ", "*类别", "", "出厂\n编号*", "备注"]

    matched = spreadsheet.match(spreadsheet.Incoming("", 1, headers, [], {}), FIELDS)

    assert {column: field.name for column, field in matched.columns.items()} == {
        1: "bought_on", 2: "range", 3: "category", 5: "serial_no",
    }  # fmt: skip
    assert matched.unknown == ["备注", "备注"]


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        (["出厂编号", "类别", "＊出厂 编号"], "The column “出厂编号” is there twice. Delete one of them."),
        (["种别"], "These columns are missing: 出厂编号, 类别. Row 1 was taken for the names of the columns."),
    ],
)  # fmt: skip
def test_headers_that_do_not_do(headers, words):
    with pytest.raises(Unreadable) as refused:
        spreadsheet.match(spreadsheet.Incoming("", 1, headers, [], {}), FIELDS)

    assert str(refused.value) == words


def rows_of(data, filename="sheet.xlsx"):
    incoming = read(data, filename)
    return list(spreadsheet.taken(incoming, spreadsheet.match(incoming, FIELDS)))


def test_values_become_what_their_column_asks_for():
    data = workbook(
        [
            ["出厂编号", "类别", "购置日期", "量程（MPa）"],
            [202300123, "压力 (表)", "2026年1月31日", "1,234.50"],
            [1.5, "水表", 20260131, " １６ "],
            ["A-1", "水表", "2026/1/31 08:30", 16.0],
        ]
    )

    day = date(2026, 1, 31)
    assert rows_of(data) == [
        (2, {"serial_no": "202300123", "category": "压力（表）", "bought_on": day, "range": 1234.5}, []),
        (3, {"serial_no": "1.5", "category": "水表", "bought_on": day, "range": 16}, []),
        (4, {"serial_no": "A-1", "category": "水表", "bought_on": day, "range": 16}, []),
    ]


def test_values_that_do_not_do_are_named_all_at_once():
    data = workbook(
        [
            ["出厂编号", "类别", "购置日期", "量程（MPa）", "辅助"],
            ["", "电表", "2026-02-30", "十六", "=A1"],
            ["1", "水表", 1.5, True, "=A1"],
        ]
    )

    (_first, _none, first), (_second, some, second) = rows_of(data)

    assert first == [
        "“出厂编号” is missing.",
        "“类别” must be chosen from the list; “电表” is not on it.",
        "“购置日期” must be a date like 2026-01-31, not “2026-02-30”.",
        "“量程（MPa）” must be a number, not “十六”.",
    ]
    assert some == {"serial_no": "1", "category": "水表", "bought_on": None, "range": None}
    assert second == [
        "“购置日期” must be a date like 2026-01-31, not “1.5”.",
        "“量程（MPa）” must be a number, not “TRUE”.",
    ]


def test_a_formula_counts_only_in_a_column_that_is_taken():
    data = workbook([["出厂编号", "类别", "辅助"], ["=A1", "水表", "=A1"], ["1", "水表", "=A1"]])

    assert [problems for _row, _values, problems in rows_of(data)] == [[FORMULA.format("出厂编号")], []]


@pytest.mark.parametrize(
    "content",
    [
        '<c r="{}"><v>x</v></c>',
        '<c r="{}"><v>1e999</v></c>',
        '<c r="{}"><v>nan</v></c>',
        '<c r="{}" t="s"><v>99</v></c>',
        '<c r="{}" t="s"><v>-1</v></c>',
        '<c r="{}" t="b"><v>7</v></c>',
        '<c r="{}" t="d"><v>P1D</v></c>',
    ],
)
@pytest.mark.parametrize("before", ["", "<!-- -->"])
def test_an_unreadable_cell_affects_its_row_only_and_nothing_if_nobody_needs_its_column(content, before):
    heads = text_cell("A1", "出厂编号") + text_cell("B1", "类别") + text_cell("C1", "辅助")
    rows = [
        text_cell("A2", "1") + text_cell("B2", "水表") + content.format("C2"),
        content.format("A3") + text_cell("B3", "水表"),
        text_cell("A4", "3") + text_cell("B4", "水表"),
    ]
    xml = "".join(f'<row r="{number}">{row}</row>' for number, row in enumerate([heads, *rows], 1))

    found = rows_of(package(sheet_xml(xml).replace("<sheetData>", before + "<sheetData>")))

    assert [(row, problems) for row, _values, problems in found] == [
        (2, []),
        (3, ["“出厂编号” cannot be read: type the value anew."]),
        (4, []),
    ]


def test_a_time_and_a_duration_are_no_texts_and_no_days():
    file = io.BytesIO()
    with xlsxwriter.Workbook(file) as book:
        sheet = book.add_worksheet()
        sheet.write_row(0, 0, ["出厂编号", "类别", "购置日期"])
        for row, code in enumerate(("h:mm", "[h]:mm:ss", "mm:ss.0", "0.00E+00"), 1):
            look = book.add_format({"num_format": code})
            sheet.write_number(row, 0, 0.425, look)
            sheet.write_string(row, 1, "水表")
            sheet.write_number(row, 2, 0.425, look)

    became = "“出厂编号” has become a date or a time: format the cell as text, and type the value anew."
    not_sure = (
        "“出厂编号” is a number in a format whose display is not certain: format the cell as text, and type the value"
        " anew."
    )
    no_day = "“购置日期” must be a date like 2026-01-31, not “0.425”."
    assert [problems for _row, _values, problems in rows_of(file.getvalue())] == [
        [became, no_day], [became, no_day], [became, no_day], [not_sure, no_day],
    ]  # fmt: skip


def test_a_percentage_is_no_number_for_it_shows_another():
    file = io.BytesIO()
    with xlsxwriter.Workbook(file) as book:
        sheet = book.add_worksheet()
        sheet.write_row(0, 0, ["出厂编号", "类别", "量程（MPa）"])
        for row, code in enumerate(("0%", "0.0,", '0.0"MPa"', "[>1]0%"), 1):
            sheet.write_row(row, 0, [str(row), "水表"])
            sheet.write_number(row, 2, 0.5, book.add_format({"num_format": code}))

    (_row, _none, first), second, third, fourth = rows_of(file.getvalue())

    assert first == ["“量程（MPa）” must be a number, not “50%”."]
    assert [problems != [] for _row, _values, problems in (second, third, fourth)] == [True, False, True]
    assert third[1]["range"] == 0.5


@pytest.mark.parametrize("text", ["nan", "inf", "1_000", "1e999", "0x10", "", "--1", "9" * 16])
def test_what_is_no_number(text):
    assert cells.as_number(text) is None


# --- Templates -----------------------------------------------------------------------------------


def made(**more) -> Any:
    data = spreadsheet.template("计量器具", FIELDS, ["第一行不要改。"], lists=[KINDS], **more)
    return openpyxl.load_workbook(io.BytesIO(data))


def test_a_template_is_read_as_headers_only():
    data = spreadsheet.template("计量器具", FIELDS, [], lists=[KINDS])

    incoming = read(data, title="计量器具")

    assert (incoming.headers, incoming.rows) == (["*出厂编号", "*类别", "种别", "购置日期", "量程（MPa）"], [])
    assert len(spreadsheet.match(incoming, FIELDS).columns) == 5


def test_a_template_keeps_from_mistakes():
    book = made(rows=50_000)
    sheet, explanation, lists = book.worksheets

    assert [(sheet.title, sheet.sheet_state) for sheet in book.worksheets] == [
        ("计量器具", "visible"), ("How to fill in", "visible"), ("Lists", "hidden"),
    ]  # fmt: skip
    assert sheet.freeze_panes == "A2"
    assert sheet["A1"].comment.text == "铭牌上的编号"
    assert sheet["A1"].fill.fgColor.rgb != sheet["C1"].fill.fgColor.rgb
    assert [sheet.column_dimensions[column].number_format for column in "AD"] == ["@", "yyyy-mm-dd"]
    assert {str(rule.sqref): (rule.type, rule.formula1) for rule in sheet.data_validations.dataValidation} == {
        "B2:B50001": ("list", "choices_category"),
        "C2:C50001": ("list", "OFFSET(first_kind,INDEX(start_kind,MATCH($B2,on_kind,0)),0,"
                              "INDEX(count_kind,MATCH($B2,on_kind,0)),1)"),
        "D2:D50001": ("date", "1"),
        "E2:E50001": ("decimal", "-999999999999999"),
    }  # fmt: skip
    assert {name: found.attr_text for name, found in book.defined_names.items()} == {
        "choices_category": "'Lists'!$A$1:$A$2", "on_kind": "'Lists'!$B$1:$B$2", "start_kind": "'Lists'!$C$1:$C$2",
        "count_kind": "'Lists'!$D$1:$D$2", "first_kind": "'Lists'!$E$1:$E$1",
    }  # fmt: skip
    assert [[cell.value for cell in row] for row in lists.iter_rows()] == [
        ["压力（表）", "压力（表）", 0, 3, "精密"],
        ["水表", "水表", 3, 2, "一般"],
        [None, None, None, None, "氧气"],
        [None, None, None, None, "冷水"],
        [None, None, None, None, "热水"],
    ]
    told = [[cell.value for cell in row][:4] for row in explanation.iter_rows()]
    assert told[0][0] == "第一行不要改。"
    assert ["出厂编号", "Yes", "铭牌上的编号", "00123"] in told
    assert ["量程（MPa）", "No", "A number.", ""] in told


def test_a_list_of_any_length_and_choices_that_look_like_formulas():
    choices = ("=1+1", *(f"区划{number}" for number in range(3000)))
    data = spreadsheet.template("表", [Field("region", "区划", kind="choice", choices=choices)], [])
    lists: Any = openpyxl.load_workbook(io.BytesIO(data)).worksheets[-1]

    assert [cell.value for cell in lists["A"]] == list(choices)
    assert lists["A1"].data_type == "s"
    assert len(data) < 100_000


def test_a_sheet_with_locked_columns_is_protected_and_only_they_are_locked():
    fields = (Field("id", "编号", locked=True), Field("name", "名称"), Field("on", "日期", kind="date"))
    filled = [{"id": "7", "name": "甲", "on": date(2026, 1, 31)}, {"id": "8"}]
    data = spreadsheet.template("表", fields, [], rows=10, filled=filled)
    sheet: Any = openpyxl.load_workbook(io.BytesIO(data)).worksheets[0]

    assert (sheet.protection.sheet, sheet.protection.password, sheet.protection.formatColumns) == (True, None, False)
    assert [[cell.protection.locked for cell in row] for row in sheet["A2:C3"]] == [[True, False, False]] * 2
    assert [sheet.column_dimensions[column].protection.locked for column in "ABC"] == [True, False, False]
    assert [cell.value for cell in sheet[2]] == ["7", "甲", datetime(2026, 1, 31)]
    assert read(data, title="表").rows == [(2, ["7", "甲", date(2026, 1, 31)]), (3, ["8", None, None])]
    assert not made().worksheets[0].protection.sheet


# --- Handed back ---------------------------------------------------------------------------------


def handed_back(incoming, problems) -> bytes:
    file = io.BytesIO()
    spreadsheet.with_problems(incoming, problems, file)
    return file.getvalue()


VALUES = ["=1+1", "'=1+1", "''=1", "'", "'甲", "-", "+86", "@a", "00123", "一\n二", "_x0041_", 202300123456789, -1.25,
          True, date(2026, 1, 31), datetime(2026, 1, 31, 8, 30, 15), "#N/A", None, "末"]  # fmt: skip


def test_what_is_handed_back_reads_as_it_came_however_often():
    headers = [f"列{n}" for n in range(len(VALUES))]
    incoming = spreadsheet.Incoming("器具", 2, headers, [(4, VALUES), (9, VALUES)], {}, ["器具"])

    once = read(handed_back(incoming, {9: ["“列0”…"]}))
    twice = read(handed_back(once, {4: ["=1"]}))

    assert once == twice == incoming


def test_csv_is_handed_back_as_a_workbook():
    incoming = read("出厂编号,类别\n00123,-\n\n,水表\n".encode("gb18030"), "器具.csv")

    back = read(handed_back(incoming, {2: ["坏"]}))

    assert (back.sheet, back.headers, back.rows) == ("Sheet", incoming.headers, incoming.rows)
    assert back.rows == [(2, ["00123", "-"]), (4, [None, "水表"])]


def test_problems_stand_before_the_own_columns_in_colour():
    incoming = read(workbook([["编号", "自己的列", "编号"], ["=x", "甲", 3], ["2", None, 4]]))
    sheet: Any = openpyxl.load_workbook(
        io.BytesIO(handed_back(incoming, {2: ["“编号” is missing.", "第二条"], 77: ["没有这一行"]}))
    ).active

    assert [[cell.value for cell in row] for row in sheet.iter_rows()] == [
        ["Problems found", "编号", "自己的列", "编号"],
        ["“编号” is missing.\n第二条", "=0", "甲", 3],
        [None, "2", None, 4],
    ]
    coloured = [[cell.fill.fill_type == "solid" for cell in row] for row in sheet.iter_rows(min_row=2)]
    assert coloured == [[True] * 4, [False] * 4]
    assert sheet.auto_filter.ref is None


def test_more_problems_than_one_sees_at_once_are_filtered():
    incoming = read(workbook([["编号"], *([str(number)] for number in range(60))]))

    book = openpyxl.load_workbook(io.BytesIO(handed_back(incoming, {row: ["坏"] for row in range(2, 60)})))

    assert book.worksheets[0].auto_filter.ref == "A1:B61"


@pytest.mark.parametrize("text", ["=1", "+1", "-1", "@x", "\t=1", "'=1", "'", "''", "甲", "'甲"])
def test_neutralised_text_is_no_formula_and_comes_back(text):
    written = cells.neutralised(text)

    assert written[0] not in "=+-@\t\r\n"
    assert cells.cleaned(written) == text.strip()


def test_nothing_of_it_reaches_a_formula():
    incoming = read(workbook([["出厂编号"], ["甲"]], options={}))
    incoming.rows[0][1][0] = "=cmd|' /C calc'!A0"

    with zipfile.ZipFile(io.BytesIO(handed_back(incoming, {2: ["=1+1"]}))) as archive:
        sheet = archive.read("xl/worksheets/sheet1.xml").decode()

    assert "<f>" not in sheet
    assert "'=1+1" in sheet
    assert "'=cmd" in sheet
