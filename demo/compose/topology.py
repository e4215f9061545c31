"""A centre and three sites in containers, and the lines between them."""

import json
import time
from contextlib import suppress
from pathlib import Path

import httpx2

from demo.calibration import LONGEST_RUN_S, POLICY, draw_images
from demo.centre_api import CentreApi
from demo.compose.centre import SERVICES, ContainerCentre
from demo.compose.containers import Containers
from demo.compose.docker import PROFILES, Docker, Project
from demo.compose.network_line import NetworkLine
from demo.compose.site import AGENT, NODE, SERVER, SUPERLINK, ContainerSite
from demo.patients import SITES
from demo.programs import ProgramFailed
from demo.story import Say, Story

PREFIX = "segwatch-check"
VERSION = "check"  # the tag of the images, so that nobody's own are touched
NETWORKS = ("reports", "federation")
ANSWERS_S = 300.0


class ContainerFederation(CentreApi):
    """What `demo.federation.Federation` is, in containers.

    Args:
        folder: gets a folder for the centre and one for each site.
    """

    def __init__(self, docker: Docker, compose: tuple[str, ...], folder: Path, say: Say) -> None:
        self.docker, self.folder, self.say = docker, folder.resolve(), say

        def project(name: str, profiles: tuple[str, ...] = ()) -> Project:
            return Project(docker, compose, self.folder / name, f"{PREFIX}-{name}", profiles)

        self.centre = ContainerCentre(project("centre", PROFILES))
        self.hospitals = tuple(ContainerSite(site, project(site.name)) for site in SITES)
        self.dashboard = self.centre.dashboard
        self.programs = Containers(docker, {})
        self.lines: dict[str, NetworkLine] = {}
        self.node_lines: dict[str, NetworkLine] = {}
        super().__init__(self.centre.api, "lead", self.centre.password)

    def settle(self) -> None:
        """All folders, after what an interrupted run may have left is gone."""
        self.centre.settle(VERSION)
        for hospital in self.hospitals:
            hospital.settle(VERSION)
        self.down()

    def start_centre(self) -> None:
        """PostgreSQL, server, dashboard and SuperLink; returns when they answer."""
        self.centre.start()
        self._follow(self.centre.project, dict(zip(SERVICES, SERVICES, strict=True)))

    def introduce(self) -> None:
        """Everybody gets keys, gives away the public halves, and pins those of the others."""
        authority, keys, node_keys = self.centre.authority, {}, {}
        for hospital in self.hospitals:
            name = hospital.site.name
            hospital.secret("site_key", self.centre.knows(name, hospital.site.title) + "\n")
            hospital.secret("federation_ca", authority)
            hospital.secret("federation_policy", POLICY)
            node_keys[name] = hospital.once(AGENT, "federation", "node-key")
            keys[name] = _public_key(hospital.once(AGENT, "federation", "key"))
            self.say(f"{name} has its keys")
        for hospital in self.hospitals:
            name = hospital.site.name
            for other in keys.keys() - {name}:
                hospital.once(AGENT, "federation", "pin", other, keys[other])
            self.centre.command("superlink", "federation", "add-site", name, keys[name])
            if not self.centre.lets_in(name, node_keys[name]):
                raise ProgramFailed(f"The SuperLink does not take the node key of {name}.")
            self.say(f"{name} has pinned the others, and the SuperLink lets it in")

    def start_sites(self, story: Story) -> list[str]:
        """Lines to the centre, what doctor says, and then both programs at every site."""
        told = []
        for hospital in self.hospitals:
            name, project = hospital.site.name, hospital.project
            draw_images(hospital.site, story, hospital.images)
            project("up", "--no-start", AGENT, NODE)
            for network in NETWORKS:
                for service, alias in (("central-server", SERVER), ("superlink", SUPERLINK)):
                    self.docker("network", "connect", "--alias", alias, f"{project.name}_{network}",
                                self.programs.ids[service])  # fmt: skip
            told.append(f"{name}: {hospital.refuse_what_doctor_finds()}")
            project("up", "-d", AGENT, NODE)
            self._follow(project, {name: AGENT, f"{name}-node": NODE})
            self.lines[name] = NetworkLine(self.docker, f"{project.name}_reports", self.programs.ids[name])
            self.node_lines[name] = NetworkLine(
                self.docker, f"{project.name}_federation", self.programs.ids[f"{name}-node"]
            )
            self.say(f"{name} runs: agent and node")
        return told

    def _follow(self, project: Project, services: dict[str, str]) -> None:
        for name, service in services.items():
            self.programs.ids[name] = project.container(service)

    def answers(self, url: str) -> bool:
        """Whether a program of the centre is there."""
        try:
            return httpx2.get(url, timeout=5.0).status_code < 400
        except httpx2.TransportError:
            return False

    def down(self) -> None:
        """No container, volume or network of this check is left."""
        for name in ("central-server", "superlink"):
            for hospital in self.hospitals if name in self.programs.ids else ():
                for network in NETWORKS:
                    with suppress(ProgramFailed):  # a network with somebody else's container on it is not removed
                        self.docker("network", "disconnect", "--force", f"{hospital.project.name}_{network}",
                                    self.programs.ids[name])  # fmt: skip
        self.centre.project.down()
        for hospital in self.hospitals:
            hospital.project.down()


class ContainerCalibration:
    """What `demo.calibration.Calibration` is, with commands in the SuperLink's container."""

    def __init__(self, story: Story, system: ContainerFederation) -> None:
        self.story, self.system, self.lines = story, system, system.node_lines
        self.last = ""  # what the last run said at its end

    def wait_for_nodes(self) -> None:
        """Until every site's node is there."""
        self.story.wait(self._all_there, ANSWERS_S, "the sites' nodes to connect")

    def run(self, job: str, deadline_s: int = 600) -> None:
        """Have the sites compute a job together, and tell each round.

        Raises:
            ProgramFailed: there is no result.
        """
        begun = time.monotonic()
        self.system.centre.project.follow(
            "exec", "-T", "superlink", "central-server", "federate", job, "--deadline", str(deadline_s),
            say=self._tell, seconds=LONGEST_RUN_S,
        )  # fmt: skip
        self.story.say(f"{job} over {len(self.system.hospitals)} sites took {time.monotonic() - begun:.0f} s")

    def _tell(self, line: str) -> None:
        self.last = line
        self.story.say(f"  {line}")

    def _all_there(self) -> bool:
        try:
            told = self.system.centre.command("superlink", "federation", "nodes")
        except ProgramFailed:  # the SuperLink does not answer yet
            return False
        return told.count("online") >= len(self.system.hospitals)


def _public_key(told: str) -> str:
    return str(json.loads(told)["public_key"])
