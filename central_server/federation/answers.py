"""Asking several sites one thing, and telling usable answers from refusals, nonsense and silence."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from central_server.federation.exchange import Exchange
from shared.errors import MonitoringError
from shared.federation.messages import FederationMessage, FromSite, Packet, Refusal

SILENT = "silent"
BROKEN = "broken_answer"

A = TypeVar("A", bound=FromSite)


@dataclass
class Answers(Generic[A]):
    """What came back.

    Args:
        good: the answers, by site.
        missing: why each other site is not among them: a slug of its own, "silent", or "broken_answer".
    """

    good: dict[str, A] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)


@dataclass
class Post:
    """Questions of one run, and the bytes that each site has sent in answer.

    Args:
        exchange: the transport.
        run: id of the run; an answer of another run is nonsense.
        deadline_s: for one question.
    """

    exchange: Exchange
    run: str
    deadline_s: float
    bytes_from: dict[str, int] = field(default_factory=dict)

    def ask_all(self, sites: Iterable[str], question: FederationMessage, kind: type[A]) -> Answers[A]:
        """The same question to several sites."""
        packet = question.packet()
        return self.ask(dict.fromkeys(sites, packet), kind)

    def ask(self, questions: Mapping[str, Packet], kind: type[A]) -> Answers[A]:
        """To each site its question; an answer that is none of `kind` counts as missing."""
        came = self.exchange.ask(questions, self.deadline_s) if questions else {}
        answers: Answers[A] = Answers()
        for site in sorted(questions):
            if site not in came:
                answers.missing[site] = SILENT
                continue
            self.bytes_from[site] = self.bytes_from.get(site, 0) + len(came[site].body)
            self._sort(site, came[site], kind, answers)
        return answers

    def _sort(self, site: str, packet: Packet, kind: type[A], answers: Answers[A]) -> None:
        try:
            if packet.kind == Refusal.kind:
                answers.missing[site] = Refusal.of(packet).reason
                return
            answer = kind.of(packet)
        except MonitoringError:
            answers.missing[site] = BROKEN
            return
        if answer.site == site and answer.run == self.run:
            answers.good[site] = answer
        else:
            answers.missing[site] = BROKEN
