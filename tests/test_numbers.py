"""How numbers are read, in forms, sheets and filters alike: 1,6 is no number, and never 16."""

import importlib
import pkgutil
from decimal import Decimal
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
