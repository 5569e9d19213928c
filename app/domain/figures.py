"""What the statistics tell (数据统计、行政监管), one question for each.

受检率: of what is to be verified, what has a valid verification. 合格率: of the results, what passed. 出证及时率: of
what was issued, what was issued in time. 覆盖率: of the kinds that are filed, those that somebody is able to verify.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, and_, case, exists, func, or_, select

from app import access
from app.access import Principal
from app.counting import ACTIVE, BOOKED, DISABLED, IN_TIME, LATE, PASSED, UNMATCHED
from app.domain import capability_gaps, holidays, regions, standards
from app.domain.ledger import PURPOSES
from app.domain.statistics import (
    BEFORE,
    NOW,
    REGION,
    YEAR_BEFORE,
    Amounts,
    Key,
    Question,
    Row,
    Statistic,
    Values,
    at_home_in_itself,
    inside,
    names,
    rate,
    total,
)
from app.models import Capability, Institution, MeasurementStandard, Organization, Region, Tally, db
from app.states import (
    ACCEPT,
    APPROVE,
    APPROVED,
    ASSIGN,
    CLOSED,
    DUE_SOON,
    EFFECTIVE,
    EXPIRED,
    FAILED,
    IN_SERVICE,
    IN_USE,
    OVERDUE,
    PENDING,
    RECORD,
    REFUSE,
    RESUBMIT,
    RETURN,
    RETURNED,
    SCRAPPED,
    STOPPED,
    SUBMIT,
    SUBMITTED,
    SUSPENDED,
    TIME_OUT,
    UNASSIGNED,
    UNVERIFIED,
    VALID,
    WITHDRAW,
)  # fmt: skip

SOON = timedelta(days=183)
DESIGNATIONS = ("statutory", "authorized", "special")

Counted = dict[str, dict[Key, int]]


def mean(whole: int, number: int) -> Decimal | None:
    """With one place; None of nothing."""
    return (Decimal(whole) / number).quantize(Decimal("0.1")) if number else None


# --- Instruments ---------------------------------------------------------------------------------


def _instruments(found: Amounts) -> Values:
    filed, before = found.of("use"), {when: found.of("use", when=when) or None for when in (YEAR_BEFORE, BEFORE)}
    return {
        "units": found.of("unit", ACTIVE),
        "filed": filed,
        **{f"{when}_filed": number for when, number in before.items()},
        **{f"{when}_growth": number and rate(filed - number, number) for when, number in before.items()},
        **{purpose: found.of("use", purpose=purpose) for purpose in PURPOSES},
        **{use: found.of("use", use) for use in (IN_USE, STOPPED, SCRAPPED)},
    }


def _inspection_rate(found: Amounts) -> Values:
    due, verified = found.of("due"), found.of("due", VALID, DUE_SOON)
    return {
        "due": due,
        "verified": verified,
        **{state: found.of("due", state) for state in (VALID, DUE_SOON, OVERDUE, FAILED, UNVERIFIED)},
        **_beside_earlier({when: _inspected(found, when) for when in (NOW, YEAR_BEFORE, BEFORE)}),
        "overdue_rate": rate(found.of("due", OVERDUE), due),
    }


def _inspected(found: Amounts, when: str) -> Decimal | None:
    return rate(found.of("due", VALID, DUE_SOON, when=when), found.of("due", when=when))


def _standing(found: Amounts) -> Values:
    return {**_inspection_rate(found), STOPPED: found.of("use", STOPPED), SCRAPPED: found.of("use", SCRAPPED)}


def _units(found: Amounts) -> Values:
    filed, active = found.of("use", IN_USE, STOPPED), found.of("unit", ACTIVE)
    return {
        "units": active,
        "disabled": found.of("unit", DISABLED),
        "filed": filed,
        "mean": mean(filed, active),
        **_inspection_rate(found),
    }


INSTRUMENTS = Question(("use", "unit"), _instruments, compared=True)
INSPECTION_RATE = Question(("due",), _inspection_rate, compared=True)
INSTRUMENT_STATES = Question(("due", "use"), _standing, compared=True)
USING_UNITS = Question(("unit", "use", "due"), _units)


# --- Results and work ----------------------------------------------------------------------------


def _pass_rate(found: Amounts) -> Values:
    results = {when: found.of("result", when=when) for when in (NOW, YEAR_BEFORE, BEFORE)}
    passed = {when: found.of("result", PASSED, when=when) for when in results}
    return {
        "results": results[NOW],
        "passed": passed[NOW],
        "failed": results[NOW] - passed[NOW],
        **_beside_earlier({when: rate(passed[when], results[when]) for when in results}),
        **{f"{when}_results": results[when] for when in (YEAR_BEFORE, BEFORE)},
    }


def _beside_earlier(rates: Mapping[str, Decimal | None]) -> Values:
    """A rate beside that of a year before and that of just before (同比, 环比)."""
    now = rates[NOW]
    return {
        "rate": now,
        **{f"{when}_rate": rates[when] for when in (YEAR_BEFORE, BEFORE)},
        **{f"{when}_points": _points(now, rates[when]) for when in (YEAR_BEFORE, BEFORE)},
    }


def _points(now: Decimal | None, then: Decimal | None) -> Decimal | None:
    """What a rate has gained, in points of a percent."""
    return None if now is None or then is None else now - then


# What was done of tasks, and the steps of their history by which it is counted.
WORK = {
    "applied": (SUBMIT.name, f"{SUBMIT.name}{UNMATCHED}"),
    "offered": (SUBMIT.name, RESUBMIT.name, ASSIGN.name),
    "assigned": (ASSIGN.name,),
    "accepted": (ACCEPT.name,),
    "returned": (RETURN.name,),
    "timed_out": (TIME_OUT.name,),
    "withdrawn": (WITHDRAW.name,),
    "refused": (REFUSE.name,),
    "recorded": (RECORD.name,),
    "certified": (APPROVE.name,),
}


def _work(found: Amounts) -> Values:
    """What was done of tasks; the steps of their history, not what became of them."""
    done = {name: found.of("work", *steps) for name, steps in WORK.items()}
    ended, late = found.of("ended"), found.of("ended", LATE)
    results, passed = found.of("result"), found.of("result", PASSED)
    return {
        "booked": found.of(BOOKED),
        **done,
        "acceptance": rate(done["accepted"], done["accepted"] + done["returned"] + done["timed_out"]),
        "days": mean(found.of("days"), ended),
        "late": late,
        "beyond": found.of("beyond"),
        "late_rate": rate(late, ended),
        "in_time_rate": rate(found.of("ended", IN_TIME), ended),
        "results": results,
        "passed": passed,
        "failed": results - passed,
        "rate": rate(passed, results),
    }


PASS_RATE = Question(("result",), _pass_rate, compared=True)
WORKLOAD = Question(("work", "result", "ended", "days", "beyond"), _work)
BUSINESS = replace(WORKLOAD, subjects=(*WORKLOAD.subjects, BOOKED))
ACCEPTANCE = Question(("work",), _work)


# --- What waits for authorities ------------------------------------------------------------------


def _to_do(found: Amounts) -> Values:
    return {
        UNASSIGNED: found.of("place", UNASSIGNED),
        RETURNED: found.of("place", RETURNED),
        "long": found.of("long"),
        "filings": found.of("filing"),
        "capabilities": found.of("capability", PENDING),
        "standards": found.of("measurement_standard", SUBMITTED),
    }


TO_DO = Question(("place", "filing"), _to_do)


def to_do(longest: int) -> Question:
    """行政待办业务: what waits for authorities, and how much of it for longer than so many days."""

    def more(code: str, children: list[Region], by: Principal) -> dict[str, dict[Key, int]]:
        return _merged(_waiting_longer(longest, code, children, by), _under_review(code, children, by))

    return replace(TO_DO, more=more)


def _waiting_longer(days: int, code: str, children: list[Region], by: Principal) -> Counted:
    """What has waited for an authority for longer than so many days since it was applied for."""
    rows = (
        select(_part(Tally.region_code, code, children), func.sum(Tally.amount).label("amount"))
        .where(Tally.subject == "waiting", Tally.month < holidays.today() - timedelta(days=days), inside(code))
        .group_by("part")
    )
    found = db.session.execute(access.visible(rows, Tally, who=by))
    return {row.part: {("long", "", "", NOW): int(row.amount)} for row in found}


def _under_review(code: str, children: list[Region], by: Principal) -> Counted:
    """Capabilities and standards of the institutions of a region that wait for a review."""
    capability, standard = Capability.__tablename__, MeasurementStandard.__tablename__
    return _merged(
        _of_institutions(capability, Capability, Capability.state, Capability.state == PENDING, code, children, by),
        _of_institutions(standard, MeasurementStandard, MeasurementStandard.state,
                         MeasurementStandard.state == SUBMITTED, code, children, by),
    )  # fmt: skip


# --- Institutions and what they are able to ------------------------------------------------------


def _institutions(found: Amounts) -> Values:
    return {
        "institutions": found.of("standing", IN_SERVICE, SUSPENDED),
        **{kind: found.of("designation", kind) for kind in DESIGNATIONS},
        **{state: found.of("standing", state) for state in (SUSPENDED, CLOSED)},
        "ending": found.of("authorization", "ending"),
        "over": found.of("authorization", "over"),
        "capabilities": found.of("capability"),
        "standards": found.of("measurement_standard"),
    }


def about_institutions(code: str, children: list[Region], by: Principal) -> Counted:
    """What is told of the institutions of a region, by the part of it where they are at home."""
    today, ends = holidays.today(), Institution.authorized_until
    authorization = case((ends < today, "over"), (ends <= today + SOON, "ending"), else_="valid")
    rows = (
        select(_part(Organization.region_code, code, children), Institution.designation, Institution.standing,
               authorization.label("authorization"), func.count())
        .join(Organization, Organization.id == Institution.organization_id)
        .where(_at_home(code, by))
        .group_by("part", Institution.designation, Institution.standing, "authorization")
    )  # fmt: skip
    found: Counted = {}
    for part, designation, standing, authorized, amount in db.session.execute(rows):
        told = {("standing", standing, "", NOW): amount}
        if standing != CLOSED:
            told |= {("designation", designation, "", NOW): amount, ("authorization", authorized, "", NOW): amount}
        found = _merged(found, {part: told})
    effective, approved = Capability.state == EFFECTIVE, MeasurementStandard.state == APPROVED
    return _merged(
        found,
        _of_institutions("capability", Capability, Capability.state, effective, code, children, by),
        _of_institutions("measurement_standard", MeasurementStandard, MeasurementStandard.state, approved, code,
                         children, by),
    )  # fmt: skip


SMALL = ("standing", "designation", "authorization", "capability", "measurement_standard")
INSTITUTIONS = Question((), _institutions, more=about_institutions, small=SMALL)


def _standards(code: str, children: list[Region], by: Principal) -> Counted:
    """Measurement standards of the institutions of a region: in force, ending within six months, expired."""
    today, end = holidays.today(), standards.valid_until()
    state = case(
        (or_(MeasurementStandard.state == EXPIRED, end < today), "over"), (end <= today + SOON, "ending"), else_="valid"
    )
    counted = MeasurementStandard.state.in_((APPROVED, EXPIRED))
    return _of_institutions("standard", MeasurementStandard, state, counted, code, children, by)


def ability(code: str, by: Principal) -> Statistic:
    """检定能力（社公标）统计: of the kinds filed in each part of a region, which somebody is able to verify there."""
    children = regions.children(code, by) or [db.session.get_one(Region, code)]
    kinds, counted = _kinds_filed(code, children, by), _standards(code, children, by)
    at_home_in_itself(counted, code, children)
    rows = [
        Row(key, name, _able(kinds.get(key, {}), Amounts(counted.get(key, {}))))
        for key, name in names(REGION, list(counted), children).items()
    ]

    def total_of(keys: Collection[str]) -> Values:
        everywhere: dict[int, bool] = {}
        for key in keys:
            for kind, is_covered in kinds.get(key, {}).items():
                everywhere[kind] = everywhere.get(kind, False) or is_covered
        return _able(everywhere, Amounts(total([counted.get(key, {}) for key in keys])))

    return Statistic(rows, total_of({*kinds, *counted}), total_of)


def _able(kinds: dict[int, bool], found: Amounts) -> Values:
    covered = sum(kinds.values())
    return {
        "kinds": len(kinds),
        "covered": covered,
        "missing": len(kinds) - covered,
        "rate": rate(covered, len(kinds)),
        "standards": found.of("standard", "valid", "ending"),
        "ending": found.of("standard", "ending"),
        "over": found.of("standard", "over"),
    }


def _kinds_filed(code: str, children: list[Region], by: Principal) -> dict[str, dict[int, bool]]:
    """Of each part of a region the kinds of what is to be verified there, and whether anybody is able to."""
    served = capability_gaps.served(code)
    filed = (
        select(_part(Tally.region_code, code, children), Tally.catalogue_item_id.label("kind_id"))
        .where(Tally.subject == "due_kind", inside(code))
        .group_by("part", Tally.catalogue_item_id)
        .having(func.sum(Tally.amount) > 0)
    )
    filed = access.visible(filed, Tally, who=by).cte("filed")
    around = [code, code[:4] + "00", code[:2] + "0000", regions.NATION]
    place = _part(served.c.place, code, children)
    covered = exists().where(
        served.c.kind_id == filed.c.kind_id, or_(served.c.place.in_(around), place == filed.c.part)
    )
    found: dict[str, dict[int, bool]] = {}
    for part, kind, is_covered in db.session.execute(select(filed.c.part, filed.c.kind_id, covered)):
        found.setdefault(part, {})[kind] = is_covered
    return found


# --- Of small tables -----------------------------------------------------------------------------


def _of_institutions(
    subject: str, model: Any, state: Any, counted: Any, code: str, children: list[Region], by: Principal
) -> Counted:
    """The rows of a table that institutions of a region have, by the part of it where these are at home, and state."""
    rows = (
        select(_part(Organization.region_code, code, children), state.label("told"), func.count())
        .join_from(model, Organization, Organization.id == model.institution_id)
        .where(counted, _at_home(code, by))
        .group_by("part", "told")
    )
    found: Counted = {}
    for part, each, amount in db.session.execute(rows):
        found.setdefault(part, {})[subject, each, "", NOW] = amount
    return found


def _at_home(code: str, by: Principal) -> ColumnElement[bool]:
    here = Organization.region_code.startswith("" if code == regions.NATION else regions.prefix(code))
    return and_(here, access.at_home(Organization, by.jurisdiction))


def _part(region_code: Any, code: str, children: list[Region]) -> Any:
    return regions.part_of(region_code, code, [region.code for region in children]).label("part")


def _merged(*counted: Counted) -> Counted:
    merged: Counted = {}
    for each in counted:
        for part, amounts in each.items():
            merged[part] = total([merged.get(part, {}), amounts])
    return merged
