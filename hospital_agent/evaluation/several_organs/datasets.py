"""The datasets of the study: images of one organ and one modality on a grid of their own, with one foreground label."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from hospital_agent.analysis.imaging.resample import resample
from hospital_agent.analysis.imaging.volume import Shape, Volume
from hospital_agent.analysis.segmentation.network import WorkingGrid
from hospital_agent.evaluation.splits import split_patients
from hospital_agent.evaluation.tasks import Example, FolderTask, Labels, Parts, Split, Subject
from hospital_agent.evaluation.tasks.cardiac_mr import FLAT
from hospital_agent.evaluation.tasks.hippocampus import HIPPOCAMPUS
from hospital_agent.evaluation.tasks.reading import NoImages
from hospital_agent.evaluation.tasks.small_chest_lungs import SMALL_CHEST_LUNGS
from hospital_agent.training.hosts_on_disk import SHIPPABLE, shippable_hosts
from hospital_agent.training.pool import IGNORE, PoolItem, make_pool
from hospital_agent.training.several_datasets import Item

# Of every dataset, in training and in use: slice by slice, and wide enough that most slices fit in one.
TILE: Shape = (1, 96, 96)
LESION_COPIES, SCORED_COPIES, LESION_SEED = 4, 2, 2022


@dataclass(frozen=True)
class Dataset:
    """One dataset.

    Args:
        name: as in the tables.
        organ: what its one foreground label is, in words.
        grid: on which it is segmented, tile included.
        read: every image under a data folder, given a folder to keep what is made of them; labels are 0, 1 the organ,
            255 not known.
        split: patients of each part.
        most_training_patients: the first by name; all when None.
        scored_patients: of validation, whose scores set thresholds; all when None.
        images_per_patient: how many images of a patient are scored; all when None.
    """

    name: str
    organ: str
    grid: WorkingGrid
    read: Callable[[Path, Path], list[Example]]
    split: Split
    most_training_patients: int | None = None
    scored_patients: int | None = None
    images_per_patient: int | None = None

    def parts(self, examples: Sequence[Example], seed: int) -> Parts:
        """The parts of one seed; no patient is in two.

        Raises:
            TooFewCases: no patient would be left to train on.
        """
        parts = split_patients(examples, self.split, seed, self.images_per_patient)
        return replace(parts, train=_of_first(parts.train, self.most_training_patients))

    def scored_validation(self, parts: Parts) -> list[Example]:
        """The validation images whose scores set thresholds; all of them choose checkpoints."""
        return _of_first(parts.validation, self.scored_patients, self.images_per_patient)

    def strangers(self, parts: Parts, most: int) -> list[Example]:
        """Images for a network that never saw the dataset: those of the test first, then whoever is left."""
        told = [*parts.test, *self.scored_validation(parts), *_of_first(parts.train, None, self.images_per_patient)]
        return told[:most]

    def subject(self, example: Example) -> Subject:
        """What a network is shown, and what is true of it."""
        volume, labels = example.content
        unknown = labels == IGNORE
        ignore = unknown if unknown.any() else None
        return Subject(example.patient, example.name, volume, (labels == 1).astype(np.uint8), 1, ignore=ignore)

    def item(self, example: Example) -> Item:
        """The image on the working grid, normalised, for training."""
        volume, labels = example.content
        image = resample(volume.array, volume.spacing_mm, self.grid.spacing_mm)
        organ, unknown = (
            resample((labels == number).astype(np.float32), volume.spacing_mm, self.grid.spacing_mm) >= 0.5
            for number in (1, IGNORE)
        )
        marked = organ.astype(np.uint8)
        marked[unknown & ~organ] = IGNORE
        return Item(self.grid.normalise(image.astype(np.float32)), marked)


def _of_first(examples: Sequence[Example], patients: int | None, images: int | None = None) -> list[Example]:
    """The first images of the first patients by name."""
    kept = sorted({example.patient for example in examples})[:patients]
    return [one for patient in kept for one in [own for own in examples if own.patient == patient][:images]]


def _united(task: FolderTask) -> Callable[[Path, Path], list[Example]]:
    """The images of a task, with one label for all of its organs."""

    def read(data: Path, work: Path) -> list[Example]:  # noqa: ARG001 - nothing is made of them
        return [_with_one_label(example) for example in task.examples(data)]

    return read


def _with_one_label(example: Example) -> Example:
    def content() -> tuple[Volume, Labels]:
        volume, labels = example.read()
        return volume, (labels > 0).astype(np.uint8)

    return Example(example.patient, example.name, content)


def _with_lesions(copies: int) -> Callable[[Path, Path], list[Example]]:
    """Chests with inserted lesions, drawn once and kept in the working folder; on `CHEST_GRID`."""

    def read(data: Path, work: Path) -> list[Example]:
        missing = [name for name in SHIPPABLE if not (data / "chest_ct" / f"{name}.nii.gz").is_file()]
        if missing:
            raise NoImages(f"'{data.name}/chest_ct' lacks {', '.join(missing)}.")
        hosts = shippable_hosts(data)
        pool = make_pool(hosts, copies, CHEST_GRID, LESION_SEED, work / "simulated", healthy_fraction=0.0)
        names = [f"{host.name}-{copy}" for host in hosts for copy in range(copies)]
        return [_simulated(name, item) for name, item in zip(names, pool, strict=True)]

    return read


def _simulated(name: str, item: PoolItem) -> Example:
    def content() -> tuple[Volume, Labels]:
        return Volume(item.image_hu, CHEST_GRID.spacing_mm), item.label

    return Example(item.patient, name, content)


CHEST_GRID = WorkingGrid(spacing_mm=(8.0, 4.0, 4.0), tile=TILE)  # half of the slices: a pass over a chest is dear
CARDIAC = Dataset(
    "cardiac_mr",
    "the heart: both ventricles and the myocardium, in MR",
    replace(FLAT.grid, spacing_mm=(10.0, 4.0, 4.0), tile=TILE),  # the whole heart is wider than its myocardium
    _united(FLAT),
    Split(validation=8, test=10),
    images_per_patient=1,
)
HIPPOCAMPI = Dataset(
    "hippocampus",
    "the hippocampus, in MR",
    replace(HIPPOCAMPUS.grid, spacing_mm=(1.0, 1.0, 1.0), tile=TILE),  # as it is
    _united(HIPPOCAMPUS),
    Split(validation=16, test=20),
    most_training_patients=60,
    scored_patients=8,
)
LUNGS = Dataset(
    "small_chest_lungs",
    "the lungs, in CT",
    replace(SMALL_CHEST_LUNGS.grid, spacing_mm=(10.0, 5.0, 5.0), tile=TILE),
    _united(SMALL_CHEST_LUNGS),
    Split(validation=1, test=1),
)
LESIONS = Dataset(
    "chest_ct",
    "lesions inserted into the lungs, in CT",
    CHEST_GRID,
    _with_lesions(LESION_COPIES),
    Split(validation=1, test=1),
    images_per_patient=SCORED_COPIES,
)
DATASETS = (CARDIAC, HIPPOCAMPI, LUNGS, LESIONS)


def few(dataset: Dataset) -> Dataset:
    """The dataset in little, for trying the way."""
    split = Split(min(2, dataset.split.validation), min(2, dataset.split.test))
    return replace(dataset, split=split, most_training_patients=4, scored_patients=1, images_per_patient=1)
