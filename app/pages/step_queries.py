"""办理记录: what was done of the tasks of one's area, step by step, as the figures count it."""

from typing import Any

from flask import g
from flask_babel import lazy_gettext as _l
from sqlalchemy import String, and_, case, column, func, literal, select, true
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import aliased
from werkzeug.datastructures import MultiDict

from app.access import within
from app.counting import BEYOND, IN_TIME, LATE, days_taken, ended, how_ended, is_beyond
from app.domain import regions, tasks
from app.fabkit.filters import Choice, Condition, Dates, Switch
from app.fabkit.formats import badge, label, moment
from app.fabkit.lists import Column, Lanes, Query, Source
from app.fabkit.pages import DONE_BY, Section, Show
from app.models import Appointment, Event, Instrument, Organization, Region, Task
from app.pages import outcomes, tasks as task_pages
from app.pages.options import by_institution, by_item, by_region, by_unit
from app.pages.queries import QueryPage
from app.states import APPROVE, STEP_LABELS, TASK_LABELS, TASK_STEPS

STEPS = {step.name: STEP_LABELS[step.name] for step in TASK_STEPS}
PUNCTUALITY = {LATE: _l("Late"), IN_TIME: _l("In time")}
PLACED = {"yes": _l("With an institution"), "no": _l("Without an institution")}
SCOPE = {BEYOND: _l("Beyond the ability")}

House = aliased(Organization, name="house")
TASK_OF = and_(Task.id == Event.subject_id, Task.city_code == Event.city_code)


def _within(code: str) -> Condition:
    """The condition that a step was taken in a region; the index begins with the province."""
    return and_(within(code[:2])(Event), within(regions.prefix(code))(Event))


def _steps_here() -> list[Condition]:
    """What is listed: steps of tasks, those of one's own province as the index has them."""
    own = (g.principal.jurisdiction or "")[:2]
    return [Event.subject == "task", *([within(own)(Event)] if own else [])]


def _task(condition: Condition) -> Condition:
    """The condition on a step that it is of such a task; as a value, to be looked up step by step."""
    return select(literal(True)).where(TASK_OF, condition).correlate(Event).scalar_subquery().is_not(None)


def _of_unit(id: int) -> Any:
    return select(Task.id).where(Task.using_unit_id == id)


def _lanes(provinces: list[str], names: list[str]) -> Lanes:
    place, name = _each("place", provinces), _each("name", names)
    lane = select(place.c.place, name.c.name).select_from(place.join(name, true())).subquery("lane")
    return Lanes(lane, and_(func.left(Event.city_code, 2) == lane.c.place, Event.step == lane.c.name))


def _each(name: str, values: list[str]) -> Any:
    return func.unnest(literal(values, ARRAY(String))).table_valued(column(name, String)).render_derived()


class StepQueries(QueryPage):
    """办理记录."""

    route_base = "/queries/steps"
    class_permission_name = "StepQueries"
    list_title = _l("Steps of tasks")
    subtitle = _l("What was done of the tasks of your area, step by step: when, by whom, and what became of them.")
    empty = _l("No step matches.")
    source = Source(
        Event,
        key=Event.at,
        joins=(
            (Task, TASK_OF),
            (Appointment, and_(Appointment.id == Task.appointment_id, Appointment.city_code == Task.city_code)),
            (Instrument, and_(Instrument.id == Task.instrument_id, Instrument.city_code == Task.city_code)),
            (Region, Region.code == Event.region_code),
        ),
        outer_joins=((House, House.id == Event.institution_id),),
        where=_steps_here,
        descending=True,
        spread=(Event.at,),
    )
    columns = (
        Column("at", _l("Done at"), Event.at, moment, css="nowrap", sortable=True, fixed=True),
        Column("step", _l("Step"), Event.step, label(STEPS), css="nowrap", fixed=True),
        Column("from_state", _l("State before"), Event.from_state, badge(TASK_LABELS), css="nowrap"),
        Column("to_state", _l("State after"), Event.to_state, badge(TASK_LABELS), css="nowrap"),
        Column("no", _l("Appointment no."), Appointment.no, css="nowrap"),
        Column("name", _l("Instrument"), Instrument.name),
        Column("using_unit", _l("Using unit"), Appointment.applicant, css="narrow"),
        Column("institution", _l("Institution"), House.name),
        Column("region", _l("Region"), Region.full_name),
        Column("by", DONE_BY, Event.by_name, outcomes.WHO, css="nowrap"),
        Column("by_organization", _l("Acting organization"), Event.by_organization, outcomes.OFFICE),
        Column("reason", _l("Reason"), Event.reason, css="wide"),
        Column("late", _l("Time limit"), case((ended(Event), how_ended(Event))), label(PUNCTUALITY), css="nowrap"),
        Column("days", _l("Days taken"), days_taken(Event), css="number"),
        Column(
            "scope", _l("Authorized scope"), case((is_beyond(Event), BEYOND)), label(SCOPE), css="nowrap", hidden=True
        ),
        Column("instrument_no", _l("Instrument no."), Instrument.instrument_no, css="nowrap", hidden=True),
        Column("serial_no", _l("Serial no."), Instrument.serial_no, css="nowrap", hidden=True),
        Column("model", _l("Model"), Instrument.model, hidden=True),
    )
    filters = (
        by_region(_within),
        by_item(lambda kinds: _task(Task.catalogue_item_id.in_(kinds))),
        by_unit(lambda id: and_(Event.using_unit_id == id, Event.subject_id.in_(_of_unit(id)))),
        by_institution(lambda id: Event.institution_id == id),
        Choice("step", _l("Step"), Event.step, STEPS),
        Switch("placed", _l("Institution found"), None, PLACED, multiple=False,
               conditions=lambda value: Event.institution_id.is_not(None) if value == "yes" else
               Event.institution_id.is_(None)),
        Switch("late", _l("Time limit"), None, PUNCTUALITY, multiple=False,
               conditions=lambda value: and_(ended(Event), how_ended(Event) == value)),
        Switch("scope", _l("Authorized scope"), None, SCOPE, multiple=False,
               conditions=lambda _value: is_beyond(Event)),
        Dates("at", _l("Done at"), Event.at),
    )  # fmt: skip

    def query(self, args: Any) -> Query:
        """The index has the steps of each kind in each province in order; those of a using unit are few."""
        query = super().query(args)
        asked = MultiDict(query.params)
        names = [APPROVE.name] if {"late", "scope"} & set(asked) else asked.getlist("step") or list(STEPS)
        provinces = [region.code[:2] for region in regions.children(regions.NATION, g.principal)]
        places = [province for province in provinces if asked.get("region", province).startswith(province)]
        query.lanes = None if "unit" in asked else _lanes(places, names)
        return query

    def details(self, row_id: int) -> Show | None:
        found = tasks.step(row_id)
        shown = task_pages.show(found[0].subject_id) if found else None
        if found is None or shown is None:
            return None
        shown.id = row_id
        shown.sections.insert(0, _section(*found))
        return shown


def _section(event: Event, institution: str | None) -> Section:
    kept = event.payload or {}
    punctual = (LATE if kept[LATE] else IN_TIME) if LATE in kept else None
    fields = [
        (_l("Done at"), moment(event.at)),
        (_l("Step"), label(STEPS)(event.step)),
        (_l("State before"), badge(TASK_LABELS)(event.from_state)),
        (_l("State after"), badge(TASK_LABELS)(event.to_state)),
        (_l("Institution"), institution),
        (DONE_BY, outcomes.WHO(event.by_name)),
        (_l("Acting organization"), outcomes.OFFICE(event.by_organization)),
        (_l("Reason"), event.reason),
        (_l("Time limit"), label(PUNCTUALITY)(punctual)),
        (_l("Days taken"), kept.get("days")),
        (_l("Authorized scope"), SCOPE[BEYOND] if kept.get(BEYOND) else None),
    ]
    return Section(_l("Step"), [(name, value) for name, value in fields if value not in (None, "")])
