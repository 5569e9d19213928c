"""Paste a list: up to a thousand numbers, found all at once by index, and told which are not there.

An address could not hold them: they are kept for who pasted them, and the address names the list.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flask import abort, g, render_template, request
from flask_appbuilder import expose
from flask_babel import gettext as _, lazy_gettext as _l, ngettext
from sqlalchemy import delete, or_, select
from wtforms import TextAreaField

from app import finding
from app.errors import RuleError
from app.models import NumberList, db
from app.texts import entered, same

from . import lists
from .filters import Args, Bound, is_number
from .forms import Form
from .security import permitted

MOST, LONGEST, MOST_TOLD = 1000, 100, 20
# Of each person the last few lists are kept.
MOST_KEPT = 50
_BETWEEN = re.compile(r"[\s,;，；、]+")


def numbers_in(text: str) -> list[str]:
    """The numbers of a pasted text, each once: between them line breaks, blanks, tabs, commas or semicolons."""
    parts = _BETWEEN.split(entered(text, lines=True))
    return list(dict.fromkeys(part for part in parts if same(part)))


def keep(text: str) -> int:
    """Keep the pasted numbers for who acts; gives the id of the list."""
    numbers = numbers_in(text)
    if not numbers:
        raise RuleError(_("Please paste at least one number."), field="numbers")
    if len(numbers) > MOST:
        raise RuleError(
            _("At most %(most)s numbers at once; these are %(number)s.", most=MOST, number=len(numbers)),
            field="numbers",
        )
    longest = max(numbers, key=len)
    if len(longest) > LONGEST:
        raise RuleError(_("This is too long for a number: %(text)s…", text=longest[:30]), field="numbers")
    new = NumberList(account_id=g.principal.account_id, numbers=numbers)
    db.session.add(new)
    db.session.flush()
    last = select(NumberList.id).where(_is_own()).order_by(NumberList.id.desc()).limit(MOST_KEPT)
    db.session.execute(
        delete(NumberList).where(_is_own(), NumberList.id.not_in(last)).execution_options(synchronize_session=False)
    )
    return new.id


def find(id: int) -> list[str] | None:
    """The numbers of a list of one's own."""
    found: list[str] | None = db.session.scalar(select(NumberList.numbers).where(NumberList.id == id, _is_own()))
    return found


def _is_own() -> Any:
    return NumberList.account_id == g.principal.account_id


@dataclass(frozen=True)
class Numbers:
    """One of the numbers of a pasted list, however it is written, in one of these columns of the list's table."""

    name: str
    label: Any
    columns: tuple[Any, ...]

    def bind(self, args: Args) -> Bound:
        bound = Bound(self.name, self.label, "numbers")
        asked = args.get(self.name, "")
        if not asked:
            return bound
        numbers = find(int(asked)) if is_number(asked) else None
        if numbers is None:
            bound.problem = _("“%(filter)s”: this list is no longer there. Please paste it again.", filter=self.label)
            return bound
        bound.value, bound.params = asked, [(self.name, asked)]
        bound.text = ngettext("%(num)s number", "%(num)s numbers", len(numbers))
        bound.condition = or_(*(finding.is_among(column, numbers) for column in self.columns))
        bound.note = _not_found(numbers, self._found(numbers))
        return bound

    def _found(self, numbers: list[str]) -> set[str]:
        """Those of the numbers that the acting person finds."""
        there = [
            db.session.scalars(select(finding.folded(column)).where(finding.is_among(column, numbers)))
            for column in self.columns
        ]
        found = {text for texts in there for text in texts}
        return {number for number in numbers if same(number) in found}


def _not_found(numbers: list[str], found: set[str]) -> str | None:
    missing = [number for number in numbers if number not in found]
    if not missing:
        return None
    told, rest = "、".join(missing[:MOST_TOLD]), len(missing) - MOST_TOLD
    text = _("%(number)s of %(all)s numbers were not found: %(told)s", number=len(missing), all=len(numbers), told=told)
    return text + _(", and %(rest)s more", rest=rest) if rest > 0 else text


class NumbersForm(Form):
    numbers = TextAreaField(
        _l("Numbers"),
        description=_l("One a line, or with commas, blanks or tabs between them; at most %(most)s.", most=MOST),
        render_kw={"rows": 10},
    )


class NumberLists:
    """What a page with such a filter is beside a list: the dialog in which numbers are pasted."""

    route_base: str
    url: str
    filters: tuple[Any, ...]
    query: Callable[[Any], lists.Query]

    @expose("/numbers/ask", methods=["POST"])
    @permitted("list")
    def ask_for_numbers(self) -> Any:
        """The dialog to paste into, with what was pasted before."""
        asked = self._numbers_filter()
        before = lists.parse(request.form.get("filter", "")).get(asked.name, "")
        pasted = find(int(before)) if is_number(before) else None
        return self._numbers_dialog(asked, NumbersForm(formdata=None, numbers="\n".join(pasted or [])))

    @expose("/numbers", methods=["POST"])
    @permitted("list")
    def take_numbers(self) -> Any:
        """Keep what was pasted and show the list narrowed to it."""
        asked, form = self._numbers_filter(), NumbersForm()
        try:
            id = keep(form.numbers.data or "")
        except RuleError as refusal:
            form.numbers.errors = [str(refusal)]
            return self._numbers_dialog(asked, form), 422
        db.session.commit()
        others = self.query(lists.parse(request.form.get("filter", ""))).params
        params = [(name, value) for name, value in others if name != asked.name] + [(asked.name, str(id))]
        return "", 204, {"HX-Redirect": lists.url_of(self.url, params)}

    def _numbers_filter(self) -> Numbers:
        name = request.form.get("name", "")
        return next((each for each in self.filters if isinstance(each, Numbers) and each.name == name), None) or abort(
            404
        )

    def _numbers_dialog(self, asked: Numbers, form: NumbersForm) -> str:
        dialog = {
            "title": asked.label,
            "action_url": f"{self.route_base}/numbers",
            "submit_label": _("Search"),
            "selection_fields": [("name", asked.name), ("filter", request.form.get("filter", ""))],
        }
        return render_template("dialog.html", dialog=dialog, form=form)
