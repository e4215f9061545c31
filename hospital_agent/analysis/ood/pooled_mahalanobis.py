"""Distance of a case's mean bottleneck activation from those of the training cases."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from hospital_agent.analysis.ood import Observation, ood_scores
from hospital_agent.analysis.ood.quantities import log10_quantity, raw_quantity
from hospital_agent.analysis.ood.reference import GaussianReference, OfOneReference, rows_and_patients
from hospital_agent.analysis.segmentation.base import BOTTLENECK, Segmentation


@ood_scores.register("pooled_mahalanobis")
@dataclass(frozen=True, eq=False)
class PooledMahalanobis(OfOneReference):
    """Squared Mahalanobis distance of the bottleneck's channel means over the whole image.

    `mahalanobis` looks at every tile and keeps where in the tile something lies; this score averages each channel
    over all positions of the image first, so that a case is one row of C numbers. It is blind to where something is
    and to what is rare in the image, and it needs few training cases. Higher means more unusual.

    Args:
        reference: Gaussian over the channel means of training cases, one row a case.

    Source:
        "PM" of Lennartz and Schultz, Segmentation Distortion, 2023, sec. 4.2, after González et al. 2021.
        Differs: pooled to one mean a channel (the published code halves the axes of space, and by mistake those of
        the channels, until 1024 numbers are left), over a volume instead of a slice, and the covariance of
        `mahalanobis`: OAS shrinkage checked by leaving out patients instead of Ledoit-Wolf and a plain inverse.
    """

    quantity = raw_quantity("pooled_mahalanobis", "Distance of the mean activation from training", (0.1, 1e6))
    wire_quantity = log10_quantity("pooled_mahalanobis", "Distance of the mean activation from training")

    @staticmethod
    def observe(segmentation: Segmentation) -> Observation | None:
        """(1, C) mean of each channel of the bottleneck; None without it."""
        layer = segmentation.layers.get(BOTTLENECK)
        return None if layer is None else layer.mean[None].astype("float64")

    @classmethod
    def fit_cases(cls, observations: Sequence[Observation], patients: Sequence[str]) -> Self:
        """The reference made from the channel means of training cases.

        Raises:
            FeatureShapeError: cases with different numbers of channels, or not one patient a case.
            TooFewCases: fewer than two different cases.
        """
        return cls(GaussianReference.fit(*rows_and_patients(observations, patients)))

    def compute(self, segmentation: Segmentation) -> float | None:
        """The squared distance, >= 0; None without the layer."""
        row = self.observe(segmentation)
        return None if row is None else float(self.reference.distances(row)[0])
