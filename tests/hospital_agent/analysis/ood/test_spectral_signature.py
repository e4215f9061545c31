"""The score as a whole: nearest training signature, threshold by patients, and what the last layer may look like."""

from dataclasses import replace

import numpy as np
import pytest

from hospital_agent.analysis.errors import FeatureShapeError, ModelMismatch, TooFewCases
from hospital_agent.analysis.ood import ood_scores
from hospital_agent.analysis.ood.spectral_signature import PublishedSpectralSignature, SpectralSignature
from hospital_agent.analysis.segmentation.base import Segmentation
from tests.patches import layer_of, segmentation_of

CHANNELS = 6


def positions(seed: int, decay: float = 0.5, count: int = 400) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, CHANNELS)) * decay ** np.arange(CHANNELS)


def case(rows: np.ndarray) -> Segmentation:
    return replace(segmentation_of(np.zeros((4, 4, 4), np.float32)), layers={"last": layer_of(rows)})


def fitted(kind: type[SpectralSignature] = SpectralSignature, patients: int = 10) -> SpectralSignature:
    observed = [kind.observe(case(positions(seed))) for seed in range(2 * patients)]
    return kind.fit_cases([one for one in observed if one is not None], [f"p{i // 2}" for i in range(2 * patients)])


def value(score: SpectralSignature, rows: np.ndarray) -> float:
    found = score.compute(case(rows))
    assert found is not None
    return found


def test_the_distance_is_to_the_nearest_signature_on_paper() -> None:
    rows = [np.array([[4.0, 3.0]]), np.array([[1.0, 1.0]])]
    score = SpectralSignature.fit_cases(rows, ["a", "b"])
    there = np.log(np.array([[0.8, 0.6], [np.sqrt(0.5), np.sqrt(0.5)]]))
    apart = np.linalg.norm(there[0] - there[1])
    assert score.threshold == pytest.approx(apart)  # both lie as far from each other: no spread
    at = np.log(np.array([12 / 13, 5 / 13]))
    expected = min(np.linalg.norm(at - there[0]), np.linalg.norm(at - there[1]))
    assert score.distances([[12.0, 5.0]])[0] == pytest.approx(expected)
    assert score.distances(rows[0])[0] == 0.0


@pytest.mark.parametrize("kind", [SpectralSignature, PublishedSpectralSignature])
def test_another_decay_is_unusual_and_an_unseen_like_case_is_not(kind: type[SpectralSignature]) -> None:
    score = fitted(kind)
    alike, unlike = value(score, positions(99)), [value(score, positions(99, decay)) for decay in (0.45, 0.4, 0.3)]
    assert alike < score.threshold < unlike[0] < unlike[1] < unlike[2]


def test_a_brighter_or_larger_image_is_unusual_to_the_published_score_alone() -> None:
    ours, published = fitted(), fitted(PublishedSpectralSignature)
    rows = positions(99)
    assert value(ours, rows * 3) == pytest.approx(value(ours, rows), rel=1e-6)
    assert value(ours, np.tile(rows, (5, 1))) == pytest.approx(value(ours, rows), rel=1e-6)
    assert value(published, rows) < published.threshold
    assert value(published, rows * 3) > published.threshold
    assert value(published, np.tile(rows, (5, 1))) > published.threshold


def test_the_threshold_leaves_out_patients_where_the_published_one_leaves_out_images() -> None:
    twins = [SpectralSignature.observe(case(positions(seed // 2) + 1e-6 * (seed % 2))) for seed in range(20)]
    rows, patients = [one for one in twins if one is not None], [f"p{i // 2}" for i in range(20)]
    by_patient = SpectralSignature.fit_cases(rows, patients)
    by_image = SpectralSignature.fit_cases(rows, [str(i) for i in range(20)])
    assert by_image.threshold < 1e-3 < by_patient.threshold
    assert by_image.compute(case(positions(99))) > by_image.threshold  # type: ignore[operator]
    assert by_patient.compute(case(positions(99))) < by_patient.threshold  # type: ignore[operator]
    published = PublishedSpectralSignature.fit_cases(rows, patients)
    assert published.threshold < 1e-3


def test_a_dead_channel_that_comes_alive_is_seen() -> None:
    dead = [positions(seed) * (np.arange(CHANNELS) != 3) for seed in range(9)]
    observed = [SpectralSignature.observe(case(rows)) for rows in dead[:8]]
    score = SpectralSignature.fit_cases([one for one in observed if one is not None], list("abcdefgh"))
    assert value(score, dead[8]) < score.threshold
    alive = dead[8].copy()
    alive[:, 3] = positions(8)[:, 3] * 0.01
    assert value(score, alive) > 10 * score.threshold


def test_is_undefined_without_the_layer_and_where_the_layer_is_dead() -> None:
    score = fitted()
    assert score.compute(segmentation_of(None)) is None
    assert score.compute(case(np.zeros((10, CHANNELS)))) is None


def test_refuses_one_patient_other_channels_and_a_damaged_state() -> None:
    row = np.ones((1, CHANNELS))
    with pytest.raises(TooFewCases, match="two patients"):
        SpectralSignature.fit_cases([row, row], ["a", "a"])
    with pytest.raises(TooFewCases, match="there are none"):
        SpectralSignature.fit_cases([], [])
    with pytest.raises(FeatureShapeError):
        SpectralSignature.fit_cases([row], ["a", "b"])
    with pytest.raises(FeatureShapeError):
        fitted().compute(case(np.ones((9, CHANNELS + 1))))
    state = dict(fitted().state())
    for damaged in ({}, state | {"threshold": np.zeros(0)}, state | {"signatures": np.zeros(3)}):
        with pytest.raises(ModelMismatch, match="spectral_signature"):
            SpectralSignature.from_state(damaged)


def test_survives_its_state_exactly_and_is_found_by_name() -> None:
    score = fitted()
    again = SpectralSignature.from_state(score.state())
    assert again.threshold == score.threshold
    assert value(again, positions(50)) == value(score, positions(50))
    names = ood_scores.load("hospital_agent.analysis.ood")
    assert names.get("spectral_signature") is SpectralSignature
    assert names.get("spectral_signature_paper") is PublishedSpectralSignature
