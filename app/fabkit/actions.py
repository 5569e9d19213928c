"""Bulk actions: a button with a form in a dialog, given a selection that stays unloaded."""

import json
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Any

from flask import abort
from flask_appbuilder.actions import action
from flask_babel import gettext as _
from sqlalchemy import Select, func, select
from werkzeug.datastructures import MultiDict

from app.access import visible
from app.errors import RuleError
from app.models import db

from . import lists
from .filters import is_number
from .forms import Form

MOST_TICKED = 1000


@dataclass(frozen=True)
class Selection:
    """The rows an action is for: ticked ids, or a statement of all that match a filter. Never loaded rows.

    `asked` is how many rows were ticked, or match; of all that match, as they were posted, how many were confirmed.
    """

    ids: Collection[int] | Select[int]
    asked: int
    fields: tuple[tuple[str, str], ...]

    @property
    def is_everything(self) -> bool:
        return isinstance(self.ids, Select)

    def counted(self) -> "Selection":
        """The selection with the number of rows that match now."""
        if not isinstance(self.ids, Select):
            return self
        number = db.session.scalar(select(func.count()).select_from(self.ids.subquery())) or 0
        fields = tuple((name, str(number) if name == "expected" else value) for name, value in self.fields)
        return replace(self, asked=number, fields=fields)

    def at_most(self, confirmed: int, model: Any) -> "Selection":
        """The selection for a change: no rows at all in any statement that finds more than were confirmed.

        Rows may arrive after they were counted, while the transaction waits for somebody else.
        """
        if not isinstance(self.ids, Select):
            return self
        # Narrowed here, too: the session does not reach into what a Core statement writes.
        matching = visible(self.ids, model).limit(confirmed + 1).subquery()
        found = select(func.count()).select_from(matching)
        return replace(self, ids=self.ids.where(found.scalar_subquery() <= confirmed))

    def digest(self, model: Any) -> str:
        """What stands for the rows as they are now: another one as soon as one of them is edited."""
        row = func.hashtextextended(func.concat(model.id, " ", model.revision), 0)
        seen = select(func.concat(func.count(), " ", func.sum(row))).where(model.id.in_(self.ids))
        return str(db.session.scalar(seen))

    def only_id(self) -> int:
        """The id of the one chosen row; anything else is not for an action on a single row."""
        if isinstance(self.ids, Select) or len(self.ids) != 1:
            raise RuleError(_("Please tick exactly one row."))
        return next(iter(self.ids))


def read_selection(form: MultiDict[str, str], query_of: Callable[[Any], lists.Query]) -> Selection:
    """The posted selection. A filter that cannot be read whole is refused: it would choose too much."""
    if form.get("selection") == "all":
        args = lists.parse(form.get("filter", ""))
        query = query_of(args)
        if not query.has_all_of(args):
            raise RuleError(_("The filter has changed. Please choose the rows again."))
        expected = form.get("expected", "")
        asked = int(expected) if is_number(expected) else 0
        fields = (("selection", "all"), ("filter", query.text), ("expected", str(asked)))
        return Selection(query.ids(), asked, fields)
    given = form.getlist("id")
    if len(given) > MOST_TICKED or not all(map(is_number, given)):
        abort(400)
    ids = tuple(dict.fromkeys(int(id) for id in given))
    return Selection(ids, len(ids), (("selection", "ids"), *(("id", str(id)) for id in ids)))


@dataclass(frozen=True)
class FormAction:
    """How an action looks and what it asks; the method it decorates does it and returns the message.

    `form` is a form, the name of the page's attribute that holds it, or None for a dialog that only confirms or
    shows. `states` are the states in which a row can take it, None if any; `single` wants exactly one row,
    `without` none at all, `optional` one or none. `context` names a page method that gives the template more to
    show. One that `leads_away` has no dialog: its method gives the address of the page where the row is worked on.
    `most_bytes` is how large a request with files may be, where it takes any. One that `judges` decides on what rows
    say: it is refused if one of them was edited after its dialog was opened.
    """

    name: str
    label: Any
    icon: str = ""
    style: str = ""
    form: type[Form] | str | None = None
    states: frozenset[str] | None = None
    single: bool = False
    without: bool = False
    optional: bool = False
    submit: Any = None
    template: str = "dialog.html"
    size: str = ""
    permission: str = ""
    context: str | None = None
    only_shows: bool = False
    leads_away: bool = False
    most_bytes: int | None = None
    judges: bool = False

    @property
    def needs(self) -> str:
        """The permission it takes: its own name, unless it is said to come with another."""
        return self.permission or self.name


def form_action(name: str, label: Any, **how: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Declare a page's method as an action: own permission, own form, own source states."""
    declared = FormAction(name, label, **how)

    def decorate(method: Callable[..., Any]) -> Callable[..., Any]:
        # Flask-AppBuilder's own @action makes the permission known; its routes are replaced by ours.
        method = action(name, label, None, declared.icon, multiple=not declared.single)(method)
        method.form_action = declared  # type: ignore[attr-defined]
        return method

    return decorate


def show_action(name: str, label: Any, **how: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Declare a page's method as a dialog that shows something of one row: it gives what the template shows."""
    return form_action(name, label, single=True, only_shows=True, permission="can_show", **how)


def page_action(name: str, label: Any, **how: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Declare a page's method as a button that leads to another page about one row: it gives the address."""
    return form_action(name, label, single=True, only_shows=True, leads_away=True, **how)


def download(url: str) -> Any:
    """The answer of an action from which a file comes: its dialog closes (dialog.js), and the file is fetched."""
    return "", 204, {"HX-Trigger": json.dumps({"app:download": {"url": url}})}


class NoForm(Form):
    """For an action that only wants a confirmation."""
