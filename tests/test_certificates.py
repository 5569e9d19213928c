"""检定证书: numbered without gaps, printed, signed, taken away; never changed, but voided and replaced."""

import re
import zipfile
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any

import pypdfium2
import pytest
import zxingcpp
from sqlalchemy import func, select, update

from app import files, jobs, signatures
from app.domain import certificates, holidays, scans, tallies
from app.models import Capability, Certificate, CertificateNumber, Event, Instrument, Job, Organization, Task, db
from app.seeding.seals import demo_seal
from app.states import (
    CERTIFIED,
    DONE,
    DUE_SOON,
    EXPIRED,
    FAILED,
    OVERDUE,
    REPLACED,
    SCRAPPED,
    STOPPED,
    TO_APPROVE,
    UNVERIFIED,
    VALID,
    VERIFYING,
    VOID,
)
from tests.factories import (
    able_institution,
    appointment,
    authority,
    certificate,
    institution,
    instrument,
    issuing_rule,
    kind,
    result,
    staff_member,
    states,
    task,
    using_unit,
)
from tests.test_statistics import figures, lines

TODAY = holidays.today()
YEAR = TODAY.year


@pytest.fixture
def lab(rows):
    found = able_institution("西湖区计量检定所")
    issuing_rule(found, "浙检{year}-{number:4}").seal = files.keep(demo_seal("西湖区计量检定所"))
    certificates.keyring().make_authority("测试根证书")
    return found


@pytest.fixture
def unit(rows):
    return using_unit(name="杭州水务集团有限公司")


@pytest.fixture
def approver(sign_in, lab):
    person = sign_in("InstitutionApprover", lab)
    staff_member(lab, "赵批准", account_id=person.account.id, approves=True)
    db.session.flush()
    return person


@pytest.fixture
def verifier(lab):
    return staff_member(lab, "王检定")


def again(paper) -> Any:
    """The certificate as it is in the database now."""
    return db.session.get_one(Certificate, paper.id)


def owner_of(what):
    return db.session.get_one(Organization, what.using_unit_id)


def checked(lab, verifier, unit=None, **values):
    """A task whose result waits for approval."""
    one = task(TO_APPROVE, to=lab, unit=unit or using_unit())
    result(one, verifier, staff_member(lab, "李核验"), **values)
    return one


def issued(approver, *tasks):
    assert approver.act("results", "approve", [one.id for one in tasks]).status_code == 204
    return [certificate_of(one) for one in tasks]


def certificate_of(one) -> Any:
    found = select(Certificate).where(Certificate.task_id == one.id).order_by(Certificate.id.desc()).limit(1)
    return db.session.scalars(found).one()


def work():
    """Do the jobs that were asked for, as the worker does."""
    waiting = list(db.session.scalars(select(Job.id).where(Job.state == "waiting").order_by(Job.id)))
    for id in waiting:
        jobs.do(id)
    db.session.expire_all()
    return [db.session.get_one(Job, id) for id in waiting]


# --- Issuing -------------------------------------------------------------------------------------


def test_results_become_certificates_with_numbers_in_order(approver, lab, verifier, unit):
    good, bad = checked(lab, verifier, unit), checked(lab, verifier, unit, passed=False, failures="示值误差超差")

    one, other = issued(approver, good, bad)

    assert [(each.no, each.kind, each.passed) for each in (one, other)] == [
        (f"浙检{YEAR}-0001", "verification", True), (f"浙检{YEAR}-0002", "rejection", False),
    ]  # fmt: skip
    assert (one.verifier, one.checker, one.approver) == ("王检定", "李核验", "赵批准")
    assert one.about["using_unit"] == "杭州水务集团有限公司"
    assert len({one.code, other.code}) == 2
    assert states(good, bad) == [CERTIFIED, CERTIFIED]


def test_passed_the_instrument_is_valid_failed_it_may_not_be_used(approver, lab, verifier):
    good, bad = checked(lab, verifier), checked(lab, verifier, passed=False, failures="漏水")

    issued(approver, good, bad)

    one, other = (db.session.get_one(Instrument, each.instrument_id) for each in (good, bad))
    assert (one.verification_state, one.valid_until) == (VALID, certificate_of(good).valid_until)
    assert (other.verification_state, other.valid_until) == (FAILED, None)
    assert one.last_verified_on == other.last_verified_on == TODAY


def test_an_inspection_in_service_prolongs_nothing_but_can_fail(approver, lab, verifier):
    until = TODAY + timedelta(days=99)
    ones = []
    for values in ({}, {"passed": False, "failures": "铅封破损"}):
        what = instrument(verification_state=VALID, valid_until=until)
        one = task(TO_APPROVE, to=lab, what=what, unit=owner_of(what))
        checker = staff_member(lab, "李核验")
        result(one, verifier, checker, verification_kind="in_service", valid_until=None, **values)
        certificate(task(CERTIFIED, to=lab, what=what), valid_until=until, verified_on=TODAY - timedelta(days=9))
        ones.append(one)

    issued(approver, *ones)

    found = [db.session.get_one(Instrument, one.instrument_id) for one in ones]
    assert [(each.verification_state, each.valid_until) for each in found] == [(VALID, until), (FAILED, None)]


@pytest.mark.parametrize(("days", "state"), [(-1, OVERDUE), (0, DUE_SOON), (30, DUE_SOON), (31, VALID)])
def test_what_is_nearly_over_is_due_at_once(approver, lab, verifier, days, state):
    one = checked(lab, verifier, verified_on=TODAY - timedelta(days=99), valid_until=TODAY + timedelta(days=days))

    issued(approver, one)

    assert db.session.get_one(Instrument, one.instrument_id).verification_state == state


def test_a_number_that_was_not_used_is_given_again(approver, lab, verifier, monkeypatch):
    one = checked(lab, verifier)
    with monkeypatch.context() as broken:
        broken.setattr(certificates, "settle", lambda *_: 1 / 0)
        assert approver.act("results", "approve", [one.id]).status_code == 500

    assert [each.no for each in issued(approver, one)] == [f"浙检{YEAR}-0001"]
    assert db.session.scalars(select(CertificateNumber.last)).all() == [1]


def test_each_institution_counts_for_itself(approver, lab, verifier, sign_in):
    other = institution()
    issuing_rule(other, "浙检{year}-{number:4}")
    there = sign_in("InstitutionApprover", other)
    staff_member(other, "外批准", account_id=there.account.id, approves=True)
    (mine,) = issued(approver, checked(lab, verifier))
    (theirs,) = issued(there, checked(other, staff_member(other, "外检定")))

    assert mine.no == theirs.no == f"浙检{YEAR}-0001"


@pytest.mark.parametrize("count", [1, 120])
def test_issuing_costs_the_same_statements_for_one_and_for_many(approver, lab, verifier, statements, count):
    order = appointment()
    ones = [task(TO_APPROVE, to=lab, order=order) for _ in range(count)]
    checker = staff_member(lab, "李核验")
    for one in ones:
        result(one, verifier, checker)

    with statements() as seen:
        approver.act("results", "approve", [one.id for one in ones])

    assert len(seen) == 26
    assert db.session.scalar(select(func.count()).select_from(Certificate)) == count


# --- The document ---------------------------------------------------------------------------------


def pages_of(pdf):
    return list(pypdfium2.PdfDocument(pdf))


def text_of(pdf):
    return "".join(page.get_textpage().get_text_range() for page in pages_of(pdf))


def qr_of(pdf):
    (found,) = zxingcpp.read_barcodes(pages_of(pdf)[0].render(scale=3).to_pil())
    return found.text


@pytest.fixture
def paper(approver, lab, verifier, unit):
    used = {
        "name": "水表检定装置", "measuring_range": "(0.01～20)m³/h", "uncertainty": "U=0.2%（k=2）",
        "certificate_no": "浙量标123号", "valid_until": "2029-05-01",
    }  # fmt: skip
    done = checked(lab, verifier, unit, indications=[["示值误差", "±2%", "-0.6%"]], standards=[used])
    (found,) = issued(approver, done)
    (job,) = work()
    assert (job.kind, job.state, job.done, job.total) == ("certificate_documents", DONE, 1, 1)
    return again(found)


def test_the_document_says_what_was_issued(paper, lab):
    pdf = files.read(paper.file)
    text = text_of(pdf)

    words = ("检定证书", paper.no, "杭州水务集团有限公司", "王检定", "李核验", "赵批准", "西湖区计量检定所", "示值误差",
             "浙量标123号", certificates.code_of(paper))  # fmt: skip
    assert [word for word in words if word not in text] == []


def test_its_code_leads_to_it(paper, stranger):
    address = qr_of(files.read(paper.file))

    assert address.startswith("http://127.0.0.1:8080/s/c")
    page = stranger.get(address.removeprefix("http://127.0.0.1:8080"))
    assert (page.status_code, paper.no in page.text) == (200, True)


def test_its_signature_is_valid_and_one_changed_byte_breaks_it(paper):
    pdf, trusted = files.read(paper.file), certificates.keyring().trusted
    found: Any = signatures.check(pdf, trusted)
    assert (found.intact, found.trusted, found.signer) == (True, True, "西湖区计量检定所")

    for place in (100, len(pdf) // 2, len(pdf) - 40):
        changed = bytearray(pdf)
        changed[place] ^= 1
        again = signatures.check(bytes(changed), trusted)
        assert again is None or not (again.intact and again.trusted)


def test_it_is_taken_away_by_its_parties_only(paper, unit, lab, sign_in, approver):
    own, neighbour = sign_in("UsingUnitClerk", unit), sign_in("UsingUnitClerk", using_unit())
    elsewhere, office = sign_in("InstitutionClerk", institution()), sign_in("Supervisor", authority("330106"))
    url = f"/certificates/document/{paper.id}"

    answer = own.get(url)
    assert (answer.status_code, answer.mimetype) == (200, "application/pdf")
    assert answer.data == files.read(paper.file)
    assert f"{YEAR}-0001.pdf" in answer.headers["Content-Disposition"]
    assert approver.get(url).data == answer.data
    assert [each.get(url).status_code for each in (neighbour, elsewhere)] == [404, 404]
    assert office.get(url).status_code == 403
    assert own.get("/certificates/document/99999999").status_code == 404
    assert own.get("/certificates/document/abc").status_code == 404


def test_one_from_before_this_system_is_made_when_it_is_asked_for(sign_in, unit, lab):
    old = certificate(task(CERTIFIED, to=lab, unit=unit), no="旧证2019-1/2")

    answer = sign_in("UsingUnitClerk", unit).get(f"/certificates/document/{old.id}")

    assert (answer.status_code, "旧证2019-1/2" in text_of(answer.data)) == (200, True)
    assert again(old).file is not None


def test_the_page_of_a_certificate_tells_what_its_signature_is_worth(paper, sign_in, unit):
    own = sign_in("UsingUnitClerk", unit)
    assert "有效" in own.get(f"/certificates/show/{paper.id}").text
    place = files.path(paper.file)
    good = place.read_bytes()
    place.write_bytes(good.replace(b"/Title", b"/titlE", 1))
    try:
        assert "文件已被改动" in own.get(f"/certificates/show/{paper.id}").text
    finally:
        place.write_bytes(good)


def test_many_go_into_one_zip(approver, lab, verifier, unit, sign_in):
    ones = [checked(lab, verifier, unit) for _ in range(3)]
    issued(approver, *ones)
    work()
    foreign = certificate(task(CERTIFIED, to=lab))
    own = sign_in("UsingUnitClerk", unit)
    ids = [certificate_of(one).id for one in ones]

    answer = own.act("certificates", "download", [*ids, foreign.id])
    assert answer.headers["HX-Redirect"] == "/jobs/"
    (job,) = work()

    assert (job.state, job.message) == (DONE, "已将 3 份证书打包为一个文件。")
    archive = zipfile.ZipFile(BytesIO(own.get(f"/jobs/file/{job.id}").data))
    assert archive.namelist() == [f"浙检{YEAR}-000{number}.pdf" for number in (1, 2, 3)]
    assert archive.read(archive.namelist()[0]) == files.read(again(certificate_of(ones[0])).file)
    assert sign_in("UsingUnitClerk", unit).get(f"/jobs/file/{job.id}").status_code == 404


def test_a_single_one_is_downloaded_at_once(paper, sign_in, unit):
    answer = sign_in("UsingUnitClerk", unit).act("certificates", "download", [paper.id])

    assert f'"/certificates/document/{paper.id}"' in answer.headers["HX-Trigger"]


def test_without_a_key_the_job_says_so_and_the_rest_is_made_later(approver, lab, verifier, monkeypatch):
    (found,) = issued(approver, checked(lab, verifier))
    with monkeypatch.context() as without:
        without.setitem(certificates.files.current_app.config, "KEYS", "/nowhere")
        (job,) = work()
        assert (job.state, job.message) == ("broken", "西湖区计量检定所 尚未配置电子签名密钥。")

    assert certificates.make_left_over() == 0  # it is new: its job may still be about to make it
    found.issued_at = datetime.now(UTC) - timedelta(minutes=11)
    db.session.flush()
    assert certificates.make_left_over() == 1
    db.session.expire_all()
    assert found.file is not None


# --- Correcting -----------------------------------------------------------------------------------


def correct(approver, *papers, reason="型号印错"):
    return approver.act("certificates", "correct", [each.id for each in papers], reason=reason)


def test_a_correction_voids_and_what_is_issued_then_replaces(paper, approver, lab, verifier, sign_in):
    one = db.session.get_one(Task, paper.task_id)
    before = files.read(paper.file)

    assert correct(approver, paper).status_code == 204

    assert (paper.state, paper.void_reason, states(one)) == (VOID, "型号印错", [VERIFYING])
    assert db.session.get_one(Instrument, one.instrument_id).verification_state == UNVERIFIED
    person = sign_in("InstitutionVerifier", lab)
    values = {
        "verification_kind": "subsequent", "verified_on": TODAY.isoformat(), "regulation": "JJG 162-2019",
        "standard_ids": str(lab.standard.id), "verifier_id": str(verifier.id),
    }  # fmt: skip
    assert person.act("results", "record", [one.id], **values).status_code == 204
    checker = sign_in("InstitutionVerifier", lab)
    staff_member(lab, "李核验", account_id=checker.account.id)
    assert checker.act("results", "check", [one.id]).status_code == 204
    (anew,) = issued(approver, one)
    assert (anew.replaces_id, anew.no, paper.state) == (paper.id, f"浙检{YEAR}-0002", REPLACED)
    assert db.session.get_one(Instrument, one.instrument_id).verification_state == VALID
    assert files.read(paper.file) == before
    work()
    assert f"替换编号为 {paper.no}" in text_of(files.read(again(anew).file))


@pytest.mark.parametrize("use_state", [STOPPED, SCRAPPED])
def test_what_is_out_of_use_is_not_verified_anew_by_a_correction(paper, approver, use_state):
    one = db.session.get_one(Task, paper.task_id)
    db.session.get_one(Instrument, one.instrument_id).use_state = use_state
    db.session.flush()

    answer = correct(approver, paper)

    assert (answer.status_code, "已停用或报废" in answer.text) == (422, True)
    assert (paper.state, states(one)) == (VALID, [CERTIFIED])


def test_a_void_certificate_says_so_to_whoever_scans_it(paper, approver, stranger):
    correct(approver, paper)

    page = stranger.get(scans.address(scans.CERTIFICATE, paper.id).removeprefix("http://127.0.0.1:8080")).text
    assert ("作废" in page, "该文件已失效" in page) == (True, True)


def test_the_instrument_falls_back_to_the_certificate_before_whoever_issued_it(paper, approver):
    until = TODAY + timedelta(days=200)
    what = db.session.get_one(Instrument, paper.instrument_id)
    elsewhere = task(CERTIFIED, to=institution(), what=what, unit=owner_of(what))
    certificate(elsewhere, verified_on=TODAY - timedelta(days=100), valid_until=until)

    correct(approver, paper)

    assert (what.verification_state, what.valid_until) == (VALID, until)


@pytest.mark.parametrize("state", [VOID, REPLACED])
def test_what_is_void_is_not_voided_again(paper, approver, rows, state):
    paper.state, paper.void_reason = state, "旧原因"
    db.session.flush()

    assert correct(approver, paper).status_code == 204
    assert (paper.state, paper.void_reason) == (state, "旧原因")


def test_a_correction_needs_a_reason_and_the_right(paper, approver, sign_in, lab, unit):
    assert correct(approver, paper, reason="错").status_code == 422
    verifier = sign_in("InstitutionVerifier", lab)
    clerk = sign_in("UsingUnitClerk", unit)
    elsewhere = sign_in("InstitutionApprover", institution())
    assert [correct(each, paper).status_code for each in (verifier, clerk)] == [403, 403]
    correct(elsewhere, paper)

    assert (paper.state, paper.void_reason) == (VALID, None)


def test_what_is_booked_anew_is_not_corrected(paper, approver, lab):
    what = db.session.get_one(Instrument, paper.instrument_id)
    task(VERIFYING, to=lab, what=what, unit=owner_of(what))

    answer = correct(approver, paper)

    assert (answer.status_code, "已再次预约" in answer.text, paper.state) == (422, True, VALID)


# --- The list -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", {1, 2}), ("state=void", {2}), ("passed=passed", {1}), ("passed=failed", {2}),
        ("field=no&q=A-1", {1}), ("field=serial&q=SNX1", {1}), ("institution={lab}", {1, 2}),
        ("institution={other}", set()),
        ("item={kind}", {1, 2}), ("item={parent}", {1, 2}), ("verified_from=2020-01-01&verified_to=2020-12-31", set()),
    ],
)  # fmt: skip
def test_filters(sign_in, unit, lab, query, expected):
    ones = {}
    for number, values in ((1, {}), (2, {"state": VOID, "void_reason": "印错", "kind": "rejection", "passed": False})):
        what = instrument(unit=unit, serial_no=f"SNX{number}")
        one = certificate(task(CERTIFIED, to=lab, unit=unit, what=what), no=f"A-{number}", **values)
        ones[number] = one.id
    certificate(task(CERTIFIED, to=lab), no="A-3")
    asked = query.format(lab=lab.id, other=institution().id, kind=kind().id, parent=kind().parent_id)

    page = sign_in("UsingUnitClerk", unit).get(f"/certificates/?{asked}").text

    assert {number for number, id in ones.items() if f'data-id="{id}"' in page} == expected
    assert "A-3" not in page


@pytest.mark.parametrize("count", [1, 60])
def test_the_list_costs_the_same_statements(sign_in, unit, lab, statements, count):
    order = appointment(unit=unit)
    for _ in range(count):
        certificate(task(CERTIFIED, to=lab, unit=unit, order=order))
    clerk = sign_in("UsingUnitClerk", unit)

    with statements() as seen:
        assert clerk.get("/certificates/").status_code == 200

    assert len(seen) == 6


def test_an_export_holds_own_certificates_only(sign_in, unit, lab):
    certificate(task(CERTIFIED, to=lab, unit=unit), no="自有1")
    certificate(task(CERTIFIED, to=lab), no="他人1")

    sheet = sign_in("UsingUnitClerk", unit).post("/certificates/export", {"format": "csv"}).data.decode("utf-8-sig")

    assert ("自有1" in sheet, "他人1" in sheet) == (True, False)
    assert db.session.scalar(select(func.count()).select_from(Certificate)) == 2


# --- Beyond ability ------------------------------------------------------------------------------


def test_what_is_issued_when_the_ability_has_ended_is_told_as_beyond_it(sign_in, approver, lab, verifier):
    within, *beyond = [checked(lab, verifier) for _ in range(3)]
    tallies.rebuild()
    issued(approver, within)
    db.session.execute(update(Capability).where(Capability.institution_id == lab.id).values(state=EXPIRED))
    issued(approver, *beyond)
    person = sign_in("Supervisor", authority("3301"))

    page = person.get("/oversight/quantity/?by=region")
    told = lines(page)["西湖区"]["beyond"]

    assert (told.text, figures(page)["上城区"]["beyond"]) == ("2", "0")
    assert re.findall('<td class="number marked" data-head="(.*?)"', page.text) == ["beyond"] * 2  # and in all
    listed = person.get(told.leads).text
    assert re.findall('data-total="(.*?)"', listed) == ["2"]
    assert tallies.differences() == []


@pytest.mark.parametrize("change", [{"range_high": 10}, {"accuracy_value": 9}, {"range_unit": "MPa"}])
def test_an_ability_that_does_not_reach_the_instrument_is_none(approver, lab, verifier, change):
    one, other = checked(lab, verifier), checked(lab, verifier)
    issued(approver, one)
    db.session.execute(update(Capability).where(Capability.institution_id == lab.id).values(change))

    issued(approver, other)

    kept = select(Event.payload["beyond"].as_boolean()).where(Event.step == "approve").order_by(Event.id)
    assert list(db.session.scalars(kept)) == [False, True]
