"""The first page of an authority, an institution and a unit, and the screen on the wall that comes anew by itself."""

from datetime import timedelta

import pytest
from sqlalchemy import update

from app.domain import holidays, home, tallies
from app.models import Instrument, db
from app.states import FILED, OFFERED, RETURNED, UNASSIGNED
from tests.browser.conftest import DESKTOP, PHONE
from tests.factories import authority, institution, instrument, task, using_unit


@pytest.fixture
def world(office):
    home.forget()
    unit, lab = using_unit(name="市民医院"), institution(name="西湖计量所")
    today = holidays.today()
    task(RETURNED, unit=unit, to=lab)
    for _ in range(2):
        task(UNASSIGNED, unit=unit)
        task(OFFERED, unit=unit, to=lab, due_on=today - timedelta(days=2))
    instrument(unit=unit, filing_state=FILED, valid_until=today + timedelta(days=3), verification_state="due_soon")
    tallies.rebuild()
    db.session.commit()
    return {"unit": unit, "lab": lab}


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize(
    ("role", "at", "label", "figure", "rows"),
    [
        ("Supervisor", "county", "本级待分配", "2", 2),
        ("InstitutionClerk", "lab", "待受理任务", "2", 2),
        ("UsingUnitClerk", "unit", "被退回任务", "1", 1),
    ],
)
def test_a_figure_of_the_first_page_leads_to_its_rows(clerk, world, size, role, at, label, figure, rows):
    person = clerk(role, world.get(at) or authority("330106"), size)
    page = person.page
    person.open("/")

    count = page.locator(".home-count", has_text=label)
    assert count.locator("b").inner_text() == figure
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    count.click()

    page.wait_for_selector("#list")
    assert page.locator("tbody tr").count() == rows


def test_what_is_nearest_opens_by_the_keyboard(clerk, world):
    person = clerk("InstitutionClerk", world["lab"])
    person.open("/")

    row = person.page.locator(".home-rows a").first
    assert "超期 2 天" in row.inner_text()
    row.focus()
    person.page.keyboard.press("Enter")

    person.page.wait_for_url("**/inbox/show/*")


def overdue(page):
    return page.locator(".wall-figures section").nth(3).locator("p").inner_text()


def test_the_wall_comes_anew_each_minute_and_says_when_it_cannot(clerk, world):
    person = clerk("Supervisor", authority("330106"))
    page = person.page
    page.clock.install()
    person.open("/wall/")
    assert overdue(page) == "0"

    db.session.execute(
        update(Instrument).where(Instrument.verification_state == "due_soon").values(verification_state="overdue")
    )
    tallies.rebuild()
    db.session.commit()
    with page.expect_response("**/wall/figures"):
        page.clock.run_for(60_000)
    page.wait_for_selector(".wall-figures .late")
    assert overdue(page) == "1"

    page.route("**/wall/figures", lambda route: route.abort())
    page.clock.run_for(60_000)
    page.wait_for_selector("#wall-lost:not([hidden])")
    assert "连接已中断" in page.locator("#wall-lost").inner_text()
    assert overdue(page) == "1"

    assert [complaint for complaint in person.complaints if not complaint.startswith("htmx:")] == []
    person.complaints.clear()  # htmx notes that it had no answer

    page.unroute("**/wall/figures")
    with page.expect_response("**/wall/figures"):
        page.clock.run_for(60_000)
    page.wait_for_selector("#wall-lost", state="hidden")


def test_the_wall_fills_the_screen_by_its_key(clerk, world):
    person = clerk("Analyst", authority("33"))
    person.open("/wall/")

    person.page.keyboard.press("f")
    person.page.wait_for_function("document.fullscreenElement !== null")
    person.page.keyboard.press("f")
    person.page.wait_for_function("document.fullscreenElement === null")


def test_the_wall_fits_a_phone(clerk, world):
    person = clerk("Supervisor", authority("330106"), PHONE)
    person.open("/wall/")

    assert person.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
