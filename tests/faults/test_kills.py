"""Each part of the running system is killed once while people work: it heals, and nothing acknowledged is lost."""

import os
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
from sqlalchemy import select, text

from app.domain import integrity
from app.models import Certificate, Instrument, db
from app.states import IN_USE, PUBLISHED, STOPPED, UNPUBLISHED
from tests.faults.system import System, Toggler, database, sign_in, until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
# How long the load goes on in all, kills included.
LOAD_SECONDS = 60


@pytest.fixture
def system():
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        Path(folder).chmod(0o755)
        system = System(Path(folder))
        system.start()
        try:
            yield system
        finally:
            if system.process.poll() is None:
                system.stop()


def kill(pids):
    assert pids
    for pid in pids:
        os.kill(pid, signal.SIGKILL)


def kill_supervisor(system):
    """Kill run.py and start it again at once, as an operator would."""
    kill([system.process.pid])
    system.process.wait()
    system.launch()


def kill_all(system):
    kill([*system.children("work"), *system.children("serve"), system.postmaster()])
    kill_supervisor(system)


KILLS = {
    "one web process": lambda system: kill(system.children("serve")[:1]),
    "all web processes": lambda system: kill(system.children("serve")),
    "job worker": lambda system: kill(system.children("work")),
    "a database connection's process": lambda system: kill(system.backends()[:1]),
    "the database server": lambda system: kill([system.postmaster()]),
    "run.py": kill_supervisor,
    "everything": kill_all,
}


def works(system, browsers):
    """Several answers in a row are right, from whichever process; and the worker is there."""
    answers = [browser.get("/publications/?publication=published") for browser in browsers for _ in range(3)]
    return all(status == 200 for status, _text in answers) and system.health()["code"] == 200


def has_worker_since(system, moment):
    with database(system):
        asked = "SELECT coalesce(max(last_heartbeat) > to_timestamp(:moment), false) FROM procrastinate_workers"
        return db.session.scalar(text(asked), {"moment": moment})


def has_ended(process_id):
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return True
    return False


def test_each_part_heals_and_nothing_acknowledged_is_lost(system, capsys):
    publisher, keeper, *watchers = sign_in(system, "hangzhou-gongshi", "danwei", "hangzhou", "xihu")
    togglers = togglers_of(system, publisher, keeper)
    stop = threading.Event()
    threads = [threading.Thread(target=each.run, args=[stop]) for each in togglers]
    for thread in threads:
        thread.start()
    began, healed = time.monotonic(), {}
    try:
        for name, do in KILLS.items():
            moment, start = time.time(), time.monotonic()
            do(system)
            until(lambda: works(system, watchers))
            web = time.monotonic() - start
            until(lambda moment=moment: has_worker_since(system, moment))
            healed[name] = (web, time.monotonic() - start)
        while time.monotonic() - began < LOAD_SECONDS:
            time.sleep(0.5)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
        for browser in (publisher, keeper, *watchers):
            browser.close()
    with capsys.disabled():
        sys.stdout.write(report(healed, togglers))

    assert set(healed) == set(KILLS)
    assert 500 not in {status for each in togglers for status in each.statuses}
    assert all(each.acknowledged for each in togglers)
    assert lost(system, togglers) == []
    with database(system):
        assert integrity.findings() == []


def report(healed, togglers):
    lines = [
        f"{name:<34} serves after {web:5.1f} s, worker after {all_:5.1f} s" for name, (web, all_) in healed.items()
    ]
    lines += [f"{each.page}: answers {sorted(Counter(each.statuses).items())}" for each in togglers]
    return "\n" + "".join(f"  {line}\n" for line in lines)


def togglers_of(system, publisher, keeper):
    certificates = publisher.ids("/publications/?publication=unpublished")[:10]
    instruments = keeper.ids("/ledger/")[:10]
    with database(system):
        booked = text("SELECT instrument_id FROM task WHERE state NOT IN ('certified', 'refused', 'withdrawn')")
        open_ones = set(db.session.scalars(booked))
    free = [id for id in instruments if id not in open_ones]
    assert certificates
    assert free
    return [
        Toggler(
            publisher, "publications", ("publish", "revoke"), certificates, fields={"reason": "信息有误，正在更正"}
        ),
        Toggler(keeper, "ledger", ("stop", "resume"), free),
    ]


# What the rows look like after each verb.
STATES = {"publish": PUBLISHED, "revoke": UNPUBLISHED, "stop": STOPPED, "resume": IN_USE}


def lost(system, togglers):
    """Rows that do not look as the last acknowledged action left them, unless one is unknown."""
    with database(system):
        certificates = dict(db.session.execute(select(Certificate.id, Certificate.publication)).all())
        usage = dict(db.session.execute(select(Instrument.id, Instrument.use_state)).all())
    now = {"publications": certificates, "ledger": usage}
    return [
        (each.page, id, verb, now[each.page][id])
        for each in togglers
        for id, verb in each.acknowledged.items()
        if id not in each.unknown and now[each.page][id] != STATES[verb]
    ]
