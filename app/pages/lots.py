"""Where a using unit's instruments go: lots alike in what is needed, each with the institutions able to it."""

from collections.abc import Sequence
from typing import Any

from flask import request
from flask_babel import lazy_gettext as _l

from app.domain import matching
from app.domain.ledger import range_text
from app.domain.matching import Lot
from app.fabkit.filters import is_number
from app.fabkit.forms import Form

PROXIMITY = {
    matching.SAME_COUNTY: _l("Same county"),
    matching.SAME_CITY: _l("Same city"),
    matching.SAME_PROVINCE: _l("Same province"),
    matching.ELSEWHERE: _l("Elsewhere"),
}


class LotsForm(Form):
    """The institution chosen for each lot, under the lot's key."""

    def choices(self) -> dict[str, int]:
        """What was chosen; whether it is able is for the verb to see."""
        chosen = {name.removeprefix("lot-"): value for name, value in request.form.items() if name.startswith("lot-")}
        return {key: int(value) for key, value in chosen.items() if is_number(value)}


def shown(found: Sequence[Lot], form: LotsForm) -> dict[str, Any]:
    """What the template shows of the lots."""
    chosen = form.choices()
    return {
        "lots": [
            {
                "name": f"lot-{lot.key}",
                "kind": lot.kind,
                "range": range_text(lot.range_low, lot.range_high, lot.range_unit),
                "region": lot.region,
                "count": lot.count,
                "options": [
                    (each.institution_id, each.institution, PROXIMITY[each.proximity], each.mean_days, each.returned)
                    for each in lot.options
                ],
                "chosen": chosen.get(lot.key),
            }
            for lot in found
        ],
        "total": sum(lot.count for lot in found),
        "unmatched": sum(lot.count for lot in found if not lot.options),
    }
