"""Verification institutions (检定机构): finding one by its name, and how long they take."""

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, func, select, update

from app import access, finding
from app.access import Principal
from app.models import Institution, Organization, Region, Task, db
from app.states import IN_SERVICE

MOST_FOUND = 20


def named(term: str) -> list[Organization]:
    """The first few institutions whose name contains the term."""
    found = select(Organization).where(Organization.kind == "institution", Organization.active)
    if term:
        found = found.where(finding.contains(Organization.name, term))
    return list(db.session.scalars(found.order_by(Organization.region_code, Organization.id).limit(MOST_FOUND)))


def name_of(institution_id: int) -> str | None:
    institution = db.session.get(Organization, institution_id)
    return institution.name if institution and institution.kind == "institution" else None


def hold(institution_id: int) -> tuple[Organization | None, str | None]:
    """An institution, and whether it is in service, suspended or closed; so it stays until the transaction ends."""
    row = db.session.execute(_held([institution_id]).add_columns(Institution.standing)).one_or_none()
    return (row[0], row[1]) if row else (None, None)


def hold_in_service(institution_ids: Collection[int]) -> bool:
    """Keep these in service until the transaction ends; False if one is suspended, closed or disabled."""
    serving = _held(institution_ids).where(Organization.active, Institution.standing == IN_SERVICE)
    return {each.id for each in db.session.scalars(serving)} == set(institution_ids)


def _held(institution_ids: Collection[int]) -> Select[Any]:
    """Institutions that nobody suspends, closes or disables meanwhile; whoever is about to is waited for."""
    return (
        select(Organization)
        .join(Institution, Institution.organization_id == Organization.id)
        .where(Organization.id.in_(institution_ids), Organization.kind == "institution")
        .order_by(Organization.id)
        .with_for_update(read=True, of=(Organization, Institution))
        .execution_options(populate_existing=True)
    )


def refresh_mean_days() -> int:
    """Set the mean days from acceptance to certificate over the last year. Returns the institutions changed."""
    taken = func.extract("epoch", Task.finished_at - Task.accepted_at) / 86400
    means = (
        select(Task.institution_id, func.round(func.avg(taken), 1).label("days"))
        .where(Task.finished_at > datetime.now(UTC) - timedelta(days=365), Task.accepted_at.is_not(None))
        .group_by(Task.institution_id)
        .subquery()
    )
    changed = (
        update(Institution)
        .where(Institution.organization_id == means.c.institution_id)
        .where(Institution.mean_days.is_distinct_from(means.c.days))
        .values(mean_days=means.c.days)
        .returning(Institution.organization_id)
        .execution_options(synchronize_session=False)
    )
    return len(db.session.execute(changed).all())


# --- For the authority ---------------------------------------------------------------------------


def at_home(by: Principal) -> ColumnElement[bool]:
    """The condition that an organization is at home in a person's jurisdiction."""
    return access.at_home(Organization, by.jurisdiction)


def of_jurisdiction(by: Principal) -> Select[int]:
    """The ids of the institutions at home in a person's jurisdiction, as a statement."""
    return select(Organization.id).where(Organization.kind == "institution", at_home(by))


def publication() -> Any:
    """SQL, for an institution: whether it is published."""
    return select(Institution.publication).where(Institution.organization_id == Organization.id).scalar_subquery()


def particulars(institution_id: int, by: Principal) -> tuple[Institution, Organization, str] | None:
    """An institution of one's jurisdiction, with the name of its region; None if there is none."""
    return with_home(institution_id, at_home(by))


def with_home(institution_id: int, which: ColumnElement[bool]) -> tuple[Institution, Organization, str] | None:
    """An institution of which a condition holds, with the name of its region; None if there is none."""
    found = db.session.execute(
        select(Institution, Organization, Region.full_name)
        .join(Organization, Organization.id == Institution.organization_id)
        .join(Region, Region.code == Organization.region_code)
        .where(Institution.organization_id == institution_id, which)
    ).one_or_none()
    return (found[0], found[1], found[2]) if found else None
