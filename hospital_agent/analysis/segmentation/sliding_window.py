"""Run a network over a volume in overlapping tiles, blend its probabilities, and keep what later scores need."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor, nn

from hospital_agent.analysis.imaging.volume import FloatArray, Shape
from hospital_agent.analysis.ood.tiles import overlap
from hospital_agent.analysis.segmentation.base import LayerSummary, PatchFeatures
from hospital_agent.analysis.segmentation.distorter import Distorter
from hospital_agent.analysis.segmentation.layers import LayerSums, listening, pooled_rows

OVERLAP = 0.5
VOXELS_AT_ONCE = 1 << 18  # slices of a stack are small: they go through the network together up to this many voxels


@dataclass(frozen=True)
class Listening:
    """Which layers of a network to keep.

    Args:
        tile_layer: name of the layer whose pooled output becomes a row for every tile; None keeps no rows.
        layers: name -> layer to summarise over the volume, from input to output; holds `tile_layer`.
    """

    tile_layer: str | None
    layers: Mapping[str, nn.Module]


NOTHING = Listening(None, {})


@dataclass(frozen=True, eq=False)
class Pass:
    """What one pass over an image leaves.

    Args:
        probabilities: (C, Z, Y, X) float32 blended softmax, background first.
        patches: rows of the tile layer, or None.
        layers: name -> summary.
        distorted: (C, Z, Y, X) blended softmax with the autoencoder at the bottleneck, or None without one.
        latents: (P, L), its latent vector of each tile, or None.
    """

    probabilities: FloatArray
    patches: PatchFeatures | None
    layers: dict[str, LayerSummary]
    distorted: FloatArray | None = None
    latents: FloatArray | None = None


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


def tile_starts(length: int, tile: int, overlap: float = OVERLAP) -> list[int]:
    """First voxels of evenly spaced tiles along one axis that overlap by at least this much; negative where padded.

    Example:
        >>> tile_starts(120, 80), tile_starts(200, 80), tile_starts(60, 80), tile_starts(3, 1)
        ([0, 40], [0, 40, 80, 120], [-10], [0, 1, 2])
    """
    if length <= tile:
        return [-((tile - length) // 2)]
    steps = int(np.ceil((length - tile) / max(1.0, tile * (1.0 - overlap))))
    return [round((length - tile) * i / steps) for i in range(steps + 1)]


def sliding_window(
    network: nn.Module,
    image: FloatArray,
    tile: Shape,
    device: torch.device,
    padding: float,
    *,
    keep: Listening = NOTHING,
    prepare: Callable[[Tensor], Tensor] | None = None,
    overlap_share: float = OVERLAP,
    distorter: Distorter | None = None,
) -> Pass:
    """One pass of the network over an image.

    Args:
        network: (B, 1, *tile) -> (B, classes, *tile) logits; class 0 is background.
        image: (Z, Y, X) normalised intensities on the working grid.
        padding: value around an image that is smaller than a tile.
        keep: the layers to keep.
        prepare: changes a batch of tiles before the network sees it.
        overlap_share: least share of a tile that its neighbour covers too, in [0, 1).
        distorter: answers every tile a second time, with the autoencoder; both answers are blended alike.
    """
    along = [tile_starts(length, side, overlap_share) for length, side in zip(image.shape, tile, strict=True)]
    starts = np.array(list(product(*along)), dtype=np.int64)
    weights = importance_map(tile)
    blend, distorted = _Blend(image.shape, weights), _Blend(image.shape, weights)
    rows: list[FloatArray] = []
    latents: list[FloatArray] = []
    sums: dict[str, LayerSums] = {}
    with torch.no_grad(), listening(keep.layers) as heard:
        for some in _batches(starts, tile):
            batch = torch.from_numpy(_cut(image, some, tile, padding))[:, None].to(device)
            batch = batch if prepare is None else prepare(batch)
            if distorter is None:
                logits = network(batch)
            else:
                answers = distorter(batch)
                logits = answers.plain
                distorted.add(some, torch.softmax(answers.distorted.float(), dim=1).cpu().numpy())
                latents.append(answers.latents.float().cpu().numpy())
            softmax = torch.softmax(logits.float(), dim=1)
            blend.add(some, softmax.cpu().numpy())
            rows += pooled_rows(heard[keep.tile_layer]) if keep.tile_layer else []
            labels = softmax.max(dim=1).indices  # on a CPU ten times as fast as argmax
            for name, activation in heard.items():
                into = sums.setdefault(name, LayerSums(softmax.shape[1]))
                for start, features, predicted in zip(some, activation, labels, strict=True):
                    into.add(features, predicted, overlap(start, tile, image.shape)[1])
    patches = PatchFeatures(np.stack(rows), starts, tile, weights, keep.tile_layer) if keep.tile_layer else None
    layers = {name: sums[name].summary() for name in keep.layers if name in sums}
    if distorter is None:
        return Pass(blend.result(), patches, layers)
    return Pass(blend.result(), patches, layers, distorted.result(), np.concatenate(latents))


class _Blend:
    """Probabilities of tiles, averaged with the importance of their voxels."""

    def __init__(self, shape: tuple[int, ...], weights: FloatArray) -> None:
        self.shape, self.weights = shape, weights
        self.weighted: FloatArray | None = None

    def add(self, starts: NDArray[np.int64], softmax: FloatArray) -> None:
        if self.weighted is None:
            self.weighted = np.zeros((softmax.shape[1], *self.shape), dtype=np.float32)
            self.total = np.zeros(self.shape, dtype=np.float32)
        for start, probabilities in zip(starts, softmax, strict=True):
            tile = self.weights.shape
            real, inner = overlap(start, (tile[0], tile[1], tile[2]), (self.shape[0], self.shape[1], self.shape[2]))
            self.weighted[(slice(None), *real)] += probabilities[(slice(None), *inner)] * self.weights[inner]
            self.total[real] += self.weights[inner]

    def result(self) -> FloatArray:
        """(C, Z, Y, X), in [0, 1]."""
        assert self.weighted is not None  # noqa: S101 - there is always a tile
        self.weighted /= self.total
        return np.clip(self.weighted, 0.0, 1.0, out=self.weighted)


def _batches(starts: NDArray[np.int64], tile: Shape) -> Iterator[NDArray[np.int64]]:
    together = max(1, VOXELS_AT_ONCE // int(np.prod(tile)))
    for first in range(0, len(starts), together):
        yield starts[first : first + together]


def _cut(image: FloatArray, starts: NDArray[np.int64], tile: Shape, padding: float) -> FloatArray:
    """(B, *tile) of the image, padded where a tile reaches past it."""
    tiles = np.full((len(starts), *tile), padding, dtype=np.float32)
    for start, into in zip(starts, tiles, strict=True):
        real, inner = overlap(start, tile, (image.shape[0], image.shape[1], image.shape[2]))
        into[inner] = image[real]
    return tiles
