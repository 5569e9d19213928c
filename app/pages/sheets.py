"""Sheets that people fill in and send: what comes back of one in which something is wrong."""

from collections.abc import Mapping
from typing import Any

from flask import g
from flask_wtf import FlaskForm

from app.domain import jobs
from app.domain.jobs import Finished
from app.fabkit.pages import ModelPage
from app.models import db

PROBLEMS_SHOWN = 10


def handed_back(
    page: ModelPage, action: str, form: FlaskForm, kind: str, what: Finished, problems: Mapping[int, list[str]]
) -> Any:
    """The action's dialog again, with the first problems by row and the person's own sheet to take away."""
    kept = jobs.keep(kind, g.principal, what)
    db.session.commit()
    shown = {"kept": kept, "problems": sorted(problems.items())[:PROBLEMS_SHOWN], "number": len(problems)}
    return page.dialog_again(action, form, shown), 422
