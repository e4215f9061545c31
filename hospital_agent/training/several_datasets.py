"""Multi-task training: one network over several datasets, each as often as the square root of its size says.

Tiles of all datasets have one shape, so that one step sees several of them; the network is not told which is which.

Source:
    Karimi and Gholipour 2022, III-C. Differs: several tiles a step, each from a dataset drawn anew, instead of one.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hospital_agent.analysis.errors import TooFewCases
from hospital_agent.analysis.imaging.volume import FloatArray, Shape
from hospital_agent.training.pool import IGNORE
from hospital_agent.training.segmenter import Batch

ON_THE_ORGAN = 0.5  # of the tiles lie around a voxel of the organ
Tile = tuple[FloatArray, NDArray[np.uint8]]


@dataclass(frozen=True, eq=False)
class Item:
    """One training image on its dataset's working grid.

    Args:
        image: (Z, Y, X) float32, normalised.
        labels: (Z, Y, X) uint8: 0, 1 the organ of interest, 255 not known.
    """

    image: FloatArray
    labels: NDArray[np.uint8]


def dataset_shares(counts: Sequence[int]) -> NDArray[np.float64]:
    """(D,) how likely a tile comes from each dataset: proportional to sqrt(n), sum 1.

    Args:
        counts: training images of each dataset.

    Raises:
        TooFewCases: fewer than two datasets, or one without an image.

    Example:
        >>> dataset_shares([10, 100]).round(2).tolist()
        [0.24, 0.76]
    """
    if len(counts) < 2:
        raise TooFewCases(f"Multi-task training needs at least two datasets, not {len(counts)}.")
    if min(counts) < 1:
        raise TooFewCases("Multi-task training needs at least one image of every dataset.")
    roots = np.sqrt(np.asarray(counts, dtype=np.float64))
    shares: NDArray[np.float64] = roots / roots.sum()
    return shares


def random_tiles(items: Sequence[Item], patch: Shape, rng: np.random.Generator) -> Iterator[Tile]:
    """Endless tiles of one dataset, half of them around a voxel of the organ, with mild changes of intensity.

    Beyond an image lies its darkest value, and background.

    Raises:
        TooFewCases: there is no image.
    """
    if not items:
        raise TooFewCases("Tiles are cut from at least one image.")
    wide = [_at_least(item, patch) for item in items]
    organs = [np.argwhere(item.labels == 1) for item in wide]
    while True:
        chosen = int(rng.integers(len(wide)))
        yield _changed(_cut(wide[chosen], organs[chosen], patch, rng), rng)


def multi_task_batches(
    datasets: Sequence[Sequence[Item]], patch: Shape, batch: int, rng: np.random.Generator
) -> Iterator[Batch]:
    """Endless batches over several datasets; each tile's dataset is drawn anew.

    Yields:
        (B, 1, *patch) normalised intensities and (B, *patch) labels; 255 is not known.

    Raises:
        TooFewCases: see `dataset_shares`.
    """
    return batches_of([random_tiles(items, patch, rng) for items in datasets], _shares_of(datasets), batch, rng)


def single_task_batches(items: Sequence[Item], patch: Shape, batch: int, rng: np.random.Generator) -> Iterator[Batch]:
    """The same from one dataset."""
    return batches_of([random_tiles(items, patch, rng)], np.ones(1), batch, rng)


def batches_of(
    streams: Sequence[Iterator[Tile]], shares: NDArray[np.float64], batch: int, rng: np.random.Generator
) -> Iterator[Batch]:
    """Endless batches of tiles from streams that are drawn with these probabilities."""
    while True:
        drawn = [next(streams[int(number)]) for number in rng.choice(len(streams), size=batch, p=shares)]
        images, labels = zip(*drawn, strict=True)
        yield torch.from_numpy(np.stack(images))[:, None], torch.from_numpy(np.stack(labels).astype(np.int64))


def mean_dice_over(datasets: Sequence[Sequence[Batch]]) -> Callable[[nn.Module], float]:
    """For choosing a checkpoint: foreground Dice over fixed tiles of each dataset, all voxels pooled, then the mean."""

    def validate(network: nn.Module) -> float:
        return float(np.mean([_tile_dice(network, batches) for batches in datasets]))

    return validate


def _tile_dice(network: nn.Module, batches: Sequence[Batch]) -> float:
    device = next(network.parameters()).device
    both = total = 0.0
    with torch.inference_mode():
        for images, labels in batches:
            known = labels != IGNORE
            found: Tensor = (network(images.to(device)).max(dim=1).indices.cpu() > 0) & known
            organ = (labels > 0) & known
            both += float((found & organ).sum())
            total += float(found.sum() + organ.sum())
    return 2 * both / total if total else 1.0


def _shares_of(datasets: Sequence[Sequence[Item]]) -> NDArray[np.float64]:
    return dataset_shares([len(items) for items in datasets])


def _at_least(item: Item, patch: Shape) -> Item:
    """The item with air around it where it is smaller than a tile."""
    lacking = [max(0, side - length) for side, length in zip(patch, item.image.shape, strict=True)]
    if not any(lacking):
        return item
    around = [(n // 2, n - n // 2) for n in lacking]
    image = np.pad(item.image, around, constant_values=float(item.image.min()))
    return Item(image, np.pad(item.labels, around))


def _cut(item: Item, organ: NDArray[Any], patch: Shape, rng: np.random.Generator) -> Tile:
    if len(organ) and rng.random() < ON_THE_ORGAN:
        away = [int(rng.integers(-(side // 4), side // 4 + 1)) for side in patch]
        centre = organ[int(rng.integers(len(organ)))] + away
    else:
        centre = np.array([rng.integers(length) for length in item.image.shape])
    last = np.array(item.image.shape) - patch
    start = np.clip(centre - np.array(patch) // 2, 0, last)
    place = tuple(slice(int(low), int(low) + side) for low, side in zip(start, patch, strict=True))
    return item.image[place], item.labels[place]


def _changed(tile: Tile, rng: np.random.Generator) -> Tile:
    image, labels = tile
    scale, shift = np.float32(np.exp(rng.normal(0, 0.1))), np.float32(rng.normal(0, 0.1))
    noise = rng.normal(0, 0.05, image.shape) if rng.random() < 0.5 else 0.0
    return np.asarray(image * scale + shift + noise, dtype=np.float32), labels
