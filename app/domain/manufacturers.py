"""生产厂家: the national register of manufacturers, with the names that they have and had.

Instruments keep the text of their name plate. The register says which texts mean the same manufacturer: for the check
whether an instrument is filed already, for suggestions while typing, and for searches.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import partial
from typing import Any

from flask_babel import gettext as _
from sqlalchemy import BigInteger, Boolean, Text, and_, case, delete, false, func, insert, literal, or_, select, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import aliased

from app import audit, finding
from app.access import Principal
from app.domain import credit_codes, numbering
from app.errors import RuleError, Stale
from app.models import Instrument, Manufacturer, ManufacturerName, db
from app.texts import half_width, same
from app.workflow import Chosen, Outcome, how_many, is_chosen

LOCK = 0x6D616B6572  # "maker"
LONGEST: int = ManufacturerName.name.type.length
MOST_FORMER_NAMES = 200
FEWEST_MERGED, MOST_MERGED = 2, 20
MOST_SUGGESTED = 10
# Names of an index that a suggestion looks at, of which it offers the best.
FIRST = 200
# Instruments that are counted by one statement, and how often that is done each night.
STEP, MOST_STEPS = 50_000, 40

REPORTED, CONFIRMED = "reported", "confirmed"
STATE = case((Manufacturer.confirmed_at.is_(None), REPORTED), else_=CONFIRMED)
SEPARATOR = "；"

Present = aliased(ManufacturerName, name="present_name")
_Former = aliased(ManufacturerName, name="former_name")
_Other = aliased(ManufacturerName, name="other_name")


@dataclass(frozen=True)
class Entry:
    """What the register says of a manufacturer."""

    name: str
    former_names: tuple[str, ...] = ()
    credit_code: str | None = None


# --- Questions -----------------------------------------------------------------------------------


def is_present() -> Any:
    """The condition that joins a manufacturer with its present name."""
    return and_(Present.manufacturer_id == Manufacturer.id, Present.present)


def former_names() -> Any:
    """SQL: the former names of a manufacturer, in one text."""
    names = func.string_agg(_Former.name, SEPARATOR)
    of_it = select(names).where(_Former.manufacturer_id == Manufacturer.id, ~_Former.present)
    return of_it.correlate(Manufacturer).scalar_subquery()


def find(manufacturer_id: int) -> Manufacturer | None:
    """The manufacturer with this id."""
    found: Manufacturer | None = db.session.get(Manufacturer, manufacturer_id)
    return found


def names_of(manufacturer_id: int) -> list[ManufacturerName]:
    """The names of a manufacturer, the present one first, then the most used."""
    names = select(ManufacturerName).where(ManufacturerName.manufacturer_id == manufacturer_id)
    order = (ManufacturerName.present.desc(), ManufacturerName.instruments.desc(), ManufacturerName.id)
    return list(db.session.scalars(names.order_by(*order)))


def entry_of(manufacturer: Manufacturer) -> Entry:
    """What the register says of a manufacturer now."""
    present, *former = [each.name for each in names_of(manufacturer.id)]
    return Entry(present, tuple(former), manufacturer.credit_code)


def chosen_for_merging(ids: Chosen) -> list[Any]:
    """The manufacturers that are to be merged: id, name, former names, credit code, instruments and state.

    Confirmed ones first, then the most used: the first is the likeliest to be kept.
    """
    if not isinstance(ids, Collection) or not FEWEST_MERGED <= len(ids) <= MOST_MERGED:
        text = _("Please tick %(fewest)s to %(most)s entries of the same manufacturer.",
                 fewest=FEWEST_MERGED, most=MOST_MERGED)  # fmt: skip
        raise RuleError(text)
    facts = (Manufacturer.id, Present.name, former_names().label("former_names"), Manufacturer.credit_code)
    rows = select(*facts, Manufacturer.instruments, STATE.label("state")).join(Present, is_present())
    order = (Manufacturer.confirmed_at.is_(None), Manufacturer.instruments.desc(), Manufacturer.id)
    return list(db.session.execute(rows.where(is_chosen(Manufacturer.id, ids)).order_by(*order)))


def other_names(compared: Iterable[str]) -> dict[str, list[str]]:
    """The other names of the manufacturers that have these names; all as `texts.same` gives them."""
    name, other = finding.folded(ManufacturerName.name), finding.folded(_Other.name)
    of_the_same = and_(_Other.manufacturer_id == ManufacturerName.manufacturer_id, _Other.id != ManufacturerName.id)
    asked = finding.is_among(ManufacturerName.name, sorted(set(compared)))
    found: dict[str, list[str]] = {}
    for known, also in db.session.execute(select(name, other).join(_Other, of_the_same).where(asked)):
        found.setdefault(known, []).append(also)
    return found


_CONDITIONS = {"contains": finding.contains_chinese, "begins": finding.begins, "is": finding.equals}


def under_another_name(comparison: str, term: str) -> Any:
    """SQL: the manufacturer of an instrument has another name of which the comparison with the term holds."""
    holds = partial(_CONDITIONS[comparison], term=term)
    names = select(finding.folded(_Other.name)).join(
        ManufacturerName, ManufacturerName.manufacturer_id == _Other.manufacturer_id
    )
    others = names.where(holds(ManufacturerName.name), ~holds(_Other.name))
    if db.session.scalar(others.limit(1)) is None:
        return false()  # and no instrument need be asked for its manufacturer twice
    return finding.folded(Instrument.manufacturer).in_(others)


# --- Suggestions ---------------------------------------------------------------------------------


def suggested(term: str, by: Principal) -> list[Any]:
    """The best few names for what is typed so far: (name, present name), confirmed manufacturers first.

    A reported name is offered once two using units have entered it, before that only to the unit that has.
    """
    return list(db.session.execute(suggestions(term, by))) if same(term) else []


def suggestions(term: str, by: Principal) -> Any:
    """The statement of the suggestions for a term that says something."""
    matches = _matches(term, by).subquery()
    return (
        select(ManufacturerName.name, Present.name.label("present"))
        .join_from(matches, ManufacturerName, ManufacturerName.id == matches.c.id)
        .join(Manufacturer, Manufacturer.id == ManufacturerName.manufacturer_id)
        .join(Present, is_present())
        .order_by(
            Manufacturer.confirmed_at.is_(None),
            finding.begins(ManufacturerName.name, term).desc(),
            Manufacturer.instruments.desc(),
            ManufacturerName.present.desc(),
            ManufacturerName.name,
        )
        .limit(MOST_SUGGESTED)
    )


def _matches(term: str, by: Principal) -> Any:
    """The first of the names that begin with the term, of those that contain it, and of the unit's own."""
    id, offered = ManufacturerName.id, ManufacturerName.offered
    own = (ManufacturerName.first_unit_id == by.organization_id, ~offered)
    questions = [
        select(id).where(offered, finding.begins(ManufacturerName.name, term)).limit(FIRST),
        select(id).where(*own, finding.contains(ManufacturerName.name, term, by_row=True)).limit(FIRST),
    ]
    if len(same(term)) > 1:
        questions.append(select(id).where(offered, finding.contains_chinese(ManufacturerName.name, term)).limit(FIRST))
    first, *others = (select(each.subquery().c.id) for each in questions)
    return first.union(*others)


# --- Keeping it ----------------------------------------------------------------------------------


def add(entry: Entry, by: Principal) -> Manufacturer:
    """Register a manufacturer; it is confirmed by whoever adds it."""
    _hold_register()
    entry = _checked(entry, None)
    new = Manufacturer(credit_code=entry.credit_code, confirmed_at=func.now())
    db.session.add(new)
    db.session.flush()
    _write_names(new, entry)
    audit.record("add", "manufacturer", new.id, entry.name, by=by, after=_told(entry))
    return new


def edit(manufacturer_id: int, entry: Entry, revision: str, by: Principal) -> Manufacturer | None:
    """Change what the register says of a manufacturer; None if there is none.

    A new name makes the present one a former name. A former name that is taken out stands by itself again, reported,
    if instruments were entered under it.
    """
    _hold_register()
    found: Manufacturer | None = db.session.get(Manufacturer, manufacturer_id, with_for_update=True)
    if found is None:
        return None
    if str(found.revision) != revision:
        raise Stale
    entry, before = _checked(entry, found.id), entry_of(found)
    _write_names(found, entry)
    found.credit_code = entry.credit_code
    found.revision += 1
    db.session.flush()
    after = entry_of(found)
    if after != before:
        audit.record("edit", "manufacturer", found.id, after.name, by=by, before=_told(before), after=_told(after))
    return found


def confirm(chosen: Chosen, by: Principal) -> Outcome:
    """Vouch for manufacturers that users reported: their names are offered to everybody."""
    _hold_register()
    asked = how_many(chosen)
    reported = (is_chosen(Manufacturer.id, chosen), Manufacturer.confirmed_at.is_(None))
    values = {"confirmed_at": func.now(), "revision": Manufacturer.revision + 1}
    done = update(Manufacturer).where(*reported).values(values).returning(Manufacturer.id)
    ids = db.session.scalars(done.execution_options(synchronize_session=False)).all()
    if ids:
        _offer(
            ManufacturerName.manufacturer_id.in_(select(Manufacturer.id).where(Manufacturer.confirmed_at.isnot(None)))
        )
        audit.record("confirm", "manufacturer", ids[0] if len(ids) == 1 else None, by=by, done=len(ids))
    return Outcome(asked, len(ids))


def merge(ids: Chosen, kept_id: int, by: Principal) -> Manufacturer:
    """Make several manufacturers one: the names of the others become former names of the one that is kept.

    It is confirmed if one of them was. Instruments are not touched. There is no way back but taking names out again by
    editing, one by one.
    """
    _hold_register()
    rows = {row.id: row for row in chosen_for_merging(ids)}
    if len(rows) < len(set(ids)):  # type: ignore[arg-type]  # as chosen_for_merging has made sure
        raise Stale
    if kept_id not in rows:
        raise RuleError(_("Please choose the manufacturer to keep."), field="kept_id")
    kept: Manufacturer = db.session.get_one(Manufacturer, kept_id, with_for_update=True)
    gone = [row for row in rows.values() if row.id != kept_id]
    if not kept.confirmed_at and any(row.state == CONFIRMED for row in gone):
        kept.confirmed_at = datetime.now(UTC)
    _hand_over_names(kept, [row.id for row in gone])
    kept.credit_code = kept.credit_code or next((row.credit_code for row in gone if row.credit_code), None)
    kept.instruments += sum(row.instruments for row in gone)
    kept.revision += 1
    db.session.flush()
    merged = [_told(Entry(row.name, tuple((row.former_names or "").split(SEPARATOR)), row.credit_code)) for row in gone]
    audit.record("merge", "manufacturer", kept.id, rows[kept_id].name, by=by, before=merged, after=rows[kept_id].name)
    return kept


def _hold_register() -> None:
    """Let nobody else write to the register until the end of the transaction: names of many rows are compared."""
    db.session.execute(select(func.pg_advisory_xact_lock(LOCK)))


def _told(entry: Entry) -> str:
    """An entry in one line, for the audit log."""
    former = f"（{SEPARATOR.join(filter(None, entry.former_names))}）" if any(entry.former_names) else ""
    return f"{entry.name}{former} {entry.credit_code or ''}".strip()


def _checked(entry: Entry, but_id: int | None) -> Entry:
    """The entry as it is kept, if nothing speaks against it."""
    names = [("name", entry.name), *(("former_names", name) for name in entry.former_names)]
    for field, name in names:
        if not same(name) or max(len(name), len(same(name))) > LONGEST:
            text = _(
                "“%(name)s” cannot be a name. A name has 1 to %(most)s characters, not only signs.",
                name=name[:50],
                most=LONGEST,
            )
            raise RuleError(text, field=field)
    if len(entry.former_names) > MOST_FORMER_NAMES:
        raise RuleError(_("At most %(most)s former names.", most=MOST_FORMER_NAMES), field="former_names")
    _refuse_taken(names, but_id)
    code = half_width(entry.credit_code or "").upper() or None
    _refuse_code(code, but_id)
    return Entry(entry.name, entry.former_names, code)


def _refuse_taken(names: Sequence[tuple[str, str]], but_id: int | None) -> None:
    """Each name belongs to one manufacturer only."""
    among = finding.is_among(ManufacturerName.name, (name for _field, name in names))
    taken = select(ManufacturerName.name, Present.name.label("present")).join(
        Present, and_(Present.manufacturer_id == ManufacturerName.manufacturer_id, Present.present)
    )
    found = db.session.execute(taken.where(among, ManufacturerName.manufacturer_id != (but_id or 0)).limit(1)).first()
    if found is None:
        return
    field = next(field for field, name in names if same(name) == same(found.name))
    text = _("“%(name)s” is a name of %(present)s in the register. If they are the same manufacturer, merge them.",
             name=found.name, present=found.present)  # fmt: skip
    raise RuleError(text, field=field)


def _refuse_code(code: str | None, but_id: int | None) -> None:
    wrong = credit_codes.problem(code) if code else None
    if wrong:
        raise RuleError(wrong, field="credit_code")
    taken = select(Manufacturer.id).where(Manufacturer.credit_code == code, Manufacturer.id != (but_id or 0))
    if code and db.session.scalar(taken):
        raise RuleError(_("Another manufacturer has this credit code. If they are the same manufacturer, merge them."),
                        field="credit_code")  # fmt: skip


def _write_names(manufacturer: Manufacturer, entry: Entry) -> None:
    """Give a manufacturer the names of an entry; the name it had until now stays as a former one."""
    rows = {same(row.name): row for row in names_of(manufacturer.id)}
    wanted = {same(name): name for name in (*reversed(entry.former_names), entry.name)}
    wanted |= {key: row.name for key, row in rows.items() if row.present and key not in wanted}
    kept = {key: row for key, row in rows.items() if key in wanted}
    _let_go(manufacturer, [row for key, row in rows.items() if key not in wanted])
    for row in kept.values():
        row.present = False
    db.session.flush()  # no two names are the present one, not even for a moment
    for key, name in wanted.items():
        row = kept.get(key) or ManufacturerName(manufacturer_id=manufacturer.id)
        row.name, row.present = name, key == same(entry.name)
        row.offered = bool(row.offered or manufacturer.confirmed_at)
        db.session.add(row)
    db.session.flush()


def _let_go(manufacturer: Manufacturer, names: list[ManufacturerName]) -> None:
    """Take names away from a manufacturer: those in use stand by themselves again, the others are deleted."""
    for name in names:
        if not name.instruments:
            db.session.delete(name)
            continue
        alone = Manufacturer(instruments=name.instruments)
        db.session.add(alone)
        db.session.flush()
        name.manufacturer_id, name.present = alone.id, True
        manufacturer.instruments -= name.instruments
    db.session.flush()


def _hand_over_names(kept: Manufacturer, gone: list[int]) -> None:
    """Make the names of manufacturers former ones of another, and delete those manufacturers."""
    theirs = update(ManufacturerName).where(ManufacturerName.manufacturer_id.in_(gone))
    handed = {"manufacturer_id": kept.id, "present": False}
    db.session.execute(theirs.values(handed).execution_options(synchronize_session=False))
    if kept.confirmed_at:
        _offer(ManufacturerName.manufacturer_id == kept.id)
    db.session.execute(
        delete(Manufacturer).where(Manufacturer.id.in_(gone)).execution_options(synchronize_session=False)
    )


def _offer(which: Any) -> None:
    """Let everybody be offered names."""
    hidden = update(ManufacturerName).where(which, ~ManufacturerName.offered).values(offered=True)
    db.session.execute(hidden.execution_options(synchronize_session=False))


# --- What users enter ----------------------------------------------------------------------------


def learn(_day: date, _by: Principal) -> int:
    """Register the manufacturers of instruments entered since the last run. Returns how many are new.

    By the ids of the instruments, in steps; what is too much for one night follows in the next. An instrument whose
    transaction is still open meanwhile is skipped: its manufacturer is registered when the next one is entered.
    """
    _hold_register()
    last = int(db.session.scalar(select(func.max(ManufacturerName.newest_instrument_id))) or 0)
    new = 0
    for _step in range(MOST_STEPS):
        step = select(Instrument.id).where(Instrument.id > last).order_by(Instrument.id).limit(STEP).subquery()
        newest = db.session.scalar(select(func.max(step.c.id)))
        if newest is None:
            break
        new += _take(_entered(last, newest))
        last = newest
    return new


def _entered(after: int, until: int) -> list[Any]:
    """What was entered between two ids: (compared name, name, number, smallest and largest unit, newest instrument)."""
    compared, unit = finding.folded(Instrument.manufacturer), Instrument.using_unit_id
    rows = select(
        compared,
        func.min(Instrument.manufacturer),
        func.count(),
        func.min(unit),
        func.max(unit),
        func.max(Instrument.id),
    )
    between = (Instrument.id > after, Instrument.id <= until, compared != "")
    return list(db.session.execute(rows.where(*between).group_by(compared).order_by(compared)))


def _take(entered: list[Any]) -> int:
    """Register the names that are new, and count what was entered under each."""
    if not entered:
        return 0
    known = set(db.session.scalars(select(finding.folded(ManufacturerName.name)).where(_is_among(entered))))
    new = [(each[0], each[1]) for each in entered if each[0] not in known]
    if new:
        ids = numbering.next_ids("manufacturer", len(new))
        db.session.execute(insert(Manufacturer), [{"id": id} for id in ids])
        names = [
            {"manufacturer_id": id, "name": name, "present": True} for id, (_key, name) in zip(ids, new, strict=True)
        ]
        db.session.execute(insert(ManufacturerName), names)
    _count(entered)
    return len(new)


def _is_among(entered: list[Any]) -> Any:
    return finding.is_among(ManufacturerName.name, [each[0] for each in entered])


def _count(entered: list[Any]) -> None:
    types = (Text, BigInteger, BigInteger, Boolean, BigInteger)
    facts = [(key, number, first, first != second, newest) for key, _name, number, first, second, newest in entered]
    arrays: list[Any] = [
        literal(list(values), ARRAY(kind)) for values, kind in zip(zip(*facts, strict=True), types, strict=True)
    ]
    columns = ("compared", "number", "unit", "several", "newest")
    more = func.unnest(*arrays).table_valued(*columns, name="more").render_derived().c
    first_unit = func.coalesce(ManufacturerName.first_unit_id, more.unit)
    counted = (
        update(ManufacturerName)
        .where(finding.folded(ManufacturerName.name) == more.compared)
        .values(
            instruments=ManufacturerName.instruments + more.number,
            first_unit_id=first_unit,
            offered=or_(ManufacturerName.offered, more.several, first_unit != more.unit),
            newest_instrument_id=more.newest,
        )
    )
    db.session.execute(counted.execution_options(synchronize_session=False))
    of_it = select(func.sum(ManufacturerName.instruments)).where(ManufacturerName.manufacturer_id == Manufacturer.id)
    met = Manufacturer.id.in_(select(ManufacturerName.manufacturer_id).where(_is_among(entered)))
    total = of_it.correlate(Manufacturer).scalar_subquery()
    db.session.execute(
        update(Manufacturer).where(met).values(instruments=total).execution_options(synchronize_session=False)
    )
