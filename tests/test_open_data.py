"""开放数据: JSON for programs, told by a document that is held to what is answered; files of everything."""

import csv
import gzip
import hashlib
import html
import io
import os
import re
import subprocess
import sys
from contextvars import Context
from datetime import UTC, date, datetime, timedelta
from threading import Thread
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance
from sqlalchemy import update
from werkzeug.serving import make_server
from werkzeug.test import Client, TestResponse

from app import files
from app.access import Principal
from app.domain import access_keys, dumps, publications
from app.models import AccessKey, Dump, db
from tests.conftest import from_outside
from tests.factories import (
    BLOOD_PRESSURE,
    account,
    capability,
    institution,
    instrument,
    kind,
    published,
    published_certificate,
    published_kind,
    unit_of,
)

PAST = date(2026, 6, 30)


@pytest.fixture(autouse=True)
def _unlimited(app, monkeypatch):
    monkeypatch.setitem(app.config, "OPEN_DATA_RATE", 100_000)


@pytest.fixture
def lab(rows):
    return institution(name="西湖所", **published())


@pytest.fixture
def plant(rows):
    return unit_of(name="杭州制药厂")


def ask(stranger, path, **asked):
    return stranger.get(f"/open/v1{path}", query_string=asked)


def found(stranger, **asked):
    return [row["id"] for row in ask(stranger, "/certificates", **asked).json["rows"]]


# --- Certificates --------------------------------------------------------------------------------


def test_a_certificate_is_told_in_these_words(stranger, lab, plant):
    published_kind()
    one = published_certificate(plant, lab, instrument(unit=plant, serial_no="SN20260017"), no="浙检1")

    assert ask(stranger, f"/certificates/{one.id}").json == {
        "id": one.id, "no": "浙检1", "name": "智能远传水表", "kind_id": kind().id, "kind": "水表",
        "model": "LXS-20E", "serial_no": "SN***17",
        "using_unit": "杭州制药厂", "region_code": "330106", "region": "浙江省杭州市西湖区", "institution_id": lab.id,
        "institution": "西湖所", "verified_on": "2026-01-15", "valid_until": "2099-12-31", "passed": True,
        "state": "valid",
    }  # fmt: skip


def test_certificates_are_narrowed_by_what_is_asked(stranger, lab, plant):
    meter, cuff = published_kind(), published_kind(BLOOD_PRESSURE)
    one = published_certificate(plant, lab, verified_on=date(2026, 1, 15))
    two = published_certificate(
        unit_of(region="510104", name="成都医院"), what=None, verified_on=date(2026, 3, 1), valid_until=PAST
    )
    three = published_certificate(plant, lab, instrument(unit=plant, of=BLOOD_PRESSURE), verified_on=date(2026, 5, 1))
    everything = [three.id, two.id, one.id]

    assert found(stranger) == everything
    assert found(stranger, region="330000") == [three.id, one.id]
    assert found(stranger, kind=cuff.id) == [three.id]
    assert found(stranger, kind=meter.id) == [two.id, one.id]
    assert found(stranger, institution=lab.id) == [three.id, one.id]
    assert found(stranger, verified_from="2026-03-01") == [three.id, two.id]
    assert found(stranger, verified_from="2026-02-01", verified_to="2026-03-01") == [two.id]
    assert (found(stranger, valid="true"), found(stranger, valid="false")) == ([three.id, one.id], [two.id])
    assert found(stranger, unit="医院") == [two.id]


def test_pages_follow_by_next_with_what_was_asked(stranger, lab, plant):
    made = [published_certificate(plant, lab).id for _number in range(7)]
    seen, url = [], "/open/v1/certificates?limit=3&region=330106"
    while url:
        page = stranger.get(url).json
        seen.append([row["id"] for row in page["rows"]])
        url = page["next"] and page["next"].removeprefix("http://127.0.0.1:8080")

    assert seen == [made[6:3:-1], made[3:0:-1], made[:1]]


def test_a_page_costs_the_same_for_one_row_and_for_two_hundred(stranger, lab, plant, statements):
    published_certificate(plant, lab)

    def cost():
        with statements() as seen:
            assert ask(stranger, "/certificates", limit=200).status_code == 200
        return len(seen)

    few = cost()
    for _number in range(30):
        published_certificate(plant, lab)

    assert (cost(), few) == (few, 4)  # two count the question, two answer it


# --- Institutions, catalogue, regions ------------------------------------------------------------


def test_institutions_with_what_they_verify(stranger, lab):
    meter = published_kind()
    capability(lab, "330100")
    other = institution("510104", **published())

    assert [row["id"] for row in ask(stranger, "/institutions").json["rows"]] == [lab.id, other.id]
    assert [row["id"] for row in ask(stranger, "/institutions", region="330106").json["rows"]] == [lab.id]
    assert ask(stranger, f"/institutions/{lab.id}").json["capabilities"] == [
        {
            "kind_id": meter.id, "kind": "水表", "measuring_range": "(0～50)mm", "accuracy_class": "1级",
            "regulation": "JJG 162", "delivery": "both", "valid_from": "2020-01-01", "valid_until": "2099-12-31",
            "places": ["浙江省杭州市"],
        }
    ]  # fmt: skip


def test_catalogue_and_regions(stranger, rows):
    published_kind()

    assert [row["level"] for row in ask(stranger, "/catalogue").json["rows"]] == [1, 2]
    assert len(ask(stranger, "/regions").json["rows"]) == 34
    assert {"code": "330106", "name": "西湖区"} in ask(stranger, "/regions", parent="330100").json["rows"]


# --- What is not in order ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "parameter"),
    [
        ({"limit": "0"}, "limit"),
        ({"limit": "201"}, "limit"),
        ({"limit": "ten"}, "limit"),
        ({"region": "33"}, "region"),
        ({"kind": "-1"}, "kind"),
        ({"kind": "9" * 30}, "kind"),
        ({"verified_from": "2026-13-01"}, "verified_from"),
        ({"verified_to": "01.02.2026"}, "verified_to"),
        ({"valid": "perhaps"}, "valid"),
        ({"unit": "医"}, "unit"),
        ({"serial": ""}, "serial"),
        ({"cursor": "x"}, "cursor"),
        ({"cursor": "MjAyNi0wMS0wMX4x"}, "cursor"),
        ({"sort": "phone"}, "sort"),
        ({"limit": ["1", "2"]}, "limit"),
    ],
)
def test_a_wrong_parameter_is_named(stranger, lab, asked, parameter):
    answer = ask(stranger, "/certificates", **asked)

    assert (answer.status_code, answer.content_type, answer.json["parameter"], answer.json["status"]) == (
        400, "application/problem+json", parameter, 400,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/certificates/999999", 404),
        ("GET", "/certificates/x", 404),
        ("GET", f"/certificates/{'9' * 30}", 404),
        ("GET", "/nowhere", 404),
        ("POST", "/certificates", 405),
        ("DELETE", "/certificates/1", 405),
        ("GET", "/certificates?unit=%00%00", 400),
        ("GET", "/dumps/1", 404),
        ("GET", "/dumps/1/sha256", 404),
    ],
)
def test_every_error_is_a_problem(stranger, method, path, status):
    answer = from_outside(lambda: stranger.client.open(f"/open/v1{path}", method=method))

    assert (answer.status_code, answer.content_type, answer.json["status"]) == (
        status, "application/problem+json", status,
    )  # fmt: skip
    assert ("Allow" in answer.headers) == (status == 405)
    assert answer.headers["Cache-Control"] == "no-store"


def test_a_defect_is_a_problem_that_tells_nothing(stranger, monkeypatch, caplog):
    monkeypatch.setattr("app.domain.portal.catalogue", lambda: 1 / 0)

    answer = ask(stranger, "/catalogue")

    assert (answer.status_code, answer.content_type) == (500, "application/problem+json")
    assert "division" not in answer.text


# --- Kept, counted -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["/certificates", "/institutions", "/catalogue", "/regions", "/dumps", "/openapi.json"]
)
def test_what_still_holds_is_not_sent_again(stranger, lab, plant, path):
    published_certificate(plant, lab)
    first = ask(stranger, path)
    again = stranger.get(f"/open/v1{path}", headers={"If-None-Match": first.headers["ETag"]})

    assert (first.headers["Cache-Control"], "Set-Cookie" in first.headers) == ("public, no-cache", False)
    assert (again.status_code, again.data) == (304, b"")


def test_questions_are_counted_for_each_network(app, stranger, monkeypatch):
    monkeypatch.setitem(app.config, "OPEN_DATA_RATE", 2)

    def status(address):
        return stranger.get("/open/v1/regions", environ_base={"REMOTE_ADDR": address}).status_code

    assert [status("10.0.0.1") for _number in range(3)] == [200, 200, 429]
    assert [status("10.0.0.2"), status("10.0.0.1")] == [200, 429]
    # Of IPv6 somebody has a whole network of addresses.
    assert [status(f"2001:db8::{number}") for number in (1, 2, 3)] == [200, 200, 429]


def test_whoever_asks_too_much_is_told_how_long_to_wait(app, stranger, monkeypatch):
    monkeypatch.setitem(app.config, "OPEN_DATA_RATE", 0)

    answer = ask(stranger, "/regions")

    assert (answer.status_code, answer.content_type) == (429, "application/problem+json")
    assert 1 <= int(answer.headers["Retry-After"]) <= 60


def test_an_access_key_only_raises_how_much_is_answered(app, stranger, monkeypatch, plant, lab):
    owner = account("UsingUnitClerk", plant)
    _key, text = access_keys.create(owner, "名", ["Ledger"], 30, allowed={"Ledger"})
    monkeypatch.setitem(app.config, "OPEN_DATA_RATE", 1)
    monkeypatch.setitem(app.config, "OPEN_DATA_KEY_RATE", 3)
    hidden = published_certificate(plant, lab, publication="unpublished", published_at=None)

    def asked(path, key=text):
        return stranger.get(f"/open/v1{path}", headers={"Authorization": f"Bearer {key}"}).status_code

    assert [asked("/regions"), asked("/regions"), asked(f"/certificates/{hidden.id}"), asked("/regions")] == [
        200, 200, 404, 429,
    ]  # fmt: skip
    assert asked("/regions", "jl_wrong") == 401
    db.session.execute(update(AccessKey).values(revoked_at=datetime.now(UTC)))
    assert asked("/regions") == 401


# --- Files ---------------------------------------------------------------------------------------


@pytest.fixture
def register(lab, plant):
    published_kind()
    capability(lab)
    published_certificate(plant, lab, instrument(unit=plant, serial_no="SN20260017", name="=1+1"), no="浙检1")
    published_certificate(unit_of("person", name="赵钱孙"), lab, no="浙检2")


def records(dump):
    return list(csv.DictReader(io.StringIO(gzip.decompress(files.read(dump.file)).decode())))


def test_the_files_hold_what_is_published_and_masked(rows, register, stranger):
    assert dumps.renew() == 3
    made = {dump.kind: dump for dump in dumps.available()}

    certificates = {record["no"]: record for record in records(made["certificates"])}
    assert {(record["state"], record["kind_id"]) for record in certificates.values()} == {("valid", str(kind().id))}
    assert b"\r" not in gzip.decompress(files.read(made["certificates"].file))
    assert {no: (row["serial_no"], row["using_unit"], row["name"]) for no, row in certificates.items()} == {
        "浙检1": ("SN***17", "杭州制药厂", "'=1+1"),
        "浙检2": ("SN***" + certificates["浙检2"]["serial_no"][-2:], "赵**", "智能远传水表"),
    }
    assert [len(records(made[kind])) for kind in ("institutions", "catalogue")] == [1, 2]
    assert {kind: dump.amount for kind, dump in made.items()} == {"certificates": 2, "institutions": 1, "catalogue": 2}


def test_a_file_is_listed_with_its_sum_and_can_be_fetched(rows, register, stranger):
    dumps.renew()
    listed = {row["kind"]: row for row in ask(stranger, "/dumps").json["rows"]}["certificates"]
    path = listed["url"].removeprefix("http://127.0.0.1:8080")

    assert path.endswith("/rows.csv.gz")
    whole, checksum = stranger.get(path), stranger.get(listed["checksum_url"].removeprefix("http://127.0.0.1:8080"))

    assert (hashlib.sha256(whole.data).hexdigest(), len(whole.data)) == (listed["sha256"], listed["size"])
    name = whole.headers["Content-Disposition"].partition("filename=")[2]
    assert checksum.text == f"{listed['sha256']}  {name}\n"
    assert (whole.headers["Cache-Control"], whole.content_type) == ("no-store", "application/gzip")


def test_files_are_made_once_a_night_and_kept_for_a_week(rows, register):
    assert (dumps.renew(), dumps.renew()) == (3, 0)
    rows.execute(update(Dump).values(made_at=Dump.made_at - timedelta(days=1)))
    assert (dumps.renew(), len(dumps.available())) == (3, 6)
    rows.execute(update(Dump).values(made_at=Dump.made_at - timedelta(days=8)))
    old = {dump.file for dump in dumps.available()}

    assert (dumps.renew(), len(dumps.available())) == (3, 3)
    still = {dump.file for dump in dumps.available()}
    assert [files.path(name).exists() for name in sorted(old - still)] == [False] * len(old - still)
    assert all(files.path(name).exists() for name in still)


# --- In the browser of somebody else's page --------------------------------------------------------


@pytest.mark.parametrize("path", ["/regions", "/certificates?limit=x", "/nowhere", "/dumps/999999/rows.csv.gz"])
def test_pages_of_others_may_read_it(stranger, path):
    answer = stranger.get(f"/open/v1{path}", headers={"Origin": "https://example.cn"})
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "Access-Control-Allow-Credentials" not in answer.headers


def test_a_browser_that_asks_beforehand_is_told_what_it_may(stranger):
    asked = {"Origin": "https://example.cn", "Access-Control-Request-Method": "GET",
             "Access-Control-Request-Headers": "authorization"}  # fmt: skip
    answer = from_outside(lambda: stranger.client.options("/open/v1/regions", headers=asked))
    assert answer.status_code == 200
    assert answer.headers["Access-Control-Allow-Methods"] == "GET, HEAD"
    assert "Authorization" in answer.headers["Access-Control-Allow-Headers"]


def test_nothing_else_is_for_pages_of_others(stranger):
    for path in ("/portal/", "/login/", "/api/v1/openapi.json"):
        assert "Access-Control-Allow-Origin" not in stranger.get(path, headers={"Origin": "https://example.cn"}).headers


@pytest.fixture
def server(app, rows, monkeypatch):
    """The application on a port of its own, over the rows of the test."""
    server = make_server("127.0.0.1", 0, app)
    monkeypatch.setitem(app.config, "PUBLIC_URL", f"http://127.0.0.1:{server.server_port}")
    thread = Thread(target=Context().run, args=(server.serve_forever,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def run(folder, *command):
    surroundings = {"PATH": os.environ["PATH"], "NO_PROXY": "127.0.0.1", "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run(command, cwd=folder, env=surroundings, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def examples(server, stranger, register, lab, plant):
    """The examples of the page, about a file of three certificates of which one was taken back since."""
    gone = published_certificate(plant, lab, no="浙检3")
    dumps.renew()
    by = Principal(kind="authority", jurisdiction="330106", account_id=0, name="乙", organization_id=0)
    publications.revoke([gone.id], "信息有误，撤销公示", by)
    db.session.flush()
    page = stranger.get("/portal/data").text
    newest = max((dump for dump in dumps.available()), key=lambda dump: dump.id)
    wanted = next(dump for dump in dumps.available() if dump.kind == "certificates")
    told = re.findall(r'data-example="(\w+)"><code>(.*?)</code>', page, re.S)
    return {name: html.unescape(text).replace(f"/dumps/{newest.id}/", f"/dumps/{wanted.id}/") for name, text in told}


def test_the_examples_run_as_they_are_written(examples, tmp_path):
    assert set(examples) == {"curl", "pandas", "duckdb"}
    assert "rows.csv.gz" not in os.listdir(tmp_path)

    checksum = run(tmp_path, "sh", "-c", examples["curl"])
    assert hashlib.sha256((tmp_path / "rows.csv.gz").read_bytes()).hexdigest() == checksum.split()[0]
    for name, number in (("pandas", "len(rows)"), ("duckdb", "len(rows)")):
        assert run(tmp_path, sys.executable, "-c", f"{examples[name]}\nprint({number})") == "2\n"


# --- The document --------------------------------------------------------------------------------


def test_every_address_stands_in_the_document_and_the_other_way_round(app, stranger):
    document = ask(stranger, "/openapi.json").json
    routes = {
        rule.rule.removeprefix("/open/v1").replace("<pk>", "{id}")
        for rule in app.url_map.iter_rules()
        if rule.endpoint.startswith("OpenData.")
    }

    assert set(document["paths"]) == routes
    assert document["openapi"] == "3.1.0"


def test_the_page_for_people_tells_the_same(stranger, rows):
    page = stranger.get("/portal/data").text
    document = ask(stranger, "/openapi.json").json

    assert [path for path in document["paths"] if f"GET {path}" not in page] == []


class Reader(Client):
    """Reads each answer to its end and closes it, as a server does; the dumps are files."""

    def open(self, *args: Any, **kwargs: Any) -> TestResponse:
        return super().open(*args, buffered=True, **kwargs)


@pytest.fixture
def told(app, register):
    """The interface as its document tells it, over a few rows."""
    dumps.renew()
    db.session.flush()
    return from_outside(lambda: schemathesis.openapi.from_wsgi("/open/v1/openapi.json", app))


@pytest.mark.parametrize("mode", list(GenerationMode))
def test_the_interface_does_as_its_document_says(app, told, mode):
    """Whatever is allowed, and much that is not: no failure, the statuses, types and shapes that are told."""
    operations = [each.ok() for each in told.get_all_operations()]
    for operation in operations:
        if mode == GenerationMode.POSITIVE or len(operation.query):
            _tried(Reader(app), operation, mode)

    assert {operation.path for operation in operations} | {"/openapi.json"} == set(told.raw_schema["paths"])


def _tried(reader, operation, mode):
    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(
        max_examples=40,
        deadline=None,
        derandomize=True,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )
    def try_one(case):
        answer: Any = from_outside(lambda: case.call(session=reader, headers={"Accept-Encoding": "identity"}))
        # That a cursor must be one of ours is more than a pattern can say.
        strange_cursor = answer.status_code == 400 and answer.json().get("parameter") == "cursor"
        case.validate_response(answer, excluded_checks=[positive_data_acceptance] if strange_cursor else [])

    try_one()
