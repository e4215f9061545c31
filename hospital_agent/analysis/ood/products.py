"""Sums over voxels of products of channels, in float64: what spectral signatures and means of classes are made of."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hospital_agent.analysis.ood.moments import Float64Array

VOXELS_AT_ONCE = 1 << 12  # in float64 they stay in the cache of one core
WORTH_THREADS = 1 << 18  # voxels, from where on threads are worth starting
QUARTERS = 4

Classes = NDArray[np.integer]


def summed_products(
    rows: NDArray[np.floating], predicted: Classes | None = None, classes: int = 0, threads: int = 1
) -> Float64Array:
    """(C + K, C + K) products of all channels, and of the K indicators of classes, summed over voxels.

    The first C rows and columns are the Gram matrix of the channels; the others hold the sum of each channel over the
    voxels of each class, and how many voxels each class has.

    Many voxels are summed in quarters, whatever the number of threads, so that the rounding is the same everywhere.

    Args:
        rows: (C, N).
        predicted: (N,) class of each voxel, below `classes`; needed where `classes` is not 0.
        threads: at most this many are used.
    """
    voxels = rows.shape[1]
    if voxels < WORTH_THREADS:
        return _summed(rows, predicted, classes, (0, voxels))
    edges = np.linspace(0, voxels, QUARTERS + 1).astype(int)
    parts = [(int(start), int(end)) for start, end in pairwise(edges)]
    with ThreadPoolExecutor(max(1, min(QUARTERS, threads))) as pool:
        first, *others = pool.map(partial(_summed, rows, predicted, classes), parts)
    for other in others:
        first += other
    return first


def _summed(rows: NDArray[np.floating], predicted: Classes | None, classes: int, part: tuple[int, int]) -> Float64Array:
    channels, (begin, end) = rows.shape[0], part
    products = np.zeros((channels + classes, channels + classes))
    order: Literal["F", "C"] = "F" if rows.flags.f_contiguous else "C"  # as the rows lie, so that copying runs straight
    buffer = np.empty((channels + classes, min(VOXELS_AT_ONCE, end - begin)), order=order)
    for first in range(begin, end, VOXELS_AT_ONCE):
        last = min(first + VOXELS_AT_ONCE, end)
        block = buffer[:, : last - first]
        np.copyto(block[:channels], rows[:, first:last])
        if predicted is not None:
            for number in range(classes):
                np.equal(predicted[first:last], number, out=block[channels + number])
        products += block @ block.T
    return products
