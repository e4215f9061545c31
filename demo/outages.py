"""`make outage-check`: the whole topology loses lines and programs one by one, and nothing that it was sent."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from demo import proof
from demo.calibration import Calibration
from demo.chapters import tell, until_alert, until_baselines
from demo.federation import Federation
from demo.patients import SITES
from demo.programs import ProgramFailed, Programs, wait_until_up
from demo.story import Say, Story
from demo.system import Calibrating
from shared.read_models import AlertView

CUT, KILLED = SITES[1].name, SITES[0].name
WINDOW_S = 14.0  # a window of the demo, and a little
DOWN_S = 5.0  # how long a killed program stays away


@dataclass(frozen=True)
class Found:
    """What became of one hospital's series."""

    sent: int
    stored: int
    begun: int


def outages(folder: Path, say: Say) -> None:
    """Start everything as processes, take away what a hospital or a centre can lose, give it back, and count.

    Raises:
        NotProved: something was lost, or went on without what it needs.
    """
    with Programs(folder) as programs:
        say(f"the same topology as processes, not as containers (logs in {folder})")
        system = Federation(programs, lines=True)
        system.start()
        story = Story(system, (), say, seed=3)
        alert_is_raised(story)
        calibration = Calibration(story, system)
        calibration.prepare()
        calibration.run("gaussian")
        line_is_cut(story, calibration)
        for name, back in {
            "central-server": lambda: wait_until_up(f"{system.api}/readyz", programs.running[-1]),
            "dashboard": lambda: wait_until_up(f"{system.dashboard}/healthz", programs.running[-1]),
            KILLED: lambda: None,
            "superlink": calibration.wait_for_nodes,
            f"{CUT}-node": calibration.wait_for_nodes,
        }.items():
            is_killed(story, name, back)
        calibration.run("gaussian")
        say("a federated run ends after all of it")
        nothing_is_lost(story)


def alert_is_raised(story: Story) -> AlertView:
    """One scanner changes, and its hospital alone alerts.

    Raises:
        NotProved: nobody does, or another.
    """
    until_baselines(story)
    first = proof.prove_only_the_changed_site_alerts(story, until_alert(story))
    tell(first, story.say)
    return first


def nothing_is_lost(story: Story) -> dict[str, Found]:
    """Everything that was sent is stored, and what left the hospitals is what the centre holds.

    Raises:
        NotProved: it is not so.
    """
    story.drain(300)
    _reports_arrive(story)
    found = _nothing_lost(story)
    for name, counts in found.items():
        story.say(f"proved at {name}: {counts}")
    story.say(f"proved: the ledgers verify and hold what the centre holds, rows {proof.prove_ledgers(story)}")
    story.say(f"proved: every report that left a hospital is at the centre, {proof.prove_all_arrived(story)}")
    return found


def line_is_cut(story: Story, calibration: Calibrating) -> None:
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


def is_killed(story: Story, name: str, back: Callable[[], object]) -> None:
    """A program is killed while patients come, and started again."""
    programs = story.federation.programs
    story.feed(1)  # so that somebody is at work
    ended = programs.kill(name)
    time.sleep(DOWN_S)
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
