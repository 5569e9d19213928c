"""Manufacturers in a browser: suggestions while typing, and one instrument under the names of a merged manufacturer."""

import pytest

from app.access import EVERYTHING
from app.domain import manufacturers
from app.domain.manufacturers import Entry
from app.models import Instrument, Manufacturer, db
from tests.browser.conftest import PHONE
from tests.browser.test_both_sides import now, submit
from tests.factories import authority, instrument, using_unit

OLD, NEW = "鲁泰衡器厂", "鲁泰称重设备有限公司"


@pytest.fixture
def unit(office):
    return using_unit("330106", "西湖农贸市场")


def open_form(someone):
    someone.open("/ledger/")
    someone.page.click(".bulk-actions [data-action=add]")
    someone.page.wait_for_selector("#dialog.show .modal-footer")


@pytest.mark.parametrize("size", [None, PHONE])
def test_a_manufacturer_is_suggested_and_taken_by_the_keyboard(clerk, unit, size):
    manufacturers.add(Entry(NEW, (OLD,)), EVERYTHING)
    manufacturers.add(Entry("鲁中仪器厂"), EVERYTHING)
    owner = clerk("UsingUnitClerk", unit, *([size] if size else []))
    page = owner.page
    open_form(owner)
    field, options = page.locator("#dialog [name=manufacturer]"), page.locator("#dialog [role=option]")

    field.press_sequentially("鲁泰")
    options.first.wait_for()
    assert options.all_inner_texts() == [NEW, f"{OLD}\n现用名：{NEW}"]
    field.press("ArrowDown")
    field.press("ArrowDown")
    field.press("ArrowUp")
    assert field.get_attribute("aria-activedescendant") == options.first.get_attribute("id")
    field.press("Enter")
    assert (field.input_value(), options.first.is_visible()) == (NEW, False)

    field.fill("鲁泰衡器")
    options.first.wait_for()
    field.press("Escape")
    assert (options.first.is_visible(), page.is_visible("#dialog.show")) == (False, True)
    field.fill("鲁泰衡")
    options.first.wait_for()
    options.first.click()
    assert (field.input_value(), page.inner_text("#dialog .suggest-note")) == (OLD, f"现用名：{NEW}")

    field.fill("从未听说的厂")
    page.wait_for_function("document.querySelector('#dialog .suggest-list').hidden")
    assert page.inner_text("#dialog .suggest-note") == ""


def test_merged_manufacturers_make_their_instruments_one(clerk, unit):
    for name in (OLD, NEW):
        manufacturers.add(Entry(name), EVERYTHING)
    instrument("330105", of="非自动衡器", manufacturer=NEW, serial_no="2026-017")
    db.session.commit()
    officer = clerk("CatalogueOfficer", authority(""))
    officer.open("/manufacturers/")
    officer.tick(1, 2)
    officer.press("merge")
    officer.page.locator("#dialog .merge-choice", has_text=NEW).click()
    submit(officer)
    assert officer.toast() == f"已将 1 个生产厂家并入 {NEW}。"
    assert len(now(Manufacturer)) == 1

    owner = clerk("UsingUnitClerk", unit)
    page = owner.page
    open_form(owner)
    levels = page.locator("#dialog .field-cascade").first.locator("select")
    levels.nth(0).select_option(label="非自动衡器")
    levels.nth(1).locator("option").nth(1).wait_for(state="attached")
    levels.nth(1).select_option(index=1)
    page.locator("[name=range_unit] option").first.wait_for(state="attached")
    for name, value in (
        ("name", "电子计价秤"), ("model", "ACS-30"), ("range_low", "0"), ("range_high", "30"),
        ("accuracy_class", "Ⅲ级"), ("manufacturer", OLD), ("serial_no", "2026017"), ("use_place", "文三路 8 号"),
    ):  # fmt: skip
        page.fill(f"#dialog [name={name}]", value)
    page.click("#dialog .btn-submit")
    page.wait_for_selector("#dialog .field-error")

    assert "浙江省杭州市拱墅区" in page.inner_text("#dialog #serial_no-help")
    assert page.input_value("#dialog [name=manufacturer]") == OLD
    assert len(now(Instrument)) == 1
