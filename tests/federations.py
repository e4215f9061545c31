"""A federation in one process: sites with data, an exchange that calls them, and ways to lose them."""

from collections.abc import Callable, Collection, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from central_server.federation.cohorts import ReleasedCohorts
from central_server.federation.conductor import Conductor, RunRules
from central_server.federation.run_log import RunEnded
from hospital_agent.federation import site as site_module
from hospital_agent.federation.jobs.gaussian import GaussianJob
from hospital_agent.federation.jobs.rows import LocalRows
from hospital_agent.federation.rules import NotAllowed
from hospital_agent.federation.secure_sum_memory import VolatileMemory
from hospital_agent.federation.site import FederationSite
from hospital_agent.federation.site_jobs import AtSite, Ended
from shared.federation.messages import Options, Packet, SumStep
from shared.registry import Registry

RUN = "ab" * 16
DIMENSION = 3


class Rules:
    """A policy in memory."""

    def __init__(self, allowed: bool = True, fewest: int = 3) -> None:
        self.allowed, self.fewest = allowed, fewest

    def check(self, job: str, quantity: str) -> None:
        """Everything or nothing."""
        if not self.allowed:
            raise NotAllowed("The policy of this site forbids the job.")

    def check_cohort(self, job: str, cohort: Sequence[str], length: int) -> None:
        """By size."""
        if len(cohort) < self.fewest:
            raise NotAllowed("The policy of this site wants more sites beside it.")


class Log:
    """A ledger in memory, and a run log as well."""

    def __init__(self) -> None:
        self.events: list[Any] = []

    def record(self, told: bytes) -> None:
        """Of a site."""
        self.events.append(told)

    def tell(self, event: Any) -> None:
        """Of the centre."""
        self.events.append(event)


class Federation:
    """Sites s01, s02, ... with rows of three features, and the centre.

    Args:
        count: how many sites.
        registered: replaces the registry of jobs at the sites while the test runs.
    """

    def __init__(self, count: int, registered: Registry[Any]) -> None:
        random = np.random.default_rng(count)
        self.names = tuple(f"s{i:02}" for i in range(1, count + 1))
        self.rows = {
            name: LocalRows(random.standard_normal((5 + i, DIMENSION)) + i / 10, [f"{name}-{n}" for n in range(5 + i)])
            for i, name in enumerate(self.names)
        }
        self.keys = {name: Ed25519PrivateKey.generate() for name in self.names}
        self.public = {name: key.public_key().public_bytes_raw() for name, key in self.keys.items()}
        self.memories = {name: VolatileMemory() for name in self.names}
        self.rules = {name: Rules() for name in self.names}
        self.logs = {name: Log() for name in self.names}
        self.results: dict[str, Any] = {}
        self.released = ReleasedCohorts()
        self.log = Log()
        self.registered = registered
        registered.register("gaussian")(self._gaussian)
        self.sites = {name: self._site(name) for name in self.names}

    def _site(self, name: str) -> FederationSite:
        settings: Any = SimpleNamespace(site=name)
        site = FederationSite(
            settings, self.keys[name], self.public, self.memories[name], self.rules[name], self.logs[name]
        )
        return site

    def restart(self, name: str) -> None:
        """The site's program ends and starts again: what was in memory is gone, what was on disk is not."""
        self.sites[name] = self._site(name)

    def _gaussian(self, settings: Any, options: Options) -> AtSite[Any, Any]:
        site = settings.site

        def conclude(result: Any, ended: Ended) -> dict[str, int]:
            self.results[site] = result
            return {"sites": result.cohort.sites, "rows": result.cohort.rows}

        return AtSite(GaussianJob(DIMENSION), "gaussian/test", lambda: self.rows[site], conclude)

    def pooled(self, names: Collection[str] = ()) -> np.ndarray:
        """All rows of these sites, or of all."""
        return np.concatenate([self.rows[name].rows for name in names or self.names])

    def conduct(self, exchange: "InProcess | None" = None, **rules: Any) -> RunEnded:
        """One run of the Gaussian job."""
        conductor = Conductor(exchange or InProcess(self), self.public, self.released, self.log, RunRules(**rules))
        return conductor.conduct(RUN, "gaussian", {})


class InProcess:
    """Calls the sites itself.

    Args:
        federation: whose sites.
        lose: (federation, site, request, number of the question) -> whether the answer is lost.
    """

    def __init__(self, federation: Federation, lose: Callable[[str, Packet, int], bool] | None = None) -> None:
        self.federation, self.lose = federation, lose or (lambda site, packet, number: False)
        self.number = 0
        self.asked: list[tuple[str, str]] = []

    def sites(self) -> Collection[str]:
        """All."""
        return self.federation.names

    def ask(self, requests: Mapping[str, Packet], deadline_s: float) -> Mapping[str, Packet]:
        """Nobody waits."""
        self.number += 1
        answers = {}
        for site, packet in requests.items():
            self.asked.append((site, step_of(packet)))
            if not self.lose(site, packet, self.number):
                answers[site] = self.federation.sites[site].answer(packet)
        return answers


def step_of(packet: Packet) -> str:
    """The kind of a request, or the step of a sum."""
    return SumStep.of(packet).step if packet.kind == "sum_step" else packet.kind


def own_jobs(monkeypatch: Any) -> Registry[Any]:
    """An empty registry of jobs in place of the real one."""
    registry: Registry[Any] = Registry("federated job")
    monkeypatch.setattr(site_module, "site_jobs", registry)
    monkeypatch.setattr(Registry, "load", lambda self, package: self, raising=True)
    return registry
