"""A coarser image than the network knows, brought back to the grid that it expects."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy import ndimage

from hospital_agent.analysis.imaging.volume import FloatArray
from hospital_agent.simulation.shifts import Family, Ranges, Strength, between, shifts
from hospital_agent.simulation.shifts.signal import Signal

SIGMA: Ranges = ((0.3, 0.4), (0.8, 1.1), (1.7, 2.2))
INPLANE_FACTOR: Ranges = ((1.2, 1.4), (1.8, 2.2), (3.5, 4.5))
SLICE_FACTOR: Ranges = ((1.1, 1.25), (1.6, 2.0), (3.0, 4.0))


@dataclass(frozen=True)
class Blur:
    """A Gaussian blur in the plane of the slices.

    Args:
        sigma: in the signal's in-plane unit (a voxel at 64 voxels, two at 256).
    """

    sigma: float

    @classmethod
    def draw(cls, strength: Strength, rng: np.random.Generator) -> Self:
        """A width."""
        return cls(between(SIGMA, strength, rng))

    def change(self, signal: Signal) -> FloatArray:
        """Blur; the border repeats itself."""
        width = self.sigma * signal.inplane_unit
        return np.asarray(ndimage.gaussian_filter(signal.values, (0.0, width, width), mode="nearest"), dtype=np.float32)


@dataclass(frozen=True)
class CoarsePixels:
    """Pixels that average what lies in them, interpolated back.

    Args:
        factor: how much larger the pixels are at 64 voxels; what it has above 1 grows with the in-plane unit.
        axes: 1 for coarser along Y alone (fewer phase-encode lines), 2 for both.
    """

    factor: float
    axes: int

    @classmethod
    def draw(cls, strength: Strength, rng: np.random.Generator) -> Self:
        """Both directions twice as often as one."""
        return cls(between(INPLANE_FACTOR, strength, rng), 1 if rng.random() < 1 / 3 else 2)

    def change(self, signal: Signal) -> FloatArray:
        """Average and interpolate linearly."""
        factor = 1.0 + (self.factor - 1.0) * signal.inplane_unit
        coarse = _along(signal.values, 1, factor)
        return coarse if self.axes == 1 else _along(coarse, 2, factor)


@dataclass(frozen=True)
class ThickSlices:
    """Slices that average their neighbours, interpolated back; a volume of one slice stays as it is.

    Args:
        factor: how much thicker the slices are.
    """

    factor: float

    @classmethod
    def draw(cls, strength: Strength, rng: np.random.Generator) -> Self:
        """A thickness."""
        return cls(between(SLICE_FACTOR, strength, rng))

    def change(self, signal: Signal) -> FloatArray:
        """Average and interpolate linearly."""
        return _along(signal.values, 0, self.factor)


def _along(values: FloatArray, axis: int, factor: float) -> FloatArray:
    coarse = np.tensordot(_there_and_back(values.shape[axis], factor), values, axes=(1, axis))
    return np.ascontiguousarray(np.moveaxis(coarse, 0, axis), dtype=np.float32)


def _there_and_back(length: int, factor: float) -> FloatArray:
    """(length, length) weights: the mean over each of length / factor equal bins, then linear between their centres.

    Rows sum to 1, so a constant stays what it is; beyond the outermost centres the value is held.
    """
    count = max(1, round(length / factor))
    edges = np.linspace(0.0, length, count + 1)
    lower = np.arange(length)
    overlap = np.minimum(edges[1:, None], lower + 1) - np.maximum(edges[:-1, None], lower)
    averages = np.maximum(overlap, 0.0) / np.diff(edges)[:, None]
    centres = (edges[1:] + edges[:-1]) / 2
    back = np.stack([np.interp(lower + 0.5, centres, unit) for unit in np.eye(count)], axis=1)
    return np.asarray(back @ averages, dtype=np.float32)


shifts.register("blur_and_low_resolution")(
    Family("Blur and low resolution", {"blur": Blur, "coarse_pixels": CoarsePixels, "thick_slices": ThickSlices})
)
