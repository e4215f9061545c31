import numpy as np
import pytest

from hospital_agent.analysis.metrics.risk_coverage import risk_coverage
from hospital_agent.evaluation.plots.risk_coverage import draw, selective_risk

SCORES, RISK = np.array([1.0, 2, 2, 3]), np.array([0.1, 0.6, 0.2, 0.9])


def test_the_curve_by_hand_and_its_mean_is_the_area():
    curve = selective_risk(SCORES, RISK)
    assert curve == pytest.approx([0.1, 0.25, 0.3, 0.45])
    assert curve.mean() == pytest.approx(risk_coverage(SCORES, 1 - RISK).aurc)


def test_best_and_random_order_are_drawn_beside():
    pytest.importorskip("matplotlib")
    (axis,) = draw({"s": (SCORES, RISK)}).axes
    own, best, random = axis.get_lines()
    assert own.get_ydata() == pytest.approx(selective_risk(SCORES, RISK))
    assert np.all(np.asarray(best.get_ydata()) <= np.asarray(own.get_ydata()) + 1e-12)
    assert random.get_ydata()[0] == pytest.approx(RISK.mean())
