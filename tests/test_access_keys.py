"""Access keys: shown once, only for exports of their pages, only what their account may see, until they end."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select, update

from app.ciphers import hashed_token
from app.domain import access_keys
from app.models import AccessKey
from app.states import RETURNED
from tests.conftest import from_outside
from tests.factories import authority, task
from tests.test_login import PASSWORD
from tests.test_passwords import in_english, quick, with_password


@pytest.fixture
def clerk(sign_in):
    return with_password(sign_in)


def create(someone, **changes):
    fields = {"name": "统计平台", "scopes": "Assignments", "days": "90", "current": PASSWORD, **changes}
    return someone.post("/me/keys", fields)


@pytest.fixture
def key(clerk):
    [text] = re.findall(r"jl_[\w-]{43}", create(clerk).text)
    return text


@pytest.fixture
def program(app, rows):
    """program(method, url, key, **fields): a request with a key and without any cookie."""

    def ask(method, url, key, headers=None, **fields):
        bearer = {"Authorization": f"Bearer {key}", **(headers or {})}
        return from_outside(
            lambda: app.test_client().open(url, method=method, data=fields or None, headers=bearer, buffered=True)
        )

    return ask


def export(program, key, page="assignments", **fields):
    return program("POST", f"/{page}/export", key, format="csv", **fields)


# --- Making and ending them ----------------------------------------------------------------------


def test_the_key_is_shown_once_and_kept_as_a_hash(clerk, rows):
    answer = create(clerk)
    [text] = re.findall(r"jl_[\w-]{43}", answer.text)

    kept = rows.scalars(select(AccessKey)).one()
    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-store")
    assert (kept.key_hash, kept.prefix, kept.scopes) == (hashed_token(text), text[:9], ["Assignments"])
    assert abs(kept.expires_at - datetime.now(UTC) - timedelta(days=90)) < timedelta(minutes=1)
    later = clerk.get("/me/keys").text
    assert (text in later, text[:9] in later, "统计平台" in later) == (False, True, True)


@pytest.mark.parametrize(
    "changes",
    [
        {"name": ""},
        {"name": "x" * 61},
        {"scopes": ""},
        {"scopes": "Deadlines"},
        {"scopes": "Inbox"},
        {"scopes": "made up"},
        {"scopes": ["Assignments", "Accounts"]},
        {"days": "0"},
        {"days": "366"},
        {"days": "-5"},
        {"days": "x"},
        {"current": "Wrong-Current-99"},
        {"current": ""},
    ],
)
def test_what_is_not_right_makes_no_key(clerk, rows, changes):
    answer = create(clerk, **changes)

    assert (answer.status_code, "jl_..." in answer.text, rows.scalar(select(func.count()).select_from(AccessKey))) == (
        422,
        True,
        0,
    )


def test_a_name_is_taken_once_so_that_a_reload_makes_no_second_key(clerk, rows):
    create(clerk)
    answer = create(clerk)

    assert (answer.status_code, "You have a key of this name already." in answer.text) == (422, True)


def test_there_are_at_most_ten(clerk, rows):
    for number in range(access_keys.MOST):
        assert create(clerk, name=f"key {number}").status_code == 200

    assert "There are 10 keys already." in create(clerk, name="one more").text


def test_who_may_export_nothing_can_make_no_key(sign_in, rows):
    someone = in_english(sign_in(None, authority("330106")))
    someone.account.password = quick(PASSWORD)

    assert "None of your roles may export" in someone.get("/me/keys").text
    assert create(someone).status_code == 422


def test_revoking_asks_first_and_ends_it_at_once(clerk, key, program, rows):
    key_id = rows.scalar(select(AccessKey.id))
    asked = clerk.post("/me/keys/ask", {"id": key_id}, headers={"HX-Request": "true"})
    assert (asked.status_code, f'value="{key_id}"' in asked.text, export(program, key).status_code) == (200, True, 200)

    done = clerk.post("/me/keys/revoke", {"id": key_id}, headers={"HX-Request": "true"})

    assert (done.status_code, done.headers["HX-Redirect"]) == (204, "/me/keys")
    assert export(program, key).status_code == 401
    assert clerk.post("/me/keys/revoke", {"id": key_id}).status_code == 404


def test_a_key_of_somebody_else_is_not_there(clerk, key, sign_in, program, rows):
    other = sign_in("Supervisor", authority("330106"))
    administrator = sign_in("CountyAdministrator", authority("330106"))
    key_id = rows.scalar(select(AccessKey.id))

    assert [each.post("/me/keys/revoke", {"id": key_id}).status_code for each in (other, administrator)] == [404, 404]
    assert "统计平台" not in other.get("/me/keys").text
    assert export(program, key).status_code == 200


@pytest.mark.parametrize("key_id", ["", "0", "x", "99999999999999999999"])
def test_what_is_no_key_is_not_there(clerk, key_id):
    assert clerk.post("/me/keys/revoke", {"id": key_id}).status_code == 404


# --- What they open ------------------------------------------------------------------------------


def test_a_program_exports_without_cookie_and_form_token(key, program):
    task(RETURNED)

    answer = export(program, key)

    assert (answer.status_code, answer.mimetype) == (200, "text/csv")
    assert len(answer.text.splitlines()) == 2


def test_it_gets_only_what_its_account_sees(key, program):
    mine, foreign = task(RETURNED), task(RETURNED, "510104")

    everything = export(program, key).text
    by_id = export(program, key, selection="ids", id=[mine.id, foreign.id]).text

    assert [len(text.splitlines()) for text in (everything, by_id)] == [2, 2]


@pytest.mark.parametrize(
    ("method", "url"),
    [
        ("GET", "/assignments/"),
        ("GET", "/assignments/show/1"),
        ("POST", "/assignments/phone/1"),
        ("POST", "/assignments/columns"),
        ("POST", "/assignments/dialog/refuse"),
        ("POST", "/assignments/act/refuse"),
        ("POST", "/assignments/act/assign"),
        ("POST", "/deadlines/export"),
        ("POST", "/inbox/export"),
        ("GET", "/accounts/"),
        ("POST", "/accounts/export"),
        ("GET", "/me/"),
        ("POST", "/me/"),
        ("POST", "/me/settings"),
        ("GET", "/me/password"),
        ("POST", "/me/password"),
        ("GET", "/me/second-factor"),
        ("POST", "/me/second-factor/off"),
        ("POST", "/me/second-factor/codes"),
        ("GET", "/me/sessions"),
        ("POST", "/me/sessions/end-others"),
        ("GET", "/me/keys"),
        ("POST", "/me/keys"),
        ("POST", "/me/keys/revoke"),
    ],
)
def test_it_opens_nothing_else(key, program, method, url):
    assert program(method, url, key, id="1", selection="ids").status_code == 403


# What is for everybody tells a program no more than anybody, whatever key it bears.
FOR_EVERYBODY = {"static", "appbuilder.static", "Portal", "OpenDataPage", "OpenData", "Crawlers"}


def test_it_opens_no_other_address(app, key, program):
    """Photos and options had asked only who it is."""
    opened = {}
    for rule in app.url_map.iter_rules():
        page = rule.endpoint.rpartition(".")[0] or rule.endpoint
        if {rule.endpoint, page} & FOR_EVERYBODY or page == "AnalysisApi":
            continue
        values = dict.fromkeys(rule.arguments, "1")
        url = app.url_map.bind("localhost").build(rule.endpoint, values)
        for method in rule.methods & {"GET", "POST"}:
            status = program(method, url, key, format="csv").status_code
            if status != 403:
                opened[rule.endpoint, method] = status

    assert opened == {("Assignments.export", "POST"): 200}


def test_it_cannot_give_itself_more(key, program, rows):
    fields = {"name": "more", "scopes": "Assignments", "days": "365", "current": PASSWORD}

    answer = program("POST", "/me/keys", key, **fields)

    assert (answer.status_code, rows.scalar(select(func.count()).select_from(AccessKey))) == (403, 1)


def test_it_is_no_session(key, program):
    assert program("GET", "/session/remaining", key).status_code == 403
    assert program("POST", "/session/extend", key).status_code == 403


def test_it_can_no_more_than_its_account_can_now(clerk, key, program, rows):
    from app.models import Role

    clerk.account.roles = [rows.scalars(select(Role).where(Role.name == "PublicationOfficer")).one()]

    assert export(program, key).status_code == 403


def test_of_a_disabled_organization_it_gets_no_rows(clerk, key, program):
    task(RETURNED)
    clerk.account.organization.active = False

    assert len(export(program, key).text.splitlines()) == 1


PAST = datetime(2020, 1, 1, tzinfo=UTC)
ENDS = {
    "expired": lambda rows, someone: rows.execute(update(AccessKey).values(expires_at=PAST)),
    "revoked": lambda rows, someone: rows.execute(update(AccessKey).values(revoked_at=PAST)),
    "disabled": lambda rows, someone: setattr(someone.account, "active", False),
}


@pytest.mark.parametrize("why", ENDS)
def test_one_that_has_ended_is_nobody(clerk, key, program, rows, why):
    assert export(program, key).status_code == 200

    ENDS[why](rows, clerk)

    assert export(program, key).status_code == 401
    assert program("GET", "/assignments/", key).status_code == 401


@pytest.mark.parametrize("forged", ["", "jl_", "jl_" + "x" * 43, "x" * 5000, "jl_' OR 1=1 --", "é"])
def test_one_that_is_made_up_is_nobody(key, program, forged):
    assert export(program, forged).status_code == 401


def test_a_changed_letter_or_the_hash_itself_is_nobody(key, program):
    assert export(program, key[:-1] + ("a" if key[-1] != "a" else "b")).status_code == 401
    assert export(program, hashed_token(key)).status_code == 401


def test_a_key_does_not_excuse_a_browser_from_its_form_token(clerk, key):
    clerk.token = "stolen"

    answer = clerk.post("/assignments/export", {"format": "csv"}, headers={"Authorization": f"Bearer {key}"})

    assert answer.status_code == 400


def test_an_expired_key_is_shown_as_such(clerk, key, rows):
    rows.execute(update(AccessKey).values(expires_at=PAST))

    assert "Expired" in clerk.get("/me/keys").text


def test_the_list_costs_the_same_for_one_key_and_for_ten(clerk, key, statements):
    with statements() as one:
        clerk.get("/me/keys")
    for number in range(9):
        create(clerk, name=f"key {number}")
    with statements() as ten:
        clerk.get("/me/keys")

    assert len(one) == len(ten) <= 4


def test_its_use_is_noted_once_a_minute(clerk, key, program, rows):
    assert "never used" in clerk.get("/me/keys").text
    export(program, key)
    kept = rows.scalars(select(AccessKey)).one()
    assert kept.last_used_at is not None

    for age, noted in ((timedelta(seconds=30), False), (timedelta(minutes=5), True)):
        before = kept.last_used_at = datetime.now(UTC) - age
        export(program, key)
        assert (kept.last_used_at > before) == noted
    assert "last used at" in clerk.get("/me/keys").text
