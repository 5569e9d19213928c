"""检定结果: written down by a verifier, checked by another person, approved by a third, and then a certificate.

A result is refused outside what the institution may verify, with a standard that is not valid on that day, or by a
verifier who is not qualified for the kind (办法 Art 10, 11; 细则 Art 27, 28).
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from flask_babel import gettext as _, lazy_gettext as _l
from sqlalchemy import Date, and_, cast, exists, func, literal, or_, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import aliased

from app.access import Principal
from app.domain import capabilities, holidays, reasons
from app.errors import RuleError
from app.models import (
    Capability,
    CatalogueItem,
    Institution,
    Instrument,
    MeasurementStandard,
    Qualification,
    Result,
    StaffMember,
    Task,
    db,
)
from app.states import APPROVED, CHECK, EFFECTIVE, EXPIRED, RECORD, REWORK, TO_APPROVE, TO_CHECK, VERIFYING
from app.workflow import Chosen, Outcome, fire, how_many, is_chosen

MOST_AT_ONCE = 1000
SHORTEST_REASON, LONGEST_REASON = 2, 500
LONGEST_FAILURE = 1000
INITIAL, SUBSEQUENT, IN_SERVICE = "initial", "subsequent", "in_service"
KINDS = {
    INITIAL: _l("Initial verification"),
    SUBSEQUENT: _l("Subsequent verification"),
    IN_SERVICE: _l("In-service inspection"),
}
CONCLUSIONS = {"passed": _l("Passed"), "failed": _l("Failed")}


@dataclass(frozen=True)
class Findings:
    """What a verifier writes down for one or many instruments that were verified alike.

    `indications` are items, requirements and results; `months` shortens the validity that the catalogue gives
    (办法 Art 6).
    """

    verification_kind: str
    verified_on: date
    regulation: str
    standard_ids: tuple[int, ...]
    verifier_id: int
    temperature: str = ""
    humidity: str = ""
    place: str = ""
    indications: tuple[tuple[str, str, str], ...] = ()
    months: int | None = None


# --- Who and with what ----------------------------------------------------------------------------


def verifiers(by: Principal) -> list[StaffMember]:
    """The staff of one's own institution who may be named as verifier."""
    of_own = select(StaffMember).where(StaffMember.institution_id == by.organization_id, StaffMember.active)
    qualified = exists().where(Qualification.staff_member_id == StaffMember.id)
    return list(db.session.scalars(of_own.where(qualified).order_by(StaffMember.name)))


def standards(by: Principal) -> list[MeasurementStandard]:
    """The standards of one's own institution that are approved, or were until they expired."""
    of_own = select(MeasurementStandard).where(
        MeasurementStandard.institution_id == by.organization_id, MeasurementStandard.state.in_((APPROVED, EXPIRED))
    )
    return list(db.session.scalars(of_own.order_by(MeasurementStandard.name, MeasurementStandard.id)))


def usual_standards(chosen: Chosen, by: Principal) -> dict[int, set[int]]:
    """The standards behind the capabilities under which each kind among what was chosen is verified, by kind."""
    of_kind = and_(
        Capability.catalogue_item_id == Task.catalogue_item_id,
        Capability.institution_id == by.organization_id,
        Capability.state == EFFECTIVE,
    )
    behind = select(Task.catalogue_item_id, Capability.standard_id).outerjoin(Capability, of_kind)
    found: dict[int, set[int]] = defaultdict(set)
    for kind_id, standard_id in db.session.execute(behind.where(is_chosen(Task.id, chosen)).distinct()):
        found[kind_id] |= set() if standard_id is None else {standard_id}
    return found


def usual_regulations(chosen: Chosen, by: Principal) -> dict[int, set[str]]:
    """The regulations under which the institution may verify each kind among what was chosen, by kind."""
    kinds = select(Task.catalogue_item_id).where(is_chosen(Task.id, chosen))
    named = select(Capability.catalogue_item_id, Capability.regulation).where(
        Capability.institution_id == by.organization_id, Capability.catalogue_item_id.in_(kinds)
    )
    found: dict[int, set[str]] = defaultdict(set)
    for kind_id, regulation in db.session.execute(named.distinct()):
        found[kind_id].add(regulation)
    return found


def regulations(chosen: Chosen, by: Principal) -> list[str]:
    """The regulations under which the institution may verify what was chosen."""
    kinds = select(Task.catalogue_item_id).where(is_chosen(Task.id, chosen))
    named = select(Capability.regulation).where(
        Capability.institution_id == by.organization_id, Capability.catalogue_item_id.in_(kinds)
    )
    return list(db.session.scalars(named.distinct().order_by(Capability.regulation)))


def myself(by: Principal) -> StaffMember | None:
    """The member of staff that an account is."""
    found: StaffMember | None = db.session.scalar(_member_of(by))
    return found


def acting_member(by: Principal) -> StaffMember | None:
    """The member of staff that an account is, locked against being linked to another account meanwhile."""
    locked = _member_of(by).with_for_update(read=True).execution_options(populate_existing=True)
    found: StaffMember | None = db.session.scalar(locked)
    return found


def _member_of(by: Principal) -> Any:
    mine = select(StaffMember).where(StaffMember.account_id == by.account_id, StaffMember.active)
    return mine.where(StaffMember.institution_id == by.organization_id)


def _as_staff(by: Principal) -> StaffMember:
    found = acting_member(by)
    if found is None:
        raise RuleError(_("Your account is not linked to a member of the staff: the approver does that under Staff."))
    return found


# --- Recording -----------------------------------------------------------------------------------


def verifying(chosen: Chosen, most: int) -> list[Any]:
    """The first of the chosen tasks that are being verified, with what is known of the instruments."""
    rows = (
        select(
            Task.id,
            Task.catalogue_item_id,
            Instrument.name,
            Instrument.model,
            Instrument.serial_no,
            Instrument.measuring_range,
        )
        .join(Instrument, Instrument.id == Task.instrument_id)
        .where(is_chosen(Task.id, chosen), Task.state == VERIFYING)
        .order_by(Task.id)
        .limit(most)
    )
    return list(db.session.execute(rows))


def find(task_id: int) -> Result | None:
    """The result of a task, as far as it was written down; None if nothing was."""
    found: Result | None = db.session.scalar(select(Result).where(Result.task_id == task_id))
    return found


def record(chosen: Chosen, findings: Findings, failures: Mapping[int, str], by: Principal) -> Outcome:
    """录入结果: write down what was found; tasks in `failures` failed, all others passed."""
    asked = how_many(chosen)
    ids = held(chosen, VERIFYING)
    if not ids:
        return Outcome(asked, 0)
    basis = refuse(findings, ids, by)
    failed = {id: _told_failure(failures[id]) for id in ids if id in failures}
    _write(ids, findings, basis, failed, by)
    return Outcome(asked, fire(RECORD, ids, by).done)


@dataclass(frozen=True)
class Basis:
    """On what a result stands: who verified, with which standards, and until when each task's certificate holds."""

    verifier: StaffMember
    standards: list[MeasurementStandard]
    valid_until: dict[int, date | None]


def refuse(findings: Findings, ids: Sequence[int], by: Principal) -> Basis:
    """Refuse what the law does not let stand as a result of these tasks; else give on what it stands."""
    _check_day(findings, ids)
    verifier = _check_verifier(findings, ids, by)
    used = _check_standards(findings, by)
    _check_authorization(findings, by)
    _check_capability(findings, ids, by)
    return Basis(verifier, used, _validity(ids, findings))


def held(chosen: Chosen, state: str) -> list[int]:
    """The chosen tasks in a state, held until the end of the transaction."""
    tasks = select(Task.id).where(is_chosen(Task.id, chosen), Task.state == state).order_by(Task.id)
    ids = list(db.session.scalars(tasks.limit(MOST_AT_ONCE + 1).with_for_update(of=Task)))
    if len(ids) > MOST_AT_ONCE:
        raise RuleError(_("At most %(most)s tasks can be done at once.", most=MOST_AT_ONCE))
    return ids


def _check_day(findings: Findings, ids: Sequence[int]) -> None:
    if findings.verified_on > holidays.today():
        raise RuleError(_("The day of verification lies in the future."), field="verified_on")
    first = db.session.scalar(select(func.max(cast(Task.applied_at, Date))).where(Task.id.in_(ids)))
    if first and findings.verified_on < first:
        text = _("The day of verification lies before the booking of %(day)s.", day=first.isoformat())
        raise RuleError(text, field="verified_on")


def _check_verifier(findings: Findings, ids: Sequence[int], by: Principal) -> StaffMember:
    """办法 Art 11: who verifies has been examined for it."""
    found: StaffMember | None = db.session.get(StaffMember, findings.verifier_id, with_for_update={"read": True})
    if found is None or found.institution_id != by.organization_id or not found.active:
        raise RuleError(_("Please choose a verifier of your institution."), field="verifier_id")
    covering = exists().where(
        Qualification.staff_member_id == found.id,
        Qualification.valid_from <= findings.verified_on,
        Qualification.valid_until >= findings.verified_on,
        or_(
            CatalogueItem.id == func.any(Qualification.catalogue_item_ids),
            CatalogueItem.parent_id == func.any(Qualification.catalogue_item_ids),
        ),
    )
    kinds = select(Task.catalogue_item_id).where(Task.id.in_(ids))
    lacking = list(db.session.scalars(select(CatalogueItem.name).where(CatalogueItem.id.in_(kinds), ~covering)))
    if lacking:
        text = _(
            "%(name)s is not qualified on %(day)s for: %(kinds)s.",
            name=found.name,
            day=findings.verified_on.isoformat(),
            kinds="、".join(lacking[:5]),
        )
        raise RuleError(text, field="verifier_id")
    return found


def _check_standards(findings: Findings, by: Principal) -> list[MeasurementStandard]:
    """细则 Art 27: measurement standards are themselves verified."""
    own = select(MeasurementStandard).where(
        MeasurementStandard.id.in_(findings.standard_ids),
        MeasurementStandard.institution_id == by.organization_id,
        MeasurementStandard.state.in_((APPROVED, EXPIRED)),  # the day of the verification decides
    )
    # Locked: nobody seals one up or changes it before the results stand.
    locked = own.order_by(MeasurementStandard.id).with_for_update(read=True)
    found = list(db.session.scalars(locked.execution_options(populate_existing=True)))
    if not found or len(found) < len(set(findings.standard_ids)):
        raise RuleError(_("Please choose the measurement standards that were used."), field="standard_ids")
    for each in found:
        until = min(each.valid_until, each.public_valid_until)
        if until < findings.verified_on:
            text = _("The standard %(name)s expired on %(day)s.", name=each.name, day=until.isoformat())
            raise RuleError(text, field="standard_ids")
    return found


def _check_authorization(findings: Findings, by: Principal) -> None:
    locked = select(Institution).where(Institution.organization_id == by.organization_id).with_for_update(read=True)
    house: Institution | None = db.session.scalar(locked.execution_options(populate_existing=True))
    if house is None or house.authorized_until < findings.verified_on:
        raise RuleError(_("The authorization of the institution has expired; it may not verify."))


def _check_capability(findings: Findings, ids: Sequence[int], by: Principal) -> None:
    """办法 Art 10: only within the authorized scope, as it was on that day."""
    standard = aliased(MeasurementStandard)
    day = findings.verified_on
    rests_on_valid = or_(
        Capability.standard_id.is_(None),
        exists().where(
            standard.id == Capability.standard_id, standard.valid_until >= day, standard.public_valid_until >= day
        ),
    )
    covered = exists().where(
        Capability.institution_id == by.organization_id,
        Capability.state.in_((EFFECTIVE, EXPIRED)),
        Capability.valid_from <= day,
        Capability.valid_until >= day,
        capabilities.covers_instrument(),
        rests_on_valid,
    )
    outside = (
        select(Instrument.name, Instrument.serial_no, Instrument.measuring_range)
        .join(Task, Task.instrument_id == Instrument.id)
        .where(Task.id.in_(ids), ~covered)
        .order_by(Task.id)
    )
    rows = db.session.execute(outside.limit(4)).all()
    if rows:
        named = "；".join(f"{row.name} {row.serial_no} {row.measuring_range}" for row in rows[:3])
        text = _("Outside the effective capabilities of the institution on that day: %(named)s.", named=named)
        raise RuleError(text + (" …" if len(rows) > 3 else ""))


def _told_failure(text: str) -> str:
    told = text.strip()
    if not SHORTEST_REASON <= len(told) <= LONGEST_FAILURE:
        raise RuleError(_("Please tell of each instrument that failed what failed."))
    return told


def _write(ids: Sequence[int], findings: Findings, basis: Basis, failed: Mapping[int, str], by: Principal) -> None:
    """One row a task; what an earlier attempt wrote is replaced."""
    common = {
        "institution_id": by.organization_id,
        "verification_kind": findings.verification_kind,
        "verified_on": findings.verified_on,
        "regulation": findings.regulation,
        "standards": [_snapshot(each) for each in basis.standards],
        "temperature": findings.temperature or None,
        "humidity": findings.humidity or None,
        "place": findings.place or None,
        "indications": [list(row) for row in findings.indications],
        "verifier_id": basis.verifier.id,
        "verifier": basis.verifier.name,
        "recorder_id": by.account_id,
        "checker_id": None,
        "checker": None,
    }
    places = select(Task.id, Task.city_code, Task.region_code).where(Task.id.in_(ids))
    rows = [
        {
            "task_id": id,
            "city_code": city_code,
            "region_code": region_code,
            "passed": id not in failed,
            "failures": failed.get(id),
            "valid_until": None if id in failed else basis.valid_until[id],
            **common,
        }
        for id, city_code, region_code in db.session.execute(places)
    ]
    statement = upsert(Result)
    anew = {name: statement.excluded[name] for name in rows[0] if name not in ("task_id", "city_code", "region_code")}
    db.session.execute(
        statement.on_conflict_do_update(
            index_elements=["task_id", "city_code"], set_={**anew, "recorded_at": func.now()}
        ),
        rows,
    )


def _snapshot(standard: MeasurementStandard) -> dict[str, Any]:
    """The standard as it is now: a certificate tells what was valid then."""
    return {
        "id": standard.id,
        "name": standard.name,
        "measuring_range": standard.measuring_range or "",
        "uncertainty": standard.uncertainty or "",
        "certificate_no": standard.certificate_no,
        "valid_until": min(standard.valid_until, standard.public_valid_until).isoformat(),
    }


def _validity(ids: Sequence[int], findings: Findings) -> dict[int, date | None]:
    """The last day of validity of each task, by the cycle of the catalogue in force on that day.

    None for what is verified once in its life, and for an inspection in service, which prolongs nothing.
    """
    then, now = aliased(CatalogueItem), aliased(CatalogueItem)
    day = literal(findings.verified_on, Date)
    in_force = and_(
        then.level == now.level,
        then.number == now.number,
        then.valid_from <= day,
        or_(then.valid_until.is_(None), then.valid_until >= day),
    )
    cycle = func.coalesce(then.cycle_months, now.cycle_months)
    rows = (
        select(Task.id, cycle.label("cycle"), now.name)
        .join(now, now.id == Task.catalogue_item_id)
        .outerjoin(then, in_force)
        .where(Task.id.in_(ids))
    )
    found = db.session.execute(rows).all()
    shortest = min((row.cycle for row in found if row.cycle), default=None)
    if findings.months is not None and (shortest is None or findings.months > shortest):
        text = _(
            "The validity can be shortened, not lengthened: the cycle is %(months)s months.", months=shortest or "—"
        )
        raise RuleError(text, field="months")
    if findings.verification_kind == IN_SERVICE:
        return dict.fromkeys((row.id for row in found), None)
    return {row.id: _last_day(findings.verified_on, findings.months or row.cycle) for row in found}


def _last_day(start: date, months: int | None) -> date | None:
    """The day before the same day so many months later (or the last of that month)."""
    if months is None:
        return None
    year, month = divmod(start.year * 12 + start.month - 1 + months, 12)
    following = date(year + (month == 11), (month + 1) % 12 + 1, 1)
    last_of_month = (following - timedelta(days=1)).day
    return date(year, month + 1, min(start.day, last_of_month)) - timedelta(days=1)


# --- Checking ------------------------------------------------------------------------------------


def check(chosen: Chosen, by: Principal) -> Outcome:
    """核验: a second person looks over the results; nobody checks what they verified themselves."""
    me, asked = _as_staff(by), how_many(chosen)
    ids = held(chosen, TO_CHECK)
    refuse_own(ids, me, by)
    db.session.execute(_results_of(ids).values(checker_id=me.id, checker=me.name))
    return Outcome(asked, fire(CHECK, ids, by).done if ids else 0)


def refuse_own(ids: Sequence[int], me: StaffMember, by: Principal) -> None:
    """Refuse to go on with results that this member of the staff has recorded, verified or checked.

    Verifier, checker and approver are three different people: by id, since a name can be changed meanwhile. The names
    that are printed must be three as well, so namesakes count as one. Whoever records a result under the name of
    another verifier counts as one who verified it.
    """
    same_person = or_(Result.verifier_id == me.id, Result.checker_id == me.id)
    same_name = or_(Result.verifier == me.name, Result.checker == me.name)
    same_account = Result.recorder_id == by.account_id
    own = select(func.count()).where(Result.task_id.in_(ids), or_(same_person, same_name, same_account))
    number = db.session.scalar(own) or 0
    if number:
        text = _(
            "You recorded, verified or checked %(number)s of these yourself: verifier, checker and approver are three "
            "people.",
            number=number,
        )
        raise RuleError(text)


def in_work(staff_member_id: int) -> int:
    """The number of results that somebody has verified or checked and nobody has approved yet."""
    theirs = or_(Result.verifier_id == staff_member_id, Result.checker_id == staff_member_id)
    waiting = select(func.count()).join_from(
        Result, Task, and_(Task.id == Result.task_id, Task.city_code == Result.city_code)
    )
    return db.session.scalar(waiting.where(theirs, Task.state.in_((TO_CHECK, TO_APPROVE)))) or 0


def _results_of(ids: Sequence[int]) -> Any:
    return update(Result).where(Result.task_id.in_(ids)).execution_options(synchronize_session=False)


def rework(chosen: Chosen, reason: str, by: Principal) -> Outcome:
    """退回重做: the result goes back to the verifier."""
    text = reasons.checked(reason, shortest=SHORTEST_REASON, longest=LONGEST_REASON)
    asked = how_many(chosen)
    ids = [*held(chosen, TO_CHECK), *held(chosen, TO_APPROVE)]
    db.session.execute(_results_of(ids).values(checker_id=None, checker=None))
    return Outcome(asked, fire(REWORK, ids, by, reason=text).done if ids else 0)
