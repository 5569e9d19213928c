"""器具批量导入: what a sheet brings into the ledger, what is refused of it and how, and that it comes in whole."""

import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import Context
from datetime import date
from decimal import Decimal
from io import BytesIO
from typing import Any

import openpyxl
import pytest
from sqlalchemy import func, select, text

from app import access, jobs
from app.access import ROLES
from app.domain import imports, sessions
from app.models import AuditEntry, Event, Instrument, Job, ProvinceRule, db
from app.states import BROKEN, CANCELLED, DONE, DRAFT, FILED, IN_USE, PENDING
from tests.conftest import Person, from_outside
from tests.factories import account, authority, institution, instrument, kind, using_unit

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


def send(clerk, content, name="器具.xlsx", **fields):
    fields = {"file_now": "y", **fields, "file": (BytesIO(content), name)}
    return clerk.post("/ledger/act/import", fields, headers={"HX-Request": "true"})


def bring(clerk, *rows, **fields):
    return send(clerk, filled(clerk, *rows), **fields)


def same_instrument(unit):
    """Which a neighbour has in the ledger, in another county of the city."""
    return instrument("330105", unit, of="非自动衡器", manufacturer="杭州衡器厂", serial_no="20260017")


def own(rows, unit):
    return list(rows.scalars(select(Instrument).where(Instrument.using_unit_id == unit.id).order_by(Instrument.id)))


def count(rows, what=Instrument):
    return rows.scalar(select(func.count()).select_from(what))


def job_of(rows):
    return rows.scalars(select(Job)).one()


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

    assert bring(clerk, dict(zip(HEADERS, values, strict=False))).status_code == 204

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

    assert (answer.status_code, clerk.messages()) == (204, ["已导入 3 台器具。"])
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
    assert bring(clerk, scale(), file_now="").status_code == 204
    rows.add(ProvinceRule(province_code="330000", filing_reviewed=True, answer_days=3))
    rows.flush()
    assert bring(clerk, *scales(2)).status_code == 204

    assert [each.filing_state for each in own(rows, unit)] == [DRAFT, PENDING, PENDING]
    steps = select(Event.step, Event.to_state, func.count()).group_by(Event.step, Event.to_state)
    assert [tuple(row) for row in rows.execute(steps)] == [("file", PENDING, 2)]


def test_it_is_audited_once_with_the_number_of_rows(clerk, rows):
    bring(clerk, *scales(3))

    entries = select(AuditEntry.action, AuditEntry.subject_name, AuditEntry.detail)
    told = [tuple(row) for row in rows.execute(entries.where(AuditEntry.action.in_(("add", "import"))))]
    assert told == [("import", "器具.xlsx", {"rows": 3})]


def test_the_same_file_twice_changes_nothing(clerk, unit, rows):
    content = filled(clerk, *scales(3), scale(测量范围上限=30.123456))
    assert send(clerk, content, file_now="").status_code == 204
    before = [(each.id, each.filing_state, each.revision) for each in own(rows, unit)]
    clerk.messages()

    assert send(clerk, content).status_code == 204

    assert [(each.id, each.filing_state, each.revision) for each in own(rows, unit)] == before
    assert clerk.messages() == ["已导入 0 台器具。 4 台已在台账中，未作改动。"]
    assert bring(clerk, *scales(5)).status_code == 204
    assert clerk.messages() == ["已导入 2 台器具。 3 台已在台账中，未作改动。"]


def test_csv_as_a_chinese_excel_saves_it(clerk, unit, rows):
    row = {**SCALE, "启用日期": "2025/3/1", "备注": "自己的列"}
    content = "\r\n".join([",".join(row), ",".join(str(value) for value in row.values())]).encode("gb18030")

    assert send(clerk, content, "器具.csv").status_code == 204

    assert [(each.name, each.started_on) for each in own(rows, unit)] == [("电子计价秤", date(2025, 3, 1))]
    assert clerk.messages() == ["已导入 1 台器具。 以下列不在模板中，未导入：备注。"]


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
        ({"单位": "KG"}, "“单位”：该种别的测量范围以 kg 表示"),
        ({"准确度等级": "好"}, "“准确度等级”：准确度等级应含数字，如 2级、Ⅲ级、±0.5%。"),
        ({"准确度等级": "123456789级"}, "“准确度等级”：准确度等级应含数字"),
        ({"出厂编号": None}, "“出厂编号”未填写。"),
        ({"出厂编号": "㌀" * 30}, "“出厂编号”：不得超过 100 个字符。"),
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

    assert (answer.status_code, f"<b>第 3 行</b> {problem}" in answer.text) == (422, True), answer.text
    assert ("第 2 行" in answer.text, "1 行有问题，整表未导入" in answer.text, count(rows)) == (False, True, 0)


def test_all_problems_of_a_row_are_told_at_once(clerk):
    late = date(2999, 1, 1)
    wrong = scale(器具名称=None, 测量范围下限=40, 单位="m", 准确度等级="好", 启用日期=late, 使用地点行政区划="1")

    text = bring(clerk, wrong).text

    columns = ("器具名称", "测量范围上限", "单位", "准确度等级", "启用日期", "使用地点行政区划")
    assert [f"“{column}”" in text for column in columns] == [True] * 6


def test_one_instrument_twice_in_a_sheet_names_the_other_row(clerk, rows):
    other_maker = scale(生产厂家="宁波衡器厂")

    answer = bring(clerk, scale(), scale(出厂编号="X"), scale(出厂编号="２０２６００１７"), other_maker)

    assert "<b>第 4 行</b> “出厂编号”：与第 2 行是同一台器具。" in answer.text
    assert ("1 行有问题" in answer.text, count(rows)) == (True, 0)


def test_an_own_instrument_with_other_particulars_is_to_be_edited_there(clerk, unit, rows):
    bring(clerk, scale())

    answer = bring(clerk, scale(型号规格="ACS-15", 使用地点="别处"), scale(出厂编号="X"))

    assert "本单位台账中已有该器具，但型号规格、使用地点不一致，请在台账中修改。" in answer.text
    assert [(each.model, each.use_place) for each in own(rows, unit)] == [("ACS-30", "文三路菜场12号")]


def test_a_neighbours_instrument_says_where_it_is_but_not_whose(clerk, unit, rows):
    same_instrument(using_unit("330105", "秘密单位"))

    answer = bring(clerk, scale())

    assert ("浙江省杭州市拱墅区" in answer.text, "秘密单位" in answer.text) == (True, False)
    assert own(rows, unit) == []
    assert bring(clerk, scale(使用地点行政区划="浙江省宁波市海曙区")).status_code == 204


def test_the_sheet_comes_back_as_it_was_with_the_problems_beside_it(clerk, rows, sign_in):
    answer = bring(clerk, scale(), scale(出厂编号="S2", 单位="m", 型号规格="=1+1"), name="东区 器具.xlsx")

    job = job_of(rows)
    assert (job.kind, job.state, job.account_id, job.file_name) == (
        "import_instruments", BROKEN, clerk.account.id, "东区 器具（问题清单）.xlsx",
    )  # fmt: skip
    assert f'href="/jobs/file/{job.id}"' in answer.text
    book = opened(clerk.get(f"/jobs/file/{job.id}").data)
    sheet = book.worksheets[0]
    head, right, wrong = [[cell.value for cell in row] for row in sheet.iter_rows()]
    assert head[1:] == [f"*{name}" if name in MANDATORY else name for name in HEADERS]
    assert (right[0], right[10]) == (None, "2026 00-17")
    assert wrong[0].split("\n") == [
        "“型号规格”是公式计算的结果，可能已过时：请核对后粘贴为数值。",
        "“单位”：该种别的测量范围以 kg 表示。",
    ]
    assert wrong[10] == "S2"
    assert sign_in("UsingUnitClerk", using_unit()).get(f"/jobs/file/{job.id}").status_code == 404

    sheet["E3"], sheet["H3"] = "ACS-15", "kg"
    assert send(clerk, saved(book)).status_code == 204
    assert count(rows) == 2


def test_only_the_first_problems_are_shown(clerk):
    text = bring(clerk, *scales(15, 单位="m")).text

    shown = [words in text for words in ("15 行有问题", "第 11 行", "第 12 行", "另有 5 行")]
    assert shown == [True, True, False, True]


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
        (lambda: b"\xd0\xcf\x11\xe0rest", "器具.xls", "不支持该文件类型"),
        (lambda: b"", "器具.xlsx", "文件是空的"),
        (lambda: "编号\n1\n".encode(), "器具.csv", "缺少列：器具名称、"),
        (lambda: ",".join(HEADERS).encode(), "器具.csv", "表格中没有填写器具"),
    ],
)
def test_what_is_no_sheet_for_us_is_refused_in_the_dialog(clerk, rows, content, name, problem):
    answer = send(clerk, content(), name)

    assert (answer.status_code, problem in answer.text) == (422, True), answer.text
    assert (count(rows), count(rows, Job)) == (0, 0)


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
    wrong = filled(clerk, *scales(150, 单位="m"))

    def cost(content, status=204):
        with statements() as seen:
            assert send(clerk, content).status_code == status
        return len(seen)

    cost(filled(clerk, scale()))  # what is asked once is known
    assert cost(few) == cost(many) == 15
    assert (cost(many), cost(wrong, 422)) == (10, 12)  # there already; refused


# --- As a job ------------------------------------------------------------------------------------


def test_a_long_sheet_is_a_job_whose_result_is_told(clerk, unit, rows):
    answer = bring(clerk, *scales(300))

    job = job_of(rows)
    assert (answer.status_code, answer.headers["HX-Redirect"], count(rows)) == (204, "/jobs/", 0)
    assert (job.kind, job.state) == ("import_instruments", "waiting")
    jobs.do(job.id)
    rows.expire_all()
    assert (job.state, job.message, job.done, job.total) == (DONE, "已导入 300 台器具。", 300, 300)
    assert [(each.serial_no, each.filing_state) for each in own(rows, unit)] == [
        (f"S{row:05}", FILED) for row in range(300)
    ]


def test_a_refused_job_hands_the_sheet_back_and_writes_nothing(clerk, rows):
    bring(clerk, *scales(300), scale(出厂编号="X", 单位="m"))

    job = job_of(rows)
    jobs.do(job.id)

    rows.expire_all()
    assert (job.state, job.message, count(rows)) == (BROKEN, "1 行有问题，整表未导入。", 0)
    sheet = opened(clerk.get(f"/jobs/file/{job.id}").data).worksheets[0]
    assert (sheet["A302"].value, sheet.max_row) == ("“单位”：该种别的测量范围以 kg 表示。", 302)


def test_a_job_is_done_in_the_language_in_which_it_was_asked_for(clerk, rows):
    clerk.get("/session/language/en")
    book = opened(clerk.get("/ledger/template").data)
    words = {"贸易结算": "Trade settlement", "国产": "Domestic", "现场检定": "On site"}
    for row in scales(201):
        book.worksheets[0].append([words.get(row[header], row[header]) for header in HEADERS])
    send(clerk, saved(book))

    job = job_of(rows)
    jobs.do(job.id)

    rows.expire_all()
    assert (job.state, job.message) == (DONE, "Imported 201 instruments.")


def test_more_rows_than_are_taken_at_all(clerk, rows, monkeypatch):
    monkeypatch.setattr(imports, "MOST_ROWS", 250)
    bring(clerk, *scales(300))

    job = job_of(rows)
    jobs.do(job.id)

    rows.expire_all()
    assert (job.state, "超过 250 行" in job.message, count(rows)) == (BROKEN, True, 0)


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


def send_beside(clerk, content):
    """As `send`, but from a thread: the session of the test stays out of it."""
    fields = {"csrf_token": clerk.token, "file_now": "y", "file": (BytesIO(content), "器具.xlsx")}
    return clerk.client.post("/ledger/act/import", data=fields, headers={"HX-Request": "true"}, buffered=True)


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
    content = filled(clerks[0], scale(), scale(出厂编号="X"))
    same_instrument(using_unit())

    with waiting(send_beside, clerks[0], content) as sent:
        db.session.commit()

    assert (sent.result().status_code, "有人同时录入了其中的器具" in sent.result().text) == (422, True)
    assert count(db.session) == 1


def test_the_same_sheet_sent_by_two_at_once_is_in_the_ledger_once(clerks):
    content = filled(clerks[0], *scales(150))

    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda clerk: send_beside(clerk, content).status_code, clerks))

    assert (204 in answers, set(answers) <= {204, 422}, count(db.session)) == (True, True, 150)


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
    bring(clerk, *scales(300), scale())
    job_id = job_of(db.session).id
    chosen = {"csrf_token": clerk.token, "selection": "ids", "id": str(job_id)}
    db.session.commit()
    hold()

    with waiting(do, office, job_id) as done:
        answer = Context().run(lambda: clerk.client.post("/jobs/act/cancel", data=chosen))

    assert (done.exception(), answer.status_code) == (None, 303)
    assert (job_of(db.session).state, count(db.session)) == (CANCELLED, 0)


def do(office, job_id):
    with office.app_context(), access.seeing(access.EVERYTHING):
        jobs.do(job_id)
