"""Labelled images from two folders of NIfTI files."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np

from hospital_agent.analysis.imaging.volume import Volume
from hospital_agent.errors import MaskGeometryMismatch
from hospital_agent.evaluation.tasks import Example, Labels
from hospital_agent.ingest.geometry import same_place, to_volume_axes
from hospital_agent.ingest.nifti import read_nifti
from shared.errors import MonitoringError

SUFFIX = ".nii.gz"


class NoImages(MonitoringError, FileNotFoundError):
    """A task was asked for whose images are not under the data folder."""


def examples_in(
    images: Path, labels: Path, patient_of: Callable[[str], str], modality: Literal["CT", "MR"]
) -> list[Example]:
    """One example for every image that has a label file of the same name, in order of their names.

    Raises:
        NoImages: there is none.
    """
    names = sorted(path.name for path in images.glob(f"*{SUFFIX}") if (labels / path.name).is_file())
    if not names:
        raise NoImages(f"No pairs of images and labels were found in '{images.parent.name}/{images.name}'.")
    return [_example(images / name, labels / name, patient_of, modality) for name in names]


def _example(image: Path, label: Path, patient_of: Callable[[str], str], modality: Literal["CT", "MR"]) -> Example:
    name = image.name.removesuffix(SUFFIX)
    return Example(patient_of(name), name, lambda: read_labelled(image, label, modality))


def images_in(folder: Path, most: int, modality: Literal["CT", "MR"]) -> list[tuple[str, Callable[[], Volume]]]:
    """Names of images without labels and how to read them: at most so many, spread evenly over the sorted names."""
    paths = sorted(folder.glob(f"*{SUFFIX}"))
    chosen = [paths[i * len(paths) // most] for i in range(most)] if len(paths) > most else paths
    return [(path.name.removesuffix(SUFFIX), partial(read_image, path, modality)) for path in chosen]


def read_image(path: Path, modality: Literal["CT", "MR"]) -> Volume:
    """A volume without labels; raises what `read_nifti` raises."""
    voxels, grid, _ = read_nifti(path)
    x, y, z = grid.in_lps().spacing_mm
    array = np.ascontiguousarray(to_volume_axes(voxels, grid), dtype=np.float32)
    return Volume(array, (z, y, x), modality=modality)


def read_labelled(image: Path, label: Path, modality: Literal["CT", "MR"]) -> tuple[Volume, Labels]:
    """A volume and its labels on one grid.

    Raises:
        MaskGeometryMismatch: they lie on different grids.
        (and what `read_nifti` raises)
    """
    voxels, grid, _ = read_nifti(image)
    marked, label_grid, _ = read_nifti(label)
    if not same_place(label_grid.in_lps(), grid.in_lps()):
        raise MaskGeometryMismatch("The labels lie on another grid than the image.")
    array = np.ascontiguousarray(to_volume_axes(voxels, grid), dtype=np.float32)
    numbers = np.ascontiguousarray(to_volume_axes(marked, label_grid)).astype(np.uint8)
    x, y, z = grid.in_lps().spacing_mm
    return Volume(array, (z, y, x), modality=modality), numbers
