"""Laws that every registered OOD score obeys. There is no list of exceptions, and a new score needs no edit here.

The cases are drawn, not segmented: tiles, three layers with three foreground classes, intensities, masks beside their
reconstruction, and what an autoencoder at the bottleneck changes, so that each score finds what it looks at. A case may
be ordinary, or on its way to another world.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import cache
from itertools import pairwise

import numpy as np
import pytest

from hospital_agent.analysis.errors import AnalysisError, FeatureShapeError, ModelMismatch, TooFewCases
from hospital_agent.analysis.ood import Observation, OodScore, ood_scores
from hospital_agent.analysis.segmentation.base import Distortion, LayerSummary, Reconstruction, Segmentation
from shared.quantities import CUT_COUNT
from tests.patches import distorted_segmentation, layer_of, reconstruction_of, segmentation_of, starts_of

SHAPE, TILE, TILE_DIMENSION, CLASSES = (14, 10, 20), (8, 8, 8), 24, 4
CHANNELS = {"early": 5, "bottleneck": 9, "last": 7}
PATIENTS = [f"p{i // 2}" for i in range(24)]
POSITIONS = 160
LATENT_DIMENSION = 6

NAMES = ood_scores.load("hospital_agent.analysis.ood").names()
every_score = pytest.mark.parametrize("name", NAMES)


def layer(rng: np.random.Generator, name: str, away: float) -> LayerSummary:
    """Each class has its centre and its spectrum; on its way elsewhere it takes the next class's, and moves off."""
    fixed, width = np.random.default_rng(len(name)), CHANNELS[name]
    centres = 3 * fixed.normal(size=(CLASSES, width))
    elsewhere = np.concatenate([centres[:1], np.roll(centres[1:], 1, axis=0)]) + 10 * fixed.normal(size=width)
    predicted = np.arange(POSITIONS) % CLASSES
    noise = rng.normal(size=(POSITIONS, width)) * 0.7 ** np.arange(width) + 0.3 * rng.normal(size=width)
    return layer_of((1 - away) * centres[predicted] + away * elsewhere[predicted] + noise, predicted, CLASSES)


def case(seed: int, away: float = 0.0) -> Segmentation:
    """An ordinary case, or one that lies away: 1 is another world."""
    rng = np.random.default_rng([seed, 7])
    tiles = rng.normal(size=(len(starts_of(SHAPE, TILE)), TILE_DIMENSION)) + rng.normal(size=TILE_DIMENSION)
    tiles += away * 30 * np.random.default_rng(1).normal(size=TILE_DIMENSION)
    drawn = rng.normal(250 + 150 * away + 3 * rng.normal(), 60, 4000)
    counts, _ = np.histogram(np.clip(drawn, 0, 499), 500, (0, 500))
    made = segmentation_of(np.zeros(SHAPE, np.float32), tiles, TILE)
    layers = {name: layer(rng, name, away) for name in CHANNELS}
    reconstructed = reconstruction_of(rng, away, CLASSES - 1)
    made = replace(made, layers=layers, intensities=counts / counts.sum(), reconstructed=reconstructed)
    return distorted(made, rng, away, known=seed < len(PATIENTS))


def distorted(segmentation: Segmentation, rng: np.random.Generator, away: float, *, known: bool) -> Segmentation:
    """With an autoencoder that changes every voxel's answer: less where it knows the case, more far away."""
    drawn = rng.gamma(0.3, size=(2, CLASSES, *SHAPE))
    plain, other = drawn / drawn.sum(axis=1, keepdims=True)
    share = (0.05 if known else 0.07) + 0.9 * away
    latents = rng.normal(size=(len(starts_of(SHAPE, TILE)), LATENT_DIMENSION)) + rng.normal(size=LATENT_DIMENSION)
    latents += away * 30 * np.random.default_rng(2).normal(size=LATENT_DIMENSION)
    return distorted_segmentation(segmentation, plain, (1 - share) * plain + share * other, latents)


@cache
def ordinary_cases() -> tuple[Segmentation, ...]:
    """The training cases, made once for all scores; who writes into one fails."""
    made = tuple(case(i) for i in range(len(PATIENTS)))
    for one in made:
        freeze(one)
    return made


def freeze(segmentation: Segmentation) -> Segmentation:
    for array in _arrays(segmentation):
        array.flags.writeable = False
    return segmentation


def observed(name: str, cases: Iterable[Segmentation]) -> list[Observation]:
    found = [ood_scores.get(name).observe(one) for one in cases]
    return [rows for rows in found if rows is not None]


@cache
def fitted(name: str) -> OodScore:
    return ood_scores.get(name).fit_cases(observed(name, ordinary_cases()), PATIENTS)


def value_of(score: OodScore, segmentation: Segmentation) -> float:
    """What a score says of a case; fails where that is undefined or no value of its quantity."""
    value = score.compute(segmentation)
    assert isinstance(value, float)
    assert score.quantity.accepts(value)
    return value


def with_features(segmentation: Segmentation, change: Callable[[np.ndarray], np.ndarray]) -> Segmentation:
    """Every feature that a score may look at, changed by channel."""
    assert segmentation.patches is not None
    assert segmentation.intensities is not None
    layers = {
        name: replace(one, mean=change(one.mean), gram=change(change(one.gram).T), class_means=change(one.class_means))
        for name, one in segmentation.layers.items()
    }
    patches = replace(segmentation.patches, features=change(segmentation.patches.features))
    told, intensities = segmentation.reconstructed, change(segmentation.intensities)
    assert told is not None
    changed = Reconstruction(change(told.dice_gap), change(told.hausdorff_mm))
    moved = replace(segmentation, patches=patches, layers=layers, intensities=intensities, reconstructed=changed)
    return replace(moved, distortion=_with_distortion(segmentation.distortion, change))


def _with_distortion(told: Distortion | None, change: Callable[[np.ndarray], np.ndarray]) -> Distortion:
    assert told is not None
    assert told.by_class_foreground is not None
    return Distortion(change(told.by_class), change(told.by_class_foreground), change(told.latents))


def one_more(features: np.ndarray) -> np.ndarray:
    return np.concatenate([features, features[..., :1]], axis=-1)


def dead_channels(features: np.ndarray) -> np.ndarray:
    return np.where(np.arange(features.shape[-1]) % 3 == 0, 0 * features, features)


def nothing_at_all(features: np.ndarray) -> np.ndarray:
    return 0 * features


def a_nan(features: np.ndarray) -> np.ndarray:
    return np.where(np.arange(features.shape[-1]) == 1, np.nan, features)


def test_there_are_scores_to_try() -> None:
    assert {"mahalanobis", "knn", "intensity_histogram"} <= set(NAMES)


@every_score
def test_declares_itself_and_what_it_sends(name: str) -> None:
    score = ood_scores.get(name)
    assert (score.quantity.name, score.wire_quantity.name) == (name, f"{name}_log10")
    assert (score.quantity.monitored, score.wire_quantity.monitored) == (False, True)
    assert score.quantity.direction == score.wire_quantity.direction == "higher_is_worse"
    assert score.quantity.low == 0.0
    assert len(score.wire_quantity.cuts) == CUT_COUNT
    assert score.__doc__
    assert "Source:" in score.__doc__


@every_score
def test_observes_a_table_that_holds_one_case(name: str) -> None:
    rows = ood_scores.get(name).observe(case(0))
    assert rows is not None
    assert (rows.ndim, rows.dtype) == (2, np.float64)
    assert rows.shape[0] >= 1


@every_score
def test_is_undefined_without_features(name: str) -> None:
    for nothing in (segmentation_of(None), segmentation_of(np.zeros(SHAPE, dtype=np.float32))):
        assert ood_scores.get(name).observe(nothing) is None
        assert fitted(name).compute(nothing) is None


@every_score
@pytest.mark.parametrize("seed", range(100, 106))
def test_grows_when_a_case_moves_away_from_all_training_cases(name: str, seed: int) -> None:
    values = [value_of(fitted(name), case(seed, away)) for away in (0.0, 0.1, 0.3, 1.0)]
    assert all(later >= earlier for earlier, later in pairwise(values))
    assert values[-1] > values[0]


@every_score
def test_another_world_lies_above_every_ordinary_case(name: str) -> None:
    ordinary = [value_of(fitted(name), case(seed)) for seed in range(200, 220)]
    assert min(value_of(fitted(name), case(seed, 1.0)) for seed in range(200, 220)) > max(ordinary)


@every_score
def test_is_the_same_for_the_same_case_and_changes_no_input(name: str) -> None:
    one = freeze(case(300))
    assert value_of(fitted(name), one) == value_of(fitted(name), one)
    rows = observed(name, ordinary_cases())
    for table in rows:
        table.flags.writeable = False
    assert value_of(ood_scores.get(name).fit_cases(rows, PATIENTS), one) == value_of(fitted(name), one)


def _arrays(segmentation: Segmentation) -> list[np.ndarray]:
    assert segmentation.patches is not None
    assert segmentation.distortion is not None
    assert segmentation.distortion.by_class_foreground is not None
    assert segmentation.intensities is not None
    of_layers = [a for one in segmentation.layers.values() for a in (one.mean, one.gram, one.class_means)]
    told = segmentation.reconstructed
    assert told is not None
    distortion = segmentation.distortion
    of_distortion = [distortion.by_class, distortion.by_class_foreground, distortion.latents]
    return [
        segmentation.patches.features,
        segmentation.intensities,
        told.dice_gap,
        told.hausdorff_mm,
        *of_layers,
        *of_distortion,
    ]


@every_score
def test_what_patients_are_called_does_not_matter(name: str) -> None:
    rows = observed(name, ordinary_cases())
    renamed = ood_scores.get(name).fit_cases(rows, [f"{patient}-of-another-site"[::-1] for patient in PATIENTS])
    assert value_of(renamed, case(301)) == pytest.approx(value_of(fitted(name), case(301)), rel=1e-9)


@every_score
def test_survives_its_state(name: str) -> None:
    score = fitted(name)
    state: Mapping[str, np.ndarray] = score.state()
    again = type(score).from_state({key: array.copy() for key, array in state.items()})
    for away in (0.0, 0.2, 1.0):
        assert value_of(again, case(302, away)) == pytest.approx(value_of(score, case(302, away)), rel=1e-4)
    assert all(array.dtype in (np.float32, np.float64) for array in state.values())
    assert all(np.isfinite(array).all() for array in state.values())


@every_score
def test_a_damaged_state_is_named(name: str) -> None:
    whole = fitted(name).state()
    for lost in whole:
        with pytest.raises(ModelMismatch, match=name):
            type(fitted(name)).from_state({key: array for key, array in whole.items() if key != lost})
    with pytest.raises(ModelMismatch, match=name):
        type(fitted(name)).from_state({})


@every_score
def test_refuses_features_of_another_dimension(name: str) -> None:
    wider = with_features(case(303), one_more)
    with pytest.raises(FeatureShapeError):
        fitted(name).compute(wider)
    rows = observed(name, [*ordinary_cases()[:-1], wider])
    with pytest.raises(FeatureShapeError):
        ood_scores.get(name).fit_cases(rows, PATIENTS)


@every_score
def test_refuses_another_number_of_patients_than_of_cases(name: str) -> None:
    rows = observed(name, ordinary_cases()[:5])
    with pytest.raises(FeatureShapeError, match="patients"):
        ood_scores.get(name).fit_cases(rows, ["a", "b"])


@every_score
def test_refuses_to_be_fitted_on_nothing(name: str) -> None:
    with pytest.raises(TooFewCases):
        ood_scores.get(name).fit_cases([], [])


@every_score
@pytest.mark.parametrize("count", [1, 2, 3, 4])
@pytest.mark.parametrize("patients", ["one", "each"])
def test_few_cases_give_a_defined_score_or_a_named_error(name: str, count: int, patients: str) -> None:
    rows = observed(name, ordinary_cases()[:count])
    try:
        score = ood_scores.get(name).fit_cases(rows, [f"p{i * (patients == 'each')}" for i in range(count)])
    except TooFewCases:
        assert count == 1 or patients == "one"  # two patients are enough for every score
        return
    assert value_of(score, case(304, 1.0)) >= value_of(score, case(304))


@every_score
def test_identical_cases_give_a_defined_score_or_a_named_error(name: str) -> None:
    rows = observed(name, [case(1)] * 6)
    try:
        score = ood_scores.get(name).fit_cases(rows, list("aabbcd"))
    except TooFewCases:
        return
    assert value_of(score, case(304)) >= value_of(score, case(1))


@every_score
def test_two_like_patients_and_one_other_can_be_fitted(name: str) -> None:
    """Without the third patient nothing varies: the check on left-out patients must not divide by that."""
    score = ood_scores.get(name).fit_cases(observed(name, [case(1), case(1), case(2)]), ["a", "b", "c"])
    assert value_of(score, case(304, 1.0)) >= value_of(score, case(304)) >= value_of(score, case(1))


@every_score
def test_channels_that_are_dead_in_training_are_seen_when_they_come_alive(name: str) -> None:
    rows = observed(name, (with_features(one, dead_channels) for one in ordinary_cases()))
    score = ood_scores.get(name).fit_cases(rows, PATIENTS)
    usual = value_of(score, with_features(case(305), dead_channels))
    assert value_of(score, case(305)) >= usual


@every_score
def test_a_network_that_says_nothing_at_all_gives_a_defined_score_or_a_named_error(name: str) -> None:
    dead = with_features(case(306), nothing_at_all)
    value = fitted(name).compute(dead)
    assert value is None or fitted(name).quantity.accepts(value)
    rows = observed(name, (with_features(one, nothing_at_all) for one in ordinary_cases()))
    try:
        score = ood_scores.get(name).fit_cases(rows, PATIENTS[: len(rows)])
    except AnalysisError:
        return
    assert value_of(score, case(306)) >= value_of(score, dead)


@every_score
def test_refuses_features_that_are_not_numbers(name: str) -> None:
    with pytest.raises(AnalysisError, match="finite"):
        fitted(name).compute(with_features(case(307), a_nan))
    with pytest.raises(AnalysisError, match="finite"):
        _fitted_on_a_nan(name)


def _fitted_on_a_nan(name: str) -> OodScore:
    cases = [with_features(one, a_nan) for one in ordinary_cases()]  # some scores refuse as soon as they look
    return ood_scores.get(name).fit_cases(observed(name, cases), PATIENTS)


@every_score
def test_a_class_that_is_nowhere_predicted_breaks_nothing(name: str) -> None:
    def without_the_second_class(segmentation: Segmentation) -> Segmentation:
        layers = {
            key: replace(
                one,
                class_means=np.where(np.arange(CLASSES)[:, None] == 2, np.nan, one.class_means),
                class_counts=np.where(np.arange(CLASSES) == 2, 0, one.class_counts),
            )
            for key, one in segmentation.layers.items()
        }
        return replace(segmentation, layers=layers)

    some_without = [without_the_second_class(one) if i % 3 else one for i, one in enumerate(ordinary_cases())]
    for score in (fitted(name), ood_scores.get(name).fit_cases(observed(name, some_without), PATIENTS)):
        for shown in (case, lambda seed, away: without_the_second_class(case(seed, away))):
            assert value_of(score, shown(308, 1.0)) > value_of(score, shown(308, 0.0))
