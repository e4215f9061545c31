"""A patient who breathes or moves while k-space is filled line by line. Phase is encoded along Y, slice by slice."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

from hospital_agent.analysis.imaging.volume import FloatArray
from hospital_agent.simulation.shifts import Family, Ranges, Strength, between, shifts
from hospital_agent.simulation.shifts.signal import Signal

MODULATION: Ranges = ((0.12, 0.2), (0.4, 0.6), (1.0, 1.4))
PERIODS = (2, 3, 4, 5)
STILL: Ranges = ((0.25, 0.35), (0.14, 0.2), (0.06, 0.1))  # central share of the lines during which nothing moves
SHIFT_SHARE: Ranges = ((0.008, 0.015), (0.025, 0.04), (0.06, 0.09))
DEGREES: Ranges = ((0.5, 1.5), (2.5, 5.0), (7.0, 12.0))


@dataclass(frozen=True)
class Ghosting:
    """Lines of k-space are louder and fainter in turn, so that copies of the body appear along Y.

    A modulation 1 + a cos(2 pi k / p) of the lines k adds to every slice its copies moved by 1 / p of the field of view
    in both directions, each a / 2 as bright.

    Args:
        modulation: a.
        period_lines: p.
        phase: of the modulation, in radians; it decides whether copies add to the body or subtract from it.
    """

    modulation: float
    period_lines: int
    phase: float

    @classmethod
    def draw(cls, strength: Strength, rng: np.random.Generator) -> Self:
        """Two to five lines a period, any phase."""
        period = PERIODS[int(rng.integers(len(PERIODS)))]
        return cls(between(MODULATION, strength, rng), period, float(rng.uniform(0, 2 * np.pi)))

    def change(self, signal: Signal) -> FloatArray:
        """The magnitude image of the modulated lines."""
        lines = _line_numbers(signal.values.shape[1])
        # The middle line carries the mean of the image; a phase must not darken the whole of it.
        wave = np.cos(2 * np.pi * lines / self.period_lines + self.phase) * (lines != 0)
        spectrum = fft.fft(signal.values, axis=1) * (1 + self.modulation * wave).astype(np.float32)[None, :, None]
        return np.asarray(np.abs(fft.ifft(spectrum, axis=1)), dtype=np.float32)


@dataclass(frozen=True)
class Motion:
    """The outer lines of k-space come from a body that lies elsewhere.

    The central lines, which decide where the body appears, are those of the body at its place: the reference mask
    stays right, and what moves is its outline.

    Args:
        still_share: share of the lines, around the middle, during which nothing moves.
        before, after: (shift along Y, shift along X, degrees) of the body during the lines before and after the still
            ones; shifts as a share of the field of view.
    """

    still_share: float
    before: tuple[float, float, float]
    after: tuple[float, float, float]

    @classmethod
    def draw(cls, strength: Strength, rng: np.random.Generator) -> Self:
        """Shifts and turns in any direction."""
        return cls(between(STILL, strength, rng), _draw_pose(strength, rng), _draw_pose(strength, rng))

    def change(self, signal: Signal) -> FloatArray:
        """The magnitude image of the mixed lines."""
        lines = _line_numbers(signal.values.shape[1])
        edge = self.still_share * len(lines) / 2
        spectrum = fft.fft(signal.values, axis=1)
        for pose, moved in ((self.before, lines < -edge), (self.after, lines > edge)):
            spectrum[:, moved] = fft.fft(_moved(signal.values, pose), axis=1)[:, moved]
        return np.asarray(np.abs(fft.ifft(spectrum, axis=1)), dtype=np.float32)


def _draw_pose(strength: Strength, rng: np.random.Generator) -> tuple[float, float, float]:
    way = rng.uniform(0, 2 * np.pi)
    far = between(SHIFT_SHARE, strength, rng)
    degrees = between(DEGREES, strength, rng) * (1 if rng.random() < 0.5 else -1)
    return float(far * np.sin(way)), float(far * np.cos(way)), degrees


def _moved(values: FloatArray, pose: tuple[float, float, float]) -> FloatArray:
    """Each slice turned about its middle and moved; what comes in from outside repeats the border."""
    down, right, degrees = pose
    turn = np.deg2rad(degrees)
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    size = np.array(values.shape[1:])
    middle = (size - 1) / 2
    offset = middle - matrix @ (middle + np.array([down, right]) * size)
    slices = [ndimage.affine_transform(plane, matrix, offset, order=1, mode="nearest") for plane in values]
    return np.asarray(slices, dtype=np.float32)


def _line_numbers(length: int) -> NDArray[np.float64]:
    """Number of each line of the spectrum along Y; 0 is the middle."""
    return np.asarray(fft.fftfreq(length) * length)


shifts.register("ghosting_and_motion")(Family("Ghosting and motion", {"ghosting": Ghosting, "motion": Motion}))
