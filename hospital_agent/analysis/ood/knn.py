"""Distance of a case's mean bottleneck activation from that of the k-th nearest training patient."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial.distance import cdist

from hospital_agent.analysis.ood import Observation, State, ood_scores
from hospital_agent.analysis.ood.moments import Float64Array, feature_rows
from hospital_agent.analysis.ood.quantities import log10_quantity, raw_quantity
from hospital_agent.analysis.ood.reference import named_if_damaged, rows_and_patients
from hospital_agent.analysis.segmentation.base import BOTTLENECK, Segmentation

NEIGHBOURS = 5


def unit_rows(rows: ArrayLike) -> Float64Array:
    """(N, D) rows divided by their Euclidean length; a row of zeros stays one, at distance 1 from every other."""
    table = np.asarray(rows, dtype=np.float64)
    lengths = np.linalg.norm(table, axis=1, keepdims=True)
    unit: Float64Array = np.divide(table, lengths, out=np.zeros_like(table), where=lengths > 0)
    return unit


@ood_scores.register("knn")
@dataclass(frozen=True, eq=False)
class NearestNeighbours:
    """Euclidean distance to the k-th nearest training patient, on L2-normalised channel means of the bottleneck.

    It assumes no Gaussian: training cases may lie in several groups. Length is taken away, so that it hears in which
    direction the activation points and not how strong it is. In [0, 2]; 0 is a case like k training patients.
    Higher means more unusual.

    Neighbours are counted by patients, each by the nearest of its cases: cases of one patient are so alike that the
    k-th nearest *case* would measure how many images a patient brought.

    Args:
        rows: (N, D) L2-normalised channel means of training cases.
        patient_of_row: (N,) number of the patient of each.

    Source:
        Sun, Ming, Zhu, Li, "Out-of-distribution detection with deep nearest neighbors", ICML 2022, sec. 3. Differs:
        neighbours are patients; k = 5 (or all patients where there are fewer), since training sets here are tens.
    """

    rows: Float64Array
    patient_of_row: Float64Array

    quantity = raw_quantity("knn", "Distance from the nearest training patients", (1e-4, 2.0), high=2.0)
    wire_quantity = log10_quantity("knn", "Distance from the nearest training patients")

    @staticmethod
    def observe(segmentation: Segmentation) -> Observation | None:
        """(1, C) mean of each channel of the bottleneck, not yet normalised; None without it."""
        layer = segmentation.layers.get(BOTTLENECK)
        return None if layer is None else layer.mean[None].astype("float64")

    @classmethod
    def fit_cases(cls, observations: Sequence[Observation], patients: Sequence[str]) -> Self:
        """The reference made from the channel means of training cases.

        Raises:
            FeatureShapeError: cases with different numbers of channels, or not one patient a case.
            TooFewCases: no case.
        """
        rows, of_row = rows_and_patients(observations, patients)
        _, numbers = np.unique(np.asarray(of_row), return_inverse=True)
        return cls(unit_rows(rows), numbers.astype(np.float64))

    def distances(self, features: ArrayLike) -> Float64Array:
        """(N,) distance of each row of (N, C) channel means to its k-th nearest training patient.

        Raises:
            FeatureShapeError: another number of channels than the fitted one.
        """
        to_rows = cdist(unit_rows(feature_rows(features, self.rows.shape[1])), self.rows)
        patients = np.unique(self.patient_of_row)
        nearest = np.stack([to_rows[:, self.patient_of_row == patient].min(axis=1) for patient in patients], axis=1)
        kth: Float64Array = np.sort(nearest, axis=1)[:, min(NEIGHBOURS, patients.size) - 1]
        return np.minimum(kth, 2.0)

    def compute(self, segmentation: Segmentation) -> float | None:
        """The distance; None without the layer."""
        row = self.observe(segmentation)
        return None if row is None else float(self.distances(row)[0])

    def state(self) -> State:
        """Everything fitted, as arrays."""
        return {"rows": self.rows, "patients": self.patient_of_row}

    @classmethod
    def from_state(cls, state: State) -> Self:
        """The fitted score again.

        Raises:
            ModelMismatch: the state lacks an array or holds one of another shape.
        """
        with named_if_damaged("knn"):
            rows, patients = (np.asarray(state[name], dtype=np.float64) for name in ("rows", "patients"))
            if rows.ndim != 2 or rows.shape[0] == 0 or patients.shape != rows.shape[:1]:
                raise ValueError("Not one patient a row.")
            return cls(rows, patients)
