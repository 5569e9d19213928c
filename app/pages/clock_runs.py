"""日常作业: what happened by itself on each day, and doing it again for a day."""

from flask import g
from flask_babel import gettext as _, lazy_gettext as _l
from wtforms import DateField
from wtforms.validators import InputRequired

from app import audit
from app.domain import clockwork, holidays
from app.fabkit.actions import Selection, form_action
from app.fabkit.formats import day, moment
from app.fabkit.forms import Form
from app.fabkit.lists import Column, Source
from app.fabkit.pages import ModelPage
from app.models import ClockRun
from app.pages.outcomes import WHO

HANDS = {
    "month_end": _l("figures of the month kept"),
    "announced": _l("changes of the catalogue begun"),
    "run_out": _l("overdue"),
    "fall_due": _l("due soon"),
    "expire_standards": _l("measurement standards expired"),
    "expire": _l("capabilities expired"),
    "time_out": _l("not answered in time"),
    "rectification": _l("reminded of rectification"),
    "manufacturers": _l("new manufacturers"),
    "near_deadline": _l("reminded of deadlines"),
    "qualification": _l("reminded of qualifications"),
    "standard": _l("reminded of measurement standards"),
}


def _moved(value: dict[str, int]) -> str:
    """Each hand with what it moved."""
    return "、".join(f"{HANDS.get(name, name)} {count}" for name, count in value.items())


class RunForm(Form):
    day = DateField(_l("Day"), [InputRequired(_l("Please give the day."))])


class ClockRuns(ModelPage):
    """日常作业."""

    route_base = "/clockwork"
    class_permission_name = "ClockRuns"
    list_title = _l("Daily run")
    subtitle = _l("Each night, and when the system starts: what has run out, what was not answered, who is reminded.")
    empty = _l("It has not run yet.")
    source = Source(ClockRun, key=ClockRun.id, descending=True)
    columns = (
        Column("day", _l("Day"), ClockRun.day, day, css="nowrap", fixed=True),
        Column("at", _l("Run at"), ClockRun.at, moment, css="nowrap"),
        Column("moved", _l("What it moved"), ClockRun.moved, _moved, css="wide"),
        Column("by_name", _l("Person"), ClockRun.by_name, WHO),
    )

    @form_action("run", _l("Run again"), icon="refresh", style="primary", form=RunForm, without=True)
    def run(self, _selection: Selection, form: RunForm) -> str:
        audit.record("run", "clock_run", None, (form.day.data or holidays.today()).isoformat())
        moved = clockwork.run(form.day.data or holidays.today(), g.principal)
        return _("The run is done: %(moved)s.", moved=_moved(moved))
