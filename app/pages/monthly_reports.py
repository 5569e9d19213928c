"""每月报表: which statistics one wants each month by mail, of which region; and how they are made."""

import zipfile
from datetime import date, timedelta
from tempfile import TemporaryFile
from typing import Any
from urllib.parse import urlencode

from flask import abort, current_app, g
from flask_babel import gettext as _, lazy_gettext as _l, ngettext
from wtforms import SelectMultipleField
from wtforms.fields.choices import SelectChoice  # pyright: ignore[reportAttributeAccessIssue]  # newer than its stubs
from wtforms.widgets import CheckboxInput

from app import audit, files
from app.domain import jobs, monthly_reports, regions
from app.domain.jobs import Finished
from app.errors import RuleError
from app.fabkit.actions import FormAction, Selection, form_action
from app.fabkit.formats import moment
from app.fabkit.forms import CascadeField, Form
from app.fabkit.lists import Column, Source
from app.fabkit.pages import ModelPage
from app.models import Job, MonthlyReport, Region
from app.pages.options import PLACES
from app.pages.statistics import Asked, StatisticPage


def _offered() -> dict[str, StatisticPage]:
    """The statistics that the acting person may take away."""
    pages = current_app.extensions["kit"].baseviews
    return {
        page.class_permission_name: page
        for page in pages
        if isinstance(page, StatisticPage) and page.allowed("can_export")
    }


class StatisticsField(SelectMultipleField):
    """Some of the statistics, with a box to tick for each."""

    option_widget = CheckboxInput()

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.type = "RadioField"  # for the templates it looks like one


class ReportForm(Form):
    statistics = StatisticsField(
        _l("Which statistics"),
        choices=lambda: [SelectChoice(name, str(page.title)) for name, page in _offered().items()],
    )
    region_code = CascadeField(
        _l("Region"),
        levels=PLACES,
        options_url="/options/regions",
        find=regions.way_to,
        description=_l("If none is chosen: that of your organization."),
    )


def _titles(names: list[str]) -> str:
    titles = {
        page.class_permission_name: str(page.title)
        for page in current_app.extensions["kit"].baseviews
        if isinstance(page, StatisticPage)
    }
    return "、".join(titles.get(name, name) for name in names)


def _following(month: date) -> str:
    return f"{(month + timedelta(days=31)):%Y-%m}"


def _place(value: str | None) -> str:
    return value or _("That of my organization")


class MonthlyReports(ModelPage):
    """每月报表."""

    route_base = "/monthly-reports"
    class_permission_name = "MonthlyReports"
    list_title = _l("Monthly reports")
    subtitle = _l("On the first day of each month they come by mail and lie in your jobs for seven days.")
    empty = _l("You do not want any report yet.")
    source = Source(
        MonthlyReport,
        key=MonthlyReport.id,
        outer_joins=((Region, Region.code == MonthlyReport.region_code),),
        where=lambda: [MonthlyReport.account_id == g.principal.account_id],
    )
    columns = (
        Column("statistics", _l("Which statistics"), MonthlyReport.statistics, _titles, css="wide", fixed=True),
        Column("region", _l("Region"), Region.full_name, _place),
        Column("month", _l("The next is about"), MonthlyReport.month, _following, css="nowrap"),
        Column("mailed_at", _l("Last mailed at"), MonthlyReport.mailed_at, moment, css="nowrap"),
    )

    @form_action(
        "add", _l("Add"), icon="plus", style="primary", form=ReportForm, without=True, permission="can_add",
        submit=_l("Save"),
    )  # fmt: skip
    def add_report(self, _selection: Selection, form: ReportForm) -> str:
        monthly_reports.add(form.statistics.data or [], form.region_code.data or None, g.principal)
        return _("Added.")

    @form_action("edit", _l("Edit"), icon="edit", form=ReportForm, single=True, permission="can_edit",
                 submit=_l("Save"))  # fmt: skip
    def edit_report(self, selection: Selection, form: ReportForm) -> str:
        wanted, region_code = form.statistics.data or [], form.region_code.data or None
        if not monthly_reports.edit(selection.only_id(), wanted, region_code, g.principal):
            abort(404)
        return _("Saved.")

    def prefill(self, declared: FormAction, selection: Selection) -> MonthlyReport | None:
        if declared.name != "edit":
            return None
        return monthly_reports.find(selection.only_id(), g.principal) or abort(404)

    @form_action("delete", _l("Delete"), icon="trash", style="danger", permission="can_delete")
    def delete_reports(self, selection: Selection, _form: Any) -> str:
        gone = monthly_reports.drop(selection.ids, g.principal)
        return ngettext("Deleted %(num)s row.", "Deleted %(num)s rows.", gone)


# --- Made by the worker --------------------------------------------------------------------------


def make(job: Job) -> Finished:
    """The workbooks of a month, as the person may see them now; several in one file."""
    month, wanted = date.fromisoformat(job.asked["month"]), job.asked["statistics"]
    pages = [page for name, page in _offered().items() if name in wanted]
    if not pages:
        raise RuleError(_("You may not see these statistics any more."))
    code = monthly_reports.region_now(job.asked["region"], g.principal)
    asked = {"region": code, "from": f"{month:%Y-%m}", "to": f"{month:%Y-%m}"}
    books = {
        f"{page.title}-{month:%Y-%m}.xlsx": _made(page, page.asked(asked)) for page in jobs.step_by_step(job, pages)
    }
    text = ngettext("%(num)s workbook of %(month)s.", "%(num)s workbooks of %(month)s.", len(books),
                    month=f"{month:%Y-%m}")  # fmt: skip
    if len(books) == 1:
        (name, content), *_others = books.items()
        return Finished(text, files.keep(content), name)
    return Finished(text, _together(books), f"{_('Monthly reports')}-{month:%Y-%m}.zip")


def _made(page: StatisticPage, asked: Asked) -> bytes:
    found = page.found(asked)
    audit.record("export", "page", None, str(page.title), format="xlsx", filter=urlencode(asked.params),
                 rows=len(found.rows))  # fmt: skip
    return page.book(asked, found, found.rows)


def _together(books: dict[str, bytes]) -> str:
    with TemporaryFile() as file:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            for name, content in books.items():
                archive.writestr(name, content)
        return files.keep_stream(file)
