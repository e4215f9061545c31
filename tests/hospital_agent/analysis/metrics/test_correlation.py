"""Rank correlation against scipy, and where there is none."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from hospital_agent.analysis.metrics.correlation import spearman


def test_by_hand_with_a_tie() -> None:
    # Ranks 1, 2.5, 2.5, 4 against 1, 2, 3, 4: covariance 4.5 of sqrt(4.5 x 5).
    assert spearman([0, 7, 7, 9], [1, 2, 3, 4]) == pytest.approx(4.5 / np.sqrt(4.5 * 5))


@settings(max_examples=100, deadline=None)
@given(pairs=st.lists(st.tuples(st.integers(0, 6), st.floats(0, 1)), min_size=3, max_size=40))
def test_is_what_scipy_gives(pairs: list[tuple[int, float]]) -> None:
    scores, risks = zip(*pairs, strict=True)
    found = spearman(scores, risks)
    if len(set(scores)) == 1 or len(set(risks)) == 1:
        assert found is None
        return
    assert found == pytest.approx(spearmanr(scores, risks).statistic)
    assert -1 <= found <= 1
    assert spearman(risks, scores) == pytest.approx(found)
    assert spearman([-score for score in scores], risks) == pytest.approx(-found)
    assert spearman([score**3 + 1 for score in scores], risks) == found


def test_a_case_without_a_value_is_left_out() -> None:
    assert spearman([1, None, 2, 3], [0.1, 0.9, None, 0.2]) is None
    assert spearman([1, None, 2, 3, 4], [0.1, 0.9, 0.05, 0.2, None]) == pytest.approx(0.5)
    assert spearman([1.0, 2.0, float("inf")], np.array([3.0, 2.0, 1.0])) == -1


@pytest.mark.parametrize(
    ("scores", "risks"), [([], []), ([1], [1]), ([1, 2], [1, 2]), ([1, 1, 1], [1, 2, 3]), ([1, 2, 3], [0.1] * 3)]
)
def test_few_or_equal_values_have_no_order(scores: list, risks: list) -> None:
    assert spearman(scores, risks) is None


def test_other_lengths_and_nan_are_refused() -> None:
    with pytest.raises(ValueError, match="shorter"):
        spearman([1, 2, 3], [1, 2])
    with pytest.raises(ValueError, match="None, not NaN"):
        spearman([1, 2, float("nan")], [1, 2, 3])
