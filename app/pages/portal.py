"""信息公示门户: what everybody may look up, without an account, on any device; and what search engines may keep."""

from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from flask import Response, abort, current_app, make_response, render_template, request, url_for
from flask_appbuilder import expose
from flask_babel import gettext as _, lazy_gettext as _l

from app import outside
from app.domain import certificate_checks, portal, regions
from app.domain.certificate_checks import LONGEST_CODE, LONGEST_NO
from app.domain.portal import LONGEST_NAME, SHORTEST_NAME, PublishedItem, Wanted
from app.domain.regions import NATION
from app.fabkit.filters import is_number
from app.fabkit.formats import label, moment
from app.fabkit.pages import Page
from app.fabkit.public import for_everybody, language
from app.pages import rates
from app.pages.catalogue import SUPERVISIONS
from app.pages.inspections import CONCLUSIONS as INSPECTION_CONCLUSIONS, TARGETS
from app.pages.organizations import DESIGNATIONS, LEVELS
from app.states import INSPECTION_LABELS
from app.texts import same

STATES = {
    "valid": _l("Valid"),
    "expired": _l("Out of term"),
    "failed": _l("Not passed"),
    "void": _l("Void"),
    "replaced": _l("Replaced by another"),
}
CONCLUSIONS = {True: _l("Passed"), False: _l("Not passed")}
DELIVERIES = {"sent": _l("Sent in"), "on_site": _l("On site"), "both": _l("Sent in or on site")}
SIGNATURES = {
    "sound": _l("Genuine: signed by the institution and not changed since."),
    "unknown_signer": _l("Not changed since it was signed, but nobody known here vouches for the signer."),
    "broken": _l("The signed document has been changed. Please ask the institution."),
    "no_document": _l("There is no signed document of this certificate yet."),
}
# What each state means for whoever looks a certificate up.
MEANINGS = {
    "valid": _l("This certificate is genuine and in force."),
    "expired": _l("This certificate is genuine, but its term is over: the instrument must be verified again."),
    "void": _l("This certificate was issued, but has been declared void. It proves nothing any more."),
    "replaced": _l("This certificate was corrected and replaced by another. It proves nothing any more."),
}
UNKNOWN = _l("There is no certificate with this number and this code. Please compare both with the paper.")


@dataclass
class Level:
    """One of the selects by which a place is chosen: its name, the places to choose from, the one that is chosen."""

    label: Any
    options: list[tuple[str, str]]
    chosen: str = ""


class Asked:
    """What the address of a search asks; what is wrong in it is left out and said."""

    def __init__(self) -> None:
        self.problems: list[str] = []
        self.params: list[tuple[str, str]] = []

    def words(self, name: str, longest: int) -> str:
        given = " ".join(request.args.get(name, "").split())[:longest]
        return self._kept(name, given)

    def number(self, name: str) -> int | None:
        given = request.args.get(name, "").strip()
        return int(self._kept(name, given)) if is_number(given) else None

    def one_of(self, name: str, known: Container[str]) -> str:
        given = request.args.get(name, "")
        return self._kept(name, given) if given in known else ""

    def region(self) -> str:
        """The deepest of the places chosen one within the other."""
        chosen = NATION
        for code in request.args.getlist("region"):
            if is_number(code) and len(code) == len(NATION) and code != NATION and _lies_in(code, chosen):
                chosen = code
        if chosen != NATION and regions.way_to(chosen):
            return self._kept("region", chosen)
        return NATION

    def after(self, read: Callable[[str], Any]) -> Any:
        """Where the page begins; not among what the next one repeats."""
        value, _tilde, row_id = request.args.get("after", "").rpartition("~")
        try:
            return (read(value), int(row_id)) if is_number(row_id) else None
        except ValueError:
            return None

    def _kept(self, name: str, given: str) -> str:
        if given:
            self.params.append((name, given))
        return given


def _lies_in(code: str, above: str) -> bool:
    return above == NATION or code.startswith(regions.prefix(above))


class Portal(Page):
    """Open to everybody: nothing here knows who asks."""

    route_base = "/portal"
    default_view = "index"
    public_paths = ("/portal",)

    @expose("/", methods=["GET"])
    @for_everybody
    def index(self) -> Any:
        return show("start", levels=_levels(NATION), kinds=_kinds())

    @expose("/instruments", methods=["GET"])
    @for_everybody
    def instruments(self) -> Any:
        asked = Asked()
        wanted = Wanted(
            unit=asked.words("unit", LONGEST_NAME),
            serial=asked.words("serial", 100),
            region=asked.region(),
            item_id=asked.number("kind"),
            institution_id=asked.number("institution"),
        )
        searched = bool(asked.params)
        if wanted.unit and len(same(wanted.unit)) < SHORTEST_NAME:
            asked.problems.append(_("Please type at least %(number)s characters of the name.", number=SHORTEST_NAME))
        found = None
        if searched and not asked.problems:
            rates.hold_back("portal", current_app.config["PORTAL_RATE"])
            found = portal.certificates(wanted, after=asked.after(moment_of))
        issuer = portal.institution(wanted.institution_id) if wanted.institution_id else None
        return show(
            "instruments",
            asked=asked,
            wanted=wanted,
            found=found,
            issuer=issuer,
            next_url=_next("instruments", asked, found),
            levels=_levels(wanted.region),
            kinds=_kinds(),
        )

    @expose("/certificates/<pk>", methods=["GET"])
    @for_everybody
    def certificate(self, pk: str) -> Any:
        found = portal.certificate(int(pk)) if is_number(pk) else None
        return show("certificate", found=found or abort(404))

    @expose("/institutions", methods=["GET"])
    @for_everybody
    def institutions(self) -> Any:
        asked = Asked()
        name, item_id, region = asked.words("name", LONGEST_NAME), asked.number("kind"), asked.region()
        found = portal.institutions(name=name, item_id=item_id, region=region, after=asked.after(str))
        return show(
            "institutions",
            asked=asked,
            name=name,
            item_id=item_id,
            found=found,
            next_url=_next("institutions", asked, found),
            levels=_levels(region),
            kinds=_kinds(),
        )

    @expose("/institutions/<pk>", methods=["GET"])
    @for_everybody
    def institution(self, pk: str) -> Any:
        found = portal.institution(int(pk)) if is_number(pk) else None
        if found is None:
            abort(404)
        return show("institution", found=found, capabilities=portal.capabilities(found.id))

    @expose("/inspections", methods=["GET"])
    @for_everybody
    def inspections(self) -> Any:
        """监督检查结果公示."""
        asked = Asked()
        name, kind, region = asked.words("name", LONGEST_NAME), asked.one_of("kind", TARGETS), asked.region()
        found = portal.inspections(name=name, kind=kind, region=region, after=asked.after(moment_of))
        return show(
            "inspections",
            asked=asked,
            name=name,
            kind=kind,
            found=found,
            next_url=_next("inspections", asked, found),
            levels=_levels(region),
            targets=TARGETS,
            results=INSPECTION_CONCLUSIONS,
            inspection_states=INSPECTION_LABELS,
        )

    @expose("/catalogue", methods=["GET"])
    @for_everybody
    def catalogue(self) -> Any:
        return show("catalogue", tree=list(_tree()))

    @expose("/check", methods=["GET"])
    def check(self) -> Any:
        """Number and code of any certificate, published or not: who knows both holds it."""
        no, code = (request.args.get(name, "").strip() for name in ("no", "code"))
        checked = None
        problem = _missing(no, code) if no or code else None
        if no and code and problem is None:
            rates.hold_back("check", current_app.config["CHECK_RATE"], rates.TEN_MINUTES)
            checked = certificate_checks.check(no, code)
            problem = None if checked else UNKNOWN
        return show("check", no=no[:LONGEST_NO], code=code[:LONGEST_CODE], problem=problem, checked=checked)


def _missing(no: str, code: str) -> str | None:
    if no and code and len(no) <= LONGEST_NO and len(code) <= LONGEST_CODE:
        return None
    return _("Please give both: the number of the certificate and the verification code printed below it.")


class Crawlers(Page):
    """For search engines: what they may keep, and where the institutions are."""

    route_base = ""
    default_view = "robots"
    public_paths = ("/robots.txt", "/sitemap.xml")

    @expose("/robots.txt", methods=["GET"])
    @for_everybody
    def robots(self) -> Any:
        """Institutions and the catalogue are kept; results are not, for what is taken back must be gone."""
        allowed = [_link(name) for name in ("institutions", "catalogue", "data")]
        lines = ["User-agent: *", "Disallow: /", "Allow: /portal/$", "Allow: /static/"]
        lines += [f"Allow: {path}" for path in allowed]
        lines.append(f"Sitemap: {outside.address('/sitemap.xml')}")
        return Response("\n".join([*lines, ""]), content_type="text/plain; charset=utf-8")

    @expose("/sitemap.xml", methods=["GET"])
    @for_everybody
    def sitemap(self) -> Any:
        pages = [_link(name) for name in ("index", "institutions", "inspections", "catalogue", "data")]
        pages += [_link("institution", pk=id) for id in portal.institution_ids()]
        page = render_template("portal/sitemap.xml", addresses=[outside.address(path) for path in pages])
        return Response(page, content_type="application/xml")


# --- What the pages share ------------------------------------------------------------------------


def show(template: str, /, **shown: Any) -> str:
    return render_template(f"portal/{template}.html", page=template, **shown, **_words())


def _words() -> dict[str, Any]:
    """What every page of the portal needs beside its own."""
    return {
        "link": _link,
        "language": language(),
        "languages": [(code, how["name"], _in_language(code)) for code, how in current_app.config["LANGUAGES"].items()],
        "states": STATES,
        "conclusions": CONCLUSIONS,
        "meanings": MEANINGS,
        "signatures": SIGNATURES,
        "supervision": label(SUPERVISIONS),
        "designation": label(DESIGNATIONS),
        "level_of": label(LEVELS),
        "delivery": label(DELIVERIES),
        "moment": moment,
    }


def _link(name: str, **values: Any) -> str:
    """An address of the portal in the language of this one."""
    if language() != current_app.config["BABEL_DEFAULT_LOCALE"]:
        values["lang"] = language()
    return url_for(f"{'OpenDataPage' if name == 'data' else 'Portal'}.{name}", **values)


def _in_language(code: str) -> str:
    """This address in a language."""
    others = [(name, value) for name, value in request.args.items(multi=True) if name != "lang"]
    asked = [*others, ("lang", code)] if code != current_app.config["BABEL_DEFAULT_LOCALE"] else others
    return f"{request.path}?{urlencode(asked)}" if asked else request.path


def _next(name: str, asked: Asked, found: Any) -> str | None:
    """The address of the page after this one."""
    if found is None or found.last is None:
        return None
    value, row_id = found.last
    place = value.isoformat() if isinstance(value, datetime) else value
    joined = _link(name)
    return f"{joined}{'&' if '?' in joined else '?'}{urlencode([*asked.params, ('after', f'{place}~{row_id}')])}"


def moment_of(text: str) -> datetime:
    """The moment at which a page begins; ValueError if it is none, or of no time zone."""
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError(text)
    return found


def _levels(chosen: str) -> list[Level]:
    """Province, city, county: each select has its places as soon as the one above is chosen."""
    way = [code for code, _name in regions.way_to(chosen)] if chosen != NATION else []
    names = (_l("Province"), _l("City"), _l("County"))
    above = [NATION, *way]
    return [
        Level(name, portal.places(above[depth]) if depth < len(above) else [], way[depth] if depth < len(way) else "")
        for depth, name in enumerate(names)
    ]


def _tree() -> Iterator[tuple[PublishedItem, list[PublishedItem]]]:
    """Each published category with its kinds."""
    items = portal.catalogue()
    for category in items:
        if category.level == 1:
            yield category, [item for item in items if item.parent_id == category.id]


def _kinds() -> list[tuple[str, list[tuple[int, str]]]]:
    """The kinds to choose from, below their categories."""
    return [(category.name, [(kind.id, kind.name) for kind in kinds]) for category, kinds in _tree() if kinds]


def tell(status: int, text: str, error: Exception) -> Response:
    """An error, in the look and the language of the portal."""
    titles = {404: _("Not found"), 429: _("Please wait a little"), 500: _("Error")}
    texts = {404: _("There is no such page, or what it showed is not published (any more).")}
    title, told = titles.get(status, _("Not possible")), texts.get(status, text)
    response = make_response(show("error", title=title, text=told, status=status), status)
    if wait := getattr(error, "retry_after", None):
        response.headers["Retry-After"] = str(wait)
    return response
