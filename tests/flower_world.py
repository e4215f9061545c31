"""A SuperLink over TLS and its nodes as processes of their own, with questions and answers that a test can follow.

Also the programs that it starts: `python -m tests.flower_world node|lead`.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from central_server.federation.flower.certificates import make_certificates
from central_server.federation.flower.control import Control
from central_server.federation.flower.errors import SuperLinkAway
from central_server.federation.flower.nodes import register_node
from central_server.federation.flower.settings import SuperLinkSettings, load_superlink_settings
from hospital_agent.federation.flower.node_key import make_node_key, public_half
from shared.federation.flower import RUN, app_bundle, app_hash
from shared.federation.messages import Packet

ROOT = Path(__file__).parents[1]
SITES = ("north", "south", "west")
PROGRAM = (sys.executable, "-m", "tests.flower_world")


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now."""
    held = [socket.socket() for _ in range(count)]
    for one in held:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return ports


class FlowerWorld:
    """The SuperLink and the nodes of three sites.

    Args:
        folder: for everything.
        node_program: starts a node; its arguments are the site's folder, the SuperLink's address, and the authority.
    """

    def __init__(self, folder: Path) -> None:
        port, control_port, tasks_port = free_ports(3)
        self.folder = folder
        self.settings = SuperLinkSettings(
            folder=folder / "centre", host="127.0.0.1", port=port, control_port=control_port, tasks_port=tasks_port
        )
        self.address = f"localhost:{port}"
        self.authority = make_certificates(self.settings.folder, "localhost", 2)
        self.nodes: dict[str, subprocess.Popen[bytes]] = {}
        self._superlink: threading.Thread | None = None
        self._stop = threading.Event()

    def start_superlink(self, conduct: Sequence[str] = (*PROGRAM, "lead")) -> None:
        """As `central-server superlink` runs it, with a conductor of the test."""
        from central_server.federation.flower.superlink import run_superlink

        self._stop = threading.Event()
        keywords = {"conduct": conduct}
        os.environ["SEGWATCH_TEST_TOLD"] = str(self.folder)
        self._superlink = threading.Thread(target=run_superlink, args=(self.settings, self._stop), kwargs=keywords)
        self._superlink.start()
        self.until(lambda: self.node_states() is not None, 60)

    def stop_superlink(self) -> None:
        """With SIGINT, as a container's stop does in the end."""
        self._stop.set()
        if self._superlink is not None:
            self._superlink.join()

    def register(self, site: str) -> None:
        """Make a site's node key and let it in."""
        key = make_node_key(self.folder / site / "node_key.pem")
        with Control(self.settings) as control:
            register_node(control, self.settings.folder, site, public_half(key))

    def start_node(self, site: str) -> None:
        """A node whose answers begin with the site's name."""
        with (self.folder / f"{site}.log").open("ab") as log:
            self.nodes[site] = subprocess.Popen(
                [*PROGRAM, "node", str(self.folder / site), self.address, str(self.authority)],
                cwd=ROOT, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
            )  # fmt: skip

    def log_of(self, site: str) -> str:
        """What its node said."""
        return (self.folder / f"{site}.log").read_text()

    def node_states(self) -> list[str] | None:
        """As the SuperLink sees them; None while it does not answer."""
        try:
            with Control(self.settings) as control:
                return sorted(node.state for node in control.nodes())
        except SuperLinkAway:
            return None

    def until(self, holds: Callable[[], Any], seconds: float = 60) -> Any:
        """What it gives once it is true."""
        ends = time.monotonic() + seconds
        while not (found := holds()):
            assert time.monotonic() < ends, "it does not become so"
            time.sleep(0.1)
        return found

    def run(self, questions: Sequence[str], *, deadline_s: float = 30, bundle: bytes | None = None) -> Any:
        """Have the lead of the test ask these questions, one after the other; what it wrote down."""
        plan = json.dumps({"questions": questions, "deadline_s": deadline_s})
        with Control(self.settings) as control:
            number = control.start_app(bundle or app_bundle(), app_hash() if bundle is None else "", {RUN: plan})
            told = self.folder / f"{number}.json"
            self.until(told.exists, deadline_s * len(questions) + 60)
            self.until(lambda: control.tidy()[number] == "finished")
        return json.loads(told.read_text())

    def close(self) -> None:
        """End every process."""
        for process in self.nodes.values():
            process.send_signal(signal.SIGTERM)
        for process in self.nodes.values():
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.stop_superlink()


@contextmanager
def flower_world(folder: Path) -> Iterator[FlowerWorld]:
    """A world in which all nodes are there."""
    world = FlowerWorld(folder)
    try:
        world.start_superlink()
        for site in SITES:
            world.register(site)
            world.start_node(site)
        world.until(lambda: world.node_states() == ["online"] * len(SITES))
        yield world
    finally:
        world.close()


def node(folder: Path, address: str, authority: Path) -> int:
    """A site that repeats what it was asked."""
    from hospital_agent.federation.flower.node import run_node

    settings: Any = SimpleNamespace(
        federation_superlink=address, federation_node_key=folder / "node_key.pem", federation_ca_file=authority,
        data_dir=folder, federation_dir=folder,
    )  # fmt: skip
    heard: list[bytes] = []

    def answer(packet: Packet) -> Packet:
        heard.append(packet.body)
        if packet.body.startswith(b"large "):
            return Packet("plan", os.urandom(int(packet.body.split()[1])))  # equal pieces would travel once
        return Packet("plan", f"{folder.name} heard {packet.body.decode()} as number {len(heard)}".encode())

    return run_node(settings, answer)


def lead() -> None:
    """A centre that asks what the run's configuration says, of all sites that were there at the start.

    It looks at no bundle: a centre that lies.
    """
    from central_server.federation.flower.grid_exchange import GridExchange
    from central_server.federation.flower.nodes import nodes_by_site
    from central_server.federation.flower.run_grid import RunGrid

    settings = load_superlink_settings()
    with RunGrid(f"127.0.0.1:{settings.tasks_port}", sys.stdin.readline().strip()) as grid:
        exchange = GridExchange(grid, lambda: nodes_by_site(settings.folder))
        plan = json.loads(str(grid.run.override_config[RUN]))
        told: dict[str, Any] = {"sites": list(exchange.sites()), "answers": [], "seconds": []}
        for question in plan["questions"]:
            begun = time.monotonic()
            found = exchange.ask(dict.fromkeys(SITES, Packet("opening", question.encode())), plan["deadline_s"])
            told["seconds"].append(time.monotonic() - begun)
            short = {site: packet.body for site, packet in found.items()}
            told["answers"].append(
                {site: body.decode() if len(body) < 99 else len(body) for site, body in short.items()}
            )
        path = Path(os.environ["SEGWATCH_TEST_TOLD"]) / f"{grid.run.run_id}.json"
        path.with_suffix(".new").write_text(json.dumps(told))
        path.with_suffix(".new").replace(path)
        grid.problem = ""


if __name__ == "__main__":
    if sys.argv[1] == "node":
        raise SystemExit(node(Path(sys.argv[2]), sys.argv[3], Path(sys.argv[4])))
    lead()
