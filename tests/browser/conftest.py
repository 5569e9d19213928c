"""A real browser on a real server: Chromium by its path, the application on a port of its own."""

import os
import shutil
from collections.abc import Iterator
from contextvars import Context
from threading import Thread
from typing import Any

import pytest
from flask import Flask
from playwright.sync_api import Browser, Page, sync_playwright
from sqlalchemy import select
from werkzeug.security import generate_password_hash
from werkzeug.serving import make_server

from app.models import Captcha, db
from tests.factories import account

PASSWORD = "Jianding#2026"
# Chromium looks for its maker's hosts at every start; these keep it at home.
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
DESKTOP: Any = {"width": 1440, "height": 900}
PHONE: Any = {"width": 390, "height": 844}


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    assert path, "Chromium is missing; `python3 run.py test` installs it or says where to put it"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=QUIET)
        yield browser
        browser.close()


@pytest.fixture
def address(office: Flask) -> Iterator[str]:
    server = make_server("127.0.0.1", 0, office, threaded=True)
    thread = Thread(target=Context().run, args=(server.serve_forever,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


class Clerk:
    """A person at a browser window; what the page complains of is collected."""

    def __init__(self, page: Page, address: str):
        self.page = page
        self.address = address
        self.complaints: list[str] = []
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", self._hear)

    def _hear(self, message: Any) -> None:
        # The browser itself notes every answer of 4xx; those are part of what is tested.
        if (
            message.type == "error"
            and "Failed to load resource" not in message.text
            and "Response Status" not in message.text
        ):
            self.complaints.append(message.text)

    def open(self, path: str) -> None:
        self.page.goto(self.address + path)

    def sign_in(self, username: str) -> None:
        self.open("/login/")
        self.page.fill("[name=username]", username)
        self.page.fill("[name=password]", PASSWORD)
        token = self.page.input_value("[name=captcha_token]")
        db.session.rollback()
        self.page.fill("[name=captcha]", db.session.scalars(select(Captcha.answer).where(Captcha.token == token)).one())
        self.page.press("[name=captcha]", "Enter")
        self.page.wait_for_url(lambda url: "/login/" not in url)

    def begin(self) -> None:
        """Open the first page after the home page, on which the work of the role begins."""
        entries = self.page.locator(".menu a:not([href='/'])")
        if entries.count():
            self.page.goto(self.address + str(entries.first.get_attribute("href")))

    def tick(self, *rows: int) -> None:
        for row in rows:
            self.page.check(f"tbody tr:nth-child({row}) input[name=id]")

    def press(self, action: str) -> None:
        self.page.click(f".bulk-actions [data-action={action}]")
        self.page.wait_for_selector("#dialog.show .modal-footer")

    def toast(self) -> str:
        return self.page.locator(".toast-body").first.inner_text()


@pytest.fixture
def clerk(browser: Browser, address: str) -> Iterator[Any]:
    """clerk(role, organization, size) signs in an account and gives its window."""
    contexts = []
    clerks: list[Clerk] = []

    def at_work(role: str | None, organization: Any, size: Any = DESKTOP) -> Clerk:
        person = account(role, organization, password=generate_password_hash(PASSWORD, method="scrypt:1024:8:1"))
        name = person.username
        db.session.commit()
        context = browser.new_context(viewport=size, locale="zh-CN", accept_downloads=True)
        contexts.append(context)
        someone = Clerk(context.new_page(), address)
        someone.page.set_default_timeout(60_000)
        someone.sign_in(name)
        someone.begin()
        clerks.append(someone)
        return someone

    yield at_work
    for context in contexts:
        context.close()
    assert [complaint for someone in clerks for complaint in someone.complaints] == []
