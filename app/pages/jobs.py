"""后台任务: the long work one asked for, how far it is, and what came out of it."""

from typing import Any

from flask import abort, g, url_for
from flask_appbuilder import expose
from flask_babel import gettext as _, lazy_gettext as _l
from markupsafe import Markup
from sqlalchemy import Text, case, cast, func, literal

from app import files
from app.domain import jobs
from app.domain.jobs import UNFINISHED
from app.fabkit.actions import Selection, form_action
from app.fabkit.downloads import attachment
from app.fabkit.formats import badge, label, moment
from app.fabkit.lists import Column, Source
from app.fabkit.pages import ModelPage
from app.fabkit.security import permitted
from app.models import Job, db
from app.states import BROKEN, CANCELLED, DONE, RUNNING, WAITING

# How a running job is shown while no worker is at it.
INTERRUPTED = "interrupted"
STATES = {
    WAITING: _l("Waiting"),
    RUNNING: _l("Running"),
    DONE: _l("Done"),
    BROKEN: _l("Failed"),
    CANCELLED: _l("Cancelled"),
    INTERRUPTED: _l("Interrupted, goes on soon"),
}
KINDS = {
    "import_instruments": _l("Import of instruments"),
    "change_instruments": _l("Instruments to be changed in a sheet"),
    "record_results": _l("Results by sheet"),
    "import_institutions": _l("Import of institutions"),
    "import_catalogue": _l("Catalogue by sheet"),
    "import_standards": _l("Import of measurement standards"),
    "change_standards": _l("Changes of measurement standards by sheet"),
    "certificate_documents": _l("Certificates as PDF"),
    "certificate_zip": _l("Certificates as one file"),
    "export": _l("Export of a list"),
    "monthly_report": _l("Monthly report"),
}


def _progress(value: str | None) -> Any:
    """A bar as far as the work has come."""
    done, _slash, total = (value or "").partition("/")
    if not total or total == "0":
        return ""
    return _BAR.format(total, done)


_BAR = Markup('<progress max="{0}" value="{1}"></progress> <span class="nowrap">{1} / {0}</span>')
_SHOWN_STATE = case((jobs.is_interrupted(), literal(INTERRUPTED)), else_=Job.state)
_FILE = case((Job.file.is_not(None), func.concat(cast(Job.id, Text), literal(" "), Job.file_name)))


def _file(value: str | None) -> Any:
    id, _space, name = (value or "").partition(" ")
    return Markup('<a href="{}">{}</a>').format(url_for("Jobs.file", pk=id), name) if name else ""


class Jobs(ModelPage):
    """后台任务."""

    route_base = "/jobs"
    class_permission_name = "Jobs"
    list_title = _l("My jobs")
    subtitle = _l("Long work goes on by itself; you may leave this page. Results are kept for seven days.")
    empty = _l("You have not asked for long work yet.")
    scripts = ("jobs.js",)
    source = Source(Job, key=Job.id, where=lambda: [Job.account_id == g.principal.account_id], descending=True)
    columns = (
        Column("state", _l("State"), _SHOWN_STATE, badge(STATES), css="nowrap", fixed=True),
        Column("kind", _l("Job"), Job.kind, label(KINDS), fixed=True),
        Column("progress", _l("Progress"), func.concat(Job.done, literal("/"), Job.total), _progress, css="nowrap"),
        Column("message", _l("Result"), Job.message, css="wide"),
        Column("file", _l("Result file"), _FILE, _file),
        Column("created_at", _l("Asked at"), Job.created_at, moment, css="nowrap"),
        Column("finished_at", _l("Finished at"), Job.finished_at, moment, css="nowrap"),
    )  # fmt: skip
    extra = {"state": Job.state}  # noqa: RUF012

    @form_action("cancel", _l("Cancel the job"), icon="x", style="danger", single=True, states=frozenset(UNFINISHED))
    def cancel(self, selection: Selection, _form: Any) -> str:
        stopped = jobs.cancel(selection.only_id(), g.principal)
        return _("The job is cancelled.") if stopped else _("The job had ended already.")

    @expose("/file/<pk>", methods=["GET"])
    @permitted("download")
    def file(self, pk: str) -> Any:
        """The file that came out of a job of one's own."""
        job = db.session.get_one(Job, self.listed_id(pk))
        if job.file is None:
            abort(404)
        jobs.tell_fetched(job, g.principal)
        db.session.commit()
        return attachment(files.path(job.file), job.file_name or "")
