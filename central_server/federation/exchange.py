"""How a run reaches the sites, whatever carries it: one question to several sites at once, and a deadline."""

from collections.abc import Collection, Mapping
from typing import Protocol

from shared.federation.messages import Packet


class Exchange(Protocol):
    """A transport, as the conductor sees it. Flower is one; a test that calls the sites itself is another."""

    def sites(self) -> Collection[str]:
        """The sites that can be reached now."""

    def ask(self, requests: Mapping[str, Packet], deadline_s: float) -> Mapping[str, Packet]:
        """Send each site its request and collect what comes back in time.

        Args:
            requests: by site.
            deadline_s: how long to wait; returns earlier once all have answered.

        Returns:
            The answers by site; a site that is missing did not answer in time, or could not be reached.
        """
