"""合并: one organization goes into another for good. What names it follows; its own row and its history stay."""

from typing import Any

from flask_babel import gettext as _
from sqlalchemy import and_, func, select, update
from sqlalchemy.orm import aliased

from app import access, audit
from app.access import EVERYTHING, ROLES, Principal, covers, seeing
from app.domain import accounts, organizations, reasons, second_persons, sessions, workloads
from app.domain.organizations import LONGEST_REASON, SHORTEST_REASON
from app.errors import RuleError
from app.models import (
    Account,
    Appointment,
    Capability,
    Certificate,
    Event,
    Inspection,
    InspectionDraw,
    Instrument,
    LedgerImport,
    MeasurementStandard,
    Organization,
    Photo,
    Qualification,
    Result,
    StaffMember,
    StandardDocument,
    Tally,
    Task,
    db,
)
from app.workflow import count

# What names an organization, by its kind, in the order in which a person is told.
FOLLOWING: dict[str, dict[str, Any]] = {
    "authority": {
        "accounts": Account.organization_id,
        "organizations": Organization.parent_id,
        "tasks": Task.authority_id,
        "inspections": Inspection.authority_id,
        "draws": InspectionDraw.authority_id,
    },
    "institution": {
        "accounts": Account.organization_id,
        "organizations": Organization.parent_id,
        "tasks": Task.institution_id,
        "returned_tasks": Task.previous_institution_id,
        "certificates": Certificate.institution_id,
        "capabilities": Capability.institution_id,
        "standards": MeasurementStandard.institution_id,
        "documents": StandardDocument.institution_id,
        "results": Result.institution_id,
        "staff": StaffMember.institution_id,
        "qualifications": Qualification.institution_id,
        "inspections": Inspection.party_id,
        "events": Event.institution_id,
    },
    "using_unit": {
        "accounts": Account.organization_id,
        "organizations": Organization.parent_id,
        "instruments": Instrument.using_unit_id,
        "photos": Photo.using_unit_id,
        "appointments": Appointment.using_unit_id,
        "tasks": Task.using_unit_id,
        "certificates": Certificate.using_unit_id,
        "inspections": Inspection.party_id,
        "events": Event.using_unit_id,
    },
}


def following(organization: Organization) -> dict[str, int]:
    """How many rows of each sort name an organization and would follow, as far as the acting person sees them."""
    columns = FOLLOWING[organization.kind]
    counts = [
        select(func.count()).select_from(column.class_).where(column == organization.id).scalar_subquery().label(sort)
        for sort, column in columns.items()
    ]
    return dict(db.session.execute(select(*counts)).one()._mapping)


def merge(organization_id: int, into_id: int, reason: str, by: Principal) -> dict[str, int]:
    """合并: let everything that names the organization name another of its kind instead. There is no way back.

    It stays as a disabled row that knows what it was merged into; certificates keep the number they were printed with.
    """
    reason = reasons.checked(reason, shortest=SHORTEST_REASON, longest=LONGEST_REASON)
    organizations.hold_tree()
    gone = organizations.changeable(organization_id, by)
    heir = _heir(gone, into_id, by)
    rows = following(gone)
    with seeing(EVERYTHING):  # what the person does not see would be left behind
        if rows != following(gone):
            text = _("Rows of it lie outside your jurisdiction. The authority above you can merge it.")
            raise RuleError(text)
        second_persons.refuse_auditors_of([gone.id])
        _refuse_same_certificates(gone, heir)
    _hand_over(gone, heir)
    count("organization", [gone.id], -1)
    gone.active, gone.merged_into_id, gone.revision = False, heir.id, gone.revision + 1
    db.session.flush()
    _record(gone, heir, rows, reason, by)
    return rows


def _heir(gone: Organization, into_id: int, by: Principal) -> Organization:
    heir = organizations.managed(into_id, by)
    if heir is None or not heir.active or heir.kind != gone.kind:
        raise RuleError(_("Please choose an active organization of the same kind."), field="into_id")
    if heir.id == gone.id:
        raise RuleError(_("An organization cannot be merged into itself."), field="into_id")
    # Whoever inherits a desk must see what lies on it: neighbours and subordinates would not.
    if gone.jurisdiction is not None and not covers(heir.jurisdiction, gone.jurisdiction.ljust(6, "0")):
        text = _("The jurisdiction of %(name)s does not include that of this authority, so its rows would be seen by "
                 "nobody. Merge it into an authority above it.", name=heir.name)  # fmt: skip
        raise RuleError(text, field="into_id")
    return heir


def _refuse_same_certificates(gone: Organization, heir: Organization) -> None:
    """A certificate number is known by its institution: two of the same would stand for two instruments."""
    ours, theirs = aliased(Certificate, name="ours"), aliased(Certificate, name="theirs")
    same = and_(theirs.institution_id == heir.id, theirs.no == ours.no, theirs.city_code == ours.city_code)
    doubles = select(func.count()).select_from(ours).join(theirs, same).where(ours.institution_id == gone.id)
    number = db.session.scalar(doubles) if gone.kind == "institution" else 0
    if number:
        text = _("%(number)s certificate numbers exist at both institutions. They cannot be merged.", number=number)
        raise RuleError(text, field="into_id")


def _hand_over(gone: Organization, heir: Organization) -> None:
    """One statement for each column that names it, whatever the number of rows."""
    people = list(db.session.scalars(select(Account.id).where(Account.organization_id == gone.id)))
    sessions.end(people, "organization")
    for column in FOLLOWING[gone.kind].values():
        _rename(column, gone, heir)
    if gone.kind == "institution":
        with seeing(EVERYTHING):  # tallies are nobody's: they are counted by city, and follow the tasks they count
            _rename(Tally.institution_id, gone, heir)
        workloads.hand_over(gone.id, heir.id)
    if gone.kind == "using_unit":
        with seeing(EVERYTHING):  # imports are for the unit alone: whoever merges it does not see them
            _rename(LedgerImport.using_unit_id, gone, heir)
    organizations.follow(gone.path, heir.path, but=gone.id)  # its own place in the tree is history
    # As when an account changes its organization: roles that are not known at the heir's level end.
    accounts.strip(people, [name for name in ROLES if not access.fits(name, heir.kind, heir.level)])


def _rename(column: Any, gone: Organization, heir: Organization) -> None:
    naming = update(column.class_).where(column == gone.id).values({column: heir.id})
    db.session.execute(naming.execution_options(synchronize_session=False))


def _record(gone: Organization, heir: Organization, rows: dict[str, int], reason: str, by: Principal) -> None:
    followed = [f"{sort} {number}" for sort, number in rows.items() if number]
    for each in (gone, heir):
        audit.record(
            "merge", "organization", each.id, each.name, by=by,
            before=gone.name, after=heir.name, reason=reason, rows=followed,
        )  # fmt: skip
