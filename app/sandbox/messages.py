"""Messages of the child process, which knows no language: the parent translates them."""

from typing import Any, NamedTuple


class Message(NamedTuple):
    """A message in English and the values to put into it."""

    text: str
    values: dict[str, Any]


def message(text: str, **values: Any) -> Message:
    """Return a message to be translated later. Import it as `_`, so that the text is found by the translators."""
    return Message(text, values)


class Unreadable(Exception):
    """A file that cannot be opened. The text says why, and what to do; in the child it is a Message."""


class TooManyRows(Unreadable):
    """A sheet with more rows than are read here."""
