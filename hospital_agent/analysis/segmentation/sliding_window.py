"""Run a network over a volume in overlapping tiles, blend its probabilities, and keep the features of each tile."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import product

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor, nn

from hospital_agent.analysis.imaging.volume import FloatArray, Shape
from hospital_agent.analysis.ood.pooling import pool_patch
from hospital_agent.analysis.ood.tiles import overlap
from hospital_agent.analysis.segmentation.base import PatchFeatures

OVERLAP = 0.5


@dataclass
class FeatureTap:
    """Collects the pooled output of one layer, one row a tile, while the network runs over the tiles."""

    rows: list[FloatArray] = field(default_factory=list)

    def __call__(self, _module: nn.Module, _inputs: object, output: Tensor) -> None:
        for activation in output.detach().float().cpu().numpy():
            self.rows.append(pool_patch(activation).reshape(-1))


@contextmanager
def tapped(layer: nn.Module) -> Iterator[FeatureTap]:
    """Hook a layer for as long as the block lasts; the network itself is not changed."""
    tap = FeatureTap()
    handle = layer.register_forward_hook(tap)
    try:
        yield tap
    finally:
        handle.remove()


def importance_map(tile: Shape) -> FloatArray:
    """Weights with which a tile enters the blend: a Gaussian of an eighth of the tile, 1 at the centre, never 0.

    Source: nnU-Net (Isensee et al. 2021); zeros become the smallest positive weight, so that every voxel counts.
    """
    peak = np.zeros(tile, dtype=np.float64)
    peak[tuple(n // 2 for n in tile)] = 1.0
    weights = ndimage.gaussian_filter(peak, [n / 8.0 for n in tile], mode="constant")
    weights /= weights.max()
    smallest = weights[weights > 1e-6].min()
    clipped: FloatArray = np.maximum(weights, smallest).astype(np.float32)
    return clipped


def tile_starts(length: int, tile: int) -> list[int]:
    """First voxels of evenly spaced tiles along one axis that overlap by at least half; negative where padded.

    Example:
        >>> tile_starts(120, 80), tile_starts(200, 80), tile_starts(60, 80)
        ([0, 40], [0, 40, 80, 120], [-10])
    """
    if length <= tile:
        return [-((tile - length) // 2)]
    steps = int(np.ceil((length - tile) / (tile * OVERLAP)))
    return [round((length - tile) * i / steps) for i in range(steps + 1)]


def sliding_window(
    network: nn.Module,
    layer: nn.Module,
    layer_name: str,
    image: FloatArray,
    tile: Shape,
    device: torch.device,
    padding: float,
) -> tuple[FloatArray, PatchFeatures]:
    """One pass of the network over an image.

    Args:
        network: (B, 1, *tile) -> (B, classes, *tile) logits; class 0 is background.
        layer: the layer whose output becomes the patch features.
        image: (Z, Y, X) normalised intensities on the working grid.
        padding: value around an image that is smaller than a tile.

    Returns:
        Foreground probability (Z, Y, X) on the same grid, and the features of the tiles.
    """
    starts = np.array(list(product(*map(tile_starts, image.shape, tile))), dtype=np.int64)
    weights = importance_map(tile)
    weighted = np.zeros(image.shape, dtype=np.float32)
    total = np.zeros(image.shape, dtype=np.float32)
    with torch.inference_mode(), tapped(layer) as tap:
        for start in starts:
            real, inner = overlap(start, tile, image.shape)
            patch = np.full(tile, padding, dtype=np.float32)
            patch[inner] = image[real]
            logits = network(torch.from_numpy(patch)[None, None].to(device))
            foreground = 1.0 - torch.softmax(logits.float(), dim=1)[0, 0].cpu().numpy()
            weighted[real] += foreground[inner] * weights[inner]
            total[real] += weights[inner]
    probability = np.clip(weighted / total, 0.0, 1.0)
    features = PatchFeatures(
        features=np.stack(tap.rows),
        starts=starts,
        tile_shape=tile,
        importance=weights,
        layer=layer_name,
    )
    return probability, features
