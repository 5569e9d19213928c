"""What the pages of 数据查询 have in common: a button for everything about the ticked row (详细信息)."""

from typing import Any

from flask import abort
from flask_babel import lazy_gettext as _l

from app.fabkit.actions import show_action
from app.fabkit.pages import ModelPage


class QueryPage(ModelPage):
    """A page on which rows are looked up."""

    @show_action("details", _l("Details"), icon="info-circle", template="show_dialog.html", size="xl")
    def all_details(self, row_id: int) -> dict[str, Any]:
        show = self.details(row_id) or abort(404)
        return {"show": show, "dialog": {"summary": show.title}}
