"""Settings, read from the environment; a missing secret stops the start."""

import os
from datetime import timedelta
from pathlib import Path

# Two things cost a web request more than they bring it: starting parallel workers, and trying every order of joins,
# which our statements name in the right order. One brings more than it costs: seeing that conditions contradict each
# other, as when a list is narrowed to rows of which none can stand in its second part.
OPTIONS = (
    "-c timezone=Asia/Shanghai -c jit=off -c max_parallel_workers_per_gather=0 -c join_collapse_limit=1"
    " -c constraint_exclusion=on"
)


DATA = Path(os.environ.get("DATA_DIR", Path(__file__).parent / "data")).absolute()


class Config:
    """What the application reads. Give a mapping instead of the environment to start it otherwise."""

    BABEL_DEFAULT_LOCALE = "zh"
    BABEL_DEFAULT_TIMEZONE = "Asia/Shanghai"
    BABEL_TRANSLATION_DIRECTORIES = "translations"
    LANGUAGES = {  # noqa: RUF012 -- Flask reads it, nobody changes it
        "zh": {"flag": "cn", "name": "中文"},
        "en": {"flag": "gb", "name": "English"},
    }
    # Roles and permissions are written by `flask roles sync`, tables by migrations: never at the start.
    FAB_UPDATE_PERMS = False
    FAB_CREATE_DB = False
    FAB_ADD_SECURITY_API = False
    FAB_API_SWAGGER_UI = False
    FAB_ADD_OPENAPI_VIEWS = False
    FAB_ADD_MENU_API = False

    SESSION_COOKIE_HTTPONLY = True
    SESSION_COOKIE_SAMESITE = "Lax"
    PERMANENT_SESSION_LIFETIME = timedelta(hours=10)
    # A session ends after half an hour without a request, and after ten hours in any case.
    IDLE = timedelta(minutes=30)
    # Static files may be shared by caches: no answer carries the cookie that does not change it.
    SESSION_REFRESH_EACH_REQUEST = False
    WTF_CSRF_TIME_LIMIT = None
    # A page of 200 ticked rows is far below both; a form bomb is not. Who is not signed in fills in short forms only.
    MAX_CONTENT_LENGTH = 2 * 1024 * 1024
    ANONYMOUS_CONTENT_LENGTH = 64 * 1024
    MAX_FORM_PARTS = 6000
    # An export of more rows than this is made in the background, and none has more than EXPORT_MOST. A sheet of a
    # workbook takes EXPORT_SHEET_ROWS below its headers, and what is more goes into another one.
    EXPORT_ROWS, EXPORT_MOST, EXPORT_SHEET_ROWS = 50_000, 5_000_000, 1_048_575
    # How often everybody may ask, for each address: searches of the portal and questions of programs in a minute
    # (more with an access key), and checks of certificates in ten minutes. Of analysts each key in a minute.
    PORTAL_RATE, OPEN_DATA_RATE, OPEN_DATA_KEY_RATE, CHECK_RATE, API_RATE = 120, 60, 600, 30, 120

    def __init__(self, environment: "os._Environ[str] | dict[str, str]" = os.environ):
        self.SQLALCHEMY_DATABASE_URI = _required(environment, "DATABASE_URL")
        self.SECRET_KEY = _required(environment, "SECRET_KEY")
        # Encrypts secrets in the database and seals the audit log: to be kept as long as these are.
        self.DATA_KEY = environment.get("DATA_KEY") or self.SECRET_KEY
        # Photos, seals, signed documents and results of jobs; and the institutions' keys, kept apart from the database.
        self.FILES = environment.get("FILES") or str(DATA / "files")
        self.KEYS = environment.get("KEYS") or str(DATA / "keys")
        # Where sealed entries of the audit log are sent: file:PATH, syslog:HOST:PORT or syslog:PATH; empty: nowhere.
        self.AUDIT_TARGET = environment.get("AUDIT_TARGET", "")
        # Where the system is reached from outside: what printed QR codes say.
        self.PUBLIC_URL = environment.get("PUBLIC_URL", "http://127.0.0.1:8080").rstrip("/")
        # Mail goes out only where a server is named.
        self.SMTP_HOST = environment.get("SMTP_HOST", "")
        self.SMTP_PORT = _number(environment, "SMTP_PORT", 587)
        self.SMTP_USER = environment.get("SMTP_USER", "")
        self.SMTP_PASSWORD = environment.get("SMTP_PASSWORD", "")
        self.SMTP_TLS = environment.get("SMTP_TLS", "1") == "1"
        self.SMTP_FROM = environment.get("SMTP_FROM") or self.SMTP_USER
        # The malware scanner that sees each uploaded file (clamd), as host:port or as the path of its socket.
        self.CLAMD = environment.get("CLAMD", "")
        # Whether staff of authorities must sign in with a second factor.
        self.SECOND_FACTOR = environment.get("SECOND_FACTOR", "0") == "1"
        # The names by which the server is known; empty: any.
        names = [name.strip() for name in environment.get("HOSTS", "").split(",") if name.strip()]
        self.TRUSTED_HOSTS = [*names, "localhost", "127.0.0.1", "[::1]"] if names else None
        # How many proxies stand before the server, each adding to X-Forwarded-For.
        self.PROXIES = _number(environment, "PROXIES", 0)
        self.SESSION_COOKIE_SECURE = environment.get("COOKIE_SECURE", "0") == "1"
        if self.SESSION_COOKIE_SECURE:
            self.SESSION_COOKIE_NAME = "__Host-session"  # the browser then takes it from this host alone
        # The web server: how many processes, each with how many threads, connections in all and from one address; and
        # the seconds for which a connection is kept open for the next request.
        self.WEB_PROCESSES = _number(environment, "WEB_PROCESSES", 2)
        self.WEB_THREADS = _number(environment, "WEB_THREADS", 4)
        self.CONNECTIONS = _number(environment, "CONNECTIONS", 1000)
        self.CONNECTIONS_PER_ADDRESS = _number(environment, "CONNECTIONS_PER_ADDRESS", 200)
        self.KEEP_ALIVE = _number(environment, "KEEP_ALIVE", 75)
        # The server's requests may not run for ever, nor wait long for somebody else; commands and the worker may.
        statement, lock = environment.get("STATEMENT_TIMEOUT", "0"), environment.get("LOCK_TIMEOUT", "0")
        timeouts = f"-c statement_timeout={statement} -c lock_timeout={lock}"
        self.SQLALCHEMY_ENGINE_OPTIONS = {
            "pool_size": 8,
            "max_overflow": 8,
            "hide_parameters": True,  # what people typed does not belong into the log of a failed statement
            "pool_pre_ping": True,  # after a restart of the database no request fails
            "connect_args": {
                "application_name": "metrology",
                "options": f"{OPTIONS} {timeouts}",
                "connect_timeout": 5,
            },
        }


def _number(environment: "os._Environ[str] | dict[str, str]", name: str, default: int) -> int:
    value = environment.get(name) or str(default)
    if not value.isdecimal():
        raise RuntimeError(f"{name} is {value!r}; it must be a whole number.")
    return int(value)


def _required(environment: "os._Environ[str] | dict[str, str]", name: str) -> str:
    value = environment.get(name)
    if not value:
        raise RuntimeError(f"{name} is not set. `python3 run.py` sets it; see README.")
    return value
