"""Shares of an answer: they sum to it, are exact for sums, and fair between columns that do the same."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hospital_agent.analysis.quality.attribution import by_owner, contributions
from hospital_agent.analysis.quality.inputs import Float64Array


def bent(columns: Float64Array) -> Float64Array:
    """Steps, a product, and a column that does nothing."""
    answer: Float64Array = np.where(columns[:, 0] > 0.3, 2.0, 0.0) + columns[:, 1] * columns[:, 2] + 0 * columns[:, 3]
    return answer


def test_a_sum_is_shared_exactly() -> None:
    weights, start, case = np.array([2.0, -1.0, 0.0]), np.array([1.0, 1.0, 1.0]), np.array([3.0, 0.0, 9.0])
    np.testing.assert_allclose(contributions(lambda c: c @ weights, start, case), [4.0, 1.0, 0.0], atol=1e-12)


def test_a_product_is_shared_in_halves_and_an_idle_column_gets_nothing() -> None:
    shares = contributions(bent, np.zeros(4), np.array([1.0, 2.0, 3.0, 7.0]))
    np.testing.assert_allclose(shares, [2.0, 3.0, 3.0, 0.0], atol=1e-12)  # x y = 6: each order has its reverse


@given(seed=st.integers(0, 999), size=st.floats(0, 5))
@settings(max_examples=50, deadline=None)
def test_shares_sum_to_the_difference_whatever_the_form(seed: int, size: float) -> None:
    start, case = np.random.default_rng(seed).normal(size=(2, 4)) * size
    told = bent(np.stack([case, start]))
    assert contributions(bent, start, case).sum() == pytest.approx(told[0] - told[1], abs=1e-9)


def test_columns_of_one_input_are_added() -> None:
    assert by_owner(np.array([1.0, 2.0, 4.0]), ["a", "b", "a"]) == {"a": 5.0, "b": 2.0}
