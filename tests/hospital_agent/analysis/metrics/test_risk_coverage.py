"""Risk and coverage by hand, by trying all orders of ties, and as laws."""

from itertools import pairwise, permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hospital_agent.analysis.metrics.risk_coverage import admitted, risk_coverage

dice_lists = st.lists(st.floats(0, 1), min_size=1, max_size=40)


def naive(order: list[int], dice: np.ndarray) -> float:
    """Let cases through one by one."""
    risks = [1 - dice[case] for case in order]
    return float(np.mean([np.mean(risks[: k + 1]) for k in range(len(risks))]))


def test_three_cases_by_hand() -> None:
    found = risk_coverage(np.array([1, 2, 3]), np.array([1.0, 0.7, 0.1]))
    assert found.aurc == found.oracle == pytest.approx((0 + 0.15 + 0.4) / 3)
    assert found.random == pytest.approx(0.4)
    assert (found.excess, found.normalised) == (0, 1)
    worst = risk_coverage(np.array([3, 2, 1]), np.array([1.0, 0.7, 0.1]))
    assert worst.aurc == pytest.approx((0.9 + 0.6 + 0.4) / 3)
    assert worst.excess == pytest.approx((0.9 + 0.45 + 0) / 3)
    assert worst.normalised == pytest.approx((0.4 - 1.9 / 3) / (0.4 - 0.55 / 3))


@settings(max_examples=30, deadline=None)
@given(scores=st.lists(st.integers(0, 2), min_size=1, max_size=6), seed=st.integers(0, 9999))
def test_ties_enter_as_the_mean_over_all_their_orders(scores: list[int], seed: int) -> None:
    dice = np.random.default_rng(seed).random(len(scores))
    orders = [
        order for order in permutations(range(len(scores))) if all(scores[a] <= scores[b] for a, b in pairwise(order))
    ]
    found = risk_coverage(np.array(scores), dice)
    assert found.aurc == pytest.approx(np.mean([naive(list(order), dice) for order in orders]))


@settings(max_examples=60, deadline=None)
@given(dice=dice_lists, seed=st.integers(0, 9999))
def test_laws(dice: list[float], seed: int) -> None:
    truth = np.array(dice)
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 10, len(dice)) / 4
    found = risk_coverage(scores, truth)
    best, worst = risk_coverage(1 - truth, truth), risk_coverage(truth, truth)
    constant = risk_coverage(np.zeros(len(dice)), truth)
    assert -1e-12 <= best.aurc - 1e-12 <= found.aurc <= worst.aurc + 1e-12 <= 1 + 1e-9
    assert found.excess >= -1e-12
    assert best.excess == 0
    assert constant.aurc == pytest.approx(constant.random)
    if found.normalised is None:
        assert np.ptp(truth) < 1e-6
        return
    assert best.normalised == 1
    assert constant.normalised == pytest.approx(0, abs=1e-6)
    assert worst.normalised < 0
    for monotone in (np.exp, np.arctan, lambda values: 5 * values - 3):
        assert risk_coverage(monotone(scores), truth) == found
    order = rng.permutation(len(dice))
    assert risk_coverage(scores[order], truth[order]).aurc == pytest.approx(found.aurc)


def test_a_score_that_cannot_tell_is_random_on_average() -> None:
    rng = np.random.default_rng(0)
    dice = rng.random(60)
    values = [risk_coverage(rng.permutation(60), dice).normalised for _ in range(400)]
    assert np.mean(values) == pytest.approx(0, abs=0.03)


def test_differs_from_the_trapezoid_in_the_weight_of_the_ends_and_in_the_width() -> None:
    rng = np.random.default_rng(1)
    scores, dice = rng.random(50), rng.random(50)
    risks = np.cumsum((1 - dice)[np.argsort(scores)]) / np.arange(1, 51)
    trapezoid = np.trapezoid(risks, np.arange(1, 51) / 50)
    found = risk_coverage(scores, dice).aurc
    assert trapezoid == pytest.approx(found - (risks[0] + risks[-1]) / 2 / 50)
    assert trapezoid < found


def test_the_admitted_have_their_mean_spread_and_coverage() -> None:
    scores, dice = np.array([1.0, 2.0, 3.0, 4.0]), np.array([0.9, 0.7, 0.2, 0.1])
    found = admitted(scores, dice, 2.0)
    assert (found.coverage, found.mean_dice, found.sd_dice) == (0.5, pytest.approx(0.8), pytest.approx(0.1))
    assert admitted(scores, dice, 9.0).coverage == 1


def test_where_none_is_admitted_coverage_is_zero_and_dice_undefined() -> None:
    found = admitted(np.array([1.0, 2.0]), np.array([0.5, 0.6]), 0.5)
    assert (found.coverage, found.mean_dice, found.sd_dice) == (0, None, None)
    assert admitted(np.zeros(0), np.zeros(0), 0.5) is None


def test_infinite_scores_are_the_most_suspicious() -> None:
    assert risk_coverage(np.array([np.inf, 1.0, -np.inf]), np.array([0.0, 0.5, 1.0])).normalised == 1


def test_undefined_answers() -> None:
    assert risk_coverage(np.zeros(0), np.zeros(0)) is None
    same = risk_coverage(np.array([1.0, 2.0]), np.array([0.7, 0.7]))
    assert same.normalised is None
    assert same.aurc == same.random == pytest.approx(0.3)
    assert risk_coverage(np.array([1.0]), np.array([0.7])).normalised is None


@pytest.mark.parametrize(
    ("scores", "dice"), [([1.0], [0.5, 0.6]), ([np.nan, 1], [0.5, 0.6]), ([0.0, 1], [np.nan, 0.6])]
)
def test_missing_values_are_refused(scores: list, dice: list) -> None:
    with pytest.raises(ValueError, match="risk-coverage"):
        risk_coverage(np.array(scores), np.array(dice))
    with pytest.raises(ValueError, match="risk-coverage"):
        admitted(np.array(scores), np.array(dice), 1.0)
