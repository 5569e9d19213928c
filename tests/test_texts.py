"""However a text is written, it is one text: compared, searched, and unique as one; and what of it is stored."""

import random
import re
import unicodedata
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import pytest
from flask_wtf import FlaskForm
from hypothesis import HealthCheck, Phase, given, settings, strategies as st
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError
from werkzeug.datastructures import MultiDict
from wtforms import PasswordField, StringField
from wtforms.fields.core import UnboundField

from app.domain import scans
from app.fabkit.forms import Form
from app.states import CERTIFIED, UNASSIGNED
from app.texts import entered, half_width, same
from tests import test_imports, test_ledger
from tests.factories import (
    account,
    appointment,
    authority,
    certificate,
    inspection,
    institution,
    instrument,
    measurement_standard,
    published,
    task,
    unit_of,
    using_unit,
)
from tests.test_search import found as found_by_key

APP = Path(__file__).parent.parent / "app"
EVERY_CHARACTER = [chr(code) for code in range(1, 0x110000) if unicodedata.category(chr(code)) not in ("Cn", "Cs")]
ANY_TEXT = st.text(st.characters(exclude_categories=("Cs", "Cn"), exclude_characters="\0"), max_size=40)

# --- Other spellings of a text -------------------------------------------------------------------

BRACKETS = ("()", "（）", "[]", "［］", "【】", "〔〕", "{}", "｛｝", "〖〗")
DASHES = "-－‐‑‒–—―−─﹣"
DOTS = "·•・‧･"
TRACELESS = "\u200b\u200e\u200f\u2060\ufeff\u00ad\u202c"
BLANKS = " \u3000\u00a0\t"
FAMILIES = [
    DASHES, DOTS, "".join(pair[0] for pair in BRACKETS), "".join(pair[1] for pair in BRACKETS),
    *({letter, letter.upper(), chr(ord(letter) + 0xFEE0), chr(ord(letter.upper()) + 0xFEE0)} for letter in
      "abcdefghijklmnopqrstuvwxyz"),
    *({digit, chr(ord(digit) + 0xFEE0)} for digit in "0123456789"),
    "üÜ", "éÉ", "дД", "σΣς",
]  # fmt: skip
SPELLINGS = {character: sorted(family) for family in FAMILIES for character in family}
LETTERS = "压力表血压计水表杭州测试集团有限公司西湖宁波仪器厂甲乙丙"
WORDS = st.text([*LETTERS, *SPELLINGS], min_size=4, max_size=20).map(lambda words: f"甲1{words.strip()}丙丁")


def respelled(words, dice):
    """The same text as somebody else types it."""
    between = ["", "", "", *TRACELESS, *BLANKS]
    parts = [dice.choice(SPELLINGS.get(each, [each])) + dice.choice(between) for each in words]
    return dice.choice(between) + "".join(parts)


DICE = st.integers(0, 10**9).map(random.Random)
MANY = settings(max_examples=300, deadline=None)
# Each example asks the application; looking for the smallest one would take minutes.
SOME = settings(
    max_examples=10,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


# --- The function --------------------------------------------------------------------------------


@MANY
@given(ANY_TEXT)
def test_what_is_compared_is_compared_as_itself(words):
    assert same(same(words)) == same(words)


@MANY
@given(WORDS, DICE)
def test_another_spelling_is_the_same_text(words, dice):
    assert same(respelled(words, dice)) == same(words)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("杭州测试（集团）有限公司", "杭州测试(集团) 有限公司"),
        ("B7-1", "B7\u200e-1"),
        ("qj3301", "ＱＪ３３０１"),
        ("25-14226698", "25－14226698"),
        ("浙检字〔2026〕1号", "浙检字[2026]１号"),
        ("欧姆龙·中国", "欧姆龙•中国"),
        ("ⅲ级", "III级"),
    ],
)  # fmt: skip
def test_these_are_the_same(one, other):
    assert same(one) == same(other)


@pytest.mark.parametrize(
    ("one", "other"), [("B7-1", "B7-2"), ("0～1.6", "0～16"), ("上海", "上海（集团）"), ("±1", "1"), ("第一", "第-")]
)
def test_these_are_not(one, other):
    assert same(one) != same(other)


def test_whatever_leaves_no_trace_is_left_out():
    traceless = [each for each in EVERY_CHARACTER if unicodedata.category(each) in ("Cc", "Cf", "Zs", "Zl", "Zp")]

    assert [each for each in traceless if same(f"甲{each}乙") != "甲乙"] == []
    assert [each for each in traceless if entered(f"甲{each}乙") not in ("甲乙", "甲 乙", f"甲{each}乙")] == []


def test_the_database_compares_every_character_as_the_program_does(rows):
    compared = select(text("same_text(word)")).select_from(
        text("unnest(CAST(:words AS text[])) WITH ORDINALITY AS given (word, place)")
    ).order_by(text("place"))  # fmt: skip
    for first in range(0, len(EVERY_CHARACTER), 50_000):
        words = [f"{each}a" for each in EVERY_CHARACTER[first : first + 50_000]]
        assert list(rows.scalars(compared, {"words": words})) == [same(each) for each in words]


@settings(MANY, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ANY_TEXT)
def test_the_database_compares_texts_as_the_program_does(rows, words):
    assert rows.scalar(text("SELECT same_text(:words)"), {"words": words}) == same(words)


# --- Every search --------------------------------------------------------------------------------


@pytest.fixture
def world(rows):
    """One of everything in 西湖区, and beside each another one that no search here names."""
    for _one in range(2):
        unit, lab = unit_of(), institution(**published())
        what, meter = instrument(unit=unit), instrument(unit=unit)
        order, open_order = appointment(unit=unit), appointment(unit=unit)
        done = task(CERTIFIED, to=lab, unit=unit, what=what, order=order)
        both = {
            "unit": unit, "lab": lab, "instrument": what, "meter": meter, "order": order, "open_order": open_order,
            "task": done, "open": task(UNASSIGNED, unit=unit, what=meter, order=open_order),
            "certificate": certificate(done, publication="published", published_at=datetime.now(UTC)),
            "standard": measurement_standard(lab, state="approved"), "inspection": inspection(of=lab),
            "account": account("UsingUnitClerk", unit),
        }  # fmt: skip
    return both


@pytest.fixture
def enter_as(sign_in, world):
    """Sign in as (role, home): a code of a jurisdiction, or a party of the world."""
    return lambda role, home: sign_in(role, world[home] if home in world else authority(home))


def listed(page):
    assert page.status_code == 200, page.text
    return [int(id) for id in re.findall(r'<tr[^>]* data-id="(\d+)"', page.text)]


OFFICER = ("Supervisor", "330106")
CLERK = ("UsingUnitClerk", "unit")
LABORATORY = ("InstitutionClerk", "lab")
# (who, address, the row that is renamed, its column, the row that is found) of each search in a list.
LISTS = [
    (OFFICER, "/queries/instruments/?field=serial&q=", "instrument", "serial_no", "instrument"),
    (OFFICER, "/queries/instruments/?field=name&q=", "instrument", "name", "instrument"),
    (OFFICER, "/queries/instruments/?field=no&q=", "instrument", "instrument_no", "instrument"),
    (OFFICER, "/queries/instruments/?if=model~contains~", "instrument", "model", "instrument"),
    (OFFICER, "/queries/instruments/?if=manufacturer~is~", "instrument", "manufacturer", "instrument"),
    (OFFICER, "/queries/instruments/?if=serial_no~begins~", "instrument", "serial_no", "instrument"),
    (OFFICER, "/queries/appointments/?field=no&q=", "order", "no", "order"),
    (OFFICER, "/queries/appointments/?field=applicant&q=", "order", "applicant", "order"),
    (OFFICER, "/queries/certificates/?field=no&q=", "certificate", "no", "certificate"),
    (OFFICER, "/queries/certificates/?field=serial&q=", "instrument", "serial_no", "certificate"),
    (OFFICER, "/queries/institutions/?field=name&q=", "lab", "name", "lab"),
    (OFFICER, "/queries/units/?field=name&q=", "unit", "name", "unit"),
    (OFFICER, "/queries/standards/?field=name&q=", "standard", "name", "standard"),
    (OFFICER, "/queries/standards/?field=certificate_no&q=", "standard", "certificate_no", "standard"),
    (OFFICER, "/assignments/?field=serial&q=", "meter", "serial_no", "open"),
    (OFFICER, "/assignments/?field=applicant&q=", "open_order", "applicant", "open"),
    (OFFICER, "/publications/?field=unit&q=", "unit", "name", "certificate"),
    (OFFICER, "/inspections/?field=party&q=", "inspection", "party", "inspection"),
    (OFFICER, "/inspections/?field=no&q=", "inspection", "no", "inspection"),
    (CLERK, "/ledger/?field=serial&q=", "instrument", "serial_no", "instrument"),
    (CLERK, "/ledger/?field=name&q=", "instrument", "name", "instrument"),
    (CLERK, "/appointments/?field=no&q=", "order", "no", "order"),
    (LABORATORY, "/inbox/?field=name&q=", "instrument", "name", "task"),
    (("CountyAdministrator", "330106"), "/organizations/?field=name&q=", "lab", "name", "lab"),
    (("CountyAdministrator", "330106"), "/accounts/?field=name&q=", "account", "first_name", "account"),
]  # fmt: skip


@pytest.mark.parametrize(("who", "address", "named", "column", "hit"), LISTS, ids=[case[1] for case in LISTS])
@SOME
@given(words=WORDS, dice=DICE)
def test_a_list_finds_a_text_by_each_of_its_spellings(
    rows, world, enter_as, who, address, named, column, hit, words, dice
):
    person = enter_as(*who)
    setattr(world[named], column, words)
    rows.flush()

    assert listed(person.get(address + quote(respelled(words, dice)))) == [world[hit].id]


# (who, the row that is renamed, its column, the group in which it is found) of each search by one key.
BY_KEY = [
    (OFFICER, "instrument", "serial_no", "instruments"),
    (OFFICER, "instrument", "instrument_no", "instruments"),
    (CLERK, "instrument", "name", "instruments"),
    (OFFICER, "order", "no", "appointments"),
    (OFFICER, "order", "no", "tasks"),
    (OFFICER, "certificate", "no", "certificates"),
    (OFFICER, "inspection", "no", "inspections"),
    (OFFICER, "lab", "name", "institutions"),
    (OFFICER, "unit", "name", "units"),
    (OFFICER, "standard", "certificate_no", "standards"),
    (("CountyAdministrator", "330106"), "unit", "name", "organizations"),
    (("CountyAdministrator", "330106"), "account", "username", "accounts"),
]


@pytest.mark.parametrize(("who", "named", "column", "group"), BY_KEY, ids=[f"{each[3]}.{each[2]}" for each in BY_KEY])
@SOME
@given(words=WORDS, dice=DICE)
def test_the_search_by_one_key_finds_a_text_by_each_of_its_spellings(
    rows, world, enter_as, who, named, column, group, words, dice
):
    person = enter_as(*who)
    setattr(world[named], column, words)
    rows.flush()

    groups = found_by_key(person, respelled(words, dice))

    hit = world["task"] if group == "tasks" else world[named]
    assert [int(url.rpartition("/")[2]) for _title, url in groups.get(group, [])] == [hit.id]


@SOME
@given(words=WORDS, dice=DICE)
def test_a_pasted_list_finds_a_number_by_each_of_its_spellings(rows, world, enter_as, words, dice):
    number = re.sub(r"[\s,;，；、]", "", words)
    world["instrument"].serial_no = number
    rows.flush()
    pasted = re.sub(r"\s", "", respelled(number, dice))
    analyst = enter_as("Analyst", "330106")

    page = "/queries/instruments"
    answer = analyst.post(f"{page}/numbers", {"name": "numbers", "numbers": f"{pasted}\n没有的9", "filter": ""})

    found = analyst.get(answer.headers["HX-Redirect"])
    assert listed(found) == [world["instrument"].id]
    assert "2 个编号中有 1 个未找到：没有的9" in found.text


# (who, address, the row that is renamed, its column) of each field in which a row is searched for.
PICKERS = [
    (OFFICER, "/options/institutions?q=", "lab", "name"),
    (OFFICER, "/options/units?q=", "unit", "name"),
    (OFFICER, "/options/standards?q=", "standard", "certificate_no"),
    (("CountyAdministrator", "330106"), "/organizations/options?kind=using_unit&q=", "unit", "name"),
    (("CountyAdministrator", "330106"), "/accounts/organizations?q=", "unit", "name"),
    (None, "/register/organizations?q=", "lab", "name"),
]


@pytest.mark.parametrize(("who", "address", "named", "column"), PICKERS, ids=[each[1] for each in PICKERS])
@SOME
@given(words=WORDS, dice=DICE)
def test_a_field_to_search_in_finds_a_text_by_each_of_its_spellings(
    rows, world, enter_as, stranger, who, address, named, column, words, dice
):
    setattr(world[named], column, words)
    rows.flush()

    answer = (enter_as(*who) if who else stranger).get(address + quote(respelled(words, dice)))

    assert [each["value"] for each in answer.json["options"]] == [str(world[named].id)]


@pytest.fixture
def unlimited(app, stranger, monkeypatch):
    """Somebody on the portal whose searches are not counted."""
    for name in ("PORTAL_RATE", "CHECK_RATE"):
        monkeypatch.setitem(app.config, name, 10_000)
    return stranger


@SOME
@given(words=WORDS, dice=DICE)
def test_the_public_finds_a_text_by_each_of_its_spellings(rows, world, unlimited, words, dice):
    for each, column in (("unit", "name"), ("instrument", "serial_no"), ("certificate", "no"), ("lab", "name")):
        setattr(world[each], column, words)
    rows.flush()
    typed, paper = respelled(words, dice), world["certificate"]
    rows.refresh(paper)

    for query in ({"unit": typed}, {"serial": typed}):
        page = unlimited.get("/portal/instruments", query_string=query)
        assert re.findall(r"/portal/certificates/(\d+)", page.text) == [str(paper.id)]
    page = unlimited.get("/portal/check", query_string={"no": typed, "code": respelled(paper.code.lower(), dice)})
    assert "该证书真实" in page.text


@SOME
@given(dice=DICE)
def test_a_scanner_may_type_in_any_width(world, dice):
    code = scans.address(scans.INSTRUMENT, world["instrument"].id).rpartition("/s/")[2]

    assert scans.read(respelled(code, dice)) == (scans.INSTRUMENT, world["instrument"].id)


def test_a_text_is_searched_for_in_one_place():
    """What is left compares codes and paths that the program itself has written."""
    codes = {"access.py", "domain/capability_gaps.py", "domain/draws.py", "finding.py"}
    pattern = re.compile(r"\.(?:i?like|icontains|istartswith|iendswith)\(")
    paths = [path for path in APP.rglob("*.py") if "migrations" not in path.parts]

    assert {str(path.relative_to(APP)) for path in paths if pattern.search(path.read_text("utf-8"))} == codes


# --- One instrument ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("manufacturer", "serial_no"),
    [
        ("杭州测试(集团)有限公司", "B7-1"),
        ("杭州测试 (集团) 有限公司", "B7－1"),
        ("杭州测试【集团】有限公司", "b7—1"),
        ("杭州测试（集团）有限公司", "B7\u200e-1"),
        ("杭州测试（集团）\u200b有限公司", "Ｂ７－１"),
    ],
)
def test_an_instrument_is_entered_once_however_it_is_written(sign_in, rows, manufacturer, serial_no):
    unit = using_unit()
    authority("330106")
    clerk = sign_in("UsingUnitClerk", unit)
    first = {"manufacturer": "杭州测试（集团）有限公司", "serial_no": "B7-1"}

    answers = [
        test_ledger.add(clerk, **first),
        test_ledger.add(clerk, manufacturer=manufacturer, serial_no=serial_no),
        test_ledger.add(clerk, manufacturer=manufacturer, serial_no="B7-2"),
    ]

    assert [answer.status_code for answer in answers] == [204, 422, 204]
    assert [each.serial_no for each in test_ledger.own(rows, unit)] == ["B7-1", "B7-2"]


def test_the_database_has_an_instrument_once_however_it_is_written(rows):
    one = instrument(manufacturer="杭州测试（集团）有限公司", serial_no="B7-1")
    instrument("330203", manufacturer=one.manufacturer, serial_no=one.serial_no)  # in another city it may be a double

    with pytest.raises(IntegrityError) as refused:
        instrument(manufacturer="杭州测试 (集团) 有限公司", serial_no="b7\u200e—1")

    assert "one_serial_per_manufacturer" in str(refused.value.orig)


def test_what_was_entered_twice_before_spellings_were_compared_is_listed(rows, sign_in):
    unit = using_unit()
    one = instrument(unit=unit, manufacturer="杭州测试（集团）有限公司", serial_no="B7-1")
    double = instrument(unit=unit, manufacturer="杭州测试(集团)有限公司", serial_no="b71", twin=7)
    foreign = instrument("510104", manufacturer="成都测试厂", serial_no="B7-1", twin=8)
    clerk, officer = sign_in("UsingUnitClerk", unit), sign_in("Supervisor", authority("330106"))

    assert listed(clerk.get("/ledger/?double=yes")) == [double.id]
    assert listed(officer.get("/queries/instruments/?double=yes")) == [double.id]
    assert listed(officer.get("/queries/instruments/")) == [double.id, one.id]
    assert listed(sign_in("Supervisor", authority("51")).get("/queries/instruments/?double=yes")) == [foreign.id]


# --- What is stored ------------------------------------------------------------------------------


@MANY
@given(ANY_TEXT)
def test_what_is_entered_is_entered_as_itself_and_stays_the_same_text(words):
    for lines in (False, True):
        kept = entered(words, lines=lines)
        assert entered(kept, lines=lines) == kept
        assert same(kept) == same(words)
        assert not any(unicodedata.category(each) in ("Cf", "Cc") for each in kept if not (lines and each.isspace()))


@pytest.mark.parametrize(
    ("typed", "line", "lines"),
    [
        ("\u200bB7\u200e-1 ", "B7-1", "B7-1"),
        ("一号楼\n\t二层\u0000", "一号楼  二层", "一号楼\n\t二层"),
        ("杭州测试（集团）有限公司", "杭州测试（集团）有限公司", "杭州测试（集团）有限公司"),
        ("\ufeff\u3000", "", ""),
    ],
)
def test_the_rest_is_kept_as_it_was_typed(typed, line, lines):
    assert (entered(typed), entered(typed, lines=True)) == (line, lines)


def test_numbers_and_classes_have_the_digits_of_an_ordinary_keyboard():
    assert half_width("Ｔ０６－１（甲）") == "T06-1（甲）"
    assert half_width("１．６级") == "1.6级"
    assert half_width("±０．５％") == "±0.5%"


def text_fields():
    """Every form of the program with each of its text fields."""
    for form in all_below(Form):
        for name in dir(form):
            field = getattr(form, name)
            if isinstance(field, UnboundField) and _takes_text(field.field_class):
                yield form, name


def _takes_text(field_class):
    return issubclass(field_class, StringField) and not issubclass(field_class, PasswordField)


def all_below(cls):
    return {one for child in cls.__subclasses__() for one in {child, *all_below(child)}}


def test_no_form_takes_invisible_characters(app):
    kept = {}
    with app.test_request_context("/", method="POST"):
        for form, name in text_fields():
            bound = form(MultiDict([(name, "\u200b甲\u200e乙\u0007 ")]), meta={"csrf": False})
            kept[form.__name__, name] = bound[name].data

    assert len(kept) > 60
    assert {key: data for key, data in kept.items() if data not in ("甲乙", None)} == {}


def test_every_form_is_one_of_ours():
    forms = {form for form in all_below(FlaskForm) if form.__module__.startswith("app.")}

    assert forms == {Form, *all_below(Form)} & forms


def test_a_sheet_has_an_instrument_once_however_it_is_written(sign_in, rows):
    unit = using_unit()
    authority("330106")
    clerk = sign_in("UsingUnitClerk", unit)
    makers = "杭州测试（集团）\u2060有限公司", "杭州测试(集团)有限公司", "杭州测试 (集团) 有限公司"
    numbers = "\u200bＢ７\u200e－１", "b7-1", "B7—1"
    lines = [test_imports.scale(出厂编号=no, 生产厂家=maker) for no, maker in zip(numbers, makers, strict=True)]

    together = test_imports.bring(clerk, *lines)
    one_by_one = [test_imports.bring(clerk, line).status_code for line in lines]

    assert "与第 2 行是同一台器具" in together.text
    assert one_by_one == [303, 422, 422]  # nothing is left to do for the second and the third
    (one,) = test_ledger.own(rows, unit)
    assert (one.serial_no, one.manufacturer) == ("B7-1", "杭州测试（集团）有限公司")
