"""检定进度: where a using unit's tasks are."""

from flask_babel import lazy_gettext as _l

from app.domain import institutions
from app.fabkit.filters import Choice, Lookup
from app.fabkit.lists import Source
from app.fabkit.pages import ModelPage, Show
from app.models import Task
from app.pages import tasks as task_pages
from app.states import TASK_LABELS


class Progress(ModelPage):
    """检定进度."""

    route_base = "/progress"
    class_permission_name = "Progress"
    list_title = _l("Progress of our tasks")
    empty = _l("You have not booked a verification yet.")
    source = Source(
        Task,
        key=Task.applied_at,
        joins=task_pages.JOINS,
        outer_joins=task_pages.RECEIVER,
        descending=True,
    )
    extra = {"state": Task.state}  # noqa: RUF012
    columns = (
        task_pages.STATE,
        task_pages.NO,
        task_pages.NAME,
        task_pages.KIND,
        task_pages.MODEL,
        task_pages.SERIAL,
        task_pages.PLACE,
        task_pages.INSTITUTION,
        task_pages.APPLIED,
        task_pages.DELIVERY,
        task_pages.REASON,
    )
    search = task_pages.SEARCH
    filters = (
        Choice("state", _l("State"), Task.state, TASK_LABELS),
        Lookup(
            "institution",
            _l("Institution"),
            Task.institution_id,
            "/options/institutions",
            institutions.name_of,
        ),
        task_pages.BY_REGION,
        task_pages.BY_ITEM,
        task_pages.BY_APPLIED,
    )

    def details(self, row_id: int) -> Show | None:
        return task_pages.show(row_id, phone_url=None)
