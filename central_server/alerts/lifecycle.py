"""How an alert lives: pure decisions, no database.

    finding ──open──► firing ──acknowledge──► acknowledged ──resolve──► resolved
                        │  └───────────────resolve──────────────────────►  │
                        ◄──────────reopen (same cause, soon after)─────────┘

A cause has at most one open alert. A finding about a cause whose alert is open adds evidence to it; one about a
moment that was already told is ignored, whatever the state; one that comes soon after the alert was resolved takes
up that alert again instead of opening the next, so that a flapping cause makes one alert and not many.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from central_server.errors import AlertConflict
from shared.read_models import AlertState

Step = Literal["open", "update", "reopen", "ignore"]
Deed = Literal["acknowledge", "resolve"]

_ALLOWED: dict[Deed, tuple[frozenset[AlertState], AlertState]] = {
    "acknowledge": (frozenset({"firing"}), "acknowledged"),
    "resolve": (frozenset({"firing", "acknowledged"}), "resolved"),
}


@dataclass(frozen=True)
class Known:
    """The newest alert of a cause."""

    state: AlertState
    told_until: datetime
    resolved_at: datetime | None


def step_for(newest: Known | None, observed_at: datetime, now: datetime, reopen_within: timedelta) -> Step:
    """What a finding about this cause does."""
    if newest is None:
        return "open"
    if observed_at <= newest.told_until:
        return "ignore"
    if newest.state != "resolved":
        return "update"
    recent = newest.resolved_at is not None and now - newest.resolved_at < reopen_within
    return "reopen" if recent else "open"


def state_after(deed: Deed, state: AlertState) -> AlertState:
    """The state after a person acknowledged or resolved an alert in `state`.

    Raises:
        AlertConflict: somebody was there first.
    """
    allowed_from, target = _ALLOWED[deed]
    if state not in allowed_from:
        raise AlertConflict(f"The alert is already {state}.")
    return target
