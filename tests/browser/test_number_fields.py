"""What is typed into a number field arrives as typed: a browser makes 16 of 1,6 in an input of type number."""

from typing import Any

import pytest

from app.models import db
from tests.browser.conftest import PHONE
from tests.factories import authority, using_unit


@pytest.mark.parametrize("size", [{"width": 1366, "height": 768}, PHONE])
def test_a_decimal_comma_stays_as_it_was_typed_and_is_refused_at_its_field(clerk, office, size: Any):
    authority("330106")
    unit = using_unit()
    db.session.commit()
    someone = clerk("UsingUnitClerk", unit, size)
    page = someone.page
    someone.open("/ledger/")
    someone.press("add")

    page.locator("#range_high").press_sequentially("1,6")
    page.locator("#quantity").fill("")
    page.locator("#quantity").press_sequentially("１２")
    typed = [page.input_value(f"#{name}") for name in ("range_high", "quantity")]
    page.evaluate("document.querySelector('#dialog form').noValidate = true")
    page.click("#dialog .btn-submit")
    page.wait_for_selector("#range_high.is-invalid")

    assert typed == ["1,6", "１２"]
    assert [page.input_value(f"#{name}") for name in ("range_high", "quantity")] == typed
    assert "逗号只用于分隔千位" in page.locator("#range_high-help, #range_high ~ *").first.inner_text()
    assert page.locator("#quantity.is-invalid").count() == 0
    assert someone.complaints == []
