"""Voxelwise doubt and its regions, on probabilities whose answer is known on paper."""

import gc
import weakref

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from hospital_agent.analysis.errors import AnalysisError, GeometryMismatch
from hospital_agent.analysis.uncertainty.voxels import VoxelDoubt, doubt_of, mean_over
from tests.patches import multi_class, segmentation_of

ISOTROPIC = (1.0, 1.0, 1.0)


def doubt(probability: object, spacing: tuple[float, float, float] = ISOTROPIC) -> VoxelDoubt:
    return VoxelDoubt(np.asarray(probability, dtype=np.float32), spacing)


def test_entropy_is_measured_in_bits() -> None:
    maps = doubt([[[0.0, 1.0, 0.5, 0.25, 0.75, 1e-30]]])
    quarter = 0.25 * 2 + 0.75 * np.log2(4 / 3)
    np.testing.assert_allclose(maps.entropy.ravel(), [0, 0, 1, quarter, quarter, 0], atol=1e-6)
    np.testing.assert_allclose(maps.one_minus_max.ravel(), [0, 0, 0.5, 0.25, 0.25, 0], atol=1e-6)


def test_entropy_of_many_voxels_is_that_of_each() -> None:
    probability = np.random.default_rng(0).random((50, 40, 70)).astype(np.float32)
    p = probability.astype(np.float64)
    np.testing.assert_allclose(doubt(probability).entropy, -(p * np.log2(p) + (1 - p) * np.log2(1 - p)), atol=1e-5)


def test_a_view_is_as_good_as_an_array_of_its_own() -> None:
    probability = np.random.default_rng(0).random((6, 8, 10)).astype(np.float32)
    np.testing.assert_array_equal(doubt(probability).entropy.T, VoxelDoubt(probability.T, ISOTROPIC).entropy)


@given(
    shape=st.tuples(*[st.integers(1, 14)] * 3),
    spacing=st.tuples(*[st.sampled_from([0.7, 1.0, 2.0, 3.0, 8.0])] * 3),
    seed=st.integers(0, 99),
)
@settings(max_examples=60, deadline=None)
def test_the_boundary_is_what_dilation_from_both_sides_shares(
    shape: tuple[int, int, int], spacing: tuple[float, float, float], seed: int
) -> None:
    probability = (ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=shape), 2) > 0).astype(np.float32)
    maps = doubt(probability, spacing)
    box = np.ones([2 * max(1, round(4 / s)) + 1 for s in spacing], dtype=bool)
    inside = ndimage.binary_dilation(maps.foreground, box)
    outside = ndimage.binary_dilation(~maps.foreground, box)
    np.testing.assert_array_equal(maps.away_from_boundary, ~(inside & outside))


def test_the_boundary_reaches_four_millimetres_to_each_side() -> None:
    line = np.zeros((1, 1, 40), dtype=np.float32)
    line[..., 20:] = 1
    near = np.flatnonzero(~doubt(line, (1.0, 1.0, 2.0)).away_from_boundary)
    assert near.tolist() == [18, 19, 20, 21]


@pytest.mark.parametrize("everywhere", [0.0, 1.0])
def test_without_an_edge_every_voxel_is_away_from_it(everywhere: float) -> None:
    assert doubt(np.full((5, 5, 5), everywhere)).away_from_boundary.all()


def test_the_mean_over_no_voxel_is_undefined() -> None:
    values = np.ones((2, 2, 2), dtype=np.float32)
    assert mean_over(values) == 1.0
    assert mean_over(values, np.zeros((2, 2, 2), dtype=bool)) is None


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -0.1, 1.1])
def test_refuses_what_is_no_probability(wrong: float) -> None:
    with pytest.raises(AnalysisError, match="between 0 and 1"):
        doubt([[[0.5, wrong]]])


def test_forgives_the_rounding_of_a_blend() -> None:
    maps = doubt([[[1.00001, -0.00001]]])
    assert (maps.probability.min(), maps.probability.max()) == (0.0, 1.0)


def test_maps_are_made_once_and_leave_with_their_segmentation() -> None:
    segmentation = segmentation_of(np.zeros((3, 3, 3), dtype=np.float32))
    maps = doubt_of(segmentation)
    assert maps is doubt_of(segmentation)
    gone = weakref.ref(maps.entropy)
    del maps, segmentation
    gc.collect()
    assert gone() is None


def test_of_several_classes_any_label_is_foreground_even_below_a_half() -> None:
    softmax = np.array([[0.4, 0.2, 0.4, 0.1], [0.3, 0.5, 0.4, 0.1], [0.3, 0.3, 0.2, 0.8]]).reshape(3, 1, 1, 4)
    maps = doubt_of(multi_class(softmax))
    assert maps.predicted.ravel().tolist() == [0, 1, 0, 2]
    assert maps.foreground.ravel().tolist() == [False, True, False, True]
    assert [mask.ravel().tolist() for _, mask in maps.labels()] == [
        [False, True, False, False],
        [False, False, False, True],
    ]
    np.testing.assert_allclose(maps.probability.ravel(), [0.6, 0.8, 0.6, 0.9], rtol=1e-6)


def test_the_boundary_of_several_classes_is_that_of_any_label() -> None:
    softmax = np.zeros((3, 1, 1, 40), dtype=np.float32)
    softmax[0, ..., :10] = softmax[1, ..., 10:25] = softmax[2, ..., 25:] = 1
    maps = VoxelDoubt(1 - softmax[0], (1.0, 1.0, 4.0), softmax)
    assert np.flatnonzero(~maps.away_from_boundary).tolist() == [9, 10]  # and nothing between the labels


def test_refuses_classes_that_are_no_softmax() -> None:
    probability = np.full((2, 2, 2), 0.5, dtype=np.float32)
    with pytest.raises(AnalysisError, match="sum to 1"):
        VoxelDoubt(probability, ISOTROPIC, np.full((3, 2, 2, 2), 0.5, dtype=np.float32))
    with pytest.raises(AnalysisError, match="between 0 and 1"):
        VoxelDoubt(probability, ISOTROPIC, np.full((3, 2, 2, 2), np.nan, dtype=np.float32))
    with pytest.raises(GeometryMismatch):
        VoxelDoubt(probability, ISOTROPIC, np.full((3, 2, 2, 3), 1 / 3, dtype=np.float32))


def test_each_temperature_is_computed_once() -> None:
    maps = doubt(np.full((2, 2, 2), 0.1))
    assert maps.one_minus_max_at(10) is maps.one_minus_max_at(10.0)
    assert maps.one_minus_max_at(100) is not maps.one_minus_max_at(10)
