"""地方机构信息: the institutions in one's care, kept up to date, suspended, reinstated, closed for good.

What is said of one, organizations.py checks and writes, for administrators as well; each state of it is kept
(institution_versions.py). Only an institution in service is offered tasks (matching.py).
"""

from collections.abc import Mapping
from typing import Any

from flask_babel import gettext as _
from sqlalchemy import ColumnElement, Select, and_, func, select

from app import access
from app.access import Principal
from app.domain import institution_versions, institutions, organizations, reasons
from app.errors import RuleError
from app.models import (
    Capability,
    CatalogueItem,
    Inspection,
    Institution,
    MeasurementStandard,
    Organization,
    StaffMember,
    db,
)
from app.states import CLOSE, CLOSED, REINSTATE, REVOKE_INSTITUTION, SUSPEND, Step
from app.workflow import Chosen, Outcome, fire, how_many, is_chosen

SHORTEST_REASON, LONGEST_REASON = 4, 200
MOST_SHOWN = 50


# --- Questions -----------------------------------------------------------------------------------


def in_care(by: Principal) -> ColumnElement[bool]:
    """The condition that an institution is a person's to look after: at home with him, and not of a higher level."""
    own = and_(Organization.kind == "institution", Organization.merged_into_id.is_(None))
    return and_(own, organizations.near(by), access.manages(by)(Organization))


def find(institution_id: int, by: Principal) -> tuple[Institution, Organization, str] | None:
    """An institution in one's care, with the name of its region; None if there is none."""
    return institutions.with_home(institution_id, in_care(by))


def capabilities_of(institution_id: int) -> list[Any]:
    """What it may verify: kind, range, until when, state."""
    found = select(Capability, CatalogueItem.name).join(CatalogueItem, CatalogueItem.id == Capability.catalogue_item_id)
    found = found.where(Capability.institution_id == institution_id)
    return list(db.session.execute(found.order_by(CatalogueItem.number, Capability.id).limit(MOST_SHOWN)))


def standards_of(institution_id: int) -> list[MeasurementStandard]:
    """Its measurement standards; a change of one is not another."""
    found = select(MeasurementStandard).where(
        MeasurementStandard.institution_id == institution_id, MeasurementStandard.replaces_id.is_(None)
    )
    return list(db.session.scalars(found.order_by(MeasurementStandard.name, MeasurementStandard.id).limit(MOST_SHOWN)))


def staff_of(institution_id: int) -> list[StaffMember]:
    """Its verifiers, checkers and approvers."""
    found = select(StaffMember).where(StaffMember.institution_id == institution_id)
    return list(db.session.scalars(found.order_by(StaffMember.id).limit(MOST_SHOWN)))


def inspections_of(institution_id: int) -> list[Inspection]:
    """What was inspected there, the latest first."""
    found = select(Inspection).where(Inspection.party_id == institution_id)
    latest = found.order_by(Inspection.planned_on.desc(), Inspection.id.desc())
    return list(db.session.scalars(latest.limit(MOST_SHOWN)))


def count(table: Any, *conditions: ColumnElement[bool]) -> Any:
    """SQL, for an institution in a list: how many rows of a table are its."""
    own = select(func.count()).where(table.institution_id == Organization.id, *conditions)
    return own.correlate(Organization).scalar_subquery()


# --- Keeping up to date --------------------------------------------------------------------------


def edit(institution_id: int, revision: str, by: Principal, values: Mapping[str, Any]) -> bool:
    """编辑: change what is said of an institution; what was said before stays readable. False if there is none."""
    found = find(institution_id, by)
    if found is None:
        return False
    if found[0].standing == CLOSED:
        raise RuleError(_("%(name)s has been closed for good.", name=found[1].name))
    organizations.edit(institution_id, revision, by, values)
    return True


# --- Standing ------------------------------------------------------------------------------------


def suspend(chosen: Chosen, reason: str, by: Principal) -> Outcome:
    """暂停: offer the institutions no new tasks; what they have they finish."""
    return _moved(SUSPEND, chosen, by, _reason(reason))


def reinstate(chosen: Chosen, by: Principal) -> Outcome:
    """恢复: offer the institutions tasks again."""
    return _moved(REINSTATE, chosen, by, None)


def close(chosen: Chosen, reason: str, by: Principal) -> Outcome:
    """注销: close institutions for good. Refused while tasks are open there; their accounts are signed out."""
    text, own = _reason(reason), _own(chosen, by)
    organizations.disable(own, text, by)
    fire(REVOKE_INSTITUTION, own, by, reason=text, published_at=None)
    return _moved(CLOSE, chosen, by, text)


def _reason(reason: str) -> str:
    return reasons.checked(reason, shortest=SHORTEST_REASON, longest=LONGEST_REASON)


def _own(chosen: Chosen, by: Principal) -> Select[int]:
    """The ids of those of the chosen that are in one's care."""
    return select(Organization.id).where(is_chosen(Organization.id, chosen), in_care(by))


def _moved(step: Step, chosen: Chosen, by: Principal, reason: str | None) -> Outcome:
    own = _own(chosen, by)
    institution_versions.remember(own)
    done = fire(step, own, by, reason=reason, standing_reason=reason).done
    institution_versions.note(own, step.name, by, reason)
    return Outcome(how_many(chosen), done)
