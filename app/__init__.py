"""The application: database, access, errors, pages and commands, put together in that order."""

from typing import Any

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from config import Config


def create_app(config: Any = None) -> Flask:
    """The application for one configuration; by default the one in the environment."""
    from app import access, audit, commands, errors, fabkit, request_log, views, words
    from app.fabkit.security import Protection
    from app.models import db

    words.compile_translations()  # before anything speaks: what is not found then stays unfound
    app = Flask(__name__)
    app.config.from_object(config or Config())
    proxies = app.config["PROXIES"]
    if proxies:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=proxies, x_proto=proxies, x_host=proxies)  # type: ignore[method-assign]
    db.init_app(app)
    request_log.install(app)
    errors.install(app)
    with app.app_context():
        access.install(db.session)
        audit.install(db.session)
        fabkit.install(app, db.session)
        Protection(app)  # after it is known who asks: its refusal is a page with the person's menu
        views.register(app)
    commands.register(app)
    return app
