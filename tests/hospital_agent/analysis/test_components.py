"""Components of masks whose pieces, sizes and boxes are known on paper."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from hospital_agent.analysis import components as module
from hospital_agent.analysis.components import label, label_components
from hospital_agent.analysis.errors import GeometryMismatch
from hospital_agent.analysis.imaging.volume import Volume

masks = st.tuples(st.tuples(*[st.integers(1, 7)] * 3), st.integers(0, 10_000), st.floats(0.02, 0.98)).map(
    lambda t: np.random.default_rng(t[1]).random(t[0]) < t[2]
)


def volume(shape: tuple, spacing: tuple = (2.0, 1.0, 1.0)) -> Volume:
    return Volume(np.zeros(shape, np.int16), spacing)


def test_corners_join_and_gaps_part() -> None:
    mask = np.zeros((6, 6, 6), bool)
    mask[0, 0, 0] = mask[1, 1, 1] = True  # three city-block hops: one component
    mask[3, 3, 3] = True  # two voxels away along each axis: another
    found = label_components(mask, volume(mask.shape))
    assert found.count == 2
    assert found.sizes.tolist() == [2, 1]
    assert found.ml.tolist() == pytest.approx([0.004, 0.002])
    assert found.box_of(0) == (slice(0, 2), slice(0, 2), slice(0, 2))
    assert found.box_of(1) == (slice(3, 4), slice(3, 4), slice(3, 4))
    assert found.labels[found.local(found.box_of(1))].tolist() == [[[2]]]
    assert found.largest == 0
    assert not found.large.any()


def test_face_neighbours_only_where_asked() -> None:
    mask = np.zeros((2, 2, 2), bool)
    mask[0, 0, 0] = mask[1, 1, 1] = True
    assert label(mask, 26)[1] == 1
    assert label(mask, 6)[1] == 2


def test_a_component_of_exactly_a_hundredth_of_a_millilitre_is_large() -> None:
    mask = np.zeros((1, 3, 12), bool)
    mask[0, 0, :10] = True
    mask[0, 2, :9] = True
    found = label_components(mask, volume(mask.shape, (1.0, 1.0, 1.0)))
    assert found.ml.tolist() == pytest.approx([0.010, 0.009])
    assert found.large.tolist() == [True, False]


def test_an_empty_mask_has_nothing_and_says_so() -> None:
    found = label_components(np.zeros((4, 5, 6), bool), volume((4, 5, 6)))
    assert found.empty
    assert (found.count, found.voxel_count, found.box, found.largest) == (0, 0, None, None)
    assert found.sizes.size == found.ml.size == found.large.size == found.bounds.size == 0


@settings(max_examples=80, deadline=None)
@given(mask=masks)
def test_components_are_those_of_scipy(mask: np.ndarray) -> None:
    expected, count = ndimage.label(mask, np.ones((3, 3, 3)))
    found = label_components(mask, volume(mask.shape))
    assert found.count == count
    if found.box is not None:
        np.testing.assert_array_equal(found.labels, expected[found.box])
        assert found.sizes.tolist() == np.bincount(expected.ravel())[1:].tolist()
        assert [found.box_of(i) for i in range(count)] == ndimage.find_objects(expected)
        assert found.voxel_count == int(mask.sum())


@settings(max_examples=40, deadline=None)
@given(mask=masks, connectivity=st.sampled_from([6, 26]))
def test_without_the_library_nothing_changes(mask: np.ndarray, connectivity: int) -> None:
    with_library = label(mask, connectivity)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "cc3d", None)
        without = label(mask, connectivity)
    assert with_library[1] == without[1]
    np.testing.assert_array_equal(with_library[0], without[0])


def test_isolated_voxels_of_one_slice_are_counted() -> None:
    mask = np.zeros((1, 41, 267), bool)
    mask[0, ::2, ::2] = True
    assert label(mask)[1] == int(mask.sum())


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, bool])
def test_any_integer_mask_will_do_and_is_left_alone(dtype: type) -> None:
    mask = np.zeros((3, 4, 5), dtype)
    mask[1, 1:3, 1:4] = 1
    before = mask.copy()
    assert label_components(mask, volume(mask.shape)).sizes.tolist() == [6]
    np.testing.assert_array_equal(mask, before)


def test_a_mask_on_another_grid_is_refused() -> None:
    with pytest.raises(GeometryMismatch):
        label_components(np.zeros((3, 3, 3), bool), volume((3, 3, 4)))
