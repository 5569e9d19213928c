"""归属组织: the authorities of every region, the institutions and the using units, and how they change."""

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from flask import abort, g, request, url_for
from flask_appbuilder import expose
from flask_babel import gettext as _, lazy_gettext as _l
from flask_wtf import FlaskForm
from markupsafe import Markup
from sqlalchemy import and_, case, select
from sqlalchemy.orm import aliased
from wtforms import BooleanField, DateField, HiddenField, SelectField, StringField
from wtforms.fields.choices import SelectChoice  # pyright: ignore[reportAttributeAccessIssue]  # newer than its stubs
from wtforms.validators import InputRequired, Length

from app import access, persons
from app.access import ROLES
from app.domain import accounts, audits, mergers, organization_tree, organizations, regions
from app.domain.organizations import LONGEST_REASON, SHORTEST_REASON
from app.fabkit.actions import FormAction, Selection, form_action
from app.fabkit.filters import (
    Begins,
    Choice,
    ContainsChinese,
    Found,
    Search,
    SearchField,
    Switch,
    among,
    is_number,
)
from app.fabkit.formats import badge, day, label, yes_no
from app.fabkit.forms import CascadeField, SearchSelectField, a_telephone, reason_field, trimmed
from app.fabkit.lists import Column, Source
from app.fabkit.pages import ModelPage, Section, Show, Table
from app.fabkit.security import permitted
from app.models import Account, AuditEntry, Institution, Organization, Region, UsingUnit, db
from app.pages import audits as audit_pages, outcomes
from app.pages.options import PLACES, by_region
from app.workflow import Outcome

KINDS = {"authority": _l("Authority"), "institution": _l("Institution"), "using_unit": _l("Using unit")}
LEVELS = {
    "nation": _l("National level"),
    "province": _l("Provincial level"),
    "city": _l("City level"),
    "county": _l("County level"),
}
ACTIVE, AWAITING, DISABLED, MERGED = "active", "awaiting", "disabled", "merged"
STATES = {
    ACTIVE: _l("In service"),
    AWAITING: _l("Waits to be admitted"),
    DISABLED: _l("Out of service"),
    MERGED: _l("Merged away"),
}
DESIGNATIONS = {
    "statutory": _l("Statutory institution"),
    "authorized": _l("Authorized institution"),
    "special": _l("Specially authorized institution"),
}
NATURES = {
    "enterprise": _l("Enterprise"),
    "sole_trader": _l("Sole trader"),
    "public_institution": _l("Public institution"),
    "government": _l("Government body"),
    "person": _l("Natural person"),
}
FACTS = {
    "name": _l("Organization name"),
    "credit_code": _l("Credit code"),
    "region": _l("Region"),
    "superior": _l("Superior"),
    "designation": _l("Designation"),
    "authorization_no": _l("Authorization no."),
    "authorized_by": _l("Authorized by"),
    "authorized_from": _l("Authorized from"),
    "authorized_until": _l("Authorized until"),
    "service_regions": _l("Authorized regions"),
    "legal_representative": _l("Legal representative"),
    "employees": _l("Number of staff"),
    "verifiers": _l("Number of verifiers"),
    "floor_area": _l("Floor area (m²)"),
    "nature": _l("Nature"),
    "licence_no": _l("Licence no."),
    "contact": _l("Contact person"),
    "phone": _l("Telephone"),
    "address": _l("Postal address"),
}
SORTS = {
    "accounts": _l("Its accounts"),
    "organizations": _l("Organizations directly below"),
    "instruments": _l("Instruments"),
    "appointments": _l("Appointments"),
    "tasks": _l("Tasks"),
    "returned_tasks": _l("Tasks it returned"),
    "certificates": _l("Certificates"),
    "capabilities": _l("Capabilities"),
    "standards": _l("Measurement standards"),
    "documents": _l("Scans of measurement standards"),
    "results": _l("Results in hand"),
    "staff": _l("Staff"),
    "qualifications": _l("Qualifications"),
    "inspections": _l("Inspections"),
    "draws": _l("Random draws"),
    "photos": _l("Photos"),
    "events": _l("Entries of task histories"),
}
MOST_SHOWN = 50


# --- Forms ---------------------------------------------------------------------------------------


def _text(name: str, longest: int, *validators: Any) -> StringField:
    return StringField(FACTS[name], [InputRequired(_l("Please fill this in.")), Length(max=longest), *validators],
                       filters=[trimmed])  # fmt: skip


def _choices(words: dict[str, Any]) -> list[SelectChoice]:
    return [SelectChoice(*pair) for pair in words.items()]


def name_of(organization_id: int) -> str | None:
    """The name of an organization in the person's care."""
    organization = organizations.managed(organization_id, g.principal)
    return organization.name if organization else None


def _superior_field(placeholder: Any, **how: Any) -> SearchSelectField:
    return SearchSelectField(
        FACTS["superior"],
        options_url="/organizations/options?kind=authority",
        find=name_of,
        placeholder=placeholder,
        **how,
    )


# The fields of a form stand in the order in which they are written here.


class NamedForm(FlaskForm):
    name = _text("name", 200, Length(min=2))


class CodeForm(NamedForm):
    credit_code = _text("credit_code", 18)


class PerhapsCodeForm(NamedForm):
    credit_code = StringField(FACTS["credit_code"], [Length(max=18)], filters=[trimmed])


class UnitCodeForm(NamedForm):
    credit_code = StringField(
        FACTS["credit_code"],
        [Length(max=18)],
        filters=[trimmed],
        description=_l("Only a natural person has none."),
    )


class PlacedForm(FlaskForm):
    region_code = CascadeField(
        FACTS["region"],
        levels=PLACES,
        options_url="/options/regions",
        find=regions.way_to,
        validators=[InputRequired(_l("Please choose the region."))],
    )


class BelowForm(FlaskForm):
    parent_id = _superior_field(_l("The nearest authority above"))


class InstitutionForm(FlaskForm):
    designation = SelectField(FACTS["designation"], choices=_choices(DESIGNATIONS))
    authorization_no = _text("authorization_no", 60)
    authorized_by = _text("authorized_by", 200)
    authorized_until = DateField(FACTS["authorized_until"], [InputRequired(_l("Please give the day."))])


class UnitForm(FlaskForm):
    nature = SelectField(FACTS["nature"], choices=_choices(NATURES))
    licence_no = StringField(FACTS["licence_no"], [Length(max=60)], filters=[lambda text: trimmed(text) or None])


class ReachedForm(FlaskForm):
    contact = _text("contact", 60)
    phone = _text("phone", 30, a_telephone)
    address = _text("address", 200)


class RevisedForm(FlaskForm):
    revision = HiddenField()


class AddAuthorityForm(PerhapsCodeForm, PlacedForm, BelowForm):
    pass


class AddInstitutionForm(CodeForm, PlacedForm, BelowForm, InstitutionForm, ReachedForm):
    pass


class AddUsingUnitForm(UnitCodeForm, PlacedForm, UnitForm, ReachedForm):
    pass


class EditAuthorityForm(PerhapsCodeForm, RevisedForm):
    pass


class EditInstitutionForm(CodeForm, InstitutionForm, ReachedForm, RevisedForm):
    pass


class EditUsingUnitForm(UnitCodeForm, UnitForm, ReachedForm, RevisedForm):
    pass


class MoveAuthorityForm(RevisedForm):
    parent_id = _superior_field(_l("Search by name"), validators=[InputRequired(_l("Please choose the superior."))])


class MoveInstitutionForm(PlacedForm, BelowForm, RevisedForm):
    pass


class MoveUsingUnitForm(PlacedForm, RevisedForm):
    pass


class MergeForm(FlaskForm):
    into_id = SearchSelectField(
        _l("Merge into"),
        options_url="/organizations/options",
        find=name_of,
        placeholder=_l("Search by name"),
        validators=[InputRequired(_l("Please choose an organization."))],
    )
    reason = reason_field(
        _l("Reason for merging"),
        SHORTEST_REASON,
        LONGEST_REASON,
        (_l("It was registered twice."), _l("Merged by decision of the authority.")),
    )
    understood = BooleanField(
        _l("I know that this cannot be undone."), [InputRequired(_l("Please confirm that you know this."))]
    )


class DisableForm(FlaskForm):
    reason = reason_field(
        _l("Reason for disabling"),
        SHORTEST_REASON,
        LONGEST_REASON,
        (_l("The organization has been dissolved."), _l("The authorization has expired or was withdrawn.")),
    )


class TurnDownForm(FlaskForm):
    reason = reason_field(
        _l("Reason for turning down"),
        SHORTEST_REASON,
        LONGEST_REASON,
        (_l("The name does not belong to this credit code."), _l("The unit is registered already.")),
    )


# --- The list ------------------------------------------------------------------------------------

Superior = aliased(Organization, name="superior")
_named = aliased(Organization, name="named")
# Place by place, and at each the authority, the institutions, the using units: as the alphabet has it.
place_and_kind = Organization.region_code.concat(Organization.kind)
STATE = case(
    (Organization.merged_into_id.is_not(None), MERGED),
    (Organization.active, ACTIVE),
    (Organization.awaiting_since.is_not(None), AWAITING),
    else_=DISABLED,
)


def _in_region(code: str) -> Any:
    """The condition that an organization is at home in a region, as a range of the list's own index."""
    first = regions.prefix(code)
    return and_(place_and_kind >= first, place_and_kind < str(int(first) + 1))


def _mine() -> list[Any]:
    who = g.principal
    here = [_in_region(who.region_code)] if who.jurisdiction else []
    return [access.manages(who)(Organization), *here]


@dataclass(frozen=True)
class _InName(ContainsChinese):
    """In the names of the province, for the index begins with it."""

    def by_index(self, term: str) -> Any:
        return and_(super().by_index(term), organizations.near(g.principal, _named))


def _in_state(state: str) -> Any:
    if state == ACTIVE:
        return Organization.active
    awaiting = Organization.awaiting_since.is_not(None)
    if state == AWAITING:
        return awaiting
    merged = Organization.merged_into_id.is_not(None)
    return and_(~Organization.active, merged if state == MERGED else and_(~merged, ~awaiting))


def in_code(term: str) -> Found:
    condition = Begins(Organization.credit_code).by_index(term.upper())
    return Found(condition, condition)


def _state_of(row: Organization) -> str:
    if row.merged_into_id:
        return MERGED
    if row.active:
        return ACTIVE
    return AWAITING if row.awaiting_since else DISABLED


def told(text: str, outcome: Outcome) -> str:
    """The message of an action on many: both numbers, done and left."""
    return outcomes.told(text, outcome, _LEFT)


_LEFT = _l("%(number)s were left as they were: not yours to change, or already so.")


class Organizations(ModelPage):
    """归属组织."""

    route_base = "/organizations"
    class_permission_name = "Organizations"
    reveals = True
    list_title = _l("Organizations")
    subtitle = _l("Authorities, institutions and using units in your care, place by place.")
    empty = _l("No organization matches.")

    source = Source(
        Organization,
        key=place_and_kind,
        joins=((Region, Region.code == Organization.region_code),),
        outer_joins=((Superior, Superior.id == Organization.parent_id),),
        where=_mine,
    )
    columns = (
        Column("name", FACTS["name"], Organization.name, fixed=True),
        Column(
            "kind",
            _l("Kind of organization"),
            Organization.kind,
            label(KINDS),
            css="nowrap",
        ),
        Column("level", _l("Level"), Organization.level, label(LEVELS)),
        Column("region", FACTS["region"], Region.full_name),
        Column("superior", FACTS["superior"], Superior.name),
        Column("credit_code", FACTS["credit_code"], Organization.credit_code, css="nowrap"),
        Column("state", _l("State"), STATE, badge(STATES)),
    )
    extra = {"state": STATE}  # noqa: RUF012 -- declared once per page, as Flask-AppBuilder does
    filters = (
        Choice("kind", _l("Kind of organization"), Organization.kind, KINDS),
        by_region(_in_region),
        Switch("state", _l("State"), None, STATES, multiple=False, conditions=_in_state),
    )
    search = Search(
        (
            SearchField(
                "name",
                FACTS["name"],
                lambda term: among(Organization.id, _named.id, _InName(_named.name), term),
            ),
            SearchField("code", FACTS["credit_code"], in_code, shortest=4),
        ),
        placeholder=_l("Search"),
    )

    # --- Adding

    @form_action(
        "add_authority",
        _l("Add an authority"),
        icon="plus",
        form=AddAuthorityForm,
        without=True,
        permission="can_add",
        submit=_l("Add"),
    )
    def add_authority(self, _selection: Selection, form: Any) -> str:
        new = organizations.add_authority(
            form.name.data,
            form.region_code.data,
            g.principal,
            parent_id=form.parent_id.row_id,
            credit_code=form.credit_code.data,
        )
        return _("Added %(name)s.", name=new.name)

    @form_action(
        "add_institution",
        _l("Add an institution"),
        icon="plus",
        form=AddInstitutionForm,
        without=True,
        permission="can_add",
        submit=_l("Add"),
        size="lg",
    )
    def add_institution(self, _selection: Selection, form: Any) -> str:
        new = organizations.add_institution(
            form.name.data,
            form.region_code.data,
            g.principal,
            form.data,
            parent_id=form.parent_id.row_id,
            credit_code=form.credit_code.data,
        )
        return _("Added %(name)s.", name=new.name)

    @form_action(
        "add_using_unit",
        _l("Add a using unit"),
        icon="plus",
        form=AddUsingUnitForm,
        without=True,
        permission="can_add",
        submit=_l("Add"),
        size="lg",
    )
    def add_using_unit(self, _selection: Selection, form: Any) -> str:
        new = organizations.add_using_unit(
            form.name.data, form.region_code.data, g.principal, form.data, credit_code=form.credit_code.data
        )
        return _("Added %(name)s.", name=new.name)

    # --- Changing

    # The form of an edit or a move, by the kind of the chosen organization.
    edit_forms = {  # noqa: RUF012
        "authority": EditAuthorityForm,
        "institution": EditInstitutionForm,
        "using_unit": EditUsingUnitForm,
    }
    move_forms = {  # noqa: RUF012
        "authority": MoveAuthorityForm,
        "institution": MoveInstitutionForm,
        "using_unit": MoveUsingUnitForm,
    }

    @form_action(
        "edit",
        _l("Rename or edit"),
        icon="edit",
        form="edit_forms",
        states=frozenset({ACTIVE, DISABLED}),
        single=True,
        permission="can_edit",
        submit=_l("Save"),
        size="lg",
        context="about",
    )
    def edit(self, selection: Selection, form: Any) -> str:
        row = self._row(selection)
        organizations.edit(row.id, form.revision.data, g.principal, form.data)
        return _("Saved.")

    @form_action(
        "move",
        _l("Move"),
        icon="arrow-forward-up",
        form="move_forms",
        states=frozenset({ACTIVE, DISABLED}),
        single=True,
        template="organizations/move.html",
        context="moving",
    )
    def move(self, selection: Selection, form: Any) -> str:
        row = self._row(selection)
        region = form.region_code.data if "region_code" in form else None
        parent_id = form.parent_id.row_id if "parent_id" in form else None
        organizations.move(row.id, form.revision.data, g.principal, region_code=region, parent_id=parent_id)
        return _("Moved %(name)s.", name=row.name)

    @form_action(
        "merge",
        _l("Merge"),
        icon="sitemap",
        style="danger",
        form=MergeForm,
        states=frozenset({ACTIVE, DISABLED}),
        single=True,
        template="organizations/merge.html",
        context="merging",
    )
    def merge(self, selection: Selection, form: Any) -> str:
        row = self._row(selection)
        rows = mergers.merge(row.id, form.into_id.row_id or 0, form.reason.data, g.principal)
        return _("Merged %(name)s; %(number)s rows followed.", name=row.name, number=sum(rows.values()))

    @form_action(
        "disable",
        _l("Disable"),
        icon="ban",
        style="danger",
        form=DisableForm,
        states=frozenset({ACTIVE}),
        template="organizations/disable.html",
    )
    def disable(self, selection: Selection, form: Any) -> str:
        outcome = organizations.disable(selection.ids, form.reason.data, g.principal)
        return told(_("Disabled %(done)s organizations.", done=outcome.done), outcome)

    @form_action("enable", _l("Enable"), icon="check", states=frozenset({DISABLED}))
    def enable(self, selection: Selection, _form: Any) -> str:
        outcome = organizations.enable(selection.ids, g.principal)
        return told(_("Enabled %(done)s organizations.", done=outcome.done), outcome)

    @form_action("admit", _l("Admit"), icon="user-check", style="success", states=frozenset({AWAITING}))
    def admit(self, selection: Selection, _form: Any) -> str:
        outcome = organizations.admit(selection.ids, g.principal)
        return told(_("Admitted %(done)s units; their people have been told.", done=outcome.done), outcome)

    @form_action("turn_down", _l("Turn down"), icon="user-x", style="danger", form=TurnDownForm,
                 states=frozenset({AWAITING}))  # fmt: skip
    def turn_down(self, selection: Selection, form: Any) -> str:
        outcome = organizations.turn_down(selection.ids, form.reason.data, g.principal)
        return told(_("Turned down %(done)s units; their people have been told.", done=outcome.done), outcome)

    def _row(self, selection: Selection) -> Organization:
        return organizations.managed(selection.only_id(), g.principal) or abort(404)

    def _form(self, declared: FormAction) -> Any:
        forms: Any = super()._form(declared)
        return forms[self._row(self._selection(declared)).kind] if isinstance(forms, dict) else forms

    def prefill(self, declared: FormAction, selection: Selection) -> Any:
        if declared.name not in ("edit", "move"):
            return None
        row = self._row(selection)
        details = organizations.details_of(row)
        known = {name: getattr(details, name) for name in organizations.DETAILS[row.kind]} if details else {}
        return SimpleNamespace(
            name=row.name,
            credit_code=row.credit_code,
            region_code=row.region_code,
            parent_id=row.parent_id,
            revision=row.revision,
            **known,
        )

    def about(self, selection: Selection, _form: Any) -> dict[str, Any]:
        return {"dialog": {"summary": self._row(selection).name}}

    def moving(self, selection: Selection, _form: Any) -> dict[str, Any]:
        row = self._row(selection)
        now = [(FACTS["region"], row.region.full_name), *([(FACTS["superior"], row.parent.name)] if row.parent else [])]
        return {"dialog": {"summary": row.name}, "now": now, "kind": row.kind}

    def merging(self, selection: Selection, form: Any) -> dict[str, Any]:
        row = self._row(selection)
        form.into_id.options_url = url_for("Organizations.options", kind=row.kind, but=row.id)
        following = [(SORTS[sort], number) for sort, number in mergers.following(row).items()]
        return {"dialog": {"summary": row.name}, "following": following}

    # --- Choosing

    @expose("/options", methods=["GET"])
    @permitted("list")
    def options(self) -> Any:
        """Active organizations of a kind, to choose one from."""
        kind, but, term = request.args.get("kind", ""), request.args.get("but", ""), request.args.get("q", "").strip()
        wanted = [Organization.kind == kind]
        if is_number(but):
            wanted.append(Organization.id != int(but))
        rows = organization_tree.choices(term[:100], g.principal, *wanted)
        return {"options": [{"value": str(row.id), "label": f"{row.name}（{row.region}）"} for row in rows]}

    @expose("/tree", methods=["GET"])
    @permitted("list")
    def tree(self) -> Any:
        """The tree a level at a time, or what a search finds in it."""
        term, parent = request.args.get("q", "").strip()[:100], request.args.get("parent", "")
        if term:
            nodes, more = organization_tree.found(term, g.principal)
        else:
            nodes, more = organization_tree.tree(int(parent) if is_number(parent) else None, g.principal)
        return {"nodes": [dict(node._mapping) for node in nodes], "more": more}

    # --- One organization

    def details(self, row_id: int) -> Show | None:
        row = organizations.managed(row_id, g.principal)
        if row is None:
            return None
        state = _state_of(row)
        return Show(
            id=row.id,
            title=row.name,
            state=state,
            state_badge=badge(STATES)(state),
            sections=sections(row),
            tables=[*_below(row), _accounts(row), *_merged(row)],
            timeline=[_deed(entry, row.kind) for entry in audits.of("organization", row.id)],
        )


def _link(row: Any) -> Markup:
    return Markup('<a href="{}">{}</a>').format(url_for("Organizations.show", pk=row.id), row.name)


def sections(row: Organization) -> list[Section]:
    """What is said of an organization, and of what it is as authority, institution or using unit."""
    heir = db.session.get(Organization, row.merged_into_id) if row.merged_into_id else None
    fields = [
        (_l("Kind of organization"), label(KINDS)(row.kind)),
        (_l("Level"), label(LEVELS)(row.level)),
        (FACTS["region"], row.region.full_name),
        (FACTS["superior"], row.parent.name if row.parent else None),
        (FACTS["credit_code"], row.credit_code),
    ]
    if row.jurisdiction is not None:
        fields.append((_l("Jurisdiction"), row.jurisdiction or _("The whole country")))
    if heir:
        fields.append((_l("Merged into"), _link(heir)))
    facts = organizations.details_of(row)
    if facts is None:
        return [Section("", fields)]
    known = [(FACTS[name], _shown(name, getattr(facts, name))) for name in organizations.DETAILS[row.kind]]
    return [Section("", fields), Section(KINDS[row.kind], known)]


_SHOWN = {"designation": label(DESIGNATIONS), "nature": label(NATURES), "authorized_until": day}


def _shown(name: str, value: Any) -> Any:
    return _SHOWN[name](value) if name in _SHOWN else value


def _below(row: Organization) -> list[Table]:
    if row.kind != "authority":
        return []
    nodes, more = organization_tree.tree(row.id, g.principal)
    here = row.region.full_name
    rows = [
        [_link(node), label(KINDS)(node.kind), node.region.removeprefix(here) or here] for node in nodes[:MOST_SHOWN]
    ]
    more = more or len(nodes) > MOST_SHOWN
    title = _("Directly below (the first %(number)s)", number=MOST_SHOWN) if more else _("Directly below")
    heads = [FACTS["name"], _l("Kind of organization"), FACTS["region"]]
    return [Table(title, heads, rows, _l("There is none."))]


def _accounts(row: Organization) -> Table:
    of_it = select(Account, accounts.roles_of()).where(Account.organization_id == row.id).order_by(Account.id)
    rows = [
        [account.first_name, account.username, account.position, _roles(names), yes_no(account.active)]
        for account, names in db.session.execute(of_it.limit(MOST_SHOWN))
    ]
    heads = [_l("Name"), _l("Account"), _l("Position"), _l("Roles"), _l("Activated")]
    return Table(_l("Its accounts"), heads, rows, _l("There is none."))


def _roles(names: list[str] | None) -> str:
    return "、".join(str(ROLES[name].label) for name in names or [] if name in ROLES)


def _merged(row: Organization) -> list[Table]:
    merged = select(Organization.id, Organization.name).where(Organization.merged_into_id == row.id)
    rows = [[_link(each)] for each in db.session.execute(merged.order_by(Organization.id).limit(MOST_SHOWN))]
    return [Table(_l("Merged into this one"), [FACTS["name"]], rows)] if rows else []


def _deed(entry: AuditEntry, kind: str) -> dict[str, Any]:
    return audit_pages.deed(entry, entry.detail.get("reason", ""), changes=_changes(entry.detail, kind))


def _changes(detail: dict[str, Any], kind: str) -> list[tuple[Any, str, str]]:
    """What was changed of an organization, before and after; a new name, place or parent stands without its label."""
    before, after = detail.get("before", []), detail.get("after", [])
    if isinstance(before, str):
        return [("", before, after)]
    names = detail.get("changed", [])
    return [
        (FACTS.get(name, name), _word(name, old, kind), _word(name, new, kind))
        for name, old, new in zip(names, before, after, strict=False)
    ]


_FACTS_OF: dict[str, Any] = {"institution": Institution, "using_unit": UsingUnit}


def _word(name: str, value: str, kind: str) -> str:
    words = {"designation": DESIGNATIONS, "nature": NATURES}.get(name, {})
    column = getattr(_FACTS_OF.get(kind), name, None)
    shown = str(words.get(value, value))
    return shown if column is None else persons.as_kept_in(column, shown)
