"""检定能力缺口: what is filed and served by nobody, by region down to the county; nothing of neighbours."""

from datetime import timedelta
from io import BytesIO

import pytest
from openpyxl import load_workbook

from app.access import Principal, seeing
from app.domain import capability_gaps, holidays
from app.domain.capability_gaps import Place
from app.states import FILED, SCRAPPED, SUSPENDED
from tests.factories import (
    BLOOD_PRESSURE,
    WATER_METER,
    authority,
    capability,
    institution,
    instrument,
    kind,
    measurement_standard,
    using_unit,
)

YESTERDAY = holidays.today() - timedelta(days=1)


def filed(region="330106", of=WATER_METER, number=1, **values):
    unit = using_unit(region)
    for _ in range(number):
        instrument(region, unit, of, **{"filing_state": FILED, **values})


def office(jurisdiction):
    home = authority(jurisdiction)
    return Principal(
        kind="authority",
        jurisdiction=jurisdiction,
        organization_id=home.id,
        region_code=home.region_code,
        level=home.level,
    )


def gaps(jurisdiction, code=None):
    by = office(jurisdiction)
    with seeing(by):
        return capability_gaps.gaps(code or by.region_code, by)


def kinds(jurisdiction, code=None):
    return {(each.name, each.places, each.instruments) for each in gaps(jurisdiction, code).kinds}


def test_what_is_filed_and_served_by_nobody_is_a_gap(rows):
    filed(number=3)
    filed(of=BLOOD_PRESSURE)
    capability(institution(), "330106", of=BLOOD_PRESSURE)

    assert kinds("330106") == {(WATER_METER, 1, 3)}


@pytest.mark.parametrize("place", ["330106", "330100", "330000", "000000"])
def test_whoever_serves_the_place_or_one_around_it_closes_the_gap(rows, place):
    filed()
    capability(institution("510104"), place)

    assert kinds("330106") == set()


@pytest.mark.parametrize(
    "values",
    [
        {"state": "draft"},
        {"state": "pending"},
        {"valid_until": YESTERDAY},
    ],
)
def test_what_is_not_effective_today_does_not(rows, values):
    filed()
    capability(institution(), "330106", **values)

    assert kinds("330106") == {(WATER_METER, 1, 1)}


def test_neither_does_a_suspended_institution_one_without_authorization_or_an_expired_standard(rows):
    filed()
    capability(institution(standing=SUSPENDED, standing_reason="监督检查责令停止"), "330106")
    capability(institution(authorized_until=YESTERDAY), "330106")
    lab = institution()
    capability(lab, "330106", standard_id=measurement_standard(lab, valid_until=YESTERDAY).id)
    capability(institution(), "330105")

    assert kinds("330106") == {(WATER_METER, 1, 1)}


def test_drafts_and_scrapped_instruments_do_not_count(rows):
    filed(filing_state="draft")
    filed(use_state=SCRAPPED)

    assert kinds("330106") == set()


def test_one_goes_down_from_the_nation_to_the_county(rows):
    filed("330106", number=2)
    filed("330105")
    filed("330203", of=BLOOD_PRESSURE)
    filed("510104", number=5)

    nation = gaps("")
    assert [(each.code, each.kinds, each.places, each.instruments) for each in nation.places] == [
        ("510000", 1, 1, 5), ("330000", 2, 3, 4),
    ]  # fmt: skip
    assert nation.instruments == 9
    assert [(each.code, each.instruments) for each in gaps("", "330000").places] == [("330100", 3), ("330200", 1)]
    assert [(each.code, each.instruments) for each in gaps("", "330100").places] == [("330106", 2), ("330105", 1)]
    assert gaps("", "330106").places == []
    assert kinds("", "330106") == {(WATER_METER, 1, 2)}


def test_a_county_directly_below_its_province_stands_under_its_own_name(rows):
    filed("429004")

    assert gaps("42").places == [Place("429004", "仙桃市", 1, 1, 1)]


def test_nobody_sees_the_gaps_of_neighbours(sign_in, rows):
    filed("330106", number=2)
    filed("510104", of=BLOOD_PRESSURE)
    analyst = sign_in("Analyst", authority("5101"))

    for query in ("", "?region=330106", "?region=330000", "?region=000000", "?region=x"):
        page = analyst.get(f"/capability-gaps/{query}").text
        assert "西湖区" not in page.split("<main")[1]
        assert BLOOD_PRESSURE in page
    sheet = analyst.post("/capability-gaps/export", {"region": "330106", "format": "csv"}).data.decode("utf-8-sig")
    assert sheet.splitlines()[1:] == ["四川省成都市锦江区," + _category() + f",{BLOOD_PRESSURE},1"]


def _category():
    from app.models import CatalogueItem, db

    return db.session.get_one(CatalogueItem, kind(BLOOD_PRESSURE).parent_id).name


def test_the_sheet_holds_each_gap(sign_in, rows):
    filed("330106", number=2)
    filed("330105")
    boss = sign_in("Supervisor", authority("3301"))

    answer = boss.post("/capability-gaps/export", {"region": "330100", "format": "xlsx"})

    lines = list(load_workbook(BytesIO(answer.data)).worksheets[0].values)
    assert [(line[0], line[2], line[3]) for line in lines[1:]] == [
        ("浙江省杭州市西湖区", WATER_METER, 2), ("浙江省杭州市拱墅区", WATER_METER, 1),
    ]  # fmt: skip


def test_the_page_leads_down_and_back_up(sign_in, rows):
    filed()
    boss = sign_in("Supervisor", authority("33"))

    page = boss.get("/capability-gaps/").text
    assert 'href="?region=330100"' in page
    county = boss.get("/capability-gaps/?region=330106").text
    assert 'href="?region=330000"' in county
    assert "西湖区</b>" in county
    assert boss.get("/capability-gaps/?region=510104").text.count("浙江省</b>") == 1


@pytest.mark.parametrize("number", [1, 50])
def test_it_costs_the_same_for_few_and_for_many(rows, statements, number):
    filed(number=number)
    by = office("33")

    with seeing(by), statements() as seen:
        capability_gaps.gaps(by.region_code, by)

    assert len(seen) == 2
