"""Mean and spread of the largest component, by hand."""

import numpy as np
import pytest

from hospital_agent.analysis.features.intensity import (
    IntensityMode,
    IntensityModeMr,
    IntensitySpread,
    IntensitySpreadMr,
)
from tests.cases import case_of
from tests.phantoms import box


def two_pieces() -> tuple[np.ndarray, np.ndarray]:
    shape = (3, 6, 6)
    mask = box(shape, (0, 0, 0), (1, 2, 2)) | box(shape, (2, 4, 4), (3, 6, 5))
    array = np.full(shape, 3000, np.int16)
    array[0, :2, :2] = [[-700, -600], [-500, -400]]
    array[2, 4:, 4] = 40
    return mask, array


def test_only_the_largest_component_counts() -> None:
    mask, array = two_pieces()
    case = case_of(mask, array=array)
    assert IntensityMode().compute(case) == -550
    assert IntensitySpread().compute(case) == pytest.approx(np.sqrt((150**2 + 50**2) / 2))


def test_another_component_in_the_same_box_stays_out() -> None:
    mask = np.ones((1, 5, 5), bool)
    mask[0, 1:4, 1:4] = False
    mask[0, 2, 2] = True  # apart from the ring by one voxel all round
    array = np.where(mask, -600, 0).astype(np.int16)
    array[0, 2, 2] = 3000
    case = case_of(mask, array=array)
    assert IntensityMode().compute(case) == -600
    assert IntensitySpread().compute(case) == 0


def test_large_numbers_do_not_overflow() -> None:
    mask = np.ones((40, 60, 60), bool)
    case = case_of(mask, array=np.full(mask.shape, 32767, np.int16))
    assert IntensityMode().compute(case) == 32767
    assert IntensitySpread().compute(case) == 0


def test_nothing_to_measure() -> None:
    mask, array = two_pieces()
    for case in (case_of(np.zeros((3, 6, 6), bool), array=array), case_of(mask, array=array, modality="MR")):
        assert IntensityMode().compute(case) is None
        assert IntensitySpread().compute(case) is None


def bright_piece(gain: float, offset: float, air: int) -> tuple[np.ndarray, np.ndarray]:
    """A body of 100 and 200 in equal parts in a frame of air, and a mask on a 150 and a 250 in it."""
    body = np.full((4, 10, 10), 100.0)
    body[:, :, 5:] = 200
    body[1, 1, 1:3] = 150, 250
    mask = np.zeros(body.shape, bool)
    mask[1, 1, 1:3] = True
    frame = ((0, 0), (air, air), (air, air))
    return np.pad(mask, frame), (np.pad(body, frame) * gain + offset).astype(np.float32)


@pytest.mark.parametrize(("gain", "offset"), [(1, 0), (7.5, 0), (0.01, 0), (2, 1000), (1, -150)])
@pytest.mark.parametrize("air", [3, 8])
def test_the_body_is_the_scale_of_mr_whatever_the_gain_and_the_air_around_it(
    gain: float, offset: float, air: int
) -> None:
    mask, array = bright_piece(gain, offset, air)
    body = [100] * 198 + [200] * 200 + [150, 250]
    case = case_of(mask, array=array, modality="MR")
    assert IntensityModeMr().compute(case) == pytest.approx((200 - np.mean(body)) / np.std(body), rel=1e-4)
    assert IntensitySpreadMr().compute(case) == pytest.approx(50 / np.std(body), rel=1e-4)


def test_mr_without_contrast_or_mask_and_ct_have_no_brightness() -> None:
    mask, array = bright_piece(1, 0, 3)
    for case in (
        case_of(mask, array=np.full_like(array, 5), modality="MR"),
        case_of(np.zeros_like(mask), array=array, modality="MR"),
        case_of(mask, array=array),
    ):
        assert IntensityModeMr().compute(case) is None
        assert IntensitySpreadMr().compute(case) is None
