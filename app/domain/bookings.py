"""预约: a using unit books the verification of instruments, follows it, and answers what is returned (办法 Art 5)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from flask_babel import gettext as _
from sqlalchemy import and_, delete, exists, func, insert, literal, select, update

from app import audit
from app.access import Principal
from app.domain import deadlines, holidays, institutions, matching, numbering
from app.domain.matching import Lot
from app.errors import RuleError
from app.models import Appointment, CatalogueItem, Instrument, Organization, Task, UsingUnit, db
from app.states import (
    DRAFT,
    FILED,
    IN_USE,
    OPEN,
    RESUBMIT,
    RESUBMIT_UNMATCHED,
    SUBMIT,
    SUBMIT_UNMATCHED,
    WITHDRAW,
    Step,
)
from app.workflow import Chosen, Outcome, count, fire, how_many, is_chosen, lock

MOST_IN_ONE = 2000
FURTHEST_WISH = 365


@dataclass(frozen=True)
class Order:
    """What a using unit says with a booking."""

    contact: str
    phone: str
    delivery: str
    wished_on: date | None = None
    remark: str | None = None


def usual_contact(by: Principal) -> tuple[str, str]:
    """Name and telephone number of the last booking, else those of the using unit."""
    last = select(Appointment.contact, Appointment.phone).order_by(Appointment.applied_at.desc()).limit(1)
    unit = select(UsingUnit.contact, UsingUnit.phone).where(UsingUnit.organization_id == by.organization_id)
    found = db.session.execute(last).first() or db.session.execute(unit).first()
    return (found[0], found[1]) if found else ("", "")


# --- What can be booked --------------------------------------------------------------------------


def bookable() -> list[Any]:
    """The conditions that an instrument can be booked: filed, in use, to be verified, and not booked already."""
    booked = exists().where(_task.instrument_id == Instrument.id, _task.state.in_(sorted(OPEN | {DRAFT})))
    verified = exists().where(CatalogueItem.id == Instrument.catalogue_item_id, CatalogueItem.supervision.contains("V"))
    return [Instrument.filing_state == FILED, Instrument.use_state == IN_USE, verified, ~booked]


_task = Task.__table__.alias("booked").c


def chosen_bookable(chosen: Chosen) -> Any:
    """Those of the chosen instruments that can be booked, as a statement of their ids."""
    return select(Instrument.id).where(is_chosen(Instrument.id, chosen), *bookable())


# --- Booking -------------------------------------------------------------------------------------


def book(chosen: Chosen, order: Order, choices: Mapping[str, int], by: Principal, *, submit: bool = True) -> Outcome:
    """提交预约: order the verification of instruments, each from the institution chosen for its lot, else the best.

    One order for each county in which they are used, for each has its own authority. What nobody is able to verify
    goes to the authority's desk. With `submit` false the orders are kept as drafts.
    """
    _refuse_past(order)
    wanted = list(db.session.scalars(chosen_bookable(chosen).limit(MOST_IN_ONE + 1)))
    if len(wanted) > MOST_IN_ONE:
        raise RuleError(_("At most %(most)s instruments can be booked at once.", most=MOST_IN_ONE))
    # Who waits here for somebody else finds what that one did: the instruments may be booked, scrapped or moved by now.
    ids = list(db.session.scalars(chosen_bookable(lock(Instrument, wanted)))) if wanted else []
    if not ids:
        raise RuleError(_("None of these instruments can be booked: they must be filed, in use and not booked yet."))
    task_ids = [id for region in _regions_of(ids) for id in _draft(ids, region, order, by)]
    if submit:
        submit_drafts(task_ids, choices, by)
    return Outcome(how_many(chosen), len(task_ids))


def _refuse_past(order: Order) -> None:
    if order.wished_on is None:
        return
    days = (order.wished_on - holidays.today()).days
    if not 0 <= days <= FURTHEST_WISH:
        raise RuleError(_("Please wish a day between today and in a year."), field="wished_on")


def _regions_of(ids: list[int]) -> list[str]:
    regions = select(Instrument.region_code).where(Instrument.id.in_(ids)).distinct().order_by(Instrument.region_code)
    return list(db.session.scalars(regions))


def _draft(ids: list[int], region_code: str, order: Order, by: Principal) -> list[int]:
    """An order for a county, with a draft of a task for each instrument. Gives the ids of the tasks."""
    city_code, now = region_code[:4] + "00", datetime.now(ZoneInfo("Asia/Shanghai"))
    (new_id,) = numbering.next_ids("appointment", 1)
    db.session.add(
        Appointment(
            id=new_id,
            no=f"YY{region_code}-{now:%Y%m%d}-{new_id:06d}",
            applied_at=now,
            applicant=by.organization,
            contact=order.contact,
            phone=order.phone,
            delivery=order.delivery,
            wished_on=order.wished_on,
            remark=order.remark,
            using_unit_id=by.organization_id,
            city_code=city_code,
            region_code=region_code,
        )
    )
    db.session.flush()
    audit.record("book", "appointment", new_id, by=by)
    facts: dict[str, Any] = {
        "appointment_id": literal(new_id),
        "applied_at": literal(now),
        "delivery": literal(order.delivery),
        "authority_id": literal(_desk_of(region_code)),
        "instrument_id": Instrument.id,
        "catalogue_item_id": Instrument.catalogue_item_id,
        "using_unit_id": Instrument.using_unit_id,
        "city_code": Instrument.city_code,
        "region_code": Instrument.region_code,
    }
    rows = select(*(value.label(name) for name, value in facts.items()))
    rows = rows.where(Instrument.id.in_(ids), Instrument.region_code == region_code)
    drafts = insert(Task).from_select(list(facts), rows.order_by(Instrument.id)).returning(Task.id)
    return list(db.session.scalars(drafts))


def _desk_of(region_code: str) -> int:
    """The authority of the county, kept active; where there is none, that of the city, the province, the nation."""
    prefixes = [region_code[:width] for width in (6, 4, 2, 0)]
    desk = (
        select(Organization.id)
        .where(Organization.kind == "authority", Organization.active, Organization.jurisdiction.in_(prefixes))
        .order_by(func.length(Organization.jurisdiction).desc())
        .limit(1)
        .with_for_update(read=True)
    )
    found: int | None = db.session.scalar(desk)
    if found is None:
        raise RuleError(_("There is no authority for the place of use yet."))
    return found


# --- Submitting, and what comes back --------------------------------------------------------------


def submit_drafts(chosen: Chosen, choices: Mapping[str, int], by: Principal) -> Outcome:
    """提交: offer draft tasks to the chosen or best institutions; the rest goes to the authority."""
    drafts = list(db.session.scalars(select(Task.id).where(is_chosen(Task.id, chosen), Task.state == DRAFT)))
    outcome = _place(SUBMIT, SUBMIT_UNMATCHED, drafts, choices, by, applied_at=func.now())
    _apply(drafts)
    return Outcome(how_many(chosen), outcome.done)


def _apply(task_ids: list[int]) -> None:
    """Orders are applied for when the first of their tasks is submitted, and counted from then on."""
    here = and_(_task.appointment_id == Appointment.id, _task.city_code == Appointment.city_code)
    submitted = (
        update(Appointment)
        .where(~Appointment.submitted, exists().where(here, _task.id.in_(task_ids), _task.state != DRAFT))
        .values(submitted=True, applied_at=func.now())
        .returning(Appointment.id)
        .execution_options(synchronize_session=False)
    )
    count("appointment", list(db.session.scalars(submitted)))


def resubmit(chosen: Chosen, choices: Mapping[str, int], by: Principal) -> Outcome:
    """重新提交: after a return, with the instrument corrected or another institution chosen."""
    return _place(RESUBMIT, RESUBMIT_UNMATCHED, chosen, choices, by, forced=False)


def _place(
    step: Step, unmatched: Step, chosen: Chosen, choices: Mapping[str, int], by: Principal, **values: Any
) -> Outcome:
    asked = how_many(chosen)
    chosen = _with_usable_instruments(chosen, step)
    if not chosen:
        return Outcome(asked, 0)
    places = [(lot, _place_of(lot, choices)) for lot in matching.lots_of_tasks(chosen)]
    found = [(lot, institution_id) for lot, institution_id in places if institution_id is not None]
    if not institutions.hold_in_service({institution_id for _lot, institution_id in found}):
        raise _no_longer_able()
    offered = Outcome(0, 0)
    if found:
        proposal = matching.placed(chosen, found)
        offered = fire(
            step,
            chosen,
            by,
            proposal=proposal,
            institution_id=proposal.c.institution_id,
            due_on=deadlines.to_answer(),
            **values,
        )
    left = fire(unmatched, chosen, by, institution_id=None, **values)
    return Outcome(asked, offered.done + left.done)


def _with_usable_instruments(chosen: Chosen, step: Step) -> list[int]:
    """Those of the tasks whose instruments, locked now, are in use and filed: a draft does not keep them so."""
    tasks = select(Task.id).where(is_chosen(Task.id, chosen), Task.state.in_(step.sources))
    lock(Instrument, select(Task.instrument_id).where(is_chosen(Task.id, chosen), Task.state.in_(step.sources)))
    instrument = and_(Instrument.id == Task.instrument_id, Instrument.city_code == Task.city_code)
    usable = tasks.join(Instrument, instrument).where(Instrument.use_state == IN_USE, Instrument.filing_state == FILED)
    return list(db.session.scalars(usable))


def _place_of(lot: Lot, choices: Mapping[str, int]) -> int | None:
    """The institution chosen for a lot if it is able to it, else the best, None if nobody is."""
    able = [option.institution_id for option in lot.options]
    wanted = choices.get(lot.key)
    if wanted is not None and wanted not in able:
        raise _no_longer_able()
    return wanted or next(iter(able), None)


def _no_longer_able() -> RuleError:
    return RuleError(_("An institution you chose can no longer verify these instruments. Please choose again."))


def withdraw(chosen: Chosen, by: Principal) -> Outcome:
    """撤回: take back what no institution has accepted yet."""
    return fire(WITHDRAW, chosen, by, due_on=None)


def remove(chosen: Chosen, by: Principal) -> Outcome:
    """删除草稿: forget drafts, and orders that had nothing else."""
    gone = (
        delete(Task)
        .where(is_chosen(Task.id, chosen), Task.state == DRAFT)
        .returning(Task.id, Task.appointment_id)
        .execution_options(synchronize_session=False)
    )
    rows = db.session.execute(gone).all()
    orders = {row.appointment_id for row in rows}
    empty = delete(Appointment).where(
        Appointment.id.in_(orders), ~exists().where(_task.appointment_id == Appointment.id)
    )
    db.session.execute(empty.execution_options(synchronize_session=False))
    audit.record("delete", "task", by=by, done=len(rows))
    return Outcome(how_many(chosen), len(rows))
