"""The second factor: setting it up, signing in with it, each code once, and that half a login opens nothing."""

import logging
import re
from datetime import UTC, datetime

import pytest
from pyotp.totp import TOTP
from sqlalchemy import func, select, update

from app import ciphers
from app.domain import second_factor
from app.models import Account, Attempt, AuditEntry, Notification
from tests.factories import account, authority, using_unit
from tests.test_login import PASSWORD, attempt, is_in
from tests.test_passwords import in_english, quick, with_password

NOW = datetime(2026, 11, 24, 10, 0, 7, tzinfo=UTC)
WRONG = "This code is wrong or no longer valid."


@pytest.fixture
def clerk(sign_in):
    return with_password(sign_in)


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    """The half minutes stand still."""

    class Clock(datetime):
        @classmethod
        def now(cls, tz=None):
            return NOW

    monkeypatch.setattr(second_factor, "datetime", Clock)


def code_of(secret, steps=0):
    return TOTP(secret).at(NOW, counter_offset=steps)


def switched_on(someone):
    """(secret, recovery codes) of an account that has set it up some time ago."""
    secret = second_factor.secret_in(someone, second_factor.offer(someone))
    codes = second_factor.set_up(someone, secret, code_of(secret))
    someone.totp_step -= 100
    return secret, codes


def offered(page):
    [offer] = re.findall(r'name="offer"[^>]* value="([^"]+)"', page)
    secret = "".join(re.findall(r"<span>([A-Z2-7]{4})</span>", page))
    return offer, secret


def set_up(someone, code=None, offer=None, current=PASSWORD):
    page = someone.get("/me/second-factor").text
    given, secret = offered(page)
    fields = {"offer": offer or given, "code": code or code_of(secret), "current": current}
    return someone.post("/me/second-factor", fields), secret


# --- Setting it up -------------------------------------------------------------------------------


def test_setting_it_up_shows_ten_codes_once(clerk):
    answer, secret = set_up(clerk)

    codes = re.findall(r"<li><code>((?:[a-z2-9]{6}-){3}[a-z2-9]{6})</code></li>", answer.text)
    assert (answer.status_code, len(set(codes)), answer.headers["Cache-Control"]) == (200, 10, "no-store")
    later = clerk.get("/me/second-factor").text
    assert [text in later for text in (secret, *codes)] == [False] * 11


def test_setting_it_up_needs_the_password(clerk):
    """Who finds a session open cannot shut its owner out; a wrong password counts as at login."""
    for current, told in (
        ("", "Please type your current password."),
        ("Wrong-1", "This is not your current password."),
    ):
        answer, secret = set_up(clerk, current=current)
        assert (answer.status_code, told in answer.text, clerk.account.totp_since) == (422, True, None)
        assert "".join(re.findall(r"<span>([A-Z2-7]{4})</span>", answer.text)) == secret  # what was scanned stays

    assert set_up(clerk)[0].status_code == 200
    assert clerk.account.totp_since is not None


def test_it_is_not_on_before_a_code_proves_it(clerk):
    for code in ("000000", "", "abc", code_of("A" * 32)):
        answer, _secret = set_up(clerk, code=code or " ")
        assert answer.status_code == 422
    assert (clerk.account.totp_secret, clerk.account.totp_since) == (None, None)


def test_a_wrong_code_keeps_the_secret_that_was_scanned(clerk):
    answer, secret = set_up(clerk, code="000000")

    assert offered(answer.text)[1] == secret
    assert WRONG in answer.text


def test_spaces_in_a_code_do_not_matter(clerk):
    offer, secret = offered(clerk.get("/me/second-factor").text)
    code = code_of(secret)

    assert (
        clerk.post(
            "/me/second-factor", {"offer": offer, "code": f" {code[:3]} {code[3:]} ", "current": PASSWORD}
        ).status_code
        == 200
    )


@pytest.mark.parametrize("kind", ["made up", "of another account", "changed", "missing"])
def test_a_secret_that_was_not_offered_to_me_is_refused(clerk, kind):
    other = account(None, None)
    offer = offered(clerk.get("/me/second-factor").text)[0]
    given = {
        "made up": "A" * 32,
        "of another account": second_factor.offer(other),
        "changed": offer[:-4] + "AAA=",
        "missing": "",
    }[kind]

    answer = clerk.post("/me/second-factor", {"offer": given, "code": "123456", "current": PASSWORD})

    assert (answer.status_code, clerk.messages()) == (302, ["This page is out of date. Please begin again."])
    assert clerk.account.totp_secret is None


def test_the_secret_is_in_no_cookie_and_encrypted_at_rest(clerk):
    answer, secret = set_up(clerk)

    with clerk.client.session_transaction() as session:
        assert secret not in str(dict(session))
    assert secret not in clerk.account.totp_secret
    assert ciphers.decrypted(clerk.account.totp_secret) == secret
    assert answer.text.count(secret) == 0


def test_who_has_it_on_cannot_set_up_another_one_without_switching_off(clerk):
    secret, _codes = switched_on(clerk.account)
    offer = second_factor.offer(clerk.account)
    new = second_factor.secret_in(clerk.account, offer)

    clerk.post("/me/second-factor", {"offer": offer, "code": code_of(new), "current": PASSWORD})

    assert ciphers.decrypted(clerk.account.totp_secret) == secret


def test_the_picture_is_drawn_without_style_or_script(clerk):
    page = clerk.get("/me/second-factor").text

    assert "<svg viewBox" in page.replace('class="segno" ', "").replace("<svg  ", "<svg ")
    assert ' style="' not in page
    assert "<script>" not in page


# --- Signing in ----------------------------------------------------------------------------------


@pytest.fixture
def half(stranger, rows):
    """Somebody whose password was right, and who is asked for the code."""
    someone = account("Supervisor", authority("330106"), username="xihu", password=quick(PASSWORD))
    stranger.account = someone
    stranger.secret, stranger.codes = switched_on(someone)
    in_english(stranger)
    again(stranger)
    return stranger


def again(stranger):
    answer = attempt(stranger)
    stranger.token = stranger.get("/session/token").json["token"]
    return answer


def give(stranger, code):
    return stranger.post("/login/code", {"code": code})


def test_the_password_alone_opens_nothing(half, app):
    assert half.get("/login/code").status_code == 200
    pages = {
        url: half.get(url).headers.get("Location", "")[:7]
        for url in ("/assignments/", "/me/", "/me/second-factor", "/me/keys")
    }
    assert set(pages.values()) == {"/login/"}
    assert half.get("/session/remaining").json == {"seconds": 0}
    assert half.post("/session/extend").status_code == 401


def test_the_waiting_token_is_no_session_if_it_is_put_in_its_place(half):
    with half.client.session_transaction() as session:
        session["_user_id"] = session["waiting"]

    assert not is_in(half)


def test_the_right_code_opens_and_leads_on(half):
    answer = half.post("/login/code?next=/assignments/", {"code": code_of(half.secret)})

    assert (answer.status_code, answer.headers["Location"], is_in(half)) == (302, "/assignments/", True)
    assert half.account.last_login_at is not None


@pytest.mark.parametrize(("steps", "open_"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
def test_a_clock_may_be_half_a_minute_wrong(half, steps, open_):
    give(half, code_of(half.secret, steps))

    assert is_in(half) == open_


def test_a_code_is_good_for_once(half, app):
    give(half, code_of(half.secret))
    half.post("/logout/", {"csrf_token": half.get("/session/token").json["token"]})
    in_english(half)
    again(half)

    answer = give(half, code_of(half.secret))

    assert (answer.status_code, WRONG in answer.text, is_in(half)) == (422, True, False)


def test_a_code_from_before_the_last_one_used_is_too_old(half):
    half.account.totp_step = int(NOW.timestamp()) // 30

    assert give(half, code_of(half.secret, -1)).status_code == 422
    assert give(half, code_of(half.secret, 1)).status_code == 302


def test_a_recovery_code_is_good_for_once(half):
    assert give(half, half.codes[3].upper()).status_code == 302
    assert len(half.account.recovery_codes) == 9
    half.post("/logout/", {"csrf_token": half.get("/session/token").json["token"]})
    again(half)

    assert give(half, half.codes[3]).status_code == 422
    assert give(half, half.codes[4]).status_code == 302


def test_five_wrong_codes_lock_also_for_the_right_one(half):
    for _time in range(5):
        give(half, "000000")

    answer = give(half, code_of(half.secret))

    assert ("Too many failed attempts." in answer.text, is_in(half)) == (True, False)


def test_the_password_does_not_buy_new_guesses(half, rows):
    for _time in range(4):
        give(half, "000000")
    again(half)
    give(half, "000000")

    assert rows.scalar(select(Attempt.failures).where(Attempt.key == "account:xihu")) == 5
    assert not is_in(half)
    assert "Too many failed attempts." in again(half).text


def test_who_was_disabled_meanwhile_does_not_come_in(half):
    half.account.active = False

    assert (give(half, code_of(half.secret)).status_code, is_in(half)) == (422, False)


def test_the_wait_for_a_code_is_five_minutes(half, rows):
    from app.models import AccountSession

    rows.execute(update(AccountSession).values(started_at=datetime(2020, 1, 1, tzinfo=UTC)))

    assert give(half, code_of(half.secret)).headers["Location"] == "/login/"


def test_the_last_login_is_not_that_of_half_a_login(half):
    assert half.account.last_login_at is None


# --- Switching it off, and where it must be -------------------------------------------------------


def test_switching_off_needs_the_password(clerk):
    switched_on(clerk.account)

    wrong = clerk.post("/me/second-factor/off", {"current": "Wrong-Current-99"})
    assert (wrong.status_code, second_factor.is_set_up(clerk.account)) == (422, True)
    right = clerk.post("/me/second-factor/off", {"current": PASSWORD})
    assert (right.status_code, second_factor.is_set_up(clerk.account), clerk.account.recovery_codes) == (302, False, [])


def test_new_recovery_codes_need_the_password_and_end_the_old_ones(clerk):
    _secret, old = switched_on(clerk.account)

    assert clerk.post("/me/second-factor/codes", {"current": "Wrong-Current-99"}).status_code == 422
    answer = clerk.post("/me/second-factor/codes", {"current": PASSWORD})
    new = re.findall(r"<li><code>([a-z2-9-]{27})</code></li>", answer.text)

    assert (len(new), second_factor.accepts(clerk.account, old[0])) == (10, False)
    assert second_factor.accepts(clerk.account, new[0])


def test_without_one_there_are_no_codes_to_renew(clerk):
    clerk.post("/me/second-factor/codes", {"current": PASSWORD})

    assert (clerk.messages(), clerk.account.recovery_codes) == (["The second factor is off."], [])


@pytest.fixture
def mandatory(app, monkeypatch):
    monkeypatch.setitem(app.config, "SECOND_FACTOR", True)


def test_staff_of_an_authority_owe_it_where_it_is_asked_for(clerk, sign_in, mandatory):
    unit = sign_in("UsingUnitClerk", using_unit())

    assert clerk.get("/assignments/").headers["Location"] == "/me/second-factor"
    assert clerk.post("/assignments/export", {"format": "csv"}).headers["Location"] == "/me/second-factor"
    assert clerk.act("assignments", "refuse", [1]).headers["HX-Redirect"] == "/me/second-factor"
    assert [clerk.get(url).headers.get("Location") for url in ("/me/", "/me/keys", "/me/sessions")] == [
        "/me/second-factor"
    ] * 3
    assert unit.get("/progress/").status_code == 200

    answer, _secret = set_up(clerk)
    assert answer.status_code == 200
    assert clerk.get("/assignments/").status_code == 200


def test_staff_of_an_authority_cannot_switch_it_off(clerk, mandatory):
    switched_on(clerk.account)

    assert "/me/second-factor/off" not in clerk.get("/me/second-factor").text
    clerk.post("/me/second-factor/off", {"current": PASSWORD})

    assert clerk.messages() == ["Staff of an authority cannot do without the second factor."]
    assert second_factor.is_set_up(clerk.account)


def test_a_due_password_comes_before_an_owed_second_factor(clerk, mandatory):
    clerk.account.password_due = True

    assert clerk.get("/me/second-factor").headers["Location"] == "/me/password"


# --- Nothing leaks -------------------------------------------------------------------------------


def test_no_secret_is_in_a_log_or_in_the_audit(stranger, rows, caplog):
    caplog.set_level(logging.DEBUG)
    before = rows.scalar(select(func.coalesce(func.max(AuditEntry.id), 0)))
    account("Supervisor", authority("330106"), username="xihu", password=quick(PASSWORD))
    in_english(stranger)
    attempt(stranger, password="Wrong-Password-1")
    attempt(stranger)
    stranger.token = stranger.get("/session/token").json["token"]
    new = "Lantern-River-48"
    stranger.post("/me/password", {"current": PASSWORD, "password": new, "again": new})
    answer, secret = set_up(stranger, current=new)
    codes = re.findall(r"<code>((?:[a-z2-9]{6}-){3}[a-z2-9]{6})</code>", answer.text)
    made = stranger.post("/me/keys", {"name": "x", "scopes": "Assignments", "days": "9", "current": new})
    [key] = re.findall(r"jl_[\w-]{43}", made.text)
    with stranger.client.session_transaction() as session:
        token = session["_user_id"]

    secrets = (PASSWORD, new, "Wrong-Password-1", secret, *codes, key, token)
    logged = "\n".join(f"{record.getMessage()} {record.__dict__}" for record in caplog.records)
    audited = "\n".join(str(entry.__dict__) for entry in rows.scalars(select(AuditEntry).where(AuditEntry.id > before)))
    assert (len(codes), [text for text in secrets if text in logged or text in audited]) == (10, [])
    done = select(AuditEntry.action).where(AuditEntry.id > before, AuditEntry.action != "forbidden")
    assert list(rows.scalars(done.order_by(AuditEntry.id))) == [
        "login_failed",
        "password_hashed_anew",
        "login",
        "change_password",
        "set_up_second_factor",
        "create_access_key",
    ]


def test_the_person_is_told_when_the_factor_is_set_up_or_switched_off(clerk, rows):
    set_up(clerk)
    second_factor.switch_off(rows.get(Account, clerk.account.id))
    rows.flush()

    told = select(Notification.kind).where(Notification.account_id == clerk.account.id).order_by(Notification.id)
    assert rows.scalars(told).all() == ["second_factor_set", "second_factor_off"]
