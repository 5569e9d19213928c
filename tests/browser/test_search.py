"""The search field for everything, worked by the keyboard alone, as another city's clerk too, and on a phone."""

import pytest

from app.models import db
from app.states import CERTIFIED
from tests.browser.conftest import PHONE
from tests.factories import authority, certificate, institution, instrument, task, unit_of


@pytest.fixture
def world(office):
    unit, lab = unit_of(name="西溪湿地水务有限公司"), institution(name="西溪计量检定所")
    what = instrument(unit=unit, instrument_no="QJ3301060000777001", serial_no="WM778899")
    done = task(CERTIFIED, to=lab, unit=unit, what=what)
    certificate(done, no="JD20267770001")
    db.session.commit()
    return {"unit": unit.id, "instrument": what.id, "task": done.id}


FOCUS = "document.activeElement.getAttribute('role')"


def test_found_and_opened_by_keys_alone(clerk, world):
    page = clerk("Supervisor", authority("3301")).page

    page.keyboard.press("Control+k")
    page.keyboard.type("WM778899")
    page.wait_for_selector("#search-instruments-1[aria-selected=true]")
    field = page.locator("#search-everything input")
    assert (page.evaluate(FOCUS), field.get_attribute("aria-expanded")) == ("combobox", "true")
    assert field.get_attribute("aria-activedescendant") == "search-instruments-1"
    assert page.locator("#search-results [role=status]").inner_text() == "找到 2 条。"

    page.keyboard.press("ArrowDown")
    assert field.get_attribute("aria-activedescendant") == "search-tasks-1"
    page.keyboard.press("ArrowDown")
    assert field.get_attribute("aria-activedescendant") == "search-instruments-1"
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")

    page.wait_for_url(f"**/assignments/show/{world['task']}")


def test_escape_closes_and_the_list_below_keeps_its_keys(clerk, world):
    page = clerk("Supervisor", authority("3301")).page
    page.goto(page.url.split("/", 3)[0] + "//" + page.url.split("/")[2] + "/queries/instruments/")

    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "search"
    page.keyboard.press("Escape")
    page.keyboard.press("Meta+k")
    page.wait_for_selector("#search-everything[open]")
    page.keyboard.type("jx")  # are keys of the list elsewhere
    page.keyboard.press("Escape")
    page.wait_for_selector("#search-everything[open]", state="detached")
    assert page.locator("tbody input:checked").count() == 0
    assert page.url.endswith("/queries/instruments/")


def test_another_city_finds_nothing_and_is_told_so(clerk, world):
    page = clerk("Supervisor", authority("5101")).page

    page.keyboard.press("Control+k")
    page.keyboard.type("QJ3301060000777001")
    page.wait_for_selector("text=没有找到“QJ3301060000777001”")
    page.keyboard.press("Enter")

    assert page.locator("#search-everything[open]").count() == 1
    assert page.locator("#search-results [role=option]").count() == 0


def test_on_a_phone_the_sign_opens_it(clerk, world):
    page = clerk("Supervisor", authority("3301"), PHONE).page

    page.click("[data-open-search]")
    page.fill("#search-everything input", "西溪湿地")
    page.click("#search-units-1")

    page.wait_for_url(f"**/queries/units/show/{world['unit']}")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
