"""每月报表: made once for each month, with what the person may see by then, mailed once, kept as a job."""

import re
import socketserver
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from io import BytesIO
from threading import Thread
from typing import Any

import openpyxl
import pytest
from sqlalchemy import func, select, update

from app import access, jobs
from app.domain import holidays, monthly_reports, tallies
from app.models import Account, AuditEntry, Job, MonthlyReport, Notification, db, held_role
from app.states import BROKEN, CERTIFIED, DONE
from tests.factories import account, authority, certificate, institution, task, using_unit

FIRST = holidays.today().replace(day=1)
LAST = monthly_reports.last_month(FIRST)
NEXT_FIRST = (FIRST.replace(day=28) + (date(2026, 1, 5) - date(2026, 1, 1))).replace(day=1)


class Mailbox(socketserver.ThreadingTCPServer):
    """A mail server that keeps what it gets; with `full` it takes no letter."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Conversation)
        self.letters: list[EmailMessage] = []
        self.full = False


class _Conversation(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        box: Any = self.server
        self.wfile.write(b"220 here\r\n")
        for line in self.rfile:
            word = line[:4].upper()
            if word == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                lines = []
                while (text := self.rfile.readline()) != b".\r\n":
                    lines.append(text.removeprefix(b"."))
                box.letters.append(message_from_bytes(b"".join(lines), policy=policy.default))
            if word == b"MAIL" and box.full:
                self.wfile.write(b"452 no room\r\n")
                continue
            self.wfile.write(b"221 bye\r\n" if word == b"QUIT" else b"250 good\r\n")
            if word == b"QUIT":
                return


@pytest.fixture
def mailbox(app, monkeypatch) -> Iterator[Mailbox]:
    with Mailbox() as box:
        Thread(target=box.serve_forever, daemon=True).start()
        settings = {"SMTP_HOST": "127.0.0.1", "SMTP_PORT": box.server_address[1], "SMTP_TLS": False, "SMTP_USER": ""}
        for name, value in {**settings, "SMTP_FROM": "system@example.org"}.items():
            monkeypatch.setitem(app.config, name, value)
        yield box
        box.shutdown()


@pytest.fixture
def analyst(sign_in, rows):
    person = sign_in("Analyst", authority("3301"))
    person.account.email = "analyst@example.org"
    db.session.flush()
    return person


def want(person, *statistics, region="") -> Any:
    fields = {"statistics": list(statistics), "region_code": region}
    return person.post("/monthly-reports/act/add", fields, headers={"HX-Request": "true"})


def a_month_later() -> int:
    """As if what is wanted had been wanted a month before."""
    db.session.execute(update(MonthlyReport).values(month=monthly_reports.last_month(LAST)))
    return monthly_reports.ask_for_due()


def made() -> list[Job]:
    found = list(db.session.scalars(select(Job).where(Job.kind == "monthly_report").order_by(Job.id)))
    for job in found:
        jobs.do(job.id)
    db.session.expire_all()
    return found


def results():
    """Results of the last month in two counties of two cities."""
    for county in ("330106", "330203"):
        one = certificate(task(CERTIFIED, county, to=institution(county), unit=using_unit(county)))
        one.issued_at = datetime(LAST.year, LAST.month, 10, tzinfo=UTC)
    db.session.flush()
    tallies.rebuild()


def cells(content: bytes) -> list[list[Any]]:
    sheet: Any = openpyxl.load_workbook(BytesIO(content)).active
    return [[value for value in row if value is not None] for row in sheet.iter_rows(values_only=True)]


def test_a_report_is_of_the_month_before_and_of_ones_own_region(analyst, mailbox):
    results()
    assert want(analyst, "PassRateStatistics", "WorkloadStatistics").status_code == 204
    assert a_month_later() == 1

    (job,) = made()

    assert (job.state, job.message) == (DONE, f"{LAST:%Y-%m}，共 2 个报表。")
    with zipfile.ZipFile(BytesIO(analyst.get(f"/jobs/file/{job.id}").data)) as archive:
        assert archive.namelist() == [f"检定合格率统计-{LAST:%Y-%m}.xlsx", f"检定机构业务量统计-{LAST:%Y-%m}.xlsx"]
        lines = cells(archive.read(archive.namelist()[0]))
    assert ["统计月份", f"{LAST:%Y-%m} - {LAST:%Y-%m}"] in lines
    assert ["地区", "杭州市"] in lines
    (county,) = [line for line in lines if line[:1] == ["西湖区"]]
    assert county[1:5] == [1, 1, 0, 1]
    assert not [line for line in lines if line[:1] in (["宁波市"], ["海曙区"])]
    told = db.session.scalars(select(Notification.kind).where(Notification.account_id == analyst.account.id))
    assert list(told) == ["job_done"]


def test_a_report_is_edited_for_the_months_to_come(analyst):
    want(analyst, "PassRateStatistics", region="330106")
    (held,) = db.session.scalars(select(MonthlyReport))

    dialog = analyst.open("monthly-reports", "edit", [held.id]).text
    answer = analyst.act("monthly-reports", "edit", [held.id], statistics=["WorkloadStatistics"], region_code="330105")

    assert re.findall(r'checked[^>]*value="(\w+)"', dialog) == ["PassRateStatistics"]
    assert 'value="330106"' in dialog
    assert answer.status_code == 204
    db.session.refresh(held)
    assert (held.statistics, held.region_code, held.month) == (["WorkloadStatistics"], "330105", LAST)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"statistics": []}, "请至少勾选一项统计"),
        ({"region_code": "330105"}, "您已订阅该地区的报表"),
        ({"region_code": "330203"}, "不在您的管辖范围内"),
    ],
)
def test_an_edit_is_refused_as_a_new_report_is(analyst, change, problem):
    want(analyst, "PassRateStatistics", region="330105")
    want(analyst, "PassRateStatistics", region="330106")
    held = db.session.scalars(select(MonthlyReport).where(MonthlyReport.region_code == "330106")).one()

    fields = {"statistics": ["WorkloadStatistics"], "region_code": "330106", **change}
    answer = analyst.act("monthly-reports", "edit", [held.id], **fields)

    db.session.refresh(held)
    assert (answer.status_code, problem in answer.text) == (422, True), answer.text
    assert (held.statistics, held.region_code) == (["PassRateStatistics"], "330106")


def test_the_report_of_a_colleague_is_not_there(analyst, sign_in):
    want(analyst, "PassRateStatistics")
    (held,) = db.session.scalars(select(MonthlyReport))
    colleague = sign_in("Analyst", authority("3301"))

    opened = colleague.open("monthly-reports", "edit", [held.id])
    edited = colleague.act("monthly-reports", "edit", [held.id], statistics=["WorkloadStatistics"], region_code="")

    assert (opened.status_code, edited.status_code, held.statistics) == (404, 404, ["PassRateStatistics"])


def test_it_is_mailed_once_with_its_workbook(analyst, mailbox):
    want(analyst, "InstrumentStatistics")
    a_month_later()
    (job,) = made()

    assert (monthly_reports.mail_reports(), monthly_reports.mail_reports()) == (1, 0)

    (letter,) = mailbox.letters
    (workbook,) = letter.iter_attachments()
    assert (letter["To"], letter["Subject"]) == ("analyst@example.org", f"{LAST:%Y-%m} 每月报表")
    assert workbook.get_filename() == job.file_name == f"强检器具统计-{LAST:%Y-%m}.xlsx"
    assert workbook.get_content_type() == "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    assert cells(workbook.get_content())[0] == ["强检器具统计"]
    body: Any = letter.get_body()
    assert "/jobs/" in body.get_content()


def test_a_report_is_made_once_for_a_month_whenever_that_is(analyst, mailbox):
    want(analyst, "InstrumentStatistics")
    assert monthly_reports.ask_for_due() == 0  # the first is about this month

    assert [monthly_reports.ask_for_due(NEXT_FIRST.replace(day=day)) for day in (9, 9, 20)] == [1, 0, 0]
    assert db.session.scalar(select(func.count()).select_from(Job)) == 1
    (job,) = made()
    assert job.asked["month"] == FIRST.isoformat()
    for _ in range(2):
        monthly_reports.mail_reports()
        made()
    assert len(mailbox.letters) == 1


def test_what_does_not_go_out_is_tried_again(analyst, sign_in, mailbox):
    other = sign_in("Analyst", authority("330106"))
    for person in (analyst, other):
        want(person, "InstrumentStatistics")
    a_month_later()
    made()

    mailbox.full = True
    assert monthly_reports.mail_reports() == 0
    mailbox.full = False
    assert monthly_reports.mail_reports() == 2
    assert sorted(letter["To"] for letter in mailbox.letters) == sorted(["analyst@example.org", other.account.email])


def test_without_a_mail_server_it_lies_in_the_jobs(analyst):
    want(analyst, "InstrumentStatistics")
    a_month_later()
    (job,) = made()

    assert monthly_reports.mail_reports() == 0
    assert job.file
    assert db.session.scalar(select(MonthlyReport.mailed_at)) is not None


@pytest.mark.parametrize("when", ["before", "between", "after"])
def test_who_is_switched_off_gets_nothing(analyst, mailbox, when):
    want(analyst, "InstrumentStatistics")

    def switch_off(now):
        if now == when:
            analyst.account.active = False
            db.session.flush()

    switch_off("before")
    assert a_month_later() == (when != "before")
    switch_off("between")
    found = made()
    switch_off("after")
    monthly_reports.mail_reports()

    assert mailbox.letters == []
    assert [job.state for job in found] == {"before": [], "between": [BROKEN], "after": [DONE]}[when]
    assert [job.file for job in found if job.state == BROKEN] == [None] * (when == "between")


def test_who_has_lost_the_role_or_the_organization_gets_nothing(analyst, sign_in, mailbox):
    other = sign_in("Analyst", authority("330106"))
    for person in (analyst, other):
        want(person, "InstrumentStatistics")
    db.session.execute(held_role.delete().where(held_role.c.user_id == analyst.account.id))
    other.account.organization.active = False
    a_month_later()

    assert [(job.state, job.message) for job in made()] == [
        (BROKEN, "您已无权查看这些统计。"),
        (BROKEN, "该地区已不在您的管辖范围内。"),
    ]
    assert (monthly_reports.mail_reports(), mailbox.letters) == (0, [])


def test_who_moves_gets_the_own_region_of_then_and_not_the_old_one(analyst, mailbox):
    results()
    want(analyst, "PassRateStatistics")
    want(analyst, "PassRateStatistics", region="330106")
    moved = update(Account).where(Account.id == analyst.account.id)
    db.session.execute(moved.values(organization_id=authority("3302").id))
    a_month_later()

    own, old = made()

    assert (old.state, old.message, old.file) == (BROKEN, "该地区已不在您的管辖范围内。", None)
    assert own.state == DONE
    lines = cells(analyst.get(f"/jobs/file/{own.id}").data)
    assert [line for line in lines if line[:1] == ["海曙区"]]
    assert not [line for line in lines if line[:1] == ["西湖区"]]


def test_a_report_is_for_oneself_and_of_ones_own_jurisdiction(analyst, sign_in):
    neighbour = sign_in("Analyst", authority("3302"))
    want(neighbour, "InstrumentStatistics")
    theirs = db.session.scalars(select(MonthlyReport.id)).one()

    for region in ("330200", "330000", "999999", "x"):
        assert want(analyst, "InstrumentStatistics", region=region).status_code == 422
    assert want(analyst).status_code == 422
    assert want(analyst, "NoSuchStatistics").status_code == 422
    assert "330203" not in analyst.get("/monthly-reports/").text
    analyst.act("monthly-reports", "delete", [theirs])
    assert db.session.scalars(select(MonthlyReport.id)).all() == [theirs]
    assert f'data-id="{theirs}"' not in analyst.get("/monthly-reports/").text


def test_reports_are_listed_bounded_and_deleted(analyst):
    want(analyst, "InstrumentStatistics", "PassRateStatistics")
    want(analyst, "InstrumentStatistics", region="330106")
    assert want(analyst, "WorkloadStatistics", region="330106").status_code == 422
    assert want(analyst, "WorkloadStatistics").status_code == 422

    page = analyst.get("/monthly-reports/").text
    assert ("强检器具统计、检定合格率统计" in page, "本单位所在地区" in page) == (True, True)
    assert page.count(f"{FIRST:%Y-%m}</td>") == 2
    ids = list(db.session.scalars(select(MonthlyReport.id)))
    analyst.act("monthly-reports", "delete", ids)
    assert db.session.scalars(select(MonthlyReport)).all() == []

    counties = list(db.session.scalars(select(db.column("code")).select_from(db.table("region"))
                                       .where(db.column("parent_code") == "330100")))  # fmt: skip
    answers = [want(analyst, "InstrumentStatistics", region=code).status_code for code in counties]
    assert answers[:10] == [204] * 10
    assert set(answers[10:]) == {422}


def test_who_has_other_duties_has_no_reports(sign_in):
    for role, home in (("AssignmentOfficer", authority("3301")), ("UsingUnitClerk", using_unit())):
        assert sign_in(role, home).get("/monthly-reports/").status_code == 403


def test_what_is_made_stands_in_the_audit_log(analyst, mailbox):
    results()
    want(analyst, "PassRateStatistics")
    a_month_later()
    made()

    entry = db.session.scalars(select(AuditEntry).where(AuditEntry.action == "export")).one()
    assert (entry.by_id, entry.subject_name) == (analyst.account.id, "检定合格率统计")
    assert entry.detail["filter"] == f"region=330100&from={LAST:%Y-%m}&to={LAST:%Y-%m}&by=region"
    assert entry.detail["rows"] > 1


def test_two_workers_ask_for_a_report_once(office):
    person = account("Analyst", authority("330106"))
    report = MonthlyReport(
        account_id=person.id, statistics=["InstrumentStatistics"], month=monthly_reports.last_month(LAST)
    )
    db.session.add(report)
    db.session.commit()

    def ask() -> int:
        with office.app_context(), access.seeing(access.EVERYTHING):
            number = monthly_reports.ask_for_due()
            db.session.commit()
            return number

    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(ask) for _ in range(8)]
        assert sorted(one.result() for one in asked) == [0] * 7 + [1]
    assert db.session.scalar(select(func.count()).select_from(Job)) == 1
