"""How people write numbers, ranges and units: one reader for forms, sheets and filters.

It also runs in the child process that opens sheets, so it imports nothing of the application.
"""

import re
import unicodedata
from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

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


# --- Ranges --------------------------------------------------------------------------------------


class Range(NamedTuple):
    """A measuring range in one unit; of a single value both ends are this value."""

    low: Decimal
    high: Decimal
    unit: str


_LONGEST_RANGE = 80
_RANGE_SIGNS = str.maketrans("（）～〜∼∽–‒―─／％", "()~~~~————/%")
# Numbers and units. A digit stands in a unit only as an exponent or in a formula: m3/h, m/s2, mmH2O, %CH4. A hyphen
# between two numbers is no minus sign: what follows it has no sign of its own.
_RANGE = re.compile(
    r"(?P<low>[+-]?[0-9][0-9.,]{0,40})\s*"
    r"(?P<low_unit>(?:[^\s0-9()\[\]~—至到,;:<>=+*.-]|(?<=[msHO^])[2-4](?=$|[/·~—至到-]|O)){0,20})"
    r"(?:\s*(?P<to>~|—{1,2}|至|到|-(?!\s*[+-]))\s*"
    r"(?P<high>[+-]?[0-9][0-9.,]{0,40})\s*"
    r"(?P<high_unit>(?:[^\s0-9()\[\]~—至到,;:<>=+*.-]|(?<=[msHO^])[2-4](?=$|[/·]|O)){0,20}))?"
)
_UNIT_BEHIND = re.compile(r"(?:[^\s0-9()\[\]~—至到,;:<>=+*.-]|(?<=[msHO^])[2-4](?=$|[/·]|O)){0,20}|m\^?-1")
_HYPHENS = ("-", "—", "——")
# Multiples; and words and signs that say "about", "up to" or "or". 级 is a class of accuracy.
_MULTIPLE = re.compile("[xX十百万亿]|[eE][0-9]")
_NO_PART_OF_A_UNIT = frozenset("以至到和或及约左右上下内外大小最于多余不级×≤≥≈±≦≧∞")


def range_in(text: str) -> Range | None:
    """Return the range that a text like (0～1.6)MPa is; None if it is none, or could be another one.

    A single value like 100mm is a range, too. Read are also 0-2.5MPa, -40℃～+60℃ and (0～1.6MPa). Not read are several
    ranges, two units, limits like ≤300kg, and 0～-0.1, for nobody knows whether that is a slip.
    """
    text = in_ascii(text).translate(_RANGE_SIGNS).strip()
    inner, behind = text, ""
    if text.startswith("("):
        inner, behind = (part.strip() for part in text[1:].rpartition(")")[::2])
    if len(text) > _LONGEST_RANGE or not _UNIT_BEHIND.fullmatch(behind):
        return None
    found = _RANGE.fullmatch(inner)
    if found is None:
        return None
    low, high, to = parse(found["low"]), parse(found["high"] or found["low"]), found["to"]
    unit = _common_unit(found["low_unit"], found["high_unit"], behind)
    if low is None or high is None or low > high or unit is None:
        return None
    # One number has no brackets around it; two with a hyphen between them could as well be a number or a date.
    if (inner != text and not to) or (inner == text and not unit and to in _HYPHENS):
        return None
    return Range(low, high, unit)


def _common_unit(low: str, high: str | None, behind: str) -> str | None:
    """The unit of both ends of a range: written once, behind the second or behind the bracket, or twice the same."""
    if high is None:  # a single value
        unit = low
    elif low:
        unit = high if _unit_form(low) == _unit_form(high) and not behind else None
    else:
        unit = high if not behind else behind if not high else None
    return unit if unit is not None and _may_be_unit(unit) else None


def _may_be_unit(unit: str) -> bool:
    if not unit:
        return True
    first = unicodedata.normalize("NFKC", unit[0])[0]  # no ² after a number: that is 10², not a unit
    return (first.isalpha() or first in "%‰°′″") and not (
        _MULTIPLE.match(unit) or _NO_PART_OF_A_UNIT.intersection(unit)
    )


# --- Units ---------------------------------------------------------------------------------------

# What stands for a degree, a minus sign, a middle dot or a slash besides the characters that NFKC makes alike.
_UNIT_SIGNS = str.maketrans("º˚∘⋅•∙・*∕", "°°°·····/", "^")
_MINUS = str.maketrans("−–", "--")
# The prefixes whose capital letter is another prefix, and the units that begin with one of these letters.
_TWO_SIZES = "mpzy"
_NO_PREFIX = frozenset({"m", "min", "mol", "pa", "psi", "ph", "ppm", "ppb"})


def unit_in(text: str, known: Sequence[str]) -> str | None:
    """Return which of the known units a text is, as it is written there; None if it is none, or could be two.

    Other characters for the same are accepted (㎫, m3/h, ºC, uSv/h), and another case if exactly one known unit fits:
    Mpa, MPA and mpa are MPa if mPa is not known. Not accepted is mPa for MPa, even if only that is known: rightly
    spelled it is another unit, a thousand million times smaller, and to ask costs less than a wrong certificate.
    """
    if text in known:
        return text
    for form in (_unit_form, _micro_form):
        fitting = [unit for unit in known if form(unit) == form(text)]
        if fitting:
            return fitting[0] if len(fitting) == 1 else None
    folded = _caseless_form(text)
    fitting = [unit for unit in known if _caseless_form(unit) == folded]
    if len(fitting) != 1 or _is_another_size(_micro_form(text), _micro_form(fitting[0])):
        return None
    return fitting[0]


def _unit_form(unit: str) -> str:
    """A unit as it is compared; its case makes a difference."""
    return "".join(unicodedata.normalize("NFKC", unit.translate(_UNIT_SIGNS)).split()).translate(_MINUS)


_BETWEEN_PARTS = re.compile("[/·]")
_MICRO = re.compile("(?:(?<=[/·])|^)[uU](?=[A-Za-zΩω])")


def _caseless_form(unit: str) -> str:
    return _micro_form(_unit_form(unit).casefold())


def _micro_form(unit: str) -> str:
    return _MICRO.sub("μ", _unit_form(unit))


def _is_another_size(one: str, other: str) -> bool:
    """Return whether two units that differ in case alone are rightly spelled units with different prefixes."""
    pairs = zip(_BETWEEN_PARTS.split(one), _BETWEEN_PARTS.split(other), strict=False)
    return any(
        a[:1] != b[:1] and a[:1].lower() in _TWO_SIZES and a[1:] == b[1:] and a[1:2].isalpha()
        for a, b in pairs
        if a.lower() not in _NO_PREFIX
    )
