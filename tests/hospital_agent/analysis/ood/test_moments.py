"""Moments that add: streaming equals batch, whatever the order, in the factor form and in the dense form."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hospital_agent.analysis.errors import AnalysisError, FeatureShapeError, TooFewCases
from hospital_agent.analysis.ood import moments as moments_module
from hospital_agent.analysis.ood.moments import GaussianMoments


def rows_of(count: int, dimension: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(count, dimension)) @ rng.normal(size=(dimension, dimension)) + 50 * rng.normal(
        size=dimension
    )


def assert_same(first: GaussianMoments, second: GaussianMoments) -> None:
    scale = np.abs(second.scatter()).max() + 1e-12
    assert first.count == second.count
    np.testing.assert_allclose(first.mean, second.mean, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(first.scatter(), second.scatter(), atol=1e-10 * scale)


def test_three_numbers_on_paper() -> None:
    moments = GaussianMoments.of([[0.0], [2.0]]) + GaussianMoments.of([[4.0]])
    assert (moments.count, moments.mean.tolist()) == (3, [2.0])
    np.testing.assert_allclose(moments.scatter(), [[8.0]])
    assert moments.total_variance == pytest.approx(8 / 3)


@given(
    dimension=st.integers(1, 12),
    sizes=st.lists(st.integers(0, 9), min_size=1, max_size=6),
    seed=st.integers(0, 1000),
)
@settings(max_examples=80, deadline=None)
def test_streaming_equals_batch(dimension: int, sizes: list[int], seed: int) -> None:
    rows = rows_of(sum(sizes), dimension, seed)
    batches = np.split(rows, np.cumsum(sizes)[:-1])
    assert_same(GaussianMoments.of_batches(batches), GaussianMoments.of(rows))


def test_streaming_in_place_is_exact_across_blocks_of_columns_and_leaves_the_batches_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(moments_module, "COLUMNS_AT_ONCE", 7)
    rows = rows_of(90, 30)
    batches = np.split(rows, [40, 41, 41, 60])
    for batch in batches:
        batch.flags.writeable = False
    streamed = GaussianMoments.of_batches(batches)
    assert_same(streamed, GaussianMoments.of(rows))
    np.testing.assert_array_equal(streamed.scatter(), streamed.scatter().T)


@given(sizes=st.tuples(*[st.integers(0, 15)] * 3), seed=st.integers(0, 1000))
@settings(max_examples=60, deadline=None)
def test_addition_is_associative_and_commutative(sizes: tuple[int, int, int], seed: int) -> None:
    rows = rows_of(sum(sizes), 8, seed)
    a, b, c = (GaussianMoments.of(part) for part in np.split(rows, np.cumsum(sizes)[:-1]))
    assert_same((a + b) + c, a + (b + c))
    assert_same(a + b, b + a)
    assert_same(GaussianMoments.zero(8) + a, a)


def test_equals_the_covariance_of_numpy_in_both_forms() -> None:
    for count in (5, 40):
        rows = rows_of(count, 10)
        expected = np.cov(rows, rowvar=False, bias=True)
        np.testing.assert_allclose(GaussianMoments.of(rows).covariance(), expected, rtol=1e-9, atol=1e-9)


def test_stays_small_while_there_are_fewer_rows_than_dimensions() -> None:
    moments = GaussianMoments.of_batches([rows_of(7, 1000, seed) for seed in range(3)])
    assert moments.dense is None
    assert moments.factor.shape == (20, 1000)


def test_does_not_lose_a_small_spread_beside_a_large_mean() -> None:
    rows = 1e6 + np.random.default_rng(1).normal(size=(500, 3))
    moments = GaussianMoments.of_batches(np.split(rows, 50))
    np.testing.assert_allclose(moments.covariance(), np.cov(rows, rowvar=False, bias=True), atol=1e-8)


@pytest.mark.parametrize(
    "rows", [rows_of(9, 40), rows_of(60, 40), np.repeat(rows_of(5, 40), 3, axis=0), np.eye(12, 40)]
)
def test_principal_axes_are_orthonormal_and_give_the_covariance_back(rows: np.ndarray) -> None:
    moments = GaussianMoments.of(rows)
    spread, axes = moments.principal_axes
    np.testing.assert_allclose(axes @ axes.T, np.eye(len(axes)), atol=1e-8)
    scale = np.abs(moments.covariance()).max()
    np.testing.assert_allclose((axes.T * spread) @ axes, moments.covariance(), atol=1e-8 * scale)


def test_refuses_what_is_not_rows_of_finite_numbers_of_one_length() -> None:
    with pytest.raises(FeatureShapeError):
        GaussianMoments.of(np.zeros(3))
    with pytest.raises(AnalysisError, match="finite"):
        GaussianMoments.of([[np.inf, 0.0]])
    with pytest.raises(FeatureShapeError, match="3 and 4"):
        GaussianMoments.zero(3) + GaussianMoments.zero(4)
    with pytest.raises(TooFewCases):
        GaussianMoments.of_batches([])
    with pytest.raises(TooFewCases):
        GaussianMoments.zero(3).covariance()
    with pytest.raises(TooFewCases):
        _ = GaussianMoments.zero(3).principal_axes
