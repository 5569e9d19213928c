"""系统用户管理: whose accounts one looks after, what one may give, and that nobody gets further by any path."""

import pytest
from sqlalchemy import exists, func, select

from app.access import ROLES, seeing
from app.domain import mergers
from app.fabkit.security import principal_of
from app.models import Account, AccountSession, Attempt, AuditEntry, RoleGrant, held_role
from tests.factories import account, authority, bingtuan, institution, using_unit

COUNTY, CITY = "330106", "3301"


@pytest.fixture
def admin(sign_in):
    return sign_in("CityAdministrator", authority(CITY))


def roles_of(rows, person):
    from app.domain import accounts

    rows.expire_all()
    return set(accounts.role_names(person.id))


def actions(rows, person):
    return list(
        rows.scalars(
            select(AuditEntry.action)
            .where(AuditEntry.subject == "account", AuditEntry.subject_id == person.id)
            .order_by(AuditEntry.number)
        )
    )


def live_sessions(rows, person):
    live = select(func.count()).select_from(AccountSession)
    return rows.scalar(live.where(AccountSession.account_id == person.id, AccountSession.ended_at.is_(None)))


def shown_ids(page):
    import re

    return {int(id) for id in re.findall(r'<tr data-id="(\d+)"', page.text)}


# --- Whose accounts ------------------------------------------------------------------------------


def test_the_list_holds_the_accounts_in_ones_care_and_no_others(admin):
    mine = {
        account("Supervisor", authority(CITY)).id,
        account("CountyAdministrator", authority(COUNTY)).id,
        account(None, authority("330102")).id,
        account("InstitutionClerk", institution(COUNTY)).id,
        account("UsingUnitClerk", using_unit("330102")).id,
    }
    account("Supervisor", authority("3302"))
    account("Supervisor", authority("33"))
    account("UsingUnitClerk", using_unit("330203"))
    account(None, None)
    provincial = institution(COUNTY)
    provincial.level = "province"
    account("InstitutionClerk", provincial)

    page = admin.get("/accounts/?size=200")

    assert shown_ids(page) == mine


@pytest.mark.parametrize(
    ("role", "place", "other"),
    [
        ("InstitutionAdministrator", institution, institution),
        ("UsingUnitAdministrator", using_unit, using_unit),
    ],
)
def test_institutions_and_using_units_look_after_their_own(sign_in, role, place, other):
    home = place()
    colleague = account(None, home)
    account(None, other())
    account(None, authority(COUNTY))

    assert shown_ids(sign_in(role, home).get("/accounts/")) == {colleague.id}


def test_the_region_around_and_the_bingtuan_look_after_their_own_each(sign_in):
    corps, region = bingtuan(), authority("65")
    of_corps = {account("Supervisor", corps).id, account(None, using_unit("659001")).id}
    of_region = {account("Supervisor", region).id, account(None, using_unit("650102")).id}

    assert shown_ids(sign_in("ProvincialAdministrator", region).get("/accounts/")) == of_region
    assert shown_ids(sign_in("ProvincialAdministrator", corps).get("/accounts/")) == of_corps


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("state=registered", {"new"}),
        ("state=disabled", {"gone"}),
        ("state=locked", {"stuck"}),
        ("state=active", {"clerk"}),
        ("role=AssignmentOfficer", {"clerk", "stuck"}),
        ("field=username&q=cle", {"clerk"}),
        ("field=name&q=王小", {"clerk"}),
        ("field=name&q=欧阳修", {"gone"}),
        ("organization={county}", {"clerk", "stuck", "gone"}),
        ("organization={city}", {"new", "clerk", "stuck", "gone"}),
    ],
)
def test_filters(admin, rows, query, expected):
    county, city = authority(COUNTY), authority(CITY)
    account(None, city, username="new", first_name="赵一")
    account("AssignmentOfficer", county, username="clerk", first_name="王小明")
    account("AssignmentOfficer", county, username="stuck", first_name="王五")
    account(None, county, username="gone", first_name="欧阳修远", active=False)
    rows.add(Attempt(key="account:stuck", failures=5, blocked_until=func.now() + func.make_interval(0, 0, 0, 0, 1)))

    page = admin.get("/accounts/?" + query.format(county=county.id, city=city.id))

    assert {name for name in ("new", "clerk", "stuck", "gone") if f">{name}<" in page.text} == expected


def test_a_list_of_500_accounts_costs_what_one_costs(admin, statements):
    account("Supervisor", authority(CITY))
    with statements() as one:
        admin.get("/accounts/?size=200")
    for _ in range(199):
        account("Supervisor", authority(CITY))
    with statements() as many:
        admin.get("/accounts/?size=200")

    assert len(one) == len(many)


# --- Many at once --------------------------------------------------------------------------------


def test_deactivating_ends_sessions_and_activating_lets_in_again(admin, sign_in, rows):
    clerk = sign_in("Supervisor", authority(COUNTY))
    assert clerk.get("/assignments/").status_code == 200

    admin.act("accounts", "deactivate", [clerk.account.id])
    assert (clerk.get("/assignments/").status_code, clerk.account.active) == (302, False)
    admin.act("accounts", "activate", [clerk.account.id])

    assert (clerk.account.active, live_sessions(rows, clerk.account)) == (True, 0)
    assert clerk.get("/assignments/").status_code == 302
    assert actions(rows, clerk.account) == ["deactivate", "activate"]


def test_unlocking_forgets_the_failures(admin, rows):
    stuck = account("Supervisor", authority(COUNTY), username="Stuck")
    other = account("Supervisor", authority("3302"), username="other")
    for name in ("stuck", "other"):
        until = func.now() + func.make_interval(0, 0, 0, 0, 1)
        rows.add(Attempt(key=f"account:{name}", failures=5, blocked_until=until))

    admin.act("accounts", "unlock", [stuck.id, other.id])

    assert list(rows.scalars(select(Attempt.key))) == ["account:other"]


def test_giving_a_role_goes_to_whom_it_fits(admin, rows):
    fitting = account(None, authority(COUNTY))
    has_it = account("Analyst", authority(COUNTY))
    administers = account("CountyAdministrator", authority("330102"))
    at_institution = account(None, institution(COUNTY))
    foreign = account(None, authority("3302"))
    people = [fitting, has_it, administers, at_institution, foreign]

    admin.act("accounts", "give_role", [person.id for person in people], role="Analyst")

    assert [roles_of(rows, person) for person in people] == [
        {"Analyst"},
        {"Analyst"},
        {"CountyAdministrator"},
        set(),
        set(),
    ]
    assert admin.messages()[0].startswith("已向 1 个账号分配角色。")
    grant = rows.scalars(select(RoleGrant)).one()
    assert (grant.account_id, grant.role, grant.by_name) == (fitting.id, "Analyst", admin.account.first_name)
    assert actions(rows, fitting) == ["give_role"]


def test_giving_a_role_to_all_that_match(admin, rows):
    waiting = [account(None, authority(COUNTY)) for _ in range(3)]
    account(None, authority("3302"))

    admin.post(
        "/accounts/act/give_role",
        {"selection": "all", "filter": "state=registered", "expected": "3", "role": "Supervisor"},
        headers={"HX-Request": "true"},
    )

    assert [roles_of(rows, person) for person in waiting] == [{"Supervisor"}] * 3
    assert rows.scalar(select(func.count()).select_from(RoleGrant)) == 3


@pytest.mark.parametrize("name", ["deactivate", "give_role", "unlock"])
def test_bulk_costs_grow_by_no_statement(admin, statements, name):
    def cost(number):
        people = [account(None, authority(COUNTY)).id for _ in range(number)]
        with statements() as seen:
            admin.act("accounts", name, people, role="Analyst")
        return len(seen)

    assert cost(2) == cost(60)


def test_a_role_given_takes_effect_at_the_next_login(admin, sign_in):
    newcomer = sign_in(None, authority(COUNTY))
    assert "还没有角色" in newcomer.get("/").text or newcomer.get("/").status_code == 200

    admin.act("accounts", "give_role", [newcomer.account.id], role="Supervisor")

    assert newcomer.get("/assignments/").headers["Location"].startswith("/login/")


# --- Nobody gets further -------------------------------------------------------------------------

ABOVE = [
    ("a superior", lambda: account("ProvincialAdministrator", authority("33"))),
    ("a peer", lambda: account("CityAdministrator", authority(CITY))),
    ("a neighbour", lambda: account("Supervisor", authority("3302"))),
    ("somebody who audits", lambda: account("Auditor", authority(CITY))),
    ("a stranger without organization", lambda: account(None, None)),
]
PATHS = {
    "deactivate": lambda admin, person: admin.act("accounts", "deactivate", [person.id]),
    "give_role": lambda admin, person: admin.act("accounts", "give_role", [person.id], role="Analyst"),
    "reset_password": lambda admin, person: admin.act("accounts", "reset_password", [person.id]),
    "reset_second_factor": lambda admin, person: admin.act("accounts", "reset_second_factor", [person.id]),
    "person": lambda admin, person: admin.post(
        f"/accounts/{person.id}/person",
        {"first_name": "改名", "email": "a@example.cn", "phone": "", "position": "", "revision": "1"},
    ),
    "organization": lambda admin, person: admin.post(
        f"/accounts/{person.id}/organization", {"organization_id": str(authority(COUNTY).id)}
    ),
    "give": lambda admin, person: admin.post(f"/accounts/{person.id}/roles", {"give": "Analyst"}),
    "take": lambda admin, person: admin.post(
        f"/accounts/{person.id}/roles", {"take": next(iter(role.name for role in person.roles), "Analyst")}
    ),
}


def everything(rows, person):
    rows.expire_all()
    names = [column.key for column in Account.__table__.columns]
    values = [getattr(rows.get(Account, person.id), name, None) for name in names if hasattr(Account, name)]
    return values, roles_of(rows, person), live_sessions(rows, person)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(("who", "make"), ABOVE, ids=[who for who, _make in ABOVE])
def test_no_path_changes_an_account_that_is_not_ones_own_to_change(admin, rows, path, who, make):
    person = make()
    before = everything(rows, person)

    answer = PATHS[path](admin, person)

    assert answer.status_code in (204, 302, 303, 404, 422)
    assert everything(rows, person) == before


@pytest.mark.parametrize("path", PATHS)
def test_nobody_changes_himself(admin, rows, path):
    before = everything(rows, admin.account)

    PATHS[path](admin, admin.account)

    assert everything(rows, admin.account) == before


@pytest.mark.parametrize(
    "role", ["CityAdministrator", "ProvincialAdministrator", "NationalAdministrator", "Auditor", "Nonsense", ""]
)
def test_a_role_beyond_ones_own_cannot_be_given_by_any_path(admin, rows, role):
    person = account(None, authority(CITY))

    bulk = admin.act("accounts", "give_role", [person.id], role=role)
    single = admin.post(f"/accounts/{person.id}/roles", {"give": role})

    assert (bulk.status_code, single.status_code) == (422, 302)
    assert roles_of(rows, person) == set()


@pytest.mark.parametrize("role", [name for name, what in ROLES.items() if what.level])
def test_an_administrators_role_needs_an_organization_of_its_level(sign_in, rows, role):
    nation = sign_in("NationalAdministrator", authority(""))
    places = {"nation": "", "province": "33", "city": CITY, "county": COUNTY}
    people = {level: account(None, authority(place)) for level, place in places.items()}

    nation.act("accounts", "give_role", [person.id for person in people.values()], role=role)

    assert {level for level, person in people.items() if roles_of(rows, person)} == {ROLES[role].level}


@pytest.mark.parametrize(
    ("held", "given", "may"),
    [
        ("Supervisor", "Analyst", True),
        ("Supervisor", "CountyAdministrator", False),
        ("Supervisor", "Auditor", False),
        ("CountyAdministrator", "Analyst", False),
        ("Auditor", "Supervisor", False),
        ("Auditor", "CountyAdministrator", False),
    ],
)
def test_duties_are_kept_apart(sign_in, rows, held, given, may):
    nation = sign_in("NationalAdministrator", authority(""))
    person = account(held, authority(COUNTY))

    nation.act("accounts", "give_role", [person.id], role=given)

    assert roles_of(rows, person) == ({held, given} if may else {held})


def test_hidden_fields_are_not_taken_from_the_form(admin, rows):
    person = account("Supervisor", authority(COUNTY), username="clerk")
    forged = {
        "username": "boss",
        "organization_id": str(authority("33").id),
        "roles": "1",
        "password": "x",
        "demo": "1",
        "password_due": "1",
        "totp_secret": "x",
        "id": "1",
    }

    admin.post(
        f"/accounts/{person.id}/person",
        {"first_name": "张四", "email": "z4@example.cn", "phone": "", "position": "科员", "active": "1",
         "revision": "1", **forged},
    )  # fmt: skip

    assert (person.first_name, person.position, person.username, person.demo, person.password_due) == (
        "张四",
        "科员",
        "clerk",
        False,
        False,
    )
    assert person.organization_id == authority(COUNTY).id


def test_the_last_at_the_top_cannot_be_removed(sign_in, rows):
    nation = authority("")
    first, second = sign_in("NationalAdministrator", nation), sign_in("NationalAdministrator", nation)

    first.act("accounts", "deactivate", [second.account.id])
    assert second.account.active is False
    assert second.act("accounts", "deactivate", [first.account.id]).status_code == 401
    first.act("accounts", "deactivate", [first.account.id])

    assert first.account.active is True


def test_one_who_was_just_removed_removes_nobody(sign_in, rows):
    """Two at the top who remove each other at once: the second to commit finds that nobody would be left."""
    from app.access import seeing
    from app.domain import accounts
    from app.errors import RuleError
    from app.fabkit.security import principal_of

    nation = authority("")
    first, second = sign_in("NationalAdministrator", nation), sign_in("NationalAdministrator", nation)
    second.account.active = False
    rows.flush()

    late = principal_of(second.account, frozenset({"NationalAdministrator"}))
    with seeing(late), pytest.raises(RuleError):
        accounts.deactivate([first.account.id], late)


# --- One account ---------------------------------------------------------------------------------


def test_the_three_tabs_and_the_drawer(admin):
    person = account("Supervisor", authority(COUNTY), username="clerk", first_name="王小明")

    pages = [admin.get(f"/accounts/{person.id}/{tab}") for tab in ("person", "organization", "roles")]
    drawer = admin.get(f"/accounts/show/{person.id}", headers={"HX-Request": "true"})

    assert [page.status_code for page in pages] == [200, 200, 200]
    assert all("王小明" in page.text for page in (*pages, drawer))
    assert "业务主管" in pages[2].text


@pytest.mark.parametrize("tab", ["person", "organization", "roles"])
@pytest.mark.parametrize("pk", ["0", "-1", "abc", "99999999999999999999", "1%20or%201=1"])
def test_a_forged_id_is_no_account(admin, tab, pk):
    assert admin.get(f"/accounts/{pk}/{tab}").status_code == 404


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"first_name": ""}, "请填写姓名。"),
        ({"phone": "12345"}, "请填写手机号"),
        ({"email": "nobody"}, "邮箱格式不正确。"),
        ({"revision": "7"}, "该数据已被他人修改"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_lost(admin, rows, changes, complaint):
    person = account("Supervisor", authority(COUNTY))
    before = everything(rows, person)
    fields = {"first_name": "张四", "email": "z4@example.cn", "phone": "13800001111", "position": "新职位",
              "active": "1", "revision": "1", **changes}  # fmt: skip

    page = admin.post(f"/accounts/{person.id}/person", fields)

    assert (page.status_code, complaint in page.text, "新职位" in page.text) == (422, True, True)
    assert everything(rows, person) == before


def test_a_new_organization_ends_roles_that_do_not_fit_it(admin, sign_in, rows):
    moved = sign_in("CountyAdministrator", authority(COUNTY))
    kept = sign_in("Analyst", authority(COUNTY))
    city, lab = authority(CITY), institution(COUNTY)

    for person, home in ((moved, city), (kept, city)):
        admin.post(f"/accounts/{person.account.id}/organization", {"organization_id": str(home.id)})
    assert (roles_of(rows, moved.account), roles_of(rows, kept.account)) == (set(), {"Analyst"})
    admin.post(f"/accounts/{kept.account.id}/organization", {"organization_id": str(lab.id)})

    assert (kept.account.organization_id, roles_of(rows, kept.account)) == (lab.id, set())
    assert kept.get("/assignments/").status_code == 302
    assert actions(rows, kept.account) == ["attach", "attach", "take_role"]


@pytest.mark.parametrize("where", ["3302", "33", "nowhere", "disabled"])
def test_an_organization_outside_is_refused(admin, rows, where):
    person = account("Analyst", authority(COUNTY))
    if where == "disabled":
        target = authority("330102")
        target.active = False
        chosen = target.id
    else:
        chosen = 99999999 if where == "nowhere" else authority(where).id

    admin.post(f"/accounts/{person.id}/organization", {"organization_id": str(chosen)})

    assert person.organization_id == authority(COUNTY).id


def test_taking_a_role_away(admin, sign_in, rows):
    clerk = sign_in("Supervisor", authority(COUNTY))

    admin.post(f"/accounts/{clerk.account.id}/roles", {"take": "Supervisor"})

    assert roles_of(rows, clerk.account) == set()
    assert clerk.get("/assignments/").status_code == 302
    assert rows.scalar(select(func.count()).select_from(held_role).where(held_role.c.user_id == clerk.account.id)) == 0


def test_a_reset_password_is_shown_once_and_opens_only_the_page_to_choose_another(admin, sign_in, rows):
    from app import ciphers

    clerk = sign_in("Supervisor", authority(COUNTY))

    answer = admin.act("accounts", "reset_password", [clerk.account.id])
    password = answer.text.split("<code>")[1].split("</code>")[0]

    assert ciphers.password_matches(clerk.account.password, password)
    assert (clerk.account.password_due, live_sessions(rows, clerk.account)) == (True, 0)
    assert clerk.get("/assignments/").status_code == 302
    entries = rows.execute(select(AuditEntry.detail, AuditEntry.subject_name)).all()
    assert password not in str(entries)


def test_an_export_tells_who_took_it(admin, rows):
    account("Analyst", authority(COUNTY), phone="13812345678")

    sheet = admin.post("/accounts/export", {"format": "csv", "filter": "state=active"})

    entry = rows.scalars(select(AuditEntry).where(AuditEntry.action == "export")).one()
    assert sheet.status_code == 200
    assert "13812345678" not in sheet.text
    assert (entry.by_id, entry.subject_name, entry.detail) == (
        admin.account.id,
        "系统用户管理",
        {"format": "csv", "filter": "state=active", "rows": 1},
    )


def test_who_waits_for_a_role_is_always_known(sign_in, rows):
    """`has_role` repeats what the roles say, whichever verb changed them."""
    nation = sign_in("NationalAdministrator", authority(""))
    county, city = authority(COUNTY), authority(CITY)
    given, taken, moved = (account(role, county) for role in (None, "Analyst", "CountyAdministrator"))
    nation.act("accounts", "give_role", [given.id], role="CountyAdministrator")
    nation.post(f"/accounts/{taken.id}/roles", {"take": "Analyst"})
    nation.post(f"/accounts/{moved.id}/organization", {"organization_id": str(city.id)})
    between = told(rows)
    with seeing(principal_of(nation.account, frozenset({"NationalAdministrator"}))) as by:
        mergers.merge(county.id, city.id, "机构改革，并入市局", by)

    assert all(said == held for said, held in (*between, *told(rows)))
    assert [given.has_role, taken.has_role, moved.has_role] == [False, False, False]


def told(rows):
    rows.expire_all()
    holding = exists().where(held_role.c.user_id == Account.id)
    return [tuple(pair) for pair in rows.execute(select(Account.has_role, holding).order_by(Account.id))]
