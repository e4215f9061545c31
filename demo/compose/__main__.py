"""`make compose-check`."""

import argparse
import os
import signal
import sys
from pathlib import Path
from types import FrameType

from demo.__main__ import new_folder, say
from demo.compose.check import check
from demo.compose.docker import NoCompose
from demo.compose.engine import NoEngine, default_folder
from demo.compose.stand_ins import NoStandIn
from demo.outages import outages
from demo.programs import ProgramFailed
from demo.proof import NotProved
from demo.story import TooSlow

CHOICES = ("auto", "pull", "stand-in")


def _end(_signal: int, _frame: FrameType | None) -> None:
    """Only once: what is then taken down must not be left half way by a second Ctrl-C, nor by its children's."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    say("stopping")
    raise KeyboardInterrupt


def main() -> int:
    """Containers where there is an engine, processes where there is none; says which, also at the end."""
    parser = argparse.ArgumentParser(prog="python -m demo.compose", description=__doc__)
    parser.add_argument("--engine", type=Path, default=default_folder(), help="folder of an engine started by hand")
    parser.add_argument("--base-images", choices=CHOICES, default="auto", help="auto: stand-ins where no registry is")
    parser.add_argument("--keep", action="store_true", help="leave everything running")
    told = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _end)
    folder = new_folder("compose")
    try:
        try:
            check(folder, told.engine.resolve(), say, choice=told.base_images, keep=told.keep)
        except (NoEngine, NoCompose, NoStandIn) as reason:
            say(f"no containers here: {reason}")
            outages(folder, say)
            say(f"all proved with PROCESSES, not with containers: {reason}")
    except KeyboardInterrupt:
        say("stopped; what runs is left running" if told.keep else "stopped; nothing is left running")
        return 130
    except (NotProved, ProgramFailed, TooSlow) as problem:
        print(f"compose-check: not proved: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    sys.exit(main())
