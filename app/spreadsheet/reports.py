"""A finished table as a workbook to hand on: title, what was asked, who made it when, the rows, their sum, a chart."""

from collections.abc import Sequence
from decimal import Decimal
from io import BytesIO
from typing import Any

import xlsxwriter

from .stamps import Stamp

# How a cell program shows each kind of figure, and what part of a whole its unit is.
FORMATS = {
    "count": ("#,##0", 1),
    "mean": ("#,##0.0", 1),
    "rate": ("0.00%", 100),
    "growth": ("+0.00%;-0.00%;0.00%", 100),
    "points": ("+0.00;-0.00;0.00", 1),
}
WIDEST_CHART = 60


def report(
    title: str,
    facts: Sequence[tuple[str, str]],
    headers: Sequence[str],
    rows: Sequence[Sequence[Any]],
    totals: Sequence[Sequence[Any]],
    kinds: Sequence[str],
    charted: int,
    stamp: Stamp,
) -> bytes:
    """The bytes of the workbook. The first column is the name of a row; `kinds` says of the others how they are
    shown (FORMATS); 66.3 percent are written as 0.663. `totals` are the last rows.

    `charted` is the column that the chart shows, of the first 60 rows. None is written as two dashes. The stamp tells
    who takes it away.
    """
    file = BytesIO()
    book = xlsxwriter.Workbook(file, {"in_memory": True})
    book.set_properties({"title": title, "author": stamp.who, "comments": stamp.text})
    sheet = book.add_worksheet(title[:31])
    sheet.set_header(stamp.header)
    sheet.set_footer(stamp.footer)
    head = book.add_format({"bold": True, "bg_color": "#E8EEF7", "border": 1, "text_wrap": True, "valign": "vcenter"})
    plain, last = (
        [
            book.add_format({"num_format": FORMATS[kind][0], "border": 1, "align": "right", "bold": is_bold})
            for kind in kinds
        ]
        for is_bold in (False, True)
    )
    name, bold = book.add_format({"border": 1}), book.add_format({"border": 1, "bold": True})
    sheet.write_string(0, 0, title, book.add_format({"bold": True, "font_size": 16}))
    for number, (label, value) in enumerate(facts, start=1):
        sheet.write_string(number, 0, label)
        sheet.write_string(number, 1, value)
    top = len(facts) + 2
    sheet.write_row(top, 0, headers, head)
    for number, (first, *cells) in enumerate([*rows, *totals], start=top + 1):
        is_total = number > top + len(rows)
        sheet.write_string(number, 0, str(first), bold if is_total else name)
        for column, cell in enumerate(cells, start=1):
            how = (last if is_total else plain)[column - 1]
            if cell is None:
                sheet.write_string(number, column, "--", how)
            else:
                sheet.write_number(number, column, float(Decimal(cell) / FORMATS[kinds[column - 1]][1]), how)
    sheet.set_column(0, 0, 28)
    sheet.set_column(1, len(headers) - 1, 14)
    sheet.freeze_panes(top + 1, 1)
    sheet.repeat_rows(top)
    sheet.set_landscape()
    sheet.fit_to_pages(1, 0)
    if rows:
        shown = min(len(rows), WIDEST_CHART)
        chart: Any = book.add_chart({"type": "column"})
        chart.add_series({
            "name": headers[charted],
            "categories": [sheet.name, top + 1, 0, top + shown, 0],
            "values": [sheet.name, top + 1, charted, top + shown, charted],
        })  # fmt: skip
        chart.set_title({"name": f"{title} {headers[charted]}"})
        chart.set_legend({"none": True})
        chart.set_size({"width": 900, "height": 360})
        sheet.insert_chart(top + len(rows) + len(totals) + 3, 0, chart)
    book.close()
    return file.getvalue()
