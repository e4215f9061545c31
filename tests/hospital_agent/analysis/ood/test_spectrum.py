"""Singular values against numpy, and what the two signatures do and do not depend on."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hospital_agent.analysis.errors import AnalysisError, FeatureShapeError
from hospital_agent.analysis.ood.spectrum import (
    FLOOR,
    gram_of,
    invariant_signature,
    paper_signature,
    singular_values,
    singular_values_of_gram,
)

CHANNELS = 14


def feature_map(side: int = 48, seed: int = 0) -> np.ndarray:
    """(side, side, side, 14) float32 whose channels share a pattern and span two and a half decades."""
    rng = np.random.default_rng(seed)
    mix = rng.normal(size=(CHANNELS, CHANNELS)) * np.geomspace(1, 0.005, CHANNELS)[:, None]
    noise = rng.standard_normal((side, side, side, CHANNELS), dtype=np.float32)
    return np.maximum(noise, -0.3) @ mix.astype(np.float32)


def moved(signature, before: np.ndarray, after: np.ndarray) -> float:
    return float(np.linalg.norm(signature(singular_values(before)) - signature(singular_values(after))))


def test_on_paper() -> None:
    flat = np.array([[3.0, 0.0], [0.0, 4.0], [0.0, 0.0]])
    np.testing.assert_allclose(singular_values(flat), [4.0, 3.0])
    np.testing.assert_allclose(gram_of(flat), [[9.0, 0.0], [0.0, 16.0]])
    np.testing.assert_allclose(invariant_signature([4.0, 3.0]), np.log([0.8, 0.6]))
    length = np.hypot(np.log(4), np.log(3))
    np.testing.assert_allclose(paper_signature([4.0, 3.0]), [np.log(4) / length, np.log(3) / length])


@given(
    shape=st.tuples(*[st.integers(3, 6)] * 3),
    channels=st.integers(1, 12),
    decades=st.floats(0, 4),
    scale=st.floats(1e-3, 1e3),
    seed=st.integers(0, 999),
)
@settings(max_examples=60, deadline=None)
def test_equals_the_decomposition_of_numpy(
    shape: tuple[int, int, int], channels: int, decades: float, scale: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    left, _ = np.linalg.qr(rng.normal(size=(int(np.prod(shape)), channels)))
    right, _ = np.linalg.qr(rng.normal(size=(channels, channels)))
    known = scale * np.geomspace(1, 10**-decades, channels)
    features = (left * known) @ right
    np.testing.assert_allclose(singular_values(features.reshape(*shape, channels)), known, rtol=1e-6)
    np.testing.assert_allclose(np.linalg.svd(features, compute_uv=False), known, rtol=1e-6)


def test_equals_numpy_on_a_float32_map() -> None:
    features = feature_map()
    expected = np.linalg.svd(features.reshape(-1, CHANNELS).astype(np.float64), compute_uv=False)
    np.testing.assert_allclose(singular_values(features), expected, rtol=1e-6)


def test_beyond_five_decades_it_takes_the_map_itself_and_says_so() -> None:
    rng = np.random.default_rng(0)
    left, _ = np.linalg.qr(rng.normal(size=(200, 3)))
    right, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    features = (left * [1.0, 1e-3, 1e-7]) @ right
    with pytest.warns(UserWarning, match="five decades"):
        values = singular_values(features)
    np.testing.assert_allclose(values, [1.0, 1e-3, 1e-7], rtol=1e-6)
    through_gram = singular_values_of_gram(gram_of(features))
    assert abs(through_gram[2] / 1e-7 - 1) > 1e-6  # what the warning is about


def test_gram_matrices_of_tiles_add() -> None:
    features = feature_map(12)
    halves = gram_of(features[:5]) + gram_of(features[5:])
    np.testing.assert_allclose(singular_values_of_gram(halves), singular_values(features), rtol=1e-8)


@pytest.mark.parametrize("factor", [2.0, 1.1, 1e-6, 1e6])
def test_the_invariant_signature_does_not_depend_on_scale(factor: float) -> None:
    features = feature_map(16)
    assert moved(invariant_signature, features, features.astype(np.float64) * factor) < 1e-6


def test_the_invariant_signature_does_not_depend_on_how_much_is_seen_of_the_same() -> None:
    features = feature_map(16)
    assert moved(invariant_signature, features, np.concatenate([features] * 3)) < 1e-6
    assert moved(invariant_signature, feature_map(48), feature_map(48)[:24, :24]) < 0.02


def test_spectra_that_decay_at_different_rates_differ() -> None:
    slow, quick = np.geomspace(1, 0.1, 8), np.geomspace(1, 0.01, 8)
    assert np.linalg.norm(invariant_signature(slow) - invariant_signature(quick)) > 1
    # Normalising the logarithms again would make the two the same, up to the shift of ||s||.
    ratio = np.log(slow)[1:] / np.log(quick)[1:]
    np.testing.assert_allclose(ratio, ratio[0])


def test_the_published_signature_depends_on_scale_and_size_against_what_is_said_of_it() -> None:
    """Orders of magnitude as measured on 96^3 voxels (methods.md B4); the published tau were 0.011 and 0.0036."""
    features = feature_map(96)
    values = singular_values(features)

    def shift(after: np.ndarray) -> float:
        return float(np.linalg.norm(paper_signature(values) - paper_signature(after)))

    changes = [shift(values * factor) for factor in (1.1, 2.0, 10.0)]
    for change, measured in zip(changes, (0.006, 0.038, 0.095), strict=True):
        assert measured / 4 < change < 4 * measured
    assert changes[1] > 0.011  # twice the intensity alone calls the same image unusual
    assert shift(values * 0.01) > 0.2
    half = singular_values(features[:48])
    assert 0.025 / 4 < shift(half) < 4 * 0.025
    assert np.linalg.norm(invariant_signature(values) - invariant_signature(half)) < shift(half)


def test_dead_channels_are_raised_to_a_floor_that_follows_the_scale() -> None:
    values = np.array([10.0, 1.0, 0.0])
    np.testing.assert_allclose(invariant_signature(values)[2] - invariant_signature(values)[0], np.log(FLOOR))
    np.testing.assert_allclose(invariant_signature(values * 7), invariant_signature(values))
    assert np.isfinite(paper_signature(values)).all()
    assert paper_signature([1.0]).tolist() == [0.0]  # log 1 has no length


@pytest.mark.parametrize("signature", [paper_signature, invariant_signature])
@pytest.mark.parametrize("values", [[0.0, 0.0], [1.0, np.nan], [np.inf, 1.0]])
def test_a_spectrum_of_nothing_and_one_that_is_not_finite_have_no_signature(signature, values: list[float]) -> None:
    with pytest.raises(AnalysisError, match="spectrum"):
        signature(values)


def test_refuses_what_is_no_feature_map() -> None:
    for wrong in (np.zeros(5), np.zeros((0, 3)), np.zeros((2, 0))):
        with pytest.raises(FeatureShapeError):
            singular_values(wrong)
    for wrong in (np.zeros((2, 3)), np.zeros((0, 0)), np.zeros(4)):
        with pytest.raises(FeatureShapeError, match="square"):
            singular_values_of_gram(wrong)
    with pytest.raises(AnalysisError, match="finite"):
        singular_values(np.full((4, 2), np.nan))
    assert singular_values(np.zeros((4, 2))).tolist() == [0.0, 0.0]


def test_fewer_voxels_than_channels_have_zeros() -> None:
    with pytest.warns(UserWarning, match="five decades"):
        values = singular_values(np.array([[3.0, 4.0, 0.0]]))
    np.testing.assert_allclose(values, [5.0, 0.0, 0.0], atol=1e-12)
