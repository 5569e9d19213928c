"""器具台账: the book in which a using unit keeps its measuring instruments (办法 Art 5)."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from datetime import date
from decimal import Decimal
from typing import Any

from flask_babel import gettext as _
from sqlalchemy import ColumnElement, and_, exists, func, select, tuple_

from app import audit
from app.access import EVERYTHING, Principal, seeing
from app.domain import catalogue, holidays
from app.domain.regions import NATION
from app.errors import RuleError, Stale
from app.models import CatalogueItem, Certificate, Instrument, Photo, ProvinceRule, Region, Task, db
from app.states import (
    AT_INSTITUTION,
    FILE,
    FILE_FOR_REVIEW,
    FILED,
    OFFERED,
    OPEN,
    RESUME,
    SCRAP,
    SCRAPPED,
    STOP,
    UNPLACED,
    Step,
)
from app.workflow import Chosen, Outcome, fire

MOST_AT_ONCE = 1000
LARGEST = Decimal(10) ** 11  # what numeric(18, 6) holds


@dataclass(frozen=True)
class Entry:
    """What a using unit tells of an instrument; the range is in `range_unit`."""

    name: str
    catalogue_item_id: int
    model: str
    range_low: Decimal
    range_high: Decimal
    range_unit: str
    accuracy_class: str
    manufacturer: str
    region_code: str
    use_place: str
    purpose: str
    delivery: str
    origin: str = "domestic"
    started_on: date | None = None
    type_approval_no: str | None = None


# What proves which instrument it is: a certificate names these.
IDENTITY = ("catalogue_item_id", "model", "manufacturer")
# What the place of a task, its kind and its tally hang on.
ROUTING = ("catalogue_item_id", "region_code")


# --- Numbers and words ---------------------------------------------------------------------------


def serial_key(text: str) -> str:
    """A serial number without what people write now this way, now that: width, case, blanks and dashes."""
    return re.sub(r"[\s‐-―−-]", "", unicodedata.normalize("NFKC", text).upper())


_ROMAN = {"Ⅰ": 1, "Ⅱ": 2, "Ⅲ": 3, "Ⅳ": 4, "IIII": 4, "III": 3, "II": 2, "IV": 4, "I": 1}


def accuracy_value(text: str) -> Decimal:
    """The number by which accuracy classes are ordered: 2 of '2级', 3 of 'Ⅲ级', 0.5 of '±0.5%' and of '0.5S级'."""
    plain = unicodedata.normalize("NFKC", text).upper()
    number = re.search(r"\d+(\.\d+)?", plain)
    if number:
        return Decimal(number.group())
    roman = re.search(r"I{1,4}V?|IV", plain)
    if roman and roman.group() in _ROMAN:
        return Decimal(_ROMAN[roman.group()])
    raise RuleError(_("An accuracy class holds a number, such as 2级, Ⅲ级 or ±0.5%%."), field="accuracy_class")


def range_text(low: Decimal, high: Decimal, unit: str) -> str:
    """The measuring range as it is written: (0～50)kg, or 20mm if it is one value."""
    low_text, high_text = f"{low.normalize():f}", f"{high.normalize():f}"
    return f"{high_text}{unit}" if low == high else f"({low_text}～{high_text}){unit}"


def serials(first: str, quantity: int) -> list[str]:
    """The serial numbers of several instruments that follow each other: the number at the end counts up."""
    if quantity == 1:
        return [first]
    if not 1 <= quantity <= MOST_AT_ONCE:
        text = _("One to %(most)s instruments can be added at once.", most=MOST_AT_ONCE)
        raise RuleError(text, field="quantity")
    tail = re.search(r"\d{1,18}$", first)
    if tail is None:
        text = _("The first serial number of several must end in a number, which then counts up.")
        raise RuleError(text, field="serial_no")
    head, width, start = first[: tail.start()], len(tail.group()), int(tail.group())
    if len(str(start + quantity - 1)) > width:
        text = _("After %(serial)s there are no %(quantity)s numbers of this length.", serial=first, quantity=quantity)
        raise RuleError(text, field="quantity")
    return [f"{head}{number:0{width}d}" for number in range(start, start + quantity)]


# --- Adding and editing --------------------------------------------------------------------------


def add(entry: Entry, serial_nos: Sequence[str], by: Principal) -> list[int]:
    """建账: enter instruments that differ in nothing but their serial number. Gives their ids."""
    item = _checked(entry)
    keys = {serial: serial_key(serial) for serial in serial_nos}
    _refuse_known(entry, keys)
    ids = _next_ids(len(serial_nos))
    common = _columns(entry, item) | {"using_unit_id": by.organization_id}
    db.session.add_all(
        Instrument(
            id=id, instrument_no=number_of(entry.region_code, id), serial_no=serial, serial_key=keys[serial], **common
        )
        for id, serial in zip(ids, serial_nos, strict=True)
    )
    db.session.flush()
    audit.record("add", "instrument", ids[0] if len(ids) == 1 else None, entry.name, by=by, done=len(ids))
    return ids


def number_of(region_code: str, id: int) -> str:
    """器具编号: unique in the country, and kept for life."""
    return f"QJ{region_code}{id:010d}"


def _next_ids(count: int) -> list[int]:
    sequence = func.pg_get_serial_sequence("instrument", "id")
    each = select(func.nextval(sequence)).select_from(func.generate_series(1, count).alias("each"))
    return list(db.session.scalars(each))


def _checked(entry: Entry) -> CatalogueItem:
    """The kind, if everything said fits it."""
    item = catalogue.kind(entry.catalogue_item_id)
    if item is None:
        raise RuleError(_("Please choose a kind of the catalogue."), field="catalogue_item_id")
    if "V" not in (item.supervision or ""):
        text = _("This kind only needs a type approval; it is not verified (SAMR 2020 No. 42).")
        raise RuleError(text, field="catalogue_item_id")
    if item.range_units and entry.range_unit not in item.range_units:
        text = _("A range of this kind is given in %(units)s.", units="、".join(item.range_units))
        raise RuleError(text, field="range_unit")
    if entry.range_low > entry.range_high:
        raise RuleError(_("The lower limit is above the upper limit."), field="range_high")
    if max(abs(entry.range_low), abs(entry.range_high)) > LARGEST:
        raise RuleError(_("This number is too large."), field="range_high")
    if not has_no_parts(entry.region_code):
        raise RuleError(_("Please choose the county in which it is used."), field="region_code")
    if entry.started_on and entry.started_on > holidays.today():
        raise RuleError(_("The day of first use lies in the future."), field="started_on")
    return item


def has_no_parts(region_code: str) -> bool:
    """Whether a region is as small as regions get: a county, or a city without counties."""
    region = db.session.get(Region, region_code)
    return region is not None and not db.session.scalar(select(exists().where(Region.parent_code == region_code)))


def _columns(entry: Entry, item: CatalogueItem) -> dict[str, Any]:
    return asdict(entry) | {
        "city_code": entry.region_code[:4] + "00",
        "measuring_range": range_text(entry.range_low, entry.range_high, entry.range_unit),
        "accuracy_value": accuracy_value(entry.accuracy_class),
        "cycle_months": item.cycle_months,
        "type_approval_no": entry.type_approval_no if "P" in (item.supervision or "") else None,
    }


def _refuse_known(entry: Entry, keys: dict[str, str], but: int | None = None) -> None:
    known = known_elsewhere(entry.region_code[:4] + "00", [(entry.manufacturer, key) for key in keys.values()], but)
    for serial, key in keys.items():
        if (entry.manufacturer, key) in known:
            raise RuleError(told_known(serial, known[entry.manufacturer, key]), field="serial_no")


def told_known(serial: str, place: str) -> str:
    """Where an instrument is already, without telling whose it is."""
    text: str = _(
        "An instrument of this manufacturer with the number %(serial)s is already filed in %(place)s.",
        serial=serial,
        place=place,
    )
    return text


def known_elsewhere(city_code: str, keys: list[tuple[str, str]], but: int | None = None) -> dict[tuple[str, str], str]:
    """Of (manufacturer, serial key) those that somebody in the city has in the ledger, with the place of use."""
    rows = (
        select(Instrument.manufacturer, Instrument.serial_key, Region.full_name)
        .join(Region, Region.code == Instrument.region_code)
        .where(Instrument.city_code == city_code, tuple_(Instrument.manufacturer, Instrument.serial_key).in_(keys))
    )
    if but is not None:
        rows = rows.where(Instrument.id != but)
    with seeing(EVERYTHING):
        return {(row.manufacturer, row.serial_key): row.full_name for row in db.session.execute(rows)}


def edit(instrument_id: int, entry: Entry, serial_no: str, revision: str, by: Principal) -> Instrument | None:
    """Correct what is told of an instrument; None if there is none. Where filings are reviewed, it is reviewed anew."""
    held = select(Instrument).where(Instrument.id == instrument_id).with_for_update()
    found: Instrument | None = db.session.scalar(held)
    if found is None:
        return None
    if str(found.revision) != revision:
        raise Stale
    if found.use_state == SCRAPPED:
        raise RuleError(_("A scrapped instrument stays as it was."))
    item, key = _checked(entry), serial_key(serial_no)
    changed = _changed(found, entry, serial_no)
    _refuse_change(found, entry, changed)
    _refuse_known(entry, {serial_no: key}, but=found.id)
    for name, value in (_columns(entry, item) | {"serial_no": serial_no, "serial_key": key}).items():
        setattr(found, name, value)
    found.revision += 1
    db.session.flush()
    audit.record("edit", "instrument", found.id, str(found), by=by, changed=changed)
    if found.filing_state == FILED and changed:
        fire(FILE_FOR_REVIEW, [found.id], by, only=_reviewed())
    return found


def _changed(found: Instrument, entry: Entry, serial_no: str) -> list[str]:
    names = [field.name for field in fields(entry) if getattr(found, field.name) != getattr(entry, field.name)]
    return names + (["serial_no"] if found.serial_no != serial_no else [])


def _refuse_change(found: Instrument, entry: Entry, changed: list[str]) -> None:
    open_state = db.session.scalar(
        select(Task.state).where(Task.instrument_id == found.id, Task.state.in_(sorted(OPEN | UNPLACED)))
    )
    if open_state in AT_INSTITUTION - {OFFERED} and changed:
        raise RuleError(_("An institution is verifying it: it can be changed when that is done."))
    if open_state and set(changed) & set(ROUTING):
        text = _("It is booked. Withdraw the booking before you change its kind or its county.")
        raise RuleError(text, field=next(name for name in ROUTING if name in changed))
    if set(changed) & {*IDENTITY, "serial_no"} and _has(found, Certificate):
        raise RuleError(_("There are certificates of it. Scrap it, and add the right one by copying it."))
    if found.region_code[:4] != entry.region_code[:4] and (_has(found, Task) or _has(found, Photo)):
        text = _("It is known in its city by bookings or photos. Scrap it here, and add it where it is used now.")
        raise RuleError(text, field="region_code")


def _has(found: Instrument, what: Any) -> bool:
    return bool(db.session.scalar(select(exists().where(what.instrument_id == found.id))))


# --- Filing and use ------------------------------------------------------------------------------


def file(chosen: Chosen, by: Principal) -> Outcome:
    """备案: file the instruments with the county authority, which reviews them first where its province says so."""
    not_filed = Instrument.__table__.c.filing_state != FILED
    reviewed = fire(FILE_FOR_REVIEW, chosen, by, only=and_(_reviewed(), not_filed), filing_reason=None)
    filed = fire(FILE, chosen, by, only=~_reviewed(), filing_reason=None)
    return Outcome(filed.asked, reviewed.done + filed.done)


def _reviewed() -> ColumnElement[bool]:
    """Whether the province of an instrument has its filings reviewed."""
    rule, instrument = ProvinceRule.__table__.c, Instrument.__table__
    province = func.left(instrument.c.city_code, 2).concat("0000")
    settled = select(rule.filing_reviewed).where(rule.province_code.in_([province, NATION]))
    return settled.order_by(rule.province_code.desc()).limit(1).correlate(instrument).scalar_subquery()


def stop(chosen: Chosen, by: Principal) -> Outcome:
    """停用: take the instruments out of use; nothing falls due meanwhile."""
    return _unless_booked(STOP, chosen, by)


def resume(chosen: Chosen, by: Principal) -> Outcome:
    """启用: put stopped instruments back into use."""
    return fire(RESUME, chosen, by)


def scrap(chosen: Chosen, by: Principal) -> Outcome:
    """报废: the end of the instruments' life; there is no way back."""
    return _unless_booked(SCRAP, chosen, by)


def _unless_booked(step: Step, chosen: Chosen, by: Principal) -> Outcome:
    booked = exists().where(_open.c.instrument_id == Instrument.__table__.c.id, _open.c.state.in_(sorted(OPEN)))
    return fire(step, chosen, by, only=~booked)


_open = Task.__table__.alias("open")
