"""The application: database, access, errors, pages and commands, put together in that order."""

from typing import Any

from flask import Flask
from flask_wtf import CSRFProtect

from config import Config


def create_app(config: Any = None) -> Flask:
    """The application for one configuration; by default the one in the environment."""
    from app import access, commands, errors, fabkit, views, words
    from app.models import db

    words.compile_translations()  # before anything speaks: what is not found then stays unfound
    app = Flask(__name__)
    app.config.from_object(config or Config())
    db.init_app(app)
    errors.install(app)
    with app.app_context():
        access.install(db.session)
        fabkit.install(app, db.session)
        CSRFProtect(app)  # after it is known who asks: its refusal is a page with the person's menu
        views.register(app)
    commands.register(app)
    return app
