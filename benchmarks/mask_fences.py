"""Which fences find failed masks: those of each label, of each view, or of the mean over labels.

    python -m benchmarks.mask_fences --data shared/data --out OUT [--task cardiac_mr] [--seeds 0,1,2]

OUT is the folder of a finished `hospital-agent evaluate` of the task: its networks and mask autoencoders are used as
they are. Fences come from the validation images ("validation") or from the very images that are judged ("target", as
the paper has it); judged are the test images as they are and under each shift family at the strength of the refinement
study; the fences never see their truth. Failed is a mean Dice over labels below 0.6. The groupings are compared with
each other, and with eq. 3-4 alone: without the least distance of a pixel's diagonal.
"""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

from hospital_agent.analysis.quality.label_fences import CaseMeasures, Grouping, fence_set
from hospital_agent.analysis.quality.tukey import Source
from hospital_agent.evaluation.networks import FolderExperiment
from hospital_agent.evaluation.refinement.seeds import parts_of
from hospital_agent.evaluation.rows import UNSHIFTED
from hospital_agent.evaluation.tasks import FolderTask, Setting, tasks
from hospital_agent.training.refinement_cases import look

FAILED_BELOW = 0.6
SOURCES: tuple[Source, ...] = ("validation", "target")
GROUPINGS: tuple[Grouping, ...] = ("mean", "view", "label")


@dataclass(frozen=True)
class Judged:
    """A test image: what its reconstruction says, and how good its mask is."""

    measures: CaseMeasures
    shifted: bool
    dice: float | None

    @property
    def failed(self) -> bool:
        """Whether its mask is to be found."""
        return self.dice is not None and self.dice < FAILED_BELOW


GROUPS: tuple[tuple[str, Callable[[Judged], bool]], ...] = (
    ("failed", lambda one: one.failed),
    ("not failed", lambda one: not one.failed),
    ("unshifted", lambda one: not one.shifted),
)


def of_seed(task: FolderTask, setting: Setting, seed: int, strength: int) -> tuple[list[CaseMeasures], list[Judged]]:
    """Validation images, and test images with their Dice."""
    parts = parts_of(FolderExperiment(task, setting, seed), strength)
    network, autoencoder = parts.candidates[0], parts.autoencoder
    known = [look(network, autoencoder, case).measures for case in parts.annotated]
    judged = []
    for case, condition in zip(parts.truths, parts.conditions, strict=True):
        found = look(network, autoencoder, case)
        judged.append(Judged(found.measures, condition.family != UNSHIFTED, found.dice))
    return known, judged


def main() -> None:
    """Print one table over all seeds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--task", default="cardiac_mr")
    parser.add_argument("--seeds", default="0,1,2")
    options = parser.parse_args()
    task = tasks.load("hospital_agent.evaluation.tasks").get(options.task)
    if not isinstance(task, FolderTask) or task.refinement is None:
        raise SystemExit("The task has no refinement study.")
    setting = Setting(options.data, options.out, device="cpu")
    seeds = [of_seed(task, setting, int(seed), task.refinement.strength) for seed in options.seeds.split(",")]
    print(f"{task.name}: flagged among " + ", ".join(name for name, _ in GROUPS))
    for source, by, floor in product(SOURCES, GROUPINGS, (True, False)):
        told = rates(seeds, source, by, floor=floor)
        print(f"{source:10s} {by:5s} {'pixel floor' if floor else 'eq. 3-4':11s} {told}")


def rates(
    seeds: Sequence[tuple[list[CaseMeasures], list[Judged]]], source: Source, by: Grouping, *, floor: bool
) -> str:
    """How many of each group of images are flagged, over all seeds."""
    flagged: list[tuple[Judged, bool]] = []
    for known, judged in seeds:
        of = known if source == "validation" else [one.measures for one in judged]
        fences = fence_set(of if floor else [replace(one, slices=replace(one.slices, pixel_mm=0.0)) for one in of], by)
        flagged += [(one, fences.flags(one.measures)) for one in judged]
    told = []
    for _, belongs in GROUPS:
        found = [beyond for one, beyond in flagged if belongs(one)]
        told.append(f"{sum(found):3d} of {len(found):3d} ({sum(found) / max(len(found), 1):6.1%})")
    return "   ".join(told)


if __name__ == "__main__":
    main()
