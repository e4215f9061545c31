"""Training the lung-lesion U-Net on simulated patients."""

from collections.abc import Iterator, Sequence
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from hospital_agent.analysis.imaging.volume import Shape
from hospital_agent.analysis.segmentation.bundled import WorkingGrid
from hospital_agent.training.pool import IGNORE, PoolItem

Batch = tuple[Tensor, Tensor]
SMOOTH_VOXELS = 20.0  # added above and below the fraction: an empty tile has a Dice too


def random_patches(
    items: Sequence[PoolItem],
    grid: WorkingGrid,
    patch: Shape,
    batch: int,
    rng: np.random.Generator,
    weights: Sequence[float] | None = None,
) -> Iterator[Batch]:
    """Endless batches of random tiles, half of them centred on a lesion, mirrored left to right at random.

    Args:
        weights: how often each item is drawn; equal by default.

    Yields:
        (B, 1, *patch) normalised intensities and (B, *patch) labels; 255 is not known.
    """
    share = np.asarray(weights if weights is not None else np.ones(len(items)), dtype=np.float64)
    share = share / share.sum()
    while True:
        tiles = [random_tile(items[int(rng.choice(len(items), p=share))], grid, patch, rng) for _ in range(batch)]
        images, labels = zip(*tiles, strict=True)
        yield torch.from_numpy(np.stack(images))[:, None], torch.from_numpy(np.stack(labels))


def random_tile(
    item: PoolItem, grid: WorkingGrid, patch: Shape, rng: np.random.Generator
) -> tuple["np.ndarray[tuple[int, ...], np.dtype[np.float32]]", "np.ndarray[tuple[int, ...], np.dtype[np.int64]]"]:
    """One tile of an item; beyond the volume lies air."""
    lesion = np.flatnonzero(item.label == 1)
    if len(lesion) and rng.random() < 0.5:
        shift = [int(rng.integers(-(t // 3), t // 3 + 1)) for t in patch]
        centre = np.asarray(np.unravel_index(int(rng.choice(lesion)), item.label.shape)) + shift
    else:
        centre = np.asarray([rng.integers(0, n) for n in item.label.shape])
    image = np.full(patch, -1.0, dtype=np.float32)
    label = np.zeros(patch, dtype=np.int64)
    limits = [max(n - t, 0) for n, t in zip(item.label.shape, patch, strict=True)]
    start = [int(np.clip(c - t // 2, 0, limit)) for c, t, limit in zip(centre, patch, limits, strict=True)]
    source = tuple(slice(s, min(s + t, n)) for s, t, n in zip(start, patch, item.label.shape, strict=True))
    target = tuple(slice(0, part.stop - part.start) for part in source)
    jitter = np.float32(rng.normal(0.0, 10.0))
    image[target] = grid.normalise(item.image_hu[source].astype(np.float32) + jitter)
    label[target] = item.label[source]
    if rng.random() < 0.5:
        image, label = image[..., ::-1], label[..., ::-1]
    return np.ascontiguousarray(image), np.ascontiguousarray(label)


def segmentation_loss(network: nn.Module, batch: object) -> Tensor:
    """Cross-entropy plus soft Dice, averaged over the classes beside background, over the voxels that are known."""
    images, labels = cast(Batch, batch)
    device = next(network.parameters()).device
    return loss_of_logits(network(images.to(device)), labels.to(device))


def loss_of_logits(logits: Tensor, labels: Tensor) -> Tensor:
    """The same of (B, C, *patch) logits and (B, *patch) labels."""
    logits = logits.float()
    entropy = nn.functional.cross_entropy(logits, labels, ignore_index=IGNORE)
    known = labels != IGNORE
    axes = (0, *range(2, logits.ndim))
    predicted = (torch.softmax(logits, dim=1) * known[:, None])[:, 1:]
    truth = torch.stack([labels == number for number in range(1, logits.shape[1])], dim=1).float()
    overlap, sizes = (predicted * truth).sum(dim=axes), predicted.sum(dim=axes) + truth.sum(dim=axes)
    dice = (2.0 * overlap + SMOOTH_VOXELS) / (sizes + SMOOTH_VOXELS)
    loss: Tensor = entropy + 1.0 - dice.mean()
    return loss


class PatchValidation:
    """Dice over fixed tiles of held-out simulated patients, all voxels pooled; quick, and only for choosing."""

    def __init__(self, items: Sequence[PoolItem], grid: WorkingGrid, patch: Shape, tiles: int, seed: int) -> None:
        rng = np.random.default_rng(seed)
        stream = random_patches(items, grid, patch, 1, rng)
        self.tiles = [next(stream) for _ in range(tiles)]

    def __call__(self, network: nn.Module) -> float:
        device = next(network.parameters()).device
        both = total = 0.0
        with torch.inference_mode():
            for image, label in self.tiles:
                lesion = network(image.to(device)).max(dim=1).indices.cpu() == 1
                lesion &= label != IGNORE
                both += float((lesion & (label == 1)).sum())
                total += float(lesion.sum() + (label == 1).sum())
        return 2.0 * both / total if total else 1.0
