"""Real vectors as integers modulo 2^64, where masks can hide them, and totals back again.

A contribution is made of named parts, each with a scale of its own: counts lie beside matrices of any range, and no
number travels outside the masked vector. An entry x of a part becomes round(x * 2^fraction_bits) modulo 2^64; half of
the ring stays empty even at the largest honest total, so that a total scrambled by one bad site hardly ever looks
honest.

Precision: each site rounds by at most half a unit, 2^-(fraction_bits + 1). The total of n sites is therefore off by at
most n / 2 units, plus the rounding of the result to a float64 (relative 2^-53).
"""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Annotated, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

from shared.report import Name
from shared.secure_sum.errors import ContributionMismatch, ImplausibleTotal, NoHeadroom, NotFinite, OverLimit, OverNorm

RingVector = NDArray[np.uint64]
FloatVector = NDArray[np.float64]

LARGEST_TOTAL = 2.0**62  # in units; the ring holds +-2^63
ENTRY_BYTES = 8
_NORM_SLACK = 1 + 1e-9  # a vector scaled to its limit must not fail by the last bit of a float

Positive = Annotated[FiniteFloat, Field(gt=0)]


class Part(BaseModel):
    """One named piece of the summed vector and its scale.

    Args:
        name: what a contribution calls it, e.g. "patient_count".
        length: number of entries.
        fraction_bits: an entry is kept in units of 2^-fraction_bits. 0 keeps whole numbers exactly; negative for
            numbers beyond 2^62, above 100 for very small ones.
        limit: the largest absolute value that one site may contribute to an entry.
        norm_limit: the largest Euclidean norm of the part that one site may contribute.

    Example:
        >>> Part(name="patient_count", length=1, fraction_bits=0, limit=1e6, norm_limit=1e6).resolution
        1.0
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: Name
    length: int = Field(ge=1, le=2**28)
    fraction_bits: int = Field(ge=-960, le=960)
    limit: Positive
    norm_limit: Positive

    @classmethod
    def of_step(cls, name: str, length: int, step: float, limit: float, norm_limit: float) -> Self:
        """A part kept at least as finely as `step`: in units of the largest power of two that is not above it.

        Example:
            >>> Part.of_step("means", 3, step=0.1, limit=5, norm_limit=8).resolution
            0.0625
        """
        bits = math.ceil(-math.log2(step))
        return cls(name=name, length=length, fraction_bits=bits, limit=float(limit), norm_limit=float(norm_limit))

    @property
    def resolution(self) -> float:
        """One unit of the fixed point, in the part's own unit; a site's rounding is at most half of it."""
        return math.ldexp(1.0, -self.fraction_bits)

    def check_headroom(self, sites: int) -> None:
        """See that the sum of so many sites, each at the limit, fits.

        Raises:
            NoHeadroom: it would not.
        """
        if not sites * self._largest_entry() <= LARGEST_TOTAL:
            raise NoHeadroom(
                f"Part '{self.name}' with {self.fraction_bits} fraction bits has no room for {sites} sites at its "
                "limit: take fewer bits or a smaller limit."
            )

    def _largest_entry(self) -> float:
        """The largest absolute value of an encoded entry, in units; infinite where no float holds it."""
        try:
            return math.ldexp(self.limit, self.fraction_bits) + 0.5
        except OverflowError:
            return math.inf

    def encode(self, values: ArrayLike) -> RingVector:
        """(length,) of one site, checked, in the ring. No message holds a number of the values."""
        checked = self._checked(values)
        return np.rint(np.ldexp(checked, self.fraction_bits)).astype(np.int64).view(np.uint64)

    def _checked(self, values: ArrayLike) -> FloatVector:
        try:
            array = np.asarray(values, dtype=np.float64)
        except (TypeError, ValueError):
            raise ContributionMismatch(f"Part '{self.name}' does not consist of real numbers.") from None
        if array.shape != (self.length,):
            raise ContributionMismatch(f"Part '{self.name}' is not a vector of the agreed length.")
        if not np.isfinite(array).all():
            raise NotFinite(f"Part '{self.name}' holds a value that is not finite; nothing was masked.")
        if np.abs(array).max() > self.limit:
            raise OverLimit(f"Part '{self.name}' holds a value beyond its limit; nothing was masked.")
        if np.linalg.norm(array / self.limit) > self.norm_limit / self.limit * _NORM_SLACK:
            raise OverNorm(f"Part '{self.name}' is longer than its norm limit; nothing was masked.")
        return array

    def decode(self, total: RingVector, sites: int) -> FloatVector:
        """(length,) total of so many sites, out of the ring.

        Raises:
            ImplausibleTotal: it lies beyond what so many honest sites can sum to.
        """
        units = total.view(np.int64).astype(np.float64)
        longest = sites * (self.norm_limit * _NORM_SLACK + 0.5 * self.resolution * math.sqrt(self.length))
        decoded = np.ldexp(units, -self.fraction_bits)
        too_large = np.abs(units).max() > sites * self._largest_entry()
        if too_large or np.linalg.norm(decoded / self.limit) > longest / self.limit:
            raise ImplausibleTotal(
                f"The total of part '{self.name}' lies beyond what {sites} honest sites can sum to. It was discarded; "
                "which site caused it cannot be known. Run the sum again."
            )
        return decoded


def encode(parts: Sequence[Part], contribution: Mapping[str, ArrayLike]) -> RingVector:
    """One site's contribution, all parts one after the other.

    Raises:
        ContributionMismatch, NotFinite, OverLimit, OverNorm: the contribution may not be masked.
    """
    if set(contribution) != {part.name for part in parts}:
        raise ContributionMismatch("The contribution does not have exactly the parts that the terms ask for.")
    return np.concatenate([part.encode(contribution[part.name]) for part in parts])


def decode(parts: Sequence[Part], total: RingVector, sites: int) -> dict[str, FloatVector]:
    """The total of so many sites, by part.

    Raises:
        ImplausibleTotal: a part lies beyond what honest sites can sum to.
    """
    ends = np.cumsum([0, *(part.length for part in parts)])
    pieces = [total[start:end] for start, end in pairwise(ends)]
    return {part.name: part.decode(piece, sites) for part, piece in zip(parts, pieces, strict=True)}


def total_length(parts: Sequence[Part]) -> int:
    """Entries of all parts together."""
    return sum(part.length for part in parts)


def to_payload(vector: RingVector) -> bytes:
    """Little-endian bytes of a ring vector, 8 an entry."""
    return vector.astype("<u8", copy=False).tobytes()


def from_payload(payload: bytes) -> RingVector:
    """The ring vector of these bytes: read-only, without a copy where the machine is little-endian."""
    return np.frombuffer(payload, dtype="<u8").astype(np.uint64, copy=False)
