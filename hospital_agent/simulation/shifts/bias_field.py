"""A coil that hears one side of the patient better than the other."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from hospital_agent.analysis.imaging.volume import FloatArray
from hospital_agent.simulation.shifts import Family, Ranges, Strength, between, shifts
from hospital_agent.simulation.shifts.signal import Signal

# Largest |log| of the field where organs lie: up to 1.2, 1.7 and 3.3 times brighter or darker than the mean there.
AMPLITUDES: Ranges = ((0.12, 0.18), (0.4, 0.55), (0.9, 1.2))
CT_SHARE = 0.25  # HU have a fixed meaning: a quarter of it moves soft tissue by up to 50, 150 and 350 HU
CEILING = 2.0  # times the amplitude: what the field tends to in the corners, where polynomials run away
DEGREE = 3
WAVES = (2, 3, 3)  # along Z, Y, X: stacks have few slices
WAVE_DECAY = 1.5

Coefficients = tuple[tuple[tuple[float, ...], ...], ...]
Basis = Callable[[int, int], NDArray[np.float64]]


@dataclass(frozen=True)
class PolynomialField:
    """exp of a random polynomial of degree 3 in (Z, Y, X).

    Args:
        amplitude: about the largest |log field| in the middle half of every axis.
        coefficients: (4, 4, 4) of the Legendre polynomials; those of a total degree above 3 are 0.
    """

    amplitude: float
    coefficients: Coefficients

    @classmethod
    def draw(cls, strength: Strength, rng: np.random.Generator) -> Self:
        """Coefficients fall with the degree, so that the field is smooth."""
        order = np.add.outer(np.add.outer(range(DEGREE + 1), range(DEGREE + 1)), range(DEGREE + 1))
        drawn = rng.normal(size=order.shape) / (1.0 + order)
        return cls(between(AMPLITUDES, strength, rng), _tuples(np.where(order <= DEGREE, drawn, 0.0)))

    def change(self, signal: Signal) -> FloatArray:
        """Multiply by the field."""
        return _multiply(signal, self.amplitude, self.coefficients, _legendre)


@dataclass(frozen=True)
class LowFrequencyField:
    """exp of a Gaussian random field of waves not shorter than the image.

    Args:
        amplitude: about the largest |log field| in the middle half of every axis.
        coefficients: (2, 3, 3) of the cosines with 0, 1 and 2 half waves over the image.
    """

    amplitude: float
    coefficients: Coefficients

    @classmethod
    def draw(cls, strength: Strength, rng: np.random.Generator) -> Self:
        """The power of a wave falls as a Gaussian of its frequency."""
        squares = [np.arange(count) ** 2 for count in WAVES]
        power = np.exp(-np.add.outer(np.add.outer(squares[0], squares[1]), squares[2]) / (2 * WAVE_DECAY**2))
        return cls(between(AMPLITUDES, strength, rng), _tuples(rng.normal(size=WAVES) * np.sqrt(power)))

    def change(self, signal: Signal) -> FloatArray:
        """Multiply by the field."""
        return _multiply(signal, self.amplitude, self.coefficients, _cosines)


def _multiply(signal: Signal, amplitude: float, coefficients: Coefficients, basis: Basis) -> FloatArray:
    weights = np.asarray(coefficients, dtype=np.float64)
    along = [basis(length, count) for length, count in zip(signal.values.shape, weights.shape, strict=True)]
    log_field = np.einsum("ijk,iz,jy,kx->zyx", weights, *along, optimize=True)
    middle = tuple(_middle(length) for length in log_field.shape)
    log_field = log_field - log_field[middle].mean()
    largest = float(np.abs(log_field[middle]).max())
    wanted = amplitude * (CT_SHARE if signal.is_ct else 1.0)
    # A middle of one voxel has nothing to vary over: the field is 1.
    relative = log_field / largest if largest > 0 else np.zeros_like(log_field)
    field = np.exp(wanted * CEILING * np.tanh(relative / CEILING))
    return np.asarray(signal.values * field, dtype=np.float32)


def _legendre(length: int, count: int) -> NDArray[np.float64]:
    return np.asarray(np.polynomial.legendre.legvander(_positions(length) * 2 - 1, count - 1).T, dtype=np.float64)


def _cosines(length: int, count: int) -> NDArray[np.float64]:
    return np.asarray(np.cos(np.pi * np.outer(np.arange(count), _positions(length))), dtype=np.float64)


def _middle(length: int) -> slice:
    inside = np.flatnonzero(np.abs(_positions(length) - 0.5) <= 0.25)
    return slice(int(inside[0]), int(inside[-1]) + 1)


def _positions(length: int) -> NDArray[np.float64]:
    """Voxel centres in (0, 1)."""
    return np.asarray((np.arange(length) + 0.5) / length, dtype=np.float64)


def _tuples(array: NDArray[np.float64]) -> Coefficients:
    return tuple(tuple(tuple(map(float, row)) for row in plane) for plane in array)


shifts.register("bias_field")(Family("Bias field", {"polynomial": PolynomialField, "low_frequency": LowFrequencyField}))
