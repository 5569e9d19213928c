"""Every URL x role x neighbour, for every registered page: what a person may, and that a neighbour sees nothing."""

import pytest
from sqlalchemy import func, select, update

from app import access
from app.access import ROLES, OutsideJurisdiction, Principal, seeing
from app.fabkit.security import guard_routes
from app.models import (
    Account,
    AccountSession,
    Appointment,
    Capability,
    Certificate,
    Event,
    Instrument,
    MeasurementStandard,
    Organization,
    Tally,
    Task,
    UsingUnit,
    db,
)
from app.states import ASSIGN, CERTIFIED, OFFERED, RETURNED, UNASSIGNED
from app.views import FOR_ACCOUNTS, OPEN_TO_ALL as OPEN_ROUTES
from app.workflow import fire
from tests import factories
from tests.factories import authority, capability, institution, states, task, using_unit

# What everybody may open, signed in or not, and what it then answers.
OPEN_TO_ALL = {
    "static",
    "appbuilder.static",
    "LoginView.login",
    "LoginView.code",
    "Captchas.another",
    "Captchas.media",
    "SessionView.remaining",
    "Registration.register",
    "Registration.organizations",
    "Registration.privacy",
    "Options.regions",
    "Scans.scan",
    "LoginView.logout",
    "HomeView.index",
    "Health.health",
    "SessionView.token",
    "SessionView.language",
    "Portal.index",
    "Portal.instruments",
    "Portal.certificate",
    "Portal.institutions",
    "Portal.institution",
    "Portal.inspections",
    "Portal.catalogue",
    "Portal.check",
    "OpenDataPage.data",
    "OpenData.certificates",
    "OpenData.certificate",
    "OpenData.institutions",
    "OpenData.institution",
    "OpenData.catalogue",
    "OpenData.regions",
    "OpenData.dumps",
    "OpenData.dump",
    "OpenData.withdrawn",
    "OpenData.checksum",
    "OpenData.openapi",
    "AnalysisApi.openapi",
    "Crawlers.robots",
    "Crawlers.sitemap",
}
FOR_THE_SIGNED_IN = {"Options", "SessionView", "MyAccount", "Search"}
# What wants an access key, and is tried with one in tests/test_analyst_api.py.
FOR_PROGRAMS = {"AnalysisApi"}
LEVELS = {
    "NationalAdministrator": "",
    "ProvincialAdministrator": "33",
    "CityAdministrator": "3301",
    "CountyAdministrator": "330106",
}


@pytest.fixture(scope="session")
def rules(app):
    """(endpoint, method, url, page) of every rule, with an id that exists nowhere."""
    found = []
    pages = {view.endpoint: view for view in app.extensions["kit"].baseviews}
    for rule in app.url_map.iter_rules():
        page = pages.get(rule.endpoint.split(".")[0])
        names = [d.name for d, _ in getattr(page, "form_actions", [])] if "name" in rule.arguments else [None]
        for name in names:
            values = {
                "pk": "999999",
                "name": name,
                "code": "zh",
                "token": "x",
                "kind": "png",
                "filename": "app.css",
            }
            url = app.url_map.bind("localhost").build(rule.endpoint, {a: values[a] for a in rule.arguments})
            methods = sorted(rule.methods & {"GET", "POST"})
            found += [(rule.endpoint, method, url, page, name) for method in methods]
    return found


def needed(page, endpoint, name):
    if name is not None:
        return next(declared.needs for declared, _ in page.form_actions if declared.name == name)
    method = getattr(page, endpoint.split(".")[1])
    permission = getattr(method, "_permission_name", None)
    return f"can_{permission}" if permission else None


def ask(person, method, url, **how):
    return person.post(url, {"selection": "ids", "id": "999999"}, **how) if method == "POST" else person.get(url, **how)


def test_a_stranger_opens_nothing_but_the_door(stranger, rules):
    stranger.token = stranger.client.get("/session/token").json["token"]
    opened = {
        (endpoint, url): answer.status_code
        for endpoint, method, url, _page, _name in rules
        if endpoint not in OPEN_TO_ALL
        and (answer := ask(stranger, method, url)).status_code not in (401,)
        and not (answer.status_code == 302 and answer.headers["Location"].startswith("/login/"))
    }

    assert opened == {}


def organization_for(role):
    if ROLES[role].kind == "institution":
        return institution()
    if ROLES[role].kind == "using_unit":
        return using_unit()
    return authority(LEVELS.get(role, "330106"))


@pytest.mark.parametrize("role", [*ROLES, None])
def test_a_role_opens_what_it_may_and_nothing_else(sign_in, anchor, rules, role):
    person = sign_in(role, organization_for(role) if role else authority("330106"))
    held = ROLES[role].permissions if role else {}
    wrong = []
    for endpoint, method, url, page, name in rules:
        if endpoint in OPEN_TO_ALL or page is None or page.class_permission_name in FOR_THE_SIGNED_IN | FOR_PROGRAMS:
            continue
        permission = needed(page, endpoint, name) or "assign"  # the matching table belongs to assigning
        may = permission in held.get(page.class_permission_name, frozenset())
        # As a dialog asks: then a refusal is a sentence, and not a page with its menu. What it writes into the audit
        # log is taken back at once: a thousand versions of the end of its chain would have to be gone through.
        with anchor.begin_nested() as apart:
            answer = ask(person, method, url, headers={"HX-Request": "true"})
            apart.rollback()
        refused = answer.status_code == 403
        if may == refused or answer.status_code >= 500:
            wrong.append((endpoint, name, permission, may, answer.status_code))

    assert wrong == []


def test_an_address_that_does_not_say_who_may_open_it_stops_the_start(app):
    with pytest.raises(TypeError, match=r"MyAccount.\w+ does not say who may open it"):
        guard_routes(app, OPEN_ROUTES, {name: why for name, why in FOR_ACCOUNTS.items() if name != "MyAccount"})
    assert all(reason for reason in (*OPEN_ROUTES.values(), *FOR_ACCOUNTS.values()))


OPTIONS_FOR = {
    "catalogue": {"Supervisor", "Analyst", "InstitutionClerk", "InstitutionApprover", "UsingUnitClerk"},
    "places": {"Supervisor", "InstitutionApprover"},
    "catalogue-items": {"Supervisor", "InspectionOfficer", "StandardOfficer", "InstitutionApprover"},
    "standards": {"Supervisor", "Analyst", "StandardOfficer"},
    "institutions": {"Supervisor", "Analyst", "UsingUnitClerk"},
    "units": {"Supervisor", "Analyst", "InspectionOfficer"},
    "manufacturers": {"UsingUnitClerk"},
}


@pytest.mark.parametrize("what", OPTIONS_FOR)
def test_options_are_for_who_opens_a_page_that_offers_them(sign_in, what):
    """An administrator, an auditor and who has no role yet open none of these pages."""
    other = ["CountyAdministrator", "Auditor", "UsingUnitAdministrator", None]
    people = {role: sign_in(role, organization_for(role) if role else authority("330106"))
              for role in [*OPTIONS_FOR[what], *other]}  # fmt: skip
    answers = {role: person.get(f"/options/{what}?q=西湖").status_code for role, person in people.items()}

    assert answers == dict.fromkeys(OPTIONS_FOR[what], 200) | dict.fromkeys(other, 403)


def test_a_page_that_needs_a_form_token_is_not_posted_without(sign_in, rules):
    person = sign_in("Supervisor", authority("330106"))
    person.token = "stolen"
    posts = [(url, person.post(url).status_code) for _e, method, url, _p, _n in rules if method == "POST"]

    assert {status for _url, status in posts} == {400}
    assert len(posts) > 10


def test_nothing_changes_by_get(app):
    changing = {"act", "dialog", "export", "choose_columns", "phone", "logout", "matching_table"}
    by_get = {
        rule.endpoint
        for rule in app.url_map.iter_rules()
        if rule.endpoint.split(".")[-1] in changing and "GET" in rule.methods
    }

    assert by_get == set()


# --- Rows ----------------------------------------------------------------------------------------


@pytest.fixture
def two_cities(rows):
    """A row of each scoped table here (330106, lab, unit) and there (510104), as the same shape."""

    def world(region):
        lab, unit = institution(region), using_unit(region)
        rows.add(
            UsingUnit(organization_id=unit.id, nature="enterprise", address="路", contact="张", phone="13800000000")
        )
        can = capability(lab, region)
        standard = MeasurementStandard(
            institution_id=lab.id, name="水表检定装置", code="1", certificate_no="1", public_certificate_no="1",
            valid_until=factories.FAR, public_valid_until=factories.FAR,
        )  # fmt: skip
        done = task(CERTIFIED, region, to=lab, unit=unit)
        place = {
            "city_code": done.city_code,
            "region_code": region,
            "using_unit_id": unit.id,
            "institution_id": lab.id,
        }
        certificate = Certificate(
            **place, task_id=done.id, instrument_id=done.instrument_id, no="1", kind="verification", passed=True,
            verified_on=factories.FAR, regulation="JJG 162", verifier="甲", checker="乙", approver="丙",
        )  # fmt: skip
        event = Event(**place, subject="task", subject_id=done.id, step="accept", by_name="甲", by_organization="所")
        tally = Tally(**place, subject="task", state="certified", amount=1)
        rows.add_all([standard, certificate, event, tally])
        rows.flush()
        return {"lab": lab, "unit": unit, "task": done, "capability": can}

    return world("330106"), world("510104")


SCOPED = (Task, Appointment, Instrument, Certificate, Event, Tally)


def principals(here):
    def authority_of(jurisdiction):
        return Principal(kind="authority", jurisdiction=jurisdiction, organization_id=authority(jurisdiction).id)

    return {
        "province": authority_of("33"),
        "city": authority_of("3301"),
        "county": authority_of("330106"),
        "institution": Principal(kind="institution", organization_id=here["lab"].id),
        "using_unit": Principal(kind="using_unit", organization_id=here["unit"].id),
    }


@pytest.mark.parametrize("table", SCOPED, ids=lambda table: table.__tablename__)
@pytest.mark.parametrize("kind", ["province", "city", "county", "institution", "using_unit"])
def test_rows_of_a_neighbour_do_not_exist(rows, two_cities, table, kind):
    here, _there = two_cities
    who = principals(here)[kind]

    with seeing(who):
        regions = set(rows.scalars(select(table.region_code)))
        changed = rows.execute(update(table).where(table.region_code == "510104").values(region_code="510104")).rowcount

    assert (regions, changed) == ({"330106"}, 0)


@pytest.mark.parametrize("table", SCOPED, ids=lambda table: table.__tablename__)
@pytest.mark.parametrize(
    "who", [access.NOBODY, Principal(kind="institution"), Principal(kind="authority"), Principal(account_id=5)]
)
def test_who_is_not_known_sees_nothing(rows, two_cities, table, who):
    with seeing(who):
        assert rows.scalars(select(table)).all() == []


@pytest.mark.parametrize("table", [Capability, MeasurementStandard], ids=lambda table: table.__tablename__)
def test_an_institution_sees_only_what_it_has_itself(rows, two_cities, table):
    here, there = two_cities
    owners = {}
    for kind, who in principals(here).items():
        with seeing(who):
            owners[kind] = set(rows.scalars(select(table.institution_id)))

    both = {here["lab"].id, there["lab"].id}
    own = {here["lab"].id}
    known, in_force = (both, both) if table is Capability else (own, set())  # the standards are drafts
    assert owners == {"province": known, "city": known, "county": known, "institution": own, "using_unit": in_force}


def test_using_units_and_their_telephones_are_not_for_neighbours(rows, two_cities):
    here, there = two_cities
    seen = {}
    for kind, who in principals(here).items():
        with seeing(who):
            units = select(Organization.id).where(Organization.id.in_([here["unit"].id, there["unit"].id]))
            seen[kind] = (set(rows.scalars(units)), set(rows.scalars(select(UsingUnit.organization_id))))

    own = ({here["unit"].id}, {here["unit"].id})
    assert seen == {
        "province": own,
        "city": own,
        "county": own,
        "using_unit": own,
        "institution": (set(), set()),
    }


def test_the_same_statement_serves_two_people_in_turn(rows, two_cities):
    """The narrowing is cached by its shape; its values are not."""
    seen = []
    for jurisdiction in ("330106", "510104", "330106", "5101", "33"):
        with seeing(Principal(kind="authority", jurisdiction=jurisdiction, organization_id=1)):
            seen.append(set(rows.scalars(select(Task.region_code))))

    assert seen == [{"330106"}, {"510104"}, {"330106"}, {"510104"}, {"330106"}]


def test_rows_are_narrowed_once_however_many_applications_there_are(app, rows, statements):
    """Narrowed again by each, a statement of this test process once asked the same thing forty times over."""
    with app.app_context():
        access.install(db.session)

    with access.seeing(Principal(kind="institution", organization_id=7)), statements() as seen:
        rows.scalars(select(Task.id)).all()

    assert [statement.count("institution_id = ") for statement in seen] == [1]


def test_nothing_is_written_into_a_neighbours_area(rows, two_cities):
    here, there = two_cities
    county = principals(here)["county"]

    with seeing(county), pytest.raises(OutsideJurisdiction):
        factories.appointment("510104", there["unit"])
    rows.rollback()


def test_a_step_does_not_reach_a_neighbour_by_id_or_by_statement(rows):
    lab = institution()
    mine, foreign = task(UNASSIGNED), task(UNASSIGNED, "330105")
    county = Principal(kind="authority", jurisdiction="330106", organization_id=authority("330106").id)

    by_id = fire(ASSIGN, [mine.id, foreign.id], county, institution_id=lab.id)
    by_statement = fire(ASSIGN, select(Task.id), county, institution_id=lab.id)

    assert (by_id.done, by_statement.done, states(mine, foreign)) == (1, 0, [OFFERED, UNASSIGNED])


# --- Pages, as another city's clerk tries them ---------------------------------------------------


@pytest.fixture
def neighbour(sign_in):
    return sign_in("Supervisor", authority("5101"))


@pytest.mark.parametrize(
    "query",
    [
        "",
        "?region=330106",
        "?region=330000",
        "?field=serial&q={serial}",
        "?field=no&q={no}",
        "?field=applicant&q={applicant}",
        "?desk=others",
        "?size=200&sort=-applied_at",
        "?after=0~2000-01-01T00:00:00%2B00:00~0",
    ],
)
def test_no_list_shows_a_neighbours_task(neighbour, rows, query):
    foreign = task(RETURNED)
    instrument, order = (
        rows.get(Instrument, foreign.instrument_id),
        rows.get(Appointment, foreign.appointment_id),
    )

    page = neighbour.get(
        "/assignments/" + query.format(serial=instrument.serial_no, no=order.no, applicant=order.applicant)
    )

    assert page.status_code == 200
    shown = page.text.split("<tbody", 1)[-1]
    assert f'data-id="{foreign.id}"' not in shown
    assert instrument.model not in shown
    assert "没有待处理的任务" in page.text


@pytest.mark.parametrize("name", ["assign", "assign_best", "refuse", "escalate"])
def test_no_action_moves_a_neighbours_task(neighbour, name):
    lab = institution()
    capability(lab)
    foreign = task(RETURNED)
    reason = "因为所以因为所以因为所以"

    answer = neighbour.act("assignments", name, [foreign.id], institution_id=lab.id, reason=reason, digest="0" * 64)

    assert answer.status_code in (204, 422)
    assert states(foreign) == [RETURNED]
    assert factories.history(foreign) == []


@pytest.mark.parametrize("name", ["returns", "appointment", "details"])
def test_no_dialog_tells_of_a_neighbours_task(neighbour, name):
    assert neighbour.open("assignments", name, [task(RETURNED).id]).status_code == 404


def test_no_page_drawer_or_telephone_of_a_neighbours_task(neighbour):
    foreign = task(RETURNED)

    assert neighbour.get(f"/assignments/show/{foreign.id}").status_code == 404
    assert neighbour.post(f"/assignments/phone/{foreign.id}").status_code == 404


@pytest.mark.parametrize("kind", ["csv"])
def test_no_export_holds_a_neighbours_task(neighbour, kind):
    foreign = task(RETURNED)

    by_id = neighbour.post("/assignments/export", {"selection": "ids", "id": foreign.id, "format": kind})
    by_filter = neighbour.post("/assignments/export", {"selection": "all", "filter": "", "format": kind})

    assert [answer.data.count(b"\n") for answer in (by_id, by_filter)] == [1, 1]  # the headers


def test_an_institution_cannot_take_what_was_offered_to_another(sign_in):
    mine, theirs = institution(), institution()
    offered = task(OFFERED, to=theirs)
    clerk = sign_in("InstitutionClerk", mine)

    assert clerk.get(f"/inbox/show/{offered.id}").status_code == 404
    assert clerk.act("inbox", "accept", [offered.id]).status_code == 204
    assert clerk.messages() == ["已受理 0 条。 1 条状态或办理层级已变，未作改动。"]
    assert clerk.act("inbox", "return", [offered.id], reason="不能检定").status_code == 204
    assert states(offered) == [OFFERED]


def test_a_deactivated_or_ended_session_is_nobody(sign_in, rows):
    person = sign_in("Supervisor", authority("330106"))
    assert person.get("/assignments/").status_code == 200

    person.account.active = False
    assert person.get("/assignments/").status_code == 302
    person.account.active = True
    assert person.get("/assignments/").status_code == 200
    rows.execute(update(AccountSession).values(ended_at=func.now(), ended_by="revoked"))
    assert person.get("/assignments/").status_code == 302


def test_an_account_of_a_disabled_organization_sees_no_rows(sign_in, rows):
    office = authority("330106")
    task(RETURNED)
    person = sign_in("Supervisor", office)
    office.active = False

    assert "没有待处理的任务" in person.get("/assignments/").text


@pytest.mark.parametrize("kind", ["authority", "institution", "using_unit", "public", "nobody"])
@pytest.mark.parametrize("jurisdiction", ["", "33", "3301", "330106", "65"])
def test_around_a_rule_stand_only_plain_values(kind, jurisdiction):
    """SQLAlchemy would take one function around a rule for another, and so one person's rows for another's."""
    place = {"jurisdiction": jurisdiction, "level": "city", "path": "/1/2/"} if kind == "authority" else {}
    who = Principal(kind=kind, account_id=1, organization_id=2, **place)
    around = [cell.cell_contents for _table, rule in access.rules(who) for cell in rule.__closure__ or ()]

    assert {type(value) for value in around} <= {str, int, list, type(None)}


def test_two_administrators_in_turn_see_each_their_own_accounts(rows):
    """As above, with the statement remembered from the first."""
    people = {place: factories.account(None, authority(place)) for place in ("330106", "330102", "3302")}

    def seen(place):
        home = authority(place)
        who = Principal(
            kind="authority", account_id=0, organization_id=home.id, level=home.level,
            jurisdiction=place, path=home.path,
        )  # fmt: skip
        with seeing(who):
            return set(rows.scalars(select(Account.id)))

    assert [seen(place) for place in people] == [{person.id} for person in people.values()]
    assert seen("33") == {person.id for person in people.values()}


def test_inserts_past_the_session_are_only_the_workflows(rows):
    """An INSERT is not narrowed by the session: the guard is for objects, the architecture test for the rest."""
    place = {"city_code": "330100", "region_code": "330106"}
    db.session.add(Event(**place, subject="task", subject_id=1, step="x", by_name="", by_organization=""))
    with seeing(access.NOBODY), pytest.raises(OutsideJurisdiction):
        db.session.flush()
    rows.rollback()
