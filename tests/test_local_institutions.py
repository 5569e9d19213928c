"""地方机构信息: entered and kept up to date, each state readable; suspended, reinstated, closed; by sheet."""

from datetime import date
from io import BytesIO
from typing import Any

import pytest
from openpyxl import Workbook, load_workbook
from sqlalchemy import func, select

from app.access import PUBLIC, Principal, seeing
from app.domain import institution_versions, matching, proposals
from app.models import Capability, Event, Institution, InstitutionVersion, Notification, Organization, db
from app.seeding.organizations import credit_code
from app.states import (
    ACCEPTED,
    CLOSED,
    IN_SERVICE,
    OFFERED,
    PUBLISHED,
    RETURNED,
    STANDING_LABELS,
    STANDING_STEPS,
    STANDINGS,
    STEP_LABELS,
    SUSPENDED,
    UNPUBLISHED,
)
from tests.factories import (
    able_institution,
    account,
    authority,
    inspection,
    institution,
    published,
    staff_member,
    states,
    task,
    using_unit,
)
from tests.test_sheets_as_shown import columns_with_dates

CODE, OTHER_CODE = "12330100MB0000000X", "91330100799655058B"


@pytest.fixture
def office(sign_in):
    """The supervisor of 西湖区."""
    return sign_in("Supervisor", authority("330106"))


@pytest.fixture(scope="module")
def code():
    """A valid credit code of an institution."""
    return credit_code("12", "330106", 77)


def facts(**values):
    return {
        "name": "西湖区计量检定所", "region_code": "330106", "designation": "statutory", "authorization_no": "法计1",
        "authorized_by": "浙江省市场监督管理局", "authorized_from": "2026-01-01", "authorized_until": "2030-12-31",
        "service_regions": ["330106", "330105"], "legal_representative": "陈建国", "employees": 30, "verifiers": 18,
        "floor_area": 2600, "contact": "王计量", "phone": "0571-87654321", "address": "文三路1号", **values,
    }  # fmt: skip


def house(one):
    return db.session.get_one(Institution, one.id, populate_existing=True)


def suspended(**values):
    return institution(standing=SUSPENDED, standing_reason="监督检查责令停止", **values)


# --- Entering and changing -----------------------------------------------------------------------


def test_an_institution_is_entered_with_all_that_is_known_of_it(office, rows, code):
    assert office.act("local-institutions", "add", [], **facts(credit_code=code)).status_code == 204

    new = rows.scalars(select(Organization).where(Organization.credit_code == code)).one()
    about = house(new)
    assert (new.level, new.kind, about.standing) == ("county", "institution", IN_SERVICE)
    assert (about.service_regions, about.employees, about.verifiers) == (["330106", "330105"], 30, 18)
    (version,) = institution_versions.of(new.id)
    assert (version.number, version.action, version.facts["floor_area"]) == (1, "add", 2600)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"verifiers": 31}, "不能大于"),
        ({"authorized_from": "2031-01-01"}, "早于"),
        ({"region_code": "510104"}, "管辖范围"),
        ({"credit_code": "123"}, "field-error"),
        ({"phone": "abc"}, "field-error"),
        ({"service_regions": ["999999"]}, "field-error"),
        ({"name": ""}, "field-error"),
        ({"employees": "-1"}, "field-error"),
        ({"designation": "x"}, "field-error"),
    ],
)
def test_what_is_wrong_is_said_beside_its_field_and_nothing_is_entered(office, rows, code, wrong, sentence):
    before = rows.scalar(select(func.count()).select_from(Organization))

    answer = office.act("local-institutions", "add", [], **{**facts(credit_code=code), **wrong})

    assert (answer.status_code, sentence in answer.text) == (422, True)
    assert rows.scalar(select(func.count()).select_from(Organization)) == before


def test_each_change_is_kept_with_what_was_before(office, rows, code):
    one = institution(contact="王计量")
    one.credit_code = code
    rows.flush()

    for revision, contact in ((1, "李联系"), (2, "赵联系")):
        values = facts(name=one.name, credit_code=code, contact=contact, revision=revision)
        assert office.act("local-institutions", "edit", [one.id], **values).status_code == 204

    kept = institution_versions.of(one.id)
    assert [(each.number, each.action, each.facts["contact"]) for each in kept] == [
        (3, "edit", "赵联系"), (2, "edit", "李联系"), (1, "known", "王计量"),
    ]  # fmt: skip
    assert institution_versions.changes(kept[0], kept[1]) == [("contact", "李联系", "赵联系")]
    assert [each.by_name for each in kept] == ["李四", "李四", ""]
    page = office.get(f"/local-institutions/show/{one.id}").text
    assert "李联系 → 赵联系" in page
    assert "王计量" in office.open("local-institutions", "versions", [one.id]).text


def test_what_administrators_change_is_kept_as_well(sign_in, rows, code):
    one = institution()
    one.credit_code = code
    rows.flush()
    boss = sign_in("CityAdministrator", authority("3301"))

    values = facts(name="改名后的计量所", credit_code=code, revision=1)
    assert boss.act("organizations", "edit", [one.id], **values).status_code == 204

    assert [each.action for each in institution_versions.of(one.id)] == ["edit", "known"]
    assert house(one).employees is None  # not asked in that form, and so left alone


def test_what_somebody_else_changed_is_not_overwritten(office, rows, code):
    one = institution()
    one.credit_code = code
    rows.flush()

    answer = office.act("local-institutions", "edit", [one.id], **facts(credit_code=code, revision=9))

    assert answer.status_code == 422
    assert institution_versions.of(one.id) == []


def test_a_change_of_nothing_makes_no_version(office, rows, code):
    office.act("local-institutions", "add", [], **facts(credit_code=code))
    new = rows.scalars(select(Organization).where(Organization.credit_code == code)).one()

    office.act("local-institutions", "edit", [new.id], **facts(credit_code=code, revision=1))

    assert len(institution_versions.of(new.id)) == 1


# --- Standing ------------------------------------------------------------------------------------


@pytest.mark.parametrize("standing", STANDINGS)
@pytest.mark.parametrize("name", ["suspend", "reinstate", "close"])
@pytest.mark.parametrize("party", ["own", "above", "beside"])
def test_every_standing_against_every_step_and_office(sign_in, standing, name, party):
    one = institution(standing=standing, standing_reason="监督检查责令停止")
    where = {"own": "330106", "above": "33", "beside": "330105"}[party]
    person = sign_in("Supervisor", authority(where))

    person.act("local-institutions", name, [one.id], reason="监督检查责令停止", understood="y")

    step = next(step for step in STANDING_STEPS if step.name == name)
    moves = party != "beside" and standing in step.sources
    assert house(one).standing == (step.target if moves else standing)
    events = select(Event.step).where(Event.subject == "institution", Event.subject_id == one.id)
    assert db.session.scalars(events).all() == ([name] if moves else [])
    kept = [each.action for each in institution_versions.of(one.id)]
    assert kept == ([name, "known"] if moves else kept)


def test_every_standing_and_step_has_a_word():
    assert set(STANDING_LABELS) == set(STANDINGS)
    assert {step.name for step in STANDING_STEPS} <= set(STEP_LABELS)


def test_a_suspended_institution_is_offered_nothing_until_it_is_reinstated(office, rows):
    lab = able_institution(range_unit="mm")
    waiting = task(RETURNED)
    assert proposals.proposal([waiting.id]).matched == 1

    office.act("local-institutions", "suspend", [lab.id], reason="监督检查责令停止")

    assert proposals.proposal([waiting.id]).matched == 0
    assert [each.id for each in matching.candidates([waiting.id])[0]] == [
        each.id for each in rows.scalars(select(Organization).where(Organization.kind == "institution"))
        if each.id != lab.id
    ]  # fmt: skip
    forced = office.act("assignments", "assign", [waiting.id], institution_id=lab.id, reason="附近只有这一家机构能检")
    assert (forced.status_code, states(waiting)) == (422, [RETURNED])
    office.act("local-institutions", "reinstate", [lab.id])
    assert proposals.proposal([waiting.id]).matched == 1


def test_a_suspended_institution_finishes_what_it_has(sign_in, office):
    lab = institution()
    mine = task(OFFERED, to=lab)
    office.act("local-institutions", "suspend", [lab.id], reason="监督检查责令停止")

    sign_in("InstitutionClerk", lab).act("inbox", "accept", [mine.id])

    assert states(mine) == [ACCEPTED]


def test_the_institution_is_told(office, rows):
    lab = institution()
    boss = account("InstitutionApprover", lab)

    office.act("local-institutions", "suspend", [lab.id], reason="监督检查责令停止")

    (told,) = rows.scalars(select(Notification).where(Notification.account_id == boss.id))
    assert (told.kind, told.reason) == ("suspend", "监督检查责令停止")


def test_closing_is_refused_while_tasks_are_open_and_says_how_many(office):
    lab = institution(name="有任务的所")
    task(OFFERED, to=lab), task(ACCEPTED, "510104", to=lab)

    answer = office.act("local-institutions", "close", [lab.id], reason="机构已撤销建制", understood="y")

    assert (answer.status_code, house(lab).standing) == (422, IN_SERVICE)
    assert "有任务的所" in answer.text
    assert "2" in answer.text.split("有任务的所")[1][:20]


def test_closing_is_for_good(office, sign_in, rows):
    lab = institution(**published())
    person = sign_in("InstitutionClerk", lab)
    assert person.get("/inbox/").status_code == 200

    office.act("local-institutions", "close", [lab.id], reason="机构已撤销建制", understood="y")

    about = house(lab)
    assert (about.standing, about.publication, lab.active) == (CLOSED, UNPUBLISHED, False)
    assert person.get("/inbox/").status_code == 302
    for name in ("reinstate", "suspend"):
        office.act("local-institutions", name, [lab.id], reason="监督检查责令停止")
    assert house(lab).standing == CLOSED
    boss = sign_in("CityAdministrator", authority("3301"))
    assert "已注销" in boss.act("organizations", "enable", [lab.id]).text
    edited = office.act("local-institutions", "edit", [lab.id], **facts(credit_code=CODE, revision=lab.revision))
    assert edited.status_code == 422


def test_closing_wants_to_be_confirmed(office):
    lab = institution()

    assert office.act("local-institutions", "close", [lab.id], reason="机构已撤销建制").status_code == 422
    assert house(lab).standing == IN_SERVICE


@pytest.mark.parametrize("number", [1, 60])
def test_standing_costs_the_same_for_few_and_for_many(office, statements, number):
    ids = [institution().id for _ in range(number)]
    office.get("/local-institutions/")

    with statements() as seen:
        office.act("local-institutions", "suspend", ids, reason="监督检查责令停止")

    assert office.messages() == [f"已暂停 {number} 个机构。"]
    assert len(seen) <= 12


@pytest.mark.parametrize("number", [1, 60])
def test_the_list_costs_the_same_for_few_and_for_many(office, statements, number):
    for _ in range(number):
        institution()
    office.get("/local-institutions/")

    with statements() as seen:
        assert office.get("/local-institutions/?size=200").text.count("<tr data-id=") == number

    assert len(seen) <= 8


# --- Who sees it ---------------------------------------------------------------------------------


def test_neighbours_see_and_change_nothing(sign_in, rows):
    lab = institution(name="邻区的所")
    neighbour = sign_in("Supervisor", authority("5101"))

    assert neighbour.get(f"/local-institutions/show/{lab.id}").status_code == 404
    assert "邻区的所" not in neighbour.get("/local-institutions/?size=200").text
    sheet = neighbour.post("/local-institutions/export", {"selection": "all", "filter": "", "format": "csv"})
    assert "邻区的所" not in sheet.data.decode("utf-8-sig")
    for name in ("edit", "versions", "inspections"):
        assert neighbour.open("local-institutions", name, [lab.id]).status_code == 404
    for name in ("suspend", "reinstate", "close"):
        neighbour.act("local-institutions", name, [lab.id], reason="监督检查责令停止", understood="y")
    assert (house(lab).standing, lab.active, institution_versions.of(lab.id)) == (IN_SERVICE, True, [])


def test_a_using_unit_is_not_closed_by_a_forged_id(office, rows):
    unit = using_unit()

    office.act("local-institutions", "close", [unit.id], reason="机构已撤销建制", understood="y")

    assert unit.active is True


def test_an_institution_of_a_higher_level_is_not_a_countys(office, rows):
    lab = institution(name="省级的院")
    lab.level = "province"
    rows.flush()

    assert "省级的院" not in office.get("/local-institutions/").text
    office.act("local-institutions", "suspend", [lab.id], reason="监督检查责令停止")
    assert house(lab).standing == IN_SERVICE


def test_the_page_of_one_lists_what_it_has(office):
    lab = able_institution()
    staff_member(lab, "高检定")
    one = inspection(of=lab)

    page = office.get(f"/local-institutions/show/{lab.id}").text

    for part in ("水表检定装置", "高检定", one.no, "待检查", "水表"):
        assert part in page


def test_versions_are_an_institutions_own(rows):
    mine, theirs = institution(), institution()
    for each in (mine, theirs):
        institution_versions.remember([each.id])

    with seeing(Principal(kind="institution", organization_id=mine.id)):
        assert rows.scalars(select(InstitutionVersion.institution_id)).all() == [mine.id]


# --- By sheet ------------------------------------------------------------------------------------


def heads(office):
    book = load_workbook(BytesIO(office.get("/local-institutions/template").data))
    return [str(cell.value).lstrip("*") for cell in book.worksheets[0][1]]


def sheet(names, *lines):
    book = Workbook()
    page: Any = book.active
    page.append(names)
    for line in lines:
        page.append([line.get(name) for name in names])
    content = BytesIO()
    book.save(content)
    content.seek(0)
    return content, "机构.xlsx"


@pytest.fixture
def line(office, code):
    names = heads(office)
    values = [
        code, "表里的计量所", "浙江省杭州市西湖区", "依法设置", "法计9", "浙江省市场监督管理局", None,
        "2030-12-31", "浙江省杭州市西湖区；330105", "陈", 20, 12, 900, "王计量", "0571-87654321", "文三路1号",
    ]  # fmt: skip
    return dict(zip(names, values, strict=True))


def test_a_date_in_a_text_column_is_rejected(office, line):
    columns = {list(line)[at] for at in (0, 1, 2, 4, 5, 8, 9, 13, 14, 15)}

    answer = office.act(
        "local-institutions", "import", [], file=sheet(list(line), {**line, **dict.fromkeys(columns, date(2026, 3, 1))})
    )

    assert answer.status_code == 422
    assert columns_with_dates(office) == columns


def test_a_region_is_known_however_its_name_is_written(office, rows, line):
    names = list(line)
    written = {names[2]: "浙江省-杭州市－西湖区", names[8]: "浙江省 杭州市—西湖区；３３０１０５"}

    answer = office.act("local-institutions", "import", [], file=sheet(names, {**line, **written}))

    assert answer.status_code == 204, answer.text
    new = rows.scalars(select(Organization).where(Organization.name == "表里的计量所")).one()
    assert (new.region_code, house(new).service_regions) == ("330106", ["330106", "330105"])


def test_a_title_above_the_names_of_the_columns_does_no_harm(office, rows, line):
    names = list(line)

    content, name = sheet(names, line)
    book = load_workbook(content)
    page: Any = book.worksheets[0]
    page.insert_rows(1, 2)
    page.cell(1, 1).value = "机构一览"
    titled = BytesIO()
    book.save(titled)
    titled.seek(0)

    assert office.act("local-institutions", "import", [], file=(titled, name)).status_code == 204
    assert office.messages() == ["新增 1 个机构。 更新 0 个。"]


def test_a_sheet_enters_new_institutions_and_brings_known_ones_up_to_date(office, rows, line):
    known = institution(name="老所")
    known.credit_code = credit_code("12", "330106", 78)
    rows.flush()
    names = list(line)
    old = {**line, names[0]: known.credit_code, names[1]: "老所", names[10]: 30}

    answer = office.act("local-institutions", "import", [], file=sheet(names, line, old))

    assert (answer.status_code, office.messages()) == (204, ["新增 1 个机构。 更新 1 个。"])
    new = rows.scalars(select(Organization).where(Organization.name == "表里的计量所")).one()
    assert house(new).service_regions == ["330106", "330105"]
    assert house(known).employees == 30
    assert [each.action for each in institution_versions.of(known.id)] == ["edit", "known"]


@pytest.mark.parametrize(
    ("column", "value", "sentence"),
    [
        (0, "123", "统一社会信用代码"),
        (0, OTHER_CODE, "不归您维护"),
        (2, "四川省成都市锦江区", "辖区"),
        (3, "别的类型", "机构性质"),
        (8, "不存在的地方", "授权区域"),
        (11, 21, "不能大于"),
        (10, 1.5, "应为整数"),
        (14, "电话", "联系电话"),
        (1, None, "组织名称"),
    ],
)
def test_a_sheet_with_a_problem_enters_nothing_and_comes_back(office, rows, line, column, value, sentence):
    elsewhere = institution("510104")
    elsewhere.credit_code = OTHER_CODE
    rows.flush()
    before = rows.scalar(select(func.count()).select_from(Organization))
    names = list(line)

    answer = office.act("local-institutions", "import", [], file=sheet(names, {**line, names[column]: value}))

    assert (answer.status_code, sentence in answer.text) == (422, True)
    assert rows.scalar(select(func.count()).select_from(Organization)) == before


def test_the_same_institution_twice_in_a_sheet_is_refused(office, line):
    answer = office.act("local-institutions", "import", [], file=sheet(list(line), line, line))

    assert (answer.status_code, "第 2 行" in answer.text) == (422, True)


@pytest.mark.parametrize(
    ("query", "number"),
    [("", 2), ("?standing=suspended", 1), ("?standing=x", 2), ("?level=county", 2), ("?region=330106", 2),
     ("?ending=over", 0), ("?field=name&q=西湖", 1)],
)  # fmt: skip
def test_filters(office, query, number):
    institution(name="西湖所"), suspended()

    assert office.get(f"/local-institutions/{query}").text.count("<tr data-id=") == number


def test_the_public_finds_a_suspended_institution_but_nothing_it_could_verify(rows):
    lab = able_institution()
    about = house(lab)
    about.publication, about.published_at = PUBLISHED, func.now()
    rows.flush()
    with seeing(PUBLIC):
        assert len(rows.scalars(select(Capability)).all()) == 1
    about.standing, about.standing_reason = SUSPENDED, "监督检查责令停止"
    rows.flush()
    with seeing(PUBLIC):
        assert rows.scalars(select(Capability)).all() == []
        assert rows.scalars(select(Institution.organization_id)).all() == [lab.id]
