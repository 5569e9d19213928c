"""Data about persons: no page, export, dialog or answer to a program tells a name or a number to who may not see it.

Every column that holds a name or a telephone number is filled with a word that occurs nowhere else, so that a new
column or page is searched like the others.
"""

import re

import pytest
from sqlalchemy import select, text, update

from app.access import ROLES, Principal
from app.domain import institution_versions
from app.fabkit.pages import REVEAL, SEE_PERSONS, SEE_TELEPHONES, ModelPage, Page
from app.models import AuditEntry, Inspection, Institution, Model, db
from app.persons import PersonalText, PersonName, is_personal
from tests.factories import account, authority, inspection
from tests.test_details import HERE, home_of, listed, world

NAME, TELEPHONE = "独孤求", "19912345678"
# Not to be written to: the audit log has a page of its own test, for the auditor alone.
SEALED = {"audit_entry"}
PEOPLE = [{"id": 1, "name": f"{NAME}甲"}, {"id": 2, "name": f"{NAME}乙"}]


@pytest.fixture
def homes(rows):
    made = world(HERE)
    lab = made["institution"]
    inspection("to_recheck", lab, made["authority"])
    institution_versions.remember([lab.id])
    fill_in()
    institution_versions.note([lab.id], "edit", Principal("everything", name=f"{NAME}丙", organization="西湖局"))
    return made


def fill_in():
    """Write the name and the number into every column for them, in all rows."""
    db.session.flush()
    for table in Model.metadata.sorted_tables:
        personal = [column for column in table.columns if is_personal(column)]
        if personal and table.name not in SEALED:
            values = {column.name: _filling(number, column) for number, column in enumerate(personal)}
            # Steps and draws do not let themselves be changed otherwise.
            db.session.execute(text(f"ALTER TABLE {table.name} DISABLE TRIGGER USER"))
            db.session.execute(update(table).values(values))
            db.session.execute(text(f"ALTER TABLE {table.name} ENABLE TRIGGER USER"))
    db.session.execute(update(Inspection).values(inspectors=PEOPLE).execution_options(synchronize_session=False))
    db.session.expire_all()


def _filling(number, column):
    return f"{NAME}{'子丑寅卯辰巳'[number]}" if isinstance(column.type, PersonName) else TELEPHONE


def pages(app):
    return [view for view in app.extensions["kit"].baseviews if isinstance(view, ModelPage)]


def told(person, page, may):
    """(where, text) of all that a page tells of its rows: the list with every column, exports, details, dialogs."""
    route = page.route_base.strip("/")
    person.post(f"/{route}/columns", {"column": [column.name for column in page.columns]})
    yield "list", _answered(person.get(f"/{route}/?size=200"))
    if "can_export" in may:
        asked = {"selection": "all", "filter": "", "format": "csv", "columns": "all"}
        yield "export", _answered(person.post(f"/{route}/export", asked))
    rows = sorted(listed(person, page))
    for row in rows[-4:]:
        if "can_show" in may:
            yield "details", _answered(person.get(f"/{route}/show/{row}"))
    for declared, _method in page.form_actions:
        if rows and declared.needs in may and not declared.without and not _asks_for_number(declared, page):
            yield declared.name, _answered(person.open(route, declared.name, rows[-1:]), 200, 204, 404, 422)


def _answered(answer, *right):
    assert answer.status_code in (right or (200,)), answer.text
    return answer.text


def _asks_for_number(declared, page):
    """Whether a number is changed in the dialog: then it stands in its field."""
    form = getattr(page, declared.form) if isinstance(declared.form, str) else declared.form
    forms = form.values() if isinstance(form, dict) else [form]
    return any(hasattr(each, "phone") for each in forms)


@pytest.mark.parametrize("role", ROLES)
def test_no_page_tells_of_persons_to_who_may_not_see_them(app, sign_in, homes, role):
    person = sign_in(role, home_of(role, homes))
    leaks = set()
    for page in pages(app):
        may = ROLES[role].permissions.get(page.class_permission_name, frozenset())
        if "can_list" not in may:
            continue
        for where, answer in told(person, page, may):
            if NAME in answer and SEE_PERSONS not in may:
                leaks.add((page.class_permission_name, where, "name"))
            if TELEPHONE in answer and SEE_TELEPHONES not in may:
                leaks.add((page.class_permission_name, where, "telephone"))

    assert leaks == set()


def test_an_analyst_meets_no_person_on_other_pages_nor_by_search(app, sign_in, homes):
    person = sign_in("Analyst", homes["authority"])
    others = [view for view in app.extensions["kit"].baseviews
              if isinstance(view, Page) and not isinstance(view, ModelPage)]  # fmt: skip
    held = ROLES["Analyst"].permissions
    addresses = [f"{view.route_base}/" for view in others if "can_list" in held.get(view.class_permission_name, ())]
    addresses += [f"/search/?q={term}" for term in (NAME, TELEPHONE, homes["institution"].name)]

    answers = {address: person.get(address) for address in addresses}

    assert {answer.status_code for answer in answers.values()} <= {200, 302}
    found = {
        address for address, answer in answers.items()
        if any(secret in answer.text.replace(address.partition("q=")[2] or " ", "") for secret in (NAME, TELEPHONE))
    }  # fmt: skip
    assert (len(addresses) > 15, found) == (True, set())


def test_who_works_with_persons_sees_their_names(app, sign_in, homes):
    """The words are really there to be found, or the search above would prove nothing."""
    seen = set()
    for role in ("Supervisor", "InstitutionApprover", "UsingUnitClerk"):
        person = sign_in(role, home_of(role, homes))
        for page in pages(app):
            may = ROLES[role].permissions.get(page.class_permission_name, frozenset())
            if SEE_PERSONS in may:
                seen |= {page.class_permission_name for _where, answer in told(person, page, may) if NAME in answer}

    assert seen >= {
        "Appointments", "AppointmentQueries", "Assignments", "CertificateQueries", "Certificates", "Inbox",
        "Inspections", "InstitutionQueries", "Institutions", "LocalInstitutions", "OwnInspections", "Results", "Staff",
        "StandardQueries", "Standards", "StepQueries", "UnitQueries",
    }  # fmt: skip


def test_a_unit_sees_its_own_number(sign_in, homes):
    clerk = sign_in("UsingUnitClerk", homes["using_unit"])
    (row, *_) = re.findall(r'<tr data-id="(\d+)"', clerk.get("/appointments/").text)

    assert TELEPHONE in clerk.get(f"/appointments/show/{row}").text


# --- A number that is asked for ------------------------------------------------------------------


def test_every_number_that_is_shown_leaves_an_entry(app, sign_in, homes):
    told = {}
    for page in (page for page in pages(app) if page.reveals):
        name = page.class_permission_name
        role = next(role for role, what in ROLES.items() if REVEAL in what.permissions.get(name, ()))
        person, before = sign_in(role, home_of(role, homes)), revealed()
        row = next(row for row in sorted(listed(person, page)) if "btn-reveal" in details(person, page, row))
        answer = person.post(f"{page.route_base}/phone/{row}")
        told[name] = answer.json, [by == person.account.id for by in revealed()[len(before) :]]

    pages_with_numbers = (
        "Accounts", "AppointmentQueries", "Assignments", "Inbox", "InstitutionQueries", "Institutions",
        "LocalInstitutions", "Organizations", "UnitQueries",
    )  # fmt: skip
    assert told == dict.fromkeys(pages_with_numbers, ({"value": TELEPHONE}, [True]))


def test_every_form_in_which_a_number_stands_leaves_an_entry(app, sign_in, homes):
    recorded = set()
    for page in pages(app):
        for declared, _method in page.form_actions:
            if not declared.single or declared.leads_away or not _asks_for_number(declared, page):
                continue
            role = next(role for role, what in ROLES.items()
                        if declared.needs in what.permissions.get(page.class_permission_name, ()))  # fmt: skip
            person, before = sign_in(role, home_of(role, homes)), len(revealed())
            for row in sorted(listed(person, page)):
                if TELEPHONE in person.open(page.route_base.strip("/"), declared.name, [row]).text:
                    recorded.add((page.class_permission_name, declared.name, tuple(revealed()[before:])))
                    break
            assert all(by == person.account.id for by in revealed()[before:])
    assert {(page, name) for page, name, entries in recorded if entries} == {
        ("LocalInstitutions", "edit"), ("Organizations", "edit"),
    }  # fmt: skip
    assert [entries for _page, _name, entries in recorded if len(entries) != 1] == []


def test_the_page_of_an_account_records_that_it_shows_the_number(sign_in, homes):
    city = sign_in("CityAdministrator", authority("3301"))
    person = account("Supervisor", homes["authority"], phone=TELEPHONE)

    assert TELEPHONE in city.get(f"/accounts/{person.id}/person").text
    assert revealed() == [city.account.id]


def details(person, page, row):
    return person.get(f"{page.route_base}/show/{row}").text


def revealed():
    """Who had a number shown, as the audit log has it."""
    entries = select(AuditEntry.by_id).where(AuditEntry.action == "reveal").order_by(AuditEntry.id)
    return list(db.session.scalars(entries))


def test_a_number_is_not_shown_to_who_may_not_ask_nor_of_a_foreign_row(sign_in, homes):
    analyst, neighbour = sign_in("Analyst", homes["authority"]), sign_in("Supervisor", authority("330105"))
    lab = homes["institution"].id

    assert analyst.post(f"/queries/institutions/phone/{lab}").status_code == 403
    assert neighbour.post(f"/queries/institutions/phone/{lab}").status_code == 404
    assert revealed() == []


def test_a_landline_of_an_office_stands_as_it_is(sign_in, homes):
    lab = homes["institution"].id
    db.session.execute(update(Institution).where(Institution.organization_id == lab).values(phone="0571-87654321"))

    page = sign_in("Analyst", homes["authority"]).get(f"/queries/institutions/show/{lab}").text

    assert "0571-87654321" in page


# --- The models ----------------------------------------------------------------------------------

OF_PERSONS = re.compile(
    r"(^|_)(phone|telephone|contact|by_name|keeper|verifier|checker|approver|legal_representative)$"
)


def test_every_column_named_for_a_person_is_declared_as_one():
    wrong = {
        f"{table.name}.{column.name}"
        for table in Model.metadata.sorted_tables
        for column in table.columns
        if OF_PERSONS.search(column.name) and not isinstance(column.type, PersonalText)
    }

    assert wrong == set()
