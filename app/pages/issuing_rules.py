"""证书编号与印章: by which pattern one's institution numbers its certificates, and its seal."""

from types import SimpleNamespace
from typing import Any

from flask import abort, g, render_template, request, send_file, url_for
from flask_appbuilder import expose
from flask_babel import gettext as _, lazy_gettext as _l
from flask_wtf.file import FileField
from markupsafe import Markup
from sqlalchemy import case
from wtforms import HiddenField, StringField
from wtforms.validators import DataRequired

from app import files
from app.domain import holidays, issuing_rules
from app.domain.issuing_rules import MOST_BYTES, SEAL_PIXELS, USUAL_PATTERN
from app.errors import RuleError
from app.fabkit.actions import Selection, form_action
from app.fabkit.forms import Form, trimmed
from app.fabkit.lists import Column, Source
from app.fabkit.pages import ModelPage
from app.fabkit.security import permitted
from app.models import IssuingRule

ROOM_FOR_THE_REST = 64 * 1024


class IssuingRuleForm(Form):
    pattern = StringField(
        _l("Rule for numbers"),
        [DataRequired(_l("Please give a rule for numbers."))],
        filters=[trimmed],
        description=_l(
            "{year} and {month} stand for the day of issue, {number:6} for a running number of six digits (3 to 9); "
            "all else is printed as it is. A new year or month begins at 1 again."
        ),
    )
    seal = FileField(
        _l("Institution seal"),
        description=_l(
            "A PNG with a transparent ground, %(low)s to %(high)s pixels wide and high; empty: it stays as it is.",
            low=SEAL_PIXELS[0],
            high=SEAL_PIXELS[1],
        ),
        render_kw={"accept": "image/png"},
    )
    revision = HiddenField()


def _next(pattern: str) -> str:
    return issuing_rules.next_number(g.principal.organization_id, pattern, holidays.today())


_SEAL = Markup('<img class="seal" src="{}" alt="{}">')


def _seal(id: int | None) -> Any:
    return _SEAL.format(url_for("IssuingRules.seal", pk=id), _("Institution seal")) if id else _("No seal yet")


class IssuingRules(ModelPage):
    """证书编号与印章."""

    route_base = "/issuing-rules"
    class_permission_name = "IssuingRules"
    list_title = _l("Numbers and seal of certificates")
    subtitle = _l("For certificates issued from now on; those issued stay as they are.")
    empty = _l("Certificates get the usual numbers, by %(pattern)s, and no seal yet.", pattern=USUAL_PATTERN)
    source = Source(IssuingRule, key=IssuingRule.id)
    columns = (
        Column("pattern", _l("Rule for numbers"), IssuingRule.pattern, css="nowrap", fixed=True),
        Column("next", _l("Next number"), IssuingRule.pattern, _next, css="nowrap"),
        Column("seal", _l("Institution seal"), case((IssuingRule.seal.is_not(None), IssuingRule.id)), _seal),
    )

    @form_action(
        "edit",
        _l("Change"),
        icon="edit",
        style="primary",
        form=IssuingRuleForm,
        without=True,
        permission="can_edit",
        template="issuing_rules/edit.html",
        submit=_l("Save"),
        context="as_it_is",
        most_bytes=MOST_BYTES + ROOM_FOR_THE_REST,
    )
    def edit(self, _selection: Selection, form: IssuingRuleForm) -> str:
        issuing_rules.change(form.pattern.data or "", form.seal.data or None, form.revision.data or "", g.principal)
        return _("Saved.")

    def prefill(self, declared: Any, selection: Selection) -> Any:
        rule = issuing_rules.of_institution(g.principal.organization_id)
        revision = rule.revision if rule else ""
        return SimpleNamespace(pattern=issuing_rules.pattern_of(rule), revision=revision)

    def as_it_is(self, _selection: Selection, form: IssuingRuleForm) -> dict[str, Any]:
        """The next number by what is typed so far, and the seal of now."""
        rule = issuing_rules.of_institution(g.principal.organization_id)
        seal_url = url_for("IssuingRules.seal", pk=rule.id) if rule and rule.seal else None
        return {"number": _number(form.pattern.data or ""), "url": self.route_base, "seal_url": seal_url}

    @expose("/preview", methods=["POST"])
    @permitted("edit")
    def preview(self) -> Any:
        """The next number by a rule as typed so far."""
        return render_template("issuing_rules/_number.html", number=_number(request.form.get("pattern", "").strip()))

    @expose("/seal/<pk>", methods=["GET"])
    @permitted("list")
    def seal(self, pk: str) -> Any:
        """The picture of the seal, for one's own institution alone."""
        name = issuing_rules.seal_of(self.listed_id(pk), g.principal)
        if name is None:
            abort(404)
        return send_file(files.path(name), mimetype="image/png")


def _number(pattern: str) -> str | None:
    """The next number by a pattern; None while it is no rule."""
    try:
        return issuing_rules.preview(pattern, g.principal)
    except RuleError:
        return None
