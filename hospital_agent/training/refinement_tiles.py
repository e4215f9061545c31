"""Tiles of images on a network's working grid, for refining it."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hospital_agent.analysis.imaging.resample import resample
from hospital_agent.analysis.imaging.volume import BoolArray, FloatArray, Shape, Volume
from hospital_agent.analysis.segmentation.network import WorkingGrid
from hospital_agent.training.pool import IGNORE

Labels = NDArray[np.uint8]
Item = tuple[FloatArray, Labels]


def on_working_grid(
    volume: Volume, labels: Labels, grid: WorkingGrid, classes: int, unknown: BoolArray | None = None
) -> Item:
    """The normalised image and labels where the network works; the label with the largest share of a voxel.

    Args:
        unknown: (Z, Y, X) bool on the volume's grid, where nothing is known: 255, unless something is labelled there.
    """
    image = resample(volume.array, volume.spacing_mm, grid.spacing_mm)
    shares = [
        resample((labels == number).astype(np.float32), volume.spacing_mm, grid.spacing_mm) for number in range(classes)
    ]
    found = np.stack(shares).argmax(axis=0).astype(np.uint8)
    if unknown is not None:
        found[(resample(unknown.astype(np.float32), volume.spacing_mm, grid.spacing_mm) >= 0.5) & (found == 0)] = IGNORE
    return grid.normalise(image.astype(np.float32)), found


def tiles_of(
    items: Sequence[Item], grid: WorkingGrid, patch: Shape, rng: np.random.Generator, device: torch.device
) -> tuple[Tensor, Tensor]:
    """(B, 1, *patch) intensities and (B, *patch) labels, each tile around a labelled voxel where there is one."""
    images, labels = zip(*(_tile(*item, grid, patch, rng) for item in items), strict=True)
    return (
        torch.from_numpy(np.stack(images))[:, None].to(device),
        torch.from_numpy(np.stack(labels).astype(np.int64)).to(device),
    )


def _tile(image: FloatArray, labels: Labels, grid: WorkingGrid, patch: Shape, rng: np.random.Generator) -> Item:
    lacking = [max(0, size - length) for size, length in zip(patch, image.shape, strict=True)]
    around = [(n // 2, n - n // 2) for n in lacking]
    image = np.pad(image, around, constant_values=grid.padding(image))
    labels = np.pad(labels, around)
    marked = np.flatnonzero(labels)
    middle = np.array([n // 2 for n in labels.shape])
    if marked.size:
        middle = np.array(np.unravel_index(int(rng.choice(marked)), labels.shape))
    shift = [int(rng.integers(-(size // 4), size // 4 + 1)) for size in patch]
    corner = [
        int(np.clip(m + s - size // 2, 0, length - size))
        for m, s, size, length in zip(middle, shift, patch, labels.shape, strict=True)
    ]
    cut = tuple(slice(start, start + size) for start, size in zip(corner, patch, strict=True))
    return np.ascontiguousarray(image[cut]), np.ascontiguousarray(labels[cut])
