"""数据查询: seven pages that look at everything of one's area, and at nothing of a neighbour's; persons are masked."""

import csv
import html
import io
import json
import re
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from openpyxl import load_workbook
from sqlalchemy import func, select, text, update

from app.access import EVERYTHING, Principal
from app.counting import punctuality
from app.domain import holidays
from app.fabkit.filters import PERIODS, TO_COME, period
from app.models import Certificate, Event, db
from app.seeding.organizations import credit_code
from app.states import (
    ACCEPT,
    APPROVE,
    CERTIFIED,
    DRAFT,
    OFFERED,
    REFUSED,
    RETURN,
    STOP,
    TIME_OUT,
    TO_APPROVE,
    UNASSIGNED,
    VERIFYING,
)
from app.workflow import fire
from tests.factories import (
    BLOOD_PRESSURE,
    appointment,
    authority,
    capability,
    certificate,
    institution,
    instrument,
    kind,
    measurement_standard,
    staff_member,
    task,
    unit_of,
)
from tests.test_local_institutions import facts

PAGES = {
    "instruments": "没有符合条件的器具",
    "appointments": "没有符合条件的预约单",
    "certificates": "没有符合条件的证书",
    "institutions": "没有符合条件的检定机构",
    "units": "没有符合条件的使用单位",
    "standards": "没有符合条件的社会公用计量标准",
    "steps": "没有符合条件的办理记录",
}
# The pages with something of a person, and whose name and number that is in the rows of `world`.
OF_PERSONS = {
    "appointments": "张三丰",
    "institutions": "王计量",
    "units": "李四光",
    "standards": "赵标准",
    "steps": "周批准",
}
TELEPHONES = re.compile("13812345678|13911112222|13733334444")


@pytest.fixture
def analyst(sign_in, rows):
    return sign_in("Analyst", authority("3301"))


@pytest.fixture
def head(sign_in, rows):
    return sign_in("Supervisor", authority("3301"))


def world(region="330106"):
    """One row for each page, of one using unit and one institution of a county."""
    unit = unit_of(region=region, name=f"市民医院{region}", contact="李四光", phone="13733334444")
    lab = institution(region, f"检测院{region}", contact="王计量", phone="13911112222")
    order = appointment(region, unit, contact="张三丰", phone="13812345678")
    done = task(TO_APPROVE, region, order=order, to=lab, what=instrument(region, unit))
    step = stepped(APPROVE, done, by="周批准", told=punctuality, finished_at=func.now())
    return {
        "instruments": done.instrument_id,
        "appointments": order.id,
        "certificates": certificate(done).id,
        "institutions": lab.id,
        "units": unit.id,
        "standards": measurement_standard(lab, keeper="赵标准", category="length").id,
        "steps": step.id,
    }


def stepped(step, of, by="周受理", at=None, **values):
    """What was done of a task, as its history has it."""
    fire(step, [of.id], Principal("everything", name=by, organization="西湖计量所"), **values)
    written = select(Event).where(Event.subject_id == of.id, Event.step == step.name)
    event = db.session.scalars(written.order_by(Event.id.desc()).limit(1)).one()
    if at:
        db.session.execute(update(Event).where(Event.id == event.id).values(at=at))
        db.session.refresh(event)
    return event


def ids(page):
    return [int(found) for found in re.findall(r'data-id="(\d+)"', page.text)]


def sheet(person, page, kind="csv", **fields):
    answer = person.post(f"/queries/{page}/export", {"selection": "all", "filter": "", "format": kind, **fields})
    assert answer.status_code == 200, answer.text
    if kind == "csv":
        return list(csv.reader(io.StringIO(answer.data.decode("utf-8-sig"))))
    book: Any = load_workbook(io.BytesIO(answer.data))
    return [[_as_shown(cell) for cell in row] for row in book.active.iter_rows()]


def _as_shown(cell):
    if isinstance(cell.value, datetime):
        return cell.value.strftime("%Y-%m-%d" if cell.number_format == "yyyy-mm-dd" else "%Y-%m-%d %H:%M")
    return "" if cell.value is None else str(cell.value).removesuffix(".0")


def show_columns(person, page, *names):
    person.post(f"/queries/{page}/columns", {"column": list(names)})


def shown(page):
    """The rows of a list as they stand on the page."""
    body = page.text.split("<tbody", 1)[1].split("</tbody>", 1)[0]
    cells = [re.findall(r'<td class="[^"]*" data-label=[^>]*>(.*?)</td>', row, re.S) for row in body.split("<tr")[1:]]
    return [[re.sub(r"<[^>]*>", "", cell).strip() for cell in row] for row in cells]


# --- Rows ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES)
def test_a_page_shows_the_rows_of_ones_area_and_no_others(analyst, page):
    here = world()
    world("510104")

    assert ids(analyst.get(f"/queries/{page}/")) == [here[page]]
    assert len(sheet(analyst, page)) == 2


@pytest.mark.parametrize("page", PAGES)
def test_a_neighbour_finds_nothing_by_any_way(sign_in, page):
    foreign, neighbour = world(), sign_in("Supervisor", authority("5101"))
    ticked = {"selection": "ids", "id": foreign[page]}

    assert neighbour.get(f"/queries/{page}/show/{foreign[page]}").status_code == 404
    assert PAGES[page] in neighbour.get(f"/queries/{page}/?region=330106").text
    assert (len(sheet(neighbour, page)), len(sheet(neighbour, page, **ticked))) == (1, 1)


@pytest.mark.parametrize("role", ["AssignmentOfficer", "PublicationOfficer", "Auditor"])
def test_who_has_no_query_role_opens_no_query(sign_in, role):
    person = sign_in(role, authority("330106"))

    assert {person.get(f"/queries/{page}/").status_code for page in PAGES} == {403}
    assert "数据查询" not in person.get("/me/").text


def test_drafts_of_using_units_are_not_asked_about(analyst):
    draft = task(DRAFT)

    assert ids(analyst.get("/queries/appointments/")) == []
    assert analyst.get(f"/queries/appointments/show/{draft.appointment_id}").status_code == 404


def test_how_many_instruments_a_unit_has_is_told_wherever_they_are(analyst):
    unit = unit_of()
    overdue = {"verification_state": "overdue", "valid_until": date(2024, 1, 1)}
    instrument("330106", unit, **overdue)
    instrument("330106", unit)
    instrument("510104", unit, **overdue)
    instrument("330106", unit, use_state="scrapped", **overdue)
    show_columns(analyst, "units", "instruments", "overdue")

    page = shown(analyst.get("/queries/units/"))

    assert [row[-2:] for row in page] == [["3", "2"]]
    assert [row[-2:] for row in sheet(analyst, "units")[1:]] == [["3", "2"]]


def test_an_instrument_of_a_unit_at_home_elsewhere_is_there_without_its_name(analyst):
    far = instrument("330106", unit_of(region="510104", name="成都物流"))
    show_columns(analyst, "instruments", "using_unit")

    assert (ids(analyst.get("/queries/instruments/")), sheet(analyst, "instruments")[1][-1]) == ([far.id], "")
    assert "成都物流" not in analyst.get("/queries/instruments/").text


# --- Details -------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES)
def test_details_tell_everything_about_a_row(head, page):
    row = world()[page]
    expected = {
        "instruments": "文三路100号", "appointments": "智能远传水表", "certificates": "JJG 162-2019",
        "institutions": "文三路1号", "units": "文三路9号", "standards": "U=0.2%（k=2）", "steps": "西湖计量所",
    }  # fmt: skip

    full, drawer = (
        head.get(f"/queries/{page}/show/{row}", headers=headers) for headers in ({}, {"HX-Request": "true"})
    )

    assert (expected[page] in full.text, expected[page] in drawer.text) == (True, True)


# --- Persons -------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", OF_PERSONS)
def test_persons_are_masked_on_the_page_in_details_and_in_sheets(analyst, head, page):
    row = world()[page]
    for person in (analyst, head):
        show_columns(person, page, "contact", "phone", "keeper", "legal_representative")

    def told(person):
        texts = (
            person.get(f"/queries/{page}/").text,
            person.get(f"/queries/{page}/show/{row}").text,
            str(sheet(person, page)),
            str(sheet(person, page, "xlsx")),
        )
        assert [bool(TELEPHONES.search(text)) for text in texts] == [False] * 4
        return [OF_PERSONS[page] in text for text in texts]

    assert (told(analyst), told(head)) == ([False] * 4, [True] * 4)


def test_a_mask_is_the_same_on_the_page_and_in_the_sheet(analyst):
    world()
    show_columns(analyst, "appointments", "contact", "phone")

    page = shown(analyst.get("/queries/appointments/"))[0][-2:]

    assert page == ["张**", "138****5678"]
    assert sheet(analyst, "appointments")[1][-2:] == page
    assert sheet(analyst, "appointments", "xlsx")[1][-2:] == page


@pytest.mark.parametrize("page", ["institutions", "local-institutions", "standards"])
def test_persons_are_masked_where_an_analyst_looks_besides(analyst, head, page):
    holder = institution(contact="王计量", phone="13911112222", legal_representative="陈建国")
    standard = measurement_standard(holder, keeper="赵标准", category="length")
    staff_member(holder, "高检定")
    code = credit_code("12", "330106", 78)
    changed = facts(contact="吴计量", phone="13933334444", credit_code=code, revision=holder.revision)
    assert head.act("local-institutions", "edit", [holder.id], **changed).status_code == 204
    row = standard.id if page == "standards" else holder.id
    secrets = re.compile("王计量|吴计量|1391111222|1393333444|陈建国|赵标准|高检定")

    def told(person):
        person.post(f"/{page}/columns", {"column": ["contact", "phone", "keeper"]})
        texts = [person.get(f"/{page}/").text, person.get(f"/{page}/show/{row}").text]
        texts.append(person.post(f"/{page}/export", {"selection": "all", "filter": "", "format": "csv"}).text)
        if page == "local-institutions":
            texts.append(person.open(page, "versions", [row]).text)
        return [bool(secrets.search(text)) for text in texts]

    assert not any(told(analyst))
    assert all(told(head))


def test_an_office_telephone_is_not_a_persons(analyst):
    institution(phone="0571-87654321")
    show_columns(analyst, "institutions", "phone")

    assert (shown(analyst.get("/queries/institutions/"))[0][-1], sheet(analyst, "institutions")[1][-1]) == (
        "0571-87654321",
        "0571-87654321",
    )


# --- Sheets --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
@pytest.mark.parametrize("page", PAGES)
def test_a_sheet_holds_what_the_page_shows(analyst, app, page, kind):
    world()
    world("330105")
    columns = _columns_of(app, page)
    show_columns(analyst, page, *columns)

    exported = sheet(analyst, page, kind)

    listed = shown(analyst.get(f"/queries/{page}/"))
    assert len(exported[0]) == len(columns)
    assert sorted(map(tuple, exported[1:])) == sorted(map(tuple, listed))


def _columns_of(app, page):
    route = f"/queries/{page}"
    view = next(view for view in app.extensions["kit"].baseviews if view.route_base == route)
    return [column.name for column in view.columns]


def test_ticked_rows_alone_are_exported(analyst):
    one, two = instrument(), instrument()

    exported = sheet(analyst, "instruments", selection="ids", id=[two.id])

    assert (len(exported), two.serial_no in str(exported), one.serial_no in str(exported)) == (2, True, False)


def test_an_export_follows_the_filter(analyst):
    instrument()
    medical = instrument(purpose="medical")

    assert [row for row in sheet(analyst, "instruments", filter="purpose=medical")[1:] if medical.serial_no in row] == (
        sheet(analyst, "instruments", filter="purpose=medical")[1:]
    )
    assert len(sheet(analyst, "instruments", filter="purpose=medical")) == 2


# --- Filters -------------------------------------------------------------------------------------


def test_instruments_are_filtered_by_what_is_known_of_them(analyst):
    unit, lab = unit_of(), institution()
    mine = instrument("330105", unit, valid_until=date(2026, 5, 1), last_verified_on=date(2025, 5, 2),
                      verification_state="valid", purpose="medical", origin="imported", delivery="on_site",
                      started_on=date(2020, 2, 2), filing_state="filed", of=BLOOD_PRESSURE)  # fmt: skip
    task(VERIFYING, "330105", to=lab, unit=unit, what=mine)
    instrument()
    asked = (
        "region=330105", f"item={kind(BLOOD_PRESSURE).id}", f"unit={unit.id}", f"institution={lab.id}",
        "verification=valid", "filing=filed", "purpose=medical", "delivery=on_site", "origin=imported",
        "until_from=2026-05-01&until_to=2026-05-01", "last_from=2025-05-02&last_to=2025-05-02",
        "started_to=2020-02-02", f"field=serial&q={mine.serial_no}", f"field=no&q={mine.instrument_no}",
    )  # fmt: skip

    assert {query for query in asked if ids(analyst.get(f"/queries/instruments/?{query}")) != [mine.id]} == set()


def test_instruments_are_filtered_by_how_they_fall_due(analyst):
    soon = holidays.today() + timedelta(days=10)
    verified: dict[str, Any] = {"filing_state": "filed"}
    due = instrument(verification_state="due_soon", valid_until=soon, **verified)
    late = instrument(verification_state="overdue", valid_until=date(2025, 1, 1), **verified)
    never = instrument()

    found = {value: ids(analyst.get(f"/queries/instruments/?due={value}")) for value in ("30", "overdue", "never")}

    assert found["overdue"] == [late.id]
    assert found["never"] == [never.id]
    assert found["30"] == [late.id, due.id]


def test_appointments_tell_how_far_they_have_got(analyst):
    finished, open_, refused = (appointment(no=f"YY33010600{n}", delivery="on_site") for n in range(3))
    lab = institution(name="西湖计量所")
    task(CERTIFIED, order=finished, to=lab, finished_at=finished.applied_at + timedelta(days=2))
    task(CERTIFIED, order=open_)
    task(OFFERED, order=open_, due_on=date(2025, 1, 1))
    task(REFUSED, order=refused, to=lab)
    asked = {
        "progress=finished": [finished.id],
        "progress=under_way": [open_.id],
        "progress=without_result": [refused.id],
        "late=late": [open_.id],
        "task=offered": [open_.id],
        f"unit={finished.using_unit_id}": [finished.id],
        "delivery=sent": [],
        "field=no&q=YY330106000": [finished.id],
    }

    assert {query: ids(analyst.get(f"/queries/appointments/?{query}")) for query in asked} == asked
    show_columns(analyst, "appointments", "institution", "days", "tasks", "open")
    row = shown(analyst.get("/queries/appointments/?progress=finished"))[0]
    assert row == ["已办结", finished.no, "1", "0", "西湖计量所", "2"]


def test_certificates_are_filtered_by_what_they_say(analyst):
    lab, unit = institution(), unit_of()
    done = task(CERTIFIED, to=lab, unit=unit, what=instrument(of=BLOOD_PRESSURE, unit=unit, purpose="medical"))
    mine = certificate(done, passed=False, kind="rejection", verified_on=date(2026, 3, 3), no="甲2026",
                       failures="示值超差", verification_kind="initial")  # fmt: skip
    certificate(task(CERTIFIED), valid_until=date(2027, 1, 14))
    asked = (
        "passed=failed", "document=rejection", "verification=initial", "purpose=medical", f"institution={lab.id}",
        f"unit={unit.id}", f"item={kind(BLOOD_PRESSURE).id}", "verified_from=2026-03-03&verified_to=2026-03-03",
        "field=no&q=甲2026",
    )  # fmt: skip

    assert {query for query in asked if ids(analyst.get(f"/queries/certificates/?{query}")) != [mine.id]} == set()
    assert ids(analyst.get("/queries/certificates/?publication=published")) == []


def test_certificates_name_the_standards_used(analyst):
    used = [{"id": 1, "name": "水表装置", "certificate_no": "1"}, {"id": 2, "name": "砝码", "certificate_no": "2"}]
    certificate(task(CERTIFIED), standards=used)
    show_columns(analyst, "certificates", "standards")

    assert shown(analyst.get("/queries/certificates/"))[0][-1] == "水表装置、砝码"


def test_institutions_are_filtered_by_what_they_can_do(analyst):
    able = institution(designation="authorized", authorized_until=date(2026, 6, 30))
    capability(able, of=BLOOD_PRESSURE)
    institution()
    asked = (
        f"item={kind(BLOOD_PRESSURE).id}", "designation=authorized", "authorized_to=2026-06-30",
        f"field=name&q={able.name}",
    )  # fmt: skip

    assert {query for query in asked if ids(analyst.get(f"/queries/institutions/?{query}")) != [able.id]} == set()


def test_standards_are_filtered_by_the_kinds_they_verify(analyst):
    lab = institution()
    mine = measurement_standard(lab, kinds=[kind(BLOOD_PRESSURE).id], public_valid_until=date(2026, 6, 30))
    measurement_standard(lab, kinds=[kind().id])
    show_columns(analyst, "standards", "kinds")

    assert ids(analyst.get(f"/queries/standards/?item={kind(BLOOD_PRESSURE).id}")) == [mine.id]
    assert ids(analyst.get("/queries/standards/?public_until_to=2026-06-30")) == [mine.id]
    assert shown(analyst.get("/queries/standards/?public_until_to=2026-06-30"))[0][-1] == BLOOD_PRESSURE


def test_using_units_are_offered_to_who_sees_them(analyst, sign_in):
    mine = unit_of(name="杭州人民医院")
    neighbour = sign_in("Analyst", authority("5101"))

    def offered(person, term):
        return [option["value"] for option in person.get(f"/options/units?q={term}").json["options"]]

    assert (offered(analyst, "人民"), offered(analyst, "人民医院"), offered(analyst, "人")) == (
        [str(mine.id)],
        [str(mine.id)],
        [],
    )
    assert (offered(neighbour, "人民"), offered(analyst, "%%%")) == ([], [])
    assert "没有该选项" in neighbour.get(f"/queries/instruments/?unit={mine.id}").text


def test_steps_are_filtered_by_what_was_done_where_when_and_for_whom(analyst):
    midnight = datetime.combine(holidays.today() - timedelta(days=3), datetime.min.time(), holidays.ZONE)
    unit, lab = unit_of(region="330105"), institution("330105")
    mine = task(OFFERED, "330105", to=lab, unit=unit, what=instrument("330105", unit, of=BLOOD_PRESSURE))
    returned = stepped(RETURN, mine, at=midnight - timedelta(minutes=1), reason="超出授权范围", institution_id=None)
    other = stepped(ACCEPT, task(OFFERED), at=midnight)
    of_an_instrument = stepped(STOP, instrument("330105", unit, filing_state="filed"))
    day_before = midnight.date() - timedelta(days=1)
    asked = (
        "region=330105", f"item={kind(BLOOD_PRESSURE).id}", f"unit={unit.id}", f"institution={lab.id}", "step=return",
        "step=return&step=withdraw", f"at_from={day_before}&at_to={day_before}", f"at_to={day_before}",
    )  # fmt: skip

    assert {query for query in asked if ids(analyst.get(f"/queries/steps/?{query}")) != [returned.id]} == set()
    assert ids(analyst.get("/queries/steps/")) == [other.id, returned.id]
    assert ids(analyst.get("/queries/steps/?sort=at")) == [returned.id, other.id]
    assert ids(analyst.get("/queries/steps/?step=accept&step=return")) == [other.id, returned.id]
    assert analyst.get(f"/queries/steps/show/{of_an_instrument.id}").status_code == 404


def test_steps_of_every_kind_and_province_stand_in_one_order(sign_in, rows):
    now, made = datetime.now(UTC), []
    for number in range(24):
        step, county = ((ACCEPT, RETURN)[number % 2], ("330106", "510104", "330203")[number % 3])
        values = {"reason": "超出授权范围", "institution_id": None} if step is RETURN else {}
        made.append(stepped(step, task(OFFERED, county), at=now - timedelta(minutes=number), **values).id)
    nation, province = (sign_in("Analyst", authority(each)) for each in ("", "33"))

    assert [ids(nation.get(f"/queries/steps/?page={page}")) for page in (1, 2)] == [made[:20], made[20:]]
    assert ids(nation.get("/queries/steps/?region=510000")) == made[1::3]
    assert ids(province.get("/queries/steps/")) == [id for number, id in enumerate(made) if number % 3 != 1]
    assert ids(nation.get("/queries/steps/?step=return&region=330000")) == sorted(made[3::6] + made[5::6])


def test_steps_tell_what_was_late_and_how_long_it_took(analyst):
    today, began = holidays.today(), datetime.now(UTC) - timedelta(days=6)
    late, in_time = (
        stepped(APPROVE, task(TO_APPROVE, due_on=today + timedelta(days=days), accepted_at=began),
                told=punctuality, finished_at=func.now())
        for days in (-1, 1)
    )  # fmt: skip
    stepped(ACCEPT, task(OFFERED))
    show_columns(analyst, "steps", "late", "days")

    found = {value: ids(analyst.get(f"/queries/steps/?late={value}")) for value in ("late", "in_time")}

    assert found == {"late": [late.id], "in_time": [in_time.id]}
    told = [["", ""], ["按时", "6"], ["超期", "6"]]
    assert [row[-2:] for row in shown(analyst.get("/queries/steps/"))] == told
    assert [row[-2:] for row in sheet(analyst, "steps")[1:]] == told


def test_the_details_of_a_step_tell_the_whole_history_of_its_task(analyst, head):
    one = task(OFFERED)
    accepted = stepped(ACCEPT, one, by="周受理")
    stepped(RETURN, one, by="吴退回", reason="超出授权范围", institution_id=None)

    seen = [person.get(f"/queries/steps/show/{accepted.id}").text for person in (analyst, head)]

    assert [[name in page for name in ("周受理", "吴退回", "周**", "吴**")] for page in seen] == [
        [False, False, True, True],
        [True, True, False, False],
    ]
    assert [page.count("history-reason") for page in seen] == [1, 1]


# --- Periods -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "today", "expected"),
    [
        ("today", "2026-02-28", ("2026-02-28", "2026-02-28")),
        ("this_week", "2026-03-01", ("2026-02-23", "2026-03-01")),
        ("this_week", "2026-03-02", ("2026-03-02", "2026-03-08")),
        ("this_month", "2024-02-10", ("2024-02-01", "2024-02-29")),
        ("this_month", "2026-12-31", ("2026-12-01", "2026-12-31")),
        ("last_month", "2026-01-31", ("2025-12-01", "2025-12-31")),
        ("last_month", "2026-03-31", ("2026-02-01", "2026-02-28")),
        ("this_year", "2026-07-01", ("2026-01-01", "2026-12-31")),
        ("last_30_days", "2026-03-01", ("2026-01-31", "2026-03-01")),
        ("next_30_days", "2026-01-31", ("2026-01-31", "2026-03-01")),
    ],
)
def test_a_period_is_counted_from_today(name, today, expected):
    assert tuple(map(str, period(name, date.fromisoformat(today)))) == expected


def test_a_period_is_of_the_day_it_is_in_china(analyst):
    """Between midnight in Shanghai and midnight in London it is today already."""
    start = datetime.combine(holidays.today(), datetime.min.time(), holidays.ZONE)
    first = appointment(applied_at=start + timedelta(minutes=1))
    before = appointment(applied_at=start - timedelta(minutes=1))
    for order in (first, before):
        task(UNASSIGNED, order=order)

    assert ids(analyst.get("/queries/appointments/?applied=today")) == [first.id]
    assert ids(analyst.get("/queries/appointments/?applied=last_30_days")) == [first.id, before.id]


def test_a_period_stays_in_the_address_by_its_name(analyst):
    instrument(valid_until=holidays.today() + timedelta(days=3))

    page = analyst.get("/queries/instruments/?until=next_30_days&size=20")

    assert 'data-query="until=next_30_days"' in page.text
    assert len(ids(page)) == 1
    assert len(sheet(analyst, "instruments", filter="until=next_30_days")) == 2
    assert '<option value="next_30_days" selected>' in page.text


@pytest.mark.parametrize("query", ["until=someday", "until=next_30_days%27", "entered=next_30_days"])
def test_an_unknown_period_is_left_out_and_said(analyst, query):
    one = instrument()

    page = analyst.get(f"/queries/instruments/?{query}")

    assert ("没有该选项" in page.text, ids(page)) == (True, [one.id])


def test_every_dates_filter_offers_the_periods(analyst):
    page = analyst.get("/queries/instruments/").text

    assert {page.count(f'<option value="{name}">') for name in PERIODS} == {4}
    assert {page.count(f'<option value="{name}">') for name in TO_COME} == {1}


# --- Cost ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES)
def test_a_query_costs_the_same_for_one_and_for_many_rows(analyst, statements, page):
    def cost():
        with statements() as seen:
            assert analyst.get(f"/queries/{page}/?size=200").status_code == 200
        return len(seen)

    world()
    few = cost()
    for region in ("330106", "330105", "330102") * 4:
        world(region)

    assert cost() == few


LISTS = {"instrument": "id", "appointment": "applied_at, id", "certificate": "verified_on, id"}


PLACES = ("true", "left(city_code, 2) = '33'", "city_code = '330100'", "region_code = '330106'")
A_LANE = "subject = 'task' AND left(city_code, 2) = '33' AND step = 'accept'"


@pytest.mark.parametrize(
    ("table", "place", "order"),
    [
        *((table, place, order) for table, order in LISTS.items() for place in PLACES),
        ("event", A_LANE, "at, id"),
    ],
)
def test_each_list_is_walked_in_the_order_of_an_index(rows, table, place, order):
    rows.execute(text("SET LOCAL enable_seqscan = off"))
    rows.execute(text("SET LOCAL enable_sort = off"))
    backwards = order.replace(",", " DESC,") + " DESC"

    walk = f"SELECT id FROM {table} WHERE {place} ORDER BY {backwards} LIMIT 20"
    plan = " ".join(rows.scalars(text(f"EXPLAIN {walk}")))

    assert ("Index" in plan, "Sort  (" in plan) == (True, False)  # a Merge Append has a key as well


def test_a_certificate_of_a_query_is_not_a_document_to_take_away(analyst, rows):
    found = certificate(task(CERTIFIED), issued_at=datetime(2026, 1, 20, tzinfo=UTC))

    assert analyst.get(f"/queries/certificates/document/{found.id}").status_code == 404
    assert rows.get(Certificate, found.id).file is None


# --- Conditions ----------------------------------------------------------------------------------


def by_conditions(person, *conditions, page="instruments", **more):
    query = urlencode([("if", each) for each in conditions] + list(more.items()))
    return person.get(f"/queries/{page}/?{query}")


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("model~contains~ab", ["one"]),
        ("model~begins~AB", ["one"]),
        ("model~begins~B", []),
        ("model~is~AB-1", ["one"]),
        ("model~contains~%", []),
        ("name~contains~血压", ["one"]),
        ("place~contains~钱塘江", ["one"]),
        ("approval~empty~", ["other"]),
        ("approval~filled~", ["one"]),
        ("cycle~is~12", ["one"]),
        ("cycle~from~12", ["one"]),
        ("cycle~to~11.5", []),
        ("cycle~empty~", ["other"]),
        ("purpose~is~medical", ["one"]),
        ("purpose~is_not~medical", ["other"]),
        ("valid_until~is~2026-05-01", ["one"]),
        ("valid_until~from~2026-05-02", []),
        ("valid_until~to~2026-05-01", ["one"]),
        ("valid_until~empty~", ["other"]),
        ("created_at~from~2020-01-01", ["one", "other"]),
        ("created_at~to~2020-01-01", []),
    ],
)
def test_a_condition_asks_by_the_type_of_its_column(analyst, condition, expected):
    named = {
        "one": instrument(of=BLOOD_PRESSURE, name="电子血压计", model="AB-1", cycle_months=12, purpose="medical",
                          use_place="钱塘江路1号", type_approval_no="CPA1", valid_until=date(2026, 5, 1)),
        "other": instrument(model="XY-2"),
    }  # fmt: skip
    names = {row.id: name for name, row in named.items()}
    instrument("510104", of=BLOOD_PRESSURE, model="AB-1", type_approval_no="CPA1")

    page = by_conditions(analyst, condition)

    assert (sorted(names[id] for id in ids(page)), "无法识别" in page.text) == (expected, False)


def test_all_or_any_of_several_hold(analyst):
    both, one, _neither = instrument(model="A1", purpose="medical"), instrument(model="A1"), instrument(model="B1")
    asked = ("model~is~A1", "purpose~is~medical")

    assert ids(by_conditions(analyst, *asked)) == [both.id]
    assert ids(by_conditions(analyst, *asked, match="any")) == [one.id, both.id]
    assert ids(by_conditions(analyst, *asked, match="any", delivery="on_site")) == []
    assert len(sheet(analyst, "instruments", filter=urlencode([("if", each) for each in asked]))) == 2


@pytest.mark.parametrize("page", sorted(PAGES.keys() - {"steps"}))  # nobody asks conditions of steps
@pytest.mark.parametrize("match", ["all", "any"])
def test_no_condition_reaches_a_neighbours_row(sign_in, page, match):
    world()
    neighbour = sign_in("Supervisor", authority("5101"))
    column = {"instruments": "model", "appointments": "no", "certificates": "no"}.get(page, "name")
    always = (f"{column}~filled~", f"{column}~empty~", f"{column}~is~x")

    assert PAGES[page] in by_conditions(neighbour, *always[: 1 if match == "all" else 3], page=page, match=match).text
    filters = urlencode([("if", each) for each in always] + [("match", "any")])
    assert len(sheet(neighbour, page, filter=filters)) == 1


@pytest.mark.parametrize(
    "condition",
    [
        "x", "~~", "model", "model~like~x", "model~contains~", "model~from~1", "password~is~x", "region~is~330106",
        "using_unit~is~x", "cycle~is~NaN", "cycle~is~1e99", "cycle~is~zwölf", "valid_until~is~31.12.2026",
        "valid_until~is~0001-01-01", "purpose~is~sold", "model~is~" + "x" * 101,
    ],
)  # fmt: skip
def test_what_is_wrong_in_a_condition_is_left_out_and_said(analyst, condition):
    one = instrument()

    page = by_conditions(analyst, condition)

    assert (page.status_code, ids(page), "有一个条件无法识别" in page.text) == (200, [one.id], True)
    answer = analyst.post("/queries/instruments/export",
                          {"selection": "all", "filter": urlencode({"if": condition}), "format": "csv"})  # fmt: skip
    assert (answer.status_code, answer.mimetype) == (302, "text/html")


def test_ten_conditions_are_read_and_no_more(analyst):
    instrument(model="A")

    assert "无法识别" not in by_conditions(analyst, *["model~is~A"] * 10).text
    assert "无法识别" in by_conditions(analyst, *["model~is~A"] * 11).text


@pytest.mark.parametrize("page", sorted(OF_PERSONS.keys() - {"steps"}))  # nobody asks conditions of steps
def test_nobody_is_found_by_what_is_masked(analyst, page):
    world()
    for column in ("contact", "phone", "keeper", "legal_representative"):
        assert "有一个条件无法识别" in by_conditions(analyst, f"{column}~filled~", page=page).text


def test_a_condition_asks_of_joined_tables(analyst):
    able = institution(employees=12, verifiers=3)
    unit_of("government")
    kept = unit_of("enterprise", address="钱江新城")
    mine = certificate(task(CERTIFIED, what=instrument(model="LXS-99")))
    certificate(task(CERTIFIED))

    found = by_conditions(analyst, "employees~from~10", page="institutions")
    assert ids(found) == [able.id]
    assert ids(by_conditions(analyst, "nature~is~enterprise", "address~contains~钱江", page="units")) == [kept.id]
    assert ids(by_conditions(analyst, "model~is~LXS-99", page="certificates")) == [mine.id]


def test_conditions_are_offered_with_their_types_and_words(analyst):
    page = by_conditions(analyst, "model~is~A").text

    told = json.loads(html.unescape(page.partition('data-conditions="')[2].partition('"')[0]))
    columns = {column["name"]: column for column in told["columns"]}
    assert told["given"] == ["model~is~A"]
    assert [columns[name]["kind"] for name in ("model", "cycle", "valid_until", "purpose")] == [
        "text", "number", "day", "choice",
    ]  # fmt: skip
    assert columns["purpose"]["options"]["medical"] == "医疗卫生"


@pytest.mark.parametrize("reader", ["head", "analyst"])
def test_a_step_that_nobody_took_is_told_to_have_come_by_itself(reader, request):
    person = request.getfixturevalue(reader)
    fire(TIME_OUT, [task(OFFERED).id], EVERYTHING, institution_id=None)
    show_columns(person, "steps", "by", "by_organization")

    assert [row[-2:] for row in shown(person.get("/queries/steps/"))] == [["系统自动", ""]]
    assert [row[-2:] for row in sheet(person, "steps")[1:]] == [["系统自动", ""]]
    (step,) = ids(person.get("/queries/steps/"))
    details = person.get(f"/queries/steps/show/{step}").text
    assert details.count("系统自动") == 2
    assert "system" not in re.findall(r">\s*(\w+)\s*<", details)
