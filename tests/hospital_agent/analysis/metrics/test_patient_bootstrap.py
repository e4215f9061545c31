"""The paired bootstrap over patients: by hand, against scipy, and the laws of its draws."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from hospital_agent.analysis.metrics.patient_bootstrap import (
    interval,
    mean_of_defined,
    patient_copies,
    weighted_means,
)


@pytest.mark.parametrize("by", ["counts", "names"])
@given(patients=st.integers(1, 6), draws=st.integers(1, 20), seed=st.integers(0, 9))
def test_a_draw_holds_as_many_patients_as_there_are_and_the_first_is_everyone(
    by: str, patients: int, draws: int, seed: int
) -> None:
    copies = patient_copies(patients, draws, seed, by)  # type: ignore[arg-type]
    assert copies.shape == (1 + draws, patients)
    assert (copies[0] == 1).all()
    assert (copies.sum(axis=1) == patients).all()
    assert (copies >= 0).all()
    assert np.array_equal(copies, patient_copies(patients, draws, seed, by))  # type: ignore[arg-type]


@pytest.mark.parametrize("by", ["counts", "names"])
def test_both_ways_of_drawing_have_one_distribution(by: str) -> None:
    """How often one of three is drawn: binomial with n = 3 and p = 1/3."""
    found = patient_copies(3, 6000, 1, by)[1:, 0]  # type: ignore[arg-type]
    told = [float((found == count).mean()) for count in range(4)]
    assert told == pytest.approx(list(stats.binom.pmf(range(4), 3, 1 / 3)), abs=0.02)


def test_a_patient_brings_all_values_by_hand() -> None:
    """Patient 0 has 1 and 2, patient 1 has 6: (1 + 2 + 6) / 3, then patient 0 twice, then patient 1 twice."""
    copies = np.array([[1.0, 1.0], [2.0, 0.0], [0.0, 2.0]])
    assert weighted_means([1.0, 2.0, 6.0], [0, 0, 1], copies) == pytest.approx([3.0, 1.5, 6.0])
    of_one = weighted_means([1.0, 2.0], [0, 0], copies)
    assert np.isnan(of_one).tolist() == [False, False, True], "none of its patients was drawn"
    assert mean_of_defined([of_one, np.array([0.5, 0.5, 8.0])]) == pytest.approx([1.0, 1.0, 8.0])


def test_an_interval_agrees_with_scipy_s_bootstrap() -> None:
    """With one value a patient it is the plain percentile bootstrap of a mean."""
    values = np.random.default_rng(3).normal(0.2, 1.0, 40)
    means = weighted_means(values.tolist(), range(40), patient_copies(40, 4000))
    assert means[0] == pytest.approx(values.mean())
    told = stats.bootstrap((values,), np.mean, n_resamples=4000, method="percentile", rng=np.random.default_rng(0))
    assert interval(means[1:]) == pytest.approx(tuple(told.confidence_interval), abs=0.03)


def test_what_most_draws_say_nothing_about_has_no_interval() -> None:
    known = np.linspace(0.0, 1.0, 90)
    assert interval(np.append(known, [np.nan] * 10)) == pytest.approx((0.025, 0.975))
    assert interval(np.append(known, [np.nan] * 11)) == (None, None)
    assert interval(np.array([])) == (None, None)
