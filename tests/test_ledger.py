"""器具台账: what a using unit enters, what is refused, and what nobody else sees of it."""

from decimal import Decimal
from io import BytesIO
from struct import pack
from zlib import crc32

import pytest
from PIL import Image
from sqlalchemy import select

from app import files
from app.domain import ledger
from app.errors import RuleError
from app.models import Certificate, Event, Instrument, Photo, ProvinceRule
from app.states import (
    CERTIFIED,
    DRAFT,
    FILED,
    IN_USE,
    OFFERED,
    PENDING,
    RETURNED,
    SCRAPPED,
    SENT_BACK,
    STOPPED,
    VERIFYING,
)
from tests.factories import authority, certificate, institution, instrument, kind, task, using_unit


@pytest.fixture
def unit(rows):
    return using_unit()


@pytest.fixture
def clerk(sign_in, unit):
    authority("330106")
    return sign_in("UsingUnitClerk", unit)


def form(**changed):
    return {
        "catalogue_item_id": str(kind("非自动衡器").id),
        "name": "电子计价秤",
        "model": "ACS-30",
        "range_low": "0",
        "range_high": "30",
        "range_unit": "kg",
        "accuracy_class": "Ⅲ级",
        "serial_no": "2026 00-17",
        "quantity": "1",
        "manufacturer": "杭州衡器厂",
        "origin": "domestic",
        "type_approval_no": "2020F123-33",
        "region_code": "330106",
        "use_place": "文三路菜场12号",
        "purpose": "trade",
        "delivery": "sent",
        "file_now": "y",
        **changed,
    }


def add(clerk, **changed):
    return clerk.act("ledger", "add", [], **form(**changed))


def own(rows, unit):
    return list(rows.scalars(select(Instrument).where(Instrument.using_unit_id == unit.id).order_by(Instrument.id)))


def history(rows, what):
    steps = select(Event.step, Event.from_state, Event.to_state).where(
        Event.subject == "instrument", Event.subject_id == what.id
    )
    return [tuple(row) for row in rows.execute(steps.order_by(Event.id))]


def test_what_is_entered_stands_in_the_ledger_and_is_filed_at_once(clerk, unit, rows):
    assert add(clerk).status_code == 204

    (new,) = own(rows, unit)
    assert (new.name, new.model, new.measuring_range, new.range_low, new.range_high, new.range_unit) == (
        "电子计价秤", "ACS-30", "(0～30)kg", 0, 30, "kg",
    )  # fmt: skip
    assert (new.accuracy_class, new.accuracy_value, new.serial_no) == (
        "Ⅲ级", 3, "2026 00-17",
    )  # fmt: skip
    assert (new.city_code, new.region_code, new.cycle_months, new.type_approval_no) == (
        "330100", "330106", 12, "2020F123-33",
    )  # fmt: skip
    assert (new.use_state, new.filing_state, new.verification_state) == (IN_USE, FILED, "unverified")
    assert new.instrument_no == f"QJ330106{new.id:010d}"
    assert history(rows, new) == [("file", DRAFT, FILED)]
    assert clerk.messages() == ["已添加 1 台器具。"]
    assert f'data-id="{new.id}"' in clerk.get("/ledger/").text


def test_several_with_serial_numbers_that_follow_each_other_are_single_rows(clerk, unit, rows):
    assert add(clerk, serial_no="WM-0098", quantity="4", file_now="").status_code == 204

    new = own(rows, unit)
    assert [each.serial_no for each in new] == ["WM-0098", "WM-0099", "WM-0100", "WM-0101"]
    assert {each.filing_state for each in new} == {DRAFT}
    assert len({each.instrument_no for each in new}) == 4


@pytest.mark.parametrize(
    ("first", "quantity", "problem"),
    [
        ("ABC", "2", "须以数字结尾"),
        ("A98", "3", "不足 3 个"),
        ("A1", "1001", "1001"),
        ("A1", "0", "数量"),
        ("A1", "x", "数量"),
    ],
)
def test_serial_numbers_that_cannot_follow_each_other_are_refused(clerk, unit, rows, first, quantity, problem):
    answer = add(clerk, serial_no=first, quantity=quantity)

    assert (answer.status_code, problem in answer.text, own(rows, unit)) == (422, True, [])


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"name": " "}, "请填写器具名称"),
        ({"range_unit": "m"}, "以 kg 表示"),
        ({"range_low": "40"}, "下限大于上限"),
        ({"range_high": "1e30"}, "数值过大"),
        ({"range_high": "viel"}, "is-invalid"),
        ({"accuracy_class": "好"}, "准确度等级应含数字"),
        ({"region_code": "330100"}, "所在的县"),
        ({"region_code": "999999"}, "field-error"),
        ({"region_code": ""}, "所在的县"),
        ({"catalogue_item_id": "999999"}, "field-error"),
        ({"started_on": "2999-01-01"}, "不能晚于今天"),
        ({"purpose": "fun"}, "is-invalid"),
        ({"delivery": "by drone"}, "field-error"),
    ],
)
def test_what_does_not_fit_is_refused_and_stays_in_the_form(clerk, unit, rows, changed, problem):
    answer = add(clerk, **changed)

    assert (answer.status_code, problem in answer.text) == (422, True), answer.text
    assert own(rows, unit) == []
    assert 'value="杭州衡器厂"' in answer.text


def test_a_category_or_what_only_needs_a_type_approval_cannot_be_entered(clerk, unit, rows):
    category, approval_only = kind("非自动衡器").parent_id, kind("称重传感器").id

    assert add(clerk, catalogue_item_id=str(category)).status_code == 422
    assert "型式批准" in add(clerk, catalogue_item_id=str(approval_only)).text
    assert own(rows, unit) == []


def test_a_number_of_no_type_approval_is_not_kept_for_kinds_without(clerk, unit, rows):
    add(clerk, catalogue_item_id=str(kind("绝缘电阻表").id), range_unit="MΩ", accuracy_class="10级")

    assert [each.type_approval_no for each in own(rows, unit)] == [None]


@pytest.mark.parametrize("serial", ["2026 00-17", "２０２６００１７", " 202600-17 ", "2026—0017"])
def test_a_duplicate_says_where_it_is_but_not_whose(clerk, unit, rows, sign_in, serial):
    neighbour = using_unit("330105", "秘密单位")
    add(sign_in("UsingUnitClerk", neighbour), region_code="330105")

    answer = add(clerk, serial_no=serial)

    assert (answer.status_code, "浙江省杭州市拱墅区" in answer.text, "秘密单位" in answer.text) == (422, True, False)
    assert own(rows, unit) == []
    assert add(clerk, serial_no=serial, manufacturer="宁波衡器厂").status_code == 204


@pytest.mark.parametrize(
    ("text", "value"),
    [("2级", 2), ("Ⅲ级", 3), ("IV级", 4), ("±0.5%", "0.5"), ("0.2S级", "0.2"), ("１．６级", "1.6"), ("Ⅱ", 2)],
)
def test_accuracy_classes_have_an_order(app, text, value):
    assert ledger.accuracy_value(text) == Decimal(value)


def test_an_accuracy_class_without_a_number_has_no_order(rows):
    with pytest.raises(RuleError):
        ledger.accuracy_value("高")


# --- Editing -------------------------------------------------------------------------------------


def edited(clerk, what, **changed):
    fields = {
        "catalogue_item_id": str(what.catalogue_item_id), "name": what.name, "model": what.model,
        "range_low": str(what.range_low), "range_high": str(what.range_high), "range_unit": "m³/h",
        "accuracy_class": what.accuracy_class, "serial_no": what.serial_no, "manufacturer": what.manufacturer,
        "origin": what.origin, "region_code": what.region_code, "use_place": what.use_place,
        "purpose": what.purpose, "delivery": what.delivery, "revision": str(what.revision), **changed,
    }  # fmt: skip
    return clerk.act("ledger", "edit", [what.id], **fields)


def meter(unit, **values):
    return instrument(unit=unit, range_unit="m³/h", **values)


def test_an_edit_changes_what_is_told_and_counts_up(clerk, unit, rows):
    what = meter(unit)

    assert edited(clerk, what, use_place="文二路9号", name="远传水表").status_code == 204

    assert (what.use_place, what.name, what.revision) == ("文二路9号", "远传水表", 2)


def test_an_edit_of_what_somebody_changed_meanwhile_is_refused(clerk, unit, rows):
    what = meter(unit)

    answer = edited(clerk, what, name="远传水表", revision="0")

    assert (answer.status_code, what.name) == (422, "智能远传水表")


def test_a_neighbours_instrument_is_not_there(clerk, rows):
    what = meter(using_unit())

    assert edited(clerk, what, name="x").status_code == 404
    assert clerk.open("ledger", "edit", [what.id]).status_code == 404
    assert clerk.open("ledger", "copy", [what.id]).status_code == 404
    assert clerk.get(f"/ledger/show/{what.id}").status_code == 404
    assert clerk.act("ledger", "scrap", [what.id]).status_code == 204
    assert (what.name, what.use_state) == ("智能远传水表", IN_USE)


def test_copying_opens_the_form_with_all_but_the_serial_number(clerk, unit):
    what = meter(unit, serial_no="SN77")

    dialog = clerk.open("ledger", "copy", [what.id]).text

    assert ('value="智能远传水表"' in dialog, "SN77" in dialog) == (True, False)


def test_what_an_institution_verifies_is_not_changed(clerk, unit, rows):
    what = meter(unit)
    task(VERIFYING, unit=unit, what=what)

    answer = edited(clerk, what, name="远传水表")

    assert (answer.status_code, "正在办理" in answer.text, what.name) == (422, True, "智能远传水表")


def test_what_came_back_can_be_corrected_but_not_be_another_kind_or_elsewhere(clerk, unit, rows):
    what = meter(unit)
    task(RETURNED, unit=unit, what=what)

    assert edited(clerk, what, model="LXS-25E").status_code == 204
    assert edited(clerk, what, region_code="330105").status_code == 422
    assert (what.model, what.region_code) == ("LXS-25E", "330106")


def test_with_a_certificate_it_stays_the_instrument_it_is(clerk, unit, rows):
    what, lab = meter(unit), institution()
    done = task("certified", to=lab, unit=unit, what=what)
    rows.add(
        Certificate(
            task_id=done.id, instrument_id=what.id, no="1", kind="verification", passed=True, verified_on="2026-01-01",
            valid_until="2027-01-01", regulation="JJG 162", verifier="甲", checker="乙", approver="丙",
            using_unit_id=unit.id, institution_id=lab.id, city_code="330100", region_code="330106",
        )
    )  # fmt: skip
    rows.flush()

    assert edited(clerk, what, serial_no="SN-OTHER").status_code == 422
    assert edited(clerk, what, region_code="330203").status_code == 422
    assert edited(clerk, what, use_place="文二路9号").status_code == 204


# --- Filing and use ------------------------------------------------------------------------------


def review_filings(rows):
    rows.add(ProvinceRule(province_code="330000", filing_reviewed=True, answer_days=3))
    rows.flush()


def test_where_the_province_says_so_a_filing_waits_for_the_county(clerk, unit, rows, sign_in):
    review_filings(rows)
    add(clerk)
    (new,) = own(rows, unit)
    assert new.filing_state == PENDING
    county, neighbour = sign_in("Supervisor", authority("330106")), sign_in("Supervisor", authority("330105"))
    assert f'data-id="{new.id}"' not in neighbour.get("/filings/").text
    neighbour.act("filings", "pass", [new.id])
    assert new.filing_state == PENDING
    assert f'data-id="{new.id}"' in county.get("/filings/").text

    assert county.act("filings", "send_back", [new.id], reason="铭牌照片看不清").status_code == 204
    assert (new.filing_state, new.filing_reason) == (SENT_BACK, "铭牌照片看不清")
    clerk.act("ledger", "file", [new.id])
    assert (new.filing_state, new.filing_reason) == (PENDING, None)
    county.act("filings", "pass", [new.id])

    assert new.filing_state == FILED
    assert history(rows, new) == [
        ("file", DRAFT, PENDING), ("send_back", PENDING, SENT_BACK), ("file", SENT_BACK, PENDING),
        ("pass", PENDING, FILED),
    ]  # fmt: skip


def test_a_reviewed_filing_is_reviewed_anew_after_a_change(clerk, unit, rows):
    what = meter(unit, filing_state=FILED)
    edited(clerk, what, name="远传水表")
    assert what.filing_state == FILED
    review_filings(rows)

    edited(clerk, what, name="智能水表")

    assert what.filing_state == PENDING


def test_out_of_use_and_back_and_the_end(clerk, unit, rows):
    first, booked = meter(unit, filing_state=FILED), meter(unit, filing_state=FILED)
    task(OFFERED, unit=unit, what=booked)
    ids = [first.id, booked.id]

    clerk.act("ledger", "stop", ids)
    assert (first.use_state, booked.use_state) == (STOPPED, IN_USE)
    clerk.act("ledger", "resume", ids)
    assert (first.use_state, booked.use_state) == (IN_USE, IN_USE)
    clerk.act("ledger", "scrap", ids)
    assert (first.use_state, booked.use_state) == (SCRAPPED, IN_USE)
    clerk.act("ledger", "resume", ids)

    assert first.use_state == SCRAPPED
    assert [step for step, *_ in history(rows, first)] == ["stop", "resume", "scrap"]
    assert clerk.messages()[-1] == "已启用 0 台。 2 台已预约或状态不符，未作改动。"


def test_the_kind_says_what_the_form_asks(clerk):
    meters, category = kind("水表"), kind("水表").parent_id

    assert clerk.get(f"/ledger/kind/{meters.id}").json["units"] == ["m³/h"]
    assert clerk.get(f"/ledger/kind/{meters.id}").json["approval"] is True
    assert [clerk.get(f"/ledger/kind/{id}").status_code for id in (category, 999999, "x")] == [404, 404, 404]


# --- Photos --------------------------------------------------------------------------------------


def picture(form="JPEG", size=(60, 40), exif=None):
    written = BytesIO()
    Image.new("RGB", size, "red").save(written, form, **({"exif": exif} if exif else {}))
    written.seek(0)
    return written


def post_photos(clerk, what, *pictures):
    fields = {"selection": "ids", "id": str(what.id), "photos": [(each, f"{n}.jpg") for n, each in enumerate(pictures)]}
    return clerk.post("/ledger/act/add_photos", fields, headers={"HX-Request": "true"})


def test_a_photo_is_kept_without_what_the_camera_adds(clerk, unit, rows):
    what = meter(unit)
    exif = Image.Exif()
    exif[0x010F], exif[0x9003] = "Spy Camera", "2026:01:01 10:00:00"

    assert post_photos(clerk, what, picture(exif=exif), picture("PNG", (4000, 100))).status_code == 204

    kept = list(rows.scalars(select(Photo).where(Photo.instrument_id == what.id).order_by(Photo.id)))
    with Image.open(files.path(kept[0].file)) as first, Image.open(files.path(kept[1].file)) as second:
        assert (first.format, dict(first.getexif()), second.size) == ("JPEG", {}, (1800, 45))
    answer = clerk.get(f"/ledger/photo/{kept[0].id}")
    assert (answer.status_code, answer.mimetype, answer.data[:3]) == (200, "image/jpeg", b"\xff\xd8\xff")


def chunk(kind, content):
    return pack(">I", len(content)) + kind + content + pack(">I", crc32(kind + content))


def test_what_is_no_photo_is_refused(clerk, unit, rows):
    what = meter(unit)

    claims_to_be_gigantic = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0))
    rubbish_of_all_sorts = (b"<svg onload=alert(1)>", b"", picture().read()[:200], claims_to_be_gigantic)
    for rubbish in map(BytesIO, rubbish_of_all_sorts):
        assert post_photos(clerk, what, rubbish).status_code == 422
    assert rows.scalars(select(Photo)).all() == []


PHOTO_PAGES = ("ledger", "filings", "publications", "queries/instruments")


def test_photos_are_for_who_opens_a_page_that_shows_the_instrument(clerk, unit, rows, sign_in, stranger):
    what, lab = meter(unit), institution()
    post_photos(clerk, what, picture())
    photo = rows.scalars(select(Photo)).one()
    people = {
        "its unit": clerk,
        "another unit": sign_in("UsingUnitClerk", using_unit()),
        "its institution": sign_in("InstitutionApprover", lab),
        "its county": sign_in("Supervisor", authority("330106")),
        "another county": sign_in("Supervisor", authority("330105")),
        "who keeps standards": sign_in("StandardOfficer", authority("330106")),
        "who administers": sign_in("CountyAdministrator", authority("330106")),
        "who audits": sign_in("Auditor", authority("330106")),
    }
    task(OFFERED, to=lab, unit=unit, what=what)

    def answers():
        return {
            who: [person.get(f"/{page}/photo/{photo.id}").status_code for page in PHOTO_PAGES]
            for who, person in people.items()
        }

    nobodys = dict.fromkeys(people, [403] * 4)
    assert answers() == nobodys | {
        "its unit": [200, 403, 403, 403],
        "another unit": [404, 403, 403, 403],
        "its county": [403, 404, 404, 200],
        "another county": [403, 404, 404, 404],
    }
    what.filing_state = PENDING
    certificate(task(CERTIFIED, to=lab, unit=unit, what=what))
    assert answers()["its county"] == [403, 200, 200, 200]
    shown = people["its county"].get(f"/queries/instruments/show/{what.id}").text
    assert f"/queries/instruments/photo/{photo.id}" in shown
    assert stranger.get(f"/ledger/photo/{photo.id}").status_code == 302


def test_a_photo_may_be_larger_than_other_requests(clerk, unit, rows):
    what, noise = meter(unit), BytesIO()
    Image.effect_noise((2400, 1600), 100).save(noise, "PNG")
    assert noise.tell() > 3 * 1024 * 1024
    noise.seek(0)

    assert post_photos(clerk, what, noise).status_code == 204
    assert clerk.act("ledger", "stop", [what.id], padding="x" * 3 * 1024 * 1024).status_code == 413
