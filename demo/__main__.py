"""`make demo`, `make demo-check` and `make outage-check`."""

import argparse
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from demo import proof
from demo.calibration import calibrate
from demo.chapters import tell, until_alert, until_baselines
from demo.federation import Federation
from demo.outages import outages
from demo.patients import CHANGED_SITE, SITES, hosts_from
from demo.programs import ProgramFailed, Programs
from demo.story import Story, TooSlow
from hospital_agent.simulation.hosts import Host

CALM_RUN = 6  # patients after the baselines in the run without a change


def say(sentence: str) -> None:
    """One line to the person at the terminal, with the time."""
    print(f"[{time.strftime('%H:%M:%S')}] {sentence}", flush=True)


def new_folder(name: str) -> Path:
    """A folder under run/ that nobody has used before."""
    folder = Path("run") / f"{time.strftime('%Y%m%d-%H%M%S')}-{name}"
    folder.mkdir(parents=True)
    return folder


@contextmanager
def federation(hosts: tuple[Host, ...], seed: int) -> Iterator[tuple[Federation, Story]]:
    """A running federation in a folder of its own under run/, and its story so far."""
    folder = new_folder(f"demo-{seed}")
    with Programs(folder) as programs:
        say(f"starting the centre, the dashboard and {len(SITES)} hospitals (logs in {folder})")
        system = Federation(programs)
        system.start()
        yield system, Story(system, hosts, say, seed)
        say("stopping")
    if programs.alive:
        raise ProgramFailed(f"These did not stop: {', '.join(programs.alive)}.")


def run(hosts: tuple[Host, ...], *, federate: bool) -> None:
    """The demo for a person: until Ctrl-C."""
    with federation(hosts, seed=1) as (system, story):
        say(f"dashboard   {system.dashboard}      sign in as '{system.lead}' with '{system.password}'")
        say(f"REST API    {system.api}/docs")
        say("Ctrl-C stops everything")
        until_baselines(story)
        alerts = until_alert(story)
        for alert in alerts:
            tell(alert, say)
        if not alerts:
            say("no alert yet; patients keep coming")
        say(f"look at it: {system.dashboard}/sites/{CHANGED_SITE}   (Ctrl-C stops everything)")
        if federate:
            calibrate(story, system)
        while True:
            story.feed(1)
            time.sleep(3)


def check(hosts: tuple[Host, ...], *, federate: bool) -> None:
    """The demo without a person, and the proof of what it claims."""
    begun = time.monotonic()
    with federation(hosts, seed=1) as (system, story):
        until_baselines(story)
        alerts = until_alert(story)
        first = proof.prove_only_the_changed_site_alerts(story, alerts)
        tell(first, say)
        for name, counts in proof.prove_nothing_lost(story).items():
            say(f"proved at {name}: {counts}")
        say(f"proved: the ledgers verify and hold what the centre holds, rows {proof.prove_ledgers(story)}")
        say(f"proved: {proof.prove_dashboard(story, first, system.folder)}")
        if federate:
            calibrate(story, system)
    say(f"the run with a change took {time.monotonic() - begun:.0f} s; now one without")
    with federation(hosts, seed=2) as (_, story):
        until_baselines(story)
        story.feed(CALM_RUN)
        story.drain()
        time.sleep(15)  # a window of these patients closes and is told
        proof.prove_silence(story.change_alerts())
        proof.prove_nothing_lost(story)
        proof.prove_ledgers(story)
        say("proved: without a change no alert fires")
    say(f"all proved in {time.monotonic() - begun:.0f} s")


def _end(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def main() -> int:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    parser.add_argument("what", choices=("run", "check", "outages"))
    parser.add_argument("--data", type=Path, help="a folder of chest CT (NIfTI, HU) to take as hosts")
    parser.add_argument("--federate", action="store_true", help="end with a calibration of all hospitals together")
    told = parser.parse_args()
    signal.signal(signal.SIGTERM, _end)
    try:
        if told.what == "outages":
            outages(new_folder("outages"), say)
            return 0
        hosts = hosts_from(told.data) if told.data else ()
        (run if told.what == "run" else check)(hosts, federate=told.federate)
    except KeyboardInterrupt:
        say("stopped; nothing is left running")
    except (proof.NotProved, ProgramFailed, TooSlow, ValueError) as problem:
        print(f"demo: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
