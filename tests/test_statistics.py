"""数据统计: the figures of every page and level are what a full count by SQL says, and nobody's neighbour's."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from html import unescape
from io import BytesIO

import openpyxl
import pytest
from sqlalchemy import func, select, update

from app.access import EVERYTHING
from app.domain import holidays, statistics, tallies
from app.domain.statistics import Period, rate
from app.models import AuditEntry, Certificate, Instrument, Organization, db
from app.pages import statistics as statistic_pages
from app.states import ACCEPT, CERTIFIED, FILED, RETURNED, SUBMIT, UNASSIGNED
from app.workflow import fire
from tests.factories import (
    BLOOD_PRESSURE,
    FAR,
    authority,
    certificate,
    institution,
    instrument,
    submit_orders,
    task,
    using_unit,
)

TO_NOW = "2999-12"  # what is to come is cut
COUNTIES = ("330106", "330105", "330203", "320102")
STATISTICS = ("instruments", "inspection-rate", "pass-rate", "workload", "ability")
OVERSIGHT = (
    "forecast",
    "business",
    "to-do",
    "acceptance",
    "quantity",
    "institutions",
    "units",
    "pass-rate",
    "states",
    "kinds",
)
PAGES = (*(f"/statistics/{name}/" for name in STATISTICS), *(f"/oversight/{name}/" for name in OVERSIGHT))


@pytest.fixture
def world(rows):
    """Instruments of every sort in four counties of three cities, and results of three years."""
    for number, county in enumerate(COUNTIES):
        unit, lab = using_unit(county), institution(county)
        for purpose in ("trade", "medical")[: 1 + number % 2]:
            for state, until in (
                ("valid", FAR),
                ("due_soon", FAR),
                ("overdue", date(2025, 12, 31)),
                ("failed", None),
                ("unverified", None),
            ):
                for _ in range(number + 1):
                    instrument(county, unit, purpose=purpose, verification_state=state, valid_until=until,
                               filing_state=FILED)  # fmt: skip
            instrument(county, unit, purpose=purpose, use_state="stopped", filing_state=FILED)
            instrument(county, unit, purpose=purpose, use_state="scrapped", filing_state=FILED)
            instrument(county, unit, purpose=purpose)
        for month, passed in (
            ("2025-03", True),
            ("2026-02", False),
            ("2026-03", True),
            ("2026-03", False),
            ("2026-03", True),
        ):
            what = instrument(county, unit, of=BLOOD_PRESSURE if number % 2 else "水表")
            one = certificate(
                task(CERTIFIED, county, to=lab, unit=unit, what=what), passed=passed,
                **({} if passed else {"kind": "rejection", "valid_until": None}),
            )  # fmt: skip
            one.issued_at = datetime.fromisoformat(f"{month}-15").replace(tzinfo=UTC)
        for state in (UNASSIGNED, RETURNED):
            task(state, county, unit=unit)
        institution(county, standing="suspended", standing_reason="整改期间暂停")
        for step in (SUBMIT, ACCEPT):
            (source,) = step.sources
            fire(step, [task(source, county, to=lab, unit=unit).id], EVERYTHING, institution_id=lab.id)
    db.session.flush()
    submit_orders()
    tallies.rebuild()


def figures(page, table="lines"):
    """The lines of a table: the name and the figures by their columns, as they are shown."""
    return {name: {head: cell.text for head, cell in cells.items()} for name, cells in lines(page, table).items()}


@dataclass
class Cell:
    """A figure as it is shown, and where the rows behind it are listed."""

    text: str
    leads: str | None


def lines(page, table="lines"):
    _before, _table, rest = page.text.partition(f'id="{table}"')
    body = rest.partition("<tbody>")[2].partition("</tbody>")[0]
    return {re.findall('data-name="(.*?)"', each)[0]: _cells(each) for each in body.split("<tr")[1:] if "<th" in each}


def _cells(line):
    found = re.findall(
        r'<td class="number[^"]*" data-head="([\w-]+)" data-value=".*?">(?:<a href="(.*?)">)?(.*?)<', line
    )
    return {head: Cell(text.strip(), unescape(leads) or None) for head, leads, text in found}


def number(*conditions):
    return f"{db.session.scalar(select(func.count()).where(*conditions)):,}"


def counted(*conditions, **like):
    rows = select(func.count()).select_from(Instrument).where(Instrument.filing_state == FILED, *conditions)
    return str(db.session.scalar(rows.filter_by(**like)))


@pytest.mark.parametrize(
    ("office", "prefix", "line"),
    [("", "33", "浙江省"), ("33", "3301", "杭州市"), ("3301", "330106", "西湖区"), ("330106", "330106", "西湖区")],
)
def test_instruments_are_counted_as_by_hand_at_every_level(sign_in, world, office, prefix, line):
    page = sign_in("Analyst", authority(office)).get("/statistics/instruments/")

    here = Instrument.region_code.startswith(prefix)
    purposes = [counted(here, purpose=each) for each in ("trade", "safety", "medical", "environment")]
    uses = [counted(here, use_state=each) for each in ("in_use", "stopped", "scrapped")]
    units = number(Organization.kind == "using_unit", Organization.region_code.startswith(prefix))
    shown = list(figures(page)[line].values())
    assert shown == [units, counted(here), *purposes, *uses, *["--"] * 4]


@pytest.mark.parametrize(
    ("office", "prefix", "line"), [("", "33", "浙江省"), ("33", "3301", "杭州市"), ("3301", "330106", "西湖区")]
)
def test_the_inspection_rate_is_what_is_valid_of_what_is_due(sign_in, world, office, prefix, line):
    page = sign_in("Analyst", authority(office)).get("/statistics/inspection-rate/")

    here = (Instrument.region_code.startswith(prefix), Instrument.use_state == "in_use")
    due, states = int(counted(*here)), ("valid", "due_soon", "overdue", "failed", "unverified")
    valid, soon, *others = (int(counted(*here, verification_state=each)) for each in states)
    share = f"{Decimal(100 * (valid + soon)) / due:.2f}%"
    assert list(figures(page)[line].values()) == [str(each) for each in (due, valid + soon, *others)] + [
        share,
        *["--"] * 4,
    ]


LISTED = [page for page in PAGES if page != "/statistics/ability/"]


@pytest.mark.parametrize("page", LISTED)
@pytest.mark.parametrize("office", ["", "33", "3301", "330106"])
def test_every_figure_is_the_number_of_rows_it_leads_to(sign_in, world, page, office):
    """So it is at each level, by whatever the page can be told: what is counted is what is listed."""
    person = sign_in("Supervisor", authority(office))
    leading = []
    for by in ("region", "kind", "institution"):
        found = lines(person.get(page, query_string={"by": by, "from": "2025-01", "to": TO_NOW}))
        leading += [(cell.text, cell.leads) for cells in found.values() for cell in cells.values() if cell.leads]

    assert leading
    for text, leads in leading[:: max(1, len(leading) // 10)]:
        listed = person.get(leads).text
        assert re.findall('data-total="(.*?)"', listed) == [text.replace(",", "")], leads


def test_results_of_kinds_are_not_asked_of_a_county(sign_in, world):
    page = sign_in("Analyst", authority("330106")).get("/statistics/pass-rate/?by=kind&from=2025-01&to=2026-12")

    assert list(figures(page)) == ["西湖区"]
    assert "by=kind&" not in unescape(page.text)


def test_a_rate_of_nothing_is_none_and_a_zero_is_a_zero(sign_in, world):
    found = figures(sign_in("Analyst", authority("33")).get("/statistics/inspection-rate/"))

    assert list(found["温州市"].values()) == ["0", "0", "0", "0", "0", *["--"] * 5]
    assert (rate(0, 5), rate(0, 0)) == (Decimal("0.00"), None)


def test_the_pass_rate_is_beside_a_year_before_and_the_month_before(sign_in, world):
    page = sign_in("Analyst", authority("330106")).get("/statistics/pass-rate/?from=2026-03&to=2026-03")

    assert list(figures(page)["西湖区"].values()) == [
        "3",
        "2",
        "1",
        "66.67%",
        "1",
        "100.00%",
        "-33.33",
        "1",
        "0.00%",
        "+66.67",
    ]


def test_results_by_kind_and_by_institution_are_those_of_the_region(sign_in, world):
    person = sign_in("Analyst", authority("3301"))

    kinds = figures(person.get("/statistics/pass-rate/?from=2026-01&to=2026-12&by=kind"))
    houses = figures(person.get("/statistics/workload/?from=2026-01&to=2026-12"))

    assert {name: list(line.values())[:3] for name, line in kinds.items()} == {
        "水表": ["4", "2", "2"],
        BLOOD_PRESSURE: ["4", "2", "2"],
    }
    assert [(line["results"], line["passed"]) for line in houses.values()] == [("4", "2"), ("4", "2")]


@pytest.mark.parametrize("page", PAGES)
def test_of_a_neighbour_nobody_counts_anything(sign_in, world, page):
    person = sign_in("Analyst", authority("330106"))
    own = figures(person.get(f"{page}?from=2025-01&to={TO_NOW}"))
    assert own

    for asked in ("330105", "330100", "330000", "000000", "320102", "999999", "x", "' OR 1=1"):
        found = person.get(page, query_string={"region": asked, "from": "2025-01", "to": TO_NOW})
        assert found.status_code == 200
        assert figures(found) == own


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize(
    "query", ["from=9999-99", "from=2026-12&to=2020-01", "to=3000-01", "from=1000-01", "by=x", "from=x&to="]
)
def test_strange_months_are_cut_to_what_can_be(sign_in, world, page, query):
    assert sign_in("Analyst", authority("3301")).get(f"{page}?{query}").status_code == 200


def test_a_period_is_of_whole_months_and_not_to_come():
    now = holidays.today().replace(day=1)

    assert statistics.period(None, None) == Period(now.replace(month=1), now)
    assert statistics.period(date(2026, 3, 1), date(2026, 2, 1)) == Period(date(2026, 2, 1), date(2026, 2, 1))
    assert Period(date(2026, 1, 1), date(2026, 3, 1)).earlier(3) == Period(date(2025, 10, 1), date(2025, 12, 1))
    assert statistics.period(None, date(2999, 1, 1)).last == now


@pytest.mark.parametrize("page", PAGES)
def test_a_page_costs_the_same_statements_however_much_is_counted(sign_in, rows, statements, page):
    person, seen = sign_in("Analyst", authority("33")), []
    for _ in range(2):
        tallies.rebuild()
        person.get(page)
        with statements() as made:
            person.get(page)
        seen.append(len(made))
        unit, lab = using_unit(), institution()
        for _each in range(5):
            certificate(task(CERTIFIED, to=lab, unit=unit))

    assert seen[0] == seen[1] <= 12


def test_who_has_other_duties_sees_no_figures(sign_in, world):
    for role, home in (("AssignmentOfficer", authority("3301")), ("UsingUnitClerk", using_unit())):
        assert sign_in(role, home).get("/statistics/instruments/").status_code in (302, 403)


def test_the_workbook_says_what_it_is_and_holds_the_ticked_lines(sign_in, world):
    person = sign_in("Analyst", authority("33"))
    fields = {"region": "330000", "from": "2026-03", "to": "2026-03", "row": ["330100"]}

    answer = person.post("/statistics/pass-rate/export", fields)

    sheet = openpyxl.load_workbook(BytesIO(answer.data)).worksheets[0]
    lines = [[value for value in row if value is not None] for row in sheet.iter_rows(values_only=True)]
    assert lines[0] == ["检定合格率统计"]
    assert ["地区", "浙江省"] in lines
    assert ["统计月份", "2026-03 - 2026-03"] in lines
    assert any(line[:1] == ["制表人"] and person.account.first_name in line[1] for line in lines)
    (city,) = [line for line in lines if line[:1] == ["杭州市"]]
    assert city[1:5] == [6, 4, 2, 0.6667]
    assert [line for line in lines if line[:1] == ["宁波市"]] == []
    assert len(sheet._charts) == 1  # pyright: ignore[reportAttributeAccessIssue]
    entry = db.session.scalars(select(AuditEntry).where(AuditEntry.action == "export")).one()
    assert "region=330000" in str(entry.detail)


def test_the_figures_are_read_from_the_tallies_alone(sign_in, world, statements):
    db.session.execute(update(Certificate).values(issued_at=datetime(2020, 1, 1, tzinfo=UTC)))
    person = sign_in("Analyst", authority("330106"))

    with statements() as seen:
        page = person.get("/statistics/pass-rate/?from=2026-03&to=2026-03")

    assert figures(page)["西湖区"]["results"] == "3"  # as tallied before
    assert not [each for each in seen if "FROM certificate" in each or "FROM instrument" in each]


def test_of_more_lines_than_can_be_read_the_first_are_shown_and_all_are_exported(sign_in, world, monkeypatch):
    monkeypatch.setattr(statistic_pages, "MOST_SHOWN", 2)
    person = sign_in("Analyst", authority("3301"))

    page = person.get("/statistics/instruments/")
    book = openpyxl.load_workbook(BytesIO(person.post("/statistics/instruments/export", {"region": "330100"}).data))

    assert list(figures(page)) == ["拱墅区", "西湖区"]
    assert "共 13 行，仅显示排在前面的 2 行" in page.text
    names = [row[0] for row in book.worksheets[0].iter_rows(values_only=True)]
    assert {"上城区", "西湖区", "建德市"} <= set(names)
