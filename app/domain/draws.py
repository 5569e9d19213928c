"""双随机抽查: what is inspected and who inspects it, drawn by a seed, so that anybody can draw again and compare.

Everybody who might be drawn gets a number: the SHA-256 of the seed and of what they are known by. The smallest are
drawn. Two programs in two languages find the same.
"""

import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from hashlib import sha256
from typing import Any

from flask_babel import gettext as _
from sqlalchemy import Select, and_, exists, select

from app import access, audit
from app.access import Principal
from app.domain import accounts, catalogue, holidays, inspections, regions
from app.errors import RuleError
from app.models import Account, Inspection, InspectionDraw, Instrument, MeasurementStandard, Organization, db
from app.states import APPROVED, CANCELLED, FILED, IN_USE

MOST_CANDIDATES = 20_000
MOST_DRAWN = 200
FEWEST_INSPECTORS, MOST_INSPECTORS = 2, 5

Drawn = list[tuple[int, list[int]]]


@dataclass(frozen=True)
class Conditions:
    """Who may be drawn: of a kind, in a region, not inspected in so many months; instruments of one kind only."""

    kind: str
    region_code: str = ""
    months: int = 0
    catalogue_item_id: int | None = None


# --- Drawing -------------------------------------------------------------------------------------


def draw(candidates: Sequence[int], pool: Sequence[int], seed: str, number: int, inspectors: int) -> Drawn:
    """The targets in the order in which they are drawn, each with its inspectors."""
    targets = sorted(candidates, key=lambda id: (_rank(seed, id), id))[:number]
    return [(target, sorted(pool, key=lambda who: (_rank(seed, target, who), who))[:inspectors]) for target in targets]


def _rank(seed: str, *ids: int) -> str:
    return sha256(":".join((seed, *map(str, ids))).encode()).hexdigest()


def again(made: InspectionDraw) -> Drawn:
    """The draw once more, from what is kept of it."""
    return draw(made.candidates, made.pool, made.seed, made.number, made.inspectors)


def agrees(made: InspectionDraw) -> bool:
    """Whether drawing again gives what was drawn, and the inspections are still of it."""
    kept: Drawn = [(target, list(people)) for target, people in made.drawn]
    return again(made) == kept


# --- Who may be drawn ----------------------------------------------------------------------------


def pool(by: Principal) -> dict[int, str]:
    """检查人员名录: the active accounts of one's own office that inspect, by id."""
    roles = access.working_on("inspection", "authority")
    found = select(Account.id, Account.first_name).where(
        Account.organization_id == by.organization_id, Account.active.is_(True), accounts.holds(*roles)
    )
    return {row.id: row.first_name for row in db.session.execute(found.order_by(Account.id))}


def candidates(conditions: Conditions, by: Principal) -> list[int]:
    """The ids of all that may be drawn, in order."""
    found = _CANDIDATES[conditions.kind](conditions, by)
    ids = list(db.session.scalars(found.limit(MOST_CANDIDATES + 1)))
    if len(ids) > MOST_CANDIDATES:
        text = _("More than %(most)s could be drawn. Please narrow the region or the kind.", most=MOST_CANDIDATES)
        raise RuleError(text, field="region_code")
    return sorted(ids)


def _place(conditions: Conditions) -> str:
    return regions.prefix(conditions.region_code) if conditions.region_code else ""


def _at_place(conditions: Conditions) -> Any:
    place = _place(conditions)
    return Organization.region_code.like(f"{place}%")


def _fresh(conditions: Conditions, target: Any, id: Any) -> Any:
    """It was not inspected lately."""
    since = holidays.today() - timedelta(days=conditions.months * 365 // 12)
    lately = exists().where(
        target == id, Inspection.kind == conditions.kind, Inspection.planned_on > since, Inspection.state != CANCELLED
    )
    return ~lately if conditions.months else id.is_not(None)


def _institutions(conditions: Conditions, by: Principal) -> Select[Any]:
    found = select(Organization.id).where(inspections.may_inspect("institution", by), _at_place(conditions))
    return found.where(_fresh(conditions, Inspection.party_id, Organization.id))


def _standards(conditions: Conditions, by: Principal) -> Select[Any]:
    found = select(MeasurementStandard.id).join(Organization, Organization.id == MeasurementStandard.institution_id)
    in_force = MeasurementStandard.state == APPROVED
    found = found.where(in_force, inspections.may_inspect("institution", by), _at_place(conditions))
    return found.where(_fresh(conditions, Inspection.standard_id, MeasurementStandard.id))


def _using_units(conditions: Conditions, by: Principal) -> Select[Any]:
    keeps = exists().where(Instrument.using_unit_id == Organization.id, Instrument.filing_state == FILED)
    found = select(Organization.id).where(inspections.may_inspect("using_unit", by), _at_place(conditions), keeps)
    return found.where(_fresh(conditions, Inspection.party_id, Organization.id))


def _instruments(conditions: Conditions, _by: Principal) -> Select[Any]:
    filed = and_(Instrument.filing_state == FILED, Instrument.use_state == IN_USE)
    found = select(Instrument.id).where(filed)
    place = _place(conditions)
    if place:
        found = found.where(access.within(place)(Instrument))
    if conditions.catalogue_item_id:
        found = found.where(Instrument.catalogue_item_id.in_(catalogue.kinds_of(conditions.catalogue_item_id)))
    return found.where(_fresh(conditions, Inspection.instrument_id, Instrument.id))


_CANDIDATES = {
    "institution": _institutions,
    "standard": _standards,
    "using_unit": _using_units,
    "instrument": _instruments,
}


# --- The draw as a deed --------------------------------------------------------------------------


def plan(
    task: str,
    planned_on: date,
    conditions: Conditions,
    number: int,
    inspectors: int,
    by: Principal,
    seed: str = "",
) -> InspectionDraw:
    """随机抽取: draw inspections and write down all that went into it; the inspectors are told."""
    inspections.refuse_past(planned_on)
    _refuse_place(conditions, by)
    who = pool(by)
    if len(who) < inspectors:
        text = _("Your office has %(number)s inspectors. Please draw fewer, or give more people the role.",
                 number=len(who))  # fmt: skip
        raise RuleError(text, field="inspectors")
    among = candidates(conditions, by)
    if len(among) < number:
        text = _("Only %(number)s can be drawn under these conditions.", number=len(among))
        raise RuleError(text, field="number")
    made = InspectionDraw(
        task=task, kind=conditions.kind, planned_on=planned_on, number=number, inspectors=inspectors,
        seed=seed.strip() or secrets.token_hex(16), conditions=asdict(conditions) | {"seed_given": bool(seed.strip())},
        candidates=among, pool=list(who),
        authority_id=by.organization_id, city_code=by.region_code[:4] + "00", region_code=by.region_code,
        by_id=by.account_id, by_name=by.name,
    )  # fmt: skip
    drawn = again(made)
    made.drawn = [[target, people] for target, people in drawn]
    db.session.add(made)
    db.session.flush()
    targets = {target.id: target for target in inspections.targets(conditions.kind, [id for id, _people in drawn])}
    chosen = [(targets[id], {person: who[person] for person in people}) for id, people in drawn if id in targets]
    inspections.enter(task, conditions.kind, planned_on, chosen, by, draw_id=made.id)
    audit.record("draw", "inspection", made.id, task, by=by, done=len(chosen), seed=made.seed, among=len(among))
    return made


def _refuse_place(conditions: Conditions, by: Principal) -> None:
    if conditions.region_code and not access.covers(by.jurisdiction, conditions.region_code):
        raise RuleError(_("Please choose a region within your jurisdiction."), field="region_code")
