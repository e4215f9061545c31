"""Sites that know each other's keys, and a whole secure sum among them with every message as bytes."""

import secrets
from collections.abc import Collection, Mapping
from typing import TypeVar

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from numpy.typing import ArrayLike

from central_server.federation.cohorts import ReleasedCohorts
from central_server.federation.secure_sum import SecureSumServer, SecureTotal
from hospital_agent.federation.secure_sum import SecureSumClient
from hospital_agent.federation.secure_sum_memory import VolatileMemory
from shared.secure_sum.encoding import Part
from shared.secure_sum.messages import Message, SurvivorList, Terms, lowest_threshold

QUANTITY = "activation_moments/2026-11"
PARTS = (
    Part(name="patient_count", length=1, fraction_bits=0, limit=1e6, norm_limit=1e6),
    Part(name="sums", length=5, fraction_bits=40, limit=1000, norm_limit=2000),
)

M = TypeVar("M", bound=Message)


def sent(message: M) -> M:
    """The message as it arrives: through bytes."""
    return type(message).from_bytes(message.to_bytes())


def vectors_of(seed: int = 0) -> dict[str, ArrayLike]:
    """One site's contribution to PARTS."""
    random = np.random.default_rng(seed)
    return {"patient_count": [int(random.integers(1, 1000))], "sums": random.uniform(-500, 500, 5)}


class Sites:
    """Sites s1, s2, ... with site keys and memories that outlive a session."""

    def __init__(self, count: int) -> None:
        self.names = tuple(f"s{i}" for i in range(1, count + 1))
        self.keys = {name: Ed25519PrivateKey.generate() for name in self.names}
        self.pinned = {name: key.public_key().public_bytes_raw() for name, key in self.keys.items()}
        self.memories = {name: VolatileMemory() for name in self.names}
        self.released = ReleasedCohorts()

    def terms(
        self, cohort: Collection[str] = (), threshold: int | None = None, parts: Collection[Part] = PARTS
    ) -> Terms:
        """Fresh terms among these sites, or all."""
        invited = tuple(sorted(cohort or self.names))
        return Terms(
            session=secrets.token_bytes(16), round_number=1, quantity=QUANTITY, cohort=invited,
            threshold=threshold or lowest_threshold(len(invited)), parts=tuple(parts),
        )  # fmt: skip

    def client(self, name: str) -> SecureSumClient:
        """A site at the start of a session."""
        return SecureSumClient(name, self.keys[name], self.pinned, self.memories[name])


class Session:
    """One session that a test can stop, bend and look into after every step.

    Args:
        sites: who exists.
        terms: of this session.
        lost: for each step 1 to 5, the sites whose message of that step never arrives; they are gone from then on.
    """

    def __init__(self, sites: Sites, terms: Terms, lost: Mapping[int, Collection[str]] | None = None) -> None:
        self.terms = sent(terms)
        self.server = SecureSumServer(terms, sites.pinned, sites.released)
        self.clients = {name: sites.client(name) for name in terms.cohort}
        self._lost = lost or {}

    def present(self, step: int) -> list[str]:
        """The sites whose messages of this step arrive."""
        gone = {name for earlier, names in self._lost.items() if earlier <= step for name in names}
        return [name for name in self.clients if name not in gone]

    def advertise(self) -> None:
        """Step 1."""
        for name in self.present(1):
            advert = self.clients[name].advertise(self.terms, self.terms.quantity, self.terms.parts)
            self.server.take_advert(sent(advert))
        self.adverts = sent(self.server.close_adverts())

    def share(self) -> None:
        """Step 2."""
        for name in self.present(2):
            self.server.take_shares(sent(self.clients[name].share_keys(self.adverts)))
        self.inboxes = {name: sent(inbox) for name, inbox in self.server.close_shares().items()}

    def mask(self, contributions: Mapping[str, Mapping[str, ArrayLike]]) -> None:
        """Step 3; what arrived is kept in `masked` for tests to look at."""
        self.masked = {}
        for name in self.present(3):
            self.masked[name] = sent(self.clients[name].mask(self.inboxes[name], contributions[name]))
            self.server.take_masked(self.masked[name])
        self.survivors = sent(self.server.close_masked())

    def consent(self) -> None:
        """Step 4."""
        for name in self.present(4):
            self.server.take_consent(sent(self.clients[name].consent(self.survivors)))
        self.request = sent(self.server.close_consents())

    def reveal(self) -> SecureTotal:
        """Step 5 and the total."""
        for name in self.present(5):
            self.server.take_reveal(sent(self.clients[name].reveal(self.request)))
        return self.server.finish()

    def run(self, contributions: Mapping[str, Mapping[str, ArrayLike]]) -> SecureTotal:
        """All five steps."""
        self.advertise()
        self.share()
        self.mask(contributions)
        self.consent()
        return self.reveal()


def up_to(step: int, sites: Sites, lost: Mapping[int, Collection[str]] | None = None) -> Session:
    """A session whose steps up to this one are done."""
    session = Session(sites, sites.terms(), lost)
    session.advertise()
    if step >= 2:
        session.share()
    if step >= 3:
        session.mask({name: vectors_of(i) for i, name in enumerate(sites.names)})
    if step >= 4:
        session.consent()
    return session


def survivors_of(session: Session, names: Collection[str]) -> SurvivorList:
    """A list of survivors as a server could show it."""
    return SurvivorList(session=session.terms.session, survivors=tuple(names))
