"""信息公示: what of one's jurisdiction everybody may look up (政府信息公开条例 Art 19, 20), and taking it back."""

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Any

from flask_babel import gettext as _
from sqlalchemy import ColumnElement, Date, cast, func, select

from app import audit
from app.access import EVERYTHING, Principal
from app.domain import holidays, institutions, reasons
from app.errors import RuleError, Stale
from app.models import Certificate, Event, Institution, Organization, PublicationRule, db
from app.states import (
    CLOSED,
    PUBLISH_CERTIFICATE,
    PUBLISH_INSTITUTION,
    REVOKE_CERTIFICATE,
    REVOKE_INSTITUTION,
    VALID,
)
from app.workflow import Chosen, Outcome, fire

SHORTEST_REASON, LONGEST_REASON = 4, 500
# Working days in which what is to be disclosed is disclosed (政府信息公开条例 Art 26).
DAYS = 20
UNDONE_WITHIN = timedelta(minutes=10)


# --- The clock -----------------------------------------------------------------------------------


def due_on() -> Any:
    """SQL, for a certificate: the last day to publish it."""
    issued_on = cast(func.timezone(str(holidays.ZONE), Certificate.issued_at), Date)
    return holidays.working_days_after(issued_on, DAYS)


def is_late() -> ColumnElement[bool]:
    """The condition that a certificate should have been published by now."""
    last = holidays.latest_day_over(DAYS)
    begin: ColumnElement[bool] = Certificate.issued_at < datetime.combine(last + timedelta(1), time(), holidays.ZONE)
    return begin


# --- Certificates --------------------------------------------------------------------------------


def publish(chosen: Chosen, by: Principal) -> Outcome:
    """发布: show certificates of one's jurisdiction to everybody; void ones never."""
    return fire(PUBLISH_CERTIFICATE, chosen, by, only=_valid(), published_at=func.now())


def revoke(chosen: Chosen, reason: str, by: Principal) -> Outcome:
    """撤销发布: show the certificates to nobody any more, at once."""
    text = reasons.checked(reason, shortest=SHORTEST_REASON, longest=LONGEST_REASON)
    return fire(REVOKE_CERTIFICATE, chosen, by, reason=text, published_at=None)


def _valid() -> ColumnElement[bool]:
    valid: ColumnElement[bool] = _certificate.state == VALID
    return valid


_certificate = Certificate.__table__.c


def moment() -> datetime:
    """The moment of what is being done, by which it can be undone."""
    now: datetime = db.session.execute(select(func.now())).scalar_one()
    return now


def undo(step: str, at: datetime, by: Principal) -> Outcome:
    """撤回刚才的操作: take back a publication, or a revocation, of one's own a few minutes ago."""
    if datetime.now(UTC) - at > UNDONE_WITHIN:
        raise RuleError(_("This was too long ago to be undone. Please choose the rows again."))
    own = select(Event.subject_id.label("id")).where(
        Event.subject == "certificate", Event.step == step, Event.at == at, Event.by_id == by.account_id
    )
    if step == REVOKE_CERTIFICATE.name:
        return fire(PUBLISH_CERTIFICATE, own, by, only=_valid(), published_at=func.now())
    then = _certificate.published_at == at
    return fire(REVOKE_CERTIFICATE, own, by, only=then, reason=_("Undone at once."), published_at=None)


# --- At once -------------------------------------------------------------------------------------


def rule_of(by: Principal) -> PublicationRule | None:
    """The rule of one's own authority; None while it has none."""
    found: PublicationRule | None = db.session.scalar(
        select(PublicationRule).where(PublicationRule.authority_id == by.organization_id)
    )
    return found


def set_rule(automatic: bool, revision: str, by: Principal) -> None:
    """Let certificates of one's jurisdiction be published as soon as they are issued, or not any more."""
    rule = rule_of(by)
    if str(rule.revision if rule else "") != revision:
        raise Stale
    if rule is None:
        rule = PublicationRule(authority_id=by.organization_id)
        db.session.add(rule)
    rule.automatic = automatic
    db.session.flush()
    audit.record("edit", "publication_rule", rule.id, by.organization, by=by, automatic=automatic)


def publish_issued(certificate_ids: Sequence[int]) -> Outcome:
    """Publish what was just issued, where the nearest authority that has a rule wants it so."""
    authority, rule = Organization.__table__.alias("authority"), PublicationRule.__table__
    region = _certificate.region_code
    covering = [func.left(region, width) for width in (6, 4, 2)]
    nearest = (
        select(rule.c.automatic)
        .join(authority, authority.c.id == rule.c.authority_id)
        .where(authority.c.active, authority.c.jurisdiction.in_([*covering, ""]))
        .order_by(func.length(authority.c.jurisdiction).desc())
        .limit(1)
        .correlate(Certificate.__table__)
        .scalar_subquery()
    )
    return fire(PUBLISH_CERTIFICATE, certificate_ids, EVERYTHING, only=_valid() & nearest, published_at=func.now())


# --- Institutions --------------------------------------------------------------------------------


def publish_institutions(chosen: Chosen, by: Principal) -> Outcome:
    """发布: show institutions of one's jurisdiction that are not closed, and what they verify, to everybody."""
    open_ones = _at_home(by) & (Institution.__table__.c.standing != CLOSED)
    return fire(PUBLISH_INSTITUTION, chosen, by, only=open_ones, published_at=func.now())


def revoke_institutions(chosen: Chosen, reason: str, by: Principal) -> Outcome:
    """撤销发布: show the institutions to nobody any more, at once."""
    text = reasons.checked(reason, shortest=SHORTEST_REASON, longest=LONGEST_REASON)
    return fire(REVOKE_INSTITUTION, chosen, by, reason=text, only=_at_home(by), published_at=None)


def _at_home(by: Principal) -> ColumnElement[bool]:
    own: ColumnElement[bool] = Institution.__table__.c.organization_id.in_(institutions.of_jurisdiction(by))
    return own
