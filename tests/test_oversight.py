"""行政监管: what is told of offices and institutions is what a full count says; alarms ring where they should."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select

from app.access import EVERYTHING
from app.counting import punctuality
from app.domain import tallies
from app.models import AlarmThreshold, AuditEntry, Event, db
from app.states import (
    ACCEPT,
    APPROVE,
    ASSIGN,
    DRAFT,
    FILED,
    OFFERED,
    RECORD,
    REFUSE,
    RETURN,
    RETURNED,
    SUBMIT,
    TIME_OUT,
    TO_APPROVE,
    UNASSIGNED,
    VERIFYING,
    WITHDRAW,
)  # fmt: skip
from app.workflow import fire
from tests.factories import (
    BLOOD_PRESSURE,
    FAR,
    authority,
    capability,
    institution,
    instrument,
    measurement_standard,
    task,
    using_unit,
)  # fmt: skip
from tests.test_statistics import figures, lines

COUNTIES = ("330106", "330105", "330203")


@pytest.fixture
def world(rows):
    """Tasks that went every way in three counties of two cities, more of them in each."""
    labs = {}
    for number, county in enumerate(COUNTIES, start=1):
        unit, labs[county] = using_unit(county), institution(county)
        for _ in range(number):
            _went(county, unit, labs[county])
    db.session.flush()
    tallies.rebuild()
    return labs


def _went(county, unit, lab):
    for state, step, values in (
        (DRAFT, SUBMIT, {"institution_id": lab.id}), (OFFERED, ACCEPT, {}), (OFFERED, RETURN, {"institution_id": None}),
        (OFFERED, TIME_OUT, {"institution_id": None}), (OFFERED, WITHDRAW, {}),
        (UNASSIGNED, ASSIGN, {"institution_id": lab.id}),
        (UNASSIGNED, REFUSE, {}), (VERIFYING, RECORD, {}),
    ):  # fmt: skip
        one = task(state, county, unit=unit, **({} if state in {DRAFT, UNASSIGNED} else {"to": lab}))
        fire(step, [one.id], EVERYTHING, reason="因为所以", **values)
    for late in (1, -1, -1):
        one = task(TO_APPROVE, county, to=lab, unit=unit, due_on=(datetime.now(UTC) - timedelta(days=2 * late)).date(),
                   accepted_at=datetime.now(UTC) - timedelta(days=6))  # fmt: skip
        fire(APPROVE, [one.id], EVERYTHING, told=punctuality, finished_at=func.now())


def steps(prefix, *names):
    counted = select(func.count()).where(Event.step.in_(names), Event.region_code.startswith(prefix))
    return str(db.session.scalar(counted))


@pytest.mark.parametrize(
    ("office", "prefix", "line"),
    [("", "33", "浙江省"), ("33", "3301", "杭州市"), ("3301", "330106", "西湖区"), ("330106", "330106", "西湖区")],
)
def test_the_business_is_what_the_history_tells(sign_in, world, office, prefix, line):
    found = figures(sign_in("Analyst", authority(office)).get("/oversight/business/"))[line]

    assert [
        found[name] for name in ("applied", "assigned", "accepted", "returned", "refused", "recorded", "certified")
    ] == [steps(prefix, each.name) for each in (SUBMIT, ASSIGN, ACCEPT, RETURN, REFUSE, RECORD, APPROVE)]
    assert (found["late"], found["late_rate"]) == (str(int(found["certified"]) // 3), "33.33%")


STEPS_OF = {
    "business": {"applied", "offered", "assigned", "accepted", "returned", "refused", "recorded", "certified", "late"},
    "acceptance": {"offered", "accepted", "returned", "timed_out", "withdrawn"},
    "quantity": {"recorded", "certified", "late"},
}


@pytest.mark.parametrize("page", STEPS_OF)
@pytest.mark.parametrize("office", ["", "33", "3301", "330106"])
def test_what_was_done_leads_to_the_steps_that_are_counted(sign_in, world, page, office):
    person, led = sign_in("Analyst", authority(office)), set()
    for by in ("region", "institution"):
        for line in lines(person.get(f"/oversight/{page}/?by={by}")).values():
            for head, cell in line.items():
                if cell.leads and cell.leads.startswith("/queries/steps/"):
                    led.add(head)
                    assert re.findall('data-total="(.*?)"', person.get(cell.leads).text) == [cell.text], cell.leads

    assert led == STEPS_OF[page]


def test_the_work_in_counties_directly_below_a_province_is_told(sign_in, rows):
    for county, number in (("110101", 1), ("110102", 2)):
        authority(county, parent=authority("11"))
        unit, lab = using_unit(county), institution(county)
        for _ in range(number):
            _went(county, unit, lab)
    tallies.rebuild()

    province = figures(sign_in("Analyst", authority("11")).get("/oversight/business/"))
    nation = figures(sign_in("Analyst", authority("")).get("/oversight/business/"))

    told = [(line["applied"], line["certified"], line["late"]) for line in (province["东城区"], province["西城区"])]
    assert told == [("1", "3", "1"), ("2", "6", "2")]
    assert nation["北京市"]["applied"] == "3"


def test_acceptance_is_of_what_was_answered_or_ran_out(sign_in, world):
    found = figures(sign_in("Analyst", authority("3301")).get("/oversight/acceptance/"))

    assert {name: list(line.values()) for name, line in found.items()} == {
        world["330106"].name: ["2", "1", "1", "1", "1", "33.33%"],
        world["330105"].name: ["4", "2", "2", "2", "2", "33.33%"],
    }


def test_the_days_of_an_institution_are_a_mean(sign_in, world):
    found = figures(sign_in("Analyst", authority("330106")).get("/oversight/quantity/"))

    assert found[world["330106"].name]["days"] == "6.0"


def test_what_waits_is_told_by_how_long_it_waits(sign_in, rows):
    lab = institution("330106")
    for days in (3, 21, 40):
        task(UNASSIGNED, applied_at=datetime.now(UTC) - timedelta(days=days))
    task(RETURNED, to=lab, applied_at=datetime.now(UTC) - timedelta(days=30))
    instrument(filing_state="pending")
    capability(lab, state="pending")
    measurement_standard(lab, state="submitted")
    task(UNASSIGNED, "330203", applied_at=datetime.now(UTC) - timedelta(days=90))
    tallies.rebuild()
    person = sign_in("Supervisor", authority("3301"))

    assert list(figures(person.get("/oversight/to-do/"))["西湖区"].values()) == ["3", "1", "3", "1", "1", "1"]
    person.post("/oversight/to-do/threshold", {"threshold": "35"})
    page = person.get("/oversight/to-do/")

    assert figures(page)["西湖区"]["long"] == "1"
    assert page.text.count("<tr data-rings>") == 1


def test_institutions_are_told_where_they_are_at_home(sign_in, rows):
    today = datetime.now(UTC).date()
    able = institution("330106")
    capability(able, state="effective")
    measurement_standard(able)
    institution("330106", designation="authorized", authorized_until=today + timedelta(days=90))
    institution("330106", designation="special", authorized_until=today - timedelta(days=1))
    institution("330106", standing="suspended", standing_reason="整改期间暂停")
    institution("330106", standing="closed", standing_reason="机构已经注销")
    institution("330203")
    institution("330100")

    page = sign_in("Analyst", authority("3301")).get("/oversight/institutions/")

    assert list(figures(page)["西湖区"].values()) == ["4", "2", "1", "1", "1", "1", "1", "1", "1", "1"]
    assert figures(page)["本级"]["institutions"] == "1"
    assert lines(page)["本级"]["institutions"].leads is None
    assert page.text.partition("<tfoot>")[2].count('data-value="5"') == 1  # neither of the neighbour's
    assert page.text.count("<tr data-rings>") == 1


def test_a_kind_is_covered_where_somebody_is_able_to_it_or_around(sign_in, rows):
    lab = institution("330105")
    for county, kind in (
        ("330106", "水表"),
        ("330106", BLOOD_PRESSURE),
        ("330105", "水表"),
        ("330203", BLOOD_PRESSURE),
    ):
        instrument(county, of=kind, filing_state=FILED, verification_state="valid", valid_until=FAR)
    capability(lab, "330105", of="水表")
    capability(lab, "330100", of=BLOOD_PRESSURE)
    measurement_standard(lab)
    measurement_standard(lab, state="expired")
    tallies.rebuild()

    by_county = figures(sign_in("Analyst", authority("3301")).get("/statistics/ability/"))
    by_city = figures(sign_in("Analyst", authority("33")).get("/statistics/ability/"))

    assert list(by_county["西湖区"].values()) == ["2", "1", "1", "50.00%", "0", "0", "0"]
    assert list(by_county["拱墅区"].values()) == ["1", "1", "0", "100.00%", "1", "0", "1"]
    assert list(by_city["杭州市"].values()) == ["2", "2", "0", "100.00%", "1", "0", "1"]
    assert list(by_city["宁波市"].values())[:4] == ["1", "0", "1", "0.00%"]
    assert list(by_city["温州市"].values())[:4] == ["0", "0", "0", "--"]


def test_units_are_told_beside_what_they_have(sign_in, rows):
    unit = using_unit("330106")
    using_unit("330106")
    for state in ("overdue", "valid", "valid"):
        instrument("330106", unit, filing_state=FILED, verification_state=state, valid_until=FAR)
    tallies.rebuild()

    found = figures(sign_in("Analyst", authority("3301")).get("/oversight/units/"))["西湖区"]

    assert list(found.values()) == ["2", "0", "3", "1.5", "3", "1", "33.33%"]


def test_the_months_of_a_period_add_up_to_it(sign_in, world):
    page = sign_in("Analyst", authority("3301")).get("/oversight/business/?from=2026-01&to=2999-12")
    months, whole = figures(page, "months"), figures(page)

    for name in ("applied", "certified", "late"):
        assert sum(int(month[name]) for month in months.values()) == sum(int(line[name]) for line in whole.values()) > 0
    assert next(iter(months)) == "2026-01"


def test_lines_are_ranked_by_any_column_and_those_without_a_value_come_last(sign_in, world):
    person = sign_in("Analyst", authority("3301"))

    most = figures(person.get("/oversight/business/?sort=applied"))
    least = figures(person.get("/oversight/business/?sort=-late_rate"))
    nonsense = figures(person.get("/oversight/business/?sort=id;drop"))

    assert list(most)[:2] == ["拱墅区", "西湖区"]
    assert [line["late_rate"] for line in least.values()][:3] == ["33.33%", "33.33%", "--"]
    assert next(iter(nonsense)) == "上城区"


# --- Thresholds ----------------------------------------------------------------------------------


def test_a_threshold_holds_below_until_an_office_has_its_own(sign_in, world):
    city, county, neighbour = (sign_in("Supervisor", authority(each)) for each in ("3301", "330106", "3302"))

    def rings(person):
        return "is-ringing" in person.get("/oversight/business/").text

    assert [rings(each) for each in (city, county, neighbour)] == [True, True, True]
    city.post("/oversight/business/threshold", {"threshold": "40"})
    assert [rings(each) for each in (city, county, neighbour)] == [False, False, True]
    county.post("/oversight/business/threshold", {"threshold": "30"})

    assert [rings(each) for each in (city, county, neighbour)] == [False, True, True]
    assert db.session.scalar(select(func.count()).select_from(AlarmThreshold)) == 2
    assert db.session.scalar(select(func.count()).where(AuditEntry.subject == "alarm_threshold")) == 2


def test_a_threshold_of_nought_is_one(sign_in, world):
    person = sign_in("Supervisor", authority("3301"))
    person.post("/oversight/business/threshold", {"threshold": "0"})

    page = person.get("/oversight/business/")

    assert 'name="threshold" inputmode="decimal" required value="0"' in page.text
    assert page.text.count("<tr data-rings>") == 2  # the counties with anything late


@pytest.mark.parametrize("value", ["", "x", "-1", "10000", "NaN", "Infinity", "1e9", "5; DROP TABLE"])
def test_a_threshold_is_a_number_in_reach(sign_in, rows, value):
    person = sign_in("Supervisor", authority("3301"))

    answer = person.post("/oversight/business/threshold", {"threshold": value})

    assert answer.status_code == 303
    assert db.session.scalar(select(func.count()).select_from(AlarmThreshold)) == 0


def test_only_who_leads_sets_thresholds(sign_in, rows):
    analyst = sign_in("Analyst", authority("3301"))

    assert analyst.post("/oversight/business/threshold", {"threshold": "1"}).status_code == 403
    assert "/threshold" not in analyst.get("/oversight/business/").text
    assert sign_in("Supervisor", authority("3301")).post("/statistics/instruments/threshold", {}).status_code in (
        403,
        404,
    )
