"""Questions to sites and their answers over Flower's grid, as the conductor wants them.

An answer counts for the question that it replies to and for no other: each question is a message of its own, and only
replies to this round's messages, from the node that was asked, are taken. What comes after the deadline is dropped by
the SuperLink, since a message lives no longer than that.
"""

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from flwr.app import Message, MessageType
from flwr.common.constant import ErrorCode

from shared.federation.errors import BrokenMessage
from shared.federation.flower import packet_of, record_of
from shared.federation.messages import Packet
from shared.logs import logger

SHORTEST_PAUSE_S, LONGEST_PAUSE_S = 0.05, 0.5  # between two looks for answers
PATIENCE_S = 45.0  # a node that was restarted is back in that time
_GONE = (ErrorCode.NODE_UNAVAILABLE, ErrorCode.MESSAGE_UNAVAILABLE)
log = logger("federation")


class Grid(Protocol):
    """One run, as `run_grid.RunGrid` reaches it."""

    def nodes(self) -> Collection[int]:
        """The nodes that are there now."""

    def push(self, messages: Sequence[Message]) -> Sequence[str]:
        """Send each message to its node; the name of each, or "" where it cannot be sent."""

    def pull(self, asked: Collection[str]) -> Sequence[Message]:
        """The whole answers to these messages that have come since the last call."""


@dataclass(frozen=True)
class _Asked:
    site: str
    node: int


class GridExchange:
    """An Exchange over Flower.

    Args:
        grid: of one run.
        nodes: node by site, asked for anew each time, so that a site registered meanwhile is there.
        patience_s: how long a site whose node is gone is waited for, within the deadline.
        clock, wait: seconds.
    """

    def __init__(self, grid: Grid, nodes: Callable[[], Mapping[str, int]], patience_s: float = PATIENCE_S,
                 clock: Callable[[], float] = time.monotonic,
                 wait: Callable[[float], object] = time.sleep) -> None:  # fmt: skip
        self._grid, self._nodes, self._patience_s = grid, nodes, patience_s
        self._clock, self._wait = clock, wait
        self._asked_count = 0

    def sites(self) -> Collection[str]:
        """The registered sites whose nodes are there now."""
        online = set(self._grid.nodes())
        return sorted(site for site, node in self._nodes().items() if node in online)

    def ask(self, requests: Mapping[str, Packet], deadline_s: float) -> Mapping[str, Packet]:
        """Send each site its request and collect what comes back in time.

        A site whose node is gone is asked again once it is back, for as long as `patience_s`.

        Args:
            requests: by site.
            deadline_s: how long to wait; returns earlier once all have answered or are given up.

        Returns:
            The answers by site; a site that is missing did not answer in time, or could not be reached.
        """
        return _Round(self, requests, deadline_s).answers()


class _Round:
    """One question to several sites."""

    def __init__(self, own: GridExchange, requests: Mapping[str, Packet], deadline_s: float) -> None:
        own._asked_count += 1
        self._own, self._grid, self._group = own, own._grid, str(own._asked_count)
        self._begun = own._clock()
        self._end = self._begun + deadline_s
        self._records = {packet: record_of(packet) for packet in set(requests.values())}  # one copy for all sites
        self._requests, self._nodes = requests, own._nodes()
        self._waiting: dict[str, _Asked] = {}
        self._away = {site for site in requests if site in self._nodes}
        self._answers: dict[str, Packet] = {}

    def answers(self) -> Mapping[str, Packet]:
        self._send(self._away)
        while self._waiting or self._away:
            in_time = self._own._clock() < self._end
            self._take(self._grid.pull(list(self._waiting)) if self._waiting else ())
            if not in_time or not (self._waiting or self._away):
                break
            if self._away:
                self._ask_again()
            self._own._wait(self._pause())
        return self._answers

    def _ask_again(self) -> None:
        if self._own._clock() > self._begun + self._own._patience_s:
            self._away.clear()
        else:
            self._send(self._away & set(self._own.sites()))

    def _pause(self) -> float:
        """Short at first: most answers take milliseconds, and some take minutes."""
        waited = self._own._clock() - self._begun
        return max(0.0, min(SHORTEST_PAUSE_S + waited / 20, LONGEST_PAUSE_S, self._end - self._own._clock()))

    def _send(self, sites: Collection[str]) -> None:
        if not sites:
            return
        asked = [_Asked(site, self._nodes[site]) for site in sorted(sites)]
        left = max(1.0, self._end - self._own._clock())
        letters = [self._letter(one, left) for one in asked]
        for name, one in zip(self._grid.push(letters), asked, strict=True):
            if name:
                self._waiting[name] = one
            self._away.discard(one.site)

    def _letter(self, asked: _Asked, ttl: float) -> Message:
        content = self._records[self._requests[asked.site]]
        kind = MessageType.QUERY
        return Message(content, dst_node_id=asked.node, message_type=kind, ttl=ttl, group_id=self._group)

    def _take(self, replies: Iterable[Message]) -> None:
        for reply in replies:
            asked = self._waiting.pop(reply.metadata.reply_to_message_id, None)
            if asked is None:
                continue
            if reply.has_error():
                self._note(asked.site, reply.error.code)
            elif reply.metadata.src_node_id == asked.node:
                self._read(asked.site, reply)

    def _note(self, site: str, code: int) -> None:
        if code in _GONE:
            self._away.add(site)
        elif code == ErrorCode.INVALID_FAB:
            log.error("site_speaks_another_version", site=site)
        else:
            log.error("site_could_not_answer", site=site)

    def _read(self, site: str, reply: Message) -> None:
        try:
            self._answers[site] = packet_of(reply.content)
        except BrokenMessage:
            log.error("broken_answer_dropped", site=site)
