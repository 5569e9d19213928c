"""Prepare the database, start the applications, measure every job by every way in turn, print the tables."""

import argparse
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from flask import Flask
from flask.sessions import SecureCookieSessionInterface

import app
from bench import insight, jobs, prepare, report, sql
from bench.jobs import PLACES, PROVINCE, Bench, Job
from bench.prepare import Person
from bench.report import Result
from bench.servers import Server, serving

LIGHT_REPEATS = 10
HEAVY_ROUNDS = 3


def main() -> None:
    options = arguments()
    application, url = app.create_app(), os.environ["DATABASE_URL"]
    connection = sql.connect(url)
    prepare.database(connection, options.instruments)
    people = prepare.people(application)
    prepare.importer(application)
    prepare.waiting(application, connection)
    if options.plans:
        insight.show(application, connection, people)
        return
    with measuring(application, connection, people, options.full) as bench:
        results = measure(jobs.every(bench, options.only or ""), options.rounds)
        about = report.environment(versions(connection, options))
    text = report.markdown(results, about)
    print(text)
    print("written to", report.write(results, about, text).relative_to(report.RESULTS.parent.parent))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="run.py bench", description=__doc__)
    parser.add_argument("--instruments", type=int, default=20_000, help="how many there are (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="how often each job has its turn (default: %(default)s)")
    parser.add_argument("--only", help="only jobs with this in their name")
    parser.add_argument("--full", action="store_true", help="let stock assign 100,000 tasks too: takes minutes")
    parser.add_argument("--plans", action="store_true", help="only show the plans and the profile of our pages")
    return parser.parse_args()


@contextmanager
def measuring(application: Flask, connection: Any, people: dict[str, Person], full: bool) -> Iterator[Bench]:
    institution_id = sql.one(
        connection,
        "SELECT o.id FROM organization o JOIN institution ON organization_id = o.id"
        f" WHERE o.active AND o.region_code LIKE '{PROVINCE}%' ORDER BY o.id LIMIT 1",
    )
    with ExitStack() as stack:
        sql.run(connection, "CREATE SCHEMA IF NOT EXISTS stock")
        more = {"BENCH_INSTITUTION": str(institution_id)}
        servers = {name: stack.enter_context(serving(name, more)) for name in ("ours", "bare", "stock")}
        ours = {place: Server("ours", servers["ours"].port, servers["ours"].process) for place in PLACES}
        for place, server in ours.items():
            server.cookie = cookie(application.session_interface, application, people[place].token)
        number = sql.one(connection, "SELECT id FROM stock.ab_user WHERE username = 'bench-stock'")
        servers["stock"].cookie = cookie(SecureCookieSessionInterface(), application, str(number))
        yield Bench(application, connection, people, ours, servers["bare"], servers["stock"], institution_id, full)


def cookie(sessions: Any, application: Flask, user: str) -> str:
    """A session as after login; both applications sign with the same key, stock with the digest of Flask."""
    signer = sessions.get_signing_serializer(application)
    return f"session={signer.dumps({'_user_id': user, '_fresh': True, 'locale': 'zh'})}"


def measure(chosen: list[Job], rounds: int) -> dict[str, Result]:
    """Every way in turn, over and over, so that what disturbs one disturbs all."""
    results = {job.name: Result(job, {way: [] for way in job.ways}) for job in chosen}
    for job in chosen:
        if not job.heavy:
            for way in list(job.ways.values()) * 3:
                way()
    for number in range(rounds):
        for job in chosen:
            if job.heavy and number >= HEAVY_ROUNDS:
                continue
            print(f"round {number + 1}/{rounds}: {job.name}", flush=True)
            one_round(job, results[job.name], number)
    return results


def one_round(job: Job, result: Result, number: int) -> None:
    names = list(job.ways)
    for repeat in range(1 if job.heavy else LIGHT_REPEATS):
        first = (number + repeat) % len(names)
        for way in names[first:] + names[:first]:
            result.samples[way].append(job.ways[way]())


def versions(connection: Any, options: argparse.Namespace) -> dict[str, Any]:
    return {
        "instruments": options.instruments,
        "tasks waiting": sql.one(connection, f"SELECT count(*) FROM task t WHERE {sql.WAITING}"),
        "rounds": options.rounds,
        "PostgreSQL": sql.one(connection, "SHOW server_version"),
        "checkpoint before each assignment": "yes" if prepare.may_checkpoint(connection) else "no, not allowed",
    }


if __name__ == "__main__":
    main()
