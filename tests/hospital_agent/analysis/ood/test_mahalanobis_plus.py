"""Every layer counts alike, whatever its size; what is strong but points the same way is no news."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from hospital_agent.analysis.errors import FeatureShapeError, ModelMismatch
from hospital_agent.analysis.ood.mahalanobis_plus import MahalanobisPlus
from hospital_agent.analysis.ood.reference import GaussianReference
from hospital_agent.analysis.segmentation.base import Segmentation
from tests.patches import layer_of, segmentation_of

WIDTHS = {"early": 4, "bottleneck": 30, "last": 8}


def case(seed: int, change: str = "", by: float = 0.0, scale: float = 1.0) -> Segmentation:
    rng = np.random.default_rng(seed)
    layers = {}
    for name, width in WIDTHS.items():
        mean = 3 + 0.3 * rng.normal(size=width) + by * (name == change) * np.resize([1, -1], width)
        layers[name] = layer_of(scale * np.tile(mean, (5, 1)))
    return replace(segmentation_of(np.zeros((4, 4, 4), np.float32)), layers=layers)


@cache
def fitted(count: int = 60) -> MahalanobisPlus:
    seen = [MahalanobisPlus.observe(case(seed)) for seed in range(count)]
    return MahalanobisPlus.fit_cases([one for one in seen if one is not None], [f"p{i}" for i in range(count)])


def test_it_is_the_mean_over_layers_of_distances_by_dimension() -> None:
    expected = []
    for name, width in WIDTHS.items():
        rows = np.array([case(seed).layers[name].mean for seed in range(60)])
        unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        reference = GaussianReference.fit(unit, [f"p{i}" for i in range(60)])
        asked = case(99).layers[name].mean
        expected.append(reference.distances((asked / np.linalg.norm(asked))[None])[0] / width)
    assert fitted().compute(case(99)) == pytest.approx(np.mean(expected))


def test_an_ordinary_case_lies_near_one() -> None:
    values = [fitted().compute(case(seed)) for seed in range(100, 110)]
    assert 0.5 < np.mean(np.array(values, dtype=float)) < 3


@pytest.mark.parametrize("change", list(WIDTHS))
def test_a_change_in_any_one_layer_is_seen(change: str) -> None:
    score = fitted()
    values = [score.compute(case(99, change, by)) for by in (0.0, 1.0, 2.0)]
    assert np.all(np.diff(np.array(values, dtype=float)) > 1)


def test_strength_alone_is_not() -> None:
    assert fitted().compute(case(99, scale=50)) == pytest.approx(fitted().compute(case(99)))


def test_a_missing_layer_and_a_damaged_state_are_named() -> None:
    score, whole = fitted(8), case(0)
    fewer = replace(whole, layers={name: whole.layers[name] for name in ("early", "last")})
    with pytest.raises(FeatureShapeError, match="layers of"):
        score.compute(fewer)
    state = dict(score.state())
    for damaged in ({}, {"mean": state["0.mean"]}, {k: v for k, v in state.items() if k != "1.weight"}):
        with pytest.raises(ModelMismatch, match="mahalanobis_plus"):
            MahalanobisPlus.from_state(damaged)
