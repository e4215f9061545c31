"""A volume that exists is valid."""

import dataclasses

import numpy as np
import pytest

from hospital_agent.analysis.errors import AnalysisError, InvalidVolume
from hospital_agent.analysis.imaging.volume import Volume

GOOD = np.zeros((2, 3, 4), np.int16)


def test_shape_and_voxel_volume() -> None:
    volume = Volume(GOOD, (5.0, 0.5, 0.8))
    assert volume.shape == (2, 3, 4)
    assert volume.voxel_ml == pytest.approx(0.002)
    assert (volume.modality, volume.origin_mm) == ("CT", (0.0, 0.0, 0.0))


@pytest.mark.parametrize("array", [np.zeros(4), np.zeros((2, 2)), np.zeros((1, 2, 3, 4))], ids=["1-D", "2-D", "4-D"])
def test_three_axes(array: np.ndarray) -> None:
    with pytest.raises(InvalidVolume, match="three axes"):
        Volume(array.astype(np.float32), (1.0, 1.0, 1.0))


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_no_axis_is_empty(axis: int) -> None:
    shape = [2, 3, 4]
    shape[axis] = 0
    with pytest.raises(InvalidVolume, match="length 0"):
        Volume(np.zeros(shape, np.float32), (1.0, 1.0, 1.0))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_one_value_that_is_not_finite_is_enough(bad: float) -> None:
    array = np.zeros((2, 3, 4), np.float32)
    array[1, 2, 3] = bad
    with pytest.raises(InvalidVolume, match="not finite"):
        Volume(array, (1.0, 1.0, 1.0))


@pytest.mark.parametrize(
    "spacing", [(0.0, 1.0, 1.0), (1.0, -1.0, 1.0), (1.0, 1.0, np.nan), (np.inf, 1.0, 1.0), (1.0, 1.0)]
)
def test_spacing_is_three_positive_lengths(spacing: tuple) -> None:
    with pytest.raises(InvalidVolume, match="three positive lengths"):
        Volume(GOOD, spacing)


def test_a_volume_is_frozen_and_its_errors_are_ours() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Volume(GOOD, (1.0, 1.0, 1.0)).modality = "MR"  # type: ignore[misc]
    assert issubclass(InvalidVolume, AnalysisError)
    assert issubclass(InvalidVolume, ValueError)


@pytest.mark.parametrize("array", [GOOD, GOOD.astype(np.float32)])
def test_ct_comes_as_integers_or_floats(array: np.ndarray) -> None:
    assert Volume(array, (1.0, 1.0, 1.0)).array.dtype == array.dtype
