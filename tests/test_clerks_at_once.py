"""Several people press the button at the same moment, on committed rows and connections of their own."""

import re
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context
from datetime import date
from threading import Barrier

import pytest
from sqlalchemy import func, select

from app import access
from app.domain import holidays, month_ends, sessions, tallies
from app.models import Event, MonthEnd, Task, db
from app.states import OFFERED, REFUSED, UNASSIGNED
from tests.conftest import Person
from tests.factories import account, appointment, authority, capability, institution, task

TASKS = 500
CLERKS = 8


@pytest.fixture
def waiting(office):
    order = appointment()
    lab = institution()
    capability(lab)
    ids = [task(UNASSIGNED, order=order).id for _ in range(TASKS)]
    tallies.rebuild()
    db.session.commit()
    return ids, lab.id


@pytest.fixture
def clerks(office, waiting):
    people = []
    for _ in range(CLERKS):
        person = account("AssignmentOfficer", authority("330106"))
        session_token = sessions.start(person, confirmed=True, address="127.0.0.1", device="pytest")
        db.session.commit()
        client = office.test_client()
        with client.session_transaction() as session:
            session.update({"_user_id": session_token, "_fresh": True, "locale": "zh"})
        token = Context().run(lambda client=client: client.get("/session/token").json["token"])
        people.append(Person(client, person, token))
    return people


def at_once(people, do):
    barrier = Barrier(len(people))

    def press(person):
        barrier.wait()
        return do(person).status_code

    with ThreadPoolExecutor(len(people)) as pool:
        return list(pool.map(press, people))


def done(people):
    told = [message for person in people for message in person.messages()]
    return [int(re.findall(r"\d+", message)[0]) for message in told]


def counts():
    by_state = dict(db.session.execute(select(Task.state, func.count()).group_by(Task.state)).all())
    return by_state, db.session.scalar(select(func.count()).select_from(Event))


def send(person, name, ids, **fields):
    chosen = {"selection": "ids", "id": [str(i) for i in ids], "csrf_token": person.token, **fields}
    return person.client.post(f"/assignments/act/{name}", data=chosen, headers={"HX-Request": "true"}, buffered=True)


def test_every_task_is_assigned_once_whoever_was_first(clerks, waiting):
    ids, lab_id = waiting

    answers = at_once(clerks, lambda person: send(person, "assign", ids, institution_id=lab_id))

    assert set(answers) <= {204, 409}
    assert sum(done(clerks)) == TASKS
    assert counts() == ({OFFERED: TASKS}, TASKS)
    assert tallies.differences() == []


def test_assigning_and_refusing_the_same_tasks_leaves_each_in_one_state(clerks, waiting):
    ids, lab_id = waiting

    def press(person):
        if person in clerks[::2]:
            return send(person, "assign", ids, institution_id=lab_id)
        return send(person, "refuse", ids[::-1], reason="该器具不在强制检定目录范围内。")

    answers = at_once(clerks, press)

    by_state, events = counts()
    assert set(answers) <= {204, 409}
    assert sum(by_state.get(state, 0) for state in (OFFERED, REFUSED)) == sum(done(clerks)) == events
    assert tallies.differences() == []


def test_folding_while_others_work_loses_nothing(clerks, waiting, office):
    ids, lab_id = waiting
    parts = [ids[n::CLERKS] for n in range(CLERKS)]

    def press(person):
        answer = send(person, "assign", parts[clerks.index(person)], institution_id=lab_id)
        with office.app_context(), access.seeing(access.EVERYTHING):
            tallies.fold()
            db.session.commit()
        return answer

    assert at_once(clerks, press) == [204] * CLERKS
    assert counts() == ({OFFERED: TASKS}, TASKS)
    assert tallies.differences() == []


def test_a_month_is_kept_once_whoever_lets_the_day_begin(office, waiting, monkeypatch):
    monkeypatch.setattr(holidays, "today", lambda: date(2026, 11, 1))
    barrier = Barrier(2)

    def begin(_number):
        with office.app_context(), access.seeing(access.EVERYTHING):
            barrier.wait()
            kept = month_ends.keep(date(2026, 11, 1), access.EVERYTHING)
            db.session.commit()
            return kept

    with ThreadPoolExecutor(2) as pool:
        kept = sorted(pool.map(begin, range(2)))

    assert kept[0] == 0 < kept[1] == db.session.scalar(select(func.count()).select_from(MonthEnd))
