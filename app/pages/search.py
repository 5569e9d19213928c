"""一键搜索: one field, in the bar of every page, for whatever the person may see."""

from dataclasses import dataclass
from typing import Any

from flask import current_app, g, render_template, request
from flask_appbuilder import expose
from flask_babel import force_locale, lazy_gettext as _l  # pyright: ignore[reportAttributeAccessIssue]  # not in __all__

from app.domain import search
from app.domain.search import LONGEST, MOST, SHORTEST
from app.fabkit.lists import url_of
from app.fabkit.pages import Page
from app.fabkit.security import is_permitted
from app.fabkit.shell import permitted_items
from app.pages.accounts import Accounts
from app.pages.appointment_queries import AppointmentQueries
from app.pages.appointments import Appointments
from app.pages.assignments import Assignments
from app.pages.catalogue import Catalogue
from app.pages.certificate_queries import CertificateQueries
from app.pages.certificates import Certificates
from app.pages.inbox import Inbox
from app.pages.inspections import Inspections
from app.pages.institution_queries import InstitutionQueries
from app.pages.institutions import Institutions
from app.pages.instrument_queries import InstrumentQueries
from app.pages.ledger import Ledger
from app.pages.organizations import Organizations
from app.pages.own_inspections import OwnInspections
from app.pages.progress import Progress
from app.pages.publications import Publications
from app.pages.standard_queries import StandardQueries
from app.pages.standards import Standards
from app.pages.unit_queries import UnitQueries
from app.states import (
    CERTIFICATE_LABELS,
    INSPECTION_LABELS,
    STANDARD_LABELS,
    TASK_LABELS,
    VERIFICATION_LABELS,
)
from app.texts import entered, same

MENU = "menu"


@dataclass(frozen=True)
class Place:
    """Where the hits of a group lead: the first of these pages that the person may open.

    `field` is the search field of the page's list in which all of them are found.
    """

    title: Any
    icon: str
    pages: tuple[Any, ...]
    field: str = ""
    states: Any = None


PLACES = {
    "instruments": Place(
        _l("Measuring instruments"), "gauge", (InstrumentQueries, Ledger), states=VERIFICATION_LABELS
    ),
    "appointments": Place(_l("Appointments"), "calendar", (AppointmentQueries, Appointments), "no"),
    "tasks": Place(_l("Tasks"), "list-check", (Assignments, Inbox, Progress), states=TASK_LABELS),
    "certificates": Place(
        _l("Certificates"), "certificate", (CertificateQueries, Publications, Certificates), "no", CERTIFICATE_LABELS
    ),
    "inspections": Place(
        _l("Inspections"), "clipboard-list", (Inspections, OwnInspections), states=INSPECTION_LABELS
    ),
    "institutions": Place(_l("Institutions"), "building-bank", (InstitutionQueries, Institutions), "name"),
    "units": Place(_l("Using units"), "building-community", (UnitQueries,), "name"),
    "organizations": Place(_l("Organizations"), "sitemap", (Organizations,), "name"),
    "standards": Place(_l("Measurement standards"), "scale", (StandardQueries, Standards), states=STANDARD_LABELS),
    "kinds": Place(_l("Catalogue"), "book", (Catalogue,), "name"),
    "accounts": Place(_l("Persons and accounts"), "user", (Accounts,)),
}  # fmt: skip


class Search(Page):
    """The answer to what is typed; it has no page of its own."""

    route_base = "/search"
    default_view = "answer"

    @expose("/", methods=["GET"])
    def answer(self) -> Any:
        typed = entered(request.args.get("q", ""))[:LONGEST]
        groups = _found(typed) if len(same(typed)) >= SHORTEST else []
        number = sum(len(group["hits"]) for group in groups)
        return render_template("search/hits.html", term=typed, shortest=SHORTEST, groups=groups, number=number)


def _found(term: str) -> list[dict[str, Any]]:
    search.be_patient()
    groups = [_pages(term), *(_group(name, term) for name in PLACES)]
    return [group for group in groups if group and group["hits"]]


def _pages(term: str) -> dict[str, Any]:
    """The pages of the person's menu, by their name in any language or the first sounds of the Chinese one."""
    items = [
        each
        for entry in permitted_items(current_app.extensions["menu"])
        for each in (entry.items or (entry,))
        if _is_called(each.label, same(term))
    ]
    hits = [{"url": each.url, "title": each.label, "note": "", "icon": each.icon} for each in items]
    return {"name": MENU, "title": _l("Pages of the menu"), "hits": hits[:MOST]}


def _is_called(label: Any, term: str) -> bool:
    names = []
    for language in current_app.config["LANGUAGES"]:
        with force_locale(language):
            names.append(str(label))
    return any(term in same(name) or term in search.initials(name) for name in names)


def _group(name: str, term: str) -> dict[str, Any] | None:
    place = PLACES[name]
    page = next((each for each in place.pages if _is_open(each)), None)
    if page is None:
        return None
    rows = search.find(name, same(term), g.principal)
    words = place.states or {}
    hits = [
        {
            "url": f"{page.route_base}/show/{row.id}",
            "title": row.title,
            "note": row.note,
            "icon": place.icon,
            "state": row.state,
            "word": words.get(row.state),
        }
        for row in rows[:MOST]
    ]
    more = len(rows) > MOST and place.field
    return {
        "name": name,
        "title": place.title,
        "hits": hits,
        "more": url_of(f"{page.route_base}/", [("field", place.field), ("q", term)]) if more else None,
        "page": page.list_title,
    }


def _is_open(page: Any) -> bool:
    return all(is_permitted(name, page.class_permission_name) for name in ("can_list", "can_show"))
