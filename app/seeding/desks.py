"""What lies on the desks of institutions today: by when it is due, and results that wait for another pair of eyes."""

from sqlalchemy import Date, Integer, case, cast, func, insert, literal, select, update

from app.domain import deadlines, holidays
from app.models import Capability, Instrument, Result, StaffMember, Task, db
from app.seeding.staff import CHECKER, PEOPLE
from app.states import ACCEPTED, AT_INSTITUTION, IN_REVIEW, OFFERED, TO_APPROVE

ANSWER_WITHIN = 4  # working days: the offers of demo data are answered, or time out, within these


def lay_out() -> None:
    """Give open tasks their days, and those in review a result."""
    _due_days()
    _results()


def _due_days() -> None:
    task = Task.__table__
    soon = holidays.working_days_after(literal(holidays.today(), Date), cast(task.c.id % ANSWER_WITHIN, Integer) + 1)
    awaited = (task.c.state == ACCEPTED) & (task.c.delivery == "sent") & (task.c.id % 2 == 0)
    due = case((task.c.state == OFFERED, soon), else_=deadlines.to_finish(cast(task.c.accepted_at, Date)))
    arrived = (task.c.delivery == "sent") & (task.c.state != OFFERED)
    db.session.execute(
        update(task)
        .where(task.c.state.in_(sorted(AT_INSTITUTION)), ~awaited)
        .values(due_on=due, received_at=case((arrived, task.c.accepted_at + func.make_interval(0, 0, 0, 1))))
    )


def _results() -> None:
    verifier, checker = StaffMember.__table__.alias("verifier"), StaffMember.__table__.alias("checker")
    task, instrument = Task.__table__, Instrument.__table__
    checked = task.c.state == TO_APPROVE
    day = cast(task.c.state_since, Date)
    until = day + func.make_interval(0, func.coalesce(instrument.c.cycle_months, 12), 0, -1)
    able = Capability.__table__
    regulation = (
        select(func.min(able.c.regulation))
        .where(
            able.c.institution_id == task.c.institution_id,
            able.c.catalogue_item_id == task.c.catalogue_item_id,
        )
        .scalar_subquery()
    )
    values = {
        "city_code": task.c.city_code,
        "region_code": task.c.region_code,
        "institution_id": task.c.institution_id,
        "task_id": task.c.id,
        "passed": literal(True),
        "verified_on": day,
        "valid_until": cast(until, Date),
        "regulation": func.coalesce(regulation, literal("检定规程")),
        "temperature": literal("20.3 ℃"),
        "humidity": literal("56 %RH"),
        "verifier_id": verifier.c.id,
        "verifier": verifier.c.name,
        "checker_id": case((checked, checker.c.id)),
        "checker": case((checked, checker.c.name)),
    }
    rows = (
        select(*(value.label(name) for name, value in values.items()))
        .join_from(task, instrument, instrument.c.id == task.c.instrument_id)
        .join(verifier, verifier.c.id == task.c.institution_id * PEOPLE + CHECKER + 2)
        .join(checker, checker.c.id == task.c.institution_id * PEOPLE + CHECKER)
        .where(task.c.state.in_(sorted(IN_REVIEW)))
    )
    db.session.execute(insert(Result.__table__).from_select(list(values), rows))
