"""Breaking in by the front door, and that docs/security.md says only what a test proves."""

import ast
import base64
import csv
import html
import pkgutil
import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import Context
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier, BrokenBarrierError
from time import process_time

import pytest
from cryptography.fernet import Fernet
from flask import Flask
from sqlalchemy import delete, func, select, text, update
from werkzeug.test import run_wsgi_app
from zxcvbn.frequency_lists import FREQUENCY_LISTS

from app import ciphers, create_app, outside
from app.domain import access_keys, accounts, attempts, captchas, passwords, second_factor, sessions
from app.models import AccessKey, Account, AccountSession, Attempt, AuditEntry, Captcha, db, held_role
from app.states import RETURNED
from config import Config
from tests.conftest import Person, audit_log_unguarded, from_outside
from tests.factories import account, authority, institution, task
from tests.test_access_keys import create as create_key
from tests.test_login import PASSWORD, WRONG, attempt, is_in
from tests.test_passwords import change, in_english, quick, with_password
from tests.test_registration import PERSON, UNIT

TESTS = Path(__file__).parent
DOCUMENT = (TESTS.parent / "docs" / "security.md").read_text(encoding="utf-8")
LOCKED = "Too many failed attempts."
WRONG_CODE = "000000"


@pytest.fixture
def clerk(sign_in):
    return with_password(sign_in)


@pytest.fixture
def person(rows):
    return account("Supervisor", authority("330106"), username="xihu", password=quick(PASSWORD))


@pytest.fixture
def officer(sign_in):
    return in_english(sign_in("Supervisor", authority("330106")))


@pytest.fixture
def county(sign_in):
    """An administrator of accounts."""
    return in_english(sign_in("CountyAdministrator", authority("330106")))


def with_second_factor(someone):
    """(secret, recovery codes) of an account whose second factor has been on for some time."""
    from pyotp.totp import TOTP

    secret = second_factor.secret_in(someone, second_factor.offer(someone))
    codes = second_factor.set_up(someone, secret, TOTP(secret).now())
    someone.totp_step -= 100
    return secret, codes


def with_token(browser):
    """The form token that its pages would carry."""
    browser.token = browser.get("/session/token").json["token"]


def half_in(stranger, someone):
    """The password was right, the code is asked for; gives the recovery codes."""
    _secret, codes = with_second_factor(someone)
    in_english(stranger)
    attempt(stranger)
    with_token(stranger)
    return codes


def cookie_of(client):
    return client.get_cookie("session").value


def with_cookie(app, value):
    """Somebody else's browser with a cookie that was copied or made up."""
    client = app.test_client()
    client.set_cookie("session", value)
    return Person(client, None)


def asked_with(app, key, method="POST", url="/assignments/export"):
    """How a program with this key is answered."""
    bearer = {"Authorization": f"Bearer {key}"}
    fields = {"format": "csv"} if method == "POST" else None
    return from_outside(
        lambda: app.test_client().open(url, method=method, data=fields, headers=bearer, buffered=True)
    ).status_code


# --- The document --------------------------------------------------------------------------------

PROOF = re.compile(r"`(tests/(?:browser/)?test_\w+\.py)::(test_\w+)`")
SECTION = re.compile(r"\[[^\]]+\]\(#([^)]+)\)")
# In the order in which the page counts them.
VERDICTS = ("met", "operator", "not met", "n/a")
UNITS = {"": 1, " KB": 2**10, " MB": 2**20}


def asvs():
    """(number, demand, verdict, proof) of each line of the checked list."""
    return re.findall(r"^\| (\d+\.\d+\.\d+) \| (.+?) \| (.+?) \| (.+?) \|$", DOCUMENT, re.MULTILINE)


def levels():
    """The level of each item of ASVS 5.0."""
    lines = (TESTS / "asvs.csv").read_text(encoding="utf-8").splitlines()
    return {row["item"]: row["level"] for row in csv.DictReader(line for line in lines if not line.startswith("#"))}


def headings():
    """What a link to a heading of the page is called."""
    titles = re.findall(r"^#+ (.+)$", DOCUMENT, re.MULTILINE)
    return [re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles]


def found_in(path):
    """The names of the tests of a file, and whether each is expected to fail."""
    tree = ast.parse((TESTS.parent / path).read_text(encoding="utf-8"))
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    return {each.name: any("xfail" in ast.unparse(mark) for mark in each.decorator_list) for each in functions}


def test_every_test_that_the_document_names_exists_and_is_to_pass():
    named = {(path, name) for path, name in PROOF.findall(DOCUMENT)}
    tests = {path: found_in(path) for path, _name in named}

    assert [f"{path}::{name}" for path, name in named if name not in tests[path]] == []
    assert [f"{path}::{name}" for path, name in named if tests[path][name]] == []


def test_every_file_that_the_document_names_exists():
    paths = set(re.findall(r"`((?:app|tests)/[\w/*-]+(?:\.\w+)?/?)`", DOCUMENT))

    assert len(paths) > 40
    assert [path for path in paths if not list(TESTS.parent.glob(path))] == []


def test_every_section_that_the_document_leads_to_is_there():
    assert len(headings()) == len(set(headings()))
    assert [section for section in SECTION.findall(DOCUMENT) if section not in headings()] == []


def test_every_item_of_asvs_stands_in_the_document_once():
    """All of levels 1 and 2 of version 5.0.0, and none of level 3 alone."""
    asked = [number for number, level in levels().items() if level in "12"]

    assert (len(levels()), len(asked)) == (345, 253)
    assert Counter(number for number, *_ in asvs()) == Counter(asked)


def test_each_item_has_a_verdict_and_its_proof_or_reason():
    """What is met has a test. Only the first part of each chapter asks for documents: there it may be a section."""
    wrong = []
    for number, demand, verdict, proof in asvs():
        tests, sections = PROOF.findall(proof), SECTION.findall(proof)
        is_proved = tests or (sections and number.split(".")[1] == "1")
        words = PROOF.sub("", SECTION.sub("", proof))
        if verdict not in VERDICTS or len(demand) < 3 or (not is_proved if verdict == "met" else len(words) < 15):
            wrong.append((number, verdict))

    assert wrong == []


def test_the_document_counts_itself_right():
    counted = Counter(verdict for _number, _demand, verdict, _proof in asvs())
    counts = re.findall(r"Of (\d+) items: met (\d+), operator (\d+), not met (\d+), not applicable (\d+)\.", DOCUMENT)

    assert [[int(number) for number in each] for each in counts] == [
        [counted.total(), *(counted[verdict] for verdict in VERDICTS)]
    ]


def test_the_limits_of_the_document_are_those_of_the_program():
    lines = re.findall(
        r"^\| .*?\| ([\d,]+)( [KM]B)? \|.*? `((?:app|config)[\w.]*)\.([A-Z_]+)` \|$", DOCUMENT, re.MULTILINE
    )
    told = {f"{place}.{name}": int(number.replace(",", "")) * UNITS[unit] for number, unit, place, name in lines}

    assert len(told) > 25
    assert told == {each: pkgutil.resolve_name(each) for each in told}


def test_the_words_that_passwords_do_not_lean_on_stand_in_the_document():
    [listed] = re.findall(r"\*(qiangjian,[^*]+)\*", DOCUMENT)

    assert re.split(r",\s+", listed) == passwords.CONTEXT_WORDS.pattern.split("|")


# --- Guessing ------------------------------------------------------------------------------------


@pytest.fixture
def three(rows, person):
    """Names of an account that is there, of one that is disabled, and of nobody."""
    account("Supervisor", authority("330106"), username="disabled", password=quick(PASSWORD), active=False)
    return ["xihu", "disabled", "nobody"]


def test_five_wrong_passwords_lock_and_tell_nothing_about_whose_they_are(stranger, three):
    told = {}
    for name in three:
        in_english(stranger)
        wrong = [attempt(stranger, username=name, password="Wrong-Password-1") for _time in range(5)]
        right = attempt(stranger, username=name)
        told[name] = [(page.status_code, LOCKED in page.text) for page in (*wrong, right)]

    assert list(told.values()) == [[(422, False)] * 5 + [(422, True)]] * 3
    assert not is_in(stranger)


def test_a_wrong_login_asks_the_database_the_same_whoever_it_is(stranger, three, statements, monkeypatch):
    hashed = []
    real = ciphers._fits
    monkeypatch.setattr(ciphers, "_fits", lambda *given: hashed.append(1) or real(*given))
    asked, pages = [], []
    for name in three:
        attempts.clear(attempts.of_address("127.0.0.1"))
        # The right password of a disabled account is wrong too.
        password = PASSWORD if name == "disabled" else "Wrong-Password-1"
        with statements() as seen:
            answer = attempt(stranger, username=name, password=password)
        asked.append([re.sub(r"\s+", " ", each)[:60] for each in seen])
        pages.append((answer.status_code, WRONG in answer.text, len(answer.text) - len(name)))

    assert len(hashed) == 3
    assert asked[0] == asked[1] == asked[2]
    assert [page[:2] for page in pages] == [(422, True)] * 3


@pytest.mark.parametrize("spelling", ["XIHU", "Xihu", " xihu", "xihu ", "\txihu\t", "\u3000xihu", "xihu\u00a0"])
def test_no_spelling_of_a_name_escapes_its_lock(stranger, person, spelling):
    in_english(stranger)
    for _time in range(5):
        attempt(stranger, username=spelling, password="Wrong-Password-1")

    assert LOCKED in attempt(stranger).text
    assert not is_in(stranger)


@pytest.mark.parametrize("name", ["XIHU", "хihu", "ｘｉｈｕ", "xihu\u0301", "xihu%", "x_hu", "*"])
def test_what_only_looks_like_a_name_is_nobody(stranger, person, name):
    answer = attempt(stranger, username=name)

    assert (answer.status_code, is_in(stranger)) == (422, False)


@pytest.mark.parametrize("name", ["xihu\u200b", "xi\u00adhu", "\u202exihu"])
def test_what_nobody_sees_in_a_name_is_not_there(stranger, person, name):
    """As in every text: what was copied from a page signs in, and no account is named so."""
    assert attempt(stranger, username=name).status_code == 302
    assert is_in(stranger)


def test_each_further_failure_doubles_the_wait_up_to_a_day(rows):
    waits = []
    for _time in range(14):
        attempts.failed("account:x")
        left = attempts.wait("account:x") or timedelta()
        waits.append(round(left / timedelta(minutes=1)))

    assert waits == [0, 0, 0, 0, 15, 30, 60, 120, 240, 480, 960, 1440, 1440, 1440]


def test_fifty_failures_lock_an_address_for_every_name_and_no_other_address(stranger, person):
    in_english(stranger)
    for _time in range(50):
        attempts.failed(attempts.of_address("127.0.0.1"), attempts.ADDRESS_FACTOR)

    assert LOCKED in attempt(stranger).text
    stranger.client.environ_base["REMOTE_ADDR"] = "10.1.2.3"
    assert attempt(stranger).status_code == 302


SPOOFED = {
    "X-Forwarded-For": "8.8.8.8",
    "X-Real-IP": "8.8.8.8",
    "Forwarded": "for=8.8.8.8",
    "X-Client-IP": "8.8.8.8",
    "True-Client-IP": "8.8.8.8",
}


def test_without_a_proxy_nobody_says_his_own_address(stranger, person, rows):
    for name, value in SPOOFED.items():
        stranger.client.environ_base[f"HTTP_{name.upper().replace('-', '_')}"] = value
    attempt(stranger, password="Wrong-Password-1")
    attempt(stranger)

    entries = select(AuditEntry.address).where(AuditEntry.action.in_(["login", "login_failed"]))
    assert list(rows.scalars(entries.order_by(AuditEntry.id)))[-2:] == ["127.0.0.1"] * 2
    assert rows.scalar(select(AccountSession.address)) == "127.0.0.1"
    assert list(rows.scalars(select(Attempt.key).where(Attempt.key.startswith("address:")))) == ["address:127.0.0.1"]


def test_with_one_proxy_only_what_that_one_says_counts(database_url, monkeypatch):
    proxied = made(database_url, PROXIES="1")
    seen = []

    def noted(environ, start_response):
        seen.append(environ["REMOTE_ADDR"])
        start_response("200 OK", [])
        return []

    monkeypatch.setattr(proxied.wsgi_app, "app", noted)
    run_wsgi_app(proxied.wsgi_app, {"REMOTE_ADDR": "10.0.0.1", "HTTP_X_FORWARDED_FOR": "8.8.8.8, 9.9.9.9, 10.33.1.20"})

    assert seen == ["10.33.1.20"]


AT_ONCE = 12


@pytest.fixture
def emptied(office):
    """What guesses leave behind beside the rows of `office`."""
    yield office
    db.session.rollback()
    db.session.execute(delete(Attempt))
    db.session.execute(delete(Captcha))
    with audit_log_unguarded():
        db.session.execute(text("TRUNCATE audit_entry, audit_chain"))
    db.session.commit()


@pytest.fixture
def together(monkeypatch):
    """Everybody has asked whether to wait before anybody goes on; who is kept from asking is not waited for."""
    asked, real = Barrier(AT_ONCE), attempts.wait

    def wait(*keys):
        answer = real(*keys)
        with suppress(BrokenBarrierError):
            asked.wait(timeout=2)
        return answer

    monkeypatch.setattr(attempts, "wait", wait)


def at_once(office, url, forms):
    """Send the forms at the same moment, each from a browser of its own."""
    ready, browsers = Barrier(len(forms)), []
    for cookie, form in forms:
        client = office.test_client()
        with client.session_transaction() as session:
            session.update(cookie)
        token = Context().run(lambda client=client: client.get("/session/token").json["token"])
        browsers.append((client, {"csrf_token": token, **form}))

    def send(browser):
        client, form = browser
        ready.wait()
        return client.post(url, data=form, buffered=True).status_code

    with ThreadPoolExecutor(len(browsers)) as pool:
        answers = list(pool.map(send, browsers))
    db.session.expire_all()
    return answers


def looked_at(action):
    return db.session.scalar(select(func.count()).where(AuditEntry.action == action)) or 0


def test_codes_guessed_at_the_same_moment_are_five_at_most(emptied, together):
    someone = account("Supervisor", authority("330106"), username="xihu", password=quick(PASSWORD))
    with_second_factor(someone)
    tokens = [sessions.start(someone, confirmed=False, address="127.0.0.1", device="x") for _each in range(AT_ONCE)]
    db.session.commit()

    answers = at_once(emptied, "/login/code", [({"waiting": token}, {"code": WRONG_CODE}) for token in tokens])

    assert answers == [422] * AT_ONCE
    assert looked_at("second_factor_failed") <= attempts.LOCK_AFTER


def test_passwords_guessed_at_the_same_moment_are_five_at_most(emptied, together):
    account("Supervisor", authority("330106"), username="xihu", password=quick(PASSWORD))
    db.session.commit()
    forms = []
    for _each in range(AT_ONCE):
        token = captchas.ask()
        answer = db.session.scalar(select(Captcha.answer).where(Captcha.token == token))
        forms.append(({}, {"username": "xihu", "password": "Wrong-1", "captcha_token": token, "captcha": answer}))
    db.session.commit()

    answers = at_once(emptied, "/login/", forms)

    assert answers == [422] * AT_ONCE
    assert looked_at("login_failed") <= attempts.LOCK_AFTER


def test_one_code_sent_by_two_at_the_same_moment_opens_one_session(emptied):
    someone = account("Supervisor", authority("330106"), username="xihu", password=quick(PASSWORD))
    _secret, codes = with_second_factor(someone)
    tokens = [sessions.start(someone, confirmed=False, address="127.0.0.1", device="x") for _each in range(2)]
    db.session.commit()

    answers = at_once(emptied, "/login/code", [({"waiting": token}, {"code": codes[0]}) for token in tokens])

    assert sorted(answers) == [302, 422]


# --- Being led elsewhere -------------------------------------------------------------------------

ELSEWHERE = [
    "http:evil.example",
    "///evil.example",
    "/%5Cevil.example",
    "%5C%5Cevil.example",
    "@evil.example",
    " //evil.example",
    "/%09/evil.example",
    "/%0A/evil.example",
    "/%0D/evil.example",
    "/%09%09/evil.example",
    "/a%0D%0AX-Injected:%201",
]


def stays_here(answer):
    target = answer.headers.get("Location", "")
    return (
        answer.status_code == 302 and re.match(r"/(?![/\\])", target) is not None and "X-Injected" not in answer.headers
    )


@pytest.mark.parametrize("target", ELSEWHERE)
def test_after_the_password_one_is_not_led_elsewhere(stranger, person, target):
    assert stays_here(attempt(stranger, f"/login/?next={target}"))


@pytest.mark.parametrize("target", ELSEWHERE)
def test_after_the_code_one_is_not_led_elsewhere(stranger, person, target):
    codes = half_in(stranger, person)

    assert stays_here(stranger.post(f"/login/code?next={target}", {"code": codes[0]}))


@pytest.mark.parametrize("target", ELSEWHERE)
def test_who_is_signed_in_is_not_led_elsewhere(officer, target):
    assert stays_here(officer.get(f"/login/?next={target}"))


@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example/", "/%09/evil.example"])
def test_the_end_of_a_session_leads_only_to_the_login_page(stranger, target):
    assert stranger.get(f"/session/over?next={target}").headers["Location"].startswith("/login/?next=")


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example/accounts/",
        "http://localhost.evil.example/accounts/",
        "http://localhost@evil.example/",
        pytest.param(
            "http://localhost//evil.example/x",
        ),
    ],
)
def test_a_referrer_leads_nowhere_else(officer, origin):
    assert stays_here(officer.get("/session/language/en", headers={"Referer": origin}))


@pytest.mark.parametrize(
    "origin", ["https://evil.example/accounts/", "http://localhost.evil.example/", "//evil.example/"]
)
def test_a_refusal_and_a_done_action_lead_nowhere_else(county, origin):
    someone = account(None, authority("330106"))
    headers = {"Referer": origin, "HX-Current-URL": origin}

    refused = county.post("/accounts/act/activate", headers=headers)
    done = county.post("/accounts/act/deactivate", {"selection": "ids", "id": str(someone.id)}, headers=headers)

    assert [answer.headers["Location"].replace("/accounts/", "/") for answer in (refused, done)] == ["/", "/"]


@pytest.mark.parametrize("url", ["/", "/login/", "/me/", "/register/", "/nothing", "/assignments/"])
def test_a_made_up_host_is_not_repeated(stranger, url):
    answer = stranger.get(url, headers={"Host": "evil.example", "X-Forwarded-Host": "evil.example"})

    assert "evil.example" not in answer.text + str(answer.headers)


# --- Sessions, cookies, tokens -------------------------------------------------------------------


def test_a_session_that_somebody_planted_is_not_the_one_after_login(app, stranger, person):
    """The attacker gives the victim his cookie, waits, and comes with it and with its form token."""
    attacker = Person(app.test_client(), None)
    with_token(attacker)
    planted = cookie_of(attacker.client)
    stranger.client.set_cookie("session", planted)

    attempt(stranger)

    assert (is_in(stranger), is_in(attacker), cookie_of(stranger.client) == planted) == (True, False, False)
    stranger.token = attacker.token
    assert stranger.post("/me/settings", {"language": "en"}).status_code == 400


def test_a_cookie_copied_before_the_code_opens_nothing_after_it(app, stranger, person):
    codes = half_in(stranger, person)
    copied = cookie_of(stranger.client)

    assert stranger.post("/login/code", {"code": codes[0]}).status_code == 302

    thief = with_cookie(app, copied)
    assert (is_in(stranger), is_in(thief)) == (True, False)
    assert thief.get("/login/code").headers["Location"] == "/login/"


OWNERS_DEEDS = {
    "password": ("/me/password", {"password": "Lantern-River-48", "again": "Lantern-River-48"}),
    "recovery codes": ("/me/second-factor/codes", {}),
    "access key": ("/me/keys", {"name": "x", "scopes": "Assignments", "days": "9"}),
}


@pytest.mark.parametrize("deed", OWNERS_DEEDS)
def test_a_cookie_copied_before_the_password_was_asked_again_opens_nothing_after_it(app, clerk, deed):
    url, fields = OWNERS_DEEDS[deed]
    before = cookie_of(clerk.client)

    clerk.post(url, {**fields, "current": "Wrong-Current-99"})
    assert is_in(with_cookie(app, before))
    clerk.post(url, {**fields, "current": PASSWORD})
    assert (is_in(with_cookie(app, before)), is_in(clerk)) == (False, True)


def test_the_form_token_of_one_account_is_worthless_with_the_cookie_of_another(officer, sign_in):
    other = sign_in("Supervisor", authority("330106"))
    officer.token = other.token

    assert officer.post("/me/settings", {"language": "en"}).status_code == 400


@pytest.mark.parametrize("where", ["query", "cookie", "second field"])
def test_a_form_token_counts_only_as_the_first_field_or_as_a_header(officer, where):
    token, officer.token = officer.token, "stolen"
    officer.client.set_cookie("csrf_token", token if where == "cookie" else "")
    url = f"/me/settings?csrf_token={token}" if where == "query" else "/me/settings"
    fields = {"language": "en", "csrf_token": ["stolen", token] if where == "second field" else "stolen"}

    assert officer.post(url, fields).status_code == 400
    assert officer.post("/me/settings", {"language": "en", "csrf_token": token}).status_code == 302


def test_a_session_token_is_no_access_key_and_a_key_no_session(app, clerk, rows):
    [key] = re.findall(r"jl_[\w-]{43}", create_key(clerk).text)
    with clerk.client.session_transaction() as session:
        token = session["_user_id"]
    stranger = Person(app.test_client(), None)
    for given in (
        key,
        ciphers.hashed_token(key),
        ciphers.hashed_token(token),
        str(clerk.account.id),
        clerk.account.username,
    ):
        with stranger.client.session_transaction() as session:
            session["_user_id"], session["_fresh"] = given, True
        assert not is_in(stranger)

    assert [asked_with(app, given) for given in (key, token, ciphers.hashed_token(token))] == [200, 401, 401]


def test_a_cookie_that_was_changed_or_signed_by_another_is_nobody(app, officer):
    good = cookie_of(officer.client)
    body, stamp, signature = good.rsplit(".", 2)
    other = Flask("other")
    other.secret_key = "the key of somebody else"
    with officer.client.session_transaction() as session:
        forged = app.session_interface.get_signing_serializer(other).dumps(dict(session))
    cookies = [
        f"{body}.{stamp}.{signature[:-2]}AA",
        f"{body}.{stamp}.",
        f"{body}.{stamp}",
        f"{body[:-1]}.{stamp}.{signature}",
        forged,
        "",
        "x" * 3900,
    ]

    assert [is_in(with_cookie(app, cookie)) for cookie in cookies] == [False] * len(cookies)
    assert is_in(with_cookie(app, good))


def test_nothing_keeps_one_signed_in_beside_the_session(app, stranger, person):
    answer = attempt(stranger)
    assert [cookie.split("=")[0] for cookie in answer.headers.getlist("Set-Cookie")] == ["session"]

    with stranger.client.session_transaction() as session:
        token = session["_user_id"]
    remembered = app.test_client()
    for value in (token, f"{token}|{'0' * 128}"):
        remembered.set_cookie("remember_token", value)
        assert not is_in(Person(remembered, None))


def test_the_token_is_256_random_bits_and_stands_in_no_address(stranger, person, rows):
    answer = attempt(stranger, "/login/?next=/assignments/")
    with stranger.client.session_transaction() as session:
        token = session["_user_id"]
    page = stranger.get("/assignments/").text

    assert len({ciphers.new_token() for _each in range(100)} | {token}) == 101
    assert re.fullmatch(r"[\w-]{43}", token)
    assert token not in answer.headers["Location"] + page


def test_who_paused_for_some_minutes_can_sign_out(officer, rows):
    rows.execute(update(AccountSession).values(seen_at=datetime.now(UTC) - timedelta(minutes=5)))

    answer = officer.post("/logout/")

    assert (answer.status_code, answer.headers.get("Location")) == (302, "/login/")
    with officer.client.session_transaction() as session:
        assert "_user_id" not in session


def test_a_role_that_is_gone_is_gone_at_the_next_click(officer, rows):
    waiting = task(RETURNED)
    assert is_in(officer)

    rows.execute(delete(held_role).where(held_role.c.user_id == officer.account.id))

    assert officer.get("/assignments/").status_code == 403
    assert officer.get(f"/assignments/show/{waiting.id}").status_code == 403
    assert officer.post("/assignments/export", {"format": "csv"}).status_code == 403
    assert officer.act("assignments", "refuse", [waiting.id], reason="因为所以因为所以因为所以").status_code == 403


def test_of_a_disabled_organization_nobody_changes_anything(county, rows):
    other = account(None, authority("330106"))
    county.account.organization.active = False

    county.act("accounts", "deactivate", [other.id])
    county.act("accounts", "reset_password", [other.id])

    assert (other.active, other.password, f'data-id="{other.id}"' in county.get("/accounts/").text) == (True, "", False)


def test_of_a_disabled_organization_nobody_exports_accounts_that_belong_nowhere(county):
    account(None, None, username="homeless")
    county.account.organization.active = False

    assert "homeless" not in county.post("/accounts/export", {"format": "csv"}).text


def test_a_reset_password_ends_the_access_keys_too(app, clerk, county):
    [key] = re.findall(r"jl_[\w-]{43}", create_key(clerk).text)
    assert asked_with(app, key) == 200

    county.act("accounts", "reset_password", [clerk.account.id])

    assert asked_with(app, key) == 401


def test_a_reset_password_leaves_the_second_factor_on(county, stranger, person):
    with_second_factor(person)
    page = county.act("accounts", "reset_password", [person.id]).text
    [new] = re.findall(r"<code>([^<]{12})</code>", page)

    attempt(stranger, password=html.unescape(new))
    with_token(stranger)
    refused = stranger.post("/login/code", {"code": WRONG_CODE}).status_code
    assert (person.totp_since is not None, refused, is_in(stranger)) == (True, 422, False)


def test_an_administrator_switches_a_lost_second_factor_off_and_its_sessions_end(clerk, county, rows):
    with_second_factor(clerk.account)

    answer = county.act("accounts", "reset_second_factor", [clerk.account.id])

    assert (answer.status_code, clerk.account.totp_secret, clerk.account.recovery_codes) == (204, None, [])
    assert not is_in(clerk)
    assert rows.scalar(select(func.count()).where(AuditEntry.action == "switch_off_second_factor")) == 1


# --- Cookies, headers, caches --------------------------------------------------------------------


def made(database_url, **environment):
    """An application with this environment."""
    return create_app(Config({"DATABASE_URL": database_url, "SECRET_KEY": "x" * 32, **environment}))


def flags(answer):
    """The cookie's name, and what the browser is told of it beside its end."""
    [cookie] = answer.headers.getlist("Set-Cookie")
    named, *rest = cookie.split("; ")
    return named.partition("=")[0], {each for each in rest if not each.startswith("Expires")}


def test_the_cookie_is_closed_to_scripts_and_to_other_sites(stranger, person):
    assert flags(attempt(stranger)) == ("session", {"HttpOnly", "SameSite=Lax", "Path=/"})


def test_behind_tls_the_cookie_is_of_this_host_alone(database_url):
    answer = made(database_url, COOKIE_SECURE="1").test_client().get("/session/token", base_url="https://localhost")

    assert flags(answer) == ("__Host-session", {"Secure", "HttpOnly", "SameSite=Lax", "Path=/"})
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains"


def test_production_wants_tls_and_the_second_factor():
    from run import PRODUCTION

    config = Config({"DATABASE_URL": "x", "SECRET_KEY": "x", **PRODUCTION, "COOKIE_SECURE": "1"})

    assert (config.SECOND_FACTOR, config.SESSION_COOKIE_SECURE, PRODUCTION["SECOND_FACTOR"]) == (True, True, "1")


@pytest.mark.parametrize("missing", ["DATABASE_URL", "SECRET_KEY"])
def test_without_its_secrets_it_does_not_start(missing):
    environment = {"DATABASE_URL": "x", "SECRET_KEY": "x", missing: ""}

    with pytest.raises(RuntimeError, match=missing):
        Config(environment)


def broken(monkeypatch, url):
    """A defect in this page that has much to tell."""
    from app.pages import options

    def fails(*_given):
        db.session.execute(text("SELECT password FROM no_such_table"))

    monkeypatch.setattr(options.catalogue, "children", fails)
    return url


FRAGMENT = {"HX-Request": "true"}
ANSWERS = {
    "page": (200, lambda p: p.get("/assignments/")),
    "fragment": (200, lambda p: p.open("assignments", "refuse", [task(RETURNED).id])),
    "refused fragment": (422, lambda p: p.act("assignments", "refuse", [task(RETURNED).id], reason="")),
    "done": (204, lambda p: p.act("assignments", "refuse", [task(RETURNED).id], reason="因为所以因为所以因为所以")),
    "JSON": (200, lambda p: p.get("/options/regions")),
    "file": (200, lambda p: p.post("/assignments/export", {"format": "xlsx"})),
    "static": (200, lambda p: p.get("/static/app.css")),
    "no static": (404, lambda p: p.get("/static/nothing.css")),
    "redirect": (302, lambda p: p.get("/login/")),
    "forged form": (400, lambda p: p.post("/me/settings", {"csrf_token": "stolen"})),
    "forbidden": (403, lambda p: p.get("/accounts/")),
    "not there": (404, lambda p: p.get("/nothing")),
    "not this way": (405, lambda p: p.get("/logout/")),
    "too long": (413, lambda p: p.post("/me/", {"first_name": "x" * 3_000_000})),
    "defect": (500, lambda p: p.get("/options/catalogue")),
    "defect in a dialog": (500, lambda p: p.get("/options/catalogue", headers=FRAGMENT)),
}


@pytest.mark.parametrize("kind", ANSWERS)
def test_every_kind_of_answer_is_protected(officer, monkeypatch, kind):
    broken(monkeypatch, "/options/catalogue")
    status, ask = ANSWERS[kind]

    answer = ask(officer)

    assert answer.status_code == status
    policy = answer.headers["Content-Security-Policy"].split("; ")
    assert {"default-src 'self'", "object-src 'none'", "base-uri 'none'", "frame-ancestors 'none'"} <= set(policy)
    assert "unsafe" not in str(policy)
    assert (answer.headers["X-Content-Type-Options"], answer.headers["Referrer-Policy"]) == ("nosniff", "same-origin")
    assert "Python" not in str(answer.headers)
    assert [name for name, _value in answer.headers if name.startswith("Access-Control")] == []


@pytest.mark.parametrize("kind", ANSWERS)
def test_every_kind_of_answer_says_what_it_is(officer, monkeypatch, kind):
    """Texts with their character set, UTF-8."""
    broken(monkeypatch, "/options/catalogue")
    answer = ANSWERS[kind][1](officer)
    expected = {
        "JSON": "application/json",
        "file": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "static": "text/css; charset=utf-8",
    }

    assert answer.headers.get("Content-Type") == expected.get(kind, "text/html; charset=utf-8")


def test_scripts_and_pictures_of_the_front_end_say_what_they_are(stranger):
    names = ("app.js", "icons.svg", "vendor/htmx/htmx.min.js")

    assert [stranger.get(f"/static/{name}").headers["Content-Type"] for name in names] == [
        "text/javascript; charset=utf-8", "image/svg+xml; charset=utf-8", "text/javascript; charset=utf-8",
    ]  # fmt: skip


def test_cookie_and_form_token_are_signed_with_sha_256(officer, app):
    cookie = cookie_of(officer.client)
    token = officer.get("/session/token").json["token"]
    signatures = [base64.urlsafe_b64decode(each.rpartition(".")[2] + "=") for each in (cookie, token)]

    assert [len(each) * 8 for each in signatures] == [256, 256]


@pytest.mark.parametrize(("to", "subject"), [("a@b.cn\r\nBcc: all@b.cn", "x"), ("a@b.cn", "x\r\nBcc: all@b.cn")])
def test_no_text_adds_a_header_to_a_mail(to, subject):
    letter = outside.Letter(to=to, subject=subject, text="x")

    with pytest.raises(ValueError, match=r"(?i)header"):
        outside._message(letter, "system@b.cn")


def test_a_defect_tells_nothing_of_what_is_inside(officer, monkeypatch):
    broken(monkeypatch, "/options/catalogue")
    pages = [officer.get("/options/catalogue", headers=headers).text for headers in ({}, FRAGMENT)]

    for word in ("no_such_table", "SELECT", "Traceback", "psycopg2", "sqlalchemy", "File ", ".py"):
        assert [word in page for page in pages] == [False, False]


PRIVATE = {
    "a page": lambda p: p.get("/assignments/"),
    "my account": lambda p: p.get("/me/keys"),
    "a drawer": lambda p: p.get(f"/assignments/show/{task(RETURNED).id}", headers=FRAGMENT),
    "the seconds left": lambda p: p.get("/session/remaining"),
    "a form token": lambda p: p.get("/session/token"),
}


@pytest.mark.parametrize("what", PRIVATE)
def test_what_is_private_is_kept_by_no_cache(officer, what):
    answer = PRIVATE[what](officer)

    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-store")


PRIVATE_FILES = {
    "an export": lambda p: p.post("/assignments/export", {"format": "csv"}),
    "a telephone number": lambda p: p.post(f"/assignments/phone/{task(RETURNED).id}"),
    "choices": lambda p: p.get("/options/institutions?q=a"),
}


@pytest.mark.parametrize("what", PRIVATE_FILES)
def test_no_cache_keeps_exports_and_private_json(officer, what):
    answer = PRIVATE_FILES[what](officer)

    assert (answer.status_code, answer.headers.get("Cache-Control")) == (200, "no-store")


def test_what_caches_may_share_carries_no_cookie(stranger, person):
    attempt(stranger)
    answer = stranger.get("/static/app.css")

    assert ("public" in answer.headers["Cache-Control"], answer.headers.getlist("Set-Cookie")) == (True, [])


NO_FILES = (
    "/static/", "/static/vendor/", "/static/../config.py", "/static/%2e%2e/config.py", "/static/..%5cconfig.py",
    "/.git/config", "/.env", "/config.py",
)  # fmt: skip


@pytest.mark.parametrize("url", NO_FILES)
def test_no_folder_and_no_other_file_is_shown(stranger, url):
    assert stranger.get(url).status_code == 404


# --- Requests that are not as they should be ------------------------------------------------------

OVERRIDES = ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override")


@pytest.mark.parametrize("header", OVERRIDES)
def test_a_header_does_not_make_another_method(officer, header):
    assert officer.get("/logout/?_method=POST", headers={header: "POST"}).status_code == 405
    assert is_in(officer)
    officer.token = "stolen"
    assert officer.post("/logout/?_method=GET", {"_method": "GET"}, headers={header: "GET"}).status_code == 400


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "TRACE"])
def test_other_methods_do_nothing(officer, method):
    for url in ("/assignments/", "/me/", "/login/", "/accounts/act/deactivate"):
        assert from_outside(lambda url=url: officer.client.open(url, method=method)).status_code in (400, 405)


def test_of_two_roles_in_a_form_only_the_one_that_was_checked_is_given(county, rows):
    someone = account(None, authority("330106"))
    for roles in (["Analyst", "NationalAdministrator"], ["NationalAdministrator", "Analyst"]):
        county.act("accounts", "give_role", [someone.id], role=roles)

    held = rows.scalars(select(Account).where(Account.id == someone.id)).one().roles
    assert [role.name for role in held] == ["Analyst"]


def test_of_two_organizations_in_a_form_only_the_one_that_was_checked_counts(county):
    someone, mine, foreign = account(None, authority("330106")), institution(), institution("510104")
    url = f"/accounts/{someone.id}/organization"

    county.post(url, {"organization_id": [str(foreign.id), str(mine.id)]})
    assert someone.organization_id == authority("330106").id
    county.post(url, {"organization_id": [str(mine.id), str(foreign.id)]})
    assert someone.organization_id == mine.id


def test_an_action_for_one_takes_no_two(county):
    one, other = account(None, authority("330106")), account(None, authority("330106"))

    answer = county.act("accounts", "reset_password", [one.id, other.id])

    assert (answer.status_code, one.password, other.password) == (422, "", "")


LONG = {
    "ascii": "x" * 400_000,
    "at": "a@" * 200_000,
    "dots": "a@" + "a." * 200_000,
    "wide": "量" * 40_000,
    "dash": "-" * 400_000,
}


@pytest.mark.parametrize("text_", LONG.values(), ids=LONG)
def test_very_long_inputs_are_refused_soon(stranger, text_):
    """The work for one is like that for a usual input, however long it is."""

    def work(text):
        started = process_time()
        login = [attempt(stranger, **{field: text}) for field in ("username", "password", "captcha", "captcha_token")]
        fields = ("email", "name", "phone", "account_name", "password", "credit_code", "region", "organization_id")
        register = [stranger.post("/register/", {**UNIT, **PERSON, field: text}) for field in fields]
        return process_time() - started, {answer.status_code for answer in (*login, *register)}

    usual, _statuses = work("x")
    spent, statuses = work(text_)

    assert statuses <= {413, 422}
    assert spent < 5 * usual


LONG_ADDRESSES = (
    "/assignments/?q={}", "/assignments/?region={}", "/login/?next=/{}", "/register/organizations?q={}",
    "/options/regions?parent={}", "/{}",
)  # fmt: skip


@pytest.mark.parametrize("url", LONG_ADDRESSES)
def test_a_very_long_address_is_no_defect(officer, url):
    assert officer.get(url.format("x" * 50_000)).status_code < 500


@pytest.mark.parametrize("url", ["/captcha/%00.png", "/accounts/%00/person", "/accounts/show/%00"])
def test_a_nul_in_the_path_is_no_defect(officer, url):
    assert officer.get(url).status_code in (400, 403, 404)


# --- Secrets -------------------------------------------------------------------------------------


def test_a_password_is_hashed_with_argon2id_and_a_salt_of_its_own():
    one, other = ciphers.hashed_password(PASSWORD), ciphers.hashed_password(PASSWORD)
    _empty, method, version, cost, salt, hashed = one.split("$")

    assert (method, version, cost) == ("argon2id", "v=19", "m=19456,t=2,p=1")
    assert (len(salt), len(hashed), one == other) == (22, 43, False)  # 128 and 256 bits in base64
    assert [ciphers.password_matches(one, given) for given in (PASSWORD, PASSWORD[:-1], "")] == [True, False, False]


def test_a_password_hashed_with_scrypt_is_hashed_anew_by_whoever_knows_it(stranger, person):
    before = person.password
    attempt(stranger, password="Wrong-Password-1")
    assert (ciphers.needs_new_hash(before), person.password) == (True, before)

    assert attempt(stranger).status_code == 302
    assert not ciphers.needs_new_hash(person.password)
    assert ciphers.password_matches(person.password, PASSWORD)


def test_secrets_at_rest_are_encrypted_with_aes_gcm_and_a_change_is_noticed(rows):
    """Also what was encrypted with Fernet before is read."""
    sealed = ciphers.encrypted("secret")
    raw = base64.urlsafe_b64decode(sealed.removeprefix("gcm:"))
    changed = [raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :] for place in range(len(raw))]
    before = Fernet(base64.urlsafe_b64encode(ciphers._key("secrets at rest"))).encrypt(b"secret").decode()

    assert (len(raw), sealed == ciphers.encrypted("secret")) == (12 + 6 + 16, False)
    assert (ciphers.decrypted(sealed), ciphers.decrypted(before)) == ("secret", "secret")
    for each in ("gcm:" + base64.urlsafe_b64encode(one).decode() for one in changed):
        with pytest.raises(ciphers.Undecipherable):
            ciphers.decrypted(each)


def test_nothing_of_a_password_is_cut_off(clerk, stranger):
    new = "a1#" + "kq7 w" * 13 + "-ZpQ"
    assert len(new) == passwords.LONGEST
    change(clerk, new)

    shorter = attempt(stranger, username="fangxiaomin", password=new[:-1])
    whole = attempt(stranger, username="fangxiaomin", password=new)

    assert (shorter.status_code, whole.status_code) == (422, 302)


@pytest.mark.parametrize(
    "new", ["Lantern 😀 River 48", "  Fluss  Laterne 48", "пароль-Fluss-48", "灯笼 河流 Fluss 四十八 48"]
)
def test_every_character_may_stand_in_a_password(clerk, stranger, new):
    change(clerk, new)

    assert attempt(stranger, username="fangxiaomin", password=new).status_code == 302


def test_the_passwords_everybody_takes_are_refused_also_with_a_capital_letter():
    common = [each for each in FREQUENCY_LISTS["passwords"] if len(each) >= passwords.SHORTEST]
    spellings = [spelling for each in common for spelling in (each, each.capitalize())]

    assert len(common) > 500
    assert [each for each in spellings if passwords.problem(each, []) is None] == []


def test_a_password_manager_and_the_eye_may_help(stranger, clerk):
    login, own = stranger.get("/login/").text, clerk.get("/me/password").text
    scripts = "".join(path.read_text(encoding="utf-8") for path in (TESTS.parent / "app" / "static").glob("*.js"))

    assert ('autocomplete="username"' in login, 'autocomplete="current-password"' in login) == (True, True)
    assert ('autocomplete="current-password"' in own, own.count('autocomplete="new-password"')) == (True, 2)
    assert (login.count("data-show-password="), own.count("data-show-password=")) == (1, 3)
    assert "paste" not in scripts


def test_first_passwords_are_random_and_keep_the_rule():
    made = [accounts._first_password() for _each in range(200)]

    assert len(set(made)) == 200
    assert [each for each in made if passwords.form_problem(each, []) or len(each) != 12] == []


def test_every_page_that_needs_an_account_leads_out(officer):
    """By the menu of the person; the screen for the wall, which shows figures alone, leads back to such a page."""
    pages = [rule.rule for rule in officer.client.application.url_map.iter_rules() if rule.rule.count("/") == 2]
    opened = {
        url: officer.get(url) for url in pages if url.endswith("/") and url not in ("/wall/", "/portal/", "/captcha/")
    }
    whole = {url: answer.text for url, answer in opened.items() if answer.status_code == 200 and "<html" in answer.text}

    assert len(whole) > 10
    assert [url for url, text in whole.items() if 'action="/logout/"' not in text] == []


def test_there_are_no_hints_or_secret_questions():
    names = {column.key for column in Account.__table__.columns}

    assert [name for name in names if re.search("hint|question|answer|birth", name)] == []


def test_a_prepared_database_has_no_account_and_production_refuses_those_of_the_demo(app, rows):
    assert rows.scalar(select(func.count()).select_from(Account)) == 0
    without = app.test_cli_runner().invoke(args=["accounts", "--check"]).exit_code
    account("Supervisor", authority("330106"), username="xihu", demo=True)
    rows.commit()

    assert (without, app.test_cli_runner().invoke(args=["accounts", "--check"]).exit_code) == (0, 1)


def test_the_secret_of_the_second_factor_has_160_random_bits(rows):
    someone = account(None, None)
    secrets = {second_factor.secret_in(someone, second_factor.offer(someone)) for _each in range(50)}

    assert (len(secrets), {len(each) for each in secrets}) == (50, {32})


def test_a_recovery_code_has_112_random_bits_and_more(rows):
    """So a keyed hash without a salt of its own is enough to keep it."""
    someone = account(None, None)
    codes = [code for _time in range(20) for code in second_factor._new_codes(someone)]
    characters = {character for code in codes for character in code.replace("-", "")}

    assert (len(set(codes)), {len(code.replace("-", "")) for code in codes}) == (200, {24})
    assert len(characters) ** 24 > 2**112


def test_a_recovery_code_at_rest_is_worth_nothing_without_the_key(app, rows, monkeypatch):
    someone = account(None, None)
    _secret, codes = with_second_factor(someone)
    kept = someone.recovery_codes

    assert [ciphers.seal(code) for code in codes] == kept
    assert [ciphers.hashed_token(code) in kept for code in codes] == [False] * 10
    monkeypatch.setitem(app.config, "DATA_KEY", "another key")
    assert [ciphers.seal(code) in kept for code in codes] == [False] * 10


def test_what_is_typed_as_the_name_of_nobody_is_not_written_down_whole(stranger, rows):
    attempt(stranger, username="My-Own-Password-77", password="x")

    entries = str([entry.__dict__ for entry in rows.scalars(select(AuditEntry))])
    assert "My-Own-Password-77" not in entries


def test_no_flow_writes_a_password_a_code_or_a_key_into_the_audit_log(app, stranger, clerk, county, rows):
    """Registering, signing in with a recovery code, renewing and switching off, resetting, keys: all of it."""
    told = []
    token = stranger.get("/captcha/").json["token"]
    solution = rows.scalar(select(Captcha.answer).where(Captcha.token == token))
    with_token(stranger)
    registered = stranger.post("/register/", {**UNIT, **PERSON, "captcha_token": token, "captcha": solution})
    told += [PERSON["password"], PERSON["phone"], PERSON["email"]]

    secret, codes = with_second_factor(clerk.account)
    in_english(stranger)
    attempt(stranger, username="fangxiaomin")
    with_token(stranger)
    entered = [stranger.post("/login/code", {"code": code}).status_code for code in ("31415926", codes[0])]
    told += [secret, "31415926", *codes, PASSWORD]

    renewed = clerk.post("/me/second-factor/codes", {"current": PASSWORD}).text
    clerk.post("/me/second-factor/off", {"current": "Wrong-Current-99"})
    clerk.post("/me/second-factor/off", {"current": PASSWORD})
    told += [*re.findall(r"<code>((?:[a-z2-9]{6}-){3}[a-z2-9]{6})</code>", renewed), "Wrong-Current-99"]

    [key] = re.findall(r"jl_[\w-]{43}", create_key(clerk).text)
    exported = asked_with(app, key)
    clerk.post("/me/keys/revoke", {"id": rows.scalar(select(AccessKey.id))})
    reset = county.act("accounts", "reset_password", [clerk.account.id]).text
    told += [key, key[9:], *re.findall(r"<code>([^<]{12})</code>", reset)]

    assert (registered.status_code, entered, exported, len(told)) == (201, [422, 302], 200, 3 + 13 + 11 + 3)
    entries = list(rows.scalars(select(AuditEntry)))
    written = str([entry.__dict__ for entry in entries])
    assert [each for each in told if each in written] == []
    assert {
        "register", "login", "second_factor_failed", "new_recovery_codes", "password_refused",
        "switch_off_second_factor", "create_access_key", "export", "revoke_access_key", "reset_password",
    } <= {entry.action for entry in entries}  # fmt: skip


# --- Passwords that others chose, keys of who owes something, names of the server ------------------


@pytest.mark.parametrize(("days", "enters"), [(6, True), (8, False)])
def test_a_password_somebody_else_chose_opens_nothing_after_a_week(stranger, rows, days, enters):
    person = account("Supervisor", authority("330106"), username="xihu", password=quick(PASSWORD), password_due=True)
    person.password_changed_at = datetime.now(UTC) - timedelta(days=days)

    assert (attempt(stranger).status_code == 302) is enters


def test_a_key_waits_while_its_account_owes_a_password(sign_in, app, rows):
    clerk = sign_in("Supervisor", authority("330106"))
    _key, key = access_keys.create(clerk.account, "x", ["Assignments"], 9, allowed={"Assignments"})
    before = asked_with(app, key)
    clerk.account.password_due = True

    assert (before, asked_with(app, key)) == (200, 403)


def test_failed_logins_are_seen_by_the_auditors_of_the_account(stranger, sign_in, rows):
    account("Supervisor", authority("330106"), username="xihu", password=quick(PASSWORD))
    attempt(stranger, password="Wrong-Password-1")
    attempt(stranger, username="nobody-knows-me")

    own, foreign = (sign_in("Auditor", authority(place)).get("/audit/").text for place in ("33", "51"))

    assert ("xihu" in own, "xihu" in foreign, "no***" in own) == (True, False, False)


def test_a_server_that_knows_its_names_answers_to_no_other(database_url):
    known = {"DATABASE_URL": database_url, "SECRET_KEY": "only for tests, only for tests", "HOSTS": "jl.example.cn"}
    client = create_app(Config(known)).test_client()

    answers = [
        client.get("/login/privacy", headers={"Host": host}).status_code for host in ("jl.example.cn", "evil.cn")
    ]

    assert answers == [404, 400]
