"""Where stored cases become released reports: windows open and close here, and the baseline is frozen.

Every change is one transaction, so that a crash leaves either all of it or nothing:

    take      a case is stored and fed to the detectors of quantities; pages are stored with it
    advance   a due window is closed: what its report tells of events is fed to the detectors of rates, the report goes
              to ledger and outbox, detectors are stored as they stand, the baseline is frozen when enough patients
              have come, and the next window opens
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from hospital_agent.errors import StoreDamaged
from hospital_agent.reporting import calendar
from hospital_agent.reporting.aggregate import CountedCase, with_detectors
from hospital_agent.reporting.calendar import Verdict
from hospital_agent.reporting.detectors import DetectorBank, Page
from hospital_agent.reporting.privacy import Policy
from hospital_agent.reporting.releases import Plan, Releases
from hospital_agent.reporting.wall_clock import Comparison, WallClock
from hospital_agent.store import cases, outbox, windows
from hospital_agent.store.cases import Arrival, Finding
from hospital_agent.store.database import Store
from hospital_agent.store.tables import BaselineRow, CaseRow, DetectorRow, PageRow, WindowRow
from shared.logs import logger
from shared.report import DetectorState, SiteReport
from shared.statistics.errors import StateMismatch

log = logger("desk")


class Desk:
    """Windows, baseline and detectors of one site.

    Args:
        tie_break: a number in (0, 1) for each case id, always the same.
        steady: a clock in seconds that never jumps.
    """

    def __init__(
        self,
        store: Store,
        plan: Plan,
        tie_break: Callable[[str], float],
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store, self._plan, self._tie_break = store, plan, tie_break
        self._wall_clock = WallClock(steady, self._compared_clocks)
        self._releases = Releases(plan)
        self._bank: DetectorBank | None = None
        self._bank_is_current = False
        self._never_before: datetime | None = None  # no window can be due earlier; spares most looks at the store

    def begin(self, now: datetime) -> None:
        """Open the first window of a new store, or close the window that another model has left open.

        Numbers of two models never share a window, and the catalogue that could sum up the other model's is gone, so
        that window is told as suppressed.
        """
        self._never_before = None
        with self._changing() as session:
            window = windows.open_window(session)
            if window is None:
                first = calendar.first_start(now, self._plan.calendar.length_s)
                windows.start(session, 0, first, self._plan.model)
            elif windows.model_of(window) != self._plan.model:
                verdict: Verdict = "unreported" if self._plan.policy is None else "suppressed"
                self._close(session, window, max(now, window.start_at) + timedelta(seconds=1), verdict, now)

    def take(self, arrival: Arrival, finding: Finding, now: datetime) -> list[Page]:
        """Store what became of an arrival, and feed it to the detectors if it counts; returns who pages."""
        with self._changing() as session:
            window = opened(session)
            # A clock that was set back makes no case late: what arrives now belongs to the open window.
            late = arrival.received_at < window.start_at <= now
            row = cases.add(session, arrival, finding, window, now, late=late)
            return self._feed(session, row, window, now) if row.counted else []

    def advance(self, to: datetime, now: datetime) -> int:
        """Close every window that is due at `to`; returns how many were. None is while the clock is not believed."""
        if not self._wall_clock.believed(now):
            return 0
        if self._never_before is not None and to < self._never_before:
            return 0
        closed = 0
        while self._close_if_due(to, now):
            closed += 1
        with self._store.read() as session:
            self._never_before = opened(session).start_at + timedelta(seconds=self._plan.calendar.length_s)
        return closed

    def preview(self, now: datetime) -> SiteReport | None:
        """The report that the open window would make if it closed now; None where no k is set. Writes nothing."""
        with self._store.read() as session:
            window = windows.open_window(session)
            if window is None or self._plan.policy is None:
                return None
            end = max(now, window.start_at + timedelta(seconds=1))
            report = self._releases.of_window(session, self._plan.policy, window, end, now)
            baseline = windows.baseline_of(session, self._plan.model)
            bank = deepcopy(self._current_bank(session, baseline))
            if bank is None or baseline is None:
                return report
            bank.feed_told(report.events, window.start_at)
            return with_detectors(report, self._told(session, window, baseline, bank))

    def _compared_clocks(self) -> Comparison | None:
        at, skew_s = self._store.fact("last_sign_of_life_at"), self._store.fact("clock_skew_s")
        return None if at is None or skew_s is None else Comparison(datetime.fromisoformat(at), float(skew_s))

    @contextmanager
    def _changing(self) -> Iterator[Session]:
        """A transaction; where it fails, the detectors in memory are read again from what is stored."""
        try:
            with self._store.write() as session:
                yield session
        except BaseException:
            self._bank_is_current = False
            raise

    def _feed(self, session: Session, row: CaseRow, window: WindowRow, now: datetime) -> list[Page]:
        baseline = windows.baseline_of(session, self._plan.model)
        bank = self._current_bank(session, baseline, before=row.id)
        if bank is None or baseline is None:
            return []
        pages = bank.feed(cases.as_counted(row), self._tie_break(row.case_id), window.start_at)
        _keep_pages(session, pages, baseline, row.id, window, now)
        return pages

    def _close_if_due(self, to: datetime, now: datetime) -> bool:
        with self._changing() as session:
            window = opened(session)
            last = cases.last_received(session, window.index, now)
            patients = cases.patient_count(session, [window.index])
            due = calendar.closing(self._plan.calendar, window.start_at, last, patients, to)
            if due is not None:
                self._close(session, window, *due, now)
        return due is not None

    def _close(self, session: Session, window: WindowRow, end: datetime, verdict: Verdict, now: datetime) -> None:
        policy = self._plan.policy
        if policy is not None and verdict != "unreported":
            if verdict == "released":
                report = self._released(session, policy, window, end, now)
            else:
                report = self._releases.suppressed(session, policy, window, end, now)
            outbox.put(session, report, now)
        window.state, window.end_at, window.closed_at = verdict, end, now
        session.flush()
        self._settle_detectors(session)
        if policy is not None and verdict == "released":
            self._freeze_if_enough(session, policy, now)
        windows.start(session, window.index + 1, end, self._plan.model)
        log.info("window_closed", window_index=window.index, status=verdict)

    def _released(
        self, session: Session, policy: Policy, window: WindowRow, end: datetime, now: datetime
    ) -> SiteReport:
        """The report of a window, and what it tells of events fed to the detectors that it tells of."""
        report = self._releases.of_window(session, policy, window, end, now)
        baseline = windows.baseline_of(session, self._plan.model)
        bank = self._current_bank(session, baseline)
        if bank is None or baseline is None:
            return report
        pages = bank.feed_told(report.events, window.start_at)
        _keep_pages(session, pages, baseline, cases.last_id(session), window, now)
        return with_detectors(report, self._told(session, window, baseline, bank))

    def _told(
        self, session: Session, window: WindowRow, baseline: BaselineRow, bank: DetectorBank
    ) -> tuple[DetectorState, ...]:
        """What a window's report says about the detectors."""
        released = [*windows.released_after(session, baseline), window.index]
        return bank.told(baseline.case_count, len(cases.counted(session, released)))

    def _settle_detectors(self, session: Session) -> None:
        """Store the detectors as they stand at a window's close; only later cases are fed again after a restart."""
        baseline = windows.baseline_of(session, self._plan.model)
        bank = self._current_bank(session, baseline)
        if bank is None or baseline is None:
            return
        self._keep_bank(session, baseline, bank)
        bank.begin_window()

    def _keep_bank(self, session: Session, baseline: BaselineRow, bank: DetectorBank) -> None:
        baseline.last_case = cases.last_id(session)
        for name, state in bank.states().items():
            session.merge(DetectorRow(baseline_version=baseline.version, name=name, state=state))

    def _current_bank(
        self, session: Session, baseline: BaselineRow | None, before: int | None = None
    ) -> DetectorBank | None:
        """The detectors in memory, or built from what is stored of the cases before `before`."""
        if not self._bank_is_current:
            self._bank = None if baseline is None else self._rebuilt_bank(session, baseline, before)
            self._bank_is_current = True
        return self._bank

    def _rebuilt_bank(self, session: Session, baseline: BaselineRow, before: int | None) -> DetectorBank:
        members = cases.counted(session, windows.members(session, baseline))
        rows = [row for row in cases.stream(session, baseline) if before is None or row.id < before]
        starts = windows.starts(session)
        fed = [(cases.as_counted(row), starts[row.window_index]) for row in rows if row.id <= baseline.last_case]
        states = {
            row.name: row.state
            for row in session.scalars(select(DetectorRow).where(DetectorRow.baseline_version == baseline.version))
        }
        try:
            bank = DetectorBank.restore(states, members, fed, self._plan.quantities, self._plan.events)
        except StateMismatch:  # another version of the detectors wrote them: feed this one from the beginning
            bank, fed = self._fresh_bank(members, self._releases.told_of_baseline(session, baseline)), []
            for index in windows.released_after(session, baseline):
                bank.feed_told(self._releases.told_of_window(session, index).events, starts[index])
            bank.begin_window()
        for row in rows[len(fed) :]:
            bank.feed(cases.as_counted(row), self._tie_break(row.case_id), starts[row.window_index])
        return bank

    def _fresh_bank(self, baseline: Sequence[CountedCase], told: SiteReport) -> DetectorBank:
        plan = self._plan
        return DetectorBank.freeze(baseline, told.events, plan.quantities, plan.events, plan.log_threshold)

    def _freeze_if_enough(self, session: Session, policy: Policy, now: datetime) -> None:
        """Freeze the site baseline from released windows once enough distinct patients are in them."""
        if windows.baseline_of(session, self._plan.model) is not None:
            return
        members = windows.warm_up(session, self._plan.model)
        indices = [window.index for window in members]
        patients = cases.patient_count(session, indices)
        if patients < self._plan.baseline_patients:
            return
        counted = cases.counted(session, indices)
        baseline = windows.freeze(session, members, patients, len(counted), cases.last_id(session), now)
        report = self._releases.of_baseline(session, policy, members, baseline, now)
        self._bank, self._bank_is_current = self._fresh_bank(counted, report), True
        self._keep_bank(session, baseline, self._bank)
        outbox.put(session, report, now)
        log.info("baseline_frozen", baseline=baseline.version, case_count=len(counted))


def _keep_pages(
    session: Session, pages: Sequence[Page], baseline: BaselineRow, case: int, window: WindowRow, now: datetime
) -> None:
    """Store who paged with a case, or at a window's close with the newest, and say so in the log."""
    for page in pages:
        session.add(
            PageRow(
                baseline_version=baseline.version,
                detector=page.detector,
                case=case,
                window_index=window.index,
                paged_at=now,
                since=page.since,
            )
        )
        log.warning("detector_paged", detector=page.detector.replace(":", "_"), window_index=window.index)


def opened(session: Session) -> WindowRow:
    """The open window; `Desk.begin` has made one."""
    window = windows.open_window(session)
    if window is None:
        raise StoreDamaged("The store has no open window.")
    return window
