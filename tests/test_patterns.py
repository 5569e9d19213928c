"""Every pattern of the application takes linear time, whatever text it meets."""

import ast
import importlib
import re
import time
from pathlib import Path
from typing import Any

import pytest

from app.spreadsheet import number_formats, plain_rows

ROOT = Path(__file__).parent.parent
APP = ROOT / "app"
# At most so many characters reach a pattern: less than the largest request.
LONGEST = 2**20
# A run that is too short says nothing about the next, longer one.
MEASURABLE = 0.001
METHODS = {"search", "match", "fullmatch", "findall", "finditer", "split", "sub", "subn"}
# Patterns that meet no text of others, and why.
OWN_TEXT = {
    ("app.schema", "_ADD_CHECK"): "statements that our migrations make",
}


def sources() -> list[Path]:
    return [path for path in sorted(APP.rglob("*.py")) if "migrations" not in path.parts]


def compiled() -> dict[tuple[str, str], tuple[re.Pattern[Any], set[str]]]:
    """The patterns of all modules, by module and name, with the methods that are called on them."""
    found = {}
    for path in sources():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        names = {
            target.id
            for node in tree.body
            if isinstance(node, ast.Assign) and ast.unparse(node.value).startswith("re.compile")
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        for name in names:
            module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            pattern = getattr(importlib.import_module(module), name)
            found[module, name] = (
                pattern,
                {
                    node.attr
                    for node in ast.walk(tree)
                    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == name
                }
                & METHODS,
            )
    return found


PATTERNS = compiled()


def nasty(pattern: re.Pattern[Any]) -> list[tuple[Any, Any]]:
    """Texts to repeat, with how they end: what the pattern itself is made of, so that it goes far before it fails."""
    source = pattern.pattern if isinstance(pattern.pattern, str) else pattern.pattern.decode("latin-1")
    literals = re.findall(r"[^\\()\[\]{}|?*+^$.]+", source)
    pieces = {
        " ",
        "0",
        "a",
        "A",
        "[",
        '"',
        "<",
        "'",
        "{",
        "=",
        "-",
        "_x",
        "0.",
        "\t",
        "甲",
        "、",
        "（",
        "<?xml ",
        "<c ",
    }
    pieces |= {text[:length] for text in literals for length in {1, 2, len(text)}} | set(source)
    pieces |= {f"{text}{more}" for text in literals for more in "0 "}
    ended = [(piece, end) for piece in sorted(pieces) for end in ("", "\x00")]
    if isinstance(pattern.pattern, bytes):
        return [(piece.encode(), end.encode()) for piece, end in ended]
    return ended


def seconds(pattern: re.Pattern[Any], method: str, text: Any) -> float:
    """Of this thread's own computing: other processes have theirs."""
    run = getattr(pattern, method)
    arguments = (text[:0], text) if method in ("sub", "subn") else (text,)
    started = time.thread_time()
    result = run(*arguments)
    if method == "finditer":
        list(result)
    return time.thread_time() - started


def is_linear(pattern: re.Pattern[Any], method: str, piece: Any, end: Any) -> bool:
    """Double the text until its time can be measured; then twice the text takes less than three times as long."""
    length = 1024
    while length < LONGEST and seconds(pattern, method, piece * (length // len(piece)) + end) < MEASURABLE:
        length *= 2

    def ratio(times: int) -> float:
        texts = (piece * (number * length // len(piece)) + end for number in (1, times))
        first, more = (min(seconds(pattern, method, text) for _ in range(3)) for text in texts)
        return more / first

    # The machine does other things as well: what looks slow is measured again, by a text whose square would be 64.
    return ratio(2) < 3 or any(ratio(8) < 24 for _attempt in range(3))


@pytest.mark.parametrize("name", sorted(set(PATTERNS) - set(OWN_TEXT)), ids=".".join)
def test_a_pattern_takes_linear_time(name):
    pattern, methods = PATTERNS[name]

    assert methods, "nobody uses it under its own name, so nobody knows how"
    slow = [
        (method, piece, end)
        for method in sorted(methods)
        for piece, end in nasty(pattern)
        if not is_linear(pattern, method, piece, end)
    ]
    assert slow == []


@pytest.mark.parametrize(
    ("pattern", "method"),
    [
        (re.compile(r'"[^"]*"|\\.|_.|\*.|\[[^\]]*\]'), "sub"),
        (re.compile(rb"""<\?xml [^>]*encoding=["']([^"']*)"""), "search"),
        (re.compile(r"\s+$"), "search"),
        (re.compile(r"\{[^}]*\}|[{}]"), "findall"),
    ],
)
def test_the_check_finds_patterns_that_are_not_linear(pattern, method):
    assert not all(is_linear(pattern, method, piece, end) for piece, end in nasty(pattern))


def test_patterns_have_a_name_so_that_they_are_checked():
    unnamed = []
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and isinstance(node.func.value, ast.Name)
                and node.func.value.id == "re"
                and node.func.attr in METHODS
            ):
                unnamed.append(f"{path.relative_to(APP)}:{node.lineno}")

    assert unnamed == []


def test_a_number_format_is_no_longer_than_excel_allows():
    assert not number_formats.is_moment('"open yyyy')
    assert not number_formats.is_moment("[red yyyy")
    assert number_formats.is_moment('[$-804]yyyy"年"m"月"')


def test_the_encoding_is_that_of_the_declaration_at_the_beginning():
    assert plain_rows._is_plain(b"\xef\xbb\xbf<?xml version='1.0' encoding='UTF-8'?><worksheet>")
    assert not plain_rows._is_plain(b'<?xml version="1.0"\n encoding = "gb2312"?><worksheet>')
    assert plain_rows._is_plain(b"<worksheet><?xml encoding='gb2312'?>")
