"""What the program never does, whoever writes the next line of it: found by reading the source."""

import ast
import re
from hashlib import sha256
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = {
    str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
    for path in (*ROOT.glob("app/**/*.py"), ROOT / "config.py", ROOT / "run.py")
    if "migrations" not in path.parts
}
TREES = {name: ast.parse(source) for name, source in SOURCES.items()}
TEMPLATES = {
    str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in ROOT.glob("app/templates/**/*.html")
}
SCRIPTS = {path.name: path.read_text(encoding="utf-8") for path in ROOT.glob("app/static/*.js")}


def calls():
    """(file, what is called, the call) of each call."""
    for name, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                yield name, ast.unparse(node.func), node


def modules():
    """(file, module) of each import."""
    for name, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                yield from ((name, each.name) for each in node.names)
            elif isinstance(node, ast.ImportFrom) and not node.level:
                yield name, node.module
                yield from ((name, f"{node.module}.{each.name}") for each in node.names)


def importing(*wanted):
    """The files that import one of these modules, or something of it."""
    return {name for name, module in modules() if any(f"{module}.".startswith(f"{each}.") for each in wanted)}


def test_no_text_is_run_as_a_program():
    """Neither as Python nor by a shell; and what is unpacked is never made into objects of its own choice."""
    run = {"eval", "exec", "compile", "__import__", "os.system", "os.popen", "subprocess.getoutput"}

    assert [(name, called) for name, called, _call in calls() if called in run] == []
    programs = [(name, call) for name, called, call in calls() if called.startswith("subprocess.")]
    assert [name for name, call in programs if any(each.arg == "shell" for each in call.keywords)] == []
    assert importing("pickle", "marshal", "shelve", "yaml", "dill", "jsonpickle", "joblib") == set()


def test_no_template_is_made_of_a_text():
    """And nothing escapes the escaping but what the server drew itself: menu and frame, kept per role."""
    made = ("render_template_string", "from_string", "Template", "Environment")

    assert [name for name, called, _call in calls() if called.rpartition(".")[2] in made] == []
    assert re.findall(r"\w+", " ".join(re.findall(r"{{([^}]+)\| ?safe", "".join(TEMPLATES.values())))) == [
        "shell", "sidebar", "shell", "fixed",
    ]  # fmt: skip
    assert [name for name, text in TEMPLATES.items() if "autoescape" in text] == []


def test_no_statement_is_put_together_from_what_people_send():
    """A statement as text is a constant, or made of names of our own tables; values go as parameters."""
    composed = {
        "app/domain/history.py",  # the name and the days of a partition
        "app/models/base.py",  # columns and conditions of indexes
        "app/models/inspections.py",
        "app/models/verification.py",
        "app/schema.py",  # the table of a failed migration
        "app/seeding/loading.py",  # the sequence of a table
    }
    found = {
        name
        for name, called, call in calls()
        if (called in ("text", "literal_column", "DDL") or called.endswith(".execute"))
        and call.args
        and isinstance(call.args[0], ast.JoinedStr | ast.BinOp)
    }

    assert found <= composed


def test_no_pattern_is_made_of_a_text():
    patterns = [(name, call.args[0]) for name, called, call in calls() if called.startswith("re.") and call.args]

    assert [name for name, pattern in patterns if not isinstance(pattern, ast.Constant)] == []
    assert "RegExp(" not in "".join(SCRIPTS.values())


def test_nothing_is_fetched_from_an_address():
    """The program speaks to the database, the mail server, the scanner and the log, each named by a setting."""
    clients = ("urllib.request", "urllib3", "requests", "httpx", "aiohttp", "http.client", "ftplib", "telnetlib")

    assert importing(*clients) == {"run.py"}  # asks the server that it has started itself
    assert importing("socket") == {
        "app/commands.py", "app/malware.py", "app/postgres.py", "app/server.py", "app/supervision.py", "run.py",
    }  # fmt: skip
    assert importing("smtplib") == {"app/outside.py", "app/domain/monthly_reports.py"}  # catches its errors


def test_xml_is_read_in_one_place_without_entities():
    """`tests/test_incoming_sheets.py::test_entities_are_refused_wherever_they_are` shows what that place does."""
    assert importing("xml", "lxml", "defusedxml", "xmltodict", "ldap", "ldap3") == {
        "app/spreadsheet/workbooks.py",
        "app/spreadsheet/stamps.py",  # writes it, and escapes what it writes
    }


def test_no_hash_is_weak_and_nothing_secret_is_drawn_by_a_guessable_generator():
    weak = ("hashlib.md5", "hashlib.sha1", "hashlib.new")

    assert [(name, called) for name, called, _call in calls() if called in weak] == []
    assert importing("hashlib.md5", "hashlib.sha1", "uuid") == set()
    drawing = {name for name in importing("random") if not name.startswith("app/seeding/")}
    assert drawing == {"app/puzzles.py"}
    assert "random = SystemRandom()" in SOURCES["app/puzzles.py"]


def test_a_parameter_is_asked_for_where_it_is_expected():
    """In the address or in the form, never in whichever has it."""
    assert [name for name, source in SOURCES.items() if "request.values" in source] == []


@pytest.mark.parametrize(
    "unsafe",
    [
        r"\beval\(", r"new Function", r"\.innerHTML\s*\+?=", r"\.outerHTML\s*\+?=", "insertAdjacentHTML",
        r"document\.write", "createContextualFragment", r"setTimeout\(\s*[\"'`]", r"__proto__", r"window\.\w+.*message",
        r"window\.open", r"\w\[[a-zA-Z.]+\] = ", r"[^=!<>]==[^=]", r"!=[^=]",
    ],
)  # fmt: skip
def test_no_script_of_ours_takes_text_for_markup_or_program(unsafe):
    """Nor does one compare loosely, or take messages from other windows."""
    assert [name for name, text in SCRIPTS.items() if re.search(unsafe, text)] == []


def test_charts_draw_texts_and_no_markup():
    assert 'renderMode: "richText"' in SCRIPTS["charts.js"]


def test_what_the_program_is_made_of_is_pinned_with_checksums():
    """Python packages by version and hash, files of the front end by their own."""
    for name in ("requirements.txt", "requirements-dev.txt"):
        text = (ROOT / name).read_text(encoding="utf-8")
        packages = re.split(r"\n(?=[a-z0-9])", re.sub(r"^\s*#.*$", "", text, flags=re.MULTILINE).strip())
        assert [each for each in packages if not re.match(r"[\w.\[\]-]+==\S+.*\\\n\s+--hash=sha256:", each)] == []

    vendor = ROOT / "app/static/vendor"
    listed = {}
    for line in (vendor / "CHECKSUMS").read_text(encoding="utf-8").splitlines():
        checksum, name = line.split("  ")
        listed[name] = checksum
    there = {f"./{path.relative_to(vendor)}" for path in vendor.rglob("*") if path.is_file()}
    assert there - set(listed) == {"./CHECKSUMS", "./refresh.sh"}
    assert [
        name for name, checksum in listed.items() if sha256((vendor / name).read_bytes()).hexdigest() != checksum
    ] == []
