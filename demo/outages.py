"""`make outage-check`: the whole topology loses lines and programs one by one, and nothing that it was sent."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from demo import proof
from demo.calibration import Calibration
from demo.federation import Federation
from demo.patients import SITES
from demo.programs import ProgramFailed, Programs, wait_until_up
from demo.story import Say, Story

CUT, KILLED = SITES[1].name, SITES[0].name
WINDOW_S = 14.0  # a window of the demo, and a little


@dataclass(frozen=True)
class Found:
    """What became of one hospital's series."""

    sent: int
    stored: int
    begun: int


def outages(folder: Path, say: Say) -> None:
    """Start everything, take away what a hospital or a centre can lose, give it back, and count.

    Raises:
        NotProved: something was lost, or went on without what it needs.
    """
    with Programs(folder) as programs:
        say(f"the same topology as processes, not as containers (logs in {folder})")
        system = Federation(programs, lines=True)
        system.start()
        story = Story(system, (), say, seed=3)
        story.feed(6)
        story.drain()
        time.sleep(WINDOW_S)
        story.feed(1)
        calibration = Calibration(story)
        calibration.prepare()
        calibration.run("gaussian")
        _lines_cut(story, calibration)
        _killed(story, "central-server", lambda: wait_until_up(f"{system.api}/readyz", programs.running[-1]))
        _killed(story, "dashboard", lambda: wait_until_up(f"{system.dashboard}/healthz", programs.running[-1]))
        _killed(story, KILLED, lambda: None)
        _killed(story, "superlink", calibration.wait_for_nodes)
        _killed(story, f"{CUT}-node", calibration.wait_for_nodes)
        calibration.run("gaussian")
        say("a federated run ends after all of it")
        story.drain(300)
        _reports_arrive(story)
        for name, found in _nothing_lost(story).items():
            say(f"proved at {name}: {found}")
        say(f"proved: the ledgers verify and hold what the centre holds, rows {proof.prove_ledgers(story)}")


def _lines_cut(story: Story, calibration: Calibration) -> None:
    """A hospital without its lines works on; a federated run names it; afterwards all is delivered."""
    lines = (story.federation.lines[CUT], calibration.lines[CUT])
    for line in lines:
        line.cut()
    story.say(f"the lines of {CUT} are cut; patients keep coming")
    story.feed(4)
    try:
        calibration.run("gaussian", deadline_s=20)
    except ProgramFailed as problem:
        if CUT not in str(problem):
            raise proof.NotProved(f"The run without {CUT} does not name it.") from None
        story.say(f"without {CUT} there are two sites, and no sum; the run names it")
    else:
        raise proof.NotProved("A sum of two sites was opened.")
    for line in lines:
        line.mend()
    calibration.wait_for_nodes()
    calibration.run("gaussian")
    story.say("mended: it is back without anybody's help")


def _killed(story: Story, name: str, back: Callable[[], object]) -> None:
    """A program is killed while patients come, and started again."""
    programs = story.federation.programs
    story.feed(1)  # so that somebody is at work
    ended = programs.kill(name)
    time.sleep(5)
    programs.again(ended)
    back()
    story.feed(2)
    story.say(f"{name} was killed and is back; three more patients at each hospital")


def _reports_arrive(story: Story) -> None:
    """Every hospital has nothing left to send."""

    def empty() -> bool:
        return all(hospital.ask("status")["outbox"]["waiting"] == 0 for hospital in story.federation.hospitals)

    time.sleep(WINDOW_S)
    story.wait(empty, 120, "the outboxes to empty")


def _nothing_lost(story: Story) -> dict[str, Found]:
    """Series sent = stored cases, at every site; a case that a kill cut off was begun twice."""
    found = {}
    for hospital in story.federation.hospitals:
        told, name = hospital.ask("status"), hospital.site.name
        found[name] = Found(story.sent[name], told["cases"]["scored"], told["analyses_begun"])
        if found[name].stored != found[name].sent or found[name].begun < found[name].sent:
            raise proof.NotProved(f"{name}: sent and stored series differ: {found[name]}.")
    return found
