"""Reasons that people owe for what they do to others' tasks."""

from flask_babel import gettext as _

from app.errors import RuleError


def checked(reason: str, *, shortest: int, longest: int) -> str:
    """The reason without its outer blanks, if it is long and short enough."""
    text = reason.strip()
    if not shortest <= len(text) <= longest:
        raise RuleError(
            _("A reason has %(shortest)s to %(longest)s characters.", shortest=shortest, longest=longest),
            field="reason",
        )
    return text
