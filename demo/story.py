"""What happens in the demo: patients come, baselines freeze, one scanner changes, an alert fires."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from demo.dicom_writer import write_series
from demo.patients import CHANGED_SCANNER, CHANGED_SITE, PatientStream, as_int16
from demo.system import Clinic, System
from hospital_agent.simulation.hosts import Host
from shared.read_models import AlertView

WAITING_AT_MOST = 2  # series in an inbox: enough that no agent idles, few enough that a change is seen at once
Say = Callable[[str], None]


class TooSlow(RuntimeError):
    """Something that had to happen did not happen in time."""


@dataclass
class Story:
    """Feeds the hospitals, and keeps count of what it sent."""

    federation: System
    hosts: tuple[Host, ...]
    say: Say
    seed: int = 1
    sent: dict[str, int] = field(default_factory=dict)
    changed_at: float | None = None

    def __post_init__(self) -> None:
        self.streams = {
            hospital.site.name: PatientStream(hospital.site, self.hosts, self.seed)
            for hospital in self.federation.hospitals
        }
        self.sent = dict.fromkeys(self.streams, 0)

    def feed(self, patients: int, until: Callable[[], bool] = lambda: False, *, to_others: int | None = None) -> None:
        """Send more patients to every hospital, no faster than they are analysed, or until something is so.

        Args:
            patients: to every hospital, or only to the one that changes when `to_others` says how many the others get.
        """
        others = patients if to_others is None else to_others
        goals = {name: count + (patients if name == CHANGED_SITE else others) for name, count in self.sent.items()}
        while any(self.sent[name] < goal for name, goal in goals.items()):
            self.federation.programs.check()
            busy = True
            for hospital in self.federation.hospitals:
                if self.sent[hospital.site.name] < goals[hospital.site.name] and hospital.waiting < WAITING_AT_MOST:
                    self._send(hospital)
                    busy = False
            if until():
                return
            if busy:
                time.sleep(0.1)

    def _send(self, hospital: Clinic) -> None:
        site = hospital.site
        number = self.sent[site.name] + 1
        changed = site.name == CHANGED_SITE and self.changed_at is not None
        scanner = CHANGED_SCANNER if changed else site.scanner
        case = self.streams[site.name].patient(number, scanner)
        write_series(
            as_int16(case.volume),
            hospital.inbox / f"series-{number:05d}",
            patient=f"SIM{number:05d}",
            scanner=scanner,
            site=site.title,
        )
        self.sent[site.name] = number

    def change_scanner(self) -> None:
        """From now on the changed site's patients are imaged by another scanner."""
        self.changed_at = time.time()

    def drain(self, seconds: float = 120.0) -> None:
        """Wait until every hospital has analysed what it was sent."""
        self.wait(lambda: all(h.waiting == 0 for h in self.federation.hospitals), seconds, "the inboxes to empty")

    def wait(self, done: Callable[[], bool], seconds: float, what: str) -> None:
        """Wait for something.

        Raises:
            TooSlow: it did not happen.
        """
        deadline = time.monotonic() + seconds
        while not done():
            self.federation.programs.check()
            if time.monotonic() > deadline:
                raise TooSlow(f"Waited {seconds:.0f} s for {what}.")
            time.sleep(0.5)

    def feed_until_baselines(self, at_most: int) -> None:
        """Send patients until every site's baseline is frozen at the centre.

        Raises:
            TooSlow: the patients ran out first.
        """
        every = Every(2.0)
        self.feed(at_most, until=lambda: every.due() and self.baselines_known())
        self.drain()
        self.wait(self.baselines_known, 60.0, "every site to freeze its baseline")

    def baselines_known(self) -> bool:
        """Whether the centre knows the frozen baseline of every site."""
        return all(site.baseline is not None for site in self.federation.sites().values())

    def change_alerts(self) -> list[AlertView]:
        """Alerts that a site's detectors raised; a site that a test machine made late is not one of them."""
        return [alert for alert in self.federation.alerts() if alert.rule == "site_detector"]


class Every:
    """True at most once in so many seconds, so that questions to the API stay few."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.last = seconds, 0.0

    def due(self) -> bool:
        """Whether it is time again."""
        now = time.monotonic()
        if now - self.last < self.seconds:
            return False
        self.last = now
        return True
