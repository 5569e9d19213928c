#!/usr/bin/env python3
"""Starts everything from a bare checkout: environment, database, schema, demo data, worker, server; tests it.

Needs only Python; makes .venv, installs what is pinned there, and goes on inside it.
"""

from __future__ import annotations

import sys

if sys.version_info < (3, 11):  # noqa: UP036  the sentence for whoever comes with an older one
    sys.exit("需要 Python 3.11 或更高版本。 Python 3.11 or newer is needed.")

import argparse
import hashlib
import http.client
import logging
import os
import platform
import secrets
import shutil
import signal
import socket
import subprocess
import time
import venv
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from app.supervision import Child

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
DATA = Path(os.environ.get("DATA_DIR", ROOT / "data")).absolute()
WINDOWS = sys.platform == "win32"
PYTHON = VENV / ("Scripts/python.exe" if WINDOWS else "bin/python")
FLASK = [str(PYTHON), "-m", "flask", "--app", "app"]
# A crash may lose the database of a test; waiting for the disk in every test would cost more.
CARELESS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
# A request that takes longer than this, or waits longer for somebody else's, is stopped and says so; commands and the
# worker are not.
SERVING = {
    "STATEMENT_TIMEOUT": os.environ.get("STATEMENT_TIMEOUT", "120s"),
    "LOCK_TIMEOUT": os.environ.get("LOCK_TIMEOUT", "4s"),
}
SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
CHROMIUM_PLACES = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "C:/Program Files/Google/Chrome/Application/chrome.exe",
    "C:/Program Files (x86)/Microsoft/Edge/Application/msedge.exe",
)
OFFICE_PLACES = (
    "soffice",
    "libreoffice",
    "/Applications/LibreOffice.app/Contents/MacOS/soffice",
    "C:/Program Files/LibreOffice/program/soffice.exe",
)
TESSERACT_PLACES = ("tesseract", "/opt/homebrew/bin/tesseract", "C:/Program Files/Tesseract-OCR/tesseract.exe")
# What tests need beside Python: the variable that names it, where it may be, its name, its packages, and which tests.
PROGRAMS = (
    ("CHROMIUM", CHROMIUM_PLACES, "Chromium", ["chromium", "fonts-noto-cjk"], ("浏览器测试", "The browser tests")),
    ("SOFFICE", OFFICE_PLACES, "LibreOffice", ["libreoffice-calc-nogui"], ("表格测试", "The tests of sheets")),
    ("TESSERACT", TESSERACT_PLACES, "Tesseract", ["tesseract-ocr"], ("验证码测试", "The tests of captchas")),
)
STATIC_CHECKS = {
    "ruff check": ["ruff", "check", "."],
    "ruff format": ["ruff", "format", "--check", "."],
    "pyright": ["basedpyright"],
    "mypy": ["mypy"],
}
Results = dict[str, tuple[bool, float]]
HELP = """\
commands:
  (none)            start the system: environment, database, schema, demo data, worker, server
  test [ARGS]       run all checks and tests; with ARGS only pytest with them
  lint              run the checks that need no database
  bench [ARGS]      measure, on a database of its own
  flask COMMAND     run any flask command with the environment set up

environment:
  DATABASE_URL      PostgreSQL 15 or newer to use instead of the embedded one
  SECRET_KEY        signs sessions; made once in data/secret_key if not set
  DATA_KEY          encrypts secrets in the database, seals the audit log (default: SECRET_KEY)
  HOSTS             the names by which the server is known, with commas (default: any)
  PROXIES           how many proxies stand before the server (default: 0)
  WEB_PROCESSES     how many processes serve (default: 2), each with
  WEB_THREADS       so many threads (default: 4)
  CLAMD             the malware scanner (clamd) that sees uploads, as host:port or path of its socket (default: none)
  DATA_DIR          where the embedded database and the key live (default: data)
  CHROMIUM          the browser for the browser tests
  SOFFICE           LibreOffice, in which tests open sheets
  TESSERACT         the reader of pictures that tests set on captchas
"""


# Staff sign in with a second factor, and the cookie travels over TLS only (a proxy before the server does the TLS).
PRODUCTION = {"SECOND_FACTOR": "1", "COOKIE_SECURE": os.environ.get("COOKIE_SECURE", "1")}


class Refusal(Exception):
    """Why it cannot start, as sentences for the person at the terminal."""


class Failure(Exception):
    """What broke on the way."""


def main(argv: list[str]) -> int:
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace", line_buffering=True)  # pyright: ignore[reportAttributeAccessIssue]
    logging.basicConfig(format="%(asctime)s %(message)s")
    name, arguments = (argv[0], argv[1:]) if argv and argv[0] in COMMANDS else ("", argv)
    try:
        options = serving_options(arguments) if not name else None
        enter_environment(argv, development=name in {"test", "lint"})
        return serve(options) if options else COMMANDS[name](arguments)
    except Refusal as refusal:
        print(refusal, file=sys.stderr)
        return 2
    except Failure as failure:
        print(failure, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\n已停止。 Stopped.")
        return 130


def serving_options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="run.py", description=__doc__, epilog=HELP, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=8080, help="port to listen on (default: %(default)s)")
    parser.add_argument("--production", action="store_true", help="no demo data; SECRET_KEY must be set")
    options = parser.parse_args(arguments)
    if options.production and len(os.environ.get("SECRET_KEY", "")) < 32:
        raise Refusal(
            "生产模式须设置至少 32 个字符的环境变量 SECRET_KEY。\n"
            "Production needs the environment variable SECRET_KEY of at least 32 characters."
        )
    return options


def enter_environment(argv: list[str], development: bool) -> None:
    """Go on inside .venv, made and brought up to date if need be."""
    lists = ["requirements.txt", "requirements-dev.txt"] if development else ["requirements.txt"]
    with alone_in_checkout():
        make_environment()
        for requirements in lists:
            install(requirements)
    if Path(sys.prefix).resolve() == VENV.resolve():
        return
    command = [str(PYTHON), str(Path(__file__).resolve()), *argv]
    if WINDOWS:  # there exec gives the console back before the program ends
        sys.exit(subprocess.call(command))
    os.execv(command[0], command)  # noqa: S606  our own Python, our own arguments


@contextmanager
def alone_in_checkout() -> Iterator[None]:
    if WINDOWS:
        yield
        return
    import fcntl

    with (ROOT / ".venv.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def make_environment() -> None:
    with suppress(FileNotFoundError):
        made_by = (VENV / "pyvenv.cfg").read_text()
        if PYTHON.exists() and f"version = {platform.python_version()}\n" in made_by:
            return
    with step("Python 环境 environment"):
        try:
            venv.create(VENV, clear=True, with_pip=True, symlinks=not WINDOWS)
        except subprocess.CalledProcessError as error:
            raise Refusal(
                "无法创建 .venv：请安装 Python 的 venv 模块（Debian: apt install python3-venv）。\n"
                "Cannot make .venv: install Python's venv module (Debian: apt install python3-venv)."
            ) from error


def install(requirements: str) -> None:
    stamp = VENV / f"installed-{requirements}"
    wanted = hashlib.sha256((ROOT / requirements).read_bytes() + sys.version.encode()).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted:
        return
    commands = [uv_command(requirements)] if has_uv() else []
    with step(f"安装 install {requirements}") as tell:
        for command in [*commands, pip_command(requirements)]:
            if not (trouble := carry_out(command, tell)):
                stamp.write_text(wanted)
                return
        raise Failure(trouble)


def has_uv() -> bool:
    # A version manager may leave a uv on the PATH that only complains.
    uv = shutil.which("uv")
    return bool(uv) and subprocess.run([uv, "--version"], capture_output=True).returncode == 0


def uv_command(requirements: str) -> list[str]:
    return ["uv", "pip", "install", "--python", str(PYTHON), "--require-hashes", "-r", requirements]


def pip_command(requirements: str) -> list[str]:
    quiet = ["--disable-pip-version-check", "--no-input", "--progress-bar=off"]
    return [str(PYTHON), "-m", "pip", "install", *quiet, "--require-hashes", "-r", requirements]


def carry_out(command: Sequence[str], tell: Callable[[str], None]) -> str:
    """Run an installer with its talk condensed; its last words if it failed, else nothing."""
    lines: list[str] = []
    how = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "errors": "replace"}
    with subprocess.Popen(command, **how) as installer:
        for line in installer.stdout or ():
            lines.append(line)
            tell(" ".join(line.split()[:2]))
    return "".join(lines[-20:]) or str(command) if installer.returncode else ""


def serve(options: argparse.Namespace) -> int:
    from app import supervision  # only .venv can import the application

    stop_at_first_signal()
    with ExitStack() as stack:
        listening = None if WINDOWS else stack.enter_context(listen(options))
        url = stack.enter_context(database("postgres"))
        env = surroundings(url) | (PRODUCTION if options.production else {})
        env.setdefault("PUBLIC_URL", f"http://127.0.0.1:{options.port}")
        prepare(env, options.production)
        children = [
            supervision.Child("后台任务 worker", [*FLASK, "work"], env, ROOT),
            *(
                supervision.Child(f"服务 server {number}", server_command(options, listening), {**env, **SERVING}, ROOT)
                for number in range(1, server_processes() + 1)
            ),
        ]
        for each in children:
            stack.callback(each.stop)
        with step("启动服务 server"):
            wait_until_healthy(options, children)
        try:
            greet(options, env)
            watch(children, url)
        except KeyboardInterrupt:
            print("\n正在停止…… Stopping ...")
            for each in children:
                each.terminate()
    print("已停止。 Stopped.")
    return 0


def stop_at_first_signal() -> None:
    for number in SIGNALS:
        if number in {signal.SIGINT, signal.SIGTERM} or signal.getsignal(number) != signal.SIG_IGN:  # nohup
            signal.signal(number, interrupt)


def interrupt(number: int, frame: FrameType | None) -> None:
    # A second Ctrl-C must not break off the stopping.
    for each in SIGNALS:
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt


@contextmanager
def undisturbed() -> Iterator[None]:
    """A signal waits until what is being started is known well enough to be stopped."""
    waiting: list[int] = []
    ours = [number for number in SIGNALS if signal.getsignal(number) is interrupt]
    for number in ours:
        signal.signal(number, lambda number, _: waiting.append(number))
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, interrupt)
    if waiting:
        signal.raise_signal(waiting[0])


def listen(options: argparse.Namespace) -> socket.socket:
    """The socket from which all processes of the server accept."""
    from app import supervision

    patience = time.monotonic() + 10  # what a killed run.py left behind needs a moment to notice it
    while True:
        try:
            listening = supervision.listen(options.host, options.port)
        except OSError as error:
            if time.monotonic() > patience:
                raise Refusal(
                    f"无法监听 {options.host}:{options.port}，可能已被占用：请用 --port 换一个端口。\n"
                    f"Cannot listen on {options.host}:{options.port}, perhaps it is taken: choose another --port."
                ) from error
            time.sleep(0.2)
        else:
            listening.set_inheritable(True)
            return listening


def prepare(env: Mapping[str, str], production: bool) -> None:
    with step("准备数据 prepare", chatty=True):
        if finish([*FLASK, "prepare", *([] if production else ["--demo"])], env) != 0:
            raise Failure("准备数据失败。 Preparing the database failed.")
    if production and finish([*FLASK, "accounts", "--check"], env) != 0:
        raise Refusal(
            "数据库中有演示账号，不能用于生产：请换一个数据库，或先删除演示账号。\n"
            "The database has demo accounts, which production refuses: use another one or remove them."
        )


def server_command(options: argparse.Namespace, listening: socket.socket | None) -> list[str]:
    if listening is None:
        return [*FLASK, "serve", f"--host={options.host}", f"--port={options.port}"]
    return [*FLASK, "serve", f"--socket={listening.fileno()}"]


def server_processes() -> int:
    return 1 if WINDOWS else int(os.environ.get("WEB_PROCESSES", "2"))


def bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def wait_until_healthy(options: argparse.Namespace, children: Sequence[Child]) -> None:
    with undisturbed():
        for each in children:
            each.start()
    deadline = time.monotonic() + 120
    while not is_healthy(options):
        for each in children:
            if each.process and each.process.poll() is not None:
                raise Failure(f"{each.name} 未能启动。 It does not start ({each.process.returncode}).")
        if time.monotonic() > deadline:
            raise Failure("服务未能就绪。 The server does not become ready.")
        time.sleep(0.1)


def is_healthy(options: argparse.Namespace) -> bool:
    connection = http.client.HTTPConnection(reachable_host(options.host), options.port, timeout=5)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def reachable_host(host: str) -> str:
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  a name, nothing is bound


def greet(options: argparse.Namespace, env: Mapping[str, str]) -> None:
    print(f"\n已就绪 Ready: http://{bracketed(reachable_host(options.host))}:{options.port}/\n")
    if not options.production:
        finish([*FLASK, "accounts"], env)
    print("\n按 Ctrl-C 停止。 Ctrl-C stops it.")


def watch(children: Sequence[Child], url: str) -> None:
    """Start again whatever ends: the database, if it is the embedded one, the server, the worker."""
    from app import postgres

    while True:
        if not os.environ.get("DATABASE_URL") and not answers(url):
            try:
                postgres.revive(DATA / "postgres")
            except postgres.PostgresError as error:
                print(error, file=sys.stderr)
        for each in children:
            each.look_after()
        time.sleep(0.5)


def answers(url: str) -> bool:
    address = urlsplit(url)
    try:
        socket.create_connection((address.hostname, address.port), timeout=5).close()
    except OSError:
        return False
    return True


def test(arguments: list[str]) -> int:
    stop_at_first_signal()
    programs = {program[0]: needed(*program) for program in PROGRAMS}
    results: Results = {} if arguments else carry_out_checks(STATIC_CHECKS, os.environ)
    with database("test", CARELESS) as url, scratch_database(url) as scratch:
        env = surroundings(scratch) | {"TEST_DATABASE_URL": scratch} | programs
        del env["DATABASE_URL"]  # a test that forgets which database is its own must find none
        results |= carry_out_checks({"pytest": ["pytest", *(arguments or ["-n", "2"])]}, env)
    return summary(results)


def lint(arguments: list[str]) -> int:
    return summary(carry_out_checks(STATIC_CHECKS, os.environ))


def bench(arguments: list[str]) -> int:
    stop_at_first_signal()
    with database("bench") as url:
        return attend([str(PYTHON), "-m", "bench", *arguments], surroundings(url))


def flask(arguments: list[str]) -> int:
    stop_at_first_signal()
    with database("postgres") as url:
        return attend([*FLASK, *arguments], surroundings(url))


def carry_out_checks(checks: Mapping[str, list[str]], env: Mapping[str, str]) -> Results:
    """All of them, even after one has failed: whether it went well, and how long it took."""
    results: Results = {}
    for name, command in checks.items():
        print(f"\n--- {name}")
        start = time.monotonic()
        succeeded = attend([str(PYTHON), "-m", *command], env) == 0
        results[name] = (succeeded, time.monotonic() - start)
    return results


def summary(results: Results) -> int:
    print()
    for name, (succeeded, seconds) in results.items():
        print(f"{name:<12} {'ok' if succeeded else '未通过 FAILED':<14} {seconds:6.1f} s")
    return 0 if all(succeeded for succeeded, _ in results.values()) else 1


def needed(variable: str, places: Sequence[str], name: str, packages: list[str], tests: tuple[str, str]) -> str:
    """Where a program is that tests need, or a Refusal that says for which: in Chinese and in English."""
    found = installed(variable, places, name, packages)
    if not found:
        raise Refusal(
            f"{tests[0]}需要 {name}：请安装，或用环境变量 {variable} 指出其位置。\n"
            f"{tests[1]} need {name}: install it, or say where it is in the variable {variable}."
        )
    return found


def installed(variable: str, places: Sequence[str], name: str, packages: list[str]) -> str | None:
    """Where a program is that tests need; installed first if it is nowhere and that can be done."""
    found = os.environ.get(variable) or first_of(places)
    if not found and shutil.which("apt-get") and not WINDOWS and os.geteuid() == 0:
        install_packages(name, packages)
        found = first_of(places)
    return found if found and shutil.which(found) else None


def first_of(places: Sequence[str]) -> str | None:
    return next(filter(None, map(shutil.which, places)), None)


def install_packages(name: str, packages: list[str]) -> None:
    os.environ["DEBIAN_FRONTEND"] = "noninteractive"
    with step(f"安装 install {name}") as tell:
        for command in (["update"], ["install", "-y", "--no-install-recommends", *packages]):
            if trouble := carry_out(["apt-get", *command], tell):
                raise Failure(trouble)


@contextmanager
def database(name: str, settings: Mapping[str, str] | None = None) -> Iterator[str]:
    """The embedded server with its data under this name; DATABASE_URL may stand in for the system's own."""
    from app import postgres  # only .venv can import the application

    given = os.environ.get("DATABASE_URL") if name == "postgres" else None
    try:
        with ExitStack() as stack:
            with step("数据库 PostgreSQL"), undisturbed():
                embedded = postgres.running(DATA / name, settings)
                url = postgres.reachable(given) if given else stack.enter_context(embedded)
            yield url
    except postgres.PostgresError as error:
        raise Refusal(str(error)) from error


def scratch_database(url: str) -> AbstractContextManager[str]:
    from app import postgres

    return postgres.scratch(url)


def surroundings(url: str) -> dict[str, str]:
    key = os.environ.get("SECRET_KEY") or own_secret_key()
    return {**os.environ, "DATABASE_URL": url, "SECRET_KEY": key, "PYTHONUNBUFFERED": "1"}


def own_secret_key() -> str:
    path = DATA / "secret_key"
    DATA.mkdir(parents=True, exist_ok=True)
    with alone_in_checkout():
        if not path.exists():
            path.touch(mode=0o600)
            path.write_text(secrets.token_hex(32))
        return path.read_text()


@contextmanager
def step(name: str, chatty: bool = False) -> Iterator[Callable[[str], None]]:
    """Shows what is being done and, at its end, for how long; gives a way to tell how far it is."""
    start, live = time.monotonic(), sys.stderr.isatty() and not chatty

    def tell(progress: str) -> None:
        if live:
            print(f"\r\033[K{name} ... {progress}", end="", file=sys.stderr, flush=True)

    print(f"{name} ...", end="\n" if chatty else " ", file=sys.stderr, flush=True)
    outcome = "失败 failed, "
    try:
        yield tell
        outcome = ""
    finally:
        tell("")
        prefix = f"{name} ... " if chatty else ""
        print(f"{prefix}{outcome}{time.monotonic() - start:.1f} s", file=sys.stderr)


def attend(command: Sequence[str], env: Mapping[str, str]) -> int:
    """Run a command that hears Ctrl-C by itself, and stop with it."""
    heard: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: heard.append(number))
    try:
        code = subprocess.call(command, cwd=ROOT, env=env)
    finally:
        signal.signal(signal.SIGINT, before)
    if heard and code != 0:
        raise KeyboardInterrupt
    return code


def finish(command: Sequence[str], env: Mapping[str, str]) -> int:
    """Run a command to its end; it stops with us, also if we are killed and it reports to a supervisor."""
    from app import supervision

    one = supervision.Child(command[-1], command, env, ROOT)
    try:
        with undisturbed():
            one.start()
        return one.wait_for_end()
    finally:
        one.stop()


COMMANDS = {"test": test, "lint": lint, "bench": bench, "flask": flask}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
