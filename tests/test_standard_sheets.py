"""社公标 in sheets: taken for changes, looked at, then changed whole or not at all; new ones imported."""

import csv
from datetime import date, datetime
from io import BytesIO, StringIO
from typing import Any

import pytest
from openpyxl import load_workbook
from sqlalchemy import func, insert, select

from app import spreadsheet
from app.domain import holidays, standard_sheets, standards
from app.models import AuditEntry, Job, MeasurementStandard, db
from app.pages.standards import MOST_CELLS, TITLES, WORDS
from app.states import ABOLISHED, APPROVED, DRAFT, EXPIRED, SEALED, SENT_BACK, SUBMITTED, SUPERSEDED
from tests.factories import FAR, authority, institution, kind, measurement_standard
from tests.test_sheets_as_shown import columns_with_dates

PRESSURE = "指示类压力表、显示类压力表"
TODAY = holidays.today()
WHOLE = {
    "issuer": "杭州市市场监督管理局", "public_issuer": "杭州市市场监督管理局", "service_area": "杭州市西湖区",
    "authorization_no": "（浙）法计00017号", "examined_by": "杭州市市场监督管理局", "category": "mechanics",
    "keeper": "王建国",
}  # fmt: skip


@pytest.fixture
def lab(rows):
    home = authority("330106")
    new = institution("330106", name="西湖区计量检定所")
    new.parent_id, home.parent_id = home.id, authority("3301").id
    db.session.flush()
    return new


@pytest.fixture
def clerk(sign_in, lab):
    return sign_in("StandardOfficer", authority("330106"))


def standard(lab, state=DRAFT, **values):
    reasons = {"reason": "测试所用原因"} if state in (SENT_BACK, SEALED, ABOLISHED) else {}
    return measurement_standard(lab, state=state, **{**WHOLE, **reasons, **values})


def title(name):
    return str(TITLES[name])


KEYS = {"id": "系统编号", "revision": "版本", "institution": "建标单位", "state": "状态"}


class Sheet:
    """A workbook whose cells are found by the system number of the row and the name of the field."""

    def __init__(self, data: bytes):
        self.book = load_workbook(BytesIO(data))
        self.page: Any = self.book.worksheets[0]

    @property
    def heads(self) -> list[str]:
        return [str(cell.value or "").lstrip("*") for cell in self.page[1]]

    def column(self, name: str) -> int:
        return self.heads.index(KEYS.get(name) or title(name)) + 1

    def row(self, one: Any) -> int:
        return next(row for row in range(2, self.page.max_row + 1) if self.page.cell(row, 1).value == str(one.id))

    def cell(self, one: Any, name: str) -> Any:
        return self.page.cell(self.row(one), self.column(name))

    def write(self, one: Any, **values: Any) -> "Sheet":
        for name, value in values.items():
            self.cell(one, name).value = value
        return self

    def file(self) -> tuple[BytesIO, str]:
        content = BytesIO()
        self.book.save(content)
        content.seek(0)
        return content, "更新表.xlsx"


def taken(person, *ones, **everything):
    answer = person.act("standards", "export_for_changes", [each.id for each in ones], **everything)
    assert answer.status_code == 204, answer.text
    url = answer.headers["HX-Trigger"].split('"url": "')[1].split('"')[0]
    return Sheet(person.get(url).data)


def send(person, sheet):
    file = sheet.file() if isinstance(sheet, Sheet) else sheet
    return person.act("standards", "import_changes", [], file=file, preview="")


def preview_of(answer):
    assert answer.status_code == 200, answer.text
    tag = next(part for part in answer.text.split("<input") if 'name="preview"' in part)
    return tag.split('value="')[1].split('"')[0]


def confirm(person, preview):
    return person.act("standards", "import_changes", [], preview=preview)


def made(person, sheet):
    """Send a sheet, look at its changes and make them."""
    answer = confirm(person, preview_of(send(person, sheet)))
    assert answer.status_code == 204, answer.text
    return person.messages()[0]


def everything():
    db.session.expire_all()
    columns = MeasurementStandard.__table__.c
    return [tuple(row) for row in db.session.execute(select(*columns).order_by(columns.id))]


def changes_of(one):
    db.session.expire_all()
    return db.session.scalars(select(MeasurementStandard).where(MeasurementStandard.replaces_id == one.id)).all()


def logged(action):
    entries = select(AuditEntry).where(AuditEntry.action == action, AuditEntry.subject == "measurement_standard")
    return [(each.subject_name, each.detail.get("rows")) for each in db.session.scalars(entries)]


# --- Taking the sheet ----------------------------------------------------------------------------


def test_every_field_that_is_told_has_a_column_and_no_two_the_same_name(rows):
    assert set(WORDS.titles) == set(standards.TOLD)
    heads = [*KEYS.values(), *map(str, WORDS.titles.values())]
    assert len(set(heads)) == len(heads)


def test_the_sheet_says_everything_in_the_words_of_the_form_and_locks_what_tells_the_rows_apart(clerk, lab):
    two = [kind().id, kind(PRESSURE).id]
    one = standard(lab, APPROVED, rank="other", kinds=two, warn_days=30, remark="=1+1", valid_until=date(2029, 2, 28))

    sheet = taken(clerk, one)

    told = {name: sheet.cell(one, name).value for name in (*KEYS, *TITLES)}
    in_words = (*KEYS, "category", "rank", "kinds", "valid_until", "warn_days", "remark")
    assert {name: told[name] for name in in_words} == {
        "id": str(one.id), "revision": "1", "institution": "西湖区计量检定所", "state": "已通过", "category": "力学",
        "rank": "次级标准", "kinds": f"{kind().name}；{PRESSURE}", "valid_until": datetime(2029, 2, 28),
        "warn_days": 30, "remark": "'=1+1",
    }  # fmt: skip
    assert sheet.page.protection.sheet
    locked = {name for name in (*KEYS, *TITLES) if sheet.cell(one, name).protection.locked}
    assert locked == set(KEYS)
    rules = {str(rule.sqref).split(":")[0]: rule.type for rule in sheet.page.data_validations.dataValidation}
    place = {name: sheet.page.cell(2, sheet.column(name)).coordinate for name in TITLES}
    ruled = ("category", "rank", "kinds", "issued_on", "warn_days", "name")
    assert {name: rules.get(place[name]) for name in ruled} == {
        "category": "list", "rank": "list", "kinds": "list", "issued_on": "date", "warn_days": "decimal", "name": None,
    }  # fmt: skip
    assert logged("export") == [("社会公用计量标准", 1)]


def test_all_that_match_are_taken_and_of_a_neighbour_nothing(clerk, lab):
    own, other = [standard(lab) for _ in range(3)], standard(institution("330105"))

    sheet = taken(clerk, selection="all", filter="state=draft", expected="3")

    assert {sheet.page.cell(row, 1).value for row in range(2, 9)} - {None} == {str(each.id) for each in own}
    assert clerk.act("standards", "export_for_changes", [other.id]).status_code == 422


def test_more_than_a_sheet_holds_is_refused_in_words(clerk, lab, monkeypatch):
    monkeypatch.setattr(standard_sheets, "MOST_ROWS", 2)
    ones = [standard(lab) for _ in range(3)]

    answer = clerk.act("standards", "export_for_changes", [each.id for each in ones])

    assert (answer.status_code, "最多 2 项" in answer.text) == (422, True)


# --- Looking at the changes ----------------------------------------------------------------------


def test_a_sheet_in_which_nothing_was_changed_changes_nothing(clerk, lab):
    bare = measurement_standard(lab, state=DRAFT)  # empty where a standard of today has something
    ones = [
        bare, standard(lab, kinds=[kind().id], remark="两行\r\n备注", warn_days=7), standard(lab, SUBMITTED),
        *(standard(lab, state, rank="highest") for state in (APPROVED, SEALED, ABOLISHED, EXPIRED)),
    ]  # fmt: skip
    before, sheet = everything(), taken(clerk, *ones)
    jobs = db.session.scalar(select(func.count()).select_from(Job))

    answer = send(clerk, sheet)

    assert (answer.status_code, "没有任何修改：7 项" in answer.text) == (200, True)
    assert everything() == before
    assert db.session.scalar(select(func.count()).select_from(Job)) == jobs
    assert "没有任何修改：7 项" in send(clerk, as_csv(csv_rows(sheet))).text


def csv_rows(sheet):
    def text(value):
        return f"{value:%Y/%m/%d}" if isinstance(value, datetime) else "" if value is None else value

    return [[text(cell.value) for cell in row] for row in sheet.page.iter_rows(max_row=sheet.page.max_row)]


def as_csv(lines, encoding="utf-8-sig"):
    file = StringIO()
    csv.writer(file).writerows(lines)
    return BytesIO(file.getvalue().encode(encoding)), "更新表.csv"


def test_every_changed_cell_is_shown_before_anything_is_changed(clerk, lab):
    one = standard(lab, name="旧<名称>", remark="旧备注", kinds=[kind().id])
    sheet = taken(clerk, one).write(one, name="新名称", warn_days=60, remark=None, kinds=None, rank="最高标准")
    before = everything()

    answer = send(clerk, sheet)

    preview_of(answer)
    assert "将修改 1 项标准，共 5 个单元格" in answer.text
    rows = [row.split("</tr>")[0] for row in answer.text.split("<tbody>")[1].split("<tr>")[1:]]
    cells = [[part.split("</td>")[0].split(">", 1)[1] for part in row.split("<td")[1:]] for row in rows]
    shown = {found: (old, new) for _row, _one, found, old, new in cells}
    assert shown == {
        title("name"): ("旧&lt;名称&gt;", "新名称"), title("rank"): ("—", "最高标准"),
        title("kinds"): (kind().name, "—"), title("warn_days"): ("—", "60"), title("remark"): ("旧备注", "—"),
    }  # fmt: skip
    assert {row[0] for row in cells} == {str(sheet.row(one))}
    assert everything() == before


def test_the_preview_tells_what_is_corrected_and_what_becomes_a_change(clerk, lab):
    drafts, passed = [standard(lab, DRAFT), standard(lab, SENT_BACK)], [standard(lab, APPROVED) for _ in range(4)]
    sheet = taken(clerk, *drafts, *passed)
    for one in (*drafts, *passed[1:]):
        sheet.write(one, keeper="李建国")

    answer = send(clerk, sheet)

    assert "直接更正 2 项；已通过审核的 3 项生成变更，经审核后生效。另有 1 项不变。" in answer.text


def test_of_very_many_cells_the_first_are_shown_with_the_number_of_all(clerk, lab):
    ones = [standard(lab) for _ in range(MOST_CELLS // 2 + 10)]
    sheet = taken(clerk, *ones)
    for one in ones:
        sheet.write(one, keeper="李建国", remark="新")

    answer = send(clerk, sheet)

    assert f"共 {MOST_CELLS + 20} 个单元格" in answer.text
    assert answer.text.count("<tr>") == MOST_CELLS + 1
    assert "另有 20 个单元格" in answer.text


# --- Making them ---------------------------------------------------------------------------------


@pytest.mark.parametrize("state", [DRAFT, SENT_BACK])
def test_what_is_being_written_is_corrected(clerk, lab, state):
    one, other = standard(lab, state, keeper="王"), standard(lab, state)
    untouched = tuple(getattr(other, name) for name in ("revision", *standards.TOLD))
    sheet = taken(clerk, one, other)
    sheet.write(one, keeper="李建国", valid_until=date(2031, 1, 31), kinds=f"{PRESSURE};{kind().name}", remark="注")

    assert made(clerk, sheet) == "已更正 1 项标准，另为有效标准新建变更 0 项。"

    db.session.expire_all()
    assert (one.state, one.keeper, one.valid_until, one.kinds, one.remark, one.revision, one.authors) == (
        state, "李建国", date(2031, 1, 31), [kind(PRESSURE).id, kind().id], "注", 2, [clerk.account.id],
    )  # fmt: skip
    assert tuple(getattr(other, name) for name in ("revision", *standards.TOLD)) == untouched
    assert logged("edit") == [("更新表.xlsx", 1)]


@pytest.mark.parametrize("state", [APPROVED, EXPIRED])
def test_of_what_is_in_force_a_change_is_written_that_goes_through_the_review(clerk, lab, sign_in, state):
    one = standard(lab, state, name="旧名称", kinds=[kind().id], warn_days=5)
    sheet = taken(clerk, one).write(one, name="新名称")

    assert made(clerk, sheet) == "已更正 0 项标准，另为有效标准新建变更 1 项。"

    (change,) = changes_of(one)
    assert (one.state, one.name, one.revision) == (state, "旧名称", 1)
    assert (change.state, change.name, change.revision, change.authors, change.institution_id) == (
        DRAFT, "新名称", 1, [clerk.account.id], lab.id,
    )  # fmt: skip
    assert standards.differences(one, change) == ["name"]
    clerk.act("standards", "submit", [change.id])
    sign_in("StandardOfficer", authority("330106")).act("standard-reviews", "pass", [change.id])
    db.session.expire_all()
    assert (one.state, one.name, change.state) == (APPROVED, "新名称", SUPERSEDED)


def test_a_change_that_is_being_written_is_gone_on_with_and_loses_nothing(clerk, lab):
    one = standard(lab, APPROVED, name="旧名称")
    sheet = taken(clerk, one)
    change = standard(
        lab, DRAFT, replaces_id=one.id, certificate_no=one.certificate_no, name="草稿", remark="草稿的备注"
    )

    made(clerk, sheet.write(one, name="新名称"))

    assert changes_of(one) == [change]
    assert (change.name, change.remark, change.revision) == ("新名称", "草稿的备注", 2)
    assert "没有任何修改" in send(clerk, sheet).text  # the same sheet once more


def test_the_sheet_of_the_change_itself_corrects_the_change(clerk, lab):
    one = standard(lab, APPROVED)
    change = standard(lab, SENT_BACK, replaces_id=one.id, certificate_no=one.certificate_no)
    sheet = taken(clerk, one, change)

    made(clerk, sheet.write(change, keeper="李"))
    db.session.expire_all()
    assert (change.keeper, one.keeper) == ("李", "王建国")

    text = send(clerk, taken(clerk, one, change).write(change, keeper="赵").write(one, keeper="钱")).text
    assert "第 2 行修改的是同一项标准" in text
    made(clerk, taken(clerk, one, change).write(one, keeper="钱"))
    db.session.expire_all()
    assert (change.keeper, one.keeper) == ("钱", "王建国")


def test_columns_and_rows_that_were_deleted_stay_as_they_are(clerk, lab):
    one, other = standard(lab, remark="留着"), standard(lab, keeper="王")
    sheet = taken(clerk, one, other).write(one, keeper="李建国")
    sheet.page.delete_rows(sheet.row(other))
    for name in ("state", "remark", "name", "kinds", "valid_until"):
        sheet.page.delete_cols(sheet.column(name))
    before = {name: getattr(one, name) for name in standards.TOLD}

    made(clerk, sheet)

    db.session.expire_all()
    assert {name: getattr(one, name) for name in standards.TOLD} == before | {"keeper": "李建国"}
    assert (other.keeper, other.revision) == ("王", 1)


def test_nothing_is_nothing_but_not_zero_and_the_rank_is_voluntary(clerk, lab):
    one = standard(lab, rank=None, warn_days=None, kinds=[])
    sheet = taken(clerk, one).write(one, keeper="李")
    made(clerk, sheet)
    db.session.expire_all()
    assert (one.rank, one.warn_days, one.kinds) == (None, None, [])

    answer = send(clerk, taken(clerk, one).write(one, warn_days=0))

    assert (answer.status_code, "1 至 1000" in answer.text) == (422, True)


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"name": None}, "请填写"),
        ({"valid_until": None}, "请填写"),
        ({"category": None}, "请填写"),
        ({"name": "长" * 101}, "100"),
        ({"valid_until": date(2001, 1, 1)}, "截止日期早于起始日期"),
        ({"public_valid_until": "明年"}, "日期"),
        ({"category": "魔法"}, "魔法"),
        ({"rank": "顶级"}, "顶级"),
        ({"kinds": "水表检定；没有的种别"}, "没有种别"),
        ({"warn_days": 1.5}, "1 至 1000"),
        ({"warn_days": 1001}, "1 至 1000"),
        ({"keeper": "李", "revision": "7"}, "已被他人修改"),
        ({"keeper": "李", "institution": "别的所"}, "错位"),
        ({"id": "999999999"}, "没有此系统编号"),
        ({"id": "x"}, "没有此系统编号"),
        ({"id": None}, "系统编号"),
        ({"institution": None}, "建标单位"),
    ],
    ids=str,
)
def test_a_sheet_with_a_problem_changes_nothing_and_comes_back_with_it(clerk, lab, told, words):
    one, good = standard(lab), standard(lab)
    sheet = taken(clerk, one, good).write(good, keeper="好的修改")
    row = sheet.row(one)
    sheet.write(one, **dict(sorted(told.items(), key=lambda pair: pair[0] == "id")))
    before = everything()

    answer = send(clerk, sheet)

    assert (answer.status_code, words in answer.text) == (422, True), answer.text
    assert f"第 {row} 行" in answer.text
    assert everything() == before
    job = db.session.scalars(select(Job).order_by(Job.id.desc()).limit(1)).one()
    back = load_workbook(BytesIO(clerk.get(f"/jobs/file/{job.id}").data)).worksheets[0]
    assert words in str(back.cell(row, 1).value)
    assert [back.cell(other, 1).value for other in range(2, 4) if other != row] == [None]


@pytest.mark.parametrize("state", [SUBMITTED, SEALED, ABOLISHED, SUPERSEDED])
def test_what_cannot_be_edited_by_the_form_cannot_by_a_sheet(clerk, lab, state):
    values = {"replaces_id": standard(lab, APPROVED).id} if state == SUPERSEDED else {}
    one = standard(lab, state, **values)
    before = everything()

    answer = send(clerk, taken(clerk, one).write(one, keeper="李"))

    assert (answer.status_code, "不能编辑" in answer.text) == (422, True), answer.text
    assert everything() == before


def test_a_change_under_review_is_recalled_first(clerk, lab):
    one = standard(lab, APPROVED)
    standard(lab, SUBMITTED, replaces_id=one.id, certificate_no=one.certificate_no)

    answer = send(clerk, taken(clerk, one).write(one, keeper="李"))

    assert (answer.status_code, "收回" in answer.text) == (422, True), answer.text


def test_rows_that_are_not_ones_own_or_stand_there_twice_are_refused(clerk, lab, sign_in):
    far = institution("330105", name="拱墅区计量检定所")
    own, foreign = standard(lab), standard(far)
    theirs = taken(sign_in("StandardOfficer", authority("330105")), foreign).write(foreign, keeper="越权")

    assert "没有此系统编号" in send(clerk, theirs).text

    twice = taken(clerk, own)
    twice.page.append([cell.value for cell in twice.page[2]])
    assert "该标准与第 2 行重复" in send(clerk, twice).text
    db.session.expire_all()
    assert foreign.keeper == "王建国"


def test_a_certificate_number_stands_for_one_standard_of_an_institution(clerk, lab, sign_in):
    a, b, c = (standard(lab, certificate_no=no) for no in ("甲", "乙", "丙"))
    neighbour = institution("330106", name="邻所")
    other = standard(neighbour, certificate_no="丁")

    text = send(clerk, taken(clerk, a, b).write(a, certificate_no="戊").write(b, certificate_no="戊")).text
    assert "证书编号重复" in text
    text = send(clerk, taken(clerk, a).write(a, certificate_no="丙")).text
    assert "已有使用此编号的标准" in text

    made(
        clerk,
        taken(clerk, a, b, c).write(a, certificate_no="乙").write(b, certificate_no="甲").write(c, certificate_no="丁"),
    )

    db.session.expire_all()
    assert [each.certificate_no for each in (a, b, c, other)] == ["乙", "甲", "丁", "丁"]


def test_numbers_that_were_there_twice_before_keep_nobody_from_changing_something_else(clerk, lab):
    one, _other = standard(lab, certificate_no="旧号"), standard(lab, certificate_no="旧号")

    made(clerk, taken(clerk, one).write(one, keeper="李"))

    db.session.expire_all()
    assert one.keeper == "李"


# --- Between looking and making ------------------------------------------------------------------


def test_what_was_changed_between_looking_and_making_is_found(clerk, lab):
    one = standard(lab)
    preview = preview_of(send(clerk, taken(clerk, one).write(one, keeper="李")))
    one.revision, one.keeper = 2, "赵"
    db.session.flush()

    answer = confirm(clerk, preview)

    assert (answer.status_code, "已被他人修改" in answer.text) == (422, True)
    db.session.expire_all()
    assert one.keeper == "赵"


def test_what_comes_out_otherwise_than_it_was_looked_at_is_shown_again(clerk, lab):
    one = standard(lab, APPROVED, keeper="王")
    preview = preview_of(send(clerk, taken(clerk, one).write(one, keeper="李")))
    change = standard(lab, DRAFT, replaces_id=one.id, certificate_no=one.certificate_no, keeper="别人的草稿")

    answer = confirm(clerk, preview)

    again = preview_of(answer)
    assert "请重新核对" in answer.text
    assert "别人的草稿" in answer.text
    db.session.expire_all()
    assert change.keeper == "别人的草稿"
    assert confirm(clerk, again).status_code == 204
    db.session.expire_all()
    assert change.keeper == "李"


def test_a_preview_is_its_persons_own_and_good_for_one_time(clerk, lab, sign_in):
    one = standard(lab)
    preview = preview_of(send(clerk, taken(clerk, one).write(one, keeper="李")))
    colleague = sign_in("StandardOfficer", authority("330106"))

    for person, id in ((colleague, preview), (clerk, "0"), (clerk, "../x"), (clerk, "9" * 30), (clerk, "")):
        answer = confirm(person, id)
        assert (answer.status_code, "请重新选择文件" in answer.text) == (422, True), id
        assert db.session.scalar(select(MeasurementStandard.keeper).where(MeasurementStandard.id == one.id)) == "王建国"

    assert confirm(clerk, preview).status_code == 204
    assert confirm(clerk, preview).status_code == 422
    db.session.expire_all()
    assert (one.keeper, one.revision) == ("李", 2)


def test_a_job_of_another_kind_is_no_preview(clerk, lab):
    taken(clerk, standard(lab))
    job = db.session.scalars(select(Job).order_by(Job.id.desc()).limit(1)).one()

    assert confirm(clerk, str(job.id)).status_code == 422


@pytest.mark.parametrize("role", ["Analyst", "PublicationOfficer", "AssignmentOfficer"])
def test_who_enters_no_standards_sends_no_sheets(sign_in, clerk, lab, role):
    person, one = sign_in(role, authority("330106")), standard(lab)
    sheet = taken(clerk, one).write(one, keeper="李")

    assert send(person, sheet).status_code == 403
    assert person.act("standards", "export_for_changes", [one.id]).status_code == 403
    assert person.act("standards", "import", [], file=sheet.file()).status_code == 403


# --- New ones ------------------------------------------------------------------------------------

LINE: dict[str, Any] = {
    "name": "0.05级数字压力计标准装置", "code": "12216000", "category": "力学", "rank": None,
    "measuring_range": "(-0.1～60)MPa", "uncertainty": "0.05级", "keeper": "王建国", "kinds": PRESSURE,
    "certificate_no": "[2024]浙量标法证字第0017号", "issuer": "杭州市市场监督管理局", "issued_on": "2024-03-01",
    "valid_until": date(2029, 2, 28), "examined_by": "杭州市市场监督管理局", "examined_with": None,
    "public_certificate_no": "[2024]浙社量标证字第0017号", "public_issuer": "杭州市市场监督管理局",
    "public_issued_on": "2024-03-15", "public_valid_until": "20290228", "service_area": "杭州市西湖区",
    "authorization_no": "（浙）法计00017号", "warn_days": 30, "remark": None,
}  # fmt: skip


def filled(clerk, *lines):
    """The template with lines in it."""
    sheet = Sheet(clerk.get("/standards/template").data)
    names = {title(name): name for name in TITLES} | {"建标单位": "institution"}
    for line in lines:
        sheet.page.append([{"institution": "西湖区计量检定所", **line}[names[head]] for head in sheet.heads])
    return sheet


def imported(clerk, *lines):
    return clerk.act("standards", "import", [], file=filled(clerk, *lines).file())


def count():
    return db.session.scalar(select(func.count()).select_from(MeasurementStandard)) or 0


def test_a_date_in_a_text_column_is_rejected(clerk, lab):
    names = {"name", "code", "measuring_range", "uncertainty", "keeper", "certificate_no", "issuer", "remark"}

    assert imported(clerk, LINE | dict.fromkeys(names, TODAY)).status_code == 422

    assert columns_with_dates(clerk) == {title(name) for name in names}
    assert count() == 0


def test_a_date_in_a_text_column_of_a_change_is_rejected(clerk, lab):
    one = standard(lab)

    answer = send(clerk, taken(clerk, one).write(one, measuring_range=TODAY, uncertainty=TODAY))

    assert answer.status_code == 422
    assert columns_with_dates(clerk) == {title("measuring_range"), title("uncertainty")}


def test_a_title_above_the_names_of_the_columns_does_no_harm(clerk, lab):
    new, one = filled(clerk, LINE), standard(lab)
    changed = taken(clerk, one).write(one, uncertainty="U=0.1%")
    for sheet in (new, changed):
        sheet.page.insert_rows(1, 2)
        sheet.page.cell(1, 1).value = "社会公用计量标准一览"
    before = count()

    assert clerk.act("standards", "import", [], file=new.file()).status_code == 204
    assert "U=0.1%" in send(clerk, changed).text
    assert count() == before + 1


def test_the_template_asks_for_everything_and_offers_ones_own_institutions(clerk, lab):
    institution("330105", name="邻区的所")

    sheet = filled(clerk)

    assert sheet.heads == ["建标单位", *map(str, WORDS.titles.values())]
    stars = {str(cell.value).lstrip("*") for cell in sheet.page[1] if str(cell.value).startswith("*")}
    assert stars == {"建标单位", *map(title, standards.MANDATORY)}
    offered = {cell.value for cell in sheet.book.worksheets[-1]["A"]}
    assert "西湖区计量检定所" in offered
    assert "邻区的所" not in offered
    assert not sheet.page.protection.sheet


@pytest.mark.parametrize("written", ["谷物【粮食】水分测定仪", "谷物 (粮食)水分测定仪", "谷物（粮食）水分-测定仪"])
def test_a_kind_is_known_however_its_name_is_written(clerk, lab, written):
    assert imported(clerk, {**LINE, "kinds": written}).status_code == 204

    new = db.session.scalars(select(MeasurementStandard).order_by(MeasurementStandard.id.desc()).limit(1)).one()
    assert new.kinds == [kind("谷物（粮食）水分测定仪").id]


def test_a_sheet_enters_drafts(clerk, lab):
    before = count()

    answer = imported(clerk, LINE, {**LINE, "certificate_no": "第二", "kinds": f"{PRESSURE}\n{kind().name}"})

    assert (answer.status_code, clerk.messages()) == (204, ["已导入 2 项社会公用计量标准，状态为未审核。"])
    new = db.session.scalars(select(MeasurementStandard).order_by(MeasurementStandard.id.desc()).limit(2)).all()[::-1]
    assert count() == before + 2
    assert [(each.state, each.institution_id, each.authors, each.revision) for each in new] == [
        (DRAFT, lab.id, [clerk.account.id], 1)
    ] * 2
    assert (new[0].name, new[0].issued_on, new[0].public_valid_until, new[0].kinds, new[0].rank, new[0].remark) == (
        LINE["name"], date(2024, 3, 1), date(2029, 2, 28), [kind(PRESSURE).id], None, None,
    )  # fmt: skip
    assert new[1].kinds == [kind(PRESSURE).id, kind().id]
    assert logged("import") == [("更新表.xlsx", 2)]


@pytest.mark.parametrize("name", standards.MANDATORY)
def test_each_mandatory_column_is_asked_for(clerk, lab, name):
    before = count()

    answer = imported(clerk, {**LINE, "certificate_no": "好的一行"}, {**LINE, name: None})

    assert (answer.status_code, f"“{title(name)}”" in answer.text, "第 3 行" in answer.text) == (422, True, True)
    assert count() == before


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"institution": "邻区的所"}, "邻区的所"),
        ({"institution": None}, "建标单位"),
        ({"valid_until": "2023-01-01"}, "截止日期早于起始日期"),
        ({"name": "长" * 101}, "100"),
        ({"kinds": "没有的种别"}, "没有种别"),
        ({"warn_days": 2.5}, "1 至 1000"),
        ({"rank": "顶级"}, "顶级"),
    ],
    ids=str,
)
def test_a_row_with_a_problem_enters_nothing_and_comes_back(clerk, lab, told, words):
    institution("330105", name="邻区的所")
    before = count()

    answer = imported(clerk, {**LINE, "certificate_no": "好的一行"}, {**LINE, **told})

    assert (answer.status_code, words in answer.text, "第 3 行" in answer.text) == (422, True, True), answer.text
    assert count() == before
    job = db.session.scalars(select(Job).order_by(Job.id.desc()).limit(1)).one()
    back = load_workbook(BytesIO(clerk.get(f"/jobs/file/{job.id}").data)).worksheets[0]
    assert words in str(back["A3"].value)
    assert back["A2"].value is None
    mended = [cell.value for cell in back[2]][1:]
    assert mended[0] == "西湖区计量检定所"


def test_numbers_of_certificates_twice_in_the_sheet_or_already_there_are_refused(clerk, lab):
    neighbour = institution("330106", name="邻所")
    standard(lab, APPROVED, certificate_no="已有")
    before = count()

    text = imported(clerk, LINE, {**LINE, "certificate_no": "已有"}, LINE).text

    assert "已有使用此编号的标准" in text
    assert "与第 2 行的证书编号重复" in text
    assert count() == before
    assert imported(clerk, LINE, {**LINE, "institution": "邻所"}).status_code == 204
    assert imported(clerk, LINE).status_code == 422  # the same sheet once more
    assert db.session.scalar(select(func.count()).where(MeasurementStandard.institution_id == neighbour.id)) == 1


@pytest.mark.parametrize("encoding", ["utf-8-sig", "gb18030"])
def test_a_csv_is_taken_too(clerk, lab, encoding):
    lines = [["建标单位", *map(str, WORDS.titles.values())]]
    lines.append(["西湖区计量检定所", *(LINE[name] or "" for name in WORDS.titles)])

    assert clerk.act("standards", "import", [], file=as_csv(lines, encoding)).status_code == 204


# --- Many ----------------------------------------------------------------------------------------


def enter_many(lab, number, state):
    told = {**WHOLE, "name": "水表检定装置", "code": "12315000", "institution_id": lab.id, "state": state,
            "valid_until": FAR, "public_valid_until": FAR, "issued_on": TODAY, "public_issued_on": TODAY,
            "measuring_range": "0～1", "uncertainty": "1级", "kinds": [kind().id]}  # fmt: skip
    ones = [told | {"certificate_no": f"{state}{n}", "public_certificate_no": f"社{n}"} for n in range(number)]
    new = insert(MeasurementStandard).returning(MeasurementStandard.id)
    return list(db.session.scalars(new, ones))


def changed(data, **told):
    """The sheet as CSV with other values in each row; a certificate number has that of its row behind it."""
    incoming = spreadsheet.read(BytesIO(data), "x.xlsx", most_rows=5000)
    heads = [head.lstrip("*") for head in incoming.headers]
    columns = {heads.index(title(name)): value for name, value in told.items()}
    lines = [heads]
    for number, values in incoming.rows:
        new = {
            at: f"{value}{number}" if at == heads.index(title("certificate_no")) else value
            for at, value in columns.items()
        }
        lines.append([new.get(at, "" if value is None else value) for at, value in enumerate(values)])
    return as_csv(lines)


def all_taken(person, number):
    answer = person.act("standards", "export_for_changes", [], selection="all", filter="", expected=str(number))
    url = answer.headers["HX-Trigger"].split('"url": "')[1].split('"')[0]
    return person.get(url).data


def new_lines(number):
    lines = [["建标单位", *map(str, WORDS.titles.values())]]
    for row in range(number):
        line = {**LINE, "certificate_no": f"新{row}"}
        lines.append(["西湖区计量检定所", *(line[name] or "" for name in WORDS.titles)])
    return as_csv(lines)


@pytest.mark.parametrize("number", [1, 50])
def test_a_sheet_costs_the_same_statements_whatever_its_rows(clerk, lab, statements, number):
    enter_many(lab, number, DRAFT)
    enter_many(lab, number, APPROVED)

    with statements() as taking:
        data = all_taken(clerk, 2 * number)
    with statements() as looking:
        answer = send(clerk, changed(data, keeper="李", certificate_no="改", kinds=PRESSURE))
    with statements() as making:
        assert confirm(clerk, preview_of(answer)).status_code == 204
    with statements() as importing:
        assert clerk.act("standards", "import", [], file=new_lines(number)).status_code == 204

    assert (len(taking), len(looking), len(making), len(importing)) == (19, 10, 14, 11)
    assert count() == 4 * number


def test_five_thousand_in_one_sheet(clerk, lab):
    drafts, approved = enter_many(lab, 2500, DRAFT), enter_many(lab, 2500, APPROVED)

    data = all_taken(clerk, 5000)
    assert made(clerk, changed(data, keeper="李", certificate_no="改")) == (
        "已更正 2500 项标准，另为有效标准新建变更 2500 项。"
    )

    db.session.expire_all()
    written = select(func.count()).where(MeasurementStandard.keeper == "李", MeasurementStandard.state == DRAFT)
    assert db.session.scalar(written.where(MeasurementStandard.id.in_(drafts))) == 2500
    assert db.session.scalar(written.where(MeasurementStandard.replaces_id.in_(approved))) == 2500
    numbers = select(func.count(func.distinct(MeasurementStandard.certificate_no))).where(
        MeasurementStandard.keeper == "李"
    )
    assert db.session.scalar(numbers) == 5000

    before = count()
    assert clerk.act("standards", "import", [], file=new_lines(5000)).status_code == 204
    assert count() == before + 5000
    assert clerk.act("standards", "import", [], file=new_lines(5001)).status_code == 422


@pytest.mark.parametrize("action", ["import", "import_changes"])
@pytest.mark.parametrize(
    ("content", "name"), [(b"", "x.xlsx"), (b"PK\x03\x04", "x.xlsx"), (b"MZ", "x.exe"), ("列\n值\n".encode(), "x.csv")]
)
def test_what_is_no_such_sheet_is_refused_beside_the_field(clerk, lab, action, content, name):
    answer = clerk.act("standards", action, [], file=(BytesIO(content), name), preview="")

    assert (answer.status_code, "field-error" in answer.text) == (422, True)


def test_the_dialogs_say_what_to_do(clerk, lab):
    one = standard(lab)
    assert "/standards/template" in clerk.open("standards", "import", []).text
    assert "修改后的更新表" in clerk.open("standards", "import_changes", []).text
    assert "更新导入" in clerk.open("standards", "export_for_changes", [one.id]).text
    nothing = clerk.act("standards", "import", [])
    assert (nothing.status_code, "请选择文件" in nothing.text) == (422, True)
