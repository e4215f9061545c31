"""When a window closes, and as what. Pure."""

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

Verdict = Literal["released", "suppressed", "unreported"]


@dataclass(frozen=True)
class Calendar:
    """The site's choices of time.

    Args:
        length_s: a window closes at multiples of this after its start.
        age_limit_s: how long it may wait for k patients.
        k: None where the site has not said it; windows then close unreported.
    """

    length_s: float
    age_limit_s: float
    k: int | None


def first_start(now: datetime, length_s: float) -> datetime:
    """Where the first window of a store begins: the multiple of its length, counted from 1970, before now."""
    return datetime.fromtimestamp(math.floor(now.timestamp() / length_s) * length_s, UTC)


def closing(
    calendar: Calendar, start_at: datetime, last_received_at: datetime | None, patient_count: int, now: datetime
) -> tuple[datetime, Verdict] | None:
    """Whether a window is to be closed now, at which time, and as what; None while it stays open.

    The end is the first multiple of the length after everything that the window holds, so that the end does not tell
    when the k-th patient came. A window without k patients waits for the next multiple, and at the age limit it is
    suppressed.
    """
    latest = max(start_at, last_received_at or start_at)
    steps = math.floor((latest - start_at).total_seconds() / calendar.length_s) + 1
    end = start_at + timedelta(seconds=steps * calendar.length_s)
    if calendar.k is None or patient_count >= calendar.k:
        return (end, "unreported" if calendar.k is None else "released") if now >= end else None
    limit = start_at + timedelta(seconds=math.ceil(calendar.age_limit_s / calendar.length_s) * calendar.length_s)
    end = max(end, limit)
    return (end, "suppressed") if now >= end else None
