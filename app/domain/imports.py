"""器具批量导入: a sheet of instruments taken into the ledger of a using unit, whole or not at all (办法 Art 5).

A sheet is kept (`upload`), read as its settings say (`read_as`), checked without changing anything (`preview`), taken
into the ledger (`apply`), and can be taken back for a day (`undo`). The worker checks and applies a long sheet.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import partial
from hashlib import sha256
from itertools import islice
from operator import itemgetter
from typing import Any, BinaryIO

from flask_babel import (
    force_locale,  # pyright: ignore[reportAttributeAccessIssue]  # not in __all__
    get_locale,
    gettext as _,
    ngettext,
)
from sqlalchemy import delete, func, select

from app import audit, files, spreadsheet
from app.access import Principal, principal
from app.domain import catalogue, jobs, ledger, ledger_sheets, manufacturers, numbering, sheets, uploads
from app.domain.jobs import Finished
from app.domain.ledger import TOLD, Change, Entry, Key
from app.domain.ledger_sheets import MOST_ROWS, Choices, Reader, Row, Settings
from app.errors import RuleError
from app.models import Instrument, Job, LedgerImport, db
from app.sandbox.children import Named
from app.spreadsheet import Incoming, TooManyRows, Unreadable
from app.states import BROKEN, IN_USE
from app.texts import same
from app.workflow import is_chosen, lock

KIND = "import_instruments"
AT_ONCE = 200  # rows for which somebody waits; more become a job
MOST_BYTES = 20 * 1024 * 1024
CHUNK = 5_000
JOB_SECONDS = 60  # that reading a long sheet may compute
FIRST = 10  # rows that are shown as they are read
MOST_SHOWN = 100  # rows of each verdict that are shown
_LONGEST_SHOWN = 200  # characters of a cell; the longest text of an instrument has as many
UNDONE_WITHIN = timedelta(hours=24)
FILES_KEPT = timedelta(days=7)
_REMEMBERED = 20  # imports whose columns are remembered
_ENOUGH_COLUMNS = 6  # that are understood in a sheet that is in a language

NEW, CHANGED, UNCHANGED, REJECTED, LEFT_OUT = "new", "changed", "unchanged", "rejected", "left_out"
VERDICTS = (NEW, CHANGED, UNCHANGED, REJECTED, LEFT_OUT)

# Hears how many more rows are done.
Tell = Callable[[int], None]


def _to_nobody(_more: int) -> None:
    """For a sheet that is done before anybody asks how far it is."""


# --- Uploading a sheet ----------------------------------------------------------------------------


def upload(file: BinaryIO, name: str, by: Principal, languages: Sequence[str] = ()) -> LedgerImport:
    """Keep a sheet that somebody uploads, and guess how it is to be read. Nothing is entered yet.

    It may be in one of the `languages` if it is not in that of the person.
    """
    uploads.check([Named(name, file)], "file")
    name = files.plain_name(name)
    incoming, rows, settings = _in_its_language(file, name, by, languages)
    if not incoming.rows:
        raise RuleError(_("There is no instrument in the sheet yet."), field="file")
    kept = LedgerImport(
        using_unit_id=by.organization_id,
        account_id=by.account_id, by_name=by.name, name=name[:200], file=files.keep_stream(file), rows=rows,
        settings=settings.kept(),
    )  # fmt: skip
    db.session.add(kept)
    db.session.flush()
    audit.record("upload", "ledger_import", kept.id, kept.name, by=by)
    return kept


def _in_its_language(
    file: BinaryIO, name: str, by: Principal, languages: Sequence[str]
) -> tuple[Incoming, int | None, Settings]:
    """The sheet in the language in which most of its columns are understood, first that of the person."""
    ways = []
    for language in dict.fromkeys((str(get_locale()), *languages)):
        with force_locale(language):
            choices, settings = ledger_sheets.choices_for(by), Settings(language=language)
            file.seek(0)
            incoming, rows = _first_look(file, name, settings, choices)
            ways.append((incoming, rows, _guessed(incoming, settings, choices, by)))
        if len(ways[-1][2].columns) >= _ENOUGH_COLUMNS:
            break
    return max(ways, key=lambda way: len(way[2].columns))


def _first_look(file: BinaryIO, name: str, settings: Settings, choices: Choices) -> tuple[Incoming, int | None]:
    """The sheet and its number of rows; of one that is too long to wait for only the first rows, and None."""
    words = ledger_sheets.words(choices)
    try:
        incoming = _read(file, name, settings, most_rows=AT_ONCE, words=words)
    except TooManyRows:
        file.seek(0)
        return _read(file, name, settings, most_rows=MOST_ROWS, words=words, first=FIRST), None
    return incoming, len(incoming.rows)


def _read(file: BinaryIO, name: str, settings: Settings, **how: Any) -> Incoming:
    """The sheet as the settings say; what they leave open is found by the words of its headers."""
    place: dict[str, Any] = {"sheet": settings.sheet or None, "header_row": settings.header_row or None}
    try:
        return spreadsheet.read(file, name, most_bytes=MOST_BYTES, title=ledger_sheets.title(), **place, **how)
    except TooManyRows:
        raise
    except Unreadable as reason:
        raise RuleError(str(reason), field="file") from reason


def _guessed(incoming: Incoming, settings: Settings, choices: Choices, by: Principal) -> Settings:
    before = _remembered(by)
    columns = ledger_sheets.guessed(incoming, choices, before.columns)
    usual = {"region_code": by.region_code} if by.region_code in choices.county_names else {}
    known = {name: value for name, value in before.for_all.items() if ledger_sheets.is_choice(name, value, choices)}
    for_all = usual | known | settings.for_all
    return replace(
        settings, sheet=incoming.sheet, header_row=incoming.header_row, headers=incoming.headers, columns=columns,
        for_all={name: value for name, value in for_all.items() if name not in columns.values()},
    )  # fmt: skip


@dataclass(frozen=True)
class _Remembered:
    columns: dict[str, str]
    for_all: dict[str, str]


def _remembered(by: Principal) -> _Remembered:
    """What this unit said before of its columns, by their headers as they compare, and once for all rows."""
    last = (
        select(LedgerImport.settings)
        .where(
            LedgerImport.using_unit_id == by.organization_id,
            LedgerImport.applied_at.is_not(None),
            LedgerImport.undone_at.is_(None),
        )
        .order_by(LedgerImport.id.desc())
        .limit(_REMEMBERED)
    )
    said = [Settings.of(kept) for kept in reversed(db.session.scalars(last).all())]
    columns = {
        same(header): settings.columns[number]
        for settings in said
        for number, header in enumerate(settings.headers)
        if header and number in settings.columns
    }
    return _Remembered(columns, said[-1].for_all if said else {})


def find(import_id: int, *, hold: bool = False) -> LedgerImport | None:
    """A sheet that the own unit has uploaded, locked until the transaction ends if asked; None if there is none."""
    asked = select(LedgerImport).where(LedgerImport.id == import_id)
    found: LedgerImport | None = db.session.scalar(asked.with_for_update() if hold else asked)
    return found


def read_as(kept: LedgerImport, changed: Settings) -> None:
    """Read the sheet in another way from now on: another sheet or row of headers begins anew with what seems meant."""
    _refuse_ended(kept)
    before = Settings.of(kept.settings)
    if (changed.sheet, changed.header_row) != (before.sheet, before.header_row):
        is_other = changed.sheet != before.sheet
        begun = replace(changed, header_row=0, hidden="") if is_other else changed
        with force_locale(changed.language), files.path(kept.file or "").open("rb") as file:
            by = principal()
            choices = ledger_sheets.choices_for(by)
            incoming, kept.rows = _first_look(file, kept.name, begun, choices)
            changed = _guessed(incoming, begun, choices, by)
    kept.settings, kept.preview, kept.job_id = changed.kept(), None, None


def _refuse_ended(kept: LedgerImport) -> None:
    if kept.applied_at:
        raise RuleError(_("This sheet has been imported already."))
    if not kept.file:
        raise RuleError(_("The sheet is no longer kept. Please upload it again."))


def discard(kept: LedgerImport) -> None:
    """Forget a sheet that is not to be imported."""
    if kept.applied_at:
        raise RuleError(_("This sheet has been imported already."))
    name = kept.file
    db.session.delete(kept)
    db.session.flush()
    jobs.drop_files({name} if name else set())


# --- Checking ------------------------------------------------------------------------------------


@dataclass
class Checked:
    """What a sheet holds: what is new and what changes, how many rows change nothing, and what is wrong, by row.

    `shown` holds the first rows of each verdict as a person reads them, `first` the first of all.
    """

    new: list[tuple[Key, Entry, str, int]] = field(default_factory=list)
    changes: list[tuple[int, Change, list[str]]] = field(default_factory=list)
    problems: dict[int, list[str]] = field(default_factory=dict)
    numbers: Counter[str] = field(default_factory=Counter)
    shown: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    first: list[dict[str, Any]] = field(default_factory=list)
    keys: dict[Key, int] = field(default_factory=dict)
    ids: dict[int, int] = field(default_factory=dict)

    @property
    def mark(self) -> str:
        """What tells whether two checks of a sheet found the same."""
        told = [
            [row for _key, _entry, _serial, row in self.new],
            [(row, change.id, change.revision, names) for row, change, names in self.changes],
            [*self.problems],
        ]
        return sha256(repr(told).encode()).hexdigest()


def preview(kept: LedgerImport, by: Principal) -> None:
    """See what a sheet would do: of a long one only its first rows, until the worker has gone through it."""
    settings = Settings.of(kept.settings)
    with force_locale(settings.language), files.path(kept.file or "").open("rb") as file:
        choices = ledger_sheets.choices_for(by)
        incoming, rows = _first_look(file, kept.name, settings, choices)
        checked = check(incoming, settings, choices)
        kept.preview = _preview(incoming, checked, settings, is_whole=rows is not None)


def _preview(incoming: Incoming, checked: Checked, settings: Settings, *, is_whole: bool) -> dict[str, Any]:
    """What a person sees of a check."""
    return {
        "whole": is_whole,
        "mark": checked.mark,
        "numbers": {verdict: checked.numbers[verdict] for verdict in VERDICTS},
        "shown": dict(checked.shown) if is_whole else {},
        "first": checked.first,
        "sheets": incoming.sheets,
        "samples": _samples(incoming),
        "hidden": len(incoming.hidden),
        "hidden_rows": sorted(incoming.hidden)[:FIRST],
        "above": [" ".join(spreadsheet.as_text(value) for value in values if value) for _row, values in incoming.above],
    }


def _samples(incoming: Incoming) -> list[str]:
    """The first value of each column."""
    firsts = (
        next((values[column] for _row, values in incoming.rows[:FIRST] if values[column] is not None), None)
        for column in range(len(incoming.headers))
    )
    return [spreadsheet.as_text(value)[:40] for value in firsts]


def check(incoming: Incoming, settings: Settings, choices: Choices, tell: Tell = _to_nobody) -> Checked:
    """Check every row by the rules for a single instrument, and against the ledgers. Changes nothing."""
    checked, reader = Checked(), Reader(incoming, settings, choices)
    left_out = _left_out(incoming, settings, checked)
    rows = reader.rows(left_out)
    while chunk := list(islice(rows, CHUNK)):
        _compare(chunk, checked, reader)
        tell(len(chunk))
    return checked


def _left_out(incoming: Incoming, settings: Settings, checked: Checked) -> set[int]:
    """The rows that are not taken: those without an instrument, and hidden ones if that was said."""
    empty = ledger_sheets.without_instrument(incoming, settings)
    hidden = incoming.hidden if settings.hidden == "leave_out" else frozenset()
    values = dict(incoming.rows)
    for number in sorted(empty | (hidden & values.keys())):
        text = " ".join(spreadsheet.as_text(value) for value in values[number] if value is not None)
        _show(checked, LEFT_OUT, partial(dict, row=number, cells={"name": text[:100]}))
    return empty | hidden


def _show(checked: Checked, verdict: str, shown: Callable[[], dict[str, Any]]) -> None:
    """Count a row, and keep it to be looked at if it is among the first."""
    checked.numbers[verdict] += 1
    is_early = len(checked.first) < FIRST and verdict != LEFT_OUT
    if checked.numbers[verdict] <= MOST_SHOWN or is_early:
        row = {"verdict": verdict, **shown()}
        checked.shown[verdict] += [row] if checked.numbers[verdict] <= MOST_SHOWN else []
        checked.first += [row] if is_early else []


@dataclass(frozen=True)
class _Known:
    """What the ledgers know of the rows of a chunk: by number and by key, and what has become of one's own."""

    by_number: Mapping[str, Any]
    own: Mapping[Key, Any]
    places: Mapping[Key, str]
    standing: Mapping[int, ledger.Standing]
    other_names: Mapping[str, Collection[str]]

    def one_name(self, key: Key) -> Key:
        """The key under one of the names of its manufacturer, whichever it was given under."""
        city, maker, serial = key
        return city, min(maker, *self.other_names.get(maker, ())) if maker in self.other_names else maker, serial

    def of(self, row: Row, key: Key | None) -> Any:
        """The instrument of the own ledger that a row is about; None if it is a new one."""
        return self.by_number.get(row.instrument_no) if row.instrument_no else key and self.own.get(key)


def _compare(chunk: list[Row], checked: Checked, reader: Reader) -> None:
    """Tell what is new from what is there already, in the ledgers or further up in the sheet."""
    by_number = ledger.own_by_number({row.instrument_no for row in chunk if row.instrument_no})
    for row in chunk:
        if found := row.instrument_no and by_number.get(row.instrument_no):
            _fill_in(row, found, reader)
    keys = [_key(row.told, reader) for row in chunk]
    places = ledger.places([key for key in keys if key])
    own = ledger.own(places)
    there = {found.id for found in (*by_number.values(), *own.values())}
    others = manufacturers.other_names(key[1] for key in keys if key)
    known = _Known(by_number, own, places, ledger.standings(there) if there else {}, others)
    for row, key in zip(chunk, keys, strict=True):
        _judge(row, key, known, checked, reader)


def _fill_in(row: Row, found: Any, reader: Reader) -> None:
    """What the sheet has no column for stays as it is."""
    for name in row.told.keys() - reader.tells:
        row.told[name] = getattr(found, name)


def _key(told: Mapping[str, Any], reader: Reader) -> Key | None:
    region, maker, serial = (told[name] or reader.usual.get(name) for name in ledger_sheets.KEY)
    return ledger.key_of(region, maker, serial) if maker and serial and region in reader.choices.counties else None


def _judge(row: Row, key: Key | None, known: _Known, checked: Checked, reader: Reader) -> None:
    """Find out what becomes of a row."""
    found = known.of(row, key)
    row.told = _completed(row, found, reader)
    told = row.told
    item = reader.choices.items.get(told["catalogue_item_id"] or 0)
    if item and not item.range_units and told["range_unit"] is None:
        told["range_unit"] = ""
    refusals = ledger.refusals(told, item, is_county=told["region_code"] in reader.choices.counties)
    row.problems += [reader.beside(refusal.field, str(refusal)) for refusal in refusals]
    row.problems += _misplaced(row, key, found, known, checked, reader)
    if not row.problems:
        row.problems += [reader.lacks(name) for name in reader.needed if told[name] is None]
    if found and item is None and not row.problems:
        row.problems.append(reader.beside("catalogue_item_id", _("Please choose a kind of the catalogue.")))
    if not row.problems and found:
        return _judge_change(row, found, item, known.standing[found.id], checked, reader)
    if not row.problems and key:
        checked.new.append((key, Entry(*_TOLD(told)), told["serial_no"], row.number))
        return _show(checked, NEW, lambda: _shown(row, reader))
    return _reject(row, checked, reader)


_TOLD = itemgetter(*TOLD)


def _completed(row: Row, found: Any, reader: Reader) -> dict[str, Any]:
    """What a row tells with what it leaves open: of a new instrument what is usual, of a known one what is known.

    Who names an instrument by its number empties what he leaves empty, as far as that may be empty.
    """
    told = row.told
    if found is None:
        return {name: reader.usual.get(name) if value is None else value for name, value in told.items()}
    stays = (*ledger_sheets.USUAL, "range_unit") if row.instrument_no else told
    return {name: getattr(found, name) if value is None and name in stays else value for name, value in told.items()}


def _reject(row: Row, checked: Checked, reader: Reader) -> None:
    checked.problems[row.number] = row.problems
    _show(checked, REJECTED, lambda: _shown(row, reader))


def _misplaced(row: Row, key: Key | None, found: Any, known: _Known, checked: Checked, reader: Reader) -> list[str]:
    """What is wrong with a row beside the others of the sheet and what is in the ledgers."""
    if row.instrument_no and found is None:
        return [_("There is no instrument %(number)s in your ledger.", number=row.instrument_no[:30])]
    if row.revision and not row.instrument_no:
        return [_("It is a row of a sheet for changes without its instrument number. Please take a new sheet.")]
    missing = [] if found else reader.missing
    first = checked.keys.setdefault(known.one_name(key), row.number) if key else row.number
    above = checked.ids.setdefault(found.id, row.number) if found else row.number
    if min(first, above) != row.number:
        return [
            *missing,
            reader.beside("serial_no", _("It is the same instrument as in row %(row)s.", row=min(first, above))),
        ]
    if key and key in known.places and (key not in known.own or (found and known.own[key].id != found.id)):
        return [*missing, reader.beside("serial_no", ledger.told_known(row.told["serial_no"], known.places[key]))]
    return missing


def _judge_change(row: Row, found: Any, item: Any, standing: ledger.Standing, checked: Checked, reader: Reader) -> None:
    told, serial = row.told, row.told["serial_no"]
    entry = Entry(*_TOLD(told))
    names = ledger.differences(found, entry, serial, item)
    if not row.instrument_no:
        respelled = {name for name in names if name in _FOUND_BY or _is_respelled(getattr(found, name), told[name])}
        told |= {name: getattr(found, name) for name in respelled}
        entry, serial = Entry(*_TOLD(told)), told["serial_no"]
        names = [name for name in names if name not in respelled]
    if not names:
        return _show(checked, UNCHANGED, lambda: _shown(row, reader))
    if row.revision not in (None, str(found.revision)):
        row.problems.append(
            _("Somebody has changed this instrument since the sheet was made. Please take a new sheet.")
        )
    elif refusal := ledger.against_change(found, entry, names, standing):
        row.problems.append(reader.beside(refusal.field, str(refusal)) if refusal.field else str(refusal))
    if row.problems:
        return _reject(row, checked, reader)
    is_renamed = ledger.key_of(entry.region_code, entry.manufacturer, serial) != ledger.key_of(
        found.region_code, found.manufacturer, found.serial_no
    )
    checked.changes.append((row.number, Change(found.id, found.revision, entry, serial, is_renamed), names))
    return _show(checked, CHANGED, lambda: _shown(row, reader, found, names))


# By these a row without a number has found its instrument: they mean the same, however they are written.
_FOUND_BY = {"manufacturer", "serial_no"}


def _is_respelled(known: Any, told: Any) -> bool:
    """Whether a text of the ledger stands in the sheet as well, only written otherwise."""
    return isinstance(known, str) and isinstance(told, str) and same(known) == same(told)


def _shown(row: Row, reader: Reader, before: Any = None, changed: Collection[str] = ()) -> dict[str, Any]:
    """A row as a person reads it, with the earlier values of what it changes."""
    was = _cells({name: getattr(before, name) for name in row.told}, reader) if before else {}
    cells = _cells(row.told, reader)
    named = {ledger_sheets.RANGE if name in ledger_sheets.LIMITS else name for name in changed}
    return {
        "row": row.number,
        "cells": cells,
        "was": {name: was[name] for name in named if was[name] != cells[name]},
        "problems": row.problems,
    }


def _cells(told: Mapping[str, Any], reader: Reader) -> dict[str, str]:
    return {name: text[:_LONGEST_SHOWN] for name, text in ledger_sheets.cells(told, reader.choices).items()}


# --- Taking it into the ledger -------------------------------------------------------------------


def apply(kept: LedgerImport, by: Principal, tell: Tell = _to_nobody) -> str | None:
    """Take a sheet into the ledger just as the preview showed it; gives what was done.

    None if it would do something else by now: then its preview shows what, and nothing is done.
    """
    settings = Settings.of(kept.settings)
    _refuse_unready(kept)
    with force_locale(settings.language), files.path(kept.file or "").open("rb") as file:
        choices = ledger_sheets.choices_for(by)
        incoming = _read(file, kept.name, settings, most_rows=MOST_ROWS, seconds=JOB_SECONDS)
        checked = check(incoming, settings, choices, tell)
    if checked.problems or checked.mark != (kept.preview or {}).get("mark"):
        kept.preview = _preview(incoming, checked, settings, is_whole=True)
        return None
    kept.entered = _enter(checked, choices.items, settings, by, tell)
    kept.changed = _change(checked, choices.items, by)
    kept.numbers = {NEW: len(checked.new), CHANGED: len(checked.changes)}
    kept.applied_at = datetime.now(UTC)
    audit.record(
        "import", "ledger_import", kept.id, kept.name, by=by, rows=len(checked.new), changed=len(checked.changes)
    )
    return _done(checked)


def against_import(kept: LedgerImport) -> str | None:
    """What keeps a sheet from being imported, as far as it has been checked; None if nothing does."""
    if kept.applied_at:
        return str(_("This sheet has been imported already."))
    if not kept.file or not kept.preview or not kept.preview["whole"]:
        return str(_("Please check the whole sheet first."))
    if kept.preview["hidden"] and not kept.settings["hidden"]:
        return str(_("Please say whether hidden rows are imported."))
    if kept.preview["numbers"][REJECTED]:
        return str(_("Some rows have problems. Correct them in the sheet, and upload it again."))
    if not kept.preview["numbers"][NEW] + kept.preview["numbers"][CHANGED]:
        return str(_("Nothing in the sheet is new or changed."))
    return None


def _refuse_unready(kept: LedgerImport) -> None:
    if problem := against_import(kept):
        raise RuleError(problem)


def _enter(
    checked: Checked, items: Mapping[int, Any], settings: Settings, by: Principal, tell: Tell
) -> dict[str, list[int]]:
    """Enter what is new, and file it if asked; gives the ids by the state of the filing."""
    ids = numbering.next_ids("instrument", len(checked.new)) if checked.new else []
    # In one order for everybody, so that two who enter the same instruments do not wait for each other in a circle.
    by_key = sorted((key, entry, serial, id) for (key, entry, serial, _row), id in zip(checked.new, ids, strict=True))
    new = [(id, entry, serial) for _key, entry, serial, id in by_key]
    for start in range(0, len(new), CHUNK):
        chunk = new[start : start + CHUNK]
        ledger.enter(chunk, items, by)
        tell(len(chunk))
    if new and settings.file_now:
        ledger.file(ids, by)
    return _by_filing_state(ids)


def _by_filing_state(ids: list[int]) -> dict[str, list[int]]:
    if not ids:
        return {}
    asked = select(Instrument.filing_state, func.array_agg(Instrument.id)).where(is_chosen(Instrument.id, ids))
    return {state: sorted(its) for state, its in db.session.execute(asked.group_by(Instrument.filing_state))}


def _change(checked: Checked, items: Mapping[int, Any], by: Principal) -> list[dict[str, Any]]:
    """Change what is known already; gives what it was before."""
    changes = [change for _row, change, _names in checked.changes]
    if changes:
        lock(Instrument, [each.id for each in changes])  # all in one order, before they are changed in pieces
    before: list[dict[str, Any]] = []
    for start in range(0, len(changes), CHUNK):
        before += map(_before, ledger.change(changes[start : start + CHUNK], items, by))
    after = ledger.standings([each["id"] for each in before]) if before else {}
    return [each | {"after": _state(after[each["id"]])} for each in before]


def _state(standing: ledger.Standing) -> list[Any]:
    """What must not have changed since an import that is to be undone."""
    return [standing.use_state, standing.filing_state, standing.open_state]


def _before(found: Any) -> dict[str, Any]:
    told = {name: getattr(found, name) for name in (*TOLD, "serial_no")}
    plain = {name: value if value is None or isinstance(value, int) else str(value) for name, value in told.items()}
    return {"id": found.id, "revision": found.revision + 1, **plain}


def _done(checked: Checked) -> str:
    new, changed, unchanged = len(checked.new), len(checked.changes), checked.numbers[UNCHANGED]
    sentences = [
        ngettext("Imported %(num)s instrument.", "Imported %(num)s instruments.", new) if new or not changed else "",
        ngettext("Changed %(num)s instrument.", "Changed %(num)s instruments.", changed) if changed else "",
        _("%(number)s were in your ledger already.", number=unchanged) if unchanged else "",
    ]
    return " ".join(filter(None, sentences))


# --- Taking it back ------------------------------------------------------------------------------


def undo(import_id: int, by: Principal) -> str | None:
    """撤销导入: take out what was entered and put back what was changed; refused as soon as something was done with one
    of the instruments. None if there is no such import."""
    kept = find(import_id, hold=True)
    if kept is None:
        return None
    if kept.applied_at is None or kept.undone_at:
        raise RuleError(_("This import has been undone already, or was never made."))
    if not can_be_undone(kept):
        raise RuleError(_("An import can be undone for 24 hours."))
    entered = [id for ids in kept.entered.values() for id in ids]
    lock(Instrument, [*entered, *(each["id"] for each in kept.changed)])
    _refuse_touched(kept, entered)
    back = [_back(each) for each in kept.changed]
    items = catalogue.items(each.entry.catalogue_item_id for each in back)
    for start in range(0, len(back), CHUNK):
        ledger.change(back[start : start + CHUNK], items, by)
    if entered:
        ledger.remove(entered)
    kept.undone_at = datetime.now(UTC)
    audit.record(
        "undo_import", "ledger_import", kept.id, kept.name, by=by, rows=len(entered), changed=len(kept.changed)
    )
    text = _(
        "The import is undone: %(entered)s instruments are out of the ledger again, %(changed)s as they were.",
        entered=len(entered), changed=len(kept.changed),
    )  # fmt: skip
    return str(text)


def can_be_undone(kept: LedgerImport) -> bool:
    """Whether an import was made so recently that it can be undone."""
    return kept.applied_at is not None and kept.applied_at > datetime.now(UTC) - UNDONE_WITHIN


def _refuse_touched(kept: LedgerImport, entered: list[int]) -> None:
    """Refuse if an instrument is not as the import has left it."""
    states = {id: state for state, ids in kept.entered.items() for id in ids}
    after = {each["id"]: each for each in kept.changed}
    standing = ledger.standings([*states, *after])
    touched = [id for id, state in states.items() if not _is_as_entered(standing.get(id), state)]
    touched += [id for id, each in after.items() if not _is_as_changed(standing.get(id), each)]
    touched += ledger.inspected(entered)
    if touched:
        names = select(Instrument.name, Instrument.serial_no).where(is_chosen(Instrument.id, touched[:3]))
        shown = "、".join(f"{name} {serial}" for name, serial in db.session.execute(names))
        text = _(
            "%(number)s of these instruments have been changed or used since (%(names)s …), so the import cannot be"
            " undone.",
            number=len(touched), names=shown,
        )  # fmt: skip
        raise RuleError(text)


def _is_as_entered(standing: ledger.Standing | None, filing_state: str) -> bool:
    if standing is None or (standing.revision, standing.use_state, standing.filing_state) != (1, IN_USE, filing_state):
        return False
    return not (standing.has_task or standing.has_photo or standing.has_certificate)


def _is_as_changed(standing: ledger.Standing | None, after: Mapping[str, Any]) -> bool:
    return standing is not None and standing.revision == after["revision"] and _state(standing) == after["after"]


def _back(kept: Mapping[str, Any]) -> Change:
    """The change by which an instrument is as it was before."""
    values = {name: kept[name] for name in TOLD}
    values |= {name: Decimal(kept[name]) for name in ("range_low", "range_high")}
    values["started_on"] = date.fromisoformat(kept["started_on"]) if kept["started_on"] else None
    return Change(kept["id"], kept["revision"], Entry(**values), kept["serial_no"], is_renamed=True)


# --- A sheet with its problems -------------------------------------------------------------------


def hand_back(kept: LedgerImport, by: Principal, file: BinaryIO) -> None:
    """Write a sheet that is not long as it came, with what is wrong beside each row."""
    settings = Settings.of(kept.settings)
    with force_locale(settings.language), files.path(kept.file or "").open("rb") as uploaded:
        incoming = _read(uploaded, kept.name, settings, most_rows=AT_ONCE)
        problems = check(incoming, settings, ledger_sheets.choices_for(by)).problems
        spreadsheet.with_problems(incoming, problems, file)


def name_with_problems(kept: LedgerImport) -> str:
    """What the sheet is called that comes back."""
    return str(_("%(name)s with problems.xlsx", name=files.stem(kept.name)[:100]))


# --- As a job ------------------------------------------------------------------------------------


def ask(kept: LedgerImport, by: Principal, *, apply_it: bool) -> Job:
    """Let the worker go through a sheet that is too long to wait for: check it, or take it into the ledger."""
    _refuse_ended(kept)
    if apply_it:
        _refuse_unready(kept)
    job = jobs.ask(KIND, by, ledger_import=kept.id, apply=apply_it)
    kept.job_id = job.id
    return job


def import_job(job: Job) -> Finished:
    """Do what was asked for with a sheet, in the language in which it was filled in."""
    by = principal()
    kept = find(job.asked.get("ledger_import", 0), hold=True)
    if kept is None or kept.file is None:
        raise RuleError(_("The sheet is no longer kept. Please upload it again."))
    return _apply_long(job, kept, by) if job.asked["apply"] else _check_long(job, kept, by)


def _check_long(job: Job, kept: LedgerImport, by: Principal) -> Finished:
    settings = Settings.of(kept.settings)
    with force_locale(settings.language), files.path(kept.file or "").open("rb") as file:
        try:
            incoming = _read(file, kept.name, settings, most_rows=MOST_ROWS, seconds=JOB_SECONDS)
        except TooManyRows as reason:
            raise RuleError(str(reason)) from reason
        choices = ledger_sheets.choices_for(by)
        checked = check(incoming, settings, choices, _telling(job, len(incoming.rows), times=1))
        kept.rows, kept.preview = len(incoming.rows), _preview(incoming, checked, settings, is_whole=True)
        if checked.problems:
            problems = sheets.keep_with_problems(incoming, checked.problems)
            text = ngettext(
                "%(num)s row has a problem. Nothing was imported.",
                "%(num)s rows have problems. Nothing was imported.",
                len(checked.problems),
            )
            return Finished(text, problems, name_with_problems(kept), BROKEN)
    return Finished(_("%(number)s rows were checked. Nothing was imported yet.", number=kept.rows))


def _apply_long(job: Job, kept: LedgerImport, by: Principal) -> Finished:
    done = apply(kept, by, _telling(job, kept.rows or 0, times=2))
    if done is None:
        return Finished(
            _("The ledger has changed since the preview. Nothing was imported; please check the preview again."),
            state=BROKEN,
        )
    return Finished(done)


def _telling(job: Job, rows: int, *, times: int) -> Tell:
    """Every row is done once when it is checked, and once more when it is entered."""
    done = 0

    def tell(more: int) -> None:
        nonlocal done
        done += more
        jobs.progress(job, done // times, rows)

    tell(0)
    return tell


def drop_sheets() -> int:
    """Forget the files and previews of sheets that were uploaded a week ago, and what was never imported.

    Returns how many.
    """
    old = LedgerImport.created_at < datetime.now(UTC) - FILES_KEPT
    given_up = delete(LedgerImport).where(old, LedgerImport.applied_at.is_(None)).returning(LedgerImport.file)
    gone = list(db.session.scalars(given_up))
    still_kept = select(LedgerImport).where(old, LedgerImport.file.is_not(None)).with_for_update()
    for kept in db.session.scalars(still_kept):
        gone.append(kept.file)
        kept.file = kept.preview = None
    db.session.flush()
    jobs.drop_files({name for name in gone if name})
    return len(gone)
