"""开放数据: what is published, for programs: JSON, files of everything, and the document that tells how."""

import base64
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from functools import wraps
from typing import Any, Literal
from urllib.parse import urlencode

from flask import Response, abort, current_app, g, json, request, url_for
from flask_appbuilder import expose
from flask_babel import lazy_gettext as _l
from werkzeug.exceptions import Unauthorized

from app import files, outside
from app.domain import dumps, portal
from app.domain.portal import (
    LARGEST_PAGE,
    LONGEST_NAME,
    SHORTEST_NAME,
    Found,
    PublishedCapability,
    PublishedCertificate,
    PublishedInstitution,
    PublishedItem,
    Wanted,
)
from app.domain.regions import NATION
from app.fabkit import open_api
from app.fabkit.downloads import attachment
from app.fabkit.filters import is_number
from app.fabkit.open_api import JSON, LARGEST_ID, BadParameter, Document, Operation
from app.fabkit.pages import Page
from app.fabkit.public import for_everybody, kept
from app.fabkit.security import is_key_known
from app.models import Dump
from app.pages import rates
from app.pages.portal import moment_of, show

BASE = "/open/v1"
USUAL_PAGE = 50
# One line without blanks around it.
WORDS = r"^[^\x00-\x20]([^\x00-\x1f]*[^\x00-\x20])?$"


@dataclass(frozen=True)
class CertificatePage:
    """A page of certificates, the newest first; `next` is the address of the page after it."""

    rows: list[PublishedCertificate]
    next: str | None


@dataclass(frozen=True)
class InstitutionPage:
    """A page of institutions in the order of their regions; `next` is the address of the page after it."""

    rows: list[PublishedInstitution]
    next: str | None


@dataclass(frozen=True)
class InstitutionWithCapabilities:
    """An institution, and what it can verify today."""

    institution: PublishedInstitution
    capabilities: list[PublishedCapability]


@dataclass(frozen=True)
class Catalogue:
    """What is published of the catalogue in force: each category before its kinds."""

    rows: list[PublishedItem]


@dataclass(frozen=True)
class Place:
    """A region by its code of GB/T 2260."""

    code: str
    name: str


@dataclass(frozen=True)
class Places:
    """The regions directly below one."""

    rows: list[Place]


@dataclass(frozen=True)
class File:
    """A file of everything that is published of a kind: CSV in UTF-8, packed by gzip.

    `withdrawn_url` leads to the ids of what was taken back since it was made: leave these rows out.
    """

    id: int
    kind: Literal["certificates", "institutions", "catalogue"]
    made_at: datetime
    rows: int
    size: int
    sha256: str
    url: str
    withdrawn_url: str
    checksum_url: str


@dataclass(frozen=True)
class Files:
    """The files of the last week, the newest first."""

    rows: list[File]


REGION = open_api.string(
    "region",
    _l("Only what is at this place: a province, a city or a county (GB/T 2260)."),
    pattern="^[0-9]{6}$",
    default=NATION,
)
KIND = open_api.number(
    "kind", _l("Only of this category or kind: an id of the catalogue."), minimum=1, maximum=LARGEST_ID
)
LIMIT = open_api.number("limit", _l("How many rows."), minimum=1, maximum=LARGEST_PAGE, default=USUAL_PAGE)
CURSOR = open_api.string(
    "cursor", _l("Where the page begins, as it stands in `next` of the page before."), maxLength=200,
    pattern="^[A-Za-z0-9_=-]+$",
)  # fmt: skip
CERTIFICATES = Operation(
    "/certificates",
    "certificates",
    _l("Certificates that are published, the newest first"),
    CertificatePage,
    (
        REGION,
        KIND,
        open_api.number("institution", _l("Only by this institution."), minimum=1, maximum=LARGEST_ID),
        open_api.string(
            "unit", _l("Only of using units with this in their name; persons are not found by name."),
            minLength=SHORTEST_NAME, maxLength=LONGEST_NAME, pattern=WORDS,
        ),
        open_api.string("serial", _l("Only with this serial number, the whole of it."), minLength=1, maxLength=100,
                      pattern=WORDS),
        open_api.day("verified_from", _l("Only verified on this day or later.")),
        open_api.day("verified_to", _l("Only verified on this day or earlier.")),
        open_api.flag("valid", _l("Only those that are valid today, or only the others.")),
        LIMIT,
        CURSOR,
    ),
)  # fmt: skip
CERTIFICATE = Operation("/certificates/{id}", "certificate", _l("One certificate"), PublishedCertificate)
INSTITUTIONS = Operation(
    "/institutions",
    "institutions",
    _l("Institutions that are published, or those that verify a kind at a place"),
    InstitutionPage,
    (REGION, KIND, LIMIT, CURSOR),
)
INSTITUTION = Operation(
    "/institutions/{id}", "institution", _l("One institution with what it can verify"), InstitutionWithCapabilities
)
CATALOGUE = Operation("/catalogue", "catalogue", _l("The catalogue of mandatory verification"), Catalogue)
REGIONS = Operation(
    "/regions",
    "regions",
    _l("The regions directly below one"),
    Places,
    (open_api.string("parent", _l("The region above; by default the country."), pattern="^[0-9]{6}$", default=NATION),),
)
DUMPS = Operation("/dumps", "dumps", _l("Files of everything that is published"), Files)
DUMP = Operation("/dumps/{id}/rows.csv.gz", "dump", _l("Such a file"), bytes, media="application/gzip")
WITHDRAWN = Operation(
    "/dumps/{id}/withdrawn.csv", "withdrawn", _l("The ids of rows in it that were taken back since"), str,
    media="text/csv",
)  # fmt: skip
CHECKSUM = Operation(
    "/dumps/{id}/sha256", "checksum", _l("Its SHA-256, as sha256sum reads it"), str, media="text/plain"
)
OPENAPI = Operation("/openapi.json", "openapi", _l("This document"), dict)
OPERATIONS = (
    CERTIFICATES, CERTIFICATE, INSTITUTIONS, INSTITUTION, CATALOGUE, REGIONS, DUMPS, DUMP, WITHDRAWN, CHECKSUM, OPENAPI,
)  # fmt: skip


def answers(operation: Operation) -> Callable[..., Any]:
    """Let a method answer an operation: counted, read by its declaration, kept by caches."""

    def decorate(method: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(method)
        def answered(self: Any, pk: str | None = None) -> Any:
            _count()
            asked = operation.read(request.args)
            given = method(self, **asked) if pk is None else method(self, _id(pk), **asked)
            if isinstance(given, Response):
                return given
            return kept(open_api.answer(given or abort(404)))

        return answered

    return decorate


def _count() -> None:
    """Of a program with an access key more is taken."""
    if is_key_known() is False:
        raise Unauthorized
    config = current_app.config
    if "access_key" in g:
        rates.hold_back("open", config["OPEN_DATA_KEY_RATE"], who=f"key {g.access_key.id}")
    else:
        rates.hold_back("open", config["OPEN_DATA_RATE"])


def _id(pk: str) -> int:
    return int(pk) if is_number(pk) else abort(404)


class OpenData(Page):
    """Open to everybody, and to read only."""

    route_base = BASE
    default_view = "openapi"
    public_paths = ("/open/",)

    @expose("/certificates", methods=["GET"])
    @answers(CERTIFICATES)
    def certificates(
        self,
        region: str,
        kind: int | None,
        institution: int | None,
        limit: int,
        cursor: str | None,
        **more: Any,
    ) -> CertificatePage:
        wanted = Wanted(
            region=region,
            item_id=kind,
            institution_id=institution,
            **{name: value for name, value in more.items() if value is not None},
        )
        found = portal.certificates(wanted, after=_place(cursor, moment_of), size=limit)
        return CertificatePage(found.rows, _next("certificates", found))

    @expose("/certificates/<pk>", methods=["GET"])
    @answers(CERTIFICATE)
    def certificate(self, id: int) -> PublishedCertificate | None:
        return portal.certificate(id)

    @expose("/institutions", methods=["GET"])
    @answers(INSTITUTIONS)
    def institutions(self, region: str, kind: int | None, limit: int, cursor: str | None) -> InstitutionPage:
        after = _place(cursor, _code)
        found = portal.institutions(item_id=kind, region=region, after=after, size=limit)
        return InstitutionPage(found.rows, _next("institutions", found))

    @expose("/institutions/<pk>", methods=["GET"])
    @answers(INSTITUTION)
    def institution(self, id: int) -> InstitutionWithCapabilities | None:
        found = portal.institution(id)
        return InstitutionWithCapabilities(found, portal.capabilities(id)) if found else None

    @expose("/catalogue", methods=["GET"])
    @answers(CATALOGUE)
    def catalogue(self) -> Catalogue:
        return Catalogue(portal.catalogue())

    @expose("/regions", methods=["GET"])
    @answers(REGIONS)
    def regions(self, parent: str) -> Places:
        return Places([Place(*place) for place in portal.places(parent)])

    @expose("/dumps", methods=["GET"])
    @answers(DUMPS)
    def dumps(self) -> Files:
        return Files([_file(dump) for dump in dumps.available()])

    @expose("/dumps/<pk>/rows.csv.gz", methods=["GET"])
    @answers(DUMP)
    def dump(self, id: int) -> Response:
        found = dumps.find(id) or abort(404)
        answer: Response = attachment(files.path(found.file), _name(found), "application/gzip", etag=found.file)
        return answer

    @expose("/dumps/<pk>/withdrawn.csv", methods=["GET"])
    @answers(WITHDRAWN)
    def withdrawn(self, id: int) -> Response:
        found = dumps.find(id) or abort(404)
        lines = ["id", *map(str, dumps.withdrawn(found))]
        return kept(Response("".join(f"{line}\n" for line in lines), mimetype="text/csv"))

    @expose("/dumps/<pk>/sha256", methods=["GET"])
    @answers(CHECKSUM)
    def checksum(self, id: int) -> Response:
        found = dumps.find(id) or abort(404)
        return kept(Response(f"{found.file}  {_name(found)}\n", content_type="text/plain; charset=utf-8"))

    @expose("/openapi.json", methods=["GET"])
    @answers(OPENAPI)
    def openapi(self) -> Response:
        return kept(Response(json.dumps(document().write(), ensure_ascii=False), content_type=JSON))


class OpenDataPage(Page):
    """The same document for people."""

    route_base = "/portal"
    default_view = "data"
    public_paths = ("/portal",)

    @expose("/data", methods=["GET"])
    @for_everybody
    def data(self) -> Any:
        config = current_app.config
        return show(
            "data",
            document=document(),
            base=outside.address(BASE),
            rates=(config["OPEN_DATA_RATE"], config["OPEN_DATA_KEY_RATE"]),
            files=[_file(dump) for dump in dumps.available()],
        )


def document() -> Document:
    description = (
        "What the metrology authorities of China publish of mandatory verification: certificates, institutions and "
        "the catalogue. To read only; what is taken back is gone at once, and told beside the files of everything. "
        "Serial numbers and the names of persons are "
        "masked. Without an access key "
        f"{current_app.config['OPEN_DATA_RATE']} questions a minute are answered, with one "
        f"{current_app.config['OPEN_DATA_KEY_RATE']}."
    )
    return Document("Open data of mandatory verification", "1.0", description, BASE, OPERATIONS)


# --- Reading and writing -------------------------------------------------------------------------


def _next(name: str, found: Found) -> str | None:
    """The address of the page after this one: what was asked, and where it begins."""
    if found.last is None:
        return None
    value, row_id = found.last
    place = f"{value.isoformat() if isinstance(value, datetime | date) else value}~{row_id}"
    cursor = base64.urlsafe_b64encode(place.encode()).decode()
    asked = [(parameter, value) for parameter, value in request.args.items() if parameter != "cursor"]
    return outside.address(f"{url_for(f'OpenData.{name}')}?{urlencode([*asked, ('cursor', cursor)])}")


def _place(cursor: str | None, read: Callable[[str], Any]) -> Any:
    if cursor is None:
        return None
    try:
        value, _tilde, row_id = base64.urlsafe_b64decode(cursor).decode().rpartition("~")
        if not is_number(row_id):
            raise ValueError
        return read(value), int(row_id)
    except ValueError as wrong:
        raise BadParameter("cursor", "Please take it from `next` of the page before.") from wrong


def _code(text: str) -> str:
    if not is_number(text):
        raise ValueError(text)
    return text


def _file(dump: Dump) -> File:
    def address(name: str) -> str:
        return outside.address(url_for(f"OpenData.{name}", pk=dump.id))

    return File(
        id=dump.id,
        kind=dump.kind,  # type: ignore[arg-type]
        made_at=dump.made_at,
        rows=dump.amount,
        size=dump.size,
        sha256=dump.file,
        url=address("dump"),
        withdrawn_url=address("withdrawn"),
        checksum_url=address("checksum"),
    )


def _name(dump: Dump) -> str:
    return f"{dump.kind}-{dump.made_at:%Y%m%d}.csv.gz"


def share(response: Response) -> Response:
    """After each request: let pages of others read the open data in a browser (CORS)."""
    if request.path.startswith(f"{BASE}/"):
        response.headers["Access-Control-Allow-Origin"] = "*"
        response.headers["Access-Control-Expose-Headers"] = "ETag, Retry-After"
        if request.method == "OPTIONS":
            response.headers["Access-Control-Allow-Methods"] = "GET, HEAD"
            response.headers["Access-Control-Allow-Headers"] = "Authorization, If-None-Match"
            response.headers["Access-Control-Max-Age"] = "86400"
    return response


# --- Errors --------------------------------------------------------------------------------------

tell = open_api.problems(
    {
        400: "The request could not be understood.",
        401: "The access key is unknown, revoked or has ended. Leave it out to ask without one.",
        404: "There is no such address, or what it named is not published (any more).",
        405: "Nothing can be changed here: ask with GET.",
        429: "Please wait as long as Retry-After says, or take a file of everything.",
        500: "It has been recorded. Please try again later.",
        503: "Please ask again later, or for less.",
    }
)
