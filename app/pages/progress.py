"""检定进度: where a using unit's tasks are."""

from flask_babel import lazy_gettext as _l

from app.domain import institutions
from app.fabkit.filters import Choice, Lookup
from app.fabkit.lists import Source
from app.models import Task
from app.pages import tasks as task_pages
from app.states import TASK_LABELS


class Progress(task_pages.TaskPage):
    """检定进度."""

    route_base = "/progress"
    # The telephone number is the unit's own: it is masked for others.
    exclude_route_methods = task_pages.TaskPage.exclude_route_methods | {"phone"}
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
    filters = (
        Choice("state", _l("State"), Task.state, TASK_LABELS),
        Lookup(
            "institution",
            _l("Institution"),
            lambda id: Task.institution_id == id,
            "/options/institutions",
            institutions.name_of,
        ),
        task_pages.BY_REGION,
        task_pages.BY_ITEM,
        task_pages.BY_APPLIED,
    )
