"""器具批量导入 in a real browser: a unit's own ledger is mapped, previewed, imported, changed by sheet and undone."""

import os
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from sqlalchemy import func, select

from app.models import Instrument, db
from tests.browser.conftest import DESKTOP, PHONE
from tests.factories import authority, using_unit

CASES = Path(__file__).parents[1] / "data"
SHOTS = os.environ.get("SHOTS")


def shot(page, name):
    if SHOTS:
        page.screenshot(path=f"{SHOTS}/{name}.png", full_page=True)


def upload(clerk, path):
    clerk.open("/ledger/")
    clerk.press("import")
    clerk.page.set_input_files("#dialog [name=file]", path)
    clerk.page.click("#dialog .btn-submit")
    clerk.page.wait_for_selector("#import-sheet")


def serials():
    db.session.rollback()
    return list(db.session.scalars(select(Instrument.serial_no).order_by(Instrument.serial_no)))


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_a_ledger_is_mapped_previewed_imported_and_undone(clerk, office, size, tmp_path):
    authority("330106")
    unit = using_unit()
    person = clerk("UsingUnitClerk", unit, size)
    page = person.page
    book: Any = openpyxl.load_workbook(CASES / "17b-typical-ledger-title-row-not-merged.xlsx")
    book.active["K3"] = "放在哪里"
    book.active.row_dimensions[5].hidden = True
    book.save(tmp_path / "我们的台账.xlsx")

    upload(person, tmp_path / "我们的台账.xlsx")
    shot(page, f"import-mapping-{size['width']}")
    assert page.is_disabled(".import-buttons .btn-primary")
    page.select_option(".import-column:has-text('放在哪里') select", label="使用地点")
    page.wait_for_selector(".alert-warning", state="detached")
    assert page.is_disabled(".import-buttons .btn-primary")
    page.check(".import-hidden [value=take]")
    page.wait_for_selector(".import-buttons .btn-primary:not([disabled])")
    assert page.locator(".import-tabs a").all_inner_texts() == ["新增 2", "不导入的行 1"]
    shot(page, f"import-preview-{size['width']}")
    page.click(".import-buttons .btn-primary")
    page.wait_for_selector(".alert-success")
    shot(page, f"import-done-{size['width']}")
    assert serials() == ["B17-1", "B17-2"]

    book.active["K4"], book.active["G5"], book.active["H5"] = "三号锅炉房", "好", "B17-9"
    book.save(tmp_path / "我们的台账.xlsx")
    upload(person, tmp_path / "我们的台账.xlsx")
    page.check(".import-hidden [value=take]")
    page.wait_for_selector(".import-hidden:not(.is-open)")
    shot(page, f"import-rejected-{size['width']}")
    page.click(".import-tabs a.verdict-changed")
    page.wait_for_selector(".is-changed")
    assert page.locator(".is-changed del").inner_text() == "一号锅炉房"
    shot(page, f"import-changed-{size['width']}")

    person.open("/ledger-imports/")
    shot(page, f"import-list-{size['width']}")
    page.click("tbody tr:nth-child(2) input[name=id]")
    person.press("undo")
    shot(page, f"import-undo-{size['width']}")
    page.click("#dialog .btn-submit")
    page.wait_for_selector(".toast-body >> text=已撤销导入：2 台器具已移出台账")
    assert db.session.scalar(select(func.count()).select_from(Instrument)) == 0
