"""器具台账: the instruments of a using unit, from their entry to their scrapping."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

from flask import abort, current_app, g, render_template, request, url_for
from flask_appbuilder import expose
from flask_babel import gettext as _, lazy_gettext as _l, ngettext
from flask_wtf.file import FileRequired, MultipleFileField
from sqlalchemy import and_, case
from wtforms import (
    BooleanField,
    DateField,
    HiddenField,
    RadioField,
    SelectField,
    StringField,
    TextAreaField,
)
from wtforms.fields.choices import SelectChoice  # pyright: ignore[reportAttributeAccessIssue]  # newer than its stubs
from wtforms.validators import DataRequired, InputRequired, Length, NumberRange, Optional

from app.domain import bookings, catalogue, holidays, imports, ledger, ledger_sheets, matching, photos, regions
from app.domain.bookings import Order
from app.domain.ledger import DELIVERIES, LONGEST, ORIGINS, PURPOSES, Entry
from app.errors import RuleError
from app.fabkit.actions import Selection, form_action
from app.fabkit.filters import Switch, is_number
from app.fabkit.forms import CascadeField, DecimalField, Form, IntegerField, SuggestField, a_telephone, trimmed
from app.fabkit.lists import Source
from app.fabkit.pages import ModelPage, Show
from app.fabkit.security import permitted, require
from app.models import CatalogueItem, Instrument, db
from app.pages import instruments as instrument_pages, lots, outcomes, sheets
from app.states import DRAFT, FAILED, FILED, IN_USE, OVERDUE, PENDING, SENT_BACK, STOPPED, UNVERIFIED, VERIFIED
from app.workflow import Outcome

OWN_USE = frozenset({DRAFT, PENDING, FILED, SENT_BACK})
DUE = {
    "30": _l("Due in 30 days"),
    "60": _l("Due in 60 days"),
    "90": _l("Due in 90 days"),
    "overdue": _l("Overdue"),
    "never": _l("Never verified or failed"),
}


def _text(label: Any, longest: int, missing: Any) -> StringField:
    return StringField(label, [DataRequired(missing), Length(max=longest)], filters=[trimmed])


def _choices(words: dict[str, Any]) -> list[Any]:
    return [SelectChoice(*pair) for pair in words.items()]


class InstrumentForm(Form):
    """An instrument as its user tells of it; the kind decides what is asked (ledger.js)."""

    catalogue_item_id = CascadeField(
        _l("Category and kind"),
        levels=(_l("Category"), _l("Kind")),
        options_url="/options/catalogue",
        find=lambda value: catalogue.way_to(int(value)),
        validators=[InputRequired(_l("Please choose a kind of the catalogue."))],
    )
    name = _text(_l("Instrument"), LONGEST["name"], _l("Please give the name of the instrument."))
    model = _text(_l("Model"), LONGEST["model"], _l("Please give the model."))
    range_low = DecimalField(_l("Range from"), [InputRequired(_l("Please give a number."))], places=None)
    range_high = DecimalField(_l("Range to"), [InputRequired(_l("Please give a number."))], places=None)
    range_unit = SelectField(_l("Unit"), validate_choice=False, choices=[])
    accuracy_class = _text(_l("Accuracy class"), LONGEST["accuracy_class"], _l("Please give the accuracy class."))
    serial_no = _text(_l("Serial no."), LONGEST["serial_no"], _l("Please give the serial number on the name plate."))
    quantity = IntegerField(
        _l("Quantity"),
        [InputRequired(_l("Please give a number.")), NumberRange(1, ledger.MOST_AT_ONCE)],
        default=1,
        description=_l("More than one: the number at the end of the serial number counts up."),
    )
    manufacturer = SuggestField(
        _l("Manufacturer"),
        [DataRequired(_l("Please give the manufacturer.")), Length(max=LONGEST["manufacturer"])],
        filters=[trimmed],
        options_url="/options/manufacturers",
    )
    origin = RadioField(_l("Origin"), choices=_choices(ORIGINS), default="domestic")
    type_approval_no = StringField(
        _l("Type approval no."), [Optional(), Length(max=LONGEST["type_approval_no"])], filters=[trimmed]
    )
    region_code = CascadeField(
        _l("Region of use"),
        levels=(_l("Province"), _l("City"), _l("County")),
        options_url="/options/regions",
        find=regions.way_to,
        validators=[InputRequired(_l("Please choose the county in which it is used."))],
        description=_l("It decides which institution is found: please choose it exactly."),
    )
    use_place = _text(_l("Place of use"), LONGEST["use_place"], _l("Please give the place of use."))
    purpose = SelectField(_l("Purpose"), choices=_choices(PURPOSES))
    delivery = RadioField(_l("Delivery"), choices=_choices(DELIVERIES), default="sent")
    started_on = DateField(_l("In use since"), [Optional()])
    file_now = BooleanField(_l("File it with the authority at once"), default=True)
    revision = HiddenField()

    def entry(self) -> Entry:
        return Entry(
            name=self.name.data or "",
            catalogue_item_id=int(self.catalogue_item_id.data or 0),
            model=self.model.data or "",
            range_low=self.range_low.data or Decimal(0),
            range_high=self.range_high.data or Decimal(0),
            range_unit=self.range_unit.data or "",
            accuracy_class=self.accuracy_class.data or "",
            manufacturer=self.manufacturer.data or "",
            region_code=self.region_code.data or "",
            use_place=self.use_place.data or "",
            purpose=self.purpose.data,
            delivery=self.delivery.data,
            origin=self.origin.data,
            started_on=self.started_on.data,
            type_approval_no=self.type_approval_no.data or None,
        )

    @property
    def item(self) -> CatalogueItem | None:
        chosen = str(self.catalogue_item_id.data or "")
        return catalogue.kind(int(chosen)) if is_number(chosen) else None


class EditInstrumentForm(InstrumentForm):
    """One instrument keeps being one, and is filed already or not."""

    quantity = None  # type: ignore[assignment]
    file_now = None  # type: ignore[assignment]


class PhotosForm(Form):
    photos = MultipleFileField(
        _l("Photos"),
        [FileRequired(_l("Please choose a photo."))],
        description=_l("Of the name plate, so that the number can be read. JPEG, PNG or WebP."),
        render_kw={"accept": "image/jpeg,image/png,image/webp"},
    )


class ImportForm(Form):
    file = sheets.sheet_field(
        _l("Filled sheet"),
        description=_l("An .xlsx, .xls or .csv file of at most %(size)s MB and %(rows)s instruments.",
                       size=imports.MOST_BYTES // 2**20, rows=ledger_sheets.MOST_ROWS),
    )  # fmt: skip


class BookForm(lots.LotsForm):
    """An order; where the instruments go stands beside their lots."""

    contact = _text(_l("Contact person"), 60, _l("Please give a contact person."))
    phone = StringField(
        _l("Telephone"), [InputRequired(_l("Please give a telephone number.")), a_telephone], filters=[trimmed]
    )
    delivery = RadioField(_l("Delivery"), choices=_choices(DELIVERIES), default="sent")
    wished_on = DateField(_l("Wished date"), [Optional()])
    remark = TextAreaField(_l("Remark"), [Length(max=500)], filters=[trimmed])
    draft = BooleanField(_l("Keep as a draft, to be submitted later"))

    def order(self) -> Order:
        return Order(
            contact=self.contact.data or "",
            phone=self.phone.data or "",
            delivery=self.delivery.data,
            wished_on=self.wished_on.data,
            remark=self.remark.data or None,
        )


def is_due(value: str) -> Any:
    """The condition that an instrument in use falls due so soon, is overdue, or has never passed."""
    in_use = Instrument.use_state == IN_USE
    if value == "overdue":
        return and_(in_use, Instrument.verification_state == OVERDUE)
    if value == "never":
        return and_(in_use, Instrument.verification_state.in_((UNVERIFIED, FAILED)))
    soon = Instrument.valid_until <= holidays.today() + timedelta(days=int(value))
    return and_(in_use, soon, Instrument.verification_state.in_(VERIFIED))


def state_of(instrument: Instrument) -> str:
    """What decides which actions an instrument can take: its use, and if in use its filing."""
    return instrument.filing_state if instrument.use_state == IN_USE else instrument.use_state


class Ledger(instrument_pages.WithPhotos, ModelPage):
    """器具台账."""

    route_base = "/ledger"
    class_permission_name = "Ledger"
    list_title = _l("Ledger of instruments")
    subtitle = _l("Enter an instrument, file it, and book its verification before it falls due.")
    empty = _l("There is no instrument yet. Add one, or import a sheet.")
    scripts = ("ledger.js", "suggest.js")
    form = InstrumentForm
    source = Source(Instrument, key=Instrument.id, joins=instrument_pages.JOINS, descending=True)
    columns = (
        instrument_pages.VERIFICATION,
        instrument_pages.UNTIL,
        instrument_pages.NAME,
        instrument_pages.KIND,
        instrument_pages.MODEL,
        instrument_pages.SERIAL,
        instrument_pages.PLACE,
        instrument_pages.USE,
        instrument_pages.FILING,
        replace(instrument_pages.NO, hidden=True),
        replace(instrument_pages.ITEM, hidden=True),
        replace(instrument_pages.RANGE, hidden=True),
        replace(instrument_pages.ACCURACY, hidden=True),
        replace(instrument_pages.MANUFACTURER, hidden=True),
        replace(instrument_pages.REGION, hidden=True),
        replace(instrument_pages.LAST, hidden=True),
    )
    extra = {"state": case((Instrument.use_state == IN_USE, Instrument.filing_state), else_=Instrument.use_state)}  # noqa: RUF012
    filters = (
        Switch("due", _l("Due"), None, DUE, multiple=False, conditions=is_due),
        instrument_pages.BY_VERIFICATION,
        instrument_pages.BY_USE,
        instrument_pages.BY_FILING,
        instrument_pages.BY_ITEM,
        instrument_pages.BY_REGION,
        instrument_pages.BY_DOUBLES,
    )
    search = instrument_pages.SEARCH

    def details(self, row_id: int) -> Show | None:
        return instrument_pages.show(row_id, state_of, self.photo_url)

    # --- entering

    @form_action(
        "add",
        _l("Add"),
        icon="plus",
        style="primary",
        form=InstrumentForm,
        without=True,
        permission="can_add",
        template="ledger/form.html",
        size="xl",
        submit=_l("Save"),
        context="asked",
    )
    def add(self, _selection: Selection, form: InstrumentForm) -> str:
        return self._added(form)

    @form_action(
        "copy",
        _l("Copy"),
        icon="copy",
        form=InstrumentForm,
        single=True,
        template="ledger/form.html",
        size="xl",
        submit=_l("Save"),
        context="asked",
    )
    def copy(self, _selection: Selection, form: InstrumentForm) -> str:
        return self._added(form)

    def _added(self, form: InstrumentForm) -> str:
        serials = ledger.serials(form.serial_no.data or "", form.quantity.data or 1)
        ids = ledger.add(form.entry(), serials, g.principal)
        if form.file_now.data:
            ledger.file(ids, g.principal)
        return ngettext("Added %(num)s instrument.", "Added %(num)s instruments.", len(ids))

    @form_action(
        "edit",
        _l("Edit"),
        icon="edit",
        form=EditInstrumentForm,
        single=True,
        permission="can_edit",
        states=OWN_USE | {STOPPED},
        template="ledger/form.html",
        size="xl",
        submit=_l("Save"),
        context="asked",
    )
    def edit(self, selection: Selection, form: EditInstrumentForm) -> str:
        serial_no, revision = form.serial_no.data or "", form.revision.data or ""
        if ledger.edit(selection.only_id(), form.entry(), serial_no, revision, g.principal) is None:
            abort(404)
        return _("Saved.")

    def prefill(self, declared: Any, selection: Selection) -> Any:
        if declared.name == "add":
            return SimpleNamespace(region_code=g.principal.region_code)
        if declared.name == "book":
            contact, phone = bookings.usual_contact(g.principal)
            return SimpleNamespace(contact=contact, phone=phone)
        if declared.name not in ("copy", "edit"):
            return None
        found = instrument_pages.found(selection.only_id())
        if declared.name == "edit":
            return found
        names = (name for name in InstrumentForm()._fields if name not in ("serial_no", "revision", "csrf_token"))
        return SimpleNamespace(**{name: getattr(found, name) for name in names if hasattr(found, name)})

    def asked(self, _selection: Selection, form: InstrumentForm) -> dict[str, Any]:
        """What the form asks for the kind that is chosen so far."""
        item = form.item
        form.range_unit.choices = [SelectChoice(unit, unit) for unit in (item.range_units if item else [])]
        return {"item": item, "url": self.route_base}

    @expose("/kind/<pk>", methods=["GET"])
    @permitted("list")
    def kind(self, pk: str) -> Any:
        """What the form asks for a kind of the catalogue."""
        item = catalogue.kind(int(pk)) if is_number(pk) else None
        if item is None:
            abort(404)
        supervision = item.supervision or ""
        return {
            "units": item.range_units,
            "classes": item.accuracy_classes,
            "approval": "P" in supervision,
            "verified": "V" in supervision,
            "mode": item.verification_mode or "",
            "cycle": item.cycle_months,
        }

    @expose("/match", methods=["POST"])
    @permitted("list")
    def match(self) -> Any:
        """Which institution would be found for an instrument as typed so far."""
        form = InstrumentForm(request.form)
        item, region = form.item, str(form.region_code.data or "")
        if item is None or not is_number(region) or None in (form.range_low.data, form.range_high.data):
            return render_template("ledger/_match.html", asked=False)
        typed = form.entry()
        try:
            accuracy = ledger.accuracy_value(typed.accuracy_class)
        except RuleError:
            return render_template("ledger/_match.html", asked=False)
        options = matching.options_for(item.id, region, typed.range_low, typed.range_high, typed.range_unit, accuracy)
        return render_template("ledger/_match.html", asked=True, options=options[:3], proximity=lots.PROXIMITY)

    # --- a sheet of them

    @form_action(
        "import",
        _l("Import"),
        icon="upload",
        form=ImportForm,
        without=True,
        template="ledger/import.html",
        size="lg",
        submit=_l("Preview"),
        most_bytes=imports.MOST_BYTES + 2**16,
    )
    def import_sheet(self, _selection: Selection, form: ImportForm) -> Any:
        sheet = form.file.data
        kept = imports.upload(sheet.stream, sheet.filename, g.principal, tuple(current_app.config["LANGUAGES"]))
        imports.preview(kept, g.principal)
        db.session.commit()
        return "", 204, {"HX-Redirect": url_for("LedgerImports.sheet", pk=kept.id)}

    @form_action("export_for_changes", _l("Export for changes"), icon="file-spreadsheet",
                 template="ledger/take_sheet.html", submit=_l("Download"))  # fmt: skip
    def export_for_changes(self, selection: Selection, _form: Any) -> Any:
        content, number = ledger_sheets.sheet_for_changes(selection.ids, g.principal)
        text = _("%(number)s instruments, to be changed and sent back.", number=number)
        return sheets.fetched(ledger_sheets.FOR_CHANGES, content, ledger_sheets.title(), text)

    @expose("/template", methods=["GET"])
    @permitted("list")
    def empty_sheet(self) -> Any:
        """The sheet to fill in."""
        require("import", self.class_permission_name)
        return sheets.handed_out(ledger_sheets.template(g.principal), _("Instruments to import"))

    # --- filing and use

    @form_action("file", _l("File"), icon="file-check", states=frozenset({DRAFT, SENT_BACK}))
    def file(self, selection: Selection, _form: Any) -> str:
        outcome = ledger.file(selection.ids, g.principal)
        return _told(ngettext("Filed %(num)s instrument.", "Filed %(num)s instruments.", outcome.done), outcome)

    @form_action("book", _l("Book verification"), icon="calendar-plus", form=BookForm, states=frozenset({FILED}),
                 template="ledger/book.html", size="xl", context="lots", submit=_l("Submit"))  # fmt: skip
    def book(self, selection: Selection, form: BookForm) -> str:
        outcome = bookings.book(selection.ids, form.order(), form.choices(), g.principal, submit=not form.draft.data)
        return _told(ngettext("Booked %(num)s instrument.", "Booked %(num)s instruments.", outcome.done), outcome)

    def lots(self, selection: Selection, form: BookForm) -> dict[str, Any]:
        return lots.shown(matching.lots_of_instruments(bookings.chosen_bookable(selection.ids)), form)

    @form_action(
        "add_photos",
        _l("Add photos"),
        icon="camera",
        form=PhotosForm,
        single=True,
        submit=_l("Save"),
        most_bytes=photos.MOST * photos.MOST_BYTES,
    )
    def add_photos(self, selection: Selection, form: PhotosForm) -> str:
        count = photos.add(selection.only_id(), form.photos.data or [], g.principal)
        if count is None:
            abort(404)
        return ngettext("It has %(num)s photo now.", "It has %(num)s photos now.", count)

    @form_action("stop", _l("Take out of use"), icon="player-pause", states=OWN_USE)
    def stop(self, selection: Selection, _form: Any) -> str:
        outcome = ledger.stop(selection.ids, g.principal)
        return _told(_("%(done)s are out of use now.", done=outcome.done), outcome)

    @form_action("resume", _l("Put back into use"), icon="player-play", states=frozenset({STOPPED}))
    def resume(self, selection: Selection, _form: Any) -> str:
        outcome = ledger.resume(selection.ids, g.principal)
        return _told(_("%(done)s are in use again.", done=outcome.done), outcome)

    @form_action("scrap", _l("Scrap"), icon="trash", style="danger", states=OWN_USE | {STOPPED},
                 template="ledger/scrap.html")  # fmt: skip
    def scrap(self, selection: Selection, _form: Any) -> str:
        outcome = ledger.scrap(selection.ids, g.principal)
        return _told(_("%(done)s are scrapped.", done=outcome.done), outcome)


def _told(done: str, outcome: Outcome) -> str:
    return outcomes.told(done, outcome, _LEFT)


_LEFT = _l("%(number)s were left as they were: booked, or in another state.")
