"""Studies: evaluations that are no single task, each with a report of its own. One study a file.

`hospital-agent evaluate --task NAME` runs a study where no task has the name.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from shared.registry import Registry


class Study(Protocol):
    """What the command line needs to know of a study."""

    def run(self, data: Path, out: Path, seeds: Sequence[int], *, quick: bool, device: str, command: str) -> Path:
        """Run it, or go on where it stopped; returns the folder, with `report.md` in it.

        Args:
            data: folder laid out as the development data.
            quick: some minutes, for trying the way.
            command: what was typed, for the report.

        Raises:
            NoImages, TooFewCases: there is nothing to evaluate, or not enough of it.
        """
        ...


studies: Registry[Study] = Registry("study")
