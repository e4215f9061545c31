"""Blur has the width it says; coarse pixels and thick slices average exactly what lies in them."""

import numpy as np
import pytest

from hospital_agent.analysis.imaging.volume import Volume
from hospital_agent.simulation.shifts.blur_and_low_resolution import Blur, CoarsePixels, ThickSlices
from hospital_agent.simulation.shifts.signal import Signal


def signal_of(array: np.ndarray) -> Signal:
    return Signal.of(Volume(array.astype(np.float32), (1.0, 1.0, 1.0), modality="MR"))


def point(side: int) -> Signal:
    array = np.zeros((3, side, side))
    array[1, side // 2, side // 2] = 1
    return signal_of(array)


@pytest.mark.parametrize(("side", "voxels"), [(64, 1.5), (256, 3.0)])
def test_a_point_becomes_a_gaussian_of_the_width_in_the_plane(side: int, voxels: float) -> None:
    spread = Blur(1.5).change(point(side))
    assert spread.sum() == pytest.approx(1, abs=1e-4)
    assert spread[0].max() == spread[2].max() == 0
    away = np.arange(side) - side // 2
    for axis in (0, 1):
        assert np.sqrt((spread[1].sum(axis=axis) * away**2).sum()) == pytest.approx(voxels, rel=0.01)


@pytest.mark.parametrize("change", [Blur(2), CoarsePixels(3, 2), CoarsePixels(3, 1), ThickSlices(3)])
def test_what_is_even_stays_even(change) -> None:
    np.testing.assert_allclose(change.change(signal_of(np.full((7, 40, 30), 5.0))), 1, atol=1e-5)


def test_pixels_twice_as_long_average_two_and_are_interpolated_between() -> None:
    stripes = np.zeros((1, 64, 64))
    stripes[0, ::2] = 1
    assert np.allclose(CoarsePixels(2, 1).change(signal_of(stripes)), 0.5)
    ramp = np.broadcast_to(np.arange(64.0)[None, :, None], (1, 64, 64))
    coarse = (
        CoarsePixels(2, 1).change(signal_of(ramp))
        * Signal.of(Volume(ramp.astype(np.float32), (1.0, 1.0, 1.0), modality="MR")).scale
    )
    np.testing.assert_allclose(coarse[0, 1:-1], ramp[0, 1:-1], rtol=1e-4)  # linear stays linear
    np.testing.assert_allclose(coarse[0, [0, -1], 0], [0.5, 62.5], rtol=1e-4)  # and ends are held


def test_one_axis_leaves_the_other_as_sharp_as_it_was() -> None:
    rng = np.random.default_rng(0)
    columns = np.broadcast_to(rng.random((2, 1, 64)), (2, 64, 64))
    np.testing.assert_allclose(CoarsePixels(4, 1).change(signal_of(columns)), signal_of(columns).values, atol=1e-5)
    assert np.abs(CoarsePixels(4, 2).change(signal_of(columns)) - signal_of(columns).values).mean() > 0.05


def test_thick_slices_mix_slices_and_not_pixels() -> None:
    array = np.zeros((6, 8, 8))
    array[2, 3, 5] = 1
    mixed = ThickSlices(2).change(signal_of(array))
    # Slices 2 and 3 make one whose centre is 3.0; a quarter of the way to its neighbours it is 3/4.
    np.testing.assert_allclose(mixed[:, 3, 5], [0, 0.125, 0.375, 0.375, 0.125, 0], atol=1e-6)
    mixed[:, 3, 5] = 0
    assert mixed.max() == 0


def test_a_single_slice_cannot_be_thicker() -> None:
    one = signal_of(np.random.default_rng(0).random((1, 9, 9)))
    np.testing.assert_allclose(ThickSlices(3).change(one), one.values)
