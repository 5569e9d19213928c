"""Details, dialogs and documents are there for exactly the rows that the list has for a person, on every page."""

import re

import pytest
from sqlalchemy import select

from app.access import EVERYTHING, ROLES
from app.fabkit.pages import ModelPage
from app.models import Appointment, Capability, Certificate, Inspection, IssuingRule, Job, Task, db
from app.states import (
    ASSIGN,
    CAPABILITY_STATES,
    CERTIFIED,
    CLOSED,
    EFFECTIVE,
    FILING_STATES,
    PENDING,
    PLANNED,
    REJECTED,
    SENT_BACK,
    STANDARD_STATES,
    SUPERSEDED,
    TASK_STATES,
    UNASSIGNED,
)
from app.workflow import fire
from tests import factories
from tests.factories import account, appointment, authority, certificate, inspection, institution, instrument, task
from tests.test_selections import holders

HERE, THERE = "330106", "510104"
# What a list leaves out until it is asked for.
LEFT_OUT = {"Standards": ["&version=all"], "StandardQueries": ["&version=all"], "Catalogue": ["&version=old"]}
# Its list is empty until a standard is chosen; its details are those of the certificates that the rules show.
NO_LIST = {"Traces"}


def world(region):
    """Rows of every table in every state."""
    lab, unit, office = institution(region), factories.unit_of(region=region), authority(region)
    for state in CAPABILITY_STATES:
        reason = {"reason": "超出标准量程"} if state == REJECTED else {}
        factories.capability(lab, region, state=state, **reason)
    standard = factories.measurement_standard(lab)
    for state in STANDARD_STATES:
        more = {"reason": "资料不全"} if state in (SENT_BACK, "sealed", "abolished") else {}
        more |= {"replaces_id": standard.id} if state == SUPERSEDED else {}
        factories.measurement_standard(lab, state=state, **more)
    for state in TASK_STATES:
        task(state, region, to=None if state in ("draft", "unassigned") else lab, unit=unit)
    for state in FILING_STATES:
        reason = "请补照片" if state == SENT_BACK else None
        instrument(region, unit, filing_state=state, filing_reason=reason)
    appointment(region, unit)
    for values in ({}, factories.published()):
        certificate(task(CERTIFIED, region, to=lab, unit=unit), **values)
    for state in (PLANNED, CLOSED):
        for party in (lab, unit):
            inspection(state, party, office)
    factories.staff_member(lab)
    factories.issuing_rule(lab)
    for role, home in (("InstitutionClerk", lab), ("UsingUnitClerk", unit), ("Analyst", office)):
        clerk = account(role, home)
        db.session.add(Job(account_id=clerk.id, kind="export", asked={}))
    fire(ASSIGN, [task(UNASSIGNED, region, unit=unit).id], EVERYTHING, institution_id=lab.id)
    return {"authority": office, "institution": lab, "using_unit": unit}


@pytest.fixture
def homes(rows):
    world(THERE)
    return world(HERE)


def home_of(role, homes):
    levels = {"nation": "", "province": "33", "city": "3301", "county": HERE}
    level = ROLES[role].level
    return authority(levels[level]) if level else homes[ROLES[role].kind]


def readers(app):
    """(page, role) of every list that opens to details, for one role of each kind of organization."""
    for page in app.extensions["kit"].baseviews:
        if isinstance(page, ModelPage) and type(page).details is not ModelPage.details:
            by_kind = {ROLES[role].kind: role for role in holders("can_show", page)}
            yield from ((page, role) for role in by_kind.values())


def listed(person, page):
    found = set()
    for more in ["", *LEFT_OUT.get(type(page).__name__, [])]:
        found |= set(re.findall(r'<tr data-id="(\d+)"', person.get(f"{page.route_base}/?size=200{more}").text))
    return {int(id) for id in found}


def shown(person, page, ids):
    return {id for id in ids if person.get(f"{page.route_base}/show/{id}").status_code == 200}


def test_details_are_of_the_rows_that_the_list_has(app, sign_in, homes):
    wrong, compared = {}, 0
    for page, role in readers(app):
        if type(page).__name__ in NO_LIST or page.shows_what_left:
            continue
        person = sign_in(role, home_of(role, homes))
        there = listed(person, page)
        ids = set(db.session.scalars(select(page.source.model.id).order_by(page.source.model.id.desc()).limit(60)))
        opened = shown(person, page, ids)
        compared += bool(there) and bool(ids - there)
        if opened != there & ids:
            wrong[type(page).__name__, role] = (opened - there, there & ids - opened)

    assert wrong == {}
    assert compared > 20


@pytest.mark.parametrize(
    ("route", "role", "mine"),
    [
        ("assignments", "Supervisor", lambda homes: Task.region_code == HERE),
        ("inbox", "InstitutionClerk", lambda homes: Task.institution_id == homes["institution"].id),
    ],
)
def test_a_task_that_left_the_queue_is_there_for_who_may_see_it(app, sign_in, homes, route, role, mine):
    """Notifications and the search lead to it."""
    person = sign_in(role, homes[ROLES[role].kind])
    page = next(each for each in app.extensions["kit"].baseviews if each.route_base == f"/{route}")

    opened = shown(person, page, db.session.scalars(select(Task.id)).all())

    assert opened == set(db.session.scalars(select(Task.id).where(mine(homes))))
    assert opened > listed(person, page)


def test_a_reviewer_elsewhere_finds_no_capability_by_its_number(sign_in, homes):
    """In the details of a list that was narrowed these were open to every reviewer of the country."""
    foreign = select(Capability).where(Capability.institution_id != homes["institution"].id)
    by_state = {each.state: each.id for each in db.session.scalars(foreign)}
    reviewer = sign_in("Supervisor", homes["authority"])

    for state in CAPABILITY_STATES:
        assert reviewer.get(f"/capability-reviews/show/{by_state[state]}").status_code == 404
    assert reviewer.act("capability-reviews", "reject", [by_state[PENDING]], reason="超出标准量程").status_code == 204
    assert db.session.get_one(Capability, by_state[PENDING]).state == PENDING
    assert by_state[EFFECTIVE] in by_state.values()


DOCUMENTS = {
    "/appointments/slip/{}": ("UsingUnitClerk", Appointment),
    "/certificates/document/{}": ("UsingUnitClerk", Certificate),
    "/publications/document/{}": ("Supervisor", Certificate),
    "/inspections/report/{}": ("Supervisor", Inspection),
    "/inspections/photo/{}/x.jpg": ("Supervisor", Inspection),
    "/own-inspections/report/{}": ("InstitutionApprover", Inspection),
    "/issuing-rules/seal/{}": ("InstitutionApprover", IssuingRule),
    "/jobs/file/{}": ("Analyst", Job),
}


@pytest.mark.parametrize("url", DOCUMENTS)
def test_documents_are_of_the_rows_that_the_list_has(sign_in, homes, url):
    role, table = DOCUMENTS[url]
    person = sign_in(role, homes[ROLES[role].kind])
    there = {int(id) for id in re.findall(r'data-id="(\d+)"', person.get(f"/{url.split('/')[1]}/?size=200").text)}
    ids = set(db.session.scalars(select(table.id)))

    assert ids - there
    assert {id for id in ids - there if person.get(url.format(id)).status_code != 404} == set()
