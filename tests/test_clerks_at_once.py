"""Several people press the button at the same moment, on committed rows and connections of their own."""

import re
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context
from datetime import UTC, date, datetime, timedelta
from threading import Barrier

import pytest
from sqlalchemy import func, select, text

from app import access, files, jobs as worker
from app.access import Principal
from app.domain import certificates, holidays, jobs, month_ends, sessions, tallies
from app.models import Certificate, Event, Institution, Job, MonthEnd, Task, db
from app.seeding.seals import demo_seal
from app.states import CERTIFIED, OFFERED, REFUSED, UNASSIGNED
from tests.conftest import Person
from tests.factories import (
    able_institution,
    account,
    appointment,
    authority,
    capability,
    certificate,
    institution,
    issuing_rule,
    task,
)

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


def at_work(office, role="AssignmentOfficer", home=None):
    """A person, of 西湖区 unless said otherwise, with a connection of his own."""
    person = account(role, home or authority("330106"))
    session_token = sessions.start(person, confirmed=True, address="127.0.0.1", device="pytest")
    db.session.commit()
    client = office.test_client()
    with client.session_transaction() as session:
        session.update({"_user_id": session_token, "_fresh": True, "locale": "zh"})
    token = Context().run(lambda: client.get("/session/token").json["token"])
    return Person(client, person, token)


@pytest.fixture
def clerks(office, waiting):
    return [at_work(office) for _ in range(CLERKS)]


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


def act(person, page, name, ids, /, **fields):
    chosen = {"selection": "ids", "id": [str(i) for i in ids], "csrf_token": person.token, **fields}
    return person.client.post(f"/{page}/{name}", data=chosen, headers={"HX-Request": "true"}, buffered=True)


def send(person, name, ids, **fields):
    return act(person, "assignments/act", name, ids, **fields)


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


# --- An institution that is being suspended or closed ---------------------------------------------


@pytest.fixture
def elsewhere(waiting):
    """The connection of somebody else, who has begun and not finished."""
    with db.engine.connect() as connection:
        yield connection


def answer_after(elsewhere, do, meanwhile=lambda: None):
    """What is answered to who has to wait until somebody else has finished."""
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(do)
        with pytest.raises(TimeoutError):
            answer.result(timeout=0.5)
        meanwhile()
        elsewhere.commit()
        return answer.result()


@pytest.mark.parametrize("action", ["assign", "assign_best"])
def test_nothing_is_offered_to_an_institution_that_somebody_is_suspending(clerks, waiting, elsewhere, action):
    ids, lab_id = waiting
    dialog = Context().run(lambda: act(clerks[0], "assignments/dialog", action, ids)).text
    fields = dict(re.findall(r'name="(digest)"[^>]*value="(\w+)"', dialog), institution_id=lab_id)
    elsewhere.execute(
        text("UPDATE institution SET standing = 'suspended', standing_reason = '责令停止' WHERE organization_id = :id"),
        {"id": lab_id},
    )

    answer = answer_after(elsewhere, lambda: send(clerks[0], action, ids, **fields))

    assert (answer.status_code, counts()) == (422, ({UNASSIGNED: TASKS}, 0))


@pytest.mark.parametrize(("action", "standing"), [("suspend", "suspended"), ("close", "in_service")])
def test_who_suspends_or_closes_sees_what_somebody_is_offering(office, waiting, elsewhere, action, standing):
    """One may suspend what has got tasks to finish; what has got open tasks is not closed."""
    ids, lab_id = waiting
    supervisor = at_work(office, "Supervisor")
    held = "SELECT 1 FROM organization JOIN institution ON organization_id = id WHERE id = :id FOR SHARE"
    elsewhere.execute(text(held), {"id": lab_id})
    offer = "UPDATE task SET institution_id = :id, state = 'offered', due_on = current_date WHERE id = :one"
    elsewhere.execute(text(offer), {"id": lab_id, "one": ids[0]})
    fields = {"reason": "监督检查责令停止，限期改正", "understood": "y"}

    answer = answer_after(elsewhere, lambda: act(supervisor, "local-institutions/act", action, [lab_id], **fields))

    db.session.rollback()
    assert answer.status_code == {"suspend": 204, "close": 422}[action]
    assert db.session.get_one(Institution, lab_id).standing == standing


def test_of_jobs_asked_for_at_once_only_as_many_are_taken_as_one_may_have(office):
    lab = institution()
    approver = at_work(office, "InstitutionApprover", lab)
    papers = [certificate(task(CERTIFIED, to=lab)) for _ in range(2)]
    db.session.commit()
    ids = [paper.id for paper in papers]

    answers = at_once([approver] * 10, lambda person: act(person, "certificates/act", "download", ids))

    assert sorted(answers) == [204] * jobs.MOST_AT_ONCE + [422] * (10 - jobs.MOST_AT_ONCE)


def test_two_jobs_at_once_sign_each_certificate_once(office):
    """Twelve certificates, two jobs for them, and somebody who takes one away meanwhile: twelve files are kept."""
    lab = able_institution("西湖区计量检定所")
    issuing_rule(lab).seal = files.keep(demo_seal("西湖区计量检定所"))
    certificates.keyring().make_authority("测试根证书")
    people = [at_work(office, "InstitutionApprover", lab) for _ in range(2)]
    accounts = [person.account.id for person in people if person.account]
    asked = [jobs.ask(certificates.DOCUMENTS, Principal(account_id=id), by_system=True).id for id in accounts]
    about = {"using_unit": "某厂", "name": "水表", "model": "LXS", "serial_no": "1", "manufacturer": "厂",
             "measuring_range": "DN20", "accuracy_class": "2级", "use_place": "某处"}  # fmt: skip
    ids = [certificate(task(CERTIFIED, to=lab), about=about).id for _ in range(12)]
    db.session.commit()
    before, barrier = set(files.kept_before(datetime.now(UTC) + timedelta(days=1))), Barrier(3)

    def do(number):
        with office.app_context(), access.seeing(access.EVERYTHING):
            barrier.wait()
            worker.do(asked[number])

    def fetch():
        barrier.wait()
        return act(people[0], "certificates/act", "download", [ids[7]]).status_code

    with ThreadPoolExecutor(3) as pool:
        fetched, *done_ = pool.submit(fetch), *(pool.submit(do, number) for number in range(2))
        assert fetched.result() < 400
        for each in done_:
            each.result()

    db.session.rollback()
    kept = list(db.session.scalars(select(Certificate.file).order_by(Certificate.id)))
    made = set(files.kept_before(datetime.now(UTC) + timedelta(days=1))) - before
    assert (len(set(kept)), made) == (12, set(kept))
    assert set(db.session.scalars(select(Job.state).where(Job.id.in_(asked)))) == {"done"}
