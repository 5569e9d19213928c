"""Saved views: what somebody asks of a list again and again, under a name, for oneself or for the own organization.

A view is an address of the list and its columns; opened, it is read as any other address: nothing in it is trusted.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from flask import abort, flash, g, redirect, render_template, request
from flask_appbuilder import expose
from flask_babel import gettext as _, lazy_gettext as _l
from sqlalchemy import func, select
from wtforms import BooleanField, StringField

from app.errors import RuleError
from app.models import Account, SavedView, db

from . import lists
from .actions import NoForm
from .filters import Args, is_number
from .forms import Form, trimmed
from .lists import Query
from .security import permitted

MOST, LONGEST_NAME, LONGEST_QUERY = 50, 40, 4000
# In an address: no view, not even the one that the page opens with.
NONE = 0


@dataclass(frozen=True)
class View:
    """A view as one person sees it."""

    id: int
    name: str
    query: str
    columns: list[str]
    shared: bool
    owner: str
    own: bool
    default: bool

    @property
    def address(self) -> str:
        return f"{self.query}&view={self.id}" if self.query else f"view={self.id}"


def of(page: str) -> list[View]:
    """The views of a page that the acting person sees: own ones and those shared in the organization, by name."""
    who = g.principal
    found = (
        select(SavedView, Account.first_name)
        .join(Account, Account.id == SavedView.account_id)
        .where(SavedView.page == page, Account.organization_id == who.organization_id)
        .order_by(SavedView.name, SavedView.id)
    )
    default = g.user.preferences.get("views", {}).get(page)
    return [
        View(view.id, view.name, view.query, view.columns, view.shared, name, view.account_id == who.account_id,
             view.id == default)
        for view, name in db.session.execute(found)
    ]  # fmt: skip


def mine() -> list[tuple[str, str, str]]:
    """(page, name, address) of the views that the acting person has made, the latest first."""
    own = select(SavedView).where(_is_own()).order_by(SavedView.saved_at.desc(), SavedView.id.desc())
    return [
        (view.page, view.name, f"{view.query}&view={view.id}" if view.query else f"view={view.id}")
        for view in db.session.scalars(own.limit(MOST))
    ]


def save(
    page: str, name: str, query: str, columns: list[str], *, shared: bool, id: int | None = None
) -> SavedView | None:
    """Keep a view of one's own, or change it; None if it is not there or not one's own."""
    if not 1 <= len(name) <= LONGEST_NAME:
        raise RuleError(_("Please give a name of at most %(most)s characters.", most=LONGEST_NAME), field="name")
    if len(query) > LONGEST_QUERY:
        raise RuleError(_("The filter is too long to be saved."))
    # One after the other: two clicks at once make neither a view too many nor a name twice.
    db.session.execute(select(Account.id).where(Account.id == g.principal.account_id).with_for_update())
    view = own(page, id) if id is not None else _new(page)
    if view is None:
        return None
    same = select(SavedView.id).where(_is_own(), SavedView.page == page, SavedView.name == name)
    if db.session.scalar(same) not in (None, view.id):
        raise RuleError(_("You have a view of this name already."), field="name")
    view.name, view.query, view.columns, view.shared = name, query, columns, shared
    db.session.add(view)
    db.session.flush()
    return view


def _new(page: str) -> SavedView:
    if (db.session.scalar(select(func.count()).select_from(SavedView).where(_is_own())) or 0) >= MOST:
        raise RuleError(_("You have %(most)s views already. Please delete one first.", most=MOST))
    return SavedView(account_id=g.principal.account_id, page=page)


def own(page: str, id: int) -> SavedView | None:
    """A view that one has made oneself: only who made it changes or deletes it."""
    found: SavedView | None = db.session.scalar(
        select(SavedView).where(SavedView.id == id, SavedView.page == page, _is_own())
    )
    return found


def _is_own() -> Any:
    return SavedView.account_id == g.principal.account_id


def open_with(page: str, id: int | None) -> None:
    """Let the page open with a view, or with none, for the acting person."""
    kept = {name: view for name, view in g.user.preferences.get("views", {}).items() if name != page}
    if id is not None:
        kept[page] = id
    g.user.preferences = {**g.user.preferences, "views": kept}


def without_view(address: str) -> str:
    """An address of a list without the view, whose columns would go before those that somebody chooses now."""
    path, _mark, query = address.partition("?")
    asked = lists.parse(query)
    kept = [(name, value) for name, value in asked.items(multi=True) if name != "view"]
    return lists.url_of(path, kept, view=NONE if "view" in asked else None)


class ViewForm(Form):
    name = StringField(_l("Name of the view"), filters=[trimmed], render_kw={"maxlength": LONGEST_NAME})
    shared = BooleanField(_l("Show it to everybody in our organization"))


class SavedViews:
    """What a list needs to save and open views."""

    route_base: str
    url: str
    filters: tuple[Any, ...]
    query: Callable[[Any], Query]
    _visible_columns: Callable[[View | None], list[lists.Column]]

    @property
    def _page_name(self) -> str:
        return type(self).__name__

    def _opened_view(self, query: Query, views: list[View]) -> View | None:
        """The view that an address names; 404 if it is not there for this person."""
        if not query.view:
            return None
        return next((view for view in views if view.id == query.view), None) or abort(404)

    def _view_of(self, filter: str) -> View | None:
        """The view in a filter that was posted back."""
        query = self.query(lists.parse(filter))
        return self._opened_view(query, of(self._page_name)) if query.view else None

    def _gone_filters(self, view: View | None) -> list[str]:
        """That a view asks for what the page does not know any more."""
        names = {each.name for each in self.filters}
        known = {
            *names,
            *(f"{name}_{side}" for name in names for side in ("from", "to")),
            "field",
            "q",
            "match",
            "sort",
            "size",
        }
        if view is None or set(lists.parse(view.query)) <= known:
            return []
        return [_("The view asks for a filter that is no longer there; it was left out.")]

    def _shown_views(self, views: list[View], active: View | None) -> dict[str, Any]:
        return {
            "url": f"{self.route_base}/views",
            "all": [(view, f"{self.url}?{view.address}") for view in views],
            "active": active,
            "none_url": self._url_without_view(views),
        }

    def _url_without_view(self, views: list[View]) -> str:
        return f"{self.url}?view={NONE}" if any(view.default for view in views) else self.url

    @expose("/views/ask", methods=["POST"])
    @permitted("list")
    def ask_for_view(self) -> Any:
        """The dialog in which a view gets its name; for one's own view, with what it is called now."""
        view = self._own_view()
        return self._view_dialog(ViewForm(formdata=None, obj=view), view)

    @expose("/views", methods=["POST"])
    @permitted("list")
    def save_view(self) -> Any:
        """Save the list as it is shown: filters, order and columns."""
        form, now, changed = ViewForm(), self._asked_address(), self._own_view()
        shown = self._visible_columns(self._view_of(request.form.get("address", "")))
        columns = [column.name for column in shown]
        try:
            view = save(
                self._page_name,
                form.name.data or "",
                self._kept_query(now),
                columns,
                shared=bool(form.shared.data),
                id=changed.id if changed else None,
            )
        except RuleError as refusal:
            db.session.rollback()
            return self._refused_view(form, refusal), 422
        if view is None:
            abort(404)
        address = f"{view.query}&view={view.id}" if view.query else f"view={view.id}"
        db.session.commit()
        flash(_("Saved the view."), "success")
        return "", 204, {"HX-Redirect": f"{self.url}?{address}"}

    @expose("/views/ask-delete", methods=["POST"])
    @permitted("list")
    def ask_to_delete_view(self) -> Any:
        """The dialog that asks whether to delete a view."""
        view = self._own_view() or abort(404)
        dialog = {
            "title": _("Delete the view “%(name)s”?", name=view.name),
            "action_url": f"{self.route_base}/views/delete",
            "submit_label": _("Delete"),
            "style": "danger",
            "selection_fields": [("id", view.id)],
        }
        return render_template("dialog.html", dialog=dialog, form=NoForm())

    @expose("/views/delete", methods=["POST"])
    @permitted("list")
    def delete_view(self) -> Any:
        """Delete a view of one's own, also for those it was shared with."""
        view = self._own_view() or abort(404)
        db.session.delete(view)
        db.session.commit()
        flash(_("Deleted the view."), "success")
        return "", 204, {"HX-Redirect": self.url}

    @expose("/views/default", methods=["POST"])
    @permitted("list")
    def open_with_view(self) -> Any:
        """Let the page open with a view from now on, or with none."""
        asked = request.form.get("id", "")
        view = next((view for view in of(self._page_name) if str(view.id) == asked), None)
        if asked and view is None:
            abort(404)
        open_with(self._page_name, view.id if view else None)
        db.session.commit()
        return redirect(f"{self.url}?{view.address}" if view else self.url, code=303)

    def _own_view(self) -> SavedView | None:
        """The view that is to be changed; None for a new one."""
        asked = request.form.get("id", "")
        if not asked:
            return None
        return (own(self._page_name, int(asked)) if is_number(asked) else None) or abort(404)

    def _asked_address(self) -> Args:
        return lists.parse(request.form.get("address", ""))

    def _kept_query(self, now: Args) -> str:
        """What of an address is kept: what the list understood of it."""
        query = self.query(now)
        order = [(name, now[name]) for name in ("sort", "size") if now.get(name)]
        return urlencode([*(param for bound in query.bounds for param in bound.params), *order])

    def _refused_view(self, form: ViewForm, refusal: RuleError) -> str:
        if refusal.field == "name":
            form.name.errors = [str(refusal)]
            return self._view_dialog(form, self._own_view())
        return self._view_dialog(form, self._own_view(), str(refusal))

    def _view_dialog(self, form: ViewForm, view: SavedView | None, problem: str | None = None) -> str:
        dialog = {
            "title": _("Change the view") if view else _("Save as a view"),
            "summary": _("The filters, the order and the columns as they are now."),
            "action_url": f"{self.route_base}/views",
            "submit_label": _("Save"),
            "selection_fields": [("id", view.id if view else ""), ("address", request.form.get("address", ""))],
            "problem": problem,
        }
        return render_template("dialog.html", dialog=dialog, form=form)
