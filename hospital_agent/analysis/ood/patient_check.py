"""Whether the shrinkage weight holds on patients that the covariance has not seen.

The formula of the oracle approximating shrinkage takes rows for independent. Patches of one patient overlap and look
alike, so it believes in more evidence than there is and shrinks too little. Leaving out whole patients shows it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hospital_agent.analysis.errors import FeatureShapeError
from hospital_agent.analysis.ood.gaussian import oas_weight
from hospital_agent.analysis.ood.moments import Float64Array, GaussianMoments

CANDIDATE_WEIGHTS = tuple(float(weight) for weight in np.geomspace(1e-3, 1.0, 25))
FEWEST_PATIENTS = 3
NOTHING_LEFT = 1e-12  # share of the scatter below which what is left of it is rounding


@dataclass(frozen=True)
class WeightChoice:
    """The shrinkage weight that is used, and how it was come to.

    Args:
        weight: the weight in [0, 1] to use.
        oas: what the formula says for as many independent rows as there are patches.
        best: the candidate under which left-out patients are most likely; None with fewer than three patients.
        gain: mean log-likelihood a patch of a left-out patient gains from `best` over `oas`, in nats; >= 0.
        gain_error: standard error of `gain` over patients.
    """

    weight: float
    oas: float
    best: float | None = None
    gain: float = 0.0
    gain_error: float = 0.0


def choose_weight(rows: Float64Array, patients: Sequence[str], moments: GaussianMoments) -> WeightChoice:
    """The formula's weight, unless left-out patients clearly prefer another one.

    "Clearly" is a mean gain of more than one standard error over patients. With fewer than three patients there is
    nothing to check with, and the formula stands.

    Args:
        rows: (N, D) features.
        patients: the patient of each row.
        moments: of the same rows.

    Raises:
        FeatureShapeError: not one patient a row.
        TooFewCases: fewer than two different rows.
    """
    if len(patients) != rows.shape[0]:
        raise FeatureShapeError(f"{rows.shape[0]} rows of features need as many patients, not {len(patients)}.")
    formula = oas_weight(moments)
    if len(set(patients)) < FEWEST_PATIENTS:
        return WeightChoice(formula, formula)
    candidates = (formula, *CANDIDATE_WEIGHTS)
    likelihood = left_out_log_likelihood(rows, patients, moments, candidates)
    if likelihood.shape[0] < FEWEST_PATIENTS:
        return WeightChoice(formula, formula)
    best = int(np.argmax(likelihood.mean(axis=0)))
    gains = likelihood[:, best] - likelihood[:, 0]
    gain, error = float(gains.mean()), float(gains.std(ddof=1) / np.sqrt(gains.size))
    weight = candidates[best] if gain > error else formula
    return WeightChoice(weight, formula, candidates[best], gain, error)


def left_out_log_likelihood(
    rows: Float64Array, patients: Sequence[str], moments: GaussianMoments, weights: Sequence[float]
) -> Float64Array:
    """(patients, weights): mean log density of each patient's rows under the Gaussian of all other patients.

    Exact and quick: the covariance without a patient differs from the whole one by as many rank-one terms as the
    patient has rows, plus one for the mean, so one eigendecomposition serves all patients and weights (Woodbury).
    Patients stand in sorted order; one without whom the others do not vary tells nothing and is passed over.
    """
    spread, axes = moments.principal_axes
    coordinates = (rows - moments.mean) @ axes.T
    of_row = np.asarray(patients)
    each = [_log_likelihoods(coordinates[of_row == patient], spread, moments, weights) for patient in np.unique(of_row)]
    told = [one for one in each if one is not None]
    return np.array(told) if told else np.zeros((0, len(weights)))


def _log_likelihoods(
    own: Float64Array, spread: Float64Array, moments: GaussianMoments, weights: Sequence[float]
) -> Float64Array | None:
    """(weights,): mean log density of one patient's rows, given as coordinates (K, R) about the mean of all.

    With s the sum of the patient's rows and n the number of the others: their mean is -s/n, and their scatter is
    the whole scatter minus W.T W, where W stacks the patient's rows and s/sqrt(n).
    """
    others = moments.count - own.shape[0]
    if others == 0:
        return None
    removed = np.vstack([own, own.sum(axis=0) / np.sqrt(others)])
    held_out = own + own.sum(axis=0) / others
    scatter = spread * moments.count
    trace = (scatter.sum() - np.sum(np.square(removed))) / others
    if trace * others <= NOTHING_LEFT * scatter.sum():
        return None
    return np.array(
        [
            _mean_log_density(
                held_out=held_out,
                removed=removed,
                spread=scatter / others,
                trace=trace,
                others=others,
                weight=weight,
                dimension=moments.dimension,
            )
            for weight in weights
        ]
    )


def _mean_log_density(
    *,
    held_out: Float64Array,
    removed: Float64Array,
    spread: Float64Array,
    trace: float,
    others: int,
    weight: float,
    dimension: int,
) -> float:
    """Mean log density under (1 - weight) (diag(spread) - removed.T removed / others) + weight trace/D I."""
    floor = weight * trace / dimension
    variances = (1 - weight) * spread + floor
    scale = (1 - weight) / others
    inside = np.eye(removed.shape[0]) - scale * (removed / variances) @ removed.T
    across = (held_out / variances) @ removed.T
    distances = np.sum(np.square(held_out) / variances, axis=1)
    distances += scale * np.sum(across * np.linalg.solve(inside, across.T).T, axis=1)
    log_volume = np.sum(np.log(variances)) + (dimension - variances.size) * np.log(floor)
    log_volume += np.linalg.slogdet(inside)[1]
    return float(-0.5 * (dimension * np.log(2 * np.pi) + log_volume + distances.mean()))
