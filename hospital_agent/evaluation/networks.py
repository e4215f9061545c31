"""The networks of a task: trained once for every seed and member, and kept in the run's folder."""

import zlib
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from hospital_agent.analysis.segmentation.autoencoder import ActivationAutoencoder
from hospital_agent.analysis.segmentation.base import Segmenter
from hospital_agent.analysis.segmentation.bundled import BundledSegmenter
from hospital_agent.analysis.segmentation.network import NetworkSegmenter
from hospital_agent.analysis.segmentation.unet import UNet
from hospital_agent.autoencoder_files import load_autoencoder, save_autoencoder
from hospital_agent.evaluation.cache import fingerprint_of
from hospital_agent.evaluation.companions import activation_plan
from hospital_agent.evaluation.mask_autoencoders import with_reconstruction
from hospital_agent.evaluation.scoring import Scorer, fit_reference
from hospital_agent.evaluation.splits import split_patients
from hospital_agent.evaluation.tasks import Example, FolderTask, Parts, Setting
from hospital_agent.training.autoencoder import train_for
from hospital_agent.training.loop import Checkpoint, LoopPlan, load_best, train
from hospital_agent.training.refinement_tiles import Item, on_working_grid
from hospital_agent.training.segmenter import segmentation_loss
from hospital_agent.training.tiles import endless_tiles, tile_dice

VALIDATION_TILES = 24


class FolderExperiment:
    """One seed of a task whose images lie in folders: split, train, fit the reference; each when first needed."""

    def __init__(self, task: FolderTask, setting: Setting, seed: int) -> None:
        own = task.examples(setting.data)
        parts = split_patients(own, task.split, seed, task.images_per_patient)
        added = [] if setting.test_data is None else _added(task.examples(setting.test_data), own)
        most = sorted({example.patient for example in parts.train})[: task.most_training_patients]
        train = [example for example in parts.train if example.patient in most]
        looked = task.looked_at or task.split
        test = _first_patients(parts.test, looked.test)
        self.parts = Parts(train, _first_patients(parts.validation, looked.validation), [*test, *added])
        self.task, self.setting, self.seed = task, setting, seed
        self.choose_on = parts.validation
        self._scorer: Scorer | None = None

    def _doubting(self, first: BundledSegmenter) -> Callable[[str], Segmenter]:
        from hospital_agent.evaluation.doubting import DoubtingNetworks  # which trains on the tiles of this module

        return DoubtingNetworks(self.task, self.setting, self.seed, self.parts.train, self.choose_on, first)

    def scorer(self, _example: Example) -> Scorer:
        """The same for every image of the seed."""
        if self._scorer is None:
            members = [self._member(number) for number in range(self.task.members)]
            if self.task.plan.autoencoder_steps:
                members[0].attach(self._autoencoder(members[0]))
            place = self.setting.out / "networks"
            first = with_reconstruction(members[0], self.task, self.parts.train, place, self.seed)
            bar = tqdm(self.parts.train, desc=f"seed {self.seed}: reference", unit="image", mininterval=5)
            reference = fit_reference((one.patient, first.segment(one.content[0])) for one in bar)
            self._scorer = Scorer(
                self.task.name, [first, *members[1:]], reference, self.seed, self._doubting(members[0])
            )
        return self._scorer

    def cache_name(self, _example: Example) -> str:
        """By seed."""
        return f"seed{self.seed}"

    def _member(self, number: int) -> BundledSegmenter:
        return trained_segmenter(
            self.task,
            self.parts.train,
            self.choose_on,
            self.setting.out / "networks",
            seed=self.seed,
            member=number,
            device=self.setting.device,
        )

    def _autoencoder(self, member: NetworkSegmenter) -> ActivationAutoencoder:
        networks = self.setting.out / "networks"
        return trained_autoencoder(self.task, member, self.parts.train, self.choose_on, networks, seed=self.seed)


def _first_patients(examples: Sequence[Example], most: int) -> list[Example]:
    """The images of the first patients by name."""
    kept = set(sorted({example.patient for example in examples})[:most])
    return [example for example in examples if example.patient in kept]


def _added(examples: Sequence[Example], own: Sequence[Example]) -> list[Example]:
    """Images for testing only; a patient of the same name as one of ours is taken for the same person, and left out."""
    ours = {example.patient for example in own}
    return [example for example in examples if example.patient not in ours]


def trained_segmenter(
    task: FolderTask,
    train_on: Sequence[Example],
    validate_on: Sequence[Example],
    folder: Path,
    *,
    seed: int,
    member: int,
    device: str = "auto",
) -> BundledSegmenter:
    """The network of one seed and one ensemble member, from the folder or freshly trained into it.

    It lies under a name that changes with everything it was made from, so that a quick run's networks are never taken
    for those of a whole one.
    """
    images = sorted(example.name for example in train_on)
    place = folder / network_name(task, images, seed) / f"member{member}"
    finished = place / "network.pt"
    start = zlib.crc32(f"{task.name}/{seed}/{member}".encode())
    torch.manual_seed(start)
    network = UNet(task.shape)
    if finished.exists():
        network.load_state_dict(torch.load(finished, weights_only=True))
    else:
        best = train_member(network, task, train_on, validate_on, place, start, device)
        load_best(network, place / "training", best)
        torch.save(network.state_dict(), finished)
        for checkpoint in (place / "training").glob("*.pt"):
            checkpoint.unlink()
    return BundledSegmenter(
        network.cpu(), task.grid, version=f"{task.name}-seed{seed}-member{member}", model_hash="0" * 64, device=device
    )


def network_name(task: FolderTask, images: Sequence[str], seed: int) -> str:
    """Under which name the networks of a seed lie, which were trained on these images."""
    made_of = [asdict(task.grid), asdict(task.shape), task.plan.of_network(), list(images)]
    return f"seed{seed}-{fingerprint_of(made_of)}"


def trained_autoencoder(
    task: FolderTask,
    segmenter: NetworkSegmenter,
    train_on: Sequence[Example],
    validate_on: Sequence[Example],
    networks: Path,
    *,
    seed: int,
) -> ActivationAutoencoder:
    """The activation autoencoder of a seed's first member, from its folder or freshly trained into it.

    It lies beside the network's weights, in a folder whose name changes with how it was trained.
    """
    plan = activation_plan(task, seed)
    images = sorted(example.name for example in train_on)
    place = networks / network_name(task, images, seed) / "member0" / f"autoencoder-{fingerprint_of(asdict(plan))}"
    if not (place / "autoencoder.json").exists():
        learnt, held_out = (
            [segmenter.working_image(one.content[0]) for one in part] for part in (train_on, validate_on)
        )
        made = train_for(segmenter, learnt, held_out, place / "training", plan)
        save_autoencoder(place, made, **asdict(plan))
        for checkpoint in (place / "training").glob("*.pt"):
            checkpoint.unlink()
    return load_autoencoder(place)


def train_member(
    network: UNet,
    task: FolderTask,
    train_on: Sequence[Example],
    validate_on: Sequence[Example],
    place: Path,
    start: int,
    device: str,
    keep_best: int = 1,
) -> list[Checkpoint]:
    """Train a network of a task in `place`, or take up the run that lies there; returns the best checkpoints."""
    where = BundledSegmenter(network, task.grid, version="training", model_hash="0" * 64, device=device).device
    network.to(where)
    items = [on_grid(example, task) for example in train_on]
    held_out = endless_tiles(
        [on_grid(example, task) for example in validate_on], task.plan.patch, task.plan.batch,
        np.random.default_rng(start + 1),
    )  # fmt: skip
    fixed = [next(held_out) for _ in range(max(1, VALIDATION_TILES // task.plan.batch))]
    batches = endless_tiles(items, task.plan.patch, task.plan.batch, np.random.default_rng(start))
    steps = task.plan.steps
    plan = LoopPlan(steps, task.plan.learning_rate, validate_every=max(1, steps // 5), keep_best=keep_best)
    return train(network, batches, segmentation_loss, lambda net: tile_dice(net, fixed), plan, place / "training")


def on_grid(example: Example, task: FolderTask) -> Item:
    """The normalised image and its labels on the working grid."""
    volume, labels = example.content
    return on_working_grid(volume, labels, task.grid, len(task.label_names) + 1)
