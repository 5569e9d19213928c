"""社公标 in a real browser: entered, refused, passed, changed by form and by sheet, traced; desktop and phone."""

from typing import Any

import pytest
from openpyxl import load_workbook
from sqlalchemy import select

from app.models import MeasurementStandard, db
from app.states import APPROVED, CERTIFIED, DRAFT, SEALED, SUBMITTED
from tests.browser.conftest import DESKTOP, PHONE
from tests.factories import authority, capability, certificate, institution, measurement_standard, task

TOLD = {
    "name": "0.05级数字压力计标准装置", "code": "12216000", "measuring_range": "(-0.1～60)MPa", "uncertainty": "0.05级",
    "keeper": "王建国", "certificate_no": "[2024]浙量标法证字第0017号", "issuer": "杭州市市场监督管理局",
    "issued_on": "2024-03-01", "valid_until": "2029-02-28", "examined_by": "杭州市市场监督管理局",
    "public_certificate_no": "[2024]浙社量标证字第0017号", "public_issuer": "杭州市市场监督管理局",
    "public_issued_on": "2024-03-15", "public_valid_until": "2029-02-28", "service_area": "杭州市西湖区",
    "authorization_no": "（浙）法计00017号",
}  # fmt: skip


@pytest.fixture
def lab(office):
    new = institution("330106", name="西湖区计量检定所")
    new.parent_id = authority("330106").id
    db.session.commit()
    return new


def named(name):
    db.session.rollback()
    return db.session.scalars(select(MeasurementStandard).where(MeasurementStandard.name == name)).one()


def send(person):
    person.page.click("#dialog .btn-submit")
    person.page.wait_for_selector(".toast-body")


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_a_standard_is_entered_reviewed_and_changed(clerk, lab, size):
    writer = clerk("StandardOfficer", authority("330106"), size)
    page = writer.page
    writer.open("/standards/")
    writer.press("add")
    for name, value in TOLD.items():
        page.fill(f"#dialog [name={name}]", value)
    page.click("#dialog .btn-submit")
    page.wait_for_selector("#dialog .field-error")  # no institution was chosen
    assert page.input_value("#dialog [name=keeper]") == "王建国"
    page.click("#dialog .ts-control")
    page.keyboard.type("西湖")
    page.click('.ts-dropdown .option:has-text("西湖区计量检定所")')
    send(writer)
    assert named(TOLD["name"]).state == DRAFT

    writer.open("/standards/")
    writer.tick(1)
    writer.press("submit")
    send(writer)
    assert named(TOLD["name"]).state == SUBMITTED
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")

    reviewer = clerk("StandardOfficer", authority("330106"), size)
    reviewer.open("/standard-reviews/")
    reviewer.tick(1)
    reviewer.press("pass")
    send(reviewer)
    assert named(TOLD["name"]).state == APPROVED

    writer.open("/standards/")
    writer.tick(1)
    writer.press("edit")
    page.wait_for_selector("#dialog .dialog-note")  # what is saved is a change
    page.fill("#dialog [name=name]", "0.02级数字压力计标准装置")
    send(writer)
    assert (named(TOLD["name"]).state, named("0.02级数字压力计标准装置").state) == (APPROVED, DRAFT)


def test_changes_by_sheet_are_looked_at_before_they_are_made(clerk, lab, tmp_path):
    for number in range(3):
        measurement_standard(lab, name=f"标准装置{number}", state=DRAFT)
    db.session.commit()
    writer = clerk("StandardOfficer", authority("330106"))
    page = writer.page
    writer.open("/standards/")
    writer.tick(1, 2, 3)
    writer.press("export_for_changes")
    with page.expect_download() as download:
        page.click("#dialog .btn-submit")
    path = tmp_path / "更新表.xlsx"
    download.value.save_as(path)
    book = load_workbook(path)
    sheet: Any = book.worksheets[0]
    keeper = next(number for number, cell in enumerate(sheet[1], start=1) if "负责人" in str(cell.value))
    for row in range(2, 5):
        sheet.cell(row, keeper).value = "新负责人"
    book.save(path)

    writer.open("/standards/")
    writer.press("import_changes")
    page.set_input_files("#dialog [name=file]", path)
    page.click("#dialog .btn-submit")
    page.wait_for_selector("#dialog table")
    assert page.locator("#dialog tbody tr").count() == 3
    assert "新负责人" in page.inner_text("#dialog tbody")
    assert named("标准装置0").keeper != "新负责人"  # nothing is made yet

    send(writer)
    assert [named(f"标准装置{number}").keeper for number in range(3)] == ["新负责人"] * 3


def test_what_was_sealed_up_is_traced_to_its_certificates(clerk, lab):
    one = measurement_standard(lab, name="坏了的标准装置")
    able = capability(lab, "330106", standard_id=one.id)
    used = [{"id": one.id, "name": one.name, "certificate_no": one.certificate_no}]
    numbers = [certificate(task(CERTIFIED, "330106", to=lab), standards=used).no for _ in range(2)]
    db.session.commit()
    writer = clerk("StandardOfficer", authority("330106"))
    page = writer.page
    writer.open("/standards/")
    writer.tick(1)
    writer.press("seal")
    page.fill("#dialog [name=reason]", "标准器超差，停用检修")
    send(writer)
    assert (named("坏了的标准装置").state, able.state) == (SEALED, "expired")

    writer.open(f"/standards/show/{one.id}")
    page.click("[data-action=trace]")
    page.wait_for_url("**/traces/?standard=*")
    shown = page.inner_text("tbody")
    assert all(number in shown for number in numbers)
    writer.tick(1, 2)
    writer.press("tell")
    page.fill("#dialog [name=reason]", "所用标准器超差，请重新申请检定")
    send(writer)
    assert "2" in writer.toast()
