"""系统用户管理: the accounts in an administrator's care, and one account with its person, organization and roles."""

from typing import Any

from flask import abort, flash, g, redirect, render_template, request, url_for
from flask_appbuilder import expose
from flask_babel import gettext as _, lazy_gettext as _l
from flask_wtf import FlaskForm
from sqlalchemy import case, func, select
from wtforms import BooleanField, HiddenField, SelectField, StringField
from wtforms.fields.choices import SelectChoice  # pyright: ignore[reportAttributeAccessIssue]  # newer than its stubs
from wtforms.validators import Email, InputRequired, Length, Optional

from app.access import ROLES, fits, grantable
from app.domain import accounts, audits, second_persons
from app.errors import RuleError
from app.fabkit.actions import Selection, form_action, page_action
from app.fabkit.filters import Begins, ContainsChinese, Lookup, Search, Switch, in_own, is_number
from app.fabkit.formats import badge, label, moment, words_in_sheet
from app.fabkit.forms import a_telephone
from app.fabkit.lists import Column, Source
from app.fabkit.pages import ModelPage, Section, Show, Table
from app.fabkit.security import permitted
from app.models import Account, Organization, Role, db, held_role
from app.pages import audits as audit_pages
from app.pages.organizations import KINDS, name_of, told
from app.states import ACCOUNT_LABELS, ACCOUNT_STATES, ACTIVE, DISABLED, LOCKED, REGISTERED

ROLE_LABELS = {name: role.label for name, role in ROLES.items()}


def _grantable_choices() -> list[SelectChoice]:
    mine = grantable(g.principal.roles)
    return [
        SelectChoice("", _("Please choose")),
        *(SelectChoice(name, str(ROLES[name].label)) for name in ROLES if name in mine),
    ]


# What is told of a deed to an auditor's account that one administrator may not do alone.
WAITS = _l("This concerns an auditor: another administrator must do the same within a day to confirm it.")


class RoleForm(FlaskForm):
    role = SelectField(_l("Role"), choices=_grantable_choices, validators=[InputRequired(_l("Please choose a role."))])


class PersonForm(FlaskForm):
    """个人信息: everything but the account name."""

    first_name = StringField(_l("Name"), [InputRequired(_l("Please give the name.")), Length(2, 60)])
    phone = StringField(
        _l("Phone"),
        [Optional(), a_telephone],
    )
    email = StringField(
        _l("E-mail"),
        [InputRequired(_l("Please give an e-mail address.")), Email(_l("This is no e-mail address.")), Length(max=320)],
    )
    position = StringField(_l("Position"), [Length(max=60)])
    active = BooleanField(_l("Activated: may log in"))
    revision = HiddenField()


class HomeForm(FlaskForm):
    organization_id = HiddenField(validators=[InputRequired(_l("Please choose an organization on the left."))])


def _state() -> Any:
    return case(*((accounts.in_state(state), state) for state in ACCOUNT_STATES if state != ACTIVE), else_=ACTIVE)


def _roles(names: list[str] | None) -> str:
    return "、".join(str(ROLE_LABELS.get(name, name)) for name in names or [])


def _roles_in_sheet(_value: Any) -> Any:
    words = words_in_sheet(ROLE_LABELS, Role.name)
    held = select(func.string_agg(words, "、")).join(held_role, held_role.c.role_id == Role.id)
    return held.where(held_role.c.user_id == Account.id).scalar_subquery()


class Accounts(ModelPage):
    """系统用户管理."""

    route_base = "/accounts"
    class_permission_name = "Accounts"
    reveals = True
    list_title = _l("Accounts")
    subtitle = _l("Accounts of your organization and of those you look after.")
    empty = _l("No account matches.")

    source = Source(
        Account,
        key=Account.registered_at,
        outer_joins=((Organization, Organization.id == Account.organization_id),),
        where=lambda: [accounts.in_care_of(g.principal)],
        descending=True,
    )
    columns = (
        Column("username", _l("Account"), Account.username, fixed=True),
        Column("first_name", _l("Name"), Account.first_name, fixed=True),
        Column("organization", _l("Organization"), Organization.name),
        Column("position", _l("Position"), Account.position),
        Column("roles", _l("Roles"), accounts.roles_of(), _roles, sheet=_roles_in_sheet),
        Column(
            "state",
            _l("State"),
            _state(),
            badge(ACCOUNT_LABELS),
        ),
        Column("last_login_at", _l("Last login"), Account.last_login_at, moment, css="nowrap"),
        Column("registered_at", _l("Created at"), Account.registered_at, moment, css="nowrap", sortable=True),
        Column("kind", _l("Kind of organization"), Organization.kind, label(KINDS), hidden=True),
    )  # fmt: skip
    extra = {"state": _state()}  # noqa: RUF012 -- declared once per page, as Flask-AppBuilder does
    filters = (
        Lookup(
            "organization",
            _l("Organization and below"),
            accounts.below,
            "/accounts/organizations",
            name_of,
        ),
        Switch("state", _l("State"), None, ACCOUNT_LABELS, multiple=False, conditions=accounts.in_state),
        Switch("role", _l("Role"), None, ROLE_LABELS, multiple=False, conditions=accounts.holds),
    )
    search = Search(
        (
            in_own("username", _l("Account"), Begins(Account.username)),
            in_own("name", _l("Name"), ContainsChinese(Account.first_name)),
        ),
        placeholder=_l("Search"),
    )

    @expose("/organizations", methods=["GET"])
    @permitted("list")
    def organizations(self) -> Any:
        """Organizations to filter by."""
        found = accounts.homes(request.args.get("q", "").strip()[:100], g.principal)
        return {"options": [{"value": str(each.id), "label": each.name, "leaf": True} for each in found]}

    # --- Many at once

    @page_action("edit", _l("Edit"), icon="edit", style="primary", permission="can_edit")
    def open_edit(self, row_id: int) -> str:
        return url_for("Accounts.person", pk=row_id)

    @form_action("activate", _l("Activate"), icon="user-check", states=frozenset({DISABLED}))
    def activate(self, selection: Selection, _form: Any) -> str:
        outcome = accounts.activate(selection.ids, g.principal)
        return told(_("Activated %(done)s accounts.", done=outcome.done), outcome)

    @form_action(
        "give_role", _l("Give a role"), icon="user-plus", form=RoleForm, states=frozenset({REGISTERED, ACTIVE})
    )
    def give_role(self, selection: Selection, form: RoleForm) -> str:
        outcome = accounts.give_role(selection.ids, form.role.data, g.principal)
        done = _("Gave the role to %(done)s accounts.", done=outcome.done)
        if second_persons.waits("give_role", g.principal):
            return f"{done} {WAITS}"
        if not outcome.skipped:
            return done
        hint = _(
            "%(number)s were left as they were: they hold it already, it does not fit their organization, its duty "
            "must be kept apart from one they have, or they are not yours to change.",
            number=outcome.skipped,
        )
        return f"{done} {hint}"

    @form_action("unlock", _l("Unlock"), icon="lock", states=frozenset({LOCKED}))
    def unlock(self, selection: Selection, _form: Any) -> str:
        outcome = accounts.unlock(selection.ids, g.principal)
        return told(_("Unlocked %(done)s accounts.", done=outcome.done), outcome)

    @form_action(
        "deactivate", _l("Deactivate"), icon="ban", style="danger", states=frozenset({REGISTERED, ACTIVE, LOCKED})
    )
    def deactivate(self, selection: Selection, _form: Any) -> str:
        outcome = accounts.deactivate(selection.ids, g.principal)
        text = told(_("Deactivated %(done)s accounts; their sessions have ended.", done=outcome.done), outcome)
        return f"{text} {WAITS}" if second_persons.waits("deactivate", g.principal) else text

    @form_action("reset_password", _l("Reset the password"), icon="key", single=True)
    def reset_password(self, selection: Selection, _form: Any) -> Any:
        row = accounts.seen(selection.only_id(), g.principal) or abort(404)
        password = accounts.reset_password(row.id, g.principal)
        if password is None:
            return str(WAITS)
        db.session.commit()
        return render_template("accounts/password.html", account=row, password=password), 200

    @form_action("reset_second_factor", _l("Reset the second factor"), icon="shield-check", single=True)
    def reset_second_factor(self, selection: Selection, _form: Any) -> str:
        done = accounts.reset_second_factor(selection.only_id(), g.principal)
        return _("The second factor is switched off.") if done else str(WAITS)

    # --- One account

    def details(self, row_id: int) -> Show | None:
        account = accounts.seen(row_id, g.principal)
        if account is None:
            return None
        state = _state_of(account)
        return Show(
            id=account.id,
            title=f"{account.first_name} ({account.username})",
            state=state,
            state_badge=badge(ACCOUNT_LABELS)(state),
            sections=[_person_section(account)],
            tables=[_roles_table(account)],
            timeline=audit_pages.timeline(audits.of("account", account.id)),
        )

    @expose("/<pk>/person", methods=["GET", "POST"])
    @permitted("edit")
    def person(self, pk: str) -> Any:
        """个人信息."""
        account = self._account(pk)
        form = PersonForm(obj=account) if request.method == "GET" else PersonForm()
        if form.validate_on_submit():
            values = {name: form[name].data.strip() for name in ("first_name", "phone", "email", "position")}
            try:
                accounts.edit(account.id, form.revision.data or "", g.principal, active=form.active.data, **values)
                waits = not form.active.data and second_persons.waits("deactivate", g.principal, account.id)
            except RuleError as refusal:
                db.session.rollback()
                return self._tab("person", self._account(pk), form, str(refusal))
            return self._saved("person", pk, waits=waits)
        if request.method == "GET":
            self.record_numbers(account.id, str(account), account, form)
        return self._tab("person", account, form)

    @expose("/<pk>/organization", methods=["GET", "POST"])
    @permitted("edit")
    def organization(self, pk: str) -> Any:
        """组织信息: the tree, and 归属."""
        account = self._account(pk)
        form = HomeForm()
        if request.method == "POST":
            self._require("attach")
            chosen = form.organization_id.data or ""
            if form.validate() and is_number(chosen):
                done = accounts.attach(account.id, int(chosen), g.principal)
                return self._saved("organization", pk, waits=not done)
        return self._tab("organization", account, form)

    @expose("/<pk>/roles", methods=["GET", "POST"])
    @permitted("edit")
    def roles(self, pk: str) -> Any:
        """角色信息: 分配 gives a role, 删除 takes one away."""
        account = self._account(pk)
        if request.method == "POST":
            return self._saved("roles", pk, waits=not self._change_role(account))
        return self._tab("roles", account, FlaskForm())

    def _change_role(self, account: Account) -> bool:
        """Give or take the role that the form names; False if a second administrator must confirm it first."""
        if "take" in request.form:
            self._require("take_role")
            outcome = accounts.take_role([account.id], request.form["take"], g.principal)
        else:
            self._require("give_role")
            outcome = accounts.give_role([account.id], request.form.get("give", ""), g.principal)
        deed = "take_role" if "take" in request.form else "give_role"
        if not outcome.done and second_persons.waits(deed, g.principal, account.id):
            return False
        if not outcome.done:
            raise RuleError(
                _("This role does not fit the account: another duty, another organization, or it is so already.")
            )
        return True

    def _account(self, pk: str) -> Account:
        return accounts.seen(self.listed_id(pk), g.principal) or abort(404)

    def _require(self, permission: str) -> None:
        if not self.allowed(permission):
            abort(403)

    def _saved(self, tab: str, pk: str, waits: bool = False) -> Any:
        db.session.commit()
        flash(WAITS if waits else _("Saved."), "warning" if waits else "success")
        return redirect(url_for(f"Accounts.{tab}", pk=pk), code=303)

    def _tab(self, tab: str, account: Account, form: FlaskForm, problem: str | None = None) -> Any:
        state = _state_of(account)
        page = render_template(
            f"accounts/{tab}.html",
            account=account,
            tab=tab,
            form=form,
            problem=problem,
            state_badge=badge(ACCOUNT_LABELS)(state),
            changeable=accounts.changeable(account.id, g.principal) is not None,
            list_url=self.url,
            **(_role_tree(account) if tab == "roles" else {}),
        )
        return page, 422 if problem or form.errors else 200


def _state_of(account: Account) -> str:
    return db.session.scalars(select(_state()).where(Account.id == account.id)).one()


def _person_section(account: Account) -> Section:
    return Section(
        "",
        [
            (_("Account"), account.username),
            (_("Name"), account.first_name),
            (_("Organization"), account.organization.name if account.organization else ""),
            (_("Position"), account.position),
            (_("Phone"), account.phone),
            (_("E-mail"), account.email),
            (_("Second factor"), _("Set up") if account.totp_since else _("Not set up")),
            (_("Last login"), moment(account.last_login_at)),
            (_("Created at"), moment(account.registered_at)),
        ],
    )


def _roles_table(account: Account) -> Table:
    rows = [
        [str(ROLE_LABELS.get(each.role, each.role)), each.by_name or "", each.by_organization or "", moment(each.at)]
        for each in accounts.held(account.id)
    ]
    return Table(_("Roles"), [_("Role"), _("Given by"), _("Organization"), _("Given at")], rows, _("No role yet."))


def _role_tree(account: Account) -> dict[str, Any]:
    """The roles by kind of organization on the left, those held on the right."""
    held = accounts.role_names(account.id)
    mine = grantable(g.principal.roles)
    at = account.organization
    tree = [
        (
            word,
            [
                _leaf(name, held, at is not None and fits(name, at.kind, at.level))
                for name in ROLES
                if name in mine and ROLES[name].kind == kind
            ],
        )
        for kind, word in KINDS.items()
    ]
    given = [
        {
            "name": each.role,
            "label": ROLE_LABELS.get(each.role, each.role),
            "by": each.by_name,
            "organization": each.by_organization,
            "at": moment(each.at),
            "mine": each.role in mine,
        }
        for each in accounts.held(account.id)
    ]
    return {"tree": [(word, leaves) for word, leaves in tree if leaves], "given": given}


def _leaf(name: str, held: frozenset[str], fitting: bool) -> dict[str, Any]:
    return {"name": name, "label": ROLE_LABELS[name], "held": name in held, "fits": fitting}
