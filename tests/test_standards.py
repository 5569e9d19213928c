"""社会公用计量标准: entered, reviewed by whom the law names, changed by versions, sealed up, abolished, expired."""

from datetime import date, timedelta
from io import BytesIO

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from app import access
from app.domain import clockwork, holidays, standards
from app.models import Appointment, Capability, Event, MeasurementStandard, Notification, db
from app.states import (
    ABOLISHED,
    ACCEPTED,
    APPROVED,
    CERTIFIED,
    DRAFT,
    EFFECTIVE,
    EXPIRED,
    SEALED,
    SENT_BACK,
    STANDARD_STATES,
    SUBMITTED,
    SUPERSEDED,
)
from tests.factories import (
    FAR,
    account,
    authority,
    capability,
    certificate,
    institution,
    instrument,
    kind,
    measurement_standard,
    task,
)
from tests.hostile import image, pdf

TODAY = holidays.today()


@pytest.fixture
def lab(rows):
    home = authority("330106")
    new = institution("330106", name="西湖区计量检定所")
    new.parent_id, home.parent_id = home.id, authority("3301").id
    db.session.flush()
    return new


@pytest.fixture
def clerk(sign_in, lab):
    return sign_in("StandardOfficer", authority("330106"))


@pytest.fixture
def reviewer(sign_in, lab):
    return sign_in("StandardOfficer", authority("330106"))


@pytest.fixture
def city(sign_in, lab):
    return sign_in("StandardOfficer", authority("3301"))


def told(lab, **changed):
    return {
        "institution_id": str(lab.id), "name": "0.05级数字压力计标准装置", "code": "12216000", "category": "mechanics",
        "rank": "other", "measuring_range": "(-0.1～60)MPa", "uncertainty": "0.05级", "keeper": "王建国",
        "kinds": [str(kind().id)], "certificate_no": "[2024]浙量标法证字第0017号", "issuer": "杭州市市场监督管理局",
        "issued_on": "2024-03-01", "valid_until": "2029-02-28", "examined_by": "杭州市市场监督管理局",
        "public_certificate_no": "[2024]浙社量标证字第0017号", "public_issuer": "杭州市市场监督管理局",
        "public_issued_on": "2024-03-15", "public_valid_until": "2029-02-28", "service_area": "杭州市西湖区",
        "authorization_no": "（浙）法计00017号", **changed,
    }  # fmt: skip


def newest():
    db.session.expire_all()
    return db.session.scalars(select(MeasurementStandard).order_by(MeasurementStandard.id.desc()).limit(1)).one()


def in_state(lab, state, **values):
    reasons = {"reason": "测试所用原因"} if state in (SENT_BACK, SEALED, ABOLISHED) else {}
    if state == SUPERSEDED:
        values["replaces_id"] = measurement_standard(lab).id
    return measurement_standard(lab, state=state, **reasons, **values)


def edited(person, one, lab, **changed):
    return person.act("standards", "edit", [one.id], **told(lab, revision=str(one.revision), **changed))


# --- Entering ------------------------------------------------------------------------------------


def test_what_is_added_is_not_reviewed_and_has_all_that_was_told(clerk, lab):
    assert clerk.act("standards", "add", [], **told(lab)).status_code == 204

    new = newest()
    assert (new.state, new.institution_id, new.authors) == (DRAFT, lab.id, [clerk.account.id])
    assert (new.name, new.valid_until, new.kinds) == ("0.05级数字压力计标准装置", date(2029, 2, 28), [kind().id])
    page = clerk.get(f"/standards/show/{new.id}").text
    for words in ("0.05级数字压力计标准装置", "西湖区计量检定所", "力学", "次级标准", "王建国", "（浙）法计00017号"):
        assert words in page


@pytest.mark.parametrize("name", [name for name in standards.MANDATORY if name != "category"])
def test_each_mandatory_field_is_asked_for(clerk, lab, name):
    before = db.session.scalar(select(func.count()).select_from(MeasurementStandard))

    answer = clerk.act("standards", "add", [], **told(lab, **{name: ""}))

    assert answer.status_code == 422
    assert "请填写" in answer.text or "请选择日期" in answer.text
    assert db.session.scalar(select(func.count()).select_from(MeasurementStandard)) == before


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"valid_until": "2023-01-01"}, "有效期止早于起始日"),
        ({"public_valid_until": "2023-01-01"}, "有效期止早于起始日"),
        ({"name": "长" * 101}, "100"),
        ({"category": "magic"}, "可选"),
        ({"warn_days": "0"}, "1"),
        ({"kinds": ["999999"]}, "选项"),
        ({"institution_id": "999999999"}, "选项"),
    ],
    ids=str,
)
def test_what_cannot_be_is_refused_with_its_field(clerk, lab, changed, words):
    answer = clerk.act("standards", "add", [], **told(lab, **changed))

    assert answer.status_code == 422
    assert "field-error" in answer.text


def test_of_a_neighbours_institution_nothing_is_entered_or_seen(clerk, lab, sign_in):
    far = institution("330105", name="拱墅区计量检定所")
    one = measurement_standard(far)

    assert clerk.act("standards", "add", [], **told(far)).status_code == 422
    assert clerk.get(f"/standards/show/{one.id}").status_code == 404
    assert edited(clerk, one, far).status_code == 404
    assert f'data-id="{one.id}"' not in clerk.get("/standards/").text
    for name in ("submit", "recall", "seal", "abolish", "delete"):
        clerk.act("standards", name, [one.id], reason="越权的办理")
    db.session.expire_all()
    assert (one.state, one.name) == (APPROVED, "水表检定装置")


@pytest.mark.parametrize("role", ["Analyst", "PublicationOfficer", "AssignmentOfficer"])
def test_who_has_other_duties_changes_nothing(sign_in, lab, role):
    person, one = sign_in(role, authority("330106")), measurement_standard(lab)

    for name in ("add", "edit", "delete", "submit", "seal", "abolish"):
        assert person.act("standards", name, [one.id], **told(lab, reason="越权的办理")).status_code == 403
    assert person.act("standard-reviews", "pass", [one.id]).status_code == 403


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (pdf(), 204),
        (image("PNG"), 204),
        (image("JPEG"), 204),
        (b"%PDF-1.7 x", 422),
        (image("PNG")[:60], 422),
        (b"MZ", 422),
    ],
)
def test_scans_are_told_by_what_is_in_them(clerk, lab, sign_in, content, status):
    answer = clerk.act("standards", "add", [], **told(lab), documents=(BytesIO(content), "扫描.pdf"))

    assert answer.status_code == status
    if status == 204:
        page = clerk.get(f"/standards/show/{newest().id}").text
        url = page.split('href="/standards/document/')[1].split('"')[0]
        got = clerk.get(f"/standards/document/{url}")
        assert got.data[:3] == content[:3]
        assert "attachment" in got.headers["Content-Disposition"]
        neighbour = sign_in("StandardOfficer", authority("330105"))
        assert neighbour.get(f"/standards/document/{url}").status_code == 404
    else:
        assert db.session.scalars(select(MeasurementStandard).where(MeasurementStandard.code == "12216000")).all() == []


# --- Every state, every step ---------------------------------------------------------------------

MOVES = {
    ("submit", DRAFT): SUBMITTED, ("submit", SENT_BACK): SUBMITTED, ("recall", SUBMITTED): DRAFT,
    ("pass", SUBMITTED): APPROVED, ("send_back", SUBMITTED): SENT_BACK, ("seal", APPROVED): SEALED,
    ("seal", EXPIRED): SEALED, ("abolish", APPROVED): ABOLISHED, ("abolish", EXPIRED): ABOLISHED,
    ("abolish", SEALED): ABOLISHED,
}  # fmt: skip


@pytest.mark.parametrize("state", STANDARD_STATES)
@pytest.mark.parametrize("name", ["submit", "recall", "pass", "send_back", "seal", "abolish"])
@pytest.mark.parametrize("where", ["330106", "330105"])
def test_every_state_against_every_step_and_office(sign_in, lab, name, state, where):
    one = in_state(lab, state)
    office = sign_in("StandardOfficer", authority(where))
    page = "standard-reviews" if name in ("pass", "send_back") else "standards"

    office.act(page, name, [one.id], reason="测试所用的原因")

    db.session.expire_all()
    expected = MOVES.get((name, state), state) if where == "330106" else state
    assert one.state == expected


@pytest.mark.parametrize("name", ["seal", "abolish"])
def test_sealing_up_and_abolishing_need_a_reason(clerk, lab, name):
    one = measurement_standard(lab)

    assert clerk.act("standards", name, [one.id], reason=" ").status_code == 422
    db.session.expire_all()
    assert one.state == APPROVED


@pytest.mark.parametrize("name", ["seal", "abolish"])
def test_the_capabilities_that_rest_on_what_is_no_longer_used_end(clerk, lab, sign_in, name):
    one, other = measurement_standard(lab), measurement_standard(lab)
    rests = capability(lab, "330106", standard_id=one.id)
    rests_on_other = capability(lab, "330106", standard_id=other.id)

    sign_in("StandardOfficer", authority("330105")).act("standards", name, [one.id], reason="标准器损坏")
    db.session.expire_all()
    assert rests.state == EFFECTIVE

    clerk.act("standards", name, [one.id], reason="标准器损坏")
    db.session.expire_all()
    assert (rests.state, rests_on_other.state) == (EXPIRED, EFFECTIVE)


TEXTS = [name for name in standards.MANDATORY if not name.endswith(("_on", "_until"))]


@pytest.mark.parametrize("column", TEXTS)
def test_the_database_takes_nothing_incomplete_for_review(lab, column):
    one = in_state(lab, DRAFT)
    setattr(one, column, "")
    db.session.flush()

    one.state = SUBMITTED
    with pytest.raises(IntegrityError, match="nothing_is_missing"), db.session.begin_nested():
        db.session.flush()


@pytest.mark.parametrize("state", [SENT_BACK, SEALED, ABOLISHED])
def test_the_database_takes_no_state_that_owes_a_reason_without_one(lab, state):
    one = in_state(lab, DRAFT)

    one.state, one.reason = state, None
    with pytest.raises(IntegrityError, match="reason_given"), db.session.begin_nested():
        db.session.flush()


def test_an_examination_certificate_is_of_one_standard(clerk, lab):
    one = measurement_standard(lab, certificate_no="[2024]浙量标法证字第0017号")

    answer = clerk.act("standards", "add", [], **told(lab))
    assert answer.status_code == 422
    assert "该建标单位已有使用此编号的标准" in answer.text
    assert edited(clerk, measurement_standard(lab), lab).status_code == 422
    assert edited(clerk, one, lab).status_code == 204  # its own

    elsewhere = institution("330106", name="别的检定所")
    assert clerk.act("standards", "add", [], **told(elsewhere)).status_code == 204


@pytest.mark.parametrize(("state", "goes"), [(DRAFT, True), (SENT_BACK, True), (SUBMITTED, False), (APPROVED, False)])
def test_only_what_was_never_approved_is_deleted(clerk, lab, state, goes):
    ids = [in_state(lab, each).id for each in (state, DRAFT)]

    answer = clerk.act("standards", "delete", ids)

    assert answer.status_code == (204 if goes else 422)
    left = db.session.scalars(select(MeasurementStandard.id).where(MeasurementStandard.id.in_(ids))).all()
    assert len(left) == (0 if goes else 2)  # a failed step changes nothing


def test_what_a_capability_names_is_not_deleted(clerk, lab):
    one = in_state(lab, DRAFT)
    capability(lab, "330106", standard_id=one.id)

    assert clerk.act("standards", "delete", [one.id]).status_code == 422


# --- Who reviews ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("rank", "by"), [("highest", "3301"), ("other", "330106"), (None, "330106")])
def test_the_law_names_who_reviews(sign_in, lab, rank, by):
    one = in_state(lab, SUBMITTED, rank=rank)

    for where in ("330106", "3301", "33", "", "330105"):
        person = sign_in("StandardOfficer", authority(where))
        seen = f'data-id="{one.id}"' in person.get("/standard-reviews/").text
        assert seen == (where == by), where
        assert (person.get(f"/standard-reviews/show/{one.id}").status_code == 200) == (where == by)
        if where != by:
            person.act("standard-reviews", "pass", [one.id])
            db.session.expire_all()
            assert one.state == SUBMITTED

    sign_in("StandardOfficer", authority(by)).act("standard-reviews", "pass", [one.id])
    db.session.expire_all()
    assert one.state == APPROVED


def test_nobody_reviews_an_own_entry(clerk, reviewer, lab):
    clerk.act("standards", "add", [], **told(lab))
    one = newest()
    clerk.act("standards", "submit", [one.id])

    for name in ("pass", "send_back"):
        clerk.act("standard-reviews", name, [one.id], reason="自己审核自己")
        db.session.expire_all()
        assert one.state == SUBMITTED

    reviewer.act("standard-reviews", "pass", [one.id])
    db.session.expire_all()
    assert one.state == APPROVED


def test_who_wrote_it_first_or_submitted_it_does_not_review_it(clerk, sign_in, lab):
    second, third, reviewer = (sign_in("StandardOfficer", authority("330106")) for _ in range(3))
    clerk.act("standards", "add", [], **told(lab))
    one = newest()
    assert edited(second, one, lab, keeper="李建国").status_code == 204
    third.act("standards", "submit", [one.id])

    for person in (clerk, second, third):
        person.act("standard-reviews", "pass", [one.id])
        db.session.expire_all()
        assert one.state == SUBMITTED

    reviewer.act("standard-reviews", "pass", [one.id])
    db.session.expire_all()
    assert one.state == APPROVED


def test_what_did_not_pass_is_corrected_and_submitted_again(clerk, reviewer, lab):
    clerk.act("standards", "add", [], **told(lab))
    one = newest()
    clerk.act("standards", "submit", [one.id])
    assert edited(clerk, one, lab).status_code == 422  # locked

    reviewer.act("standard-reviews", "send_back", [one.id], reason="附件缺失")
    db.session.expire_all()
    assert (one.state, one.reason) == (SENT_BACK, "附件缺失")
    assert edited(clerk, one, lab, keeper="李建国").status_code == 204
    clerk.act("standards", "submit", [one.id])

    db.session.expire_all()
    assert (one.state, one.keeper, one.reason) == (SUBMITTED, "李建国", None)
    page = clerk.get(f"/standards/show/{one.id}").text
    assert "附件缺失" in page  # 审核记录


# --- Changes -------------------------------------------------------------------------------------


def test_a_change_is_a_version_and_what_is_in_force_holds_until_it_has_passed(clerk, reviewer, lab):
    one = measurement_standard(lab, name="旧名称", uncertainty="0.1级")
    rests = capability(lab, "330106", standard_id=one.id)

    assert edited(clerk, one, lab, name="新名称").status_code == 204
    change = newest()
    assert (change.replaces_id, change.state, change.name) == (one.id, DRAFT, "新名称")
    assert (one.state, one.name) == (APPROVED, "旧名称")
    assert edited(clerk, one, lab, name="更新的名称").status_code == 204  # goes into the same change
    db.session.expire_all()
    assert change.name == "更新的名称"

    clerk.act("standards", "submit", [change.id])
    assert edited(clerk, one, lab).status_code == 422  # a change is under review
    shown = reviewer.get(f"/standard-reviews/show/{change.id}").text
    assert "旧名称" in shown
    assert "更新的名称" in shown
    reviewer.act("standard-reviews", "pass", [change.id])

    db.session.expire_all()
    assert (one.state, one.name, one.uncertainty) == (APPROVED, "更新的名称", "0.05级")
    assert (change.state, change.name, change.uncertainty) == (SUPERSEDED, "旧名称", "0.1级")
    assert db.session.get_one(Capability, rests.id).standard_id == one.id
    assert f'data-id="{change.id}"' not in clerk.get("/standards/").text
    assert f'data-id="{change.id}"' in clerk.get("/standards/?version=all").text
    assert "历史版本" in clerk.get(f"/standards/show/{one.id}").text


def test_a_change_renews_what_has_expired(clerk, reviewer, lab):
    one = in_state(lab, EXPIRED, valid_until=TODAY - timedelta(days=1))

    edited(clerk, one, lab)
    change = newest()
    clerk.act("standards", "submit", [change.id])
    reviewer.act("standard-reviews", "pass", [change.id])

    db.session.expire_all()
    assert (one.state, one.valid_until) == (APPROVED, date(2029, 2, 28))


def test_a_change_of_what_was_sealed_up_meanwhile_does_not_pass(clerk, reviewer, lab):
    one = measurement_standard(lab)
    edited(clerk, one, lab)
    change = newest()
    clerk.act("standards", "submit", [change.id])
    clerk.act("standards", "seal", [one.id], reason="标准器维修")

    reviewer.act("standard-reviews", "pass", [change.id])

    db.session.expire_all()
    assert (one.state, change.state) == (SEALED, SUBMITTED)


def test_a_stale_edit_is_refused(clerk, lab):
    one = in_state(lab, DRAFT)
    one.revision = 4
    db.session.flush()

    answer = clerk.act("standards", "edit", [one.id], **told(lab, revision="3"))

    assert answer.status_code in (409, 422)
    db.session.expire_all()
    assert one.revision == 4


@pytest.mark.parametrize("count", [1, 60])
def test_reviewing_costs_the_same_statements(reviewer, lab, statements, count):
    new = [in_state(lab, SUBMITTED).id for _ in range(count)]
    changes = [in_state(lab, SUBMITTED, replaces_id=measurement_standard(lab).id).id for _ in range(count)]

    with statements() as seen:
        reviewer.act("standard-reviews", "pass", [*new, *changes])

    assert len(seen) == 13
    states = db.session.scalars(select(MeasurementStandard.state).where(MeasurementStandard.id.in_([*new, *changes])))
    assert sorted(set(states)) == [APPROVED, SUPERSEDED]


@pytest.mark.parametrize("count", [1, 50])
def test_the_lists_cost_the_same_statements(clerk, reviewer, lab, statements, count):
    for _ in range(count):
        in_state(lab, SUBMITTED)
    with statements() as entered:
        clerk.get("/standards/?size=100")
    with statements() as waiting:
        reviewer.get("/standard-reviews/?size=100")

    assert (len(entered), len(waiting)) == (6, 6)


# --- By the clock --------------------------------------------------------------------------------


@pytest.mark.parametrize("which", ["valid_until", "public_valid_until"])
@pytest.mark.parametrize(("days", "expires"), [(-1, True), (0, False), (5, False)])
def test_a_standard_ends_with_the_earlier_certificate_and_takes_its_capabilities_along(lab, which, days, expires):
    one = measurement_standard(lab, **{which: TODAY + timedelta(days=days)})
    rests = capability(lab, "330106", standard_id=one.id)

    moved = clockwork.run(TODAY, access.EVERYTHING)

    db.session.expire_all()
    assert (one.state == EXPIRED, rests.state == "expired") == (expires, expires)
    assert moved["expire_standards"] == int(expires)
    assert clockwork.run(TODAY, access.EVERYTHING)["expire_standards"] == 0


@pytest.mark.parametrize("ends", ["2026-08-31", "2026-03-31", "2026-03-22", None])
def test_warnings_come_six_months_and_one_month_before_and_when_the_standard_says(lab, ends):
    someone = account("InstitutionApprover", lab)
    measurement_standard(lab, valid_until=date.fromisoformat(ends) if ends else FAR, warn_days=22)

    clockwork.run(date(2026, 2, 28), access.EVERYTHING)

    told_of = select(func.count()).where(Notification.account_id == someone.id, Notification.kind == "standard")
    assert db.session.scalar(told_of) == (1 if ends else 0)


def test_warnings_of_days_without_a_run_are_made_up_for_and_the_authority_hears_too(lab):
    people = [account("InstitutionApprover", lab), account("StandardOfficer", authority("330106"))]
    neighbour = account("StandardOfficer", authority("330105"))
    clockwork.run(date(2026, 2, 25), access.EVERYTHING)
    measurement_standard(lab, valid_until=date(2026, 8, 27))  # six months before it nobody let the day begin

    assert clockwork.run(date(2026, 2, 28), access.EVERYTHING)["standard"] == 2
    assert clockwork.run(date(2026, 3, 1), access.EVERYTHING)["standard"] == 0

    told_of = select(Notification.account_id).where(Notification.kind == "standard")
    assert set(db.session.scalars(told_of)) == {each.id for each in people}
    assert neighbour.id not in db.session.scalars(told_of).all()


def test_the_page_lists_what_would_be_affected(clerk, lab):
    one = measurement_standard(lab)
    capability(lab, "330106", standard_id=one.id)
    waiting = task(ACCEPTED, "330106", to=lab, due_on=TODAY, what=instrument(serial_no="WM-AFFECTED"))
    elsewhere = institution("330106", name="别的检定所")
    task(ACCEPTED, "330106", to=elsewhere, due_on=TODAY, what=instrument(serial_no="WM-OTHER"))
    used = [{"id": one.id, "name": one.name, "certificate_no": one.certificate_no}]
    certificate(task(CERTIFIED, "330106", to=lab), standards=used)

    page = clerk.get(f"/standards/show/{one.id}").text

    assert db.session.get_one(Appointment, waiting.appointment_id).no in page
    assert "WM-AFFECTED" in page
    assert "WM-OTHER" not in page
    named = page.split("提及本标准的有效证书数")[1].split("</dd>")[0]
    assert "1" in named


def test_each_move_is_in_the_history_of_its_institution(clerk, reviewer, lab):
    one = in_state(lab, DRAFT)
    clerk.act("standards", "submit", [one.id])
    reviewer.act("standard-reviews", "pass", [one.id])

    steps = select(Event.step, Event.institution_id).where(
        Event.subject == "measurement_standard", Event.subject_id == one.id
    )
    assert [tuple(row) for row in db.session.execute(steps.order_by(Event.id))] == [
        ("submit", lab.id),
        ("pass", lab.id),
    ]
