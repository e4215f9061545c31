"""Whether the wall clock can be believed before windows are closed by it.

A clock that is years ahead for one moment would close hundreds of windows that nobody can open again, and leave the
next one to begin years ahead. So a jump is believed only when the centre's clock agrees with it, or, where the centre
cannot be asked, when the clock has gone on evenly for a day.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from shared.logs import logger

JUMP_S = 3600.0
SETTLED_AFTER_S = 86400.0

log = logger("wall_clock")


@dataclass(frozen=True)
class Comparison:
    """What a sign of life found: when, by this clock, and how far this clock was ahead of the centre's."""

    at: datetime
    skew_s: float


@dataclass
class WallClock:
    """Watches the wall clock beside one that never jumps.

    Args:
        steady: seconds since some moment, never set.
        compared: the last comparison with the centre, or None.
    """

    steady: Callable[[], float]
    compared: Callable[[], Comparison | None]
    _offset_s: float | None = None
    _jumped_at: tuple[datetime, float] | None = None  # of a jump that is not believed yet: by both clocks

    def believed(self, now: datetime) -> bool:
        """Whether windows may be closed by this time."""
        steady_s = self.steady()
        jump_s = self._moved_s(now, steady_s)
        if abs(jump_s) > JUMP_S:
            self._jumped_at = now, steady_s
            log.warning("clock_jumped", skew_s=round(jump_s))
        if self._jumped_at is not None and self._settled(now, steady_s, *self._jumped_at):
            self._jumped_at = None
        return self._jumped_at is None

    def _moved_s(self, now: datetime, steady_s: float) -> float:
        """How much further than the steady clock the wall clock has moved since the last look."""
        before, self._offset_s = self._offset_s, now.timestamp() - steady_s
        return 0.0 if before is None else self._offset_s - before

    def _settled(self, now: datetime, steady_s: float, jumped_at: datetime, jumped_steady_s: float) -> bool:
        found = self.compared()
        if found is not None and jumped_at <= found.at <= now:
            return abs(found.skew_s) <= JUMP_S
        return steady_s - jumped_steady_s >= SETTLED_AFTER_S
