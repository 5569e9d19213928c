"""检定任务分配: the authority's queue of returned and unassigned tasks."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from flask import abort, g, render_template, request
from flask_appbuilder import expose
from flask_babel import gettext as _, lazy_gettext as _l
from wtforms import HiddenField, TextAreaField
from wtforms.validators import InputRequired, Length, ValidationError

from app.access import within
from app.domain import assignments, catalogue, matching, proposals, regions, tallies, tasks
from app.domain.assignments import LONGEST_REASON, SHORTEST_REASON
from app.domain.ledger import range_text
from app.domain.matching import NO_ACCURACY, NO_KIND, NO_PLACE, NO_RANGE, NOT_VALID
from app.fabkit.actions import Selection, form_action, show_action
from app.fabkit.filters import Choice, Switch, is_number
from app.fabkit.formats import moment
from app.fabkit.forms import Form, reason_field
from app.fabkit.lists import Query, Source, Total, capped_total
from app.fabkit.pages import Show, Table
from app.fabkit.security import asks_permission
from app.models import Tally, Task
from app.pages import tasks as task_pages
from app.pages.lots import PROXIMITY
from app.states import AWAITING_AUTHORITY, RETURNED, STEP_LABELS, TASK_LABELS, UNASSIGNED

LACKING = {
    NO_KIND: _l("kind not authorized"),
    NO_RANGE: _l("range not covered"),
    NO_ACCURACY: _l("accuracy not covered"),
    NO_PLACE: _l("place not served"),
    NOT_VALID: _l("not valid today"),
}

SORTS = {
    matching.BY_DISTANCE: _l("Nearness"),
    matching.BY_LOAD: _l("Open tasks"),
    matching.BY_DAYS: _l("Mean days"),
}


class AssignForm(Form):
    """Which institution, and why if it is not able."""

    institution_id = HiddenField(validators=[InputRequired(_l("Please choose an institution."))])
    reason = TextAreaField(_l("Reason"), validators=[Length(max=LONGEST_REASON)])

    def validate_institution_id(self, field: Any) -> None:
        if not is_number(field.data):
            raise ValidationError(_("Please choose an institution."))


NOBODY = "none"


class ProposalForm(Form):
    """The proposal that was shown; the institution chosen for a share of it comes under the key of the share."""

    digest = HiddenField(validators=[InputRequired(), Length(max=64)])

    def changes(self) -> dict[str, int | None]:
        """What was chosen for the shares; whether it is able is for the verb to see."""
        chosen = {key.removeprefix("share-"): value for key, value in request.form.items() if key.startswith("share-")}
        return {
            key: None if value == NOBODY else int(value)
            for key, value in chosen.items()
            if value == NOBODY or is_number(value)
        }


class RefuseForm(Form):
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


class EscalateForm(Form):
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
    reveals = True
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
        page, sort = _page_number(request.form.get("page", "")), request.form.get("sort", "")
        sort = sort if sort in SORTS else ""
        rows, more = matching.candidates(selection.ids, search=search, sort=sort, page=page)
        return {
            "matching": {
                "total": rows[0].total if rows else 0,
                "rows": [_candidate(row, form.institution_id.data) for row in rows],
                "query": search,
                "sort": sort,
                "sorts": SORTS,
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
        size="xl",
        submit=_l("Assign as proposed"),
        context="proposal",
    )
    def assign_best(self, selection: Selection, form: ProposalForm) -> str:
        outcome = assignments.assign_best(selection.ids, form.digest.data or "", g.principal, form.changes())
        return task_pages.told(_("Assigned %(done)s tasks.", done=outcome.done), outcome)

    def proposal(self, selection: Selection, form: ProposalForm) -> dict[str, Any]:
        proposal = proposals.proposal(selection.ids)
        again = form.digest.data in (None, proposal.digest)  # of another proposal nothing was chosen
        form.digest.data = proposal.digest
        listed = proposal.shares[: proposals.MOST_ROWS]
        options = proposals.options_of(selection.ids, listed)
        returned = proposals.returned_shares(selection.ids, listed)
        changes = form.changes() if again else {}
        reasons = [(LACKING[stage], count) for stage, count in sorted(proposal.lacking.items())]
        shown = {
            "groups": proposal.groups,
            "shares": [
                _share(share, options.get(share.facts, []), returned.get(share.key), changes) for share in listed
            ],
            "unlisted": sum(share.count for share in proposal.shares[proposals.MOST_ROWS :]),
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
        heads = [_("Returned by"), _("Returned at"), _("Reason for returning"), _("Person")]
        return {"table": Table("", heads, rows, _("This task was never returned."))}

    @show_action("appointment", _l("Appointment"), icon="file-text", template="show_dialog.html", size="lg")
    def appointment(self, row_id: int) -> dict[str, Any]:
        found = self._seen(row_id)
        section = task_pages.appointment_section(found)
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
        "weekly": row.weekly,
        "free": row.free,
        "mean_days": row.mean_days,
        "returned": row.returned and _returned(row.returned),
        "reasons": [(LACKING[stage], count) for stage, count in sorted(row.lacking.items())],
        "checked": str(row.id) == str(chosen or ""),
    }


def _returned(last: matching.Return) -> str:
    """When an institution gave tasks back, and why."""
    why = last.reason or STEP_LABELS[last.step]
    told = {"day": moment(last.at), "reason": why}
    if last.tasks == 1:
        return _("Returned on %(day)s: %(reason)s", **told)
    return _("Returned %(number)s of them, last on %(day)s: %(reason)s", number=last.tasks, **told)


def _share(
    share: proposals.Share, options: list[matching.Option], returned: matching.Return | None,
    changes: Mapping[str, int | None],
) -> dict[str, Any]:  # fmt: skip
    chosen = changes.get(share.key, share.institution_id)
    low, high, unit = share.facts[3:6]
    return {
        "name": f"share-{share.key}",
        "kind": share.kind,
        "range": range_text(low, high, unit),
        "place": share.place,
        "count": share.count,
        "options": [
            (option.institution_id, option.institution, PROXIMITY[option.proximity], option.returned)
            for option in options
        ],
        "chosen": NOBODY if chosen is None else chosen,
        "why": _why(share),
        "workload": _workload(share),
        "returned": returned and _returned(returned),
    }  # fmt: skip


def _why(share: proposals.Share) -> str:
    """Why this institution was chosen among those that are able."""
    if share.able == 1:
        return _("The only one that is able")
    near = PROXIMITY[share.proximity]
    if share.returned:
        return _("All %(able)s that are able have had it; the nearest of them: %(near)s", able=share.able, near=near)
    if share.equals == 1:
        return _("The nearest of %(number)s: %(near)s", number=share.able, near=near)
    return _("%(near)s; the least busy of %(number)s equally near", near=near, number=share.equals)


def _workload(share: proposals.Share) -> str:
    """What the institution has to do in the kind, with what the proposal gives it before this."""
    busy = share.open + share.before
    if share.weekly is None:
        return _("%(open)s open of this kind; what it can do in a week is not known", open=busy)
    free = max(share.weekly - busy, 0)
    return _("%(open)s open of this kind, %(weekly)s a week, %(free)s free", open=busy, weekly=share.weekly, free=free)


def _page_number(given: str) -> int:
    return min(max(int(given), 1), 400) if is_number(given) else 1
