"""社会公用计量标准查询: the measurement standards of the institutions at home in one's area."""

from typing import Any

from flask import g
from flask_babel import lazy_gettext as _l
from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import JSONB

from app.domain import standards
from app.fabkit.conditions import Conditions
from app.fabkit.filters import Dates
from app.fabkit.formats import day
from app.fabkit.lists import Column
from app.fabkit.pages import Show
from app.models import CatalogueItem, MeasurementStandard
from app.pages import standards as standard_pages
from app.pages.options import by_item
from app.pages.queries import QueryPage
from app.pages.standards import TITLES, Standards


def _kinds() -> Any:
    """SQL: the names of the kinds it verifies."""
    names = select(func.string_agg(CatalogueItem.name, "、")).where(
        MeasurementStandard.kinds.op("@>")(func.to_jsonb(CatalogueItem.id))
    )
    return names.correlate(MeasurementStandard).scalar_subquery()


def _verifies(kinds: list[int]) -> Any:
    wanted = func.jsonb_array_elements(MeasurementStandard.kinds.cast(JSONB)).table_valued("value", name="verified")
    of_them = select(1).select_from(wanted).where(wanted.c.value.in_([str(id) for id in kinds]))
    return of_them.correlate(MeasurementStandard).exists()


def _column(name: str, show: Any = None, **how: Any) -> Column:
    value = getattr(MeasurementStandard, name)
    return Column(name, TITLES[name], value, **({"show": show} if show else {}), **{"hidden": True, **how})


_ENTERED = {column.name: column for column in Standards.columns}


class StandardQueries(QueryPage):
    """社会公用计量标准查询."""

    route_base = "/queries/standards"
    class_permission_name = "StandardQueries"
    list_title = _l("Query of measurement standards")
    subtitle = _l("The public measurement standards of the institutions at home in your area.")
    empty = _l("No measurement standard matches.")
    source = Standards.source
    columns = (
        *(column for name, column in _ENTERED.items() if name != "keeper"),
        _column("issuer"),
        _column("issued_on", day, css="nowrap"),
        _column("public_issuer"),
        _column("public_issued_on", day, css="nowrap"),
        _column("service_area"),
        _column("authorization_no", css="nowrap"),
        _column("examined_by"),
        _column("examined_with"),
        _ENTERED["keeper"],
        Column("kinds", TITLES["kinds"], _kinds(), css="wide", hidden=True),
        _column("warn_days", css="number"),
        _column("remark", css="wide"),
    )
    extra = Standards.extra
    filters = (
        *Standards.filters,
        by_item(_verifies),
        Conditions(
            MeasurementStandard,
            columns,
            "name code rank measuring_range uncertainty certificate_no valid_until public_certificate_no"
            " public_valid_until category issuer issued_on public_issuer public_issued_on service_area authorization_no"
            " examined_by examined_with warn_days remark reason",
        ),
        Dates("until", TITLES["valid_until"], MeasurementStandard.valid_until, to_come=True),
        Dates("public_until", TITLES["public_valid_until"], MeasurementStandard.public_valid_until, to_come=True),
        Dates("issued", TITLES["issued_on"], MeasurementStandard.issued_on),
        Dates("public_issued", TITLES["public_issued_on"], MeasurementStandard.public_issued_on),
    )
    search = Standards.search

    def details(self, row_id: int) -> Show | None:
        found = standards.find(row_id, g.principal)
        return standard_pages.show(found) if found else None
