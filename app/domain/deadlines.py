"""办理时限: by which day an institution must answer an offer, and by which it must finish (办法 Art 8)."""

from typing import Any

from flask_babel import gettext as _
from sqlalchemy import Date, Integer, case, cast, func, literal, select

from app.domain import holidays
from app.domain.regions import NATION
from app.errors import RuleError
from app.models import Deadline, ProvinceRule, Task, db

task = Task.__table__.c


def to_answer() -> Any:
    """SQL, for a task that is offered today: the last day to accept or return it."""
    rule = ProvinceRule.__table__.c
    days = _settled_by_province(select(rule.answer_days), rule.province_code)
    return holidays.working_days_after(literal(holidays.today(), Date), days)


def to_finish(start: Any) -> Any:
    """SQL, for a task: the last day to finish its verification, if the time began to run on the day `start`."""
    rule = Deadline.__table__.c
    ends = case(
        (rule.working_days, holidays.working_days_after(start, rule.days)),
        else_=start + cast(rule.days, Integer),
    )
    return _settled_by_province(select(ends).where(rule.delivery == task.delivery), rule.province_code)


def when_accepted() -> Any:
    """SQL, for an offered task: on site the time runs from the offer; sent in, from the day the instrument arrives."""
    return case((task.delivery == "on_site", to_finish(cast(task.state_since, Date))))


def when_received() -> Any:
    """SQL, for an accepted task: by when an instrument that arrives today is to be finished."""
    return func.coalesce(task.due_on, to_finish(literal(holidays.today(), Date)))


def refuse_gaps() -> None:
    """What no province has settled must be settled for the nation: tasks would have no day to be due."""
    whole = select(func.count()).where(Deadline.province_code == NATION)
    rule = select(func.count()).where(ProvinceRule.province_code == NATION)
    if db.session.scalar(whole) != 2 or not db.session.scalar(rule):
        raise RuleError(_("The rows of the whole country must stay: they hold where a province has none."))


def _settled_by_province(rows: Any, code: Any) -> Any:
    """What the task's province has settled, else what holds for the nation."""
    province = func.left(task.city_code, 2).concat("0000")
    settled = rows.where(code.in_([province, NATION])).order_by(code.desc()).limit(1)
    return settled.correlate(Task.__table__).scalar_subquery()
