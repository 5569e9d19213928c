"""What an action is for: the ticked rows, or all that match a filter, as they were shown and confirmed."""

import re

import pytest
from sqlalchemy import text

from app.access import ROLES
from app.domain import holidays
from app.fabkit.pages import ModelPage
from app.models import db
from app.states import IN_USE, OFFERED, SCRAPPED, UNASSIGNED
from tests.factories import (
    able_institution,
    account,
    appointment,
    authority,
    capability,
    institution,
    instrument,
    measurement_standard,
    task,
    using_unit,
)
from tests.test_clerks_at_once import TASKS, answer_after, clerks, counts, elsewhere, send, waiting
from tests.test_imports import own, send as send_sheet
from tests.test_sheets_as_shown import case

__all__ = ["clerks", "elsewhere", "waiting"]
CHANGED = "筛选条件已变化"


def holders(permission, page):
    """The roles that hold a permission of a page."""
    return [name for name, role in ROLES.items() if permission in role.permissions.get(page.class_permission_name, ())]


def home_of(role):
    """An organization at which a role can be held."""
    homes = {"authority": authority, "institution": lambda _: institution(), "using_unit": lambda _: using_unit()}
    level = {"province": "33", "city": "3301", "county": "330106", "nation": ""}
    return homes[ROLES[role].kind](level[ROLES[role].level or "nation"])


@pytest.fixture
def people(enter):
    """people(role) -> a person with the role, signed in once."""
    known = {}

    def person(role):
        if role not in known:
            known[role] = enter(account(role, home_of(role)))
        return known[role]

    return person


def all_that_match(filter, **more):
    return {"selection": "all", "filter": filter, "expected": "1000000", **more}


def bulk_posts(page):
    """(permission, address, more fields) of everything on a page that takes all that match a filter."""
    base = page.route_base
    for declared, _method in page.form_actions:
        if not (declared.without or declared.single or declared.optional):
            yield declared.needs, f"{base}/dialog/{declared.name}", {}
            yield declared.needs, f"{base}/act/{declared.name}", {}
    yield "can_export", f"{base}/export/ask", {}
    yield "can_export", f"{base}/export", {"format": "csv"}


def keeps_views(url):
    """The address at which the views of a list are kept."""
    return re.sub(r"/(dialog|act)/\w+$|/export.*", "/views", url)


def posts(app):
    for page in app.extensions["kit"].baseviews:
        if isinstance(page, ModelPage):
            for permission, url, more in bulk_posts(page):
                for role in holders(permission, page)[:1]:
                    yield role, url, more


@pytest.mark.parametrize("filter", ["nowhere=1", "sort=id&nowhere=1", "state=no-such-state"])
def test_no_page_takes_a_filter_it_does_not_know_for_all(app, people, filter):
    """An old tab, a link from before a filter was renamed: what is not understood would narrow nothing."""
    answers = {}
    for role, url, more in posts(app):
        answer = people(role).post(url, all_that_match(filter, **more), headers={"HX-Request": "true"})
        answers[url] = (answer.status_code, CHANGED in answer.text)

    assert len(answers) > 100
    assert {url: answer for url, answer in answers.items() if answer != (422, True)} == {}


def test_too_many_fields_are_a_bad_request_on_every_page(app, people):
    many = "&".join(f"f{number}=1" for number in range(101))
    answers = {}
    for role, url, more in posts(app):
        answers[url] = people(role).post(url, all_that_match(many, **more)).status_code
        answers[keeps_views(url)] = people(role).post(keeps_views(url), {"name": "视图", "address": many}).status_code

    assert set(answers.values()) == {400}


@pytest.fixture
def unit(rows):
    return using_unit()


@pytest.fixture
def clerk(sign_in, unit):
    return sign_in("UsingUnitClerk", unit)


def scrap(clerk, expected):
    return clerk.act("ledger", "scrap", [], selection="all", filter="use=in_use", expected=str(expected))


def test_the_dialog_says_how_many_rows_match_whatever_is_posted(clerk, unit):
    for _ in range(2):
        instrument(unit=unit)
    instrument()

    dialog = clerk.open("ledger", "scrap", [], selection="all", filter="use=in_use", expected="1").text

    assert ("全部 2 条" in dialog, re.findall(r'name="expected" value="(\d+)"', dialog)) == (True, ["2"])


def test_rows_that_came_after_the_confirmation_are_shown_before_anything_is_done(clerk, unit):
    before = [instrument(unit=unit) for _ in range(2)]
    late = instrument(unit=unit)

    refused = scrap(clerk, 2)

    assert (refused.status_code, "您确认的是 2 条" in refused.text, "全部 3 条" in refused.text) == (422, True, True)
    assert re.findall(r'name="expected" value="(\d+)"', refused.text) == ["3"]
    assert [one.use_state for one in (*before, late)] == [IN_USE] * 3
    assert scrap(clerk, 3).status_code == 204
    assert [one.use_state for one in (*before, late)] == [SCRAPPED] * 3


def test_instruments_that_come_by_sheet_after_the_confirmation_are_not_taken_along(clerk, unit, rows):
    authority("330106")
    assert send_sheet(clerk, case("50")).status_code == 303
    dialog = clerk.open("ledger", "scrap", [], selection="all", filter="use=in_use", expected="2").text
    assert send_sheet(clerk, case("50b")).status_code == 303

    refused = scrap(clerk, 2)

    assert "全部 2 条" in dialog
    assert (refused.status_code, "您确认的是 2 条" in refused.text, "全部 3 条" in refused.text) == (422, True, True)
    assert {one.serial_no: one.use_state for one in own(rows, unit)} == dict.fromkeys(
        ("D50-1", "D50-2", "D50-3"), IN_USE
    )


def test_without_a_number_nothing_is_confirmed(clerk, unit):
    one = instrument(unit=unit)

    assert [scrap(clerk, number).status_code for number in ("", "x", "0")] == [422] * 3
    assert one.use_state == IN_USE


def test_fewer_than_were_confirmed_are_done(clerk, unit):
    one = instrument(unit=unit)

    assert (scrap(clerk, 5).status_code, one.use_state) == (204, SCRAPPED)


def test_rows_that_come_while_one_waits_for_somebody_else_are_not_taken_along(clerks, waiting, elsewhere):
    _ids, lab_id = waiting
    elsewhere.execute(text("SELECT 1 FROM institution WHERE organization_id = :id FOR UPDATE"), {"id": lab_id})
    fields = {"selection": "all", "filter": "state=unassigned", "expected": str(TASKS), "institution_id": lab_id}

    def arrive():
        task(UNASSIGNED, order=appointment())
        db.session.commit()

    answer_after(elsewhere, lambda: send(clerks[0], "assign", [], **fields), meanwhile=arrive)

    assert counts() == ({UNASSIGNED: TASKS + 1}, 0)
    assert send(clerks[0], "assign", [], **fields | {"expected": str(TASKS + 1)}).status_code == 204
    assert counts() == ({OFFERED: TASKS + 1}, TASKS + 1)


# --- What was looked at is what is decided on ------------------------------------------------------


def judged(lab, which):
    """A row that waits for somebody's judgement, and what says that it is as it was."""
    return {
        "capability-reviews": lambda: capability(
            lab, state="pending", standard_id=lab.standard.id, valid_until=holidays.today()
        ),
        "standard-reviews": lambda: measurement_standard(lab, state="submitted"),
        "filings": lambda: instrument(filing_state="pending", range_unit="m³/h"),
    }[which]()


JUDGES = {"capability-reviews": "Supervisor", "standard-reviews": "StandardOfficer", "filings": "Supervisor"}


def test_every_page_on_which_declarations_are_reviewed_judges(app):
    judging = {
        (page.route_base.strip("/"), declared.name)
        for page in app.extensions["kit"].baseviews
        if isinstance(page, ModelPage)
        for declared, _method in page.form_actions
        if declared.judges
    }
    reviewing = {
        (page, name) for page in JUDGES for name in ("pass", {"capability-reviews": "reject"}.get(page, "send_back"))
    }
    assert judging == {*reviewing, ("manufacturers", "merge")}


@pytest.mark.parametrize("everything", [False, True], ids=["ticked", "all that match"])
@pytest.mark.parametrize("page", JUDGES)
def test_what_was_edited_after_the_dialog_was_opened_is_not_judged(sign_in, rows, page, everything):
    home, lab = authority("330106"), able_institution()
    lab.parent_id = home.id
    one = judged(lab, page)
    rows.flush()
    person = sign_in(JUDGES[page], home)
    chosen = all_that_match("") if everything else {"selection": "ids", "id": str(one.id)}

    def post(what, **more):
        return person.post(f"/{page}/{what}/pass", chosen | more, headers={"HX-Request": "true"})

    seen = seen_in(post("dialog"))
    one.revision += 1
    rows.flush()
    refused = post("act", seen=seen)
    assert (refused.status_code, "该数据已被他人修改" in refused.text) == (422, True)
    rows.expire_all()
    assert step_of(one) == 0
    assert post("act", seen=seen_in(refused)).status_code == 204
    rows.expire_all()
    assert step_of(one) == 1


def seen_in(answer):
    return re.findall(r'name="seen" value="([^"]+)"', answer.text)[0]


def step_of(one):
    counted = text("SELECT count(*) FROM event WHERE subject = :subject AND subject_id = :id")
    return db.session.scalar(counted, {"subject": type(one).__tablename__, "id": one.id})
