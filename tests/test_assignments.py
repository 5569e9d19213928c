"""检定任务分配: who may move which tasks, what is told, and what stays as it was."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from app.models import Event, Instrument, Task
from app.states import ACCEPTED, CERTIFIED, OFFERED, REFUSED, RETURNED, UNASSIGNED
from tests.factories import (
    appointment,
    authority,
    capability,
    history,
    institution,
    kind,
    states,
    task,
    using_unit,
)

REASON = "该器具不属于强制检定目录范围"


@pytest.fixture
def officer(sign_in, rows):
    return sign_in("AssignmentOfficer", authority("330106"))


@pytest.fixture
def lab(rows):
    holder = institution(name="西湖区计量检定所")
    capability(holder, "330106", "330105")
    return holder


def test_assign_moves_only_waiting_tasks_of_the_own_jurisdiction(officer, lab):
    waiting, returned, done, foreign = (
        task(UNASSIGNED),
        task(RETURNED),
        task(CERTIFIED),
        task(UNASSIGNED, "330105"),
    )

    answer = officer.act("assignments", "assign", [waiting.id, returned.id, done.id, foreign.id], institution_id=lab.id)

    assert answer.status_code == 204
    assert states(waiting, returned, done, foreign) == [OFFERED, OFFERED, CERTIFIED, UNASSIGNED]
    assert officer.messages() == ["已分配 2 条。 2 条状态或办理层级已变，未作改动。"]
    assert history(waiting) == [("assign", UNASSIGNED, OFFERED, None)]
    assert history(foreign) == []


def test_assign_tells_who_did_it_to_whom_and_that_it_was_forced(officer, lab, rows):
    one = task(UNASSIGNED)

    officer.act("assignments", "assign", [one.id], institution_id=lab.id)

    event = rows.scalars(select(Event)).one()
    moved = rows.get(Task, one.id)
    assert (moved.institution_id, moved.forced, moved.previous_state) == (lab.id, True, UNASSIGNED)
    assert (event.by_name, event.by_organization, event.institution_id) == (
        "李四",
        "330106市场监督管理局",
        lab.id,
    )
    assert event.payload == {"institution": "西湖区计量检定所"}


def test_an_institution_that_is_not_able_needs_a_reason(officer):
    one, unable = task(UNASSIGNED), institution(name="无此项目所")

    refused = officer.act("assignments", "assign", [one.id], institution_id=unable.id, reason="太短")
    assert refused.status_code == 422
    assert "该机构不具备其中 1 条任务的检定能力" in refused.text
    assert "太短" in refused.text
    assert states(one) == [UNASSIGNED]

    given = officer.act("assignments", "assign", [one.id], institution_id=unable.id, reason=REASON)
    assert given.status_code == 204
    assert history(one) == [("assign", UNASSIGNED, OFFERED, REASON)]


@pytest.mark.parametrize("chosen", ["", "0", "-1", "abc", "１", "99999999999999999999", "1 or 1=1"])
def test_assign_to_what_is_no_institution(officer, chosen):
    one = task(UNASSIGNED)

    answer = officer.act("assignments", "assign", [one.id], institution_id=chosen, reason=REASON)

    assert answer.status_code == 422
    assert states(one) == [UNASSIGNED]


def test_an_authority_or_a_using_unit_is_no_institution(officer):
    one = task(UNASSIGNED)

    for wrong in (authority("3301"), using_unit()):
        answer = officer.act("assignments", "assign", [one.id], institution_id=wrong.id, reason=REASON)
        assert (answer.status_code, "没有该检定机构" in answer.text) == (422, True)
    assert states(one) == [UNASSIGNED]


def test_all_that_match_are_assigned_and_no_others(officer, lab):
    order = appointment()
    water = [task(UNASSIGNED, order=order, unit=None) for _ in range(3)]
    returned = task(RETURNED)
    foreign = task(UNASSIGNED, "330105")

    answer = officer.act(
        "assignments",
        "assign",
        [],
        selection="all",
        filter="state=unassigned",
        expected="3",
        institution_id=lab.id,
    )

    assert answer.status_code == 204
    assert states(*water, returned, foreign) == [OFFERED, OFFERED, OFFERED, RETURNED, UNASSIGNED]
    assert officer.messages() == ["已分配 3 条。"]


@pytest.mark.parametrize(
    "query", ["state=certified", "region=999999", "item=x", "applied_from=soon", "field=serial&q=1"]
)
def test_a_filter_that_is_not_understood_never_means_all(officer, lab, query):
    one = task(UNASSIGNED)

    answer = officer.act(
        "assignments", "assign", [], selection="all", filter=query, expected="1", institution_id=lab.id
    )

    assert (answer.status_code, states(one)) == (422, [UNASSIGNED])


@pytest.mark.parametrize("ids", [["x"], ["-1"], ["1.5"], ["１"], ["9" * 19], [str(n) for n in range(1001)]])
def test_ids_that_are_none_are_refused_whole(officer, ids):
    assert officer.act("assignments", "refuse", ids, reason=REASON).status_code == 400


def test_a_form_bomb_is_refused(officer):
    many = officer.act("assignments", "refuse", range(7000), reason=REASON)
    large = officer.act("assignments", "refuse", [1], reason="长" * 2_000_000)

    assert (many.status_code, large.status_code) == (413, 413)


def test_nothing_ticked(officer):
    answer = officer.act("assignments", "refuse", [], reason=REASON)

    assert (answer.status_code, "请至少勾选一条数据" in answer.text) == (422, True)


# --- Refuse --------------------------------------------------------------------------------------


def test_refuse_ends_the_task_with_its_reason(officer, rows):
    waiting, accepted = task(RETURNED), task(ACCEPTED)

    officer.act("assignments", "refuse", [waiting.id, accepted.id], reason=f"  {REASON}  ")

    assert states(waiting, accepted) == [REFUSED, ACCEPTED]
    assert rows.get(Task, waiting.id).reason == REASON
    assert history(waiting) == [("refuse", RETURNED, REFUSED, REASON)]
    assert officer.messages() == ["不予受理 1 条。 1 条状态或办理层级已变，未作改动。"]


@pytest.mark.parametrize("reason", ["", "   ", "九个字不够长的理由", "长" * 501])
def test_refuse_wants_a_reason_of_10_to_500_characters_and_keeps_what_was_typed(officer, reason):
    one = task(RETURNED)

    answer = officer.act("assignments", "refuse", [one.id], reason=reason)

    assert answer.status_code == 422
    assert reason.strip() in answer.text
    assert states(one) == [RETURNED]


@pytest.mark.parametrize("length", [10, 500])
def test_reasons_at_both_ends_are_taken(officer, length):
    one = task(RETURNED)

    assert officer.act("assignments", "refuse", [one.id], reason="由" * length).status_code == 204
    assert states(one) == [REFUSED]


# --- Escalate ------------------------------------------------------------------------------------


def test_escalate_lays_the_task_on_the_next_higher_desk(officer, sign_in, rows):
    one = task(RETURNED)
    city = authority("3301")

    officer.act("assignments", "escalate", [one.id], reason=REASON)

    moved = rows.get(Task, one.id)
    assert (moved.state, moved.authority_id) == (UNASSIGNED, city.id)
    assert history(one) == [("escalate", RETURNED, UNASSIGNED, REASON)]


def test_what_was_escalated_is_for_the_higher_desk_alone(officer, sign_in, lab):
    one = task(UNASSIGNED, desk=authority("3301"))

    officer.act("assignments", "assign", [one.id], institution_id=lab.id)
    officer.act("assignments", "refuse", [one.id], reason=REASON)
    assert states(one) == [UNASSIGNED]

    sign_in("Supervisor", authority("3301")).act("assignments", "assign", [one.id], institution_id=lab.id)
    assert states(one) == [OFFERED]


def test_a_higher_authority_may_act_for_a_lower_desk(sign_in, lab):
    one = task(UNASSIGNED)

    sign_in("Supervisor", authority("33")).act("assignments", "assign", [one.id], institution_id=lab.id)

    assert states(one) == [OFFERED]


def test_above_the_nation_there_is_nobody(sign_in):
    one = task(UNASSIGNED, desk=authority(""))

    answer = sign_in("Supervisor", authority("")).act("assignments", "escalate", [one.id], reason=REASON)

    assert (answer.status_code, "已是最高一级" in answer.text) == (422, True)
    assert states(one) == [UNASSIGNED]


def test_the_own_desk_comes_first_then_who_waits_longest(sign_in, rows):
    def old(days, desk=None):
        order = appointment(applied_at=datetime.now(UTC) - timedelta(days=days))
        return task(UNASSIGNED, order=order, desk=desk)

    city = authority("3301")
    county_old, mine_new, mine_old, county_new = old(30), old(2, city), old(9, city), old(1)

    page = sign_in("Supervisor", city).get("/assignments/").text

    places = [page.index(f'data-id="{one.id}"') for one in (mine_old, mine_new, county_old, county_new)]
    assert places == sorted(places)


# --- What is shown -------------------------------------------------------------------------------


def test_return_trace_tells_every_return_in_order(officer, sign_in, rows):
    first, second = institution(name="甲检定所"), institution(name="乙检定所")
    one = task(OFFERED, to=first)
    for lab, reason in ((first, "本机构计量标准暂停使用"), (second, "超出测量范围")):
        sign_in("InstitutionClerk", lab).act("inbox", "return", [one.id], reason=reason)
        if lab is first:
            officer.act("assignments", "assign", [one.id], institution_id=second.id, reason=REASON)

    trace = officer.open("assignments", "returns", [one.id]).text

    words = ["甲检定所", "本机构计量标准暂停使用", "乙检定所", "超出测量范围"]
    assert [trace.count(word) for word in words] == [1, 1, 1, 1]
    assert [trace.index(word) for word in words] == sorted(trace.index(word) for word in words)


def test_return_trace_is_for_one_row(officer):
    one, two = task(RETURNED), task(RETURNED)

    assert officer.open("assignments", "returns", [one.id, two.id]).status_code == 422
    assert officer.open("assignments", "returns", [], selection="all", filter="", expected="2").status_code == 422


def test_details_show_instrument_return_and_history(officer, sign_in):
    lab = institution(name="甲检定所")
    one = task(OFFERED, to=lab)
    sign_in("InstitutionClerk", lab).act("inbox", "return", [one.id], reason="本机构计量标准暂停使用")

    page = officer.get(f"/assignments/show/{one.id}").text

    for word in (
        "智能远传水表",
        "LXS-20E",
        "DN20",
        "2级",
        "贸易结算",
        "甲检定所",
        "本机构计量标准暂停使用",
        "水表",
    ):
        assert word in page
    assert "trade" not in page.split("<main", 1)[1].split("</main", 1)[0].replace("trademark", "")


def test_the_telephone_is_masked_and_showing_it_is_recorded(officer, rows):
    one = task(RETURNED)

    dialog = officer.open("assignments", "appointment", [one.id]).text
    assert ("138****5678" in dialog, "13812345678" in dialog) == (True, False)

    answer = officer.post(f"/assignments/phone/{one.id}")
    assert answer.json == {"value": "13812345678"}
    event = rows.scalars(select(Event)).one()
    assert (event.subject, event.subject_id, event.step) == ("appointment", one.appointment_id, "reveal")
    assert event.by_name == "李四"


def test_who_may_not_reveal_sees_the_mask_and_no_button(sign_in):
    one = task(RETURNED)
    analyst = sign_in("Analyst", authority("330106"))

    dialog = analyst.open("assignments", "appointment", [one.id]).text

    assert ("138****5678" in dialog, "btn-reveal" in dialog) == (True, False)
    assert analyst.post(f"/assignments/phone/{one.id}").status_code == 403


def test_other_tasks_of_the_appointment_are_listed(officer, rows):
    order = appointment()
    one, other = task(RETURNED, order=order), task(UNASSIGNED, order=order)
    apart = task(RETURNED)

    dialog = officer.open("assignments", "appointment", [one.id]).text

    serial = {each.id: rows.get(Instrument, each.instrument_id).serial_no for each in (one, other, apart)}
    assert [serial[each.id] in dialog for each in (one, other, apart)] == [False, True, False]


@pytest.mark.parametrize("count", [1, 500])
def test_assigning_costs_the_same_statements_for_one_and_for_many(officer, lab, statements, count):
    order = appointment()
    ids = [task(UNASSIGNED, order=order).id for _ in range(count)]

    with statements() as seen:
        answer = officer.act("assignments", "assign", ids, institution_id=lab.id)

    assert answer.status_code == 204
    # Who, the own organization, what they may, the institution, whether it is able, the desks, the step, and three for
    # the audit log.
    assert len(seen) == 10


def test_a_kind_that_is_not_there_is_no_filter(officer):
    assert officer.get(f"/assignments/?item={kind().id}").text.count("没有该选项") == 0
    assert officer.get("/assignments/?item=999999").text.count("没有该选项") == 1
