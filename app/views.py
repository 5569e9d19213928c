"""The table of contents: every page and its place in the menu, in the order staff see them."""

from flask import Flask
from flask_babel import lazy_gettext as _l

from app import errors, fabkit
from app.domain import notifications
from app.fabkit.exports import in_background
from app.fabkit.open_api import BadParameter, bad_parameter
from app.fabkit.shell import MenuGroup, MenuPage
from app.pages import analyst_api, exports, login, open_data, portal
from app.pages.accounts import Accounts
from app.pages.analyst_api import AnalysisApi
from app.pages.appointment_queries import AppointmentQueries
from app.pages.appointments import Appointments
from app.pages.assignments import Assignments
from app.pages.audits import AuditLog
from app.pages.capabilities import Capabilities
from app.pages.capability_gaps import CapabilityGaps
from app.pages.capability_reviews import CapabilityReviews
from app.pages.captchas import Captchas
from app.pages.catalogue import Catalogue
from app.pages.certificate_queries import CertificateQueries
from app.pages.certificates import Certificates
from app.pages.clock_runs import ClockRuns
from app.pages.deadlines import Deadlines
from app.pages.filings import Filings
from app.pages.forecast import Forecast
from app.pages.holidays import Holidays
from app.pages.home import HomeView
from app.pages.inbox import Inbox
from app.pages.inspection_draws import InspectionDraws
from app.pages.inspections import Inspections
from app.pages.institution_queries import InstitutionQueries
from app.pages.institutions import Institutions
from app.pages.instrument_queries import InstrumentQueries
from app.pages.issuing_rules import IssuingRules
from app.pages.jobs import Jobs
from app.pages.ledger import Ledger
from app.pages.ledger_imports import LedgerImports
from app.pages.local_institutions import LocalInstitutions
from app.pages.login import LoginView
from app.pages.manufacturers import Manufacturers
from app.pages.monthly_reports import MonthlyReports
from app.pages.notifications import Notifications
from app.pages.open_data import OpenData, OpenDataPage
from app.pages.options import Options
from app.pages.organizations import Organizations
from app.pages.oversight import (
    Acceptance,
    AuthorityToDo,
    Business,
    InstitutionFigures,
    InstrumentKinds,
    InstrumentStates,
    PassRates,
    Quantity,
    UnitFigures,
)
from app.pages.own_inspections import OwnInspections
from app.pages.portal import Crawlers, Portal
from app.pages.profile import MyAccount
from app.pages.progress import Progress
from app.pages.province_rules import ProvinceRules
from app.pages.publications import Publications
from app.pages.registration import Registration
from app.pages.results import Results
from app.pages.scans import Scans
from app.pages.search import Search
from app.pages.session import Health, SessionView
from app.pages.staff import Staff
from app.pages.standard_queries import StandardQueries
from app.pages.standard_reviews import StandardReviews
from app.pages.standards import Standards
from app.pages.statistics import (
    AbilityStatistics,
    InspectionRateStatistics,
    InstrumentStatistics,
    PassRateStatistics,
    WorkloadStatistics,
)
from app.pages.step_queries import StepQueries
from app.pages.traces import Traces
from app.pages.unit_queries import UnitQueries
from app.pages.wall import Wall

MENU = (
    MenuPage(_l("Home"), HomeView, "home"),
    MenuPage(_l("Task assignment"), Assignments, "list-check"),
    MenuPage(_l("Filings under review"), Filings, "file-check"),
    MenuGroup(
        _l("Publication of information"),
        "speakerphone",
        (
            MenuPage(_l("Information on verified instruments"), Publications, "certificate"),
            MenuPage(_l("Information on institutions"), Institutions, "building-bank"),
            MenuPage(_l("Review of capabilities"), CapabilityReviews, "rosette-discount-check"),
            MenuPage(_l("Catalogue of mandatory verification"), Catalogue, "book"),
            MenuPage(_l("Manufacturers"), Manufacturers, "tool"),
        ),
    ),
    MenuGroup(
        _l("Measurement standards"),
        "scale",
        (
            MenuPage(_l("Entry of measurement standards"), Standards, "writing"),
            MenuPage(_l("Review of measurement standards"), StandardReviews, "check"),
            MenuPage(_l("Certificates that rest on a standard"), Traces, "certificate"),
        ),
    ),
    MenuGroup(
        _l("Supervision of institutions"),
        "shield-check",
        (
            MenuPage(_l("Local institutions"), LocalInstitutions, "building-community"),
            MenuPage(_l("Local inspections"), Inspections, "clipboard-list"),
            MenuPage(_l("Random draws"), InspectionDraws, "sparkles"),
            MenuPage(_l("Gaps of ability"), CapabilityGaps, "chart-bar"),
        ),
    ),
    MenuGroup(
        _l("Data queries"),
        "database-search",
        (
            MenuPage(_l("Query of instruments"), InstrumentQueries, "gauge"),
            MenuPage(_l("Query of appointments"), AppointmentQueries, "calendar"),
            MenuPage(_l("Query of results and certificates"), CertificateQueries, "certificate"),
            MenuPage(_l("Query of institutions"), InstitutionQueries, "building-bank"),
            MenuPage(_l("Query of using units"), UnitQueries, "users"),
            MenuPage(_l("Query of measurement standards"), StandardQueries, "scale"),
            MenuPage(_l("Steps of tasks"), StepQueries, "list-check"),
        ),
    ),
    MenuGroup(
        _l("Statistics"),
        "chart-bar",
        (
            MenuPage(_l("Instruments in figures"), InstrumentStatistics, "notebook"),
            MenuPage(_l("Inspection rate in figures"), InspectionRateStatistics, "gauge"),
            MenuPage(_l("Pass rate in figures"), PassRateStatistics, "rosette-discount-check"),
            MenuPage(_l("Workload of institutions"), WorkloadStatistics, "building-bank"),
            MenuPage(_l("Monthly reports"), MonthlyReports, "calendar"),
            MenuPage(_l("Ability and standards in figures"), AbilityStatistics, "scale"),
            MenuPage(_l("Wall screen"), Wall, "report-analytics"),
        ),
    ),
    MenuGroup(
        _l("Administrative supervision"),
        "eye",
        (
            MenuPage(_l("Business of verification"), Business, "list-check"),
            MenuPage(_l("What waits for authorities"), AuthorityToDo, "clock"),
            MenuPage(_l("Acceptance by institutions"), Acceptance, "inbox"),
            MenuPage(_l("Verifications by institutions"), Quantity, "certificate"),
            MenuPage(_l("Institutions in figures"), InstitutionFigures, "building-bank"),
            MenuPage(_l("Using units in figures"), UnitFigures, "users"),
            MenuPage(_l("Pass rate of instruments"), PassRates, "rosette-discount-check"),
            MenuPage(_l("State of instruments"), InstrumentStates, "gauge"),
            MenuPage(_l("Kinds of instruments"), InstrumentKinds, "book"),
            MenuPage(_l("Forecast of verifications"), Forecast, "calendar-event"),
        ),
    ),
    MenuPage(_l("Tasks offered to us"), Inbox, "inbox"),
    MenuPage(_l("Results"), Results, "writing"),
    MenuPage(_l("Ledger of instruments"), Ledger, "notebook"),
    MenuPage(_l("Imports into the ledger"), LedgerImports, "upload"),
    MenuPage(_l("Progress of our tasks"), Progress, "gauge"),
    MenuPage(_l("Appointments"), Appointments, "calendar"),
    MenuPage(_l("Certificates"), Certificates, "certificate"),
    MenuPage(_l("Inspections of us"), OwnInspections, "clipboard-list"),
    MenuGroup(
        _l("Our institution"),
        "building-bank",
        (
            MenuPage(_l("Capabilities"), Capabilities, "rosette-discount-check"),
            MenuPage(_l("Staff"), Staff, "user-check"),
            MenuPage(_l("Numbers and seal of certificates"), IssuingRules, "settings"),
        ),
    ),
    MenuGroup(
        _l("System"),
        "settings",
        (
            MenuPage(_l("Accounts"), Accounts, "users"),
            MenuPage(_l("Organizations"), Organizations, "sitemap"),
            MenuPage(_l("Audit log"), AuditLog, "shield-check"),
            MenuPage(_l("Deadlines"), Deadlines, "clock"),
            MenuPage(_l("Rules of the provinces"), ProvinceRules, "adjustments-horizontal"),
            MenuPage(_l("Holidays"), Holidays, "calendar-off"),
            MenuPage(_l("Daily run"), ClockRuns, "refresh"),
        ),
    ),
)
IN_MENU = [page for entry in MENU for page in (entry.pages if isinstance(entry, MenuGroup) else (entry,))]
WITHOUT_MENU = (
    Notifications,
    Jobs,
    LoginView,
    Registration,
    Captchas,
    Health,
    SessionView,
    Search,
    MyAccount,
    Options,
    Scans,
    Portal,
    OpenDataPage,
    OpenData,
    AnalysisApi,
    Crawlers,
)


# What asks for no permission, by endpoint or page, and why.
OPEN_TO_ALL = {
    "static": "scripts, styles and pictures of the pages themselves",
    "appbuilder.static": "the same of Flask-AppBuilder",
    "LoginView": "the door",
    "Captchas": "asked of who is not signed in yet",
    "Registration": "for who has no account yet",
    "Options.regions": "public codes, asked by the registration and the portal",
    "SessionView.token": "the token of the login form",
    "SessionView.remaining": "tells a page whose session has ended that it has",
    "SessionView.over": "leads to the login page",
    "SessionView.language": "also of the login page",
    "HomeView.index": "leads to the login page; it tells nothing without can_list",
    "Scans.scan": "a printed code is for everybody and cannot be guessed; what is not public asks for its page",
    "Health.health": "for whoever watches over the server",
    "Portal": "for the public",
    "OpenDataPage": "for the public",
    "OpenData": "for the public",
    "Crawlers": "for search engines",
    "AnalysisApi": "asks for an access key and for the export permission of the page that is asked",
}
FOR_ACCOUNTS = {
    "SessionView.extend": "one's own session",
    "MyAccount": "one's own account; programs are refused",
    "Search": "each group of hits asks for the permissions of the page that it leads to",
}


def register(app: Flask) -> None:
    app.extensions["menu"] = MENU
    app.before_request(login.hold_back)
    app.after_request(open_data.share)
    in_background(app, exports.ask)
    errors.tell_below(app, "/portal", portal.tell)
    errors.tell_below(app, "/open/", open_data.tell)
    errors.tell_below(app, "/api/", analyst_api.tell)
    app.register_error_handler(BadParameter, bad_parameter)
    app.context_processor(lambda: {"unread": notifications.unread})
    pages = (*WITHOUT_MENU, *(entry.page for entry in IN_MENU))
    fabkit.register(app, pages, MENU, open_to_all=OPEN_TO_ALL, for_accounts=FOR_ACCOUNTS)
