"""Out-of-patient predictions: what a quality model says of cases whose patients it has never seen."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hospital_agent.analysis.errors import TooFewCases
from hospital_agent.analysis.quality import FAILED_BELOW_DICE
from hospital_agent.analysis.quality.bins import BinModel
from hospital_agent.analysis.quality.calibration import (
    FEWEST_PATIENTS_FOR_INTERVAL,
    Platt,
    conformal_quantile,
    flag_threshold,
)
from hospital_agent.analysis.quality.estimator import Estimator
from hospital_agent.analysis.quality.inputs import Encoding, Float64Array, QualityInput

FOLDS = 10
FEWEST_PATIENTS = 5


@dataclass(frozen=True, eq=False)
class Training:
    """The cases a quality model learns from; none has an empty mask.

    Args:
        table: (N, inputs) of `scaled_table`.
        inputs: what its columns are.
        dice: (N,) true Dice, in [0, 1].
        patients: (N,) whose case it is.
        groups: (N,) of which kind the case is, where figures are wanted for each kind.

    Raises:
        TooFewCases: fewer than five patients, or failures or successes in fewer than two of them.
    """

    table: Float64Array
    inputs: tuple[QualityInput, ...]
    dice: Float64Array
    patients: NDArray[np.str_]
    groups: NDArray[np.str_] | None = None

    def __post_init__(self) -> None:
        if self.patient_count < FEWEST_PATIENTS:
            raise TooFewCases(f"A quality model needs {FEWEST_PATIENTS} patients, and there are {self.patient_count}.")
        for kind, cases in (("failed", self.failed), ("good", ~self.failed)):
            if np.unique(self.patients[cases]).size < 2:
                raise TooFewCases(f"A quality model needs {kind} masks of at least two patients.")

    @property
    def failed(self) -> NDArray[np.bool_]:
        """(N,) whether Dice < 0.6."""
        return self.dice < FAILED_BELOW_DICE

    @property
    def patient_count(self) -> int:
        """Distinct patients."""
        return int(np.unique(self.patients).size)

    def part(self, cases: NDArray[np.bool_], columns: Sequence[int]) -> tuple[Float64Array, Float64Array]:
        """Table and Dice of some cases and inputs."""
        return self.table[cases][:, list(columns)], self.dice[cases]


@dataclass(frozen=True, eq=False)
class OutOfPatient:
    """Everything a model said of the cases it had not seen, in the order of the training cases.

    Args:
        log_odds: (N,) raw failure log-odds.
        dice, deviation: (N,) predicted Dice and the unit of its error, its SD where the estimator knows one.
        bins: (N,) likeliest bin.
        fold: (N,) in which round a case was left out.
    """

    log_odds: Float64Array
    dice: Float64Array
    deviation: Float64Array
    bins: NDArray[np.int64]
    fold: NDArray[np.int64]

    def conformal_scores(self, truth: Float64Array) -> Float64Array:
        """(N,) distance of the true Dice from the predicted one, in units of its error."""
        return np.abs(truth - self.dice) / self.deviation


@dataclass(frozen=True, eq=False)
class OutOfPatientDecisions:
    """Calibrated answers for each case, from calibrations on the cases of the other folds.

    The models that predicted those cases had seen this fold's patients, though, so the answers are nearly but not
    strictly out-of-patient.

    Args:
        probability: (N,) of failure.
        flagged: (N,).
        low, high: (N,) ends of the interval of Dice.
    """

    probability: Float64Array
    flagged: NDArray[np.bool_]
    low: Float64Array
    high: Float64Array


def fit_encoded(
    estimator: type[Estimator], table: Float64Array, dice: Float64Array, inputs: Sequence[QualityInput], seed: int = 0
) -> tuple[Encoding, Estimator]:
    """One fit of an estimator, on standardised columns.

    Raises:
        TooFewCases: all cases failed, or none, or no input varies.
    """
    encoding = Encoding.fit(table, inputs)
    used = [list(inputs).index(item) for item in encoding.inputs]
    failed = dice < FAILED_BELOW_DICE
    if not encoding.inputs or failed.all() or not failed.any():
        raise TooFewCases("A quality model needs failed and good masks, and an input that tells them apart.")
    return encoding, estimator.fit(encoding.columns(table[:, used]), dice, seed)


def folds_of(training: Training, seed: int) -> NDArray[np.int64]:
    """(N,) fold of each case: patients stay whole, and those with failures are dealt out evenly first."""
    names = np.random.default_rng(seed).permutation(np.unique(training.patients))
    failing = set(training.patients[training.failed])
    dealt = sorted(names, key=lambda name: name not in failing)
    fold_of = {name: i % FOLDS for i, name in enumerate(dealt)}
    return np.array([fold_of[name] for name in training.patients], dtype=np.int64)


def cross_fit(
    training: Training, columns: Sequence[int], seed: int, estimator: type[Estimator] = BinModel
) -> OutOfPatient:
    """Fit without each fold's patients, and predict them.

    Args:
        columns: which inputs to use.
        seed: of the deal of patients to folds, and of what an estimator draws.
        estimator: the part that learns.
    """
    fold = folds_of(training, seed)
    count = fold.size
    result = OutOfPatient(np.empty(count), np.empty(count), np.empty(count), np.empty(count, dtype=np.int64), fold)
    inputs = [training.inputs[i] for i in columns]
    for out in _each(fold):
        encoding, model = fit_encoded(estimator, *training.part(~out, columns), inputs, seed)
        used = [columns[inputs.index(item)] for item in encoding.inputs]
        held_out = encoding.columns(training.part(out, used)[0])
        result.log_odds[out] = model.failure_log_odds(held_out)
        result.dice[out], result.deviation[out] = model.expected_dice(held_out)
        result.bins[out] = model.likeliest_bin(held_out)
    return result


def decide(training: Training, said: OutOfPatient, specificity: float, level: float) -> OutOfPatientDecisions:
    """Calibrate, set the threshold and the interval without each fold, and apply them to it."""
    count = said.fold.size
    result = OutOfPatientDecisions(np.empty(count), np.empty(count, dtype=bool), np.zeros(count), np.ones(count))
    scores = said.conformal_scores(training.dice)
    enough = training.patient_count >= FEWEST_PATIENTS_FOR_INTERVAL
    for out in _each(said.fold):
        platt = Platt.fit(said.log_odds[~out], training.failed[~out])
        others = platt.probability(said.log_odds[~out])
        threshold = flag_threshold(others, training.failed[~out], specificity)
        result.probability[out] = platt.probability(said.log_odds[out])
        result.flagged[out] = result.probability[out] > threshold
        scale = conformal_quantile(scores[~out], training.patients[~out].tolist(), level) if enough else None
        if scale is not None:
            result.low[out] = np.maximum(said.dice[out] - scale * said.deviation[out], 0)
            result.high[out] = np.minimum(said.dice[out] + scale * said.deviation[out], 1)
    return result


def _each(fold: NDArray[np.int64]) -> Iterator[NDArray[np.bool_]]:
    return (fold == number for number in np.unique(fold))
