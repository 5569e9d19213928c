"""编号规则与印章: how an institution numbers its certificates, without gaps, and with which seal it prints them."""

import re
from datetime import date

from flask_babel import gettext as _
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm.exc import StaleDataError

from app import audit, files
from app.access import Principal
from app.domain import holidays, uploads
from app.errors import RuleError, Stale
from app.models import Certificate, CertificateNumber, IssuingRule, db
from app.sandbox.children import Upload
from app.sandbox.uploads import SEAL

USUAL_PATTERN = "{year}{number:6}"
LONGEST, LONGEST_PATTERN = 28, 40
MOST_BYTES = 2 * 1024 * 1024
SEAL_PIXELS = (200, 2000)
_NUMBER = re.compile(r"\{number:([3-9])\}")
_PART = re.compile(r"\{[^{}]*\}|[{}]")


def of_institution(institution_id: int | None) -> IssuingRule | None:
    """The rule of an institution; None while it has the usual one and no seal."""
    found: IssuingRule | None = db.session.scalar(
        select(IssuingRule).where(IssuingRule.institution_id == institution_id)
    )
    return found


def pattern_of(rule: IssuingRule | None) -> str:
    return rule.pattern if rule else USUAL_PATTERN


def seal_of(rule_id: int, by: Principal) -> str | None:
    """The file of the seal of one's own institution."""
    own = select(IssuingRule.seal).where(IssuingRule.id == rule_id, IssuingRule.institution_id == by.organization_id)
    seal: str | None = db.session.scalar(own)
    return seal


# --- Numbers -------------------------------------------------------------------------------------


def take(institution_id: int, count: int, day: date) -> list[str]:
    """The next numbers of certificates issued on a day, in order.

    The series is held until the end of the transaction: a number is given out once, and one that is not used
    after all is given out again.
    """
    series = _dated(pattern_of(of_institution(institution_id)), day)
    last = _moved_on(institution_id, series, count)
    numbers = [_numbered(series, number) for number in range(last - count + 1, last + 1)]
    used = select(Certificate.no).where(Certificate.institution_id == institution_id, Certificate.no.in_(numbers))
    taken = db.session.scalar(used.limit(1))
    if taken is not None:
        raise RuleError(_("The number %(no)s has been issued before. Please change the rule for numbers.", no=taken))
    return numbers


def _moved_on(institution_id: int, series: str, count: int) -> int:
    first = upsert(CertificateNumber).values(institution_id=institution_id, series=series, last=count)
    moved = first.on_conflict_do_update(
        index_elements=["institution_id", "series"], set_={"last": CertificateNumber.last + count}
    )
    return int(db.session.scalars(moved.returning(CertificateNumber.last)).one())


def _dated(pattern: str, day: date) -> str:
    return pattern.replace("{year}", f"{day.year}").replace("{month}", f"{day.month:02}")


def _numbered(series: str, number: int) -> str:
    return _NUMBER.sub(lambda found: f"{number:0{found[1]}}", series)


def next_number(institution_id: int | None, pattern: str, day: date) -> str:
    """What the next certificate issued on a day would be numbered by a pattern."""
    series = _dated(pattern, day)
    last = select(CertificateNumber.last).where(
        CertificateNumber.institution_id == institution_id, CertificateNumber.series == series
    )
    return _numbered(series, (db.session.scalar(last) or 0) + 1)


def preview(pattern: str, by: Principal) -> str:
    """The next number of one's own institution if it took this pattern."""
    _check(pattern)
    return next_number(by.organization_id, pattern, holidays.today())


# --- Changing the rule ---------------------------------------------------------------------------


def change(pattern: str, seal: Upload | None, revision: str, by: Principal) -> IssuingRule:
    """Number certificates by another pattern from now on, and print them with another seal if one is given."""
    _check(pattern)
    rule = of_institution(by.organization_id)
    if str(rule.revision if rule else "") != revision:
        raise Stale
    if rule is None:
        rule = IssuingRule(institution_id=by.organization_id)
        db.session.add(rule)
    rule.pattern = pattern
    if seal is not None:
        rule.seal = files.keep(_opened(seal))
    try:
        db.session.flush()
    except (StaleDataError, IntegrityError) as lost:
        raise Stale from lost
    audit.record("edit", "issuing_rule", rule.id, pattern, by=by)
    if seal is not None:
        audit.record("change_seal", "issuing_rule", rule.id, pattern, by=by)
    return rule


def _check(pattern: str) -> None:
    parts = _PART.findall(pattern)
    if len(_NUMBER.findall(pattern)) != 1 or any(
        part not in ("{year}", "{month}") and not _NUMBER.fullmatch(part) for part in parts
    ):
        text = _("A rule holds {number:6} once, with 3 to 9 for the digits, and perhaps {year} and {month}.")
        raise RuleError(text, field="pattern")
    if "{month}" in pattern and "{year}" not in pattern:
        raise RuleError(_("With {month} alone, next year's numbers would be this year's."), field="pattern")
    if not pattern.isprintable():
        raise RuleError(_("A rule holds no line breaks and no invisible characters."), field="pattern")
    if len(pattern) > LONGEST_PATTERN or len(_numbered(_dated(pattern, holidays.today()), 1)) > LONGEST:
        raise RuleError(_("A number has at most %(most)s characters.", most=LONGEST), field="pattern")


def _opened(seal: Upload) -> bytes:
    """The seal as PNG with its transparent ground, without what else was in the file."""
    [made] = uploads.opened(SEAL, [seal], {"sides": SEAL_PIXELS}, most_bytes=MOST_BYTES, field="seal")
    return made.content
