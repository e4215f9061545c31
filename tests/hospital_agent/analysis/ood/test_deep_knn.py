"""Neighbours counted by hand, and credibility as a share of calibration samples."""

from dataclasses import replace

import numpy as np
import pytest

from hospital_agent.analysis.errors import NotApplicable, TooFewCases
from hospital_agent.analysis.ood import Observation
from hospital_agent.analysis.ood.deep_knn import DeepNearestNeighbours
from hospital_agent.analysis.segmentation.base import Segmentation
from tests.patches import layer_of, segmentation_of

CENTRES = {"early": np.eye(4)[[3, 0, 1]], "last": np.eye(4)[[3, 2, 1]]}


def case(seed: int, swapped: tuple[str, ...] = (), predicted: tuple[int, ...] = (0, 1, 2), noise: float = 0.1):
    rng, layers = np.random.default_rng(seed), {}
    for name, centres in CENTRES.items():
        means = centres + noise * rng.normal(size=centres.shape)
        if name in swapped:
            means = means[[0, 2, 1]]
        layers[name] = layer_of(means[list(predicted)], np.array(predicted), 3)
    return replace(segmentation_of(np.zeros((4, 4, 4), np.float32)), layers=layers)


def seen(segmentation: Segmentation) -> Observation:
    rows = DeepNearestNeighbours.observe(segmentation)
    assert rows is not None
    return rows


def fitted(count: int = 20, noise: float = 0.1) -> DeepNearestNeighbours:
    rows = [seen(case(seed, noise=noise)) for seed in range(count)]
    return DeepNearestNeighbours.fit_cases(rows, [f"p{i}" for i in range(count)])


def test_every_fifth_patient_calibrates() -> None:
    score = fitted()
    assert len(score.training) == 16 * 2 * 2  # patients, classes, layers
    np.testing.assert_array_equal(score.calibration, np.zeros(4 * 2))


def test_features_of_the_other_class_have_foreign_neighbours_in_every_layer_where_they_do() -> None:
    score = fitted()
    assert score.compute(case(99)) == 0.0
    assert score.compute(case(99, ("early",))) == 1.0
    assert score.compute(case(99, ("early", "last"))) == 1.0


def test_credibility_is_the_share_of_calibration_samples_that_conform_no_better() -> None:
    score = replace(fitted(), calibration=np.array([0.0, 0.0, 3.0, 5.0, 7.0, 10.0]))
    assert score.compute(case(99)) == 0.0
    assert score.compute(case(99, ("early",))) == pytest.approx(3 / 6)  # five foreign neighbours; three had fewer
    assert score.compute(case(99, ("early", "last"))) == pytest.approx(5 / 6)  # ten


def test_where_classes_are_alike_calibration_knows_it() -> None:
    """Noise as large as the classes apart: foreign neighbours are ordinary, and an ordinary case is credible."""
    score = fitted(100, noise=1.0)
    assert score.calibration.mean() > 2
    values = [score.compute(case(seed, noise=1.0)) for seed in range(500, 540)]
    assert 0.3 < np.mean(np.array(values, dtype=float)) < 0.6


def test_a_class_lost_in_a_coarse_layer_is_left_out_and_no_foreground_has_no_value() -> None:
    assert fitted().compute(case(99, predicted=(0, 2))) == 0.0
    assert fitted().compute(case(99, predicted=(0,))) is None
    both, one = case(99), case(99, predicted=(0, 1))
    mixed = replace(both, layers={"early": one.layers["early"], "last": both.layers["last"]})
    assert seen(mixed)[:, 0].tolist() == [1.0, 1.0]


def test_needs_several_classes_and_two_patients() -> None:
    single = [seen(case(seed, predicted=(0, 1))) for seed in range(6)]
    with pytest.raises(NotApplicable, match="at least two foreground classes"):
        DeepNearestNeighbours.fit_cases(single, list("abcdef"))
    with pytest.raises(TooFewCases, match="at least two"):
        DeepNearestNeighbours.fit_cases([seen(case(0)), seen(case(1))], ["a", "a"])
