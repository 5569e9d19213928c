"""Workflows as data: the states of each thing, the named groups of states, and the steps between them."""

from dataclasses import dataclass

from flask_babel import lazy_gettext as _l


@dataclass(frozen=True)
class Step:
    """One move of a workflow: from any of `sources` to `target`, done by somebody who may."""

    name: str
    sources: frozenset[str]
    target: str
    needs_reason: bool = False


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
WITH_REASON = frozenset({RETURNED, REFUSED})

SUBMIT = Step("submit", frozenset({DRAFT}), OFFERED)
SUBMIT_UNMATCHED = Step("submit", frozenset({DRAFT}), UNASSIGNED)
ACCEPT = Step("accept", frozenset({OFFERED}), ACCEPTED)
RETURN = Step("return", frozenset({OFFERED}), RETURNED, needs_reason=True)
START = Step("start", frozenset({ACCEPTED}), VERIFYING)
RECORD = Step("record", frozenset({VERIFYING}), TO_CHECK)
CHECK = Step("check", frozenset({TO_CHECK}), TO_APPROVE)
APPROVE = Step("approve", frozenset({TO_APPROVE}), CERTIFIED)
ASSIGN = Step("assign", AWAITING_AUTHORITY, OFFERED)
REFUSE = Step("refuse", AWAITING_AUTHORITY, REFUSED, needs_reason=True)
ESCALATE = Step("escalate", AWAITING_AUTHORITY, UNASSIGNED, needs_reason=True)
WITHDRAW = Step("withdraw", frozenset({OFFERED}), WITHDRAWN)
TIME_OUT = Step("time_out", frozenset({OFFERED}), UNASSIGNED)

TASK_STEPS = (
    SUBMIT,
    SUBMIT_UNMATCHED,
    ACCEPT,
    RETURN,
    START,
    RECORD,
    CHECK,
    APPROVE,
    ASSIGN,
    REFUSE,
    ESCALATE,
    WITHDRAW,
    TIME_OUT,
)

# Capability of an institution (机构项目).
PENDING = "pending"
EFFECTIVE = "effective"
REJECTED = "rejected"
EXPIRED = "expired"
CAPABILITY_STATES = (PENDING, EFFECTIVE, REJECTED, EXPIRED)

# Measurement standard (社会公用计量标准).
SUBMITTED = "submitted"
APPROVED = "approved"
SENT_BACK = "sent_back"
STANDARD_STATES = (DRAFT, SUBMITTED, APPROVED, SENT_BACK)

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

# Certificate (检定证书).
VOID = "void"
REPLACED = "replaced"
CERTIFICATE_STATES = (VALID, VOID, REPLACED)

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
    "start": _l("Start verification"),
    "record": _l("Record result"),
    "check": _l("Check"),
    "approve": _l("Approve"),
    "assign": _l("Assign"),
    "refuse": _l("Refuse"),
    "escalate": _l("Escalate"),
    "withdraw": _l("Withdraw"),
    "time_out": _l("Not answered in time"),
    "reveal": _l("Phone number shown"),
}
USE_LABELS = {IN_USE: _l("In use"), STOPPED: _l("Out of use"), SCRAPPED: _l("Scrapped")}
VERIFICATION_LABELS = {
    UNVERIFIED: _l("Not verified"),
    VALID: _l("Valid"),
    DUE_SOON: _l("Due soon"),
    OVERDUE: _l("Overdue"),
    FAILED: _l("Failed"),
}
ACCOUNT_LABELS = {
    REGISTERED: _l("Waiting for a role"),
    ACTIVE: _l("Active"),
    LOCKED: _l("Locked"),
    DISABLED: _l("Deactivated"),
}
