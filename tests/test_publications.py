"""信息公示: published and revoked in bulk within a jurisdiction, undone at once, by itself where that is the rule."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, text

from app.domain import certificates, holidays, publications
from app.models import Certificate, Event, Institution, PublicationRule, db
from app.states import CERTIFIED, PUBLICATION_STATES, PUBLISHED, REPLACED, TO_APPROVE, UNPUBLISHED, VALID, VOID
from tests.factories import (
    appointment,
    authority,
    capability,
    certificate,
    institution,
    instrument,
    issuing_rule,
    measurement_standard,
    result,
    staff_member,
    task,
    using_unit,
)


@pytest.fixture
def office(sign_in):
    return sign_in("PublicationOfficer", authority("330106"))


def paper(region="330106", publication=UNPUBLISHED, **values):
    one = task(CERTIFIED, region)
    values |= {"published_at": datetime.now(UTC) - timedelta(days=1)} if publication == PUBLISHED else {}
    return certificate(one, publication=publication, **values)


def publications_of(*papers):
    db.session.expire_all()
    return [each.publication for each in papers]


def history(one, subject="certificate"):
    steps = select(Event.step, Event.reason).where(Event.subject == subject, Event.subject_id == one.id)
    return [tuple(row) for row in db.session.execute(steps.order_by(Event.id))]


# --- Certificates --------------------------------------------------------------------------------


@pytest.mark.parametrize("state", PUBLICATION_STATES)
@pytest.mark.parametrize("name", ["publish", "revoke"])
@pytest.mark.parametrize("party", ["own", "above", "beside"])
def test_every_state_against_every_step_and_office(sign_in, name, state, party):
    where = {"own": "330106", "above": "33", "beside": "330105"}[party]
    one = paper(publication=state)

    sign_in("PublicationOfficer", authority(where)).act("publications", name, [one.id], reason="信息有误需更正")

    source, target = (UNPUBLISHED, PUBLISHED) if name == "publish" else (PUBLISHED, UNPUBLISHED)
    moves = party != "beside" and state == source
    assert publications_of(one) == [target if moves else state]
    assert (one.published_at is not None) == (one.publication == PUBLISHED)
    assert [step for step, _reason in history(one)] == ([name] if moves else [])


@pytest.mark.parametrize("state", [VOID, REPLACED])
def test_what_is_void_is_not_published(office, state):
    one = paper(state=state, void_reason="印错")

    office.act("publications", "publish", [one.id])

    assert publications_of(one) == [UNPUBLISHED]
    assert "已发布 0 份" in office.messages()[0]


def test_revoking_needs_a_reason(office):
    one = paper(publication=PUBLISHED)

    assert office.act("publications", "revoke", [one.id], reason=" ").status_code == 422
    assert publications_of(one) == [PUBLISHED]


@pytest.mark.parametrize("role", ["Analyst", "AssignmentOfficer", "CountyAdministrator"])
def test_who_only_looks_or_does_other_things_publishes_nothing(sign_in, role):
    one = paper()
    person = sign_in(role, authority("330106"))

    assert person.act("publications", "publish", [one.id]).status_code == 403
    assert person.get("/publications/").status_code == (200 if role == "Analyst" else 403)
    assert publications_of(one) == [UNPUBLISHED]


def test_all_that_match_are_published_in_one_go(office, rows):
    order = appointment()
    ones = [certificate(task(CERTIFIED, order=order, what=instrument())) for _ in range(30)]
    failed = certificate(task(CERTIFIED, order=order, what=instrument()), kind="rejection", passed=False)
    there = paper("330105")

    office.post(
        "/publications/act/publish",
        {"selection": "all", "filter": "passed=passed", "expected": "30"},
        headers={"HX-Request": "true"},
    )

    assert set(publications_of(*ones)) == {PUBLISHED}
    assert publications_of(failed, there) == [UNPUBLISHED, UNPUBLISHED]
    assert rows.scalar(select(func.count()).where(Event.step == "publish")) == 30


def undo_of(person):
    (text,) = person.messages()
    return dict(re.findall(r'name="(step|at)" value="([^"]+)"', text))


@pytest.mark.parametrize("name", ["publish", "revoke"])
def test_what_was_just_done_is_undone(office, name):
    before = UNPUBLISHED if name == "publish" else PUBLISHED
    ones = [paper(publication=before) for _ in range(3)]
    office.act("publications", name, [one.id for one in ones], reason="信息有误需更正")

    assert office.post("/publications/undo", undo_of(office)).status_code == 302

    assert publications_of(*ones) == [before] * 3
    assert office.messages() == ["已撤回，涉及 3 份证书。"]


def test_only_ones_own_deeds_of_the_last_minutes_are_undone(office, sign_in, rows):
    one = paper()
    office.act("publications", "publish", [one.id])
    fields = undo_of(office)
    colleague = sign_in("PublicationOfficer", authority("330106"))

    colleague.post("/publications/undo", fields)
    assert publications_of(one) == [PUBLISHED]
    then = datetime.fromisoformat(fields["at"]) - timedelta(minutes=11)
    assert office.post("/publications/undo", {**fields, "at": then.isoformat()}).status_code == 302
    assert office.post("/publications/undo", {**fields, "at": "x"}).status_code == 400
    assert office.post("/publications/undo", {**fields, "step": "void"}).status_code == 400
    assert publications_of(one) == [PUBLISHED]


def test_undoing_leaves_what_somebody_did_since(office, sign_in):
    one = paper()
    office.act("publications", "publish", [one.id])
    fields = undo_of(office)
    one.published_at = datetime.now(UTC) + timedelta(seconds=5)  # revoked and published again meanwhile
    db.session.flush()

    office.post("/publications/undo", fields)

    assert publications_of(one) == [PUBLISHED]


def test_a_correction_takes_the_publication_back_at_once(sign_in):
    lab = institution()
    one = task(CERTIFIED, to=lab)
    done = certificate(one, publication=PUBLISHED, published_at=datetime.now(UTC))
    person = sign_in("InstitutionApprover", lab)
    staff_member(lab, account_id=person.account.id, approves=True)
    db.session.flush()

    person.act("certificates", "correct", [done.id], reason="型号印错")

    assert publications_of(done) == [UNPUBLISHED]
    assert history(done) == [("revoke", "型号印错"), ("void", "型号印错")]


# --- The clock ------------------------------------------------------------------------------------


def test_twenty_working_days_are_the_time_to_publish(office, rows):
    last = holidays.latest_day_over(publications.DAYS)
    late = paper(issued_at=datetime(last.year, last.month, last.day, 23, 59, tzinfo=holidays.ZONE))
    day = last + timedelta(days=1)
    early = paper(issued_at=datetime(day.year, day.month, day.day, 0, 1, tzinfo=holidays.ZONE))
    paper(publication=PUBLISHED, issued_at=datetime(2020, 1, 2, tzinfo=holidays.ZONE))
    due = dict(rows.execute(select(Certificate.id, publications.due_on())).all())

    page = office.get("/publications/?due=late").text

    assert due[late.id] < holidays.today() <= due[early.id]
    assert (f'data-id="{late.id}"' in page, f'data-id="{early.id}"' in page) == (True, False)
    assert page.count("<tr data-id") == 1


# --- By itself ------------------------------------------------------------------------------------


def issue(sign_in, lab, region="330106"):
    unit = using_unit(region)
    one = task(TO_APPROVE, region, to=lab, unit=unit)
    result(one, staff_member(lab, "王检定"), staff_member(lab, "李核验"))
    person = sign_in("InstitutionApprover", lab)
    staff_member(lab, "赵批准", account_id=person.account.id, approves=True)
    db.session.flush()
    assert person.act("results", "approve", [one.id]).status_code == 204
    return db.session.scalars(select(Certificate).where(Certificate.task_id == one.id)).one()


def rule(jurisdiction, automatic):
    db.session.add(PublicationRule(authority_id=authority(jurisdiction).id, automatic=automatic))
    db.session.flush()


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ({}, UNPUBLISHED),
        ({"330106": True}, PUBLISHED),
        ({"33": True}, PUBLISHED),
        ({"": True}, PUBLISHED),
        ({"33": True, "330106": False}, UNPUBLISHED),
        ({"33": False, "3301": True}, PUBLISHED),
        ({"330105": True}, UNPUBLISHED),
    ],
    ids=str,
)
def test_the_rule_of_the_nearest_authority_holds(sign_in, rules, expected):
    lab = institution()
    issuing_rule(lab)
    for jurisdiction, automatic in rules.items():
        rule(jurisdiction, automatic)

    done = issue(sign_in, lab)

    assert publications_of(done) == [expected]


def test_an_office_sets_its_own_rule(office, rows):
    first = office.act("publications", "automatic", [], automatic="y", revision="")

    assert first.status_code == 204
    (set_,) = rows.scalars(select(PublicationRule))
    assert (set_.authority_id, set_.automatic) == (authority("330106").id, True)
    assert office.act("publications", "automatic", [], revision="").status_code == 422
    assert office.act("publications", "automatic", [], revision=str(set_.revision)).status_code == 204
    rows.expire_all()
    assert set_.automatic is False


# --- Looking and taking away ----------------------------------------------------------------------


def test_the_page_shows_what_the_manual_asks_and_unpublished_ones_first(office):
    old = paper(publication=PUBLISHED, no="已发1", issued_at=datetime.now(UTC))
    new = paper(no="未发1", issued_at=datetime.now(UTC) - timedelta(days=3))

    page = office.get("/publications/").text

    heads = "器具名称 出厂编号 使用单位 使用地点 检定机构 证书编号 检定日期 有效期至 检定结论 公示状态 发布时间"
    assert [head for head in heads.split() if head not in page] == []
    assert page.index(f'data-id="{new.id}"') < page.index(f'data-id="{old.id}"')


def test_details_and_document_are_for_the_jurisdiction(office, sign_in):
    lab = institution()
    certificates.keyring().make_authority("测试根证书")
    one = certificate(task(CERTIFIED, to=lab), no="浙检77")
    neighbour = sign_in("PublicationOfficer", authority("330105"))

    assert "浙检77" in office.open("publications", "certificate", [one.id]).text
    assert "智能远传水表" in office.open("publications", "instrument", [one.id]).text
    assert office.get(f"/publications/document/{one.id}").data.startswith(b"%PDF")
    assert neighbour.open("publications", "certificate", [one.id]).status_code == 404
    assert neighbour.open("publications", "instrument", [one.id]).status_code == 404
    assert neighbour.get(f"/publications/document/{one.id}").status_code == 404
    assert neighbour.get(f"/publications/show/{one.id}").status_code == 404
    assert f'data-id="{one.id}"' not in neighbour.get("/publications/").text


@pytest.mark.parametrize("count", [1, 100])
def test_the_list_and_publishing_cost_the_same_statements(office, statements, count):
    order = appointment()
    ids = [certificate(task(CERTIFIED, order=order, what=instrument())).id for _ in range(count)]

    with statements() as listed:
        office.get("/publications/?size=100")
    with statements() as published:
        office.act("publications", "publish", ids)

    assert (len(listed), len(published)) == (6, 8)


def test_a_part_of_the_list_in_which_none_can_match_is_not_read(rows):
    asked = select(Certificate.id).where(Certificate.publication == UNPUBLISHED, Certificate.publication != UNPUBLISHED)
    literal = asked.compile(db.engine, compile_kwargs={"literal_binds": True})

    assert "One-Time Filter: false" in "".join(rows.scalars(text(f"EXPLAIN {literal}")))


# --- Institutions ---------------------------------------------------------------------------------


@pytest.mark.parametrize("state", PUBLICATION_STATES)
@pytest.mark.parametrize("name", ["publish", "revoke"])
@pytest.mark.parametrize("where", ["330106", "3301", "330105"])
def test_institutions_are_published_by_the_offices_they_are_at_home_with(sign_in, name, state, where):
    lab = institution("330106", publication=state, published_at=datetime.now(UTC) if state == PUBLISHED else None)
    person = sign_in("PublicationOfficer", authority(where))

    person.act("institutions", name, [lab.id], reason="信息有误需更正")

    source, target = (UNPUBLISHED, PUBLISHED) if name == "publish" else (PUBLISHED, UNPUBLISHED)
    moves = where != "330105" and state == source
    db.session.expire_all()
    house = db.session.get_one(Institution, lab.id)
    assert house.publication == (target if moves else state)
    assert [step for step, _reason in history(lab, "institution")] == ([name] if moves else [])
    assert (person.get(f"/institutions/show/{lab.id}").status_code == 200) == (where != "330105")
    assert (f'data-id="{lab.id}"' in person.get("/institutions/").text) == (where != "330105")


def test_what_an_institution_can_verify_is_passed_and_rejected_in_its_dialog(office):
    lab, other = institution(), institution("330105")
    good = capability(lab, state="pending", standard_id=measurement_standard(lab).id, valid_until=holidays.today())
    bad, theirs = capability(lab, state="pending"), capability(other, state="pending")

    dialog = office.open("institutions", "capabilities", [lab.id]).text
    chosen = {"capability": [f"{good.id}:{good.revision}"]}
    short = office.act("institutions", "capabilities", [lab.id], decision="reject", reason="", **chosen)
    nothing = office.act("institutions", "capabilities", [lab.id], decision="pass", capability=[f"{theirs.id}:1"])
    passed = office.act("institutions", "capabilities", [lab.id], decision="pass", **chosen)
    rejected = office.act(
        "institutions", "capabilities", [lab.id], decision="reject", capability=[f"{bad.id}:1"], reason="范围超出标准"
    )

    assert [f'value="{each.id}:1"' in dialog for each in (good, bad, theirs)] == [True, True, False]
    assert f'href="/capability-reviews/?institution={lab.id}"' in dialog
    assert [answer.status_code for answer in (short, nothing, passed, rejected)] == [422, 422, 204, 204]
    assert f'value="{good.id}:1" aria-label="水表 (0～50)mm" checked' in short.text
    db.session.expire_all()
    assert [each.state for each in (good, bad, theirs)] == ["effective", "rejected", "pending"]
    assert office.open("institutions", "capabilities", [other.id]).status_code == 404


def test_what_was_edited_since_the_dialog_was_opened_is_not_passed_in_it(office):
    lab = institution()
    one: Any = capability(lab, state="pending", standard_id=measurement_standard(lab).id)
    ticked = [f"{one.id}:{one.revision}"]
    one.range_high, one.revision = 999_999, one.revision + 1
    db.session.flush()

    answer = office.act("institutions", "capabilities", [lab.id], decision="pass", capability=ticked)

    assert (answer.status_code, "已被他人修改" in answer.text) == (422, True)
    assert one.state == "pending"


@pytest.mark.parametrize("standing", ["in_service", "suspended", "closed"])
def test_a_closed_institution_is_not_published(office, standing):
    lab = institution(standing=standing, standing_reason=None if standing == "in_service" else "监督检查发现问题")
    office.act("institutions", "publish", [lab.id])
    db.session.expire_all()
    assert db.session.get_one(Institution, lab.id).publication == (UNPUBLISHED if standing == "closed" else PUBLISHED)


def test_who_only_looks_cannot_pass_or_reject_in_the_dialog(sign_in, rows):
    lab = institution()
    one = capability(lab, state="pending")
    analyst = sign_in("Analyst", authority("330106"))

    dialog = analyst.open("institutions", "capabilities", [lab.id]).text
    answer = analyst.act("institutions", "capabilities", [lab.id], decision="reject", capability=[str(one.id)],
                         reason="范围超出标准")  # fmt: skip

    assert ("水表" in dialog, 'name="decision"' in dialog, 'name="capability"' in dialog) == (True, False, False)
    db.session.expire_all()
    assert (answer.status_code, one.state) == (403, "pending")


def test_a_capability_is_passed_or_rejected_on_the_page(office):
    lab = institution()
    good = capability(lab, state="pending", standard_id=measurement_standard(lab).id, valid_until=holidays.today())
    bad, weak = capability(lab, state="pending"), capability(lab, state="pending")

    assert office.act("capability-reviews", "pass", [good.id]).status_code == 204
    assert office.act("capability-reviews", "reject", [bad.id], reason="范围超出标准").status_code == 204
    answer = office.act("capability-reviews", "pass", [weak.id])

    db.session.expire_all()
    assert [each.state for each in (good, bad, weak)] == ["effective", "rejected", "pending"]
    assert (answer.status_code, bad.reason, VALID) == (422, "范围超出标准", "valid")
