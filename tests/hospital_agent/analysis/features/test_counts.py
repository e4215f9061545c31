"""Pieces counted on paper."""

import numpy as np

from hospital_agent.analysis.features.counts import ComponentCount, FragmentCount, PublishedCount
from tests.cases import case_of
from tests.phantoms import box


def counts(mask: np.ndarray, spacing: tuple = (1.0, 1.0, 1.0)) -> tuple:
    case = case_of(mask, spacing_mm=spacing)
    return tuple(feature().compute(case) for feature in (ComponentCount, FragmentCount, PublishedCount))


def test_pieces_of_a_hundredth_of_a_millilitre_are_components_and_smaller_ones_fragments() -> None:
    shape = (8, 20, 20)
    ten_voxels = box(shape, (0, 0, 0), (1, 1, 10))
    nine_voxels = box(shape, (4, 0, 0), (5, 1, 9))
    speck = box(shape, (7, 19, 19), (8, 20, 20))
    assert counts(ten_voxels | nine_voxels | speck) == (1, 2, 3)


def test_the_rule_is_a_volume_and_not_a_voxel_count() -> None:
    one_voxel = box((4, 4, 4), (1, 1, 1), (2, 2, 2))
    assert counts(one_voxel, (3.0, 2.0, 2.0)) == (1, 0, 1)
    assert counts(one_voxel, (2.0, 2.0, 2.0)) == (0, 1, 1)


def test_corners_join() -> None:
    mask = np.zeros((4, 4, 4), bool)
    mask[0, 0, 0] = mask[1, 1, 1] = mask[2, 2, 2] = True
    assert counts(mask, (3.0, 3.0, 3.0)) == (1, 0, 1)


def test_an_empty_mask_has_none_of_any() -> None:
    assert counts(np.zeros((3, 3, 3), bool)) == (0, 0, 0)
