"""The end of a session as a clerk sees it: warned in time, in all tabs at once, and nothing typed is lost."""

from datetime import UTC, datetime, timedelta

import pytest
from pyotp.totp import TOTP
from sqlalchemy import select, update
from werkzeug.security import generate_password_hash

from app.domain import tallies
from app.models import AccountSession, Captcha, Task, db
from app.states import UNASSIGNED
from tests.browser.conftest import PASSWORD, PHONE
from tests.factories import account, authority, task

REASON = "该器具不在强制检定目录范围内，请核实后重新填报"


@pytest.fixture
def county(office):
    for _each in range(3):
        task(UNASSIGNED)
    tallies.rebuild()
    db.session.commit()
    return authority("330106")


@pytest.fixture
def officer(clerk, county):
    return clerk("AssignmentOfficer", county)


def idle_time(office, seconds):
    office.config["IDLE"] = timedelta(seconds=seconds)


def reload(officer):
    """The page knows the new idle time, and the session is fresh."""
    db.session.execute(update(AccountSession).values(seen_at=datetime.now(UTC)))
    db.session.commit()
    officer.page.reload()


def refuse(officer, reason=REASON):
    officer.tick(1)
    officer.press("refuse")
    officer.page.fill("#dialog textarea", reason)


def captcha(page):
    db.session.rollback()
    token = page.input_value("[name=captcha_token]")
    return db.session.scalars(select(Captcha.answer).where(Captcha.token == token)).one()


def sign_in_again(officer, username):
    sign_in_on(officer.page, username)


def sign_in_on(page, username):
    page.fill("[name=username]", username)
    page.fill("[name=password]", PASSWORD)
    page.fill("[name=captcha]", captcha(page))
    page.press("[name=captcha]", "Enter")
    page.wait_for_url(lambda url: "/login/" not in url)


def username_of(officer):
    return officer.page.evaluate("document.body.dataset.account")


def drafts(page):
    return page.evaluate("Object.keys(sessionStorage).filter((key) => key.startsWith('draft:')).length")


def test_the_warning_counts_down_and_staying_closes_it(officer, office):
    idle_time(office, 8)
    reload(officer)
    page = officer.page

    page.wait_for_selector("#idle[open]")
    assert page.locator("#idle [data-left]").inner_text() in ("0:02", "0:03", "0:04")
    assert page.evaluate("document.activeElement.matches('[data-stay]')")
    page.keyboard.press("Enter")
    page.wait_for_selector("#idle[open]", state="detached")

    page.wait_for_timeout(2500)
    assert page.request.get(officer.address + "/session/remaining").json()["seconds"] > 0
    officer.open("/assignments/")
    assert "/assignments/" in page.url


def test_the_warning_stands_above_an_open_dialog_and_escape_means_staying(officer, office):
    idle_time(office, 8)
    reload(officer)
    page = officer.page
    refuse(officer)

    page.wait_for_selector("#idle[open]")
    page.keyboard.press("Escape")
    page.wait_for_selector("#idle[open]", state="detached")

    assert page.input_value("#dialog.show textarea") == REASON


def test_what_was_typed_is_back_after_the_end_and_a_new_login(officer, office):
    username = username_of(officer)
    idle_time(office, 4)
    reload(officer)
    page = officer.page
    refuse(officer)

    page.wait_for_url("**/login/?next=**", timeout=60_000)
    assert page.locator(".alert-warning").count() == 1
    idle_time(office, 1800)
    sign_in_again(officer, username)
    assert "/assignments/" in page.url
    officer.tick(1)
    officer.press("refuse")

    page.wait_for_selector("#dialog .draft")
    assert page.input_value("#dialog textarea") == REASON
    page.click("#dialog .btn-submit")
    page.wait_for_selector(".toast-body")
    assert drafts(page) == 0


def test_two_tabs_share_the_clock(officer, office):
    idle_time(office, 10)
    reload(officer)
    first = officer.page
    second = first.context.new_page()
    second.goto(officer.address + "/assignments/")

    first.wait_for_selector("#idle[open]")
    second.wait_for_selector("#idle[open]")
    second.click("#idle [data-stay]")

    first.wait_for_selector("#idle[open]", state="detached")
    second.wait_for_selector("#idle[open]", state="detached")
    assert "/assignments/" in first.url


def test_a_tab_alone_does_not_end_what_goes_on_in_another(officer, office):
    idle_time(office, 6)
    reload(officer)
    page = officer.page

    page.wait_for_selector("#idle[open]")
    db.session.execute(update(AccountSession).values(seen_at=datetime.now(UTC) + timedelta(minutes=1)))
    db.session.commit()

    page.wait_for_selector("#idle[open]", state="detached")
    assert "/assignments/" in page.url


def test_a_machine_that_slept_notices_at_once(officer):
    page = officer.page
    page.clock.install()
    page.reload()
    db.session.execute(update(AccountSession).values(seen_at=datetime.now(UTC) - timedelta(minutes=45)))
    db.session.commit()

    page.clock.fast_forward("45:00")

    page.wait_for_url("**/login/?next=**")


def test_two_minutes_before_half_an_hour(officer):
    page = officer.page
    page.clock.install()
    page.reload()

    page.clock.fast_forward("26:30")
    page.wait_for_timeout(300)
    assert page.locator("#idle[open]").count() == 0
    db.session.execute(update(AccountSession).values(seen_at=datetime.now(UTC) - timedelta(minutes=28, seconds=5)))
    db.session.commit()
    page.clock.fast_forward("01:40")

    page.wait_for_selector("#idle[open]")
    assert page.locator("#idle [data-left]").inner_text().startswith("1:5")


def test_a_reload_keeps_what_was_typed_and_it_can_be_thrown_away(officer):
    page = officer.page
    refuse(officer)
    page.reload()

    officer.tick(1)
    officer.press("refuse")
    page.wait_for_selector("#dialog .draft")
    assert page.input_value("#dialog textarea") == REASON
    assert page.locator("#dialog .field-counter").inner_text().startswith(f"{len(REASON)} ")
    page.click("#dialog [data-discard-draft]")

    assert (page.input_value("#dialog textarea"), page.locator("#dialog .draft").count(), drafts(page)) == ("", 0, 0)


def test_a_draft_belongs_to_its_rows(officer):
    page = officer.page
    refuse(officer)
    page.reload()

    officer.tick(2)
    officer.press("refuse")

    assert (page.input_value("#dialog textarea"), page.locator("#dialog .draft").count()) == ("", 0)


def test_a_refused_form_keeps_its_draft_and_success_ends_it(officer):
    page = officer.page
    refuse(officer, "太短")
    page.click("#dialog .btn-submit")
    page.wait_for_selector("#dialog .field-error")
    assert (page.locator("#dialog .draft").count(), drafts(page)) == (0, 1)
    page.fill("#dialog textarea", REASON)
    page.reload()
    officer.tick(1)
    officer.press("refuse")
    assert page.input_value("#dialog textarea") == REASON

    page.click("#dialog .btn-submit")
    page.wait_for_selector(".toast-body")
    assert drafts(page) == 0


def test_discarding_in_the_dialog_discards_the_draft(officer):
    page = officer.page
    refuse(officer)
    page.keyboard.press("Escape")
    page.click("#dialog [data-discard]")
    page.wait_for_selector("#dialog.show", state="detached")

    assert drafts(page) == 0


def test_signing_out_leaves_no_draft_in_any_tab(officer):
    page = officer.page
    refuse(officer)
    other = page.context.new_page()
    other.goto(officer.address + "/me/")
    other.fill("[name=position]", "新职务")
    assert (drafts(page), drafts(other)) == (1, 1)

    other.click(".user-button")
    other.click(".user-menu form button")
    other.wait_for_url("**/login/")
    page.wait_for_url("**/login/")

    assert (drafts(page), drafts(other)) == (0, 0)


def test_a_draft_is_not_somebody_elses(officer, clerk, county):
    page = officer.page
    refuse(officer)
    page.evaluate("document.body.dataset.account = 'x'")
    key = page.evaluate("Object.keys(sessionStorage).find((key) => key.startsWith('draft:'))")

    assert username_of(clerk("AssignmentOfficer", county)) not in key


def test_a_form_of_the_page_keeps_its_draft_until_it_is_saved(officer):
    page = officer.page
    officer.open("/me/")
    page.fill("[name=position]", "检定任务分配岗")
    page.reload()
    assert page.input_value("[name=position]") == "检定任务分配岗"
    assert page.locator(".draft").count() == 1

    page.fill("[name=phone]", "123")
    page.click("form[data-draft] .btn-primary")
    page.wait_for_selector(".field-error")
    assert (drafts(page), page.locator(".draft").count()) == (1, 0)
    page.fill("[name=phone]", "13812345678")
    page.click("form[data-draft] .btn-primary")
    page.wait_for_selector(".toast-success")

    assert (drafts(page), page.locator(".draft").count()) == (0, 0)


def test_no_password_is_ever_in_a_draft(officer):
    page = officer.page
    officer.open("/me/keys")
    page.fill("[name=name]", "统计平台")
    page.fill("[name=current]", "Geheim-Geheim-1")

    kept = page.evaluate("JSON.stringify({...sessionStorage, ...localStorage})")
    assert ("统计平台" in kept, "Geheim" in kept) == (True, False)


def test_the_rule_is_ticked_off_while_typing(officer):
    page = officer.page
    officer.open("/me/password")
    met = lambda: page.locator("#rule .met").evaluate_all("lines => lines.map((line) => line.dataset.rule)")  # noqa: E731

    assert met() == []
    page.fill("[name=password]", "lantern")
    assert met() == ["names"]
    page.fill("[name=password]", "Lantern-4")
    assert met() == ["classes", "names"]
    page.fill("[name=password]", "Lantern-River-4")
    assert met() == ["length", "classes", "names"]
    page.fill("[name=password]", f"Lantern-4-{username_of(officer)}")
    assert met() == ["length", "classes"]


def test_the_whole_way_of_the_second_factor_on_a_phone(clerk, county):
    officer = clerk("AssignmentOfficer", county, PHONE)
    page, username = officer.page, username_of(officer)
    fits = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
    officer.open("/me/second-factor")
    assert page.evaluate(fits)
    secret = page.locator("#secret").text_content() or ""

    page.fill("[name=code]", TOTP(secret).now())
    page.fill("[name=current]", PASSWORD)
    page.press("[name=current]", "Enter")
    page.wait_for_selector(".codes")
    assert page.evaluate(fits)
    codes = page.locator(".codes code").all_inner_texts()
    with page.expect_download() as download:
        page.click("[data-save]")
    text = download.value.path().read_text(encoding="utf-8")
    assert [code in text for code in codes] == [True] * 10

    page.click(".user-button")
    page.click(".user-menu form button")
    page.wait_for_url("**/login/")
    page.fill("[name=username]", username)
    page.fill("[name=password]", PASSWORD)
    page.fill("[name=captcha]", captcha(page))
    page.press("[name=captcha]", "Enter")
    page.wait_for_url("**/login/code**")
    assert page.evaluate(fits)
    page.fill("[name=code]", codes[0])
    page.press("[name=code]", "Enter")
    page.wait_for_selector(".home")


def enter_as_another(officer, county):
    """Somebody else signs in in another tab of the same browser."""
    other = account(
        "AssignmentOfficer",
        county,
        first_name="王五",
        password=generate_password_hash(PASSWORD, method="scrypt:1024:8:1"),
    )
    name = other.username
    db.session.commit()
    page = officer.page.context.new_page()
    officer.page.context.clear_cookies()
    page.goto(officer.address + "/login/")
    sign_in_on(page, name)
    return name


def test_nothing_that_one_began_is_done_as_another(officer, county):
    """The dialog of one account was carried out and recorded as the other, who had signed in in the same browser."""
    page, first = officer.page, username_of(officer)
    refuse(officer)
    other = enter_as_another(officer, county)

    page.click("#dialog .btn-submit")

    page.wait_for_selector("#dialog .alert-warning")
    told = page.locator("#dialog .alert-warning").inner_text()
    assert (first in told, other in told, "未执行任何操作" in told) == (True, True, True)
    assert page.input_value("#dialog textarea") == REASON
    db.session.rollback()
    assert set(db.session.scalars(select(Task.state))) == {UNASSIGNED}
    page.click("#dialog [data-bs-dismiss=modal]")
    page.click("#dialog [data-discard]")
    page.wait_for_selector("#dialog.show", state="detached")
    page.click("tbody tr:nth-child(2) td:nth-child(3)")
    page.wait_for_selector(".toast-warning")

    page.reload()
    assert (username_of(officer), drafts(page)) == (other, 0)
    officer.tick(1)
    officer.press("refuse")
    assert page.input_value("#dialog textarea") == ""


def test_what_was_typed_waits_for_who_typed_it(officer, county):
    page, first = officer.page, username_of(officer)
    refuse(officer)
    enter_as_another(officer, county)
    page.reload()
    officer.tick(1)
    officer.press("refuse")
    assert page.input_value("#dialog textarea") == ""

    page.context.clear_cookies()
    page.goto(officer.address + "/login/")
    sign_in_on(page, first)
    officer.open("/assignments/")
    officer.tick(1)
    officer.press("refuse")
    assert page.input_value("#dialog textarea") == REASON


def test_a_key_is_revoked_after_asking(officer):
    page = officer.page
    officer.open("/me/keys")
    page.fill("[name=name]", "统计平台")
    page.check("[name=scopes]")
    page.fill("[name=current]", PASSWORD)
    page.press("[name=current]", "Enter")
    page.wait_for_selector("#new-key")
    assert drafts(page) == 0

    page.click("[data-action=revoke]")
    page.click("#dialog .btn-submit")

    page.wait_for_selector("[data-action=revoke]", state="detached")
    assert page.locator(".me-list").count() == 0


def test_what_was_done_in_time_stands(officer):
    """A draft is only a draft: nothing is submitted by itself."""
    refuse(officer)
    officer.page.reload()
    db.session.rollback()

    assert set(db.session.scalars(select(Task.state))) == {UNASSIGNED}
