"""The portal in a real browser: found, checked, on a desk and on a phone, also without scripts."""

import json
import os
import subprocess
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import quote

import axe_playwright_python
import pytest
from sqlalchemy import text

from app.domain import dumps
from app.models import db
from tests.browser.conftest import DESKTOP, PHONE, QUIET
from tests.factories import (
    BLOOD_PRESSURE,
    WATER_METER,
    capability,
    institution,
    instrument,
    published,
    published_certificate,
    published_kind,
    unit_of,
)

AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
SIZES = pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])


@pytest.fixture
def register(office):
    """A small register, committed, so that the server sees it."""
    for name in ("PORTAL_RATE", "OPEN_DATA_RATE", "CHECK_RATE"):
        office.config[name] = 100_000
    for name in (WATER_METER, BLOOD_PRESSURE):
        published_kind(name)
    lab = institution("330106", name="杭州市西湖区计量检定测试所", **published())
    capability(lab, "330106", "330105", regulation="JJG 162-2019")
    capability(lab, "330100", regulation="JJG 692-2010", of=BLOOD_PRESSURE, range_unit="kPa")
    hospital = unit_of("public_institution", name="杭州市第一人民医院")
    papers = [
        published_certificate(hospital, lab, instrument(unit=hospital, serial_no="SN-2026-0017"), no="浙检2026000001"),
        published_certificate(unit_of("sole_trader", name="赵记水果店"), lab, valid_until="2026-06-30"),
        published_certificate(hospital, lab, passed=False, kind="rejection", valid_until=None),
        *(published_certificate(unit_of(name=f"杭州第{n}制药有限责任公司"), lab) for n in range(24)),
    ]  # fmt: skip
    dumps.renew()
    db.session.commit()
    db.session.refresh(papers[0])
    yield SimpleNamespace(lab=lab.id, one=papers[0].id, no=papers[0].no, code=papers[0].code, expired=papers[1].id)
    for name in ("certificate", "dump"):
        db.session.execute(text(f"TRUNCATE {name} CASCADE"))
    db.session.execute(
        text("UPDATE catalogue_item SET publication = 'unpublished', published_at = NULL, confirmed_at = NULL")
    )
    db.session.commit()


@pytest.fixture
def visit(browser, address, register):
    """visit(size, **how) gives a stranger's window."""
    contexts = []
    complaints = []

    def opened(size=DESKTOP, **how):
        context = browser.new_context(viewport=size, locale="zh-CN", bypass_csp=True, **how)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
        page.on("response", lambda answer: complaints.append("cookie") if "set-cookie" in answer.headers else None)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert [each for each in complaints if "Failed to load resource" not in each] == []


def pages(register):
    check = f"/portal/check?no={register.no}&code={register.code}"
    return {
        "start": "/portal/", "instruments": "/portal/instruments?unit=杭州",
        "nothing": "/portal/instruments?unit=无此单位",
        "blank": "/portal/instruments", "certificate": f"/portal/certificates/{register.one}",
        "expired": f"/portal/certificates/{register.expired}", "institutions": "/portal/institutions",
        "institution": f"/portal/institutions/{register.lab}", "catalogue": "/portal/catalogue",
        "check": "/portal/check", "checked": check, "wrong": f"/portal/check?no={register.no}&code=0000",
        "data": "/portal/data", "error": "/portal/nowhere",
    }  # fmt: skip


@SIZES
@pytest.mark.parametrize("language", ["zh", "en"])
def test_nobody_is_shut_out(visit, address, register, size, language):
    """axe-core finds nothing serious on any page, and no page is wider than its window."""
    page = visit(size)
    found, wide = {}, []
    for name, path in pages(register).items():
        page.goto(f"{address}{path}{'&' if '?' in path else '?'}lang={language}")
        page.evaluate(AXE)
        for each in page.evaluate("axe.run().then(r => r.violations)"):
            if each["impact"] in ("serious", "critical"):
                found[name, each["id"]] = [node["html"][:200] for node in each["nodes"]][:3]
        if page.evaluate("document.documentElement.scrollWidth > window.innerWidth"):
            wide.append(name)

    assert (found, wide) == ({}, [])


@SIZES
def test_an_instrument_is_found_and_opened_by_the_keyboard_alone(visit, address, register, size):
    page = visit(size)
    page.goto(f"{address}/portal/")
    page.keyboard.press("Tab")
    skip = page.evaluate("document.activeElement.textContent")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.type("第一人民医院")
    page.keyboard.press("Enter")
    page.wait_for_url("**/portal/instruments?**")

    assert skip == "跳到正文"
    page.get_by_role("link", name="智能远传水表").last.focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/portal/certificates/*")
    assert page.get_by_role("heading", level=1).inner_text() == "智能远传水表"
    assert "SN***17" in page.inner_text("main")


@SIZES
def test_a_certificate_is_checked(visit, address, register, size):
    page = visit(size)
    page.goto(f"{address}/portal/")
    page.get_by_label("证书编号").fill(register.no)
    page.get_by_label("验证码").fill(f"{register.code[:8].lower()} - {register.code[8:]}")
    page.get_by_role("button", name="查验").click()

    assert "该证书真实有效" in page.get_by_role("status").inner_text()
    page.get_by_label("验证码").fill("0000")
    page.get_by_role("button", name="查验").click()
    assert "没有与该编号和验证码相符的证书" in page.get_by_role("alert").inner_text()


def test_the_places_below_one_come_by_themselves_and_also_without_scripts(visit, address, register):
    page = visit()
    page.goto(f"{address}/portal/institutions")
    for level, name in enumerate(("浙江省", "杭州市", "西湖区")):
        chosen = page.locator("select[name=region]").nth(level)
        chosen.locator("option", has_text=name).wait_for(state="attached")
        chosen.select_option(label=name)
    page.get_by_role("button", name="搜索").click()
    assert "西湖区计量检定测试所" in page.inner_text("main")

    plain = visit(java_script_enabled=False)
    plain.goto(f"{address}/portal/institutions")
    for level, name in enumerate(("浙江省", "杭州市", "西湖区")):
        plain.locator("select[name=region]").nth(level).select_option(label=name)
        plain.get_by_role("button", name="搜索").click()
    assert "西湖区计量检定测试所" in plain.inner_text("main")
    assert plain.locator("select[name=region]").nth(2).input_value() == "330106"


def test_pages_follow_and_the_language_stays(visit, address, register):
    page = visit(PHONE)
    page.goto(f"{address}/portal/instruments?unit=制药")
    page.get_by_role("link", name="English").click()
    first = page.get_by_role("row").count()
    page.get_by_role("link", name="More").click()

    assert (first, page.get_by_role("row").count()) == (21, 5)  # heard as a table with its head, though seen as cards
    assert page.get_by_role("heading", level=1).inner_text() == "Verified instruments"
    assert page.evaluate("document.documentElement.lang") == "en"


@SIZES
def test_what_is_touched_is_large_enough(visit, address, register, size):
    """WCAG 2.5.8 asks for 24 pixels; controls of the forms have 44."""
    page = visit(size)
    small = []
    for path in ("/portal/", "/portal/instruments?unit=杭州", "/portal/check"):
        page.goto(address + path)
        small += page.evaluate(
            "[...document.querySelectorAll('input:not([type=hidden]), select, button, nav a')]"
            ".filter(e => e.getBoundingClientRect().height < 44).map(e => e.outerHTML)"
        )

    assert small == []


def test_on_paper_stands_only_what_was_found(visit, address, register):
    page = visit()
    page.goto(f"{address}/portal/certificates/{register.one}")
    page.emulate_media(media="print")

    assert (page.locator(".menu").is_visible(), page.locator(".facts").first.is_visible()) == (False, True)


@pytest.mark.lighthouse
@pytest.mark.parametrize("device", ["mobile", "desktop"])
def test_lighthouse_has_little_to_say(address, register, device):
    """Too heavy for every run: accessibility and best practices of each page, 95 of 100 at least."""
    scores = {}
    for name, path in pages(register).items():
        if name == "error":
            continue  # Lighthouse refuses to look at what is not there
        told = subprocess.run(
            [os.environ["LIGHTHOUSE"], address + quote(path, safe="/?&="), "--quiet", "--output=json",
             "--only-categories=accessibility,best-practices", f"--chrome-flags=--headless=new {' '.join(QUIET)}",
             *(["--preset=desktop"] if device == "desktop" else [])],
            capture_output=True, check=True,
            env={**os.environ, "CHROME_PATH": os.environ["CHROMIUM"]},
        )  # fmt: skip
        categories = json.loads(told.stdout)["categories"]
        scores[name] = [round(100 * categories[each]["score"]) for each in ("accessibility", "best-practices")]

    assert {name: both for name, both in scores.items() if min(both) < 95} == {}
