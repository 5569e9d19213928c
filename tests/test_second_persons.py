"""三员分立: no administrator silences or replaces an auditor alone, and one always remains."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update
from werkzeug.security import generate_password_hash

from app import access
from app.models import (
    AccessKey,
    Account,
    AccountSession,
    AuditEntry,
    Notification,
    Organization,
    PendingDeed,
    RoleGrant,
)
from tests.factories import account, authority

WAITS = "该操作涉及审计员：须由另一名管理员在 24 小时内执行同一操作予以确认。"


@pytest.fixture
def nation():
    return authority("")


@pytest.fixture
def auditors(nation):
    return [account("Auditor", nation) for _ in range(2)]


@pytest.fixture
def admins(sign_in, nation):
    return [sign_in("NationalAdministrator", nation) for _ in range(2)]


def is_active(rows, one):
    rows.expire_all()
    return rows.get(Account, one.id).active


def test_deactivating_an_auditor_needs_a_second_administrator(rows, auditors, admins):
    first, second = admins
    victim = auditors[0]

    first.act("accounts", "deactivate", [victim.id])
    assert is_active(rows, victim)
    assert any(WAITS in message for message in first.messages())

    again = first.act("accounts", "deactivate", [victim.id])
    assert (again.status_code, is_active(rows, victim)) == (422, True)
    assert "您已提出过该操作" in again.text

    second.act("accounts", "deactivate", [victim.id])
    assert not is_active(rows, victim)
    assert rows.scalars(select(PendingDeed)).all() == []
    asked = rows.scalars(select(AuditEntry).where(AuditEntry.action == "ask_for_second")).one()
    assert (asked.subject_id, asked.by_id, asked.detail) == (victim.id, first.account.id, {"what": "deactivate"})


def test_resetting_an_auditors_password_shows_none_before_it_is_confirmed(rows, auditors, admins):
    first, second = admins
    before = auditors[0].password

    refused = first.act("accounts", "reset_password", [auditors[0].id])
    rows.expire_all()
    assert (refused.status_code, rows.get(Account, auditors[0].id).password == before) == (204, True)

    given = second.act("accounts", "reset_password", [auditors[0].id])
    assert given.status_code == 200
    rows.expire_all()
    assert rows.get(Account, auditors[0].id).password != before


@pytest.mark.parametrize("way", ["roles", "organization", "person"])
def test_no_other_way_leads_around_it(rows, auditors, admins, nation, way):
    victim, first = auditors[0], admins[0]
    other = authority("330106")
    fields = {
        "roles": {"take": "Auditor"},
        "organization": {"organization_id": str(other.id)},
        "person": {
            "first_name": "甲乙",
            "phone": "13800001234",
            "email": "a@example.cn",
            "position": "",
            "revision": str(victim.revision),
        },
    }[way]

    answer = first.post(f"/accounts/{victim.id}/{way}", fields)

    assert answer.status_code == 303
    assert WAITS in first.messages()
    rows.expire_all()
    left = rows.get(Account, victim.id)
    assert (left.active, left.organization_id, [role.name for role in left.roles]) == (True, nation.id, ["Auditor"])


@pytest.fixture
def third(nation):
    return account("NationalAdministrator", nation)


@pytest.mark.parametrize("asks", [False, True], ids=["confirms", "asks"])
@pytest.mark.parametrize("by", ["the other", "a third one"])
def test_who_was_just_appointed_neither_asks_nor_confirms(rows, auditors, admins, third, by, asks):
    """By nobody: the first could have appointed him through somebody else."""
    old, new = admins
    giver = old.account if by == "the other" else third
    given = {"by_id": giver.id, "by_name": "甲", "by_organization": "总局"}
    rows.add(RoleGrant(account_id=new.account.id, role="NationalAdministrator", **given))
    rows.flush()
    first, second = (new, old) if asks else (old, new)
    answers = [person.act("accounts", "deactivate", [auditors[0].id]) for person in (first, second)]
    assert [answer.status_code for answer in answers] == ([422, 204] if asks else [204, 422])
    assert is_active(rows, auditors[0])

    rows.execute(update(RoleGrant).values(at=datetime.now(UTC) - timedelta(days=8)))
    new.act("accounts", "deactivate", [auditors[0].id])
    assert not is_active(rows, auditors[0])


def test_with_the_account_of_a_colleague_one_confirms_nothing(rows, auditors, admins):
    """Whose password somebody has reset may be that somebody."""
    first, second = admins
    first.act("accounts", "deactivate", [auditors[0].id])
    first.act("accounts", "reset_password", [second.account.id])
    rows.execute(update(Account).where(Account.id == second.account.id).values(password_due=False))
    rows.execute(update(AccountSession).values(ended_at=None, ended_by=None))

    refused = second.act("accounts", "deactivate", [auditors[0].id])

    assert (refused.status_code, is_active(rows, auditors[0])) == (422, True)
    assert "密码、第二因素刚被重置" in refused.text


@pytest.mark.parametrize("page", [True, False], ids=["page", "list"])
def test_another_auditor_beside_one_needs_a_second_administrator(rows, auditors, admins, nation, page):
    first, second = admins
    puppet = account(None, nation)

    def give(person):
        if page:
            return person.post(f"/accounts/{puppet.id}/roles", {"give": "Auditor"})
        return person.act("accounts", "give_role", [puppet.id], role="Auditor")

    give(first)
    assert any(WAITS in message for message in first.messages())
    rows.expire_all()
    assert rows.get(Account, puppet.id).roles == []

    give(second)
    rows.expire_all()
    assert [role.name for role in rows.get(Account, puppet.id).roles] == ["Auditor"]


def test_the_first_auditor_of_an_office_needs_no_second_administrator(rows, admins):
    new = account(None, authority("330106"))
    admins[0].act("accounts", "give_role", [new.id], role="Auditor")
    rows.expire_all()
    assert [role.name for role in rows.get(Account, new.id).roles] == ["Auditor"]


@pytest.mark.parametrize("deed", ["disable", "merge"])
def test_an_office_does_not_end_with_its_auditor(rows, admins, deed):
    city = authority("3301")
    county = authority("330106", city)
    one = account("Auditor", county)
    fields = {"reason": "机构改革撤并本局", "into_id": str(city.id), "understood": "y"}

    refused = admins[0].act("organizations", deed, [county.id], **fields)

    assert (refused.status_code, "设有审计员" in refused.text) == (422, True)
    rows.expire_all()
    assert (rows.get(Account, one.id).organization_id, rows.get(Organization, county.id).active) == (county.id, True)


def test_an_auditor_hears_that_somebody_asks_for_his_end(rows, auditors, admins):
    admins[0].act("accounts", "deactivate", [auditors[0].id])
    assert told(rows, auditors[0]) == ["second_asked"]


def test_what_was_asked_for_is_forgotten_after_a_day(rows, auditors, admins):
    first, second = admins
    first.act("accounts", "deactivate", [auditors[0].id])
    rows.execute(update(PendingDeed).values(asked_at=datetime.now(UTC) - timedelta(hours=25)))

    second.act("accounts", "deactivate", [auditors[0].id])

    assert is_active(rows, auditors[0])
    assert rows.scalars(select(PendingDeed.by_id)).all() == [second.account.id]


def test_one_active_auditor_remains(rows, auditors, admins):
    both = [one.id for one in auditors]
    admins[0].act("accounts", "deactivate", both)
    refused = admins[1].act("accounts", "deactivate", both)

    assert (refused.status_code, "须保留至少一名在用的审计员" in refused.text) == (422, True)
    assert all(is_active(rows, one) for one in auditors)


def test_others_are_deactivated_by_one_administrator(rows, nation, admins, auditors):
    officer = account("Supervisor", authority("330106"))
    admins[0].act("accounts", "deactivate", [officer.id, auditors[0].id])
    assert (is_active(rows, officer), is_active(rows, auditors[0])) == (False, True)


def test_system_accounts_and_audit_are_three_duties():
    for one, other in (("SystemAdministrator", "NationalAdministrator"), ("SystemAdministrator", "Auditor"),
                       ("NationalAdministrator", "Auditor"), ("SystemAdministrator", "Supervisor")):  # fmt: skip
        assert access.duties_clash([one, other])
    keeps = {"Deadlines", "Holidays", "ProvinceRules", "ClockRuns"}
    writing = {
        name
        for name, role in access.ROLES.items()
        for page in keeps
        if role.permissions.get(page, frozenset()) - {"can_list", "can_show", "can_export"}
    }
    assert writing == {"SystemAdministrator"}


# --- Everybody hears of what happens to the own account --------------------------------------------


def told(rows, one):
    return list(rows.scalars(select(Notification.kind).where(Notification.account_id == one.id)))


def test_an_account_is_told_of_a_new_password_and_of_roles(rows, admins):
    officer = account("Supervisor", authority("330106"))
    admins[0].act("accounts", "reset_password", [officer.id])
    admins[0].post(f"/accounts/{officer.id}/roles", {"give": "Analyst"})
    admins[0].post(f"/accounts/{officer.id}/roles", {"take": "Analyst"})

    assert told(rows, officer) == ["password_reset", "role_given", "role_taken"]


def test_a_new_password_ends_the_keys_of_programs(rows, sign_in):
    officer = sign_in("Analyst", authority("33"))
    officer.account.password = generate_password_hash("Jianding#2026", method="scrypt:1024:8:1")
    rows.add(AccessKey(account_id=officer.account.id, name="x", prefix="jl_x", key_hash="0" * 64, scopes=[],
                       expires_at=datetime.now(UTC) + timedelta(days=9)))  # fmt: skip
    rows.flush()
    new = "Kaoyan#Zhoushan7"
    fields = {"current": "Jianding#2026", "password": new, "again": new}

    assert officer.post("/me/password", fields).status_code in {302, 303}
    rows.expire_all()
    assert rows.scalars(select(AccessKey.revoked_at)).one() is not None
    assert told(rows, officer.account) == ["password_changed"]
