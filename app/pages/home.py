"""首页: what waits for a person, what is nearest to its time limit, the week, and the way to the own pages."""

from dataclasses import dataclass
from typing import Any

from flask import current_app, g, redirect, render_template, url_for
from flask_appbuilder import expose
from flask_babel import gettext as _, lazy_gettext as _l

from app.domain import home
from app.domain.home import Deadline, Week
from app.fabkit import lists, saved_views
from app.fabkit.formats import moment
from app.fabkit.lists import Query
from app.fabkit.pages import Page
from app.fabkit.security import is_permitted
from app.fabkit.shell import permitted_items
from app.pages.accounts import Accounts
from app.pages.assignments import Assignments
from app.pages.audits import AuditLog, told
from app.pages.capabilities import Capabilities
from app.pages.capability_reviews import CapabilityReviews
from app.pages.certificates import Certificates
from app.pages.filings import Filings
from app.pages.inbox import Inbox
from app.pages.inspections import Inspections
from app.pages.ledger import Ledger
from app.pages.local_institutions import LocalInstitutions
from app.pages.organizations import Organizations
from app.pages.own_inspections import OwnInspections
from app.pages.progress import Progress
from app.pages.publications import Publications
from app.pages.results import Results
from app.pages.staff import Staff
from app.pages.standard_reviews import StandardReviews
from app.pages.standards import Standards


@dataclass(frozen=True)
class Waiting:
    """So many rows of a list, filtered, wait for who `needs` a permission of it for his work.

    `late` marks what should not be there at all.
    """

    label: Any
    page: Any
    filter: str
    needs: str
    late: bool = False

    @property
    def url(self) -> str:
        return f"{self.page.route_base}/?{self.filter}" if self.filter else f"{self.page.route_base}/"

    def query(self) -> Query:
        page = self.page
        return lists.read(page.source, list(page.columns), page.filters, page.search, lists.parse(self.filter))


WAITING = (
    Waiting(_l("Returned to our desk"), Assignments, "desk=mine&state=returned", "assign"),
    Waiting(_l("Unassigned at our desk"), Assignments, "desk=mine&state=unassigned", "assign"),
    Waiting(_l("Escalated to us"), Assignments, "desk=escalated", "assign"),
    Waiting(_l("Filings to review"), Filings, "", "pass"),
    Waiting(_l("Capabilities to review"), CapabilityReviews, "state=pending", "pass"),
    Waiting(_l("Standards to review"), StandardReviews, "", "pass"),
    Waiting(_l("Certificates to publish"), Publications, "publication=unpublished", "publish"),
    Waiting(_l("Inspections to do"), Inspections, "whose=office&state=planned", "inspect"),
    Waiting(_l("Rectifications to re-check"), Inspections, "whose=office&state=to_recheck", "recheck"),
    Waiting(_l("Rectifications past the deadline"), Inspections, "whose=office&due=past", "recheck", late=True),
    Waiting(_l("Standards that end in 30 days"), Standards, "ending=30", "edit"),
    Waiting(_l("Authorizations that end in 180 days"), LocalInstitutions, "ending=180", "can_edit"),
    Waiting(_l("Units that wait to be admitted"), Organizations, "state=awaiting", "admit"),
    Waiting(_l("Accounts that wait for a role"), Accounts, "state=registered", "give_role"),
    Waiting(_l("Accounts that are locked"), Accounts, "state=locked", "unlock"),
    Waiting(_l("Tasks to answer"), Inbox, "state=offered", "accept"),
    Waiting(_l("Instruments not received yet"), Inbox, "due=none", "receive"),
    Waiting(_l("Tasks past their time limit"), Inbox, "due=past", "start", late=True),
    Waiting(_l("Results to record"), Results, "state=verifying", "record"),
    Waiting(_l("Results to check"), Results, "state=to_check", "check"),
    Waiting(_l("Results to approve"), Results, "state=to_approve", "approve"),
    Waiting(_l("Findings to answer"), OwnInspections, "state=to_rectify", "answer"),
    Waiting(_l("Qualifications that end in 30 days"), Staff, "qualified=30", "qualify"),
    Waiting(_l("Capabilities that end in 90 days"), Capabilities, "expiring=90", "declare"),
    Waiting(_l("Instruments due in 30 days or overdue"), Ledger, "due=30", "book"),
    Waiting(_l("Instruments overdue"), Ledger, "due=overdue", "book", late=True),
    Waiting(_l("Drafts of ours"), Progress, "state=draft", "submit"),
    Waiting(_l("Tasks returned to us"), Progress, "state=returned", "resubmit"),
    Waiting(_l("Tasks refused"), Progress, "state=refused", "submit"),
)
# What tells of news rather than of work.
NEWS = (Waiting(_l("Certificates of the last 30 days"), Certificates, "verified=last_30_days", "download"),)


@dataclass(frozen=True)
class Nearest:
    """A list of what is nearest to its time limit; `since` if its days count from when it came in."""

    title: Any
    page: Any
    needs: str
    found: Any
    since: bool = False


NEAREST = (
    Nearest(_l("Waiting longest at our desk"), Assignments, "assign", home.longest_at_desk, since=True),
    Nearest(_l("Nearest to the time limit"), Inbox, "start", home.nearest_tasks),
    Nearest(_l("Instruments that fall due first"), Ledger, "book", home.nearest_instruments),
)
# Who sees the week: pages of those whose work it shows.
WEEK_FOR = (Assignments, Inbox)


class HomeView(Page):
    """首页."""

    route_base = ""
    class_permission_name = "HomeView"
    default_view = "index"
    base_permissions = ["can_list"]  # noqa: RUF012 -- as Flask-AppBuilder has it

    @expose("/", methods=["GET"])
    def index(self) -> Any:
        if g.principal.account_id is None:
            return redirect(url_for("LoginView.login"))
        if not self.allowed("can_list"):
            return render_template("no_role.html")
        waiting, news = _counted(WAITING), _counted(NEWS)
        return render_template(
            "home.html",
            waiting=waiting,
            is_free=not any(total.value for _each, total in waiting),
            news=news,
            nearest=_nearest(),
            week=_week(),
            proof=_proof(),
            pages=_pages(),
            views=_views(),
        )


def _counted(declared: tuple[Waiting, ...]) -> list[tuple[Waiting, Any]]:
    mine = [each for each in declared if _is_open(each.page, each.needs)]
    return list(zip(mine, lists.capped_totals([each.query() for each in mine]), strict=True))


def _is_open(page: Any, *needs: str) -> bool:
    return all(is_permitted(name, page.class_permission_name) for name in ("can_list", *needs))


def _nearest() -> list[dict[str, Any]]:
    mine = [each for each in NEAREST if _is_open(each.page, each.needs, "can_show")]
    return [
        {
            "title": each.title,
            "rows": [
                (row, f"{each.page.route_base}/show/{row.id}", _days(row, since=each.since), _urgency(row, each.since))
                for row in each.found(g.principal)
            ],
            "url": f"{each.page.route_base}/",
        }
        for each in mine
    ]


def _days(row: Deadline, *, since: bool) -> str:
    if since:
        return _("waits %(days)s days", days=-row.days)
    if row.days < 0:
        return _("%(days)s days over", days=-row.days)
    return _("%(days)s days left", days=row.days) if row.days else _("Today")


def _urgency(row: Deadline, since: bool) -> str:
    left = row.days + 20 if since else row.days
    return "overdue" if left < 0 else "waiting-long" if left <= (10 if since else 2) else ""


def _proof() -> dict[str, Any] | None:
    """For auditors: when the log was proved last, and what came out."""
    if not _is_open(AuditLog):
        return None
    found = home.last_proof()
    at, words = (moment(found.at), told(found.detail)) if found else ("", "")
    return {"entry": found, "at": at, "told": words, "url": f"{AuditLog.route_base}/?action=verify"}


def _pages() -> list[Any]:
    here = url_for("HomeView.index")
    items = [each for entry in permitted_items(current_app.extensions["menu"]) for each in (entry.items or (entry,))]
    return [each for each in items if each.url != here]


def _views() -> list[tuple[str, str, str]]:
    """(name, title of the page, address) of one's saved views of pages that one may still open."""
    pages = {type(each).__name__: each for each in current_app.extensions["kit"].baseviews}
    found = [(name, pages[page], address) for page, name, address in saved_views.mine() if page in pages]
    return [(name, page.list_title, f"{page.url}?{address}") for name, page, address in found if _is_open(page)]


# --- The week as a drawing -----------------------------------------------------------------------

WIDTH, HEIGHT, FOOT = 560, 150, 22


def _week() -> dict[str, Any] | None:
    return drawn(home.week(g.principal)) if any(map(_is_open, WEEK_FOR)) else None


def drawn(week: Week, height: int = HEIGHT) -> dict[str, Any]:
    """Two bars for each day, as high as their share of the highest."""
    most = max(*week.came_in, *week.verified, 1)
    step, bar = WIDTH / len(week.days), 22
    room = height - FOOT - 16
    bars = []
    for number, pair in enumerate(zip(week.came_in, week.verified, strict=True)):
        middle = step * (number + 0.5)
        for value, left, css in ((pair[0], middle - bar - 1, "came-in"), (pair[1], middle + 1, "verified")):
            tall = round(value / most * room, 1)
            bars.append({"x": round(left, 1), "y": round(height - FOOT - tall, 1), "width": bar, "height": tall,
                         "css": css, "value": value})  # fmt: skip
    labels = [(round(step * (number + 0.5), 1), f"{day.month}-{day.day:02}") for number, day in enumerate(week.days)]
    rows = list(zip(week.days, week.came_in, week.verified, strict=True))
    tasks = g.principal.kind == "institution"
    return {
        "bars": bars,
        "labels": labels,
        "rows": rows,
        "width": WIDTH,
        "height": height,
        "foot": FOOT,
        "came_in": _("Tasks given to us") if tasks else _("Appointments made, drafts too"),
        "at": f"{week.counted_at:%H:%M}",
    }
