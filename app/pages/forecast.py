"""到期预测: what falls due in the coming months, and where it will not fit.

What is overdue leads to its instruments. The months lead nowhere: they count an instrument again after each cycle.
"""

from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any

from flask import g
from flask_babel import lazy_gettext as _l

from app.domain import forecasts
from app.domain.statistics import KIND, REGION, Period, Row, Statistic, rate
from app.pages.oversight import OversightPage
from app.pages.statistics import OF_INSTRUMENTS, RATE, TO_VERIFY, Alarm, Asked, Head


@lru_cache(maxsize=2)
def _heads(coming: Period) -> tuple[Head, ...]:
    return (
        _backlog(coming.first),
        Head("capacity", _l("Got done in a month")),
        Head("over", _l("Months that do not fit")),
        *(Head(month.isoformat(), f"{month:%Y}‑{month:%m}") for month in coming.each()),
    )


def _backlog(first: date) -> Head:
    """What ran out before a month."""
    before = (first - timedelta(days=1)).isoformat()
    return Head("backlog", _l("Overdue before"), rows={**TO_VERIFY, "until_to": before}, details=OF_INSTRUMENTS)


class Forecast(OversightPage):
    """到期预测."""

    route_base = "/oversight/forecast"
    class_permission_name = "Forecast"
    title = _l("Forecast of verifications")
    subtitle = _l(
        "What falls due in the next 24 months, coming again after its cycle, against what is got done in a month: the "
        "mean of the three best of the last twelve."
    )
    charted = "over"
    lines = (REGION, KIND)
    kinds_by_city = True
    alarm = Alarm(
        "forecast", "over", _l("A month does not fit from"), _l("% of what is got done"), Decimal(100), any=True
    )
    monthly = (
        Head("due", _l("Fall due")),
        Head("capacity", _l("Got done in a month")),
        Head("share", _l("Of what is got done"), RATE),
    )

    @property
    def heads(self) -> tuple[Head, ...]:  # type: ignore[override]
        return _heads(forecasts.coming())

    def found(self, asked: Asked) -> Statistic:
        return forecasts.forecast(asked.line, asked.code, asked.threshold, g.principal)

    def trend(self, asked: Asked, found: Statistic) -> list[Row]:
        capacity = found.total["capacity"]
        months = [(f"{month:%Y-%m-%d}", f"{month:%Y-%m}") for month in forecasts.coming().each()]
        return [
            Row(key, name, {"due": found.total[key], "capacity": capacity, "share": rate(found.total[key], capacity)})
            for key, name in months
        ]

    def is_marked(self, head: Head, values: Mapping[str, Any], asked: Asked) -> bool:
        """A month that does not fit."""
        is_month = head.name not in {"backlog", "capacity", "over"}
        return is_month and values[head.name] * 100 > values["capacity"] * asked.threshold
