"""The three web applications as waitress serves them, each telling in Server-Timing where its time went."""

import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

from flask import Flask, before_render_template, template_rendered
from sqlalchemy import Engine, event

_spent = threading.local()


def ours() -> Callable[..., Any]:
    from bench.ours import create_app

    return _timed(create_app())


def stock() -> Callable[..., Any]:
    from bench.stock import create_app

    return _timed(create_app())


def bare() -> Callable[..., Any]:
    from bench.bare import create_app

    return _timed(create_app())


def _timed(app: Flask) -> Callable[..., Iterable[bytes]]:
    """Tell of each request: its SQL statements, and the milliseconds in SQL, in templates and in all."""
    event.listen(Engine, "before_cursor_execute", _begin_sql)
    event.listen(Engine, "after_cursor_execute", _end_sql)
    before_render_template.connect(_begin_page, app, weak=False)
    template_rendered.connect(_end_page, app, weak=False)

    def serve(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        _spent.statements, _spent.sql, _spent.page, _spent.started = 0, 0.0, 0.0, time.perf_counter()

        def start(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
            return start_response(status, [*headers, ("Server-Timing", _report())], *more)

        return app(environ, start)

    return serve


def _begin_sql(*_: Any) -> None:
    _spent.sql_began = time.perf_counter()


def _end_sql(*_: Any) -> None:
    if hasattr(_spent, "statements"):  # not while the application starts
        _spent.sql += time.perf_counter() - _spent.sql_began
        _spent.statements += 1


def _begin_page(_app: Flask, **_: Any) -> None:
    _spent.page_began = time.perf_counter()


def _end_page(_app: Flask, **_: Any) -> None:
    _spent.page += time.perf_counter() - _spent.page_began


def _report() -> str:
    parts = {"sql": _spent.sql, "page": _spent.page, "all": time.perf_counter() - _spent.started}
    return ", ".join([f"statements;dur={_spent.statements}", *(f"{k};dur={v * 1e3:.3f}" for k, v in parts.items())])
