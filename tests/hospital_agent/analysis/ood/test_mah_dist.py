"""Classes with one tied covariance: against scikit-learn, and which distance is meant."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.covariance import OAS

from hospital_agent.analysis.errors import NotApplicable, TooFewCases
from hospital_agent.analysis.ood.mah_dist import ClassMahalanobis
from hospital_agent.analysis.segmentation.base import Segmentation
from tests.patches import layer_of, segmentation_of

CENTRES = np.array([[0.0, 0.0, 0.0], [8.0, 0.0, 0.0], [0.0, 8.0, 0.0]])


def case(means: np.ndarray, predicted: tuple[int, ...] = (0, 1, 2)) -> Segmentation:
    """One position of each predicted class, so that its mean is known."""
    positions = layer_of(means[list(predicted)], np.array(predicted), 3)
    return replace(segmentation_of(np.zeros((4, 4, 4), np.float32)), layers={"last": positions})


def means_of(seed: int) -> np.ndarray:
    return CENTRES + np.random.default_rng(seed).normal(size=(3, 3))


def fitted(count: int = 40, patients: int = 40) -> ClassMahalanobis:
    seen = [ClassMahalanobis.observe(case(means_of(seed))) for seed in range(count)]
    return ClassMahalanobis.fit_cases(
        [one for one in seen if one is not None], [f"p{i % patients}" for i in range(count)]
    )


def test_it_looks_at_each_predicted_foreground_class() -> None:
    seen = ClassMahalanobis.observe(case(CENTRES, (0, 2)))
    np.testing.assert_array_equal(seen, [[2.0, 0.0, 8.0, 0.0]])  # class 2 and its mean; the background is no class


def test_the_distance_is_to_the_nearest_class_with_the_tied_covariance() -> None:
    score = fitted(patients=2)  # two patients cannot check the weight: it is the formula's
    rows = np.stack([means_of(seed)[1:] for seed in range(40)])
    left = (rows - rows.mean(axis=0)).reshape(-1, 3)
    reference = OAS().fit(left)
    asked = np.array([[1.0, 2.0, 3.0], [7.0, 1.0, 0.0], [-1.0, 9.0, 0.5]])
    to_each = [reference.mahalanobis(asked - centre) for centre in rows.mean(axis=0)]
    np.testing.assert_allclose(score.distances(asked), np.minimum(*to_each), rtol=1e-8)
    means = np.vstack([np.zeros((1, 3)), asked[1:]])
    assert score.compute(case(means)) == pytest.approx(np.minimum(*to_each)[1:].mean())


def test_a_class_under_the_name_of_another_is_known_and_one_like_none_is_not() -> None:
    score, means = fitted(), means_of(99)
    swapped = means[[0, 2, 1]]
    assert score.compute(case(swapped)) == pytest.approx(score.compute(case(means)))
    strange = means.copy()
    strange[1] = [8.0, 8.0, 8.0]
    assert score.compute(case(strange)) > 10 * score.compute(case(means))  # type: ignore[operator]


def test_one_class_is_not_enough() -> None:
    seen = [ClassMahalanobis.observe(case(means_of(seed), (0, 1))) for seed in range(5)]
    with pytest.raises(NotApplicable, match="at least two foreground classes"):
        ClassMahalanobis.fit_cases([one for one in seen if one is not None], list("abcde"))


def test_an_empty_mask_has_no_value_and_like_cases_are_too_few() -> None:
    assert fitted().compute(case(means_of(0), (0,))) is None
    seen = ClassMahalanobis.observe(case(means_of(0)))
    assert seen is not None
    with pytest.raises(TooFewCases):
        ClassMahalanobis.fit_cases([seen] * 4, list("abcd"))
