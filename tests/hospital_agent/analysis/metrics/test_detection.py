"""Sensitivity, specificity and the paper's micro-specificity, on counts whose answer is published."""

import numpy as np
import pytest

from hospital_agent.analysis.metrics.detection import published_micro_specificity, sensitivity, specificity


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
