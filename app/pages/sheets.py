"""Sheets that people take, fill in and send, and what comes back of one in which something is wrong."""

from collections.abc import Mapping
from io import BytesIO
from typing import Any

from flask import g, url_for
from flask_babel import lazy_gettext as _l
from flask_wtf.file import FileField, FileRequired

from app import files, spreadsheet
from app.domain import holidays, jobs
from app.domain.jobs import Finished
from app.fabkit.actions import download
from app.fabkit.downloads import attachment
from app.fabkit.forms import Form
from app.fabkit.pages import ModelPage
from app.models import db

PROBLEMS_SHOWN = 10


def sheet_field(title: Any, *, mandatory: bool = True, **how: Any) -> FileField:
    """A sheet that somebody sends."""
    checks = [FileRequired(_l("Please choose a file."))] if mandatory else []
    return FileField(title, checks, render_kw={"accept": ".xlsx,.xls,.csv"}, **how)


def handed_out(content: bytes, name: str) -> Any:
    """A sheet to fill in, to be taken away under a name."""
    return attachment(BytesIO(content), f"{name}.xlsx", spreadsheet.KINDS["xlsx"])


def fetched(kind: str, content: bytes, title: str, told: str) -> Any:
    """The answer of an action that makes a sheet to be filled in or changed: it is kept as a job's, and fetched."""
    name = f"{title}-{holidays.today():%Y%m%d}.xlsx"
    made = jobs.keep(kind, g.principal, Finished(told, files.keep(content), name))
    db.session.commit()
    return download(url_for("Jobs.file", pk=made.id))


def handed_back(
    page: ModelPage, action: str, form: Form, kind: str, what: Finished, problems: Mapping[int, list[str]]
) -> Any:
    """The action's dialog again, with the first problems by row and the person's own sheet to take away."""
    kept = jobs.keep(kind, g.principal, what)
    db.session.commit()
    shown = {"kept": kept, "problems": sorted(problems.items())[:PROBLEMS_SHOWN], "number": len(problems)}
    return page.dialog_again(action, form, shown), 422
