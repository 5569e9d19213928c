"""检定人员: who verifies, checks and approves at an institution, and what each is qualified for (办法 Art 11)."""

from dataclasses import asdict, dataclass, fields
from datetime import date

from flask_babel import gettext as _
from sqlalchemy import and_, exists, or_, select
from sqlalchemy.exc import IntegrityError

from app import audit
from app.access import Principal
from app.domain import catalogue, results
from app.errors import RuleError, Stale
from app.models import Account, Qualification, StaffMember, db
from app.texts import half_width

MOST_ITEMS = 200


@dataclass(frozen=True)
class Person:
    """What an institution tells of a member of its staff."""

    name: str
    account_id: int | None = None
    approves: bool = False
    active: bool = True


@dataclass(frozen=True)
class Credential:
    """A certificate of qualification, with the categories and kinds that it is for."""

    certificate_no: str
    catalogue_item_ids: tuple[int, ...]
    valid_from: date
    valid_until: date

    def __post_init__(self) -> None:
        object.__setattr__(self, "certificate_no", half_width(self.certificate_no))


# --- Questions -----------------------------------------------------------------------------------


def find(staff_member_id: int) -> StaffMember | None:
    """A member of the staff that the acting person sees."""
    found: StaffMember | None = db.session.get(StaffMember, staff_member_id)
    return found


def account_of(member: StaffMember) -> Account | None:
    """The account a member of the staff signs in with, while it belongs to the institution."""
    found: Account | None = db.session.scalar(select(Account).where(Account.id == member.account_id))
    return found


def qualifications(staff_member_id: int) -> list[Qualification]:
    """What somebody is or was qualified for, the longest valid first."""
    held = select(Qualification).where(Qualification.staff_member_id == staff_member_id)
    return list(db.session.scalars(held.order_by(Qualification.valid_until.desc(), Qualification.certificate_no)))


def accounts(by: Principal, staff_member_id: int | None = None) -> list[Account]:
    """The active accounts of one's own institution that nobody is linked to, and the one that this member is."""
    linked = exists().where(StaffMember.account_id == Account.id)
    free = or_(and_(Account.active.is_(True), ~linked), linked.where(StaffMember.id == staff_member_id))
    own = select(Account).where(Account.organization_id == by.organization_id, free)
    return list(db.session.scalars(own.order_by(Account.first_name, Account.id)))


# --- Verbs ---------------------------------------------------------------------------------------


def add(person: Person, by: Principal) -> StaffMember:
    """Enter somebody as a member of the staff."""
    _check_account(person, None, by)
    new = StaffMember(institution_id=by.organization_id, **asdict(person))
    db.session.add(new)
    _flush_linked()
    audit.record("add", "staff_member", new.id, new.name, by=by)
    return new


def edit(staff_member_id: int, person: Person, revision: str, by: Principal) -> StaffMember | None:
    """Change what is told of a member of the staff; None if there is none. Who has left stays, without duties."""
    found = _held(staff_member_id, revision, by)
    if found is None:
        return None
    _check_account(person, found, by)
    changed = [each.name for each in fields(person) if getattr(found, each.name) != getattr(person, each.name)]
    for name, value in asdict(person).items():
        setattr(found, name, value)
    found.revision += 1
    _flush_linked()
    audit.record("edit", "staff_member", found.id, found.name, by=by, changed=changed)
    return found


def qualify(staff_member_id: int, credential: Credential, revision: str, by: Principal) -> Qualification | None:
    """Note a certificate of qualification; one with the same number takes the place of the person's earlier one."""
    found = _held(staff_member_id, revision, by)
    if found is None:
        return None
    _check_credential(credential)
    known = select(Qualification).where(
        Qualification.institution_id == by.organization_id, Qualification.certificate_no == credential.certificate_no
    )
    held: Qualification | None = db.session.scalar(known)
    if held is None:
        held = Qualification(institution_id=by.organization_id, staff_member_id=found.id)
        db.session.add(held)
    elif held.staff_member_id != found.id:
        text = _("This certificate is somebody else's: %(name)s.", name=held.staff_member)
        raise RuleError(text, field="certificate_no")
    for name, value in asdict(credential).items():
        setattr(held, name, value)
    found.revision += 1
    try:
        db.session.flush()
    except IntegrityError as double:
        raise RuleError(_("There is such a row already."), field="certificate_no") from double
    audit.record("qualify", "staff_member", found.id, found.name, by=by, what=credential.certificate_no)
    return held


def _held(staff_member_id: int, revision: str, by: Principal) -> StaffMember | None:
    """The member of one's own staff, held until the end of the transaction, if nobody changed it meanwhile."""
    own = select(StaffMember).where(StaffMember.id == staff_member_id, StaffMember.institution_id == by.organization_id)
    found: StaffMember | None = db.session.scalar(own.with_for_update())
    if found is not None and str(found.revision) != revision:
        raise Stale
    return found


def _check_account(person: Person, member: StaffMember | None, by: Principal) -> None:
    """An account is one person's: whoever signs in with it checks and approves as that member of the staff."""
    before = member.account_id if member else None
    if person.account_id == before:
        return
    if member and before and results.in_work(member.id):
        # With the same account as somebody else on the staff, one could check or approve one's own results.
        text = _("Results that this person verified or checked are not approved yet: until then the account stays.")
        raise RuleError(text, field="account_id")
    if person.account_id is None:
        return
    free = {account.id for account in accounts(by, member.id if member else None)}
    if person.account_id not in free:
        text = _("Please choose an active account of your institution that nobody else on the staff is linked to.")
        raise RuleError(text, field="account_id")


def _flush_linked() -> None:
    try:
        db.session.flush()
    except IntegrityError as double:
        # Linked by somebody else at the same moment, or still at the institution that its owner came from.
        text = _("Somebody on a staff is linked to this account already.")
        raise RuleError(text, field="account_id") from double


def _check_credential(credential: Credential) -> None:
    if credential.valid_from > credential.valid_until:
        raise RuleError(_("The last day lies before the first."), field="valid_until")
    ids = credential.catalogue_item_ids
    if not 1 <= len(ids) <= MOST_ITEMS or len(catalogue.names(ids)) < len(set(ids)):
        raise RuleError(_("Please choose categories or kinds of the catalogue."), field="catalogue_item_ids")
