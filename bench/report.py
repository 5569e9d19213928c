"""The tables: medians, ratios, whether the targets are met, and where our time goes."""

import json
import os
import platform
import statistics
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from bench.jobs import WAYS, Job, Sample

RESULTS = Path(__file__).parent / "results"


@dataclass
class Result:
    """What was measured of one job."""

    job: Job
    samples: dict[str, list[Sample]] = field(default_factory=dict)

    def median(self, way: str) -> float | None:
        """Milliseconds; None if the way cannot do the job."""
        found = [sample.wall for sample in self.samples.get(way, ())]
        return statistics.median(found) if found else None

    def is_guess(self, way: str) -> bool:
        return way in self.job.extrapolated

    def told(self, way: str, what: str) -> float | None:
        found = [sample.timing[what] for sample in self.samples.get(way, ()) if what in sample.timing]
        return statistics.median(found) if found else None

    def megabytes(self, way: str) -> float | None:
        found = [sample.megabytes for sample in self.samples.get(way, ()) if sample.megabytes is not None]
        return max(found) if found else None


Results = Mapping[str, Result]


def is_met(result: Result, results: Results) -> bool | None:
    """Whether our way reaches its target; None if what it is compared with was not measured."""
    ours, by_sql, bare = (result.median(way) for way in ("ours", "sql", "bare"))
    name = result.job.name
    if name.startswith(("list", "portal")):
        return ours <= 5 * bare if ours is not None and bare is not None else None
    if ours is None or by_sql is None or (bare is None and "bare" in result.job.ways):
        return None
    if name.startswith("import"):
        return ours <= 1.5 * by_sql and (result.megabytes("ours") or 0) <= 200
    if name.startswith("job"):
        return ours <= (1.3 if "csv" in name else 1.5) * by_sql and (result.megabytes("ours") or 0) <= 80
    if name.startswith(("search", "trace", "queries")):
        shell = _median(results, "page shell", "ours")
        return ours <= 2 * by_sql + shell if shell is not None else None
    if name.startswith("statistics"):
        shell = _median(results, "page shell", "ours")
        return ours <= by_sql + shell if shell is not None else None
    if bare is None:
        return None
    if name == "page shell":
        return ours <= 5 and (result.told("ours", "statements") or 0) <= 4
    if name.startswith("assign"):
        return ours <= 1.5 * by_sql
    small = (result.megabytes("ours") or 0) <= 80
    if name.startswith("csv"):
        return small and ours <= 1.3 * by_sql
    copied = _median(results, "csv", "sql")
    return small and ours <= 5 * 1.5 * copied if copied is not None else None


def _median(results: Results, beginning: str, way: str) -> float | None:
    return next((r.median(way) for name, r in results.items() if name.startswith(beginning)), None)


# --- Tables --------------------------------------------------------------------------------------


def markdown(results: Results, about: dict[str, Any]) -> str:
    lines = [f"# {about['instruments']} instruments, {about['date']}", ""]
    lines += [f"- {name}: {value}" for name, value in about.items()]
    lines += ["", "Medians in milliseconds; `~` is extrapolated from fewer tasks.", "", *_main(results)]
    lines += ["", "Where the time of our pages goes, in milliseconds:", "", *_split(results)]
    return "\n".join([*lines, ""])


def _main(results: Results) -> list[str]:
    heads = [
        "job",
        *WAYS,
        "ours/sql",
        "ours/bare",
        "stock/ours",
        "statements stock",
        "ours",
        "MB bare",
        "ours",
    ]
    rows = [[*_cells(result, results), result.job.target, _met(is_met(result, results))] for result in results.values()]
    return _table([*heads, "target", "met"], rows)


def _cells(result: Result, results: Results) -> list[str]:
    times = {way: _time(result, way, results) for way in WAYS}
    shown = [("~" if result.is_guess(way) else "") + _number(time) for way, time in times.items()]
    pairs = (("ours", "sql"), ("ours", "bare"), ("stock", "ours"))
    ratios = [_number(_ratio(times[above], times[below])) for above, below in pairs]
    statements = [_number(result.told(way, "statements"), 0) for way in ("stock", "ours")]
    megabytes = [_number(result.megabytes(way), 0) for way in ("bare", "ours")]
    return [result.job.name, *shown, *ratios, *statements, *megabytes]


def _time(result: Result, way: str, results: Results) -> float | None:
    if not result.is_guess(way):
        return result.median(way)
    smaller, times = result.job.extrapolated[way]
    known = _median(results, smaller, way)
    return known * times if known is not None else None


def _ratio(above: float | None, below: float | None) -> float | None:
    return above / below if above is not None and below else None


def _split(results: Results) -> list[str]:
    rows = []
    for name, result in results.items():
        sql, page, whole = (result.told("ours", what) for what in ("sql", "page", "all"))
        wall = result.median("ours")
        if sql is not None and page is not None and whole is not None and wall is not None:
            rest = whole - sql - page
            rows.append([name, *(_number(ms) for ms in (sql, page, rest, wall - whole, wall))])
    return _table(["job", "SQL", "templates", "filters, access, framework", "server, network", "all"], rows)


def _table(heads: list[str], rows: list[list[str]]) -> list[str]:
    return [_line(heads), _line(["---"] + ["---:"] * (len(heads) - 1)), *map(_line, rows)]


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _number(value: float | None, digits: int | None = None) -> str:
    if value is None:
        return "-"
    if digits is None:
        digits = 2 if value < 10 else 1 if value < 100 else 0
    return f"{value:.{digits}f}"


def _met(met: bool | None) -> str:
    return {True: "yes", False: "**no**", None: "-"}[met]


# --- Files ---------------------------------------------------------------------------------------


def environment(versions: dict[str, Any]) -> dict[str, Any]:
    return {
        "date": f"{datetime.now():%Y-%m-%d}",
        **versions,
        "Python": platform.python_version(),
        "processors": os.cpu_count(),
        "web ways": "waitress, one process with four threads each, over loopback, one connection, body included",
        "xlsx by sql and bare": "XlsxWriter with constant memory, fed by a server cursor",
    }


def write(results: Results, about: dict[str, Any], text: str) -> Path:
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{about['date']}-{about['instruments']}.md"
    path.write_text(text, encoding="utf-8")
    samples = {
        name: {way: [asdict(sample) for sample in samples] for way, samples in result.samples.items()}
        for name, result in results.items()
    }
    path.with_suffix(".json").write_text(json.dumps({"about": about, "samples": samples}, indent=1))
    return path
