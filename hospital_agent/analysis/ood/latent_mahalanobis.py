"""Distance of a case's latent vectors, from the autoencoder at the bottleneck, from those of the training cases."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from hospital_agent.analysis.errors import FeatureShapeError
from hospital_agent.analysis.ood import Observation, ood_scores
from hospital_agent.analysis.ood.distorted import refuse_without_autoencoder
from hospital_agent.analysis.ood.quantities import log10_quantity, raw_quantity
from hospital_agent.analysis.ood.reference import GaussianReference, OfOneReference, rows_and_patients
from hospital_agent.analysis.ood.tiles import tile_shares, weighted_mean
from hospital_agent.analysis.segmentation.base import Segmentation


@ood_scores.register("latent_mahalanobis")
@dataclass(frozen=True, eq=False)
class LatentMahalanobis(OfOneReference):
    """Squared Mahalanobis distance of the autoencoder's latent vectors, averaged over tiles as `mahalanobis` is.

    Between `mahalanobis` and `segmentation_distortion`: the latent vector is what the autoencoder thinks worth keeping
    of a tile's bottleneck, with place, and yet it says nothing of what the unusual does to the answer. Higher means
    more unusual.

    Args:
        reference: Gaussian over the latent vectors of the tiles of training cases.

    Source:
        "LM" of Lennartz and Schultz, Segmentation Distortion, 2023, sec. 4.2. Differs: one vector a tile instead of one
        a slice, blended as the segmentation is; OAS shrinkage checked by leaving out patients.
    """

    needs = "activation_autoencoder"
    quantity = raw_quantity("latent_mahalanobis", "Distance of the latent features from training", (0.1, 1e6))
    wire_quantity = log10_quantity("latent_mahalanobis", "Distance of the latent features from training")

    @staticmethod
    def observe(segmentation: Segmentation) -> Observation | None:
        """(P, L) latent vectors of the tiles; None without an autoencoder or where no tile was kept."""
        if segmentation.distortion is None or segmentation.patches is None or segmentation.probability is None:
            return None
        return segmentation.distortion.latents.astype(np.float64)

    @classmethod
    def fit_cases(cls, observations: Sequence[Observation], patients: Sequence[str]) -> Self:
        """The reference made from the latent vectors of training cases.

        Raises:
            NoAutoencoder: no case was segmented with one; the sentence says how to get one.
            FeatureShapeError: latent vectors of different lengths, or not one patient a case.
            TooFewCases: fewer than two different vectors.
        """
        refuse_without_autoencoder(observations)
        return cls(GaussianReference.fit(*rows_and_patients(observations, patients)))

    def compute(self, segmentation: Segmentation) -> float | None:
        """The squared distance, >= 0; None without an autoencoder.

        Raises:
            FeatureShapeError: latent vectors of another length, or not one a tile.
        """
        rows, patches, probability = self.observe(segmentation), segmentation.patches, segmentation.probability
        if rows is None or patches is None or probability is None:
            return None
        if len(rows) != len(patches.starts):
            raise FeatureShapeError(f"{len(patches.starts)} tiles have as many latent vectors, not {len(rows)}.")
        z, y, x = probability.shape
        return weighted_mean(tile_shares(patches, (z, y, x)), self.reference.distances(rows))
