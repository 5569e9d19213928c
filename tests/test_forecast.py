"""到期预测: what falls due stands in its month, comes again after its cycle, and is set against what is done."""

from datetime import UTC, datetime

import pytest

from app.domain import forecasts, tallies
from app.domain.statistics import Period
from app.states import CERTIFIED, FILED
from tests.factories import BLOOD_PRESSURE, authority, certificate, institution, instrument, task, using_unit
from tests.test_statistics import figures


def in_months(number, day=15):
    """A day of a month to come, or of one gone by."""
    now = forecasts.coming().first
    return Period(now, now).earlier(-number).first.replace(day=day)


def due(number, county="330106", cycle=None, **values):
    state = "overdue" if number < 0 else "valid"
    return instrument(county, filing_state=FILED, verification_state=state, valid_until=in_months(number),
                      cycle_months=cycle, **values)  # fmt: skip


def done(amounts, county="330106", of="水表"):
    """So many results in the months before this one, the last first."""
    lab, unit = institution(county), using_unit(county)
    for back, amount in enumerate(amounts, start=1):
        for _ in range(amount):
            what = instrument(county, unit, of=of)
            one = certificate(task(CERTIFIED, county, to=lab, unit=unit, what=what))
            one.issued_at = datetime.combine(in_months(-back), datetime.min.time(), UTC)


def month(number):
    return in_months(number, 1).isoformat()


def told(page, line):
    return {name: text for name, text in figures(page)[line].items() if text != "0"}


def test_what_falls_due_stands_in_its_month_and_comes_again_after_its_cycle(sign_in, rows):
    due(2, cycle=6)
    due(23, cycle=12)
    due(24)
    due(5)
    instrument(filing_state=FILED, use_state="stopped", valid_until=in_months(3), verification_state="valid")
    tallies.rebuild()

    for office, line in (("330106", "西湖区"), ("3301", "西湖区"), ("33", "杭州市"), ("", "浙江省")):
        found = told(sign_in("Analyst", authority(office)).get("/oversight/forecast/"), line)
        assert found == {"over": "6", **{month(number): "1" for number in (2, 5, 8, 14, 20, 23)}}


def test_what_is_overdue_stands_apart_and_comes_again_from_now(sign_in, rows):
    due(-3, cycle=12)
    tallies.rebuild()

    found = told(sign_in("Analyst", authority("330106")).get("/oversight/forecast/"), "西湖区")

    assert found == {"backlog": "1", "over": "1", month(12): "1"}


@pytest.mark.parametrize(
    ("amounts", "capacity", "over"), [((1, 4, 0, 2, 3), "3", None), ((1, 1, 1), "1", "1"), ((), None, "1")]
)
def test_the_best_three_months_of_the_last_year_say_what_is_got_done(sign_in, rows, amounts, capacity, over):
    for _ in range(2):
        due(4)
    done(amounts)
    tallies.rebuild()

    page = sign_in("Analyst", authority("3301")).get("/oversight/forecast/")

    found = told(page, "西湖区")
    assert (found.get("capacity"), found.get("over")) == (capacity, over)
    assert page.text.count("number marked") == (2 if over else 0)  # of the line and of the total


def test_results_of_this_month_and_of_more_than_a_year_ago_do_not_count(sign_in, rows):
    lab = institution()
    for back in (0, 13):
        certificate(task(CERTIFIED, to=lab)).issued_at = datetime.combine(in_months(-back, 2), datetime.min.time(), UTC)
    tallies.rebuild()

    assert "capacity" not in told(sign_in("Analyst", authority("3301")).get("/oversight/forecast/"), "西湖区")


def test_kinds_have_their_own_months_and_a_county_has_none(sign_in, rows):
    due(1, of=BLOOD_PRESSURE)
    due(1)
    done((3, 3, 3), of=BLOOD_PRESSURE)
    tallies.rebuild()

    found = figures(sign_in("Analyst", authority("3301")).get("/oversight/forecast/?by=kind"))
    county = figures(sign_in("Analyst", authority("330106")).get("/oversight/forecast/?by=kind"))

    assert {name: (line["capacity"], line["over"]) for name, line in found.items()} == {
        BLOOD_PRESSURE: ("3", "0"),
        "水表": ("0", "1"),
    }
    assert list(county) == ["西湖区"]


def test_the_total_by_month_is_the_sum_of_the_lines(sign_in, rows):
    for number, county in ((1, "330106"), (1, "330105"), (3, "330105")):
        due(number, county)
    tallies.rebuild()

    page = sign_in("Analyst", authority("3301")).get("/oversight/forecast/")

    months = {name: line["due"] for name, line in figures(page, "months").items() if line["due"] != "0"}
    assert months == {f"{in_months(1):%Y-%m}": "2", f"{in_months(3):%Y-%m}": "1"}
