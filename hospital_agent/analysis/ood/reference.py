"""A Gaussian over the rows of training patients, with what it stands on: what the Mahalanobis scores share."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike

from hospital_agent.analysis.errors import FeatureShapeError, ModelMismatch, TooFewCases
from hospital_agent.analysis.ood import Observation, State
from hospital_agent.analysis.ood.gaussian import Gaussian, fit_gaussian, gaussian_from_state
from hospital_agent.analysis.ood.moments import Float64Array, GaussianMoments, feature_rows
from hospital_agent.analysis.ood.patient_check import WeightChoice, choose_weight
from shared.quantities import Quantity


@dataclass(frozen=True, eq=False)
class GaussianReference:
    """A Gaussian with a shrunk covariance, its weight checked on left-out patients.

    Args:
        gaussian: over the rows of training cases.
        row_count, patient_count: how many it was fitted on.
        weight: how the shrinkage weight was chosen.
    """

    gaussian: Gaussian
    row_count: int
    patient_count: int
    weight: WeightChoice

    @classmethod
    def fit(cls, features: ArrayLike, patients: Sequence[str]) -> Self:
        """From (N, D) rows and the patient of each row.

        Raises:
            FeatureShapeError: not a table of rows with one patient each.
            TooFewCases: fewer than two different rows.
        """
        rows = feature_rows(features)
        moments = GaussianMoments.of(rows)
        choice = choose_weight(rows, patients, moments)
        return cls(fit_gaussian(moments, choice.weight), moments.count, len(set(patients)), choice)

    def distances(self, features: ArrayLike) -> Float64Array:
        """(N,) squared distance of each row of (N, D) features, >= 0.

        Raises:
            FeatureShapeError: the rows are not of the fitted dimension.
        """
        return self.gaussian.squared_distances(features)

    def state(self) -> State:
        """Everything fitted, as arrays."""
        choice = self.weight
        best = -1.0 if choice.best is None else choice.best
        return {
            **self.gaussian.state(),
            "counts": np.array([self.row_count, self.patient_count], dtype=np.float64),
            "weight": np.array([choice.weight, choice.oas, best, choice.gain, choice.gain_error]),
        }

    @classmethod
    def from_state(cls, state: State) -> Self:
        """The reference again, from `state()`.

        Raises:
            KeyError, ValueError, IndexError, TypeError: an array is missing or of another shape (`named_if_damaged`).
        """
        rows, patients = (int(count) for count in state["counts"])
        weight, oas, best, gain, error = (float(number) for number in state["weight"])
        choice = WeightChoice(weight, oas, None if best < 0 else best, gain, error)
        return cls(gaussian_from_state(state), rows, patients, choice)


@contextmanager
def named_if_damaged(score: str) -> Iterator[None]:
    """Reading a score back from its state: what breaks on the way is told as damage to that score.

    Raises:
        ModelMismatch: an array was missing or of another shape.
    """
    try:
        yield
    except (KeyError, ValueError, IndexError, TypeError) as problem:
        raise ModelMismatch(f"The fitted state of the OOD score '{score}' is damaged.") from problem


def rows_and_patients(observations: Sequence[Observation], patients: Sequence[str]) -> tuple[Float64Array, list[str]]:
    """All rows of all cases under each other, and the patient of each row.

    Raises:
        FeatureShapeError: not one patient a case, or rows of different lengths.
        TooFewCases: no case.
    """
    if len(patients) != len(observations):
        raise FeatureShapeError(f"{len(observations)} cases need as many patients, not {len(patients)}.")
    if not any(len(rows) for rows in observations):
        raise TooFewCases("A reference needs features of training cases, and there are none.")
    dimension = next(rows.shape[-1] for rows in observations if len(rows))
    tables = [feature_rows(rows, dimension) for rows in observations]
    return np.concatenate(tables), [
        patient for rows, patient in zip(tables, patients, strict=True) for _ in range(len(rows))
    ]


@dataclass(frozen=True, eq=False)
class OfOneReference:
    """What scores share of which nothing is fitted but one Gaussian: how they are kept.

    Args:
        reference: the Gaussian of the training cases.
    """

    reference: GaussianReference

    quantity: ClassVar[Quantity]

    def state(self) -> State:
        """Everything fitted, as arrays."""
        return self.reference.state()

    @classmethod
    def from_state(cls, state: State) -> Self:
        """The fitted score again.

        Raises:
            ModelMismatch: the state lacks an array or holds one of another shape.
        """
        with named_if_damaged(cls.quantity.name):
            return cls(GaussianReference.from_state(state))
