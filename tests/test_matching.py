"""检定机构匹配: who is able and why not, in which order, and what 智能分配 proposes and does."""

import re
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from app.access import EVERYTHING, seeing
from app.domain import assignments, holidays, matching, proposals, tallies, workloads
from app.domain.matching import ABLE, NO_ACCURACY, NO_KIND, NO_PLACE, NO_RANGE, NOT_VALID
from app.fabkit.security import principal_of
from app.models import Institution, MeasurementStandard, WeeklyCapacity, db
from app.states import ASSIGN, CERTIFIED, OFFERED, PENDING, RETURN, TIME_OUT, UNASSIGNED
from app.workflow import fire
from tests.factories import (
    BLOOD_PRESSURE,
    FAR,
    WATER_METER,
    account,
    appointment,
    authority,
    capability,
    history,
    institution,
    instrument,
    kind,
    states,
    task,
)

YESTERDAY = datetime.now(UTC).date() - timedelta(days=1)
REASON = "本辖区唯一在建机构，经研究决定"


def standard(holder, rows, **values):
    days = {name: date(2020, 1, 1) for name in ("issued_on", "public_issued_on")}
    filled = {"valid_until": FAR, "public_valid_until": FAR, "state": "approved", **days, **values}
    new = MeasurementStandard(
        institution_id=holder.id,
        name="水表检定装置",
        code="1",
        certificate_no="1",
        public_certificate_no="1",
        **filled,
    )
    rows.add(new)
    rows.flush()
    return new


def only(one, holder):
    found, _more = matching.candidates([one.id])
    return next(candidate for candidate in found if candidate.id == holder.id)


@pytest.mark.parametrize(
    ("values", "lacking"),
    [
        ({}, ABLE),
        ({"range_low": 20, "range_high": 20, "accuracy_value": 2}, ABLE),
        ({"of": BLOOD_PRESSURE}, NO_KIND),
        ({"range_high": 15}, NO_RANGE),
        ({"range_low": 25}, NO_RANGE),
        ({"range_unit": "m"}, NO_RANGE),
        ({"accuracy_value": 2.5}, NO_ACCURACY),
        ({"places": ["330105"]}, NO_PLACE),
        ({"places": ["330100"]}, ABLE),
        ({"places": ["330000"]}, ABLE),
        ({"places": ["000000"]}, ABLE),
        ({"places": ["510000"]}, NO_PLACE),
        ({"valid_until": YESTERDAY}, NOT_VALID),
        ({"valid_from": date(2090, 1, 1)}, NOT_VALID),
        ({"state": PENDING}, NOT_VALID),
    ],
)
def test_ability_and_what_it_lacks(rows, values, lacking):
    lab = institution()
    values = dict(values)
    capability(lab, *values.pop("places", []), **values)
    one = task(UNASSIGNED)

    candidate = only(one, lab)

    assert (candidate.able, candidate.lacking) == (lacking == ABLE, {} if lacking == ABLE else {lacking: 1})
    assert matching.uncovered([one.id], lab.id) == int(lacking != ABLE)


def test_an_expired_authorization_or_standard_or_a_closed_institution_is_not_able(rows):
    one = task(UNASSIGNED)
    late, closed, without = institution(authorized_until=YESTERDAY), institution(), institution()
    for lab in (late, closed):
        capability(lab)
    closed.active = False
    expired = standard(without, rows, public_valid_until=YESTERDAY)
    capability(without, standard_id=expired.id)
    rows.flush()

    assert only(one, late).lacking == {NOT_VALID: 1}
    assert only(one, without).lacking == {NOT_VALID: 1}
    assert closed.id not in {candidate.id for candidate in matching.candidates([one.id])[0]}
    assert matching.uncovered([one.id], closed.id) == 1

    expired.public_valid_until = FAR
    rows.flush()
    assert only(one, without).able


def test_validity_ends_with_its_last_day(rows):
    lab = institution()
    capability(lab, valid_until=holidays.today(), valid_from=holidays.today())

    assert only(task(UNASSIGNED), lab).able


def test_of_several_capabilities_the_best_counts(rows):
    lab = institution()
    capability(lab, range_high=10)
    capability(lab, "510000")
    capability(lab, range_low=10)

    assert only(task(UNASSIGNED), lab).able


def test_each_institution_says_how_many_of_the_selection_it_covers_and_why_not_the_rest(rows):
    lab = institution()
    capability(lab)
    water = [task(UNASSIGNED) for _ in range(2)]
    large = task(UNASSIGNED, what=instrument(range_low=80, range_high=80))
    blood = task(UNASSIGNED, what=instrument(of=BLOOD_PRESSURE))

    [candidate] = matching.candidates([one.id for one in (*water, large, blood)])[0]

    assert (candidate.covered, candidate.total, candidate.able) == (2, 4, False)
    assert candidate.lacking == {NO_KIND: 1, NO_RANGE: 1}


def test_able_ones_first_then_the_nearest_then_least_load_then_quickest(rows):
    far, province, city, unable = (institution(r) for r in ("510104", "330203", "330105", "330106"))
    slow, quick, busy = (institution("330106", mean_days=days) for days in (9, 2, 1))
    for lab in (far, province, city, slow, quick, busy):
        capability(lab, "000000")
    task(OFFERED, to=busy)
    tallies.rebuild()

    found, more = matching.candidates([task(UNASSIGNED).id])

    assert [candidate.id for candidate in found] == [lab.id for lab in (quick, slow, busy, city, province, far, unable)]
    assert [candidate.proximity for candidate in found] == [3, 3, 3, 2, 1, 0, 3]
    assert ([candidate.load for candidate in found][:3], more) == ([0, 0, 1], False)


def test_pages_and_search_of_the_table(rows):
    labs = [institution(name=f"第{n}检定所") for n in range(12)]
    one = task(UNASSIGNED)

    first, more = matching.candidates([one.id])
    second, no_more = matching.candidates([one.id], page=2)
    found, _ = matching.candidates([one.id], search="第11")
    nothing, _ = matching.candidates([one.id], search="100%_")

    assert [c.id for c in (*first, *second)] == [lab.id for lab in labs]
    assert (len(first), more, no_more) == (10, True, False)
    assert [c.name for c in found] == ["第11检定所"]
    assert nothing == []


# --- Returns, and what is free -------------------------------------------------------------------


def give_back(one, lab, step=RETURN, reason="量程超出本机构授权范围"):
    """Let an institution have had a task, and return it or leave it unanswered."""
    fire(ASSIGN, [one.id], EVERYTHING, institution_id=lab.id)
    fire(step, [one.id], EVERYTHING, reason=reason if step is RETURN else None, institution_id=None)
    db.session.expire_all()


def capacity(lab, stated=None, learned=None, of=WATER_METER):
    db.session.add(WeeklyCapacity(institution_id=lab.id, catalogue_item_id=kind(of).id, stated=stated, learned=learned))
    db.session.flush()


@pytest.mark.parametrize("step", [RETURN, TIME_OUT])
def test_who_returned_a_task_or_let_it_time_out_comes_after_the_others_and_is_marked(rows, step):
    near, far = institution("330106", "西湖所"), institution("330203", "宁波所")
    for lab in (near, far):
        capability(lab, "000000")
    one, other = task(UNASSIGNED), task(UNASSIGNED)
    give_back(one, near, step)

    found, _more = matching.candidates([one.id])
    [share] = proposals.proposal([one.id]).shares
    untouched = proposals.proposal([other.id])

    assert [(each.name, each.returned and each.returned.reason) for each in found] == [
        ("宁波所", None),
        ("西湖所", "量程超出本机构授权范围" if step is RETURN else None),
    ]
    assert [(each.returned.tasks, each.returned.step) for each in found if each.returned] == [(1, step.name)]
    assert (share.institution_id, share.returned) == (far.id, False)
    assert [each.institution_id for each in untouched.shares] == [near.id]


def test_the_only_able_one_is_proposed_again_but_never_without_saying_that_it_had_the_task(officer, rows):
    lab = institution(name="西湖所")
    capability(lab)
    one = task(UNASSIGNED)
    give_back(one, lab)

    proposal = proposals.proposal([one.id])
    dialog = officer.open("assignments", "assign_best", [one.id]).text
    matched = officer.open("assignments", "assign", [one.id]).text

    assert [(share.institution_id, share.returned) for share in proposal.shares] == [(lab.id, True)]
    assert dialog.count("退回：量程超出本机构授权范围") == matched.count("退回：量程超出本机构授权范围") == 1


def test_tasks_of_one_institution_that_another_returned_are_told_apart_within_a_batch(rows):
    first, second = institution("330106"), institution("330106")
    for lab in (first, second):
        capability(lab)
    back, fresh = [task(UNASSIGNED) for _ in range(3)], [task(UNASSIGNED) for _ in range(3)]
    for one in back:
        give_back(one, first)

    proposal = proposals.proposal([one.id for one in (*back, *fresh)])
    fire_shares(proposal, [*back, *fresh])

    assert {one.institution_id for one in back} == {second.id}
    assert [group.count for group in proposal.groups] == [3, 3]


def fire_shares(proposal, tasks):
    by = principal_of(account("Supervisor", authority("3301")), frozenset({"Supervisor"}))
    assignments.assign_best([one.id for one in tasks], proposal.digest, by)
    db.session.expire_all()


def test_equal_tasks_are_shared_by_what_is_free_and_the_load_grows_within_the_batch(rows):
    """Three weeks of work for each: 30 of 10 a week, 60 of 20 a week; the busy one has two weeks already."""
    small, large, busy = (institution("330106") for _ in range(3))
    for lab, weekly in ((small, 10), (large, 20), (busy, 10)):
        capability(lab)
        capacity(lab, stated=weekly)
    for _ in range(20):
        task(OFFERED, to=busy)
    tallies.rebuild()
    order = appointment()
    tasks = [task(UNASSIGNED, order=order) for _ in range(100)]

    proposal = proposals.proposal([one.id for one in tasks])
    fire_shares(proposal, tasks)

    counts = {share.institution_id: share.count for share in proposal.shares}
    assert counts == {small.id: 30, large.id: 60, busy.id: 10}
    assert Counter(one.institution_id for one in tasks) == counts


def test_what_the_batch_gives_in_one_need_counts_in_the_next(rows):
    first, second = institution("330106"), institution("330106")
    for lab in (first, second):
        capability(lab)
        capacity(lab, stated=10)
    tasks = [task(UNASSIGNED, what=instrument(range_low=size, range_high=size)) for size in range(1, 7)]

    groups = proposals.proposal([one.id for one in tasks]).groups

    assert [group.count for group in groups] == [3, 3]


def test_the_nearest_comes_first_however_busy_it_is(rows):
    labs = [institution(region) for region in ("330106", "330105", "330203", "510104")]
    for lab in labs:
        capability(lab, "000000")
    for _ in range(3):
        task(OFFERED, to=labs[0])
    tallies.rebuild()
    one = task(UNASSIGNED)

    proposed = []
    for lab in labs:
        [share] = proposals.proposal([one.id]).shares
        proposed.append(share.institution_id)
        house = rows.get(Institution, lab.id)
        house.standing, house.standing_reason = "suspended", "实验室搬迁"
        rows.flush()

    assert proposed == [lab.id for lab in labs]


def test_capacity_is_what_is_stated_else_what_was_certified_in_ninety_days(rows):
    stated, learning, silent = (institution("330106") for _ in range(3))
    for lab in (stated, learning, silent):
        capability(lab)
    capacity(stated, stated=7)
    for lab in (stated, learning):
        for _ in range(27):
            task(CERTIFIED, to=lab)
        task(CERTIFIED, to=lab, finished_at=datetime.now(UTC) - timedelta(days=91))
    assert workloads.learn_capacities() == 2

    found, _more = matching.candidates([task(UNASSIGNED).id])

    assert {each.id: each.weekly for each in found} == {stated.id: 7, learning.id: Decimal("2.1"), silent.id: None}


@pytest.mark.parametrize(
    ("sort", "expected"), [("load", "乙所丙所甲所"), ("days", "丙所甲所乙所"), ("distance", "甲所乙所丙所")]
)
def test_the_table_is_sorted_by_load_days_or_distance(officer, rows, sort, expected):
    labs = [
        institution(region, name, mean_days=days)
        for region, name, days in (("330106", "甲所", 5), ("330105", "乙所", 9), ("330203", "丙所", 1))
    ]
    for lab in labs:
        capability(lab, "000000")
    for lab, number in ((labs[0], 2), (labs[2], 1)):
        for _ in range(number):
            task(OFFERED, to=lab)
    tallies.rebuild()
    chosen = {"selection": "ids", "id": str(task(UNASSIGNED).id), "sort": sort}

    table = officer.post("/assignments/matching", chosen, headers={"HX-Request": "true"}).text

    assert "".join(sorted(("甲所", "乙所", "丙所"), key=table.index)) == expected


@pytest.mark.parametrize("jurisdiction", ["330106", "3301", "33", ""])
def test_what_an_institution_has_to_do_is_the_same_for_every_reader(sign_in, rows, jurisdiction):
    """Its tasks lie in two counties, in another city and in another province."""
    lab = institution(name="省计量院", region="330102")
    capability(lab, "000000")
    capacity(lab, stated=12)
    for place in ("330106", "330108", "330203", "510104"):
        task(OFFERED, place, to=lab)
    tallies.rebuild()
    one = task(UNASSIGNED)
    reader = sign_in("Supervisor", authority(jurisdiction))

    with seeing(principal_of(reader.account, frozenset({"Supervisor"}))):
        [candidate] = matching.candidates([one.id])[0]
        proposal = proposals.proposal([one.id])
    table = reader.open("assignments", "assign", [one.id]).text
    cells = dict(re.findall(r'<td data-label="([^"]+)" class="text-end">([^<]*)</td>', table))

    assert (candidate.load, candidate.open, candidate.weekly, candidate.free) == (4, 4, 12, 8)
    assert [group.load for group in proposal.groups] == [share.open for share in proposal.shares] == [4]
    assert (cells["在办任务"], cells["每周可检 / 空余"]) == ("4", "12 / 8")


# --- 智能分配 ------------------------------------------------------------------------------------


@pytest.fixture
def officer(sign_in, rows):
    return sign_in("Supervisor", authority("3301"))


@pytest.fixture
def mixed(rows):
    """Two places with an institution each, and one instrument that nobody is able to verify."""
    xihu, binjiang = institution("330106", "西湖所"), institution("330108", "滨江所")
    capability(xihu, "330106")
    capability(binjiang, "330108")
    tasks = [task(UNASSIGNED, "330106"), task(UNASSIGNED, "330106"), task(UNASSIGNED, "330108")]
    tasks.append(task(UNASSIGNED, "330106", what=instrument("330106", of=BLOOD_PRESSURE)))
    return xihu, binjiang, tasks


def test_the_proposal_gives_each_task_to_its_best_institution(mixed):
    xihu, binjiang, tasks = mixed

    proposal = proposals.proposal([one.id for one in tasks])

    assert [(g.institution_id, g.count) for g in proposal.groups] == [(xihu.id, 2), (binjiang.id, 1)]
    assert (proposal.total, proposal.unmatched, proposal.lacking) == (4, 1, {NO_KIND: 1})


def test_what_is_proposed_is_shown_and_then_done(officer, mixed):
    xihu, binjiang, tasks = mixed
    ids = [one.id for one in tasks]

    dialog = officer.open("assignments", "assign_best", ids).text
    digest = proposals.proposal(ids).digest
    assert [word in dialog for word in ("西湖所", "滨江所", "无此种别项目", digest)] == [True] * 4

    answer = officer.act("assignments", "assign_best", ids, digest=digest)

    assert answer.status_code == 204
    assert states(*tasks) == [OFFERED, OFFERED, OFFERED, UNASSIGNED]
    assert [one.institution_id for one in tasks] == [xihu.id, xihu.id, binjiang.id, None]
    assert officer.messages() == ["已分配 3 条。 1 条状态或办理层级已变，未作改动。"]
    assert history(tasks[3]) == []


def test_each_row_of_the_proposal_can_be_given_to_another_or_left_and_says_why(officer, mixed, rows):
    xihu, binjiang, tasks = mixed
    city = institution("330105", "市级院")
    capability(city, "330100")
    ids = [one.id for one in tasks]
    proposal = proposals.proposal(ids)
    of = {share.institution_id: share for share in proposal.shares}

    dialog = officer.open("assignments", "assign_best", ids).text
    chosen = {f"share-{of[xihu.id].key}": str(city.id), f"share-{of[binjiang.id].key}": "none"}
    answer = officer.act("assignments", "assign_best", ids, digest=proposal.digest, **chosen)

    assert dialog.count("2 家可检机构中最近：本县（区）") == 2
    assert answer.status_code == 204
    assert [one.institution_id for one in tasks] == [city.id, city.id, None, None]
    assert states(*tasks) == [OFFERED, OFFERED, UNASSIGNED, UNASSIGNED]
    assert all(one.due_on > holidays.today() for one in tasks[:2])


def test_a_row_is_given_to_nobody_who_is_not_able(officer, mixed):
    xihu, binjiang, tasks = mixed
    ids = [one.id for one in tasks]
    proposal = proposals.proposal(ids)
    [share] = [share for share in proposal.shares if share.institution_id == xihu.id]

    answer = officer.act(
        "assignments", "assign_best", ids, digest=proposal.digest, **{f"share-{share.key}": str(binjiang.id)}
    )

    assert (answer.status_code, states(*tasks)) == (422, [UNASSIGNED] * 4)


def test_a_proposal_that_has_changed_is_shown_again_and_nothing_is_done(officer, mixed, rows):
    xihu, _binjiang, tasks = mixed
    ids = [one.id for one in tasks]
    digest = proposals.proposal(ids).digest
    rows.get(Institution, xihu.id).authorized_until = YESTERDAY

    answer = officer.act("assignments", "assign_best", ids, digest=digest)

    assert (answer.status_code, "分配方案已有变化" in answer.text) == (422, True)
    assert proposals.proposal(ids).digest in answer.text
    assert states(*tasks) == [UNASSIGNED] * 4


def test_all_that_match_may_be_assigned_automatically(officer, mixed, rows):
    _xihu, _binjiang, tasks = mixed
    foreign = task(UNASSIGNED, "330203")
    everything = {"selection": "all", "filter": "", "expected": "4"}
    digest = proposals.proposal([one.id for one in tasks]).digest

    assert officer.act("assignments", "assign_best", [], digest=digest, **everything).status_code == 204
    assert states(*tasks, foreign) == [OFFERED, OFFERED, OFFERED, UNASSIGNED, UNASSIGNED]


def test_the_matching_dialog_and_another_page_of_it(officer, rows):
    lab = institution(name="西湖区计量检定所")
    capability(lab)
    for number in range(12):
        institution("510104", f"四川第{number}所")
    one = task(UNASSIGNED)

    dialog = officer.open("assignments", "assign", [one.id]).text
    chosen = {"selection": "ids", "id": str(one.id)}
    second = officer.post("/assignments/matching", {**chosen, "page": "2"}, headers={"HX-Request": "true"}).text
    searched = officer.post("/assignments/matching", {**chosen, "q": "西湖"}, headers={"HX-Request": "true"}).text

    assert "检定机构匹配" in dialog
    assert dialog.index("西湖区计量检定所") < dialog.index("四川第0所")
    assert ("1 / 1" in dialog, "0 / 1" in dialog, "本县（区）" in dialog, "外省" in dialog) == (True,) * 4
    assert ("四川第11所" in dialog, "四川第11所" in second) == (False, True)
    assert ("西湖区计量检定所" in searched, "四川" in searched) == (True, False)


@pytest.mark.parametrize("page", ["0", "-3", "x", "99999", "３"])
def test_a_bad_page_of_the_matching_table_is_the_first_or_empty(officer, page):
    institution()
    chosen = {"selection": "ids", "id": str(task(UNASSIGNED).id), "page": page}

    assert officer.post("/assignments/matching", chosen, headers={"HX-Request": "true"}).status_code == 200


def test_the_dialog_costs_the_same_statements_for_one_and_for_many(officer, statements, rows):
    capability(institution())
    order = appointment()
    counts = []
    for number in (1, 300):
        ids = [task(UNASSIGNED, order=order).id for _ in range(number)]
        for name in ("assign", "assign_best"):
            with statements() as seen:
                officer.open("assignments", name, ids)
            counts.append(len(seen))

    assert counts[:2] == counts[2:]
