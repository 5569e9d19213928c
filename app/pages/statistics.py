"""数据统计: instruments, inspection rate, pass rate and workload, by region down to the county, kind or institution."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from io import BytesIO
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from flask import abort, g, render_template, request, send_file
from flask_appbuilder import expose
from flask_babel import gettext as _, lazy_gettext as _l

from app import audit, spreadsheet
from app.domain import regions, statistics
from app.domain.ledger import PURPOSES
from app.domain.statistics import Period, Row, Statistic
from app.fabkit.exports import stamp
from app.fabkit.filters import is_number
from app.fabkit.formats import ZONE
from app.fabkit.pages import Page
from app.fabkit.security import permitted
from app.models import db
from app.states import USE_LABELS, VERIFICATION_LABELS

COUNT, RATE, POINTS = "count", "rate", "points"
REGION, KIND, INSTITUTION = _l("Region"), _l("Kind"), _l("Institution")


@dataclass(frozen=True)
class Head:
    """A column of figures."""

    name: str
    label: Any
    kind: str = COUNT


@dataclass(frozen=True)
class Asked:
    """What a person asks of a statistic."""

    code: str
    over: Period
    by_kind: bool

    @property
    def params(self) -> dict[str, str]:
        told = {"region": self.code, "from": f"{self.over.first:%Y-%m}", "to": f"{self.over.last:%Y-%m}"}
        return {**told, "by": "kind"} if self.by_kind else told


class StatisticPage(Page):
    """A statistic as a table with bars, and as a workbook to hand on.

    `by_region` asks for it, and `by_kind` if it `has_kinds`; `charted` is the column that the bars show.
    """

    default_view = "index"
    title: Any
    subtitle: Any
    heads: tuple[Head, ...]
    charted: str
    line: Any = REGION
    has_period = has_kinds = False

    def by_region(self, asked: Asked) -> Statistic:
        raise NotImplementedError

    def by_kind(self, asked: Asked) -> Statistic:
        raise NotImplementedError

    @expose("/", methods=["GET"])
    @permitted("list")
    def index(self) -> Any:
        asked = _asked(request.args)
        found = self._found(asked)
        most = max((row.values[self.charted] or 0 for row in found.rows), default=0)
        return render_template(
            "statistics.html",
            page=self,
            asked=asked,
            found=found,
            most=most or 1,
            way=regions.way_down(asked.code, g.principal),
            presets=_presets(),
            line=KIND if self._is_by_kind(asked) else self.line,
            drills=not self._is_by_kind(asked) and self.line is REGION,
            url=lambda **changed: f"{self.route_base}/?{urlencode({**asked.params, **changed})}",
            cell=cell,
            may_export=self.allowed("can_export"),
        )

    @expose("/export", methods=["POST"])
    @permitted("export")
    def export(self) -> Any:
        """The ticked lines, or all of them, as a workbook with a chart."""
        asked, ticked = _asked(request.form), set(request.form.getlist("row"))
        found = self._found(asked)
        rows = _chosen(found, ticked)
        if not rows:
            abort(400)
        content = self._book(asked, found, rows)
        audit.record("export", "page", None, str(self.title), format="xlsx", filter=urlencode(asked.params),
                     rows=len(rows))  # fmt: skip
        db.session.commit()
        name = f"{self.title}-{datetime.now(ZoneInfo(ZONE)):%Y%m%d-%H%M}.xlsx"
        return send_file(BytesIO(content), mimetype=spreadsheet.KINDS["xlsx"], as_attachment=True, download_name=name)

    def workbook(self, asked: Asked, ticked: Collection[str] = ()) -> bytes:
        """The ticked lines, or all of them, as a workbook; also where nobody waits for it."""
        found = self._found(asked)
        return self._book(asked, found, _chosen(found, ticked))

    def _book(self, asked: Asked, found: Statistic, rows: list[Row]) -> bytes:
        return spreadsheet.report(
            str(self.title),
            self._facts(asked, len(rows), len(found.rows), datetime.now(ZoneInfo(ZONE))),
            [str(KIND if self._is_by_kind(asked) else self.line), *(str(head.label) for head in self.heads)],
            [[row.name, *(row.values[head.name] for head in self.heads)] for row in rows],
            [_("Total of all lines"), *(found.total[head.name] for head in self.heads)],
            [head.kind != COUNT for head in self.heads],
            1 + [head.name for head in self.heads].index(self.charted),
            stamp(),
        )

    def _is_by_kind(self, asked: Asked) -> bool:
        return asked.by_kind and self.has_kinds

    def _found(self, asked: Asked) -> Statistic:
        return self.by_kind(asked) if self._is_by_kind(asked) else self.by_region(asked)

    def _facts(self, asked: Asked, shown: int, of: int, now: datetime) -> list[tuple[str, str]]:
        place = "".join(name for _code, name in regions.way_down(asked.code, g.principal)) or _("The whole country")
        over = [(_("Months"), f"{asked.over.first:%Y-%m} - {asked.over.last:%Y-%m}")] if self.has_period else []
        return [
            (_("Region"), place),
            *over,
            (_("Lines"), _("%(shown)s of %(all)s", shown=shown, all=of)),
            (_("Made by"), f"{g.principal.name}, {g.principal.organization}"),
            (_("Made at"), f"{now:%Y-%m-%d %H:%M}"),
        ]


def _chosen(found: Statistic, ticked: Collection[str]) -> list[Row]:
    return [row for row in found.rows if row.key in ticked] if ticked else found.rows


def cell(head: Head, values: Mapping[str, Any]) -> str:
    """A figure as it is read: 0 is a zero, -- is a rate of nothing."""
    value = values[head.name]
    if value is None:
        return "--"
    if head.kind == COUNT:
        return f"{value:,}"
    return f"{value:+.2f}" if head.kind == POINTS else f"{value:.2f}%"


def _asked(given: Any) -> Asked:
    code = given.get("region", "")
    code = regions.asked(code, g.principal) if is_number(code) else g.principal.region_code
    over = statistics.period(_month(given.get("from", "")), _month(given.get("to", "")))
    return Asked(code, over, given.get("by") == "kind")


def _month(text: str) -> date | None:
    try:
        return date.fromisoformat(f"{text}-01")
    except ValueError:
        return None


def _presets() -> list[tuple[Any, str, str]]:
    """(name, first month, last month)."""
    now = statistics.period(None, None)
    this = now.last
    spans = (
        (_("This month"), Period(this, this)),
        (_("Last month"), Period(this, this).earlier(1)),
        (_("This year"), now),
        (_("Last year"), Period(date(this.year - 1, 1, 1), date(this.year - 1, 12, 1))),
    )
    return [(name, f"{span.first:%Y-%m}", f"{span.last:%Y-%m}") for name, span in spans]


class InstrumentStatistics(StatisticPage):
    """强检器具统计."""

    route_base = "/statistics/instruments"
    class_permission_name = "InstrumentStatistics"
    title = _l("Instruments in figures")
    subtitle = _l("What is filed, by purpose and by use.")
    charted = "filed"
    heads = (
        Head("filed", _l("Filed instruments")),
        *(Head(purpose, word) for purpose, word in PURPOSES.items()),
        *(Head(state, word) for state, word in USE_LABELS.items()),
    )

    def by_region(self, asked: Asked) -> Statistic:
        return statistics.instruments(asked.code, g.principal)


class InspectionRateStatistics(StatisticPage):
    """强检器具受检率统计."""

    route_base = "/statistics/inspection-rate"
    class_permission_name = "InspectionRateStatistics"
    title = _l("Inspection rate in figures")
    subtitle = _l("Of what is filed and in use, what has a valid verification today.")
    charted = "rate"
    has_kinds = True
    heads = (
        Head("due", _l("To be verified")),
        Head("verified", _l("With a valid verification")),
        *(Head(state, VERIFICATION_LABELS[state]) for state in ("overdue", "failed", "unverified")),
        Head("rate", _l("Inspection rate"), RATE),
    )

    def by_region(self, asked: Asked) -> Statistic:
        return statistics.inspection_rate(asked.code, g.principal)

    def by_kind(self, asked: Asked) -> Statistic:
        return statistics.inspection_rate_by_kind(asked.code)


class PassRateStatistics(StatisticPage):
    """检定合格率统计."""

    route_base = "/statistics/pass-rate"
    class_permission_name = "PassRateStatistics"
    title = _l("Pass rate in figures")
    subtitle = _l(
        "What passed of the results of the months, beside the same months a year before and those just before."
    )
    charted = "rate"
    has_kinds = True
    has_period = True
    heads = (
        Head("results", _l("Results")),
        Head("passed", _l("Passed")),
        Head("failed", _l("Failed")),
        Head("rate", _l("Pass rate"), RATE),
        Head("year_before_results", _l("Results a year before")),
        Head("year_before_rate", _l("Pass rate a year before"), RATE),
        Head("year_before_points", _l("Against a year before, points"), POINTS),
        Head("before_results", _l("Results just before")),
        Head("before_rate", _l("Pass rate just before"), RATE),
        Head("before_points", _l("Against just before, points"), POINTS),
    )

    def by_region(self, asked: Asked) -> Statistic:
        return statistics.pass_rate(asked.code, asked.over, g.principal)

    def by_kind(self, asked: Asked) -> Statistic:
        return statistics.pass_rate_by_kind(asked.code, asked.over)


class WorkloadStatistics(StatisticPage):
    """检定机构业务量统计."""

    route_base = "/statistics/workload"
    class_permission_name = "WorkloadStatistics"
    title = _l("Workload of institutions")
    subtitle = _l("What each institution was offered in the region, what it took, returned, verified and certified.")
    charted = "certified"
    line = INSTITUTION
    has_period = True
    heads = (
        Head("offered", _l("Tasks offered")),
        Head("accepted", _l("Tasks accepted")),
        Head("returned", _l("Tasks returned")),
        Head("recorded", _l("Results recorded")),
        Head("certified", _l("Tasks certified")),
        Head("results", _l("Results in force")),
        Head("passed", _l("Passed")),
        Head("rate", _l("Pass rate"), RATE),
    )

    def by_region(self, asked: Asked) -> Statistic:
        return statistics.workload(asked.code, asked.over)
