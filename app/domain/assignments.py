"""检定任务分配: what an authority does with tasks that were returned or that nobody was found for."""

from collections.abc import Mapping

from flask_babel import gettext as _
from sqlalchemy import ColumnElement, and_, exists, func, select
from sqlalchemy.orm import aliased

from app.access import Principal
from app.domain import deadlines, institutions, matching, proposals, reasons
from app.errors import RuleError
from app.models import Organization, Task
from app.states import ASSIGN, ESCALATE, IN_SERVICE, REFUSE
from app.workflow import Chosen, Outcome, fire, how_many

SHORTEST_REASON, LONGEST_REASON = 10, 500


def assign(chosen: Chosen, institution_id: int, by: Principal, reason: str = "") -> Outcome:
    """强制分配: offer the tasks to an institution; a reason is owed if it is not able to all of them (办法 Art 3)."""
    institution, standing = institutions.hold(institution_id)
    if institution is None or not institution.active:
        raise RuleError(_("There is no such institution."), field="institution_id")
    if standing != IN_SERVICE:
        raise RuleError(_("%(name)s is suspended or closed: it is offered no tasks.", name=institution.name),
                        field="institution_id")  # fmt: skip
    unable = matching.uncovered(chosen, institution_id)
    if unable and len(reason.strip()) < SHORTEST_REASON:
        text = _(
            "The institution is not able to do %(number)s of these tasks. Give the reason why it is to do them "
            "(at least %(shortest)s characters).",
            number=unable,
            shortest=SHORTEST_REASON,
        )
        raise RuleError(text, field="reason")
    payload = {"institution": institution.name, **({"unable": unable} if unable else {})}
    return fire(
        ASSIGN,
        chosen,
        by,
        only=_at_desk_of(by),
        reason=reason.strip() or None,
        payload=payload,
        institution_id=institution_id,
        due_on=deadlines.to_answer(),
        forced=True,
    )


def assign_best(chosen: Chosen, digest: str, by: Principal, changes: Mapping[str, int | None] | None = None) -> Outcome:
    """智能分配: offer each task to the institution proposed for it, if the proposal is still the one shown.

    `changes` name another institution for shares of it, by their keys; None leaves the tasks of a share as they are.
    """
    shown = proposals.proposal(chosen)
    if shown.digest != digest:
        raise RuleError(_("The proposal has changed meanwhile. This is the new one; please look at it again."))
    shares = proposals.changed(chosen, shown, changes or {})
    if not institutions.hold_in_service({share.institution_id for share in shares}):
        raise RuleError(_("The proposal has changed meanwhile. This is the new one; please look at it again."))
    if not shares:
        return Outcome(how_many(chosen), 0)
    proposal = proposals.placed_shares(chosen, shares)
    return fire(
        ASSIGN,
        chosen,
        by,
        only=_at_desk_of(by),
        proposal=proposal,
        institution_id=proposal.c.institution_id,
        due_on=deadlines.to_answer(),
        forced=True,
    )


def refuse(chosen: Chosen, reason: str, by: Principal) -> Outcome:
    """不予受理: end the tasks; the using unit is told the reason."""
    return fire(REFUSE, chosen, by, only=_at_desk_of(by), reason=_checked(reason))


def escalate(chosen: Chosen, reason: str, by: Principal) -> Outcome:
    """上转上级: lay the tasks on the desk of the next higher authority, as the place cannot verify (办法 Art 5)."""
    if by.level == "nation":
        raise RuleError(_("There is no higher authority to escalate to."))
    desk = aliased(Organization, name="desk")
    above = select(desk.parent_id).where(desk.id == Task.authority_id).scalar_subquery()
    return fire(ESCALATE, chosen, by, only=_at_desk_of(by), reason=_checked(reason), authority_id=above)


def is_escalated(by: Principal) -> ColumnElement[bool]:
    """The condition that a task lies on one's desk though its place has an authority below."""
    below = aliased(Organization, name="below")
    widths = [width for width in (2, 4, 6) if width > len(by.jurisdiction or "")]
    places = [func.rpad(func.left(Task.region_code, width), 6, "0") for width in widths]
    nearer = exists().where(below.kind == "authority", below.active, below.region_code.in_(places))
    return and_(Task.authority_id == by.organization_id, nearer.where(below.id != by.organization_id))


def _checked(reason: str) -> str:
    return reasons.checked(reason, shortest=SHORTEST_REASON, longest=LONGEST_REASON)


def _at_desk_of(by: Principal) -> ColumnElement[bool] | None:
    """Tasks on one's own desk or on one below; what was escalated is for the higher authority alone."""
    if by.kind != "authority" or by.level == "nation":
        return None
    desk = aliased(Organization, name="own_desk")
    own = select(desk.id).where(desk.kind == "authority", desk.path.startswith(by.path, autoescape=True))
    return Task.authority_id.in_(own)
