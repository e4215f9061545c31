"""Calibration by hand, against scikit-learn, and near a boundary whose voxels can be counted."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve

from hospital_agent.analysis.errors import GeometryMismatch
from hospital_agent.analysis.metrics.calibration import Calibration, boundary_calibration, calibration, esce


def softmax_of(foreground: np.ndarray) -> np.ndarray:
    return np.stack([1 - foreground, foreground])


def test_four_voxels_by_hand() -> None:
    right = np.array([True, True, True, False])
    assert calibration(np.array([0.75, 0.75, 0.5, 0.5]), right) == Calibration(0.125, 0.25, 4)


def test_an_upper_edge_belongs_to_its_bin_and_a_lower_one_to_the_bin_below() -> None:
    # In one bin the two errors cancel; in two they do not.
    right = np.array([True, False])
    assert calibration(np.array([0.6, 0.55]), right).ece == pytest.approx(abs(1 - 0.6 + 0 - 0.55) / 2)
    assert calibration(np.array([0.6, 0.61]), right).ece == pytest.approx((0.4 + 0.61) / 2)
    assert calibration(np.array([0.0, 0.1]), right).ece == pytest.approx(abs(1 - 0.1) / 2)
    assert calibration(np.array([1.0, 0.91]), right).ece == pytest.approx(0.91 / 2)


def test_someone_who_is_right_as_often_as_he_says_is_calibrated() -> None:
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.5, 1, 400_000)
    right = rng.random(400_000) < confidence
    found = calibration(confidence, right)
    assert found.mce < 0.01
    overconfident = calibration(np.minimum(confidence + 0.1, 1), right)
    assert overconfident.ece == pytest.approx(0.09, abs=0.003)  # 0.1, less what is cut off at 1


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 9999), n=st.integers(1, 300), decimals=st.integers(1, 4))
def test_is_what_the_curve_of_scikit_learn_gives(seed: int, n: int, decimals: int) -> None:
    rng = np.random.default_rng(seed)
    confidence, right = rng.random(n).round(decimals), rng.random(n) < 0.6
    shares, confidences = calibration_curve(right, confidence, n_bins=10)
    gaps = np.abs(shares - confidences)
    of_bin = np.searchsorted(np.linspace(0, 1, 11)[1:-1], confidence)
    sizes = np.bincount(of_bin)[np.unique(of_bin)]
    found = calibration(confidence, right)
    assert found.mce == pytest.approx(gaps.max())
    assert found.ece == pytest.approx((sizes * gaps).sum() / n)
    assert 0 <= found.ece <= found.mce <= 1


def test_without_voxels_there_is_no_calibration() -> None:
    assert calibration(np.zeros(0), np.zeros(0, bool)) is None


@pytest.mark.parametrize(("within", "count"), [(1, 2), (1.9, 2), (2, 4), (3, 6), (10, 20), (40, 29)])
def test_voxels_on_both_sides_of_a_plane_are_judged(within: float, count: int) -> None:
    reference = np.zeros((29, 1, 1), int)
    reference[14:] = 1  # 14 voxels of background, 15 of foreground
    found = boundary_calibration(softmax_of(np.full((29, 1, 1), 0.8)), reference, within)
    assert found.voxel_count == count
    right = (found.voxel_count - min(within // 1, 14)) / found.voxel_count
    assert found.ece == pytest.approx(abs(0.8 - right))


def test_a_single_voxel_is_judged_within_a_ball() -> None:
    reference = np.zeros((41, 41, 41), int)
    reference[20, 20, 20] = 2
    softmax = np.zeros((3, 41, 41, 41), np.float32)
    softmax[0] = 1
    z, y, x = np.ogrid[-20:21, -20:21, -20:21]
    in_ball = int((z**2 + y**2 + x**2 <= 100).sum())
    found = boundary_calibration(softmax, reference)
    assert found.voxel_count == in_ball
    assert found.ece == pytest.approx(1 / in_ball)


def test_a_boundary_at_the_corner_is_judged_as_in_the_whole_grid() -> None:
    rng = np.random.default_rng(3)
    softmax = rng.dirichlet([1, 1, 1], (20, 18, 16)).transpose(3, 0, 1, 2)
    reference = np.zeros((20, 18, 16), int)
    reference[:2, :3, 13:] = rng.integers(1, 3, (2, 3, 3))
    padded_softmax = np.pad(softmax, ((0, 0), (0, 30), (0, 30), (30, 0)), constant_values=1)
    padded = np.pad(reference, ((0, 30), (0, 30), (30, 0)))
    inside = (slice(None), slice(0, 20), slice(0, 18), slice(30, 46))
    for within in (1, 4):
        assert boundary_calibration(softmax, reference, within) == boundary_calibration(
            padded_softmax[inside], padded[inside[1:]], within
        )
        assert boundary_calibration(padded_softmax, padded, within).voxel_count >= 18


def test_the_class_that_is_most_likely_must_be_the_references() -> None:
    reference = np.array([0, 1, 2, 2]).reshape(4, 1, 1)
    answer = np.array([[0.7, 0.2, 0.1], [0.2, 0.1, 0.7], [0.1, 0.2, 0.7], [0.1, 0.2, 0.7]])
    found = boundary_calibration(answer.T.reshape(3, 4, 1, 1), reference)
    assert (found.voxel_count, found.ece) == (4, pytest.approx(0.05))  # three of four right, at 0.7


def test_without_a_boundary_there_is_no_calibration() -> None:
    softmax = softmax_of(np.full((3, 4, 5), 0.3))
    assert boundary_calibration(softmax, np.zeros((3, 4, 5), int)) is None
    assert boundary_calibration(softmax, np.ones((3, 4, 5), int)) is None


def test_other_grids_are_refused() -> None:
    with pytest.raises(GeometryMismatch):
        boundary_calibration(softmax_of(np.ones((3, 4, 5))), np.ones((3, 4, 6), int))


def test_esce_by_hand() -> None:
    uncertainty = np.array([0.0, 0.05, 0.5, 1.0])
    dice = np.array([0.9, 0.8, 0.7, 0.1])
    # Bins of confidence: (0.9, 1] holds 1 and 0.95, (0.4, 0.5] holds 0.5, [0, 0.1] holds 0.
    assert esce(uncertainty, dice) == pytest.approx(2 / 4 * 0.125 + 1 / 4 * 0.2 + 1 / 4 * 0.1)


def test_esce_calls_one_minus_dice_calibrated_and_its_inverse_not() -> None:
    dice = np.linspace(0, 1, 101)
    assert esce(1 - dice, dice) == pytest.approx(0)
    assert esce(dice, dice) == pytest.approx(np.abs(2 * dice - 1).mean(), abs=0.01)


def test_esce_rewards_a_score_clipped_at_one_for_every_failure_only_where_failures_are_complete() -> None:
    uncertainty = np.array([0.1] * 5 + [1.0] * 5)
    assert esce(uncertainty, np.array([0.9] * 5 + [0.0] * 5)) == pytest.approx(0)
    assert esce(uncertainty, np.array([0.9] * 5 + [0.5] * 5)) == pytest.approx(0.25)


def test_esce_without_subjects_is_undefined_and_with_other_lengths_refused() -> None:
    assert esce(np.zeros(0), np.zeros(0)) is None
    with pytest.raises(ValueError, match="one Dice"):
        esce(np.zeros(2), np.zeros(3))
