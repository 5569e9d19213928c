"""账号注册: clear words on each field, nothing lost, nothing told to strangers, and no rights before a role."""

import re

import pytest
from sqlalchemy import func, select

from app.domain import credit_codes
from app.models import Account, AuditEntry, Captcha, Notification, Organization, UsingUnit
from tests.conftest import from_outside
from tests.factories import account, authority, institution, using_unit

PASSWORD = "Kaoyan#Zhoushan7"


def credit_code(body="91330106MA2CEXA8"):
    first17 = body + credit_codes.organization_check_digit(body[8:16])
    return first17 + credit_codes.check_digit(first17)


CODE = credit_code()
UNIT = {
    "kind": "using_unit",
    "nature": "enterprise",
    "credit_code": CODE,
    "unit_name": "杭州老街面馆有限公司",
    "region": "330106",
    "address": "文三路 8 号",
}
PERSON = {
    "name": "赵小禾",
    "phone": "13800001234",
    "email": "zhao@example.cn",
    "position": "店长",
    "account_name": "laojie",
    "password": PASSWORD,
    "password_again": PASSWORD,
    "consent": "y",
}


@pytest.fixture
def send(stranger, rows):
    """Fill the form as a person does, captcha and all."""

    def sent(**fields):
        from_outside(lambda: stranger.client.get("/register/"))
        stranger.token = stranger.get("/session/token").json["token"]
        token = stranger.get("/captcha/").json["token"]
        answer = rows.scalar(select(Captcha.answer).where(Captcha.token == token))
        return stranger.post("/register/", {"captcha_token": token, "captcha": answer, **fields})

    return sent


def accounts(rows):
    return list(rows.scalars(select(Account).order_by(Account.id)))


def account_name(page):
    return re.findall(r"<code>([^<]+)</code>", page.text)[0]


def test_a_new_using_unit_is_founded_with_its_first_account(send, rows):
    page = send(**UNIT, **PERSON)

    person = accounts(rows)[-1]
    unit = rows.get(Organization, person.organization_id)
    details = rows.get(UsingUnit, unit.id)
    assert page.status_code == 201
    assert re.fullmatch(r"laojie-\d{4}", person.username)
    assert account_name(page) == person.username
    assert (person.first_name, person.phone, person.position, person.active, person.roles) == (
        "赵小禾",
        "13800001234",
        "店长",
        True,
        [],
    )
    assert (unit.name, unit.kind, unit.credit_code, unit.region_code, unit.level, unit.path) == (
        "杭州老街面馆有限公司",
        "using_unit",
        CODE,
        "330106",
        "county",
        f"/{unit.id}/",
    )
    assert (details.nature, details.address, details.contact) == ("enterprise", "文三路 8 号", "赵小禾")
    assert person.consented_at is not None
    assert PASSWORD not in (person.password or "")
    entry = rows.scalars(select(AuditEntry).where(AuditEntry.action == "register")).one()
    assert (entry.subject_id, entry.region_code, PASSWORD in str(entry.detail)) == (person.id, "330106", False)


@pytest.mark.parametrize(("kind", "make"), [("authority", lambda: authority("330106")), ("institution", institution)])
def test_staff_choose_their_organization(send, rows, kind, make):
    home = make()

    page = send(**PERSON, kind=kind, organization_id=str(home.id))

    assert page.status_code == 201
    assert accounts(rows)[-1].organization_id == home.id


@pytest.mark.parametrize("what", ["of another kind", "a using unit", "disabled", "nowhere", "no number"])
def test_an_organization_that_is_not_offered_is_refused(send, rows, what):
    closed = authority("330102")
    closed.active = False
    chosen = {
        "of another kind": institution().id,
        "a using unit": using_unit().id,
        "disabled": closed.id,
        "nowhere": 99999999,
        "no number": "1 OR 1=1",
    }[what]

    page = send(**PERSON, kind="authority", organization_id=str(chosen))

    assert page.status_code == 422
    assert accounts(rows) == []


def without_what_differs(page):
    text = re.sub(r"laojie-\d{4}", "NAME", page.text)
    return re.sub(r'(name="csrf-token" content|value)="[^"]+"', "", text)


def test_strangers_learn_nothing_about_which_accounts_are_known(send, rows):
    first = send(**UNIT, **PERSON)
    other = {**UNIT, "credit_code": credit_code("91330106MA2CEXB6")}
    second = send(**other, **PERSON)
    third = send(**{**UNIT, "credit_code": credit_code("91330106MA2CEXC4")}, **{**PERSON, "email": "other@example.cn"})

    assert [page.status_code for page in (first, second, third)] == [201, 201, 201]
    assert without_what_differs(first) == without_what_differs(second) == without_what_differs(third)
    names = [person.username for person in accounts(rows)]
    assert len(set(names)) == 3


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"kind": ""}, "请选择账号类型。"),
        ({"name": ""}, "请填写姓名。"),
        ({"phone": ""}, "请填写电话。"),
        ({"phone": "12345"}, "请填写手机号，或带区号的固定电话。"),
        ({"email": "zhao"}, "邮箱格式不正确。"),
        ({"account_name": "老街"}, "账号名以字母开头"),
        ({"account_name": "-x"}, "账号名以字母开头"),
        ({"password": "short", "password_again": "short"}, "密码"),
        ({"password": "laojie#Laojie1", "password_again": "laojie#Laojie1"}, "密码"),
        ({"password_again": "Another#12345"}, "两次输入的密码不一致。"),
        ({"consent": ""}, "须同意个人信息保护告知方可注册。"),
        ({"captcha": "0000"}, "验证码有误或已过期。"),
        ({"captcha": ""}, "请填写验证码。"),
        ({"unit_name": ""}, "请填写单位名称。"),
        ({"credit_code": ""}, "请填写统一社会信用代码。"),
        ({"credit_code": CODE[:17] + ("0" if CODE[17] != "0" else "1")}, "统一社会信用代码有误"),
        ({"credit_code": "123"}, "统一社会信用代码有误"),
        ({"region": ""}, "请选择到县（区）的行政区划。"),
        ({"region": "330100"}, "请选择到县（区）的行政区划。"),
        ({"region": "999999"}, "该值不在可选范围内。"),
        ({"address": ""}, "请填写详细地址。"),
        ({"nature": "forged"}, "请"),
    ],
)
def test_what_is_wrong_is_said_beside_its_field_and_nothing_is_lost(send, rows, changes, complaint):
    page = send(**{**UNIT, **PERSON, **changes})

    kept = {"name": "赵小禾", "email": "zhao@example.cn", "unit_name": "杭州老街面馆有限公司", "address": "文三路 8 号"}
    assert (page.status_code, complaint in page.text) == (422, True)
    assert all(f'value="{value}"' in page.text for name, value in kept.items() if name not in changes)
    assert PASSWORD not in page.text
    assert (accounts(rows), rows.scalar(select(func.count()).select_from(Organization))) == ([], 0)


def test_who_has_no_credit_code_may_do_without(send, rows):
    page = send(**{**UNIT, **PERSON, "nature": "person", "credit_code": "", "unit_name": "赵小禾"})

    assert page.status_code == 201
    assert rows.get(Organization, accounts(rows)[-1].organization_id).credit_code is None


def test_hidden_fields_are_not_taken(send, rows):
    send(**UNIT, **PERSON, roles="1", active="", username="boss", demo="1", jurisdiction="", level="nation", id="1")

    person = accounts(rows)[-1]
    assert (person.roles, person.active, person.demo) == ([], True, False)
    assert rows.get(Organization, person.organization_id).level == "county"


def test_a_registered_account_signs_in_and_sees_only_what_comes_next(send, stranger, rows):
    name = account_name(send(**UNIT, **PERSON))
    token = stranger.get("/captcha/").json["token"]
    answer = rows.scalar(select(Captcha.answer).where(Captcha.token == token))

    stranger.post("/login/", {"username": name, "password": PASSWORD, "captcha": answer, "captcha_token": token})

    page = stranger.get("/")
    assert page.status_code == 200
    assert "尚未分配角色" in page.text or "角色" in page.text
    assert 'class="menu' not in page.text or "检定" not in page.text.split('class="menu')[1].split("</nav>")[0]
    assert [stranger.get(url).status_code for url in ("/progress/", "/assignments/", "/accounts/")] == [403, 403, 403]


def test_only_public_organizations_are_offered(stranger, rows):
    authority("330106").name = "西湖区市场监督管理局"
    lab = institution(name="西湖计量所")
    lab.credit_code = CODE
    using_unit(name="西湖水务集团")
    closed = institution(name="西湖旧计量所")
    closed.active = False

    def labels(term):
        return {option["label"] for option in stranger.get(f"/register/organizations?q={term}").json["options"]}

    assert labels("西湖") == {"西湖区市场监督管理局", "西湖计量所"}
    assert labels(CODE) == {"西湖计量所"}
    assert (labels("西"), labels(""), labels("%25%25")) == (set(), set(), set())


def test_nobody_registers_without_end(send, rows):
    from app.models import Attempt

    rows.add(Attempt(key="register:127.0.0.1", failures=20, last_at=func.now()))

    page = send(**UNIT, **PERSON)

    assert (page.status_code, "注册次数过多" in page.text, accounts(rows)) == (422, True, [])


def test_who_is_signed_in_does_not_register(sign_in):
    assert sign_in("Supervisor", authority("330106")).get("/register/").headers["Location"] == "/"


def test_the_privacy_notice_is_there_in_both_languages(stranger):
    chinese = stranger.get("/register/privacy").text
    stranger.get("/session/language/en")

    assert "个人信息保护法" in chinese
    assert "Personal Information Protection Law" in stranger.get("/register/privacy").text


def test_an_administrator_finds_who_waits(send, sign_in, rows):
    name = account_name(send(**UNIT, **PERSON))
    admin = sign_in("CountyAdministrator", authority("330106"))
    neighbour = sign_in("CountyAdministrator", authority("330102"))
    account(None, authority("330102"))

    assert name in admin.get("/accounts/?state=registered").text
    assert name not in neighbour.get("/accounts/?state=registered").text
    admin.act("accounts", "give_role", [accounts(rows)[0].id], role="UsingUnitAdministrator")
    assert accounts(rows)[0].roles == []  # first the unit itself is admitted
    admin.act("organizations", "admit", [accounts(rows)[0].organization_id])
    admin.act("accounts", "give_role", [accounts(rows)[0].id], role="UsingUnitAdministrator")

    assert [role.name for role in accounts(rows)[0].roles] == ["UsingUnitAdministrator"]


# --- The first account of a real system ----------------------------------------------------------


def test_the_first_administrator_is_made_at_the_terminal(app, rows):
    def run(*arguments):
        return app.test_cli_runner().invoke(args=[*arguments])

    make = ("administrator", "root", "--name", "郑卫平", "--email", "root@example.cn", "--password")
    too_early = run(*make, PASSWORD)
    founded = run("authorities")
    weak = run(*make, "root12345")
    made = run(*make, PASSWORD)
    again = run(*make, PASSWORD)

    assert [result.exit_code for result in (too_early, founded, weak, made, again)] == [2, 0, 2, 0, 2]
    person = accounts(rows)[-1]
    assert (person.username, [role.name for role in person.roles], person.has_role) == (
        "root",
        ["NationalAdministrator"],
        True,
    )
    assert rows.get(Organization, person.organization_id).jurisdiction == ""
    assert len(accounts(rows)) == 1


def test_every_region_has_its_authority_and_the_bingtuan_its_own(app, rows):
    app.test_cli_runner().invoke(args=["authorities"])
    again = app.test_cli_runner().invoke(args=["authorities"])

    by_jurisdiction = {each.jurisdiction: each for each in rows.scalars(select(Organization))}
    corps, city = by_jurisdiction["6590"], by_jurisdiction["659001"]
    assert len(by_jurisdiction) == 3213
    assert again.exit_code == 2
    assert (corps.name, city.parent_id, by_jurisdiction["330106"].parent_id) == (
        "新疆生产建设兵团市场监督管理局",
        corps.id,
        by_jurisdiction["3301"].id,
    )
    assert {each.credit_code for each in by_jurisdiction.values()} == {None}


# --- Units that nobody has looked at yet, and units that are known --------------------------------


def unit_of(rows):
    return rows.get(Organization, accounts(rows)[-1].organization_id)


def test_a_new_unit_waits_for_the_authority_of_its_place_and_is_then_admitted(send, rows, sign_in):
    boss = sign_in("CountyAdministrator", authority("330106"))
    page = send(**UNIT, **PERSON)
    unit, person = unit_of(rows), accounts(rows)[-1]

    assert "须先经所在地市场监督管理部门核准" in page.text
    assert (unit.active, unit.awaiting_since is not None) == (False, True)
    assert "待核准单位" in boss.get("/").text
    assert "杭州老街面馆有限公司" in boss.get("/organizations/?state=awaiting").text
    told = select(Notification.kind, Notification.account_id).where(Notification.subject == "organization")
    assert rows.execute(told).all() == [("found", boss.account.id)]
    founded = rows.scalars(select(AuditEntry).where(AuditEntry.action == "found")).one()
    assert (founded.subject_id, founded.by_name) == (unit.id, "赵小禾")

    assert boss.act("organizations", "admit", [unit.id]).status_code == 204
    rows.expire_all()
    assert (unit.active, unit.awaiting_since) == (True, None)
    assert rows.scalars(select(Notification.kind).where(Notification.account_id == person.id)).all() == ["admitted"]


def test_a_unit_that_is_turned_down_stays_out_and_says_why(send, rows, sign_in):
    boss = sign_in("CountyAdministrator", authority("330106"))
    send(**UNIT, **PERSON)
    unit = unit_of(rows)

    assert boss.act("organizations", "turn_down", [unit.id], reason="x").status_code == 422
    assert boss.act("organizations", "turn_down", [unit.id], reason="单位名称与信用代码不符").status_code == 204
    rows.expire_all()
    assert (unit.active, unit.awaiting_since) == (False, None)
    entry = rows.scalars(select(AuditEntry).where(AuditEntry.action == "turn_down")).one()
    assert entry.detail == {"reason": "单位名称与信用代码不符"}


def test_the_true_owner_of_a_code_registers_after_somebody_else_was_turned_down(send, rows, sign_in):
    boss = sign_in("CountyAdministrator", authority("330106"))
    send(**{**UNIT, **PERSON, "unit_name": "冒名者公司"})
    boss.act("organizations", "turn_down", [unit_of(rows).id], reason="单位名称与信用代码不符")

    assert send(**UNIT, **PERSON).status_code == 201
    unit = unit_of(rows)
    assert (unit.name, unit.credit_code, unit.awaiting_since is not None) == (UNIT["unit_name"], CODE, True)
    freed = rows.scalars(select(AuditEntry).where(AuditEntry.action == "edit")).one()
    assert freed.detail == {"changed": ["credit_code"], "before": [CODE], "after": [""]}


def test_the_code_of_a_merged_unit_leads_to_what_it_was_merged_into(send, rows):
    gone, between, heir = using_unit(), using_unit(), using_unit(name="合并后的单位")
    gone.credit_code = CODE
    for one, into in ((gone, between), (between, heir)):
        one.active, one.merged_into_id = False, into.id
    rows.flush()

    asked = send(**UNIT, **PERSON)
    assert (asked.status_code, "该信用代码已登记为“合并后的单位”" in asked.text) == (422, True)
    assert send(**UNIT, **PERSON, confirmed_id=str(heir.id)).status_code == 201
    assert accounts(rows)[-1].organization_id == heir.id


def test_nobody_joins_a_disabled_unit(send, rows):
    unit = using_unit()
    unit.credit_code, unit.active = CODE, False
    rows.flush()

    for confirmed in ("", str(unit.id)):
        answer = send(**UNIT, **PERSON, confirmed_id=confirmed)
        assert (answer.status_code, "单位已被停用" in answer.text) == (422, True)
    assert accounts(rows) == []


def test_a_unit_that_waits_is_not_enabled_by_the_way_and_no_neighbour_admits_it(send, rows, sign_in):
    boss = sign_in("CountyAdministrator", authority("330106"))
    neighbour = sign_in("CountyAdministrator", authority("330105"))
    send(**UNIT, **PERSON)
    unit = unit_of(rows)

    boss.act("organizations", "enable", [unit.id])
    neighbour.act("organizations", "admit", [unit.id])
    rows.expire_all()
    assert (unit.active, unit.awaiting_since is not None) == (False, True)


def test_nobody_of_a_unit_that_waits_does_anything(send, rows, enter):
    send(**UNIT, **PERSON)
    person = enter(accounts(rows)[-1])
    assert [person.get(url).status_code for url in ("/ledger/", "/progress/", "/appointments/")] == [403] * 3


def test_a_known_code_shows_its_name_and_is_joined_only_when_confirmed(send, rows):
    unit = using_unit(name="真实单位有限公司")
    unit.credit_code = CODE

    asked = send(**{**UNIT, **PERSON, "unit_name": "假冒单位名称"})
    assert (asked.status_code, "该信用代码已登记为“真实单位有限公司”" in asked.text) == (422, True)
    assert f'name="confirmed_id" value="{unit.id}"' in asked.text
    assert accounts(rows) == []

    joined = send(**{**UNIT, **PERSON}, confirmed_id=str(unit.id))
    assert (joined.status_code, accounts(rows)[-1].organization_id) == (201, unit.id)
    assert "须先经" not in joined.text
    assert (unit.name, unit.active) == ("真实单位有限公司", True)


@pytest.mark.parametrize("forged", ["999999", "x", "-1", ""])
def test_confirming_another_unit_confirms_nothing(send, rows, forged):
    using_unit(name="真实单位有限公司").credit_code = CODE
    assert send(**UNIT, **PERSON, confirmed_id=forged).status_code == 422
    assert accounts(rows) == []


def test_an_institution_registers_as_a_using_unit_too(send, rows):
    lab = institution(name="浙江省人民医院计量中心")
    lab.credit_code = CODE
    rows.flush()

    assert send(**UNIT, **PERSON).status_code == 201
    assert (unit_of(rows).kind, unit_of(rows).credit_code) == ("using_unit", CODE)
