"""办理时限, and with it the kit's editing: nothing lost, nothing overwritten, nothing left dirty."""

import pytest
from sqlalchemy import select

from app.models import Deadline
from tests.factories import authority

VALUES = {
    "province_code": "510000",
    "delivery": "sent",
    "days": "15",
    "working_days": "y",
    "basis": "四川省计量条例",
}


@pytest.fixture
def admin(sign_in, rows):
    return sign_in("SystemAdministrator", authority(""))


def stored(rows, province="510000"):
    found = select(Deadline.delivery, Deadline.days, Deadline.working_days, Deadline.basis)
    return [tuple(row) for row in rows.execute(found.where(Deadline.province_code == province))]


@pytest.fixture
def chongqing(rows):
    return rows.scalars(select(Deadline).where(Deadline.province_code == "500000", Deadline.delivery == "sent")).one()


def test_add(admin, rows):
    assert admin.act("deadlines", "add", [], **VALUES).status_code == 204
    assert stored(rows) == [("sent", 15, True, "四川省计量条例")]
    assert "四川省计量条例" in admin.get("/deadlines/").text


@pytest.mark.parametrize(
    "wrong",
    [
        {"days": "0"},
        {"days": "366"},
        {"days": "many"},
        {"days": ""},
        {"basis": ""},
        {"basis": "长" * 201},
        {"delivery": "post"},
        {"province_code": "999999"},
        {"province_code": "330106"},
    ],
)
def test_what_cannot_be_is_said_and_the_rest_stays_in_the_form(admin, rows, wrong):
    answer = admin.act("deadlines", "add", [], **{**VALUES, **wrong})

    assert (answer.status_code, "is-invalid" in answer.text or "field-error" in answer.text) == (422, True)
    assert wrong.get("basis", "四川省计量条例") in answer.text
    assert stored(rows) == []


def test_the_same_again_is_refused_in_words(admin, rows):
    admin.act("deadlines", "add", [], **VALUES)

    answer = admin.act("deadlines", "add", [], **{**VALUES, "days": "9"})

    assert (answer.status_code, "已有相同的数据" in answer.text) == (422, True)
    assert stored(rows) == [("sent", 15, True, "四川省计量条例")]


def test_edit_starts_with_what_is_there_and_saves(admin, rows, chongqing):
    dialog = admin.open("deadlines", "edit", [chongqing.id]).text
    assert ('value="20"' in dialog, "重庆市计量监督管理条例" in dialog) == (True, True)

    answer = admin.act("deadlines", "edit", [chongqing.id], **{**VALUES, "province_code": "500000", "revision": "1"})

    assert answer.status_code == 204
    assert ("sent", 15, True, "四川省计量条例") in stored(rows, "500000")
    assert rows.get(Deadline, chongqing.id).revision == 2


@pytest.mark.parametrize("revision", ["0", "", "x", "2"])
def test_what_somebody_else_changed_is_not_overwritten(admin, rows, chongqing, revision):
    before = stored(rows, "500000")

    answer = admin.act(
        "deadlines", "edit", [chongqing.id], **{**VALUES, "province_code": "500000", "revision": revision}
    )

    assert (answer.status_code, "已被他人修改" in answer.text, "四川省计量条例" in answer.text) == (
        422,
        True,
        True,
    )
    assert stored(rows, "500000") == before


def test_a_refused_edit_leaves_nothing_behind(admin, rows, chongqing):
    """The edit would make a double: after the refusal, a later commit of the same person writes nothing of it."""
    before = stored(rows, "500000")
    same_as_other = {**VALUES, "province_code": "500000", "delivery": "on_site", "revision": "1"}

    assert admin.act("deadlines", "edit", [chongqing.id], **same_as_other).status_code == 422
    admin.post("/deadlines/columns", {"column": ["days"]})

    assert stored(rows, "500000") == before


def test_the_total_is_that_of_the_table(admin):
    assert 'data-total="6"' in admin.get("/deadlines/").text
    assert 'data-total="3"' in admin.get("/deadlines/?delivery=sent").text


def test_delete(admin, rows, chongqing):
    assert admin.act("deadlines", "delete", [chongqing.id]).status_code == 204
    assert [row[0] for row in stored(rows, "500000")] == ["on_site"]
    assert admin.messages() == ["已删除 1 条。"]


def test_what_is_not_there_is_not_found(admin):
    assert admin.open("deadlines", "edit", [999999]).status_code == 404
    assert admin.act("deadlines", "edit", [999999], **VALUES, revision="1").status_code == 404


def test_others_see_and_do_not_change(sign_in, rows, chongqing):
    county = sign_in("CountyAdministrator", authority("330106"))

    assert county.get("/deadlines/").status_code == 200
    for name in ("add", "edit", "delete"):
        assert county.act("deadlines", name, [chongqing.id], **VALUES, revision="1").status_code == 403
    assert "data-action" not in county.get("/deadlines/").text
