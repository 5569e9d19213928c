"""The sheet of a ledger: its columns, by whatever words, and what each of its rows tells of an instrument."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from decimal import Decimal
from functools import cached_property, lru_cache, partial
from typing import Any, Self

from flask_babel import gettext as _

from app import audit, numbers, spreadsheet
from app.access import Principal
from app.domain import catalogue, ledger, regions, sheets
from app.domain.ledger import DELIVERIES, ORIGINS, PURPOSES, TOLD
from app.errors import RuleError
from app.models import CatalogueItem
from app.spreadsheet import Dependent, Field, Incoming, Matched
from app.texts import entered, same
from app.workflow import Chosen

FOR_CHANGES = "change_instruments"
MOST_ROWS, MOST_CHANGED = 50_000, 5_000
# The columns by which a row says which instrument of the ledger it changes, as which version it was taken out.
NUMBER, REVISION = "instrument_no", "revision"
RANGE = "measuring_range"
KEY = ("region_code", "manufacturer", "serial_no")
LIMITS = ("range_low", "range_high", "range_unit")
# What may be said once for all new instruments of a sheet that has no column for it: codes, ids or texts.
FOR_ALL = ("region_code", "use_place", "purpose", "delivery", "origin", "catalogue_item_id", "manufacturer")
# What holds for a new instrument if it is left open.
USUAL = {"origin": "domestic", "delivery": "sent"}

# How the national system and the ledgers of units call the columns.
_ALSO = {
    "name": ("计量器具名称", "强检器具名称", "仪器名称", "设备名称", "名称"),
    "category": ("器具项别", "强检项别", "目录项别"),
    "catalogue_item_id": ("器具种别", "强检种别", "目录种别"),
    "model": ("规格型号", "型号/规格", "规格/型号", "型号", "规格"),
    RANGE: ("测量范围", "量程", "测量范围/量程", "测量范围(量程)", "量程范围"),
    "range_low": ("测量下限", "量程下限", "下限"),
    "range_high": ("测量上限", "量程上限", "上限"),
    "range_unit": ("计量单位", "测量范围单位", "量程单位"),
    "accuracy_class": ("准确度", "精度等级", "精度", "最大允许误差", "准确度等级/最大允许误差"),
    "type_approval_no": ("型式批准证书号", "型式批准编号", "型批证书编号", "CPA编号"),
    "serial_no": ("器具编号", "出厂号", "产品编号", "仪器编号", "设备编号"),
    "manufacturer": ("制造厂", "制造厂家", "制造单位", "制造商", "生产厂", "生产厂商", "生产单位", "生产企业", "厂家"),
    "origin": ("产地", "国产/进口"),
    "region_code": ("行政区划", "所在区县", "所属区县", "区县", "使用地行政区划"),
    "use_place": ("安装/使用地点", "安装地点", "安装位置", "使用位置", "使用部门", "使用科室", "存放地点"),
    "purpose": ("用途", "使用用途", "强检用途"),
    "delivery": ("检定方式", "送检/现场"),
    "started_on": ("启用时间", "投用日期", "开始使用日期"),
}  # fmt: skip
# Columns of such ledgers that are not taken: they help to find the row of the headers.
_NOT_TAKEN = (
    "序号", "备注", "检定日期", "检定周期", "有效期", "有效期至", "检定单位", "检定机构", "证书编号", "检定证书编号",
    "下次检定日期", "使用状态", "管理编号", "数量", "保管人",
)  # fmt: skip
_OUR_NUMBER = re.compile(r"QJ\d{16}")
# What people write around their instruments: who signed, and sums.
_SIGNATURE = re.compile(
    r"(填表|填报|制表|经办|编制|审核|审批|批准|复核|单位负责|负责|联系)\w{0,4}\s*[:：]|(填表|填报|制表)?日期\s*[:：]|(备注|说明|注)\s*[:：]"
    r"|[合总共小]\s*计(?!量)"
)


# --- What may be written -------------------------------------------------------------------------


@dataclass(frozen=True)
class Choices:
    """What a sheet may name, by the words that name it: kinds with their category, places, and the short lists."""

    home: str
    kinds: dict[tuple[str, str], CatalogueItem]
    counties: dict[str, str]
    purposes: dict[str, str]
    origins: dict[str, str]
    deliveries: dict[str, str]

    @cached_property
    def by_kind(self) -> dict[str, list[tuple[str, CatalogueItem]]]:
        """The kinds of a name, each with its category."""
        found: dict[str, list[tuple[str, CatalogueItem]]] = defaultdict(list)
        for (category, kind), item in self.kinds.items():
            found[kind].append((category, item))
        return found

    @cached_property
    def by_id(self) -> dict[int, tuple[str, CatalogueItem]]:
        """Every kind with its category, by its id."""
        return {item.id: (category, item) for (category, _kind), item in self.kinds.items()}

    @cached_property
    def items(self) -> dict[int, CatalogueItem]:
        """Every kind by its id."""
        return {id: item for id, (_category, item) in self.by_id.items()}

    def county(self, written: str) -> str:
        """The code of a county, by its full name, its code, or a shorter name that is clear from home; what is none of
        these stays as it is written."""
        return self.counties.get(written) or self._by_other_names.get(same(written), written)

    @cached_property
    def _by_other_names(self) -> dict[str, str]:
        names = regions.short_names(self.home) | self.counties
        return {same(name): code for name, code in names.items() if code in self.counties}

    def word(self, name: str, value: Any) -> str:
        """What a person reads of a fact of the ledger."""
        match name, value:
            case _, None | "":
                return ""
            case "catalogue_item_id", _:
                category, item = self.by_id.get(value, ("", None))
                name = str(item.name) if item else ""
                return name if category in ("", name) else f"{category} / {name}"
            case "region_code", _:
                return str(self.county_names.get(value, value))
            case (("purpose" | "origin" | "delivery"), _):
                return str(WORDS[name].get(value, value))
            case _, Decimal():
                return f"{value.normalize():f}"
            case _:
                return str(value)

    @cached_property
    def county_names(self) -> dict[str, str]:
        """The full names of counties by code."""
        return {code: name for name, code in self.counties.items() if name != code}


WORDS: dict[str, dict[str, Any]] = {"purpose": PURPOSES, "origin": ORIGINS, "delivery": DELIVERIES}


def choices_for(by: Principal) -> Choices:
    """What the sheet of a using unit may name today."""
    counties = regions.without_parts()
    return Choices(
        home=by.region_code,
        kinds={(category, kind.name): kind for category, kind in catalogue.kinds()},
        counties={name: code for code, name in counties.items()} | {code: code for code in counties},
        purposes=_by_word(PURPOSES),
        origins=_by_word(ORIGINS),
        deliveries=_by_word(DELIVERIES),
    )


def _by_word(labels: dict[str, Any]) -> dict[str, str]:
    return {str(word): value for value, word in labels.items()} | {value: value for value in labels}


# --- The sheet -----------------------------------------------------------------------------------


def columns(choices: Choices) -> list[Field]:
    """The columns of the sheet, named as the form for a single instrument names them."""
    asked = [*_what_it_is(choices), *_which_one_it_is(choices), *_where_and_what_for(choices)]
    return [replace(each, also=_ALSO.get(each.name, ())) for each in asked]


def readable(choices: Choices) -> list[Field]:
    """The columns that are understood in a sheet that comes in: those of the sheet, those that say which instrument a
    row changes, and a range in one cell."""
    range_ = Field(RANGE, _("Measuring range"), also=_ALSO[RANGE])
    return [*_keys(), *columns(choices), range_]


def _keys() -> list[Field]:
    note = _("Please leave it as it is.")
    return [
        Field(NUMBER, _("Instrument no."), width=22, locked=True, note=note),
        Field(REVISION, _("Version"), width=8, locked=True, note=note),
    ]


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
        Field("origin", _("Origin"), kind="choice", choices=sheets.words(ORIGINS), width=12,
              note=_("If left empty: %(word)s.", word=ORIGINS["domestic"]), example=str(ORIGINS["domestic"])),
    ]  # fmt: skip


def _where_and_what_for(choices: Choices) -> list[Field]:
    counties = near(choices)
    return [
        Field("region_code", _("Region of use"), mandatory=True, choices=tuple(counties), width=30,
              example=[*counties, ""][0],
              note=_("The full name of the county, or its code of six digits. It decides which institution is found.")),
        Field("use_place", _("Place of use"), mandatory=True, example=_("Second floor, laboratory"), width=30),
        Field("purpose", _("Purpose"), mandatory=True, kind="choice", choices=sheets.words(PURPOSES),
              example=str(PURPOSES["medical"])),
        Field("delivery", _("Delivery"), kind="choice", choices=sheets.words(DELIVERIES), width=12,
              note=_("If left empty: %(word)s.", word=DELIVERIES["sent"]), example=str(DELIVERIES["sent"])),
        Field("started_on", _("In use since"), kind="date", example="2026-01-31", width=14),
    ]  # fmt: skip


def near(choices: Choices) -> list[str]:
    """The full names of the counties of a province: first the own, then those of the own city."""
    home = choices.home
    names = {code: name for code, name in choices.county_names.items() if code[:2] == home[:2]}
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


def title() -> str:
    """The name of the sheet."""
    return str(_("Ledger of instruments"))


def template(by: Principal) -> bytes:
    """The sheet to fill in, with the catalogue of today and the counties around."""
    choices = choices_for(by)
    notes = [
        _("Write one instrument in each row. Leave the names of the columns as they are."),
        _("Columns with a star must be filled in. At most %(most)s instruments.", most=MOST_ROWS),
        _("If a row has a problem, nothing is imported: you get your sheet back with the problems written beside it."),
        _("What is in your ledger already, just as in the sheet, is left as it is: a sheet may be sent again."),
    ]
    return spreadsheet.template(title(), columns(choices), notes, lists=_lists(choices), rows=MOST_ROWS)


def sheet_for_changes(chosen: Chosen, by: Principal) -> tuple[bytes, int]:
    """更新导出: the chosen instruments as a sheet to be changed and sent back, and how many they are."""
    found = ledger.of_own(chosen, MOST_CHANGED + 1)
    if not found:
        raise RuleError(_("Please tick at least one row."))
    if len(found) > MOST_CHANGED:
        raise RuleError(_("A sheet holds at most %(most)s instruments. Please narrow the filter.", most=MOST_CHANGED))
    choices = choices_for(by)
    notes = [
        _("Change what is to be changed, save the sheet, and send it back with “Import”."),
        _("The grey columns say which instrument a row is. Rows and columns that you delete stay as they are; to delete"
          " some, take off the protection of the sheet first, it has no password."),
    ]  # fmt: skip
    filled = [_filled(each, choices) for each in found]
    asked = [*_keys(), *columns(choices)]
    audit.record("export", "instrument", None, title(), by=by, rows=len(filled))
    sheet = spreadsheet.template(title(), asked, notes, lists=_lists(choices), rows=MOST_CHANGED, filled=filled)
    return sheet, len(filled)


def _filled(found: Any, choices: Choices) -> dict[str, Any]:
    category, item = choices.by_id.get(found.catalogue_item_id, (None, None))
    told = {name: getattr(found, name) for name in (*TOLD, "serial_no")}
    told |= {name: choices.word(name, told[name]) for name in ("region_code", "purpose", "origin", "delivery")}
    told |= {"category": category, "catalogue_item_id": item and item.name}
    return told | {NUMBER: found.instrument_no, REVISION: str(found.revision)}


# --- How a sheet is read -------------------------------------------------------------------------


@dataclass(frozen=True)
class Settings:
    """How a sheet is read: which one of a workbook, the row of its headers, and what each column holds.

    No sheet, or a header row 0, is not known yet. `columns` gives the field of a column by its number from 0, `for_all`
    what is said once for all rows. `hidden` says what becomes of rows that are hidden or filtered out: "take",
    "leave_out", or "" as long as nobody has said.
    """

    language: str
    sheet: str = ""
    header_row: int = 0
    headers: list[str] = field(default_factory=list)
    columns: dict[int, str] = field(default_factory=dict)
    for_all: dict[str, str] = field(default_factory=dict)
    hidden: str = ""
    file_now: bool = True

    @classmethod
    def of(cls, kept: Mapping[str, Any]) -> Self:
        """The settings as they were kept by `asdict`."""
        known = {each.name for each in fields(cls)}
        values: dict[str, Any] = {name: value for name, value in kept.items() if name in known}
        values["columns"] = {int(column): name for column, name in kept.get("columns", {}).items()}
        return cls(**values)

    def kept(self) -> dict[str, Any]:
        """The settings as JSON."""
        return asdict(self)


def words(choices: Choices) -> list[str]:
    """The names of columns that are known, by which the row of the headers is found."""
    names = [name for each in readable(choices) for name in (each.label, *each.also)]
    return [*names, *_NOT_TAKEN]


def guessed(incoming: Incoming, choices: Choices, remembered: Mapping[str, str]) -> dict[int, str]:
    """What each column seems to hold, by its header: as this unit has said before, or as it is usually called.

    `remembered` gives fields by headers as they compare. A column with numbers of ours says which instrument a row is,
    whatever its header.
    """
    known = {number: each.name for number, each in spreadsheet.recognised(incoming.headers, readable(choices)).items()}
    columns: dict[int, str] = {}
    for number, header in enumerate(incoming.headers):
        name = remembered.get(same(header)) or known.get(number, "") if header else ""
        if _holds_our_numbers(incoming, number):
            name = NUMBER
        elif name == NUMBER:  # units call the serial number 器具编号, as we call our own number
            name = "serial_no" if "serial_no" not in known.values() else ""
        if name and name not in columns.values():
            columns[number] = name
    return columns


def _holds_our_numbers(incoming: Incoming, column: int) -> bool:
    values = [str(values[column]) for _row, values in incoming.rows if values[column] is not None]
    return any(_OUR_NUMBER.fullmatch(value) for value in values)


def lacking(settings: Settings, choices: Choices) -> list[Field]:
    """The mandatory columns of a new instrument that a sheet neither has nor says once for all rows."""
    there = {*settings.columns.values(), *settings.for_all}
    if RANGE in there:
        there |= set(LIMITS)
    return [each for each in columns(choices) if _is_needed(each) and each.name not in there]


def _is_needed(column: Field) -> bool:
    return column.mandatory and column.name != "category"


def without_instrument(incoming: Incoming, settings: Settings) -> set[int]:
    """The rows that hold no instrument.

    They are signatures and sums (填表人：张三), the names of the columns once more, and rows with nothing in the
    columns that are taken, as those that are numbered beforehand.
    """
    names = {column: same(settings.headers[column].strip("*")) for column in settings.columns}
    return {
        number
        for number, values in incoming.rows
        if _is_signature(values, settings)
        or all(values[column] is None for column in settings.columns)
        or (names and all(same(str(values[column] or "")) == name for column, name in names.items()))
    }


def _is_signature(values: Sequence[Any], settings: Settings) -> bool:
    texts = [str(value).strip() for value in values if value is not None]
    filled = [column for column in settings.columns if values[column] is not None]
    is_sparse = 2 * len(filled) < len(settings.columns)
    return is_sparse and any(_SIGNATURE.match(text) for text in texts)


# --- What a row tells ----------------------------------------------------------------------------


def cells(told: Mapping[str, Any], choices: Choices) -> dict[str, str]:
    """What a person reads of what is told of an instrument, by column."""
    shown = {name: choices.word(name, told[name]) for name in told if name not in LIMITS}
    low, high, unit = (told[name] for name in LIMITS)
    whole = None not in (low, high)
    return shown | {RANGE: ledger.range_text(low, high, unit or "") if whole else ""}


def is_choice(name: str, value: str, choices: Choices) -> bool:
    """Whether a value can be said once for all new instruments."""
    match name:
        case "region_code":
            return value in choices.county_names
        case "catalogue_item_id":
            return value.isdecimal() and int(value) in choices.items
        case "purpose" | "origin" | "delivery":
            return value in WORDS[name]
        case "use_place" | "manufacturer":
            return 0 < len(value) <= ledger.LONGEST[name]
        case _:
            return False


@dataclass(slots=True)
class Row:
    """A row of the sheet: what it tells of its instrument, as the ledger keeps it, and what is wrong with it.

    `instrument_no` and `revision` say which instrument of the ledger it changes, if they are there.
    """

    number: int
    told: dict[str, Any]
    problems: list[str]
    instrument_no: str | None = None
    revision: str | None = None


class Reader:
    """Makes rows of the ledger of the rows of a sheet."""

    def __init__(self, incoming: Incoming, settings: Settings, choices: Choices) -> None:
        self.choices = choices
        known = {each.name: each for each in readable(choices)}
        self.labels = {name: each.label for name, each in known.items()}
        held = {column: known[name] for column, name in settings.columns.items() if name in known}
        self.matched = Matched({column: self._asked(each, settings) for column, each in held.items()}, [])
        self.tells = self._told_fields(settings)
        self.item_for_all, self.usual = self._told_for_all(settings)
        self.needed = [each.name for each in columns(choices) if _is_needed(each)]
        self.missing = [self.lacks(each.name) for each in lacking(settings, choices)]
        self.incoming = incoming

    def _asked(self, column: Field, settings: Settings) -> Field:
        has_limits = set(LIMITS) <= set(settings.columns.values())
        is_needed = _is_needed(column) and not (column.name in LIMITS and RANGE in settings.columns.values())
        return replace(column, mandatory=is_needed or (column.name == RANGE and not has_limits))

    def _told_for_all(self, settings: Settings) -> tuple[CatalogueItem | None, dict[str, Any]]:
        """What is said once for all new instruments, as the ledger keeps it, and the kind of it."""
        there = set(settings.columns.values())
        said: dict[str, Any] = {name: value for name, value in settings.for_all.items() if name not in there}
        item = self.choices.items.get(int(said.pop("catalogue_item_id", 0)))
        return item, USUAL | said | ({"catalogue_item_id": item.id} if item else {})

    @staticmethod
    def _told_fields(settings: Settings) -> frozenset[str]:
        """The facts of an instrument that the sheet has a column for."""
        there = frozenset(settings.columns.values())
        return there | frozenset(LIMITS) if RANGE in there else there

    def rows(self, left_out: frozenset[int] | set[int]) -> Iterator[Row]:
        """Each row of the sheet but those that are left out."""
        for number, values, problems in spreadsheet.taken(self.incoming, self.matched):
            if number not in left_out:
                yield self._row(number, values, problems)

    def _row(self, number: int, values: dict[str, Any], problems: list[str]) -> Row:
        if values.get(RANGE):
            self._divide_range(values, problems)
        item = self._item(values, problems)
        return Row(number, self._told(values, item), problems, values.get(NUMBER), values.get(REVISION))

    def _divide_range(self, values: dict[str, Any], problems: list[str]) -> None:
        found = numbers.range_in(values[RANGE])
        if found is None:
            text = _("“%(range)s” cannot be read as one range: write it like (0～1.6)MPa.", range=values[RANGE][:40])
            problems.append(self.beside(RANGE, text))
            return
        for name, value in zip(LIMITS, found, strict=True):
            beside = values.get(name)
            if beside is None:
                values[name] = value if value != "" else None
            elif value != "" and not _is_same_limit(value, beside):
                text = _("“%(range)s” does not agree with “%(column)s”.", range=values[RANGE][:40],
                         column=self.labels[name])  # fmt: skip
                problems.append(self.beside(RANGE, text))

    def _item(self, values: dict[str, Any], problems: list[str]) -> CatalogueItem | None:
        kind, category = values.get("catalogue_item_id"), values.get("category")
        if kind is None:
            return None
        found = {each: item for each, item in self.choices.by_kind[kind] if category in (None, each)}
        if len(found) == 1:
            return next(iter(found.values()))
        text = (
            _("“%(kind)s” does not belong to the category “%(category)s”.", kind=kind, category=category)
            if category
            else _("“%(kind)s” is there in several categories: give the category too.", kind=kind)
        )
        problems.append(self.beside("catalogue_item_id", text))
        return None

    def _told(self, values: dict[str, Any], item: CatalogueItem | None) -> dict[str, Any]:
        county, choices = values.get("region_code"), self.choices
        values = {name: entered(value) if isinstance(value, str) else value for name, value in values.items()}
        return {
            "name": values.get("name"),
            "catalogue_item_id": item.id if item else None,
            "model": values.get("model"),
            "range_low": _decimal(values.get("range_low")),
            "range_high": _decimal(values.get("range_high")),
            "range_unit": _unit(values.get("range_unit"), item or self.item_for_all),
            "accuracy_class": values.get("accuracy_class"),
            "serial_no": values.get("serial_no"),
            "manufacturer": values.get("manufacturer"),
            "region_code": county and choices.county(county),
            "use_place": values.get("use_place"),
            "purpose": choices.purposes.get(values.get("purpose", "")),
            "delivery": choices.deliveries.get(values.get("delivery", "")),
            "origin": choices.origins.get(values.get("origin", "")),
            "started_on": values.get("started_on"),
            "type_approval_no": values.get("type_approval_no"),
        }

    def lacks(self, column: str) -> str:
        """The problem that a column is empty."""
        return str(_("“%(column)s” is missing.", column=self.labels[column]))

    def beside(self, column: str | None, problem: str) -> str:
        """A problem with the name of its column."""
        return str(_("“%(column)s”: %(problem)s", column=self.labels[column or ""], problem=problem))


def _is_same_limit(one: Any, other: Any) -> bool:
    """Whether a limit, or a unit, is said alike in two columns."""
    if isinstance(one, Decimal):
        return one == Decimal(str(other))
    return same(one) == same(str(other)) or numbers.unit_in(one, [str(other)]) is not None


@lru_cache(maxsize=1000)
def _decimal(number: float | Decimal | None) -> Decimal | None:
    return None if number is None else Decimal(str(number))


def _unit(written: str | None, item: CatalogueItem | None) -> str | None:
    """The unit as the catalogue writes it: m³/h for m3/h."""
    if written is None or item is None or written in item.range_units:
        return written
    return numbers.unit_in(written, item.range_units) or written
