"""What each kind of quality model is worth on patients that it has not seen, and why the heir's trees are boosted.

    python -m benchmarks.quality_models

Simulated patients (tests/quality_cases.py). Every kind is cross-fitted by patient on the same folds with the same
columns; beside them stand a random forest and the guess of the mean Dice. `sens` and `spec` are those of the flag at
a wanted specificity of 0.9; `width` is that of the 90 % interval; `micro` is the 2021 paper's micro-specificity, of
which a random guess has 0.80.
"""

from dataclasses import dataclass
from time import process_time
from typing import Any

import numpy as np

from hospital_agent.analysis.metrics.detection import published_micro_specificity, sensitivity, specificity
from hospital_agent.analysis.quality import quality_models
from hospital_agent.analysis.quality.assessment import auroc
from hospital_agent.analysis.quality.bins import bins_of
from hospital_agent.analysis.quality.cross_fit import Training, cross_fit, decide
from hospital_agent.analysis.quality.estimator import Estimator, Regressor
from hospital_agent.analysis.quality.fitting import training_cases
from hospital_agent.analysis.quality.inputs import Float64Array
from hospital_agent.analysis.quality.viewed import ViewedQualityModel
from tests.quality_cases import simulated_cases

SEEDS = 3


@dataclass(frozen=True, eq=False)
class RandomForest(Regressor):
    """scikit-learn's random forest; it stands here to be compared with and is not stored."""

    fitted: Any

    @classmethod
    def fit(cls, columns: Float64Array, dice: Float64Array, seed: int) -> "RandomForest":
        """100 trees, at least two cases a leaf, two thirds of the columns at a split."""
        from sklearn.ensemble import RandomForestRegressor

        trees = RandomForestRegressor(100, min_samples_leaf=2, max_features=2 / 3, random_state=seed)
        return cls(trees.fit(columns, dice))

    def dice(self, columns: Float64Array) -> Float64Array:
        """(N,) predicted Dice, not yet cut off."""
        return np.asarray(self.fitted.predict(columns))


def measure(training: Training, estimator: type[Estimator]) -> list[float]:
    """AUROC, MAE, sensitivity, specificity, width of the interval, micro-specificity, CPU seconds of the cross-fit."""
    begun = process_time()
    said = cross_fit(training, range(len(training.inputs)), 0, estimator)
    spent = process_time() - begun
    decided = decide(training, said, 0.9, 0.9)
    found, spared = sensitivity(decided.flagged, training.failed), specificity(decided.flagged, training.failed)
    return [
        auroc(said.log_odds, training.failed),
        float(np.mean(np.abs(said.dice - training.dice))),
        np.nan if found is None else found.estimate,
        np.nan if spared is None else spared.estimate,
        float(np.mean(decided.high - decided.low)),
        published_micro_specificity(bins_of(training.dice), said.bins),
        spent,
    ]


def main() -> None:
    """Print one table for few patients and one for many."""
    kinds: dict[str, Any] = {
        name: kind.estimator
        for name, kind in quality_models.load("hospital_agent.analysis.quality").items()
        if isinstance(kind, type) and issubclass(kind, ViewedQualityModel)
    }
    for patients in (24, 60):
        sets = [training_cases(*simulated_cases(patients=patients, seed=seed)) for seed in range(SEEDS)]
        guess = np.mean([np.abs(one.dice - one.dice.mean()).mean() for one in sets])
        print(f"\n{patients} patients, {sets[0].dice.size} cases, {SEEDS} seeds; MAE of the mean Dice {guess:.3f}")
        print(
            f"{'':22}" + "".join(f"{head:>8}" for head in ("AUROC", "MAE", "sens", "spec", "width", "micro", "CPU s"))
        )
        for name, estimator in {**kinds, "(random forest)": RandomForest}.items():
            row = np.mean([measure(one, estimator) for one in sets], axis=0)
            print(f"{name:22}" + "".join(f"{value:8.3f}" for value in row), flush=True)


if __name__ == "__main__":
    main()
