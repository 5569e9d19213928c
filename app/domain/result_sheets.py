"""批量录入表: the results of many tasks in one sheet, taken whole or not at all."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, BinaryIO

from flask_babel import gettext as _

from app import spreadsheet
from app.access import Principal
from app.domain import holidays, results, sheets
from app.domain.jobs import Finished
from app.domain.results import CONCLUSIONS, KINDS, LONGEST_FAILURE, MOST_AT_ONCE, SHORTEST_REASON, SUBSEQUENT, Findings
from app.errors import RuleError
from app.models import StaffMember
from app.spreadsheet import Field, Incoming
from app.states import BROKEN
from app.workflow import Chosen, Outcome

KIND = "record_results"
MOST_BYTES = 5 * 1024 * 1024
_BETWEEN = re.compile(r"[;；、\n]+")


@dataclass
class Checked:
    """What a sheet holds: the tasks that were verified alike, what failed, and what is wrong, by row."""

    alike: dict[Findings, list[int]] = field(default_factory=lambda: defaultdict(list))
    failures: dict[int, str] = field(default_factory=dict)
    rows: dict[int, int] = field(default_factory=dict)
    problems: dict[int, list[str]] = field(default_factory=lambda: defaultdict(list))


# --- The sheet -----------------------------------------------------------------------------------


def _fields(people: Mapping[str, int]) -> list[Field]:
    return [
        Field("task_id", _("Task no."), mandatory=True, width=12, note=_("Please leave it as it is.")),
        Field("name", _("Instrument"), width=18),
        Field("model", _("Model")),
        Field("serial_no", _("Serial no."), mandatory=True, width=18, note=_("Please leave it as it is.")),
        Field("conclusion", _("Conclusion"), mandatory=True, kind="choice", choices=sheets.words(CONCLUSIONS), width=10,
              example=str(CONCLUSIONS["passed"])),
        Field("failure", _("What failed"), width=28, note=_("Where the conclusion is that it failed.")),
        Field("verified_on", _("Verified on"), mandatory=True, kind="date", width=12),
        Field("verification_kind", _("Kind of verification"), mandatory=True, kind="choice", width=12,
              choices=sheets.words(KINDS)),
        Field("verifier", _("Verifier"), mandatory=True, kind="choice", choices=tuple(people), width=12),
        Field("regulation", _("Regulation"), mandatory=True, width=18),
        Field("standards", _("Measurement standards used"), mandatory=True, width=30,
              note=_("The numbers of their certificates, with a semicolon between several.")),
        Field("temperature", _("Temperature"), width=10),
        Field("humidity", _("Humidity"), width=10),
        Field("place", _("Place of verification"), width=18),
        Field("months", _("Shorter validity (months)"), kind="number", width=10),
    ]  # fmt: skip


def _people(by: Principal) -> dict[str, int]:
    """The verifiers by name; namesakes are told apart by a number."""
    found = results.verifiers(by)
    names = [each.name for each in found]
    return {_name(each, names): each.id for each in found}


def _name(person: StaffMember, names: Sequence[str]) -> str:
    return person.name if names.count(person.name) == 1 else f"{person.name}({person.id})"


def sheet(chosen: Chosen, by: Principal) -> bytes:
    """The sheet for the chosen tasks that are being verified, filled in with what is usual."""
    tasks = results.verifying(chosen, MOST_AT_ONCE + 1)
    if not tasks:
        raise RuleError(_("None of the chosen tasks is being verified."))
    if len(tasks) > MOST_AT_ONCE:
        raise RuleError(_("At most %(most)s tasks can be done at once.", most=MOST_AT_ONCE))
    people = _people(by)
    usual, by_kind = _usual(people, by), _usual_by_kind(chosen, {task.catalogue_item_id for task in tasks}, by)
    rows = [
        {"task_id": str(task.id), "name": task.name, "model": task.model, "serial_no": task.serial_no, **usual,
         **by_kind[task.catalogue_item_id]}
        for task in tasks
    ]  # fmt: skip
    notes = [
        _("Give every instrument its conclusion. Rows that you delete stay as they are."),
        _("If a row has a problem, nothing is recorded: you get your sheet back with the problems written beside it."),
    ]
    return spreadsheet.template(_("Results"), _fields(people), notes, rows=MOST_AT_ONCE, filled=rows)


def _usual(people: Mapping[str, int], by: Principal) -> dict[str, Any]:
    me = results.myself(by)
    return {
        "verified_on": holidays.today(),
        "verification_kind": str(KINDS[SUBSEQUENT]),
        "verifier": next((name for name, id in people.items() if me and id == me.id), None),
    }


def _usual_by_kind(chosen: Chosen, kinds: Iterable[int], by: Principal) -> dict[int, dict[str, Any]]:
    """What is usual for each kind: standards of another kind would be a false statement on a certificate."""
    own = results.standards(by)
    standards, regulations = results.usual_standards(chosen, by), results.usual_regulations(chosen, by)
    return {
        kind: {
            "regulation": next(iter(regulations[kind])) if len(regulations[kind]) == 1 else None,
            "standards": "；".join(each.certificate_no for each in own if each.id in standards[kind]) or None,
        }
        for kind in kinds
    }


# --- What comes back -----------------------------------------------------------------------------


def read(file: BinaryIO, name: str) -> Incoming:
    """The sheet as it comes back."""
    return sheets.read(file, name, _fields({}), most_rows=MOST_AT_ONCE, most_bytes=MOST_BYTES, title=_("Results"))


def check(incoming: Incoming, by: Principal) -> Checked:
    """Check every row by the rules for a single result. Changes nothing."""
    people = _people(by)
    asked = _fields(people)
    matched = sheets.match(incoming, asked)
    if not incoming.rows:
        raise RuleError(_("There is no result in the sheet yet."), field="file")
    rows = list(spreadsheet.taken(incoming, matched))
    ids = [int(str(values["task_id"])) for _row, values, _problems in rows if _is_id(values["task_id"])]
    tasks = {task.id: task for task in results.verifying(ids, MOST_AT_ONCE)}
    standards = {each.certificate_no: each.id for each in results.standards(by)}
    checked, labels = Checked(), {field.name: field.label for field in asked}
    for number, values, problems in rows:
        problems += _problems(values, tasks, standards, checked) + _too_long(values, labels)
        if problems:
            checked.problems[number] += problems
        else:
            _take(number, values, people, standards, checked)
    _refuse(checked, by)
    return checked


def _is_id(text: Any) -> bool:
    return isinstance(text, str) and text.isdecimal() and text.isascii() and len(text) <= 18


def _problems(values: dict[str, Any], tasks: dict[int, Any], standards: dict[str, int], checked: Checked) -> list[str]:
    id = int(values["task_id"]) if _is_id(values["task_id"]) else 0
    task = tasks.get(id)
    found = []
    if task is None and values["task_id"]:
        found.append(_("This task is not being verified by your institution."))
    elif task is not None and values["serial_no"] not in (None, task.serial_no):
        found.append(
            _("The serial number of this task is %(serial)s: the rows have been mixed.", serial=task.serial_no)
        )
    if id in checked.rows:
        found.append(_("The task stands in row %(row)s already.", row=checked.rows[id]))
    failure = values.get("failure") or ""
    if values["conclusion"] == CONCLUSIONS["failed"] and not SHORTEST_REASON <= len(failure) <= LONGEST_FAILURE:
        found.append(_("Please tell of each instrument that failed what failed."))
    unknown = [each for each in _parts(values["standards"]) if each not in standards]
    if unknown:
        found.append(_("Your institution has no approved standard %(numbers)s.", numbers="、".join(unknown)))
    months = values.get("months")
    if months is not None and not (isinstance(months, int) and 1 <= months <= 240):
        found.append(_("The months are a whole number from 1 to 240."))
    return found


_LONGEST = {"regulation": 100, "temperature": 40, "humidity": 40, "place": 200}


def _too_long(values: dict[str, Any], labels: Mapping[str, str]) -> list[str]:
    return [
        _("“%(column)s” has at most %(most)s characters.", column=labels[name], most=most)
        for name, most in _LONGEST.items()
        if len(values.get(name) or "") > most
    ]


def _parts(text: str | None) -> list[str]:
    return [part.strip() for part in _BETWEEN.split(text or "") if part.strip()]


def _take(
    number: int, values: dict[str, Any], people: dict[str, int], standards: dict[str, int], checked: Checked
) -> None:
    id, kinds = int(values["task_id"]), {str(word): code for code, word in KINDS.items()}
    day: date = values["verified_on"]
    findings = Findings(
        verification_kind=kinds[values["verification_kind"]],
        verified_on=day,
        regulation=values["regulation"],
        standard_ids=tuple(sorted({standards[each] for each in _parts(values["standards"])})),
        verifier_id=people[values["verifier"]],
        temperature=values.get("temperature") or "",
        humidity=values.get("humidity") or "",
        place=values.get("place") or "",
        months=values.get("months"),
    )
    checked.rows[id] = number
    checked.alike[findings].append(id)
    if values["conclusion"] == CONCLUSIONS["failed"]:
        checked.failures[id] = values["failure"]


def _refuse(checked: Checked, by: Principal) -> None:
    for findings, ids in checked.alike.items():
        try:
            results.refuse(findings, ids, by)
        except RuleError as refusal:
            for id in ids:
                checked.problems[checked.rows[id]].append(str(refusal))


def record(checked: Checked, by: Principal) -> Outcome:
    """Record the results of a sheet in which nothing is wrong."""
    done = [results.record(ids, findings, checked.failures, by) for findings, ids in checked.alike.items()]
    return Outcome(sum(each.asked for each in done), sum(each.done for each in done))


def hand_back(incoming: Incoming, checked: Checked) -> Finished:
    """The sheet as it came, with what is wrong beside each row, kept to be taken away. Nothing was recorded."""
    kept = sheets.keep_with_problems(incoming, checked.problems)
    text = _("%(number)s rows have problems. Nothing was recorded.", number=len(checked.problems))
    return Finished(text, kept, _("%(name)s with problems.xlsx", name=_("Results")), BROKEN)
