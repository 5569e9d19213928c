"""Unified social credit code (统一社会信用代码, GB 32100-2015): 17 characters and a check digit."""

from flask_babel import gettext as _

ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_VALUES = {character: value for value, character in enumerate(ALPHABET)}
_WEIGHTS = [pow(3, place, 31) for place in range(17)]
_ORGANIZATION_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_ORGANIZATION_VALUES = {character: value for value, character in enumerate(_ORGANIZATION_ALPHABET)}
_ORGANIZATION_WEIGHTS = (3, 7, 9, 10, 5, 8, 4, 2)


def check_digit(first17: str) -> str:
    """The 18th character, from the 17 before it."""
    total = sum(_VALUES[character] * weight for character, weight in zip(first17, _WEIGHTS, strict=True))
    return ALPHABET[-total % 31]


def organization_check_digit(first8: str) -> str:
    """The 17th character: the check digit of the organization code in places 9 to 16 (GB 11714)."""
    pairs = zip(first8, _ORGANIZATION_WEIGHTS, strict=True)
    value = -sum(_ORGANIZATION_VALUES[character] * weight for character, weight in pairs) % 11
    return "X" if value == 10 else str(value)


def problem(code: str) -> str | None:
    """What is wrong with a code somebody gives; None if nothing."""
    if is_valid(code):
        return None
    return str(_("This is no credit code: it has 18 characters, and the last one follows from those before it."))


def is_valid(code: str) -> bool:
    """Whether 18 characters are a credit code; upper case, as it is printed on the licence."""
    known = len(code) == 18 and all(character in _VALUES for character in code)
    return known and check_digit(code[:17]) == code[17]
