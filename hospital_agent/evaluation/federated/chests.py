"""Simulated lesions in chest CT for the study: sites differ by dose, kernel and slices.

Each seed leaves the scans of one real patient out, who is tested beside new analytic chests and the patient whose
licence keeps them out of every training.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from hospital_agent.analysis.imaging.volume import Shape
from hospital_agent.analysis.segmentation.network import WorkingGrid
from hospital_agent.analysis.segmentation.unet import UNetShape
from hospital_agent.evaluation.federated.sites import SitePlan
from hospital_agent.evaluation.rows import Condition
from hospital_agent.evaluation.tasks import Example, Parts, Subject
from hospital_agent.evaluation.tasks.chest_ct import UNKNOWN_TO_ALL, ChestCt, host_example
from hospital_agent.evaluation.tasks.reading import NoImages
from hospital_agent.simulation.hosts import Host, phantom_host
from hospital_agent.training.hosts_on_disk import SHIPPABLE, load_host, shippable_hosts

PATCH = (24, 32, 32)  # in use as in training
GRID = WorkingGrid(spacing_mm=(4.0, 4.0, 4.0), tile=PATCH)
SHAPE = UNetShape(channels=(8, 16, 32), classes=2)
FIRST_PHANTOM = 4000  # no other training or evaluation has used these
CHEST_SITES = (
    SitePlan("large", 8),
    SitePlan("low dose", 4, Condition("dose", 3)),
    SitePlan("sharp kernel", 2, Condition("kernel", 2)),
    SitePlan("small, thick slices", 1, Condition("thickness", 3)),
)
TOLD = (
    "Lesions are inserted into chests, so the truth is exact; each chest is cut to its lungs. Low dose is 2 % of a "
    "usual one, thick slices are 10 mm. {train} analytic chests and three real patients are for training; the fourth "
    "real patient, one whom nobody trains on and {test} other analytic chests are for the test. What looks like a "
    "lesion of a real chest's own is neither learnt from nor scored. Five real patients, with the same lesions in "
    "every seed, are examples and no estimate: the intervals are mostly of analytic chests."
)
ANALYTIC, REAL = "analytic chests", "real chests"
MARGIN_MM = 16.0


@dataclass(frozen=True)
class SimulatedChests:
    """See the module's text.

    Args:
        phantoms, test_phantoms: analytic chests of a seed for training, and for the test; others in every seed.
    """

    phantoms: int = 42
    test_phantoms: int = 8
    name: str = "chest_ct"
    label_names: Sequence[str] = ("lesion",)
    grid: WorkingGrid = GRID
    shape: UNetShape = SHAPE
    patch: Shape = PATCH

    @property
    def told(self) -> str:
        """What a reader must know."""
        return TOLD.format(train=self.phantoms, test=self.test_phantoms)

    def parts(self, data: Path, seed: int) -> Parts:
        """One real patient after the other is left out.

        Raises:
            NoImages: a scan is missing.
        """
        folder = data / "chest_ct"
        missing = [name for name in (*SHIPPABLE, UNKNOWN_TO_ALL) if not (folder / f"{name}.nii.gz").is_file()]
        if missing:
            raise NoImages(f"'{data.resolve().name}/chest_ct' lacks {', '.join(missing)}.")
        patients = sorted(set(SHIPPABLE.values()))
        left_out = patients[seed % len(patients)]
        tested = (left_out, UNKNOWN_TO_ALL)
        real = [host_example(host) for host in _real_hosts(data)]
        count = self.phantoms + self.test_phantoms
        chests = [host_example(around_lungs(phantom_host(FIRST_PHANTOM + count * seed + i))) for i in range(count)]
        return Parts(
            train=[one for one in real if one.patient not in tested] + chests[: self.phantoms],
            validation=[],
            test=[one for one in real if one.patient in tested] + chests[self.phantoms :],
        )

    def under(self, example: Example, scanner: Condition, seed: int) -> Subject:
        """See `Images`; the same lesions under every scanner."""
        return ChestCt().under(example, scanner, seed)

    def fingerprint(self) -> Any:
        """See `Images`."""
        return [ChestCt().fingerprint(), self.phantoms, self.test_phantoms, FIRST_PHANTOM, MARGIN_MM, self.patch]


def kind_of(patient: str) -> str:
    """Whether a patient is real."""
    return ANALYTIC if patient.startswith("phantom") else REAL


@lru_cache(maxsize=1)
def _real_hosts(data: Path) -> list[Host]:
    unknown = load_host(data / "chest_ct" / f"{UNKNOWN_TO_ALL}.nii.gz", UNKNOWN_TO_ALL)
    return [around_lungs(host) for host in (*shippable_hosts(data), unknown)]


def around_lungs(host: Host, margin_mm: float = MARGIN_MM) -> Host:
    """The box of the lungs with a margin on every side, as far as the image goes."""
    inside = []
    for axis, step in enumerate(host.spacing_mm):
        found = np.flatnonzero(host.lungs.any(axis=tuple({0, 1, 2} - {axis})))
        margin = round(margin_mm / step)
        inside.append(slice(max(0, int(found[0]) - margin), int(found[-1]) + margin + 1))
    box = tuple(inside)
    image, lungs, ignore = host.image_hu[box].copy(), host.lungs[box].copy(), host.ignore[box].copy()
    return replace(host, image_hu=image, lungs=lungs, ignore=ignore)
