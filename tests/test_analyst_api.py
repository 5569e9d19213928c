"""分析接口: a program gets what the screens show its account, no row, figure or letter more; told by a document."""

import csv
import html
import io
import json
import re
import sys
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import ignored_auth, positive_data_acceptance
from sqlalchemy import select, update

from app.access import ROLES
from app.domain import access_keys, statistics, tallies
from app.models import AccessKey, AuditEntry, Role, db
from app.pages.analyst_api import QUERIES, STATISTICS
from app.pages.statistics import Asked, cell
from app.states import OFFERED
from tests.conftest import from_outside
from tests.factories import account, appointment, authority, institution, instrument, task, unit_of
from tests.test_open_data import Reader, run, server
from tests.test_queries import OF_PERSONS, PAGES, TELEPHONES, ids, show_columns, world
from tests.test_statistics import figures, world as world_of_figures  # noqa: F401 -- a fixture

__all__ = ["server"]
EVERY_PAGE = [str(page.route_base) for page in (*QUERIES, *STATISTICS)]
SCOPES = [str(page.class_permission_name) for page in (*QUERIES, *STATISTICS)]
NAMES = list(PAGES)
OFFICES = ["", "33", "3301", "330106"]


class Program:
    """Asks with a key and without anything else."""

    def __init__(self, app, owner, key):
        self.app, self.account, self.key = app, owner, key

    def get(self, path, method="GET", headers=None, **asked):
        bearer = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        client = self.app.test_client()
        return from_outside(
            lambda: client.open(
                f"/api/v1{path}", method=method, query_string=asked, headers={**bearer, **(headers or {})},
                buffered=True,
            )
        )  # fmt: skip

    def follow(self, address):
        url = urlsplit(address)
        asked: dict[str, Any] = _several(parse_qsl(url.query))
        return self.get(url.path.removeprefix("/api/v1"), **asked)

    def ids(self, page, **asked):
        answer = self.get(f"/queries/{page}", **asked)
        assert answer.status_code == 200, answer.text
        return [row["id"] for row in answer.json["rows"]]


def _several(pairs):
    return {name: [value for other, value in pairs if other == name] for name, _value in pairs}


@pytest.fixture
def program(app, rows):
    """program("Analyst", authority("3301")) -> Program, by default with a key to every page."""

    def made(role, office, scopes=SCOPES, owner=None):
        owner = owner or account(role, office)
        _key, text = access_keys.create(owner, f"名{len(access_keys.of(owner))}", scopes, 30, allowed=set(scopes))
        return Program(app, owner, text)

    return made


@pytest.fixture
def analyst(program):
    return program("Analyst", authority("3301"))


@pytest.fixture
def nobody(app, rows):
    return Program(app, None, "")


# --- As on the screen ----------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["Analyst", "Supervisor"])
@pytest.mark.parametrize("office", OFFICES)
def test_rows_are_those_of_the_screen(program, enter, role, office):
    for county in ("330106", "330105", "330203", "510104"):
        world(county)
    asking = program(role, authority(office))
    person = enter(asking.account)

    for page in PAGES:
        assert asking.ids(page) == ids(person.get(f"/queries/{page}/")), page


@pytest.mark.parametrize("page", PAGES)
def test_a_sheet_is_that_of_the_screen_with_ids_and_codes(analyst, enter, app, page):
    world()
    world("330105")
    person, columns = enter(analyst.account), columns_of(app, page)
    show_columns(person, page, *columns)
    exported = person.post(f"/queries/{page}/export", {"selection": "all", "format": "csv"})

    asked = analyst.get(f"/queries/{page}", format="csv", columns=columns)

    rows = list(csv.DictReader(io.StringIO(asked.text)))
    shown = list(csv.DictReader(io.StringIO(exported.data.decode("utf-8-sig"))))
    assert [{name: row[name] for name in shown[0]} for row in rows] == shown
    told = analyst.get(f"/queries/{page}", columns=columns).json["rows"]
    codes = [{f"{name}_code": value["code"] for name, value in row.items() if isinstance(value, dict)} for row in told]
    beyond = [{name: value for name, value in row.items() if name not in shown[0] and value} for row in rows]
    assert beyond == [{"id": str(row["id"]), **code} for row, code in zip(told, codes, strict=True)]
    assert (asked.content_type, asked.data[:3] == exported.data[:3]) == ("text/csv; charset=utf-8", False)
    assert analyst.get(f"/queries/{page}", headers={"Accept": "text/csv"}, columns=columns).data == asked.data


@pytest.mark.parametrize("page", PAGES)
def test_values_are_those_of_the_sheet_but_typed(analyst, app, page):
    world()
    columns = columns_of(app, page)
    sheet = analyst.get(f"/queries/{page}", format="csv", columns=columns)

    [row] = analyst.get(f"/queries/{page}", columns=columns).json["rows"]

    [heads, cells] = csv.reader(io.StringIO(sheet.data.decode()))
    told = [_as_in_sheet(row[name]) for name in columns]
    assert told == [
        cell for head, cell in zip(heads, cells, strict=True) if head != "id" and not head.endswith("_code")
    ]


def _as_in_sheet(value):
    if isinstance(value, dict):
        return value["word"]
    if isinstance(value, bool):
        return {True: "是", False: "否"}[value]
    if isinstance(value, str) and len(value) > 19 and value[10:11] == "T":
        return datetime.fromisoformat(value).strftime("%Y-%m-%d %H:%M")
    return "" if value is None else str(value)


def columns_of(app, page):
    view = next(view for view in app.extensions["kit"].baseviews if view.route_base == f"/queries/{page}")
    # A conclusion is true or false here, and a word in the sheet.
    return [column.name for column in view.columns if column.name != "passed"]


def test_codes_come_with_their_word_in_the_language_asked_for(analyst):
    what = instrument(purpose="medical")

    def purpose(**asked):
        [row] = analyst.get("/queries/instruments", columns="purpose", **asked).json["rows"]
        return row

    assert purpose() == {"id": what.id, "purpose": {"code": "medical", "word": "医疗卫生"}}
    assert purpose(lang="en")["purpose"]["code"] == "medical"
    assert purpose(lang="en")["purpose"]["word"].isascii()


def test_days_moments_numbers_and_what_is_empty(analyst):
    here = world()
    certificate = analyst.get("/queries/certificates", columns=["passed", "verified_on", "void_reason"]).json["rows"]
    assert certificate == [
        {"id": here["certificates"], "passed": True, "verified_on": "2026-01-15", "void_reason": None}
    ]
    [unit] = analyst.get("/queries/units", columns=["instruments", "overdue", "active"]).json["rows"]
    assert unit == {"id": here["units"], "instruments": 1, "overdue": 0, "active": True}
    [order] = analyst.get("/queries/appointments", columns="applied_at").json["rows"]
    assert datetime.fromisoformat(order["applied_at"]).tzinfo is not None


@pytest.mark.parametrize("office", OFFICES)
@pytest.mark.parametrize("path", [page for page in EVERY_PAGE if not page.startswith("/queries")])
def test_figures_are_those_of_the_screen(program, enter, app, world_of_figures, path, office):  # noqa: F811
    asking = program("Supervisor", authority(office))
    person = enter(asking.account)
    view = next(view for view in app.extensions["kit"].baseviews if view.route_base == path)

    over = statistics.period(date(2025, 1, 1), None)
    for by in view.lines_of(Asked(office.ljust(6, "0"), over, "")):
        asked = {"by": by, "from": "2025-01", "to": f"{over.last:%Y-%m}", "sort": f"-{view.charted}"}
        screen = person.get(f"{path}/", query_string=asked)
        told = asking.get(path, **asked).json
        lines = {line["name"]: _shown(view.heads, line["values"]) for line in told["lines"]}
        assert list(lines) == list(figures(screen)) != []
        assert lines == {name: _worded(found) for name, found in figures(screen).items()}
        months = {month["month"]: month["values"] for month in told["months"]}
        assert list(months) == (list(figures(screen, "months")) if 'id="months"' in screen.text else [])
        sheet = list(csv.reader(io.StringIO(asking.get(path, format="csv", **asked).data.decode())))
        assert [row[1] for row in sheet[1:]] == list(lines)


def _shown(heads, values):
    assert {head.name for head in heads} == set(values)
    return {head.name: cell(head, values) for head in heads if "-" not in head.name}


def _worded(found):
    return {head: text for head, text in found.items() if "-" not in head}


def test_zero_is_zero_and_a_rate_of_nothing_is_null(analyst):
    told = analyst.get("/statistics/pass-rate").json

    assert (told["total"]["results"], told["total"]["rate"]) == (0, None)
    assert (told["region"], told["by"]) == ({"code": "330100", "name": "浙江省杭州市"}, "region")
    assert told["period"]["from"].endswith("-01")


def test_an_address_of_the_screen_works_with_all_that_stands_in_it(analyst):
    mine = instrument("330105", purpose="medical", serial_no="SN777001")
    instrument("330105", purpose="medical")
    filters = "region=330105&purpose=medical&purpose=trade&field=serial&q=777&if=name~contains~水表&match=any&view=5"

    assert analyst.ids("instruments", **_several(parse_qsl(filters))) == [mine.id]
    assert [row["id"] for row in analyst.follow(f"/api/v1/queries/instruments/?{filters}").json["rows"]] == [mine.id]
    of_screen = "region=330100&from=2026-01&to=2026-11&by=region&sort="
    assert analyst.get("/statistics/instruments", **_several(parse_qsl(of_screen, True))).status_code == 200


# --- Page after page -----------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES)
def test_pages_follow_by_next_and_end(analyst, page):
    for _number in range(3):
        world()
    everything, seen, url = analyst.ids(page), [], f"/api/v1/queries/{page}?size=1&region=330106"
    while url:
        answer = analyst.follow(url).json
        assert answer["total"] == {"value": 3, "exact": True}
        seen += [row["id"] for row in answer["rows"]]
        url = answer["next"]

    assert seen == everything


@pytest.mark.parametrize("sort", ["applied_at", "-applied_at"])
def test_pages_keep_the_order_of_the_screen(analyst, enter, sort):
    for number in (2, 0, 3, 1):
        task(OFFERED, order=appointment(applied_at=datetime(2026, 3, 1 + number, 1, 30, tzinfo=UTC)))
    seen, url = [], f"/api/v1/queries/appointments?size=1&sort={sort}"
    while url:
        answer = analyst.follow(url).json
        seen += [row["id"] for row in answer["rows"]]
        url = answer["next"]

    assert seen == ids(enter(analyst.account).get(f"/queries/appointments/?sort={sort}"))
    assert len(seen) == 4


def test_beyond_ten_thousand_it_is_not_said_how_many(analyst, monkeypatch):
    monkeypatch.setattr("app.fabkit.lists.COUNT_CAP", 2)
    for _number in range(3):
        instrument()

    assert analyst.get("/queries/instruments").json["total"] == {"value": 2, "exact": False}


@pytest.fixture
def second(analyst):
    """The address of the second page of instruments."""
    for _number in range(3):
        instrument()
    return analyst.get("/queries/instruments", size=1, region="330106").json["next"]


@pytest.mark.parametrize(
    "changed",
    [
        lambda asked: asked | {"region": "330100"},
        lambda asked: {name: value for name, value in asked.items() if name != "region"},
        lambda asked: asked | {"verification": "valid"},
        lambda asked: asked | {"cursor": asked["cursor"][:-4] + "AAA="},
        lambda asked: asked | {"cursor": "MH4xfjE="},
        lambda asked: asked | {"cursor": "x"},
        lambda asked: asked | {"cursor": "0~1~1"},
    ],
)
def test_a_cursor_is_good_for_what_was_asked_alone(analyst, second, changed):
    asked = dict(parse_qsl(urlsplit(second).query))
    assert analyst.get("/queries/instruments", **asked).status_code == 200

    answer = analyst.get("/queries/instruments", **changed(asked))

    assert (answer.status_code, answer.json["parameter"]) == (400, "cursor")


def test_a_cursor_of_another_page_or_key_is_worth_nothing(analyst, second, program):
    asked = dict(parse_qsl(urlsplit(second).query))
    again = program(None, None, owner=analyst.account)
    neighbour = program("Analyst", authority("5101"))

    assert analyst.get("/queries/units", **asked).json["parameter"] == "cursor"
    assert again.get("/queries/instruments", **asked).json["parameter"] == "cursor"
    assert neighbour.get("/queries/instruments", cursor=asked["cursor"]).json["parameter"] == "cursor"


# --- A neighbour ---------------------------------------------------------------------------------


@pytest.fixture
def neighbour(program):
    return program("Supervisor", authority("5101"))


@pytest.mark.parametrize("page", PAGES)
def test_a_neighbour_finds_nothing_by_any_way(neighbour, page):
    here = world()

    assert neighbour.ids(page) == []
    assert len(neighbour.get(f"/queries/{page}", format="csv").data.splitlines()) == 1
    assert neighbour.get(f"/queries/{page}").json["total"] == {"value": 0, "exact": True}
    for asked in ({"unit": here["units"]}, {"institution": here["institutions"]}):
        answer = neighbour.get(f"/queries/{page}", **asked)
        assert answer.status_code in (200, 400)
        assert answer.json.get("rows", []) == []


@pytest.mark.parametrize("path", EVERY_PAGE)
def test_a_foreign_region_and_one_that_is_not_answer_alike(neighbour, path):
    foreign, unknown = (neighbour.get(path, region=code) for code in ("330106", "519999"))
    beside = neighbour.get(path, region="339999")

    assert (foreign.status_code, foreign.content_type) == (404, "application/problem+json")
    assert foreign.json == unknown.json == beside.json
    assert neighbour.get(path, region="510100").status_code == 200


def test_what_lies_above_may_narrow_rows_and_counts_no_figures(program):
    county, what = program("Analyst", authority("330106")), instrument()

    assert (county.ids("instruments", region="330000"), county.ids("instruments", region="330100")) == (
        [what.id], [what.id],
    )  # fmt: skip
    assert county.get("/statistics/instruments", region="330100").status_code == 404


@pytest.mark.parametrize(
    "asked",
    [
        {"Region": "330106"},
        {"REGION": "330106"},
        {"region": ["510100", "330106"]},
        {"region[]": "330106"},
        {"jurisdiction": ""},
        {"organization_id": "1"},
        {"after": "0~1~1"},
        {"page": "2"},
        {"limit": "5"},
        {"by": "region"},
    ],
)
def test_nothing_is_widened_by_parameters_beside_those_declared(neighbour, asked):
    world()

    answer = neighbour.get("/queries/instruments", **asked)

    assert (answer.status_code, answer.json["parameter"]) == (400, next(iter(asked)))


def test_a_search_does_not_reach_a_neighbours_rows(neighbour):
    what = instrument(serial_no="SN20260017")

    assert neighbour.ids("instruments", field="serial", q="SN20260017") == []
    assert neighbour.ids("instruments", **{"if": f"serial_no~is~{what.serial_no}"}) == []


# --- Persons -------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", OF_PERSONS)
def test_persons_are_masked_unless_the_account_sees_them(program, page):
    world()
    columns = [name for name in ("contact", "phone", "keeper", "legal_representative") if _has(page, name)]
    analyst, head = (program(role, authority("3301")) for role in ("Analyst", "Supervisor"))

    def told(asking):
        texts = [asking.get(f"/queries/{page}", columns=columns, format=kind).text for kind in ("json", "csv")]
        assert [bool(TELEPHONES.search(text)) for text in texts] == [False] * 2
        return [OF_PERSONS[page] in text for text in texts]

    assert (told(analyst), told(head)) == ([False] * 2, [True] * 2)


@pytest.mark.parametrize(("role", "phone"), [("Analyst", "137****4444"), ("Supervisor", "137****4444")])
def test_an_export_by_key_masks_the_same(app, program, role, phone):
    world()
    asking = program(role, authority("3301"))
    asking.account.preferences = {"columns": {"UnitQueries": ["phone"]}}
    bearer = {"Authorization": f"Bearer {asking.key}"}

    exported = from_outside(
        lambda: app.test_client().post("/queries/units/export", data={"format": "csv"}, headers=bearer, buffered=True)
    )

    asked = asking.get("/queries/units", format="csv", columns=["name", "phone"])
    rows = list(csv.DictReader(io.StringIO(asked.text)))
    assert list(csv.reader(io.StringIO(exported.text)))[1:] == [list(row.values())[1:] for row in rows]
    assert (phone in exported.text, exported.data.startswith(b"\xef\xbb\xbf")) == (True, False)


def _has(page, name):
    return any(column.name == name for column in next(q for q in QUERIES if q.route_base.endswith(page)).columns)


# --- Who may -------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", EVERY_PAGE)
def test_without_a_key_nothing_is_answered(nobody, path):
    answer = nobody.get(path)

    assert (answer.status_code, answer.content_type) == (401, "application/problem+json")
    assert (answer.headers["WWW-Authenticate"], answer.headers["Cache-Control"]) == ("Bearer", "no-store")


@pytest.mark.parametrize("header", ["Bearer", "Bearer ", "Bearer jl_wrong", "Basic eDp5", "jl_wrong", "Bearer é"])
def test_a_header_that_holds_no_key_is_nobody(analyst, nobody, header):
    assert nobody.get("/queries/units", headers={"Authorization": header}).status_code == 401


def test_a_session_is_no_key(app, sign_in):
    person = sign_in("Supervisor", authority("3301"))

    answer = person.get("/api/v1/queries/units")

    assert (answer.status_code, "Set-Cookie" in answer.headers) == (401, False)


PAST = datetime(2020, 1, 1, tzinfo=UTC)
ENDS = {
    "expired": lambda owner: db.session.execute(update(AccessKey).values(expires_at=PAST)),
    "revoked": lambda owner: access_keys.revoke(owner, access_keys.of(owner)[0].id),
    "disabled": lambda owner: setattr(owner, "active", False),
}


@pytest.mark.parametrize("why", ENDS)
def test_a_key_that_has_ended_opens_nothing(analyst, why):
    before = [analyst.get(path).status_code for path in ("/queries/units", "/statistics/ability")]

    ENDS[why](analyst.account)

    after = [analyst.get(path).status_code for path in ("/queries/units", "/statistics/ability")]
    assert (before, after) == ([200, 200], [401, 401])


def test_it_opens_the_pages_of_its_scopes_alone(program):
    narrow = program("Supervisor", authority("3301"), scopes=["UnitQueries", "Business"])
    opened = [path for path in EVERY_PAGE if narrow.get(path).status_code == 200]

    assert opened == ["/queries/units", "/oversight/business"]
    assert narrow.get("/queries/instruments").json["status"] == 403


@pytest.mark.parametrize("role", sorted(ROLES))
def test_a_role_opens_what_it_may_export(program, role):
    office = {"authority": authority("330106"), "institution": institution(), "using_unit": unit_of()}
    asking = program(role, office[ROLES[role].kind])
    opened = [scope for path, scope in zip(EVERY_PAGE, SCOPES, strict=True) if asking.get(path).status_code == 200]

    held = ROLES[role].permissions
    assert opened == [scope for scope in SCOPES if "can_export" in held.get(scope, ())]


def test_what_an_account_may_and_sees_is_asked_each_time(analyst):
    here, there = world(), world("330203")
    assert analyst.ids("instruments") == [here["instruments"]]

    analyst.account.organization_id = authority("3302").id
    assert analyst.ids("instruments") == [there["instruments"]]
    assert analyst.get("/statistics/instruments").json["region"]["code"] == "330200"

    analyst.account.roles = [db.session.scalars(select(Role).where(Role.name == "PublicationOfficer")).one()]
    assert analyst.get("/queries/instruments").status_code == 403

    analyst.account.roles = []
    assert analyst.get("/queries/instruments").status_code == 403


def test_of_a_disabled_organization_nothing_is_answered(analyst):
    analyst.account.organization.active = False

    assert {analyst.get(path).status_code for path in EVERY_PAGE} == {403}


def test_who_owes_a_new_password_is_refused(analyst):
    analyst.account.password_changed_at = PAST

    assert (analyst.get("/queries/units").status_code, analyst.get("/queries/units").json["status"]) == (403, 403)


def test_a_refusal_stands_in_the_audit_log(program):
    narrow = program("Supervisor", authority("3301"), scopes=["UnitQueries"])

    narrow.get("/queries/instruments")

    entry = db.session.scalars(select(AuditEntry).order_by(AuditEntry.id.desc()).limit(1)).one()
    assert (entry.action, entry.subject_name, entry.by_id) == (
        "forbidden", "/api/v1/queries/instruments", narrow.account.id,
    )  # fmt: skip


# --- By which method -----------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_nothing_is_changed_here(analyst, nobody, method):
    for asking in (analyst, nobody):
        answer = asking.get("/queries/units", method=method)
        assert (answer.status_code, answer.content_type) == (405, "application/problem+json")
        assert "POST" not in answer.headers["Allow"]


@pytest.mark.parametrize("header", ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"])
def test_a_method_is_what_it_is(analyst, header):
    assert analyst.get("/queries/units", headers={header: "DELETE"}).status_code == 200
    assert analyst.get("/queries/units", method="POST", headers={header: "GET"}).status_code == 405


def test_head_and_options_tell_no_more(analyst, nobody):
    world()
    head = analyst.get("/queries/units", method="HEAD")

    assert (head.status_code, head.data, nobody.get("/queries/units", method="HEAD").status_code) == (200, b"", 401)
    assert nobody.get("/queries/units", method="OPTIONS").data == b""


def test_no_cookie_is_set_and_nothing_is_kept(analyst):
    answer = analyst.get("/queries/units")

    assert ("Set-Cookie" in answer.headers, "ETag" in answer.headers) == (False, False)
    assert answer.headers["Cache-Control"] == "no-store"


# --- What is not in order ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "asked", "parameter"),
    [
        ("/queries/instruments", {"size": "0"}, "size"),
        ("/queries/instruments", {"size": "1001"}, "size"),
        ("/queries/instruments", {"size": "ten"}, "size"),
        ("/queries/instruments", {"region": "33"}, "region"),
        ("/queries/instruments", {"purpose": "fun"}, "purpose"),
        ("/queries/instruments", {"purpose": ["medical", "fun"]}, "purpose"),
        ("/queries/instruments", {"columns": "phone"}, "columns"),
        ("/queries/instruments", {"columns": "name,model"}, "columns"),
        ("/queries/instruments", {"columns": ["name"] * 27}, "columns"),
        ("/queries/instruments", {"until_from": "2026-13-01"}, "until_from"),
        ("/queries/instruments", {"until_from": "20260131"}, "until_from"),
        ("/queries/instruments", {"until_from": "2026-02-01", "until_to": "2026-01-01"}, "until_from"),
        ("/queries/instruments", {"until": "this_month", "until_to": "2026-01-01"}, "until_to"),
        ("/queries/instruments", {"until": "whenever"}, "until"),
        ("/queries/instruments", {"unit": "999999"}, "unit"),
        ("/queries/instruments", {"unit": "9" * 30}, "unit"),
        ("/queries/instruments", {"numbers": "999999"}, "numbers"),
        ("/queries/instruments", {"item": "999999"}, "item"),
        ("/queries/instruments", {"field": "serial", "q": "ab"}, "q"),
        ("/queries/instruments", {"q": "x" * 101}, "q"),
        ("/queries/instruments", {"q": " ab"}, "q"),
        ("/queries/instruments", {"if": "phone~is~1"}, "if"),
        ("/queries/instruments", {"if": "name~is"}, "if"),
        ("/queries/instruments", {"if": ["name~contains~水"] * 11}, "if"),
        ("/queries/instruments", {"match": "some"}, "match"),
        ("/queries/instruments", {"format": "xlsx"}, "format"),
        ("/queries/instruments", {"lang": "fr"}, "lang"),
        ("/queries/instruments", {"cursor": "=" * 5000}, "cursor"),
        ("/queries/instruments", {"format": "csv", "size": "5"}, "size"),
        ("/queries/units", {"sort": "phone"}, "sort"),
        ("/queries/certificates", {"sort": "no"}, "sort"),
        ("/queries/units", {"x" * 5000: "1"}, "x" * 300),
        ("/queries/units", {"q": "x" * 50_000}, "q"),
        ("/statistics/pass-rate", {"from": "2026-13"}, "from"),
        ("/statistics/pass-rate", {"from": "2999-01"}, "from"),
        ("/statistics/pass-rate", {"from": "1999-12"}, "from"),
        ("/statistics/pass-rate", {"from": "2026-03", "to": "2026-01"}, "from"),
        ("/statistics/pass-rate", {"to": "2999-01"}, "to"),
        ("/statistics/pass-rate", {"by": "month"}, "by"),
        ("/statistics/pass-rate", {"by": "kind", "region": "330106"}, "by"),
        ("/statistics/pass-rate", {"sort": "phone"}, "sort"),
        ("/statistics/pass-rate", {"size": "5"}, "size"),
        ("/statistics/pass-rate", {"threshold": "5"}, "threshold"),
    ],
)
def test_a_wrong_parameter_is_named(analyst, path, asked, parameter):
    answer = analyst.get(path, **asked)

    assert (answer.status_code, answer.content_type, answer.json["parameter"]) == (
        400, "application/problem+json", parameter,
    )  # fmt: skip
    assert len(answer.data) < 2000


@pytest.mark.parametrize("path", ["/queries", "/queries/people", "/statistics/business", "/queries/units/1", "/"])
def test_other_addresses_are_not_there(analyst, path):
    assert (analyst.get(path).status_code, analyst.get(path).content_type) == (404, "application/problem+json")


@pytest.mark.parametrize("path", ["/queries/units", "/openapi.json"])
@pytest.mark.parametrize("name", ["access_key", "token", "q", "Authorization"])
def test_a_key_in_an_address_is_refused_and_not_repeated(analyst, nobody, path, name):
    for asking in (analyst, nobody):
        for asked in ({name: analyst.key}, {analyst.key: "1"}, {name: f"Bearer {analyst.key}"}):
            answer = asking.get(path, **asked)
            assert (answer.status_code, analyst.key in answer.text, "Revoke" in answer.text) == (400, False, True)


def test_each_key_has_its_own_measure(app, analyst, program, monkeypatch):
    monkeypatch.setitem(app.config, "API_RATE", 2)
    other = program("Analyst", authority("3301"))

    assert [analyst.get("/queries/units").status_code for _number in range(3)] == [200, 200, 429]
    assert other.get("/queries/units").status_code == 200
    last = analyst.get("/statistics/ability")
    assert (last.status_code, 1 <= int(last.headers["Retry-After"]) <= 60) == (429, True)


def test_a_sheet_holds_no_more_than_an_export(app, analyst, monkeypatch):
    monkeypatch.setitem(app.config, "EXPORT_ROWS", 1)
    instrument()
    assert analyst.get("/queries/instruments", format="csv").status_code == 200
    instrument()

    answer = analyst.get("/queries/instruments", format="csv")

    assert (answer.status_code, answer.content_type, answer.json["title"]) == (
        422, "application/problem+json", "Too much for one answer",
    )  # fmt: skip


def test_formulas_are_neutralised_in_sheets(analyst):
    instrument(name="=1+1", model="@x")
    institution("330106", "=cmd|' /C calc'!A0")
    tallies.rebuild()

    [row] = list(csv.DictReader(io.StringIO(analyst.get("/queries/instruments", format="csv").data.decode())))
    names = csv.DictReader(io.StringIO(analyst.get("/queries/institutions", format="csv").data.decode()))

    assert (row["器具名称"], row["型号规格"]) == ("'=1+1", "'@x")
    assert [each["检定机构"] for each in names] == ["'=cmd|' /C calc'!A0"]
    assert analyst.get("/queries/instruments", columns="name").json["rows"][0]["name"] == "=1+1"


# --- Written down, and what it costs -------------------------------------------------------------


@pytest.mark.parametrize("kind", ["json", "csv"])
@pytest.mark.parametrize(
    ("path", "asked", "title", "lines"),
    [
        ("/queries/instruments", {"region": "330106"}, "强检器具查询", 2),
        ("/statistics/instruments", {"region": "330106", "by": "region"}, "强检器具统计", 1),
    ],
)
def test_each_answer_stands_in_the_audit_log(analyst, kind, path, asked, title, lines):
    instrument()
    instrument()
    instrument("330105")

    analyst.get(path, format=kind, **asked)

    entry = db.session.scalars(select(AuditEntry).order_by(AuditEntry.id.desc()).limit(1)).one()
    told = entry.detail
    assert (entry.action, entry.subject_name, entry.by_id) == ("export", title, analyst.account.id)
    assert (told["format"], told["rows"], told["key"]) == (kind, lines, analyst.key[:9])
    assert "region=330106" in told["filter"]
    assert analyst.key not in json.dumps(told)


@pytest.mark.parametrize("kind", ["json", "csv"])
@pytest.mark.parametrize("page", PAGES)
def test_an_answer_costs_the_same_for_one_row_and_for_many(analyst, statements, page, kind):
    def cost():
        with statements() as seen:
            assert analyst.get(f"/queries/{page}", format=kind).status_code == 200
        return len(seen)

    world()
    analyst.get(f"/queries/{page}")
    few = cost()
    for _number in range(12):
        world()

    assert cost() == few <= 12


@pytest.mark.parametrize("path", ["/statistics/instruments", "/statistics/pass-rate", "/oversight/to-do"])
def test_figures_cost_the_same_for_a_city_and_for_the_nation(program, statements, path):
    costs = []
    for office in ("3301", ""):
        asking = program("Supervisor", authority(office))
        asking.get(path)
        with statements() as seen:
            assert asking.get(path).status_code == 200
        costs.append(len(seen))

    assert costs[0] == costs[1] <= 20


# --- The document --------------------------------------------------------------------------------


def test_every_address_stands_in_the_document_and_the_other_way_round(app, nobody):
    document = nobody.get("/openapi.json").json
    routes = {
        rule.rule.removeprefix("/api/v1").removesuffix("/")
        for rule in app.url_map.iter_rules()
        if rule.endpoint.startswith("AnalysisApi.")
    }

    assert set(document["paths"]) == routes == {*EVERY_PAGE, "/openapi.json"}
    assert (document["openapi"], document["security"]) == ("3.1.0", [{"accessKey": []}])


def test_every_page_of_figures_and_queries_is_in_it(app):
    from app.pages.statistics import StatisticPage

    views = app.extensions["kit"].baseviews
    bases = {str(view.route_base): view for view in views}
    shown = {base for base, view in bases.items() if base.startswith("/queries/") or isinstance(view, StatisticPage)}

    assert shown - {"/queries/certificates"} == set(EVERY_PAGE) - {"/queries/certificates"}


def test_the_document_speaks_the_language_asked_for(nobody):
    chinese, english = (nobody.get("/openapi.json", lang=lang).text for lang in ("zh", "en"))

    assert ("强检器具查询" in chinese, "强检器具查询" in english, "Query of instruments" in english) == (
        True,
        False,
        True,
    )


# What a schema cannot say: that it is one of ours, that it goes with the others, that it is seen.
SAYS_MORE = {"cursor", "numbers", "unit", "institution", "item", "region", "if", "q", "from", "to", "by", "size"}


@pytest.fixture
def told(app, analyst, monkeypatch):
    """The interface as its document tells it, over a few rows."""
    monkeypatch.setitem(app.config, "API_RATE", 1_000_000)
    world()
    db.session.flush()
    return from_outside(lambda: schemathesis.openapi.from_wsgi("/api/v1/openapi.json", app))


@pytest.mark.parametrize("mode", list(GenerationMode))
def test_the_interface_does_as_its_document_says(app, analyst, told, mode):
    operations = [each.ok() for each in told.get_all_operations()]
    for operation in operations:
        _tried(Reader(app), operation, mode, analyst.key)

    assert {operation.path for operation in operations} | {"/openapi.json"} == set(told.raw_schema["paths"])


def _tried(reader, operation, mode, key):
    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(
        max_examples=12,
        deadline=None,
        derandomize=True,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
    )
    def try_one(case):
        headers = {"Accept-Encoding": "identity", "Authorization": f"Bearer {key}"}
        answer: Any = from_outside(lambda: case.call(session=reader, headers=headers))
        name = answer.json().get("parameter") if answer.status_code in (400, 404) else None
        says_more = name in SAYS_MORE or answer.status_code == 404 or str(name).endswith(("_from", "_to"))
        # It takes our key for one that it made up; that such are refused stands above.
        excluded = [ignored_auth, *([positive_data_acceptance] if says_more else [])]
        from_outside(lambda: case.validate_response(answer, excluded_checks=excluded))

    try_one()


# --- The page for people -------------------------------------------------------------------------


@pytest.fixture
def examples(server, analyst, enter, monkeypatch):
    """The examples as the page shows them, with a key in the place of the dots; two rows a page are enough."""
    monkeypatch.setattr("app.pages.analyst_api.LARGEST_PAGE", 2)
    for _number in range(3):
        instrument()
    page = enter(analyst.account).get("/me/interface").text
    db.session.flush()
    found = re.findall(r'data-example="(\w+)"><code>(.*?)</code>', page, re.S)
    return {name: html.unescape(text).replace("jl_...", analyst.key) for name, text in found}


def test_the_examples_run_as_they_are_written(examples, analyst, tmp_path):
    everything = analyst.ids("instruments")
    assert set(examples) == {"curl", "python", "pandas", "excel"}

    told = json.loads(run(tmp_path, "sh", "-c", examples["curl"]))
    assert [row["id"] for row in told["rows"]] == everything
    assert (tmp_path / "export.csv").read_bytes() == analyst.get("/queries/instruments", format="csv").data
    assert run(tmp_path, sys.executable, "-c", examples["python"]) == "3\n"


def test_the_example_of_pandas_runs_as_it_is_written(examples, tmp_path):
    assert "3" in run(tmp_path, sys.executable, "-c", examples["pandas"])


def test_the_example_of_excel_asks_what_is_answered(examples, analyst):
    """Power Query itself runs in Excel alone: what it would send is sent."""
    text = examples["excel"]
    [(base, path)] = re.findall(r'Web.Contents\("(.*?)", \[\s+RelativePath = "(.*?)"', text)
    query = dict(re.findall(r'(\w+) = "(\w+)"', re.findall(r"Query = \[(.*?)\]", text)[0]))
    [key] = re.findall(r'Key = "(.*?)"', text)

    answer = requests.get(f"{base}/{path}", query, headers={"Authorization": f"Bearer {key}"}, timeout=60)

    assert (answer.status_code, answer.content) == (200, analyst.get("/queries/instruments", format="csv").data)


def test_the_page_tells_of_what_one_may_export(sign_in):
    analyst = sign_in("Analyst", authority("3301"))
    office, clerk = sign_in("AssignmentOfficer", authority("3301")), sign_in("UsingUnitClerk", unit_of())

    def paths(person):
        return re.findall(r"<summary><code>(.*?)</code>", person.get("/me/interface").text)

    held = ROLES["Analyst"].permissions
    mine = [path for path, scope in zip(EVERY_PAGE, SCOPES, strict=True) if "can_export" in held.get(scope, ())]
    assert (paths(analyst), paths(office), paths(clerk)) == (mine, [], [])


def test_a_key_may_be_made_for_figures_too(sign_in):
    page = sign_in("Analyst", authority("3301")).get("/me/keys").text

    assert ('value="PassRateStatistics"' in page, 'value="AssignmentQueries"' in page) == (True, False)
