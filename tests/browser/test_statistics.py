"""数据统计、行政监管 in a real browser: what the chart draws stands in the table, by mouse and by keys."""

from io import BytesIO

import pytest
from PIL import Image

from app.domain import tallies
from app.models import db
from app.states import FILED
from tests.browser.conftest import DESKTOP, PHONE
from tests.factories import FAR, authority, instrument, using_unit


@pytest.fixture
def figures(office):
    """Instruments in two counties of a city, more overdue in one of them."""
    for county, overdue in (("330106", 3), ("330105", 0)):
        unit = using_unit(county)
        for number in range(10):
            state = "overdue" if number < overdue else "valid"
            instrument(county, unit, filing_state=FILED, verification_state=state, valid_until=FAR)
    tallies.rebuild()
    db.session.commit()
    return authority("3301")


def told(page, chart="lines"):
    """What a screen reader hears of a chart."""
    return page.locator(f"figure[data-table={chart}] .chart-canvas").get_attribute("aria-label")


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_a_chart_shows_what_the_table_says_and_can_be_taken_away(clerk, figures, size):
    leader = clerk("Supervisor", figures, size)
    page = leader.page

    leader.open("/oversight/states/")
    page.wait_for_selector("figure[data-drawn=overdue_rate]")
    assert "西湖区 30.00%" in told(page)
    assert "上城区 --" in told(page)
    page.locator("figure[data-table=lines] select").select_option("overdue")
    assert page.locator("figure[data-table=lines]").get_attribute("data-drawn") == "overdue"
    assert told(page).startswith("超期未检")
    with page.expect_download() as kept:
        page.click("figure[data-table=lines] button")

    assert kept.value.suggested_filename == "器具状态-超期未检.png"
    picture = Image.open(BytesIO(kept.value.path().read_bytes()))
    assert len(picture.getcolors(1 << 20) or range(3)) > 2  # something is drawn
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]


def test_by_keys_one_ranks_goes_down_to_a_county_and_to_its_rows(clerk, figures):
    leader = clerk("Supervisor", figures)
    page = leader.page

    leader.open("/oversight/states/")
    page.focus("th[data-head=overdue_rate] a")
    page.keyboard.press("Enter")
    page.wait_for_url("**sort=overdue_rate**")
    first = page.locator("#lines tbody tr").first
    assert first.locator("th").get_attribute("data-name") == "西湖区"
    assert first.locator(".rank").inner_text() == "1"
    assert first.locator(".ringing").count() == 1

    first.locator("th a").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**region=330106**")
    page.locator("td[data-head=overdue] a").first.focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/queries/instruments/**")
    assert page.locator("tbody tr[data-id]").count() == 3


def test_a_threshold_is_set_beside_what_it_marks(clerk, figures):
    leader = clerk("Supervisor", figures)
    page = leader.page

    leader.open("/oversight/states/")
    assert page.locator("tr[data-rings]").count() == 1
    page.fill("[name=threshold]", "50")
    page.press("[name=threshold]", "Enter")
    page.wait_for_selector(".statistics-alarm:not(.is-ringing)")
    assert leader.toast() == "已保存。"
    page.fill("[name=threshold]", "fünfzig")
    page.press("[name=threshold]", "Enter")
    page.wait_for_selector(".toast-body")

    assert "0 到 9999" in leader.toast()
    assert page.input_value("[name=threshold]") == "50"


def test_months_are_drawn_as_a_line(clerk, figures):
    analyst = clerk("Analyst", figures)
    page = analyst.page

    analyst.open("/oversight/forecast/")
    page.wait_for_selector("figure[data-table=months][data-drawn=due]")
    assert page.locator("#months tbody tr").count() == 24
    page.locator("figure[data-table=months] select").select_option("share")
    assert told(page, "months").startswith("占月检定量")
