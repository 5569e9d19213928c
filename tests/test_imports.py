"""器具批量导入: what a sheet brings into the ledger, what is refused of it and how, and that it comes in whole."""

import json
import re
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import Context
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from html import unescape
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import quote

import openpyxl
import pytest
from sqlalchemy import func, select, text, update

from app import access, files, jobs
from app.access import ROLES
from app.domain import imports, sessions
from app.domain.ledger_sheets import Settings
from app.models import AuditEntry, Event, Instrument, Job, LedgerImport, Organization, ProvinceRule, db
from app.states import BROKEN, CANCELLED, DONE, DRAFT, FILED, IN_USE, OFFERED, PENDING, VERIFYING
from tests.conftest import Person, from_outside
from tests.factories import account, authority, inspection, institution, instrument, kind, task, using_unit

HEADERS = [
    "器具名称", "项别", "种别", "型号规格", "测量范围下限", "测量范围上限", "单位", "准确度等级", "型式批准证书编号",
    "出厂编号", "生产厂家", "器具产地", "使用地点行政区划", "使用地点", "器具用途", "送检方式", "启用日期",
]  # fmt: skip
MANDATORY = [name for name in HEADERS if name not in ("型式批准证书编号", "器具产地", "送检方式", "启用日期")]
SCALE = {
    "器具名称": "电子计价秤", "项别": "非自动衡器", "种别": "非自动衡器", "型号规格": "ACS-30", "测量范围下限": 0,
    "测量范围上限": 30, "单位": "kg", "准确度等级": "Ⅲ级", "型式批准证书编号": "2020F123-33", "出厂编号": "2026 00-17",
    "生产厂家": "杭州衡器厂", "器具产地": "国产", "使用地点行政区划": "浙江省杭州市西湖区",
    "使用地点": "文三路菜场12号", "器具用途": "贸易结算", "送检方式": "现场检定", "启用日期": date(2025, 3, 1),
}  # fmt: skip


@pytest.fixture
def unit(rows):
    return using_unit()


@pytest.fixture
def clerk(sign_in, unit):
    authority("330106")
    return sign_in("UsingUnitClerk", unit)


def scale(**changed):
    return {**SCALE, **changed}


def scales(number, **changed):
    return [scale(出厂编号=f"S{row:05}", **changed) for row in range(number)]


def opened(content) -> Any:
    return openpyxl.load_workbook(BytesIO(content))


def saved(book):
    file = BytesIO()
    book.save(file)
    return file.getvalue()


def filled(clerk, *rows):
    """The template as the clerk downloads it, with these rows."""
    book = opened(clerk.get("/ledger/template").data)
    for row in rows:
        book.worksheets[0].append([row.get(header) for header in HEADERS])
    return saved(book)


def upload(clerk, content, name="器具.xlsx"):
    """Upload a sheet; gives the answer, which leads to its preview."""
    return clerk.post("/ledger/act/import", {"file": (BytesIO(content), name)}, headers={"HX-Request": "true"})


def uploaded(clerk, content, name="器具.xlsx"):
    """The id of an uploaded sheet."""
    return int(upload(clerk, content, name).headers["HX-Redirect"].rsplit("/", 1)[1])


def preview(clerk, sheet, **shown):
    return clerk.get(f"/ledger-imports/sheet/{sheet}", query_string=shown).text


def settings_of(sheet):
    """The fields of the form that says how a sheet is read, as the page has them."""
    kept = db.session.get_one(LedgerImport, sheet)
    settings = Settings.of(kept.settings)
    columns = {f"column_{number}": name for number, name in settings.columns.items()}
    for_all = {f"for_all_{name}": text for name, text in settings.for_all.items()}
    filed = {"file_now": "y"} if settings.file_now else {}
    hidden = {"hidden": settings.hidden} if settings.hidden else {}
    return {"sheet": settings.sheet, "header_row": str(settings.header_row), **columns, **for_all, **filed, **hidden}


def read_as(clerk, import_id, /, **changed):
    """Read an uploaded sheet in another way."""
    fields = {name: value for name, value in {**settings_of(import_id), **changed}.items() if value is not None}
    return clerk.post(f"/ledger-imports/settings/{import_id}", fields, headers={"HX-Request": "true"})


def apply(clerk, import_id, /, **changed):
    """Import an uploaded sheet, with the form as it stands there."""
    return clerk.post(f"/ledger-imports/apply/{import_id}", {**settings_of(import_id), **changed})


def send(clerk, content, name="器具.xlsx", *, file_now=True):
    """Upload a sheet and import it: 303 if that was done; else 422 with the page or the dialog that says why not."""
    answer = upload(clerk, content, name)
    if answer.status_code != 204:
        return answer
    sheet = int(answer.headers["HX-Redirect"].rsplit("/", 1)[1])
    if not file_now:
        assert read_as(clerk, sheet, file_now=None).status_code == 200
    answer = apply(clerk, sheet)
    if answer.status_code == 422 and "import-rows" not in answer.text:
        return clerk.get(f"/ledger-imports/sheet/{sheet}")
    return answer


def bring(clerk, *rows, **fields):
    return send(clerk, filled(clerk, *rows), **fields)


def same_instrument(unit):
    """Which a neighbour has in the ledger, in another county of the city."""
    return instrument("330105", unit, of="非自动衡器", manufacturer="杭州衡器厂", serial_no="20260017")


def own(rows, unit):
    return list(rows.scalars(select(Instrument).where(Instrument.using_unit_id == unit.id).order_by(Instrument.id)))


def count(rows, what=Instrument):
    return rows.scalar(select(func.count()).select_from(what))


# --- The template --------------------------------------------------------------------------------


def test_the_template_offers_what_can_be_chosen(clerk):
    answer = clerk.get("/ledger/template")
    sheet, explanation, lists = opened(answer.data).worksheets

    assert (answer.status_code, sheet.title, lists.sheet_state) == (200, "器具台账", "hidden")
    assert [cell.value for cell in sheet[1]] == [f"*{name}" if name in MANDATORY else name for name in HEADERS]
    rules = {str(rule.sqref)[0]: rule for rule in sheet.data_validations.dataValidation}
    assert {column: rule.type for column, rule in rules.items()} == {
        "B": "list", "C": "list", "E": "decimal", "F": "decimal", "G": "list", "H": "list", "L": "list", "M": "list",
        "O": "list", "P": "list", "Q": "date",
    }  # fmt: skip
    assert {str(rule.sqref).split(":")[1] for rule in rules.values()} >= {"B50001", "Q50001"}
    free = [column for column, rule in rules.items() if rule.type == "list" and not rule.showErrorMessage]
    assert free == ["H", "M"]  # any class and any county may be written
    offered = [[cell.value for cell in column if cell.value is not None] for column in lists.columns]
    assert ["国产", "进口"] in offered
    kinds = next(column for column in offered if "无创自动测量血压计" in column)
    assert ("称重传感器" in kinds, "水表" in kinds) == (False, True)
    told = [[cell.value for cell in row] for row in explanation.iter_rows()]
    assert "一次最多 50000 台（件）" in told[1][0]
    assert told[-2][: len(HEADERS)] == HEADERS
    assert sheet["M1"].comment.text.startswith("填写到县（市、区）的行政区划全称，或六位行政区划代码。")


def test_the_template_offers_the_counties_of_the_own_province_the_own_first(clerk):
    lists = opened(clerk.get("/ledger/template").data).worksheets[2]

    columns = [[cell.value for cell in column if cell.value is not None] for column in lists.columns]

    counties = next(column for column in columns if "浙江省杭州市西湖区" in column)
    assert counties[0] == "浙江省杭州市西湖区"
    assert counties[1].startswith("浙江省杭州市")
    assert {str(name)[:3] for name in counties} == {"浙江省"}


def test_the_example_of_the_template_is_taken_as_it_stands(clerk, unit, rows):
    explanation = opened(clerk.get("/ledger/template").data).worksheets[1]
    values = [cell.value for cell in list(explanation.iter_rows())[-1]]

    assert bring(clerk, dict(zip(HEADERS, values, strict=False))).status_code == 303

    assert [(each.name, each.region_code) for each in own(rows, unit)] == [("体温计", "330106")]


# --- What is brought in --------------------------------------------------------------------------


def test_a_sheet_with_several_kinds_stands_in_the_ledger_and_is_filed(clerk, unit, rows):
    meter = {
        "器具名称": "智能远传水表", "项别": "水表", "种别": "水表", "型号规格": "LXS-20E", "测量范围下限": 0.05,
        "测量范围上限": "４", "单位": "m3/h", "准确度等级": "２级", "出厂编号": 20260099,
        "生产厂家": "宁波水表股份有限公司", "使用地点行政区划": 330105, "使用地点": "文三路1号", "器具用途": "贸易结算",
        "启用日期": "2026年1月31日",
    }  # fmt: skip
    tester = scale(
        项别="绝缘电阻测量仪", 种别="绝缘电阻表", 单位="MΩ", 准确度等级="10级", 出厂编号="J1", 器具用途="安全防护",
        使用地点行政区划=" 浙江省 宁波市 海曙区",
    )  # fmt: skip

    answer = bring(clerk, scale(), meter, tester)

    assert (answer.status_code, clerk.messages()) == (303, ["已导入 3 台器具。"])
    first, second, third = own(rows, unit)
    assert (first.name, first.model, first.measuring_range, first.range_low, first.range_high, first.range_unit) == (
        "电子计价秤", "ACS-30", "(0～30)kg", 0, 30, "kg",
    )  # fmt: skip
    assert (first.catalogue_item_id, first.accuracy_class, first.accuracy_value, first.cycle_months) == (
        kind("非自动衡器").id, "Ⅲ级", 3, 12,
    )  # fmt: skip
    assert (first.serial_no, first.manufacturer, first.origin) == (
        "2026 00-17", "杭州衡器厂", "domestic",
    )  # fmt: skip
    assert (first.city_code, first.region_code, first.use_place) == ("330100", "330106", "文三路菜场12号")
    assert (first.purpose, first.delivery, first.started_on) == ("trade", "on_site", date(2025, 3, 1))
    assert (first.type_approval_no, first.instrument_no) == ("2020F123-33", f"QJ330106{first.id:010d}")
    assert (first.use_state, first.filing_state, first.verification_state) == (IN_USE, FILED, "unverified")
    assert (second.range_unit, second.measuring_range, second.range_low) == ("m³/h", "(0.05～4)m³/h", Decimal("0.05"))
    assert (second.serial_no, second.region_code, second.delivery) == ("20260099", "330105", "sent")
    assert (second.started_on, second.type_approval_no) == (date(2026, 1, 31), None)
    assert (third.city_code, third.region_code, third.purpose) == ("330200", "330203", "safety")
    assert third.type_approval_no is None
    assert f'data-id="{third.id}"' in clerk.get("/ledger/").text


def test_it_stays_a_draft_is_filed_or_waits_for_review_as_asked_and_as_the_province_says(clerk, unit, rows):
    assert bring(clerk, scale(), file_now=False).status_code == 303
    rows.add(ProvinceRule(province_code="330000", filing_reviewed=True, answer_days=3))
    rows.flush()
    assert bring(clerk, *scales(2)).status_code == 303

    assert [each.filing_state for each in own(rows, unit)] == [DRAFT, PENDING, PENDING]
    steps = select(Event.step, Event.to_state, func.count()).group_by(Event.step, Event.to_state)
    assert [tuple(row) for row in rows.execute(steps)] == [("file", PENDING, 2)]


def test_it_is_audited_once_with_the_number_of_rows(clerk, rows):
    bring(clerk, *scales(3))

    entries = select(AuditEntry.action, AuditEntry.subject_name, AuditEntry.detail)
    told = [tuple(row) for row in rows.execute(entries.where(AuditEntry.action.in_(("add", "edit", "import"))))]
    assert told == [("import", "器具.xlsx", {"rows": 3, "changed": 0})]


def test_the_same_file_twice_changes_nothing(clerk, unit, rows):
    content = filled(clerk, *scales(3), scale(测量范围上限=30.123456))
    assert send(clerk, content, file_now=False).status_code == 303
    before = [(each.id, each.filing_state, each.revision) for each in own(rows, unit)]
    clerk.messages()

    again = send(clerk, content)

    assert (again.status_code, "表中没有新增或变更的内容" in again.text) == (422, True)
    assert [(each.id, each.filing_state, each.revision) for each in own(rows, unit)] == before
    assert bring(clerk, *scales(5)).status_code == 303
    assert clerk.messages() == ["已导入 2 台器具。 3 台已在台账中，未作改动。"]


def test_csv_as_a_chinese_excel_saves_it(clerk, unit, rows):
    row = {**SCALE, "启用日期": "2025/3/1", "备注": "自己的列"}
    content = "\r\n".join([",".join(row), ",".join(str(value) for value in row.values())]).encode("gb18030")

    assert send(clerk, content, "器具.csv").status_code == 303

    assert [(each.name, each.started_on) for each in own(rows, unit)] == [("电子计价秤", date(2025, 3, 1))]
    assert clerk.messages() == ["已导入 1 台器具。"]


# --- What is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"器具名称": None}, "“器具名称”未填写。"),
        ({"器具名称": "秤" * 101}, "“器具名称”：不得超过 100 个字符。"),
        ({"项别": "飞行器"}, "“项别”应从列表中选择，“飞行器”不在列表中。"),
        ({"种别": "飞机"}, "“种别”应从列表中选择，“飞机”不在列表中。"),
        ({"种别": "水表"}, "“种别”：“水表”不属于项别“非自动衡器”。"),
        ({"项别": "称重传感器", "种别": "称重传感器"}, "“种别”：该种别只需型式批准"),
        ({"型号规格": None}, "“型号规格”未填写。"),
        ({"测量范围下限": 40}, "“测量范围上限”：下限大于上限"),
        ({"测量范围下限": "零"}, "“测量范围下限”应为数字，不能是“零”。"),
        ({"测量范围上限": 10**14}, "“测量范围上限”：数值过大"),
        ({"测量范围上限": 30.1234567}, "“测量范围上限”：小数点后最多 6 位。"),
        ({"单位": "m"}, "“单位”：该种别的测量范围以 kg 表示"),
        ({"准确度等级": "好"}, "“准确度等级”：准确度等级应含数字，如 2级、Ⅲ级、±0.5%。"),
        ({"准确度等级": "123456789级"}, "“准确度等级”：准确度等级应含数字"),
        ({"出厂编号": None}, "“出厂编号”未填写。"),
        ({"出厂编号": "㌀" * 30}, "“出厂编号”：不得超过 100 个字符。"),
        ({"出厂编号": "/"}, "“出厂编号”：“/”不是出厂编号"),
        ({"出厂编号": " — "}, "“出厂编号”：“—”不是出厂编号"),
        ({"出厂编号": "无"}, "“出厂编号”：“无”不是出厂编号"),
        ({"生产厂家": "厂" * 201}, "“生产厂家”：不得超过 200 个字符。"),
        ({"器具产地": "月球"}, "“器具产地”应从列表中选择，“月球”不在列表中。"),
        ({"使用地点行政区划": "浙江省杭州市"}, "“使用地点行政区划”：请选择使用地点所在的县"),
        ({"使用地点行政区划": "330100"}, "“使用地点行政区划”：请选择使用地点所在的县"),
        ({"使用地点行政区划": "西湖"}, "“使用地点行政区划”：请选择使用地点所在的县"),
        ({"使用地点": None}, "“使用地点”未填写。"),
        ({"器具用途": "好玩"}, "“器具用途”应从列表中选择，“好玩”不在列表中。"),
        ({"送检方式": "无人机"}, "“送检方式”应从列表中选择，“无人机”不在列表中。"),
        ({"启用日期": date(2999, 1, 1)}, "“启用日期”：启用日期不能晚于今天"),
        ({"启用日期": "去年"}, "“启用日期”应为日期，如 2026-01-31，不能是“去年”。"),
        ({"型式批准证书编号": "P" * 61}, "“型式批准证书编号”：不得超过 60 个字符。"),
    ],
)
def test_what_does_not_fit_is_told_with_its_row_and_column_and_nothing_is_written(clerk, rows, changed, problem):
    answer = bring(clerk, scale(), scale(**{"出厂编号": "S2", **changed}))

    assert (answer.status_code, count(rows)) == (422, 0), answer.text
    assert [(row, text.startswith(problem)) for row, text in rejected(answer.text)] == [(3, True)], answer.text
    assert ("1 行有问题，暂不能导入" in answer.text, "部分行有问题" in answer.text) == (True, True)


def rejected(text):
    """The rows of a preview that have problems, with these."""
    rows = re.findall(
        r'data-label="行号">(\d+)</td>|<tr class="import-problems"><td></td><td colspan="\d+">(.*?)</td>', text
    )
    numbers = [int(number) for number, _problems in rows if number]
    return list(zip(numbers, [unescape(problems) for number, problems in rows if not number], strict=True))


def test_all_problems_of_a_row_are_told_at_once(clerk):
    late = date(2999, 1, 1)
    wrong = scale(器具名称=None, 测量范围下限=40, 单位="m", 准确度等级="好", 启用日期=late, 使用地点行政区划="1")

    text = bring(clerk, wrong).text

    columns = ("器具名称", "测量范围上限", "单位", "准确度等级", "启用日期", "使用地点行政区划")
    assert [f"“{column}”" in text for column in columns] == [True] * 6


def test_one_instrument_twice_in_a_sheet_names_the_other_row(clerk, rows):
    other_maker = scale(生产厂家="宁波衡器厂")

    answer = bring(clerk, scale(), scale(出厂编号="X"), scale(出厂编号="２０２６００１７"), other_maker)

    assert rejected(answer.text) == [(4, "“出厂编号”：与第 2 行是同一台器具。")]
    assert count(rows) == 0


def test_an_own_instrument_with_other_particulars_is_changed_after_a_preview_of_each_cell(clerk, unit, rows):
    bring(clerk, scale())
    sheet = uploaded(clerk, filled(clerk, scale(型号规格="ACS-15", 使用地点="别处"), scale(出厂编号="X")))

    page = preview(clerk, sheet, show="changed")
    assert changed_cells(page) == [("型号规格", "ACS-30", "ACS-15"), ("使用地点", "文三路菜场12号", "别处")]
    assert apply(clerk, sheet).status_code == 303

    assert [(each.serial_no, each.model, each.use_place, each.revision) for each in own(rows, unit)] == [
        ("2026 00-17", "ACS-15", "别处", 2),
        ("X", "ACS-30", "文三路菜场12号", 1),
    ]
    assert clerk.messages()[-1] == "已导入 1 台器具。 已变更 1 台器具。"


def changed_cells(page):
    """The changed cells of a preview: column, earlier value, new value."""
    found = re.findall(r'<td data-label="([^"]+)" class="is-changed"><del>(.*?)</del> <ins>(.*?)</ins></td>', page)
    return [tuple(map(unescape, each)) for each in found]


def test_a_neighbours_instrument_says_where_it_is_but_not_whose(clerk, unit, rows):
    same_instrument(using_unit("330105", "秘密单位"))

    answer = bring(clerk, scale())

    assert ("浙江省杭州市拱墅区" in answer.text, "秘密单位" in answer.text) == (True, False)
    assert own(rows, unit) == []
    assert bring(clerk, scale(使用地点行政区划="浙江省宁波市海曙区")).status_code == 303


def test_the_sheet_comes_back_as_it_was_with_the_problems_beside_it(clerk, rows, sign_in):
    sheet = uploaded(clerk, filled(clerk, scale(), scale(出厂编号="S2", 单位="m", 型号规格="=1+1")), "东区 器具.xlsx")

    assert f'href="/ledger-imports/problems/{sheet}"' in preview(clerk, sheet)
    answer = clerk.get(f"/ledger-imports/problems/{sheet}")
    assert quote("东区 器具（问题清单）.xlsx") in answer.headers["Content-Disposition"]
    book = opened(answer.data)
    page = book.worksheets[0]
    head, right, wrong = [[cell.value for cell in row] for row in page.iter_rows()]
    assert head[1:] == [f"*{name}" if name in MANDATORY else name for name in HEADERS]
    assert (right[0], right[10]) == (None, "2026 00-17")
    assert wrong[0].split("\n") == [
        "“型号规格”是公式计算的结果，可能已过时：请核对后粘贴为数值。",
        "“单位”：该种别的测量范围以 kg 表示。",
    ]
    assert wrong[10] == "S2"
    stranger = sign_in("UsingUnitClerk", using_unit())
    for place in ("problems", "sheet", "show"):
        assert stranger.get(f"/ledger-imports/{place}/{sheet}").status_code == 404
    for place in ("settings", "check", "apply", "discard"):
        assert stranger.post(f"/ledger-imports/{place}/{sheet}").status_code == 404

    page["E3"], page["H3"] = "ACS-15", "kg"
    assert send(clerk, saved(book)).status_code == 303
    assert count(rows) == 2


def test_the_first_hundred_rows_of_each_verdict_are_shown(clerk, monkeypatch):
    monkeypatch.setattr(imports, "MOST_SHOWN", 10)
    sheet = uploaded(clerk, filled(clerk, *scales(15, 单位="m"), scale()))

    page = preview(clerk, sheet)
    assert [row for row, _text in rejected(page)] == list(range(2, 12))
    assert ("另有 5 行" in page, 'data-label="行号">17</td>' in preview(clerk, sheet, show="new")) == (True, True)


def archive(**parts):
    file = BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return file.getvalue()


TYPES = {"[Content_Types].xml": "<Types/>"}


@pytest.mark.parametrize(
    ("content", "name", "problem"),
    [
        (lambda: archive(**TYPES, **{"_rels/.rels": " " * 300 * 2**20}), "器具.xlsx", "工作表过大"),
        (lambda: archive(**TYPES, **{"xl/vbaProject.bin": "x"}), "器具.xlsx", "宏"),
        (lambda: b"\xd0\xcf\x11\xe0rest", "器具.xls", "文件是纯文本"),
        (lambda: b"", "器具.xlsx", "文件是空的"),
        (lambda: ",".join(HEADERS).encode(), "器具.csv", "表格中没有填写器具"),
    ],
)
def test_what_is_no_sheet_for_us_is_refused_in_the_dialog(clerk, rows, content, name, problem):
    answer = send(clerk, content(), name)

    assert (answer.status_code, problem in answer.text) == (422, True), answer.text
    assert (count(rows), count(rows, LedgerImport)) == (0, 0)


def test_no_file_is_refused_and_one_too_large_is_not_even_read(clerk):
    assert "请选择文件" in clerk.post("/ledger/act/import", {}, headers={"HX-Request": "true"}).text
    assert [posted(clerk, 2**20 * megabytes).status_code for megabytes in (4, 21)] == [422, 413]


def posted(clerk, size):
    """A file of that many bytes, as a browser sends it."""
    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.xlsx"\r\n\r\n'
    how = {"data": head + b"x" * size + b"\r\n--x--\r\n", "content_type": "multipart/form-data; boundary=x"}
    headers = {"X-CSRFToken": clerk.token, "HX-Request": "true"}
    return from_outside(lambda: clerk.client.post("/ledger/act/import", headers=headers, **how))


@pytest.mark.parametrize(
    ("role", "home"),
    [
        ("UsingUnitAdministrator", using_unit),
        ("InstitutionClerk", institution),
        ("Supervisor", lambda: authority("330106")),
    ],
)
def test_it_is_for_clerks_of_using_units(sign_in, role, home):
    person = sign_in(role, home())

    assert (send(person, b"x").status_code, person.get("/ledger/template").status_code) == (403, 403)
    importing = {role for role, what in ROLES.items() if "import" in what.permissions.get("Ledger", ())}
    assert importing == {"UsingUnitClerk"}


def test_five_rows_and_a_hundred_and_fifty_cost_the_same_statements(clerk, statements):
    few, many = filled(clerk, *scales(5)), filled(clerk, *scales(150, 生产厂家="宁波衡器厂"))
    changed = filled(clerk, *scales(150, 生产厂家="宁波衡器厂", 使用地点="别处"))

    def cost(do, *arguments):
        with statements() as seen:
            answer = do(clerk, *arguments)
        assert answer.status_code in (204, 303)
        return len(seen)

    send(clerk, filled(clerk, scale()))  # what is asked once is known
    assert cost(upload, few) == cost(upload, many)
    few, many, changed = uploaded(clerk, few), uploaded(clerk, many), uploaded(clerk, changed)
    assert cost(apply, few) == cost(apply, many)
    db.session.expire_all()
    read_as(clerk, changed)
    assert cost(apply, changed) < 40


# --- As a job ------------------------------------------------------------------------------------


def check_whole(clerk, sheet):
    """Let the worker check a long sheet; gives its job."""
    assert clerk.post(f"/ledger-imports/check/{sheet}").status_code == 303
    return done_job(sheet)


def done_job(sheet):
    job_id = db.session.get_one(LedgerImport, sheet).job_id or 0
    jobs.do(job_id)
    db.session.expire_all()
    return db.session.get_one(Job, job_id)


def test_a_long_sheet_is_checked_and_imported_by_the_worker(clerk, unit, rows):
    sheet = uploaded(clerk, filled(clerk, *scales(300)))
    page = preview(clerk, sheet)
    assert ("检查整张表" in page, page.count("verdict-new")) == (True, 20)
    assert (apply(clerk, sheet).status_code, count(rows)) == (422, 0)

    job = check_whole(clerk, sheet)
    assert (job.state, job.message, job.done, job.total, count(rows)) == (
        DONE,
        "已检查 300 行，尚未导入。",
        300,
        300,
        0,
    )
    assert '<a href="/ledger-imports/sheet/' in preview(clerk, sheet)
    assert apply(clerk, sheet).headers["Location"] == f"/ledger-imports/sheet/{sheet}"
    assert "正在导入" in preview(clerk, sheet)
    job = done_job(sheet)

    assert (job.kind, job.state, job.message) == ("import_instruments", DONE, "已导入 300 台器具。")
    assert (job.done, job.total) == (300, 300)
    assert [(each.serial_no, each.filing_state) for each in own(rows, unit)] == [
        (f"S{row:05}", FILED) for row in range(300)
    ]
    assert "新增 300 台，变更 0 台" in preview(clerk, sheet)


def test_a_long_sheet_with_a_problem_comes_back_and_nothing_is_written(clerk, rows):
    sheet = uploaded(clerk, filled(clerk, *scales(300), scale(出厂编号="X", 单位="m")))

    job = check_whole(clerk, sheet)

    assert (job.state, job.message, count(rows)) == (BROKEN, "1 行有问题，整表未导入。", 0)
    assert f'href="/ledger-imports/problems/{sheet}"' in preview(clerk, sheet)
    page = opened(clerk.get(f"/ledger-imports/problems/{sheet}").data).worksheets[0]
    assert (page["A302"].value, page.max_row) == ("“单位”：该种别的测量范围以 kg 表示。", 302)
    assert apply(clerk, sheet).status_code == 422


def test_a_job_is_done_in_the_language_in_which_the_sheet_was_filled_in(clerk, rows):
    clerk.get("/session/language/en")
    book = opened(clerk.get("/ledger/template").data)
    words = {"贸易结算": "Trade settlement", "国产": "Domestic", "现场检定": "On site"}
    for row in scales(201):
        book.worksheets[0].append([words.get(row[header], row[header]) for header in HEADERS])
    sheet = uploaded(clerk, saved(book))

    assert check_whole(clerk, sheet).state == DONE
    apply(clerk, sheet)

    assert (done_job(sheet).state, count(rows)) == (DONE, 201)


def test_more_rows_than_are_taken_at_all(clerk, rows, monkeypatch):
    monkeypatch.setattr(imports, "MOST_ROWS", 250)
    sheet = uploaded(clerk, filled(clerk, *scales(300)))

    job = check_whole(clerk, sheet)

    assert (job.state, job.message, count(rows)) == (BROKEN, "工作表超过 250 行，请拆分成多个文件。", 0)


# --- At once, on committed rows and connections of their own -------------------------------------


@pytest.fixture
def clerks(office):
    """Two clerks of one using unit."""
    authority("330106")
    unit = using_unit()
    people = [account("UsingUnitClerk", unit) for _ in range(2)]
    tokens = [sessions.start(person, confirmed=True, address="127.0.0.1", device="pytest") for person in people]
    db.session.commit()
    return [signed_in(office, *pair) for pair in zip(people, tokens, strict=True)]


def signed_in(office, person, session_token):
    client = office.test_client()
    with client.session_transaction() as session:
        session.update({"_user_id": session_token, "_fresh": True, "locale": "zh"})
    return Person(client, person, Context().run(lambda: client.get("/session/token").json["token"]))


def apply_beside(clerk, sheet, fields):
    """As `apply`, but from a thread: the session of the test stays out of it."""
    data = {"csrf_token": clerk.token, **fields}
    return clerk.client.post(f"/ledger-imports/apply/{sheet}", data=data, buffered=True)


@contextmanager
def waiting(do, *arguments):
    """Something done in a thread, as far as it comes until it waits for what this session holds."""
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(do, *arguments)
        try:
            wait_until_blocked()
            yield done
        finally:
            db.session.rollback()


def wait_until_blocked():
    waiting = text("SELECT count(*) FROM pg_locks WHERE pg_backend_pid() = ANY(pg_blocking_pids(pid))")
    deadline = time.monotonic() + 20
    while not db.session.scalar(waiting):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_what_somebody_else_enters_at_the_same_moment_is_refused(clerks):
    sheet = uploaded(clerks[0], filled(clerks[0], scale(), scale(出厂编号="X")))
    same_instrument(using_unit())

    with waiting(apply_beside, clerks[0], sheet, settings_of(sheet)) as sent:
        db.session.commit()

    assert (sent.result().status_code, "有人同时录入了其中的器具" in sent.result().text) == (422, True)
    assert count(db.session) == 1


def test_what_is_booked_after_the_check_is_not_changed(clerks):
    apply(clerks[0], uploaded(clerks[0], filled(clerks[0], scale())))
    sheet = uploaded(clerks[0], filled(clerks[0], scale(使用地点="别处")))
    one = db.session.scalars(select(Instrument).with_for_update()).one()
    task(VERIFYING, what=one, unit=db.session.get_one(Organization, one.using_unit_id), to=institution())

    with waiting(apply_beside, clerks[0], sheet, settings_of(sheet)) as sent:
        db.session.commit()

    text = sent.result().text
    assert (sent.result().status_code, "电子计价秤 2026 00-17：检定机构正在办理" in text) == (422, True)
    db.session.expire_all()
    assert (one.use_place, one.revision) == ("文三路菜场12号", 1)


def test_the_same_sheet_applied_by_two_at_once_is_in_the_ledger_once(clerks):
    content = filled(clerks[0], *scales(150))
    sheets = [uploaded(clerk, content) for clerk in clerks]

    for chosen in (sheets, sheets[:1] * 2):
        fields = [settings_of(sheet) for sheet in chosen]
        db.session.rollback()
        with ThreadPoolExecutor(2) as pool:
            answers = list(
                pool.map(lambda each: apply_beside(*each).status_code, zip(clerks, chosen, fields, strict=True))
            )
        assert (set(answers) <= {303, 422}, count(db.session)) == (True, 150)


@pytest.mark.parametrize(
    "hold",
    [
        lambda: same_instrument(using_unit()),  # the job waits while it enters
        lambda: db.session.execute(
            text("LOCK TABLE province_rule")
        ),  # while it files, after it last said how far it is
    ],
)
def test_a_cancelled_job_leaves_nothing(clerks, office, hold):
    clerk = clerks[0]
    sheet = uploaded(clerk, filled(clerk, *scales(300), scale()))
    check_whole(clerk, sheet)
    apply(clerk, sheet)
    job_id = db.session.get_one(LedgerImport, sheet).job_id
    chosen = {"csrf_token": clerk.token, "selection": "ids", "id": str(job_id)}
    db.session.commit()
    hold()

    with waiting(do, office, job_id) as done:
        answer = Context().run(lambda: clerk.client.post("/jobs/act/cancel", data=chosen))

    assert (done.exception(), answer.status_code) == (None, 303)
    assert (db.session.get_one(Job, job_id).state, count(db.session)) == (CANCELLED, 0)


def do(office, job_id):
    with office.app_context(), access.seeing(access.EVERYTHING):
        jobs.do(job_id)


# --- A unit's own ledger -------------------------------------------------------------------------

CASES = Path(__file__).parent / "data"
OWN = {
    "17": "17-typical-ledger-merged-title-range-in-one-cell.xlsx",
    "17b": "17b-typical-ledger-title-row-not-merged.xlsx",
    "17c": "17c-typical-ledger-headers-first.xlsx",
}


def case(name):
    return (CASES / name).read_bytes()


@pytest.mark.parametrize("name", OWN.values(), ids=list(OWN))
def test_a_ledger_of_a_units_own_is_understood(clerk, unit, rows, name):
    sheet = uploaded(clerk, case(name), name)
    page = preview(clerk, sheet)

    assert "不导入：序号、检定周期" in page
    assert "填表人：张三 审核人：李四" in preview(clerk, sheet, show="left_out")
    assert apply(clerk, sheet).status_code == 303
    assert [
        (each.serial_no, each.measuring_range, each.range_unit, each.manufacturer, each.use_place, each.region_code,
         each.delivery, each.purpose)
        for each in own(rows, unit)
    ] == [
        ("B17-1", "(0～1.6)MPa", "MPa", "测试仪表厂", "一号锅炉房", "330106", "sent", "safety"),
        ("B17-2", "(0～2.5)MPa", "MPa", "测试仪表厂", "二号锅炉房", "330106", "sent", "safety"),
    ]  # fmt: skip


def test_the_sheet_with_the_ledger_is_found_behind_a_cover_and_another_can_be_chosen(clerk, unit, rows):
    sheet = uploaded(clerk, case("66-ledger-on-second-sheet.xlsx"))
    assert ('<option value="强检台账" selected>' in preview(clerk, sheet), settings_of(sheet)["header_row"]) == (
        True,
        "1",
    )

    answer = read_as(clerk, sheet, sheet="封面")
    assert (answer.status_code, "表中没有" in answer.text or "表格中没有" in answer.text) == (200, True)
    read_as(clerk, sheet, sheet="强检台账")

    assert apply(clerk, sheet).status_code == 303
    assert [each.serial_no for each in own(rows, unit)] == ["B66-1"]


def test_a_signature_below_the_last_instrument_is_left_out_and_named(clerk, unit, rows):
    sheet = uploaded(clerk, case("18-template-with-signature-line-below.xlsx"))

    page = preview(clerk, sheet, show="left_out")

    assert ('data-label="行号">5</td>' in page, "填表人：张三 审核人：李四" in page) == (True, True)
    assert apply(clerk, sheet).status_code == 303
    assert [each.serial_no for each in own(rows, unit)] == ["B18-1", "B18-2"]


@pytest.mark.parametrize(
    ("last", "is_left_out"),
    [
        ({"器具名称": "合计：2台"}, True),
        ({"器具名称": "制表：张三", "生产厂家": "日期：2026-11-30"}, True),
        ({"出厂编号": "单位负责人：李四"}, True),
        (dict(zip(HEADERS, HEADERS, strict=True)), True),
        ({"器具名称": "注射泵", "出厂编号": "B9"}, False),
        ({"器具名称": "总计量表", "出厂编号": "B9"}, False),
        ({**SCALE, "使用地点": "日期：见标签", "出厂编号": "B9"}, False),
    ],
    ids=str,
)
def test_only_a_signature_is_left_out_never_an_instrument_that_lacks_something(clerk, last, is_left_out):
    sheet = uploaded(clerk, filled(clerk, scale(), last))

    page = preview(clerk, sheet, show="left_out" if is_left_out else "new" if last.get("项别") else "rejected")
    assert re.findall(r'<tr class="verdict-(\w+)">\s*<td data-label="行号">3<', page) == [
        "left_out" if is_left_out else "new" if last.get("项别") else "rejected"
    ]


def test_hidden_rows_are_asked_for_before_anything_is_imported(clerk, unit, rows):
    content = case("11-filtered-out-row.xlsx")
    sheet = uploaded(clerk, content)
    assert ("有 1 行被隐藏或筛选掉" in preview(clerk, sheet), apply(clerk, sheet).status_code, count(rows)) == (
        True,
        422,
        0,
    )

    assert "请选择被隐藏的行是否导入" not in read_as(clerk, sheet, hidden="leave_out").text
    assert apply(clerk, sheet).status_code == 303
    assert [each.serial_no for each in own(rows, unit)] == ["B11-1", "B11-3"]

    again = uploaded(clerk, content)
    read_as(clerk, again, hidden="take")
    assert apply(clerk, again).status_code == 303
    assert sorted(each.serial_no for each in own(rows, unit)) == ["B11-1", "B11-2", "B11-3"]


@pytest.mark.parametrize(
    ("written", "code"),
    [
        ("330106 ", "330106"), ("浙江省杭州市西湖区", "330106"), ("杭州市西湖区", "330106"), ("西湖区", "330106"),
        ("西湖 区", "330106"), ("宁波市海曙区", "330203"), ("海曙区", "330203"), ("浙江省 宁波市 海曙区", "330203"),
    ],
)  # fmt: skip
def test_a_county_may_be_named_in_short_as_far_as_it_is_clear(clerk, unit, rows, written, code):
    assert bring(clerk, scale(使用地点行政区划=written)).status_code == 303

    assert [each.region_code for each in own(rows, unit)] == [code]


@pytest.mark.parametrize(
    ("name", "fact"),
    [
        ("19-unit-spelling.xlsx", ("(0～1.6)MPa", "MPa", "330106")),
        ("21-county-spelling.xlsx", ("(0～1.6)MPa", "MPa", "330106")),
    ],
)
def test_units_and_counties_in_other_spellings_are_understood(clerk, unit, rows, name, fact):
    assert send(clerk, case(name)).status_code == 303

    assert [(each.measuring_range, each.range_unit, each.region_code) for each in own(rows, unit)] == [fact]


@pytest.mark.parametrize("written", ["鼓楼区", "杭州市", "西湖", "江西省南昌市", "330199"])
def test_a_county_that_is_not_clear_is_not_guessed(clerk, rows, written):
    answer = bring(clerk, scale(使用地点行政区划=written))

    assert [text.split("：")[0] for _row, text in rejected(answer.text)] == ["“使用地点行政区划”"]


def test_what_a_sheet_has_no_column_for_is_said_once_for_all_rows_and_remembered(clerk, unit, rows):
    book: Any = openpyxl.Workbook()
    page = book.active
    page.append(["仪器", "种别", "型号", "量程", "精度", "机身编码", "厂家"])
    page.append(["压力表", "指示类压力表、显示类压力表", "YB-150", "0～1.6MPa", "1.6级", "K1", "测试仪表厂"])
    sheet = uploaded(clerk, saved(book))
    page = preview(clerk, sheet)
    assert "缺少列：器具名称、出厂编号、使用地点、器具用途。" in page
    assert "不导入：仪器、机身编码" in page

    answer = read_as(clerk, sheet, column_0="name", column_5="serial_no", for_all_use_place="锅炉房",
                     for_all_purpose="safety")  # fmt: skip
    assert (answer.status_code, "缺少列" in answer.text, apply(clerk, sheet).status_code) == (200, False, 303)

    book.active["F2"] = "K2"
    again = uploaded(clerk, saved(book))
    assert "缺少列" not in preview(clerk, again)
    assert apply(clerk, again).status_code == 303
    assert [(each.serial_no, each.use_place, each.purpose, each.measuring_range) for each in own(rows, unit)] == [
        ("K1", "锅炉房", "safety", "(0～1.6)MPa"),
        ("K2", "锅炉房", "safety", "(0～1.6)MPa"),
    ]


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"column_1": "name"}, "有两列都对应“器具名称”"),
        ({"header_row": "0"}, "请填写表头所在的行号"),
        ({"header_row": "9"}, "第9行为空"),
        ({"header_row": "x"}, "请填写表头所在的行号"),
        ({"sheet": "没有"}, "没有可见的工作表“没有”"),
    ],
    ids=str,
)
def test_settings_that_do_not_fit_are_refused_and_the_former_ones_stay(clerk, changed, words):
    sheet = uploaded(clerk, filled(clerk, scale()))
    before = settings_of(sheet)

    answer = read_as(clerk, sheet, **changed)

    assert (answer.status_code, words in answer.text) == (422, True), answer.text
    db.session.expire_all()
    assert settings_of(sheet) == before


def test_a_range_that_is_not_one_range_is_rejected(clerk):
    book: Any = openpyxl.load_workbook(CASES / OWN["17c"])
    book.active["F2"] = "0～1.6MPa / 0～16bar"

    page = preview(clerk, uploaded(clerk, saved(book)))

    assert [text.split("：")[0] for _row, text in rejected(page)] == ["“测量范围”"]


# --- Changes by sheet ----------------------------------------------------------------------------


def export(clerk, ids):
    """The sheet in which instruments are changed."""
    answer = clerk.act("ledger", "export_for_changes", ids)
    return opened(clerk.get(json.loads(answer.headers["HX-Trigger"])["app:download"]["url"]).data)


def test_an_exported_sheet_changes_just_the_cells_that_were_changed(clerk, unit, rows):
    bring(clerk, *scales(3))
    ids = [each.id for each in own(rows, unit)]
    book = export(clerk, ids)
    page = book.worksheets[0]
    assert [cell.value.strip("*") for cell in page[1]] == ["器具编号", "版本", *HEADERS]
    assert "没有新增或变更" in preview(clerk, uploaded(clerk, saved(book)))

    place = [cell.value.strip("*") for cell in page[1]].index("使用地点") + 1
    serial = [cell.value.strip("*") for cell in page[1]].index("出厂编号") + 1
    page.cell(2, place).value, page.cell(3, serial).value = "新楼一层", "S-新号"
    sheet = uploaded(clerk, saved(book))
    assert changed_cells(preview(clerk, sheet)) == [
        ("使用地点", "文三路菜场12号", "新楼一层"), ("出厂编号", "S00001", "S-新号"),
    ]  # fmt: skip
    assert apply(clerk, sheet).status_code == 303

    assert [(each.serial_no, each.use_place, each.revision) for each in own(rows, unit)] == [
        ("S00000", "文三路菜场12号", 1), ("S-新号", "文三路菜场12号", 2), ("S00002", "新楼一层", 2),
    ]  # fmt: skip


def test_a_row_that_somebody_changed_meanwhile_is_rejected(clerk, unit, rows):
    bring(clerk, *scales(2))
    first, second = own(rows, unit)
    book = export(clerk, [first.id, second.id])
    rows.execute(update(Instrument).where(Instrument.id == first.id).values(use_place="门卫", revision=2))
    for row in (2, 3):
        book.worksheets[0].cell(row, 16).value = "改了"

    page = preview(clerk, uploaded(clerk, saved(book)))

    assert rejected(page) == [(3, "导出之后该器具已被他人修改，请重新导出。")]


def test_only_columns_that_are_there_are_changed_and_only_own_instruments(clerk, unit, rows):
    bring(clerk, scale())
    (one,) = own(rows, unit)
    neighbour = instrument("330105", using_unit("330105"))
    content = f"器具编号,使用地点\n{one.instrument_no},三楼\n{neighbour.instrument_no},三楼\n".encode()

    page = preview(clerk, uploaded(clerk, content, "改.csv"))

    assert rejected(page) == [(3, f"本单位台账中没有器具编号为 {neighbour.instrument_no} 的器具。")]
    assert send(clerk, content.rsplit(b"\n", 2)[0], "改.csv").status_code == 303
    rows.expire_all()
    assert (one.use_place, one.model, one.delivery, one.revision) == ("三楼", "ACS-30", "on_site", 2)


def test_what_is_left_empty_in_a_sheet_for_changes_is_emptied_as_far_as_it_may_be(clerk, unit, rows):
    bring(clerk, scale())
    (one,) = own(rows, unit)
    content = f"器具编号,送检方式,器具产地,启用日期,型式批准证书编号\n{one.instrument_no},,,,\n".encode()

    assert send(clerk, content, "改.csv").status_code == 303

    rows.expire_all()
    assert (one.delivery, one.origin, one.started_on, one.type_approval_no) == ("on_site", "domestic", None, None)


def test_an_instrument_of_a_kind_that_is_no_longer_verified_is_never_entered_anew(clerk, unit, rows):
    bring(clerk, scale())
    (one,) = own(rows, unit)
    kind("非自动衡器").valid_until = date(2025, 1, 1)
    rows.flush()

    answer = send(clerk, f"器具编号,使用地点\n{one.instrument_no},三楼\n".encode(), "改.csv")

    assert [text.split("：")[0] for _row, text in rejected(answer.text)] == ["“种别”"]
    assert count(rows) == 1


def test_what_may_not_be_changed_one_by_one_is_not_changed_by_sheet(clerk, unit, rows):
    bring(clerk, *scales(2))
    scrapped, booked = own(rows, unit)
    scrapped.use_state = "scrapped"
    task(VERIFYING, what=booked, unit=unit, to=institution())
    rows.flush()

    answer = bring(clerk, *scales(2, 使用地点="别处"))

    assert [text for _row, text in rejected(answer.text)] == [
        "已报废的器具不能修改。", "检定机构正在办理，检定完成后方可修改。",
    ]  # fmt: skip


def test_filed_instruments_are_reviewed_anew_where_filings_are_reviewed(clerk, unit, rows):
    bring(clerk, *scales(2))
    rows.add(ProvinceRule(province_code="330000", filing_reviewed=True, answer_days=3))
    rows.flush()

    assert bring(clerk, *scales(2, 使用地点="别处")[:1]).status_code == 303

    assert [each.filing_state for each in own(rows, unit)] == [PENDING, FILED]


# --- Undo ----------------------------------------------------------------------------------------


def last_import():
    return db.session.scalars(select(LedgerImport).order_by(LedgerImport.id.desc()).limit(1)).one()


def undo(clerk, kept):
    return clerk.act("ledger-imports", "undo", [kept.id])


def test_an_import_is_undone_whole(clerk, unit, rows):
    bring(clerk, scale())
    before = {name: getattr(own(rows, unit)[0], name) for name in ("model", "use_place", "started_on", "range_high")}
    tallies = sorted(rows.execute(text("SELECT subject, state, sum(amount) FROM tally GROUP BY 1, 2")).all())
    bring(clerk, scale(型号规格="ACS-15", 使用地点="别处", 启用日期=date(2026, 1, 1), 测量范围上限=15), *scales(3))
    clerk.messages()

    assert undo(clerk, last_import()).status_code == 204

    assert clerk.messages() == ["已撤销导入：3 台器具已移出台账，1 台恢复原样。"]
    (one,) = own(rows, unit)
    assert {name: getattr(one, name) for name in before} == before
    assert sorted(
        row for row in rows.execute(text("SELECT subject, state, sum(amount) FROM tally GROUP BY 1, 2")) if row[2]
    ) == [row for row in tallies if row[2]]
    assert "该导入已撤销。" in preview(clerk, last_import().id)
    assert undo(clerk, last_import()).status_code == 422
    assert bring(clerk, *scales(3)).status_code == 303


@pytest.mark.parametrize(
    ("touch", "words"),
    [
        (lambda one: setattr(one, "revision", 2), "1 台器具此后已变更或办理过业务（电子计价秤 S00000"),
        (lambda one: setattr(one, "use_state", "stopped"), "1 台器具此后已变更或办理过业务"),
        (lambda one: setattr(one, "filing_state", DRAFT), "1 台器具此后已变更或办理过业务"),
        (
            lambda one: task(
                VERIFYING, what=one, unit=db.session.get(Organization, one.using_unit_id), to=institution()
            ),
            "1 台器具此后已变更或办理过业务",
        ),
        (lambda _one: setattr(last_import(), "applied_at", datetime.now(UTC) - timedelta(hours=25)), "24 小时内"),
    ],
    ids=["edited", "stopped", "withdrawn", "booked", "late"],
)
def test_nothing_is_undone_once_something_was_done(clerk, unit, rows, touch, words):
    bring(clerk, *scales(3))
    touch(own(rows, unit)[0])
    rows.flush()

    answer = undo(clerk, last_import())

    assert (answer.status_code, words in answer.text, count(rows)) == (422, True, 3), answer.text


def test_an_import_of_a_neighbour_cannot_be_undone(clerk, rows, sign_in):
    bring(clerk, *scales(1))

    assert undo(sign_in("UsingUnitClerk", using_unit()), last_import()).status_code == 404
    assert count(rows) == 1


def test_a_sheet_is_discarded_and_an_old_one_forgotten(clerk, unit, rows):
    thrown, old, done = (uploaded(clerk, filled(clerk, *scales(number + 1))) for number in range(3))
    apply(clerk, done)
    assert clerk.post(f"/ledger-imports/discard/{thrown}").status_code == 303
    assert clerk.get(f"/ledger-imports/sheet/{thrown}").status_code == 404
    kept = {id: files.path(rows.get_one(LedgerImport, id).file) for id in (old, done)}
    assert imports.drop_sheets() == 0
    rows.execute(update(LedgerImport).values(created_at=datetime.now(UTC) - timedelta(days=8)))

    assert imports.drop_sheets() == 2

    rows.expire_all()
    assert rows.scalars(select(LedgerImport.id)).all() == [done]
    assert [path.exists() for path in kept.values()] == [False, False]
    assert clerk.get(f"/ledger-imports/sheet/{done}").status_code == 200


# --- What must not go wrong unseen ---------------------------------------------------------------


def test_a_sheet_for_changes_is_one_whatever_was_remembered_of_its_headers(clerk, unit, rows):
    book = openpyxl.load_workbook(CASES / OWN["17c"])
    page: Any = book.active
    page["H1"] = "器具编号"
    assert send(clerk, saved(book)).status_code == 303
    own_numbers = [each.serial_no for each in own(rows, unit)]
    changes = export(clerk, [each.id for each in own(rows, unit)])
    place = [str(cell.value).strip("*") for cell in changes.worksheets[0][1]].index("使用地点") + 1
    changes.worksheets[0].cell(2, place).value = "改了"

    assert send(clerk, saved(changes)).status_code == 303
    page["H2"] = "B17-3"
    assert send(clerk, saved(book)).status_code == 303

    assert [each.serial_no for each in own(rows, unit)] == [*own_numbers, "B17-3"]


def ranged(**cells):
    """A sheet with a range in one cell."""
    row = {name: value for name, value in SCALE.items() if name not in ("测量范围下限", "测量范围上限", "单位")} | cells
    book: Any = openpyxl.Workbook()
    book.active.append(list(row))
    book.active.append(list(row.values()))
    return saved(book)


@pytest.mark.parametrize(
    ("cells", "problem"),
    [
        ({"测量范围": "(0～30)"}, "“单位”未填写。"),
        ({"测量范围": "0～30", "单位": None}, "“单位”未填写。"),
        ({"测量范围": "(0～30)g", "单位": "kg"}, "“测量范围”：“(0～30)g”与“单位”不一致。"),
        ({"测量范围": "(0～30)kg", "测量范围上限": 60}, "“测量范围”：“(0～30)kg”与“测量范围上限”不一致。"),
    ],
    ids=str,
)
def test_a_range_without_a_unit_or_against_another_column_is_rejected(clerk, cells, problem):
    assert rejected(preview(clerk, uploaded(clerk, ranged(**cells)))) == [(2, problem)]


def test_a_range_that_agrees_with_the_other_columns_is_taken(clerk, unit, rows):
    assert send(clerk, ranged(测量范围="(0～30)KG", 单位="kg", 测量范围上限=30)).status_code == 303

    assert [each.measuring_range for each in own(rows, unit)] == ["(0～30)kg"]


def test_only_what_stands_in_the_form_is_imported(clerk, unit, rows):
    book = openpyxl.load_workbook(CASES / OWN["17c"])
    page: Any = book.active
    page.delete_cols(11)
    sheet = uploaded(clerk, saved(book))
    read_as(clerk, sheet, for_all_use_place="一楼")

    answer = apply(clerk, sheet, for_all_use_place="二楼")

    assert (answer.status_code, "预览内容已与您看到的不同" in answer.text, count(rows)) == (422, True, 0)
    assert apply(clerk, sheet).status_code == 303
    assert [each.use_place for each in own(rows, unit)] == ["二楼", "二楼"]
    assert (read_as(clerk, sheet, for_all_use_place="三楼").status_code, settings_of(sheet)["for_all_use_place"]) == (
        422, "二楼",
    )  # fmt: skip


def test_what_is_said_for_all_is_of_new_instruments_in_any_language(clerk, unit, rows):
    book = openpyxl.load_workbook(CASES / OWN["17c"])
    page: Any = book.active
    for column in (12, 11, 10):
        page.delete_cols(column)
    sheet = uploaded(clerk, saved(book))
    read_as(clerk, sheet, for_all_use_place="一楼", for_all_purpose="medical", for_all_origin="imported")
    clerk.get("/session/language/en")
    assert apply(clerk, sheet).status_code == 303
    first = own(rows, unit)[0]
    assert (first.purpose, first.origin, first.use_place) == ("medical", "imported", "一楼")
    first.region_code, first.use_place = "330105", "门卫"
    rows.flush()

    page["H3"] = "B17-9"
    again = uploaded(clerk, saved(book))
    assert apply(clerk, again).status_code == 303

    assert [(each.serial_no, each.region_code, each.use_place, each.purpose) for each in own(rows, unit)] == [
        ("B17-1", "330105", "门卫", "medical"), ("B17-2", "330106", "一楼", "medical"),
        ("B17-9", "330106", "一楼", "medical"),
    ]  # fmt: skip


def test_a_chinese_sheet_is_understood_whatever_the_language_of_the_person(clerk, unit, rows):
    content = filled(clerk, scale())
    clerk.get("/session/language/en")

    assert send(clerk, content).status_code == 303

    assert [(each.purpose, each.delivery) for each in own(rows, unit)] == [("trade", "on_site")]


def test_a_row_of_a_sheet_for_changes_without_its_number_is_not_a_new_instrument(clerk, unit, rows):
    bring(clerk, *scales(2))
    book = export(clerk, [each.id for each in own(rows, unit)])
    page = book.worksheets[0]
    page.cell(2, 1).value = None

    assert [row for row, text in rejected(preview(clerk, uploaded(clerk, saved(book)))) if "缺少器具编号" in text] == [
        2
    ]


def test_a_break_within_a_cell_is_a_blank(clerk, unit, rows):
    bring(clerk, scale(出厂编号="A\n1", 生产厂家="杭州\n衡器厂", 使用地点="一楼\n东"))

    assert [(each.serial_no, each.manufacturer, each.use_place) for each in own(rows, unit)] == [
        ("A 1", "杭州 衡器厂", "一楼 东")
    ]


def test_what_an_undone_import_said_is_forgotten(clerk, unit, rows):
    book = openpyxl.load_workbook(CASES / OWN["17c"])
    page: Any = book.active
    page["K1"] = "放在哪里"
    sheet = uploaded(clerk, saved(book))
    read_as(clerk, sheet, column_10="use_place")
    apply(clerk, sheet)
    assert undo(clerk, last_import()).status_code == 204

    assert "column_10" not in settings_of(uploaded(clerk, saved(book)))


@pytest.mark.parametrize(
    "touch",
    [
        lambda one: setattr(one, "use_state", "stopped"),
        lambda one: setattr(one, "filing_state", PENDING),
        lambda one: task(OFFERED, what=one, unit=db.session.get(Organization, one.using_unit_id), to=institution()),
    ],
    ids=["stopped", "filing", "booked"],
)
def test_a_change_is_not_undone_once_something_was_done(clerk, unit, rows, touch):
    bring(clerk, scale())
    bring(clerk, scale(使用地点="别处"))
    (one,) = own(rows, unit)
    touch(one)
    rows.flush()

    assert undo(clerk, last_import()).status_code == 422

    rows.expire_all()
    assert one.use_place == "别处"


def test_what_an_authority_inspects_stays(clerk, unit, rows):
    bring(clerk, scale())
    (one,) = own(rows, unit)
    inspection(of=unit, kind="instrument", instrument_id=one.id)

    assert (undo(clerk, last_import()).status_code, count(rows)) == (422, 1)


def test_a_change_is_undone_when_its_kind_is_no_longer_in_the_catalogue(clerk, unit, rows):
    bring(clerk, scale())
    bring(clerk, scale(使用地点="别处"))
    kind("非自动衡器").valid_until = date(2025, 1, 1)
    rows.flush()

    assert undo(clerk, last_import()).status_code == 204
    rows.expire_all()
    assert [each.use_place for each in own(rows, unit)] == ["文三路菜场12号"]


def test_names_of_sheets_and_files_as_people_have_them(clerk, unit, rows):
    book = opened(filled(clerk, scale()))
    book.worksheets[0].title, book.worksheets[2].sheet_state = "台账 ", "visible"
    book.create_sheet("器具台账").sheet_state = "hidden"
    sheet = uploaded(clerk, saved(book), "坏\0名.xlsx")

    assert 'value="台账 " selected' in preview(clerk, sheet)
    assert apply(clerk, sheet).status_code == 303
    assert clerk.get(f"/ledger-imports/settings/{sheet}").status_code == 303


def test_rows_that_are_only_numbered_are_left_out(clerk, unit, rows):
    book = openpyxl.load_workbook(CASES / OWN["17c"])
    page: Any = book.active
    page["A4"] = 3

    assert send(clerk, saved(book)).status_code == 303
    assert len(own(rows, unit)) == 2


def test_headers_far_below_a_long_preface_are_chosen_by_their_row(clerk, unit, rows):
    book: Any = openpyxl.Workbook()
    for number in range(60):
        book.active.append([f"说明{number}"])
    book.active.append(list(SCALE))
    for row in scales(201):
        book.active.append(list(row.values()))
    sheet = uploaded(clerk, saved(book))

    answer = read_as(clerk, sheet, header_row="61")

    assert (answer.status_code, settings_of(sheet)["column_0"], "检查整张表" in answer.text) == (200, "name", True)


def test_a_merged_signature_or_title_below_the_headers_does_no_harm(clerk, unit, rows):
    book = openpyxl.load_workbook(CASES / OWN["17"])
    page: Any = book.active
    page.merge_cells("A7:M7")

    assert send(clerk, saved(book)).status_code == 303
    assert len(own(rows, unit)) == 2
