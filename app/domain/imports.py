"""器具批量导入: a sheet of instruments taken into the ledger of a using unit, whole or not at all (办法 Art 5)."""

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property, lru_cache, partial
from itertools import islice
from operator import itemgetter
from typing import Any, BinaryIO, cast

from flask_babel import force_locale, get_locale, gettext as _, ngettext  # pyright: ignore[reportAttributeAccessIssue]  # not in __all__

from app import audit, files, spreadsheet
from app.access import Principal, principal
from app.domain import catalogue, jobs, ledger, numbering, regions, sheets, uploads
from app.domain.jobs import Finished
from app.domain.ledger import DELIVERIES, ORIGINS, PURPOSES, TOLD, Entry, Key
from app.errors import RuleError
from app.models import CatalogueItem, Job
from app.sandbox.children import Named
from app.spreadsheet import Dependent, Field, Incoming, TooManyRows, Unreadable
from app.states import BROKEN
from app.texts import same

KIND = "import_instruments"
AT_ONCE = 200  # rows for which somebody waits; more become a job
MOST_ROWS = 50_000
MOST_BYTES = 20 * 1024 * 1024
CHUNK = 5_000
JOB_SECONDS = 60  # that reading a long sheet may compute

# Hears how many more rows are done.
Tell = Callable[[int], None]


def _to_nobody(_more: int) -> None:
    """For a sheet that is done before anybody asks how far it is."""


# --- What is asked -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Choices:
    """What a sheet may name, by the words that name it: kinds with their category, places, and the short lists."""

    kinds: dict[tuple[str, str], CatalogueItem]
    counties: dict[str, str]
    purposes: dict[str, str]
    origins: dict[str, str]
    deliveries: dict[str, str]

    def county(self, written: str) -> str:
        """The code of a county, by its full name or the code itself; what is neither stays as it is written."""
        return self.counties.get(written) or self.counties_by_name.get(same(written), written)

    @cached_property
    def counties_by_name(self) -> dict[str, str]:
        return {same(name): code for name, code in self.counties.items()}


def _choices() -> Choices:
    counties = regions.without_parts()
    return Choices(
        kinds={(category, kind.name): kind for category, kind in catalogue.kinds()},
        counties={name: code for code, name in counties.items()} | {code: code for code in counties},
        purposes=_by_word(PURPOSES),
        origins=_by_word(ORIGINS),
        deliveries=_by_word(DELIVERIES),
    )


def _by_word(labels: dict[str, Any]) -> dict[str, str]:
    return {str(word): value for value, word in labels.items()}


def _fields(choices: Choices, by: Principal) -> list[Field]:
    """The columns of the sheet, named as the form for a single instrument names them."""
    return [*_what_it_is(choices), *_which_one_it_is(choices), *_where_and_what_for(choices, by)]


def _what_it_is(choices: Choices) -> list[Field]:
    (category, kind), item = next(pair for pair in choices.kinds.items() if _can_be_chosen(pair[1]))
    units, classes = [*item.range_units, ""], [*item.accuracy_classes, ""]
    asked = partial(Field, mandatory=True)
    return [
        asked("name", _("Instrument"), example=kind, width=20),
        asked("category", _("Category"), kind="choice", example=category, width=18,
              choices=tuple(dict.fromkeys(category for category, _kind in choices.kinds))),
        asked("catalogue_item_id", _("Kind"), kind="choice", example=kind, width=24,
              choices=tuple(dict.fromkeys(kind for _category, kind in choices.kinds)),
              note=_("Choose the category first. Kinds that are not verified are not offered.")),
        asked("model", _("Model"), example="TM-20"),
        asked("range_low", _("Range from"), kind="number", example="0",
              note=_("If it is one value, write it in both columns.")),
        asked("range_high", _("Range to"), kind="number", example="50"),
        asked("range_unit", _("Unit"), kind="choice", example=units[0], width=10,
              note=_("Choose the kind first: each has units of its own.")),
        asked("accuracy_class", _("Accuracy class"), example=classes[0], width=14,
              note=_("With its number, such as 2级, Ⅲ级 or 0.5S级.")),
        Field("type_approval_no", _("Type approval no."), example="2026F123-33", width=20,
              note=_("Of kinds that need a type approval.")),
    ]  # fmt: skip


def _which_one_it_is(choices: Choices) -> list[Field]:
    return [
        Field("serial_no", _("Serial no."), mandatory=True, example="20260017", width=20,
              note=_("As on the name plate. A manufacturer gives each number once.")),
        Field("manufacturer", _("Manufacturer"), mandatory=True, example=_("Hangzhou Instruments Ltd."), width=28),
        Field("origin", _("Origin"), kind="choice", choices=tuple(choices.origins), width=12,
              note=_("If left empty: %(word)s.", word=ORIGINS["domestic"]), example=str(ORIGINS["domestic"])),
    ]  # fmt: skip


def _where_and_what_for(choices: Choices, by: Principal) -> list[Field]:
    near = _near(choices, by.region_code)
    return [
        Field("region_code", _("Region of use"), mandatory=True, choices=tuple(near), example=[*near, ""][0], width=30,
              note=_("The full name of the county, or its code of six digits. It decides which institution is found.")),
        Field("use_place", _("Place of use"), mandatory=True, example=_("Second floor, laboratory"), width=30),
        Field("purpose", _("Purpose"), mandatory=True, kind="choice", choices=tuple(choices.purposes),
              example=str(PURPOSES["medical"])),
        Field("delivery", _("Delivery"), kind="choice", choices=tuple(choices.deliveries), width=12,
              note=_("If left empty: %(word)s.", word=DELIVERIES["sent"]), example=str(DELIVERIES["sent"])),
        Field("started_on", _("In use since"), kind="date", example="2026-01-31", width=14),
    ]  # fmt: skip


def _near(choices: Choices, home: str) -> list[str]:
    """The full names of the counties of a province: first the own, then those of the own city."""
    names = {code: name for name, code in choices.counties.items() if name != code and code[:2] == home[:2]}
    return [names[code] for code in sorted(names, key=lambda code: (code != home, code[:4] != home[:4], code))]


def _can_be_chosen(item: CatalogueItem) -> bool:
    return "V" in (item.supervision or "")


def _lists(choices: Choices) -> list[Dependent]:
    """What is offered once the category or the kind is chosen."""
    offered = {names: item for names, item in choices.kinds.items() if _can_be_chosen(item)}
    kinds: dict[str, list[str]] = {}
    for category, kind in offered:
        kinds.setdefault(category, []).append(kind)
    units = {kind: item.range_units for (_category, kind), item in offered.items()}
    classes = {kind: item.accuracy_classes for (_category, kind), item in offered.items()}
    on_kind = "catalogue_item_id"
    return [
        Dependent(on_kind, "category", kinds),
        Dependent("range_unit", on_kind, units),
        Dependent("accuracy_class", on_kind, classes),
    ]


def template(by: Principal) -> bytes:
    """The sheet to fill in, with the catalogue of today and the counties around."""
    choices = _choices()
    notes = [
        _("Write one instrument in each row. Leave the names of the columns as they are."),
        _("Columns with a star must be filled in. At most %(most)s instruments.", most=MOST_ROWS),
        _("If a row has a problem, nothing is imported: you get your sheet back with the problems written beside it."),
        _("What is in your ledger already, just as in the sheet, is left as it is: a sheet may be sent again."),
    ]
    return spreadsheet.template(
        _("Ledger of instruments"), _fields(choices, by), notes, lists=_lists(choices), rows=MOST_ROWS
    )


# --- Reading -------------------------------------------------------------------------------------


def read_at_once(file: BinaryIO, name: str) -> Incoming | None:
    """A sheet so small that somebody may wait for it; None if it has more rows."""
    uploads.check([Named(name, file)], "file")
    try:
        return _read(file, name, AT_ONCE, None)
    except TooManyRows:
        return None


def _read(file: BinaryIO, name: str, most_rows: int, seconds: int | None) -> Incoming:
    try:
        return spreadsheet.read(
            file, name, most_rows=most_rows, most_bytes=MOST_BYTES, title=_("Ledger of instruments"), seconds=seconds
        )
    except TooManyRows:
        raise
    except Unreadable as reason:
        raise RuleError(str(reason), field="file") from reason


# --- Checking ------------------------------------------------------------------------------------


@dataclass
class Checked:
    """What a sheet holds: the instruments to be entered, how many are there already, and what is wrong, by row."""

    items: dict[int, CatalogueItem]
    left_out: list[str]
    new: list[tuple[Key, Entry, str]] = field(default_factory=list)
    unchanged: int = 0
    problems: dict[int, list[str]] = field(default_factory=dict)
    rows: dict[Key, int] = field(default_factory=dict)


@dataclass(slots=True)
class Row:
    """A row of the sheet: what it tells of its instrument, as the ledger keeps it, and what is wrong with it."""

    number: int
    told: dict[str, Any]
    problems: list[str]
    key: Key | None


def check(incoming: Incoming, by: Principal, tell: Tell = _to_nobody) -> Checked:
    """Check every row by the rules for a single instrument, and against the ledgers. Changes nothing."""
    choices = _choices()
    asked = _fields(choices, by)
    matched = sheets.match(incoming, asked)
    if not incoming.rows:
        raise RuleError(_("There is no instrument in the sheet yet."), field="file")
    labels = {field.name: field.label for field in asked}
    checked = Checked({item.id: item for item in choices.kinds.values()}, matched.unknown)
    rows = (_row(*row, choices, labels) for row in spreadsheet.taken(incoming, matched))
    while chunk := list(islice(rows, CHUNK)):
        _compare(chunk, checked, labels)
        tell(len(chunk))
    return checked


def _row(number: int, values: dict[str, Any], problems: list[str], choices: Choices, labels: dict[str, str]) -> Row:
    kind = (values["category"], values["catalogue_item_id"])
    item = choices.kinds.get(kind)
    if item is None and None not in kind:
        text = _("“%(kind)s” does not belong to the category “%(category)s”.", kind=kind[1], category=kind[0])
        problems.append(_beside(labels["catalogue_item_id"], text))
    told = _told(values, item, choices)
    refusals = ledger.refusals(told, item, is_county=told["region_code"] in choices.counties)
    problems += [_beside(labels[refusal.field or ""], str(refusal)) for refusal in refusals]
    return Row(number, told, problems, _key(told, refusals))


def _told(values: dict[str, Any], item: CatalogueItem | None, choices: Choices) -> dict[str, Any]:
    county = values["region_code"]
    return {
        "name": values["name"],
        "catalogue_item_id": item.id if item else None,
        "model": values["model"],
        "range_low": _decimal(values["range_low"]),
        "range_high": _decimal(values["range_high"]),
        "range_unit": _unit(values["range_unit"], item),
        "accuracy_class": values["accuracy_class"],
        "serial_no": values["serial_no"],
        "manufacturer": values["manufacturer"],
        "region_code": county and choices.county(county),
        "use_place": values["use_place"],
        "purpose": choices.purposes.get(values["purpose"]),
        "delivery": choices.deliveries.get(values.get("delivery", ""), "sent"),
        "origin": choices.origins.get(values.get("origin", ""), "domestic"),
        "started_on": values.get("started_on"),
        "type_approval_no": values.get("type_approval_no"),
    }


@lru_cache(maxsize=1000)
def _decimal(number: float | None) -> Decimal | None:
    return None if number is None else Decimal(str(number))


def _unit(written: str | None, item: CatalogueItem | None) -> str | None:
    """The unit as the catalogue writes it: m³/h for m3/h. Small and capital letters are different units."""
    if written is None or item is None or written in item.range_units:
        return written
    plain = unicodedata.normalize("NFKC", written)
    return next((unit for unit in item.range_units if unicodedata.normalize("NFKC", unit) == plain), written)


_IN_THE_KEY = ("region_code", "manufacturer", "serial_no")


def _key(told: dict[str, Any], refusals: list[RuleError]) -> Key | None:
    if any(refusal.field in _IN_THE_KEY for refusal in refusals) or not all(told[name] for name in _IN_THE_KEY):
        return None
    return ledger.key_of(told["region_code"], told["manufacturer"], told["serial_no"])


def _beside(column: str, problem: str) -> str:
    return str(_("“%(column)s”: %(problem)s", column=column, problem=problem))


def _compare(chunk: list[Row], checked: Checked, labels: dict[str, str]) -> None:
    """Tell what is new from what is there already, in the ledgers or further up in the sheet."""
    somewhere = ledger.places([row.key for row in chunk if row.key])
    own = ledger.own(somewhere)
    for row in chunk:
        known = row.key and _known(row, row.key, own, somewhere, checked, labels)
        if known:
            row.problems.append(_beside(labels["serial_no"], known))
        if row.problems:
            checked.problems[row.number] = row.problems
        elif row.key in own:
            checked.unchanged += 1
        else:
            checked.new.append((cast(Key, row.key), _entry(row), row.told["serial_no"]))


def _entry(row: Row) -> Entry:
    return Entry(*_TOLD(row.told))


_TOLD = itemgetter(*TOLD)


def _known(
    row: Row, key: Key, own: dict[Key, Any], somewhere: dict[Key, str], checked: Checked, labels: dict[str, str]
) -> str | None:
    """What to say of an instrument that is there already; None if it is new, or there just as it is told."""
    first = checked.rows.setdefault(key, row.number)
    if first != row.number:
        return str(_("It is the same instrument as in row %(row)s.", row=first))
    if key in own:
        return None if row.problems else _told_otherwise(row, own[key], checked, labels)
    if key in somewhere:
        return ledger.told_known(row.told["serial_no"], somewhere[key])
    return None


def _told_otherwise(row: Row, found: Any, checked: Checked, labels: dict[str, str]) -> str | None:
    item = checked.items[row.told["catalogue_item_id"]]
    names = ledger.differences(found, _entry(row), row.told["serial_no"], item)
    others = [labels[name] for name in names if not _is_respelled(getattr(found, name), row.told[name])]
    if not others:
        return None
    text = _("It is in your ledger with other particulars (%(columns)s). Edit it there.", columns=_(", ").join(others))
    return str(text)


def _is_respelled(known: Any, told: Any) -> bool:
    """Whether a text of the ledger stands in the sheet as well, only written otherwise."""
    return isinstance(known, str) and isinstance(told, str) and same(known) == same(told)


# --- Entering ------------------------------------------------------------------------------------


def apply(checked: Checked, name: str, by: Principal, *, file_now: bool, tell: Tell = _to_nobody) -> str:
    """Enter the instruments of a sheet in which nothing is wrong, and file them if asked; gives what was done."""
    ids = numbering.next_ids("instrument", len(checked.new))
    # In one order for everybody, so that two who enter the same instruments do not wait for each other in a circle.
    by_key = sorted((*each, id) for each, id in zip(checked.new, ids, strict=True))
    new = [(id, entry, serial) for _key, entry, serial, id in by_key]
    for start in range(0, len(new), CHUNK):
        chunk = new[start : start + CHUNK]
        ledger.enter(chunk, checked.items, by)
        tell(len(chunk))
    if new:
        audit.record("import", "instrument", None, name, by=by, rows=len(new))
    if new and file_now:
        ledger.file(ids, by)
    return _done(checked)


def _done(checked: Checked) -> str:
    sentences = [
        ngettext("Imported %(num)s instrument.", "Imported %(num)s instruments.", len(checked.new)),
        _("%(number)s were in your ledger already.", number=checked.unchanged) if checked.unchanged else "",
        _("Columns that were not taken: %(columns)s.", columns=_(", ").join(checked.left_out)[:200])
        if checked.left_out
        else "",
    ]
    return " ".join(filter(None, sentences))


def hand_back(incoming: Incoming, checked: Checked, name: str) -> Finished:
    """The sheet as it came, with what is wrong beside each row, kept to be taken away. Nothing was entered."""
    kept = sheets.keep_with_problems(incoming, checked.problems)
    text = ngettext(
        "%(num)s row has a problem. Nothing was imported.",
        "%(num)s rows have problems. Nothing was imported.",
        len(checked.problems),
    )
    return Finished(text, kept, _("%(name)s with problems.xlsx", name=files.stem(name)[:100]), BROKEN)


# --- As a job ------------------------------------------------------------------------------------


def ask(file: BinaryIO, name: str, by: Principal, *, file_now: bool) -> Job:
    """Let the worker import a sheet that is too long to wait for."""
    kept, language = files.keep_stream(file), str(get_locale())
    return jobs.ask(KIND, by, file=kept, name=name, file_now=file_now, language=language)


def import_job(job: Job) -> Finished:
    """Import the sheet that was asked for, in the language in which it was filled in."""
    with force_locale(job.asked["language"]), files.path(job.asked["file"]).open("rb") as file:
        return _import(job, file, job.asked["name"], principal())


def _import(job: Job, file: BinaryIO, name: str, by: Principal) -> Finished:
    try:
        incoming = _read(file, name, MOST_ROWS, JOB_SECONDS)
    except TooManyRows as reason:
        raise RuleError(str(reason)) from reason
    tell = _telling(job, len(incoming.rows))
    checked = check(incoming, by, tell)
    if checked.problems:
        return hand_back(incoming, checked, name)
    return Finished(apply(checked, name, by, file_now=job.asked["file_now"], tell=tell))


def _telling(job: Job, rows: int) -> Tell:
    """Every row is done once when it is checked and once when it is entered."""
    done = 0

    def tell(more: int) -> None:
        nonlocal done
        done += more
        jobs.progress(job, done // 2, rows)

    tell(0)
    return tell
