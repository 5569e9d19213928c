"""通知: what the system told one, the newest first."""

from typing import Any

from flask import g
from flask_babel import lazy_gettext as _l, ngettext
from markupsafe import Markup
from sqlalchemy import Text, case, cast, func, literal

from app.domain import notifications
from app.fabkit.actions import Selection, form_action
from app.fabkit.filters import Switch
from app.fabkit.formats import badge, moment
from app.fabkit.lists import Column, Source
from app.fabkit.pages import ModelPage
from app.models import Notification

# What is said of a step, to a party; the third word tells of what, where it is not what usually is.
TEXTS: dict[tuple[str, ...], Any] = {
    ("submit", "institution"): _l("Tasks were offered to you"),
    ("resubmit", "institution"): _l("Tasks were offered to you again"),
    ("assign", "institution"): _l("The authority assigned tasks to you"),
    ("withdraw", "institution"): _l("The using unit withdrew tasks"),
    ("near_deadline", "institution"): _l("Tasks are near or past their deadline"),
    ("pass", "institution"): _l("Capabilities have passed the review"),
    ("reject", "institution"): _l("Capabilities were rejected"),
    ("expire", "institution"): _l("Capabilities have expired"),
    ("revoke", "institution"): _l("The publication of your institution was revoked"),
    ("qualification", "institution"): _l("Qualifications of your staff expire in 30 days"),
    ("submit", "authority"): _l("Tasks without an institution wait for you"),
    ("resubmit", "authority"): _l("Tasks without an institution wait for you"),
    ("return", "authority"): _l("Institutions returned tasks"),
    ("escalate", "authority"): _l("Tasks were escalated to you"),
    ("time_out", "authority"): _l("Institutions did not answer in time; assign the tasks anew"),
    ("accept", "using_unit"): _l("The institution accepted your tasks"),
    ("return", "using_unit"): _l("The institution returned your tasks"),
    ("plan", "using_unit"): _l("The institution planned a day for your tasks"),
    ("receive", "using_unit"): _l("The institution received your instruments"),
    ("approve", "using_unit"): _l("Certificates were issued"),
    ("correct", "using_unit"): _l("Certificates were voided, to be issued anew"),
    ("assign", "using_unit"): _l("The authority assigned an institution"),
    ("refuse", "using_unit"): _l("The authority refused your tasks"),
    ("time_out", "using_unit"): _l("The institution did not answer in time; the authority assigns anew"),
    ("fall_due", "using_unit"): _l("Instruments fall due within 30 days: book their verification"),
    ("run_out", "using_unit"): _l("Instruments are overdue and must not be used"),
    ("pass", "using_unit"): _l("Filings have passed the review"),
    ("send_back", "using_unit"): _l("Filings were sent back to you"),
    ("pass", "institution", "measurement_standard"): _l("Measurement standards were approved"),
    ("change", "institution", "measurement_standard"): _l("Changes of measurement standards were approved"),
    ("expire", "institution", "measurement_standard"): _l("Measurement standards have expired"),
    ("seal", "institution", "measurement_standard"): _l("Measurement standards were sealed up"),
    ("abolish", "institution", "measurement_standard"): _l("Measurement standards were abolished"),
    ("standard_failed", "institution"): _l("A measurement standard behind your certificates was found bad"),
    ("standard_failed", "using_unit"): _l("A measurement standard behind your certificates was found bad"),
    ("standard", "authority"): _l("Measurement standards of institutions below you end soon"),
    ("standard", "institution"): _l("Measurement standards end soon: renew their certificates"),
    ("suspend", "institution"): _l("Your institution was suspended: it is offered no new tasks"),
    ("reinstate", "institution"): _l("Your institution was reinstated"),
    ("inspect", "inspector"): _l("Inspections were planned for you"),
    ("answer", "authority"): _l("Inspected parties reported their rectification; look at it again"),
    ("rectify_past", "authority"): _l("Deadlines of rectification are past"),
    **{
        (kind, party): text
        for party in ("institution", "using_unit")
        for kind, text in {
            "conclude": _l("An inspection of you was concluded"),
            "recheck": _l("Your rectification was accepted"),
            "recheck_failed": _l("Your rectification was not accepted; there is another deadline"),
            "rectify_near": _l("A deadline of rectification ends within 3 days"),
            "rectify_past": _l("A deadline of rectification is past"),
        }.items()
    },
    ("role_given", "account"): _l("You were given a role"),
    ("found", "authority"): _l("Units that registered by themselves wait to be admitted"),
    ("admitted", "account"): _l("Your unit was admitted"),
    ("turned_down", "account"): _l("Your unit was not admitted; please ask the authority of its place"),
    ("role_taken", "account"): _l("A role was taken from you"),
    ("second_asked", "account"): _l("An administrator asks to change your account; a second one must confirm it"),
    ("password_reset", "account"): _l("An administrator has given you a new password"),
    ("password_changed", "account"): _l("Your password was changed; access keys made before are no longer valid"),
    ("second_factor_set", "account"): _l("A second factor was set up for your account"),
    ("second_factor_off", "account"): _l("The second factor of your account was switched off"),
    ("access_key_made", "account"): _l("An access key was made for your account"),
    ("job_done", "account"): _l("What you left to the background is ready"),
    ("job_broken", "account"): _l("What you left to the background could not be done"),
}
# Where what it is about is worked on.
PAGES = {
    ("task", "authority"): "/assignments/",
    ("task", "institution"): "/inbox/",
    ("task", "using_unit"): "/progress/",
    ("instrument", "using_unit"): "/ledger/",
    ("capability", "institution"): "/capabilities/",
    ("measurement_standard", "institution"): "/capabilities/",
    ("measurement_standard", "authority"): "/standards/",
    ("certificate", "institution"): "/certificates/",
    ("certificate", "using_unit"): "/certificates/",
    ("institution", "institution"): "/capabilities/",
    ("qualification", "institution"): "/staff/",
    ("inspection", "authority"): "/inspections/",
    ("inspection", "inspector"): "/inspections/",
    ("inspection", "institution"): "/own-inspections/",
    ("inspection", "using_unit"): "/own-inspections/",
    ("account", "account"): "/me/",
    ("organization", "authority"): "/organizations/",
    ("job", "account"): "/jobs/",
}
READ = {"unread": _l("Unread"), "read": _l("Read")}
_AMOUNT = " ({})"


def _about(value: str) -> Any:
    """What happened, with the way to the row or the list that it is about."""
    kind, party, subject, amount, id = value.split(" ")
    text = TEXTS.get((kind, party, subject)) or TEXTS.get((kind, party), kind)
    counted = f"{text} ({amount})" if amount != "1" else text
    address = PAGES.get((subject, party), "/")
    if id and subject not in ("account", "qualification", "institution", "measurement_standard"):
        address += f"show/{id}"
    return Markup('<a href="{}">{}</a>').format(address, counted)


_FACTS = func.concat_ws(
    literal(" "),
    Notification.kind,
    Notification.party,
    Notification.subject,
    cast(Notification.amount, Text),
    func.coalesce(cast(Notification.subject_id, Text), ""),
)
_IS_READ = case((Notification.read_at.is_(None), "unread"), else_="read")


def _read(value: str) -> Any:
    return Notification.read_at.is_(None) if value == "unread" else Notification.read_at.is_not(None)


class Notifications(ModelPage):
    """通知."""

    route_base = "/notifications"
    class_permission_name = "Notifications"
    list_title = _l("Notifications")
    subtitle = _l("What is mailed as well is set under My account.")
    empty = _l("Nothing has been told to you yet.")
    source = Source(
        Notification,
        key=Notification.id,
        where=lambda: [Notification.account_id == g.principal.account_id],
        descending=True,
    )
    columns = (
        Column("read", _l("State"), _IS_READ, badge(READ), css="nowrap"),
        Column("at", _l("Time"), Notification.at, moment, css="nowrap", fixed=True),
        Column("about", _l("Notification"), _FACTS, _about, fixed=True),
        Column("reason", _l("Reason"), Notification.reason, css="wide"),
    )
    extra = {"state": _IS_READ}  # noqa: RUF012
    filters = (Switch("read", _l("State"), None, READ, multiple=False, conditions=_read),)

    @form_action("mark_read", _l("Mark as read"), icon="check", style="primary", states=frozenset({"unread"}))
    def mark_read(self, selection: Selection, _form: Any) -> str:
        count = notifications.mark_read(selection.ids, g.principal)
        return ngettext("Marked %(num)s notification as read.", "Marked %(num)s notifications as read.", count)
