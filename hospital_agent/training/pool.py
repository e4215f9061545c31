"""A pool of simulated patients on the network's working grid, made once and kept on disk."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from hospital_agent.analysis.imaging.resample import resample
from hospital_agent.analysis.segmentation.bundled import WorkingGrid
from hospital_agent.simulation.hosts import Host
from hospital_agent.simulation.patient import SimulatedPatient, draw_lesion_count, simulate_patient
from hospital_agent.simulation.scanner import draw_scanner

IGNORE = 255


@dataclass(frozen=True, eq=False)
class PoolItem:
    """One simulated patient on the working grid.

    Args:
        image_hu: (Z, Y, X) int16.
        label: (Z, Y, X) uint8: 0, 1 lesion, 255 not known.
        patient: whom the host shows; splits follow this.
    """

    image_hu: NDArray[np.int16]
    label: NDArray[np.uint8]
    patient: str


def on_working_grid(case: SimulatedPatient, grid: WorkingGrid, patient: str) -> PoolItem:
    """Bring a simulated patient to the grid the network sees."""
    spacing = case.volume.spacing_mm
    image = resample(case.volume.array, spacing, grid.spacing_mm)
    label = (resample(case.truth, spacing, grid.spacing_mm) >= 0.5).astype(np.uint8)
    label[(resample(case.ignore, spacing, grid.spacing_mm) >= 0.5) & (label == 0)] = IGNORE
    return PoolItem(np.rint(image).astype(np.int16), label, patient)


def make_pool(
    hosts: Sequence[Host], copies: int, grid: WorkingGrid, seed: int, folder: Path, *, healthy_fraction: float = 0.15
) -> list[PoolItem]:
    """`copies` simulated patients of each host; read from `folder` where an earlier run has made them.

    Each item depends on the seed, its host and its number alone, so that a longer pool begins like a shorter one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    items = []
    work = [(host, copy) for host in hosts for copy in range(copies)]
    for host, copy in tqdm(work, desc="simulating patients", unit="patient"):
        path = folder / f"{host.name}-{seed}-{copy}.npz"
        if not path.exists():
            item = _make_item(host, copy, grid, seed, healthy_fraction)
            np.savez(path, image_hu=item.image_hu, label=item.label)
        with np.load(path) as stored:
            items.append(PoolItem(stored["image_hu"], stored["label"], host.patient))
    return items


def _make_item(host: Host, copy: int, grid: WorkingGrid, seed: int, healthy_fraction: float) -> PoolItem:
    rng = np.random.default_rng([seed, copy, *host.name.encode()])
    scanner = draw_scanner(rng, host.spacing_mm[0])
    count = draw_lesion_count(rng, healthy_fraction)
    return on_working_grid(simulate_patient(host, scanner, rng, lesion_count=count), grid, host.patient)
