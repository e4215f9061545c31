"""What is lost is lost exactly, and what is left is left bit by bit."""

import numpy as np
import pytest

from hospital_agent.analysis.imaging.volume import Volume
from hospital_agent.simulation.shifts import Shift, apply
from hospital_agent.simulation.shifts.crop_and_missing_slices import Crop, MissingSlices

LOST = {"front": np.s_[:, :3], "back": np.s_[:, -3:], "right": np.s_[:, :, :2], "left": np.s_[:, :, -2:]}


def volume(modality: str = "MR", depth: int = 10) -> Volume:
    array = 5 + np.random.default_rng(0).random((depth, 12, 8)).astype(np.float32)
    return Volume(array, (4.0, 1.0, 1.0), modality=modality)


def shifted(change: Crop | MissingSlices, of: Volume) -> np.ndarray:
    variant = "crop" if isinstance(change, Crop) else "missing_slices"
    return apply(Shift("crop_and_missing_slices", 2, variant, change), of).array


@pytest.mark.parametrize("side", list(LOST))
@pytest.mark.parametrize("modality", ["MR", "CT"])
def test_a_quarter_of_a_side_becomes_background(side: str, modality: str) -> None:
    before = volume(modality)
    after = shifted(Crop(side, 0.25), before)
    expected = before.array.copy()
    expected[LOST[side]] = before.array.min() if modality == "MR" else -1024
    np.testing.assert_allclose(after, expected, rtol=1e-6)
    kept = np.ones(before.shape, bool)
    kept[LOST[side]] = False
    np.testing.assert_array_equal(after[kept], before.array[kept])


def test_at_least_one_line_goes_and_one_stays() -> None:
    for share, kept in ((0.001, 11), (1.0, 1)):
        after = shifted(Crop("front", share), volume())
        blank = np.isclose(after, volume().array.min(), rtol=1e-6).all(axis=(0, 2))
        assert 12 - blank.sum() == kept


@pytest.mark.parametrize("filled", ["neighbour", "blank"])
@pytest.mark.parametrize(("share", "count"), [(0.1, 1), (0.3, 3), (0.6, 6), (1.0, 9), (0.0, 1)])
def test_the_share_of_slices_is_lost(filled: str, share: float, count: int) -> None:
    before = volume()
    after = shifted(MissingSlices(share, filled, 3), before)
    changed = [z for z in range(10) if not np.array_equal(after[z], before.array[z])]
    assert len(changed) == count
    for z in changed:
        if filled == "blank":
            np.testing.assert_allclose(after[z], before.array.min(), rtol=1e-6)
            continue
        left = [k for k in range(10) if k not in changed]
        nearest = min(left, key=lambda k: (abs(k - z), k))
        np.testing.assert_allclose(after[z], before.array[nearest], rtol=1e-6)


def test_more_is_lost_from_the_same_slices_on() -> None:
    few, many = (shifted(MissingSlices(share, "blank", 5), volume()) != volume().array for share in (0.3, 0.6))
    assert few.sum() == many.sum() / 2
    assert not np.any(few & ~many)


def test_a_single_slice_stays() -> None:
    np.testing.assert_array_equal(shifted(MissingSlices(0.6, "blank", 0), volume(depth=1)), volume(depth=1).array)
