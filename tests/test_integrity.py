"""flask verify: says nothing of what is right, and names each thing that is wrong."""

import os
from datetime import UTC, datetime, timedelta

import pytest
from flask_appbuilder.security.sqla.models import Role
from sqlalchemy import select, text, update

from app import audit, files
from app.access import EVERYTHING
from app.domain import integrity, manufacturers, tallies
from app.domain.manufacturers import Entry
from app.models import (
    Certificate,
    CertificateNumber,
    Event,
    Instrument,
    Manufacturer,
    ManufacturerName,
    Organization,
    Tally,
    Task,
    db,
)
from app.states import CERTIFIED, OFFERED, TO_APPROVE, TO_CHECK
from tests.factories import (
    account,
    authority,
    capability,
    certificate,
    institution,
    measurement_standard,
    result,
    staff_member,
    task,
    using_unit,
)


@pytest.fixture
def world(rows):
    """Work in every stage, all as it should be."""
    lab = institution()
    verifier, checker = staff_member(lab, "王检定"), staff_member(lab, "李核验")
    offered, to_check, to_approve = (task(state, to=lab) for state in (OFFERED, TO_CHECK, TO_APPROVE))
    result(to_check, verifier)
    result(to_approve, verifier, checker)
    done = task(CERTIFIED, to=lab)
    paper = certificate(done, file=files.keep(b"%PDF-1.7"))
    account("Supervisor", authority("330106"))
    audit.record("edit", "instrument", offered.instrument_id, by=EVERYTHING)
    tallies.rebuild()
    rows.flush()
    files.keep(b"of what is not committed yet")
    return {
        "lab": lab,
        "offered": offered,
        "to_check": to_check,
        "to_approve": to_approve,
        "done": done,
        "paper": paper,
        "maker": manufacturers.add(Entry("宁波水表厂", ("甬江水表厂",)), EVERYTHING),
    }


def set_instrument(world, **values):
    db.session.execute(update(Instrument).where(Instrument.id == world["offered"].instrument_id).values(**values))


def two_events(world):
    place = {"city_code": "330100", "region_code": "330106", "subject": "task", "subject_id": 1}
    for day in ("2026-01-05", "2026-02-05"):
        db.session.add(Event(**place, id=77, at=f"{day} 00:00+08", step="x", by_name="", by_organization=""))
        db.session.flush()
        db.session.expunge_all()


def same_number(world):
    paper = world["paper"]
    other = task(CERTIFIED, "330203", to=db.session.get_one(type(authority("")), paper.institution_id))
    certificate(other, no=paper.no)


def both_duties(world):
    person = account("Supervisor", authority("330106"))
    person.roles.append(db.session.scalars(select(Role).where(Role.name == "Auditor")).one())
    db.session.flush()


def gap(world):
    """Three numbers were given out, and one certificate is there; of another series both."""
    lab = world["lab"].id
    for series, last in (("浙检2026-{number:4}", 3), ("浙检2025-{number:4}号", 2)):
        db.session.add(CertificateNumber(institution_id=lab, series=series, last=last))
    for no in ("浙检2026-0001", "浙检2026-00002", "浙检2025-0001号", "浙检2025-0002号"):
        certificate(task(CERTIFIED, to=world["lab"]), no=no)


def orphan(_world):
    name = files.keep(b"nobody's")
    long_ago = (datetime.now(UTC) - timedelta(days=2)).timestamp()
    os.utime(files.path(name), (long_ago, long_ago))


BROKEN = {
    "an open task is of an instrument that is not in use": lambda w: set_instrument(w, use_state="scrapped"),
    "an open task lies in another county than its instrument": lambda w: set_instrument(w, region_code="330105"),
    "a task in review has no result": lambda w: db.session.execute(
        text("DELETE FROM result WHERE task_id = :id"), {"id": w["to_check"].id}
    ),
    "a task that waits for approval was checked by nobody": lambda w: db.session.execute(
        text("UPDATE result SET checker_id = NULL WHERE task_id = :id"), {"id": w["to_approve"].id}
    ),
    "a certified task has no valid certificate": lambda w: db.session.execute(
        update(Certificate).values(state="void", void_reason="型号印错")
    ),
    "a task has two valid certificates": lambda w: certificate(w["done"]),
    "an institution gave a certificate number twice": same_number,
    "who verified or checked has also approved": lambda w: db.session.execute(
        update(Certificate).values(approver=Certificate.verifier)
    ),
    "an id of an event was given twice": two_events,
    "an account holds roles of two duties": both_duties,
    "a tally differs from a full count": lambda w: db.session.execute(update(Tally).values(amount=Tally.amount + 1)),
    "a file that a row refers to is missing": lambda w: files.drop(w["paper"].file),
    "a file of the store is referred to by no row": orphan,
    "numbers of certificates are missing in a series": gap,
    "an effective capability rests on a standard that is sealed up or abolished": lambda w: capability(
        w["lab"], standard_id=measurement_standard(w["lab"], state="sealed", reason="装置损坏").id
    ),
    "an open task is at an institution that is closed or disabled": lambda w: db.session.execute(
        update(Organization).where(Organization.id == w["lab"].id).values(active=False)
    ),
    "a manufacturer has no present name": lambda w: db.session.execute(
        update(ManufacturerName).where(ManufacturerName.manufacturer_id == w["maker"].id).values(present=False)
    ),
    "the instruments of a manufacturer are not those of its names": lambda w: db.session.execute(
        update(Manufacturer).where(Manufacturer.id == w["maker"].id).values(instruments=Manufacturer.instruments + 1)
    ),
    "a row names an organization that was merged into another": lambda w: db.session.execute(
        update(Organization)
        .where(Organization.id == w["paper"].using_unit_id)
        .values(active=False, merged_into_id=using_unit().id)
    ),
}


def test_what_is_right_is_not_mentioned(app, world):
    assert integrity.findings() == []

    told = app.test_cli_runner().invoke(args=["verify"])
    assert (told.exit_code, told.output) == (0, "0 rules broken\n")


@pytest.mark.parametrize("rule", BROKEN)
def test_what_is_wrong_is_named(app, world, rule):
    BROKEN[rule](world)
    if rule != "a tally differs from a full count":
        tallies.rebuild()

    found = {each.rule: each for each in integrity.findings()}

    assert rule in found
    assert found[rule].number >= len(found[rule].examples) > 0
    told = app.test_cli_runner().invoke(args=["verify"])
    assert (told.exit_code, f"{rule}: {found[rule].number} (" in told.output) == (1, True)


def test_every_rule_is_tried(world):
    others = {
        "a tally differs from a full count",
        "a file that a row refers to is missing",
        "a file of the store is referred to by no row",
    }

    assert {rule for rule, _rows in integrity._rules()} | others == set(BROKEN)
    assert db.session.scalar(select(Task.id).limit(1))
