"""Another protocol: grey values on another curve, or less signal for the same noise."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from hospital_agent.analysis.imaging.volume import FloatArray
from hospital_agent.simulation.shifts import Family, Ranges, Strength, between, draw_seed, shifts
from hospital_agent.simulation.shifts.signal import Signal

LOG_GAMMA: Ranges = ((0.15, 0.25), (0.45, 0.65), (1.0, 1.3))
NOISE: Ranges = ((0.02, 0.03), (0.06, 0.09), (0.14, 0.19))


@dataclass(frozen=True)
class Gamma:
    """value ** gamma where 1 is bright tissue; above it a straight line of the same slope, so that nothing explodes.

    Args:
        gamma: above 1 darkens, below 1 brightens what lies below bright tissue.
    """

    gamma: float

    @classmethod
    def draw(cls, strength: Strength, rng: np.random.Generator) -> Self:
        """Darker or brighter with even chances."""
        way = 1.0 if rng.random() < 0.5 else -1.0
        return cls(float(np.exp(way * between(LOG_GAMMA, strength, rng))))

    def change(self, signal: Signal) -> FloatArray:
        """Put the values on the curve."""
        curve = np.minimum(signal.values, np.float32(1.0)) ** np.float32(self.gamma)
        beyond = np.float32(self.gamma) * np.maximum(signal.values - np.float32(1.0), np.float32(0.0))
        return np.asarray(curve + beyond, dtype=np.float32)


@dataclass(frozen=True)
class Noise:
    """White noise: Rician for MR (the magnitude of a noisy complex signal), Gaussian for CT.

    Args:
        sigma: standard deviation in bright tissue (for CT, of 1024 HU); Rician noise raises air to 1.25 sigma.
        seed: of the noise.
    """

    sigma: float
    seed: int

    @classmethod
    def draw(cls, strength: Strength, rng: np.random.Generator) -> Self:
        """A standard deviation and a seed."""
        return cls(between(NOISE, strength, rng), draw_seed(rng))

    def change(self, signal: Signal) -> FloatArray:
        """Add the noise."""
        rng, shape = np.random.default_rng(self.seed), signal.values.shape
        real = signal.values + np.float32(self.sigma) * rng.standard_normal(shape, dtype=np.float32)
        if signal.is_ct:
            return np.asarray(real, dtype=np.float32)
        imaginary = np.float32(self.sigma) * rng.standard_normal(shape, dtype=np.float32)
        return np.asarray(np.hypot(real, imaginary), dtype=np.float32)


shifts.register("contrast_and_noise")(Family("Contrast and noise", {"gamma": Gamma, "noise": Noise}))
