"""What a sheet program shows of a number: the number formats that people use, as Excel defines them.

Returns None wherever it is not sure: a format with conditions, scientific notation, a scale. Runs in the child process.
"""

import re
from decimal import ROUND_HALF_UP, Context, Decimal
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

# Those that every program knows by number, and the numbers of those for dates and times.
_BUILT_IN = {
    0: "General", 1: "0", 2: "0.00", 3: "#,##0", 4: "#,##0.00", 9: "0%", 10: "0.00%", 11: "0.00E+00", 12: "# ?/?",
    13: "# ??/??", 37: "#,##0;(#,##0)", 38: "#,##0;(#,##0)", 39: "#,##0.00;(#,##0.00)", 40: "#,##0.00;(#,##0.00)",
    48: "##0.0E+0", 49: "@",
}  # fmt: skip
_MOMENTS = {*range(14, 23), *range(27, 37), *range(45, 48), *range(50, 59)}
_GENERAL = "General"
_PLAIN = {"", "@", "general", "g/通用格式"}
_DURATION = re.compile(r"\[[hms]+\]", re.IGNORECASE)
_MOMENT = re.compile("[ymdhs]", re.IGNORECASE)
# In a number format: texts, what follows a backslash, an underscore or a star, and colours, conditions and languages.
# What is opened and not closed goes to the end: looking for its end again and again would take quadratic time.
_NO_PLACE = re.compile(r'"[^"]*(?:"|\Z)|\\.|_.|\*.|\[[^\]]*(?:\]|\Z)')
_MOST_DECIMALS = 30
# Enough for 15 digits before the point, two percent signs and the decimals.
_EXACT = Context(prec=60)
# A format in pieces; the last takes any other character, so that nothing is skipped.
_PIECE = re.compile(
    r'"[^"]*(?:"|\Z)|\\.|_.|\*.|\[[^\]]*(?:\]|\Z)|General|G/通用格式|[0#?]+|.', re.IGNORECASE | re.DOTALL
)
_COLOUR = re.compile(
    r"\[(?:black|blue|cyan|green|magenta|red|white|yellow|color ?\d+|"
    r"黑色|蓝色|青色|绿色|洋红|红色|白色|黄色|颜色 ?\d+)\]",
    re.IGNORECASE,
)
_CURRENCY = re.compile(r"\[\$([^\]-]*)(?:-[0-9A-Fa-f]+)?\]")
_FRACTION = re.compile(r"(?:([0#?]+)\s+)?([#?0]{1,3})/(?:([#?]{1,3})|([1-9]\d{0,2}))")
_BLANKS = re.compile(r"\s+")


class Piece(NamedTuple):
    """A part of a format: a text shown as it is, or digits, or a sign with a meaning."""

    kind: str  # "text", "digits", "general" or "sign"
    text: str


def is_moment(code: str | int) -> bool:
    """Return whether numbers in a format are dates, times or durations."""
    if isinstance(code, int):
        return code in _MOMENTS
    return bool(_DURATION.search(code) or _MOMENT.search(_NO_PLACE.sub("", code)))


def is_duration(code: str | int) -> bool:
    """Return whether numbers in a format tell how long something took, not when it was."""
    return code == 46 or (isinstance(code, str) and bool(_DURATION.search(code)))


def is_plain(code: str | int) -> bool:
    """Return whether numbers in a format are shown as they are."""
    text = _code(code)
    return code not in _MOMENTS and text.casefold() in _PLAIN


def scales(code: str | int) -> bool:
    """Return whether what is shown is another number than what is stored: a percentage, or thousands."""
    code = _code(code)
    sections = _sections(code)
    if sections is None:
        return "%" in code
    pieces = [piece for section in sections for piece in section]
    signs = "".join(piece.text if piece.kind == "sign" else "0" if piece.kind == "digits" else "t" for piece in pieces)
    return "%" in signs or any(_scaled(signs, at) for at, sign in enumerate(signs) if sign == ",")


def _scaled(signs: str, at: int) -> bool:
    return not signs[at + 1 :].lstrip(",").startswith("0")


def shown(code: str | int, number: int | float) -> str | None:
    """Return what a sheet shows of a number in a format, without blanks around it; None if that is not sure."""
    sections = _sections(_code(code))
    if sections is None:
        return None
    value = Decimal(repr(number))
    if value < 0 and len(sections) > 1:
        section, value = sections[1], -value
    elif not value and len(sections) > 2:
        section = sections[2]
    else:
        section = sections[0]
    text = _shown(section, value)
    return (_BLANKS.sub(" ", text).strip() or None) if text is not None else None


def _code(code: str | int) -> str:
    return _BUILT_IN.get(code, _GENERAL) if isinstance(code, int) else code


@lru_cache(maxsize=1000)
def _sections(code: str) -> list[list[Piece]] | None:
    """The pieces of a format: for positive numbers, negative ones, zero, texts. None if it has more than that."""
    sections: list[list[Piece]] = [[]]
    for found in _PIECE.finditer(code):
        piece = found.group()
        if piece == ";":
            sections.append([])
        elif (meaning := _meaning(piece)) is None:
            return None
        else:
            sections[-1].append(meaning)
    return sections if len(sections) <= 4 else None


def _meaning(piece: str) -> Piece | None:
    first = piece[0]
    if first == '"':
        return Piece("text", piece.strip('"'))
    if first in "\\_*" and len(piece) == 2:
        return Piece("text", {"\\": piece[1], "_": " ", "*": ""}[first])
    if first == "[":
        currency = _CURRENCY.fullmatch(piece)
        return Piece("text", currency[1]) if currency else Piece("text", "") if _COLOUR.fullmatch(piece) else None
    if first in "0#?":
        return Piece("digits", piece)
    if piece in ".,%/" or piece.isdecimal():
        return Piece("sign", piece)
    if len(piece) > 1:
        return Piece("general", piece)
    if piece == "@":
        return Piece("general", piece)
    # Other letters have a meaning, or will get one: E, dates, the calendars of countries.
    return None if (piece.isascii() and piece.isalpha()) or first in "\\_*" else Piece("text", piece)


def _shown(section: list[Piece], value: Decimal) -> str | None:
    kinds = [piece.kind for piece in section]
    if "general" in kinds:
        return (
            _with_general(section, value) if kinds.count("general") == 1 and not {"digits", "sign"} & {*kinds} else None
        )
    signs = [piece.text for piece in section if piece.kind == "sign"]
    if "/" in signs:
        return _with_fraction("".join(piece.text for piece in section), value)
    if {*kinds} == {"text"}:
        return ("-" if value < 0 else "") + "".join(piece.text for piece in section)
    if "digits" not in kinds:
        return None
    return _with_digits(section, value)


def _with_general(section: list[Piece], value: Decimal) -> str:
    text = "".join(format(abs(value), "f") if piece.kind == "general" else piece.text for piece in section)
    return "-" + text if value < 0 else text


def _with_fraction(code: str, value: Decimal) -> str | None:
    found = _FRACTION.fullmatch(code.strip())
    if not found:
        return None
    whole_digits, _above, below, fixed = found.groups()
    whole, rest = divmod(Fraction(abs(value)), 1) if whole_digits else (0, Fraction(abs(value)))
    if fixed:
        above, under = int(rest * int(fixed) + Fraction(1, 2)), int(fixed)
    else:
        above, under = rest.limit_denominator(10 ** len(below) - 1).as_integer_ratio()
    if whole_digits and above == under:
        whole, above = whole + 1, 0
    parts = [str(whole)] if whole_digits and (whole or not above or "0" in whole_digits) else []
    parts += [f"{above}/{under}"] if above or not whole_digits else []
    return ("-" if value < 0 and (whole or above) else "") + " ".join(parts)


def _with_digits(section: list[Piece], value: Decimal) -> str | None:
    """Digits in their places, with the texts between them: 0.00, #,##0, 0.0"级", 000-0000, 0.0%."""
    before, after, grouped, percents = _places(section) or (None, None, False, 0)
    if before is None or after is None:
        return None
    decimals = "".join(piece.text for piece in after if piece.kind == "digits")
    if percents > 2 or len(decimals) > _MOST_DECIMALS:
        return None
    scaled = abs(value).scaleb(2 * percents, _EXACT)
    rounded = scaled.quantize(Decimal(1).scaleb(-len(decimals)), ROUND_HALF_UP, _EXACT)
    whole, _point, rest = format(rounded, "f").partition(".")
    text = _whole(before, "" if whole == "0" else whole, grouped) + _decimals(after, rest)
    return "-" + text if value < 0 and rounded else text


def _places(section: list[Piece]) -> tuple[list[Piece], list[Piece], bool, int] | None:
    """What stands before and after the point, whether thousands are separated, and how many percent signs there are.

    None if commas scale the number, or if there is a second point.
    """
    parts: list[list[Piece]] = [[]]
    grouped, percents = False, 0
    for at, piece in enumerate(section):
        if piece == ("sign", "."):
            parts.append([piece])
        elif piece == ("sign", ","):
            if len(parts) > 1 or not any(each.kind == "digits" for each in section[:at]) or _ends(section[at:]):
                return None
            grouped = True
        elif piece == ("sign", "%"):
            parts[-1].append(Piece("text", "%"))
            percents += 1
        elif piece.kind == "sign":
            return None  # a digit from 1 to 9 that is not in quotes
        else:
            parts[-1].append(piece)
    return (parts[0], parts[1] if len(parts) > 1 else [], grouped, percents) if len(parts) <= 2 else None


def _ends(rest: list[Piece]) -> bool:
    """Whether no digits follow a comma immediately: then it divides by a thousand."""
    return next((piece.kind for piece in rest if piece != ("sign", ",")), "") != "digits"


def _whole(pieces: list[Piece], digits: str, grouped: bool) -> str:
    """Fill the places before the point from the right; the first place takes all digits that are left."""
    places = sum(len(piece.text) for piece in pieces if piece.kind == "digits")
    digits = digits.rjust(places, " ")
    taken, first = len(digits), len(digits) - places
    written: list[str] = []
    for piece in reversed(pieces):
        if piece.kind != "digits":
            written.append(piece.text)
            continue
        for mark in reversed(piece.text):
            taken -= 1
            start = 0 if taken == first else taken
            some = digits[start : taken + 1]
            written.append(_grouped(_filled(some, mark), len(digits) - 1 - taken) if grouped else _filled(some, mark))
    return "".join(reversed(written))


def _filled(digits: str, mark: str) -> str:
    return digits if digits != " " else {"0": "0", "?": " ", "#": ""}[mark]


def _grouped(digits: str, behind: int) -> str:
    """Put a comma behind each digit that has a multiple of three digits behind it, none of them after the last."""
    count = len(digits) - 1
    return "".join(
        digit + ("," if digit.isdigit() and (count - at + behind) % 3 == 0 and count - at + behind else "")
        for at, digit in enumerate(digits)
    )


def _decimals(pieces: list[Piece], digits: str) -> str:
    """Write the places after the point; zeros at the end are written where the format has a 0."""
    marks = "".join(piece.text for piece in pieces if piece.kind == "digits")
    kept = len(digits)
    while kept and digits[kept - 1] == "0" and marks[kept - 1] != "0":
        kept -= 1
    written, at = "", 0
    for piece in pieces:
        if piece.kind != "digits":
            written += piece.text
            continue
        written += digits[at : min(at + len(piece.text), kept)]
        at += len(piece.text)
    return written
