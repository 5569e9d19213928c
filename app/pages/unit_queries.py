"""使用单位查询: the using units at home in one's area, with how many instruments they have and how many are overdue."""

from flask import g
from flask_babel import lazy_gettext as _l
from sqlalchemy import exists

from app.domain import regions, using_units
from app.fabkit.conditions import Conditions
from app.fabkit.filters import Choice, Condition, ContainsChinese, Search, SearchField, Switch, in_own
from app.fabkit.formats import label, yes_no
from app.fabkit.lists import Column, Source
from app.fabkit.pages import Show
from app.models import Organization, Region, UsingUnit
from app.pages import organizations as organization_pages
from app.pages.options import by_item, by_region
from app.pages.organizations import FACTS, NATURES, in_code
from app.pages.queries import QueryPage

OVERDUE = {"overdue": _l("Has overdue instruments"), "none": _l("Has no overdue instrument")}
ACTIVE = {"yes": _l("In service"), "no": _l("Out of service")}


def _with_overdue(value: str) -> Condition:
    has = using_units.has_instruments(using_units.is_overdue)
    return has if value == "overdue" else ~has


def _unit(condition: Condition) -> Condition:
    """The condition on an organization that it is a using unit of which this holds."""
    return exists().where(UsingUnit.organization_id == Organization.id, condition)


class UnitQueries(QueryPage):
    """使用单位查询."""

    route_base = "/queries/units"
    class_permission_name = "UnitQueries"
    reveals = True
    list_title = _l("Query of using units")
    subtitle = _l("The using units at home in your area, with all their instruments, wherever these are used.")
    empty = _l("No using unit matches.")
    source = Source(
        Organization,
        key=Organization.id,
        joins=(
            (UsingUnit, UsingUnit.organization_id == Organization.id),
            (Region, Region.code == Organization.region_code),
        ),
        where=lambda: [
            Organization.kind == "using_unit", Organization.merged_into_id.is_(None), using_units.at_home(g.principal)
        ],
    )  # fmt: skip
    columns = (
        Column("name", FACTS["name"], Organization.name, fixed=True),
        Column("credit_code", FACTS["credit_code"], Organization.credit_code, css="nowrap"),
        Column("nature", FACTS["nature"], UsingUnit.nature, label(NATURES), css="nowrap"),
        Column("region", _l("Region"), Region.full_name),
        Column("instruments", _l("Instruments"), using_units.instruments(), css="number"),
        Column("overdue", _l("Overdue instruments"), using_units.instruments(using_units.is_overdue), css="number"),
        Column("address", FACTS["address"], UsingUnit.address),
        Column("licence_no", FACTS["licence_no"], UsingUnit.licence_no, css="nowrap", hidden=True),
        Column("active", _l("Activated"), Organization.active, yes_no, css="nowrap", hidden=True),
        Column("contact", FACTS["contact"], UsingUnit.contact, hidden=True),
        Column("phone", FACTS["phone"], UsingUnit.phone, css="nowrap", hidden=True),
    )
    filters = (
        by_region(lambda code: Organization.region_code.startswith(regions.prefix(code))),
        by_item(lambda kinds: using_units.has_instruments(lambda one: one.catalogue_item_id.in_(kinds))),
        Conditions(Organization, columns, "name credit_code nature licence_no address", {UsingUnit: _unit}),
        Choice("nature", FACTS["nature"], UsingUnit.nature, NATURES, within=_unit),
        Switch("overdue", _l("Verification"), None, OVERDUE, multiple=False, conditions=_with_overdue),
        Switch("active", _l("State"), None, ACTIVE, multiple=False,
               conditions=lambda value: Organization.active.is_(value == "yes")),
    )  # fmt: skip
    search = Search(
        (
            in_own("name", FACTS["name"], ContainsChinese(Organization.name)),
            SearchField("code", FACTS["credit_code"], in_code, shortest=4),
        ),
        placeholder=_l("Search"),
    )

    def details(self, row_id: int) -> Show | None:
        found = using_units.find(row_id, g.principal)
        if found is None:
            return None
        return Show(id=found.id, title=found.name, sections=organization_pages.sections(found))
