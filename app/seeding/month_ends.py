"""The ends of the months gone by: what stands now, a little less and a little worse each month back."""

from datetime import date

from sqlalchemy import Date, Integer, case, cast, func, insert, literal, select, true

from app.access import EVERYTHING
from app.domain import month_ends
from app.models import MonthEnd, db
from app.states import DUE_SOON, VALID

MONTHS = 24
# In thousandths a month: what is filed grows by it, and of what is verified there is more.
GROWTH, IMPROVEMENT = 4, 3


def write(today: date) -> None:
    """Keep the last month as it stands, and those before it after it."""
    last = month_ends.before(today)
    month_ends.keep_as(last, EVERYTHING)
    gone = func.generate_series(1, MONTHS - 1, type_=Integer).table_valued("months").render_derived()
    earlier = gone.c.months
    month = cast(literal(last, Date) - func.make_interval(0, earlier), Date)
    verified = case((MonthEnd.state.in_((VALID, DUE_SOON)), IMPROVEMENT), else_=0)
    # Regions differ from each other.
    pace = 1 + func.abs(func.hashtext(MonthEnd.region_code)) % 3
    left = 1000 - earlier * (GROWTH * pace + verified)
    facts = {name: getattr(MonthEnd, name) for name in month_ends.FACTS}
    facts |= {"month": month, "amount": MonthEnd.amount * left // 1000}
    rows = (
        select(*(facts[name] for name in month_ends.FACTS))
        .join_from(MonthEnd, gone, true())
        .where(MonthEnd.month == last)
    )
    db.session.execute(insert(MonthEnd).from_select(month_ends.FACTS, rows))
