"""审计日志: who did what, when and from where; for auditors, and as the history of one account or organization."""

from typing import Any

from flask_babel import gettext as _, lazy_gettext as _l

from app.domain import audits
from app.fabkit.filters import Begins, Choice, Dates, Search, in_own
from app.fabkit.formats import label, moment
from app.fabkit.lists import Column, Source
from app.fabkit.pages import ModelPage, Section, Show
from app.models import AuditEntry
from app.pages import outcomes
from app.pages.outcomes import OFFICE, WHO
from app.states import STEP_LABELS

ACTIONS = {
    "login": _l("Signed in"),
    "login_failed": _l("Sign-in failed"),
    "login_locked": _l("Sign-in while locked"),
    "second_factor_failed": _l("Second factor wrong"),
    "logout": _l("Signed out"),
    "forbidden": _l("Refused: no permission"),
    "register": _l("Registered"),
    "activate": _l("Account activated"),
    "deactivate": _l("Account deactivated"),
    "unlock": _l("Account unlocked"),
    "give_role": _l("Role given"),
    "ask_for_second": _l("A second person was asked for"),
    "take_role": _l("Role taken away"),
    "attach": _l("Organization changed"),
    "edit": _l("Edited"),
    "reset_password": _l("Password reset"),
    "change_password": _l("Password changed"),
    "password_refused": _l("Current password wrong"),
    "password_hashed_anew": _l("Password kept in a stronger form"),
    "set_up_second_factor": _l("Second factor set up"),
    "switch_off_second_factor": _l("Second factor switched off"),
    "new_recovery_codes": _l("New recovery codes"),
    "end_sessions": _l("Sessions ended"),
    "create_access_key": _l("Access key created"),
    "revoke_access_key": _l("Access key revoked"),
    "add": _l("Added"),
    "rename": _l("Renamed"),
    "move": _l("Moved"),
    "merge": _l("Merged"),
    "disable": _l("Disabled"),
    "found": _l("Founded by registration"),
    "admit": _l("Admitted"),
    "turn_down": _l("Turned down"),
    "enable": _l("Enabled"),
    "export": _l("Exported"),
    "download": _l("Taken away"),
    "open": _l("Looked at"),
    "run": _l("Run again"),
    "upload": _l("Sheet uploaded"),
    "import": _l("Imported from a sheet"),
    "undo_import": _l("Import undone"),
    "reveal": _l("Personal data shown"),
    "verify": _l("Audit log verified"),
    "delete": _l("Deleted"),
    "qualify": _l("Qualification recorded"),
    "state_capacity": _l("Weekly capacity stated"),
    "change_seal": _l("Seal of the institution changed"),
    "add_documents": _l("Scans added"),
    "add_photos": _l("Photos added"),
    "malware": _l("Upload refused by the malware scanner"),
    "announce": _l("Change announced"),
    "withdraw_announced": _l("Announced change withdrawn"),
    "confirm": _l("Entry confirmed"),
    "book": _l("Booked"),
    "tell": _l("Parties told"),
    **{name: words for name, words in STEP_LABELS.items() if name != "reveal"},
}
_STYLES = {
    "disable": "warning", "merge": "danger", "enable": "success", "add": "success", "admit": "success",
    "turn_down": "danger",
}  # fmt: skip
SUBJECTS = {
    "account": _l("Account"),
    "organization": _l("Organization"),
    "task": _l("Task"),
    "appointment": _l("Appointment"),
    "instrument": _l("Instrument"),
    "certificate": _l("Certificate"),
    "capability": _l("Capability"),
    "staff_member": _l("Member of the staff"),
    "issuing_rule": _l("Numbers and seal of certificates"),
    "institution": _l("Institution"),
    "measurement_standard": _l("Measurement standard"),
    "inspection": _l("Inspection"),
    "upload": _l("Uploaded file"),
    "ledger_import": _l("Import into the ledger"),
    "page": _l("Page"),
    "job": _l("Job"),
    "audit": _l("Audit log"),
    "catalogue_item": _l("Entry of the catalogue"),
    "manufacturer": _l("Manufacturer"),
    "publication_rule": _l("Rule of publication"),
    "alarm_threshold": _l("Alarm threshold"),
    "deadline": _l("Deadline of verification"),
    "holiday": _l("Holiday"),
    "province_rule": _l("Rule of a province"),
    "monthly_report": _l("Monthly report"),
    "saved_view": _l("View of a list"),
    "settings": _l("Settings of an account"),
    "clock_run": _l("Daily run"),
    "photo": _l("Photo"),
    "document": _l("Scan of a document"),
}
DETAILS = {
    "reason": _l("Reason"),
    "role": _l("Role"),
    "before": _l("Before"),
    "after": _l("After"),
    "changed": _l("Changed"),
    "filter": _l("Filter"),
    "rows": _l("Rows"),
    "ticked": _l("Ticked rows"),
    "format": _l("Format"),
    "done": _l("Done"),
    "institution": _l("Institution"),
    "unable": _l("Not able"),
    "what": _l("What"),
    "scopes": _l("Scopes"),
    "key": _l("Key"),
    "days": _l("Days"),
    "entries": _l("Entries"),
    "broken": _l("Broken"),
    "second_factor": _l("Second factor"),
    "seed": _l("Seed"),
    "among": _l("Among"),
    "value": _l("Value"),
    "automatic": _l("Automatic"),
}


def told(detail: dict[str, Any]) -> str:
    """The particulars of an entry in one line."""
    parts = [f"{DETAILS.get(name, name)}: {_worded(value)}" for name, value in detail.items() if value not in ("", [])]
    return "; ".join(parts)


def _worded(value: Any) -> str:
    if isinstance(value, list):
        shown = "、".join(str(each) for each in value[:10])
        return f"{shown} … ({len(value)})" if len(value) > 10 else shown
    return str(value)


def timeline(entries: list[AuditEntry]) -> list[dict[str, Any]]:
    """Entries as the history of the thing they are about."""
    return [deed(entry, told(entry.detail)) for entry in entries]


def deed(entry: AuditEntry, reason: str, **more: Any) -> dict[str, Any]:
    """An entry as a step in the history of the thing it is about."""
    step = ACTIONS.get(entry.action, entry.action)
    return outcomes.deed(entry, step, reason, _STYLES.get(entry.action), **more)


class AuditLog(ModelPage):
    """审计日志."""

    route_base = "/audit"
    class_permission_name = "AuditLog"
    list_title = _l("Audit log")
    subtitle = _l("It only grows; every entry seals the one before it.")
    empty = _l("No entry matches.")

    source = Source(AuditEntry, key=AuditEntry.at, descending=True)
    columns = (
        Column("at", _l("Time"), AuditEntry.at, moment, css="nowrap", fixed=True),
        Column(
            "action",
            _l("Action"),
            AuditEntry.action,
            label(ACTIONS),
            fixed=True,
        ),
        Column("by_name", _l("Person"), AuditEntry.by_name, WHO, css="nowrap"),
        Column("by_organization", _l("Organization"), AuditEntry.by_organization, OFFICE),
        Column("address", _l("Address"), AuditEntry.address, css="nowrap"),
        Column(
            "subject",
            _l("Kind of object"),
            AuditEntry.subject,
            label(SUBJECTS),
            css="nowrap",
        ),
        Column("subject_name", _l("Object"), AuditEntry.subject_name),
        Column("detail", _l("Particulars"), AuditEntry.detail, told, css="wide"),
        Column("seal", _l("Seal"), AuditEntry.seal, hidden=True),
    )
    filters = (
        Dates("at", _l("Time"), AuditEntry.at),
        Choice("action", _l("Action"), AuditEntry.action, ACTIONS),
    )
    search = Search(
        (
            in_own("person", _l("Person"), Begins(AuditEntry.by_name)),
            in_own("object", _l("Object"), Begins(AuditEntry.subject_name)),
        ),
        placeholder=_l("Search"),
    )

    def details(self, row_id: int) -> Show | None:
        entry = audits.entry(row_id)
        if entry is None:
            return None
        particulars = [(DETAILS.get(name, name), _worded(value)) for name, value in entry.detail.items()]
        return Show(
            id=entry.id,
            title=str(ACTIONS.get(entry.action, entry.action)),
            sections=[Section("", _facts(entry)), *([Section(_("Particulars"), particulars)] if particulars else [])],
        )


def _facts(entry: AuditEntry) -> list[tuple[Any, Any]]:
    return [
        (_("Time"), moment(entry.at)),
        (_("Person"), WHO(entry.by_name)),
        (_("Organization"), OFFICE(entry.by_organization)),
        (_("Address"), entry.address),
        (_("Kind of object"), SUBJECTS.get(entry.subject, entry.subject)),
        (_("Object"), entry.subject_name),
        (_("Place in its chain"), f"{entry.chain} / {entry.number}"),
        (_("Seal"), entry.seal),
    ]
