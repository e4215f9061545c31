"""The last chapter of `make demo FEDERATE=1`: the three hospitals calibrate their model reference together.

Everything is what an installation does: certificates, keys that sites pin, a policy at each site, Flower's SuperLink
and its nodes as programs of their own, and secure sums between them.
"""

import json
import time
from pathlib import Path

from demo.dicom_writer import write_series
from demo.federation import Federation, Hospital
from demo.patients import PatientStream, Site, as_int16
from demo.programs import ProgramFailed, free_port, run_once
from demo.relay import Line
from demo.story import Say, Story

PATIENTS = 5  # with images for the reference, at each hospital
FIRST = 10_001  # their numbers: nobody whom the story has met
LONGEST_RUN_S = 900
POLICY = """\
version = "demo"
partners = "pinned"
most_numbers = 1000000
[jobs.gaussian]
allowed = true
[jobs.histograms]
allowed = true
"""


class Calibration:
    """The federation of one demo, once its hospitals and its centre run.

    Args:
        story: whose hospitals take part.
        system: of the story.
    """

    def __init__(self, story: Story, system: Federation) -> None:
        self.story, self.system, self.say = story, system, story.say
        self.folder = self.system.folder / "superlink"
        ports = {name: str(free_port()) for name in ("PORT", "CONTROL_PORT", "TASKS_PORT")}
        self.port = ports["PORT"]
        self.lines = {name: Line(int(self.port)) for name in self.system.lines}
        self.centre = {
            **self.system.central,
            "CENTRAL_FEDERATION_FOLDER": str(self.folder),
            "CENTRAL_FEDERATION_HOST": "127.0.0.1",
            **{f"CENTRAL_FEDERATION_{name}": port for name, port in ports.items()},
        }

    def prepare(self) -> None:
        """Certificates, keys, pins, policies and images; then the SuperLink and a node at each hospital."""
        run_once(["central-server", "federation", "certificates", "--host", "localhost"], self.centre)
        self.system.programs.start("superlink", ["central-server", "superlink"], self.centre)
        keys = {hospital.site.name: _site_key(hospital) for hospital in self.system.hospitals}
        for hospital in self.system.hospitals:
            self._introduce(hospital, keys)
            draw_images(hospital.site, self.story, _images(hospital))
            environment = self._node_environment(hospital)
            self.system.programs.start(f"{hospital.site.name}-node", ["hospital-agent", "federate"], environment)
        self.wait_for_nodes()

    def wait_for_nodes(self) -> None:
        """Until every hospital's node is there.

        Raises:
            TooSlow: one stays away.
        """
        self.story.wait(self._all_there, 120, "the hospitals' nodes to connect")

    def run(self, job: str, deadline_s: int = 600) -> None:
        """Have the hospitals compute a job together, and tell each round.

        Raises:
            ProgramFailed: there is no result.
        """
        begun, command = time.monotonic(), ["central-server", "federate", job, "--deadline", str(deadline_s)]
        told = run_once(command, self.centre, seconds=LONGEST_RUN_S)
        for line in told.splitlines():
            self.say(f"  {line}")
        self.say(f"{job} over {len(self.system.hospitals)} hospitals took {time.monotonic() - begun:.0f} s")

    def _introduce(self, hospital: Hospital, keys: dict[str, str]) -> None:
        """A hospital gives its public keys to the centre and pins those of the others."""
        name = hospital.site.name
        run_once(["central-server", "federation", "add-site", name, keys[name]], self.centre)
        for other, key in keys.items():
            if other != name:
                run_once(["hospital-agent", "federation", "pin", other, key], hospital.environment)
        public = hospital.data.parent / "node_key.pub"
        public.write_text(run_once(["hospital-agent", "federation", "node-key"], hospital.environment))
        self.story.wait(lambda: self._let_in(name, public), 60, "the SuperLink to answer")
        (hospital.data.parent / "federation_policy.toml").write_text(POLICY)

    def _let_in(self, name: str, public: Path) -> bool:
        try:
            run_once(["central-server", "federation", "add-node", name, str(public)], self.centre)
        except ProgramFailed:
            return False
        return True

    def _node_environment(self, hospital: Hospital) -> dict[str, str]:
        return {
            **hospital.environment,
            "AGENT_FEDERATION_SUPERLINK": f"localhost:{self._port_for(hospital)}",
            "AGENT_FEDERATION_CA_FILE": str(self.folder / "ca.pem"),
            "AGENT_FEDERATION_POLICY_FILE": str(hospital.data.parent / "federation_policy.toml"),
            "AGENT_FEDERATION_IMAGES": str(_images(hospital)),
        }

    def _port_for(self, hospital: Hospital) -> str:
        line = self.lines.get(hospital.site.name)
        return self.port if line is None else str(line.port)

    def _all_there(self) -> bool:
        try:
            told = run_once(["central-server", "federation", "nodes"], self.centre)
        except ProgramFailed:  # the SuperLink does not answer yet
            return False
        return told.count("online") >= len(self.system.hospitals)


def draw_images(site: Site, story: Story, folder: Path) -> None:
    """Images of a hospital for the reference, of patients whom the story has not met."""
    stream = PatientStream(site, story.hosts, story.seed)
    folder.mkdir()
    for number in range(FIRST, FIRST + PATIENTS):
        case = stream.patient(number, site.scanner)
        write_series(
            as_int16(case.volume), folder / f"series-{number}", patient=f"SIM{number}",
            scanner=site.scanner, site=site.title,
        )  # fmt: skip


def calibrate(story: Story, system: Federation) -> None:
    """The chapter as a person sees it."""
    say: Say = story.say
    say("the hospitals calibrate together: keys, policies, a SuperLink and a node at each")
    calibration = Calibration(story, system)
    calibration.prepare()
    say("each looks at its images for the reference, then secure sums: the centre sees totals alone")
    calibration.run("gaussian")
    calibration.run("histograms")
    say(f"proposed at every hospital, in use at none: {_proposals(calibration)}")
    say(f"look at it: {system.dashboard}/federation")


def _proposals(calibration: Calibration) -> str:
    """At how many hospitals a proposal lies."""
    count = 0
    for hospital in calibration.system.hospitals:
        environment = calibration._node_environment(hospital)
        told = json.loads(run_once(["hospital-agent", "federation", "versions"], environment))
        count += bool(told.get("proposals"))
    return f"{count} of {len(calibration.system.hospitals)}"


def _site_key(hospital: Hospital) -> str:
    told = json.loads(run_once(["hospital-agent", "federation", "key"], hospital.environment))
    return str(told["public_key"])


def _images(hospital: Hospital) -> Path:
    return hospital.data.parent / "images"
