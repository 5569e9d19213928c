"""Sheets handed back: the person's own, with what is wrong with each row before it."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, BinaryIO

import xlsxwriter
from flask_babel import gettext as _

from .cells import Value, neutralised
from .exports import sheet_name
from .reading import Incoming, problems_header
from .templates import OPTIONS
from .workbooks import LONGEST_TEXT

_FILTERED_FROM = 50
_WIDEST = 40


def with_problems(incoming: Incoming, problems: Mapping[int, Sequence[str]], file: BinaryIO) -> None:
    """Write the sheet as it came, each row where it was, so that the person mends it there and sends it again."""
    with xlsxwriter.Workbook(file, {**OPTIONS, "constant_memory": True}) as book:
        sheet = book.add_worksheet(sheet_name(incoming.sheet) or sheet_name(_("Sheet")))
        sheet.set_column(0, 0, 60)
        for column, header in enumerate(incoming.headers, 1):
            sheet.set_column(column, column, min(max(len(header) * 2.2, 12), _WIDEST))
        top = incoming.header_row - 1
        head = book.add_format({"bold": True, "bg_color": "#E9EEF5", "bottom": 1, "num_format": "@"})
        sheet.write_string(top, 0, problems_header(), head)
        for column, header in enumerate(incoming.headers, 1):
            sheet.write_string(top, column, neutralised(header), head)
        sheet.freeze_panes(top + 1, 1)
        _rows(book, sheet, incoming, problems)
        if len(problems) > _FILTERED_FROM:
            sheet.autofilter(top, 0, incoming.rows[-1][0] - 1, len(incoming.headers))


def _rows(book: Any, sheet: Any, incoming: Incoming, problems: Mapping[int, Sequence[str]]) -> None:
    right, wrong = _formats(book, {}), _formats(book, {"bg_color": "#FDE9E7"})
    del right[type(None)]  # an empty cell is written only for its colour
    told = book.add_format({"bg_color": "#FDE9E7", "font_color": "#B42318", "text_wrap": True, "valign": "top"})
    for number, values in incoming.rows:
        row = number - 1
        found = problems.get(number)
        if found:
            sheet.write_string(row, 0, neutralised("\n".join(found)[:LONGEST_TEXT]), told)
        formats = wrong if found else right
        for column, value in enumerate(values, 1):
            _write(sheet, row, column, value, formats)


def _formats(book: Any, look: dict[str, Any]) -> dict[type, Any]:
    """By the type of the value, so that what was text stays text, and a long number does not turn into 2.02E+11."""
    codes = {str: "@", int: "0", float: "General", bool: "General", date: "yyyy-mm-dd",
             datetime: "yyyy-mm-dd hh:mm:ss", type(None): "General"}  # fmt: skip
    return {kind: book.add_format({**look, "num_format": code}) for kind, code in codes.items()}


def _write(sheet: Any, row: int, column: int, value: Value, formats: dict[type, Any]) -> None:
    shape = formats.get(type(value))
    if isinstance(value, str):
        sheet.write_string(row, column, neutralised(value), shape)
    elif isinstance(value, bool):
        sheet.write_boolean(row, column, value, shape)
    elif isinstance(value, int | float):
        sheet.write_number(row, column, value, shape)
    elif isinstance(value, date):
        sheet.write_datetime(row, column, value, shape)
    elif shape:
        sheet.write_blank(row, column, None, shape)
