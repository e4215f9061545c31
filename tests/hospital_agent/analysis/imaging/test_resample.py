"""Grids move without shifting anything: ramps, means, spheres and there-and-back, with truth from paper."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from hospital_agent.analysis.errors import GeometryMismatch
from hospital_agent.analysis.imaging.resample import (
    bounding_box,
    resample,
    resample_mask,
    resample_to_shape,
    shape_at,
    spacing_of,
)

shapes = st.tuples(*[st.integers(1, 9)] * 3)


def ramp(n: int, spacing: float) -> np.ndarray:
    """Along every axis the position of each voxel's centre in mm, from the box's edge."""
    return (np.arange(n) + 0.5) * spacing


@pytest.mark.parametrize(("old", "new"), [(1.0, 2.5), (0.6, 2.0), (8.0, 2.0), (5.0, 2.0), (3.0, 2.0), (2.0, 3.0)])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_ramp_stays_the_same_ramp_away_from_the_edges(old: float, new: float, axis: int) -> None:
    n = 60
    shape = [3, 3, 3]
    shape[axis] = n
    line = [1, 1, 1]
    line[axis] = n
    array = np.broadcast_to(ramp(n, old).reshape(line), shape).astype(np.float32)
    spacing = tuple(old if a == axis else 1.0 for a in range(3))
    wanted = tuple(new if a == axis else 1.0 for a in range(3))
    moved = resample(array, spacing, wanted, order=1)
    exact = spacing_of(array.shape, spacing, moved.shape)[axis]
    truth = ramp(moved.shape[axis], exact)
    got = np.moveaxis(moved, axis, 0)[:, 1, 1]
    edge = int(np.ceil(old / exact)) + 1
    # Averaging takes a voxel as one flat block, so a block that is cut by a border can be off by a little.
    allowed = old**2 / (4 * exact) if exact > old and exact % old else 1e-4
    np.testing.assert_allclose(got[edge:-edge], truth[edge:-edge], atol=allowed)
    assert np.mean(got[edge:-edge] - truth[edge:-edge]) == pytest.approx(0, abs=allowed / 10)


def test_shrinking_averages_by_overlap() -> None:
    array = np.arange(6, dtype=np.int16).reshape(6, 1, 1)
    np.testing.assert_allclose(resample_to_shape(array, (3, 1, 1)).ravel(), [0.5, 2.5, 4.5])
    # Four voxels from six: 0 and half of 1 make the first.
    np.testing.assert_allclose(
        resample_to_shape(array, (4, 1, 1)).ravel(), [0.5 / 1.5, (0.5 + 2) / 1.5, (3 + 0.5 * 4) / 1.5, 7 / 1.5]
    )


def test_growing_interpolates_between_centres() -> None:
    array = np.array([0.0, 4.0]).reshape(1, 1, 2)
    np.testing.assert_allclose(resample_to_shape(array, (1, 1, 4)).ravel(), [0, 1, 3, 4])


@settings(max_examples=60, deadline=None)
@given(old=shapes, new=shapes, seed=st.integers(0, 99))
def test_laws_of_every_pair_of_grids(old: tuple, new: tuple, seed: int) -> None:
    array = np.random.default_rng(seed).normal(size=old).astype(np.float32)
    moved = resample_to_shape(array, new)
    assert moved.shape == new
    assert moved.dtype == np.float32
    assert moved.min() >= array.min() - 1e-5
    assert moved.max() <= array.max() + 1e-5
    np.testing.assert_allclose(resample_to_shape(np.full(old, 7, np.int16), new), 7.0, rtol=1e-5)
    for axis in range(3):
        np.testing.assert_allclose(np.flip(moved, axis), resample_to_shape(np.flip(array, axis), new), atol=1e-5)
    if all(n <= o for n, o in zip(new, old, strict=True)):
        assert float(moved.mean()) == pytest.approx(float(array.mean()), abs=1e-5)


@settings(max_examples=30, deadline=None)
@given(old=shapes, new=shapes, seed=st.integers(0, 99))
def test_a_mask_cut_on_the_way_is_the_cut_of_the_resampled_mask(old: tuple, new: tuple, seed: int) -> None:
    array = np.random.default_rng(seed).random(old).astype(np.float32)
    np.testing.assert_array_equal(resample_mask(array, new, 0.4), resample_to_shape(array, new) >= 0.4)


@settings(max_examples=30, deadline=None)
@given(old=shapes, new=shapes, seed=st.integers(0, 99))
def test_nearest_invents_no_label_and_keeps_the_type(old: tuple, new: tuple, seed: int) -> None:
    labels = np.random.default_rng(seed).integers(0, 5, old).astype(np.uint8)
    moved = resample_to_shape(labels, new, order=0)
    assert moved.dtype == np.uint8
    assert moved.shape == new
    assert set(np.unique(moved)) <= set(np.unique(labels))
    np.testing.assert_array_equal(resample_to_shape(labels, old, order=0), labels)


def test_linear_growing_equals_scipy() -> None:
    array = np.random.default_rng(0).normal(size=(4, 5, 6)).astype(np.float32)
    expected = ndimage.zoom(array, (2.5, 3, 2), order=1, mode="nearest", grid_mode=True)
    np.testing.assert_allclose(resample_to_shape(array, (10, 15, 12)), expected, atol=1e-5)


def test_shrinking_leaves_no_alias_of_a_fine_pattern() -> None:
    stripes = np.tile(np.array([0.0, 1000.0], np.float32), 60).reshape(1, 1, 120)
    shrunk = resample_to_shape(stripes, (1, 1, 24))
    assert np.abs(shrunk - 500).max() < 110
    assert np.abs(resample_to_shape(stripes, (1, 1, 24), order=0) - 500).max() == 500


@pytest.mark.parametrize("spacing", [(0.6, 0.7, 0.7), (8.0, 0.7, 0.7), (2.0, 2.0, 2.0)])
def test_a_sphere_survives_there_and_back(spacing: tuple) -> None:
    shape = shape_at((80, 80, 80), (1.0, 1.0, 1.0), spacing)
    exact = spacing_of((80, 80, 80), (1.0, 1.0, 1.0), shape)
    z, y, x = np.ogrid[tuple(slice(0, n) for n in shape)]
    positions = [(i + 0.5) * s - 40 for i, s in zip((z, y, x), exact, strict=True)]
    sphere = sum(p**2 for p in positions) <= 25.0**2
    working = resample(sphere, exact, (2.0, 2.0, 2.0))
    back = resample_mask(working, shape)
    dice = 2 * (back & sphere).sum() / (back.sum() + sphere.sum())
    assert dice > 0.95
    centre = [float(c) for c in ndimage.center_of_mass(back)]
    np.testing.assert_allclose(centre, [(n - 1) / 2 for n in shape], atol=0.05)


def test_inputs_are_left_alone_and_the_result_is_its_own() -> None:
    array = np.ones((2, 3, 4), dtype=bool)
    for result in (resample_to_shape(array, (2, 3, 4)), resample_mask(array, (2, 3, 4))):
        result[:] = 0
    assert array.all()


def test_what_cannot_be_resampled_is_refused() -> None:
    with pytest.raises(GeometryMismatch, match="three axes"):
        resample_to_shape(np.zeros((2, 2)), (1, 1, 1))
    with pytest.raises(GeometryMismatch, match="empty axis"):
        resample_to_shape(np.zeros((2, 0, 2)), (1, 1, 1))
    with pytest.raises(GeometryMismatch, match="order 0"):
        resample_to_shape(np.zeros((2, 2, 2)), (1, 1, 1), order=3)  # type: ignore[arg-type]


def test_bounding_box_adds_its_margin_in_mm_and_stops_at_the_grid() -> None:
    mask = np.zeros((10, 20, 30), dtype=bool)
    mask[4, 5:8, 28] = True
    assert bounding_box(mask, (5.0, 1.0, 1.0)) == (slice(4, 5), slice(5, 8), slice(28, 29))
    assert bounding_box(mask, (5.0, 1.0, 1.0), margin_mm=6.0) == (slice(2, 7), slice(0, 14), slice(22, 30))
    assert bounding_box(np.zeros((3, 3, 3), dtype=bool), (1.0, 1.0, 1.0)) is None
