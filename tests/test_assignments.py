"""检定任务分配: who may move which tasks, what is told, and what stays as it was."""

import pytest

from app.models import Event, Task
from app.states import CERTIFIED, OFFERED, REFUSED, RETURNED, UNASSIGNED
from tests import factories
from tests.factories import authority, capability, history, institution, states, task

REASON = "该器具不属于强制检定目录范围"


@pytest.fixture
def officer(sign_in, rows):
    return sign_in("AssignmentOfficer", authority("330106"))


def test_assign_moves_only_waiting_tasks_of_the_own_jurisdiction(officer):
    lab = institution()
    capability(lab, "330106", "330105")
    waiting, returned, done, foreign = (
        task(UNASSIGNED),
        task(RETURNED),
        task(CERTIFIED),
        task(UNASSIGNED, "330105"),
    )

    answer = officer.act("assignments", "assign", [waiting.id, returned.id, done.id, foreign.id], institution_id=lab.id)

    assert answer.status_code == 204
    assert states(waiting, returned, done, foreign) == [OFFERED, OFFERED, CERTIFIED, UNASSIGNED]
    assert officer.messages() == ["已分配 2 条。 2 条状态或办理层级已变，未作改动。"]
    assert history(waiting) == [("assign", UNASSIGNED, OFFERED, None)]
    assert history(foreign) == []
