"""信息公示 in a real browser: what an office publishes and takes back, and what everybody then sees."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from app.domain import holidays
from app.models import AnnouncedChange, Certificate, db
from app.states import CERTIFIED, PUBLISHED, UNPUBLISHED
from tests.browser.conftest import DESKTOP, PHONE
from tests.factories import authority, certificate, kind, task, unit_of


@pytest.fixture
def desk(office):
    """An office with three certificates that wait to be published."""
    home = authority("330106")
    hospital = unit_of("public_institution", name="杭州市第一人民医院")
    for number in range(3):
        certificate(task(CERTIFIED, unit=hospital), no=f"浙检202600000{number}")
    db.session.commit()
    return home


def publications():
    db.session.rollback()
    return list(db.session.scalars(select(Certificate.publication).order_by(Certificate.id)))


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_what_is_published_is_seen_by_everybody_and_gone_when_it_is_taken_back(clerk, desk, size):
    officer = clerk("PublicationOfficer", desk, size)
    page = officer.page
    everybody = page.context.browser.new_context(viewport=size).new_page()
    portal = f"{officer.address}/portal/instruments?unit=第一人民医院"

    officer.open("/publications/")
    page.check("[name=all], thead input[type=checkbox]") if size is DESKTOP else officer.tick(1, 2, 3)
    officer.press("publish")
    page.click("#dialog .btn-submit")
    page.wait_for_selector(".toast-body >> text=已发布 3 份证书")
    everybody.goto(portal)
    assert everybody.locator("text=杭州市第一人民医院").count() == 3

    page.click(".toast-undo button")
    page.wait_for_load_state("networkidle")
    assert publications() == [UNPUBLISHED] * 3
    everybody.goto(portal)
    assert everybody.locator("text=杭州市第一人民医院").count() == 0

    officer.open("/publications/")
    officer.tick(2)
    officer.press("publish")
    page.click("#dialog .btn-submit")
    page.wait_for_selector(".toast-body >> text=已发布 1 份证书")
    assert sorted(publications()) == [PUBLISHED, UNPUBLISHED, UNPUBLISHED]
    officer.tick(3)
    officer.press("revoke")
    page.click("#dialog .btn-submit")
    assert publications().count(PUBLISHED) == 1  # a reason is asked for
    page.fill("#dialog [name=reason]", "证书信息有误，暂停公示")
    page.click("#dialog .btn-submit")
    page.wait_for_selector(".toast-body >> text=已撤销")
    assert publications() == [UNPUBLISHED] * 3
    everybody.context.close()


def test_the_catalogue_is_changed_from_a_day_to_come_and_by_its_sheet(clerk):
    officer, tomorrow = clerk("CatalogueOfficer", authority("")), holidays.today() + timedelta(days=1)
    page, item = officer.page, kind().id
    officer.open("/catalogue/?q=水表&level=2")
    page.check(f"tbody tr[data-id='{item}'] input[name=id]")  # which row it is depends on what is published
    officer.press("edit")
    page.fill("#dialog [name=cycle_months]", "24")
    page.fill("#dialog [name=valid_from]", tomorrow.isoformat())
    page.click("#dialog .btn-submit")

    assert officer.toast() == f"已预告，自 {tomorrow.isoformat()} 起生效。"
    db.session.rollback()
    coming = db.session.get_one(AnnouncedChange, item)
    assert (coming.valid_from, coming.told) == (tomorrow, {"cycle_months": 24})

    officer.open("/catalogue/")
    officer.press("import")
    with page.expect_download() as download:
        page.click("#dialog a[download]")
    page.set_input_files("#dialog [name=file]", download.value.path())
    page.click("#dialog .btn-submit")
    page.wait_for_selector("#dialog .alert, .toast-body")
    assert officer.toast() == "新增 0 条，变更 0 条，101 条未变。"
