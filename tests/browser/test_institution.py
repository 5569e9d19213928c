"""An institution at its own desk: capabilities, staff, numbers and seal; and how a kind brings its units."""

from io import BytesIO

import pytest
from PIL import Image
from sqlalchemy import select

from app.domain import capabilities
from app.models import Capability, IssuingRule, Qualification, db
from app.states import DRAFT
from tests.factories import BLOOD_PRESSURE, authority, capability, institution, kind, staff_member, using_unit


@pytest.fixture
def lab(office):
    found = institution(name="西湖区计量检定所")
    db.session.commit()
    return found


def choose_meters(person):
    """Category and kind of water meters, in the dialog; the kind brings its units."""
    page, selects = person.page, person.page.locator("#dialog .field-cascade >> nth=0 >> select")
    for level in (0, 1):
        option = f"#dialog .field-cascade select >> nth={level} >> option:text-is('水表')"
        page.wait_for_selector(option, state="attached")
        selects.nth(level).select_option(label="水表")
    page.wait_for_selector("#dialog [name=range_unit] option", state="attached")
    assert page.locator("#dialog [name=range_unit]").input_value() == "m³/h"


def test_a_capability_is_drafted_for_several_regions_and_submitting_it_says_what_lacks(clerk, lab):
    approver = clerk("InstitutionApprover", lab)
    page = approver.page
    approver.open("/capabilities/")
    approver.press("add")
    choose_meters(approver)
    for name, value in {"range_low": "0", "range_high": "20", "accuracy_class": "2级", "regulation": "JJG 162"}.items():
        page.fill(f"#dialog [name={name}]", value)
    page.click("#dialog .ts-wrapper.multi .ts-control")
    page.keyboard.type("宁波市")
    page.click(".ts-dropdown [data-value='330200']")
    page.keyboard.press("Tab")
    page.click("#dialog .btn-submit")

    assert approver.toast() == "已保存为草稿，填报完整后请提交审核。"
    new = db.session.scalars(select(Capability)).one()
    assert (new.state, capabilities.places(new.id)) == (DRAFT, ["330106", "330200"])
    approver.tick(1)
    approver.press("declare")
    page.click("#dialog .btn-submit")
    page.wait_for_selector("#dialog >> text=未填写计量标准")
    page.wait_for_timeout(1100)  # a second later the form's token is another
    page.click("#dialog .btn-close")
    page.wait_for_selector("#dialog.show", state="detached")


def test_a_qualification_is_put_into_the_form_and_changed(clerk, lab):
    staff_member(lab, of=(BLOOD_PRESSURE,))
    db.session.commit()
    approver = clerk("InstitutionApprover", lab)
    page = approver.page
    approver.open("/staff/")
    approver.tick(1)
    approver.press("qualify")
    page.click("#dialog [data-qualification]")
    page.fill("#dialog [name=valid_until]", "2027-06-30")
    page.click("#dialog .btn-submit")

    assert approver.toast() == "已保存。"
    db.session.rollback()
    held = db.session.scalars(select(Qualification)).one()
    assert (held.catalogue_item_ids, str(held.valid_until)) == ([kind(BLOOD_PRESSURE).id], "2027-06-30")


def test_a_rule_shows_its_next_number_while_it_is_typed_and_takes_a_seal(clerk, lab):
    seal = BytesIO()
    Image.new("RGBA", (300, 300), "red").save(seal, "PNG")
    approver = clerk("InstitutionApprover", lab)
    page = approver.page
    approver.open("/issuing-rules/")
    approver.press("edit")
    page.fill("#dialog [name=pattern]", "西检-{number:5}")
    page.wait_for_selector("#dialog b:text-is('西检-00001')")
    page.set_input_files("#dialog [name=seal]", {"name": "章.png", "mimeType": "image/png", "buffer": seal.getvalue()})
    page.click("#dialog .btn-submit")

    assert approver.toast() == "已保存。"
    rule = db.session.scalars(select(IssuingRule)).one()
    page.wait_for_function(f"document.querySelector('img[src*=\"/seal/{rule.id}\"]').naturalWidth === 300")


def test_the_kind_of_an_instrument_brings_its_units_and_the_institution(clerk, office):
    authority("330106")
    capability(institution("330106", "西湖区计量检定所"), range_unit="m³/h")
    unit = using_unit()
    db.session.commit()
    person = clerk("UsingUnitClerk", unit)
    person.open("/ledger/")
    person.press("add")
    choose_meters(person)
    for name, value in {"range_low": "0", "range_high": "20", "accuracy_class": "2级"}.items():
        person.page.fill(f"#dialog [name={name}]", value)
    person.page.press("#dialog [name=accuracy_class]", "Tab")

    person.page.wait_for_selector("#match-preview >> text=西湖区计量检定所")
