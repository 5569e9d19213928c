"""数据查询 in a real browser: periods, conditions, pasted numbers and saved views, by mouse and by keys."""

from datetime import timedelta

import pytest

from app.domain import holidays
from app.models import db
from tests.browser.conftest import DESKTOP, PHONE
from tests.factories import authority, instrument, unit_of


@pytest.fixture
def desk(office):
    """An office with a few instruments, one of which falls due soon."""
    home, hospital = authority("330106"), unit_of("public_institution", name="杭州市第一人民医院")
    for number in range(4):
        instrument(unit=hospital, model=f"LXS-{number}", purpose="medical" if number < 2 else "trade",
                   serial_no=f"SN-{number}",
                   valid_until=holidays.today() + timedelta(days=5 if number == 0 else 400))  # fmt: skip
    db.session.commit()
    return home


def models(page):
    return sorted(page.locator("tbody td[data-label=型号规格]").all_inner_texts())


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_a_question_is_asked_kept_as_a_view_and_asked_again(clerk, desk, size):
    analyst = clerk("Analyst", desk, size)
    page = analyst.page

    def fields():
        if size is PHONE:
            page.click(".filter-toggle")

    analyst.open("/queries/instruments/")
    fields()
    page.focus("select[name=until]")
    page.select_option("select[name=until]", "next_30_days")
    page.wait_for_url("**until=next_30_days")
    assert models(page) == ["LXS-0"]
    assert page.locator(".chip").all_inner_texts() == ["有效期至: 未来30天"]

    analyst.open("/queries/instruments/")
    fields()
    page.click(".conditions > button")
    page.select_option(".condition select >> nth=0", "purpose")
    page.select_option(".condition [data-value]", "medical")
    page.click("[data-condition-add]")
    second = page.locator(".condition").nth(1)
    second.locator("select").nth(0).select_option("model")
    second.locator("[data-value]").fill("S-3")
    page.check("input[name=match][value=any]")
    page.click(".conditions [type=submit]")
    page.wait_for_url("**match=any**")
    assert models(page) == ["LXS-0", "LXS-1", "LXS-3"]
    assert (
        page.locator(".chip").first.inner_text() == "更多条件: 满足任一条件、器具用途 等于 医疗卫生、型号规格 包含 S-3"
    )

    page.click(".views > button")
    page.click(".views [data-asks$='/views/ask']")
    page.fill("#dialog input[name=name]", "医疗或S-3")
    page.keyboard.press("Enter")
    page.wait_for_url("**view=*")
    assert page.locator(".views > button").inner_text() == "医疗或S-3"
    page.click(".views > button")
    page.click("text=设为默认视图")
    analyst.open("/queries/instruments/")
    assert models(page) == ["LXS-0", "LXS-1", "LXS-3"]
    assert page.evaluate("document.documentElement.scrollWidth") == size["width"]


def test_numbers_are_pasted_and_those_that_are_missing_told(clerk, desk):
    analyst = clerk("Analyst", desk)
    page = analyst.page

    analyst.open("/queries/instruments/")
    page.click("[data-asks$='/numbers/ask']")
    page.fill("#dialog textarea", "sn-1，ＳＮ－２\nSN-9")
    page.keyboard.press("Control+Enter")
    page.wait_for_url("**numbers=*")

    assert models(page) == ["LXS-1", "LXS-2"]
    assert page.locator(".alert-info").inner_text() == "3 个编号中有 1 个未找到：SN-9"
    page.click(".chip")
    page.wait_for_url(lambda address: "numbers=" not in address)
    assert len(models(page)) == 4
