"""机构项目: what an institution drafts and declares, what the authority says to it, and what nobody else sees of it."""

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import select

from app.access import Principal, seeing
from app.domain import capabilities, holidays
from app.errors import RuleError
from app.models import Capability, Event, Notification, Region, ServiceRegion
from app.states import (
    CAPABILITY_STATES,
    DECLARE,
    DRAFT,
    EFFECTIVE,
    EXPIRED,
    PASS_CAPABILITY,
    PENDING,
    RECALL,
    REJECT_CAPABILITY,
    REJECTED,
)
from app.workflow import Outcome
from tests.factories import FAR, account, authority, capability, institution, kind, measurement_standard, using_unit

YESTERDAY = holidays.today() - timedelta(days=1)


@pytest.fixture
def lab(rows):
    return institution()


@pytest.fixture
def approver(sign_in, lab):
    return sign_in("InstitutionApprover", lab)


def declared(holder, state=DRAFT, **values) -> Any:
    """A capability that rests on a valid standard."""
    filled = {
        "standard_id": measurement_standard(holder).id,
        "reason": "范围不符" if state == REJECTED else None,
        **values,
    }
    return capability(holder, state=state, **filled)


def form(holder, **changed):
    return {
        "catalogue_item_id": str(kind().id),
        "range_low": "0.05",
        "range_high": "20",
        "range_unit": "m³/h",
        "accuracy_class": "2级",
        "regulation": "JJG 162-2019",
        "standard_id": str(measurement_standard(holder).id),
        "delivery": "both",
        "places": ["330106", "330200"],
        "valid_from": "2026-01-01",
        "valid_until": "2030-12-31",
        **changed,
    }


def own(rows, holder):
    return list(rows.scalars(select(Capability).where(Capability.institution_id == holder.id).order_by(Capability.id)))


def history(rows, what):
    steps = select(Event.step, Event.from_state, Event.to_state, Event.reason).where(
        Event.subject == "capability", Event.subject_id == what.id
    )
    return [tuple(row) for row in rows.execute(steps.order_by(Event.id))]


# --- Drafting ------------------------------------------------------------------------------------


def test_what_is_drafted_stands_as_it_was_typed(approver, lab, rows):
    fields = form(lab)

    assert approver.act("capabilities", "add", [], **fields).status_code == 204

    (new,) = own(rows, lab)
    assert (new.state, new.catalogue_item_id, new.range_low, new.range_high, new.range_unit) == (
        DRAFT, kind().id, Decimal("0.05"), 20, "m³/h",
    )  # fmt: skip
    assert (new.accuracy_class, new.accuracy_value, new.regulation, new.standard_id, new.delivery) == (
        "2级", 2, "JJG 162-2019", int(fields["standard_id"]), "both",
    )  # fmt: skip
    assert (new.valid_from, new.valid_until) == (date(2026, 1, 1), date(2030, 12, 31))
    assert capabilities.places(new.id) == ["330106", "330200"]
    assert approver.messages() == ["已保存为草稿，填报完整后请提交审核。"]
    shown = approver.get("/capabilities/").text
    assert [word in shown for word in ("(0.05～20)m³/h", "浙江省杭州市西湖区、浙江省宁波市", "水表检定装置")] == [
        True
    ] * 3


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"catalogue_item_id": ""}, "请选择目录中的种别"),
        ({"catalogue_item_id": "999999"}, "field-error"),
        ({"range_unit": "mm"}, "以 m³/h 表示"),
        ({"range_low": "40"}, "下限大于上限"),
        ({"range_high": "1e30"}, "数值过大"),
        ({"range_high": "NaN"}, "请填写数字"),
        ({"range_low": "-Infinity"}, "请填写数字"),
        ({"accuracy_class": "好"}, "准确度等级应含数字"),
        ({"regulation": " "}, "检定规程"),
        ({"standard_id": "999999"}, "is-invalid"),
        ({"standard_id": "x"}, "is-invalid"),
        ({"delivery": "by drone"}, "field-error"),
        ({"places": []}, "至少选择一个区域"),
        ({"places": ["999999"]}, "不在可选范围内"),
        ({"places": ["330106", "x"]}, "不在可选范围内"),
        ({"places": [f"33{number:04}" for number in range(200)]}, "不在可选范围内"),
        ({"valid_until": "2025-01-01"}, "早于起始日期"),
        ({"valid_until": "soon"}, "is-invalid"),
    ],
)
def test_what_does_not_fit_is_refused_and_stays_in_the_form(approver, lab, rows, changed, problem):
    answer = approver.act("capabilities", "add", [], **form(lab, **changed))

    assert (answer.status_code, problem in answer.text) == (422, True), answer.text
    assert own(rows, lab) == []
    assert changed.get("regulation", "JJG 162-2019") in answer.text


def test_a_category_or_what_only_needs_a_type_approval_cannot_be_declared(approver, lab, rows):
    for wrong in (kind().parent_id, kind("称重传感器").id):
        answer = approver.act("capabilities", "add", [], **form(lab, catalogue_item_id=str(wrong)))
        assert answer.status_code == 422
    assert own(rows, lab) == []


def test_more_regions_than_a_form_should_hold_are_refused(approver, lab, rows):
    codes = list(rows.scalars(select(Region.code).where(Region.level == "county").limit(101)))

    answer = approver.act("capabilities", "add", [], **form(lab, places=codes))

    assert (answer.status_code, "100" in answer.text, own(rows, lab)) == (422, True, [])


def test_a_standard_of_another_institution_is_not_there(approver, lab, rows):
    foreign = measurement_standard(institution())

    answer = approver.act("capabilities", "add", [], **form(lab, standard_id=str(foreign.id)))

    assert (answer.status_code, own(rows, lab)) == (422, [])
    offer = capabilities.Offer(
        kind().id, Decimal(0), Decimal(1), "m³/h", "2级", "JJG 162", foreign.id, "both", FAR, FAR, ("330106",)
    )
    with seeing(principal_of(lab)), pytest.raises(RuleError):
        capabilities.add(offer, principal_of(lab))


@pytest.mark.parametrize("state", CAPABILITY_STATES)
def test_only_drafts_and_rejected_ones_are_edited(approver, lab, rows, state):
    what = declared(lab, state)

    answer = approver.act("capabilities", "edit", [what.id], **form(lab, revision="1", regulation="JJG 1"))

    editable = state in (DRAFT, REJECTED)
    assert answer.status_code == (204 if editable else 422)
    assert (what.regulation, what.state, what.revision) == (
        ("JJG 1", state, 2) if editable else ("JJG 162", state, 1)
    )  # fmt: skip
    assert capabilities.places(what.id) == (["330106", "330200"] if editable else ["330106"])


def test_an_edit_of_what_somebody_changed_meanwhile_is_refused(approver, lab, rows):
    what = declared(lab)

    for revision in ("0", "", "x", "2"):
        assert approver.act("capabilities", "edit", [what.id], **form(lab, revision=revision)).status_code == 422

    assert (what.regulation, what.revision) == ("JJG 162", 1)


def test_a_change_of_the_regions_alone_counts_as_one(approver, lab, rows):
    what = declared(lab, range_unit="m³/h")
    dialog = approver.open("capabilities", "edit", [what.id]).text
    assert ('value="50"' in dialog, "浙江省杭州市西湖区" in dialog, 'value="2099-12-31"' in dialog) == (True,) * 3
    same = form(
        lab, range_low="0", range_high="50", accuracy_class="1级", regulation="JJG 162", valid_from="2020-01-01",
        valid_until=str(FAR), standard_id=str(what.standard_id), places=["000000"], revision="1",
    )  # fmt: skip

    assert approver.act("capabilities", "edit", [what.id], **same).status_code == 204

    assert (capabilities.places(what.id), what.revision) == (["000000"], 2)


def test_copying_an_effective_one_drafts_what_takes_its_place(approver, lab, rows):
    what = declared(lab, EFFECTIVE, range_unit="m³/h")
    dialog = approver.open("capabilities", "copy", [what.id]).text
    assert ('value="JJG 162"' in dialog, "浙江省杭州市西湖区" in dialog) == (True, True)

    assert approver.act("capabilities", "copy", [what.id], **form(lab)).status_code == 204

    assert [each.state for each in own(rows, lab)] == [EFFECTIVE, DRAFT]


def test_a_new_one_starts_with_the_own_place_and_the_end_of_the_authorization(sign_in, rows):
    lab = institution("330106", authorized_until=date(2028, 5, 31))
    dialog = sign_in("InstitutionApprover", lab).open("capabilities", "add", []).text

    found = ("浙江省杭州市西湖区", 'value="2028-05-31"', f'value="{holidays.today()}"', "本机构授权有效期至 2028-05-31")
    assert [word in dialog for word in found] == [True] * 4


@pytest.mark.parametrize("state", CAPABILITY_STATES)
def test_only_drafts_are_deleted(approver, lab, rows, state):
    what = declared(lab, state)

    answer = approver.act("capabilities", "delete", [what.id])

    assert (answer.status_code, len(own(rows, lab))) == ((204, 0) if state == DRAFT else (422, 1))


def test_what_was_declared_once_is_kept_and_keeps_the_others_too(approver, lab, rows):
    recalled, fresh = declared(lab), declared(lab)
    fresh_id = fresh.id
    approver.act("capabilities", "declare", [recalled.id])
    approver.act("capabilities", "recall", [recalled.id])
    assert recalled.state == DRAFT

    answer = approver.act("capabilities", "delete", [recalled.id, fresh_id])

    assert (answer.status_code, "其中 1 条" in answer.text, len(own(rows, lab))) == (422, True, 2)
    assert approver.act("capabilities", "delete", [fresh_id]).status_code == 204
    assert own(rows, lab) == [recalled]
    assert set(rows.scalars(select(ServiceRegion.capability_id))) == {recalled.id}


# --- Declaring -----------------------------------------------------------------------------------


def test_declared_is_under_review_until_recalled(approver, lab, rows):
    draft, rejected = declared(lab), declared(lab, REJECTED)
    ids = [draft.id, rejected.id]

    assert approver.act("capabilities", "declare", ids).status_code == 204
    assert [(each.state, each.reason) for each in own(rows, lab)] == [(PENDING, None)] * 2
    approver.act("capabilities", "declare", ids)
    approver.act("capabilities", "recall", ids)

    assert [each.state for each in own(rows, lab)] == [DRAFT] * 2
    assert history(rows, rejected) == [("declare", REJECTED, PENDING, None), ("recall", PENDING, DRAFT, None)]
    assert approver.messages() == ["已提交审核 2 条。", "已提交审核 0 条。 2 条状态不符，未作改动。", "已收回 2 条。"]


def test_all_that_match_the_filter_are_declared(approver, lab, rows):
    draft, effective, foreign = declared(lab), declared(lab, EFFECTIVE), declared(institution())

    answer = approver.post(
        "/capabilities/act/declare", {"selection": "all", "filter": "state=draft", "expected": "1"},
        headers={"HX-Request": "true"},
    )  # fmt: skip

    assert answer.status_code == 204
    assert [each.state for each in (draft, effective, foreign)] == [PENDING, EFFECTIVE, DRAFT]


@dataclass
class Unfounded:
    """What is wrong with a capability, and how that is told."""

    told: str
    standard: dict[str, Any] | None
    capability: dict[str, Any]


@pytest.mark.parametrize(
    "case",
    [
        Unfounded("未填写计量标准", None, {}),
        Unfounded("计量标准未通过审核", {"state": "draft"}, {}),
        Unfounded("计量标准未通过审核", {"state": "sent_back", "reason": "测量范围不符"}, {}),
        Unfounded("计量标准已过期", {"valid_until": YESTERDAY}, {}),
        Unfounded("计量标准已过期", {"public_valid_until": YESTERDAY}, {}),
        Unfounded("有效期已过", {}, {"valid_until": YESTERDAY}),
        Unfounded("超出机构授权有效期", {}, {"valid_until": date(2031, 1, 1)}),
    ],
    ids=lambda case: f"{case.told} {case.standard}",
)
def test_what_rests_on_nothing_valid_keeps_all_back(sign_in, rows, case):
    lab = institution(authorized_until=date(2030, 12, 31))
    fine = declared(lab, valid_until=date(2030, 12, 31))
    standard = measurement_standard(lab, **case.standard).id if case.standard is not None else None
    wrong = declared(lab, **{"valid_until": date(2030, 12, 31), **case.capability, "standard_id": standard})

    answer = sign_in("InstitutionApprover", lab).act("capabilities", "declare", [fine.id, wrong.id])

    assert (answer.status_code, "水表 (0～50)mm：" in answer.text, case.told in answer.text) == (422, True, True)
    assert (fine.state, wrong.state, history(rows, fine)) == (DRAFT, DRAFT, [])
    county, wrong.state = of_authority("330106"), PENDING
    rows.flush()
    with seeing(county), pytest.raises(RuleError):
        capabilities.pass_([wrong.id], county)


# --- Every state, every step, every party --------------------------------------------------------


def principal_of(holder):
    return Principal(kind="institution", account_id=1, organization_id=holder.id, region_code=holder.region_code)


def of_authority(jurisdiction):
    return Principal(
        kind="authority", account_id=1, jurisdiction=jurisdiction, organization_id=authority(jurisdiction).id
    )


STEPS = {
    DECLARE: lambda ids, by: capabilities.declare(ids, by),
    RECALL: lambda ids, by: capabilities.recall(ids, by),
    PASS_CAPABILITY: lambda ids, by: capabilities.pass_(ids, by),
    REJECT_CAPABILITY: lambda ids, by: capabilities.reject(ids, "量程与标准不符", by),
}
REVIEWS = (PASS_CAPABILITY, REJECT_CAPABILITY)
PARTIES = ("itself", "neighbour", "county", "city", "nation", "other county", "other province", "using unit")


def party(name, lab):
    who = {
        "itself": lambda: principal_of(lab),
        "neighbour": lambda: principal_of(institution()),
        "county": lambda: of_authority("330106"),
        "city": lambda: of_authority("3301"),
        "nation": lambda: of_authority(""),
        "other county": lambda: of_authority("330105"),
        "other province": lambda: of_authority("51"),
        "using unit": lambda: Principal(kind="using_unit", account_id=1, organization_id=using_unit().id),
    }
    return who[name]()


@pytest.mark.parametrize("name", PARTIES)
@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.name)
@pytest.mark.parametrize("state", CAPABILITY_STATES)
def test_a_step_is_for_its_party_and_from_its_states_only(rows, lab, state, step, name):
    what, by = declared(lab, state), party(name, lab)
    before = what.reason

    with seeing(by):
        outcome = STEPS[step]([what.id], by)

    may = name in ("county", "city", "nation") if step in REVIEWS else name == "itself"
    moves = may and state in step.sources
    reason = "量程与标准不符" if step is REJECT_CAPABILITY else None
    rows.expire_all()
    assert outcome == Outcome(1, int(moves))
    assert (what.state, what.reason) == ((step.target, reason) if moves else (state, before))
    assert history(rows, what) == ([(step.name, state, step.target, reason)] if moves else [])


@pytest.mark.parametrize("reason", ["", " ", "否"])
def test_a_rejection_gives_its_reason(rows, lab, reason):
    what, county = declared(lab, PENDING), of_authority("330106")

    with seeing(county), pytest.raises(RuleError):
        capabilities.reject([what.id], reason, county)

    rows.expire_all()
    assert what.state == PENDING


def test_the_enclave_of_a_region_is_not_the_regions_to_review(rows):
    what = declared(institution("659001"), PENDING)
    region, enclave = of_authority("65"), Principal(kind="authority", jurisdiction="6590", organization_id=1)

    with seeing(region):
        assert capabilities.pass_([what.id], region) == Outcome(1, 0)
    with seeing(enclave):
        assert capabilities.pass_([what.id], enclave) == Outcome(1, 1)


def test_a_review_takes_its_own_of_many_and_tells_the_institution(rows, lab):
    boss = account("InstitutionApprover", lab)
    mine, foreign = declared(lab, PENDING), declared(institution("510104"), PENDING)
    county = of_authority("330106")

    with seeing(county):
        outcome = capabilities.pass_(select(Capability.id), county)

    rows.expire_all()
    assert (outcome, mine.state, foreign.state) == (Outcome(1, 1), EFFECTIVE, PENDING)
    told = select(Notification.account_id, Notification.kind, Notification.subject_id)
    assert [tuple(row) for row in rows.execute(told)] == [(boss.id, "pass", mine.id)]


# --- What is seen --------------------------------------------------------------------------------


def test_a_neighbours_capability_is_not_there(approver, lab, rows):
    foreign = declared(institution())
    address = f"/capabilities/show/{foreign.id}"

    assert f'data-id="{foreign.id}"' not in approver.get("/capabilities/?size=200").text
    assert approver.get(address).status_code == 404
    for name in ("edit", "copy"):
        assert approver.open("capabilities", name, [foreign.id]).status_code == 404
    assert approver.act("capabilities", "edit", [foreign.id], **form(lab, revision="1")).status_code == 404
    assert approver.act("capabilities", "declare", [foreign.id]).status_code == 204
    assert approver.act("capabilities", "delete", [foreign.id]).status_code == 204
    assert approver.messages() == ["已提交审核 0 条。 1 条状态不符，未作改动。", "已删除 0 条。"]
    assert (foreign.state, foreign.regulation) == (DRAFT, "JJG 162")
    exported = approver.post("/capabilities/export", {"selection": "all", "filter": "", "format": "csv"}).text
    assert exported.count("\n") == 1


@pytest.mark.parametrize("role", ["InstitutionClerk", "InstitutionVerifier", "InstitutionAdministrator"])
def test_capabilities_are_the_approvers_affair(sign_in, lab, role):
    person = sign_in(role, lab)

    assert person.get("/capabilities/").status_code == 403
    assert person.act("capabilities", "declare", [declared(lab).id]).status_code == 403


def test_one_shows_all_there_is_to_know_and_its_history(approver, lab, rows):
    what = declared(lab, PENDING, valid_until=YESTERDAY)
    county = of_authority("330106")
    with seeing(county):
        capabilities.reject([what.id], "量程与标准不符", county)

    page = approver.get(f"/capabilities/show/{what.id}").text

    words = (
        "水表 (0～50)mm",
        "水表检定装置",
        "浙江省杭州市西湖区",
        "JJG 162",
        "审核拒绝",
        "量程与标准不符",
        "送检或现场",
    )
    assert [word in page for word in words] == [True] * len(words)
    assert f'<span class="overdue">{YESTERDAY}</span>' in page


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", 4),
        ("?state=draft", 2),
        ("?state=draft&state=effective", 3),
        ("?expiring=30", 1),
        ("?expiring=90", 2),
        ("?expiring=over", 1),
        ("?field=kind&q=血压", 1),
        ("?field=regulation&q=JJG+6", 1),
        ("?item={category}", 3),
    ],
)
def test_filters_and_search(approver, lab, rows, query, found):
    today = holidays.today()
    declared(lab, valid_until=today + timedelta(days=30))
    declared(lab, EFFECTIVE, valid_until=today + timedelta(days=60))
    declared(lab, EXPIRED, valid_until=YESTERDAY)
    declared(lab, of="无创自动测量血压计", regulation="JJG 692")
    declared(institution())

    page = approver.get(f"/capabilities/{query.format(category=kind().parent_id)}").text

    assert f'data-total="{found}"' in page


def test_the_list_costs_the_same_for_one_and_for_many(approver, lab, statements):
    def cost():
        with statements() as seen:
            assert approver.get("/capabilities/?size=50").status_code == 200
        return len(seen)

    declared(lab)
    cost()
    one = cost()
    for _ in range(39):
        declared(lab)

    assert cost() == one


def test_declaring_costs_the_same_for_one_and_for_many(rows, lab, statements):
    by, ids = principal_of(lab), [declared(lab).id for _ in range(40)]

    def cost(chosen):
        with statements() as seen, seeing(by):
            assert capabilities.declare(chosen, by).done == len(chosen)
        return len(seen)

    assert cost(ids[:1]) == cost(ids[1:])


def test_a_kind_says_its_units_and_classes(approver):
    category = kind().parent_id

    assert approver.get(f"/capabilities/kind/{kind().id}").json["units"] == ["m³/h"]
    assert [approver.get(f"/capabilities/kind/{id}").status_code for id in (category, 999999, "x")] == [404] * 3


def test_regions_are_found_by_name_and_at_first_those_around(approver, stranger):
    def offered(query):
        return {each["value"]: each["label"] for each in approver.get(f"/options/places{query}").json["options"]}

    around = offered("")
    assert [around[code] for code in ("000000", "330000", "330100", "330106")] == [
        "全国", "浙江省", "浙江省杭州市", "浙江省杭州市西湖区",
    ]  # fmt: skip
    assert "330200" not in around
    assert next(iter(offered("?q=宁波市"))) == "330200"
    assert offered("?q=全国") == {"000000": "全国"}
    assert offered("?q=%25") == {}
    assert stranger.get("/options/places").status_code == 401
