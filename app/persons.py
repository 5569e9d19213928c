"""Data about persons: names and telephone numbers are types of their own, masked wherever they go.

A model declares a column as `PersonName`, `TelephoneNumber` or `OfficeNumber`. A list sees the type of its column, and
what is read from such a column is a `Name`, a `Telephone` or an `OfficeTelephone`, which details and dialogs recognize.
"""

from typing import Any

from sqlalchemy import ColumnElement, Dialect, String, TypeDecorator, type_coerce


class Name(str):
    """The name of a person."""

    __slots__ = ()


class Telephone(str):
    """A telephone number at which a person is reached."""

    __slots__ = ()


class OfficeTelephone(Telephone):
    """The telephone number of an office; it may be the mobile number of a person."""

    __slots__ = ()


class PersonalText(TypeDecorator[str]):
    """A text that tells something of a person: read from the database, it is of the class `value_class`."""

    impl = String
    cache_ok = True
    value_class: type[str] = Name

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else self.value_class(value)


class PersonName(PersonalText):
    cache_ok = True
    value_class = Name


class TelephoneNumber(PersonalText):
    cache_ok = True
    value_class = Telephone


class OfficeNumber(PersonalText):
    cache_ok = True
    value_class = OfficeTelephone


def is_personal(value: Any) -> bool:
    """Whether an SQL expression gives data about persons."""
    return isinstance(value.type, PersonalText)


def names(value: ColumnElement[Any]) -> ColumnElement[Any]:
    """An SQL expression whose text is made of the names of persons."""
    return type_coerce(value, PersonName)


def as_kept_in(column: Any, value: Any) -> Any:
    """A text that was kept elsewhere, e.g. in an earlier version of a row, as what it is in its own column."""
    return column.type.value_class(value) if value and is_personal(column) else value
