import numpy as np
import pytest

from hospital_agent.evaluation.plots.calibration import draw

pytest.importorskip("matplotlib")


def test_observed_shares_are_those_of_the_bins():
    probability = np.array([0.1, 0.1, 0.9, 0.9, 0.9, 0.9])
    failed = np.array([False, True, True, True, True, False])
    dice = np.array([0.9, 0.5, 0.1, 0.2, 0.3, 0.8])
    shifted = np.array([False, False, True, True, True, True])
    left, right = draw((probability, failed), (dice + 0.1, dice, shifted), "fused", is_probability=True).axes
    points = [line.get_xydata()[0] for line in left.get_lines() if line.get_marker() == "o"]
    assert np.allclose(points, [(0.1, 0.5), (0.9, 0.75)])
    assert right.get_title(loc="left") == "mean absolute error 0.100"
    assert {text.get_text() for text in left.texts} == {"2", "4"}


def test_a_score_that_is_no_probability_promises_no_diagonal():
    told = (np.array([0.2]), np.array([True]))
    left, _ = draw(told, (np.array([0.8]), np.array([0.7]), np.array([True])), "s", is_probability=False).axes
    assert not [line for line in left.get_lines() if line.get_linestyle() == "--"]
    assert left.get_xlabel().startswith("score")
