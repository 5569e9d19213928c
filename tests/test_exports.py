"""Exports in the background: the rows, columns and order of the list, as the person sees them when it is made."""

import csv
import io
import re
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from sqlalchemy import select, text, update

from app import access, files, jobs, spreadsheet
from app.access import ROLES
from app.domain import access_keys, holidays, jobs as domain_jobs, sessions, tallies
from app.fabkit.formats import day, moment
from app.fabkit.pages import ModelPage
from app.models import Account, AuditEntry, Instrument, Job, Notification, Organization, db, held_role
from app.pages.jobs import KINDS
from app.spreadsheet import Layout, Stamp
from app.states import BROKEN, CANCELLED, DONE, RETURNED, UNASSIGNED, WAITING
from tests.conftest import Person, from_outside
from tests.factories import account, appointment, authority, institution, instrument, task, unit_of, using_unit
from tests.test_details import HERE, home_of as home_in_world, world
from tests.test_statistics import figures

KIND = ["csv", "xlsx"]


@pytest.fixture
def officer(sign_in, rows):
    return sign_in("AssignmentOfficer", authority("330106"))


@pytest.fixture(autouse=True)
def limit(request, monkeypatch):
    """What is more than one row is a job."""
    if "office" not in request.fixturenames:
        monkeypatch.setitem(request.getfixturevalue("app").config, "EXPORT_ROWS", 1)


def opened(data: bytes, kind: str) -> Any:
    if kind == "csv":
        return list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline="")))
    return [
        [cell.value for cell in row] for sheet in openpyxl.load_workbook(io.BytesIO(data)) for row in sheet.iter_rows()
    ]


def asked(person, page="assignments", **fields) -> Job:
    """The job that an export became."""
    answer = person.post(f"/{page}/export", {"format": "csv", **fields})
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/{page}/")
    return newest()


def newest() -> Job:
    return db.session.scalars(select(Job).order_by(Job.id.desc()).limit(1)).one()


def done(job: Job) -> Job:
    jobs.do(job.id)
    db.session.expire_all()
    return job


def fetched(person, job: Job) -> bytes:
    answer = person.get(f"/jobs/file/{job.id}")
    assert answer.status_code == 200
    return answer.data


@pytest.mark.parametrize("kind", KIND)
def test_a_job_gives_the_rows_the_list_gives(officer, app, monkeypatch, kind):
    one, two, three = task(UNASSIGNED), task(RETURNED), task(UNASSIGNED)
    task(UNASSIGNED, "330105")
    ways = [
        ({"selection": "ids", "id": [one.id, three.id]}, 2),
        ({"selection": "all", "filter": "state=unassigned"}, 2),
        ({"selection": "all", "filter": "", "sort": "-applied_at"}, 3),
    ]
    assert two.id
    for fields, number in ways:
        job = done(asked(officer, format=kind, **fields))
        monkeypatch.setitem(app.config, "EXPORT_ROWS", 1000)
        now = officer.post("/assignments/export", {"format": kind, **fields})
        monkeypatch.setitem(app.config, "EXPORT_ROWS", 1)

        assert (job.state, job.message) == (DONE, f"共 {number} 条。")
        rows = opened(fetched(officer, job), kind)
        assert rows == opened(now.data, kind)
        assert len(rows) == number + 1


def test_the_person_is_told_how_many_and_where(officer):
    for _ in range(2):
        task(UNASSIGNED)
    tallies.rebuild()

    asked(officer)

    (told,) = officer.messages()
    assert re.sub("<[^>]+>", "", str(told)) == "本次导出共 2 条，将在后台生成，完成后会通知您。 我的任务"
    assert 'href="/jobs/"' in told
    assert officer.get("/jobs/").text.count("列表导出") == 1


def test_what_is_ready_is_told_and_what_failed_too(officer):
    for _ in range(2):
        task(UNASSIGNED)
    done(asked(officer))
    job = asked(officer)
    job.asked = {**job.asked, "filter": "state=nowhere"}
    db.session.flush()

    failed = done(job)

    assert (failed.state, failed.message) == (BROKEN, "筛选条件已变化，请重新选择数据。")
    kinds = select(Notification.kind).where(Notification.account_id == officer.account.id).order_by(Notification.id)
    assert list(db.session.scalars(kinds)) == ["job_done", "job_broken"]
    page = officer.get("/notifications/").text
    assert ('href="/jobs/">您的后台任务已完成</a>' in page, "您的后台任务未能完成" in page) == (True, True)


def test_few_rows_are_answered_at_once(officer):
    task(UNASSIGNED)

    assert officer.post("/assignments/export", {"format": "csv"}).mimetype == "text/csv"
    assert db.session.scalars(select(Job)).all() == []


def test_the_order_is_that_of_the_list(officer):
    days = [3, 1, 2]
    for number in days:
        task(RETURNED, order=appointment(no=f"YY{number}", applied_at=datetime(2026, 1, number, tzinfo=UTC)))

    def numbers(**fields):
        return [row[1] for row in opened(fetched(officer, done(asked(officer, **fields))), "csv")[1:]]

    def shown(sort):
        return re.findall(r'data-label="预约编号">(YY\d)', officer.get(f"/assignments/?sort={sort}").text)

    for sort in ("", "applied_at", "-applied_at"):
        assert numbers(sort=sort) == shown(sort)
    assert numbers(sort="-applied_at") == numbers(sort="applied_at")[::-1]


def test_columns_are_those_shown_all_or_the_ticked(officer):
    for _ in range(2):
        task(UNASSIGNED)
    officer.post("/assignments/columns", {"column": ["manufacturer"]})

    def head(**fields):
        return opened(fetched(officer, done(asked(officer, **fields))), "csv")[0]

    everything = head(columns="all")
    assert head() == head(columns="shown") == ["状态", "器具名称", "生产厂家"]
    assert len(everything) > 12
    assert head(columns="ticked", column=["applied_at", "no_such", "place"]) == [
        label for label in everything if label in ("使用地点", "预约申请时间")
    ]
    officer.messages()
    officer.post("/assignments/export", {"format": "csv", "columns": "ticked", "column": ["no_such"]})
    assert officer.messages() == ["请至少勾选一列。"]


def test_no_list_has_two_columns_of_one_name(app):
    """A workbook finds its columns by their headers."""
    pages = [view for view in app.extensions["kit"].baseviews if isinstance(view, ModelPage)]
    with app.test_request_context():
        labels = {type(page).__name__: [str(column.label) for column in page.columns] for page in pages}

    assert {name: each for name, each in labels.items() if len(set(each)) < len(each)} == {}


def exporting():
    return sorted({(role, page) for role, what in ROLES.items() for page, names in what.permissions.items()
                   if "can_export" in names})  # fmt: skip


def home_of(role):
    levels = {"NationalAdministrator": "", "CatalogueOfficer": "", "ProvincialAdministrator": "33",
              "CityAdministrator": "3301"}  # fmt: skip
    kinds = {"institution": institution, "using_unit": using_unit}
    return kinds[ROLES[role].kind]() if ROLES[role].kind in kinds else authority(levels.get(role, "330106"))


@pytest.mark.parametrize("kind", KIND)
def test_every_list_can_be_left_to_the_worker(app, rows, kind):
    """No page declares anything for it, and none needs a request to be asked."""
    pages = {
        view.class_permission_name: view for view in app.extensions["kit"].baseviews if isinstance(view, ModelPage)
    }
    seen = set()
    for role, name in exporting():
        if name not in pages or name in seen:
            continue
        seen.add(name)
        page, person = pages[name], account(role, home_of(role))
        wanted = {"page": type(page).__name__, "filter": "", "ids": None, "sort": "", "format": kind, "language": "zh",
                  "columns": [column.name for column in page.columns]}  # fmt: skip
        job = Job(account_id=person.id, kind="export", asked=wanted)
        db.session.add(job)
        db.session.flush()

        done(job)

        assert (name, job.state, job.message) == (name, DONE, job.message)
        sheet = opened(files.read(job.file or ""), kind)
        with app.test_request_context():
            assert sheet[0] == [str(column.label) for column in page.columns]
    assert len(seen) > 20


CODE = re.compile(r"[a-z]+(_[a-z]+)*")
# Columns in which people write such words themselves.
OWN_WORDS = {("Accounts", "username"), ("AuditLog", "subject")}


def test_every_list_tells_words_and_typed_days(app, sign_in, rows, monkeypatch):
    """No code, no true or false as the database writes them; days and moments of workbooks are such."""
    monkeypatch.setitem(app.config, "EXPORT_ROWS", 1000)
    homes, wrong, exported = world(HERE), [], set()
    for page in (view for view in app.extensions["kit"].baseviews if isinstance(view, ModelPage)):
        name = page.class_permission_name
        role = next((role for role, what in ROLES.items() if "can_export" in what.permissions.get(name, ())), None)
        if role is None:
            continue
        person = sign_in(role, home_in_world(role, homes))
        wanted = {"selection": "all", "filter": "", "format": "xlsx", "columns": "all"}
        _heads, *lines = opened(person.post(f"{page.route_base}/export", wanted).data, "xlsx")
        for line in lines:
            exported.add(name)
            for column, cell in zip(page.columns, line, strict=True):
                is_code = isinstance(cell, bool) or (isinstance(cell, str) and CODE.fullmatch(cell))
                is_day = column.show in (day, moment) and isinstance(cell, str)
                if (is_code and (name, column.name) not in OWN_WORDS) or is_day:
                    wrong.append((name, column.name, cell))
    assert sorted(set(wrong)) == []
    assert len(exported) > 20


def test_columns_of_a_workbook_are_as_wide_as_what_is_in_them(officer, app, monkeypatch):
    monkeypatch.setitem(app.config, "EXPORT_ROWS", 100)
    place = "浙江省杭州市西湖区文三路四百七十八号华星时代"
    task(UNASSIGNED, what=instrument(use_place=place))

    book = openpyxl.load_workbook(
        io.BytesIO(officer.post("/assignments/export", {"format": "xlsx", "columns": "all"}).data)
    )

    sheet: Any = book.active
    widths = {cell.value: sheet.column_dimensions[cell.column_letter].width for cell in sheet[2]}
    assert 2 * len(place) < widths[place] < 2 * len(place) + 6
    assert widths["待分配"] < 14


def test_the_total_of_ticked_lines_is_that_of_these_lines(sign_in, rows):
    person = sign_in("Analyst", authority("3301"))
    for county in ("330106", "330105", "330108"):
        instrument(county, using_unit(county), filing_state="filed", use_state="in_use")
    tallies.rebuild()

    def totals(**ticked):
        answer = person.post("/statistics/instruments/export", {"region": "330100", **ticked})
        lines = opened(answer.data, "xlsx")
        return {line[0]: line[1] for line in lines if line[0] and "合计" in str(line[0])}

    everything = totals()
    assert list(everything) == ["合计"]
    some = totals(row=["330106", "330105"])
    lines = figures(person.get("/statistics/instruments/?region=330100"))
    assert list(some) == ["所选行合计", f"全部 {len(lines)} 行合计"]
    assert list(some.values()) == [2, *everything.values()] == [2, 3]


# --- As the person, when it is made --------------------------------------------------------------


def test_who_moves_meanwhile_gets_what_is_seen_from_there(officer):
    for county in ("330106", "330105", "330105"):
        task(UNASSIGNED, county, desk=authority(county), what=instrument(county, name=f"{county}的水表"))
    task(UNASSIGNED, what=instrument(name="330106的水表"))
    job = asked(officer)
    db.session.execute(
        update(Account).where(Account.id == officer.account.id).values(organization_id=authority("330105").id)
    )

    assert {row[2] for row in opened(fetched(officer, done(job)), "csv")[1:]} == {"330105的水表"}


def test_who_is_ticked_away_from_another_place_is_not_there(officer):
    mine, foreign = task(UNASSIGNED), task(UNASSIGNED, "330105")
    task(UNASSIGNED)
    job = asked(officer)
    job.asked = {**job.asked, "ids": [mine.id, foreign.id]}
    db.session.flush()

    assert done(job).message == "共 1 条。"


@pytest.mark.parametrize("what", ["role", "active", "organization"])
def test_who_may_no_more_gets_nothing(officer, what):
    for _ in range(2):
        task(UNASSIGNED)
    job = asked(officer)
    if what == "role":
        db.session.execute(held_role.delete().where(held_role.c.user_id == officer.account.id))
    elif what == "active":
        officer.account.active = False
    else:
        officer.account.organization.active = False
    db.session.flush()

    done(job)

    expected = (DONE, "共 0 条。") if what == "organization" else (BROKEN, "您已无权导出该列表。")
    assert (job.state, job.message) == expected


def test_persons_are_masked_unless_one_may_see_them_then(sign_in, rows):
    home = authority("330106")
    for _ in range(2):
        unit_of("enterprise", contact="王小明")
    leader, analyst = sign_in("Supervisor", home), sign_in("Analyst", home)

    def contacts(person, between=lambda: None):
        job = asked(person, "queries/units", columns="all")
        between()
        head, *lines = opened(fetched(person, done(job)), "csv")
        return {line[head.index("联系人")] for line in lines}

    def demoted():
        role = db.session.scalar(text("SELECT id FROM ab_role WHERE name = 'Analyst'"))
        held = held_role.c.user_id == leader.account.id
        db.session.execute(held_role.update().where(held).values(role_id=role))

    assert contacts(leader) == {"王小明"}
    assert contacts(analyst) == {"王**"}
    assert contacts(leader, demoted) == {"王**"}


def test_the_file_is_for_who_asked_alone(officer, sign_in, stranger):
    for _ in range(2):
        task(UNASSIGNED)
    job = done(asked(officer))
    others = [
        sign_in("AssignmentOfficer", authority("330106")),
        sign_in("Supervisor", authority("3301")),
        sign_in("AssignmentOfficer", authority("330105")),
    ]

    assert [other.get(f"/jobs/file/{job.id}").status_code for other in others] == [404, 404, 404]
    assert stranger.get(f"/jobs/file/{job.id}").status_code == 302
    assert [f"/jobs/file/{job.id}" in other.get("/jobs/").text for other in others] == [False] * 3


def test_who_may_not_export_may_not_leave_it_to_the_worker(sign_in, rows):
    person = sign_in("PublicationOfficer", authority("330106"))

    for url in ("/assignments/export", "/assignments/export/ask"):
        assert person.post(url, {"format": "csv"}).status_code == 403
    assert db.session.scalars(select(Job)).all() == []


@pytest.mark.parametrize("fields", [{"format": "pdf"}, {"id": "x", "selection": "ids"}, {"filter": "state=nowhere"}])
def test_what_is_no_export_is_no_job(officer, fields):
    for _ in range(2):
        task(UNASSIGNED)

    assert officer.post("/assignments/export", {"format": "csv", "selection": "all", **fields}).status_code in (
        302,
        400,
    )
    assert db.session.scalars(select(Job)).all() == []


def test_a_program_is_refused_what_it_could_not_fetch(officer, app):
    for _ in range(2):
        task(UNASSIGNED)
    _key, secret = access_keys.create(officer.account, "x", ["Assignments"], 9, allowed={"Assignments"})
    program = app.test_client()

    answer = from_outside(
        lambda: program.post(
            "/assignments/export", data={"format": "csv"}, headers={"Authorization": f"Bearer {secret}"}
        )
    )

    assert (answer.status_code, db.session.scalars(select(Job)).all()) == (302, [])


def test_nobody_has_many_exports_waiting(officer):
    for _ in range(2):
        task(UNASSIGNED)
    for _ in range(domain_jobs.MOST_AT_ONCE):
        asked(officer)
    officer.messages()

    officer.post("/assignments/export", {"format": "csv"})

    assert officer.messages() == ["您还有 5 个任务未完成，请稍候。"]


def test_more_than_is_exported_at_all_is_refused_in_words(officer, app, monkeypatch):
    monkeypatch.setitem(app.config, "EXPORT_MOST", 2)
    for _ in range(3):
        task(UNASSIGNED)

    job = done(asked(officer))

    assert (job.state, job.message, job.file) == (BROKEN, "一次最多导出 2 条，请缩小筛选范围。", None)


# --- The audit log and the stamp -----------------------------------------------------------------


def test_what_is_made_and_what_is_fetched_stands_in_the_audit_log(officer):
    tasks = [task(UNASSIGNED) for _ in range(2)]
    job = done(asked(officer, selection="all", filter="state=unassigned"))
    done(asked(officer, selection="ids", id=[each.id for each in tasks]))
    fetched(officer, job)

    log = select(AuditEntry).where(AuditEntry.by_id == officer.account.id).order_by(AuditEntry.id)
    entries = [(each.action, each.subject, each.detail) for each in db.session.scalars(log)]
    assert entries == [
        ("export", "page", {"format": "csv", "filter": "state=unassigned", "rows": 2}),
        ("export", "page", {"format": "csv", "ticked": [each.id for each in tasks], "rows": 2}),
        ("download", "job", {"what": "export", "rows": 2}),
    ]


@pytest.mark.parametrize("many", [False, True])
def test_a_workbook_bears_who_took_it_and_when(officer, many):
    officer.account.first_name = '张"三" & <李>'
    for _ in range(1 + many):
        task(UNASSIGNED)
    if many:
        data = fetched(officer, done(asked(officer, format="xlsx")))
    else:
        data = officer.post("/assignments/export", {"format": "xlsx"}).data

    book = openpyxl.load_workbook(io.BytesIO(data))
    home, today = officer.account.organization.name, f"{datetime.now(holidays.ZONE):%Y-%m-%d}"
    sheet: Any = book.active
    for part in (sheet.oddHeader.right.text, sheet.oddFooter.left.text):
        assert part.startswith('张"三" && <李> ' + home + " " + today)
    assert sheet.oddFooter.right.text.replace("&[Page]", "&P").replace("&[Pages]", "&N").replace(" ", "") == "&P/&N"
    assert book.properties.creator == f'张"三" & <李> {home}'
    assert (book.properties.description or "").startswith(f'张"三" & <李> {home} {today}')
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        assert len(archive.namelist()) == len(set(archive.namelist()))


def test_a_statistic_bears_it_too(sign_in, rows):
    person = sign_in("Analyst", authority("33"))

    data = person.post("/statistics/instruments/export", {"region": "330000"}).data

    book = openpyxl.load_workbook(io.BytesIO(data))
    sheet: Any = book.active
    assert person.account.first_name in (book.properties.creator or "")
    assert person.account.first_name in sheet.oddHeader.right.text


# --- Sheets, memory, files -----------------------------------------------------------------------


def test_more_rows_than_a_sheet_takes_go_into_several(officer, app, monkeypatch):
    monkeypatch.setitem(app.config, "EXPORT_SHEET_ROWS", 2)
    for number in range(5):
        task(RETURNED, order=None, what=instrument(model=f"LXS-{number}"))

    data = fetched(officer, done(asked(officer, format="xlsx")))

    book = openpyxl.load_workbook(io.BytesIO(data))
    assert book.sheetnames == ["检定任务分配 1", "检定任务分配 2", "检定任务分配 3"]
    sheets: list[Any] = book.worksheets
    assert [sheet.max_row for sheet in sheets] == [3, 3, 2]
    assert all(sheet["A1"].value == "状态" and sheet.oddHeader.right.text for sheet in sheets)
    assert sorted(row[5].value for sheet in sheets for row in sheet.iter_rows(min_row=2)) == [
        f"LXS-{number}" for number in range(5)
    ]


class Meter:
    """How much this process holds, in MB."""

    def __init__(self) -> None:
        Path("/proc/self/clear_refs").write_text("5")
        self.before = self._read("VmRSS")

    @staticmethod
    def _read(what: str) -> float:
        found = re.search(rf"{what}:\s+(\d+)", Path("/proc/self/status").read_text())
        return int(found[1]) / 1024 if found else 0.0

    @property
    def grown(self) -> float:
        return self._read("VmHWM") - self.before


@pytest.mark.parametrize("kind", KIND)
def test_a_long_sheet_is_not_held_in_memory(rows, kind):
    numbers = text("SELECT n, 'LXS-' || n AS one, md5(n::text) AS two, md5((n + 1)::text) AS three "
                   "FROM generate_series(1, 120000) AS n").columns()  # fmt: skip
    typed = select(*(db.column(name, db.Text) for name in ("one", "two", "three"))).select_from(numbers.subquery("s"))
    layout = Layout("长表", ["一", "二", "三"], Stamp("张三", "西湖局", datetime.now()), expected=120_000)
    meter = Meter()

    sheet = spreadsheet.write(rows.connection(), typed, kind, layout, most=200_000)

    assert sheet is not None
    with sheet.file as file:
        assert sheet.rows == 120_000
        assert len(file.read()) > 4_000_000
    assert meter.grown < 40


def kept_files(app) -> set[str]:
    return {path.name for path in Path(app.config["FILES"]).rglob("*") if path.is_file()}


def test_after_a_week_the_file_is_gone_unless_another_job_has_it(officer, app):
    for _ in range(2):
        task(UNASSIGNED)
    first, second, other = done(asked(officer)), done(asked(officer)), done(asked(officer, columns="all"))
    assert first.file == second.file != other.file
    old = datetime.now(UTC) - timedelta(days=8)
    first.finished_at = other.finished_at = old
    db.session.flush()

    assert domain_jobs.drop_old() == 2
    assert (second.file in kept_files(app), other.file in kept_files(app)) == (True, False)
    second.finished_at = old
    db.session.flush()
    assert domain_jobs.drop_old() == 1
    assert second.file not in kept_files(app)


def test_what_breaks_leaves_no_file(officer, app, monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    for _ in range(2):
        task(UNASSIGNED)
    jobs_ = [asked(officer, format=kind) for kind in KIND]
    before = kept_files(app)

    def full(*_args: Any) -> None:
        raise OSError("No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr("shutil.copyfileobj", full)
        states = [done(job).state for job in jobs_]

    assert states == [BROKEN, BROKEN]
    assert (kept_files(app), list(tmp_path.iterdir())) == (before, [])


def test_a_job_left_by_a_worker_that_died_begins_again(officer):
    for _ in range(2):
        task(UNASSIGNED)
    job = asked(officer)
    assert domain_jobs.begin(job.id) is not None  # and then the machine went off

    assert (done(job).state, job.message) == (DONE, "共 2 条。")
    assert len(opened(fetched(officer, job), "csv")) == 3
    file, finished = job.file, job.finished_at
    assert (done(job).file, job.finished_at) == (file, finished)  # a second worker finds nothing to do


def test_a_list_of_many_rows_costs_the_same_statements(officer, statements, monkeypatch, app):
    monkeypatch.setitem(app.config, "EXPORT_ROWS", 1000)
    costs = []
    for number in (1, 50):
        for _ in range(number):
            task(UNASSIGNED)
        with statements() as seen:
            officer.post("/assignments/export", {"format": "xlsx"})
        costs.append(len(seen))

    assert costs[0] == costs[1] <= 12


def test_every_kind_of_job_has_a_word_and_what_is_waited_for_a_handler():
    assert set(KINDS) == domain_jobs.KINDS
    assert set(jobs.HANDLERS) <= domain_jobs.KINDS
    assert set(jobs.HANDLERS) >= domain_jobs.TOLD


def test_a_kind_that_is_not_known_is_no_job(rows):
    with pytest.raises(ValueError, match="nonsense"):
        domain_jobs.ask("nonsense", access.Principal(kind="authority", account_id=1))


# --- On committed rows, with a worker beside -----------------------------------------------------


@pytest.fixture
def committed(office, monkeypatch, limit) -> Callable[..., Any]:
    monkeypatch.setitem(office.config, "EXPORT_ROWS", 1)
    home = authority("330106")
    unit = unit_of("enterprise")
    for number in range(12):
        instrument(unit=unit, model=f"LXS-{number}")
    person = account("Analyst", home)
    token = sessions.start(person, confirmed=True, address="", device="pytest")
    db.session.commit()
    client = office.test_client()
    with client.session_transaction() as session:
        session.update(_user_id=token, _fresh=True, locale="zh")
    told: Any = Context().run(lambda: client.get("/session/token"))
    signed_in = Person(client, person, told.json["token"])

    def ask(kind):
        answer = Context().run(
            lambda: client.post("/queries/instruments/export", data={"csrf_token": signed_in.token, "format": kind})
        )
        assert answer.status_code == 303
        db.session.rollback()
        job = newest()
        assert job.state == WAITING
        return signed_in, job

    return ask


def beside(office, job_id):
    with office.app_context(), access.seeing(access.EVERYTHING):
        jobs.do(job_id)


@pytest.mark.parametrize("kind", KIND)
def test_a_cancelled_export_stops_at_its_next_step_and_leaves_nothing(office, committed, kind, monkeypatch, tmp_path):
    monkeypatch.setattr(spreadsheet.exports, "_TOLD_EVERY", 1)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    person, job = committed(kind)
    before, seen = kept_files(office), []
    real = domain_jobs.progress

    def cancelled_at_the_third_row(job_, done_, total, message=None):
        seen.append((message, done_, total))
        if done_ == 3:
            chosen = {"csrf_token": person.token, "selection": "ids", "id": str(job_.id)}
            answer: Any = Context().run(lambda: person.client.post("/jobs/act/cancel", data=chosen))
            assert answer.status_code == 303
        real(job_, done_, total, message)

    monkeypatch.setattr(domain_jobs, "progress", cancelled_at_the_third_row)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(beside, office, job.id).result()

    db.session.rollback()
    assert (newest().state, newest().file) == (CANCELLED, None)
    assert seen == [
        ("正在统计条数", 0, 0), ("正在写入", 0, 12), ("正在写入", 1, 12), ("正在写入", 2, 12), ("正在写入", 3, 12),
    ]  # fmt: skip
    assert (kept_files(office), list(tmp_path.iterdir())) == (before, [])
    log = select(AuditEntry).where(AuditEntry.action == "export")
    assert db.session.scalars(log).all() == []
    assert db.session.scalars(select(Notification)).all() == []


def test_what_is_cancelled_while_the_file_is_kept_leaves_none(office, committed, monkeypatch):
    _person, job = committed("csv")
    before, real = kept_files(office), files.keep_stream

    def kept_and_cancelled(file):
        name = real(file)
        with office.app_context(), access.seeing(access.EVERYTHING):
            db.session.execute(
                update(Job).where(Job.id == job_id).values(state=CANCELLED, finished_at=datetime.now(UTC))
            )
            db.session.commit()
        assert name in kept_files(office)
        return name

    job_id = job.id
    monkeypatch.setattr(files, "keep_stream", kept_and_cancelled)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(beside, office, job_id).result()

    db.session.rollback()
    assert (newest().state, newest().file, kept_files(office)) == (CANCELLED, None, before)


def test_rows_that_come_in_between_are_told_and_not_lost(office, committed, monkeypatch):
    monkeypatch.setitem(office.config, "EXPORT_SHEET_ROWS", 12)
    _person, job = committed("xlsx")
    real = domain_jobs.progress
    unit_id = db.session.scalars(select(Instrument.using_unit_id).limit(1)).one()
    db.session.rollback()

    def one_more(job_, done_, total, message=None):
        real(job_, done_, total, message)
        if message == "正在写入":
            with office.app_context(), access.seeing(access.EVERYTHING):
                instrument(unit=db.session.get(Organization, unit_id))
                db.session.commit()

    monkeypatch.setattr(domain_jobs, "progress", one_more)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(beside, office, job.id).result()

    db.session.rollback()
    assert (newest().state, newest().message) == (BROKEN, "生成期间有新数据，请重新导出。")
