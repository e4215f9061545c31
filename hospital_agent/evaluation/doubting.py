"""The networks of a seed that were trained for doubting: each fine-tuned when its score is first asked for, and kept.

They start from the weights of the first member and leave it as it is. They lie beside it, in folders whose names
change with how they were trained. Outliers are images of other organs that the task names; simulated shifts, on which
the methods are tested, are never among them. Most of a small outlier's tile can lie beyond the image and hold its
darkest value, which is what the network would see of such an image.
"""

import zlib
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from hospital_agent.analysis.errors import NotApplicable
from hospital_agent.analysis.imaging.resample import resample
from hospital_agent.analysis.imaging.volume import Volume
from hospital_agent.analysis.segmentation.base import Segmenter
from hospital_agent.analysis.segmentation.bundled import BundledSegmenter
from hospital_agent.analysis.segmentation.unet import UNet
from hospital_agent.evaluation.cache import fingerprint_of
from hospital_agent.evaluation.companions import (
    MOST_OUTLIERS,
    exposure_plan,
    lee_plan,
    made_by_exposure,
    made_by_lee,
)
from hospital_agent.evaluation.networks import VALIDATION_TILES, network_name, on_grid
from hospital_agent.evaluation.tasks import Example, FolderTask, Setting
from hospital_agent.evaluation.tasks.reading import images_in
from hospital_agent.training.lee_gan import train_lee
from hospital_agent.training.loop import TrainingDiverged
from hospital_agent.training.outlier_exposure import Exposed, expose
from hospital_agent.training.refinement_tiles import Item
from hospital_agent.training.segmenter import Batch
from hospital_agent.training.tiles import endless_tiles

NO_TRAINING = "This task trains no second network, because of its price (its companion_steps is 0)."
NO_OUTLIERS = "This task names no foreign images to train with (its outliers)."
NOT_THERE = "None of the foreign images that this task trains with lie under the data folder."


class DoubtingNetworks:
    """Gives the network of a source, trained now, loaded, or in memory already.

    Args:
        first: the member from whose weights they start.
    """

    def __init__(
        self,
        task: FolderTask,
        setting: Setting,
        seed: int,
        train_on: Sequence[Example],
        validate_on: Sequence[Example],
        first: BundledSegmenter,
    ) -> None:
        self.task, self.setting, self.seed, self.first = task, setting, seed, first
        self.train_on, self.validate_on = train_on, validate_on
        self._known: dict[str, Segmenter | str] = {}

    def __call__(self, source: str) -> Segmenter:
        """The network of "outlier_exposure" or "lee_gan".

        Raises:
            NotApplicable: the task trains none, there are no outliers, or its training diverged; asked again, the
                same is said without trying.
        """
        if source not in self._known:
            try:
                self._known[source] = self._made(source)
            except (NotApplicable, TrainingDiverged) as problem:
                self._known[source] = str(problem)
        known = self._known[source]
        if isinstance(known, str):
            raise NotApplicable(known)
        return known

    def _made(self, source: str) -> Segmenter:
        if not self.task.plan.companion_steps:
            raise NotApplicable(NO_TRAINING)
        name = f"lee-gan-{made_by_lee(self.task, self.seed)}"
        outliers: list[tuple[str, Callable[[], Volume]]] = []
        if source == "outlier_exposure":
            outliers = outliers_of(self.task, self.setting.data)
            of = fingerprint_of([made_by_exposure(self.task), [each for each, _ in outliers]])
            name = f"outlier-exposure-{of}"
        images = sorted(example.name for example in self.train_on)
        networks = self.setting.out / "networks"
        place = networks / network_name(self.task, images, self.seed) / "member0" / name
        network, finished = deepcopy(self.first.network), place / "network.pt"
        assert isinstance(network, UNet)  # noqa: S101 - a folder task trains no other
        if finished.exists():
            network.load_state_dict(torch.load(finished, weights_only=True))
        else:
            self._train(network, source, [reading() for _, reading in outliers], place / "training")
            torch.save(network.state_dict(), finished)
            for checkpoint in (place / "training").glob("*.pt"):
                checkpoint.unlink()
        return BundledSegmenter(network, self.task.grid, version=name, model_hash="0" * 64, device=self.setting.device)

    def _train(self, network: UNet, source: str, outliers: Sequence[Volume], folder: Path) -> None:
        plan, draws = self.task.plan, [np.random.default_rng([self.seed, 7, number]) for number in range(4)]
        fixed = range(max(1, VALIDATION_TILES // plan.batch))
        torch.manual_seed(zlib.crc32(f"{self.task.name}/{self.seed}/{source}".encode()))  # of dropout
        size = plan.patch, plan.batch
        own = endless_tiles([on_grid(example, self.task) for example in self.train_on], *size, draws[0])
        others = endless_tiles([on_grid(example, self.task) for example in self.validate_on], *size, draws[1])
        held_out = [next(others) for _ in fixed]
        if source == "lee_gan":
            train_lee(network, plan.patch, own, held_out, folder, lee_plan(self.task, self.seed))
            return
        items = [foreign_item(volume, self.task) for volume in outliers]
        foreign, held_foreign = (endless_tiles(items, *size, rng) for rng in draws[2:])
        pairs = [(batch, next(held_foreign)[0]) for batch in held_out]
        expose(network, _paired(own, foreign), pairs, folder, exposure_plan(self.task))


def outliers_of(task: FolderTask, data: Path) -> list[tuple[str, Callable[[], Volume]]]:
    """Foreign images of a task by name, a few of each folder; folders that are not there are passed over.

    Raises:
        NotApplicable: the task names none, or none is there.
    """
    if not task.outliers:
        raise NotApplicable(NO_OUTLIERS)
    found = [
        (f"{folder}/{name}", reading)
        for folder in task.outliers
        for name, reading in images_in(data / folder, MOST_OUTLIERS, task.modality)
    ]
    if not found:
        raise NotApplicable(NOT_THERE)
    return found


def foreign_item(volume: Volume, task: FolderTask) -> Item:
    """An outlier as the task's network would see it, with background everywhere for a label, which nobody looks at."""
    image = resample(volume.array, volume.spacing_mm, task.grid.spacing_mm)
    return task.grid.normalise(image.astype(np.float32)), np.zeros(image.shape, dtype=np.uint8)


def _paired(own: Iterator[Batch], foreign: Iterator[Batch]) -> Iterator[Exposed]:
    for batch in own:
        tiles: Tensor = next(foreign)[0]
        yield batch, tiles
