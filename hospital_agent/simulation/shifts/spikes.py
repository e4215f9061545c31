"""Sparks in the scanner: single points of k-space far too bright, which draw stripes over a slice."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from hospital_agent.analysis.imaging.volume import FloatArray
from hospital_agent.simulation.shifts import Family, Ranges, Strength, between, draw_seed, shifts
from hospital_agent.simulation.shifts.signal import Signal

BRIGHTNESS: Ranges = ((0.02, 0.035), (0.08, 0.12), (0.22, 0.3))
HIT_SHARE: Ranges = ((0.2, 0.35), (0.5, 0.65), (0.85, 1.0))
STRIPES = (4.0, 20.0)  # over the shorter side of the slice
SPARKS = 3

Stripe = tuple[float, float, float]


@dataclass(frozen=True)
class SteadySpike:
    """The same spikes in every slice: a herringbone through the whole volume.

    A spike at (u, v) of k-space adds the complex wave a exp(i (2 pi (u y / Y + v x / X) + phase)) to the slice, whose
    magnitude is what one sees: stripes where the body is, an even haze in air.

    Args:
        brightness: a sqrt(number of spikes), in bright tissue: several spikes together are as bright as one.
        stripes: (u, v, phase), one row a spike.
    """

    brightness: float
    stripes: tuple[Stripe, ...]

    @classmethod
    def draw(cls, strength: Strength, rng: np.random.Generator) -> Self:
        """One or two spikes."""
        return cls(between(BRIGHTNESS, strength, rng), _draw_stripes(1 + int(rng.integers(2)), rng))

    def change(self, signal: Signal) -> FloatArray:
        """The magnitude of slice and waves."""
        waves = _waves(signal, self.stripes, self.brightness)
        return np.asarray(np.abs(signal.values + waves), dtype=np.float32)


@dataclass(frozen=True)
class ScatteredSpikes:
    """Sparks that hit some of the slices, each with spikes of its own.

    Args:
        brightness: of a slice's spikes together, in bright tissue.
        hit_share: share of the slices that are hit; at least one is.
        seed: which slices, and which stripes.
    """

    brightness: float
    hit_share: float
    seed: int

    @classmethod
    def draw(cls, strength: Strength, rng: np.random.Generator) -> Self:
        """Few slices when mild, nearly all when severe."""
        return cls(between(BRIGHTNESS, strength, rng), between(HIT_SHARE, strength, rng), draw_seed(rng))

    def change(self, signal: Signal) -> FloatArray:
        """The magnitude of each hit slice and its waves."""
        rng = np.random.default_rng(self.seed)
        changed = signal.values.copy()
        count = max(1, round(self.hit_share * len(changed)))
        for number in rng.permutation(len(changed))[:count]:
            changed[number] = np.abs(changed[number] + _waves(signal, _draw_stripes(SPARKS, rng), self.brightness))
        return changed


def _draw_stripes(count: int, rng: np.random.Generator) -> tuple[Stripe, ...]:
    drawn = []
    for _ in range(count):
        number, way, phase = rng.uniform(*STRIPES), rng.uniform(0, np.pi), rng.uniform(0, 2 * np.pi)
        drawn.append((float(np.rint(number * np.sin(way))), float(np.rint(number * np.cos(way))), float(phase)))
    return tuple(drawn)


def _waves(signal: Signal, stripes: tuple[Stripe, ...], brightness: float) -> NDArray[np.complex64]:
    """Sum of the waves over one slice, (Y, X) complex64."""
    height, width = signal.values.shape[1:]
    y, x = np.arange(height) / height, np.arange(width) / width
    total = np.zeros((height, width), dtype=np.complex64)
    for down, right, phase in stripes:
        along_y, along_x = np.exp(2j * np.pi * down * y + 1j * phase), np.exp(2j * np.pi * right * x)
        total += np.outer(along_y, along_x).astype(np.complex64)
    return total * np.complex64(brightness / np.sqrt(len(stripes)))


shifts.register("spikes")(Family("Spikes", {"steady": SteadySpike, "scattered": ScatteredSpikes}))
