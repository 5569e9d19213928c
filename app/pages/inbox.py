"""待受理任务: what was offered to an institution and what it has taken on."""

from datetime import date
from typing import Any

from flask import g
from flask_babel import gettext as _, lazy_gettext as _l
from wtforms import DateField
from wtforms.validators import InputRequired

from app.domain import holidays, inbox
from app.domain.inbox import LONGEST_REASON, SHORTEST_REASON
from app.fabkit.actions import Selection, form_action
from app.fabkit.filters import Choice, Switch
from app.fabkit.forms import Form, reason_field
from app.fabkit.lists import Source
from app.models import Task
from app.pages import tasks as task_pages
from app.states import ACCEPTED, AT_INSTITUTION, OFFERED, RETURN, TASK_LABELS, TASK_STATES, WITH_INSTITUTION


class ReturnForm(Form):
    reason = reason_field(
        _l("Reason for returning"),
        SHORTEST_REASON,
        LONGEST_REASON,
        (
            _l("The range or accuracy lies outside our authorization."),
            _l("Our measurement standard is out of service."),
            _l("No free capacity before the deadline."),
            _l("The place cannot be reached for verification on site."),
        ),
    )


class PlanForm(Form):
    planned_on = DateField(_l("Planned for"), [InputRequired(_l("Please give the day."))])


DUE = {"past": _l("Past due"), "near": _l("Due within 2 working days"), "none": _l("Waits for the instrument")}


def _due(value: str) -> Any:
    at_work = Task.state.in_(sorted(AT_INSTITUTION))
    if value == "none":
        return at_work & Task.due_on.is_(None)
    if value == "past":
        return at_work & (Task.due_on < holidays.today())
    return at_work & Task.due_on.between(holidays.today(), inbox.near())


class Inbox(task_pages.TaskPage):
    """待受理任务."""

    route_base = "/inbox"
    class_permission_name = "Inbox"
    reveals = True
    shows_what_left = True
    list_title = _l("Tasks offered to us")
    subtitle = _l("Offered tasks come first. Accept them, or return them with a reason.")
    empty = _l("No task has been offered to you.")
    source = Source(
        Task,
        key=Task.applied_at,
        joins=task_pages.JOINS,
        where=lambda: [Task.state.in_(sorted(WITH_INSTITUTION))],
        first=lambda: Task.state == OFFERED,
    )
    columns = (
        task_pages.STATE,
        task_pages.NO,
        task_pages.NAME,
        task_pages.KIND,
        task_pages.MODEL,
        task_pages.RANGE,
        task_pages.ACCURACY,
        task_pages.SERIAL,
        task_pages.APPLICANT,
        task_pages.PLACE,
        task_pages.APPLIED,
        task_pages.DELIVERY,
        task_pages.DUE,
        task_pages.PLANNED,
        task_pages.RECEIVED,
        task_pages.WAITING,
    )
    filters = (
        Choice(
            "state",
            _l("State"),
            Task.state,
            {state: TASK_LABELS[state] for state in TASK_STATES if state in WITH_INSTITUTION},
        ),
        Switch("due", _l("Due"), None, DUE, multiple=False, conditions=_due),
        task_pages.BY_REGION,
        task_pages.BY_ITEM,
        task_pages.BY_DELIVERY,
        task_pages.BY_APPLIED,
    )

    @form_action("accept", _l("Accept"), icon="check", style="primary", states=frozenset({OFFERED}))
    def accept(self, selection: Selection, _form: Any) -> str:
        outcome = inbox.accept(selection.ids, g.principal)
        return task_pages.told(_("Accepted %(done)s tasks.", done=outcome.done), outcome)

    @form_action(
        "return",
        _l("Return"),
        icon="arrow-back-up",
        style="danger",
        form=ReturnForm,
        states=RETURN.sources,
    )
    def return_(self, selection: Selection, form: ReturnForm) -> str:
        outcome = inbox.return_(selection.ids, form.reason.data or "", g.principal)
        return task_pages.told(_("Returned %(done)s tasks.", done=outcome.done), outcome)

    @form_action("plan", _l("Plan a date"), icon="calendar-event", form=PlanForm, states=frozenset({ACCEPTED}))
    def plan(self, selection: Selection, form: PlanForm) -> str:
        outcome = inbox.plan(selection.ids, form.planned_on.data or date.min, g.principal)
        return task_pages.told(_("Planned %(done)s tasks.", done=outcome.done), outcome)

    @form_action("receive", _l("Receive"), icon="package-import", states=frozenset({ACCEPTED}))
    def receive(self, selection: Selection, _form: Any) -> str:
        outcome = inbox.receive(selection.ids, g.principal)
        return task_pages.told(_("Received %(done)s instruments.", done=outcome.done), outcome)

    @form_action("start", _l("Start verification"), icon="player-play", states=frozenset({ACCEPTED}))
    def start(self, selection: Selection, _form: Any) -> str:
        outcome = inbox.start(selection.ids, g.principal)
        return task_pages.told(_("Started %(done)s verifications.", done=outcome.done), outcome)
