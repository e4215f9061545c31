"""The distance on channel means: against scikit-learn, and what pooling makes it blind to."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.covariance import OAS, EmpiricalCovariance

from hospital_agent.analysis.errors import ModelMismatch, TooFewCases
from hospital_agent.analysis.ood.mahalanobis import Mahalanobis
from hospital_agent.analysis.ood.pooled_mahalanobis import PooledMahalanobis
from hospital_agent.analysis.segmentation.base import Segmentation
from tests.patches import layer_of, segmentation_of

CHANNELS = 12


def case(positions: np.ndarray) -> Segmentation:
    plain = segmentation_of(np.zeros((4, 4, 4), np.float32))
    return replace(plain, layers={"bottleneck": layer_of(positions), "last": layer_of(positions[:, :2])})


def test_it_looks_at_the_mean_of_each_channel_of_the_bottleneck() -> None:
    seen = PooledMahalanobis.observe(case(np.array([[0.0, 2.0, 1.0], [4.0, 2.0, -1.0]])))
    assert seen is not None
    np.testing.assert_array_equal(seen, [[2.0, 2.0, 0.0]])


@pytest.mark.parametrize("count", [8, 60])
def test_with_two_patients_it_is_the_oas_of_scikit_learn(count: int) -> None:
    """Fewer than three patients cannot check the weight, so the formula stands."""
    rows = np.random.default_rng(0).normal(size=(count, CHANNELS)) * np.linspace(0.2, 3, CHANNELS)
    score = PooledMahalanobis.fit_cases([row[None] for row in rows], ["a", "b"] * (count // 2))
    positions = np.random.default_rng(1).normal(size=(50, CHANNELS)) + 2
    reference = OAS().fit(rows)
    assert score.reference.weight.weight == pytest.approx(reference.shrinkage_)
    assert score.compute(case(positions)) == pytest.approx(reference.mahalanobis(positions.mean(axis=0)[None])[0])


def test_it_does_not_see_what_cancels_in_the_mean_which_the_tiles_show() -> None:
    rng = np.random.default_rng(2)
    tiles = rng.normal(size=(40, 1, CHANNELS)) + 0.2 * rng.normal(size=(40, 8, CHANNELS))
    patients = [f"p{i}" for i in range(40)]
    pooled = PooledMahalanobis.fit_cases([rows.mean(axis=0)[None] for rows in tiles], patients)
    by_tile = Mahalanobis.fit_cases(list(tiles), patients)
    torn = tiles[0] + 20 * np.resize([[1.0], [-1.0]], (8, 1))
    assert pooled.compute(case(torn)) == pytest.approx(pooled.compute(case(tiles[0])), rel=1e-6)
    assert by_tile.distances(torn).mean() > 50 * by_tile.distances(tiles[0]).mean()


def test_the_published_inverse_is_blind_where_training_never_varied_and_this_is_not() -> None:
    """n <= d: every training case lies at exactly n - 1, and so does a case moved in the null space (B0.7)."""
    rows = np.random.default_rng(3).normal(size=(30, 80))
    rows[:, 60:] = 0.3
    published = EmpiricalCovariance().fit(rows)
    np.testing.assert_allclose(published.mahalanobis(rows), 29.0, rtol=1e-8)
    moved = rows.copy()
    moved[:, 70] = 50.0
    np.testing.assert_allclose(published.mahalanobis(moved), 29.0, rtol=1e-8)
    ours = PooledMahalanobis.fit_cases([row[None] for row in rows], [f"p{i}" for i in range(30)])
    assert ours.reference.distances(moved).min() > 10 * ours.reference.distances(rows).max()


def test_needs_two_different_cases_and_names_a_damaged_state() -> None:
    with pytest.raises(TooFewCases, match="two different rows"):
        PooledMahalanobis.fit_cases([np.full((1, 3), 0.1)] * 5, list("abcde"))
    rows = [row[None] for row in np.random.default_rng(0).normal(size=(9, 3))]
    state = dict(PooledMahalanobis.fit_cases(rows, list("abcdefghi")).state())
    for key in state:
        with pytest.raises(ModelMismatch, match="pooled_mahalanobis"):
            PooledMahalanobis.from_state({name: array for name, array in state.items() if name != key})
