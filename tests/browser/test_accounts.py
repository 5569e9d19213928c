"""From a stranger to somebody who works: registered, given a role by the administrator, at work; as they do it."""

import re

from sqlalchemy import select

from app.models import Account, Captcha, db
from app.states import RETURNED
from tests.browser.conftest import PHONE, Clerk
from tests.factories import account, authority, institution, task

OWN = "Xinren#Laile88"


def captcha(page):
    token = page.input_value("[name=captcha_token]")
    db.session.rollback()
    return db.session.scalars(select(Captcha.answer).where(Captcha.token == token)).one()


def register(page, address, **answers):
    page.goto(address + "/login/")
    page.click("text=账号注册")
    page.check("input[name=kind][value=authority]")
    page.click(".ts-control")
    page.keyboard.type(answers["organization"][:4])
    page.click(f".ts-dropdown .option:has-text('{answers['organization']}')")
    for name in ("name", "phone", "email", "position", "account_name"):
        page.fill(f"[name={name}]", answers[name])
    page.fill("[name=password]", OWN)
    page.fill("[name=password_again]", OWN)
    page.check("[name=consent]")


def sign_in(page, address, username, password):
    page.goto(address + "/login/")
    page.fill("[name=username]", username)
    page.fill("[name=password]", password)
    page.fill("[name=captcha]", captcha(page))
    page.press("[name=captcha]", "Enter")
    page.wait_for_url(lambda url: "/login/" not in url)


def test_a_stranger_registers_is_given_a_role_and_works(office, browser, address, clerk):
    home = authority("330106")
    home.name = "西湖区市场监督管理局"
    task(RETURNED)
    db.session.commit()
    stranger = browser.new_context(viewport=PHONE, locale="zh-CN").new_page()

    register(
        stranger, address, organization=home.name, name="林小雨", phone="13800001234", email="lin@example.cn",
        position="科员", account_name="linxiaoyu",
    )  # fmt: skip
    stranger.fill("[name=captcha]", "0")
    stranger.click(".login-submit")
    assert stranger.input_value("[name=name]") == "林小雨"
    stranger.fill("[name=password]", OWN)
    stranger.fill("[name=password_again]", OWN)
    stranger.fill("[name=captcha]", captcha(stranger))
    stranger.click(".login-submit")
    name = stranger.inner_text(".registration-name code")
    assert re.fullmatch(r"linxiaoyu-\d{4}", name)

    sign_in(stranger, address, name, OWN)
    assert "还没有角色" in stranger.inner_text("main") or "角色" in stranger.inner_text("main")
    assert stranger.locator(".menu").count() == 0

    admin = clerk("CountyAdministrator", home)
    admin.open("/accounts/?state=registered")
    admin.page.click(f"tr:has-text('{name}') input[name=id]")
    admin.press("give_role")
    admin.page.select_option("#dialog [name=role]", label="业务主管")
    admin.page.click("#dialog .btn-submit")
    admin.page.wait_for_selector(".toast-body")
    assert admin.toast() == "已向 1 个账号分配角色。"

    sign_in(stranger, address, name, OWN)
    stranger.goto(f"{address}/assignments/")
    assert stranger.locator("tbody tr").count() == 1
    stranger.context.close()


def test_the_three_tabs_of_an_account(office, clerk):
    home, city = authority("330106"), authority("3301")
    home.name, city.name = "西湖区市场监督管理局", "杭州市市场监督管理局"
    lab = institution(name="西湖区计量检定所")
    person = account("Analyst", home, first_name="王小明")
    db.session.commit()
    admin: Clerk = clerk("CityAdministrator", city)
    page = admin.page

    admin.open("/accounts/")
    admin.page.click("tr:has-text('王小明') input[name=id]")
    page.click(".bulk-actions [data-action=edit]")
    page.wait_for_url(f"**/accounts/{person.id}/person")
    page.fill("[name=position]", "统计岗")
    page.fill("[name=phone]", "123")
    page.click(".account-form .btn-primary")
    assert "请填写手机号" in page.inner_text(".account-form")
    assert page.input_value("[name=position]") == "统计岗"
    page.fill("[name=phone]", "0571-87654321")
    page.click(".account-form .btn-primary")
    assert admin.toast() == "已保存。"

    page.click(".account-tabs a:has-text('角色')")
    page.click("li:has-text('业务主管') button[name=give]")
    assert "业务主管" in page.inner_text(".account-right")
    page.click(".account-right tr:has-text('统计分析员') button[name=take]")
    assert "统计分析员" not in page.inner_text(".account-right")

    page.click(".account-tabs a:has-text('组织')")
    page.wait_for_selector(".tree-item:has-text('西湖区市场监督管理局')")
    page.fill("[data-tree-search]", "检定所")
    page.click(".tree-item:has-text('西湖区计量检定所') .tree-head")
    page.click("[data-tree-submit]")
    assert admin.toast() == "已保存。"
    db.session.expire_all()
    kept = db.session.get_one(Account, person.id)
    assert (kept.organization_id, kept.position, [role.name for role in kept.roles]) == (lab.id, "统计岗", [])


def test_a_reset_password_is_shown_and_forces_a_new_one(office, browser, address, clerk):
    home = authority("330106")
    person = account("Supervisor", home, first_name="王小明")
    username = person.username
    db.session.commit()
    admin = clerk("CountyAdministrator", home)

    admin.open("/accounts/")
    admin.page.click("tr:has-text('王小明') input[name=id]")
    admin.press("reset_password")
    admin.page.click("#dialog .btn-submit")
    password = admin.page.inner_text(".one-time-secret code")
    window = browser.new_context(viewport=PHONE, locale="zh-CN").new_page()
    sign_in(window, address, username, password)
    window.wait_for_url("**/me/password")
    window.goto(address + "/assignments/")
    window.wait_for_url("**/me/password")
    window.fill("[name=current]", password)
    for name in ("password", "again"):
        window.fill(f"[name={name}]", OWN)
    window.press("[name=again]", "Enter")
    window.wait_for_selector(".home")
    window.context.close()
