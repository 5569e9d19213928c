"""月末数: what stood at the end of a month is told later as it stood, and only to whom it concerns."""

from datetime import date

import pytest
from sqlalchemy import func, select

from app.access import EVERYTHING, Principal, visible
from app.domain import clockwork, holidays, month_ends, tallies
from app.models import ClockRun, MonthEnd, db
from app.pages.statistics import StatisticPage
from app.states import FILED, RUN_OUT
from app.workflow import fire
from tests.factories import BLOOD_PRESSURE, FAR, authority, institution, instrument, task, using_unit
from tests.test_statistics import figures, lines

OCTOBER, NOVEMBER = date(2026, 10, 1), date(2026, 11, 1)
STANDING = (
    "/statistics/instruments/",
    "/statistics/inspection-rate/",
    "/oversight/institutions/",
    "/oversight/units/",
    "/oversight/states/",
    "/oversight/kinds/",
)


@pytest.fixture
def november(rows, monkeypatch):
    """Three valid instruments in a county and one in the next at the end of October; today one of them has run out."""
    monkeypatch.setattr(holidays, "today", lambda: date(2026, 11, 20))
    unit, of = using_unit(), {"verification_state": "valid", "valid_until": FAR, "filing_state": FILED}
    ones = [instrument("330106", unit, **of) for _ in range(3)]
    ones.append(instrument("330105", using_unit("330105"), **of))
    institution("330106")
    task("unassigned", "330106", unit=unit)
    db.session.flush()
    tallies.rebuild()
    month_ends.keep_as(OCTOBER, EVERYTHING)
    fire(RUN_OUT, [ones[0].id], EVERYTHING)
    return ones


def past(person, page, **asked):
    return person.get(page, query_string={"from": "2026-10", "to": "2026-10", **asked})


@pytest.mark.parametrize(
    ("office", "line"), [("", "浙江省"), ("33", "杭州市"), ("3301", "西湖区"), ("330106", "西湖区")]
)
def test_a_month_is_told_as_it_stood_at_its_end(sign_in, november, office, line):
    person = sign_in("Analyst", authority(office))

    then, now = past(person, "/statistics/inspection-rate/"), person.get("/statistics/inspection-rate/")

    assert "截至 2026-10 月末" in then.text
    assert "截至目前" in now.text
    counted = {"": 4, "33": 4, "3301": 3, "330106": 3}[office]
    assert figures(then)[line]["rate"] == "100.00%"
    assert figures(now)[line] == {
        **figures(now)[line],
        "due": str(counted),
        "overdue": "1",
        "rate": f"{100 * (counted - 1) / counted:.2f}%",
        "before_rate": "100.00%",
        "before_points": f"{-100 / counted:+.2f}",
        "year_before_rate": "--",
        "year_before_points": "--",
    }
    whole = 3 if office == "330106" else 4
    assert {name: (line["verified"], line["overdue"]) for name, line in figures(now, "months").items()} == {
        "2026-10": (str(whole), "0"),
        "2026-11": (str(whole - 1), "1"),
    }


def test_kinds_of_a_month_gone_by_are_told_of_cities(sign_in, november):
    person = sign_in("Analyst", authority("3301"))

    assert {name: line["due"] for name, line in figures(past(person, "/oversight/kinds/", by="kind")).items()} == {
        "水表": "4"
    }
    assert list(figures(past(person, "/oversight/kinds/", region="330106", by="kind"))) == ["西湖区"]


def test_institutions_and_what_waits_are_kept_as_well(sign_in, november):
    person = sign_in("Supervisor", authority("3301"))
    institution("330106")

    houses = figures(past(person, "/oversight/institutions/"))["西湖区"]
    waiting = figures(person.get("/oversight/to-do/"), "months")

    assert (houses["institutions"], figures(person.get("/oversight/institutions/"))["西湖区"]["institutions"]) == (
        "1",
        "2",
    )
    assert {name: line["unassigned"] for name, line in waiting.items()} == {"2026-10": "1", "2026-11": "1"}


def test_what_stood_leads_to_no_rows_for_these_stand_as_they_are_now(sign_in, november):
    person = sign_in("Supervisor", authority("3301"))

    assert lines(person.get("/oversight/states/"))["西湖区"]["due"].leads
    assert not any(cell.leads for cell in lines(past(person, "/oversight/states/"))["西湖区"].values())


@pytest.mark.parametrize("page", STANDING)
def test_of_a_month_that_was_not_kept_nothing_is_told(sign_in, november, page):
    person = sign_in("Analyst", authority("3301"))
    month_ends.keep_as(date(2026, 8, 1), EVERYTHING)  # with which the missing one is compared

    found = person.get(page, query_string={"from": "2026-09", "to": "2026-09"})

    assert figures(found) == {}
    assert "empty-state" in found.text


@pytest.mark.parametrize("page", STANDING)
def test_of_a_neighbour_nobody_counts_what_was_kept(sign_in, november, page):
    person = sign_in("Analyst", authority("330105"))
    own = figures(past(person, page, by="region"))
    assert own == {} or list(own) == ["拱墅区"]

    for asked in ("330106", "330100", "330000", "000000"):
        assert figures(past(person, page, by="region", region=asked)) == own


def test_an_institution_and_a_using_unit_see_none_of_it(november):
    for kind in ("institution", "using_unit", "public", "nobody"):
        who = Principal(kind=kind, organization_id=1)
        assert db.session.scalar(visible(select(func.count()).select_from(MonthEnd), MonthEnd, who=who)) == 0


@pytest.mark.parametrize(("day", "kept"), [(1, True), (5, True), (6, False), (28, False)])
def test_the_clock_keeps_the_month_before_on_the_first_days_of_a_month_and_once(rows, monkeypatch, day, kept):
    instrument(filing_state=FILED)
    tallies.rebuild()
    today = date(2026, 11, day)
    monkeypatch.setattr(holidays, "today", lambda: today)

    first, second = (clockwork.run(today, EVERYTHING)["month_end"] for _ in range(2))

    assert (first > 0, second) == (kept, 0)
    assert set(db.session.scalars(select(MonthEnd.month))) == ({OCTOBER} if kept else set())
    assert db.session.scalar(select(func.count()).select_from(ClockRun)) == 1


def test_a_day_gone_by_that_is_run_again_keeps_nothing(rows, monkeypatch):
    instrument(filing_state=FILED)
    tallies.rebuild()
    monkeypatch.setattr(holidays, "today", lambda: date(2026, 12, 1))

    assert clockwork.run(NOVEMBER, EVERYTHING)["month_end"] == 0


def test_the_month_is_kept_before_the_day_changes_anything(rows, monkeypatch):
    monkeypatch.setattr(holidays, "today", lambda: NOVEMBER)
    instrument(filing_state=FILED, verification_state="valid", valid_until=date(2026, 10, 31))
    tallies.rebuild()

    clockwork.run(NOVEMBER, EVERYTHING)

    assert list(db.session.scalars(select(MonthEnd.state).where(MonthEnd.subject == "due"))) == ["valid"]


def test_every_standing_figure_is_kept(app):
    asked = {
        subject
        for page in app.extensions["kit"].baseviews
        if isinstance(page, StatisticPage) and page.question.stands
        for subject in page.question.subjects
    }

    assert asked == {*month_ends.STANDING, "place"}


def test_another_kind_is_another_line(sign_in, rows, monkeypatch):
    monkeypatch.setattr(holidays, "today", lambda: date(2026, 11, 20))
    unit = using_unit()
    for of in ("水表", BLOOD_PRESSURE, BLOOD_PRESSURE):
        instrument(unit=unit, of=of, filing_state=FILED)
    tallies.rebuild()
    month_ends.keep_as(OCTOBER, EVERYTHING)

    found = figures(past(sign_in("Analyst", authority("33")), "/oversight/kinds/", by="kind"))

    assert {name: line["due"] for name, line in found.items()} == {"水表": "1", BLOOD_PRESSURE: "2"}


def test_verifying_the_tallies_tells_month_ends_that_differ_by_kind_and_by_region(app, november, rows):
    right = app.test_cli_runner().invoke(args=["tally", "verify"])
    wrong = rows.scalars(select(MonthEnd).where(MonthEnd.subject == "due_kind", MonthEnd.city_code == "330100")).first()
    wrong.amount += 1
    rows.flush()

    told = app.test_cli_runner().invoke(args=["tally", "verify"])

    assert (right.exit_code, right.output) == (0, "differences: 0\n")
    assert (told.exit_code, told.output) == (1, "month_end 2026-10-01 330100 valid 4 5\ndifferences: 1\n")
