"""Shares inside the lungs, by hand."""

import numpy as np
import pytest

from hospital_agent.analysis.features.in_lungs import LesionInLungs
from tests.cases import case_of
from tests.phantoms import box

SHAPE = (6, 8, 10)
LUNGS = box(SHAPE, (0, 0, 0), (6, 8, 5))


def share(mask: np.ndarray, lungs: np.ndarray | None = LUNGS) -> float | None:
    return LesionInLungs().compute(case_of(mask, lungs=lungs))


@pytest.mark.parametrize(("first", "expected"), [(0, 1.0), (3, 0.5), (6, 0.0)])
def test_voxels_inside_are_counted(first: int, expected: float) -> None:
    assert share(box(SHAPE, (1, 2, first), (3, 4, first + 4))) == expected


def test_three_quarters() -> None:
    assert share(box(SHAPE, (1, 2, 2), (3, 4, 6))) == 0.75


def test_pieces_apart_are_taken_together() -> None:
    assert share(box(SHAPE, (0, 0, 0), (1, 1, 1)) | box(SHAPE, (5, 7, 7), (6, 8, 10))) == 0.25


def test_many_voxels_do_not_overflow() -> None:
    mask = np.ones((30, 40, 50), bool)
    assert share(mask, mask.copy()) == 1


def test_undefined_without_lungs_or_lesions() -> None:
    assert share(LUNGS, None) is None
    assert share(np.zeros(SHAPE, bool)) is None


def test_lungs_that_are_elsewhere_hold_nothing() -> None:
    assert share(box(SHAPE, (0, 0, 6), (2, 2, 8)), np.zeros(SHAPE, bool)) == 0
