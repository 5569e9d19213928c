"""The shape of the system: who imports whom, what every page and every big table must be, what we replaced upstream."""

import ast
import hashlib
import inspect
import re
from collections import Counter
from pathlib import Path
from typing import Any

import flask_appbuilder
import pytest
from alembic import command
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po
from flask_appbuilder import AppBuilder, ModelView
from flask_appbuilder.actions import action
from flask_appbuilder.security.sqla.manager import SecurityManager
from sqlalchemy import UniqueConstraint

from app import access, views
from app.access import ROLES
from app.fabkit import roles
from app.fabkit.pages import ModelPage, Page
from app.models import (
    AuditEntry,
    Big,
    KeptByUsingUnit,
    Model,
    OfferedByInstitution,
    OwnedByAccount,
    OwnedByInstitution,
    SharedByAccount,
    WithinRegion,
)
from app.schema import alembic

ROOT = Path(__file__).parent.parent
APP = ROOT / "app"
# Each may import what stands to its left, and its own layer.
LAYERS = (
    "states texts finding",
    "models numbers ciphers sandbox spreadsheet files malware outside papers signatures puzzles supervision request_log"
    " outages telephones",
    "access",
    "audit counting",
    "errors",
    "workflow fabkit",
    "domain",
    "pages",
    "views",
    "rest",
)
FOLDERS = {name: level for level, names in enumerate(LAYERS) for name in names.split()}
# What cannot go through the session's own narrowing, and why it may.
BEYOND_THE_SESSION = {
    "access.py": "is the narrowing",
    "counting.py": "defines what is counted, of whatever rows are given to it",
    "workflow.py": "writes what it reads in one statement, through access.visible",
    "domain/tallies.py": "folds and proves the tallies for everybody, in commands and the worker",
    "domain/history.py": "makes partitions",
    "domain/bookings.py": "drafts tasks of instruments that the session has narrowed",
    "domain/ledger.py": "asks of an instrument what its province has settled, and whether it is booked",
    "domain/catalogue_versions.py": "asks of the catalogue, which is for everybody, what can be published",
    "domain/standards.py": "asks of a standard, in the statement that moves it, whose institution it is",
    "domain/publications.py": "asks of a certificate its state, and the rule of the nearest authority",
    "domain/certificates.py": "an instrument stands as its newest certificate says, whoever issued it",
    "domain/using_units.py": "counts the instruments of a using unit, wherever they are",
    "domain/workloads.py": "tells of an institution what it has open, the same to every reader",
    "domain/jobs.py": "speaks to the worker's queue",
    "domain/deadlines.py": "gives the value of a column, from what the provinces have settled for everybody",
    "domain/holidays.py": "counts the calendar, which is for everybody",
    "domain/search.py": "takes the first few of an index before the session is asked which of them are seen",
    "domain/health.py": "asks whether database and worker are there",
    "schema.py": "names rows that a new constraint does not allow",
    "puzzles.py": "draws text",
    "spreadsheet": "streams what pages have narrowed",
    "models": "declares indexes and constraints",
    "migrations": "are the tables",
    "seeding": "loads demo data by COPY",
}


# Where rows are read or written that the acting person does not see, and why.
BEYOND_ANY_PERSON = {
    "access.py": "defines it",
    "commands.py": "nobody is at the terminal but the operator",
    "jobs.py": "the clock acts for everybody",
    "domain/tallies.py": "folds and proves for everybody",
    "domain/certificates.py": "prints a certificate with the seal of its institution, whoever takes it away",
    "domain/scans.py": "shows everybody the few facts of a sealed code",
    "domain/portal.py": "asks as the public, whoever looks",
    "domain/certificate_checks.py": "answers whoever holds the number and the code of a certificate",
    "domain/dumps.py": "writes what the public sees, and asks what was taken back since",
    "domain/ledger.py": "asks whether an instrument is in somebody's ledger already, and tells the place only",
    "domain/institution_sheets.py": "asks whether a credit code is taken, and tells that only",
    "domain/organizations.py": "counts what an organization still has to do, wherever it is",
    "domain/mergers.py": "refuses a merger whose rows the person does not all see; tallies follow their tasks",
    "fabkit/security.py": "finds out who the person is",
    "pages/login.py": "nobody is known yet",
    "pages/registration.py": "nobody is known yet",
}


def modules():
    return [path for path in sorted(APP.rglob("*.py")) if "migrations" not in path.parts]


def imports(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def layer(path):
    part = path.relative_to(APP).parts[0].removesuffix(".py")
    return FOLDERS.get(part, FOLDERS["rest"])


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(APP)))
def test_imports_go_one_way(path):
    ours = {name.split(".")[1] for name in imports(path) if name.startswith("app.")}
    upward = {name for name in ours if name in FOLDERS and FOLDERS[name] > layer(path)}

    assert upward == set()


@pytest.mark.parametrize("path", sorted((APP / "domain").glob("*.py")), ids=lambda path: path.name)
def test_the_domain_knows_no_web(path):
    web = {"flask", "flask_appbuilder", "flask_wtf", "wtforms", "werkzeug", "flask_login"}

    assert {name.split(".")[0] for name in imports(path)} & web == set()


def test_only_fabkit_and_the_tables_know_flask_appbuilder():
    knowing = {
        str(path.relative_to(APP))
        for path in modules()
        if any(name.startswith("flask_appbuilder.") and name != "flask_appbuilder.expose" for name in imports(path))
        and path.relative_to(APP).parts[0] not in {"fabkit", "models", "demo.py"}
    }

    assert knowing == set()


def test_no_role_is_named_outside_access():
    pattern = re.compile("|".join(ROLES))
    naming = {
        str(path.relative_to(APP))
        for path in modules()
        if path.name not in {"access.py", "demo.py"} and pattern.search(path.read_text(encoding="utf-8"))
    }

    assert naming == set()


def test_nothing_reaches_rows_beyond_the_session_unless_listed():
    pattern = re.compile(r"__table__|(?<!def )\btext\(|\.raw_connection\(|\.exec_driver_sql\(")
    reaching = {str(path.relative_to(APP)) for path in modules() if pattern.search(path.read_text(encoding="utf-8"))}

    allowed = tuple(BEYOND_THE_SESSION)
    assert {path for path in reaching if not path.startswith(allowed)} == set()


def test_seeing_is_lifted_only_where_there_is_no_person():
    lifting = {
        str(path.relative_to(APP)) for path in modules() if re.search(r"seeing\(", path.read_text(encoding="utf-8"))
    }

    assert lifting <= set(BEYOND_ANY_PERSON)


def test_every_page_extends_the_kit(app):
    strangers = [type(view) for view in app.extensions["kit"].baseviews if not isinstance(view, Page)]

    assert strangers == []


def test_every_list_is_in_the_menu():
    known = {entry.page for entry in views.IN_MENU} | set(views.WITHOUT_MENU)

    def below(cls):
        return {cls, *(sub for child in cls.__subclasses__() for sub in below(child))}

    real = {page for page in below(ModelPage) if page.__module__.startswith("app.pages") and hasattr(page, "source")}
    assert real - known == set()


def test_every_action_of_a_page_is_a_permission_of_some_role_and_the_other_way_round(app):
    granted = {(page, name) for what in ROLES.values() for page, names in what.permissions.items() for name in names}
    offered, lent = set(), set()
    for view in app.extensions["kit"].baseviews:
        page = view.class_permission_name
        offered |= {(page, name) for name in view.base_permissions}
        for name, _action in getattr(view, "actions", {}).items():
            offered.add((page, name))
        for declared, _method in getattr(view, "form_actions", []):
            offered.add((page, declared.needs))
            # Known to Flask-AppBuilder by its own name, but done with another permission.
            lent |= {(page, declared.name)} if declared.permission else set()
    by_tab = {("Accounts", "take_role"), ("Accounts", "attach")}
    # Lists whose rows have nothing more to show, and nothing to take away.
    bare = {(page, name) for page in ("Deadlines", "Holidays", "ProvinceRules", "Notifications", "Jobs", "ClockRuns",
                                      "IssuingRules", "MonthlyReports", "LedgerImports")
            for name in ("can_show", "can_export")}  # fmt: skip

    assert granted - offered == by_tab
    assert offered - granted - lent - bare == set()


def test_the_database_has_the_roles_of_the_code(rows):
    assert roles.differences() == []


# --- Tables --------------------------------------------------------------------------------------


def big_tables() -> list[Any]:
    mapped: list[Any] = Big.__subclasses__()
    return [cls.__table__ for cls in mapped]


@pytest.mark.parametrize("table", big_tables(), ids=lambda table: table.name)
def test_a_big_table_can_be_spread_by_city(table):
    big = {other.name for other in big_tables()}
    uniques = [c.columns.keys() for c in table.constraints if isinstance(c, UniqueConstraint)]
    uniques += [[column.name for column in index.columns] for index in table.indexes if index.unique]
    among_big = [key for key in table.foreign_key_constraints if key.referred_table.name in big]

    assert "city_code" in table.primary_key.columns
    assert all("city_code" in columns for columns in uniques)
    assert all("city_code" in key.column_keys for key in among_big)
    assert not any(key.referred_table.name == "ab_user" for key in table.foreign_key_constraints)
    assert str(table.c.id.type) == "BIGINT"


def test_only_the_audit_log_has_a_trigger(rows):
    from sqlalchemy import text

    ours = (
        "SELECT tgrelid::regclass FROM pg_trigger WHERE NOT tgisinternal AND tgrelid::regclass::text NOT LIKE 'proc%'"
    )
    assert set(rows.scalars(text(ours))) == {"audit_entry", "audit_chain"}


def test_the_migrations_make_the_tables_of_the_models(app):
    with app.app_context():
        command.check(alembic())


def test_trigrams_know_chinese(rows):
    from sqlalchemy import text

    assert rows.scalar(text("SELECT cardinality(show_trgm('监督抽查')) > 0"))
    assert rows.scalar(text("SELECT bigrams('水表A')")) == ["水表", "表a"]


def test_every_table_has_a_mixin_or_is_for_everybody_on_purpose():
    for_everybody = {
        "region", "organization", "institution", "using_unit", "catalogue_item", "deadline", "holiday",
        "service_region", "captcha", "attempt", "audit_chain", "workday", "province_rule", "clock_run",
        "publication_rule", "alarm_threshold", "dump", "announced_change", "key_check", "pending_deed",
        "manufacturer", "manufacturer_name",
    }  # fmt: skip
    ours = {name for name in Model.metadata.tables if not name.startswith("ab_")}

    def below(cls):
        return {cls, *(sub for child in cls.__subclasses__() for sub in below(child))}

    mixins = (
        below(WithinRegion)
        | below(OwnedByInstitution)
        | below(OfferedByInstitution)
        | below(OwnedByAccount)
        | below(KeptByUsingUnit)
        | below(SharedByAccount)
        | {AuditEntry}
    )
    scoped = {cls.__tablename__ for cls in mixins if hasattr(cls, "__table__")}
    assert ours - scoped == for_everybody


@pytest.mark.parametrize("kind", ["authority", "institution", "using_unit", "public", "nobody"])
def test_every_table_that_is_somebodys_has_a_rule_for_everybody(kind):
    """A table without a rule is for everybody: of a mixin alone nothing follows."""
    mixins = (WithinRegion, OwnedByInstitution, OfferedByInstitution, KeptByUsingUnit)
    ruled = tuple(cls for cls, _rule in access.rules(access.Principal(kind=kind, organization_id=1, jurisdiction="33")))
    tables = {mapper.class_ for mapper in Model.registry.mappers if issubclass(mapper.class_, mixins)}

    unruled = {cls for cls in tables if not issubclass(cls, ruled)}

    # Authorities see what institutions own, for work may cross a border.
    assert {cls for cls in unruled if kind != "authority" or not issubclass(cls, OwnedByInstitution)} == set()


# --- Words ---------------------------------------------------------------------------------------


def used_messages():
    methods = [("**.py", "python"), ("templates/**.html", "jinja2")]
    keywords = {"_": None, "_l": None, "gettext": None, "lazy_gettext": None, "ngettext": (1, 2)}
    found = extract_from_dir(str(APP), methods, {}, keywords)
    return {message if isinstance(message, str) else message[0] for _file, _line, message, *_ in found}


def catalogue():
    with (APP / "translations/zh/LC_MESSAGES/messages.po").open("rb") as file:
        return [message for message in read_po(file) if message.id]


def test_a_word_has_one_chinese():
    text = (APP / "translations/zh/LC_MESSAGES/messages.po").read_text(encoding="utf-8")
    counted = Counter(re.findall('^msgid "(.+)"$', text, re.MULTILINE))

    assert [word for word, number in counted.items() if number > 1] == []


def test_every_word_has_its_chinese():
    translated = {
        message.id if isinstance(message.id, str) else message.id[0]
        for message in catalogue()
        if message.string and not message.fuzzy and (isinstance(message.string, str) or message.string[0])
    }

    assert used_messages() - translated == set()


def test_no_translation_is_left_over():
    known = {message.id if isinstance(message.id, str) else message.id[0] for message in catalogue()}

    assert known - used_messages() == set()


def test_translations_keep_their_placeholders():
    pattern = re.compile(r"%\(\w+\)[sd]")

    def forms(text: Any) -> set[str]:
        return set(pattern.findall(text if isinstance(text, str) else text[-1]))

    assert [message.id for message in catalogue() if forms(message.id) != forms(message.string)] == []


# --- What we replace upstream --------------------------------------------------------------------

REPLACED = {
    AppBuilder._add_admin_views: "96902d2fffbe940e",
    SecurityManager.register_views: "f53752629ef19a48",
    SecurityManager.load_user: "2f050bc6a3a74f94",
    SecurityManager.has_access: "47d07058e3490d53",
    ModelView.list: "d81529121390ab62",
    ModelView.show: "1e8e6f5412bead87",
    ModelView.add: "15ef7a4f9904f05a",
    ModelView.edit: "23515051a66d959c",
    ModelView.delete: "be011a573fad916c",
    ModelView.action: "2a262383056ce673",
    ModelView.action_post: "1cae459adb1785b4",
    action: "736d60b1b85e65d0",
}


def digest(function):
    return hashlib.sha256(inspect.getsource(function).encode()).hexdigest()[:16]


def test_upstream_is_what_we_replaced():
    """After an upgrade of Flask-AppBuilder: read what changed in these, see whether ours must follow, then note it."""
    changed = {
        function.__qualname__: digest(function) for function, known in REPLACED.items() if digest(function) != known
    }

    assert changed == {}, f"Flask-AppBuilder {flask_appbuilder.__version__}"
