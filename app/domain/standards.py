"""社会公用计量标准: entered, reviewed, changed by versions, sealed up or abolished (计量法 Art 6, 细则 Art 8)."""

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import date
from typing import Any

from flask_babel import gettext as _
from sqlalchemy import ColumnElement, and_, delete, exists, func, literal, or_, select, union, update
from sqlalchemy.orm import aliased

from app import audit, finding
from app.access import Principal
from app.domain import institutions, reasons
from app.errors import RuleError, Stale
from app.models import Capability, CatalogueItem, Event, MeasurementStandard, Organization, db
from app.states import (
    ABOLISH,
    APPROVED,
    CHANGE_STANDARD,
    EFFECTIVE,
    EXPIRE,
    EXPIRE_STANDARD,
    PASS_CHANGE,
    PASS_STANDARD,
    RECALL_STANDARD,
    SEAL,
    SEND_BACK_STANDARD,
    SUBMIT_STANDARD,
    SUBMITTED,
    SUPERSEDED,
    UNFINISHED,
    Step,
)
from app.texts import half_width
from app.workflow import Chosen, Outcome, fire, how_many, is_chosen, keep_organizations

SHORTEST_REASON, LONGEST_REASON = 2, 500
MOST_FOUND = 20
CATEGORIES = (
    "length", "thermal", "mechanics", "electromagnetism", "optics", "chemistry", "acoustics", "radiation", "frequency",
    "radio",
)  # fmt: skip
HIGHEST, OTHER = "highest", "other"
LONGEST = {
    "name": 100, "code": 40, "certificate_no": 60, "issuer": 100, "public_certificate_no": 60, "public_issuer": 100,
    "service_area": 200, "authorization_no": 60, "examined_by": 100, "examined_with": 100, "measuring_range": 200,
    "uncertainty": 200, "keeper": 60, "remark": 500,
}  # fmt: skip
MANDATORY = (
    "name", "code", "certificate_no", "issuer", "issued_on", "valid_until", "public_certificate_no", "public_issuer",
    "public_issued_on", "public_valid_until", "service_area", "authorization_no", "examined_by", "measuring_range",
    "uncertainty", "category", "keeper",
)  # fmt: skip


@dataclass(frozen=True)
class Entry:
    """What is told of a standard; `kinds` are ids of kinds of the catalogue."""

    name: str
    code: str
    certificate_no: str
    issuer: str
    issued_on: date | None
    valid_until: date | None
    public_certificate_no: str
    public_issuer: str
    public_issued_on: date | None
    public_valid_until: date | None
    service_area: str
    authorization_no: str
    examined_by: str
    measuring_range: str
    uncertainty: str
    category: str
    keeper: str
    examined_with: str | None = None
    rank: str | None = None
    kinds: tuple[int, ...] = ()
    warn_days: int | None = None
    remark: str | None = None

    def __post_init__(self) -> None:
        for name in ("code", "certificate_no", "public_certificate_no", "authorization_no"):
            object.__setattr__(self, name, half_width(getattr(self, name) or ""))


TOLD = tuple(each.name for each in fields(Entry))


# --- Questions -----------------------------------------------------------------------------------

_standard = MeasurementStandard.__table__.c
_house, _home = aliased(Organization), aliased(Organization)


def of_jurisdiction(by: Principal) -> ColumnElement[bool]:
    """The condition that a standard is of an institution at home in a person's jurisdiction."""
    return MeasurementStandard.institution_id.in_(institutions.of_jurisdiction(by))


def find(standard_id: int, by: Principal) -> MeasurementStandard | None:
    """A standard of one's jurisdiction, in any version."""
    own = select(MeasurementStandard).where(MeasurementStandard.id == standard_id, of_jurisdiction(by))
    found: MeasurementStandard | None = db.session.scalar(own)
    return found


def named(term: str, by: Principal) -> list[MeasurementStandard]:
    """The first few standards of one's jurisdiction whose name or number contains the term; a change is no other."""
    found = select(MeasurementStandard).where(of_jurisdiction(by), MeasurementStandard.replaces_id.is_(None))
    if term:
        has_number = finding.contains(MeasurementStandard.certificate_no, term)
        found = found.where(or_(finding.contains_chinese(MeasurementStandard.name, term), has_number))
    return list(db.session.scalars(found.order_by(MeasurementStandard.name, MeasurementStandard.id).limit(MOST_FOUND)))


def to_review(standard_id: int, by: Principal) -> MeasurementStandard | None:
    """A version that an authority is to examine."""
    waiting = select(MeasurementStandard).where(
        MeasurementStandard.id == standard_id, MeasurementStandard.state == SUBMITTED, reviewed_by(by)
    )
    found: MeasurementStandard | None = db.session.scalar(waiting)
    return found


def find_for(standard_id: int, by: Principal) -> MeasurementStandard | None:
    """A standard that a person enters or reviews."""
    return find(standard_id, by) or to_review(standard_id, by)


def in_force(version: MeasurementStandard) -> MeasurementStandard | None:
    """What a change would replace, or has replaced."""
    if version.replaces_id is None:
        return None
    found: MeasurementStandard | None = db.session.get(MeasurementStandard, version.replaces_id)
    return found


_REVIEWED = (SUBMIT_STANDARD, RECALL_STANDARD, PASS_STANDARD, PASS_CHANGE, CHANGE_STANDARD, SEND_BACK_STANDARD)


def reviews(of: MeasurementStandard) -> list[Event]:
    """审核记录: every submission and review of a standard and of the changes of it, in order."""
    root = of.replaces_id or of.id
    same = select(MeasurementStandard.id).where(
        or_(MeasurementStandard.id == root, MeasurementStandard.replaces_id == root)
    )
    found = select(Event).where(
        Event.subject == MeasurementStandard.__tablename__,
        Event.subject_id.in_(same),
        Event.step.in_({step.name for step in _REVIEWED}),
    )
    return list(db.session.scalars(found.order_by(Event.at, Event.id)))


def versions(standard_id: int) -> list[MeasurementStandard]:
    """What a standard said before, the latest first."""
    earlier = select(MeasurementStandard).where(
        MeasurementStandard.replaces_id == standard_id, MeasurementStandard.state == SUPERSEDED
    )
    return list(db.session.scalars(earlier.order_by(MeasurementStandard.id.desc())))


def differences(one: MeasurementStandard, other: MeasurementStandard) -> list[str]:
    """What two versions tell otherwise."""
    return [name for name in TOLD if getattr(one, name) != getattr(other, name)]


def valid_until() -> ColumnElement[date]:
    """SQL: the last day on which both certificates of a standard hold."""
    return func.least(MeasurementStandard.valid_until, MeasurementStandard.public_valid_until)


def resting_on(standard_id: int) -> list[tuple[Capability, str]]:
    """The effective capabilities that rest on a standard, each with the name of its kind."""
    rows = (
        select(Capability, CatalogueItem.name)
        .join(CatalogueItem, CatalogueItem.id == Capability.catalogue_item_id)
        .where(Capability.standard_id == standard_id, Capability.state == EFFECTIVE)
        .order_by(Capability.id)
    )
    return [(capability, name) for capability, name in db.session.execute(rows)]


# --- Entering ------------------------------------------------------------------------------------


def add(institution_id: int, entry: Entry, by: Principal) -> MeasurementStandard:
    """添加: a standard of an institution of one's jurisdiction, not reviewed yet."""
    if db.session.scalar(institutions.of_jurisdiction(by).where(Organization.id == institution_id)) is None:
        raise RuleError(_("Please choose an institution of your jurisdiction."), field="institution_id")
    refuse(entry)
    _refuse_taken(institution_id, entry.certificate_no)
    new = MeasurementStandard(institution_id=institution_id, authors=_author(by), **_columns(entry))
    db.session.add(new)
    db.session.flush()
    audit.record("add", "measurement_standard", new.id, str(new), by=by)
    return new


def edit(standard_id: int, entry: Entry, revision: str, by: Principal) -> MeasurementStandard | None:
    """编辑: correct what is being written; of what is in force write a change, which holds once it has passed.

    Gives the version that was written; None if there is no such standard.
    """
    own = select(MeasurementStandard).where(MeasurementStandard.id == standard_id, of_jurisdiction(by))
    found: MeasurementStandard | None = db.session.scalar(own.with_for_update())
    if found is None:
        return None
    if str(found.revision) != revision:
        raise Stale
    refuse(entry)
    _refuse_taken(found.institution_id, entry.certificate_no, found.replaces_id or found.id)
    change = _change_of(found)
    refusal = against_edit(found, change)
    if refusal:
        raise refusal
    if found.state in UNFINISHED:
        return _written(found, entry, by)
    new = MeasurementStandard(institution_id=found.institution_id, replaces_id=found.id, revision=0)
    return _written(change or new, entry, by)


def against_edit(found: MeasurementStandard, change: MeasurementStandard | None) -> RuleError | None:
    """What speaks against editing a standard of which a change may be there already."""
    if found.state in UNFINISHED:
        return None
    if found.state not in CHANGE_STANDARD.sources:
        return RuleError(_("What is under review, sealed up, abolished or an earlier version cannot be edited."))
    if change is not None and change.state not in UNFINISHED:
        return RuleError(_("A change of this standard is under review already. Recall it to edit it."))
    return None


def _change_of(found: MeasurementStandard) -> MeasurementStandard | None:
    """The version in which a change of a standard is being written, or waits for its review."""
    there = select(MeasurementStandard).where(
        MeasurementStandard.replaces_id == found.id, MeasurementStandard.state != SUPERSEDED
    )
    change: MeasurementStandard | None = db.session.scalar(there.with_for_update())
    return change


def _written(version: MeasurementStandard, entry: Entry, by: Principal) -> MeasurementStandard:
    for name, value in _columns(entry).items():
        setattr(version, name, value)
    version.authors = sorted({*(version.authors or ()), *_author(by)})
    version.revision += 1
    db.session.add(version)
    db.session.flush()
    audit.record("edit", "measurement_standard", version.id, str(version), by=by)
    return version


def _author(by: Principal) -> list[int]:
    return [] if by.account_id is None else [by.account_id]


def authors_with(by: Principal) -> Any:
    """SQL: the authors of a standard and one more."""
    return func.array_append(func.array_remove(_standard.authors, by.account_id), by.account_id)


def hold(institution_ids: Sequence[int]) -> None:
    """Hold institutions until the transaction ends: of two who give out a number at once the second sees the first."""
    held = select(Organization.id).where(is_chosen(Organization.id, institution_ids)).order_by(Organization.id)
    db.session.execute(held.with_for_update(key_share=True, of=Organization))


def _refuse_taken(institution_id: int, certificate_no: str, besides: int | None = None) -> None:
    """An examination certificate is of one standard."""
    hold([institution_id])
    taken = exists().where(
        MeasurementStandard.institution_id == institution_id,
        MeasurementStandard.certificate_no == certificate_no,
        MeasurementStandard.state != SUPERSEDED,
        func.coalesce(MeasurementStandard.replaces_id, MeasurementStandard.id).is_distinct_from(besides),
    )
    if db.session.scalar(select(taken)):
        text = _("The institution has a standard with this number already.")
        raise RuleError(text, field="certificate_no")


def _columns(entry: Entry) -> dict[str, Any]:
    return asdict(entry) | {"kinds": list(entry.kinds)}


def refuse(entry: Entry) -> None:
    """Refuse what cannot be a standard, with the field that is wrong."""
    for refusal in refusals(entry):
        raise refusal


def refusals(entry: Entry, known: Collection[int] | None = None) -> list[RuleError]:
    """What speaks against a standard as it is told of, each with its field.

    `known` are the kinds of the catalogue: whoever asks about many standards looks them up once.
    """
    found = [
        RuleError(_("Please fill this in."), field=name) for name in MANDATORY if getattr(entry, name) in (None, "")
    ]
    for name, most in LONGEST.items():
        if len(getattr(entry, name) or "") > most:
            found.append(RuleError(_("At most %(most)s characters.", most=most), field=name))
    for begin, end in (("issued_on", "valid_until"), ("public_issued_on", "public_valid_until")):
        first, last = getattr(entry, begin), getattr(entry, end)
        if first and last and first > last:
            found.append(RuleError(_("The last day lies before the first."), field=end))
    if entry.category and entry.category not in CATEGORIES:
        found.append(RuleError(_("This is not among the choices."), field="category"))
    if entry.rank is not None and entry.rank not in (HIGHEST, OTHER):
        found.append(RuleError(_("This is not among the choices."), field="rank"))
    if entry.warn_days is not None and not 1 <= entry.warn_days <= 1000:
        found.append(RuleError(_("A whole number from 1 to %(most)s.", most=1000), field="warn_days"))
    if entry.kinds and _unknown(entry.kinds, known):
        found.append(RuleError(_("Please choose kinds of the catalogue."), field="kinds"))
    return found


def _unknown(kinds: Sequence[int], among: Collection[int] | None) -> bool:
    if among is not None:
        return not all(kind in among for kind in kinds)
    known = select(func.count()).select_from(CatalogueItem)
    known = known.where(CatalogueItem.id.in_(kinds), CatalogueItem.level == 2)
    return (db.session.scalar(known) or 0) < len(set(kinds))


def delete_unapproved(chosen: Chosen, by: Principal) -> int:
    """删除: what has never been approved; what has is sealed up or abolished. Gives how many."""
    own = (is_chosen(MeasurementStandard.id, chosen), of_jurisdiction(by))
    there = db.session.scalar(select(func.count()).select_from(MeasurementStandard).where(*own)) or 0
    passed = exists().where(
        Event.subject == "measurement_standard", Event.subject_id == MeasurementStandard.id, Event.step == "pass"
    )
    used = exists().where(Capability.standard_id == MeasurementStandard.id)
    unapproved = MeasurementStandard.state.in_(sorted(UNFINISHED))
    gone = delete(MeasurementStandard).where(*own, unapproved, ~passed, ~used).returning(MeasurementStandard.id)
    number = len(db.session.execute(gone.execution_options(synchronize_session=False)).all())
    if number < there:
        text = _(
            "%(number)s of these are under review, have been approved, or are named by a capability: they stay. Seal"
            " them up or abolish them.",
            number=there - number,
        )
        raise RuleError(text)
    if number:
        audit.record("delete", "measurement_standard", by=by, done=number)
    return number


def submit(chosen: Chosen, by: Principal) -> Outcome:
    """提交: hand versions to the authority that reviews them; then they are locked."""
    return fire(SUBMIT_STANDARD, chosen, by, only=_own(by), authors=authors_with(by))


def recall(chosen: Chosen, by: Principal) -> Outcome:
    """收回: take what is under review back, to be a draft again."""
    return fire(RECALL_STANDARD, chosen, by, only=_own(by))


def seal(chosen: Chosen, reason: str, by: Principal) -> Outcome:
    """封存: not to be used any more for the time being; the capabilities that rest on it end."""
    return _ended(SEAL, chosen, reason, by)


def abolish(chosen: Chosen, reason: str, by: Principal) -> Outcome:
    """撤销: never to be used again; the capabilities that rest on it end."""
    return _ended(ABOLISH, chosen, reason, by)


def _ended(step: Step, chosen: Chosen, reason: str, by: Principal) -> Outcome:
    outcome = fire(step, chosen, by, reason=_reason(reason), only=_own(by))
    left = exists().where(
        MeasurementStandard.id == Capability.standard_id,
        is_chosen(MeasurementStandard.id, chosen),
        MeasurementStandard.state == step.target,
        of_jurisdiction(by),
    )
    fire(EXPIRE, select(Capability.id).where(Capability.state == EFFECTIVE, left), by)
    return outcome


def _own(by: Principal) -> ColumnElement[bool]:
    own: ColumnElement[bool] = _standard.institution_id.in_(institutions.of_jurisdiction(by))
    return own


def _reason(text: str) -> str:
    return reasons.checked(text, shortest=SHORTEST_REASON, longest=LONGEST_REASON)


# --- Reviewing -----------------------------------------------------------------------------------


def reviewed_by(by: Principal) -> ColumnElement[bool]:
    """The condition that an authority examines a standard: its own, of the highest ones those one level below."""
    authority = by.organization_id
    above = or_(_home.parent_id == authority, and_(_home.parent_id.is_(None), _home.id == authority))
    home = and_(_home.id == _house.parent_id, _house.id == MeasurementStandard.institution_id)
    highest = exists().where(home, above).correlate(MeasurementStandard)
    local = exists().where(_house.id == MeasurementStandard.institution_id, _house.parent_id == authority)
    is_highest = MeasurementStandard.rank == HIGHEST
    return or_(and_(is_highest, highest), and_(is_highest.is_not(True), local.correlate(MeasurementStandard)))


def _to_review(chosen: Chosen, by: Principal) -> list[Any]:
    """(id, replaces_id) of what a person may decide on: nobody reviews what he wrote or submitted."""
    held_by = select(MeasurementStandard.institution_id).where(is_chosen(MeasurementStandard.id, chosen))
    above = select(_house.parent_id).where(_house.id.in_(held_by))
    keep_organizations(union(held_by, above))
    asked = select(MeasurementStandard.id, MeasurementStandard.replaces_id).where(
        is_chosen(MeasurementStandard.id, chosen),
        MeasurementStandard.state == SUBMITTED,
        literal(by.account_id) != func.all(MeasurementStandard.authors),
        reviewed_by(by),
    )
    return list(db.session.execute(asked.order_by(MeasurementStandard.id).with_for_update(of=MeasurementStandard)))


def pass_(chosen: Chosen, by: Principal) -> Outcome:
    """通过: new standards are in force, changes take the place of what was."""
    asked, rows = how_many(chosen), _to_review(chosen, by)
    new = [row.id for row in rows if row.replaces_id is None]
    changed = {row.replaces_id: row.id for row in rows if row.replaces_id is not None}
    still = select(MeasurementStandard.id).where(
        MeasurementStandard.id.in_(changed), MeasurementStandard.state.in_(sorted(CHANGE_STANDARD.sources))
    )
    replaced = list(db.session.scalars(still.order_by(MeasurementStandard.id).with_for_update()))
    done = fire(PASS_STANDARD, new, by).done if new else 0
    if replaced:
        changes = [changed[id] for id in replaced]
        _exchange(changes)
        done += fire(PASS_CHANGE, changes, by).done
        fire(CHANGE_STANDARD, replaced, by)
    return Outcome(asked, done)


def _exchange(changes: Sequence[int]) -> None:
    """Let changes and what they replace say what the other said: one statement reads both as they were."""
    other = aliased(MeasurementStandard)
    pair = or_(
        and_(MeasurementStandard.id.in_(changes), other.id == MeasurementStandard.replaces_id),
        and_(other.id.in_(changes), MeasurementStandard.id == other.replaces_id),
    )
    told: dict[str, Any] = {name: getattr(other, name) for name in (*TOLD, "authors")}
    exchanged = update(MeasurementStandard).where(pair).values(**told, revision=MeasurementStandard.revision + 1)
    db.session.execute(exchanged.execution_options(synchronize_session=False))


def send_back(chosen: Chosen, reason: str, by: Principal) -> Outcome:
    """未通过: whoever entered it corrects it and submits it again."""
    text, asked = _reason(reason), how_many(chosen)
    ids = [row.id for row in _to_review(chosen, by)]
    return Outcome(asked, fire(SEND_BACK_STANDARD, ids, by, reason=text).done if ids else 0)


# --- By the clock --------------------------------------------------------------------------------


def expire(day: date, by: Principal) -> int:
    """已过期: a standard ends with the earlier of its two certificates; the day itself is still covered."""
    over = select(MeasurementStandard.id).where(MeasurementStandard.state == APPROVED, valid_until() < day)
    return fire(EXPIRE_STANDARD, over, by).done


def running_out(after: date, day: date) -> dict[str, Any]:
    """(organization_id, id) of standards for each party, where a day of warning lies after one day and up to another.

    The days are six months before the end, one, and as many days as the standard says itself; parties are the
    institution and the authority above it.
    """
    end = valid_until()
    warnings = (
        *(func.date(end - func.make_interval(0, months)) for months in (6, 1)),
        end - MeasurementStandard.warn_days,
    )
    ending = and_(MeasurementStandard.state == APPROVED, or_(*(and_(each > after, each <= day) for each in warnings)))
    institution = select(MeasurementStandard.institution_id.label("organization_id"), MeasurementStandard.id)
    authority = select(Organization.parent_id.label("organization_id"), MeasurementStandard.id)
    authority = authority.join(Organization, Organization.id == MeasurementStandard.institution_id)
    return {"institution": institution.where(ending), "authority": authority.where(ending)}
