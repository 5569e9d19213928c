"""What became of tasks that went the same way: their events and their state, as the text that COPY takes."""

import json
from dataclasses import dataclass, field

from app.counting import LATE
from app.seeding.clock import TICKS_A_DAY, Clock
from app.seeding.institutions import House
from app.seeding.loading import NULL
from app.seeding.organizations import Authority
from app.seeding.stories import Story
from app.states import (
    ACCEPT,
    APPROVE,
    ASSIGN,
    AWAITING_AUTHORITY,
    CERTIFIED,
    CHECK,
    ESCALATE,
    RECORD,
    REFUSE,
    REFUSED,
    RETURN,
    START,
    SUBMIT,
    TIME_OUT,
    WITH_REASON,
    Step,
)

EVENT_COLUMNS = (
    "id at step from_state to_state by_id by_name by_organization_id by_organization reason payload institution_id "
    "subject subject_id using_unit_id city_code region_code"
)
TRACK_COLUMNS = (
    "state state_since previous_state previous_institution_id reason forced accepted_at finished_at institution_id "
    "authority_id"
)
IN_TIME_DAYS = 20  # working days, as where a province has settled nothing
SYSTEM = "\\N\tsystem\t\\N\tsystem"
RETURN_REASONS = (
    "器具量程超出本机构授权范围，无法检定",
    "计量标准送上级机构溯源，本月无法开展该项目",
    "送检器具外观损坏，铭牌信息不清，请核实后重新预约",
    "预约信息与实物不符，出厂编号有误",
    "现场不具备检定条件，请单位整改后再预约",
    "本机构检定能力已饱和，近期无法安排",
    "该项目检定员资质正在换证，暂不能出具证书",
    "使用单位未按约定时间送检，联系不上",
    "精度等级高于本机构计量标准的测量能力",
    "使用地点超出本机构服务区域，请就近安排",
)
REFUSE_REASONS = (
    "该器具不属于强制检定目录范围，请自行委托校准",
    "器具已报废停用，无需继续检定，请更新台账",
    "同一器具重复预约，以先提交的预约单为准",
    "使用单位资料不完整，多次通知后仍未补正",
    "器具用途不属于贸易结算等四个领域，不予受理",
)
ESCALATE_REASONS = (
    "本辖区无检定机构具备该项目能力，请上级指定",
    "本地机构量程不足，申请由上级计量行政部门安排",
    "本地机构授权已过期，正在办理延续，请上级协调",
)
FORCE_REASONS = (
    "本地区无其他机构，已与该机构协商以临时授权方式开展检定",
    "该机构正在办理扩项，经省局同意先行安排检定任务",
)


@dataclass
class Setting:
    """What all tasks of an appointment share; `luck` picks among people and reasons."""

    clock: Clock
    applied: int
    lasts: int
    luck: int
    unit: str
    desks: list[Authority]


@dataclass
class Track:
    """The way of one or many tasks of an appointment; `record` is the tick of the result, if there is one."""

    state: str
    task: str = ""
    events: list[str] = field(default_factory=list)
    house: House | None = None
    recorded: int = 0
    finished: int = 0


def track(story: Story, setting: Setting, houses: list[House], first: int, matched: bool) -> Track:
    """Walk through a story; the tasks go to houses[first], and after a return to the one after it."""
    return _Walk(story, setting, houses, first, matched).track()


class _Walk:
    def __init__(self, story: Story, setting: Setting, houses: list[House], first: int, matched: bool):
        self.story, self.setting, self.houses, self.next, self.matched = (
            story,
            setting,
            houses,
            first,
            matched,
        )
        self.house: House | None = None
        self.before: House | None = None
        self.desk = 0
        self.ticks: dict[str, int] = {}
        self.state, self.previous, self.reason = "draft", NULL, NULL

    def track(self) -> Track:
        events = [
            self._event(step, self.setting.applied + int(self.setting.lasts * moment))
            for step, moment in zip(self.story.steps, self.story.moments, strict=True)
        ]
        finished = self.ticks.get(APPROVE.name, 0)
        return Track(self.state, self._task(), events, self.house, self.ticks.get(RECORD.name, 0), finished)

    def _event(self, step: Step, tick: int) -> str:
        by = self._person(step)
        self.reason = self._reason(step)
        self._move(step)
        self.ticks[step.name] = self.last = tick
        concerned = self.house or self.before
        payload = self._payload(step, tick)
        at = self.setting.clock.at(tick)
        return (
            f"\t{at}\t{step.name}\t{self.previous}\t{self.state}\t{by}\t{self.reason}\t{payload}\t"
            f"{concerned.id if concerned else NULL}\ttask\t"
        )

    def _move(self, step: Step) -> None:
        self.previous, self.state, self.before = self.state, step.target, self.house
        if step in (SUBMIT, ASSIGN):
            self.house = self.houses[self.next % len(self.houses)]
            self.next += 1
        if step.target in AWAITING_AUTHORITY or step.target == REFUSED:
            self.house = None
        if step is ESCALATE:
            self.desk += 1

    def _person(self, step: Step) -> str:
        if step is TIME_OUT:
            return SYSTEM
        if step in (ASSIGN, REFUSE, ESCALATE):
            staff = self.setting.desks[self.desk].staff
            return staff[self.setting.luck % len(staff)]
        if self.house and step in (ACCEPT, RETURN, START, RECORD, CHECK, APPROVE):
            return self.house.staff[_desk_of(step, self.setting.luck)]
        return self.setting.unit

    def _reason(self, step: Step) -> str:
        luck = self.setting.luck + self.next
        if step is RETURN:
            return RETURN_REASONS[luck % len(RETURN_REASONS)]
        if step is REFUSE:
            return REFUSE_REASONS[luck % len(REFUSE_REASONS)]
        if step is ESCALATE:
            return ESCALATE_REASONS[luck % len(ESCALATE_REASONS)]
        if step is ASSIGN and not self.matched:
            return FORCE_REASONS[luck % len(FORCE_REASONS)]
        return NULL

    def _payload(self, step: Step, tick: int) -> str:
        if step is APPROVE:
            began = self.ticks[ACCEPT.name]
            days = self.setting.clock.offset(tick) - self.setting.clock.offset(began)
            return json.dumps({LATE: tick - began > IN_TIME_DAYS * TICKS_A_DAY, "days": days})
        if step is not ASSIGN:
            return NULL
        name = {"institution": self.house.name} if self.house else {}
        return json.dumps(name if self.matched else name | {"unable": 1}, ensure_ascii=False)

    def _task(self) -> str:
        at = self.setting.clock.at
        accepted, finished = self.ticks.get(ACCEPT.name), self.ticks.get(APPROVE.name)
        since = self.last if self.ticks else self.setting.applied
        return "\t".join(
            (
                self.state,
                at(since),
                self.previous,
                str(self.before.id) if self.before else NULL,
                self.reason if self.state in WITH_REASON else NULL,
                "t" if ASSIGN.name in self.ticks else "f",
                at(accepted) if accepted else NULL,
                at(finished) if self.state == CERTIFIED and finished else NULL,
                str(self.house.id) if self.house else NULL,
                str(self.setting.desks[self.desk].id),
            )
        )


def _desk_of(step: Step, luck: int) -> int:
    """Which of an institution's people does a step: clerk, checker, approver, or one of the verifiers."""
    fixed = {ACCEPT: 0, RETURN: 0, CHECK: 1, APPROVE: 2}
    return fixed.get(step, 3 + luck % 5)


def signatures(house: House, luck: int) -> str:
    """Verifier, checker, approver."""
    return f"{house.people[_desk_of(RECORD, luck)]}\t{house.people[1]}\t{house.people[2]}"
