"""Telephone numbers as people write them, and the one way in which they are kept."""

import re
import unicodedata

# A mobile number; one with its area code, of three digits where it begins with 01 or 02 and else of four; a number that
# is free or at a local rate.
_NUMBER = re.compile(r"1[3-9]\d{9}|(01\d|02\d|0[3-9]\d{2})(\d{7,8})|([48]00)(\d{3})(\d{4})")
_EXTENSION = re.compile(r"(?:转|分机|ext\.?|x|#|-)\s?(\d{1,6})$", re.IGNORECASE)
_COUNTRY = re.compile(r"^(?:\+|00)86")
_BETWEEN = re.compile(r"[\s()\-.·]+")
_DASHES = str.maketrans(dict.fromkeys("‐‑‒–—―−─", "-"))
LONGEST = 40


def telephone(text: str) -> str | None:
    """Return a number as it is kept: 13812345678, 0571-87654321, 0571-87654321-801, 400-123-4567; None if it is none.

    Blanks, brackets, dashes, the country's code and the words before an extension may be written in any way.
    """
    plain = unicodedata.normalize("NFKC", text[:LONGEST]).translate(_DASHES).strip()
    if len(text.strip()) > LONGEST:
        return None
    whole = _kept(plain, "")
    extension = _EXTENSION.search(plain)
    return whole or (_kept(plain[: extension.start()], extension[1]) if extension else None)


def _kept(number: str, extension: str) -> str | None:
    bare = _COUNTRY.sub("", _BETWEEN.sub("", number))
    # After the country's code that of the area is written without its zero.
    found = _NUMBER.fullmatch(bare) or (_NUMBER.fullmatch(f"0{bare}") if _COUNTRY.match(number) else None)
    if found is None:
        return None
    parts = [part for part in found.groups() if part] or [found[0]]
    return "-".join([*parts, *([extension] if extension else [])])
