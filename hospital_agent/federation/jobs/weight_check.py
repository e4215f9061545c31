"""The shrinkage weight checked on left-out patients, by sums.

A site that knows the moments of everybody can take one of its own patients out of them and see how likely that
patient's rows are under the rest. The choice needs the mean and the spread of these likelihoods over all patients,
which are sums.
"""

from dataclasses import dataclass

import numpy as np

from hospital_agent.analysis.ood.gaussian import oas_weight
from hospital_agent.analysis.ood.moments import GaussianMoments
from hospital_agent.analysis.ood.patient_check import (
    CANDIDATE_WEIGHTS,
    FEWEST_PATIENTS,
    WeightChoice,
    left_out_log_likelihood,
)
from hospital_agent.federation.jobs import Bounds, Float64Array
from hospital_agent.federation.jobs.cohort import HEADING
from hospital_agent.federation.jobs.rows import LocalRows

LIMIT = 1000.0  # nats a feature: a patient who gains or loses more from a weight counts as this


@dataclass(frozen=True, eq=False)
class CheckOfWeight:
    """One round: how much more likely left-out patients are under each candidate than under the formula's weight.

    Args:
        moments: of all rows of all sites.
        patients: how many there are.
    """

    moments: GaussianMoments
    patients: int

    @property
    def candidates(self) -> tuple[float, ...]:
        """The formula's weight, and those that are tried against it."""
        return (oas_weight(self.moments), *CANDIDATE_WEIGHTS)

    @staticmethod
    def size() -> int:
        """Heading, patients of whom something can be told, sums of gains and of their squares."""
        return HEADING + 1 + 2 * (1 + len(CANDIDATE_WEIGHTS))

    @staticmethod
    def bounds() -> Bounds:
        """Gains are told in units of `LIMIT`, as shares of all patients."""
        return Bounds(1.0 + 1e-9, 16.0, 2.0**-50)

    def payload(self, data: LocalRows) -> Float64Array:
        """One site's sums, without the heading."""
        likelihood = left_out_log_likelihood(data.rows, list(data.patients), self.moments, self.candidates)
        scaled = (likelihood - likelihood[:, :1]) / (LIMIT * self.moments.dimension)
        gains = np.clip(scaled, -1.0, 1.0)
        sums = np.concatenate([[float(len(gains))], gains.sum(axis=0), np.square(gains).sum(axis=0)])
        shared: Float64Array = sums / self.patients
        return shared

    def choice(self, total: Float64Array) -> WeightChoice:
        """The decision of `choose_weight`, from the sums of all sites."""
        candidates = self.candidates
        told = round(total[HEADING] * self.patients)
        if told < FEWEST_PATIENTS:
            return WeightChoice(candidates[0], candidates[0])
        sums, squares = np.split(total[HEADING + 1 :] * self.patients, 2)
        means = sums / told
        best = int(np.argmax(means))
        variance = max(squares[best] - told * means[best] ** 2, 0.0) / (told - 1)
        unit = LIMIT * self.moments.dimension
        gain, error = float(means[best]) * unit, float(np.sqrt(variance / told)) * unit
        weight = candidates[best] if gain > error else candidates[0]
        return WeightChoice(weight, candidates[0], candidates[best], gain, error)
