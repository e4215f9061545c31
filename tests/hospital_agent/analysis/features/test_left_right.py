"""Sides, by hand."""

import numpy as np
import pytest

from hospital_agent.analysis.features.left_right import LeftRightBalance
from tests.cases import case_of
from tests.phantoms import box

SHAPE = (4, 6, 12)
LUNGS = box(SHAPE, (0, 0, 0), (4, 6, 4)) | box(SHAPE, (0, 0, 6), (4, 6, 10))  # middle between columns 4 and 5


def balance(mask: np.ndarray, lungs: np.ndarray | None = LUNGS) -> float | None:
    return LeftRightBalance().compute(case_of(mask, lungs=lungs))


@pytest.mark.parametrize(
    ("first", "last", "expected"), [(0, 4, -1), (6, 10, 1), (3, 7, 0), (4, 8, 0.5), (3, 5, -1), (5, 6, 1)]
)
def test_left_is_positive_and_counted_from_the_middle_of_the_lungs(first: int, last: int, expected: float) -> None:
    assert balance(box(SHAPE, (1, 1, first), (3, 3, last))) == expected


def test_a_mirror_image_changes_the_sign() -> None:
    mask = box(SHAPE, (1, 1, 3), (3, 3, 10))
    value = balance(mask)
    assert value is not None
    assert balance(mask[:, :, ::-1], LUNGS[:, :, ::-1]) == -value


def test_a_column_on_the_middle_belongs_to_neither_side() -> None:
    lungs = box(SHAPE, (0, 0, 2), (4, 6, 9))  # columns 2 to 8, middle 5
    assert balance(box(SHAPE, (1, 1, 5), (2, 2, 6)), lungs) == 0


def test_undefined_without_lungs_or_lesions() -> None:
    assert balance(LUNGS, None) is None
    assert balance(np.zeros(SHAPE, bool)) is None
    assert balance(LUNGS, np.zeros(SHAPE, bool)) is None


def test_undefined_where_only_one_lung_is_seen() -> None:
    right = box(SHAPE, (0, 0, 0), (4, 6, 4))
    assert balance(box(SHAPE, (1, 1, 1), (3, 3, 3)), right) is None
