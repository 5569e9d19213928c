"""目录批量维护: the catalogue in a sheet, edited there and taken back, whole or not at all."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from typing import Any, BinaryIO

from flask_babel import gettext as _
from sqlalchemy import select

from app import spreadsheet
from app.access import Principal
from app.domain import catalogue_versions, holidays, sheets
from app.domain.catalogue_versions import Entry
from app.domain.jobs import Finished
from app.errors import RuleError
from app.models import CatalogueItem, db
from app.spreadsheet import Field, Incoming
from app.states import BROKEN

KIND = "import_catalogue"
MOST_ROWS = 2000
MOST_BYTES = 2 * 1024 * 1024
LONGEST_CYCLE = 240
_LONGEST = {"category": 100, "name": 100, "verification_mode": 200, "cycle_note": 100, "scope": 500}


@dataclass(frozen=True)
class Addition:
    """A new entry: a category, or a kind below the category of this name."""

    category: str
    entry: Entry


@dataclass
class Checked:
    """What a sheet changes in the catalogue, and what is wrong with it, by row."""

    valid_from: date
    changes: dict[int, tuple[str, Entry]] = field(default_factory=dict)
    additions: list[Addition] = field(default_factory=list)
    unchanged: int = 0
    problems: dict[int, list[str]] = field(default_factory=dict)
    rows: dict[Any, int] = field(default_factory=dict)


# --- The sheet -----------------------------------------------------------------------------------


def _fields() -> list[Field]:
    wide = partial(Field, width=24)
    return [
        Field("id", _("No."), width=8, note=_("Please leave it as it is. Empty in rows that you add.")),
        wide("category", _("Category"), mandatory=True, note=_("Of a kind the category above it.")),
        wide("kind", _("Kind"), note=_("Empty of a category.")),
        Field("supervision", _("Supervision"), kind="choice", choices=catalogue_versions.SUPERVISIONS, width=12,
              note=_("P: type approval; V: verification. Of kinds.")),
        wide("verification_mode", _("Mode of verification")),
        Field("cycle_months", _("Verification cycle (months)"), kind="number", width=14),
        wide("cycle_note", _("Remark on the cycle")),
        wide("range_units", _("Units of the measuring range"), note=_("With a semicolon between several.")),
        wide("accuracy_classes", _("Usual accuracy classes"), note=_("With a semicolon between several.")),
        Field("scope", _("Scope"), width=60),
        Field("revision", _("Version"), width=8, note=_("Please leave it as it is. Empty in rows that you add.")),
    ]  # fmt: skip


def sheet() -> bytes:
    """The catalogue as it is, to be edited."""
    entries = select(CatalogueItem).where(CatalogueItem.valid_until.is_(None))
    items = list(db.session.scalars(entries.order_by(catalogue_versions.place_in_tree())))
    names = {item.id: item.name for item in items}
    notes = [
        _("Change what you like, and add rows below. A row that you delete stays in the catalogue as it is."),
        _("If a row has a problem, nothing is changed: you get your sheet back with the problems written beside it."),
    ]
    rows = [_told(item, names) for item in items]
    return spreadsheet.template(_("Catalogue of mandatory verification"), _fields(), notes, rows=MOST_ROWS, filled=rows)


def _told(item: CatalogueItem, names: Mapping[int, str]) -> dict[str, Any]:
    same = ("supervision", "verification_mode", "cycle_months", "cycle_note", "scope")
    return {
        **{name: getattr(item, name) for name in same},
        "id": str(item.id),
        "category": names[item.parent_id] if item.parent_id else item.name,
        "kind": item.name if item.parent_id else None,
        "range_units": "；".join(item.range_units),
        "accuracy_classes": "；".join(item.accuracy_classes),
        "revision": str(item.revision),
    }


# --- What comes back -----------------------------------------------------------------------------


def read(file: BinaryIO, name: str) -> Incoming:
    """The sheet as it comes back."""
    title = _("Catalogue of mandatory verification")
    return sheets.read(file, name, _fields(), most_rows=MOST_ROWS, most_bytes=MOST_BYTES, title=title)


def check(incoming: Incoming, valid_from: date) -> Checked:
    """Check every row, and find out what changes from a day on. Changes nothing."""
    asked = _fields()
    matched = sheets.match(incoming, asked)
    labels = {field.name: field.label for field in asked}
    held = {item.id: item for item in db.session.scalars(select(CatalogueItem).where(_is_current()))}
    checked = Checked(valid_from)
    categories = {item.name for item in held.values() if item.level == 1}
    for number, values, problems in spreadsheet.taken(incoming, matched):
        problems += _too_long(values, labels)
        item = held.get(sheets.id_in(values["id"]))
        problems += _against(number, values, item, categories, checked)
        if problems:
            checked.problems[number] = problems
        else:
            _take(values, item, categories, checked)
    return checked


def _is_current() -> Any:
    return CatalogueItem.valid_until.is_(None)


def _too_long(values: Mapping[str, Any], labels: Mapping[str, str]) -> list[str]:
    written = {**values, "name": values.get("kind")}
    labels = {**labels, "name": labels["kind"]}
    return [
        _("“%(column)s” has at most %(most)s characters.", column=labels[name], most=most)
        for name, most in _LONGEST.items()
        if len(written.get(name) or "") > most
    ]


def _against(
    number: int, values: Mapping[str, Any], item: CatalogueItem | None, categories: set[str], checked: Checked
) -> list[str]:
    """What speaks against a row."""
    found = []
    key = item.id if item else (values["category"], values.get("kind"))
    first = checked.rows.setdefault(key, number)
    if first != number:
        found.append(_("It stands in row %(row)s already.", row=first))
    if values["id"] and item is None:
        found.append(_("There is no such entry of the catalogue in force."))
    if item is not None and str(item.revision) != (values.get("revision") or ""):
        found.append(_("Somebody has changed this entry since the sheet was made. Please take a new sheet."))
    if item is not None and (item.level == 2) != bool(values.get("kind")):
        found.append(_("A category cannot become a kind, nor a kind a category."))
    if item is None and values.get("kind") and values["category"] not in categories:
        found.append(_("There is no category %(name)s; it can stand further up in the sheet.", name=values["category"]))
    if item is None and not values.get("kind") and values["category"] in categories:
        found.append(_("There is a category of this name already."))
    months = values.get("cycle_months")
    if months is not None and not (isinstance(months, int) and 1 <= months <= LONGEST_CYCLE):
        found.append(_("The cycle is a whole number of months from 1 to %(most)s.", most=LONGEST_CYCLE))
    return found + (_against_entry(values, item, checked.valid_from) if not found else [])


def _against_entry(values: Mapping[str, Any], item: CatalogueItem | None, valid_from: date) -> list[str]:
    level = 2 if values.get("kind") else 1
    try:
        catalogue_versions.refuse(_entry(values), level, valid_from, since=item.valid_from if item else None)
    except RuleError as refusal:
        return [str(refusal)]
    return []


def _take(values: Mapping[str, Any], item: CatalogueItem | None, categories: set[str], checked: Checked) -> None:
    entry = _entry(values)
    if item is None:
        checked.additions.append(Addition(values["category"] if values.get("kind") else "", entry))
        if not values.get("kind"):
            categories.add(entry.name)
    elif catalogue_versions.changed(item, entry):
        checked.changes[item.id] = (str(item.revision), entry)
    else:
        checked.unchanged += 1


def _entry(values: Mapping[str, Any]) -> Entry:
    if not values.get("kind"):
        return Entry(values["category"] or "")
    return Entry(
        name=values["kind"],
        supervision=values.get("supervision"),
        verification_mode=values.get("verification_mode"),
        cycle_months=values.get("cycle_months"),
        cycle_note=values.get("cycle_note"),
        scope=values.get("scope"),
        range_units=catalogue_versions.listed(values.get("range_units")),
        accuracy_classes=catalogue_versions.listed(values.get("accuracy_classes")),
    )


def apply(checked: Checked, by: Principal) -> str:
    """Make the changes of a sheet in which nothing is wrong; gives what was done."""
    for item_id, (revision, entry) in checked.changes.items():
        catalogue_versions.edit(item_id, entry, checked.valid_from, revision, by)
    for new in checked.additions:
        catalogue_versions.add(new.entry, _category(new.category), checked.valid_from, by)
    done: str = _(
        "Added %(added)s, changed %(changed)s, left %(unchanged)s as they were.",
        added=len(checked.additions), changed=len(checked.changes), unchanged=checked.unchanged,
    )  # fmt: skip
    if checked.valid_from > holidays.today():
        done += _("It begins on %(day)s.", day=checked.valid_from.isoformat())
    return done


def _category(name: str) -> int | None:
    if not name:
        return None
    found = select(CatalogueItem.id).where(CatalogueItem.level == 1, CatalogueItem.name == name, _is_current())
    category_id: int | None = db.session.scalar(found.limit(1))
    return category_id


def hand_back(incoming: Incoming, checked: Checked) -> Finished:
    """The sheet as it came, with what is wrong beside each row, kept to be taken away. Nothing was changed."""
    kept = sheets.keep_with_problems(incoming, checked.problems)
    text = _("%(number)s rows have problems. Nothing was changed.", number=len(checked.problems))
    title = _("Catalogue of mandatory verification")
    return Finished(text, kept, _("%(name)s with problems.xlsx", name=title), BROKEN)
