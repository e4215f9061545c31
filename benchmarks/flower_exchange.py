"""Seconds of a question to three sites over TLS with node keys: our node and conductor, beside Flower's own executors.

    python -m benchmarks.flower_exchange [--exchanges 10] [--megabytes 10]

Both on this machine, one after the other, on Flower's SuperLink with its database: ours as it is deployed; Flower's
with `flower-supernode`, its SuperExec, a ClientApp that repeats what it is asked, and `Grid.send_and_receive`. Printed:
median seconds of a small question, seconds of one with an answer of some MB from each site, and the memory of all
programs at rest. Whatever else this machine does is in the figures of both.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from central_server.federation.flower import superlink
from central_server.federation.flower.control import Control
from shared.federation.flower import RUN
from tests.flower_world import SITES, FlowerWorld, flower_world, free_ports

BIN = Path(sys.executable).parent
STOCK = {
    "pyproject.toml": """\
[project]
name = "stock"
version = "1.0.0"
[tool.flwr.app]
publisher = "benchmark"
[tool.flwr.app.components]
serverapp = "stock.server:app"
clientapp = "stock.client:app"
[tool.flwr.app.config]
run = ""
""",
    "stock/__init__.py": "",
    "stock/client.py": """\
import os

from flwr.app import ConfigRecord, Message, RecordDict
from flwr.clientapp import ClientApp

app = ClientApp()


@app.query()
def answer(message, context):
    body = message.content["packet"]["body"]
    told = os.urandom(int(body.split()[1])) if body.startswith(b"large ") else body
    return Message(RecordDict({"packet": ConfigRecord({"body": told})}), reply_to=message)
""",
    "stock/server.py": """\
import json
import os
import time
from pathlib import Path

from flwr.app import ConfigRecord, Message, RecordDict
from flwr.serverapp import ServerApp

app = ServerApp()


@app.main()
def main(grid, context):
    plan = json.loads(context.run_config["run"])
    told = {"answers": [], "seconds": []}
    nodes = list(grid.get_node_ids())
    for question in plan["questions"]:
        begun = time.monotonic()
        content = RecordDict({"packet": ConfigRecord({"body": question.encode()})})
        found = list(grid.send_and_receive([Message(content, node, "query") for node in nodes], timeout=300))
        told["seconds"].append(time.monotonic() - begun)
        told["answers"].append(sum(one.has_content() for one in found))
    path = Path(os.environ["SEGWATCH_TEST_TOLD"]) / f"{context.run_id}.json"
    path.with_suffix(".new").write_text(json.dumps(told))
    path.with_suffix(".new").replace(path)
""",
}


@dataclass(frozen=True)
class Measured:
    """One way to deploy."""

    seconds: float
    large_s: float
    processes: int
    memory_mb: float


def main() -> None:
    """Both, side by side."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--exchanges", type=int, default=10)
    parser.add_argument("--megabytes", type=int, default=10)
    chosen = parser.parse_args()
    questions = [*(f"small {i}" for i in range(chosen.exchanges)), f"large {chosen.megabytes * 1_000_000}"]
    with tempfile.TemporaryDirectory() as folder:
        ours, stock = measure_ours(Path(folder) / "ours", questions), measure_stock(Path(folder) / "stock", questions)
    print(f"{'':32}{'ours':>12}{'Flower as is':>16}")
    for title, name in (
        ("seconds an exchange, median", "seconds"),
        (f"seconds with {chosen.megabytes} MB from each", "large_s"),
        ("processes at rest", "processes"),
        ("their memory (RSS), MB", "memory_mb"),
    ):
        print(f"{title:32}{getattr(ours, name):12.2f}{getattr(stock, name):16.2f}")


def measure_ours(folder: Path, questions: list[str]) -> Measured:
    """As deployed; this process stands for `central-server superlink`."""
    folder.mkdir()
    with flower_world(folder) as world:
        at_rest = _processes()
        told = world.run(questions, deadline_s=300)
    return _measured(told["seconds"], [len(answers) for answers in told["answers"]], at_rest)


def measure_stock(folder: Path, questions: list[str]) -> Measured:
    """With Flower's own SuperNodes and SuperExecs."""
    folder.mkdir()
    with _stock_world(folder) as world:
        time.sleep(3)
        at_rest = _processes()
        told = _run_stock(world, questions)
    return _measured(told["seconds"], told["answers"], at_rest)


@contextmanager
def _stock_world(folder: Path) -> Iterator[FlowerWorld]:
    world = FlowerWorld(folder)
    environment = {
        **os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "SEGWATCH_TEST_TOLD": str(folder),
        "FLWR_HOME": str(folder / "flower"),
    }  # fmt: skip
    command = superlink._command(world.settings)
    place = command.index("--isolation")
    running = [subprocess.Popen(command[:place] + command[place + 2 :], env=environment)]
    try:
        world.until(lambda: world.node_states() is not None)
        for number, site in enumerate(SITES):
            world.register(site)
            running.append(_supernode(world, site, 1 + number, environment))
        world.until(lambda: world.node_states() == ["online"] * len(SITES))
        yield world
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.wait(30)


def _supernode(world: FlowerWorld, site: str, number: int, environment: Mapping[str, str]) -> "subprocess.Popen[bytes]":
    (port,) = free_ports(1)
    key = world.folder / site / "node_key.pem"
    subprocess.run(["ssh-keygen", "-p", "-N", "", "-f", str(key)], check=True, capture_output=True)  # to OpenSSH's form
    return subprocess.Popen(
        [
            BIN / "flower-supernode", "--superlink", world.address, "--root-certificates", str(world.authority),
            "--auth-supernode-private-key", str(key), "--clientappio-api-address", f"127.0.0.1:{port}",
        ],
        env={**environment, "FLWR_HOME": str(world.folder / f"flower-{number}")},
    )  # fmt: skip


def _run_stock(world: FlowerWorld, questions: list[str]) -> Any:
    from flwr.cli.build import build_fab_from_files

    bundle, _ = build_fab_from_files({name: text.encode() for name, text in STOCK.items()})
    plan = json.dumps({"questions": questions})
    with Control(world.settings) as control:
        number = control.start_app(bundle, "", {RUN: plan})
        told = world.folder / f"{number}.json"
        world.until(told.exists, 600)
        world.until(lambda: control.tidy()[number] == "finished")
    return json.loads(told.read_text())


def _measured(seconds: list[float], answered: list[int], at_rest: list[float]) -> Measured:
    if answered != [len(SITES)] * len(seconds):
        raise SystemExit(f"Of {len(SITES)} sites answered {answered}: the seconds would not be those of an exchange.")
    return Measured(statistics.median(seconds[:-1]), seconds[-1], len(at_rest), sum(at_rest))


def _processes() -> list[float]:
    """Memory in MB of every process below this one, and of this one."""
    below, found = [os.getpid()], []
    children: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            told = path.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        children.setdefault(int(told[1]), []).append(int(path.parent.name))
    while below:
        number = below.pop()
        found.append(_memory_mb(number))
        below += children.get(number, [])
    return found


def _memory_mb(process: int) -> float:
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return sum(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))


if __name__ == "__main__":
    main()
