"""Distance of an image's intensity histogram from those of the training images; no network is asked."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from hospital_agent.analysis.ood import Observation, ood_scores
from hospital_agent.analysis.ood.gaussian import CompactGaussian, check_spread
from hospital_agent.analysis.ood.moments import GaussianMoments
from hospital_agent.analysis.ood.patient_check import choose_weight
from hospital_agent.analysis.ood.quantities import log10_quantity, raw_quantity
from hospital_agent.analysis.ood.reference import GaussianReference, OfOneReference, rows_and_patients
from hospital_agent.analysis.segmentation.base import Segmentation

KEPT_VARIANCE = 0.9999


@ood_scores.register("intensity_histogram")
@dataclass(frozen=True, eq=False)
class IntensityHistogram(OfOneReference):
    """Squared Mahalanobis distance of the image's intensity histogram, on the principal axes of the training ones.

    It sees another scanner, protocol or part of the body without looking at the network at all. Strong at telling
    images apart, weak at telling whether a segmentation failed. Higher means more unusual; >= 0.

    Args:
        reference: Gaussian over the histograms: a variance along each axis that is kept (0.9999 of the variance of
            training), and one floor in every other direction, the floor that shrinkage gives inside.

    Source:
        Vasiliuk et al., J. Imaging 2023, 9:191 ("IHF-Mahalanobis"). Differs: OAS shrinkage in the space of the kept
        axes, checked by leaving out patients, instead of a bare inverse; and what lies off those axes counts by the
        floor, where the published score is blind to it.
    """

    quantity = raw_quantity("intensity_histogram", "Distance of the intensities from training", (0.1, 1e6))
    wire_quantity = log10_quantity("intensity_histogram", "Distance of the intensities from training")

    @staticmethod
    def observe(segmentation: Segmentation) -> Observation | None:
        """(1, 500) share of voxels in each bin; None where no image was looked at."""
        return None if segmentation.intensities is None else segmentation.intensities[None].astype(np.float64)

    @classmethod
    def fit_cases(cls, observations: Sequence[Observation], patients: Sequence[str]) -> Self:
        """The reference made from the histograms of training images.

        Raises:
            FeatureShapeError: histograms with different numbers of bins, or not one patient a case.
            TooFewCases: fewer than two different histograms.
        """
        rows, of_row = rows_and_patients(observations, patients)
        moments = GaussianMoments.of(rows)
        check_spread(moments)
        spread, axes = moments.principal_axes
        largest_first = np.argsort(spread)[::-1]
        share = np.cumsum(spread[largest_first]) / spread.sum()
        kept = largest_first[: int(np.searchsorted(share, KEPT_VARIANCE)) + 1]
        spread, axes = spread[kept], axes[kept]
        inside = (rows - moments.mean) @ axes.T
        choice = choose_weight(inside, of_row, GaussianMoments.of(inside))
        floor = choice.weight * float(spread.mean())
        gaussian = CompactGaussian(moments.mean, axes, (1 - choice.weight) * spread + floor, floor)
        return cls(GaussianReference(gaussian, len(rows), len(set(of_row)), choice))

    def compute(self, segmentation: Segmentation) -> float | None:
        """The squared distance; None where no image was looked at."""
        row = self.observe(segmentation)
        return None if row is None else float(self.reference.distances(row)[0])
