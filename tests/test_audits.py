"""审计日志: everything that is to be written down is, in a chain that nobody changes unseen; who may read it."""

import json
import re
import socket
from pathlib import Path

import pytest
from sqlalchemy import delete, select, text, update
from sqlalchemy.exc import DBAPIError

from app import access, audit
from app.domain import audits
from app.models import AuditChain, AuditEntry, Deadline, db
from app.pages import audits as audit_pages
from app.states import RETURNED
from tests.conftest import audit_log_unguarded
from tests.factories import account, authority, bingtuan, capability, institution, task

REASON = "资料与实物不符，不予受理"


@pytest.fixture
def log(rows):
    """Six entries in two chains."""
    from app.access import Principal

    for number in range(3):
        for region in ("330106", "510107"):
            audit.record(
                "export", "page", number, f"第{number}页", by=Principal(name="甲", region_code=region), rows=number
            )
    db.session.commit()
    for region in ("330106", "510107"):
        audit.record("login", "account", 1, "甲", by=Principal(name="甲", region_code=region))
        db.session.commit()
    return list(rows.scalars(select(AuditEntry).order_by(AuditEntry.id)))


def tampering(rows, statement):
    """As somebody with the keys of the database: the trigger is in the way of everybody else."""
    with audit_log_unguarded():
        rows.execute(statement)
    rows.expire_all()


def found():
    entries, breaks = audit.verify()
    return entries, [(each.chain, each.number, each.what) for each in breaks]


def test_entries_stand_in_the_chain_of_the_place(log):
    assert found()[1] == []
    assert sorted({entry.chain for entry in log}) == ["33", "51"]


@pytest.mark.parametrize(
    "change",
    [
        {"detail": {"rows": 99}},
        {"by_name": "乙"},
        {"action": "login"},
        {"at": text("at + interval '1 second'")},
        {"subject_id": None},
        {"address": "8.8.8.8"},
        {"region_code": "330102"},
        {"seal": "0" * 64},
    ],
)
def test_a_changed_entry_is_named(rows, log, change):
    victim = next(entry for entry in log if entry.chain == "33" and entry.subject_id == 1)

    tampering(rows, update(AuditEntry).where(AuditEntry.id == victim.id).values(**change))

    assert found()[1] == [("33", victim.number, "changed")]


def test_a_removed_entry_is_named(rows, log):
    first = next(entry for entry in log if entry.chain == "51")

    tampering(rows, delete(AuditEntry).where(AuditEntry.id == first.id))

    assert found()[1] == [("51", first.number, "missing")]


def test_a_cut_off_end_is_named(rows, log):
    last = [entry for entry in log if entry.chain == "51"][-1]

    tampering(rows, delete(AuditEntry).where(AuditEntry.id == last.id))

    assert found()[1] == [("51", last.number, "missing")]


def test_two_entries_that_changed_places_are_named(rows, log):
    one, other = [entry.id for entry in log if entry.chain == "33"][:2]
    for id, number in ((one, -1), (other, 1), (one, 2)):
        tampering(rows, update(AuditEntry).where(AuditEntry.id == id).values(number=number))

    assert found()[1] == [("33", 1, "changed")]


def test_an_entry_made_up_without_the_key_is_named(rows, log):
    columns = {c.key: getattr(log[0], c.key) for c in AuditEntry.__table__.columns if c.key != "id"}
    end = rows.get(AuditChain, "33")
    forged = {**columns, "chain": "33", "number": end.number + 1, "seal": "f" * 64}
    rows.execute(AuditEntry.__table__.insert().values(**forged))

    assert found()[1] == [("33", end.number + 1, "changed")]


@pytest.mark.parametrize(
    "verb",
    [
        "UPDATE audit_entry SET by_name = 'x'",
        "DELETE FROM audit_entry",
        "TRUNCATE audit_entry",
        "UPDATE audit_chain SET number = number - 1",
        "UPDATE audit_chain SET chain = '99'",
        "DELETE FROM audit_chain",
        "TRUNCATE audit_chain",
    ],
)
def test_the_database_refuses_to_change_the_log(rows, log, verb):
    with pytest.raises(DBAPIError, match="only grows"):
        rows.execute(text(verb))
    rows.rollback()


def test_what_is_written_down_has_a_word_for_the_auditor():
    sources = [path.read_text(encoding="utf-8") for path in (Path(__file__).parents[1] / "app").rglob("*.py")]
    written = [pair for text in sources for pair in re.findall(r'audit\.record\(\s*"(\w+)", "(\w+)"', text)]

    assert len(written) > 40
    assert {action for action, _subject in written} - set(audit_pages.ACTIONS) == set()
    assert {subject for _action, subject in written} - set(audit_pages.SUBJECTS) == set()


def test_the_command_names_the_break(app, rows, log):
    whole = app.test_cli_runner().invoke(args=["audit", "verify"])
    victim = next(entry for entry in log if entry.chain == "33")
    tampering(rows, update(AuditEntry).where(AuditEntry.id == victim.id).values(by_name="乙"))
    rows.commit()

    broken = app.test_cli_runner().invoke(args=["audit", "verify"])

    assert (whole.exit_code, broken.exit_code) == (0, 1)
    assert f"chain 33, entry {victim.number}: changed" in broken.output


def test_what_is_rolled_back_was_not_done(rows):
    before = len(list(rows.scalars(select(AuditEntry.id))))
    audit.record("export", "page", None, "x")
    rows.rollback()
    rows.commit()

    assert len(list(rows.scalars(select(AuditEntry.id)))) == before


# --- What is written down ------------------------------------------------------------------------


def written(rows, person):
    return [
        (entry.action, entry.subject, entry.subject_id, entry.detail)
        for entry in rows.scalars(
            select(AuditEntry).where(AuditEntry.by_id == person.account.id).order_by(AuditEntry.id)
        )
    ]


def test_a_step_of_one_and_of_many(sign_in, rows):
    lab = institution(name="西湖计量所")
    capability(lab)
    officer = sign_in("Supervisor", authority("330106"))
    one, two, three = task(RETURNED), task(RETURNED), task(RETURNED)

    officer.act("assignments", "refuse", [one.id], reason=REASON)
    officer.act("assignments", "assign", [two.id, three.id], institution_id=lab.id)
    officer.act("assignments", "assign", [two.id, three.id], institution_id=lab.id)

    assert written(rows, officer) == [
        ("refuse", "task", one.id, {"done": 1, "reason": REASON}),
        ("assign", "task", None, {"done": 2, "institution": "西湖计量所"}),
    ]


def test_showing_a_telephone_number_and_exporting(sign_in, rows):
    officer = sign_in("Supervisor", authority("330106"))
    waiting = task(RETURNED)

    officer.post(f"/assignments/phone/{waiting.id}")
    officer.post("/assignments/export", {"format": "csv", "selection": "ids", "id": str(waiting.id)})
    officer.post("/assignments/export", {"format": "xlsx", "filter": "state=returned"})

    assert written(rows, officer) == [
        ("reveal", "appointment", waiting.appointment_id, {"what": "phone"}),
        ("export", "page", None, {"format": "csv", "ticked": [waiting.id], "rows": 1}),
        ("export", "page", None, {"format": "xlsx", "filter": "state=returned", "rows": 1}),
    ]


def test_what_one_may_not_do(sign_in, rows):
    officer = sign_in("PublicationOfficer", authority("330106"))

    officer.act("assignments", "refuse", [task(RETURNED).id], reason=REASON)

    assert written(rows, officer) == [("forbidden", "page", None, {})]


# --- Who may read it -----------------------------------------------------------------------------


@pytest.fixture
def entries(rows, sign_in):
    """One entry from each place, by what was exported there."""
    places = {
        "nation": authority(""),
        "province": authority("33"),
        "county": authority("330106"),
        "neighbour": authority("510107"),
        "corps": bingtuan(),
        "region": authority("65"),
    }
    for name, home in places.items():
        by = account("Supervisor", home)
        from app.fabkit.security import principal_of

        audit.record("export", "page", None, f"来自{name}", by=principal_of(by, frozenset({"Supervisor"})))
    db.session.commit()
    return places


@pytest.mark.parametrize(
    ("place", "sees"),
    [
        ("nation", {"nation", "province", "county", "neighbour", "corps", "region"}),
        ("province", {"province", "county"}),
        ("county", {"county"}),
        ("neighbour", {"neighbour"}),
    ],
)
def test_an_auditor_sees_what_was_done_from_the_own_jurisdiction(sign_in, entries, place, sees):
    auditor = sign_in("Auditor", entries[place])

    page = auditor.get("/audit/?size=200").text
    sheet = auditor.post("/audit/export", {"format": "csv"}).text

    assert {name for name in entries if f"来自{name}" in page} == sees
    assert {name for name in entries if f"来自{name}" in sheet} == sees


def test_a_foreign_entry_is_no_entry(sign_in, entries, rows):
    foreign = rows.scalars(select(AuditEntry).where(AuditEntry.subject_name == "来自neighbour")).one()

    assert sign_in("Auditor", entries["county"]).get(f"/audit/show/{foreign.id}").status_code == 404
    assert sign_in("Auditor", entries["nation"]).get(f"/audit/show/{foreign.id}").status_code == 200


@pytest.mark.parametrize("role", ["NationalAdministrator", "Supervisor", "Analyst"])
def test_only_auditors_read_it(sign_in, role):
    person = sign_in(role, authority(""))

    assert [person.get("/audit/").status_code, person.post("/audit/export", {"format": "csv"}).status_code] == [
        403,
        403,
    ]


@pytest.mark.parametrize(
    ("query", "sees"),
    [
        ("action=export&field=object&q=来自co", {"county", "corps"}),
        ("action=login", set()),
        ("at_from=2199-01-01", set()),
    ],
)
def test_filters_of_the_log(sign_in, entries, query, sees):
    page = sign_in("Auditor", entries["nation"]).get(f"/audit/?{query}").text

    assert {name for name in entries if f"来自{name}" in page} == sees


# --- What one chain says of the others, and what lies elsewhere ------------------------------------


def test_a_chain_that_was_removed_with_its_end_is_found_out_by_the_others(rows, log):
    audits.prove()
    assert found()[1] == []
    before = rows.get(AuditChain, "33").number - 1
    tampering(rows, delete(AuditEntry).where(AuditEntry.chain == "33"))
    tampering(rows, delete(AuditChain).where(AuditChain.chain == "33"))

    assert found()[1] == [("33", before, "missing")]


def test_entries_cut_off_with_the_end_set_back_are_found_out(rows, log):
    audits.prove()
    kept = log[-2]  # of chain 33, before the proof
    tampering(rows, delete(AuditEntry).where(AuditEntry.chain == kept.chain, AuditEntry.number >= kept.number))
    last = rows.scalars(
        select(AuditEntry).where(AuditEntry.chain == kept.chain).order_by(AuditEntry.number.desc()).limit(1)
    ).one()
    back = update(AuditChain).where(AuditChain.chain == kept.chain).values(number=last.number, seal=last.seal)
    tampering(rows, back)

    assert [(chain, what) for chain, _number, what in found()[1]] == [(kept.chain, "missing")]


def test_sealed_entries_are_sent_to_a_file_once_and_in_order(rows, log, tmp_path):
    place = tmp_path / "audit.jsonl"
    number = len(log)

    assert audits.send_away(f"file:{place}") == number
    assert audits.send_away(f"file:{place}") == 0
    audit.record("export", "page", None, "x", by=access.Principal(name="甲", region_code="330106"))
    rows.commit()
    assert audits.send_away(f"file:{place}") == 1

    lines = [json.loads(line) for line in place.read_text(encoding="utf-8").splitlines()]
    assert [(line["chain"], line["number"]) for line in lines[:number]] == sorted(
        (entry.chain, entry.number) for entry in log
    )
    assert {line["seal"] for line in lines} == set(rows.scalars(select(AuditEntry.seal)))


def test_sealed_entries_are_sent_to_a_syslog(rows, log):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.settimeout(10)
        audits.send_away(f"syslog:127.0.0.1:{listening.getsockname()[1]}")
        heard = listening.recv(65536).decode().rstrip("\x00")
    assert json.loads(heard.partition(">")[2])["seal"] == log[0].seal


def test_a_change_of_what_the_law_settles_is_written_down_before_and_after(rows, sign_in):
    boss = sign_in("SystemAdministrator", authority(""))
    days = rows.scalars(select(Deadline).where(Deadline.province_code == "500000").limit(1)).one()
    was = days.days
    form = {"province_code": days.province_code, "delivery": days.delivery, "days": str(was + 5), "basis": days.basis,
            "revision": str(days.revision)}  # fmt: skip
    if days.working_days:
        form["working_days"] = "y"
    assert boss.act("deadlines", "edit", [days.id], **form).status_code == 204
    assert boss.act("deadlines", "delete", [days.id]).status_code == 204

    edited, deleted = rows.scalars(select(AuditEntry).where(AuditEntry.subject == "deadline").order_by(AuditEntry.id))
    assert (edited.action, edited.by_id, edited.detail) == (
        "edit", boss.account.id, {"changed": ["days"], "before": [str(was)], "after": [str(was + 5)]},
    )  # fmt: skip
    assert deleted.action == "delete"
    assert dict(zip(deleted.detail["changed"], deleted.detail["before"], strict=True))["days"] == str(was + 5)
