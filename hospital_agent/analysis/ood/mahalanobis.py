"""Distance of a case's patches from the training patches, in units of their spread."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from hospital_agent.analysis.errors import GeometryMismatch
from hospital_agent.analysis.imaging.volume import FloatArray, Shape
from hospital_agent.analysis.ood import Observation, State, ood_scores
from hospital_agent.analysis.ood.gaussian import Gaussian
from hospital_agent.analysis.ood.patient_check import WeightChoice
from hospital_agent.analysis.ood.reference import GaussianReference, named_if_damaged, rows_and_patients
from hospital_agent.analysis.ood.tiles import tile_map, tile_shares, weighted_mean
from hospital_agent.analysis.segmentation.base import Segmentation
from shared.quantities import Quantity, geometric_cuts

# Two populations are known: people lie near 0, analytic chests near -1.9. Cuts are dense at both, coarse between them
# and up to 100 times the ordinary distance. Every fourth (-2, -1.6, -1.2, -0.1, 0.1, 0.4, 1) serves small windows.
LOG_RATIO_CUTS = (
    -2.3, -2.2, -2.1, -2.0, -1.9, -1.8, -1.7, -1.6, -1.5, -1.4, -1.3, -1.2, -0.9, -0.5, -0.2, -0.1,
    -0.05, 0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.2, 1.5, 2.0,
)  # fmt: skip


@ood_scores.register("mahalanobis")
@dataclass(frozen=True, eq=False)
class Mahalanobis:
    """Squared Mahalanobis distance of a case's patch features from those of the training patients.

    A network that meets an unfamiliar scanner makes bottleneck features far from those it was trained on, even while
    its softmax stays confident. Higher means more unusual. The expectation on training-like patches depends on the
    shrinkage, so the value is read against the median of validation (`mahalanobis_log10` on the wire).

    Args:
        gaussian: over the pooled features of training patches.
        patch_count, patient_count: how many it was fitted on. Patches overlap: the patients are the evidence.
        weight: how the shrinkage weight was chosen.

    Source:
        González et al., MICCAI 2021, eq. 1-2 (the distance is squared there too). Differs: shrunk covariance, its
        weight checked by leaving out patients; distances averaged by the summed weights; padding ignored.
    """

    gaussian: Gaussian
    patch_count: int
    patient_count: int
    weight: WeightChoice

    quantity = Quantity(
        name="mahalanobis",
        unit="",
        direction="higher_is_worse",
        low=0.0,
        high=float("inf"),
        version=1,
        cuts=geometric_cuts(1.0, 1e6),
        label="Distance from the training features",
        monitored=False,
    )
    wire_quantity = Quantity(
        name="mahalanobis_log10",
        unit="log10 ratio",
        direction="higher_is_worse",
        low=-float("inf"),
        high=float("inf"),
        version=1,
        cuts=LOG_RATIO_CUTS,
        label="Distance from the training features",
    )

    @classmethod
    def fit(cls, features: ArrayLike, patients: Sequence[str]) -> Self:
        """The reference made from the patches of training cases.

        Args:
            features: (N, D) pooled features (`pooling.pool_patch`), all patches of all training cases.
            patients: the patient of each row; any name that tells patients apart.

        Raises:
            FeatureShapeError: not a table of rows with one patient each.
            TooFewCases: fewer than two different rows.
        """
        made = GaussianReference.fit(features, patients)
        return cls(made.gaussian, made.row_count, made.patient_count, made.weight)

    @staticmethod
    def observe(segmentation: Segmentation) -> Observation | None:
        """(P, D) pooled features of the tiles; None without features."""
        patches = segmentation.patches
        return None if patches is None or len(patches.features) == 0 else patches.features.astype(np.float64)

    @classmethod
    def fit_cases(cls, observations: Sequence[Observation], patients: Sequence[str]) -> Self:
        """As `fit`, from the tiles of each case and the patient of each case."""
        return cls.fit(*rows_and_patients(observations, patients))

    def distances(self, features: ArrayLike) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
        """(P,) squared distance of each row of (P, D) features, >= 0.

        Raises:
            FeatureShapeError: the rows are not of the fitted dimension.
        """
        return self.gaussian.squared_distances(features)

    def compute(self, segmentation: Segmentation) -> float | None:
        """The mean of `map` over real voxels, without building it; None where the mask came without features."""
        patches, shape = segmentation.patches, _real_shape(segmentation)
        if patches is None or shape is None or len(patches.features) == 0:
            return None
        return weighted_mean(tile_shares(patches, shape), self.distances(patches.features))

    def map(self, segmentation: Segmentation) -> FloatArray | None:
        """(Z, Y, X) float32 distances on the working grid, for display; None where there are no features."""
        patches, shape = segmentation.patches, _real_shape(segmentation)
        if patches is None or shape is None or len(patches.features) == 0:
            return None
        return tile_map(patches, self.distances(patches.features), shape)

    def state(self) -> State:
        """Everything fitted, as arrays."""
        return GaussianReference(self.gaussian, self.patch_count, self.patient_count, self.weight).state()

    @classmethod
    def from_state(cls, state: State) -> Self:
        """The fitted score again.

        Raises:
            ModelMismatch: the state lacks an array or holds one of another shape.
        """
        with named_if_damaged("mahalanobis"):
            made = GaussianReference.from_state(state)
        return cls(made.gaussian, made.row_count, made.patient_count, made.weight)


def _real_shape(segmentation: Segmentation) -> Shape | None:
    """(Z, Y, X) of the working grid without padding."""
    if segmentation.probability is None:
        return None
    if segmentation.probability.ndim != 3:
        raise GeometryMismatch("Probabilities have three axes.")
    z, y, x = segmentation.probability.shape
    return z, y, x
