"""The public pages: a search of the portal and the check of a certificate, with the same SQL by hand."""

import hmac
import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from bench import sql

if TYPE_CHECKING:
    from bench.servers import Server

AT_ONCE, EACH = 8, 10
TERM, PROVINCE = "医院", "33"
MOST_UNITS, PAGE_SIZE = 2000, 20
NAMED = "('enterprise', 'public_institution', 'government')"
DISCLOSED = "c.publication = 'published' AND c.state = 'valid'"
_SERIAL = """CASE WHEN length(i.serial_no) <= 4 THEN left(i.serial_no, 1) || '***'
                  ELSE left(i.serial_no, 2) || '***' || right(i.serial_no, 2) END"""
_UNIT = f"CASE WHEN u.nature IN {NAMED} THEN unit.name ELSE left(unit.name, 1) || '**' END"
_COLUMNS = f"""
    c.id, c.no, i.name, kind.name, i.model, {_SERIAL}, {_UNIT}, r.full_name, issuer.name, c.verified_on, c.valid_until,
    c.passed"""
_JOINS = """
    JOIN instrument i ON (i.id, i.city_code) = (c.instrument_id, c.city_code)
    JOIN organization unit ON unit.id = c.using_unit_id JOIN region r ON r.code = c.region_code
    LEFT JOIN using_unit u ON u.organization_id = unit.id
    LEFT JOIN (organization issuer JOIN institution house ON house.organization_id = issuer.id
               AND house.publication = 'published') ON issuer.id = c.institution_id
    LEFT JOIN catalogue_item kind ON kind.id = i.catalogue_item_id AND kind.publication = 'published'"""


@dataclass(frozen=True)
class Question:
    """What everybody may ask: the SQL for it by hand, and for each web application where it is asked."""

    name: str
    by_hand: Callable[[], list[tuple[Any, ...]]]
    ways: "dict[str, tuple[Server, str]]"


def search(connection: Any, term: str) -> list[tuple[Any, ...]]:
    """A page of the published certificates of units named so, in the province, the newest first."""
    units = f"""
    SELECT o.id FROM organization o JOIN using_unit u ON u.organization_id = o.id
     WHERE o.kind = 'using_unit' AND u.nature IN {NAMED} AND bigrams(same_text(o.name)) @> bigrams(%s)
       AND (SELECT true FROM certificate c WHERE c.using_unit_id = o.id AND {DISCLOSED} LIMIT 1) LIMIT {MOST_UNITS}"""
    ids = [row[0] for row in sql.all_rows(connection, units, (term,))]
    page = f"""
    WITH picked AS MATERIALIZED (
      SELECT c.id, c.issued_at FROM certificate c
       WHERE {DISCLOSED} AND left(c.city_code, 2) = '{PROVINCE}' AND c.using_unit_id = ANY(%s)
       ORDER BY c.issued_at DESC, c.id DESC LIMIT {PAGE_SIZE})
    SELECT {_COLUMNS} FROM picked JOIN certificate c ON c.id = picked.id {_JOINS}
     ORDER BY picked.issued_at DESC, picked.id DESC"""
    return sql.all_rows(connection, page, (ids,))


def check(connection: Any, no: str, code: str) -> list[tuple[Any, ...]]:
    """The certificate with this number, if the code is its own."""
    found = sql.all_rows(connection, "SELECT id, code FROM certificate WHERE no = %s LIMIT 100", (no,))
    ids = [id for id, its in found if hmac.compare_digest(its, code)]
    return sql.all_rows(connection, f"SELECT {_COLUMNS} FROM certificate c {_JOINS} WHERE c.id = ANY(%s)", (ids,))


def paper(connection: Any) -> tuple[str, str]:
    """Number and code of some certificate."""
    found = sql.all_rows(connection, "SELECT no, code FROM certificate ORDER BY id LIMIT 1")
    return found[0][0], found[0][1]


def questions(connection: Any, bare: "Server", ours: "Server") -> "list[Question]":
    """Each with the same SQL by hand, and where it is asked of the web applications."""
    asked, (no, code) = {"unit": TERM, "region": f"{PROVINCE}0000"}, paper(connection)
    one = {"no": no, "code": code}
    asked_of = [
        Question(
            f"portal search {TERM}, province",
            partial(search, connection, TERM),
            {
                "bare": (bare, f"/portal?{urlencode({'q': TERM})}"),
                "ours": (ours, f"/portal/instruments?{urlencode(asked)}"),
            },
        ),
        Question(
            "portal check of a certificate",
            partial(check, connection, no, code),
            {"bare": (bare, f"/check?{urlencode(one)}"), "ours": (ours, f"/portal/check?{urlencode(one)}")},
        ),
    ]
    for question in asked_of:
        agree(question)
    return asked_of


def agree(question: "Question") -> None:
    """All ways must show the same rows, else there is nothing to compare."""
    rows = question.by_hand()
    numbers = [row[1] for row in rows]
    ids = [str(row[0]) for row in rows]
    shown, bare = (server.get(url).text for server, url in (question.ways["ours"], question.ways["bare"]))
    ours_agrees = re.findall(r'href="/portal/certificates/(\d+)', shown) == ids or all(no in shown for no in numbers)
    if not rows or not ours_agrees or re.findall(r'<tr data-id="(\d+)"', bare) != ids:
        raise AssertionError(f"{question.name}: the ways show different rows")


def under_load(server: "Server", url: str) -> float:
    """Seconds for an answer when many ask at the same time, again and again: the whole time by the answers."""
    people = [replace(server) for _ in range(AT_ONCE)]

    def ask(person: "Server") -> None:
        for _ in range(EACH):
            answer = person.get(url)
            if answer.status != 200:
                raise RuntimeError(f"{answer.status}: {answer.text[:2000]}")

    started = time.perf_counter()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(ask, people))
    return (time.perf_counter() - started) / (AT_ONCE * EACH)
