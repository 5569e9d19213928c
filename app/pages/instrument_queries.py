"""强检器具查询: the instruments of one's area, as filed and as they stand today."""

from dataclasses import replace

from flask_babel import lazy_gettext as _l
from sqlalchemy import exists
from sqlalchemy.orm import aliased

from app.fabkit.conditions import Conditions
from app.fabkit.filters import Begins, Choice, Contains, ContainsChinese, Dates, Search, Switch, in_large, in_own
from app.fabkit.formats import day, due, label, moment
from app.fabkit.lists import Column, Source
from app.fabkit.number_lists import NumberLists, Numbers
from app.fabkit.pages import Show
from app.models import Instrument, Organization, Task
from app.pages import instruments as instrument_pages
from app.pages.instruments import DELIVERIES, ORIGINS, PURPOSES
from app.pages.ledger import DUE, is_due, state_of
from app.pages.options import by_institution, by_unit
from app.pages.queries import QueryPage

Unit = aliased(Organization, name="unit")


class InstrumentQueries(instrument_pages.WithPhotos, NumberLists, QueryPage):
    """强检器具查询."""

    route_base = "/queries/instruments"
    class_permission_name = "InstrumentQueries"
    list_title = _l("Query of instruments")
    subtitle = _l("The instruments in use, out of use and scrapped in your area.")
    empty = _l("No instrument matches.")
    source = Source(
        Instrument,
        key=Instrument.id,
        joins=instrument_pages.JOINS,
        outer_joins=((Unit, Unit.id == Instrument.using_unit_id),),
        descending=True,
    )
    columns = (
        instrument_pages.VERIFICATION,
        replace(instrument_pages.UNTIL, show=due(near=30)),
        instrument_pages.NAME,
        instrument_pages.KIND,
        instrument_pages.MODEL,
        instrument_pages.SERIAL,
        Column("using_unit", _l("Using unit"), Unit.name, css="narrow"),
        instrument_pages.REGION,
        instrument_pages.PLACE,
        instrument_pages.USE,
        replace(instrument_pages.NO, hidden=True),
        replace(instrument_pages.ITEM, hidden=True),
        replace(instrument_pages.RANGE, hidden=True),
        replace(instrument_pages.ACCURACY, hidden=True),
        replace(instrument_pages.MANUFACTURER, hidden=True),
        Column("origin", _l("Origin"), Instrument.origin, label(ORIGINS), css="nowrap", hidden=True),
        Column("purpose", _l("Purpose"), Instrument.purpose, label(PURPOSES), css="nowrap", hidden=True),
        Column("delivery", _l("Delivery"), Instrument.delivery, label(DELIVERIES), css="nowrap", hidden=True),
        Column("started_on", _l("In use since"), Instrument.started_on, day, css="nowrap", hidden=True),
        Column("approval", _l("Type approval no."), Instrument.type_approval_no, css="nowrap", hidden=True),
        Column("mode", _l("Form of verification"), instrument_pages.Kind.verification_mode, hidden=True),
        Column("cycle", _l("Verification cycle (months)"), Instrument.cycle_months, css="number", hidden=True),
        replace(instrument_pages.LAST, hidden=True),
        replace(instrument_pages.FILING, hidden=True),
        Column("filing_reason", _l("Reason"), Instrument.filing_reason, css="wide", hidden=True),
        Column("created_at", _l("Entered at"), Instrument.created_at, moment, css="nowrap", hidden=True),
    )
    filters = (
        instrument_pages.BY_REGION,
        instrument_pages.BY_ITEM,
        by_unit(lambda id: Instrument.using_unit_id == id),
        by_institution(lambda id: exists().where(Task.instrument_id == Instrument.id, Task.institution_id == id)),
        Switch("due", _l("Due"), None, DUE, multiple=False, conditions=is_due),
        instrument_pages.BY_VERIFICATION,
        instrument_pages.BY_USE,
        instrument_pages.BY_FILING,
        Choice("purpose", _l("Purpose"), Instrument.purpose, PURPOSES),
        Choice("delivery", _l("Delivery"), Instrument.delivery, DELIVERIES, multiple=False),
        Choice("origin", _l("Origin"), Instrument.origin, ORIGINS, multiple=False),
        instrument_pages.BY_DOUBLES,
        Numbers("numbers", _l("List of numbers"), (Instrument.serial_no, Instrument.instrument_no)),
        Conditions(
            Instrument,
            columns,
            "name model serial_no manufacturer range accuracy place verification valid_until last_verified_on use"
            " filing purpose delivery origin started_on approval cycle created_at",
            also=instrument_pages.UNDER_ANOTHER_NAME,
        ),
        Dates("until", _l("Valid until"), Instrument.valid_until, to_come=True),
        Dates("last", _l("Last verified on"), Instrument.last_verified_on),
        Dates("started", _l("In use since"), Instrument.started_on),
        Dates("entered", _l("Entered at"), Instrument.created_at),
    )
    search = Search(
        (
            in_large("serial", _l("Serial no."), Instrument.id, Contains(Instrument.serial_no), shortest=3),
            in_large("name", _l("Instrument"), Instrument.id, ContainsChinese(Instrument.name)),
            in_own("no", _l("Instrument no."), Begins(Instrument.instrument_no)),
        ),
        placeholder=_l("Search"),
    )

    def details(self, row_id: int) -> Show | None:
        return instrument_pages.show(row_id, state_of, self.photo_url)
