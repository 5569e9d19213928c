"""When two texts are the same, whoever typed them and on whatever keyboard; and what of a typed text is kept.

`same` is for comparing and searching: both sides go through it, the stored side by the SQL function `same_text`, which
gives the same result (`app/finding.py` makes the conditions). `entered` and `half_width` are for what is stored.
"""

import unicodedata

# Left out of a comparison: blanks, controls, format characters, dashes, and what else leaves no trace. Written out, for
# the SQL function has the same ranges, whichever version of Unicode Python and PostgreSQL know.
_LEFT_OUT = (
    (0x0000, 0x0020), (0x002D, 0x002D), (0x007F, 0x00A0), (0x00AD, 0x00AD), (0x02D7, 0x02D7), (0x034F, 0x034F),
    (0x0600, 0x0605), (0x061C, 0x061C), (0x06DD, 0x06DD), (0x070F, 0x070F), (0x0890, 0x0891), (0x08E2, 0x08E2),
    (0x115F, 0x1160), (0x1680, 0x1680), (0x17B4, 0x17B5), (0x180B, 0x180F), (0x2000, 0x2015), (0x2028, 0x202F),
    (0x2043, 0x2043), (0x205F, 0x206F), (0x2212, 0x2212), (0x2500, 0x2500), (0x2E3A, 0x2E3B), (0x3000, 0x3000),
    (0x3164, 0x3164), (0xFE00, 0xFE0F), (0xFEFF, 0xFEFF), (0xFFF9, 0xFFFB), (0x110BD, 0x110BD), (0x110CD, 0x110CD),
    (0x13430, 0x1343F), (0x1BCA0, 0x1BCA3), (0x1D173, 0x1D17A), (0xE0001, 0xE0001), (0xE0020, 0xE007F),
    (0xE0100, 0xE01EF),
)  # fmt: skip
# Brackets and middle dots that NFKC does not make one already.
_ALIKE = str.maketrans("[{【〔〖〘〚]}】〕〗〙〛•‧∙⋅・⸱", "((((((()))))))······")
# The digits and Latin letters of a Chinese keyboard, and the signs that stand in numbers and classes.
_FULL_WIDTH = (*range(0xFF10, 0xFF1A), *range(0xFF21, 0xFF3B), *range(0xFF41, 0xFF5B), *map(ord, "．－＋／％＃"))
_HALF_WIDTH = {code: chr(code - 0xFEE0) for code in _FULL_WIDTH}


class _Compared(dict[int, str | None]):
    """What a character is compared as; filled as characters are met."""

    def __missing__(self, code: int) -> str | None:
        self[code] = value = None if _is_left_out(code) else _ALIKE_TEXT.get(code) or _lower(chr(code))
        return value


class _Kept(dict[int, str | None]):
    """What is kept of a character; `lines` says whether a line break or a tab is."""

    def __init__(self, *, lines: bool) -> None:
        super().__init__()
        self.lines = lines

    def __missing__(self, code: int) -> str | None:
        self[code] = value = self._kept(chr(code))
        return value

    def _kept(self, character: str) -> str | None:
        if character.isspace():
            return character if self.lines or character.isprintable() else " "
        return None if unicodedata.category(character) in ("Cc", "Cf") else character


_ALIKE_TEXT = {code: chr(alike) for code, alike in _ALIKE.items()}
_COMPARED, _LINE, _LINES = _Compared(), _Kept(lines=False), _Kept(lines=True)


def _is_left_out(code: int) -> bool:
    return any(first <= code <= last for first, last in _LEFT_OUT)


def _lower(character: str) -> str:
    """Upper and lower case alike, one character for one, as the database does it; `ß` and `ẞ`, but not `ss`."""
    upper = character.upper()
    return (upper if len(upper) == 1 else character).lower()[0]


def same(text: str) -> str:
    """The text as it is compared: equal for two spellings of the same; empty if nothing in it tells anything.

    Width, case, brackets, dashes, middle dots, blanks and invisible characters make no difference.
    """
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).translate(_COMPARED))


def entered(text: str, *, lines: bool = False) -> str:
    """The text as it is stored: without invisible characters anywhere, and without blanks around it.

    Line breaks and tabs become blanks, or stay as they are in a text of several lines.
    """
    return (text if text.isprintable() else text.translate(_LINES if lines else _LINE)).strip()


def half_width(text: str) -> str:
    """A number or a class as it is stored: digits and Latin letters of a Chinese keyboard as ordinary ones."""
    return text if text.isascii() else text.translate(_HALF_WIDTH)
