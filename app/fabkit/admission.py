"""How large a request may be: asked of who sends it and what for, before any of its body is read."""

from io import BytesIO
from typing import Any

from flask import Flask, Request, current_app, g, request
from werkzeug.exceptions import BadRequest, RequestEntityTooLarge
from werkzeug.formparser import FormDataParser

from .pages import ModelPage
from .security import identify


def most_bytes(app: Flask, environ: dict[str, Any]) -> int:
    """Return how many bytes the body of a request may have, known by its headers alone."""
    with app.request_context(environ):
        identify()
        return allowed()


def limit_body() -> None:
    """Before each request: refuse to read more than its sender may send here."""
    request.max_content_length = allowed()


def allowed() -> int:
    """Return how many bytes the current request may have: few for strangers, many for a permitted upload."""
    if g.principal.account_id is None:
        return int(current_app.config["ANONYMOUS_CONTENT_LENGTH"])
    return _upload_size() or int(current_app.config["MAX_CONTENT_LENGTH"])


def _upload_size() -> int | None:
    """The size of files that the action takes, if the person may do it."""
    page = next((page for page in current_app.extensions["kit"].baseviews if page.endpoint == request.blueprint), None)
    name = (request.view_args or {}).get("name")
    if not isinstance(page, ModelPage) or name is None:
        return None
    sizes = [action.most_bytes for action, _ in page.form_actions if action.name == name and page.allowed(action.needs)]
    return sizes[0] if sizes else None


class FormParser(FormDataParser):
    """Refuses too many fields in every encoding, of which werkzeug counts those of multipart forms alone, and parts
    without a name, which are no fields.
    """

    def _parse_urlencoded(self, stream: Any, *args: Any, **kwargs: Any) -> Any:
        body = stream.read()
        if self.max_form_parts is not None and body.count(b"&") >= self.max_form_parts:
            raise RequestEntityTooLarge
        return super()._parse_urlencoded(BytesIO(body), *args, **kwargs)

    def _parse_multipart(self, *args: Any, **kwargs: Any) -> Any:
        stream, form, files = super()._parse_multipart(*args, **kwargs)
        if None in form or None in files:
            for _name, file in files.items(multi=True):
                file.close()
            raise BadRequest("A part of the form has no name.")
        return stream, form, files


class FormRequest(Request):
    """A request of the application."""

    form_data_parser_class = FormParser
