"""Eq. 4 by hand, its range, what is undefined, and a sentence that says how to get an autoencoder."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hospital_agent.analysis.errors import FeatureShapeError, NoAutoencoder, NotApplicable, TooFewCases
from hospital_agent.analysis.ood import ood_scores
from hospital_agent.analysis.ood.latent_mahalanobis import LatentMahalanobis
from hospital_agent.analysis.ood.mahalanobis import Mahalanobis
from hospital_agent.analysis.ood.segmentation_distortion import SegmentationDistortion
from hospital_agent.analysis.ood.segmentation_distortion_foreground import SegmentationDistortionForeground
from tests.patches import distorted_segmentation, segmentation_of, starts_of

NAMES = ("segmentation_distortion", "segmentation_distortion_foreground", "latent_mahalanobis")


def over(*voxels: tuple[float, ...]) -> np.ndarray:
    """(C, 1, 1, X) softmax from one tuple of classes a voxel."""
    return np.array(voxels, np.float32).T[:, None, None, :]


def case(plain: np.ndarray, other: np.ndarray):
    return distorted_segmentation(segmentation_of(1 - plain[0]), plain, other)


def scored(kind, segmentation) -> float | None:
    classes = len(segmentation.distortion.by_class)
    return kind(class_count=classes, case_count=1, patient_count=1).compute(segmentation)


def test_two_voxels_and_two_classes_by_hand() -> None:
    plain, other = over((0.9, 0.1), (0.5, 0.5)), over((0.6, 0.4), (0.5, 0.5))
    assert scored(SegmentationDistortion, case(plain, other)) == pytest.approx((0.09 + 0.09) / (2 * 2))


def test_two_voxels_and_three_classes_by_hand() -> None:
    plain, other = over((0.7, 0.2, 0.1), (0.1, 0.8, 0.1)), over((0.5, 0.2, 0.3), (0.1, 0.3, 0.6))
    by_hand = (0.2**2 + 0.2**2 + 0.5**2 + 0.5**2) / (2 * 3)
    assert scored(SegmentationDistortion, case(plain, other)) == pytest.approx(by_hand)


@pytest.mark.parametrize("classes", [2, 3, 5])
def test_another_certain_answer_everywhere_is_two_over_the_number_of_classes(classes: int) -> None:
    certain = np.eye(classes)[:, :, None, None] * np.ones((1, 1, 3, 4))
    opposite = np.roll(certain, 1, axis=0)
    assert scored(SegmentationDistortion, case(certain, opposite)) == pytest.approx(2 / classes)
    assert scored(SegmentationDistortion, case(certain, certain)) == 0.0
    assert scored(SegmentationDistortionForeground, case(certain, certain)) == 0.0


@given(drawn=arrays(np.float32, (2, 3, 2, 3, 4), elements=st.floats(0.0, 1.0, width=32)))
def test_it_stays_in_its_range_and_both_answers_count_alike(drawn: np.ndarray) -> None:
    softmax = (drawn + 1e-3) / (drawn + 1e-3).sum(axis=1, keepdims=True)
    for kind in (SegmentationDistortion, SegmentationDistortionForeground):
        value = scored(kind, case(*softmax))
        if value is not None:
            assert 0.0 <= value <= 2 / 3
            assert kind.quantity.accepts(value)
    assert scored(SegmentationDistortion, case(*softmax)) == scored(SegmentationDistortion, case(*softmax[::-1]))


def test_around_the_foreground_plain_background_does_not_thin_it_out() -> None:
    plain = np.zeros((2, 12, 12, 40), np.float32)
    plain[0] = 1.0
    plain[:, 4:8, 4:8, 4:8] = np.array([0.1, 0.9])[:, None, None, None]
    other = plain.copy()
    other[:, 4:8, 4:8, 4:8] = 0.5
    wide, near = case(plain, other), case(plain[..., :14], other[..., :14])
    values = [scored(SegmentationDistortionForeground, one) for one in (wide, near)]
    assert values[0] == pytest.approx(values[1])
    whole = [scored(SegmentationDistortion, one) for one in (wide, near)]
    assert whole[0] == pytest.approx(whole[1] * 14 / 40)
    assert whole[0] == pytest.approx(4**3 * 2 * 0.4**2 / (2 * 12 * 12 * 40))


def test_an_empty_mask_has_a_distortion_and_none_around_it() -> None:
    plain, other = over((0.9, 0.1), (0.8, 0.2)), over((0.2, 0.8), (0.8, 0.2))
    assert scored(SegmentationDistortion, case(plain, other)) > 0
    assert scored(SegmentationDistortionForeground, case(plain, other)) is None
    assert SegmentationDistortionForeground.observe(case(plain, other)) is None


@pytest.mark.parametrize("name", NAMES)
def test_without_an_autoencoder_the_fit_says_how_to_get_one(name: str) -> None:
    kind = ood_scores.load("hospital_agent.analysis.ood").get(name)
    with pytest.raises(NoAutoencoder, match="hospital-agent fit --method segmentation_distortion"):
        kind.fit_cases([], [])
    assert issubclass(NoAutoencoder, NotApplicable)
    assert issubclass(NoAutoencoder, TooFewCases)


def test_the_state_says_what_it_was_seen_on() -> None:
    rows = [np.array([[0.1, 0.2, 0.1]])] * 5
    score = SegmentationDistortion.fit_cases(rows, ["a", "a", "b", "b", "c"])
    assert SegmentationDistortion.from_state(score.state()) == score
    assert (score.class_count, score.case_count, score.patient_count) == (3, 5, 3)
    with pytest.raises(FeatureShapeError):
        score.compute(case(over((0.9, 0.1)), over((0.8, 0.2))))


def test_latents_are_averaged_over_tiles_as_pooled_features_are() -> None:
    shape, tile, rng = (14, 10, 20), (8, 8, 8), np.random.default_rng(0)
    count = len(starts_of(shape, tile))
    tables, patients = rng.normal(size=(9, count, 3)), [f"p{i}" for i in range(9)]
    latent = LatentMahalanobis.fit_cases(list(tables), patients)
    pooled = Mahalanobis.fit_cases(list(tables), patients)
    rows = rng.normal(size=(count, 3)).astype(np.float32)
    seen = segmentation_of(np.zeros(shape, np.float32), rows, tile)
    same = np.zeros((2, *shape), np.float32)
    seen = distorted_segmentation(seen, same, same, rows)
    assert latent.compute(seen) == pytest.approx(pooled.compute(seen))
    assert seen.distortion is not None
    with pytest.raises(FeatureShapeError, match="latent vectors"):
        latent.compute(replace(seen, distortion=replace(seen.distortion, latents=rows[:-1])))
