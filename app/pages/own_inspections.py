"""对本单位的监督检查: what was found at one's own institution or using unit, and what one has put right."""

from typing import Any

from flask import abort, g
from flask_babel import gettext as _, lazy_gettext as _l
from flask_wtf.file import MultipleFileField
from wtforms import TextAreaField
from wtforms.validators import DataRequired, Length

from app.domain import inspections, photos
from app.domain.inspections import LONGEST_TEXT, SHORTEST_TEXT
from app.fabkit.actions import Selection, form_action, page_action
from app.fabkit.filters import Choice
from app.fabkit.formats import day
from app.fabkit.forms import Form, trimmed
from app.fabkit.lists import Column, Source
from app.models import Inspection
from app.pages import inspections as inspection_pages
from app.pages.inspections import InspectionPage
from app.states import CLOSED, INSPECTION_LABELS, TO_RECHECK, TO_RECTIFY

TOLD = {state: INSPECTION_LABELS[state] for state in (TO_RECTIFY, TO_RECHECK, CLOSED)}


class AnswerForm(Form):
    statement = TextAreaField(
        _l("What has been put right"),
        [
            DataRequired(_l("Please say what has been put right.")),
            Length(SHORTEST_TEXT, LONGEST_TEXT, _l("Please write %(min)d to %(max)d characters.")),
        ],
        filters=[trimmed],
        description=_l("Point by point; the office looks at it again."),
    )
    photos = MultipleFileField(
        _l("Photos"),
        render_kw={"accept": "image/jpeg,image/png,image/webp", "multiple": True},
        description=_l("JPEG, PNG or WebP; they are made smaller, and place and time are taken out."),
    )


class OwnInspections(InspectionPage):
    """对本单位的监督检查."""

    route_base = "/own-inspections"
    class_permission_name = "OwnInspections"
    list_title = _l("Inspections of us")
    subtitle = _l("What the authority found here. What is to be put right has a deadline.")
    empty = _l("Nothing has been found here yet.")
    source = Source(
        Inspection,
        key=Inspection.planned_on,
        joins=inspection_pages.OFFICES,
        first=lambda: Inspection.state == TO_RECTIFY,
        descending=True,
    )
    columns = (
        inspection_pages.STATE,
        inspection_pages.NO,
        inspection_pages.TASK,
        inspection_pages.KIND,
        Column("target", _l("Object"), Inspection.target),
        Column("inspected_on", _l("Inspected on"), Inspection.inspected_on, day, css="nowrap"),
        inspection_pages.CONCLUSION,
        inspection_pages.DUE_ON,
        inspection_pages.OFFICE,
        inspection_pages.INSPECTORS,
    )
    extra = {"state": Inspection.state}  # noqa: RUF012 -- declared once per page, as Flask-AppBuilder does
    filters = (Choice("state", _l("State"), Inspection.state, TOLD), inspection_pages.BY_CONCLUSION)

    @form_action("answer", _l("Report the rectification"), icon="send", style="primary", form=AnswerForm, single=True,
                 states=frozenset({TO_RECTIFY}), template="inspections/answer.html", context="asked",
                 most_bytes=inspections.MOST_PHOTOS * photos.MOST_BYTES)  # fmt: skip
    def answer(self, selection: Selection, form: AnswerForm) -> str:
        pictures = [each for each in form.photos.data or () if each]
        if not inspections.answer(selection.only_id(), form.statement.data or "", pictures, g.principal):
            abort(404)
        return _("Reported. The office will look at it again.")

    @page_action("report", _l("Inspection report"), icon="file-download", permission="report")
    def report(self, row_id: int) -> str:
        return self.report_url(row_id)

    def asked(self, selection: Selection, _form: Any) -> dict[str, Any]:
        """What is to be put right, above what is written."""
        found = inspections.find(selection.only_id()) or abort(404)
        return {"dialog": {"summary": f"{found.no} {found.task}"}, "found": found}
