"""器具备案审核: instruments that wait for the county authority's review before they count as filed."""

from dataclasses import replace
from typing import Any

from flask import g
from flask_babel import gettext as _, lazy_gettext as _l
from sqlalchemy import and_

from app.domain import filings
from app.domain.filings import LONGEST_REASON, SHORTEST_REASON
from app.fabkit.actions import Selection, form_action
from app.fabkit.forms import Form, reason_field
from app.fabkit.lists import Column, Source
from app.fabkit.pages import ModelPage, Show
from app.models import Instrument, Organization
from app.pages import instruments as instrument_pages
from app.pages.tasks import told
from app.states import PENDING


class SendBackForm(Form):
    reason = reason_field(
        _l("Reason for sending back"),
        SHORTEST_REASON,
        LONGEST_REASON,
        (
            _l("The kind does not agree with the instrument."),
            _l("The number on the photo of the name plate cannot be read."),
            _l("The place of use is not exact."),
            _l("The instrument is not in the catalogue of mandatory verification."),
        ),
    )


class Filings(instrument_pages.WithPhotos, ModelPage):
    """器具备案审核."""

    route_base = "/filings"
    class_permission_name = "Filings"
    list_title = _l("Filings under review")
    subtitle = _l("Where the province has filings reviewed, an instrument can be booked once its filing has passed.")
    empty = _l("No filing is waiting for a review.")
    source = Source(
        Instrument,
        key=Instrument.id,
        joins=(
            *instrument_pages.JOINS,
            (Organization, and_(Organization.id == Instrument.using_unit_id)),
        ),
        where=lambda: [Instrument.filing_state == PENDING],
    )
    columns = (
        instrument_pages.NAME,
        instrument_pages.KIND,
        instrument_pages.MODEL,
        instrument_pages.RANGE,
        instrument_pages.ACCURACY,
        instrument_pages.SERIAL,
        instrument_pages.MANUFACTURER,
        Column("using_unit", _l("Using unit"), Organization.name, css="narrow"),
        instrument_pages.PLACE,
        replace(instrument_pages.REGION, hidden=True),
        replace(instrument_pages.NO, hidden=True),
    )
    filters = (instrument_pages.BY_ITEM, instrument_pages.BY_REGION)
    search = instrument_pages.SEARCH

    def details(self, row_id: int) -> Show | None:
        return instrument_pages.show(row_id, lambda instrument: instrument.filing_state, self.photo_url)

    @form_action("pass", _l("Pass"), icon="check", style="primary", states=frozenset({PENDING}), judges=True)
    def pass_(self, selection: Selection, _form: Any) -> str:
        outcome = filings.pass_(selection.ids, g.principal)
        return told(_("Passed %(done)s filings.", done=outcome.done), outcome)

    @form_action(
        "send_back", _l("Send back"), icon="arrow-back-up", style="danger", form=SendBackForm,
        states=frozenset({PENDING}), judges=True,
    )  # fmt: skip
    def send_back(self, selection: Selection, form: SendBackForm) -> str:
        outcome = filings.send_back(selection.ids, form.reason.data or "", g.principal)
        return told(_("Sent back %(done)s filings.", done=outcome.done), outcome)
