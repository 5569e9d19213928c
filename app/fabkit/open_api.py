"""An open interface for programs: what may be asked is declared once, read by it, and told by it (OpenAPI 3.1).

The declaration of a parameter is a JSON schema; a request is read by that schema, and the schema of an answer is made
of the dataclass that the answer is. So the document cannot say other than what is done.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from datetime import date, datetime
from decimal import Decimal
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from flask import Response, json
from flask_babel import lazy_gettext as _l
from jsonschema import Draft202012Validator, FormatChecker
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import MethodNotAllowed

JSON, CSV, PROBLEM = "application/json", "text/csv", "application/problem+json"
LARGEST_ID = 2**63 - 1
_LONGEST = 300
_NUMBER = re.compile(r"-?[0-9]{1,19}")


@dataclass(frozen=True)
class Parameter:
    """What may be asked, in the query or in the path: its JSON schema, and what it is for."""

    name: str
    description: Any
    schema: dict[str, Any]
    where: str = "query"

    @property
    def repeats(self) -> bool:
        """Whether it may be given several times."""
        return bool(self.schema["type"] == "array")

    def read(self, texts: list[str]) -> Any:
        """The value in the texts; ValueError tells what is wrong with it."""
        if any(text.endswith("\n") for text in texts):
            raise ValueError("It ends with a line break.")  # which Python's $ would overlook
        value = texts if self.repeats else _typed(texts[0], self.schema["type"])
        wrong = next(Draft202012Validator(self.schema, format_checker=_FORMATS).iter_errors(value), None)
        if wrong is not None:
            raise ValueError(wrong.message)
        return date.fromisoformat(texts[0]) if self.schema.get("format") == "date" else value


_FORMATS = FormatChecker(["date"])


def _typed(text: str, kind: str) -> Any:
    if kind == "integer":
        return int(text) if _NUMBER.fullmatch(text) else text
    if kind == "boolean":
        return {"true": True, "false": False}.get(text, text)
    return text


def string(name: str, description: Any, **schema: Any) -> Parameter:
    return Parameter(name, description, {"type": "string", **schema})


def strings(name: str, description: Any, most: int, **schema: Any) -> Parameter:
    """A text that may be given several times."""
    return Parameter(name, description, {"type": "array", "items": {"type": "string", **schema}, "maxItems": most})


def number(name: str, description: Any, **schema: Any) -> Parameter:
    return Parameter(name, description, {"type": "integer", **schema})


def day(name: str, description: Any) -> Parameter:
    return string(name, description, format="date")


def flag(name: str, description: Any) -> Parameter:
    return Parameter(name, description, {"type": "boolean"})


ROW_ID = Parameter("id", _l("The id of a row."), {"type": "integer", "minimum": 1, "maximum": LARGEST_ID}, where="path")


@dataclass(frozen=True)
class Operation:
    """An address: what it is for, what may be asked, and the dataclass, the schema or the media type of its answer.

    `sheet` says that the answer is to be had as CSV too, `can_miss` that what a parameter names may not be there,
    `for_all` that no access key is needed where others need one.
    """

    path: str
    name: str
    summary: Any
    answer: Any
    parameters: tuple[Parameter, ...] = ()
    media: str = JSON
    sheet: bool = False
    can_miss: bool = False
    for_all: bool = False

    @property
    def has_id(self) -> bool:
        return "{id}" in self.path

    def read(self, args: "MultiDict[str, str]") -> dict[str, Any]:
        """What is asked, by name; BadParameter for what is not known, given twice, or not in order."""
        known = {parameter.name: parameter for parameter in self.parameters}
        for name, values in args.lists():
            if name not in known:
                raise BadParameter(name, "There is no such parameter here.")
            if len(values) > 1 and not known[name].repeats:
                raise BadParameter(name, "It is given more than once.")
        return {name: self._value(parameter, args) for name, parameter in known.items()}

    def _value(self, parameter: Parameter, args: "MultiDict[str, str]") -> Any:
        given = args.getlist(parameter.name)
        if not given:
            return parameter.schema.get("default")
        try:
            return parameter.read(given)
        except ValueError as wrong:
            raise BadParameter(parameter.name, str(wrong)) from wrong


class BadParameter(Exception):
    """A parameter is not in order."""

    def __init__(self, name: str, what: str):
        super().__init__(what)
        self.name = name


# --- Answers -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Problem:
    """What went wrong (RFC 9457); `parameter` names the one that is not in order."""

    type: str
    title: str
    status: int
    detail: str
    parameter: str | None = None


TITLES = {
    400: "A parameter is not in order",
    401: "The access key is not valid",
    403: "Not permitted",
    404: "Not found",
    405: "Only GET and HEAD are answered",
    422: "Too much for one answer",
    429: "Too many requests",
    500: "Something went wrong on our side",
    503: "Too busy just now",
}


def problem(status: int, detail: str, *, parameter: str | None = None, headers: Mapping[str, str] = {}) -> Response:
    title = TITLES.get(status, "The request could not be answered")
    # What is told of a wrong value quotes it, however long it is.
    told = Problem("about:blank", title, status, detail[:_LONGEST], parameter and parameter[:_LONGEST])
    body = {name: value for name, value in asdict(told).items() if value is not None}
    response = Response(json.dumps(body, ensure_ascii=False), status, content_type=PROBLEM)
    response.headers.extend(headers)
    return response


def problems(details: Mapping[int, str]) -> Callable[[int, str, Exception], Response]:
    """How errors below an address are told, with what to do about them."""

    def tell(status: int, text: str, error: Exception) -> Response:
        headers = {}
        if isinstance(error, MethodNotAllowed) and error.valid_methods:
            headers["Allow"] = ", ".join(error.valid_methods)
        if wait := getattr(error, "retry_after", None):
            headers["Retry-After"] = str(wait)
        if status == 401:
            headers["WWW-Authenticate"] = "Bearer"
        return problem(status, details.get(status, text), headers=headers)

    return tell


def bad_parameter(error: BadParameter) -> Response:
    return problem(400, f"{error.name}: {error}", parameter=error.name)


def answer(value: Any) -> Response:
    """A dataclass, or what is plain already, as JSON."""
    plain = asdict(value) if is_dataclass(value) and not isinstance(value, type) else value
    return Response(json.dumps(plain, ensure_ascii=False, default=_plain, sort_keys=False), content_type=JSON)


def _plain(value: Any) -> Any:
    if isinstance(value, date | datetime):
        return value.isoformat()
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    raise TypeError(type(value).__name__)


# --- The document --------------------------------------------------------------------------------


@dataclass
class Document:
    """The OpenAPI document of some operations.

    By default a key is not needed, and what is answered may be kept by who asks again with its tag.
    """

    title: str
    version: str
    description: str
    server: str
    operations: tuple[Operation, ...]
    needs_key: bool = False
    is_kept: bool = True
    answered: str = "What is published."
    refusals: Mapping[str, int] = field(default_factory=lambda: REFUSALS)
    schemas: dict[str, Any] = field(default_factory=dict)

    def write(self) -> dict[str, Any]:
        paths = {operation.path: {"get": self._operation(operation)} for operation in self.operations}
        refused = {name: self._refusal(status) for name, status in self.refusals.items()}
        return {
            "openapi": "3.1.0",
            "info": {"title": self.title, "version": self.version, "description": self.description},
            "servers": [{"url": self.server}],
            "security": [{"accessKey": []}] if self.needs_key else [{}, {"accessKey": []}],
            "paths": paths,
            "components": {
                "schemas": self.schemas,
                "responses": refused,
                "securitySchemes": {"accessKey": {"type": "http", "scheme": "bearer"}},
            },
        }

    def _operation(self, operation: Operation) -> dict[str, Any]:
        path = (ROW_ID,) if operation.has_id else ()
        can_miss = operation.has_id or operation.can_miss
        refusals = {name: status for name, status in self.refusals.items() if can_miss or status != 404}
        return {
            "operationId": operation.name,
            "summary": str(operation.summary),
            **({"security": [{}]} if operation.for_all else {}),
            "parameters": [self._parameter(parameter) for parameter in (*path, *operation.parameters)],
            "responses": {
                **self._answers(operation),
                **{str(status): {"$ref": f"#/components/responses/{name}"} for name, status in refusals.items()},
            },
        }

    def _answers(self, operation: Operation) -> dict[str, Any]:
        content = {operation.media: {"schema": self._schema(operation.answer)}}
        if operation.sheet:
            content[CSV] = {"schema": {"type": "string"}}
        told = {"description": self.answered, "content": content}
        if not self.is_kept:
            return {"200": told}
        tag = {"ETag": {"schema": {"type": "string"}, "description": "To be sent back in If-None-Match."}}
        return {"200": {**told, "headers": tag}, "304": {"description": "What you have still holds."}}

    def _parameter(self, parameter: Parameter) -> dict[str, Any]:
        return {
            "name": parameter.name,
            "in": parameter.where,
            "required": parameter.where == "path",
            "description": str(parameter.description),
            "schema": parameter.schema,
        }

    def _refusal(self, status: int) -> dict[str, Any]:
        told: dict[str, Any] = {"description": TITLES[status], "content": {PROBLEM: {"schema": self._schema(Problem)}}}
        if status == 429:
            seconds = {"type": "integer", "minimum": 1}
            told["headers"] = {"Retry-After": {"schema": seconds, "description": "Seconds to wait."}}
        return told

    def _schema(self, what: Any) -> dict[str, Any]:
        """The JSON schema of a type; a dataclass is told once and referred to. What is a schema already stays one."""
        if isinstance(what, dict):
            return what
        if is_dataclass(what):
            name = what.__name__  # type: ignore[union-attr]
            if name not in self.schemas:
                self.schemas[name] = {}
                self.schemas[name] = self._object(what)
            return {"$ref": f"#/components/schemas/{name}"}
        origin, inner = get_origin(what), get_args(what)
        if origin is Literal:
            return {"type": "string", "enum": list(inner)}
        if origin in (list, tuple):
            return {"type": "array", "items": self._schema(inner[0])}
        if origin in (Union, UnionType):
            return {"anyOf": [self._schema(each) for each in inner]}
        return dict(_SCHEMAS[what])

    def _object(self, what: Any) -> dict[str, Any]:
        hints = get_type_hints(what)
        required = [each.name for each in fields(what) if what is not Problem or each.name != "parameter"]
        told = {each.name: self._schema(hints[each.name]) for each in fields(what)}
        summary = (what.__doc__ or "").strip()
        described = {"description": summary} if summary and not summary.startswith(f"{what.__name__}(") else {}
        return {"type": "object", **described, "required": required, "properties": told, "additionalProperties": False}


REFUSALS = {"BadParameter": 400, "BadKey": 401, "NotFound": 404, "TooMany": 429, "Defect": 500, "Busy": 503}
_SCHEMAS: dict[Any, dict[str, Any]] = {
    int: {"type": "integer"},
    str: {"type": "string"},
    bool: {"type": "boolean"},
    date: {"type": "string", "format": "date"},
    datetime: {"type": "string", "format": "date-time"},
    dict: {"type": "object"},
    bytes: {"type": "string", "format": "binary"},
    NoneType: {"type": "null"},
}
