"""地方监督检查情况: planned or drawn, recorded on the spot, concluded, put right, looked at again, published."""

from collections.abc import Mapping
from datetime import date
from io import BytesIO
from types import SimpleNamespace
from typing import Any

from flask import abort, g, request, send_file
from flask_appbuilder import expose
from flask_babel import gettext as _, lazy_gettext as _l, ngettext
from flask_wtf.file import FileRequired, MultipleFileField
from markupsafe import Markup
from sqlalchemy.orm import aliased
from wtforms import (
    DateField,
    Field,
    HiddenField,
    RadioField,
    SelectField,
    SelectMultipleField,
    StringField,
    TextAreaField,
)
from wtforms.fields.choices import SelectChoice  # pyright: ignore[reportAttributeAccessIssue]  # newer than its stubs
from wtforms.validators import DataRequired, InputRequired, Length, NumberRange, Optional

from app import audit, files
from app.domain import catalogue, checklists, draws, holidays, inspections, photos, regions
from app.domain.checklists import FOUND, ITEMS
from app.domain.draws import FEWEST_INSPECTORS, MOST_DRAWN, MOST_INSPECTORS, Conditions
from app.domain.inspections import LONGEST_REASON, LONGEST_TEXT, SHORTEST_REASON, Record
from app.fabkit.actions import Selection, form_action, page_action
from app.fabkit.downloads import attachment
from app.fabkit.filters import Begins, Choice, Contains, Dates, Lookup, Search, Switch, in_own
from app.fabkit.formats import badge, day, due, label, moment
from app.fabkit.forms import CascadeField, Form, IntegerField, SearchSelectField, reason_field, trimmed
from app.fabkit.lists import Column, Source
from app.fabkit.pages import ModelPage, Section, Show, Table
from app.fabkit.security import permitted
from app.models import Inspection, Organization, db
from app.pages import outcomes
from app.pages.options import PLACES, by_region
from app.pages.publications import RevokeForm
from app.persons import Name
from app.states import (
    CONCLUDE,
    CONCLUDED_INSPECTION,
    INSPECTION_LABELS,
    NOT_CONCLUDED,
    OPEN_RECTIFICATION,
    PUBLICATION_LABELS,
)
from app.texts import entered
from app.workflow import Outcome

TARGETS = {
    "institution": _l("Institution"),
    "standard": _l("Measurement standard"),
    "using_unit": _l("Using unit"),
    "instrument": _l("Instrument"),
}
CONCLUSIONS = {
    "conforms": _l("All conforms"),
    "does_not_conform": _l("Does not conform"),
    "rectify": _l("Ordered to rectify"),
    "stop": _l("Ordered to stop"),
}
WHOSE = {"mine": _l("Mine to inspect"), "office": _l("Of our office")}
DUE = {"near": _l("Deadline in 3 days"), "past": _l("Past the deadline")}

state_badge = badge(INSPECTION_LABELS)
conclusion_badge = badge(CONCLUSIONS)
Office = aliased(Organization, name="office")


def conclusion(value: str | None) -> Any:
    """符合, 不符合 ...; nothing before it was concluded."""
    return conclusion_badge(value) if value else ""


conclusion.sheet = conclusion_badge.sheet  # type: ignore[attr-defined]


# --- Forms ---------------------------------------------------------------------------------------


def _task_field() -> StringField:
    return StringField(
        _l("Inspection task"),
        [DataRequired(_l("Please name the task.")), Length(2, 100)],
        filters=[trimmed],
        description=_l("E.g. the yearly inspection of measurement standards."),
    )


def _planned_field() -> DateField:
    return DateField(_l("Planned inspection day"), [InputRequired(_l("Please give the day."))], default=holidays.today)


def _party_name(id: int) -> str | None:
    found = inspections.party(id, g.principal)
    return found.name if found else None


def _item_name(id: int) -> str | None:
    return catalogue.names([id]).get(str(id))


class PlanForm(Form):
    task = _task_field()
    party_id = SearchSelectField(
        _l("Inspected party"),
        options_url="/inspections/parties",
        find=_party_name,
        placeholder=_l("Search by name"),
        validators=[InputRequired(_l("Please choose an institution or a using unit of your jurisdiction."))],
    )
    planned_on = _planned_field()
    inspectors = SelectMultipleField(_l("Inspectors (at least two)"), coerce=int, validate_choice=False)


class DrawForm(Form):
    task = _task_field()
    kind = SelectField(_l("What is inspected"), choices=[SelectChoice(*pair) for pair in TARGETS.items()])
    region_code = CascadeField(_l("Region"), levels=PLACES, options_url="/options/regions", find=regions.way_to)
    item_id = SearchSelectField(
        _l("Only instruments of a kind"),
        options_url="/options/catalogue-items",
        find=_item_name,
        placeholder=_l("Search by name"),
    )
    months = IntegerField(
        _l("Not inspected for (months)"),
        [InputRequired(_l("Please give a number.")), NumberRange(0, 120)],
        default=12,
        description=_l("Whoever was inspected since is not drawn; 0 draws among all."),
    )
    number = IntegerField(
        _l("How many are drawn"), [InputRequired(_l("Please give a number.")), NumberRange(1, MOST_DRAWN)], default=5
    )
    inspectors = IntegerField(
        _l("Inspectors for each"),
        [InputRequired(_l("Please give a number.")), NumberRange(FEWEST_INSPECTORS, MOST_INSPECTORS)],
        default=FEWEST_INSPECTORS,
    )
    planned_on = _planned_field()
    seed = StringField(
        _l("Seed"),
        [Length(max=64)],
        filters=[trimmed],
        description=_l(
            "Empty: the system rolls the dice. Or e.g. numbers drawn before witnesses; it is noted that it was given."
        ),
    )

    def conditions(self) -> Conditions:
        return Conditions(
            kind=self.kind.data,
            region_code=self.region_code.data or "",
            months=self.months.data or 0,
            catalogue_item_id=self.item_id.row_id if self.kind.data == "instrument" else None,
        )


class ChecklistField(Field):
    """What was found of each item. The template draws it; items not looked at yet are left out."""

    def process(self, formdata: Any, data: Any = None, extra_filters: Any = None) -> None:
        self.process_errors = []
        if formdata is None:
            self.data = list(data or ())
            return
        items = [name.removeprefix("check-") for name in formdata if name.startswith("check-")]
        self.data = [
            {
                "item": item,
                "found": formdata.get(f"check-{item}", ""),
                "remark": entered(formdata.get(f"remark-{item}", "")),
            }
            for item in dict.fromkeys(items)
        ]


class RecordForm(Form):
    """检查记录, filled in on the spot."""

    inspected_on = DateField(_l("Inspected on"), [InputRequired(_l("Please give the day."))])
    accompanied_by = StringField(_l("Accompanied by"), [Length(max=60)], filters=[trimmed])
    inspectors = SelectMultipleField(_l("Inspectors (at least two)"), coerce=int, validate_choice=False)
    checklist = ChecklistField(_l("Checklist"))
    findings = TextAreaField(_l("What else was found"), [Length(max=LONGEST_TEXT)], filters=[trimmed])
    revision = HiddenField()

    def record(self) -> Record:
        return Record(
            inspected_on=self.inspected_on.data or date.max,
            accompanied_by=self.accompanied_by.data or "",
            checklist=tuple(self.checklist.data or ()),
            findings=self.findings.data or "",
            inspectors=tuple(self.inspectors.data or ()),
        )


class PhotosForm(Form):
    photos = MultipleFileField(
        _l("Photos"),
        [FileRequired(_l("Please choose a photo."))],
        render_kw={"accept": "image/jpeg,image/png,image/webp", "multiple": True},
        description=_l("JPEG, PNG or WebP; they are made smaller, and place and time are taken out."),
    )


class ConcludeForm(Form):
    conclusion = RadioField(
        _l("Finding"),
        [InputRequired(_l("Please choose the conclusion."))],
        choices=[SelectChoice(*pair) for pair in CONCLUSIONS.items()],
    )
    issues = TextAreaField(
        _l("What does not conform"),
        [Length(max=LONGEST_TEXT)],
        filters=[trimmed],
        description=_l("Mandatory unless all conforms; the inspected party reads it."),
    )
    due_on = DateField(
        _l("To be put right by"),
        [Optional()],
        description=_l("Mandatory for an order. Without it the inspection is closed at once."),
    )
    revision = HiddenField()


class RecheckForm(Form):
    passed = RadioField(
        _l("Result of the re-check"),
        [InputRequired(_l("Please choose the result."))],
        choices=[
            SelectChoice("yes", _l("Put right: close")),
            SelectChoice("no", _l("Not put right: another deadline")),
        ],
    )
    text = reason_field(
        _l("What was found at the re-check"),
        SHORTEST_REASON,
        LONGEST_REASON,
        (_l("All points have been put right."), _l("The points have been put right only in part.")),
    )
    due_on = DateField(_l("Another deadline"), [Optional()], description=_l("Only if it was not put right."))
    revision = HiddenField()


class CancelForm(Form):
    reason = reason_field(
        _l("Reason for calling off"),
        SHORTEST_REASON,
        LONGEST_REASON,
        (
            _l("The party has closed or moved away."),
            _l("An inspector has an interest in the party."),
            _l("It was planned twice."),
        ),
    )


# --- What both sides see -------------------------------------------------------------------------


class InspectionPage(ModelPage):
    """A list of inspections: each opens to everything about it, with its photos and its report."""

    styles = ("supervision.css",)

    @expose("/report/<pk>", methods=["GET"])
    @permitted("show")
    def report_file(self, pk: str) -> Any:
        """The report as PDF."""
        found = self._seen(pk)
        if not self.allowed("report"):
            abort(404)
        content = inspections.report(found, g.principal)
        db.session.commit()
        name = f"{_('Inspection report')}-{found.no}.pdf"
        return attachment(BytesIO(content), name, "application/pdf")

    @expose("/photo/<pk>/<filename>", methods=["GET"])
    @permitted("show")
    def photo(self, pk: str, filename: str) -> Any:
        """A picture taken on the spot, or sent by the party."""
        seen = self._seen(pk)
        name = inspections.photo(seen, filename)
        if name is None:
            abort(404)
        audit.record("open", "photo", seen.id, seen.no)
        db.session.commit()
        answer = send_file(files.path(name), mimetype="image/jpeg", max_age=3600)
        answer.cache_control.private = True
        return answer

    def _seen(self, pk: str) -> Inspection:
        return inspections.find(self.listed_id(pk)) or abort(404)

    def report_url(self, row_id: int) -> str:
        """Where the report of an inspection is fetched."""
        return f"{self.route_base}/report/{self._seen(str(row_id)).id}"

    def details(self, row_id: int) -> Show | None:
        found = inspections.find(row_id)
        if found is None:
            return None
        return Show(
            id=found.id,
            title=f"{found.no} {found.party}",
            state=found.state,
            state_badge=state_badge(found.state),
            sections=[
                Section(_l("Inspection"), _plan(found)),
                *self._spot(found),
                *self._conclusion(found),
                *self._rectification(found),
            ],
            tables=[_checklist(found)] if found.checklist else [],
            timeline=_timeline(found),
        )

    def _spot(self, found: Inspection) -> list[Section]:
        if found.inspected_on is None:
            return []
        facts = [
            (_l("Inspected on"), day(found.inspected_on)),
            (_l("Accompanied by"), found.accompanied_by),
            (_l("What else was found"), found.findings),
            *self._pictures(found, found.photos),
        ]
        return [Section(_l("On the spot"), facts)]

    def _conclusion(self, found: Inspection) -> list[Section]:
        if found.conclusion is None:
            return []
        facts = [
            (_l("Finding"), conclusion(found.conclusion)),
            (_l("What does not conform"), found.issues),
            (_l("To be put right by"), _due(found)),
            (_l("Concluded at"), moment(found.concluded_at)),
            (_l("Publication"), label(PUBLICATION_LABELS)(found.publication)),
        ]
        return [Section(_l("Finding"), facts)]

    def _rectification(self, found: Inspection) -> list[Section]:
        if not (found.statement or found.recheck):
            return []
        facts = [
            (_l("What has been put right"), found.statement),
            (_l("Reported by"), found.statement_by),
            (_l("Reported at"), moment(found.statement_at)),
            *self._pictures(found, found.statement_photos),
            (_l("What was found at the re-check"), found.recheck),
            (_l("Re-checked on"), day(found.rechecked_on)),
        ]
        return [Section(_l("Rectification"), facts)]

    def _pictures(self, found: Inspection, names: list[str]) -> list[tuple[Any, Any]]:
        shown = [_PICTURE.format(f"{self.route_base}/photo/{found.id}/{name}", _l("Photo")) for name in names]
        return [(_l("Photos"), Markup("").join(shown))] if shown else []


_PICTURE = Markup(
    '<a class="photo" href="{0}" target="_blank" rel="noopener"><img src="{0}" alt="{1}" loading="lazy"></a>'
)


def _plan(found: Inspection) -> list[tuple[Any, Any]]:
    office = db.session.get(Organization, found.authority_id)
    drawn = found.draw is not None
    return [
        (_l("Inspection task"), found.task),
        (_l("What is inspected"), label(TARGETS)(found.kind)),
        (_l("Inspected party"), found.party),
        *([(_l("Object"), found.target)] if found.target != found.party else []),
        (_l("Inspecting office"), office.name if office else None),
        (_l("Inspectors"), Name("、".join(each["name"] for each in found.inspectors))),
        (_l("Planned inspection day"), day(found.planned_on)),
        (_l("How it was chosen"), _("By random draw") if drawn else _("Planned by itself")),
    ]


def _due(found: Inspection) -> Any:
    return due(near=inspections.NEAR.days)(found.due_on) if found.state in OPEN_RECTIFICATION else day(found.due_on)


def _checklist(found: Inspection) -> Table:
    rows = [[checklists.word(found.kind, row), badge(FOUND)(row["found"]), row["remark"]] for row in found.checklist]
    return Table(_l("Checklist"), [_l("Item"), _l("Found"), _l("Remark")], rows)


_LABELS = {**INSPECTION_LABELS, **PUBLICATION_LABELS}
_STYLES = {"conclude": "warning", "recheck": "success", "recheck_failed": "danger", "cancel": "danger",
           "publish": "success", "revoke": "warning"}  # fmt: skip


def _timeline(found: Inspection) -> list[dict[str, Any]]:
    how = _("Drawn at random") if found.draw_id else _("Planned")
    begun = {
        "at": moment(found.planned_at),
        "step": how,
        "by": found.planned_by,
        "to_label": INSPECTION_LABELS["planned"],
    }
    return [begun, *outcomes.timeline("inspection", found.id, _LABELS, _STYLES)]


def told(done: str, outcome: Outcome) -> str:
    """Both numbers: what was done, and what was left."""
    return outcomes.told(done, outcome, _LEFT)


_LEFT = _l("%(number)s were left as they were: in another state, or not of your office.")

NO = Column("no", _l("Inspection no."), Inspection.no, css="nowrap", fixed=True)
STATE = Column("state", _l("State"), Inspection.state, state_badge, css="nowrap", fixed=True)
TASK = Column("task", _l("Inspection task"), Inspection.task)
KIND = Column("kind", _l("What is inspected"), Inspection.kind, label(TARGETS), css="nowrap")
CONCLUSION = Column("conclusion", _l("Finding"), Inspection.conclusion, conclusion, css="nowrap")
DUE_ON = Column("due_on", _l("To be put right by"), Inspection.due_on, day, css="nowrap")
OFFICE = Column("office", _l("Inspecting office"), Office.name)
INSPECTORS = Column("inspectors", _l("Inspectors"), inspections.inspectors_of())
BY_CONCLUSION = Choice("conclusion", _l("Finding"), Inspection.conclusion, CONCLUSIONS)
OFFICES = ((Office, Office.id == Inspection.authority_id),)


# --- The office ----------------------------------------------------------------------------------


def _whose(value: str) -> Any:
    return inspections.is_mine(g.principal) if value == "mine" else inspections.own(g.principal)


def _by_due(value: str) -> Any:
    today = holidays.today()
    open_ = Inspection.state.in_(sorted(OPEN_RECTIFICATION))
    if value == "past":
        return open_ & (Inspection.due_on < today)
    return open_ & Inspection.due_on.between(today, today + inspections.NEAR)


class Inspections(InspectionPage):
    """地方监督检查情况."""

    route_base = "/inspections"
    class_permission_name = "Inspections"
    list_title = _l("Local inspections")
    subtitle = _l("What is planned or under way comes first; the inspected party sees it once it is concluded.")
    empty = _l("No inspection matches.")
    source = Source(
        Inspection,
        key=Inspection.planned_on,
        joins=OFFICES,
        first=lambda: Inspection.state.in_(sorted(NOT_CONCLUDED)),
        descending=True,
    )
    columns = (
        STATE,
        NO,
        TASK,
        KIND,
        Column("party", _l("Inspected party"), Inspection.party, fixed=True),
        Column("target", _l("Object"), Inspection.target, hidden=True),
        INSPECTORS,
        Column("planned_on", _l("Planned inspection day"), Inspection.planned_on, day, css="nowrap", sortable=True),
        CONCLUSION,
        DUE_ON,
        OFFICE,
        Column("publication", _l("Publication"), Inspection.publication, badge(PUBLICATION_LABELS), css="nowrap"),
        Column("inspected_on", _l("Inspected on"), Inspection.inspected_on, day, css="nowrap", hidden=True),
        Column("issues", _l("What does not conform"), Inspection.issues, css="wide", hidden=True),
    )
    extra = {"state": Inspection.state}  # noqa: RUF012 -- declared once per page, as Flask-AppBuilder does
    filters = (
        Choice("state", _l("State"), Inspection.state, INSPECTION_LABELS),
        Choice("kind", _l("What is inspected"), Inspection.kind, TARGETS),
        BY_CONCLUSION,
        Switch("whose", _l("Whose"), None, WHOSE, multiple=False, conditions=_whose),
        Switch("due", _l("Deadline"), None, DUE, multiple=False, conditions=_by_due),
        by_region(lambda code: Inspection.region_code.startswith(regions.prefix(code))),
        Lookup("party", _l("Inspected party"), lambda id: Inspection.party_id == id, "/inspections/parties",
               _party_name),
        Dates("planned", _l("Planned inspection day"), Inspection.planned_on, to_come=True),
    )  # fmt: skip
    search = Search(
        (
            in_own("no", _l("Inspection no."), Begins(Inspection.no)),
            in_own("party", _l("Inspected party"), Contains(Inspection.party)),
            in_own("task", _l("Inspection task"), Contains(Inspection.task)),
        ),
        placeholder=_l("Search"),
    )

    @expose("/parties", methods=["GET"])
    @permitted("list")
    def parties(self) -> Any:
        """Institutions and using units that can be inspected, by name."""
        term = request.args.get("q", "").strip()[:100]
        found = [
            each for kind in ("institution", "using_unit") for each in inspections.parties(kind, term, g.principal)
        ]
        options = [{"value": str(each.id), "label": f"{each.name}（{TARGETS[each.kind]}）"} for each in found]
        return {"options": options}

    # --- planning

    @form_action("draw", _l("Draw at random"), icon="sparkles", style="primary", form=DrawForm, without=True,
                 size="lg", template="inspections/draw.html", submit=_l("Draw"), context="pool")  # fmt: skip
    def draw(self, _selection: Selection, form: DrawForm) -> str:
        made = draws.plan(
            form.task.data or "",
            form.planned_on.data or date.min,
            form.conditions(),
            form.number.data or 0,
            form.inspectors.data or 0,
            g.principal,
            form.seed.data or "",
        )
        return _("Drew %(number)s among %(among)s.", number=made.number, among=len(made.candidates))

    @form_action("add", _l("Plan one"), icon="plus", form=PlanForm, without=True, permission="can_add",
                 template="inspections/plan.html", submit=_l("Save"), context="pool")  # fmt: skip
    def add(self, _selection: Selection, form: PlanForm) -> str:
        who, party_id = draws.pool(g.principal), form.party_id.row_id or 0
        party = inspections.party(party_id, g.principal)
        inspections.plan(
            form.task.data or "",
            party.kind if party else "",
            party_id,
            form.planned_on.data or date.min,
            {id: who[id] for id in form.inspectors.data or () if id in who},
            g.principal,
        )
        return _("Planned. The inspectors have been told.")

    def pool(self, _selection: Selection, form: Any) -> dict[str, Any]:
        chosen = set(form.inspectors.data or ()) if isinstance(form, PlanForm) else set[int]()
        return {"people": _people(draws.pool(g.principal), chosen)}

    # --- on the spot

    @form_action("inspect", _l("Record the inspection"), icon="clipboard-list", style="primary", form=RecordForm,
                 states=NOT_CONCLUDED, single=True, size="xl", template="inspections/record.html", submit=_l("Save"),
                 context="asked")  # fmt: skip
    def inspect(self, selection: Selection, form: RecordForm) -> str:
        names, revision = draws.pool(g.principal), form.revision.data or ""
        if not inspections.inspect(selection.only_id(), form.record(), revision, g.principal, names):
            abort(404)
        found = self._one(selection)
        left = checklists.missing(found.kind, found.checklist)
        return _("Saved.") if not left else _("Saved; %(number)s items are still to be looked at.", number=left)

    def asked(self, selection: Selection, form: RecordForm) -> dict[str, Any]:
        """The checklist with what was found so far, and who can inspect."""
        found = self._own(selection)
        planned = {each["id"]: each["name"] for each in found.inspectors if each["id"]}
        by_item = {each["item"]: each for each in form.checklist.data or ()}
        items = [
            {"code": code, "text": text, "found": by_item.get(code, {}).get("found", ""),
             "remark": by_item.get(code, {}).get("remark", "")}
            for code, text in ITEMS[found.kind].items()
        ]  # fmt: skip
        people = planned | draws.pool(g.principal)
        return {
            "dialog": {"summary": f"{found.party} · {found.task}"},
            "items": items,
            "words": FOUND,
            "people": _people(people, set(form.inspectors.data or ())),
        }

    @form_action("add_photos", _l("Add photos"), icon="camera", form=PhotosForm, single=True, permission="inspect",
                 states=NOT_CONCLUDED, submit=_l("Save"),
                 most_bytes=inspections.MOST_PHOTOS * photos.MOST_BYTES)  # fmt: skip
    def add_photos(self, selection: Selection, form: PhotosForm) -> str:
        count = inspections.add_photos(selection.only_id(), form.photos.data or [], g.principal)
        if count is None:
            abort(404)
        return ngettext("It has %(num)s photo now.", "It has %(num)s photos now.", count)

    # --- concluding and after

    @form_action("conclude", _l("Conclude"), icon="check", form=ConcludeForm, states=CONCLUDE.sources, single=True,
                 template="inspections/conclude.html", context="summed_up")  # fmt: skip
    def conclude(self, selection: Selection, form: ConcludeForm) -> str:
        issues, due_on, revision = form.issues.data or "", form.due_on.data, form.revision.data or ""
        if not inspections.conclude(selection.only_id(), form.conclusion.data, issues, due_on, revision, g.principal):
            abort(404)
        return _("Concluded. The inspected party has been told.")

    def summed_up(self, selection: Selection, _form: Any) -> dict[str, Any]:
        """What the checklist says, above the conclusion."""
        found = self._own(selection)
        failing = [
            (checklists.word(found.kind, row), row["remark"]) for row in found.checklist if row["found"] == "fails"
        ]
        left = checklists.missing(found.kind, found.checklist)
        return {"dialog": {"summary": f"{found.party} · {found.task}"}, "failing": failing, "left": left}

    @form_action("recheck", _l("Re-check"), icon="refresh", form=RecheckForm, states=OPEN_RECTIFICATION, single=True,
                 template="inspections/recheck.html", submit=_l("Save"), context="answered")  # fmt: skip
    def recheck(self, selection: Selection, form: RecheckForm) -> str:
        passed, revision = form.passed.data == "yes", form.revision.data or ""
        text, due_on = form.text.data or "", form.due_on.data
        if not inspections.recheck(selection.only_id(), passed, text, due_on, revision, g.principal):
            abort(404)
        return _("Closed.") if passed else _("The inspected party has another deadline.")

    def answered(self, selection: Selection, _form: Any) -> dict[str, Any]:
        found = self._own(selection)
        return {"dialog": {"summary": f"{found.party} · {found.task}"}, "found": found, "until": _due(found)}

    @form_action("cancel", _l("Call off"), icon="ban", style="danger", form=CancelForm, states=NOT_CONCLUDED)
    def cancel(self, selection: Selection, form: CancelForm) -> str:
        outcome = inspections.cancel(selection.ids, form.reason.data or "", g.principal)
        return told(_("Called off %(done)s inspections.", done=outcome.done), outcome)

    @form_action("publish", _l("Publish"), icon="world", states=CONCLUDED_INSPECTION)
    def publish(self, selection: Selection, _form: Any) -> str:
        outcome = inspections.publish(selection.ids, g.principal)
        return told(_("Published %(done)s inspections.", done=outcome.done), outcome)

    @form_action("revoke", _l("Revoke publication"), icon="world-off", style="danger", form=RevokeForm,
                 states=CONCLUDED_INSPECTION)  # fmt: skip
    def revoke(self, selection: Selection, form: RevokeForm) -> str:
        outcome = inspections.revoke(selection.ids, form.reason.data or "", g.principal)
        return told(_("Revoked the publication of %(done)s inspections.", done=outcome.done), outcome)

    @page_action("report", _l("Inspection report"), icon="file-download", permission="report")
    def report(self, row_id: int) -> str:
        return self.report_url(row_id)

    def prefill(self, declared: Any, selection: Selection) -> Any:
        if declared.name == "draw":
            return SimpleNamespace(region_code=g.principal.region_code)
        if declared.name not in ("inspect", "conclude", "recheck"):
            return None
        found = self._own(selection)
        if declared.name != "inspect":
            return SimpleNamespace(revision=found.revision, due_on=None)
        return SimpleNamespace(
            inspected_on=found.inspected_on or holidays.today(),
            accompanied_by=found.accompanied_by,
            inspectors=[each["id"] for each in found.inspectors],
            checklist=found.checklist,
            findings=found.findings,
            revision=found.revision,
        )

    def _one(self, selection: Selection) -> Inspection:
        return inspections.find(selection.only_id()) or abort(404)

    def _own(self, selection: Selection) -> Inspection:
        """The chosen inspection, if one's office works on it."""
        found = self._one(selection)
        return found if found.authority_id == g.principal.organization_id else abort(404)


def _people(known: Mapping[int, str], chosen: set[int]) -> list[dict[str, Any]]:
    return [{"id": id, "name": name, "chosen": id in chosen} for id, name in known.items()]
