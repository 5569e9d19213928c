"""Rows of values as a table of a statement, so that many rows are written by one."""

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy import func, literal
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.sql import column


def recordset(rows: Sequence[Mapping[str, Any]], types: Mapping[str, Any], name: str) -> Any:
    """The rows as a table called `name`, with the columns that `types` gives."""
    plain = [{each: _plain(value) for each, value in row.items()} for row in rows]
    columns = [column(each, kind) for each, kind in types.items()]
    return func.jsonb_to_recordset(literal(plain, JSONB)).table_valued(*columns).render_derived(name, with_types=True)


def _plain(value: Any) -> Any:
    """A value as JSON has it; a decimal as its text, for a float would round it."""
    if isinstance(value, date):
        return value.isoformat()
    return str(value) if isinstance(value, Decimal) else value
