"""How unlike the spectra of the training cases a case's last feature map is."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial.distance import cdist

from hospital_agent.analysis.errors import FeatureShapeError, TooFewCases
from hospital_agent.analysis.ood import Observation, State, ood_scores
from hospital_agent.analysis.ood.moments import Float64Array, feature_rows
from hospital_agent.analysis.ood.quantities import log10_quantity, raw_quantity
from hospital_agent.analysis.ood.reference import named_if_damaged
from hospital_agent.analysis.ood.spectrum import invariant_signature, paper_signature, singular_values_of_gram
from hospital_agent.analysis.segmentation.base import LAST, Segmentation

THRESHOLD_SD = 2.5


@ood_scores.register("spectral_signature")
@dataclass(frozen=True, eq=False)
class SpectralSignature:
    """Euclidean distance of a case's spectral signature from the nearest training signature.

    The signature is log(s / ||s||_2) of the singular values s of the last feature map (voxels x channels), which
    describe how the network's channels vary together. It does not change with the scale of the features or with the
    number of like voxels (a crop); a dead channel counts as 1e-5 of the strongest. Higher means more unusual;
    0 is a training case. The range has no upper end that depends on the case: two spectra can differ by at most
    sqrt(C) log(1e5) or so.

    Positions that several tiles cover count once a tile: those in the middle of an image weigh more than its rim.

    Args:
        signatures: (N, C) of the training cases.
        threshold: tau = mean + 2.5 SD (n - 1 in the divisor) of the distance of each training case to the nearest
            signature of another **patient**. The paper leaves out one image; another image of the same patient is so
            near that its tau would call new patients unusual.

    Source:
        Karimi and Gholipour 2022, III-D, eq. 1-2. Differs: invariant normalisation (`spectral_signature_paper` has
        the published one), Gram matrix over tiles instead of one decomposition, threshold by patients.
    """

    signatures: Float64Array
    threshold: float

    by_patient: ClassVar[bool] = True

    quantity = raw_quantity("spectral_signature", "Distance from the training spectra", (1e-3, 10.0))
    wire_quantity = log10_quantity("spectral_signature", "Distance from the training spectra")

    @staticmethod
    def signature(values: ArrayLike) -> Float64Array:
        """(N, C) singular values to signatures."""
        return invariant_signature(values)

    @staticmethod
    def observe(segmentation: Segmentation) -> Observation | None:
        """(1, C) singular values, largest first; None without the layer, and where it is 0 everywhere."""
        layer = segmentation.layers.get(LAST)
        if layer is None:
            return None
        values = singular_values_of_gram(layer.gram)
        return values[None] if values[0] > 0 else None

    @classmethod
    def fit_cases(cls, observations: Sequence[Observation], patients: Sequence[str]) -> Self:
        """The reference made from the singular values of training cases.

        Raises:
            FeatureShapeError: cases with different numbers of channels, or not one patient a case.
            TooFewCases: fewer than two patients (two cases for the published threshold).
        """
        if len(patients) != len(observations):
            raise FeatureShapeError(f"{len(observations)} cases need as many patients, not {len(patients)}.")
        if not observations:
            raise TooFewCases("A reference of spectra needs training cases, and there are none.")
        channels = observations[0].shape[-1]
        rows = np.concatenate([feature_rows(one, channels) for one in observations])
        signatures = cls.signature(rows)
        groups = list(patients) if cls.by_patient else [str(i) for i in range(len(patients))]
        return cls(signatures, _threshold(signatures, groups))

    def distances(self, values: ArrayLike) -> Float64Array:
        """(N,) distance of each row of (N, C) singular values to the nearest training signature, >= 0.

        Raises:
            FeatureShapeError: another number of channels than the fitted one.
        """
        rows = feature_rows(values, self.signatures.shape[1])
        nearest: Float64Array = cdist(self.signature(rows), self.signatures).min(axis=1)
        return nearest

    def compute(self, segmentation: Segmentation) -> float | None:
        """The distance; None where there is no feature map."""
        values = self.observe(segmentation)
        return None if values is None else float(self.distances(values)[0])

    def state(self) -> State:
        """Everything fitted, as arrays."""
        return {"signatures": self.signatures, "threshold": np.array([self.threshold])}

    @classmethod
    def from_state(cls, state: State) -> Self:
        """The fitted score again.

        Raises:
            ModelMismatch: the state lacks an array or holds one of another shape.
        """
        with named_if_damaged(cls.quantity.name):
            signatures, (threshold,) = np.asarray(state["signatures"], dtype=np.float64), state["threshold"]
            if signatures.ndim != 2 or signatures.size == 0:
                raise ValueError("Not a table of signatures.")
            return cls(signatures, float(threshold))


@ood_scores.register("spectral_signature_paper")
@dataclass(frozen=True, eq=False)
class PublishedSpectralSignature(SpectralSignature):
    """The distance between spectral signatures exactly as published: log(s), divided by its own length.

    Kept for comparison. It moves with the intensity of the image and with its size, so that a brighter image or a
    larger field of view is called unusual; `spectral_signature` does not. Higher means more unusual.

    Source:
        Karimi and Gholipour 2022, III-D, eq. 1-2. Differs: the floor for dead channels; the Gram matrix is summed
        over tiles, of which the paper says nothing. The threshold leaves out one image, as published.
    """

    by_patient: ClassVar[bool] = False

    quantity = raw_quantity(
        "spectral_signature_paper", "Distance from the training spectra, as published", (1e-5, 2.0), high=2.0
    )
    wire_quantity = log10_quantity("spectral_signature_paper", "Distance from the training spectra, as published")

    @staticmethod
    def signature(values: ArrayLike) -> Float64Array:
        """(N, C) singular values to signatures."""
        return paper_signature(values)


def _threshold(signatures: Float64Array, groups: Sequence[str]) -> float:
    """mean + 2.5 SD of the distance of each case to the nearest signature of another group."""
    of_case = np.asarray(groups)
    same = of_case[:, None] == of_case[None, :]
    if same.all():
        raise TooFewCases("The threshold of a spectral signature needs training cases of at least two patients.")
    distances = np.where(same, np.inf, cdist(signatures, signatures)).min(axis=1)
    return float(distances.mean() + THRESHOLD_SD * distances.std(ddof=1))
