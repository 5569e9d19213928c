"""The best SQL we can write by hand for the same answers: the limit for all other ways."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from typing import IO, Any

import psycopg2
import xlsxwriter

from config import OPTIONS

PAGE_SIZE = 20
COUNT_CAP = 10_000
WAITING = "t.state IN ('returned', 'unassigned')"
STATES = {"returned": "退回", "unassigned": "待分配"}
DELIVERIES = {"sent": "送检", "on_site": "现场检定"}
HEADS = (
    *("状态", "预约单号", "器具名称", "项别", "种别", "型号规格"),
    *("出厂编号", "申请单位", "使用地点", "申请时间", "送检方式", "等待天数"),
)

_AGE = "date_part('day', now() - t.applied_at)::int"
_CELLS = "t.state, a.no, i.name, item.name, kind.name, i.model, i.serial_no, a.applicant, i.use_place"
_JOINS = """
  JOIN appointment a ON (a.id, a.city_code) = (t.appointment_id, t.city_code)
  JOIN instrument i ON (i.id, i.city_code) = (t.instrument_id, t.city_code)
  JOIN catalogue_item kind ON kind.id = t.catalogue_item_id
  JOIN catalogue_item item ON item.id = kind.parent_id"""
_ROWS = f"""
SELECT t.id, {_CELLS}, t.applied_at, t.delivery, {_AGE}
  FROM picked JOIN task t ON t.id = picked.id {_JOINS}
 ORDER BY picked.part, picked.applied_at, picked.id"""


@dataclass(frozen=True)
class Area:
    """Whose queue it is: the beginning of the region codes, and the desk whose tasks stand first."""

    prefix: str
    desk: int

    @property
    def tasks(self) -> str:
        return f"left(t.city_code, 2) = '{self.prefix}'" if self.prefix else "true"

    @property
    def tallies(self) -> str:
        return f"left(city_code, 2) = '{self.prefix}'" if self.prefix else "true"


Answer = tuple[list[tuple[Any, ...]], int]


def connect(url: str) -> Any:
    """A connection with the settings that the application has."""
    connection = psycopg2.connect(url.replace("+psycopg2", ""), options=OPTIONS, application_name="bench")
    connection.autocommit = True
    return connection


def all_rows(connection: Any, statement: str, values: Any = None) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.fetchall()


def one(connection: Any, statement: str, values: Any = None) -> Any:
    """The first value of the first row."""
    return all_rows(connection, statement, values)[0][0]


def run(connection: Any, *statements: str) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


# --- The page around, the list, the search -------------------------------------------------------


def shell(connection: Any, account: str) -> list[tuple[Any, ...]]:
    """Who it is, and what the person may."""
    who = "SELECT * FROM ab_user u JOIN organization o ON o.id = u.organization_id WHERE u.username = %s"
    found = all_rows(connection, who, (account,))
    held = """
    SELECT p.name, v.name FROM ab_user_role ur JOIN ab_permission_view_role pr USING (role_id)
      JOIN ab_permission_view pv ON pv.id = pr.permission_view_id
      JOIN ab_permission p ON p.id = pv.permission_id JOIN ab_view_menu v ON v.id = pv.view_menu_id
     WHERE ur.user_id = %s"""
    return all_rows(connection, held, (found[0][0],))


def page(connection: Any, area: Area, number: int) -> Answer:
    """A page of the queue, the area's own desk first, and the total from the tallies."""
    skip = (number - 1) * PAGE_SIZE
    walk = f"""
    (SELECT t.id, t.applied_at, {{part}} AS part FROM task t
      WHERE {WAITING} AND {area.tasks} AND t.authority_id {{sign}} {area.desk}
      ORDER BY t.applied_at, t.id LIMIT {skip + PAGE_SIZE})"""
    walks = " UNION ALL ".join((walk.format(part=0, sign="="), walk.format(part=1, sign="<>")))
    order = f"ORDER BY part, applied_at, id OFFSET {skip} LIMIT {PAGE_SIZE}"
    rows = all_rows(connection, f"WITH picked AS MATERIALIZED (SELECT * FROM ({walks}) b {order}) {_ROWS}")
    total = f"""
    SELECT coalesce(sum(amount), 0) FROM tally
     WHERE subject = 'place' AND state IN ('returned', 'unassigned') AND {area.tallies}"""
    return rows, int(one(connection, total))


def busiest_standard(connection: Any, area: Area) -> int:
    """The standard that most certificates of the area name."""
    named = f"""
    SELECT (s ->> 'id')::bigint FROM certificate t, jsonb_array_elements(t.standards) s WHERE {area.tasks}
     GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 1"""
    return int(one(connection, named))


def traced(connection: Any, area: Area, standard: int) -> Answer:
    """The latest certificates that name a standard, and how many do, counted up to the cap."""
    named = f"standards @> '[{{\"id\": {standard}}}]' AND {area.tasks}"
    page = f"""
    WITH picked AS MATERIALIZED (
      SELECT t.id, t.verified_on FROM certificate t WHERE {named}
       ORDER BY t.verified_on DESC, t.id DESC LIMIT {PAGE_SIZE})
    SELECT t.id, t.state, t.no, t.verified_on, t.valid_until, i.name, i.serial_no, a.applicant, i.use_place,
           issuer.name, t.passed
      FROM picked JOIN certificate t ON t.id = picked.id
      JOIN instrument i ON (i.id, i.city_code) = (t.instrument_id, t.city_code)
      JOIN task k ON (k.id, k.city_code) = (t.task_id, t.city_code)
      JOIN appointment a ON (a.id, a.city_code) = (k.appointment_id, k.city_code)
      JOIN organization issuer ON issuer.id = t.institution_id
     ORDER BY picked.verified_on DESC, picked.id DESC"""
    total = f"SELECT count(*) FROM (SELECT FROM certificate t WHERE {named} LIMIT {COUNT_CAP + 1}) c"
    return all_rows(connection, page), min(int(one(connection, total)), COUNT_CAP)


@dataclass(frozen=True)
class Term:
    """What is searched: the word, a condition that an index answers, and one that is cheap row by row."""

    field: str
    text: str
    indexed: str
    tested: str

    @property
    def values(self) -> dict[str, str]:
        return {"text": self.text, "term": f"%{self.text}%"}


def serial(text: str) -> Term:
    condition = "same_text(i.serial_no) LIKE same_text(%(term)s)"
    return Term("serial", text, condition, condition)


def name(text: str) -> Term:
    indexed = "bigrams(same_text(i.name)) @> bigrams(%(text)s)" if len(text) == 2 else "same_text(i.name) LIKE %(term)s"
    return Term("name", text, indexed, "same_text(i.name) || '' LIKE %(term)s")


_PART = "(t.authority_id <> {desk})::int AS part"
_OF_ITS_INSTRUMENT = "JOIN instrument i ON (i.id, i.city_code) = (t.instrument_id, t.city_code)"
# From the instruments that the index gives to their tasks.
_BY_INDEX = f"""
SELECT t.id, t.applied_at, {_PART} FROM task t
 WHERE {WAITING} AND {{area}} AND t.instrument_id IN (SELECT i.id FROM instrument i WHERE {{indexed}})"""
# From the queue to its instruments: better if the queue is short and the word is common.
_BY_QUEUE = f"""
SELECT t.id, t.applied_at, {_PART} FROM task t {_OF_ITS_INSTRUMENT}
 WHERE {WAITING} AND {{area}} AND {{tested}}"""
_FOUND = f"""
WITH hits AS MATERIALIZED ({{hits}}),
     picked AS MATERIALIZED (SELECT * FROM hits ORDER BY part, applied_at, id LIMIT {PAGE_SIZE})
{_ROWS.replace("t.id,", f"(SELECT count(*) FROM (SELECT FROM hits LIMIT {COUNT_CAP + 1}) c), t.id,", 1)}"""


def search_at_once(connection: Any, area: Area, term: Term, hits: str) -> Answer:
    """All that match are found once, for the page and for their number."""
    asked = hits.format(desk=area.desk, area=area.tasks, indexed=term.indexed, tested=term.tested)
    rows = all_rows(connection, _FOUND.format(hits=asked), term.values)
    return [row[1:] for row in rows], min(rows[0][0], COUNT_CAP) if rows else 0


def search_by_walk(connection: Any, area: Area, term: Term) -> Answer:
    """The page by walking the queue until it is full; the number by index. For a common word in a long queue."""
    walk = f"""
    (SELECT t.id, t.applied_at, {{part}} AS part FROM task t {_OF_ITS_INSTRUMENT}
      WHERE {WAITING} AND {area.tasks} AND {term.tested} AND t.authority_id {{sign}} {area.desk}
      ORDER BY t.applied_at, t.id LIMIT {PAGE_SIZE})"""
    walks = " UNION ALL ".join((walk.format(part=0, sign="="), walk.format(part=1, sign="<>")))
    picked = f"SELECT * FROM ({walks}) b ORDER BY part, applied_at, id LIMIT {PAGE_SIZE}"
    rows = all_rows(connection, f"WITH picked AS MATERIALIZED ({picked}) {_ROWS}", term.values)
    hits = _BY_INDEX.format(desk=area.desk, area=area.tasks, indexed=term.indexed)
    number = one(connection, f"SELECT count(*) FROM ({hits} LIMIT {COUNT_CAP + 1}) c", term.values)
    return rows, min(number, COUNT_CAP)


# The first page of what matches, and how many match, counted to 10,000. Which way is best depends on the word.
SEARCHES: dict[str, Callable[[Any, Area, Term], Answer]] = {
    "index": partial(search_at_once, hits=_BY_INDEX),
    "queue": partial(search_at_once, hits=_BY_QUEUE),
    "walk": search_by_walk,
}


# --- Which tasks ---------------------------------------------------------------------------------


def these(ids: list[int]) -> str:
    return f"t.id = ANY('{{{','.join(map(str, ids))}}}')"


def until(day: date) -> str:
    """Applied for on this day or before, in local time."""
    return f"t.applied_at < '{day + timedelta(days=1)}'"


# --- Assigning -----------------------------------------------------------------------------------


def assign(connection: Any, chosen: str, area: Area, institution_id: int) -> int:
    """Offer the chosen tasks to an institution: one statement moves them, writes history and tallies."""
    by_place = """
    SELECT 'place', city_code, region_code, NULL::bigint, NULL::bigint, {state}, {sign} count(*)
      FROM moved GROUP BY city_code, region_code, {state}"""
    by_kind = """
    SELECT 'kind', city_code, region_code, catalogue_item_id, NULL::bigint, {state}, {sign} count(*)
      FROM moved GROUP BY city_code, region_code, catalogue_item_id, {state}"""
    by_institution = """
    SELECT 'load', city_code, city_code, catalogue_item_id, {institution}, {state}, {sign} count(*)
      FROM moved WHERE {institution} IS NOT NULL GROUP BY city_code, catalogue_item_id, {institution}, {state}"""
    left = {"state": "previous_state", "institution": "previous_institution_id", "sign": "-"}
    entered = {"state": "state", "institution": "institution_id", "sign": ""}
    tallies = " UNION ALL ".join(
        rows.format(**side) for side in (left, entered) for rows in (by_place, by_kind, by_institution)
    )
    desks = f"""
    SELECT id FROM organization WHERE kind = 'authority'
       AND path LIKE (SELECT path FROM organization WHERE id = {area.desk}) || '%%'"""
    statement = f"""
    WITH moved AS (
      UPDATE task t SET state = 'offered', previous_state = state, previous_institution_id = institution_id,
             institution_id = {institution_id}, state_since = now(), reason = NULL, forced = true
       WHERE {WAITING} AND {area.tasks} AND t.authority_id IN ({desks}) AND {chosen}
      RETURNING t.*),
    told AS (
      INSERT INTO event (subject, subject_id, city_code, region_code, using_unit_id, institution_id, step,
                         from_state, to_state, by_id, by_name, by_organization_id, by_organization, reason,
                         payload)
      SELECT 'task', id, city_code, region_code, using_unit_id, institution_id, 'assign',
             previous_state, state, 1, 'bench', {area.desk}, 'bench', 'measured by hand',
             '{{"institution": "bench"}}' FROM moved),
    tallied AS (
      INSERT INTO tally (subject, city_code, region_code, catalogue_item_id, institution_id, state, amount)
      {tallies})
    SELECT count(*) FROM moved"""
    return int(one(connection, statement))


# --- Export --------------------------------------------------------------------------------------


def _words(column: str, words: dict[str, str]) -> str:
    cases = " ".join(f"WHEN '{value}' THEN '{word}'" for value, word in words.items())
    return f"CASE {column} {cases} END"


def sheet(chosen: str) -> str:
    state, delivery = _words("t.state", STATES), _words("t.delivery", DELIVERIES)
    applied = "to_char(t.applied_at, 'YYYY-MM-DD HH24:MI')"
    cells = _CELLS.replace("t.state", state)
    return f"""
    SELECT {cells}, {applied}, {delivery}, {_AGE} FROM task t {_JOINS}
     WHERE t.id IN (SELECT t.id FROM task t WHERE {WAITING} AND {chosen}) ORDER BY t.applied_at, t.id"""


def csv(connection: Any, chosen: str, file: IO[bytes]) -> None:
    file.write((",".join(HEADS) + "\r\n").encode())
    with joined_freely(connection), connection.cursor() as cursor:
        cursor.copy_expert(f"COPY ({sheet(chosen)}) TO STDOUT WITH (FORMAT csv)", file)


def xlsx(connection: Any, chosen: str, file: IO[bytes]) -> None:
    """By XlsxWriter with constant memory, the writer that most would take, fed by a server cursor."""
    book = xlsxwriter.Workbook(file, {"constant_memory": True, "strings_to_formulas": False})
    page = book.add_worksheet()
    with joined_freely(connection), streamed(connection, sheet(chosen)) as rows:
        for number, row in enumerate(itertools.chain([HEADS], rows)):
            page.write_row(number, 0, row)
    book.close()


@contextmanager
def joined_freely(connection: Any) -> Iterator[None]:
    """The database chooses the order of joins, which costs planning and is worth it for many rows."""
    run(connection, "SET join_collapse_limit = 8")
    try:
        yield
    finally:
        run(connection, "SET join_collapse_limit = 1")


@contextmanager
def streamed(connection: Any, statement: str) -> Iterator[Any]:
    connection.autocommit = False
    try:
        with connection.cursor("sheet") as cursor:
            cursor.itersize = 2000
            cursor.execute(statement)
            yield cursor
        connection.commit()
    finally:
        connection.autocommit = True
