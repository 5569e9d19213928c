"""强制检定器具目录: the categories and kinds that must be verified, as a tree, with what was in force before."""

from datetime import date
from types import SimpleNamespace
from typing import Any

from flask import abort, g
from flask_appbuilder import expose
from flask_babel import gettext as _, lazy_gettext as _l
from sqlalchemy import case, func
from sqlalchemy.orm import aliased
from wtforms import DateField, HiddenField, SelectField, StringField, TextAreaField
from wtforms.fields.choices import SelectChoice  # pyright: ignore[reportAttributeAccessIssue]  # newer than its stubs
from wtforms.validators import DataRequired, InputRequired, Length, NumberRange, Optional

from app.domain import catalogue_sheets, catalogue_versions, holidays
from app.domain.catalogue_versions import Entry
from app.fabkit.actions import Selection, form_action
from app.fabkit.filters import Choice, ContainsChinese, Search, Switch, in_own
from app.fabkit.formats import badge, day, label, moment
from app.fabkit.forms import Form, IntegerField, trimmed
from app.fabkit.lists import Column, Source
from app.fabkit.pages import ModelPage, Section, Show, Table
from app.fabkit.security import permitted
from app.models import AnnouncedChange, CatalogueItem
from app.pages import outcomes, sheets
from app.pages.publications import PUBLICATION_STYLES, RevokeForm
from app.states import PUBLICATION_LABELS, PUBLISHED, UNPUBLISHED
from app.workflow import Outcome

SUPERVISIONS = {
    "P": _l("Type approval"),
    "V": _l("Mandatory verification"),
    "P+V": _l("Type approval and verification"),
}
LEVELS = {"1": _l("Category"), "2": _l("Kind")}
CONFIRMED = {"yes": _l("Confirmed"), "no": _l("To be confirmed")}
ANNOUNCED = {"yes": _l("Begins on a day to come")}
VERSIONS = {"old": _l("No longer in force")}


def _text(title: Any, longest: int, **how: Any) -> StringField:
    return StringField(title, [Length(max=longest)], filters=[trimmed], **how)


class ItemForm(Form):
    """A category or a kind; of a category the name alone is asked."""

    name = StringField(
        _l("Name of the entry"), [DataRequired(_l("Please give a name.")), Length(max=100)], filters=[trimmed]
    )
    valid_from = DateField(
        _l("In force from"),
        [InputRequired(_l("Please give the day."))],
        default=holidays.today,
        description=_l("Certificates of days before it keep what held then. A day to come announces the change."),
    )
    supervision = SelectField(_l("Supervision"), choices=[SelectChoice(*pair) for pair in SUPERVISIONS.items()],
                              default="P+V")  # fmt: skip
    verification_mode = _text(_l("Mode of verification"), 200, default="周期检定")
    cycle_months = IntegerField(
        _l("Verification cycle (months)"), [Optional(), NumberRange(1, 240)],
        description=_l("Empty where it is verified once, or the cycle differs."),
    )  # fmt: skip
    cycle_note = _text(_l("Remark on the cycle"), 100)
    range_units = _text(_l("Units of the measuring range"), 100, description=_l("With a semicolon between several."))
    accuracy_classes = _text(_l("Usual accuracy classes"), 300, description=_l("With a semicolon between several."))
    scope = TextAreaField(_l("Scope"), [Length(max=500)], filters=[trimmed])
    revision = HiddenField()

    def entry(self, is_kind: bool) -> Entry:
        name = self.name.data or ""
        if not is_kind:
            return Entry(name)
        return Entry(
            name=name,
            supervision=self.supervision.data,
            verification_mode=self.verification_mode.data or None,
            cycle_months=self.cycle_months.data,
            cycle_note=self.cycle_note.data or None,
            scope=self.scope.data or None,
            range_units=catalogue_versions.listed(self.range_units.data),
            accuracy_classes=catalogue_versions.listed(self.accuracy_classes.data),
        )


class ImportForm(Form):
    file = sheets.sheet_field(
        _l("Edited sheet"),
        description=_l("An .xlsx, .xls or .csv file of at most %(size)s MB and %(rows)s rows.",
                       size=catalogue_sheets.MOST_BYTES // 2**20, rows=catalogue_sheets.MOST_ROWS),
    )  # fmt: skip
    valid_from = DateField(
        _l("In force from"),
        [InputRequired(_l("Please give the day."))],
        default=holidays.today,
        description=_l("For every change and every new entry of the sheet."),
    )


Above = aliased(CatalogueItem, name="above")
_IN_TREE = case((CatalogueItem.level == 2, func.concat("　└ ", CatalogueItem.name)), else_=CatalogueItem.name)
_CONFIRMED = case((CatalogueItem.confirmed_at.is_(None), "no"), else_="yes")


class Catalogue(ModelPage):
    """强制检定器具目录."""

    route_base = "/catalogue"
    class_permission_name = "Catalogue"
    list_title = _l("Catalogue of mandatory verification")
    subtitle = _l("Categories and the kinds below them. Only what is confirmed can be published.")
    empty = _l("Nothing in the catalogue matches.")
    source = Source(
        CatalogueItem,
        key=catalogue_versions.place_in_tree(),
        outer_joins=(
            (Above, Above.id == CatalogueItem.parent_id),
            (AnnouncedChange, AnnouncedChange.item_id == CatalogueItem.id),
        ),
    )
    columns = (
        Column("publication", _l("Publication"), CatalogueItem.publication, badge(PUBLICATION_LABELS), css="nowrap",
               fixed=True),
        Column("name", _l("Name of the entry"), _IN_TREE, fixed=True),
        Column("supervision", _l("Supervision"), CatalogueItem.supervision, label(SUPERVISIONS), css="nowrap"),
        Column("mode", _l("Mode of verification"), CatalogueItem.verification_mode, css="narrow"),
        Column("cycle", _l("Cycle (months)"), CatalogueItem.cycle_months, css="number"),
        Column("cycle_note", _l("Remark on the cycle"), CatalogueItem.cycle_note, hidden=True),
        Column("scope", _l("Scope"), CatalogueItem.scope, css="wide"),
        Column("valid_from", _l("In force from"), CatalogueItem.valid_from, day, css="nowrap"),
        Column("valid_until", _l("In force until"), CatalogueItem.valid_until, day, css="nowrap", hidden=True),
        Column("announced", _l("Change announced for"), AnnouncedChange.valid_from, day, css="nowrap"),
        Column("confirmed", _l("Confirmation"), _CONFIRMED, badge(CONFIRMED), css="nowrap"),
        Column("published_at", _l("Published at"), CatalogueItem.published_at, moment, css="nowrap"),
        Column("category", _l("Category"), func.coalesce(Above.name, CatalogueItem.name), hidden=True),
        Column("source", _l("Source"), CatalogueItem.source, css="wide", hidden=True),
    )  # fmt: skip
    extra = {"state": CatalogueItem.publication}  # noqa: RUF012
    filters = (
        Choice("publication", _l("Publication"), CatalogueItem.publication, PUBLICATION_LABELS, multiple=False),
        Switch("level", _l("Level"), None, LEVELS, multiple=False,
               conditions=lambda value: CatalogueItem.level == int(value)),
        Choice("supervision", _l("Supervision"), CatalogueItem.supervision, SUPERVISIONS),
        Switch("confirmed", _l("Confirmation"), None, CONFIRMED, multiple=False,
               conditions=lambda value: CatalogueItem.confirmed_at.is_(None) == (value == "no")),
        Switch("announced", _l("Announced"), None, ANNOUNCED, multiple=False,
               conditions=lambda _yes: catalogue_versions.is_announced()),
        Switch("version", _l("Versions"), None, VERSIONS, multiple=False,
               conditions=lambda _old: CatalogueItem.valid_until.is_not(None),
               otherwise=lambda: CatalogueItem.valid_until.is_(None)),
    )  # fmt: skip
    search = Search(
        (in_own("name", _l("Name of the entry"), ContainsChinese(CatalogueItem.name)),), placeholder=_l("Search")
    )

    def details(self, row_id: int) -> Show | None:
        found = catalogue_versions.find(row_id)
        if found is None:
            return None
        facts = [
            (_l("Level"), LEVELS[str(found.level)]),
            (_l("Category"), found.parent.name if found.parent else None),
            (_l("Name of the entry"), found.name),
            (_l("Supervision"), label(SUPERVISIONS)(found.supervision)),
            (_l("Mode of verification"), found.verification_mode),
            (_l("Verification cycle (months)"), found.cycle_months),
            (_l("Remark on the cycle"), found.cycle_note),
            (_l("Units of the measuring range"), "；".join(found.range_units)),
            (_l("Usual accuracy classes"), "；".join(found.accuracy_classes)),
            (_l("Scope"), found.scope),
            (_l("Source"), None if found.confirmed_at else found.source),
            (_l("In force from"), day(found.valid_from)),
            (_l("In force until"), day(found.valid_until)),
            (_l("Confirmed at"), moment(found.confirmed_at)),
        ]
        return Show(
            id=found.id,
            title=found.name,
            state=found.publication,
            state_badge=badge(PUBLICATION_LABELS)(found.publication),
            sections=[Section("", [(name, value) for name, value in facts if value])],
            tables=[_versions(found)],
            timeline=outcomes.timeline("catalogue_item", row_id, PUBLICATION_LABELS, PUBLICATION_STYLES),
        )

    # --- keeping it

    @form_action("add", _l("Add"), icon="plus", style="primary", form=ItemForm, optional=True,
                 template="catalogue/form.html", size="lg", submit=_l("Save"), context="asked")  # fmt: skip
    def add(self, selection: Selection, form: ItemForm) -> str:
        parent_id = selection.only_id() if selection.asked else None
        entry = form.entry(is_kind=parent_id is not None)
        new = catalogue_versions.add(entry, parent_id, form.valid_from.data or holidays.today(), g.principal)
        return _("Added.") if new.valid_from <= holidays.today() else _announced(new.valid_from)

    @form_action("edit", _l("Edit"), icon="edit", form=ItemForm, single=True, template="catalogue/form.html",
                 size="lg", submit=_l("Save"), context="asked")  # fmt: skip
    def edit(self, selection: Selection, form: ItemForm) -> str:
        before = catalogue_versions.find(selection.only_id()) or abort(404)
        entry, from_day = form.entry(is_kind=before.level == 2), form.valid_from.data or holidays.today()
        revision = form.revision.data or ""
        found = catalogue_versions.edit(before.id, entry, from_day, revision, g.principal) or abort(404)
        if str(found.revision) == revision:
            return _("Nothing differs from the version in force, so nothing was changed.")
        return _("Saved.") if from_day <= holidays.today() else _announced(from_day)

    @form_action(
        "import",
        _l("Import"),
        icon="upload",
        form=ImportForm,
        without=True,
        template="catalogue/import.html",
        size="lg",
        submit=_l("Import"),
        most_bytes=catalogue_sheets.MOST_BYTES + 2**16,
    )
    def import_sheet(self, _selection: Selection, form: ImportForm) -> Any:
        incoming = catalogue_sheets.read(form.file.data.stream, form.file.data.filename)
        checked = catalogue_sheets.check(incoming, form.valid_from.data or holidays.today())
        if checked.problems:
            what = catalogue_sheets.hand_back(incoming, checked)
            return sheets.handed_back(self, "import", form, catalogue_sheets.KIND, what, checked.problems)
        return catalogue_sheets.apply(checked, g.principal)

    @expose("/sheet", methods=["GET"])
    @permitted("export")
    def sheet(self) -> Any:
        """The catalogue as a sheet to edit."""
        return sheets.handed_out(catalogue_sheets.sheet(), _("Catalogue of mandatory verification"))

    @form_action("withdraw_announced", _l("Withdraw the announced change"), icon="calendar-off")
    def withdraw_announced(self, selection: Selection, _form: Any) -> str:
        outcome = catalogue_versions.withdraw_announced(selection.ids, g.principal)
        return outcomes.told(_("Withdrew %(done)s announced changes.", done=outcome.done), outcome, _NOTHING_ANNOUNCED)

    def prefill(self, declared: Any, selection: Selection) -> Any:
        if declared.name != "edit":
            return None
        found = catalogue_versions.find(selection.only_id()) or abort(404)
        same = ("name", "supervision", "verification_mode", "cycle_months", "cycle_note", "scope", "revision")
        return SimpleNamespace(
            **{name: getattr(found, name) for name in same},
            range_units=";".join(found.range_units),
            accuracy_classes=";".join(found.accuracy_classes),
            valid_from=max(holidays.today(), found.valid_from),
        )

    def asked(self, selection: Selection, _form: ItemForm) -> dict[str, Any]:
        """Whether a category or a kind is asked for, and where it will stand."""
        found = catalogue_versions.find(selection.only_id()) if selection.asked else None
        editing = "revision" in _form and bool(_form.revision.data)
        if editing and found:
            note = _("A change makes a new version from the day given; what held before is kept with its last day.")
            coming = catalogue_versions.announced(found.id)
            if coming:
                day_text = coming.valid_from.isoformat()
                note += _("A change from %(day)s is announced already: another one announced takes its place.",
                          day=day_text)  # fmt: skip
            return {"is_kind": found.level == 2, "note": note}
        if found is None:
            return {"is_kind": False, "note": _("Nothing is ticked: a new category is added.")}
        return {"is_kind": True, "note": _("A new kind is added below %(name)s.", name=found.name)}

    @form_action("confirm", _l("Confirm"), icon="check", states=frozenset({UNPUBLISHED}))
    def confirm(self, selection: Selection, _form: Any) -> str:
        outcome = catalogue_versions.confirm(selection.ids, g.principal)
        return _told(_("Confirmed %(done)s items.", done=outcome.done), outcome)

    # --- publishing

    @form_action("publish", _l("Publish"), icon="world", states=frozenset({UNPUBLISHED}))
    def publish(self, selection: Selection, _form: Any) -> str:
        outcome = catalogue_versions.publish(selection.ids, g.principal)
        return _told(_("Published %(done)s items.", done=outcome.done), outcome)

    @form_action("revoke", _l("Revoke publication"), icon="world-off", style="danger", form=RevokeForm,
                 states=frozenset({PUBLISHED}), template="catalogue/revoke.html", context="below")  # fmt: skip
    def revoke(self, selection: Selection, form: RevokeForm) -> str:
        outcome = catalogue_versions.revoke(selection.ids, form.reason.data or "", g.principal)
        return _told(_("Revoked the publication of %(done)s items.", done=outcome.done), outcome)

    def below(self, selection: Selection, _form: RevokeForm) -> dict[str, Any]:
        """What goes with the ticked categories."""
        return {"below": catalogue_versions.published_below(selection.ids)}


def _told(done: str, outcome: Outcome) -> str:
    return outcomes.told(done, outcome, _LEFT)


_LEFT = _l("%(number)s were left as they were: not confirmed, no longer in force, or in another state.")


_NOTHING_ANNOUNCED = _l("%(number)s were left as they were: no change of them is announced.")


def _announced(day: date) -> str:
    return _("Announced: it begins on %(day)s.", day=day.isoformat())


def _versions(found: CatalogueItem) -> Table:
    named = [_l("Name of the entry"), _l("Supervision"), _l("Cycle (months)")]
    heads = [_l("In force from"), _l("In force until"), *named]
    rows = [
        [
            day(each.valid_from),
            day(each.valid_until),
            each.name,
            label(SUPERVISIONS)(each.supervision),
            each.cycle_months,
        ]
        for each in catalogue_versions.versions(found)
    ]
    coming = catalogue_versions.announced(found.id)
    if coming:
        told = {name: coming.told.get(name, getattr(found, name)) for name in ("name", "supervision", "cycle_months")}
        names = [told["name"], label(SUPERVISIONS)(told["supervision"]), told["cycle_months"]]
        rows.insert(0, [day(coming.valid_from), _("announced"), *names])
    return Table(_l("Versions"), heads, rows)
