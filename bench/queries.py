"""数据查询: the first page of each query with a filter, beside the same rows and their number asked for by hand."""

import re
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import TYPE_CHECKING, Any

from bench import sql
from bench.sql import COUNT_CAP, PAGE_SIZE, Area

if TYPE_CHECKING:
    from bench.jobs import Bench


@dataclass(frozen=True)
class Query:
    """A query with a filter; its rows `t`, where {area} and {home} stand for the jurisdiction, and what is shown."""

    url: str
    table: str
    rows: str
    order: str
    cells: str
    joins: str


_PLACE = "JOIN region r ON r.code = t.region_code"
_OF_TASK = "FROM task k WHERE (k.appointment_id, k.city_code) = (t.id, t.city_code) AND k.state <> 'draft'"
_NOW = f"{date.today():%Y-01-01}"
QUERIES = (
    Query(
        "/queries/instruments/?verification=overdue", "instrument",
        "instrument t WHERE t.verification_state = 'overdue' AND {area}", "t.id DESC",
        "t.name, t.model, t.serial_no, t.valid_until, t.use_place, t.use_state, k.name, r.full_name, u.name",
        f"{_PLACE} JOIN catalogue_item k ON k.id = t.catalogue_item_id JOIN organization u ON u.id = t.using_unit_id",
    ),
    Query(
        "/queries/appointments/?delivery=on_site", "appointment",
        f"appointment t WHERE t.delivery = 'on_site' AND {{area}} AND EXISTS (SELECT {_OF_TASK})",
        "t.applied_at DESC, t.id DESC",
        f"t.no, t.applicant, t.applied_at, t.delivery, r.full_name, (SELECT count(*) {_OF_TASK})", _PLACE,
    ),
    Query(
        f"/queries/certificates/?passed=failed&issued_from={_NOW}", "certificate",
        f"certificate t WHERE NOT t.passed AND t.issued_at >= '{_NOW} 00:00+08' AND {{area}}",
        "t.verified_on DESC, t.id DESC",
        "t.no, t.verified_on, t.passed, t.state, i.name, i.serial_no, o.name",
        "JOIN instrument i ON (i.id, i.city_code) = (t.instrument_id, t.city_code)"
        " JOIN organization o ON o.id = t.institution_id",
    ),
    Query(
        "/queries/institutions/?designation=authorized", "organization",
        "organization t JOIN institution i ON i.organization_id = t.id WHERE t.kind = 'institution'"
        " AND t.merged_into_id IS NULL AND i.designation = 'authorized' AND {home}", "t.id",
        "t.name, t.level, r.full_name, i.standing, i.authorization_no, i.authorized_until",
        f"{_PLACE} JOIN institution i ON i.organization_id = t.id",
    ),
    Query(
        f"/queries/steps/?step=return&at_from={_NOW}", "event",
        f"event t WHERE t.subject = 'task' AND t.step = 'return' AND t.at >= '{_NOW} 00:00+08' AND {{area}}",
        "t.at DESC, t.id DESC",
        "t.at, t.step, t.from_state, t.to_state, t.by_name, t.by_organization, t.reason, a.no, i.name, r.full_name,"
        " o.name",
        f"{_PLACE} JOIN task k ON (k.id, k.city_code) = (t.subject_id, t.city_code)"
        " JOIN appointment a ON (a.id, a.city_code) = (k.appointment_id, k.city_code)"
        " JOIN instrument i ON (i.id, i.city_code) = (k.instrument_id, k.city_code)"
        " LEFT JOIN organization o ON o.id = t.institution_id",
    ),
    Query(
        "/queries/units/?nature=enterprise", "organization",
        "organization t JOIN using_unit i ON i.organization_id = t.id WHERE t.kind = 'using_unit'"
        " AND t.merged_into_id IS NULL AND i.nature = 'enterprise' AND {home}", "t.id",
        "t.name, t.credit_code, i.nature, r.full_name, i.address,"
        " (SELECT count(*) FROM instrument m WHERE m.using_unit_id = t.id)",
        f"{_PLACE} JOIN using_unit i ON i.organization_id = t.id",
    ),
)  # fmt: skip


def ways(bench: "Bench", place: str, query: Query) -> tuple[Any, Any]:
    """How our page and the bare rows are asked for, once it is seen that both find the same."""
    area = bench.people[place].area
    ours, by_sql = partial(bench.ours[place].get, query.url), partial(_found, bench.connection, area, query)
    rows, number = by_sql()
    page = ours().text
    shown, total = re.findall(r'<tr data-id="(\d+)"', page), re.findall(r'data-total="(\d+)', page)
    if shown != [str(row[0]) for row in rows] or total != [str(number)]:
        raise AssertionError(f"{query.url} shows {shown} of {total}, by hand {[row[0] for row in rows]} of {number}")
    return ours, by_sql


def _found(connection: Any, area: Area, query: Query) -> tuple[list[tuple[Any, ...]], int]:
    rows = query.rows.format(area=area.tasks, home=f"t.region_code LIKE '{area.prefix}%'")
    page = f"""
    WITH picked AS MATERIALIZED (SELECT t.id FROM {rows} ORDER BY {query.order} LIMIT {PAGE_SIZE})
    SELECT t.id, {query.cells} FROM picked JOIN {query.table} t ON t.id = picked.id {query.joins}
     ORDER BY {query.order}"""
    total = f"SELECT count(*) FROM (SELECT FROM {rows} LIMIT {COUNT_CAP + 1}) c"
    return sql.all_rows(connection, page), min(int(sql.one(connection, total)), COUNT_CAP)
