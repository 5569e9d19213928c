"""监督检查: an authority looks on the spot, concludes, has it put right, looks again and closes (计量法 Art 19).

What is planned and under way only authorities see; the inspected party sees its own once it has been concluded.
Only the office that planned an inspection works on it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from flask_babel import force_locale, gettext as _  # pyright: ignore[reportAttributeAccessIssue]  # not in __all__
from sqlalchemy import ColumnElement, and_, column, func, insert, literal, or_, select, update
from sqlalchemy.dialects.postgresql import JSONB

from app import access, audit, files, finding, papers, persons
from app.access import Principal
from app.domain import checklists, holidays, institutions, notifications, numbering, photos, reasons
from app.errors import RuleError, Stale
from app.models import (
    Inspection,
    Instrument,
    MeasurementStandard,
    Notification,
    Organization,
    Region,
    db,
)
from app.papers import InspectionPaper
from app.sandbox.children import Upload
from app.states import (
    ANSWER,
    CANCEL,
    CLOSED,
    CONCLUDE,
    CONCLUDE_TO_RECTIFY,
    CONCLUDED_INSPECTION,
    INSPECT,
    PUBLISH_INSPECTION,
    RECHECK,
    RECHECK_FAILED,
    REVOKE_INSPECTION,
    TO_RECTIFY,
    Step,
)
from app.workflow import Chosen, Outcome, fire

SHORTEST_REASON, LONGEST_REASON = 4, 500
SHORTEST_TEXT, LONGEST_TEXT = 4, 2000
MOST_PHOTOS = 20
LONGEST_TERM = timedelta(days=366)
NEAR = timedelta(days=3)
CONFORMS, DOES_NOT_CONFORM, RECTIFY, STOP = "conforms", "does_not_conform", "rectify", "stop"
# These order something, and so say until when.
ORDERS = frozenset({RECTIFY, STOP})


@dataclass(frozen=True)
class Target:
    """What is inspected: a party, or a standard or an instrument of it, and where it is at home."""

    id: int
    party_id: int
    party: str
    name: str
    region_code: str


@dataclass(frozen=True)
class Record:
    """检查记录: what was found on the spot."""

    inspected_on: date
    accompanied_by: str
    checklist: tuple[dict[str, str], ...]
    findings: str
    inspectors: tuple[int, ...] = ()


# --- Questions -----------------------------------------------------------------------------------


def find(inspection_id: int) -> Inspection | None:
    """An inspection that the acting person sees."""
    found: Inspection | None = db.session.scalar(select(Inspection).where(Inspection.id == inspection_id))
    return found


def own(by: Principal) -> ColumnElement[bool]:
    """The condition that an inspection is one's own office's to work on."""
    mine: ColumnElement[bool] = Inspection.authority_id == (by.organization_id or 0)
    return mine


def may_inspect(kind: str, by: Principal) -> ColumnElement[bool]:
    """The condition that an organization of a kind can be inspected by one's office."""
    active = and_(Organization.kind == kind, Organization.active, institutions.at_home(by))
    return and_(active, access.manages(by)(Organization))


def parties(kind: str, term: str, by: Principal) -> list[Organization]:
    """The first few institutions or using units that one's office can inspect, by a part of their name."""
    found = select(Organization).where(may_inspect(kind, by))
    if term:
        found = found.where(finding.contains(Organization.name, term))
    return list(db.session.scalars(found.order_by(Organization.region_code, Organization.id).limit(20)))


def party(organization_id: int, by: Principal) -> Organization | None:
    """An institution or a using unit, if one's office can inspect it."""
    either = or_(may_inspect("institution", by), may_inspect("using_unit", by))
    found: Organization | None = db.session.scalar(
        select(Organization).where(Organization.id == organization_id, either)
    )
    return found


def targets(kind: str, ids: Sequence[int]) -> list[Target]:
    """What is to be inspected, with its party; in one statement."""
    return [Target(*row) for row in db.session.execute(_TARGETS[kind].where(_TARGET_IDS[kind].in_(ids)))]


_TARGET_IDS: dict[str, Any] = {
    "institution": Organization.id,
    "using_unit": Organization.id,
    "standard": MeasurementStandard.id,
    "instrument": Instrument.id,
}
_whole = select(Organization.id, Organization.id, Organization.name, Organization.name, Organization.region_code)
_TARGETS: dict[str, Any] = {
    "institution": _whole,
    "using_unit": _whole,
    "standard": select(
        MeasurementStandard.id,
        Organization.id,
        Organization.name,
        func.concat(MeasurementStandard.name, " ", MeasurementStandard.certificate_no),
        Organization.region_code,
    ).join(Organization, Organization.id == MeasurementStandard.institution_id),
    "instrument": select(
        Instrument.id,
        Organization.id,
        Organization.name,
        func.concat(Instrument.name, " ", Instrument.serial_no),
        Instrument.region_code,
    ).join(Organization, Organization.id == Instrument.using_unit_id),
}


def inspectors_of() -> Any:
    """SQL: the names of who inspects."""
    each = func.jsonb_array_elements(Inspection.inspectors).table_valued(column("value", JSONB)).alias("each")
    names = func.string_agg(each.c.value["name"].astext, literal("、"))
    return persons.names(select(names).select_from(each).correlate(Inspection).scalar_subquery())


def is_mine(by: Principal) -> ColumnElement[bool]:
    """The condition that somebody is to inspect himself."""
    me: ColumnElement[bool] = Inspection.inspectors.contains([{"id": by.account_id}])
    return me


# --- Planning ------------------------------------------------------------------------------------


def refuse_past(planned_on: date) -> None:
    """An inspection is planned for today or later, within a year."""
    today = holidays.today()
    if not today <= planned_on <= today + LONGEST_TERM:
        raise RuleError(_("Please plan it for today or later, within a year."), field="planned_on")


def plan(task: str, kind: str, party_id: int, planned_on: date, inspectors: Mapping[int, str], by: Principal) -> int:
    """新增检查: plan one inspection without a draw, e.g. after a complaint."""
    refuse_past(planned_on)
    if len(inspectors) < 2:
        raise RuleError(_("At least two people inspect."), field="inspectors")
    if kind not in ("institution", "using_unit") or db.session.scalar(
        select(Organization.id).where(Organization.id == party_id, may_inspect(kind, by))
    ) is None:  # fmt: skip
        raise RuleError(_("Please choose an institution or a using unit of your jurisdiction."), field="party_id")
    (target,) = targets(kind, [party_id])
    (id,) = enter(task, kind, planned_on, [(target, dict(inspectors))], by)
    audit.record("add", "inspection", id, f"{task} {target.party}", by=by)
    return id


def enter(
    task: str,
    kind: str,
    planned_on: date,
    chosen: Sequence[tuple[Target, Mapping[int, str]]],
    by: Principal,
    *,
    draw_id: int | None = None,
) -> list[int]:
    """Write planned inspections, each with its inspectors, and tell these; a few statements however many there are."""
    ids = numbering.next_ids("inspection", len(chosen))
    db.session.add_all(
        Inspection(
            id=id, no=f"JC{by.region_code}{planned_on.year}{id:06d}", draw_id=draw_id, task=task, kind=kind,
            standard_id=target.id if kind == "standard" else None,
            instrument_id=target.id if kind == "instrument" else None,
            party_id=target.party_id, party=target.party, target=target.name[:200], planned_on=planned_on,
            planned_by=by.name, inspectors=[{"id": who, "name": name} for who, name in people.items()],
            authority_id=by.organization_id, city_code=target.region_code[:4] + "00", region_code=target.region_code,
        )
        for id, (target, people) in zip(ids, chosen, strict=True)
    )  # fmt: skip
    db.session.flush()
    _tell_inspectors(ids, [people for _target, people in chosen])
    return ids


def _tell_inspectors(ids: Sequence[int], people: Sequence[Mapping[int, str]]) -> None:
    """Each hears once how many inspections are theirs."""
    theirs: dict[int, list[int]] = {}
    for id, chosen in zip(ids, people, strict=True):
        for who in chosen:
            theirs.setdefault(who, []).append(id)
    rows = [
        {"account_id": who, "kind": "inspect", "party": "inspector", "subject": "inspection", "amount": len(each),
         "subject_id": each[0] if len(each) == 1 else None}
        for who, each in theirs.items()
    ]  # fmt: skip
    if rows:
        db.session.execute(insert(Notification), rows)


def cancel(chosen: Chosen, reason: str, by: Principal) -> Outcome:
    """取消检查: what was not concluded will not be."""
    return fire(CANCEL, chosen, by, reason=_reason(reason), only=own(by))


def _reason(reason: str) -> str:
    return reasons.checked(reason, shortest=SHORTEST_REASON, longest=LONGEST_REASON)


# --- On the spot ---------------------------------------------------------------------------------


def inspect(
    inspection_id: int, record: Record, revision: str, by: Principal, names: Mapping[int, str] | None = None
) -> bool:
    """检查记录: write down what was found so far, to be gone on with until it is concluded. False if there is none."""
    found = _held(inspection_id, revision, by, INSPECT)
    if found is None:
        return False
    if not found.planned_on - LONGEST_TERM <= record.inspected_on <= holidays.today():
        raise RuleError(_("The day of the inspection is today or before."), field="inspected_on")
    people = _people(record, names or {}, found)
    rows = checklists.checked(found.kind, record.checklist)
    _fire_one(
        INSPECT, found, by, inspected_on=record.inspected_on, accompanied_by=record.accompanied_by or None,
        checklist=rows, findings=record.findings or None, inspectors=people,
    )  # fmt: skip
    return True


def _people(record: Record, names: Mapping[int, str], found: Inspection) -> list[dict[str, Any]]:
    """Who came: as planned, or others of the office, at least two."""
    if not record.inspectors:
        return found.inspectors
    known = {each["id"]: each["name"] for each in found.inspectors} | dict(names)
    if len(set(record.inspectors)) < 2 or not set(record.inspectors) <= set(known):
        raise RuleError(_("At least two people inspect."), field="inspectors")
    return [{"id": who, "name": known[who]} for who in dict.fromkeys(record.inspectors)]


def add_photos(inspection_id: int, pictures: Sequence[Upload], by: Principal) -> int | None:
    """Add pictures taken on the spot; None if there is no such inspection. Gives how many there are now."""
    contents = photos.opened(pictures, MOST_PHOTOS)
    found = db.session.scalar(
        select(Inspection).where(Inspection.id == inspection_id, own(by), Inspection.state.in_(sorted(INSPECT.sources)))
        .with_for_update()
    )  # fmt: skip
    if found is None:
        return None
    _refuse_too_many(len(found.photos) + len(pictures))
    found.photos = [*found.photos, *map(files.keep, contents)]
    db.session.flush()
    audit.record("add_photos", "inspection", found.id, str(found), by=by, done=len(pictures))
    return len(found.photos)


def _refuse_too_many(photos: int) -> None:
    if photos > MOST_PHOTOS:
        raise RuleError(_("There are at most %(most)s photos.", most=MOST_PHOTOS), field="photos")


def photo(found: Inspection, name: str) -> str | None:
    """A photo of an inspection, by its name in the file store."""
    return name if name in (*found.photos, *found.statement_photos) else None


# --- Concluding ----------------------------------------------------------------------------------


def conclude(
    inspection_id: int, conclusion: str, issues: str, due_on: date | None, revision: str, by: Principal
) -> bool:
    """作出结论: the party is told. What must be put right stays open until it was looked at again."""
    found = _held(inspection_id, revision, by, CONCLUDE)
    if found is None:
        return False
    _refuse_unlooked(found, conclusion)
    issues = issues.strip()
    if conclusion != CONFORMS and not SHORTEST_TEXT <= len(issues) <= LONGEST_TEXT:
        raise RuleError(_("Please describe what does not conform."), field="issues")
    _refuse_term(conclusion, due_on)
    facts: dict[str, Any] = {"conclusion": conclusion, "issues": issues or None, "due_on": due_on}
    facts["concluded_at"] = func.now()
    if due_on:
        _fire_one(CONCLUDE_TO_RECTIFY, found, by, **facts)
    else:
        _fire_one(CONCLUDE, found, by, closed_at=func.now(), **facts)
    return True


def _refuse_unlooked(found: Inspection, conclusion: str) -> None:
    left = checklists.missing(found.kind, found.checklist)
    if left:
        raise RuleError(_("%(number)s items of the checklist have not been looked at.", number=left))
    failing = checklists.failing(found.checklist)
    if failing and conclusion == CONFORMS:
        text = _("%(number)s items do not conform: the conclusion cannot be that all conforms.", number=failing)
        raise RuleError(text, field="conclusion")


def _refuse_term(conclusion: str, due_on: date | None) -> None:
    if conclusion in ORDERS and due_on is None:
        raise RuleError(_("An order says until when it is to be put right."), field="due_on")
    if conclusion == CONFORMS and due_on is not None:
        raise RuleError(_("There is nothing to put right: please leave the deadline empty."), field="due_on")
    today = holidays.today()
    if due_on is not None and not today < due_on <= today + LONGEST_TERM:
        raise RuleError(_("The deadline lies after today, within a year."), field="due_on")


# --- Putting right -------------------------------------------------------------------------------


def answer(inspection_id: int, statement: str, pictures: Sequence[Upload], by: Principal) -> bool:
    """整改反馈: the party says what it has put right, and the office looks again. False if there is none of its own."""
    statement = statement.strip()
    mine = and_(Inspection.party_id == (by.organization_id or 0), Inspection.id == inspection_id)
    found = db.session.scalar(select(Inspection).where(mine))
    if found is None:
        return False
    if not SHORTEST_TEXT <= len(statement) <= LONGEST_TEXT:
        raise RuleError(_("Please say what has been put right."), field="statement")
    _refuse_too_many(len(pictures))
    kept = [files.keep(content) for content in photos.opened(pictures, MOST_PHOTOS)]
    outcome = fire(
        ANSWER, [found.id], by, reason=statement[:LONGEST_REASON], only=Inspection.party_id == by.organization_id,
        statement=statement, statement_by=by.name, statement_at=func.now(),
        statement_photos=kept or found.statement_photos,
        revision=Inspection.revision + 1,
    )  # fmt: skip
    if not outcome.done:
        raise Stale
    return True


def recheck(inspection_id: int, passed: bool, text: str, due_on: date | None, revision: str, by: Principal) -> bool:
    """复查: what was put right closes the inspection; what was not gets another deadline."""
    text = _reason(text)
    found = _held(inspection_id, revision, by, RECHECK)
    if found is None:
        return False
    facts: dict[str, Any] = {"recheck": text, "rechecked_on": holidays.today()}
    if passed:
        _fire_one(RECHECK, found, by, reason=text, closed_at=func.now(), **facts)
        return True
    if due_on is None:
        raise RuleError(_("Please give another deadline."), field="due_on")
    _refuse_term(RECTIFY, due_on)
    _fire_one(RECHECK_FAILED, found, by, reason=text, due_on=due_on, reminded=None, **facts)
    return True


def _held(inspection_id: int, revision: str, by: Principal, step: Step) -> Inspection | None:
    """An inspection of one's own office that can take the step, if nobody changed it meanwhile."""
    mine = select(Inspection).where(Inspection.id == inspection_id, own(by))
    found: Inspection | None = db.session.scalar(mine.with_for_update().execution_options(populate_existing=True))
    if found is not None and (str(found.revision) != revision or found.state not in step.sources):
        raise Stale
    return found


def _fire_one(step: Step, found: Inspection, by: Principal, reason: str | None = None, **values: Any) -> None:
    same = and_(own(by), Inspection.revision == found.revision)
    outcome = fire(step, [found.id], by, reason=reason, only=same, revision=Inspection.revision + 1, **values)
    if not outcome.done:
        raise Stale
    db.session.expire(found)


# --- Publishing ----------------------------------------------------------------------------------


def publish(chosen: Chosen, by: Principal) -> Outcome:
    """发布: the results of concluded inspections are for everybody to see (政府信息公开条例 Art 20)."""
    concluded = Inspection.state.in_(sorted(CONCLUDED_INSPECTION))
    return fire(PUBLISH_INSPECTION, chosen, by, only=and_(own(by), concluded), published_at=func.now())


def revoke(chosen: Chosen, reason: str, by: Principal) -> Outcome:
    """撤销发布."""
    return fire(REVOKE_INSPECTION, chosen, by, reason=_reason(reason), only=own(by), published_at=None)


# --- Deadlines -----------------------------------------------------------------------------------


def remind(day: date) -> int:
    """Tell once that a deadline is near, and once that it is past: the party, and of a past one the office too."""
    near = _reminded("near", Inspection.reminded.is_(None), Inspection.due_on.between(day, day + NEAR))
    past = _reminded("past", Inspection.reminded.is_distinct_from("past"), Inspection.due_on < day)
    told = _tell_parties("rectify_near", near) + _tell_parties("rectify_past", past)
    office = select(Inspection.authority_id.label("organization_id"), Inspection.id).where(Inspection.id.in_(past))
    return told + notifications.remind(office, "rectify_past", "inspection", "authority")


def _reminded(what: str, *conditions: ColumnElement[bool]) -> list[int]:
    # A party that has answered waits for the office.
    told = (
        update(Inspection)
        .where(Inspection.state == TO_RECTIFY, *conditions)
        .values(reminded=what)
        .returning(Inspection.id)
    )
    return list(db.session.scalars(told.execution_options(synchronize_session=False)))


def _tell_parties(kind: str, ids: Sequence[int]) -> int:
    unit = Inspection.kind.in_(("using_unit", "instrument"))
    rows = select(Inspection.party_id.label("organization_id"), Inspection.id).where(Inspection.id.in_(ids))
    return sum(
        notifications.remind(rows.where(which), kind, "inspection", name)
        for name, which in (("using_unit", unit), ("institution", ~unit))
    )


# --- On paper ------------------------------------------------------------------------------------


def report(found: Inspection, by: Principal) -> bytes:
    """监督检查报告 as PDF; always Chinese."""
    with force_locale("zh"):
        paper = _paper(found)
    audit.record("download", "inspection", found.id, str(found), by=by)
    return papers.inspection(paper)


def _paper(found: Inspection) -> InspectionPaper:
    names = select(Organization.name, Region.full_name).join(Region, Region.code == found.region_code)
    office, place = db.session.execute(names.where(Organization.id == found.authority_id)).one()
    return InspectionPaper(
        no=found.no,
        authority=office,
        task=found.task,
        kind=str(KINDS_ON_PAPER[found.kind]),
        drawn=found.draw_id is not None,
        party=found.party,
        target=found.target,
        place=place,
        inspected_on=found.inspected_on,
        inspectors=tuple(each["name"] for each in found.inspectors),
        accompanied_by=found.accompanied_by or "",
        checklist=tuple(
            (checklists.word(found.kind, row), str(checklists.FOUND[row["found"]]), row["remark"])
            for row in found.checklist
        ),
        findings=found.findings or "",
        photos=tuple(files.path(name).read_bytes() for name in found.photos),
        conclusion=CONCLUSIONS_ON_PAPER.get(found.conclusion or "", ""),
        issues=found.issues or "",
        due_on=found.due_on,
        concluded_on=found.concluded_at.astimezone(holidays.ZONE).date() if found.concluded_at else None,
        statement=found.statement or "",
        recheck=found.recheck or "",
        rechecked_on=found.rechecked_on,
        closed=found.state == CLOSED,
    )


KINDS_ON_PAPER = {"institution": "检定机构", "standard": "计量标准", "using_unit": "使用单位", "instrument": "计量器具"}
CONCLUSIONS_ON_PAPER = {CONFORMS: "符合", DOES_NOT_CONFORM: "不符合", RECTIFY: "责令整改", STOP: "责令停止"}
