"""Why our pages take the time they take: the plan of every slow statement, and the profile of a list page."""

import cProfile
import pstats
import time
from typing import Any

from flask import Flask
from sqlalchemy import Engine, event

from bench import jobs
from bench.jobs import PLACES, PROVINCE
from bench.prepare import Person

SLOW = 1.5
ROUNDS = 20


def show(app: Flask, connection: Any, people: dict[str, Person]) -> None:
    """Print both."""
    found = jobs.terms(connection, people[PROVINCE].area)
    urls = ["/assignments/", "/assignments/?page=500"]
    urls += [f"/assignments/?field={term.field}&q={term.text}" for term in found.values()]
    for place in PLACES:
        client = _client(app, people[place])
        for url in urls:
            print(f"\n===== {PLACES[place]} {url}")
            for milliseconds, statement, values, cached in _statements(client, url):
                print(f"--- {milliseconds:.1f} ms, compiled statement {cached}")
                if milliseconds > SLOW:
                    _explain(connection, statement, values)
    _profile(_client(app, people[PROVINCE]))


def _client(app: Flask, person: Person) -> Any:
    client = app.test_client()
    with client.session_transaction() as session:
        session.update({"_user_id": person.token, "_fresh": True, "locale": "zh"})
    return client


def _statements(client: Any, url: str) -> list[tuple[float, str, Any, str]]:
    """The statements of a request that is made for the second time."""
    seen: list[tuple[float, str, Any, str]] = []
    began = 0.0

    def begin(*_: Any) -> None:
        nonlocal began
        began = time.perf_counter()

    def end(_connection: Any, _cursor: Any, statement: str, values: Any, context: Any, _many: bool) -> None:
        cached = context.cache_hit.name if context.compiled is not None else "not compiled"
        seen.append(((time.perf_counter() - began) * 1e3, statement, values, cached))

    client.get(url)
    event.listen(Engine, "before_cursor_execute", begin)
    event.listen(Engine, "after_cursor_execute", end)
    try:
        assert client.get(url).status_code == 200
    finally:
        event.remove(Engine, "before_cursor_execute", begin)
        event.remove(Engine, "after_cursor_execute", end)
    return seen


def _explain(connection: Any, statement: str, values: Any) -> None:
    with connection.cursor() as cursor:
        plain = cursor.mogrify(statement, values).decode()
        cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS) {plain}")
        print(plain, *(line for (line,) in cursor.fetchall()), sep="\n")


def _profile(client: Any) -> None:
    profile = cProfile.Profile()
    client.get("/assignments/")
    with profile:
        for _ in range(ROUNDS):
            client.get("/assignments/")
    print(f"\n===== profile of {ROUNDS} list pages")
    pstats.Stats(profile).strip_dirs().sort_stats("cumulative").print_stats(60)
