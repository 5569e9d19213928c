"""The list kit: what a URL asks, pages that neither lose nor repeat a row, totals, columns, nothing trusted."""

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from app.domain import tallies
from app.fabkit import lists
from app.models import Instrument, Task
from app.states import RETURNED, UNASSIGNED
from tests.factories import BLOOD_PRESSURE, appointment, authority, instrument, kind, task, using_unit
from tests.test_imports import own, send
from tests.test_sheets_as_shown import case

NOW = datetime(2026, 6, 1, 4, 0, tzinfo=UTC)


@pytest.fixture
def officer(sign_in, rows):
    return sign_in("Supervisor", authority("3301"))


def ids(page):
    import re

    return [int(found) for found in re.findall(r'data-id="(\d+)"', page.text)]


def link(page, rel):
    import html
    import re

    found = re.search(rf'<a[^>]*rel="{rel}"[^>]*href="([^"]*)"|<a[^>]*href="([^"]*)"[^>]*rel="{rel}"', page.text)
    return html.unescape(found.group(1) or found.group(2)) if found else None


def many(count, **values):
    order = appointment(applied_at=NOW)
    return [task(UNASSIGNED, order=order, applied_at=NOW + timedelta(minutes=n // 3), **values) for n in range(count)]


# --- Pages ---------------------------------------------------------------------------------------


def walk(officer, url, rel="next"):
    pages = []
    while url and len(pages) < 30:
        page = officer.get(url)
        pages.append(ids(page))
        url = link(page, rel)
    return pages


@pytest.mark.parametrize("sort", ["", "&sort=applied_at", "&sort=-applied_at"])
@pytest.mark.parametrize("cap", [10_000, 20])
def test_pages_show_every_row_once_by_offset_and_by_key(officer, monkeypatch, sort, cap):
    """With a low cap, all but the first two pages are reached by key; many rows share their time."""
    monkeypatch.setattr(lists, "OFFSET_CAP", cap)
    expected = [one.id for one in many(70, desk=authority("3301")) + many(60)]

    pages = walk(officer, "/assignments/?size=20" + sort)

    assert [len(page) for page in pages] == [20] * 6 + [10]
    assert sorted(i for page in pages for i in page) == sorted(expected)
    if sort != "&sort=-applied_at":
        assert [i for page in pages for i in page] == expected


@pytest.mark.parametrize("sort", ["", "&sort=serial_no", "&sort=-serial_no"])
@pytest.mark.parametrize("cap", [10_000, 20])
def test_no_row_is_lost_when_others_arrive_between_two_pages(sign_in, rows, monkeypatch, sort, cap):
    """With a low cap the pages are reached by key, and then no row comes twice either."""
    monkeypatch.setattr(lists, "OFFSET_CAP", cap)
    authority("330106")
    unit = using_unit()
    clerk = sign_in("UsingUnitClerk", unit)
    before = [instrument(unit=unit, serial_no=f"{'AC'[number % 2]}{number:03}").id for number in range(70)]
    first = clerk.get("/ledger/?size=20" + sort)
    second = clerk.get(link(first, "next"))

    assert send(clerk, case("61")).status_code == 303

    shown = ids(first) + ids(second) + [i for page in walk(clerk, link(second, "next")) for i in page]
    assert set(before) - set(shown) == set()
    assert len(own(rows, unit)) == 73
    if cap == 20:
        assert len(set(shown)) == len(shown)


def test_back_by_key_meets_the_same_pages(officer, monkeypatch):
    monkeypatch.setattr(lists, "OFFSET_CAP", 20)
    many(50, desk=authority("3301"))
    many(50)
    forth = []
    url = "/assignments/?size=20"
    while url:
        page = officer.get(url)
        forth.append(ids(page))
        last, url = url, link(page, "next")

    back = walk(officer, last, "prev")

    assert back == forth[::-1]


@pytest.mark.parametrize(
    "query",
    [
        "page=0",
        "page=-1",
        "page=x",
        "page=１",
        "page=99999999999999999999",
        "size=7",
        "size=100000",
        "size=-20",
        "sort=state",
        "sort=password",
        "sort=applied_at;drop table task",
        "after=x",
        "after=1~2~3~4",
        "after=0~2026-01-01~1",
        "after=0~0001-01-01T00:00:00~1",
        "after=2~2026-01-01T00:00:00%2B00:00~1",
        "after=0~2026-01-01T00:00:00%2B00:00~99999999999999999999",
        "before=~~",
        "state=sold",
        "desk=theirs",
        "region=abc",
        "region=999999",
        "region=' or 1=1",
        "item=0",
        "item=９",
        "applied_from=31.12.2026",
        "applied_from=0001-01-01",
        "applied_from=2026-02-30",
        "applied_from=2026-02-02&applied_to=2026-01-01",
        "field=serial&q=12",
        "delivery=post",
    ],
)
def test_what_is_wrong_in_a_url_is_left_out_and_said(officer, query):
    one = task(UNASSIGNED)

    page = officer.get(f"/assignments/?{query}")

    assert page.status_code == 200
    assert 'class="problems' in page.text or "alert-warning" in page.text
    assert ids(page) == [one.id]


@pytest.mark.parametrize(
    "query",
    ["q=%25", "q=_____", "field=x&q=水表", "q=%F0%9F%92%A9%F0%9F%92%A9%F0%9F%92%A9", "q=" + "a" * 5000],
)
def test_no_search_term_breaks_the_list(officer, query):
    task(UNASSIGNED)

    assert officer.get(f"/assignments/?{query}").status_code == 200


# --- Filters -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("state=returned", ["returned"]),
        ("state=returned&state=unassigned", ["blood", "desk", "far", "old", "returned"]),
        ("region=330106", ["blood", "desk", "old", "returned"]),
        ("region=330105", ["far"]),
        ("region=330100", ["blood", "desk", "far", "old", "returned"]),
        ("region=330200", []),
        ("desk=mine", ["desk"]),
        ("desk=others", ["blood", "far", "old", "returned"]),
        ("delivery=on_site", ["blood"]),
        ("applied_to=2025-01-31", ["old"]),
        ("applied_from=2025-02-01", ["blood", "desk", "far", "returned"]),
        ("applied_from=2025-01-31&applied_to=2025-01-31", ["old"]),
        ("field=serial&q=ABC-1", ["old"]),
        ("field=serial&q=abc-1", ["old"]),
        ("field=name&q=血压", ["blood"]),
        ("field=name&q=血压计", ["blood"]),
        ("field=name&q=压血", []),
        ("field=no&q=YY-X1", ["far"]),
        ("field=applicant&q=人民医院", ["far"]),
        ("field=applicant&q=医院", ["far"]),
        ("field=applicant&q=%25院", []),
        ("state=returned&region=330105", []),
    ],
)
def test_filters(officer, query, expected):
    at = datetime(2025, 1, 31, 15, 59, tzinfo=UTC)  # 23:59 in Shanghai
    named = {
        "returned": task(RETURNED),
        "old": task(UNASSIGNED, order=appointment(applied_at=at), what=instrument(serial_no="XABC-1Z")),
        "desk": task(UNASSIGNED, desk=authority("3301")),
        "far": task(UNASSIGNED, "330105", order=appointment("330105", no="YY-X1", applicant="萧山区人民医院")),
        "blood": task(UNASSIGNED, what=instrument(of=BLOOD_PRESSURE, name="电子血压计"), delivery="on_site"),
    }
    task(UNASSIGNED, "510104", order=appointment("510104", applicant="萧山区人民医院"))

    found = ids(officer.get(f"/assignments/?{query}"))

    names = {one.id: name for name, one in named.items()}
    assert sorted(names[i] for i in found) == expected


def test_item_filter_takes_the_kinds_below(officer):
    water = task(UNASSIGNED)
    task(UNASSIGNED, what=instrument(of=BLOOD_PRESSURE))

    by_kind = officer.get(f"/assignments/?item={kind().id}")
    by_category = officer.get(f"/assignments/?item={kind().parent_id}")

    assert (ids(by_kind), ids(by_category)) == ([water.id], [water.id])


def test_many_hits_are_found_as_well_as_few(officer, monkeypatch):
    from app.fabkit import filters

    found = [task(UNASSIGNED).id for _ in range(3)]
    task(UNASSIGNED, what=instrument(of=BLOOD_PRESSURE, name="电子血压计"))
    few = ids(officer.get("/assignments/?field=name&q=水表"))
    monkeypatch.setattr(filters, "MOST_FETCHED", 1)
    many_ = ids(officer.get("/assignments/?field=name&q=水表"))

    assert (few, many_) == (found, found)


def test_the_filter_stays_in_every_link(officer):
    many(25)

    page = officer.get("/assignments/?state=unassigned&region=330106&size=20")

    query = parse_qs(str(urlsplit(link(page, "next")).query))
    assert query == {"state": ["unassigned"], "region": ["330106"], "page": ["2"]}


# --- Totals --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "total"),
    [
        ("", 3),
        ("state=returned", 1),
        ("region=330106", 2),
        ("region=330105&state=unassigned", 1),
        ("delivery=sent", 3),
    ],
)
def test_totals_are_the_same_from_tallies_and_by_count(officer, query, total, rows):
    for state, region in ((UNASSIGNED, "330106"), (RETURNED, "330106"), (UNASSIGNED, "330105"), (UNASSIGNED, "510104")):
        task(state, region)
    tallies.rebuild()
    rows.flush()

    assert f'data-total="{total}"' in officer.get(f"/assignments/?{query}").text


def test_a_count_ends_at_its_cap(officer, monkeypatch):
    monkeypatch.setattr(lists, "COUNT_CAP", 2)
    many(3)

    assert "2+" in officer.get("/assignments/?delivery=sent").text


# --- Cost ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 200])
def test_a_list_costs_the_same_statements_for_one_and_for_many_rows(officer, statements, count):
    many(count)

    with statements() as seen:
        page = officer.get("/assignments/?size=200")

    assert len(ids(page)) == count
    assert len(seen) == 6  # who, what they may, their views, the page, the total, the bell


def test_no_options_of_another_table_are_in_the_page(officer):
    for number in range(30):
        task(UNASSIGNED, order=appointment(applicant=f"单位{number}号"))

    page = officer.get("/assignments/?size=20").text

    assert "单位29号" not in page
    assert len(page) < 80_000


# --- Columns -------------------------------------------------------------------------------------


def test_chosen_columns_are_kept_for_the_person_and_reset(officer, sign_in):
    task(UNASSIGNED)
    other = sign_in("Supervisor", authority("3301"))

    def heads(person):
        return "生产厂家</" in person.get("/assignments/").text.split("<tbody")[0].split("<thead")[1]

    assert (heads(officer), heads(other)) == (False, False)
    officer.post("/assignments/columns", {"column": ["manufacturer", "no", "password"]})
    assert (heads(officer), heads(other)) == (True, False)
    assert "型号规格</" not in officer.get("/assignments/").text.split("<tbody")[0].split("<thead")[1]
    officer.post("/assignments/columns", {"column": ["manufacturer"], "reset": "1"})
    assert heads(officer) is False


def test_what_clerks_typed_is_shown_as_text(officer):
    nasty = "<script>alert(1)</script>"
    task(UNASSIGNED, what=instrument(name=nasty), order=appointment(applicant='"><img src=x>'))

    page = officer.get("/assignments/").text

    assert (nasty in page, "&lt;script&gt;" in page, "<img src=x>" in page) == (False, True, False)


def test_region_options_lead_to_the_own_jurisdiction(officer, sign_in):
    def options(person, parent=""):
        return [option["value"] for option in person.get(f"/options/regions?parent={parent}").json["options"]]

    nation = sign_in("Supervisor", authority(""))
    assert (options(officer), options(officer, "330000"), len(options(officer, "330100"))) == (
        ["330000"],
        ["330100"],
        13,
    )
    assert (len(options(nation)), options(officer, "510000"), options(officer, "x" * 6)) == (34, [], [])


def test_a_list_of_tasks_is_narrow_in_memory_too(officer, rows):
    """Nothing of a row is loaded that is not shown: no mapped object comes into being."""
    many(5)
    rows.expunge_all()

    officer.get("/assignments/")

    assert not [one for one in rows.identity_map.values() if isinstance(one, Task | Instrument)]
