"""Exports opened again: the list's columns and words, numbers as numbers, formulas as text, all or only the ticked."""

import csv
import io
from datetime import UTC, datetime
from typing import Any

import openpyxl
import pytest

from app.states import RETURNED, UNASSIGNED
from tests.factories import appointment, authority, instrument, task

FORMULAS = ["=1+1", "+86", "-5", "@SUM(A1)", "\t=1", "\r=1", "=cmd|' /C calc'!A0"]


@pytest.fixture
def officer(sign_in, rows):
    return sign_in("AssignmentOfficer", authority("330106"))


def opened(answer, kind) -> Any:
    if kind == "csv":
        return list(csv.reader(io.StringIO(answer.data.decode("utf-8-sig"), newline="")))
    sheet: Any = openpyxl.load_workbook(io.BytesIO(answer.data)).active
    return [[cell.value for cell in row] for row in sheet.iter_rows()]


def export(officer, kind, **fields):
    answer = officer.post("/assignments/export", {"format": kind, **fields})
    assert answer.status_code == 200
    return opened(answer, kind)


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_a_sheet_has_the_columns_and_words_of_the_list(officer, kind):
    order = appointment(applied_at=datetime(2026, 1, 31, 16, 30, tzinfo=UTC), applicant="西湖区人民医院", no="YY1")
    task(RETURNED, order=order, what=instrument(name="电子血压计"))

    head, row = export(officer, kind)

    assert head == ["状态", "预约编号", "器具名称", "项别", "种别", "型号规格", "出厂编号", "申请单位", "使用地点",
                    "预约申请时间", "送检方式", "等待天数"]  # fmt: skip
    assert row[:6] == ["退回", "YY1", "电子血压计", "水表", "水表", "LXS-20E"]
    applied = {"csv": "2026-02-01 00:30", "xlsx": datetime(2026, 2, 1, 0, 30)}[kind]
    assert row[7:11] == ["西湖区人民医院", "文三路100号", applied, "送检"]
    assert float(row[11]) >= 0


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
@pytest.mark.parametrize("text", FORMULAS)
def test_what_looks_like_a_formula_is_text(officer, kind, text):
    task(UNASSIGNED, what=instrument(name=text))

    cell = export(officer, kind)[1][2]

    assert cell is not None
    assert cell.replace("_x000D_", "\r") == ("'" if kind == "csv" else "") + text


def test_no_cell_of_a_workbook_is_a_formula(officer):
    for text in FORMULAS:
        task(UNASSIGNED, what=instrument(name=text))

    book = openpyxl.load_workbook(io.BytesIO(officer.post("/assignments/export", {"format": "xlsx"}).data))

    sheet: Any = book.active
    assert {cell.data_type for row in sheet.iter_rows() for cell in row} <= {"s", "n", "d", "inlineStr"}


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
@pytest.mark.parametrize("text", ['"', "a,b", "多\n行", "😀", "'", "x" * 100])
def test_every_other_text_comes_through(officer, kind, text):
    task(UNASSIGNED, what=instrument(name=text))

    assert export(officer, kind)[1][2] == text


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_ticked_rows_or_all_that_match(officer, kind):
    one, two, three = task(UNASSIGNED), task(RETURNED), task(UNASSIGNED)
    task(UNASSIGNED, "330105")

    ticked = export(officer, kind, selection="ids", id=[one.id, two.id])
    matching = export(officer, kind, selection="all", filter="state=unassigned")
    everything = export(officer, kind)

    assert [len(rows) - 1 for rows in (ticked, matching, everything)] == [2, 2, 3]
    assert three.id


@pytest.mark.parametrize("fields", [{"format": "pdf"}, {}, {"format": "csv", "id": "x"}])
def test_what_is_no_export(officer, fields):
    assert officer.post("/assignments/export", fields).status_code == 400


def test_an_export_follows_the_chosen_columns(officer):
    task(UNASSIGNED)
    officer.post("/assignments/columns", {"column": ["manufacturer"]})

    assert export(officer, "csv")[0] == ["状态", "器具名称", "生产厂家"]


def test_english_words_in_an_english_sheet(officer):
    task(RETURNED)
    officer.get("/session/language/en")

    assert [row[0] for row in export(officer, "xlsx")] == ["State", "Returned"]
