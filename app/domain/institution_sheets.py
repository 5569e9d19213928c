"""机构信息表: institutions entered or brought up to date by a sheet, all of it or nothing; known by credit code."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from flask_babel import gettext as _, ngettext
from sqlalchemy import and_, func, select

from app import access, audit, finding, spreadsheet
from app.access import EVERYTHING, Principal, seeing
from app.domain import credit_codes, local_institutions, organizations, sheets
from app.domain.jobs import Finished
from app.domain.organizations import MOST_PLACES
from app.errors import RuleError
from app.models import Institution, Organization, Region, db
from app.spreadsheet import Field, Incoming
from app.states import BROKEN, CLOSED
from app.telephones import telephone
from app.texts import same

KIND = "import_institutions"
MOST_ROWS = 500
MOST_BYTES = 5 * 1024 * 1024
_BETWEEN = re.compile(r"[,，;；、\n]+")
_LONGEST = {
    "name": 200, "authorization_no": 60, "authorized_by": 200, "legal_representative": 60, "contact": 60,
    "address": 200,
}  # fmt: skip
_COUNTS = ("employees", "verifiers", "floor_area")
DETAILS = (
    "designation", "authorization_no", "authorized_by", "authorized_from", "authorized_until", "service_regions",
    "legal_representative", "employees", "verifiers", "floor_area", "contact", "phone", "address",
)  # fmt: skip


@dataclass
class Checked:
    """What a sheet holds: institutions to add and to change, with their values, and what is wrong, by row."""

    new: list[dict[str, Any]] = field(default_factory=list)
    known: list[tuple[int, str, dict[str, Any]]] = field(default_factory=list)
    problems: dict[int, list[str]] = field(default_factory=dict)


# --- The sheet -----------------------------------------------------------------------------------


def _fields(designations: Mapping[str, Any], places: Mapping[str, str]) -> list[Field]:
    names = tuple(name for name, code in places.items() if name != code)
    words = tuple(str(word) for word in designations.values())
    semicolon = _("Full names or codes, with a semicolon between several.")
    return [
        Field("credit_code", _("Credit code"), mandatory=True, width=22, example="123301004701234567",
              note=_("An institution that is known by it is brought up to date; another is added.")),
        Field("name", _("Organization name"), mandatory=True, width=32, example=_("Xihu Institute of Metrology")),
        Field("region", _("Region"), mandatory=True, choices=names, width=24, example=[*names, ""][0],
              note=_("Its full name, or its code of six digits.")),
        Field("designation", _("Designation"), mandatory=True, kind="choice", choices=words, example=words[0]),
        Field("authorization_no", _("Authorization no."), mandatory=True, width=24,
              example="（浙）法计（2026）00001号"),
        Field("authorized_by", _("Authorized by"), mandatory=True, width=28, example=_("The authority above it")),
        Field("authorized_from", _("Authorized from"), kind="date", width=14, example="2026-01-01"),
        Field("authorized_until", _("Authorized until"), mandatory=True, kind="date", width=14, example="2030-12-31"),
        Field("service_regions", _("Authorized regions"), width=32, note=semicolon),
        Field("legal_representative", _("Legal representative"), width=14),
        Field("employees", _("Number of staff"), kind="number", width=12, example="36"),
        Field("verifiers", _("Number of verifiers"), kind="number", width=12, example="20"),
        Field("floor_area", _("Floor area (m²)"), kind="number", width=14, example="2600"),
        Field("contact", _("Contact person"), mandatory=True, width=14),
        Field("phone", _("Telephone"), mandatory=True, width=18, example="0571-87654321"),
        Field("address", _("Postal address"), mandatory=True, width=36),
    ]  # fmt: skip


def template(designations: Mapping[str, Any], by: Principal) -> bytes:
    """The sheet to fill in."""
    notes = [
        _("Write one institution in each row. Leave the names of the columns as they are."),
        _("Columns with a star must be filled in. At most %(most)s institutions.", most=MOST_ROWS),
        _("If a row has a problem, nothing is imported: you get your sheet back with the problems written beside it."),
    ]
    return spreadsheet.template(_("Local institutions"), _fields(designations, _places(by)), notes, rows=MOST_ROWS)


def _places(by: Principal) -> dict[str, str]:
    """The codes of the regions of one's jurisdiction, by full name and by the code itself."""
    rows = db.session.execute(select(Region.full_name, Region.code).order_by(Region.code))
    found = {name: code for name, code in rows if by.kind == "everything" or access.covers(by.jurisdiction, code)}
    return found | {code: code for code in found.values()}


def _as_compared(places: Mapping[str, str]) -> dict[str, str]:
    """The codes of regions by their names as they are compared."""
    return {same(name): code for name, code in places.items()}


# --- What comes back -----------------------------------------------------------------------------


def read(file: BinaryIO, name: str, designations: Mapping[str, Any]) -> Incoming:
    """The sheet as it comes back."""
    asked = _fields(designations, {})
    return sheets.read(file, name, asked, most_rows=MOST_ROWS, most_bytes=MOST_BYTES, title=_("Local institutions"))


def check(incoming: Incoming, designations: Mapping[str, Any], by: Principal) -> Checked:
    """Check every row by itself and against what is known. Changes nothing; a few statements for any number of rows."""
    places = _places(by)
    matched = sheets.match(incoming, _fields(designations, places))
    if not incoming.rows:
        raise RuleError(_("There is no institution in the sheet yet."), field="file")
    rows = list(spreadsheet.taken(incoming, matched))
    here = _as_compared(places)
    everywhere = _everywhere([values for _number, values, _problems in rows])
    known = _known([str(values["credit_code"] or "").upper() for _number, values, _problems in rows], by)
    names = _names([str(values["name"]) for _number, values, _problems in rows if values["name"]])
    codes = {str(word): code for code, word in designations.items()}
    checked, seen = Checked(), dict[str, int]()
    for number, values, problems in rows:
        told = _told(values, here, everywhere, codes)
        problems += _problems(told, values) + _against_known(told, number, known, names, seen, by)
        if problems:
            checked.problems[number] = problems
        else:
            _take(told, known, checked)
    return checked


def _told(
    values: dict[str, Any], places: Mapping[str, str], everywhere: Mapping[str, str], codes: Mapping[str, str]
) -> dict[str, Any]:
    return {
        **{name: values.get(name) for name in DETAILS},
        "name": values["name"],
        "credit_code": str(values["credit_code"] or "").upper(),
        "region_code": places.get(same(str(values["region"] or ""))),
        "designation": codes.get(str(values["designation"])),
        "service_regions": [everywhere.get(each, "") for each in _parts(values.get("service_regions"))],
        "legal_representative": values.get("legal_representative") or None,
        "phone": telephone(str(values["phone"] or "")) or values["phone"],
    }


def _parts(text: Any) -> list[str]:
    """What stands between the semicolons of a cell, as it is compared."""
    return [same(part) for part in _BETWEEN.split(str(text or "")) if part.strip()]


def _everywhere(rows: list[dict[str, Any]]) -> dict[str, str]:
    """The codes of the regions that the sheet names anywhere in the country: work may cross a border (细则 Art 13)."""
    named = {part for values in rows for part in _parts(values.get("service_regions"))}
    is_named = finding.is_among(Region.full_name, named) | Region.code.in_(named)
    found = db.session.execute(select(Region.full_name, Region.code).where(is_named)).all()
    return _as_compared({row.full_name: row.code for row in found}) | {row.code: row.code for row in found}


def _problems(told: dict[str, Any], values: dict[str, Any]) -> list[str]:
    found = [_("“%(column)s”: %(problem)s", column=_("Credit code"), problem=wrong)
             for wrong in [credit_codes.problem(told["credit_code"])] if told["credit_code"] and wrong]  # fmt: skip
    if values["region"] and told["region_code"] is None:
        found.append(_("The region is not in your jurisdiction, or unknown."))
    if "" in told["service_regions"] or len(told["service_regions"]) > MOST_PLACES:
        found.append(_("An authorized region is unknown."))
    if told["phone"] and telephone(str(told["phone"])) is None:
        found.append(_("The telephone number is not one."))
    if told["authorized_from"] and told["authorized_until"] and told["authorized_from"] > told["authorized_until"]:
        found.append(_("The last day lies before the first."))
    if any(told[name] is not None and not _is_count(told[name]) for name in _COUNTS):
        found.append(_("Numbers of people and the area are whole numbers."))
    elif told["employees"] is not None and (told["verifiers"] or 0) > told["employees"]:
        found.append(_("There cannot be more verifiers than people."))
    if any(len(str(told[name] or "")) > most for name, most in _LONGEST.items()):
        found.append(_("A text is too long."))
    return [str(each) for each in found]


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and 0 <= value < 10_000_000


def _known(codes: list[str], by: Principal) -> dict[str, Any]:
    """The institutions with these credit codes; `mine` tells whether one is an institution in one's care."""
    mine = func.coalesce(local_institutions.in_care(by), False).label("mine")
    found = (
        select(Organization.credit_code, Organization.id, Organization.region_code, Organization.revision, mine)
        .add_columns(Institution.standing)
        .outerjoin(Institution, Institution.organization_id == Organization.id)
        .where(Organization.credit_code.in_(codes), Organization.kind == "institution")
    )
    with seeing(EVERYTHING):  # a credit code is taken whoever has it, elsewhere too
        return {row.credit_code: row for row in db.session.execute(found)}


def _names(names: list[str]) -> dict[tuple[str, str], str | None]:
    """The credit code of each active institution with one of these names, by region and name."""
    found = select(Organization.region_code, Organization.name, Organization.credit_code).where(
        and_(Organization.kind == "institution", Organization.active, Organization.name.in_(names))
    )
    return {(row.region_code, row.name): row.credit_code for row in db.session.execute(found)}


def _against_known(
    told: dict[str, Any], number: int, known: Mapping[str, Any], names: Mapping[tuple[str, str], str | None],
    seen: dict[str, int], by: Principal,
) -> list[str]:  # fmt: skip
    found, code, there = list[Any](), told["credit_code"], known.get(told["credit_code"])
    if code and seen.setdefault(code, number) != number:
        found.append(_("The institution stands in row %(row)s already.", row=seen[code]))
    if there and not there.mine:
        found.append(_("The credit code belongs to an organization that is not yours to change."))
    elif there and there.standing == CLOSED:
        found.append(_("The institution has been closed for good."))
    elif there and told["region_code"] not in (None, there.region_code):
        found.append(_("The institution is known in another region; an administrator can move it."))
    if names.get((told["region_code"] or "", told["name"] or ""), code) != code:
        found.append(_("Another institution has this name in the region."))
    if there and there.id == by.organization_id:
        found.append(_("Your own organization can only be changed by the authority above it."))
    return [str(each) for each in found]


def _take(told: dict[str, Any], known: Mapping[str, Any], checked: Checked) -> None:
    there = known.get(told["credit_code"])
    if there:
        checked.known.append((there.id, str(there.revision), told))
    else:
        checked.new.append(told)


def apply(checked: Checked, name: str, by: Principal) -> str:
    """Enter and bring up to date what a sheet tells in which nothing is wrong."""
    for told in checked.new:
        details = {each: told[each] for each in DETAILS}
        organizations.add_institution(told["name"], told["region_code"], by, details, credit_code=told["credit_code"])
    for id, revision, told in checked.known:
        local_institutions.edit(id, revision, by, told)
    audit.record("import", "institution", None, name, by=by, rows=len(checked.new) + len(checked.known))
    added = ngettext("Added %(num)s institution.", "Added %(num)s institutions.", len(checked.new))
    return f"{added} " + str(_("Brought %(number)s up to date.", number=len(checked.known)))


def hand_back(incoming: Incoming, checked: Checked) -> Finished:
    """The sheet as it came, with what is wrong beside each row, kept to be taken away. Nothing was entered."""
    kept = sheets.keep_with_problems(incoming, checked.problems)
    text = ngettext(
        "%(num)s row has a problem. Nothing was imported.",
        "%(num)s rows have problems. Nothing was imported.",
        len(checked.problems),
    )
    return Finished(text, kept, _("%(name)s with problems.xlsx", name=_("Local institutions")), BROKEN)
