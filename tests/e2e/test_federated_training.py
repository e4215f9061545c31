"""Both autoencoders trained by the commands of a centre and three sites over Flower, accepted, and returned from."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from hospital_agent.federation.autoencoders import ACTIVATIONS, MASKS, WEIGHTS
from hospital_agent.federation.flower.node_key import make_node_key, node_key_path, public_half
from hospital_agent.federation.site_key import PinnedSites, make_key
from hospital_agent.model_folder import load_model
from hospital_agent.settings import Settings
from shared.clock import utc_now
from shared.federation.site_keys import key_as_text
from tests.autoencoded_model import OLD_RANGE, write_autoencoded, write_ball_site
from tests.flower_world import ROOT, free_ports

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]
BIN = Path(sys.executable).parent
SITES = ("east", "north", "west")
JOBS = {
    "train_mask_autoencoder": (MASKS, "dice", ("rounds=1", "steps=8", "learning_rate=0.02")),
    "train_segmentation_distortion": (ACTIVATIONS, "preserved", ("rounds=1", "steps=4", "learning_rate=0.005")),
}
POLICY = 'partners = "pinned"\ntraining = true\n' + "".join(f"[jobs.{job}]\nallowed = true\n" for job in JOBS)


class World:
    """A centre and three sites, each command with the environment of its program and nothing else of ours."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.running = folder, list[subprocess.Popen[bytes]]()
        port, control, tasks = free_ports(3)
        self.plain = {
            name: value for name, value in os.environ.items() if not name.startswith(("AGENT_", "CENTRAL_"))
        } | {"OMP_NUM_THREADS": "1", "AGENT_THREADS": "1"}  # fmt: skip
        self.centre = {
            "CENTRAL_DATABASE_URL": f"sqlite:///{folder / 'central.sqlite'}",
            "CENTRAL_FEDERATION_FOLDER": str(folder / "superlink"),
            "CENTRAL_FEDERATION_HOST": "127.0.0.1",
            "CENTRAL_FEDERATION_PORT": str(port),
            "CENTRAL_FEDERATION_CONTROL_PORT": str(control),
            "CENTRAL_FEDERATION_TASKS_PORT": str(tasks),
        }
        model = write_autoencoded(folder / "model")
        self.settings = {
            name: write_ball_site(folder / name, name, model, patients=3, seed=seed) for seed, name in enumerate(SITES)
        }
        self.sites = {name: self._environment(settings, port) for name, settings in self.settings.items()}

    def _environment(self, settings: Settings, port: int) -> dict[str, str]:
        names = ("site", "inbox", "data_dir", "central_url", "k", "model_dir", "device", "federation_images",
                 "federation_references", "federation_policy_file")  # fmt: skip
        assert settings.federation_policy_file is not None
        settings.federation_policy_file.write_text(POLICY)
        return {f"AGENT_{name.upper()}": str(getattr(settings, name)) for name in names} | {
            "AGENT_SITE_KEY": settings.site_key.get_secret_value(),
            "AGENT_FEDERATION_SUPERLINK": f"localhost:{port}",
            "AGENT_FEDERATION_CA_FILE": str(self.folder / "superlink" / "ca.pem"),
        }

    def run(self, environment: Mapping[str, str], *command: str, told: str = "") -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [BIN / command[0], *command[1:]], env={**self.plain, **environment}, input=told, capture_output=True,
            text=True, cwd=self.folder, timeout=300, check=False,
        )  # fmt: skip

    def done(self, environment: Mapping[str, str], *command: str) -> str:
        ended = self.run(environment, *command)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout

    def start(self, environment: Mapping[str, str], *command: str) -> None:
        started = {**self.plain, **environment, "PYTHONPATH": str(ROOT)}
        self.running.append(
            subprocess.Popen([BIN / command[0], *command[1:]], env=started, cwd=ROOT, stdin=subprocess.DEVNULL)
        )

    def set_up(self) -> None:
        self.done(self.centre, "central-server", "migrate")
        self.done(self.centre, "central-server", "federation", "certificates", "--host", "localhost")
        self.start(self.centre, "central-server", "superlink")
        keys = {
            name: make_key(settings.federation_dir).public_key().public_bytes_raw()
            for name, settings in self.settings.items()
        }
        for name, settings in self.settings.items():
            for other in set(SITES) - {name}:
                PinnedSites(settings.federation_dir).pin(other, keys[other], utc_now())
            self.done(self.centre, "central-server", "sites", "add", name)
            self.done(self.centre, "central-server", "federation", "add-site", name, key_as_text(keys[name]))
            public = public_half(make_node_key(node_key_path(settings)))
            command = ("central-server", "federation", "add-node", name, "-")
            self.until(lambda told=public, what=command: self.run(self.centre, *what, told=told).returncode == 0)
            self.start(self.sites[name], "hospital-agent", "federate")
        self.until(
            lambda: self.run(self.centre, "central-server", "federation", "nodes").stdout.count("online") == len(SITES)
        )

    def until(self, there: Callable[[], bool]) -> None:
        ends = time.monotonic() + 120
        while not there():
            assert time.monotonic() < ends
            time.sleep(0.3)

    def close(self) -> None:
        for process in self.running:
            process.terminate()
        for process in self.running:
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = World(tmp_path_factory.mktemp("training"))
    try:
        world.set_up()
        yield world
    finally:
        world.close()


@pytest.mark.parametrize("job", list(JOBS))
def test_trained_proposed_accepted_and_returned_from(world: World, job: str) -> None:
    kind, judged, options = JOBS[job]
    given = [part for option in options for part in ("--option", option)]
    world.done(world.centre, "central-server", "federate", job, "--deadline", "120", *given)
    cards: list[Any] = []
    for own in world.sites.values():
        told = json.loads(world.done(own, "hospital-agent", "federation", "versions"))
        cards += [one for one in told["proposals"] if one["job"] == job]
    assert [card["sites"] for card in cards] == [list(SITES)] * 3
    assert len({(card["run"], card[f"{judged}_before"], card[f"{judged}_after"]) for card in cards}) == 1
    assert cards[0][f"{judged}_after"] > cards[0][f"{judged}_before"]

    north = world.sites["north"]
    accepted = json.loads(world.done(north, "hospital-agent", "federation", "accept", cards[0]["run"], "--anyway"))
    assert accepted["accepted"] is True
    assert accepted["comparison"]["kind"] == kind
    told = json.loads(world.done(north, "hospital-agent", "federation", "versions"))
    assert told["in_use"] == [cards[0]["run"]]
    folder = Path(north["AGENT_DATA_DIR"]) / "federation" / "versions" / cards[0]["run"][:12]
    proposed = Path(north["AGENT_DATA_DIR"]) / "federation" / "proposals" / cards[0]["run"] / WEIGHTS[kind]
    assert (folder / WEIGHTS[kind]).read_bytes() == proposed.read_bytes()
    score = {MASKS: "mask_autoencoder_pdc", ACTIVATIONS: "segmentation_distortion"}[kind]
    assert load_model(folder, with_network=False).validation[score] != OLD_RANGE
    assert json.loads(world.done(north, "hospital-agent", "federation", "roll-back"))["in_use"] == []
    world.done(north, "hospital-agent", "ledger", "--verify")
