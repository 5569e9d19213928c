"""更新导出, 更新导入, 批量导入: measurement standards in a sheet, taken whole or not at all.

What is sent back is compared cell by cell with what is recorded: a sheet in which nothing was changed changes nothing.
Whatever the number of rows, it is read in a few statements and written in two.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property, partial
from hashlib import sha256
from typing import Any, BinaryIO

from flask_babel import gettext as _, ngettext
from sqlalchemy import BigInteger, and_, func, insert, literal, or_, select, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import aliased

from app import audit, files, spreadsheet
from app.access import Principal
from app.domain import institutions, jobs, sheets, standards
from app.domain.jobs import Finished
from app.domain.recordsets import recordset
from app.domain.standards import MANDATORY, TOLD, Entry
from app.errors import RuleError
from app.models import CatalogueItem, Job, MeasurementStandard, Organization, db
from app.spreadsheet import Field, Incoming
from app.states import BROKEN, STANDARD_LABELS, SUPERSEDED, UNFINISHED
from app.texts import same
from app.workflow import Chosen, is_chosen

NEW, CHANGES = "import_standards", "change_standards"
MOST_ROWS = 5000
MOST_BYTES = 10 * 1024 * 1024
_BETWEEN = re.compile(r"[;；\n]+")
_DATES = ("issued_on", "valid_until", "public_issued_on", "public_valid_until")
_WIDTHS = {"name": 28, "certificate_no": 28, "public_certificate_no": 28, "kinds": 28, "measuring_range": 22,
           "uncertainty": 22, "issuer": 24, "public_issuer": 24, "remark": 30}  # fmt: skip
_EXAMPLES = {
    "name": "二等克组砝码标准装置", "code": "12113600", "measuring_range": "1mg～500g", "uncertainty": "二等",
    "keeper": "王建国", "certificate_no": "[2026]浙量标杭证字第001号", "issuer": "杭州市市场监督管理局",
    "examined_by": "杭州市市场监督管理局", "public_certificate_no": "[2026]浙社量标杭证字第001号",
    "public_issuer": "杭州市市场监督管理局", "service_area": "杭州市", "authorization_no": "（浙）法计（2026）001号",
    **dict.fromkeys(_DATES, "2026-01-31"), "warn_days": "90",
}  # fmt: skip


@dataclass(frozen=True)
class Words:
    """How the form names the fields, in its order, and their choices by code."""

    titles: Mapping[str, Any]
    categories: Mapping[str, Any]
    ranks: Mapping[str, Any]


# --- The sheet -----------------------------------------------------------------------------------


class Vocabulary:
    """The words of a sheet in the language of its reader, and the kinds of the catalogue by their names.

    Kinds that are no longer in force stay readable: they bear their number as well.
    """

    def __init__(self, words: Words) -> None:
        self.titles = {name: str(title) for name, title in words.titles.items()}
        choices = {"category": words.categories, "rank": words.ranks}
        self.words = {name: {code: str(word) for code, word in each.items()} for name, each in choices.items()}
        self.codes = {name: {word: code for code, word in each.items()} for name, each in self.words.items()}
        rows = db.session.execute(_kinds()).all()
        usual = Counter(row.name for row in rows if row.holds)
        self.kinds: dict[int, str] = {row.id: _name_of(row, usual) for row in rows}
        self.ids: dict[str, int] = {same(name): id for id, name in self.kinds.items()}
        self.offered = tuple(self.kinds[row.id] for row in rows if row.holds)

    def worded(self, name: str, value: Any) -> Any:
        """A value as a sheet writes it."""
        if name == "kinds":
            return "；".join(self.kinds.get(id, str(id)) for id in value or ()) or None
        if name in self.words:
            return self.words[name].get(value, value or None)
        return value.replace("\r\n", "\n") if isinstance(value, str) else value

    def beside(self, name: str | None, problem: str) -> str:
        return str(_("“%(column)s”: %(problem)s", column=self.titles[name], problem=problem)) if name else problem


def _kinds() -> Any:
    category = aliased(CatalogueItem)
    return (
        select(CatalogueItem.id, CatalogueItem.name, CatalogueItem.valid_until.is_(None).label("holds"))
        .add_columns(category.name.label("category"))
        .join(category, category.id == CatalogueItem.parent_id)
        .order_by(category.number, CatalogueItem.number, CatalogueItem.id)
    )


def _name_of(row: Any, usual: Mapping[str, int]) -> str:
    if not row.holds:
        return f"{row.name}（{row.id}）"
    return str(row.name) if usual[row.name] == 1 else f"{row.category}/{row.name}"


def _fields(said: Vocabulary) -> list[Field]:
    """The columns of what is told, named as the form names them."""
    return [_field(name, said) for name in said.titles]


def _field(name: str, said: Vocabulary) -> Field:
    one = partial(
        Field, name, said.titles[name], name in MANDATORY, width=_WIDTHS.get(name, 16), example=_EXAMPLES.get(name, "")
    )
    if name in said.words:
        choices = tuple(said.codes[name])
        return one(kind="choice", choices=choices, example=choices[-1])
    if name in _DATES:
        return one(kind="date")
    if name == "warn_days":
        return one(kind="number", note=_("Beside the warnings at six months and at one."))
    if name == "kinds":
        note = _("Kinds of the catalogue, with a semicolon between several.")
        return one(choices=said.offered, example=next(iter(said.offered), ""), note=note)
    return one()


def _keys() -> list[Field]:
    """What says which standard a row is, and as it was when; nobody types into these."""
    key = partial(Field, locked=True, note=_("Please leave it as it is."))
    return [
        key("id", _("System no."), mandatory=True, width=10),
        key("revision", _("Version"), mandatory=True, width=8),
        key("institution", _("Institution that set it up"), mandatory=True, width=28),
        key("state", _("State"), width=12),
    ]


def sheet_for_changes(chosen: Chosen, words: Words, by: Principal) -> tuple[bytes, int]:
    """更新导出: the chosen standards as a sheet to be changed and sent back, and how many they are."""
    asked = (
        select(MeasurementStandard, Organization.name)
        .join(Organization, Organization.id == MeasurementStandard.institution_id)
        .where(is_chosen(MeasurementStandard.id, chosen), standards.of_jurisdiction(by))
        .order_by(MeasurementStandard.id.desc())
        .limit(MOST_ROWS + 1)
    )
    found = db.session.execute(asked).all()
    if not found:
        raise RuleError(_("Please tick at least one row."))
    if len(found) > MOST_ROWS:
        raise RuleError(_("A sheet holds at most %(most)s standards. Please narrow the filter.", most=MOST_ROWS))
    said = Vocabulary(words)
    notes = [
        _("Change what is to be changed, save the sheet, and send it back with “Import changes”."),
        _("The grey columns say which standard a row is. Rows and columns that you delete stay as they are; to delete"
          " some, take off the protection of the sheet first, it has no password."),
        _("Of what is in force a change is written, which holds once it has passed the review."),
    ]  # fmt: skip
    filled = [
        _keys_of(standard, owner) | {name: said.worded(name, getattr(standard, name)) for name in TOLD}
        for standard, owner in found
    ]
    columns = [*_keys(), *_fields(said)]
    audit.record("export", "measurement_standard", None, _title(), by=by, rows=len(filled))
    return spreadsheet.template(_title(), columns, notes, rows=MOST_ROWS, filled=filled), len(filled)


def template(words: Words, by: Principal) -> bytes:
    """The sheet in which new standards are written."""
    notes = [
        _("Write one standard in each row. Leave the names of the columns as they are."),
        _("Columns with a star must be filled in. At most %(most)s standards.", most=MOST_ROWS),
        _("If a row has a problem, nothing is imported: you get your sheet back with the problems written beside it."),
    ]
    columns = [_owner(tuple(_places(by))), *_fields(Vocabulary(words))]
    return spreadsheet.template(_title(), columns, notes, rows=MOST_ROWS)


def _title() -> str:
    return str(_("Measurement standards"))


def _owner(places: tuple[str, ...]) -> Field:
    return Field("institution", _("Institution that set it up"), True, "choice", places, width=28,
                 example=next(iter(places), ""))  # fmt: skip


def _places(by: Principal) -> dict[str, int]:
    """The institutions of one's jurisdiction by name; namesakes are told apart by their region."""
    found = select(Organization.id, Organization.name, Organization.region_code).where(
        Organization.id.in_(institutions.of_jurisdiction(by)), Organization.active
    )
    rows = db.session.execute(found.order_by(Organization.region_code, Organization.id)).all()
    names = Counter(row.name for row in rows)
    return {row.name if names[row.name] == 1 else f"{row.name}（{row.region_code}）": row.id for row in rows}


def _keys_of(standard: MeasurementStandard, owner: str) -> dict[str, Any]:
    return {
        "id": str(standard.id),
        "revision": str(standard.revision),
        "institution": owner,
        "state": str(STANDARD_LABELS[standard.state]),
    }


# --- What comes back -----------------------------------------------------------------------------


def read(file: BinaryIO, name: str, words: Words) -> Incoming:
    """The sheet as it comes back."""
    told = [Field(field, str(title)) for field, title in words.titles.items()]
    asked = [*_keys(), *told]
    return sheets.read(file, name, asked, most_rows=MOST_ROWS, most_bytes=MOST_BYTES, title=_title())


Row = tuple[int, dict[str, Any], list[str]]


def _rows(incoming: Incoming, asked: Sequence[Field]) -> list[Row]:
    matched = sheets.match(incoming, asked)
    if not incoming.rows:
        raise RuleError(_("There is no standard in the sheet yet."), field="file")
    return list(spreadsheet.taken(incoming, matched))


def _told(values: Mapping[str, Any], said: Vocabulary, problems: list[str]) -> dict[str, Any]:
    """What the columns that are there tell, as the database keeps it."""
    told = {name: values[name] for name in TOLD if name in values}
    for name in said.codes.keys() & told.keys():
        told[name] = said.codes[name].get(told[name])
    if told.get("warn_days") is not None and not isinstance(told["warn_days"], int):
        problems.append(said.beside("warn_days", _("A whole number from 1 to %(most)s.", most=1000)))
    if "kinds" in told:
        told["kinds"] = _kinds_named(told["kinds"] or "", said, problems)
    return told


def _kinds_named(text: str, said: Vocabulary, problems: list[str]) -> list[int]:
    named = {same(part): part.strip() for part in _BETWEEN.split(text) if part.strip()}
    unknown = [part for name, part in named.items() if name not in said.ids]
    if unknown:
        problems.append(said.beside("kinds", _("The catalogue has no kind %(kinds)s.", kinds="、".join(unknown[:5]))))
    return [said.ids[name] for name in named if name in said.ids]


def _refusals(told: Mapping[str, Any], said: Vocabulary) -> list[str]:
    """What speaks against a standard by the rules for a single one."""
    return [said.beside(refusal.field, str(refusal)) for refusal in standards.refusals(_entry(told), said.kinds)]


def _entry(told: Mapping[str, Any]) -> Entry:
    values: dict[str, Any] = {**dict.fromkeys(TOLD), **told, "kinds": tuple(told.get("kinds") or ())}
    return Entry(**values)


@dataclass(frozen=True)
class Numbered:
    """A row that gives a standard of an institution a certificate number; `family` is the standard with its changes."""

    row: int
    institution_id: int
    certificate_no: str
    family: int | None = None

    @property
    def number(self) -> tuple[int, str]:
        return self.institution_id, self.certificate_no


def _doubles(numbered: Sequence[Numbered]) -> dict[int, str]:
    """The rows with a number that another standard of the institution has, in the sheet or beside it.

    What a row of the sheet gives another number has its own no longer. The institutions are held until the
    transaction ends, so that of two sheets sent at once the second finds what the first has entered.
    """
    if not numbered:
        return {}
    renumbered, first, found = {each.family for each in numbered}, dict[tuple[int, str], Numbered](), dict[int, str]()
    known = _known_numbers(numbered)
    for each in numbered:
        above = first.setdefault(each.number, each)
        if known.get(each.number, set()) - renumbered:
            found[each.row] = _("The institution has a standard with this number already.")
        elif above is not each:
            found[each.row] = _("Row %(row)s has this number already.", row=above.row)
    return found


def _known_numbers(numbered: Sequence[Numbered]) -> dict[tuple[int, str], set[int]]:
    """Which standards have one of these numbers, by institution and number."""
    owners = sorted({each.institution_id for each in numbered})
    standards.hold(owners)
    family = func.coalesce(MeasurementStandard.replaces_id, MeasurementStandard.id).label("family")
    there = select(MeasurementStandard.institution_id, MeasurementStandard.certificate_no, family).where(
        is_chosen(MeasurementStandard.institution_id, owners),
        MeasurementStandard.certificate_no.in_({each.certificate_no for each in numbered}),
        MeasurementStandard.state != SUPERSEDED,
    )
    known: dict[tuple[int, str], set[int]] = {}
    for row in db.session.execute(there):
        known.setdefault((row.institution_id, row.certificate_no), set()).add(row.family)
    return known


def hand_back(incoming: Incoming, problems: Mapping[int, list[str]]) -> Finished:
    """The sheet as it came, with what is wrong beside each row, kept to be taken away. Nothing was changed."""
    kept = sheets.keep_with_problems(incoming, problems)
    text = ngettext(
        "%(num)s row has a problem. Nothing was imported.",
        "%(num)s rows have problems. Nothing was imported.",
        len(problems),
    )
    return Finished(text, kept, _("%(name)s with problems.xlsx", name=_title()), BROKEN)


# --- New ones ------------------------------------------------------------------------------------


@dataclass
class New:
    """The standards of a sheet, each with its institution, and what is wrong with it, by row."""

    entries: list[tuple[int, Entry]] = field(default_factory=list)
    problems: dict[int, list[str]] = field(default_factory=dict)


def check_new(incoming: Incoming, words: Words, by: Principal) -> New:
    """Check every row by the rules for a single standard. Changes nothing."""
    said, places = Vocabulary(words), _places(by)
    checked, numbered = New(), list[Numbered]()
    for number, values, problems in _rows(incoming, [_owner(tuple(places)), *_fields(said)]):
        told = _told(values, said, problems)
        problems += [] if problems else _refusals(told, said)
        owner = places.get(values["institution"], 0)
        if owner and told["certificate_no"]:
            numbered.append(Numbered(number, owner, told["certificate_no"]))
        if problems:
            checked.problems[number] = problems
        else:
            checked.entries.append((owner, _entry(told)))
    for number, problem in _doubles(numbered).items():
        checked.problems.setdefault(number, []).append(said.beside("certificate_no", problem))
    return checked


def enter(checked: New, name: str, by: Principal) -> int:
    """批量导入: enter the standards of a sheet in which nothing is wrong, not reviewed yet. Gives how many."""
    _insert([{"institution_id": owner, **asdict(entry)} for owner, entry in checked.entries], by)
    audit.record("import", "measurement_standard", None, name, by=by, rows=len(checked.entries))
    return len(checked.entries)


# --- Changed ones --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Held:
    """A standard that a sheet names, held until the transaction ends: whose it is, and the change of it, if any."""

    standard: MeasurementStandard
    owner: str
    change: MeasurementStandard | None


@dataclass(frozen=True)
class Change:
    """What a row changes: `told` by field. It is written into `version`, or, if that is None, into a new change."""

    row: int
    standard: MeasurementStandard
    version: MeasurementStandard | None
    told: dict[str, Any]

    @property
    def before(self) -> MeasurementStandard:
        return self.version or self.standard

    @property
    def whole(self) -> dict[str, Any]:
        return {name: getattr(self.before, name) for name in TOLD} | self.told


@dataclass
class Changes:
    """What a sheet changes, how many of its rows change nothing, and what is wrong, by row."""

    rows: list[Change] = field(default_factory=list)
    unchanged: int = 0
    problems: dict[int, list[str]] = field(default_factory=dict)

    @cached_property
    def cells(self) -> list[tuple[Change, str]]:
        """Every changed cell: its row and its field."""
        return [(change, name) for change in self.rows for name in change.told]

    @property
    def corrected(self) -> list[Change]:
        """The rows of what is still being written, a standard or a change of one."""
        return [change for change in self.rows if change.version]

    @property
    def begun(self) -> list[Change]:
        """The rows of what has passed already: of each a change is written, which holds once it has passed too."""
        return [change for change in self.rows if not change.version]

    @property
    def mark(self) -> str:
        """What tells whether two checks found the same changes."""
        told = [
            (change.standard.id, change.version and change.version.id, name, getattr(change.before, name),
             change.told[name])
            for change, name in self.cells
        ]  # fmt: skip
        return sha256(repr(told).encode()).hexdigest()


def check_changes(incoming: Incoming, words: Words, by: Principal) -> Changes:
    """Compare every row with what is recorded, which is held until the transaction ends. Changes nothing."""
    said = Vocabulary(words)
    rows = _rows(incoming, [*_keys(), *(replace(each, mandatory=False) for each in _fields(said))])
    held = _held([sheets.id_in(values["id"]) for _number, values, _problems in rows], by)
    checked, seen, written = Changes(), dict[int, int](), dict[int, int]()
    for number, values, problems in rows:
        told = _told(values, said, problems)
        there = held.get(sheets.id_in(values["id"]))
        problems += _misplaced(number, values, there, seen)
        change = _change(number, told, there) if there and not problems else None
        if there and change and change.told:
            problems += _locked(change, there, values["revision"], written) or _refusals(change.whole, said)
        if problems:
            checked.problems[number] = problems
        elif change and change.told:
            checked.rows.append(change)
        else:
            checked.unchanged += 1
    for number, problem in _doubles([*_numbered(checked.rows)]).items():
        checked.problems.setdefault(number, []).append(said.beside("certificate_no", problem))
    return checked


def _held(ids: Collection[int], by: Principal) -> dict[int, Held]:
    is_change = and_(is_chosen(MeasurementStandard.replaces_id, ids), MeasurementStandard.state != SUPERSEDED)
    asked = (
        select(MeasurementStandard, Organization.name)
        .join(Organization, Organization.id == MeasurementStandard.institution_id)
        .where(or_(is_chosen(MeasurementStandard.id, ids), is_change), standards.of_jurisdiction(by))
        .order_by(MeasurementStandard.id)
        .with_for_update(of=MeasurementStandard)
    )
    found = db.session.execute(asked).all()
    changes = {each.replaces_id: each for each, _owner in found if each.state != SUPERSEDED}
    return {each.id: Held(each, owner, changes.get(each.id)) for each, owner in found}


def _misplaced(number: int, values: Mapping[str, Any], there: Held | None, seen: dict[int, int]) -> list[str]:
    """A row must be of a standard that is there, once, and still stand beside its institution."""
    if not values["id"]:
        return []
    if there is None:
        return [_("There is no standard with this number that you could change.")]
    first = seen.setdefault(there.standard.id, number)
    if first != number:
        return [_("The standard stands in row %(row)s already.", row=first)]
    if values["institution"] not in (None, there.owner):
        return [_("This standard is of %(institution)s: the rows have been mixed.", institution=there.owner)]
    return []


def _change(number: int, told: Mapping[str, Any], there: Held) -> Change:
    """What a row tells otherwise than its standard, and than the change of it in which that is to be written."""
    standard = there.standard
    version = standard if standard.state in UNFINISHED else there.change
    new = {name: value for name, value in told.items() if not _same(getattr(standard, name), value)}
    if version is not None and version.state in UNFINISHED:
        new = {name: value for name, value in new.items() if not _same(getattr(version, name), value)}
    return Change(number, standard, version, new)


def _same(before: Any, after: Any) -> bool:
    """Nothing is nothing, whether a text or a list, but not the number 0. Line ends differ by program."""
    if isinstance(before, list) or isinstance(after, list):
        return set(before or ()) == set(after or ())
    if isinstance(before, str) or isinstance(after, str):
        return (before or "").split() == (after or "").split()
    return bool(before == after)


def _locked(change: Change, there: Held, revision: Any, written: dict[int, int]) -> list[str]:
    """What speaks against writing a row, whatever it tells."""
    if revision != str(change.standard.revision):
        return [_("Somebody has changed this standard since the sheet was made. Please take a new sheet.")]
    refusal = standards.against_edit(change.standard, there.change)
    if refusal:
        return [str(refusal)]
    first = written.setdefault(change.version.id, change.row) if change.version else change.row
    return [] if first == change.row else [_("Row %(row)s changes the same standard.", row=first)]


def _numbered(changes: Iterable[Change]) -> Iterable[Numbered]:
    for change in changes:
        if "certificate_no" in change.told:
            standard = change.standard
            family = standard.replaces_id or standard.id
            yield Numbered(change.row, standard.institution_id, change.told["certificate_no"], family)


# --- Looked at, then done ------------------------------------------------------------------------


def keep(file: BinaryIO, name: str, changes: Changes, by: Principal) -> Job:
    """Keep a sheet whose changes somebody is to look at. Nothing is changed yet."""
    text = _(
        "%(standards)s standards would change, in %(cells)s cells: %(corrected)s are corrected, %(begun)s have passed "
        "already and get a change to be reviewed. %(unchanged)s stay as they are. Nothing is changed yet.",
        standards=len(changes.rows), cells=len(changes.cells), corrected=len(changes.corrected),
        begun=len(changes.begun), unchanged=changes.unchanged,
    )  # fmt: skip
    return jobs.keep(CHANGES, by, Finished(text), sheet=files.keep_stream(file), name=name, mark=changes.mark)


def looked_at(job_id: int, by: Principal) -> Job:
    """The sheet whose changes one has looked at, held until the transaction ends."""
    own = select(Job).where(Job.id == job_id, Job.account_id == by.account_id, Job.kind == CHANGES)
    job: Job | None = db.session.scalar(own.with_for_update())
    if job is None or "sheet" not in job.asked:
        raise RuleError(_("Please choose the file again."), field="file")
    return job


def apply(changes: Changes, kept: Job, by: Principal) -> str:
    """更新导入: correct what is being written; of what is in force write changes, which hold once they have passed."""
    corrected, begun = changes.corrected, changes.begun
    _update([(each.version.id, each.whole) for each in corrected if each.version], by)
    new = [{"institution_id": each.standard.institution_id, "replaces_id": each.standard.id} for each in begun]
    _insert([ids | each.whole for ids, each in zip(new, begun, strict=True)], by)
    audit.record("edit", "measurement_standard", None, kept.asked["name"], by=by, rows=len(changes.rows))
    text = _(
        "Corrected %(corrected)s standards, and wrote %(begun)s changes of what is in force.",
        corrected=len(corrected), begun=len(begun),
    )  # fmt: skip
    kept.asked, kept.message = {}, text
    return str(text)


def _insert(rows: list[dict[str, Any]], by: Principal) -> None:
    if not rows:
        return
    names = ("institution_id", "replaces_id", *TOLD)
    given = _recordset(rows, names)
    told = select(*(given.c[name] for name in names), literal([by.account_id], ARRAY(BigInteger)))
    db.session.execute(insert(MeasurementStandard).from_select([*names, "authors"], told))


def _update(rows: list[tuple[int, dict[str, Any]]], by: Principal) -> None:
    if not rows:
        return
    given = _recordset([{"id": id, **whole} for id, whole in rows], ("id", *TOLD))
    told: dict[str, Any] = {name: given.c[name] for name in TOLD}
    written = update(MeasurementStandard).where(MeasurementStandard.id == given.c.id)
    written = written.values(**told, authors=standards.authors_with(by), revision=MeasurementStandard.revision + 1)
    db.session.execute(written.execution_options(synchronize_session=False))


def _recordset(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> Any:
    return recordset(rows, {name: getattr(MeasurementStandard, name).type for name in names}, "told")
