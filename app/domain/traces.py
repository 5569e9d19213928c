"""追溯: which certificates rest on a measurement standard that was found bad, and who must hear of it (细则 Art 27)."""

from typing import Any

from sqlalchemy import ColumnElement, select

from app import access, audit
from app.access import Principal
from app.domain import notifications, reasons, standards
from app.models import Certificate
from app.workflow import Chosen, how_many, is_chosen

SHORTEST_REASON, LONGEST_REASON = 4, 500


def names(standard_id: int) -> ColumnElement[bool]:
    """The condition that a certificate names a standard among those used."""
    found: ColumnElement[bool] = Certificate.standards.contains([{"id": standard_id}])
    return found


def title(standard_id: int, by: Principal) -> str | None:
    """A standard of one's jurisdiction by its name and number; None if there is none."""
    found = standards.find(standard_id, by)
    return str(found) if found else None


def tell(chosen: Chosen, reason: str, by: Principal) -> int:
    """通知: the using units and the institutions of certificates hear what is wrong. Gives how many certificates."""
    text = reasons.checked(reason, shortest=SHORTEST_REASON, longest=LONGEST_REASON)
    for party in ("using_unit", "institution"):
        notifications.remind(_concerned(chosen, party, by), "standard_failed", "certificate", party, reason=text)
    number = how_many(chosen)
    audit.record("tell", "certificate", by=by, done=number, reason=text)
    return number


def _concerned(chosen: Chosen, party: str, by: Principal) -> Any:
    column = {"using_unit": Certificate.using_unit_id, "institution": Certificate.institution_id}[party]
    rows = select(column.label("organization_id"), Certificate.id).where(is_chosen(Certificate.id, chosen))
    return access.visible(rows, Certificate, who=by)
