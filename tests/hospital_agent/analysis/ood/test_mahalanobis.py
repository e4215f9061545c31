"""The score as a whole: from patch features to one number a case."""

import numpy as np
import pytest

from hospital_agent.analysis.errors import FeatureShapeError, ModelMismatch, TooFewCases
from hospital_agent.analysis.ood import ood_scores
from hospital_agent.analysis.ood.gaussian import CompactGaussian
from hospital_agent.analysis.ood.mahalanobis import Mahalanobis
from hospital_agent.analysis.ood.patient_check import WeightChoice
from tests.patches import segmentation_of, starts_of

SHAPE, TILE = (12, 20, 14), (8, 8, 8)
PLAIN = np.zeros(SHAPE, dtype=np.float32)
TILES = len(starts_of(SHAPE, TILE))


def training(patients: int = 10, each: int = 8, dimension: int = 30) -> tuple[np.ndarray, list[str]]:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(patients, 1, dimension)) + 0.5 * rng.normal(size=(patients, each, dimension))
    return rows.reshape(-1, dimension), [f"p{i}" for i in range(patients) for _ in range(each)]


def unit_sphere(dimension: int = 3) -> Mahalanobis:
    """A reference whose squared distance is the squared length of the features."""
    gaussian = CompactGaussian(np.zeros(dimension), np.zeros((0, dimension)), np.zeros(0), 1.0)
    return Mahalanobis(gaussian, 10, 5, WeightChoice(1.0, 1.0))


@pytest.mark.parametrize("shape", [(1, 1, 1), (8, 8, 8), (9, 8, 40), (30, 4, 17), (28, 33, 21)])
@pytest.mark.parametrize("uniform", [True, False])
def test_a_distance_of_one_everywhere_is_a_score_of_exactly_one(shape: tuple[int, int, int], uniform: bool) -> None:
    features = np.tile([1.0, 0.0, 0.0], (len(starts_of(shape, TILE)), 1))
    importance = np.ones(TILE, dtype=np.float32) if uniform else None
    case = segmentation_of(np.zeros(shape, np.float32), features, TILE, importance)
    assert unit_sphere().compute(case) == 1.0


def test_the_score_is_the_mean_of_its_map() -> None:
    case = segmentation_of(PLAIN, np.random.default_rng(1).normal(size=(TILES, 3)) * 5, TILE)
    shown = unit_sphere().map(case)
    assert shown is not None
    assert shown.shape == SHAPE
    assert unit_sphere().compute(case) == pytest.approx(float(shown.mean(dtype=np.float64)), rel=1e-6)


def test_grows_as_features_move_away_from_training() -> None:
    rows, patients = training()
    score = Mahalanobis.fit(rows, patients)
    assert (score.patch_count, score.patient_count) == (80, 10)
    values = [
        score.compute(segmentation_of(PLAIN, np.repeat(rows[:1], TILES, axis=0) + step, TILE)) for step in (0, 2, 4, 8)
    ]
    assert np.all(np.diff(np.array(values, dtype=float)) > 0)


def test_one_unusual_tile_raises_the_score() -> None:
    rows, patients = training()
    score, ordinary = Mahalanobis.fit(rows, patients), rows[:TILES]
    before = score.compute(segmentation_of(PLAIN, ordinary, TILE))
    for tile in range(TILES):
        unusual = ordinary.copy()
        unusual[tile] += 20
        after = score.compute(segmentation_of(PLAIN, unusual, TILE))
        assert before is not None
        assert after is not None
        assert after > before


@pytest.mark.parametrize("shape", [(1, 1, 1), (5, 9, 30), (8, 8, 8), (20, 31, 9)])
def test_does_not_depend_on_the_size_of_a_uniform_volume(shape: tuple[int, int, int]) -> None:
    rows, patients = training()
    score = Mahalanobis.fit(rows, patients)
    features = np.repeat(2 * rows[:1], len(starts_of(shape, TILE)), axis=0)
    one_tile = float(score.distances((2 * rows[:1]).astype(np.float32))[0])
    assert score.compute(segmentation_of(np.zeros(shape, np.float32), features, TILE)) == pytest.approx(one_tile)


def test_tiles_of_different_layers_cannot_be_fitted_together() -> None:
    with pytest.raises(FeatureShapeError):
        Mahalanobis.fit_cases([np.zeros((2, 3)), np.zeros((2, 4))], ["a", "b"])


def test_more_dimensions_than_patches_still_see_what_training_never_varied() -> None:
    rows, patients = training(dimension=400)
    rows[:, 300:] = 0.0
    score = Mahalanobis.fit(rows, patients)
    case = np.repeat(rows[:1], TILES, axis=0)
    moved = case.copy()
    moved[:, 350] = 5.0
    familiar, unfamiliar = (score.compute(segmentation_of(PLAIN, features, TILE)) for features in (case, moved))
    assert familiar is not None
    assert unfamiliar is not None
    assert unfamiliar > familiar + 20  # 5 squared, over a floor of about 1


@pytest.mark.parametrize("dimension", [30, 400])
def test_survives_the_model_folder(dimension: int) -> None:
    rows, patients = training(dimension=dimension)
    score = Mahalanobis.fit(rows, patients)
    again = Mahalanobis.from_state(score.state())
    assert (again.patch_count, again.patient_count, again.weight) == (80, 10, score.weight)
    np.testing.assert_allclose(again.distances(rows * 2), score.distances(rows * 2), rtol=1e-4)


def test_a_damaged_state_is_named() -> None:
    state = dict(Mahalanobis.fit(*training()).state())
    for name in ("mean", "triangle", "weight", "counts"):
        with pytest.raises(ModelMismatch, match="mahalanobis"):
            Mahalanobis.from_state({key: value for key, value in state.items() if key != name})
    with pytest.raises(ModelMismatch):
        Mahalanobis.from_state(state | {"triangle": state["triangle"][:-5]})


def test_is_undefined_for_a_mask_that_came_without_features() -> None:
    for case in (segmentation_of(None), segmentation_of(PLAIN)):
        assert unit_sphere().compute(case) is None
        assert unit_sphere().map(case) is None


def test_refuses_features_of_another_layer_and_too_little_to_fit() -> None:
    case = segmentation_of(PLAIN, np.zeros((TILES, 4)), TILE)
    with pytest.raises(FeatureShapeError):
        unit_sphere(3).compute(case)
    with pytest.raises(TooFewCases):
        Mahalanobis.fit(np.ones((5, 3)), ["p"] * 5)


def test_is_found_by_its_name() -> None:
    assert ood_scores.load("hospital_agent.analysis.ood").get("mahalanobis") is Mahalanobis
