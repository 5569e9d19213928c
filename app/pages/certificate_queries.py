"""检定结果（证书）查询: the certificates and notices of rejection about the instruments of one's area."""

from dataclasses import replace
from typing import Any

from flask_babel import lazy_gettext as _l
from sqlalchemy import exists, func, select
from sqlalchemy.dialects.postgresql import JSONB

from app.access import within
from app.domain import regions
from app.domain.results import KINDS
from app.fabkit.conditions import Conditions
from app.fabkit.filters import Choice, Condition, Dates, Search
from app.fabkit.formats import badge, label, moment
from app.fabkit.lists import Column, Source
from app.fabkit.number_lists import NumberLists, Numbers
from app.models import Appointment, Certificate, Instrument, Region
from app.pages import certificates as certificate_pages, instruments as instrument_pages
from app.pages.certificates import DOCUMENTS, INSTRUMENT_OF, CertificatePage
from app.pages.instruments import PURPOSES
from app.pages.options import by_region, by_unit
from app.pages.publications import JOINS_WITH_UNIT
from app.pages.queries import QueryPage
from app.states import PUBLICATION_LABELS


def _standards() -> Any:
    """SQL: the names of the standards used."""
    each = func.jsonb_array_elements(Certificate.standards).table_valued("value", name="used")
    names = func.string_agg(each.c.value.cast(JSONB)["name"].astext, "、")
    return select(names).select_from(each).correlate(Certificate).scalar_subquery()


def _instrument(condition: Condition) -> Condition:
    """The condition on a certificate that it is about an instrument of which this holds."""
    return exists().where(INSTRUMENT_OF, condition)


class CertificateQueries(NumberLists, QueryPage, CertificatePage):
    """检定结果（证书）查询."""

    route_base = "/queries/certificates"
    class_permission_name = "CertificateQueries"
    list_title = _l("Query of results and certificates")
    subtitle = _l("Verification certificates and notices of rejection; void and replaced ones are kept.")
    empty = _l("No certificate matches.")
    source = Source(
        Certificate,
        key=Certificate.verified_on,
        joins=(*JOINS_WITH_UNIT, (Region, Region.code == Certificate.region_code)),
        descending=True,
    )
    columns = (
        certificate_pages.STATE,
        certificate_pages.NO,
        Column("document", _l("Kind of document"), Certificate.kind, label(DOCUMENTS), css="nowrap"),
        certificate_pages.PASSED,
        certificate_pages.NAME,
        certificate_pages.KIND,
        certificate_pages.SERIAL,
        Column("using_unit", _l("Using unit"), Appointment.applicant, css="narrow"),
        certificate_pages.INSTITUTION,
        replace(certificate_pages.VERIFIED, sortable=True),
        certificate_pages.UNTIL,
        Column("region", _l("Region"), Region.full_name, hidden=True),
        Column("place_of_use", _l("Place of use"), Instrument.use_place, hidden=True),
        replace(certificate_pages.MODEL, hidden=True),
        Column("manufacturer", _l("Manufacturer"), Instrument.manufacturer, hidden=True),
        Column("instrument_no", _l("Instrument no."), Instrument.instrument_no, css="nowrap", hidden=True),
        Column("item", _l("Category"), instrument_pages.Item.name, css="narrow", hidden=True),
        Column("verification", _l("Kind of verification"), Certificate.verification_kind, label(KINDS), css="nowrap",
               hidden=True),
        Column("regulation", _l("Regulation"), Certificate.regulation, hidden=True),
        Column("standards", _l("Measurement standards used"), _standards(), css="wide", hidden=True),
        replace(certificate_pages.VERIFIER, hidden=True),
        Column("checker", _l("Checker"), Certificate.checker, css="nowrap", hidden=True),
        Column("approver", _l("Approver"), Certificate.approver, css="nowrap", hidden=True),
        Column("temperature", _l("Temperature"), Certificate.temperature, css="nowrap", hidden=True),
        Column("humidity", _l("Humidity"), Certificate.humidity, css="nowrap", hidden=True),
        Column("place", _l("Place of verification"), Certificate.place, hidden=True),
        Column("failures", _l("What failed"), Certificate.failures, css="wide", hidden=True),
        Column("void_reason", _l("Reason for correcting"), Certificate.void_reason, css="wide", hidden=True),
        replace(certificate_pages.ISSUED, hidden=True),
        Column("publication", _l("Publication"), Certificate.publication, badge(PUBLICATION_LABELS), css="nowrap",
               hidden=True),
        Column("published_at", _l("Published at"), Certificate.published_at, moment, css="nowrap", hidden=True),
    )  # fmt: skip
    filters = (
        by_region(lambda code: within(regions.prefix(code))(Certificate)),
        certificate_pages.BY_ITEM,
        by_unit(lambda id: Certificate.using_unit_id == id),
        certificate_pages.BY_INSTITUTION,
        certificate_pages.BY_CONCLUSION,
        certificate_pages.BY_STATE,
        Choice("document", _l("Kind of document"), Certificate.kind, DOCUMENTS, multiple=False),
        Choice("verification", _l("Kind of verification"), Certificate.verification_kind, KINDS),
        Choice("purpose", _l("Purpose"), Instrument.purpose, PURPOSES, within=_instrument),
        Choice("publication", _l("Publication"), Certificate.publication, PUBLICATION_LABELS, multiple=False),
        Numbers("numbers", _l("List of certificate numbers"), (Certificate.no,)),
        Conditions(
            Certificate,
            columns,
            "no document verified_on valid_until verification regulation place failures"
            " void_reason state publication issued_at published_at name model serial_no manufacturer place_of_use",
            {Instrument: _instrument},
            also=instrument_pages.UNDER_ANOTHER_NAME,
        ),
        certificate_pages.BY_VERIFIED,
        Dates("until", _l("Valid until"), Certificate.valid_until, to_come=True),
        Dates("issued", _l("Issued at"), Certificate.issued_at),
        Dates("published", _l("Published at"), Certificate.published_at),
    )
    search = Search(certificate_pages.SEARCH_FIELDS, placeholder=_l("Search"))
