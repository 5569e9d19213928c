"""批量录入表: taken, filled in and sent back; whole or not at all, with every problem beside its row."""

import re
from io import BytesIO
from typing import Any

import openpyxl
import pytest
from sqlalchemy import func, select

from app.domain import holidays
from app.models import Result, db
from app.states import EXPIRED, TO_CHECK, VERIFYING
from tests.factories import (
    BLOOD_PRESSURE,
    able_institution,
    appointment,
    capability,
    institution,
    instrument,
    measurement_standard,
    staff_member,
    states,
    task,
    using_unit,
)
from tests.test_sheets_as_shown import columns_with_dates

TODAY = holidays.today()


@pytest.fixture
def lab(rows):
    return able_institution(standard={"certificate_no": "浙量标1号"})


@pytest.fixture
def verifier(sign_in, lab):
    person = sign_in("InstitutionVerifier", lab)
    staff_member(lab, "王检定", account_id=person.account.id)
    db.session.flush()
    return person


@pytest.fixture
def meters(lab):
    unit, order = using_unit(), None
    order = appointment(unit=unit)
    what = [instrument(unit=unit, serial_no=f"M{n}") for n in range(4)]
    return [task(VERIFYING, to=lab, unit=unit, order=order, what=each) for each in what]


def taken(person, tasks):
    """The sheet as it is downloaded."""
    answer = person.act("results", "take_sheet", [each.id for each in tasks])
    assert answer.status_code == 204, answer.text
    url = re.findall(r'"url": "([^"]+)"', answer.headers["HX-Trigger"])[0]
    return openpyxl.load_workbook(BytesIO(person.get(url).data))


def columns(book):
    return {cell.value.strip("*"): cell.column for cell in book.worksheets[0][1]}


def fill(book, row, **cells):
    for name, value in cells.items():
        book.worksheets[0].cell(row, columns(book)[name]).value = value


def conclude(book, *conclusions):
    for row, conclusion in enumerate(conclusions, 2):
        fill(book, row, 检定结论=conclusion)
    return book


def send(person, book):
    file = BytesIO()
    book.save(file)
    file.seek(0)
    fields = {"file": (file, "结果.xlsx")}
    return person.post("/results/act/record_sheet", fields, headers={"HX-Request": "true"})


def result_of(one) -> Any:
    return db.session.scalar(select(Result).where(Result.task_id == one.id))


def test_the_sheet_holds_the_tasks_and_what_is_usual(verifier, lab, meters):
    done = task(TO_CHECK, to=lab)
    foreign = task(VERIFYING)

    sheet: Any = taken(verifier, [*meters, done, foreign]).worksheets[0]

    rows = [[cell.value for cell in row] for row in sheet.iter_rows(min_row=2, max_row=sheet.max_row)]
    assert [row[0] for row in rows if row[0]] == [str(each.id) for each in meters]
    first = dict(zip([cell.value.strip("*") for cell in sheet[1]], rows[0], strict=True))
    assert (first["出厂编号"], first["检定结论"], first["检定员"]) == ("M0", None, "王检定")
    assert (first["检定依据"], first["所用计量标准"], first["检定类别"]) == ("JJG 162", "浙量标1号", "后续检定")
    assert first["检定日期"].date() == TODAY
    assert len(sheet.data_validations.dataValidation) >= 4


def test_each_row_names_the_standards_and_the_regulation_of_its_own_kind(verifier, lab):
    foreign = measurement_standard(institution(name="别所"), certificate_no="别标1号")
    for_pressure = measurement_standard(lab, certificate_no="浙量标2号")
    for_thermometers = [measurement_standard(lab, certificate_no=f"浙量标{number}号") for number in (3, 4)]
    capability(lab, of=BLOOD_PRESSURE, standard_id=for_pressure.id, regulation="JJG 692")
    for each, regulation in zip(for_thermometers, ("JJG 111", "JJG 1162"), strict=True):
        capability(lab, of="体温计", standard_id=each.id, regulation=regulation)
    capability(lab, of="轨道衡", standard_id=foreign.id, state=EXPIRED, regulation="JJG 234")
    unit = using_unit()
    order = appointment(unit=unit)
    kinds = [BLOOD_PRESSURE, "水表", "体温计", "轨道衡", BLOOD_PRESSURE, "动态汽车衡（车辆总重计量）"]
    tasks = [task(VERIFYING, to=lab, unit=unit, order=order, what=instrument(unit=unit, of=of)) for of in kinds]

    sheet: Any = taken(verifier, tasks).worksheets[0]

    named = {cell.value.strip("*"): cell.column - 1 for cell in sheet[1]}
    rows = [[cell.value for cell in row] for row in sheet.iter_rows(min_row=2, max_row=7)]
    assert [(row[named["检定依据"]], row[named["所用计量标准"]]) for row in rows] == [
        ("JJG 692", "浙量标2号"), ("JJG 162", "浙量标1号"), (None, "浙量标3号；浙量标4号"), ("JJG 234", None),
        ("JJG 692", "浙量标2号"), (None, None),
    ]  # fmt: skip


@pytest.mark.parametrize("count", [1, 300])
def test_a_sheet_is_made_by_the_same_statements_for_one_kind_and_for_many(verifier, lab, statements, count):
    capability(lab, of=BLOOD_PRESSURE, regulation="JJG 692")
    unit = using_unit()
    order = appointment(unit=unit)
    kinds = ["水表"] if count == 1 else [BLOOD_PRESSURE, "水表", "体温计"]
    tasks = [
        task(VERIFYING, to=lab, unit=unit, order=order, what=instrument(unit=unit, of=kinds[number % len(kinds)]))
        for number in range(count)
    ]

    with statements() as seen:
        assert verifier.act("results", "take_sheet", [each.id for each in tasks]).status_code == 204

    assert len(seen) == 11


def test_a_date_in_a_text_column_is_rejected(verifier, meters):
    book = conclude(taken(verifier, meters[:1]), "合格")
    names = {"检定依据", "所用计量标准", "温度", "湿度", "检定地点"}
    fill(book, 2, **dict.fromkeys(names, TODAY))

    assert send(verifier, book).status_code == 422
    assert columns_with_dates(verifier) == names


def test_what_was_filled_in_is_recorded(verifier, meters):
    book = conclude(taken(verifier, meters), "合格", "不合格", "合格", "合格")
    fill(book, 3, 不合格项="示值误差超差")
    fill(book, 4, 温度="21.0 ℃")

    assert send(verifier, book).status_code == 204

    assert verifier.messages() == ["已录入 4 条结果。"]
    assert states(*meters) == [TO_CHECK] * 4
    found = [result_of(one) for one in meters]
    assert [each.passed for each in found] == [True, False, True, True]
    assert (found[1].failures, found[2].temperature, found[0].temperature) == ("示值误差超差", "21.0 ℃", None)
    assert found[0].standards[0]["certificate_no"] == "浙量标1号"


def test_the_same_sheet_twice_is_refused_and_changes_nothing(verifier, meters):
    book = conclude(taken(verifier, meters), *["合格"] * 4)
    send(verifier, book)
    before = result_of(meters[0]).recorded_at

    answer = send(verifier, book)

    assert (answer.status_code, "不在本机构检定中" in answer.text) == (422, True)
    assert result_of(meters[0]).recorded_at == before


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        ({"检定结论": None}, "“检定结论”未填写"),
        ({"检定结论": "大概合格"}, "“检定结论”应从列表中选择"),
        ({"检定结论": "不合格"}, "请逐台填写不合格项"),
        ({"检定日期": "2026-13-01"}, "“检定日期”应为日期"),
        ({"检定日期": "2999-01-01"}, "晚于今天"),
        ({"检定员": "李四"}, "“检定员”应从列表中选择"),
        ({"所用计量标准": "别家1号"}, "没有已通过审核的计量标准 别家1号"),
        ({"出厂编号": "M3"}, "表格行可能错位"),
        ({"任务号": "999999"}, "不在本机构检定中"),
        ({"任务号": "' OR 1=1"}, "不在本机构检定中"),
        ({"缩短有效期（月）": 1.5}, "1 至 240 的整数"),
        ({"缩短有效期（月）": 36}, "只能缩短"),
        ({"温度": "热" * 41}, "“温度”最多 40 个字符"),
    ],
    ids=str,
)
def test_every_problem_stands_beside_its_row_and_nothing_is_recorded(verifier, meters, cells, words):
    book = conclude(taken(verifier, meters), *["合格"] * 4)
    fill(book, 3, **cells)

    answer = send(verifier, book)

    assert (answer.status_code, "<b>第 3 行</b>" in answer.text) == (422, True)
    assert words in answer.text
    assert db.session.scalar(select(func.count()).select_from(Result)) == 0
    url = re.findall(r'href="(/jobs/file/\d+)"', answer.text)[0]
    back = openpyxl.load_workbook(BytesIO(verifier.get(url).data)).worksheets[0]
    assert [bool(back.cell(row, 1).value) for row in (2, 3)] == [False, True]


def test_a_task_twice_names_the_other_row(verifier, meters):
    book = conclude(taken(verifier, meters), *["合格"] * 4)
    fill(book, 5, 任务号=str(meters[0].id), 出厂编号="M0")

    assert "与第 2 行重复" in send(verifier, book).text


def test_rows_that_were_deleted_stay_as_they_are(verifier, meters):
    book = conclude(taken(verifier, meters), *["合格"] * 4)
    book.worksheets[0].delete_rows(4, 2)

    assert send(verifier, book).status_code == 204
    assert states(*meters) == [TO_CHECK, TO_CHECK, VERIFYING, VERIFYING]


def test_a_sheet_of_a_neighbour_records_nothing(verifier, meters, sign_in):
    book = conclude(taken(verifier, meters), *["合格"] * 4)
    other = institution()
    measurement_standard(other, certificate_no="浙量标1号")
    capability(other)
    there = sign_in("InstitutionVerifier", other)
    staff_member(other, "王检定", account_id=there.account.id)
    db.session.flush()

    assert "不在本机构检定中" in send(there, book).text
    assert there.act("results", "take_sheet", [each.id for each in meters]).status_code == 422
    assert states(*meters) == [VERIFYING] * 4


def test_whoever_may_not_record_takes_and_sends_no_sheet(sign_in, lab, meters):
    clerk = sign_in("InstitutionClerk", lab)

    assert clerk.act("results", "take_sheet", [meters[0].id]).status_code == 403
    assert send(clerk, openpyxl.Workbook()).status_code == 403


def test_a_title_above_the_names_of_the_columns_does_no_harm(verifier, meters):
    book = conclude(taken(verifier, meters), *["合格"] * 4)
    page: Any = book.worksheets[0]
    page.insert_rows(1, 2)
    page.cell(1, 1).value = "检定结果汇总"

    assert send(verifier, book).status_code == 204
    assert states(*meters) == [TO_CHECK] * 4


def test_what_is_no_sheet_is_refused_in_words(verifier):
    fields = {"file": (BytesIO(b"PK\x03\x04 nothing"), "a.xlsx")}

    answer = verifier.post("/results/act/record_sheet", fields, headers={"HX-Request": "true"})

    assert (answer.status_code, "field-error" in answer.text) == (422, True)


@pytest.mark.parametrize("count", [1, 300])
def test_a_sheet_costs_the_same_statements_for_one_and_for_many(verifier, lab, statements, count):
    order = appointment()
    tasks = [task(VERIFYING, to=lab, order=order) for _ in range(count)]
    book = conclude(taken(verifier, tasks), *["合格"] * count)

    with statements() as seen:
        assert send(verifier, book).status_code == 204

    assert len(seen) == 27
