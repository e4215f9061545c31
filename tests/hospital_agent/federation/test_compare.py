"""Judging a version: what a fitted Gaussian still says of its moments, ranks, and left-out patients."""

from typing import Any

import numpy as np
import pytest
from scipy.stats import spearmanr

from hospital_agent.analysis.errors import TooFewCases
from hospital_agent.analysis.ood.gaussian import fit_gaussian, gaussian_from_state
from hospital_agent.analysis.ood.moments import GaussianMoments
from hospital_agent.federation.compare import moments_of, rank_correlation


@pytest.mark.parametrize(("count", "dimension"), [(60, 6), (8, 30)])
@pytest.mark.parametrize("weight", [0.01, 0.4, 0.9])
@pytest.mark.parametrize("kept", [False, True])
def test_a_shrunk_gaussian_still_says_its_moments(count: int, dimension: int, weight: float, kept: bool) -> None:
    rng = np.random.default_rng(count)
    moments = GaussianMoments.of(rng.standard_normal((count, dimension)) @ rng.standard_normal((dimension, dimension)))
    gaussian: Any = fit_gaussian(moments, weight)
    if kept:
        gaussian = gaussian_from_state(gaussian.state())
    found = moments_of(gaussian, count, weight)
    tolerance = 1e-4 if kept else 1e-9
    np.testing.assert_allclose(found.scatter(), moments.scatter(), atol=tolerance * np.abs(moments.scatter()).max())
    np.testing.assert_array_equal(found.mean, moments.mean)


def test_one_that_is_shrunk_all_the_way_does_not() -> None:
    moments = GaussianMoments.of(np.random.default_rng(0).standard_normal((20, 3)))
    with pytest.raises(TooFewCases):
        moments_of(fit_gaussian(moments, 1.0), 20, 1.0)


def test_ranks_are_those_of_scipy_with_ties() -> None:
    rng = np.random.default_rng(1)
    one, other = rng.integers(0, 5, 30).astype(float), rng.normal(size=30)
    assert rank_correlation(one, other) == pytest.approx(spearmanr(one, other).statistic)


@pytest.mark.parametrize("values", [np.arange(4.0), np.ones(9), np.zeros(0)])
def test_too_little_to_rank_is_none(values: np.ndarray) -> None:
    assert rank_correlation(values, np.arange(float(len(values)))) is None
