"""预警: from where on a figure is marked, as the nearest authority that says so wants it."""

from decimal import Decimal

from flask_babel import gettext as _
from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert

from app import audit
from app.access import Principal
from app.errors import RuleError
from app.models import AlarmThreshold, Organization, db

MOST = Decimal(9999)


def of(name: str, by: Principal) -> Decimal | None:
    """The threshold that holds for a person's authority: its own, or that of the nearest above it; None if none."""
    own = by.jurisdiction or ""
    covering = [own[:width] for width in (0, 2, 4, 6) if width <= len(own)]
    nearest = (
        select(AlarmThreshold.value)
        .join(Organization, Organization.id == AlarmThreshold.authority_id)
        .where(AlarmThreshold.name == name, Organization.active, Organization.jurisdiction.in_(covering))
        .order_by(func.length(Organization.jurisdiction).desc())
        .limit(1)
    )
    found: Decimal | None = db.session.scalar(nearest)
    return found


def put(name: str, value: Decimal | None, by: Principal) -> None:
    """Set the threshold of one's authority; it holds for the authorities below that have none of their own."""
    if value is None or not 0 <= value <= MOST:
        raise RuleError(_("Please give a number from 0 to %(most)s.", most=MOST))
    earlier = select(AlarmThreshold.value).where(
        AlarmThreshold.authority_id == by.organization_id, AlarmThreshold.name == name
    )
    before = db.session.scalar(earlier.with_for_update())
    told = {"authority_id": by.organization_id, "name": name, "value": value}
    own = insert(AlarmThreshold).values(told)
    own = own.on_conflict_do_update(constraint="one_threshold_per_authority", set_={"value": own.excluded.value})
    db.session.execute(own)
    audit.record(
        "edit", "alarm_threshold", None, name, by=by, before="" if before is None else str(before), value=str(value)
    )
