"""检定结果: what an institution verifies now, and the results that wait for another pair of eyes."""

from collections.abc import Mapping
from datetime import date
from types import SimpleNamespace
from typing import Any

from flask import g
from flask_babel import gettext as _, lazy_gettext as _l
from wtforms import (
    DateField,
    Field,
    RadioField,
    SelectField,
    SelectMultipleField,
    StringField,
    TextAreaField,
)
from wtforms.fields.choices import SelectChoice  # pyright: ignore[reportAttributeAccessIssue]  # newer than its stubs
from wtforms.validators import DataRequired, InputRequired, Length, NumberRange, Optional, ValidationError

from app.domain import certificates, holidays, result_sheets, results
from app.domain.results import KINDS, LONGEST_REASON, SHORTEST_REASON, Findings
from app.fabkit.actions import Selection, form_action
from app.fabkit.filters import Choice, is_number
from app.fabkit.formats import day
from app.fabkit.forms import Form, IntegerField, reason_field, trimmed
from app.fabkit.lists import Column, Source
from app.fabkit.pages import Section, Show
from app.models import MeasurementStandard, Result, Task
from app.pages import sheets, tasks as task_pages
from app.pages.instruments import conclusion
from app.states import IN_REVIEW, TASK_LABELS, TO_APPROVE, TO_CHECK, VERIFYING
from app.texts import entered

MOST_ROWS = 200
IN_HAND = (VERIFYING, TO_CHECK, TO_APPROVE)


class FailuresField(Field):
    """What failed, by task; all others passed. The template draws it beside the instruments."""

    def process(self, formdata: Any, data: Any = None, extra_filters: Any = None) -> None:
        self.process_errors = []
        if formdata is None:
            self.data = dict(data or {})
        else:
            failed = [id for id in formdata.getlist("failed") if is_number(id)]
            self.data = {int(id): entered(formdata.get(f"failure-{id}", "")) for id in failed}


class ResultForm(Form):
    """What was found; the conclusion stands beside each instrument."""

    verification_kind = RadioField(
        _l("Kind of verification"),
        choices=[SelectChoice(*pair) for pair in KINDS.items()],
        default="subsequent",
    )
    verified_on = DateField(_l("Verified on"), [InputRequired(_l("Please give the day."))], default=holidays.today)
    regulation = StringField(
        _l("Regulation"), [DataRequired(_l("Please name the regulation.")), Length(max=100)], filters=[trimmed]
    )
    standard_ids = SelectMultipleField(_l("Measurement standards used"), coerce=int, validate_choice=False)
    verifier_id = SelectField(_l("Verifier"), coerce=int, validate_choice=False)
    temperature = StringField(_l("Temperature"), [Length(max=40)], filters=[trimmed])
    humidity = StringField(_l("Humidity"), [Length(max=40)], filters=[trimmed])
    place = StringField(_l("Place of verification"), [Length(max=200)], filters=[trimmed])
    months = IntegerField(
        _l("Shorter validity (months)"),
        [Optional(), NumberRange(1, 240)],
        description=_l("Empty: as the catalogue says for the kind."),
    )
    indications = TextAreaField(
        _l("Items, requirements and results"),
        [Length(max=4000)],
        filters=[trimmed],
        description=_l("One line for each item: item | requirement | result."),
    )

    failures = FailuresField()

    def validate_indications(self, field: Any) -> None:
        if any(len(row) != 3 for row in _lines(field.data)):
            raise ValidationError(_("Each line has three parts, divided by |."))

    def findings(self) -> Findings:
        return Findings(
            verification_kind=self.verification_kind.data,
            verified_on=self.verified_on.data or date.min,
            regulation=self.regulation.data or "",
            standard_ids=tuple(self.standard_ids.data or ()),
            verifier_id=self.verifier_id.data or 0,
            temperature=self.temperature.data or "",
            humidity=self.humidity.data or "",
            place=self.place.data or "",
            indications=tuple((one, two, three) for one, two, three in _lines(self.indications.data)),
            months=self.months.data,
        )


def _lines(text: str | None) -> list[list[str]]:
    lines = [line for line in (text or "").splitlines() if line.strip()]
    return [[part.strip() for part in line.replace("｜", "|").split("|")] for line in lines]


class SheetForm(Form):
    file = sheets.sheet_field(_l("Filled sheet"))


class ReworkForm(Form):
    reason = reason_field(
        _l("Reason for giving back"),
        SHORTEST_REASON,
        LONGEST_REASON,
        (
            _l("The environment is missing or not within the limits of the regulation."),
            _l("A result does not agree with the record."),
            _l("The wrong standard was named."),
        ),
    )


class Results(task_pages.TaskPage):
    """检定结果录入."""

    route_base = "/results"
    class_permission_name = "Results"
    list_title = _l("Results")
    subtitle = _l("Record what was found; another person checks it, a third approves it and issues the certificate.")
    empty = _l("Nothing is being verified. Start a verification under the tasks offered to you.")
    scripts = ("results.js",)
    source = Source(
        Task,
        key=Task.applied_at,
        joins=task_pages.JOINS,
        outer_joins=((Result, Result.task_id == Task.id),),
        where=lambda: [Task.state.in_(IN_HAND)],
    )
    columns = (
        task_pages.STATE,
        task_pages.NAME,
        task_pages.KIND,
        task_pages.MODEL,
        task_pages.SERIAL,
        task_pages.APPLICANT,
        Column("passed", _l("Conclusion"), Result.passed, conclusion, css="nowrap"),
        Column("verified_on", _l("Verified on"), Result.verified_on, day, css="nowrap"),
        Column("verifier", _l("Verifier"), Result.verifier, css="nowrap"),
        Column("checker", _l("Checker"), Result.checker, css="nowrap"),
        task_pages.DUE,
        task_pages.NO,
        task_pages.RANGE,
        task_pages.ACCURACY,
    )
    filters = (
        Choice("state", _l("State"), Task.state, {state: TASK_LABELS[state] for state in IN_HAND}),
        task_pages.BY_ITEM,
        task_pages.BY_DELIVERY,
        task_pages.BY_APPLIED,
    )

    def details(self, row_id: int) -> Show | None:
        shown = task_pages.show(row_id)
        found = results.find(row_id)
        if shown and found:
            shown.sections.insert(1, Section(_l("Result"), findings(found)))
        return shown

    @form_action(
        "record",
        _l("Record result"),
        icon="writing",
        style="primary",
        form=ResultForm,
        states=frozenset({VERIFYING}),
        template="results/record.html",
        size="xl",
        context="asked",
        submit=_l("Save"),
    )
    def record(self, selection: Selection, form: ResultForm) -> str:
        outcome = results.record(selection.ids, form.findings(), form.failures.data or {}, g.principal)
        return task_pages.told(_("Recorded %(done)s results.", done=outcome.done), outcome)

    def prefill(self, declared: Any, selection: Selection) -> Any:
        """A result given back begins as it was; a new one with what is usual for its kind."""
        if declared.name != "record":
            return None
        single = not selection.is_everything and selection.asked == 1
        before = results.find(selection.only_id()) if single else None
        if before is not None:
            return _as_before(before)
        me, known = results.myself(g.principal), results.regulations(selection.ids, g.principal)
        return SimpleNamespace(
            verifier_id=me.id if me else None,
            regulation=known[0] if len(known) == 1 else None,
            standard_ids=_usual_for_all(results.usual_standards(selection.ids, g.principal)),
        )

    def asked(self, selection: Selection, form: ResultForm) -> dict[str, Any]:
        """The choices of the form, and the instruments with their conclusions so far."""
        form.verifier_id.choices = [SelectChoice(each.id, each.name) for each in results.verifiers(g.principal)]
        chosen, failures = set(form.standard_ids.data or ()), form.failures.data or {}
        rows = [
            {
                "id": row.id,
                "name": row.name,
                "model": row.model,
                "serial_no": row.serial_no,
                "range": row.measuring_range,
                "failed": row.id in failures,
                "failure": failures.get(row.id, ""),
            }
            for row in results.verifying(selection.ids, MOST_ROWS)
        ]
        standards = [_standard(each, chosen) for each in results.standards(g.principal)]
        return {
            "rows": rows,
            "regulations": results.regulations(selection.ids, g.principal),
            "standards": sorted(standards, key=lambda each: (not each["chosen"], each["expired"])),
            "more": selection.asked - len(rows) if len(rows) == MOST_ROWS else 0,
        }

    @form_action(
        "take_sheet",
        _l("Results sheet"),
        icon="file-spreadsheet",
        permission="record",
        states=frozenset({VERIFYING}),
        template="results/take_sheet.html",
        submit=_l("Download"),
    )
    def take_sheet(self, selection: Selection, _form: Any) -> Any:
        content = result_sheets.sheet(selection.ids, g.principal)
        return sheets.fetched(result_sheets.KIND, content, _("Results"), _("To be filled in and sent back."))

    @form_action(
        "record_sheet",
        _l("Record by sheet"),
        icon="upload",
        permission="record",
        form=SheetForm,
        without=True,
        template="results/record_sheet.html",
        size="lg",
        submit=_l("Record result"),
        most_bytes=result_sheets.MOST_BYTES + 2**16,
    )
    def record_sheet(self, _selection: Selection, form: SheetForm) -> Any:
        incoming = result_sheets.read(form.file.data.stream, form.file.data.filename)
        checked = result_sheets.check(incoming, g.principal)
        if checked.problems:
            what = result_sheets.hand_back(incoming, checked)
            return sheets.handed_back(self, "record_sheet", form, result_sheets.KIND, what, checked.problems)
        outcome = result_sheets.record(checked, g.principal)
        return task_pages.told(_("Recorded %(done)s results.", done=outcome.done), outcome)

    @form_action("check", _l("Check"), icon="checklist", states=frozenset({TO_CHECK}))
    def check(self, selection: Selection, _form: Any) -> str:
        outcome = results.check(selection.ids, g.principal)
        return task_pages.told(_("Checked %(done)s results.", done=outcome.done), outcome)

    @form_action("approve", _l("Approve"), icon="rosette-discount-check", style="primary",
                 states=frozenset({TO_APPROVE}), template="results/approve.html")  # fmt: skip
    def approve(self, selection: Selection, _form: Any) -> str:
        outcome = certificates.approve(selection.ids, g.principal)
        return task_pages.told(
            _("Issued %(done)s certificates; their documents are being made.", done=outcome.done), outcome
        )

    @form_action(
        "rework", _l("Give back for rework"), icon="arrow-back-up", style="danger", form=ReworkForm, states=IN_REVIEW
    )
    def rework(self, selection: Selection, form: ReworkForm) -> str:
        outcome = results.rework(selection.ids, form.reason.data or "", g.principal)
        return task_pages.told(_("Gave back %(done)s results.", done=outcome.done), outcome)


def _usual_for_all(by_kind: Mapping[int, set[int]]) -> list[int]:
    """What is usual for every kind that was chosen: the form writes the same standards for all of them."""
    return sorted(set.intersection(*by_kind.values())) if by_kind else []


def _as_before(before: Result) -> Any:
    names = ("verification_kind", "verified_on", "regulation", "verifier_id", "temperature", "humidity", "place")
    return SimpleNamespace(
        **{name: getattr(before, name) for name in names},
        standard_ids=[each["id"] for each in before.standards],
        indications="\n".join(" | ".join(row) for row in before.indications),
        failures={} if before.passed else {before.task_id: before.failures},
    )


def _standard(standard: MeasurementStandard, chosen: set[int]) -> dict[str, Any]:
    until = min(standard.valid_until, standard.public_valid_until)
    return {
        "id": standard.id,
        "name": standard.name,
        "certificate_no": standard.certificate_no,
        "until": day(until),
        "expired": until < holidays.today(),
        "chosen": standard.id in chosen,
    }


def findings(found: Any) -> list[tuple[Any, Any]]:
    """What was found, of a result or a certificate."""
    facts = [
        (_l("Conclusion"), conclusion(found.passed)),
        (_l("What failed"), found.failures),
        (_l("Kind of verification"), KINDS[found.verification_kind]),
        (_l("Verified on"), day(found.verified_on)),
        (_l("Valid until"), day(found.valid_until)),
        (_l("Regulation"), found.regulation),
        (
            _l("Measurement standards used"),
            "；".join(f"{each['name']} {each['certificate_no']}" for each in found.standards),
        ),
        (_l("Temperature"), found.temperature),
        (_l("Humidity"), found.humidity),
        (_l("Place of verification"), found.place),
        (_l("Items, requirements and results"), "；".join(" | ".join(row) for row in found.indications)),
        (_l("Verifier"), found.verifier),
        (_l("Checker"), found.checker),
    ]
    return [(name, value) for name, value in facts if value]
