"""Masks at the border, by hand."""

import numpy as np
import pytest

from hospital_agent.analysis.features.border_touch import BorderTouchFraction
from tests.cases import case_of
from tests.phantoms import box

SHAPE = (6, 8, 10)
INNER = box(SHAPE, (2, 2, 2), (4, 4, 4))  # 8 voxels


def touch(mask: np.ndarray) -> float | None:
    return BorderTouchFraction().compute(case_of(mask))


def test_a_mask_inside_touches_nothing() -> None:
    assert touch(INNER) == 0
    assert touch(box(SHAPE, (1, 1, 1), (5, 7, 9))) == 0


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("end", [0, 1])
def test_each_of_the_six_faces_counts(axis: int, end: int) -> None:
    mask = box(SHAPE, (2, 2, 2), (4, 4, 4))
    line = [3, 3, 3]
    line[axis] = slice(None, 3) if end == 0 else slice(3, None)
    mask[tuple(line)] = True
    assert touch(mask) == 1


def test_only_the_components_that_touch_count() -> None:
    assert touch(INNER | box(SHAPE, (0, 7, 8), (1, 8, 10))) == 0.2


def test_one_slice_always_touches_and_nothing_is_undefined() -> None:
    assert touch(np.ones((1, 3, 3), bool)) == 1
    assert touch(np.zeros(SHAPE, bool)) is None
