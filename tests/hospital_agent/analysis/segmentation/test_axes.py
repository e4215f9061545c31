"""Orientations: nibabel and SimpleITK know the truth; there and back is nothing."""

from itertools import permutations, product

import nibabel as nib
import numpy as np
import pytest

from hospital_agent.analysis.errors import NotApplicable
from hospital_agent.analysis.segmentation.axes import AxisMap

CODES = ["".join(code) for way in permutations(("LR", "PA", "SI")) for code in product(*way)]
VOLUME = np.arange(4 * 5 * 6).reshape(4, 5, 6)


@pytest.mark.parametrize("code", CODES)
def test_it_is_what_nibabel_makes_of_the_same_voxels(code: str) -> None:
    lps = nib.orientations.axcodes2ornt(("L", "P", "S"))
    wanted = nib.orientations.axcodes2ornt(tuple(code))
    turn = nib.orientations.ornt_transform(lps, wanted)
    as_stored = nib.orientations.apply_orientation(VOLUME.transpose(2, 1, 0), turn)
    axes = AxisMap.to_orientation(code)
    np.testing.assert_array_equal(axes.there(VOLUME), as_stored.transpose(2, 1, 0))
    np.testing.assert_array_equal(axes.back(axes.there(VOLUME)), VOLUME)
    assert axes.lengths_there((4.0, 5.0, 6.0)) == axes.there(VOLUME).shape
    assert axes.lengths_back(axes.lengths_there((4.0, 5.0, 6.0))) == (4.0, 5.0, 6.0)


@pytest.mark.parametrize("code", ["LPS", "RAS", "PSR", "ILA"])
@pytest.mark.parametrize("transpose", [(0, 1, 2), (2, 0, 1), (1, 2, 0)])
def test_a_tile_lies_where_it_lay(code: str, transpose: tuple[int, int, int]) -> None:
    axes = AxisMap.to_orientation(code).then(transpose)
    there = axes.there(VOLUME)
    np.testing.assert_array_equal(there, AxisMap.to_orientation(code).there(VOLUME).transpose(transpose))
    tile, starts = (1, 2, 1), np.array([[0, 1, 0], [1, 0, 1]])
    back = axes.starts_back(starts, tile, there.shape)
    tile_back = tuple(np.array(tile)[np.argsort(axes.order)])
    for start, home in zip(starts, back, strict=True):
        cut = there[tuple(slice(a, a + n) for a, n in zip(start, tile, strict=True))]
        at_home = VOLUME[tuple(slice(a, a + n) for a, n in zip(home, tile_back, strict=True))]
        np.testing.assert_array_equal(axes.back(cut), at_home)


def test_channels_stay_in_front() -> None:
    axes = AxisMap.to_orientation("RAI").then((2, 0, 1))
    several = np.stack([VOLUME, VOLUME + 100])
    np.testing.assert_array_equal(axes.there(several)[1], axes.there(VOLUME) + 100)
    np.testing.assert_array_equal(axes.back(axes.there(several)), several)


@pytest.mark.parametrize("code", ["", "LP", "LRS", "XYZ", "LPSS"])
def test_other_letters_are_refused(code: str) -> None:
    with pytest.raises(NotApplicable):
        AxisMap.to_orientation(code)
