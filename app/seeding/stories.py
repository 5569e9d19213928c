"""How tasks went: the steps of each story, checked against the workflow, and how often each is met.

A story is written as the names of its steps. What waits for an authority, and what is new, is met more often
among the appointments of the last days than among the old ones.
"""

from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from random import Random

from app.states import DRAFT, ESCALATE, SUBMIT, SUBMIT_UNMATCHED, TASK_STEPS, Step

LONGEST = 16
_DONE = "accept start record check approve"
# Working days that a step takes, against each other.
_DAYS = {
    "submit": 0, "accept": 1, "start": 2, "record": 3, "check": 1, "approve": 1, "return": 2, "assign": 2,
    "refuse": 2, "escalate": 2, "withdraw": 1, "time_out": 5,
}  # fmt: skip

MATCHED_NEW = {
    "submit": 200,
    "submit accept": 130,
    "submit accept start": 130,
    "submit accept start record": 80,
    "submit accept start record check": 75,
    f"submit {_DONE}": 190,
    "submit return": 60,
    "submit return assign return": 14,
    "submit return assign return assign return": 5,
    "submit return escalate": 5,
    "submit return escalate escalate": 3,
    "submit return escalate assign return": 3,
    "submit time_out": 40,
    "submit time_out escalate": 4,
    "submit return assign": 22,
    "submit return assign accept": 12,
    "submit time_out assign": 8,
    "submit withdraw": 20,
    "submit return refuse": 8,
}
UNMATCHED_NEW = {
    "submit": 410,
    "submit escalate": 26,
    "submit escalate escalate": 12,
    "submit escalate escalate escalate": 4,
    "submit assign": 110,
    "submit assign accept": 70,
    "submit assign accept start": 60,
    f"submit assign {_DONE}": 100,
    "submit assign return": 80,
    "submit escalate assign return": 8,
    "submit refuse": 90,
}
MATCHED_OLD = {
    f"submit {_DONE}": 912,
    f"submit return assign {_DONE}": 50,
    f"submit return assign return assign {_DONE}": 8,
    f"submit time_out assign {_DONE}": 14,
    f"submit return escalate assign {_DONE}": 2,
    "submit withdraw": 7,
    "submit return refuse": 4,
    "submit return": 1,
    "submit accept": 1,
    "submit accept start": 1,
}
UNMATCHED_OLD = {
    f"submit assign {_DONE}": 690,
    f"submit escalate assign {_DONE}": 150,
    f"submit assign return assign {_DONE}": 60,
    "submit refuse": 90,
    "submit": 6,
    "submit escalate": 4,
}
WAITING = frozenset({"submit return", "submit time_out", "submit escalate", "submit return escalate"})


@dataclass(frozen=True, eq=False)
class Story:
    """The steps in order, and the share of the whole time after which each was done. Equal is only itself."""

    steps: tuple[Step, ...]
    moments: tuple[float, ...]

    @property
    def state(self) -> str:
        return self.steps[-1].target if self.steps else DRAFT

    @cached_property
    def days(self) -> int:
        """The least working days in which it can have happened."""
        return len(self.steps) - 1

    @cached_property
    def desks(self) -> int:
        """How many authorities it passed through."""
        return 1 + self.steps.count(ESCALATE)


DRAFTED = Story((), ())


def story(text: str, matched: bool) -> Story:
    """Find the steps of the workflow for their names; a story that the workflow forbids is a defect."""
    state, steps = DRAFT, []
    for name in text.split():
        step = (SUBMIT if matched else SUBMIT_UNMATCHED) if name == "submit" else _step(name)
        if state not in step.sources:
            raise ValueError(f"{text}: {name} is not possible from {state}")
        state = step.target
        steps.append(step)
    days = list(accumulate(_DAYS[step.name] for step in steps))
    return Story(tuple(steps), tuple(day / max(days[-1], 1) for day in days))


def _step(name: str) -> Step:
    return next(step for step in TASK_STEPS if step.name == name)


class Stories:
    """Stories to draw from; where there is a backlog, more of them wait for the authority."""

    def __init__(self, backlog: bool):
        self.new_share = 0.55 if backlog else 0.2
        more = 2.5 if backlog else 1
        self._new = {True: _weighted(MATCHED_NEW, True, more), False: _weighted(UNMATCHED_NEW, False, more)}
        self._old = {True: _weighted(MATCHED_OLD, True, 1), False: _weighted(UNMATCHED_OLD, False, 1)}

    def draw(self, dice: Random, matched: bool, new: bool, days: float, desks: int) -> Story:
        """A story that fits into the working days since the appointment and the number of authorities."""
        pool = (self._new if new else self._old)[matched]
        found = pool[int(dice.random() * len(pool))]
        return found if found.days <= days and found.desks <= desks else pool[0]

    def certified(self, matched: bool) -> Story:
        """The plain story of an appointment long ago."""
        return self._old[matched][0]


def _weighted(weights: dict[str, int], matched: bool, more: float) -> list[Story]:
    pool = []
    for text, weight in weights.items():
        waits = text in WAITING or text.endswith(("return", "escalate")) or (text == "submit" and not matched)
        pool += [story(text, matched)] * round(weight * (more if waits else 1))
    return pool
