"""Every dialog of every page on a phone and a low screen: its last field is reached, and its buttons stay in sight."""

from collections.abc import Iterator
from contextvars import Context
from datetime import UTC, datetime
from threading import Thread
from typing import Any

import pytest
from flask import Flask
from playwright.sync_api import Browser, Page
from sqlalchemy import create_engine, select, text, update
from werkzeug.serving import make_server

from app import access, create_app, demo, seeding
from app.domain import access_keys, draws, holidays, sessions
from app.domain.draws import Conditions
from app.fabkit.pages import ModelPage
from app.fabkit.security import principal_of
from app.models import (
    Account,
    Certificate,
    Job,
    LedgerImport,
    MeasurementStandard,
    MonthlyReport,
    Notification,
    Organization,
    db,
)
from config import Config

SIZES: Any = ({"width": 390, "height": 844}, {"width": 1366, "height": 640})
# Together they hold every permission. Each dialog is opened by the first of them who has a row for it.
ACCOUNTS = (
    "hangzhou",
    "xihu",
    "guojia-guanli",
    "guojia-xitong",
    "guojia-mulu",
    "guojia-shenji",
    "hangzhou-jiancha",
    "jigou",
    "jigou-jianding",
    "jigou-pizhun",
    "danwei",
)

# How many rows some dialogs want.
ROWS = {("/manufacturers", "merge"): 2}

# Opens the dialog of a button as a click does, after ticking the first row that fits it; false if there is no row.
# The made-up data have no row in some states; the dialog is the same for the first row of any state.
OPEN = """([selector, number]) => {
  const button = document.querySelector(selector);
  const boxes = [...document.querySelectorAll('#list tbody input[name=id]')];
  if (button && !document.getElementById('list')) return button.click() ?? true;
  if (!button || (!boxes.length && 'action' in button.dataset && !('always' in button.dataset))) return false;
  boxes.forEach((box) => box.checked && box.click());
  const states = button.dataset.states?.split(' ');
  const fitting = boxes.filter((box) => !states || states.includes(box.closest('tr').dataset.state));
  const ticks = 'action' in button.dataset && !('always' in button.dataset) ? number : 0;
  fitting.slice(0, ticks).forEach((box) => box.click());
  if ('refused' in button.dataset) {
    const values = { selection: 'ids', id: boxes[0].value };
    document.dispatchEvent(new CustomEvent('app:dialog', { detail: { url: button.dataset.formUrl, values } }));
  } else button.click();
  return true;
}"""

# What somebody at a dialog reaches: the last stop of the tab key in its body, and where the footer is.
REACH = """() => {
  const body = document.querySelector('#dialog .modal-body');
  const seen = (each) => each.checkVisibility() && !each.disabled && each.tabIndex >= 0;
  const radios = {};
  const isStop = (each) => {
    if (each.type !== 'radio') return true;
    const group = [...body.querySelectorAll(`[type=radio][name="${each.name}"]`)];
    return each === (group.find((radio) => radio.checked) ?? group[0]);
  };
  const controls = body.querySelectorAll('input:not([type=hidden]), select, textarea, button, a[href], [tabindex]');
  const stops = [...controls].filter(seen).filter(isStop);
  const footer = document.querySelector('#dialog .modal-footer');
  return { body, stops, last: body.closest('form') && stops.at(-1), footer };
}"""
STATE = f"""() => {{
  const {{ body, last, footer }} = ({REACH})();
  const inner = body.getBoundingClientRect();
  const field = last?.getBoundingClientRect();
  const foot = footer.getBoundingClientRect();
  return {{
    seen: !field || (Math.min(field.bottom, field.top + inner.height) <= inner.bottom + 1 && field.bottom > inner.top),
    end: body.scrollTop + body.clientHeight >= body.scrollHeight - 1,
    foot: [Math.round(foot.top), Math.round(foot.bottom) <= innerHeight && inner.bottom <= foot.top + 1],
    others: document.querySelector('#dialog').scrollTop + document.querySelector('#dialog .modal-content').scrollTop,
    focused: Boolean(last) && document.activeElement === last,
  }};
}}"""
SETTLED = f"""async () => {{
  for (let frame = 0; frame < 90; frame++) {{
    await new Promise(requestAnimationFrame);
    const now = ({STATE})();
    if (now.end && now.seen) break;
  }}
}}"""
# Puts the focus on the stop before the last, with the body at its top.
BEFORE_LAST = f"""() => {{
  const {{ body, stops, last }} = ({REACH})();
  body.scrollTop = 0;
  if (last && stops.length > 1) stops.at(-2).focus({{ preventScroll: true }});
  body.scrollTop = 0;
  return Boolean(last) && stops.length > 1;
}}"""


@pytest.fixture(scope="module")
def demo_office(settings: Config) -> Iterator[tuple[Flask, str]]:
    """The application with made-up data in a database of its own, and the address of its server."""
    url = settings.SQLALCHEMY_DATABASE_URI
    name = f"{url.rsplit('/', 1)[1]}_dialogs"
    server = create_engine(url, isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.execute(text(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'))
        connection.execute(text(f'CREATE DATABASE "{name}"'))
    folders = {"FILES": settings.FILES, "KEYS": settings.KEYS}
    secret = settings.SECRET_KEY
    office = create_app(Config({"DATABASE_URL": f"{url.rsplit('/', 1)[0]}/{name}", "SECRET_KEY": secret, **folders}))
    result = office.test_cli_runner().invoke(args=["prepare"])
    assert result.exit_code == 0, result.output
    with office.app_context(), access.seeing(access.EVERYTHING):
        seeding.seed(6000, 1)
        demo.create_unless_there()
        add_what_the_made_up_data_lack()
        db.session.commit()
    web = make_server("127.0.0.1", 0, office, threaded=True)
    thread = Thread(target=Context().run, args=(web.serve_forever,), daemon=True)
    thread.start()
    yield office, f"http://127.0.0.1:{web.server_port}"
    web.shutdown()
    thread.join()
    web.server_close()
    with office.app_context():
        db.engine.dispose()
    with server.connect() as connection:
        connection.execute(text(f'DROP DATABASE "{name}" WITH (FORCE)'))
    server.dispose()


def add_what_the_made_up_data_lack() -> None:
    """A row for each page that would be empty, and a standard with a certificate that rests on it."""
    leader, inspector = find("hangzhou"), find("hangzhou-jiancha")
    mine = {"account_id": leader.id}
    access_keys.create(leader, "报表", ["Publications"], 30, allowed={"Publications"})
    db.session.add_all(
        [
            Notification(kind="return", party="authority", subject="task", amount=1, **mine),
            Job(kind="export", asked={}, **mine),
            imported(find("danwei")),
            MonthlyReport(statistics=["InstrumentStatistics"], month=holidays.today().replace(day=1), **mine),
        ]
    )
    by = principal_of(inspector, frozenset({"InspectionOfficer"}))
    draws.plan("抽查", holidays.today(), Conditions("institution"), 1, 2, by)
    used = db.session.get_one(MeasurementStandard, standard_id())
    names = ("id", "name", "measuring_range", "uncertainty", "certificate_no")
    told = {**{name: getattr(used, name) for name in names}, "valid_until": used.valid_until.isoformat()}
    db.session.execute(update(Certificate).values(standards=[told]))


def imported(clerk: Account) -> LedgerImport:
    """An import that can be undone."""
    told = {"by_name": "张三", "name": "台账.xlsx", "settings": {}, "numbers": {"new": 0, "changed": 0}}
    return LedgerImport(
        using_unit_id=clerk.organization_id, account_id=clerk.id, applied_at=datetime.now(UTC), **told
    )  # fmt: skip


def standard_id() -> int:
    """A standard of 杭州."""
    held = select(MeasurementStandard.id).join(Organization, Organization.id == MeasurementStandard.institution_id)
    return db.session.scalars(
        held.where(Organization.region_code.startswith("3301")).order_by(MeasurementStandard.id).limit(1)
    ).one()


def find(username: str) -> Account:
    return db.session.scalars(select(Account).where(Account.username == username)).one()


def cookie_of(office: Flask, username: str) -> str:
    """The cookie of a new session of an account, which then need not sign in by the form."""
    client = office.test_client()
    with office.app_context(), access.seeing(access.EVERYTHING):
        token = sessions.start(find(username), confirmed=True, address="127.0.0.1", device="pytest")
        db.session.commit()
    with client.session_transaction() as session:
        session.update({"_user_id": token, "_fresh": True, "locale": "zh"})
    cookie = client.get_cookie("session")
    assert cookie
    return cookie.value


def pages_of(office: Flask, username: str) -> list[Any]:
    with office.app_context(), access.seeing(access.EVERYTHING):
        held = {
            (page, permission)
            for role in find(username).roles
            for page, names in access.ROLES[role.name].permissions.items()
            for permission in names
        }
    views = [view for view in office.extensions["kit"].baseviews if isinstance(view, ModelPage)]
    return [view for view in views if (view.class_permission_name, "can_list") in held]


def test_the_last_field_of_every_dialog_is_reached_and_its_buttons_stay(browser: Browser, demo_office: Any) -> None:
    office, address = demo_office
    wanted = {
        (view.route_base, declared.name)
        for view in office.extensions["kit"].baseviews
        if isinstance(view, ModelPage)
        for declared, _method in view.form_actions
        if not declared.leads_away
    }
    opened: set[tuple[str, str]] = set()
    faults: list[str] = []
    with office.app_context(), access.seeing(access.EVERYTHING):
        query = {"/traces": f"standard={standard_id()}"}
    for username in ACCOUNTS:
        context = browser.new_context(viewport=SIZES[0], locale="zh-CN")
        context.add_cookies([{"name": "session", "value": cookie_of(office, username), "url": address}])
        page = context.new_page()
        page.set_default_timeout(60_000)
        for view in pages_of(office, username):
            todo = {name for base, name in wanted - opened if base == view.route_base}
            if todo or (view.route_base, "export") not in opened:
                page.goto(f"{address}{view.url}?size=200&{query.get(view.route_base, '')}")
                for name in sorted(todo):
                    walk(page, f".bulk-actions [data-action={name}]", view.route_base, name, opened, faults)
                walk(page, "[data-export-ask]", view.route_base, "export", opened, faults)
                walk(page, "[data-asks$='/views/ask']", view.route_base, "view", opened, faults)
                walk(page, "[data-asks$='/numbers/ask']", view.route_base, "numbers", opened, faults)
        page.goto(f"{address}/me/keys")
        walk(page, "[data-action=revoke]", "/me", "revoke", opened, faults)
        context.close()

    wanted.add(("/me", "revoke"))
    assert (faults, wanted - opened) == ([], set())


def walk(page: Page, selector: str, base: str, name: str, opened: Any, faults: list[str]) -> None:
    """Open a dialog, at each size go to its end by wheel and to its last field by Tab, and note what does not work."""
    if (base, name) in opened or not page.evaluate(OPEN, [selector, ROWS.get((base, name), 1)]):
        return
    page.wait_for_selector("#dialog.show .modal-footer")
    if page.locator("#dialog .dialog-alert .alert-danger").count():
        return  # the row is another office's to work on; an account of that office opens it
    opened.add((base, name))
    for size in SIZES:
        page.set_viewport_size(size)
        problems = [*by_wheel(page), *by_tab(page)]
        faults += [f"{base} {name} at {size['width']}: {problem}" for problem in problems]
    page.set_viewport_size(SIZES[0])


def by_wheel(page: Page) -> list[str]:
    page.evaluate("document.querySelector('#dialog .modal-body').scrollTop = 0")
    before = page.evaluate(STATE)
    box = page.locator("#dialog .modal-body").bounding_box()
    assert box
    page.mouse.move(box["x"] + 6, box["y"] + 20)
    page.mouse.wheel(0, 20_000)
    page.evaluate(SETTLED)
    after = page.evaluate(STATE)
    return [*wrong("wheel", after), *(["footer moves"] if before["foot"] != after["foot"] else [])]


def by_tab(page: Page) -> list[str]:
    if not page.evaluate(BEFORE_LAST):
        return []
    for _part in range(9):  # a date has several parts, each a stop of its own
        page.keyboard.press("Tab")
        if page.evaluate(STATE)["focused"]:
            break
    state = page.evaluate(STATE)
    return [*wrong("Tab", {**state, "end": True}), *([] if state["focused"] else ["Tab does not reach the last field"])]


def wrong(way: str, state: Any) -> list[str]:
    found = {
        "last field out of sight": not (state["seen"] and state["end"]),
        "buttons out of sight": not state["foot"][1],
        "something else scrolls": state["others"] != 0,
    }
    return [f"{way}: {problem}" for problem, there in found.items() if there]
