"""Our low-code kit over Flask-AppBuilder: the only package that touches its private seams."""

from typing import Any

from flask import Flask, Response
from flask_appbuilder import AppBuilder

from .security import AccountSecurityManager, identify
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
    app.extensions["kit"] = Kit(app, session, security_manager_class=AccountSecurityManager)
    app.before_request(identify)
    app.after_request(_protect)


def register(app: Flask, pages: tuple[type, ...], menu: Menu) -> None:
    """Add the pages, and the menu that leads to them."""
    for page in pages:
        app.extensions["kit"].add_view_no_menu(page)
    app.context_processor(lambda: context(menu))


def _protect(response: Response) -> Response:
    response.headers.setdefault("Content-Security-Policy", CONTENT_SECURITY_POLICY)
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.headers.setdefault("Referrer-Policy", "same-origin")
    if response.mimetype == "text/html":
        response.headers.setdefault("Cache-Control", "no-store")
    return response
