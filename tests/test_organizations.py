"""归属组织: who may change which organization, what follows it, and what stays as it was."""

import itertools
import re
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context
from datetime import date
from threading import Barrier

import pytest
from sqlalchemy import func, inspect, select, update

from app.access import EVERYTHING
from app.domain import credit_codes, mergers, organizations, sessions, tallies
from app.models import (
    AccountSession,
    AuditEntry,
    Certificate,
    Event,
    Instrument,
    LedgerImport,
    MeasurementStandard,
    Model,
    Organization,
    Tally,
    Task,
    UsingUnit,
    db,
)
from app.states import ACCEPTED, CERTIFIED, OFFERED, RETURNED, UNASSIGNED
from app.workflow import Outcome
from tests.conftest import Person
from tests.factories import (
    FAR,
    account,
    appointment,
    authority,
    capability,
    institution,
    instrument,
    states,
    task,
    using_unit,
)

_numbers = itertools.count(1)
REASON = "重复登记"
INSTITUTION = {
    "designation": "authorized",
    "authorization_no": "浙法计2026-01",
    "authorized_by": "浙江省市场监督管理局",
    "authorized_until": "2030-12-31",
    "contact": "王计量",
    "phone": "0571-87654321",
    "address": "文三路1号",
}
UNIT = {"nature": "enterprise", "contact": "李厂长", "phone": "13812345678", "address": "文三路2号"}
ACTIONS = ("edit", "move", "merge", "disable", "enable")


def code():
    """A valid credit code, another one each time."""
    first17 = f"91330106MA{next(_numbers):07}"
    return first17 + credit_codes.check_digit(first17)


@pytest.fixture
def city(sign_in, rows):
    return sign_in("CityAdministrator", authority("3301"))


@pytest.fixture
def nation(sign_in, rows):
    return sign_in("NationalAdministrator", authority(""))


def named(rows, name):
    return rows.scalars(select(Organization).where(Organization.name == name)).one()


def post(person, action, ids, /, **fields):
    """As the dialog does; organizations have a field called `name`."""
    chosen = {"selection": "ids", "id": [str(id) for id in ids], **fields}
    return person.post(f"/organizations/act/{action}", chosen, headers={"HX-Request": "true"})


def act(person, action, rows_, /, **fields):
    return post(person, action, [each.id for each in rows_], **fields)


def add(person, kind, /, **fields):
    return post(person, f"add_{kind}", [], **fields)


def merge(person, gone, heir, /, **fields):
    given = {"into_id": str(heir.id), "reason": REASON, "understood": "y", **fields}
    return act(person, "merge", [gone], **given)


def move(person, row, /, **fields):
    return act(person, "move", [row], revision=str(row.revision), **fields)


def edit(person, row, /, **fields):
    return act(person, "edit", [row], **{"revision": str(row.revision), "name": row.name, **fields})


def shape(row):
    """What must not change by itself."""
    return (
        row.kind, row.name, row.level, row.region_code, row.parent_id, row.path, row.jurisdiction, row.credit_code,
        row.active, row.merged_into_id,
    )  # fmt: skip


def told(rows, organization):
    """(action, detail) of an organization's entries in the audit log."""
    entries = select(AuditEntry.action, AuditEntry.detail).where(
        AuditEntry.subject == "organization", AuditEntry.subject_id == organization.id
    )
    return [tuple(row) for row in rows.execute(entries.order_by(AuditEntry.id))]


def numbers_told(person):
    """The numbers in the last message: done, and left as they were."""
    return [int(number) for number in re.findall(r"\d+", person.messages()[-1])]


def listed(answer):
    return [int(part.split('"', 1)[0]) for part in answer.text.split('<tr data-id="')[1:]]


# --- The list ------------------------------------------------------------------------------------


def test_the_list_holds_what_one_manages_place_by_place(city, rows):
    unit, lab, own_lab = using_unit(), institution(), institution("330100")
    own_lab.level = "city"
    county, above = authority("330106"), institution("330100")
    above.level = "province"
    authority("3302"), institution("330203"), using_unit("330203")

    found = listed(city.get("/organizations/"))

    assert found == [authority("3301").id, own_lab.id, county.id, lab.id, unit.id]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("kind=authority", ["here", "county"]),
        ("kind=institution&kind=using_unit", ["lab", "unit"]),
        ("region=330106", ["county", "lab", "unit"]),
        ("region=330105", []),
        ("region=330203", []),
        ("state=active", ["here", "county", "unit"]),
        ("state=disabled", ["lab"]),
        ("state=merged", []),
        ("field=name&q=水务", ["unit"]),
        ("field=name&q=西湖水务", ["unit"]),
        ("field=name&q=宁波", []),
        ("field=code&q=91330106M", ["unit"]),
        ("field=code&q=91330106m", ["unit"]),
        ("field=code&q=9999", []),
    ],
)
def test_filters_and_search(city, rows, query, expected):
    made = {"here": authority("3301"), "county": authority("330106"), "lab": institution(), "unit": using_unit()}
    made["lab"].active = False
    made["unit"].name, made["unit"].credit_code = "杭州西湖水务有限公司", code()
    using_unit("330203", "宁波水务有限公司").credit_code = code()

    assert listed(city.get(f"/organizations/?{query}")) == [made[name].id for name in expected]


@pytest.mark.parametrize(
    "query",
    [
        "kind=god", "state=x", "region=999999", "region=1%20or%201=1", "field=nothing&q=x", "q=x", "sort=name",
        "sort=path", "size=5000", "size=-1", "page=x", "page=99999999", "after=x", "after=0~330106~" + "9" * 20,
        "after=5~330106authority~1", "field=code&q=%25%25%25%25", "field=name&q=%25%25",
    ],
)  # fmt: skip
def test_what_is_forged_in_the_address_is_left_out(city, rows, query):
    lab = institution()

    answer = city.get(f"/organizations/?{query}")

    assert (answer.status_code, set(listed(answer)) <= {authority("3301").id, lab.id}) == (200, True)


def test_pages_by_key_leave_nothing_out(city, rows):
    for _ in range(45):
        using_unit()
    first = listed(city.get("/organizations/"))
    last = rows.get(Organization, first[-1])
    rest = listed(city.get(f"/organizations/?page=2&size=50&after=0~330106using_unit~{last.id}"))

    everything = listed(city.get("/organizations/?size=50"))
    assert (len(everything), first + rest) == (46, everything)


def test_a_later_page_is_no_longer_than_the_first(city):
    for _ in range(70):
        using_unit()

    pages = [listed(city.get(f"/organizations/?page={page}")) for page in (1, 2, 3, 4)]

    assert [len(page) for page in pages] == [20, 20, 20, 11]
    assert len({row for page in pages for row in page}) == 71


def test_the_list_costs_the_same_for_few_and_for_many(city, statements):
    using_unit()
    with statements() as few:
        city.get("/organizations/?size=200")
    for _ in range(199):
        using_unit()
    with statements() as many:
        city.get("/organizations/?size=200")

    assert len(many) == len(few) < 12


def test_an_export_holds_the_list(city, rows):
    using_unit(name="西湖水务"), using_unit("330203", "宁波水务")

    sheet = city.post("/organizations/export", {"selection": "all", "filter": "", "format": "csv"}).data.decode()

    assert ("西湖水务" in sheet, "宁波水务" in sheet) == (True, False)


def test_only_administrators_of_authorities_open_it(sign_in, rows):
    opened = {
        role: sign_in(role, home).get("/organizations/").status_code
        for role, home in {
            "NationalAdministrator": authority(""),
            "ProvincialAdministrator": authority("33"),
            "CityAdministrator": authority("3301"),
            "CountyAdministrator": authority("330106"),
            "Supervisor": authority("330106"),
            "InstitutionAdministrator": institution(),
            "UsingUnitAdministrator": using_unit(),
        }.items()
    }

    assert opened == {
        "NationalAdministrator": 200, "ProvincialAdministrator": 200, "CityAdministrator": 200,
        "CountyAdministrator": 200, "Supervisor": 403, "InstitutionAdministrator": 403, "UsingUnitAdministrator": 403,
    }  # fmt: skip


# --- Adding --------------------------------------------------------------------------------------


def test_a_new_authority_gets_its_level_jurisdiction_and_superior_from_its_region(city, rows):
    answer = add(city, "authority", name="西湖区市场监督管理局", region_code="330106")

    new = named(rows, "西湖区市场监督管理局")
    here = authority("3301")
    assert answer.status_code == 204
    assert shape(new) == (
        "authority", "西湖区市场监督管理局", "county", "330106", here.id, f"{here.path}{new.id}/", "330106", None,
        True, None,
    )  # fmt: skip
    assert told(rows, new) == [("add", {"what": ["authority", "浙江省杭州市西湖区", here.name]})]


def test_a_region_has_one_active_authority(city, rows):
    old = authority("330106")

    refused = add(city, "authority", name="西湖第二局", region_code="330106")
    assert (refused.status_code, old.name in refused.text, "西湖第二局" in refused.text) == (422, True, True)
    old.active = False
    assert add(city, "authority", name="西湖第二局", region_code="330106").status_code == 204


def test_an_authority_may_stand_below_the_province_directly(sign_in, rows):
    authority("3301")
    province = sign_in("ProvincialAdministrator", authority("33"))

    answer = add(province, "authority", name="桐庐县局", region_code="330122", parent_id=str(authority("33").id))

    assert (answer.status_code, named(rows, "桐庐县局").parent_id) == (204, authority("33").id)


@pytest.mark.parametrize("chosen", ["3302", "330105", "330106"])
def test_a_superior_includes_the_region(nation, rows, chosen):
    parent = authority(chosen)

    answer = add(nation, "authority", name="桐庐县局", region_code="330122", parent_id=str(parent.id))

    assert (answer.status_code, rows.scalar(select(Organization.id).where(Organization.name == "桐庐县局"))) == (
        422,
        None,
    )


@pytest.mark.parametrize("region", ["330203", "510104", "330000", "000000", "", "999999", "3301", "x"])
def test_nobody_adds_beyond_his_jurisdiction(city, rows, region):
    before = rows.scalar(select(func.count()).select_from(Organization))

    for kind, fields in (("authority", {}), ("institution", INSTITUTION), ("using_unit", UNIT)):
        answer = add(city, kind, name="越界单位", region_code=region, credit_code=code(), **fields)
        assert (kind, answer.status_code) == (kind, 422)

    assert rows.scalar(select(func.count()).select_from(Organization)) == before


def test_a_new_institution_stands_below_the_nearest_authority(city, rows):
    county, number = authority("330106"), code()

    answer = add(city, "institution", name="西湖区计量所", region_code="330106", credit_code=number, **INSTITUTION)

    new = named(rows, "西湖区计量所")
    facts = organizations.details_of(new)
    assert answer.status_code == 204
    assert shape(new) == (
        "institution", "西湖区计量所", "county", "330106", county.id, f"{county.path}{new.id}/", None, number, True,
        None,
    )  # fmt: skip
    assert (facts.designation, facts.authorized_until, facts.phone, facts.publication) == (
        "authorized", date(2030, 12, 31), "0571-87654321", "unpublished",
    )  # fmt: skip


def test_an_institution_has_the_level_of_the_superior_chosen(city, rows):
    authority("330106")
    here = authority("3301")
    fields = {**INSTITUTION, "credit_code": code(), "parent_id": str(here.id)}

    assert add(city, "institution", name="市院", region_code="330106", **fields).status_code == 204

    assert (named(rows, "市院").level, named(rows, "市院").region_code) == ("city", "330106")


def test_a_new_using_unit_is_at_home_in_a_county(city, rows):
    number = code()

    at_city = add(city, "using_unit", name="西湖水务", region_code="330100", credit_code=number, **UNIT)
    at_county = add(city, "using_unit", name="西湖水务", region_code="330106", credit_code=number, **UNIT)

    new = named(rows, "西湖水务")
    assert (at_city.status_code, "is-invalid" in at_city.text, at_county.status_code) == (422, True, 204)
    assert shape(new) == (
        "using_unit", "西湖水务", "county", "330106", None, f"/{new.id}/", None, number, True, None,
    )  # fmt: skip
    assert rows.get(UsingUnit, new.id).contact == "李厂长"


@pytest.mark.parametrize(
    ("kind", "fields", "given", "status"),
    [
        ("authority", {}, "", 204),
        ("authority", {}, "911", 422),
        ("institution", INSTITUTION, "", 422),
        ("using_unit", UNIT, "", 422),
        ("using_unit", {**UNIT, "nature": "sole_trader"}, "", 422),
        ("using_unit", {**UNIT, "nature": "person"}, "", 204),
        ("using_unit", {**UNIT, "nature": "person"}, "91330106MA00000000", 422),
        ("using_unit", UNIT, "91330106MA0000001", 422),
        ("using_unit", UNIT, "91330106MA0000001OO", 422),
    ],
)
def test_who_owes_a_credit_code(city, rows, kind, fields, given, status):
    answer = add(city, kind, name="某单位", region_code="330106", credit_code=given, **fields)

    assert answer.status_code == status


def test_a_credit_code_belongs_to_one_organization_wherever_it_is(city, rows):
    far = using_unit("510104")
    far.credit_code = code()

    answer = add(
        city, "using_unit", name="西湖水务", region_code="330106", credit_code=str(far.credit_code).lower(), **UNIT
    )

    assert (answer.status_code, "field-error" in answer.text, "西湖水务" in answer.text) == (422, True, True)
    assert city.get("/organizations/").status_code == 200


def test_a_name_is_taken_once_in_a_region_by_active_organizations_of_a_kind(city, rows):
    unit, lab = using_unit(name="西湖水务"), institution(name="西湖计量")
    taken = {"name": "西湖水务", "region_code": "330106"}

    assert add(city, "using_unit", **taken, credit_code=code(), **UNIT).status_code == 422
    assert add(city, "using_unit", **{**taken, "region_code": "330105"}, credit_code=code(), **UNIT).status_code == 204
    assert add(city, "using_unit", **{**taken, "name": lab.name}, credit_code=code(), **UNIT).status_code == 204
    unit.active = False
    assert add(city, "using_unit", **taken, credit_code=code(), **UNIT).status_code == 204


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""}, {"name": "短"}, {"name": "长" * 201}, {"designation": "x"}, {"authorized_until": "soon"},
        {"authorized_until": ""}, {"phone": "12"}, {"phone": ""}, {"contact": ""}, {"address": "长" * 201},
        {"authorization_no": ""}, {"parent_id": "x"}, {"parent_id": "99999999"},
    ],
)  # fmt: skip
def test_what_cannot_be_is_said_and_the_rest_stays_in_the_form(city, rows, wrong):
    fields = {"name": "西湖区计量所", "region_code": "330106", "credit_code": code(), **INSTITUTION}

    answer = add(city, "institution", **{**fields, **wrong})

    kept = "address" if "contact" in wrong else "contact"
    assert (answer.status_code, "field-error" in answer.text, fields[kept] in answer.text) == (422, True, True)
    assert rows.scalars(select(Organization).where(Organization.kind == "institution")).all() == []


def test_hidden_fields_cannot_be_posted(city, rows):
    forged = {
        "level": "nation", "path": "/", "jurisdiction": "", "active": "", "kind": "authority", "id": "5",
        "merged_into_id": "1", "publication": "published", "organization_id": "1", "mean_days": "1", "revision": "9",
    }  # fmt: skip
    fields = {"name": "西湖区计量所", "region_code": "330106", "credit_code": code(), **INSTITUTION}

    assert add(city, "institution", **fields, **forged).status_code == 204

    new = named(rows, "西湖区计量所")
    assert (new.kind, new.level, new.jurisdiction, new.active, new.merged_into_id, new.revision) == (
        "institution", "city", None, True, None, 1,
    )  # fmt: skip
    assert organizations.details_of(new).publication == "unpublished"
    before = shape(new)
    forged |= {"region_code": "330203", "parent_id": str(authority("").id), "id": str(new.id), "revision": "1"}
    assert edit(city, new, **INSTITUTION, credit_code=new.credit_code, **forged).status_code == 204
    assert shape(new) == before


# --- Renaming and editing ------------------------------------------------------------------------


def test_a_rename_tells_what_it_was(city, rows):
    lab = institution(name="西湖计量所")
    lab.credit_code = code()
    fields = {**INSTITUTION, "credit_code": lab.credit_code}

    assert "西湖计量所" in city.open("organizations", "edit", [lab.id]).text
    answer = edit(
        city, lab, name=" 西湖区计量检定所 ", **{**fields, "phone": "13800000000", "designation": "statutory"}
    )

    assert (answer.status_code, lab.name, lab.revision) == (204, "西湖区计量检定所", 2)
    (action, detail) = told(rows, lab)[-1]
    changes = dict(zip(detail["changed"], zip(detail["before"], detail["after"], strict=True), strict=True))
    assert (action, changes["name"], changes["phone"]) == (
        "rename", ("西湖计量所", "西湖区计量检定所"), ("*4321", "*0000"),
    )  # fmt: skip
    assert "designation" not in changes


def test_a_using_unit_is_edited_and_one_without_details_gets_them(city, rows):
    unit = using_unit()

    assert edit(city, unit, **UNIT, credit_code=code()).status_code == 204
    assert edit(city, unit, **{**UNIT, "contact": "新厂长"}, credit_code=unit.credit_code).status_code == 204

    assert (rows.get(UsingUnit, unit.id).contact, unit.revision) == ("新厂长", 3)
    assert told(rows, unit)[-1] == ("edit", {"changed": ["contact"], "before": ["李厂长"], "after": ["新厂长"]})


@pytest.mark.parametrize("revision", ["0", "", "x", "2", "１"])
def test_what_somebody_else_changed_is_not_overwritten(city, rows, revision):
    county = authority("330106")
    before = shape(county)

    edited = edit(city, county, name="新局", revision=revision)
    moved = act(city, "move", [county], revision=revision, parent_id=str(authority("3301").id))

    assert (edited.status_code, "已被他人修改" in edited.text, "新局" in edited.text) == (422, True, True)
    assert (moved.status_code, "已被他人修改" in moved.text) == (422, True)
    assert shape(county) == before


def test_a_name_or_code_of_another_is_refused(city, rows):
    mine, other = using_unit(), using_unit(name="西湖水务")
    mine.credit_code, other.credit_code = code(), code()
    before = shape(mine)

    name = edit(city, mine, **UNIT, name=other.name, credit_code=mine.credit_code)
    number = edit(city, mine, **UNIT, credit_code=other.credit_code)
    city.post("/organizations/columns", {"column": ["kind"]})

    assert (name.status_code, number.status_code, shape(mine)) == (422, 422, before)


# --- Moving --------------------------------------------------------------------------------------


def test_the_subtree_follows_a_move_at_any_depth(sign_in, rows):
    province = sign_in("ProvincialAdministrator", authority("33"))
    above, old, county = authority("33"), authority("3301"), authority("330106")
    lab, sibling = institution(), authority("330105")
    lab.parent_id, lab.path = county.id, f"{county.path}{lab.id}/"
    beside = institution()
    beside.path = f"{old.path}{county.id}9/"  # begins like the county's own, and is another
    untouched = shape(sibling), shape(beside)

    answer = move(province, county, parent_id=str(above.id))

    assert answer.status_code == 204
    assert (county.parent_id, county.path, lab.path) == (
        above.id, f"{above.path}{county.id}/", f"{above.path}{county.id}/{lab.id}/",
    )  # fmt: skip
    assert (county.level, county.jurisdiction, lab.parent_id) == ("county", "330106", county.id)
    assert (shape(sibling), shape(beside)) == untouched
    assert told(rows, county) == [
        ("move", {"changed": ["superior"], "before": [old.name], "after": [above.name]}),
    ]


def test_three_levels_follow(nation, rows):
    city_, county = authority("3301"), authority("330106")
    lab = institution()
    lab.parent_id, lab.path = county.id, f"{county.path}{lab.id}/"
    top = authority("")

    assert move(nation, city_, parent_id=str(top.id)).status_code == 204

    assert [each.path for each in (city_, county, lab)] == [
        f"/{top.id}/{city_.id}/",
        f"/{top.id}/{city_.id}/{county.id}/",
        f"/{top.id}/{city_.id}/{county.id}/{lab.id}/",
    ]


@pytest.mark.parametrize("target", ["330106", "330105", "3302", "51"])
def test_an_authority_moves_only_under_one_whose_jurisdiction_includes_its_own(nation, rows, target):
    county, parent = authority("330106"), authority(target)
    before = shape(county)

    assert (move(nation, county, parent_id=str(parent.id)).status_code, shape(county)) == (422, before)


def test_an_authority_does_not_move_below_itself(nation, rows):
    city_, county = authority("3301"), authority("330106")
    before = shape(city_)

    assert (move(nation, city_, parent_id=str(county.id)).status_code, shape(city_)) == (422, before)
    assert (move(nation, city_, parent_id=str(city_.id)).status_code, shape(city_)) == (422, before)
    assert (move(nation, city_, parent_id="").status_code, shape(city_)) == (422, before)


def test_institutions_and_using_units_move_to_another_region(city, rows):
    authority("330105"), authority("330106")
    lab, unit = institution(), using_unit()
    what = instrument(unit=unit)

    assert move(city, lab, region_code="330105").status_code == 204
    assert move(city, unit, region_code="330105").status_code == 204

    there = authority("330105")
    assert (lab.region_code, lab.parent_id, lab.level, lab.path) == (
        "330105", there.id, "county", f"{there.path}{lab.id}/",
    )  # fmt: skip
    assert (unit.region_code, unit.parent_id, unit.path) == ("330105", None, f"/{unit.id}/")
    assert (what.region_code, what.using_unit_id) == ("330106", unit.id)
    assert told(rows, unit) == [
        ("move", {"changed": ["region"], "before": ["浙江省杭州市西湖区"], "after": ["浙江省杭州市拱墅区"]}),
    ]


@pytest.mark.parametrize("region", ["330203", "330100", "330106", "", "x", "510104"])
def test_a_using_unit_stays_in_the_jurisdiction_of_who_moves_it(city, rows, region):
    unit = using_unit()
    before = shape(unit)

    assert (move(city, unit, region_code=region).status_code, shape(unit)) == (422, before)


def test_a_move_into_a_namesake_is_refused(city, rows):
    here, _there = using_unit(name="连锁药店"), using_unit("330105", "连锁药店")
    before = shape(here)

    assert (move(city, here, region_code="330105").status_code, shape(here)) == (422, before)


# --- Merging -------------------------------------------------------------------------------------


def certificate(done, lab, no="A1"):
    new = Certificate(
        city_code=done.city_code, region_code=done.region_code, using_unit_id=done.using_unit_id,
        institution_id=lab.id, task_id=done.id, instrument_id=done.instrument_id, no=no, kind="verification",
        passed=True, verified_on=FAR, regulation="JJG 162", verifier="甲", checker="乙", approver="丙",
    )  # fmt: skip
    db.session.add(new)
    db.session.flush()
    return new


def event(of):
    new = Event(
        city_code=of.city_code, region_code=of.region_code, using_unit_id=of.using_unit_id,
        institution_id=of.institution_id, subject="task", subject_id=of.id, step="accept", by_name="甲",
        by_organization="所",
    )  # fmt: skip
    db.session.add(new)
    db.session.flush()
    return new


def load(lab):
    new = Tally(
        subject="load", state=ACCEPTED, city_code="330100", region_code="330100", institution_id=lab.id, amount=3
    )
    db.session.add(new)
    db.session.flush()
    return new


def standard(lab):
    new = MeasurementStandard(
        institution_id=lab.id, name="水表检定装置", code="1", certificate_no="1", public_certificate_no="1",
        valid_until=FAR, public_valid_until=FAR,
    )  # fmt: skip
    db.session.add(new)
    db.session.flush()
    return new


def world(lab, unit):
    """A row of each sort that names an institution or a using unit."""
    done = task(CERTIFIED, to=lab, unit=unit)
    open_ = task(ACCEPTED, to=lab, unit=unit)
    returned = task(RETURNED, to=lab, unit=unit)
    return {
        "done": done, "open": open_, "returned": returned, "certificate": certificate(done, lab), "event": event(open_),
        "tally": load(lab), "capability": capability(lab), "standard": standard(lab),
        "clerk": account(None, lab), "buyer": account(None, unit),
    }  # fmt: skip


def test_merging_institutions_takes_every_row_and_leaves_those_of_others(city, rows):
    gone, heir, other = institution(name="老所"), institution(name="新所"), institution(name="别所")
    moved, stays = world(gone, using_unit()), world(other, using_unit())
    state = states(moved["done"], moved["open"], moved["returned"])

    dialog = city.open("organizations", "merge", [gone.id]).text
    answer = merge(city, gone, heir)

    assert ("<dd>2</dd>" in dialog, answer.status_code) == (True, 204)

    def holders(made):
        return {
            made["done"].institution_id, made["open"].institution_id, made["returned"].previous_institution_id,
            made["certificate"].institution_id, made["event"].institution_id, made["tally"].institution_id,
            made["capability"].institution_id, made["standard"].institution_id, made["clerk"].organization_id,
        }  # fmt: skip

    assert (holders(moved), holders(stays)) == ({heir.id}, {other.id})
    assert states(moved["done"], moved["open"], moved["returned"]) == state
    assert moved["certificate"].no == "A1"
    assert (gone.active, gone.merged_into_id, gone.name, heir.active) == (False, heir.id, "老所", True)
    followed = [
        "accounts 1",
        "tasks 2",
        "returned_tasks 1",
        "certificates 1",
        "capabilities 1",
        "standards 1",
        "events 1",
    ]
    detail = {"before": "老所", "after": "新所", "reason": REASON, "rows": followed}
    assert (told(rows, gone), told(rows, heir)) == ([("merge", detail)], [("merge", detail)])


def test_merging_using_units_takes_every_row_and_leaves_those_of_others(city, rows):
    gone, heir, other = using_unit(name="老店"), using_unit("330105", name="新店"), using_unit(name="别店")
    lab, other_lab = institution(), institution()
    moved, stays = world(lab, gone), world(other_lab, other)
    for unit, buyer in ((gone, moved["buyer"]), (other, stays["buyer"])):
        rows.add(LedgerImport(using_unit_id=unit.id, account_id=buyer.id, by_name="张", name="台账.xlsx", settings={}))
    rows.flush()

    assert merge(city, gone, heir).status_code == 204

    assert sorted(rows.scalars(select(LedgerImport.using_unit_id))) == sorted([heir.id, other.id])

    def holders(made):
        what = rows.scalars(select(Instrument.using_unit_id).where(Instrument.id == made["done"].instrument_id)).one()
        order = rows.get(type(appointment()), made["done"].appointment_id)
        return {
            what, order.using_unit_id, made["done"].using_unit_id, made["open"].using_unit_id,
            made["certificate"].using_unit_id, made["event"].using_unit_id, made["buyer"].organization_id,
        }  # fmt: skip

    assert (holders(moved), holders(stays)) == ({heir.id}, {other.id})
    assert rows.get(type(appointment()), moved["done"].appointment_id).applicant == "老店"
    assert moved["certificate"].institution_id == lab.id


def test_merging_an_authority_into_the_one_above_takes_its_desk_its_people_and_what_stood_below(sign_in, rows):
    province = sign_in("ProvincialAdministrator", authority("33"))
    above, gone, county, beside = authority("33"), authority("3301"), authority("330106"), authority("3302")
    waiting = task(UNASSIGNED, desk=gone)
    elsewhere = task(UNASSIGNED, "330203", desk=beside)
    administrator, officer = account("CityAdministrator", gone), account("Supervisor", gone)
    token_of = sign_in("CityAdministrator", gone)

    assert merge(province, gone, above).status_code == 204

    assert (county.parent_id, county.path) == (above.id, f"{above.path}{county.id}/")
    assert (waiting.authority_id, elsewhere.authority_id) == (above.id, beside.id)
    assert [each.organization_id for each in (administrator, officer)] == [above.id] * 2
    assert [[role.name for role in each.roles] for each in (administrator, officer)] == [[], ["Supervisor"]]
    assert (gone.active, gone.merged_into_id, gone.path) == (False, above.id, f"{above.path}{gone.id}/")
    assert token_of.get("/organizations/").status_code == 302


def test_sessions_of_those_who_moved_have_ended(city, rows, sign_in):
    gone, heir = institution(), institution()
    moved, stays = sign_in("InstitutionClerk", gone), sign_in("InstitutionClerk", heir)

    assert merge(city, gone, heir).status_code == 204

    assert [person.get("/inbox/").status_code for person in (moved, stays)] == [302, 200]
    ended = select(AccountSession.ended_by).where(AccountSession.account_id == moved.account.id)
    assert rows.scalars(ended).all() == ["organization"]


@pytest.mark.parametrize("target", ["330106", "330105", "3302", "330122"])
def test_an_authority_is_not_merged_where_its_rows_would_be_seen_by_nobody(nation, rows, target):
    gone, heir = authority("3301"), authority(target)
    before = shape(gone)

    assert (merge(nation, gone, heir).status_code, shape(gone)) == (422, before)


def test_an_old_authority_of_the_same_region_is_merged_into_the_new(city, rows):
    old = authority("330106")
    old.active = False
    rows.flush()
    add(city, "authority", name="西湖新局", region_code="330106")

    assert merge(city, old, named(rows, "西湖新局")).status_code == 204


def test_a_merge_is_refused_in_words(city, rows):
    gone, itself = institution(), using_unit()
    other_kind, disabled = using_unit(), institution()
    disabled.active = False

    refused = [merge(city, gone, heir).status_code for heir in (gone, other_kind, disabled, authority("3301"))]

    assert refused == [422] * 4
    assert merge(city, itself, itself).status_code == 422
    assert merge(city, gone, institution(), understood="").status_code == 422
    assert merge(city, gone, institution(), reason="短").status_code == 422
    for forged in ("", "x", "0", "99999999", "１"):
        assert merge(city, gone, gone, into_id=forged).status_code == 422
    assert gone.active


def test_certificates_of_the_same_number_forbid_a_merge(city, rows):
    gone, heir = institution(), institution()
    certificate(task(CERTIFIED, to=gone), gone, no="SAME")
    certificate(task(CERTIFIED, to=heir), heir, no="SAME")

    answer = merge(city, gone, heir)

    assert (answer.status_code, gone.active) == (422, True)


def test_what_the_person_does_not_see_is_not_left_behind(city, nation, rows):
    gone, heir = institution(), institution()
    far = task(ACCEPTED, "510104", to=gone)

    assert (merge(city, gone, heir).status_code, far.institution_id, gone.active) == (422, gone.id, True)
    assert (merge(nation, gone, heir).status_code, far.institution_id) == (204, heir.id)


def test_what_was_merged_stays_as_it_is(city, rows):
    gone, heir = using_unit(), using_unit()
    merge(city, gone, heir)
    before = shape(gone)

    answers = [
        edit(city, gone, **UNIT, credit_code=code()), move(city, gone, region_code="330105"), merge(city, gone, heir),
    ]  # fmt: skip

    assert [answer.status_code for answer in answers] == [422] * 3
    assert (act(city, "enable", [gone]).status_code, shape(gone)) == (204, before)
    assert numbers_told(city) == [0, 1]


def test_tallies_are_right_after_a_merge(city, rows):
    gone, heir = institution(), institution()
    for each in (gone, gone, heir):
        task(OFFERED, to=each)
    tallies.rebuild()

    assert merge(city, gone, heir).status_code == 204

    assert tallies.differences() == []


def test_a_merge_costs_the_same_for_few_and_for_many(city, rows, statements):
    few_rows, many_rows, heir = institution(), institution(), institution()
    task(ACCEPTED, to=few_rows)
    for _ in range(30):
        task(ACCEPTED, to=many_rows)
        account(None, many_rows)
    with statements() as few:
        assert merge(city, few_rows, heir).status_code == 204
    rows.refresh(heir), rows.refresh(many_rows)
    with statements() as many:
        assert merge(city, many_rows, heir).status_code == 204

    assert len(many) == len(few)


def test_a_merge_forgets_no_column_that_names_an_organization():
    """A new table with such a column must say in mergers.py that it follows, or here why it does not."""
    stays = {
        ("event", "by_organization_id"): "who did it then",
        ("institution", "organization_id"): "what the organization was",
        ("using_unit", "organization_id"): "what the organization was",
        ("organization", "merged_into_id"): "history",
        ("issuing_rule", "institution_id"): "the heir has its own",
        ("certificate_number", "institution_id"): "the heir has its own",
        ("publication_rule", "authority_id"): "the heir has its own",
        ("alarm_threshold", "authority_id"): "the heir has its own",
        ("institution_version", "institution_id"): "what was known of it then",
        ("tally", "using_unit_id"): "always empty",
        ("month_end", "using_unit_id"): "always empty",
        ("month_end", "institution_id"): "always empty",
        ("weekly_capacity", "institution_id"): "follows where the heir has none",
        ("tally", "institution_id"): "follows beside the others, past the jurisdiction",
        ("ledger_import", "using_unit_id"): "follows beside the others, past what an authority sees",
    }
    names = ("organization_id", "institution_id", "using_unit_id", "authority_id", "merged_into_id")
    naming = {
        (table.name, column.name)
        for table in Model.metadata.tables.values()
        for column in table.columns
        if column.name.endswith(names) or any(key.column.table.name == "organization" for key in column.foreign_keys)
    }
    following = {
        (inspect(column.class_).local_table.name, column.key)
        for columns in mergers.FOLLOWING.values()
        for column in columns.values()
    }

    assert naming - following - stays.keys() == set()


# --- Disabling and enabling ----------------------------------------------------------------------


def test_disabling_ends_sessions_and_hides_everything_until_it_is_enabled(city, rows, sign_in):
    lab, other = institution(), institution()
    task(OFFERED, to=other)
    clerk, stays = sign_in("InstitutionClerk", lab), sign_in("InstitutionClerk", other)

    assert act(city, "disable", [lab], reason=REASON).status_code == 204

    assert (lab.active, clerk.get("/inbox/").status_code, stays.get("/inbox/").status_code) == (False, 302, 200)
    assert told(rows, lab) == [("disable", {"reason": REASON})]
    assert act(city, "enable", [lab]).status_code == 204
    assert (lab.active, [action for action, _detail in told(rows, lab)]) == (True, ["disable", "enable"])


def test_several_are_disabled_at_once_and_both_numbers_told(city, rows):
    mine, done, foreign = using_unit(), using_unit(), using_unit("330203")
    done.active = False

    assert act(city, "disable", [mine, done, foreign], reason=REASON).status_code == 204

    assert numbers_told(city) == [1, 2]
    assert [each.active for each in (mine, done, foreign)] == [False, False, True]
    assert told(rows, foreign) == []


def test_all_that_match_a_filter_are_disabled(city, rows):
    units, lab, foreign = [using_unit() for _ in range(3)], institution(), using_unit("330203")

    answer = post(city, "disable", [], selection="all", filter="kind=using_unit", expected="3", reason=REASON)

    assert (answer.status_code, [each.active for each in (*units, lab, foreign)]) == (
        204,
        [False, False, False, True, True],
    )


def test_an_authority_with_others_below_or_with_waiting_tasks_is_not_disabled(sign_in, rows):
    province = sign_in("ProvincialAdministrator", authority("33"))
    here, county = authority("3301"), authority("330106")
    waiting = task(UNASSIGNED, desk=county)

    assert (act(province, "disable", [here], reason=REASON).status_code, here.active) == (422, True)
    assert (act(province, "disable", [county], reason=REASON).status_code, county.active) == (422, True)
    rows.execute(update(Task).where(Task.id == waiting.id).values(authority_id=authority("33").id))
    assert act(province, "disable", [here, county], reason=REASON).status_code == 204
    assert (here.active, county.active) == (False, False)


def test_an_institution_with_open_tasks_is_not_disabled_wherever_they_are(city, rows):
    lab = institution()
    far = task(ACCEPTED, "510104", to=lab)
    task(CERTIFIED, to=lab)

    refused = act(city, "disable", [lab], reason=REASON)

    assert (refused.status_code, "1" in refused.text, lab.active) == (422, True, True)
    rows.execute(update(Task).where(Task.id == far.id).values(state="withdrawn"))
    assert act(city, "disable", [lab], reason=REASON).status_code == 204


@pytest.mark.parametrize("reason", ["", "短", "长" * 201])
def test_disabling_owes_a_reason(city, rows, reason):
    unit = using_unit()

    assert (act(city, "disable", [unit], reason=reason).status_code, unit.active) == (422, True)


def test_enabling_is_refused_while_the_superior_is_disabled_or_the_place_is_taken(sign_in, rows):
    province = sign_in("ProvincialAdministrator", authority("33"))
    here, county = authority("3301"), authority("330106")
    here.active = county.active = False
    rows.flush()

    assert (act(province, "enable", [county]).status_code, county.active) == (422, False)
    assert act(province, "enable", [county, here]).status_code == 204
    assert act(province, "disable", [county], reason=REASON).status_code == 204
    assert add(province, "authority", name="西湖新局", region_code="330106").status_code == 204
    assert (act(province, "enable", [county]).status_code, county.active) == (422, False)


def test_enabling_does_not_make_a_namesake(city, rows):
    old, new = using_unit(name="西湖水务"), using_unit(name="西湖水务")
    old.active = False

    assert (act(city, "enable", [old]).status_code, old.active, new.active) == (422, False, True)


# --- One's own, one's superior, one's neighbour --------------------------------------------------


def everything_to(person, row, heir):
    """Try every action on a row. The status codes."""
    return {
        "edit": edit(person, row, name="改名", **{**UNIT, **INSTITUTION}, credit_code=code()).status_code,
        "move": move(person, row, region_code="330105", parent_id=str(authority("33").id)).status_code,
        "merge": merge(person, row, heir).status_code,
        "show": person.get(f"/organizations/show/{row.id}").status_code,
        **{
            f"dialog {name}": person.open("organizations", name, [row.id]).status_code
            for name in ("edit", "move", "merge")
        },
    }


@pytest.mark.parametrize(
    "make", [lambda: authority("330106"), institution, using_unit], ids=["authority", "institution", "unit"]
)
@pytest.mark.parametrize("neighbour", ["3302", "330105", "51"])
def test_a_neighbour_finds_nothing_and_changes_nothing(sign_in, rows, make, neighbour):
    row = make()
    role = {2: "ProvincialAdministrator", 4: "CityAdministrator", 6: "CountyAdministrator"}[len(neighbour)]
    person = sign_in(role, authority(neighbour))
    before = shape(row)

    assert set(everything_to(person, row, row).values()) == {404}
    assert act(person, "disable", [row], reason=REASON).status_code == 204
    assert act(person, "enable", [row]).status_code == 204
    assert numbers_told(person) == [0, 1]
    assert (shape(row), told(rows, row), row.id in listed(person.get("/organizations/"))) == (before, [], False)


def test_a_foreign_organization_is_neither_heir_nor_superior(city, rows):
    mine, foreign = institution(), institution("330203")
    county, theirs = authority("330106"), authority("33")

    assert merge(city, mine, foreign).status_code == 422
    assert move(city, county, parent_id=str(theirs.id)).status_code == 422
    assert move(city, mine, region_code="330106", parent_id=str(theirs.id)).status_code == 422
    assert (mine.active, county.parent_id) == (True, authority("3301").id)


def test_nobody_changes_his_own_organization_or_the_one_above(city, rows):
    own, above = authority("3301"), authority("33")
    before = shape(own), shape(above)

    own_answers = everything_to(city, own, authority("33"))
    above_answers = everything_to(city, above, own)
    disabled = act(city, "disable", [own, above], reason=REASON)

    assert {name: status for name, status in own_answers.items() if status not in (200, 422)} == {}
    assert [own_answers[name] for name in ("edit", "move", "merge")] == [422] * 3
    assert set(above_answers.values()) == {404}
    assert disabled.status_code == 422
    assert act(city, "disable", [above], reason=REASON).status_code == 204
    assert (shape(own), shape(above)) == before


@pytest.mark.parametrize("ids", ["0", "-1", "x", "99999999999999999999", "1 or 1=1", "１"])
@pytest.mark.parametrize("name", ACTIONS)
def test_forged_ids(city, rows, ids, name):
    answer = post(city, name, [ids], reason=REASON, revision="1", name="改名")

    assert answer.status_code in (204, 400, 404, 422)
    assert told(rows, authority("3301")) == []


def test_nothing_ticked_and_too_much_ticked(city, rows):
    unit = using_unit()
    assert post(city, "disable", [], reason=REASON).status_code == 422
    assert post(city, "disable", [unit.id] * 1001, reason=REASON).status_code == 400
    assert post(city, "edit", [unit.id, authority("3301").id], revision="1", name="改").status_code == 422


# --- 新疆 and the 兵团 ----------------------------------------------------------------------------


@pytest.fixture
def bingtuan(rows):
    """新疆 with a county, and the 兵团 with one of its cities."""
    top, region = authority(""), authority("65")
    corps = Organization(
        kind="authority", name="新疆生产建设兵团市场监督管理局", level="province", region_code="650000",
        parent_id=top.id, path="/", jurisdiction="6590",
    )  # fmt: skip
    rows.add(corps)
    rows.flush()
    corps.path = f"{top.path}{corps.id}/"
    rows.flush()
    return region, corps


def test_the_corps_cities_stand_below_the_corps(sign_in, nation, rows, bingtuan):
    region, corps = bingtuan
    there = sign_in("ProvincialAdministrator", corps)

    assert add(nation, "authority", name="石河子市局", region_code="659001").status_code == 204
    assert add(there, "authority", name="阿拉尔市局", region_code="659002").status_code == 204
    assert add(nation, "authority", name="乌鲁木齐市局", region_code="650100").status_code == 204

    parents = {name: named(rows, name).parent_id for name in ("石河子市局", "阿拉尔市局", "乌鲁木齐市局")}
    assert parents == {"石河子市局": corps.id, "阿拉尔市局": corps.id, "乌鲁木齐市局": region.id}
    assert named(rows, "石河子市局").path == f"{corps.path}{named(rows, '石河子市局').id}/"


def test_the_region_and_the_corps_do_not_manage_each_other(sign_in, rows, bingtuan):
    region, corps = bingtuan
    here, there = sign_in("ProvincialAdministrator", region), sign_in("ProvincialAdministrator", corps)
    add(there, "authority", name="石河子市局", region_code="659001")
    add(here, "authority", name="乌鲁木齐市局", region_code="650100")
    mine, theirs = using_unit("650102"), using_unit("659001")
    corps_city, region_city = named(rows, "石河子市局"), named(rows, "乌鲁木齐市局")

    assert listed(here.get("/organizations/")) == [region.id, region_city.id, mine.id]
    assert listed(there.get("/organizations/")) == [corps.id, corps_city.id, theirs.id]
    for person, foreign in ((here, corps_city), (here, theirs), (here, corps), (there, region_city), (there, mine)):
        assert set(everything_to(person, foreign, foreign).values()) == {404}
        assert act(person, "disable", [foreign], reason=REASON).status_code == 204
        assert foreign.active
    assert add(here, "using_unit", name="某厂", region_code="659001", credit_code=code(), **UNIT).status_code == 422
    assert add(there, "using_unit", name="某厂", region_code="650102", credit_code=code(), **UNIT).status_code == 422


def test_the_corps_is_not_put_below_or_merged_into_the_region(nation, rows, bingtuan):
    region, corps = bingtuan
    add(nation, "authority", name="石河子市局", region_code="659001")
    city_ = named(rows, "石河子市局")

    assert move(nation, corps, parent_id=str(region.id)).status_code == 422
    assert move(nation, city_, parent_id=str(region.id)).status_code == 422
    assert merge(nation, corps, region).status_code == 422
    assert move(nation, city_, parent_id=str(authority("").id)).status_code == 204


# --- The tree ------------------------------------------------------------------------------------


def nodes(answer):
    return [(node["id"], node["kind"], node["has_children"]) for node in answer.json["nodes"]]


def test_the_tree_opens_level_by_level(city, rows):
    here, county, empty = authority("3301"), authority("330106"), authority("330105")
    below, parentless, unit, old = institution(), institution(), using_unit(), using_unit()
    below.parent_id, below.path = county.id, f"{county.path}{below.id}/"
    old.active = False

    top = city.get("/organizations/tree?parent=")
    second = city.get(f"/organizations/tree?parent={here.id}")
    third = city.get(f"/organizations/tree?parent={county.id}")

    assert nodes(top) == [(here.id, "authority", True)]
    assert nodes(second) == [(empty.id, "authority", False), (county.id, "authority", True)]
    assert nodes(third) == [
        (below.id, "institution", False), (parentless.id, "institution", False), (unit.id, "using_unit", False),
    ]  # fmt: skip
    assert (third.json["more"], third.json["nodes"][0]["name"]) == (False, below.name)


def test_the_tree_is_searched_within_the_jurisdiction(city, rows):
    mine, _foreign = using_unit(name="西湖水务集团"), using_unit("330203", "宁波水务集团")

    for term in ("水务", "水务集团"):
        assert nodes(city.get(f"/organizations/tree?q={term}")) == [(mine.id, "using_unit", False)]
    assert nodes(city.get("/organizations/tree?q=水")) == []


@pytest.mark.parametrize("parent", ["33", "3302", "51"])
def test_the_tree_does_not_open_what_is_not_ones_own(city, rows, parent):
    authority("330203"), authority("5101")

    assert nodes(city.get(f"/organizations/tree?parent={authority(parent).id}")) == []


def test_a_county_with_many_units_says_that_there_are_more(city, rows):
    county = authority("330106")
    for _ in range(201):
        using_unit()

    answer = city.get(f"/organizations/tree?parent={county.id}").json

    assert (len(answer["nodes"]), answer["more"]) == (200, True)


@pytest.mark.parametrize("query", ["parent=x", "parent=99999999", "parent=-1", "q=%25%25", "q=" + "长" * 500])
def test_a_forged_question_to_the_tree(city, query):
    assert city.get(f"/organizations/tree?{query}").status_code == 200


def test_the_tree_and_the_choices_are_for_administrators(sign_in, stranger):
    officer = sign_in("Supervisor", authority("330106"))

    assert [officer.get(f"/organizations/{what}").status_code for what in ("tree", "options")] == [403, 403]
    assert [stranger.get(f"/organizations/{what}").status_code for what in ("tree", "options")] == [302, 302]


def test_the_choices_are_active_organizations_of_a_kind_in_ones_care(city, rows):
    mine, itself, disabled = institution(), institution(), institution()
    disabled.active = False
    institution("330203"), using_unit()

    found = city.get(f"/organizations/options?kind=institution&but={itself.id}").json["options"]

    assert [option["value"] for option in found] == [str(mine.id)]


# --- One organization ----------------------------------------------------------------------------


def test_the_drawer_tells_what_is_below_who_is_there_and_what_happened(city, rows):
    county = authority("330106")
    lab, officer = institution(name="西湖所"), account("Supervisor", county, first_name="方晓敏", position="科长")
    lab.parent_id, lab.path = county.id, f"{county.path}{lab.id}/"
    edit(city, county, name="西湖新局")

    text = city.get(f"/organizations/show/{county.id}", headers={"HX-Request": "true"}).text

    shown = ("西湖新局", "西湖所", "方晓敏", officer.username, "科长", "330106市场监督管理局 → 西湖新局")
    assert [part in text for part in shown] == [True] * len(shown)


def test_the_drawer_tells_what_was_merged_into_what(city, rows):
    gone, heir = using_unit(name="老店"), using_unit(name="新店")
    merge(city, gone, heir)

    old, new = (city.get(f"/organizations/show/{each.id}").text for each in (gone, heir))

    assert (f"/organizations/show/{heir.id}" in old, f"/organizations/show/{gone.id}" in new) == (True, True)
    assert REASON in old


def test_the_drawer_costs_the_same_for_few_and_for_many(city, statements):
    county = authority("330106")
    account("Supervisor", county)
    with statements() as few:
        city.get(f"/organizations/show/{county.id}")
    for _ in range(20):
        account("Supervisor", county)
        using_unit()
    with statements() as many:
        city.get(f"/organizations/show/{county.id}")

    assert len(many) == len(few)


def test_an_import_adds_and_disables_without_a_person(rows):
    authority("3301")

    new = organizations.add_using_unit("西湖水务", "330106", EVERYTHING, UNIT, credit_code=code())
    outcome = organizations.disable([new.id], REASON, EVERYTHING)

    assert (new.region_code, new.path, outcome) == ("330106", f"/{new.id}/", Outcome(1, 1))


# --- Two at once ---------------------------------------------------------------------------------


def at_once(office, people, action, **fields):
    """Everybody presses the button at the same moment, on a connection of his own. The status codes, sorted."""
    barrier = Barrier(len(people))

    def press(person):
        barrier.wait()
        data = {"selection": "ids", "csrf_token": person.token, **fields}
        return person.client.post(f"/organizations/act/{action}", data=data, buffered=True).status_code

    with ThreadPoolExecutor(len(people)) as pool:
        return sorted(pool.map(press, people))


@pytest.fixture
def administrators(office):
    people = []
    for _ in range(4):
        person = account("CityAdministrator", authority("3301"))
        session_token = sessions.start(person, confirmed=True, address="127.0.0.1", device="pytest")
        db.session.commit()
        client = office.test_client()
        with client.session_transaction() as session:
            session.update({"_user_id": session_token, "_fresh": True, "locale": "zh"})
        token = Context().run(lambda client=client: client.get("/session/token").json["token"])
        people.append(Person(client, person, token))
    return people


def test_of_those_who_add_the_same_at_once_one_adds_it(office, administrators):
    assert at_once(office, administrators, "add_authority", name="西湖局", region_code="330106") == [303, 422, 422, 422]
    unit = {"name": "西湖药店", "region_code": "330106", **UNIT, "nature": "person", "credit_code": ""}
    assert at_once(office, administrators, "add_using_unit", **unit) == [303, 422, 422, 422]


def test_of_those_who_merge_the_same_at_once_one_merges_it(office, administrators):
    gone, heir = using_unit(), using_unit()
    db.session.commit()
    fields = {"id": str(gone.id), "into_id": str(heir.id), "reason": REASON, "understood": "y"}

    assert at_once(office, administrators, "merge", **fields) == [303, 422, 422, 422]
