"""Segmentations made of given tiles: their features, their place and their weight are the test's own."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hospital_agent.analysis.segmentation.base import LayerSummary, PatchFeatures, Reconstruction, Segmentation
from hospital_agent.analysis.segmentation.distortion import distortion_of, squared_difference
from hospital_agent.analysis.segmentation.reconstruction import compare

Shape = tuple[int, int, int]


def starts_of(shape: Shape, tile: Shape) -> NDArray[np.int64]:
    """Evenly spaced tiles that overlap by half or more; centred, so negative, where the volume is smaller."""
    along = []
    for length, size in zip(shape, tile, strict=True):
        steps = max(int(np.ceil((length - size) / (size / 2))), 0)
        along.append([-((size - length) // 2)] if steps == 0 else np.linspace(0, length - size, steps + 1).astype(int))
    return np.array(list(product(*along)), dtype=np.int64)


def gaussian_importance(tile: Shape) -> NDArray[np.float32]:
    """1 at the centre, falling off, never 0."""
    axes = [np.exp(-0.5 * ((np.arange(n) - n // 2) / (n / 8)) ** 2) for n in tile]
    return np.maximum(np.einsum("z,y,x->zyx", *axes), 1e-6).astype(np.float32)


def segmentation_of(
    probability: NDArray[np.float32] | None,
    features: NDArray[np.floating] | None = None,
    tile: Shape = (8, 8, 8),
    importance: NDArray[np.float32] | None = None,
    spacing_mm: tuple[float, float, float] = (2.0, 2.0, 2.0),
) -> Segmentation:
    """A segmentation whose mask lies on the working grid; `features` has one row a tile of `starts_of`."""
    mask = np.zeros((4, 4, 4), dtype=bool) if probability is None else probability > 0.5
    patches = None
    if features is not None and probability is not None:
        shape: Shape = probability.shape  # type: ignore[assignment]
        patches = PatchFeatures(
            features=np.asarray(features, dtype=np.float32),
            starts=starts_of(shape, tile),
            tile_shape=tile,
            importance=gaussian_importance(tile) if importance is None else importance,
            layer="encoder.bottleneck",
        )
    return Segmentation(
        mask=mask,
        probability=probability,
        working_spacing_mm=None if probability is None else spacing_mm,
        patches=patches,
        backend="test",
        model_version="0",
        model_hash="none",
        device="cpu",
        passes=1,
    )


def distorted_segmentation(
    segmentation: Segmentation,
    plain: NDArray[np.floating],
    distorted: NDArray[np.floating],
    latents: NDArray[np.floating] | None = None,
) -> Segmentation:
    """The segmentation as if it had been made with an autoencoder, from both softmax maps (C, Z, Y, X) of its network.

    Args:
        latents: (P, L), one row a tile; zeros when not given.
    """
    before, after = np.asarray(plain, dtype=np.float32), np.asarray(distorted, dtype=np.float32)
    tiles = 1 if segmentation.patches is None else len(segmentation.patches.starts)
    vectors = np.zeros((tiles, 2)) if latents is None else latents
    spacing_mm = segmentation.working_spacing_mm or (2.0, 2.0, 2.0)
    foreground = before.argmax(axis=0) > 0
    told = distortion_of(squared_difference(before, after), foreground, spacing_mm, vectors.astype(np.float32))
    return replace(segmentation, distortion=told)


def layer_of(
    positions: NDArray[np.floating], predicted: NDArray[np.integer] | None = None, classes: int = 2
) -> LayerSummary:
    """The summary of a layer from its positions (V, C) and the class predicted at each (background when not given)."""
    rows = np.asarray(positions, dtype=np.float64)
    of_class = np.zeros(len(rows), dtype=np.int64) if predicted is None else np.asarray(predicted)
    counts = np.bincount(of_class, minlength=classes)
    means = np.full((classes, rows.shape[1]), np.nan)
    for number in np.flatnonzero(counts):
        means[number] = rows[of_class == number].mean(axis=0)
    return LayerSummary(rows.mean(axis=0), rows.T @ rows, len(rows), means, counts)


def multi_class(
    class_probabilities: NDArray[np.floating],
    layers: Mapping[str, LayerSummary] | None = None,
    spacing_mm: tuple[float, float, float] = (2.0, 2.0, 2.0),
    **changes: Any,
) -> Segmentation:
    """A segmentation on its working grid, from the softmax (C, Z, Y, X) of all classes, background first."""
    softmax = np.asarray(class_probabilities, dtype=np.float32)
    labels = softmax.argmax(axis=0).astype(np.uint8)
    plain = segmentation_of(1 - softmax[0], spacing_mm=spacing_mm)
    told = {"mask": labels > 0, "labels": labels, "class_probabilities": softmax, "layers": layers or {}, **changes}
    return replace(plain, **told)


def reconstruction_of(rng: np.random.Generator, away: float, labels: int = 3) -> Reconstruction:
    """Boxes, one a label, that come back as they are but for a few voxels; on its way elsewhere each grows an arm."""
    plausible = np.zeros((4 * labels, 8, 24), dtype=np.uint8)
    for label in range(1, labels + 1):
        plausible[4 * label - 4 : 4 * label - 1, 1:6, 1:7] = label
    found = plausible.copy()
    found[(rng.random(found.shape) < 0.03) & (plausible > 0)] = 0
    for label in range(1, labels + 1):
        found[4 * label - 4 : 4 * label - 1, 1:6, 7 : 7 + round(16 * away)] = label
    return compare(found, plausible, (2.0, 2.0, 2.0), labels)
