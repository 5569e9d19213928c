"""行政监管: how offices and institutions do, region by region, ranked, with what is worse than it may be marked."""

from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from flask import flash, g, redirect, request
from flask_appbuilder import expose
from flask_babel import gettext as _, lazy_gettext as _l

from app import numbers
from app.domain import figures, statistics, thresholds
from app.domain.statistics import INSTITUTION, KIND, REGION, Row, Statistic
from app.errors import RuleError
from app.fabkit.security import permitted
from app.models import db
from app.pages.organizations import DESIGNATIONS
from app.pages.statistics import (
    BOOKED_HEAD,
    BY_USE,
    BY_VERIFICATION,
    ISSUED_BEYOND,
    ISSUED_LATE,
    MEAN,
    OF_INSTRUMENTS,
    OF_RESULTS,
    OF_THE_RESULTS,
    RATE,
    RATE_BEFORE,
    TO_VERIFY,
    Alarm,
    Asked,
    Details,
    Head,
    StatisticPage,
    of_work,
)
from app.states import CLOSED, IN_SERVICE, RETURNED, STANDING_LABELS, SUSPENDED, TASK_LABELS, UNASSIGNED

LATE = Alarm("late_rate", "late_rate", _l("Share issued late above"), "%", Decimal(5))
OVERDUE = Alarm("overdue_rate", "overdue_rate", _l("Share overdue above"), "%", Decimal(5))
OVERDUE_RATE = Head("overdue_rate", _l("Share overdue"), RATE)
OF_UNITS = Details("/queries/units/", "UnitQueries")
OF_INSTITUTIONS = Details("/queries/institutions/", "InstitutionQueries")
NOT_CLOSED = (IN_SERVICE, SUSPENDED)
OF_QUEUE = Details("/assignments/", "Assignments")


class OversightPage(StatisticPage):
    """A statistic of which an office says from where on a figure is marked."""

    alarm: Alarm

    @expose("/threshold", methods=["POST"])
    @permitted("set_threshold")
    def set_threshold(self) -> Any:
        """From where on figures are marked, for the own authority and those below it."""
        asked = self.asked(request.form)
        try:
            thresholds.put(self.alarm.name, numbers.parse(request.form.get("threshold", "")), g.principal)
            db.session.commit()
            flash(_("Saved."), "success")
        except RuleError as refusal:
            flash(str(refusal), "danger")
        return redirect(f"{self.route_base}/?{urlencode(asked.params)}", code=303)


class Business(OversightPage):
    """强检业务."""

    route_base = "/oversight/business"
    class_permission_name = "Business"
    title = _l("Business of verification")
    subtitle = _l("What was applied for, taken, returned, refused, verified and certified in the months.")
    charted = "certified"
    question = figures.BUSINESS
    has_period = True
    alarm = LATE
    details = OF_RESULTS
    heads = (
        BOOKED_HEAD,
        *of_work("applied", "offered", "assigned", "accepted", "returned", "refused", "recorded", "certified"),
        ISSUED_LATE,
        Head("late_rate", _l("Share issued late"), RATE),
        ISSUED_BEYOND,
        *OF_THE_RESULTS,
    )


class AuthorityToDo(OversightPage):
    """行政待办业务."""

    route_base = "/oversight/to-do"
    class_permission_name = "AuthorityToDo"
    title = _l("What waits for authorities")
    subtitle = _l("Tasks without an institution, and what is to be reviewed, as it stands now.")
    charted = "long"
    question = figures.TO_DO
    alarm = Alarm("waiting_days", "long", _l("Waiting for longer than"), _l("days"), Decimal(20), any=True)
    details = OF_QUEUE
    heads = (
        *(Head(state, TASK_LABELS[state], rows={"state": state}) for state in (UNASSIGNED, RETURNED)),
        Head("long", _l("Waiting too long")),
        Head("filings", _l("Filings under review")),
        Head("capabilities", _l("Capabilities under review")),
        Head("standards", _l("Standards under review")),
    )

    monthly = (
        *(Head(state, TASK_LABELS[state]) for state in (UNASSIGNED, RETURNED)),
        Head("filings", _l("Filings under review")),
    )

    def found(self, asked: Asked) -> Statistic:
        now = statistics.period(None, None)
        return statistics.ask(figures.to_do(int(asked.threshold)), asked.line, asked.code, now, g.principal)

    def trend(self, asked: Asked, found: Statistic) -> list[Row]:
        """What waited at the end of each of the last months."""
        return self.by_month(asked, found, statistics.last_months())


class Acceptance(OversightPage):
    """机构受理情况."""

    route_base = "/oversight/acceptance"
    class_permission_name = "Acceptance"
    title = _l("Acceptance by institutions")
    subtitle = _l("What institutions did with what was offered to them in the months.")
    charted = "acceptance"
    question = figures.ACCEPTANCE
    lines = (INSTITUTION, REGION)
    has_period = True
    alarm = Alarm("acceptance", "acceptance", _l("Acceptance rate below"), "%", Decimal(90), "below")
    heads = (
        *of_work("offered", "accepted", "returned", "timed_out", "withdrawn"),
        Head("acceptance", _l("Acceptance rate"), RATE),
    )


class Quantity(OversightPage):
    """机构检定量."""

    route_base = "/oversight/quantity"
    class_permission_name = "Quantity"
    title = _l("Verifications by institutions")
    subtitle = _l("What each institution verified in the region in the months, how long it took, and what came late.")
    charted = "certified"
    question = figures.WORKLOAD
    lines = (INSTITUTION, REGION)
    has_period = True
    alarm = LATE
    details = OF_RESULTS
    heads = (
        *of_work("recorded", "certified"),
        Head("days", _l("Mean days"), MEAN),
        ISSUED_LATE,
        Head("late_rate", _l("Share issued late"), RATE),
        ISSUED_BEYOND,
        *OF_THE_RESULTS,
    )


class InstitutionFigures(OversightPage):
    """机构信息."""

    route_base = "/oversight/institutions"
    class_permission_name = "InstitutionFigures"
    title = _l("Institutions in figures")
    subtitle = _l("Institutions at home in the region, by designation and standing, and what they have.")
    charted = "institutions"
    question = figures.INSTITUTIONS
    has_period = True
    alarm = Alarm("authorizations_over", "over", _l("Expired authorizations more than"), "", Decimal(0))
    details = OF_INSTITUTIONS
    heads = (
        Head("institutions", _l("Institutions"), rows={"standing": NOT_CLOSED}),
        *(Head(kind, word, rows={"designation": kind, "standing": NOT_CLOSED}) for kind, word in DESIGNATIONS.items()),
        *(Head(state, STANDING_LABELS[state], rows={"standing": state}) for state in (SUSPENDED, CLOSED)),
        Head("ending", _l("Authorization ends in six months")),
        Head("over", _l("Authorization expired")),
        Head("capabilities", _l("Effective capabilities")),
        Head("standards", _l("Standards in force")),
    )


class UnitFigures(OversightPage):
    """使用单位."""

    route_base = "/oversight/units"
    class_permission_name = "UnitFigures"
    title = _l("Using units in figures")
    subtitle = _l("Using units at home in the region, and what is filed there.")
    charted = "units"
    question = figures.USING_UNITS
    has_period = True
    alarm = OVERDUE
    details = OF_UNITS
    heads = (
        Head("units", _l("Using units"), rows={"active": "yes"}),
        Head("disabled", _l("Disabled")),
        Head("filed", _l("Filed, not scrapped")),
        Head("mean", _l("Instruments per unit"), MEAN),
        Head("due", _l("To be verified")),
        Head("overdue", _l("Overdue")),
        OVERDUE_RATE,
    )


class PassRates(OversightPage):
    """器具合格率."""

    route_base = "/oversight/pass-rate"
    class_permission_name = "PassRates"
    title = _l("Pass rate of instruments")
    subtitle = _l("What passed of the results of the months, ranked, and month by month.")
    charted = "rate"
    question = figures.PASS_RATE
    lines = (REGION, KIND, INSTITUTION)
    kinds_by_city = True
    has_period = True
    alarm = Alarm("pass_rate", "rate", _l("Pass rate below"), "%", Decimal(90), "below")
    details = OF_RESULTS
    heads = (
        *OF_THE_RESULTS,
        Head("year_before_rate", _l("Pass rate a year before"), RATE),
        Head("before_rate", _l("Pass rate just before"), RATE),
    )


class InstrumentStates(OversightPage):
    """器具状态."""

    route_base = "/oversight/states"
    class_permission_name = "InstrumentStates"
    title = _l("State of instruments")
    subtitle = _l("What is filed, by the state of its verification and its use.")
    charted = "overdue_rate"
    question = figures.INSTRUMENT_STATES
    has_period = True
    alarm = OVERDUE
    details = OF_INSTRUMENTS
    heads = (
        Head("due", _l("To be verified"), rows=TO_VERIFY),
        *BY_VERIFICATION,
        OVERDUE_RATE,
        *BY_USE[1:],
        *RATE_BEFORE,
    )


class InstrumentKinds(OversightPage):
    """器具分类."""

    route_base = "/oversight/kinds"
    class_permission_name = "InstrumentKinds"
    title = _l("Kinds of instruments")
    subtitle = _l("What is filed and in use, by kind, with the state of its verification.")
    charted = "due"
    question = figures.INSPECTION_RATE
    lines = (KIND, REGION)
    has_period = True
    alarm = OVERDUE
    details = OF_INSTRUMENTS
    heads = (
        Head("due", _l("To be verified"), rows=TO_VERIFY),
        *BY_VERIFICATION,
        Head("rate", _l("Inspection rate"), RATE),
        OVERDUE_RATE,
        *RATE_BEFORE,
    )
