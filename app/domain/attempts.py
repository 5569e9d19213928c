"""Failures in a row and the wait they cost, shared by all processes.

They count for an account name at an address, so that a stranger elsewhere locks nobody out; for the name alone and for
the address alone, where many more lock. Names count whether an account has them or not: a stranger learns nothing
from being made to wait.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network

from flask_babel import gettext as _
from sqlalchemy import Select, case, delete, func, literal, or_, select
from sqlalchemy.dialects.postgresql import insert

from app.models import Attempt, db

LOCK_AFTER = 5
LOCK = timedelta(minutes=15)
LONGEST = timedelta(hours=24)
# A whole bureau may share one address, and from many addresses one name may be tried this much longer.
ADDRESS_FACTOR = NAME_FACTOR = 10
FORGOTTEN_AFTER = timedelta(hours=24)


def _counted(name: str) -> str:
    return name.strip().lower()[:100]


def of_account(name: str) -> str:
    return f"{_NAMED}{_counted(name)}"


def of_address(address: str) -> str:
    return f"address:{of_network(address)}"


def of_account_at(name: str, address: str) -> str:
    # No address has a space: where it ends and the name begins, a name cannot disguise.
    return f"{_AT}{of_network(address)} {_counted(name)}"


_NAMED, _AT = "account:", "account_at:"
_is_named = Attempt.key.startswith(_NAMED)
_is_at = Attempt.key.startswith(_AT, autoescape=True)
# SQL: the name within a key.
_name = case(
    (_is_at, func.substr(Attempt.key, func.strpos(Attempt.key, " ") + 1)),
    else_=func.substr(Attempt.key, len(_NAMED) + 1),
)


def names_waiting() -> Select[str]:
    """The account names that must wait, at least somewhere, in small letters."""
    return select(_name).where(or_(_is_at, _is_named), Attempt.blocked_until > func.now())


@dataclass(frozen=True)
class Guess:
    """A try to prove who one is: by which name, from where."""

    name: str
    address: str

    @property
    def keys(self) -> dict[str, int]:
        """What a failure counts for, and by which factor later than a name at an address each is locked."""
        return {
            of_account_at(self.name, self.address): 1,
            of_account(self.name): NAME_FACTOR,
            of_address(self.address): ADDRESS_FACTOR,
        }

    def wait(self) -> timedelta | None:
        """How long the next try must wait still; None if it need not."""
        # One after the other: of guesses sent at the same moment each must find the failures of those before it.
        db.session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(of_account(self.name), 0))))
        return wait(*self.keys)

    def failed(self) -> None:
        for key, factor in self.keys.items():
            failed(key, factor)

    def succeeded(self) -> None:
        """Forget the failures of the name here, and of the name alone; those of the address stay."""
        clear(of_account_at(self.name, self.address), of_account(self.name))


def wait(*keys: str) -> timedelta | None:
    """How long these must wait still; None if they need not."""
    until = db.session.scalar(select(func.max(Attempt.blocked_until)).where(Attempt.key.in_(keys)))
    now = datetime.now(UTC)
    return until - now if until and until > now else None


def in_words(wait: timedelta) -> str:
    """What to tell somebody who must wait."""
    minutes = -(-wait // timedelta(minutes=1))
    return str(_("Too many failed attempts. Please try again in %(minutes)s minutes.", minutes=minutes))


def failed(key: str, factor: int = 1) -> None:
    """Count a failure. The fifth locks for 15 minutes, each further one for twice as long, at most a day."""
    now = datetime.now(UTC)
    fresh = Attempt.last_at < now - FORGOTTEN_AFTER
    failures = case((fresh, 1), else_=Attempt.failures + 1)
    beyond = failures - LOCK_AFTER * factor
    minutes = func.least(LOCK.total_seconds() * func.power(2, beyond), LONGEST.total_seconds())
    until = case((beyond >= 0, literal(now) + func.make_interval(0, 0, 0, 0, 0, 0, minutes)), else_=None)
    counted = insert(Attempt).values(key=key, failures=1, last_at=now)
    db.session.execute(
        counted.on_conflict_do_update(
            index_elements=[Attempt.key], set_={"failures": failures, "last_at": now, "blocked_until": until}
        )
    )


def clear(*keys: str) -> None:
    """Forget the failures: after a success, or when an administrator unlocks."""
    db.session.execute(delete(Attempt).where(Attempt.key.in_(keys)))


def clear_accounts(*names: str) -> None:
    """Forget the failures of these accounts wherever they were made: when an administrator unlocks them."""
    counted = [_counted(name) for name in names]
    db.session.execute(delete(Attempt).where(or_(_is_at, _is_named), _name.in_(counted)))


def drop_stale() -> int:
    """Drop what nobody waits for any more. Returns how many."""
    now = datetime.now(UTC)
    old = delete(Attempt).where(
        Attempt.last_at < now - FORGOTTEN_AFTER, func.coalesce(Attempt.blocked_until, now) <= now
    )
    return len(db.session.execute(old.returning(Attempt.key)).all())


def too_many(key: str, most: int, span: timedelta) -> bool:
    """Count one more use of something that is not to be used more than `most` times within `span`."""
    return wait_after_use(key, most, span) is not None


def is_used_up(key: str, most: int, span: timedelta) -> bool:
    """Whether something was used more than `most` times within `span`; this question does not count."""
    recent = Attempt.last_at >= datetime.now(UTC) - span
    uses = select(Attempt.failures).where(Attempt.key == key, recent)
    return (db.session.scalar(uses) or 0) > most


def wait_after_use(key: str, most: int, span: timedelta) -> timedelta | None:
    """Count one more use; how long one must wait if that was more than `most` within `span`."""
    now = datetime.now(UTC)
    fresh = Attempt.last_at < now - span
    counted = insert(Attempt).values(key=key, failures=1, last_at=now)
    used = counted.on_conflict_do_update(
        index_elements=[Attempt.key],
        set_={
            "failures": case((fresh, 1), else_=Attempt.failures + 1),
            # The span begins with the first use, so that somebody who keeps asking is served again in time.
            "last_at": case((fresh, now), else_=Attempt.last_at),
        },
    ).returning(Attempt.failures, Attempt.last_at)
    number, since = db.session.execute(used).one()
    return since + span - now if number > most else None


def of_network(address: str) -> str:
    """What counts as one client: an IPv4 address, or of IPv6 the network, for whoever has one of it has all of it."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if parsed.version == 4:
        return str(parsed)
    return str(parsed.ipv4_mapped or ip_network((parsed, 64), strict=False))
