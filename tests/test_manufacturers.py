"""生产厂家: one register of names for the nation; an instrument is known again under each name of its manufacturer."""

import re

import pytest
from sqlalchemy import func, select, text

from app.access import EVERYTHING, Principal
from app.domain import clockwork, holidays, ledger, manufacturers
from app.domain.credit_codes import check_digit, organization_check_digit
from app.domain.manufacturers import Entry
from app.models import AuditEntry, Instrument, Manufacturer, ManufacturerName, db
from app.views import IN_MENU
from tests import test_ledger
from tests.factories import authority, certificate, instrument, task, using_unit
from tests.test_imports import bring, scale

TODAY = holidays.today()
OLD, NEW = "鲁泰衡器厂", "鲁泰称重设备有限公司"


def credit_code(number: int) -> str:
    first = f"91330106{number:08d}"
    return (seventeen := first + organization_check_digit(first[8:])) + check_digit(seventeen)


@pytest.fixture
def officer(sign_in):
    return sign_in("CatalogueOfficer", authority(""))


@pytest.fixture
def unit(rows):
    return using_unit("330106")


@pytest.fixture
def clerk(sign_in, unit):
    return sign_in("UsingUnitClerk", unit)


def register(name: str, *former: str, code: str | None = None) -> Manufacturer:
    return manufacturers.add(Entry(name, former, code), EVERYTHING)


def entered(name: str, *, unit=None, number: int = 1) -> None:
    """Instruments by a manufacturer, in the ledger of one unit."""
    owner = unit or using_unit()
    for _ in range(number):
        instrument(unit=owner, manufacturer=name)


def learn() -> int:
    """The night; what it wrote is read anew."""
    new = manufacturers.learn(TODAY, EVERYTHING)
    db.session.expire_all()
    return new


def reported(name: str, *, units: int = 1) -> Manufacturer:
    for _ in range(units):
        entered(name)
    learn()
    return by_name(name)


def by_name(name: str) -> Manufacturer:
    found = db.session.scalars(select(ManufacturerName).where(ManufacturerName.name == name)).one()
    return db.session.get_one(Manufacturer, found.manufacturer_id)


def names(manufacturer: Manufacturer) -> list[str]:
    """The present name, then the former ones in the order of their text."""
    present, *former = [each.name for each in manufacturers.names_of(manufacturer.id)]
    return [present, *sorted(former)]


def register_now() -> dict[str, list[str]]:
    """Every manufacturer of the register: its present name, and its former ones."""
    every = [names(each) for each in db.session.scalars(select(Manufacturer))]
    return {present: former for present, *former in every}


def edit(officer, manufacturer: Manufacturer, **fields):
    known = {"revision": manufacturer.revision, "name": names(manufacturer)[0], **fields}
    return officer.act("manufacturers", "edit", [manufacturer.id], **known)


def merge(officer, *chosen: Manufacturer, keep: Manufacturer):
    return officer.act("manufacturers", "merge", [each.id for each in chosen], kept_id=keep.id)


def suggested(person, term: str) -> list[tuple[str, str]]:
    answer = person.get("/options/manufacturers", query_string={"q": term})
    return [(each["value"], each["present"]) for each in answer.json["options"]]


# --- Keeping the register ------------------------------------------------------------------------


def test_a_manufacturer_is_added_confirmed_with_its_names_and_code(officer, rows):
    code = credit_code(1)

    answer = officer.act(
        "manufacturers", "add", [], name=NEW, former_names=f"{OLD}\n\n 鲁泰衡器总厂 \n", credit_code=code
    )

    assert answer.status_code == 204
    new = by_name(NEW)
    assert (names(new), new.credit_code) == ([NEW, "鲁泰衡器厂", "鲁泰衡器总厂"], code)
    assert new.confirmed_at is not None
    entry = rows.scalars(select(AuditEntry).where(AuditEntry.subject == "manufacturer")).one()
    assert (entry.action, entry.subject_id, entry.subject_name) == ("add", new.id, NEW)
    assert entry.detail["after"] == f"{NEW}（{OLD}；鲁泰衡器总厂） {code}"


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"name": "鲁泰称重设备 有限公司"}, "name"),
        ({"name": "鲁泰衡器厂"}, "name"),
        ({"name": "新厂", "former_names": "新老厂\n鲁泰　衡器厂"}, "former_names"),
        ({"name": "新厂", "former_names": "—"}, "former_names"),
        ({"name": "新厂", "former_names": "厂" * 201}, "former_names"),
        ({"name": "新厂", "credit_code": credit_code(2)[:-1] + "?"}, "credit_code"),
        ({"name": "新厂", "credit_code": credit_code(1)}, "credit_code"),
        ({"name": ""}, "name"),
    ],
)
def test_each_name_and_each_code_belongs_to_one_manufacturer(officer, rows, fields, field):
    register(NEW, OLD, code=credit_code(1))

    answer = officer.act("manufacturers", "add", [], **fields)

    assert answer.status_code == 422
    helped = answer.text.split(f'id="{field}-help"')[1].split("</div>")[0]
    assert "field-error" in helped
    assert register_now() == {NEW: [OLD]}


def test_the_database_keeps_a_name_from_two_manufacturers(rows):
    register(NEW, OLD)
    other = Manufacturer()
    rows.add(other)
    rows.flush()
    rows.add(ManufacturerName(manufacturer_id=other.id, name="鲁泰 衡器厂", present=True))

    with pytest.raises(Exception, match="one_manufacturer_per_name"):
        rows.flush()
    rows.rollback()


def test_a_renamed_manufacturer_keeps_its_old_name_as_a_former_one(officer):
    known = register(OLD)

    assert edit(officer, known, name=NEW).status_code == 204
    assert names(known) == [NEW, OLD]
    assert edit(officer, known, name="鲁泰称重设备（有限公司）", former_names=OLD).status_code == 204
    assert edit(officer, known, name=OLD, former_names=f"{NEW}\n{OLD}").status_code == 204
    assert names(known) == [OLD, NEW, "鲁泰称重设备（有限公司）"]


def test_a_name_respelled_is_the_same_name(officer):
    known = register("鲁泰称重设备(有限)公司")

    assert edit(officer, known, name="鲁泰称重设备（有限）公司").status_code == 204
    assert names(known) == ["鲁泰称重设备（有限）公司"]


def test_a_former_name_taken_out_stands_by_itself_if_it_is_in_use(officer):
    known = register(NEW, OLD, "从未用过的名称")
    entered(OLD, number=2)
    entered(NEW)
    learn()
    assert known.instruments == 3

    assert edit(officer, known, former_names="").status_code == 204

    alone = by_name(OLD)
    assert register_now() == {NEW: [], OLD: []}
    assert (known.instruments, alone.instruments) == (1, 2)
    assert (known.confirmed_at is None, alone.confirmed_at is None) == (False, True)


def test_an_edit_of_what_somebody_else_has_changed_is_refused(officer):
    known = register(NEW)
    seen = known.revision
    edit(officer, known, name="甲厂")

    answer = edit(officer, known, name="乙厂", revision=seen)

    assert answer.status_code == 422
    assert "乙厂" in answer.text  # what was typed is still there
    assert names(known)[0] == "甲厂"


def test_an_edit_that_changes_nothing_leaves_no_entry(officer, rows):
    known = register(NEW, OLD)
    before = rows.scalar(select(func.count()).select_from(AuditEntry))

    manufacturers.edit(known.id, Entry(NEW, (OLD,)), str(known.revision), EVERYTHING)
    rows.commit()

    assert rows.scalar(select(func.count()).select_from(AuditEntry)) == before + 1  # that it was registered


def test_confirming_takes_what_is_reported_and_says_what_it_left(officer):
    first, second, known = reported("甲厂"), reported("乙厂"), register(NEW)

    assert officer.act("manufacturers", "confirm", [first.id, second.id, known.id]).status_code == 204

    assert officer.messages() == ["已核定 2 个生产厂家。 1 条未作改动：此前已核定。"]
    assert [each.confirmed_at is None for each in (first, second, known)] == [False, False, False]


# --- Merging -------------------------------------------------------------------------------------


def test_merged_manufacturers_leave_their_names_to_the_one_that_is_kept(officer, rows):
    kept, gone = register(NEW), register(OLD, "鲁泰衡器社", code=credit_code(2))
    entered(OLD)
    entered(NEW, number=2)
    learn()
    plates = rows.execute(select(Instrument.id, Instrument.manufacturer).order_by(Instrument.id)).all()
    ids = (kept.id, gone.id)

    answer = merge(officer, kept, gone, keep=kept)

    assert answer.status_code == 204, answer.text
    assert officer.messages() == [f"已将 1 个生产厂家并入 {NEW}。"]
    assert register_now() == {NEW: [OLD, "鲁泰衡器社"]}
    assert (kept.instruments, kept.credit_code) == (3, credit_code(2))
    assert rows.execute(select(Instrument.id, Instrument.manufacturer).order_by(Instrument.id)).all() == plates
    entry = rows.scalars(select(AuditEntry).where(AuditEntry.action == "merge")).one()
    assert (entry.subject, entry.subject_id, entry.detail["after"]) == ("manufacturer", ids[0], NEW)
    assert entry.detail["before"] == [f"{OLD}（鲁泰衡器社） {credit_code(2)}"]


def test_a_reported_manufacturer_that_takes_in_a_confirmed_one_is_confirmed(clerk, officer):
    kept, gone = reported("甲家仪器厂"), register("乙家仪器厂")

    assert merge(officer, kept, gone, keep=kept).status_code == 204

    assert kept.confirmed_at is not None
    assert sorted(suggested(clerk, "仪器厂")) == [("乙家仪器厂", "甲家仪器厂"), ("甲家仪器厂", "")]


def test_the_dialog_of_a_merger_shows_what_is_chosen_the_best_known_first(officer):
    rare, known = reported(OLD), register(NEW, "鲁泰衡器社")

    answer = officer.open("manufacturers", "merge", [rare.id, known.id])

    assert answer.status_code == 200
    first, second = answer.text.split('name="kept_id"')[1:]
    assert (NEW in first, "鲁泰衡器社" in first, "checked" in first) == (True, True, True)
    assert (OLD in second, "checked" in second) == (True, False)


@pytest.mark.parametrize("number", [1, 21])
def test_two_to_twenty_are_merged(officer, rows, number):
    chosen = [register(f"厂{each}") for each in range(number)]

    answers = [
        officer.open("manufacturers", "merge", [each.id for each in chosen]),
        merge(officer, *chosen, keep=chosen[0]),
        officer.post("/manufacturers/dialog/merge", {"selection": "all", "filter": "", "expected": number},
                     headers={"HX-Request": "true"}),
    ]  # fmt: skip

    assert [answer.status_code for answer in answers] == [422, 422, 422]
    assert "请勾选属于同一厂家的 2 至 20 条记录" in answers[0].text
    assert len(register_now()) == number


def test_a_manufacturer_that_is_not_ticked_is_not_kept(officer):
    chosen, other = [register("甲厂"), register("乙厂")], register("丙厂")

    assert merge(officer, *chosen, keep=other).status_code == 422
    assert officer.act("manufacturers", "merge", [each.id for each in chosen]).status_code == 422
    assert register_now() == {"甲厂": [], "乙厂": [], "丙厂": []}


def test_what_somebody_else_has_merged_is_not_merged_again(officer):
    first, second, third = (register(name) for name in ("甲厂", "乙厂", "丙厂"))
    gone = second.id
    merge(officer, first, second, keep=first)

    answer = officer.act("manufacturers", "merge", [first.id, gone, third.id], kept_id=first.id)

    assert answer.status_code == 422
    assert register_now() == {"甲厂": ["乙厂"], "丙厂": []}


def test_a_merger_takes_the_same_statements_for_2_and_for_20(rows, statements):
    def cost(number):
        chosen = [register(f"厂{number}之{each}", f"老厂{number}之{each}").id for each in range(number)]
        rows.flush()
        with statements() as seen:
            manufacturers.merge(chosen, chosen[0], EVERYTHING)
        assert len(names(rows.get_one(Manufacturer, chosen[0]))) == 2 * number
        return len(seen)

    assert cost(2) == cost(20) == 7


# --- The same instrument under another name ------------------------------------------------------


def names_of_one():
    """Two names of a manufacturer: former, or come by a merger."""
    first, second = register(NEW), register(OLD)
    manufacturers.merge([first.id, second.id], first.id, EVERYTHING)


@pytest.mark.parametrize(
    ("there", "typed"), [(OLD, NEW), (NEW, OLD), (OLD, "鲁泰 衡器厂"), (NEW, "鲁泰称重设备有限公司 ")]
)
def test_an_instrument_is_found_under_every_name_of_its_manufacturer(clerk, rows, unit, there, typed):
    names_of_one()
    instrument(unit=unit, manufacturer=there, serial_no="2026-17")

    answer = test_ledger.add(clerk, manufacturer=typed, serial_no="202617")

    assert answer.status_code == 422
    assert "浙江省杭州市西湖区" in answer.text.split('id="serial_no-help"')[1].split("</div>")[0]
    assert rows.scalar(select(func.count()).select_from(Instrument)) == 1


def test_another_city_another_number_and_another_manufacturer_are_other_instruments(clerk, rows, unit):
    names_of_one()
    register("别的衡器厂")
    instrument("330203", manufacturer=OLD, serial_no="17")  # in another city
    instrument(unit=unit, manufacturer=OLD, serial_no="18")
    instrument(unit=unit, manufacturer="别的衡器厂", serial_no="17")

    assert test_ledger.add(clerk, manufacturer=NEW, serial_no="17").status_code == 204


def test_an_instrument_is_not_its_own_double_when_its_maker_is_renamed(clerk, rows, unit):
    names_of_one()
    one = instrument(unit=unit, of="非自动衡器", manufacturer=OLD, serial_no="17")
    other = instrument(unit=unit, of="非自动衡器", manufacturer=NEW, serial_no="18")

    renamed = clerk.act("ledger", "edit", [one.id], **test_ledger.form(manufacturer=NEW, serial_no="17", revision="1"))
    double = clerk.act("ledger", "edit", [other.id], **test_ledger.form(manufacturer=OLD, serial_no="17", revision="1"))

    assert (renamed.status_code, double.status_code) == (204, 422)
    assert (one.manufacturer, other.serial_no) == (NEW, "18")


def test_a_sheet_is_checked_under_every_name(clerk, rows, unit):
    names_of_one()
    instrument("330105", of="非自动衡器", manufacturer=OLD, serial_no="A1")
    instrument(unit=unit, of="非自动衡器", manufacturer=OLD, serial_no="A2")

    answer = bring(clerk, *(scale(生产厂家=NEW, 出厂编号=number) for number in ("A1", "A2")))

    assert "浙江省杭州市拱墅区" in answer.text
    assert "变更 <b>1</b>" in answer.text
    assert rows.scalar(select(func.count()).select_from(Instrument)) == 2


def test_one_instrument_under_two_names_in_a_sheet_is_noticed(clerk, rows):
    names_of_one()

    answer = bring(clerk, scale(生产厂家=OLD), scale(生产厂家=NEW))

    assert "与第 2 行是同一台器具" in answer.text
    assert rows.scalar(select(func.count()).select_from(Instrument)) == 0


def test_the_check_takes_one_statement_more_however_many_rows(rows, statements):
    names_of_one()
    instrument("330105", manufacturer=OLD, serial_no="A1")
    keys = [ledger.key_of("330106", maker, f"A{number}") for number in range(500) for maker in (NEW, "别的厂")]
    rows.flush()

    with statements() as seen:
        found = ledger.places(keys)

    assert len(seen) == 2
    assert list(found) == [ledger.key_of("330106", NEW, "A1")]


def test_of_two_that_are_there_the_one_under_the_very_name_is_compared(rows, unit):
    names_of_one()
    for maker in (NEW, OLD):
        instrument(unit=unit, manufacturer=maker, serial_no="A1")
    keys = [ledger.key_of("330106", maker, "A1") for maker in (NEW, OLD)]

    assert {key: row.manufacturer for key, row in ledger.own(keys).items()} == dict(zip(keys, (NEW, OLD), strict=True))


# --- What users enter ----------------------------------------------------------------------------


def test_the_night_takes_new_names_once_however_they_are_written(rows):
    register(NEW, OLD)
    entered("杭州衡器（集团）厂")
    entered("杭州衡器(集团) 厂")
    entered(OLD)
    entered("—")  # says nothing

    assert (learn(), learn()) == (1, 0)

    new = next(each for each in rows.scalars(select(Manufacturer)) if each.confirmed_at is None)
    assert (new.instruments, by_name(NEW).instruments) == (2, 1)
    entered(OLD)
    entered("后来的厂")
    assert learn() == 1
    assert (by_name(NEW).instruments, by_name("后来的厂").instruments) == (2, 1)


def test_what_is_too_much_for_one_night_follows_in_the_next(rows, monkeypatch):
    monkeypatch.setattr(manufacturers, "STEP", 2)
    monkeypatch.setattr(manufacturers, "MOST_STEPS", 2)
    for number in range(5):
        entered(f"厂{number}")

    assert [learn(), learn(), learn()] == [4, 1, 0]
    assert {each.instruments for each in rows.scalars(select(Manufacturer))} == {1}


def test_the_clock_does_it_and_writes_it_down(rows):
    entered("甲厂")

    assert clockwork.run(TODAY, EVERYTHING)["manufacturers"] == 1
    assert clockwork.run(TODAY, EVERYTHING)["manufacturers"] == 0


# --- Suggestions ---------------------------------------------------------------------------------


def test_confirmed_manufacturers_come_first_then_those_of_two_units(clerk):
    reported("鲁泰仪器厂", units=2)
    register("鲁泰仪表厂")

    assert suggested(clerk, "鲁泰") == [("鲁泰仪表厂", ""), ("鲁泰仪器厂", "")]


def test_what_one_other_unit_alone_has_typed_is_not_told(clerk, unit, sign_in):
    entered("秘密工艺仪器厂", number=3)
    entered("本单位仪器厂", unit=unit)
    learn()
    assert (suggested(clerk, "仪器厂"), suggested(clerk, "秘密工艺仪器厂")) == ([("本单位仪器厂", "")], [])

    entered("秘密工艺仪器厂", unit=unit)
    learn()
    assert suggested(clerk, "秘密工艺") == [("秘密工艺仪器厂", "")]
    stranger = sign_in("UsingUnitClerk", using_unit("510104"))
    assert suggested(stranger, "仪器厂") == [("秘密工艺仪器厂", "")]


def test_confirming_and_merging_offer_a_name_to_everybody(clerk, officer):
    single, other = reported("单家仪器厂"), reported("另家仪器厂")
    assert suggested(clerk, "仪器厂") == []

    officer.act("manufacturers", "confirm", [single.id])
    assert suggested(clerk, "仪器厂") == [("单家仪器厂", "")]
    merge(officer, single, other, keep=single)
    assert sorted(suggested(clerk, "仪器厂")) == [("单家仪器厂", ""), ("另家仪器厂", "单家仪器厂")]


def test_names_reported_by_one_unit_each_stay_hidden_when_they_are_merged(clerk, officer):
    first, second = reported("甲家仪器厂"), reported("乙家仪器厂")

    merge(officer, first, second, keep=first)

    assert suggested(clerk, "仪器厂") == []


def test_a_former_name_is_suggested_with_the_present_one(clerk):
    register(NEW, OLD)

    assert suggested(clerk, "鲁泰衡器") == [(OLD, NEW)]


@pytest.mark.parametrize("typed", ["鲁", "鲁泰", "称重设备", "（鲁泰）", "魯泰"])
def test_a_name_is_suggested_for_what_it_begins_with_or_contains(clerk, typed):
    register(NEW)

    hits = [NEW] if typed in ("鲁", "鲁泰", "称重设备") else []
    assert [name for name, _present in suggested(clerk, typed)] == hits


def test_at_most_ten_are_suggested_with_a_few_statements(clerk, rows, statements):
    for number in range(30):
        register(f"仪器厂{number:02}")
    clerk.get("/options/manufacturers?q=x")

    with statements() as seen:
        few = suggested(clerk, "仪器厂07")
    with statements() as more:
        many = suggested(clerk, "仪器厂")

    assert ([name for name, _present in few], len(many)) == (["仪器厂07"], 10)
    assert len(seen) == len(more)
    assert (suggested(clerk, ""), suggested(clerk, " — "), suggested(clerk, "%")) == ([], [], [])


QUICK = ["杭", "杭州", "杭州仪", "仪表厂", "有限公司", "999", "杭州仪器999有限公司", "没有这样的厂"]


@pytest.fixture
def many_names(rows):
    """A register of 20,000 manufacturers, a tenth of them offered."""
    rows.execute(text("INSERT INTO manufacturer (instruments) SELECT n FROM generate_series(1, 20000) AS n"))
    rows.execute(
        text(
            "INSERT INTO manufacturer_name (manufacturer_id, name, present, offered, first_unit_id)"
            " SELECT id, (ARRAY['杭州', '宁波', '成都', '北京', '上海'])[1 + id % 5]"
            " || (ARRAY['仪器', '仪表厂', '衡器'])[1 + id % 3]"
            " || id || '有限公司', true, id % 10 = 0, 5 FROM manufacturer"
        )
    )
    rows.execute(text("ANALYZE manufacturer, manufacturer_name"))


@pytest.mark.parametrize("term", QUICK)
def test_suggestions_read_no_table_from_end_to_end(rows, many_names, term):
    by = Principal(kind="using_unit", organization_id=using_unit().id)
    statement = manufacturers.suggestions(term, by)

    literal = statement.compile(db.engine, compile_kwargs={"literal_binds": True})
    plan = "\n".join(rows.scalars(text(f"EXPLAIN {literal}".replace(":", r"\:"))))

    assert "Seq Scan" not in plan, plan


# --- The page, and searches ----------------------------------------------------------------------


def shown(page):
    """The ids of the rows of a list."""
    return [int(id) for id in re.findall(r'<tr[^>]* data-id="(\d+)"', page.text)]


def listed(person, query=""):
    page = person.get(f"/manufacturers/?{query}").text
    return [name for name in (NEW, "甲厂", "乙厂") if name in page.split("<tbody", 1)[-1]]


def test_the_list_is_searched_by_former_names_filtered_and_taken_away(officer):
    register(NEW, OLD, code=credit_code(1))
    reported("甲厂")

    assert "鲁泰" not in officer.get("/manufacturers/?q=没有").text.split("<tbody", 1)[-1]
    assert (listed(officer), listed(officer, "q=鲁泰 衡器")) == ([NEW, "甲厂"], [NEW])
    assert (listed(officer, "state=reported"), listed(officer, "state=confirmed")) == (["甲厂"], [NEW])
    assert listed(officer, f"field=code&q={credit_code(1).lower()}") == [NEW]
    sheet = officer.post("/manufacturers/export", {"selection": "all", "filter": "", "format": "csv"}).data.decode(
        "utf-8-sig"
    )
    assert sheet.splitlines()[1:] == ["甲厂,,,1,待核定", f"{NEW},{OLD},{credit_code(1)},0,已核定"]


def test_the_details_tell_names_and_history(officer):
    known = register(NEW, OLD)
    edit(officer, known, name="鲁泰智能称重有限公司", former_names=f"{NEW}\n{OLD}")

    page = officer.get(f"/manufacturers/show/{known.id}").text

    assert [words for words in ("鲁泰智能称重有限公司", NEW, OLD, "编辑") if words not in page] == []
    assert officer.get("/manufacturers/show/999999").status_code == 404


def test_the_list_costs_the_same_for_1_and_for_50(officer, statements):
    register(NEW, OLD)
    officer.get("/manufacturers/")
    with statements() as one:
        officer.get("/manufacturers/")
    for number in range(50):
        register(f"厂{number}", f"老厂{number}")
    with statements() as many:
        officer.get("/manufacturers/")

    assert len(many) == len(one)


def test_the_register_is_for_the_nation_alone(sign_in):
    page = next(entry for entry in IN_MENU if entry.page.__name__ == "Manufacturers")
    for role, place in (("Supervisor", ""), ("Supervisor", "33"), ("NationalAdministrator", "")):
        person = sign_in(role, authority(place))
        assert person.get("/manufacturers/").status_code == 403
        assert f'href="{page.page.route_base}/"' not in person.get("/").text


@pytest.mark.parametrize(
    "condition", ["manufacturer~contains~鲁泰衡器", "manufacturer~begins~鲁泰 衡", "manufacturer~is~鲁泰衡器厂"]
)
def test_a_condition_on_the_manufacturer_finds_its_other_names(sign_in, condition):
    names_of_one()
    one, other = instrument(manufacturer=NEW), instrument(manufacturer="杭州衡器厂")
    paper = certificate(task("certified", what=one))
    certificate(task("certified", what=other))
    officer = sign_in("Supervisor", authority("330106"))

    instruments = officer.get(f"/queries/instruments/?if={condition}")
    papers = officer.get(f"/queries/certificates/?if={condition}")

    assert shown(instruments) == [one.id]
    assert shown(papers) == [paper.id]
