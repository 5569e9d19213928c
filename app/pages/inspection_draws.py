"""双随机抽查: each draw with all that went into it, to be drawn again and compared."""

from typing import Any

from flask import abort, g, url_for
from flask_babel import gettext as _, lazy_gettext as _l
from markupsafe import Markup
from sqlalchemy import func, select

from app.domain import catalogue, draws, regions
from app.fabkit.actions import form_action
from app.fabkit.filters import Begins, Choice, Contains, Search, in_own
from app.fabkit.formats import day, label, moment, yes_no
from app.fabkit.lists import Column, Source
from app.fabkit.pages import ModelPage, Section, Show, Table
from app.models import Inspection, InspectionDraw, Organization, db
from app.pages.inspections import TARGETS, conclusion, state_badge
from app.persons import Name

MOST_TOLD = 200


class InspectionDraws(ModelPage):
    """双随机抽查."""

    route_base = "/inspection-draws"
    class_permission_name = "InspectionDraws"
    list_title = _l("Random draws")
    subtitle = _l("What was drawn, among whom and by which seed. Anybody can draw again: the result must be the same.")
    empty = _l("Nothing has been drawn yet. Draw under local inspections.")
    styles = ("supervision.css",)
    source = Source(
        InspectionDraw,
        key=InspectionDraw.id,
        joins=((Organization, Organization.id == InspectionDraw.authority_id),),
        descending=True,
    )
    columns = (
        Column("at", _l("Drawn at"), InspectionDraw.at, moment, css="nowrap", fixed=True),
        Column("task", _l("Inspection task"), InspectionDraw.task, fixed=True),
        Column("kind", _l("What is inspected"), InspectionDraw.kind, label(TARGETS), css="nowrap"),
        Column("among", _l("Among"), func.jsonb_array_length(InspectionDraw.candidates), css="number"),
        Column("number", _l("Drawn"), InspectionDraw.number, css="number"),
        Column("pool", _l("Inspectors in the pool"), func.jsonb_array_length(InspectionDraw.pool), css="number"),
        Column("planned_on", _l("Planned inspection day"), InspectionDraw.planned_on, day, css="nowrap"),
        Column("seed", _l("Seed"), InspectionDraw.seed, css="nowrap"),
        Column("office", _l("Inspecting office"), Organization.name),
        Column("by", _l("Drawn by"), InspectionDraw.by_name, css="nowrap"),
    )
    filters = (Choice("kind", _l("What is inspected"), InspectionDraw.kind, TARGETS),)
    search = Search(
        (
            in_own("task", _l("Inspection task"), Contains(InspectionDraw.task)),
            in_own("seed", _l("Seed"), Begins(InspectionDraw.seed)),
        ),
        placeholder=_l("Search"),
    )

    def details(self, row_id: int) -> Show | None:
        made = _seen(row_id)
        if made is None:
            return None
        return Show(id=made.id, title=made.task, sections=[Section("", _facts(made))], tables=[_drawn(made)])

    @form_action("repeat", _l("Draw again and compare"), icon="refresh", single=True, only_shows=True,
                 permission="repeat", template="inspections/repeat.html", size="lg")  # fmt: skip
    def repeat(self, row_id: int) -> dict[str, Any]:
        made = _seen(row_id) or abort(404)
        drawn = _inspections(made)
        names, people = _names(drawn), _people(drawn)
        rows = [
            [number, names.get(target, target), Name("、".join(str(people.get(id, id)) for id in ids))]
            for number, (target, ids) in enumerate(draws.again(made), start=1)
        ]
        return {
            "agrees": draws.agrees(made),
            "seed": made.seed,
            "table": Table("", [_l("Order"), _l("Inspected party"), _l("Inspectors")], rows),
        }


def _seen(row_id: int) -> InspectionDraw | None:
    found: InspectionDraw | None = db.session.scalar(select(InspectionDraw).where(InspectionDraw.id == row_id))
    return found


def _inspections(made: InspectionDraw) -> list[Inspection]:
    found = select(Inspection).where(Inspection.draw_id == made.id).order_by(Inspection.id).limit(MOST_TOLD)
    return list(db.session.scalars(found))


def _target_id(each: Inspection) -> int:
    return {"standard": each.standard_id, "instrument": each.instrument_id}.get(each.kind, each.party_id) or 0


def _names(drawn: list[Inspection]) -> dict[int, str]:
    """What was drawn, by its id, as it was called when it was drawn."""
    return {
        _target_id(each): each.party if each.party == each.target else f"{each.party} {each.target}" for each in drawn
    }


def _people(drawn: list[Inspection]) -> dict[int, str]:
    """The names of those who inspect, by their ids; who took no part in the end is not among them."""
    return {person["id"]: person["name"] for each in drawn for person in each.inspectors}


def _facts(made: InspectionDraw) -> list[tuple[Any, Any]]:
    conditions = made.conditions
    places = regions.names([conditions.get("region_code") or g.principal.region_code])
    item = conditions.get("catalogue_item_id")
    return [
        (_l("What is inspected"), label(TARGETS)(made.kind)),
        (_l("Region"), "、".join(places.values())),
        *([(_l("Only instruments of a kind"), catalogue.names([item]).get(str(item)))] if item else []),
        (_l("Not inspected for (months)"), conditions.get("months")),
        (_l("Among"), len(made.candidates)),
        (_l("Drawn"), made.number),
        (_l("Inspectors in the pool"), len(made.pool)),
        (_l("Inspectors for each"), made.inspectors),
        (_l("Seed"), made.seed),
        (_l("Seed was given"), yes_no(bool(conditions.get("seed_given")))),
        (_l("Planned inspection day"), day(made.planned_on)),
        (_l("Drawn at"), moment(made.at)),
        (_l("Drawn by"), made.by_name),
        (_l("How it is drawn"), _("The SHA-256 of “seed:id” puts all in order, and the first are drawn; inspectors by"
                                  " “seed:id:inspector”.")),
    ]  # fmt: skip


def _drawn(made: InspectionDraw) -> Table:
    link = Markup('<a href="{}">{}</a>')
    rows = [
        [link.format(url_for("Inspections.show", pk=each.id), each.no), each.party,
         Name("、".join(person["name"] for person in each.inspectors)), state_badge(each.state),
         conclusion(each.conclusion)]
        for each in _inspections(made)
    ]  # fmt: skip
    heads = [_l("Inspection no."), _l("Inspected party"), _l("Inspectors"), _l("State"), _l("Finding")]
    return Table(_l("Inspections drawn"), heads, rows)
