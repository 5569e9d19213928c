"""Around the session: language, a fresh token, how long it lasts, and whether the server is well."""

from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from flask import abort, current_app, flash, g, redirect, request, session, url_for
from flask_appbuilder import expose
from flask_babel import gettext as _
from flask_wtf.csrf import generate_csrf

from app.domain import health, sessions
from app.fabkit.pages import Page
from app.models import db


class Health(Page):
    """For whoever watches over the server."""

    route_base = ""
    default_view = "health"

    @expose("/healthz", methods=["GET"])
    def health(self) -> Any:
        state = health.check()
        return {"status": state.status, "problems": state.problems}, state.code


class SessionView(Page):
    """What the page needs of the session beside login and logout."""

    route_base = "/session"
    default_view = "token"

    @expose("/token", methods=["GET"])
    def token(self) -> Any:
        """A fresh token for a page that was open for too long."""
        return {"token": generate_csrf()}, {"Cache-Control": "no-store"}

    @expose("/remaining", methods=["GET"])
    def remaining(self) -> Any:
        """How many seconds the session has left if nothing is done; asking does not prolong it."""
        return {"seconds": _seconds_left()}, {"Cache-Control": "no-store"}

    @expose("/extend", methods=["POST"])
    def extend(self) -> Any:
        """Stay signed in."""
        if "seen_at" not in g:
            abort(401)
        sessions.extend(session["_user_id"])
        db.session.commit()
        return {"seconds": _seconds_left()}

    @expose("/over", methods=["GET"])
    def over(self) -> Any:
        """Where a page goes whose session has run out: to the login page, which says why, and from there back."""
        if g.principal.account_id is None:
            flash(
                _("You were signed out for safety, because the session ran out. What you had typed is kept."), "warning"
            )
        return redirect(url_for("LoginView.login", next=request.args.get("next", "/")))

    @expose("/language/<code>", methods=["GET"])
    def language(self, code: str) -> Any:
        if code not in current_app.config["LANGUAGES"]:
            abort(404)
        session["locale"] = code
        came_from = urlsplit(request.referrer or "")
        here = came_from.netloc == request.host and came_from.path[:1] == "/" and came_from.path[:2] != "//"
        return redirect(f"{came_from.path}?{came_from.query}" if here else "/")


def _seconds_left() -> int:
    if "seen_at" not in g:
        return 0
    config = current_app.config
    left = sessions.left(session["_user_id"], config["IDLE"], config["PERMANENT_SESSION_LIFETIME"])
    return max(-(-left // timedelta(seconds=1)), 0)
