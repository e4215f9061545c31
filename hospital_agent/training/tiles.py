"""Endless batches of random tiles around the labels of images, and a quick Dice on fixed ones."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hospital_agent.analysis.imaging.volume import FloatArray, Shape
from hospital_agent.training.pool import IGNORE
from hospital_agent.training.refinement_tiles import Item, Labels

Positions = NDArray[np.int64]


def endless_tiles(
    items: Sequence[Item], patch: Shape, batch: int, rng: np.random.Generator
) -> Iterator[tuple[Tensor, Tensor]]:
    """Endless batches of random tiles, two of three around a labelled voxel, with mild changes of intensity.

    Yields:
        (B, 1, *patch) intensities and (B, *patch) labels; 255 is not known; beyond the image lies its darkest value,
            and background.
    """
    where = [np.argwhere((labels > 0) & (labels != IGNORE)) for _, labels in items]
    while True:
        tiles = []
        for _ in range(batch):
            chosen = int(rng.integers(len(items)))
            tiles.append(_tile(*items[chosen], where[chosen], patch, rng))
        images, labels = zip(*tiles, strict=True)
        yield torch.from_numpy(np.stack(images))[:, None], torch.from_numpy(np.stack(labels).astype(np.int64))


def _tile(image: FloatArray, labels: Labels, marked: Positions, patch: Shape, rng: np.random.Generator) -> Item:
    if len(marked) and rng.random() < 2 / 3:
        centre = marked[int(rng.integers(len(marked)))] + [int(rng.integers(-(t // 4), t // 4 + 1)) for t in patch]
    else:
        centre = np.array([rng.integers(0, n) for n in image.shape])
    spare = [n - t for n, t in zip(image.shape, patch, strict=True)]
    start = [
        int(np.clip(c - t // 2, min(0, s), max(0, s))) if s > 0 else s // 2
        for c, t, s in zip(centre, patch, spare, strict=True)
    ]
    real = tuple(slice(max(s, 0), min(s + t, n)) for s, t, n in zip(start, patch, image.shape, strict=True))
    inner = tuple(slice(r.start - s, r.stop - s) for r, s in zip(real, start, strict=True))
    tile, marks = np.full(patch, image.min(), dtype=np.float32), np.zeros(patch, dtype=np.uint8)
    tile[inner], marks[inner] = image[real], labels[real]
    scale, shift = np.exp(rng.normal(0, 0.1)), rng.normal(0, 0.1)
    noise = rng.normal(0, 0.05, patch).astype(np.float32) if rng.random() < 0.5 else np.float32(0)
    return (tile * np.float32(scale) + np.float32(shift) + noise).astype(np.float32), marks


def tile_dice(network: nn.Module, batches: Sequence[tuple[Tensor, Tensor]]) -> float:
    """Dice of the foreground over fixed tiles, all known voxels pooled; quick, and only for choosing a checkpoint."""
    device = next(network.parameters()).device
    both = total = 0.0
    with torch.inference_mode():
        for image, labels in batches:
            predicted = network(image.to(device)).max(dim=1).indices.cpu()
            known = labels != IGNORE
            both += float(((predicted == labels) & (labels > 0)).sum())
            total += float(((predicted > 0) & known).sum() + ((labels > 0) & known).sum())
    return 2 * both / total if total else 1.0
