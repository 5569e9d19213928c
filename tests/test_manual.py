"""The user manual, page by page and button by button: each is there by its name, can be pressed, and does its work.

`manual.csv` has a line for each button that the manual names: the menu and the page, who presses it and where, on which
row (see ROWS), what is filled in, and what comes of it (see `check`).
"""

import csv
import io
import re
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import openpyxl
import pytest

from app.access import EVERYTHING
from app.domain import tallies
from app.models import (
    Account,
    Appointment,
    Capability,
    CatalogueItem,
    Institution,
    db,
)
from app.states import (
    ASSIGN,
    CERTIFIED,
    DRAFT,
    FILED,
    PENDING,
    RETURN,
    SEND_BACK_STANDARD,
    SUBMIT_STANDARD,
    UNASSIGNED,
    VALID,
)
from app.workflow import fire
from tests.factories import (
    FAR,
    account,
    authority,
    capability,
    certificate,
    institution,
    instrument,
    kind,
    measurement_standard,
    published,
    published_kind,
    task,
    unit_of,
)

with (Path(__file__).parent / "manual.csv").open(encoding="utf-8", newline="") as file:
    LINES = list(csv.DictReader(file))


# --- Rows ----------------------------------------------------------------------------------------


def lab_with(**values: Any) -> Any:
    lab = institution(name="西湖所", **values)
    standard = measurement_standard(lab)
    return lab, capability(lab, state=PENDING, standard_id=standard.id, valid_until=FAR.replace(year=2098))


def returned_task():
    lab = institution(name="西湖所")
    capability(lab)
    one = task(UNASSIGNED)
    fire(ASSIGN, [one.id], EVERYTHING, institution_id=lab.id)
    fire(RETURN, [one.id], EVERYTHING, reason="量程超出本机构授权范围", institution_id=None)
    return one, {"lab": lab.id}


def certificate_of(**values: Any):
    new = certificate(
        task(CERTIFIED, to=institution(name="西湖所"), unit=unit_of(name="西湖厂")), valid_until=FAR, **values
    )
    return new, {"no": new.no}


def institution_of(**values: Any):
    lab, declared = lab_with(**values)
    return db.session.get_one(Institution, lab.id), {"capability": declared.id}


def kind_of():
    item = kind()
    for each in (item, db.session.get_one(CatalogueItem, item.parent_id)):
        each.confirmed_at = each.confirmed_at or db.session.scalar(db.func.now())
    db.session.flush()
    return item, {}


def standard(**values: Any):
    return measurement_standard(institution(name="西湖所"), **values), {}


def reviewed_standard():
    new = measurement_standard(institution(name="西湖所"), state=DRAFT)
    fire(SUBMIT_STANDARD, [new.id], EVERYTHING)
    fire(SEND_BACK_STANDARD, [new.id], EVERYTHING, reason="不符合JJF 1033的要求")
    return new, {}


def appointment_of():
    order = db.session.get_one(Appointment, task(UNASSIGNED).appointment_id)
    return order, {"no": order.no}


def account_of(role=None, home=None):
    person = account(role, home or authority("330106"))
    return person, {"lab": institution(name="西湖所").id, "revision": person.revision}


def filed():
    """Something in every statistic: an instrument, its task and history, a certificate, an institution's standard."""
    unit, (lab, _declared) = unit_of(name="西湖厂"), lab_with()
    what = instrument("330106", unit, filing_state=FILED, verification_state=VALID, valid_until=FAR)
    done = task(CERTIFIED, to=lab, unit=unit, what=what)
    certificate(done)
    returned_task()
    tallies.rebuild()
    return what, {}


ROWS: dict[str, Any] = {
    "": lambda: (None, {}),
    "returned_task": returned_task,
    "certificate": certificate_of,
    "published_certificate": lambda: certificate_of(**published()),
    "institution": institution_of,
    "published_institution": lambda: institution_of(**published()),
    "kind": kind_of,
    "published_kind": lambda: (published_kind(), {}),
    "standard": standard,
    "draft_standard": lambda: standard(state=DRAFT),
    "reviewed_standard": reviewed_standard,
    "instrument": lambda: (instrument(unit=unit_of(name="西湖厂")), {}),
    "appointment": appointment_of,
    "unit": lambda: (unit_of(name="西湖厂"), {}),
    "account": account_of,
    "clerk": lambda: account_of("InstitutionClerk", institution(name="滨江所")),
    "filed": filed,
}


# --- Finding and pressing ------------------------------------------------------------------------


def button_of(page: str, label: str) -> dict[str, str]:
    """The attributes of the button of a list that is called so."""
    found = [
        dict(re.findall(r'data-([\w-]+)(?:="([^"]*)")?', attributes))
        for attributes, text in re.findall(r"<button ([^>]*data-action=[^>]*)>.*?<span>([^<]*)</span>", page, re.S)
        if unescape(text) == label
    ]
    assert len(found) == 1, f"{label}: {len(found)} buttons of this name"
    return found[0]


def is_enabled(page: str, button: dict[str, str], row_id: int | None) -> bool:
    """Whether list.js enables the button when the row is ticked: some row is, and its state fits."""
    if row_id is None or "always" in button:
        return row_id is None and "always" in button
    rows = dict(re.findall(r'<tr data-id="(\d+)"(?: data-state="([^"]*)")?', page))
    return str(row_id) in rows and ("states" not in button or rows[str(row_id)] in button["states"].split())


def fields_of(line: dict[str, str], known: dict[str, Any]) -> dict[str, Any]:
    return dict(parse_qsl(line["fields"].format(**known), keep_blank_values=True))


def press(person: Any, line: dict[str, str], row: Any, known: dict[str, Any]) -> Any:
    """Press the button of a list and give what came: the dialog, or the answer to its submission."""
    page = person.get(line["url"]).text
    label, _slash, inner = line["button"].partition("/")
    button = button_of(page, label)
    row_id = known.get("id")
    assert is_enabled(page, button, row_id)
    asked = {"selection": "ids", "id": [str(row_id)] if row_id else [], "expected": "1"}
    dialog = person.post(button["form-url"], asked, headers={"HX-Request": "true"})
    assert dialog.status_code in (200, 204), dialog.text
    if inner:
        assert re.search(rf'<button type="submit"[^>]*name="decision"[^>]*>{inner}</button>', dialog.text)
    if line["work"].split()[0] == "text" or dialog.status_code == 204:
        return dialog
    url = re.findall(r'hx-post="([^"]*)"', dialog.text)[0]
    return person.post(url, {**asked, **fields_of(line, known)}, headers={"HX-Request": "true"})


def fill_in(person: Any, line: dict[str, str], known: dict[str, Any]) -> Any:
    """Press a button of a form, under the tab that is named before it."""
    url = line["url"].format(**known)
    tab, _slash, label = line["button"].partition("/")
    page = person.get(url).text
    assert re.search(rf'aria-current="page"[^>]*>{tab}</a>', page)
    assert re.search(rf"<button[^>]*>{label}</button>", page)
    return person.post(url, fields_of(line, known))


def statistic(person: Any, line: dict[str, str]) -> Any:
    page = person.get(line["url"]).text
    if line["work"] == "rows":
        leads = [unescape(url) for url in re.findall(r'<td class="number[^>]*><a href="([^"]*)"', page)]
        assert leads
        return person.get(leads[0])
    keys = re.findall(r'name="row" value="([^"]*)"', page)
    assert re.search(rf"<button[^>]*>.*?<span>{line['button']}</span></button>", page, re.S)
    return person.post(f"{line['url']}export", {"row": keys[:1]})


def export(person: Any, line: dict[str, str], known: dict[str, Any]) -> Any:
    page = person.get(line["url"]).text
    assert f"<span>{line['button']}</span>" in page.partition("data-export")[2]
    chosen = {"selection": "ids", "id": [str(known["id"])], "format": "xlsx"}
    return person.post(f"{line['url']}export", chosen)


def answer_of(person: Any, line: dict[str, str], row: Any, known: dict[str, Any]) -> Any:
    if line["kind"] == "list":
        return press(person, line, row, known)
    if line["kind"] == "form":
        return fill_in(person, line, known)
    return statistic(person, line) if line["kind"] == "statistic" else export(person, line, known)


# --- What comes of it ----------------------------------------------------------------------------


def check(line: dict[str, str], answer: Any, row: Any, known: dict[str, Any]) -> None:
    work, _blank, what = line["work"].format(**known).partition(" ")
    if work == "text":
        assert [word for word in what.split("|") if word not in answer.text] == []
    elif work == "set":
        name, value = what.split("=")
        assert (answer.status_code in (204, 303), str(getattr(row, name))) == (True, value), answer.text[:2000]
    elif work == "capability":
        assert db.session.get_one(Capability, known["capability"]).state == what
    elif work == "roles":
        assert [role.name for role in db.session.get_one(Account, known["id"]).roles] == what.split()
    elif work == "gone":
        assert db.session.get(type(row), known["id"]) is None
    elif work == "leads":
        assert {"HX-Redirect", "HX-Trigger"} & set(answer.headers.keys()), answer.text[:2000]
    elif work == "rows":
        assert (answer.status_code, "<tr data-id=" in answer.text) == (200, True)
    else:
        assert work == "sheet"
        sheet = openpyxl.load_workbook(io.BytesIO(answer.data)).worksheets[0]
        assert sheet.max_row >= 2


@pytest.mark.parametrize("line", LINES, ids=[f"{line['page']} {line['button']}" for line in LINES])
def test_a_button_of_the_manual_is_there_by_its_name_and_does_its_work(sign_in, rows, line):
    row, known = ROWS[line["row"]]()
    if row is not None:
        known["id"] = row.organization_id if isinstance(row, Institution) else row.id
    person = sign_in(line["role"], authority(line["area"]))
    first = person.get(line["url"].format(**known) if line["kind"] != "form" else "/accounts/").text

    assert f"<h1>{line['page']}</h1>" in first
    menu = [word for word in (line["menu"], line["page"]) if f">{word}</" not in first.partition('class="menu"')[2]]
    assert menu == []
    check(line, answer_of(person, line, row, known), row, known)


def test_who_is_new_registers_from_the_login_page(stranger):
    assert re.search(r'<a[^>]*href="/register/"[^>]*>账号注册</a>', stranger.get("/login/").text)
    assert re.search(r"<button[^>]*>立即注册</button>", stranger.get("/register/").text)
