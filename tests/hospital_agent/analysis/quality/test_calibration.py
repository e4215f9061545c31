"""Calibration, threshold and interval: exact on paper, and right on average over many draws."""

import numpy as np
import pytest
from scipy.special import expit

from hospital_agent.analysis.quality.calibration import Platt, conformal_quantile, flag_threshold, interval_scale


def test_platt_finds_the_line_that_made_the_data() -> None:
    rng = np.random.default_rng(0)
    raw = 3 * rng.normal(size=20_000)
    failed = rng.random(20_000) < expit(0.5 * raw - 1)
    platt = Platt.fit(raw, failed)
    assert (platt.slope, platt.intercept) == pytest.approx((0.5, -1.0), abs=0.06)
    assert platt.probability(raw).mean() == pytest.approx(failed.mean(), abs=1e-3)


def test_platt_stays_finite_when_the_classes_are_apart() -> None:
    platt = Platt.fit(np.array([-2.0, -1.0, 1.0, 2.0]), np.array([False, False, True, True]))
    probability = platt.probability(np.array([-2.0, 2.0]))
    assert 0.01 < probability[0] < 0.5 < probability[1] < 0.99
    assert np.all(np.isfinite(platt.probability(np.array([-1e9, 1e9]))))


def test_a_model_that_points_the_wrong_way_says_only_the_base_rate() -> None:
    raw = np.linspace(-1, 1, 30)
    platt = Platt.fit(raw, raw < 0)
    assert platt.slope == 0.0
    np.testing.assert_allclose(platt.probability(raw), 0.5)


def test_the_threshold_is_the_right_good_case_on_paper() -> None:
    probability = np.linspace(0, 1, 20)  # 19 good cases and one failed
    failed = np.arange(20) == 19
    assert flag_threshold(probability, failed, 0.9) == probability[17]  # the 18th of 19: ceil(0.9 x 20)
    assert flag_threshold(probability[:8], failed[:8], 0.9) == 1.0  # eight cannot promise 90 %


def test_a_new_good_case_is_spared_as_often_as_promised() -> None:
    rng = np.random.default_rng(0)
    spared = [rng.random() <= flag_threshold(rng.random(30), np.zeros(30, dtype=bool), 0.9) for _ in range(20_000)]
    assert np.mean(spared) == pytest.approx(28 / 31, abs=0.01)  # ceil(0.9 x 31) of 31


def test_nine_patients_give_ninety_percent_and_nineteen_ninety_five() -> None:
    scores = np.arange(1.0, 30.0)
    for enough, level in ((9, 0.9), (19, 0.95)):
        names = [f"p{i}" for i in range(enough)]
        assert conformal_quantile(scores[:enough], names, level) == enough
        assert conformal_quantile(scores[: enough - 1], names[:-1], level) is None
    assert conformal_quantile(np.zeros(0), [], 0.9) is None


def test_many_cases_of_one_patient_weigh_as_one_patient() -> None:
    scores = np.concatenate([np.full(1000, 99.0), np.arange(1.0, 20.0)])
    names = ["many"] * 1000 + [f"p{i}" for i in range(19)]
    assert conformal_quantile(scores, names, 0.9) == 19.0  # 19 of 21 patients lie at or below it


def test_a_new_patient_is_covered_as_often_as_promised() -> None:
    rng = np.random.default_rng(1)
    names = [f"p{i}" for i in range(20) for _ in range(3)]
    covered = []
    for _ in range(4000):
        patients = rng.normal(size=(21, 1)) + 0.5 * rng.normal(size=(21, 3))
        quantile = conformal_quantile(np.abs(patients[:20]).ravel(), names, 0.9)
        assert quantile is not None
        covered.append(abs(patients[20, 0]) <= quantile)
    assert 0.895 <= np.mean(covered) <= 0.93


def test_fewer_than_nineteen_patients_get_no_interval() -> None:
    names = [f"p{i}" for i in range(19)]
    assert interval_scale(np.arange(19.0), names, 0.9) == conformal_quantile(np.arange(19.0), names, 0.9) == 17.0
    assert interval_scale(np.arange(18.0), names[:-1], 0.9) is None


def test_the_expectation_of_a_share_is_found() -> None:
    rng = np.random.default_rng(0)
    raw = 2 * rng.normal(size=20_000)
    share = np.clip(expit(0.7 * raw + 0.4) + 0.1 * rng.normal(size=20_000), 0, 1)
    told = Platt.fit_share(raw, share)
    assert (told.slope, told.intercept) == pytest.approx((0.7, 0.4), abs=0.05)
    assert told.probability(raw).mean() == pytest.approx(share.mean(), abs=2e-3)
