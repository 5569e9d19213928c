"""Workflows as data: the states of each thing, the named groups of states, and the steps between them."""

from dataclasses import dataclass
from typing import Any

from flask_babel import lazy_gettext as _l


@dataclass(frozen=True)
class Step:
    """One move of a workflow: from any of `sources` to `target`, done by somebody who may.

    `of` is the table whose rows move, `column` the one of their states that changes; `tells` names the parties that
    get a notification.
    """

    name: str
    sources: frozenset[str]
    target: str
    needs_reason: bool = False
    of: str = "task"
    column: str = "state"
    tells: frozenset[str] = frozenset()


# The parties of a task, by what they are to it.
UNIT, INSTITUTION, DESK = "using_unit", "institution", "authority"


def _tells(*parties: str) -> frozenset[str]:
    return frozenset(parties)


# Verification task (检定任务): one instrument in one appointment.
DRAFT = "draft"
UNASSIGNED = "unassigned"
OFFERED = "offered"
ACCEPTED = "accepted"
VERIFYING = "verifying"
TO_CHECK = "to_check"
TO_APPROVE = "to_approve"
CERTIFIED = "certified"
RETURNED = "returned"
REFUSED = "refused"
WITHDRAWN = "withdrawn"

TASK_STATES = (
    DRAFT,
    UNASSIGNED,
    OFFERED,
    ACCEPTED,
    VERIFYING,
    TO_CHECK,
    TO_APPROVE,
    CERTIFIED,
    RETURNED,
    REFUSED,
    WITHDRAWN,
)
AWAITING_AUTHORITY = frozenset({UNASSIGNED, RETURNED})
AT_INSTITUTION = frozenset({OFFERED, ACCEPTED, VERIFYING, TO_CHECK, TO_APPROVE})
WITH_INSTITUTION = AT_INSTITUTION | {CERTIFIED}
OPEN = AWAITING_AUTHORITY | AT_INSTITUTION
# An institution is still to be found.
UNPLACED = AWAITING_AUTHORITY | {DRAFT}
# A result has been written down and waits for another pair of eyes.
IN_REVIEW = frozenset({TO_CHECK, TO_APPROVE})
WITH_REASON = frozenset({RETURNED, REFUSED})

SUBMIT = Step("submit", frozenset({DRAFT}), OFFERED, tells=_tells(INSTITUTION))
SUBMIT_UNMATCHED = Step("submit", frozenset({DRAFT}), UNASSIGNED, tells=_tells(DESK))
ACCEPT = Step("accept", frozenset({OFFERED}), ACCEPTED, tells=_tells(UNIT))
RETURN = Step("return", frozenset({OFFERED, ACCEPTED}), RETURNED, needs_reason=True, tells=_tells(DESK, UNIT))
PLAN = Step("plan", frozenset({ACCEPTED}), ACCEPTED, tells=_tells(UNIT))
RECEIVE = Step("receive", frozenset({ACCEPTED}), ACCEPTED, tells=_tells(UNIT))
START = Step("start", frozenset({ACCEPTED}), VERIFYING)
RECORD = Step("record", frozenset({VERIFYING}), TO_CHECK)
CHECK = Step("check", frozenset({TO_CHECK}), TO_APPROVE)
REWORK = Step("rework", frozenset({TO_CHECK, TO_APPROVE}), VERIFYING, needs_reason=True)
APPROVE = Step("approve", frozenset({TO_APPROVE}), CERTIFIED, tells=_tells(UNIT))
CORRECT = Step("correct", frozenset({CERTIFIED}), VERIFYING, needs_reason=True, tells=_tells(UNIT))
ASSIGN = Step("assign", AWAITING_AUTHORITY, OFFERED, tells=_tells(INSTITUTION, UNIT))
REFUSE = Step("refuse", AWAITING_AUTHORITY, REFUSED, needs_reason=True, tells=_tells(UNIT))
ESCALATE = Step("escalate", AWAITING_AUTHORITY, UNASSIGNED, needs_reason=True, tells=_tells(DESK))
RESUBMIT = Step("resubmit", frozenset({RETURNED}), OFFERED, tells=_tells(INSTITUTION))
RESUBMIT_UNMATCHED = Step("resubmit", frozenset({RETURNED}), UNASSIGNED, tells=_tells(DESK))
WITHDRAW = Step("withdraw", AWAITING_AUTHORITY | {OFFERED}, WITHDRAWN, tells=_tells(INSTITUTION))
TIME_OUT = Step("time_out", frozenset({OFFERED}), UNASSIGNED, tells=_tells(DESK, UNIT))

TASK_STEPS = (
    SUBMIT,
    SUBMIT_UNMATCHED,
    ACCEPT,
    RETURN,
    PLAN,
    RECEIVE,
    START,
    RECORD,
    CHECK,
    REWORK,
    APPROVE,
    CORRECT,
    ASSIGN,
    REFUSE,
    ESCALATE,
    RESUBMIT,
    RESUBMIT_UNMATCHED,
    WITHDRAW,
    TIME_OUT,
)

# Capability of an institution (机构项目).
PENDING = "pending"
EFFECTIVE = "effective"
REJECTED = "rejected"
EXPIRED = "expired"
CAPABILITY_STATES = (DRAFT, PENDING, EFFECTIVE, REJECTED, EXPIRED)


def _of_capability(name: str, sources: set[str], target: str, **more: Any) -> Step:
    return Step(name, frozenset(sources), target, of="capability", **more)


DECLARE = _of_capability("declare", {DRAFT, REJECTED}, PENDING)
RECALL = _of_capability("recall", {PENDING}, DRAFT)
PASS_CAPABILITY = _of_capability("pass", {PENDING}, EFFECTIVE, tells=_tells(INSTITUTION))
REJECT_CAPABILITY = _of_capability("reject", {PENDING}, REJECTED, needs_reason=True, tells=_tells(INSTITUTION))
EXPIRE = _of_capability("expire", {EFFECTIVE}, EXPIRED, tells=_tells(INSTITUTION))
CAPABILITY_STEPS = (DECLARE, RECALL, PASS_CAPABILITY, REJECT_CAPABILITY, EXPIRE)

# Measurement standard (社会公用计量标准). A change of one that is in force is a version of its own until it has passed.
SUBMITTED = "submitted"
APPROVED = "approved"
SENT_BACK = "sent_back"
SEALED = "sealed"
ABOLISHED = "abolished"
SUPERSEDED = "superseded"
STANDARD_STATES = (DRAFT, SUBMITTED, APPROVED, SENT_BACK, EXPIRED, SEALED, ABOLISHED, SUPERSEDED)
# Versions that are being written.
UNFINISHED = frozenset({DRAFT, SENT_BACK})


def _of_standard(name: str, sources: set[str], target: str, **more: Any) -> Step:
    return Step(name, frozenset(sources), target, of="measurement_standard", **more)


SUBMIT_STANDARD = _of_standard("submit", {DRAFT, SENT_BACK}, SUBMITTED)
RECALL_STANDARD = _of_standard("recall", {SUBMITTED}, DRAFT)
PASS_STANDARD = _of_standard("pass", {SUBMITTED}, APPROVED, tells=_tells(INSTITUTION))
PASS_CHANGE = _of_standard("pass", {SUBMITTED}, SUPERSEDED)
CHANGE_STANDARD = _of_standard("change", {APPROVED, EXPIRED}, APPROVED, tells=_tells(INSTITUTION))
SEND_BACK_STANDARD = _of_standard("send_back", {SUBMITTED}, SENT_BACK, needs_reason=True)
EXPIRE_STANDARD = _of_standard("expire", {APPROVED}, EXPIRED, tells=_tells(INSTITUTION))
SEAL = _of_standard("seal", {APPROVED, EXPIRED}, SEALED, needs_reason=True, tells=_tells(INSTITUTION))
ABOLISH = _of_standard("abolish", {APPROVED, EXPIRED, SEALED}, ABOLISHED, needs_reason=True, tells=_tells(INSTITUTION))
STANDARD_STEPS = (
    SUBMIT_STANDARD,
    RECALL_STANDARD,
    PASS_STANDARD,
    PASS_CHANGE,
    CHANGE_STANDARD,
    SEND_BACK_STANDARD,
    EXPIRE_STANDARD,
    SEAL,
    ABOLISH,
)

# Publication (公示) of certificates, institutions and catalogue items.
UNPUBLISHED = "unpublished"
PUBLISHED = "published"
PUBLICATION_STATES = (UNPUBLISHED, PUBLISHED)

# The instrument: filing (备案), use, verification.
FILED = "filed"
FILING_STATES = (DRAFT, PENDING, FILED, SENT_BACK)
IN_USE = "in_use"
STOPPED = "stopped"
SCRAPPED = "scrapped"
USE_STATES = (IN_USE, STOPPED, SCRAPPED)
UNVERIFIED = "unverified"
VALID = "valid"
DUE_SOON = "due_soon"
OVERDUE = "overdue"
FAILED = "failed"
VERIFICATION_STATES = (UNVERIFIED, VALID, DUE_SOON, OVERDUE, FAILED)
# The dates decide among these.
VERIFIED = frozenset({VALID, DUE_SOON, OVERDUE})


def _of_instrument(column: str, name: str, sources: set[str], target: str, **more: Any) -> Step:
    return Step(name, frozenset(sources), target, of="instrument", column=column, **more)


FILE = _of_instrument("filing_state", "file", {DRAFT, SENT_BACK}, FILED)
FILE_FOR_REVIEW = _of_instrument("filing_state", "file", {DRAFT, SENT_BACK, FILED}, PENDING)
PASS_FILING = _of_instrument("filing_state", "pass", {PENDING}, FILED, tells=_tells(UNIT))
SEND_BACK = _of_instrument("filing_state", "send_back", {PENDING}, SENT_BACK, needs_reason=True, tells=_tells(UNIT))
STOP = _of_instrument("use_state", "stop", {IN_USE}, STOPPED)
RESUME = _of_instrument("use_state", "resume", {STOPPED}, IN_USE)
SCRAP = _of_instrument("use_state", "scrap", {IN_USE, STOPPED}, SCRAPPED)
VERIFY = _of_instrument("verification_state", "verify", set(VERIFICATION_STATES), VALID)
FAIL = _of_instrument("verification_state", "fail", set(VERIFICATION_STATES), FAILED)
FALL_DUE = _of_instrument("verification_state", "fall_due", {VALID}, DUE_SOON, tells=_tells(UNIT))
RUN_OUT = _of_instrument("verification_state", "run_out", {VALID, DUE_SOON}, OVERDUE, tells=_tells(UNIT))
UNVERIFY = _of_instrument("verification_state", "unverify", set(VERIFICATION_STATES), UNVERIFIED)
INSTRUMENT_STEPS = (
    FILE,
    FILE_FOR_REVIEW,
    PASS_FILING,
    SEND_BACK,
    STOP,
    RESUME,
    SCRAP,
    VERIFY,
    FAIL,
    FALL_DUE,
    RUN_OUT,
    UNVERIFY,
)

# Certificate (检定证书).
VOID = "void"
REPLACED = "replaced"
CERTIFICATE_STATES = (VALID, VOID, REPLACED)
VOID_CERTIFICATE = Step("void", frozenset({VALID}), VOID, needs_reason=True, of="certificate")
REPLACE = Step("replace", frozenset({VOID}), REPLACED, of="certificate")
CERTIFICATE_STEPS = (VOID_CERTIFICATE, REPLACE)


def _of_publication(of: str, *parties: str) -> tuple[Step, Step]:
    publish = Step("publish", frozenset({UNPUBLISHED}), PUBLISHED, of=of, column="publication")
    revoke = Step(
        "revoke", frozenset({PUBLISHED}), UNPUBLISHED, needs_reason=True, of=of, column="publication",
        tells=_tells(*parties),
    )  # fmt: skip
    return publish, revoke


# Inspection (监督检查): of an institution, a standard, a using unit, an instrument.
PLANNED = "planned"
UNDER_WAY = "under_way"
TO_RECTIFY = "to_rectify"
TO_RECHECK = "to_recheck"
CLOSED = "closed"
CANCELLED = "cancelled"
INSPECTION_STATES = (PLANNED, UNDER_WAY, TO_RECTIFY, TO_RECHECK, CLOSED, CANCELLED)
# What was found is told to the inspected party, and may be published.
CONCLUDED_INSPECTION = frozenset({TO_RECTIFY, TO_RECHECK, CLOSED})
OPEN_RECTIFICATION = frozenset({TO_RECTIFY, TO_RECHECK})
NOT_CONCLUDED = frozenset({PLANNED, UNDER_WAY})


def _of_inspection(name: str, sources: set[str] | frozenset[str], target: str, **more: Any) -> Step:
    return Step(name, frozenset(sources), target, of="inspection", **more)


INSPECT = _of_inspection("inspect", NOT_CONCLUDED, UNDER_WAY)
CONCLUDE = _of_inspection("conclude", {UNDER_WAY}, CLOSED, tells=_tells(UNIT, INSTITUTION))
CONCLUDE_TO_RECTIFY = _of_inspection("conclude", {UNDER_WAY}, TO_RECTIFY, tells=_tells(UNIT, INSTITUTION))
ANSWER = _of_inspection("answer", {TO_RECTIFY}, TO_RECHECK, tells=_tells(DESK))
RECHECK = _of_inspection("recheck", OPEN_RECTIFICATION, CLOSED, tells=_tells(UNIT, INSTITUTION))
RECHECK_FAILED = _of_inspection(
    "recheck_failed", OPEN_RECTIFICATION, TO_RECTIFY, needs_reason=True, tells=_tells(UNIT, INSTITUTION)
)
CANCEL = _of_inspection("cancel", NOT_CONCLUDED, CANCELLED, needs_reason=True)
INSPECTION_STEPS = (INSPECT, CONCLUDE, CONCLUDE_TO_RECTIFY, ANSWER, RECHECK, RECHECK_FAILED, CANCEL)

# Standing of an institution (机构状态): only one in service is offered tasks.
IN_SERVICE = "in_service"
SUSPENDED = "suspended"
STANDINGS = (IN_SERVICE, SUSPENDED, CLOSED)


def _of_standing(name: str, sources: set[str], target: str, **more: Any) -> Step:
    return Step(name, frozenset(sources), target, of="institution", column="standing", **more)


SUSPEND = _of_standing("suspend", {IN_SERVICE}, SUSPENDED, needs_reason=True, tells=_tells(INSTITUTION))
REINSTATE = _of_standing("reinstate", {SUSPENDED}, IN_SERVICE, tells=_tells(INSTITUTION))
CLOSE = _of_standing("close", {IN_SERVICE, SUSPENDED}, CLOSED, needs_reason=True)
STANDING_STEPS = (SUSPEND, REINSTATE, CLOSE)

PUBLISH_CERTIFICATE, REVOKE_CERTIFICATE = _of_publication("certificate")
PUBLISH_INSTITUTION, REVOKE_INSTITUTION = _of_publication("institution", INSTITUTION)
PUBLISH_ITEM, REVOKE_ITEM = _of_publication("catalogue_item")
PUBLISH_INSPECTION, REVOKE_INSPECTION = _of_publication("inspection")
PUBLICATION_STEPS = (
    PUBLISH_CERTIFICATE,
    REVOKE_CERTIFICATE,
    PUBLISH_INSTITUTION,
    REVOKE_INSTITUTION,
    PUBLISH_ITEM,
    REVOKE_ITEM,
    PUBLISH_INSPECTION,
    REVOKE_INSPECTION,
)

# Job: long work for somebody.
WAITING = "waiting"
RUNNING = "running"
DONE = "done"
BROKEN = "broken"
JOB_STATES = (WAITING, RUNNING, DONE, BROKEN, CANCELLED)

# Account (账号): registered until it has a role.
REGISTERED = "registered"
ACTIVE = "active"
LOCKED = "locked"
DISABLED = "disabled"
ACCOUNT_STATES = (REGISTERED, ACTIVE, LOCKED, DISABLED)

TASK_LABELS = {
    DRAFT: _l("Draft"),
    UNASSIGNED: _l("Unassigned"),
    OFFERED: _l("Offered"),
    ACCEPTED: _l("Accepted"),
    VERIFYING: _l("Verifying"),
    TO_CHECK: _l("To check"),
    TO_APPROVE: _l("To approve"),
    CERTIFIED: _l("Certified"),
    RETURNED: _l("Returned"),
    REFUSED: _l("Refused"),
    WITHDRAWN: _l("Withdrawn"),
}
STEP_LABELS = {
    "submit": _l("Submit"),
    "accept": _l("Accept"),
    "return": _l("Return"),
    "plan": _l("Plan a date"),
    "receive": _l("Receive"),
    "start": _l("Start verification"),
    "record": _l("Record result"),
    "check": _l("Check"),
    "rework": _l("Give back for rework"),
    "approve": _l("Approve"),
    "correct": _l("Correct"),
    "assign": _l("Assign"),
    "refuse": _l("Refuse"),
    "escalate": _l("Escalate"),
    "resubmit": _l("Submit again"),
    "withdraw": _l("Withdraw"),
    "time_out": _l("Not answered in time"),
    "reveal": _l("Phone number shown"),
    "add": _l("Add"),
    "edit": _l("Edit"),
    "file": _l("File"),
    "pass": _l("Pass"),
    "send_back": _l("Send back"),
    "stop": _l("Take out of use"),
    "resume": _l("Put back into use"),
    "scrap": _l("Scrap"),
    "verify": _l("Verified"),
    "fail": _l("Failed"),
    "fall_due": _l("Due soon"),
    "run_out": _l("Overdue"),
    "unverify": _l("No longer verified"),
    "declare": _l("Submit for review"),
    "recall": _l("Recall"),
    "reject": _l("Reject"),
    "expire": _l("Expired"),
    "publish": _l("Publish"),
    "revoke": _l("Revoke publication"),
    "void": _l("Voided"),
    "replace": _l("Replaced"),
    "change": _l("Changed"),
    "seal": _l("Seal up"),
    "abolish": _l("Abolish"),
    "draw": _l("Drawn at random"),
    "inspect": _l("Inspect"),
    "conclude": _l("Conclude"),
    "answer": _l("Report the rectification"),
    "recheck": _l("Re-check passed"),
    "recheck_failed": _l("Re-check not passed"),
    "cancel": _l("Call off"),
    "suspend": _l("Suspend"),
    "reinstate": _l("Reinstate"),
    "close": _l("Close for good"),
}
USE_LABELS = {IN_USE: _l("In use"), STOPPED: _l("Out of use"), SCRAPPED: _l("Scrapped")}
VERIFICATION_LABELS = {
    UNVERIFIED: _l("Not verified"),
    VALID: _l("Valid"),
    DUE_SOON: _l("Due soon"),
    OVERDUE: _l("Overdue"),
    FAILED: _l("Failed"),
}
FILING_LABELS = {
    DRAFT: _l("Not filed"),
    PENDING: _l("Filing under review"),
    FILED: _l("Filed"),
    SENT_BACK: _l("Sent back"),
}
CAPABILITY_LABELS = {
    DRAFT: _l("Draft"),
    PENDING: _l("Under review"),
    EFFECTIVE: _l("Effective"),
    REJECTED: _l("Rejected"),
    EXPIRED: _l("Expired"),
}
STANDARD_LABELS = {
    DRAFT: _l("Not reviewed"),
    SUBMITTED: _l("Under review"),
    APPROVED: _l("Approved"),
    SENT_BACK: _l("Review not passed"),
    EXPIRED: _l("Expired"),
    SEALED: _l("Sealed up"),
    ABOLISHED: _l("Abolished"),
    SUPERSEDED: _l("Earlier version"),
}
PUBLICATION_LABELS = {UNPUBLISHED: _l("Unpublished"), PUBLISHED: _l("Published")}
INSPECTION_LABELS = {
    PLANNED: _l("To be inspected"),
    UNDER_WAY: _l("Inspection under way"),
    TO_RECTIFY: _l("To be rectified"),
    TO_RECHECK: _l("To be re-checked"),
    CLOSED: _l("Inspection closed"),
    CANCELLED: _l("Called off"),
}
STANDING_LABELS = {
    IN_SERVICE: _l("Institution in service"),
    SUSPENDED: _l("Suspended"),
    CLOSED: _l("Closed for good"),
}
CERTIFICATE_LABELS = {VALID: _l("Valid"), VOID: _l("Void"), REPLACED: _l("Replaced")}
ACCOUNT_LABELS = {
    REGISTERED: _l("Waiting for a role"),
    ACTIVE: _l("Active"),
    LOCKED: _l("Locked"),
    DISABLED: _l("Deactivated"),
}
