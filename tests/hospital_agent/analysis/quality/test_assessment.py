"""Figures for the model card."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from hospital_agent.analysis.quality.assessment import ablation, assess, auroc
from hospital_agent.analysis.quality.cross_fit import Training, cross_fit, decide
from hospital_agent.analysis.quality.estimator import Estimator
from hospital_agent.analysis.quality.inputs import QualityInput, scaled_table
from hospital_agent.analysis.quality.ridge import RidgeLine
from hospital_agent.analysis.quality.svm import SupportVectorMachine
from tests.quality_cases import simulated_cases

INPUTS = (
    QualityInput("mean_entropy_foreground", "uncertainty"),
    QualityInput("mahalanobis_log10", "ood"),
    QualityInput("intensity_mode_hu", "features"),
)


@pytest.fixture(scope="module")
def training() -> Training:
    rows, dice, names = simulated_cases()
    return Training(scaled_table(rows, INPUTS), INPUTS, np.array(dice), np.array(names))


def test_auroc_is_that_of_scikit_learn_with_ties() -> None:
    rng = np.random.default_rng(0)
    scores, failed = rng.integers(0, 6, 300).astype(float), rng.random(300) < 0.3
    assert auroc(scores, failed) == pytest.approx(roc_auc_score(failed, scores))
    assert np.isnan(auroc(scores, np.zeros(300, dtype=bool)))


def test_every_figure_lies_inside_its_own_interval(training: Training) -> None:
    said = cross_fit(training, [0, 1, 2], seed=0)
    figures = assess(training, said, decide(training, said, 0.9, 0.9), seed=0)
    for name in ("predicted_dice_mae", "sensitivity", "specificity", "interval_coverage", "failure_auroc"):
        low, high = figures[name]["patient_bootstrap_95"]
        assert low <= figures[name]["value"] <= high
    assert figures["predicted_dice_mae"]["value"] < figures["mean_dice_guess_mae"]["value"]
    assert figures["failed_case_count"] == training.failed.sum()


def test_leaving_out_what_matters_hurts_and_noise_does_not(training: Training) -> None:
    table = ablation(training, [0, 1, 2])
    assert set(table) == {"all", *(item.name for item in INPUTS)}
    worth = {name: table["all"]["failure_auroc"] - table[name]["failure_auroc"] for name in table}  # type: ignore[operator]
    assert worth["mean_entropy_foreground"] > 0.05
    assert worth["mahalanobis_log10"] > 0.02
    assert abs(worth["intensity_mode_hu"]) < 0.01


@pytest.mark.parametrize("estimator", [RidgeLine, SupportVectorMachine])
def test_every_kind_is_measured_alike(training: Training, estimator: type[Estimator]) -> None:
    said = cross_fit(training, [0, 1, 2], seed=0, estimator=estimator)
    figures = assess(training, said, decide(training, said, 0.9, 0.9), seed=0)
    assert figures["specificity"]["value"] == pytest.approx(0.9, abs=0.05)
    assert figures["predicted_dice_mae"]["value"] < figures["mean_dice_guess_mae"]["value"]
    assert 0.85 < figures["interval_coverage"]["value"] < 0.95
    table = ablation(training, [0, 1, 2], estimator=estimator)
    assert table["all"]["failure_auroc"] == pytest.approx(figures["failure_auroc"]["value"])
    assert table["all"]["failure_auroc"] > table["mean_entropy_foreground"]["failure_auroc"] + 0.05  # type: ignore[operator]
