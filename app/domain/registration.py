"""账号注册: an account that a stranger asks for. It has no role, so it sees nothing until an administrator gives one.

Nothing in the outcome tells whether an account or an address was known before: the account name gets four digits of its
own. A unit that is registered with its credit code is named, and joined once the person says that it is the own one;
another one is founded, and waits until the authority of its place admits it.
"""

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from flask_babel import gettext as _
from sqlalchemy import func, literal, or_, select

from app import access, audit, finding
from app.access import Principal
from app.domain import accounts, credit_codes, notifications, organizations, passwords
from app.errors import RuleError
from app.models import Account, Organization, UsingUnit, db
from app.texts import same
from app.workflow import count

MOST_FOUND = 20
STAFF_OF = ("authority", "institution")


@dataclass(frozen=True)
class Unit:
    """A using unit as somebody describes who says to belong to it. `region_code` is of a county."""

    name: str
    nature: str
    credit_code: str
    licence_no: str
    region_code: str
    address: str


@dataclass(frozen=True)
class Person:
    name: str
    phone: str
    email: str
    position: str


def offered(term: str) -> list[Organization]:
    """The first few authorities and institutions with this in their name, or with this credit code. They are public."""
    if len(same(term)) < 2:
        return []
    found = select(Organization).where(
        Organization.kind.in_(STAFF_OF),
        Organization.active,
        or_(finding.contains(Organization.name, term), Organization.credit_code == same(term).upper()),
    )
    return list(db.session.scalars(found.order_by(Organization.level, Organization.id).limit(MOST_FOUND)))


def name_of(organization_id: int) -> str | None:
    """The name of an authority or institution that one may say to belong to."""
    found = db.session.get(Organization, organization_id)
    return found.name if found and found.kind in STAFF_OF and found.active else None


def register_staff(kind: str, organization_id: int, person: Person, account_name: str, password: str) -> Account:
    """An account at an authority or institution."""
    home = db.session.get(Organization, organization_id)
    if home is None or kind not in STAFF_OF or home.kind != kind or not home.active:
        raise RuleError(_("Please choose your organization from the list."), field="organization_id")
    return _registered(home, person, account_name, password)


class KnownUnit(RuleError):
    """A unit is registered with this credit code: is it the person's?"""

    def __init__(self, unit: Organization):
        text = _(
            "This credit code is registered for %(name)s (%(place)s). Please confirm below that this is your unit.",
            name=unit.name,
            place=unit.region.full_name,
        )
        super().__init__(text, field="credit_code")
        self.id, self.name = unit.id, unit.name


def register_for_unit(
    unit: Unit, person: Person, account_name: str, password: str, confirmed_id: int | None = None
) -> Account:
    """An account at a using unit: the one with this credit code, else a new one, which waits to be admitted.

    Raises KnownUnit unless the person has confirmed that the registered one is the own one.
    """
    wrong = credit_codes.problem(unit.credit_code) if unit.credit_code else None
    if wrong:
        raise RuleError(wrong, field="credit_code")
    known = _known(unit)
    if known is not None and known.id != confirmed_id:
        raise KnownUnit(known)
    return _registered(known or _founded(unit, person), person, account_name, password)


def install_administrator(username: str, person: Person, password: str) -> Account:
    """The first account of all, made at the terminal: at the national authority, with the role that grants all."""
    nation = db.session.scalar(select(Organization).where(Organization.jurisdiction == ""))
    if nation is None:
        raise RuleError(_("There is no national authority yet."))
    if db.session.scalar(select(Account.id).where(Account.username == username)) is not None:
        raise RuleError(_("There is such an account already."))
    account = _added(nation, person, username, password)
    accounts.appoint(account)
    return account


def _known(unit: Unit) -> Organization | None:
    """The using unit that is registered with the credit code, or what it was merged into.

    Of two who register the same code at once the second waits here and finds what the first has founded. Raises
    RuleError if the unit has been disabled.
    """
    if not unit.credit_code:
        return None
    same_code = func.hashtextextended(f"organization {unit.credit_code}", 0)
    db.session.execute(select(func.pg_advisory_xact_lock(same_code)))
    known: Organization | None = db.session.scalar(
        select(Organization).where(Organization.credit_code == unit.credit_code, Organization.kind == "using_unit")
    )
    while known is not None and known.merged_into_id is not None:
        known = db.session.get(Organization, known.merged_into_id)
    if known is not None and not known.active and known.awaiting_since is None:
        text = _("The unit with this credit code has been disabled. Please ask the authority of its place.")
        raise RuleError(text, field="credit_code")
    return known


def _founded(unit: Unit, person: Person) -> Organization:
    new = Organization(
        kind="using_unit",
        name=unit.name,
        level="county",
        region_code=unit.region_code,
        path="/",
        credit_code=unit.credit_code or None,
        active=False,
        awaiting_since=datetime.now(UTC),
    )
    db.session.add(new)
    db.session.flush()
    new.path = f"/{new.id}/"
    details = UsingUnit(
        organization_id=new.id,
        nature=unit.nature,
        licence_no=unit.licence_no or None,
        address=unit.address,
        contact=person.name,
        phone=person.phone,
    )
    db.session.add(details)
    count("organization", [new.id])
    audit.record("found", "organization", new.id, new.name, by=Principal(name=person.name, region_code=new.region_code))
    authority = organizations.authority_of(new.region_code)
    if authority is not None:
        row = select(literal(authority.id).label("organization_id"), literal(new.id).label("id"))
        notifications.remind(row, "found", "organization", "authority")
    return new


def _registered(home: Organization, person: Person, account_name: str, password: str) -> Account:
    account = _added(home, person, _free(account_name), password, consented_at=datetime.now(UTC))
    audit.record("register", "account", account.id, account.username, by=access.without_rights(account))
    return account


def _added(home: Organization, person: Person, username: str, password: str, **more: Any) -> Account:
    wrong = passwords.problem(password, [username, person.name, person.email.partition("@")[0]])
    if wrong:
        raise RuleError(wrong, field="password")
    account = Account(
        username=username,
        first_name=person.name,
        last_name="",
        email=person.email,
        phone=person.phone,
        position=person.position or None,
        organization_id=home.id,
        active=True,
        **more,
    )
    db.session.add(account)
    db.session.flush()
    passwords.store(account, password)
    return account


def _free(account_name: str) -> str:
    """The name with four digits that nobody has."""
    while True:
        name = f"{account_name}-{secrets.randbelow(9000) + 1000}"
        if not db.session.scalar(select(func.count()).select_from(Account).where(Account.username == name)):
            return name
