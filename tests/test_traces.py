"""追溯: the certificates that rest on a standard found bad between two days, exported, and their parties told."""

from datetime import date
from io import BytesIO

import openpyxl
import pytest
from sqlalchemy import func, select

from app.models import Notification, db
from app.states import CERTIFIED
from tests.factories import account, authority, certificate, institution, measurement_standard, task, using_unit


@pytest.fixture
def lab(rows):
    authority("330106")
    return institution("330106", name="西湖区计量检定所")


@pytest.fixture
def clerk(sign_in, lab):
    return sign_in("StandardOfficer", authority("330106"))


def paper(lab, standard, day, region="330106", **values):
    used = [{"id": standard.id, "name": standard.name, "certificate_no": standard.certificate_no}]
    done = task(CERTIFIED, region, to=lab, **values)
    return certificate(done, verified_on=date.fromisoformat(day), standards=used)


def listed(person, query):
    page = person.get(f"/traces/?{query}").text
    return {int(part.split('"')[0]) for part in page.split('<tr data-id="')[1:]}


def test_only_what_names_the_standard_between_the_days_is_found(clerk, lab):
    bad, good = measurement_standard(lab), measurement_standard(lab)
    before, within, last = (paper(lab, bad, day) for day in ("2026-02-28", "2026-03-01", "2026-04-30"))
    paper(lab, good, "2026-03-15")

    assert listed(clerk, "") == set()
    assert listed(clerk, f"standard={bad.id}") == {before.id, within.id, last.id}
    between = "verified_from=2026-03-01&verified_to=2026-04-30"
    assert listed(clerk, f"standard={bad.id}&{between}") == {within.id, last.id}
    assert clerk.open("standards", "trace", [bad.id]).headers["HX-Redirect"] == f"/traces/?standard={bad.id}"


def test_a_neighbour_finds_neither_the_standard_nor_certificates(clerk, lab, sign_in):
    bad = measurement_standard(lab)
    here, there = paper(lab, bad, "2026-03-01"), paper(lab, bad, "2026-03-01", "330105")
    neighbour = sign_in("StandardOfficer", authority("330105"))

    assert listed(neighbour, f"standard={bad.id}") == set()
    assert listed(clerk, f"standard={bad.id}") == {here.id}
    assert neighbour.get(f"/traces/show/{here.id}").status_code == 404
    assert clerk.get(f"/traces/show/{there.id}").status_code == 404


def test_what_is_found_is_exported(clerk, lab):
    bad = measurement_standard(lab)
    found = [paper(lab, bad, "2026-03-01") for _ in range(3)]
    paper(lab, measurement_standard(lab), "2026-03-01")

    asked = {"selection": "all", "filter": f"standard={bad.id}", "format": "xlsx"}
    answer = clerk.post("/traces/export", asked)

    sheet = openpyxl.load_workbook(BytesIO(answer.data)).worksheets[0]
    cells = [value for row in sheet.iter_rows(values_only=True) for value in row]
    assert all(each.no in cells for each in found)
    assert sheet.max_row == 4


@pytest.mark.parametrize("count", [1, 40])
def test_the_parties_of_all_that_match_are_told_once_each_in_the_same_statements(clerk, lab, statements, count):
    bad, unit, other = measurement_standard(lab), using_unit(), using_unit()
    for _ in range(count):
        paper(lab, bad, "2026-03-01", unit=unit)
    paper(lab, bad, "2026-03-01", "330105", unit=other)
    heard = [account("UsingUnitClerk", unit), account("InstitutionClerk", lab)]
    far = account("UsingUnitClerk", other)

    with statements() as seen:
        answer = clerk.post(
            "/traces/act/tell",
            {
                "selection": "all",
                "filter": f"standard={bad.id}",
                "expected": str(count),
                "reason": "压力标准器超差，请重新申请检定",
            },
            headers={"HX-Request": "true"},
        )

    assert answer.status_code == 204, answer.text
    told = select(Notification.account_id, Notification.amount, Notification.reason).where(
        Notification.kind == "standard_failed"
    )
    found = {row.account_id: (row.amount, row.reason) for row in db.session.execute(told)}
    assert found == {each.id: (count, "压力标准器超差，请重新申请检定") for each in heard}
    assert far.id not in found
    assert len(seen) == 11


def test_telling_needs_words(clerk, lab):
    one = paper(lab, measurement_standard(lab), "2026-03-01")

    assert clerk.act("traces", "tell", [one.id], reason="无").status_code == 422
    assert db.session.scalar(select(func.count()).where(Notification.kind == "standard_failed")) == 0
