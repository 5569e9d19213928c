"""导入记录: the sheets that a using unit uploads to its ledger: previewed, then imported, and undone for a day."""

from dataclasses import replace
from io import BytesIO
from typing import Any

from flask import abort, flash, g, redirect, render_template, request, url_for
from flask_appbuilder import expose
from flask_babel import gettext as _, lazy_gettext as _l
from sqlalchemy import and_, case, func

from app import files, spreadsheet
from app.domain import imports, ledger_sheets
from app.domain.imports import CHANGED, LEFT_OUT, NEW, REJECTED, UNCHANGED, VERDICTS
from app.domain.jobs import UNFINISHED
from app.domain.ledger_sheets import FOR_ALL, NUMBER, RANGE, Choices, Settings
from app.errors import RuleError, wants_fragment
from app.fabkit.actions import Selection, form_action, page_action
from app.fabkit.downloads import attachment
from app.fabkit.filters import is_number
from app.fabkit.formats import badge, moment
from app.fabkit.lists import Column, Source
from app.fabkit.pages import ModelPage, Section, Show
from app.fabkit.security import permitted
from app.models import Job, LedgerImport, db
from app.persons import Name
from app.texts import entered

OPEN, DONE, KEPT, UNDONE = "pending", "done", "approved", "withdrawn"
STATES = {
    OPEN: _l("Not imported yet"),
    DONE: _l("Imported, can be undone"),
    KEPT: _l("Imported"),
    UNDONE: _l("Undone"),
}
VERDICT_LABELS = {
    NEW: _l("To add"),
    CHANGED: _l("To change"),
    UNCHANGED: _l("Unchanged"),
    REJECTED: _l("With problems"),
    LEFT_OUT: _l("Left out"),
}
HIDDEN = {"leave_out": _l("Leave them out"), "take": _l("Import them too")}
_UNDONE_WITHIN = func.make_interval(0, 0, 0, 0, 0, 0, imports.UNDONE_WITHIN.total_seconds())
_STATE = case(
    (LedgerImport.undone_at.is_not(None), UNDONE),
    (and_(LedgerImport.applied_at.is_not(None), LedgerImport.applied_at > func.now() - _UNDONE_WITHIN), DONE),
    (LedgerImport.applied_at.is_not(None), KEPT),
    else_=OPEN,
)
# The columns of a preview: which instrument it is, then in the order of the form.
_SHOWN = ("name", "serial_no", "catalogue_item_id", "model", RANGE, "accuracy_class", "manufacturer", "region_code",
          "use_place", "purpose", "delivery", "origin", "started_on", "type_approval_no")  # fmt: skip


class LedgerImports(ModelPage):
    """导入记录."""

    route_base = "/ledger-imports"
    class_permission_name = "LedgerImports"
    list_title = _l("Imports into the ledger")
    subtitle = _l("Each sheet is previewed before it is imported. An import can be undone for 24 hours, as long as "
                  "nothing was done with its instruments.")  # fmt: skip
    empty = _l("No sheet has been uploaded yet. Upload one in the ledger of instruments.")
    styles = ("imports.css",)
    source = Source(LedgerImport, key=LedgerImport.id, descending=True)
    columns = (
        Column("state", _l("State"), _STATE, badge(STATES), css="nowrap", fixed=True),
        Column("name", _l("File"), LedgerImport.name, fixed=True),
        Column("rows", _l("Rows"), LedgerImport.rows, css="number"),
        Column("entered", _l("Entered"), LedgerImport.numbers[NEW].as_integer(), css="number"),
        Column("changed", _l("Changed"), LedgerImport.numbers[CHANGED].as_integer(), css="number"),
        Column("by", _l("Uploaded by"), LedgerImport.by_name, css="nowrap"),
        Column("created_at", _l("Uploaded at"), LedgerImport.created_at, moment, css="nowrap"),
        Column("applied_at", _l("Imported at"), LedgerImport.applied_at, moment, css="nowrap"),
        Column("undone_at", _l("Undone at"), LedgerImport.undone_at, moment, css="nowrap"),
    )  # fmt: skip
    extra = {"state": _STATE}  # noqa: RUF012

    def details(self, row_id: int) -> Show | None:
        found = imports.find(row_id)
        if found is None:
            return None
        facts = [
            (_l("File"), found.name),
            (_l("Rows"), found.rows),
            (_l("Uploaded by"), Name(found.by_name)),
            (_l("Uploaded at"), moment(found.created_at)),
            (_l("Imported at"), moment(found.applied_at)),
            (_l("Entered"), found.numbers.get(NEW)),
            (_l("Changed"), found.numbers.get(CHANGED)),
            (_l("Undone at"), moment(found.undone_at)),
        ]
        state = _state_of(found)
        return Show(id=row_id, title=found.name, state=state, state_badge=badge(STATES)(state),
                    sections=[Section("", facts)])  # fmt: skip

    @page_action("open", _l("Open"), icon="file-spreadsheet", permission="can_show")
    def open_sheet(self, row_id: int) -> str:
        return url_for(".sheet", pk=row_id)

    @form_action("undo", _l("Undo the import"), icon="arrow-back-up", style="danger", single=True,
                 states=frozenset({DONE}), template="ledger/undo_import.html", context="named")  # fmt: skip
    def undo(self, selection: Selection, _form: Any) -> str:
        return imports.undo(selection.only_id(), g.principal) or abort(404)

    def named(self, selection: Selection, _form: Any) -> dict[str, Any]:
        return {"kept": imports.find(selection.only_id()) or abort(404)}

    # --- one sheet

    @expose("/sheet/<pk>", methods=["GET"])
    @permitted("show")
    def sheet(self, pk: str) -> Any:
        """How a sheet is read, and what it would do."""
        return self._sheet(self._found(pk))

    @expose("/settings/<pk>", methods=["POST"])
    @permitted("import")
    def settings(self, pk: str) -> Any:
        """Read a sheet as it is said from now on."""
        kept = self._found(pk, hold=True)
        problem = None
        try:
            imports.read_as(kept, _posted(kept))
            imports.preview(kept, g.principal)
        except RuleError as refusal:
            db.session.rollback()
            kept, problem = self._found(pk), str(refusal)
        db.session.commit()
        if not wants_fragment():
            flash(*((problem, "danger") if problem else (_("Read again."), "success")))
            return redirect(url_for(".sheet", pk=pk), code=303)
        return self._sheet(kept, problem), 422 if problem else 200

    @expose("/settings/<pk>", methods=["GET"])
    @permitted("show")
    def settings_again(self, pk: str) -> Any:
        """Who opens the address of the form anew sees the sheet."""
        return redirect(url_for(".sheet", pk=self._found(pk).id), code=303)

    @expose("/check/<pk>", methods=["POST"])
    @permitted("import")
    def check(self, pk: str) -> Any:
        """Let the worker check a long sheet."""
        try:
            imports.ask(self._found(pk, hold=True), g.principal, apply_it=False)
        except RuleError as refusal:
            return self._with_refusal(pk, refusal)
        db.session.commit()
        return redirect(url_for(".sheet", pk=pk), code=303)

    @expose("/apply/<pk>", methods=["POST"])
    @permitted("import")
    def apply(self, pk: str) -> Any:
        """Take a sheet into the ledger, as the preview showed it."""
        kept = self._found(pk, hold=True)
        try:
            done = None if self._reads_anew(kept) else self._apply(kept)
        except RuleError as refusal:
            return self._with_refusal(pk, refusal)
        db.session.commit()
        if done is None:
            text = _("The preview is not what you have seen any more. Nothing was imported; please check it again.")
            return self._sheet(kept, text), 422
        flash(done, "success")
        return redirect(url_for(".sheet", pk=pk), code=303)

    def _reads_anew(self, kept: LedgerImport) -> bool:
        """Whether the form says otherwise than the preview was made by: a change on its way, or in another window."""
        said = _posted(kept)
        if kept.applied_at or said == Settings.of(kept.settings):
            return False
        imports.read_as(kept, said)
        imports.preview(kept, g.principal)
        return True

    def _apply(self, kept: LedgerImport) -> str | None:
        if kept.rows is not None and kept.rows <= imports.AT_ONCE:
            return imports.apply(kept, g.principal)
        imports.ask(kept, g.principal, apply_it=True)
        return _("The sheet is being imported. You may leave this page; it goes on.")

    @expose("/discard/<pk>", methods=["POST"])
    @permitted("import")
    def discard(self, pk: str) -> Any:
        """Forget a sheet that is not to be imported."""
        try:
            imports.discard(self._found(pk, hold=True))
        except RuleError as refusal:
            return self._with_refusal(pk, refusal)
        db.session.commit()
        flash(_("The sheet was discarded."), "success")
        return redirect(url_for("Ledger.index"), code=303)

    @expose("/problems/<pk>", methods=["GET"])
    @permitted("show")
    def problems(self, pk: str) -> Any:
        """A sheet as it came, with what is wrong beside each row."""
        kept = self._found(pk)
        job = db.session.get(Job, kept.job_id) if kept.job_id else None
        if job and job.file:
            return attachment(files.path(job.file), job.file_name or "")
        if not kept.file or kept.rows is None or kept.rows > imports.AT_ONCE:
            abort(404)
        file = BytesIO()
        imports.hand_back(kept, g.principal, file)
        file.seek(0)
        return attachment(file, imports.name_with_problems(kept), spreadsheet.KINDS["xlsx"])

    def _found(self, pk: str, *, hold: bool = False) -> LedgerImport:
        return imports.find(self.listed_id(pk), hold=hold) or abort(404)

    def _with_refusal(self, pk: str, refusal: RuleError) -> tuple[str, int]:
        """The sheet as it was before, and why it stays so."""
        db.session.rollback()
        return self._sheet(self._found(pk), str(refusal)), 422

    def _sheet(self, kept: LedgerImport, problem: str | None = None) -> str:
        state = _state_of(kept)
        job = db.session.get(Job, kept.job_id) if kept.job_id else None
        shown = {
            "page": self, "kept": kept, "state": state, "state_badge": badge(STATES)(state), "problem": problem,
            "job": job, "is_working": job is not None and job.state in UNFINISHED,
            "is_open": wants_fragment(),
            "actions": [each for each in self._buttons(self.details(kept.id)) if each["name"] == "undo"],
            "may_import": self.allowed("can_import"),
        }  # fmt: skip
        if kept.preview and not kept.applied_at:
            shown |= _reading(kept) | _preview(kept)
        template = "ledger/_import_sheet.html" if wants_fragment() else "ledger/import_sheet.html"
        return render_template(template, **shown)


def _state_of(kept: LedgerImport) -> str:
    if kept.undone_at:
        return UNDONE
    if kept.applied_at is None:
        return OPEN
    return DONE if imports.can_be_undone(kept) else KEPT


# --- How a sheet is read -------------------------------------------------------------------------


def _reading(kept: LedgerImport) -> dict[str, Any]:
    """What the form shows of how a sheet is read."""
    choices, settings = ledger_sheets.choices_for(g.principal), Settings.of(kept.settings)
    labels = {each.name: each.label for each in ledger_sheets.readable(choices)}
    samples = kept.preview["samples"] if kept.preview else []
    lacking = ledger_sheets.lacking(settings, choices)
    wanted = {*settings.for_all, *(each.name for each in lacking)}
    for_all = [name for name in FOR_ALL if name in wanted]
    if NUMBER in settings.columns.values():  # what is known already lacks nothing
        lacking = []
    held = settings.columns
    return {
        "settings": settings,
        "labels": labels,
        "columns": [
            {"number": number, "header": header.strip("*"), "sample": samples[number] if number < len(samples) else "",
             "field": held.get(number, "")}
            for number, header in enumerate(settings.headers)
            if header or number in held or (number < len(samples) and samples[number])
        ],
        "fields": list(labels.items()),
        "for_all": [
            {"name": name, "label": labels[name], "value": settings.for_all.get(name, ""),
             "options": _options(name, choices)}
            for name in for_all if name not in held.values()
        ],
        "lacking": [each.label for each in lacking],
        "unknown": [
            header.strip("*") for number, header in enumerate(settings.headers) if header and number not in held
        ],
        "hidden_choices": HIDDEN,
    }  # fmt: skip


def _options(name: str, choices: Choices) -> list[tuple[str, str]]:
    """What can be chosen for all new instruments, with its words; empty where anything may be written."""
    match name:
        case "region_code":
            return [(choices.counties[full], full) for full in ledger_sheets.near(choices)]
        case "catalogue_item_id":
            return [(str(id), choices.word(name, id)) for id in choices.items]
        case "purpose" | "origin" | "delivery":
            return [(code, str(word)) for code, word in ledger_sheets.WORDS[name].items()]
        case _:
            return []


def _posted(kept: LedgerImport) -> Settings:
    """How the sheet is read as the form says it; refused with the field that does not fit."""
    choices, before = ledger_sheets.choices_for(g.principal), Settings.of(kept.settings)
    known = {each.name: each.label for each in ledger_sheets.readable(choices)}
    columns: dict[int, str] = {}
    for number in range(len(before.headers)):
        name = request.form.get(f"column_{number}", "")
        if name in columns.values():
            raise RuleError(_("Two columns are mapped to “%(field)s”. Leave one of them out.", field=known[name]))
        if name in known:
            columns[number] = name
    row = request.form.get("header_row", "")
    if not is_number(row) or not 1 <= int(row) <= ledger_sheets.MOST_ROWS:
        raise RuleError(_("Please give the row in which the names of the columns stand."))
    return replace(
        before, sheet=request.form.get("sheet", before.sheet), header_row=int(row), columns=columns,
        for_all=_for_all(choices), file_now="file_now" in request.form,
        hidden=request.form.get("hidden", "") if request.form.get("hidden") in HIDDEN else "",
    )  # fmt: skip


def _for_all(choices: Choices) -> dict[str, str]:
    said = {name: entered(request.form.get(f"for_all_{name}", "")) for name in FOR_ALL}
    said = {name: text for name, text in said.items() if text}
    for name, text in said.items():
        if not ledger_sheets.is_choice(name, text, choices):
            raise RuleError(_("“%(text)s” is not one of the choices.", text=text[:40]))
    return said


# --- What it would do ----------------------------------------------------------------------------


def _preview(kept: LedgerImport) -> dict[str, Any]:
    preview = kept.preview or {}
    numbers, shown = preview["numbers"], request.args.get("show", "")
    if shown not in VERDICTS or not numbers[shown]:
        shown = next((each for each in (REJECTED, CHANGED, NEW) if numbers[each]), "")
    rows = preview["shown"].get(shown, preview["first"]) if preview["whole"] else preview["first"]
    changed = {name for row in rows for name in row.get("was", {})}
    told = [name for name in _SHOWN if name in changed or any(row["cells"].get(name) for row in rows)]
    told = told[:2] + sorted(told[2:], key=lambda name: name not in changed)
    return {
        "preview": preview,
        "tabs": [(each, VERDICT_LABELS[each], numbers[each]) for each in VERDICTS if numbers[each]],
        "shown": shown,
        "rows": rows,
        "told": told,
        "verdicts": VERDICT_LABELS,
        "more": max(numbers.get(shown, 0) - len(rows), 0) if preview["whole"] else 0,
        "against": imports.against_import(kept),
    }
