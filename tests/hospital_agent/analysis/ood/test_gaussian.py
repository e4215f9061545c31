"""Distances against scikit-learn where it is right, and better than it where it is blind."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.covariance import OAS, EmpiricalCovariance

from hospital_agent.analysis.errors import FeatureShapeError, TooFewCases
from hospital_agent.analysis.ood.gaussian import (
    CompactGaussian,
    DenseGaussian,
    fit_gaussian,
    gaussian_from_state,
    oas_weight,
)
from hospital_agent.analysis.ood.moments import GaussianMoments


def rows_of(count: int, dimension: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(count, dimension)) * np.linspace(0.2, 3, dimension) + 5


def test_two_axes_on_paper() -> None:
    corners = np.array([[1.0, 2.0], [1.0, -2.0], [-1.0, 2.0], [-1.0, -2.0]])  # variances 1 and 4
    gaussian = fit_gaussian(GaussianMoments.of(corners), 0.0)
    np.testing.assert_allclose(gaussian.squared_distances([[3.0, 0.0], [0.0, 4.0], [0.0, 0.0]]), [9.0, 4.0, 0.0])
    shrunk = fit_gaussian(GaussianMoments.of(corners), 0.5)  # halfway to 2.5 on both axes: 1.75 and 3.25
    np.testing.assert_allclose(shrunk.squared_distances([[1.0, 0.0], [0.0, 1.0]]), [1 / 1.75, 1 / 3.25])


def test_without_shrinkage_it_is_the_distance_of_scikit_learn() -> None:
    train, test = rows_of(300, 20), rows_of(50, 20, seed=1) * 1.5
    ours = fit_gaussian(GaussianMoments.of(train), 0.0)
    assert isinstance(ours, DenseGaussian)
    np.testing.assert_allclose(
        ours.squared_distances(test), EmpiricalCovariance().fit(train).mahalanobis(test), rtol=1e-8
    )


@pytest.mark.parametrize(
    ("count", "form"), [(15, CompactGaussian), (40, CompactGaussian), (41, DenseGaussian), (200, DenseGaussian)]
)
def test_shrunk_it_is_the_oas_of_scikit_learn_in_both_forms(count: int, form: type) -> None:
    train, test = rows_of(count, 40), rows_of(30, 40, seed=1) * 1.5
    reference = OAS().fit(train)
    moments = GaussianMoments.of(train)
    weight = oas_weight(moments)
    assert weight == pytest.approx(reference.shrinkage_, rel=1e-10)
    gaussian = fit_gaussian(moments, weight)
    assert isinstance(gaussian, form)
    np.testing.assert_allclose(gaussian.squared_distances(test), reference.mahalanobis(test), rtol=1e-8)


@given(count=st.integers(3, 30), dimension=st.integers(2, 40), weight=st.floats(0.01, 1.0), seed=st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_the_compact_form_is_exact(count: int, dimension: int, weight: float, seed: int) -> None:
    train, test = rows_of(count, dimension, seed), rows_of(5, dimension, seed + 1)
    covariance = np.cov(train, rowvar=False, bias=True)
    shrunk = (1 - weight) * covariance + weight * np.trace(covariance) / dimension * np.eye(dimension)
    centred = test - train.mean(axis=0)
    expected = np.sum(centred * np.linalg.solve(shrunk, centred.T).T, axis=1)
    gaussian = fit_gaussian(GaussianMoments.of(train), weight)
    np.testing.assert_allclose(gaussian.squared_distances(test), expected, rtol=1e-7)


def test_an_unfamiliar_case_in_the_null_space_scores_higher() -> None:
    rng = np.random.default_rng(0)
    train = np.zeros((50, 200))
    train[:, :100] = rng.normal(size=(50, 100))  # the other hundred features never varied in training
    familiar = np.zeros((20, 200))
    familiar[:, :100] = rng.normal(size=(20, 100))
    unfamiliar = familiar.copy()
    unfamiliar[:, 100:] = 3.0
    moments = GaussianMoments.of(train)
    gaussian = fit_gaussian(moments, oas_weight(moments))
    assert gaussian.squared_distances(unfamiliar).min() > gaussian.squared_distances(familiar).max()
    blind = EmpiricalCovariance().fit(train)  # the published choice sees no difference at all
    np.testing.assert_allclose(blind.mahalanobis(unfamiliar), blind.mahalanobis(familiar), rtol=1e-6)


@pytest.mark.parametrize("count", [30, 300])
def test_a_constant_feature_that_moves_raises_the_distance(count: int) -> None:
    train = rows_of(count, 40)
    train[:, 7] = 0.3
    moments = GaussianMoments.of(train)
    gaussian = fit_gaussian(moments, oas_weight(moments))
    case = np.repeat(train[:1], 4, axis=0)
    case[:, 7] = [0.3, 1.0, 10.0, 50.0]
    distances = gaussian.squared_distances(case)
    assert np.all(np.diff(distances) > 0)
    assert distances[-1] > 10 * distances[0]


@pytest.mark.parametrize("count", [30, 300])
def test_survives_its_own_state(count: int) -> None:
    moments = GaussianMoments.of(rows_of(count, 60))
    gaussian = fit_gaussian(moments, oas_weight(moments))
    again = gaussian_from_state(gaussian.state())
    test = rows_of(40, 60, seed=3) * 2
    np.testing.assert_allclose(again.squared_distances(test), gaussian.squared_distances(test), rtol=1e-4)


def test_a_triangle_too_uneven_for_float32_is_stored_in_float64() -> None:
    moments = GaussianMoments.of(rows_of(300, 3) * [1.0, 1e-6, 1e6])
    gaussian = fit_gaussian(moments, 0.0)
    assert gaussian.state()["triangle"].dtype == np.float64
    even = fit_gaussian(GaussianMoments.of(rows_of(300, 3)), 0.0)
    assert even.state()["triangle"].dtype == np.float32


def test_many_rows_give_what_each_row_gives() -> None:
    gaussian = fit_gaussian(GaussianMoments.of(rows_of(50, 4)), 0.1)
    rows = rows_of(2500, 4, seed=2)
    one_by_one = np.array([gaussian.squared_distances(row[None])[0] for row in rows[::100]])
    np.testing.assert_allclose(gaussian.squared_distances(rows)[::100], one_by_one)
    assert gaussian.squared_distances(np.zeros((0, 4))).shape == (0,)


def test_refuses_a_covariance_that_cannot_be_inverted() -> None:
    with pytest.raises(TooFewCases, match="more than 40 rows"):
        fit_gaussian(GaussianMoments.of(rows_of(20, 40)), 0.0)
    flat = rows_of(50, 3)
    flat[:, 2] = 1.0
    with pytest.raises(TooFewCases, match="singular"):
        fit_gaussian(GaussianMoments.of(flat), 0.0)
    for rows in (np.ones((1, 3)), np.ones((9, 3))):
        with pytest.raises(TooFewCases, match="two different rows"):
            fit_gaussian(GaussianMoments.of(rows), 0.5)
        with pytest.raises(TooFewCases, match="two different rows"):
            oas_weight(GaussianMoments.of(rows))
    with pytest.raises(ValueError, match="weight"):
        fit_gaussian(GaussianMoments.of(rows_of(9, 3)), 1.5)


@pytest.mark.parametrize("count", [10, 100])
def test_refuses_features_of_another_dimension(count: int) -> None:
    gaussian = fit_gaussian(GaussianMoments.of(rows_of(count, 20)), 0.5)
    with pytest.raises(FeatureShapeError, match="20 numbers a row and these features 19"):
        gaussian.squared_distances(np.zeros((2, 19)))
