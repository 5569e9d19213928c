"""分析接口: what the queries and statistics show on a screen, for programs of who may export it there. To read only.

A program sees what the account of its key sees at that moment, of the pages that the key names.
"""

import csv
import re
from collections.abc import Callable, Iterable
from functools import wraps
from io import StringIO
from typing import Any
from urllib.parse import urlencode

from flask import Response, abort, current_app, g, json, request, send_file
from flask_appbuilder import expose
from flask_babel import gettext as _
from werkzeug.datastructures import MultiDict

from app import audit, outside, spreadsheet
from app.access import narrowing
from app.domain import regions
from app.domain.statistics import Row, Statistic
from app.errors import RuleError
from app.fabkit import answers, lists, open_api
from app.fabkit.actions import Selection
from app.fabkit.filters import Args
from app.fabkit.lists import Column
from app.fabkit.open_api import CSV, JSON, REFUSALS, BadParameter, Document, Operation, Parameter
from app.fabkit.pages import ModelPage, Page
from app.models import db
from app.pages import rates
from app.pages.appointment_queries import AppointmentQueries
from app.pages.certificate_queries import CertificateQueries
from app.pages.forecast import Forecast
from app.pages.institution_queries import InstitutionQueries
from app.pages.instrument_queries import InstrumentQueries
from app.pages.oversight import (
    Acceptance,
    AuthorityToDo,
    Business,
    InstitutionFigures,
    InstrumentKinds,
    InstrumentStates,
    PassRates,
    Quantity,
    UnitFigures,
)
from app.pages.standard_queries import StandardQueries
from app.pages.statistics import (
    COUNT,
    AbilityStatistics,
    Asked,
    Head,
    InspectionRateStatistics,
    InstrumentStatistics,
    PassRateStatistics,
    StatisticPage,
    WorkloadStatistics,
)
from app.pages.step_queries import StepQueries
from app.pages.unit_queries import UnitQueries
from app.spreadsheet import Layout
from app.spreadsheet.cells import neutralised

BASE = "/api/v1"
LARGEST_PAGE, USUAL_PAGE = 1000, 100
QUERIES: tuple[type[ModelPage], ...] = (
    InstrumentQueries, AppointmentQueries, CertificateQueries, InstitutionQueries, UnitQueries, StandardQueries,
    StepQueries,
)  # fmt: skip
STATISTICS: tuple[type[StatisticPage], ...] = (
    InstrumentStatistics, InspectionRateStatistics, PassRateStatistics, WorkloadStatistics, AbilityStatistics,
    Business, AuthorityToDo, Acceptance, Quantity, InstitutionFigures, UnitFigures, PassRates, InstrumentStates,
    InstrumentKinds, Forecast,
)  # fmt: skip
# An access key as it is made; in an address it would stand in every log on its way.
_KEY = re.compile(r"jl_[\w-]{20}")


def answer(pages: Iterable[Any]) -> Callable[..., Any]:
    """Let a method answer for pages, each at its own address: to who may, counted, read by its declaration."""

    def decorate(method: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(method)
        def answered(self: "AnalysisApi") -> Any:
            _refuse_key_in_address()
            page = self.page(request.path.removeprefix(BASE).removesuffix("/"))
            _let_in(page)
            return method(self, page, operation(page).read(request.args))

        # As it is copied from a screen, an address has a slash before its question mark.
        for address in (address for page in pages for address in (page.route_base, f"{page.route_base}/")):
            answered = expose(address, methods=["GET"])(answered)
        return answered

    return decorate


def _refuse_key_in_address() -> None:
    for name, values in request.args.lists():
        if _KEY.search(name) or any(map(_KEY.search, values)):
            told = "parameter" if _KEY.search(name) else name
            raise BadParameter(told, "A key belongs in the header Authorization. Revoke this one: addresses are kept.")


def _let_in(page: Page) -> None:
    if "access_key" not in g:
        abort(401)
    rates.hold_back("api", current_app.config["API_RATE"], who=f"key {g.access_key.id}")
    if not g.principal.is_known or not page.allowed("can_export"):
        abort(403)


class AnalysisApi(Page):
    """For programs with an access key."""

    route_base = BASE
    default_view = "openapi"
    key_paths = ("/api/",)

    def page(self, route: str | None) -> Any:
        pages: list[Any] = self.appbuilder.baseviews
        return next(page for page in pages if page.route_base == route)

    @answer(QUERIES)
    def query(self, page: ModelPage, asked: dict[str, Any]) -> Response:
        """Rows of a query, a page of them or all of them as a sheet."""
        given = MultiDict(pair for pair in request.args.items(multi=True) if pair[0] in _names(page))
        _refuse_region_elsewhere(given.get("region"))
        if _wants_sheet(asked):
            return _rows_in_sheet(page, given, asked)
        return _rows(page, given, asked)

    @answer(STATISTICS)
    def statistic(self, page: StatisticPage, asked: dict[str, Any]) -> Response:
        """The figures of a statistic, line by line."""
        question = page.asked({name: value for name, value in asked.items() if value is not None})
        _refuse_what_was_changed(question, asked)
        found = page.found(question)
        lines = page.ranked(found.rows, question.sort)
        if _wants_sheet(asked):
            given = _figures_in_sheet(page, lines)
        else:
            given = open_api.answer(_figures(page, question, found, lines))
        _told(page.title, asked, urlencode(question.params), len(lines))
        return given

    @expose("/openapi.json", methods=["GET"])
    def openapi(self) -> Response:
        _refuse_key_in_address()
        rates.hold_back("api", current_app.config["API_RATE"])
        OPENAPI.read(request.args)
        return Response(json.dumps(self.document().write(), ensure_ascii=False), content_type=JSON)

    def pages(self) -> list[Any]:
        return [self.page(page.route_base) for page in (*QUERIES, *STATISTICS)]

    def document(self) -> Document:
        return Document(
            _("Interface for analysis"),
            "1.0",
            _("The queries and statistics of the system, to read only: what an account sees on its screens, with an "
              "access key of that account."),
            BASE,
            (*map(operation, self.pages()), OPENAPI),
            needs_key=True,
            is_kept=False,
            answered=_("What the account of the key sees at this moment."),
            refusals={**REFUSALS, "NotPermitted": 403, "TooLarge": 422},
        )  # fmt: skip


# --- What may be asked ---------------------------------------------------------------------------


LANGUAGE = open_api.string("lang", "zh = 中文, en = English", enum=["zh", "en"], default="zh")
OPENAPI = Operation("/openapi.json", "openapi", "OpenAPI 3.1", dict, (LANGUAGE,), for_all=True)


def operation(page: Any) -> Operation:
    """What may be asked of a page, and the shape of its answer, in the language that is asked for."""
    is_query = isinstance(page, ModelPage)
    parameters, schema = _of_query(page) if is_query else _of_statistic(page)
    how = open_api.string("format", _("How to answer; the header Accept says it too"), enum=["json", "csv"])
    return Operation(
        page.route_base,
        page.route_base.strip("/").replace("/", "-"),
        f"{page.list_title if is_query else page.title} · {page.subtitle}",
        schema,
        (*parameters, how, LANGUAGE),
        sheet=True,
        can_miss=True,
    )


def _filters(page: ModelPage) -> tuple[Any, ...]:
    return (*page.filters, *([page.search] if page.search else []))


def _sortable(page: ModelPage) -> list[str]:
    names = [column.name for column in page.columns if column.sortable]
    return [*names, *(f"-{name}" for name in names)]


def _names(page: ModelPage) -> set[str]:
    """What a screen's address says of which rows are wanted, and in which order."""
    return answers.names_of(_filters(page)) | {"sort"}


def _of_query(page: ModelPage) -> tuple[tuple[Parameter, ...], dict[str, Any]]:
    columns = {column.name: column.label for column in page.columns}
    told = answers.with_words(_("Columns, otherwise the usual ones"), columns)
    order = _sortable(page)
    parameters = (
        *(parameter for each in _filters(page) for parameter in answers.parameters(each)),
        *([open_api.string("sort", _("The order; a sheet keeps its own"), enum=order)] if order else []),
        open_api.strings("columns", told, len(columns), enum=list(columns)),
        open_api.number("size", _("How many rows"), minimum=1, maximum=LARGEST_PAGE),
        open_api.string("cursor", _("Where the page begins, as it stands in “next” of the page before"),
                        pattern="^[A-Za-z0-9_=-]+$", maxLength=400),
        open_api.string("view", _("The view with which a screen was opened; it says nothing here"),
                        pattern="^[0-9]{1,18}$"),
    )  # fmt: skip
    row = {"id": {"type": "integer"}, **{column.name: answers.schema(column) for column in page.columns}}
    rows = {"type": "array", "items": {**_object(**row), "required": ["id"]}}
    total = _object(value={"type": "integer"}, exact={"type": "boolean"})
    return parameters, _object(rows=rows, total=total, next={"type": ["string", "null"]})


def _of_statistic(page: StatisticPage) -> tuple[tuple[Parameter, ...], dict[str, Any]]:
    names = [head.name for head in page.heads]
    period = _("It says nothing here: the figures are as of now")
    parameters = (
        open_api.string("region", _("Region; the own one if none is given"), pattern="^[0-9]{6}$"),
        open_api.string("from", _("The first month") if page.has_period else period, pattern=_MONTH),
        open_api.string("to", _("The last month") if page.has_period else period, pattern=_MONTH),
        open_api.string("by", _("What the lines are"), enum=list(page.lines)),
        open_api.string("sort", _("A column to rank by, the most first; with a minus the least"),
                        enum=["", *names, *(f"-{name}" for name in names)]),
    )  # fmt: skip
    text = {"type": "string"}
    values, monthly = _shape(page.heads), _shape(page.heads_of_months)
    schema = _object(
        region=_object(code=text, name=text),
        period={"anyOf": [_object(**{"from": text, "to": text}), {"type": "null"}]},
        by=text,
        lines={"type": "array", "items": _object(key=text, name=text, values=values)},
        total=values,
        months={"type": "array", "items": _object(month=text, values=monthly)},
    )
    return parameters, schema


_MONTH = "^[0-9]{4}-(0[1-9]|1[0-2])$"


def _object(**properties: Any) -> dict[str, Any]:
    return {
        "type": "object", "required": list(properties), "properties": properties, "additionalProperties": False,
    }  # fmt: skip


def _shape(heads: Iterable[Head]) -> dict[str, Any]:
    return _object(
        **{
            head.name: {
                "type": ["integer" if head.kind == COUNT else "number", "null"], "description": str(head.label),
            }
            for head in heads
        }
    )  # fmt: skip


# --- What is refused -----------------------------------------------------------------------------


def _refuse_region_elsewhere(code: str | None) -> None:
    """One's own region, what lies in it, and what it lies in may be asked; of others not even whether they exist."""
    if code is not None and not regions.is_near(code, g.principal):
        abort(404)


def _refuse_what_was_changed(question: Asked, asked: dict[str, Any]) -> None:
    """A screen shows what comes next to what cannot be asked; a program is told."""
    if asked["region"] not in (None, question.code):
        abort(404)
    for name, value in question.params.items():
        if asked[name] not in (None, value):
            raise BadParameter(name, "This cannot be asked of this region, or not of these months.")


tell = open_api.problems(
    {
        400: "The request could not be understood.",
        401: "Send an access key: Authorization: Bearer jl_... This one is missing, unknown, revoked or has ended.",
        403: "The key does not name this page, or its account may not export from it now.",
        404: "There is no such address, or the region is not in your jurisdiction.",
        405: "Nothing can be changed here: ask with GET.",
        429: "Please wait as long as Retry-After says.",
        500: "It has been recorded. Please try again later.",
        503: "Please ask again later, or for less.",
    }
)


# --- What is answered ----------------------------------------------------------------------------


def _wants_sheet(asked: dict[str, Any]) -> bool:
    if asked["format"]:
        return bool(asked["format"] == "csv")
    return request.accept_mimetypes.best_match([JSON, CSV], JSON) == CSV


def _columns(page: ModelPage, names: list[str] | None) -> list[Column]:
    by_name = {column.name: column for column in page.columns}
    usual = [column.name for column in page.columns if not column.hidden]
    chosen = [by_name[name] for name in dict.fromkeys(names or usual)]
    return page.as_seen(chosen)


def _query(page: ModelPage, given: Args, after: str | None = None) -> lists.Query:
    query = page.query(given if after is None else MultiDict([*given.items(multi=True), ("after", after)]))
    answers.refuse_what_was_left_out(query, MultiDict(pair for pair in given.items(multi=True) if pair[0] != "sort"))
    return query


def _rows(page: ModelPage, given: Args, asked: dict[str, Any]) -> Response:
    for_whom = [g.access_key.id, page.route_base, sorted(given.items(multi=True))]
    cursor, size = asked["cursor"], asked["size"] or USUAL_PAGE
    query = _query(page, given, answers.place(cursor, for_whom) if cursor else None)
    query.size = size
    columns = _columns(page, asked["columns"])
    found = lists.rows(query, columns, {})
    total, rows = page.total(query), found[:size]
    _told(page.list_title, asked, urlencode(list(given.items(multi=True))), len(rows))
    return open_api.answer(
        {
            "rows": [
                {"id": row._id, **{each.name: answers.value(each, getattr(row, each.name)) for each in columns}}
                for row in rows
            ],
            "total": {"value": total.value, "exact": total.exact},
            "next": _next(answers.cursor(rows[-1], for_whom)) if len(found) > size else None,
        }
    )


def _next(cursor: str) -> str:
    asked = [pair for pair in request.args.items(multi=True) if pair[0] != "cursor"]
    return outside.address(f"{request.path}?{urlencode([*asked, ('cursor', cursor)])}")


def _rows_in_sheet(page: ModelPage, given: Args, asked: dict[str, Any]) -> Response:
    for name in ("cursor", "size"):
        if asked[name] is not None:
            raise BadParameter(name, "A sheet holds all rows: it has no pages.")
    query, columns = _query(page, given), _with_codes(page, _columns(page, asked["columns"]))
    most = current_app.config["EXPORT_ROWS"]
    sheet = spreadsheet.write(
        db.session.connection(),
        page.cells(Selection(query.ids(), 0, ()), columns, given.get("sort", "")).limit(most + 1),
        "csv",
        Layout(str(page.list_title), [str(column.label) for column in columns], for_programs=True),
        most=most,
        options=narrowing(),
    )
    if sheet is None:
        raise RuleError(_("An export holds at most %(number)s rows. Please narrow the filter.", number=most))
    _told(page.list_title, asked, urlencode(list(given.items(multi=True))), sheet.rows)
    return send_file(sheet.file, mimetype=CSV)


def _with_codes(page: ModelPage, columns: list[Column]) -> list[Column]:
    """The columns of a sheet for programs: the id of the row first, and behind each word the code it stands for."""
    found = [Column("id", "id", page.source.model.id)]
    for column in columns:
        found.append(column)
        if getattr(column.show, "labels", None):
            found.append(Column(f"{column.name}_code", f"{column.name}_code", column.value))
    return found


def _figures(page: StatisticPage, question: Asked, found: Statistic, lines: list[Row]) -> dict[str, Any]:
    period = {name: question.params[name] for name in ("from", "to")}
    return {
        "region": {"code": question.code, "name": regions.names([question.code])[question.code]},
        "period": period if page.has_period else None,
        "by": question.line,
        "lines": [{"key": line.key, "name": line.name, "values": _values(page.heads, line)} for line in lines],
        "total": {head.name: found.total[head.name] for head in page.heads},
        "months": [
            {"month": month.name, "values": _values(page.heads_of_months, month)}
            for month in page.trend(question, found)
        ],
    }


def _figures_in_sheet(page: StatisticPage, lines: list[Row]) -> Response:
    """The lines without their total: what reads this makes its own sums."""
    text = StringIO()
    sheet = csv.writer(text, lineterminator="\n")
    sheet.writerow(["key", "name", *(head.name for head in page.heads)])
    for line in lines:
        sheet.writerow([line.key, neutralised(line.name), *_values(page.heads, line).values()])
    return Response(text.getvalue(), mimetype=spreadsheet.KINDS["csv"])


def _values(heads: Iterable[Head], line: Row) -> dict[str, Any]:
    return {head.name: line.values[head.name] for head in heads}


def _told(title: Any, asked: dict[str, Any], filter: str, rows: int) -> None:
    """Who took what away stands in the audit log, as with an export from the screen; here with which key."""
    kind = "csv" if _wants_sheet(asked) else "json"
    key = g.access_key.prefix
    audit.record("export", "page", None, str(title), format=kind, filter=filter, rows=rows, key=key)
    db.session.commit()
