"""强制检定器具目录: added, changed by dated versions, confirmed, published; kept by the nation alone."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select

from app.domain import holidays
from app.models import CatalogueItem, db
from app.states import PUBLISHED, UNPUBLISHED
from tests.factories import authority, instrument, kind

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
        ({"valid_from": (TODAY + timedelta(days=1)).isoformat()}, "不能晚于今天"),
        ({"valid_from": "2019-01-01"}, "不能早于该日"),
        ({"supervision": "X"}, "监管方式"),
        ({"verification_mode": ""}, "请填写强检方式"),
        ({"name": " "}, "名称"),
        ({"revision": "99"}, "已被他人"),
    ],
    ids=str,
)
def test_what_does_not_fit_is_refused(officer, rows, changed, words):
    item = kind()
    fields = {**form(name=item.name, cycle_months="6", revision=str(item.revision)), **changed}

    answer = officer.act("catalogue", "edit", [item.id], **fields)

    assert answer.status_code == 422, words
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
    assert (len(ids), len(seen)) == (101, 5)
