"""What an institution does with tasks until it verifies: accept or return them, plan a day, receive the instrument."""

from datetime import date

from flask_babel import gettext as _
from sqlalchemy import Date, func, literal, select

from app.access import Principal
from app.domain import deadlines, holidays, reasons
from app.errors import RuleError
from app.models import Task, db
from app.states import ACCEPT, PLAN, RECEIVE, RETURN, START
from app.workflow import Chosen, Outcome, fire

SHORTEST_REASON, LONGEST_REASON = 2, 500
NEAR_DAYS = 2


def accept(chosen: Chosen, by: Principal) -> Outcome:
    """受理: the institution will verify the instruments."""
    return fire(ACCEPT, chosen, by, accepted_at=func.now(), due_on=deadlines.when_accepted())


def return_(chosen: Chosen, reason: str, by: Principal) -> Outcome:
    """退回: the institution gives the tasks back to the authority, which assigns them anew or refuses them."""
    text = reasons.checked(reason, shortest=SHORTEST_REASON, longest=LONGEST_REASON)
    return fire(RETURN, chosen, by, reason=text, institution_id=None, due_on=None, planned_on=None, received_at=None)


def plan(chosen: Chosen, day: date, by: Principal) -> Outcome:
    """安排日期: tell the using unit on which day its instruments will be verified."""
    if day < holidays.today():
        raise RuleError(_("This day is past."), field="planned_on")
    return fire(PLAN, chosen, by, planned_on=day, payload={"days": day.isoformat()})


def receive(chosen: Chosen, by: Principal) -> Outcome:
    """收样: the instruments that were sent in have arrived; from today the time to finish runs."""
    sent = (Task.delivery == "sent") & Task.received_at.is_(None)
    return fire(RECEIVE, chosen, by, only=sent, received_at=func.now(), due_on=deadlines.when_received())


def start(chosen: Chosen, by: Principal) -> Outcome:
    """开始检定: of what is sent in, only what has arrived."""
    here = (Task.delivery == "on_site") | Task.received_at.is_not(None)
    return fire(START, chosen, by, only=here)


def near() -> date:
    """The last day that counts as near for a deadline."""
    last = holidays.working_days_after(literal(holidays.today(), Date), NEAR_DAYS)
    day: date = db.session.execute(select(last)).scalar_one()
    return day
