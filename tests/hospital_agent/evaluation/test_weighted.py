import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr
from sklearn.metrics import roc_curve

from hospital_agent.analysis.metrics.risk_coverage import risk_coverage
from hospital_agent.evaluation.weighted import MEASURES, Resamples


def resamples(copies, risk, failed, owner=None) -> Resamples:
    copies = np.asarray(copies, dtype=np.float64)
    owner = np.arange(len(copies)) if owner is None else np.asarray(owner)
    return Resamples(copies, owner, np.asarray(risk, dtype=np.float64), np.asarray(failed, dtype=np.bool_))


def test_the_best_order_is_1_the_worst_is_below_0_and_one_score_for_all_is_random():
    draws = resamples([[1], [1], [1]], [0.0, 0.5, 1.0], [False, False, True])
    assert draws.statistics(np.array([1.0, 2, 3]))["normalised_aurc"] == pytest.approx(1)
    assert draws.statistics(np.array([3.0, 2, 1]))["normalised_aurc"] < 0
    assert draws.statistics(np.array([5.0, 5, 5]))["normalised_aurc"] == pytest.approx(0)


def test_aurc_by_hand():
    draws = resamples([[1], [1], [1]], [0.0, 0.6, 0.3], [False, True, False])
    # Accepted one by one: 0, 0.6, 0.3 -> means 0, 0.3, 0.3 -> 0.2. Oracle: 0, 0.15, 0.3 -> 0.15. Random: 0.3.
    assert draws.statistics(np.array([1.0, 2, 3]))["normalised_aurc"] == pytest.approx((0.3 - 0.2) / (0.3 - 0.15))


def test_copies_of_a_patient_are_copies_of_all_his_cases():
    owner, risk = np.array([0, 0, 1, 2]), np.array([0.1, 0.7, 0.2, 0.9])
    scores, failed = np.array([0.2, 0.1, 0.4, 0.3]), risk > 0.4
    drawn = resamples([[2], [0], [1]], risk, failed, owner).statistics(scores)
    copied = np.array([0, 0, 1, 1, 3])
    plain = resamples(np.ones((5, 1)), risk[copied], failed[copied]).statistics(scores[copied])
    for name in MEASURES:
        assert drawn[name] == pytest.approx(plain[name])


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.integers(3, 14))
def test_every_draw_equals_the_plain_area_scipy_and_scikit_learn_on_the_copied_cases(seed, cases):
    random = np.random.default_rng(seed)
    scores = random.integers(0, 5, cases).astype(np.float64)  # many ties
    risk = random.integers(0, 6, cases) / 6
    failed = risk > 0.4
    copies = random.integers(0, 3, (cases, 3)).astype(np.float64)
    found = resamples(copies, risk, failed).statistics(scores)
    for draw in range(3):
        which = np.repeat(np.arange(cases), copies[:, draw].astype(int))
        s, r, f = scores[which], risk[which], failed[which]
        plain = risk_coverage(s, 1 - r)
        if plain is None or plain.normalised is None:
            assert np.isnan(found["normalised_aurc"][draw])
        else:
            assert found["normalised_aurc"][draw] == pytest.approx(plain.normalised, abs=1e-9)
        if s.size >= 3 and np.unique(s).size > 1 and np.unique(r).size > 1:
            assert found["spearman"][draw] == pytest.approx(spearmanr(s, r).statistic)
        else:
            assert np.isnan(found["spearman"][draw])
        if f.any() and not f.all():
            fpr, tpr, _ = roc_curve(f, s, drop_intermediate=False)
            assert found["failure_sensitivity"][draw] == pytest.approx(tpr[fpr <= 0.1 + 1e-9].max())
        else:
            assert np.isnan(found["failure_sensitivity"][draw])


def test_a_draw_without_cases_or_without_a_difference_in_risk_is_undefined():
    found = resamples([[0, 1], [0, 1]], [0.2, 0.2], [False, False]).statistics(np.array([1.0, 2.0]))
    assert all(np.isnan(found[name]).all() for name in MEASURES)
