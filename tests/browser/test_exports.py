"""A long export in a real browser: asked for in the dialog, followed in the jobs, fetched and opened."""

from contextvars import Context
from io import BytesIO
from pathlib import Path
from threading import Event, Thread

import openpyxl
import pytest
from sqlalchemy import select, text

from app import access, jobs, spreadsheet
from app.domain import jobs as domain_jobs
from app.models import Job, db
from tests.browser.conftest import DESKTOP, PHONE
from tests.factories import authority, instrument, unit_of


@pytest.fixture
def desk(office, monkeypatch):
    monkeypatch.setitem(office.config, "EXPORT_ROWS", 5)
    home, unit = authority("330106"), unit_of("enterprise")
    for number in range(12):
        instrument(unit=unit, model=f"LXS-{number:02}")
    db.session.commit()
    return home


@pytest.fixture
def worker(office, monkeypatch):
    """Does the newest job when it is started, and rests at its sixth row until it may go on."""
    rests, goes_on = Event(), Event()
    real = domain_jobs.progress
    monkeypatch.setattr(spreadsheet.exports, "_TOLD_EVERY", 1)

    def resting(job, done, total, message=None):
        real(job, done, total, message)
        if done == 6:
            rests.set()
            goes_on.wait(30)

    monkeypatch.setattr(domain_jobs, "progress", resting)

    def work():
        with office.app_context(), access.seeing(access.EVERYTHING):
            at_work = db.session.scalar(text("INSERT INTO procrastinate_workers DEFAULT VALUES RETURNING id"))
            taken = "UPDATE procrastinate_jobs SET status = 'doing', worker_id = :worker WHERE task_name = 'long_work'"
            db.session.execute(text(taken), {"worker": at_work})
            db.session.commit()
            jobs.do(db.session.scalars(select(Job.id).order_by(Job.id.desc()).limit(1)).one())

    thread = Thread(target=Context().run, args=(work,))
    yield thread, rests, goes_on
    goes_on.set()
    if thread.ident:
        thread.join()
    db.session.execute(text("DELETE FROM procrastinate_jobs WHERE task_name = 'long_work'"))
    db.session.execute(text("DELETE FROM procrastinate_workers"))
    db.session.commit()


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_a_long_export_is_asked_for_followed_and_opened(clerk, desk, worker, size):
    thread, rests, goes_on = worker
    analyst = clerk("Analyst", desk, size)
    page = analyst.page

    analyst.open("/queries/instruments/")
    page.click("[data-export] > button")
    page.click("[data-export-ask]")
    page.wait_for_selector("#dialog.show .export-columns")
    assert "后台生成" in page.inner_text("#dialog .alert-info")
    assert page.locator(".export-ticks input").first.is_hidden()
    page.check("#dialog input[value=ticked]")
    page.eval_on_selector_all(".export-ticks input:checked", "boxes => boxes.forEach((box) => box.click())")
    page.check(".export-ticks input[value=model]")
    assert page.evaluate("document.documentElement.scrollWidth") == size["width"]
    page.click("#dialog .btn-submit")
    page.click(".toast a[href='/jobs/']")

    page.wait_for_url("**/jobs/")
    assert page.inner_text("td[data-label=状态]") == "等待中"
    thread.start()
    assert rests.wait(30)
    page.reload()
    assert page.inner_text("td[data-label=状态]") == "进行中"
    assert page.inner_text("td[data-label=进度]").strip() == "6 / 12"
    assert page.inner_text("td[data-label=结果]") == "正在写入"
    goes_on.set()
    page.wait_for_selector("td[data-label=文件] a")  # the page looks again by itself

    with page.expect_download() as download:
        page.click("td[data-label=文件] a")
    book = openpyxl.load_workbook(BytesIO(Path(download.value.path()).read_bytes()))
    rows = [[cell.value for cell in row] for row in book.worksheets[0].iter_rows()]
    assert rows == [["型号规格"], *([f"LXS-{number:02}"] for number in reversed(range(12)))]
    assert page.inner_text("td[data-label=结果]") == "共 12 条。"
    assert page.locator(".bell-count").inner_text() == "1"


def test_ticked_rows_are_taken_away_at_once_and_the_dialog_closes(clerk, desk):
    analyst = clerk("Analyst", desk)
    page = analyst.page
    analyst.open("/queries/instruments/")
    analyst.tick(1, 2)

    page.click("[data-export] > button")
    with page.expect_download() as one_click:
        page.click("[data-export] button[value=csv]")
    page.click("[data-export] > button")
    page.click("[data-export-ask]")
    page.wait_for_selector("#dialog.show .export-columns")
    assert page.inner_text("#dialog .dialog-summary") == "共 2 条"
    page.check("#dialog input[value=csv]")
    page.check("#dialog input[value=all]")
    with page.expect_download() as chosen:
        page.click("#dialog .btn-submit")

    texts = [Path(each.value.path()).read_text("utf-8-sig") for each in (one_click, chosen)]
    assert [len(text.splitlines()) for text in texts] == [3, 3]
    assert len(texts[1].splitlines()[0].split(",")) > len(texts[0].splitlines()[0].split(","))
    page.wait_for_selector("#dialog", state="hidden")
    analyst.open("/jobs/")
    assert page.locator("tbody tr").count() == 0
