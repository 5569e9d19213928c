"""社公标录入: the measurement standards of the institutions of a jurisdiction, as they are entered and changed."""

from collections import Counter
from datetime import timedelta
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

from flask import abort, g
from flask_appbuilder import expose
from flask_babel import gettext as _, lazy_gettext as _l, ngettext
from flask_wtf.file import MultipleFileField
from markupsafe import Markup
from sqlalchemy import select
from wtforms import DateField, HiddenField, SelectField, StringField, TextAreaField
from wtforms.fields.choices import SelectChoice  # pyright: ignore[reportAttributeAccessIssue]  # newer than its stubs
from wtforms.validators import DataRequired, InputRequired, Length, NumberRange, Optional

from app import audit, files
from app.domain import (
    catalogue,
    holidays,
    institutions,
    regions,
    standard_documents,
    standard_sheets,
    standards,
    traces,
)
from app.domain.ledger import range_text
from app.domain.standard_documents import MOST, MOST_BYTES
from app.domain.standards import HIGHEST, LONGEST, LONGEST_REASON, OTHER, SHORTEST_REASON, TOLD, Entry
from app.domain.traces import MOST_CERTIFICATES
from app.fabkit.actions import Selection, form_action, page_action, show_action
from app.fabkit.downloads import attachment
from app.fabkit.filters import Choice, Contains, ContainsChinese, Search, Switch, in_own, is_number
from app.fabkit.formats import badge, due, label, moment
from app.fabkit.forms import Form, IntegerField, SearchSelectField, SearchSelectManyField, reason_field, trimmed
from app.fabkit.lists import Column, Source
from app.fabkit.pages import DONE_BY, ModelPage, Section, Show, Table
from app.fabkit.security import permitted
from app.models import MeasurementStandard, Organization, db
from app.pages import outcomes, sheets
from app.pages.options import by_institution, by_region
from app.pages.outcomes import WHO
from app.states import (
    ABOLISH,
    CHANGE_STANDARD,
    SEAL,
    STANDARD_LABELS,
    STEP_LABELS,
    SUBMIT_STANDARD,
    SUBMITTED,
    SUPERSEDED,
    TASK_LABELS,
    UNFINISHED,
)
from app.workflow import Outcome

NEAR = 183
MOST_CELLS = 300
CATEGORIES = {
    "length": _l("Length"),
    "thermal": _l("Thermal"),
    "mechanics": _l("Mechanics"),
    "electromagnetism": _l("Electromagnetism"),
    "optics": _l("Optics"),
    "chemistry": _l("Chemistry"),
    "acoustics": _l("Acoustics"),
    "radiation": _l("Ionizing radiation"),
    "frequency": _l("Time and frequency"),
    "radio": _l("Radio"),
}
RANKS = {HIGHEST: _l("Highest standard"), OTHER: _l("Other standard")}
ENDING = {"30": _l("Ends in 30 days"), "183": _l("Ends in six months"), "over": _l("Expired")}
VERSIONS = {"all": _l("With earlier versions")}
TITLES = {
    "name": _l("Measurement standard"),
    "code": _l("Code of the standard"),
    "certificate_no": _l("Examination certificate no."),
    "issuer": _l("Issued by"),
    "issued_on": _l("Issued on"),
    "valid_until": _l("Examination valid until"),
    "public_certificate_no": _l("Public standard certificate no."),
    "public_issuer": _l("Public certificate issued by"),
    "public_issued_on": _l("Public certificate issued on"),
    "public_valid_until": _l("Public certificate valid until"),
    "service_area": _l("Area where it holds"),
    "authorization_no": _l("Authorization no."),
    "examined_by": _l("Examination presided by"),
    "examined_with": _l("Examination carried out by"),
    "measuring_range": _l("Measuring range"),
    "uncertainty": _l("Uncertainty, class or largest error"),
    "category": _l("Field"),
    "keeper": _l("Person in charge"),
    "rank": _l("Rank"),
    "kinds": _l("Kinds it verifies"),
    "warn_days": _l("Days of warning"),
    "remark": _l("Remark"),
}


def _mandatory(name: str, **how: Any) -> StringField:
    checks = [DataRequired(_l("Please fill this in.")), Length(max=LONGEST[name])]
    return StringField(TITLES[name], checks, filters=[trimmed], **how)


def _optional(name: str, **how: Any) -> StringField:
    return StringField(TITLES[name], [Length(max=LONGEST[name])], filters=[trimmed], **how)


def _day(name: str) -> DateField:
    return DateField(TITLES[name], [InputRequired(_l("Please give the day."))])


class StandardForm(Form):
    """What is told of a standard, in the order of its two certificates."""

    institution_id = SearchSelectField(
        _l("Institution that set it up"),
        options_url="/options/institutions",
        find=institutions.name_of,
        placeholder=_l("Search by name"),
        validators=[InputRequired(_l("Please choose an institution of your jurisdiction."))],
    )
    name = _mandatory("name")
    code = _mandatory("code", description=_l("By JJF 1022, e.g. 12315000."))
    category = SelectField(TITLES["category"], choices=[SelectChoice(*pair) for pair in CATEGORIES.items()])
    rank = SelectField(TITLES["rank"], choices=[SelectChoice(*pair) for pair in ({"": "—"} | RANKS).items()])
    measuring_range = _mandatory("measuring_range")
    uncertainty = _mandatory("uncertainty")
    keeper = _mandatory("keeper")
    kinds = SearchSelectManyField(
        TITLES["kinds"], options_url="/options/catalogue-items", find=lambda ids: catalogue.names([*map(int, ids)]),
        placeholder=_l("Search by name"),
    )  # fmt: skip
    certificate_no = _mandatory("certificate_no")
    issuer = _mandatory("issuer")
    issued_on, valid_until = _day("issued_on"), _day("valid_until")
    examined_by = _mandatory("examined_by")
    examined_with = _optional("examined_with")
    public_certificate_no = _mandatory("public_certificate_no")
    public_issuer = _mandatory("public_issuer")
    public_issued_on, public_valid_until = _day("public_issued_on"), _day("public_valid_until")
    service_area = _mandatory("service_area")
    authorization_no = _mandatory("authorization_no")
    warn_days = IntegerField(
        TITLES["warn_days"], [Optional(), NumberRange(1, 1000)],
        description=_l("Beside the warnings at six months and at one."),
    )  # fmt: skip
    remark = TextAreaField(TITLES["remark"], [Length(max=LONGEST["remark"])], filters=[trimmed])
    documents = MultipleFileField(
        _l("Scans"),
        description=_l("PDF, JPEG or PNG; %(most)s at most, of %(size)s MB each.", size=MOST_BYTES // 2**20, most=MOST),
        render_kw={"accept": ".pdf,.jpg,.jpeg,.png"},
    )
    revision = HiddenField()

    def entry(self) -> Entry:
        told = {name: self[name].data for name in TOLD if name != "kinds"}
        for name in ("rank", "examined_with", "remark"):
            told[name] = told[name] or None
        return Entry(**told, kinds=tuple(int(id) for id in self.kinds.data if is_number(str(id))))

    def uploads(self) -> list[Any]:
        return [each for each in self.documents.data or [] if each and each.filename]


class SealForm(Form):
    reason = reason_field(
        _l("Reason"),
        SHORTEST_REASON,
        LONGEST_REASON,
        (
            _l("The instruments of the standard are being repaired or replaced."),
            _l("The surroundings no longer meet the requirements."),
            _l("There is nobody qualified any more."),
            _l("The verification is no longer carried out."),
        ),
    )


class ImportForm(Form):
    file = sheets.sheet_field(
        _l("Filled sheet"),
        description=_l("An .xlsx, .xls or .csv file of at most %(size)s MB and %(rows)s rows.",
                       size=standard_sheets.MOST_BYTES // 2**20, rows=standard_sheets.MOST_ROWS),
    )  # fmt: skip


class ChangesForm(Form):
    """First the sheet; then, when its changes have been looked at, the go-ahead for what was kept of it."""

    file = sheets.sheet_field(
        _l("Changed sheet"),
        mandatory=False,
        description=_l("The sheet that “Export for changes” gave you. You see every change before it is made."),
    )
    preview = HiddenField()


# In the order of the form.
WORDS = standard_sheets.Words({name: TITLES[name] for name in vars(StandardForm) if name in TITLES}, CATEGORIES, RANKS)


def _ending(value: str) -> Any:
    today, end = holidays.today(), standards.valid_until()
    return end < today if value == "over" else end.between(today, today + timedelta(days=int(value)))


class Standards(ModelPage):
    """社公标录入."""

    route_base = "/standards"
    class_permission_name = "Standards"
    list_title = _l("Entry of measurement standards")
    subtitle = _l("Enter, submit for review, change. What is in force holds until a change of it has passed.")
    empty = _l("No measurement standard matches.")
    source = Source(
        MeasurementStandard,
        key=MeasurementStandard.id,
        joins=((Organization, Organization.id == MeasurementStandard.institution_id),),
        where=lambda: [standards.of_jurisdiction(g.principal)],
        descending=True,
    )
    columns = (
        Column("state", _l("State"), MeasurementStandard.state, badge(STANDARD_LABELS), css="nowrap", fixed=True),
        Column("name", TITLES["name"], MeasurementStandard.name, fixed=True),
        Column("institution", _l("Institution"), Organization.name),
        Column("code", TITLES["code"], MeasurementStandard.code, css="nowrap"),
        Column("rank", TITLES["rank"], MeasurementStandard.rank, label(RANKS), css="nowrap"),
        Column("measuring_range", TITLES["measuring_range"], MeasurementStandard.measuring_range, css="narrow"),
        Column("uncertainty", TITLES["uncertainty"], MeasurementStandard.uncertainty, css="narrow"),
        Column("certificate_no", TITLES["certificate_no"], MeasurementStandard.certificate_no, css="nowrap"),
        Column("valid_until", TITLES["valid_until"], MeasurementStandard.valid_until, due(near=NEAR), css="nowrap"),
        Column("public_certificate_no", TITLES["public_certificate_no"], MeasurementStandard.public_certificate_no,
               css="nowrap"),
        Column("public_valid_until", TITLES["public_valid_until"], MeasurementStandard.public_valid_until,
               due(near=NEAR), css="nowrap"),
        Column("category", TITLES["category"], MeasurementStandard.category, label(CATEGORIES), hidden=True),
        Column("keeper", TITLES["keeper"], MeasurementStandard.keeper, hidden=True),
        Column("reason", _l("Reason"), MeasurementStandard.reason, css="wide"),
    )  # fmt: skip
    extra = {"state": MeasurementStandard.state}  # noqa: RUF012
    filters = (
        Choice("state", _l("State"), MeasurementStandard.state, STANDARD_LABELS),
        Choice("category", TITLES["category"], MeasurementStandard.category, CATEGORIES),
        Choice("rank", TITLES["rank"], MeasurementStandard.rank, RANKS, multiple=False),
        by_institution(lambda id: MeasurementStandard.institution_id == id),
        by_region(lambda code: MeasurementStandard.institution_id.in_(_at(code))),
        Switch("ending", _l("Validity"), None, ENDING, multiple=False, conditions=_ending),
        Switch("version", _l("Versions"), None, VERSIONS, multiple=False,
               conditions=lambda _all: MeasurementStandard.id.is_not(None),
               otherwise=lambda: MeasurementStandard.state != SUPERSEDED),
    )  # fmt: skip
    search = Search(
        (
            in_own("name", TITLES["name"], ContainsChinese(MeasurementStandard.name)),
            in_own("certificate_no", TITLES["certificate_no"], Contains(MeasurementStandard.certificate_no)),
        ),
        placeholder=_l("Search"),
    )

    def details(self, row_id: int) -> Show | None:
        found = standards.find(row_id, g.principal)
        return show(found) if found else None

    # --- entering

    @form_action("add", _l("Add"), icon="plus", style="primary", form=StandardForm, without=True,
                 template="standards/form.html", size="xl", submit=_l("Save"),
                 most_bytes=MOST * MOST_BYTES + 2**16)  # fmt: skip
    def add(self, _selection: Selection, form: StandardForm) -> str:
        scans = standard_documents.opened(form.uploads())
        new = standards.add(int(form.institution_id.data or 0), form.entry(), g.principal)
        standard_documents.add(new, scans, g.principal)
        return _("Saved as not reviewed. Submit it when it is complete.")

    @form_action(
        "edit",
        _l("Edit"),
        icon="edit",
        form=StandardForm,
        single=True,
        states=UNFINISHED | CHANGE_STANDARD.sources,
        template="standards/form.html",
        size="xl",
        submit=_l("Save"),
        context="asked",
        most_bytes=MOST * MOST_BYTES + 2**16,
    )
    def edit(self, selection: Selection, form: StandardForm) -> str:
        scans = standard_documents.opened(form.uploads())
        written = standards.edit(selection.only_id(), form.entry(), form.revision.data or "", g.principal)
        if written is None:
            abort(404)
        standard_documents.add(written, scans, g.principal)
        if written.id != selection.only_id():
            return _("Saved as a change. Submit it; what is in force holds until it has passed.")
        return _("Saved.")

    def prefill(self, declared: Any, selection: Selection) -> Any:
        if declared.name != "edit":
            return None
        found = standards.find(selection.only_id(), g.principal) or abort(404)
        told = {name: getattr(found, name) for name in TOLD}
        same = {"institution_id": found.institution_id, "revision": found.revision}
        return SimpleNamespace(**{**told, **same, "kinds": [str(id) for id in found.kinds]})

    def asked(self, selection: Selection, _form: StandardForm) -> dict[str, Any]:
        found = standards.find(selection.only_id(), g.principal) or abort(404)
        return {"edited": found, "unfinished": found.state in UNFINISHED}

    @form_action("delete", _l("Delete"), icon="trash", style="danger", states=UNFINISHED)
    def delete(self, selection: Selection, _form: Any) -> str:
        count = standards.delete_unapproved(selection.ids, g.principal)
        return ngettext("Deleted %(num)s row.", "Deleted %(num)s rows.", count)

    @form_action("submit", _l("Submit"), icon="send", states=SUBMIT_STANDARD.sources)
    def submit(self, selection: Selection, _form: Any) -> str:
        outcome = standards.submit(selection.ids, g.principal)
        return told(_("Submitted %(done)s measurement standards.", done=outcome.done), outcome)

    @form_action("recall", _l("Recall"), icon="arrow-back-up", states=frozenset({SUBMITTED}))
    def recall(self, selection: Selection, _form: Any) -> str:
        outcome = standards.recall(selection.ids, g.principal)
        return told(_("Recalled %(done)s measurement standards.", done=outcome.done), outcome)

    @form_action("seal", _l("Seal up"), icon="lock", style="danger", form=SealForm, states=SEAL.sources)
    def seal(self, selection: Selection, form: SealForm) -> str:
        outcome = standards.seal(selection.ids, form.reason.data or "", g.principal)
        return told(_("Sealed up %(done)s measurement standards.", done=outcome.done), outcome)

    @form_action("abolish", _l("Abolish"), icon="ban", style="danger", form=SealForm, states=ABOLISH.sources)
    def abolish(self, selection: Selection, form: SealForm) -> str:
        outcome = standards.abolish(selection.ids, form.reason.data or "", g.principal)
        return told(_("Abolished %(done)s measurement standards.", done=outcome.done), outcome)

    @show_action("view", _l("Show"), icon="eye", template="show_dialog.html", size="xl")
    def view(self, row_id: int) -> dict[str, Any]:
        found = show(standards.find(row_id, g.principal) or abort(404))
        return {"show": found, "dialog": {"summary": found.title}}

    @show_action("reviews", _l("Review record"), icon="history", template="table_dialog.html", size="lg")
    def reviews(self, row_id: int) -> dict[str, Any]:
        found = standards.find(row_id, g.principal) or abort(404)
        rows = [
            [STEP_LABELS[event.step], moment(event.at), WHO(event.by_name), event.by_organization, event.reason]
            for event in standards.reviews(found)
        ]
        heads = [_("Step"), _("Time"), DONE_BY, _("Organization of the person"), _("Opinion")]
        return {"table": Table("", heads, rows, _("No review is on record."))}

    @page_action("trace", _l("Trace its certificates"), icon="certificate", permission="can_show")
    def trace(self, row_id: int) -> str:
        found = standards.find(row_id, g.principal) or abort(404)
        return f"/traces/?standard={found.replaces_id or found.id}"

    # --- by sheet

    @form_action("export_for_changes", _l("Export for changes"), icon="file-spreadsheet",
                 template="standards/take_sheet.html", submit=_l("Download"))  # fmt: skip
    def export_for_changes(self, selection: Selection, _form: Any) -> Any:
        content, number = standard_sheets.sheet_for_changes(selection.ids, WORDS, g.principal)
        text = _("%(number)s measurement standards, to be changed and sent back.", number=number)
        return sheets.fetched(standard_sheets.CHANGES, content, _("Measurement standards"), text)

    @form_action("import_changes", _l("Import changes"), icon="refresh", form=ChangesForm, without=True, size="xl",
                 template="standards/changes.html", submit=_l("Look at the changes"),
                 most_bytes=standard_sheets.MOST_BYTES + 2**16)  # fmt: skip
    def import_changes(self, _selection: Selection, form: ChangesForm) -> Any:
        sheet, preview = form.file.data, form.preview.data or ""
        form.preview.data = ""
        if sheet:
            return self._looked_at(form, sheet.stream, sheet.filename)
        kept = standard_sheets.looked_at(int(preview) if is_number(preview) else 0, g.principal)
        with files.path(kept.asked["sheet"]).open("rb") as stream:
            return self._looked_at(form, stream, kept.asked["name"], kept)

    def _looked_at(self, form: ChangesForm, stream: Any, name: str, kept: Any = None) -> Any:
        """The changes of a sheet to look at; made, if they are those that were looked at in the sheet that was kept."""
        incoming = standard_sheets.read(stream, name, WORDS)
        changes = standard_sheets.check_changes(incoming, WORDS, g.principal)
        if changes.problems:
            what = standard_sheets.hand_back(incoming, changes.problems)
            return sheets.handed_back(self, "import_changes", form, standard_sheets.CHANGES, what, changes.problems)
        if kept is not None and kept.asked["mark"] == changes.mark:
            return standard_sheets.apply(changes, kept, g.principal)
        if not changes.rows:
            return self.dialog_again("import_changes", form, {"unchanged": changes.unchanged}), 200
        new = standard_sheets.keep(stream, name, changes, g.principal)
        form.preview.data = str(new.id)
        shown = _preview(changes, new.message, again=kept is not None)
        db.session.commit()
        return self.dialog_again("import_changes", form, shown), 200

    @form_action("import", _l("Import"), icon="upload", form=ImportForm, without=True, size="lg",
                 template="standards/import.html", most_bytes=standard_sheets.MOST_BYTES + 2**16)  # fmt: skip
    def import_sheet(self, _selection: Selection, form: ImportForm) -> Any:
        sheet = form.file.data
        incoming = standard_sheets.read(sheet.stream, sheet.filename, WORDS)
        checked = standard_sheets.check_new(incoming, WORDS, g.principal)
        if checked.problems:
            what = standard_sheets.hand_back(incoming, checked.problems)
            return sheets.handed_back(self, "import", form, standard_sheets.NEW, what, checked.problems)
        count = standard_sheets.enter(checked, sheet.filename, g.principal)
        return ngettext(
            "Imported %(num)s measurement standard, not reviewed yet.",
            "Imported %(num)s measurement standards, not reviewed yet.",
            count,
        )

    @expose("/template", methods=["GET"])
    @permitted("list")
    def empty_sheet(self) -> Any:
        """The sheet in which new standards are written."""
        return sheets.handed_out(standard_sheets.template(WORDS, g.principal), _("Measurement standards to import"))

    @expose("/document/<pk>", methods=["GET"])
    @permitted("show")
    def document(self, pk: str) -> Any:
        """A scan of a standard of one's jurisdiction."""
        found = standard_documents.find(int(pk), g.principal) if is_number(pk) else None
        if found is None:
            abort(404)
        audit.record("open", "document", found.id, found.name)
        db.session.commit()
        return attachment(files.path(found.file), found.name, standard_documents.MEDIA[found.kind])


def _at(code: str) -> Any:
    return select(Organization.id).where(Organization.region_code.startswith(regions.prefix(code)))


def _preview(changes: standard_sheets.Changes, summary: str | None, *, again: bool) -> dict[str, Any]:
    """What a sheet would change: how many cells of each column, and the first of them one by one."""
    said = standard_sheets.Vocabulary(WORDS)
    cells = [
        [change.row, _named(change.standard), TITLES[name], *map(_cell, _both(change, name, said))]
        for change, name in changes.cells[:MOST_CELLS]
    ]
    return {
        "preview": summary,
        "again": again,
        "columns": [(TITLES[name], count) for name, count in Counter(name for _c, name in changes.cells).items()],
        "heads": [_("Row"), _("Measurement standard"), _("What changed"), _("Before"), _("After")],
        "cells": cells,
        "more": len(changes.cells) - len(cells),
        "dialog": {"submit_label": _("Make these changes")},
    }


def _both(change: standard_sheets.Change, name: str, said: standard_sheets.Vocabulary) -> tuple[Any, Any]:
    return said.worded(name, getattr(change.before, name)), said.worded(name, change.told[name])


def _cell(value: Any) -> Any:
    return "—" if value in (None, "") else value


def _named(standard: MeasurementStandard) -> Any:
    return Markup("<span>{}<br><small>{}</small></span>").format(standard.name, standard.certificate_no)


def told(done: str, outcome: Outcome) -> str:
    """Both numbers: what was done, and what was left."""
    return outcomes.told(done, outcome, _LEFT)


_LEFT = _l("%(number)s were left as they were: they are in another state, or not yours to do.")


def show(found: MeasurementStandard) -> Show:
    """Everything about a standard; of a change what it changes stands beside it."""
    before = standards.in_force(found) if found.state != SUPERSEDED else None
    tables = [_comparison(before, found)] if before else []
    return Show(
        id=found.id,
        title=found.name,
        state=found.state,
        state_badge=badge(STANDARD_LABELS)(found.state),
        sections=[Section("", _facts(found))],
        tables=[*tables, *_related(found)],
        timeline=outcomes.timeline("measurement_standard", found.id, STANDARD_LABELS, _STYLES),
    )


_STYLES = {"pass": "success", "change": "success", "send_back": "danger", "seal": "warning", "abolish": "danger",
           "expire": "warning"}  # fmt: skip


def _facts(found: MeasurementStandard) -> list[tuple[Any, Any]]:
    facts = [(_l("Institution that set it up"), institutions.name_of(found.institution_id))]
    facts += [(TITLES[name], worded(name, getattr(found, name))) for name in TOLD]
    facts += [(_l("Certificates in force that name it"), _certificates(found)), (_l("Reason"), found.reason)]
    return [(name, value) for name, value in facts if value]


def _certificates(found: MeasurementStandard) -> str:
    number = traces.certificates_in_force(found.replaces_id or found.id)
    return f"{MOST_CERTIFICATES}+" if number > MOST_CERTIFICATES else str(number)


def worded(name: str, value: Any) -> Any:
    """A value of a standard in the words of the page."""
    match name:
        case "category":
            return label(CATEGORIES)(value) if value else None
        case "rank":
            return label(RANKS)(value) if value else None
        case "kinds":
            return "、".join(catalogue.names(value).values()) if value else None
        case "valid_until" | "public_valid_until":
            return due(near=NEAR)(value)
        case _:
            return value


def _comparison(before: MeasurementStandard, after: MeasurementStandard) -> Table:
    rows = [
        [TITLES[name], worded(name, getattr(before, name)), worded(name, getattr(after, name))]
        for name in standards.differences(before, after)
    ]
    return Table(_l("What changes"), [_l("What changed"), _l("Before"), _l("After")], rows, _l("Nothing is changed."))


def _affected(found: MeasurementStandard) -> Table:
    heads = [_l("State"), _l("Appointment no."), _l("Instrument"), _l("Serial no."), _l("Using unit"), _l("Deadline")]
    rows = [
        [badge(TASK_LABELS)(each.state), each.no, each.name, each.serial_no, each.applicant, due(near=3)(each.due_on)]
        for each in traces.open_tasks(found)
    ]
    return Table(_l("Open tasks that need it, at most 50"), heads, rows, _l("None."))


def _related(found: MeasurementStandard) -> list[Table]:
    resting = [
        [name, range_text(each.range_low, each.range_high, each.range_unit), each.accuracy_class, each.regulation]
        for each, name in standards.resting_on(found.id)
    ]
    heads = [_l("Kind"), _l("Measuring range"), _l("Accuracy class"), _l("Regulation")]
    earlier_ones = standards.versions(found.id)
    versions = [
        [TITLES[name], worded(name, getattr(earlier, name)), worded(name, getattr(later, name))]
        for later, earlier in pairwise([found, *earlier_ones])
        for name in standards.differences(earlier, later)
    ]
    scans = [
        [Markup('<a href="/standards/document/{}" download>{}</a>').format(each.id, each.name)]
        for each in standard_documents.of(found)
    ]
    tables = [Table(_l("Effective capabilities that rest on it"), heads, resting, _l("None.")), _affected(found)]
    if scans:
        tables.append(Table(_l("Scans"), [_l("File name")], scans))
    if versions:
        tables.append(Table(_l("Earlier versions"), [_l("What changed"), _l("Before"), _l("After")], versions))
    return tables
