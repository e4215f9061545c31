"""From the one orientation of a `Volume` to the orientation in which a foreign model was trained, and back."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from hospital_agent.analysis.errors import NotApplicable
from hospital_agent.analysis.imaging.volume import Shape, Triple

VOLUME_AXES = "SPL"  # towards what the axes (Z, Y, X) of a volume grow: Superior, Posterior, Left
OPPOSITE = {"R": "L", "L": "R", "A": "P", "P": "A", "S": "I", "I": "S"}


@dataclass(frozen=True)
class AxisMap:
    """A permutation of three axes, some of them reversed.

    Args:
        order: for each axis of the model's array, the volume's axis (0 Z, 1 Y, 2 X) that it runs along.
        reversed: for each axis of the model's array, whether it runs the other way.
    """

    order: tuple[int, int, int]
    reversed: tuple[bool, bool, bool]

    @classmethod
    def to_orientation(cls, code: str) -> Self:
        """To arrays as SimpleITK gives files stored in the orientation `code`: "LPS" as DICOM, "RAS", "LAS", ...

        The letters say towards what the file's axes (i, j, k) grow; the array has them the other way round, (k, j, i).

        Raises:
            NotApplicable: three letters that are no orientation.
        """
        letters = code.upper()[::-1]
        found = [_axis_of(letter) for letter in letters]
        order = tuple(axis for axis, _ in found)
        if sorted(order) != [0, 1, 2]:
            raise NotApplicable(f"An orientation is three letters like LPS or RAS, not '{code}'.")
        return cls(order, tuple(turned for _, turned in found))  # type: ignore[arg-type]

    def then(self, transpose: Sequence[int]) -> "AxisMap":
        """This map followed by a transposition of the model's axes."""
        a, b, c = (self.order[i] for i in transpose)
        d, e, f = (self.reversed[i] for i in transpose)
        return AxisMap((a, b, c), (d, e, f))

    def there(self, array: NDArray[Any]) -> NDArray[Any]:
        """An array of the volume's axes (Z, Y, X), with the model's; axes before the last three are left alone."""
        front = array.ndim - 3
        moved = array.transpose([*range(front), *(front + axis for axis in self.order)])
        return np.flip(moved, self._flipped(front))

    def back(self, array: NDArray[Any]) -> NDArray[Any]:
        """The way back of `there`."""
        front = array.ndim - 3
        turned = np.flip(array, self._flipped(front))
        return turned.transpose([*range(front), *(front + int(axis) for axis in np.argsort(self.order))])

    def lengths_there(self, lengths: Triple) -> Triple:
        """Spacings or shapes of (Z, Y, X), in the order of the model's axes."""
        a, b, c = (lengths[axis] for axis in self.order)
        return a, b, c

    def lengths_back(self, lengths: Triple) -> Triple:
        """The way back of `lengths_there`."""
        z, y, x = (lengths[int(axis)] for axis in np.argsort(self.order))
        return z, y, x

    def starts_back(self, starts: NDArray[np.int64], tile: Shape, shape: Shape) -> NDArray[np.int64]:
        """(P, 3) first voxels of tiles, from the model's axes to (Z, Y, X).

        Args:
            tile, shape: of a tile and of the whole array, along the model's axes.
        """
        turned = np.where(self.reversed, np.asarray(shape) - starts - np.asarray(tile), starts)
        back: NDArray[np.int64] = turned[:, np.argsort(self.order)]
        return back

    def _flipped(self, front: int) -> tuple[int, ...]:
        return tuple(front + axis for axis, turned in enumerate(self.reversed) if turned)


def _axis_of(letter: str) -> tuple[int, bool]:
    """Which axis of a volume a letter names, and whether it names its other end."""
    if letter in VOLUME_AXES:
        return VOLUME_AXES.index(letter), False
    return VOLUME_AXES.find(OPPOSITE.get(letter, "?")), True
