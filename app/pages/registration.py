"""账号注册: the public form, and what comes next."""

from datetime import timedelta
from typing import Any

from flask import g, redirect, request, url_for
from flask_appbuilder import expose
from flask_babel import gettext as _, lazy_gettext as _l
from wtforms import BooleanField, HiddenField, PasswordField, RadioField, SelectField, StringField
from wtforms.fields.choices import SelectChoice  # pyright: ignore[reportAttributeAccessIssue]  # newer than its stubs
from wtforms.validators import Email, EqualTo, InputRequired, Length, Optional, Regexp, StopValidation

from app import access
from app.access import EVERYTHING
from app.domain import attempts, credit_codes, passwords, regions, registration
from app.domain.registration import KnownUnit, Person, Unit
from app.errors import RuleError
from app.fabkit.filters import is_number
from app.fabkit.forms import CascadeField, SearchSelectField, a_telephone, trimmed
from app.fabkit.pages import Page
from app.models import db
from app.pages.captchas import CaptchaForm
from app.pages.organizations import NATURES

# Registrations from one address in an hour, and tries of them.
DONE, MOST_IN_AN_HOUR = "register", 20
TRIES, MOST_TRIES = "register_try", 200
KINDS = {
    "authority": _l("staff of an authority"),
    "institution": _l("staff of an institution"),
    "using_unit": _l("of a using unit"),
}
WITHOUT_CREDIT_CODE = {"person", "government"}


class _For:
    """A field that only accounts of these kinds need: for others nothing in it matters."""

    field_flags = {"required": True}  # noqa: RUF012 -- WTForms reads it

    def __init__(self, *kinds: str, message: Any):
        self.kinds, self.message = kinds, message

    def __call__(self, form: Any, field: Any) -> None:
        if form.kind.data not in self.kinds:
            field.errors = []
            raise StopValidation
        if not (field.data or "").strip():
            raise StopValidation(self.message)


def _named(organization_id: int) -> str | None:
    with access.seeing(EVERYTHING):
        return registration.name_of(organization_id)


class RegistrationForm(CaptchaForm):
    """Who one is, where one belongs, and how one will sign in."""

    kind = RadioField(
        _l("I am"),
        choices=[SelectChoice(*pair) for pair in KINDS.items()],
        validators=[InputRequired(_l("Please say who you are."))],
    )
    organization_id = SearchSelectField(
        _l("Organization"),
        options_url="/register/organizations",
        find=_named,
        placeholder=_l("Type a part of the name, or the credit code."),
        validators=[_For("authority", "institution", message=_l("Please choose your organization from the list."))],
    )
    nature = SelectField(_l("Nature"), choices=[SelectChoice(*pair) for pair in NATURES.items()], default="enterprise")
    credit_code = StringField(
        _l("Unified social credit code"),
        filters=[lambda value: trimmed(value).upper()],
        description=_l(
            "18 characters, as on the licence. If your unit is registered already, its own data stay as they are."
        ),
    )
    confirmed_id = HiddenField(filters=[lambda value: value if is_number(value or "") else None])
    unit_name = StringField(
        _l("Name of the unit"),
        [_For("using_unit", message=_l("Please give the name of the unit.")), Length(2, 200)],
        filters=[trimmed],
    )
    licence_no = StringField(
        _l("Licence no."),
        [Length(max=60)],
        filters=[trimmed],
        description=_l("If it is another number than the credit code."),
    )
    region = CascadeField(
        _l("Region of the unit"),
        levels=(_l("Province"), _l("City"), _l("County")),
        options_url="/options/regions",
        find=regions.way_to,
        validators=[_For("using_unit", message=_l("Please choose the region down to the county."))],
    )
    address = StringField(
        _l("Full address"),
        [_For("using_unit", message=_l("Please give the address.")), Length(max=200)],
        filters=[trimmed],
        description=_l("Street and number."),
    )
    name = StringField(_l("Name"), [InputRequired(_l("Please give the name.")), Length(2, 60)], filters=[trimmed])
    phone = StringField(
        _l("Phone"),
        [
            InputRequired(_l("Please give the phone number.")),
            a_telephone,
        ],
        filters=[trimmed],
    )
    email = StringField(
        _l("E-mail"),
        [InputRequired(_l("Please give an e-mail address.")), Email(_l("This is no e-mail address.")), Length(max=320)],
        filters=[trimmed],
    )
    position = StringField(_l("Position"), [Optional(), Length(max=60)], filters=[trimmed])
    account_name = StringField(
        _l("Account name"),
        [
            Regexp(
                r"^[a-z][a-z0-9-]{2,29}$",
                message=_l("An account name begins with a letter and has 3 to 30 small letters, digits or hyphens."),
            )
        ],
        filters=[trimmed],
        description=_l("Small letters, digits, hyphens; four digits are added so that it is yours alone."),
    )
    password = PasswordField(_l("Password"), [Length(max=256)])
    password_again = PasswordField(
        _l("Password again"), [EqualTo("password", _l("The two passwords are not the same."))]
    )
    consent = BooleanField(
        _l("I have read the privacy notice and agree that my data are processed as it says."),
        [InputRequired(_l("Without your consent no account can be made."))],
    )

    def validate_credit_code(self, field: Any) -> None:
        if self.kind.data != "using_unit":
            return
        if not field.data and self.nature.data not in WITHOUT_CREDIT_CODE:
            raise StopValidation(_("Please give the credit code."))
        wrong = credit_codes.problem(field.data) if field.data else None
        if wrong:
            raise StopValidation(wrong)

    # What the credit code is registered for, while it is asked whether that is the person's own unit.
    known_unit: KnownUnit | None = None

    def names(self) -> list[str]:
        """What a password of this person must not contain."""
        return [self.account_name.data or "", self.name.data or "", (self.email.data or "").partition("@")[0]]

    def validate_password(self, field: Any) -> None:
        wrong = passwords.form_problem(field.data or "", self.names())
        if wrong:
            raise StopValidation(wrong)

    def validate_region(self, field: Any) -> None:
        if self.kind.data == "using_unit" and regions.has_parts(field.data):
            raise StopValidation(_("Please choose the region down to the county."))

    def person(self) -> Person:
        return Person(str(self.name.data), str(self.phone.data), str(self.email.data), str(self.position.data or ""))

    def unit(self) -> Unit:
        return Unit(
            name=str(self.unit_name.data),
            nature=str(self.nature.data),
            credit_code=str(self.credit_code.data),
            licence_no=str(self.licence_no.data),
            region_code=str(self.region.data),
            address=str(self.address.data),
        )


class Registration(Page):
    """Open to everybody, but not without end."""

    route_base = "/register"
    default_view = "register"

    @expose("/", methods=["GET", "POST"])
    def register(self) -> Any:
        if g.principal.account_id is not None:
            return redirect(url_for("HomeView.index"))
        form = RegistrationForm()
        problem = None
        if request.method == "POST":
            try:
                self._count(TRIES, MOST_TRIES)
                if self._in_order(form):
                    return self._done(form)
            except RuleError as refusal:
                db.session.rollback()
                problem = self._told(form, refusal)
        captcha = form.ask_again()
        page = self.render_template("registration/form.html", form=form, problem=problem, captcha=captcha)
        return page, 422 if problem or form.errors else 200, {"Cache-Control": "no-store"}

    def _in_order(self, form: RegistrationForm) -> bool:
        """Every field is looked at; the captcha only when the others are right, for it is good for once; then the
        password is weighed, which costs more than a program may cause.
        """
        if not form.validate():
            return False
        if not form.solved():
            form.captcha.errors = [_("The verification code is wrong or has expired.")]
            return False
        if wrong := passwords.guess_problem(form.password.data or "", form.names()):
            form.password.errors = [wrong]
            return False
        return True

    def _count(self, what: str, most: int) -> None:
        """Count a use of this page by an address; raise RuleError if there were more than `most` in an hour."""
        key = f"{what}:{attempts.of_network(request.remote_addr or '')}"
        refused = attempts.too_many(key, most, timedelta(hours=1))
        db.session.commit()
        if refused:
            raise RuleError(_("Too many registrations from your address. Please try again in an hour."))

    def _done(self, form: RegistrationForm) -> Any:
        self._count(DONE, MOST_IN_AN_HOUR)
        name, password = str(form.account_name.data), str(form.password.data)
        with access.seeing(EVERYTHING):
            if form.kind.data == "using_unit":
                confirmed_id = int(form.confirmed_id.data) if form.confirmed_id.data else None
                account = registration.register_for_unit(form.unit(), form.person(), name, password, confirmed_id)
            else:
                home = form.organization_id.row_id or 0
                account = registration.register_staff(str(form.kind.data), home, form.person(), name, password)
            db.session.commit()
            home = account.organization
            waits = bool(home and home.awaiting_since)
            return self.render_template("registration/done.html", account_name=account.username, waits=waits), 201

    def _told(self, form: RegistrationForm, refusal: RuleError) -> str | None:
        """Beside its field, if the refusal names one; of a known unit with the question whether it is the own."""
        if isinstance(refusal, KnownUnit):
            form.known_unit = refusal
        if refusal.field and refusal.field in form:
            form[refusal.field].errors = [str(refusal)]
            return None
        return str(refusal)

    @expose("/organizations", methods=["GET"])
    def organizations(self) -> Any:
        """Authorities and institutions to choose from; using units are not told."""
        with access.seeing(EVERYTHING):
            found = registration.offered(request.args.get("q", "").strip()[:100])
        return {"options": [{"value": str(each.id), "label": each.name, "leaf": True} for each in found]}

    @expose("/privacy", methods=["GET"])
    def privacy(self) -> Any:
        return self.render_template("registration/privacy.html")
