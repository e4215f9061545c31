"""Shares of the largest piece, by hand."""

import numpy as np
import pytest

from hospital_agent.analysis.features.largest_component import LargestComponentFraction
from tests.cases import case_of
from tests.phantoms import box

SHAPE = (6, 8, 10)


@pytest.mark.parametrize(
    ("mask", "expected"),
    [
        (np.zeros(SHAPE, bool), None),
        (box(SHAPE, (0, 0, 0), (6, 8, 10)), 1),
        (box(SHAPE, (0, 0, 0), (1, 1, 3)) | box(SHAPE, (4, 4, 4), (5, 5, 5)), 0.75),
        (box(SHAPE, (0, 0, 0), (1, 1, 2)) | box(SHAPE, (4, 4, 4), (5, 5, 6)), 0.5),
    ],
    ids=["empty", "full", "three to one", "equal"],
)
def test_share_of_the_largest(mask: np.ndarray, expected: float | None) -> None:
    assert LargestComponentFraction().compute(case_of(mask)) == expected
