"""Rows to and from sheets. Knows nothing of metrology, tables or HTTP.

Out: `write` streams a query. In: `template` is handed out for filling in, `read` opens what comes back, `match` and
`taken` make typed values of it, `with_problems` hands it back with what is wrong with each row.
"""

from app.sandbox.messages import TooManyRows, Unreadable

from .cells import as_text
from .columns import Dependent, Field, Matched, match, recognised, taken
from .exports import KINDS, Layout, MoreRows, Sheet, write
from .reading import Incoming, read
from .reports import report
from .returning import with_problems
from .stamps import Stamp
from .templates import template

__all__ = [
    "KINDS",
    "Dependent",
    "Field",
    "Incoming",
    "Layout",
    "Matched",
    "MoreRows",
    "Sheet",
    "Stamp",
    "TooManyRows",
    "Unreadable",
    "as_text",
    "match",
    "read",
    "recognised",
    "report",
    "taken",
    "template",
    "with_problems",
    "write",
]
