"""Our low-code kit over Flask-AppBuilder: the only package that touches its private seams."""

import logging
from collections.abc import Mapping
from datetime import timedelta
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from flask import Flask, Response, abort, current_app, g, request, url_for
from flask_appbuilder import AppBuilder

from . import public
from .admission import FormRequest, limit_body
from .security import (
    AccountSecurityManager,
    Reasons,
    guard_routes,
    hold_gate,
    identify,
    keep_own_organization,
    note_use,
    refuse_other_account,
)
from .shell import Menu, context

# Nothing is loaded from elsewhere and nothing runs that is not a file of ours; Tabler's CSS draws with data: images.
CONTENT_SECURITY_POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; media-src 'self'; "
    "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)


class Kit(AppBuilder):
    """Flask-AppBuilder without its own pages: home, back, language and API come from `pages` or not at all."""

    def _add_admin_views(self) -> None:
        self.sm.register_views()


def install(app: Flask, session: Any) -> None:
    """Put Flask-AppBuilder, with our security manager, on the application. Needs an application context."""
    kit = app.extensions["kit"] = Kit(app, session, security_manager_class=AccountSecurityManager)
    public.install(app, kit.bm.get_locale)
    app.request_class = FormRequest
    app.before_request(identify)
    app.before_request(limit_body)
    app.before_request(refuse_other_account)
    app.before_request(hold_gate)
    app.before_request(keep_own_organization)
    app.before_request(_refuse_nul)
    app.after_request(note_use)
    _name_static_files(app)
    app.after_request(_protect)


def register(app: Flask, pages: tuple[type, ...], menu: Menu, *, open_to_all: Reasons, for_accounts: Reasons) -> None:
    """Add the pages and the menu that leads to them; the lists name what asks for no permission, and why."""
    # It complains of columns that its own filters do not know: ours are declared.
    logging.getLogger("flask_appbuilder.models.filters").setLevel(logging.ERROR)
    for page in pages:
        app.extensions["kit"].add_view_no_menu(page)
    public.open_paths(app, pages)
    guard_routes(app, open_to_all, for_accounts)
    app.context_processor(lambda: context(menu))


def _name_static_files(app: Flask) -> None:
    """A static file's address changes with its content, so that browsers may keep it for ever."""
    app.config["SEND_FILE_MAX_AGE_DEFAULT"] = timedelta(days=365)

    @lru_cache(maxsize=256)
    def version(filename: str) -> str:
        return sha256((Path(app.static_folder or "") / filename).read_bytes()).hexdigest()[:8]

    @app.url_defaults
    def add_version(endpoint: str, values: dict[str, Any]) -> None:
        if endpoint == "static" and values.get("filename"):
            values["v"] = version(values["filename"])

    with app.test_request_context():
        app.jinja_env.globals["icons_url"] = url_for("static", filename="icons.svg")


def _refuse_nul() -> None:
    """PostgreSQL knows no NUL character in a text, and nobody types one."""
    given = [
        ("path", [request.path]),
        *request.args.lists(),
        *(request.form.lists() if request.method == "POST" else ()),
    ]
    if any("\x00" in value for _name, values in given for value in values):
        abort(400)


def protection(config: Mapping[str, Any]) -> dict[str, str]:
    """Return the headers that every answer carries, whoever gives it."""
    headers = {
        "Content-Security-Policy": CONTENT_SECURITY_POLICY,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "same-origin",
    }
    if config["SESSION_COOKIE_SECURE"]:
        headers["Strict-Transport-Security"] = "max-age=31536000; includeSubDomains"
    return headers


def _protect(response: Response) -> Response:
    for name, value in protection(current_app.config).items():
        response.headers.setdefault(name, value)
    if not (request.endpoint or "").endswith("static") and "is_kept" not in g:
        response.headers["Cache-Control"] = "no-store"
        response.headers.pop("Expires", None)
    return response
