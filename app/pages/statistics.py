"""数据统计: figures by region down to the county, by kind or institution, as a table, a chart and a workbook."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from io import BytesIO
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from flask import abort, g, render_template, request
from flask_appbuilder import expose
from flask_babel import gettext as _, lazy_gettext as _l

from app import audit, spreadsheet
from app.counting import BEYOND, LATE, UNMATCHED
from app.domain import figures, regions, statistics, thresholds
from app.domain.ledger import PURPOSES
from app.domain.statistics import (
    BEFORE,
    INSTITUTION,
    KIND,
    MONTH,
    NO_INSTITUTION,
    OWN,
    REGION,
    YEAR_BEFORE,
    Period,
    Question,
    Row,
    Statistic,
)
from app.fabkit.downloads import attachment
from app.fabkit.exports import stamp
from app.fabkit.filters import is_number
from app.fabkit.formats import ZONE
from app.fabkit.pages import Page
from app.fabkit.security import permitted, takes_key
from app.models import db
from app.states import USE_LABELS, VERIFICATION_LABELS

COUNT, RATE, POINTS, MEAN, GROWTH = "count", "rate", "points", "mean", "growth"
# What there is more of is in the workbook.
MOST_SHOWN = 200
LINES = {REGION: _l("Region"), KIND: _l("Kind"), INSTITUTION: _l("Institution"), MONTH: _l("Month")}
BY = {REGION: _l("By region"), KIND: _l("By kind"), INSTITUTION: _l("By institution")}


@dataclass(frozen=True)
class Details:
    """Where the rows behind the figures are listed (详情): `month` is its filter of days, if they are of a period."""

    page: str
    permission: str
    month: str = ""
    filters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Head:
    """A column of figures. `rows` are the filters that show what was counted, in `details` or in those of its page."""

    name: str
    label: Any
    kind: str = COUNT
    rows: Mapping[str, str | tuple[str, ...]] | None = None
    details: Details | None = None


@dataclass(frozen=True)
class Alarm:
    """预警: a figure that is worse than a threshold is marked. `label` says so; the threshold and its unit follow.

    `any` marks every line that has such a figure at all: then the threshold is part of what is asked.
    """

    name: str
    head: str
    label: Any
    unit: Any
    usual: Decimal
    worse: str = "above"
    any: bool = False

    def rings(self, values: Mapping[str, Any], threshold: Decimal) -> bool:
        value = values[self.head]
        if value is None:
            return False
        if self.any:
            return bool(value)
        return bool(value > threshold) if self.worse == "above" else bool(value < threshold)


@dataclass(frozen=True)
class Asked:
    """What a person asks of a statistic."""

    code: str
    over: Period
    line: str
    sort: str = ""
    threshold: Decimal = Decimal(0)

    @property
    def params(self) -> dict[str, str]:
        told = {"region": self.code, "from": f"{self.over.first:%Y-%m}", "to": f"{self.over.last:%Y-%m}"}
        return {**told, "by": self.line, **({"sort": self.sort} if self.sort else {})}


class StatisticPage(Page):
    """A statistic as a table and a chart, and as a workbook to hand on.

    `question` is asked of each of `lines`, the first if none is named; `charted` is the column that the chart shows,
    and by which the lines are ranked.
    """

    default_view = "index"
    title: Any
    subtitle: Any
    heads: tuple[Head, ...]
    charted: str
    question = Question()
    lines: tuple[str, ...] = (REGION,)
    has_period = False
    # Results of kinds are counted by city: of a county there are none.
    kinds_by_city = False
    # The columns of the months, if they are others than those of the lines.
    monthly: tuple[Head, ...] = ()
    alarm: Alarm | None = None
    details: Details | None = None

    def found(self, asked: Asked) -> Statistic:
        found = statistics.ask(self.question, asked.line, asked.code, asked.over, g.principal)
        return replace(found, rows=[row for row in found.rows if row.key != NO_INSTITUTION or self._tells(row)])

    def _tells(self, row: Row) -> bool:
        """Whether any column has something to tell of a line."""
        return any(row.values[head.name] for head in self.heads)

    @property
    def heads_of_months(self) -> Sequence[Head]:
        """The columns of single months: a month is compared with no other."""
        return self.monthly or [head for head in self.heads if not head.name.startswith((YEAR_BEFORE, BEFORE))]

    def trend(self, asked: Asked, found: Statistic) -> list[Row]:
        """The months of the period one by one: what happened in each, or what stood at its end."""
        return self.by_month(asked, found, asked.over) if self.has_period else []

    def by_month(self, asked: Asked, found: Statistic, over: Period) -> list[Row]:
        if over.months < 2:
            return []
        months = statistics.ask(self.question, MONTH, asked.code, over, g.principal).rows
        if self.question.stands and over.is_open:
            months.append(Row(over.last.isoformat(), f"{over.last:%Y-%m}", found.total))
        return months if len(months) > 1 else []

    @expose("/", methods=["GET"])
    @permitted("list")
    def index(self) -> Any:
        asked = self.asked(request.args)
        found = self.found(asked)
        return render_template(
            "statistics.html",
            page=self,
            asked=asked,
            rows=self.ranked(found.rows, asked.sort)[:MOST_SHOWN],
            all_lines=len(found.rows),
            total=found.total,
            months=self.trend(asked, found),
            monthly=self.heads_of_months,
            is_marked=lambda head, values: self.is_marked(head, values, asked),
            charted=asked.sort.removeprefix("-") or self.charted,
            ringing=self._ringing(found.rows, asked),
            way=regions.way_down(asked.code, g.principal),
            presets=_presets(),
            as_of=self._as_of(asked),
            by=[(line, BY[line]) for line in self.lines_of(asked)],
            line=LINES[asked.line],
            drills=lambda row: asked.line == REGION and row.key not in (asked.code, OWN),
            url=lambda **changed: f"{self.route_base}/?{urlencode({**asked.params, **changed})}",
            sorted_by=lambda head: f"-{head.name}" if asked.sort == head.name else head.name,
            rows_of=self._rows_of(asked),
            cell=cell,
            may_export=self.allowed("can_export"),
            may_set=self.allowed("can_set_threshold"),
        )

    @expose("/export", methods=["POST"])
    @takes_key
    @permitted("export")
    def export(self) -> Any:
        """The ticked lines, or all of them, as a workbook with a chart."""
        asked, ticked = self.asked(request.form), set(request.form.getlist("row"))
        found = self.found(asked)
        rows = [row for row in self.ranked(found.rows, asked.sort) if not ticked or row.key in ticked]
        if not rows:
            abort(400)
        content = self.book(asked, found, rows)
        audit.record("export", "page", None, str(self.title), format="xlsx", filter=urlencode(asked.params),
                     rows=len(rows))  # fmt: skip
        db.session.commit()
        name = f"{self.title}-{datetime.now(ZoneInfo(ZONE)):%Y%m%d-%H%M}.xlsx"
        return attachment(BytesIO(content), name, spreadsheet.KINDS["xlsx"])

    def book(self, asked: Asked, found: Statistic, rows: Sequence[Row]) -> bytes:
        """Some of the lines that were found, as a workbook that says what it is, of when and by whom."""
        return spreadsheet.report(
            str(self.title),
            self._facts(asked, len(rows), len(found.rows), datetime.now(ZoneInfo(ZONE))),
            [str(LINES[asked.line]), *(str(head.label) for head in self.heads)],
            [self._line(row.name, row.values) for row in rows],
            self._totals(found, rows),
            [head.kind for head in self.heads],
            1 + [head.name for head in self.heads].index(self.charted),
            stamp(),
        )

    def _line(self, name: str, values: Mapping[str, Any]) -> list[Any]:
        return [name, *(values[head.name] for head in self.heads)]

    def _totals(self, found: Statistic, rows: Sequence[Row]) -> list[list[Any]]:
        """The total of the lines that stand above it, and that of all lines if some are left out."""
        if len(rows) == len(found.rows):
            return [self._line(_("Total of all lines"), found.total)]
        shown = self._line(_("Total of these lines"), found.total_of([row.key for row in rows]))
        return [shown, self._line(_("Total of all %(number)s lines", number=len(found.rows)), found.total)]

    def asked(self, given: Any) -> Asked:
        """What is asked; of what cannot be, what comes next to it."""
        code = given.get("region", "")
        code = regions.asked(code, g.principal) if is_number(code) else g.principal.region_code
        over = statistics.period(_month(given.get("from", "")), _month(given.get("to", "")))
        known = {head.name for head in self.heads}
        sort, line = given.get("sort", ""), given.get("by", "")
        asked = Asked(code, over, line, sort if sort.removeprefix("-") in known else "", self._threshold())
        lines = self.lines_of(asked)
        return asked if line in lines else replace(asked, line=lines[0])

    def _threshold(self) -> Decimal:
        if self.alarm is None:
            return Decimal(0)
        found = thresholds.of(self.alarm.name, g.principal)
        return self.alarm.usual if found is None else found

    def lines_of(self, asked: Asked) -> list[str]:
        """By what it can be told of a region and period."""
        by_city = self.kinds_by_city or self._is_past(asked)
        left_out = {KIND} if by_city and not asked.code.endswith("00") else set()
        if asked.code == regions.NATION and "work" in self.question.subjects:
            left_out.add(INSTITUTION)  # thousands of them, each counted in every county and month
        return [line for line in self.lines if line not in left_out]

    def ranked(self, rows: Sequence[Row], sort: str) -> list[Row]:
        """By a column: its name the most first, with a minus the least, those without a value last.

        In their own order if none is named and all can be shown.
        """
        if not sort and len(rows) <= MOST_SHOWN:
            return list(rows)
        sort = sort or self.charted
        name = sort.removeprefix("-")
        told = sorted((row for row in rows if row.values[name] is not None), key=lambda row: row.values[name])
        return [*(told if sort.startswith("-") else reversed(told)), *(row for row in rows if row.values[name] is None)]

    def _is_past(self, asked: Asked) -> bool:
        """Whether it is told of something as it stood, and does not stand now."""
        return self.has_period and self.question.stands and not asked.over.is_open

    def _as_of(self, asked: Asked) -> str:
        """Of what stands: when it stood so."""
        if not (self.question.stands and self.has_period):
            return ""
        if asked.over.is_open:
            return _("As of now")
        return _("As of the end of %(month)s", month=f"{asked.over.last:%Y-%m}")

    def is_marked(self, head: Head, values: Mapping[str, Any], _asked: Asked) -> bool:
        """Whether a figure of a line is worse than it may be, by itself."""
        return head is ISSUED_BEYOND and bool(values[head.name])

    def _ringing(self, rows: Sequence[Row], asked: Asked) -> set[str]:
        return {row.key for row in rows if self.alarm and self.alarm.rings(row.values, asked.threshold)}

    def _rows_of(self, asked: Asked) -> Callable[[Head, str | None], str | None]:
        """The address of the rows behind a figure of a line, or of all of them."""
        line = {REGION: "region", KIND: "item", INSTITUTION: "institution"}[asked.line]
        lists = {} if self._is_past(asked) else self._lists(asked)
        of_all = {name: _address(page, told) for name, (page, told) in lists.items()}
        # There are hundreds of figures: the addresses of a column's lines are the same but for the line at their end.
        of_each = {
            name: _address(page, {each: value for each, value in told.items() if each != line} | {line: ""})
            for name, (page, told) in lists.items()
        }

        def address(head: Head, key: str | None) -> str | None:
            if key is None:
                return of_all.get(head.name)
            return f"{of_each[head.name]}{key}" if key not in (OWN, NO_INSTITUTION) and head.name in of_each else None

        return address

    def _lists(self, asked: Asked) -> dict[str, tuple[str, dict[str, Any]]]:
        """By column: the list of the rows behind its figures, and what is asked of it, as far as one may list them."""
        last = (asked.over.last.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)
        found: dict[str, tuple[str, dict[str, Any]]] = {}
        for head in self.heads:
            details = head.details or self.details
            if details is None or head.rows is None or not self._may_list(details):
                continue
            days = {f"{details.month}_from": asked.over.first.isoformat(), f"{details.month}_to": last.isoformat()}
            told = {"region": asked.code, **details.filters, **head.rows, **(days if details.month else {})}
            found[head.name] = details.page, {name: value for name, value in told.items() if value != regions.NATION}
        return found

    def _may_list(self, details: Details) -> bool:
        return bool(self.appbuilder.sm.has_access("can_list", details.permission))

    def _facts(self, asked: Asked, shown: int, of: int, now: datetime) -> list[tuple[str, str]]:
        place = "".join(name for _code, name in regions.way_down(asked.code, g.principal)) or _("The whole country")
        over = [(_("Months"), f"{asked.over.first:%Y-%m} - {asked.over.last:%Y-%m}")] if self.has_period else []
        over += [(_("Figures"), as_of)] if (as_of := self._as_of(asked)) else []
        return [
            (_("Region"), place),
            *over,
            (_("Lines"), _("%(shown)s of %(all)s", shown=shown, all=of)),
            (_("Made by"), f"{g.principal.name}, {g.principal.organization}"),
            (_("Made at"), f"{now:%Y-%m-%d %H:%M}"),
        ]


def _address(page: str, told: Mapping[str, Any]) -> str:
    return f"{page}?{urlencode(told, doseq=True)}"


def cell(head: Head, values: Mapping[str, Any]) -> str:
    """A figure as it is read: 0 is a zero, -- is a rate of nothing."""
    value = values[head.name]
    if value is None:
        return "--"
    if head.kind == COUNT:
        return f"{value:,}"
    if head.kind == MEAN:
        return f"{value:,.1f}"
    if head.kind == GROWTH:
        return f"{value:+.2f}%"
    return f"{value:+.2f}" if head.kind == POINTS else f"{value:.2f}%"


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


# --- The pages -----------------------------------------------------------------------------------

FILED = {"filing": "filed"}
TO_VERIFY = {**FILED, "use": "in_use"}
OF_INSTRUMENTS = Details("/queries/instruments/", "InstrumentQueries")
OF_RESULTS = Details("/queries/certificates/", "CertificateQueries", "issued", {"state": "valid"})
OF_STEPS = Details("/queries/steps/", "StepQueries", "at")
OF_APPOINTMENTS = Details("/queries/appointments/", "AppointmentQueries", "applied")
BY_USE = tuple(Head(state, word, rows={**FILED, "use": state}) for state, word in USE_LABELS.items())
BY_VERIFICATION = tuple(
    Head(state, VERIFICATION_LABELS[state], rows={**TO_VERIFY, "verification": state})
    for state in ("valid", "due_soon", "overdue", "failed", "unverified")
)
RATE_BEFORE = (
    Head("year_before_rate", _l("Inspection rate a year before"), RATE),
    Head("year_before_points", _l("Against a year before, points"), POINTS),
    Head("before_rate", _l("Inspection rate a month before"), RATE),
    Head("before_points", _l("Against a month before, points"), POINTS),
)
OF_THE_RESULTS = (
    Head("results", _l("Results"), rows={}),
    Head("passed", _l("Passed"), rows={"passed": "passed"}),
    Head("failed", _l("Failed"), rows={"passed": "failed"}),
    Head("rate", _l("Pass rate"), RATE),
)


_WORK = {
    "applied": _l("Tasks submitted"),
    "offered": _l("Tasks offered"),
    "assigned": _l("Tasks assigned"),
    "accepted": _l("Tasks accepted"),
    "returned": _l("Tasks returned"),
    "timed_out": _l("Not answered in time"),
    "withdrawn": _l("Tasks withdrawn"),
    "refused": _l("Number refused"),
    "recorded": _l("Results recorded"),
    "certified": _l("Tasks certified"),
}


def of_work(*names: str) -> tuple[Head, ...]:
    """Columns of what was done of tasks: each leads to the steps that it counts."""
    return tuple(Head(name, _WORK[name], rows=_steps(name), details=OF_STEPS) for name in names)


def _steps(name: str) -> dict[str, str | tuple[str, ...]]:
    """The filters that list the steps of a column: they tell by another one what found an institution."""
    steps = tuple(dict.fromkeys(step.removesuffix(UNMATCHED) for step in figures.WORK[name]))
    return {"step": steps, **({"placed": "yes"} if name == "offered" else {})}


BOOKED_HEAD = Head("booked", _l("Appointments booked"), rows={}, details=OF_APPOINTMENTS)


ISSUED_BEYOND = Head("beyond", _l("Issued beyond ability"), rows={"scope": BEYOND}, details=OF_STEPS)
ISSUED_LATE = Head("late", _l("Issued late"), rows={"late": LATE}, details=OF_STEPS)


class InstrumentStatistics(StatisticPage):
    """强检器具统计."""

    route_base = "/statistics/instruments"
    class_permission_name = "InstrumentStatistics"
    title = _l("Instruments in figures")
    subtitle = _l("What is filed, by purpose and by use.")
    charted = "filed"
    question = figures.INSTRUMENTS
    has_period = True
    details = OF_INSTRUMENTS
    heads = (
        Head("units", _l("Using units")),
        Head("filed", _l("Filed instruments"), rows=FILED),
        *(Head(purpose, word, rows={**FILED, "purpose": purpose}) for purpose, word in PURPOSES.items()),
        *BY_USE,
        Head("year_before_filed", _l("Filed a year before")),
        Head("year_before_growth", _l("Growth in a year"), GROWTH),
        Head("before_filed", _l("Filed a month before")),
        Head("before_growth", _l("Growth in a month"), GROWTH),
    )


class InspectionRateStatistics(StatisticPage):
    """强检器具受检率统计."""

    route_base = "/statistics/inspection-rate"
    class_permission_name = "InspectionRateStatistics"
    title = _l("Inspection rate in figures")
    subtitle = _l("Of what is filed and in use, what has a valid verification.")
    charted = "rate"
    question = figures.INSPECTION_RATE
    lines = (REGION, KIND)
    has_period = True
    details = OF_INSTRUMENTS
    heads = (
        Head("due", _l("To be verified"), rows=TO_VERIFY),
        Head("verified", _l("With a valid verification")),
        *BY_VERIFICATION[2:],
        Head("rate", _l("Inspection rate"), RATE),
        *RATE_BEFORE,
    )


class PassRateStatistics(StatisticPage):
    """检定合格率统计."""

    route_base = "/statistics/pass-rate"
    class_permission_name = "PassRateStatistics"
    title = _l("Pass rate in figures")
    subtitle = _l(
        "What passed of the results of the months, beside the same months a year before and those just before."
    )
    charted = "rate"
    question = figures.PASS_RATE
    lines = (REGION, KIND, INSTITUTION)
    kinds_by_city = True
    has_period = True
    details = OF_RESULTS
    heads = (
        *OF_THE_RESULTS,
        Head("year_before_results", _l("Results a year before")),
        Head("year_before_rate", _l("Pass rate a year before"), RATE),
        Head("year_before_points", _l("Against a year before, points"), POINTS),
        Head("before_results", _l("Results just before")),
        Head("before_rate", _l("Pass rate just before"), RATE),
        Head("before_points", _l("Against just before, points"), POINTS),
    )


class WorkloadStatistics(StatisticPage):
    """检定机构业务量统计."""

    route_base = "/statistics/workload"
    class_permission_name = "WorkloadStatistics"
    title = _l("Workload of institutions")
    subtitle = _l("What each institution was offered in the region, what it took, returned, verified and certified.")
    charted = "certified"
    question = figures.WORKLOAD
    lines = (INSTITUTION, REGION)
    has_period = True
    details = OF_RESULTS
    heads = (
        *of_work("offered", "accepted", "returned", "recorded", "certified"),
        Head("days", _l("Mean days"), MEAN),
        ISSUED_LATE,
        Head("in_time_rate", _l("Issued in time"), RATE),
        *OF_THE_RESULTS,
    )


class AbilityStatistics(StatisticPage):
    """检定能力（社公标）统计."""

    route_base = "/statistics/ability"
    class_permission_name = "AbilityStatistics"
    title = _l("Ability and standards in figures")
    subtitle = _l("Of the kinds that are filed in a region, those that somebody is able to verify there today.")
    charted = "rate"
    heads = (
        Head("kinds", _l("Kinds filed")),
        Head("covered", _l("Kinds covered")),
        Head("missing", _l("Kinds not covered")),
        Head("rate", _l("Coverage"), RATE),
        Head("standards", _l("Standards in force")),
        Head("ending", _l("Ends in six months")),
        Head("over", _l("Expired")),
    )

    def found(self, asked: Asked) -> Statistic:
        return figures.ability(asked.code, g.principal)
