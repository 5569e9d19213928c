"""待受理任务: what was offered to an institution and what it has taken on."""

from typing import Any

from flask import g
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm

from app.domain import inbox
from app.domain.inbox import LONGEST_REASON, SHORTEST_REASON
from app.fabkit.actions import Selection, form_action
from app.fabkit.filters import Choice
from app.fabkit.forms import reason_field
from app.fabkit.lists import Source
from app.models import Task
from app.pages import tasks as task_pages
from app.states import OFFERED, TASK_LABELS, TASK_STATES, WITH_INSTITUTION


class ReturnForm(FlaskForm):
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


class Inbox(task_pages.TaskPage):
    """待受理任务."""

    route_base = "/inbox"
    class_permission_name = "Inbox"
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
        task_pages.WAITING,
    )
    filters = (
        Choice(
            "state",
            _l("State"),
            Task.state,
            {state: TASK_LABELS[state] for state in TASK_STATES if state in WITH_INSTITUTION},
        ),
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
        states=frozenset({OFFERED}),
    )
    def return_(self, selection: Selection, form: ReturnForm) -> str:
        outcome = inbox.return_(selection.ids, form.reason.data or "", g.principal)
        return task_pages.told(_("Returned %(done)s tasks.", done=outcome.done), outcome)
