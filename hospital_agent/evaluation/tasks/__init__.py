"""Tasks: images with reference labels, the network that segments them, and what is done to them. One task a file.

A task says where its images lie under a data folder, which of them show one patient, on which grid and with which
network they are segmented, and under which conditions they are tested.
"""

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from hospital_agent.analysis.imaging.volume import BoolArray, Shape, Volume
from hospital_agent.analysis.segmentation.base import Segmentation
from hospital_agent.analysis.segmentation.network import WorkingGrid
from hospital_agent.analysis.segmentation.unet import UNetShape
from hospital_agent.evaluation.rows import Condition
from hospital_agent.simulation import shifts
from hospital_agent.simulation.patient import cleared
from shared.registry import Registry

Labels = NDArray[np.uint8]
MR_SHIFTS = (
    "bias_field",
    "ghosting_and_motion",
    "spikes",
    "blur_and_low_resolution",
    "contrast_and_noise",
    "crop_and_missing_slices",
)
STRENGTHS = (1, 2, 3)


@dataclass(frozen=True, eq=False)
class Example:
    """One image with its reference, read when it is first looked at.

    Args:
        patient: whom it shows; no patient is in two splits.
        name: of the image, unique in its task.
        read: the volume and its labels, (Z, Y, X) uint8 on the same grid, 0 is background.
    """

    patient: str
    name: str
    read: Callable[[], tuple[Volume, Labels]]

    @cached_property
    def content(self) -> tuple[Volume, Labels]:
        """Volume and labels."""
        return self.read()


@dataclass(frozen=True, eq=False)
class Subject:
    """An example under a condition: what a network is shown, and what is true of it.

    Args:
        patient, name: of the example.
        labels: (Z, Y, X) uint8 on the volume's grid.
        label_count: how many labels the task has, background not counted.
        lungs: (Z, Y, X) bool where the task has them.
        ignore: (Z, Y, X) bool, where nothing is known; nothing is scored there.
    """

    patient: str
    name: str
    volume: Volume
    labels: Labels
    label_count: int
    lungs: BoolArray | None = None
    ignore: BoolArray | None = None

    def only_where_known(self, found: Segmentation) -> Segmentation:
        """A segmentation that says nothing where nothing is known."""
        return found if self.ignore is None else cleared(found, self.ignore, self.volume)


@dataclass(frozen=True)
class TrainingPlan:
    """How the network of a task is trained.

    Args:
        patch: voxels of a training tile, (Z, Y, X).
        steps, batch, learning_rate: of the loop.
    """

    patch: Shape
    steps: int
    batch: int
    learning_rate: float = 3e-3


@dataclass(frozen=True)
class Split:
    """How many patients of a task go where; the rest trains.

    Args:
        validation, test: patients of each.
    """

    validation: int
    test: int


class Task(Protocol):
    """What an evaluation needs to know of a task."""

    name: str
    label_names: Sequence[str]  # of labels 1, 2, ...
    grid: WorkingGrid
    shape: UNetShape
    plan: TrainingPlan
    split: Split
    members: int  # of the deep ensemble; 1 where none is trained
    images_per_patient: int | None  # in the test; all when None

    def examples(self, data: Path) -> list[Example]:
        """All images of the task under the data folder.

        Raises:
            NoImages: there are none.
        """
        ...

    def conditions(self) -> tuple[Condition, ...]:
        """Under which conditions validation and test images are segmented; the first is the image as it is."""
        ...

    def under(self, example: Example, condition: Condition, seed: int) -> Subject:
        """The example under a condition; the same seed draws the same."""
        ...


@dataclass(frozen=True)
class FolderTask:
    """A task whose images and labels lie in two folders under the same names, and whose shifts are simulated.

    Args:
        name, label_names, grid, shape, plan, split, members: as in `Task`.
        images, labels: folders under the data folder.
        patient_of: from the name of an image to its patient.
        families: the shift families.
        strengths: 1 (mild) to 3 (severe).
        modality: "CT" or "MR".
        images_per_patient: how many of a patient's images are tested on; all when None.
    """

    name: str
    label_names: Sequence[str]
    grid: WorkingGrid
    shape: UNetShape
    plan: TrainingPlan
    split: Split
    images: str
    labels: str
    patient_of: Callable[[str], str]
    families: Sequence[str] = MR_SHIFTS
    members: int = 5
    strengths: Sequence[int] = STRENGTHS
    modality: Literal["CT", "MR"] = "MR"
    images_per_patient: int | None = None

    def examples(self, data: Path) -> list[Example]:
        """One a file; see `Task.examples`."""
        from hospital_agent.evaluation.tasks.reading import examples_in

        return examples_in(data / self.images, data / self.labels, self.patient_of, self.modality)

    def conditions(self) -> tuple[Condition, ...]:
        """As they are, and every family at every strength."""
        shifted = (Condition(family, strength) for family in self.families for strength in self.strengths)
        return (Condition(), *shifted)

    def under(self, example: Example, condition: Condition, seed: int) -> Subject:
        """The example, shifted unless the condition is the image as it is."""
        volume, labels = example.content
        if condition != Condition():
            rng = np.random.default_rng(
                [seed, zlib.crc32(example.name.encode()), zlib.crc32(condition.family.encode()), condition.strength]
            )
            volume = shifts.apply(shifts.choose(condition.family, condition.strength, rng), volume)
        return Subject(example.patient, example.name, volume, labels, len(self.label_names))


tasks: Registry[Task] = Registry("task")
