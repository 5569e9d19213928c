"""在办任务、每周可检数: stated by the institution, and every figure about an organization the same for every reader."""

import csv
from datetime import date

import pytest

from app.access import EVERYTHING
from app.domain import mergers, tallies, workloads
from app.models import AuditEntry, WeeklyCapacity
from app.states import ACCEPTED, OFFERED
from tests.factories import (
    BLOOD_PRESSURE,
    authority,
    capability,
    institution,
    instrument,
    kind,
    measurement_standard,
    staff_member,
    task,
    unit_of,
)

PAST = date(2024, 1, 1)
READERS = ("330106", "3301", "33", "")
PLACES = ("330106", "330105", "330203", "510104")
PAGES = ("institutions", "local-institutions", "queries/institutions", "queries/units")


@pytest.fixture
def lab(rows):
    return institution(name="西湖所")


@pytest.fixture
def approver(sign_in, lab):
    return sign_in("InstitutionApprover", lab)


def capacities(rows, lab):
    rows.expire_all()
    found = rows.query(WeeklyCapacity).filter_by(institution_id=lab.id)
    return {each.catalogue_item_id: (each.stated, each.learned) for each in found}


def test_an_institution_states_what_it_can_verify_in_a_week_and_takes_it_back(approver, lab, rows):
    own = capability(lab)

    answers = [approver.act("capabilities", "capacity", [own.id], stated=number) for number in ("40", "", "0", "x")]
    again = approver.act("capabilities", "capacity", [own.id], stated="25")
    dialog = approver.open("capabilities", "capacity", [own.id]).text

    assert [answer.status_code for answer in (*answers, again)] == [204, 204, 422, 422, 204]
    assert capacities(rows, lab) == {kind().id: (25, None)}
    assert 'value="25"' in dialog
    entries = rows.query(AuditEntry).filter_by(action="state_capacity").order_by(AuditEntry.id)
    assert [(each.detail.get("before"), each.detail.get("after")) for each in entries] == [
        (None, 40),
        (40, None),
        (None, 25),
    ]


def test_nobody_states_it_for_another_institution(approver, rows):
    other = institution()

    assert approver.act("capabilities", "capacity", [capability(other).id], stated="40").status_code == 404
    assert capacities(rows, other) == {}


def test_capacities_of_a_merged_institution_follow_where_the_heir_has_none(rows):
    gone, heir = institution(name="老所"), institution(name="新所")
    for lab, of, number in ((gone, kind(), 10), (gone, kind(BLOOD_PRESSURE), 20), (heir, kind(), 30)):
        rows.add(WeeklyCapacity(institution_id=lab.id, catalogue_item_id=of.id, stated=number))
    rows.flush()

    mergers.merge(gone.id, heir.id, "两家机构合并办公", EVERYTHING)

    assert capacities(rows, gone) == {}
    assert capacities(rows, heir) == {kind().id: (30, None), kind(BLOOD_PRESSURE).id: (20, None)}


# --- The same for every reader -------------------------------------------------------------------


def organizations():
    """An institution and a using unit of 西湖区 with rows in four places of three cities and two provinces."""
    lab, unit = institution(name="西湖所"), unit_of(name="西湖厂")
    capability(lab, *PLACES)
    measurement_standard(lab)
    staff_member(lab)
    for place in PLACES:
        for state in (OFFERED, ACCEPTED):
            overdue = {"verification_state": "overdue", "valid_until": PAST} if state == OFFERED else {}
            task(state, place, to=lab, unit=unit, what=instrument(place, unit, **overdue))
    tallies.rebuild()
    return lab, unit


def told(person, page):
    """Every column of a list of organizations, as its export gives it."""
    asked = {"selection": "all", "filter": "", "format": "csv", "columns": "all"}
    rows = list(csv.reader(person.post(f"/{page}/export", asked).data.decode("utf-8-sig").splitlines()))
    return [dict(zip(rows[0], row, strict=True)) for row in rows[1:]]


@pytest.mark.parametrize("page", PAGES)
def test_every_figure_about_an_organization_is_the_same_for_every_reader(sign_in, rows, page):
    organizations()

    answers = [told(sign_in("Supervisor", authority(jurisdiction)), page) for jurisdiction in READERS]

    assert len(answers[0]) == 1
    assert all(answer == answers[0] for answer in answers)


def test_what_a_unit_and_an_institution_have_is_counted_everywhere(sign_in, rows):
    lab, _unit = organizations()

    [unit] = told(sign_in("Supervisor", authority("330106")), "queries/units")

    assert (unit["器具数"], unit["超期器具数"]) == ("8", "4")
    assert workloads.open_by_institution([lab.id]) == {lab.id: 8}
