"""A page over a table: list, details, actions with dialogs, export. Declared by its attributes."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

from flask import abort, flash, g, redirect, render_template, request
from flask_appbuilder import BaseView, ModelView, expose
from flask_appbuilder.models.sqla.interface import SQLAInterface
from flask_babel import gettext as _, lazy_gettext as _l, ngettext
from flask_wtf import FlaskForm
from markupsafe import escape
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm.exc import StaleDataError
from werkzeug.datastructures import CombinedMultiDict
from wtforms.fields.core import UnboundField

from app import audit
from app.errors import RuleError, Stale, wants_fragment
from app.models import db
from app.persons import Name, OfficeTelephone, Telephone

from . import formats, lists
from .actions import FormAction, NoForm, Selection, form_action, read_selection
from .exports import Exports
from .filters import Search, is_number
from .lists import Column, Query, Source, Total
from .saved_views import SavedViews, View, of as views_of, without_view
from .security import asks_permission, permitted, require

log = logging.getLogger(__name__)

# Names of persons in clear; and telephone numbers, which are else shown one by one, on record.
SEE_PERSONS, SEE_TELEPHONES = "can_see_persons", "can_see_telephones"
REVEAL = "can_reveal"
# The label under which it stands who did something; in the history it stands without.
DONE_BY = _l("Done by")


@dataclass
class Section:
    """A titled list of label and value."""

    title: Any
    fields: list[tuple[Any, Any]]


@dataclass
class Table:
    title: Any
    columns: list[Any]
    rows: list[list[Any]]
    empty: Any = ""


@dataclass
class Show:
    """Everything known of one row, for the drawer and the full page."""

    id: int
    title: Any
    state: str = ""
    state_badge: Any = None
    sections: list[Section] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    timeline: list[Any] = field(default_factory=list)
    page_url: str = ""
    actions: list[dict[str, Any]] = field(default_factory=list)
    # Whether the telephone number in it is the one that `phone` gives out.
    reveals: bool = True

    def telephone(self) -> Telephone | None:
        """The first telephone number that is told of the row."""
        values = (value for section in self.sections for _label, value in section.fields)
        return next((value for value in values if isinstance(value, Telephone)), None)


class Page(BaseView):
    """The base of every page: named in the permissions by its class, unless it says otherwise."""

    class_permission_name: str

    def allowed(self, permission: str) -> bool:
        return self.appbuilder.sm.has_access(permission, self.class_permission_name)


class ModelPage(SavedViews, Exports, Page, ModelView):
    """A list of a table's rows with what can be done to them.

    A page declares `list_title`, `source`, `columns`, `filters`, `search`, its `@form_action`s, and `details`.
    """

    # Flask-AppBuilder's own routes: they are replaced, or left out.
    exclude_route_methods = {"list", "add", "edit", "delete", "download", "action", "action_post"}  # noqa: RUF012

    subtitle: Any = ""
    icon = "list"
    empty: Any = ""
    source: Source
    route_base: str
    columns: tuple[Column, ...] = ()
    # Values that every row needs beside its columns, e.g. its state.
    extra: dict[str, Any] = {}  # noqa: RUF012 -- declared once per page, as Flask-AppBuilder does
    filters: tuple[Any, ...] = ()
    search: Search | None = None
    # Whether the telephone number in its details can be asked for, on record.
    reveals = False
    # Whether some role sees the telephone numbers here in clear: they are of its own organization.
    has_own_telephones = False
    # Scripts and style sheets of the page's own, beside those of every list.
    scripts: tuple[str, ...] = ()
    styles: tuple[str, ...] = ()
    # Whether a row can still be looked at when it has left the list, e.g. a task from a queue: notifications and the
    # search lead to it. Then the rules of access alone say who sees it.
    shows_what_left = False
    default_view = "index"

    def __init__(self, **kwargs: Any):
        self.datamodel = SQLAInterface(self.source.model)
        # Flask-AppBuilder would make a form with every related row as an option: ours are declared.
        self.search_columns = self.add_columns = self.edit_columns = self.show_columns = ["id"]
        self.list_columns = ["id"]
        if not self.reveals:
            self.exclude_route_methods = self.exclude_route_methods | {"phone"}
        super().__init__(**kwargs)
        own = [SEE_TELEPHONES] if self.has_own_telephones else []
        self.base_permissions = [*(self.base_permissions or []), SEE_PERSONS, *own]

    @cached_property
    def form_actions(self) -> list[tuple[FormAction, Callable[..., Any]]]:
        """The page's actions in the order they are written."""
        methods = {
            name: member
            for owner in reversed(type(self).__mro__)
            for name, member in vars(owner).items()
            if hasattr(member, "form_action")
        }
        return [(member.form_action, getattr(self, name)) for name, member in methods.items()]

    def offers(self, url: str) -> bool:
        """Whether one of its filters or forms gets its options from an address."""
        members = [getattr(form, name) for form in self._forms() for name in dir(form)]
        fields = [member for member in members if isinstance(member, UnboundField)]
        urls = [*(getattr(each, "options_url", "") for each in self.filters),
                *(field.kwargs.get("options_url", "") for field in fields)]  # fmt: skip
        return url in urls

    def _forms(self) -> list[type[FlaskForm]]:
        """The forms of its actions; of some there is one for each kind of row."""
        named = [declared.form for declared, _method in self.form_actions if declared.form is not None]
        forms = [getattr(self, form) if isinstance(form, str) else form for form in named]
        return [each for form in forms for each in (form.values() if isinstance(form, dict) else (form,))]

    def details(self, row_id: int) -> Show | None:
        """Everything known of a row; None if it is not there for this person."""
        raise NotImplementedError

    # --- list

    @expose("/", methods=["GET"])
    @permitted("list")
    def index(self) -> Any:
        views = views_of(type(self).__name__)
        default = next((view for view in views if view.default), None)
        if default and not request.args:
            return redirect(f"{self.url}?{default.address}")
        listing = self._listing(self.query(request.args), views)
        return render_template("list.html", listing=listing, page=self)

    def total(self, query: Query) -> Total:
        """How many rows match; a page with tallies knows better than to count."""
        return lists.capped_total(query)

    def query(self, args: Any) -> Query:
        return lists.read(self.source, list(self.columns), self.filters, self.search, args)

    @property
    def url(self) -> str:
        return f"{self.route_base}/"

    def _listing(self, query: Query, views: list[View]) -> dict[str, Any]:
        view = self._opened_view(query, views)
        columns = self._visible_columns(view)
        rows = lists.rows(query, columns, self.extra)
        has_more = len(rows) > query.size
        rows = (rows[1:] if query.before else rows[:-1]) if has_more else rows
        total = self.total(query)
        return {
            "title": self.list_title,
            "subtitle": self.subtitle,
            "url": self.url,
            "empty": self.empty or _("Nothing here yet."),
            "problems": query.problems + self._gone_filters(view),
            "notes": [bound.note for bound in query.bounds if bound.note],
            "filters": query.filters,
            "filtered": query.is_filtered,
            "clear_url": self._url_without_view(views),
            "views": self._shown_views(views, view),
            "search": _search_box(query),
            "columns": [self._head(column, query) for column in columns],
            "all_columns": self._chooser(columns),
            "columns_url": f"{self.route_base}/columns",
            "rows": self._rows(rows, columns),
            "total": total,
            "query": query.text,
            "actions": self._buttons(),
            "export": self._export_of(query) if self.allowed("can_export") else None,
            **_paging(self.url, query, rows, has_more, total),
        }

    def _export_of(self, query: Query) -> dict[str, str]:
        order = f"{'-' if query.descending else ''}{query.sort.name}" if query.sort else ""
        return {"url": f"{self.route_base}/export", "ask_url": f"{self.route_base}/export/ask", "sort": order}

    def _visible_columns(self, view: View | None) -> list[Column]:
        chosen = view.columns if view else g.user.preferences.get("columns", {}).get(type(self).__name__)
        columns = [
            column
            for column in self.columns
            if (not column.hidden if chosen is None else column.fixed or column.name in chosen)
        ]
        return self.as_seen(columns)

    def as_seen(self, columns: list[Column]) -> list[Column]:
        """The columns as they are for the acting person, who may not see persons unless it is said."""
        clear = self._in_clear()
        return [column.as_seen(clear) for column in columns]

    def _head(self, column: Column, query: Query) -> dict[str, Any]:
        sorted_by = query.sort is column or (query.sort is None and column.value is query.source.key)
        turned = f"-{column.name}" if sorted_by and not query.descending else column.name
        size = query.size if query.size != lists.PAGE_SIZES[0] else None
        return {
            "name": column.name,
            "label": str(column.label),
            "css": column.css,
            "direction": ("desc" if query.descending else "asc") if sorted_by and column.sortable else None,
            "sort_url": lists.url_of(self.url, query.params, sort=turned, size=size) if column.sortable else None,
        }

    def _chooser(self, columns: list[Column]) -> list[dict[str, Any]]:
        shown = {column.name for column in columns}
        return [
            {"name": c.name, "label": str(c.label), "visible": c.name in shown, "fixed": c.fixed} for c in self.columns
        ]

    def _rows(self, rows: list[Any], columns: list[Column]) -> list[dict[str, Any]]:
        may_show = self.allowed("can_show")
        return [
            {
                "id": row._id,
                "state": getattr(row, "_state", ""),
                "drawer_url": f"{self.route_base}/show/{row._id}" if may_show else None,
                "cells": [escape(column.show(getattr(row, column.name))) for column in columns],
            }
            for row in rows
        ]

    def _buttons(self, row: Show | None = None) -> list[dict[str, Any]]:
        return [
            {
                "name": declared.name,
                "label": declared.label,
                "icon": declared.icon,
                "style": declared.style,
                "states": sorted(declared.states) if declared.states is not None else None,
                "single": declared.single,
                "always": declared.without or declared.optional,
                "form_url": f"{self.route_base}/dialog/{declared.name}",
                "hint": _("None of the ticked rows is in a state for this."),
            }
            for declared, _method in self.form_actions
            if self.allowed(declared.needs)
            and (row is None or (not declared.without and (not declared.states or row.state in declared.states)))
        ]

    @expose("/columns", methods=["POST"])
    @permitted("list")
    def choose_columns(self) -> Any:
        """Keep which columns this person wants to see here; none chosen means the usual ones."""
        known = {column.name for column in self.columns}
        chosen = [name for name in request.form.getlist("column") if name in known]
        kept = dict(g.user.preferences.get("columns", {}))
        kept.pop(type(self).__name__, None)
        if chosen and "reset" not in request.form:
            kept[type(self).__name__] = chosen
        g.user.preferences = {**g.user.preferences, "columns": kept}
        db.session.commit()
        return redirect(without_view(self._back()))

    # --- one row

    @expose("/show/<pk>", methods=["GET"])
    @permitted("show")
    def show(self, pk: str) -> Any:
        show = self.details(self.listed_id(pk))
        if show is None:
            abort(404)
        self._mask(show)
        show.page_url = f"{self.route_base}/show/{show.id}"
        show.actions = self._buttons(show)
        template = "drawer.html" if wants_fragment() else "show.html"
        return render_template(template, show=show, page=self)

    def listed_id(self, pk: str | int) -> int:
        """The id of a row of this list; 404 if the acting person does not find it there."""
        if not is_number(str(pk)) or not (self.shows_what_left or self.source.has(int(pk))):
            abort(404)
        return int(pk)

    @expose("/phone/<pk>", methods=["POST"])
    @permitted("reveal")
    def phone(self, pk: str) -> Any:
        """The telephone number behind the mask; that it was shown is recorded (个人信息保护法 Art 51)."""
        number = self.reveal_phone(self.listed_id(pk))
        if number is None:
            abort(404)
        db.session.commit()
        return {"value": str(number)}

    def reveal_phone(self, row_id: int) -> str | None:
        """Record that the telephone number of a row is shown, and give it; None if there is none."""
        show = self.details(row_id)
        number = show.telephone() if show else None
        if show is None or number is None:
            return None
        audit.record("reveal", self.source.model.__tablename__, row_id, str(show.title), what="phone")
        return number

    def _in_clear(self) -> set[type]:
        """The kinds of data about persons that the acting person sees here as they are."""
        names = {Name} if self.allowed(SEE_PERSONS) else set()
        return names | ({Telephone, OfficeTelephone} if self.allowed(SEE_TELEPHONES) else set())

    def _mask(self, show: Show) -> None:
        """Mask what tells of persons, wherever it stands, as far as the acting person may not see it."""
        clear = self._in_clear()

        def seen(value: Any) -> Any:
            return value if type(value) in clear else formats.masked(value)

        told = show.telephone()
        for section in show.sections:
            section.fields = [
                (label, self._with_button(show, seen(value)) if told and value is told else seen(value))
                for label, value in section.fields
            ]
        for table in show.tables:
            table.rows = [[seen(cell) for cell in row] for row in table.rows]
        for entry in show.timeline:
            entry["by"] = seen(entry["by"])
            entry["changes"] = [(name, seen(old), seen(new)) for name, old, new in entry.get("changes", ())]

    def _with_button(self, show: Show, number: Any) -> Any:
        """A telephone number with the button that shows it, if it is masked and may be asked for."""
        may = self.reveals and show.reveals and "*" in number and self.allowed(REVEAL)
        return formats.reveal(number, f"{self.route_base}/phone/{show.id}") if may else number

    # --- actions

    @expose("/dialog/<name>", methods=["POST"])
    @asks_permission
    def dialog(self, name: str) -> Any:
        """The dialog of an action, for the posted selection."""
        declared, method = self._declared(name)
        selection = self._selection(declared).counted()
        if declared.leads_away:
            return "", 204, {"HX-Redirect": method(selection.only_id())}
        if declared.only_shows:
            more = method(selection.only_id())
            self._mask_shown(more)
            return self._dialog(declared, selection, NoForm(), more=more)
        known = self.prefill(declared, selection)
        form = self._form(declared)(formdata=None, obj=known)
        if declared.single:
            self.record_numbers(selection.only_id(), getattr(known, "name", ""), known, form)
        return self._dialog(declared, selection, form)

    def record_numbers(self, row_id: int, title: str, known: Any, form: FlaskForm) -> None:
        """Record that telephone numbers of a row, which lists mask, stand whole in a form to be changed there."""
        values = [getattr(known, field.name, None) for field in form]
        clear = self._in_clear()
        if any(type(value) not in clear and formats.masked(value) != value for value in values):
            audit.record("reveal", self.source.model.__tablename__, row_id, title, what="phone")
            db.session.commit()

    def _mask_shown(self, more: dict[str, Any]) -> None:
        """Mask what a dialog shows: everything about a row, or a table."""
        if "show" in more:
            self._mask(more["show"])
        if "table" in more:
            self._mask(Show(0, "", tables=[more["table"]]))

    @expose("/act/<name>", methods=["POST"])
    @asks_permission
    def act(self, name: str) -> Any:
        """Do the action to the posted selection, or show its dialog again with what is wrong."""
        declared, method = self._declared(name)
        if declared.only_shows:
            abort(405)
        confirmed = self._selection(declared)
        selection = confirmed.counted()
        form = self._form(declared)(_posted())
        if selection.asked > confirmed.asked:
            return self._dialog(declared, selection, form, problem=_too_many(selection, confirmed)), 422
        if declared.form is not None and not form.validate():
            return self._dialog(declared, selection, form), 422
        if declared.judges and request.form.get("seen", seen := selection.digest(self.source.model)) != seen:
            return self._dialog(declared, selection, form, problem=str(Stale())), 422
        try:
            message = method(selection.at_most(confirmed.asked, self.source.model), form)
        except RuleError as refusal:
            db.session.rollback()
            return self._refused(declared, selection, form, refusal), 422
        if not isinstance(message, str):
            return message
        db.session.commit()
        flash(message, "success")
        return self._done()

    def _form(self, declared: FormAction) -> type[FlaskForm]:
        return getattr(self, declared.form) if isinstance(declared.form, str) else declared.form or NoForm

    def prefill(self, declared: FormAction, selection: Selection) -> Any:
        """The object whose values a dialog starts with; None for an empty one."""
        return None

    def _declared(self, name: str) -> tuple[FormAction, Callable[..., Any]]:
        found = next(((d, method) for d, method in self.form_actions if d.name == name), None)
        if found is None:
            abort(404)
        require(found[0].needs, self.class_permission_name)
        return found

    def _selection(self, declared: FormAction) -> Selection:
        if declared.without:
            return Selection((), 0, ())
        selection = read_selection(request.form, self.query)
        if declared.optional and selection.ids == ():
            return selection
        if selection.ids == ():
            raise RuleError(_("Please tick at least one row."))
        if declared.single or declared.optional:
            self.listed_id(selection.only_id())
        return selection

    def _dialog(
        self,
        declared: FormAction,
        selection: Selection,
        form: Any,
        problem: str | None = None,
        more: dict[str, Any] | None = None,
    ) -> str:
        shown: dict[str, Any] = more or {}
        if declared.context:
            shown = getattr(self, declared.context)(selection, form)
        dialog = {
            "title": declared.label,
            "summary": self._summary(declared, selection),
            "action_url": f"{self.route_base}/act/{declared.name}",
            "submit_label": declared.submit or declared.label,
            "style": declared.style or "primary",
            "selection_fields": (*selection.fields, *self._digest_field(declared, selection)),
            "problem": problem,
            "size": declared.size,
        }
        return render_template(declared.template, dialog={**dialog, **shown.pop("dialog", {})}, form=form, **shown)

    def _digest_field(self, declared: FormAction, selection: Selection) -> list[tuple[str, str]]:
        return [("seen", selection.digest(self.source.model))] if declared.judges else []

    def dialog_again(self, name: str, form: FlaskForm, shown: dict[str, Any]) -> str:
        """The dialog of an action on no rows once more, with what its form holds and more to show."""
        declared, _method = self._declared(name)
        return self._dialog(declared, Selection((), 0, ()), form, more=shown)

    def _summary(self, declared: FormAction, selection: Selection) -> str:
        if declared.without or declared.single:
            return ""
        if selection.is_everything:
            return _("All %(number)s rows that match the filter.", number=selection.asked)
        return ngettext("%(num)s row ticked.", "%(num)s rows ticked.", selection.asked)

    def _refused(self, declared: FormAction, selection: Selection, form: Any, refusal: RuleError) -> str:
        if refusal.field and refusal.field in form:
            form[refusal.field].errors = [*form[refusal.field].errors, str(refusal)]
            return self._dialog(declared, selection, form)
        return self._dialog(declared, selection, form, problem=str(refusal))

    def _done(self) -> Any:
        if wants_fragment():
            return "", 204, {"HX-Redirect": self._back()}
        return redirect(self._back(), code=303)

    def _back(self) -> str:
        """The list as it was: the address the request came from, if it is one of this page."""
        origin = urlsplit(request.headers.get("HX-Current-URL") or request.referrer or "")
        if origin.path.startswith(self.route_base + "/"):
            return f"{origin.path}?{origin.query}" if origin.query else origin.path
        return self.url


class EditablePage(ModelPage):
    """A page whose rows can be added, edited and deleted, in dialogs. Its table has a `revision`.

    A row that somebody else changed meanwhile is not overwritten, and a refused edit leaves nothing behind.
    """

    form: type[FlaskForm]

    @form_action("add", _l("Add"), icon="plus", style="primary", form="form", without=True, permission="can_add")
    def add_row(self, _selection: Selection, form: Any) -> str:
        row = self.source.model()
        self._save(row, form)
        return _("Added.")

    @form_action("edit", _l("Edit"), icon="edit", form="form", single=True, permission="can_edit", submit=_l("Save"))
    def edit_row(self, selection: Selection, form: Any) -> str:
        row = self._row_of(selection)
        if str(row.revision) != form.revision.data:
            raise Stale
        self._save(row, form)
        return _("Saved.")

    @form_action("delete", _l("Delete"), icon="trash", style="danger", permission="can_delete")
    def delete_rows(self, selection: Selection, _form: Any) -> str:
        model = self.source.model
        chosen = select(model).where(model.id.in_(selection.ids), *self.source.where())
        gone = db.session.scalars(chosen.with_for_update(of=model)).all()
        for row in gone:  # these tables are small, and each row that goes is written down
            db.session.delete(row)
        db.session.flush()
        self.changed()
        return ngettext("Deleted %(num)s row.", "Deleted %(num)s rows.", len(gone))

    def prefill(self, declared: FormAction, selection: Selection) -> Any:
        return self._row_of(selection) if declared.name == "edit" else None

    def changed(self) -> None:
        """What follows from a change of the rows, or a refusal of it; in the same transaction."""

    def _row_of(self, selection: Selection) -> Any:
        return db.session.get(self.source.model, selection.only_id()) or abort(404)

    def _save(self, row: Any, form: Any) -> None:
        for field_ in form:
            if field_.name not in ("csrf_token", "revision"):
                field_.populate_obj(row, field_.name)
        db.session.add(row)
        try:
            db.session.flush()
        except StaleDataError as lost:
            raise Stale from lost
        except IntegrityError as double:
            raise RuleError(_("There is such a row already.")) from double
        self.changed()


def _too_many(selection: Selection, confirmed: Selection) -> str:
    return _(
        "%(number)s rows match the filter by now, and you confirmed %(confirmed)s. Nothing was changed: please look "
        "again and confirm.",
        number=selection.asked,
        confirmed=confirmed.asked,
    )


def _posted() -> CombinedMultiDict[str, Any]:
    """The fields and the files of the request."""
    parts: Any = (request.files, request.form)
    return CombinedMultiDict(parts)


def _search_box(query: Query) -> dict[str, Any] | None:
    box = query.search
    if box is None:
        return None
    return {
        "name": "q",
        "field_name": "field",
        "fields": box.options,
        "value": box.value,
        "placeholder": box.text,
    }


def _paging(url: str, query: Query, rows: list[Any], has_more: bool, total: Total) -> dict[str, Any]:
    keep = {
        "sort": f"{'-' if query.descending else ''}{query.sort.name}" if query.sort else None,
        "size": query.size if query.size != lists.PAGE_SIZES[0] else None,
    }

    def address(page: int, **more: Any) -> str:
        return lists.url_of(url, query.params, **{**keep, "page": page if page > 1 else None, **more})

    def by_key(page: int, name: str, row: Any) -> str:
        deep = (page - 1) * query.size > lists.OFFSET_CAP
        key = lists.Key(row._part, row._key, row._id)
        return address(page, **{name: key}) if deep or query.after or query.before else address(page)

    page = query.page
    forward = has_more if not query.before else True
    backward = page > 1 and bool(rows)
    first = (page - 1) * query.size + 1 if rows else 0
    return {
        "page": page,
        "pages_text": f"{max(-(-total.value // query.size), 1)}{'' if total.exact else '+'}",
        "size": query.size,
        "sizes": [
            (size, lists.url_of(url, query.params, sort=keep["sort"], size=size), size == query.size)
            for size in lists.PAGE_SIZES
        ],
        "first_row": first,
        "last_row": first + len(rows) - 1 if rows else 0,
        "next_url": by_key(page + 1, "after", rows[-1]) if rows and forward else None,
        "previous_url": by_key(page - 1, "before", rows[0]) if backward else None,
        "links": [
            (label, address(number) if number else None, number == page) for label, number in _numbers(query, total)
        ],
    }


def _numbers(query: Query, total: Total) -> list[tuple[str, int | None]]:
    """Page numbers around this one, as far as OFFSET carries."""
    furthest = min(-(-total.value // query.size), lists.OFFSET_CAP // query.size + 1)
    near = {1, *range(query.page - 2, query.page + 3), furthest}
    numbers = sorted(number for number in near if 1 <= number <= max(furthest, 1))
    links: list[tuple[str, int | None]] = []
    for number in numbers:
        if links and links[-1][1] is not None and number - links[-1][1] > 1:
            links.append(("…", None))
        links.append((str(number), number))
    return links
