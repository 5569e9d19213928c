"""机构项目: what an institution can verify, from the draft to what is effective."""

from datetime import date, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

from flask import abort, g
from flask_appbuilder import expose
from flask_babel import gettext as _, lazy_gettext as _l, ngettext
from sqlalchemy.orm import aliased
from wtforms import DateField, HiddenField, RadioField, SelectField, StringField
from wtforms.fields.choices import SelectChoice  # pyright: ignore[reportAttributeAccessIssue]  # newer than its stubs
from wtforms.validators import DataRequired, InputRequired, Length, NumberRange, Optional

from app.domain import capabilities, catalogue, holidays, regions, workloads
from app.domain.capabilities import Offer, Particulars
from app.domain.instruments import WARNED_BEFORE
from app.domain.ledger import range_text
from app.fabkit.actions import Selection, form_action
from app.fabkit.filters import (
    Choice,
    Contains,
    ContainsChinese,
    Search,
    SearchField,
    Switch,
    among,
    in_own,
    is_number,
)
from app.fabkit.formats import badge, day, due, label
from app.fabkit.forms import CascadeField, DecimalField, Form, IntegerField, SearchSelectManyField, trimmed
from app.fabkit.lists import Column, Source
from app.fabkit.pages import ModelPage, Section, Show
from app.fabkit.security import permitted
from app.models import Capability, CatalogueItem, MeasurementStandard
from app.pages import outcomes
from app.pages.options import by_item
from app.states import CAPABILITY_LABELS, DECLARE, DRAFT, PENDING

DELIVERIES = {"sent": _l("Sent in"), "on_site": _l("On site"), "both": _l("Sent in or on site")}
EXPIRING = {"30": _l("Expires in 30 days"), "90": _l("Expires in 90 days"), "over": _l("Expired")}

Kind = aliased(CatalogueItem, name="kind")
Item = aliased(CatalogueItem, name="item")
_named = aliased(CatalogueItem, name="named")


def _standards() -> list[SelectChoice]:
    """The institution's own, with what is wrong with them left for the review to say."""
    own = [
        SelectChoice(str(each.id), f"{each.name} {each.certificate_no}") for each in capabilities.standards(g.principal)
    ]
    return [SelectChoice("", "—"), *own]


class CapabilityForm(Form):
    """A capability as it is declared; the kind says in which units (capabilities.js)."""

    catalogue_item_id = CascadeField(
        _l("Category and kind"),
        levels=(_l("Category"), _l("Kind")),
        options_url="/options/catalogue",
        find=lambda value: catalogue.way_to(int(value)),
        validators=[InputRequired(_l("Please choose a kind of the catalogue."))],
    )
    range_low = DecimalField(_l("Range from"), [InputRequired(_l("Please give a number."))], places=None)
    range_high = DecimalField(_l("Range to"), [InputRequired(_l("Please give a number."))], places=None)
    range_unit = SelectField(_l("Unit"), validate_choice=False, choices=[])
    accuracy_class = StringField(
        _l("Accuracy class"),
        [DataRequired(_l("Please give the accuracy class.")), Length(max=50)],
        filters=[trimmed],
        description=_l("The finest class; coarser ones are covered as well."),
    )
    regulation = StringField(
        _l("Regulation"),
        [DataRequired(_l("Please name the regulation.")), Length(max=100)],
        filters=[trimmed],
        description=_l("The verification regulation with its year, e.g. JJG 162-2019."),
    )
    standard_id = SelectField(_l("Measurement standard"), choices=_standards)
    delivery = RadioField(_l("Delivery"), choices=[SelectChoice(*pair) for pair in DELIVERIES.items()], default="both")
    places = SearchSelectManyField(
        _l("Service regions"),
        options_url="/options/places",
        find=regions.names,
        placeholder=_l("Search by name"),
        validators=[InputRequired(_l("Please choose at least one region."))],
        description=_l("Counties, cities, provinces or the whole country; a city stands for all its counties."),
    )
    valid_from = DateField(_l("Valid from"), [InputRequired(_l("Please give the day."))])
    valid_until = DateField(_l("Valid until"), [InputRequired(_l("Please give the day."))])
    revision = HiddenField()

    def offer(self) -> Offer:
        standard = str(self.standard_id.data or "")
        return Offer(
            catalogue_item_id=int(self.catalogue_item_id.data or 0),
            range_low=self.range_low.data or Decimal(0),
            range_high=self.range_high.data or Decimal(0),
            range_unit=self.range_unit.data or "",
            accuracy_class=self.accuracy_class.data or "",
            regulation=self.regulation.data or "",
            standard_id=int(standard) if standard else None,
            delivery=self.delivery.data,
            valid_from=self.valid_from.data or date.max,
            valid_until=self.valid_until.data or date.min,
            places=tuple(self.places.data),
        )

    @property
    def item(self) -> CatalogueItem | None:
        chosen = str(self.catalogue_item_id.data or "")
        return catalogue.kind(int(chosen)) if is_number(chosen) else None


class CapacityForm(Form):
    """How many instruments of a kind can be verified in a week."""

    stated = IntegerField(
        _l("Instruments a week"),
        [Optional(), NumberRange(1, workloads.MOST_A_WEEK)],
        description=_l(
            "Of this kind, in all ranges. Tasks that are assigned automatically are shared by it. Empty: what you"
            " certified a week in the last 90 days counts."
        ),
    )


def _expiring(value: str) -> Any:
    today = holidays.today()
    if value == "over":
        return Capability.valid_until < today
    return Capability.valid_until.between(today, today + timedelta(days=int(value)))


class Capabilities(ModelPage):
    """机构项目."""

    route_base = "/capabilities"
    class_permission_name = "Capabilities"
    list_title = _l("Capabilities")
    subtitle = _l("Draft what you can verify and submit it; once the authority has passed it, tasks come by it.")
    empty = _l("No capability matches.")
    scripts = ("capabilities.js",)
    source = Source(
        Capability,
        key=Capability.id,
        joins=((Kind, Kind.id == Capability.catalogue_item_id), (Item, Item.id == Kind.parent_id)),
        outer_joins=((MeasurementStandard, MeasurementStandard.id == Capability.standard_id),),
        descending=True,
    )
    columns = (
        Column(
            "state",
            _l("State"),
            Capability.state,
            badge(CAPABILITY_LABELS),
            css="nowrap",
            fixed=True,
        ),
        Column("item", _l("Category"), Item.name, css="narrow"),
        Column("kind", _l("Kind"), Kind.name, css="narrow", fixed=True),
        Column("range", _l("Measuring range"), capabilities.range_of(), css="nowrap"),
        Column("accuracy", _l("Accuracy class"), Capability.accuracy_class, css="nowrap"),
        Column("regulation", _l("Regulation"), Capability.regulation),
        Column("standard", _l("Measurement standard"), MeasurementStandard.name, css="narrow"),
        Column(
            "delivery",
            _l("Delivery"),
            Capability.delivery,
            label(DELIVERIES),
            css="nowrap",
        ),
        Column("places", _l("Service regions"), capabilities.places_of()),
        Column("valid_from", _l("Valid from"), Capability.valid_from, day, css="nowrap", hidden=True),
        Column(
            "valid_until",
            _l("Valid until"),
            Capability.valid_until,
            due(near=WARNED_BEFORE.days),
            css="nowrap",
        ),
        Column("weekly", _l("Weekly capacity"), workloads.of_capability(workloads.a_week()), css="number"),
        Column("reason", _l("Reason"), Capability.reason, css="wide"),
    )
    extra = {"state": Capability.state}  # noqa: RUF012 -- declared once per page, as Flask-AppBuilder does
    filters = (
        Choice("state", _l("State"), Capability.state, CAPABILITY_LABELS),
        by_item(lambda kinds: Capability.catalogue_item_id.in_(kinds)),
        Switch("expiring", _l("Validity"), None, EXPIRING, multiple=False, conditions=_expiring),
    )
    search = Search(
        (
            SearchField(
                "kind",
                _l("Kind"),
                lambda term: among(Capability.catalogue_item_id, _named.id, ContainsChinese(_named.name), term),
            ),
            in_own("regulation", _l("Regulation"), Contains(Capability.regulation)),
        ),
        placeholder=_l("Search"),
    )

    def details(self, row_id: int) -> Show | None:
        return show(row_id)

    # --- drafting

    @form_action(
        "add",
        _l("Add"),
        icon="plus",
        style="primary",
        form=CapabilityForm,
        without=True,
        permission="can_add",
        template="capabilities/form.html",
        size="xl",
        submit=_l("Save"),
        context="asked",
    )
    def add(self, _selection: Selection, form: CapabilityForm) -> str:
        return self._added(form)

    @form_action(
        "copy",
        _l("Copy"),
        icon="copy",
        form=CapabilityForm,
        single=True,
        permission="can_add",
        template="capabilities/form.html",
        size="xl",
        submit=_l("Save"),
        context="asked",
    )
    def copy(self, _selection: Selection, form: CapabilityForm) -> str:
        return self._added(form)

    def _added(self, form: CapabilityForm) -> str:
        capabilities.add(form.offer(), g.principal)
        return _("Saved as a draft. Submit it for review when it is complete.")

    @form_action(
        "edit",
        _l("Edit"),
        icon="edit",
        form=CapabilityForm,
        single=True,
        permission="can_edit",
        states=DECLARE.sources,
        template="capabilities/form.html",
        size="xl",
        submit=_l("Save"),
        context="asked",
    )
    def edit(self, selection: Selection, form: CapabilityForm) -> str:
        if capabilities.edit(selection.only_id(), form.offer(), form.revision.data or "", g.principal) is None:
            abort(404)
        return _("Saved.")

    def prefill(self, declared: Any, selection: Selection) -> Any:
        if declared.name == "add":
            until = capabilities.authorized_until(g.principal)
            return SimpleNamespace(valid_from=holidays.today(), valid_until=until, places=[g.principal.region_code])
        if declared.name == "capacity":
            return workloads.stated(selection.only_id())
        if declared.name not in ("copy", "edit"):
            return None
        found = capabilities.particulars(selection.only_id())
        if found is None:
            abort(404)
        names = (name for name in CapabilityForm()._fields if hasattr(found.capability, name))
        facts = {name: _plain(getattr(found.capability, name)) for name in names}
        return SimpleNamespace(**facts, places=capabilities.places(found.capability.id))

    def asked(self, _selection: Selection, form: CapabilityForm) -> dict[str, Any]:
        """What the form asks for the kind that is chosen so far."""
        item = form.item
        form.range_unit.choices = [SelectChoice(unit, unit) for unit in (item.range_units if item else [])]
        until = capabilities.authorized_until(g.principal)
        if until:
            form.valid_until.description = _("The institution is authorized until %(day)s.", day=day(until))
        return {"item": item, "url": self.route_base}

    @expose("/kind/<pk>", methods=["GET"])
    @permitted("list")
    def kind(self, pk: str) -> Any:
        """In which units and classes a kind of the catalogue is given."""
        item = catalogue.kind(int(pk)) if is_number(pk) else None
        if item is None:
            abort(404)
        return {"units": item.range_units, "classes": item.accuracy_classes}

    # --- how much

    @form_action("capacity", _l("Weekly capacity"), icon="gauge", form=CapacityForm, single=True, submit=_l("Save"))
    def capacity(self, selection: Selection, form: CapacityForm) -> str:
        number = form.stated.data
        kind = workloads.state(selection.only_id(), number, g.principal) or abort(404)
        if number is None:
            return _("For %(kind)s what you certified in the last 90 days counts.", kind=kind)
        return _("%(kind)s: %(number)s a week.", kind=kind, number=number)

    # --- declaring

    @form_action("declare", _l("Submit for review"), icon="send", states=DECLARE.sources)
    def declare(self, selection: Selection, _form: Any) -> str:
        outcome = capabilities.declare(selection.ids, g.principal)
        return outcomes.told(_("Submitted %(done)s capabilities.", done=outcome.done), outcome)

    @form_action("recall", _l("Recall"), icon="arrow-back-up", states=frozenset({PENDING}))
    def recall(self, selection: Selection, _form: Any) -> str:
        outcome = capabilities.recall(selection.ids, g.principal)
        return outcomes.told(_("Recalled %(done)s capabilities.", done=outcome.done), outcome)

    @form_action(
        "delete", _l("Delete"), icon="trash", style="danger", permission="can_delete", states=frozenset({DRAFT})
    )
    def delete(self, selection: Selection, _form: Any) -> str:
        count = capabilities.delete_drafts(selection.ids, g.principal)
        return ngettext("Deleted %(num)s row.", "Deleted %(num)s rows.", count)


def _plain(value: Any) -> Any:
    """A number without the zeros that the database keeps behind it."""
    return Decimal(f"{value.normalize():f}") if isinstance(value, Decimal) else value


def _range(capability: Capability) -> str:
    return range_text(capability.range_low, capability.range_high, capability.range_unit)


def show(capability_id: int) -> Show | None:
    """Everything about a capability; None if it is not there for this person."""
    found = capabilities.particulars(capability_id)
    if found is None:
        return None
    state = found.capability.state
    return Show(
        id=capability_id,
        title=f"{found.kind} {_range(found.capability)}",
        state=state,
        state_badge=badge(CAPABILITY_LABELS)(state),
        sections=[Section("", _facts(found))],
        timeline=outcomes.timeline("capability", capability_id, CAPABILITY_LABELS, _STYLES),
    )


def _facts(found: Particulars) -> list[tuple[Any, Any]]:
    capability, standard = found.capability, found.standard
    facts: list[tuple[Any, Any]] = [
        (_l("Category"), found.item),
        (_l("Kind"), found.kind),
        (_l("Measuring range"), _range(capability)),
        (_l("Accuracy class"), capability.accuracy_class),
        (_l("Regulation"), capability.regulation),
        (_l("Measurement standard"), f"{standard.name} {standard.certificate_no}" if standard else None),
        (_l("Delivery"), label(DELIVERIES)(capability.delivery)),
        (_l("Service regions"), found.places),
        (_l("Valid from"), day(capability.valid_from)),
        (_l("Valid until"), due(near=WARNED_BEFORE.days)(capability.valid_until)),
    ]
    if standard:
        until = min(standard.valid_until, standard.public_valid_until)
        facts.insert(6, (_l("Standard valid until"), due(near=WARNED_BEFORE.days)(until)))
    return [*facts, *([(_l("Reason"), capability.reason)] if capability.reason else [])]


_STYLES = {"pass": "success", "reject": "danger", "expire": "warning"}
