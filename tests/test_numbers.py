"""How numbers are read, in forms, sheets and filters alike: 1,6 is no number, and never 16."""

import csv
import importlib
import pkgutil
import unicodedata
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import wtforms
from flask_wtf import FlaskForm
from hypothesis import given, strategies as st
from sqlalchemy import func, select
from werkzeug.datastructures import MultiDict

from app import numbers, pages
from app.domain import ledger
from app.errors import RuleError
from app.fabkit import forms
from app.models import AlarmThreshold, Instrument, db
from app.spreadsheet import cells
from tests.factories import authority, using_unit
from tests.test_ledger import add


def catalogue_units() -> list[list[str]]:
    """The units of the kinds of the catalogue as delivered."""
    with (Path(ledger.__file__).parents[1] / "data" / "catalogue.csv").open(encoding="utf-8", newline="") as file:
        return [row["range_units"].split(";") for row in csv.DictReader(file) if row["range_units"]]


FULL_WIDTH = str.maketrans("0123456789+-.,", "０１２３４５６７８９＋－．，")


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("16", "16"), ("1.6", "1.6"), ("-0.1", "-0.1"), ("+5", "5"), (".5", "0.5"), ("5.", "5"), ("1.50", "1.5"),
        ("1,234", "1234"), ("1,234,567.8", "1234567.8"), ("-1,600", "-1600"), (" 0.25 ", "0.25"), ("1.5E3", "1500"),
        ("-0", "0"), ("１．６", "1.6"), ("－０．１", "-0.1"), ("−0.1", "-0.1"), ("＋１，２３４．５", "1234.5"),
        ("0。25", "0.25"),
    ],
)  # fmt: skip
def test_a_number_is_read_as_it_was_meant(text, number):
    assert numbers.parse(text) == Decimal(number)


@pytest.mark.parametrize(
    "text",
    [
        "1,6", "0，25", "1,60", "-0,1", "0,250", "00,250", "1,6000", "12,34", "1234,567", "1,234,56", "1.234,5",
        "1,,234", ",5", "1,", "1 234", "1'234", "10²", "①", "½", "１/２", "十六", "1.6级", "50%", "", "-", ".", "1_000",
        "NaN", "Infinity", "0x10", "9" * 16, "٣",
    ],
)  # fmt: skip
def test_what_two_people_could_read_differently_is_no_number(text):
    assert numbers.parse(text) is None


@given(st.decimals(-(10**12), 10**12, places=3))
def test_groups_of_three_and_full_width_characters_change_nothing(number):
    for text in (f"{number}", f"{number:,}", f"{number}".replace("-", "−")):
        assert numbers.parse(text) == numbers.parse(text.translate(FULL_WIDTH)) == number


@given(st.integers(-(10**12), 10**12), st.text("0123456789", max_size=6))
def test_a_decimal_comma_never_makes_a_bigger_number(whole, decimals):
    read = numbers.parse(f"{whole},{decimals}")

    assert read is None or (len(decimals) == 3 and read == Decimal(f"{whole}{decimals}"))


# --- Ranges --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "low", "high", "unit"),
    [
        ("(0～1.6)MPa", "0", "1.6", "MPa"), ("0-2.5MPa", "0", "2.5", "MPa"), ("0~1.6 MPa", "0", "1.6", "MPa"),
        ("（-0.1～1.6）MPa", "-0.1", "1.6", "MPa"), ("-40℃～+60℃", "-40", "60", "℃"), ("100mm", "100", "100", "mm"),
        ("(0~1.6MPa)", "0", "1.6", "MPa"), ("（0—25）kg", "0", "25", "kg"), ("0——25 kg", "0", "25", "kg"),
        ("０～１．６MPa", "0", "1.6", "MPa"), ("0至3kg", "0", "3", "kg"), ("0到3kg", "0", "3", "kg"),
        ("−0.1~0MPa", "-0.1", "0", "MPa"), ("-10--5℃", None, None, None), ("(-10～-5)℃", "-10", "-5", "℃"),
        ("(0～1,000)kg", "0", "1000", "kg"), ("0-5m3/h", "0", "5", "m3/h"), ("(0~5)m-1", "0", "5", "m-1"),
        ("(0～10)m⁻¹", "0", "10", "m⁻¹"), ("0～100%", "0", "100", "%"), ("0～40mmH2O", "0", "40", "mmH2O"),
        ("5-10次/min", "5", "10", "次/min"), ("0～50", "0", "50", ""), ("(0～1.6)㎫", "0", "1.6", "㎫"),
        ("0 ～ 300 mmHg", "0", "300", "mmHg"), ("-5℃", "-5", "-5", "℃"), ("50", "50", "50", ""),
        ("1m2至2m2", "1", "2", "m2"), ("1kg-2kg", "1", "2", "kg"),
    ],
)  # fmt: skip
def test_a_range_in_one_cell_is_read(text, low, high, unit):
    expected = None if low is None else (Decimal(low), Decimal(high), unit)

    assert numbers.range_in(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "DN15～DN50", "0.1g～5kg", "≤300kg", "Max 30kg", "30kg以下", "±5A", "5(60)A", "100/5A", "220V/380V", "1.5×6A",
        "10²Pa", "1e3Pa", "1E3～2E3Pa", "1×10³Pa", "1x10Pa", "5万kg", "3百kg", "1.6级", "0～-0.1MPa", "1-2", "3-1",
        "2024-03-01", "2024.3.1", "0,5～1kg", "0～1 000kg", "1 0kg", "0～1.6MPa(表压)", "0～1.6MPa，0～25MPa",
        "(0～25)MPa;(0～60)MPa", "0～40kPa（0～300mmHg）", "0～1～2kg", "0to3kg", "0℃～100", "0MPa～1.6", "约5kg",
        "5约kg",
        "", "MPa", "～", "()", "(～)kg", "十六kg", "(0～1.6", "0～1.6)MPa", "(100)mm", "(0～1MPa)MPa",
        "①kg", "½kg", "1½kg",
        "9" * 16 + "kg",
        "0～" + "9" * 90,
    ],
)  # fmt: skip
def test_a_range_that_could_be_another_one_is_not_read(text):
    assert numbers.range_in(text) is None


FIGURES = st.decimals(-(10**9), 10**9, places=4)
UNITS = st.sampled_from(sorted({unit for units in catalogue_units() for unit in units} | {""}))


@given(FIGURES, FIGURES, UNITS, st.sampled_from("～~〜-—至"), st.booleans())
def test_a_range_is_read_as_it_is_written(one, other, unit, sign, is_wide):
    low, high = sorted((one, other))
    text = ledger.range_text(low, high, unit)
    assert numbers.range_in(text) == (low, high, unit)

    spelled = text.replace("～", sign)
    read = numbers.range_in(spelled.translate(FULL_WIDTH) if is_wide else spelled)
    assert read is None or read[:2] == (low, high)
    assert read is not None or sign == "-"


@given(st.text("0123456789.,-+~～—()（） kgMPaE℃xX×²m/", max_size=20))
def test_every_number_of_a_range_stands_in_its_text(text):
    read = numbers.range_in(text)

    if read is not None:
        assert read.low <= read.high
        digits = "".join(character for character in text.replace(",", " ") if character in "0123456789. ")
        for number in read[:2]:
            assert format(abs(number).normalize(), "f").strip("0.") in digits.replace(" ", "")


# --- Units ---------------------------------------------------------------------------------------


def everything_known() -> list[str]:
    return sorted({unit for units in catalogue_units() for unit in units})


@pytest.mark.parametrize(
    ("text", "known", "unit"),
    [
        ("㎫", ["MPa"], "MPa"), ("Mpa", ["MPa"], "MPa"), ("MPA", ["kPa", "MPa"], "MPa"), ("mpa", ["MPa"], "MPa"),
        ("ＭＰａ", ["MPa"], "MPa"), (" M Pa ", ["MPa"], "MPa"), ("KPa", ["kPa", "MPa"], "kPa"),
        ("m3/h", ["m³", "m³/h"], "m³/h"), ("㎥/h", ["m³/h"], "m³/h"), ("M3/H", ["m³/h"], "m³/h"),
        ("m^3/h", ["m³/h"], "m³/h"), ("m-1", ["m⁻¹"], "m⁻¹"), ("°C", ["℃"], "℃"), ("ºC", ["℃"], "℃"),
        ("°c", ["℃"], "℃"), ("℃", ["°C"], "°C"), ("\N{OHM SIGN}", ["Ω"], "Ω"),
        ("Ω", ["\N{OHM SIGN}"], "\N{OHM SIGN}"),
        ("M\N{OHM SIGN}", ["MΩ", "Ω"], "MΩ"), ("\N{MICRO SIGN}Sv/h", ["μSv/h"], "μSv/h"),
        ("uSv/h", ["μSv/h"], "μSv/h"),
        ("umol/mol", ["nmol/mol", "μmol/mol"], "μmol/mol"), ("KG", ["kg", "g"], "kg"), ("㎏", ["kg"], "kg"),
        ("MM", ["mm"], "mm"), ("db", ["dB"], "dB"), ("l/Min", ["L/min"], "L/min"), ("％lel", ["%", "%LEL"], "%LEL"),
        ("MG/L", ["mg/L"], "mg/L"), ("pa", ["Pa"], "Pa"), ("mw", ["MW"], "MW"),
        # Two sizes of one unit: what is rightly spelled is not taken for the other, even if that is not known.
        ("mPa", ["MPa"], None), ("MPa", ["mPa"], None), ("mPa", ["mPa", "MPa"], "mPa"), ("MPa", ["mPa", "MPa"], "MPa"),
        ("mpa", ["mPa", "MPa"], None), ("MPA", ["mPa", "MPa"], None), ("mW", ["MW"], None), ("mw", ["mW", "MW"], None),
        ("mΩ", ["MΩ"], None), ("Mm", ["mm"], None), ("Mg/L", ["mg/L"], None), ("mBq", ["MBq"], None),
        ("kPa", ["MPa"], None), ("bar", ["MPa"], None), ("", ["MPa"], None), ("MPa", [], None), ("/", ["m³/h"], None),
        ("\N{OHM SIGN}", ["Ω", "\N{GREEK SMALL LETTER OMEGA}"], "Ω"),
    ],
)  # fmt: skip
def test_a_unit_is_known_however_it_is_spelled_but_never_taken_for_another(text, known, unit):
    assert numbers.unit_in(text, known) == unit


def test_every_unit_of_the_catalogue_is_itself_among_all():
    known = everything_known()

    assert [numbers.unit_in(unit, known) for unit in known] == known
    assert [numbers.unit_in(unicodedata.normalize("NFKC", unit), known) for unit in known] == known


@given(st.text(max_size=8))
def test_any_text_is_a_unit_or_is_none(text):
    assert numbers.unit_in(text, everything_known()) in {None, *everything_known()}


# --- Forms ---------------------------------------------------------------------------------------


def descendants(kind: type[Any]) -> list[type[Any]]:
    return [each for child in kind.__subclasses__() for each in (child, *descendants(child))]


def number_fields() -> list[Any]:
    """Every field of every form of the application that takes a number."""
    for module in pkgutil.walk_packages(pages.__path__, "app.pages."):
        importlib.import_module(module.name)
    kinds = (wtforms.IntegerField, wtforms.DecimalField, wtforms.FloatField)
    return [
        pytest.param(field, id=f"{form.__module__}.{form.__name__}.{name}")
        for form in dict.fromkeys(descendants(FlaskForm))
        if form.__module__.startswith("app.")
        for name in dir(form)
        if issubclass(getattr(field := getattr(form, name), "field_class", type(None)), kinds)
    ]


def typed(field: Any, text: str) -> Any:
    form: Any = type("Form", (wtforms.Form,), {"field": field})(MultiDict({"field": text}))
    form.validate()
    return form.field


def test_there_are_fields_for_numbers():
    assert len(number_fields()) >= 20


@pytest.mark.parametrize("field", number_fields())
def test_every_field_for_a_number_reads_it_in_the_same_way(app, field):
    with app.test_request_context():
        wrong, right = typed(field, "1,6"), typed(field, " １２ ")

        assert wrong.errors == ["请填写数字，如 1234.5。逗号只用于分隔千位，如 1,234.5。"]
        assert wrong.data is None
        assert 'value="1,6"' in wrong()
        assert 'type="text"' in wrong()  # in an input of type number a browser makes 16 of it
        assert (right.data, right.process_errors) == (12, [])


def test_a_whole_number_is_asked_for(app):
    with app.test_request_context():
        field = typed(forms.IntegerField("n"), "1.5")

    assert field.errors == ["请填写整数。"]


def test_a_range_with_a_decimal_comma_is_refused_at_its_field_and_stays_typed(sign_in, rows):
    authority("330106")
    clerk = sign_in("UsingUnitClerk", using_unit())

    answer = add(clerk, range_high="1,6")

    assert answer.status_code == 422
    assert 'value="1,6"' in answer.text
    assert "逗号只用于分隔千位" in answer.text
    assert rows.scalar(select(func.count()).select_from(Instrument)) == 0
    assert add(clerk, range_low="－１．５", range_high="1,600").status_code == 204
    assert rows.execute(select(Instrument.range_low, Instrument.range_high)).one() == (Decimal("-1.5"), 1600)


def test_a_limit_is_not_rounded_in_silence(sign_in, rows):
    authority("330106")
    clerk = sign_in("UsingUnitClerk", using_unit())

    answer = add(clerk, range_high="0.1234567")

    assert "小数点后最多 6 位。" in answer.text
    assert add(clerk, range_high="0.123456").status_code == 204


# --- Accuracy classes, thresholds, sheets --------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"),
    [("1.6级", "1.6"), ("１．６级", "1.6"), ("±0.5%", "0.5"), ("0.5S级", "0.5"), ("±1,000g", "1000"), (".5级", "0.5"),
     ("Ⅲ级", "3"), ("2.级", "2")],
)  # fmt: skip
def test_the_number_of_an_accuracy_class(text, value):
    assert ledger.accuracy_value(text) == Decimal(value)


@pytest.mark.parametrize("text", ["1,6级", "１，６级", "±0,5%", "1.6.2级"])
def test_an_accuracy_class_with_a_decimal_comma_is_refused(app, text):
    with app.test_request_context(), pytest.raises(RuleError, match="不是数字"):
        ledger.accuracy_value(text)


def test_a_threshold_with_a_decimal_comma_is_refused(sign_in, rows):
    person = sign_in("Supervisor", authority("3301"))

    person.post("/oversight/business/threshold", {"threshold": "1,5"})
    assert db.session.scalar(select(AlarmThreshold.value)) is None
    person.post("/oversight/business/threshold", {"threshold": "１．５"})
    assert db.session.scalar(select(AlarmThreshold.value)) == Decimal("1.5")


@given(st.text("0123456789０１２３.,，．-－−eE", max_size=12))
def test_a_sheet_reads_what_a_form_reads(text):
    number, read = numbers.parse(text), cells.as_number(text)

    if number is None or abs(number) >= 10**15:
        assert read is None
    else:
        assert read == float(number)
