"""A site in federated work: a request in, an answer out. Knows nothing of what carries them. (Being written.)"""

from collections.abc import Mapping

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from hospital_agent.federation.rules import EgressLog, FederationRules
from hospital_agent.federation.secure_sum_memory import SiteMemory
from hospital_agent.settings import Settings
from shared.federation.messages import Packet


class FederationSite:
    """One site.

    Args:
        settings: of the agent.
        key: the site key (Ed25519) by which the others know it.
        pinned: the other sites' public keys, 32 bytes each, by name.
        memory: sessions and cohorts of all sums, on disk.
        rules: the site's own policy.
        log: its egress ledger.
    """

    def __init__(self, settings: Settings, key: Ed25519PrivateKey, pinned: Mapping[str, bytes], memory: SiteMemory,
                 rules: FederationRules, log: EgressLog) -> None:  # fmt: skip
        self.settings, self._key, self._pinned = settings, key, pinned
        self._memory, self._rules, self._log = memory, rules, log

    def answer(self, request: Packet) -> Packet:
        """The answer to one request; never raises for what the centre sent."""
        raise NotImplementedError
