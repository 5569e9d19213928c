"""证书编号与印章: numbers without gaps whoever asks at once, patterns, and a seal that is a picture and no more."""

import zlib
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context
from datetime import date
from io import BytesIO
from struct import pack
from threading import Event as Signal
from typing import Any

import pytest
from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngInfo
from sqlalchemy import func, select

from app import access, files
from app.access import EVERYTHING, Principal, seeing
from app.domain import holidays, issuing_rules
from app.models import AuditEntry, CertificateNumber, IssuingRule, db
from tests.factories import institution, issuing_rule

DAY = date(2026, 3, 5)
THIS_YEAR = holidays.today().year


@pytest.fixture
def lab(rows):
    return institution()


@pytest.fixture
def approver(sign_in, lab):
    return sign_in("InstitutionApprover", lab)


# --- Numbers -------------------------------------------------------------------------------------


def test_numbers_follow_each_other_each_institution_its_own(rows, lab):
    other = institution()

    assert issuing_rules.take(lab.id, 2, DAY) == ["2026000001", "2026000002"]
    assert issuing_rules.take(lab.id, 1, DAY) == ["2026000003"]
    assert issuing_rules.take(other.id, 1, DAY) == ["2026000001"]


def test_a_number_that_was_not_used_after_all_is_given_again(rows, lab):
    issuing_rules.take(lab.id, 1, DAY)
    undone = rows.begin_nested()
    assert issuing_rules.take(lab.id, 2, DAY) == ["2026000002", "2026000003"]
    undone.rollback()

    assert issuing_rules.take(lab.id, 1, DAY) == ["2026000002"]


@pytest.mark.parametrize(
    ("pattern", "numbers"),
    [
        ("{year}{number:6}", ["2026000001", "2026000002", "2026000003", "2027000001"]),
        ("浙检{year}{month}-{number:4}", ["浙检202603-0001", "浙检202603-0002", "浙检202604-0001", "浙检202703-0001"]),
        ("No{number:3}", ["No001", "No002", "No003", "No004"]),
    ],
)
def test_a_year_and_a_month_in_the_pattern_begin_at_one_again(rows, lab, pattern, numbers):
    issuing_rule(lab, pattern)
    days = (DAY, DAY, date(2026, 4, 1), date(2027, 3, 1))

    assert [issuing_rules.take(lab.id, 1, day) for day in days] == [[number] for number in numbers]


def test_more_numbers_than_digits_go_on(rows, lab):
    issuing_rule(lab, "{number:3}")
    rows.add(CertificateNumber(institution_id=lab.id, series="{number:3}", last=998))
    rows.flush()

    assert issuing_rules.take(lab.id, 2, DAY) == ["999", "1000"]


def test_two_who_issue_at_once_get_different_numbers_and_leave_no_gap(office):
    """The second waits for the first, who gives its numbers back; so the second gets them."""
    lab_id = institution().id
    db.session.commit()
    taken, release = Signal(), Signal()

    def in_own_session(work):
        def run():
            with office.app_context(), access.seeing(EVERYTHING):
                return work()

        return Context().run(run)

    def first():
        numbers = issuing_rules.take(lab_id, 2, DAY)
        taken.set()
        assert release.wait(20)
        db.session.rollback()
        return numbers

    def second():
        assert taken.wait(20)
        release.set()
        numbers = issuing_rules.take(lab_id, 1, DAY)
        db.session.commit()
        return numbers

    with ThreadPoolExecutor(2) as pool:
        futures = [pool.submit(in_own_session, work) for work in (first, second)]
        results = [future.result(30) for future in futures]

    assert results == [["2026000001", "2026000002"], ["2026000001"]]
    with ThreadPoolExecutor(4) as pool:

        def issue():
            numbers = issuing_rules.take(lab_id, 3, DAY)
            db.session.commit()
            return numbers

        many = [number for each in pool.map(in_own_session, [issue] * 8) for number in each]
    assert sorted(many) == [f"2026{number:06}" for number in range(2, 26)]


# --- The rule ------------------------------------------------------------------------------------


def change(person, pattern="浙检{year}{number:6}", revision="", seal=None):
    fields: dict[str, Any] = {"pattern": pattern, "revision": revision}
    if seal is not None:
        fields["seal"] = (BytesIO(seal), "seal.png")
    return person.post("/issuing-rules/act/edit", fields, headers={"HX-Request": "true"})


def rule_of(rows, holder):
    return rows.scalars(select(IssuingRule).where(IssuingRule.institution_id == holder.id)).one_or_none()


def test_without_a_rule_the_page_tells_the_usual_one(approver):
    page, dialog = approver.get("/issuing-rules/").text, approver.open("issuing-rules", "edit", []).text

    assert ("默认规则 {year}{number:6}" in page, 'data-action="edit"' in page) == (True, True)
    assert ('value="{year}{number:6}"' in dialog, f"<b>{THIS_YEAR}000001</b>" in dialog) == (True, True)


def test_a_rule_is_set_then_changed_and_shows_its_next_number(approver, lab, rows):
    assert change(approver).status_code == 204
    issuing_rules.take(lab.id, 4, holidays.today())
    page = approver.get("/issuing-rules/").text
    assert [word in page for word in ("浙检{year}{number:6}", f"浙检{THIS_YEAR}000005", "未上传")] == [True] * 3

    assert change(approver, "杭{year}-{number:4}", "1").status_code == 204

    rule = rule_of(rows, lab)
    assert (rule.pattern, rule.revision) == ("杭{year}-{number:4}", 2)
    assert f"杭{THIS_YEAR}-0001" in approver.get("/issuing-rules/").text
    told = select(AuditEntry.action, AuditEntry.subject_name).where(
        AuditEntry.subject == "issuing_rule", AuditEntry.subject_id == rule.id
    )
    assert [tuple(row) for row in rows.execute(told.order_by(AuditEntry.id))] == [
        ("edit", "浙检{year}{number:6}"), ("edit", "杭{year}-{number:4}"),
    ]  # fmt: skip


@pytest.mark.parametrize("revision", ["", "0", "2", "x"])
def test_what_somebody_changed_meanwhile_is_not_overwritten(approver, lab, rows, revision):
    issuing_rule(lab)

    answer = change(approver, "杭{number:6}", revision)

    assert (answer.status_code, "已被他人修改" in answer.text) == (422, True)
    assert rule_of(rows, lab).pattern == "浙检{year}{number:6}"


def test_a_revision_of_a_rule_that_is_not_there_is_refused(approver, lab, rows):
    assert (change(approver, revision="1").status_code, rule_of(rows, lab)) == (422, None)


@pytest.mark.parametrize(
    "pattern",
    [
        "",
        "2026",
        "{year}",
        "{number}",
        "{number:2}",
        "{number:10}",
        "{number:6}{number:6}",
        "{year}{number:6}{day}",
        "{year{number:6}",
        "{number:6}}",
        "{{number:6}}",
        "{month}{number:6}",
        "{number:6!r}",
        "长" * 23 + "{number:6}",
        "{year}" * 5 + "{month}{number:9}",
    ],
)
def test_patterns_that_are_no_rule_are_refused(approver, lab, rows, pattern):
    answer = change(approver, pattern)

    assert (answer.status_code, "field-error" in answer.text, rule_of(rows, lab)) == (422, True, None)


@pytest.mark.parametrize(("pattern", "kept"), [("浙\n检{number:6}", "浙 检"), ("浙\u202e检{number:6}", "浙检")])
def test_what_cannot_be_printed_is_not_taken_into_a_rule(approver, lab, rows, pattern, kept):
    assert change(approver, pattern).status_code == 204
    assert rule_of(rows, lab).pattern == f"{kept}{{number:6}}"


@pytest.mark.parametrize(
    ("pattern", "shown"),
    [
        ("{number:9}", "000000001"),
        ("A{year}{month}{number:3}Z", f"A{holidays.today():%Y%m}001Z"),
        ("长" * 22 + "{number:6}", "长" * 22 + "000001"),
        ("{month}{number:6}", "编号规则尚不完整"),
        ("<b>{number:3}", "&lt;b&gt;001"),
    ],
)
def test_what_is_typed_shows_its_next_number(approver, lab, rows, pattern, shown):
    answer = approver.post("/issuing-rules/preview", {"pattern": pattern})

    assert (answer.status_code, shown in answer.text, rule_of(rows, lab)) == (200, True, None)


# --- The seal ------------------------------------------------------------------------------------


def picture(size=(300, 300), form="PNG", mode="RGBA", **how):
    written = BytesIO()
    Image.new(mode, size, (200, 0, 0, 120) if mode == "RGBA" else 0).save(written, form, **how)
    return written.getvalue()


def chunks(content):
    at, found = 8, []
    while at < len(content):
        length = int.from_bytes(content[at : at + 4])
        found.append(content[at + 4 : at + 8])
        at += length + 12
    return found


def test_a_seal_is_kept_as_a_picture_and_nothing_else(approver, lab, rows):
    told = PngInfo()
    told.add_text("Author", "somebody", zip=True)
    told.add_itxt("XML:com.adobe.xmp", "<secret/>")
    told.add(b"prVt", b"private")
    exif = Image.Exif()
    exif[0x010F] = "Spy Camera"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    given = picture(pnginfo=told, exif=exif, icc_profile=profile, dpi=(300, 300)) + b"appended"
    assert {b"zTXt", b"iTXt", b"prVt", b"eXIf", b"iCCP", b"pHYs"} <= set(chunks(given[: -len(b"appended")]))

    assert change(approver, seal=given).status_code == 204

    rule = rule_of(rows, lab)
    kept = files.read(rule.seal)
    with Image.open(BytesIO(kept)) as seal:
        assert (seal.format, seal.mode, seal.size, seal.getpixel((5, 5))) == (
            "PNG",
            "RGBA",
            (300, 300),
            (200, 0, 0, 120),
        )
    assert set(chunks(kept)) == {b"IHDR", b"IDAT", b"IEND"}
    answer = approver.get(f"/issuing-rules/seal/{rule.id}")
    assert (answer.status_code, answer.mimetype, answer.data) == (200, "image/png", kept)
    address = f'src="/issuing-rules/seal/{rule.id}"'
    pages = (approver.get("/issuing-rules/"), approver.open("issuing-rules", "edit", []))
    assert [address in page.text for page in pages] == [True, True]
    told = (
        select(AuditEntry.action)
        .where(AuditEntry.subject == "issuing_rule", AuditEntry.subject_id == rule.id)
        .order_by(AuditEntry.id)
    )
    assert list(rows.scalars(told)) == ["edit", "change_seal"]


def test_a_change_without_a_seal_keeps_it(approver, lab, rows):
    change(approver, seal=picture())
    before = rule_of(rows, lab).seal

    assert change(approver, "杭{number:6}", "1").status_code == 204

    assert rule_of(rows, lab).seal == before


@pytest.mark.parametrize("mode", ["L", "P", "1", "I;16", "RGB"])
def test_every_kind_of_png_becomes_one_with_a_transparent_ground(approver, lab, rows, mode):
    assert change(approver, seal=picture(mode=mode)).status_code == 204

    with Image.open(files.path(rule_of(rows, lab).seal)) as seal:
        assert seal.mode == "RGBA"


def gigantic():
    """A PNG that claims to be 60,000 pixels wide and high."""
    header = b"IHDR" + pack(">IIBBBBB", 60_000, 60_000, 8, 6, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + pack(">I", 13) + header + pack(">I", zlib.crc32(header)) + picture()[33:]


@pytest.mark.parametrize(
    ("seal", "told"),
    [
        (b"<svg onload=alert(1)>", "不是 PNG"),
        (b"\x89PNG\r\n\x1a\n", "不是 PNG"),
        (picture(form="JPEG", mode="RGB"), "不是 PNG"),
        (picture(form="GIF", mode="P"), "不是 PNG"),
        (picture()[:150], "不是 PNG"),
        (gigantic(), "不是 PNG"),
        (picture((199, 300)), "200"),
        (picture((300, 2001)), "2000"),
        (picture() + b"x" * issuing_rules.MOST_BYTES, "2 MB"),
    ],
    ids=["svg", "head", "jpeg", "gif", "cut off", "gigantic", "narrow", "high", "heavy"],
)
def test_what_is_no_seal_is_refused(approver, lab, rows, seal, told):
    answer = change(approver, seal=seal)

    assert (answer.status_code, told in answer.text, rule_of(rows, lab)) == (422, True, None), answer.text


def test_a_seal_may_be_as_heavy_as_it_is_said(approver, lab, rows):
    assert change(approver, seal=picture() + b"x" * (issuing_rules.MOST_BYTES - 5000)).status_code == 204
    assert len(files.read(rule_of(rows, lab).seal)) < 5000


def test_what_is_far_too_large_is_not_read(approver):
    assert approver.act("issuing-rules", "edit", [], pattern="x" * 3 * 1024 * 1024).status_code == 413


# --- Others --------------------------------------------------------------------------------------


def test_another_institutions_rule_and_seal_are_not_there(approver, sign_in, rows):
    other = institution()
    change(sign_in("InstitutionApprover", other), "邻{number:6}", seal=picture())
    foreign = rule_of(rows, other)

    assert "邻{number:6}" not in approver.get("/issuing-rules/").text
    assert [approver.get(f"/issuing-rules/seal/{pk}").status_code for pk in (foreign.id, 999999, "x", -1)] == [404] * 4
    assert change(approver, "占{number:6}").status_code == 204
    rows.expire_all()
    assert rule_of(rows, other).pattern == "邻{number:6}"
    assert f"<b>{THIS_YEAR}000001</b>" in approver.post("/issuing-rules/preview", {"pattern": "{year}{number:6}"}).text


def test_a_rule_without_a_seal_has_no_picture(approver, lab):
    assert approver.get(f"/issuing-rules/seal/{issuing_rule(lab).id}").status_code == 404


@pytest.mark.parametrize("role", ["InstitutionClerk", "InstitutionVerifier", "InstitutionAdministrator"])
def test_the_rule_is_the_approvers_affair(sign_in, lab, role):
    person, rule = sign_in(role, lab), issuing_rule(lab)

    answers = [person.get("/issuing-rules/"), change(person), person.get(f"/issuing-rules/seal/{rule.id}")]
    answers.append(person.post("/issuing-rules/preview", {"pattern": "{number:6}"}))
    assert [answer.status_code for answer in answers] == [403] * 4


def test_the_preview_of_one_institution_does_not_count_anothers(rows, lab):
    issuing_rules.take(institution().id, 7, holidays.today())
    by = Principal(kind="institution", organization_id=lab.id)

    with seeing(by):
        assert issuing_rules.preview("{year}{number:6}", by) == f"{THIS_YEAR}000001"
    assert issuing_rules.preview("{year}{number:6}", by) == f"{THIS_YEAR}000001"
    assert rows.scalar(select(func.count()).select_from(CertificateNumber)) == 1
