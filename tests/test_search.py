"""一键搜索: what each role finds by number, name, unit and code, where it leads, and that a neighbour finds nothing."""

import html
import re
from urllib.parse import quote

import pytest
from sqlalchemy import select, text

from app.access import EVERYTHING
from app.domain import scans, search
from app.models import MeasurementStandard, db
from app.states import CERTIFIED, DRAFT
from tests.factories import (
    account,
    authority,
    certificate,
    inspection,
    institution,
    instrument,
    measurement_standard,
    task,
    unit_of,
)

CODE = "91330106MAR5BUQQ04"


@pytest.fixture
def world(rows):
    """One of everything in 西湖区, with names and numbers that nothing else has."""
    unit = unit_of(name="西溪湿地水务有限公司")
    unit.credit_code = CODE
    lab = institution(name="西溪计量检定所")
    what = instrument(unit=unit, instrument_no="QJ3301060000777001", serial_no="WM-778899")
    done = task(CERTIFIED, to=lab, unit=unit, what=what)
    rows.flush()
    return {
        "instruments": what,
        "tasks": done,
        "certificates": certificate(done, no="JD20267770001"),
        "inspections": inspection(of=lab, no="JC777000123"),
        "institutions": lab,
        "units": unit,
        "standards": measurement_standard(lab, name="西溪水表标准装置", code="77715000"),
    }


def found(person, term):
    """{group: [(title, address)]} of what the dialog shows."""
    page = person.get(f"/search/?q={quote(term)}", headers={"HX-Request": "true"})
    assert page.status_code == 200, page.text
    groups = {}
    for part in page.text.split('<div role="group" aria-labelledby="search-')[1:]:
        hits = re.findall(r'<a class="search-hit" .*?href="([^"]*)".*?<b>(.*?)</b>', part, re.S)
        groups[part.split('"')[0]] = [(html.unescape(title), html.unescape(url)) for url, title in hits]
    return groups


def ids(groups):
    return {name: [int(url.rpartition("/")[2]) for _title, url in hits] for name, hits in groups.items()}


def test_a_supervisor_finds_everything_by_its_number_name_or_code(sign_in, world):
    head = sign_in("Supervisor", authority("3301"))
    order = found(head, "QJ3301060000777001")["tasks"]
    terms = {
        "QJ3301060000777001": ("instruments", "tasks"),
        "qj330106000077": ("instruments", "tasks"),
        "wm 778899": ("instruments", "tasks"),
        "ＷＭ－７７８８９９": ("instruments", "tasks"),
        "JD20267770001": ("certificates",),
        "JD2026777": ("certificates",),
        "jc777000": ("inspections",),
        "西溪": ("institutions", "units", "standards"),
        "西溪湿地水务": ("units",),
        CODE.lower(): ("units",),
        "77715000": ("standards",),
        "西溪水表标准": ("standards",),
    }

    seen = {term: ids(found(head, term)) for term in terms}

    assert seen == {term: {name: [world[name].id] for name in names} for term, names in terms.items()}
    assert order == [("智能远传水表 · WM-778899", f"/assignments/show/{world['tasks'].id}")]


@pytest.mark.parametrize(
    ("role", "at", "term", "addresses"),
    [
        ("Analyst", "330106", "QJ3301060000777001",
         ["/queries/instruments/show/{instruments}", "/assignments/show/{tasks}"]),
        ("Supervisor", "", "JD20267770001", ["/queries/certificates/show/{certificates}"]),
        ("PublicationOfficer", "33", "JD20267770001", ["/publications/show/{certificates}"]),
        ("AssignmentOfficer", "330106", "WM-778899", ["/assignments/show/{tasks}"]),
        ("StandardOfficer", "330106", "77715000", ["/standards/show/{standards}"]),
        ("CityAdministrator", "3301", CODE, ["/organizations/show/{units}"]),
        ("InstitutionClerk", "lab", "JD20267770001", ["/certificates/show/{certificates}"]),
        ("InstitutionClerk", "lab", "WM-778899", ["/inbox/show/{tasks}"]),
        ("UsingUnitClerk", "unit", "778899", ["/ledger/show/{instruments}"]),
        ("UsingUnitClerk", "unit", "WM-778899", ["/ledger/show/{instruments}", "/progress/show/{tasks}"]),
    ],
)  # fmt: skip
def test_a_hit_leads_to_the_page_of_the_role_and_it_opens(sign_in, world, role, at, term, addresses):
    home = {"lab": world["institutions"], "unit": world["units"]}.get(at)
    person = sign_in(role, home if home is not None else authority(at))

    urls = [url for hits in found(person, term).values() for _title, url in hits]

    assert urls == [address.format(**{name: row.id for name, row in world.items()}) for address in addresses]
    assert [person.get(url).status_code for url in urls] == [200] * len(urls)


NUMBERS = ("QJ3301060000777001", "QJ330106", "WM-778899", "JD20267770001", "JC777000123", "YY330106", CODE, "77715000",
           "西溪", "西溪湿地水务有限公司")  # fmt: skip


@pytest.mark.parametrize("term", NUMBERS)
@pytest.mark.parametrize(
    ("role", "home"),
    [
        ("Supervisor", lambda: authority("5101")),
        ("Supervisor", lambda: authority("330105")),
        ("CountyAdministrator", lambda: authority("330105")),
        ("InstitutionApprover", institution),
        ("InstitutionClerk", institution),
        ("UsingUnitClerk", unit_of),
        ("UsingUnitAdministrator", unit_of),
    ],
)
def test_a_neighbour_finds_nothing(sign_in, world, role, home, term):
    assert found(sign_in(role, home()), term) == {}


def test_a_code_that_was_scanned_in_finds_its_row_and_for_a_neighbour_nothing(sign_in, world):
    codes = [scans.address("i", world["instruments"].id), scans.address("c", world["certificates"].id)]
    head, neighbour = sign_in("Supervisor", authority("330106")), sign_in("Supervisor", authority("5101"))

    assert [ids(found(head, code)) for code in codes] == [
        {name: [world[name].id]} for name in ("instruments", "certificates")
    ]
    assert [found(neighbour, code) for code in codes] == [{}, {}]
    assert found(head, codes[0][:-1]) == {}


def test_who_is_nobody_or_has_no_role_finds_nothing(stranger, sign_in, world):
    assert stranger.get("/search/?q=西溪", headers={"HX-Request": "true"}).status_code == 401
    assert found(sign_in(None, authority("330106")), "西溪") == {}


def test_a_draft_is_for_its_using_unit_alone(sign_in, rows):
    unit = unit_of()
    draft = task(DRAFT, unit=unit, what=instrument(unit=unit, serial_no="DR445566"))
    head, owner = sign_in("Supervisor", authority("330106")), sign_in("UsingUnitClerk", unit)

    assert "tasks" not in found(head, "DR445566")
    assert ids(found(owner, "DR445566"))["tasks"] == [draft.id]


def test_pages_are_found_by_their_name_in_both_languages_and_by_their_first_sounds(sign_in):
    head = sign_in("Supervisor", authority("330106"))
    for term in ("任务分配", "task assign", "jdrwfp"):
        assert found(head, term)["menu"] == [("检定任务分配", "/assignments/")]

    clerk = sign_in("UsingUnitClerk", unit_of())
    assert [found(clerk, term) for term in ("任务分配", "jdrwfp", "审计日志")] == [{}, {}, {}]
    assert found(clerk, "器具台账")["menu"] == [("器具台账", "/ledger/")]


def test_the_first_sounds_of_chinese():
    assert search.initials("检定任务分配 A1") == "jdrwfp"
    assert search.initials("社会公用计量标准") == "shgyjlbz"


def test_an_administrator_finds_accounts_in_care(sign_in, rows):
    office = authority("330106")
    someone = account("Supervisor", office, first_name="欧阳静宜", username="ouyangjy")
    admin, other = sign_in("CountyAdministrator", office), sign_in("CountyAdministrator", authority("330105"))

    for term in ("欧阳", "欧阳静宜", "ouyang"):
        assert ids(found(admin, term)) == {"accounts": [someone.id]}
        assert found(other, term) == {}


def test_five_of_a_group_and_then_the_list(sign_in, rows):
    for number in range(7):
        unit_of(name=f"良渚机械{number}厂")
    head = sign_in("Supervisor", authority("330106"))

    page = head.get("/search/?q=良渚").text

    assert page.count('id="search-units-') == 6
    more = html.unescape(re.findall(r'search-more.*?href="([^"]*)"', page, re.S)[0])
    assert more == "/queries/units/?field=name&q=%E8%89%AF%E6%B8%9A"
    assert head.get(more).text.count('data-id="') == 7


@pytest.mark.parametrize(
    "term", ["", "x", "水", " ", "%", "__", "%%%%1", "\\\\\\1", "'; --1", "1" * 500, "ﷺ" * 60 + "1"]
)
def test_whatever_is_typed_it_answers_and_wildcards_mean_themselves(sign_in, world, term):
    assert found(sign_in("Supervisor", authority("330106")), term).keys() <= {"menu"}


def test_it_costs_the_same_statements_whatever_is_there(sign_in, statements, world):
    head = sign_in("Supervisor", authority("330106"))

    def cost(term):
        with statements() as seen:
            head.get(f"/search/?q={quote(term)}")
        return len(seen)

    before = [cost(term) for term in ("QJ3301060000777001", "西溪", CODE)]
    for number in range(20):
        unit = unit_of(name=f"西溪{number}号泵站")
        task(CERTIFIED, unit=unit, what=instrument(unit=unit, instrument_no=f"QJ33010600007770{number:02}"))

    assert [cost(term) for term in ("QJ3301060000777001", "西溪", CODE)] == before
    assert before == [11, 8, 11]  # who, what they may, patience, and one for each group that the term can name


@pytest.mark.parametrize(
    ("term", "indexes"),
    [
        ("777150", {"code_trigrams", "certificate_no_trigrams", "public_certificate_no_trigrams"}),
        ("西溪", {"name_bigrams"}),
        ("西溪水表", {"name_trigrams"}),
    ],
)
def test_standards_are_found_by_an_index(rows, world, term, indexes):
    question = search.GROUPS["standards"].question(term, EVERYTHING)
    matches = [each for each in question.whereclause.clauses if "same_text" in str(each)]
    literal = (
        select(MeasurementStandard.name).where(*matches).compile(db.engine, compile_kwargs={"literal_binds": True})
    )
    rows.execute(text("SET LOCAL enable_seqscan = off"))

    plan = "\n".join(rows.scalars(text(f"EXPLAIN {literal}".replace(":", r"\:"))))

    assert set(re.findall(r"measurement_standard_(\w+grams)", plan)) == indexes
