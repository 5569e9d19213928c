"""扫码: one code, and the right page for the public, the unit, the institution and the inspector."""

import pytest

from app.domain import scans
from app.models import UsingUnit
from app.states import CERTIFIED, OFFERED, VERIFYING
from tests.factories import appointment, authority, certificate, institution, instrument, task, using_unit


@pytest.fixture
def unit(rows):
    return using_unit(name="杭州市第一人民医院")


@pytest.fixture
def lab(rows):
    return institution(name="西湖所")


@pytest.fixture
def meter(unit):
    return instrument(unit=unit, serial_no="SN20260017", use_place="庆春路3号手术室")


def path(kind, row):
    return scans.address(kind, row.id).removeprefix("http://127.0.0.1:8080")


def test_the_public_sees_the_few_facts_that_are_for_everybody(stranger, meter, unit):
    page = stranger.get(path(scans.INSTRUMENT, meter)).text

    assert [word in page for word in ("智能远传水表", "SN***17", "杭州市第一人民医院", "不得使用")] == [True] * 4
    assert [word in page for word in ("SN20260017", "手术室", "宁波水表")] == [False] * 3


def test_a_person_who_is_a_using_unit_is_not_named(stranger, rows, unit, meter):
    rows.add(
        UsingUnit(organization_id=unit.id, nature="person", address="甲巷1号", contact="张三", phone="13812345678")
    )

    page = stranger.get(path(scans.INSTRUMENT, meter)).text

    assert ("杭**" in page, "第一人民医院" in page, "13812345678" in page) == (True, False, False)


def test_each_comes_to_the_page_on_which_they_work(sign_in, meter, unit, lab):
    one = task(VERIFYING, to=lab, unit=unit, what=meter)
    paper = certificate(task(CERTIFIED, to=lab, unit=unit, what=meter))
    owner, bench = sign_in("UsingUnitClerk", unit), sign_in("InstitutionVerifier", lab)

    assert owner.get(path(scans.INSTRUMENT, meter)).location == f"/ledger/show/{meter.id}"
    assert owner.get(path(scans.CERTIFICATE, paper)).location == f"/certificates/show/{paper.id}"
    assert bench.get(path(scans.CERTIFICATE, paper)).location == f"/certificates/show/{paper.id}"
    assert bench.get(path(scans.INSTRUMENT, meter)).location == f"/inbox/show/{max(one.id, paper.task_id)}"


def test_a_slip_leads_to_the_task_of_the_institution_and_the_order_of_the_unit(sign_in, unit, lab, stranger):
    order = appointment(unit=unit)
    one = task(OFFERED, to=lab, unit=unit, order=order)

    assert sign_in("InstitutionClerk", lab).get(path(scans.APPOINTMENT, order)).location == f"/inbox/show/{one.id}"
    owner = sign_in("UsingUnitClerk", unit)
    assert owner.get(path(scans.APPOINTMENT, order)).location == f"/appointments/show/{order.id}"
    assert stranger.get(path(scans.APPOINTMENT, order)).status_code == 404
    assert sign_in("UsingUnitClerk", using_unit()).get(path(scans.APPOINTMENT, order)).status_code == 404


def test_an_inspector_sees_all_of_it_within_the_jurisdiction_only(sign_in, meter):
    here, there = sign_in("Supervisor", authority("330106")), sign_in("Supervisor", authority("330203"))
    url = path(scans.INSTRUMENT, meter)

    assert ("SN20260017" in here.get(url).text, "手术室" in here.get(url).text) == (True, True)
    assert ("SN20260017" in there.get(url).text, "手术室" in there.get(url).text) == (False, False)
    assert there.get(url).status_code == 200


def test_another_unit_and_another_institution_see_what_the_public_sees(sign_in, meter):
    for person in (sign_in("UsingUnitClerk", using_unit()), sign_in("InstitutionClerk", institution())):
        page = person.get(path(scans.INSTRUMENT, meter))
        assert (page.status_code, "SN20260017" in page.text) == (200, False)


def test_no_code_can_be_made_up(stranger, meter):
    good = path(scans.INSTRUMENT, meter).removeprefix("/s/")
    seal = good.split("-")[1]
    wrong = [
        f"i{meter.id}", f"i{meter.id}-", f"i{meter.id}-{'0' * 12}", f"i{meter.id + 1}-{seal}", f"c{meter.id}-{seal}",
        f"x{meter.id}-{seal}", f"i-{seal}", f"i٣-{seal}", f"i{'9' * 30}-{seal}", f"i{meter.id}-{seal[:-1]}é",
    ]  # fmt: skip

    assert {stranger.get(f"/s/{code}").status_code for code in wrong} == {404}
    assert stranger.get(f"/s/{good}").status_code == 200


def test_what_is_gone_is_not_there(stranger):
    class Gone:
        id = 987654321

    assert {stranger.get(path(kind, Gone)).status_code for kind in "ica"} == {404}
