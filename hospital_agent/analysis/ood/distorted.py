"""What the distortion scores share: the class-wise means of training cases, of which only the number of classes counts.

Nothing is learned here: the autoencoder is what was fitted. The state says to how many classes and on how many cases
the score belongs, so that it is not computed for another network.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from hospital_agent.analysis.errors import ModelMismatch, NoAutoencoder
from hospital_agent.analysis.ood import Observation, State
from hospital_agent.analysis.ood.moments import feature_rows
from hospital_agent.analysis.ood.reference import rows_and_patients

HOW_TO_GET_ONE = (
    "No case was segmented with an activation autoencoder at the network's bottleneck; "
    "train one with: hospital-agent fit --method segmentation_distortion."
)


@dataclass(frozen=True)
class DistortionReference:
    """To what a distortion score belongs.

    Args:
        class_count: of the network, background included.
        case_count, patient_count: on how many it was seen.
    """

    class_count: int
    case_count: int
    patient_count: int
    name: ClassVar[str]
    needs: ClassVar[str] = "activation_autoencoder"

    @classmethod
    def fit_cases(cls, observations: Sequence[Observation], patients: Sequence[str]) -> Self:
        """From the class-wise means of training cases, one row a case.

        Raises:
            NoAutoencoder: no case was segmented with one; the sentence says how to get one.
            FeatureShapeError: networks with different numbers of classes, or not one patient a case.
        """
        refuse_without_autoencoder(observations)
        rows, _ = rows_and_patients(observations, patients)
        return cls(rows.shape[1], len(rows), len(set(patients)))

    def mean(self, by_class: NDArray[np.float64] | None) -> float | None:
        """Mean over classes, in [0, 2/C]; None for nothing.

        Raises:
            FeatureShapeError: of another number of classes.
        """
        if by_class is None:
            return None
        (row,) = feature_rows(by_class[None], self.class_count)
        return float(np.clip(row.mean(), 0.0, 2.0 / self.class_count))  # rounding may leave the range

    def state(self) -> State:
        """The three counts."""
        return {"counts": np.array([self.class_count, self.case_count, self.patient_count], dtype=np.float64)}

    @classmethod
    def from_state(cls, state: State) -> Self:
        """The score again.

        Raises:
            ModelMismatch: the counts are missing.
        """
        try:
            classes, cases, patients = (int(count) for count in state["counts"])
        except (KeyError, ValueError, TypeError) as problem:
            raise ModelMismatch(f"The fitted state of the OOD score '{cls.name}' is damaged.") from problem
        return cls(classes, cases, patients)


def refuse_without_autoencoder(observations: Sequence[Observation]) -> None:
    """Say how to get an autoencoder, where nothing was observed.

    Raises:
        NoAutoencoder: there is no observation.
    """
    if not any(len(rows) for rows in observations):
        raise NoAutoencoder(HOW_TO_GET_ONE)
