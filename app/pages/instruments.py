"""What the pages about instruments have in common: columns, filters, and everything about one instrument."""

from typing import Any

from flask import abort, send_file
from flask_appbuilder import expose
from flask_babel import lazy_gettext as _l
from markupsafe import Markup
from sqlalchemy import case
from sqlalchemy.orm import aliased

from app import audit, files
from app.access import within
from app.domain import instruments, manufacturers, photos, regions
from app.domain.instruments import Particulars
from app.domain.ledger import DELIVERIES, ORIGINS, PURPOSES
from app.domain.results import CONCLUSIONS
from app.fabkit.filters import Begins, Choice, Contains, ContainsChinese, Search, Switch, in_own, is_number
from app.fabkit.formats import badge, day, label
from app.fabkit.lists import Column, Source
from app.fabkit.pages import Section, Show, Table
from app.fabkit.security import permitted
from app.models import CatalogueItem, Instrument, Region, db
from app.pages import outcomes
from app.pages.options import by_item, by_region
from app.states import (
    CERTIFICATE_LABELS,
    FILING_LABELS,
    TASK_LABELS,
    USE_LABELS,
    VERIFICATION_LABELS,
)

EVERY_STATE = {**FILING_LABELS, **USE_LABELS, **VERIFICATION_LABELS}

Kind = aliased(CatalogueItem, name="kind")
Item = aliased(CatalogueItem, name="item")
JOINS = (
    (Kind, Kind.id == Instrument.catalogue_item_id),
    (Item, Item.id == Kind.parent_id),
    (Region, Region.code == Instrument.region_code),
)


def _state(name: str, title: Any, column: Any, labels: dict[str, Any]) -> Column:
    return Column(name, title, column, badge(labels), css="nowrap")


VERIFICATION = _state("verification", _l("Verification"), Instrument.verification_state, VERIFICATION_LABELS)
USE = _state("use", _l("Use"), Instrument.use_state, USE_LABELS)
FILING = _state("filing", _l("Filing"), Instrument.filing_state, FILING_LABELS)
NO = Column("no", _l("Instrument no."), Instrument.instrument_no, css="nowrap")
NAME = Column("name", _l("Instrument"), Instrument.name, fixed=True)
ITEM = Column("item", _l("Category"), Item.name, css="narrow")
KIND = Column("kind", _l("Kind"), Kind.name, css="narrow")
MODEL = Column("model", _l("Model"), Instrument.model)
RANGE = Column("range", _l("Measuring range"), Instrument.measuring_range)
ACCURACY = Column("accuracy", _l("Accuracy class"), Instrument.accuracy_class)
SERIAL = Column("serial_no", _l("Serial no."), Instrument.serial_no, css="nowrap")
MANUFACTURER = Column("manufacturer", _l("Manufacturer"), Instrument.manufacturer)
# A condition on the manufacturer also finds what was entered under its other names.
UNDER_ANOTHER_NAME = {"manufacturer": manufacturers.under_another_name}
REGION = Column("region", _l("Region"), Region.full_name)
PLACE = Column("place", _l("Place of use"), Instrument.use_place)
LAST = Column("last_verified_on", _l("Last verified on"), Instrument.last_verified_on, day, css="nowrap")
UNTIL = Column("valid_until", _l("Valid until"), Instrument.valid_until, day, css="nowrap")

SEARCH = Search(
    (
        in_own("serial", _l("Serial no."), Contains(Instrument.serial_no)),
        in_own("name", _l("Instrument"), ContainsChinese(Instrument.name)),
        in_own("no", _l("Instrument no."), Begins(Instrument.instrument_no)),
    ),
    placeholder=_l("Search"),
)
BY_REGION = by_region(lambda code: within(regions.prefix(code))(Instrument))
BY_ITEM = by_item(lambda kinds: Instrument.catalogue_item_id.in_(kinds))
BY_VERIFICATION = Choice("verification", _l("Verification"), Instrument.verification_state, VERIFICATION_LABELS)
BY_USE = Choice("use", _l("Use"), Instrument.use_state, USE_LABELS)
DOUBLES = {"yes": _l("Entered twice")}
# Beside which another of the same manufacturer and serial number was entered before spellings were compared.
BY_DOUBLES = Switch(
    "double", _l("Duplicates"), None, DOUBLES, multiple=False, conditions=lambda _yes: Instrument.twin != 0
)
BY_FILING = Choice("filing", _l("Filing"), Instrument.filing_state, FILING_LABELS)


# --- One instrument ------------------------------------------------------------------------------


def facts(found: Particulars) -> list[tuple[Any, Any]]:
    """The particulars as filed."""
    instrument = found.instrument
    return [
        (_l("Instrument no."), instrument.instrument_no),
        (_l("Instrument"), instrument.name),
        (_l("Category"), found.item),
        (_l("Kind"), found.kind),
        (_l("Model"), instrument.model),
        (_l("Serial no."), instrument.serial_no),
        (_l("Measuring range"), instrument.measuring_range),
        (_l("Accuracy class"), instrument.accuracy_class),
        (_l("Manufacturer"), instrument.manufacturer),
        (_l("Origin"), label(ORIGINS)(instrument.origin)),
        (_l("Using unit"), found.using_unit),
        (_l("Region of use"), found.region),
        (_l("Place of use"), instrument.use_place),
        (_l("Purpose"), label(PURPOSES)(instrument.purpose)),
        (_l("Delivery"), label(DELIVERIES)(instrument.delivery)),
        (_l("Type approval no."), instrument.type_approval_no),
        (_l("In use since"), day(instrument.started_on)),
    ]


def verification(instrument: Instrument) -> list[tuple[Any, Any]]:
    """How the instrument stands today."""
    return [
        (_l("Verification"), badge(VERIFICATION_LABELS)(instrument.verification_state)),
        (_l("Valid until"), day(instrument.valid_until)),
        (_l("Last verified on"), day(instrument.last_verified_on)),
        (_l("Verification cycle (months)"), instrument.cycle_months),
        (_l("Use"), badge(USE_LABELS)(instrument.use_state)),
        (_l("Filing"), badge(FILING_LABELS)(instrument.filing_state)),
        (_l("Reason"), instrument.filing_reason),
    ]


def show(instrument_id: int, state_of: Any, photo_url: str = "") -> Show | None:
    """Everything about an instrument, with its photos from below `photo_url`; None if it is not there for a person."""
    found = instruments.particulars(instrument_id)
    if found is None:
        return None
    instrument = found.instrument
    return Show(
        id=instrument.id,
        title=f"{instrument.name} {instrument.serial_no}",
        state=state_of(instrument),
        state_badge=badge(VERIFICATION_LABELS)(instrument.verification_state),
        sections=[
            Section(_l("State"), verification(instrument)),
            Section(_l("Instrument as filed"), facts(found)),
            *(_pictures(instrument.id, photo_url) if photo_url else ()),
        ],
        tables=[_bookings(instrument.id), _certificates(instrument.id)],
        timeline=outcomes.timeline("instrument", instrument.id, EVERY_STATE, _STYLES),
    )


_PICTURE = Markup(
    '<a class="photo" href="{0}" target="_blank" rel="noopener"><img src="{0}" alt="{1}" loading="lazy"></a>'
)


def _pictures(instrument_id: int, photo_url: str) -> list[Section]:
    shown = [_PICTURE.format(f"{photo_url}/{each.id}", _l("Photo")) for each in instruments.photos(instrument_id)]
    return [Section(_l("Photos"), [("", Markup("").join(shown))])] if shown else []


def _bookings(instrument_id: int) -> Table:
    heads = [_l("Appointment no."), _l("State"), _l("Institution")]
    rows = [[row.no, badge(TASK_LABELS)(row.state), row.name or ""] for row in instruments.bookings(instrument_id)]
    return Table(_l("Bookings"), heads, rows, _l("It has not been booked yet."))


def _certificates(instrument_id: int) -> Table:
    heads = [_l("Certificate no."), _l("Verified on"), _l("Valid until"), _l("Conclusion"), _l("State")]
    rows = [
        [
            each.no,
            day(each.verified_on),
            day(each.valid_until),
            conclusion(each.passed),
            badge(CERTIFICATE_LABELS)(each.state),
        ]
        for each in instruments.certificates(instrument_id)
    ]
    return Table(_l("Certificates"), heads, rows, _l("It has no certificate yet."))


def conclusion(passed: bool | None) -> Any:
    """合格 or 不合格."""
    return "" if passed is None else badge(CONCLUSIONS)("passed" if passed else "failed")


def conclusion_in_sheet(passed: Any) -> Any:
    return case((passed, str(CONCLUSIONS["passed"])), else_=str(CONCLUSIONS["failed"]))


_STYLES = {"send_back": "warning", "scrap": "danger", "fail": "danger", "verify": "success"}


def found(instrument_id: int) -> Instrument:
    """The instrument, if the acting person sees it."""
    return db.session.get(Instrument, instrument_id) or abort(404)


class WithPhotos:
    """What a page with the photos of instruments is beside a list."""

    route_base: str
    source: Source

    @property
    def photo_url(self) -> str:
        return f"{self.route_base}/photo"

    def shows_instrument(self, instrument_id: int) -> bool:
        """Whether the page shows an instrument to the acting person."""
        return self.source.has(instrument_id)

    @expose("/photo/<pk>", methods=["GET"])
    @permitted("show")
    def photo(self, pk: str) -> Any:
        """A photo of an instrument that the page shows."""
        found = photos.find(int(pk)) if is_number(pk) else None
        if found is None or not self.shows_instrument(found.instrument_id):
            abort(404)
        audit.record("open", "photo", found.id, f"instrument {found.instrument_id}")
        db.session.commit()
        answer = send_file(files.path(found.file), mimetype="image/jpeg", max_age=3600)
        answer.cache_control.private = True
        return answer
