"""Around the session: the first page after login, language, a fresh token, and whether the server is well."""

from typing import Any
from urllib.parse import urlsplit

from flask import abort, current_app, g, redirect, render_template, request, session, url_for
from flask_appbuilder import expose
from flask_wtf.csrf import generate_csrf
from sqlalchemy import text

from app.fabkit.pages import Page
from app.fabkit.shell import permitted_items
from app.models import db


class HomeView(Page):
    """The first page: the first one that the person may list, or what is missing for one."""

    route_base = ""
    default_view = "index"

    @expose("/", methods=["GET"])
    def index(self) -> Any:
        if g.principal.account_id is None:
            return redirect(url_for("LoginView.login"))
        for item in permitted_items(current_app.extensions["menu"]):
            return redirect(item.url or item.items[0].url or "/")
        return render_template("no_role.html")

    @expose("/healthz", methods=["GET"])
    def health(self) -> Any:
        db.session.execute(text("SELECT 1"))
        return {"status": "ok"}


class SessionView(Page):
    """What the page needs of the session beside login and logout."""

    route_base = "/session"
    default_view = "token"

    @expose("/token", methods=["GET"])
    def token(self) -> Any:
        """A fresh token for a page that was open for too long."""
        return {"token": generate_csrf()}, {"Cache-Control": "no-store"}

    @expose("/language/<code>", methods=["GET"])
    def language(self, code: str) -> Any:
        if code not in current_app.config["LANGUAGES"]:
            abort(404)
        session["locale"] = code
        came_from = urlsplit(request.referrer or "")
        here = came_from.netloc == request.host
        return redirect(f"{came_from.path}?{came_from.query}" if here and came_from.path else "/")
