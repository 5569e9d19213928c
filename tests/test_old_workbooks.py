"""Workbooks of Excel 97 to 2003 are read like those of today; what is no such workbook is refused in words."""

import io
import random
import struct
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
import xlsxwriter

from app import spreadsheet
from app.spreadsheet import grids, old_workbooks
from app.spreadsheet.cells import Formatted, as_text
from app.spreadsheet.rows import Grid
from tests.test_incoming_sheets import (
    DAMAGED,
    DOCUMENT,
    EMPTY,
    ENCRYPTED,
    MACROS,
    OTHER_KIND,
    TOO_BIG,
    apart,
    read,
    refusal,
    words,
)  # fmt: skip
from tests.test_other_programs import written

__all__ = ["words"]

BOUND_SHEET = 0x0085
BEGINNING = struct.pack("<HHHH", 0x0809, 16, 0x0600, 5)
TOO_OLD = "The file was saved by Excel 95 or an older program. Open it, save it as .xlsx, and choose that file."
SAMPLE = (Path(__file__).parent / "data" / "old-workbook.xls").read_bytes()


# --- The same sheet in both formats --------------------------------------------------------------


def book(**options: Any) -> bytes:
    """A workbook with all that the reader tells apart."""
    file = io.BytesIO()
    with xlsxwriter.Workbook(file, options) as made:
        made.add_worksheet("封面").write(0, 0, "台账")
        sheet: Any = made.add_worksheet("台账 2026")
        made.add_worksheet("隐藏").hide()
        codes = ("0.0%", '0.0"级"', "0.00", "yyyy/m/d", "yyyy-mm-dd hh:mm", "00000", "0.00E+00", "h:mm")
        percent, classed, decimals, day, moment, zeros, scientific, clock = (
            made.add_format({"num_format": code}) for code in codes
        )
        sheet.merge_range("A1:H1", "强检台账")
        sheet.write_row(1, 0, ["器具名称", "出厂编号", "型号规格", "数", "日期", "备注"])
        sheet.write_row(2, 0, ["压力表", "007", "YB-150", 1.6, "", "é±ß"])
        sheet.write(3, 1, 0.004, percent)
        sheet.write(3, 2, 1, classed)
        sheet.write(3, 3, 1.5, decimals)
        sheet.write_datetime(3, 4, datetime(2024, 2, 29), day)
        sheet.write_datetime(4, 4, datetime(2024, 2, 29, 8, 30), moment)
        sheet.write(4, 5, 0.4375, clock)
        sheet.write(5, 1, 123, zeros)
        sheet.write(5, 2, 12345.678, scientific)
        sheet.write_row(5, 3, [12345678901234567, -3, 0.1 + 0.2, True, 1e15, -0.01, 4e8, 1234567.89])
        sheet.write_formula(6, 0, "=1+1", value=2)
        sheet.write_formula(6, 2, "=NA()", value="#N/A")
        sheet.write_formula(6, 4, '=""', value="")
        sheet.write_formula(7, 4, '=""', value="")
        sheet.write_rich_string(8, 0, "压", made.add_format({"bold": True}), "力", "表")
        sheet.write_string(8, 1, "多\n行\u3000")
        sheet.write_string(8, 2, "😀" * 5000)
        sheet.write_blank(9, 3, None, day)
        sheet.set_row(8, None, None, {"hidden": True})
        sheet.set_row(10, 0)
        sheet.write(10, 0, "零高")
        for row in range(11, 400):
            # Long enough that texts go on in the next record, at any place within them.
            sheet.write_row(row, 0, [f"压力表{row}" * (row % 40), f"SN{row}" * (row % 61), f"é{row}" * (row % 53), row])
    return file.getvalue()


def plain(grid: Grid) -> Any:
    """A grid without the number formats, which LibreOffice spells in another way in each kind of file."""
    rows = [
        [
            (row, [(value.value, value.text) if isinstance(value, Formatted) else value for value in values])
            for row, values in rows
        ]
        for rows in (grid.above, grid.rows)
    ]
    return grid.name, rows, grid.marks, grid.hidden, grid.sheets, grid.merged


def grid(data: bytes, **how: Any) -> Grid:
    return grids.grid(data, kind="xls", most_rows=1000, most_columns=200, **how)


@pytest.fixture(scope="module")
def both(tmp_path_factory) -> dict[bool, tuple[bytes, bytes]]:
    """The workbook as LibreOffice saves it in both formats, counted from 1900 and from 1904."""
    made = {}
    for from_1904 in (False, True):
        folder = tmp_path_factory.mktemp("books")
        old = written(folder, "xls", book(date_1904=from_1904))
        made[from_1904] = (old, written(folder / "again", "xlsx", old, "xls"))
    return made


@pytest.mark.parametrize("from_1904", [False, True])
def test_a_sheet_is_the_same_in_both_formats(both, from_1904):
    old, new = both[from_1904]
    words = {"器具名称", "出厂编号", "型号规格"}

    first, second = grid(old, words=words), grid(new, words=words)

    assert plain(first) == plain(second)
    assert (first.name, first.sheets, first.hidden) == ("台账 2026", ["封面", "台账 2026"], {9, 11})
    assert first.above == [(1, ["强检台账"])]
    values = dict(first.rows)
    assert [as_text(value) for value in values[4]] == ["", "0.4%", "1.0级", "1.50", "2024-02-29"]
    assert values[6][3:10] == ["12345678901234600", -3, 0.3, True, "1000000000000000", -0.01, 400000000]
    assert first.marks[7] == {0: "formula", 2: "error", 4: "formula"}
    assert 8 not in first.marks
    assert values[9] == ["压力表", "多\n行", "😀" * 5000]
    assert values[399][:3] == ["压力表398" * 38, "SN398" * 32, "é398" * 27]


def test_a_sheet_is_chosen_in_both_formats(both):
    for data in both[False]:
        assert grid(data, sheet="封面").rows == [(1, ["台账"])]
        assert grid(data).name == "封面"
        assert refusal(data, "a.xls", sheet="隐藏").startswith("The file has no sheet “隐藏” that is shown.")


def test_merged_cells_are_refused_in_both_formats(both):
    told = {refusal(data, "a.xls", sheet="台账 2026", header_row=1) for data in both[False]}

    assert len(told) == 1
    assert told.pop().startswith("The cells A1:H1 are merged.")


def test_one_row_too_many(both):
    old, _new = both[False]
    assert refusal(old, "a.xls", sheet="台账 2026", header_row=2, most_rows=200) == (
        "The sheet has more than 200 rows. Divide it into several files."
    )
    assert refusal(old, "a.xls", sheet="台账 2026", most_columns=4, header_row=2).startswith(
        "There are values to the right of column 4."
    )


# --- A file made once, and what can be wrong with it ---------------------------------------------


def test_an_old_workbook_is_read_whatever_its_name():
    for name in ("台账.xls", "台账.XLSX", "台账.et"):
        incoming = read(SAMPLE, name, title="台账")

        assert incoming.headers == ["器具名称", "出厂编号", "数", "日期"]
        assert incoming.rows == [
            (2, ["压力表", "007", 1.6, Formatted(date(2026, 1, 31), "yyyy\\-mm\\-dd")]),
            (3, ["水表", "008", 3, None]),
        ]
        assert incoming.problems == {
            3: {2: "“数” was calculated by a formula, and may be out of date: check it, and paste it as a value."}
        }


def renamed(old: str, new: str) -> bytes:
    """The file with another name of one of its streams."""
    before = old.encode("utf-16-le").ljust(64, b"\0") + struct.pack("<H", 2 * len(old) + 2)
    after = new.encode("utf-16-le").ljust(64, b"\0") + struct.pack("<H", 2 * len(new) + 2)
    assert SAMPLE.count(before) == 1
    return SAMPLE.replace(before, after)


def with_record(number: int, record: bytes) -> bytes:
    """The file in which the first record of a kind of the workbook is another one."""
    at = SAMPLE.index(BEGINNING)
    while struct.unpack_from("<H", SAMPLE, at)[0] != number:
        at += 4 + struct.unpack_from("<H", SAMPLE, at + 2)[0]
    return SAMPLE[:at] + record + SAMPLE[at + len(record) :]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (renamed("Workbook", "EncryptedPackage"), ENCRYPTED),
        (with_record(0x0042, struct.pack("<H", 0x002F)), ENCRYPTED),
        (renamed("\x05SummaryInformation", "_VBA_PROJECT_CUR"), MACROS),
        (with_record(BOUND_SHEET, struct.pack("<HHIBB", BOUND_SHEET, 12, 0, 0, 1)), MACROS),
        (renamed("Workbook", "Book"), TOO_OLD),
        (SAMPLE.replace(BEGINNING, struct.pack("<HHHH", 0x0809, 16, 0x0500, 5)), TOO_OLD),
        (renamed("Workbook", "WordDocument"), DOCUMENT),
        (renamed("Workbook", "PowerPoint Document"), OTHER_KIND),
        (with_record(BOUND_SHEET, struct.pack("<HHI", BOUND_SHEET, 12, 0xFFFFFFF0)), DAMAGED),
        (SAMPLE[:512], DAMAGED),
        (SAMPLE[:600], DAMAGED),
        (SAMPLE[: len(SAMPLE) // 2], DAMAGED),
        (SAMPLE[:8] + b"\0" * 4000, DAMAGED),
    ],
)  # fmt: skip
def test_what_is_no_old_workbook_for_us_is_refused_in_words(data, said):
    assert refusal(data, "a.xls") == said


def test_an_empty_old_workbook(tmp_path):
    empty = io.BytesIO()
    with xlsxwriter.Workbook(empty) as made:
        made.add_worksheet()

    assert refusal(written(tmp_path, "xls", empty.getvalue()), "a.xls") == EMPTY


def read_here(data: bytes) -> Any:
    try:
        return grid(data, title="台账")
    except spreadsheet.Unreadable as refused:
        return refused.args[0]


def test_half_an_old_workbook_or_a_changed_byte_never_crashes():
    dice = random.Random(1)
    for place in range(0, len(SAMPLE), 5):
        changed = bytearray(SAMPLE)
        changed[place] = dice.choice((0, 1, 0x7F, 0xFF, changed[place] ^ 0x55))
        for data in (bytes(changed), SAMPLE[:place]):
            assert read_here(data)  # either rows or the reason why not


# --- Bombs ---------------------------------------------------------------------------------------


def compound(stream: bytes) -> bytes:
    """A compound file of one stream, which is the workbook."""
    sectors = max(-(-len(stream) // 512), 8)
    stream = stream.ljust(sectors * 512, b"\0")
    tables = -(-(sectors + 1 + sectors // 100 + 2) // 128)
    table = [*([0xFFFFFFFD] * tables), 0xFFFFFFFE, *range(tables + 2, tables + 1 + sectors), 0xFFFFFFFE]
    table += [0xFFFFFFFF] * (tables * 128 - len(table))
    assert tables <= 109, "the header lists no more tables"
    header = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 16
    header += struct.pack(
        "<HHHHH10xIIIIIIII", 0x3E, 3, 0xFFFE, 9, 6, tables, tables, 0, 4096, 0xFFFFFFFE, 0, 0xFFFFFFFE, 0
    )
    header += struct.pack("<109I", *(list(range(tables)) + [0xFFFFFFFF] * (109 - tables)))

    def entry(name: str, kind: int, start: int, size: int) -> bytes:
        text = name.encode("utf-16-le")
        return struct.pack("<64sHBB12x16x4x16xII4x", text, len(text) + 2, kind, 1, start, size)

    directory = entry("Root Entry", 5, 0xFFFFFFFE, 0) + entry("Workbook", 2, tables + 1, len(stream))
    return header + struct.pack(f"<{len(table)}I", *table) + directory.ljust(512, b"\0") + stream


def record(number: int, content: bytes = b"") -> bytes:
    return struct.pack("<HH", number, len(content)) + content


def workbook(cells: bytes, shared: bytes = b"") -> bytes:
    """A workbook of hand-made records."""
    bof = {kind: record(0x0809, struct.pack("<HH12x", 0x0600, kind)) for kind in (5, 0x10)}
    name = "表".encode("utf-16-le")
    length = len(bof[5]) + len(shared) + 4 + 8 + len(name) + 4
    sheet = record(BOUND_SHEET, struct.pack("<IBBBB", length, 0, 0, 1, 1) + name)
    return compound(bof[5] + shared + sheet + record(0x0A) + bof[0x10] + cells + record(0x0A))


def number(row: int, column: int, value: float = 7) -> bytes:
    return record(0x0203, struct.pack("<HHHd", row, column, 0, value))


def test_records_of_our_own_are_read():
    assert read(workbook(number(0, 0) + number(2, 1, 1.5)), "a.xls").rows == [(3, [None, 1.5])]


def test_cells_out_of_their_order_are_put_in_order():
    assert read(workbook(number(2, 1, 3) + number(0, 0, 1) + number(2, 0, 2)), "a.xls").rows == [(3, [2, 3])]
    assert refusal(workbook(number(0, 0) + number(0, 0)), "a.xls") == DAMAGED


def test_charts_within_a_sheet_are_left_out():
    chart = record(0x0809, struct.pack("<HH12x", 0x0600, 0x20)) + number(5, 5) + record(0x0A)

    assert read(workbook(number(0, 0) + chart + number(1, 0, 8)), "a.xls").rows == [(2, [8])]


def formula(column: int, result: bytes) -> bytes:
    return record(0x06, struct.pack("<HHH", 1, column, 0) + result + b"\0" * 6 + b"\3\0\x1e\1\0")


def test_whatever_a_formula_gives_is_a_problem_of_its_cell():
    """LibreOffice writes texts of formulas otherwise; Excel writes them like this."""
    head = b"".join(number(0, column, column) for column in range(6))
    text = "甲" * 6000
    half = text.encode("utf-16-le")[:8000]
    cells = [
        formula(0, struct.pack("<d", 2.5)),
        formula(1, b"\0" * 6 + b"\xff\xff")
        + record(0x0207, struct.pack("<HB", len(text), 1) + half)
        + record(0x3C, b"\1" + text.encode("utf-16-le")[8000:]),
        formula(2, b"\1\0\1\0\0\0\xff\xff"),
        formula(3, b"\2\0\x07\0\0\0\xff\xff"),
        formula(4, b"\3\0\0\0\0\0\xff\xff"),
        record(0x0207, struct.pack("<HB", 1, 0) + b"x"),  # belongs to no formula
    ]

    got = grid(workbook(head + b"".join(cells)))

    assert got.rows[1] == (2, [2.5, text, True, "#DIV/0!"])
    assert got.marks == {2: {0: "formula", 1: "formula", 2: "formula", 3: "error", 4: "formula"}}


def test_other_cells_of_excel_are_read():
    """A text within its cell, a rich one, a truth, an error, several packed numbers at once, merged cells."""
    place = [struct.pack("<HHH", 1, column, 0) for column in range(7)]
    packed = struct.pack("<HI", 0, (7 << 2) | 2) + struct.pack("<HI", 0, 0x3FF80000)
    cells = [
        *(number(0, column, column) for column in range(7)),
        record(0x0204, place[0] + struct.pack("<HB", 2, 0) + b"\xe9b"),
        record(0x00D6, place[1] + struct.pack("<HB", 1, 1) + "甲".encode("utf-16-le") + struct.pack("<HHH", 1, 0, 0)),
        record(0x0205, place[2] + b"\1\0"),
        record(0x0205, place[3] + b"\x2a\1"),
        record(0x00BD, place[4][:4] + packed + struct.pack("<H", 5)),
        record(0x0208, struct.pack("<HHHHHHI", 1, 0, 7, 0x8000, 0, 0, 0x100)),
        record(0x00E5, struct.pack("<HHHHH", 1, 4, 5, 26, 27)),
    ]

    got = grid(workbook(b"".join(cells)))

    assert got.rows[1] == (2, ["éb", "甲", True, "#N/A", 7, 1.5])
    assert (got.marks, got.hidden, got.merged) == ({2: {3: "error"}}, set(), ["AA5:AB6"])


def test_a_text_that_is_not_there_is_a_problem_of_its_cell():
    shared = record(0xFC, struct.pack("<II", 1, 1) + struct.pack("<HB", 2, 0) + b"ab")
    cells = record(0xFD, struct.pack("<HHHI", 0, 0, 0, 0)) + record(0xFD, struct.pack("<HHHI", 1, 0, 0, 9))

    incoming = read(workbook(cells, shared), "a.xls")

    assert (incoming.headers, incoming.problems) == (["ab"], {2: {0: "“ab” cannot be read: type the value anew."}})


BOMBS = {
    "texts that are not there": (
        lambda: workbook(number(0, 0), record(0xFC, struct.pack("<II", 0, 1_400_000))), DAMAGED,
    ),
    "texts without end": (lambda: workbook(number(0, 0), record(0xFC, struct.pack("<II", 0, 0xFFFFFFFF))), TOO_BIG),
    "rows without end": (
        lambda: workbook(b"".join(number(row, 0) for row in range(65_536))),
        "The sheet has more than 1000 rows. Divide it into several files.",
    ),
    "rows as wide as can be": (
        lambda: workbook(b"".join(number(row, 255) for row in range(65_536))),
        "There are values to the right of column 200. Delete them, or copy the columns you need into an empty"
        " template.",
    ),
    "formats without end": (
        lambda: workbook(
            number(0, 0), b"".join(record(0x041E, struct.pack("<HHB", key, 1, 0) + b"0") for key in range(60_000))
        ),
        DAMAGED,
    ),
    "a format without end": (
        lambda: workbook(number(0, 0), record(0x041E, struct.pack("<HHB", 200, 8000, 0) + b"[" * 8000)), DAMAGED,
    ),
    "styles without end": (lambda: workbook(number(0, 0), record(0xE0, b"\0" * 20) * 70_000), DAMAGED),
    "depth without end": (lambda: workbook(record(0x0809, struct.pack("<HH12x", 0x0600, 0x10)) * 100_000), DAMAGED),
    "empty records without end": (lambda: workbook(number(0, 0) + record(0x1234) * 900_000), None),
}  # fmt: skip


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_in_little_memory(tmp_path, name):
    made, expected = BOMBS[name]
    file = tmp_path / "bomb.xls"
    file.write_bytes(made())

    said, grown = apart(file)

    assert said == (expected or "0")
    assert grown < 100


def test_sectors_that_go_round_in_a_circle_are_refused():
    data = bytearray(workbook(number(0, 0)))
    table = data.index(struct.pack("<III", 3, 4, 5))
    struct.pack_into("<I", data, table + 8, 3)

    assert refusal(bytes(data), "a.xls") == DAMAGED


def test_packed_numbers():
    packed = {
        0x3FF00000: 1.0,
        0x3FF00001: 0.01,
        (5 << 2) | 2: 5.0,
        (5 << 2) | 3: 0.05,
        0xFFFFFFFE: -1.0,
        0x80000002: -(2.0**29),
    }

    assert {each: old_workbooks._unpacked(each) for each in packed} == packed
