"""Accounts, their sessions, roles and keys, and what guards the way in."""

from datetime import datetime, timedelta
from typing import Any

from flask_appbuilder import Model
from flask_appbuilder.security.sqla.models import Role as Role, User, assoc_user_role
from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ColumnElement,
    ForeignKey,
    Identity,
    Index,
    String,
    UniqueConstraint,
    and_,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.models.base import Audited, Moment
from app.models.reference import Organization
from app.persons import PersonName, TelephoneNumber

# --- Accounts ------------------------------------------------------------------------------------

held_role = assoc_user_role
# People share a mailbox, and a stranger must not learn from a refusal that an address is known here.
_email = User.__table__.c.email  # type: ignore[attr-defined]
_email.unique = False
User.__table__.constraints -= {  # type: ignore[attr-defined]
    each
    for each in User.__table__.constraints  # type: ignore[attr-defined]
    if isinstance(each, UniqueConstraint) and list(each.columns) == [_email]
}


class OwnedByAccount:
    """What belongs to one account: seen by its owner and by who may see the account."""

    account_id: Mapped[int] = mapped_column(ForeignKey("ab_user.id", ondelete="CASCADE"), index=True)


class SharedByAccount:
    """What one account makes: its own alone, unless it is shared; then those of its organization see it too."""

    account_id: Mapped[int] = mapped_column(ForeignKey("ab_user.id", ondelete="CASCADE"))
    shared: Mapped[bool] = mapped_column(default=False, server_default=text("false"))


class Account(User):
    """An account: Flask-AppBuilder's, with the organization it belongs to. `first_name` holds the whole name.

    `has_role` repeats what its roles say, for finding the few that wait for one. `password_due` means that the
    password is somebody else's choice and must be changed; `reset_at` is when an administrator last reset the password
    or the second factor; `totp_secret` is encrypted, `totp_step` the last half
    minute whose code was used.
    """

    organization_id: Mapped[int | None] = mapped_column(ForeignKey("organization.id"), index=True)
    position: Mapped[str | None] = mapped_column(String(60))
    phone: Mapped[str | None] = mapped_column(TelephoneNumber(30))
    registered_at: Mapped[datetime] = mapped_column(Moment, server_default=func.now())
    last_login_at: Mapped[datetime | None] = mapped_column(Moment)
    password_changed_at: Mapped[datetime] = mapped_column(Moment, server_default=func.now())
    password_due: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    reset_at: Mapped[datetime | None] = mapped_column(Moment)
    totp_secret: Mapped[str | None] = mapped_column(String(200))
    totp_since: Mapped[datetime | None] = mapped_column(Moment)
    totp_step: Mapped[int] = mapped_column(BigInteger, default=0, server_default=text("0"))
    recovery_codes: Mapped[list[str]] = mapped_column(JSONB, default=list, server_default=text("'[]'"))
    consented_at: Mapped[datetime | None] = mapped_column(Moment)
    has_role: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    demo: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    preferences: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict, server_default=text("'{}'"))
    revision: Mapped[int] = mapped_column(default=1, server_default=text("1"))

    organization: Mapped[Organization | None] = relationship()

    # Set while a session is being started or used: what the cookie holds.
    session_token: str | None = None
    __allow_unmapped__ = True

    def get_id(self) -> str:
        return self.session_token or ""

    def __str__(self) -> str:
        return f"{self.first_name} ({self.username})"


Index("ab_user_registered", Account.registered_at, Account.id)
Index("ab_user_waiting", Account.registered_at, Account.id, postgresql_where=~Account.has_role)
Index("ab_user_waiting_at", Account.organization_id, postgresql_where=~Account.has_role)
Index("ab_user_lower", func.lower(Account.username))
Index("ab_user_role_holders", held_role.c.role_id, held_role.c.user_id)
Index(
    "ab_user_begins",
    func.same_text(Account.username).label("as_compared"),
    postgresql_ops={"as_compared": "text_pattern_ops"},
)
Index("ab_user_name_bigrams", func.bigrams(func.same_text(Account.first_name)), postgresql_using="gin")
Index(
    "ab_user_name_trigrams",
    func.same_text(Account.first_name).label("as_compared"),
    postgresql_using="gin",
    postgresql_ops={"as_compared": "gin_trgm_ops"},
)


class AccountSession(OwnedByAccount, Model):
    """A sign-in that lasts. The cookie holds the token, this its hash; `confirmed` after the second factor."""

    __tablename__ = "account_session"
    __table_args__ = (CheckConstraint("(ended_at IS NULL) = (ended_by IS NULL)", name="ended_by_something"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    confirmed: Mapped[bool]
    started_at: Mapped[datetime] = mapped_column(Moment, server_default=func.now())
    seen_at: Mapped[datetime] = mapped_column(Moment, server_default=func.now())
    ended_at: Mapped[datetime | None] = mapped_column(Moment)
    ended_by: Mapped[str | None] = mapped_column(String(30))
    address: Mapped[str] = mapped_column(String(45))
    device: Mapped[str] = mapped_column(String(300))

    @classmethod
    def is_live(cls, idle: timedelta, longest: timedelta) -> ColumnElement[bool]:
        """The condition that somebody is signed in by it: confirmed, not ended, used lately, not too old."""
        return and_(
            cls.confirmed,
            cls.ended_at.is_(None),
            cls.seen_at > func.now() - idle,
            cls.started_at > func.now() - longest,
        )


class UsedPassword(OwnedByAccount, Model):
    """The hash of a password an account has or had: the last few may not come back."""

    __tablename__ = "used_password"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    hash: Mapped[str] = mapped_column(String(256))
    since: Mapped[datetime] = mapped_column(Moment, server_default=func.now())


class RoleGrant(OwnedByAccount, Model):
    """Who gave an account a role it holds, and when; the role itself is Flask-AppBuilder's."""

    __tablename__ = "role_grant"
    __table_args__ = (UniqueConstraint("account_id", "role", name="one_grant_per_role"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    role: Mapped[str] = mapped_column(String(64))
    at: Mapped[datetime] = mapped_column(Moment, server_default=func.now())
    by_id: Mapped[int | None] = mapped_column(BigInteger)
    by_name: Mapped[str] = mapped_column(PersonName(60))
    by_organization: Mapped[str] = mapped_column(String(200))


class PendingDeed(Model):
    """What an administrator asked to be done to an auditor's account, and a second one must confirm within a day."""

    __tablename__ = "pending_deed"
    __table_args__ = (UniqueConstraint("subject_id", "action", name="one_deed_of_a_kind"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    subject_id: Mapped[int] = mapped_column(ForeignKey("ab_user.id", ondelete="CASCADE"))
    action: Mapped[str] = mapped_column(String(40))
    by_id: Mapped[int] = mapped_column(BigInteger)
    by_name: Mapped[str] = mapped_column(PersonName(60))
    asked_at: Mapped[datetime] = mapped_column(Moment, server_default=func.now())


class AccessKey(OwnedByAccount, Model):
    """A key by which a program acts for an account, within its scopes: pages whose rows it may export."""

    __tablename__ = "access_key"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    name: Mapped[str] = mapped_column(String(60))
    prefix: Mapped[str] = mapped_column(String(12))
    key_hash: Mapped[str] = mapped_column(String(64), unique=True)
    scopes: Mapped[list[str]] = mapped_column(JSONB)
    created_at: Mapped[datetime] = mapped_column(Moment, server_default=func.now())
    expires_at: Mapped[datetime] = mapped_column(Moment)
    last_used_at: Mapped[datetime | None] = mapped_column(Moment)
    revoked_at: Mapped[datetime | None] = mapped_column(Moment)


class SavedView(Audited, SharedByAccount, Model):
    """What somebody asks of a list again and again: filters and order as a query string, and the columns, by name.

    `page` is the name of the page, `columns` the names of those that are shown.
    """

    __tablename__ = "saved_view"
    audited_as = "saved_view"
    __table_args__ = (UniqueConstraint("account_id", "page", "name", name="one_view_per_name"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    page: Mapped[str] = mapped_column(String(60))
    name: Mapped[str] = mapped_column(String(40))
    query: Mapped[str] = mapped_column(String(4000))
    columns: Mapped[list[str]] = mapped_column(JSONB)
    saved_at: Mapped[datetime] = mapped_column(Moment, server_default=func.now())

    @property
    def audit_name(self) -> str:
        return f"{self.page} {self.name}"


class NumberList(OwnedByAccount, Model):
    """Numbers that somebody pasted to look for them: too many for an address, which names the list instead."""

    __tablename__ = "number_list"
    __table_args__ = (CheckConstraint("cardinality(numbers) BETWEEN 1 AND 1000", name="at_most_a_thousand"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    numbers: Mapped[list[str]] = mapped_column(ARRAY(String(100)))
    at: Mapped[datetime] = mapped_column(Moment, server_default=func.now())


class Attempt(Model):
    """Failures in a row of an account name or an address, known or not, and until when it must wait."""

    __tablename__ = "attempt"

    key: Mapped[str] = mapped_column(String(150), primary_key=True)
    failures: Mapped[int]
    last_at: Mapped[datetime] = mapped_column(Moment, server_default=func.now(), index=True)
    blocked_until: Mapped[datetime | None] = mapped_column(Moment)


class Captcha(Model):
    """A question asked at login: answered once, within its time, by whoever holds the token."""

    __tablename__ = "captcha"

    token: Mapped[str] = mapped_column(String(43), primary_key=True)
    answer: Mapped[str] = mapped_column(String(8))
    expires_at: Mapped[datetime] = mapped_column(Moment, index=True)
