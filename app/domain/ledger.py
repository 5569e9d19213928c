"""器具台账: the book in which a using unit keeps its measuring instruments (办法 Art 5)."""

import csv
import re
import unicodedata
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import lru_cache
from io import StringIO
from itertools import islice
from typing import Any, NamedTuple

from flask_babel import gettext as _, lazy_gettext as _l
from psycopg2 import OperationalError as DriverError
from psycopg2.errors import UniqueViolation
from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    Text,
    and_,
    case,
    delete,
    exists,
    func,
    literal,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.exc import IntegrityError, OperationalError

from app import audit, finding, numbers
from app.access import EVERYTHING, Principal, seeing
from app.domain import catalogue, holidays, manufacturers, numbering
from app.domain.recordsets import recordset
from app.domain.regions import NATION
from app.errors import RuleError, Stale
from app.models import CatalogueItem, Certificate, Inspection, Instrument, Photo, ProvinceRule, Region, Task, db
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
from app.texts import half_width, same
from app.workflow import Chosen, Outcome, count, fire, how_many, is_chosen, lock

MOST_AT_ONCE = 1000
LARGEST, DECIMALS = Decimal(10) ** 11, 6  # what numeric(18, 6) holds
LARGEST_CLASS = Decimal(10) ** 5  # and numeric(12, 6)

DELIVERIES = {"sent": _l("Sent in"), "on_site": _l("On site")}
PURPOSES = {
    "trade": _l("Trade settlement"),
    "safety": _l("Safety protection"),
    "medical": _l("Medical care"),
    "environment": _l("Environmental monitoring"),
}
ORIGINS = {"domestic": _l("Domestic"), "imported": _l("Imported")}


class Entry(NamedTuple):
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


TOLD = Entry._fields
# And what says which instrument that is, as which version.
_KNOWN = (
    *(getattr(Instrument, name) for name in (*TOLD, "serial_no")),
    Instrument.id, Instrument.city_code, Instrument.instrument_no, Instrument.revision,
)  # fmt: skip
LONGEST: dict[str, int] = {
    name: getattr(Instrument, name).type.length
    for name in ("name", "model", "range_unit", "accuracy_class", "serial_no", "manufacturer", "use_place",
                 "type_approval_no")
}  # fmt: skip
# Numbers and classes, stored with the digits and letters of an ordinary keyboard.
NUMBERS = ("model", "accuracy_class", "serial_no", "type_approval_no")
# What people write where there is no number, as it is compared: it would make one instrument of all of them.
NO_NUMBER = frozenset({"", "/", "\\", "*", "?", "无", "无编号", "无号", "不详", "未知", "na", "n/a", "none", "null"})
# What proves which instrument it is: a certificate names these.
IDENTITY = ("catalogue_item_id", "model", "manufacturer")
# What the place of a task, its kind and its tally hang on.
ROUTING = ("catalogue_item_id", "region_code")


# --- Numbers and words ---------------------------------------------------------------------------


_DIGITS = re.compile(r"[0-9.,]+")
_ROMAN_NUMBER = re.compile(r"I{1,4}V?|IV")
_LAST_DIGITS = re.compile(r"\d{1,18}$")
_ROMAN = {"Ⅰ": 1, "Ⅱ": 2, "Ⅲ": 3, "Ⅳ": 4, "IIII": 4, "III": 3, "II": 2, "IV": 4, "I": 1}


@lru_cache(maxsize=1000)
def accuracy_value(text: str) -> Decimal:
    """The number by which accuracy classes are ordered: 2 of '2级', 3 of 'Ⅲ级', 0.5 of '±0.5%' and of '0.5S级'."""
    plain = unicodedata.normalize("NFKC", text).upper()
    written = next((run.group() for run in _DIGITS.finditer(numbers.in_ascii(plain)) if run.group().strip(".,")), "")
    number = numbers.parse(written.rstrip(".,"))
    if written and number is None:
        text = _("“%(text)s” is not a number. Write a point for the decimals, such as 1.6级.", text=written)
        raise RuleError(text, field="accuracy_class")
    if number is not None and number < LARGEST_CLASS:
        return number
    roman = _ROMAN_NUMBER.search(plain)
    if roman and roman.group() in _ROMAN:
        return Decimal(_ROMAN[roman.group()])
    raise RuleError(_("An accuracy class holds a number, such as 2级, Ⅲ级 or ±0.5%%.") % {}, field="accuracy_class")


@lru_cache(maxsize=1000)
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
    tail = _LAST_DIGITS.search(first)
    if tail is None:
        text = _("The first serial number of several must end in a number, which then counts up.")
        raise RuleError(text, field="serial_no")
    head, width, start = first[: tail.start()], len(tail.group()), int(tail.group())
    if len(str(start + quantity - 1)) > width:
        text = _("After %(serial)s there are no %(quantity)s numbers of this length.", serial=first, quantity=quantity)
        raise RuleError(text, field="quantity")
    return [f"{head}{number:0{width}d}" for number in range(start, start + quantity)]


# --- What speaks against it ----------------------------------------------------------------------


def refusals(told: Mapping[str, Any], item: CatalogueItem | None, *, is_county: bool) -> list[RuleError]:
    """What speaks against an instrument as it is told of, each with its field; what is not told is left alone."""
    found = against_kind(item, told["range_unit"]) if item is not None else []
    found += _against_range(told["range_low"], told["range_high"])
    if told["region_code"] is not None and not is_county:
        found.append(RuleError(_("Please choose the county in which it is used."), field="region_code"))
    if told["started_on"] is not None and told["started_on"] > holidays.today():
        found.append(RuleError(_("The day of first use lies in the future."), field="started_on"))
    try:
        if told["accuracy_class"] is not None:
            accuracy_value(told["accuracy_class"])
    except RuleError as refusal:
        found.append(refusal)
    if told["serial_no"] is not None and same(told["serial_no"]) in NO_NUMBER:
        text = _("“%(text)s” is no serial number: give the one on the name plate, or a number of your own.",
                 text=told["serial_no"])  # fmt: skip
        found.append(RuleError(text, field="serial_no"))
    lengths = {name: _length(name, told[name]) for name in LONGEST if told[name]}
    return found + [_too_long(name) for name, length in lengths.items() if length > LONGEST[name]]


def against_kind(item: CatalogueItem, range_unit: str | None) -> list[RuleError]:
    """What speaks against verifying a kind, or against a unit for its range."""
    if "V" not in (item.supervision or ""):
        text = _("This kind only needs a type approval; it is not verified (SAMR 2020 No. 42).")
        return [RuleError(text, field="catalogue_item_id")]
    units = item.range_units
    if units and range_unit is not None and range_unit not in units:
        text = _("A range of this kind is given in %(units)s.", units="、".join(units))
        return [RuleError(text, field="range_unit")]
    return []


def _against_range(low: Decimal | None, high: Decimal | None) -> list[RuleError]:
    limits = (("range_low", low), ("range_high", high))
    found = [refusal for name, limit in limits if limit is not None for refusal in against_limit(name, limit)]
    if not found and low is not None and high is not None and low > high:
        return [RuleError(_("The lower limit is above the upper limit."), field="range_high")]
    return found


def against_limit(name: str, limit: Decimal) -> list[RuleError]:
    """Return what speaks against a limit of a range: the database would round what has more decimals."""
    if not limit.is_finite() or abs(limit) > LARGEST:
        return [RuleError(_("This number is too large."), field=name)]
    if round(limit, DECIMALS) != limit:
        return [RuleError(_("At most %(most)s digits after the point.", most=DECIMALS), field=name)]
    return []


def _length(name: str, text: str) -> int:
    """The length of a text, of those in the key as they are compared too: one character may stand for several there."""
    return max(len(text), len(same(text))) if name in ("manufacturer", "serial_no") else len(text)


def _too_long(name: str) -> RuleError:
    return RuleError(_("At most %(most)s characters.", most=LONGEST[name]), field=name)


def _checked(entry: Entry, serial_no: str) -> CatalogueItem:
    """The kind, if everything said fits it."""
    item = catalogue.kind(entry.catalogue_item_id)
    if item is None:
        raise RuleError(_("Please choose a kind of the catalogue."), field="catalogue_item_id")
    told = entry._asdict() | {"serial_no": serial_no}
    for refusal in refusals(told, item, is_county=has_no_parts(entry.region_code)):
        raise refusal
    return item


def has_no_parts(region_code: str) -> bool:
    """Whether a region is as small as regions get: a county, or a city without counties."""
    region = db.session.get(Region, region_code)
    return region is not None and not db.session.scalar(select(exists().where(Region.parent_code == region_code)))


# --- Whose it is already -------------------------------------------------------------------------

# City, manufacturer and serial number as they are compared: no two instruments have the same.
Key = tuple[str, str, str]


def key_of(region_code: str, manufacturer: str, serial_no: str) -> Key:
    return region_code[:4] + "00", same(manufacturer), same(serial_no)


def _refuse_known(entry: Entry, serial_nos: Sequence[str], but: int | None = None) -> None:
    keys = {key_of(entry.region_code, entry.manufacturer, serial): serial for serial in serial_nos}
    known = places(keys, but)
    for key in keys:
        if key in known:
            raise RuleError(told_known(keys[key], known[key]), field="serial_no")


def told_known(serial: str, place: str) -> str:
    """Where an instrument is already, without telling whose it is."""
    text: str = _(
        "An instrument of this manufacturer with the number %(serial)s is already filed in %(place)s.",
        serial=serial,
        place=place,
    )
    return text


def places(keys: Collection[Key], but: int | None = None) -> dict[Key, str]:
    """Those of the keys that somebody has in the ledger, with the place of use.

    Under any name that the register has of the manufacturer. Of two people who enter one instrument under two names at
    the same moment both succeed: the index that refuses doubles knows no names.
    """
    asked = _asked(keys)
    rows = _in_ledgers(asked, Region.full_name).join(Region, Region.code == Instrument.region_code)
    if but is not None:
        rows = rows.where(Instrument.id != but)
    with seeing(EVERYTHING):
        found: Any = db.session.execute(rows)
        return {(row[0], row[1], row[2]): row.full_name for row in found}


def own(keys: Collection[Key]) -> dict[Key, Any]:
    """What is told of those that are in one's own ledger already, and as which version."""
    asked = _asked(keys)
    # One that is there under the very name that is asked for comes last, and stays.
    rows = _in_ledgers(asked, *_KNOWN).order_by(asked.c.key_manufacturer == asked.c.known_as)
    found: Any = db.session.execute(rows)
    return {(row[0], row[1], row[2]): row for row in found}


def own_by_number(numbers_: Collection[str]) -> dict[str, Any]:
    """What is told of the instruments of one's own ledger with these numbers, by number, and as which version."""
    asked = select(*_KNOWN).where(Instrument.instrument_no.in_(numbers_))
    return {row.instrument_no: row for row in db.session.execute(asked)}


def of_own(chosen: Chosen, most: int) -> list[Any]:
    """What is told of the chosen instruments of one's own ledger, the newest first, and as which version."""
    asked = select(*_KNOWN).where(is_chosen(Instrument.id, chosen)).order_by(Instrument.id.desc()).limit(most)
    return list(db.session.execute(asked))


def _asked(keys: Collection[Key]) -> Any:
    """The keys as rows, one for each name under which the manufacturer of a key is known."""
    others = manufacturers.other_names(maker for _city, maker, _serial in keys) if keys else {}
    rows = [(*key, name) for key in keys for name in (key[1], *others.get(key[1], ()))]
    columns = zip(*rows, strict=True) if rows else ((), (), (), ())
    arrays = [literal(list(values), ARRAY(Text)) for values in columns]
    names = ("key_city", "key_manufacturer", "key_serial", "known_as")
    return func.unnest(*arrays).table_valued(*names, name="asked").render_derived()


def _in_ledgers(asked: Any, *facts: Any) -> Any:
    return select(*asked.c, *facts).join_from(
        asked,
        Instrument,
        and_(
            Instrument.city_code == asked.c.key_city,
            finding.folded(Instrument.manufacturer) == asked.c.known_as,
            finding.folded(Instrument.serial_no) == asked.c.key_serial,
        ),
    )


# --- Adding and editing --------------------------------------------------------------------------


def add(entry: Entry, serial_nos: Sequence[str], by: Principal) -> list[int]:
    """建账: enter instruments that differ in nothing but their serial number. Gives their ids."""
    item = _checked(entry, serial_nos[0])
    _refuse_known(entry, serial_nos)
    ids = numbering.next_ids("instrument", len(serial_nos))
    enter([(id, entry, serial) for id, serial in zip(ids, serial_nos, strict=True)], {item.id: item}, by)
    audit.record("add", "instrument", ids[0] if len(ids) == 1 else None, entry.name, by=by, done=len(ids))
    return ids


def number_of(region_code: str, id: int) -> str:
    """器具编号: unique in the country, and kept for life."""
    return f"QJ{region_code}{id:010d}"


def enter(new: Sequence[tuple[int, Entry, str]], items: Mapping[int, CatalogueItem], by: Principal) -> None:
    """Write instruments that were checked, with their ids and serial numbers, into the ledger of `by`.

    Of two people who enter the same instrument at once the second is refused.
    """
    rows = (
        _columns(entry, serial, items[entry.catalogue_item_id])
        | {"id": id, "instrument_no": number_of(entry.region_code, id), "using_unit_id": by.organization_id}
        for id, entry, serial in new
    )
    try:
        _copy([row[name] for name in _WRITTEN] for row in rows)
    except UniqueViolation as double:
        text = _("Somebody has entered one of these instruments at the same moment. Nothing was changed.")
        raise RuleError(text) from double
    except DriverError as waited:
        raise OperationalError("COPY instrument", {}, waited) from waited


_WRITTEN = (
    *TOLD, "id", "instrument_no", "using_unit_id", "city_code", "serial_no", "measuring_range",
    "accuracy_value", "cycle_months",
)  # fmt: skip


def _copy(rows: Iterator[list[Any]]) -> None:
    """COPY takes two thirds of the time of the fastest INSERT."""
    driver: Any = db.session.connection().connection
    columns = ", ".join(_WRITTEN)
    with driver.cursor() as cursor:
        cursor.copy_expert(
            f"COPY instrument ({columns}) FROM STDIN (FORMAT csv, FORCE_NOT_NULL (range_unit))", _Sent(rows)
        )


@dataclass
class _Sent:
    """A file that is written while it is read: the database works on the rows before meanwhile."""

    rows: Iterator[list[Any]]

    def read(self, _size: int) -> str:
        lines = StringIO()
        csv.writer(lines, lineterminator="\n").writerows(islice(self.rows, 100))
        return lines.getvalue()


def _columns(entry: Entry, serial_no: str, item: CatalogueItem) -> dict[str, Any]:
    low, high = round(entry.range_low, 6), round(entry.range_high, 6)
    written = entry._asdict() | {"serial_no": serial_no}
    written |= {name: half_width(written[name]) for name in NUMBERS if written[name]}
    return written | {
        "range_low": low,
        "range_high": high,
        "city_code": entry.region_code[:4] + "00",
        "measuring_range": range_text(low, high, entry.range_unit),
        "accuracy_value": accuracy_value(entry.accuracy_class),
        "cycle_months": item.cycle_months,
        "type_approval_no": written["type_approval_no"] if "P" in (item.supervision or "") else None,
    }


def edit(instrument_id: int, entry: Entry, serial_no: str, revision: str, by: Principal) -> Instrument | None:
    """Correct what is told of an instrument; None if there is none. Where filings are reviewed, it is reviewed anew."""
    held = select(Instrument).where(Instrument.id == instrument_id).with_for_update()
    found: Instrument | None = db.session.scalar(held)
    if found is None:
        return None
    if str(found.revision) != revision:
        raise Stale
    item = _checked(entry, serial_no)
    changed = differences(found, entry, serial_no, item)
    refusal = against_change(found, entry, changed, standings([found.id])[found.id])
    if refusal:
        raise refusal
    if key_of(entry.region_code, entry.manufacturer, serial_no) != key_of(
        found.region_code, found.manufacturer, found.serial_no
    ):
        _refuse_known(entry, [serial_no], but=found.id)
        found.twin = 0
    count("instrument", [found.id], -1)
    for name, value in _columns(entry, serial_no, item).items():
        setattr(found, name, value)
    found.revision += 1
    db.session.flush()
    count("instrument", [found.id])
    audit.record("edit", "instrument", found.id, str(found), by=by, changed=changed)
    if found.filing_state == FILED and changed:
        fire(FILE_FOR_REVIEW, [found.id], by, only=_is_reviewed())
    return found


def differences(found: Any, entry: Entry, serial_no: str, item: CatalogueItem) -> list[str]:
    """What is told of an instrument otherwise than the ledger has it."""
    columns = _columns(entry, serial_no, item)
    return [name for name in (*TOLD, "serial_no") if getattr(found, name) != columns[name]]


@dataclass(frozen=True)
class Standing:
    """What has become of an instrument: the state of its open task, and what there is of it."""

    use_state: str
    filing_state: str
    revision: int
    open_state: str | None
    has_task: bool
    has_photo: bool
    has_certificate: bool


def standings(ids: Collection[int]) -> dict[int, Standing]:
    """What has become of instruments of one's own ledger, by id."""

    def there(what: Any) -> Any:
        return exists().where(what.instrument_id == Instrument.id, what.city_code == Instrument.city_code)

    its_open = and_(Task.instrument_id == Instrument.id, Task.city_code == Instrument.city_code)
    open_state = select(func.min(Task.state)).where(its_open, Task.state.in_(sorted(OPEN | UNPLACED))).scalar_subquery()
    facts = (Instrument.use_state, Instrument.filing_state, Instrument.revision)
    asked = select(Instrument.id, *facts, open_state, there(Task), there(Photo), there(Certificate))
    rows: Any = db.session.execute(asked.where(is_chosen(Instrument.id, ids)))
    return {id: Standing(*of_it) for id, *of_it in rows}


def inspected(ids: Collection[int]) -> list[int]:
    """Those of the instruments that an authority inspects or has planned to, whether their unit knows yet or not."""
    asked = select(Inspection.instrument_id).where(is_chosen(Inspection.instrument_id, ids))
    with seeing(EVERYTHING):
        return [int(id) for id in db.session.scalars(asked) if id is not None]


def against_change(found: Any, entry: Entry, changed: Collection[str], standing: Standing) -> RuleError | None:
    """What speaks against changing an instrument, whatever else is told of it; None if nothing does."""
    if standing.use_state == SCRAPPED:
        return RuleError(_("A scrapped instrument stays as it was."))
    if standing.open_state in AT_INSTITUTION - {OFFERED} and changed:
        return RuleError(_("An institution is verifying it: it can be changed when that is done."))
    if standing.open_state and set(changed) & set(ROUTING):
        text = _("It is booked. Withdraw the booking before you change its kind or its county.")
        return RuleError(text, field=next(name for name in ROUTING if name in changed))
    if set(changed) & {*IDENTITY, "serial_no"} and standing.has_certificate:
        return RuleError(_("There are certificates of it. Scrap it, and add the right one by copying it."))
    if found.region_code[:4] != entry.region_code[:4] and (standing.has_task or standing.has_photo):
        text = _("It is known in its city by bookings or photos. Scrap it here, and add it where it is used now.")
        return RuleError(text, field="region_code")
    return None


# --- Many at once --------------------------------------------------------------------------------


class Change(NamedTuple):
    """Another entry for an instrument of the ledger, which is at the version `revision`."""

    id: int
    revision: int
    entry: Entry
    serial_no: str
    is_renamed: bool = False


def change(changes: Sequence[Change], items: Mapping[int, CatalogueItem], by: Principal) -> list[Any]:
    """Write changes of instruments that were checked; refused whole if one of them has changed since, or may not be.

    Where filings are reviewed, those that were filed are reviewed anew. Gives what was told of them before.
    """
    ids = lock(Instrument, [each.id for each in changes])
    before = {found.id: found for found in of_own(ids, len(ids))}
    standing = standings(ids)
    for each in changes:
        _refuse(each, before.get(each.id), standing, items)
    count("instrument", ids, -1)
    try:
        db.session.execute(_changed_columns(changes, items))
    except IntegrityError as double:
        if not isinstance(double.orig, UniqueViolation):
            raise
        text = _("Somebody has entered one of these instruments at the same moment. Nothing was changed.")
        raise RuleError(text) from double
    count("instrument", ids)
    filed = [id for id in ids if standing[id].filing_state == FILED]
    if filed:
        fire(FILE_FOR_REVIEW, filed, by, only=_is_reviewed())
    return list(before.values())


def _refuse(asked: Change, found: Any, standing: Mapping[int, Standing], items: Mapping[int, CatalogueItem]) -> None:
    """Refuse a change of an instrument that was changed, booked or certified since it was checked."""
    if found is None or found.revision != asked.revision:
        raise Stale
    names = differences(found, asked.entry, asked.serial_no, items[asked.entry.catalogue_item_id])
    refusal = against_change(found, asked.entry, names, standing[found.id])
    if refusal:
        text = _("%(instrument)s: %(problem)s", instrument=f"{found.name} {found.serial_no}", problem=refusal)
        raise RuleError(text)


def _changed_columns(changes: Sequence[Change], items: Mapping[int, CatalogueItem]) -> Any:
    table = Instrument.__table__
    rows = [
        {"id": each.id, "is_renamed": each.is_renamed}
        | _columns(each.entry, each.serial_no, items[each.entry.catalogue_item_id])
        for each in changes
    ]
    names = [name for name in rows[0] if name not in ("id", "is_renamed")]
    types = {"id": BigInteger, "is_renamed": Boolean, **{name: table.c[name].type for name in names}}
    given = recordset(rows, types, "given")
    told = {name: given.c[name] for name in names}
    told |= {"revision": table.c.revision + 1, "twin": case((given.c.is_renamed, 0), else_=table.c.twin)}
    return update(table).where(table.c.id == given.c.id).values(told)


def remove(ids: Collection[int]) -> None:
    """Take instruments out of the ledger that were entered by mistake; whoever calls has asked that nothing is done
    with them yet."""
    count("instrument", ids, -1)
    table = Instrument.__table__
    db.session.execute(delete(table).where(is_chosen(table.c.id, ids)))


# --- Filing and use ------------------------------------------------------------------------------


def file(chosen: Chosen, by: Principal) -> Outcome:
    """备案: file the instruments with the county authority, which reviews them first where its province says so."""
    not_filed, is_reviewed = Instrument.__table__.c.filing_state != FILED, _is_reviewed()
    reviewed = fire(FILE_FOR_REVIEW, chosen, by, only=and_(is_reviewed, not_filed), filing_reason=None)
    filed = fire(FILE, chosen, by, only=~is_reviewed, filing_reason=None)
    return Outcome(filed.asked, reviewed.done + filed.done)


def _is_reviewed() -> ColumnElement[bool]:
    """The condition that the province of an instrument has its filings reviewed, by the rules as they are now.

    Read once, so that a rule that changes meanwhile does not let an instrument fall between two steps.
    """
    rules = select(ProvinceRule.province_code, ProvinceRule.filing_reviewed)
    reviewed = {code[:2]: is_reviewed for code, is_reviewed in db.session.execute(rules)}
    elsewhere = reviewed.pop(NATION[:2], False)
    exceptions = [code for code, is_reviewed in sorted(reviewed.items()) if is_reviewed != elsewhere]
    is_exception = func.left(Instrument.__table__.c.city_code, 2).in_(exceptions)
    condition: ColumnElement[bool] = ~is_exception if elsewhere else is_exception
    return condition


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
    """Take the step with instruments that have no open task; locked first, as whoever books them locks them."""
    asked, ids = how_many(chosen), lock(Instrument, chosen)
    booked = exists().where(_open.c.instrument_id == Instrument.__table__.c.id, _open.c.state.in_(sorted(OPEN)))
    return Outcome(asked, fire(step, ids, by, only=~booked).done)


_open = Task.__table__.alias("open")
