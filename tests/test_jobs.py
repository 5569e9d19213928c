"""The clockwork: what the worker does, run by a real worker on the same database."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import func, select, text

from app import jobs
from app.domain import attempts, history, institutions, sessions, tallies
from app.models import AccountSession, Attempt, Institution, Tally, db
from app.states import CERTIFIED
from tests.factories import account, authority, institution, task


@pytest.fixture
def queue(office):
    queue = jobs.make_queue(office)
    yield queue
    db.session.execute(text("DELETE FROM procrastinate_events"))
    db.session.execute(text("DELETE FROM procrastinate_jobs"))
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
