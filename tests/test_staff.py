"""检定人员: the staff of an institution, their accounts, and what they are qualified for."""

from datetime import date, timedelta

import pytest
from sqlalchemy import select

from app.domain import holidays
from app.models import Account, AuditEntry, Qualification, StaffMember
from tests.factories import BLOOD_PRESSURE, FAR, WATER_METER, account, institution, kind, staff_member

TODAY = holidays.today()


@pytest.fixture
def lab(rows):
    return institution()


@pytest.fixture
def approver(sign_in, lab):
    return sign_in("InstitutionApprover", lab)


def own(rows, holder):
    return list(
        rows.scalars(select(StaffMember).where(StaffMember.institution_id == holder.id).order_by(StaffMember.id))
    )


def held(rows, person):
    found = select(Qualification).where(Qualification.staff_member_id == person.id).order_by(Qualification.id)
    return [
        (each.certificate_no, each.catalogue_item_ids, each.valid_from, each.valid_until)
        for each in rows.scalars(found)
    ]


def credential(**changed):
    return {
        "certificate_no": "浙检2026-001",
        "catalogue_item_ids": [str(kind().id)],
        "valid_from": "2026-01-01",
        "valid_until": "2031-12-31",
        "revision": "1",
        **changed,
    }


# --- Adding and editing --------------------------------------------------------------------------


def test_somebody_is_entered_with_an_account(approver, lab, rows):
    clerk = account("InstitutionVerifier", lab, first_name="王检定")

    answer = approver.act("staff", "add", [], name=" 王检定 ", account_id=str(clerk.id), approves="y", active="y")

    assert answer.status_code == 204
    (new,) = own(rows, lab)
    assert (new.name, new.account_id, new.approves, new.active) == ("王检定", clerk.id, True, True)
    assert approver.messages() == ["已新增 王检定。"]
    page = approver.get("/staff/").text
    assert (f'data-id="{new.id}"' in page, clerk.username in page) == (True, True)


def test_without_an_account_and_without_duties(approver, lab, rows):
    assert approver.act("staff", "add", [], name="李核验", account_id="").status_code == 204

    (new,) = own(rows, lab)
    assert (new.account_id, new.approves, new.active) == (None, False, False)


def test_the_accounts_that_can_be_linked_are_the_own_active_free_ones(approver, lab, rows):
    free = account("InstitutionVerifier", lab)
    taken, inactive = account("InstitutionVerifier", lab), account("InstitutionVerifier", lab, active=False)
    foreign = account("InstitutionVerifier", institution())
    member = staff_member(lab, account_id=taken.id)

    dialog = approver.open("staff", "add", []).text
    again = approver.open("staff", "edit", [member.id]).text

    everybody = (free, taken, inactive, foreign, approver.account)
    assert [f'value="{each.id}"' in dialog for each in everybody] == [True, False, False, False, True]
    assert f'selected value="{taken.id}"' in again
    refused = {each.id: approver.act("staff", "add", [], name="甲", account_id=str(each.id)) for each in everybody[1:4]}
    assert {id: answer.status_code for id, answer in refused.items()} == dict.fromkeys(refused, 422)
    assert all("请选择本机构已激活" in answer.text for answer in refused.values())
    assert own(rows, lab) == [member]


@pytest.mark.parametrize(
    "wrong", [{"name": ""}, {"name": " "}, {"name": "长" * 61}, {"account_id": "999999"}, {"account_id": "9" * 30}]
)
def test_what_does_not_fit_is_refused(approver, lab, rows, wrong):
    assert approver.act("staff", "add", [], **{"name": "王检定", "account_id": "", **wrong}).status_code == 422
    assert own(rows, lab) == []


def test_an_account_still_linked_where_its_owner_came_from_is_told_in_words(approver, lab, rows):
    moved = account("InstitutionVerifier", lab)
    staff_member(institution(), account_id=moved.id)

    answer = approver.act("staff", "add", [], name="王检定", account_id=str(moved.id))

    assert (answer.status_code, "已关联其他检定人员" in answer.text, own(rows, lab)) == (422, True, [])


def test_an_edit_changes_what_is_told_and_is_written_down(approver, lab, rows):
    person, clerk = staff_member(lab), account("InstitutionVerifier", lab)

    answer = approver.act(
        "staff", "edit", [person.id], name="王检定员", account_id=str(clerk.id), active="y", revision="1"
    )

    assert answer.status_code == 204
    assert (person.name, person.account_id, person.active, person.revision) == ("王检定员", clerk.id, True, 2)
    entry = select(AuditEntry.action, AuditEntry.subject, AuditEntry.subject_name, AuditEntry.detail)
    assert [
        tuple(row)
        for row in rows.execute(entry.where(AuditEntry.subject == "staff_member", AuditEntry.subject_id == person.id))
    ] == [("edit", "staff_member", "王检定员", {"changed": ["name", "account_id"]})]


@pytest.mark.parametrize("revision", ["0", "", "x", "2"])
@pytest.mark.parametrize("name", ["edit", "qualify"])
def test_what_somebody_changed_meanwhile_is_not_overwritten(approver, lab, rows, name, revision):
    person = staff_member(lab, of=())

    answer = approver.act("staff", name, [person.id], **credential(name="别人", revision=revision))

    assert (answer.status_code, "已被他人修改" in answer.text) == (422, True)
    assert (person.name, person.revision, held(rows, person)) == ("王检定", 1, [])


def test_who_keeps_an_account_that_was_deactivated_can_be_edited(approver, lab, rows):
    clerk = account("InstitutionVerifier", lab, active=False)
    person = staff_member(lab, account_id=clerk.id)

    assert f'selected value="{clerk.id}"' in approver.open("staff", "edit", [person.id]).text
    answer = approver.act("staff", "edit", [person.id], name="王", account_id=str(clerk.id), revision="1")

    assert (answer.status_code, person.name, person.account_id) == (204, "王", clerk.id)


# --- Qualifications ------------------------------------------------------------------------------


def test_a_qualification_is_recorded_for_categories_and_kinds(approver, lab, rows):
    person = staff_member(lab, of=())
    items = [kind().parent_id, kind(BLOOD_PRESSURE).id]

    answer = approver.act("staff", "qualify", [person.id], **credential(catalogue_item_ids=[str(id) for id in items]))

    assert answer.status_code == 204
    assert held(rows, person) == [("浙检2026-001", items, date(2026, 1, 1), date(2031, 12, 31))]
    assert person.revision == 2
    page = approver.get(f"/staff/show/{person.id}").text
    category = kind(BLOOD_PRESSURE).parent
    assert category
    words = ("浙检2026-001", "水表（全部种别）", f"{category.name} / {BLOOD_PRESSURE}", "2031-12-31")
    assert [word in page for word in words] == [True] * 4


def test_the_same_number_replaces_what_the_person_had(approver, lab, rows):
    person = staff_member(lab, of=())
    approver.act("staff", "qualify", [person.id], **credential())
    other_items = [str(kind(BLOOD_PRESSURE).id)]
    dialog = approver.open("staff", "qualify", [person.id]).text
    assert ("浙检2026-001" in dialog, "水表 / 水表" in dialog, 'name="revision" type="hidden" value="2"' in dialog) == (
        True, True, True,
    )  # fmt: skip

    ended = credential(catalogue_item_ids=other_items, valid_until=str(TODAY), revision="2")
    assert approver.act("staff", "qualify", [person.id], **ended).status_code == 204

    assert held(rows, person) == [("浙检2026-001", [kind(BLOOD_PRESSURE).id], date(2026, 1, 1), TODAY)]


def test_a_number_is_one_persons_in_an_institution(approver, lab, rows):
    first, second = staff_member(lab, "王检定", of=()), staff_member(lab, "李核验", of=())
    elsewhere = staff_member(institution(), of=())
    rows.add(Qualification(institution_id=elsewhere.institution_id, staff_member_id=elsewhere.id,
                           certificate_no="浙检2026-001", catalogue_item_ids=[kind().id], valid_from=TODAY,
                           valid_until=FAR))  # fmt: skip
    approver.act("staff", "qualify", [first.id], **credential())

    answer = approver.act("staff", "qualify", [second.id], **credential(valid_until="2030-01-01"))

    assert (answer.status_code, "已登记在 王检定 名下" in answer.text) == (422, True)
    assert (held(rows, second), [row[3] for row in held(rows, first)]) == ([], [date(2031, 12, 31)])


@pytest.mark.parametrize(
    "wrong",
    [
        {"certificate_no": " "},
        {"certificate_no": "长" * 61},
        {"catalogue_item_ids": []},
        {"catalogue_item_ids": ["999999"]},
        {"catalogue_item_ids": ["x"]},
        {"valid_until": "2025-12-31"},
        {"valid_until": ""},
    ],
)
def test_a_qualification_that_does_not_fit_is_refused(approver, lab, rows, wrong):
    person = staff_member(lab, of=())

    answer = approver.act("staff", "qualify", [person.id], **credential(**wrong))

    assert (answer.status_code, "field-error" in answer.text, held(rows, person)) == (422, True, [])


# --- What is seen --------------------------------------------------------------------------------


def test_the_list_counts_qualifications_and_colours_their_end(approver, lab, rows):
    over, soon, good = TODAY - timedelta(days=1), TODAY + timedelta(days=30), TODAY + timedelta(days=31)
    person = staff_member(lab, "王检定", of=(WATER_METER,), qualified_until=over)
    rows.add(Qualification(institution_id=lab.id, staff_member_id=person.id, certificate_no="二",
                           catalogue_item_ids=[kind().id], valid_from=TODAY, valid_until=good))  # fmt: skip
    staff_member(lab, "李核验", qualified_until=soon)
    staff_member(lab, "赵批准", of=())

    page = approver.get("/staff/").text

    assert [f'<span class="overdue">{over}</span>' in page, f'<span class="waiting-long">{soon}</span>' in page] == [
        True, True,
    ]  # fmt: skip
    assert (f">{good}</td>" in page, page.count('<td class="number"')) == (True, 3)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", {"王检定", "李核验", "赵批准"}),
        ("?qualified=over", {"王检定"}),
        ("?qualified=30", {"李核验"}),
        ("?qualified=none", {"赵批准"}),
        ("?state=disabled", {"赵批准"}),
        ("?state=active", {"王检定", "李核验"}),
        ("?field=name&q=核验", {"李核验"}),
        ("?field=certificate&q=A-17", {"王检定"}),
    ],
)
def test_filters_and_search(approver, lab, rows, query, found):
    first = staff_member(lab, "王检定", qualified_until=TODAY - timedelta(days=1))
    staff_member(lab, "李核验", qualified_until=TODAY + timedelta(days=20))
    staff_member(lab, "赵批准", of=(), active=False)
    staff_member(institution(), "钱邻居")
    rows.execute(Qualification.__table__.update().where(Qualification.staff_member_id == first.id)
                 .values(certificate_no="浙A-17"))  # fmt: skip

    page = approver.get(f"/staff/{query}").text

    assert {name for name in ("王检定", "李核验", "赵批准", "钱邻居") if name in page} == found


def test_a_neighbours_staff_is_not_there(approver, rows):
    foreign = staff_member(institution(), "钱邻居")

    assert "钱邻居" not in approver.get("/staff/").text
    assert approver.get(f"/staff/show/{foreign.id}").status_code == 404
    for name in ("edit", "qualify"):
        assert approver.open("staff", name, [foreign.id]).status_code == 404
    assert approver.act("staff", "edit", [foreign.id], name="x", account_id="", revision="1").status_code == 404
    assert approver.act("staff", "qualify", [foreign.id], **credential()).status_code == 404
    assert approver.post("/staff/export", {"selection": "all", "format": "csv"}).text.count("\n") == 1
    assert (foreign.name, len(held(rows, foreign))) == ("钱邻居", 1)


def test_verifiers_look_but_do_not_change(sign_in, lab, rows):
    verifier, person = sign_in("InstitutionVerifier", lab), staff_member(lab)

    assert "王检定" in verifier.get("/staff/").text
    assert verifier.get(f"/staff/show/{person.id}").status_code == 200
    for name in ("edit", "qualify"):
        assert verifier.act("staff", name, [person.id], **credential(name="x")).status_code == 403
    assert verifier.act("staff", "add", [], name="x").status_code == 403


def test_who_leaves_the_system_stays_on_the_staff(lab, rows):
    clerk = account("InstitutionVerifier", lab)
    person = staff_member(lab, account_id=clerk.id)

    rows.delete(rows.get(Account, clerk.id))
    rows.flush()
    rows.expire_all()

    assert (person.name, person.account_id) == ("王检定", None)


def test_the_list_costs_the_same_for_one_and_for_many(approver, lab, statements):
    def cost(url):
        with statements() as seen:
            assert approver.get(url).status_code == 200
        return len(seen)

    person = staff_member(lab, "王检定")
    cost("/staff/?size=50")
    one = cost("/staff/?size=50")
    for number in range(39):
        staff_member(lab, f"人员{number}", account_id=account("InstitutionVerifier", lab).id)

    assert cost("/staff/?size=50") == one
    assert cost(f"/staff/show/{person.id}") == cost(f"/staff/show/{person.id}") <= 8


def test_categories_and_kinds_are_found_by_name(approver, stranger):
    def offered(query):
        return {
            each["value"]: each["label"] for each in approver.get(f"/options/catalogue-items{query}").json["options"]
        }

    meters = offered("?q=水表")
    assert list(meters)[:2] == [str(kind().parent_id), str(kind().id)]
    assert list(meters.values())[:2] == ["水表（全部种别）", "水表 / 水表"]
    assert len(offered("")) == 50
    assert stranger.get("/options/catalogue-items").status_code == 401
