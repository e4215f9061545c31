"""What the centre calls silent, outdated, far: the choices of a deployment that monitoring and the overview share."""

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True)
class Policy:
    """The deployment's choices, as `Settings` explains them.

    `no_scans_after` is longer than the eight days for which a site's window waits for k patients by default: a small
    site sends a report, if only a suppressed one, before it is asked about. A server that gave no sign of life itself
    for `deaf_after` was not listening, and no site's silence counts.
    """

    silent_after: timedelta = timedelta(hours=1)
    no_scans_after: timedelta = timedelta(days=9)
    reopen_within: timedelta = timedelta(hours=1)
    suitability_fraction: float = 0.1
    minimum_agent_version: str = "0.1.0"
    deaf_after: timedelta = timedelta(minutes=10)

    def is_outdated(self, agent_version: str) -> bool:
        """Whether an agent of this version is older than the oldest one that is supported."""
        return _numbers(agent_version) < _numbers(self.minimum_agent_version)


@dataclass(frozen=True)
class Listening:
    """Since when the centre has been able to hear the sites, and its own last sign of life."""

    since: datetime
    last_alive_at: datetime

    def quiet_for(self, last_seen_at: datetime, now: datetime) -> timedelta:
        """How long the centre has listened to a site in vain; its own outages do not count."""
        return now - max(last_seen_at, self.since)


def _numbers(version: str) -> tuple[int, ...]:
    """The leading numbers of a version, three of them: "1.2" and "1.2.0+cpu" are both (1, 2, 0)."""
    found: list[int] = []
    for part in version.split(".")[:3]:
        digits = part[: len(part) - len(part.lstrip("0123456789"))]
        found.append(int(digits or 0))
        if digits != part:
            break
    return tuple(found + [0] * (3 - len(found)))
