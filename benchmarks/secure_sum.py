"""A secure sum of the upper triangle of a covariance over 8 sites, beside the plain sum of the same vectors.

    python -m benchmarks.secure_sum [--dimension 5120] [--sites 8] [--dropped 1]

Printed: processor seconds of a site and of the server, and the bytes that a site sends and receives, beside a plain sum
of float64 vectors and the size of the float32 triangle (wanted: at most 2.1 times that sent). `--dropped` sites fall
silent after they shared their keys, the costliest moment for the server. All sites run one after the other in this
process; the network is not counted.
"""

import argparse
import secrets
import time
from collections import Counter
from collections.abc import Callable
from typing import TypeVar

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from central_server.federation.cohorts import ReleasedCohorts
from central_server.federation.secure_sum import SecureSumServer, SecureTotal
from hospital_agent.federation.secure_sum import SecureSumClient
from hospital_agent.federation.secure_sum_memory import VolatileMemory
from shared.secure_sum.encoding import Part
from shared.secure_sum.messages import Message, Terms, lowest_threshold

WANTED_RATIO = 2.1
QUANTITY = "benchmark/second_moments"

T = TypeVar("T")
M = TypeVar("M", bound=Message)


class Trial:
    """One session whose seconds and bytes are booked on who spent them."""

    def __init__(self, length: int, sites: int) -> None:
        names = tuple(f"site-{i:03}" for i in range(sites))
        keys = {name: Ed25519PrivateKey.generate() for name in names}
        pinned = {name: key.public_key().public_bytes_raw() for name, key in keys.items()}
        part = Part(name="triangle", length=length, fraction_bits=32, limit=1e6, norm_limit=1e9)
        self.terms = Terms(
            session=secrets.token_bytes(16), round_number=1, quantity=QUANTITY, cohort=names,
            threshold=lowest_threshold(sites), parts=(part,),
        )  # fmt: skip
        self.server = SecureSumServer(self.terms, pinned, ReleasedCohorts())
        self.clients = {name: SecureSumClient(name, keys[name], pinned, VolatileMemory()) for name in names}
        self.seconds: Counter[str] = Counter()
        self.sent: Counter[str] = Counter()
        self.received: Counter[str] = Counter()

    def timed(self, who: str, work: Callable[[], T]) -> T:
        """The work's answer, its processor time booked."""
        start = time.process_time()
        answer = work()
        self.seconds[who] += time.process_time() - start
        return answer

    def up(self, name: str, work: Callable[[], M], take: Callable[[M], None]) -> None:
        """A site's message to the server, through bytes on both sides."""
        message = self.timed(name, work)
        raw = self.timed(name, message.to_bytes)
        self.sent[name] += len(raw)
        self.timed("server", lambda: take(type(message).from_bytes(raw)))

    def down(self, name: str, message: M) -> M:
        """The server's message to a site."""
        raw = message.to_bytes()
        self.received[name] += len(raw)
        return self.timed(name, lambda: type(message).from_bytes(raw))

    def run(self, drawn: Callable[[int], np.ndarray], dropped: int) -> SecureTotal:
        """The five steps."""
        server, clients, parts = self.server, self.clients, self.terms.parts
        for name, client in clients.items():
            terms = self.down(name, self.terms)
            self.up(name, lambda c=client, t=terms: c.advertise(t, QUANTITY, parts), server.take_advert)
        adverts = self.timed("server", server.close_adverts)
        for name, client in clients.items():
            listed = self.down(name, adverts)
            self.up(name, lambda c=client, a=listed: c.share_keys(a), server.take_shares)
        inboxes = self.timed("server", server.close_shares)
        staying = list(clients)[: len(clients) - dropped]
        for i, name in enumerate(staying):
            inbox, vector = self.down(name, inboxes[name]), drawn(i)
            self.up(name, lambda n=name, b=inbox, v=vector: clients[n].mask(b, {"triangle": v}), server.take_masked)
        survivors = self.timed("server", server.close_masked)
        for name in staying:
            listed = self.down(name, survivors)
            self.up(name, lambda n=name, s=listed: clients[n].consent(s), server.take_consent)
        request = self.timed("server", server.close_consents)
        for name in staying:
            asked = self.down(name, request)
            self.up(name, lambda n=name, r=asked: clients[n].reveal(r), server.take_reveal)
        return self.timed("server", server.finish)


def main() -> None:
    """Sum both ways and print what each costs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dimension", type=int, default=5120)
    parser.add_argument("--sites", type=int, default=8)
    parser.add_argument("--dropped", type=int, default=1)
    given = parser.parse_args()
    length = given.dimension * (given.dimension + 1) // 2

    def drawn(site: int) -> np.ndarray:
        return np.random.default_rng(site).normal(0, 1000, length)

    trial = Trial(length, given.sites)
    total = trial.run(drawn, given.dropped)
    plain, plain_s = np.zeros(length), 0.0
    for i in range(len(total.contributors)):
        vector = drawn(i)
        start = time.process_time()
        plain += np.frombuffer(vector.tobytes())
        plain_s += time.process_time() - start

    triangle = 4 * length
    a_site = total.contributors[0]
    ratio = trial.sent[a_site] / triangle
    print(
        f"upper triangle of d = {given.dimension}: {length:,} entries, {given.sites} sites, {given.dropped} dropped\n"
    )
    print(f"{'':<34}{'secure':>16}{'plain float64':>16}")
    print(f"{'seconds of a site':<34}{max(trial.seconds[n] for n in total.contributors):>16.3f}{'':>16}")
    print(f"{'seconds of the server':<34}{trial.seconds['server']:>16.3f}{plain_s:>16.3f}")
    print(f"{'bytes that a site sends':<34}{trial.sent[a_site]:>16,}{8 * length:>16,}")
    print(f"{'bytes that a site receives':<34}{trial.received[a_site]:>16,}{0:>16,}")
    print(f"\nsent, over the float32 triangle of {triangle:,} bytes: {ratio:.3f}   wanted at most {WANTED_RATIO}")
    largest = np.abs(total.vectors["triangle"] - plain).max()
    print(f"largest difference from the plain sum: {largest:.2e}, in units of the fixed point {largest * 2**32:.2f}")


if __name__ == "__main__":
    main()
