"""Histograms of like images lie close; a shift, and a bin that training never filled, do not."""

from dataclasses import replace

import numpy as np
import pytest

from hospital_agent.analysis.errors import TooFewCases
from hospital_agent.analysis.ood.intensity_histogram import KEPT_VARIANCE, IntensityHistogram
from hospital_agent.analysis.ood.moments import GaussianMoments
from hospital_agent.analysis.ood.patient_check import choose_weight
from hospital_agent.analysis.segmentation.base import Segmentation
from tests.patches import segmentation_of

BINS = np.arange(500)


def shares(seed: int, shift: float = 0.0) -> np.ndarray:
    """Two tissues whose amounts and places vary from image to image."""
    rng = np.random.default_rng(seed)
    amount, first, second = 0.5 + 0.05 * rng.normal(), 120 + 5 * rng.normal(), 350 + 5 * rng.normal()
    bells = amount * np.exp(-(((BINS - first - shift) / 30) ** 2))
    bells += (1 - amount) * np.exp(-(((BINS - second - shift) / 40) ** 2))
    return bells / bells.sum()


def case(histogram: np.ndarray) -> Segmentation:
    return replace(segmentation_of(np.zeros((4, 4, 4), np.float32)), intensities=histogram)


def fitted(count: int = 40) -> IntensityHistogram:
    return IntensityHistogram.fit_cases([shares(seed)[None] for seed in range(count)], [str(i) for i in range(count)])


def value(score: IntensityHistogram, histogram: np.ndarray) -> float:
    found = score.compute(case(histogram))
    assert found is not None
    return found


def test_inside_the_kept_axes_it_is_the_shrunk_distance_there() -> None:
    rows = np.array([shares(seed) for seed in range(40)])
    values, vectors = np.linalg.eigh(np.cov(rows, rowvar=False, bias=True))
    share = np.cumsum(values[::-1]) / values.sum()
    kept = int(np.flatnonzero(share >= KEPT_VARIANCE)[0]) + 1
    axes = vectors[:, ::-1][:, :kept].T
    inside = (rows - rows.mean(axis=0)) @ axes.T
    weight = choose_weight(inside, [str(i) for i in range(40)], GaussianMoments.of(inside)).weight
    spread = np.cov(inside, rowvar=False, bias=True)
    shrunk = (1 - weight) * spread + weight * np.trace(spread) / kept * np.eye(kept)
    asked = rows.mean(axis=0) + axes.T @ (2 * inside[3])
    score = fitted()
    assert score.reference.gaussian.state()["axes"].shape == (kept, 500)
    assert value(score, asked) == pytest.approx(4 * inside[3] @ np.linalg.solve(shrunk, inside[3]), rel=1e-6)


def test_grows_with_a_shift_of_all_intensities() -> None:
    values = [value(fitted(), shares(99, shift)) for shift in (0, 20, 40, 80)]
    assert np.all(np.diff(values) > 0)
    assert values[1] > 3 * values[0]


def test_a_bin_that_training_never_filled_is_seen_where_the_published_score_is_blind() -> None:
    score, ordinary = fitted(), shares(99)
    axes = score.reference.gaussian.state()["axes"].astype(np.float64)
    spike = np.zeros(500)
    spike[490] = 0.05
    off = spike - axes.T @ (axes @ spike)  # only what no kept axis holds
    assert value(score, ordinary + off) > value(score, ordinary) + 1
    np.testing.assert_allclose(axes @ (ordinary + off), axes @ ordinary, atol=1e-7)  # all that the published one sees


def test_one_case_and_like_cases_are_too_few() -> None:
    for rows in ([shares(0)[None]], [shares(0)[None]] * 5):
        with pytest.raises(TooFewCases, match="two different"):
            IntensityHistogram.fit_cases(rows, [str(i) for i in range(len(rows))])
    two = IntensityHistogram.fit_cases([shares(0)[None], shares(1)[None]], ["a", "b"])
    assert value(two, shares(2)) > 0


def test_an_image_without_intensities_has_no_value() -> None:
    assert fitted(5).compute(segmentation_of(None)) is None
