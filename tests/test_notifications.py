"""通知: who is told what happens to their rows; read in bulk; mailed once to whoever wants it."""

import pytest
from sqlalchemy import func, select

from app import outside
from app.access import EVERYTHING, ROLES
from app.domain import inbox, notifications
from app.models import Notification, db
from app.pages.notifications import PAGES, TEXTS
from app.states import CAPABILITY_STEPS, INSTRUMENT_STEPS, OFFERED, PUBLICATION_STEPS, TASK_STEPS, UNASSIGNED
from tests.factories import account, appointment, authority, institution, task, using_unit


def told(person):
    found = select(Notification.kind, Notification.amount).where(Notification.account_id == person.account.id)
    return [tuple(row) for row in db.session.execute(found.order_by(Notification.id))]


def test_each_party_is_told_what_concerns_it_and_nobody_else(sign_in):
    lab, unit, county = institution(), using_unit(), authority("330106")
    clerk, owner = sign_in("InstitutionClerk", lab), sign_in("UsingUnitClerk", unit)
    office, analyst = sign_in("AssignmentOfficer", county), sign_in("Analyst", county)
    elsewhere = [sign_in("InstitutionClerk", institution()), sign_in("UsingUnitClerk", using_unit())]
    elsewhere.append(sign_in("AssignmentOfficer", authority("330105")))
    order = appointment(unit=unit)
    ones = [task(OFFERED, to=lab, unit=unit, order=order, desk=county) for _ in range(3)]

    clerk.act("inbox", "return", [one.id for one in ones], reason="设备检修中")

    assert (told(owner), told(office), told(clerk)) == ([("return", 3)], [("return", 3)], [])
    assert [told(each) for each in (analyst, *elsewhere)] == [[], [], [], []]
    page = owner.get("/notifications/").text
    assert ("检定机构退回了预约 (3)" in page, "设备检修中" in page) == (True, True)
    office.act("assignments", "assign", [ones[0].id], institution_id=str(lab.id), reason="该机构设备已修复，仍由其检定")
    assert (told(clerk), told(owner)) == ([("assign", 1)], [("return", 3), ("assign", 1)])
    assert f'href="/inbox/show/{ones[0].id}"' in clerk.get("/notifications/").text


def test_the_bell_counts_and_falls_silent(sign_in):
    lab, unit = institution(), using_unit()
    owner, colleague = sign_in("UsingUnitClerk", unit), sign_in("UsingUnitClerk", unit)
    for _ in range(2):
        inbox.accept([task(OFFERED, to=lab, unit=unit).id], EVERYTHING)
    ids = db.session.scalars(select(Notification.id).where(Notification.account_id == owner.account.id)).all()
    theirs = db.session.scalars(select(Notification.id).where(Notification.account_id == colleague.account.id)).all()
    assert 'bell-count" aria-hidden="true">2<' in owner.get("/ledger/").text

    owner.act("notifications", "mark_read", [*ids, *theirs])

    assert "bell-count" not in owner.get("/ledger/").text
    assert notifications.unread(colleague.account.id) == 2


def test_what_is_another_persons_is_not_there(sign_in):
    unit = using_unit()
    owner, colleague = sign_in("UsingUnitClerk", unit), sign_in("UsingUnitClerk", unit)
    notifications.tell([owner.account.id], "role_given")

    assert "您被赋予了角色" in owner.get("/notifications/").text
    assert "您被赋予了角色" not in colleague.get("/notifications/").text


@pytest.mark.parametrize(("text", "state"), [("unread", "未读"), ("read", "已读")], ids=["unread", "read"])
def test_the_list_is_filtered_by_what_was_read(sign_in, text, state):
    owner = sign_in("UsingUnitClerk", using_unit())
    notifications.tell([owner.account.id] * 2, "role_given")
    first = db.session.scalars(select(Notification.id).order_by(Notification.id).limit(1)).one()
    notifications.mark_read([first], owner_of(owner))

    page = owner.get(f"/notifications/?read={text}").text

    assert page.count("<tr data-id") == 1
    assert f"{state}</span>" in page


def owner_of(person):
    from app.fabkit.security import principal_of

    return principal_of(person.account, frozenset(role.name for role in person.account.roles))


def test_every_step_that_tells_has_words_and_a_page_for_each_party():
    steps = [*TASK_STEPS, *INSTRUMENT_STEPS, *CAPABILITY_STEPS, *PUBLICATION_STEPS]
    said = {(step.name, party) for step in steps for party in step.tells}
    places = {(step.of, party) for step in steps for party in step.tells}

    assert said - set(TEXTS) == set()
    assert places - set(PAGES) == set()


def test_everybody_with_a_role_has_the_bell():
    assert all("can_list" in role.permissions["Notifications"] for role in ROLES.values())


@pytest.fixture
def post(monkeypatch, app):
    """Letters instead of a mail server, which is not ours."""
    letters = []
    monkeypatch.setattr(outside, "send", lambda some: letters.extend(some) or len(some))
    return letters


def test_who_wants_mail_gets_one_letter_for_all_that_is_new_and_only_once(rows, post):
    unit, lab = using_unit(), institution()
    wants = account("UsingUnitClerk", unit, preferences={"notifications": {"tasks_waiting": True}})
    account("UsingUnitClerk", unit)
    gone = account("UsingUnitClerk", unit, active=False, preferences={"notifications": {"tasks_waiting": True}})
    for _ in range(2):
        inbox.accept([task(OFFERED, to=lab, unit=unit).id], EVERYTHING)
    notifications.tell([gone.id], "role_given")

    assert (notifications.mail(), notifications.mail()) == (1, 0)

    assert [(letter.to, letter.subject) for letter in post] == [(wants.email, "您有 2 条新通知")]
    assert "/notifications/" in post[0].text


def test_without_a_mail_server_nothing_is_sent_and_nothing_piles_up(rows):
    unit, lab = using_unit(), institution()
    account("UsingUnitClerk", unit, preferences={"notifications": {"tasks_waiting": True}})
    inbox.accept([task(OFFERED, to=lab, unit=unit).id], EVERYTHING)

    assert notifications.mail() == 0
    assert db.session.scalar(select(func.count()).where(Notification.mailed_at.is_(None))) == 0


def test_what_is_half_a_year_old_is_forgotten(rows):
    person = account("Analyst", authority("33"))
    notifications.tell([person.id] * 2, "role_given")
    old = db.session.scalars(select(Notification).order_by(Notification.id).limit(1)).one()
    old.at = db.func.now() - db.func.make_interval(0, 0, 0, 181)
    db.session.flush()

    assert notifications.forget_old() == 1
    assert db.session.scalar(select(func.count()).select_from(Notification)) == 1


def test_escalated_tasks_tell_the_next_higher_authority(sign_in):
    city, county = authority("3301"), authority("330106")
    above, below = sign_in("Supervisor", city), sign_in("Supervisor", county)
    one = task(UNASSIGNED, desk=county)

    assert below.act("assignments", "escalate", [one.id], reason="本县没有检定机构能够检定该器具").status_code == 204
    assert one.authority_id == city.id

    assert (told(above), told(below)) == ([("escalate", 1)], [])
