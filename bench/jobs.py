"""What is measured: each job with the four ways to do it, and the target that our way has."""

import re
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from typing import Any
from urllib.parse import urlencode

from flask import Flask

from bench import exporting, figures, importing, portal, prepare, queries, sql
from bench.prepare import ALL, PROVINCE, Person
from bench.servers import Answer, Server

WAYS = ("sql", "bare", "stock", "ours")
PLACES = {PROVINCE: "province", "": "nation"}
SOME = 500
REASON = "本次测量所用的理由，至少十个字"


@dataclass
class Sample:
    """One measurement, in milliseconds; what a web way tells of itself; MB that its process grew at most."""

    wall: float
    timing: dict[str, float] = field(default_factory=dict)
    megabytes: float | None = None


Way = Callable[[], Sample]


@dataclass(frozen=True)
class Job:
    name: str
    ways: dict[str, Way]
    target: str
    heavy: bool = False
    # For ways that would take too long: a smaller job, by its beginning, and how many times greater this is.
    extrapolated: dict[str, tuple[str, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class Bench:
    """What the jobs work with."""

    app: Flask
    connection: Any
    people: dict[str, Person]
    ours: dict[str, Server]
    bare: Server
    stock: Server
    institution_id: int
    full: bool

    def token(self, jurisdiction: str) -> str:
        return re.findall(r'"token":\s*"([^"]+)"', self.ours[jurisdiction].get("/session/token").text)[0]


def by_hand(work: Callable[[], Any]) -> Sample:
    started = time.perf_counter()
    work()
    return Sample((time.perf_counter() - started) * 1e3)


def by_web(request: Callable[[], Answer], done: tuple[int, ...] = (200,)) -> Sample:
    answer = request()
    if answer.status not in done:
        raise RuntimeError(f"{answer.status}: {answer.text[:2000]}")
    return Sample(answer.seconds * 1e3, answer.timing)


def every(bench: Bench, only: str) -> list[Job]:
    """The jobs with a word in their names; the page shell always, as others are measured against it."""
    places, person = list(PLACES), bench.people[PROVINCE]
    groups: dict[str, Callable[[], list[Job]]] = {
        "list": lambda: [page(bench, place, number) for place in places for number in (1, 500)],
        "search": lambda: [
            search(bench, place, label, term)
            for label, term in terms(bench.connection, person.area).items()
            for place in places
        ],
        "portal": lambda: public(bench),
        "trace": lambda: [trace(bench, place) for place in places],
        "queries": lambda: [query(bench, place, each) for each in queries.QUERIES for place in places],
        "statistics": lambda: [figure(bench, place, each) for each in figures.PAGES for place in places],
        "assign": lambda: [assign_some(bench), assign_all(bench)],
        "csv": lambda: [export(bench, "csv")],
        "xlsx": lambda: [export(bench, "xlsx")],
        "job": lambda: [export_as_job(bench, "csv"), export_as_job(bench, "xlsx")],
        "import": lambda: [import_sheet(bench, filed=False), import_sheet(bench, filed=True)],
    }
    asked = [make for group, make in groups.items() if only in group or only.startswith(group)]
    made = [job for make in asked or groups.values() for job in make()]
    return [shell(bench), *(job for job in made if only in job.name)]


# --- Pages ---------------------------------------------------------------------------------------


def shell(bench: Bench) -> Job:
    account = prepare.ACCOUNTS[PROVINCE][0]
    ways = {
        "sql": partial(by_hand, partial(sql.shell, bench.connection, account)),
        "bare": partial(by_web, partial(bench.bare.get, f"/empty/?account={account}")),
        "stock": partial(by_web, partial(bench.stock.get, "/empty/")),
        "ours": partial(by_web, partial(bench.ours[PROVINCE].get, "/empty/")),
    }
    return Job("page shell", ways, "ours <= 5 ms and <= 4 statements")


def page(bench: Bench, place: str, number: int) -> Job:
    area = bench.people[place].area
    stock = f"{stock_url(place)}list/?{urlencode(stock_page(place, number))}"
    bare = urlencode({"prefix": area.prefix, "desk": area.desk, "page": number})
    requests = {
        "bare": partial(bench.bare.get, f"/page?{bare}"),
        "stock": partial(bench.stock.get, stock),
        "ours": partial(bench.ours[place].get, f"/assignments/?page={number}"),
    }
    by_sql = partial(sql.page, bench.connection, area, number)
    name = f"list page {number}, {PLACES[place]}"
    agree(name, by_sql(), requests)
    return Job(name, {"sql": partial(by_hand, by_sql), **web(requests)}, "ours <= 5 x bare")


def terms(connection: Any, area: sql.Area) -> dict[str, sql.Term]:
    """A serial number, a short and a longer name, as they occur among the waiting tasks of the province."""
    waiting = f"""
    FROM task t JOIN instrument i ON i.id = t.instrument_id
    WHERE {sql.WAITING} AND {area.tasks}"""
    digits = "substring(i.serial_no from '[0-9]{6}$')"
    number = sql.one(connection, f"SELECT {digits} {waiting} AND {digits} IS NOT NULL ORDER BY i.id LIMIT 1")
    often = "GROUP BY 1 ORDER BY count(*) DESC, 1"
    short = sql.one(connection, f"SELECT right(i.name, 2) {waiting} {often} LIMIT 1")
    longer = sql.one(connection, f"SELECT i.name {waiting} AND length(i.name) >= 5 {often} OFFSET 5 LIMIT 1")
    return {
        f"search serial no. {number}": sql.serial(number),
        f"search name {short}": sql.name(short),
        f"search name {longer}": sql.name(longer),
    }


def search(bench: Bench, place: str, label: str, term: sql.Term) -> Job:
    area = bench.people[place].area
    plans = {plan: partial(find, bench.connection, area, term) for plan, find in sql.SEARCHES.items()}
    plan = min(plans, key=lambda plan: statistics.median(by_hand(plans[plan]).wall for _ in range(5)))
    asked = {"field": term.field, "q": term.text}
    bare = urlencode({"prefix": area.prefix, "desk": area.desk, "plan": plan, **asked})
    column = {"serial": "serial_no", "name": "instrument_name"}[term.field]
    stock = urlencode({f"_flt_{STOCK_CONTAINS}_{column}": term.text, **stock_page(place, 1)})
    requests = {
        "bare": partial(bench.bare.get, f"/search?{bare}"),
        "stock": partial(bench.stock.get, f"{stock_url(place)}list/?{stock}"),
        "ours": partial(bench.ours[place].get, f"/assignments/?{urlencode(asked)}"),
    }
    name = f"{label}, {PLACES[place]}"
    agree(name, plans[plan](), requests)
    return Job(name, {"sql": partial(by_hand, plans[plan]), **web(requests)}, "ours <= 2 x sql + shell")


# The number that Flask-AppBuilder gives its filter "contains" among those of a text column.
STOCK_CONTAINS = 2


def stock_url(place: str) -> str:
    return {PROVINCE: "/provincetasks/", "": "/nationtasks/"}[place]


def stock_page(place: str, number: int) -> dict[str, int]:
    view = {PROVINCE: "ProvinceTasks", "": "NationTasks"}[place]
    return {f"page_{view}": number - 1, f"psize_{view}": sql.PAGE_SIZE}


def web(requests: dict[str, Callable[[], Answer]]) -> dict[str, Way]:
    return {name: partial(by_web, request) for name, request in requests.items()}


def agree(name: str, answer: sql.Answer, requests: dict[str, Callable[[], Answer]]) -> None:
    """All ways must give the same rows and the same number, else there is nothing to compare."""
    rows, total = answer
    ids = [str(row[0]) for row in rows]
    for way in ("bare", "ours"):
        text = requests[way]().text
        if re.findall(r'<tr data-id="(\d+)"', text) != ids:
            raise AssertionError(f"{name}: {way} shows other rows than the SQL by hand")
    said = re.findall(r'data-total="(\d+)', requests["ours"]().text)
    stock = re.findall(r":</strong>\s*(\d+)", requests["stock"]().text)
    if said != [str(total)] or not stock or min(int(stock[0]), sql.COUNT_CAP) != min(total, sql.COUNT_CAP):
        raise AssertionError(f"{name}: {total} by hand, {said} ours, {stock} stock")


def public(bench: Bench) -> list[Job]:
    """What everybody may ask, one after the other and many at once; stock Flask-AppBuilder has nothing of the kind."""
    jobs = []
    for asked in portal.questions(bench.connection, bench.bare, bench.ours[PROVINCE]):
        alone = {way: partial(server.get, url) for way, (server, url) in asked.ways.items()}
        jobs.append(Job(asked.name, {"sql": partial(by_hand, asked.by_hand), **web(alone)}, "ours <= 5 x bare"))
        many: dict[str, Way] = {way: partial(by_many, *where) for way, where in asked.ways.items()}
        jobs.append(Job(f"{asked.name}, {portal.AT_ONCE} at once", many, "ours <= 5 x bare"))
    return jobs


def trace(bench: Bench, place: str) -> Job:
    """The first page of the certificates that name the standard which most of them name, and how many they are."""
    area = bench.people[place].area
    standard = sql.busiest_standard(bench.connection, area)
    ours = partial(bench.ours[place].get, f"/traces/?standard={standard}")
    by_sql = partial(sql.traced, bench.connection, area, standard)
    rows, number = by_sql()
    shown = ours().text
    total = re.findall(r'data-total="(\d+)', shown)
    if re.findall(r'<tr data-id="(\d+)"', shown) != [str(row[0]) for row in rows] or total != [str(number)]:
        raise AssertionError(f"{number} certificates name the standard {standard}, ours says {total}")
    ways = {"sql": partial(by_hand, by_sql), "ours": partial(by_web, ours)}
    return Job(f"trace a standard, {PLACES[place]}", ways, "ours <= 2 x sql + shell")


def query(bench: Bench, place: str, which: queries.Query) -> Job:
    ours, by_sql = queries.ways(bench, place, which)
    ways = {"sql": partial(by_hand, by_sql), "ours": partial(by_web, ours)}
    return Job(f"queries {which.url}, {PLACES[place]}", ways, "ours <= 2 x sql + shell")


def figure(bench: Bench, place: str, which: figures.Page) -> Job:
    ours, by_sql = figures.ways(bench, place, which)
    ways = {"sql": partial(by_hand, by_sql), "ours": partial(by_web, ours)}
    return Job(f"statistics {which.url}, {PLACES[place]}", ways, "ours <= sql + shell")


def by_many(server: Server, url: str) -> Sample:
    return Sample(portal.under_load(server, url) * 1e3)


# --- Assigning -----------------------------------------------------------------------------------


def assign_some(bench: Bench) -> Job:
    person, stock = bench.people[PROVINCE], f"{stock_url(PROVINCE)}action_post"
    where = f"{sql.WAITING} AND {person.area.tasks}"
    found = sql.all_rows(
        bench.connection, f"SELECT t.id FROM task t WHERE {where} ORDER BY t.applied_at, t.id LIMIT {SOME}"
    )
    ids = [row[0] for row in found]
    ours = [("selection", "ids"), *(("id", id) for id in ids)]
    bare = [("id", id) for id in ids]
    ways = assigning(bench, PROVINCE, sql.these(ids), bare, ours, len(ids))
    rowids = [("action", "assign"), *(("rowid", id) for id in ids)]
    ways["stock"] = partial(
        put_back, bench, partial(by_web, partial(bench.stock.post, stock, rowids), (302,)), len(ids)
    )
    return Job(f"assign {len(ids)} tasks", ways, "ours <= 1.5 x sql", heavy=True)


def assign_all(bench: Bench) -> Job:
    day, number = last_day(bench)
    ours = [("selection", "all"), ("filter", f"applied_to={day}"), ("expected", number)]
    ways = assigning(bench, "", sql.until(day), [("until", str(day))], ours, number)
    if bench.full:
        found = sql.all_rows(bench.connection, f"SELECT t.id FROM task t WHERE {sql.WAITING} AND {sql.until(day)}")
        rowids = [("action", "assign"), *(("rowid", row[0]) for row in found)]
        post = partial(bench.stock.post, f"{stock_url('')}action_post", rowids)
        ways["stock"] = partial(put_back, bench, partial(by_web, post, (302,)), number)
    guessed = {} if bench.full else {"stock": (f"assign {SOME}", number / SOME)}
    return Job(f"assign {number} tasks", ways, "ours <= 1.5 x sql", heavy=True, extrapolated=guessed)


def last_day(bench: Bench) -> tuple[date, int]:
    """The day up to which about 100,000 tasks of the nation wait, and how many they are."""
    waiting = sql.one(bench.connection, f"SELECT count(*) FROM task t WHERE {sql.WAITING}")
    skip = min(ALL, waiting) - 1
    order = f"ORDER BY t.applied_at, t.id OFFSET {skip} LIMIT 1"
    place = f"SELECT t.applied_at::date FROM task t WHERE {sql.WAITING} {order}"
    day = sql.one(bench.connection, place)
    return day, sql.one(bench.connection, f"SELECT count(*) FROM task t WHERE {sql.WAITING} AND {sql.until(day)}")


def assigning(
    bench: Bench,
    place: str,
    chosen: str,
    bare: list[tuple[str, Any]],
    ours: list[tuple[str, Any]],
    number: int,
) -> dict[str, Way]:
    """By hand, bare and ours: the same tasks to the same institution, put back after each time."""
    area, to = bench.people[place].area, bench.institution_id
    by_sql = partial(by_hand, partial(sql.assign, bench.connection, chosen, area, to))
    more = [("prefix", area.prefix), ("desk", area.desk), ("institution", to)]
    by_bare = partial(by_web, partial(bench.bare.post, "/assign", [*bare, *more]))
    said = [("csrf_token", bench.token(place)), ("institution_id", to), ("reason", REASON)]
    by_us = partial(by_web, partial(bench.ours[place].post, "/assignments/act/assign", [*ours, *said]), (303,))
    ways = {"sql": by_sql, "bare": by_bare, "ours": by_us}
    return {name: partial(put_back, bench, way, number) for name, way in ways.items()}


def put_back(bench: Bench, way: Way, number: int) -> Sample:
    before = prepare.mark(bench.connection)
    sample = way()
    moved = prepare.restore(bench.connection, before)
    if moved != number:
        raise AssertionError(f"{moved} tasks were assigned instead of {number}")
    return sample


# --- Export --------------------------------------------------------------------------------------


def export(bench: Bench, kind: str) -> Job:
    """Stock Flask-AppBuilder has no export."""
    day, number = last_day(bench)
    write = {"csv": sql.csv, "xlsx": sql.xlsx}[kind]
    ours = {"selection": "all", "filter": f"applied_to={day}", "expected": number, "format": kind}
    ours["csrf_token"] = bench.token("")
    ways = {
        "sql": partial(by_hand, partial(into_file, bench, write, sql.until(day))),
        "bare": partial(by_growing, bench.bare, "/export", {"format": kind, "until": str(day)}),
        "ours": partial(by_growing, bench.ours[""], "/assignments/export", ours),
    }
    # The fastest writer of XLSX ever measured took 1.5 times as long as COPY; it is in no package.
    target = {"csv": "ours <= 1.3 x sql, <= 80 MB", "xlsx": "ours <= 5 x 1.5 x COPY, <= 80 MB"}[kind]
    return Job(f"{kind} of {number} rows", ways, target, heavy=True)


def into_file(bench: Bench, write: Callable[..., None], chosen: str) -> None:
    with tempfile.TemporaryFile() as file:
        write(bench.connection, chosen, file)


def by_growing(server: Server, url: str, fields: dict[str, Any]) -> Sample:
    with server.memory() as grown:
        sample = by_web(partial(server.post, url, fields))
    sample.megabytes = grown[0]
    return sample


def export_as_job(bench: Bench, kind: str) -> Job:
    """All instruments by the worker, beside COPY and beside the fastest writer that is packaged."""
    number = sql.one(bench.connection, "SELECT count(*) FROM instrument")
    ways: dict[str, Way] = {way: partial(exported, way, kind, number) for way in exporting.WAYS}
    target = {"csv": "ours <= 1.3 x COPY, <= 80 MB", "xlsx": "ours <= 1.5 x the fastest writer, <= 80 MB"}[kind]
    return Job(f"job {kind} of {number} rows", ways, target, heavy=True)


def exported(way: str, kind: str, number: int) -> Sample:
    told = exporting.in_own_process(way, kind, prepare.ACCOUNTS[""][0])
    if told["rows"] != number:
        raise AssertionError(f"{told['rows']} instruments were exported instead of {number}")
    return Sample(told["seconds"] * 1e3, {"peak": told["peak"]}, told["grown"])


# --- Import --------------------------------------------------------------------------------------


def import_sheet(bench: Bench, filed: bool) -> Job:
    """Of bare Flask there is nothing to measure: it would do as the SQL by hand does."""
    ways = {way: partial(brought, bench, way, filed) for way in importing.WAYS}
    name = "import and file" if filed else "import"
    return Job(f"{name} {importing.ROWS} rows", ways, "ours <= 1.5 x sql, <= 200 MB", heavy=True)


def brought(bench: Bench, way: str, filed: bool) -> Sample:
    prepare.checkpoint(bench.connection)
    told = importing.in_own_process(way, filed)
    entered = importing.put_back(bench.connection)
    if entered != importing.ROWS:
        raise AssertionError(f"{entered} instruments were imported instead of {importing.ROWS}")
    return Sample(told["seconds"] * 1e3, {"peak": told["peak"]}, told["grown"])
