"""强制检定器具目录: added, changed by dated versions, confirmed, published; kept by the nation alone."""

from datetime import timedelta
from io import BytesIO
from typing import Any

import openpyxl
import pytest
from sqlalchemy import func, select

from app import access
from app.domain import catalogue, clockwork, holidays
from app.models import AnnouncedChange, CatalogueItem, db
from app.states import PUBLISHED, UNPUBLISHED
from tests.factories import authority, instrument, kind
from tests.test_sheets_as_shown import columns_with_dates

TODAY = holidays.today()


@pytest.fixture
def officer(sign_in):
    return sign_in("CatalogueOfficer", authority(""))


def form(**changed):
    return {
        "name": "新种别", "valid_from": TODAY.isoformat(), "supervision": "V", "verification_mode": "周期检定",
        "cycle_months": "12", "range_units": "kg；g", "accuracy_classes": "Ⅲ级;Ⅱ级", "scope": "用于贸易结算", **changed,
    }  # fmt: skip


def newest():
    return db.session.scalars(select(CatalogueItem).order_by(CatalogueItem.id.desc()).limit(1)).one()


def test_nothing_ticked_adds_a_category_a_ticked_category_a_kind(officer):
    assert officer.act("catalogue", "add", [], name="新项别", valid_from=TODAY.isoformat()).status_code == 204
    category = newest()
    assert (category.level, category.name, category.parent_id) == (1, "新项别", None)

    assert officer.act("catalogue", "add", [category.id], **form()).status_code == 204

    new = newest()
    assert (new.level, new.parent_id, new.cycle_months, new.range_units) == (2, category.id, 12, ["kg", "g"])
    assert new.confirmed_at is not None


def test_below_a_kind_nothing_is_added(officer, rows):
    before = rows.scalar(select(func.count()).select_from(CatalogueItem))

    assert officer.act("catalogue", "add", [kind().id], **form()).status_code == 422
    assert rows.scalar(select(func.count()).select_from(CatalogueItem)) == before


def test_a_change_makes_a_version_and_the_item_stays_who_it_is(officer, rows):
    item, what = kind(), instrument()
    began = item.valid_from
    fields = form(name=item.name, cycle_months="6", revision=str(item.revision))

    assert officer.act("catalogue", "edit", [item.id], **fields).status_code == 204

    rows.expire_all()
    assert (item.cycle_months, item.valid_from, item.valid_until) == (6, TODAY, None)
    then = rows.scalars(select(CatalogueItem).where(CatalogueItem.valid_until.is_not(None))).one()
    assert (then.number, then.cycle_months, then.valid_from) == (item.number, None, began)
    assert then.valid_until == TODAY - timedelta(days=1)
    assert what.catalogue_item_id == item.id
    assert "历史版本" in officer.get("/catalogue/").text
    assert f'data-id="{then.id}"' not in officer.get("/catalogue/?size=200").text
    assert f'data-id="{then.id}"' in officer.get("/catalogue/?version=old").text


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"valid_from": (TODAY + timedelta(days=4000)).isoformat()}, "未来十年以内"),
        ({"valid_from": "2019-01-01"}, "现行版本自"),
        ({"supervision": "X"}, "监管方式"),
        ({"verification_mode": ""}, "请填写强检方式"),
        ({"name": " "}, "请填写名称"),
        ({"revision": "99"}, "已被他人"),
    ],
    ids=str,
)
def test_what_does_not_fit_is_refused(officer, rows, changed, words):
    item = kind()
    fields = {**form(name=item.name, cycle_months="6", revision=str(item.revision)), **changed}

    answer = officer.act("catalogue", "edit", [item.id], **fields)

    assert answer.status_code == 422
    assert words in answer.text
    rows.expire_all()
    assert (item.cycle_months, item.revision) == (None, 1)


def test_what_is_confirmed_is_published_with_its_category_and_a_category_takes_its_kinds_back(officer, rows):
    item = kind()

    officer.act("catalogue", "publish", [item.id])
    rows.expire_all()
    assert item.publication == UNPUBLISHED
    for ids in ([item.id], [item.parent_id]):
        officer.act("catalogue", "confirm", ids)
    officer.act("catalogue", "publish", [item.id])
    rows.expire_all()
    category = db.session.get_one(CatalogueItem, item.parent_id)
    assert (item.publication, category.publication) == (PUBLISHED, PUBLISHED)
    assert item.published_at is not None

    assert "1 个种别将一并撤销" in officer.open("catalogue", "revoke", [item.parent_id]).text
    officer.act("catalogue", "revoke", [item.parent_id], reason="目录调整，暂停公示")
    rows.expire_all()
    assert (item.publication, category.publication) == (UNPUBLISHED, UNPUBLISHED)


@pytest.mark.parametrize("role", ["PublicationOfficer", "Supervisor", "Analyst"])
def test_others_look_and_change_nothing(sign_in, role):
    person = sign_in(role, authority("33"))

    assert person.get("/catalogue/").status_code == 200
    for name in ("add", "edit", "publish", "revoke", "confirm"):
        assert person.act("catalogue", name, [kind().id], **form(reason="目录调整")).status_code == 403


def test_the_tree_stands_in_its_order_and_costs_the_same_statements(officer, statements):
    with statements() as seen:
        page = officer.get("/catalogue/?size=200").text

    ids = [int(part.split('"')[0]) for part in page.split('<tr data-id="')[1:]]
    items = {each.id: each for each in db.session.scalars(select(CatalogueItem))}
    above = 0
    for id in ids:
        if items[id].level == 1:
            above = id
        else:
            assert items[id].parent_id == above
    assert (len(ids), len(seen)) == (101, 6)


# --- What begins on a day to come ----------------------------------------------------------------


def announce(officer, item, from_day, **changed):
    fields = form(name=item.name, supervision=item.supervision, revision=str(item.revision), **changed)
    return officer.act("catalogue", "edit", [item.id], **{**fields, "valid_from": from_day.isoformat()})


def test_a_change_of_a_day_to_come_is_announced_and_made_by_the_clock_when_the_day_begins(officer, rows, monkeypatch):
    item, tomorrow = kind(), TODAY + timedelta(days=1)
    began = item.valid_from
    assert announce(officer, item, tomorrow, cycle_months="6").status_code == 204
    rows.expire_all()
    assert (item.cycle_months, item.valid_from) == (None, began)
    assert f'data-id="{item.id}"' in officer.get("/catalogue/?announced=yes").text
    assert "已预告" in officer.get(f"/catalogue/show/{item.id}").text
    assert clockwork.run(TODAY, access.EVERYTHING)["announced"] == 0

    monkeypatch.setattr(holidays, "today", lambda: tomorrow)
    assert clockwork.run(tomorrow, access.EVERYTHING)["announced"] == 1
    assert clockwork.run(tomorrow, access.EVERYTHING)["announced"] == 0

    rows.expire_all()
    assert (item.cycle_months, item.valid_from) == (6, tomorrow)
    then = rows.scalars(select(CatalogueItem).where(CatalogueItem.valid_until == TODAY)).one()
    assert (then.number, then.cycle_months, then.valid_from) == (item.number, None, began)


@pytest.mark.parametrize("ahead", [0, 1], ids=["today", "tomorrow"])
def test_what_changes_nothing_is_not_called_saved_or_announced(officer, rows, ahead):
    item = kind()
    same = {"range_units": ";".join(item.range_units), "accuracy_classes": ";".join(item.accuracy_classes)}
    same |= {
        "scope": item.scope,
        "verification_mode": item.verification_mode,
        "cycle_months": "",
        "cycle_note": item.cycle_note,
    }

    announce(officer, item, TODAY + timedelta(days=ahead), **same)

    assert officer.messages() == ["与现行版本没有差异，未作修改。"]
    assert rows.scalars(select(AnnouncedChange)).all() == []


def test_what_is_announced_changes_only_what_was_said(officer, rows, monkeypatch):
    item, tomorrow = kind(), TODAY + timedelta(days=1)
    same = {"range_units": ";".join(item.range_units), "accuracy_classes": ";".join(item.accuracy_classes)}
    same |= {"scope": item.scope, "verification_mode": item.verification_mode}
    announce(officer, item, tomorrow, cycle_months="6", **same)
    rows.expire_all()
    announce(officer, item, TODAY, **{**same, "cycle_months": "", "scope": "现行范围"})

    monkeypatch.setattr(holidays, "today", lambda: tomorrow)
    clockwork.run(tomorrow, access.EVERYTHING)

    rows.expire_all()
    assert (item.cycle_months, item.scope) == (6, "现行范围")


def test_another_announcement_takes_the_place_of_the_first_and_none_comes_if_withdrawn(officer, rows):
    item = kind()
    announce(officer, item, TODAY + timedelta(days=9), cycle_months="6")
    rows.expire_all()
    announce(officer, item, TODAY + timedelta(days=5), cycle_months="3")
    rows.expire_all()
    assert rows.scalars(select(AnnouncedChange.valid_from)).all() == [TODAY + timedelta(days=5)]

    assert officer.act("catalogue", "withdraw_announced", [item.id]).status_code == 204
    assert rows.scalars(select(AnnouncedChange)).all() == []


def test_a_new_kind_cannot_be_chosen_before_its_day(officer, rows, monkeypatch):
    category, tomorrow = kind().parent_id, TODAY + timedelta(days=1)
    officer.act("catalogue", "add", [category], **form(valid_from=tomorrow.isoformat()))
    new = newest()

    assert (catalogue.kind(new.id), new.id in [each.id for each in catalogue.children(category)]) == (None, False)
    monkeypatch.setattr(holidays, "today", lambda: tomorrow)
    assert catalogue.kind(new.id) is new
    assert new.id in [each.id for each in catalogue.children(category)]


# --- By sheet ------------------------------------------------------------------------------------


def taken(officer):
    return openpyxl.load_workbook(BytesIO(officer.get("/catalogue/sheet").data))


def send(officer, book, **fields):
    file = BytesIO()
    book.save(file)
    file.seek(0)
    return officer.act("catalogue", "import", [], file=(file, "目录.xlsx"), valid_from=TODAY.isoformat(), **fields)


def row_of(page, item):
    return next(row for row in range(2, page.max_row + 1) if page.cell(row, 1).value == str(item.id))


def test_the_sheet_taken_and_sent_back_changes_nothing(officer, rows):
    before = rows.execute(select(CatalogueItem.id, CatalogueItem.revision).order_by(CatalogueItem.id)).all()

    answer = send(officer, taken(officer))

    assert answer.status_code == 204

    assert rows.execute(select(CatalogueItem.id, CatalogueItem.revision).order_by(CatalogueItem.id)).all() == before
    assert "新增 0 条，变更 0 条" in officer.messages()[0]


def test_a_title_above_the_names_of_the_columns_does_no_harm(officer, rows):
    book = taken(officer)
    page: Any = book.worksheets[0]
    page.insert_rows(1, 2)
    page.cell(1, 1).value = "强制检定器具目录"

    answer = send(officer, book)

    assert answer.status_code == 204
    assert "新增 0 条，变更 0 条" in officer.messages()[0]


def test_a_date_in_a_text_column_is_rejected(officer, rows):
    book = taken(officer)
    page: Any = book.worksheets[0]
    names = {"强检方式", "周期说明", "测量范围单位", "常用准确度等级", "强检范围及说明"}
    for column, head in enumerate(page[1], 1):
        if str(head.value).strip("*") in names:
            page.cell(3, column).value = TODAY

    assert send(officer, book).status_code == 422
    assert columns_with_dates(officer) == names


def test_a_sheet_changes_what_is_changed_in_it_and_adds_what_is_new(officer, rows):
    item, book = kind(), taken(officer)
    page = book.worksheets[0]
    page.cell(row_of(page, item), 6, 9)
    page.append([None, "新项别"])
    page.append([None, "新项别", "新种别", "V", "周期检定", 12, None, "kg；g", None, "用于贸易结算"])

    assert send(officer, book).status_code == 204, officer.messages()

    rows.expire_all()
    new = newest()
    assert (item.cycle_months, item.valid_from) == (9, TODAY)
    assert (new.name, new.level, new.cycle_months, new.range_units) == ("新种别", 2, 12, ["kg", "g"])
    assert db.session.get_one(CatalogueItem, new.parent_id).name == "新项别"


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        (1, "999999", "没有该条目"),
        (3, None, "不能改为"),
        (4, "X", "监管方式"),
        (5, None, "请填写强检方式"),
        (6, 1.5, "1 至 240"),
        (6, "很久", "应为数字"),
        (10, "长" * 501, "500"),
        (11, "77", "已被他人修改"),
    ],
)
def test_a_sheet_with_a_problem_changes_nothing_and_comes_back_with_it(officer, rows, column, value, words):
    item, book = kind(), taken(officer)
    page = book.worksheets[0]
    page.append([None, "新项别"])
    row = row_of(page, item)
    page.cell(row, column).value = value

    answer = send(officer, book)

    assert answer.status_code == 422
    assert words in answer.text, answer.text
    assert str(row) in answer.text
    assert rows.scalar(select(func.count()).where(CatalogueItem.name == "新项别")) == 0


def test_the_same_entry_twice_and_a_kind_below_nothing_are_refused(officer):
    book = taken(officer)
    page = book.worksheets[0]
    page.append([cell.value for cell in page[2]])
    page.append([None, "没有的项别", "新种别", "V", "周期检定"])

    text = send(officer, book).text

    assert "与第 2 行重复" in text
    assert "没有项别“没有的项别”" in text


def test_others_take_the_sheet_but_do_not_send_it(sign_in, officer):
    person = sign_in("PublicationOfficer", authority("33"))
    book = taken(person)

    assert send(person, book).status_code == 403
