"""Average pooling that makes a layer's output small enough for a covariance. numpy alone: no network library."""

import numpy as np
from numpy.typing import ArrayLike

from hospital_agent.analysis.errors import FeatureShapeError
from hospital_agent.analysis.imaging.volume import FloatArray

FEWER_THAN = 10_000


def pool_patch(activation: ArrayLike) -> FloatArray:
    """Average-pool one tile's activation until it has fewer than 10,000 numbers, and flatten it.

    Kernel and stride are 2 along every spatial axis. An axis of length 1 is left as it is, so that thin tiles can be
    pooled too; an odd last slice is dropped, as average pooling does. Channels are never pooled.

    Args:
        activation: (C, Z, Y, X) or (C, Y, X), of one tile; not a batch.

    Returns:
        (D,) float32 with D < 10,000.

    Raises:
        FeatureShapeError: not one tile, an empty axis, or too many channels to ever get there.

    Source:
        González et al., MICCAI 2021, sec. 3: kernel (2, 2, 2), stride (2, 2, 2), until below 1e4 elements. Differs:
        axes of length 1 (average pooling alone would fail on them).

    Example:
        >>> pool_patch(np.ones((320, 7, 16, 16))).shape
        (5120,)
    """
    pooled = np.asarray(activation, dtype=np.float32)
    if pooled.ndim not in (3, 4) or pooled.size == 0:
        raise FeatureShapeError(f"One tile has a channel axis and two or three spatial ones, not shape {pooled.shape}.")
    if pooled.shape[0] >= FEWER_THAN:
        raise FeatureShapeError(f"A layer of {pooled.shape[0]} channels cannot be pooled below {FEWER_THAN} numbers.")
    while pooled.size >= FEWER_THAN:
        for axis in range(1, pooled.ndim):
            if pooled.shape[axis] > 1:
                pooled = _halve(pooled, axis)
    return np.ascontiguousarray(pooled).reshape(-1)


def _halve(array: FloatArray, axis: int) -> FloatArray:
    """Means of neighbours along one axis."""
    front = np.moveaxis(array, axis, 0)
    pairs = front.shape[0] // 2
    return np.moveaxis((front[0 : 2 * pairs : 2] + front[1 : 2 * pairs : 2]) * np.float32(0.5), 0, axis)
