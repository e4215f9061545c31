"""Parts of the image that never arrived. The grid stays, so the reference still says what should be there."""

from dataclasses import dataclass
from typing import Literal, Self

import numpy as np

from hospital_agent.analysis.imaging.volume import FloatArray
from hospital_agent.simulation.shifts import Family, Ranges, Strength, between, draw_seed, shifts
from hospital_agent.simulation.shifts.signal import Signal

CUT_SHARE: Ranges = ((0.06, 0.12), (0.25, 0.32), (0.45, 0.55))
LOST_SHARE: Ranges = ((0.08, 0.12), (0.28, 0.36), (0.55, 0.65))
Side = Literal["front", "back", "right", "left"]
SIDES: tuple[Side, ...] = ("front", "back", "right", "left")


@dataclass(frozen=True)
class Crop:
    """A field of view too small: one side of every slice is blank.

    Args:
        side: of the patient.
        cut_share: share of the slice's length that is lost.
    """

    side: Side
    cut_share: float

    @classmethod
    def draw(cls, strength: Strength, rng: np.random.Generator) -> Self:
        """Any side."""
        return cls(SIDES[int(rng.integers(len(SIDES)))], between(CUT_SHARE, strength, rng))

    def change(self, signal: Signal) -> FloatArray:
        """Blank the side; at least one line goes and one stays (a single line stays)."""
        changed = signal.values.copy()
        along = np.moveaxis(changed, 1 if self.side in ("front", "back") else 2, 0)
        count = min(max(1, round(self.cut_share * len(along))), len(along) - 1)
        # Y runs from front to back and X from the patient's right to left.
        lost = slice(0, count) if self.side in ("front", "right") else slice(len(along) - count, None)
        along[lost] = signal.blank
        return changed


@dataclass(frozen=True)
class MissingSlices:
    """Slices that were lost, and what was put in their place. A single slice stays.

    Args:
        lost_share: share of the slices; at least one goes and one stays.
        filled: "neighbour" for a copy of the nearest slice that is left (the lower of two), "blank" for nothing.
        seed: which slices.
    """

    lost_share: float
    filled: Literal["neighbour", "blank"]
    seed: int

    @classmethod
    def draw(cls, strength: Strength, rng: np.random.Generator) -> Self:
        """Copies or nothing with even chances."""
        return cls(between(LOST_SHARE, strength, rng), "neighbour" if rng.random() < 0.5 else "blank", draw_seed(rng))

    def change(self, signal: Signal) -> FloatArray:
        """Replace the lost slices."""
        changed, count = signal.values.copy(), len(signal.values)
        lost_count = min(max(1, round(self.lost_share * count)), count - 1)
        order = np.random.default_rng(self.seed).permutation(count)
        lost, left = order[:lost_count], np.sort(order[lost_count:])
        if self.filled == "blank":
            changed[lost] = signal.blank
        else:
            nearest = np.abs(lost[:, None] - left[None, :]).argmin(axis=1)
            changed[lost] = signal.values[left[nearest]]
        return changed


shifts.register("crop_and_missing_slices")(
    Family("Crop and missing slices", {"crop": Crop, "missing_slices": MissingSlices})
)
