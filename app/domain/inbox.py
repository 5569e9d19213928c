"""What an institution does with tasks that are offered to it: accept them, or return them with a reason."""

from sqlalchemy import func

from app.access import Principal
from app.domain import deadlines, reasons
from app.states import ACCEPT, RETURN
from app.workflow import Chosen, Outcome, fire

SHORTEST_REASON, LONGEST_REASON = 2, 500


def accept(chosen: Chosen, by: Principal) -> Outcome:
    """受理: the institution will verify the instruments."""
    return fire(ACCEPT, chosen, by, accepted_at=func.now(), due_on=deadlines.when_accepted())


def return_(chosen: Chosen, reason: str, by: Principal) -> Outcome:
    """退回: the institution gives the tasks back to the authority, which assigns them anew or refuses them."""
    text = reasons.checked(reason, shortest=SHORTEST_REASON, longest=LONGEST_REASON)
    return fire(RETURN, chosen, by, reason=text, institution_id=None, due_on=None, planned_on=None, received_at=None)
