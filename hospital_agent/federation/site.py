"""A site in federated work: a request in, an answer out. Knows nothing of what carries them.

Between rounds a site needs nothing that the next Opening does not bring along; within a sum its secrets live in memory
alone. A site that was restarted is therefore missing from the sum under way and back at the next one.
"""

import json
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from hospital_agent.federation.jobs import Float64Array, Totals, check_totals, job_result, site_vector
from hospital_agent.federation.jobs.errors import JobRefused
from hospital_agent.federation.rules import EgressLog, FederationRules
from hospital_agent.federation.secure_sum import SecureSumClient
from hospital_agent.federation.secure_sum_memory import SiteMemory
from hospital_agent.federation.site_jobs import AtSite, Ended, site_jobs
from hospital_agent.settings import Settings
from shared.errors import MonitoringError
from shared.federation.errors import BrokenMessage
from shared.federation.messages import (
    Closing,
    Opening,
    Options,
    Outcome,
    Packet,
    Plan,
    Refusal,
    StepName,
    SumAnswer,
    SumStep,
)
from shared.logs import logger
from shared.secure_sum.encoding import Part
from shared.secure_sum.messages import (
    AdvertList,
    MaskedVector,
    Reveal,
    ShareInbox,
    SurvivorList,
    Terms,
    UnmaskRequest,
)

log = logger("federation")
PART = "round"  # the vector of a round is one part
MOST_RUNS = 4  # that a site keeps in mind; the oldest goes first
NO_RUN = "0" * 32


class NotOpen(MonitoringError):
    """A step of a sum arrived for a run that this site does not take part in, or no longer since it was restarted."""


@dataclass
class _Run:
    """What a site has in mind of one run."""

    job: str
    options: Options
    at_site: AtSite[Any, Any]
    totals: Totals = ()
    parts: tuple[Part, ...] = ()
    vector: Float64Array | None = field(default=None, repr=False)
    client: SecureSumClient | None = None
    terms: Terms | None = None
    data: Any = field(default=None, repr=False)


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
        self._runs: OrderedDict[str, _Run] = OrderedDict()
        site_jobs.load("hospital_agent.federation.site_jobs")

    def answer(self, request: Packet) -> Packet:
        """The answer to one request. Never raises: what goes wrong here is a refusal there, with no value in it."""
        run = NO_RUN
        try:
            message = _read(request)
            run = message.run
            if isinstance(message, Opening):
                return self._open(message).packet()
            if isinstance(message, Closing):
                return self._close(message).packet()
            return self._step(message).packet()
        except MonitoringError as reason:
            return self._refuse(run, _slug(reason), str(reason))
        except Exception:
            log.exception("federated_request_failed")
            return self._refuse(run, "internal", "The site could not answer; its own log says why.")

    def _open(self, asked: Opening) -> Plan:
        """What this site would sum next. Its vector is made now: what cannot be given is refused before any sum."""
        run = self._prepared(asked)
        at_site, totals = run.at_site, asked.totals
        self._rules.check(asked.job, at_site.quantity)
        check_totals(at_site.job, totals)
        run.totals, run.client, run.vector, run.parts = totals, None, None, ()
        finished = at_site.job.finished(totals)
        if not finished:
            run.vector = site_vector(at_site.job, totals, self._data(run))
            bounds = at_site.job.bounds(totals)
            part = Part.of_step(PART, at_site.job.size(totals), bounds.step, bounds.largest, bounds.norm)
            run.parts = (part,)
        return Plan(run=asked.run, site=self.settings.site, finished=finished, quantity=at_site.quantity,
                    parts=run.parts)  # fmt: skip

    def _prepared(self, asked: Opening | Closing) -> _Run:
        known = self._runs.get(asked.run)
        if known is None or (known.job, known.options) != (asked.job, asked.options):
            self._rules.check(asked.job, "")  # before anything is read or loaded for a job that the site forbids
            known = _Run(asked.job, asked.options, site_jobs.get(asked.job)(self.settings, asked.options))
            self._runs[asked.run] = known
            while len(self._runs) > MOST_RUNS:
                self._runs.popitem(last=False)
        return known

    @staticmethod
    def _data(run: _Run) -> Any:
        if run.data is None:
            run.data = run.at_site.data()
        return run.data

    def _step(self, asked: SumStep) -> SumAnswer:
        run = self._runs.get(asked.run)
        if run is None or run.vector is None or (run.client is None and asked.step != "terms"):
            raise NotOpen("This site has no sum open in this run; it takes part again from the next round on.")
        take: dict[StepName, Callable[[_Run, SumStep], bytes]] = {
            "terms": self._advertise,
            "adverts": lambda run, asked: _client(run).share_keys(AdvertList.from_bytes(asked.raw)).to_bytes(),
            "inbox": self._mask,
            "survivors": lambda run, asked: _client(run).consent(SurvivorList.from_bytes(asked.raw)).to_bytes(),
            "unmask": self._reveal,
        }
        return SumAnswer(run=asked.run, site=self.settings.site, step=asked.step, raw=take[asked.step](run, asked))

    def _advertise(self, run: _Run, asked: SumStep) -> bytes:
        run.terms = Terms.from_bytes(asked.raw)
        self._rules.check(run.job, run.at_site.quantity)
        self._rules.check_cohort(run.job, run.terms.cohort, run.terms.length)
        run.client = SecureSumClient(self.settings.site, self._key, self._pinned, self._memory)
        return run.client.advertise(run.terms, run.at_site.quantity, run.parts).to_bytes()

    def _mask(self, run: _Run, asked: SumStep) -> bytes:
        assert run.vector is not None  # noqa: S101 - `_step` has seen to it
        masked = _client(run).mask(ShareInbox.from_bytes(asked.raw), {PART: run.vector})
        return self._logged(asked, run, masked)

    def _reveal(self, run: _Run, asked: SumStep) -> bytes:
        revealed = _client(run).reveal(UnmaskRequest.from_bytes(asked.raw))
        run.client = run.vector = None
        return self._logged(asked, run, revealed)

    def _close(self, asked: Closing) -> Outcome:
        run = self._prepared(asked)
        self._rules.check(asked.job, run.at_site.quantity)
        result = job_result(run.at_site.job, asked.totals)
        told = run.at_site.conclude(result, Ended(asked.run, asked.contributors))
        self._runs.pop(asked.run, None)
        outcome = Outcome(run=asked.run, site=self.settings.site, told=dict(told))
        self._write(asked.run, asked.job, "outcome", told=dict(told))
        return outcome

    def _logged(self, asked: SumStep, run: _Run, message: MaskedVector | Reveal) -> bytes:
        """The message's bytes, written down before they leave: what they are part of, and their hash."""
        leaving = message.to_bytes()
        assert run.terms is not None  # noqa: S101 - a client exists only with terms
        self._write(
            asked.run, run.job, "masked vector" if isinstance(message, MaskedVector) else "shares of the masks",
            quantity=run.at_site.quantity, round=len(run.totals) + 1, cohort=list(run.terms.cohort),
            entries=run.terms.length, bytes=len(leaving), sha256=sha256(leaving).hexdigest(),
        )  # fmt: skip
        return leaving

    def _write(self, run: str, job: str, what: str, **more: Any) -> None:
        entry = {"kind": "federation", "run": run, "job": job, "what": what, **more}
        self._log.record(json.dumps(entry, sort_keys=True).encode())

    def _refuse(self, run: str, reason: str, sentence: str) -> Packet:
        log.warning("federated_request_refused", reason=reason)
        return Refusal(run=run, site=self.settings.site, reason=reason, sentence=sentence[:400]).packet()


def _read(request: Packet) -> Opening | Closing | SumStep:
    kinds: dict[str, type[Opening | Closing | SumStep]] = {one.kind: one for one in (Opening, Closing, SumStep)}
    if request.kind not in kinds:
        raise BrokenMessage("The centre sent a message of a kind that this site does not know.")
    return kinds[request.kind].of(request)


def _client(run: _Run) -> SecureSumClient:
    assert run.client is not None  # noqa: S101 - `_step` has seen to it
    return run.client


def _slug(reason: MonitoringError) -> str:
    """The name of an error as a slug: `CohortTooClose` becomes cohort_too_close."""
    if isinstance(reason, JobRefused):
        return reason.reason
    name = type(reason).__name__
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")
