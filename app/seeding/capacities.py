"""每周可检数 of the institutions: two in three state what they can do of a kind; of the others it is learned."""

from sqlalchemy import func, insert, select

from app.domain import workloads
from app.models import Capability, WeeklyCapacity, db
from app.states import EFFECTIVE


def write() -> None:
    kind = Capability.catalogue_item_id
    stated = (10 + 5 * func.mod(Capability.institution_id * 7 + kind, 12)).label("stated")
    rows = (
        select(Capability.institution_id, kind, stated)
        .where(Capability.state == EFFECTIVE, func.mod(Capability.institution_id + kind, 3) != 0)
        .distinct()
    )
    db.session.execute(insert(WeeklyCapacity).from_select(["institution_id", "catalogue_item_id", "stated"], rows))
    workloads.learn_capacities()
