"""A mask beside its reconstruction: on paper, and against MONAI and scipy."""

import numpy as np
import pytest
import torch
from monai.metrics import compute_dice, compute_hausdorff_distance
from scipy.spatial.distance import directed_hausdorff

from hospital_agent.analysis.errors import GeometryMismatch
from hospital_agent.analysis.segmentation.base import ABSENT
from hospital_agent.analysis.segmentation.reconstruction import FARTHEST_MM, compare


def cube(shape: tuple[int, int, int] = (6, 12, 12)) -> np.ndarray:
    labels = np.zeros(shape, dtype=np.uint8)
    labels[1:5, 2:6, 2:6] = 1
    labels[1:5, 7:10, 7:10] = 2
    return labels


def test_a_perfect_reconstruction_changes_nothing() -> None:
    found = compare(cube(), cube(), (3.0, 1.0, 1.0), 2)
    assert found.dice_gap.tolist() == [0.0, 0.0]
    assert found.hausdorff_mm.tolist() == [0.0, 0.0]


def test_an_island_that_is_not_given_back() -> None:
    """64 voxels and one more, 5 voxels of 1.5 mm away from the cube in Y: Dice 128 / 129, distance 7.5 mm."""
    with_island = cube()
    with_island[2, 10, 3] = 1
    found = compare(with_island, cube(), (3.0, 1.5, 1.0), 2)
    assert found.dice_gap[0] == pytest.approx(1 - 128 / 129)
    assert found.hausdorff_mm[0] == pytest.approx(7.5)
    assert (found.dice_gap[1], found.hausdorff_mm[1]) == (0.0, 0.0)


def test_a_label_that_only_one_holds_is_as_far_as_can_be_and_one_that_neither_holds_is_absent() -> None:
    lost = np.where(cube() == 2, 0, cube()).astype(np.uint8)
    for one, other in ((cube(), lost), (lost, cube())):
        found = compare(one, other, (1.0, 1.0, 1.0), 3)
        assert found.dice_gap.tolist() == [0.0, 1.0, ABSENT]
        assert found.hausdorff_mm.tolist() == [0.0, FARTHEST_MM, ABSENT]


def test_two_empty_masks_have_nothing_to_compare() -> None:
    empty = np.zeros((3, 4, 5), dtype=np.uint8)
    found = compare(empty, empty, (1.0, 1.0, 1.0), 2)
    assert found.dice_gap.tolist() == found.hausdorff_mm.tolist() == [ABSENT, ABSENT]


def test_a_distance_ends_at_the_declared_maximum() -> None:
    one = np.zeros((2, 2, 400), dtype=np.uint8)
    other = one.copy()
    one[0, 0, 0], other[0, 0, -1] = 1, 1
    assert compare(one, other, (1.0, 1.0, 2.0), 1).hausdorff_mm.tolist() == [FARTHEST_MM]


def test_one_voxel_and_one_slice_are_enough() -> None:
    one, other = np.zeros((1, 3, 3), dtype=np.uint8), np.zeros((1, 3, 3), dtype=np.uint8)
    one[0, 0, 0], other[0, 2, 2] = 1, 1
    found = compare(one, other, (8.0, 3.0, 4.0), 1)
    assert (found.dice_gap[0], found.hausdorff_mm[0]) == (1.0, pytest.approx(10.0))


def test_refuses_two_grids() -> None:
    with pytest.raises(GeometryMismatch, match="reconstruction"):
        compare(cube(), cube((6, 12, 13)), (1.0, 1.0, 1.0), 2)


@pytest.mark.filterwarnings("ignore:monai.metrics:FutureWarning")
@pytest.mark.parametrize("seed", range(8))
def test_agrees_with_monai_and_scipy(seed: int) -> None:
    rng = np.random.default_rng(seed)
    spacing = tuple(rng.uniform(0.5, 6.0, 3))
    one, other = (rng.choice(3, size=(5, 9, 8), p=(0.9, 0.06, 0.04)).astype(np.uint8) for _ in range(2))
    found = compare(one, other, spacing, 2)  # type: ignore[arg-type]
    hot = [torch.from_numpy(np.stack([a == n for n in range(3)])[None].astype(np.float32)) for a in (one, other)]
    monai_dice = compute_dice(*hot, include_background=False)[0].numpy()
    monai_far = compute_hausdorff_distance(*hot, include_background=False, spacing=list(spacing))[0].numpy()
    assert 1 - found.dice_gap == pytest.approx(monai_dice, rel=1e-5)
    assert found.hausdorff_mm == pytest.approx(monai_far, rel=1e-5)
    points = [np.argwhere(a == 1) * np.array(spacing) for a in (one, other)]
    assert found.hausdorff_mm[0] == pytest.approx(
        max(directed_hausdorff(*points)[0], directed_hausdorff(*points[::-1])[0])
    )
