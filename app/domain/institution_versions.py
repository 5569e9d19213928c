"""机构信息的历史: what was known of an institution, kept each time it changes; the earlier states stay readable."""

from typing import Any

from sqlalchemy import Select, func, insert, literal, select, true

from app.access import NOBODY, Principal
from app.models import Institution, InstitutionVersion, Organization, db

# What a version keeps, in the order in which it is told.
FACTS: dict[str, Any] = {
    "name": Organization.name,
    "credit_code": Organization.credit_code,
    "level": Organization.level,
    "region_code": Organization.region_code,
    "designation": Institution.designation,
    "authorization_no": Institution.authorization_no,
    "authorized_by": Institution.authorized_by,
    "authorized_from": Institution.authorized_from,
    "authorized_until": Institution.authorized_until,
    "service_regions": Institution.service_regions,
    "legal_representative": Institution.legal_representative,
    "employees": Institution.employees,
    "verifiers": Institution.verifiers,
    "floor_area": Institution.floor_area,
    "contact": Institution.contact,
    "phone": Institution.phone,
    "address": Institution.address,
    "standing": Institution.standing,
}
KNOWN_BEFORE = "known"
MOST_SHOWN = 50


def remember(institution_ids: Select[int] | list[int]) -> None:
    """Keep what is known now, if nothing was kept yet: before the first change. Who entered it nobody knows."""
    _keep(institution_ids, KNOWN_BEFORE, NOBODY, only_first=True)


def note(institution_ids: Select[int] | list[int], action: str, by: Principal, reason: str | None = None) -> None:
    """Keep what is known after a change, where something changed; one statement however many there are."""
    _keep(institution_ids, action, by, reason)


def _keep(
    institution_ids: Any, action: str, by: Principal, reason: str | None = None, *, only_first: bool = False
) -> None:
    db.session.flush()
    latest = (
        select(InstitutionVersion.number, InstitutionVersion.facts)
        .where(InstitutionVersion.institution_id == Organization.id)
        .order_by(InstitutionVersion.number.desc())
        .limit(1)
        .lateral("latest")
    )
    now = func.jsonb_build_object(*(part for name, column in FACTS.items() for part in (literal(name), column)))
    values = {
        "institution_id": Organization.id,
        "number": func.coalesce(latest.c.number, 0) + 1,
        "action": literal(action),
        "reason": literal(reason),
        "by_name": literal(by.name),
        "by_organization": literal(by.organization),
        "facts": now,
    }
    rows: Any = (
        select(*(value.label(name) for name, value in values.items()))
        .join_from(Organization, Institution, Institution.organization_id == Organization.id)
        .outerjoin(latest, true())
        .where(Organization.id.in_(institution_ids))
        .where(latest.c.number.is_(None) if only_first else latest.c.facts.is_distinct_from(now))
    )
    db.session.execute(insert(InstitutionVersion).from_select(list(values), rows))


def of(institution_id: int) -> list[InstitutionVersion]:
    """The versions of an institution, the newest first."""
    kept = select(InstitutionVersion).where(InstitutionVersion.institution_id == institution_id)
    return list(db.session.scalars(kept.order_by(InstitutionVersion.number.desc()).limit(MOST_SHOWN)))


def changes(version: InstitutionVersion, before: InstitutionVersion | None) -> list[tuple[str, Any, Any]]:
    """What a version changed: name of the fact, before, after."""
    if before is None:
        return []
    both = ((name, before.facts.get(name), version.facts.get(name)) for name in FACTS)
    return [(name, old, new) for name, old, new in both if old != new]
