"""The main job as a clerk does it: filter, choose, match, assign, refuse, trace, export; nothing typed is lost."""

import csv
from datetime import UTC, datetime, timedelta
from typing import Any

import openpyxl
import pytest
from sqlalchemy import func, select, update

from app.domain import tallies
from app.models import Organization, Task, db
from app.states import OFFERED, REFUSED, RETURNED, UNASSIGNED
from tests.browser.conftest import PHONE
from tests.factories import (
    BLOOD_PRESSURE,
    appointment,
    authority,
    capability,
    institution,
    instrument,
    task,
)

WAITING = 26


@pytest.fixture
def county(office):
    """西湖区 with 26 unassigned water meters, a returned sphygmomanometer, and an institution for the meters."""
    lab = institution(name="西湖区计量检定所")
    capability(lab)
    hospital = institution(name="人民医院计量中心")
    order = appointment(applicant="西湖区水务集团有限公司", applied_at=datetime.now(UTC) - timedelta(days=12))
    for number in range(WAITING):
        what = instrument(serial_no=f"WM{number:06}")
        task(UNASSIGNED, order=order, what=what)
    what = instrument(of=BLOOD_PRESSURE, name="电子血压计", model="HEM-907")
    task(RETURNED, to=hospital, what=what, order=appointment(applicant="西湖区人民医院"))
    tallies.rebuild()
    db.session.commit()
    return authority("330106")


def states():
    db.session.rollback()
    return dict(db.session.execute(select(Task.state, func.count()).group_by(Task.state)).all())


def test_filter_choose_all_that_match_and_assign_by_matching(clerk, county):
    officer = clerk("AssignmentOfficer", county)
    page = officer.page

    page.click("[data-filter=state] button")
    page.check("[data-filter=state] input[value=unassigned]")
    page.click("[data-filter=state] .btn-primary")
    page.wait_for_url("**state=unassigned**")
    assert page.locator("tbody tr").count() == 20

    page.check("#tick-page")
    page.click("[data-select-all]")
    assert "26" in page.locator("#bulk-count").inner_text()
    officer.press("assign")
    row = page.locator(".matching-table tbody tr").first
    assert [word in row.inner_text() for word in ("西湖区计量检定所", "26 / 26", "本县（区）")] == [True] * 3
    row.click()
    page.click("#dialog .btn-submit")

    assert officer.toast() == "已分配 26 条。"
    assert states() == {OFFERED: WAITING, RETURNED: 1}
    assert "没有待处理的任务" in page.locator("main").inner_text()


def test_an_institution_that_is_not_able_asks_for_the_reason(clerk, county):
    officer = clerk("AssignmentOfficer", county)
    page = officer.page

    officer.tick(1)
    officer.press("assign")
    page.fill("#dialog [name=q]", "医院")
    page.wait_for_selector("text=西湖区计量检定所 >> nth=0", state="detached")
    page.click(".matching-table tbody tr")
    assert "无此种别项目" in page.locator(".matching-table").inner_text()
    page.fill("#dialog [name=reason]", "太短")
    page.click("#dialog .btn-submit")
    page.wait_for_selector("#dialog .field-error")
    assert page.input_value("#dialog [name=reason]") == "太短"

    page.fill("#dialog [name=reason]", "本辖区唯一机构，经局长办公会研究决定")
    page.press("#dialog [name=reason]", "Control+Enter")

    assert officer.toast() == "已分配 1 条。"
    assert states() == {OFFERED: 1, UNASSIGNED: WAITING - 1, RETURNED: 1}


def test_refuse_keeps_what_was_typed_until_it_is_right(clerk, county):
    officer = clerk("AssignmentOfficer", county)
    page = officer.page

    officer.tick(1, 2)
    officer.press("refuse")
    page.fill("#dialog textarea", "不符合")
    page.click("#dialog .btn-submit")
    page.wait_for_selector("#dialog .field-error")
    assert page.input_value("#dialog textarea") == "不符合"
    page.click("#dialog .suggestions button >> nth=0")
    assert "强制检定目录" in page.input_value("#dialog textarea")
    page.click("#dialog .btn-submit")

    assert officer.toast() == "不予受理 2 条。"
    assert states() == {REFUSED: 2, UNASSIGNED: WAITING - 2, RETURNED: 1}


def test_what_is_typed_while_the_answer_is_awaited_is_not_drawn_over(clerk, county):
    officer = clerk("AssignmentOfficer", county)
    page = officer.page
    held = []
    page.route("**/act/refuse", lambda route: held.append(route))
    officer.tick(1)
    officer.press("refuse")
    page.click("#dialog .btn-submit")
    assert page.is_disabled("#dialog textarea")

    page.wait_for_timeout(200)
    [each.continue_() for each in held]
    page.fill("#dialog textarea", "该器具不在强制检定目录范围内，请核实后重新填报")
    page.wait_for_selector("#dialog .is-invalid")
    assert page.input_value("#dialog textarea") == "该器具不在强制检定目录范围内，请核实后重新填报"


def test_automatic_assignment_shows_first_and_then_does(clerk, county):
    officer = clerk("AssignmentOfficer", county)
    page = officer.page
    officer.open("/assignments/?size=50")

    page.check("#tick-page")
    officer.press("assign_best")
    shown = page.locator("#dialog").inner_text()
    assert [word in shown for word in ("西湖区计量检定所", "27", "26", "无此种别项目")] == [True] * 4
    page.click("#dialog .btn-submit")

    assert officer.toast().startswith("已分配 26 条。")
    assert states() == {OFFERED: WAITING, RETURNED: 1}


def test_return_trace_details_and_telephone(clerk, county):
    officer = clerk("AssignmentOfficer", county)
    page = officer.page
    officer.open("/assignments/?state=returned")

    page.click("tbody tr td:nth-child(4)")
    drawer = page.wait_for_selector("#drawer.show .show-section")
    assert drawer is not None
    inside = page.locator("#drawer").inner_text()
    assert [word in inside for word in ("HEM-907", "人民医院计量中心", "超出本机构授权范围", "138****5678")] == [
        True
    ] * 4
    page.click("#drawer .btn-reveal")
    page.wait_for_selector("#drawer >> text=13812345678")
    page.keyboard.press("Escape")
    page.wait_for_selector("#drawer.show", state="detached")

    officer.tick(1)
    officer.press("returns")
    assert page.locator("#dialog .modal-title").inner_text() == "退回追溯"


def test_a_button_that_does_not_fit_says_why(clerk, county):
    officer = clerk("AssignmentOfficer", county)
    page = officer.page

    button = page.locator(".bulk-actions [data-action=assign]")
    assert (button.get_attribute("aria-disabled"), bool(button.get_attribute("title"))) == ("true", True)
    officer.tick(1, 2)
    assert button.get_attribute("aria-disabled") is None
    assert page.locator(".bulk-actions [data-action=returns]").get_attribute("aria-disabled") == "true"


def test_exports_are_files_that_open(clerk, county, tmp_path):
    officer = clerk("AssignmentOfficer", county)
    page = officer.page

    officer.tick(1, 2, 3)
    for kind in ("xlsx", "csv"):
        page.click("[data-export] > button")
        with page.expect_download() as download:
            page.click(f"[data-export] [name=format][value={kind}]")
        download.value.save_as(tmp_path / f"tasks.{kind}")

    sheet: Any = openpyxl.load_workbook(tmp_path / "tasks.xlsx").active
    with (tmp_path / "tasks.csv").open(encoding="utf-8-sig", newline="") as file:
        lines = list(csv.reader(file))
    assert ([cell.value for cell in sheet[1]], sheet.max_row) == (lines[0], 4)
    assert (lines[0][0], lines[1][0], len(lines)) == ("状态", "待分配", 4)


def test_an_expired_session_keeps_the_dialog_and_goes_on_after_login(clerk, county):
    officer = clerk("AssignmentOfficer", county)
    page = officer.page
    reason = "该器具不在强制检定目录范围内，请核实后重新填报"
    officer.tick(1)
    officer.press("refuse")
    page.fill("#dialog textarea", reason)
    cookies = page.context.cookies()

    page.context.clear_cookies()
    page.click("#dialog .btn-submit")
    page.wait_for_selector("#dialog .alert a[target=_blank]")
    assert page.input_value("#dialog textarea") == reason
    assert states()[UNASSIGNED] == WAITING

    page.context.add_cookies(cookies)
    page.click("#dialog .btn-submit")
    assert officer.toast() == "不予受理 1 条。"


def test_a_page_left_open_too_long_renews_its_token_by_itself(clerk, county):
    officer = clerk("AssignmentOfficer", county)
    page = officer.page
    page.evaluate("document.querySelector('meta[name=csrf-token]').content = 'old'")

    officer.tick(1)
    officer.press("refuse")
    page.fill("#dialog textarea", "该器具不在强制检定目录范围内。")
    page.click("#dialog .btn-submit")

    assert officer.toast() == "不予受理 1 条。"


def test_the_keyboard_is_enough(clerk, county):
    officer = clerk("AssignmentOfficer", county)
    page = officer.page

    page.keyboard.press("j")
    page.keyboard.press("x")
    page.keyboard.press("j")
    page.keyboard.press("x")
    assert "2" in page.locator("#bulk-count b").inner_text()
    page.keyboard.press("Enter")
    page.wait_for_selector("#drawer.show")
    page.keyboard.press("Escape")
    page.wait_for_selector("#drawer.show", state="detached")
    page.keyboard.press("/")
    page.keyboard.type("WM000003")
    page.keyboard.press("Enter")
    page.wait_for_url("**q=WM000003**")
    assert page.locator("tbody tr").count() == 1


def test_the_region_cascade_leads_down_to_the_county(clerk, county):
    admin = clerk("Supervisor", authority("3301"))
    page = admin.page

    page.click("[data-filter=region] > button")
    for name in ("浙江省", "杭州市", "西湖区"):
        page.click(f"[data-filter=region] .cascade-options button:has-text('{name}')")
    page.wait_for_url("**region=330106**")
    assert page.locator("tbody tr").count() == 20


def test_institution_accepts_and_returns_and_the_authority_sees_it(clerk, county):
    holder = db.session.scalars(select(Organization).where(Organization.name == "西湖区计量检定所")).one()
    db.session.execute(update(Task).where(Task.state == UNASSIGNED).values(state=OFFERED, institution_id=holder.id))
    tallies.rebuild()
    db.session.commit()
    desk = clerk("InstitutionClerk", holder)

    desk.tick(1, 2)
    desk.press("accept")
    desk.page.click("#dialog .btn-submit")
    assert desk.toast() == "已受理 2 条。"
    desk.tick(1)
    desk.press("return")
    desk.page.fill("#dialog textarea", "本机构计量标准暂停使用")
    desk.page.click("#dialog .btn-submit")
    desk.page.wait_for_selector(".toast-body:has-text('已退回 1 条')")

    officer = clerk("AssignmentOfficer", county)
    assert officer.page.locator("tbody tr").count() == 2


def test_a_phone_shows_the_whole_job_without_scrolling_sideways(clerk, county):
    officer = clerk("AssignmentOfficer", county, PHONE)
    page = officer.page
    fits = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"

    assert page.evaluate(fits)
    officer.tick(1)
    officer.press("refuse")
    assert page.evaluate(fits)
    page.fill("#dialog textarea", "该器具不在强制检定目录范围内。")
    page.click("#dialog .btn-submit")
    assert officer.toast() == "不予受理 1 条。"
    assert page.evaluate(fits)
