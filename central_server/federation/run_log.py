"""What happens in a run, told to whoever keeps or shows it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from shared.federation.messages import Option, Options, Total


@dataclass(frozen=True)
class RunBegan:
    """A run was asked of these sites."""

    run: str
    job: str
    options: Options
    invited: tuple[str, ...]


@dataclass(frozen=True)
class RoundEnded:
    """One sum is done.

    Args:
        attempt: from 1; a run begins again when a site falls out between rounds.
        number: of the round, from 1.
        contributors: the sites in the total.
        missing: the invited sites that are not, each with the reason as a slug ("silent", or the site's own).
        seconds: the whole round took.
        bytes_per_site: most bytes that one site sent in it.
    """

    attempt: int
    number: int
    contributors: tuple[str, ...]
    missing: Mapping[str, str]
    seconds: float
    bytes_per_site: int


@dataclass(frozen=True)
class RunEnded:
    """The run is over.

    Args:
        completed: there is a result.
        sentence: what happened, for people; names the sites that were missing.
        contributors: the sites whose data are in the result.
        missing: the others that were invited, with the reason of each.
        totals: of all rounds; empty unless completed.
        told: what the sites say that follows from the totals.
    """

    completed: bool
    sentence: str
    contributors: tuple[str, ...] = ()
    missing: Mapping[str, str] | None = None
    totals: tuple[Total, ...] = ()
    told: Mapping[str, Option] | None = None


class RunLog(Protocol):
    """Keeps what happens, as it happens."""

    def tell(self, event: RunBegan | RoundEnded | RunEnded) -> None:
        """One more event of the run."""
