"""What all tables share: the database, the mixins that say who sees a row, and what is spread by city."""

from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar

from flask_appbuilder.models.sqla.base import SQLA
from sqlalchemy import (
    BigInteger,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    PrimaryKeyConstraint,
    String,
    Text,
    literal_column,
)
from sqlalchemy.orm import Mapped, declared_attr, mapped_column

db = SQLA()

Moment = DateTime(timezone=True)
RegionCode = String(6)


def one_of(column: str, values: tuple[str, ...]) -> str:
    return f"{column} IN ({', '.join(repr(value) for value in values)})"


def any_of(column: str, values: frozenset[str]) -> str:
    return one_of(column, tuple(sorted(values)))


# --- What searches use (see app/finding.py) ------------------------------------------------------


def as_compared(column: str) -> Any:
    """A text column in an index, as `same_text` gives it; operator classes name it `as_compared`."""
    return literal_column(f"same_text({column})", Text).label("as_compared")


def begins(name: str, column: str, *more: str) -> Index:
    """An index for a search at the beginning of a text, or for the whole of it."""
    return Index(name, as_compared(column), *more, postgresql_ops={"as_compared": "text_pattern_ops"})


# --- Who sees a row ------------------------------------------------------------------------------


class Audited:
    """Rows of which every change is written down by the session that writes it, as `audited_as`.

    They are written row by row through the session, never by a bulk statement. `audit_name` tells an auditor which row
    it is; it reads columns of its own alone.
    """

    if TYPE_CHECKING:  # each table has its own
        id: Any
    audited_as: ClassVar[str]
    not_audited: ClassVar[frozenset[str]] = frozenset({"id", "revision"})

    @property
    def audit_name(self) -> str:
        raise NotImplementedError


class WithinRegion:
    """Rows at a place: an authority sees those of its jurisdiction.

    `city_code` (four digits of the region and '00') is the key by which the big tables are spread over
    machines, so it stands in each of their primary, unique and foreign keys.
    """

    city_code: Mapped[str] = mapped_column(RegionCode)
    region_code: Mapped[str] = mapped_column(RegionCode)


class SharedByParties(WithinRegion):
    """The using unit sees its own, the institution what is or was given to it."""

    using_unit_id: Mapped[int | None] = mapped_column(BigInteger)
    institution_id: Mapped[int | None] = mapped_column(BigInteger)


class OwnedByUsingUnit(WithinRegion):
    """The using unit sees its own, an institution those behind a task of its own."""

    using_unit_id: Mapped[int] = mapped_column(BigInteger)


class KeptByUsingUnit:
    """What a using unit keeps for itself: nobody else sees it."""

    using_unit_id: Mapped[int] = mapped_column(ForeignKey("organization.id"))


class KeptByAuthority(WithinRegion):
    """What authorities keep for themselves: nobody else sees it."""

    authority_id: Mapped[int] = mapped_column(ForeignKey("organization.id"), index=True)


class SeenByInspected(WithinRegion):
    """What an authority finds at a party: the party sees its own, once it has been concluded."""

    authority_id: Mapped[int] = mapped_column(ForeignKey("organization.id"), index=True)
    party_id: Mapped[int] = mapped_column(ForeignKey("organization.id"), index=True)
    concluded_at: Mapped[datetime | None] = mapped_column(Moment)


class OwnedByInstitution:
    """The institution sees its own; authorities see all, for work may cross a border (细则 Art 13)."""

    institution_id: Mapped[int] = mapped_column(ForeignKey("organization.id"))


class OfferedByInstitution:
    """As what it owns; and using units see what is in force, by its `state`, to choose an institution."""

    institution_id: Mapped[int] = mapped_column(ForeignKey("organization.id"))
    state: Mapped[str] = mapped_column(String(20))


def big(*constraints: Any) -> tuple[Any, ...]:
    return (PrimaryKeyConstraint("id", "city_code"), *constraints)


class Big:
    """A table that may be spread by city: key (id, city_code) in the database, `id` alone in Python."""

    id: Mapped[int] = mapped_column(BigInteger, Identity(), sort_order=-10)

    @declared_attr.directive
    def __mapper_args__(cls) -> dict[str, Any]:
        return {"primary_key": [cls.id]}
