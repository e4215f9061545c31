"""What rules look at, and what they answer."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from central_server.policy import Listening, Policy
from shared.read_models import Evidence, Severity
from shared.report import DetectorState, SiteReport


@dataclass(frozen=True)
class Situation:
    """One site at one monitoring pass.

    Args:
        arrived: reports that no pass has seen yet, in order of arrival.
        history: windows of the whole site around them, by index, the arrived ones included.
        baselines: the site's frozen baselines by version.
        open_since: of each cause whose alert is open, since when it has been going on.
    """

    site: str
    last_seen_at: datetime | None
    arrived: tuple[SiteReport, ...] = ()
    history: tuple[SiteReport, ...] = ()
    baselines: Mapping[int, SiteReport] = field(default_factory=dict)
    open_since: Mapping[str, datetime] = field(default_factory=dict)


@dataclass(frozen=True)
class Moment:
    """When a pass runs, and under which choices. `listening` is None where nobody could have heard the sites."""

    now: datetime
    policy: Policy
    listening: Listening | None


@dataclass(frozen=True)
class Finding:
    """A rule's answer about one cause.

    Args:
        cause: names what it is about; of one cause at most one alert is open.
        observed_at: the moment that the finding is about. A cause that was told up to a moment is not told again
            for an earlier one, so that windows which arrive late alarm nobody about the past.
    """

    rule: str
    site: str
    cause: str
    severity: Severity
    title: str
    metric: str | None
    stratum: str
    observed_at: datetime
    evidence: Evidence
    next_step: str


def same_detector(one: DetectorState, other: DetectorState) -> bool:
    """Whether two states belong to one detector, so that their counts of pages continue each other."""
    return (one.metric, one.kind, one.alternative, one.version) == (
        other.metric,
        other.kind,
        other.alternative,
        other.version,
    )
