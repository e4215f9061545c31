"""What can happen to an image between the patient and the network, in six families and three strengths.

An evaluation asks whether scores notice that a network fails. So it needs images on which it fails, for reasons that
are known and graded: 1 is barely visible, 2 plainly visible, 3 makes an ordinary network fail often on an image that
a person still recognises. One family a file; each family has several variants, and chance picks one.

Chosen, recorded, applied (the order of TorchIO): `choose` draws all that there is to draw and gives a `Shift`, which
is plain values and can be written as JSON; `apply` draws nothing. The grid never changes, so the reference mask of the
image stays the reference mask of the shifted image.

MR values may have any scale: an image ten times as bright is shifted to a result ten times as bright. CT values are HU;
the k-space families have no physical cause there and are a stress test only.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, Protocol, Self, cast

import numpy as np

from hospital_agent.analysis.imaging.volume import FloatArray, Volume
from hospital_agent.simulation.shifts.signal import Signal
from shared.errors import MonitoringError
from shared.registry import Registry

Strength = Literal[1, 2, 3]
STRENGTHS: tuple[Strength, ...] = (1, 2, 3)
Ranges = tuple[tuple[float, float], tuple[float, float], tuple[float, float]]


class NoSuchStrength(MonitoringError, ValueError):
    """A shift was asked for at a strength that is not 1, 2 or 3."""


class Variant(Protocol):
    """One way in which the images of a family change: a frozen dataclass whose fields are what was drawn."""

    @classmethod
    def draw(cls, strength: Strength, rng: np.random.Generator) -> Self:
        """Draw the parameters; those of a higher strength change the image more."""
        ...

    def change(self, signal: Signal) -> FloatArray:
        """The changed values, (Z, Y, X), in the units of the signal; draws nothing and leaves the signal as it is."""
        ...


@dataclass(frozen=True)
class Family:
    """Variants that belong together: a score that learned one of them has seen the family.

    Args:
        title: for tables and legends.
        variants: name -> class; chance picks among them evenly.
    """

    title: str
    variants: Mapping[str, type[Variant]]


@dataclass(frozen=True)
class Shift:
    """One shift as it was drawn.

    Args:
        family, variant: names.
        strength: 1 (mild) to 3 (severe).
        parameters: the variant with all that was drawn.
    """

    family: str
    strength: Strength
    variant: str
    parameters: Variant

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        told = {"family": self.family, "strength": self.strength, "variant": self.variant}
        return {**told, "parameters": asdict(cast(Any, self.parameters))}

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Self:
        """The shift again.

        Raises:
            UnknownName: no such family.
            KeyError: no such variant of the family.
        """
        make = cast(Any, families().get(told["family"]).variants[told["variant"]])
        parameters = {name: _frozen(value) for name, value in told["parameters"].items()}
        return cls(told["family"], told["strength"], told["variant"], make(**parameters))


shifts: Registry[Family] = Registry("shift family")


def families() -> Registry[Family]:
    """The registry with all families of this package in it."""
    return shifts.load(__name__)


def choose(family: str, strength: int, rng: np.random.Generator) -> Shift:
    """Draw a shift.

    Args:
        family: a name of `families()`.
        strength: 1 (mild), 2 or 3 (severe).

    Raises:
        UnknownName: no such family; the message names the nearest.
        NoSuchStrength: strength 0 is the image as it is and needs no shift; there is nothing beyond 3.

    Example:
        >>> shift = choose("spikes", 2, np.random.default_rng(0))
        >>> shift.family, shift.strength
        ('spikes', 2)
    """
    of_family = families().get(family)
    if strength not in STRENGTHS:
        raise NoSuchStrength(
            f"A shift has strength 1 (mild), 2 or 3 (severe), not {strength}; the image as it is needs no shift."
        )
    names = sorted(of_family.variants)
    variant = names[int(rng.integers(len(names)))]
    graded = cast(Strength, int(strength))
    return Shift(family, graded, variant, of_family.variants[variant].draw(graded, rng))


def apply(shift: Shift, volume: Volume) -> Volume:
    """The volume as it would have come out: same grid and modality, float32, finite; CT in [-1024, 3071] HU.

    The same shift on the same volume gives the same values. What the shift does not touch stays as it was, bit by bit.
    """
    signal = Signal.of(volume)
    return signal.restored(shift.parameters.change(signal), volume)


def between(ranges: Ranges, strength: Strength, rng: np.random.Generator) -> float:
    """A number drawn evenly from the range of the strength."""
    low, high = ranges[strength - 1]
    return float(rng.uniform(low, high))


def draw_seed(rng: np.random.Generator) -> int:
    """A seed for what has too many numbers to record, such as noise."""
    return int(rng.integers(2**31))


def _frozen(value: Any) -> Any:
    return tuple(_frozen(item) for item in value) if isinstance(value, list | tuple) else value
