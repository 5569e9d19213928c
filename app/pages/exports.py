"""An export that is too long to wait for: asked of the worker, and made by it as the page would have made it."""

from dataclasses import fields
from typing import Any

from flask import current_app, g, url_for
from flask_babel import force_locale, gettext as _, ngettext  # pyright: ignore[reportAttributeAccessIssue]  # not in __all__

from app import files
from app.domain import jobs
from app.domain.jobs import Finished
from app.errors import RuleError
from app.fabkit.exports import Asked
from app.fabkit.pages import ModelPage
from app.models import Job

KIND = "export"


def ask(asked: dict[str, Any]) -> str:
    """Let the worker make an export. Gives the address where one sees how far it is."""
    jobs.ask(KIND, g.principal, **asked)
    return url_for("Jobs.index")


def make(job: Job) -> Finished:
    """The sheet, with what the person may see now; the filter, the columns and the order are those of the asking."""
    asked = Asked(**{field.name: job.asked[field.name] for field in fields(Asked)})
    with force_locale(asked.language):
        page = _page(asked.page)
        most = current_app.config["EXPORT_MOST"]
        sheet = page.write_export(asked, most, lambda stage, done, of: jobs.progress(job, done, of, stage))
        if sheet is None:
            raise RuleError(_("An export holds at most %(number)s rows. Please narrow the filter.", number=most))
        with sheet.file:
            jobs.progress(job, sheet.rows, sheet.rows, _("Keeping the file"))
            kept = files.keep_stream(sheet.file)
        page.tell_export(asked, sheet.rows)
        job.asked = {**job.asked, "rows": sheet.rows}
        return Finished(ngettext("%(num)s row.", "%(num)s rows.", sheet.rows), kept, page.export_name(asked))


def _page(name: str) -> ModelPage:
    """A list by its name, if the acting person may still take it away."""
    pages = current_app.extensions["kit"].baseviews
    page: ModelPage | None = next((p for p in pages if isinstance(p, ModelPage) and type(p).__name__ == name), None)
    if page is None or not page.allowed("can_export"):
        raise RuleError(_("You may not export this list any more."))
    return page
