"""The rule for passwords, changing one's own, and what is held back until a due one is changed."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select
from werkzeug.security import generate_password_hash

from app import ciphers
from app.domain import attempts, passwords
from app.models import AccountSession, Attempt, AuditEntry, UsedPassword
from app.pages.login import FREE
from tests.factories import authority
from tests.test_login import PASSWORD, attempt

GOOD = "Lantern-River-48"


def quick(password):
    return generate_password_hash(password, method="scrypt:1024:8:1")


def in_english(person):
    """Messages as they stand in the code."""
    with person.client.session_transaction() as session:
        session["locale"] = "en"
    return person


def with_password(sign_in):
    """A signed-in person with a password."""
    person = in_english(sign_in("Supervisor", authority("330106")))
    person.account.username, person.account.email = "fangxiaomin", "post.office@example.cn"
    person.account.password = quick(PASSWORD)
    return person


@pytest.fixture
def clerk(sign_in):
    return with_password(sign_in)


def change(person, new, current=PASSWORD, again=None, **kwargs):
    fields = {"current": current, "password": new, "again": new if again is None else again}
    return person.post("/me/password", fields, **kwargs)


@pytest.mark.parametrize(
    ("new", "message"),
    [
        ("Aa1#xyzbc", "A password has 10 to 72 characters."),
        ("Aa1#" + "kq7w" * 18, "A password has 10 to 72 characters."),
        ("lanternriver48", "A password mixes at least three of"),
        ("LANTERNRIVER--", "A password mixes at least three of"),
        ("Lantern-FangXiaoMin-48", "A password does not contain the account or the name."),
        ("Lantern-李四-River-48", "A password does not contain the account or the name."),
        ("Lantern-Post.Office-48", "A password does not contain the account or the name."),
        ("Password123!", "This password is easily guessed."),
        ("Qwertyuiop1", "This password is easily guessed."),
        ("Jiliang2026!", "This password is easily guessed."),
        ("Qiangjian#Jianding1", "This password is easily guessed."),
        ("计量检定Metrology-1", "This password is easily guessed."),
        (PASSWORD, "This is one of your last five passwords."),
        ("", "Please type the new password."),
    ],
)
def test_each_part_of_the_rule_refuses_in_its_own_words(clerk, new, message):
    before = clerk.account.password

    answer = change(clerk, new)

    assert (answer.status_code, message in answer.text, clerk.account.password) == (422, True, before)


@pytest.mark.parametrize("new", [GOOD, "灯笼-Fluss-四十八-48", "a1#" + "kq7 w" * 13])
def test_a_password_that_keeps_the_rule_is_taken(clerk, new):
    answer = change(clerk, new)

    assert (answer.status_code, ciphers.password_matches(clerk.account.password, new)) == (302, True)


def test_the_two_new_ones_must_be_the_same(clerk):
    answer = change(clerk, GOOD, again=GOOD + "x")

    assert (answer.status_code, "The two new passwords are not the same." in answer.text) == (422, True)


def test_what_was_typed_is_never_sent_back(clerk):
    wrong = "Wrong-Current-99"

    page = change(clerk, GOOD + "ab", current=wrong, again=GOOD + "cd").text

    assert [text in page for text in (GOOD, wrong, PASSWORD)] == [False] * 3


def test_a_wrong_current_password_counts_and_the_fifth_locks(clerk, rows):
    for _time in range(4):
        answer = change(clerk, GOOD, current="Wrong-Current-99")
        assert "This is not your current password." in answer.text
    change(clerk, GOOD, current="Wrong-Current-99")

    answer = change(clerk, GOOD)

    assert (answer.status_code, "Too many failed attempts." in answer.text) == (422, True)
    assert rows.scalar(select(Attempt.failures).where(Attempt.key == attempts.of_account("fangxiaomin"))) == 5
    refused = select(func.count()).where(AuditEntry.action == "password_refused")
    assert rows.scalar(refused) == 5


def test_the_right_current_password_forgets_the_failures(clerk, rows):
    change(clerk, GOOD, current="Wrong-Current-99")
    change(clerk, GOOD)

    assert list(rows.scalars(select(Attempt.key))) == ["address:127.0.0.1"]  # an address keeps them for a day


def test_afterwards_only_the_new_one_signs_in(clerk, stranger):
    change(clerk, GOOD)

    old = attempt(stranger, username="fangxiaomin", password=PASSWORD)
    new = attempt(stranger, username="fangxiaomin", password=GOOD)

    assert (old.status_code, new.status_code) == (422, 302)


def test_the_last_five_are_refused_and_the_sixth_is_not(clerk, rows):
    history = [f"Lantern-River-{number}{number}" for number in range(1, 6)]
    for before, new in zip([PASSWORD, *history], history, strict=False):
        assert change(clerk, new, current=before).status_code == 302

    refused = [change(clerk, old, current=history[-1]).status_code for old in history]

    assert refused == [422] * 5
    assert rows.scalar(select(func.count()).select_from(UsedPassword)) == 5
    assert change(clerk, PASSWORD, current=history[-1]).status_code == 302


def test_a_change_ends_the_other_sessions_and_not_this_one(clerk, app, rows):
    from app.domain import sessions

    sessions.start(clerk.account, confirmed=True, address="10.0.0.9", device="elsewhere")

    change(clerk, GOOD)

    found = select(AccountSession.device, AccountSession.ended_by).order_by(AccountSession.device)
    assert [tuple(row) for row in rows.execute(found)] == [("elsewhere", "password"), ("pytest", None)]
    assert clerk.get("/assignments/").status_code == 200


@pytest.mark.parametrize(("days", "status"), [(89, 200), (91, 302)])
def test_after_ninety_days_it_is_due(clerk, days, status):
    clerk.account.password_changed_at = datetime.now(UTC) - timedelta(days=days)

    answer = clerk.get("/assignments/")

    assert (answer.status_code, answer.headers.get("Location")) == (status, None if status == 200 else "/me/password")


def test_the_page_says_why_it_is_due(clerk):
    clerk.account.password_changed_at = datetime.now(UTC) - timedelta(days=91)
    old = clerk.get("/me/password").text
    clerk.account.password_due = True
    chosen = clerk.get("/me/password").text

    assert ("older than 90 days" in old, "chosen by somebody else" in chosen) == (True, True)


def test_a_password_that_somebody_else_chose_is_due(clerk):
    passwords.store(clerk.account, "First-Password-77", due=True)

    assert clerk.get("/assignments/").headers["Location"] == "/me/password"
    answer = change(clerk, GOOD, current="First-Password-77")
    assert (answer.status_code, answer.headers["Location"]) == (302, "/")
    assert clerk.get("/assignments/").status_code == 200


# The interface for analysis knows keys and no sessions.
OPEN_ANYWAY = {"static", "appbuilder", "AnalysisApi"} | FREE - {"MyAccount"}
VALUES = {"pk": "1", "name": "refuse", "code": "zh", "token": "x", "kind": "png", "filename": "app.css"}


def urls(app):
    for rule in app.url_map.iter_rules():
        opens_anyway = rule.endpoint.split(".")[0] in OPEN_ANYWAY or rule.rule.startswith(
            app.extensions["public_paths"]
        )
        if not opens_anyway and rule.endpoint != "MyAccount.password":
            values = {argument: VALUES.get(argument, "1") for argument in rule.arguments}
            yield from (
                (method, app.url_map.bind("x").build(rule.endpoint, values))
                for method in {"GET", "POST"} & rule.methods
            )


@pytest.mark.parametrize("fragment", [False, True])
def test_until_then_nothing_else_opens(clerk, app, fragment):
    clerk.account.password_due = True
    headers = {"HX-Request": "true"} if fragment else {}

    elsewhere = {}
    for method, url in urls(app):
        answer = clerk.get(url, headers=headers) if method == "GET" else clerk.post(url, headers=headers)
        elsewhere[method, url] = (
            answer.status_code,
            answer.headers.get("HX-Redirect") or answer.headers.get("Location"),
        )

    wanted = (204 if fragment else 302, "/me/password")
    assert {asked: got for asked, got in elsewhere.items() if got != wanted} == {}
    assert len(elsewhere) > 30
