"""Login: captcha once and in time, one answer for everything wrong, no way elsewhere, no session left behind."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update
from werkzeug.security import generate_password_hash

from app.domain import captchas
from app.models import Captcha
from tests.conftest import from_outside
from tests.factories import account, authority

PASSWORD = "Harbour-Lamp#26"
WRONG = "账号、密码或验证码有误。"


@pytest.fixture
def person(rows):
    hashed = generate_password_hash(PASSWORD, method="scrypt:1024:8:1")
    return account("Supervisor", authority("330106"), username="xihu", password=hashed)


def attempt(stranger, url="/login/", **changes):
    from_outside(lambda: stranger.client.get("/login/"))
    stranger.token = stranger.get("/session/token").json["token"]
    token = changes.pop("captcha_token", None) or from_outside(lambda: _asked(stranger))
    answer = changes.pop("captcha", None)
    if answer is None:
        from app.models import db

        answer = db.session.scalar(select(Captcha.answer).where(Captcha.token == token)) or "0000"
    fields = {"username": "xihu", "password": PASSWORD, "captcha": answer, "captcha_token": token, **changes}
    return stranger.post(url, fields)


def _asked(stranger):
    return stranger.client.get("/captcha/").json["token"]


def is_in(stranger):
    return stranger.get("/assignments/").status_code == 200


def test_who_knows_all_three_is_in(stranger, person):
    answer = attempt(stranger)

    assert (answer.status_code, answer.headers["Location"], is_in(stranger)) == (302, "/", True)


@pytest.mark.parametrize(
    "changes",
    [
        {"password": "wrong"},
        {"password": ""},
        {"username": "nobody"},
        {"username": ""},
        {"captcha": "0000"},
        {"captcha": ""},
        {"captcha_token": "made-up"},
        {"captcha_token": "x" * 5000},
    ],
)
def test_whatever_is_wrong_the_answer_is_the_same(stranger, person, changes):
    answer = attempt(stranger, **changes)

    assert (answer.status_code, WRONG in answer.text, is_in(stranger)) == (422, True, False)


def test_a_nul_character_is_no_input(stranger, person):
    assert attempt(stranger, username="xihu\x00").status_code == 400


def test_a_disabled_account_gets_the_same_answer(stranger, person):
    person.active = False

    answer = attempt(stranger)

    assert (answer.status_code, WRONG in answer.text) == (422, True)


def test_the_account_stays_in_the_form_and_the_password_does_not(stranger, person):
    page = attempt(stranger, password="Secret#123456").text

    assert ('value="xihu"' in page, "Secret#123456" in page) == (True, False)


def test_a_captcha_is_answered_once_right_or_wrong(stranger, person, rows):
    token = _asked(stranger)
    answer = rows.scalar(select(Captcha.answer).where(Captcha.token == token))

    wrong = attempt(stranger, captcha_token=token, captcha="0000")
    right_too_late = attempt(stranger, captcha_token=token, captcha=answer)

    assert (wrong.status_code, right_too_late.status_code) == (422, 422)


def test_a_captcha_expires(stranger, person, rows):
    token = _asked(stranger)
    answer = rows.scalar(select(Captcha.answer).where(Captcha.token == token))
    rows.execute(update(Captcha).values(expires_at=datetime.now(UTC) - timedelta(seconds=1)))

    assert attempt(stranger, captcha_token=token, captcha=answer).status_code == 422
    assert captchas.media(token, "png") is None


def test_a_captcha_can_be_seen_and_heard(stranger, rows):
    token = _asked(stranger)

    picture = stranger.get(f"/captcha/{token}.png")
    sound = stranger.get(f"/captcha/{token}.wav")

    assert (picture.data[:8], sound.data[:4]) == (b"\x89PNG\r\n\x1a\n", b"RIFF")
    assert stranger.get(f"/captcha/{token}.txt").status_code == 404
    assert stranger.get("/captcha/made-up.png").status_code == 404


def test_the_answer_is_nowhere_in_what_the_browser_gets(stranger, rows):
    page = stranger.get("/login/")
    answer = rows.scalar(select(Captcha.answer))

    assert answer not in page.text
    assert answer not in str(page.headers.getlist("Set-Cookie"))


@pytest.mark.parametrize(
    ("target", "goes"),
    [
        ("/assignments/?state=returned", "/assignments/?state=returned"),
        ("https://evil.example/", "/"),
        ("//evil.example/", "/"),
        ("/\\evil.example/", "/"),
        ("/a\\b", "/"),
        ("javascript:alert(1)", "/"),
        ("", "/"),
    ],
)
def test_after_login_one_stays_on_this_site(stranger, person, target, goes):
    from urllib.parse import quote

    assert attempt(stranger, f"/login/?next={quote(target)}").headers["Location"] == goes


def test_login_wants_its_token(stranger, person):
    stranger.token = "stolen"

    answer = stranger.post("/login/", {"username": "xihu", "password": PASSWORD})

    assert answer.status_code == 400


def test_the_session_of_before_is_not_the_one_after(stranger, person):
    with stranger.client.session_transaction() as session:
        session["planted"] = "by somebody else"
        session["locale"] = "en"

    attempt(stranger)

    with stranger.client.session_transaction() as session:
        assert ("planted" in session, session["locale"]) == (False, "en")


def test_logout_is_by_post_and_ends_it(stranger, person):
    attempt(stranger)
    stranger.token = stranger.get("/session/token").json["token"]

    assert stranger.get("/logout/").status_code == 405
    assert is_in(stranger)
    assert stranger.post("/logout/").status_code == 302
    assert not is_in(stranger)


def test_there_is_no_other_door(stranger):
    for url in (
        "/api/v1/security/login",
        "/api/v1/security/refresh",
        "/users/list/",
        "/resetpassword/form",
        "/lang/en",
    ):
        assert stranger.get(url).status_code == 404


def test_a_new_account_without_a_role_is_told_what_comes_next(sign_in):
    newcomer = sign_in(None, authority("330106"))

    page = newcomer.get("/")

    assert page.status_code == 200
    assert "角色" in page.text
    assert "检定任务分配" not in page.text


def test_the_first_page_tells_what_waits(sign_in):
    from tests.factories import institution

    assert "本级待分配" in sign_in("Supervisor", authority("330106")).get("/").text
    assert "待受理任务" in sign_in("InstitutionClerk", institution()).get("/").text


def test_every_answer_is_protected(stranger):
    page = stranger.get("/login/")
    policy = page.headers["Content-Security-Policy"]

    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert page.headers["Cache-Control"] == "no-store"
    assert "<script>" not in page.text
    assert " style=" not in page.text


def test_a_shell_costs_two_statements(sign_in, statements):
    newcomer = sign_in(None, authority("330106"))

    with statements() as seen:
        newcomer.get("/")

    assert len(seen) == 2


def test_both_languages(stranger):
    chinese = stranger.get("/login/").text
    stranger.get("/session/language/en")
    english = stranger.get("/login/").text

    assert ("验证码" in chinese, "验证码" in english, "Verification code" in english) == (True, False, True)
    assert stranger.get("/session/language/fr").status_code == 404
