"""Images of the study: whose there are, what a site's scanner makes of them, and the network that learns from them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from hospital_agent.analysis.errors import TooFewCases
from hospital_agent.analysis.imaging.volume import Shape
from hospital_agent.analysis.segmentation.network import WorkingGrid
from hospital_agent.analysis.segmentation.unet import UNetShape
from hospital_agent.evaluation.rows import Condition
from hospital_agent.evaluation.splits import split_patients
from hospital_agent.evaluation.tasks import Example, FolderTask, Parts, Subject, tasks


class Images(Protocol):
    """Images with a reference, and the network that learns from them."""

    @property
    def name(self) -> str:
        """Of the dataset, for tables and files."""
        ...

    @property
    def label_names(self) -> Sequence[str]:
        """Of labels 1, 2, ..."""
        ...

    @property
    def grid(self) -> WorkingGrid:
        """On which the network works."""
        ...

    @property
    def shape(self) -> UNetShape:
        """Of the network."""
        ...

    @property
    def patch(self) -> Shape:
        """Voxels of a training tile, (Z, Y, X)."""
        ...

    def parts(self, data: Path, seed: int) -> Parts:
        """Who trains and who tests; whoever validates is shared out among the sites, too.

        Raises:
            NoImages: there are none under the data folder.
            TooFewCases: too few patients.
        """
        ...

    def under(self, example: Example, scanner: Condition, seed: int) -> Subject:
        """An example as a scanner makes it; the same seed draws the same."""
        ...

    def fingerprint(self) -> Any:
        """Everything that decides on the images and the network, as JSON values."""
        ...


@dataclass(frozen=True)
class FolderImages:
    """Those of a ready task, whose patients are split by the seed.

    Args:
        name: of the task.
    """

    name: str

    @property
    def task(self) -> FolderTask:
        """The task.

        Raises:
            TooFewCases: it has no folder of images that could be shared out.
        """
        task = tasks.load("hospital_agent.evaluation.tasks").get(self.name)
        if not isinstance(task, FolderTask):
            raise TooFewCases(f"'{self.name}' is no task whose images lie in folders.")
        return task

    @property
    def label_names(self) -> Sequence[str]:
        """See `Images`."""
        return self.task.label_names

    @property
    def grid(self) -> WorkingGrid:
        """See `Images`."""
        return self.task.grid

    @property
    def shape(self) -> UNetShape:
        """See `Images`."""
        return self.task.shape

    @property
    def patch(self) -> Shape:
        """See `Images`."""
        return self.task.plan.patch

    def parts(self, data: Path, seed: int) -> Parts:
        """See `Images`; of the test patients as many as the task looks at."""
        task = self.task
        parts = split_patients(task.examples(data), task.split, seed, task.images_per_patient)
        looked_at = sorted({example.patient for example in parts.test})
        most = set(looked_at[: task.looked_at.test] if task.looked_at else looked_at)
        return replace(parts, test=[example for example in parts.test if example.patient in most])

    def under(self, example: Example, scanner: Condition, seed: int) -> Subject:
        """See `Images`."""
        return self.task.under(example, scanner, seed)

    def fingerprint(self) -> Any:
        """See `Images`."""
        return [self.task.fingerprint(), self.patch]
