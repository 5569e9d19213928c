"""备案审核: where its province says so, the county authority looks at an instrument before it counts as filed."""

from app.access import Principal
from app.domain import reasons
from app.states import PASS_FILING, SEND_BACK
from app.workflow import Chosen, Outcome, fire

SHORTEST_REASON, LONGEST_REASON = 4, 500


def pass_(chosen: Chosen, by: Principal) -> Outcome:
    """通过: the instruments are filed; their verification can be booked."""
    return fire(PASS_FILING, chosen, by, filing_reason=None)


def send_back(chosen: Chosen, reason: str, by: Principal) -> Outcome:
    """退回补正: the using unit corrects what is told of the instruments, and files them again."""
    text = reasons.checked(reason, shortest=SHORTEST_REASON, longest=LONGEST_REASON)
    return fire(SEND_BACK, chosen, by, reason=text, filing_reason=text)
