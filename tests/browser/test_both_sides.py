"""A using unit and an institution at their desks, large and small: enter, book, accept, record, approve, take away."""

from concurrent.futures import ThreadPoolExecutor
from contextvars import Context
from io import BytesIO
from typing import Any

import openpyxl
import pypdfium2
import pytest
from sqlalchemy import func, select

from app import jobs
from app.domain import certificates, tallies
from app.models import Account, Certificate, Instrument, Job, Task, db
from app.states import CERTIFIED, OFFERED, TO_APPROVE, TO_CHECK, VERIFYING
from tests.browser.conftest import PHONE
from tests.factories import (
    appointment,
    authority,
    capability,
    certificate,
    institution,
    instrument,
    issuing_rule,
    measurement_standard,
    result,
    staff_member,
    task,
    using_unit,
)

SCALE = "非自动衡器"


@pytest.fixture
def lab(office):
    found = institution(name="西湖区计量检定所")
    standard = measurement_standard(found, name="砝码标准装置")
    for of, unit, value in ((SCALE, "kg", 3), ("水表", "mm", 1)):
        capability(
            found, of=of, range_unit=unit, accuracy_value=value, standard_id=standard.id, regulation="JJG 539-2016"
        )
    issuing_rule(found)
    authority("330106")
    certificates.keyring().make_authority("测试根证书")
    tallies.rebuild()
    db.session.commit()
    return found


@pytest.fixture
def unit(office):
    found = using_unit(name="杭州老街面馆有限公司")
    db.session.commit()
    return found


def now(model):
    db.session.rollback()
    return list(db.session.scalars(select(model).order_by(model.id)))


def joined(clerk, role, lab, size=None, **values):
    """Somebody of the institution who is a member of its staff."""
    person = clerk(role, lab, size) if size else clerk(role, lab)
    account_id = db.session.scalar(select(func.max(Account.id)))
    staff_member(lab, of=(SCALE, "水表"), account_id=account_id, **values)
    db.session.commit()
    return person


def work(office):
    """Do the jobs that were asked for, in a thread as the worker has them."""
    with ThreadPoolExecutor() as pool:
        for job in now(Job):
            pool.submit(Context().run, jobs.long_work, office, job.id).result()


def submit(someone):
    someone.page.click("#dialog .btn-submit")
    someone.page.wait_for_selector("#dialog.show", state="hidden")


def test_an_instrument_is_entered_with_a_preview_and_booked(clerk, unit, lab):
    owner = clerk("UsingUnitClerk", unit)
    page = owner.page
    owner.open("/ledger/")
    page.click(".bulk-actions [data-action=add]")
    page.wait_for_selector("#dialog.show .modal-footer")

    levels = page.locator("#dialog .field-cascade").first.locator("select")
    levels.nth(0).select_option(label="非自动衡器")
    levels.nth(1).locator("option").nth(1).wait_for(state="attached")
    levels.nth(1).select_option(label=SCALE)
    page.locator("[name=range_unit] option").first.wait_for(state="attached")
    assert page.is_visible("[name=type_approval_no]")
    for name, value in (
        ("name", "电子计价秤"), ("model", "ACS-30"), ("range_low", "0"), ("range_high", "30"),
        ("accuracy_class", "Ⅲ级"), ("type_approval_no", "2020F123-33"), ("manufacturer", "杭州衡器厂"),
        ("serial_no", "2026-017"), ("quantity", "3"), ("use_place", "文三路 8 号"),
    ):  # fmt: skip
        page.fill(f"#dialog [name={name}]", value)
    page.locator("#dialog [name=use_place]").blur()
    page.wait_for_selector("#match-preview b")
    assert page.inner_text("#match-preview b") == "西湖区计量检定所"
    submit(owner)

    assert [each.serial_no for each in now(Instrument)] == ["2026-017", "2026-018", "2026-019"]
    page.check("#tick-page")
    owner.press("book")
    page.fill("#dialog [name=contact]", "赵小禾")
    page.fill("#dialog [name=phone]", "13800001234")
    submit(owner)
    assert [each.state for each in now(Task)] == [OFFERED] * 3


def test_what_a_clerk_typed_survives_a_refusal(clerk, unit, lab):
    owner = clerk("UsingUnitClerk", unit)
    page = owner.page
    owner.open("/ledger/")
    page.click(".bulk-actions [data-action=add]")
    page.wait_for_selector("#dialog.show .modal-footer")

    page.fill("#dialog [name=name]", "电子计价秤")
    page.click("#dialog .btn-submit")
    page.wait_for_selector("#dialog .field-error")

    assert page.input_value("#dialog [name=name]") == "电子计价秤"
    assert "请选择目录中的种别" in page.inner_text("#dialog")


def test_a_verification_on_a_phone_from_the_offer_to_the_bench(clerk, unit, lab):
    task(OFFERED, to=lab, unit=unit)
    db.session.commit()
    counter = clerk("InstitutionClerk", lab, PHONE)
    counter.open("/inbox/")

    for action in ("accept", "receive", "start"):
        counter.tick(1)
        counter.press(action)
        submit(counter)

    assert [each.state for each in now(Task)] == [VERIFYING]
    assert counter.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_results_are_recorded_checked_and_approved(clerk, unit, lab):
    order = appointment(unit=unit)
    for number in range(3):
        what = instrument(unit=unit, serial_no=f"WM{number}")
        task(VERIFYING, to=lab, unit=unit, order=order, what=what)
    db.session.commit()
    verifier = joined(clerk, "InstitutionVerifier", lab, name="王检定")
    page = verifier.page
    verifier.open("/results/")
    page.check("#tick-page")
    verifier.press("record")
    assert page.locator("[name=standard_ids]:checked").count() == 1
    page.check("[data-conclusion]:nth-child(2) [name=failed]")
    page.click("#dialog .btn-submit")
    page.wait_for_selector("#dialog .alert-danger")
    page.fill("[data-conclusion]:nth-child(2) [name^=failure-]", "示值误差超差")
    submit(verifier)
    assert [each.state for each in now(Task)] == [TO_CHECK] * 3

    checker = joined(clerk, "InstitutionVerifier", lab, name="李核验")
    checker.open("/results/")
    checker.page.check("#tick-page")
    checker.press("check")
    submit(checker)
    assert [each.state for each in now(Task)] == [TO_APPROVE] * 3

    approver = joined(clerk, "InstitutionApprover", lab, PHONE, name="赵批准", approves=True)
    approver.open("/results/")
    approver.page.check("#tick-page")
    approver.press("approve")
    submit(approver)
    assert [each.state for each in now(Task)] == [CERTIFIED] * 3
    assert [each.passed for each in now(Certificate)] == [True, False, True]


def test_a_unit_takes_its_certificates_away(clerk, unit, lab, office):
    for number in range(2):
        certificate(task(CERTIFIED, to=lab, unit=unit), no=f"浙检{number}")
    db.session.commit()
    owner = clerk("UsingUnitClerk", unit)
    owner.open("/certificates/")

    owner.tick(1)
    owner.press("download")
    with owner.page.expect_download() as coming:
        owner.page.click("#dialog .btn-submit")
    pdf = coming.value.path().read_bytes()
    assert coming.value.suggested_filename == "浙检1.pdf"
    assert "浙检1" in pypdfium2.PdfDocument(pdf)[0].get_textpage().get_text_range()
    owner.page.wait_for_selector("#dialog.show", state="hidden")

    owner.page.check("#tick-page")
    owner.press("download")
    owner.page.click("#dialog .btn-submit")
    owner.page.wait_for_url("**/jobs/")
    work(office)
    owner.page.wait_for_selector(".state-done")
    with owner.page.expect_download() as coming:
        owner.page.click("tbody a")
    assert coming.value.path().stat().st_size > 10_000


def test_a_sheet_of_results_goes_out_and_comes_back(clerk, unit, lab, tmp_path):
    order = appointment(unit=unit)
    for _ in range(2):
        task(VERIFYING, to=lab, unit=unit, order=order)
    db.session.commit()
    verifier = joined(clerk, "InstitutionVerifier", lab, name="王检定")
    verifier.open("/results/")
    verifier.page.check("#tick-page")
    verifier.press("take_sheet")
    with verifier.page.expect_download() as coming:
        verifier.page.click("#dialog .btn-submit")
    book = openpyxl.load_workbook(BytesIO(coming.value.path().read_bytes()))
    sheet: Any = book.worksheets[0]
    column = next(cell.column for cell in sheet[1] if cell.value == "*检定结论")
    sheet.cell(2, column).value = "合格"
    book.save(tmp_path / "half.xlsx")
    sheet.cell(3, column).value = "合格"
    book.save(tmp_path / "whole.xlsx")

    verifier.page.wait_for_selector("#dialog.show", state="hidden")
    verifier.page.click(".bulk-actions [data-action=record_sheet]")
    verifier.page.set_input_files("#dialog [name=file]", tmp_path / "half.xlsx")
    verifier.page.click("#dialog .btn-submit")
    verifier.page.wait_for_selector(".sheet-problems")
    assert "第 3 行" in verifier.page.inner_text(".sheet-problems")
    verifier.page.set_input_files("#dialog [name=file]", tmp_path / "whole.xlsx")
    submit(verifier)

    assert [each.state for each in now(Task)] == [TO_CHECK] * 2


def test_a_correction_asks_for_its_reason_and_tells_what_follows(clerk, unit, lab):
    one = task(CERTIFIED, to=lab, unit=unit)
    result(one, staff_member(lab, "王检定"))
    certificate(one)
    db.session.commit()
    approver = joined(clerk, "InstitutionApprover", lab, name="赵批准", approves=True)
    approver.open("/certificates/")

    approver.tick(1)
    approver.press("correct")
    assert "不可撤销" in approver.page.inner_text("#dialog .alert")
    approver.page.click("#dialog .chip >> nth=0")
    submit(approver)

    assert [each.state for each in now(Certificate)] == ["void"]
    assert [each.state for each in now(Task)] == [VERIFYING]
