"""Tasks: images with reference labels, the network that segments them, and what is done to them. One task a file.

A task says where its images lie under a data folder, which of them show one patient, on which grid and with which
network they are segmented, and under which conditions they are tested.
"""

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

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

if TYPE_CHECKING:
    from hospital_agent.evaluation.scoring import Scorer

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
        autoencoder_steps: of the activation autoencoder of the first member, which changes neither network nor mask;
            0 trains none.
        companion_steps: of the networks that doubt beside the first member (outlier exposure, Lee's GAN), which start
            from its weights and leave it as it is; 0 trains none.
    """

    patch: Shape
    steps: int
    batch: int
    learning_rate: float = 3e-3
    autoencoder_steps: int = 0
    companion_steps: int = 0

    def of_network(self) -> dict[str, Any]:
        """What the network depends on, as JSON values: with or without companions it is the same network."""
        beside = ("autoencoder_steps", "companion_steps")
        return {name: value for name, value in asdict(self).items() if name not in beside}


@dataclass(frozen=True)
class Split:
    """How many patients of a task go where; the rest trains.

    Args:
        validation, test: patients of each.
    """

    validation: int
    test: int


@dataclass(frozen=True)
class RefinementStudy:
    """How refinement on a task's test images is studied.

    Args:
        strength: of the shifts, each family once.
        epochs: at most.
    """

    strength: int = 2
    epochs: int = 5


@dataclass(frozen=True)
class Parts:
    """The images of each part; no patient is in two."""

    train: Sequence[Example]
    validation: Sequence[Example]
    test: Sequence[Example]


@dataclass(frozen=True)
class Setting:
    """Where an evaluation runs.

    Args:
        data: folder laid out as the development data.
        out: where networks and rows are kept.
        test_data: another such folder, whose images are used for testing only; None for none.
        networks: a folder that `make train` left, for the task that takes its networks from there; None trains anew.
        device: auto, cpu or cuda.
    """

    data: Path
    out: Path
    test_data: Path | None = None
    networks: Path | None = None
    device: str = "auto"


class Experiment(Protocol):
    """One seed of a task: who is in which part, and what scores whom."""

    parts: Parts

    def scorer(self, example: Example) -> "Scorer":
        """What scores an example: networks that never saw its patient. Trained or loaded when first asked for."""
        ...

    def cache_name(self, example: Example) -> str:
        """Under which name its rows are kept; the same name means the same scorer."""
        ...


class Task(Protocol):
    """What an evaluation needs to know of a task."""

    @property
    def name(self) -> str:
        """As registered."""
        ...

    @property
    def label_names(self) -> Sequence[str]:
        """Of labels 1, 2, ..."""
        ...

    @property
    def members(self) -> int:
        """Of the deep ensemble; 1 where none is trained."""
        ...

    @property
    def training(self) -> str:
        """How its networks are trained, for the report."""
        ...

    @property
    def several_passes(self) -> bool:
        """Whether methods of more than one pass can be afforded."""
        ...

    def conditions(self, example: Example) -> tuple[Condition, ...]:
        """Under which conditions a validation or test image is segmented; usually first as it is."""
        ...

    def under(self, example: Example, condition: Condition, seed: int) -> Subject:
        """The example under a condition; the same seed draws the same."""
        ...

    def experiment(self, setting: Setting, seed: int) -> Experiment:
        """The experiment of one seed.

        Raises:
            NoImages, TooFewCases: there is nothing to evaluate, or not enough of it.
        """
        ...

    def companions(self) -> Mapping[str, str]:
        """What stands for how each autoencoder or network beside the network is trained, by name; empty without any."""
        ...

    def fingerprint(self) -> Any:
        """Everything that decides on what and how its images are scored, as JSON values; not which scores there are."""
        ...


@dataclass(frozen=True)
class FolderTask:
    """A task whose images and labels lie in two folders under the same names, and whose shifts are simulated.

    Args:
        name, label_names, members: as in `Task`.
        grid, shape, plan, split: of the network, its training, and the parts.
        images, labels: folders under the data folder.
        patient_of: from the name of an image to its patient.
        families: the shift families.
        strengths: 1 (mild) to 3 (severe).
        modality: "CT" or "MR".
        images_per_patient: how many of a patient's images are tested on; all when None.
        several_passes: as in `Task`.
        most_training_patients: the first by name; all when None.
        looked_at: how many patients of each part are scored, the first by name, where time allows no more; all when
            None. The others are neither trained on nor scored.
        refinement: how refinement on flagged images is studied beside the methods; None leaves that out.
        outliers: folders of foreign images under the data folder, which outlier exposure trains with; no task's test
            images, and no simulated shift.
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
    several_passes: bool = True
    most_training_patients: int | None = None
    looked_at: Split | None = None
    refinement: RefinementStudy | None = None
    outliers: Sequence[str] = ()

    @property
    def training(self) -> str:
        """Steps, tiles and channels."""
        channels = ", ".join(map(str, self.shape.channels))
        tile = " x ".join(map(str, self.plan.patch))
        return f"{self.plan.steps} steps of {self.plan.batch} tiles of {tile} voxels; a U-Net of {channels} channels"

    def examples(self, data: Path) -> list[Example]:
        """One a file.

        Raises:
            NoImages: there are none.
        """
        from hospital_agent.evaluation.tasks.reading import examples_in

        return examples_in(data / self.images, data / self.labels, self.patient_of, self.modality)

    def conditions(self, example: Example) -> tuple[Condition, ...]:  # noqa: ARG002 - the same for every image here
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

    def experiment(self, setting: Setting, seed: int) -> Experiment:
        """A split of the patients, with networks trained on its training part."""
        from hospital_agent.evaluation.networks import FolderExperiment

        return FolderExperiment(self, setting, seed)

    def companions(self) -> Mapping[str, str]:
        """The mask autoencoder, and where they are trained the activation autoencoder and the doubting networks."""
        from hospital_agent.evaluation.companions import companions_of

        return companions_of(self)

    def fingerprint(self) -> Any:
        """Grid, network, plan and sizes, and what some draws of each shift are: they change with its definition."""
        draws = [
            shifts.choose(family, strength, np.random.default_rng(number)).to_json()
            for family in self.families
            for strength in self.strengths
            for number in range(4)
        ]
        network = [asdict(self.grid), asdict(self.shape), self.plan.of_network(), asdict(self.split)]
        return [self.name, *network, self.most_training_patients, draws]


tasks: Registry[Task] = Registry("task")
