"""The networks of one seed: which there are, what each is trained on, and where it lies once it is trained."""

import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hospital_agent.analysis.errors import TooFewCases
from hospital_agent.analysis.imaging.volume import Shape
from hospital_agent.analysis.segmentation.bundled import BundledSegmenter
from hospital_agent.analysis.segmentation.network import choose_device
from hospital_agent.analysis.segmentation.unet import UNet, UNetShape
from hospital_agent.evaluation.cache import fingerprint_of
from hospital_agent.evaluation.several_organs.datasets import Dataset
from hospital_agent.evaluation.tasks import Parts
from hospital_agent.training.fine_tuning import fine_tune
from hospital_agent.training.loop import Checkpoint, LoopPlan, load_best, train
from hospital_agent.training.mixup import ALPHA, mixup_loss
from hospital_agent.training.segmenter import Batch, segmentation_loss
from hospital_agent.training.several_datasets import (
    Item,
    mean_dice_over,
    multi_task_batches,
    single_task_batches,
)

SINGLE, JOINT, JOINT_MIXUP = "single-task", "joint", "joint with mixup"
SINGLE_MIXUP, FINE_TUNED = "single-task with mixup", "fine-tuned"
STRATEGIES = (SINGLE, JOINT, JOINT_MIXUP, SINGLE_MIXUP, FINE_TUNED)
# Of the steps that separate networks take together; the paper's joint training took 9 hours for three datasets, each of
# which alone took 5 (Karimi and Gholipour 2022, IV-A).
JOINT_SHARE = 0.6
DEFINITION = 1  # raised when what is trained changes, so that an old network is never taken for a new one
SHAPE = UNetShape(channels=(8, 16, 32, 64), classes=2, dropout=0.05, depth_kernel=1, depth_stride=1)


@dataclass(frozen=True)
class TrainingPlan:
    """How every network of the study is trained.

    Args:
        shape: of the network.
        steps, batch, learning_rate: of the loop for one dataset; a joint network takes `JOINT_SHARE` of what its
            datasets would take one by one, and fine-tuning as many steps again, at half the rate.
        alpha: of mixup.
        held_out_batches: of each dataset, for choosing a checkpoint.
    """

    shape: UNetShape = SHAPE
    steps: int = 350
    batch: int = 3
    learning_rate: float = 5e-3
    alpha: float = ALPHA
    held_out_batches: int = 8

    def steps_for(self, datasets: int) -> int:
        """Of a network over so many datasets."""
        return self.steps if datasets == 1 else round(JOINT_SHARE * datasets * self.steps)


@dataclass(frozen=True)
class Recipe:
    """What one network is made of.

    Args:
        datasets: names, one or several.
        mixup: whether images are mixed.
        start: the network from which it goes on; None starts afresh.
    """

    datasets: tuple[str, ...]
    mixup: bool = False
    start: "Recipe | None" = None

    @property
    def name(self) -> str:
        """For a folder and a progress bar."""
        own = "+".join(self.datasets) + ("-mixup" if self.mixup else "")
        return own if self.start is None else f"{own}-from-{self.start.name}"


def recipe_of(strategy: str, dataset: str, sizes: Mapping[str, int]) -> Recipe:
    """Which network a strategy uses for a dataset.

    Args:
        sizes: training images of every dataset of the study; fine-tuning starts from the largest other one.

    Raises:
        TooFewCases: fewer than two datasets.
    """
    if len(sizes) < 2:
        raise TooFewCases(f"Multi-task training needs at least two datasets, not {len(sizes)}.")
    largest = max((name for name in sizes if name != dataset), key=lambda name: sizes[name])
    return {
        SINGLE: Recipe((dataset,)),
        JOINT: Recipe(tuple(sizes)),
        JOINT_MIXUP: Recipe(tuple(sizes), mixup=True),
        SINGLE_MIXUP: Recipe((dataset,), mixup=True),
        FINE_TUNED: Recipe((dataset,), start=Recipe((largest,))),
    }[strategy]


def recipe_without(left_out: str, names: Sequence[str]) -> Recipe:
    """The joint network that never saw a dataset.

    Raises:
        TooFewCases: fewer than two datasets are left.
    """
    kept = tuple(name for name in names if name != left_out)
    if len(kept) < 2:
        raise TooFewCases(
            f"Leaving a dataset out needs at least three datasets, so that two are left to train on, not {len(names)}."
        )
    return Recipe(kept)


@dataclass(frozen=True, eq=False)
class Networks:
    """The networks of one seed, each trained once and kept under a name that changes with all it is made of.

    Args:
        datasets, parts: of the study and of this seed, by name.
        folder: where the networks lie.
        seed, plan: of the training.
        device: auto, cpu or cuda.
    """

    datasets: Mapping[str, Dataset]
    parts: Mapping[str, Parts]
    folder: Path
    seed: int
    plan: TrainingPlan
    device: str = "auto"
    _known: dict[Recipe, UNet] = field(default_factory=dict)
    _items: dict[tuple[str, str], list[Item]] = field(default_factory=dict)

    def segmenter(self, recipe: Recipe, dataset: str) -> BundledSegmenter:
        """The network on the grid of a dataset."""
        version = f"{recipe.name}-seed{self.seed}"
        grid = self.datasets[dataset].grid
        return BundledSegmenter(self.network(recipe), grid, version=version, model_hash="0" * 64, device=self.device)

    def network(self, recipe: Recipe) -> UNet:
        """From the folder, or freshly trained into it."""
        if recipe not in self._known:
            self._known[recipe] = self._load_or_train(recipe)
        return self._known[recipe]

    def fingerprint(self, recipe: Recipe) -> str:
        """Changes with everything the network is made of."""
        return fingerprint_of(self._made_of(recipe))

    def _made_of(self, recipe: Recipe) -> list[Any]:
        images = {
            name: [asdict(self.datasets[name].grid), sorted(one.name for one in self.parts[name].train)]
            for name in recipe.datasets
        }
        start = None if recipe.start is None else self._made_of(recipe.start)
        joint = [self.plan.steps_for(len(recipe.datasets))] if len(recipe.datasets) > 1 else []
        return [DEFINITION, self.seed, asdict(self.plan), self._tile, images, recipe.mixup, start, *joint]

    def _load_or_train(self, recipe: Recipe) -> UNet:
        place = self.folder / f"seed{self.seed}-{recipe.name}-{self.fingerprint(recipe)}"
        finished = place / "network.pt"
        torch.manual_seed(self._number(recipe))
        network = UNet(self.plan.shape)
        if finished.exists():
            network.load_state_dict(torch.load(finished, weights_only=True))
        else:
            training = place / recipe.name  # the loop's progress bar is named after its folder
            load_best(network, training, self._train(network, recipe, training))
            network.cpu()
            torch.save(network.state_dict(), place / "network.new")
            (place / "network.new").replace(finished)
            for checkpoint in training.glob("*.pt"):
                checkpoint.unlink()
        return network

    def _train(self, network: UNet, recipe: Recipe, folder: Path) -> list[Checkpoint]:
        network.to(choose_device(self.device))
        plan, number = self.plan, self._number(recipe)
        batches = self._batches([self._items_of(name, "train") for name in recipe.datasets], number)
        held_out = [self._held_out(name) for name in recipe.datasets]
        loss = mixup_loss(np.random.default_rng([number, 2]), plan.alpha) if recipe.mixup else segmentation_loss
        steps = plan.steps_for(len(recipe.datasets))
        told = LoopPlan(steps, plan.learning_rate, validate_every=max(1, steps // 5), keep_best=1)
        validate = mean_dice_over(held_out)
        if recipe.start is None:
            return train(network, batches, loss, validate, told, folder)
        start: Mapping[str, Tensor] = self.network(recipe.start).state_dict()
        return fine_tune(network, start, batches, loss, validate, told, folder)

    def _batches(self, datasets: Sequence[Sequence[Item]], number: int) -> Iterator[Batch]:
        rng = np.random.default_rng([number, 1])
        if len(datasets) == 1:
            return single_task_batches(datasets[0], self._tile, self.plan.batch, rng)
        return multi_task_batches(datasets, self._tile, self.plan.batch, rng)

    def _held_out(self, name: str) -> list[Batch]:
        """The same tiles for every network of the seed."""
        rng = np.random.default_rng([self.seed, zlib.crc32(name.encode())])
        batches = single_task_batches(self._items_of(name, "validation"), self._tile, self.plan.batch, rng)
        return [next(batches) for _ in range(self.plan.held_out_batches)]

    def _items_of(self, name: str, part: str) -> list[Item]:
        if (name, part) not in self._items:
            self._items[name, part] = [self.datasets[name].item(one) for one in getattr(self.parts[name], part)]
        return self._items[name, part]

    @property
    def _tile(self) -> Shape:
        """One for all, so that datasets can be mixed in a batch."""
        return next(iter(self.datasets.values())).grid.tile

    def _number(self, recipe: Recipe) -> int:
        return zlib.crc32(f"{self.seed}/{recipe.name}".encode())
