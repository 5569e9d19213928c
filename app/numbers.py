"""How people write numbers: one reader for forms, sheets and filters.

It also runs in the child process that opens sheets, so it imports nothing of the application.
"""

import re
from decimal import Decimal

# Full-width characters as Chinese keyboards write them, and the minus signs of typesetting. Superscripts and circled
# digits are left alone: normalizing them would turn 10² into 102.
_HALF_WIDTH = str.maketrans("０１２３４５６７８９＋－﹣−．。｡，ｅＥ", "0123456789+---...,eE")
# A comma separates thousands, or nothing: in 1,6 and in 0,250 it could only be a decimal comma.
_NUMBER = re.compile(
    r"[+-]?(?:(?:[0-9]{1,15}|[1-9][0-9]{0,2}(?:,[0-9]{3}){1,4})(?:\.[0-9]{0,30})?|\.[0-9]{1,30})(?:[eE][+-]?[0-9]{1,3})?"
)


def parse(text: str) -> Decimal | None:
    """Return the number that a text is, or None if it is none, or if two people could read it differently."""
    plain = in_ascii(text).strip()
    if not _NUMBER.fullmatch(plain):
        return None
    return Decimal(plain.replace(",", "")) or Decimal(0)


def in_ascii(text: str) -> str:
    """Return a number as it was typed, with ASCII digits, signs, points and commas: also `。` is a point here."""
    return text.translate(_HALF_WIDTH)
