"""An inspection on the spot, on a desktop and on a phone; a draft that outlives a lost connection and a reload."""

import pytest
from sqlalchemy import select

from app.domain.checklists import ITEMS
from app.models import Inspection, db
from app.states import CLOSED, PLANNED, TO_RECTIFY, UNDER_WAY
from tests.browser.conftest import DESKTOP, PHONE
from tests.factories import authority, inspection, inspectors, institution


@pytest.fixture
def planned(office):
    lab = institution(name="西湖区计量检定所")
    one = inspection(PLANNED, lab)
    inspectors(authority("330106"))
    db.session.commit()
    return one


def now(one):
    db.session.rollback()
    return db.session.get_one(Inspection, one.id, populate_existing=True)


def press(person, action):
    person.page.click(f".bulk-actions [data-action={action}]")
    person.page.wait_for_selector("#dialog.show .modal-footer")


def check(page, item, found):
    page.click(f"#dialog label:has([name=check-{item}][value={found}]) span")


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_an_inspection_is_recorded_and_a_draft_outlives_a_lost_connection(clerk, planned, size):
    officer = clerk("InspectionOfficer", authority("330106"), size)
    page = officer.page
    officer.open("/inspections/")
    officer.tick(1)
    press(officer, "inspect")
    for item in ITEMS["institution"]:
        check(page, item, "fails" if item == "records" else "conforms")
    page.fill("#dialog [name=remark-records]", "三份记录缺少环境条件")
    page.fill("#dialog [name=findings]", "设备完好")

    page.context.set_offline(True)
    page.click("#dialog .btn-submit")
    page.wait_for_selector("#dialog .dialog-alert .alert")
    assert page.input_value("#dialog [name=findings]") == "设备完好"
    assert now(planned).state == PLANNED
    officer.complaints.clear()  # htmx notes that it could not send

    page.context.set_offline(False)
    officer.open("/inspections/")  # as if the browser had been closed meanwhile
    officer.tick(1)
    press(officer, "inspect")
    page.wait_for_selector("#dialog .draft")
    assert page.input_value("#dialog [name=remark-records]") == "三份记录缺少环境条件"
    assert page.is_checked("#dialog [name=check-records][value=fails]")
    page.click("#dialog .btn-submit")
    page.wait_for_selector(".toast-body")

    found = now(planned)
    assert (found.state, found.findings, len(found.checklist)) == (UNDER_WAY, "设备完好", 10)
    officer.open("/inspections/")
    officer.tick(1)
    press(officer, "inspect")
    assert page.locator("#dialog .draft").count() == 0  # what was saved is no draft any more
    page.click("#dialog .btn-close")
    page.wait_for_selector("#dialog.show", state="detached")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")

    officer.open("/inspections/")
    officer.tick(1)
    press(officer, "conclude")
    page.check("#dialog [name=conclusion][value=rectify]")
    page.fill("#dialog [name=issues]", "三份原始记录缺少环境条件")
    page.fill("#dialog [name=due_on]", "2020-01-01")
    page.click("#dialog .btn-submit")
    page.wait_for_selector("#dialog .field-error")
    assert page.input_value("#dialog [name=issues]") == "三份原始记录缺少环境条件"
    page.click("#dialog .btn-close")
    page.click("#dialog [data-discard]")


def test_a_draw_from_the_form_to_the_proof(clerk, office):
    for number in range(4):
        institution(name=f"计量所{number}")
    home = authority("330106")
    inspectors(home, 3)
    db.session.commit()
    officer = clerk("InspectionOfficer", home)
    page = officer.page
    officer.open("/inspections/")
    officer.page.click(".bulk-actions [data-action=draw]")
    page.wait_for_selector("#dialog.show .modal-footer")
    page.fill("#dialog [name=task]", "年度双随机抽查")
    page.fill("#dialog [name=number]", "2")
    page.fill("#dialog [name=seed]", "20261128")
    page.click("#dialog .btn-submit")

    assert officer.toast() == "已从 4 个对象中抽取 2 个，并已通知检查人员。"
    officer.open("/inspection-draws/")
    officer.tick(1)
    press(officer, "repeat")
    page.wait_for_selector("#dialog >> text=结果与记录一致")
    page.click("#dialog .btn-close")
    page.wait_for_selector("#dialog.show", state="detached")


def test_the_inspected_party_answers(clerk, office):
    lab = institution(name="西湖区计量检定所")
    one = inspection(TO_RECTIFY, lab)
    closed = inspection(CLOSED)
    db.session.commit()
    boss = clerk("InstitutionApprover", lab, PHONE)
    boss.open("/own-inspections/")
    assert closed.no not in boss.page.inner_text("main")
    boss.tick(1)
    press(boss, "answer")
    boss.page.wait_for_selector("#dialog >> text=部分原始记录缺少环境条件")
    boss.page.fill("#dialog [name=statement]", "已补齐全部原始记录")
    boss.page.click("#dialog .btn-submit")

    assert boss.toast() == "已反馈整改情况，检查部门将进行复查。"
    assert now(one).statement == "已补齐全部原始记录"
    assert db.session.scalars(select(Inspection.state).where(Inspection.id == one.id)).one() == "to_recheck"
