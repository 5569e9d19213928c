"""What a list gives away as a sheet: at once, or in the background if that takes long.

What is asked is kept as plain values, so that the worker does later what the page would do now: as the person, with
the rows and the columns that the person may see then. CSV bears no mark of who took it; a workbook does.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from flask import Flask, abort, current_app, flash, g, redirect, render_template, request
from flask_appbuilder import expose
from flask_babel import get_locale, gettext as _
from markupsafe import Markup
from sqlalchemy import Select, func, literal, select
from werkzeug.datastructures import MultiDict

from app import audit, spreadsheet
from app.access import narrowing, visible
from app.errors import RuleError
from app.models import db
from app.spreadsheet import Layout, MoreRows, Sheet, Stamp

from . import lists
from .actions import Selection, read_selection
from .downloads import attachment
from .filters import Args
from .formats import ZONE
from .lists import Column, Query, Source
from .saved_views import View
from .security import permitted, takes_key

SHOWN, ALL, TICKED = "shown", "all", "ticked"
# Hears what is being done, how many rows are done, and of how many.
Tell = Callable[[str, int, int], None]
# Takes what is asked; gives the address where one sees how far it is.
Background = Callable[[dict[str, Any]], str]


def _to_nobody(_stage: str, _done: int, _of: int) -> None:
    """For an export that somebody waits for."""


def in_background(app: Flask, ask: Background) -> None:
    """Let exports that take long be asked of a worker."""
    app.extensions["background"] = ask


@dataclass(frozen=True)
class Asked:
    """An export: the page by its name, the filter as a query string, the ticked ids (None: all), the columns."""

    page: str
    filter: str
    ids: list[int] | None
    columns: list[str]
    sort: str
    format: str
    language: str


class Exports:
    """What a list needs to be exported."""

    route_base: str
    url: str
    list_title: Any
    source: Source
    columns: tuple[Column, ...]
    class_permission_name: str
    query: Callable[[Any], Query]
    total: Callable[[Query], lists.Total]
    allowed: Callable[[str], bool]
    as_seen: Callable[[list[Column]], list[Column]]
    _view_of: Callable[[str], View | None]
    _visible_columns: Callable[[View | None], list[Column]]
    _back: Callable[[], str]

    @expose("/export", methods=["POST"])
    @takes_key
    @permitted("export")
    def export(self) -> Any:
        """The ticked rows, or all that match, as CSV or XLSX: at once, or by the worker if they are many."""
        asked = self._asked_export()
        sheet = self.write_export(asked, current_app.config["EXPORT_ROWS"])
        if sheet is None:
            return self._left_to_worker(asked)
        self.tell_export(asked, sheet.rows)
        db.session.commit()
        return attachment(sheet.file, self.export_name(asked), spreadsheet.KINDS[asked.format])

    @expose("/export/ask", methods=["POST"])
    @permitted("export")
    def ask_for_export(self) -> Any:
        """The dialog in which format and columns are chosen, and which says how much it will be."""
        shown = self._visible_columns(self._view_of(request.form.get("filter", "")))
        selection = read_selection(_all_if_none(request.form), self.query)
        limit = current_app.config["EXPORT_ROWS"]
        number = self._counted(selection, limit)
        dialog = {
            "title": _("Export"),
            "summary": self._number_of(selection, number),
            "action_url": f"{self.route_base}/export",
            "submit_label": _("Export"),
            "selection_fields": [*selection.fields, ("sort", request.form.get("sort", ""))],
            "shown": {column.name for column in shown},
            "columns": [(column.name, column.label) for column in self.columns],
            "is_long": number > limit,
        }
        return render_template("export_dialog.html", dialog=dialog, form=[])

    def _asked_export(self) -> Asked:
        form = request.form
        if form.get("format", "") not in spreadsheet.KINDS:
            abort(400)
        selection = read_selection(_all_if_none(form), self.query)
        return Asked(
            page=type(self).__name__,
            filter=dict(selection.fields).get("filter", ""),
            ids=None if isinstance(selection.ids, Select) else list(selection.ids),
            columns=[column.name for column in self._asked_columns()],
            sort=form.get("sort", ""),
            format=form["format"],
            language=str(get_locale()),
        )

    def _asked_columns(self) -> list[Column]:
        which = request.form.get("columns", SHOWN)
        if which == ALL:
            return list(self.columns)
        if which == TICKED:
            ticked = set(request.form.getlist("column"))
            chosen = [column for column in self.columns if column.name in ticked]
            if not chosen:
                raise RuleError(_("Please tick at least one column."))
            return chosen
        return self._visible_columns(self._view_of(request.form.get("filter", "")))

    def _left_to_worker(self, asked: Asked) -> Any:
        """Many rows are a job; a program, which could not fetch what comes out of it, is refused."""
        limit = current_app.config["EXPORT_ROWS"]
        if "access_key" in g:
            raise RuleError(_("An export holds at most %(number)s rows. Please narrow the filter.", number=limit))
        selection = self._selection_of(asked)
        url = current_app.extensions["background"](asdict(asked))
        db.session.commit()
        text = _("The export has %(number)s and is made in the background; you are told when it is ready.",
                 number=self._number_of(selection, limit + 1))  # fmt: skip
        flash(Markup('{} <a class="alert-link" href="{}">{}</a>').format(text, url, _("My jobs")), "success")
        return redirect(self._back(), code=303)

    def _number_of(self, selection: Selection, counted: int) -> str:
        """How many rows, in words; of more than are counted, what a page with tallies knows."""
        limit = current_app.config["EXPORT_ROWS"]
        if counted <= limit:
            return _("%(number)s rows", number=f"{counted:,}")
        total = self.total(self.query(lists.parse(dict(selection.fields).get("filter", ""))))
        if selection.is_everything and total.exact and total.value > limit:
            return _("%(number)s rows", number=f"{total.value:,}")
        return _("more than %(number)s rows", number=f"{limit:,}")

    # --- done by the page or by the worker

    def write_export(self, asked: Asked, most: int, tell: Tell = _to_nobody) -> Sheet | None:
        """The rows asked for, as the acting person sees them now; None if they are more than `most`."""
        tell(_("Counting the rows"), 0, 0)
        selection = self._selection_of(asked)
        number = self._counted(selection, most)
        if number > most:
            return None
        columns = self.as_seen([column for column in self.columns if column.name in asked.columns])
        stage = _("Writing the rows")
        tell(stage, 0, number)
        layout = Layout(
            title=str(self.list_title),
            headers=[str(column.label) for column in columns],
            for_programs="access_key" in g,
            stamp=stamp(),
            in_a_sheet=current_app.config["EXPORT_SHEET_ROWS"],
            expected=number,
        )
        rows = self.cells(selection, columns, asked.sort).limit(most + 1)
        try:
            return spreadsheet.write(
                db.session.connection(),
                rows,
                asked.format,
                layout,
                most=most,
                options=narrowing(),
                tell=lambda done: tell(stage, done, max(number, done)),
            )
        except MoreRows as more:
            raise RuleError(_("Rows were added while the sheets were written. Please ask for it again.")) from more

    def tell_export(self, asked: Asked, rows: int) -> None:
        """Write down who takes what away: the page, the filter or the ticked rows, how many."""
        audit.record(
            "export", "page", None, str(self.list_title),
            format=asked.format, filter=asked.filter if asked.ids is None else None, ticked=asked.ids, rows=rows,
        )  # fmt: skip

    def export_name(self, asked: Asked) -> str:
        return f"{self.list_title}-{datetime.now(ZoneInfo(ZONE)):%Y%m%d-%H%M}.{asked.format}"

    def _selection_of(self, asked: Asked) -> Selection:
        ids = [("id", str(id)) for id in asked.ids or ()]
        form = (
            [("selection", "ids"), *ids] if asked.ids is not None else [("selection", "all"), ("filter", asked.filter)]
        )
        return read_selection(MultiDict(form), self.query)

    def _counted(self, selection: Selection, most: int) -> int:
        """How many rows there are, counted no further than one beyond `most`."""
        some = self._ids(selection).with_only_columns(literal(1), maintain_column_froms=True).limit(most + 1).subquery()
        return db.session.scalar(select(func.count()).select_from(some)) or 0

    def _ids(self, selection: Selection) -> Select[Any]:
        if isinstance(selection.ids, Select):
            return selection.ids
        model = self.source.model
        return select(model.id).where(model.id.in_(selection.ids), *self.source.where())

    def cells(self, selection: Selection, columns: list[Column], sort: str = "") -> Any:
        """The cells of the selected rows in the order of the list: these first, then what is joined to them."""
        source, model = self.source, self.source.model
        picked = visible(self._ids(selection), model)
        cells = [column.in_sheet().label(column.name) for column in columns]
        # A partitioned table joined to itself would be read as a whole; of all rows there is nothing to choose first.
        if source.spread or dict(selection.fields).get("filter") == "":
            rows = picked.with_only_columns(*cells).select_from(model)
        else:
            chosen = picked.cte("chosen").prefix_with("MATERIALIZED")
            rows = select(*cells).select_from(chosen).join(model, model.id == chosen.c.id)
        order = lists.order(self.query(MultiDict({"sort": sort})))
        return visible(lists.joined(rows, source), model).order_by(*order)


def stamp() -> Stamp:
    """The acting person, here and now."""
    return Stamp(g.principal.name, g.principal.organization, datetime.now(ZoneInfo(ZONE)))


def _all_if_none(form: Args) -> Args:
    if form.get("selection") == "all" or form.getlist("id"):
        return form
    return MultiDict({"selection": "all", "filter": form.get("filter", ""), "expected": form.get("expected", "")})
