"""In which state a run is, to somebody who looks at it now."""

from datetime import datetime, timedelta

from central_server.database.federation_tables import RunRow
from shared.federation.read_models import RunState

PULSE_S = 15.0
"""Seconds between two signs of life of whoever leads a run."""
INTERRUPTED_AFTER = timedelta(seconds=8 * PULSE_S)


def state_of(row: RunRow, now: datetime) -> RunState:
    """The stored state, or `interrupted` where a run is said to be running and nobody has led it for a while."""
    if row.state == "completed":
        return "completed"
    if row.state == "failed":
        return "failed"
    if row.state == "proposed" or row.alive_at is None:
        return "proposed"
    return "interrupted" if now - row.alive_at >= INTERRUPTED_AFTER else "running"
