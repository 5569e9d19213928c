"""What a person hears of a deed afterwards, and reads of it in the history."""

from collections.abc import Mapping
from typing import Any

from flask_babel import lazy_gettext as _l
from markupsafe import Markup

from app.access import EVERYTHING
from app.domain import history
from app.fabkit.formats import moment, named
from app.models import Event
from app.states import STEP_LABELS
from app.workflow import Outcome

_IN_ANOTHER_STATE = _l("%(number)s were left as they were: they are in another state.")

# What nobody did: the clock, the worker.
_NOBODY = {EVERYTHING.name: _l("By itself")}
WHO = named(_NOBODY)
OFFICE = named({EVERYTHING.organization: ""})


def told(done: str, outcome: Outcome, left: Any = _IN_ANOTHER_STATE) -> str:
    """Both numbers: what was done and, by the sentence `left` with its %(number)s, what was left as it was."""
    if outcome.skipped <= 0:
        return done
    return f"{done} {str(left) % {'number': outcome.skipped}}"


def timeline(subject: str, id: int, states: Mapping[str, Any], styles: Mapping[str, str]) -> list[dict[str, Any]]:
    """Every step of a row as the history shows it: when, which, from and to which of `states`, by whom, why."""
    return [_entry(event, states, styles) for event in history.steps(subject, id)]


def _entry(event: Event, states: Mapping[str, Any], styles: Mapping[str, str]) -> dict[str, Any]:
    institution = (event.payload or {}).get("institution")
    step = STEP_LABELS.get(event.step, event.step)
    return deed(
        event,
        Markup("{} {}").format(step, institution) if institution else step,
        event.reason,
        styles.get(event.step),
        from_label=states.get(event.from_state or ""),
        to_label=states.get(event.to_state or ""),
    )


def deed(done: Any, step: Any, reason: str | None, style: str | None = None, **more: Any) -> dict[str, Any]:
    """An entry of a history: at what moment `done` was done and by whom of which organization, what it was, and why.

    `more` may have `from_label` and `to_label`, the states, and `changes`: (what, before, after).
    """
    return {
        "at": moment(done.at),
        "step": step,
        "by": WHO(done.by_name),
        "organization": OFFICE(done.by_organization),
        "reason": reason,
        "style": style,
        **more,
    }
