"""Laws that every registered OOD score obeys. There is no list of exceptions: a score without a fit here fails."""

from collections.abc import Callable

import numpy as np
import pytest

from hospital_agent.analysis.errors import FeatureShapeError
from hospital_agent.analysis.ood import OodScore, ood_scores
from hospital_agent.analysis.ood.mahalanobis import Mahalanobis
from hospital_agent.analysis.segmentation.base import Segmentation
from tests.patches import segmentation_of, starts_of

DIMENSION, SHAPE, TILE = 24, (14, 10, 20), (8, 8, 8)
TILES = len(starts_of(SHAPE, TILE))
PATIENTS = [f"p{i}" for i in range(12) for _ in range(6)]


def training() -> np.ndarray:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(12, 1, DIMENSION)) + 0.7 * rng.normal(size=(12, 6, DIMENSION))
    return rows.reshape(-1, DIMENSION).astype(np.float32)


FITTED: dict[str, Callable[[], OodScore]] = {"mahalanobis": lambda: Mahalanobis.fit(training(), PATIENTS)}

NAMES = ood_scores.load("hospital_agent.analysis.ood").names()
every_score = pytest.mark.parametrize("name", NAMES)


def case(features: np.ndarray, shape: tuple[int, int, int] = SHAPE) -> Segmentation:
    return segmentation_of(np.zeros(shape, dtype=np.float32), features, TILE)


def value_of(score: OodScore, features: np.ndarray, shape: tuple[int, int, int] = SHAPE) -> float:
    value = score.compute(case(features, shape))
    assert isinstance(value, float)
    assert score.quantity.accepts(value)
    return value


def test_every_registered_score_is_tried_and_no_other() -> None:
    assert set(FITTED) == set(NAMES)


@every_score
def test_declares_itself_and_what_it_sends(name: str) -> None:
    score = ood_scores.get(name)
    assert (score.quantity.name, score.wire_quantity.name) == (name, f"{name}_log10")
    assert (score.quantity.monitored, score.wire_quantity.monitored) == (False, True)
    assert score.quantity.direction == score.wire_quantity.direction == "higher_is_worse"
    assert score.__doc__


@every_score
def test_is_undefined_without_features(name: str) -> None:
    score = FITTED[name]()
    assert score.compute(segmentation_of(None)) is None
    assert score.compute(segmentation_of(np.zeros(SHAPE, dtype=np.float32))) is None


@every_score
def test_grows_when_features_move_away_in_any_direction(name: str) -> None:
    score, start = FITTED[name](), np.tile(training().mean(axis=0), (TILES, 1))
    for seed in range(10):
        direction = np.random.default_rng(seed).normal(size=DIMENSION)
        values = [value_of(score, start + step * direction) for step in (0.0, 1.0, 3.0, 10.0, 100.0)]
        assert np.all(np.diff(values) > 0)


@every_score
def test_one_unusual_tile_raises_the_score(name: str) -> None:
    score, ordinary = FITTED[name](), training()[:TILES]
    for tile in range(TILES):
        unusual = ordinary.copy()
        unusual[tile] += 20
        assert value_of(score, unusual) > value_of(score, ordinary)


@every_score
@pytest.mark.parametrize("shape", [(1, 1, 1), (5, 9, 30), (8, 8, 8), (20, 31, 9)])
def test_does_not_depend_on_the_size_of_a_uniform_volume(name: str, shape: tuple[int, int, int]) -> None:
    score, row = FITTED[name](), training()[:1] * 2
    one_tile = value_of(score, row, (8, 8, 8))
    assert value_of(score, np.repeat(row, len(starts_of(shape, TILE)), axis=0), shape) == pytest.approx(one_tile)


@every_score
def test_survives_its_state_and_changes_no_input(name: str) -> None:
    score, features = FITTED[name](), training()[:TILES] * 1.5
    features.flags.writeable = False
    again = type(score).from_state(score.state())
    assert value_of(again, features) == pytest.approx(value_of(score, features), rel=1e-4)
    assert all(array.dtype in (np.float32, np.float64) for array in score.state().values())


@every_score
def test_refuses_features_of_another_dimension(name: str) -> None:
    with pytest.raises(FeatureShapeError):
        FITTED[name]().compute(case(np.zeros((TILES, DIMENSION + 1))))
