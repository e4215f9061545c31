"""The study from images to a report: split, train or load, segment, score, write. Every step resumes."""

import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from hospital_agent.analysis.errors import TooFewCases
from hospital_agent.analysis.segmentation.network import choose_device
from hospital_agent.evaluation.several_organs.datasets import DATASETS, Dataset, few
from hospital_agent.evaluation.several_organs.measuring import Judged, Segmented, judged_rows, segmented_rows
from hospital_agent.evaluation.several_organs.networks import Networks, TrainingPlan, recipe_without
from hospital_agent.evaluation.several_organs.report import NAME, write_report
from hospital_agent.evaluation.tasks import Example, Parts

PLAN = TrainingPlan()
QUICK_STEPS, QUICK_BATCH = 20, 2


@dataclass(frozen=True)
class SeveralOrgans:
    """Joint training against its rivals on several datasets, and strangers that a joint network never saw.

    Args:
        datasets: at least three, so that one can be left out.
        plan: of every network.
    """

    datasets: Sequence[Dataset] = DATASETS
    plan: TrainingPlan = PLAN

    def run(self, data: Path, out: Path, seeds: Sequence[int], *, quick: bool, device: str, command: str) -> Path:
        """See `Study`.

        Raises:
            NoImages: a dataset has no images under the data folder.
            TooFewCases: fewer than three datasets, or too few patients to split.
            TrainingDiverged: the loss of a network stopped being a number.
        """
        study = self.shortened() if quick else self
        names = [one.name for one in study.datasets]
        if len(names) < 2:
            raise TooFewCases(f"Multi-task training needs at least two datasets, not {len(names)}.")
        recipe_without(names[0], names)
        begun = time.time()
        images = {one.name: one.read(data, out) for one in study.datasets}
        rows: list[Segmented] = []
        judged: list[Judged] = []
        for seed in seeds:
            parts = {one.name: one.parts(images[one.name], seed) for one in study.datasets}
            networks = study.networks(parts, out, seed, device)
            rows += segmented_rows(networks, out / "rows")
            judged += judged_rows(networks, out / "rows")
        told = study.told(images, seeds, command, device, time.time() - begun)
        write_report(out, rows, judged, told)
        return out

    def networks(self, parts: dict[str, Parts], out: Path, seed: int, device: str) -> Networks:
        """Those of one seed."""
        datasets = {one.name: one for one in self.datasets}
        return Networks(datasets, parts, out / "networks", seed, self.plan, device)

    def shortened(self) -> "SeveralOrgans":
        """The study in little: few steps, few patients. Its numbers say nothing."""
        plan = replace(self.plan, steps=min(QUICK_STEPS, self.plan.steps), batch=QUICK_BATCH, held_out_batches=2)
        return replace(self, datasets=tuple(few(one) for one in self.datasets), plan=plan)

    def told(
        self, images: dict[str, list[Example]], seeds: Sequence[int], command: str, device: str, seconds: float
    ) -> dict[str, Any]:
        """What a reader must know of the run; `run.json`."""
        plan, on_gpu = self.plan, choose_device(device).type == "cuda"
        tile, channels = " x ".join(map(str, self.datasets[0].grid.tile)), ", ".join(map(str, plan.shape.channels))
        people = {name: len({one.patient for one in found}) for name, found in images.items()}
        return {
            "task": NAME,
            "command": command,
            "seeds": list(seeds),
            "training": f"{plan.steps} steps of {plan.batch} tiles of {tile} voxels for one dataset, "
            f"{plan.steps_for(len(self.datasets))} for all; a U-Net of "
            f"{channels} channels that looks at slices",
            "patients": {name: f"{people[name]} ({len(found)} images)" for name, found in images.items()},
            "notes": [f"{one.name} is {one.organ}" for one in self.datasets],
            "seconds": round(seconds, 1),
            "device": torch.cuda.get_device_name() if on_gpu else f"CPU ({platform.machine()})",
            "versions": {name: version(name) for name in ("segwatch", "torch", "numpy")},
        }
