"""信息公示门户: what everybody may look up, how it is found, and how a certificate is checked."""

import re
from datetime import UTC, date, datetime, timedelta
from urllib.parse import quote_plus

import pytest
from sqlalchemy import literal, select

from app.domain import portal, scans
from app.models import UsingUnit, db
from app.states import CERTIFIED
from tests.factories import (
    BLOOD_PRESSURE,
    FAR,
    capability,
    certificate,
    institution,
    instrument,
    kind,
    published,
    published_certificate,
    published_kind,
    task,
    unit_of,
)

PAST = date(2026, 6, 30)


@pytest.fixture(autouse=True)
def _unlimited(app, monkeypatch):
    for name in ("PORTAL_RATE", "OPEN_DATA_RATE", "CHECK_RATE"):
        monkeypatch.setitem(app.config, name, 10_000)


@pytest.fixture
def lab(rows):
    return institution("330106", name="西湖区计量检定所", **published())


@pytest.fixture
def hospital(rows):
    return unit_of("public_institution", name="杭州市第一人民医院")


def names(page):
    """The ids of the certificates on a page of results."""
    return [int(id) for id in re.findall(r'href="/portal/certificates/(\d+)', page.text)]


# --- Searching -----------------------------------------------------------------------------------


def test_the_name_of_a_unit_is_found_by_any_part_of_two_characters(stranger, hospital, lab):
    one = published_certificate(hospital, lab)
    other = published_certificate(unit_of(name="宁波菜场"), lab)

    found = [names(stranger.get(f"/portal/instruments?unit={term}")) for term in ("医院", "第一人民", "菜场", "一人")]

    assert found == [[one.id], [one.id], [other.id], [one.id]]
    assert "名称请至少输入 2 个字" in stranger.get("/portal/instruments?unit=医").text


@pytest.mark.parametrize("nature", ["person", "sole_trader"])
def test_who_bears_the_name_of_a_person_is_masked_and_not_found_by_it(stranger, lab, nature):
    shop = unit_of(nature, name="赵钱孙水果店")
    one = published_certificate(shop, lab)

    assert names(stranger.get("/portal/instruments?unit=水果店")) == []
    page = stranger.get(f"/portal/certificates/{one.id}").text
    assert ("赵**" in page, "钱孙" in page) == (True, False)


def test_of_whom_the_nature_is_not_known_the_name_is_masked(stranger, lab, hospital):
    one = published_certificate(hospital, lab)
    db.session.delete(db.session.get_one(UsingUnit, hospital.id))

    page = stranger.get(f"/portal/certificates/{one.id}").text

    assert ("杭**" in page, "人民医院" in page) == (True, False)


@pytest.mark.parametrize(
    ("typed", "is_found"),
    [
        ("SN-2026-0017", True),
        ("sn 20260017", True),
        ("ＳＮ２０２６００１７", True),
        ("SN2026001", False),
        ("0017", False),
    ],
)
def test_only_a_whole_serial_number_is_found_however_it_is_written(stranger, hospital, lab, typed, is_found):
    meter = instrument(unit=hospital, serial_no="SN-2026-0017")
    one = published_certificate(hospital, lab, meter)

    assert names(stranger.get("/portal/instruments", query_string={"serial": typed})) == ([one.id] if is_found else [])


@pytest.mark.parametrize("serial", ["x" * 101, "％_%", "'", "\\"])
def test_strange_serial_numbers_find_nothing(stranger, hospital, lab, serial):
    published_certificate(hospital, lab)

    page = stranger.get("/portal/instruments", query_string={"serial": serial})

    assert (page.status_code, names(page)) == (200, [])


@pytest.mark.parametrize(
    ("chosen", "here"),
    [
        (["330000"], True),
        (["330000", "330100"], True),
        (["330000", "330100", "330106"], True),
        (["330000", "330100", "330105"], False),
        (["510000"], False),
        (["510000", "330106"], False),  # not within the first: left out
        (["", "", "330106"], True),
        (["nonsense"], None),
    ],
)
def test_a_place_is_chosen_level_by_level(stranger, hospital, lab, chosen, here):
    one = published_certificate(hospital, lab)

    page = stranger.get("/portal/instruments", query_string={"region": chosen})

    assert names(page) == ([one.id] if here else [])


def test_a_kind_and_a_category_are_found_and_combine_with_the_rest(stranger, hospital, lab):
    meter, cuff = published_kind(), published_kind(BLOOD_PRESSURE)
    one = published_certificate(hospital, lab)
    two = published_certificate(hospital, lab, instrument(unit=hospital, of=BLOOD_PRESSURE))

    def found(query):
        return names(stranger.get(f"/portal/instruments?{query}"))

    assert found(f"kind={meter.id}") == [one.id]
    assert found(f"kind={cuff.parent_id}") == [two.id]
    assert found(f"kind={cuff.id}&unit=医院&region=330000") == [two.id]
    assert found(f"kind={cuff.id}&region=510000") == []
    assert found("kind=999999") == []


def test_instruments_of_an_institution(stranger, hospital, lab):
    one = published_certificate(hospital, lab)
    published_certificate(hospital)

    assert names(stranger.get(f"/portal/instruments?institution={lab.id}")) == [one.id]


def test_pages_follow_each_other_without_a_gap_or_a_double(stranger, hospital, lab):
    start = datetime(2026, 10, 1, tzinfo=UTC)
    papers = [published_certificate(hospital, lab, issued_at=start + timedelta(days=n // 3)) for n in range(45)]
    seen, url = [], "/portal/instruments?unit=医院"
    while url:
        page = stranger.get(url)
        seen.append(names(page))
        following = re.search(r'rel="next" href="([^"]+)"', page.text)
        url = following.group(1).replace("&amp;", "&") if following else None

    assert [len(ids) for ids in seen] == [20, 20, 5]
    assert [id for ids in seen for id in ids] == sorted((paper.id for paper in papers), reverse=True)


@pytest.mark.parametrize(
    "after", ["", "x", "~", "x~1", "2026-01-01~1", "2026-01-01T00:00:00+00:00~x", "~".rjust(300, "9")]
)
def test_a_page_that_does_not_exist_is_the_first(stranger, hospital, lab, after):
    one = published_certificate(hospital, lab)

    page = stranger.get("/portal/instruments", query_string={"unit": "医院", "after": after})

    assert names(page) == [one.id]


def test_a_list_costs_the_same_for_one_row_and_for_twenty(stranger, hospital, lab, statements):
    published_certificate(hospital, lab)

    def cost():
        with statements() as seen:
            assert stranger.get("/portal/instruments?unit=医院&region=330000").status_code == 200
        return len(seen)

    few = cost()
    for _number in range(25):
        published_certificate(hospital, lab)

    assert (cost(), few <= 14) == (few, True)


# --- One certificate -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({}, "检定合格，有效期至 2099-12-31"),
        ({"valid_until": None}, "这类器具只在首次使用前检定一次"),
        ({"valid_until": PAST}, "检定有效期已过"),
        ({"passed": False, "kind": "rejection", "valid_until": None}, "检定不合格，不得使用"),
    ],
)
def test_a_certificate_says_what_it_means(stranger, hospital, lab, values, said):
    one = published_certificate(hospital, lab, **values)

    page = stranger.get(f"/portal/certificates/{one.id}")

    assert (page.status_code, said in page.text, "西湖区计量检定所" in page.text) == (200, True, True)


def test_what_is_shown_of_a_certificate_is_this_and_no_more(hospital, lab):
    published_kind()
    meter = instrument(unit=hospital, serial_no="SN20260017")
    one = published_certificate(hospital, lab, meter, no="浙检001")

    assert portal.certificate(one.id) == portal.PublishedCertificate(
        id=one.id, no="浙检001", name="智能远传水表", kind_id=kind().id, kind="水表", model="LXS-20E",
        serial_no="SN***17",
        using_unit="杭州市第一人民医院", region_code="330106", region="浙江省杭州市西湖区", institution_id=lab.id,
        institution="西湖区计量检定所", verified_on=date(2026, 1, 15), valid_until=FAR, passed=True, state="valid",
    )  # fmt: skip


@pytest.mark.parametrize("serial", ["1", "1234", "12345", "SN20260017", "水表一二三四"])
def test_the_database_masks_as_the_scan_page_does(rows, serial):
    assert rows.scalar(select(portal.masked_serial(literal(serial)))) == scans.masked(serial)


# --- Institutions and catalogue ------------------------------------------------------------------


def test_institutions_are_found_by_kind_and_place_of_service(stranger, rows):
    meter, cuff = published_kind(), published_kind(BLOOD_PRESSURE)
    county = institution("330106", name="甲所", **published())
    city = institution("330100", name="乙所", **published())
    other = institution("510104", name="丙所", **published())
    capability(county, "330106")
    capability(city, "330100", of=BLOOD_PRESSURE)
    capability(other, "510000")

    def found(query):
        page = stranger.get(f"/portal/institutions?{query}").text
        return [name for name in ("甲所", "乙所", "丙所") if name in page]

    assert found("") == ["甲所", "乙所", "丙所"]
    assert found(f"kind={meter.id}") == ["甲所", "丙所"]
    assert found("region=330000&region=330100&region=330106") == ["甲所", "乙所"]
    assert found("region=330000&region=330100&region=330105") == ["乙所"]
    assert found("region=330000") == ["甲所", "乙所"]
    assert found(f"kind={cuff.id}&region=510000") == []
    assert found("name=乙") == ["乙所"]


def test_an_institution_tells_what_it_verifies_today_and_no_telephone(stranger, rows):
    published_kind()
    lab = institution(name="西湖所", **published())
    capability(lab, "330100", regulation="JJG 162-2019")
    capability(lab, regulation="JJG OVER", valid_until=PAST)
    capability(lab, regulation="JJG PENDING", state="pending")

    page = stranger.get(f"/portal/institutions/{lab.id}").text

    words = ("JJG 162-2019", "(0～50)mm", "浙江省杭州市", "JJG OVER", "JJG PENDING", "87654321", "王计量", "文三路1号")
    assert [word in page for word in words] == [True] * 3 + [False] * 5


def test_institutions_are_paged_in_the_order_of_their_regions(stranger, rows):
    made = [institution(region, **published()).id for region in ("330106", "110101") for _number in range(15)]
    seen, url = [], "/portal/institutions"
    while url:
        page = stranger.get(url).text
        seen += [int(id) for id in re.findall(r'href="/portal/institutions/(\d+)', page)]
        following = re.search(r'rel="next" href="([^"]+)"', page)
        url = following.group(1).replace("&amp;", "&") if following else None

    assert seen == made[15:] + made[:15]


def test_the_catalogue_is_shown_as_far_as_it_is_published(stranger, rows):
    assert "强制检定目录尚未公示" in stranger.get("/portal/catalogue").text
    published_kind()

    page = stranger.get("/portal/catalogue").text

    assert ("水表" in page, BLOOD_PRESSURE in page) == (True, False)


# --- Checking ------------------------------------------------------------------------------------


@pytest.fixture
def paper(hospital, lab):
    """A certificate that is not published."""
    one = certificate(task(CERTIFIED, to=lab, unit=hospital), no="浙检2026000001", valid_until=FAR)
    db.session.refresh(one)
    return one


def check(stranger, no, code):
    return stranger.get("/portal/check", query_string={"no": no, "code": code})


def test_who_holds_number_and_code_learns_what_the_certificate_is_worth(stranger, paper):
    code = paper.code
    ways = [code, code.lower(), f"{code[:4]}-{code[4:8]} {code[8:]} ", "".join(chr(ord(c) + 0xFEE0) for c in code)]

    pages = [check(stranger, paper.no, way) for way in ways]

    assert ["该证书真实有效" in page.text for page in pages] == [True] * 4
    assert {page.headers["Cache-Control"] for page in pages} == {"no-store"}


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"valid_until": PAST}, "该证书真实，但已过有效期"),
        ({"state": "void", "void_reason": "结果录入有误"}, "现已作废"),
        ({"state": "replaced", "void_reason": "结果录入有误"}, "该证书已更正，由新证书替代"),
    ],
)
def test_what_is_no_longer_in_force_is_said(stranger, paper, values, said):
    for name, value in values.items():
        setattr(paper, name, value)

    page = check(stranger, paper.no, paper.code)

    assert (said in page.text, "结果录入有误" in page.text, "真实有效" in page.text) == (True, False, False)


def test_an_unknown_number_and_a_wrong_code_are_answered_alike_after_the_same_work(stranger, paper, statements):
    answers = []
    for no, code in ((paper.no, "0" * 16), ("浙检9999999999", paper.code), (paper.no, "-" * 16), (paper.no, "é")):
        with statements() as seen:
            page = check(stranger, no, code)
        text = page.text.replace(quote_plus(no), "N").replace(quote_plus(code), "C").replace(no, "N").replace(code, "C")
        answers.append((text, page.status_code, len(seen), dict(page.headers)))
    for text, _status, _count, headers in answers:
        headers.pop("Content-Length")
        headers.pop("X-Request-Id")
        assert "没有与该编号和验证码相符的证书" in text

    assert [answer for answer in answers if answer != answers[0]] == []


def test_one_number_at_two_institutions_is_told_apart_by_the_code(stranger, paper, hospital):
    twin = certificate(task(CERTIFIED, to=institution(name="余杭所"), unit=hospital), no=paper.no, valid_until=PAST)
    db.session.refresh(twin)

    assert "真实有效" in check(stranger, paper.no, paper.code).text
    assert "已过有效期" in check(stranger, paper.no, twin.code).text


def test_checks_are_counted_and_held_back(app, stranger, paper, monkeypatch):
    monkeypatch.setitem(app.config, "CHECK_RATE", 3)
    statuses = [check(stranger, paper.no, "0" * 16).status_code for _number in range(4)]
    last = check(stranger, paper.no, paper.code)

    assert statuses == [200, 200, 200, 429]
    assert (last.status_code, int(last.headers["Retry-After"]) in range(1, 601)) == (429, True)
    assert "真实有效" not in last.text


def test_only_searches_are_counted(app, stranger, monkeypatch, hospital, lab):
    monkeypatch.setitem(app.config, "PORTAL_RATE", 2)

    def asked(url):
        return [stranger.get(url).status_code for _number in range(3)]

    assert asked("/portal/instruments") == [200, 200, 200]
    assert asked("/portal/instruments?unit=医院") == [200, 200, 429]


# --- For everybody -------------------------------------------------------------------------------

PATHS = (
    "/portal/", "/portal/instruments", "/portal/instruments?unit=医院", "/portal/institutions", "/portal/catalogue",
    "/portal/data", "/robots.txt", "/sitemap.xml",
)  # fmt: skip


@pytest.mark.parametrize("path", [*PATHS, "/portal/check", "/portal/nowhere", "/portal/certificates/999999"])
@pytest.mark.parametrize("who", ["stranger", "signed in"])
def test_no_answer_has_a_cookie_or_depends_on_who_asks(stranger, sign_in, hospital, lab, path, who):
    published_certificate(hospital, lab)
    person = stranger if who == "stranger" else sign_in("UsingUnitClerk", hospital)

    page = person.get(path)

    assert ("Set-Cookie" in page.headers, "Cookie" in page.headers.get("Vary", "")) == (False, False)
    assert page.data == stranger.get(path).data


@pytest.mark.parametrize("path", PATHS)
def test_an_answer_is_kept_and_asked_about_each_time(stranger, hospital, lab, path):
    published_certificate(hospital, lab)
    first = stranger.get(path)
    again = stranger.get(path, headers={"If-None-Match": first.headers["ETag"]})

    assert (first.headers["Cache-Control"], again.status_code, again.data) == ("public, no-cache", 304, b"")


@pytest.mark.parametrize("packing", ["gzip", "br"])
def test_an_answer_is_packed_if_that_is_understood(stranger, hospital, lab, packing):
    plain = stranger.get("/portal/")
    packed = stranger.get("/portal/", headers={"Accept-Encoding": packing})
    again = stranger.get("/portal/", headers={"Accept-Encoding": packing, "If-None-Match": packed.headers["ETag"]})

    assert (packed.headers["Content-Encoding"], again.status_code) == (packing, 304)
    assert len(packed.data) < len(plain.data) / 2
    assert packed.headers["Vary"] == "Accept-Encoding"


def test_pages_behind_the_login_are_not_packed(sign_in, hospital):
    page = sign_in("UsingUnitClerk", hospital).get("/ledger/", headers={"Accept-Encoding": "gzip, br"})

    assert ("Content-Encoding" in page.headers, page.headers["Cache-Control"]) == (False, "no-store")


def test_the_language_is_in_the_address_and_goes_along(stranger, sign_in, hospital, lab):
    one = published_certificate(hospital, lab)
    page = stranger.get("/portal/instruments?unit=医院&lang=en").text

    assert ('<html lang="en">' in page, "Verified instruments" in page) == (True, True)
    assert f'href="/portal/certificates/{one.id}?lang=en"' in page
    assert 'hreflang="zh"' in page
    assert '<html lang="zh-CN">' in stranger.get("/portal/?lang=xx").text
    assert '<html lang="en">' in stranger.get("/portal/nowhere?lang=en").text


def test_search_engines_keep_institutions_and_the_catalogue_and_no_result(stranger, hospital, lab):
    one = published_certificate(hospital, lab)
    hidden = institution()
    robots, sitemap = stranger.get("/robots.txt").text, stranger.get("/sitemap.xml").text
    pages = {path: stranger.get(path).text for path in ("/portal/", f"/portal/certificates/{one.id}", "/portal/check")}

    assert robots.splitlines()[1] == "Disallow: /"
    assert ("Allow: /portal/institutions" in robots, "certificates" in robots) == (True, False)
    assert (f"/portal/institutions/{lab.id}<" in sitemap, f"/{hidden.id}<" in sitemap) == (True, False)
    assert [('content="noindex"' in page) for page in pages.values()] == [False, True, True]


def test_an_error_is_told_in_the_portals_own_look(stranger):
    page = stranger.get("/portal/certificates/x")

    assert (page.status_code, "回到首页" in page.text, "/static/portal.css" in page.text) == (404, True, True)
    assert page.headers["Cache-Control"] == "no-store"
    assert stranger.post("/portal/instruments").status_code == 405


def test_the_login_page_and_the_portal_lead_to_each_other(stranger):
    assert 'href="/portal/"' in stranger.get("/login/").text
    assert 'href="/login/"' in stranger.get("/portal/").text
