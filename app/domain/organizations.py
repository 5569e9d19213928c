"""归属组织: adding, renaming, moving, disabling authorities, institutions and using units. Merging: mergers.py.

Every verb asks first whether the organization is the person's to manage: one that is not is as if it did not exist.
Nobody changes his own organization; that is for the authority above it.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from flask_babel import gettext as _
from sqlalchemy import ColumnElement, and_, func, literal, or_, select, true, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import aliased

from app import access, audit
from app.access import EVERYTHING, Principal, covers, seeing
from app.domain import credit_codes, institution_versions, notifications, reasons, regions, second_persons, sessions
from app.errors import RuleError, Stale
from app.models import Account, Institution, Organization, Region, Task, UsingUnit, db
from app.states import AT_INSTITUTION, AWAITING_AUTHORITY, CLOSED
from app.workflow import Chosen, Outcome, count, how_many, is_chosen

SHORTEST_REASON, LONGEST_REASON = 4, 200
MOST_AT_ONCE = 1000
MOST_PLACES = 200
# What an organization has beside its name and credit code, by its kind.
DETAILS = {
    "authority": (),
    "institution": (
        "designation", "authorization_no", "authorized_by", "authorized_from", "authorized_until", "service_regions",
        "legal_representative", "employees", "verifiers", "floor_area", "contact", "phone", "address",
    ),
    "using_unit": ("nature", "licence_no", "contact", "phone", "address"),
}  # fmt: skip
_TABLES: dict[str, Any] = {"institution": Institution, "using_unit": UsingUnit}


def managed(organization_id: int, who: Principal) -> Organization | None:
    """The organization, if it is the person's to manage."""
    mine = select(Organization).where(Organization.id == organization_id, access.manages(who)(Organization))
    found: Organization | None = db.session.scalar(mine)
    return found


def near(who: Principal, cls: Any = Organization) -> ColumnElement[bool]:
    """What access.manages says, put roughly, for the indexes: whoever is managed is in the same province."""
    if not who.jurisdiction:
        return true()
    province, following = who.jurisdiction[:2], str(int(who.jurisdiction[:2]) + 1)
    within = and_(cls.region_code >= province, cls.region_code < following)
    return and_(func.left(cls.region_code, 2) == province, within)


def details_of(organization: Organization) -> Any:
    """What it has as institution or using unit; None for an authority."""
    table = _TABLES.get(organization.kind)
    return db.session.get(table, organization.id) if table else None


# --- Adding --------------------------------------------------------------------------------------


def add_authority(
    name: str, region_code: str, by: Principal, *, parent_id: int | None = None, credit_code: str = ""
) -> Organization:
    """新增管理部门: found the authority of a region, which gives it its level and its jurisdiction."""
    hold_tree()
    region = _region(region_code, by)
    jurisdiction = _prefix(region.code)
    there = db.session.scalar(_authorities().where(Organization.jurisdiction == jurisdiction))
    if there is not None:
        text = _("%(name)s is the authority of this region already.", name=there.name)
        raise RuleError(text, field="region_code")
    superior = _superior(parent_id, jurisdiction, by, above=True)
    return _added("authority", name, region, by, superior, region.level, credit_code, jurisdiction=jurisdiction)


def add_institution(
    name: str,
    region_code: str,
    by: Principal,
    details: Mapping[str, Any],
    *,
    parent_id: int | None = None,
    credit_code: str = "",
) -> Organization:
    """新增检定机构: found an institution under an authority, whose level it has."""
    hold_tree()
    region = _region(region_code, by)
    superior = _superior(parent_id, _prefix(region.code), by)
    new = _added("institution", name, region, by, superior, superior.level, credit_code)
    _write_details(new, details)
    institution_versions.note([new.id], "add", by)
    return new


def add_using_unit(
    name: str, region_code: str, by: Principal, details: Mapping[str, Any], *, credit_code: str = ""
) -> Organization:
    """新增使用单位: enter a using unit at its county."""
    region = _home(region_code, by)
    new = _added("using_unit", name, region, by, None, region.level, credit_code, nature=details.get("nature"))
    _write_details(new, details)
    return new


def _added(
    kind: str,
    name: str,
    region: Region,
    by: Principal,
    superior: Organization | None,
    level: str,
    credit_code: str,
    *,
    nature: str | None = None,
    jurisdiction: str | None = None,
) -> Organization:
    new = Organization(
        kind=kind,
        name=_free_name(name, kind, region.code),
        level=level,
        region_code=region.code,
        parent_id=superior.id if superior else None,
        path="/",
        jurisdiction=jurisdiction,
        credit_code=_checked_code(credit_code, kind, nature),
    )
    db.session.add(new)
    _flush()
    new.path = f"{superior.path if superior else '/'}{new.id}/"
    count("organization", [new.id])
    what = [kind, region.full_name, *([superior.name] if superior else [])]
    audit.record("add", "organization", new.id, new.name, by=by, what=what)
    return new


def _write_details(organization: Organization, details: Mapping[str, Any]) -> None:
    facts = {name: details[name] for name in DETAILS[organization.kind] if name in details}
    row = _TABLES[organization.kind](organization_id=organization.id, **facts)
    _refuse_details(row)
    db.session.add(row)


# --- What may be said of an organization ---------------------------------------------------------


def hold_tree() -> None:
    """Wait for others who are changing the tree, until the end of the transaction: paths follow one move at a time."""
    _hold("tree")


def _hold(what: str) -> None:
    db.session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"organization {what}", 0))))


def _authorities() -> Any:
    return select(Organization).where(Organization.kind == "authority", Organization.active)


def _prefix(region_code: str) -> str:
    return "" if region_code == regions.NATION else regions.prefix(region_code)


def _region(code: str, by: Principal) -> Region:
    """A region within the person's jurisdiction."""
    region: Region | None = db.session.get(Region, code)
    if region is None or not (by.kind == "everything" or covers(by.jurisdiction, region.code)):
        raise RuleError(_("Please choose a region within your jurisdiction."), field="region_code")
    return region


def _home(code: str, by: Principal) -> Region:
    """A region in which a using unit can be at home: one with no other below it."""
    region = _region(code, by)
    if regions.with_children([region.code]):
        raise RuleError(_("Please choose the county, or the city if it has no counties."), field="region_code")
    return region


def _superior(parent_id: int | None, place: str, by: Principal, *, above: bool = False) -> Organization:
    """The authority chosen, or the nearest one, for a place; `above` that place if it is an authority's own."""
    inner = place.ljust(6, "0")
    around = [place[:width] for width in (6, 4, 2, 0) if width <= len(place)]
    around = [each for each in dict.fromkeys(around) if covers(each, inner) and not (above and each == place)]
    candidates = _authorities().where(access.manages(by)(Organization))
    if parent_id is None:
        nearest = candidates.where(Organization.jurisdiction.in_(around))
        found = db.session.scalar(nearest.order_by(func.length(Organization.jurisdiction).desc()).limit(1))
    else:
        found = db.session.scalar(candidates.where(Organization.id == parent_id))
    if found is None:
        raise RuleError(_("There is no such authority in your jurisdiction to be the superior."), field="parent_id")
    if found.jurisdiction not in around:
        raise RuleError(_("The superior's jurisdiction must include the region."), field="parent_id")
    superior: Organization = found
    return superior


def _free_name(name: str, kind: str, region_code: str) -> str:
    """The name, if no other active organization of the kind has it in the region."""
    name = name.strip()
    _hold(f"{kind} {region_code} {name}")
    same = select(Organization.id).where(
        Organization.kind == kind, Organization.region_code == region_code, Organization.name == name
    )
    if db.session.scalar(same.where(Organization.active).limit(1)):
        raise RuleError(_("There is an organization of this kind and name in the region already."), field="name")
    return name


def _checked_code(code: str | None, kind: str, nature: str | None) -> str | None:
    """The credit code: institutions have one, and using units that are not a person; authorities may give theirs."""
    code = (code or "").strip().upper()
    if not code and (kind == "authority" or nature == "person"):
        return None
    wrong = credit_codes.problem(code)
    if wrong:
        raise RuleError(wrong, field="credit_code")
    return code


def _refuse_details(row: Any) -> None:
    """What is said of an institution must agree with itself."""
    if not isinstance(row, Institution):
        return
    if row.authorized_from and row.authorized_from > row.authorized_until:
        raise RuleError(_("The last day lies before the first."), field="authorized_until")
    if row.employees is not None and (row.verifiers or 0) > row.employees:
        raise RuleError(_("There cannot be more verifiers than people."), field="verifiers")
    places = row.service_regions or []
    if len(places) > MOST_PLACES or len(regions.names(list(places))) < len(set(places)):
        raise RuleError(_("Please choose at most %(most)s regions.", most=MOST_PLACES), field="service_regions")


def _flush() -> None:
    try:
        db.session.flush()
    except IntegrityError as double:
        if "credit_code" not in str(double.orig):
            raise
        raise RuleError(_("Another organization has this credit code."), field="credit_code") from double


# --- Changing ------------------------------------------------------------------------------------


def changeable(organization_id: int, by: Principal) -> Organization:
    """The organization, nobody else's to change until the end of the transaction."""
    mine = select(Organization).where(Organization.id == organization_id, access.manages(by)(Organization))
    found = db.session.scalar(mine.with_for_update().execution_options(populate_existing=True))
    if found is None:
        raise RuleError(_("There is no such organization in your jurisdiction."))
    _refuse_own([found.id], by)
    if found.merged_into_id is not None:
        raise RuleError(_("This organization has been merged into another; it stays as it is."))
    organization: Organization = found
    return organization


def _refuse_own(ids: Collection[int], by: Principal) -> None:
    if by.organization_id in ids:
        raise RuleError(_("Your own organization can only be changed by the authority above it."))


def _refuse_stale(organization: Organization, revision: str) -> None:
    if str(organization.revision) != revision:
        raise Stale


def edit(organization_id: int, revision: str, by: Principal, values: Mapping[str, Any]) -> None:
    """更名、编辑: change the name, the credit code and what else is said of it; never its level, place or superior."""
    organization = changeable(organization_id, by)
    _refuse_stale(organization, revision)
    kind, name, facts = organization.kind, values["name"].strip(), details_of(organization)
    if name != organization.name:
        _free_name(name, kind, organization.region_code)
    code = _checked_code(values.get("credit_code"), kind, values.get("nature"))
    institution_versions.remember([organization.id])
    changes = _changed(organization, {"name": name, "credit_code": code})
    if facts is not None:
        changes += _changed(facts, {each: values[each] for each in DETAILS[kind] if each in values})
        _refuse_details(facts)
    elif DETAILS[kind]:
        _write_details(organization, values)
        changes += [(each, None, values[each]) for each in DETAILS[kind] if each in values]
    organization.revision += 1 if changes else 0
    _flush()
    institution_versions.note([organization.id], "edit", by)
    _told("rename" if "name" in [change[0] for change in changes] else "edit", organization, by, changes)


def _changed(row: Any, values: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    """Set what is new; give its name, what it was and what it is."""
    changes = [(name, getattr(row, name), value) for name, value in values.items() if getattr(row, name) != value]
    for name, _before, value in changes:
        setattr(row, name, value)
    return changes


def _told(action: str, organization: Organization, by: Principal, changes: Iterable[tuple[str, Any, Any]]) -> None:
    """Write down what changed, before and after; of a telephone number only its end."""
    told = [(name, *(_legible(name, value) for value in values)) for name, *values in changes]
    if told:
        changed, before, after = (list(column) for column in zip(*told, strict=True))
        audit.record(
            action, "organization", organization.id, organization.name, by=by,
            changed=changed, before=before, after=after,
        )  # fmt: skip


def _legible(name: str, value: Any) -> str:
    text = "" if value is None else str(value)
    return f"*{text[-4:]}" if name == "phone" and text else text


def move(
    organization_id: int,
    revision: str,
    by: Principal,
    *,
    region_code: str | None = None,
    parent_id: int | None = None,
) -> None:
    """迁移: an authority under another superior, an institution or using unit to another region; all below follows.

    The level and the jurisdiction of an authority stay as they are.
    """
    hold_tree()
    organization = changeable(organization_id, by)
    _refuse_stale(organization, revision)
    region, superior = _destination(organization, by, region_code, parent_id)
    if (region.code, superior and superior.id) == (organization.region_code, organization.parent_id):
        raise RuleError(_("It is there already."))
    if region.code != organization.region_code:
        _free_name(organization.name, organization.kind, region.code)
    changes = [
        ("region", organization.region.full_name, region.full_name),
        ("superior", organization.parent and organization.parent.name, superior and superior.name),
    ]
    _told("move", organization, by, [change for change in changes if change[1] != change[2]])
    institution_versions.remember([organization.id])
    count("organization", [organization.id], -1)
    organization.region_code, organization.parent_id = region.code, superior.id if superior else None
    if organization.kind != "authority":
        organization.level = superior.level if superior else region.level
    organization.revision += 1
    db.session.flush()
    count("organization", [organization.id])
    follow(organization.path, f"{superior.path if superior else '/'}{organization.id}/")
    institution_versions.note([organization.id], "move", by)


def _destination(
    organization: Organization, by: Principal, region_code: str | None, parent_id: int | None
) -> tuple[Region, Organization | None]:
    if organization.kind == "using_unit":
        return _home(region_code or "", by), None
    if organization.kind == "institution":
        region = _region(region_code or "", by)
        return region, _superior(parent_id, _prefix(region.code), by)
    if parent_id is None:
        raise RuleError(_("Please choose the superior."), field="parent_id")
    return organization.region, _superior(parent_id, organization.jurisdiction or "", by, above=True)


def follow(old: str, new: str, *, but: int | None = None) -> None:
    """Bring what has a path in the subtree after it, in one statement; `but` stays where it is."""
    rest = func.substr(Organization.path, len(old) + 1)
    below = update(Organization).where(Organization.path.startswith(old, autoescape=True))
    if but is not None:
        below = below.where(Organization.id != but)
    moved = below.values(path=literal(new).concat(rest)).execution_options(synchronize_session=False)
    db.session.execute(moved)


# --- Disabling and enabling ----------------------------------------------------------------------


def disable(chosen: Chosen, reason: str, by: Principal) -> Outcome:
    """停用: the accounts of the organizations see nothing any more; what they have done stays."""
    reason = reasons.checked(reason, shortest=SHORTEST_REASON, longest=LONGEST_REASON)
    hold_tree()
    ids = _held(chosen, by, active=True)
    _refuse_own(ids, by)
    with seeing(EVERYTHING):  # work that the person does not see would be left without an owner all the same
        second_persons.refuse_auditors_of(ids)
        _refuse_superiors(ids)
        _refuse_busy(ids)
    outcome = _switched(chosen, ids, "disable", by, active=False, reason=reason)
    sessions.end(select(Account.id).where(Account.organization_id.in_(ids)), "organization")
    return outcome


def enable(chosen: Chosen, by: Principal) -> Outcome:
    """启用: the accounts of disabled organizations see again what is theirs. What was merged stays merged."""
    hold_tree()
    ids = _held(chosen, by, active=False)
    _refuse_closed(ids)
    _refuse_below_disabled(ids)
    _refuse_doubles(ids)
    return _switched(chosen, ids, "enable", by, active=True)


def admit(chosen: Chosen, by: Principal) -> Outcome:
    """核准: let units that registered by themselves take part; their people are told."""
    hold_tree()
    ids = _held(chosen, by, active=False, awaiting=True)
    _refuse_doubles(ids)
    outcome = _switched(chosen, ids, "admit", by, active=True)
    notifications.tell(_accounts_of(ids), "admitted")
    return outcome


def turn_down(chosen: Chosen, reason: str, by: Principal) -> Outcome:
    """不予核准: leave units that registered by themselves out, with a reason.

    They stay disabled and lose their credit code, with which its true owner may register.
    """
    reason = reasons.checked(reason, shortest=SHORTEST_REASON, longest=LONGEST_REASON)
    hold_tree()
    ids = _held(chosen, by, active=False, awaiting=True)
    outcome = _switched(chosen, ids, "turn_down", by, active=False, reason=reason)
    _free_codes(ids, by)
    notifications.tell(_accounts_of(ids), "turned_down")
    return outcome


def _free_codes(ids: list[int], by: Principal) -> None:
    with_code = select(Organization).where(Organization.id.in_(ids), Organization.credit_code.is_not(None))
    for each in db.session.scalars(with_code.order_by(Organization.id)):
        _told("edit", each, by, _changed(each, {"credit_code": None}))
    db.session.flush()


def _accounts_of(ids: list[int]) -> list[int]:
    return list(db.session.scalars(select(Account.id).where(Account.organization_id.in_(ids)).order_by(Account.id)))


def authority_of(region_code: str) -> Organization | None:
    """The active authority responsible for a region: its own, else the nearest above it."""
    above = [region_code[:length] for length in (6, 4, 2, 0)]
    found: Organization | None = db.session.scalar(
        select(Organization)
        .where(Organization.kind == "authority", Organization.active, Organization.jurisdiction.in_(above))
        .order_by(func.length(Organization.jurisdiction).desc(), Organization.id)
        .limit(1)
    )
    return found


def _held(chosen: Chosen, by: Principal, *, active: bool, awaiting: bool = False) -> list[int]:
    """Those of the chosen that the person manages and that are in the state; nobody else's until the end."""
    mine = select(Organization.id).where(
        is_chosen(Organization.id, chosen),
        access.manages(by)(Organization),
        Organization.active.is_(active),
        Organization.merged_into_id.is_(None),
        Organization.awaiting_since.is_not(None) if awaiting else Organization.awaiting_since.is_(None),
    )
    ids = list(db.session.scalars(mine.order_by(Organization.id).limit(MOST_AT_ONCE + 1).with_for_update()))
    if len(ids) > MOST_AT_ONCE:
        raise RuleError(_("At most %(number)s organizations at once. Please choose fewer.", number=MOST_AT_ONCE))
    return ids


def _switched(
    chosen: Chosen, ids: list[int], action: str, by: Principal, *, active: bool, reason: str | None = None
) -> Outcome:
    count("organization", ids, -1)
    switched = (
        update(Organization)
        .where(Organization.id.in_(ids))
        .values(active=active, awaiting_since=None, revision=Organization.revision + 1)
        .returning(Organization.id, Organization.name)
        .execution_options(synchronize_session=False)
    )
    done = db.session.execute(switched).all()
    count("organization", ids)
    for row in done:
        audit.record(action, "organization", row.id, row.name, by=by, reason=reason)
    return Outcome(max(how_many(chosen), len(done)), len(done))


def _refuse_closed(ids: list[int]) -> None:
    closed = select(Organization.name).join(Institution, Institution.organization_id == Organization.id)
    for name in db.session.scalars(closed.where(Organization.id.in_(ids), Institution.standing == CLOSED).limit(1)):
        raise RuleError(_("%(name)s has been closed for good.", name=name))


def _refuse_superiors(ids: list[int]) -> None:
    below = aliased(Organization, name="below")
    active = and_(below.parent_id == Organization.id, below.kind == "authority", below.active, below.id.not_in(ids))
    counted = select(Organization.name, func.count()).join(below, active)
    for name, number in _first(counted, ids):
        text = _("%(name)s has %(number)s active authorities below it. Disable or move them first.",
                 name=name, number=number)  # fmt: skip
        raise RuleError(text)


def _refuse_busy(ids: list[int]) -> None:
    waiting = and_(Task.authority_id == Organization.id, Task.state.in_(sorted(AWAITING_AUTHORITY)))
    for name, number in _first(select(Organization.name, func.count()).join(Task, waiting), ids):
        text = _("%(number)s tasks wait at the desk of %(name)s. They must be dealt with first.",
                 name=name, number=number)  # fmt: skip
        raise RuleError(text)
    at_work = and_(Task.institution_id == Organization.id, Task.state.in_(sorted(AT_INSTITUTION)))
    for name, number in _first(select(Organization.name, func.count()).join(Task, at_work), ids):
        text = _("%(name)s has %(number)s open tasks. They must be finished or returned first.",
                 name=name, number=number)  # fmt: skip
        raise RuleError(text)


def _first(counted: Any, ids: list[int]) -> Any:
    """The first of the organizations for which something was counted."""
    grouped = counted.where(Organization.id.in_(ids)).group_by(Organization.id, Organization.name)
    return db.session.execute(grouped.order_by(Organization.id).limit(1))


def _refuse_below_disabled(ids: list[int]) -> None:
    superior = aliased(Organization, name="superior")
    lost = select(Organization.name, superior.name).join(superior, superior.id == Organization.parent_id)
    lost = lost.where(Organization.id.in_(ids), ~superior.active, superior.id.not_in(ids))
    for name, above in db.session.execute(lost.order_by(Organization.id).limit(1)):
        text = _("The superior of %(name)s, %(superior)s, is disabled. Enable that first, or move this one.",
                 name=name, superior=above)  # fmt: skip
        raise RuleError(text)


def _refuse_doubles(ids: list[int]) -> None:
    """Meanwhile another may have taken the name, or the jurisdiction."""
    other = aliased(Organization, name="other")
    namesake = and_(other.region_code == Organization.region_code, other.name == Organization.name)
    same = and_(
        other.kind == Organization.kind,
        other.id != Organization.id,
        or_(other.active, other.id.in_(ids)),
        or_(namesake, other.jurisdiction == Organization.jurisdiction),
    )
    doubles = select(Organization.name, other.name).join(other, same).where(Organization.id.in_(ids))
    for name, double in db.session.execute(doubles.order_by(Organization.id, other.id).limit(1)):
        text = _("%(name)s cannot be enabled: %(other)s has the same name or jurisdiction there.",
                 name=name, other=double)  # fmt: skip
        raise RuleError(text)
