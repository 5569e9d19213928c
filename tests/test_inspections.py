"""监督检查: every state against every step and party; drawn again by the seed; told once; nothing for neighbours."""

import io
from datetime import timedelta
from io import BytesIO
from typing import Any

import pypdfium2 as pdfium
import pytest
from openpyxl import load_workbook
from PIL import Image
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from app.access import EVERYTHING, PUBLIC, Principal, seeing
from app.domain import clockwork, draws, holidays, inspections
from app.domain.checklists import ITEMS
from app.domain.draws import Conditions
from app.models import AuditEntry, Event, Inspection, InspectionDraw, Notification, db
from app.states import (
    CANCELLED,
    CLOSED,
    CONCLUDED_INSPECTION,
    DRAFT,
    FILED,
    INSPECTION_LABELS,
    INSPECTION_STATES,
    INSPECTION_STEPS,
    NOT_CONCLUDED,
    OPEN_RECTIFICATION,
    PLANNED,
    PUBLISHED,
    STEP_LABELS,
    TO_RECHECK,
    TO_RECTIFY,
    UNDER_WAY,
    UNPUBLISHED,
)
from tests.factories import (
    account,
    authority,
    inspection,
    inspectors,
    institution,
    instrument,
    measurement_standard,
    using_unit,
)

TODAY = holidays.today()
SOON = TODAY + timedelta(days=30)


@pytest.fixture
def office(sign_in):
    """An inspection officer of 西湖区."""
    return sign_in("InspectionOfficer", authority("330106"))


def picture():
    content = BytesIO()
    Image.new("RGB", (20, 20), "red").save(content, "JPEG")
    content.seek(0)
    return content, "现场.jpg"


def state_of(one):
    return db.session.scalar(select(Inspection.state).where(Inspection.id == one.id))


def fresh(one):
    return db.session.get_one(Inspection, one.id, populate_existing=True)


def steps(one):
    found = select(Event.step, Event.from_state, Event.to_state).where(
        Event.subject == "inspection", Event.subject_id == one.id
    )
    return [tuple(row) for row in db.session.execute(found.order_by(Event.id))]


def checks(kind, **found):
    """The checklist as it is posted: all conforms but what is said."""
    values = dict.fromkeys(ITEMS[kind], "conforms") | dict.fromkeys(found, "fails")
    return {f"check-{item}": each for item, each in values.items()} | {f"remark-{k}": v for k, v in found.items()}


# --- States, steps, parties ----------------------------------------------------------------------

FIELDS = {
    "inspect": lambda one: {"inspected_on": TODAY.isoformat(), "revision": one.revision, **checks(one.kind)},
    "conclude": lambda one: {"conclusion": "conforms", "revision": one.revision},
    "conclude_to_rectify": lambda one: {
        "conclusion": "rectify", "issues": "记录不完整", "due_on": SOON.isoformat(), "revision": one.revision,
    },
    "recheck": lambda one: {"passed": "yes", "text": "全部整改到位", "revision": one.revision},
    "recheck_failed": lambda one: {
        "passed": "no", "text": "仍有问题未改", "due_on": SOON.isoformat(), "revision": one.revision,
    },
    "cancel": lambda _one: {"reason": "重复安排检查"},
    "answer": lambda _one: {"statement": "已全部整改到位"},
}  # fmt: skip
STEPS = {
    "inspect": (NOT_CONCLUDED, UNDER_WAY),
    "conclude": ({UNDER_WAY}, CLOSED),
    "conclude_to_rectify": ({UNDER_WAY}, TO_RECTIFY),
    "recheck": (OPEN_RECTIFICATION, CLOSED),
    "recheck_failed": (OPEN_RECTIFICATION, TO_RECTIFY),
    "cancel": (NOT_CONCLUDED, CANCELLED),
    "answer": ({TO_RECTIFY}, TO_RECHECK),
}
PARTIES = {
    "own": ("InspectionOfficer", lambda _lab: authority("330106")),
    "above": ("InspectionOfficer", lambda _lab: authority("3301")),
    "beside": ("InspectionOfficer", lambda _lab: authority("330105")),
    "inspected": ("InstitutionApprover", lambda lab: lab),
    "another institution": ("InstitutionApprover", lambda _lab: institution()),
    "using unit": ("UsingUnitClerk", lambda _lab: using_unit()),
}


@pytest.mark.parametrize("state", INSPECTION_STATES)
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("party", PARTIES)
def test_every_state_against_every_step_and_party(sign_in, state, step, party):
    lab = institution()
    one = inspection(state, lab)
    role, home = PARTIES[party]
    person = sign_in(role, home(lab))
    page = "own-inspections" if person.account.organization.kind != "authority" else "inspections"
    name = {"conclude_to_rectify": "conclude", "recheck_failed": "recheck"}.get(step, step)

    answer = person.act(page, name, [one.id], **FIELDS[step](one))

    sources, target = STEPS[step]
    may = (party == "inspected") if step == "answer" else (party == "own")
    moves = may and state in sources
    assert state_of(one) == (target if moves else state)
    assert len(steps(one)) == int(moves)
    if not moves and step not in ("cancel",):
        assert answer.status_code in (403, 404, 422)


@pytest.mark.parametrize("state", INSPECTION_STATES)
@pytest.mark.parametrize("name", ["publish", "revoke"])
@pytest.mark.parametrize("publication", [UNPUBLISHED, PUBLISHED])
@pytest.mark.parametrize("party", ["own", "above", "beside"])
def test_only_what_was_concluded_is_published_by_its_office(sign_in, state, name, publication, party):
    if publication == PUBLISHED and state not in CONCLUDED_INSPECTION:
        return
    times: Any = {"published_at": func.now()} if publication == PUBLISHED else {}
    one = inspection(state, publication=publication, **times)
    role, home = PARTIES[party]

    sign_in(role, home(None)).act("inspections", name, [one.id], reason="信息有误需更正")

    source, target = (UNPUBLISHED, PUBLISHED) if name == "publish" else (PUBLISHED, UNPUBLISHED)
    moves = party == "own" and state in CONCLUDED_INSPECTION and publication == source
    assert fresh(one).publication == (target if moves else publication)
    assert state_of(one) == state


def test_every_state_and_step_has_a_word():
    assert set(INSPECTION_LABELS) == set(INSPECTION_STATES)
    assert {step.name for step in INSPECTION_STEPS} <= set(STEP_LABELS)


def test_every_state_can_be_reached():
    assert set(INSPECTION_STATES) - {step.target for step in INSPECTION_STEPS} == {PLANNED}


@pytest.mark.parametrize(
    "wrong",
    [
        {"inspectors": [{"id": 1, "name": "甲"}]},
        {"state": CANCELLED, "reason": None},
        {"state": UNDER_WAY, "conclusion": "conforms"},
        {"state": TO_RECTIFY, "due_on": None},
        {"state": TO_RECTIFY, "issues": None},
        {"state": TO_RECHECK, "statement": None},
        {"state": CLOSED, "closed_at": None},
        {"state": CLOSED, "rechecked_on": None},
        {"state": PLANNED, "publication": PUBLISHED, "published_at": func.now()},
        {"kind": "standard"},
    ],
)
def test_the_table_refuses_what_cannot_be(rows, wrong):
    with pytest.raises(IntegrityError), rows.begin_nested():
        inspection(**wrong)


# --- On the spot ---------------------------------------------------------------------------------


def test_the_whole_way_from_the_plan_to_the_end(sign_in, rows):
    lab = institution(name="西湖区计量检定所")
    home = authority("330106")
    officer, boss = sign_in("InspectionOfficer", home), sign_in("InstitutionApprover", lab)
    second = account("InspectionOfficer", home, first_name="王五")
    people = [officer.account.id, second.id]

    plan = {"task": "年度专项监督检查", "party_id": lab.id, "planned_on": TODAY.isoformat(), "inspectors": people}
    assert officer.act("inspections", "add", [], **plan).status_code == 204
    one = rows.scalars(select(Inspection)).one()
    assert (one.state, one.kind, [each["name"] for each in one.inspectors]) == (
        PLANNED,
        "institution",
        ["李四", "王五"],
    )
    told = rows.scalars(select(Notification.account_id).where(Notification.kind == "inspect")).all()
    assert sorted(told) == sorted(people)

    record = {"inspected_on": TODAY.isoformat(), "accompanied_by": "陈所长", "findings": "设备完好"}
    found = checks("institution", records="三份记录缺少环境条件")
    assert officer.act("inspections", "inspect", [one.id], **record, **found, revision=1).status_code == 204
    officer.act("inspections", "add_photos", [one.id], photos=[picture(), picture()])
    assert len(fresh(one).photos) == 2
    assert boss.get(f"/own-inspections/show/{one.id}").status_code == 404

    conclusion = {"conclusion": "rectify", "issues": "三份原始记录缺少环境条件", "due_on": SOON.isoformat()}
    assert officer.act("inspections", "conclude", [one.id], **conclusion, revision=2).status_code == 204
    page = boss.get(f"/own-inspections/show/{one.id}")
    assert (page.status_code, "三份原始记录缺少环境条件" in page.text) == (200, True)
    photo = fresh(one).photos[0]
    assert boss.get(f"/own-inspections/photo/{one.id}/{photo}").mimetype == "image/jpeg"
    assert boss.get(f"/own-inspections/photo/{one.id}/{'0' * 64}").status_code == 404

    answer = {"statement": "已补齐三份原始记录", "photos": [picture()]}
    assert boss.act("own-inspections", "answer", [one.id], **answer).status_code == 204
    assert (
        officer.act("inspections", "recheck", [one.id], passed="yes", text="已整改到位", revision=4).status_code == 204
    )
    assert officer.act("inspections", "publish", [one.id]).status_code == 204

    assert [step for step, _from, _to in steps(one)] == ["inspect", "conclude", "answer", "recheck", "publish"]
    kinds = rows.scalars(select(Notification.kind).where(Notification.account_id == boss.account.id)).all()
    assert sorted(kinds) == ["conclude", "recheck"]
    office = rows.scalars(select(Notification.kind).where(Notification.account_id == officer.account.id)).all()
    assert sorted(office) == ["answer", "inspect"]


def test_a_record_can_be_saved_in_parts(office, rows):
    one = inspection(PLANNED)
    first = {"check-authorized": "conforms"}

    office.act("inspections", "inspect", [one.id], inspected_on=TODAY.isoformat(), revision=1, **first)

    assert office.messages() == ["已保存，检查表还有 9 项未检查。"]
    assert fresh(one).checklist == [{"item": "authorized", "found": "conforms", "remark": ""}]
    shown = office.open("inspections", "inspect", [one.id]).text
    assert 'name="check-authorized" value="conforms" checked' in shown
    refused = office.act("inspections", "conclude", [one.id], conclusion="conforms", revision=2)
    assert (refused.status_code, "检查表还有 9 项未检查" in refused.text) == (422, True)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"inspected_on": (TODAY + timedelta(days=1)).isoformat()}, "检查日期不能晚于今天"),
        ({"check-authorized": "fails"}, "请说明不符合的具体情况"),
        ({"check-authorized": "nonsense"}, "不在可选范围内"),
        ({"check-nonsense": "conforms"}, "不在可选范围内"),
        ({"check-authorized": "conforms", "remark-authorized": "长" * 201}, "不能超过 200 字"),
        ({"inspectors": ["1"]}, "不得少于两人"),
        ({"inspectors": ["1", "999999"]}, "不得少于两人"),
        ({"revision": "7"}, "已被他人修改"),
    ],
)
def test_what_is_wrong_in_a_record_is_said_and_nothing_changes(office, fields, sentence):
    one = inspection(PLANNED)

    answer = office.act(
        "inspections", "inspect", [one.id], **{"inspected_on": TODAY.isoformat(), "revision": "1", **fields}
    )

    assert (answer.status_code, state_of(one)) == (422, PLANNED)
    assert sentence in answer.text


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"conclusion": "conforms"}, "结论不能为“符合”"),
        ({"conclusion": "rectify", "due_on": SOON.isoformat()}, "须填写问题描述"),
        ({"conclusion": "stop", "issues": "超范围开展检定"}, "须填写整改期限"),
        ({"conclusion": "rectify", "issues": "记录不完整", "due_on": TODAY.isoformat()}, "应晚于今天"),
        ({"conclusion": "nonsense", "issues": "记录不完整"}, "field-error"),
        ({}, "请选择检查结论"),
    ],
)
def test_a_conclusion_agrees_with_the_checklist_and_with_itself(office, fields, sentence):
    found = [{"item": item, "found": "conforms", "remark": ""} for item in ITEMS["institution"]]
    found[0] |= {"found": "fails", "remark": "证书过期"}
    one = inspection(UNDER_WAY, checklist=found)

    answer = office.act("inspections", "conclude", [one.id], **fields, revision=1)

    assert (answer.status_code, state_of(one)) == (422, UNDER_WAY)
    assert sentence in answer.text


def test_not_conforming_without_a_deadline_is_closed_at_once(office):
    one = inspection(UNDER_WAY)

    office.act(
        "inspections", "conclude", [one.id], conclusion="does_not_conform", issues="个别记录字迹不清", revision=1
    )

    assert (state_of(one), fresh(one).due_on) == (CLOSED, None)


def test_of_two_who_conclude_at_once_one_does(office):
    one = inspection(UNDER_WAY)
    conclude = {"conclusion": "conforms", "revision": 1}

    assert office.act("inspections", "conclude", [one.id], **conclude).status_code == 204
    assert office.act("inspections", "conclude", [one.id], **conclude).status_code == 422
    assert len(steps(one)) == 1


def test_photos_are_at_most_twenty_and_only_before_the_conclusion(office):
    one, done = inspection(UNDER_WAY, photos=["a" * 64] * 20), inspection(CLOSED)

    assert "最多 20 张" in office.act("inspections", "add_photos", [one.id], photos=[picture()]).text
    assert office.act("inspections", "add_photos", [done.id], photos=[picture()]).status_code == 404
    broken = office.act("inspections", "add_photos", [inspection().id], photos=[(io.BytesIO(b"x"), "x.jpg")])
    assert broken.status_code == 422


# --- Who sees it ---------------------------------------------------------------------------------


@pytest.mark.parametrize("state", INSPECTION_STATES)
@pytest.mark.parametrize("kind", ["institution", "using_unit"])
def test_the_party_sees_its_own_once_it_is_concluded_and_no_others(sign_in, state, kind):
    make = institution if kind == "institution" else using_unit
    role = "InstitutionApprover" if kind == "institution" else "UsingUnitClerk"
    mine, theirs = make(), make()
    one, other = inspection(state, mine), inspection(state, theirs)
    person = sign_in(role, mine)

    shown = person.get("/own-inspections/").text
    status = person.get(f"/own-inspections/show/{one.id}").status_code
    report = person.get(f"/own-inspections/report/{one.id}").status_code

    seen = state in CONCLUDED_INSPECTION
    assert (one.no in shown, status, report) == (seen, 200 if seen else 404, 200 if seen else 404)
    assert other.no not in shown
    assert person.get(f"/own-inspections/show/{other.id}").status_code == 404
    assert person.get("/inspections/").status_code == 403


def test_neighbours_see_and_change_nothing(sign_in, rows):
    one = inspection(TO_RECTIFY)
    made = draws.plan("抽查", TODAY, Conditions("institution"), 1, 2, _officer(), seed="2026")
    neighbour = sign_in("InspectionOfficer", authority("5101"))

    for url in (f"/inspections/show/{one.id}", f"/inspections/report/{one.id}", f"/inspection-draws/show/{made.id}"):
        assert neighbour.get(url).status_code == 404
    for page in ("inspections", "inspection-draws"):
        assert "data-id=" not in neighbour.get(f"/{page}/?size=200").text
        sheet = neighbour.post(f"/{page}/export", {"selection": "all", "filter": "", "format": "csv"})
        assert sheet.data.count(b"\n") == 1
    for name in ("inspect", "conclude", "recheck"):
        assert neighbour.open("inspections", name, [one.id]).status_code == 404
        neighbour.act("inspections", name, [one.id], **FIELDS[name](one))
    assert neighbour.open("inspection-draws", "repeat", [made.id]).status_code == 404
    assert (state_of(one), steps(one)) == (TO_RECTIFY, [])


def test_the_public_and_nobody_see_no_inspection(rows):
    inspection(CLOSED)
    draws.plan("抽查", TODAY, Conditions("institution"), 1, 2, _officer())
    for who in (PUBLIC, Principal(), Principal(kind="institution"), Principal(kind="using_unit")):
        with seeing(who):
            assert rows.scalars(select(Inspection)).all() == []
            assert rows.scalars(select(InspectionDraw)).all() == []


def test_parties_of_other_places_are_not_offered_or_planned(office, rows):
    here, there = institution("330106", "西湖所"), institution("510104", "锦江所")
    people = [each.id for each in inspectors(authority("330106"))]

    offered = office.get("/inspections/parties?q=所").json["options"]
    answer = office.act(
        "inspections", "add", [], task="检查", party_id=there.id, planned_on=TODAY.isoformat(), inspectors=people
    )

    assert [each["value"] for each in offered] == [str(here.id)]
    assert (answer.status_code, rows.scalars(select(Inspection)).all()) == (422, [])


# --- Drawing -------------------------------------------------------------------------------------


def _officer(jurisdiction="330106"):
    home = authority(jurisdiction)
    people = inspectors(home, 3)
    return Principal(
        kind="authority", jurisdiction=jurisdiction, organization_id=home.id, organization=home.name, level=home.level,
        path=home.path, region_code=home.region_code, account_id=people[0].id, name="检查员1",
    )  # fmt: skip


def test_the_same_seed_draws_the_same_and_another_others():
    everybody, people = list(range(1, 1001)), [7, 8, 9, 10]

    first = draws.draw(everybody, people, "2026112801", 20, 2)

    assert draws.draw(everybody[::-1], people[::-1], "2026112801", 20, 2) == first
    assert draws.draw(everybody, people, "2026112802", 20, 2) != first
    assert len({target for target, _people in first}) == 20
    assert all(len(set(chosen)) == 2 for _target, chosen in first)


def test_a_draw_as_anybody_can_repeat_it_by_hand():
    """Known by any other program: the smallest SHA-256 of 'seed:id'."""
    assert draws.draw([1, 2, 3, 4, 5], [1, 2, 3], "abc", 2, 2) == [(3, [2, 1]), (2, [1, 2])]


def test_no_target_is_preferred():
    """Over 2,000 seeds each of ten is drawn about as often."""
    drawn = [target for seed in range(2000) for target, _who in draws.draw(range(10), [1, 2], str(seed), 1, 2)]
    counts = [drawn.count(target) for target in range(10)]

    assert min(counts) > 140
    assert max(counts) < 260


def test_a_draw_is_kept_with_all_that_went_into_it_and_repeats(sign_in, rows):
    labs = [institution() for _ in range(6)]
    institution("510104")
    officer = sign_in("InspectionOfficer", authority("330106"))
    inspectors(authority("330106"), 3)

    answer = officer.act(
        "inspections", "draw", [], task="双随机抽查", kind="institution", region_code="330106", months=12, number=3,
        inspectors=2, planned_on=TODAY.isoformat(), seed="20261128",
    )  # fmt: skip

    assert (answer.status_code, officer.messages()) == (204, ["已从 6 个对象中抽取 3 个，并已通知检查人员。"])
    made = rows.scalars(select(InspectionDraw)).one()
    assert (made.candidates, made.seed, len(made.pool)) == (sorted(lab.id for lab in labs), "20261128", 4)
    assert made.conditions["seed_given"] is True
    drawn = rows.scalars(select(Inspection).order_by(Inspection.id)).all()
    assert [[each.party_id, [who["id"] for who in each.inspectors]] for each in drawn] == made.drawn
    assert draws.agrees(made)
    shown = officer.open("inspection-draws", "repeat", [made.id]).text
    assert "结果与记录一致" in shown
    assert rows.scalar(select(func.count()).select_from(AuditEntry).where(AuditEntry.action == "draw")) == 1


@pytest.mark.parametrize("number", [1, 12])
def test_drawing_again_costs_the_same_statements(sign_in, statements, number):
    for _ in range(12):
        institution()
    made = draws.plan("抽查", TODAY, Conditions("institution"), number, 2, _officer(), seed="1")
    person = sign_in("InspectionOfficer", authority("330106"))

    with statements() as seen:
        assert person.open("inspection-draws", "repeat", [made.id]).status_code == 200

    assert len(seen) == 7


def test_a_draw_that_was_tampered_with_does_not_repeat(sign_in, rows):
    for _ in range(5):
        institution()
    made = draws.plan("抽查", TODAY, Conditions("institution"), 2, 2, _officer(), seed="1")
    made.drawn = [made.drawn[1], made.drawn[0]]
    rows.flush()

    assert not draws.agrees(made)
    shown = sign_in("InspectionOfficer", authority("330106")).open("inspection-draws", "repeat", [made.id]).text
    assert "结果与记录不一致" in shown


@pytest.mark.parametrize("kind", ["institution", "standard", "using_unit", "instrument"])
def test_each_kind_of_target_is_drawn_with_its_party(rows, kind):
    lab, unit = institution(), using_unit()
    standard, what = measurement_standard(lab), instrument(unit=unit, filing_state=FILED)
    instrument("510104", filing_state=FILED)
    measurement_standard(institution("510104"))
    measurement_standard(lab, state=DRAFT, replaces_id=standard.id)
    by = _officer()

    with seeing(by):
        draws.plan("抽查", TODAY, Conditions(kind), 1, 2, by)

    one = rows.scalars(select(Inspection)).one()
    party = lab if kind in ("institution", "standard") else unit
    assert (one.kind, one.party_id, one.region_code) == (kind, party.id, "330106")
    assert one.standard_id == (standard.id if kind == "standard" else None)
    assert one.instrument_id == (what.id if kind == "instrument" else None)


def test_who_was_inspected_lately_is_not_drawn_unless_it_was_called_off(rows):
    fresh_one, lately, called_off, long_ago = (institution() for _ in range(4))
    inspection(CLOSED, lately, planned_on=TODAY - timedelta(days=100))
    inspection(CANCELLED, called_off, planned_on=TODAY - timedelta(days=100))
    inspection(CLOSED, long_ago, planned_on=TODAY - timedelta(days=500))
    by = _officer()

    with seeing(by):
        among = draws.candidates(Conditions("institution", months=12), by)
        everybody = draws.candidates(Conditions("institution"), by)

    assert among == sorted([fresh_one.id, called_off.id, long_ago.id])
    assert lately.id in everybody


def test_an_institution_of_a_higher_level_is_not_a_countys_to_inspect(rows):
    above, below = institution(), institution()
    above.level = "province"
    rows.flush()
    by = _officer()

    with seeing(by):
        assert draws.candidates(Conditions("institution"), by) == [below.id]


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"number": 9}, "只有 2 个"),
        ({"number": 0}, "field-error"),
        ({"inspectors": 5}, "只有 1 人"),
        ({"inspectors": 1}, "field-error"),
        ({"region_code": "510104"}, "管辖范围"),
        ({"kind": "nonsense"}, "field-error"),
        ({"planned_on": (TODAY - timedelta(days=1)).isoformat()}, "今天或以后"),
        ({"task": " "}, "请填写检查任务"),
    ],
)
def test_what_cannot_be_drawn_is_said_and_nothing_is_planned(office, rows, fields, sentence):
    institution(), institution()
    filled = {
        "task": "抽查", "kind": "institution", "region_code": "330106", "months": 12, "number": 1, "inspectors": 2,
        "planned_on": TODAY.isoformat(), **fields,
    }  # fmt: skip
    if "number" in fields or "kind" in fields:
        inspectors(authority("330106"))

    answer = office.act("inspections", "draw", [], **filled)

    assert (answer.status_code, sentence in answer.text) == (422, True)
    assert rows.scalars(select(InspectionDraw)).all() == []


@pytest.mark.parametrize("number", [1, 100])
def test_a_draw_costs_the_same_for_few_and_for_many(rows, statements, number):
    for _ in range(number):
        institution()
    by = _officer()

    with seeing(by), statements() as seen:
        draws.plan("抽查", TODAY, Conditions("institution"), number, 2, by)

    assert len(seen) == 8


@pytest.mark.parametrize("number", [1, 50])
def test_bulk_steps_cost_the_same_for_few_and_for_many(rows, statements, number):
    lab = institution()
    ones = [inspection(PLANNED, lab) for _ in range(number)]
    done = [inspection(CLOSED, lab) for _ in range(number)]
    by = Principal(kind="authority", jurisdiction="330106", organization_id=authority("330106").id, name="甲")

    with statements() as seen:
        inspections.cancel([one.id for one in ones], "重复安排检查", by)
        inspections.publish([one.id for one in done], by)

    assert len(seen) == 2


@pytest.mark.parametrize("number", [1, 60])
def test_the_list_costs_the_same_for_few_and_for_many(office, statements, number):
    lab = institution()
    for _ in range(number):
        inspection(PLANNED, lab)
    office.get("/inspections/")

    with statements() as seen:
        assert office.get("/inspections/?size=200").text.count("<tr data-id=") == number

    assert len(seen) <= 8


# --- Reminders -----------------------------------------------------------------------------------


def test_a_deadline_that_is_near_and_one_that_is_past_is_told_once(rows):
    lab, unit, home = institution(), using_unit(), authority("330106")
    boss, clerk, officer = account("InstitutionApprover", lab), account("UsingUnitClerk", unit), inspectors(home, 1)[0]
    inspection(TO_RECTIFY, lab, due_on=TODAY + timedelta(days=3))
    inspection(TO_RECTIFY, unit, due_on=TODAY - timedelta(days=1))
    inspection(TO_RECTIFY, lab, due_on=TODAY + timedelta(days=4))
    inspection(TO_RECHECK, lab, due_on=TODAY - timedelta(days=1))

    told = [clockwork.run(TODAY, EVERYTHING)["rectification"] for _ in range(2)]

    assert told == [3, 0]
    found = {
        who.id: rows.scalars(select(Notification.kind).where(Notification.account_id == who.id)).all()
        for who in (boss, clerk, officer)
    }
    assert found == {boss.id: ["rectify_near"], clerk.id: ["rectify_past"], officer.id: ["rectify_past"]}
    shown = rows.scalars(select(Inspection.reminded).order_by(Inspection.id)).all()
    assert shown == ["near", "past", None, None]


def test_another_deadline_is_told_of_again(office, rows):
    one = inspection(TO_RECHECK, reminded="past", due_on=TODAY - timedelta(days=2))

    office.act("inspections", "recheck", [one.id], passed="no", text="仍有问题", due_on=SOON.isoformat(), revision=1)

    assert (fresh(one).reminded, fresh(one).due_on) == (None, SOON)


def test_notifications_lead_to_where_it_is_worked_on(sign_in, rows):
    lab = institution()
    one = inspection(UNDER_WAY, lab)
    boss, officer = sign_in("InstitutionApprover", lab), sign_in("InspectionOfficer", authority("330106"))

    officer.act("inspections", "conclude", [one.id], conclusion="conforms", revision=1)

    page = boss.get("/notifications/").text
    assert f"/own-inspections/show/{one.id}" in page
    assert "对贵单位的监督检查已作出结论" in page


# --- Paper and sheet -----------------------------------------------------------------------------


def test_the_report_holds_what_was_found(office):
    lab = institution(name="西湖区计量检定所")
    one = inspection(CLOSED, lab, recheck="已整改到位", accompanied_by="陈所长")

    answer = office.get(f"/inspections/report/{one.id}")

    document = pdfium.PdfDocument(answer.data)
    text = "".join("".join(page.get_textpage().get_text_bounded() for page in document).split())
    assert answer.mimetype == "application/pdf"
    for part in ("监督检查报告", one.no, "西湖区计量检定所", "责令整改", "部分原始记录缺少环境条件", "甲、乙",
                 "陈所长", "已补齐全部原始记录", "已整改到位", "计量授权证书在有效期内"):  # fmt: skip
        assert "".join(part.split()) in text


def test_the_report_shows_the_photos(office):
    one = inspection(UNDER_WAY)
    office.act("inspections", "add_photos", [one.id], photos=[picture(), picture(), picture()])

    document = pdfium.PdfDocument(office.get(f"/inspections/report/{one.id}").data)

    text = "".join("".join(page.get_textpage().get_text_bounded() for page in document).split())
    pictures = [each for page in document for each in page.get_objects((pdfium.raw.FPDF_PAGEOBJ_IMAGE,))]
    assert "现场照片3张" in text
    assert ("照片1" in text, "照片3" in text, "照片4" in text) == (True, True, False)
    assert len(pictures) == 3


def test_a_long_record_stays_on_its_pages(office):
    found = [{"item": item, "found": "fails", "remark": "说明" * 100} for item in ITEMS["institution"]]
    one = inspection(TO_RECTIFY, checklist=found, findings="情况" * 1000, issues="问题" * 1000)

    document = pdfium.PdfDocument(office.get(f"/inspections/report/{one.id}").data)

    assert len(document) >= 3


def test_the_export_holds_words_and_not_codes(office):
    one = inspection(TO_RECTIFY)

    answer = office.post("/inspections/export", {"selection": "all", "filter": "", "format": "xlsx"})

    rows = list(load_workbook(BytesIO(answer.data)).worksheets[0].values)
    line = dict(zip(rows[0], rows[1], strict=True))
    assert (line["检查编号"], line["状态"], line["检查结论"], line["检查人员"]) == (
        one.no,
        "整改中",
        "责令整改",
        "甲、乙",
    )


@pytest.mark.parametrize(
    ("query", "number"),
    [("", 2), ("?state=planned", 1), ("?whose=office", 2), ("?whose=mine", 0), ("?due=past", 1), ("?due=near", 0),
     ("?conclusion=rectify", 1), ("?kind=using_unit", 0), ("?region=330106", 2), ("?region=330105", 0),
     ("?field=party&q=计量所", 2), ("?state=nonsense", 2)],
)  # fmt: skip
def test_filters(office, query, number):
    lab = institution()
    inspection(PLANNED, lab)
    inspection(TO_RECTIFY, lab, due_on=TODAY - timedelta(days=1))

    assert office.get(f"/inspections/{query}").text.count("<tr data-id=") == number
