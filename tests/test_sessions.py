"""Sessions: how they end, that what has ended opens nothing, and the page that lists one's own."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update

from app.ciphers import hashed_token
from app.domain import sessions
from app.models import AccountSession
from app.states import REFUSED, UNASSIGNED
from tests.conftest import Person
from tests.factories import account, authority, states, task
from tests.test_login import PASSWORD, attempt, is_in
from tests.test_passwords import change, in_english, quick, with_password

EDGE = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/126.0 Safari/537.36 Edg/126.0"


@pytest.fixture
def clerk(sign_in):
    return with_password(sign_in)


@pytest.fixture
def person(rows):
    return account("Supervisor", authority("330106"), username="xihu", password=quick(PASSWORD))


@pytest.fixture
def officer(sign_in):
    return in_english(sign_in("Supervisor", authority("330106")))


def mine(rows, someone):
    return rows.scalars(select(AccountSession).where(AccountSession.account_id == someone.account.id)).one()


def another(app, someone, device=EDGE):
    """The same account in a second browser."""
    client = app.test_client()
    token = sessions.start(someone.account, confirmed=True, address="10.33.1.20", device=device)
    with client.session_transaction() as session:
        session["_user_id"], session["_fresh"], session["locale"] = token, True, "en"
    there = Person(client, someone.account)
    there.token = there.get("/session/token").json["token"]  # pyright: ignore[reportOptionalSubscript]
    return there


def opens(someone):
    return someone.get("/assignments/").status_code == 200


# --- How they end --------------------------------------------------------------------------------


def test_a_cookie_that_was_copied_before_logout_is_nobody(stranger, person):
    attempt(stranger)
    stolen = stranger.client.get_cookie("session").value
    stranger.token = stranger.get("/session/token").json["token"]
    stranger.post("/logout/")

    stranger.client.set_cookie("session", stolen)

    assert not is_in(stranger)


def test_logout_ends_this_session_and_no_other(officer, app):
    there = another(app, officer)
    officer.post("/logout/")

    assert (opens(officer), opens(there)) == (False, True)


def test_a_password_changed_elsewhere_ends_it(clerk, app):
    there = another(app, clerk)

    change(clerk, "Lantern-River-48")

    assert (opens(clerk), opens(there)) == (True, False)


@pytest.mark.parametrize(
    ("column", "age", "open_"),
    [
        ("seen_at", timedelta(minutes=29), True),
        ("seen_at", timedelta(minutes=31), False),
        ("started_at", timedelta(hours=9, minutes=59), True),
        ("started_at", timedelta(hours=10, minutes=1), False),
    ],
)
def test_it_ends_after_half_an_hour_idle_and_ten_hours_in_any_case(officer, rows, column, age, open_):
    setattr(mine(rows, officer), column, datetime.now(UTC) - age)

    assert opens(officer) == open_


def test_use_keeps_it_and_is_noted_once_a_minute(officer, rows):
    session = mine(rows, officer)
    just_now = datetime.now(UTC) - timedelta(seconds=30)
    session.seen_at = just_now
    opens(officer)
    assert session.seen_at == just_now

    session.seen_at = datetime.now(UTC) - timedelta(minutes=20)
    opens(officer)
    assert session.seen_at > just_now


def test_a_disabled_account_is_out_at_once(officer):
    officer.account.active = False

    assert not opens(officer)


def test_what_happens_to_an_account_ends_its_sessions_and_nobody_elses(officer, sign_in):
    other = sign_in("Supervisor", authority("330106"))

    ended = sessions.end([officer.account.id], "role")

    assert (ended, opens(officer), opens(other)) == (1, False, True)


def test_one_that_waits_for_its_second_factor_is_not_signed_in(officer, rows):
    mine(rows, officer).confirmed = False

    assert not opens(officer)


def test_the_cookie_does_not_hold_what_the_database_holds(officer, rows):
    with officer.client.session_transaction() as cookie:
        token = cookie["_user_id"]

    assert mine(rows, officer).token_hash == hashed_token(token) != token


# --- How long it has left ------------------------------------------------------------------------


def test_asking_how_long_is_left_does_not_prolong_it(officer, rows):
    session = mine(rows, officer)
    session.seen_at = datetime.now(UTC) - timedelta(minutes=28)
    before = session.seen_at

    answer = officer.get("/session/remaining")

    assert 115 <= answer.json["seconds"] <= 121
    assert session.seen_at == before


def test_staying_prolongs_it(officer, rows):
    mine(rows, officer).seen_at = datetime.now(UTC) - timedelta(minutes=28)

    answer = officer.post("/session/extend")

    assert 1795 <= answer.json["seconds"] <= 1800
    assert officer.get("/session/remaining").json["seconds"] >= 1795


def test_staying_prolongs_it_at_once_also_within_the_minute(officer, rows):
    session = mine(rows, officer)
    before = session.seen_at = datetime.now(UTC) - timedelta(seconds=20)

    officer.post("/session/extend")

    assert session.seen_at > before


def test_nothing_prolongs_it_beyond_ten_hours(officer, rows):
    mine(rows, officer).started_at = datetime.now(UTC) - timedelta(hours=9, minutes=59)

    assert 55 <= officer.post("/session/extend").json["seconds"] <= 60


def test_who_is_not_signed_in_has_nothing_left_and_cannot_stay(stranger):
    stranger.token = stranger.get("/session/token").json["token"]

    assert stranger.get("/session/remaining").json == {"seconds": 0}
    assert stranger.post("/session/extend").status_code == 401


def test_the_idle_time_is_as_configured(officer, rows, app, monkeypatch):
    monkeypatch.setitem(app.config, "IDLE", timedelta(seconds=90))

    assert 'data-idle="90.0"' in officer.get("/me/").text
    mine(rows, officer).seen_at = datetime.now(UTC) - timedelta(minutes=5)
    assert not opens(officer)


def test_at_the_end_the_login_page_says_why_and_leads_back(stranger):
    in_english(stranger)
    answer = stranger.get("/session/over?next=/assignments/?state=returned")
    page = stranger.get(answer.headers["Location"]).text

    assert answer.headers["Location"] == "/login/?next=/assignments/?state%3Dreturned"
    assert "What you had typed is kept." in page
    assert "What you had typed is kept." not in stranger.get("/login/").text


def test_whose_session_goes_on_is_told_nothing(officer):
    officer.get("/session/over?next=/me/")

    assert officer.messages() == []


# --- The list ------------------------------------------------------------------------------------


def test_the_list_shows_the_live_sessions_and_which_is_this(officer, app, rows):
    another(app, officer)
    for ended in ("idle", "long", "waiting", "ended"):
        sessions.start(officer.account, confirmed=ended != "waiting", address="10.9.9.9", device=f"Firefox {ended}")
    rows.flush()
    old = datetime.now(UTC) - timedelta(hours=11)
    for device, values in (
        ("Firefox idle", {"seen_at": old}),
        ("Firefox long", {"started_at": old}),
        ("Firefox ended", {"ended_at": old, "ended_by": "logout"}),
    ):
        rows.execute(update(AccountSession).where(AccountSession.device == device).values(**values))

    page = officer.get("/me/sessions").text

    assert (page.count("10.33.1.20"), page.count("10.9.9.9"), page.count("This session")) == (1, 0, 1)
    assert "Edge · Windows" in page
    assert "Unknown device" in page


def test_nobody_sees_the_sessions_of_others(officer, sign_in, app):
    other = sign_in("Supervisor", authority("330106"))
    another(app, other)

    assert "10.33.1.20" not in officer.get("/me/sessions").text


def test_one_session_is_ended_and_only_that(officer, app, rows):
    there, elsewhere = another(app, officer), another(app, officer, "Firefox/127 Linux")
    session_id = rows.scalar(select(AccountSession.id).where(AccountSession.device == EDGE))

    answer = officer.post(f"/me/sessions/end/{session_id}")

    assert answer.status_code == 302
    assert (opens(officer), opens(there), opens(elsewhere)) == (True, False, True)
    assert officer.post(f"/me/sessions/end/{session_id}").status_code == 404


def test_a_session_of_somebody_else_is_not_there(officer, sign_in, rows):
    other = sign_in("Supervisor", authority("330106"))

    answer = officer.post(f"/me/sessions/end/{mine(rows, other).id}")

    assert (answer.status_code, opens(other)) == (404, True)


@pytest.mark.parametrize("session_id", ["0", "x", "-1", "99999999999999999999", "1%20OR%201"])
def test_what_is_no_session_is_not_there(officer, session_id):
    assert officer.post(f"/me/sessions/end/{session_id}").status_code == 404


def test_an_administrator_does_not_end_sessions_here(sign_in, rows):
    below = sign_in("Supervisor", authority("330106"))
    administrator = sign_in("CountyAdministrator", authority("330106"))

    answer = administrator.post(f"/me/sessions/end/{mine(rows, below).id}")

    assert (answer.status_code, opens(below)) == (404, True)


def test_signing_out_everywhere_else(officer, app):
    first, second = another(app, officer), another(app, officer)

    officer.post("/me/sessions/end-others")

    assert officer.messages() == ["2 other sessions have ended."]
    assert (opens(officer), opens(first), opens(second)) == (True, False, False)


def test_the_list_costs_the_same_for_one_session_and_for_fifty(officer, rows, statements):
    with statements() as one:
        officer.get("/me/sessions")
    for _each in range(50):
        sessions.start(officer.account, confirmed=True, address="10.0.0.1", device=EDGE)
    rows.flush()
    with statements() as fifty:
        officer.get("/me/sessions")

    assert len(one) == len(fifty) <= 4


@pytest.mark.parametrize(
    ("device", "words"),
    [
        (EDGE, "Edge · Windows"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15) AppleWebKit/605 Version/17 Safari/605", "Safari · macOS"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) MicroMessenger/8.0", "WeChat · iPhone"),
        ("Mozilla/5.0 (Linux; Android 14) Chrome/126.0 Mobile Safari/537.36", "Chrome · Android"),
        ("Mozilla/5.0 (Phone; OpenHarmony 5.0) Chrome/114 ArkWeb/4", "Chrome · HarmonyOS"),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0", "Firefox · Linux"),
        ("Mozilla/5.0 (Windows NT 10.0) Chrome/109 Safari/537.36 QIHU 360SE", "360 Browser · Windows"),
        ("curl/8.5.0", ""),
        ("", ""),
    ],
)
def test_a_device_in_words(device, words):
    assert sessions.device_in_words(device) == words


def test_a_device_cannot_write_into_the_page(officer, app):
    another(app, officer, "<script>alert(1)</script> Firefox")

    assert "<script>alert(1)" not in officer.get("/me/sessions").text


# --- Time tells nothing --------------------------------------------------------------------------


@pytest.mark.parametrize("username", ["xihu", "nobody", "disabled"])
def test_a_wrong_login_hashes_once_whoever_it_is(stranger, person, monkeypatch, username):
    from app import ciphers

    account("Supervisor", authority("330106"), username="disabled", password=quick("x"), active=False)
    asked = []
    real = ciphers._fits
    monkeypatch.setattr(ciphers, "_fits", lambda *given: asked.append(1) or real(*given))

    attempt(stranger, username=username, password="Wrong-Password-1")

    assert len(asked) == 1


def test_what_stands_for_nobodys_password_costs_as_much_as_a_real_one():
    from app import ciphers

    assert ciphers._NOBODY.split("$")[1:4] == ciphers.hashed_password("x").split("$")[1:4]


def test_what_a_page_of_one_account_sends_is_not_done_as_another(sign_in):
    office = authority("330106")
    person, other = (sign_in("AssignmentOfficer", office) for _ in range(2))
    one = task(UNASSIGNED)
    chosen = {"selection": "ids", "id": str(one.id), "reason": "该器具不在强制检定目录范围内"}

    def sent(by, made_for):
        return by.post("/assignments/act/refuse", chosen, headers={"HX-Request": "true", "X-Account": made_for})

    refused = sent(other, person.account.username)
    assert (refused.status_code, person.account.username in refused.text, states(one)) == (409, True, [UNASSIGNED])
    for url in ("/session/token", f"/assignments/show/{one.id}"):
        assert other.get(url, headers={"X-Account": person.account.username}).status_code == 409
    assert (sent(other, other.account.username).status_code, states(one)) == (204, [REFUSED])
