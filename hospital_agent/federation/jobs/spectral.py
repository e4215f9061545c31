"""The mean spectrum of feature maps over all sites, and how far single cases lie from it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from hospital_agent.analysis.ood.spectral_signature import THRESHOLD_SD
from hospital_agent.analysis.ood.spectrum import invariant_signature, singular_values_of_gram
from hospital_agent.federation.jobs import Bounds, Float64Array, Totals, federated_jobs
from hospital_agent.federation.jobs.cohort import (
    FEWEST_PATIENTS,
    HEADING,
    Cohort,
    check_same_cohort,
    opening,
    patient_count,
    shares,
)
from hospital_agent.federation.jobs.errors import NotFinite, OutOfBounds, WrongShape
from hospital_agent.federation.jobs.gaussian import from_upper_triangle, upper_triangle

MOST_CASES = 1 << 18
OPENING_STEP = 2.0**-36
STEP = 2.0**-40
FARTHEST = 64.0  # signatures of C channels lie within sqrt(C) log(1e5) or so of each other


@dataclass(frozen=True, eq=False)
class LocalGrams:
    """(N, C, C) Gram matrices of the last feature maps of a site's cases (`spectrum.gram_of`), and whose they are.

    Raises:
        WrongShape: not square matrices, or not one patient a case.
        NotFinite: an entry is not a finite number.
        OutOfBounds: a feature map is 0 everywhere, so that it has no spectrum.
    """

    grams: Float64Array = field(repr=False)
    patients: Sequence[str] = field(repr=False)

    def __post_init__(self) -> None:
        grams = np.asarray(self.grams, dtype=np.float64)
        if grams.ndim != 3 or grams.shape[1] != grams.shape[2]:
            raise WrongShape("A Gram matrix is square, and there is one a case.")
        if not np.isfinite(grams).all():
            raise NotFinite("The Gram matrices of this site hold values that are not finite numbers.")
        if not (np.trace(grams, axis1=1, axis2=2) > 0).all():
            raise OutOfBounds("A feature map that is 0 everywhere has no spectrum.")
        patient_count(self.patients, len(grams))
        object.__setattr__(self, "grams", grams)


@dataclass(frozen=True, eq=False)
class FederatedSpectrum:
    """What the totals say.

    Args:
        gram: (C, C) mean over cases of the Gram matrix divided by its trace; its trace is 1.
        signature: (C,) invariant signature of `gram`.
        threshold: mean + 2.5 SD (n - 1 in the divisor) of the distances of all cases from it.
        cohort: over whom.
    """

    gram: Float64Array
    signature: Float64Array
    threshold: float
    cohort: Cohort

    def distances(self, singular_values: ArrayLike) -> Float64Array:
        """(N,) Euclidean distance of the signature of each row of (N, C) singular values from the mean spectrum's."""
        return _lengths(invariant_signature(singular_values) - self.signature)


@federated_jobs.register("spectral")
class SpectralJob:
    """Gram matrices of the channels, each divided by its trace, added over all cases of all sites.

    1. Sites, cases, patients, and the sum of the normalised Gram matrices: every case weighs the same, whatever the
       size of its image and the scale of its intensities.
    2. Sum and sum of squares of the distances of the cases from the mean matrix's signature: the threshold.

    This is **not** the reference of `spectral_signature`. That one keeps the signature of every training case and
    looks for the nearest, which no sum can give and no site should send; and the singular values of a mean Gram matrix
    are those of all maps laid under each other, not a mean of the cases' own. It serves where sites want one spectrum
    to compare with and no single case may leave.

    Args:
        channels: C.
        fewest_patients: of all sites together, below which round 2 is not answered.

    Source:
        Karimi and Gholipour 2022, III-D, for the signature and the threshold's form. Differs: one mean spectrum.
    """

    most_rounds = 2

    def __init__(self, channels: int, *, fewest_patients: int = FEWEST_PATIENTS) -> None:
        self.channels, self.fewest_patients = channels, fewest_patients

    def finished(self, totals: Totals) -> bool:
        """After two rounds."""
        if totals:
            Cohort.of(totals[0]).checked(max(self.fewest_patients, 2))
            check_same_cohort(totals)
        return len(totals) >= self.most_rounds

    def size(self, totals: Totals) -> int:
        """4 + C (C + 1) / 2, then 4 + 2."""
        return HEADING + (2 if totals else self.channels * (self.channels + 1) // 2)

    def bounds(self, totals: Totals) -> Bounds:
        """A normalised matrix has entries in [-1, 1]."""
        if not totals:
            largest = 4.0 * MOST_CASES  # the heading holds a fingerprint below 2^20
            return Bounds(largest, largest * np.sqrt(self.size(totals)), OPENING_STEP)
        return Bounds(FARTHEST**2, 2 * FARTHEST**2, STEP)

    def contribution(self, totals: Totals, data: LocalGrams) -> Float64Array:
        """One site's vector of the next round."""
        count = len(data.grams)
        if data.grams.shape[1] != self.channels:
            raise WrongShape(f"This job takes Gram matrices of {self.channels} channels.")
        if count > MOST_CASES:
            raise OutOfBounds(f"This job takes at most {MOST_CASES} cases of one site.")
        normal = data.grams / np.trace(data.grams, axis1=1, axis2=2)[:, None, None]
        own = opening(count, patient_count(data.patients, count), upper_triangle(normal.sum(axis=0)))
        if not totals:
            return own
        self.finished(totals)
        if count == 0:
            return np.zeros(self.size(totals))
        values = np.array([singular_values_of_gram(gram) for gram in normal])
        distances = _lengths(invariant_signature(values) - self._signature(totals[0]))
        sums = np.array([distances.sum(), np.square(distances).sum()]) / Cohort.of(totals[0]).rows
        return np.concatenate([shares(own, totals[0]), sums])

    def result(self, totals: Totals) -> FederatedSpectrum:
        """The mean spectrum and its threshold."""
        self.finished(totals)
        cohort = Cohort.of(totals[0])
        mean, square = totals[1][HEADING:]
        variance = max(square - mean**2, 0.0) * cohort.rows / (cohort.rows - 1)
        threshold = float(mean + THRESHOLD_SD * np.sqrt(variance))
        return FederatedSpectrum(self._gram(totals[0]), self._signature(totals[0]), threshold, cohort)

    def _gram(self, first_total: Float64Array) -> Float64Array:
        return from_upper_triangle(first_total[HEADING:], self.channels) / Cohort.of(first_total).rows

    def _signature(self, first_total: Float64Array) -> Float64Array:
        signature: Float64Array = invariant_signature(singular_values_of_gram(self._gram(first_total)))
        return signature


def _lengths(rows: Float64Array) -> Float64Array:
    lengths: Float64Array = np.linalg.norm(rows, axis=-1)
    return lengths
