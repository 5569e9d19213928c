"""The clockwork: what the worker does, run by a real worker on the same database."""

import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from threading import Barrier, Thread

import pytest
from sqlalchemy import func, select, text

from app import access, jobs
from app.access import EVERYTHING
from app.domain import attempts, clockwork, history, holidays, institutions, jobs as long_work, sessions, tallies
from app.errors import RuleError
from app.fabkit.security import principal_of
from app.models import Account, AccountSession, Attempt, ClockRun, Institution, Job, Notification, Tally, Task, db
from app.states import BROKEN, CERTIFIED, OFFERED, RUNNING, WAITING
from tests.factories import account, authority, institution, task


@pytest.fixture
def queue(office):
    queue = jobs.make_queue(office)
    yield queue
    db.session.execute(text("DELETE FROM procrastinate_events"))
    db.session.execute(text("DELETE FROM procrastinate_jobs"))
    db.session.execute(text("DELETE FROM procrastinate_workers"))
    db.session.commit()


def worked(queue, *names):
    """How these jobs ended; what the clock wants besides is run too."""
    with queue.open():
        for name in names:
            queue.configure_task(name).defer(timestamp=0)
        queue.run_worker(wait=False, install_signal_handlers=False, listen_notify=False)
    rows = db.session.execute(text("SELECT task_name, status::text FROM procrastinate_jobs")).all()
    return {name: status for name, status in rows if name in names}


def test_the_worker_folds_the_tallies(queue):
    task()
    tallies.rebuild()
    db.session.add_all(
        Tally(subject="place", city_code="330100", region_code="330106", state="unassigned", amount=amount)
        for amount in (5, -5)
    )
    db.session.commit()
    before = db.session.scalar(select(func.count()).select_from(Tally))

    assert worked(queue, "fold") == {"fold": "succeeded"}

    db.session.rollback()
    assert (before, db.session.scalar(select(func.count()).select_from(Tally))) == (7, 5)
    assert tallies.differences() == []


def test_every_job_runs(queue):
    names = ("fold", "refresh_mean_days", "learn_capacities", "make_partitions", "drop_stale", "drop_ended", "drop_old",
             "prove", "mail", "ask_for_due", "mail_reports", "begin_day")  # fmt: skip

    assert worked(queue, *names) == dict.fromkeys(names, "succeeded")


def test_what_nobody_waits_for_is_dropped(rows):
    now = datetime.now(UTC)
    rows.add(Attempt(key="account:old", failures=3, last_at=now - timedelta(days=3)))
    rows.add(Attempt(key="account:new", failures=3, last_at=now))
    waits = now + timedelta(hours=1)
    rows.add(Attempt(key="account:waits", failures=9, last_at=now - timedelta(days=3), blocked_until=waits))
    person = account("Supervisor", authority("330106"))
    for days in (1, 100):
        sessions.start(person, confirmed=True, address="", device=str(days))
        rows.flush()
        last = rows.scalars(select(AccountSession).where(AccountSession.device == str(days))).one()
        last.seen_at = now - timedelta(days=days)
    rows.flush()

    assert (attempts.drop_stale(), sessions.drop_ended()) == (1, 1)
    assert sorted(rows.scalars(select(Attempt.key))) == ["account:new", "account:waits"]
    assert list(rows.scalars(select(AccountSession.device))) == ["1"]


def test_mean_days_are_those_of_the_last_year(rows):
    lab, idle = institution(), institution(mean_days=9)
    now = datetime.now(UTC)
    for ago, days in ((10, 2), (20, 5), (400, 90)):
        finished = now - timedelta(days=ago)
        task(CERTIFIED, to=lab, finished_at=finished, accepted_at=finished - timedelta(days=days))

    assert institutions.refresh_mean_days() == 1
    assert institutions.refresh_mean_days() == 0
    rows.expire_all()
    assert (rows.get(Institution, lab.id).mean_days, rows.get(Institution, idle.id).mean_days) == (Decimal("3.5"), 9)


def test_partitions_reach_half_a_year_ahead_and_are_made_once(rows):
    history.make_partitions(date(2027, 6, 15))
    history.make_partitions(date(2027, 6, 15))

    names = set(
        rows.scalars(text("SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'event'::regclass"))
    )
    assert {"event_2025_01", "event_2027_06", "event_2027_12", "event_rest"} <= names
    assert "event_2028_01" not in names


# --- Who comes next, and what became of work whose worker was killed -----------------------------


def person_who_asks():
    one = account("Supervisor", authority("330106"))
    return principal_of(one, frozenset({"Supervisor"}))


def asked_in_order():
    """Whose job, and of which kind, the queue gives to a worker first, second ..."""
    order = "SELECT (args->>'job_id')::bigint FROM procrastinate_jobs WHERE task_name = 'long_work' "
    ids = db.session.scalars(text(order + "ORDER BY priority DESC, id")).all()
    asked = [db.session.get_one(Job, id) for id in ids]
    return [(job.account_id, job.kind) for job in asked]


def test_who_asks_for_much_lets_others_come_in_between(rows):
    busy, other = person_who_asks(), person_who_asks()
    for _ in range(3):
        long_work.ask("export", busy)
    long_work.ask("certificate_zip", other)

    assert asked_in_order() == [
        (busy.account_id, "export"),
        (other.account_id, "certificate_zip"),
        (busy.account_id, "export"),
        (busy.account_id, "export"),
    ]


def test_what_the_system_asks_for_counts_for_nobody(rows):
    one = person_who_asks()
    for _ in range(8):
        long_work.ask("certificate_documents", one, by_system=True)
    for _ in range(5):
        long_work.ask("export", one)

    with pytest.raises(RuleError, match="5"):
        long_work.ask("export", one)


@pytest.fixture
def job_at(rows):
    """job_at(seconds) -> a running job whose worker was last heard of so long ago."""

    def made(seconds, attempts=0):
        job = long_work.ask("export", person_who_asks())
        job.state, job.created_at = RUNNING, datetime.now(UTC) - timedelta(minutes=5)
        worker = rows.scalar(
            text("INSERT INTO procrastinate_workers (last_heartbeat) VALUES (:at) RETURNING id"),
            {"at": datetime.now(UTC) - timedelta(seconds=seconds)},
        )
        rows.execute(
            text("UPDATE procrastinate_jobs SET status = 'doing', worker_id = :worker, attempts = :attempts "
                 "WHERE (args->>'job_id')::bigint = :job"),
            {"worker": worker, "job": job.id, "attempts": attempts},
        )  # fmt: skip
        rows.flush()
        return job

    return made


def test_a_job_whose_worker_is_silent_is_shown_as_interrupted(rows, job_at, enter):
    living, dead = job_at(2), job_at(40)

    assert rows.scalars(select(Job.id).where(long_work.is_interrupted())).all() == [dead.id]
    shown = [
        re.findall(r"state-(running|interrupted)", enter(rows.get(Account, job.account_id)).get("/jobs/").text)
        for job in (living, dead)
    ]
    assert shown == [["running"], ["interrupted"]]


def test_the_queue_tries_what_ended_its_worker_three_times(queue, office):
    with office.app_context():
        job = long_work.ask("export", person_who_asks())
        db.session.commit()
        states = []
        for _ in range(3):
            worker = db.session.scalar(
                text(
                    "INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now() - interval '1 hour') RETURNING id"
                )
            )
            db.session.execute(
                text(
                    "UPDATE procrastinate_jobs SET status = 'doing', worker_id = :worker WHERE task_name = 'long_work'"
                ),
                {"worker": worker},
            )
            db.session.execute(text("UPDATE job SET state = 'running', created_at = now() - interval '1 hour'"))
            db.session.commit()
            worked_once(queue, "retry_stalled")
            states.append(
                db.session.scalar(text("SELECT status::text FROM procrastinate_jobs WHERE task_name = 'long_work'"))
            )
            db.session.commit()
        put_back = long_work.put_back()
        db.session.commit()

        assert (states, put_back) == (["todo", "todo", "failed"], 0)
        assert db.session.get_one(Job, job.id).state == BROKEN


def worked_once(queue, name):
    waiting = "DELETE FROM procrastinate_jobs WHERE status = 'todo' AND task_name = :name"
    db.session.execute(text(waiting), {"name": name})
    db.session.commit()
    with queue.open():
        queue.configure_task(name).defer(timestamp=0)
        queue.run_worker(queues=["default"], wait=False, install_signal_handlers=False, listen_notify=False)


def test_a_job_that_the_queue_has_lost_is_put_back_into_it(rows):
    one = person_who_asks()
    lost, kept = (long_work.ask("export", one) for _ in range(2))
    for job in (lost, kept):
        job.created_at = datetime.now(UTC) - timedelta(minutes=5)
    rows.execute(text("DELETE FROM procrastinate_jobs WHERE (args->>'job_id')::bigint = :id"), {"id": lost.id})
    rows.flush()

    assert long_work.put_back() == 1
    assert long_work.put_back() == 0
    assert {lost.state, kept.state} == {WAITING}
    assert len(asked_in_order()) == 2


def test_two_workers_that_start_at_once_begin_the_day_once(office):
    lab = institution()
    account("InstitutionClerk", lab)
    task("accepted", to=lab, due_on=holidays.today())
    task(OFFERED, to=lab, due_on=holidays.today() - timedelta(days=1))
    tallies.rebuild()
    db.session.commit()
    barrier = Barrier(2)

    def begin():
        with office.app_context(), access.seeing(EVERYTHING):
            barrier.wait()
            clockwork.run(holidays.today(), EVERYTHING)
            db.session.commit()

    threads = [Thread(target=begin) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert db.session.scalar(select(func.count()).select_from(ClockRun)) == 1
    assert (
        db.session.scalar(select(func.count()).select_from(Notification).where(Notification.kind == "near_deadline"))
        == 1
    )
    assert db.session.scalar(select(func.count()).select_from(Task).where(Task.state == OFFERED)) == 0
