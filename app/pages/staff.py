"""检定人员: who verifies, checks and approves at one's institution, and what each is qualified for."""

from datetime import date, timedelta
from types import SimpleNamespace
from typing import Any

from flask import abort, g
from flask_babel import gettext as _, lazy_gettext as _l
from markupsafe import Markup
from sqlalchemy import case, exists, func, select
from wtforms import BooleanField, DateField, HiddenField, SelectField, StringField
from wtforms.fields.choices import SelectChoice  # pyright: ignore[reportAttributeAccessIssue]  # newer than its stubs
from wtforms.validators import DataRequired, InputRequired, Length

from app.domain import catalogue, holidays, staff
from app.domain.instruments import WARNED_BEFORE
from app.domain.staff import Credential, Person
from app.fabkit.actions import Selection, form_action
from app.fabkit.filters import Contains, ContainsChinese, Search, SearchField, Switch, among, in_own
from app.fabkit.formats import badge, day, day_in_sheet, due, yes_no
from app.fabkit.forms import Form, SearchSelectManyField, trimmed
from app.fabkit.lists import Column, Source
from app.fabkit.pages import ModelPage, Section, Show, Table
from app.models import Account, Qualification, StaffMember
from app.states import ACTIVE, DISABLED

STATES = {ACTIVE: _l("On the staff"), DISABLED: _l("Has left")}
STATE = case((StaffMember.active, ACTIVE), else_=DISABLED)
EXPIRING = {
    "30": _l("A qualification expires in 30 days"),
    "over": _l("A qualification has expired"),
    "none": _l("Without a qualification"),
}
_near = due(near=WARNED_BEFORE.days)


class StaffForm(Form):
    name = StringField(_l("Name"), [DataRequired(_l("Please give the name.")), Length(max=60)], filters=[trimmed])
    account_id = SelectField(
        _l("Account"),
        validate_choice=False,
        choices=[],
        description=_l("Who signs in with it checks and approves as this person. One account is one person's."),
    )
    approves = BooleanField(_l("Approver: may approve results and issue certificates"))
    active = BooleanField(_l("On the staff"), default=True)
    revision = HiddenField()

    def person(self) -> Person:
        account = str(self.account_id.data or "")
        return Person(
            name=self.name.data or "",
            account_id=int(account) if account.isdecimal() else None,
            approves=self.approves.data,
            active=self.active.data,
        )


class QualifyForm(Form):
    certificate_no = StringField(
        _l("Certificate of qualification"),
        [DataRequired(_l("Please give the number of the certificate.")), Length(max=60)],
        filters=[trimmed],
        description=_l("With the number of a certificate that the person has, its items and days are replaced."),
    )
    catalogue_item_ids = SearchSelectManyField(
        _l("Categories and kinds"),
        options_url="/options/catalogue-items",
        find=lambda ids: catalogue.names([int(id) for id in ids]),
        placeholder=_l("Search by name"),
        validators=[InputRequired(_l("Please choose categories or kinds of the catalogue."))],
        description=_l("A category stands for all its kinds."),
    )
    valid_from = DateField(_l("Valid from"), [InputRequired(_l("Please give the day."))])
    valid_until = DateField(
        _l("Valid until"),
        [InputRequired(_l("Please give the day."))],
        description=_l("To end a qualification, give its last day."),
    )
    revision = HiddenField()

    def credential(self) -> Credential:
        return Credential(
            certificate_no=self.certificate_no.data or "",
            catalogue_item_ids=tuple(int(id) for id in self.catalogue_item_ids.data),
            valid_from=self.valid_from.data or date.max,
            valid_until=self.valid_until.data or date.min,
        )


def _of_member(value: Any) -> Any:
    return select(value).where(Qualification.staff_member_id == StaffMember.id).scalar_subquery()


def _qualified(value: str) -> Any:
    held, today = exists().where(Qualification.staff_member_id == StaffMember.id), holidays.today()
    if value == "none":
        return ~held
    if value == "over":
        return held.where(Qualification.valid_until < today)
    return held.where(Qualification.valid_until.between(today, today + timedelta(days=int(value))))


class Staff(ModelPage):
    """检定人员."""

    route_base = "/staff"
    class_permission_name = "Staff"
    list_title = _l("Staff")
    subtitle = _l("A result names its verifier, who must be qualified for the kind; checker and approver are others.")
    empty = _l("Nobody matches.")
    scripts = ("staff.js",)
    source = Source(StaffMember, key=StaffMember.id, outer_joins=((Account, Account.id == StaffMember.account_id),))
    columns = (
        Column("name", _l("Name"), StaffMember.name, css="nowrap", fixed=True),
        Column(
            "state",
            _l("State"),
            STATE,
            badge(STATES),
            css="nowrap",
        ),
        Column("account", _l("Account"), Account.username, css="nowrap"),
        Column("approves", _l("Approver"), StaffMember.approves, yes_no),
        Column("qualifications", _l("Qualifications"), _of_member(func.count(Qualification.id)), css="number"),
        Column(
            "first_until",
            _l("First expires on"),
            _of_member(func.min(Qualification.valid_until)),
            _near,
            css="nowrap",
            sheet=day_in_sheet,
        ),
        Column(
            "last_until",
            _l("Last expires on"),
            _of_member(func.max(Qualification.valid_until)),
            _near,
            css="nowrap",
            sheet=day_in_sheet,
        ),
    )
    extra = {"state": STATE}  # noqa: RUF012 -- declared once per page, as Flask-AppBuilder does
    filters = (
        Switch("state", _l("State"), None, STATES, multiple=False,
               conditions=lambda value: StaffMember.active.is_(value == ACTIVE)),
        Switch("qualified", _l("Qualifications"), None, EXPIRING, multiple=False, conditions=_qualified),
    )  # fmt: skip
    search = Search(
        (
            in_own("name", _l("Name"), ContainsChinese(StaffMember.name)),
            SearchField(
                "certificate",
                _l("Certificate of qualification"),
                lambda term: among(
                    StaffMember.id, Qualification.staff_member_id, Contains(Qualification.certificate_no), term
                ),
            ),
        ),
        placeholder=_l("Search"),
    )

    def details(self, row_id: int) -> Show | None:
        found = staff.find(row_id)
        if found is None:
            return None
        state, account = (ACTIVE if found.active else DISABLED), staff.account_of(found)
        facts = [
            (_l("Name"), found.name),
            (_l("Account"), str(account) if account else None),
            (_l("Approver"), yes_no(found.approves)),
        ]
        return Show(
            id=found.id,
            title=found.name,
            state=state,
            state_badge=badge(STATES)(state),
            sections=[Section("", facts)],
            tables=[_qualifications(found.id)],
        )

    @form_action(
        "add",
        _l("Add"),
        icon="user-plus",
        style="primary",
        form=StaffForm,
        without=True,
        permission="can_add",
        submit=_l("Save"),
        context="linkable",
    )
    def add(self, _selection: Selection, form: StaffForm) -> str:
        new = staff.add(form.person(), g.principal)
        return _("Added %(name)s.", name=new.name)

    @form_action(
        "edit",
        _l("Edit"),
        icon="edit",
        form=StaffForm,
        single=True,
        permission="can_edit",
        submit=_l("Save"),
        context="linkable",
    )
    def edit(self, selection: Selection, form: StaffForm) -> str:
        if staff.edit(selection.only_id(), form.person(), form.revision.data or "", g.principal) is None:
            abort(404)
        return _("Saved.")

    @form_action(
        "qualify",
        _l("Record a qualification"),
        icon="certificate",
        form=QualifyForm,
        single=True,
        template="staff/qualify.html",
        size="lg",
        submit=_l("Save"),
        context="qualified",
    )
    def qualify(self, selection: Selection, form: QualifyForm) -> str:
        if staff.qualify(selection.only_id(), form.credential(), form.revision.data or "", g.principal) is None:
            abort(404)
        return _("Saved.")

    def prefill(self, declared: Any, selection: Selection) -> Any:
        if declared.without:
            return None
        found = staff.find(selection.only_id()) or abort(404)
        return SimpleNamespace(revision=found.revision) if declared.name == "qualify" else found

    def linkable(self, selection: Selection, form: StaffForm) -> dict[str, Any]:
        """The accounts that can be linked to the person."""
        own_id = selection.only_id() if selection.asked else None
        free = [SelectChoice(str(each.id), str(each)) for each in staff.accounts(g.principal, own_id)]
        form.account_id.choices = [SelectChoice("", "—"), *free]
        return {}

    def qualified(self, selection: Selection, _form: QualifyForm) -> dict[str, Any]:
        """What the person is qualified for already."""
        found = staff.find(selection.only_id()) or abort(404)
        held = staff.qualifications(found.id)
        names = _names(held)
        rows = [
            {
                "certificate_no": each.certificate_no,
                "items": {str(id): names.get(str(id), "") for id in each.catalogue_item_ids},
                "valid_from": day(each.valid_from),
                "valid_until": day(each.valid_until),
                "until": _near(each.valid_until),
            }
            for each in held
        ]
        return {"dialog": {"summary": found.name}, "rows": rows}


_UNBROKEN = Markup('<span class="text-nowrap">{}</span>')


def _names(held: list[Qualification]) -> dict[str, str]:
    return catalogue.names(sorted({id for each in held for id in each.catalogue_item_ids}))


def _qualifications(staff_member_id: int) -> Table:
    held = staff.qualifications(staff_member_id)
    names = _names(held)
    rows = [
        [
            each.certificate_no,
            "、".join(names[str(id)] for id in each.catalogue_item_ids if str(id) in names),
            _UNBROKEN.format(day(each.valid_from)),
            _UNBROKEN.format(_near(each.valid_until)),
        ]
        for each in held
    ]
    heads = [_l("Certificate of qualification"), _l("Categories and kinds"), _l("Valid from"), _l("Valid until")]
    return Table(_l("Qualifications"), heads, rows, _l("There is none."))
