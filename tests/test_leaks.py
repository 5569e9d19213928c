"""What is not published stands nowhere: every public path x every kind of hidden thing, and revoking takes at once.

Each hidden thing has a word of its own that occurs nowhere else; no answer may hold it, in whatever way it is asked.
"""

import gzip
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest
from sqlalchemy import select, update

from app.access import EVERYTHING, PUBLIC, Principal, seeing
from app.domain import catalogue_versions, dumps, inspections, publications
from app.models import (
    Account,
    Appointment,
    Capability,
    CatalogueItem,
    Certificate,
    Dump,
    Event,
    Institution,
    Instrument,
    Organization,
    Photo,
    Result,
    StaffMember,
    Tally,
    Task,
    UsingUnit,
    db,
)
from app.states import CERTIFIED, CLOSED, PUBLISHED, UNPUBLISHED
from tests.factories import (
    BLOOD_PRESSURE,
    FAR,
    account,
    appointment,
    authority,
    capability,
    certificate,
    inspection,
    institution,
    instrument,
    kind,
    published,
    published_certificate,
    published_kind,
    staff_member,
    task,
    unit_of,
)

HERE = "http://127.0.0.1:8080"
# The nation's publication officer, who may take back anything.
NATION = Principal(kind="authority", jurisdiction="", account_id=0, name="甲", organization="国家局", level="nation")

HIDDEN = {
    "unpublished certificate": "ZAAA01",
    "void certificate": "ZAAA02",
    "its instrument": "秘器具甲",
    "its using unit": "秘单位乙",
    "unpublished institution": "秘机构丙",
    "its authorization": "ZAAA03",
    "capability under review": "ZAAA04",
    "capability of an unpublished institution": "ZAAA05",
    "unpublished catalogue item": BLOOD_PRESSURE,
    "name of a person": "欧阳",
    "name of a sole trader": "司徒",
    "middle of a serial number": "77345",
    "telephone": "19912340000",
    "contact": "诸葛联",
    "address": "秘路七号",
    "place of use": "秘室八层",
    "telephone of the institution": "19912340001",
    "contact of the institution": "上官系",
    "address of the institution": "秘巷九号",
    "manufacturer": "秘厂十家",
    "verifier": "皇甫检",
    "appointment": "ZAAA06",
    "account": "夏侯户",
    "void reason": "秘因由",
    "inspection that is not published": "秘检查",
    "inspector": "端木查",
    "finding of an inspection": "秘情形",
    "who went along": "令狐陪",
}


@pytest.fixture(autouse=True)
def _unlimited(app, monkeypatch):
    for name in ("PORTAL_RATE", "OPEN_DATA_RATE", "CHECK_RATE"):
        monkeypatch.setitem(app.config, name, 100_000)


@pytest.fixture
def world(rows):
    """Something of every kind that is published, with much beside it that is not."""
    meter, cuff = published_kind(), kind(BLOOD_PRESSURE)
    lab = institution(
        name="公开所", phone=HIDDEN["telephone of the institution"], contact=HIDDEN["contact of the institution"],
        address=HIDDEN["address of the institution"], **published(),
    )  # fmt: skip
    capability(lab)
    capability(lab, state="pending", regulation=HIDDEN["capability under review"])
    dark = institution(name=HIDDEN["unpublished institution"], authorization_no=HIDDEN["its authorization"])
    capability(dark, regulation=HIDDEN["capability of an unpublished institution"])
    private = {
        "phone": HIDDEN["telephone"],
        "contact": HIDDEN["contact"],
        "address": HIDDEN["address"],
    }
    units = [
        unit_of("enterprise", name="公开厂", **private),
        unit_of("person", name=f"人{HIDDEN['name of a person']}", **private),
        unit_of("sole_trader", name=f"户{HIDDEN['name of a sole trader']}小店", **private),
    ]
    shown = []
    for number, unit in enumerate(units):
        what = _meter(unit, f"SN77345{number}X")
        order = appointment(unit=unit, no=f"{HIDDEN['appointment']}{number}", contact=HIDDEN["contact"],
                            phone=HIDDEN["telephone"])  # fmt: skip
        done = task(CERTIFIED, to=lab, unit=unit, what=what, order=order)
        about = {"using_unit": unit.name, "use_place": HIDDEN["place of use"], "serial_no": what.serial_no}
        shown.append(certificate(done, no=f"公开{number}", valid_until=FAR, about=about, **_people(), **published()))
    by_the_dark = published_certificate(units[0], dark, _meter(units[0], "SN77345YX"), no="公开9", **_people())
    hidden_unit = unit_of(name=HIDDEN["its using unit"], **private)
    secret = _meter(hidden_unit, "SN773459X", name=HIDDEN["its instrument"])
    of_cuff = _meter(units[0], "SN77345ZX", of=BLOOD_PRESSURE)
    shown.append(published_certificate(units[0], lab, of_cuff, no="公开8", **_people()))
    hidden = certificate(
        task(CERTIFIED, to=lab, unit=hidden_unit, what=secret), no=HIDDEN["unpublished certificate"], valid_until=FAR
    )
    void = certificate(
        task(CERTIFIED, to=lab, unit=hidden_unit), no=HIDDEN["void certificate"], state="void",
        void_reason=HIDDEN["void reason"], **published(),
    )  # fmt: skip
    results = [
        inspection(CLOSED, party, task=f"公开检查{number}", **_seen(), **published())
        for number, party in enumerate((institution(name="受检所"), *units))
    ]
    inspection(CLOSED, lab, task=HIDDEN["inspection that is not published"], **_seen())
    staff_member(lab, HIDDEN["verifier"])
    account("InstitutionClerk", lab, first_name=HIDDEN["account"])
    rows.flush()
    dumps.renew()
    rows.flush()
    return {
        "meter": meter.id, "cuff": cuff.id, "lab": lab.id, "dark": dark.id, "certificate": shown[0].id,
        "person": shown[1].id, "trader": shown[2].id, "by_the_dark": by_the_dark.id, "hidden": hidden.id,
        "void": void.id, "inspection": results[0].id, "serial": "SN773450X", "hidden_serial": secret.serial_key,
    }  # fmt: skip


def _meter(unit, serial, **values):
    about = {"use_place": HIDDEN["place of use"], "manufacturer": HIDDEN["manufacturer"], **values}
    return instrument(unit=unit, serial_no=serial, serial_key=serial, **about)


def _seen():
    inspectors = [{"id": id, "name": HIDDEN["inspector"]} for id in (1, 2)]
    return {"inspectors": inspectors, "findings": HIDDEN["finding of an inspection"],
            "issues": HIDDEN["finding of an inspection"] * 2, "accompanied_by": HIDDEN["who went along"]}  # fmt: skip


def _people():
    return {"verifier": HIDDEN["verifier"], "checker": "丙", "approver": "丁", "place": HIDDEN["place of use"]}


PATHS = (
    "/portal/",
    "/portal/?lang=en",
    "/portal/instruments",
    "/portal/instruments?region=330000&region=330100&region=330106",
    "/portal/instruments?unit=公开",
    "/portal/instruments?serial={serial}",
    "/portal/instruments?serial={hidden_serial}",
    "/portal/instruments?kind={meter}",
    "/portal/instruments?kind={cuff}",
    "/portal/instruments?institution={lab}",
    "/portal/instruments?institution={dark}",
    "/portal/instruments?unit=公开&sort=phone&order=serial_no&fields=use_place&size=100000",
    "/portal/instruments?unit=公开&after=2999-01-01T00:00:00%2B00:00~1",
    "/portal/certificates/{certificate}",
    "/portal/certificates/{person}",
    "/portal/certificates/{trader}",
    "/portal/certificates/{by_the_dark}",
    "/portal/certificates/{hidden}",
    "/portal/certificates/{void}",
    "/portal/institutions",
    "/portal/institutions?kind={meter}",
    "/portal/institutions?region=330000&region=330100&region=330106",
    "/portal/institutions/{lab}",
    "/portal/institutions/{dark}",
    "/portal/inspections",
    "/portal/inspections?kind=using_unit",
    "/portal/inspections?name=公开",
    "/portal/inspections?region=330000&region=330100&region=330106",
    "/portal/catalogue",
    "/portal/check",
    "/portal/data",
    "/portal/nowhere",
    "/robots.txt",
    "/sitemap.xml",
    "/open/v1/certificates?limit=200",
    "/open/v1/certificates?limit=1",
    "/open/v1/certificates?region=330106",
    "/open/v1/certificates?kind={cuff}",
    "/open/v1/certificates?institution={dark}",
    "/open/v1/certificates?serial={serial}",
    "/open/v1/certificates?valid=false",
    "/open/v1/certificates?verified_from=2000-01-01&verified_to=2099-01-01",
    "/open/v1/certificates?sort=phone",
    "/open/v1/certificates/{certificate}",
    "/open/v1/certificates/{person}",
    "/open/v1/certificates/{by_the_dark}",
    "/open/v1/certificates/{hidden}",
    "/open/v1/certificates/{void}",
    "/open/v1/institutions",
    "/open/v1/institutions?kind={meter}&region=330106",
    "/open/v1/institutions/{lab}",
    "/open/v1/institutions/{dark}",
    "/open/v1/catalogue",
    "/open/v1/regions",
    "/open/v1/dumps",
    "/open/v1/openapi.json",
    "/open/v1/nowhere",
)


def heard(answer):
    """Everything an answer says: its body, unpacked, and its headers."""
    body = answer.data
    packed = answer.headers.get("Content-Type") == "application/gzip"
    return (gzip.decompress(body) if packed else body).decode() + str(answer.headers)


def told(text):
    """The hidden things whose words stand in a text."""
    return sorted(thing for thing, word in HIDDEN.items() if word in text or quote(word) in text)


def test_no_path_tells_of_anything_hidden(stranger, world):
    wrong = {}
    for path in PATHS:
        answer = stranger.get(path.format(**world))
        # What one typed oneself comes back in its field; the serial numbers are typed whole here.
        text = heard(answer).replace(world["hidden_serial"], "").replace(world["serial"], "")
        if told(text) or answer.status_code >= 500:
            wrong[path] = (answer.status_code, told(text))

    assert wrong == {}


@pytest.mark.parametrize("number", range(3))
def test_no_file_tells_of_anything_hidden(stranger, world, number):
    listed = stranger.get("/open/v1/dumps").json["rows"][number]
    whole, checksum, withdrawn = (
        stranger.get(listed[name].removeprefix(HERE)) for name in ("url", "checksum_url", "withdrawn_url")
    )

    assert (told(heard(whole)), told(heard(checksum)), told(heard(withdrawn))) == ([], [], [])
    assert heard(whole).count("\n") > 1


def test_the_world_is_not_empty(stranger, world):
    """Else nothing would be proved: the published things stand beside the hidden ones on these very paths."""
    pages = {path: heard(stranger.get(path.format(**world))) for path in PATHS}

    files = {row["kind"]: row["url"].removeprefix(HERE) for row in stranger.get("/open/v1/dumps").json["rows"]}
    held = heard(stranger.get(files["certificates"]))
    assert [f"公开{number}" in held for number in (0, 1, 2, 8, 9)] == [True] * 5
    assert "公开厂" in pages["/portal/instruments?unit=公开"]
    assert "公开9" in pages["/portal/certificates/{by_the_dark}"]
    assert [f"公开{number}" in pages["/open/v1/certificates?limit=200"] for number in (0, 1, 2, 8, 9)] == [True] * 5
    assert [f"公开检查{number}" in pages["/portal/inspections"] for number in range(4)] == [True] * 4
    assert "公开厂" in pages["/portal/inspections?kind=using_unit"]
    assert "公开所" in pages["/open/v1/institutions"]
    assert "水表" in pages["/open/v1/catalogue"]


SEARCHES = (
    ("/portal/instruments?unit={}", '<a href="/portal/certificates/'),
    ("/portal/instruments?serial={}", '<a href="/portal/certificates/'),
    ("/portal/institutions?name={}", '<a href="/portal/institutions/'),
    ("/portal/inspections?name={}", '<tr role="row">\n      <td'),
    ("/open/v1/certificates?unit={}", '"id"'),
    ("/open/v1/certificates?serial={}", '"id"'),
)


@pytest.mark.parametrize(("path", "hit"), SEARCHES)
def test_nothing_hidden_is_found_by_its_word(stranger, world, path, hit):
    answers = {thing: stranger.get(path.format(quote(word))) for thing, word in HIDDEN.items()}

    assert {thing for thing, answer in answers.items() if answer.status_code != 200 or hit in answer.text} == set()


def test_number_and_code_open_nothing_but_the_check(stranger, world, rows):
    hidden = rows.get(Certificate, world["hidden"])
    rows.refresh(hidden)

    page = stranger.get("/portal/check", query_string={"no": hidden.no, "code": hidden.code}).text

    told_there = {"unpublished certificate", "its instrument", "its using unit"}
    assert set(told(page)) == told_there  # who holds the paper knows these already
    assert stranger.get(f"/portal/certificates/{hidden.id}").status_code == 404


# --- The rows themselves -------------------------------------------------------------------------


NEVER_SHOWN = (Appointment, Task, Event, Tally, Photo, Result, StaffMember, Account)


@pytest.mark.parametrize("table", NEVER_SHOWN, ids=lambda table: table.__tablename__)
def test_of_the_other_tables_the_public_sees_no_row(rows, world, table):
    with seeing(PUBLIC):
        assert rows.scalars(select(table)).all() == []


def test_of_the_open_tables_the_public_sees_what_is_published(rows, world):
    with seeing(PUBLIC):
        seen = {table: set(rows.scalars(select(key))) for table, key in {
            Certificate: Certificate.no, Instrument: Instrument.serial_no, Institution: Institution.organization_id,
            Capability: Capability.regulation, UsingUnit: UsingUnit.organization_id, CatalogueItem: CatalogueItem.name,
        }.items()}  # fmt: skip
        organizations = set(rows.scalars(select(Organization.name)))
    authorities = set(rows.scalars(select(Organization.name).where(Organization.kind == "authority")))

    assert seen[Certificate] == {"公开0", "公开1", "公开2", "公开8", "公开9"}
    assert seen[Instrument] == {"SN773450X", "SN773451X", "SN773452X", "SN77345YX", "SN77345ZX"}
    assert (seen[Institution], seen[Capability]) == ({world["lab"]}, {"JJG 162"})
    assert organizations == {"公开所", "公开厂", "人欧阳", "户司徒小店", *authorities}
    assert (len(seen[UsingUnit]), "水表" in seen[CatalogueItem], BLOOD_PRESSURE in seen[CatalogueItem]) == (
        3,
        True,
        False,
    )


def test_a_kind_is_hidden_with_its_category(rows, world):
    item = rows.get(CatalogueItem, world["meter"])
    rows.execute(update(CatalogueItem).where(CatalogueItem.id == item.parent_id).values(
        publication=UNPUBLISHED, published_at=None
    ))  # fmt: skip
    with seeing(PUBLIC):
        assert rows.scalars(select(CatalogueItem.id).where(CatalogueItem.id == item.id)).all() == []


# --- Taken back ----------------------------------------------------------------------------------


def revoke(world, what):
    reason = "信息有误需要更正"
    if what == "certificate":
        publications.revoke([world["certificate"]], reason, NATION)
    elif what == "institution":
        publications.revoke_institutions([world["lab"]], reason, NATION)
    elif what == "inspection":
        office = authority("330106")
        by = Principal(kind="authority", jurisdiction="330106", account_id=0, name="乙", organization_id=office.id)
        inspections.revoke([world["inspection"]], reason, by)
    else:
        catalogue_versions.revoke([world["meter"]], reason, NATION)


WORDS = {"inspection": "公开检查0", "certificate": "公开0", "institution": "公开所", "item": "JJG 162"}


def paths_with(stranger, world, word):
    """The addresses that tell of something, but for files of everything, which are as they were made."""
    asked = [path.format(**world) for path in PATHS]
    return {path: stranger.get(path) for path in asked if word in heard(stranger.get(path))}


@pytest.mark.parametrize("what", WORDS)
def test_what_is_taken_back_is_gone_from_every_path_at_once(stranger, world, what):
    before = paths_with(stranger, world, WORDS[what])
    revoke(world, what)

    after = paths_with(stranger, world, WORDS[what])

    assert (len(before) >= 1, sorted(after)) == (True, [])


@pytest.mark.parametrize("what", WORDS)
def test_who_has_it_already_is_not_told_that_it_still_holds(stranger, world, what):
    before = paths_with(stranger, world, WORDS[what])
    tags = {path: answer.headers["ETag"] for path, answer in before.items()}
    held = [stranger.get(path, headers={"If-None-Match": tag}).status_code for path, tag in tags.items()]
    revoke(world, what)

    after = [stranger.get(path, headers={"If-None-Match": tag}).status_code for path, tag in tags.items()]

    assert (set(held), 304 in after) == ({304}, False)


def withdrawn(stranger):
    """What is told beside the newest file of each kind."""
    told = {}
    for row in reversed(stranger.get("/open/v1/dumps").json["rows"]):
        lines = stranger.get(row["withdrawn_url"].removeprefix(HERE)).text.splitlines()
        assert lines[0] == "id"
        told[row["kind"]] = [int(line) for line in lines[1:]]
    return told


KIND_OF = {"certificate": "certificates", "institution": "institutions", "item": "catalogue"}
NONE = {"certificates": [], "institutions": [], "catalogue": []}


@pytest.mark.parametrize("what", WORDS)
def test_what_is_taken_back_is_told_beside_the_files_of_its_kind_alone(stranger, world, what):
    assert withdrawn(stranger) == NONE
    revoke(world, what)

    id = world[{"item": "meter", "institution": "lab"}.get(what, what)]
    told = withdrawn(stranger)
    assert told == (NONE if what == "inspection" else NONE | {KIND_OF[what]: [id]})


def test_the_next_file_is_made_without_it(stranger, world, rows):
    revoke(world, "certificate")
    rows.execute(update(Dump).values(made_at=Dump.made_at - timedelta(days=1)))
    assert dumps.renew() == 3

    new = [row["url"].removeprefix(HERE) for row in stranger.get("/open/v1/dumps").json["rows"][:3]]
    assert [path for path in new if "公开0" in heard(stranger.get(path))] == []


def test_what_was_published_again_is_not_told(stranger, world, rows):
    revoke(world, "certificate")
    rows.execute(
        update(Certificate)
        .where(Certificate.id == world["certificate"])
        .values(publication=PUBLISHED, published_at=datetime.now(UTC))
    )
    assert withdrawn(stranger) == NONE


def test_a_revocation_that_was_under_way_while_a_file_was_made_is_told(stranger, world, rows):
    """Its event bears the moment at which its transaction began: earlier than the file, but not known to it."""
    revoke(world, "certificate")
    began = datetime.now(UTC) - timedelta(minutes=10)
    rows.execute(update(Event).where(Event.step == "revoke").values(at=began))

    assert withdrawn(stranger)["certificates"] == [world["certificate"]]


def test_a_correction_takes_the_certificate_back_too(stranger, world, rows):
    """correct() revokes before it voids; and a void one would not be shown even if it had not been revoked."""
    one = rows.get(Certificate, world["certificate"])
    one.state, one.void_reason = "void", "结果录入有误"
    rows.flush()

    assert one.publication == PUBLISHED
    assert sorted(paths_with(stranger, world, "公开0")) == []


def test_nobody_signed_in_sees_more_on_the_portal(sign_in, stranger, world, rows):
    unit = rows.get(Organization, rows.get(Certificate, world["hidden"]).using_unit_id)
    owner = sign_in("UsingUnitClerk", unit)

    for path in PATHS:
        mine, anybodys = owner.get(path.format(**world)), stranger.get(path.format(**world))
        assert (mine.status_code, mine.data) == (anybodys.status_code, anybodys.data)


def test_everything_is_seen_again_afterwards(world, rows):
    """The narrowing ends with each question of the portal."""
    from app.domain import portal

    with seeing(EVERYTHING):
        portal.certificate(world["certificate"])
        assert rows.scalar(select(Certificate.no).where(Certificate.id == world["hidden"])) == "ZAAA01"
    assert db.session.get_one(Certificate, world["hidden"]).no == "ZAAA01"
