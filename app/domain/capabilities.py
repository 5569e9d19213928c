"""机构项目: what an institution declares that it can verify, and what the authority says to it (办法 Art 10).

What is effective is never edited: another declaration takes its place.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from flask_babel import gettext as _, lazy_gettext as _l
from sqlalchemy import ColumnElement, Date, and_, case, delete, exists, func, literal, select
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.orm import aliased

from app import audit
from app.access import Principal
from app.domain import catalogue, holidays, institutions, reasons, regions, standards as measurement_standards
from app.domain.ledger import accuracy_value, against_kind, against_limit, range_text
from app.errors import RuleError, Stale
from app.models import (
    Capability,
    CatalogueItem,
    Event,
    Institution,
    Instrument,
    MeasurementStandard,
    Region,
    ServiceRegion,
    db,
)
from app.states import (
    APPROVED,
    DECLARE,
    DRAFT,
    EFFECTIVE,
    EXPIRED,
    PASS_CAPABILITY,
    PENDING,
    RECALL,
    REJECT_CAPABILITY,
    Step,
)
from app.texts import half_width
from app.workflow import Chosen, Outcome, fire, how_many, is_chosen, keep_organizations

SHORTEST_REASON, LONGEST_REASON = 2, 500
MOST_PLACES = 100
MOST_NAMED = 5
MOST_DECLARED = 200


@dataclass(frozen=True)
class Offer:
    """What an institution says it can verify; the range is in `range_unit`, `places` are codes of regions."""

    catalogue_item_id: int
    range_low: Decimal
    range_high: Decimal
    range_unit: str
    accuracy_class: str
    regulation: str
    standard_id: int | None
    delivery: str
    valid_from: date
    valid_until: date
    places: tuple[str, ...]


# --- Questions -----------------------------------------------------------------------------------


def range_of() -> ColumnElement[str]:
    """SQL: the range of a capability as it is written."""
    low, high = func.trim_scale(Capability.range_low), func.trim_scale(Capability.range_high)
    one_value = Capability.range_low == Capability.range_high
    between = func.concat("(", low, "～", high, ")", Capability.range_unit)
    return case((one_value, func.concat(high, Capability.range_unit)), else_=between)


def places_of() -> Any:
    """SQL: the regions that a capability serves, by their names."""
    names = func.string_agg(Region.full_name, aggregate_order_by(literal("、"), Region.code))
    served = select(names).join_from(ServiceRegion, Region, Region.code == ServiceRegion.region_code)
    return served.where(ServiceRegion.capability_id == Capability.id).scalar_subquery()


def places(capability_id: int) -> list[str]:
    """The codes of the regions that a capability serves."""
    served = select(ServiceRegion.region_code).where(ServiceRegion.capability_id == capability_id)
    return list(db.session.scalars(served.order_by(ServiceRegion.region_code)))


@dataclass(frozen=True)
class Particulars:
    """A capability with the names of what it refers to."""

    capability: Capability
    item: str
    kind: str
    standard: MeasurementStandard | None
    places: str | None


def particulars(capability_id: int) -> Particulars | None:
    """A capability, or None if the acting person does not see it."""
    kind, item = aliased(CatalogueItem), aliased(CatalogueItem)
    found = db.session.execute(
        select(Capability, item.name, kind.name, MeasurementStandard, places_of())
        .join(kind, kind.id == Capability.catalogue_item_id)
        .join(item, item.id == kind.parent_id)
        .outerjoin(MeasurementStandard, MeasurementStandard.id == Capability.standard_id)
        .where(Capability.id == capability_id)
    ).one_or_none()
    return Particulars(*found) if found else None


@dataclass(frozen=True)
class Declared:
    """A capability of an institution with the names of what it refers to, and what it lacks."""

    capability: Capability
    kind: str
    standard: str | None
    lacks: str | None


def of_institution(institution_id: int) -> list[Declared]:
    """项目详情: what an institution declares that it can verify, what is under review first; at most 200."""
    lacking = case((Capability.state.in_((PENDING, EFFECTIVE)), lacks()))
    rows = (
        select(Capability, CatalogueItem.name, MeasurementStandard.name, lacking)
        .join(CatalogueItem, CatalogueItem.id == Capability.catalogue_item_id)
        .outerjoin(MeasurementStandard, MeasurementStandard.id == Capability.standard_id)
        .outerjoin(Institution, Institution.organization_id == Capability.institution_id)
        .where(Capability.institution_id == institution_id)
        .order_by(Capability.state != PENDING, CatalogueItem.number, Capability.id)
        .limit(MOST_DECLARED)
    )
    return [Declared(*row) for row in db.session.execute(rows)]


def standards(by: Principal) -> list[MeasurementStandard]:
    """The measurement standards of one's own institution, whatever their state; a change of one is not another."""
    own = select(MeasurementStandard).where(
        MeasurementStandard.institution_id == by.organization_id, MeasurementStandard.replaces_id.is_(None)
    )
    return list(db.session.scalars(own.order_by(MeasurementStandard.name, MeasurementStandard.id)))


def authorized_until(by: Principal) -> date | None:
    """The last day of the authorization of one's own institution."""
    house: Institution | None = db.session.get(Institution, by.organization_id)
    return house.authorized_until if house else None


# --- Drafting ------------------------------------------------------------------------------------


def add(offer: Offer, by: Principal) -> Capability:
    """Draft a capability; it counts for nothing until it has been declared and has passed."""
    item = _checked(offer, by)
    new = Capability(institution_id=by.organization_id, **_columns(offer))
    db.session.add(new)
    db.session.flush()
    _serve(new, offer.places)
    audit.record("add", "capability", new.id, _name(item, offer), by=by)
    return new


def edit(capability_id: int, offer: Offer, revision: str, by: Principal) -> Capability | None:
    """Correct what is not under review and not effective; None if there is none."""
    own = select(Capability).where(Capability.id == capability_id, Capability.institution_id == by.organization_id)
    found: Capability | None = db.session.scalar(own.with_for_update())
    if found is None:
        return None
    if str(found.revision) != revision:
        raise Stale
    if found.state not in DECLARE.sources:
        raise RuleError(_("Only a draft or a rejected capability can be edited. Copy this one to declare it anew."))
    item = _checked(offer, by)
    for name, value in _columns(offer).items():
        setattr(found, name, value)
    found.revision += 1
    db.session.flush()
    _serve(found, offer.places)
    audit.record("edit", "capability", found.id, _name(item, offer), by=by)
    return found


def delete_drafts(chosen: Chosen, by: Principal) -> int:
    """Take away drafts that were never submitted; what an authority may have seen stays for the record."""
    own = (is_chosen(Capability.id, chosen), Capability.institution_id == by.organization_id)
    there = db.session.scalar(select(func.count()).where(*own)) or 0
    seen = exists().where(Event.subject == "capability", Event.subject_id == Capability.id)
    drafts = delete(Capability).where(*own, Capability.state == DRAFT, ~seen).returning(Capability.id)
    gone = len(db.session.execute(drafts.execution_options(synchronize_session=False)).all())
    if gone < there:
        text = _("%(number)s of these are not drafts, or have been submitted before: they stay.", number=there - gone)
        raise RuleError(text)
    if gone:
        audit.record("delete", "capability", by=by, done=gone)
    return gone


def _name(item: CatalogueItem, offer: Offer) -> str:
    return f"{item.name} {range_text(offer.range_low, offer.range_high, offer.range_unit)}"


def _columns(offer: Offer) -> dict[str, Any]:
    accuracy_class = half_width(offer.accuracy_class)
    columns = asdict(offer) | {"accuracy_class": accuracy_class, "accuracy_value": accuracy_value(accuracy_class)}
    del columns["places"]
    return columns


def _serve(capability: Capability, codes: tuple[str, ...]) -> None:
    db.session.execute(delete(ServiceRegion).where(ServiceRegion.capability_id == capability.id))
    db.session.add_all(ServiceRegion(capability_id=capability.id, region_code=code) for code in codes)
    db.session.flush()


def _checked(offer: Offer, by: Principal) -> CatalogueItem:
    """The kind, if everything said fits it and the institution."""
    item = catalogue.kind(offer.catalogue_item_id)
    if item is None:
        raise RuleError(_("Please choose a kind of the catalogue."), field="catalogue_item_id")
    for refusal in against_kind(item, offer.range_unit):
        raise refusal
    for name, limit in (("range_low", offer.range_low), ("range_high", offer.range_high)):
        for refusal in against_limit(name, limit):
            raise refusal
    if offer.range_low > offer.range_high:
        raise RuleError(_("The lower limit is above the upper limit."), field="range_high")
    if offer.valid_from > offer.valid_until:
        raise RuleError(_("The last day lies before the first."), field="valid_until")
    _check_standard(offer, by)
    _check_places(offer)
    return item


def _check_standard(offer: Offer, by: Principal) -> None:
    if offer.standard_id is None:
        return
    found: MeasurementStandard | None = db.session.get(MeasurementStandard, offer.standard_id)
    if found is None or found.institution_id != by.organization_id or found.replaces_id is not None:
        raise RuleError(_("Please choose a measurement standard of your institution."), field="standard_id")


def _check_places(offer: Offer) -> None:
    if not 1 <= len(offer.places) <= MOST_PLACES:
        text = _("One to %(most)s regions can be chosen; a city or a province stands for all in it.", most=MOST_PLACES)
        raise RuleError(text, field="places")
    if len(regions.names(list(offer.places))) < len(set(offer.places)):
        raise RuleError(_("This is not among the choices."), field="places")


# --- Declaring and reviewing ---------------------------------------------------------------------


def declare(chosen: Chosen, by: Principal) -> Outcome:
    """提交审核: hand drafts to the authority. If one rests on nothing valid, none is handed in."""
    return _founded(DECLARE, chosen, by, Capability.institution_id == by.organization_id)


def recall(chosen: Chosen, by: Principal) -> Outcome:
    """收回: take what is under review back, to be a draft again."""
    return fire(RECALL, chosen, by, only=Capability.institution_id == by.organization_id)


def among(revisions: Mapping[int, int], institution_id: int) -> list[int]:
    """Those of the capabilities that an institution has, at least one; raises Stale if they were edited meanwhile.

    `revisions` are those that a person has looked at, by the ids.
    """
    own = select(Capability.id, Capability.revision).where(Capability.id.in_(revisions))
    found = db.session.execute(own.where(Capability.institution_id == institution_id).order_by(Capability.id)).all()
    if not found:
        raise RuleError(_("Please tick at least one row."))
    if any(revisions[id] != revision for id, revision in found):
        raise Stale
    return [id for id, _revision in found]


def pass_(chosen: Chosen, by: Principal) -> Outcome:
    """审核通过: institutions in one's jurisdiction may verify what they declared, as long as what it rests on holds."""
    return _founded(PASS_CAPABILITY, chosen, by, _of_own_jurisdiction(by))


def _founded(step: Step, chosen: Chosen, by: Principal, own: ColumnElement[bool]) -> Outcome:
    """Take the step with capabilities that rest on what is valid; if one does not, with none.

    What they rest on is locked before them, in the order in which sealing a standard up locks it.
    """
    asked = how_many(chosen)
    keep_organizations(select(Capability.institution_id).where(is_chosen(Capability.id, chosen)))
    which = (is_chosen(Capability.id, chosen), Capability.state.in_(sorted(step.sources)), own)
    for grounds, foreign in (
        (MeasurementStandard.id, Capability.standard_id),
        (Institution.organization_id, Capability.institution_id),
    ):
        under = select(grounds).where(grounds.in_(select(foreign).where(*which))).order_by(grounds)
        db.session.execute(under.with_for_update(read=True))
    ids = list(db.session.scalars(select(Capability.id).where(*which).order_by(Capability.id).with_for_update()))
    if not ids:
        return Outcome(asked, 0)
    _refuse_unfounded(Capability.id.in_(ids))
    return Outcome(asked, fire(step, ids, by).done)


def reject(chosen: Chosen, reason: str, by: Principal) -> Outcome:
    """审核拒绝: the institutions correct what they declared, and declare it again."""
    text = reasons.checked(reason, shortest=SHORTEST_REASON, longest=LONGEST_REASON)
    return fire(REJECT_CAPABILITY, chosen, by, reason=text, only=_of_own_jurisdiction(by))


def _of_own_jurisdiction(by: Principal) -> ColumnElement[bool]:
    """The condition that an institution is the authority's to review. Everybody else has no jurisdiction."""
    return Capability.institution_id.in_(institutions.of_jurisdiction(by))


# What a capability lacks that it must rest on (细则 Art 27, 28).
LACKS = {
    "no_standard": _l("no measurement standard is named"),
    "standard_not_approved": _l("its measurement standard is not approved"),
    "standard_expired": _l("its measurement standard has expired"),
    "over": _l("its validity is over"),
    "no_authorization": _l("the institution has no authorization"),
    "beyond_authorization": _l("it would outlast the institution's authorization"),
}


def covers_instrument() -> ColumnElement[bool]:
    """SQL: a capability is for the kind, the range and the accuracy of an instrument."""
    return and_(
        Capability.catalogue_item_id == Instrument.catalogue_item_id,
        Capability.range_unit == Instrument.range_unit,
        Capability.range_low <= Instrument.range_low,
        Capability.range_high >= Instrument.range_high,
        Capability.accuracy_value <= Instrument.accuracy_value,
    )


def lacks() -> ColumnElement[str | None]:
    """SQL, for a capability with its standard and institution: the first thing it lacks, None if it is founded."""
    today = func.timezone(str(holidays.ZONE), func.now()).cast(Date)
    return case(
        (MeasurementStandard.id.is_(None), "no_standard"),
        (MeasurementStandard.state.not_in((APPROVED, EXPIRED)), "standard_not_approved"),
        (measurement_standards.valid_until() < today, "standard_expired"),
        (Capability.valid_until < today, "over"),
        (Institution.organization_id.is_(None), "no_authorization"),
        (Capability.valid_until > Institution.authorized_until, "beyond_authorization"),
    )


def _refuse_unfounded(*conditions: ColumnElement[bool]) -> None:
    """A capability rests on an approved, valid standard, within the institution's authorization."""
    lacking = lacks()
    rows = (
        select(CatalogueItem.name, range_of().label("range"), lacking.label("lacks"))
        .join_from(Capability, CatalogueItem, CatalogueItem.id == Capability.catalogue_item_id)
        .outerjoin(MeasurementStandard, MeasurementStandard.id == Capability.standard_id)
        .outerjoin(Institution, Institution.organization_id == Capability.institution_id)
        .where(*conditions, lacking.is_not(None))
        .order_by(Capability.id)
    )
    found = db.session.execute(rows.limit(MOST_NAMED + 1)).all()
    if found:
        named = "；".join(f"{row.name} {row.range}：{LACKS[row.lacks]}" for row in found[:MOST_NAMED])
        more = " …" if len(found) > MOST_NAMED else ""
        raise RuleError(_("This must be put right first: %(named)s.", named=named + more))
