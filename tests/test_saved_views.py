"""Saved views: of one's own, shared in the own organization, seen by nobody else; and lists of numbers pasted."""

import csv
import io
import re
from urllib.parse import quote

import pytest
from sqlalchemy import select

from app import access
from app.access import Principal
from app.fabkit import number_lists, saved_views
from app.models import NumberList, SavedView
from app.states import CERTIFIED
from tests.factories import account, authority, certificate, instrument, task

URL = "/queries/instruments"


@pytest.fixture
def analyst(sign_in, rows):
    return sign_in("Analyst", authority("3301"))


def ids(page):
    return [int(found) for found in re.findall(r'data-id="(\d+)"', page.text)]


def heads(page):
    return re.findall(r'<th scope="col"[^>]*>(?:<a[^>]*>)?([^<]+)', page.text)


def save(person, name="在用医疗器具", address="purpose=medical", **fields):
    return person.post(f"{URL}/views", {"name": name, "address": address, **fields}, headers={"HX-Request": "true"})


def saved(rows):
    return rows.scalars(select(SavedView).order_by(SavedView.id)).all()


# --- Saving and opening --------------------------------------------------------------------------


def test_a_view_holds_filters_order_and_columns(analyst, rows):
    instrument()
    medical = instrument(purpose="medical")
    analyst.post(f"{URL}/columns", {"column": ["origin", "purpose"]})

    answer = save(analyst, address="purpose=medical&size=50&page=3&nonsense=1")
    analyst.post(f"{URL}/columns", {"column": ["cycle"]})

    view = saved(rows)[0]
    assert answer.headers["HX-Redirect"] == f"{URL}/?purpose=medical&size=50&view={view.id}"
    opened = analyst.get(answer.headers["HX-Redirect"])
    assert (ids(opened), heads(opened)) == ([medical.id], ["器具名称", "器具产地", "器具用途"])
    assert "在用医疗器具" in analyst.get(f"{URL}/").text
    assert heads(analyst.get(f"{URL}/")) == ["器具名称", "检定周期（月）"]


def test_the_columns_of_a_view_go_along_to_the_next_page_and_into_the_sheet(analyst, rows):
    for _ in range(21):
        instrument()
    analyst.post(f"{URL}/columns", {"column": ["origin"]})
    save(analyst, address="delivery=sent")
    analyst.post(f"{URL}/columns", {"column": ["cycle"], "reset": "1"})
    view = saved(rows)[0]

    page = analyst.get(f"{URL}/?delivery=sent&view={view.id}")
    sheet = analyst.post(
        f"{URL}/export", {"selection": "all", "filter": f"delivery=sent&view={view.id}", "format": "csv"}
    )

    assert f"delivery=sent&amp;view={view.id}&amp;page=2" in page.text
    assert next(csv.reader(io.StringIO(sheet.data.decode("utf-8-sig")))) == heads(page) == ["器具名称", "器具产地"]


def test_a_view_can_be_what_the_page_opens_with_for_one_person_alone(analyst, enter, rows):
    colleague = enter(account("Analyst", authority("3301")))
    instrument()
    medical = instrument(purpose="medical")
    save(analyst, shared="y")
    view = saved(rows)[0]

    assert analyst.post(f"{URL}/views/default", {"id": view.id}).status_code == 303
    opened = analyst.get(f"{URL}/")
    assert opened.headers["Location"] == f"{URL}/?purpose=medical&view={view.id}"
    assert ids(analyst.get(f"{URL}/?view=0"))[0] == medical.id
    assert len(ids(analyst.get(f"{URL}/?view=0"))) == 2
    assert f'href="{URL}/?view=0"' in analyst.get(opened.headers["Location"]).text
    assert colleague.get(f"{URL}/").status_code == 200
    analyst.post(f"{URL}/views/default", {"id": ""})
    assert analyst.get(f"{URL}/").status_code == 200


def test_columns_chosen_within_a_view_are_seen_at_once(analyst, rows):
    instrument(purpose="medical")
    save(analyst)
    here = f"{URL}/?purpose=medical&view={saved(rows)[0].id}"

    answer = analyst.post(f"{URL}/columns", {"column": ["cycle"]}, headers={"Referer": f"http://localhost{here}"})

    assert answer.headers["Location"] == f"{URL}/?purpose=medical&view=0"
    assert heads(analyst.get(answer.headers["Location"])) == ["器具名称", "检定周期（月）"]


def test_a_view_is_changed_and_deleted_by_who_made_it(analyst, rows):
    save(analyst)
    view = saved(rows)[0]

    assert "在用医疗器具" in analyst.post(f"{URL}/views/ask", {"id": view.id}).text
    save(analyst, "贸易结算", "purpose=trade", id=view.id, shared="y")
    assert [(one.name, one.query, one.shared) for one in saved(rows)] == [("贸易结算", "purpose=trade", True)]
    assert "贸易结算" in analyst.post(f"{URL}/views/ask-delete", {"id": view.id}).text
    assert analyst.post(f"{URL}/views/delete", {"id": view.id}).status_code == 204
    assert saved(rows) == []


def test_every_list_has_views(sign_in, rows):
    officer = sign_in("Supervisor", authority("3301"))

    answer = officer.post("/assignments/views", {"name": "退回的", "address": "state=returned&sort=-applied_at"})

    assert answer.headers["HX-Redirect"] == f"/assignments/?state=returned&sort=-applied_at&view={saved(rows)[0].id}"
    assert "退回的" in officer.get("/assignments/").text
    assert "退回的" not in officer.get(f"{URL}/").text


# --- Neighbours ----------------------------------------------------------------------------------


def test_a_shared_view_is_for_the_own_organization_and_changed_by_its_maker_alone(analyst, enter, sign_in, rows):
    colleague, below = enter(account("Analyst", authority("3301"))), sign_in("Analyst", authority("330106"))
    above = sign_in("Analyst", authority("33"))
    medical = instrument(purpose="medical")
    save(analyst, shared="y")
    view = saved(rows)[0]
    address = f"{URL}/?purpose=medical&view={view.id}"

    assert ids(colleague.get(address)) == [medical.id]
    assert "李四" in colleague.get(f"{URL}/").text
    for stranger in (below, above):
        assert stranger.get(address).status_code == 404
        assert "在用医疗器具" not in stranger.get(f"{URL}/").text
        assert stranger.post(f"{URL}/views/default", {"id": view.id}).status_code == 404
    for other in (colleague, below, above):
        assert save(other, "改名", id=view.id).status_code == 404
        assert other.post(f"{URL}/views/delete", {"id": view.id}).status_code == 404
        assert other.post(f"{URL}/views/ask", {"id": view.id}).status_code == 404
        assert other.post(f"{URL}/views/ask-delete", {"id": view.id}).status_code == 404
    assert [one.name for one in saved(rows)] == ["在用医疗器具"]


def test_what_is_not_shared_is_ones_own(analyst, enter, rows):
    colleague = enter(account("Analyst", authority("3301")))
    save(analyst)
    view = saved(rows)[0]

    assert "在用医疗器具" not in colleague.get(f"{URL}/").text
    assert colleague.get(f"{URL}/?purpose=medical&view={view.id}").status_code == 404
    answer = colleague.post(f"{URL}/export", {"selection": "all", "filter": f"view={view.id}", "format": "csv"})
    assert answer.status_code == 404


@pytest.mark.parametrize("kind", ["authority", "institution", "using_unit", "public", "nobody"])
def test_nobody_sees_a_view_by_the_rules_but_its_organization(rows, kind):
    home = authority("3301")
    rows.add(SavedView(account_id=account("Analyst", home).id, page="P", name="x", query="", columns=[], shared=True))
    rows.flush()

    def seen(organization_id, **more):
        who = Principal(kind=kind, account_id=0, organization_id=organization_id, **more)
        with access.seeing(who):
            return len(rows.scalars(select(SavedView)).all())

    place = {"jurisdiction": "", "level": "nation", "path": "/"} if kind == "authority" else {}
    assert seen(authority("33").id, **place) == 0
    assert seen(home.id, **place) == (0 if kind == "nobody" else 1)


def test_a_view_is_not_written_for_another(rows):
    mine, other = (account("Analyst", authority("3301")) for _ in range(2))
    who = Principal(kind="authority", jurisdiction="", level="nation", account_id=mine.id, organization_id=1)
    rows.add(SavedView(account_id=other.id, page="P", name="x", query="", columns=[]))

    with access.seeing(who), pytest.raises(access.OutsideJurisdiction):
        rows.flush()
    rows.rollback()


# --- What cannot be saved ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "said"), [("", "不超过 40 个字"), ("   ", "不超过 40 个字"), ("长" * 41, "不超过 40 个字")]
)
def test_a_name_is_given_and_short(analyst, rows, name, said):
    answer = save(analyst, name, "purpose=medical")

    assert (answer.status_code, said in answer.text, saved(rows)) == (422, True, [])
    assert 'value="purpose=medical"' in answer.text


def test_a_name_is_given_once_a_page(analyst, enter, rows):
    save(analyst)
    again = save(analyst)
    elsewhere = analyst.post("/queries/units/views", {"name": "在用医疗器具", "address": ""})

    assert (again.status_code, "您已有同名视图" in again.text, elsewhere.status_code) == (422, True, 204)
    assert save(enter(account("Analyst", authority("3301")))).status_code == 204
    assert len(saved(rows)) == 3


def test_a_person_has_a_number_of_views_at_most(analyst, rows, monkeypatch):
    monkeypatch.setattr(saved_views, "MOST", 2)
    answers = [save(analyst, f"视图{number}") for number in range(3)]

    assert [answer.status_code for answer in answers] == [204, 204, 422]
    assert ("您已有 2 个视图" in answers[-1].text, len(saved(rows))) == (True, 2)
    assert save(analyst, "改名", id=saved(rows)[0].id).status_code == 204


def test_a_view_whose_filter_is_gone_is_told_of(analyst, rows):
    one = instrument()
    save(analyst)
    view = saved(rows)[0]
    view.query, view.columns = "colour=red&purpose=gone&sort=gone", ["colour", "serial_no"]
    rows.flush()

    page = analyst.get(f"{URL}/?{view.query}&view={view.id}")

    assert (page.status_code, ids(page), heads(page)) == (200, [one.id], ["器具名称", "出厂编号"])
    assert "视图中的某个筛选条件已不存在" in page.text
    assert "“器具用途”没有该选项" in page.text


@pytest.mark.parametrize("view", ["999999", "x", "-1", "99999999999999999999"])
def test_no_view_in_the_address_breaks_the_list(analyst, view):
    assert analyst.get(f"{URL}/?view={view}").status_code == (404 if view == "999999" else 200)


# --- Lists of numbers ----------------------------------------------------------------------------


def paste(person, text, page=URL, **fields):
    data = {"name": "numbers", "numbers": text, "filter": "", **fields}
    return person.post(f"{page}/numbers", data, headers={"HX-Request": "true"})


@pytest.mark.parametrize("between", ["\n", "\r\n", ",", "，", "\t", " ", "　", ";", "；", "、", " ,\n\n"])
def test_numbers_are_found_however_they_are_put_apart(analyst, between):
    found = [instrument() for _ in range(3)]
    instrument()

    answer = paste(analyst, between.join(one.serial_no for one in found) + between)

    assert sorted(ids(analyst.get(answer.headers["HX-Redirect"]))) == [one.id for one in found]


def test_numbers_are_found_as_people_write_them_and_by_either_number(analyst):
    one = instrument(serial_no="AB-12345")
    other = instrument()

    address = paste(analyst, f"ａｂ－１２３４５ {other.instrument_no}").headers["HX-Redirect"]

    assert ids(analyst.get(address)) == [other.id, one.id]
    assert "未找到" not in analyst.get(address).text


def test_it_is_told_which_numbers_were_not_found(analyst):
    one, foreign = instrument(), instrument("510104")
    many = [f"无{number}" for number in range(25)]

    few = analyst.get(paste(analyst, f"{one.serial_no} {foreign.serial_no}").headers["HX-Redirect"])
    more = analyst.get(paste(analyst, "\n".join([one.serial_no, *many])).headers["HX-Redirect"])

    assert f"2 个编号中有 1 个未找到：{foreign.serial_no}<" in few.text
    assert (ids(few), ids(more)) == ([one.id], [one.id])
    assert f"26 个编号中有 25 个未找到：{'、'.join(many[:20])}，另有 5 个<" in more.text


def test_other_filters_and_the_sheet_go_along_with_a_list(analyst):
    medical, trade = instrument(purpose="medical"), instrument()

    address = paste(analyst, f"{medical.serial_no} {trade.serial_no} x", filter="purpose=medical").headers[
        "HX-Redirect"
    ]
    query = address.partition("?")[2]
    sheet = analyst.post(f"{URL}/export", {"selection": "all", "filter": query, "format": "csv"}).data.decode()

    assert query.startswith("purpose=medical&numbers=")
    assert ids(analyst.get(address)) == [medical.id]
    assert (medical.serial_no in sheet, trade.serial_no in sheet) == (True, False)


def test_certificates_are_found_by_their_numbers(analyst):
    one, other = certificate(task(CERTIFIED)), certificate(task(CERTIFIED))

    address = paste(analyst, one.no, "/queries/certificates").headers["HX-Redirect"]

    assert ids(analyst.get(address)) == [one.id] != [other.id]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "请至少粘贴一个编号"),
        (" ,\n", "请至少粘贴一个编号"),
        (" ".join(map(str, range(1001))), "一次最多 1000 个编号，现有 1001 个"),
        ("x" * 101, "编号过长"),
    ],
)
def test_what_cannot_be_looked_for_is_told_and_kept_in_the_field(analyst, rows, text, said):
    answer = paste(analyst, text)

    assert (answer.status_code, said in answer.text, text.strip()[:50] in answer.text) == (422, True, True)
    assert rows.scalars(select(NumberList)).all() == []


def test_a_list_is_for_who_pasted_it(analyst, enter, rows):
    one = instrument()
    address = paste(analyst, one.serial_no).headers["HX-Redirect"]
    for other in (enter(account("Analyst", authority("3301"))), enter(account("Supervisor", authority("33")))):
        page = other.get(address)
        assert ("清单已不存在" in page.text, ids(page)) == (True, [one.id])
        assert one.serial_no not in other.post(
            f"{URL}/numbers/ask", {"name": "numbers", "filter": address.partition("?")[2]}
        ).text  # fmt: skip
    again = analyst.post(f"{URL}/numbers/ask", {"name": "numbers", "filter": address.partition("?")[2]})
    assert one.serial_no in again.text


def test_of_a_person_the_last_lists_are_kept(analyst, rows, monkeypatch):
    monkeypatch.setattr(number_lists, "MOST_KEPT", 2)
    for number in range(4):
        paste(analyst, f"编号{number}")

    assert [one.numbers for one in rows.scalars(select(NumberList).order_by(NumberList.id))] == [["编号2"], ["编号3"]]


@pytest.mark.parametrize("numbers", [1, 1000])
def test_a_thousand_numbers_cost_the_statements_of_one(analyst, statements, numbers):
    address = paste(analyst, "\n".join(f"号{number}" for number in range(numbers))).headers["HX-Redirect"]

    with statements() as seen:
        assert analyst.get(address).status_code == 200

    assert len(seen) == 9  # as a list (6), the numbers, and which are there in each of two columns


def test_a_page_without_such_a_filter_takes_no_numbers(analyst):
    assert paste(analyst, "1", "/queries/units").status_code == 404
    assert analyst.get(f"{URL}/?numbers={quote('1 or 1')}").status_code == 200


def test_no_page_takes_a_name_of_the_kit_for_itself(app):
    """A page's own method of the same name would be called instead, and only where somebody saves a view."""
    taken = {
        (type(view).__name__, name)
        for view in app.extensions["kit"].baseviews
        for owner in (saved_views.SavedViews, number_lists.NumberLists)
        if isinstance(view, owner)
        for name, member in vars(owner).items()
        if (callable(member) or isinstance(member, property)) and not name.startswith("__")
        if getattr(type(view), name) is not getattr(owner, name)
    }

    assert taken == set()
