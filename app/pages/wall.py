"""大屏: the area of an office in large figures, for a screen on the wall; they come anew each minute.

Asking for them does not prolong the session: a screen at which nobody sits is signed out like any other.
"""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from flask import g, render_template
from flask_appbuilder import expose

from app.domain import figures, home, statistics, tallies
from app.domain.statistics import REGION, Question, Row, Statistic
from app.fabkit.formats import ZONE
from app.fabkit.pages import Page
from app.fabkit.security import permitted
from app.pages.home import drawn
from app.states import AT_INSTITUTION, AWAITING_AUTHORITY, TASK_LABELS, TASK_STATES

# So many regions stand at the top and at the bottom of the ranking.
ENDS = 5
SHOWN_STATES = [state for state in TASK_STATES if state in AWAITING_AUTHORITY | AT_INSTITUTION]


class Wall(Page):
    """大屏."""

    route_base = "/wall"
    class_permission_name = "Wall"
    default_view = "index"

    @expose("/", methods=["GET"])
    @permitted("list")
    def index(self) -> Any:
        return render_template("wall/index.html", **_figures())

    @expose("/figures", methods=["GET"])
    @permitted("list")
    def figures(self) -> Any:
        """The figures alone, as they are now."""
        return render_template("wall/_figures.html", **_figures())


def _figures() -> dict[str, Any]:
    who, year = g.principal, statistics.period(None, None)

    def told(question: Question) -> Statistic:
        return statistics.ask(question, REGION, who.region_code, year, who)

    due = told(figures.INSPECTION_RATE)
    tasks = tallies.tasks_by_state()
    return {
        "instruments": told(figures.INSTRUMENTS).total["in_use"],
        "due": due.total,
        "results": told(figures.PASS_RATE).total,
        "tasks": [(state, TASK_LABELS[state], tasks.get(state, 0)) for state in SHOWN_STATES],
        "week": drawn(home.week(who), height=380),
        "ranking": _ranking(due),
        "now": f"{datetime.now(ZoneInfo(ZONE)):%H:%M}",
    }


def _ranking(due: Statistic) -> list[tuple[int, Row]]:
    """(place, region) of the highest inspection rates and of the lowest; all of them if they are few."""
    rated = [row for row in due.rows if row.values["rate"] is not None]
    placed = list(enumerate(sorted(rated, key=lambda row: row.values["rate"], reverse=True), 1))
    return placed if len(placed) <= 2 * ENDS else [*placed[:ENDS], *placed[-ENDS:]]
