"""Voxel maps of a softmax, one block of voxels at a time so that every step stays in the cache.

A softmax of two classes is its foreground probability, (Z, Y, X); of more, (C, Z, Y, X) with background first. Every
map is (Z, Y, X) float32 and has the same range for any number of classes: what total ignorance is for two classes, it
is for all. For two classes the values are the plain ones.
"""

import math
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from hospital_agent.analysis.imaging.volume import FloatArray

AT_ONCE = 1 << 15  # voxels a block
KL_FLOOR = 1e-4  # of a probability, before its logarithm; without it one certain voxel would be infinitely certain
SOFTMAX_FLOOR = 2.0**-24  # the least by which a float32 below 1 can differ from it: less cannot be told from 0

Kernel = Callable[[FloatArray, FloatArray], None]  # (n,) or (C, n) in, (n,) out


def class_count(softmax: FloatArray) -> int:
    """Two for a foreground probability, else the length of the first axis."""
    return 2 if softmax.ndim == 3 else softmax.shape[0]


def entropy(softmax: FloatArray) -> FloatArray:
    """-sum p log2 p / log2 C, in [0, 1]: for two classes the entropy in bits."""
    return _in_blocks(softmax, _two_entropy if softmax.ndim == 3 else _many_entropy)


def one_minus_max(softmax: FloatArray) -> FloatArray:
    """1 - the largest probability, in [0, 0.5]; for C > 2 times C / (2 (C - 1)), so that ignorance is 0.5 as well."""
    return _in_blocks(softmax, _two_one_minus_max if softmax.ndim == 3 else _many_one_minus_max)


def kl_from_uniform(softmax: FloatArray) -> FloatArray:
    """KL(u || p) = sum (1/C) log2((1/C) / p) in bits, p not below 1e-4; in [0, `largest_kl(C)`], 0 is ignorance."""
    most, classes = largest_kl(class_count(softmax)), class_count(softmax)

    def kernel(block: FloatArray, target: FloatArray) -> None:
        floor = np.float32(KL_FLOOR)
        if block.ndim == 1:  # the sum of two logarithms is one logarithm
            np.subtract(1, block, out=target)
            np.maximum(target, floor, out=target)
            target *= np.maximum(block, floor)
            np.log(target, out=target)
        else:
            np.log(np.maximum(block, floor)).sum(axis=0, out=target)
        target *= np.float32(-1 / (classes * math.log(2)))
        target -= np.float32(math.log2(classes))
        np.clip(target, 0, np.float32(most), out=target)

    return _in_blocks(softmax, kernel)


def largest_kl(classes: int) -> float:
    """KL(u || p) in bits of a certain voxel: one probability is 1, the others are at the floor; 5.64 for two classes.

    A probability just above the floor would give up to C * 1e-4 bit more; the map stops here.
    """
    return -(classes - 1) / classes * math.log2(KL_FLOOR) - math.log2(classes)


def one_minus_max_at(softmax: FloatArray, temperature: float) -> FloatArray:
    """1 - the largest of softmax(log p / T), scaled as `one_minus_max`; in [`least_at(T)`, 0.5].

    Source:
        Guo et al. 2017 on logits; differs: log p stands for the logits, from which it differs by a constant of the
        voxel that the softmax takes away. After blending of tiles there are no other logits. p is at least 2^-24:
        below that a float32 probability cannot be told from 0, whose logarithm no temperature would bring back.
    """
    if temperature <= 0:
        raise ValueError(f"A temperature is above 0, not {temperature}.")
    power = np.float32(1 / temperature)

    def kernel(block: FloatArray, target: FloatArray) -> None:
        floor = np.float32(SOFTMAX_FLOOR)
        if block.ndim == 1:  # 1 / (1 + (larger / smaller)^(1/T))
            np.subtract(1, block, out=target)
            smaller = np.maximum(np.minimum(block, target), floor)
            np.maximum(block, target, out=target)
            target /= smaller
            np.log(target, out=target)
            target *= power
            np.exp(target, out=target)
            target += 1
            np.reciprocal(target, out=target)
        else:
            flat = np.exp(np.log(np.maximum(block, floor)) * power)
            np.divide(flat.max(axis=0), flat.sum(axis=0), out=target)
            _ignorance(target, block.shape[0])

    return _in_blocks(softmax, kernel)


def least_at(temperature: float) -> float:
    """`one_minus_max_at` of a certain voxel of two classes; with more classes it is at least this.

    Example:
        >>> [round(least_at(t), 4) for t in (1, 10, 1000)]
        [0.0, 0.1593, 0.4958]
    """
    return float(1 / (1 + SOFTMAX_FLOOR ** (-1 / temperature)))


def predicted_class(softmax: FloatArray) -> NDArray[np.uint8]:
    """(Z, Y, X): the class with the largest probability, the earlier one where two are equal; softmax (C, Z, Y, X)."""
    result = np.empty(softmax.shape[1:], dtype=np.uint8)
    for block, part in _blocks(softmax):
        result.reshape(-1)[part] = block.argmax(axis=0)
    return result


def _in_blocks(softmax: FloatArray, kernel: Kernel) -> FloatArray:
    result = np.empty(softmax.shape[-3:], dtype=np.float32)
    for block, part in _blocks(softmax):
        kernel(block, result.reshape(-1)[part])
    return result


def _blocks(softmax: FloatArray) -> Iterator[tuple[FloatArray, slice]]:
    """Parts (n,) or (C, n) of a softmax, and the voxels they are of."""
    flat = softmax.reshape(*softmax.shape[:-3], -1)
    for start in range(0, flat.shape[-1], AT_ONCE):
        part = slice(start, start + AT_ONCE)
        yield flat[..., part], part


def _two_entropy(block: FloatArray, target: FloatArray) -> None:
    tiny = np.finfo(np.float32).tiny
    other = 1 - block
    np.log(np.maximum(block, tiny), out=target)
    target *= block
    target += other * np.log(np.maximum(other, tiny))
    target *= np.float32(-1 / math.log(2))
    np.clip(target, 0, 1, out=target)


def _many_entropy(block: FloatArray, target: FloatArray) -> None:
    logarithms = np.log(np.maximum(block, np.finfo(np.float32).tiny))
    np.einsum("cn,cn->n", logarithms, block, out=target)
    target *= np.float32(-1 / math.log(block.shape[0]))
    np.clip(target, 0, 1, out=target)


def _two_one_minus_max(block: FloatArray, target: FloatArray) -> None:
    np.subtract(1, block, out=target)
    np.minimum(block, target, out=target)


def _many_one_minus_max(block: FloatArray, target: FloatArray) -> None:
    block.max(axis=0, out=target)
    _ignorance(target, block.shape[0])


def _ignorance(largest: FloatArray, classes: int) -> None:
    """In place: from the largest probability to 1 - it, scaled to [0, 0.5]."""
    np.subtract(1, largest, out=largest)
    largest *= np.float32(classes / (2 * (classes - 1)))
    np.clip(largest, 0, 0.5, out=largest)
