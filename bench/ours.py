"""The real application, with one empty page more and exports of any size."""

from typing import Any

from flask import Flask
from flask_appbuilder import expose

import app
from app.fabkit.pages import Page
from app.fabkit.security import permitted
from config import Config


class EmptyPage(Page):
    """Nothing but what stands around every page."""

    route_base = "/empty"
    default_view = "index"
    class_permission_name = "Assignments"

    @expose("/", methods=["GET"])
    @permitted("list")
    def index(self) -> Any:
        return self.render_template("base.html")


def create_app() -> Flask:
    config = Config()
    config.EXPORT_ROWS = 10_000_000  # type: ignore[assignment]
    config.PORTAL_RATE = config.CHECK_RATE = 10**9  # type: ignore[misc]  # everything is asked from one address
    application = app.create_app(config)
    with application.app_context():
        application.extensions["kit"].add_view_no_menu(EmptyPage)
    return application
