"""地方机构信息: the institutions in one's care: entered, kept up to date, suspended, reinstated, closed."""

from types import SimpleNamespace
from typing import Any

from flask import abort, g, url_for
from flask_appbuilder import expose
from flask_babel import gettext as _, lazy_gettext as _l
from markupsafe import Markup
from sqlalchemy import func, select
from wtforms import BooleanField, DateField, StringField
from wtforms.validators import InputRequired, Length, NumberRange, Optional

from app import persons
from app.domain import institution_sheets, institution_versions, local_institutions, organizations, regions
from app.domain.institution_versions import KNOWN_BEFORE
from app.domain.ledger import range_text
from app.domain.local_institutions import LONGEST_REASON, SHORTEST_REASON
from app.fabkit.actions import Selection, form_action, page_action, show_action
from app.fabkit.filters import Choice, ContainsChinese, Search, SearchField, Switch, in_own
from app.fabkit.formats import badge, day, due, label, moment, yes_no
from app.fabkit.forms import Form, IntegerField, SearchSelectManyField, reason_field, trimmed
from app.fabkit.lists import Column, Source
from app.fabkit.pages import DONE_BY, ModelPage, Section, Show, Table
from app.fabkit.security import permitted
from app.models import Capability, Institution, InstitutionVersion, MeasurementStandard, Organization, Region
from app.pages import inspections as inspection_pages, outcomes, sheets
from app.pages.options import by_region
from app.pages.organizations import DESIGNATIONS, FACTS, LEVELS, AddInstitutionForm, EditInstitutionForm, in_code
from app.states import (
    CAPABILITY_LABELS,
    EFFECTIVE,
    IN_SERVICE,
    STANDARD_LABELS,
    STANDING_LABELS,
    STEP_LABELS,
    SUSPENDED,
)

EXPIRING = {"180": _l("Authorization ends in 180 days"), "over": _l("Authorization has ended")}
MEMBER = _l("Member of the staff")
VERSION_FACTS = {**FACTS, "level": _l("Level"), "region_code": FACTS["region"], "standing": _l("Standing")}


# --- Forms ---------------------------------------------------------------------------------------


class AboutForm(Form):
    """What is said of an institution beside its name and its authorization."""

    authorized_from = DateField(FACTS["authorized_from"], [Optional()])
    service_regions = SearchSelectManyField(
        FACTS["service_regions"],
        options_url="/options/places",
        find=regions.names,
        placeholder=_l("Search by name"),
        description=_l("Where it is authorized to verify. What it may verify where, its capabilities say."),
    )
    legal_representative = StringField(
        FACTS["legal_representative"], [Length(max=60)], filters=[lambda text: trimmed(text) or None]
    )
    employees = IntegerField(FACTS["employees"], [Optional(), NumberRange(0, 100_000)])
    verifiers = IntegerField(FACTS["verifiers"], [Optional(), NumberRange(0, 100_000)])
    floor_area = IntegerField(FACTS["floor_area"], [Optional(), NumberRange(0, 9_999_999)])


class AddForm(AddInstitutionForm, AboutForm):
    pass


class EditForm(EditInstitutionForm, AboutForm):
    pass


class SuspendForm(Form):
    reason = reason_field(
        _l("Reason for suspending"),
        SHORTEST_REASON,
        LONGEST_REASON,
        (
            _l("An inspection ordered it to stop."),
            _l("The authorization has expired or was withdrawn."),
            _l("Rooms are being rebuilt."),
        ),
    )


class CloseForm(Form):
    reason = reason_field(
        _l("Reason for closing"),
        SHORTEST_REASON,
        LONGEST_REASON,
        (_l("The organization has been dissolved."), _l("The authorization has been cancelled.")),
    )
    understood = BooleanField(
        _l("I know that closing cannot be undone."), [InputRequired(_l("Please confirm that you know this."))]
    )


class SheetForm(Form):
    file = sheets.sheet_field(_l("Filled sheet"))


# --- The list ------------------------------------------------------------------------------------


def _ending(value: str) -> Any:
    today = func.current_date()
    until = Institution.authorized_until
    return until < today if value == "over" else until.between(today, today + int(value))


def _in_standing(value: str) -> Any:
    return _standing() == value


def _standing() -> Any:
    return select(Institution.standing).where(Institution.organization_id == Organization.id).scalar_subquery()


def _by_authorization(value: str) -> Any:
    held = select(Institution.organization_id).where(_ending(value))
    return Organization.id.in_(held)


class LocalInstitutions(ModelPage):
    """地方机构信息."""

    route_base = "/local-institutions"
    class_permission_name = "LocalInstitutions"
    reveals = True
    list_title = _l("Local institutions")
    subtitle = _l("The institutions at home in your jurisdiction. A suspended one is offered no new tasks.")
    empty = _l("There is no institution in your jurisdiction.")
    styles = ("supervision.css",)
    source = Source(
        Organization,
        key=Organization.region_code,
        joins=(
            (Institution, Institution.organization_id == Organization.id),
            (Region, Region.code == Organization.region_code),
        ),
        where=lambda: [local_institutions.in_care(g.principal)],
    )
    columns = (
        Column("standing", _l("Standing"), Institution.standing, badge(STANDING_LABELS), css="nowrap", fixed=True),
        Column("name", _l("Institution"), Organization.name, fixed=True),
        Column("designation", _l("Designation"), Institution.designation, label(DESIGNATIONS), css="nowrap"),
        Column("level", _l("Level"), Organization.level, label(LEVELS), css="nowrap"),
        Column("region", _l("Region"), Region.full_name),
        Column("authorization_no", _l("Authorization no."), Institution.authorization_no, css="nowrap"),
        Column("authorized_by", _l("Authorized by"), Institution.authorized_by, hidden=True),
        Column("authorized_until", _l("Authorized until"), Institution.authorized_until, due(near=180), css="nowrap"),
        Column("employees", FACTS["employees"], Institution.employees, css="number"),
        Column("verifiers", FACTS["verifiers"], Institution.verifiers, css="number"),
        Column(
            "standards",
            _l("Measurement standards"),
            local_institutions.count(MeasurementStandard, MeasurementStandard.replaces_id.is_(None)),
            css="number",
        ),
        Column(
            "effective",
            _l("Effective capabilities"),
            local_institutions.count(Capability, Capability.state == EFFECTIVE),
            css="number",
        ),
        Column("floor_area", FACTS["floor_area"], Institution.floor_area, css="number", hidden=True),
        Column("credit_code", FACTS["credit_code"], Organization.credit_code, css="nowrap", hidden=True),
        Column("contact", FACTS["contact"], Institution.contact, hidden=True),
        Column("phone", FACTS["phone"], Institution.phone, css="nowrap", hidden=True),
        Column("address", FACTS["address"], Institution.address, hidden=True),
        Column("reason", _l("Reason"), Institution.standing_reason, css="wide", hidden=True),
    )
    extra = {"state": Institution.standing}  # noqa: RUF012 -- declared once per page, as Flask-AppBuilder does
    filters = (
        Switch("standing", _l("Standing"), None, STANDING_LABELS, multiple=False, conditions=_in_standing),
        Choice("level", _l("Level"), Organization.level, LEVELS),
        by_region(lambda code: Organization.region_code.startswith(regions.prefix(code))),
        Switch("ending", _l("Authorization"), None, EXPIRING, multiple=False, conditions=_by_authorization),
    )
    search = Search(
        (
            in_own("name", _l("Institution"), ContainsChinese(Organization.name)),
            SearchField("code", FACTS["credit_code"], in_code, shortest=4),
        ),
        placeholder=_l("Search"),
    )

    # --- entering and keeping up to date

    @form_action("add", _l("Add"), icon="plus", style="primary", form=AddForm, without=True, permission="can_add",
                 template="local_institutions/form.html", size="lg", submit=_l("Save"))  # fmt: skip
    def add(self, _selection: Selection, form: AddForm) -> str:
        new = organizations.add_institution(
            form.name.data or "",
            form.region_code.data or "",
            g.principal,
            form.data,
            parent_id=form.parent_id.row_id,
            credit_code=form.credit_code.data or "",
        )
        return _("Added %(name)s.", name=new.name)

    @form_action("edit", _l("Edit"), icon="edit", form=EditForm, single=True, permission="can_edit",
                 states=frozenset({IN_SERVICE, SUSPENDED}), template="local_institutions/form.html", size="lg",
                 submit=_l("Save"), context="about")  # fmt: skip
    def edit(self, selection: Selection, form: EditForm) -> str:
        if not local_institutions.edit(selection.only_id(), form.revision.data or "", g.principal, form.data):
            abort(404)
        return _("Saved.")

    def prefill(self, declared: Any, selection: Selection) -> Any:
        if declared.name == "add":
            return SimpleNamespace(region_code=g.principal.region_code)
        if declared.name != "edit":
            return None
        house, home, _region = self._found(selection)
        facts = {name: getattr(house, name) for name in EditForm()._fields if hasattr(house, name)}
        return SimpleNamespace(name=home.name, credit_code=home.credit_code, revision=home.revision, **facts)

    def about(self, selection: Selection, _form: Any) -> dict[str, Any]:
        return {"dialog": {"summary": self._found(selection)[1].name}}

    def _found(self, selection: Selection) -> Any:
        return local_institutions.find(selection.only_id(), g.principal) or abort(404)

    @form_action("import", _l("Import"), icon="upload", form=SheetForm, without=True, size="lg",
                 template="local_institutions/import.html",
                 most_bytes=institution_sheets.MOST_BYTES + 2**16)  # fmt: skip
    def import_sheet(self, _selection: Selection, form: SheetForm) -> Any:
        sheet = form.file.data
        incoming = institution_sheets.read(sheet.stream, sheet.filename, DESIGNATIONS)
        checked = institution_sheets.check(incoming, DESIGNATIONS, g.principal)
        if checked.problems:
            what = institution_sheets.hand_back(incoming, checked)
            return sheets.handed_back(self, "import", form, institution_sheets.KIND, what, checked.problems)
        return institution_sheets.apply(checked, sheet.filename, g.principal)

    @expose("/template", methods=["GET"])
    @permitted("list")
    def empty_sheet(self) -> Any:
        """The sheet to fill in."""
        return sheets.handed_out(institution_sheets.template(DESIGNATIONS, g.principal), _("Institutions to import"))

    # --- standing

    @form_action("suspend", _l("Suspend"), icon="player-pause", style="danger", form=SuspendForm,
                 states=frozenset({IN_SERVICE}), template="local_institutions/suspend.html")  # fmt: skip
    def suspend(self, selection: Selection, form: SuspendForm) -> str:
        outcome = local_institutions.suspend(selection.ids, form.reason.data or "", g.principal)
        return outcomes.told(_("Suspended %(done)s institutions.", done=outcome.done), outcome)

    @form_action("reinstate", _l("Reinstate"), icon="player-play", states=frozenset({SUSPENDED}))
    def reinstate(self, selection: Selection, _form: Any) -> str:
        outcome = local_institutions.reinstate(selection.ids, g.principal)
        return outcomes.told(_("Reinstated %(done)s institutions.", done=outcome.done), outcome)

    @form_action("close", _l("Close for good"), icon="ban", style="danger", form=CloseForm,
                 states=frozenset({IN_SERVICE, SUSPENDED}), template="local_institutions/close.html")  # fmt: skip
    def close(self, selection: Selection, form: CloseForm) -> str:
        outcome = local_institutions.close(selection.ids, form.reason.data or "", g.principal)
        return outcomes.told(_("Closed %(done)s institutions for good.", done=outcome.done), outcome)

    # --- one institution

    @show_action("versions", _l("Earlier states"), icon="history", template="show_dialog.html", size="xl")
    def versions(self, row_id: int) -> dict[str, Any]:
        if local_institutions.find(row_id, g.principal) is None:
            abort(404)
        kept = institution_versions.of(row_id)
        sections = [Section(_heading(each), _facts_then(each)) for each in kept]
        return {"show": Show(id=row_id, title="", sections=sections or [Section(_l("Nothing has changed yet."), [])],
                             reveals=False)}  # fmt: skip

    @page_action("inspections", _l("Inspections"), icon="clipboard-list", permission="can_show")
    def inspections(self, row_id: int) -> str:
        if local_institutions.find(row_id, g.principal) is None:
            abort(404)
        return f"/inspections/?party={row_id}"

    def details(self, row_id: int) -> Show | None:
        found = local_institutions.find(row_id, g.principal)
        return show(*found) if found else None


# --- In words ------------------------------------------------------------------------------------


def show(house: Institution, home: Organization, region: str) -> Show:
    """Everything about an institution: what is said of it, what it has and can do, how it has changed."""
    return Show(
        id=home.id,
        title=home.name,
        state=house.standing,
        state_badge=badge(STANDING_LABELS)(house.standing),
        sections=[Section("", _facts(house, home, region))],
        tables=[
            _capability_table(home.id),
            _standard_table(home.id),
            _staff_table(home.id),
            _inspection_table(home.id),
        ],
        timeline=_timeline(institution_versions.of(home.id)),
    )


def _facts(house: Institution, home: Organization, region: str) -> list[tuple[Any, Any]]:
    facts: list[tuple[Any, Any]] = [
        (FACTS["credit_code"], home.credit_code),
        (_l("Designation"), label(DESIGNATIONS)(house.designation)),
        (_l("Level"), label(LEVELS)(home.level)),
        (_l("Region"), region),
        (_l("Authorization no."), house.authorization_no),
        (_l("Authorized by"), house.authorized_by),
        (FACTS["authorized_from"], day(house.authorized_from)),
        (_l("Authorized until"), due(near=180)(house.authorized_until)),
        (FACTS["service_regions"], _places(house.service_regions)),
        (FACTS["legal_representative"], house.legal_representative),
        (FACTS["employees"], house.employees),
        (FACTS["verifiers"], house.verifiers),
        (FACTS["floor_area"], house.floor_area),
        (FACTS["contact"], house.contact),
        (FACTS["phone"], house.phone),
        (FACTS["address"], house.address),
        (_l("Mean days"), house.mean_days),
    ]
    return [*facts, *([(_l("Reason"), house.standing_reason)] if house.standing_reason else [])]


def _places(codes: list[str]) -> str:
    return "、".join(regions.names(codes).values())


def _capability_table(institution_id: int) -> Table:
    heads = [_l("Kind"), _l("Measuring range"), _l("Accuracy class"), _l("Valid until"), _l("State")]
    rows = [
        [kind, range_text(each.range_low, each.range_high, each.range_unit), each.accuracy_class,
         due(near=30)(each.valid_until), badge(CAPABILITY_LABELS)(each.state)]
        for each, kind in local_institutions.capabilities_of(institution_id)
    ]  # fmt: skip
    return Table(_l("Capabilities"), heads, rows, _l("There is none."))


def _standard_table(institution_id: int) -> Table:
    heads = [_l("Measurement standard"), _l("Certificate no."), _l("Valid until"), _l("State")]
    rows = [
        [each.name, each.public_certificate_no, due(near=30)(min(each.valid_until, each.public_valid_until)),
         label(STANDARD_LABELS)(each.state)]
        for each in local_institutions.standards_of(institution_id)
    ]  # fmt: skip
    return Table(_l("Measurement standards"), heads, rows, _l("There is none."))


def _staff_table(institution_id: int) -> Table:
    heads = [MEMBER, _l("May approve"), _l("On the staff")]
    rows = [
        [each.name, yes_no(each.approves), yes_no(each.active)] for each in local_institutions.staff_of(institution_id)
    ]
    return Table(_l("Staff"), heads, rows, _l("There is none."))


def _inspection_table(institution_id: int) -> Table:
    heads = [_l("Inspection no."), _l("Inspection task"), _l("Planned inspection day"), _l("State"), _l("Finding")]
    link = Markup('<a href="{}">{}</a>')
    rows = [
        [link.format(url_for("Inspections.show", pk=each.id), each.no), each.task, day(each.planned_on),
         inspection_pages.state_badge(each.state), inspection_pages.conclusion(each.conclusion)]
        for each in local_institutions.inspections_of(institution_id)
    ]  # fmt: skip
    return Table(_l("Inspections"), heads, rows, _l("There is none."))


def _heading(version: InstitutionVersion) -> str:
    parts = (version.number, moment(version.at), _action(version.action), outcomes.OFFICE(version.by_organization))
    return " · ".join(str(part) for part in parts if part)


def _action(action: str) -> Any:
    return _ACTIONS.get(action) or STEP_LABELS.get(action, action)


_ACTIONS = {KNOWN_BEFORE: _l("As known before"), "move": _l("Moved")}


def _facts_then(version: InstitutionVersion) -> list[tuple[Any, Any]]:
    facts = [(VERSION_FACTS[name], _word(name, version.facts.get(name))) for name in institution_versions.FACTS]
    return [(DONE_BY, outcomes.WHO(version.by_name)), *facts]


_WORDS = {"designation": DESIGNATIONS, "level": LEVELS, "standing": STANDING_LABELS}


def _word(name: str, value: Any) -> str:
    if value in (None, "", []):
        return ""
    if name == "service_regions":
        return _places(value)
    if name == "region_code":
        return _places([value])
    if name in _WORDS:
        return str(_WORDS[name].get(str(value), value))
    return persons.as_kept_in(institution_versions.FACTS[name], str(value))


def _timeline(versions: list[InstitutionVersion]) -> list[dict[str, Any]]:
    """Each change of an institution with what it was before and after, the latest first."""
    before = [*versions[1:], None]
    return [_entry(version, earlier) for version, earlier in zip(versions, before, strict=True)] if versions else []


def _entry(version: InstitutionVersion, earlier: InstitutionVersion | None) -> dict[str, Any]:
    changes = [
        (VERSION_FACTS[name], _word(name, old), _word(name, new))
        for name, old, new in institution_versions.changes(version, earlier)
    ]
    style = {"suspend": "warning", "close": "danger", "reinstate": "success"}.get(version.action)
    return outcomes.deed(version, _action(version.action), version.reason, style, changes=changes)
