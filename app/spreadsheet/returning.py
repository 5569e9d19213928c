"""Sheets handed back: the person's own, with what is wrong with each row before it."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from functools import cache
from typing import Any, BinaryIO

import xlsxwriter
from flask_babel import gettext as _

from . import rows
from .cells import Formatted, Value, as_text, neutralised
from .exports import sheet_name
from .reading import Incoming, problems_header
from .refusals import LONGEST_TEXT
from .templates import OPTIONS

_FILTERED_FROM = 50
_WIDEST = 40
# More rows than that would leave no room on a small screen.
_MOST_FROZEN = 10
# Of a text in a formula Excel takes 255 characters, and quotation marks are doubled.
_LONGEST_IN_A_FORMULA = 127


def with_problems(incoming: Incoming, problems: Mapping[int, Sequence[str]], file: BinaryIO) -> None:
    """Write the sheet as it came, each row where it was, so that the person mends it there and sends it again.

    What stands above the headers is there again, and hidden rows are hidden unless there is something to mend in them.
    """
    with xlsxwriter.Workbook(file, {**OPTIONS, "constant_memory": True}) as book:
        sheet = book.add_worksheet(sheet_name(incoming.sheet) or sheet_name(_("Sheet")))
        sheet.set_column(0, 0, 60)
        for column, header in enumerate(incoming.headers, 1):
            sheet.set_column(column, column, min(max(len(header) * 2.2, 12), _WIDEST))
        top = incoming.header_row - 1
        head = book.add_format({"bold": True, "bg_color": "#E9EEF5", "bottom": 1, "num_format": "@"})
        for number, values in incoming.above:
            for column, value in enumerate(values, 1):
                if value is not None:
                    _write(sheet, number - 1, column, value, book.add_format({"num_format": _code(value)}))
        sheet.write_string(top, 0, problems_header(), head)
        for column, header in enumerate(incoming.headers, 1):
            sheet.write_string(top, column, neutralised(header), head)
        sheet.freeze_panes(top + 1 if top < _MOST_FROZEN else 0, 1)
        _rows(book, sheet, incoming, problems)
        if len(problems) > _FILTERED_FROM:
            sheet.autofilter(top, 0, incoming.rows[-1][0] - 1, len(incoming.headers))


def _rows(book: Any, sheet: Any, incoming: Incoming, problems: Mapping[int, Sequence[str]]) -> None:
    @cache
    def shape(code: str | int, is_wrong: bool) -> Any:
        return book.add_format({"num_format": code, **({"bg_color": "#FDE9E7"} if is_wrong else {})})

    told = book.add_format({"bg_color": "#FDE9E7", "font_color": "#B42318", "text_wrap": True, "valign": "top"})
    for number, values in incoming.rows:
        row = number - 1
        found, marks = problems.get(number), incoming.problems.get(number, {})
        if number in incoming.hidden and not found:
            sheet.set_row(row, None, None, {"hidden": True})
        if found:
            sheet.write_string(row, 0, neutralised("\n".join(found)[:LONGEST_TEXT]), told)
        for column, value in enumerate(values):
            if column in marks:
                code = value.code if isinstance(value, Formatted) else "General"
                look = shape(_CODES_OF_MARKS.get(marks[column].mark, code), bool(found))
                _write_rejected(sheet, row, column + 1, value, marks[column].mark, look)
            elif value is not None or found:  # an empty cell is written only for its colour
                _write(sheet, row, column + 1, value, shape(_code(value), bool(found)))


# So that what was text stays text, and a long number does not turn into 2.02E+11.
_CODES = {str: "@", int: "0", date: "yyyy-mm-dd", datetime: "yyyy-mm-dd hh:mm:ss"}
_CODES_OF_MARKS = {rows.DIGITS: "0", rows.DATE: "yyyy-mm-dd"}


def _code(value: Value) -> str | int:
    return value.code if isinstance(value, Formatted) else _CODES.get(type(value), "General")


def _write(sheet: Any, row: int, column: int, value: Value, look: Any) -> None:
    if isinstance(value, Formatted):
        value = value.value
    if isinstance(value, str):
        sheet.write_string(row, column, neutralised(value), look)
    elif isinstance(value, bool):
        sheet.write_boolean(row, column, value, look)
    elif isinstance(value, int | float):
        sheet.write_number(row, column, value, look)
    elif isinstance(value, date):
        sheet.write_datetime(row, column, value, look)
    else:
        sheet.write_blank(row, column, None, look)


def _write_rejected(sheet: Any, row: int, column: int, value: Value, mark: str, look: Any) -> None:
    """Write a cell that was rejected so that it is rejected again if nobody changes it.

    Its value alone would pass the next time. So it becomes a formula that only says this value: the person's own
    formula could name other cells, which have moved by a column, or other files.
    """
    if mark in _CODES_OF_MARKS and _is_number(as_text(value)):
        sheet.write_number(row, column, float(as_text(value)), look)
        return
    if isinstance(value, Formatted) and not isinstance(value.value, date):
        value = value.value
    sheet.write_formula(row, column, f"={_literal(value)}", look, as_text(value))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _literal(value: Value) -> str:
    if isinstance(value, int | float):  # a bool as well
        return as_text(value)
    text = as_text(value)[:_LONGEST_IN_A_FORMULA].replace('"', '""')
    return f'"{text}"'
