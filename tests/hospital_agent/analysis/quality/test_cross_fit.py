"""Out-of-patient predictions: no patient stands on both sides, and too little is refused."""

import numpy as np
import pytest

from hospital_agent.analysis.errors import TooFewCases
from hospital_agent.analysis.quality.bins import BinModel
from hospital_agent.analysis.quality.cross_fit import FOLDS, Training, cross_fit, decide, fit_encoded, folds_of
from hospital_agent.analysis.quality.inputs import QualityInput, scaled_table
from tests.quality_cases import simulated_cases

A, B = QualityInput("a", "features"), QualityInput("b", "features")


def training(patients: int = 40, seed: int = 0) -> Training:
    rows, dice, names = simulated_cases(patients=patients, seed=seed)
    inputs = (QualityInput("mean_entropy_foreground", "uncertainty"), QualityInput("mahalanobis_log10", "ood"))
    return Training(scaled_table(rows, inputs), inputs, np.array(dice), np.array(names))


def test_patients_stay_whole_and_failures_are_spread() -> None:
    cases = training()
    fold = folds_of(cases, seed=0)
    for patient in np.unique(cases.patients):
        assert np.unique(fold[cases.patients == patient]).size == 1
    assert np.unique(fold).size == FOLDS
    assert all(cases.failed[fold == number].any() for number in range(FOLDS))


def test_a_value_that_names_the_patient_is_worth_nothing_out_of_patient() -> None:
    """A leak between the sides would make this useless input look perfect."""
    rng = np.random.default_rng(0)
    patients = np.repeat([f"p{i:02}" for i in range(30)], 5)
    dice = np.repeat(rng.permutation([0.3] * 15 + [0.9] * 15), 5)
    one_hot = np.equal.outer(patients, np.unique(patients)).astype(float)
    inputs = tuple(QualityInput(f"is_{i}", "features") for i in range(30))
    cases = Training(one_hot, inputs, dice, patients)
    said = cross_fit(cases, range(30), seed=0)
    encoding, fitted = fit_encoded(BinModel, one_hot, dice, inputs)
    within = fitted.failure_log_odds(encoding.columns(one_hot))
    assert np.all((within > 0) == cases.failed)  # seen patients: perfect
    assert abs(np.mean((said.log_odds > 0) == cases.failed) - 0.5) < 0.3  # unseen patients: a guess


def test_decisions_of_a_fold_do_not_depend_on_its_own_truth() -> None:
    cases = training()
    said = cross_fit(cases, [0, 1], seed=0)
    decided = decide(cases, said, 0.9, 0.9)
    out = said.fold == 3
    lied = Training(cases.table, cases.inputs, np.where(out, 1 - cases.dice, cases.dice), cases.patients)
    again = decide(lied, said, 0.9, 0.9)
    np.testing.assert_array_equal(decided.probability[out], again.probability[out])
    np.testing.assert_array_equal(decided.flagged[out], again.flagged[out])
    np.testing.assert_array_equal(decided.low[out], again.low[out])


def test_too_few_patients_for_an_interval_leave_it_open() -> None:
    cases = training(patients=8)
    decided = decide(cases, cross_fit(cases, [0, 1], seed=0), 0.9, 0.9)
    assert np.all(decided.low == 0)
    assert np.all(decided.high == 1)


@pytest.mark.parametrize(
    ("dice", "patients", "words"),
    [
        ([0.1, 0.9] * 2, ["a", "b", "c", "d"], "5 patients"),
        ([0.9] * 6, list("abcdef"), "failed masks of at least two"),
        ([0.1] * 6, list("abcdef"), "good masks of at least two"),
        ([0.1, 0.9, 0.9, 0.9, 0.9, 0.9], list("abcdef"), "failed masks of at least two"),
    ],
)
def test_refuses_too_little_to_learn_from(dice: list[float], patients: list[str], words: str) -> None:
    with pytest.raises(TooFewCases, match=words):
        Training(np.zeros((len(dice), 1)), (A,), np.array(dice), np.array(patients))


def test_refuses_inputs_that_never_vary() -> None:
    with pytest.raises(TooFewCases, match="tells them apart"):
        fit_encoded(BinModel, np.ones((6, 2)), np.array([0.1, 0.9] * 3), (A, B))
