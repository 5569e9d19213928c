"""检定结果: recorded, checked and approved by three persons; refused where the law refuses it."""

from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from app.domain import holidays, results
from app.models import CatalogueItem, Result, Role, StaffMember, db
from app.states import CERTIFIED, TASK_STATES, TO_APPROVE, TO_CHECK, VERIFYING
from tests.factories import (
    BLOOD_PRESSURE,
    able_institution,
    appointment,
    authority,
    capability,
    certificate,
    history,
    institution,
    instrument,
    issuing_rule,
    kind,
    measurement_standard,
    result,
    staff_member,
    states,
    task,
    using_unit,
)

TODAY = holidays.today()


@pytest.fixture
def lab(rows):
    found = able_institution()
    issuing_rule(found)
    return found


@pytest.fixture
def desk(sign_in, lab):
    """Three persons at their desks: verifier, checker, approver."""

    def at(role, name, **values):
        person = sign_in(role, lab)
        person.staff = staff_member(lab, name, account_id=person.account.id, **values)
        db.session.flush()
        return person

    return (
        at("InstitutionVerifier", "王检定"),
        at("InstitutionVerifier", "李核验"),
        at("InstitutionApprover", "赵批准", approves=True),
    )


def findings(lab, verifier, **changed):
    return {
        "verification_kind": "subsequent",
        "verified_on": TODAY.isoformat(),
        "regulation": "JJG 162-2019",
        "standard_ids": str(lab.standard.id),
        "verifier_id": str(verifier.id),
        **changed,
    }


def record(person, lab, tasks, **changed):
    who = changed.pop("verifier", person.staff)
    return person.act("results", "record", [each.id for each in tasks], **findings(lab, who, **changed))


def result_of(one):
    return db.session.scalars(select(Result).where(Result.task_id == one.id)).one()


def problem(answer):
    assert answer.status_code == 422
    return answer.text


def test_a_result_goes_through_three_pairs_of_eyes(desk, lab):
    verifier, checker, approver = desk
    one = task(VERIFYING, to=lab, applied_at=datetime.now(UTC) - timedelta(days=1))

    assert record(verifier, lab, [one], temperature="20.1 ℃", indications="示值误差 | ±2% | -0.6%").status_code == 204
    found = result_of(one)
    assert (found.passed, found.verifier, found.checker) == (True, "王检定", None)
    assert (found.verified_on, found.valid_until) == (TODAY, results._last_day(TODAY, 24))
    assert (found.temperature, found.indications) == ("20.1 ℃", [["示值误差", "±2%", "-0.6%"]])
    assert [each["certificate_no"] for each in found.standards] == [lab.standard.certificate_no]
    assert checker.act("results", "check", [one.id]).status_code == 204
    assert result_of(one).checker == "李核验"
    assert approver.act("results", "approve", [one.id]).status_code == 204

    assert states(one) == [CERTIFIED]
    assert [step for step, *_ in history(one)] == ["record", "check", "approve"]
    assert approver.messages() == ["已出具 1 份证书，电子文件正在生成。"]


STEPS = {
    "record": (VERIFYING, TO_CHECK, 0),
    "check": (TO_CHECK, TO_APPROVE, 1),
    "approve": (TO_APPROVE, CERTIFIED, 2),
}


@pytest.mark.parametrize("state", TASK_STATES)
@pytest.mark.parametrize("name", [*STEPS, "rework"])
def test_every_state_against_every_step(desk, lab, name, state):
    verifier, checker, approver = desk
    one = task(state, to=lab if state not in {"draft", "unassigned"} else None)
    in_review = state in (TO_CHECK, TO_APPROVE)
    if in_review:
        written(one, verifier.staff, checker.staff if state == TO_APPROVE else None)

    if name == "record":
        record(verifier, lab, [one])
    elif name == "rework":
        approver.act("results", "rework", [one.id], reason="环境条件未记录")
    else:
        desk[STEPS[name][2]].act("results", name, [one.id])

    source, target, _who = STEPS.get(name, (None, VERIFYING, None))
    moves = in_review if name == "rework" else state == source
    assert states(one) == [target if moves else state]


def written(one, verifier, checker=None):
    result(one, verifier, checker)


@pytest.mark.parametrize("role", ["InstitutionClerk", "InstitutionAdministrator"])
def test_whoever_has_not_the_role_records_nothing(sign_in, lab, role):
    one = task(VERIFYING, to=lab)
    clerk = sign_in(role, lab)
    clerk.staff = staff_member(lab, account_id=clerk.account.id)

    assert record(clerk, lab, [one]).status_code == 403
    assert states(one) == [VERIFYING]


def test_a_neighbour_sees_and_moves_nothing(desk, sign_in, lab):
    one = task(TO_CHECK, to=lab)
    written(one, desk[0].staff)
    other = institution()
    there = sign_in("InstitutionVerifier", other)
    there.staff = staff_member(other, "外人", account_id=there.account.id)

    assert f'data-id="{one.id}"' not in there.get("/results/").text
    assert there.get(f"/results/show/{one.id}").status_code == 404
    there.act("results", "check", [one.id])
    assert record(there, lab, [one], verifier=desk[0].staff).status_code in (204, 422)
    assert (states(one), result_of(one).checker) == ([TO_CHECK], None)


def test_some_of_many_fail(desk, lab):
    order = appointment()
    ones = [task(VERIFYING, to=lab, order=order) for _ in range(3)]

    answer = record(desk[0], lab, ones, **{"failed": str(ones[1].id), f"failure-{ones[1].id}": "示值误差超差"})

    assert answer.status_code == 204
    found = [result_of(one) for one in ones]
    assert [(each.passed, each.failures, each.valid_until is None) for each in found] == [
        (True, None, False), (False, "示值误差超差", True), (True, None, False),
    ]  # fmt: skip


def test_what_failed_must_be_told(desk, lab):
    one = task(VERIFYING, to=lab)

    answer = record(desk[0], lab, [one], **{"failed": str(one.id), f"failure-{one.id}": " "})

    assert "请逐台填写不合格项" in problem(answer)
    assert 'name="failed"' in answer.text
    assert states(one) == [VERIFYING]


def test_an_expired_standard_is_refused(desk, lab):
    old = measurement_standard(lab, name="旧装置", public_valid_until=TODAY - timedelta(days=1))
    one = task(VERIFYING, to=lab)

    assert "旧装置" in problem(record(desk[0], lab, [one], standard_ids=str(old.id)))
    assert states(one) == [VERIFYING]


def test_a_standard_of_another_institution_is_refused(desk, lab):
    foreign = measurement_standard(institution())

    assert "请选择所用的计量标准" in problem(
        record(desk[0], lab, [task(VERIFYING, to=lab)], standard_ids=str(foreign.id))
    )


def test_a_standard_that_is_not_approved_is_refused(desk, lab):
    draft = measurement_standard(lab, state="draft")

    assert "请选择所用的计量标准" in problem(
        record(desk[0], lab, [task(VERIFYING, to=lab)], standard_ids=str(draft.id))
    )


@pytest.mark.parametrize(
    "values",
    [{"of": (BLOOD_PRESSURE,)}, {"of": ()}, {"qualified_until": TODAY - timedelta(days=1)}],
    ids=["another kind", "none", "expired"],
)
def test_an_unqualified_verifier_is_refused(desk, lab, values):
    one = task(VERIFYING, to=lab)
    new = staff_member(lab, "新人", **values)

    assert "新人" in problem(record(desk[0], lab, [one], verifier=new))
    assert states(one) == [VERIFYING]


def test_qualified_for_a_category_is_qualified_for_its_kinds(desk, lab):
    from app.models import Qualification

    one = task(VERIFYING, to=lab)
    item = db.session.get_one(CatalogueItem, kind().parent_id)
    new = staff_member(lab, "大类", of=())
    db.session.add(
        Qualification(
            institution_id=lab.id, staff_member_id=new.id, certificate_no="检大类", catalogue_item_ids=[item.id],
            valid_from=TODAY, valid_until=TODAY,
        )
    )  # fmt: skip

    assert record(desk[0], lab, [one], verifier=new).status_code == 204


def test_a_verifier_of_another_institution_is_refused(desk, lab):
    foreign = staff_member(institution(), "外人")

    assert "请选择本机构的检定员" in problem(record(desk[0], lab, [task(VERIFYING, to=lab)], verifier=foreign))


@pytest.mark.parametrize(
    "values",
    [
        {"range_low": 80, "range_high": 80, "measuring_range": "DN80"},
        {"accuracy_value": 0.5, "accuracy_class": "0.5级"},
        {"range_unit": "m³/h"},
        {"of": BLOOD_PRESSURE},
    ],
    ids=["range", "accuracy", "unit", "kind"],
)
def test_what_lies_outside_the_capability_is_refused(desk, lab, values):
    unit = using_unit()
    what = instrument(unit=unit, serial_no="外1234", **values)
    one, good = task(VERIFYING, to=lab, unit=unit, what=what), task(VERIFYING, to=lab)
    both = staff_member(lab, "全能", of=("水表", BLOOD_PRESSURE))

    assert "外1234" in problem(record(desk[0], lab, [good, one], verifier=both))
    assert states(one, good) == [VERIFYING, VERIFYING]


@pytest.mark.parametrize(
    ("starts", "ends", "day", "fits"),
    [(-10, 10, 0, True), (-10, 0, 0, True), (-10, -1, 0, False), (1, 10, 0, False), (-10, -1, -1, True)],
)
def test_a_capability_counts_on_its_days(desk, lab, rows, starts, ends, day, fits):
    rows.execute(db.text("DELETE FROM service_region"))
    rows.execute(db.text("DELETE FROM capability"))
    capability(
        lab, valid_from=TODAY + timedelta(days=starts), valid_until=TODAY + timedelta(days=ends),
        state="effective" if ends >= 0 else "expired",
    )  # fmt: skip
    one = task(VERIFYING, to=lab, applied_at=datetime.now(UTC) - timedelta(days=5))

    answer = record(desk[0], lab, [one], verified_on=(TODAY + timedelta(days=day)).isoformat())

    assert answer.status_code == (204 if fits else 422)


@pytest.mark.parametrize("state", ["draft", "pending", "rejected"])
def test_only_a_reviewed_capability_counts(desk, lab, rows, state):
    rows.execute(db.text("DELETE FROM service_region"))
    rows.execute(db.text("DELETE FROM capability"))
    capability(lab, state=state, reason="范围不清" if state == "rejected" else None)

    assert "授权" in problem(record(desk[0], lab, [task(VERIFYING, to=lab)]))


def test_an_institution_without_authorization_verifies_nothing(sign_in, rows):
    lapsed = institution(authorized_until=TODAY - timedelta(days=1))
    lapsed.standard = measurement_standard(lapsed)
    capability(lapsed)
    person = sign_in("InstitutionVerifier", lapsed)
    person.staff = staff_member(lapsed, account_id=person.account.id)

    assert "授权已过期" in problem(record(person, lapsed, [task(VERIFYING, to=lapsed)]))


@pytest.mark.parametrize(("days", "words"), [(1, "晚于今天"), (-30, "早于预约")])
def test_the_day_lies_between_the_booking_and_today(desk, lab, days, words):
    one = task(VERIFYING, to=lab)

    answer = record(desk[0], lab, [one], verified_on=(TODAY + timedelta(days=days)).isoformat(), humidity="55 %RH")

    assert words in problem(answer)
    assert "55 %RH" in answer.text


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("verified_on", ""), ("verified_on", "31.12.2026"), ("regulation", " "), ("verification_kind", "other"),
        ("indications", "只有一段"), ("months", "0"), ("months", "abc"), ("verifier_id", "x"), ("standard_ids", "x"),
        ("temperature", "℃" * 41),
    ],
)  # fmt: skip
def test_bad_input_is_told_and_nothing_is_lost(desk, lab, field, value):
    one = task(VERIFYING, to=lab)

    answer = record(desk[0], lab, [one], **{"place": "西湖区文三路", field: value})

    assert "西湖区文三路" in problem(answer)
    assert states(one) == [VERIFYING]


def test_nobody_checks_what_they_verified(desk, lab):
    verifier, checker, _approver = desk
    mine, theirs = task(TO_CHECK, to=lab), task(TO_CHECK, to=lab)
    written(mine, verifier.staff)
    written(theirs, checker.staff)

    assert "须为三个不同的人" in problem(verifier.act("results", "check", [mine.id, theirs.id]))
    assert states(mine, theirs) == [TO_CHECK, TO_CHECK]
    assert verifier.act("results", "check", [theirs.id]).status_code == 204
    assert states(mine, theirs) == [TO_CHECK, TO_APPROVE]


def test_a_namesake_of_the_verifier_does_not_check(desk, lab, sign_in):
    """The printed names must be two."""
    one = task(TO_CHECK, to=lab)
    written(one, desk[0].staff)
    namesake = sign_in("InstitutionVerifier", lab)
    staff_member(lab, desk[0].staff.name, account_id=namesake.account.id)

    assert "须为三个不同的人" in problem(namesake.act("results", "check", [one.id]))


def test_an_account_that_is_nobody_of_the_staff_checks_nothing(desk, lab, sign_in):
    one = task(TO_CHECK, to=lab)
    written(one, desk[0].staff)
    loose = sign_in("InstitutionVerifier", lab)

    assert "未关联" in problem(loose.act("results", "check", [one.id]))


def test_only_who_is_named_as_approver_approves(desk, lab, sign_in):
    one = task(TO_APPROVE, to=lab)
    written(one, desk[0].staff, desk[1].staff)
    other = sign_in("InstitutionApprover", lab)
    staff_member(lab, "未任命", account_id=other.account.id)

    assert "批准人" in problem(other.act("results", "approve", [one.id]))
    assert desk[0].act("results", "approve", [one.id]).status_code == 403
    assert states(one) == [TO_APPROVE]


@pytest.mark.parametrize("rename", [False, True])
def test_nobody_approves_what_they_verified(desk, lab, rename):
    """Nor under another name: an approver may edit the staff list."""
    _verifier, checker, approver = desk
    one = task(TO_APPROVE, to=lab)
    written(one, approver.staff, checker.staff)
    if rename:
        values = {"name": "赵改名", "account_id": str(approver.account.id), "approves": "y", "active": "y"}
        assert approver.act("staff", "edit", [approver.staff.id], revision="1", **values).status_code == 204

    assert "须为三个不同的人" in problem(approver.act("results", "approve", [one.id]))
    assert states(one) == [TO_APPROVE]


def test_nobody_approves_what_they_checked(desk, lab):
    verifier, _checker, approver = desk
    mine, others = (task(TO_CHECK, to=lab, applied_at=datetime.now(UTC) - timedelta(days=1)) for _ in range(2))
    written(mine, verifier.staff)
    written(others, verifier.staff)
    assert approver.act("results", "check", [mine.id]).status_code == 204
    assert desk[1].act("results", "check", [others.id]).status_code == 204

    assert "须为三个不同的人" in problem(approver.act("results", "approve", [mine.id, others.id]))
    assert states(mine, others) == [TO_APPROVE, TO_APPROVE]
    assert approver.act("results", "approve", [others.id]).status_code == 204
    assert states(mine, others) == [TO_APPROVE, CERTIFIED]


@pytest.mark.parametrize(("step", "state"), [("check", TO_CHECK), ("approve", TO_APPROVE)])
def test_who_records_under_the_name_of_a_colleague_goes_no_further(desk, lab, sign_in, step, state):
    _verifier, checker, approver = desk
    one = task(VERIFYING, to=lab, applied_at=datetime.now(UTC) - timedelta(days=1))
    colleague = staff_member(lab, "梁静")
    if step == "approve":  # the same person is a verifier too
        approver.account.roles.append(db.session.scalars(select(Role).where(Role.name == "InstitutionVerifier")).one())
        db.session.flush()
    recorder = approver if step == "approve" else checker
    assert record(recorder, lab, [one], verifier=colleague).status_code == 204
    if step == "approve":
        assert checker.act("results", "check", [one.id]).status_code == 204

    assert "须为三个不同的人" in problem(recorder.act("results", step, [one.id]))
    assert states(one) == [state]


@pytest.mark.parametrize("same", [("verifier_id", "approver_id"), ("checker_id", "approver_id")])
def test_the_database_refuses_a_certificate_of_two_people(desk, lab, same):
    people = dict(zip(("verifier_id", "checker_id", "approver_id"), (each.staff.id for each in desk), strict=True))
    certificate(task(CERTIFIED, to=lab), **people)
    with pytest.raises(IntegrityError, match="three_people"), db.session.begin_nested():
        certificate(task(CERTIFIED, to=lab), **people | {same[0]: people[same[1]]})
    with pytest.raises(IntegrityError, match="all_three_or_none"), db.session.begin_nested():
        certificate(task(CERTIFIED, to=lab), approver_id=people["approver_id"])


@pytest.mark.parametrize("as_checker", [False, True])
def test_an_account_stays_with_the_person_whose_results_wait(desk, lab, as_checker):
    """With the account of another member of the staff one could go on with one's own results."""
    verifier, checker, approver = desk
    one = task(TO_APPROVE if as_checker else TO_CHECK, to=lab)
    written(one, verifier.staff, checker.staff if as_checker else None)
    member = (checker if as_checker else verifier).staff

    def unlink():
        return approver.act("staff", "edit", [member.id], revision="1", name=member.name, account_id="", active="y")

    assert "尚未批准" in problem(unlink())
    assert approver.act("results", "rework", [one.id], reason="未附原始记录").status_code == 204
    assert unlink().status_code == 204
    assert db.session.get_one(StaffMember, member.id).account_id is None


def test_what_is_given_back_begins_as_it_was(desk, lab):
    verifier, checker, _approver = desk
    one = task(VERIFYING, to=lab)
    record(verifier, lab, [one], temperature="21.5 ℃", **{"failed": str(one.id), f"failure-{one.id}": "漏水"})

    assert checker.act("results", "rework", [one.id], reason="").status_code == 422
    assert checker.act("results", "rework", [one.id], reason="未附原始记录").status_code == 204

    assert history(one)[-1] == ("rework", TO_CHECK, VERIFYING, "未附原始记录")
    dialog = verifier.open("results", "record", [one.id]).text
    assert ("21.5 ℃" in dialog, "漏水" in dialog, "JJG 162-2019" in dialog) == (True, True, True)
    record(verifier, lab, [one])
    assert (result_of(one).passed, result_of(one).failures, result_of(one).temperature) == (True, None, None)


def test_the_dialog_proposes_what_is_usual(desk, lab):
    capability(lab, of=BLOOD_PRESSURE, regulation="JJG 692")
    one = task(VERIFYING, to=lab)

    dialog = desk[0].open("results", "record", [one.id]).text

    assert 'value="JJG 162"' in dialog
    assert "JJG 692" not in dialog
    assert f'value="{lab.standard.id}" checked' in dialog
    assert f'selected value="{desk[0].staff.id}"' in dialog


def test_the_dialog_proposes_for_several_kinds_only_what_is_usual_for_all(desk, lab):
    both, other = measurement_standard(lab), measurement_standard(lab)
    for standard in (both, other):
        capability(lab, of=BLOOD_PRESSURE, regulation="JJG 692", standard_id=standard.id)
    capability(lab, standard_id=both.id)
    meter, monitor = (task(VERIFYING, to=lab, what=instrument(of=of)) for of in ("水表", BLOOD_PRESSURE))
    unknown = task(VERIFYING, to=lab, what=instrument(of="体温计"))

    def proposed(*tasks) -> set[int]:
        dialog = desk[0].open("results", "record", [each.id for each in tasks]).text
        return {each.id for each in (lab.standard, both, other) if f'value="{each.id}" checked' in dialog}

    assert proposed(meter) == {lab.standard.id, both.id}
    assert proposed(monitor) == {both.id, other.id}
    assert proposed(meter, monitor) == {both.id}
    assert proposed(meter, monitor, unknown) == set()


def test_the_cycle_is_that_of_the_catalogue_in_force_on_that_day(desk, lab):
    old, new = (task(VERIFYING, to=lab, applied_at=datetime.now(UTC) - timedelta(days=9)) for _ in range(2))
    now = kind()
    then = {name: getattr(now, name) for name in ("level", "name", "parent_id", "supervision", "range_units")}
    before = now.valid_from
    now.valid_from = TODAY - timedelta(days=1)
    db.session.add(
        CatalogueItem(**then, number=now.number, cycle_months=7, valid_from=before, valid_until=TODAY - timedelta(2))
    )

    day = TODAY - timedelta(days=3)
    record(desk[0], lab, [old], verified_on=day.isoformat())
    record(desk[0], lab, [new])

    assert result_of(old).valid_until == results._last_day(day, 7)
    assert result_of(new).valid_until == results._last_day(TODAY, 24)


@pytest.mark.parametrize(
    ("cycle", "months", "fits"), [(24, 12, True), (24, 24, True), (24, 25, False), (None, 6, False)]
)
def test_a_validity_can_be_shortened_not_lengthened(desk, lab, cycle, months, fits):
    kind().cycle_months = cycle
    one = task(VERIFYING, to=lab)

    answer = record(desk[0], lab, [one], months=str(months))

    assert answer.status_code == (204 if fits else 422)
    assert db.session.scalar(select(func.count()).select_from(Result)) == int(fits)


def test_what_is_verified_once_and_an_inspection_in_service_have_no_end(desk, lab):
    kind().cycle_months = 24
    inspected = task(VERIFYING, to=lab)
    record(desk[0], lab, [inspected], verification_kind="in_service")
    kind().cycle_months = None
    once = task(VERIFYING, to=lab)
    record(desk[0], lab, [once], verification_kind="initial")

    assert (result_of(inspected).valid_until, result_of(once).valid_until) == (None, None)


@pytest.mark.parametrize(
    ("start", "months", "last"),
    [
        (date(2026, 1, 1), 12, date(2026, 12, 31)),
        (date(2026, 3, 15), 24, date(2028, 3, 14)),
        (date(2025, 8, 31), 6, date(2026, 2, 27)),
        (date(2023, 8, 30), 6, date(2024, 2, 28)),
        (date(2024, 2, 29), 12, date(2025, 2, 27)),
        (date(2026, 12, 1), 1, date(2026, 12, 31)),
    ],
)
def test_the_last_day_of_validity(start, months, last):
    assert results._last_day(start, months) == last


@pytest.mark.parametrize("count", [1, 200])
def test_recording_costs_the_same_statements_for_one_and_for_many(desk, lab, statements, count):
    order = appointment()
    ones = [task(VERIFYING, to=lab, order=order) for _ in range(count)]

    with statements() as seen:
        assert record(desk[0], lab, ones).status_code == 204

    assert len(seen) == 19


@pytest.mark.parametrize("count", [1, 60])
def test_the_list_costs_the_same_statements(desk, lab, statements, count):
    order = appointment()
    for _ in range(count):
        written(task(TO_CHECK, to=lab, order=order), desk[0].staff)

    with statements() as seen:
        assert desk[1].get("/results/").status_code == 200

    assert len(seen) == 6


def test_a_county_clerk_has_no_business_here(sign_in):
    assert sign_in("Supervisor", authority("330106")).get("/results/").status_code == 403
