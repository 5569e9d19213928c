"""生产厂家: the national register of manufacturers, what they are and were called, kept by the nation."""

from types import SimpleNamespace
from typing import Any

from flask import abort, g
from flask_babel import gettext as _, lazy_gettext as _l
from wtforms import HiddenField, RadioField, StringField, TextAreaField
from wtforms.validators import DataRequired, InputRequired, Length

from app.domain import audits, manufacturers
from app.domain.manufacturers import CONFIRMED, LONGEST, REPORTED, STATE, Entry, Present
from app.fabkit.actions import Selection, form_action
from app.fabkit.filters import Begins, ContainsChinese, Search, SearchField, Switch, among, in_own, is_number
from app.fabkit.formats import badge, moment, yes_no
from app.fabkit.forms import Form, trimmed
from app.fabkit.lists import Column, Source
from app.fabkit.pages import ModelPage, Section, Show, Table
from app.models import AuditEntry, Manufacturer, ManufacturerName
from app.pages import audits as audit_pages, outcomes

STATES = {REPORTED: _l("Reported"), CONFIRMED: _l("Confirmed")}


class ManufacturerForm(Form):
    name = StringField(
        _l("Present name"), [DataRequired(_l("Please give a name.")), Length(max=LONGEST)], filters=[trimmed]
    )
    former_names = TextAreaField(
        _l("Former names"),
        filters=[trimmed],
        description=_l("One per line. An instrument is recognized under any name of its manufacturer."),
    )
    credit_code = StringField(_l("Credit code"), [Length(max=30)], filters=[trimmed], description=_l("Optional."))
    revision = HiddenField()

    def entry(self) -> Entry:
        lines = (self.former_names.data or "").splitlines()
        former = tuple(dict.fromkeys(line.strip() for line in lines if line.strip()))
        return Entry(self.name.data or "", former, self.credit_code.data or None)


class MergeForm(Form):
    kept_id = RadioField(
        _l("Manufacturer to keep"), [InputRequired(_l("Please choose the manufacturer to keep."))], choices=[],
        validate_choice=False,
    )  # fmt: skip


class Manufacturers(ModelPage):
    """生产厂家."""

    route_base = "/manufacturers"
    class_permission_name = "Manufacturers"
    list_title = _l("Manufacturers")
    subtitle = _l("Present and former names of manufacturers. Names that using units enter are added each night.")
    empty = _l("No manufacturer matches. Names that using units enter are added each night.")
    styles = ("manufacturers.css",)
    source = Source(
        Manufacturer,
        key=Manufacturer.instruments,
        joins=((Present, manufacturers.is_present()),),
        descending=True,
    )
    columns = (
        Column("name", _l("Name of the manufacturer"), Present.name, fixed=True),
        Column("former_names", _l("Former names"), manufacturers.former_names(), css="wide"),
        Column("credit_code", _l("Credit code"), Manufacturer.credit_code, css="nowrap"),
        Column("instruments", _l("Instruments entered"), Manufacturer.instruments, css="number"),
        Column("state", _l("State"), STATE, badge(STATES), css="nowrap"),
        Column("created_at", _l("In the register since"), Manufacturer.created_at, moment, css="nowrap", hidden=True),
    )
    extra = {"state": STATE}  # noqa: RUF012
    filters = (
        Switch("state", _l("State"), None, STATES, multiple=False,
               conditions=lambda state: Manufacturer.confirmed_at.is_(None) == (state == REPORTED)),
    )  # fmt: skip
    search = Search(
        (
            SearchField(
                "name",
                _l("Name of the manufacturer"),
                lambda term: among(
                    Manufacturer.id, ManufacturerName.manufacturer_id, ContainsChinese(ManufacturerName.name), term
                ),
            ),
            in_own("code", _l("Credit code"), Begins(Manufacturer.credit_code)),
        ),
        placeholder=_l("Search"),
    )

    def details(self, row_id: int) -> Show | None:
        found = manufacturers.find(row_id)
        if found is None:
            return None
        names = manufacturers.names_of(found.id)
        state = CONFIRMED if found.confirmed_at else REPORTED
        facts = [
            (_l("Present name"), names[0].name),
            (_l("Credit code"), found.credit_code or _("not known")),
            (_l("Instruments entered"), found.instruments),
            (_l("In the register since"), moment(found.created_at)),
            (_l("Confirmed at"), moment(found.confirmed_at)),
        ]
        return Show(
            id=found.id,
            title=names[0].name,
            state=state,
            state_badge=badge(STATES)(state),
            sections=[Section("", [(name, value) for name, value in facts if value not in (None, "")])],
            tables=[_names(names)],
            timeline=[_deed(entry) for entry in audits.of("manufacturer", row_id)],
        )

    @form_action("add", _l("Add"), icon="plus", style="primary", form=ManufacturerForm, without=True,
                 permission="can_add", submit=_l("Save"))  # fmt: skip
    def add(self, _selection: Selection, form: ManufacturerForm) -> str:
        manufacturers.add(form.entry(), g.principal)
        return _("Added.")

    @form_action("edit", _l("Edit"), icon="edit", form=ManufacturerForm, single=True, permission="can_edit",
                 template="manufacturers/edit.html", submit=_l("Save"))  # fmt: skip
    def edit(self, selection: Selection, form: ManufacturerForm) -> str:
        if manufacturers.edit(selection.only_id(), form.entry(), form.revision.data or "", g.principal) is None:
            abort(404)
        return _("Saved.")

    @form_action("confirm", _l("Confirm"), icon="check", states=frozenset({REPORTED}))
    def confirm(self, selection: Selection, _form: Any) -> str:
        outcome = manufacturers.confirm(selection.ids, g.principal)
        left = _l("%(number)s were left as they were: confirmed before.")
        return outcomes.told(_("Confirmed %(done)s manufacturers.", done=outcome.done), outcome, left)

    @form_action("merge", _l("Merge"), icon="sitemap", style="danger", form=MergeForm, judges=True, size="lg",
                 template="manufacturers/merge.html", context="merging")  # fmt: skip
    def merge(self, selection: Selection, form: MergeForm) -> str:
        chosen = form.kept_id.data or ""
        kept_id = int(chosen) if is_number(chosen) else 0
        stays = manufacturers.merge(selection.ids, kept_id, g.principal)
        number = selection.asked - 1
        return _(
            "Merged %(number)s manufacturers into %(name)s.", number=number, name=manufacturers.entry_of(stays).name
        )

    def prefill(self, declared: Any, selection: Selection) -> Any:
        if declared.name != "edit":
            return None
        found = manufacturers.find(selection.only_id()) or abort(404)
        entry = manufacturers.entry_of(found)
        return SimpleNamespace(
            name=entry.name,
            former_names="\n".join(entry.former_names),
            credit_code=entry.credit_code,
            revision=found.revision,
        )

    def _buttons(self, row: Show | None = None) -> list[dict[str, Any]]:
        """A single manufacturer cannot be merged."""
        return [each for each in super()._buttons(row) if row is None or each["name"] != "merge"]

    def merging(self, selection: Selection, form: MergeForm) -> dict[str, Any]:
        """Those that are ticked, to choose the one that stays from."""
        rows = manufacturers.chosen_for_merging(selection.ids)
        chosen = form.kept_id.data or (str(rows[0].id) if rows else "")
        return {"rows": rows, "chosen": chosen, "state": badge(STATES)}


def _names(names: list[ManufacturerName]) -> Table:
    heads = [
        _l("Name of the manufacturer"),
        _l("Present name"),
        _l("Instruments entered"),
        _l("Suggested to everybody"),
    ]
    rows = [[each.name, yes_no(each.present), each.instruments, yes_no(each.offered)] for each in names]
    return Table(_l("Names"), heads, rows)


def _deed(entry: AuditEntry) -> dict[str, Any]:
    before, after = entry.detail.get("before", ""), entry.detail.get("after", "")
    before = "、".join(before) if isinstance(before, list) else before
    return audit_pages.deed(entry, "", changes=[("", before, after)] if before or after else [])
