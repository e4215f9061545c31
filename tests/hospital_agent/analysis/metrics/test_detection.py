"""Flags on counts whose answer is published, boundaries by hand, and areas and rates against scikit-learn."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score, roc_curve

from hospital_agent.analysis.metrics.detection import (
    acceptance_boundary,
    auc,
    detection,
    failure_sensitivity,
    fpr_at_tpr,
    published_micro_specificity,
    sensitivity,
    specificity,
)


def flags(found: int, failed: int, spared: int, good: int) -> tuple[np.ndarray, np.ndarray]:
    flagged = [True] * found + [False] * (failed - found) + [False] * spared + [True] * (good - spared)
    return np.array(flagged), np.array([True] * failed + [False] * good)


def test_five_of_eight_failures_found() -> None:
    found = sensitivity(*flags(found=5, failed=8, spared=30, good=32))
    assert found is not None
    assert found.estimate == 5 / 8
    assert (found.low, found.high) == pytest.approx((0.2449, 0.9148), abs=1e-4)  # Clopper and Pearson's table
    spared = specificity(*flags(found=5, failed=8, spared=30, good=32))
    assert spared is not None
    assert spared.estimate == 30 / 32


def test_all_found_still_leaves_doubt() -> None:
    found = sensitivity(*flags(found=10, failed=10, spared=1, good=1))
    assert found is not None
    assert found.high == 1.0
    assert found.low == pytest.approx(0.025 ** (1 / 10))  # the exact bound for n of n


def test_without_failures_there_is_no_sensitivity_and_without_successes_no_specificity() -> None:
    nothing, everything = np.zeros(4, dtype=bool), np.ones(4, dtype=bool)
    assert sensitivity(nothing, nothing) is None
    assert specificity(nothing, everything) is None


def test_a_random_guess_among_five_bins_has_a_micro_specificity_of_eighty_percent() -> None:
    rng = np.random.default_rng(0)
    bins, guess = rng.integers(0, 5, size=(2, 200_000))
    assert published_micro_specificity(bins, guess) == pytest.approx(0.80, abs=0.002)
    assert published_micro_specificity(bins, (bins + 1) % 5) == 0.75  # always wrong
    assert published_micro_specificity(bins, bins) == 1.0
    right = np.where(np.arange(200_000) < 72_000, bins, (bins + 1) % 5)
    assert published_micro_specificity(bins, right) == pytest.approx(0.84)  # the paper's 0.84: 36 % exact


def test_micro_specificity_refuses_no_cases_and_unequal_lengths() -> None:
    for bins, predicted in ((np.zeros(0, int), np.zeros(0, int)), (np.zeros(3, int), np.zeros(2, int))):
        with pytest.raises(ValueError, match="Micro-specificity"):
            published_micro_specificity(bins, predicted)


# Table 1 of González et al. 2021, decoded: 35 test cases in distribution, 120 foreign ones. Let through of each, and
# what the paper prints: (in distribution, foreign, detection error, FPR).
TABLE_1 = {
    "Max. Softmax": (32, 70, 0.334, 0.583),
    "Temp. Scaling T = 10": (26, 91, 0.508, 0.758),
    "Temp. Scaling T = 100": (29, 66, 0.361, 0.550),
    "Temp. Scaling T = 1000": (35, 120, 0.500, 1.000),
    "KL from Uniform": (31, 86, 0.415, 0.717),
    "MC Dropout": (29, 22, 0.177, 0.183),
    "Ours": (31, 6, 0.082, 0.050),
}


@pytest.mark.parametrize("method", list(TABLE_1))
def test_the_papers_table_comes_out_of_its_counts(method: str) -> None:
    inside, foreign, error, fpr = TABLE_1[method]
    found = detection(np.where(np.arange(35) < inside, 0.4, 0.9), np.where(np.arange(120) < foreign, 0.5, 0.6), 0.5)
    assert found is not None
    assert found.tpr == pytest.approx(inside / 35)
    assert found.fpr == pytest.approx(fpr, abs=5e-4 + 1e-9)
    # The paper rounds TPR and FPR before it halves them, which moves the third digit of one row.
    assert found.error == pytest.approx(error, abs=6e-4)


def test_detection_needs_both_kinds_of_cases() -> None:
    some, none = np.array([0.1]), np.zeros(0)
    assert detection(none, some, 0.5) is None
    assert detection(some, none, 0.5) is None
    assert fpr_at_tpr(none, some) is None
    assert fpr_at_tpr(some, none) is None


def test_no_admitted_case_is_a_detection_error_of_a_half() -> None:
    found = detection(np.array([2.0, 3.0]), np.array([4.0]), 1.0)
    assert found is not None
    assert (found.tpr, found.fpr, found.error) == (0, 0, 0.5)


@pytest.mark.parametrize(
    ("scores", "boundary"),
    [
        ([7.0], 7.0),
        ([1.0, 5.0], 3.0),
        ([4.0, 1.0, 3.0, 2.0], 3.5),  # four cases, as in the paper: the mean of the two largest
        ([2.0] * 5, 2.0),
        (range(20), 18.5),
        (range(21), 19.5),  # 20 * 0.95 is 19 exactly
    ],
)
def test_the_boundary_lies_between_two_validation_cases(scores: list[float], boundary: float) -> None:
    assert acceptance_boundary(np.array(scores, float)) == boundary


def test_without_validation_there_is_no_boundary() -> None:
    assert acceptance_boundary(np.zeros(0)) is None


@pytest.mark.parametrize("share", [0.0, 0.05, 0.5, 0.95, 0.99, 1.0])
@pytest.mark.parametrize("n", [1, 2, 3, 20, 41, 101, 1000])
def test_about_the_share_of_validation_lies_at_or_below_the_boundary(n: int, share: float) -> None:
    scores = np.random.default_rng(n).permutation(n).astype(float)
    boundary = acceptance_boundary(scores, share)
    assert boundary is not None
    assert abs(np.mean(scores <= boundary) - share) <= 1 / n + 1e-9


def roc(scores: np.ndarray, positive: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    fpr, tpr, _ = roc_curve(positive, scores, drop_intermediate=False)
    return fpr, tpr


some_cases = given(seed=st.integers(0, 9999), n=st.integers(2, 60), values=st.integers(1, 40))


@settings(max_examples=80, deadline=None)
@some_cases
def test_auc_is_that_of_scikit_learn(seed: int, n: int, values: int) -> None:
    rng = np.random.default_rng(seed)
    scores, positive = rng.integers(0, values, n), rng.random(n) < 0.4
    found = auc(scores, positive)
    if positive.all() or not positive.any():
        assert found is None
        return
    assert found == pytest.approx(roc_auc_score(positive, scores))
    assert auc(-scores, positive) == pytest.approx(1 - found)


@settings(max_examples=80, deadline=None)
@some_cases
def test_fpr_at_95_tpr_is_a_point_of_the_roc_curve(seed: int, n: int, values: int) -> None:
    rng = np.random.default_rng(seed)
    inside, foreign = rng.integers(0, values, n), rng.integers(0, values, n // 2 + 1) + rng.integers(0, 5)
    kind = np.repeat([True, False], [len(inside), len(foreign)])
    fpr, tpr = roc(-np.concatenate([inside, foreign]), kind)
    assert fpr_at_tpr(inside, foreign) == pytest.approx(fpr[tpr >= 0.95 - 1e-9].min())


@settings(max_examples=80, deadline=None)
@some_cases
def test_failure_sensitivity_is_a_point_of_the_roc_curve(seed: int, n: int, values: int) -> None:
    rng = np.random.default_rng(seed)
    failed = rng.random(n) < 0.3
    scores = rng.integers(0, values, n) + 3 * failed
    found = failure_sensitivity(scores, failed)
    if failed.all() or not failed.any():
        assert found is None
        return
    fpr, tpr = roc(scores, failed)
    assert found == pytest.approx(tpr[fpr <= 0.1 + 1e-9].max())
    assert failure_sensitivity(np.zeros(n), failed) == 0
    assert failure_sensitivity(failed.astype(float), failed) == 1
