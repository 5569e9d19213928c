"""检定能力缺口: which kinds nobody is able to verify where they are filed, region by region down to the county.

A ranked table with bars and not a map: what one asks is where most instruments are concerned and by which kinds, and
a map shows the size of regions instead.
"""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from flask import abort, current_app, g, render_template, request
from flask_appbuilder import expose
from flask_babel import gettext as _

from app import audit, spreadsheet
from app.domain import capability_gaps, regions
from app.errors import RuleError
from app.fabkit.downloads import attachment
from app.fabkit.exports import stamp
from app.fabkit.filters import is_number
from app.fabkit.formats import ZONE
from app.fabkit.pages import Page
from app.fabkit.security import permitted, takes_key
from app.models import db
from app.spreadsheet import Layout


class CapabilityGaps(Page):
    """检定能力缺口."""

    route_base = "/capability-gaps"
    class_permission_name = "CapabilityGaps"
    default_view = "index"

    @expose("/", methods=["GET"])
    @permitted("list")
    def index(self) -> Any:
        """The gaps of a region, and the way back to those around it."""
        code = _asked(request.args.get("region", ""))
        found = capability_gaps.gaps(code, g.principal)
        return render_template(
            "capability_gaps.html",
            gaps=found,
            code=code,
            way=regions.way_down(code, g.principal),
            most=max((place.instruments for place in found.places), default=1),
            most_of_kind=max((kind.instruments for kind in found.kinds), default=1),
            may_export=self.allowed("can_export"),
            page=self,
        )

    @expose("/export", methods=["POST"])
    @takes_key
    @permitted("export")
    def export(self) -> Any:
        """The gaps of a region one by one, as CSV or XLSX."""
        code, kind = _asked(request.form.get("region", "")), request.form.get("format", "")
        if kind not in spreadsheet.KINDS:
            abort(400)
        headers = [_("Region"), _("Category"), _("Kind"), _("Instruments without ability")]
        title, limit = _("Gaps of ability"), current_app.config["EXPORT_ROWS"]
        rows = capability_gaps.sheet(code, g.principal).limit(limit + 1)
        layout = Layout(title, headers, stamp())
        sheet = spreadsheet.write(db.session.connection(), rows, kind, layout, most=limit)
        if sheet is None:
            raise RuleError(_("An export holds at most %(number)s rows. Please narrow the filter.", number=limit))
        audit.record("export", "page", None, title, format=kind, filter=code, rows=sheet.rows)
        db.session.commit()
        name = f"{title}-{datetime.now(ZoneInfo(ZONE)):%Y%m%d-%H%M}.{kind}"
        return attachment(sheet.file, name, spreadsheet.KINDS[kind])


def _asked(code: str) -> str:
    return regions.asked(code, g.principal) if is_number(code) else g.principal.region_code
