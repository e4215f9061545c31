"""Federated logistic regression beside pooled training of the shipped estimator and beside scikit-learn."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from hospital_agent.analysis.errors import TooFewCases
from hospital_agent.analysis.quality.bins import BinModel, bins_of
from hospital_agent.analysis.quality.cross_fit import fit_encoded
from hospital_agent.analysis.quality.inputs import QualityInput
from hospital_agent.federation.jobs.errors import CohortChanged, NotConverged, NotFinite, OutOfBounds, WrongShape
from hospital_agent.federation.jobs.logistic import FederatedLogistic, LocalCases, LogisticJob
from hospital_agent.federation.jobs.rehearsal import add, rehearse

C = 4
UNEQUAL = (60, 8, 1, 45)


def drawn(sizes: Sequence[int] = UNEQUAL, seed: int = 0, low: float = 0.0) -> list[LocalCases]:
    """Sites whose Dice follows the columns; the first site is easier than the others."""
    random = np.random.default_rng(seed)
    sites = []
    for site, size in enumerate(sizes):
        columns = random.standard_normal((size, C)) * [1.0, 3.0, 0.2, 1.0] + [0.0, 5.0, -1.0, 0.4 * site]
        hidden = columns[:, 0] + 0.5 * columns[:, 1] - 3 + random.standard_normal(size) + (site == 0)
        dice = low + (1 - low) / (1 + np.exp(-hidden))
        sites.append(LocalCases(columns, dice, [f"{site}-{i // 2}" for i in range(size)]))
    return sites


def pooled(sites: Sequence[LocalCases]) -> tuple[np.ndarray, np.ndarray]:
    return np.concatenate([site.columns for site in sites]), np.concatenate([site.dice for site in sites])


def precise(columns: np.ndarray, bins: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """scikit-learn's coefficients, carried on until they settle."""
    model = LogisticRegression(class_weight="balanced", solver="newton-cholesky", tol=1e-12, max_iter=500)
    fitted = model.fit(columns, bins)
    return fitted.coef_, fitted.intercept_


def table_of(found: FederatedLogistic) -> tuple[np.ndarray, np.ndarray]:
    return found.model.weights, found.model.intercepts


@pytest.mark.parametrize("step", [None, 0.0])
def test_coefficients_are_those_of_pooled_training(step: float | None) -> None:
    sites = drawn()
    found = rehearse(LogisticJob(C), sites, step).result
    columns, dice = pooled(sites)
    standard = np.clip((columns - columns.mean(axis=0)) / columns.std(axis=0), -5, 5)
    weights, intercepts = precise(standard, bins_of(dice))
    assert found.model.bins.size == 5
    assert np.abs(found.model.weights - weights).max() < 1e-8
    assert np.abs(found.model.intercepts - (intercepts - intercepts.mean())).max() < 1e-8
    assert found.rounds < 15


def test_it_answers_as_the_shipped_estimator_fitted_on_all_cases() -> None:
    sites = drawn()
    columns, dice = pooled(sites)
    inputs = [QualityInput(f"input_{i}", "features") for i in range(C)]
    encoding, local = fit_encoded(BinModel, columns, dice, inputs)
    found = rehearse(LogisticJob(C), sites).result
    assert found.standard.means == pytest.approx(encoding.means, abs=1e-9)
    assert found.standard.deviations == pytest.approx(encoding.deviations, rel=1e-9)
    ours, theirs = found.standard.columns(columns), encoding.columns(columns)
    assert isinstance(local, BinModel)
    assert found.model.failure_log_odds(ours) == pytest.approx(local.failure_log_odds(theirs), abs=1e-3)
    assert found.model.expected_dice(ours)[0] == pytest.approx(local.expected_dice(theirs)[0], abs=1e-3)


def test_two_bins_are_one_regression() -> None:
    sites = [LocalCases(s.columns, np.where(s.dice > 0.5, 0.9, 0.1), s.patients) for s in drawn()]
    found = rehearse(LogisticJob(C), sites).result
    columns, dice = pooled(sites)
    weights, intercepts = precise((columns - columns.mean(axis=0)) / columns.std(axis=0), bins_of(dice))
    assert found.model.bins.tolist() == [0, 4]
    assert np.abs(found.model.weights - np.vstack([0 * weights, weights])).max() < 1e-8
    assert found.model.intercepts == pytest.approx([0.0, *intercepts], abs=1e-8)


def test_bins_that_no_site_has_are_left_out() -> None:
    found = rehearse(LogisticJob(C), drawn(low=0.3)).result
    assert found.model.bins.tolist() == [1, 2, 3, 4]
    assert found.model.frequencies.sum() == pytest.approx(1)


def test_a_column_that_nowhere_varies_is_left_out() -> None:
    sites = drawn()
    for site in sites:
        site.columns[:, 2] = 7.25
    found = rehearse(LogisticJob(C), sites).result
    assert found.standard.used.tolist() == [0, 1, 3]
    without = [LocalCases(s.columns[:, [0, 1, 3]], s.dice, s.patients) for s in sites]
    assert found.model.weights == pytest.approx(rehearse(LogisticJob(3), without).result.model.weights, abs=1e-9)


def test_columns_a_million_apart_in_scale() -> None:
    scales = np.array([1e-3, 1.0, 1e3, 1e2])
    sites = drawn()
    stretched = [LocalCases(s.columns * scales, s.dice, s.patients) for s in sites]
    found = rehearse(LogisticJob(C, unit=scales), stretched).result
    assert found.model.weights == pytest.approx(rehearse(LogisticJob(C), sites).result.model.weights, abs=1e-7)
    with pytest.raises(OutOfBounds):
        rehearse(LogisticJob(C), stretched)


def test_separable_cases_converge() -> None:
    sites = drawn()
    apart = [LocalCases(s.columns, (s.columns[:, 0] > 0) * 0.9, s.patients) for s in sites]
    found = rehearse(LogisticJob(C), apart).result
    columns, dice = pooled(apart)
    weights, _ = precise((columns - columns.mean(axis=0)) / columns.std(axis=0), bins_of(dice))
    assert np.abs(found.model.weights[1] - weights).max() < 1e-8


@settings(max_examples=5, deadline=None)
@given(st.permutations(range(len(UNEQUAL))))
def test_order_of_sites_changes_nothing(order: list[int]) -> None:
    sites = drawn()
    first = rehearse(LogisticJob(C), sites).result
    other = rehearse(LogisticJob(C), [sites[i] for i in order]).result
    assert np.array_equal(first.model.weights, other.model.weights)


def test_an_empty_site_adds_nothing() -> None:
    sites = drawn()
    empty = LocalCases(np.zeros((0, C)), np.zeros(0), [])
    whole, found = (rehearse(LogisticJob(C), some).result for some in (sites, [*sites, empty]))
    assert np.array_equal(whole.model.weights, found.model.weights)
    assert found.standard.cohort.sites == len(sites)


def test_a_site_that_falls_out_stops_the_job_in_any_later_round() -> None:
    sites, job = drawn(), LogisticJob(C)
    totals: list[np.ndarray] = []
    for _ in range(3):
        totals.append(add(job, totals, sites))
    totals.append(add(job, totals, sites[:-1]))
    with pytest.raises(CohortChanged):
        job.finished(totals)


def test_a_changed_verdict_stops_the_job() -> None:
    sites, job = drawn(), LogisticJob(C)
    totals = [add(job, [], sites)]
    sites[0].dice[0] = 1.0 - sites[0].dice[0]
    totals.append(add(job, totals, sites))
    with pytest.raises(CohortChanged):
        job.finished(totals)


def test_refusals() -> None:
    with pytest.raises(NotFinite) as refusal:
        LocalCases(np.array([[np.nan, 8.0]]), np.array([0.5]), ["a"])
    assert "8" not in str(refusal.value)
    with pytest.raises(WrongShape):
        LocalCases(np.zeros((1, 2)), np.array([1.5]), ["a"])
    with pytest.raises(TooFewCases):
        rehearse(LogisticJob(C), drawn(low=0.7))
    with pytest.raises(NotConverged):
        rehearse(LogisticJob(C, most_rounds=4), drawn())


def test_every_vector_fits_the_words_of_a_secure_sum() -> None:
    sites, job = drawn(), LogisticJob(C)
    totals: list[np.ndarray] = []
    while not job.finished(totals):
        bounds = job.bounds(totals)
        assert len(sites) * bounds.largest / bounds.step <= 2.0**62
        totals.append(add(job, totals, sites))
    assert max(np.abs(total).max() for total in totals[2:]) < 64
