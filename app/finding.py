"""Conditions by which a typed text is found in a column, however either of them is written.

Each compares `texts.same` of the term with `same_text` of the column, for which there are indexes. `by_row` is the same
for a row at hand: the empty text keeps the planner off the index.
"""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import ColumnElement, Text, any_, func, literal
from sqlalchemy.dialects.postgresql import ARRAY

from app.texts import same

Condition = ColumnElement[bool]
_LITERALLY = str.maketrans({"\\": "\\\\", "%": "\\%", "_": "\\_"})


def folded(column: Any) -> Any:
    """The text of a column as `texts.same` gives it."""
    return func.same_text(column, type_=Text)


def equals(column: Any, term: str) -> Condition:
    """The column has this text."""
    condition: Condition = folded(column) == same(term)
    return condition


def is_among(column: Any, terms: Iterable[str]) -> Condition:
    """The column has one of these texts."""
    condition: Condition = folded(column) == any_(literal([same(term) for term in terms], ARRAY(Text)))
    return condition


def begins(column: Any, term: str) -> Condition:
    """The text of the column begins with the term."""
    condition: Condition = folded(column).like(f"{_literally(term)}%", escape="\\")
    return condition


def contains(column: Any, term: str, *, by_row: bool = False) -> Condition:
    """The term stands anywhere in the text of the column. Trigrams answer from three characters on."""
    text = folded(column).concat("") if by_row else folded(column)
    condition: Condition = text.like(f"%{_literally(term)}%", escape="\\")
    return condition


def contains_chinese(column: Any, term: str) -> Condition:
    """As `contains`, for a column with an index of 2-grams: two characters, the usual Chinese word, have no trigram."""
    if len(same(term)) != 2:
        return contains(column, term)
    condition: Condition = func.bigrams(folded(column)).op("@>")(func.bigrams(same(term)))
    return condition


def _literally(term: str) -> str:
    return same(term).translate(_LITERALLY)
