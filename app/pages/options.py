"""Choices of forms and filters: regions and the catalogue, level by level or by name; institutions by name."""

from collections.abc import Callable
from functools import cache
from typing import Any

from flask import abort, g, request
from flask_appbuilder import expose
from flask_babel import lazy_gettext as _l

from app.domain import catalogue, institutions, manufacturers, regions, standards, using_units
from app.fabkit.filters import Cascade, Condition, Lookup, is_number
from app.fabkit.pages import ModelPage, Page
from app.fabkit.security import asks_permission, refuse

PLACES = (_l("Province"), _l("City"), _l("County"))


def by_region(below: Callable[[str], Condition]) -> Cascade:
    """The filter by region; `below` says of a code which rows lie there."""
    return Cascade("region", _l("Region"), PLACES, "/options/regions", regions.way_to, below)


def by_item(of_kinds: Callable[[list[int]], Condition]) -> Cascade:
    """The filter by category and kind; `of_kinds` says which rows are of these kinds."""
    return Cascade(
        "item",
        _l("Category and kind"),
        (_l("Category"), _l("Kind")),
        "/options/catalogue",
        lambda value: catalogue.way_to(int(value)),
        lambda value: of_kinds(catalogue.kinds_of(int(value))),
    )


def by_institution(matches: Callable[[int], Condition]) -> Lookup:
    """The filter by institution; `matches` says which rows are an institution's."""
    return Lookup("institution", _l("Institution"), matches, "/options/institutions", institutions.name_of)


def by_unit(matches: Callable[[int], Condition]) -> Lookup:
    """The filter by using unit; `matches` says which rows are a unit's."""
    return Lookup("unit", _l("Using unit"), matches, "/options/units", using_units.name_of)


class Options(Page):
    """Each for who opens a page that offers it in a filter or a form; regions also for who registers."""

    route_base = "/options"

    def _require(self) -> None:
        """Stop the request unless the person may list a page that offers these options; scripts ask, not people."""
        if g.principal.account_id is None:
            abort(401)
        if not any(page.allowed("can_list") for page in self._pages_offering(request.path)):
            refuse()

    @cache  # noqa: B019 -- the pages are there as long as the application
    def _pages_offering(self, url: str) -> list[ModelPage]:
        pages = self.appbuilder.baseviews
        return [page for page in pages if isinstance(page, ModelPage) and page.offers(url)]

    @expose("/regions", methods=["GET"])
    def regions(self) -> Any:
        parent = request.args.get("parent") or regions.NATION
        found = regions.children(parent, g.principal) if is_number(parent) else []
        above = regions.with_children([region.code for region in found])
        return _options([(region.code, region.name, region.code not in above) for region in found])

    @expose("/catalogue", methods=["GET"])
    @asks_permission
    def catalogue(self) -> Any:
        self._require()
        parent = request.args.get("parent", "")
        known = not parent or (is_number(parent))
        found = catalogue.children(int(parent) if parent else None) if known else []
        return _options([(str(item.id), item.name, item.level == 2) for item in found])

    @expose("/places", methods=["GET"])
    @asks_permission
    def places(self) -> Any:
        """Regions of any level by their name; without one, those around the person."""
        self._require()
        term = request.args.get("q", "").strip()[:100]
        found = regions.named(term) if term else regions.around(g.principal.region_code)
        return _options([(region.code, region.full_name, True) for region in found])

    @expose("/catalogue-items", methods=["GET"])
    @asks_permission
    def catalogue_items(self) -> Any:
        """Categories and kinds by their name."""
        self._require()
        found = catalogue.named(request.args.get("q", "").strip()[:100])
        return _options([(id, name, True) for id, name in found.items()])

    @expose("/standards", methods=["GET"])
    @asks_permission
    def standards(self) -> Any:
        """Measurement standards of one's jurisdiction by their name or number."""
        self._require()
        found = standards.named(request.args.get("q", "").strip()[:100], g.principal)
        return _options([(str(each.id), str(each), True) for each in found])

    @expose("/institutions", methods=["GET"])
    @asks_permission
    def institutions(self) -> Any:
        self._require()
        term = request.args.get("q", "").strip()[:100]
        return _options([(str(row.id), row.name, True) for row in institutions.named(term)])

    @expose("/units", methods=["GET"])
    @asks_permission
    def units(self) -> Any:
        """Using units by their name, as far as the person sees them."""
        self._require()
        term = request.args.get("q", "").strip()[:100]
        return _options([(str(row.id), row.name, True) for row in using_units.named(term)])

    @expose("/manufacturers", methods=["GET"])
    @asks_permission
    def manufacturers(self) -> Any:
        """Names of manufacturers for what is typed so far, each with its present name if it is a former one."""
        self._require()
        rows = manufacturers.suggested(request.args.get("q", "").strip()[:100], g.principal)
        names = [{"value": row.name, "present": row.present if row.present != row.name else ""} for row in rows]
        return {"options": names}


def _options(rows: list[tuple[str, str, bool]]) -> dict[str, Any]:
    return {"options": [{"value": value, "label": label, "leaf": leaf} for value, label, leaf in rows]}
