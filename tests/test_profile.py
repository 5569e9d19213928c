"""My account: who sees it, what one may change of oneself and what not, roles held, language and notifications."""

import pytest
from sqlalchemy import select

from app.models import AuditEntry, RoleGrant
from app.telephones import telephone
from tests.factories import account, authority, institution, using_unit
from tests.test_login import PASSWORD, attempt
from tests.test_passwords import in_english, quick

TABS = ("/me/", "/me/password", "/me/second-factor", "/me/sessions", "/me/keys")


@pytest.fixture
def officer(sign_in):
    return in_english(sign_in("Supervisor", authority("330106")))


def save(someone, **changes):
    fields = {"first_name": "王五", "position": "科长", "phone": "13812345678", "email": "wang@example.cn", **changes}
    return someone.post("/me/", fields)


def details(someone):
    who = someone.account
    return who.first_name, who.position, who.phone, who.email


# --- Who -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("url", TABS)
def test_strangers_are_sent_to_sign_in_and_come_back(stranger, url):
    answer = stranger.get(url)

    assert (answer.status_code, answer.headers["Location"]) == (302, f"/login/?next={url}")
    assert stranger.get(url, headers={"HX-Request": "true"}).status_code == 401


@pytest.mark.parametrize("url", TABS)
@pytest.mark.parametrize("who", ["officer", "clerk of an institution", "clerk of a unit", "without a role", "nowhere"])
def test_everybody_who_is_signed_in_has_it(sign_in, url, who):
    role, home = {
        "officer": ("Supervisor", authority("330106")),
        "clerk of an institution": ("InstitutionClerk", institution()),
        "clerk of a unit": ("UsingUnitClerk", using_unit()),
        "without a role": (None, authority("330106")),
        "nowhere": (None, None),
    }[who]

    assert sign_in(role, home).get(url).status_code == 200


def test_the_menu_of_the_person_leads_there(officer):
    assert 'href="/me/"' in officer.get("/assignments/").text


def test_it_is_mine_and_nobody_elses(officer, sign_in):
    sign_in("Supervisor", authority("330106")).account.first_name = "somebody else"

    page = officer.get("/me/").text

    assert (officer.account.username in page, "somebody else" in page) == (True, False)


def test_it_shows_who_gave_the_role_and_when(officer, rows):
    given = {"by_name": "方晓敏", "by_organization": "西湖区市场监督管理局"}
    rows.add(RoleGrant(account_id=officer.account.id, role="Supervisor", **given))
    rows.flush()

    page = officer.get("/me/").text

    assert [text in page for text in ("given by 西湖区市场监督管理局 · 方晓敏", "330106市场监督管理局")] == [True, True]


# --- Changing ------------------------------------------------------------------------------------


def test_one_changes_name_position_phone_and_email(officer, rows):
    before = officer.account.revision

    answer = save(officer)

    assert (answer.status_code, officer.messages()) == (302, ["Saved."])
    assert details(officer) == ("王五", "科长", "13812345678", "wang@example.cn")
    assert officer.account.revision == before + 1
    entry = rows.scalars(select(AuditEntry).where(AuditEntry.action == "edit")).one()
    assert (entry.subject_id, entry.detail) == (
        officer.account.id,
        {"changed": ["email", "first_name", "phone", "position"]},
    )


def test_saving_without_a_change_writes_nothing_down(officer, rows):
    save(officer)
    revision = officer.account.revision
    save(officer)

    assert officer.account.revision == revision
    assert len(rows.scalars(select(AuditEntry.id).where(AuditEntry.action == "edit")).all()) == 1


def test_nothing_else_can_be_changed_by_sending_it(officer):
    before = officer.account.username, officer.account.organization_id, officer.account.active
    roles = list(officer.account.roles)

    save(officer, username="root", organization_id="1", active="", roles="1", password="x", demo="y", id="1")

    who = officer.account
    assert (who.username, who.organization_id, who.active, list(who.roles)) == (*before, roles)


TAKEN = {
    "13812345678": "13812345678",
    "+8613812345678": "13812345678",
    "0086 138-1234-5678": "13812345678",
    "１３８ １２３４ ５６７８": "13812345678",
    "0571-87654321": "0571-87654321",
    "057187654321": "0571-87654321",
    "(0571) 8765 4321": "0571-87654321",
    "（0571）87654321转801": "0571-87654321-801",
    "0571—87654321 分机 801": "0571-87654321-801",
    "0571-87654321-8001": "0571-87654321-8001",
    "+86 571 87654321": "0571-87654321",
    "010-12345678": "010-12345678",
    "021-1234567": "021-1234567",
    "400 123 4567": "400-123-4567",
    "4001234567转1": "400-123-4567-1",
    "800-820-8820": "800-820-8820",
    "": "",
}
NOT_TAKEN = [
    "12812345678", "1381234567", "138123456789", "87654321", "13812345678;", "abc", "１３８", "0571-876",
    "01087654321012", "13812345678 13912345678", "400-123-456", "+1 212 5551234", "138123456７８９",
]  # fmt: skip


@pytest.mark.parametrize(("phone", "kept"), TAKEN.items())
def test_phones_that_are_taken(officer, phone, kept):
    assert (save(officer, phone=phone).status_code, officer.account.phone) == (302, kept)


@pytest.mark.parametrize("kept", sorted(set(TAKEN.values()) - {""}))
def test_what_is_kept_of_a_phone_is_kept_as_it_is(kept):
    assert telephone(kept) == kept


@pytest.mark.parametrize("phone", NOT_TAKEN)
def test_phones_that_are_not(officer, phone):
    answer = save(officer, phone=phone)

    text = "Please give a mobile number, or a number with its area code."
    assert (answer.status_code, text in answer.text, officer.account.phone) == (422, True, None)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("first_name", ""),
        ("first_name", "   "),
        ("first_name", "王"),
        ("first_name", "王" * 61),
        ("position", "长" * 61),
        ("email", ""),
        ("email", "nobody"),
        ("email", "a@b"),
        ("email", "a@example.cn\nBcc: x@example.cn"),
    ],
)
def test_what_is_refused_leaves_all_as_it_was_and_on_screen(officer, field, value):
    before = details(officer)

    answer = save(officer, **{field: value})

    assert (answer.status_code, details(officer)) == (422, before)
    assert "13812345678" in answer.text


def test_a_name_cannot_write_into_the_page(officer):
    save(officer, first_name="<b>x</b><script>")

    assert "<b>x</b><script>" not in officer.get("/me/").text + officer.get("/me/password").text


# --- Language and notifications ------------------------------------------------------------------


def test_language_and_notifications_are_kept_beside_the_columns(officer):
    officer.account.preferences = {"columns": {"Assignments": ["no"]}}

    answer = officer.post("/me/settings", {"language": "zh", "tasks_waiting": "y"})

    assert answer.status_code == 302
    assert officer.account.preferences == {
        "columns": {"Assignments": ["no"]},
        "language": "zh",
        "notifications": {"tasks_waiting": True, "deadlines_near": False, "account_changes": False},
    }
    page = officer.get("/me/").text
    assert 'lang="zh-CN"' in page
    assert page.count("checked") == 1


def test_signing_in_speaks_the_chosen_language(stranger, rows):
    account(
        "Supervisor", authority("330106"), username="xihu", password=quick(PASSWORD), preferences={"language": "en"}
    )

    attempt(stranger)

    assert "My account" in stranger.get("/me/").text


@pytest.mark.parametrize("language", ["", "fr", "zh; x"])
def test_a_language_that_there_is_not(officer, language):
    assert officer.post("/me/settings", {"language": language}).status_code == 400


# --- Cost ----------------------------------------------------------------------------------------


def test_it_costs_the_same_whatever_there_is(officer, rows, statements):
    with statements() as little:
        officer.get("/me/")
    from app.models import Role

    officer.account.roles = list(rows.scalars(select(Role)))
    for role in officer.account.roles:
        rows.add(RoleGrant(account_id=officer.account.id, role=role.name, by_name="甲", by_organization="局"))
    for _each in range(50):
        account("Supervisor", authority("330106"))
    with statements() as much:
        officer.get("/me/")

    assert len(little) == len(much) <= 4
