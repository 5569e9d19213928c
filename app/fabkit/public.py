"""What is for everybody: no session, no cookie, no person, in the language that the address names.

The answer is the same for all, so caches may keep it. They must ask each time whether it still holds, and its tag is
made of what it says: what is taken back is gone at once, everywhere.
"""

from collections.abc import Callable
from functools import wraps
from hashlib import sha256
from typing import Any

from flask import Flask, Request, Response, current_app, g, make_response, request
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface
from flask_compress import Compress

# Only here: packing a page together with a secret of its reader would give the secret away (BREACH).
_packing = Compress()


def install(app: Flask, usual_language: Callable[[], str | None]) -> None:
    app.config["COMPRESS_REGISTER"] = False
    app.config["COMPRESS_ALGORITHM"] = ["br", "gzip"]
    app.config["COMPRESS_EVALUATE_CONDITIONAL_REQUEST"] = False
    _packing.init_app(app)
    app.extensions["public_paths"] = app.extensions["key_paths"] = ()
    app.session_interface = Sessions()
    app.extensions["babel"].locale_selector = lambda: usual_language() if has_session() else language()


def open_paths(app: Flask, pages: tuple[type, ...]) -> None:
    """Remember what has no session: a page names the beginnings of its addresses in `public_paths` if it is for
    everybody, in `key_paths` if it is for programs with an access key.
    """
    for kind in ("public_paths", "key_paths"):
        app.extensions[kind] = tuple(path for page in pages for path in getattr(page, kind, ()))


def is_public() -> bool:
    """Whether the request asks for what is for everybody."""
    return bool(request) and request.path.startswith(current_app.extensions["public_paths"])


def has_session() -> bool:
    """Whether the request may come with a session; what is public has none, and programs have a key instead."""
    return not (bool(request) and request.path.startswith(_without_session(current_app)))


def _without_session(app: Flask) -> tuple[str, ...]:
    return (*app.extensions["public_paths"], *app.extensions["key_paths"])


def language() -> str:
    """The language that the address names, by default Chinese."""
    asked = request.args.get("lang", "")
    default: str = current_app.config["BABEL_DEFAULT_LOCALE"]
    return asked if asked in current_app.config["LANGUAGES"] else default


class Sessions(SecureCookieSessionInterface):
    """What is for everybody or for programs has a session that is empty and refuses to be written."""

    digest_method = staticmethod(sha256)  # of the cookie's signature; Flask's own is SHA-1

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        if request.path.startswith(_without_session(app)):
            return self.make_null_session(app)
        return super().open_session(app, request)


def for_everybody(method: Callable[..., Any]) -> Callable[..., Any]:
    """Let caches keep a page's answer, asking each time."""

    @wraps(method)
    def shown(*args: Any, **kwargs: Any) -> Any:
        return kept(make_response(method(*args, **kwargs)))

    return shown


def kept(response: Response) -> Any:
    """An answer that caches may keep, packed; to who has it already, that it still holds."""
    g.is_kept = True
    response.headers["Cache-Control"] = "public, no-cache"
    response.add_etag()
    packed = _packing.after_request(response)
    return packed.make_conditional(request)
