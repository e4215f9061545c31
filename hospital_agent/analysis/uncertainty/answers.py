"""Several answers to one volume, taken in one at a time: their mean, and how far they lie apart.

Nothing but running means is held, so that fifty members cost no more memory than two.
"""

from collections.abc import Iterable

import numpy as np

from hospital_agent.analysis.errors import GeometryMismatch, TooFewCases
from hospital_agent.analysis.imaging.volume import FloatArray, Triple
from hospital_agent.analysis.segmentation.base import Segmentation
from hospital_agent.analysis.uncertainty.maps import AT_ONCE
from hospital_agent.analysis.uncertainty.voxels import VoxelDoubt, doubt_of

FEWEST = 2


class Together:
    """Running mean and, where asked for, squared deviations of the softmax of several answers (Welford).

    Args:
        shape: of a softmax: (Z, Y, X) for two classes, (C, Z, Y, X) for more.
        spread: whether deviations are kept, for `standard_deviation`.
    """

    def __init__(self, shape: tuple[int, ...], spacing_mm: Triple, *, spread: bool) -> None:
        self.spacing_mm = spacing_mm
        self.count = 0
        self._mean = np.zeros(shape, dtype=np.float32)
        self._squares = np.zeros(shape, dtype=np.float32) if spread else None

    def add(self, softmax: FloatArray) -> None:
        """Take one answer in.

        Raises:
            GeometryMismatch: it lies on another grid or has other classes than those before.
        """
        if softmax.shape != self._mean.shape:
            raise GeometryMismatch(f"An answer of {softmax.shape} came after one of {self._mean.shape}.")
        self.count += 1
        step = np.float32(1 / self.count)
        new, mean = softmax.reshape(-1), self._mean.reshape(-1)
        squares = None if self._squares is None else self._squares.reshape(-1)
        for start in range(0, new.size, AT_ONCE):
            part = slice(start, start + AT_ONCE)
            before = new[part] - mean[part]
            mean[part] += before * step
            if squares is not None:
                before *= new[part] - mean[part]
                squares[part] += before

    def doubt(self) -> VoxelDoubt:
        """The doubt of the mean softmax."""
        if self._mean.ndim == 3:
            return VoxelDoubt(self._mean, self.spacing_mm)
        return VoxelDoubt(1 - self._mean[0], self.spacing_mm, self._mean)

    def standard_deviation(self) -> FloatArray:
        """(Z, Y, X) float32: SD over the answers (divided by their number), mean over the classes; in [0, 0.5].

        With two classes both have the SD of the foreground probability, so that it alone is the mean.
        """
        assert self._squares is not None  # noqa: S101 - whoever asks for it has asked to keep it
        # Rounding may leave a deviation that is a hair below zero.
        deviation: FloatArray = np.sqrt(np.maximum(self._squares, 0) / np.float32(self.count))
        return deviation if deviation.ndim == 3 else deviation.mean(axis=0)


def taken_together(answers: Iterable[Segmentation], *, spread: bool = False) -> Together | None:
    """The answers, gone through once; None as soon as one has no probabilities.

    Raises:
        TooFewCases: fewer than two answers.
        GeometryMismatch: they do not lie on one grid.
    """
    together: Together | None = None
    for answer in answers:
        doubt = doubt_of(answer)
        if doubt is None:
            return None
        if together is None:
            together = Together(doubt.softmax.shape, doubt.spacing_mm, spread=spread)
        together.add(doubt.softmax)
    refuse_too_few(0 if together is None else together.count)
    return together


def refuse_too_few(count: int) -> None:
    """Several answers are at least two.

    Raises:
        TooFewCases: there are fewer.
    """
    if count < FEWEST:
        raise TooFewCases(f"This score needs at least {FEWEST} answers to one volume, not {count}.")
