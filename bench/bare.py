"""The hand-written SQL behind bare Flask views and plain Jinja tables: no login, no menu, no rules."""

import os
import tempfile
import threading
from datetime import date
from typing import Any

from flask import Flask, render_template_string, request, send_file

from bench import portal, sql

EMPTY = "<!doctype html><title>bare</title><ul>{% for p, v in held %}<li>{{ p }} {{ v }}{% endfor %}</ul>"
TABLE = """<!doctype html><title>bare</title><p>{{ total }}</p><table>
<tr>{% for head in heads %}<th>{{ head }}{% endfor %}
{% for row in rows %}<tr data-id="{{ row[0] }}">{% for cell in row[1:] %}<td>{{ cell }}</td>{% endfor %}</tr>
{% endfor %}</table>"""

_own = threading.local()


def create_app() -> Flask:
    app = Flask(__name__)
    app.add_url_rule("/empty/", view_func=empty)
    app.add_url_rule("/page", view_func=page)
    app.add_url_rule("/search", view_func=search)
    app.add_url_rule("/assign", view_func=assign, methods=["POST"])
    app.add_url_rule("/portal", view_func=portal_search)
    app.add_url_rule("/check", view_func=portal_check)
    app.add_url_rule("/export", view_func=export, methods=["POST"])
    return app


def _connection() -> Any:
    if not hasattr(_own, "connection"):
        _own.connection = sql.connect(os.environ["DATABASE_URL"])
    return _own.connection


def _area() -> sql.Area:
    return sql.Area(request.values["prefix"], int(request.values["desk"]))


def _chosen() -> str:
    if "until" in request.form:
        return sql.until(date.fromisoformat(request.form["until"]))
    return sql.these([int(id) for id in request.form.getlist("id")])


def _table(answer: sql.Answer) -> str:
    rows, total = answer
    return render_template_string(TABLE, rows=rows, total=total, heads=sql.HEADS)


def empty() -> str:
    return render_template_string(EMPTY, held=sql.shell(_connection(), request.values["account"]))


def page() -> str:
    return _table(sql.page(_connection(), _area(), int(request.values["page"])))


def search() -> str:
    term = {"serial": sql.serial, "name": sql.name}[request.values["field"]](request.values["q"])
    return _table(sql.SEARCHES[request.values["plan"]](_connection(), _area(), term))


def portal_search() -> str:
    return _table((portal.search(_connection(), request.values["q"]), 0))


def portal_check() -> str:
    return _table((portal.check(_connection(), request.values["no"], request.values["code"]), 0))


def assign() -> str:
    return str(sql.assign(_connection(), _chosen(), _area(), int(request.form["institution"])))


def export() -> Any:
    write = {"csv": sql.csv, "xlsx": sql.xlsx}[request.form["format"]]
    file = tempfile.TemporaryFile()  # noqa: SIM115 -- Flask closes it when it is sent
    write(_connection(), _chosen(), file)
    file.seek(0)
    return send_file(file, download_name=f"bare.{request.form['format']}")
