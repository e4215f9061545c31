"""Leave-one-patient-out, against doing it the long way, and against patients that look like their own patches."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from hospital_agent.analysis.errors import FeatureShapeError
from hospital_agent.analysis.ood.moments import GaussianMoments
from hospital_agent.analysis.ood.patient_check import choose_weight, left_out_log_likelihood


def patches(patients: int, each: int, dimension: int, within: float, seed: int = 0) -> tuple[np.ndarray, list[str]]:
    """Rows of patients who differ from each other by 1 and whose patches differ by `within`."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(patients, 1, dimension)) * np.linspace(0.5, 2, dimension)
    rows = centres + within * rng.normal(size=(patients, each, dimension))
    return rows.reshape(-1, dimension), [f"p{i}" for i in range(patients) for _ in range(each)]


def long_way(rows: np.ndarray, patients: list[str], weight: float) -> np.ndarray:
    result = []
    for patient in np.unique(patients):
        own = np.asarray(patients) == patient
        covariance = np.cov(rows[~own], rowvar=False, bias=True)
        floor = weight * np.trace(covariance) / rows.shape[1]
        shrunk = (1 - weight) * covariance + floor * np.eye(rows.shape[1])
        result.append(multivariate_normal(rows[~own].mean(axis=0), shrunk).logpdf(rows[own]).mean())
    return np.array(result)


@pytest.mark.parametrize(("each", "dimension"), [(3, 40), (30, 8), (1, 12)])
def test_the_short_way_is_the_long_way(each: int, dimension: int) -> None:
    rows, patients = patches(6, each, dimension, within=0.7)
    weights = [0.01, 0.3, 1.0]
    short = left_out_log_likelihood(rows, patients, GaussianMoments.of(rows), weights)
    expected = np.column_stack([long_way(rows, patients, weight) for weight in weights])
    np.testing.assert_allclose(short, expected, rtol=1e-8)


def test_patches_that_repeat_their_patient_need_more_shrinkage_than_the_formula_says() -> None:
    rows, patients = patches(12, 40, 30, within=0.05)
    choice = choose_weight(rows, patients, GaussianMoments.of(rows))
    assert choice.best is not None
    assert choice.weight == choice.best > 2 * choice.oas
    assert choice.gain > choice.gain_error > 0


def test_the_formula_stands_where_rows_are_independent() -> None:
    rows = np.random.default_rng(3).normal(size=(200, 30)) * np.linspace(0.5, 2, 30)
    patients = [f"p{i}" for i in range(200)]
    choice = choose_weight(rows, patients, GaussianMoments.of(rows))
    assert choice.best is not None
    assert 0.2 < choice.best / choice.oas < 5
    assert choice.gain < 0.5


def test_fewer_than_three_patients_cannot_check_anything() -> None:
    rows, patients = patches(2, 20, 10, within=0.5)
    choice = choose_weight(rows, patients, GaussianMoments.of(rows))
    assert choice.best is None
    assert choice.weight == choice.oas


def test_refuses_rows_without_their_patients() -> None:
    with pytest.raises(FeatureShapeError, match="9 rows"):
        choose_weight(np.zeros((9, 2)), ["p"] * 8, GaussianMoments.zero(2))


def test_a_patient_without_whom_nothing_varies_is_passed_over() -> None:
    rows = np.array([[0.1, 0.2, 0.3], [0.1, 0.2, 0.3], [1.0, 2.0, 5.0]])
    moments = GaussianMoments.of(rows)
    assert left_out_log_likelihood(rows, ["a", "b", "c"], moments, [0.1, 1.0]).shape == (2, 2)
    choice = choose_weight(rows, ["a", "b", "c"], moments)
    assert (choice.weight, choice.best) == (choice.oas, None)
