"""Sheets handed out for filling in: drop-downs, formats and notes that keep most mistakes from being made."""

from collections.abc import Mapping, Sequence
from datetime import date
from io import BytesIO
from typing import Any

import xlsxwriter
from flask_babel import gettext as _
from xlsxwriter.utility import xl_col_to_name, xl_rowcol_to_cell

from .cells import Value, neutralised
from .columns import Dependent, Field
from .exports import sheet_name

OPTIONS = {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
_FORMATS = {"text": "@", "choice": "@", "number": "General", "date": "yyyy-mm-dd"}
# In a protected sheet columns can still be made wider.
_MAY = {"format_cells": True, "format_columns": True, "format_rows": True}
# Longer texts in a message of a drop-down make Excel refuse the whole file.
_LONGEST_MESSAGE = 255


def template(
    title: str,
    fields: Sequence[Field],
    notes: Sequence[str],
    *,
    lists: Sequence[Dependent] = (),
    rows: int = 50_000,
    filled: Sequence[Mapping[str, Value]] = (),
) -> bytes:
    """A sheet to fill in, one that explains it, and a hidden one with the lists of its drop-downs.

    `filled` are rows that are there already, by field name. If a field is locked, the sheet is protected, without a
    password: against slips, not against people.
    """
    file = BytesIO()
    with xlsxwriter.Workbook(file, OPTIONS) as book:
        sheet = book.add_worksheet(sheet_name(title))
        _explain(book, fields, notes)
        sources = _lists(book, fields, lists)
        _headers(book, sheet, fields)
        _fill(book, sheet, fields, filled)
        for column, field in enumerate(fields):
            rule = _rule(field, sources.get(field.name))
            if rule:
                sheet.data_validation(1, column, rows, column, rule)
        if any(field.locked for field in fields):
            sheet.protect("", _MAY)
    return file.getvalue()


def _headers(book: Any, sheet: Any, fields: Sequence[Field]) -> None:
    plain = {"bold": True, "bg_color": "#E9EEF5", "bottom": 1, "num_format": "@"}
    voluntary, mandatory = book.add_format(plain), book.add_format(plain | {"bg_color": "#FCE4D6"})
    shapes = _shapes(book)
    for column, field in enumerate(fields):
        sheet.set_column(column, column, field.width, shapes[field.kind, field.locked])
        label = "*" + field.label if field.mandatory else field.label
        sheet.write_string(0, column, label, mandatory if field.mandatory else voluntary)
        if field.note:
            sheet.write_comment(0, column, field.note, {"x_scale": 2})
    sheet.freeze_panes(1, 0)


def _fill(book: Any, sheet: Any, fields: Sequence[Field], filled: Sequence[Mapping[str, Value]]) -> None:
    shapes = _shapes(book)
    for row, values in enumerate(filled, 1):
        for column, field in enumerate(fields):
            value, shape = values.get(field.name), shapes[field.kind, field.locked]
            if isinstance(value, str):
                sheet.write_string(row, column, neutralised(value), shape)
            else:
                sheet.write(row, column, value, shape)


def _shapes(book: Any) -> dict[tuple[str, bool], Any]:
    """By the kind of a field, and whether it is locked: what is not typed into is grey."""
    looks = {False: {"locked": False}, True: {"locked": True, "bg_color": "#F1F3F5", "font_color": "#5F6B7A"}}
    return {
        (kind, locked): book.add_format({"num_format": code, **look})
        for kind, code in _FORMATS.items()
        for locked, look in looks.items()
    }


def _rule(field: Field, source: str | None) -> dict[str, Any] | None:
    if source:
        return {
            "validate": "list",
            "source": source,
            "show_error": field.kind != "text",
            "error_title": _("Not on the list"),
            "error_message": _("Please choose a value from the list."),
        }
    if field.kind == "date":
        return {
            "validate": "date",
            "criteria": "between",
            "minimum": date(1900, 1, 1),
            "maximum": date(2199, 12, 31),
            "error_title": _("Not a date"),
            "error_message": _("Please write a date like 2026-01-31."),
        }
    if field.kind == "number":
        return {
            "validate": "decimal",
            "criteria": "between",
            "minimum": -999_999_999_999_999,
            "maximum": 999_999_999_999_999,
            "error_title": _("Not a number"),
            "error_message": _("Please write a number."),
        }
    return None


def _lists(book: Any, fields: Sequence[Field], dependents: Sequence[Dependent]) -> dict[str, str]:
    """Write the lists, and tell for each field what its drop-down shows. A list in the rule itself could have 255
    characters."""
    replaced = {dependent.field for dependent in dependents}
    listed = [field for field in fields if field.choices and field.name not in replaced]
    if not listed and not dependents:
        return {}
    sheet = book.add_worksheet(sheet_name(_("Lists")))
    sheet.hide()
    sources: dict[str, str] = {}
    column = 0
    for field in listed:
        _column(sheet, column, field.choices or ())
        _name(book, sheet, f"choices_{field.name}", column, len(field.choices or ()))
        sources[field.name] = f"=choices_{field.name}"
        column += 1
    for dependent in dependents:
        sources[dependent.field] = _dependent(book, sheet, column, dependent, fields)
        column += 4
    return sources


def _dependent(book: Any, sheet: Any, column: int, dependent: Dependent, fields: Sequence[Field]) -> str:
    """Four columns: what it depends on, where the choices for that begin, how many they are, and all choices."""
    groups = {key: list(choices) for key, choices in dependent.choices.items() if choices}
    starts, counts, choices = list[int](), list[int](), list[str]()
    for group in groups.values():
        starts.append(len(choices))
        counts.append(len(group))
        choices += group
    for offset, values in enumerate((list(groups), starts, counts, choices)):
        _column(sheet, column + offset, values)
    name = dependent.field
    for offset, part in enumerate(("on", "start", "count")):
        _name(book, sheet, f"{part}_{name}", column + offset, len(groups))
    _name(book, sheet, f"first_{name}", column + 3, 1)
    # Named ranges by the value itself would be shorter, but a name may not hold brackets, blanks or a leading digit.
    on = [field.name for field in fields].index(dependent.on)
    where = f"MATCH(${xl_col_to_name(on)}2,on_{name},0)"
    return f"=OFFSET(first_{name},INDEX(start_{name},{where}),0,INDEX(count_{name},{where}),1)"


def _column(sheet: Any, column: int, values: Sequence[str | int]) -> None:
    for row, value in enumerate(values):
        sheet.write(row, column, value)


def _name(book: Any, sheet: Any, name: str, column: int, rows: int) -> None:
    first = xl_rowcol_to_cell(0, column, row_abs=True, col_abs=True)
    last = xl_rowcol_to_cell(max(rows, 1) - 1, column, row_abs=True, col_abs=True)
    book.define_name(name, f"='{sheet.get_name()}'!{first}:{last}")


def _explain(book: Any, fields: Sequence[Field], notes: Sequence[str]) -> None:
    sheet = book.add_worksheet(sheet_name(_("How to fill in")))
    wrapped = book.add_format({"text_wrap": True, "valign": "top", "num_format": "@"})
    bold = book.add_format({"bold": True, "bg_color": "#E9EEF5", "bottom": 1})
    for column, width in enumerate((24, 10, 60, 30)):
        sheet.set_column(column, column, width)
    for row, note in enumerate(notes):
        sheet.write_string(row, 0, note)
    top = len(notes) + 1 if notes else 0
    for column, label in enumerate((_("Column"), _("Mandatory"), _("What to write"), _("Example"))):
        sheet.write_string(top, column, label, bold)
    for row, field in enumerate(fields, top + 1):
        mandatory = _("Yes") if field.mandatory else _("No")
        for column, text in enumerate((field.label, mandatory, _meaning(field), field.example)):
            sheet.write_string(row, column, text, wrapped)
    _example(sheet, top + len(fields) + 2, fields, bold, wrapped)


def _meaning(field: Field) -> str:
    kinds = {
        "text": "",
        "number": _("A number."),
        "date": _("A date like 2026-01-31."),
        "choice": _("Choose from the list."),
    }
    return " ".join(filter(None, (field.note, kinds[field.kind])))


def _example(sheet: Any, row: int, fields: Sequence[Field], bold: Any, wrapped: Any) -> None:
    """A row as it could be filled in."""
    if not any(field.example for field in fields):
        return
    sheet.write_string(row, 0, _("An example:"))
    for column, field in enumerate(fields):
        sheet.write_string(row + 1, column, field.label, bold)
        sheet.write_string(row + 2, column, field.example, wrapped)
