"""The ends of the months gone by: what stands now, a little less and a little worse each month back."""

from datetime import date

from sqlalchemy import Date, Integer, Numeric, case, cast, delete, func, insert, literal, select, true

from app.access import EVERYTHING
from app.domain import month_ends
from app.models import MonthEnd, db
from app.states import DUE_SOON, VALID

MONTHS = 24
# In thousandths a month: what is filed grows by it, and of what is verified there is more.
GROWTH, IMPROVEMENT = 4, 3


def write(today: date) -> None:
    """Keep this month, those before it after it, and forget it again: it has not ended."""
    this = today.replace(day=1)
    month_ends.keep_as(this, EVERYTHING)
    gone = func.generate_series(1, MONTHS, type_=Integer).table_valued("months").render_derived()
    back = gone.c.months
    verified = case((MonthEnd.state.in_((VALID, DUE_SOON)), IMPROVEMENT), else_=0)
    # Cities differ from each other.
    pace = 1 + func.abs(func.hashtext(MonthEnd.city_code)) % 3
    left = cast(1000 - back * (GROWTH * pace + verified), Numeric) / 1000
    # What is rounded is the sum up to a row: so the counties of a city and its kinds sum up to the same.
    alike = (back, MonthEnd.subject, MonthEnd.city_code, MonthEnd.state, MonthEnd.purpose)
    order = (MonthEnd.region_code, MonthEnd.catalogue_item_id)
    up_to = func.sum(MonthEnd.amount).over(partition_by=alike, order_by=order, rows=(None, 0))
    facts = {name: getattr(MonthEnd, name) for name in month_ends.FACTS}
    facts |= {
        "month": cast(literal(this, Date) - func.make_interval(0, back), Date),
        "amount": func.round(up_to * left) - func.round((up_to - MonthEnd.amount) * left),
    }
    rows = select(*facts.values()).join_from(MonthEnd, gone, true()).where(MonthEnd.month == this)
    db.session.execute(insert(MonthEnd).from_select(list(facts), rows))
    db.session.execute(delete(MonthEnd).where(MonthEnd.month == this))
