"""检定任务分配: the authority's queue of returned and unassigned tasks."""

from dataclasses import replace
from typing import Any

from flask import abort, g, render_template, request
from flask_appbuilder import expose
from flask_babel import gettext as _, lazy_gettext as _l
from flask_wtf import FlaskForm
from wtforms import HiddenField, TextAreaField
from wtforms.validators import InputRequired, Length, ValidationError

from app.access import within
from app.domain import assignments, catalogue, matching, regions, tallies, tasks
from app.domain.assignments import LONGEST_REASON, SHORTEST_REASON
from app.domain.matching import NO_ACCURACY, NO_KIND, NO_PLACE, NO_RANGE, NOT_VALID
from app.fabkit.actions import Selection, form_action, show_action
from app.fabkit.filters import Choice, Switch, is_number
from app.fabkit.formats import moment
from app.fabkit.forms import reason_field
from app.fabkit.lists import Query, Source, Total, capped_total
from app.fabkit.pages import Show
from app.fabkit.security import asks_permission
from app.models import Tally, Task
from app.pages import tasks as task_pages
from app.states import AWAITING_AUTHORITY, RETURNED, TASK_LABELS, UNASSIGNED

LACKING = {
    NO_KIND: _l("kind not authorized"),
    NO_RANGE: _l("range not covered"),
    NO_ACCURACY: _l("accuracy not covered"),
    NO_PLACE: _l("place not served"),
    NOT_VALID: _l("not valid today"),
}
PROXIMITY = {
    matching.SAME_COUNTY: _l("Same county"),
    matching.SAME_CITY: _l("Same city"),
    matching.SAME_PROVINCE: _l("Same province"),
    matching.ELSEWHERE: _l("Elsewhere"),
}


class AssignForm(FlaskForm):
    """Which institution, and why if it is not able."""

    institution_id = HiddenField(validators=[InputRequired(_l("Please choose an institution."))])
    reason = TextAreaField(_l("Reason"), validators=[Length(max=LONGEST_REASON)])

    def validate_institution_id(self, field: Any) -> None:
        if not is_number(field.data):
            raise ValidationError(_("Please choose an institution."))


class ProposalForm(FlaskForm):
    """The proposal that was shown."""

    digest = HiddenField(validators=[InputRequired(), Length(max=64)])


class RefuseForm(FlaskForm):
    reason = reason_field(
        _l("Reason for refusing"),
        SHORTEST_REASON,
        LONGEST_REASON,
        (
            _l("The instrument is not in the catalogue of mandatory verification."),
            _l("The data filed do not agree with the instrument."),
            _l("The instrument has been booked twice."),
            _l("The instrument is scrapped or no longer in use."),
        ),
    )


class EscalateForm(FlaskForm):
    reason = reason_field(
        _l("Reason for escalating"),
        SHORTEST_REASON,
        LONGEST_REASON,
        (
            _l("No institution within this jurisdiction can verify it."),
            _l("The institutions here have no free capacity before the deadline."),
        ),
    )


def _mine() -> Any:
    who = g.principal
    return Task.authority_id == who.organization_id if who.kind == "authority" else None


def _desk(value: str) -> Any:
    mine = Task.authority_id == g.principal.organization_id
    if value == "escalated":
        return assignments.is_escalated(g.principal)
    return mine if value == "mine" else ~mine


class Assignments(task_pages.TaskPage):
    """检定任务分配."""

    route_base = "/assignments"
    class_permission_name = "Assignments"
    shows_what_left = True
    list_title = _l("Task assignment")
    subtitle = _l("Returned and unassigned tasks of the jurisdiction; those at your own desk come first.")
    empty = _l("No task is waiting.")

    source = Source(
        Task,
        key=Task.applied_at,
        joins=task_pages.JOINS,
        where=lambda: [Task.state.in_(sorted(AWAITING_AUTHORITY))],
        first=_mine,
    )
    columns = (
        task_pages.STATE,
        task_pages.NO,
        task_pages.NAME,
        task_pages.ITEM,
        task_pages.KIND,
        task_pages.MODEL,
        task_pages.SERIAL,
        task_pages.APPLICANT,
        task_pages.PLACE,
        task_pages.APPLIED,
        task_pages.DELIVERY,
        task_pages.WAITING,
        replace(task_pages.REGION, hidden=True),
        replace(task_pages.RANGE, hidden=True),
        replace(task_pages.ACCURACY, hidden=True),
        replace(task_pages.MANUFACTURER, hidden=True),
        replace(task_pages.REASON, hidden=True),
    )
    filters = (
        Switch(
            "desk",
            _l("Desk"),
            None,
            {"mine": _l("At my desk"), "escalated": _l("Escalated to us"), "others": _l("At another desk")},
            multiple=False,
            conditions=_desk,
        ),
        Choice(
            "state",
            _l("State"),
            Task.state,
            {state: TASK_LABELS[state] for state in (RETURNED, UNASSIGNED)},
        ),
        task_pages.BY_REGION,
        task_pages.BY_ITEM,
        task_pages.BY_DELIVERY,
        task_pages.BY_APPLIED,
    )

    def total(self, query: Query) -> Total:
        """From the tallies where they know what is asked, else counted to 10,000."""
        asked = {bound.name: bound for bound in query.bounds if bound.condition is not None}
        if not asked.keys() <= {"state", "region", "item"}:
            return capped_total(query)
        conditions = []
        if "region" in asked:
            conditions.append(within(regions.prefix(asked["region"].value))(Tally))
        kinds = catalogue.kinds_of(int(asked["item"].value)) if "item" in asked else None
        states = [value for _name, value in asked["state"].params] if "state" in asked else AWAITING_AUTHORITY
        return Total(tallies.tasks(states, *conditions, kinds=kinds))

    @form_action(
        "assign",
        _l("Assign"),
        icon="send",
        style="primary",
        form=AssignForm,
        states=AWAITING_AUTHORITY,
        template="assignments/matching.html",
        size="xl",
        context="matching",
    )
    def assign(self, selection: Selection, form: AssignForm) -> str:
        chosen = int(form.institution_id.data or 0)
        outcome = assignments.assign(selection.ids, chosen, g.principal, form.reason.data or "")
        return task_pages.told(_("Assigned %(done)s tasks.", done=outcome.done), outcome)

    def matching(self, selection: Selection, form: AssignForm) -> dict[str, Any]:
        search = request.form.get("q", "").strip()[:100]
        page = _page_number(request.form.get("page", ""))
        rows, more = matching.candidates(selection.ids, search=search, page=page)
        return {
            "matching": {
                "total": rows[0].total if rows else 0,
                "rows": [_candidate(row, form.institution_id.data) for row in rows],
                "query": search,
                "page": page,
                "has_previous": page > 1,
                "has_next": more,
                "url": f"{self.route_base}/matching",
            },
            "dialog": {"title": _("Match institutions")},
        }

    @expose("/matching", methods=["POST"])
    @asks_permission
    def matching_table(self) -> Any:
        """Another page of the matching table, or another search in it."""
        declared, _method = self._declared("assign")
        form = AssignForm(request.form)
        return render_template("assignments/_matching_table.html", **self.matching(self._selection(declared), form))

    @form_action(
        "assign_best",
        _l("Assign automatically"),
        icon="sparkles",
        form=ProposalForm,
        states=AWAITING_AUTHORITY,
        template="assignments/proposal.html",
        size="lg",
        submit=_l("Assign as proposed"),
        context="proposal",
    )
    def assign_best(self, selection: Selection, form: ProposalForm) -> str:
        outcome = assignments.assign_best(selection.ids, form.digest.data or "", g.principal)
        return task_pages.told(_("Assigned %(done)s tasks.", done=outcome.done), outcome)

    def proposal(self, selection: Selection, form: ProposalForm) -> dict[str, Any]:
        proposal = matching.proposal(selection.ids)
        form.digest.data = proposal.digest
        reasons = [(LACKING[stage], count) for stage, count in sorted(proposal.lacking.items())]
        shown = {
            "groups": proposal.groups,
            "unmatched": proposal.unmatched,
            "total": proposal.total,
            "reasons": reasons,
        }
        return {"proposal": shown}

    @form_action(
        "refuse",
        _l("Refuse"),
        icon="ban",
        style="danger",
        form=RefuseForm,
        states=AWAITING_AUTHORITY,
    )
    def refuse(self, selection: Selection, form: RefuseForm) -> str:
        outcome = assignments.refuse(selection.ids, form.reason.data or "", g.principal)
        return task_pages.told(_("Refused %(done)s tasks.", done=outcome.done), outcome)

    @form_action("escalate", _l("Escalate"), icon="arrow-up", form=EscalateForm, states=AWAITING_AUTHORITY)
    def escalate(self, selection: Selection, form: EscalateForm) -> str:
        outcome = assignments.escalate(selection.ids, form.reason.data or "", g.principal)
        return task_pages.told(_("Escalated %(done)s tasks.", done=outcome.done), outcome)

    @show_action("returns", _l("Return trace"), icon="history", template="table_dialog.html", size="lg")
    def returns(self, row_id: int) -> dict[str, Any]:
        self._seen(row_id)
        rows = [[name, moment(event.at), event.reason, event.by_name] for event, name in tasks.returns(row_id)]
        heads = [_("Institution"), _("Returned at"), _("Reason"), _("Person")]
        return {"table": {"columns": heads, "rows": rows, "empty": _("This task was never returned.")}}

    @show_action("appointment", _l("Appointment"), icon="file-text", template="show_dialog.html", size="lg")
    def appointment(self, row_id: int) -> dict[str, Any]:
        found = self._seen(row_id)
        section = task_pages.appointment_section(found, self.phone_url(row_id))
        return {"show": Show(row_id, title="", sections=[section], tables=[task_pages.siblings_table(found)])}

    @show_action("details", _l("Details"), icon="info-circle", template="show_dialog.html", size="xl")
    def all_details(self, row_id: int) -> dict[str, Any]:
        return {"show": self.details(row_id) or abort(404)}

    def _seen(self, row_id: int) -> tasks.Dossier:
        return tasks.dossier(row_id) or abort(404)


def _candidate(row: matching.Candidate, chosen: Any) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.name,
        "region": row.region,
        "covered": row.covered,
        "able": row.able,
        "proximity": PROXIMITY[row.proximity],
        "load": row.load,
        "mean_days": row.mean_days,
        "reasons": [(LACKING[stage], count) for stage, count in sorted(row.lacking.items())],
        "checked": str(row.id) == str(chosen or ""),
    }


def _page_number(given: str) -> int:
    return min(max(int(given), 1), 400) if is_number(given) else 1
