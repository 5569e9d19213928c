"""Two people at the same moment, where what one may do depends on rows that the other one writes.

Every verb locks the rows that both are about before it asks. Each test presses both buttons at once, several times.
"""

import ast
from pathlib import Path

import pytest
from flask_appbuilder.security.sqla.models import Role
from sqlalchemy import func, select, text, update

from app.errors import VIOLATED
from app.models import Account, Capability, CatalogueItem, Certificate, Instrument, Task, db, held_role
from app.states import (
    CERTIFIED,
    DRAFT,
    FILED,
    IN_USE,
    OPEN,
    PENDING,
    SCRAPPED,
    STOPPED,
    UNASSIGNED,
    UNPUBLISHED,
    VALID,
    VERIFYING,
)
from tests.factories import (
    able_institution,
    account,
    appointment,
    authority,
    certificate,
    instrument,
    kind,
    staff_member,
    task,
    using_unit,
)
from tests.test_clerks_at_once import act, answer_after, at_once, at_work
from tests.test_ledger import form
from tests.test_results import findings

ROUNDS = 8
BOOKING = {"contact": "张三", "phone": "13812345678", "delivery": "sent"}


@pytest.fixture
def unit(office):
    authority("330106")
    return using_unit()


@pytest.fixture
def clerks(office, unit):
    """Two clerks of one using unit."""
    return [at_work(office, "UsingUnitClerk", unit) for _ in range(2)]


def meter(unit):
    made = instrument(unit=unit, filing_state=FILED, use_state=IN_USE, range_unit="m³/h")
    db.session.commit()
    return made


def ledger(action, id, /, **fields):
    """Press a button of the ledger."""
    return lambda person: act(person, "ledger/act", action, [id], **fields)


def both(people, first, second):
    """Press two buttons at the same moment; the answers."""
    return at_once(people, lambda person: (first if person is people[0] else second)(person))


def now(id, column):
    db.session.rollback()
    return db.session.scalar(select(column).where(Instrument.id == id))


def open_tasks(id):
    """The counties of the open tasks of an instrument."""
    db.session.rollback()
    found = select(Task.region_code).where(Task.instrument_id == id, Task.state.in_(sorted(OPEN)))
    return list(db.session.scalars(found))


@pytest.mark.parametrize(("action", "state"), [("scrap", SCRAPPED), ("stop", STOPPED)])
def test_what_is_booked_is_not_taken_out_of_use_at_the_same_moment(clerks, unit, action, state):
    for _ in range(ROUNDS):
        id = meter(unit).id

        answers = both(clerks, ledger("book", id, **BOOKING), ledger(action, id))

        assert set(answers) <= {204, 422}
        assert (now(id, Instrument.use_state) == state) != bool(open_tasks(id)), answers


@pytest.mark.parametrize("draft", ["", "y"])
def test_who_books_twice_is_told_so(clerks, unit, draft):
    for _ in range(ROUNDS):
        id = meter(unit).id
        press = ledger("book", id, **BOOKING, draft=draft)

        assert sorted(both(clerks, press, press)) == [204, 422]
        assert len(list(db.session.scalars(select(Task.id).where(Task.instrument_id == id)))) == 1
        db.session.rollback()


def test_a_booking_lies_in_the_county_of_its_instrument(clerks, unit):
    for _ in range(ROUNDS):
        what = meter(unit)
        fields = {
            name: str(getattr(what, name))
            for name in (
                "catalogue_item_id", "name", "model", "range_low", "range_high", "range_unit", "accuracy_class",
                "serial_no", "manufacturer", "origin", "use_place", "purpose", "delivery", "revision",
            )
        }  # fmt: skip

        move = ledger("edit", what.id, **fields, region_code="330105")
        answers = both(clerks, ledger("book", what.id, **BOOKING), move)

        assert set(answers) <= {204, 422}
        assert open_tasks(what.id) in ([], [now(what.id, Instrument.region_code)]), answers


def test_the_draft_of_a_scrapped_instrument_is_not_submitted(clerks, unit):
    for _ in range(ROUNDS):
        what = meter(unit)
        draft = task(DRAFT, unit=unit, what=what, order=appointment(unit=unit)).id
        db.session.commit()

        submit = lambda person, id=draft: act(person, "progress/act", "submit", [id])  # noqa: E731
        both(clerks, submit, ledger("scrap", what.id))

        assert (now(what.id, Instrument.use_state) == SCRAPPED) != bool(open_tasks(what.id))


def test_a_certificate_is_not_corrected_while_its_instrument_is_booked(office, unit, clerks):
    lab = able_institution()
    approver = at_work(office, "InstitutionApprover", lab)
    staff_member(lab, account_id=approver.account.id, approves=True)  # pyright: ignore[reportOptionalMemberAccess]
    for _ in range(ROUNDS):
        what = meter(unit)
        paper = certificate(task(CERTIFIED, to=lab, unit=unit, what=what)).id
        db.session.commit()

        correct = lambda person, id=paper: act(person, "certificates/act", "correct", [id], reason="型号印错")  # noqa: E731
        answers = both([clerks[0], approver], ledger("book", what.id, **BOOKING), correct)

        assert set(answers) <= {204, 422}
        assert len(open_tasks(what.id)) == 1, answers


@pytest.mark.parametrize("roles", [("CountyAdministrator", "Supervisor"), ("Auditor", "Supervisor")])
def test_two_grants_do_not_join_duties_that_are_kept_apart(office, roles):
    home = authority("330106")
    people = [at_work(office, "NationalAdministrator", authority("")) for _ in range(2)]
    for _ in range(ROUNDS):
        new = account(None, home).id
        db.session.commit()

        give = [lambda person, role=role, id=new: act(person, "accounts/act", "give_role", [id], role=role)
                for role in roles]  # fmt: skip
        assert both(people, *give) == [204, 204]

        held = select(Role.name).join(held_role, held_role.c.role_id == Role.id).where(held_role.c.user_id == new)
        assert len(list(db.session.scalars(held))) == 1
        db.session.rollback()


@pytest.mark.parametrize("action", ["deactivate", "unlock", "reset_password"])
def test_who_is_being_raised_is_not_changed_from_below(office, action):
    """An auditor is not a city administrator's to change, though the grant was not yet there when he pressed."""
    city = at_work(office, "CityAdministrator", authority("3301"))
    new = account(None, authority("330106")).id
    db.session.commit()
    with db.engine.connect() as elsewhere:
        elsewhere.execute(text("SELECT 1 FROM ab_user WHERE id = :id FOR UPDATE"), {"id": new})
        elsewhere.execute(
            text("INSERT INTO ab_user_role (user_id, role_id) SELECT :id, id FROM ab_role WHERE name = 'Auditor'"),
            {"id": new},
        )

        answer_after(elsewhere, lambda: act(city, "accounts/act", action, [new]))

    db.session.rollback()
    found = db.session.get_one(Account, new)
    assert (found.active, found.password) == (True, "")


# --- Constraints ---------------------------------------------------------------------------------


def test_every_constraint_that_has_a_message_is_there(rows):
    there = set(rows.scalars(text("SELECT relname FROM pg_class WHERE relkind = 'i'")))

    assert VIOLATED.keys() - there == set()


# Unique by what the program makes itself, or checked by EditablePage, which says that there is such a row.
WITHOUT_MESSAGE = {
    "access_key_key_hash_key", "account_session_token_hash_key", "appointment_no", "inspection_no", "holiday_day_key",
    "one_appointment_no", "one_deadline_per_province_and_delivery", "one_entry_per_place_in_chain",
    "one_grant_per_role", "one_entry_for_each_day", "province_rule_province_code_key", "workday_ordinal",
}  # fmt: skip


def test_every_unique_constraint_of_ours_has_a_message(rows):
    unique = text(
        "SELECT indexrelid::regclass::text AS name, indrelid::regclass::text AS place FROM pg_index "
        "WHERE indisunique AND NOT indisprimary AND indrelid IN (SELECT oid FROM pg_class WHERE relkind IN ('r', 'p') "
        "AND relnamespace = 'public'::regnamespace)"
    )
    ours = {
        row.name
        for row in rows.execute(unique)
        if not row.place.startswith(("ab_", "procrastinate_", "event")) and "alembic" not in row.place
    }

    assert ours - VIOLATED.keys() - WITHOUT_MESSAGE == set()


def test_an_open_task_more_is_a_refusal_and_no_defect(sign_in, rows):
    """Whatever path led there: the constraint holds, and the person is told in words."""
    lab = able_institution()
    approver = sign_in("InstitutionApprover", lab)
    unit = using_unit()
    what = instrument(unit=unit)
    paper = certificate(task(CERTIFIED, to=lab, unit=unit, what=what))
    task(UNASSIGNED, unit=unit, what=what)

    answer = approver.act("certificates", "correct", [paper.id], reason="型号印错")

    assert answer.status_code == 422
    assert rows.get_one(Certificate, paper.id).state == VALID


# --- What a condition rests on is locked before it is asked ----------------------------------------


@pytest.fixture
def elsewhere(office):
    """The connection of somebody else, who has begun to change something and not finished."""
    with db.engine.connect() as connection:
        yield connection


def state_of(model, id):
    db.session.rollback()
    return db.session.scalar(select(model.state).where(model.id == id))


@pytest.mark.parametrize("action", ["assign", "refuse", "escalate"])
def test_a_desk_that_is_being_moved_away_is_nobodys_to_clear_meanwhile(office, elsewhere, action):
    city, lab = authority("3301"), able_institution()
    county = authority("330106", city)
    clerk = at_work(office, "AssignmentOfficer", city)
    one = task(UNASSIGNED, desk=county)
    db.session.commit()
    id, fields = one.id, {"reason": "该器具不在强制检定目录范围内。", "institution_id": lab.id}
    elsewhere.execute(text("UPDATE organization SET path = '/' || id || '/' WHERE id = :id"), {"id": county.id})

    answer_after(elsewhere, lambda: act(clerk, "assignments/act", action, [id], **fields))

    assert state_of(Task, id) == UNASSIGNED


@pytest.mark.parametrize("page", ["roles", "organization"])
def test_an_organization_that_is_being_disabled_gets_no_roles_and_no_people(office, elsewhere, page):
    administrator = at_work(office, "NationalAdministrator", authority(""))
    ending = authority("330105")
    new = account(None, ending if page == "roles" else authority("330106"))
    db.session.commit()
    id, before = new.id, (new.has_role, new.organization_id)
    fields = {"give": "Supervisor", "organization_id": ending.id, "csrf_token": administrator.token}
    elsewhere.execute(text("UPDATE organization SET active = false WHERE id = :id"), {"id": ending.id})

    answer_after(elsewhere, lambda: administrator.client.post(f"/accounts/{id}/{page}", data=fields))

    db.session.rollback()
    after = db.session.get_one(Account, id)
    assert (after.has_role, after.organization_id) == before


GROUNDS = {
    "its standard": "UPDATE measurement_standard SET state = 'sealed', reason = '检定装置损坏' WHERE id = :standard",
    "the authorization": "UPDATE institution SET authorized_until = current_date - 1 WHERE organization_id = :lab",
}


@pytest.mark.parametrize("grounds", GROUNDS)
@pytest.mark.parametrize(
    ("role", "page", "action", "state"),
    [
        ("Supervisor", "capability-reviews", "pass", PENDING),
        ("InstitutionApprover", "capabilities", "declare", DRAFT),
    ],
)
def test_no_capability_passes_while_what_it_rests_on_ends(office, elsewhere, role, page, action, state, grounds):
    home, lab = authority("330106"), able_institution(state=state)
    person = at_work(office, role, home if role == "Supervisor" else lab)
    id = db.session.scalars(select(Capability.id).where(Capability.institution_id == lab.id)).one()
    db.session.commit()
    elsewhere.execute(text(GROUNDS[grounds]), {"standard": lab.standard.id, "lab": lab.id})

    answer = answer_after(elsewhere, lambda: act(person, f"{page}/act", action, [id]))

    assert (answer.status_code, state_of(Capability, id)) == (422, state)


@pytest.mark.parametrize("grounds", GROUNDS)
def test_no_result_stands_on_what_ends_meanwhile(office, elsewhere, grounds):
    lab = able_institution()
    verifier = at_work(office, "InstitutionVerifier", lab)
    member = staff_member(lab, account_id=verifier.account.id)  # pyright: ignore[reportOptionalMemberAccess]
    one = task(VERIFYING, to=lab)
    db.session.commit()
    id, fields = one.id, findings(lab, member)
    elsewhere.execute(text(GROUNDS[grounds]), {"standard": lab.standard.id, "lab": lab.id})

    answer = answer_after(elsewhere, lambda: act(verifier, "results/act", "record", [id], **fields))

    assert (answer.status_code, state_of(Task, id)) == (422, VERIFYING)


def test_nothing_is_booked_at_an_institution_that_is_being_suspended(clerks, unit, elsewhere):
    lab, id = able_institution(), instrument(unit=unit, filing_state=FILED, use_state=IN_USE).id
    db.session.commit()
    elsewhere.execute(
        text("UPDATE institution SET standing = 'suspended', standing_reason = '责令停止' WHERE organization_id = :id"),
        {"id": lab.id},
    )

    answer = answer_after(elsewhere, lambda: ledger("book", id, **BOOKING)(clerks[0]))

    assert (answer.status_code, open_tasks(id)) == (422, [])


@pytest.fixture
def catalogue(office):
    yield
    db.session.rollback()
    db.session.execute(update(CatalogueItem).values(publication=UNPUBLISHED, published_at=None))
    db.session.commit()


def test_no_kind_is_published_while_its_category_is_taken_back(office, catalogue):
    people = [at_work(office, "CatalogueOfficer", authority("")) for _ in range(2)]
    kind_id, category_id = kind().id, kind().parent_id
    for _ in range(ROUNDS):
        both(
            people,
            lambda person: act(person, "catalogue/act", "publish", [kind_id]),
            lambda person: act(person, "catalogue/act", "revoke", [category_id], reason="目录调整，暂停公示"),
        )

        db.session.rollback()
        rows = select(CatalogueItem.publication).where(CatalogueItem.id.in_([kind_id, category_id]))
        assert len(set(db.session.scalars(rows))) == 1


@pytest.mark.parametrize("end", ["active = false", "active = false, merged_into_id = :heir"])
def test_nothing_is_entered_for_a_unit_that_is_being_merged_or_disabled(clerks, unit, elsewhere, end):
    heir = using_unit(name="接收单位")
    db.session.commit()
    fields = form()
    elsewhere.execute(text("SELECT 1 FROM organization WHERE id = :id FOR UPDATE"), {"id": unit.id})
    elsewhere.execute(text(f"UPDATE organization SET {end} WHERE id = :id"), {"id": unit.id, "heir": heir.id})

    answer = answer_after(elsewhere, lambda: act(clerks[0], "ledger/act", "add", [], **fields))

    db.session.rollback()
    assert answer.status_code == 422
    assert db.session.scalar(select(func.count()).select_from(Instrument)) == 0


OWN_ROW = "reads the row that it moves, which the statement locks"
BY_PLACE = "fire() keeps the organizations that decide"
# What lets the condition of a step be asked while nobody changes what it reads.
CONDITIONS = {
    **dict.fromkeys(("assign", "assign_best", "escalate", "refuse"), ("assignments", BY_PLACE)),
    "recall": ("capabilities", OWN_ROW),
    "reject": ("capabilities", BY_PLACE),
    "settle": ("certificates", "the instruments are locked by correct() and by the tasks of approve()"),
    **dict.fromkeys(("receive", "start"), ("inbox", OWN_ROW)),
    **dict.fromkeys(("_fire_one", "answer", "cancel"), ("inspections", OWN_ROW)),
    **dict.fromkeys(("_unless_booked",), ("ledger", "locks the instruments, as whoever books them does")),
    **dict.fromkeys(("change", "edit", "file"), ("ledger", "reads the rules of provinces once, before")),
    **dict.fromkeys(("publish_institutions", "revoke_institutions"), ("publications", BY_PLACE)),
    "publish_issued": ("publications", "a rule that changes at this moment holds from the next certificate on"),
    "undo": ("publications", OWN_ROW),
    **dict.fromkeys(("_ended", "submit"), ("standards", BY_PLACE)),
}
# Names that several modules have.
MORE = {
    ("catalogue_versions", "publish"): "locks kinds with their category",
    ("inspections", "publish"): OWN_ROW,
    ("inspections", "revoke"): OWN_ROW,
    ("publications", "publish"): OWN_ROW,
    ("standards", "recall"): BY_PLACE,
}


def test_every_step_with_a_condition_says_what_holds_it_meanwhile():
    found = {
        (path.stem, function.name)
        for path in (Path(__file__).parent.parent / "app" / "domain").glob("*.py")
        for function in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(function, ast.FunctionDef)
        for call in ast.walk(function)
        if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "fire"
        if any(keyword.arg == "only" for keyword in call.keywords)
    }

    assert found == {(module, name) for name, (module, _why) in CONDITIONS.items()} | set(MORE)
