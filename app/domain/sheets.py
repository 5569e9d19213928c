"""Sheets that people fill in: their columns found, and the sheet kept with what is wrong beside each row."""

import tempfile
from collections.abc import Mapping, Sequence

from app import files, spreadsheet
from app.errors import RuleError
from app.spreadsheet import Field, Incoming, Matched, Unreadable


def match(incoming: Incoming, asked: Sequence[Field]) -> Matched:
    """Which column holds which field; refused if one is missing or there twice."""
    try:
        return spreadsheet.match(incoming.headers, asked)
    except Unreadable as reason:
        raise RuleError(str(reason), field="file") from reason


def keep_with_problems(incoming: Incoming, problems: Mapping[int, Sequence[str]]) -> str:
    """Keep the sheet as it came, with its problems; gives the name under which it is found again."""
    with tempfile.TemporaryFile() as file:
        spreadsheet.with_problems(incoming, problems, file)
        return files.keep_stream(file)
