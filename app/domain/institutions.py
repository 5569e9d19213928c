"""Verification institutions (检定机构): finding one by its name."""

from sqlalchemy import select

from app.models import Organization, db

MOST_FOUND = 20


def named(term: str) -> list[Organization]:
    """The first few institutions whose name contains the term."""
    found = select(Organization).where(Organization.kind == "institution", Organization.active)
    if term:
        found = found.where(Organization.name.icontains(term, autoescape=True))
    return list(db.session.scalars(found.order_by(Organization.region_code, Organization.id).limit(MOST_FOUND)))


def name_of(institution_id: int) -> str | None:
    institution = db.session.get(Organization, institution_id)
    return institution.name if institution and institution.kind == "institution" else None
