"""检定进度: where a using unit's tasks are, and what it can do about them."""

from typing import Any

from flask import g
from flask_babel import gettext as _, lazy_gettext as _l

from app.domain import bookings, matching
from app.fabkit.actions import Selection, form_action
from app.fabkit.filters import Choice
from app.fabkit.lists import Source
from app.models import Task
from app.pages import lots, tasks as task_pages
from app.pages.lots import LotsForm
from app.pages.options import by_institution
from app.states import DRAFT, RETURNED, TASK_LABELS, WITHDRAW


class Progress(task_pages.TaskPage):
    """检定进度."""

    route_base = "/progress"
    has_own_telephones = True
    class_permission_name = "Progress"
    list_title = _l("Progress of our tasks")
    empty = _l("You have not booked a verification yet.")
    source = Source(
        Task,
        key=Task.applied_at,
        joins=task_pages.JOINS,
        outer_joins=task_pages.RECEIVER,
        descending=True,
    )
    columns = (
        task_pages.STATE,
        task_pages.NO,
        task_pages.NAME,
        task_pages.KIND,
        task_pages.MODEL,
        task_pages.SERIAL,
        task_pages.PLACE,
        task_pages.INSTITUTION,
        task_pages.APPLIED,
        task_pages.DELIVERY,
        task_pages.PLANNED,
        task_pages.DUE,
        task_pages.REASON,
    )
    filters = (
        Choice("state", _l("State"), Task.state, TASK_LABELS),
        by_institution(lambda id: Task.institution_id == id),
        task_pages.BY_REGION,
        task_pages.BY_ITEM,
        task_pages.BY_APPLIED,
    )

    @form_action(
        "submit",
        _l("Submit"),
        icon="send",
        style="primary",
        form=LotsForm,
        states=frozenset({DRAFT}),
        template="ledger/submit.html",
        size="xl",
        context="lots",
    )
    def submit(self, selection: Selection, form: LotsForm) -> str:
        outcome = bookings.submit_drafts(selection.ids, form.choices(), g.principal)
        return task_pages.told(_("Submitted %(done)s tasks.", done=outcome.done), outcome)

    @form_action(
        "resubmit",
        _l("Submit again"),
        icon="arrow-forward-up",
        form=LotsForm,
        states=frozenset({RETURNED}),
        template="ledger/submit.html",
        size="xl",
        context="lots",
    )
    def resubmit(self, selection: Selection, form: LotsForm) -> str:
        outcome = bookings.resubmit(selection.ids, form.choices(), g.principal)
        return task_pages.told(_("Submitted %(done)s tasks.", done=outcome.done), outcome)

    def lots(self, selection: Selection, form: LotsForm) -> dict[str, Any]:
        return lots.shown(matching.lots_of_tasks(selection.ids), form)

    @form_action("withdraw", _l("Withdraw"), icon="arrow-back-up", states=WITHDRAW.sources)
    def withdraw(self, selection: Selection, _form: Any) -> str:
        outcome = bookings.withdraw(selection.ids, g.principal)
        return task_pages.told(_("Withdrew %(done)s tasks.", done=outcome.done), outcome)

    @form_action("remove", _l("Delete draft"), icon="trash", style="danger", states=frozenset({DRAFT}))
    def remove(self, selection: Selection, _form: Any) -> str:
        outcome = bookings.remove(selection.ids, g.principal)
        return task_pages.told(_("Deleted %(done)s drafts.", done=outcome.done), outcome)
