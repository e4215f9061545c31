"""What a site lays down for federated work, and where it writes down what it gives."""

from collections.abc import Sequence
from typing import Protocol

from hospital_agent.federation.jobs.errors import JobRefused


class NotAllowed(JobRefused):
    """The site's own policy does not allow this job, or not with these sites."""

    reason = "not_allowed"


class FederationRules(Protocol):
    """The site's own rules. They are read anew for every run, so that a change needs no restart."""

    def check(self, job: str, quantity: str) -> None:
        """Whether the site takes part in this job at all; raises NotAllowed. `quantity` is "" while nobody knows it."""

    def check_cohort(self, job: str, cohort: Sequence[str], length: int) -> None:
        """Whether it gives a vector of so many numbers to a sum over these sites; raises NotAllowed."""


class EgressLog(Protocol):
    """The site's ledger, for what leaves it in federated work."""

    def record(self, told: bytes) -> None:
        """Write what is about to leave, durably, before it does. `told` is JSON for people; see `site`."""
