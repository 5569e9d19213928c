"""首页 and 大屏: each figure is what a full count says and what its list shows, at every level, never a neighbour's."""

import html
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask_appbuilder.security.sqla.models import Role
from sqlalchemy import select, update

from app.domain import audits, holidays, home, tallies
from app.models import AccountSession, Institution, SavedView, db
from app.states import (
    ACCEPTED,
    CERTIFIED,
    DRAFT,
    FILED,
    OFFERED,
    PENDING,
    REFUSED,
    RETURNED,
    SUBMITTED,
    TO_APPROVE,
    TO_CHECK,
    TO_RECHECK,
    TO_RECTIFY,
    UNASSIGNED,
    VERIFYING,
)
from tests.factories import (
    account,
    authority,
    capability,
    certificate,
    inspection,
    institution,
    instrument,
    measurement_standard,
    staff_member,
    task,
    using_unit,
)

SUPERVISED = (
    "退回待处理", "本级待分配", "下级上转", "待审核备案", "待审核机构项目", "待审核社公标", "待公示证书",
    "待检查", "整改待复查", "整改逾期", "30 日内到期社公标", "180 日内到期授权",
)  # fmt: skip


@pytest.fixture(autouse=True)
def counted_anew():
    """A week is kept for some minutes; here each test has its own."""
    home.forget()
    yield
    home.forget()


def place(region: str, times: int) -> Any:
    """So many rows of everything that can wait, in one county."""
    today, office = holidays.today(), authority(region)
    lab, unit = institution(region), using_unit(region)
    lab.parent_id = office.id
    db.session.flush()
    for _ in range(times):
        task(RETURNED, region, unit=unit, to=lab)
        task(UNASSIGNED, region, unit=unit)
        task(UNASSIGNED, region, unit=unit)
        task(UNASSIGNED, region, unit=unit, desk=authority(region[:4]))
        instrument(region, unit, filing_state=PENDING)
        capability(lab, region, state=PENDING)
        measurement_standard(lab, state=SUBMITTED)
        measurement_standard(lab, valid_until=today + timedelta(days=9))
        certificate(task(CERTIFIED, region, unit=unit, to=lab), verified_on=today - timedelta(days=1))
        for state in ("planned", TO_RECHECK):
            inspection(state, of=lab, office=office)
        inspection(TO_RECTIFY, of=lab, office=office, due_on=today - timedelta(days=1))
        for state in (OFFERED, ACCEPTED, VERIFYING, TO_CHECK, TO_APPROVE):
            task(state, region, unit=unit, to=lab, due_on=today - timedelta(days=3), accepted_at=datetime.now(UTC))
        task(ACCEPTED, region, unit=unit, to=lab)
        for state in (DRAFT, REFUSED):
            task(state, region, unit=unit)
        for days in (-5, 10):
            instrument(region, unit, filing_state=FILED, valid_until=today + timedelta(days=days),
                       verification_state="overdue" if days < 0 else "due_soon")  # fmt: skip
        staff_member(lab, qualified_until=today + timedelta(days=9))
        capability(lab, region, valid_until=today + timedelta(days=60))
    db.session.get_one(Institution, lab.id).authorized_until = today + timedelta(days=90)
    db.session.flush()
    tallies.rebuild()
    return lab, unit


@pytest.fixture
def world(rows):
    return {region: place(region, times) for region, times in (("330106", 3), ("330105", 2), ("510104", 1))}


def counts(page):
    """{label: (figure, address)} of the first page."""
    found = re.findall(r'<a href="([^"]*)" class="home-count[^"]*"><b>(.*?)</b><span>(.*?)</span>', page.text)
    return {html.unescape(label): (figure, html.unescape(url)) for url, figure, label in found}


def figures(page):
    return {label: int(figure) for label, (figure, _url) in counts(page).items()}


@pytest.mark.parametrize(
    ("jurisdiction", "expected"),
    [
        ("330106", (3, 6, 0, 3, 3, 3, 3, 3, 3, 3, 3, 1)),
        ("330105", (2, 4, 0, 2, 2, 2, 2, 2, 2, 2, 2, 1)),
        ("3301", (0, 5, 5, 5, 5, 0, 5, 0, 0, 0, 5, 2)),
        ("33", (0, 0, 0, 5, 5, 0, 5, 0, 0, 0, 5, 2)),
        ("", (0, 0, 0, 6, 6, 0, 6, 0, 0, 0, 6, 3)),
        ("5101", (0, 1, 1, 1, 1, 0, 1, 0, 0, 0, 1, 1)),
        ("330203", (0,) * 12),
    ],
)
def test_a_supervisor_has_the_counts_of_the_own_area_alone(sign_in, world, jurisdiction, expected):
    page = sign_in("Supervisor", authority(jurisdiction)).get("/")

    assert figures(page) == dict(zip(SUPERVISED, expected, strict=True))
    assert ("目前没有待办事项" in page.text) == (not any(expected))


def test_an_institution_has_its_own(sign_in, world):
    lab, _unit = world["330106"]

    assert figures(sign_in("InstitutionApprover", lab).get("/")) == {
        "待受理任务": 3, "待收样器具": 3, "超时限任务": 15, "待核验结果": 3, "待批准结果": 3, "待整改问题": 3,
        "30 日内到期资格": 3, "90 日内到期项目": 3, "近 30 日检定的证书": 3,
    }  # fmt: skip
    assert figures(sign_in("InstitutionVerifier", lab).get("/"))["待录结果"] == 3
    assert set(figures(sign_in("InstitutionApprover", institution()).get("/")).values()) == {0}


def test_a_using_unit_has_its_own(sign_in, world):
    _lab, unit = world["330106"]

    assert figures(sign_in("UsingUnitClerk", unit).get("/")) == {
        "待整改问题": 0, "30 日内到期及超期器具": 6, "超期未检器具": 3, "预约草稿": 3, "被退回任务": 3,
        "不予受理任务": 3, "近 30 日检定的证书": 3,
    }  # fmt: skip
    assert set(figures(sign_in("UsingUnitClerk", using_unit()).get("/")).values()) == {0}


def test_an_administrator_has_the_accounts_in_care(sign_in, rows):
    account(None, authority("330106"))
    account(None, authority("330105"))

    assert figures(sign_in("CountyAdministrator", authority("330106")).get("/")) == {
        "待核准单位": 0, "待分配角色账号": 1, "已锁定账号": 0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("role", "whose"),
    [
        ("Supervisor", "330106"),
        ("Supervisor", "3301"),
        ("Supervisor", ""),
        ("InstitutionApprover", "lab"),
        ("InstitutionVerifier", "lab"),
        ("UsingUnitClerk", "unit"),
        ("CountyAdministrator", "330106"),
    ],
)
def test_each_figure_leads_to_a_list_of_just_that_many_rows(sign_in, world, role, whose):
    lab, unit = world["330106"]
    person = sign_in(role, {"lab": lab, "unit": unit}.get(whose) or authority(whose))
    shown = counts(person.get("/"))

    lists = {label: person.get(url) for label, (_figure, url) in shown.items()}
    totals = {label: re.findall(r'data-total="([^"]*)"', page.text) for label, page in lists.items()}

    assert totals == {label: [figure] for label, (figure, _url) in shown.items()}
    assert [page.status_code for page in lists.values()] == [200] * len(shown)
    assert not any("alert-dismissible" in page.text for page in lists.values())  # each filter is known to its list


def test_two_roles_see_both(sign_in, rows):
    person = sign_in("AssignmentOfficer", authority("330106"))
    before = set(figures(person.get("/")))
    person.account.roles.append(rows.scalars(select(Role).where(Role.name == "StandardOfficer")).one())
    rows.flush()

    assert before == {"退回待处理", "本级待分配", "下级上转", "待审核备案"}
    assert set(figures(person.get("/"))) == before | {"待审核社公标", "30 日内到期社公标"}


def test_who_only_looks_has_no_work(sign_in, world):
    assert figures(sign_in("Analyst", authority("330106")).get("/")) == {}


def rows_of(page):
    return [
        (html.unescape(url), html.unescape(days).strip())
        for url, days in re.findall(
            r'<li><a href="([^"]*)"><span class="home-words">.*?<span class="home-days"><span class="\S*">(.*?)</span>',
            page.text, re.S,
        )
    ]  # fmt: skip


def test_what_is_nearest_comes_first_and_opens(sign_in, world):
    lab, unit = world["330106"]
    today = holidays.today()
    worst = task(VERIFYING, unit=unit, to=lab, due_on=today - timedelta(days=40))
    oldest = task(RETURNED, unit=unit, to=lab, applied_at=datetime.now(UTC) - timedelta(days=50))
    first = instrument(
        unit=unit, filing_state=FILED, valid_until=today - timedelta(days=60), verification_state="overdue"
    )
    task(VERIFYING, "330105", to=world["330105"][0], due_on=today - timedelta(days=90))

    for role, home_of, url, days in (
        ("InstitutionClerk", lab, f"/inbox/show/{worst.id}", "超期 40 天"),
        ("AssignmentOfficer", authority("330106"), f"/assignments/show/{oldest.id}", "已等待 50 天"),
        ("UsingUnitClerk", unit, f"/ledger/show/{first.id}", "超期 60 天"),
    ):
        person = sign_in(role, home_of)
        found = rows_of(person.get("/"))
        assert (found[0], len(found)) == ((url, days), min(len(found), 8))
        assert [person.get(each).status_code for each, _days in found] == [200] * len(found)


def week(page):
    body = page.text.split("<caption>近七日</caption>")[1].split("<tbody>")[1].split("</tbody>")[0]
    found = re.findall(r'<th scope="row">(.*?)</th><td>(\d+)</td><td>(\d+)</td>', body)
    return {day: (int(came_in), int(verified)) for day, came_in, verified in found}


def test_the_week_counts_each_day_of_the_own_area(sign_in, world):
    today = holidays.today()
    days = [today - timedelta(days=number) for number in range(7)]
    lab, _unit = world["330106"]
    midnight = datetime.combine(today, datetime.min.time(), holidays.ZONE)
    task(OFFERED, "330106", to=lab, applied_at=midnight)
    task(OFFERED, "330106", to=lab, applied_at=midnight - timedelta(minutes=1))

    found = week(sign_in("InstitutionClerk", lab).get("/"))
    office = week(sign_in("Supervisor", authority("330106")).get("/"))
    neighbour = week(sign_in("Supervisor", authority("330203")).get("/"))

    assert set(found) == {day.isoformat() for day in days}
    assert [found[day.isoformat()] for day in days[:2]] == [(1, 0), (1, 3)]
    assert office[days[1].isoformat()][1] == 3
    assert sum(came_in for came_in, _verified in office.values()) == 3 * 13 + 2  # drafts are among them
    assert set(neighbour.values()) == {(0, 0)}


def test_a_week_is_told_as_of_when_it_was_counted(sign_in, world):
    person = sign_in("Supervisor", authority("330106"))
    before = person.get("/")
    certificate(task(CERTIFIED, "330106"), verified_on=holidays.today())

    assert week(person.get("/")) == week(before)
    assert re.search(r"截至 \d\d:\d\d", before.text)
    home.forget()
    assert week(person.get("/"))[holidays.today().isoformat()][1] == 1


def test_auditors_see_the_last_proof(sign_in, rows):
    auditor = sign_in("Auditor", authority(""))
    assert "尚无您可查看的校验记录" in auditor.get("/").text

    audits.prove()
    rows.commit()
    page = auditor.get("/")
    assert ("home-proof" in page.text, "/audit/?action=verify" in page.text) == (True, True)
    assert 'data-total="1"' in auditor.get("/audit/?action=verify").text


def test_saved_views_are_one_click_away(sign_in, rows):
    person, other = sign_in("Supervisor", authority("330106")), sign_in("Supervisor", authority("330106"))
    view = SavedView(
        account_id=person.account.id, page="Assignments", name="退回的", query="state=returned", columns=[]
    )
    rows.add_all([view, SavedView(account_id=person.account.id, page="Gone", name="没了", query="", columns=[])])
    rows.flush()

    page = person.get("/").text

    assert f'href="/assignments/?state=returned&amp;view={view.id}"' in page
    assert ("没了" in page, "退回的" in other.get("/").text) == (False, False)


def test_the_first_page_costs_few_statements_whatever_waits(sign_in, statements, rows):
    person = sign_in("Supervisor", authority("330106"))

    def cost():
        home.forget()
        with statements() as seen:
            assert person.get("/").status_code == 200
        return len(seen)

    before = cost()
    place("330106", 5)

    assert cost() == before == 8


# --- The screen on the wall ----------------------------------------------------------------------


def test_the_wall_shows_the_figures_of_the_own_area(sign_in, world):
    head = sign_in("Supervisor", authority("3301"))
    fragment = head.get("/wall/figures").text
    large = re.findall(r"<h2>(.*?)</h2><p>(.*?)</p>", fragment)
    tasks = dict(re.findall(r'state-(\w+)">.*?</span></dt><dd>(.*?)</dd>', fragment))
    ranking = re.findall(r"<li><span>(\d+)</span><b>(.*?)</b><span>(.*?)<small>", fragment)

    assert large == [("在用器具", "10"), ("受检率", "50.00<small>%</small>"), ("本年合格率", "100.00<small>%</small>"),
                     ("超期未检", "5")]  # fmt: skip
    assert tasks == {"unassigned": "15", "offered": "5", "accepted": "10", "verifying": "5", "to_check": "5",
                     "to_approve": "5", "returned": "5"}  # fmt: skip
    assert sorted(name for _place, name, _rate in ranking) == ["拱墅区", "西湖区"]
    assert head.get("/wall/").text.count('class="wall-figures"') == 1
    elsewhere = sign_in("Analyst", authority("330203")).get("/wall/figures").text
    assert re.findall(r"<h2>.*?</h2><p>(.*?)</p>", elsewhere) == ["0", "--", "--", "0"]


@pytest.mark.parametrize(
    ("role", "home_of", "status"),
    [
        ("Analyst", lambda: authority("33"), 200),
        ("AssignmentOfficer", lambda: authority("33"), 403),
        ("InstitutionApprover", institution, 403),
        ("UsingUnitClerk", using_unit, 403),
    ],
)
def test_the_wall_is_for_who_leads_or_analyses(sign_in, role, home_of, status):
    person = sign_in(role, home_of())

    assert [person.get(url).status_code for url in ("/wall/", "/wall/figures")] == [status] * 2


def test_the_wall_does_not_keep_a_session(sign_in, rows):
    head = sign_in("Supervisor", authority("330106"))
    rows.execute(update(AccountSession).values(seen_at=datetime.now(UTC) - timedelta(minutes=20)))
    before = rows.scalar(select(AccountSession.seen_at))

    assert head.get("/wall/figures").status_code == 200
    assert rows.scalar(select(AccountSession.seen_at)) == before
    rows.execute(update(AccountSession).values(seen_at=datetime.now(UTC) - timedelta(minutes=31)))
    assert head.get("/wall/figures", headers={"HX-Request": "true"}).status_code == 401
