"""Maps of a softmax, voxel by voxel, against scipy and against paper; for two classes and for more."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import rel_entr, softmax
from scipy.stats import entropy as scipy_entropy

from hospital_agent.analysis.uncertainty import maps

COUNTS = [2, 3, 7]


def drawn(count: int, shape: tuple[int, int, int] = (11, 50, 70), seed: int = 0) -> np.ndarray:
    """(C, Z, Y, X) float64, from flat to saturated; more voxels than a block, and not a whole number of blocks."""
    logits = np.random.default_rng(seed).normal(scale=5, size=(count, *shape))
    return softmax(logits, axis=0).astype(np.float32).astype(np.float64)


def given_as(probabilities: np.ndarray) -> np.ndarray:
    """What the maps take: the foreground of two classes, or all of several."""
    return (probabilities[1] if len(probabilities) == 2 else probabilities).astype(np.float32)


def ignorance(largest: np.ndarray, count: int) -> np.ndarray:
    return (1 - largest) * count / (2 * (count - 1))


@pytest.mark.parametrize("count", COUNTS)
def test_entropy_is_that_of_scipy_in_units_of_ignorance(count: int) -> None:
    probabilities = drawn(count)
    np.testing.assert_allclose(
        maps.entropy(given_as(probabilities)), scipy_entropy(probabilities, base=count, axis=0), atol=1e-5
    )


@pytest.mark.parametrize("count", COUNTS)
def test_one_minus_max_is_half_where_nothing_is_known(count: int) -> None:
    probabilities = drawn(count)
    np.testing.assert_allclose(
        maps.one_minus_max(given_as(probabilities)), ignorance(probabilities.max(axis=0), count), atol=1e-6
    )


@pytest.mark.parametrize("count", COUNTS)
def test_kl_is_that_of_scipy_with_the_floor(count: int) -> None:
    probabilities = drawn(count)
    if count == 2:
        probabilities[0] = 1 - probabilities[1]
    expected = rel_entr(1 / count, np.maximum(probabilities, 1e-4)).sum(axis=0) / np.log(2)
    most = maps.largest_kl(count)
    assert expected.max() < most + count * 1e-4  # what the map cuts off is next to nothing
    np.testing.assert_allclose(maps.kl_from_uniform(given_as(probabilities)), np.minimum(expected, most), atol=1e-5)


def test_kl_of_two_classes_on_paper() -> None:
    map_ = maps.kl_from_uniform(np.array([[[0.5, 0.25, 1.0, 0.0, 1e-9]]], dtype=np.float32)).ravel()
    certain = 0.5 * np.log2(0.5) + 0.5 * np.log2(0.5 / 1e-4)
    assert certain == pytest.approx(maps.largest_kl(2))
    expected = [0, 0.5 * np.log2(0.5 / 0.25) + 0.5 * np.log2(0.5 / 0.75), certain, certain, certain]
    np.testing.assert_allclose(map_, expected, atol=1e-6)


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("temperature", [1.0, 10.0, 100.0, 1000.0])
def test_a_temperature_flattens_the_logarithms(count: int, temperature: float) -> None:
    probabilities = drawn(count)
    if count == 2:
        probabilities[0] = 1 - probabilities[1]
    flat = softmax(np.log(np.maximum(probabilities, maps.SOFTMAX_FLOOR)) / temperature, axis=0)
    np.testing.assert_allclose(
        maps.one_minus_max_at(given_as(probabilities), temperature), ignorance(flat.max(axis=0), count), atol=2e-6
    )


def test_a_temperature_acts_on_log_p_as_on_the_logits() -> None:
    logits = np.random.default_rng(1).normal(scale=2, size=(4, 5, 6, 7))
    on_logits = softmax(logits / 10, axis=0).max(axis=0)
    map_ = maps.one_minus_max_at(softmax(logits, axis=0).astype(np.float32), 10)
    np.testing.assert_allclose(map_, ignorance(on_logits, 4), atol=1e-5)


@pytest.mark.parametrize("temperature", [1, 10, 1000])
def test_a_certain_voxel_keeps_the_least_a_temperature_leaves(temperature: float) -> None:
    map_ = maps.one_minus_max_at(np.array([[[0.0, 1.0, 1e-30, 0.5]]], dtype=np.float32), temperature).ravel()
    np.testing.assert_allclose(map_, [maps.least_at(temperature)] * 3 + [0.5], rtol=1e-5)


def test_a_temperature_is_above_zero() -> None:
    with pytest.raises(ValueError, match="above 0"):
        maps.one_minus_max_at(np.zeros((1, 1, 1), dtype=np.float32), 0)


@given(count=st.integers(3, 9), shape=st.tuples(*[st.integers(1, 9)] * 3), seed=st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_the_predicted_class_is_the_most_probable(count: int, shape: tuple[int, int, int], seed: int) -> None:
    probabilities = drawn(count, shape, seed).astype(np.float32)
    np.testing.assert_array_equal(maps.predicted_class(probabilities), probabilities.argmax(axis=0))


def test_two_classes_may_be_told_either_way() -> None:
    """The formulae for many classes, asked for two, agree with those for two."""
    both = drawn(2).astype(np.float32)
    both[0] = 1 - both[1]
    np.testing.assert_allclose(maps.entropy(both), maps.entropy(both[1]), atol=1e-6)
    np.testing.assert_allclose(maps.one_minus_max(both), maps.one_minus_max(both[1]), atol=1e-7)
    np.testing.assert_allclose(maps.kl_from_uniform(both), maps.kl_from_uniform(both[1]), atol=1e-5)
    np.testing.assert_allclose(maps.one_minus_max_at(both, 100), maps.one_minus_max_at(both[1], 100), atol=1e-6)
