"""The check itself: everything up in containers, an alert, a federated result, outages, and the count at the end."""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from demo import proof
from demo.compose.base_images import Choice, bases
from demo.compose.centre import SERVICES
from demo.compose.docker import Docker, find_compose
from demo.compose.engine import engine
from demo.compose.images import OURS, build, size_gb
from demo.compose.told import Told
from demo.compose.topology import VERSION, ContainerCalibration, ContainerFederation
from demo.outages import CUT, KILLED, alert_is_raised, is_killed, line_is_cut, nothing_is_lost
from demo.patients import SITES
from demo.programs import ProgramFailed
from demo.story import Say, Story
from demo.system import Clinic

SEED = 4
KILLS = (*SERVICES, KILLED, f"{CUT}-node")
CRASHES = SITES[2].name  # whose agent ends by a fault of its own
HEALTHY_S = 300.0
PATIENCE = 3.0  # times the seconds that processes get
SAYS_AFTER_S = 20.0
# Whom each image runs as, so that a read-only root and an ordinary user are seen and not only written down.
ORDINARY = "10001:10001"


class ContainerStory(Story):
    """Patients for inboxes that another user reads: what is dropped there may be moved away by the agent."""

    def wait(self, done: Callable[[], bool], seconds: float, what: str) -> None:
        """As a story waits, with more patience: the machine runs ten containers. Says what it waits for."""
        begun, told = time.monotonic(), False

        def watched() -> bool:
            nonlocal told
            if not told and time.monotonic() - begun > SAYS_AFTER_S:
                told = True
                self.say(f"waiting for {what}, at most {PATIENCE * seconds:.0f} s")
            return done()

        super().wait(watched, PATIENCE * seconds, what)

    def _send(self, hospital: Clinic) -> None:
        before = os.umask(0)
        try:
            super()._send(hospital)
        finally:
            os.umask(before)


def check(folder: Path, images: Path, say: Say, *, choice: Choice, keep: bool) -> None:
    """The whole check in containers.

    Args:
        folder: of this run.
        images: where an engine that is started by hand keeps its images, and what stand-ins are made of lies.

    Raises:
        NoEngine, NoCompose, NoStandIn: it cannot be done in containers here.
        NotProved, ProgramFailed, TooSlow: something did not come out.
    """
    told = Told(say)
    with ExitStack() as at_the_end:
        docker = at_the_end.enter_context(engine(images, say, keep=keep))
        compose, version = find_compose(docker)
        say(f"compose is `{' '.join(compose)}` {version}")
        with told.phase("base images"):
            standing = at_the_end.enter_context(bases(docker, choice, images, say, keep=keep))
            say(f"built on {standing.sentence}")
        with told.phase("building three images"):
            sizes = build(docker, compose, folder, VERSION)
        told.prove("images are built, the agent's with federation", _sizes(docker, sizes, standing.names[0]))
        _story(at_the_end.enter_context(_up(ContainerFederation(docker, compose, folder, say), told, keep=keep)), told)
    print("\n" + told.table() + "\n", flush=True)  # noqa: T201 - the account at the end
    say(f"all proved with CONTAINERS, in {told.seconds:.0f} s, on {standing.sentence}")


def _sizes(docker: Docker, sizes: dict[str, float], base: str) -> str:
    listed = ", ".join(f"{name} {size:.2f} GB" for name, size in sizes.items())
    return f"{listed}; of each {size_gb(docker, base):.2f} GB are the base"


@contextmanager
def _up(system: ContainerFederation, told: Told, *, keep: bool) -> Iterator[ContainerFederation]:
    """The topology for a while; whatever happens, nothing of it is left."""
    system.settle()
    try:
        yield system
    except BaseException:
        _keep_logs(system)
        raise
    finally:
        if keep:
            told.say(f"left running: {system.dashboard}, sign in as 'lead' with '{system.password}'")
            told.say(f"the compose projects stand in {system.folder}; the next check takes them down")
        else:
            told.say("taking everything down")
            system.down()


def _keep_logs(system: ContainerFederation) -> None:
    for project in (system.centre.project, *(hospital.project for hospital in system.hospitals)):
        with suppress(ProgramFailed):  # what went wrong is more than that its log cannot be read
            project.folder.with_suffix(".log").write_text(project("logs", "--no-color"))
    system.say(f"logs of all programs are in {system.folder}")


def _story(system: ContainerFederation, told: Told) -> None:
    story = ContainerStory(system, (), told.say, seed=SEED)
    with told.phase("the centre starts"):
        system.start_centre()
        story.wait(lambda: system.answers(f"{system.api}/readyz"), HEALTHY_S, "the server to answer")
        story.wait(lambda: system.answers(f"{system.dashboard}/healthz"), HEALTHY_S, "the dashboard to answer")
    with told.phase("three sites get keys and start"):
        system.introduce()
        doctors = system.start_sites(story)
        calibration = ContainerCalibration(story, system)
        calibration.wait_for_nodes()
    told.prove("three sites enrol with the documented commands", "; ".join(doctors))
    told.prove("ordinary users, read-only roots, no capabilities", _rights(system))
    with told.phase("patients come; one scanner changes"):
        alert = alert_is_raised(story)
    told.prove("every site's reports reach the centre", _reports(system))
    told.prove("the changed site alerts, and no other", f"{alert.site}: {alert.title}")
    told.prove("the dashboard shows it", proof.prove_dashboard(story, alert, system.folder))
    with told.phase("a federated calibration"):
        calibration.run("gaussian")
    told.prove(
        "a calibration over three sites ends well", f"over TLS, with the keys of nodes and sites: {calibration.last}"
    )
    with told.phase(f"the networks of {CUT} are cut and mended"):
        line_is_cut(story, calibration)
    told.prove(
        f"{CUT} without network works on, and comes back", "the run without it named it; the next one ended well"
    )
    _kill_each(story, system, calibration, told)
    with told.phase("a federated calibration after all of it"):
        calibration.run("gaussian")
    told.prove("a calibration ends well after all of it", calibration.last)
    with told.phase("counting"):
        counts = nothing_is_lost(story)
        story.wait(lambda: not system.programs.unwell(), HEALTHY_S, "every health check to say healthy")
    told.prove("nothing was lost", "; ".join(f"{name} sent {c.sent}, stored {c.stored}" for name, c in counts.items()))
    told.prove("ledgers verify, and every report in them is at the centre", _listed(proof.prove_all_arrived(story)))
    told.prove("every health check says healthy", f"{len(system.programs.ids)} containers")


def _reports(system: ContainerFederation) -> str:
    last = {site.site: site.last_report_at for site in system.sites().values() if site.last_report_at is not None}
    if len(last) < len(SITES):
        raise proof.NotProved(f"Only {', '.join(last) or 'nobody'} reported to the centre.")
    return _listed({name: f"last at {at:%H:%M:%S} UTC" for name, at in last.items()})


def _listed(told: Mapping[str, object]) -> str:
    return ", ".join(f"{name} {what}" for name, what in told.items())


def _kill_each(story: Story, system: ContainerFederation, calibration: ContainerCalibration, told: Told) -> None:
    """Each program is killed while patients come, and started again; one crashes, and the engine starts it again."""

    def server() -> None:
        story.wait(lambda: system.answers(f"{system.api}/readyz"), HEALTHY_S, "the server to answer")

    def dashboard() -> None:
        story.wait(lambda: system.answers(f"{system.dashboard}/healthz"), HEALTHY_S, "the dashboard to answer")

    def nobody() -> None:
        """The next patients show whether an agent is back."""

    back = {"postgres": server, "central-server": server, "dashboard": dashboard, KILLED: nobody}
    with told.phase("each program is killed and restored"):
        for name in KILLS:
            is_killed(story, name, back.get(name, calibration.wait_for_nodes))
        system.programs.crash(CRASHES)
        story.wait(lambda: system.programs.is_back(CRASHES), HEALTHY_S, f"the engine to bring {CRASHES} back")
        story.feed(2)
        story.say(f"{CRASHES} crashed and the engine brought it back")
    told.prove("each program can be killed", ", ".join(KILLS))
    told.prove("what crashes comes back by itself", f"the agent of {CRASHES}, by its restart policy")


def _rights(system: ContainerFederation) -> str:
    for name in system.programs.ids:
        user, read_only, dropped = system.programs.rights(name)
        if user != ("999:999" if name == "postgres" else ORDINARY) or not read_only or dropped != "[ALL]":
            raise proof.NotProved(f"{name} runs as {user}, read-only root {read_only}, dropped {dropped}.")
    return f"{len(system.programs.ids)} containers of {len(OURS)} images and PostgreSQL"
