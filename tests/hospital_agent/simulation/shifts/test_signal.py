"""The common scale of images: what is 0, what is 1, and that the way back is exact."""

import numpy as np
import pytest

from hospital_agent.analysis.imaging.volume import Volume
from hospital_agent.simulation.shifts.signal import Signal

ONE = (1.0, 1.0, 1.0)


def volume(values: list[float], modality: str, dtype: type = np.float32) -> Volume:
    return Volume(np.array(values, dtype=dtype).reshape(1, 1, -1), ONE, modality=modality)


def test_air_is_zero_and_water_is_one_in_ct() -> None:
    signal = Signal.of(volume([-1024, 0, 1024, 3071], "CT", np.int16))
    np.testing.assert_allclose(signal.values.ravel(), [0, 1, 2, 4095 / 1024])
    assert (signal.blank, signal.is_ct) == (0, True)


def test_padding_below_air_and_metal_above_the_range_are_clipped() -> None:
    padded = volume([-2048, 5000, 40], "CT", np.int16)
    signal = Signal.of(padded)
    assert signal.restored(signal.values, padded).array.ravel().tolist() == [-1024, 3071, 40]


def test_bright_tissue_is_one_in_mr_whatever_the_scale() -> None:
    for scale in (1e-4, 1.0, 4095.0):
        signal = Signal.of(volume([scale * value for value in range(101)], "MR"))
        assert signal.values.ravel()[99] == pytest.approx(1)
        assert signal.values.ravel()[0] == 0


def test_a_mostly_empty_image_takes_its_scale_from_its_brightest_voxel() -> None:
    assert Signal.of(volume([0] * 500 + [8], "MR")).values.max() == 1
    assert Signal.of(volume([0] * 5, "MR")).scale == 1


def test_blank_is_the_darkest_value_of_an_mr_image() -> None:
    for values in ([20, 30, 40], [-3, 0, 2]):
        signal = Signal.of(volume(values, "MR"))
        assert signal.blank * signal.scale + signal.offset == pytest.approx(min(values))


def test_untouched_voxels_come_back_bit_by_bit() -> None:
    before = volume([0.1, 1 / 3, 7.7, 1e3], "MR")
    signal = Signal.of(before)
    changed = signal.values.copy()
    changed[..., 0] += 1
    after = signal.restored(changed, before)
    np.testing.assert_array_equal(after.array[..., 1:], before.array[..., 1:])
    assert after.array[0, 0, 0] == pytest.approx(0.1 + signal.scale)


def test_a_little_grows_as_the_square_root_of_the_slice() -> None:
    for side, unit in ((64, 1), (256, 2), (16, 0.5)):
        assert Signal.of(Volume(np.ones((2, side, 300), np.float32), ONE, modality="MR")).inplane_unit == unit
