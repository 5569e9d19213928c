"""检定证书 as a printed paper: opened again, read, and its QR code decoded."""

from dataclasses import replace
from datetime import date

import pypdfium2 as pdfium
import pytest
import zxingcpp

from app.papers import REJECTION, VERIFICATION, CertificatePaper, StandardUsed, certificate
from app.seeding.seals import demo_seal

PAPER = CertificatePaper(
    kind=VERIFICATION,
    no="浙检2026160000123",
    code="3F2A-9C1B-77D0-E4A2",
    check_url="https://example.org/s/c123-abcdef012345",
    institution="杭州市西湖区计量检定测试所",
    authorization_no="（浙）法计（2024）00123号",
    institution_address="杭州市西湖区文三路100号",
    institution_phone="0571-87654321",
    using_unit="杭州市西湖区妇幼保健院",
    instrument="无创自动测量血压计",
    model="HEM-907",
    serial_no="No.61725362",
    manufacturer="欧姆龙（大连）有限公司",
    measuring_range="(0～40)kPa",
    accuracy_class="±0.4kPa",
    regulation="JJG 692-2010",
    verification_kind="后续检定",
    verified_on=date(2026, 11, 24),
    valid_until=date(2027, 11, 23),
    standards=(StandardUsed("血压计检定装置", "(0～60)kPa", "U=0.05kPa", "浙量标第12345号", date(2028, 5, 1)),),
    temperature="20.3 ℃",
    humidity="56 %RH",
    place="本所压力室",
    indications=(("示值误差", "±0.4kPa", "-0.1kPa"),),
    failures="",
    verifier="王小明",
    checker="李伟",
    approver="赵建国",
    issued_on=date(2026, 11, 25),
    replaces=None,
    seal=demo_seal("杭州市西湖区计量检定测试所"),
)


def pages(pdf):
    return [page.get_textpage().get_text_bounded() for page in pdfium.PdfDocument(pdf)]


def text(pdf):
    return "".join("".join(pages(pdf)).split())


def words(*parts):
    return ["".join(part.split()) for part in parts]


def test_everything_stands_on_it_and_can_be_read_by_machines():
    read = text(certificate(PAPER))

    for part in words(
        "检定证书", PAPER.no, PAPER.institution, PAPER.using_unit, PAPER.instrument, PAPER.model, PAPER.serial_no,
        PAPER.manufacturer, PAPER.regulation, "合格，准予使用", "2026年11月24日", "2027年11月23日", "2026年11月25日",
        PAPER.verifier, PAPER.checker, PAPER.approver, PAPER.code, PAPER.authorization_no, "血压计检定装置",
        "浙量标第12345号", "2028-05-01", "20.3℃", "56%RH", "本所压力室", "示值误差", "-0.1kPa", "后续检定",
    ):  # fmt: skip
        assert part in read, part


def test_the_qr_code_leads_to_the_check():
    cover = pdfium.PdfDocument(certificate(PAPER))[0].render(scale=3).to_pil()

    assert [code.text for code in zxingcpp.read_barcodes(cover)] == [PAPER.check_url]


def test_the_seal_is_on_the_cover_and_nowhere_else():
    def red(page):
        picture = page.render(scale=1).to_pil().convert("RGB")
        return sum(1 for r, g, b in picture.get_flattened_data() if r > 150 and g < 100 and b < 100)

    cover, inner = (red(page) for page in pdfium.PdfDocument(certificate(PAPER)))
    without = red(pdfium.PdfDocument(certificate(replace(PAPER, seal=None)))[0])

    assert (cover > 500, inner, without) == (True, 0, 0)


def test_a_notice_of_rejection_says_that_it_must_not_be_used():
    failed = replace(PAPER, kind=REJECTION, valid_until=None, failures="气密性不合格")

    read = text(certificate(failed))

    assert all(part in read for part in ("检定结果通知书", "不合格", "不得使用", "计量法》第九条", "气密性不合格"))
    assert ("有效期至" in "".join(pages(certificate(failed))[0].split()), "准予" in read) == (False, False)


@pytest.mark.parametrize(
    ("changed", "wording"),
    [
        ({"accuracy_class": "2级"}, "合格，准予作2级计量器具使用"),
        ({"valid_until": None, "verification_kind": "首次检定"}, "首次检定合格，失准报废"),
        ({"verification_kind": "使用中检查"}, "准予继续使用"),
        ({"replaces": "浙检2026160000100"}, "替换编号为浙检2026160000100的证书，原证书作废"),
    ],
    ids=str,
)
def test_the_wording_follows_the_case(changed, wording):
    assert wording in text(certificate(replace(PAPER, **changed)))


def test_long_texts_stay_on_the_page():
    long = replace(
        PAPER,
        institution="浙江省杭州市西湖区计量检定测试与质量技术监督综合检验检测服务中心（浙江省授权）",
        using_unit="某某有限责任公司" * 12,
        serial_no="SN-" * 40,
        manufacturer="制造" * 90,
        place="很长的地点" * 60,
        indications=tuple((f"项目{n}" * 6, "要求" * 30, "结果" * 30) for n in range(40)),
        failures="原因" * 400,
    )

    document = pdfium.PdfDocument(certificate(long))

    for page in document:
        width, height = page.get_size()
        shown = page.get_textpage()
        for number in range(shown.count_chars()):
            left, bottom, right, top = shown.get_charbox(number)
            assert 28 <= left <= right <= width - 28, shown.get_text_range(number, 1)
            assert 28 <= bottom <= top <= height - 28, shown.get_text_range(number, 1)
    assert len(document) > 3
    assert all(
        f"第{n}页共{len(document)}页" in "".join(page.split()) for n, page in enumerate(pages(certificate(long)), 1)
    )
    assert all("浙检2026160000123" in page for page in pages(certificate(long)))


def test_the_same_paper_is_the_same_file():
    assert certificate(PAPER) == certificate(PAPER)
    assert certificate(PAPER) != certificate(replace(PAPER, serial_no="No.61725363"))


def test_a_character_that_the_font_lacks_is_shown_and_told():
    read = text(certificate(replace(PAPER, verifier="王\U0001f600")))

    assert ("王〓" in read, "U+1F600" in read) == (True, True)


def test_the_file_says_what_it_is():
    about = pdfium.PdfDocument(certificate(PAPER)).get_metadata_dict()

    assert (about["Title"], about["Author"]) == (f"检定证书 {PAPER.no}", PAPER.institution)
