"""One instrument all the way, by the front doors: from the registration of its unit to a corrected certificate."""

import re
from typing import Any

import pypdfium2
import pytest
from sqlalchemy import select

from app import jobs, signatures
from app.domain import certificates, holidays, matching, scans, tallies
from app.models import Account, Captcha, Certificate, Event, Instrument, Job, ProvinceRule, Task, db
from app.states import CERTIFIED, FAILED, FILED, PENDING, REPLACED, RETURNED, SENT_BACK, UNVERIFIED, VALID
from tests.conftest import from_outside
from tests.factories import (
    authority,
    capability,
    institution,
    issuing_rule,
    kind,
    measurement_standard,
    staff_member,
)
from tests.test_registration import PERSON, UNIT

SCALE = "非自动衡器"
TODAY = holidays.today()


@pytest.fixture
def county(rows):
    rows.add(ProvinceRule(province_code="330000", filing_reviewed=True, answer_days=3))
    tallies.rebuild()
    return authority("330106")


def able(name, *places):
    house = institution(name=name)
    standard = measurement_standard(house, name="砝码标准装置")
    capability(
        house, *places, of=SCALE, range_unit="kg", accuracy_class="Ⅲ级", accuracy_value=3, regulation="JJG 539-2016",
        standard_id=standard.id,
    )  # fmt: skip
    issuing_rule(house)
    return house


@pytest.fixture
def near(county):
    return able("西湖区计量检定所", "330106")


@pytest.fixture
def far(county):
    return able("杭州市计量院", "330100")


@pytest.fixture
def crew(far, sign_in):
    """The people of 杭州市计量院: counter, verifier, checker, approver."""

    def at(role, name, **values):
        person = sign_in(role, far)
        values["account_id"] = person.account.id
        person.staff = staff_member(far, name, of=(SCALE,), **values)
        return person

    certificates.keyring().make_authority("测试根证书")
    return (
        sign_in("InstitutionClerk", far),
        at("InstitutionVerifier", "王检定"),
        at("InstitutionVerifier", "李核验"),
        at("InstitutionApprover", "赵批准", approves=True),
    )


def done(answer):
    assert answer.status_code in (200, 201, 204), answer.text
    return answer


def registered(stranger, enter, county, sign_in):
    """A shop registers its unit and its first account; the county's administrator admits it and gives it a role."""
    from_outside(lambda: stranger.client.get("/register/"))
    stranger.token = stranger.get("/session/token").json["token"]
    token = stranger.get("/captcha/").json["token"]
    answer = db.session.scalar(select(Captcha.answer).where(Captcha.token == token))
    page = done(stranger.post("/register/", {"captcha_token": token, "captcha": answer, **UNIT, **PERSON}))
    name = re.findall(r"<code>([^<]+)</code>", page.text)[0]
    account = db.session.scalars(select(Account).where(Account.username == name)).one()
    newcomer = enter(account)
    assert newcomer.get("/ledger/").status_code == 403
    administrator = sign_in("CountyAdministrator", county)
    done(administrator.act("organizations", "admit", [account.organization_id]))
    done(administrator.act("accounts", "give_role", [account.id], role="UsingUnitClerk"))
    return enter(account)  # what one may do has changed: the session ended with it


INSTRUMENT = {
    "name": "电子计价秤", "model": "ACS-30", "range_low": "0", "range_high": "30", "range_unit": "kg",
    "accuracy_class": "Ⅲ级", "serial_no": "2026-0017", "quantity": "1", "manufacturer": "杭州衡器厂",
    "origin": "domestic", "region_code": "330106", "use_place": "文三路 8 号", "purpose": "trade",
    "delivery": "sent", "file_now": "y",
}  # fmt: skip
ORDER = {"contact": "赵小禾", "phone": "13800001234", "delivery": "sent"}


def record(verifier, one, **changed):
    standards = verifier.open("results", "record", [one.id]).text
    (standard_id,) = re.findall(r'name="standard_ids" value="(\d+)" checked', standards)
    values = {
        "verification_kind": "subsequent", "verified_on": TODAY.isoformat(), "regulation": "JJG 539-2016",
        "standard_ids": standard_id, "verifier_id": str(verifier.staff.id), "place": "力学室",
    }  # fmt: skip
    done(verifier.act("results", "record", [one.id], **{**values, **changed}))


def issued(crew, one, **changed):
    """Recorded, checked and approved; the worker prints and signs it."""
    _counter, verifier, checker, approver = crew
    record(verifier, one, **changed)
    done(checker.act("results", "check", [one.id]))
    done(approver.act("results", "approve", [one.id]))
    for id in db.session.scalars(select(Job.id).where(Job.state == "waiting")).all():
        jobs.do(id)
    db.session.expire_all()
    newest = select(Certificate).where(Certificate.task_id == one.id).order_by(Certificate.id.desc())
    return db.session.scalars(newest.limit(1)).one()


def verified(crew, one):
    """From the offer to the bench."""
    counter = crew[0]
    done(counter.act("inbox", "accept", [one.id]))
    done(counter.act("inbox", "plan", [one.id], planned_on=TODAY.isoformat()))
    done(counter.act("inbox", "receive", [one.id]))
    done(counter.act("inbox", "start", [one.id]))


def newest_task(what):
    found = select(Task).where(Task.instrument_id == what.id).order_by(Task.id.desc()).limit(1)
    return db.session.scalars(found).one()


def test_from_registration_to_a_corrected_certificate(stranger, enter, sign_in, county, near, far, crew):
    office = sign_in("Supervisor", county)
    unit = registered(stranger, enter, county, sign_in)

    # 建账、备案: sent back once, corrected, passed.
    done(unit.act("ledger", "add", [], **INSTRUMENT, catalogue_item_id=str(kind(SCALE).id)))
    what = db.session.scalars(select(Instrument)).one()
    assert (what.filing_state, what.verification_state) == (PENDING, UNVERIFIED)
    done(office.act("filings", "send_back", [what.id], reason="请填写型式批准号"))
    assert what.filing_state == SENT_BACK
    changed = {**INSTRUMENT, "type_approval_no": "2020F123-33", "revision": str(what.revision)}
    done(unit.act("ledger", "edit", [what.id], **changed, catalogue_item_id=str(kind(SCALE).id)))
    done(unit.act("ledger", "file", [what.id]))
    done(office.act("filings", "pass", [what.id]))
    assert what.filing_state == FILED

    # 预约, 退回, 强制分配.
    done(unit.act("ledger", "book", [what.id], **ORDER))
    one = newest_task(what)
    assert one.institution_id == near.id
    done(sign_in("InstitutionClerk", near).act("inbox", "return", [one.id], reason="计量标准送检中"))
    assert (one.state, office.get(f"/assignments/show/{one.id}").status_code) == (RETURNED, 200)
    done(office.act("assignments", "assign", [one.id], institution_id=str(far.id)))
    assert (one.institution_id, one.forced) == (far.id, True)

    # 检定: failed at first; it may not be used.
    verified(crew, one)
    notice = issued(crew, one, **{"failed": str(one.id), f"failure-{one.id}": "四角误差超差"})
    assert (notice.kind, what.verification_state, one.state) == ("rejection", FAILED, CERTIFIED)
    public = stranger.get(scans.address(scans.INSTRUMENT, what.id).removeprefix("http://127.0.0.1:8080")).text
    assert "不得使用" in public

    # Repaired and booked again, with the institution chosen.
    (lot,) = matching.lots_of_instruments([what.id])
    done(unit.act("ledger", "book", [what.id], **ORDER, **{f"lot-{lot.key}": str(far.id)}))
    two = newest_task(what)
    verified(crew, two)
    first = issued(crew, two)
    assert (first.kind, what.verification_state, what.valid_until) == ("verification", VALID, first.valid_until)

    # 更正: voided and issued again under another number.
    done(crew[3].act("certificates", "correct", [first.id], reason="检定地点写错"))
    second = issued(crew, two, place="杭州市计量院力学室")
    assert (first.state, second.state, second.replaces_id) == (REPLACED, VALID, first.id)
    assert [each.no for each in (notice, first, second)] == [f"浙检{TODAY.year}{n:06}" for n in (1, 2, 3)]

    # What the unit holds in its hands.
    pdf = unit.get(f"/certificates/document/{second.id}").data
    assert "杭州老街面馆有限公司" in pypdfium2.PdfDocument(pdf)[0].get_textpage().get_text_range()
    signature: Any = signatures.check(pdf, certificates.keyring().trusted)
    assert (signature.intact, signature.trusted, signature.signer) == (True, True, "杭州市计量院")
    steps = select(Event.step).where(Event.subject == "task", Event.subject_id.in_([one.id, two.id]))
    assert db.session.scalars(steps.order_by(Event.id)).all() == [
        "submit", "return", "assign", "accept", "plan", "receive", "start", "record", "check", "approve",
        "submit", "accept", "plan", "receive", "start", "record", "check", "approve",
        "correct", "record", "check", "approve",
    ]  # fmt: skip
    assert tallies.differences() == []
