"""The loop at a site. One round:

    1. look at the inbox
    2. every complete input, oldest first: close the windows that were due before it came, analyse it, store it with
       what the detectors say (one transaction), then move it away
    3. close the windows that are due by now
    4. send what waits in the outbox, and give a sign of life

Whatever is interrupted is done again at the next start and has its effect once: an input is recognised by its
pseudonym, a report by its id.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from sqlalchemy.exc import OperationalError

from hospital_agent.errors import CaseFailed, InputRefused, SeriesAlreadyScored
from hospital_agent.ingest.filing import Filing, Shelf
from hospital_agent.ingest.pseudonym import Pseudonyms
from hospital_agent.ingest.series import identify, read_series
from hospital_agent.ingest.watch import Inbox, Item, unchanged
from hospital_agent.pipeline import analyse_case, reason_of
from hospital_agent.reporting.desk import Desk
from hospital_agent.reporting.events import happened
from hospital_agent.reporting.sender import Sender
from hospital_agent.store import cases
from hospital_agent.store.cases import Arrival, Finding, Outcome
from hospital_agent.store.database import Store
from hospital_agent.toolkit import Toolkit
from shared.clock import Clock
from shared.logs import logger

MAX_ATTEMPTS = 3  # an input during whose analysis the program ended this often is given up
READ_AGAIN_S = 3600.0  # an input that could not be read is tried again after this
MOVE_AGAIN_S = 86400.0  # so is one that could not be moved, for which all of it is read again
UNKNOWN_PATIENT = "unknown"  # all inputs that name no patient count as one, so that k is never reached by mistake

Reached = Callable[[str], None]
log = logger("worker")

_SHELVES: dict[Outcome, Shelf] = {"scored": "done", "refused": "refused", "failed": "failed"}


class Worker:
    """The agent at work.

    Args:
        sender: None where nothing may leave the site.
        steady: a clock in seconds that never jumps, for the quiet period.
        reached: told the name of each point at which a crash must do no harm.
    """

    def __init__(
        self,
        *,
        store: Store,
        toolkit: Toolkit,
        pseudonyms: Pseudonyms,
        inbox: Inbox,
        filing: Filing,
        desk: Desk,
        sender: Sender | None,
        clock: Clock,
        steady: Callable[[], float] = time.monotonic,
        reached: Reached = lambda point: None,  # noqa: ARG005
    ) -> None:
        self._store, self._toolkit, self._pseudonyms = store, toolkit, pseudonyms
        self._inbox, self._filing, self._desk, self._sender = inbox, filing, desk, sender
        self._clock, self._steady, self._reached = clock, steady, reached
        self._set_aside: dict[Path | tuple[Path, ...], float] = {}  # what cannot be read or moved, and until when
        self._waiting_counts: dict[str, str] = {}
        self._last_begun = ("", 0)  # the last case that this run of the program has begun, and which try it was

    def begin(self) -> None:
        """Finish what the last run left half done, and open a window."""
        try:
            self._filing.finish()
        except OSError:
            log.exception("input_not_moved")
        self._desk.begin(self._clock())

    def run(self, stop: threading.Event, poll_s: float) -> None:
        """Rounds until asked to stop; a case under way is finished."""
        self.begin()
        log.info("agent_started")
        while not stop.is_set():
            try:
                self.round(stop)
            except (OSError, OperationalError):  # a network folder comes back, a full disk is emptied
                log.exception("round_failed")
            stop.wait(poll_s)
        log.info("agent_stopped")

    def round(self, stop: threading.Event | None = None) -> int:
        """One round; returns how many inputs were handled."""
        look = self._inbox.look(self._steady())
        waiting = [item.arrived_at for item in look.pending]
        complete = self._not_set_aside(look.complete)
        for handled, item in enumerate(complete):
            if stop is not None and stop.is_set():
                return handled
            self._handle(item, before=min([item.arrived_at, *waiting]))
            self._speak()
        self._tell_waiting(len(look.stalled))
        now = self._clock()
        self._desk.advance(min([now, *waiting]), now)
        self._reached("windows_closed")
        self._speak()
        return len(complete)

    def _not_set_aside(self, complete: tuple[Item, ...]) -> list[Item]:
        """What is to be handled now. An input that changes is set aside no longer, for then it is not complete."""
        until, now_s = self._set_aside, self._steady()
        self._set_aside = {i.source: until[i.source] for i in complete if until.get(i.source, now_s) > now_s}
        return [item for item in complete if item.source not in self._set_aside]

    def _tell_waiting(self, stalled: int) -> None:
        """Keep for `status` how many inputs wait for a person to complete, open or remove them."""
        counts = {"inbox_stalled": str(stalled), "inbox_set_aside": str(len(self._set_aside))}
        if counts == self._waiting_counts:
            return
        self._store.keep_facts(counts)
        if stalled and counts["inbox_stalled"] != self._waiting_counts.get("inbox_stalled"):
            log.warning("inputs_stalled", count=stalled)
        self._waiting_counts = counts

    def _speak(self) -> None:
        if self._sender is not None:
            self._sender.send_due()
            self._sender.give_sign_of_life()

    def _handle(self, item: Item, before: datetime) -> None:
        """One input from the inbox to its shelf."""
        begun, now = time.perf_counter(), self._clock()
        arrival = self._arrival(item, now)
        if arrival is None:
            return
        with self._store.read() as session:
            earlier = cases.known(session, arrival)
        if earlier.known == "same":
            self._put_away(item, _SHELVES[earlier.outcome], arrival)
            return
        if earlier.failures:
            arrival = replace(arrival, case_id=self._pseudonyms.of("case", f"{arrival.case_id}/{earlier.failures}"))
        self._desk.advance(min(before, now), now)
        finding = self._finding(item, arrival, scored_before=earlier.known == "scored_before")
        self._reached("analysed")
        self._desk.take(arrival, finding, self._clock())
        self._reached("stored")
        self._put_away(item, _SHELVES[finding.outcome], arrival)
        self._reached("filed")
        log.info(
            f"case_{finding.outcome}",
            case_id=arrival.case_id,
            stage=finding.stage,
            reason=finding.reason,
            duration_s=round(time.perf_counter() - begun, 3),
        )

    def _put_away(self, item: Item, shelf: Shelf, arrival: Arrival) -> None:
        """Move a handled input; one that cannot be moved must not hold up the others.

        What came or changed meanwhile was not looked at: such an input stays, and is an arrival of its own.
        """
        try:
            if not unchanged(item):
                log.warning("input_changed_meanwhile", case_id=arrival.case_id)
                return
            moved = self._filing.put(item.paths, shelf, arrival.case_id)
        except OSError:
            log.exception("input_not_moved", case_id=arrival.case_id)
            moved = False
        if not moved:
            self._set_aside[item.source] = self._steady() + MOVE_AGAIN_S

    def _arrival(self, item: Item, now: datetime) -> Arrival | None:
        """The input under its pseudonyms; None where it has vanished meanwhile or may not be read."""
        try:
            identity = identify(item.source)
        except FileNotFoundError:
            log.warning("input_vanished")
            return None
        except Exception:
            log.exception("input_unreadable")
            self._set_aside[item.source] = self._steady() + READ_AGAIN_S
            return None
        names = self._pseudonyms
        series, content = names.of("series", identity.series), names.of("content", identity.content)
        return Arrival(
            case_id=names.of("case", f"{series}/{content}"),
            series=series,
            instances=names.of("instances", identity.instances),
            content=content,
            patient=names.of("patient", identity.patient or UNKNOWN_PATIENT),
            received_at=min(item.arrived_at, now),
        )

    def _finding(self, item: Item, arrival: Arrival, *, scored_before: bool) -> Finding:
        """Analyse an input; whatever goes wrong is an outcome that is stored and counted."""
        attempt = self._begun(arrival)
        try:
            if scored_before:
                raise SeriesAlreadyScored("Files of this series arrived after it had been scored.")
            if attempt > MAX_ATTEMPTS:
                raise CaseFailed("The program ended during the analysis.", stage="analysis", reason="crashed")
            return self._scored(item.source)
        except InputRefused as refusal:
            return Finding("refused", stage="read", reason=refusal.reason)
        except CaseFailed as failure:
            return Finding("failed", stage=failure.stage, reason=failure.reason)
        except Exception as error:
            log.exception("case_failed_unexpectedly", case_id=arrival.case_id)
            return Finding("failed", stage="analysis", reason=reason_of(error))

    def _begun(self, arrival: Arrival) -> int:
        """The number of this try. A result that only could not be stored, on a full disk, makes no further try."""
        if self._last_begun[0] != arrival.case_id:
            with self._store.write() as session:
                attempt = cases.begin_attempt(session, arrival, self._clock())
            self._last_begun = arrival.case_id, attempt
        self._reached("begun")
        return self._last_begun[1]

    def _scored(self, source: Path | tuple[Path, ...]) -> Finding:
        begun = time.perf_counter()
        series = read_series(source, self._toolkit.modality)
        read_s = time.perf_counter() - begun
        result = analyse_case(series.volume, self._toolkit)
        told = result.to_json()
        told["timings_s"] = {"read": round(read_s, 4), **told["timings_s"]}
        told["warnings"] = [*series.warnings, *told["warnings"]]
        return Finding("scored", values=result.values, events=happened(result), result=told)
