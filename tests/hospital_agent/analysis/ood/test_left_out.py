"""The Gaussian without a patient: the one that is fitted to the other rows, by another way."""

import numpy as np
import pytest

from hospital_agent.analysis.errors import TooFewCases
from hospital_agent.analysis.ood.gaussian import fit_gaussian
from hospital_agent.analysis.ood.left_out import GaussianWithout
from hospital_agent.analysis.ood.moments import GaussianMoments


def rows(count: int, dimension: int) -> np.ndarray:
    random = np.random.default_rng([count, dimension])
    return random.standard_normal((count, dimension)) @ random.standard_normal((dimension, dimension)) + 3.0


@pytest.mark.parametrize(("count", "dimension"), [(60, 5), (12, 30), (9, 8), (5, 40)])
@pytest.mark.parametrize("weight", [0.02, 0.5, 1.0])
@pytest.mark.parametrize("gone", [1, 3])
def test_it_is_the_fit_to_the_other_rows(count: int, dimension: int, weight: float, gone: int) -> None:
    table = rows(count, dimension)
    fitted = fit_gaussian(GaussianMoments.of(table[gone:]), weight)
    without = GaussianWithout(GaussianMoments.of(table), table[:gone], weight)
    asked = np.vstack([table, rows(6, dimension) * 2])
    np.testing.assert_allclose(without.squared_distances(asked), fitted.squared_distances(asked), rtol=1e-6)
    np.testing.assert_allclose(without.mean, table[gone:].mean(axis=0), rtol=1e-10)
    assert without.dimension == dimension


def test_with_nobody_taken_out_it_is_the_whole_fit() -> None:
    table = rows(40, 4)
    moments = GaussianMoments.of(table)
    without = GaussianWithout(moments, table[:0], 0.1)
    np.testing.assert_allclose(
        without.squared_distances(table), fit_gaussian(moments, 0.1).squared_distances(table), rtol=1e-9
    )


def test_a_patient_lies_farther_from_the_others_than_from_all() -> None:
    table = rows(20, 4)
    moments = GaussianMoments.of(table)
    whole = fit_gaussian(moments, 0.1).squared_distances(table[:2])
    assert (GaussianWithout(moments, table[:2], 0.1).squared_distances(table[:2]) > whole).all()


@pytest.mark.parametrize(("kept", "weight"), [(0, 0.1), (1, 0.1), (5, 0.0)])
def test_what_cannot_be_fitted_is_refused(kept: int, weight: float) -> None:
    table = rows(8, 3)
    with pytest.raises(TooFewCases):
        GaussianWithout(GaussianMoments.of(table), table[kept:], weight)


def test_others_who_do_not_vary_are_refused() -> None:
    table = np.vstack([np.ones((5, 3)), rows(2, 3)])
    with pytest.raises(TooFewCases):
        GaussianWithout(GaussianMoments.of(table), table[5:], 0.1)
