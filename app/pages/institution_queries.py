"""检定机构查询: the institutions at home in one's area, with what they have and what they can verify."""

from typing import Any

from flask import g
from flask_babel import lazy_gettext as _l
from sqlalchemy import exists, func, select

from app.domain import institutions, regions
from app.domain.local_institutions import count
from app.fabkit.conditions import Conditions
from app.fabkit.filters import Choice, Condition, ContainsChinese, Dates, Search, SearchField, in_own
from app.fabkit.formats import badge, day, due, label, moment
from app.fabkit.lists import Column, Source
from app.fabkit.pages import Show
from app.models import Capability, Institution, MeasurementStandard, Organization, Region, StaffMember
from app.pages import local_institutions as institution_pages
from app.pages.options import by_item, by_region
from app.pages.organizations import DESIGNATIONS, FACTS, LEVELS, in_code
from app.pages.queries import QueryPage
from app.states import EFFECTIVE, PENDING, PUBLICATION_LABELS, STANDING_LABELS


def _house(condition: Condition) -> Condition:
    """The condition on an organization that it is an institution of which this holds."""
    return exists().where(Institution.organization_id == Organization.id, condition)


def _can_verify(kinds: list[int]) -> Condition:
    return exists().where(
        Capability.institution_id == Organization.id, Capability.state == EFFECTIVE,
        Capability.catalogue_item_id.in_(kinds),
    )  # fmt: skip


def _service_regions() -> Any:
    names = select(func.string_agg(Region.full_name, "、")).where(Region.code == func.any(Institution.service_regions))
    return names.correlate(Institution).scalar_subquery()


class InstitutionQueries(QueryPage):
    """检定机构查询."""

    route_base = "/queries/institutions"
    class_permission_name = "InstitutionQueries"
    reveals = True
    list_title = _l("Query of institutions")
    subtitle = _l("The institutions at home in your area, of every level.")
    empty = _l("No institution matches.")
    source = Source(
        Organization,
        key=Organization.id,
        joins=(
            (Institution, Institution.organization_id == Organization.id),
            (Region, Region.code == Organization.region_code),
        ),
        where=lambda: [
            Organization.kind == "institution", Organization.merged_into_id.is_(None), institutions.at_home(g.principal)
        ],
    )  # fmt: skip
    columns = (
        Column("standing", _l("Standing"), Institution.standing, badge(STANDING_LABELS), css="nowrap", fixed=True),
        Column("name", _l("Institution"), Organization.name, fixed=True),
        Column("designation", _l("Designation"), Institution.designation, label(DESIGNATIONS), css="nowrap"),
        Column("level", _l("Level"), Organization.level, label(LEVELS), css="nowrap"),
        Column("region", _l("Region"), Region.full_name),
        Column("effective", _l("Effective capabilities"), count(Capability, Capability.state == EFFECTIVE),
               css="number"),
        Column("standards", _l("Measurement standards"),
               count(MeasurementStandard, MeasurementStandard.replaces_id.is_(None)), css="number"),
        Column("authorization_no", _l("Authorization no."), Institution.authorization_no, css="nowrap"),
        Column("authorized_until", _l("Authorized until"), Institution.authorized_until, due(near=180), css="nowrap"),
        Column("publication", _l("Publication"), Institution.publication, badge(PUBLICATION_LABELS), css="nowrap"),
        Column("credit_code", FACTS["credit_code"], Organization.credit_code, css="nowrap", hidden=True),
        Column("pending", _l("Capabilities under review"), count(Capability, Capability.state == PENDING),
               css="number", hidden=True),
        Column("staff", _l("Verifiers, checkers, approvers"), count(StaffMember, StaffMember.active.is_(True)),
               css="number", hidden=True),
        Column("service_regions", FACTS["service_regions"], _service_regions(), css="wide", hidden=True),
        Column("authorized_by", _l("Authorized by"), Institution.authorized_by, hidden=True),
        Column("authorized_from", FACTS["authorized_from"], Institution.authorized_from, day, css="nowrap",
               hidden=True),
        Column("employees", FACTS["employees"], Institution.employees, css="number", hidden=True),
        Column("verifiers", FACTS["verifiers"], Institution.verifiers, css="number", hidden=True),
        Column("floor_area", FACTS["floor_area"], Institution.floor_area, css="number", hidden=True),
        Column("mean_days", _l("Mean days"), Institution.mean_days, css="number", hidden=True),
        Column("published_at", _l("Published at"), Institution.published_at, moment, css="nowrap", hidden=True),
        Column("reason", _l("Reason"), Institution.standing_reason, css="wide", hidden=True),
        Column("legal_representative", FACTS["legal_representative"], Institution.legal_representative, hidden=True),
        Column("contact", FACTS["contact"], Institution.contact, hidden=True),
        Column("phone", FACTS["phone"], Institution.phone, css="nowrap", hidden=True),
        Column("address", FACTS["address"], Institution.address, hidden=True),
    )  # fmt: skip
    extra = {"state": Institution.standing}  # noqa: RUF012 -- declared once per page, as Flask-AppBuilder does
    filters = (
        by_region(lambda code: Organization.region_code.startswith(regions.prefix(code))),
        by_item(_can_verify),
        Choice("level", _l("Level"), Organization.level, LEVELS),
        Choice("designation", _l("Designation"), Institution.designation, DESIGNATIONS, within=_house),
        Choice("standing", _l("Standing"), Institution.standing, STANDING_LABELS, within=_house),
        Choice(
            "publication", _l("Publication"), Institution.publication, PUBLICATION_LABELS, multiple=False, within=_house
        ),
        Conditions(
            Organization,
            columns,
            "name credit_code level designation standing publication authorization_no authorized_by authorized_from"
            " authorized_until employees verifiers floor_area mean_days address reason",
            {Institution: _house},
        ),
        Dates("authorized", _l("Authorized until"), Institution.authorized_until, to_come=True, within=_house),
        Dates("published", _l("Published at"), Institution.published_at, within=_house),
    )
    search = Search(
        (
            in_own("name", _l("Institution"), ContainsChinese(Organization.name)),
            SearchField("code", FACTS["credit_code"], in_code, shortest=4),
        ),
        placeholder=_l("Search"),
    )

    def details(self, row_id: int) -> Show | None:
        found = institutions.particulars(row_id, g.principal)
        return institution_pages.show(*found) if found else None
