"""A whole federated run by its commands: certificates, SuperLink, nodes, a secure sum, and a SuperLink that dies."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy.engine import make_url

from central_server.database import federated_runs
from central_server.database.session import Database
from central_server.federation.stored import stored_totals
from hospital_agent.federation.flower.node_key import make_node_key, public_half
from hospital_agent.federation.jobs import job_result
from hospital_agent.federation.jobs.gaussian import GaussianJob
from hospital_agent.federation.jobs.rows import LocalRows
from hospital_agent.federation.site_jobs import AtSite
from shared.federation.messages import Packet
from shared.federation.site_keys import key_as_text
from tests.federations import DIMENSION, Log, Rules
from tests.flower_world import ROOT, SITES, free_ports

pytestmark = pytest.mark.slow
BIN = Path(sys.executable).parent
JOB = "gaussian"


def rows_of(site: str) -> LocalRows:
    number = SITES.index(site)
    values = np.random.default_rng(number).standard_normal((20 + number, DIMENSION)) + number
    return LocalRows(values, [f"{site}-{row}" for row in range(len(values))])


class World:
    """The centre's programs with an environment of their own, and a node for each site."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        port, control, tasks = free_ports(3)
        self.port = port
        self.url = f"sqlite:///{folder / 'central.sqlite'}"
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("AGENT_", "CENTRAL_"))},
            "CENTRAL_DATABASE_URL": self.url,
            "CENTRAL_FEDERATION_FOLDER": str(folder / "superlink"),
            "CENTRAL_FEDERATION_HOST": "127.0.0.1",
            "CENTRAL_FEDERATION_PORT": str(port),
            "CENTRAL_FEDERATION_CONTROL_PORT": str(control),
            "CENTRAL_FEDERATION_TASKS_PORT": str(tasks),
        }
        self.running: list[subprocess.Popen[bytes]] = []

    def command(self, *arguments: str, told: str = "") -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [BIN / "central-server", *arguments], env=self.environment, input=told, capture_output=True, text=True,
            cwd=self.folder, timeout=150, check=False,
        )  # fmt: skip

    def start(self, *command: str | Path) -> "subprocess.Popen[bytes]":
        process = subprocess.Popen(
            command, env={**self.environment, "PYTHONPATH": str(ROOT)}, cwd=ROOT, stdin=subprocess.DEVNULL
        )
        self.running.append(process)
        return process

    def superlink(self) -> "subprocess.Popen[bytes]":
        return self.start(BIN / "central-server", "superlink")

    def set_up(self) -> None:
        keys = {site: Ed25519PrivateKey.generate() for site in SITES}
        public = {site: key.public_key().public_bytes_raw() for site, key in keys.items()}
        assert self.command("migrate").returncode == 0
        assert self.command("federation", "certificates", "--host", "localhost").returncode == 0
        self.superlink()
        for site, key in keys.items():
            node_key = make_node_key(self.folder / site / "node_key.pem")
            told = {"key": key.private_bytes_raw().hex(), "pinned": {name: one.hex() for name, one in public.items()}}
            (self.folder / site / "keys.json").write_text(json.dumps(told))
            assert self.command("sites", "add", site).returncode == 0
            assert self.command("federation", "add-site", site, key_as_text(public[site])).returncode == 0
            self.until(lambda s=site, k=node_key: self.command("federation", "add-node", s, "-", told=public_half(k)))
            authority = self.folder / "superlink" / "ca.pem"
            self.start(sys.executable, __file__, self.folder / site, f"localhost:{self.port}", authority)
        self.until(lambda: self.online(len(SITES)))

    def online(self, count: int) -> Any:
        told = self.command("federation", "nodes")
        return SimpleNamespace(returncode=0 if told.stdout.count("online") == count else 1)

    def until(self, tries: Any) -> None:
        ends = time.monotonic() + 90
        while tries().returncode != 0:
            assert time.monotonic() < ends
            time.sleep(0.2)

    def run_row(self) -> Any:
        database = Database(make_url(self.url))
        try:
            with database.read() as session:
                row = federated_runs.run_rows(session, None, 1)[0]
                return SimpleNamespace(
                    run=row.run, state=row.state, rounds=len(row.rounds), sentence=row.sentence,
                    contributors=row.contributors, totals=stored_totals(session, row.run),
                )  # fmt: skip
        finally:
            database.close()

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
    world = World(tmp_path_factory.mktemp("run"))
    try:
        world.set_up()
        yield world
    finally:
        world.close()


def the_pooled_result(totals: Any) -> bool:
    found = job_result(GaussianJob(DIMENSION), totals).moments
    pooled = np.concatenate([rows_of(site).rows for site in SITES])
    same = np.allclose(found.scatter() / (found.count - 1), np.cov(pooled.T), rtol=1e-6)
    return bool(found.count == len(pooled) and np.allclose(found.mean, pooled.mean(axis=0)) and same)


@pytest.mark.timeout(300)
def test_a_run_by_its_command_gives_the_pooled_result(world: World) -> None:
    told = world.command("federate", JOB, "--deadline", "30")
    assert told.returncode == 0, told.stdout + told.stderr
    row = world.run_row()
    assert (row.state, row.contributors) == ("completed", sorted(SITES))
    assert the_pooled_result(row.totals)


@pytest.mark.timeout(300)
def test_a_run_whose_superlink_dies_begins_again_and_ends(world: World) -> None:
    before = world.run_row().run
    (world.folder / "slow").touch()
    following = world.start(BIN / "central-server", "federate", JOB, "--deadline", "60")
    world.until(lambda: SimpleNamespace(returncode=0 if _begun(world.run_row(), before) else 1))
    superlink = world.running[0]
    superlink.kill()
    superlink.wait()
    (world.folder / "slow").unlink()
    time.sleep(1.0)
    world.superlink()
    assert following.wait(150) == 0
    row = world.run_row()
    assert (row.state, row.contributors) == ("completed", sorted(SITES))
    assert the_pooled_result(row.totals)


def _begun(row: Any, before: str) -> bool:
    return row.run != before and row.state == "running"


def node(folder: Path, address: str, authority: Path) -> int:
    """A site with rows of three features, which sums them securely; slow while a file says so."""
    from hospital_agent.federation import site as site_module
    from hospital_agent.federation.flower.node import run_node
    from hospital_agent.federation.secure_sum_memory import VolatileMemory
    from hospital_agent.federation.site import FederationSite
    from shared.registry import Registry

    told: Mapping[str, Any] = json.loads((folder / "keys.json").read_text())
    key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(told["key"]))
    pinned = {site: bytes.fromhex(public) for site, public in told["pinned"].items()}
    job = AtSite(GaussianJob(DIMENSION), "gaussian/test", lambda: rows_of(folder.name), lambda result, ended: {})
    registry: Registry[Any] = Registry("federated job")
    registry.register(JOB)(lambda settings, options: job)
    registry.load = lambda package: registry  # type: ignore[method-assign]
    site_module.site_jobs = registry
    settings: Any = SimpleNamespace(
        site=folder.name, federation_superlink=address, federation_node_key=folder / "node_key.pem",
        federation_ca_file=authority, data_dir=folder, federation_dir=folder,
    )  # fmt: skip
    site = FederationSite(settings, key, pinned, VolatileMemory(), Rules(), Log())

    def answer(packet: Packet) -> Packet:
        while (folder.parent / "slow").exists():
            time.sleep(0.1)
        return site.answer(packet)

    return run_node(settings, answer)


if __name__ == "__main__":
    raise SystemExit(node(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3])))
