"""However a figure is broken down, its total is one: by region, by institution, by kind, and the rows behind it."""

from datetime import date

import pytest
from sqlalchemy import select

from app.access import EVERYTHING, Principal, seeing
from app.domain import bookings, tallies
from app.domain.bookings import Order
from app.models import Organization, Task, db
from app.pages.oversight import OversightPage
from app.pages.statistics import StatisticPage
from app.states import (
    ACCEPT,
    ASSIGN,
    DRAFT,
    FILED,
    REFUSE,
    RESUBMIT,
    RESUBMIT_UNMATCHED,
    RETURN,
    RETURNED,
    TIME_OUT,
    WITHDRAW,
)
from app.workflow import fire
from tests.factories import BLOOD_PRESSURE, WATER_METER, authority, capability, institution, instrument, task, unit_of
from tests.test_statistics import TO_NOW, _cells, world  # noqa: F401 -- its fixture is used

PLACES = {"": "", "33": "330000", "3301": "330100", "330106": "330106"}


def buyer(unit: Organization) -> Principal:
    return Principal(
        kind="using_unit",
        account_id=0,
        name="甲",
        organization_id=unit.id,
        organization=unit.name,
        region_code="330106",
    )


@pytest.fixture
def busy(world):  # noqa: F811
    """Figures of every sort, and every way in which a task gets an institution or none."""
    book_and_so_on()
    assert tallies.differences() == []


def book_and_so_on() -> None:
    """An order of three instruments: matched or not, assigned, returned, submitted anew, timed out, withdrawn."""
    lab, unit = institution("330106"), unit_of()
    capability(lab, "330106")
    kinds = (WATER_METER, WATER_METER, BLOOD_PRESSURE)
    booked = [instrument("330106", unit, of=of, filing_state=FILED) for of in kinds]
    returned = task(RETURNED, "330105")
    task(DRAFT, unit=unit)
    tallies.rebuild()

    with seeing(buyer(unit)):
        bookings.book([one.id for one in booked], Order("甲", "13812345678", "sent"), {}, buyer(unit))
    db.session.expire_all()
    of_them = select(Task.id).where(Task.instrument_id.in_([one.id for one in booked])).order_by(Task.instrument_id)
    meter, other, cuff = db.session.scalars(of_them)
    reason = "量程超出本机构授权范围"
    fire(RETURN, [meter, other], EVERYTHING, institution_id=None, reason=reason)
    fire(RESUBMIT, [meter], EVERYTHING, institution_id=lab.id)
    fire(RESUBMIT_UNMATCHED, [other], EVERYTHING, institution_id=None)
    fire(ASSIGN, [cuff], EVERYTHING, institution_id=lab.id)
    fire(TIME_OUT, [cuff], EVERYTHING, institution_id=None)
    fire(WITHDRAW, [other], EVERYTHING)
    fire(ACCEPT, [meter], EVERYTHING)
    fire(REFUSE, [returned.id], EVERYTHING, reason=reason)


def total(page):
    """The figures under the table, by their columns."""
    return _cells(page.text.partition("<tfoot>")[2].partition("</tfoot>")[0])


def pages(app):
    views = [view for view in app.extensions["kit"].baseviews if isinstance(view, StatisticPage)]
    assert any(isinstance(view, OversightPage) for view in views)
    return views


def read(person, view, jurisdiction, line):
    asked = {"region": PLACES[jurisdiction] or "000000", "by": line, "from": "2020-01", "to": TO_NOW}
    return person.get(f"{view.route_base}/", query_string=asked)


@pytest.mark.parametrize("jurisdiction", PLACES)
def test_every_total_is_the_same_by_region_institution_and_kind(app, sign_in, busy, jurisdiction):
    person = sign_in("Supervisor", authority(jurisdiction))
    differing = {}
    for view in pages(app):
        by = {line: read(person, view, jurisdiction, line) for line in view.lines}
        told = {line: total(page) for line, page in by.items()}
        for name in told[view.lines[0]]:
            figures = {line: cells[name].text for line, cells in told.items() if name in cells}
            if len(set(figures.values())) > 1:
                differing[view.route_base, name] = figures

    assert differing == {}


@pytest.mark.parametrize("jurisdiction", PLACES)
def test_every_total_is_the_number_of_the_rows_behind_it(app, sign_in, busy, jurisdiction):
    person = sign_in("Supervisor", authority(jurisdiction))
    differing, followed = {}, 0
    for view in pages(app):
        for line in view.lines:
            for name, cell in total(read(person, view, jurisdiction, line)).items():
                if cell.leads is None:
                    continue
                followed += 1
                rows = person.get(cell.leads).text.partition('data-total="')[2].partition('"')[0]
                if rows != cell.text.replace(",", ""):
                    differing[view.route_base, line, name] = (cell.text, rows)

    assert differing == {}
    assert followed > 60


def test_appointments_are_counted_when_they_are_submitted_and_offers_beside_them(sign_in, rows):
    """Two of three instruments found an institution at once, one later, and one was offered anew."""
    book_and_so_on()
    person = sign_in("Supervisor", authority("330106"))
    asked = {"from": date.today().strftime("%Y-%m"), "to": TO_NOW}

    page = person.get("/oversight/business/", query_string=asked)

    assert ("预约数" in page.text, "派发任务数" in page.text) == (True, True)
    assert {name: total(page)[name].text for name in ("booked", "applied", "offered")} == {
        "booked": "1",
        "applied": "3",
        "offered": "4",
    }
